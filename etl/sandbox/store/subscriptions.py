"""Who wants to be told of which events, and where?"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

import orjson

from etl.sandbox.search.selection import Place

TABLES = """
CREATE TABLE webhook_subscriptions (
    id TEXT PRIMARY KEY,
    name TEXT,
    enabled INTEGER NOT NULL,
    event_types TEXT NOT NULL,
    notification_url TEXT NOT NULL,
    api_version TEXT NOT NULL,
    signature_key TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX webhook_subscriptions_by_created ON webhook_subscriptions (created, id);
"""


class Subscription(NamedTuple):
    """A webhook subscription; deliveries are signed with its key."""

    id: str
    name: str | None
    enabled: bool
    event_types: tuple[str, ...]
    notification_url: str
    api_version: str
    signature_key: str
    created: int
    updated: int

    @property
    def place(self) -> Place:
        """Where a list that ends here goes on."""
        return Place(self.created, self.id)


class Subscriptions:
    """The webhook subscriptions of one sandbox."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, subscription_id: str) -> Subscription | None:
        """Return a subscription, None if there is none."""
        row = self._db.execute(
            "SELECT * FROM webhook_subscriptions WHERE id = ?", (subscription_id,)
        ).fetchone()
        return None if row is None else _read(row)

    def enabled(self) -> list[Subscription]:
        """Return the subscriptions that are to be notified, the oldest first."""
        rows = self._db.execute(
            "SELECT * FROM webhook_subscriptions WHERE enabled = 1 ORDER BY created, id"
        )
        return [_read(row) for row in rows]

    def page(
        self, after: Place | None, size: int, *, descending: bool, disabled: bool
    ) -> list[Subscription]:
        """Return the subscriptions that follow a place; ``disabled`` includes those."""
        direction, beyond = ("DESC", "<") if descending else ("ASC", ">")
        start = after or Place(1 << 62 if descending else -1, "")
        rows = self._db.execute(
            f"SELECT * FROM webhook_subscriptions WHERE (created, id) {beyond} (?, ?) "
            f"AND (enabled = 1 OR ?) ORDER BY created {direction}, id {direction} LIMIT ?",
            (*start, disabled, size),
        )
        return [_read(row) for row in rows]

    def put(self, subscription: Subscription) -> None:
        """Add a subscription, or change it; what waits for it goes on waiting."""
        values = subscription._asdict()
        values["event_types"] = orjson.dumps(subscription.event_types).decode()
        # INSERT OR REPLACE would delete the old row, and with it what waits for it.
        changes = ", ".join(f"{name} = excluded.{name}" for name in values if name != "id")
        self._db.execute(
            f"INSERT INTO webhook_subscriptions VALUES ({', '.join('?' * len(values))}) "
            f"ON CONFLICT (id) DO UPDATE SET {changes}",
            tuple(values.values()),
        )

    def remove(self, subscription_id: str) -> None:
        """Take a subscription away, with all that waits for it."""
        self._db.execute("DELETE FROM webhook_subscriptions WHERE id = ?", (subscription_id,))


def _read(row: tuple[Any, ...]) -> Subscription:
    found = Subscription(*row)
    types = tuple(orjson.loads(row[Subscription._fields.index("event_types")]))
    return found._replace(enabled=bool(found.enabled), event_types=types)
