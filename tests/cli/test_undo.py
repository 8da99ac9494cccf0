"""``runs undo`` as an operator meets it: words, exit codes, questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl.sandbox import Sandbox
from etl.sandbox.server import serving
from tests.cli.test_imports import PEOPLE, folder, run

__all__ = ["folder"]


@pytest.fixture
def imported(folder: Path) -> str:
    """The id of a finished import."""
    (folder / "people.csv").write_text(PEOPLE)
    return str(json.loads(run("import", "people.csv", "--output", "json").stdout)["run_id"])


def test_undo(imported: str, folder: Path) -> None:
    """The summary says what became of everybody; the list of runs has it as well."""
    done = run("runs", "undo", imported)
    assert done.exit_code == 0
    assert f"undoes run {imported}" in done.stdout
    assert "deleted       2  created by the run, and deleted" in done.stdout
    assert "looked at again: 2 of 2 are as before" in done.stdout
    (line, _) = run("runs", "list").stdout.splitlines()
    assert "undo" in line
    assert f"2 deleted, 0 put back, 0 left as they are, of {imported}" in line
    (undone,) = [path for path in folder.glob(".square-etl/runs/*") if path.name != imported]
    assert {path.name for path in undone.iterdir()} == {
        *("journal.sqlite", "report.html", "report.json", "rows.csv")
    }
    assert "ada@example.com" not in done.output


def test_undo_again(imported: str) -> None:
    """The second undo says that nothing is left."""
    run("runs", "undo", imported)
    done = run("runs", "undo", imported)
    assert done.exit_code == 0
    assert "nothing was left to take back, so nothing was written" in done.stdout


def test_the_report_is_rebuilt(imported: str, folder: Path) -> None:
    """The artifacts of an undo are made again from its journal, byte for byte."""
    undone = json.loads(run("runs", "undo", imported, "--output", "json").stdout)
    place = folder / ".square-etl/runs" / undone["run_id"]
    before = {name: (place / name).read_bytes() for name in ("report.json", "rows.csv")}
    for name in before:
        (place / name).unlink()
    assert run("runs", "report", undone["run_id"]).exit_code == 0
    assert {name: (place / name).read_bytes() for name in before} == before


def test_dry_run(imported: str) -> None:
    """A dry run says what would be done, and that nothing was."""
    done = run("runs", "undo", imported, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "pending       2  to be put back, or deleted" in done.stdout
    assert "nothing was written to Square" in done.stdout
    again = json.loads(run("import", "people.csv", "--output", "json").stdout)
    assert again["rows"]["unchanged"] == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [("20200101", "there is no run"), ("validate", "a validate, which writes nothing")],
)
def test_what_cannot_be_undone(imported: str, name: str, why: str) -> None:
    """An unknown run, and one that wrote nothing, are exit 2."""
    if name == "validate":
        name = json.loads(run("validate", "people.csv", "--output", "json").stdout)["run_id"]
    done = run("runs", "undo", name)
    assert done.exit_code == 2
    assert why in done.output


def test_production_is_asked_about(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and without --yes, production is not written to; a dry run may look."""
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "EAAAtest")
    (folder / "people.csv").write_text(PEOPLE)
    sandbox = Sandbox(token="EAAAtest")
    with serving(sandbox.respond) as address:
        target = ["--target", "production", "--base-url", address]
        made = run("import", "people.csv", *target, "--yes", "--output", "json")
        name = json.loads(made.stdout)["run_id"]
        written = len(sandbox.log())
        refused = run("runs", "undo", name)
        shown = run("runs", "undo", name, "--dry-run")
        assert len(sandbox.log()) == written
        done = run("runs", "undo", name, "--yes")
    assert (refused.exit_code, shown.exit_code, done.exit_code) == (2, 0, 0)
    assert "say --yes" in refused.output
    assert [entry["action"] for entry in sandbox.log()[written:]] == ["delete", "delete"]


def test_conflicts_are_exit_3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left as it is is told with its reason, and where to look."""
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "EAAAtest")
    (folder / "people.csv").write_text(PEOPLE)
    sandbox = Sandbox(token="EAAAtest")
    with serving(sandbox.respond) as address:
        target = ["--target", "sandbox", "--base-url", address]
        first = json.loads(run("import", "people.csv", *target, "--output", "json").stdout)
        (folder / "people.csv").write_text(PEOPLE.replace("Byron", "King"))
        run("import", "people.csv", *target)
        done = run("runs", "undo", first["run_id"])
    assert done.exit_code == 3
    assert "EDITED_SINCE family_name" in done.stdout
    assert "rows.csv were left alone" in done.stdout
