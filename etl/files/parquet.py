"""Which text does a Parquet file hold, column by column?

Every column is delivered as text, exactly. Those whose text is not what their writer saw, such as
floating point numbers, are named with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.errors import SourceError
from etl.files.excerpt import Excerpt, excerpt
from etl.files.version import Version, refuse_other, unchanged, version_of

_BUFFER = 1 << 20
# Rows are read by the thousand unless they may be larger than this together.
_BYTES_AT_ONCE = 128 << 20
# Small row groups are put together while they have no more than this.
_BYTES_TO_JOIN = 32 << 20


def read_columns(path: Path, name: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the columns of a file, and why some of them are not text."""
    with _opened(path, name) as file:
        schema = file.schema_arrow
        reasons = ((field.name, _not_text(field.type)) for field in schema)
        return tuple(schema.names), {column: reason for column, reason in reasons if reason}


class Groups(NamedTuple):
    """Row groups in a row of a version of a file; ``start`` is how many rows lie before them.

    ``excerpt`` has what is needed to read them without the file.
    """

    start: int
    numbers: tuple[int, ...]
    version: Version
    excerpt: Excerpt | None = None


def groups(path: Path, name: str, rows: int, *, excerpts: bool = False) -> Iterator[Groups]:
    """Yield what a file consists of: row groups of so many rows together, or one with more.

    ``excerpts``: with what is needed to read them where the file may not be. Raises SourceError
    when the file changes meanwhile.
    """
    version = version_of(path, name)
    with _opened(path, name) as file:
        metadata = file.metadata
        for found in _together(metadata, rows, version):
            if excerpts:
                found = found._replace(excerpt=excerpt(path, metadata, found.numbers))
                refuse_other(version, path, name)
            yield found


def _together(metadata: pq.FileMetaData, rows: int, version: Version) -> Iterator[Groups]:
    start, numbers, size = 0, list[int](), 0
    for number in range(metadata.num_row_groups):
        more = metadata.row_group(number).num_rows
        if numbers and size + more > rows:
            yield Groups(start, tuple(numbers), version)
            start, numbers, size = start + size, [], 0
        numbers.append(number)
        size += more
    if size:
        yield Groups(start, tuple(numbers), version)


def read_groups(path: Path, name: str, found: Groups, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of some groups with every column as text; null stays null.

    They come in batches of so many rows, fewer where they may not fit into memory. Raises
    SourceError when the file is not the version that was cut.
    """
    place = found.excerpt or path
    same = unchanged(found.version, path, name) if found.excerpt is None else nullcontext()
    with same, _opened(place, name, _shared(place, name, found)) as file:
        held: list[pa.RecordBatch] = []
        length = size = 0  # of what is held, all of which is never looked at again
        for batch in _batches(file, found.numbers, rows):
            cells = _as_text(batch)
            more = cells.nbytes
            if held and (length + len(cells) > rows or size + more > _BYTES_TO_JOIN):
                yield pa.concat_batches(held)
                held, length, size = [], 0, 0
            if more > _BYTES_TO_JOIN:
                yield cells
            else:
                held.append(cells)
                length, size = length + len(cells), size + more
        if held:
            yield pa.concat_batches(held)


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    batch.validate(full=True)  # the format does not promise that strings are UTF-8
    return pa.RecordBatch.from_arrays(
        [_text(column) for column in batch.columns],
        schema=pa.schema([(column, pa.string()) for column in batch.schema.names]),
    )


def _batches(file: pq.ParquetFile, numbers: Sequence[int], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of groups in batches of so many, fewer where they may not fit into memory."""
    facts = [file.metadata.row_group(number) for number in numbers]
    average = max(group.total_byte_size // max(group.num_rows, 1) for group in facts)
    at_once = min(rows, max(_BYTES_AT_ONCE // max(average, 1), 1))
    for batch in file.iter_batches(batch_size=at_once, row_groups=list(numbers), use_threads=False):
        # Cells that are written once for many rows take their place in each of them.
        shared = [each for each in batch.columns if pa.types.is_dictionary(each.type)]
        longest = sum(map(_longest, shared))
        size = min(at_once, max(_BYTES_AT_ONCE // max(average, longest, 1), 1))
        for start in range(0, len(batch), size):
            yield batch.slice(start, size)


def _longest(column: pa.DictionaryArray) -> int:
    texts = column.dictionary
    if not (pa.types.is_string(texts.type) or _is_binary(texts.type)):
        return 0
    return int(pc.max(pc.binary_length(texts)).as_py() or 0)


def _shared(place: Path | Excerpt, name: str, found: Groups) -> list[str]:
    """Return the columns whose cells are written once for many rows."""
    with _opened(place, name) as file:
        flat = set(file.schema_arrow.names)
        facts = [file.metadata.row_group(group) for group in found.numbers]
    chunks = [group.column(at) for group in facts for at in range(group.num_columns)]
    return sorted(
        {
            chunk.path_in_schema
            for chunk in chunks
            if chunk.physical_type == "BYTE_ARRAY"
            and chunk.has_dictionary_page
            and chunk.path_in_schema in flat
        }
    )


@contextmanager
def _opened(
    place: Path | Excerpt, name: str, shared: Sequence[str] = ()
) -> Iterator[pq.ParquetFile]:
    """Open a file; the columns ``shared`` come as dictionaries."""
    try:
        with pq.ParquetFile(
            place if isinstance(place, Path) else place.opened(),
            metadata=None if isinstance(place, Path) else place.metadata,
            read_dictionary=list(shared),
            buffer_size=_BUFFER,
            pre_buffer=False,
            page_checksum_verification=True,
        ) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{name}: not a Parquet file that can be read: {_in_one_line(error)}. "
            "Copy or export it again"
        ) from error


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(" .")


def _not_text(kind: pa.DataType) -> str:
    """Return why the text of such a column cannot be trusted, or ""."""
    kind = _plain(kind)
    if pa.types.is_floating(kind):
        return "a column of doubles"
    if pa.types.is_nested(kind):
        return "a nested column"
    if _is_binary(kind):
        return "a column of bytes"
    if pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return "a column of durations"
    return ""


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type below dictionaries and extensions."""
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _is_binary(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
            pa.types.is_binary_view,
        )
    )


def _text(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        return _text(column.storage)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _text(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return _timestamp_text(column)
    if pa.types.is_date(kind):
        return column.cast(pa.date32()).cast(pa.string())
    if pa.types.is_decimal(kind):
        # A cast would write small numbers with an exponent.
        return _each(column, lambda value: format(value, "f"))
    if pa.types.is_nested(kind):
        return _each(column, lambda value: json.dumps(value, ensure_ascii=False, default=str))
    if _is_binary(kind):
        return _each(column, lambda value: value.decode("utf-8", "backslashreplace"))
    if pa.types.is_interval(kind):
        return _each(column, str)
    return column.cast(pa.string())


def _timestamp_text(column: pa.Array) -> pa.Array:
    """Write timestamps in ISO 8601, in their own zone: a birthday must not move a day."""
    local = column if column.type.tz is None else pc.local_timestamp(column)
    text = pc.replace_substring(local.cast(pa.string()), " ", "T")
    text = pc.replace_substring_regex(text, r"\.0+$", "")
    if column.type.tz is None:
        return text
    offset = pc.replace_substring_regex(pc.strftime(column, format="%z"), r"(..)$", r":\1")
    return pc.binary_join_element_wise(text, offset, "")


def _each(column: pa.Array, write: Callable[..., str]) -> pa.Array:
    return pa.array(
        [None if value is None else write(value) for value in column.to_pylist()], pa.string()
    )
