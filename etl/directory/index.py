"""The local copy of the seller's directory, beside the rows of one run, ready to be joined.

A DuckDB file of the run's folder with a memory limit: joins go to disk before memory grows with
rows. It is derived (from Square and the journal) and may be thrown away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from etl.directory import profiles

_BUFFERED = 4096

_STRANGER = (
    "customer_id IS NULL AND NOT held AND known_by = '' "
    "AND row * 2 NOT IN (SELECT element FROM labels)"
)

# Profiles that share half of an email, all of which would have to be compared with each row that
# does: more of them are an info@, not somebody.
_CROWD = 50

# Letters that are swapped, missing or too many count as one. What stands before the @ may only
# differ where the family name is the same.
_NEAR = """
    WITH new AS (
        SELECT rows.*, split_part(email, '@', 1) AS box, split_part(email, '@', 2) AS host,
            lower(family_name) AS family
        FROM rows JOIN verdicts USING (row) WHERE action = 'create'),
    known AS (
        SELECT *, split_part(email, '@', 1) AS box, split_part(email, '@', 2) AS host,
            lower(family_name) AS family
        FROM kept.profiles),
    boxes AS (SELECT id, box, host FROM known QUALIFY count(*) OVER (PARTITION BY box) <= {crowd}),
    families AS (
        SELECT id, box, host, family FROM known
        QUALIFY count(*) OVER (PARTITION BY host, family, left(box, 1)) <= {crowd}),
    found AS (
        SELECT new.row, boxes.id, true AS typo FROM new JOIN boxes ON new.box = boxes.box
        WHERE damerau_levenshtein(new.host, boxes.host) BETWEEN 1 AND 2
        UNION ALL
        SELECT new.row, families.id, true FROM new
        JOIN families ON new.host = families.host AND new.family = families.family
            AND left(new.box, 1) = left(families.box, 1)
        WHERE damerau_levenshtein(new.box, families.box) = 1
        UNION ALL
        SELECT new.row, known.id, false FROM new JOIN known ON new.address = known.address),
    pairs AS (
        SELECT row, id, bool_or(typo) AS typo FROM found GROUP BY row, id
        QUALIFY count(*) OVER (PARTITION BY row) <= {at_most})
    SELECT row, id, typo, coalesce(new.address = known.address, false) AS same_address,
        new.given_name, new.family_name, new.company_name, known.given_name AS other_given_name,
        known.family_name AS other_family_name, known.company_name AS other_company_name
    FROM pairs JOIN new USING (row) JOIN known USING (id)
"""

ROWS = pa.schema(
    [
        ("row", pa.int64()),
        ("source_key", pa.string()),
        ("customer_id", pa.string()),  # what this row is known to be
        ("known_by", pa.string()),
        ("decision", pa.string()),
        ("held", pa.bool_()),
        ("reference_id", pa.string()),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("given_name", pa.string()),
        ("family_name", pa.string()),
        ("company_name", pa.string()),
        ("address", pa.string()),
    ]
)
WRITTEN = pa.schema(
    [
        ("customer_id", pa.string()),
        ("version", pa.int64()),
        ("reference_id", pa.string()),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("digests", pa.string()),
    ]
)
HINTS = pa.schema([("row", pa.int64()), ("customer_id", pa.string()), ("evidence", pa.string())])
VERDICTS = pa.schema(
    [
        ("row", pa.int64()),
        ("action", pa.string()),
        ("customer_id", pa.string()),
        ("matched_by", pa.string()),
        ("carrier", pa.int64()),
        ("code", pa.string()),
        ("detail", pa.string()),
        ("candidates", pa.list_(pa.string())),
        ("related", pa.list_(pa.int64())),
        ("members", pa.list_(pa.int64())),
    ]
)


class Component(NamedTuple):
    """Rows and profiles that have anything to do with each other: tuples of the tables above."""

    rows: list[dict[str, Any]]
    profiles: list[dict[str, Any]]


class Index:
    """Rows of a run and profiles of the directory, side by side."""

    def __init__(self, path: Path, region: str) -> None:
        """Begin an empty index at ``path``; ``region`` is where national phones belong."""
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        self._region = region
        self._db = profiles.connect(path)
        tables = {"rows": ROWS, "written": WRITTEN, "verdicts": VERDICTS, "hints": HINTS}
        for name, schema in tables.items():
            profiles.create_table(self._db, name, schema)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- filling -----------------------------------------------------------------------------

    def add_profiles(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Keep profiles; a later one with the same id replaces the earlier."""
        profiles.keep(self._db, found, self._region)

    def take_profiles(self, kept: Path, keys: Sequence[str]) -> None:
        """Take from the file ``kept`` every profile that shares a key with a row or is known to be
        one.
        """
        shares = [f"{key} IN (SELECT {key} FROM rows WHERE {key} IS NOT NULL)" for key in keys]
        shares.append("id IN (SELECT customer_id FROM rows WHERE customer_id IS NOT NULL)")
        with self._attached(kept):
            self._db.execute(
                "INSERT INTO profiles SELECT * FROM kept.profiles WHERE " + " OR ".join(shares)
            )

    @contextmanager
    def _attached(self, kept: Path) -> Iterator[None]:
        path = str(kept).replace("'", "''")
        self._db.execute(f"ATTACH '{path}' AS kept (READ_ONLY)")
        try:
            yield
        finally:
            self._db.execute("DETACH kept")

    def count_profiles(self) -> int:
        """Return how many profiles there are."""
        ((count,),) = self._db.execute("SELECT count(*) FROM profiles").fetchall()
        return int(count)

    def profile_ids(self) -> Iterator[list[str]]:
        """Yield the ids of the profiles, a hundred at a time; those that go meanwhile too."""
        found = self._stream("ids_in_order", "SELECT id FROM profiles ORDER BY 1")
        while page := list(islice(found, 100)):
            yield [profile["id"] for profile in page]

    def drop_profiles(self, ids: Sequence[str]) -> None:
        """Forget profiles that do not exist any more."""
        profiles.drop(self._db, ids)

    def add_rows(self, rows: pa.Table) -> None:
        """Keep rows of the ``ROWS`` schema."""
        self._insert("rows", rows)

    def add_written(self, written: pa.Table) -> None:
        """Keep what we last wrote to customers, of the ``WRITTEN`` schema."""
        self._insert("written", written)

    def add_verdicts(self, verdicts: pa.Table) -> None:
        """Keep verdicts of the ``VERDICTS`` schema."""
        self._insert("verdicts", verdicts)

    def add_hints(self, hints: Iterable[tuple[int, str, str]]) -> None:
        """Keep who rows are nearly: row, customer, and what speaks for it."""
        found = iter(hints)
        while page := list(islice(found, _BUFFERED)):
            columns = [list(column) for column in zip(*page, strict=True)]
            self._insert("hints", pa.table(columns, schema=HINTS))

    def _insert(self, table: str, batch: pa.Table) -> None:
        self._db.register("batch", batch)
        self._db.execute(f"INSERT INTO {table} SELECT * FROM batch")
        self._db.unregister("batch")

    # -- asking ------------------------------------------------------------------------------

    def stale(self, keys: Sequence[str]) -> Iterator[list[str]]:
        """Yield the ids whose profile has to be read again before rows are held against it.

        A hundred at a time; what is done to the index meanwhile does not change them.

        What rows are known to be and is not here; what is here in an older version than we wrote;
        what we wrote under a key of a row (a column of ``keys``) and is not here at all.
        """
        shares = " OR ".join(
            f"written.{key} IN (SELECT {key} FROM rows WHERE {key} IS NOT NULL)" for key in keys
        )
        cursor = self._db.cursor()
        cursor.execute(
            "SELECT customer_id FROM rows "
            "WHERE customer_id IS NOT NULL AND customer_id NOT IN (SELECT id FROM profiles) "
            "UNION SELECT customer_id FROM written JOIN profiles ON id = customer_id "
            "WHERE profiles.version < written.version "
            "UNION SELECT customer_id FROM written "
            f"WHERE ({shares}) AND customer_id NOT IN (SELECT id FROM profiles) ORDER BY 1"
        )
        while found := cursor.fetchmany(100):
            yield [customer_id for (customer_id,) in found]

    def distinct(self, column: str) -> Iterator[list[str]]:
        """Yield the distinct non-null values of a column of the rows, in order, 1,000 at a time."""
        cursor = self._db.cursor()
        cursor.execute(f"SELECT DISTINCT {column} FROM rows WHERE {column} IS NOT NULL ORDER BY 1")
        while found := cursor.fetchmany(1000):
            yield [value for (value,) in found]

    def count_distinct(self, columns: Sequence[str]) -> int:
        """Return how many distinct values these columns of the rows hold together."""
        counts = ", ".join(f"count(DISTINCT {column})" for column in columns)
        (found,) = self._db.execute(f"SELECT {counts} FROM rows").fetchall()
        return sum(found)

    def resolve(self, outcome: Mapping[str, str | None]) -> None:
        """Replace what rows are known to be: id asked for → id that answered, None where gone.

        A row whose profile is gone is no longer known by the crosswalk; one that an id column or a
        decision named keeps saying so, without a customer.
        """
        table = pa.table(
            {"asked": list(outcome), "found": pa.array(list(outcome.values()), pa.string())}
        )
        self._db.register("outcome", table)
        self._db.execute(
            "UPDATE rows SET customer_id = found, "
            "known_by = CASE WHEN found IS NULL AND known_by = 'crosswalk' "
            "THEN '' ELSE known_by END "
            "FROM outcome WHERE rows.customer_id = asked"
        )
        self._db.unregister("outcome")

    def create_strangers(self, keys: Sequence[str]) -> None:
        """Decide on the rows that have nothing to do with any other row or profile: they are new.

        ``keys`` are columns of both tables; whatever shares one of them, or is what a row is known
        to be, is in the same component, however long the chain.
        """
        self._label(keys)
        self._db.execute(
            "INSERT INTO verdicts (row, action, matched_by, code, detail, members) "
            f"SELECT row, 'create', '', '', '', [row] FROM rows WHERE {_STRANGER}"
        )

    def components(self) -> Iterator[Component]:
        """Yield the other rows and their profiles, whole components, several at a time."""
        rows = self._stream(
            "rows_in_order",
            "SELECT coalesce(label, row * 2) AS label, rows.* FROM rows "
            f"LEFT JOIN labels ON element = row * 2 WHERE NOT ({_STRANGER}) ORDER BY 1, row",
        )
        profiles = self._stream(
            "profiles_in_order",
            "SELECT label, profiles.* EXCLUDE (profile) FROM profiles "
            "JOIN labels ON element = profiles.rowid * 2 + 1 ORDER BY 1, id",
        )
        waiting: list[dict[str, Any]] = []
        ahead = next(profiles, None)
        for row in rows:
            if len(waiting) >= _BUFFERED and row["label"] != waiting[-1]["label"]:
                found, ahead = _up_to(waiting[-1]["label"], ahead, profiles)
                yield Component(waiting, found)
                waiting = []
            waiting.append(row)
        if waiting:
            found, ahead = _up_to(waiting[-1]["label"], ahead, profiles)
            yield Component(waiting, found)

    def _label(self, keys: Sequence[str]) -> None:
        """Give everything that shares a key the smallest element number of its component.

        Rows have even numbers and profiles odd ones. Labels spread along shared keys and jump to
        their label's label, so a chain of n links takes about log n rounds.
        """
        members = [
            f"SELECT '{key}' AS kind, {key} AS value, row * 2 AS element FROM rows "
            f"WHERE {key} IS NOT NULL UNION ALL "
            f"SELECT '{key}', {key}, rowid * 2 + 1 FROM profiles WHERE {key} IS NOT NULL"
            for key in keys
        ]
        members.append(
            "SELECT 'id', customer_id, row * 2 FROM rows WHERE customer_id IS NOT NULL UNION ALL "
            "SELECT 'id', id, rowid * 2 + 1 FROM profiles UNION ALL "
            # Rows without any key are joined to their exact twins.
            "SELECT 'digest', source_key, row * 2 FROM rows WHERE source_key LIKE '%|digest|%'"
        )
        self._db.execute(
            "CREATE OR REPLACE TABLE members AS "
            f"WITH every AS ({' UNION ALL '.join(members)}) "
            "SELECT element, dense_rank() OVER (ORDER BY kind, value) AS key FROM every "
            "QUALIFY count(*) OVER (PARTITION BY kind, value) > 1 "
            "AND min(element % 2) OVER (PARTITION BY kind, value) = 0"
        )
        self._db.execute(
            "CREATE OR REPLACE TABLE labels AS "
            "SELECT DISTINCT element, element AS label FROM members"
        )
        while True:
            self._db.execute(
                "CREATE OR REPLACE TABLE spread AS "
                "WITH lowest AS (SELECT key, min(label) AS low FROM members "
                "JOIN labels USING (element) GROUP BY key), "
                "near AS (SELECT element, min(low) AS low FROM members JOIN lowest USING (key) "
                "GROUP BY element) "
                "SELECT near.element, least(near.low, labels.label) AS label "
                "FROM near JOIN labels ON labels.element = near.low"
            )
            changed = self._db.execute(
                "SELECT count(*) FROM spread JOIN labels USING (element) "
                "WHERE spread.label <> labels.label"
            ).fetchall()
            self._db.execute("CREATE OR REPLACE TABLE labels AS SELECT * FROM spread")
            if changed == [(0,)]:
                return

    def near_pairs(self, kept: Path, at_most: int) -> Iterator[dict[str, Any]]:
        """Yield rows to be created beside profiles of the file ``kept`` that share part of an email
        or an address with them, in row order.

        A row that shares something with more than ``at_most`` profiles is yielded with none of
        them. ``typo`` tells that the emails differ by one or two letters.
        """
        with self._attached(kept):
            near = _NEAR.format(at_most=at_most, crowd=_CROWD)
            self._db.execute(f"CREATE OR REPLACE TABLE near AS {near}")
        yield from self._stream("near_in_order", "SELECT * FROM near ORDER BY row, id")

    def decided(self) -> Iterator[dict[str, Any]]:
        """Yield the verdicts in row order, with source key, matched profile (JSON), and hints."""
        return self._stream(
            "verdicts_in_order",
            "WITH near AS (SELECT row, list(customer_id ORDER BY customer_id) AS near, "
            "list(evidence ORDER BY customer_id) AS evidence FROM hints GROUP BY row) "
            "SELECT verdicts.*, source_key, profile, near, evidence, digests FROM verdicts "
            "LEFT JOIN rows USING (row) LEFT JOIN near USING (row) "
            "LEFT JOIN written ON written.customer_id = verdicts.customer_id "
            "LEFT JOIN profiles ON id = verdicts.customer_id AND action = 'match' ORDER BY row",
        )

    def _stream(self, table: str, sql: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of an ordered query, which is put into ``table`` first.

        A table goes to disk and is read in pages; the result of a query stays in memory as a whole.
        """
        self._db.execute(f"CREATE OR REPLACE TABLE {table} AS {sql}")
        ((count,),) = self._db.execute(f"SELECT count(*) FROM {table}").fetchall()
        for start in range(0, count, _BUFFERED):
            page = self._db.cursor().sql(
                f"SELECT * FROM {table} WHERE rowid >= {start} AND rowid < {start + _BUFFERED} "
                "ORDER BY rowid"
            )
            yield from page.to_arrow_table().to_pylist()


def _up_to(
    label: int, ahead: dict[str, Any] | None, profiles: Iterator[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    found = []
    while ahead is not None and ahead["label"] <= label:
        found.append(ahead)
        ahead = next(profiles, None)
    return found, ahead
