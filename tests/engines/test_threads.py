"""Batches in threads: the same results in the same order, and no error is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from etl.engines.threads import Threads, ahead


def test_items_come_in_order() -> None:
    """Whatever order the threads finish in, results come in the order of the items."""
    first_may_end = threading.Event()

    def task(number: int) -> int:
        if number == 0:
            first_may_end.wait(5)
        else:
            first_may_end.set()
        return number * number

    squares = [number * number for number in range(20)]
    assert list(Threads(2).in_order(task, range(20))) == squares
    assert list(ahead(iter(range(20)))) == list(range(20))
    assert list(ahead([])) == list(Threads(2).in_order(task, [])) == []


def test_only_a_few_are_under_way() -> None:
    """Items are made as results are taken: memory does not grow with their number."""
    made = 0

    def items() -> Iterator[int]:
        nonlocal made
        for number in range(1000):
            made += 1
            yield number

    results = Threads(2).in_order(lambda number: number, items())
    assert next(results) == 0
    assert made <= 6
    results.close()  # type: ignore[attr-defined]

    made = 0
    coming = ahead(items())
    assert next(coming) == 0
    coming.close()  # type: ignore[attr-defined]
    assert made <= 3


def test_errors_reach_who_asked() -> None:
    """An error of a task or of the source is raised where its result would have been."""

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    read = ahead(broken())
    assert next(read) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(read)
    halves = Threads(2).in_order(lambda number: 10 // number, [5, 0, 2])
    assert next(halves) == 2
    with pytest.raises(ZeroDivisionError):
        next(halves)
