"""What does each idempotency key stand for?"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

TABLES = """
CREATE TABLE keys (
    key TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    made TEXT NOT NULL,
    answer BLOB NOT NULL,
    at INTEGER NOT NULL
);
"""


class Remembered(NamedTuple):
    """What an idempotency key stands for; ``made`` is the id or key of what was written."""

    digest: bytes
    made: str
    answer: bytes


class Keys:
    """The idempotency keys of one sandbox."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, key: str, not_before: int) -> Remembered | None:
        """Return what a key stands for, None if it is new or was used before ``not_before``."""
        row = self._db.execute(
            "SELECT digest, made, answer FROM keys WHERE key = ? AND at >= ?",
            (key, not_before),
        ).fetchone()
        return None if row is None else Remembered(*row)

    def put(self, key: str, remembered: Remembered, now: int) -> None:
        """Let a key stand for what it created."""
        self._db.execute(
            "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?)", (key, *remembered, now)
        )
