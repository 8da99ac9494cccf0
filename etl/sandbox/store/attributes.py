"""Which custom attributes are defined, which values have customers, and which had a moment ago?"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from etl.sandbox.search.selection import CURRENT, OPEN, Place

_CLOSED = f"until < {OPEN}"
HIDDEN = "VISIBILITY_HIDDEN"
READ_ONLY = "VISIBILITY_READ_ONLY"
READ_WRITE = "VISIBILITY_READ_WRITE_VALUES"
# An own definition has a simple key, which has no colon.
_VISIBLE = f"(visibility <> '{HIDDEN}' OR instr(key, ':') = 0)"

TABLES = f"""
CREATE TABLE attribute_definitions (
    key TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    schema BLOB NOT NULL,
    name TEXT,
    description TEXT,
    visibility TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;
-- Every revision of every value, shown by search from since to until. Only a lag needs more than
-- the current revision, the one with the open end.
CREATE TABLE attributes (
    rowid INTEGER PRIMARY KEY,
    customer_id TEXT NOT NULL,
    key TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    text TEXT,
    number INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX attributes_by_customer ON attributes (customer_id, key, until);
CREATE INDEX attributes_by_text ON attributes (key, text) WHERE text IS NOT NULL;
CREATE INDEX attributes_by_number ON attributes (key, number) WHERE number IS NOT NULL;
CREATE INDEX attributes_by_updated ON attributes (key, updated);
CREATE INDEX attributes_closed ON attributes (until) WHERE {_CLOSED};
-- The words of a text, the options of a selection, the parts of an address.
CREATE TABLE attribute_terms (
    attribute INTEGER NOT NULL REFERENCES attributes ON DELETE CASCADE,
    term TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (attribute, term)
) WITHOUT ROWID;
CREATE INDEX attribute_terms_by_term ON attribute_terms (key, term);
"""


class Definition(NamedTuple):
    """The definition of a custom attribute; ``schema`` is the JSON text Square would answer."""

    key: str
    type: str
    schema: bytes
    name: str | None
    description: str | None
    visibility: str
    version: int
    created: int
    updated: int

    @property
    def place(self) -> Place:
        """Where a list that ends here goes on."""
        return Place(self.key, self.key)

    @property
    def own(self) -> bool:
        """Tell whether the calling application made it: others' keys begin with who did."""
        return ":" not in self.key


@dataclass(frozen=True, slots=True)
class Attribute:
    """One revision of a value: its JSON text, and what finds it in a search."""

    customer_id: str
    key: str
    body: bytes
    version: int
    created: int
    updated: int
    text: str | None = None
    number: int | None = None
    terms: tuple[str, ...] = ()


_MEMBERS = "v.customer_id, v.key, v.body, v.version, v.created, v.updated, v.text, v.number"


class Attributes:
    """The custom attributes of one sandbox: definitions, values and their revisions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    # Definitions

    def defined(self, key: str) -> Definition | None:
        """Return a definition that the calling application may see, None if there is none."""
        row = self._db.execute(
            f"SELECT * FROM attribute_definitions WHERE key = ? AND {_VISIBLE}", (key,)
        ).fetchone()
        return None if row is None else Definition(*row)

    def knows(self, key: str) -> Definition | None:
        """Return a definition, hidden or not, None if there is none."""
        row = self._db.execute(
            "SELECT * FROM attribute_definitions WHERE key = ?", (key,)
        ).fetchone()
        return None if row is None else Definition(*row)

    def named(self, name: str) -> Definition | None:
        """Return the visible definition of a name, None if there is none."""
        row = self._db.execute(
            f"SELECT * FROM attribute_definitions WHERE name = ? AND {_VISIBLE}", (name,)
        ).fetchone()
        return None if row is None else Definition(*row)

    def number_of_own(self) -> int:
        """Count the definitions that the calling application made."""
        (number,) = self._db.execute(
            "SELECT count(*) FROM attribute_definitions WHERE instr(key, ':') = 0"
        ).fetchone()
        return int(number)

    def definitions(self, after: Place | None, size: int) -> list[Definition]:
        """Return the visible definitions that follow a place, in the order of their keys."""
        rows = self._db.execute(
            f"SELECT * FROM attribute_definitions WHERE key > ? AND {_VISIBLE} "
            "ORDER BY key LIMIT ?",
            ("" if after is None else after.id, size),
        )
        return [Definition(*row) for row in rows]

    def define(self, definition: Definition) -> None:
        """Add a definition, or change it."""
        self._db.execute(
            "INSERT OR REPLACE INTO attribute_definitions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            definition,
        )

    def undefine(self, key: str, now: int, keep: int) -> None:
        """Take a definition away, and all its values."""
        self._db.execute("DELETE FROM attribute_definitions WHERE key = ?", (key,))
        self._close("key = ?", (key,), now, keep)

    # Values

    def find(self, customer_id: str, key: str) -> Attribute | None:
        """Return the current value a customer has, None if there is none."""
        row = self._db.execute(
            f"SELECT {_MEMBERS} FROM attributes v WHERE customer_id = ? AND key = ? AND {CURRENT}",
            (customer_id, key),
        ).fetchone()
        return None if row is None else Attribute(*row)

    def page(
        self, customer_id: str, after: Place | None, size: int
    ) -> list[tuple[Attribute, Definition]]:
        """Return the visible values of a customer that follow a place, in the order of keys."""
        rows = self._db.execute(
            f"SELECT {_MEMBERS}, d.* FROM attributes v JOIN attribute_definitions d USING (key) "
            f"WHERE customer_id = ? AND key > ? AND {CURRENT} AND {_VISIBLE} "
            "ORDER BY key LIMIT ?",
            (customer_id, "" if after is None else after.id, size),
        )
        return [(Attribute(*row[:8]), Definition(*row[8:])) for row in rows]

    def put(self, attribute: Attribute, now: int, keep: int) -> None:
        """Give a customer a value; search shows the one before for ``keep`` more."""
        self.remove(attribute.customer_id, attribute.key, now, keep)
        inserted = self._db.execute(
            "INSERT INTO attributes VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                attribute.customer_id,
                attribute.key,
                now,
                OPEN,
                attribute.version,
                attribute.created,
                attribute.updated,
                attribute.text,
                attribute.number,
                attribute.body,
            ),
        )
        self._db.executemany(
            "INSERT INTO attribute_terms VALUES (?, ?, ?)",
            [(inserted.lastrowid, term, attribute.key) for term in attribute.terms],
        )

    def remove(self, customer_id: str, key: str, now: int, keep: int) -> None:
        """Take a value away; search shows it for ``keep`` more milliseconds."""
        self._close("customer_id = ? AND key = ?", (customer_id, key), now, keep)

    def forget(self, customer_id: str, now: int, keep: int) -> None:
        """Take away all values of a customer who is deleted."""
        self._close("customer_id = ?", (customer_id,), now, keep)

    def merge(self, old_ids: Sequence[str], new_id: str, now: int, keep: int) -> list[Attribute]:
        """Give one customer the values of others and return them; the first named wins."""
        carried: dict[str, Attribute] = {}
        for old_id in old_ids:
            for attribute in self._all(old_id):
                carried.setdefault(attribute.key, replace(attribute, customer_id=new_id))
            self.forget(old_id, now, keep)
        for attribute in carried.values():
            self.put(attribute, now, keep)
        return list(carried.values())

    def _all(self, customer_id: str) -> list[Attribute]:
        rows = self._db.execute(
            f"SELECT {_MEMBERS}, v.rowid FROM attributes v "
            f"WHERE customer_id = ? AND {CURRENT} ORDER BY key",
            (customer_id,),
        ).fetchall()
        found = []
        for *members, rowid in rows:
            terms = self._db.execute(
                "SELECT term FROM attribute_terms WHERE attribute = ?", (rowid,)
            )
            found.append(replace(Attribute(*members), terms=tuple(term for (term,) in terms)))
        return found

    def _close(self, which: str, values: tuple[object, ...], now: int, keep: int) -> None:
        if keep:
            self._db.execute(
                f"UPDATE attributes SET until = ? WHERE {which} AND {CURRENT}", (now, *values)
            )
            self._db.execute(f"DELETE FROM attributes WHERE until < ? AND {_CLOSED}", (now - keep,))
        else:
            self._db.execute(f"DELETE FROM attributes WHERE {which} AND {CURRENT}", values)
