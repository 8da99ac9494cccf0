"""Which calls to Square are under way at the same time?

One thread launches calls and takes their answers in the order of launching; each call has a thread
of its own meanwhile. What is written down is so by the one thread alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Generic, TypeVar

from etl.errors import Interrupted, SquareError

# Seconds that an answer is waited for after a signal asked to stop.
_GRACE = 6.0

L = TypeVar("L")  # what a call is known by
A = TypeVar("A")  # what answers it


class Flights(Generic[L, A]):
    """Up to ``most`` calls under way; with 1, each is made while it is launched."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: deque[tuple[L, Future[A]]] = deque()

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def full(self) -> bool:
        """Must an answer be taken before another call can be launched?"""
        return len(self._under_way) >= self._most

    def launch(self, label: L, call: Callable[[], A]) -> None:
        """Have ``call`` made."""
        future: Future[A] = Future()
        self._under_way.append((label, future))
        if self._most == 1:
            _make(call, future)
        else:
            # A daemon: whoever gives up waiting for an answer can end all the same.
            Thread(target=_make, args=(call, future), daemon=True).start()

    def land(self, seconds: float | None = None) -> tuple[L, Callable[[], A]]:
        """Wait until the oldest call is answered; return its label and what answers or raises.

        Raises TimeoutError when it is not within ``seconds``; the call is given up then.
        """
        label, future = self._under_way.popleft()
        future.exception(seconds)
        return label, future.result

    def each(
        self, labels: Iterable[L], call: Callable[[L], A]
    ) -> Iterator[tuple[L, Callable[[], A]]]:
        """Make a call for each label; yield them as they land."""
        for label in labels:
            self.launch(label, partial(call, label))
            if self.full:
                yield self.land()
        while self._under_way:
            yield self.land()

    def land_rest(self, land: Callable[[L, Callable[[], A]], None], stop: Exception) -> None:
        """Have ``land`` take what is under way when ``stop`` ends the launching.

        What raises stays as unknown as what is not answered: after a signal no call is waited for
        longer than ``_GRACE`` seconds, all of which began before it.
        """
        seconds = _GRACE if isinstance(stop, Interrupted) else None
        while self._under_way:
            with suppress(Interrupted, SquareError, TimeoutError):
                land(*self.land(seconds))
                continue
            if seconds is not None:
                seconds = 0.0


def _make(call: Callable[[], A], future: Future[A]) -> None:
    try:
        future.set_result(call())
    except Exception as error:
        future.set_exception(error)
