"""What is said of all merchants is made from what each import ended with."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import click
import pytest

from etl.cli.merchants import summary as printed
from etl.cli.merchants import words
from etl.config import Config
from etl.journal.state import State
from etl.matrix import summary
from etl.matrix.children import Ended
from etl.matrix.identity import Known
from etl.matrix.merchants import Entry
from etl.matrix.summary import MatrixReport, OfMerchant
from tests.matrix.street import SCHEMA

FILE, STATE = Path("merchants.toml"), State(Path(".square-etl"))
AGAIN = summary.again(FILE, STATE)
AT = "2026-11-26T02:00:00Z"


def ended(status: int, error: str = "", run_id: str = "") -> OfMerchant:
    """Return what is told of an import that ended so, without a report."""
    entry = Entry("north", ("a.csv",), None, None, None, None, None)
    known = Known(entry, STATE.merchant("north"), Config(), {})
    return summary.of_ended(known, Ended("north", status, 1.5, None, run_id, error), AGAIN)


def summed(*merchants: OfMerchant) -> MatrixReport:
    """Return the summary of merchants, which is as its schema says."""
    found = summary.summed(FILE, merchants, AT, AT, 2.0)
    SCHEMA.validate(found)
    return found


@pytest.mark.parametrize(
    ("status", "told", "code", "why"),
    [
        (1, "failed", 1, "said last"),
        (2, "refused", 2, "said last"),
        (4, "incomplete", 4, "said last"),
        (5, "locked", 5, "said last"),
        (-9, "incomplete", 4, "its process was ended by SIGKILL; everything up to there is kept"),
        (-11, "incomplete", 4, "its process was ended by SIGSEGV; everything up to there is kept"),
        (120, "failed", 1, "said last"),
        (0, "failed", 1, "said last"),
    ],
)
def test_without_a_report(status: int, told: str, code: int, why: str) -> None:
    """An import that left no report is told by how its process ended, and never as fine."""
    found = ended(status, "said last", "20261126T020000.000Z-0000")
    assert (found["status"], found["exit_code"], found["stopped"]) == (told, code, why)
    assert found["run_id"] == "20261126T020000.000Z-0000"
    assert found["rows"] is None
    assert found["next"][-1]["command"] == "square-etl import --matrix merchants.toml"


def test_the_code_of_all() -> None:
    """Of any two codes the one that comes first is that of both, in whichever order they come."""
    for better, worse in combinations(reversed([4, 1, 2, 6, 5, 3, 0]), 2):
        one, other = (with_code(code) for code in (better, worse))
        assert summed(one, other)["exit_code"] == summed(other, one)["exit_code"] == worse
        assert summed(one, one)["exit_code"] == better


def with_code(code: int) -> OfMerchant:
    """Return a merchant whose import ended with a code."""
    found: Any = {**ended(2), "exit_code": code}
    return found  # type: ignore[no-any-return]


def test_what_is_printed() -> None:
    """A line for each merchant, the sum, and for each that needs somebody why and what helps."""
    fine: OfMerchant = {
        **ended(2),
        "name": "harbour",
        "status": "finished",
        "exit_code": 0,
        "rows": {**summed(ended(2))["rows"], "read": 1200, "created": 1200},
        "stopped": None,
        "next": [],
    }
    report = summed(fine, ended(5, "another run is at work"))
    text = click.unstyle(printed(report, STATE.matrix))
    lines = [line.split() for line in text.splitlines()]
    assert "1 of 2 merchants finished in 2.0 s" in text
    assert lines[3][:2] == ["harbour", "finished"]
    assert "1,200" in lines[3]
    assert lines[5][:2] == ["=", "2"]
    assert "north: another run is at work\nnext: wait until it ends, or stop it, then\n" in text
    assert "harbour:" not in text


@pytest.mark.parametrize(
    ("event", "told", "quietly"),
    [
        (
            {"event": "progress", "stage": "load", "done": 300, "total": 5000},
            "sending requests: 300 of 5,000 requests",
            "",
        ),
        (
            {"event": "progress", "stage": "read", "done": 9, "total": None},
            "reading rows: 9 rows",
            "",
        ),
        ({"event": "note", "text": "unusual"}, "unusual", ""),
        ({"event": "stage", "stage": "load", "done": 0, "total": None}, "", ""),
        ({"event": "failed", "error": "no token"}, "no token", "no token"),
        ({"event": "said", "text": "Usage: …"}, "Usage: …", "Usage: …"),
        ({"event": "end", "exit_code": 2, "ending": "failure"}, "", ""),
    ],
)
def test_what_is_shown_meanwhile(event: dict[str, Any], told: str, quietly: str) -> None:
    """Of each import: how far it is, what it notes, why it failed; the last with --quiet too."""
    assert words(event, quiet=False) == told
    assert words(event, quiet=True) == quietly
