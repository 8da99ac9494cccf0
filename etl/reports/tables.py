"""What happened to row 4,711? The files beside the report, one line per row or customer.

``rows.csv`` (the ledger), ``rejects.csv`` and ``review.csv`` (original rows that import again as
they stand), ``crosswalk.csv``. All are UTF-8 with commas; cells that a spreadsheet would run as
formulas carry the reversible escape of ``etl.files.escape``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import orjson

from etl.customers import codes
from etl.customers.problems import Problem
from etl.files.escape import escape
from etl.journal.journal import Batch, Journal

_ROWS_AT_ONCE = 2000

LEDGER = (
    "source",
    "line",
    "outcome",
    "customer_id",
    "matched_by",
    "codes",
    "detail",
    "duplicate_of",
)
REJECT_COLUMNS = ("_line", "_codes", "_fields", "_messages", "_suggestion")
REVIEW_COLUMNS = (*REJECT_COLUMNS, "_candidates", "_evidence", "_related", "decision")
CROSSWALK = ("source_key", "customer_id", "outcome", "source", "line")


def write_ledger(journal: Journal, file: BinaryIO) -> None:
    """Write ``rows.csv``: every source row, in order, with what became of it."""
    names = _names(journal)
    lines: list[Sequence[Any]] = []
    writer = _Writer(file, LEDGER)
    for first, page in _pages(journal):
        found = _codes(journal.problems(first, page[-1][0]))
        for row, source, line, outcome, customer_id, matched_by, detail, other in page:
            lines.append(
                (
                    names[source],
                    line,
                    outcome,
                    customer_id,
                    matched_by,
                    ";".join(found.get(row, ())),
                    detail,
                    "" if other is None else _place(journal, other, names),
                )
            )
        writer.write(lines)
        lines.clear()


def write_rejects(journal: Journal, file: BinaryIO) -> None:
    """Write ``rejects.csv``: rejected and failed rows in their original columns and text."""
    _write_originals(journal, file, ("rejected", "failed"), REJECT_COLUMNS)


def write_review(journal: Journal, file: BinaryIO) -> None:
    """Write ``review.csv``: rows that need a decision, with candidates and evidence."""
    _write_originals(journal, file, ("review",), REVIEW_COLUMNS)


def write_crosswalk(journal: Journal, file: BinaryIO) -> None:
    """Write ``crosswalk.csv``: which customer each source key is in Square."""
    names = _names(journal)
    writer = _Writer(file, CROSSWALK)
    writer.write(
        (key, customer_id, outcome, names[source], line)
        for key, customer_id, outcome, source, line in journal.query(
            "SELECT source_key, customer_id, outcome, source, line FROM rows JOIN batches "
            "USING (batch) WHERE customer_id <> '' AND "
            "outcome IN ('created', 'updated', 'unchanged', 'duplicate', 'skipped') ORDER BY row"
        )
    )


def _write_originals(
    journal: Journal, file: BinaryIO, outcomes: tuple[str, ...], extra: Sequence[str]
) -> None:
    sources = journal.sources()
    names = _names(journal)
    columns = list(
        dict.fromkeys(
            column
            for source in sources
            for column in source["facts"]["columns"]
            if not _is_ours(column, source["facts"]["ours"])
        )
    )
    writer = _Writer(file, (*columns, *extra))
    marks = ",".join("?" * len(outcomes))
    for batch in journal.batches():
        wanted = [
            row
            for (row,) in journal.query(
                "SELECT row FROM rows WHERE row BETWEEN ? AND ? "
                f"AND outcome IN ({marks}) ORDER BY row",
                batch.first_row,
                batch.first_row + len(batch.lines) - 1,
                *outcomes,
            )
        ]
        if wanted:
            prefix = f"{names[batch.source]}:" if len(sources) > 1 else ""
            writer.write(_originals(journal, batch, wanted, columns, extra, prefix))


def _originals(
    journal: Journal,
    batch: Batch,
    rows: Sequence[int],
    columns: Sequence[str],
    extra: Sequence[str],
    prefix: str,
) -> Iterator[list[Any]]:
    problems: dict[int, list[Problem]] = {}
    for problem in journal.problems(rows[0], rows[-1]):
        if problem.effect in ("reject", "review"):
            problems.setdefault(problem.row, []).append(problem)
    for row in rows:
        offset = row - batch.first_row
        found = problems.get(row, [])
        cells = [
            batch.cells.column(column)[offset].as_py() if column in batch.cells.schema.names else ""
            for column in columns
        ]
        told = {
            "_line": f"{prefix}{batch.lines[offset]}",
            "_codes": ";".join(dict.fromkeys(problem.code for problem in found)),
            "_fields": ";".join(dict.fromkeys(p.field for p in found if p.field)),
            "_messages": "; ".join(dict.fromkeys(problem.message for problem in found)),
            "_suggestion": "; ".join(dict.fromkeys(filter(None, map(_helps, found)))),
            **(_evidence(journal, row) if "decision" in extra else {}),
        }
        yield [*cells, *(told[name] for name in extra)]


def _helps(problem: Problem) -> str:
    known = codes.BY_NAME.get(problem.code)
    return problem.suggestion or (known.remedy if known else "")


def _evidence(journal: Journal, row: int) -> dict[str, str]:
    candidates, related = next(
        journal.query("SELECT candidates, related FROM reviews WHERE row = ?", row)
    )
    (matched_by,) = next(journal.query("SELECT matched_by FROM rows WHERE row = ?", row))
    names = _names(journal)
    return {
        "_candidates": ";".join(orjson.loads(candidates)),
        "_evidence": matched_by,
        "_related": ";".join(_place(journal, other, names) for other in orjson.loads(related)),
        "decision": "",
    }


def _is_ours(column: str, ours: bool) -> bool:
    return ours and column in REVIEW_COLUMNS


def _names(journal: Journal) -> list[str]:
    return [source["facts"]["name"] for source in journal.sources()]


def _place(journal: Journal, row: int, names: Sequence[str]) -> str:
    source, line = next(
        journal.query("SELECT source, line FROM rows JOIN batches USING (batch) WHERE row = ?", row)
    )
    return f"{names[source]}:{line}"


def _pages(journal: Journal) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    last = -1
    while page := list(
        journal.query(
            "SELECT row, source, line, outcome, customer_id, matched_by, detail, duplicate_of "
            "FROM rows JOIN batches USING (batch) WHERE row > ? ORDER BY row LIMIT ?",
            last,
            _ROWS_AT_ONCE,
        )
    ):
        last = page[-1][0]
        yield page[0][0], page


def _codes(problems: Iterable[Problem]) -> dict[int, dict[str, None]]:
    found: dict[int, dict[str, None]] = {}
    for problem in problems:
        found.setdefault(problem.row, {})[problem.code] = None
    return found


class _Writer:
    """Writes escaped CSV lines, the header first."""

    def __init__(self, file: BinaryIO, header: Sequence[str]) -> None:
        self._file = file
        self.write([header])

    def write(self, lines: Iterable[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        for number, line in enumerate(lines, 1):
            writer.writerow(["" if cell is None else escape(str(cell)) for cell in line])
            if number % _ROWS_AT_ONCE == 0:
                self._pass_on(text)
        self._pass_on(text)

    def _pass_on(self, text: io.StringIO) -> None:
        self._file.write(text.getvalue().encode("utf-8"))
        text.seek(0)
        text.truncate()
