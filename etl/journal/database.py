"""How are the state folder's SQLite files opened, and what is a transaction?

Write-ahead log and ``synchronous = FULL``: what was committed outlives the process and the machine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def connect(path: Path) -> sqlite3.Connection:
    """Open a file for statements that commit by themselves, but inside ``transaction``."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    # Of a new file. Batches of megabytes are written in half the time that pages of 4096 take.
    connection.execute("PRAGMA page_size = 16384")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def into_one_file(connection: sqlite3.Connection) -> None:
    """Bring all that was committed into the file itself, before that is moved or copied.

    Closing does so too, but says nothing if the disk is full: raises sqlite3.OperationalError then.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def is_passing(error: sqlite3.Error) -> bool:
    """Tell whether the machine is at fault just now, and not the file: busy, or a full disk."""
    return "locked" in str(error) or is_full(error)


def is_full(error: sqlite3.Error) -> bool:
    """Tell whether the disk is full; of the memory that connections share it is told so."""
    # Errors that Python itself raises have no code.
    code = getattr(error, "sqlite_errorcode", None)
    return "full" in str(error) or code == sqlite3.SQLITE_IOERR_SHMSIZE


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Make everything inside durable together, or none of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk makes SQLite roll back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
