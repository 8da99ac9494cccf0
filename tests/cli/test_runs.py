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


def test_diff_says_what_changed(imported: str, folder: Path) -> None:
    """Two nights side by side: counts, reasons, settings, and rows by their lines."""
    rows = BROKEN.splitlines()
    (folder / "people.csv").write_text("\n".join([*rows[:2], *rows[3:], "4,Dora,Dent,,"]) + "\n")
    (folder / "etl.toml").write_text(
        '[dedupe]\nkeys = ["email_address"]\n'
        '[notify]\nwebhook = "https://127.0.0.1/s3cret"\non = ["failure"]\n'
    )
    second = json.loads(
        run("import", "people.csv", "--config", "etl.toml", "--output", "json").stdout
    )["run_id"]

    text = run("runs", "diff", imported, second).stdout
    found = json.loads(run("runs", "diff", imported, second, "--output", "json").stdout)

    assert found["runs"] == [imported, second]
    assert found["settings"]["dedupe.keys"][1] == ["email_address"]
    assert found["rows"]["created"] == [2, 1]
    assert (found["new"]["rows"], found["gone"]["rows"]) == (1, 1)
    assert found["gone"]["such_as"] == ["people.csv:3"]
    assert re.search(r"^  created +2 +1 +-1$", text, re.M)
    assert "another dedupe.keys" in text
    assert "s3cret" not in text + json.dumps(found)


def test_diff_of_a_run_with_itself(imported: str) -> None:
    """Nothing changed, and that is said."""
    text = run("runs", "diff", imported, imported).stdout
    assert "every row is in both, with the same outcome" in text


def test_diff_of_validations(imported: str, folder: Path) -> None:
    """Their rows have no keys: nothing is claimed of rows that cannot be told apart."""
    first = json.loads(run("validate", "people.csv", "--output", "json").stdout)["run_id"]
    rows = BROKEN.splitlines()
    (folder / "people.csv").write_text("\n".join([*rows, "9,Nobody,Else,not an address,"]) + "\n")
    second = json.loads(run("validate", "people.csv", "--output", "json").stdout)["run_id"]

    for pair in ((first, second), (imported, second)):
        text = run("runs", "diff", *pair).stdout
        found = json.loads(run("runs", "diff", *pair, "--output", "json").stdout)
        assert text.endswith("only the sums are compared\n")
        assert found["rows"]["rejected"][0] < found["rows"]["rejected"][1]
        assert (found["new"], found["gone"], found["changed"]) == (None, None, None)


def test_undone_runs_are_marked(imported: str) -> None:
    """The list says of a run that it was taken back, and by which run."""
    undo = json.loads(run("runs", "undo", imported, "--output", "json").stdout)["run_id"]
    assert f"undone by {undo}" in run("runs", "list").stdout.splitlines()[1]


def test_purge_by_age_and_name(imported: str, folder: Path) -> None:
    """What would go is said first; what goes is gone, and who is who stays known."""
    assert run("runs", "purge").exit_code == 2
    assert run("runs", "purge", "--older-than", "3x").exit_code == 2
    assert "0 runs removed" in run("runs", "purge", "--older-than", "1d").stdout
    assert imported in run("runs", "purge", imported, "--dry-run").stdout
    assert "1 runs removed" in run("runs", "purge", imported).stdout
    assert run("runs", "list").stdout == ""
    again = json.loads(run("import", "people.csv", "--output", "json").stdout)
    assert again["rows"]["created"] == 0


def test_erase_asks_and_proves(imported: str, folder: Path) -> None:
    """Nothing goes without a yes; then everything is searched again, which is told."""
    email = PEOPLE.splitlines()[1].split(",")[3]
    assert "@" in email
    assert run("runs", "erase", "--email", email).exit_code == 2
    (folder / ".square-etl" / "mine.txt").write_text(f"call {email}")

    left = run("runs", "erase", "--email", email.upper(), "--yes")
    (folder / ".square-etl" / "mine.txt").unlink()
    done = run("runs", "erase", "--email", email, "--yes")

    assert (left.exit_code, done.exit_code) == (3, 0)
    assert "STILL THERE" in left.stdout
    assert "mine.txt" in left.stdout
    assert "found nothing" in done.stdout
    assert email not in left.output + done.output
    again = json.loads(run("import", "people.csv", "--output", "json").stdout)
    assert again["rows"]["skipped"] == 1
    assert "readmitted" in run("runs", "erase", "--email", email, "--readmit").stdout
