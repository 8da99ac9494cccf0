"""Which rows would Square refuse, and why? Maps, cleans and validates batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.config import Config
from etl.customers import codes, payload
from etl.customers.dates import DateEvidence
from etl.customers.problems import PROBLEMS, Problem
from etl.journal.journal import Batch, Journal, Outcome
from etl.stages.clean import clean
from etl.stages.mapping import ColumnMapping, map_columns
from etl.stages.read import evidence_of, mapping_of
from etl.stages.validate import Checked, validate

# The column of review.csv in which a person decides.
_DECISION = "decision"


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
    for batch in journal.batches(unchecked=True):
        source = sources[batch.source]
        first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
        unreadable = [p._replace(row=p.row - first) for p in journal.problems(first, last)]
        checked = check_batch(
            batch, unreadable, mapping_of(source), evidence_of(source), config, country
        )
        problems = [Problem(**problem) for problem in checked.problems.to_pylist()]
        decided: dict[str, str] = {}
        keys = list(_source_keys(checked, config.source.namespace))
        if source["facts"]["ours"] and _DECISION in batch.cells.schema.names:
            rows = checked.customers.to_pylist()
            under = [payload.review_key(key, row) for key, row in zip(keys, rows, strict=True)]
            decided, wrong = _decisions(batch.cells.column(_DECISION).to_pylist(), under)
            problems += wrong
        refused = {problem.row for problem in problems if problem.effect == "reject"}
        outcomes: list[Outcome] = [
            "rejected" if row in refused else "pending" for row in range(len(keys))
        ]
        with journal.transaction():
            journal.check_batch(
                batch, checked.customers, zip(keys, outcomes, strict=True), problems
            )
            journal.add_decisions(decided)
        between(last + 1)


def check_batch(
    batch: Batch,
    unreadable: Iterable[Problem],
    mapping: ColumnMapping,
    evidence: DateEvidence,
    config: Config,
    country: str,
) -> Checked:
    """Map, clean and validate one batch.

    Rows that extract could not read are left alone: their cells cannot be trusted, so nothing more
    is said about them.
    """
    customers = map_columns(batch.cells, mapping)
    region = config.clean.default_region or country
    cleaned = clean(customers, config.clean, region, evidence)
    checked = validate(cleaned, config.on_invalid, country)
    broken = list(unreadable)
    if not broken:
        return checked
    rows = pa.array(sorted({problem.row for problem in broken}), pa.int64())
    readable = pc.invert(pc.is_in(checked.problems.column("row"), value_set=rows))
    kept = checked.problems.filter(readable)
    told = pa.Table.from_pylist([problem._asdict() for problem in broken], schema=PROBLEMS)
    numbers = pa.array(range(len(batch.lines)), pa.int64())
    return Checked(
        checked.customers,
        pc.and_not(checked.accepted, pc.is_in(numbers, value_set=rows)),
        pa.concat_tables([kept, told]).sort_by("row"),
    )


def _source_keys(checked: Checked, namespace: str) -> Iterator[str]:
    customers = checked.customers
    keys = [
        customers.column(name).to_pylist()
        for name in ("reference_id", "email_address", "phone_number")
    ]
    for row, (reference, email, phone) in enumerate(zip(*keys, strict=True)):
        values: dict[str, Any] = {
            "reference_id": reference,
            "email_address": email,
            "phone_number": phone,
        }
        if not (reference or email or phone):
            values = customers.slice(row, 1).to_pylist()[0]
        yield payload.source_key(values, namespace)


def _decisions(cells: list[str | None], keys: list[str]) -> tuple[dict[str, str], list[Problem]]:
    known = codes.BY_NAME["NO_DECISION"]
    decided: dict[str, str] = {}
    wrong: list[Problem] = []
    for row, (cell, key) in enumerate(zip(cells, keys, strict=True)):
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
