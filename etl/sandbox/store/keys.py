"""What does each idempotency key stand for?"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
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

    def find(self, keys: Sequence[str], not_before: int) -> dict[str, Remembered]:
        """Return what these keys stand for, without those used before ``not_before`` or never."""
        rows = self._db.execute(
            "SELECT key, digest, made, answer FROM keys "
            f"WHERE key IN ({', '.join('?' * len(keys))}) AND at >= ?",
            (*keys, not_before),
        )
        return {key: Remembered(*remembered) for key, *remembered in rows}

    def put(self, remembered: Mapping[str, Remembered], now: int) -> None:
        """Let each key stand for what it created."""
        self._db.executemany(
            "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?)",
            [(key, *stood_for, now) for key, stood_for in remembered.items()],
        )
