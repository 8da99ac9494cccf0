"""What is a run taking back of another run: from whom, and what has come of it?

Part of the journal, under its laws. The subjects are copied from the journal of the run that is
undone, so that nothing else than this file is needed to go on. What was sent and not answered is
not sent again: it is looked up, and planned anew if it was not done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from etl.customers.undone import Added

Kind = Literal["group", "attribute", "profile"]
# "planned": nothing came of it, so it is planned as before.
Result = Literal["landed", "needless", "failed", "planned"]

SCHEMA = """
CREATE TABLE subjects (
    row INTEGER PRIMARY KEY, customer_id TEXT NOT NULL, created INTEGER NOT NULL,
    review_key TEXT NOT NULL, written TEXT NOT NULL, before TEXT NOT NULL, attached TEXT NOT NULL);
CREATE TABLE removals (
    number INTEGER PRIMARY KEY, row INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    customer_id TEXT NOT NULL, value TEXT NOT NULL, version INTEGER,
    state TEXT NOT NULL DEFAULT 'planned', verified TEXT NOT NULL DEFAULT '');
CREATE INDEX removals_by_row ON removals (row);
CREATE INDEX removals_by_state ON removals (state, number);
"""

# Rows that have a part of their plan left which was never sent.
_UNSENT = (
    "SELECT row FROM removals WHERE state = 'planned' UNION "
    "SELECT writes.row FROM writes JOIN requests USING (request) WHERE requests.state = 'planned'"
)
_REMOVED = "EXISTS (SELECT 1 FROM removals WHERE row = rows.row AND state = 'landed'{})"
_WRITTEN = "EXISTS (SELECT 1 FROM writes WHERE row = rows.row AND state = 'landed')"


@dataclass(frozen=True, slots=True)
class Subject:
    """One customer as the run that is undone left it.

    ``written`` is what it wrote (None is a cleared field), ``before`` what was there until then:
    nothing for a profile that it created. ``review_key`` is what a decision to create is remembered
    under.
    """

    row: int
    customer_id: str
    created: bool
    review_key: str
    written: Mapping[str, str | None]
    before: Mapping[str, str | None]
    added: Sequence[Added]


class Removal(NamedTuple):
    """One call that takes something back: a membership, a value, or the whole profile.

    ``value`` (JSON) is put in the place of an attribute's value, empty deletes it; ``version`` is
    that of the value or of the profile.
    """

    number: int
    row: int
    kind: Kind
    name: str
    customer_id: str
    value: str
    version: int | None


class Undoing:
    """The subjects and removals of one journal."""

    # One line per customer that was looked at again: its verdict.
    VERIFIED = (
        "SELECT max(verified) AS verified FROM (SELECT row, verified FROM writes "
        "UNION ALL SELECT row, verified FROM removals) GROUP BY row"
    )

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # -- planning ----------------------------------------------------------------------------

    def add_subjects(self, subjects: Iterable[Subject]) -> None:
        """Enter whom the run touched."""
        for one in subjects:
            texts = map(_json, (one.written, one.before, [list(each) for each in one.added]))
            self._db.execute(
                "INSERT INTO subjects VALUES (?, ?, ?, ?, ?, ?, ?)",
                (one.row, one.customer_id, one.created, one.review_key, *texts),
            )
            self._db.execute(
                "UPDATE rows SET customer_id = ? WHERE row = ?", (one.customer_id, one.row)
            )

    def subject(self, row: int) -> Subject:
        """Return the subject of a row."""
        (found,) = self._subjects("row = ?", (row,))
        return found

    def unplanned(self, size: int) -> list[Subject]:
        """Return the next subjects that are not planned yet, those to be updated first."""
        return self._subjects("planned = 0 ORDER BY created, row LIMIT ?", (size,))

    def touched(self, size: int) -> Iterator[list[Subject]]:
        """Yield the subjects that something was sent for, in order."""
        last = -1
        sent = (
            "(EXISTS (SELECT 1 FROM writes WHERE row = rows.row) "
            "OR EXISTS (SELECT 1 FROM removals WHERE row = rows.row))"
        )
        while found := self._subjects(f"row > ? AND {sent} ORDER BY row LIMIT ?", (last, size)):
            yield found
            last = found[-1].row

    def plan(self, removals: Iterable[tuple[int, Kind, str, str, str, int | None]]) -> None:
        """Plan removals: row, kind, name, customer, value, version."""
        self._db.executemany(
            "INSERT INTO removals (row, kind, name, customer_id, value, version) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            removals,
        )

    def unplan(self) -> None:
        """Forget what was planned and never sent, so that it is looked at anew."""
        self._db.execute(f"CREATE TEMP TABLE again AS {_UNSENT}")
        self._db.execute("DELETE FROM problems WHERE row IN (SELECT row FROM again)")
        self._db.execute(
            "DELETE FROM writes WHERE request IN "
            "(SELECT request FROM requests WHERE state = 'planned')"
        )
        self._db.execute("DELETE FROM requests WHERE state = 'planned'")
        self._db.execute("DELETE FROM removals WHERE state = 'planned'")
        self._db.execute(
            "UPDATE rows SET outcome = 'pending', detail = '', planned = 0 "
            "WHERE row IN (SELECT row FROM again)"
        )
        self._db.execute("DROP TABLE again")

    # -- sending -----------------------------------------------------------------------------

    def planned(self, size: int) -> list[Removal]:
        """Return the next removals."""
        return self._removals("state = 'planned' ORDER BY number LIMIT ?", (size,))

    def sent(self, size: int) -> list[Removal]:
        """Return removals that were sent, or about to be, and have no answer."""
        return self._removals("state = 'sent' ORDER BY number LIMIT ?", (size,))

    def send(self, removals: Iterable[Removal]) -> None:
        """Note that these are about to be sent."""
        for one in removals:
            self._db.execute("UPDATE removals SET state = 'sent' WHERE number = ?", (one.number,))
            self._db.execute(
                "UPDATE rows SET outcome = 'unknown' WHERE row = ? AND outcome = 'pending'",
                (one.row,),
            )

    def settle(self, removal: Removal, result: Result) -> None:
        """Note what became of a removal."""
        self._db.execute("UPDATE removals SET state = ? WHERE number = ?", (result, removal.number))

    # -- concluding --------------------------------------------------------------------------

    def is_deleted(self, row: int) -> bool:
        """Was the profile of a row deleted by this run?"""
        found = self._db.execute(
            "SELECT 1 FROM removals WHERE row = ? AND kind = 'profile' AND state = 'landed'", (row,)
        )
        return found.fetchone() is not None

    def verified(self, row: int, verdict: Literal["matched", "mismatched"]) -> None:
        """Note what looking again at the customer of a row showed."""
        for table in ("writes", "removals"):
            self._db.execute(
                f"UPDATE {table} SET verified = ? WHERE row = ? AND state = 'landed'",
                (verdict, row),
            )

    def tell(self, row: int) -> None:
        """Say in the detail of a row what was put back, and what was left as it is."""
        back = self._db.execute(
            "SELECT json_each.key FROM writes, json_each(writes.changes) "
            "WHERE row = ?1 AND state = 'landed' UNION SELECT CASE kind WHEN 'group' THEN 'groups' "
            "ELSE 'custom_attributes.' || name END FROM removals "
            "WHERE row = ?1 AND state = 'landed' AND kind <> 'profile' ORDER BY 1",
            (row,),
        ).fetchall()
        left = self._db.execute(
            "SELECT DISTINCT field FROM problems WHERE row = ? AND effect = 'review' "
            "AND field <> '' ORDER BY 1",
            (row,),
        ).fetchall()
        told = [
            f"{what}: {', '.join(name for (name,) in names)}"
            for what, names in (("put back", back), ("left as they are", left))
            if names
        ]
        self._db.execute(
            "UPDATE rows SET detail = ? WHERE row = ? AND outcome <> 'failed'",
            ("; ".join(told), row),
        )

    def conclude(self) -> None:
        """Give every row its outcome: what was done for it, and whether anything is left."""
        deleted = " AND kind = 'profile'"
        self._db.execute(
            "UPDATE rows SET outcome = CASE "
            "WHEN row IN (SELECT row FROM problems WHERE effect = 'review') THEN 'conflict' "
            f"WHEN {_REMOVED.format(deleted)} THEN 'deleted' "
            f"WHEN {_REMOVED.format('')} OR {_WRITTEN} THEN 'updated' "
            "ELSE 'unchanged' END WHERE outcome <> 'failed'"
        )

    def deleted(self) -> Iterator[tuple[str, str]]:
        """Yield the profiles that were deleted: id, and the key of the decision to create it."""
        yield from self._db.execute(
            "SELECT subjects.customer_id, review_key FROM removals JOIN subjects USING (row) "
            "WHERE kind = 'profile' AND state = 'landed'"
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Return per kind of call how many were planned and how many took effect."""
        found = {
            kind: (planned, done)
            for kind, planned, done in self._db.execute(
                "SELECT kind, count(*), sum(state = 'landed') FROM removals GROUP BY kind "
                "UNION ALL SELECT 'update', count(DISTINCT row), "
                "count(DISTINCT iif(state = 'landed', row, NULL)) FROM writes"
            )
        }
        named = {
            "profiles_restored": "update",
            "profiles_deleted": "profile",
            "memberships": "group",
            "custom_attributes": "attribute",
        }
        return {
            name: dict(zip(("planned", "done"), found.get(kind, (0, 0)), strict=True))
            for name, kind in named.items()
        }

    def _subjects(self, where: str, parameters: Sequence[object]) -> list[Subject]:
        found = self._db.execute(
            "SELECT row, subjects.customer_id, created, review_key, written, before, attached "
            f"FROM subjects JOIN rows USING (row) WHERE {where}",
            parameters,
        )
        return [
            Subject(
                row,
                customer_id,
                bool(created),
                review_key,
                orjson.loads(written),
                orjson.loads(before),
                [Added(*one) for one in orjson.loads(attached)],
            )
            for row, customer_id, created, review_key, written, before, attached in (
                found.fetchall()
            )
        ]

    def _removals(self, where: str, parameters: Sequence[object]) -> list[Removal]:
        found = self._db.execute(
            "SELECT number, row, kind, name, customer_id, value, version FROM removals "
            f"WHERE {where}",
            parameters,
        )
        return [Removal(*columns) for columns in found.fetchall()]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
