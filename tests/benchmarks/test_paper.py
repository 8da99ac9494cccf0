"""What 100 million rows take on paper follows from what a row takes, and from Square's pace."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.paper import Costs, Machine, Night, Scenario, on_paper, stage_on_paper

# Figures to reckon with in one's head.
COSTS = Costs(
    before=20e-6,
    sending=10e-6,
    again=25e-6,
    again_requests=4,
    written=0.5,
    source=100,
    journal=1000,
    ledger=500,
    artifacts=200,
    copy_of_profile=400,
    at_work=1000,
    memory=200e6,
    memory_of_row=0.0,
)
MACHINE = Machine(cores=2, memory=20e9)


def test_one_merchant_waits_for_the_rate_limit() -> None:
    """100 million new people are a million creates and as many readings back: 28 hours each."""
    paper = on_paper(COSTS._replace(written=1.0), Scenario("first", 1, 100_000_000), MACHINE)

    assert paper.requests == 3 + 1_000_000 + 1_000_000
    assert paper.limit == pytest.approx(200_000.3)
    # 2,000 s before sending; the 1,000 s of sending pass while Square makes us wait.
    assert paper.alone == paper.seconds == pytest.approx(202_000.3)
    assert paper.work == pytest.approx(3000 / 2)
    assert paper.bottleneck == "the rate limit"
    assert paper.cores == pytest.approx(3000 / 202_000.3)
    assert paper.disk == pytest.approx(100_000_000 * (2800 + 400))
    assert paper.memory == 200e6


def test_a_night_with_nothing_new_asks_for_next_to_nothing() -> None:
    """Then the work of one process is what there is to wait for."""
    paper = on_paper(COSTS, Scenario("again", 1, 100_000_000), MACHINE)

    assert paper.requests == 4
    assert paper.seconds == pytest.approx(2500 + 0.4)
    assert paper.bottleneck == "the work of one process"


def test_without_its_copy_the_directory_is_read_page_by_page() -> None:
    """A page holds a hundred profiles."""
    paper = on_paper(COSTS, Scenario("copy lost", 1, 100_000_000), MACHINE)

    assert paper.requests == 4 + 500_000
    assert paper.bottleneck == "the rate limit"


def test_a_thousand_merchants_wait_for_the_processors() -> None:
    """Each has its own limit; the machine is everybody's."""
    paper = on_paper(COSTS, Scenario("first", 1000, 1_000_000), MACHINE._replace(memory=1e12))

    assert paper.work == paper.seconds == pytest.approx(1000 * 30 / 2)
    assert paper.bottleneck == "the processors of this machine"
    assert paper.disk == pytest.approx(1000 * 1_000_000 * (2800 + 200))
    assert paper.memory == pytest.approx(1000 * 200e6)


def test_what_memory_does_not_hold_side_by_side_comes_one_after_the_other() -> None:
    """100 processes fit: a thousand merchants take ten turns, however many processors there are."""
    many = MACHINE._replace(cores=1000)

    paper = on_paper(COSTS, Scenario("first", 1000, 1_000_000), many)

    assert paper.at_once == 100
    assert paper.seconds == pytest.approx(10 * paper.alone)
    assert paper.bottleneck == "the memory of this machine"


def test_a_stage_that_sends_waits_for_the_limit_and_others_for_the_machine() -> None:
    """A row may cost a millisecond before this machine is slower than Square allows."""
    load = stage_on_paper("load", 300e-6, COSTS._replace(written=1.0))
    slow = stage_on_paper("load", 1100e-6, COSTS._replace(written=1.0))
    check = stage_on_paper("check", 2e-6, COSTS)

    assert (load["requests"], load["limit"]) == (1_000_000, 100_000.0)
    assert load["here"] == pytest.approx(30_000)
    assert (load["bottleneck"], slow["bottleneck"]) == ("the rate limit", "this machine")
    assert (check["requests"], check["bottleneck"]) == (0, "this machine")
    assert check["here"] == pytest.approx(200)


@dataclass(frozen=True)
class _Drawn:
    night: Night
    merchants: int
    rows: int
    cores: int


_DRAWN = st.builds(
    _Drawn,
    st.sampled_from(["first", "again", "copy lost"]),
    st.integers(1, 5000),
    st.integers(1, 10**9),
    st.integers(1, 256),
)


@settings(derandomize=True, deadline=None)
@given(_DRAWN)
def test_nothing_is_faster_than_the_limit_or_the_work(drawn: _Drawn) -> None:
    """Whoever and however many: no bound is beaten, and with the cores wanted all are met."""
    machine = Machine(drawn.cores, 1e15)
    scenario = Scenario(drawn.night, drawn.merchants, drawn.rows)

    paper = on_paper(COSTS, scenario, machine)

    assert paper.seconds >= max(paper.limit, paper.alone, paper.work) * (1 - 1e-9)
    enough = Machine(int(paper.cores) + 1, 1e15)
    assert on_paper(COSTS, scenario, enough).seconds == pytest.approx(paper.alone)
