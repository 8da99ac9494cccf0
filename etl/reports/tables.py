"""What happened to row 4,711? The files beside the report, one line per row or customer.

``rows.csv`` (the ledger), ``rejects.csv`` and ``review.csv`` (original rows that import again as
they stand), ``crosswalk.csv``, ``consent.csv``. All are UTF-8 with commas; cells that a spreadsheet
would run as formulas carry the reversible escape of ``etl.files.escape``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import codes
from etl.customers.octets import Octets
from etl.customers.problems import Problem, problem_table
from etl.files.escape import escape, escape_column
from etl.journal.journal import Batch, Journal, rejected, skipped
from etl.reports import consent

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
    writer = _Writer(file, LEDGER)
    for batch in journal.batches():
        size = len(batch.lines)
        first, last = batch.first_row, batch.first_row + size - 1
        source = pa.repeat(pa.scalar(names[batch.source]), size)
        found = pa.concat_tables([journal.found(batch), _later(journal, first, last)])
        told = [*_outcomes(journal, found, first, last, names), _codes(found, size)]
        told = _amended(journal, told, first, last, names)
        outcome, customer_id, matched_by, detail, duplicate_of, codes_told = told
        writer.write_columns(
            [
                source,
                batch.lines.cast(pa.string()),
                outcome,
                customer_id,
                matched_by,
                codes_told,
                detail,
                duplicate_of,
            ]
        )


def _outcomes(
    journal: Journal, found: pa.Table, first: int, last: int, names: Sequence[str]
) -> list[pa.Array]:
    """Return outcome, customer, evidence, detail and carrier of the rows of a batch."""
    size = last - first + 1
    entered = list(
        journal.query(
            "SELECT outcome, customer_id, matched_by, detail, duplicate_of FROM rows "
            "WHERE row BETWEEN ? AND ? ORDER BY row",
            first,
            last,
        )
    )
    if entered:
        *columns, carriers = zip(*entered, strict=True)
        places = ["" if row is None else _place(journal, row, names) for row in carriers]
        return [pa.array(column, pa.string()) for column in (*columns, places)]
    outcome = np.full(size, "pending", dtype=object)
    outcome[list(rejected(found))] = "rejected"
    detail = np.full(size, "", dtype=object)
    for row, why in skipped(found).items():
        outcome[row], detail[row] = "skipped", why
    nothing = pa.repeat(pa.scalar(""), size)
    return [
        pa.array(outcome, pa.string()),
        nothing,
        nothing,
        pa.array(detail, pa.string()),
        nothing,
    ]


def codes_of(journal: Journal, batch: Batch) -> pa.Array:
    """Return the codes of each row of a batch, as its run found them."""
    first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
    found = pa.concat_tables([journal.found(batch), _later(journal, first, last)])
    return _codes(found, len(batch.lines))


def _amended(
    journal: Journal, told: Sequence[pa.Array], first: int, last: int, names: Sequence[str]
) -> list[pa.Array]:
    """Put what became of corrected rows in the place of what had become of them before."""
    amendments = journal.amendments(first, last)
    if not amendments:
        return list(told)
    columns = [column.to_pylist() for column in told]
    for row, later in amendments.items():
        at, now = row - first, later[-1]
        was = [f"before: {columns[0][at]} {columns[-1][at]}".rstrip()]
        was += [
            f"{told.outcome} {told.codes}".rstrip() + f" in run {told.run_id}"
            for told in later[:-1]
        ]
        detail = f"amended by run {now.run_id} line {now.line}; {'; '.join(was)}"
        new = (
            now.outcome,
            now.customer_id,
            now.matched_by,
            f"{now.detail}; {detail}" if now.detail else detail,
            "" if now.duplicate_of is None else _place(journal, now.duplicate_of, names),
            now.codes,
        )
        for column, value in zip(columns, new, strict=True):
            column[at] = value
    return [pa.array(column, pa.string()) for column in columns]


def _later(journal: Journal, first: int, last: int) -> pa.Table:
    """Return what was found after the check, by place in the batch that begins at ``first``."""
    later = journal.problems(first, last)
    return problem_table(problem._replace(row=problem.row - first) for problem in later)


def _codes(found: pa.Table, size: int) -> pa.Array:
    """Return the codes of each row of a batch, each once, in the order they were found."""
    rows = found.column("row").to_numpy()
    known = found.column("code").combine_chunks().dictionary_encode()
    if not len(rows):
        return pa.repeat(pa.scalar(""), size)
    order = np.argsort(rows, kind="stable")
    code = known.indices.to_numpy()[order]
    _, once = np.unique(rows[order] * len(known.dictionary) + code, return_index=True)
    once.sort()
    ends = np.searchsorted(rows[order][once], np.arange(size + 1))
    lists = pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()), known.dictionary.take(pa.array(code[once]))
    )
    return pc.binary_join(lists, ";")


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


def write_consent(journal: Journal, file: BinaryIO) -> None:
    """Write ``consent.csv``: who is subscribed, for the import page of the Dashboard."""
    _Writer(file, consent.HEADER).write(consent.lines(journal))


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
    for batch in journal.batches():
        wanted = _rows_with(journal, batch, outcomes)
        if wanted:
            prefix = f"{names[batch.source]}:" if len(sources) > 1 else ""
            writer.write(_originals(journal, batch, wanted, columns, extra, prefix))


def _rows_with(journal: Journal, batch: Batch, outcomes: Sequence[str]) -> list[int]:
    """Return the rows of a batch that have one of the outcomes."""
    if not journal.has_rows():
        refused = rejected(journal.found(batch)) if "rejected" in outcomes else frozenset[int]()
        return sorted(batch.first_row + at for at in refused)
    marks = ",".join("?" * len(outcomes))
    first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
    found = journal.query(
        f"SELECT row FROM rows WHERE row BETWEEN ? AND ? AND outcome IN ({marks}) ORDER BY row",
        first,
        last,
        *outcomes,
    )
    # What was corrected since needs no correction here; what was not is still as it was.
    done = {
        row for row, later in journal.amendments(first, last).items() if _settled(later[-1].outcome)
    }
    return [row for (row,) in found if row not in done]


def _settled(outcome: str) -> bool:
    return outcome not in ("rejected", "failed", "review")


def _originals(
    journal: Journal,
    batch: Batch,
    rows: Sequence[int],
    columns: Sequence[str],
    extra: Sequence[str],
    prefix: str,
) -> Iterator[list[Any]]:
    problems: dict[int, list[Problem]] = {}
    first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
    told = pa.concat_tables([journal.found(batch), _later(journal, first, last)])
    for problem in told.filter(_explains(told, rows, first)).to_pylist():
        problems.setdefault(first + problem["row"], []).append(Problem(**problem))
    cells = journal.cells(batch).take(pa.array([row - first for row in rows]))
    nothing = [""] * len(rows)
    by_column = [
        cells.column(column).to_pylist() if column in cells.schema.names else nothing
        for column in columns
    ]
    for row, original in zip(rows, zip(*by_column, strict=True), strict=True):
        found = problems.get(row, [])
        told = {
            "_line": f"{prefix}{batch.lines[row - first]}",
            "_codes": ";".join(dict.fromkeys(problem.code for problem in found)),
            "_fields": ";".join(dict.fromkeys(p.field for p in found if p.field)),
            "_messages": "; ".join(dict.fromkeys(problem.message for problem in found)),
            "_suggestion": "; ".join(dict.fromkeys(filter(None, map(_helps, found)))),
            **(_evidence(journal, row) if "decision" in extra else {}),
        }
        yield [*original, *(told[name] for name in extra)]


def _explains(problems: pa.Table, rows: Sequence[int], first: int) -> pa.Array:
    """Tell which problems say why one of the rows was rejected or has to be reviewed."""
    wanted = pa.array([row - first for row in rows], pa.int64())
    return pc.and_(
        pc.is_in(problems.column("row"), wanted),
        pc.is_in(problems.column("effect"), pa.array(["reject", "review"])),
    )


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


class _Writer:
    """Writes escaped CSV lines, the header first."""

    def __init__(self, file: BinaryIO, header: Sequence[str]) -> None:
        self._file = file
        self.write([header])

    def write_columns(self, columns: Sequence[pa.Array]) -> None:
        """Write many lines, given by column."""
        lines = pc.binary_join_element_wise(*map(_cells, columns), ",")
        ended = pc.binary_join_element_wise(lines, "\n", "")
        self._file.write(Octets(ended).joined())

    def write(self, lines: Iterable[Sequence[Any]]) -> None:
        writer = csv.writer(_Encoded(self._file), lineterminator="\n")
        for line in lines:
            writer.writerow(["" if cell is None else escape(str(cell)) for cell in line])


class _Encoded(NamedTuple):
    """Takes the lines of a CSV writer one by one: a line may be as long as a record."""

    file: BinaryIO

    def write(self, line: str) -> int:
        return self.file.write(line.encode())


# What makes a cell of CSV need quotes.
_QUOTED = '[",\r\n]'


def _cells(column: pa.Array) -> pa.Array:
    """Return a column as cells of CSV, escaped and, where that is necessary, quoted."""
    column = escape_column(column)
    quoted = pc.match_substring_regex(column, _QUOTED)
    if not pc.any(quoted).as_py():
        return column
    inside = pc.replace_substring(column, '"', '""')
    return pc.if_else(quoted, pc.binary_join_element_wise('"', inside, '"', ""), column)
