"""``runs``: what was done, said again from the journals."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from etl.sandbox import Sandbox
from etl.sandbox.server import serving
from tests.cli.test_imports import BROKEN, PEOPLE, folder, run

__all__ = ["folder"]


@pytest.fixture
def imported(folder: Path) -> str:
    """The id of a finished import."""
    (folder / "people.csv").write_text(BROKEN)
    return str(json.loads(run("import", "people.csv", "--output", "json").stdout)["run_id"])


def test_list(imported: str, folder: Path) -> None:
    """The list has a line per run, newest first, and a machine's form."""
    (folder / "more.csv").write_text(PEOPLE)
    run("validate", "more.csv")
    lines = run("runs", "list").stdout.splitlines()
    assert len(lines) == 2
    assert "validate" in lines[0]
    assert lines[1].startswith(imported)
    listed = json.loads(run("runs", "list", "--output", "json").stdout)
    assert [entry["command"] for entry in listed] == ["validate", "import"]
    assert listed[1]["rows"]["created"] == 2


def test_list_of_nothing(folder: Path) -> None:
    """Where no run was, the list is empty and says so."""
    done = run("runs", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no runs in .square-etl" in done.stderr


def test_show(imported: str) -> None:
    """A run is shown by its id or an unambiguous beginning of it."""
    assert re.search(r"= read +3 ", run("runs", "show", imported[:-2]).stdout)


def test_report_is_rebuilt_byte_for_byte(imported: str, folder: Path) -> None:
    """Every artifact can be thrown away: the journal makes the same bytes again."""
    run_folder = folder / ".square-etl/runs" / imported
    names = ["report.html", "report.json", "rows.csv", "rejects.csv", "review.csv", "crosswalk.csv"]
    before = {name: (run_folder / name).read_bytes() for name in names}
    for name in names:
        (run_folder / name).unlink()
    assert run("runs", "report", imported).exit_code == 0
    assert {name: (run_folder / name).read_bytes() for name in names} == before
    assert run("runs", "report", imported, "--parquet").exit_code == 0
    assert (run_folder / "rows.parquet").exists()


def test_a_finished_run_is_not_resumed(imported: str) -> None:
    """There is nothing to resume in a finished run."""
    done = run("runs", "resume", imported)
    assert done.exit_code == 2
    assert "nothing to resume" in done.output


@pytest.mark.parametrize("state", [None, "my state"], ids=["default", "another"])
def test_the_printed_command_resumes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    """What an incomplete run prints goes on with it as typed, wherever its state lies."""
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "EAAAtest")
    (folder / "people.csv").write_text(PEOPLE)
    elsewhere = ["--state-dir", state] if state else []
    sandbox = Sandbox(token="EAAAtest")
    busy = {"endpoint": "bulk-create", "nth": 1, "do": "status", "status": 429}
    sandbox.control("faults", {"plan": [{**busy, "retry_after": 5000}], "seed": 1})

    with serving(sandbox.respond) as address:
        target = ["--target", "sandbox", "--base-url", address]
        stopped = run("import", "people.csv", *target, *elsewhere)
        (said,) = re.findall("^next: (square-etl runs resume .*)$", stopped.stdout, re.M)
        resumed = run(*shlex.split(said)[1:], "--output", "json")

    (run_folder,) = (folder / (state or ".square-etl") / "runs").iterdir()
    assert stopped.exit_code == 4
    assert shlex.split(said)[3:] == [run_folder.name, *elsewhere]
    assert resumed.exit_code == 0
    assert json.loads(resumed.stdout)["rows"]["created"] == 2
    assert len([entry for entry in sandbox.log() if entry["action"] == "create"]) == 2
