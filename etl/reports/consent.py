"""Who agreed to be written to? The lines of ``consent.csv``, one per customer of the run.

Square's API cannot set it, so this is a file for the import page of the Square Dashboard, in its
columns. Where several rows are one customer, one no outweighs every yes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from etl.config import Config
from etl.customers.consent import SUBSCRIBED, UNKNOWN, UNSUBSCRIBED, subscription
from etl.journal.journal import Journal
from etl.journal.records import Batch

# Header of a real export of June 2026, whose columns the import page knows.
_COLUMNS = {
    "First Name": "given_name",
    "Last Name": "family_name",
    "Email Address": "email_address",
    "Phone Number": "phone_number",
    "Reference ID": "reference_id",
}
HEADER = (*_COLUMNS, "Email Subscription Status")

_WEIGHT = {UNKNOWN: 0, SUBSCRIBED: 1, UNSUBSCRIBED: 2}
_IN_SQUARE = "('created', 'updated', 'unchanged', 'skipped')"


class _Said(NamedTuple):
    """What one row says: its values in the order of the columns, and its status."""

    values: tuple[str | None, ...]
    status: str


def lines(journal: Journal) -> Iterator[tuple[str, ...]]:
    """Yield the lines of every customer that is in Square, in the order of the rows."""
    merged = Config.model_validate_json(journal.run().config).dedupe.in_file == "merge"
    folded = _folded(journal)
    for batch in journal.batches():
        kept = f"outcome IN {_IN_SQUARE} AND customer_id <> ''"
        rows = [row for row, _ in _rows(journal, batch, kept)]
        for row, said in zip(rows, _said(journal, batch, rows), strict=True):
            together = [said, *folded.get(row, ())]
            values = [
                next(filter(None, reversed(each)), "") if merged else each[0] or ""
                for each in zip(*(one.values for one in together), strict=True)
            ]
            yield (*values, max((one.status for one in together), key=_WEIGHT.__getitem__))


def counts(journal: Journal) -> dict[str, int] | None:
    """Return how many customers have each status, or None for a run that has no consent column."""
    if not any(source["mapping"]["consent"] for source in journal.sources()):
        return None
    found = Counter(status for *_, status in lines(journal))
    return {status.lower(): found[status] for status in (SUBSCRIBED, UNSUBSCRIBED, UNKNOWN)}


def _folded(journal: Journal) -> dict[int, list[_Said]]:
    """Return what the rows say that were folded into another one, by that one."""
    folded: dict[int, list[_Said]] = {}
    for batch in journal.batches():
        found = _rows(journal, batch, "outcome = 'duplicate'")
        said = _said(journal, batch, [row for row, _ in found])
        for (_, carrier), one in zip(found, said, strict=True):
            folded.setdefault(carrier, []).append(one)
    return folded


def _rows(journal: Journal, batch: Batch, condition: str) -> list[tuple[Any, ...]]:
    return list(
        journal.query(
            "SELECT row, duplicate_of FROM rows WHERE row BETWEEN ? AND ? "
            f"AND {condition} ORDER BY row",
            batch.first_row,
            batch.first_row + len(batch.lines) - 1,
        )
    )


def _said(journal: Journal, batch: Batch, rows: list[int]) -> list[_Said]:
    if not rows:
        return []
    at = pa.array([row - batch.first_row for row in rows], pa.int64())
    customers = journal.customers(batch)
    columns = [customers.column(name).take(at).to_pylist() for name in _COLUMNS.values()]
    consent = journal.sources()[batch.source]["mapping"]["consent"]
    status = [UNKNOWN] * len(rows)
    if consent:
        cells = journal.cells(batch).column(consent["column"]).take(at)
        status = subscription(cells, consent["yes"]).to_pylist()
    return list(map(_Said, zip(*columns, strict=True), status))
