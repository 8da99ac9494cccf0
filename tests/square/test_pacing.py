"""Tests of the spacing between requests."""

from __future__ import annotations

from collections import deque

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
    """The first 429 brings nine requests a second; each further one with nothing between halves."""
    pace = Pace()
    intervals = []
    for second in range(8):
        pace.slow_down(second, second + 0.01)
        intervals.append(pace.interval)

    assert intervals == pytest.approx([min(10, 2**halved / 9) for halved in range(8)])


def test_requests_under_way_together_slow_once() -> None:
    """Of calls that left before the 429 came, none slows the pace a second time."""
    pace = Pace()
    pace.slow_down(0.0, 1.0)
    for sent in (0.2, 0.9, 1.0):
        pace.slow_down(sent, 1.5)

    assert pace.interval == pytest.approx(1 / 9)


def test_what_passed_between_two_429s_is_the_pace() -> None:
    """Between two 429s Square let through what it allows: that is what is sent from then on."""
    pace = Pace()
    pace.slow_down(0.0, 0.0)
    for number in range(80):
        pace.speed_up(number / 10)
    pace.slow_down(8.0, 8.0)

    assert pace.interval == pytest.approx(0.1, rel=0.05)


def test_pace_creeps_back() -> None:
    """Successes bring the pace back, never beyond the ceiling."""
    pace = Pace(requests_per_second=4.0)
    pace.slow_down(0.0, 0.0)
    pace.slow_down(1.0, 1.0)
    slowed = pace.interval
    now = 2.0
    for _ in range(400):
        now += pace.interval
        pace.speed_up(now)

    assert (slowed, pace.interval) == pytest.approx((0.5, 0.25))


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
    pace, now = Pace(ceiling), 0.0
    for move in moves:
        now += 0.1
        if move == "slow_down":
            pace.slow_down(now, now)
        else:
            pace.speed_up(now)

        assert 1 / ceiling <= pace.interval <= max(10.0, 1 / ceiling)


class Bucket:
    """A server that lets so many requests a second pass, with one second's worth at hand."""

    def __init__(self, rate: float) -> None:
        self.rate = self.level = rate
        self.since = 0.0

    def passes(self, now: float) -> bool:
        """Take a request's token, if there is one."""
        self.level = min(self.rate, self.level + (now - self.since) * self.rate)
        self.since = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


@pytest.mark.parametrize(("rate", "latency"), [(10.0, 0.02), (10.0, 0.2), (30.0, 0.2), (3.0, 0.1)])
def test_nearly_all_that_is_allowed_is_used(rate: float, latency: float) -> None:
    """After a minute 429s are rare, and hardly anything of what Square allows is left unused."""
    pace, bucket, now = Pace(), Bucket(rate), 0.0
    under_way: deque[tuple[float, float, bool]] = deque()  # sent, answered, passed
    passed = limited = 0
    while now < 660:
        instant = pace.next(now)
        if len(under_way) < 8 and not (under_way and under_way[0][1] <= instant):
            now = instant
            pace.sent(now)
            under_way.append((now, now + latency, bucket.passes(now + latency / 2)))
            continue
        sent, now, good = under_way.popleft()
        if good:
            pace.speed_up(now)
        else:
            pace.hold(now + 1.0)
            pace.slow_down(sent, now)
        if now > 60:
            passed += good
            limited += not good

    assert passed / (600 * rate) > 0.95
    assert limited / passed < 0.02
