"""The log: one JSON object per line that a machine can follow a run by."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_imports import BROKEN, PEOPLE, folder, run

__all__ = ["folder"]


def lines(text: str) -> list[dict[str, Any]]:
    """Return a log's lines; each is a JSON object with a time, a level and an event."""
    told: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    for line in told:
        datetime.fromisoformat(line["time"])
        assert line["level"] in ("debug", "info", "warning", "error")
    return told


def test_a_run_from_begin_to_end(folder: Path) -> None:
    """Run, stages in order, and the counts at the end; the screen says what it always says."""
    (folder / "people.csv").write_text(BROKEN)
    done = run("import", "people.csv", "--log-json", "etl.log")
    told = lines((folder / "etl.log").read_text())
    assert [line["event"] for line in told if line["event"] != "progress"] == [
        "begin",
        *["stage"] * 6,
        "end",
    ]
    stages = [line["stage"] for line in told if line["event"] == "stage"]
    assert stages == ["read", "check", "plan", "load", "attach", "verify"]
    begin, *_, end = told
    assert begin["target"] == "local"
    assert {line["run_id"] for line in told} == {begin["run_id"]}
    assert (end["level"], end["exit_code"], end["rows"]["created"]) == ("warning", 3, 2)
    assert "every row is accounted for" in done.stdout
    assert f"run {begin['run_id']}: target local" in done.stderr


def test_a_log_is_added_to_and_private(folder: Path) -> None:
    """The next run adds its lines; nobody else can read them."""
    (folder / "people.csv").write_text(PEOPLE)
    for _ in range(2):
        run("validate", "people.csv", "--log-json", "etl.log")
    told = lines((folder / "etl.log").read_text())
    assert [line["event"] for line in told].count("begin") == 2
    assert (folder / "etl.log").stat().st_mode & 0o077 == 0


def test_standard_error_is_the_log(folder: Path) -> None:
    """With - there is nothing on standard error that is not JSON, failures included."""
    (folder / "people.csv").write_text(PEOPLE)
    done = run("import", "people.csv", "--log-json", "-")
    assert lines(done.stderr)[-1]["event"] == "end"
    assert "every row is accounted for" in done.stdout
    failed = run("import", "nowhere.csv", "--log-json", "-")
    assert failed.exit_code == 2
    told = lines(failed.stderr)
    assert [line["event"] for line in told[-2:]] == ["failed", "end"]
    assert "nowhere.csv" in told[-2]["error"]


def test_rows_on_one_stream_and_the_log_on_the_other(folder: Path) -> None:
    """An export to standard output and a log to standard error do not mix with words."""
    (folder / "people.csv").write_text(PEOPLE)
    run_id = json.loads(run("plan", "people.csv", "--output", "json").stdout)["run_id"]
    for expected in ("end", "note"):
        told = lines(run("apply", run_id, "--log-json", "-").stderr)
        assert expected in [line["event"] for line in told]
    done = run("export", "-", "--log-json", "-")
    assert len(done.stdout.splitlines()) == 3
    assert lines(done.stderr)[-1]["rows"] == 2


def test_failed_configs_are_logged(folder: Path) -> None:
    """A nightly job whose config is broken says so where its log is read."""
    (folder / "c.toml").write_text("[limit]\n")
    run("import", "x.csv", "--config", "c.toml", "--log-json", "etl.log")
    (failed, end) = lines((folder / "etl.log").read_text())
    assert (failed["event"], failed["exit_code"], failed["level"]) == ("failed", 2, "error")
    assert "did you mean limits?" in failed["error"]
    assert end["ending"] == "failure"


def test_debug_has_every_request(folder: Path) -> None:
    """At debug each attempt of a call is a line; at info none is."""
    (folder / "people.csv").write_text(PEOPLE)
    report = json.loads(
        run(
            *("import", "people.csv", "--output", "json"),
            *("--log-json", "etl.log", "--log-level", "debug"),
        ).stdout
    )
    calls = [line for line in lines((folder / "etl.log").read_text()) if line["event"] == "call"]
    counted = sum(counts["calls"] for counts in report["requests"].values())
    # One more: whose token it is was asked before there was a run.
    assert len(calls) == counted + 1
    assert {"endpoint", "status", "seconds", "retry", "rate_limited", "stage"} <= calls[0].keys()
    run("import", "people.csv", "--log-json", "info.log")
    assert not any(line["event"] == "call" for line in lines((folder / "info.log").read_text()))


def test_exports_are_followed_too(folder: Path) -> None:
    """An export to standard output leaves its rows there and its log where it was asked for."""
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv")
    done = run("export", "-", "--log-json", "etl.log", "--quiet")
    assert done.stdout.splitlines()[0].startswith('"id",')
    told = lines((folder / "etl.log").read_text())
    assert [line["stage"] for line in told if line["event"] == "stage"][-1] == "write"
    assert told[-1]["rows"] == 2


def test_a_log_that_cannot_be_opened(folder: Path) -> None:
    """No log, no run: what nobody would hear of is not begun."""
    (folder / "people.csv").write_text(PEOPLE)
    done = run("import", "people.csv", "--log-json", "nowhere/etl.log")
    assert done.exit_code == 2
    assert "cannot write the log nowhere/etl.log: No such file" in done.stderr
    assert not (folder / ".square-etl").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_log_that_is_full_stops_nothing(folder: Path) -> None:
    """A log whose disk is full is told of once; the run goes on."""
    (folder / "people.csv").write_text(PEOPLE)
    done = run("import", "people.csv", "--log-json", "/dev/full")
    assert done.exit_code == 0
    assert "every row is accounted for" in done.stdout
    assert done.stderr.count("the log cannot be written: No space left") == 1
