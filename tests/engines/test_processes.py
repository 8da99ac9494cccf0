"""Batches in several processes: the same results in the same order, and nobody outlives the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from etl.engines import Here
from etl.engines.processes import Processes
from etl.engines.threads import Threads
from etl.errors import Interrupted


def slow_first(number: int) -> int:
    """Return the square, of 0 last."""
    time.sleep(0.2 if number == 0 else 0)
    return number * number


def reciprocal(number: int) -> float:
    """Return 10 divided by the number."""
    return 10 / number


def worker(number: int) -> int:
    """Return who does this."""
    time.sleep(0.05)
    return os.getpid()


def end_on(number: int, how: int, last: int) -> int:
    """Kill this very worker at one number."""
    if number == last:
        os.kill(os.getpid(), how)
        time.sleep(30)
    return number


def die_once(numbered: tuple[int, int], last: int, after: int, mark: Path) -> Iterator[int]:
    """Count down; kill this worker in the middle of one item, the first time that it is done."""
    at, number = numbered
    for made, left in enumerate(range(number, 0, -1)):
        if at == last and made == min(after, number - 1) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield left


def counted_down(number: int) -> Iterator[tuple[int, bytes]]:
    """Yield so many results, of a megabyte each, and fail after the seventh."""
    for left in range(number, 0, -1):
        if number - left == 7:
            raise ValueError("seven are enough")
        yield left, bytes(1 << 20)


class Parts(NamedTuple):
    """What a batch is made of."""

    text: str
    data: pa.Buffer


def doubled(parts: Parts) -> Parts:
    """Return everything twice."""
    return Parts(parts.text * 2, pa.py_buffer(parts.data.to_pybytes() * 2))


def test_results_come_in_order() -> None:
    """Whichever process is done first, and however many there are."""
    squares = [number * number for number in range(50)]
    assert list(Here().in_order(slow_first, range(50))) == squares
    for workers in (1, 2, 3):
        with Processes(workers) as processes:
            assert list(processes.in_order(slow_first, range(50))) == squares
            assert list(processes.in_order(slow_first, [])) == []
            # Others than this one, and every one of them.
            pids = set(processes.in_order(worker, range(20)))
        assert len(pids) == workers
        assert os.getpid() not in pids


def test_large_buffers_arrive_whole() -> None:
    """More than a socket holds goes both ways at once."""
    sizes = [0, 1, 1 << 10, 5 << 20, 1 << 20, 3 << 20, 0, 2 << 20]
    with Processes(2) as processes:
        given = (Parts(str(size), pa.py_buffer(os.urandom(size))) for size in sizes)
        made = list(processes.in_order(doubled, given))
    assert [parts.text for parts in made] == [str(size) * 2 for size in sizes]
    assert [parts.data.size for parts in made] == [2 * size for size in sizes]


def test_only_a_few_are_under_way() -> None:
    """Items are made as results are taken: memory does not grow with their number."""
    made = 0

    def items() -> Iterator[int]:
        nonlocal made
        for number in range(1000):
            made += 1
            yield number

    with Processes(2) as processes:
        for taken, result in enumerate(processes.in_order(slow_first, items()), 1):
            assert result == (taken - 1) ** 2
            assert made <= taken + 10


def test_an_item_may_have_many_results() -> None:
    """They come in order, also of workers that have to wait long for their turn."""
    with Processes(2) as processes:
        for engine in (Here(), Threads(2), processes):
            numbers = [3, 0, 6, 1, 0, 0, 5, 2, 6]
            expected = [left for number in numbers for left in range(number, 0, -1)]
            made = engine.spread(counted_down, iter(numbers))
            assert [left for left, _ in made] == expected
            failing = engine.spread(counted_down, iter([2, 9, 3]))
            assert [next(failing)[0] for _ in range(9)] == [2, 1, 9, 8, 7, 6, 5, 4, 3]
            with pytest.raises(ValueError, match="seven are enough"):
                next(failing)
            assert list(engine.in_order(slow_first, range(5))) == [0, 1, 4, 9, 16]


def test_a_task_left_in_the_middle() -> None:
    """What is still under way of it is not taken for a result of the next one."""
    with Processes(2) as processes:
        squares = processes.in_order(slow_first, range(1000))
        assert next(squares) == 0
        assert next(squares) == 1
        assert list(processes.in_order(reciprocal, [1, 2, 5])) == [10, 5, 2]


def test_errors_reach_who_asked() -> None:
    """An error of a task is raised where its result would have been, with its place."""
    with Processes(2) as processes:
        found = processes.in_order(reciprocal, [5, 0, 2])
        assert next(found) == 2
        with pytest.raises(ZeroDivisionError) as raised:
            next(found)
        assert "in reciprocal" in "".join(raised.value.__notes__)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_an_item_that_kills_whoever_does_it(how: signal.Signals, workers: int) -> None:
    """It is given to two processes at most: nobody waits for ever for what the dead would say."""
    with (
        Processes(workers) as processes,
        pytest.raises(Interrupted, match=f"ended by {how.name}.*short of memory"),
    ):
        list(processes.in_order(partial(end_on, how=how, last=7), range(30)))


@pytest.mark.parametrize("after", [0, 1, 4, 6])
def test_others_take_over_from_a_killed_worker(after: int, tmp_path: Path) -> None:
    """Each result comes once and in order, however many the dead one had delivered of an item."""
    numbers = [3, 0, 6, 1, 6, 0, 5, 2, 6, 6, 1]
    expected = [left for number in numbers for left in range(number, 0, -1)]
    for last in (2, 4, 8, 9):
        with Processes(3) as processes:
            fatal = partial(die_once, last=last, after=after, mark=tmp_path / str(last))
            assert list(processes.spread(fatal, enumerate(numbers))) == expected
            # Two are left, and do the next task.
            assert len(set(processes.in_order(worker, range(6)))) == 2
            with pytest.raises(ValueError, match="seven are enough"):
                list(processes.spread(counted_down, [3, 9]))


def test_killed_by_somebody_else() -> None:
    """Whichever worker goes, and whenever: the last one does all that is left."""
    with Processes(3) as processes:
        pids = list(set(processes.in_order(worker, range(12))))
        results = processes.in_order(worker, range(40))
        seen = [next(results) for _ in range(3)]
        os.kill(pids[0], signal.SIGKILL)
        seen += [next(results) for _ in range(7)]
        os.kill(pids[1], signal.SIGKILL)
        seen += list(results)
        assert len(seen) == 40
        assert set(seen[-20:]) == {pids[2]}
        os.kill(pids[2], signal.SIGKILL)
        with pytest.raises(Interrupted, match="SIGKILL"):
            list(processes.in_order(worker, range(3)))
        # Nobody is left to ask: what is still to be done, such as a report, is done here.
        assert set(processes.in_order(worker, range(3))) == {os.getpid()}


def test_a_signal_to_stop_is_not_for_workers() -> None:
    """What stops a whole group of processes leaves it to one of them to stop in good order."""
    with Processes(2) as processes:
        pids = set(processes.in_order(worker, range(8)))
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
        assert set(processes.in_order(worker, range(8))) == pids


_RUN = """
import sys
from etl.engines.processes import Processes
from tests.engines.test_processes import slow_first, worker
with Processes(2) as processes:
    print(*set(processes.in_order(worker, range(8))), flush=True)
    list(processes.in_order(slow_first, iter(int, 1)))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_do_not_outlive_the_run(how: signal.Signals) -> None:
    """However a run ends, its workers end, though they are in the middle of a batch."""
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert run.stdout
    pids = list(map(int, run.stdout.readline().split()))
    assert len(pids) == 2
    assert all(map(_alive, pids))
    run.send_signal(how)
    # Nor does a worker hold the pipe open that the run wrote to.
    assert run.communicate(timeout=10)[0] == b""
    until = time.monotonic() + 10
    while any(map(_alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


_CHOICES = """
import os, sys
from pathlib import Path
from etl.engines import chosen, ready
from etl.engines.threads import Threads

def kind(size, cores, *asked):
    os.sched_getaffinity = lambda pid: set(range(cores))
    choice = chosen(*(asked or (None, None, None)))
    with ready(choice) as engine, engine.started(size, Path("workers")) as at_work:
        return type(at_work).__name__

much = 1 << 30
print(kind(1 << 20, 8), kind(much, 1), kind(much, 2))
print(kind(much, 2, "local", None, None), kind(1, 1, "processes", None, None))
print(kind(1, 1, None, 2, None), kind(0, 2, "processes", 2, None))
threads = Threads(1).in_order(lambda number: number, iter(range(9)))
next(threads)
print(kind(much, 2), kind(1, 2, "processes", 2, None))
"""


def test_the_machine_chooses() -> None:
    """Little work and a single core need no helpers; several threads cannot be copied.

    Who asks for an engine gets it, as long as there is something for it to do.
    """
    # Here there may be threads already.
    done = subprocess.run([sys.executable, "-c", _CHOICES], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "Here Here Processes",
        "Here Processes",
        "Processes Here",
        "Threads Threads",
    ], done.stderr
