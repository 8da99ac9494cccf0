"""What does everything that gathers what lies beside profiles share?

Where it is kept, whom it asks, how far it is. All of it is kept in tables of the collection's file,
beside the table of profiles: what is noted as done among its facts is not asked again after a kill.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from etl.errors import Unavailable
from etl.export.windows import microseconds
from etl.square.client import SquareClient
from etl.square.wire import Profile

DONE = "done"

# Of the members of a list of ids, in SQL.
AMONG = "IN (SELECT value FROM json_each(?))"

TEXTS = pa.list_(pa.string())


@dataclass(frozen=True, slots=True)
class Gathering:
    """Fills tables in ``db`` for the profiles that lie there.

    ``ids`` begins their ids anew, in batches; ``profiles`` is how many there are, and ``filter``
    what they passed in Square's search. Of histories everything up to ``until`` (RFC 3339) is read.
    ``tell`` hears of which kind how many of how many (0: not known) are there, and may raise.
    """

    db: sqlite3.Connection
    square: SquareClient
    in_flight: int
    until: str
    filter: Mapping[str, Any]
    profiles: int
    ids: Callable[[], Iterator[Sequence[str]]]
    tell: Callable[[str, int, int], None]


def noted(db: sqlite3.Connection, name: str) -> str | None:
    """Return a note, None if it was never made."""
    found = db.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
    return found and str(found[0])


def note(db: sqlite3.Connection, name: str, value: str = DONE) -> None:
    """Make a note."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def made_at(row: Mapping[str, Any]) -> int:
    """Return when a payment or an order was made, as microseconds since 1970."""
    try:
        return microseconds(row["created_at"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(
            f"Square sent {row.get('id')} without a time that can be read, so that nothing can "
            "tell how far its history was read"
        ) from error


def ids_of(profiles: Sequence[Profile]) -> str:
    """Return the ids of profiles, for ``AMONG``."""
    return orjson.dumps([profile["id"] for profile in profiles]).decode()
