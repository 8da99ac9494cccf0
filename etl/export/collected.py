"""Where do profiles lie between Square and the file, and how far is their collection?

A private SQLite file. What a kill loses of it is read again; a profile is there once, in the newest
version that was seen. After an incremental export it stays, as the memory of what was exported.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import orjson

from etl.customers.normalize import email_key, phone_key
from etl.errors import Unavailable
from etl.export.windows import MILLISECOND, Window, microseconds
from etl.journal.database import connect, transaction
from etl.journal.erasure import Person
from etl.square.wire import Profile

_FORMAT = 1

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS windows (
    number INTEGER PRIMARY KEY, start INTEGER, "end" INTEGER NOT NULL, turn INTEGER NOT NULL,
    at INTEGER, count INTEGER, state TEXT NOT NULL DEFAULT 'open');
CREATE TABLE IF NOT EXISTS profiles (
    id TEXT PRIMARY KEY, created INTEGER NOT NULL, updated INTEGER NOT NULL,
    version INTEGER NOT NULL, turn INTEGER NOT NULL, profile BLOB, exported TEXT);
CREATE INDEX IF NOT EXISTS by_creation ON profiles (created, id);
CREATE TABLE IF NOT EXISTS gone (
    id TEXT PRIMARY KEY, exported INTEGER NOT NULL, became TEXT) WITHOUT ROWID;
PRAGMA user_version = {_FORMAT};
"""

# What of a profile tells that it was exported as it is.
_STAMP = "version || '@' || updated"

_WINDOW = 'number, start, "end", turn, at, count'

# Profiles in a batch.
_BATCH = 4096


class Collected:
    """The profiles of one export, and the windows they are read in."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Use an open file; ``open`` makes one."""
        self.db = db
        db.executescript(_SCHEMA)
        # What is lost in a power cut is read again; what is removed is people's data.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON")

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open or begin the file at ``path``; one of another version of this program is begun anew.

        Raises sqlite3.DatabaseError for a damaged one.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = connect(path)
        path.chmod(0o600)
        with closing(db):
            if db.execute("PRAGMA user_version").fetchone()[0] not in (0, _FORMAT):
                db.close()
                discard(path)
                db = connect(path)
            with closing(db):
                yield cls(db)

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside durable together, or none of it."""
        return transaction(self.db)

    # -- facts -------------------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        """Return a fact, None if it was never noted."""
        found = self.db.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return found and str(found[0])

    def note(self, **facts: str) -> None:
        """Note facts, or other values of known ones."""
        self.db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    # -- windows -----------------------------------------------------------------------------

    def windows(self, *states: str) -> list[Window]:
        """Return the windows in these states (any, if none is named), in the order of time."""
        among = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        found = self.db.execute(f'SELECT {_WINDOW} FROM windows {among} ORDER BY "end"', states)
        return [Window(*row) for row in found]

    def add_window(self, start: int | None, end: int, turn: int = 0, state: str = "open") -> Window:
        """Begin a window."""
        number = self.db.execute(
            'INSERT INTO windows (start, "end", turn, state) VALUES (?, ?, ?, ?)',
            (start, end, turn, state),
        ).lastrowid
        assert number is not None
        return Window(number, start, end, turn)

    def split(self, window: Window, middle: int) -> list[Window]:
        """Replace a window by its two halves."""
        self.db.execute("DELETE FROM windows WHERE number = ?", [window.number])
        return [
            self.add_window(window.start, middle, window.turn),
            self.add_window(middle, window.end, window.turn),
        ]

    def advance(self, window: Window, state: str = "open") -> None:
        """Note how far a window was read."""
        self.db.execute(
            "UPDATE windows SET at = ?, count = ?, turn = ?, state = ? WHERE number = ?",
            (window.at, window.count, window.turn, state, window.number),
        )

    def is_within(self, window: Window, count: int) -> bool:
        """Tell whether ``count`` can be the number of profiles that were read in a window.

        Whoever was created in the very moment of a bound may belong to it or not.
        """
        inside, touching = (
            self.db.execute(
                f"SELECT count(*) FROM profiles WHERE created {after} ? AND created {before} ? "
                "AND turn >= ?",
                (-(2**62) if window.start is None else window.start, window.end, window.turn),
            ).fetchone()[0]
            for after, before in ((">", "<"), (">=", "<="))
        )
        return bool(inside <= count <= touching)

    def cut(self, size: int) -> None:
        """Replace the windows, which are complete, by others of about ``size`` profiles."""
        start, last = self.db.execute(
            'SELECT nullif(min(coalesce(start, -1)), -1), max("end") FROM windows'
        ).fetchone()
        ends, held, before = [], 0, last
        for (created,) in self.db.execute(
            "SELECT created FROM profiles WHERE created < ? ORDER BY created", [last]
        ):
            # Nobody may lie on a bound: Square could count them or not, and hide that one is gone.
            if held >= size and created - before >= 2 * MILLISECOND:
                ends.append(before + MILLISECOND)
                held = 0
            held, before = held + 1, created
        self.db.execute("DELETE FROM windows")
        for end in [*ends, last]:
            self.add_window(start, end, state="read")
            start = end

    # -- profiles ----------------------------------------------------------------------------

    def keep(self, profiles: Sequence[Profile], turn: int) -> int:
        """Keep profiles as Square sent them; return how many of them were not known yet.

        Raises Unavailable for one whose times cannot be read.
        """
        ids = list({profile["id"] for profile in profiles})
        among = ", ".join("?" * len(ids))
        (known,) = self.db.execute(
            f"SELECT count(*) FROM profiles WHERE id IN ({among})", ids
        ).fetchone()
        self.db.executemany(
            "INSERT INTO profiles VALUES (?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET "
            "turn = max(turn, excluded.turn), "
            "profile = iif((excluded.version, excluded.updated) >= (version, updated), "
            "excluded.profile, profile), "
            "created = excluded.created, updated = max(updated, excluded.updated), "
            "version = max(version, excluded.version)",
            (_row(profile, turn) for profile in profiles),
        )
        return len(ids) - int(known)

    def size(self) -> int:
        """Return how many profiles are kept."""
        return int(self.db.execute("SELECT count(*) FROM profiles").fetchone()[0])

    def seen_until(self, now: int) -> int:
        """Return until when changes were seen: by an earlier increment, else now."""
        seen = self.fact("seen")
        (newest,) = self.db.execute("SELECT max(updated) FROM profiles").fetchone()
        return now if seen is None or newest is None else min(microseconds(seen), int(newest))

    def drop_unseen(self, window: Window) -> None:
        """Drop whoever was in a window at an earlier reading and was not seen at its last one."""
        where = "created > ? AND created < ? AND turn < ?"
        told = (-(2**62) if window.start is None else window.start, window.end, window.turn)
        self.db.execute(
            "INSERT OR REPLACE INTO gone "
            f"SELECT id, exported IS NOT NULL, NULL FROM profiles WHERE {where}",
            told,
        )
        self.db.execute(f"DELETE FROM profiles WHERE {where}", told)

    def batches(self, size: int = _BATCH) -> Iterator[list[Profile]]:
        """Yield the profiles that were not exported as they are, in the order of their creation."""
        for rows in self._batches("created, id, profile", size):
            yield [orjson.loads(profile) for _, _, profile in rows]

    def ids(self, size: int = _BATCH) -> Iterator[list[str]]:
        """Yield the ids of what ``batches`` yields."""
        for rows in self._batches("created, id", size):
            yield [id for _, id in rows]

    def _batches(self, columns: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        at: tuple[Any, ...] = (-(2**62), "")
        while rows := self.db.execute(
            f"SELECT {columns} FROM profiles WHERE (created, id) > (?, ?) "
            f"AND exported IS NOT {_STAMP} ORDER BY created, id LIMIT {size}",
            at,
        ).fetchall():
            yield rows
            at = rows[-1][:2]

    # -- who is gone, and what increments remember -------------------------------------------

    def gone(self, most: int) -> list[str]:
        """Return ids of profiles that were dropped and not looked up yet."""
        found = self.db.execute("SELECT id FROM gone WHERE became IS NULL LIMIT ?", [most])
        return [id for (id,) in found]

    def resolve(self, became: Mapping[str, str]) -> None:
        """Note what became of profiles that were dropped."""
        self.db.executemany("UPDATE gone SET became = ?2 WHERE id = ?1", [*became.items()])

    def deletions(self) -> Iterator[tuple[str, str]]:
        """Yield the exported profiles that are gone by id, and the id that theirs leads to."""
        yield from self.db.execute("SELECT id, became FROM gone WHERE exported ORDER BY id")

    def begin_anew(self) -> None:
        """Have everything read and exported once more, as far as it is still there."""
        self.db.execute("DELETE FROM facts")
        self.db.execute("UPDATE profiles SET exported = '' WHERE exported IS NOT NULL")
        self.db.execute(
            "UPDATE windows SET state = 'open', at = NULL, count = NULL, "
            "turn = 1 + (SELECT max(turn) FROM windows)"
        )

    def remember_exported(self) -> None:
        """Remember that everything was exported as it is; of the people only their ids stay."""
        self.db.execute(f"UPDATE profiles SET exported = {_STAMP}, profile = NULL, turn = 0")
        self.db.execute("DELETE FROM gone")
        self.db.execute("DELETE FROM facts WHERE name <> 'seen'")


def discard(path: Path) -> None:
    """Remove a collection that is not needed any more, or cannot be read."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def holds(path: Path, person: Person) -> bool:
    """Tell whether profiles are kept that hold somebody's email or phone, or have their id.

    After an increment ids stay, without anything else: the next one tells that they are gone.
    """
    with closing(connect(path)) as db:
        kept = db.execute("SELECT profile FROM profiles WHERE profile IS NOT NULL")
        return any(_is(orjson.loads(profile), person) for (profile,) in kept)


def _is(profile: Profile, person: Person) -> bool:
    return (
        profile["id"] in person.customers
        or profile.get("reference_id") in person.references
        or email_key(profile.get("email_address")) in person.emails
        # Valid international numbers are read the same wherever they belong.
        or phone_key(profile.get("phone_number"), "US") in person.phones
    )


def _row(profile: Profile, turn: int) -> tuple[str, int, int, int, int, bytes]:
    try:
        created = microseconds(profile["created_at"])
        updated = microseconds(profile.get("updated_at") or profile["created_at"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(
            f"Square sent the profile {profile['id']} without times that can be read, so that "
            "nothing can prove that all profiles were found"
        ) from error
    version = profile.get("version")
    return (
        profile["id"],
        created,
        updated,
        version if isinstance(version, int) else 0,
        turn,
        orjson.dumps(profile),
    )
