"""Which writes had an effect?"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

TABLES = """
CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    request_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    action TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    idempotency_key TEXT,
    version INTEGER NOT NULL,
    changes BLOB NOT NULL
);
"""


ProfileAction = Literal["create", "update", "delete", "merge"]
OtherAction = Literal[
    "create-group",
    "update-group",
    "delete-group",
    "create-attribute-definition",
    "update-attribute-definition",
    "delete-attribute-definition",
    "upsert-attribute",
    "delete-attribute",
    "create-card",
    "disable-card",
    "create-gift-card",
    "activate-gift-card",
    "load-gift-card",
    "link-gift-card",
    "unlink-gift-card",
    "create-order",
    "create-payment",
    "create-subscription",
    "update-subscription",
    "delete-subscription",
    "rotate-signature-key",
    "enable-events",
    "disable-events",
]


class Write(NamedTuple):
    """One effective write, for the log; ``changes`` maps a field's path to its new value.

    A write to something else, as a group, has no version, and names the thing among its changes.
    """

    at: str
    request_id: str
    endpoint: str
    action: ProfileAction | OtherAction
    customer_id: str
    idempotency_key: str | None
    version: int
    changes: Mapping[str, object]


class Log:
    """The append-only log of one sandbox."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._noted: list[Write] = []

    def add(self, write: Write) -> None:
        """Note an effective write, which is written down when its transaction ends."""
        self._noted.append(write)

    def write(self) -> None:
        """Write down what was noted, in the transaction that carries it out."""
        self._db.executemany(
            "INSERT INTO log VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*write[:7], orjson.dumps(write.changes)) for write in self._noted],
        )
        self.drop()

    def drop(self) -> None:
        """Forget what was noted in a transaction that is undone."""
        self._noted = []

    def entries(
        self, after: int = 0, limit: int = -1, read: Callable[[bytes], object] = orjson.loads
    ) -> list[dict[str, Any]]:
        """Return the effective writes beyond a ``seq``, oldest first; -1 sets no limit.

        ``read`` makes of the JSON text of changes what stands for them.
        """
        rows = self._db.execute(
            "SELECT * FROM log WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        )
        return [_entry(row, read) for row in rows]

    def deleted(self) -> set[str]:
        """Return the ids of all profiles that were deleted."""
        rows = self._db.execute("SELECT customer_id FROM log WHERE action = 'delete'")
        return {customer_id for (customer_id,) in rows}

    def of(self, customer_ids: Sequence[str], before: int, size: int) -> list[dict[str, Any]]:
        """Return the writes to profiles that come before a ``seq``, newest first."""
        # Without an index this reads 100,000 writes in 10 ms; with one, loading as many profiles
        # took 12.7 s instead of 9.8.
        rows = self._db.execute(
            "SELECT * FROM log WHERE seq < ? AND customer_id IN (SELECT value FROM json_each(?)) "
            "ORDER BY seq DESC LIMIT ?",
            (before, orjson.dumps(customer_ids).decode(), size),
        )
        return [_entry(row, orjson.loads) for row in rows]


def _entry(row: tuple[Any, ...], read: Callable[[bytes], object]) -> dict[str, Any]:
    return dict(zip(("seq", *Write._fields), (*row[:-1], read(row[-1])), strict=True))
