"""What happened to row 4,711? The files beside the report, one line per row or customer.

``rows.csv`` (the ledger), ``rejects.csv`` and ``review.csv`` (original rows that import again as
they stand), ``crosswalk.csv``, ``consent.csv``, ``plan.csv``. All are UTF-8 with commas; cells that
a spreadsheet would run as formulas carry the reversible escape of ``etl.files.escape``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import codes, octets
from etl.customers.octets import Octets
from etl.customers.problems import Problem, problem_table
from etl.engines import Engine
from etl.files.escape import escape_column
from etl.journal.journal import Journal
from etl.journal.records import Amendment, Batch, Packed, rejected, skipped, unpacked
from etl.reports import consent, planned
from etl.reports.report import Count, counted, first_of_each

# Text by row (of few texts a dictionary) or whole numbers, or one text that all rows have.
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


class Facts(NamedTuple):
    """All that a journal knows of a batch when its rows are told.

    ``later`` are problems found after the check, by place in the batch. ``entered`` are outcome,
    customer, evidence, detail and the place of the carrier of each row, None before the plan.
    ``places`` are those of the carriers that ``amendments`` name, by their rows.
    """

    packed: Packed
    later: list[Problem]
    entered: list[tuple[str, ...]] | None
    amendments: dict[int, list[Amendment]]
    places: dict[int, str]


class Told(NamedTuple):
    """The lines of a batch in ``rows.csv`` and ``rejects.csv``, and how many rows have what."""

    ledger: pa.Buffer
    rejects: pa.Buffer
    counts: list[Count]


def write_rows(
    journal: Journal, engine: Engine, ledger: BinaryIO, rejects: BinaryIO | None
) -> Iterator[Count]:
    """Write ``rows.csv`` and ``rejects.csv``, and yield how many rows have which problems.

    In the ledger every source row has a line, in order, with what became of it; in the other are
    rejected and failed rows in their original columns and text.
    """
    names, columns = _names(journal), _original_columns(journal)
    ledger.write(_line(LEDGER))
    if rejects is not None:
        rejects.write(_line((*columns, *REJECT_COLUMNS)))
    telling = _Telling(names, columns, originals=rejects is not None)
    for told in engine.in_order(telling, _facts(journal, names)):
        ledger.write(told.ledger)
        if rejects is not None:
            rejects.write(told.rejects)
        yield from told.counts


def _facts(journal: Journal, names: Sequence[str]) -> Iterator[Facts]:
    for batch in journal.batches():
        first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
        entered = [
            (*told, "" if carrier is None else _place(journal, carrier, names))
            for *told, carrier in journal.query(
                "SELECT outcome, customer_id, matched_by, detail, duplicate_of FROM rows "
                "WHERE row BETWEEN ? AND ? ORDER BY row",
                first,
                last,
            )
        ]
        amendments = journal.amendments(first, last)
        carriers = {each.duplicate_of for later in amendments.values() for each in later}
        places = {row: _place(journal, row, names) for row in carriers if row is not None}
        later = _later(journal, batch)
        yield Facts(journal.packed(batch), later, entered or None, amendments, places)


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells the rows of any batch; ``names`` are the sources', ``columns`` those of the rejects.

    ``originals``: there are rejects.
    """

    names: Sequence[str]
    columns: Sequence[str]
    originals: bool

    def __call__(self, facts: Facts) -> Told:
        batch, kept = facts.packed.batch, unpacked(facts.packed.found)
        found = pa.concat_tables([kept, problem_table(facts.later)])
        codes_ = _listed(found.column("row").to_numpy(), found.column("code"), len(batch.lines))
        told = _amended(facts, [*_outcomes(facts, kept), codes_])
        outcome, *whom, detail, duplicate_of, codes_ = told
        columns = [
            self.names[batch.source],
            batch.lines,
            outcome,
            *whom,
            codes_,
            detail,
            duplicate_of,
        ]
        wanted = _to_correct(facts, kept) if self.originals else np.array([], "<i8")
        rejects = pa.py_buffer(b"")
        if len(wanted):
            cells = facts.packed.originals().take(wanted)
            prefix = f"{self.names[batch.source]}:" if len(self.names) > 1 else ""
            said = _said(found, batch, wanted, prefix)
            rejects = _lines([*_originals(cells, self.columns), *said])
        return Told(_lines(columns), rejects, counted(kept))


def _outcomes(facts: Facts, found: pa.Table) -> list[Column]:
    """Return outcome, customer, evidence, detail and carrier of the rows of a batch."""
    if facts.entered:
        columns = zip(*facts.entered, strict=True)
        return [pa.array(column, pa.string()) for column in columns]
    size = len(facts.packed.batch.lines)
    which = np.zeros(size, dtype="<i4")
    which[list(rejected(found))] = 1
    left = skipped(found)
    which[list(left)] = 2
    outcome = pa.DictionaryArray.from_arrays(which, ["pending", "rejected", "skipped"])
    if not left:
        return [outcome, "", "", "", ""]
    detail = np.full(size, "", dtype=object)
    detail[list(left)] = list(left.values())
    return [outcome, "", "", pa.array(detail, pa.string()), ""]


def codes_of(journal: Journal, batch: Batch) -> pa.Array:
    """Return the codes of each row of a batch, as its run found them."""
    found = _found(journal, batch)
    return _listed(found.column("row").to_numpy(), found.column("code"), len(batch.lines))


def _amended(facts: Facts, told: Sequence[Column]) -> list[Column]:
    """Put what became of corrected rows in the place of what had become of them before."""
    if not facts.amendments:
        return list(told)
    batch = facts.packed.batch
    columns = [
        [column] * len(batch.lines) if isinstance(column, str) else column.to_pylist()
        for column in told
    ]
    for row, later in facts.amendments.items():
        at, now = row - batch.first_row, later[-1]
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
            "" if now.duplicate_of is None else facts.places[now.duplicate_of],
            now.codes,
        )
        for column, value in zip(columns, new, strict=True):
            column[at] = value
    return [pa.array(column, pa.string()) for column in columns]


def _found(journal: Journal, batch: Batch) -> pa.Table:
    """Return all that was found in a batch, in the check and after it, by place in the batch."""
    return pa.concat_tables([journal.found(batch), problem_table(_later(journal, batch))])


def _later(journal: Journal, batch: Batch) -> list[Problem]:
    first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
    return [problem._replace(row=problem.row - first) for problem in journal.problems(first, last)]


def write_review(journal: Journal, file: BinaryIO) -> None:
    """Write ``review.csv``: rows that need a decision, with candidates and evidence.

    Rows that are, or are to be, created and nearly are somebody who is there follow suit: these
    need none, but may have one.
    """
    names, columns = _names(journal), _original_columns(journal)
    file.write(_line((*columns, *REVIEW_COLUMNS)))
    for batch in journal.batches() if journal.has_rows() else ():
        first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
        in_review = journal.query(
            "SELECT row FROM reviews JOIN rows USING (row) WHERE row BETWEEN ? AND ? "
            "AND (outcome = 'review' OR hints <> '[]') ORDER BY row",
            first,
            last,
        )
        # What was corrected since needs no decision here.
        done = _corrected(journal.amendments(first, last))
        wanted = np.array([row - first for (row,) in in_review if row not in done], dtype="<i8")
        if len(wanted):
            prefix = f"{names[batch.source]}:" if len(names) > 1 else ""
            said = _said(_found(journal, batch), batch, wanted, prefix)
            evidence = _evidence(journal, (first + wanted).tolist())
            originals = _originals(journal.originals(batch).take(wanted), columns)
            file.write(_lines([*originals, *said, *evidence]))


def write_crosswalk(journal: Journal, file: BinaryIO) -> None:
    """Write ``crosswalk.csv``: which customer each source key is in Square."""
    names = _names(journal)
    file.write(_line(CROSSWALK))
    lines = (
        (key, customer_id, outcome, names[source], line)
        for key, customer_id, outcome, source, line in journal.query(
            "SELECT source_key, customer_id, outcome, source, line FROM rows JOIN batches "
            "USING (batch) WHERE customer_id <> '' AND "
            "outcome IN ('created', 'updated', 'unchanged', 'duplicate', 'skipped') ORDER BY row"
        )
    )
    _write_all(file, lines)


def write_consent(journal: Journal, file: BinaryIO) -> None:
    """Write ``consent.csv``: who is subscribed, for the import page of the Dashboard."""
    file.write(_line(consent.HEADER))
    _write_all(file, consent.lines(journal))


def write_plan(journal: Journal, file: BinaryIO) -> None:
    """Write ``plan.csv``: every source row, in order, with what would be done to whom."""
    file.write(_line(planned.HEADER))
    _write_all(file, planned.lines(journal, codes_of))


def _original_columns(journal: Journal) -> list[str]:
    """Return the columns of the sources that are not ours, each once."""
    return list(
        dict.fromkeys(
            column
            for source in journal.sources()
            for column in source["facts"]["columns"]
            if not (source["facts"]["ours"] and column in REVIEW_COLUMNS)
        )
    )


def _originals(cells: pa.RecordBatch, columns: Sequence[str]) -> list[Column]:
    """Return the original text of rows, by column."""
    return [
        cells.column(column).fill_null("") if column in cells.schema.names else ""
        for column in columns
    ]


def _to_correct(facts: Facts, found: pa.Table) -> np.ndarray:
    """Return the rows of a batch, by their places, that were refused and are so still."""
    if not facts.entered:
        return np.array(sorted(rejected(found)), dtype="<i8")
    # What was corrected since needs no correction here; what was not is still as it was.
    first, done = facts.packed.batch.first_row, _corrected(facts.amendments)
    refused = [
        at
        for at, (outcome, *_) in enumerate(facts.entered)
        if outcome in ("rejected", "failed") and first + at not in done
    ]
    return np.array(refused, dtype="<i8")


def _corrected(amendments: Mapping[int, Sequence[Amendment]]) -> set[int]:
    return {
        row
        for row, later in amendments.items()
        if later[-1].outcome not in ("rejected", "failed", "review")
    }


def _said(found: pa.Table, batch: Batch, wanted: np.ndarray, prefix: str) -> list[Column]:
    """Return what is said of the wanted rows of a batch, as ``REJECT_COLUMNS``."""
    explains = found.filter(pc.is_in(found.column("effect"), pa.array(["reject", "review"])))
    place = pc.index_in(explains.column("row"), pa.array(wanted))
    explains = explains.set_column(0, "row", place).filter(pc.is_valid(place))
    rows = explains.column("row").to_numpy()
    remedies = pa.array([known.remedy for known in codes.CODES])
    known = pc.index_in(explains.column("code"), pa.array([known.name for known in codes.CODES]))
    own = explains.column("suggestion").cast(pa.string())
    helps = pc.if_else(pc.equal(own, ""), pc.fill_null(remedies.take(known), ""), own)
    lines = batch.lines.take(pa.array(wanted)).cast(pa.string())
    return [
        pc.binary_join_element_wise(prefix, lines, ""),
        _listed(rows, explains.column("code"), len(wanted)),
        _listed(rows, explains.column("field"), len(wanted)),
        _listed(rows, explains.column("message"), len(wanted), "; "),
        _listed(rows, helps, len(wanted), "; "),
    ]


def _listed(rows: np.ndarray, texts: pa.ChunkedArray, size: int, separator: str = ";") -> pa.Array:
    """Return the texts told of each of ``size`` rows, each once, in the order they were found."""
    known = texts.combine_chunks().dictionary_encode()
    text = known.indices.to_numpy()
    filled = pc.not_equal(known.dictionary, "").to_numpy(zero_copy_only=False)[text]
    if not filled.all():
        rows, text = rows[filled], text[filled]
    if not len(rows):
        return pa.repeat(pa.scalar(""), size)
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows, kind="stable")
        rows, text = rows[order], text[order]
    once = first_of_each(rows * len(known.dictionary) + text)
    ends = np.concatenate(([0], np.cumsum(np.bincount(rows[once], minlength=size))))
    lists = pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()), known.dictionary.take(pa.array(text[once]))
    )
    return pc.binary_join(lists, separator).dictionary_encode()


def _evidence(journal: Journal, rows: Sequence[int]) -> list[Column]:
    """Return who the rows in review could be, and the empty decision, by column."""
    names = _names(journal)
    told = []
    for row in rows:
        found = "SELECT candidates, matched_by, related, hints FROM reviews JOIN rows USING (row)"
        candidates, evidence, related, hints = next(journal.query(f"{found} WHERE row = ?", row))
        evidence = "; ".join(f"near: {hint}" for hint in orjson.loads(hints)) or evidence
        places = [_place(journal, other, names) for other in orjson.loads(related)]
        told.append((";".join(orjson.loads(candidates)), evidence, ";".join(places), ""))
    return [pa.array(column, pa.string()) for column in zip(*told, strict=True)]


def _names(journal: Journal) -> list[str]:
    return [source["facts"]["name"] for source in journal.sources()]


def _place(journal: Journal, row: int, names: Sequence[str]) -> str:
    source, line = next(
        journal.query("SELECT source, line FROM rows JOIN batches USING (batch) WHERE row = ?", row)
    )
    return f"{names[source]}:{line}"


_LINES_AT_ONCE = 5000


def _write_all(file: BinaryIO, lines: Iterator[Sequence[Any]]) -> None:
    """Write lines of cells, some thousand at a time; None is an empty cell."""
    while page := list(islice(lines, _LINES_AT_ONCE)):
        columns = zip(*page, strict=True)
        texts = (["" if cell is None else str(cell) for cell in column] for column in columns)
        file.write(_lines([pa.array(column, pa.string()) for column in texts]))


def _line(cells: Sequence[str]) -> pa.Buffer:
    """Return one line of CSV, escaped."""
    return _lines([pa.array([cell]) for cell in cells])


def _lines(columns: Sequence[Column]) -> pa.Buffer:
    """Return the bytes of many lines, given by column."""
    parts: list[Column] = []
    for number, column in enumerate(columns, 1):
        for part in (_cells(column), "\n" if number == len(columns) else ","):
            both = _together(parts[-1], part) if parts else None
            parts[-1:] = [*parts[-1:], part] if both is None else [both]
    texts = [part.cast(pa.string()) if isinstance(part, pa.Array) else part for part in parts]
    return Octets(pc.binary_join_element_wise(*texts, "")).joined()


# Texts of a dictionary: more than so many are not worth spelling out.
_COMBINATIONS = 4096


def _together(one: Column, other: Column) -> Column | None:
    """Return two columns as one of few texts; None where these are too many, or unknown."""
    if isinstance(one, str) and isinstance(other, str):
        return one + other
    texts, places = [""], None
    for column in (one, other):
        if isinstance(column, str):
            texts = [text + column for text in texts]
            continue
        if not isinstance(column, pa.DictionaryArray):
            return None
        words = column.dictionary.to_pylist()
        if len(texts) * len(words) > _COMBINATIONS:
            return None
        texts = [text + word for text in texts for word in words]
        at = column.indices.to_numpy()
        places = at if places is None else places * len(words) + at
    return pa.DictionaryArray.from_arrays(places, texts)


# What makes a cell of CSV need quotes.
_QUOTED = octets.kind(b'",\r\n')


def _cells(column: Column) -> Column:
    """Return a column as cells of CSV, escaped and, where that is necessary, quoted."""
    if isinstance(column, str):
        return str(_cells(pa.array([column]))[0])
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if isinstance(column, pa.DictionaryArray):
        return pa.DictionaryArray.from_arrays(column.indices, _cells(column.dictionary))
    column = escape_column(column)
    quoted = Octets(column).holding(_QUOTED)
    if not quoted.any():
        return column
    inside = pc.replace_substring(column, '"', '""')
    return pc.if_else(pa.array(quoted), pc.binary_join_element_wise('"', inside, '"', ""), column)
