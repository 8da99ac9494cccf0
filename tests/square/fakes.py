"""What stands in for time and for Square in these tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx

from etl.square.client import SquareClient
from etl.square.wire import Call

TOKEN = "EAAA-canary-3f1c9a"
VERSION = "2026-08-19"

Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        """Return the present."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Pass ``seconds`` at once."""
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Square:
    """Answers requests from a script and keeps what it was sent; the last answer repeats."""

    script: list[httpx.Response | Exception | Handler]
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        request.read()
        step = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(request)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, httpx.Response) else step(request)

    @property
    def bodies(self) -> list[bytes]:
        """The bodies received so far."""
        return [request.content for request in self.requests]


def client(
    handler: Handler,
    time: Time,
    *,
    patience: float = 900.0,
    requests_per_second: float | None = None,
    observe: Callable[[Call], None] = lambda call: None,
    seed: int = 1,
) -> SquareClient:
    """Return a client whose Square is ``handler`` and whose time is ``time``."""
    return SquareClient(
        httpx.MockTransport(handler),
        "https://square.example.com",
        TOKEN,
        VERSION,
        clock=time.clock,
        sleep=time.sleep,
        chance=random.Random(seed),
        patience=patience,
        requests_per_second=requests_per_second,
        observe=observe,
        wall=time.clock,
    )


def errors(status: int, *entries: dict[str, str], **headers: str) -> httpx.Response:
    """Return an error answer in Square's envelope."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"errors": list(entries)}, headers=named)


def chunks(*pieces: bytes) -> Iterator[bytes]:
    """Yield ``pieces``: a body that arrives bit by bit."""
    yield from pieces
