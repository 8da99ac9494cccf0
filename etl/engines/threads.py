"""How do the cores of this machine share the batches of one process?

By threads: Arrow's kernels, compression and parsing let go of the interpreter while they work.
Results come in the order of the batches, and only a few batches are under way at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from etl.engines import Where

_T = TypeVar("_T")
_R = TypeVar("_R")


def ahead(items: Iterable[_T]) -> Iterator[_T]:
    """Yield the items, each made in another thread while the one before it is used."""
    source = iter(items)
    done = object()
    with ThreadPoolExecutor(1) as pool:
        coming: Future[_T | object] = pool.submit(next, source, done)
        while (item := coming.result()) is not done:
            coming = pool.submit(next, source, done)
            yield item  # type: ignore[misc]


class Threads:
    """Runs tasks in several threads of this process."""

    where: Where = "process"

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item, in their order."""
        with ThreadPoolExecutor(self._workers) as pool:
            coming = deque[Future[_R]]()
            try:
                for item in items:
                    coming.append(pool.submit(task, item))
                    if len(coming) > 2 * self._workers:
                        yield coming.popleft().result()
                while coming:
                    yield coming.popleft().result()
            finally:
                for future in coming:
                    future.cancel()

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields, of every item, made in another thread."""
        return ahead(chain.from_iterable(map(task, items)))

    def dismiss(self) -> None:
        """Do nothing: threads live only while they work."""
