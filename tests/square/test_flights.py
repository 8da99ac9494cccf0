"""Tests of calls under way at a time: they overlap, and nothing about their outcome changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from etl import pipeline
from etl.config import Config
from etl.errors import Interrupted, Unavailable
from etl.pipeline import Progress, Report, Square
from etl.square.client import SquareClient
from etl.square.flights import Flights
from etl.square.wire import Call
from tests.worlds import BASE_URL, World, counts, open_world, people, run_resume

TOGETHER = 4


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world without lag."""
    world = open_world(tmp_path)
    yield world
    world.close()


class Gate(httpx.BaseTransport):
    """Lets bulk creates pass only once so many of them have come; nothing else waits."""

    def __init__(self, world: World, together: int) -> None:
        self.inner = world.sandbox.transport()
        self.barrier = threading.Barrier(together)
        self.turn = threading.Lock()
        self.refuse: Callable[[], httpx.Response | None] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        request.read()
        if request.url.path.endswith("bulk-create"):
            self.barrier.wait(timeout=60)
            if answer := self.refuse():
                return answer
        with self.turn:
            return self.inner.handle_request(request)


def square(world: World, gate: Gate) -> Square:
    """Return the world's Square behind a gate."""

    def connect(observe: Callable[[Call], None]) -> SquareClient:
        return SquareClient(
            gate,
            BASE_URL,
            world.token,
            Config().target.square_version,
            clock=world.time.clock,
            sleep=world.time.sleep,
            chance=world.chance,
            observe=observe,
            wall=world.time.clock,
        )

    return Square("sandbox", BASE_URL, connect, in_flight=TOGETHER)


def imported(world: World, gate: Gate, watch: Callable[[Progress], None]) -> Report:
    """Import 800 people, in eight calls."""
    return pipeline.import_customers(
        [str(world.file(people(800)))],
        Config(),
        world.state,
        square(world, gate),
        replace(world.edges(), watch=watch),
    )


def test_calls_overlap_and_every_row_is_accounted_for(world: World) -> None:
    """Eight calls pass a gate that opens for four at a time; each person is there once."""
    report = imported(world, Gate(world, TOGETHER), lambda progress: None)

    assert counts(report) == {"created": 800}
    assert report["verified"] == {"checked": 800, "matched": 800, "mismatched": 0}
    assert report["requests"]["POST /v2/customers/bulk-create"]["calls"] == 8
    assert len(world.alive()) == 800


def test_a_stop_waits_for_what_is_under_way(world: World) -> None:
    """Whoever stops the run gets the answers that are due; nothing is left unknown."""
    loads = 0

    def stop(progress: Progress) -> None:
        nonlocal loads
        loads += progress.stage == "load"
        # Behind the beginning and two boundaries for each call: all have left.
        if loads == 2 * TOGETHER + 2:
            raise Interrupted("stopped by a test")

    stopped = imported(world, Gate(world, TOGETHER), stop)
    assert counts(stopped) == {"created": 400, "pending": 400}
    assert stopped["exit_code"] == 4

    assert counts(run_resume(world, stopped)) == {"created": 800}
    assert len(world.alive()) == 800


def test_an_outage_of_several_calls_ends_the_run_once(world: World) -> None:
    """All calls under way are given up together; the resume settles each of them."""
    gate = Gate(world, TOGETHER)
    gate.refuse = lambda: httpx.Response(401, json={"errors": []})

    stopped = imported(world, gate, lambda progress: None)

    assert stopped["exit_code"] == 4
    assert counts(stopped) == {"unknown": 400, "pending": 400}
    assert counts(run_resume(world, stopped)) == {"created": 800}


def test_answers_come_in_the_order_of_launching() -> None:
    """Whichever call is answered first, its turn is that of its launching; errors are kept."""
    flights: Flights[str, int] = Flights(3)
    first_may_end = threading.Event()

    def slow() -> int:
        assert first_may_end.wait(60)
        return 1

    def fails() -> int:
        raise Unavailable("out")

    def fast() -> int:
        first_may_end.set()
        return 3

    flights.launch("slow", slow)
    flights.launch("fails", fails)
    assert not flights.full
    flights.launch("fast", fast)
    assert flights.full

    label, answer = flights.land()
    assert (label, answer()) == ("slow", 1)
    label, answer = flights.land()
    assert label == "fails"
    with pytest.raises(Unavailable):
        answer()
    assert [flights.land()[0] for _ in range(len(flights))] == ["fast"]


def test_one_gives_up_waiting_in_time() -> None:
    """A call that is not answered is given up; whoever waited goes on."""
    flights: Flights[str, bool] = Flights(2)
    forever = threading.Event()
    flights.launch("stuck", lambda: forever.wait(60))

    with pytest.raises(TimeoutError):
        flights.land(0.01)
    assert len(flights) == 0
    forever.set()
