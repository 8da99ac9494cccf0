"""Where is Square, and how do bytes get there?

The time-outs of an HTTP library bound each read, so a server that drips one byte a second is
waited for all day. Here every operation on a socket gets only what is left of its request's time.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from etl.addresses import is_loopback
from etl.errors import ConfigError

# In their own logs these quote what a server says, which may be what it was told: the token, and
# people. Each call is told by the client's observer instead.
logging.getLogger("httpcore").setLevel(logging.WARNING)
logging.getLogger("httpx").setLevel(logging.WARNING)

BASE_URLS = {
    "sandbox": "https://connect.squareupsandbox.com",
    "production": "https://connect.squareup.com",
}

# Calls under way at a time: Square takes seconds for a bulk call, and lets about ten a second pass.
IN_FLIGHT = 12

# A reader that takes its time must not get a new time-out with every few bytes.
_SLICE = 16 * 1024


def check_base_url(url: str) -> str:
    """Return ``url`` without a closing slash if a token may be sent there.

    That is https anywhere, and plain http to this machine only.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigError(f"the base URL cannot be read: {error}") from error
    if parsed.userinfo or parsed.query or parsed.fragment:
        # Not repeated in the message: what stands before the @ may be a password.
        raise ConfigError("the base URL must not hold a user, a query or a fragment")
    # httpx escapes what cannot stand in a host instead of refusing it.
    if b"%" in parsed.raw_host or not parsed.host or parsed.scheme not in ("http", "https"):
        raise ConfigError(f"the base URL {url!r} does not start with https:// and a host")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise ConfigError(f"the base URL {url!r} has a port that does not exist")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise ConfigError(
            f"the base URL {url!r} would send the token unencrypted: use https://"
            " (plain http is for this machine only)"
        )
    return str(parsed).rstrip("/")


def network_transport() -> httpx.BaseTransport:
    """Return the way to the real network.

    Proxies and certificates named by environment variables are ignored, nothing is repeated, and
    the read time-out of a request is the time its whole exchange may take.
    """
    return _Network()


class _Budget(threading.local):
    """What is left of the time of the request that this thread is at."""

    def __init__(self) -> None:
        self._until = time.monotonic()

    def start(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self, most: float | None, expired: type[httpcore.TimeoutException]) -> float:
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise expired("the request took too long")
        return seconds if most is None else min(most, seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._budget.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE):
            left = self._budget.left(timeout, httpcore.WriteTimeout)
            self._stream.write(buffer[start : start + _SLICE], left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._budget.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, budget: _Budget) -> None:
        self._sockets = httpcore.SyncBackend()
        self._budget = budget

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._budget.left(timeout, httpcore.ConnectTimeout)
        stream = self._sockets.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self._budget)


@contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.TimeoutException(str(error)) from error
    except httpcore.NetworkError as error:
        raise httpx.NetworkError(str(error)) from error
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise httpx.ProtocolError(str(error)) from error


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Network(httpx.BaseTransport):
    def __init__(self) -> None:
        self._budget = _Budget()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=IN_FLIGHT + 1,
            keepalive_expiry=30.0,
            retries=0,
            network_backend=_Backend(self._budget),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._budget.start(request.extensions["timeout"]["read"])
        with _as_httpx():
            response = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._pool.close()
