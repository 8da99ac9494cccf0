"""How does an httpx client reach the sandbox without a socket?

``SandboxTransport`` plugs into ``httpx.Client(transport=...)``: requests are answered by a function
call, and scripted faults arrive as the errors httpx raises for them on a real connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from etl.sandbox.messages import Request, Response

_DRIPS = 16


class SandboxTransport(httpx.BaseTransport):
    """Answers in process. No time passes: a delay beyond the read timeout ends at once."""

    def __init__(self, respond: Callable[[Request], Response]) -> None:
        self._respond = respond

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, or raise what a broken connection would."""
        answer = self._respond(
            Request(
                request.method,
                request.url.raw_path.partition(b"?")[0].decode("ascii"),
                request.url.query.decode("ascii"),
                {name.lower(): value for name, value in request.headers.items()},
                request.read(),
            )
        )
        if not answer.delivery.halfway:
            _break(answer, request, "Server disconnected without sending a response.")
        headers = {**answer.headers, "content-length": str(len(answer.body))}
        return httpx.Response(answer.status, headers=headers, stream=_Body(answer, request))


def _break(answer: Response, request: httpx.Request, dropped: str) -> None:
    """Raise what a connection does that breaks here, or stays silent for too long."""
    delivery = answer.delivery
    if delivery.manner == "drop":
        raise httpx.RemoteProtocolError(dropped, request=request)
    if delivery.manner == "reset":
        raise httpx.ReadError("Connection reset by peer", request=request)
    patience = request.extensions.get("timeout", {}).get("read")
    if patience is not None and delivery.late > patience:
        raise httpx.ReadTimeout("The read operation timed out", request=request)


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: Response, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        body, delivery = self._answer.body, self._answer.delivery
        if delivery.halfway:
            half = len(body) // 2
            yield body[:half]
            dropped = (
                "peer closed connection without sending complete message body "
                f"(received {half} bytes, expected {len(body)})"
            )
            _break(self._answer, self._request, dropped)
            yield body[half:]
        elif delivery.manner == "drip":
            step = max(1, len(body) // _DRIPS)
            for start in range(0, len(body), step):
                yield body[start : start + step]
        else:
            yield body
