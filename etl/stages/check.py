"""Which rows would Square refuse, and why? Maps, cleans and validates batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from etl.config import Config
from etl.customers import codes, payload
from etl.customers.cells import by_row
from etl.customers.dates import DateEvidence
from etl.customers.problems import Problem, problem_table
from etl.engines.threads import in_order
from etl.journal.journal import Batch, Journal
from etl.stages.clean import clean
from etl.stages.mapping import ColumnMapping, map_columns
from etl.stages.read import evidence_of, mapping_of
from etl.stages.validate import Checked, validate

# The column of review.csv in which a person decides.
_DECISION = "decision"
# More threads would wait for the interpreter.
_WORKERS = 2


def check(
    journal: Journal,
    config: Config,
    country: str,
    between: Callable[[int], None],
) -> None:
    """Check every batch that was not checked yet; ``between`` hears how many rows so far.

    ``country`` is the merchant's.
    """
    sources = journal.sources()
    mappings = [mapping_of(source) for source in sources]
    evidence = [evidence_of(source) for source in sources]

    def check_one(read: _Read) -> tuple[_Read, Checked]:
        number = read.batch.source
        checked = check_batch(
            read.cells, read.found, mappings[number], evidence[number], config, country
        )
        return read, checked

    waiting = (
        _Read(batch, journal.cells(batch), journal.found(batch))
        for batch in journal.batches(unchecked=True)
    )
    for read, checked in in_order(check_one, waiting, _WORKERS):
        found, decided = checked.problems, dict[str, str]()
        ours = sources[read.batch.source]["facts"]["ours"]
        if ours and _DECISION in read.cells.schema.names:
            decided, wrong = _decisions(read.cells, checked.customers, config.source.namespace)
            found = by_row([found, problem_table(wrong)])
        with journal.transaction():
            journal.check_batch(read.batch, checked.customers, found)
            journal.add_decisions(decided)
        between(read.batch.first_row + len(read.batch.lines))


class _Read(NamedTuple):
    batch: Batch
    cells: pa.RecordBatch
    found: pa.Table


def check_batch(
    cells: pa.RecordBatch,
    unreadable: pa.Table,
    mapping: ColumnMapping,
    evidence: DateEvidence,
    config: Config,
    country: str,
) -> Checked:
    """Map, clean and validate one batch.

    Rows that extract could not read, whose problems are given, are left alone: their cells cannot
    be trusted, so nothing more is said about them.
    """
    customers = map_columns(cells, mapping)
    region = config.clean.default_region or country
    cleaned = clean(customers, config.clean, region, evidence)
    checked = validate(cleaned, config.on_invalid, country)
    if not unreadable.num_rows:
        return checked
    rows = unreadable.column("row").unique()
    readable = pc.invert(pc.is_in(checked.problems.column("row"), value_set=rows))
    numbers = pa.array(range(cells.num_rows), pa.int64())
    return Checked(
        checked.customers,
        pc.and_not(checked.accepted, pc.is_in(numbers, value_set=rows)),
        by_row([checked.problems.filter(readable), unreadable]),
    )


def _decisions(
    cells: pa.RecordBatch, customers: pa.RecordBatch, namespace: str
) -> tuple[dict[str, str], list[Problem]]:
    """Return what a review file decides, by review key, and the cells that decide nothing."""
    keys = payload.source_keys(customers, namespace).to_pylist()
    under = map(payload.review_key, keys, customers.to_pylist())
    known = codes.BY_NAME["NO_DECISION"]
    decided: dict[str, str] = {}
    wrong: list[Problem] = []
    for row, (cell, key) in enumerate(zip(cells.column(_DECISION).to_pylist(), under, strict=True)):
        decision = (cell or "").strip()
        word = decision.lower()
        if not decision:
            continue
        if word in ("create", "skip"):
            decided[key] = word
        elif decision.isascii() and decision.isalnum():
            decided[key] = decision
        else:
            wrong.append(Problem(row, "reject", known.name, "", known.meaning, known.remedy))
    return decided, wrong
