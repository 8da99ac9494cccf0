"""What do all runs of this state folder remember together?

Which source key became which customer (the crosswalk), what we last wrote to a customer (search
lags behind writes, so this is consulted beside the directory, always), and which rows wait for a
person or were decided by one: kept per merchant. And, as keyed digests, who was erased.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, NamedTuple

from etl.customers.erased import NOBODY, ErasedPeople
from etl.errors import StateError
from etl.journal.database import connect, is_passing, transaction
from etl.journal.erasure import Person

# SQLite takes at least this many parameters in one statement, whatever it was built with.
_PARAMETERS = 500

# Later than any version a profile has.
_NO_VERSION = 2**62

_SCHEMA = """
CREATE TABLE IF NOT EXISTS crosswalk (
    merchant TEXT, source_key TEXT, customer_id TEXT NOT NULL,
    PRIMARY KEY (merchant, source_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written (
    merchant TEXT, customer_id TEXT, version INTEGER NOT NULL, reference_id TEXT, email TEXT,
    phone TEXT, digests TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (merchant, customer_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reviews (
    merchant TEXT, review_key TEXT, decision TEXT NOT NULL,
    PRIMARY KEY (merchant, review_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased (
    digest TEXT PRIMARY KEY, erasure TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 2;
"""


class Written(NamedTuple):
    """What we last wrote to a customer: its version then, and its keys in canonical form.

    ``digests`` is a JSON object with the ``payload.digest`` of each field that was ever written.
    """

    customer_id: str
    version: int
    reference_id: str | None
    email: str | None
    phone: str | None
    digests: str = "{}"


class Ledger:
    """The memory of a state folder for one merchant."""

    def __init__(self, path: Path, merchant: str) -> None:
        """Open or create the file; raises StateError when it is not a ledger of this version."""
        path.touch(mode=0o600)
        self._merchant = merchant
        try:
            self._db = connect(path)
            self._db.execute("PRAGMA cache_size = -65536")  # KiB: lookups are all over the file
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, 1, 2):
                raise StateError(f"{path} was written by another version of square-etl ({version})")
            if version == 1:
                self._take_over()
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            if is_passing(error):
                raise
            raise StateError(f"{path} is not a usable ledger: {error}") from error

    def _take_over(self) -> None:
        """Bring a ledger of the first release up to date, unless another run just has."""
        with self.transaction():
            if self._db.execute("PRAGMA user_version").fetchone() == (1,):
                self._db.execute(
                    "ALTER TABLE written ADD COLUMN digests TEXT NOT NULL DEFAULT '{}'"
                )
                self._db.execute("ALTER TABLE crosswalk DROP COLUMN generation")
                self._db.execute("PRAGMA user_version = 2")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside durable together, or none of it."""
        return transaction(self._db)

    def known(self, source_keys: Sequence[str]) -> dict[str, str]:
        """Return where these source keys went in earlier runs.

        The id of a customer is empty where a key names several.
        """
        return dict(
            self._each(
                "SELECT source_key, customer_id FROM crosswalk "
                "WHERE merchant = ? AND source_key IN ({})",
                source_keys,
            )
        )

    def remember(self, entries: Iterable[tuple[str, str]]) -> None:
        """Note where source keys went."""
        self._db.executemany(
            "INSERT INTO crosswalk VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
            "customer_id = excluded.customer_id",
            ((self._merchant, *entry) for entry in entries),
        )

    def written(self) -> Iterator[list[Written]]:
        """Yield what we last wrote to each customer, some thousand at a time."""
        cursor = self._db.execute(
            "SELECT customer_id, version, reference_id, email, phone, digests FROM written "
            "WHERE merchant = ?",
            (self._merchant,),
        )
        while page := cursor.fetchmany(5000):
            yield [Written(*found) for found in page]

    def wrote(self, entries: Iterable[Written]) -> None:
        """Note what was written to customers; a key that was not written stays as it was."""
        self._db.executemany(
            "INSERT INTO written VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET version = max(version, excluded.version), "
            "reference_id = coalesce(excluded.reference_id, reference_id), "
            "email = coalesce(excluded.email, email), phone = coalesce(excluded.phone, phone), "
            "digests = json_patch(digests, excluded.digests)",
            ((self._merchant, *entry) for entry in entries),
        )

    def follow(self, moved: Mapping[str, str | None]) -> None:
        """Drop what was written to customers that no longer exist under these ids, and follow
        source keys to the customers that answered in their place, if any.

        Those that we deleted stay known as gone: search may show them for a while yet.
        """
        merged = [(old, new) for old, new in moved.items() if new is not None]
        with self.transaction():
            self._db.executemany(
                "DELETE FROM written WHERE merchant = ? AND customer_id = ? AND version < ?",
                ((self._merchant, customer_id, _NO_VERSION) for customer_id in moved),
            )
            if not merged:
                return
            self._db.execute("CREATE TEMP TABLE merged (old TEXT PRIMARY KEY, new TEXT)")
            self._db.executemany("INSERT INTO merged VALUES (?, ?)", merged)
            self._db.execute(
                "UPDATE crosswalk SET customer_id = new FROM merged "
                "WHERE merchant = ? AND customer_id = old",
                (self._merchant,),
            )
            self._db.execute("DROP TABLE merged")

    def undone(self, gone: Iterable[tuple[str, str]]) -> None:
        """Let profiles that we made and deleted again (id, review key) be made anew.

        Lists and searches may show them for a while: they are kept under a later version than any
        they had, so that they are asked for by id. Doing it again changes nothing.
        """
        self._db.execute("CREATE TEMP TABLE gone (customer_id TEXT, key TEXT)")
        self._db.executemany("INSERT INTO gone VALUES (?, ?)", gone)
        self._db.execute(
            "UPDATE crosswalk SET customer_id = '' "
            "WHERE merchant = ? AND customer_id IN (SELECT customer_id FROM gone)",
            (self._merchant,),
        )
        self._db.execute(
            "INSERT INTO written SELECT ?, customer_id, ?, NULL, NULL, NULL, '{}' FROM gone "
            "WHERE true ON CONFLICT DO UPDATE SET version = excluded.version, "
            "reference_id = NULL, email = NULL, phone = NULL",
            (self._merchant, _NO_VERSION),
        )
        self._db.execute(
            "UPDATE reviews SET decision = 'create' WHERE merchant = ? "
            "AND (review_key, decision) IN (SELECT key, customer_id FROM gone)",
            (self._merchant,),
        )
        self._db.execute("DROP TABLE gone")

    def reviews(self, review_keys: Sequence[str]) -> dict[str, str]:
        """Return the decisions under these keys: "" while none was given.

        A decision is ``create``, ``skip`` or the id of a customer.
        """
        return dict(
            self._each(
                "SELECT review_key, decision FROM reviews "
                "WHERE merchant = ? AND review_key IN ({})",
                review_keys,
            )
        )

    def hold(self, review_keys: Iterable[str]) -> None:
        """Remember rows that need a decision; decisions already given stay."""
        self._db.executemany(
            "INSERT OR IGNORE INTO reviews VALUES (?, ?, '')",
            ((self._merchant, key) for key in review_keys),
        )

    def decide(self, decisions: Iterable[tuple[str, str]]) -> None:
        """Remember what a person decided."""
        self._db.executemany(
            "INSERT OR REPLACE INTO reviews VALUES (?, ?, ?)",
            ((self._merchant, key, decision) for key, decision in decisions),
        )

    def awaits_creates(self) -> bool:
        """Is there a decision to create that was not carried out yet?"""
        found = self._db.execute(
            "SELECT 1 FROM reviews WHERE merchant = ? AND decision = 'create' LIMIT 1",
            (self._merchant,),
        )
        return found.fetchone() is not None

    def fulfilled(self, created: Iterable[tuple[str, str]]) -> None:
        """Turn decisions to create, by review key, into the customers that were created."""
        self._db.executemany(
            "UPDATE reviews SET decision = ?3 "
            "WHERE merchant = ?1 AND review_key = ?2 AND decision = 'create'",
            ((self._merchant, key, customer_id) for key, customer_id in created),
        )

    # -- erased people -----------------------------------------------------------------------

    def find(self, person: Person) -> frozenset[str]:
        """Return the customers, of any merchant, that are known under these keys."""
        found = set(person.customers)
        for column, values in (
            ("reference_id", person.references),
            ("email", person.emails),
            ("phone", person.phones),
        ):
            for value in values:
                sql = f"SELECT customer_id FROM written WHERE {column} = ?"
                found.update(customer_id for (customer_id,) in self._db.execute(sql, (value,)))
        for part in _parts(person):
            sql = f"SELECT customer_id FROM crosswalk WHERE {_NAMES} AND customer_id <> ''"
            found.update(customer_id for (customer_id,) in self._db.execute(sql, (part,)))
        return frozenset(found)

    def erase(self, person: Person) -> int:
        """Forget everything that is known of a person; return how many entries that were."""
        self._db.execute("PRAGMA secure_delete = ON")
        before = self._db.total_changes
        with self.transaction():
            for customer_id in person.customers:
                for table, column in (
                    ("crosswalk", "customer_id"),
                    ("written", "customer_id"),
                    ("reviews", "decision"),
                ):
                    self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", (customer_id,))
            for part in _parts(person):
                self._db.execute(f"DELETE FROM crosswalk WHERE {_NAMES}", (part,))
                names = _NAMES.replace("source_key", "review_key")
                self._db.execute(f"DELETE FROM reviews WHERE {names}", (part,))
        forgotten = self._db.total_changes - before
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return forgotten

    def bury(self, digests: Iterable[str], erasure: str) -> None:
        """Remember, as keyed digests, the keys of somebody who was erased by one ``erasure``."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO erased VALUES (?, ?)",
                ((digest, erasure) for digest in digests),
            )

    def unbury(self, digests: Iterable[str]) -> int:
        """Forget erasures that left one of these digests; return how many digests go."""
        with self.transaction():
            return sum(
                self._db.execute(
                    "DELETE FROM erased WHERE erasure IN "
                    "(SELECT erasure FROM erased WHERE digest = ?)",
                    (digest,),
                ).rowcount
                for digest in digests
            )

    def erased(self) -> frozenset[str]:
        """Return the digests of the keys of erased people."""
        return frozenset(digest for (digest,) in self._db.execute("SELECT digest FROM erased"))

    def _each(self, sql: str, values: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(values), _PARAMETERS):
            chunk = values[start : start + _PARAMETERS]
            yield from self._db.execute(
                sql.format(",".join("?" * len(chunk))), (self._merchant, *chunk)
            )


def erased_people(ledger: Path, key: Path) -> ErasedPeople:
    """Return who was erased, of any merchant; ``key`` is the file that digests are made with."""
    if not (ledger.is_file() and key.is_file()):
        return NOBODY
    with closing(Ledger(ledger, "")) as opened:
        return ErasedPeople(key.read_bytes(), opened.erased())


# A source key holds this part, or is made of it and of names (``payload.review_key``).
_NAMES = "instr(source_key || '|', ?) > 0"


def _parts(person: Person) -> list[str]:
    """Return how the keys of a person stand in source keys (``payload.source_keys``)."""
    return [
        f"|{field}|{value}|"
        for field, values in (
            ("reference_id", person.references),
            ("email_address", person.emails),
            ("phone_number", person.phones),
        )
        for value in sorted(values)
    ]
