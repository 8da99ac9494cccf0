"""Where is all of it kept?

One SQLite file (or memory). Nothing here knows of HTTP, and nothing is kept anywhere else, so two
processes may share a file.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from etl.sandbox.store import (
    attributes,
    deliveries,
    events,
    groups,
    keys,
    log,
    profiles,
    records,
    standings,
    subscriptions,
    tokens,
)
from etl.sandbox.store.attributes import Attributes
from etl.sandbox.store.deliveries import Deliveries
from etl.sandbox.store.events import Events
from etl.sandbox.store.groups import Groups
from etl.sandbox.store.keys import Keys
from etl.sandbox.store.log import Log
from etl.sandbox.store.profiles import Profiles
from etl.sandbox.store.records import Records
from etl.sandbox.store.standings import Standings
from etl.sandbox.store.subscriptions import Subscriptions
from etl.sandbox.store.tokens import Tokens

# Marks the file as ours, and its layout.
_APPLICATION_ID = 0x53714C6F
_LAYOUT = 5

# Waiting for another process's transaction, in milliseconds.
_PATIENCE = 30_000

_SETTINGS = "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
_WRITABLE = "the file and its folder must be readable and writable"
_REMEDIES = {
    sqlite3.SQLITE_READONLY: _WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _WRITABLE,
    sqlite3.SQLITE_PERM: _WRITABLE,
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_IOERR: "look after its disk",
    sqlite3.SQLITE_BUSY: "another program is writing it: try again",
}
# Whose revisions list and search show with a lag.
_WITH_HISTORY = ("profiles", "attributes")
# What forgetting all profiles leaves alone.
_KEPT = ("settings", "tokens", "webhook_subscriptions")


class SandboxFileError(Exception):
    """The file cannot be the sandbox's; the message names it and the remedy."""


class Store:
    """The state of one sandbox. Not thread-safe: the sandbox's lock guards it."""

    def __init__(self, path: Path | None) -> None:
        self._db = _opened(path)
        self.profiles = Profiles(self._db)
        self.groups = Groups(self._db)
        self.attributes = Attributes(self._db)
        self.records = Records(self._db)
        self.standings = Standings(self._db)
        self.keys = Keys(self._db)
        self.tokens = Tokens(self._db)
        self.log = Log(self._db)
        self.events = Events(self._db)
        self.subscriptions = Subscriptions(self._db)
        self.deliveries = Deliveries(self._db)
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise unusable(path, error) from error
        except SandboxFileError as error:
            self._db.close()
            raise SandboxFileError(f"{path} {error}") from error

    def _prepare(self) -> None:
        # Before anything is written, such as the file's mode: it may be somebody else's.
        self._check_mark()
        self._wal()
        # A killed process loses nothing in WAL mode with NORMAL: what was committed is in the
        # file system's hands. Only a power cut may undo the last commits, which a rehearsal
        # can bear.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -32000")
        # A bulk create changes a page of most indexes for each of its profiles. Putting them in
        # their places after 64 MB instead of 4 writes each of them once for many changes.
        self._db.execute("PRAGMA wal_autocheckpoint = 16000")
        self._db.execute("PRAGMA foreign_keys = ON")
        with self.transaction(write=True):
            self._check_mark()
            (layout,) = self._db.execute("PRAGMA user_version").fetchone()
            (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables == 0:
                for statement in _statements():
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version = {_LAYOUT}")
            elif layout != _LAYOUT:
                raise SandboxFileError(
                    f"has layout {layout}, this version reads {_LAYOUT}: name another file"
                )

    def _check_mark(self) -> None:
        (marked,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and marked != _APPLICATION_ID:
            raise SandboxFileError("is a database of something else: name another file")

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
            self.log.write()
            self._db.execute("COMMIT")
        except BaseException:
            self.log.drop()
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
        self._db.execute(
            "INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, orjson.dumps(value))
        )

    def settle(self, now: int) -> None:
        """Let what was written at this very moment be what was there before it."""
        for name in _WITH_HISTORY:
            self._db.execute(f"UPDATE {name} SET since = ?1 - 1 WHERE since >= ?1", (now,))

    def clear(self) -> int:
        """Forget all but what ``_KEPT`` names; return how many profiles there were."""
        number = self.profiles.number()
        self._db.execute("PRAGMA defer_foreign_keys = ON")
        names = self._db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (name,) in names:
            if name not in _KEPT:
                self._db.execute(f"DELETE FROM {name}")
        return number


def _opened(path: Path | None) -> sqlite3.Connection:
    try:
        if path is not None and not path.exists():
            # Profiles are personal data: nobody else reads the file.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=_PATIENCE / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
    except OSError as error:
        raise SandboxFileError(
            f"cannot make the sandbox's file {path}: {error.strerror}"
        ) from error
    except sqlite3.DatabaseError as error:
        raise unusable(path, error) from error


def unusable(path: Path | None, error: sqlite3.DatabaseError) -> SandboxFileError:
    """Return what to tell about a file that cannot be used."""
    remedy = _REMEDIES.get(error.sqlite_errorcode & 0xFF, "name another file")
    return SandboxFileError(f"cannot use {path} as the sandbox's file: {error}; {remedy}")


def _statements() -> Iterator[str]:
    for module in (
        *(profiles, groups, attributes, records, standings, keys, tokens, log),
        *(events, subscriptions, deliveries),
    ):
        for statement in module.TABLES.split(";"):
            if statement.strip():
                yield statement
    yield _SETTINGS
