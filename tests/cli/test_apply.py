"""``plan`` and ``apply`` as an operator meets them: words, files, exit codes."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from etl.sandbox import Sandbox
from tests.cli.test_imports import BROKEN, PEOPLE, folder, run

__all__ = ["folder"]


def planned(*arguments: str) -> dict[str, Any]:
    """Plan and return the report."""
    report: dict[str, Any] = json.loads(run("plan", *arguments, "--output", "json").stdout)
    return report


def written() -> list[dict[str, Any]]:
    """Return the write log of the embedded Square."""
    with closing(Sandbox(Path(".square-etl/sandbox.sqlite"))) as box:
        return box.log()


def test_a_plan_is_read_and_applied(folder: Path) -> None:
    """plan says what would be, where it stands and what to type; that does it."""
    (folder / "people.csv").write_text(PEOPLE)
    told = run("plan", "people.csv")
    assert told.exit_code == 0
    assert "an import would create 2 profiles and update 0, clearing 0 fields" in told.stdout
    assert "which takes 2 calls, about 0.1 s" in told.stdout
    run_id = next((folder / ".square-etl/runs").iterdir()).name
    assert f"next: square-etl apply {run_id}\n" in told.stdout
    with open(f".square-etl/runs/{run_id}/plan.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["action"] for line in lines} == {"create"}
    assert ("email_address", "lin@example.org") in {(li["field"], li["new"]) for li in lines}
    assert written() == []

    done = run("apply", run_id)

    assert done.exit_code == 0
    assert f"carries out the plan of run {run_id}; 0 rows moved" in done.stdout
    assert "target local (the embedded local Square), merchant " in done.stderr
    assert [write["action"] for write in written()] == ["create", "create"]


def test_applied_again_it_writes_nothing_and_says_so(folder: Path) -> None:
    """The second time the first report is shown, with its exit code."""
    (folder / "people.csv").write_text(BROKEN)
    run_id = planned("people.csv")["run_id"]
    first = json.loads(run("apply", run_id, "--output", "json").stdout)
    log = written()

    again = run("apply", run_id, "--output", "json", "--quiet")

    said = f"plan {run_id} was carried out by run {first['run_id']} already: nothing is written"
    assert said in again.stderr
    assert json.loads(again.stdout) == first
    assert again.exit_code == first["exit_code"] == 3
    assert written() == log


def test_a_plan_has_a_place_to_script_against(folder: Path) -> None:
    """With --run-dir the plan lies where a script finds it, and is applied from there."""
    (folder / "people.csv").write_text(PEOPLE)
    run("plan", "people.csv", "--run-dir", "tonight")
    assert (folder / "tonight/plan.csv").exists()

    done = run("apply", "tonight/plan.csv", "--canary", "1", "--tolerate", "1")

    assert done.exit_code == 0
    assert len(written()) == 2


def test_an_edited_plan_is_refused(folder: Path) -> None:
    """Changes in plan.csv would be lost: exit 2 says what to do instead."""
    (folder / "people.csv").write_text(PEOPLE)
    run("plan", "people.csv", "--run-dir", "tonight")
    plan = folder / "tonight/plan.csv"
    plan.write_text(plan.read_text().replace("Ada", "Eve"))

    refused = run("apply", str(plan))

    assert refused.exit_code == 2
    assert "Changes in it are not carried out: correct the source" in refused.stderr
    assert written() == []


@pytest.mark.parametrize("way", ["option", "environment"])
def test_another_target_than_planned_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A plan for the local Square is not carried out in production, whatever the token."""
    (folder / "people.csv").write_text(PEOPLE)
    run_id = planned("people.csv")["run_id"]
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "made-up")
    if way == "environment":
        monkeypatch.setenv("SQUARE_ENVIRONMENT", "production")

    refused = run("apply", run_id, *(["--target", "production"] if way == "option" else []))

    assert refused.exit_code == 2
    assert "was made for target local" in refused.stderr
    assert written() == []


def test_a_raised_limit_gets_past_a_brake(folder: Path) -> None:
    """--config may bring other limits, and nothing else."""
    (folder / "people.csv").write_text(PEOPLE)
    for name, text in (
        ("low.toml", "[limits]\nmax_created = 1\n"),
        ("high.toml", "[limits]\nmax_created = 2\n"),
        ("other.toml", '[update]\npolicy = "fill"\n'),
    ):
        (folder / name).write_text(text)
    run_id = planned("people.csv", "--config", "low.toml")["run_id"]

    braked, other = run("apply", run_id), run("apply", run_id, "--config", "other.toml")
    assert (braked.exit_code, other.exit_code) == (6, 2)
    assert "[update] is not as it was when run" in other.stderr
    assert written() == []

    assert run("apply", run_id, "--config", "high.toml").exit_code == 0
    assert len(written()) == 2


@pytest.mark.parametrize("size", ["0", "101", "many"])
def test_a_canary_is_one_batch(folder: Path, size: str) -> None:
    """A canary is of 1 to 100 rows."""
    (folder / "people.csv").write_text(PEOPLE)
    refused = run("import", "people.csv", "--canary", size)
    assert refused.exit_code == 2
    assert "--canary" in refused.stderr
