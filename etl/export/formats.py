"""How is a table written as CSV, JSON lines or Parquet?

Each format is a place that takes one batch after another. CSV is UTF-8 with commas and quotes as
RFC 4180 has them; lists are joined by ``;``, and texts that a spreadsheet would run carry the
escape of ``etl.files.escape``. JSON lines name every column in every line.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, BinaryIO, TypeAlias

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.export.table import each_member
from etl.files.escape import escape, escape_column

Add: TypeAlias = Callable[[pa.Table], None]
Format: TypeAlias = Callable[[BinaryIO, pa.Schema], AbstractContextManager[Add]]

# A row group has no more rows, and of wide rows fewer.
_ROWS = 1 << 16
_BYTES = 64 << 20


@contextmanager
def as_csv(file: BinaryIO, schema: pa.Schema, *, raw: bool, bom: bool) -> Iterator[Add]:
    """Write tables of this schema as CSV; ``raw``: formulas are not escaped."""
    import pyarrow.csv as pcsv

    fields = [
        pa.field(field.name if raw else escape(field.name), _cell_type(field.type))
        for field in schema
    ]
    if len(fields) == 1:
        # A line without anything would be no record to whoever reads it.
        fields = [pa.field(fields[0].name, pa.string())]
    cells = pa.schema(fields)
    if bom:
        file.write(codecs.BOM_UTF8)
    writer = pcsv.CSVWriter(file, cells)

    def add(table: pa.Table) -> None:
        columns = [_cells(column.combine_chunks(), raw) for column in table.columns]
        if len(columns) == 1:
            columns = [pc.fill_null(columns[0].cast(pa.string()), "")]
        writer.write_table(pa.Table.from_arrays(columns, schema=cells))

    with _ending(writer):
        yield add


@contextmanager
def as_jsonl(file: BinaryIO, schema: pa.Schema) -> Iterator[Add]:
    """Write tables of this schema as JSON lines."""
    names = schema.names

    def add(table: pa.Table) -> None:
        columns = [column.to_pylist() for column in table.columns]
        file.writelines(
            orjson.dumps(
                dict(zip(names, row, strict=True)),
                option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
                default=str,
            )
            for row in zip(*columns, strict=True)
        )

    yield add


@contextmanager
def as_parquet(file: BinaryIO, schema: pa.Schema) -> Iterator[Add]:
    """Write tables of this schema as Parquet, small ones together."""
    import pyarrow.parquet as pq

    writer = pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True)
    held: list[pa.Table] = []

    def flush() -> None:
        writer.write_table(pa.concat_tables(held))
        held.clear()

    def add(table: pa.Table) -> None:
        held.append(table)
        if sum(map(len, held)) >= _ROWS or sum(one.nbytes for one in held) >= _BYTES:
            flush()

    with _ending(writer):
        yield add
        if held:
            flush()


@contextmanager
def _ending(writer: Any) -> Iterator[None]:
    """Let a writer end its file, also after an error, which is the one that is told.

    One that was not closed tries to end its file whenever it is forgotten.
    """
    try:
        yield
    except BaseException:
        with suppress(pa.ArrowException, OSError, ValueError):
            writer.close()
        raise
    writer.close()


def _cell_type(kind: pa.DataType) -> pa.DataType:
    # What no spreadsheet can take for a formula.
    plain = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind)
    return kind if plain else pa.string()


def _cells(column: pa.Array, raw: bool) -> pa.Array:
    kind = column.type
    if _cell_type(kind) == kind and not pa.types.is_string(kind):
        return column
    text = _text(column)
    return text if raw else escape_column(text)


def _text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        return pc.binary_join(each_member(column, _member), ";")
    if pa.types.is_timestamp(kind):
        utc = column.cast(pa.timestamp(kind.unit, "UTC"))
        text = pc.strftime(utc, format="%Y-%m-%dT%H:%M:%SZ")
        return pc.replace_substring_regex(text, r"(?:(\.\d*[1-9])|\.)0*Z$", r"\1Z")
    if pa.types.is_nested(kind):
        return pa.array(
            [
                None if value is None else json.dumps(value, ensure_ascii=False, default=str)
                for value in column.to_pylist()
            ],
            pa.string(),
        )
    return column.cast(pa.string())


def _member(names: pa.Array) -> pa.Array:
    slashed = pc.replace_substring(pc.fill_null(names, ""), "\\", "\\\\")
    return pc.replace_substring(slashed, ";", "\\;")
