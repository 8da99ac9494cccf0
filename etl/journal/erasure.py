"""Which rows of a run are about one person, and how do they leave its journal?

A row stays in the account with its line, its outcome and the codes of its problems; everything that
was read, decided, sent or heard about the person is taken out. What is gone is overwritten
(``secure_delete``) and the file is written anew (``VACUUM``).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.normalize import phone_key
from etl.journal.records import Batch, packed, unpacked

if TYPE_CHECKING:
    from etl.journal.journal import Journal

_NOTHING = frozenset[str]()

# An email in a cell, but not as a part of another one.
_EMAIL = r"(^|[^\pL\pN._+-]){}($|[^\pL\pN.-]|\.($|[^\pL\pN]))"
_NUMBER = r"(^|[^\pN]){}($|[^\pN])"
_LAST_DIGITS = 6

# Of a row, what tables say: table, assignments.
_TOLD = {
    # Without a source key nothing is taken back, and nobody found again.
    "rows": "source_key = '', customer_id = '', detail = 'erased', basis = '', version = NULL",
    "problems": "message = '', suggestion = ''",
    "writes": "key = '', customer_id = '', version = NULL, intent = '{}', before = '{}', "
    "changes = (SELECT json_group_object(key, NULL) FROM json_each(changes) WHERE type = 'null')",
    "additions": "value = '', before = '', version = NULL, "
    "name = iif(kind = 'gift_card', '', name)",
    "amendments": "customer_id = '', detail = ''",
    "subjects": "customer_id = '', review_key = '', written = '{}', before = '{}', attached = '[]'",
    "removals": "customer_id = '', value = '', version = NULL",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Whom somebody asks about: keys in canonical form (``normalize``), and ids in Square."""

    emails: frozenset[str] = _NOTHING
    phones: frozenset[str] = _NOTHING
    references: frozenset[str] = _NOTHING
    customers: frozenset[str] = _NOTHING

    def __or__(self, other: Self) -> Person:
        """Return both as one."""
        return Person(
            self.emails | other.emails,
            self.phones | other.phones,
            self.references | other.references,
            self.customers | other.customers,
        )


class Erasure:
    """Finds and removes a person in one journal."""

    def __init__(self, journal: Journal, connection: sqlite3.Connection) -> None:
        self._journal = journal
        self._db = connection

    def find(self, person: Person) -> tuple[list[int], Person]:
        """Return the rows about a person, and under which ids and references they know them.

        An email or an international number is looked for in every cell, also among others. Rows
        that only mention one, in a note say, are somebody else's: they lead no further.
        """
        rows, known = set(self._by_id(person.customers)), Person()
        mentions = set[int]()
        region, undoes = self._journal.run().country, self._journal.run().undoes
        for batch in self._journal.batches():
            size = len(batch.lines)
            places = np.fromiter(rows, "<i8", len(rows)) - batch.first_row
            hit = np.zeros(size, dtype=bool)
            hit[places[(places >= 0) & (places < size)]] = True
            mentioned = np.zeros(size, dtype=bool)
            if not undoes:  # whose rows have no cells
                theirs, mentioned = self._in_cells(batch, person, region)
                hit |= theirs
            customers = self._customers(batch)
            if customers is not None:
                hit |= _in_customers(customers, person)
                references = customers.column("reference_id").filter(pa.array(hit)).drop_null()
                known |= Person(references=frozenset(references.to_pylist()))
            rows |= {batch.first_row + int(at) for at in np.flatnonzero(hit)}
            mentions |= {batch.first_row + int(at) for at in np.flatnonzero(mentioned & ~hit)}
        known |= Person(customers=frozenset(self._ids(sorted(rows))))
        return sorted(rows | mentions), known

    def is_candidate(self, customers: Iterable[str]) -> bool:
        """Is one of these customers named as who somebody else's row could be?"""
        (found,) = self._db.execute(
            "SELECT EXISTS (SELECT * FROM reviews, json_each(candidates) "
            "WHERE value IN (SELECT value FROM json_each(?1))) OR EXISTS "
            "(SELECT * FROM decisions WHERE decision IN (SELECT value FROM json_each(?1)))",
            (orjson.dumps([*customers]).decode(),),
        ).fetchone()
        return bool(found)

    def erase(self, rows: Iterable[int], person: Person) -> None:
        """Take everything about these rows and customers out; doing it again changes nothing."""
        rows = list(rows)
        customers = person.customers.union(self._ids(rows))
        with self._erasing(rows):
            for batch in self._journal.batches():
                self._blank(batch)
            self._withdraw_calls(customers)
            for table, blanked in _TOLD.items():
                self._db.execute(f"UPDATE {table} SET {blanked} WHERE row IN temp.erased")
            self._forget_reviews(person.customers)
            self._db.execute("DELETE FROM gift_cards WHERE row IN temp.erased")
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def forget(self, batch: Batch, places: Iterable[int]) -> None:
        """Take rows out of a batch as it was read and checked; the caller holds a transaction."""
        self._db.execute("PRAGMA secure_delete = ON")
        self._rewrite(batch, [*places])

    @contextmanager
    def _erasing(self, rows: Iterable[int]) -> Iterator[None]:
        self._db.execute("PRAGMA secure_delete = ON")
        with self._journal.transaction():
            self._db.execute("CREATE TEMP TABLE erased (row INTEGER PRIMARY KEY)")
            self._db.executemany("INSERT INTO temp.erased VALUES (?)", ((row,) for row in rows))
            yield
            self._db.execute("DROP TABLE temp.erased")

    # -- finding -----------------------------------------------------------------------------

    def _by_id(self, customers: Iterable[str]) -> Iterator[int]:
        for customer_id in customers:
            for (row,) in self._db.execute(
                "SELECT row FROM rows WHERE customer_id = ?1 "
                "UNION SELECT row FROM writes WHERE customer_id = ?1 "
                "UNION SELECT row FROM amendments WHERE customer_id = ?1",
                (customer_id,),
            ):
                yield row

    def _ids(self, rows: Iterable[int]) -> Iterator[str]:
        for row in rows:
            for (customer_id,) in self._db.execute(
                "SELECT customer_id FROM rows WHERE row = ?1 AND customer_id <> '' "
                "UNION SELECT customer_id FROM writes WHERE row = ?1 AND customer_id <> '' "
                "UNION SELECT customer_id FROM amendments WHERE row = ?1 AND customer_id <> ''",
                (row,),
            ):
                yield customer_id

    def _customers(self, batch: Batch) -> pa.RecordBatch | None:
        kept = self._db.execute(
            "SELECT customers IS NOT NULL FROM checks WHERE batch = ?", (batch.batch,)
        ).fetchone()
        return self._journal.customers(batch) if kept and kept[0] else None

    def _in_cells(self, batch: Batch, person: Person, region: str) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows have one of the keys in the column for it, and which anywhere."""
        originals = self._journal.originals(batch)
        cells = originals.cells
        mapped = self._journal.sources()[batch.source]["mapping"]["fields"]
        theirs, mentioned = (np.zeros(len(cells), dtype=bool) for _ in range(2))
        words = [_EMAIL.format(re.escape(email)) for email in person.emails]
        words += [_NUMBER.format(re.escape(phone)) for phone in person.phones]
        for name, column in zip(cells.schema.names, cells.columns, strict=True):
            text = pc.utf8_trim_whitespace(pc.fill_null(column.cast(pa.string()), ""))
            folded, holding = pc.ascii_lower(text), np.zeros(len(cells), dtype=bool)
            for word in words:
                holding |= _mask(pc.match_substring_regex(folded, word))
            mentioned |= holding
            if name in mapped.get("email_address", ()):
                theirs |= holding
            if name in mapped.get("id", ()):
                theirs |= _among(text, person.customers)
            if name in mapped.get("reference_id", ()):
                theirs |= _among(text, person.references)
            if name in mapped.get("phone_number", ()):
                theirs |= holding | _dialling(text, person.phones, region)
        if originals.kept is None:
            return theirs, mentioned
        spread = np.zeros((2, len(batch.lines)), dtype=bool)
        spread[:, originals.kept] = theirs, mentioned
        return spread[0], spread[1]

    # -- erasing -----------------------------------------------------------------------------

    def _blank(self, batch: Batch) -> None:
        last = batch.first_row + len(batch.lines) - 1
        found = self._db.execute(
            "SELECT row FROM temp.erased WHERE row BETWEEN ? AND ?", (batch.first_row, last)
        )
        if places := [row - batch.first_row for (row,) in found]:
            self._rewrite(batch, places)

    def _rewrite(self, batch: Batch, places: list[int]) -> None:
        """Take the rows out of what a batch was read and checked as."""
        those = self._journal.packed(batch).kept
        in_cells = places
        if those is not None:
            in_cells = np.flatnonzero(np.isin(np.frombuffer(those, "<i8"), places)).tolist()
        for table, blanked in _PACKED.items():
            names = ", ".join(blanked)
            kept = self._db.execute(
                f"SELECT {names} FROM {table} WHERE batch = ?", (batch.batch,)
            ).fetchone()
            for (name, blank), data in zip(blanked.items(), kept or (), strict=False):
                if data is not None:
                    at = in_cells if name == "cells" else places
                    self._db.execute(
                        f"UPDATE {table} SET {name} = ? WHERE batch = ?",
                        (packed(blank(unpacked(pa.py_buffer(data)), at)), batch.batch),
                    )

    def _withdraw_calls(self, customers: Iterable[str]) -> None:
        """Take the person out of the bodies that were sent."""
        shared = self._db.execute(
            "SELECT request, body, json_group_array(key) FROM writes JOIN requests USING (request) "
            "WHERE row IN temp.erased GROUP BY request"
        ).fetchall()
        for request, body, keys in shared:
            told = orjson.loads(body)
            for key in orjson.loads(keys):
                told["customers"].pop(key, None)
            self._db.execute(
                "UPDATE requests SET body = ? WHERE request = ?", (orjson.dumps(told), request)
            )
        for delivery, kind, body in self._db.execute(
            "SELECT delivery, kind, body FROM deliveries WHERE delivery IN "
            "(SELECT delivery FROM additions WHERE row IN temp.erased)"
        ).fetchall():
            ids, path, left = set(customers), "", b""
            if kind == "attribute":
                told = orjson.loads(body)
                values = told["values"].items()
                told["values"] = {k: v for k, v in values if v["customer_id"] not in ids}
                path, left = "/v2/customers/custom-attributes/bulk-upsert", orjson.dumps(told)
            self._db.execute(
                "UPDATE deliveries SET path = ?, body = ? WHERE delivery = ?",
                (path, left, delivery),
            )

    def _forget_reviews(self, customers: Iterable[str]) -> None:
        """Forget who the rows could be, and that others could be this person."""
        self._db.execute(
            "DELETE FROM decisions WHERE review_key IN "
            "(SELECT review_key FROM reviews WHERE row IN temp.erased)"
        )
        self._db.execute("DELETE FROM reviews WHERE row IN temp.erased")
        ids = set(customers)
        self._db.executemany(
            "DELETE FROM decisions WHERE decision = ?", ((customer_id,) for customer_id in ids)
        )
        for row, *texts in self._db.execute(
            "SELECT row, candidates, hints FROM reviews WHERE EXISTS (SELECT * FROM "
            "json_each(candidates) WHERE value IN (SELECT value FROM json_each(?)))",
            (orjson.dumps([*ids]).decode(),),
        ).fetchall():
            candidates, hints = map(orjson.loads, texts)
            left = [at for at, candidate in enumerate(candidates) if candidate not in ids]
            told = [
                orjson.dumps([each[at] for at in left if at < len(each)]).decode()
                for each in (candidates, hints)
            ]
            self._db.execute(
                "UPDATE reviews SET candidates = ?, hints = ? WHERE row = ?", (*told, row)
            )


def _dialling(text: pa.Array, phones: Iterable[str], region: str) -> np.ndarray:
    """Find cells that mean one of these numbers, however they are written."""
    digits = pc.replace_substring_regex(text, r"\D", "")
    ends = "|".join(re.escape(phone[-_LAST_DIGITS:]) for phone in phones) or "$^"
    likely = text.filter(pc.match_substring_regex(digits, ends)).unique().to_pylist()
    wanted = set(phones)
    return _among(text, [cell for cell in likely if phone_key(cell, region) in wanted])


def _in_customers(customers: pa.RecordBatch, person: Person) -> np.ndarray:
    hit = _among(pc.ascii_lower(customers.column("email_address")), person.emails)
    hit |= _among(customers.column("phone_number"), person.phones)
    hit |= _among(customers.column("reference_id"), person.references)
    return hit


def _among(column: pa.Array, values: Iterable[str]) -> np.ndarray:
    return _mask(pc.is_in(column, pa.array(sorted(values), pa.string())))


def _mask(found: pa.Array) -> np.ndarray:
    told: np.ndarray = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return told


def _without_values(kept: pa.Table, places: list[int]) -> pa.Table:
    """Return a batch whose rows at these places are empty."""
    if not kept.num_rows:
        return kept
    mask = np.zeros(kept.num_rows, dtype=bool)
    mask[places] = True
    # if_else would leave the text where it was, under a null.
    return kept.take(pa.array(np.arange(kept.num_rows), mask=mask))


def _without_words(found: pa.Table, places: list[int]) -> pa.Table:
    """Return problems that say of the rows at these places no more than code and field."""
    hit = pc.is_in(found.column("row"), pa.array(places, found.column("row").type))
    for name in ("message", "suggestion"):
        at = found.schema.get_field_index(name)
        column = found.column(name)
        blank = pc.if_else(hit, pa.scalar("", column.type), column)
        found = found.set_column(at, found.schema.field(at), blank)
    return found


# Of a batch, what is packed: table, column, how rows leave it.
_PACKED = {
    "batches": {"cells": _without_values, "found": _without_words},
    "checks": {
        "found": _without_words,
        "customers": _without_values,
        "belongings": _without_values,
    },
}
