"""Where do batches run: in this process, in its threads, or in several processes?

An engine does one task to many items and gives the results in the order of the items, so that
nothing depends on which engine it was or how many workers it has.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Protocol, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

# Each further worker takes memory, and one process has to write what all of them found.
_MOST_WORKERS = 4


class Engine(Protocol):
    """Runs a task for many items."""

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item, in their order; only a few are under way at a time.

        The items are made in the caller's thread. What a task raises is raised here.
        """

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields, of every item, in their order.

        However much that is of one item, little of it is held at a time.
        """

    def dismiss(self) -> None:
        """Let helpers go; what is asked for from now on is done here."""


class Here:
    """Runs every task where it is asked for."""

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item."""
        return map(task, items)

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields, of every item."""
        return chain.from_iterable(map(task, items))

    def dismiss(self) -> None:
        """Do nothing: nobody helps."""


@contextmanager
def started(*, much: bool) -> Iterator[Engine]:
    """Give the engine for a run on this machine; ``much`` tells that there is work for several.

    Processes are copies of this one. Where it has other threads, which copies would lack, or the
    system's own libraries do not stand being copied, threads have to do.
    """
    workers = min(_cores(), _MOST_WORKERS)
    if not much or workers == 1:
        yield Here()
    elif sys.platform != "linux" or threading.active_count() > 1:
        from etl.engines.threads import Threads

        yield Threads(workers)
    else:
        from etl.engines.processes import Processes

        with Processes(workers) as processes:
            yield processes


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
