"""What does the sandbox remember?

One SQLite file (or memory): profiles with the revisions that search still shows, merges,
idempotency keys, tokens, settings and the log of effective writes. Nothing here knows of HTTP, and
no profile is kept anywhere else, so two processes may share a file.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from etl.sandbox.selection import (
    ALWAYS,
    CURRENT,
    OPEN,
    Page,
    Place,
    Selection,
    Span,
    conditions,
    index,
    within,
)

# Marks the file as ours, and its layout.
_APPLICATION_ID = 0x53714C6F
_LAYOUT = 2

# Waiting for another process's transaction, in milliseconds.
_PATIENCE = 30_000

_CLOSED = f"until < {OPEN}"

_TABLES = f"""
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
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
CREATE TABLE customer_groups (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX groups_by_created ON customer_groups (created, id);
CREATE TABLE keys (
    key TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    made TEXT NOT NULL,
    answer BLOB NOT NULL,
    at INTEGER NOT NULL
);
CREATE TABLE tokens (
    digest BLOB PRIMARY KEY,
    scopes TEXT NOT NULL,
    owner INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
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


class SandboxFileError(Exception):
    """The file cannot be the sandbox's; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One revision of a profile: the JSON text Square would answer, and what finds it.

    ``listed`` is false for profiles without public data: they are reached by id only.
    """

    id: str
    body: bytes
    version: int
    created: int
    updated: int
    source: str
    listed: bool
    name_key: str
    email_key: str | None
    phone_key: str | None
    reference_key: str | None
    groups: tuple[str, ...] = ()


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


class Remembered(NamedTuple):
    """What an idempotency key stands for; ``made`` is the id of the customer or group."""

    digest: bytes
    made: str
    answer: bytes


class TokenRow(NamedTuple):
    """A token as stored: never the token itself."""

    scopes: frozenset[str]
    owner: bool
    expires: int | None
    revoked: bool


class Write(NamedTuple):
    """One effective write, for the log; ``changes`` maps a field's path to its new value.

    A write to a group has no customer, and names the group among its changes.
    """

    at: str
    request_id: str
    endpoint: str
    action: Literal[
        "create", "update", "delete", "merge", "create-group", "update-group", "delete-group"
    ]
    customer_id: str
    idempotency_key: str | None
    version: int
    changes: Mapping[str, object]


class Store:
    """The state of one sandbox. Not thread-safe: the sandbox's lock guards it."""

    def __init__(self, path: Path | None) -> None:
        if path is not None and not path.exists():
            # Profiles are personal data: nobody else reads the file.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=_PATIENCE / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise SandboxFileError(f"cannot use {path} as the sandbox's file: {error}") from error
        except SandboxFileError as error:
            self._db.close()
            raise SandboxFileError(f"{path} {error}") from error

    def _prepare(self) -> None:
        self._wal()
        # A killed process loses nothing in WAL mode with NORMAL: what was committed is in the
        # file system's hands. Only a power cut may undo the last commits, which a rehearsal
        # can bear.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -32000")
        self._db.execute("PRAGMA foreign_keys = ON")
        with self.transaction(write=True):
            (marked,) = self._db.execute("PRAGMA application_id").fetchone()
            (layout,) = self._db.execute("PRAGMA user_version").fetchone()
            (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables == 0:
                for statement in _statements(_TABLES):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version = {_LAYOUT}")
            elif marked != _APPLICATION_ID:
                raise SandboxFileError("is a database of something else: name another file")
            elif layout != _LAYOUT:
                raise SandboxFileError(
                    f"has layout {layout}, this version reads {_LAYOUT}: name another file"
                )

    def _wal(self) -> None:
        # SQLite does not wait when two processes switch a new file to WAL at the same moment.
        for _ in range(100):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                time.sleep(0.01)
        self._db.execute("PRAGMA journal_mode = WAL")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[None]:
        """Do all of the block or, if it raises, nothing; a reader sees one moment throughout."""
        self._db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # Settings

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return default if row is None else orjson.loads(row[0])

    def set(self, name: str, value: object) -> None:
        """Keep a setting."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, _json(value)))

    # Profiles

    def knows(self, customer_id: str) -> bool:
        """Tell whether an id is or was in use."""
        found = self._db.execute(
            f"SELECT 1 FROM profiles WHERE id = ?1 AND {CURRENT} "
            "UNION ALL SELECT 1 FROM merges WHERE old_id = ?1",
            (customer_id,),
        ).fetchone()
        return found is not None

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

    def insert(self, profile: Profile, since: int) -> None:
        """Add a revision that search shows from ``since`` on."""
        inserted = self._db.execute(
            "INSERT INTO profiles VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                profile.id,
                since,
                OPEN,
                profile.listed,
                profile.version,
                profile.created,
                profile.updated,
                profile.source,
                profile.name_key,
                profile.email_key,
                profile.phone_key,
                profile.reference_key,
                profile.body,
            ),
        )
        if profile.groups:
            self._db.executemany(
                "INSERT INTO members VALUES (?, ?)",
                [(group_id, inserted.lastrowid) for group_id in profile.groups],
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
        where, values = conditions(selection, shown)
        if after is not None:
            where.append(f"({key}, id) {beyond} (?, ?)")
            values += [after.key, after.id]
        rows = self._db.execute(
            f"SELECT {key}, id, body FROM profiles {self._index(selection)} "
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
        where, values = conditions(selection, shown)
        (number,) = self._db.execute(
            f"SELECT count(*) FROM profiles {self._index(selection, counting=True)} "
            f"WHERE {' AND '.join(where)}",
            values,
        ).fetchone()
        return int(number)

    def _index(self, selection: Selection, counting: bool = False) -> str:
        return index(selection, self._few(selection.updated), counting)

    def _few(self, updated: Span, limit: int = 2000) -> bool:
        if updated == ALWAYS:
            return False
        # Sorting this many rows costs less than walking a large directory in order.
        where, values = ["listed = 1"], list[object]()
        within("updated", updated, where, values)
        (number,) = self._db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM profiles INDEXED BY profiles_by_updated "
            f"WHERE {' AND '.join(where)} LIMIT ?)",
            (*values, limit + 1),
        ).fetchone()
        return int(number) <= limit

    # Groups

    def group(self, group_id: str) -> Group | None:
        """Return a group, None if there is none."""
        row = self._db.execute("SELECT * FROM customer_groups WHERE id = ?", (group_id,)).fetchone()
        return None if row is None else Group(*row)

    def groups(self, after: Place | None, size: int) -> list[Group]:
        """Return the groups that follow a place, the oldest first."""
        rows = self._db.execute(
            "SELECT * FROM customer_groups WHERE (created, id) > (?, ?) "
            "ORDER BY created, id LIMIT ?",
            (*(after or Place(-1, "")), size),
        )
        return [Group(*row) for row in rows]

    def put_group(self, group: Group) -> None:
        """Add a group, or change it."""
        self._db.execute("INSERT OR REPLACE INTO customer_groups VALUES (?, ?, ?, ?)", group)

    def remove_group(self, group_id: str) -> None:
        """Take a group away."""
        self._db.execute("DELETE FROM customer_groups WHERE id = ?", (group_id,))

    def members(self, group_id: str) -> list[bytes]:
        """Return the current JSON texts of the profiles in a group."""
        rows = self._db.execute(
            "SELECT body FROM profiles NOT INDEXED WHERE rowid IN "
            f"(SELECT profile FROM members WHERE group_id = ?) AND {CURRENT} ORDER BY id",
            (group_id,),
        )
        return [row[0] for row in rows]

    # Idempotency keys

    def remembered(self, key: str, not_before: int) -> Remembered | None:
        """Return what a key stands for, None if it is new or was used before ``not_before``."""
        row = self._db.execute(
            "SELECT digest, made, answer FROM keys WHERE key = ? AND at >= ?",
            (key, not_before),
        ).fetchone()
        return None if row is None else Remembered(*row)

    def remember(self, key: str, remembered: Remembered, now: int) -> None:
        """Let a key stand for what it created."""
        self._db.execute(
            "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?)", (key, *remembered, now)
        )

    # Tokens

    def token(self, digest: bytes) -> TokenRow | None:
        """Return a token by its digest."""
        row = self._db.execute(
            "SELECT scopes, owner, expires, revoked FROM tokens WHERE digest = ?", (digest,)
        ).fetchone()
        if row is None:
            return None
        scopes, owner, expires, revoked = row
        return TokenRow(frozenset(scopes.split()), bool(owner), expires, bool(revoked))

    def put_token(self, digest: bytes, token: TokenRow) -> None:
        """Add a token, or put it back as it was issued."""
        self._db.execute(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?)",
            (digest, " ".join(sorted(token.scopes)), token.owner, token.expires, token.revoked),
        )

    def revoke(self, digest: bytes) -> bool:
        """Take a token back; tell whether there was one."""
        changed = self._db.execute("UPDATE tokens SET revoked = 1 WHERE digest = ?", (digest,))
        return changed.rowcount > 0

    # The log

    def log(self, write: Write) -> None:
        """Note an effective write, in the transaction that carries it out."""
        self._db.execute(
            "INSERT INTO log VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*write[:7], _json(write.changes)),
        )

    def entries(self) -> list[dict[str, Any]]:
        """Return all effective writes, oldest first."""
        names = ("seq", *Write._fields)
        return [
            dict(zip(names, (*row[:-1], orjson.loads(row[-1])), strict=True))
            for row in self._db.execute("SELECT * FROM log ORDER BY seq")
        ]

    def clear(self) -> int:
        """Forget all but merchant, tokens and settings; return how many profiles there were."""
        (number,) = self._db.execute(f"SELECT count(*) FROM profiles WHERE {CURRENT}").fetchone()
        for table in ("members", "profiles", "customer_groups", "merges", "keys", "log"):
            self._db.execute(f"DELETE FROM {table}")
        return int(number)


def _json(value: object) -> bytes:
    return orjson.dumps(value)


def _statements(script: str) -> Iterator[str]:
    for statement in script.split(";"):
        if statement.strip():
            yield statement
