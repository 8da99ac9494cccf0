"""Which profiles are there, which were there a moment ago, and what did merged ones become?"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from etl.sandbox.search import attributes
from etl.sandbox.search.attributes import Sought
from etl.sandbox.search.selection import (
    ALWAYS,
    CURRENT,
    OPEN,
    Page,
    Place,
    Selection,
    Span,
    conditions,
    index,
    standings,
    within,
)

_CLOSED = f"until < {OPEN}"
# Sorting this many rows costs less than walking a large directory in order.
_FEW = 2000

TABLES = f"""
-- Every revision of every profile, shown by list and search from since to until. Only a lag
-- needs more than the current revision, the one with the open end.
CREATE TABLE profiles (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    source TEXT NOT NULL,
    name_key TEXT NOT NULL,
    email_key TEXT,
    phone_key TEXT,
    reference_key TEXT,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX profiles_by_id ON profiles (id) WHERE {CURRENT};
CREATE INDEX profiles_closed ON profiles (until) WHERE {_CLOSED};
-- These two carry what counting and visibility ask for, so that they answer without the table.
CREATE INDEX profiles_by_created ON profiles (created, id, since, until) WHERE listed = 1;
CREATE INDEX profiles_by_name ON profiles (name_key, id) WHERE listed = 1;
CREATE INDEX profiles_by_updated ON profiles (updated) WHERE listed = 1;
CREATE INDEX profiles_by_email ON profiles (email_key) WHERE email_key IS NOT NULL;
CREATE INDEX profiles_by_phone ON profiles (phone_key) WHERE phone_key IS NOT NULL;
CREATE INDEX profiles_by_reference ON profiles (reference_key) WHERE reference_key IS NOT NULL;
CREATE TABLE merges (old_id TEXT PRIMARY KEY, new_id TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX merges_by_new_id ON merges (new_id);
-- Which revisions of profiles are in which groups.
CREATE TABLE members (
    group_id TEXT NOT NULL,
    profile INTEGER NOT NULL REFERENCES profiles ON DELETE CASCADE,
    PRIMARY KEY (group_id, profile)
) WITHOUT ROWID;
CREATE INDEX members_by_profile ON members (profile);
"""


class Profile(NamedTuple):
    """One revision of a profile: the JSON text Square would answer, and what finds it.

    ``listed`` is false for profiles without public data: they are reached by id only. In the order
    of the table's columns.
    """

    id: str
    listed: bool
    version: int
    created: int
    updated: int
    source: str
    name_key: str
    email_key: str | None
    phone_key: str | None
    reference_key: str | None
    body: bytes
    groups: tuple[str, ...] = ()


class Profiles:
    """The profiles of one sandbox, their revisions and merges."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def knows(self, customer_id: str) -> bool:
        """Tell whether an id is or was in use."""
        return bool(self.known([customer_id]))

    def known(self, customer_ids: Sequence[str]) -> set[str]:
        """Return which of these ids are or were in use."""
        marks = ", ".join("?" * len(customer_ids))
        rows = self._db.execute(
            f"SELECT id FROM profiles WHERE id IN ({marks}) AND {CURRENT} "
            f"UNION ALL SELECT old_id FROM merges WHERE old_id IN ({marks})",
            (*customer_ids, *customer_ids),
        )
        return {customer_id for (customer_id,) in rows}

    def number(self) -> int:
        """Count all profiles there are now, listed or not."""
        (number,) = self._db.execute(f"SELECT count(*) FROM profiles WHERE {CURRENT}").fetchone()
        return int(number)

    def body(self, customer_id: str) -> bytes | None:
        """Return the current JSON text of a profile, None if there is none."""
        row = self._db.execute(
            f"SELECT body FROM profiles WHERE id = ? AND {CURRENT}", (customer_id,)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def survivor(self, customer_id: str) -> str:
        """Return the id of the profile this one was merged into, or the id itself."""
        row = self._db.execute(
            "SELECT new_id FROM merges WHERE old_id = ?", (customer_id,)
        ).fetchone()
        return customer_id if row is None else str(row[0])

    def merged_into(self, customer_id: str) -> list[str]:
        """Return the ids of the profiles that became this one."""
        rows = self._db.execute(
            "SELECT old_id FROM merges WHERE new_id = ? ORDER BY old_id", (customer_id,)
        )
        return [row[0] for row in rows]

    def insert(self, profile: Profile, since: int) -> None:
        """Add a revision that search shows from ``since`` on."""
        self.insert_all([profile], since)

    def insert_all(self, profiles: Sequence[Profile], since: int) -> None:
        """Add revisions that search shows from ``since`` on."""
        self._db.executemany(
            "INSERT INTO profiles VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(profile.id, since, OPEN, *profile[1:-1]) for profile in profiles],
        )
        self._db.executemany(
            f"INSERT INTO members SELECT ?, rowid FROM profiles WHERE id = ? AND {CURRENT}",
            [(group_id, profile.id) for profile in profiles for group_id in profile.groups],
        )

    def replace(self, profile: Profile, now: int, keep: int) -> None:
        """Write a new revision of a profile; search shows the old one for ``keep`` more."""
        self.remove(profile.id, now, keep)
        self.insert(profile, now)

    def remove(self, customer_id: str, now: int, keep: int) -> None:
        """Take a profile away; search shows it for ``keep`` more milliseconds."""
        if keep:
            self._db.execute(
                f"UPDATE profiles SET until = ? WHERE id = ? AND {CURRENT}",
                (now, customer_id),
            )
            self._db.execute(f"DELETE FROM profiles WHERE until < ? AND {_CLOSED}", (now - keep,))
        else:
            self._db.execute(f"DELETE FROM profiles WHERE id = ? AND {CURRENT}", (customer_id,))

    def merge(self, old_ids: Sequence[str], new_id: str) -> None:
        """Let the old ids, and all that led to them, lead to the new one."""
        for old_id in old_ids:
            self._db.execute("UPDATE merges SET new_id = ? WHERE new_id = ?", (new_id, old_id))
            self._db.execute("INSERT INTO merges VALUES (?, ?)", (old_id, new_id))

    def page(self, selection: Selection, shown: int | None, after: Place | None, size: int) -> Page:
        """Return a page of what was visible at ``shown`` (None: of what is there now)."""
        key = {"name": "name_key", "created": "created"}[selection.order]
        direction, beyond = ("DESC", "<") if selection.descending else ("ASC", ">")
        by, where, values = self._asked(selection, shown)
        if after is not None:
            where.append(f"({key}, id) {beyond} (?, ?)")
            values += [after.key, after.id]
        rows = self._db.execute(
            f"SELECT {key}, id, body FROM profiles {by} "
            f"WHERE {' AND '.join(where)} "
            f"ORDER BY {key} {direction}, id {direction} LIMIT ?",
            (*values, size + 1),
        ).fetchall()
        more = len(rows) > size
        rows = rows[:size]
        end = Place(rows[-1][0], rows[-1][1]) if more else None
        return Page([row[2] for row in rows], end)

    def count(self, selection: Selection, shown: int | None) -> int:
        """Count what was visible at ``shown`` (None: what is there now)."""
        by, where, values = self._asked(selection, shown, counting=True)
        (number,) = self._db.execute(
            f"SELECT count(*) FROM profiles {by} WHERE {' AND '.join(where)}", values
        ).fetchone()
        return int(number)

    def _asked(
        self, selection: Selection, shown: int | None, counting: bool = False
    ) -> tuple[str, list[str], list[object]]:
        """Return the index that answers a selection, and its conditions."""
        owners, others = self._owners(selection, shown)
        by_segment = owners is None and self._by_segment(selection, shown, counting)
        where, values = conditions(selection, shown, by_segment)
        extra = [attributes.condition(sought, shown, counting) for sought in others]
        if owners is not None:
            extra.append(attributes.of_owners(owners, shown))
        for condition, named in extra:
            where.append(condition)
            values += named
        by = index(
            selection,
            few_updated=self._few(selection.updated),
            few_owners=owners is not None,
            by_segment=by_segment,
            counting=counting,
        )
        return by, where, values

    def _owners(
        self, selection: Selection, shown: int | None
    ) -> tuple[set[str] | None, list[Sought]]:
        """Return who has the custom attributes that few have, and what many have."""
        owners: set[str] | None = None
        many = []
        for sought in selection.attributes:
            statement, values = attributes.owners(sought, shown)
            rows = self._db.execute(f"{statement} LIMIT ?", (*values, _FEW + 1))
            found = [customer_id for (customer_id,) in rows]
            if len(found) > _FEW:
                many.append(sought)
            else:
                owners = set(found) if owners is None else owners & set(found)
        return owners, many

    def _by_segment(self, selection: Selection, shown: int | None, counting: bool) -> bool:
        standing, values = standings(selection)
        # Ids find current revisions only, row numbers of groups find their members first.
        if not standing or shown is not None or selection.any_groups or selection.all_groups:
            return False
        (number,) = self._db.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM standings WHERE {standing} LIMIT ?)",
            (*values, _FEW + 1),
        ).fetchone()
        return counting or int(number) <= _FEW

    def _few(self, updated: Span) -> bool:
        if updated == ALWAYS:
            return False
        where, values = ["listed = 1"], list[object]()
        within("updated", updated, where, values)
        (number,) = self._db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM profiles INDEXED BY profiles_by_updated "
            f"WHERE {' AND '.join(where)} LIMIT ?)",
            (*values, _FEW + 1),
        ).fetchone()
        return int(number) <= _FEW

    def members(self, group_id: str) -> list[bytes]:
        """Return the current JSON texts of the profiles in a group."""
        rows = self._db.execute(
            "SELECT body FROM profiles NOT INDEXED WHERE rowid IN "
            f"(SELECT profile FROM members WHERE group_id = ?) AND {CURRENT} ORDER BY id",
            (group_id,),
        )
        return [row[0] for row in rows]
