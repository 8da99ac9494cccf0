"""Which rows and columns of what was collected are wanted, and how are they shown?

In this order: rows are picked (``where``, then ``sample``), columns dropped or chosen, values
masked, and last everything is put under the headers of another system. What is asked for is checked
against the columns first, before anything is asked of Square.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.fields import BIRTHDAY_PARTS
from etl.errors import ConfigError
from etl.export.headers import Header, as_written, headers
from etl.export.masking import masked, token_type
from etl.export.table import BIRTHDAY
from etl.export.wanted import Shape
from etl.export.where import Where, nearest

# Short names for what is asked for often; the first step of names with dots (address) stands for
# all that begin so.
ALIASES: dict[str, tuple[str, ...]] = {
    "email": ("email_address",),
    "phone": ("phone_number",),
    "reference": ("reference_id",),
    "company": ("company_name",),
    "city": ("address.locality",),
    "state": ("address.administrative_district_level_1",),
    "postal_code": ("address.postal_code",),
    "country": ("address.country",),
    "name": (
        *("given_name", "family_name", "nickname"),
        *("address.first_name", "address.last_name"),
    ),
}

# Batches of a table, from the first one on.
Batches = Callable[[], Iterable[pa.Table]]


class Column(NamedTuple):
    """A column of what is written: ``source`` is that of the table, None if it stays empty."""

    name: str
    type: pa.DataType
    source: str | None
    masked: bool


def columns(shape: Shape, schema: pa.Schema) -> list[Column]:
    """Return the columns that will be written, from a table with this schema.

    Raises ConfigError for names that the table does not have and for what contradicts itself.
    """
    kept, hidden = _kept(shape, schema), _hidden(shape, schema)

    def type_of(name: str) -> pa.DataType:
        held = schema.field(name).type
        return token_type(held) if name in hidden else held

    if shape.preset is not None:
        made = headers(shape.preset, kept)
        return [
            Column(header.name, pa.string(), header.source, header.source in hidden)
            for header in made
        ]
    return [Column(name, type_of(name), name, name in hidden) for name in kept]


def left_out(shape: Shape, schema: pa.Schema) -> list[str]:
    """Return the columns, not dropped, that have no place in the file of another system."""
    if shape.preset is None:
        return []
    placed = {*(column.source for column in columns(shape, schema)), *BIRTHDAY_PARTS}
    return [name for name in _without(shape, schema) if name not in placed]


def check(shape: Shape, schema: pa.Schema, sleep: Callable[[float], None]) -> None:
    """Raise ConfigError for a shape that cannot be given to a table with this schema."""
    columns(shape, schema)
    if shape.sample is not None and shape.sample < 1:
        raise ConfigError("--sample takes the number of customers, 1 or more")
    if shape.where is not None:
        Where(shape.where, schema, sleep).close()


def shaped(
    batches: Batches,
    shape: Shape,
    schema: pa.Schema,
    key: bytes,
    country: str,
    sleep: Callable[[float], None],
) -> Iterator[pa.Table]:
    """Yield the batches of a table with this schema in the shape that is wanted.

    ``key`` is what masks and samples depend on, ``country`` the merchant's. A sample reads the
    batches twice. ``sleep`` waits for a ``where``, and may raise Interrupted.
    """
    written = pa.schema([(column.name, column.type) for column in columns(shape, schema)])
    hidden = _hidden(shape, schema)
    made = headers(shape.preset, _kept(shape, schema)) if shape.preset is not None else None
    for table in _picked(_fitting(batches, shape, schema, sleep), batches, shape, key):
        shown = {
            name: masked(_whole(table, name), schema.field(name), key, country)
            if name in hidden
            else _whole(table, name)
            for name in _kept(shape, schema)
        }
        if made is not None and shape.preset is not None:
            filed = [
                _filed(shape.preset, header, shown, hidden, len(table), country) for header in made
            ]
        else:
            filed = list(shown.values())
        yield pa.Table.from_arrays(filed, schema=written)


# --- rows ---------------------------------------------------------------------------------------


def _picked(
    fitting: Iterator[pa.Table], batches: Batches, shape: Shape, key: bytes
) -> Iterator[pa.Table]:
    if shape.sample is None:
        yield from fitting
        return
    hashed = ((_place(id, key), id) for table in fitting for id in table.column("id").to_pylist())
    chosen = {id for _, id in heapq.nsmallest(shape.sample, hashed)}
    for table in batches():
        mask = [id in chosen for id in table.column("id").to_pylist()]
        if any(mask):
            yield table.filter(pa.array(mask))


def _fitting(
    batches: Batches, shape: Shape, schema: pa.Schema, sleep: Callable[[float], None]
) -> Iterator[pa.Table]:
    if shape.where is None:
        yield from batches()
        return
    with closing(Where(shape.where, schema, sleep)) as where:
        for table in batches():
            fitting = table.filter(where.rows(table))
            if len(fitting):
                yield fitting


def _place(id: str | None, key: bytes) -> bytes:
    """Return where a customer stands in the order that samples are taken from."""
    return hashlib.blake2b((id or "").encode(), digest_size=16, key=key, person=b"sample").digest()


# --- columns ------------------------------------------------------------------------------------


def _kept(shape: Shape, schema: pa.Schema) -> list[str]:
    """Return the columns that are neither dropped nor unasked for, in their order."""
    if not shape.columns:
        kept = _without(shape, schema)
        if not kept:
            raise ConfigError("--drop leaves no column to write")
        return kept
    if shape.preset is not None:
        raise ConfigError("--preset says which columns are written: leave --columns out")
    wanted = _named("columns", shape.columns, schema)
    for name, times in Counter(wanted).items():
        if times > 1:
            raise ConfigError(f"--columns names {name} {times} times: once is enough")
    for name in wanted:
        if name in _dropped(shape, schema):
            raise ConfigError(f"{name} is both in --columns and in --drop: keep one of them")
    return wanted


def _without(shape: Shape, schema: pa.Schema) -> list[str]:
    dropped = _dropped(shape, schema)
    return [name for name in schema.names if name not in dropped]


def _dropped(shape: Shape, schema: pa.Schema) -> set[str]:
    return _with_parts(_named("drop", shape.drop, schema))


def _hidden(shape: Shape, schema: pa.Schema) -> set[str]:
    return _with_parts(_named("mask", shape.mask, schema))


def _with_parts(names: Iterable[str]) -> set[str]:
    """Return the names; whoever hides birthdays does not want their days to be seen."""
    found = set(names)
    return found | {*BIRTHDAY_PARTS} if BIRTHDAY in found else found


def _named(option: str, names: Sequence[str], schema: pa.Schema) -> list[str]:
    """Return the columns that are named, in the order of the names."""
    found: list[str] = []
    for name in names:
        whole = [column for column in schema.names if column.startswith(f"{name}.")]
        if name in schema.names or whole:
            found += [name] * (name in schema.names) + whole
        elif name in ALIASES:
            found += ALIASES[name]
        else:
            near = nearest(name, schema, (*ALIASES, "address"))
            raise ConfigError(f"--{option}: there is no column {name!r}{near}")
    return found


def _whole(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _filed(
    system: str,
    header: Header,
    shown: dict[str, pa.Array],
    hidden: Collection[str],
    size: int,
    country: str,
) -> pa.Array:
    """Return what stands under a header of another system."""
    if header.source is None:
        return pa.nulls(size, pa.string())
    column = shown[header.source]
    # A code stays as it is: read as a phone it would become somebody's.
    if header.source not in hidden or pa.types.is_list(column.type):
        column = as_written(system, header, column, country)
    return pc.cast(column, pa.string())
