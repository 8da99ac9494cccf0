"""How does the sandbox get onto a port?

Starlette and uvicorn, on the loopback only. Requests are answered in worker threads, and scripted
faults are carried out on the connection itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import uvicorn
from anyio.to_thread import current_default_thread_limiter
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from etl.sandbox.assumptions import BULK_BODY_LIMIT
from etl.sandbox.errors import API, Problem, as_errors
from etl.sandbox.messages import Request, Response

LOOPBACK = "127.0.0.1"
# Names the machine has for itself: another name in the Host header means that a web page of
# somebody else's had a browser call here.
_OWN_NAMES = [LOOPBACK, "localhost"]
_DRIPS = 16
# Scripted delays before the commit each take a thread; anyio has 40 unless it is told otherwise.
_THREADS = 1000

Respond = Callable[[Request, Callable[[float], object]], Response]
_GRACE = 2  # seconds for requests under way when the server is stopped


def run(respond: Respond, port: int, ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is told the port once requests are answered."""
    server, listener = _server(respond, port, ready)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn raises the signals it stopped on once more when it is done, for whoever handled them
    # before; the default handlers would make that a failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listener])


@contextlib.contextmanager
def serving(respond: Respond) -> Iterator[str]:
    """Serve in a thread of this process for as long as the block lasts; gives the address."""
    started = threading.Event()
    server, listener = _server(respond, 0, lambda _: started.set())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    started.wait()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _server(
    respond: Respond, port: int, ready: Callable[[int], None]
) -> tuple[_Server, socket.socket]:
    # asyncio sends small packets at once only on sockets that say they are TCP; without that
    # every answer waits 40 ms for the client's acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # A port that was served a moment ago may be served again.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        listener.close()
        raise
    door = _Door(respond)
    config = uvicorn.Config(
        # No router: Starlette's patterns for paths do not match those with a line break.
        TrustedHostMiddleware(door, allowed_hosts=_OWN_NAMES),
        http=_Connection,
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,  # answers carry the sandbox's own time
        # Longer than clients keep a connection that idles: else one is closed as a call begins.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE,
    )
    server = _Server(config, lambda: ready(listener.getsockname()[1]), door.stop)
    return server, listener


class _Server(uvicorn.Server):
    """A uvicorn server that says when it answers and when it is about to stop."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        current_default_thread_limiter().total_tokens = _THREADS
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)


class _Connection(H11Protocol):
    """A connection whose requests can reach it: a fault may have to break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": transport}


class _Door:
    """The ASGI side of a sandbox."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        # Both end scripted delays when the server stops: those of threads and those of the loop.
        self._stopping = threading.Event()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self._stopping.set()
        self._stopped.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            return
        request = Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body,
        )
        try:
            answer = await run_in_threadpool(self._respond, request, self._stopping.wait)
        except Exception:
            traceback.print_exc()
            answer = _bug()
        connection = scope["state"]["connection"]
        if answer.delivery.halfway:
            await _start(answer, send)
            await send(_part(answer.body[: len(answer.body) // 2]))
        if answer.delivery.late:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(answer.delivery.late):
                    await self._stopped.wait()
        await _deliver(answer, connection, receive, send)


def _bug() -> Response:
    problem = Problem("INTERNAL_SERVER_ERROR", "This is a bug in the sandbox.", category=API)
    return Response(500, orjson.dumps(as_errors([problem])), {"content-type": "application/json"})


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request, None if the client went away in the middle of it."""
    # What is over the limit is read to its end and forgotten: closing early would show the
    # client a broken pipe instead of the 413.
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            # What came so far may be JSON by itself: half a request is none.
            return None
        if len(body) <= BULK_BODY_LIMIT:
            body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def _deliver(
    answer: Response, connection: asyncio.Transport, receive: Receive, send: Send
) -> None:
    match answer.delivery.manner:
        case "drop":
            await _close(connection.close, receive)
        case "reset":
            # Closing at once without lingering makes the kernel send RST.
            raw = connection.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await _close(connection.abort, receive)
        case "drip":
            await _start(answer, send)
            step = max(1, len(answer.body) // _DRIPS)
            for start in range(0, len(answer.body), step):
                await send(_part(answer.body[start : start + step]))
                await asyncio.sleep(answer.delivery.drip / _DRIPS)
            await send({"type": "http.response.body"})
        case _ if answer.delivery.halfway:
            rest = answer.body[len(answer.body) // 2 :]
            await send({"type": "http.response.body", "body": rest})
        case _:
            await _start(answer, send)
            await send({"type": "http.response.body", "body": answer.body})


async def _start(answer: Response, send: Send) -> None:
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )


def _part(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _close(close: Callable[[], None], receive: Receive) -> None:
    # Returning before the connection is gone would make uvicorn answer 500 on it.
    close()
    while (await receive())["type"] != "http.disconnect":
        pass
