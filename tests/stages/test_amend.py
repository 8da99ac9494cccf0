"""Amending: corrected rejects come back, and the run they came from tells what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from etl.errors import SourceError, StateError
from etl.journal.journal import Journal
from etl.journal.state import JOURNAL
from etl.pipeline import Report
from etl.stages.reconcile import reconcile
from tests.worlds import (
    Killed,
    World,
    as_csv,
    counts,
    folder_of,
    open_world,
    outcomes,
    run_import,
    run_plan,
    run_resume,
    table,
)

NIGHT = [
    {"customer id": "c-1", "first name": "Ada", "email": "ada@example.com", "note": "=1+1"},
    {"customer id": "c-2", "first name": "Lin", "email": "lin@", "note": "=2+2"},
    {"customer id": "c-3", "first name": "Bo", "email": "bo@", "note": ""},
    {"customer id": "c-4", "first name": "Io", "email": "io@", "note": ""},
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A Square of one's own."""
    return open_world(tmp_path)


def corrected(
    world: World, report: Report, emails: Mapping[str, str], name: str = "corrected.csv"
) -> Path:
    """Return a run's rejects with other emails, by customer id; rows not named are left out."""
    rows = [row for row in table(world, report, "rejects.csv") if row["customer id"] in emails]
    for row in rows:
        row["email"] = emails[row["customer id"]]
    path = world.folder / name
    path.write_text(as_csv(rows), encoding="utf-8", newline="")
    return path


def rebuilt(world: World, report: Report) -> Report:
    """Return the report of a run as its journal tells it now, and write its artifacts again."""
    folder = folder_of(world, report)
    with closing(Journal.open(folder / JOURNAL)) as journal:
        return reconcile(journal, folder)


def test_corrected_rejects_join_the_ledger_of_their_run(world: World) -> None:
    """Rows keep their source and line, take the new outcome, and remember the old one."""
    night = run_import(world, NIGHT)
    mended = corrected(
        world, night, {"c-2": "lin@example.com", "c-3": "bo@", "c-4": "ada@example.com"}
    )
    morning = run_import(world, mended, amends=night["run_id"])
    again = rebuilt(world, night)

    assert counts(night) == {"created": 1, "rejected": 3}
    assert morning["amends"] == night["run_id"]
    assert night["amends"] is None
    assert again["amended"] == {morning["run_id"]: dict(counts(morning))}
    assert again["balanced"]
    assert again["rows"]["read"] == 4
    assert again["rows"]["rejected"] == 1
    _, lin, bo, _ = table(world, night, "rows.csv")
    assert (lin["source"], lin["line"], lin["outcome"]) == (
        str(world.folder / "people.csv"),
        "3",
        "created",
    )
    assert lin["customer_id"] in world.alive()
    assert lin["codes"] == ""
    assert lin["detail"].endswith(
        f"amended by run {morning['run_id']} line 2; before: rejected INVALID_EMAIL_ADDRESS"
    )
    assert (bo["outcome"], bo["codes"]) == ("rejected", "INVALID_EMAIL_ADDRESS")
    assert [row["customer id"] for row in table(world, night, "rejects.csv")] == ["c-3"]
    assert world.profile(lin["customer_id"])["note"] == "=2+2"


def test_a_run_that_is_fully_corrected_is_a_success(world: World) -> None:
    """When nothing is rejected any more, the run counts as one where nothing was."""
    night = run_import(world, NIGHT[:2])
    run_import(world, corrected(world, night, {"c-2": "lin@example.com"}), amends=night["run_id"])

    assert night["exit_code"] == 3
    assert rebuilt(world, night)["exit_code"] == 0


def test_the_report_is_rebuilt_byte_for_byte(world: World) -> None:
    """What the amending run left is what the journal says."""
    night = run_import(world, NIGHT)
    run_import(world, corrected(world, night, {"c-2": "lin@example.com"}), amends=night["run_id"])
    files = ("report.json", "rows.csv", "rejects.csv", "review.csv", "crosswalk.csv")
    left = [(folder_of(world, night) / name).read_bytes() for name in files]
    rebuilt(world, night)

    assert [(folder_of(world, night) / name).read_bytes() for name in files] == left


def test_a_run_is_amended_until_nothing_is_left(world: World) -> None:
    """The latest correction counts; the earlier ones are history."""
    night = run_import(world, NIGHT[:2])
    first = run_import(world, corrected(world, night, {"c-2": "li@n@"}), amends=night["run_id"])
    mended = corrected(world, night, {"c-2": "lin@example.com"}, "second.csv")
    second = run_import(world, mended, amends=night["run_id"])
    once_more = run_import(world, mended, amends=night["run_id"])
    again = rebuilt(world, night)

    assert counts(once_more) == {"unchanged": 1}
    assert again["amended"] == {
        first["run_id"]: {"rejected": 1},
        second["run_id"]: {"created": 1},
        once_more["run_id"]: {"unchanged": 1},
    }
    assert counts(again) == {"created": 1, "unchanged": 1}
    detail = table(world, night, "rows.csv")[1]["detail"]
    assert f"rejected INVALID_EMAIL_ADDRESS in run {first['run_id']}" in detail
    assert f"created in run {second['run_id']}" in detail


def test_an_amending_run_can_be_amended(world: World) -> None:
    """Its own rejects, corrected, reach the run it had amended too."""
    night = run_import(world, NIGHT[:2])
    morning = run_import(world, corrected(world, night, {"c-2": "l@"}), amends=night["run_id"])
    mended = corrected(world, morning, {"c-2": "lin@example.com"}, "second.csv")
    noon = run_import(world, mended, amends=morning["run_id"])

    assert outcomes(world, morning) == ["created"]
    assert outcomes(world, night) == ["created", "created"]
    assert rebuilt(world, night)["amended"][noon["run_id"]] == {"created": 1}
    assert rebuilt(world, morning)["amended"] == {noon["run_id"]: {"created": 1}}


def test_rejects_of_several_files(world: World) -> None:
    """Rows are found again in the file they came from, though their lines are the same."""
    other = world.folder / "other.csv"
    other.write_text(as_csv(NIGHT[2:]), encoding="utf-8")
    world.file(NIGHT[:2])
    night = run_import(world, world.folder / "*.csv")
    wanted = {"c-2": "lin@example.com", "c-4": "io@example.com"}
    run_import(world, corrected(world, night, wanted, "of.both"), amends=night["run_id"])

    assert [(row["line"], row["outcome"]) for row in table(world, night, "rows.csv")] == [
        ("2", "rejected"),
        ("3", "created"),
        ("2", "created"),
        ("3", "created"),
    ]


def test_a_crash_anywhere_amends_once(world: World) -> None:
    """Killed while it amends, the run is finished by the same command or a resume."""
    night = run_import(world, NIGHT)
    mended = corrected(world, night, {"c-2": "lin@example.com", "c-3": "bo@example.com"})

    def kill(progress: object) -> None:
        if getattr(progress, "stage", "") == "verify":
            raise Killed

    world.watch = kill
    with pytest.raises(Killed):
        run_import(world, mended, amends=night["run_id"])
    world.watch = lambda progress: None
    assert outcomes(world, night) == ["created", "rejected", "rejected", "rejected"]
    morning = run_import(world, mended, amends=night["run_id"])
    folder = folder_of(world, morning)
    # As if it had been killed before its last note.
    (folder / "report.json").unlink()
    with closing(sqlite3.connect(folder / JOURNAL)) as journal, journal:
        journal.execute("DELETE FROM facts WHERE name = 'reported'")
    finished = run_resume(world, morning)

    assert finished["exit_code"] == 0
    assert outcomes(world, night) == ["created", "created", "created", "rejected"]
    assert rebuilt(world, night)["amended"] == {morning["run_id"]: {"created": 2}}
    assert len(world.written("create")) == 3


def test_a_plan_amends_nothing(world: World) -> None:
    """A plan of corrected rejects is checked as an import of them, and told nowhere."""
    night = run_import(world, NIGHT)
    before = (folder_of(world, night) / JOURNAL).read_bytes()
    plan = run_plan(
        world, corrected(world, night, {"c-2": "lin@example.com"}), amends=night["run_id"]
    )

    assert plan["amends"] == night["run_id"]
    assert plan["planned"]["creates"] == 1
    assert (folder_of(world, night) / JOURNAL).read_bytes() == before


def _without_line(text: str) -> str:
    return text.replace(",3,INVALID", ",,INVALID")


def _another_line(text: str) -> str:
    return text.replace(",3,INVALID", ",2,INVALID")


def _twice(text: str) -> str:
    return text + text.splitlines(True)[1]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without_line, "names no row that run"),
        (_another_line, "names no row that run"),
        (_twice, "has the same _line as"),
        (lambda text: text.replace("_line", "line"), "not the rejects.csv of run"),
    ],
)
def test_rows_that_are_not_its_rejects_are_refused(
    world: World, spoil: Callable[[str], str], said: str
) -> None:
    """Nothing is sent and no run is begun when a row cannot be found in the run."""
    night = run_import(world, NIGHT)
    path = corrected(world, night, {"c-2": "lin@example.com"})
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    before = len(world.written())

    with pytest.raises(SourceError, match=said):
        run_import(world, path, amends=night["run_id"])
    assert len(world.written()) == before
    assert len(list(world.state.runs.iterdir())) == 1
    assert rebuilt(world, night)["amended"] == {}


def test_only_finished_imports_are_amended(world: World) -> None:
    """A plan has no outcomes, and an unknown run none either."""
    plan = run_plan(world, NIGHT)
    night = run_import(world, NIGHT)
    path = corrected(world, night, {"c-2": "lin@example.com"})

    with pytest.raises(StateError, match="no finished import"):
        run_import(world, path, amends=plan["run_id"])
    with pytest.raises(StateError, match="there is no run"):
        run_import(world, path, amends="2001")


def test_the_amended_run_may_be_gone(world: World) -> None:
    """The journals are on their own: neither needs the other to be reported."""
    night = run_import(world, NIGHT)
    mended = corrected(world, night, {"c-2": "l@"})
    morning = run_import(world, mended, amends=night["run_id"])
    again = corrected(world, morning, {"c-2": "lin@example.com"}, "again.csv")
    world.state.discard(night["run_id"])
    noon = run_import(world, again, amends=morning["run_id"])
    world.state.discard(noon["run_id"])

    assert rebuilt(world, morning)["amended"] == {noon["run_id"]: {"created": 1}}
    assert outcomes(world, morning) == ["created"]
