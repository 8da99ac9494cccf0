"""How do profiles lie in a table, with their match keys beside them?

Both copies of the directory are made of it: the one that stays between runs and the one beside the
rows of a run. DuckDB files with a memory limit, so that large ones go to disk; private, because
they hold people's data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from etl.customers.normalize import address_key, email_key, phone_key

# Two files may be open at a time, and what DuckDB frees is not given back at once. With 128 MB, one
# matching in four of a million rows ended for want of memory; each thread takes its share of it.
_MEMORY = "256MB"
_THREADS = 2
_AT_ONCE = 4096

PROFILES = pa.schema(
    [
        ("id", pa.string()),
        ("reference_id", pa.string()),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("given_name", pa.string()),
        ("family_name", pa.string()),
        ("company_name", pa.string()),
        ("address", pa.string()),
        ("version", pa.int64()),
        ("profile", pa.string()),
    ]
)


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open or make a file with a table ``profiles`` of the schema ``PROFILES``.

    Raises duckdb.IOException while another process has it open.
    """
    # Orders that matter are asked for; keeping all others takes memory.
    db = duckdb.connect(
        str(path),
        config={
            "memory_limit": _MEMORY,
            "threads": _THREADS,
            "preserve_insertion_order": False,
        },
    )
    path.chmod(0o600)
    create_table(db, "profiles", PROFILES)
    return db


def create_table(db: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema) -> None:
    """Make an empty table of an Arrow schema, unless it is there."""
    db.register("empty", schema.empty_table())
    db.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM empty")
    db.unregister("empty")


def keep(db: duckdb.DuckDBPyConnection, found: Iterable[Mapping[str, Any]], region: str) -> None:
    """Keep profiles as Square sent them; a later one with the same id replaces the earlier.

    ``region`` is where national phones belong.
    """
    buffered: dict[str, Mapping[str, Any]] = {}
    for profile in found:
        buffered[profile["id"]] = profile
        if len(buffered) >= _AT_ONCE:
            _insert(db, buffered.values(), region)
            buffered.clear()
    _insert(db, buffered.values(), region)


def drop(db: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    """Forget profiles that do not exist any more."""
    db.execute("DELETE FROM profiles WHERE id IN (SELECT unnest(?))", [list(ids)])


def _insert(db: duckdb.DuckDBPyConnection, found: Iterable[Mapping[str, Any]], region: str) -> None:
    rows = [
        {
            "id": profile["id"],
            "reference_id": profile.get("reference_id") or None,
            "email": email_key(profile.get("email_address")),
            "phone": phone_key(profile.get("phone_number"), region),
            "given_name": profile.get("given_name"),
            "family_name": profile.get("family_name"),
            "company_name": profile.get("company_name"),
            "address": _address(profile.get("address") or {}),
            "version": profile.get("version", 0),
            "profile": orjson.dumps(profile).decode(),
        }
        for profile in found
    ]
    if not rows:
        return
    db.register("batch", pa.Table.from_pylist(rows, schema=PROFILES))
    db.execute("DELETE FROM profiles WHERE id IN (SELECT id FROM batch)")
    db.execute("INSERT INTO profiles SELECT * FROM batch")
    db.unregister("batch")


def _address(address: Mapping[str, Any]) -> str | None:
    return address_key(address.get("address_line_1"), address.get("postal_code"))
