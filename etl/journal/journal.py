"""What did one run read, decide, send and hear?

One SQLite file per run, the source of every report. Nothing is sent that is not in here first
(write-ahead log, ``synchronous = FULL``); a run that was killed goes on from here.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import orjson
import pyarrow as pa

from etl.customers.problems import Problem
from etl.errors import StateError
from etl.journal import additions, timeline, undoing
from etl.journal.additions import Additions
from etl.journal.database import connect, into_one_file, is_passing, transaction
from etl.journal.erasure import Erasure
from etl.journal.plan import Plan
from etl.journal.records import (
    Amendment,
    Batch,
    Check,
    Endpoint,
    Landed,
    Originals,
    Packed,
    Request,
    Review,
    RowChange,
    Rows,
    Run,
    Stage,
    Write,
    rejected,
    skipped,
    unpacked,
)
from etl.journal.timeline import Timeline
from etl.journal.undoing import Undoing

FORMAT = "8"


_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
    source INTEGER PRIMARY KEY, facts TEXT NOT NULL, rows INTEGER NOT NULL DEFAULT 0,
    mapping TEXT NOT NULL, evidence TEXT NOT NULL DEFAULT 'null');
CREATE TABLE batches (
    batch INTEGER PRIMARY KEY, source INTEGER NOT NULL, first_row INTEGER NOT NULL,
    rows INTEGER NOT NULL, lines BLOB NOT NULL, found BLOB NOT NULL, cells BLOB NOT NULL,
    kept BLOB);
CREATE INDEX batches_by_row ON batches (first_row);
CREATE TABLE checks (
    batch INTEGER PRIMARY KEY, rejected INTEGER NOT NULL, skipped INTEGER NOT NULL,
    found BLOB NOT NULL, customers BLOB, belongings BLOB);
CREATE TABLE rows (
    row INTEGER PRIMARY KEY, batch INTEGER NOT NULL, line INTEGER NOT NULL,
    source_key TEXT NOT NULL, outcome TEXT NOT NULL, customer_id TEXT NOT NULL DEFAULT '',
    matched_by TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '', duplicate_of INTEGER,
    planned INTEGER NOT NULL DEFAULT 0, version INTEGER, basis TEXT NOT NULL DEFAULT '');
CREATE INDEX rows_failed ON rows (row) WHERE outcome = 'failed';
CREATE TABLE problems (
    row INTEGER NOT NULL, effect TEXT NOT NULL, code TEXT NOT NULL, field TEXT NOT NULL,
    message TEXT NOT NULL, suggestion TEXT NOT NULL, planned INTEGER NOT NULL DEFAULT 0);
CREATE INDEX problems_by_row ON problems (row);
CREATE TABLE reviews (
    row INTEGER PRIMARY KEY, review_key TEXT NOT NULL, candidates TEXT NOT NULL,
    related TEXT NOT NULL, hints TEXT NOT NULL);
CREATE TABLE decisions (review_key TEXT PRIMARY KEY, decision TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE requests (
    request INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'planned',
    sends INTEGER NOT NULL DEFAULT 0, sent_at REAL, endpoint TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX requests_by_state ON requests (state, request);
CREATE TABLE writes (
    number INTEGER PRIMARY KEY, row INTEGER NOT NULL, action TEXT NOT NULL, key TEXT NOT NULL,
    customer_id TEXT NOT NULL, version INTEGER, generation INTEGER NOT NULL,
    request INTEGER NOT NULL, tries INTEGER NOT NULL, uncertain INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    verified TEXT NOT NULL DEFAULT '', intent TEXT NOT NULL, changes TEXT NOT NULL,
    before TEXT NOT NULL);
CREATE INDEX writes_by_request ON writes (request);
CREATE INDEX writes_by_row ON writes (row);
CREATE INDEX writes_unverified ON writes (number) WHERE state = 'landed' AND verified = '';
CREATE INDEX writes_mismatched ON writes (number) WHERE verified = 'mismatched';
CREATE TABLE amendments (
    number INTEGER PRIMARY KEY, row INTEGER NOT NULL, run_id TEXT NOT NULL, line INTEGER NOT NULL,
    outcome TEXT NOT NULL, customer_id TEXT NOT NULL, matched_by TEXT NOT NULL,
    detail TEXT NOT NULL, codes TEXT NOT NULL, duplicate_of INTEGER, UNIQUE (row, run_id));
CREATE TABLE calls (
    endpoint TEXT PRIMARY KEY, calls INTEGER NOT NULL, retries INTEGER NOT NULL,
    rate_limited INTEGER NOT NULL, errors INTEGER NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE seconds (stage TEXT PRIMARY KEY, seconds REAL NOT NULL) WITHOUT ROWID;
"""


class Journal:
    """One run's durable record. Create or open it, then read and write through its methods."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._called = deque[tuple[str, bool, bool, bool, float]]()
        self.additions = Additions(connection)
        self.plan = Plan(connection, self.additions)
        self.undoing = Undoing(connection)
        self.timeline = Timeline(connection)
        self.erasure = Erasure(self, connection)

    @classmethod
    def create(cls, path: Path, run: Run, sources: Sequence[tuple[str, str]]) -> Self:
        """Begin a journal; ``sources`` are (facts, mapping) as JSON, in the command's order.

        It gets its name when it is complete: a run killed before that never began.
        """
        with closing(connect(_unnamed(path))) as connection:
            with transaction(connection):
                # executescript would commit by itself
                for statement in (
                    _SCHEMA + additions.SCHEMA + undoing.SCHEMA + timeline.SCHEMA
                ).split(";\n"):
                    connection.execute(statement)
                facts = {**asdict(run), "format": FORMAT, "stage": "read"}
                connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
                connection.executemany(
                    "INSERT INTO sources (source, facts, mapping) VALUES (?, ?, ?)",
                    [(number, *source) for number, source in enumerate(sources)],
                )
            into_one_file(connection)
        _name(path)
        return cls.open(path)

    def carry_on(self, path: Path, run: Run) -> None:
        """Begin the journal of a run that carries out the plan of this one, which stays as it is.

        Every row is to be looked at again before anything is sent.
        """
        with closing(connect(_unnamed(path))) as connection:
            self._db.backup(connection)
            with transaction(connection):
                connection.execute("DELETE FROM facts")
                facts = {**asdict(run), "format": FORMAT, "stage": "plan"}
                connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
                for table in ("calls", "seconds", "timeline"):
                    connection.execute(f"DELETE FROM {table}")
                Plan(connection, Additions(connection)).reconsider()
            into_one_file(connection)
        _name(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing journal.

        Raises StateError when it is missing, not a journal, or from another version.
        """
        if not path.is_file():
            raise StateError(f"there is no journal at {path}")
        try:
            journal = cls(path, connect(path))
            found = journal.facts().get("format")
        except sqlite3.DatabaseError as error:
            if is_passing(error):
                raise
            raise StateError(f"{path} is not a usable journal: {error}") from error
        if found != FORMAT:
            raise StateError(f"{path} has journal format {found}, this version reads {FORMAT}")
        return journal

    def close(self) -> None:
        """Close the file."""
        self._keep_calls()
        self._db.close()

    def amend(self, outcomes: Iterable[Amendment]) -> None:
        """Add what became of rows in a later run; what was added before stays as it is."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO amendments VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                outcomes,
            )

    def amendments(self, first: int = 0, last: int = 2**62) -> dict[int, list[Amendment]]:
        """Return what became of rows in later runs, the oldest first."""
        found: dict[int, list[Amendment]] = {}
        for _, *told in self._db.execute(
            "SELECT * FROM amendments WHERE row BETWEEN ? AND ? ORDER BY number", (first, last)
        ):
            found.setdefault(told[0], []).append(Amendment(*told))
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside durable together, or none of it."""
        try:
            with transaction(self._db):
                yield
                self._keep_calls()
        except BaseException:
            self.timeline.again()
            raise

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Let transactions inside reach the disk together with the first one after.

        They outlive this process at once; only a failing machine could lose the last of them, and
        then a resume does that work again. For what nothing is sent on the strength of.
        """
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self._db.execute("PRAGMA synchronous = FULL")

    # -- what the run is ---------------------------------------------------------------------

    def facts(self) -> dict[str, str]:
        """Return everything noted about the run as a whole."""
        return dict(self._db.execute("SELECT name, value FROM facts"))

    def run(self) -> Run:
        """Return what the run is about."""
        facts = self.facts()
        return Run(**{name: facts[name] for name in Run.__slots__ if name in facts})  # type: ignore[arg-type]

    def note(self, **facts: str) -> None:
        """Set facts about the run as a whole."""
        places = ", ".join(["(?, ?)"] * len(facts))
        self._db.execute(
            f"INSERT OR REPLACE INTO facts VALUES {places}",
            [each for fact in facts.items() for each in fact],
        )

    @property
    def stage(self) -> Stage:
        """The stage that is under way; everything before it is complete."""
        return self.facts()["stage"]  # type: ignore[return-value]

    def sources(self) -> list[dict[str, Any]]:
        """Return the sources: ``source, facts, mapping, evidence`` decoded, and ``rows``."""
        return [
            {
                "source": source,
                "facts": orjson.loads(facts),
                "mapping": orjson.loads(mapping),
                "evidence": orjson.loads(evidence),
                "rows": rows,
            }
            for source, facts, rows, mapping, evidence in self._db.execute(
                "SELECT source, facts, rows, mapping, evidence FROM sources ORDER BY source"
            )
        ]

    def spent(self, stage: str, seconds: float) -> None:
        """Add to the time a stage has taken."""
        self._db.execute(
            "INSERT INTO seconds VALUES (?1, ?2) "
            "ON CONFLICT (stage) DO UPDATE SET seconds = seconds + ?2",
            (stage, seconds),
        )

    def called(
        self, endpoint: str, status: int | None, seconds: float, *, retry: bool, rate_limited: bool
    ) -> None:
        """Count one attempt of a call to Square, in any thread; kept with the next transaction.

        ``status`` is None where no usable answer came.
        """
        error = status is None or status >= 400
        self._called.append((endpoint, retry, rate_limited, error, seconds))
        self.timeline.called(
            endpoint, status, seconds, retry=retry, rate_limited=rate_limited, error=error
        )

    def calls(self) -> list[tuple[str, int, int, int, int, float]]:
        """Return, by endpoint, the attempts: how many, retries, 429s, errors, and seconds."""
        self._keep_calls()
        return list(self._db.execute("SELECT * FROM calls ORDER BY endpoint"))

    def sent_anything(self) -> bool:
        """Has any call that writes left, or was about to?"""
        found = self._db.execute(
            "SELECT 1 FROM requests WHERE sends > 0 UNION SELECT 1 FROM deliveries "
            "UNION SELECT 1 FROM made UNION SELECT 1 FROM removals WHERE state <> 'planned' LIMIT 1"
        )
        return found.fetchone() is not None

    def _keep_calls(self) -> None:
        while self._called:
            self._db.execute(
                "INSERT INTO calls VALUES (?1, 1, ?2, ?3, ?4, ?5) ON CONFLICT (endpoint) "
                "DO UPDATE SET calls = calls + 1, retries = retries + ?2, "
                "rate_limited = rate_limited + ?3, errors = errors + ?4, seconds = seconds + ?5",
                self._called.popleft(),
            )
        self.timeline.keep()

    # -- reading -----------------------------------------------------------------------------

    def forget_rows(self, first: int = 0) -> None:
        """Drop what a reading left from a row on, so that it can begin anew there."""
        for table in ("checks", "batches"):
            self._db.execute(
                f"DELETE FROM {table} WHERE batch IN "
                "(SELECT batch FROM batches WHERE first_row >= ?)",
                (first,),
            )

    def add_batch(self, source: int, first_row: int, rows: Rows) -> Batch:
        """Keep one batch as it was read."""
        inserted = self._db.execute(
            "INSERT INTO batches (source, first_row, rows, lines, found, cells, kept) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (source, first_row, *rows),
        )
        self.timeline.add(read=rows.rows)
        return Batch(inserted.lastrowid or 0, source, first_row, _lines(rows.lines))

    def move_sources(self, facts: Sequence[str]) -> None:
        """Take new facts (JSON) of the same sources, which lie elsewhere now."""
        self._db.executemany(
            "UPDATE sources SET facts = ? WHERE source = ?",
            [(each, number) for number, each in enumerate(facts)],
        )

    def finish_source(self, source: int, rows: int, evidence: Any) -> None:
        """Note how many rows a source holds and what its columns prove."""
        self._db.execute(
            "UPDATE sources SET rows = ?, evidence = ? WHERE source = ?",
            (rows, orjson.dumps(evidence).decode(), source),
        )

    def batches(self, *, unchecked: bool = False) -> Iterator[Batch]:
        """Yield the batches in order; ``unchecked`` only those that were not checked yet."""
        where = "WHERE batch NOT IN (SELECT batch FROM checks)" if unchecked else ""
        numbers = [n for (n,) in self._db.execute(f"SELECT batch FROM batches {where}")]
        return (self.batch(number) for number in numbers)

    def batch(self, number: int) -> Batch:
        """Return one batch."""
        source, first_row, lines = self._db.execute(
            "SELECT source, first_row, lines FROM batches WHERE batch = ?", (number,)
        ).fetchone()
        return Batch(number, source, first_row, _lines(lines))

    def cells(self, batch: Batch) -> pa.RecordBatch:
        """Return the rows of a batch as they were read, in their original columns.

        Raises LookupError for a validation, which does not keep them all: see ``originals``.
        """
        found = self.originals(batch)
        if found.kept is not None:
            raise LookupError(f"of batch {batch.batch} only {len(found.kept)} rows were kept")
        return found.cells

    def originals(self, batch: Batch) -> Originals:
        """Return the rows of a batch that were kept as they were read."""
        return self.packed(batch).originals()

    def customers(self, batch: Batch) -> pa.RecordBatch:
        """Return the rows of a checked batch as customers (``CUSTOMERS``)."""
        return unpacked(self._kept(batch, "customers", "checks")).to_batches()[0]

    def belongings(self, batch: Batch) -> pa.RecordBatch | None:
        """Return what rows of a checked batch want beside profiles, None if no column says."""
        kept = self._kept(batch, "belongings", "checks")
        return None if kept is None else unpacked(kept).to_batches()[0]

    def found(self, batch: Batch) -> pa.Table:
        """Return the problems (``PROBLEMS``) that reading and checking found in a batch."""
        return unpacked(self._found(batch))

    def packed(self, batch: Batch) -> Packed:
        """Return cells and problems of a batch for another process to unpack."""
        (kept,) = self._db.execute(
            "SELECT kept FROM batches WHERE batch = ?", (batch.batch,)
        ).fetchone()
        return Packed(batch, self._kept(batch, "cells", "batches"), kept, self._found(batch))

    def _found(self, batch: Batch) -> pa.Buffer:
        checked = self._db.execute("SELECT 1 FROM checks WHERE batch = ?", (batch.batch,))
        return self._kept(batch, "found", "checks" if checked.fetchone() else "batches")

    def _kept(self, batch: Batch, column: str, table: str) -> pa.Buffer | None:
        (data,) = self._db.execute(
            f"SELECT {column} FROM {table} WHERE batch = ?", (batch.batch,)
        ).fetchone()
        return None if data is None else pa.py_buffer(data)

    # -- checking ----------------------------------------------------------------------------

    def check_batch(self, batch: Batch, check: Check) -> None:
        """Keep what the check of a batch came to."""
        self._db.execute("INSERT INTO checks VALUES (?, ?, ?, ?, ?, ?)", (batch.batch, *check))
        self.timeline.add(checked=len(batch.lines))

    def has_rows(self) -> bool:
        """Tell whether the rows were entered, so that each has an outcome of its own."""
        return self._db.execute("SELECT 1 FROM rows LIMIT 1").fetchone() is not None

    def enter_rows(self, batch: Batch, source_keys: Iterable[str]) -> None:
        """Enter the rows of a checked batch: those that may go on are ``pending``."""
        found = self.found(batch)
        refused, left = rejected(found), skipped(found)

        def entered(at: int) -> tuple[str, str]:
            if at in left:
                return "skipped", left[at]
            return ("rejected" if at in refused else "pending"), ""

        self._db.executemany(
            "INSERT INTO rows (row, batch, line, source_key, outcome, detail) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                (batch.first_row + at, batch.batch, line, key, *entered(at))
                for at, (line, key) in enumerate(
                    zip(batch.lines.to_pylist(), source_keys, strict=True)
                )
            ),
        )

    def add_problems(self, problems: Iterable[Problem], *, planned: bool = False) -> None:
        """Note problems found after the check; ``row`` is the number in the whole run."""
        self._db.executemany(
            "INSERT INTO problems VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((*problem, planned) for problem in problems),
        )

    def problems(self, first: int, last: int) -> list[Problem]:
        """Return what was found after the check in rows ``first`` to ``last``, in order."""
        found = self._db.execute(
            "SELECT row, effect, code, field, message, suggestion FROM problems "
            "WHERE row BETWEEN ? AND ? ORDER BY row, rowid",
            (first, last),
        )
        return [Problem(*values) for values in found]

    def add_decisions(self, decisions: Mapping[str, str]) -> None:
        """Keep what a fed-back review file decides: review key → decision."""
        self._db.executemany("INSERT OR REPLACE INTO decisions VALUES (?, ?)", decisions.items())

    def decisions(self) -> dict[str, str]:
        """Return what this run's sources decide."""
        return dict(self._db.execute("SELECT review_key, decision FROM decisions"))

    # -- planning ----------------------------------------------------------------------------

    def change_rows(self, changes: Iterable[RowChange]) -> None:
        """Set new outcomes."""
        self._db.executemany(
            "UPDATE rows SET outcome = ?2, customer_id = ?3, "
            "matched_by = coalesce(nullif(?4, ''), matched_by), detail = ?5, "
            "duplicate_of = coalesce(?6, duplicate_of), version = coalesce(?7, version), "
            "planned = 1 WHERE row = ?1",
            changes,
        )

    def follow(self) -> None:
        """Let every duplicate share the fate of the row that carries its write.

        It has the carrier's customer; if the carrier was rejected or failed, so is the duplicate,
        for the same reasons, because its values reached nobody.
        """
        carriers = "(SELECT {} FROM rows AS carrier WHERE carrier.row = rows.duplicate_of)"
        lost = (
            "outcome = 'duplicate' AND duplicate_of IN "
            "(SELECT row FROM rows WHERE outcome IN ('rejected', 'failed'))"
        )
        self._db.execute(
            "INSERT INTO problems SELECT rows.row, effect, code, field, message, suggestion, 1 "
            f"FROM rows JOIN problems ON problems.row = duplicate_of AND effect = 'reject' "
            f"WHERE {lost}"
        )
        self._db.execute(
            f"UPDATE rows SET outcome = {carriers.format('outcome')}, "
            f"detail = {carriers.format('detail')} WHERE {lost}"
        )
        self._db.execute(
            f"UPDATE rows SET customer_id = {carriers.format('customer_id')} "
            "WHERE outcome = 'duplicate'"
        )

    def add_reviews(self, reviews: Iterable[Review]) -> None:
        """Note who rows could be."""
        self._db.executemany(
            "INSERT OR REPLACE INTO reviews VALUES (?, ?, ?, ?, ?)",
            ((*review[:2], *(_json(list(each)) for each in review[2:])) for review in reviews),
        )

    def add_request(
        self,
        endpoint: Endpoint,
        body: bytes,
        writes: Iterable[Write],
        *,
        sent_at: float | None = None,
    ) -> None:
        """Plan one bulk call; its bytes are fixed here and read back before each sending.

        ``sent_at``: its writes may have been done already, by a call of that Unix time, so this one
        counts as sent.
        """
        cursor = self._db.execute(
            "INSERT INTO requests (endpoint, body, state, sent_at) VALUES (?, ?, ?, ?)",
            (endpoint, body, "planned" if sent_at is None else "sent", sent_at),
        )
        self._db.executemany(
            "INSERT INTO writes (row, action, key, customer_id, version, generation, intent, "
            f"changes, before, tries, uncertain, request) VALUES ({', '.join('?' * 12)})",
            (
                (
                    write.row,
                    write.action,
                    write.key,
                    write.customer_id,
                    write.version,
                    write.generation,
                    _json(write.intent),
                    _json(write.changes),
                    _json(write.before),
                    write.tries,
                    write.uncertain,
                    cursor.lastrowid,
                )
                for write in writes
            ),
        )

    # -- loading -----------------------------------------------------------------------------

    def next_request(self, after: int = 0, *, sent_only: bool = False) -> Request | None:
        """Return the first bulk call behind ``after`` that is not answered."""
        found = [
            self._db.execute(
                "SELECT request, endpoint, body, sends, sent_at FROM requests WHERE state = ? "
                "AND request > ? ORDER BY request LIMIT 1",
                (state, after),
            ).fetchone()
            for state in (("sent",) if sent_only else ("sent", "planned"))
        ]
        return min((Request(*each) for each in found if each), default=None)

    def sending(self, request: Request, now: float) -> None:
        """Note that a call is about to be sent: from now on its writes are ``unknown``."""
        self._db.execute(
            "UPDATE requests SET state = 'sent', sends = sends + 1, "
            "sent_at = coalesce(sent_at, ?) WHERE request = ?",
            (now, request.request),
        )
        self._db.execute(
            "UPDATE rows SET outcome = 'unknown' WHERE row IN "
            "(SELECT row FROM writes WHERE request = ? AND state = 'open')",
            (request.request,),
        )

    def answered(self, request: Request) -> None:
        """Note that nothing more is expected of a call."""
        self._db.execute(
            "UPDATE requests SET state = 'answered' WHERE request = ?", (request.request,)
        )
        self._db.execute(
            "UPDATE writes SET state = 'closed' WHERE request = ? AND state = 'open'",
            (request.request,),
        )

    def landed(self, writes: Sequence[tuple[Write, str, int]]) -> None:
        """Note that writes are known to have taken effect, and on which profile and version."""
        self._db.executemany(
            "UPDATE writes SET state = 'landed', customer_id = ?, version = ? WHERE number = ?",
            ((customer_id, version, write.number) for write, customer_id, version in writes),
        )
        self.timeline.add(written=len(writes))

    def writes(self, request: Request) -> list[Write]:
        """Return the writes of one bulk call that are not settled, in order."""
        found = self._db.execute(
            "SELECT row, action, key, customer_id, version, generation, intent, changes, before, "
            "tries, uncertain, number, request FROM writes WHERE request = ? AND state = 'open'",
            (request.request,),
        )
        return [_write(*columns) for columns in found.fetchall()]

    # -- verifying ---------------------------------------------------------------------------

    def landed_writes(self, size: int, *, unverified: bool = False) -> Iterator[list[Landed]]:
        """Yield the writes that took effect, in order, up to ``size`` at a time.

        ``unverified``: only those that were not read back yet.
        """
        also = "AND verified = ''" if unverified else ""
        told = "SELECT number, row, customer_id, version, changes FROM writes"
        where = f"state = 'landed' AND number > ? {also} ORDER BY number LIMIT ?"
        last = -1
        while found := self._db.execute(f"{told} WHERE {where}", (last, size)).fetchall():
            yield [
                Landed(number, row, customer_id, version, orjson.loads(changes))
                for number, row, customer_id, version, changes in found
            ]
            last = found[-1][0]

    def verified(self, verdicts: Sequence[tuple[Landed, Literal["matched", "mismatched"]]]) -> None:
        """Note what reading profiles back showed."""
        self._db.executemany(
            "UPDATE writes SET verified = ? WHERE number = ?",
            ((verdict, write.number) for write, verdict in verdicts),
        )
        self.timeline.add(read_back=len(verdicts))

    # -- reporting ---------------------------------------------------------------------------

    def planned(self) -> dict[str, int]:
        """Return what was planned: ``creates``, ``updates``, ``fields_cleared``.

        A write that was put into several calls counts once.
        """
        first = "number IN (SELECT min(number) FROM writes GROUP BY row)"
        counted = {
            "creates": f"SELECT count(*) FROM writes WHERE action = 'create' AND {first}",
            "updates": f"SELECT count(*) FROM writes WHERE action = 'update' AND {first}",
            "fields_cleared": "SELECT count(*) FROM writes, json_each(writes.changes) "
            f"WHERE json_each.type = 'null' AND {first}",
        }
        return {name: int(next(self.query(sql))[0]) for name, sql in counted.items()}

    def query(self, sql: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:
        """Run one of the reports' own SELECT statements."""
        return iter(self._db.execute(sql, parameters))


def _lines(data: bytes) -> pa.Array:
    return pa.array(np.frombuffer(data, dtype="<i8"))


def _unnamed(path: Path) -> Path:
    """Make the file of a journal that gets its name when it is complete."""
    if path.exists():
        raise FileExistsError(path)
    unnamed = path.with_suffix(".new")
    unnamed.touch(mode=0o600, exist_ok=False)
    return unnamed


def _name(path: Path) -> None:
    path.with_suffix(".new").rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(*columns: Any) -> Write:
    *decided, intent, changes, before, tries, uncertain, number, request = columns
    row, action, key, customer_id, version, generation = decided
    return Write(
        row,
        action,
        key,
        customer_id,
        version,
        generation,
        orjson.loads(intent),
        orjson.loads(changes),
        tries,
        bool(uncertain),
        number,
        request,
        orjson.loads(before),
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
