"""Tests of a single attempt: what of an answer is taken, and when reading stops."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator

import httpx
import pytest

from etl.square.exchange import LARGEST_BODY, Received, exchange
from etl.square.retry import TryAgain
from tests.square.fakes import Handler, Time, chunks

URL = "https://square.example.com/v2/customers"


def receive(handler: Handler, time: Time | None = None) -> Received:
    """Exchange one request with ``handler`` within 60 seconds."""
    with httpx.Client(transport=httpx.MockTransport(handler)) as http:
        return exchange(http, httpx.Request("GET", URL), (time or Time()).clock, 60.0)


def answer(content: bytes | Iterator[bytes], encoding: str = "") -> httpx.Response:
    """Return an answer whose body arrives as it is written on the wire."""
    headers = {"content-encoding": encoding} if encoding else {}
    stream = chunks(content) if isinstance(content, bytes) else content
    return httpx.Response(200, headers=headers, content=stream)


def test_plain_and_gzip_bodies_are_read() -> None:
    """A body comes out the same whether it travelled compressed or not."""
    packed = gzip.compress(b'{"count": 1}')
    pieces = chunks(*(packed[i : i + 3] for i in range(0, len(packed), 3)))

    assert receive(lambda request: answer(b'{"count": 1}')).body == b'{"count": 1}'
    assert receive(lambda request: answer(pieces, "gzip")).body == b'{"count": 1}'
    assert receive(lambda request: httpx.Response(200, json={})).body == b"{}"


def test_no_head_means_try_again() -> None:
    """Without the head of an answer there is nothing to return."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(TryAgain, match="ConnectError: connection refused"):
        receive(refuse)


def test_a_broken_body_keeps_the_head() -> None:
    """A connection lost inside the body leaves status and headers, so that advice is heard."""

    def pieces() -> Iterator[bytes]:
        yield b'{"err'
        raise httpx.ReadError("connection reset")

    headers = {"retry-after": "9"}
    received = receive(lambda request: httpx.Response(429, headers=headers, content=pieces()))

    assert (received.status, received.headers["retry-after"]) == (429, "9")
    assert received.flaw == "ReadError: connection reset"


def test_a_dripping_body_is_given_up() -> None:
    """Reading stops at the deadline however steadily the bytes come."""
    time = Time()

    def drip() -> Iterator[bytes]:
        while True:
            time.sleep(7.0)
            yield b" "

    received = receive(lambda request: answer(drip()), time)

    assert received.flaw == "the answer took too long"
    assert time.now == 1000 + 63


def test_a_bomb_is_not_inflated() -> None:
    """A small body that would become enormous is dropped at the limit."""
    bomb = gzip.compress(bytes(4 * LARGEST_BODY), compresslevel=1)

    tracemalloc.start()
    try:
        received = receive(lambda request: answer(bomb, "gzip"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert received.flaw == "the answer is too large"
    assert peak < 3 * LARGEST_BODY


def test_an_endless_plain_body_is_dropped() -> None:
    """The limit holds for bodies that are not compressed, too."""

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1024 * 1024)

    assert receive(lambda request: answer(endless())).flaw == "the answer is too large"


@pytest.mark.parametrize(
    ("content", "encoding", "flaw"),
    [
        (gzip.compress(b'{"count": 1}')[:-9], "gzip", "the answer was cut off"),
        (b"", "gzip", "the answer was cut off"),
        (b"not gzip at all", "gzip", "the answer cannot be inflated"),
        (b"{}", "br", "the answer has an encoding nobody asked for"),
    ],
)
def test_damaged_encodings_are_flaws(content: bytes, encoding: str, flaw: str) -> None:
    """A compressed body that cannot be restored in full is not used."""
    assert receive(lambda request: answer(content, encoding)).flaw == flaw
