"""Which cards, gift cards, orders and payments are there?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from etl.sandbox.search.selection import ALWAYS, Place, Span, within

TABLES = """
CREATE TABLE records (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    closed INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX records_by_created ON records (kind, created, id);
CREATE INDEX records_by_updated ON records (kind, updated, id);
CREATE INDEX records_by_closed ON records (kind, closed, id) WHERE closed IS NOT NULL;
-- What else finds a record: the customers it is linked to, an account number, a reference.
CREATE TABLE record_links (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    record INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
    PRIMARY KEY (name, value, record)
) WITHOUT ROWID;
CREATE INDEX record_links_by_record ON record_links (record);
"""

Kind = Literal["card", "gift_card", "gift_card_activity", "order", "payment"]
Moment = Literal["created", "updated", "closed"]


class Record(NamedTuple):
    """One of these things: the JSON text Square would answer, and what finds and sorts it."""

    id: str
    kind: Kind
    state: str
    created: int
    updated: int
    closed: int | None
    body: bytes


class Link(NamedTuple):
    """Something that finds a record, such as a customer."""

    name: Literal["customer", "gan", "gift_card", "nonce", "reference", "type"]
    value: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Which records of a kind a list asks for, and in which order. All conditions are ANDed.

    ``links`` maps a link's name to its values, one of which a record must have.
    """

    kind: Kind
    order: Moment = "created"
    descending: bool = False
    span: Span = ALWAYS
    states: Sequence[str] = ()
    links: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def place(self, record: Record) -> Place:
        """Where a page that ends with this record goes on."""
        at = {"created": record.created, "updated": record.updated, "closed": record.closed or 0}
        return Place(at[self.order], record.id)


_COLUMNS = "id, kind, state, created, updated, closed, body"


class Records:
    """The cards, gift cards, orders and payments of one sandbox."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def knows(self, record_id: str) -> bool:
        """Tell whether an id is in use."""
        found = self._db.execute("SELECT 1 FROM records WHERE id = ?", (record_id,)).fetchone()
        return found is not None

    def find(self, kind: Kind, record_id: str) -> Record | None:
        """Return a record, None if there is none of its kind."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM records WHERE id = ? AND kind = ?", (record_id, kind)
        ).fetchone()
        return None if row is None else Record(*row)

    def linked(self, kind: Kind, link: Link) -> list[Record]:
        """Return the records of a kind that something finds, the oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM records NOT INDEXED WHERE kind = ? AND rowid IN "
            "(SELECT record FROM record_links WHERE name = ? AND value = ?) ORDER BY created, id",
            (kind, *link),
        )
        return [Record(*row) for row in rows]

    def add(self, record: Record, links: Iterable[Link] = ()) -> None:
        """Add a record and what finds it."""
        added = self._db.execute("INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", record)
        self._db.executemany(
            "INSERT INTO record_links VALUES (?, ?, ?)",
            [(*link, added.lastrowid) for link in dict.fromkeys(links)],
        )

    def change(self, record: Record) -> None:
        """Write a record anew; what finds it stays."""
        self._db.execute(
            "UPDATE records SET state = ?, updated = ?, closed = ?, body = ? WHERE id = ?",
            (record.state, record.updated, record.closed, record.body, record.id),
        )

    def link(self, record_id: str, link: Link) -> None:
        """Let something find a record."""
        self._db.execute(
            "INSERT OR IGNORE INTO record_links SELECT ?, ?, rowid FROM records WHERE id = ?",
            (*link, record_id),
        )

    def unlink(self, record_id: str, link: Link) -> None:
        """Let something find a record no more."""
        self._db.execute(
            "DELETE FROM record_links WHERE name = ? AND value = ? AND record = "
            "(SELECT rowid FROM records WHERE id = ?)",
            (*link, record_id),
        )

    def remove(self, record_id: str) -> None:
        """Take a record away."""
        self._db.execute("DELETE FROM records WHERE id = ?", (record_id,))

    def page(self, listing: Listing, after: Place | None, size: int) -> list[Record]:
        """Return the records that follow a place, up to ``size``."""
        key = listing.order
        direction, beyond = ("DESC", "<") if listing.descending else ("ASC", ">")
        where, values = ["kind = ?", f"{key} IS NOT NULL"], list[object]([listing.kind])
        within(key, listing.span, where, values)
        if listing.states:
            where.append(f"state IN ({_marks(listing.states)})")
            values += listing.states
        for name, wanted in listing.links.items():
            where.append(
                "rowid IN (SELECT record FROM record_links "
                f"WHERE name = ? AND value IN ({_marks(wanted)}))"
            )
            values += [name, *wanted]
        if after is not None:
            where.append(f"({key}, id) {beyond} (?, ?)")
            values += [after.key, after.id]
        # What is linked to one customer is found by its row numbers, which are no index.
        index = "NOT INDEXED" if listing.links else f"INDEXED BY records_by_{key}"
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM records {index} WHERE {' AND '.join(where)} "
            f"ORDER BY {key} {direction}, id {direction} LIMIT ?",
            (*values, size),
        )
        return [Record(*row) for row in rows]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
