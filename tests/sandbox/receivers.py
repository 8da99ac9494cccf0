"""A real receiver of webhooks, on the loopback."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PATIENCE = 20


@dataclass(frozen=True)
class Notification:
    """A notification as it arrived; header names are lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        """The event it tells of."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """What arrived; ``answers`` are the statuses of the next answers, 200 once there are none.

    While ``open`` is not set, nothing is answered. ``judge`` may choose the status instead.
    """

    port: int = 0
    answers: list[int] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    judge: Callable[[Notification], int] | None = None
    _arrived: queue.Queue[Notification] = field(default_factory=queue.Queue)

    @property
    def url(self) -> str:
        """A URL that leads here."""
        return f"http://127.0.0.1:{self.port}/square?of=events"

    def next(self) -> Notification:
        """Wait for the next notification."""
        return self._arrived.get(timeout=_PATIENCE)

    def taken(self) -> list[Notification]:
        """Return what has arrived and was not asked for yet."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._arrived.get_nowait())
        return found

    def take(self, notification: Notification) -> int:
        """Note a notification; return the status of the answer."""
        self._arrived.put(notification)
        self.open.wait(_PATIENCE)
        if self.judge is not None:
            return self.judge(notification)
        return self.answers.pop(0) if self.answers else 200


@contextlib.contextmanager
def receiving(
    port: int = 0, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Receive notifications for as long as the block lasts, on any free port or on this one."""
    receiver = Receiver()
    receiver.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            status = receiver.take(Notification(self.path, headers, body))
            with contextlib.suppress(OSError):
                self.send_response(status)
                # Followed, this would arrive here once more.
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    server = Server((host, port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
