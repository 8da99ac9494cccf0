"""What happened that somebody may want to be told?"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from etl.sandbox.search.selection import Place, Span, within

TABLES = """
-- The JSON text of an event is made of this when it is read or sent.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    created INTEGER NOT NULL,
    type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    searchable INTEGER NOT NULL,
    told BLOB NOT NULL
);
CREATE INDEX events_by_created ON events (created);
"""

_COLUMNS = "seq, created, type, object_id, told"


class Event(NamedTuple):
    """One event; ``told`` is the JSON text of what it tells, as it was stored at that moment."""

    seq: int
    created: int
    type: str
    object_id: str
    told: bytes

    @property
    def place(self) -> Place:
        """Where a search that ends here goes on."""
        return Place(self.created, str(self.seq))


class Wanted(NamedTuple):
    """Which events a search asks for, and in which order; no types are all types."""

    created: Span
    types: tuple[str, ...]
    descending: bool


class Events:
    """The events of one sandbox that somebody asked for, by a search or a subscription."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(
        self, type: str, object_id: str, told: Mapping[str, Any], now: int, *, searchable: bool
    ) -> int:
        """Note an event, in the transaction that causes it; return its number."""
        added = self._db.execute(
            "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?)",
            (now, type, object_id, searchable, orjson.dumps(told)),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def forget(self, before: int) -> None:
        """Forget what happened before a moment, whether it was delivered or not."""
        self._db.execute("DELETE FROM events WHERE created < ?", (before,))

    def page(self, wanted: Wanted, after: Place | None, size: int) -> list[Event]:
        """Return the searchable events that follow a place."""
        direction, beyond = ("DESC", "<") if wanted.descending else ("ASC", ">")
        where, values = ["searchable = 1"], list[object]()
        within("created", wanted.created, where, values)
        if wanted.types:
            where.append("type IN (SELECT value FROM json_each(?))")
            values.append(orjson.dumps(wanted.types).decode())
        if after is not None:
            where.append(f"(created, seq) {beyond} (?, ?)")
            values += [after.key, int(after.id)]
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(where)} "
            f"ORDER BY created {direction}, seq {direction} LIMIT ?",
            (*values, size),
        )
        return [Event(*row) for row in rows]
