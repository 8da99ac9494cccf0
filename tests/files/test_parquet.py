"""Parquet as text: exact where text can be exact, named where it cannot."""

from __future__ import annotations

import datetime as dt
import io
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.errors import SourceError
from etl.files import parquet


def _batches(path: Path, rows: int) -> Iterator[pa.RecordBatch]:
    for found in parquet.groups(path, "people", rows):
        yield from parquet.read_groups(path, "people", found, rows)


def _text_of(path: Path, column: pa.Array) -> list[str | None]:
    pq.write_table(pa.table({"x": column}), path)
    found: list[str | None] = []
    for batch in _batches(path, 2):
        assert batch.schema == pa.schema([("x", pa.string())])
        found += batch.column(0).to_pylist()
    return found


def _reason(path: Path, kind: pa.DataType) -> str:
    pq.write_table(pa.table({"x": pa.array([None], kind)}), path)
    columns, not_text = parquet.read_columns(path, "people")
    assert columns == ("x",)
    return not_text.get("x", "")


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ([" Zoë ", "", "\0'", "n/a"], pa.string(), [" Zoë ", "", "\0'", "n/a"]),
        (["a"], pa.large_string(), ["a"]),
        (["a", "b", "a"], pa.dictionary(pa.int32(), pa.string()), ["a", "b", "a"]),
        ([0, -1, 2**63 - 1], pa.int64(), ["0", "-1", "9223372036854775807"]),
        ([2**64 - 1], pa.uint64(), ["18446744073709551615"]),
        ([14155550123], pa.int64(), ["14155550123"]),
        ([True, False], pa.bool_(), ["true", "false"]),
        (
            [Decimal("0"), Decimal("-1.5"), Decimal("123456789.12345678")],
            pa.decimal128(20, 8),
            ["0.00000000", "-1.50000000", "123456789.12345678"],
        ),
        ([Decimal(10**37)], pa.decimal128(38, 0), [str(10**37)]),
        ([Decimal(10**60)], pa.decimal256(70, 0), [str(10**60)]),
        ([dt.date(1986, 4, 17), dt.date(1, 1, 1)], pa.date32(), ["1986-04-17", "0001-01-01"]),
        ([dt.date(1986, 4, 17)], pa.date64(), ["1986-04-17"]),
        (
            [dt.datetime(1986, 4, 17), dt.datetime(1986, 4, 17, 9, 5, 3, 250000)],
            pa.timestamp("us"),
            ["1986-04-17T00:00:00", "1986-04-17T09:05:03.250000"],
        ),
        (
            [dt.datetime(1986, 4, 17, 4, tzinfo=dt.UTC), dt.datetime(1986, 1, 17, tzinfo=dt.UTC)],
            pa.timestamp("ms", "America/New_York"),
            ["1986-04-16T23:00:00-05:00", "1986-01-16T19:00:00-05:00"],
        ),
        (
            [dt.datetime(1986, 4, 17, tzinfo=dt.UTC)],
            pa.timestamp("us", "UTC"),
            ["1986-04-17T00:00:00+00:00"],
        ),
        ([b"Zo\xc3\xab", b"\xff"], pa.binary(), ["Zoë", "\\xff"]),
        ([1.5, 1e22], pa.float64(), ["1.5", "1e+22"]),
        ([["a", "é"], []], pa.list_(pa.string()), ['["a", "é"]', "[]"]),
        ([{"a": dt.date(2000, 1, 1)}], pa.struct({"a": pa.date32()}), ['{"a": "2000-01-01"}']),
    ],
)
def test_values_as_text(
    tmp_path: Path, values: list[Any], kind: pa.DataType, text: list[str]
) -> None:
    """Each value is written in full, and null stays null."""
    assert _text_of(tmp_path / "x.parquet", pa.array([*values, None], kind)) == [*text, None]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (pa.string(), ""),
        (pa.dictionary(pa.int8(), pa.string()), ""),
        (pa.int32(), ""),
        (pa.bool_(), ""),
        (pa.decimal128(9, 2), ""),
        (pa.date32(), ""),
        (pa.timestamp("ns", "UTC"), ""),
        (pa.null(), ""),
        (pa.float64(), "a column of doubles"),
        (pa.float32(), "a column of doubles"),
        (pa.dictionary(pa.int32(), pa.float64()), "a column of doubles"),
        (pa.binary(), "a column of bytes"),
        (pa.binary(16), "a column of bytes"),
        (pa.uuid(), "a column of bytes"),
        (pa.list_(pa.string()), "a nested column"),
        (pa.struct({"a": pa.string()}), "a nested column"),
        (pa.map_(pa.string(), pa.string()), "a nested column"),
        (pa.duration("s"), "a column of durations"),
    ],
)
def test_columns_that_are_not_text_are_named(
    tmp_path: Path, kind: pa.DataType, reason: str
) -> None:
    """A column whose text would not be what its writer saw comes with the reason."""
    assert _reason(tmp_path / "x.parquet", kind) == reason
    assert _text_of(tmp_path / "x.parquet", pa.array([None], kind)) == [None]


def test_strings_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    """A text column whose bytes are no text is damage, not data."""
    bytes_column = pa.array([b"\xff\xfe"])
    broken = pa.StringArray.from_buffers(1, *bytes_column.buffers()[1:])
    pq.write_table(pa.table({"x": broken}), tmp_path / "x.parquet")

    with pytest.raises(SourceError, match=r"^people: not a Parquet file that can be read: .*UTF"):
        list(_batches(tmp_path / "x.parquet", 10))


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    """A Parquet file without its end cannot be read at all."""
    whole = io.BytesIO()
    pq.write_table(pa.table({"x": ["1"] * 100}), whole)

    for end in (0, 4, 20, len(whole.getvalue()) - 8, len(whole.getvalue()) - 1):
        (tmp_path / "x.parquet").write_bytes(whole.getvalue()[:end])
        with pytest.raises(SourceError, match="export it again"):
            parquet.read_columns(tmp_path / "x.parquet", "people")


def test_row_groups_follow_each_other(tmp_path: Path) -> None:
    """Batches come in the file's order, whatever row groups it was written in."""
    table = pa.table({"x": pa.array(range(1000))})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=33)

    for rows in (1000, 64, 33, 7):
        batches = list(_batches(tmp_path / "x.parquet", rows))
        assert max(batch.num_rows for batch in batches) <= rows
        assert [int(v) for b in batches for v in b.column(0).to_pylist()] == list(range(1000))


def test_many_row_groups_take_time_as_one_does(tmp_path: Path) -> None:
    """What is put together is not gone through again for each that follows."""
    took = {}
    for groups in (1000, 4000):
        table = pa.table({"x": pa.array(range(groups))})
        pq.write_table(table, tmp_path / "x.parquet", row_group_size=1)
        begun = time.process_time()
        (batch,) = _batches(tmp_path / "x.parquet", 1 << 16)
        took[groups] = time.process_time() - begun
        assert [int(value) for value in batch.column(0).to_pylist()] == list(range(groups))

    assert took[4000] < 8 * took[1000]  # four times as much; it was sixteen
