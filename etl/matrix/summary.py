"""What became of each merchant, and of all of them? ``matrix.json``."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ConfigDict, TypeAdapter, with_config

# Pydantic asks for this one on Python 3.11.
from typing_extensions import TypedDict

from etl.journal.records import OUTCOMES
from etl.journal.state import State
from etl.matrix.children import INCOMPLETE, Ended
from etl.matrix.identity import Known
from etl.matrix.merchants import Entry
from etl.reports.advice import Step, matrix_command, steps
from etl.reports.schema import ImportRows, untitled

_STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)

Status = Literal["finished", "incomplete", "braked", "refused", "locked", "failed", "not started"]
# Exit codes, the first that any merchant has is that of all: what the same command helps comes
# first, for the others are still there afterwards; then what somebody has to look at.
WORST_FIRST = (4, 1, 2, 6, 5, 3, 0)
# Of an import that left no report.
_STATUS: dict[int, Status] = {
    1: "failed",
    2: "refused",
    4: "incomplete",
    5: "locked",
    6: "braked",
}


@with_config(_STRICT)
class NextStep(TypedDict):
    """One thing to do."""

    why: str
    """what for"""
    by_hand: str
    """what to do first; or empty"""
    command: str
    """what to type then; or empty"""


@with_config(_STRICT)
class OfMerchant(TypedDict):
    """What became of one merchant's import."""

    name: str
    """as the file calls it"""
    merchant_id: str
    """as Square calls it; empty where that could not be asked"""
    status: Status
    """as in `report.json`, or `refused` (settings, token or source), `locked` (another run is at
    work), `failed` (a bug), `not started`"""
    exit_code: int
    """as that import's own would be"""
    run_id: str
    """its run; empty where none was begun"""
    report: str
    """where its `report.json` is; empty where there is none"""
    rows: ImportRows | None
    """rows by outcome"""
    calls: int
    """requests to Square, each attempt"""
    seconds: float
    """how long its process was at work"""
    stopped: str | None
    """why it did not finish"""
    next: list[NextStep]
    """what to do"""


class _Ending(TypedDict):
    status: Status
    exit_code: int
    stopped: str | None
    next: list[NextStep]


@with_config(_STRICT)
class MatrixReport(TypedDict):
    """``matrix.json``: what became of all merchants of a file."""

    matrix: str
    """the file"""
    status: Literal["finished", "incomplete"]
    """whether every import came to its end"""
    started_at: str
    """UTC, RFC 3339"""
    finished_at: str
    """likewise"""
    seconds: float
    """from begin to end"""
    merchants: list[OfMerchant]
    """in the order of the file"""
    statuses: dict[str, int]
    """how many merchants ended how"""
    rows: ImportRows
    """rows by outcome, of all merchants"""
    calls: int
    """requests to Square, of all merchants"""
    exit_code: Literal[0, 1, 2, 3, 4, 5, 6]
    """what the command exits with"""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``matrix.json``."""
    made = TypeAdapter(MatrixReport).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **untitled(made)}


def of_ended(known: Known, ended: Ended, again: Step) -> OfMerchant:
    """Tell of an import that was started; ``again`` is the step that goes on with it."""
    report, status, state = ended.report, ended.status, known.state
    told = _blank(known.entry, known.merchant_id)
    told["seconds"] = round(ended.seconds, 3)
    told["run_id"] = report["run_id"] if report else ended.run_id
    if status < 0:
        name = signal.Signals(-status).name
        ended_by = f"its process was ended by {name}; everything up to there is kept"
        return {**told, **_ending("incomplete", INCOMPLETE, ended_by, [again])}
    if report is None or status not in WORST_FIRST:
        why = ended.error or f"its process ended with {status} and without a report"
        code = status if status in _STATUS else 1
        return {**told, **_ending(_STATUS[code], code, why, _after(code, again))}
    folder = state.runs / report["run_id"]
    told["report"] = str(folder / "report.json")
    told["rows"] = report["rows"]
    told["calls"] = sum(counts["calls"] for counts in report["requests"].values())
    following = [
        step if step.command == again.command else _with_token(step, known.entry)
        for step in steps(report, folder, state.folder, again.command)
    ]
    if report["status"] == "braked":
        by_hand = f"look at {folder}/report.html, and raise the limit if all is right"
        following.append(Step("Go on in spite of the brake", by_hand, again.command))
    return {**told, **_ending(report["status"], status, report["stopped"], following)}


def of_nothing(entry: Entry, merchant_id: str, why: str, code: int, again: Step) -> OfMerchant:
    """Tell of an import that was not started."""
    status: Status = "refused" if code == 2 else "not started"
    return {**_blank(entry, merchant_id), **_ending(status, code, why, _after(code, again))}


def _blank(entry: Entry, merchant_id: str) -> OfMerchant:
    return {
        "name": entry.name,
        "merchant_id": merchant_id,
        "status": "not started",
        "exit_code": INCOMPLETE,
        "run_id": "",
        "report": "",
        "rows": None,
        "calls": 0,
        "seconds": 0.0,
        "stopped": None,
        "next": [],
    }


def _ending(status: Status, code: int, stopped: str | None, following: Iterable[Step]) -> _Ending:
    told: list[NextStep] = [
        {"why": step.why, "by_hand": step.by_hand, "command": step.command} for step in following
    ]
    return {"status": status, "exit_code": code, "stopped": stopped, "next": told}


def _after(code: int, again: Step) -> list[Step]:
    """Return what helps an import that left no report."""
    by_hand = {
        1: "report the bug",
        2: "put that right",
        5: "wait until it ends, or stop it",
    }.get(code, "")
    return [again._replace(by_hand=by_hand)]


def _with_token(step: Step, entry: Entry) -> Step:
    """Let the command of a step find the token where the merchant has it."""
    if not (step.command and entry.token_env):
        return step
    return step._replace(command=f'SQUARE_ACCESS_TOKEN="${entry.token_env}" {step.command}')


def again(file: Path, state: State) -> Step:
    """Return the step that goes on with whatever is left."""
    told = "Finish what is left; it writes nothing for those who are done"
    return Step(told, command=matrix_command(file, state.folder))


def summed(
    file: Path, merchants: Sequence[OfMerchant], started_at: str, finished_at: str, seconds: float
) -> MatrixReport:
    """Return the summary of all merchants."""
    rows = dict.fromkeys(("read", *OUTCOMES), 0)
    statuses: dict[str, int] = {}
    for each in merchants:
        statuses[each["status"]] = statuses.get(each["status"], 0) + 1
        for name, count in (each["rows"] or {}).items():
            rows[name] += cast(int, count)
    codes = {each["exit_code"] for each in merchants}
    return {
        "matrix": str(file),
        "status": "finished" if statuses.keys() <= {"finished"} else "incomplete",
        "started_at": started_at,
        "finished_at": finished_at,
        "seconds": round(seconds, 3),
        "merchants": list(merchants),
        "statuses": statuses,
        "rows": cast(ImportRows, rows),
        "calls": sum(each["calls"] for each in merchants),
        "exit_code": cast(Any, next(code for code in WORST_FIRST if code in codes)),
    }
