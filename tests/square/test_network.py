"""Tests of the way to the network, against sockets that misbehave."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from etl.errors import ConfigError, Unavailable
from etl.square.client import SquareClient, check_base_url, network_transport
from etl.square.wire import Merchant
from tests.square.fakes import TOKEN, VERSION

Behaviour = Callable[[socket.socket], None]

GOOD = b'{"merchant": {"id": "M1", "country": "US", "business_name": "Corner Bakery"}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def good(connection: socket.socket) -> None:
    """Answer as Square would."""
    connection.sendall(HEAD % len(GOOD) + GOOD)


def truncated(connection: socket.socket) -> None:
    """Hang up in the middle of the body."""
    connection.sendall(HEAD % len(GOOD) + GOOD[:20])


def reset(connection: socket.socket) -> None:
    """Tear the connection down instead of answering."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(connection: socket.socket) -> None:
    """Close without a word."""


def drip(*parts: bytes) -> Behaviour:
    """Return a behaviour that sends ``parts`` with a pause after each, well within any time-out."""

    def send(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.05)

    return send


drip_body = drip(HEAD % 1000, *[b" "] * 100)
drip_head = drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", *[b"x"] * 100)


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[str]:
    """Serve one connection per behaviour on a loopback port; yield the base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10.0)

    def serve() -> None:
        for behaviour in behaviours:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.recv(65536)
                    behaviour(connection)
                except (BrokenPipeError, ConnectionResetError):
                    continue  # the client gave up first

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join()
        listener.close()


def ask(base_url: str, *, deadline: float = 5.0, patience: float = 60.0) -> Merchant:
    """Ask for the merchant over a real socket; pauses between attempts are skipped."""
    square = SquareClient(
        network_transport(),
        base_url,
        TOKEN,
        VERSION,
        clock=time.monotonic,
        sleep=lambda seconds: None,
        chance=random.Random(1),
        patience=patience,
        deadline=deadline,
    )
    try:
        return square.merchant()
    finally:
        square.close()


@pytest.mark.parametrize("behaviour", [truncated, reset, hang_up])
def test_broken_connections_are_repeated(behaviour: Behaviour) -> None:
    """Truncated bodies, resets and silent hang-ups are asked again."""
    with serving(behaviour, behaviour, good) as base_url:
        assert ask(base_url) == Merchant("M1", "US", "Corner Bakery")


@pytest.mark.parametrize("behaviour", [drip_body, drip_head])
def test_the_deadline_is_total(behaviour: Behaviour) -> None:
    """A server that keeps sending single bytes, in head or body, cannot outlast the deadline."""
    began = time.monotonic()
    with serving(behaviour) as base_url, pytest.raises(Unavailable):
        ask(base_url, deadline=0.3, patience=0.01)

    assert 0.3 <= time.monotonic() - began < 4.0


def test_nobody_listens() -> None:
    """A refused connection ends as unavailable and names the endpoint, not the token."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable) as caught:
        ask(f"http://127.0.0.1:{port}", patience=0.01)

    assert str(caught.value).startswith("GET /v2/merchants/me: gave up after 1 attempts")
    assert TOKEN not in str(caught.value)


def test_connections_are_reused() -> None:
    """Two calls travel over one connection."""

    def twice(connection: socket.socket) -> None:
        good(connection)
        connection.recv(65536)
        good(connection)

    with serving(twice) as base_url, httpx.Client(transport=network_transport()) as http:
        answers = [http.get(f"{base_url}/v2/merchants/me").json() for _ in range(2)]

    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://connect.squareup.com", "https://connect.squareup.com"),
        ("https://connect.squareup.com/", "https://connect.squareup.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:9", "http://[::1]:9"),
    ],
)
def test_good_base_urls(url: str, checked: str) -> None:
    """Https goes anywhere, plain http to this machine."""
    assert check_base_url(url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "http://connect.squareup.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "https://user:secret@example.com",
        "https://example.com?x=1",
        "https://example.com#x",
        "ftp://127.0.0.1",
        "connect.squareup.com",
        "//example.com",
        "https://",
        "https://exa mple.com",
        "https://example.com:port",
        "",
    ],
)
def test_bad_base_urls(url: str) -> None:
    """A token is not sent unencrypted, nor to a place that cannot be told; secrets stay secret."""
    with pytest.raises(ConfigError) as caught:
        check_base_url(url)

    assert "secret" not in str(caught.value)
