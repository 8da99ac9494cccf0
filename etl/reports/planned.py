"""What would be done to whom? ``plan.csv``, for people to read and keep.

One line for each value that would change, with what Square holds now and what the file says; a row
that changes nothing has one line that says why. The plan itself is the journal: ``apply`` carries
that out, not this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import orjson

from etl.customers.belongings import ATTRIBUTES, GROUPS
from etl.journal.journal import Batch, Journal
from etl.reports.tables import Sink, Writer, codes_of, place, source_names

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
    sent = "SELECT 1 FROM requests WHERE sends > 0 UNION SELECT 1 FROM deliveries LIMIT 1"
    return facts["stage"] == "load" and next(journal.query(sent), None) is None


def write_plan(journal: Journal, file: Sink) -> None:
    """Write ``plan.csv``: every source row, in order, with what would be done to whom."""
    names = source_names(journal)
    writer = Writer(file, HEADER)
    for batch in journal.batches():
        writer.write(_lines(journal, batch, names))


def _lines(journal: Journal, batch: Batch, names: list[str]) -> Iterator[tuple[object, ...]]:
    first, last = batch.first_row, batch.first_row + len(batch.lines) - 1
    codes = codes_of(journal, batch)
    written = _written(journal, first, last)
    beside = _beside(journal, first, last)
    for row, line, outcome, customer_id, matched_by, detail, carrier, version in journal.query(
        "SELECT row, line, outcome, customer_id, matched_by, detail, duplicate_of, version "
        "FROM rows WHERE row BETWEEN ? AND ? ORDER BY row",
        first,
        last,
    ):
        changes = [*written.get(row, ()), *beside.get(row, ())]
        action = _ACTIONS.get(outcome, "unchanged")
        if outcome == "pending":
            action, detail = ("update" if customer_id else "create"), ""
        whom = (customer_id, version, matched_by)
        why = (codes[row - first].as_py(), detail)
        duplicate_of = "" if carrier is None else place(journal, carrier, names)
        for change in changes or [_NOTHING]:
            at = (names[batch.source], line)
            yield (*at, action, *whom, *change, *why, duplicate_of)


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
        added = (
            Change(GROUPS, None, name)
            if kind == "group"
            else Change(ATTRIBUTES + name, _shown(before), _shown(value))
        )
        found.setdefault(row, []).append(added)
    return found


def _shown(value: str) -> str:
    """Return a value of a custom attribute as people write it; lists stay JSON."""
    told = orjson.loads(value) if value else ""
    return told if isinstance(told, str) else value
