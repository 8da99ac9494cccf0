"""What to do next: the commands that reports name, typed as they stand."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl.cli import main
from etl.reports.advice import steps, taking_back
from etl.sandbox import Sandbox
from etl.sandbox.server import serving
from tests.reports.pages import report, words

CONFIG = """\
[source]
namespace = "old-crm"
[columns]
"Wer" = "reference_id"
"Wo" = "email_address"
"""
PEOPLE = "Wer,Wo\n1,ada@example.com\n2,lin at example.com\n"


def run(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a source and its settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SQUARE_ETL_STATE", raising=False)
    monkeypatch.delenv("SQUARE_ENVIRONMENT", raising=False)
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "old.toml").write_text(CONFIG)
    return tmp_path


@pytest.mark.parametrize("where", ["terminal", "page"])
def test_corrected_rejects_go_in_as_the_report_says(
    folder: Path,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The command of the summary and that of the page, typed as they stand, finish the work."""
    done = run("import", "people.csv", "--config", "old.toml", "--state-dir", "my state")
    assert done.exit_code == 3
    (run_folder,) = (folder / "my state/runs").iterdir()
    rejects = run_folder / "rejects.csv"
    rejects.write_text(
        rejects.read_text().replace("lin at", "lin@").replace("@ example", "@example")
    )
    if where == "terminal":
        (command,) = [line for line in done.stdout.splitlines() if "--amends" in line]
    else:
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        told = words((run_folder / "report.html").read_bytes())
        begin = told.index("square-etl import '")
        command = told[begin : told.index("Take the run back", begin)]

    again = run(*shlex.split(command)[1:], "--output", "json")

    assert again.exit_code == 0, again.output
    told_again = json.loads(again.stdout)
    assert told_again["amends"] == run_folder.name
    assert told_again["rows"]["created"] == 1
    amended = json.loads((run_folder / "report.json").read_text())
    assert (amended["exit_code"], amended["rows"]["created"]) == (0, 2)


def test_without_a_config_an_amending_run_takes_the_settings_of_the_other(folder: Path) -> None:
    """Columns that only the other run's config explains are understood; --config still wins."""
    run("import", "people.csv", "--config", "old.toml")
    (run_folder,) = Path(".square-etl/runs").iterdir()
    arguments = ["plan", str(run_folder / "rejects.csv")]
    assert run(*arguments).exit_code == 2
    assert run(*arguments, "--amends", run_folder.name).exit_code == 3
    other = folder / "other.toml"
    other.write_text('[columns]\n"No such" = "note"\n')
    refused = run(*arguments, "--amends", run_folder.name, "--config", "other.toml")
    assert refused.exit_code == 2
    assert "No such" in refused.stderr


STATE = Path(".square-etl")
FOLDER = STATE / "runs/R"


def commands(rows: dict[str, int], **other: object) -> list[str]:
    """Return what can be typed after a run with these outcomes."""
    told = report(rows, run_id="R", **other)
    return [step.command for step in steps(told, FOLDER, STATE) if step.command]


@pytest.mark.parametrize(
    ("rows", "other", "expected"),
    [
        ({"created": 3}, {}, []),
        (
            {"rejected": 1, "review": 1},
            {},
            [
                f"square-etl import {FOLDER}/rejects.csv --amends R",
                f"square-etl import {FOLDER}/review.csv --amends R",
            ],
        ),
        # Only a finished import can be amended.
        (
            {"rejected": 1, "pending": 1},
            {"status": "incomplete", "exit_code": 4},
            ["square-etl runs resume R"],
        ),
        ({"pending": 1}, {"command": "plan", "status": "planned"}, ["square-etl apply R"]),
        ({"rejected": 1}, {"command": "validate", "status": "validated"}, []),
        # What writes nothing is not gone on with: it is given again.
        ({"pending": 1}, {"command": "plan", "status": "incomplete", "exit_code": 4}, []),
        ({"pending": 1}, {"command": "validate", "status": "incomplete", "exit_code": 4}, []),
        ({"pending": 9}, {"status": "braked", "exit_code": 6}, []),
    ],
)
def test_commands(rows: dict[str, int], other: dict[str, object], expected: list[str]) -> None:
    """Every way a run can end has the commands that go on from there, and no others."""
    assert commands(rows, **other) == expected


def test_only_what_wrote_is_taken_back() -> None:
    """A run that created or changed somebody names the way back, others do not."""
    assert taking_back(report({"created": 1}), STATE) is not None
    assert taking_back(report({"unknown": 1}), STATE) is not None
    assert taking_back(report({"unchanged": 5, "rejected": 1}), STATE) is None
    assert taking_back(report({"pending": 5}, command="plan"), STATE) is None


def test_a_run_that_stopped_is_taken_back_as_its_page_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that is not finished the command on the page does it; there is nothing to show."""
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "EAAAtest")
    (folder / "people.csv").write_text("".join(_many(150)))
    sandbox = Sandbox(token="EAAAtest")
    busy = {"endpoint": "bulk-create", "nth": 2, "do": "status", "status": 429}
    sandbox.control("faults", {"plan": [{**busy, "retry_after": 5000}], "seed": 1})
    with serving(sandbox.respond) as address:
        stopped = run("import", "people.csv", "--target", "sandbox", "--base-url", address)
        assert stopped.exit_code == 4
        (page,) = folder.glob(".square-etl/runs/*/report.html")
        told = words(page.read_bytes())
        begin = told.index("square-etl runs undo")
        command = told[begin : told.index(" This takes back", begin)]
        done = run(*shlex.split(command)[1:], "--output", "json")
    assert done.exit_code == 0, done.output
    actions = [entry["action"] for entry in sandbox.log()]
    assert actions.count("create") == actions.count("delete") > 0


def _many(number: int) -> Iterator[str]:
    yield "reference_id,email_address\n"
    yield from (f"R{n},person{n}@example.com\n" for n in range(number))


def test_names_with_blanks_are_quoted() -> None:
    """A state folder with a blank in its name stays one word."""
    state = Path("/srv/my state")
    told = report({"rejected": 1}, run_id="R")
    (step,) = steps(told, state / "runs/R", state)
    assert shlex.split(step.command)[1:] == [
        *("import", "/srv/my state/runs/R/rejects.csv", "--amends", "R"),
        *("--state-dir", "/srv/my state"),
    ]
    assert os.fspath(state) in step.by_hand
