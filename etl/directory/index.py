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

# What is put in order at a time: a sort of more than fits into memory may fail, however small its
# parts are (DuckDB 2.0: "failed to pin block"), a join or a scan does not.
_WINDOW = 16_384

# Nothing but its keys can tie such a row to anybody.
_UNKNOWN = "customer_id IS NULL AND NOT held AND known_by = ''"

# Profiles that share half of an email, all of which would have to be compared with each row that
# does: more of them are an info@, not somebody.
_CROWD = 50

# Whose address more than enough profiles have is held against nobody, whatever else is alike: to
# pair them first would take memory for each pair.
# Letters that are swapped, missing or too many count as one. What stands before the @ may only
# differ where the family name is the same.
_NEAR = """
    WITH crowded AS (
        SELECT address FROM kept.profiles WHERE address IS NOT NULL
        GROUP BY address HAVING count(*) > {at_most}),
    new AS (
        SELECT rows.*, split_part(email, '@', 1) AS box, split_part(email, '@', 2) AS host,
            lower(family_name) AS family
        FROM rows JOIN verdicts USING (row) ANTI JOIN crowded ON rows.address = crowded.address
        WHERE action = 'create'),
    known AS (
        SELECT *, split_part(email, '@', 1) AS box, split_part(email, '@', 2) AS host,
            lower(family_name) AS family
        FROM kept.profiles),
    boxes AS (
        SELECT id, box, host FROM known SEMI JOIN new USING (box)
        QUALIFY count(*) OVER (PARTITION BY box) <= {crowd}),
    families AS (
        SELECT id, box, host, family FROM known SEMI JOIN new ON known.host = new.host
            AND known.family = new.family AND left(known.box, 1) = left(new.box, 1)
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


# The odd number by which a profile is known beside rows.
_ELEMENT = "((hash(id) >> 2) * 2 + 1)::BIGINT"


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
        # A search may have been given up half way.
        self._db.execute("DELETE FROM profiles")
        self._want([*((key, key) for key in keys), ("id", "customer_id")])
        pairs = [(key, key) for key in keys] + [("id", "id")]
        with self._attached(kept):
            self._db.execute(
                "CREATE OR REPLACE TABLE shares AS SELECT DISTINCT element FROM "
                f"({_hashed('kept.profiles', pairs, 'rowid')}) SEMI JOIN wanted USING (key)"
            )
            self._db.execute(
                "INSERT INTO profiles SELECT profiles.* FROM kept.profiles "
                "SEMI JOIN shares ON element = profiles.rowid"
            )

    def _want(self, columns: Sequence[tuple[str, str]]) -> None:
        """Put the hashes of what these columns (kind, column) of the rows hold into ``wanted``."""
        self._db.execute(
            "CREATE OR REPLACE TABLE wanted AS SELECT DISTINCT key FROM "
            f"({_hashed('rows', columns, 'row')})"
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
        self._db.execute("CREATE OR REPLACE TABLE ids AS SELECT id FROM profiles")
        found = self._stream("ids_in_order", "SELECT id FROM ids WHERE {window}", "ids", "rowid")
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
        self._want([(key, key) for key in keys])
        ours = _hashed("written", [(key, key) for key in keys], "customer_id")
        for step in (
            "CREATE OR REPLACE TABLE suspects AS "
            "SELECT customer_id FROM rows ANTI JOIN profiles ON id = customer_id "
            "WHERE customer_id IS NOT NULL",
            "INSERT INTO suspects SELECT customer_id FROM written JOIN profiles "
            "ON id = customer_id WHERE profiles.version < written.version",
            f"INSERT INTO suspects SELECT element FROM ({ours}) SEMI JOIN wanted USING (key) "
            "ANTI JOIN profiles ON id = element",
            "CREATE OR REPLACE TABLE stale AS SELECT DISTINCT customer_id FROM suspects",
        ):
            self._db.execute(step)
        found = self._stream(
            "stale_in_order", "SELECT * FROM stale WHERE {window}", "stale", "rowid"
        )
        while page := list(islice(found, 100)):
            yield [entry["customer_id"] for entry in page]

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
            "SELECT row, 'create', '', '', '', [row] FROM rows "
            f"ANTI JOIN labels ON element = row * 2 WHERE {_UNKNOWN}"
        )

    def components(self) -> Iterator[Component]:
        """Yield the other rows and their profiles, whole components, several at a time."""
        self._db.execute(
            "CREATE OR REPLACE TABLE labelled_rows AS "
            "SELECT coalesce(label, row * 2) AS label, rows.* FROM rows "
            f"LEFT JOIN labels ON element = row * 2 WHERE label IS NOT NULL OR NOT ({_UNKNOWN})"
        )
        self._db.execute(
            "CREATE OR REPLACE TABLE labelled_profiles AS "
            "SELECT label, profiles.* EXCLUDE (profile) FROM profiles "
            f"JOIN labels ON element = {_ELEMENT}"
        )
        rows, profiles = (
            self._stream(
                f"{each}_in_order",
                f"SELECT * FROM {each} WHERE {{window}} ORDER BY label, {then}",
                each,
                "label",
            )
            for each, then in (("labelled_rows", "row"), ("labelled_profiles", "id"))
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

        Rows have even numbers and profiles odd ones, made of their ids: DuckDB gives other rowids
        to what is left when it cleans up behind deletions. Labels spread along shared keys and jump
        to their label's label, so a chain of n links takes about log n rounds.
        """
        every = [
            _hashed("rows", [*((key, key) for key in keys), ("id", "customer_id")], "row * 2"),
            _hashed("profiles", [*((key, key) for key in keys), ("id", "id")], _ELEMENT),
            # Rows without any key are joined to their exact twins.
            "SELECT hash('digest', source_key), row * 2 FROM rows "
            "WHERE source_key LIKE '%|digest|%'",
        ]
        self._db.execute(f"CREATE OR REPLACE TABLE every AS {' UNION ALL '.join(every)}")
        self._db.execute(
            "CREATE OR REPLACE TABLE members AS SELECT * FROM every SEMI JOIN ("
            "SELECT key FROM every GROUP BY key HAVING count(*) > 1 AND min(element % 2) = 0"
            ") USING (key)"
        )
        self._db.execute("DROP TABLE every")
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
        near = "SELECT * FROM near WHERE {window} ORDER BY row, id"
        yield from self._stream("near_in_order", near, "near", "row")

    def decided(self) -> Iterator[dict[str, Any]]:
        """Yield the verdicts in row order, with source key, matched profile (JSON), and hints."""
        matched = "(SELECT row, customer_id FROM verdicts WHERE action = 'match')"
        self._db.execute(
            "CREATE OR REPLACE TABLE matched_profiles AS "
            f"SELECT row, profile FROM profiles JOIN {matched} ON id = customer_id"
        )
        self._db.execute(
            "CREATE OR REPLACE TABLE matched_written AS "
            f"SELECT row, digests FROM written JOIN {matched} USING (customer_id)"
        )
        joined = "".join(
            f"LEFT JOIN (SELECT {columns} FROM {table} WHERE {{window}} {grouped}) USING (row) "
            for table, columns, grouped in (
                ("rows", "row, source_key", ""),
                ("matched_profiles", "*", ""),
                ("matched_written", "*", ""),
                (
                    "hints",
                    "row, list(customer_id ORDER BY customer_id) AS near, "
                    "list(evidence ORDER BY customer_id) AS evidence",
                    "GROUP BY row",
                ),
            )
        )
        return self._stream(
            "verdicts_in_order",
            f"SELECT * FROM (SELECT * FROM verdicts WHERE {{window}}) {joined} ORDER BY row",
            "verdicts",
            "row",
        )

    def _stream(self, name: str, sql: str, table: str, by: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query window by window of ``by``, integers from 0 in ``table``.

        ``sql`` says of its sources where ``{window}`` is, and puts a window in order. Each is put
        into a table called ``name`` first: a table goes to disk and is read in pages; the result of
        a query stays in memory as a whole.
        """
        ((last,),) = self._db.execute(f"SELECT coalesce(max({by}), -1) FROM {table}").fetchall()
        for low in range(0, last + 1, _WINDOW):
            window = f"{by} BETWEEN {low} AND {low + _WINDOW - 1}"
            self._db.execute(f"CREATE OR REPLACE TABLE {name} AS {sql.format(window=window)}")
            ((count,),) = self._db.execute(f"SELECT count(*) FROM {name}").fetchall()
            for start in range(0, count, _BUFFERED):
                page = self._db.cursor().sql(
                    f"SELECT * FROM {name} WHERE rowid >= {start} AND rowid < {start + _BUFFERED} "
                    "ORDER BY rowid"
                )
                yield from page.to_arrow_table().to_pylist()


def _hashed(table: str, columns: Iterable[tuple[str, str]], element: str) -> str:
    """Return SQL for a hash of each value of some columns (kind, column) beside its ``element``.

    Texts of a kind are compared by their hashes, which take a fifth of the memory. Should two ever
    share one, more is looked at than has to be, and nothing else: verdicts compare the texts.
    """
    return " UNION ALL ".join(
        f"SELECT hash('{kind}', {column}) AS key, {element} AS element FROM {table} "
        f"WHERE {column} IS NOT NULL"
        for kind, column in columns
    )


def _up_to(
    label: int, ahead: dict[str, Any] | None, profiles: Iterator[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    found = []
    while ahead is not None and ahead["label"] <= label:
        found.append(ahead)
        ahead = next(profiles, None)
    return found, ahead
