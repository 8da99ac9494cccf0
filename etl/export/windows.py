"""Into which spans of ``created_at`` is the directory cut, and what proves that one is complete?

A profile's ``created_at`` never changes, so edits move nobody from one window to another, and no
page of one. Neighbours share their boundary, because Square does not say whether bounds are
included: whoever lies there is found by at least one of them. Times are microseconds since 1970.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from etl.errors import ConfigError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

# The least there is between two times that Square shows.
MILLISECOND = 1000
# Shorter windows are read as they are, whoever many lie in them.
_SHORTEST = 2_000_000
# Profiles for which a window of their own is not worth the calls it takes.
_FEW = 1000
# Into so many windows of equal size a directory is cut, at least: one that somebody deletes from
# meanwhile has to be read again.
_PARTS = 8


@dataclass(frozen=True, slots=True)
class Window:
    """A span of creation times, from ``start`` (None: from the beginning) to ``end``.

    ``at`` is how far it was read, ``cursor`` where the search that began at ``since`` goes on.
    ``count`` is how many profiles Square counted in it when its reading began. ``turn`` counts the
    readings: whoever was seen in an earlier one only is not there any more.
    """

    number: int
    start: int | None
    end: int
    turn: int = 0
    at: int | None = None
    count: int | None = None
    since: int | None = None
    cursor: str | None = None
    stuck: int = 0  # cursors that died in a row before it went on in time

    @property
    def fresh(self) -> bool:
        """Is its first page still to come?"""
        return self.at is None and self.cursor is None

    def renewed(self) -> Window:
        """Return the window that goes on by time, because its cursor died."""
        return replace(self, cursor=None, stuck=self.stuck + 1)

    @property
    def begin(self) -> int | None:
        """Where the search for its next page begins: a cursor belongs to the query it came with."""
        if self.cursor is not None:
            return self.since
        return self.start if self.at is None else self.at


def created_at(start: int | None, end: int) -> dict[str, str]:
    """Return a span of creation times as Square's filter."""
    bounds = {"end_at": rfc3339(end)}
    return bounds if start is None else {"start_at": rfc3339(start), **bounds}


def largest(total: int, in_flight: int) -> int:
    """Return how many of ``total`` profiles a window may hold before it is cut in two."""
    return max(_FEW, total // max(_PARTS, 2 * in_flight))


def middle(window: Window, first: int) -> int | None:
    """Return where to cut a window whose first profile was created at ``first``, if it can be."""
    if window.end - first < _SHORTEST:
        return None
    halfway = (first + window.end) // 2
    return halfway - halfway % MILLISECOND


def microseconds(time: str) -> int:
    """Return an RFC 3339 time as microseconds since 1970; raises ValueError for anything else."""
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def rfc3339(microseconds: int) -> str:
    """Return a time as Square writes it, to the millisecond."""
    text = (_EPOCH + microseconds * _MICROSECOND).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def instant(told: object, option: str) -> str:
    """Return a time, or its text, as RFC 3339 in UTC; a date is its first moment there.

    Raises ConfigError for anything else.
    """
    text = str(told)
    try:
        if _DATE.fullmatch(text):
            moment = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        else:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"{option} {text!r} is no time: say a date (2026-05-01, UTC) or a time with its zone "
            "(2026-05-01T09:30:00+02:00)"
        ) from None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
