"""The time line of a run: small however long it takes, and nothing is counted twice or lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.journal.database import connect, transaction
from etl.journal.timeline import POINTS, SCHEMA, Attempt, Kind, Timeline


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the present."""
        return self.now


def opened(path: Path) -> Timeline:
    """Return the time line of a new file."""
    connection = connect(path)
    connection.execute(SCHEMA.rstrip(";\n"))
    return Timeline(connection)


def total(timeline: Timeline, kind: Kind) -> int:
    """Return how much of a kind was counted in all."""
    return sum(counts.get(kind, 0) for counts in timeline.told().counts.values())


def call(timeline: Timeline, seconds: float, status: int | None = 200) -> None:
    """Count an attempt."""
    bad = status is None or status >= 400
    timeline.called("GET /x", status, seconds, retry=False, rate_limited=status == 429, error=bad)


STEPS = st.lists(
    st.tuples(st.floats(0, 1e5), st.sampled_from(["read", "written"]), st.integers(1, 9))
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(steps=STEPS, resumed=st.sets(st.integers(0, 20)))
def test_any_run_is_some_hundreds_of_points_that_add_up(
    steps: list[tuple[float, str, int]], resumed: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever lies between two steps, no count is lost, and never more points are kept."""
    clock, timeline = Clock(), opened(tmp_path_factory.mktemp("line") / "a.sqlite")
    timeline.begin(clock)
    for at, (wait, kind, count) in enumerate(steps):
        clock.now += wait
        if at in resumed:
            timeline.keep()
            timeline.begin(clock)
        timeline.add(**{kind: count})
    told = timeline.told()
    assert all(0 <= number < POINTS for number in (*told.counts, *told.begun))
    for name in ("read", "written"):
        expected = sum(count for _, kind, count in steps if kind == name)
        assert sum(c.get(name, 0) for c in told.counts.values()) == expected


def test_when_it_was(tmp_path: Path) -> None:
    """A count lies in its own stretch of time, also after stretches were put together."""
    clock, timeline = Clock(), opened(tmp_path / "a.sqlite")
    timeline.begin(clock)
    timeline.add(read=1)
    for later, kind in ((10.0, "checked"), (3600.0, "written")):
        clock.now = 1000.0 + later
        timeline.add(**{kind: 1})
        told = timeline.told()
        (number,) = [at for at, counts in told.counts.items() if counts.get(kind)]  # type: ignore[call-overload]
        assert number * told.seconds <= later < (number + 1) * told.seconds
    assert told.seconds <= 2 * 3600 / POINTS


def test_what_lies_between_a_stop_and_a_resume_is_left_out(tmp_path: Path) -> None:
    """A run that is gone on with the next day is as long as it was at work, and says where."""
    clock, timeline = Clock(), opened(tmp_path / "a.sqlite")
    timeline.begin(clock)
    clock.now += 5
    timeline.add(written=1)
    timeline.keep()
    clock.now += 86_400
    timeline.begin(clock)
    timeline.add(written=1)
    told = timeline.told()
    assert [number * told.seconds for number in told.counts] == pytest.approx([5, 5], abs=0.1)
    assert len(told.begun) == 2


def test_the_slowest_attempts(tmp_path: Path) -> None:
    """Ten attempts are kept, the slowest first, with the status they got and when."""
    clock, timeline = Clock(), opened(tmp_path / "a.sqlite")
    timeline.begin(clock)
    for tenths in range(100):
        clock.now += 1
        call(timeline, tenths * 7 % 100 / 10, None if tenths == 57 else 429)
    told = timeline.told()
    assert [attempt.seconds for attempt in told.slowest] == [n / 10 for n in range(99, 89, -1)]
    assert told.slowest[0] == Attempt(9.9, "GET /x", None, False, 58.0)
    counts = [total(timeline, kind) for kind in ("calls", "errors", "rate_limited", "retries")]
    assert counts == [100, 100, 99, 0]


def test_without_a_clock_nothing_is_counted(tmp_path: Path) -> None:
    """Whoever only looks into a journal adds nothing to its time line."""
    timeline = opened(tmp_path / "a.sqlite")
    timeline.add(read=1)
    call(timeline, 1.0)
    assert timeline.told().counts == {}


def test_what_did_not_become_durable_is_written_again(tmp_path: Path) -> None:
    """A transaction that fails takes the time line with it only until the next one."""
    clock, connection = Clock(), connect(tmp_path / "a.sqlite")
    connection.execute(SCHEMA.rstrip(";\n"))
    timeline = Timeline(connection)
    timeline.begin(clock)
    timeline.add(read=3)

    def fail() -> None:
        with transaction(connection):
            timeline.keep()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert connection.execute("SELECT * FROM timeline").fetchall() == []
    timeline.again()
    assert total(timeline, "read") == 3
