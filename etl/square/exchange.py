"""What came back for one request, within one deadline?

One attempt: no retry, no pacing, no meaning. A body is read piece by piece, against the clock and
against a limit on its decoded size, so that neither a dripping nor an exploding answer can hold
the run.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx

from etl.square.retry import TryAgain

# A page of 100 profiles is below 1 MiB unless notes are enormous.
LARGEST_BODY = 64 * 1024 * 1024

# Where the words of an HTTP parser end, and what it could not parse begins.
_QUOTED = re.compile(r""":|\sb['"]|\sbytearray\(""")


@dataclass(frozen=True, slots=True)
class Received:
    """The head of an HTTP answer and its decoded body; ``flaw`` says why that is incomplete."""

    status: int
    headers: httpx.Headers
    body: bytes
    flaw: str = ""


class _Flaw(Exception):
    """The body cannot be had."""


def exchange(
    http: httpx.Client, request: httpx.Request, clock: Callable[[], float], deadline: float
) -> Received:
    """Send ``request`` and read its answer within ``deadline`` seconds.

    Raises TryAgain when not even the head of an answer came.
    """
    until = clock() + deadline
    try:
        response = http.send(request, stream=True)
    except httpx.TransportError as error:
        raise TryAgain(_reason(error)) from error
    body = bytearray()
    flaw = ""
    with closing(response):
        try:
            for piece in _decoded(response, _in_time(response, clock, until)):
                body += piece
        except httpx.TransportError as error:
            flaw = _reason(error)
        except _Flaw as error:
            flaw = str(error)
    return Received(response.status_code, response.headers, bytes(body), flaw)


def _in_time(response: httpx.Response, clock: Callable[[], float], until: float) -> Iterator[bytes]:
    # Not iter_raw(): it refuses answers that a transport built from bytes in memory.
    assert isinstance(response.stream, httpx.SyncByteStream)
    for chunk in response.stream:
        if clock() > until:
            raise _Flaw("the answer took too long")
        yield chunk


def _decoded(response: httpx.Response, chunks: Iterator[bytes]) -> Iterator[bytes]:
    # httpx would inflate a whole chunk at once, a thousandfold if somebody means harm.
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise _Flaw("the answer has an encoding nobody asked for")
    inflater = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    room = LARGEST_BODY
    for chunk in chunks:
        try:
            piece = inflater.decompress(chunk, room + 1) if inflater else chunk
        except zlib.error as error:
            raise _Flaw("the answer cannot be inflated") from error
        room -= len(piece)
        if room < 0:
            raise _Flaw("the answer is too large")
        yield piece
    if inflater and not inflater.eof:
        raise _Flaw("the answer was cut off")


def _reason(error: httpx.TransportError) -> str:
    told = str(error)
    if isinstance(error, httpx.ProtocolError):
        # "illegal header line: bytearray(b'...')" quotes the other side, and that may quote us.
        told = _QUOTED.split(told)[0]
    return f"{type(error).__name__}: {told}".rstrip(": ")
