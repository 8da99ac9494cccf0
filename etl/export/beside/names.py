"""What are the groups and segments called that profiles name by their ids?"""

from __future__ import annotations

import difflib
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import pyarrow as pa

from etl.errors import ConfigError
from etl.export.beside.gathering import DONE, TEXTS, Gathering, note, noted
from etl.export.wanted import Further
from etl.journal.database import transaction
from etl.square.client import SquareClient
from etl.square.wire import Profile

SCHEMA = """
CREATE TABLE IF NOT EXISTS names (
    kind TEXT, id TEXT, name TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
"""

Kind = Literal["groups", "segments"]

# The member of a profile that has their ids.
_MEMBERS: dict[Kind, str] = {"groups": "group_ids", "segments": "segment_ids"}
_LISTINGS: dict[Kind, Callable[[SquareClient], Iterator[list[dict[str, Any]]]]] = {
    "groups": SquareClient.groups,
    "segments": SquareClient.segments,
}


def gather(kind: Kind, gathering: Gathering) -> None:
    """Read the names of all groups, or of all segments."""
    if noted(gathering.db, kind) == DONE:
        return
    gathering.tell(kind, 0, 0)
    found = [(kind, id, name) for id, name in _listed(kind, gathering.square)]
    with transaction(gathering.db):
        gathering.db.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", found)
        note(gathering.db, kind)


def columns(kind: Kind, db: sqlite3.Connection) -> Further:
    """Offer the names as a column of lists; what has no name shows as its id."""
    known = dict(db.execute("SELECT id, name FROM names WHERE kind = ?", [kind]).fetchall())

    def values(profiles: Sequence[Profile]) -> list[pa.Array]:
        named = [
            [known.get(id, str(id)) for id in _ids(profile.get(_MEMBERS[kind]))]
            for profile in profiles
        ]
        return [pa.array(named, TEXTS)]

    return Further((pa.field(kind, TEXTS),), values)


def ids_by_name(
    kind: Kind, names: Iterable[str], square: SquareClient
) -> dict[str, tuple[str, ...]]:
    """Return the ids of each name, several where several groups have it.

    Raises ConfigError for a name that nothing has.
    """
    by_name: dict[str, tuple[str, ...]] = {}
    for id, name in _listed(kind, square):
        by_name[_spelled(name)] = (*by_name.get(_spelled(name), ()), id)
    found = {}
    for name in names:
        if _spelled(name) not in by_name:
            near = difflib.get_close_matches(_spelled(name), by_name, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ConfigError(
                f"there is no {kind.removesuffix('s')} {name!r} in this account{hint}"
            )
        found[name] = by_name[_spelled(name)]
    return found


def _listed(kind: Kind, square: SquareClient) -> Iterator[tuple[str, str]]:
    for page in _LISTINGS[kind](square):
        for one in page:
            yield str(one["id"]), str(one.get("name") or one["id"])


def _spelled(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _ids(told: object) -> list[Any]:
    return told if isinstance(told, list) else []
