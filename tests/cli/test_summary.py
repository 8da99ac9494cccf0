"""The summary at the end of a run: a table that adds up, colours where they can be seen."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from etl.cli.summary import text
from tests.reports.pages import report

ESCAPE = "\x1b["
ROOT = Path(__file__).parents[2]


def lines(rows: dict[str, int], **other: object) -> list[str]:
    """Return the printed summary of a run with these outcomes."""
    told = text(dict(report(rows, **other)), Path("F"), Path(".square-etl"))
    return told.splitlines()


def test_the_table_is_aligned() -> None:
    """Counts end, shares end and bars begin in the same column, whatever their size."""
    told = lines({"created": 1_234_567, "review": 3, "rejected": 65_433})
    table = [line for line in told if re.match(r"  (created|updated|review|rejected|=) ", line)]
    assert {re.search(r"[\d,]+  ", line).end() for line in table} == {23}  # type: ignore[union-attr]
    barred = [line for line in table if "█" in line]
    assert [line.rsplit(maxsplit=1)[1] for line in barred] == ["95.0%", "<0.1%", "5.0%"]
    assert len({line.index("█") for line in barred}) == 1
    assert len({len(line) for line in barred}) == 1


def test_no_outcome_that_is_there_is_without_a_bar() -> None:
    """One row in a million has a bar, and nothing has none."""
    told = lines({"created": 1_000_000, "rejected": 1})
    assert any("rejected" in line and line.count("█") == 1 for line in told)
    assert not any("updated" in line and "█" in line for line in told)


def test_reasons_are_the_most_frequent_first() -> None:
    """Top reasons stand with their count and meaning; how many more there are is said."""
    reasons = {"INVALID_EMAIL_ADDRESS": {"email_address": 5}, "RAGGED_ROW": {"": 9}}
    told = lines({"rejected": 14}, reasons=reasons)
    begin = told.index("reasons:")
    assert [line.split()[:2] for line in told[begin + 1 : begin + 3]] == [
        ["9", "RAGGED_ROW"],
        ["5", "INVALID_EMAIL_ADDRESS"],
    ]


def test_a_sum_that_is_wrong_is_shouted() -> None:
    """Rows that are not accounted for cannot be overlooked."""
    assert any("THE SUM IS WRONG" in line for line in lines({"created": 1}, balanced=False))


def test_text_is_plain_unless_colours_are_asked_for() -> None:
    """Without a terminal there is no escape sequence, and the words are the same with them."""
    told = dict(report({"created": 2, "rejected": 1}, exit_code=3))
    plain = text(told, Path("F"), Path("S"))
    coloured = text(told, Path("F"), Path("S"), colours=True)
    assert ESCAPE not in plain
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain != coloured


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colours_unless_it_wants_none(tmp_path: Path, no_color: str) -> None:
    """On a real terminal there are colours; NO_COLOR turns them off."""
    (tmp_path / "people.csv").write_text("Email\nada@example.com\n")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": no_color}
    done = subprocess.Popen(
        [sys.executable, "-m", "etl", "import", "people.csv", "--quiet"],
        cwd=tmp_path,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    told = b""
    while chunk := _read(ours):
        told += chunk
    os.close(ours)
    assert done.wait() == 0
    assert (ESCAPE.encode() in told) == (not no_color)
    assert "created" in told.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux: the other end is closed
        return b""
