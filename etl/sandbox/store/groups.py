"""Which customer groups are there?"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from etl.sandbox.search.selection import Place

TABLES = """
CREATE TABLE customer_groups (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX groups_by_created ON customer_groups (created, id);
"""


class Group(NamedTuple):
    """A customer group; its members are the profiles that name it."""

    id: str
    name: str
    created: int
    updated: int

    @property
    def place(self) -> Place:
        """Where a list that ends here goes on."""
        return Place(self.created, self.id)


class Groups:
    """The customer groups of one sandbox; who is in them is told by the profiles."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, group_id: str) -> Group | None:
        """Return a group, None if there is none."""
        row = self._db.execute("SELECT * FROM customer_groups WHERE id = ?", (group_id,)).fetchone()
        return None if row is None else Group(*row)

    def known(self, group_ids: Sequence[str]) -> set[str]:
        """Return which of these ids are those of groups."""
        rows = self._db.execute(
            f"SELECT id FROM customer_groups WHERE id IN ({', '.join('?' * len(group_ids))})",
            group_ids,
        )
        return {group_id for (group_id,) in rows}

    def page(self, after: Place | None, size: int) -> list[Group]:
        """Return the groups that follow a place, the oldest first."""
        rows = self._db.execute(
            "SELECT * FROM customer_groups WHERE (created, id) > (?, ?) "
            "ORDER BY created, id LIMIT ?",
            (*(after or Place(-1, "")), size),
        )
        return [Group(*row) for row in rows]

    def put(self, group: Group) -> None:
        """Add a group, or change it."""
        self._db.execute("INSERT OR REPLACE INTO customer_groups VALUES (?, ?, ?, ?)", group)

    def remove(self, group_id: str) -> None:
        """Take a group away."""
        self._db.execute("DELETE FROM customer_groups WHERE id = ?", (group_id,))
