"""How are long listings read page by page, several at a time, without asking twice after a kill?

A walk is one query with its cursor. Where the query has a span of time, and calls are few, what is
left of the span is cut in halves that are read side by side; a dead cursor is replaced by the time
of the last row. Neighbours share their boundary, and a row may be read twice: keeping it is a
matter of its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from etl.errors import Unavailable
from etl.export import paging
from etl.export.beside.gathering import DONE, Gathering, made_at, note, noted
from etl.journal.database import transaction
from etl.square.wire import Page

SCHEMA = """
CREATE TABLE IF NOT EXISTS walks (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, what TEXT NOT NULL,
    start INTEGER, "end" INTEGER, at INTEGER, cursor TEXT);
"""

# What is left of a span is not cut when it is shorter than a day.
_SHORTEST = 86_400_000_000
_MILLISECOND = 1000


class Span(NamedTuple):
    """From when to when, in microseconds since 1970."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Walk:
    """One query, of ``what`` and of a span of time if it has one, and how far it was read.

    ``at`` is the time of the last row, ``cursor`` where the query goes on.
    """

    number: int
    what: str
    span: Span | None
    at: int | None = None
    cursor: str | None = None
    stuck: int = 0

    def renewed(self) -> Walk:
        """Return the walk that goes on by time, or else begins anew, because its cursor died."""
        span = self.span
        if span is not None and self.at is not None:
            span = span._replace(start=self.at)
        return replace(self, span=span, cursor=None, stuck=self.stuck + 1)


class Kind(NamedTuple):
    """What is walked: how a walk's page is asked for, and how its rows are kept.

    ``name`` is what its progress is noted under, ``shown`` what is told of it.
    """

    name: str
    shown: str
    ask: Callable[[Walk], Page]
    keep: Callable[[Walk, list[dict[str, Any]]], None]


def complete(
    gathering: Gathering, kind: Kind, begin: Callable[[], Iterable[tuple[str, Span | None]]]
) -> None:
    """Have everything read and kept that ``begin`` says is to be; go on where it stopped."""
    if noted(gathering.db, kind.name) is None:
        walks = [(kind.name, what, *(span or (None, None))) for what, span in begin()]
        with transaction(gathering.db):
            gathering.db.executemany(
                'INSERT INTO walks (kind, what, start, "end") VALUES (?, ?, ?, ?)', walks
            )
            note(gathering.db, kind.name, "begun")
    if noted(gathering.db, kind.name) != DONE:
        _Walking(gathering, kind).run()
        note(gathering.db, kind.name)


class _Walking:
    def __init__(self, gathering: Gathering, kind: Kind) -> None:
        self._db = gathering.db
        self._gathering = gathering
        self._kind = kind
        self._seen = 0

    def run(self) -> None:
        paging.read(
            self._open(),
            self._gathering.in_flight,
            self._kind.ask,
            self._keep,
            lambda: self._gathering.tell(self._kind.shown, self._seen, 0),
        )

    def _open(self) -> list[Walk]:
        found = self._db.execute(
            'SELECT number, what, start, "end", at, cursor FROM walks WHERE kind = ?',
            [self._kind.name],
        )
        return [
            Walk(number, what, None if end is None else Span(start, end), at, cursor)
            for number, what, start, end, at, cursor in found.fetchall()
        ]

    def _keep(self, walk: Walk, page: Page, others: int) -> list[Walk]:
        self._seen += len(page.rows)
        with transaction(self._db):
            self._kind.keep(walk, page.rows)
            return self._turned(walk, page, others)

    def _turned(self, walk: Walk, page: Page, others: int) -> list[Walk]:
        """Note how far a walk is; return the walks that go on in its place."""
        if page.cursor is None:
            self._db.execute("DELETE FROM walks WHERE number = ?", [walk.number])
            return []
        if page.cursor == walk.cursor:
            raise Unavailable(f"of {self._kind.shown} Square repeated a cursor")
        at = walk.at
        if walk.span is not None:
            at = max(map(made_at, page.rows), default=at)
            if at is not None and (halves := self._halves(walk, walk.span, at, others)):
                return halves
        stuck = 0 if at != walk.at else walk.stuck
        walk = replace(walk, at=at, cursor=page.cursor, stuck=stuck)
        self._db.execute(
            "UPDATE walks SET start = ?, at = ?, cursor = ? WHERE number = ?",
            (walk.span and walk.span.start, at, walk.cursor, walk.number),
        )
        return [walk]

    def _halves(self, walk: Walk, span: Span, at: int, others: int) -> list[Walk]:
        """Cut what is left of a walk in two, if there are calls to spare."""
        short = at == span.start or span.end - at < _SHORTEST
        if short or others + 2 > self._gathering.in_flight:
            return []
        middle = (at + span.end) // 2
        middle -= middle % _MILLISECOND
        self._db.execute("DELETE FROM walks WHERE number = ?", [walk.number])
        return [
            self._add(walk.what, Span(at, middle)),
            self._add(walk.what, Span(middle, span.end)),
        ]

    def _add(self, what: str, span: Span) -> Walk:
        number = self._db.execute(
            'INSERT INTO walks (kind, what, start, "end") VALUES (?, ?, ?, ?)',
            (self._kind.name, what, *span),
        ).lastrowid
        assert number is not None
        return Walk(number, what, span)
