"""Nights that are unlike those before: told, or stopped before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.pipeline import Report
from etl.stages.anomaly import Figures, unusual
from tests.worlds import (
    World,
    open_world,
    people,
    run_import,
    run_plan,
    run_resume,
    run_undo,
    table,
)

STOP: dict[str, Any] = {"anomaly": {"action": "stop"}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def nights(world: World, number: int, rows: int = 40) -> None:
    """Let so many ordinary nights pass: a few people more each, in files named by the day."""
    for night in range(number):
        report = run_import(world, people(rows + night), name=f"crm-2026-08-{night + 1:02}.csv")
        assert report["unusual"] == []
        world.time.now += 86_400


def tonight(world: World, rows: Any, config: dict[str, Any] | None = None) -> Report:
    """Import tonight's file."""
    return run_import(world, rows, config, name="crm-2026-08-31.csv")


def measures(report: Report) -> list[str]:
    """Return what a report calls unusual."""
    return [one["measure"] for one in report["unusual"]]


def test_a_night_like_the_others(world: World) -> None:
    """A few rows more are no news, though the first night created everybody."""
    nights(world, 4)
    report = tonight(world, people(45), STOP)
    assert (report["exit_code"], report["unusual"]) == (0, [])


def test_a_file_that_was_cut_off(world: World) -> None:
    """Half the rows are told with the figures, and imported all the same."""
    nights(world, 5)
    report = tonight(world, people(10))
    (found,) = report["unusual"]
    assert found["told"] == ("10 rows; in the last 5 imports about 42 (34 to 50 would be usual)")
    assert (found["value"], found["usual"], found["runs"]) == (10, 42, 5)
    assert report["exit_code"] == 0
    assert world.notes == [f"unusual: {found['told']}"]


def test_stopped_before_anything_is_written(world: World) -> None:
    """With stop it is a brake: exit 6, nothing written, a plan to look at, the figures in words."""
    nights(world, 3)
    before = len(world.written())
    report = tonight(world, people(120), STOP)
    assert (report["exit_code"], report["status"]) == (6, "braked")
    assert measures(report) == ["rows", "created"]
    assert "120 rows; in the last 3 imports about 41" in report["stopped"]
    assert "65.0% of the rows would be created" in report["stopped"]
    assert len(world.written()) == before
    assert len(table(world, report, "plan.csv")) >= 78


def test_going_on_after_a_stop(world: World) -> None:
    """Somebody looked and says warn: the same command goes on with the run that was stopped."""
    nights(world, 3)
    stopped = tonight(world, people(120), STOP)
    assert run_resume(world, stopped)["exit_code"] == 6
    report = tonight(world, people(120), {"anomaly": {"action": "warn"}})
    assert (report["run_id"], report["exit_code"]) == (stopped["run_id"], 0)
    assert measures(report) == ["rows", "created"]


def test_too_many_rejects(world: World) -> None:
    """A column that broke shows in the share of rejected rows; fewer than usual is no news."""
    nights(world, 3)
    rows = [
        {**row, "email_address": "broken"} if n < 8 else row for n, row in enumerate(people(43))
    ]
    report = tonight(world, rows, STOP)
    assert measures(report) == ["rejected"]
    assert report["exit_code"] == 6
    assert "18.6% of the rows are rejected" in report["stopped"]
    assert "(up to 5.0% would be usual)" in report["stopped"]


def test_three_runs_are_needed(world: World) -> None:
    """Two nights say nothing of what is usual."""
    nights(world, 2)
    assert tonight(world, people(400), STOP)["exit_code"] == 0


def test_off_is_off(world: World) -> None:
    """Whoever does not want to know is not told."""
    nights(world, 3)
    assert tonight(world, people(400), {"anomaly": {"action": "off"}})["unusual"] == []


def test_other_sources_do_not_count(world: World) -> None:
    """Files of other names or namespaces are other sources, and say nothing of this one."""
    nights(world, 3)
    run_import(world, people(400), STOP, name="newsletter.csv")
    other = {**STOP, "source": {"namespace": "shop"}}
    assert tonight(world, people(400), other)["exit_code"] == 0


def test_what_was_undone_or_never_finished_does_not_count(world: World) -> None:
    """A night that was stopped, or taken back before its end, is no example."""
    nights(world, 2)
    braked = tonight(world, people(90), {"limits": {"max_created": 1}})
    assert braked["exit_code"] == 6
    run_undo(world, braked)
    assert tonight(world, people(400), STOP)["exit_code"] == 0


def test_a_plan_tells_it_too(world: World) -> None:
    """Whoever plans first sees before applying what would stop."""
    nights(world, 3)
    report = run_plan(world, people(120), STOP, name="crm-2026-08-31.csv")
    assert (report["exit_code"], measures(report)) == (0, ["rows", "created"])


def test_only_the_last_runs_count(world: World) -> None:
    """A directory that grew is compared with how it is lately."""
    nights(world, 4, rows=10)
    for night in range(5):
        run_import(world, people(100), name=f"crm-2026-09-{night + 1:02}.csv")
    short = {"anomaly": {"action": "stop", "runs": 4}}
    assert tonight(world, people(100), short)["unusual"] == []


@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=20), st.integers(0, 10_000))
@settings(derandomize=True, deadline=None)
def test_usual_is_what_was_there(rows: list[int], tonight: int) -> None:
    """The order of the past does not matter, and what is told as unusual lies outside of what is
    told as usual."""
    known = [Figures(each, each // 50, each // 20) for each in rows]
    now = Figures(tonight, tonight // 2, tonight // 3)
    found = [*unusual(now, known)]
    assert found == [*unusual(now, known[::-1])]
    assert all(one.low <= one.usual <= one.high for one in found)
    assert not any(one.low <= one.value <= one.high for one in found)
    assert not any(one.measure == "rows" for one in unusual(known[0], [known[0]] * 3))


@given(st.integers(100, 10_000), st.integers(3, 14), st.integers(0, 3))
@settings(derandomize=True, deadline=None)
def test_one_odd_night_in_the_past_changes_nothing(rows: int, runs: int, odd: int) -> None:
    """After steady nights with an accident among them, a file of half the size is still unusual."""
    known = [Figures(rows, 0, 0)] * runs + [Figures(odd, 0, 0)]
    (found,) = unusual(Figures(rows // 2, 0, 0), known)
    assert (found.measure, found.usual) == ("rows", rows)
