"""Which events have yet to reach which subscriptions?

A row per event and subscription, made with the event and gone once the event was taken or given
up: what is here after a crash is sent again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from etl.sandbox.store.events import Event

TABLES = """
CREATE TABLE deliveries (
    event INTEGER NOT NULL REFERENCES events ON DELETE CASCADE,
    subscription TEXT NOT NULL REFERENCES webhook_subscriptions ON DELETE CASCADE,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt INTEGER,
    reason TEXT,
    PRIMARY KEY (event, subscription)
) WITHOUT ROWID;
CREATE INDEX deliveries_by_due ON deliveries (subscription, due);
"""


class Waiting(NamedTuple):
    """An event on its way: how often it was tried, when first, and why that failed."""

    event: Event
    attempts: int
    first_attempt: int | None
    reason: str | None


class Deliveries:
    """The deliveries of one sandbox that are not done."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, event: int, subscriptions: Iterable[str], due: int) -> None:
        """Let an event wait for subscriptions."""
        self._db.executemany(
            "INSERT INTO deliveries VALUES (?, ?, ?, 0, NULL, NULL)",
            [(event, subscription, due) for subscription in subscriptions],
        )

    def due(self, subscription: str, now: int) -> list[int]:
        """Return the events that should go to a subscription now, the oldest first."""
        rows = self._db.execute(
            "SELECT event FROM deliveries WHERE subscription = ? AND due <= ? ORDER BY event",
            (subscription, now),
        )
        return [row[0] for row in rows]

    def find(self, event: int, subscription: str) -> Waiting | None:
        """Return a delivery, None if it is done."""
        row = self._db.execute(
            "SELECT seq, created, type, object_id, told, attempts, first_attempt, reason "
            "FROM deliveries JOIN events ON seq = event WHERE event = ? AND subscription = ?",
            (event, subscription),
        ).fetchone()
        return None if row is None else Waiting(Event(*row[:5]), *row[5:])

    def postpone(self, event: int, subscription: str, due: int, tried: int, reason: str) -> None:
        """Try once more later: the attempt made at ``tried`` failed."""
        self._db.execute(
            "UPDATE deliveries SET due = ?, attempts = attempts + 1, reason = ?, "
            "first_attempt = coalesce(first_attempt, ?) WHERE event = ? AND subscription = ?",
            (due, reason, tried, event, subscription),
        )

    def end(self, event: int, subscription: str) -> None:
        """A delivery is done: the event was taken, or given up."""
        self._db.execute(
            "DELETE FROM deliveries WHERE event = ? AND subscription = ?", (event, subscription)
        )

    def end_all(self, subscription: str) -> None:
        """Give up all that waits for a subscription."""
        self._db.execute("DELETE FROM deliveries WHERE subscription = ?", (subscription,))
