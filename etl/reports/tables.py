"""What happened to row 4,711? The files beside the report, one line per row or customer.

``rows.csv`` (the ledger), ``rejects.csv`` and ``review.csv`` (original rows that import again as
they stand), ``crosswalk.csv``, ``consent.csv``, ``plan.csv``. All are UTF-8 with commas; cells that
a spreadsheet would run as formulas carry the reversible escape of ``etl.files.escape``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import codes, octets
from etl.customers.octets import Octets
from etl.customers.problems import problem_table
from etl.files.escape import escape, escape_column
from etl.journal.journal import Batch, Journal, rejected, skipped
from etl.reports import consent, planned

# Text by row, or one text that all rows have.
Column: TypeAlias = "pa.Array | str"

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
        found = _found(journal, batch)
        codes_ = _listed(found.column("row").to_numpy(), found.column("code"), size, ";")
        told = [*_outcomes(journal, found, first, last, names), codes_]
        outcome, *whom, detail, duplicate_of, codes_ = _amended(journal, told, first, last, names)
        line = batch.lines.cast(pa.string())
        told = [line, outcome, *whom, codes_, detail, duplicate_of]
        writer.write_columns([names[batch.source], *told])


def _outcomes(
    journal: Journal, found: pa.Table, first: int, last: int, names: Sequence[str]
) -> list[Column]:
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
    which = np.zeros(size, dtype="<i4")
    which[list(rejected(found))] = 1
    left = skipped(found)
    which[list(left)] = 2
    outcome = pa.array(["pending", "rejected", "skipped"]).take(pa.array(which))
    if not left:
        return [outcome, "", "", "", ""]
    detail = np.full(size, "", dtype=object)
    detail[list(left)] = list(left.values())
    return [outcome, "", "", pa.array(detail, pa.string()), ""]


def codes_of(journal: Journal, batch: Batch) -> pa.Array:
    """Return the codes of each row of a batch, as its run found them."""
    found = _found(journal, batch)
    return _listed(found.column("row").to_numpy(), found.column("code"), len(batch.lines), ";")


def _amended(
    journal: Journal, told: Sequence[Column], first: int, last: int, names: Sequence[str]
) -> list[Column]:
    """Put what became of corrected rows in the place of what had become of them before."""
    amendments = journal.amendments(first, last)
    if not amendments:
        return list(told)
    size = last - first + 1
    columns = [
        [column] * size if isinstance(column, str) else column.to_pylist() for column in told
    ]
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


def _found(journal: Journal, batch: Batch) -> pa.Table:
    """Return all that was found in a batch, in the check and after it, by place in the batch."""
    first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
    later = journal.problems(first, last)
    told = problem_table(problem._replace(row=problem.row - first) for problem in later)
    return pa.concat_tables([journal.found(batch), told])


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


def write_plan(journal: Journal, file: BinaryIO) -> None:
    """Write ``plan.csv``: every source row, in order, with what would be done to whom."""
    _Writer(file, planned.HEADER).write(planned.lines(journal, codes_of))


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
        if len(wanted):
            prefix = f"{names[batch.source]}:" if len(sources) > 1 else ""
            cells = journal.cells(batch).take(pa.array(wanted))
            originals = [
                cells.column(column).fill_null("") if column in cells.schema.names else ""
                for column in columns
            ]
            told = _told(journal, batch, wanted, prefix, review="decision" in extra)
            writer.write_columns([*originals, *(told[name] for name in extra)])


def _rows_with(journal: Journal, batch: Batch, outcomes: Sequence[str]) -> np.ndarray:
    """Return the rows of a batch, by their places, that have one of the outcomes."""
    if not journal.has_rows():
        refused = rejected(journal.found(batch)) if "rejected" in outcomes else frozenset[int]()
        return np.array(sorted(refused), dtype="<i8")
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
    left = [row - first for (row,) in found if row not in done]
    return np.array(left, dtype="<i8")


def _settled(outcome: str) -> bool:
    return outcome not in ("rejected", "failed", "review")


def _told(
    journal: Journal, batch: Batch, wanted: np.ndarray, prefix: str, review: bool
) -> dict[str, pa.Array]:
    """Return what is said of the wanted rows of a batch, by column."""
    found = _found(journal, batch)
    explains = found.filter(pc.is_in(found.column("effect"), pa.array(["reject", "review"])))
    place = pc.index_in(explains.column("row"), pa.array(wanted))
    explains = explains.set_column(0, "row", place).filter(pc.is_valid(place))
    rows = explains.column("row").to_numpy()
    remedies = pa.array([known.remedy for known in codes.CODES])
    known = pc.index_in(explains.column("code"), pa.array([known.name for known in codes.CODES]))
    own = explains.column("suggestion")
    helps = pc.if_else(pc.equal(own, ""), pc.fill_null(remedies.take(known), ""), own)
    return {
        "_line": pc.binary_join_element_wise(
            prefix, batch.lines.take(pa.array(wanted)).cast(pa.string()), ""
        ),
        "_codes": _listed(rows, explains.column("code"), len(wanted), ";"),
        "_fields": _listed(rows, explains.column("field"), len(wanted), ";"),
        "_messages": _listed(rows, explains.column("message"), len(wanted), "; "),
        "_suggestion": _listed(rows, helps, len(wanted), "; "),
        **(_evidence(journal, (batch.first_row + wanted).tolist()) if review else {}),
    }


def _listed(rows: np.ndarray, texts: pa.ChunkedArray, size: int, separator: str) -> pa.Array:
    """Return the texts told of each of ``size`` rows, each once, in the order they were found."""
    filled = pc.not_equal(texts, "")
    rows = rows[filled.to_numpy()]
    if not len(rows):
        return pa.repeat(pa.scalar(""), size)
    known = texts.filter(filled).combine_chunks().dictionary_encode()
    order = np.argsort(rows, kind="stable")
    text = known.indices.to_numpy()[order]
    _, once = np.unique(rows[order] * len(known.dictionary) + text, return_index=True)
    once.sort()
    ends = np.searchsorted(rows[order][once], np.arange(size + 1))
    lists = pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()), known.dictionary.take(pa.array(text[once]))
    )
    return pc.binary_join(lists, separator)


def _evidence(journal: Journal, rows: Sequence[int]) -> dict[str, pa.Array]:
    """Return who the rows in review could be, by column."""
    names = _names(journal)
    told = []
    for row in rows:
        found = "SELECT candidates, matched_by, related FROM reviews JOIN rows USING (row)"
        candidates, evidence, related = next(journal.query(f"{found} WHERE row = ?", row))
        places = [_place(journal, other, names) for other in orjson.loads(related)]
        told.append((";".join(orjson.loads(candidates)), evidence, ";".join(places), ""))
    columns = zip(*told, strict=True)
    return {
        name: pa.array(column, pa.string())
        for name, column in zip(REVIEW_COLUMNS[len(REJECT_COLUMNS) :], columns, strict=True)
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

    def write_columns(self, columns: Sequence[Column]) -> None:
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
_QUOTED = octets.kind(b'",\r\n')


def _cells(column: Column) -> pa.Array | pa.Scalar:
    """Return a column as cells of CSV, escaped and, where that is necessary, quoted."""
    if isinstance(column, str):
        return _cells(pa.array([column]))[0]
    column = escape_column(column)
    quoted = Octets(column).holding(_QUOTED)
    if not quoted.any():
        return column
    inside = pc.replace_substring(column, '"', '""')
    return pc.if_else(pa.array(quoted), pc.binary_join_element_wise('"', inside, '"', ""), column)
