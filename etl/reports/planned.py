"""What would be done to whom? ``plan.csv``, for people to read and keep.

One line for each value that would change, with what Square holds now and what the file says; a row
that changes nothing has one line that says why. The plan itself is the journal: ``apply`` carries
that out, not this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import orjson
import pyarrow as pa

from etl.customers.belongings import named
from etl.journal.journal import Journal
from etl.journal.records import Batch

PLAN_FILE = "plan.csv"
HEADER = (
    *("source", "line", "action", "customer_id", "version", "matched_by"),
    *("field", "old", "new", "cleared", "codes", "detail", "duplicate_of"),
)

_ACTIONS = {"skipped": "skip", "rejected": "reject", "duplicate": "duplicate", "review": "review"}


class Change(NamedTuple):
    """One value that would change."""

    field: str
    old: str | None
    new: str | None
    cleared: str = ""


_NOTHING = Change("", None, None)


def shows_a_plan(journal: Journal) -> bool:
    """Is there a plan to look at, nothing of which was sent: of a plan, or before a brake?"""
    facts = journal.facts()
    if facts["command"] == "plan":
        return facts["stage"] == "done"
    return facts["stage"] == "load" and not journal.sent_anything()


def lines(
    journal: Journal, codes_of: Callable[[Journal, Batch], pa.Array]
) -> Iterator[tuple[object, ...]]:
    """Yield the lines under ``HEADER``: every source row, in order; ``codes_of`` a batch's rows."""
    names = [source["facts"]["name"] for source in journal.sources()]
    for batch in journal.batches():
        first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
        codes = codes_of(journal, batch).to_pylist()
        written, beside = _written(journal, first, last), _beside(journal, first, last)
        for row, line, outcome, *whom, detail, source, carrier in journal.query(
            "SELECT rows.row, rows.line, rows.outcome, rows.customer_id, rows.version, "
            "rows.matched_by, rows.detail, batches.source, carrier.line FROM rows "
            "LEFT JOIN rows AS carrier ON carrier.row = rows.duplicate_of "
            "LEFT JOIN batches ON batches.batch = carrier.batch "
            "WHERE rows.row BETWEEN ? AND ? ORDER BY rows.row",
            first,
            last,
        ):
            action = _ACTIONS.get(outcome, "unchanged")
            if outcome == "pending":
                action, detail = ("update" if whom[0] else "create"), ""
            why = (codes[row - first], detail, carrier and f"{names[source]}:{carrier}")
            for change in [*written.get(row, ()), *beside.get(row, ())] or [_NOTHING]:
                yield (names[batch.source], line, action, *whom, *change, *why)


def _written(journal: Journal, first: int, last: int) -> dict[int, list[Change]]:
    """Return what would be written of each row's profile."""
    found: dict[int, list[Change]] = {}
    for row, changes, before in journal.query(
        "SELECT row, changes, before FROM writes WHERE row BETWEEN ? AND ? ORDER BY number",
        first,
        last,
    ):
        held = orjson.loads(before)
        found[row] = [
            Change(name, held.get(name), value, "yes" if value is None else "")
            for name, value in orjson.loads(changes).items()
        ]
    return found


def _beside(journal: Journal, first: int, last: int) -> dict[int, list[Change]]:
    """Return what would be added beside each row's profile."""
    found: dict[int, list[Change]] = {}
    for row, kind, name, value, before in journal.query(
        "SELECT row, kind, name, value, before FROM additions WHERE row BETWEEN ? AND ? "
        "ORDER BY number",
        first,
        last,
    ):
        values = (_shown(before), _shown(value)) if kind == "attribute" else (None, name)
        found.setdefault(row, []).append(Change(named(kind, name), *values))
    return found


def _shown(value: str) -> str:
    """Return a value of a custom attribute as people write it; lists stay JSON."""
    told = orjson.loads(value) if value else ""
    return told if isinstance(told, str) else value
