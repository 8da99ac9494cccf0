"""Which copy of the seller's directory stays between runs, and is it still whole?

A DuckDB file of the state folder. It is filled by paging the directory once; later it takes only
what changed since, by ``updated_at``. It holds nothing but what lists and searches show, so that
its number of profiles can be held against the directory's: a difference tells of deletions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import phonenumbers

from etl.directory import profiles
from etl.journal.erasure import Person

_FORMAT = "2"

# Seconds that are read again at every refresh. Lists and searches are behind by up to a minute or
# longer during incidents (ListCustomers and SearchCustomers reference).
_OVERLAP = 600.0

# The share of profiles that are gone, nobody knows which, at which paging anew is worth its calls.
_MOST_GONE = 0.01


def discard(path: Path) -> None:
    """Remove a copy that cannot be read: the next use pages the directory anew."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)


def holds(path: Path, person: Person) -> bool:
    """Tell whether a copy knows somebody; one that cannot be read may."""
    try:
        with closing(duckdb.connect(str(path))) as db:
            (found,) = db.execute(
                "SELECT count(*) FROM profiles WHERE id IN (SELECT unnest(?::VARCHAR[])) "
                "OR reference_id IN (SELECT unnest(?::VARCHAR[])) "
                "OR email IN (SELECT unnest(?::VARCHAR[])) "
                "OR phone IN (SELECT unnest(?::VARCHAR[]))",
                [
                    sorted(keys)
                    for keys in (person.customers, person.references, person.emails, person.phones)
                ],
            ).fetchall()
    except duckdb.Error:
        return True
    return bool(found[0])


class Kept:
    """The copy of one seller's directory that stays in the state folder."""

    def __init__(self, db: duckdb.DuckDBPyConnection, region: str) -> None:
        """Use an open file; ``open`` makes one."""
        self._db = db
        self._region = region
        db.execute("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT)")
        # Keys are made by phonenumbers: another release may make others.
        made_by = f"{_FORMAT} {region} {phonenumbers.__version__}"
        if self._fact("made_by") != made_by:
            self._begin_anew()
            self._note(made_by=made_by)

    @classmethod
    @contextmanager
    def open(cls, path: Path, region: str) -> Iterator[Self]:
        """Open or begin the copy at ``path``; ``region`` is where national phones belong.

        The caller has reserved it. Damage may show here or at any use: raises duckdb.Error, and
        ``discard`` helps.
        """
        db = profiles.connect(path)
        with closing(db):
            yield cls(db, region)

    @property
    def complete_until(self) -> str | None:
        """From when on changes may be missing (RFC 3339); None while it is not whole."""
        return self._fact("complete_until")

    @property
    def agreed_until(self) -> str | None:
        """From when on profiles may be gone that are kept (RFC 3339), as the count told last."""
        return self._fact("agreed_until")

    def known(self, ids: Sequence[str]) -> list[str]:
        """Return those of these ids under which a profile is kept."""
        found = self._db.execute("SELECT id FROM profiles WHERE id IN (SELECT unnest(?))", [ids])
        return [id for (id,) in found.fetchall()]

    def count(self) -> int:
        """Return how many profiles are kept."""
        ((count,),) = self._db.execute("SELECT count(*) FROM profiles").fetchall()
        return int(count)

    def fill(self, found: Iterable[Mapping[str, Any]], asked_at: float | None) -> None:
        """Begin anew with all profiles of the directory.

        ``asked_at`` is Square's Unix time before the first of them was asked for; without it the
        copy serves one run only.
        """
        self._begin_anew()
        profiles.keep(self._db, found, self._region)
        self._complete(asked_at)

    def refresh(self, found: Iterable[Mapping[str, Any]], asked_at: float | None) -> None:
        """Take all profiles that changed since ``complete_until``."""
        self._db.execute("BEGIN")
        try:
            if self.agreed_until is None and (since := self.complete_until):
                self._note(agreed_until=since)
            profiles.keep(self._db, found, self._region)
            self._complete(asked_at)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def surplus(self, size: int) -> int | None:
        """Return how many profiles are kept that are gone, of a directory that lists ``size``.

        None tells that some are missing, whatever the reason: fewer are too many than were known
        to be. It does not tell which ones are gone.
        """
        found = self.count() - size
        if found == 0:
            self._agree()
        return found if found >= int(self._fact("surplus") or 0) else None

    def drop(self, ids: Sequence[str], surplus: int) -> None:
        """Forget profiles that were found to be gone, of ``surplus`` that are.

        When many of the rest are, the copy is not used another time.
        """
        profiles.drop(self._db, ids)
        left = max(0, surplus - len(ids))
        self._note(surplus=str(left))
        if left == 0:
            self._agree()
        if left > _MOST_GONE * self.count():
            self._db.execute("DELETE FROM facts WHERE name = 'complete_until'")

    def _agree(self) -> None:
        if until := self.complete_until:
            self._note(agreed_until=until)

    def _complete(self, asked_at: float | None) -> None:
        if asked_at is not None:
            until = datetime.fromtimestamp(asked_at - _OVERLAP, UTC)
            self._note(complete_until=until.isoformat(timespec="seconds").replace("+00:00", "Z"))

    def _begin_anew(self) -> None:
        self._db.execute(
            "DELETE FROM facts WHERE name IN ('complete_until', 'agreed_until', 'surplus')"
        )
        self._db.execute("DROP TABLE profiles")
        profiles.create_table(self._db, "profiles", profiles.PROFILES)

    def _fact(self, name: str) -> str | None:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return str(found[0]) if found else None

    def _note(self, **facts: str) -> None:
        self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(facts.items()))
