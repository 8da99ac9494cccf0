"""Tests of the spacing between requests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.square.pacing import Pace


def test_starts_unspaced() -> None:
    """Without a 429 and without a setting, requests leave as fast as answers come."""
    pace = Pace()
    pace.sent(5.0)

    assert pace.next(5.0) == 5.0


def test_429_spaces_requests() -> None:
    """The first 429 brings five requests a second, each further one halves that."""
    pace = Pace()
    intervals = []
    for _ in range(8):
        pace.slow_down()
        intervals.append(pace.interval)

    assert intervals == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


def test_pace_creeps_back() -> None:
    """Successes bring the pace back step by step, never beyond the ceiling."""
    pace = Pace(requests_per_second=4.0)
    pace.slow_down()
    slowed = pace.interval
    pace.speed_up()
    crept = pace.interval
    for _ in range(100):
        pace.speed_up()

    assert (slowed, crept, pace.interval) == pytest.approx((0.5, 1 / 2.05, 0.25))


def test_a_hold_delays_everything_and_never_shrinks() -> None:
    """Nothing may go before the latest instant that any answer asked for."""
    pace = Pace()
    pace.hold(100.0)
    pace.hold(50.0)

    assert pace.next(10.0) == 100.0
    assert pace.next(101.0) == 101.0
    assert pace.due(10.0) == 10.0


@settings(derandomize=True, deadline=None)
@given(
    st.floats(0.01, 1000),
    st.lists(st.sampled_from(["slow_down", "speed_up"]), max_size=200),
)
def test_the_ceiling_holds(ceiling: float, moves: list[str]) -> None:
    """Whatever happens, requests never come faster than the setting, nor stop coming."""
    pace = Pace(ceiling)
    for move in moves:
        getattr(pace, move)()

        assert 1 / ceiling <= pace.interval <= max(10.0, 1 / ceiling)
