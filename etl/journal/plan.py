"""What of a plan was never sent, and what of that still stands?

Part of the journal. What was never sent can be undone and planned anew: all of it when an import
goes on, only the rows that moved when a plan is applied. A row is planned (1), or planned and to be
looked at again (2), or not planned yet (0).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from etl.journal.additions import Additions

# A call is held while a first batch is tried before all others.
_NEVER_SENT = "SELECT request FROM requests WHERE state IN ('planned', 'held')"


class Basis(NamedTuple):
    """What the plan of a row rests on: ``digest`` of the verdict, and what it came to."""

    digest: str
    outcome: str
    customer_id: str
    version: int | None


class Plan:
    """The plan of one journal, as long as it was not sent."""

    def __init__(self, connection: sqlite3.Connection, additions: Additions) -> None:
        self._db = connection
        self._additions = additions

    def undo(self) -> None:
        """Undo what was never sent, so that it can be made anew; the caller holds a transaction.

        Calls whose result is not known are kept: only the same key and bytes can settle them.
        """
        self._mark(self._never_sent())
        self._withdraw()

    def reconsider(self) -> None:
        """Let what was never sent be looked at again, without undoing it."""
        self._db.execute(f"UPDATE rows SET planned = 2 WHERE {self._never_sent()}")

    def rest_on(self, bases: Iterable[tuple[int, str]]) -> None:
        """Note of rows the digest of the verdict they are planned by."""
        self._db.executemany("UPDATE rows SET basis = ?2 WHERE row = ?1", bases)

    def reconsidered(self, first: int, last: int) -> dict[int, Basis]:
        """Return the rows from ``first`` to ``last`` that are planned and looked at again."""
        found = self._db.execute(
            "SELECT row, basis, outcome, customer_id, version FROM rows "
            "WHERE row BETWEEN ? AND ? AND planned = 2",
            (first, last),
        )
        return {row: Basis(*rest) for row, *rest in found}

    def moved(self, rows: Iterable[int]) -> None:
        """Gather rows whose plan does not stand any more."""
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS moved (row INTEGER PRIMARY KEY)")
        self._db.executemany("INSERT OR IGNORE INTO moved VALUES (?)", ((row,) for row in rows))

    def withdraw_moved(self) -> None:
        """Undo the plan of the rows that moved."""
        self.moved(())
        self._mark("row IN (SELECT row FROM moved)")
        self._db.execute("DROP TABLE moved")
        self._withdraw()

    def keep(self) -> None:
        """Let everything that was looked at again stand as it was planned."""
        self._db.execute("UPDATE rows SET planned = 1 WHERE planned = 2")

    # -- one batch before all others ---------------------------------------------------------

    def hold(self, size: int) -> list[int]:
        """Hold all calls but the first ``size`` writes of the first; return their rows."""
        self.release()
        found = self._db.execute(
            "SELECT request, endpoint, body FROM requests WHERE state = 'planned' "
            "ORDER BY request LIMIT 1"
        ).fetchone()
        if found is None:
            return []
        request, endpoint, body = found
        self._db.execute("UPDATE requests SET state = 'held' WHERE state = 'planned'")
        self._db.execute("UPDATE requests SET state = 'planned' WHERE request = ?", (request,))
        writes = self._db.execute(
            "SELECT number, row, key FROM writes WHERE request = ? ORDER BY number", (request,)
        ).fetchall()
        if later := writes[size:]:
            keys = {key for _, _, key in later}
            cursor = self._db.execute(
                "INSERT INTO requests (endpoint, body, state) VALUES (?, ?, 'held')",
                (endpoint, _holding(body, keys)),
            )
            self._db.executemany(
                "UPDATE writes SET request = ? WHERE number = ?",
                [(cursor.lastrowid, number) for number, _, _ in later],
            )
            self._without(request, body, keys)
        return [row for _, row, _ in writes[:size]]

    def release(self) -> None:
        """Let all calls go again."""
        self._db.execute("UPDATE requests SET state = 'planned' WHERE state = 'held'")

    # -- undoing -----------------------------------------------------------------------------

    def _never_sent(self) -> str:
        """Return the condition of the rows whose plan was not sent yet."""
        if not self._db.execute("SELECT 1 FROM requests WHERE sends > 0 LIMIT 1").fetchone():
            return "planned <> 0"
        again = (
            f"SELECT row FROM writes WHERE request IN ({_NEVER_SENT}) "
            # Rows that only wait for what is added beside their profile.
            "UNION SELECT row FROM additions JOIN rows USING (row) WHERE outcome = 'pending'"
        )
        return f"row IN ({again}) OR duplicate_of IN ({again})"

    def _mark(self, rows: str) -> None:
        self._db.execute("CREATE TEMP TABLE again (row INTEGER PRIMARY KEY)")
        self._db.execute(f"INSERT INTO again SELECT row FROM rows WHERE {rows}")

    def _withdraw(self) -> None:
        """Undo what is planned for the marked rows."""
        marked = "row IN (SELECT row FROM again)"
        self._db.execute(f"DELETE FROM reviews WHERE {marked}")
        self._db.execute(f"DELETE FROM problems WHERE planned = 1 AND {marked}")
        self._additions.unplan("SELECT row FROM again")
        self._shorten()
        self._db.execute(f"DELETE FROM writes WHERE {marked} AND request IN ({_NEVER_SENT})")
        self._db.execute(
            "DELETE FROM requests WHERE state IN ('planned', 'held') "
            "AND request NOT IN (SELECT request FROM writes)"
        )
        self._db.execute(
            "UPDATE rows SET outcome = 'pending', customer_id = '', matched_by = '', detail = '', "
            "duplicate_of = NULL, version = NULL, basis = '', planned = 0 "
            f"WHERE {marked}"
        )
        self._db.execute("DROP TABLE again")

    def _shorten(self) -> None:
        """Take the writes of the marked rows out of calls that keep others."""
        shared = self._db.execute(
            "SELECT request FROM writes LEFT JOIN again USING (row) "
            f"WHERE request IN ({_NEVER_SENT}) "
            "GROUP BY request HAVING count(again.row) BETWEEN 1 AND count(*) - 1"
        ).fetchall()
        for (request,) in shared:
            (body,) = self._db.execute(
                "SELECT body FROM requests WHERE request = ?", (request,)
            ).fetchone()
            gone = self._db.execute(
                "SELECT key FROM writes JOIN again USING (row) WHERE request = ?", (request,)
            )
            self._without(request, body, {key for (key,) in gone})

    def _without(self, request: int, body: bytes, keys: set[str]) -> None:
        kept = orjson.loads(body)["customers"].keys() - keys
        self._db.execute(
            "UPDATE requests SET body = ? WHERE request = ?", (_holding(body, kept), request)
        )


def _holding(body: bytes, keys: set[str]) -> bytes:
    """Return a bulk call with these entries only; what is left of it stays byte for byte."""
    entries = orjson.loads(body)["customers"]
    return orjson.dumps({"customers": {k: entry for k, entry in entries.items() if k in keys}})
