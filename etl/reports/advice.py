"""What is to be done next? The steps after a run, each with the exact command where there is one.

The summary on the terminal and the page say the same ones.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT_STATE = Path(".square-etl")


class Step(NamedTuple):
    """One thing to do: ``why``, what to do ``by_hand`` first, and then the ``command``."""

    why: str
    by_hand: str = ""
    command: str = ""


def resume_command(state_dir: Path, run_id: str = "") -> str:
    """Return the command that goes on with a run, as it can be typed here."""
    return _typed(["runs", "resume", *([run_id] if run_id else [])], state_dir)


def matrix_command(file: Path, state_dir: Path) -> str:
    """Return the command that imports for the merchants of a file, as it can be typed here."""
    return _typed(["import", "--matrix", str(file)], state_dir)


def steps(
    report: Mapping[str, Any], folder: Path, state_dir: Path, finishing: str = ""
) -> Iterator[Step]:
    """Yield what is to be done after a run, whose artifacts lie in ``folder``.

    ``finishing`` is the command that goes on with it, where that is not ``runs resume``.
    """
    run_id = report["run_id"]
    if report["status"] == "incomplete" or report["exit_code"] == 4:
        if report["command"] in ("plan", "validate"):
            yield Step("Do it over", "give the same command again: nothing was to be written")
        else:
            yield Step("Finish the run", command=finishing or resume_command(state_dir, run_id))
    if report["undoes"]:
        yield from _after_undo(report, folder, state_dir)
        return
    rows, command = report["rows"], report["command"]
    if refused := rows["rejected"] + rows["failed"]:
        yield Step(
            f"Correct {_rows(refused)} that {'was' if refused == 1 else 'were'} refused",
            *_again(report, folder / "rejects.csv", "correct {}", state_dir),
        )
    if rows["review"]:
        fill = "fill the decision column of {} (a customer id, create or skip)"
        yield Step(
            f"Say who {_rows(rows['review'])} in review {'is' if rows['review'] == 1 else 'are'}",
            *_again(report, folder / "review.csv", fill, state_dir),
        )
    if any((report["consent"] or {}).values()):
        yield Step(
            "Tell Square who may be written to",
            f"import {folder}/consent.csv in the Square Dashboard (Customers, Import): only there "
            "can a subscription be set. That import adds rows and updates nobody, so try a few "
            "first and merge what is there twice",
        )
    if report["verified"]["mismatched"]:
        yield Step(
            "Look at what did not read back as written",
            f"look for VERIFY_MISMATCH in {folder}/rows.csv",
        )
    if command == "plan" and report["status"] == "planned":
        yield Step("Carry the plan out", command=_typed(["apply", run_id], state_dir))


def taking_back(report: Mapping[str, Any], state_dir: Path) -> Step | None:
    """Return how a run is taken back, None where it wrote nothing that could be."""
    beside = sum(counts["added"] for counts in report["beside"].values())
    rows = report["rows"]
    wrote = rows["created"] + rows["updated"] + rows["unknown"] + beside if "created" in rows else 0
    if report["command"] != "import" or report["status"] == "undone" or not wrote:
        return None
    why, undo = "Take the run back, if it was a mistake", ["runs", "undo", report["run_id"]]
    if report["status"] != "finished":
        # What it left in flight is settled by writing, so nothing can be shown before.
        told = (
            "this takes back what it wrote so far, and ends it: it is not gone on with afterwards"
        )
        return Step(why, told, _typed(undo, state_dir))
    told = "this shows what would be taken back, and writes nothing"
    return Step(why, told, _typed([*undo, "--dry-run"], state_dir))


def _again(report: Mapping[str, Any], file: Path, by_hand: str, state_dir: Path) -> tuple[str, str]:
    """Return what to do with a file by hand, and the command that takes it then."""
    told = by_hand.format(file)
    if report["command"] == "import" and report["status"] == "finished":
        return told, _typed(["import", str(file), "--amends", report["run_id"]], state_dir)
    return f"{told} and import it with the same config", ""


def _after_undo(report: Mapping[str, Any], folder: Path, state_dir: Path) -> Iterator[Step]:
    if report["status"] != "incomplete" and report["reasons"]:
        yield Step(
            "Look at what was left alone",
            f"rows with codes in {folder}/rows.csv were left alone: look at them in Square",
        )
    if report["command"] == "undo-plan":
        yield Step(
            "Take the run back", command=_typed(["runs", "undo", report["undoes"]], state_dir)
        )


def _rows(count: int) -> str:
    return "the row" if count == 1 else f"the {count:,} rows"


def _typed(arguments: list[str], state_dir: Path) -> str:
    words = ["square-etl", *arguments]
    if state_dir != DEFAULT_STATE:
        words += ["--state-dir", str(state_dir)]
    return shlex.join(words)
