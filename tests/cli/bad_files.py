"""Which files break readers? Each case writes one file, damaged in one way, always the same."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import decimal
import gzip
import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_PEOPLE = 300


def people(number: int = _PEOPLE) -> list[list[str]]:
    """Return a header and rows of made-up people, some of them with quotes, breaks and accents."""
    header = ["First Name", "Last Name", "Email", "Phone", "Birthday", "Note"]
    return [
        header,
        *(
            [
                f"Zoë {n}",
                'O"Neil' if n % 17 == 0 else f"Lee{n}",
                f"zoe{n}@example.com" if n % 11 else "zoe@",
                f"+1415555{n % 10_000:04d}",
                f"1986-04-{n % 28 + 1:02d}",
                f"first line\nsecond, line {n}" if n % 13 == 0 else "",
            ]
            for n in range(number)
        ),
    ]


def as_text(rows: list[list[str]], end: str = "\n", delimiter: str = ",") -> str:
    """Return rows as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue()


GOOD = as_text(people()).encode()


def _zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def parquet(table: pa.Table, **options: object) -> bytes:
    """Return a table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _good_parquet() -> bytes:
    header, *rows = people()
    columns = [pa.array(list(column)) for column in zip(*rows, strict=True)]
    return parquet(pa.table(dict(zip(header, columns, strict=True))), row_group_size=100)


def _alien() -> bytes:
    """Return a Parquet file with a column of every kind nobody keeps customers in."""
    emails = pa.array(["ana@example.com", None, "zoe@example.com"])
    moment = dt.datetime(1986, 4, 17, 1, 2, 3)
    columns: dict[str, pa.Array] = {
        "Email": emails,
        "First Name": emails.dictionary_encode(),
        "Last Name": pa.array(["Lee", "Ng", None], pa.large_string()),
        "Birthday": pa.array([dt.date(1986, 4, 17), None, None]),
        "Note": pa.array([{"a": [{"b": None}, {"b": 1}]}, None, {"a": []}]),
        "lists": pa.array([["a"], [], None]),
        "maps": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        "decimals": pa.array([decimal.Decimal("-1.50"), None, None], pa.decimal128(38, 2)),
        "wide decimals": pa.array([decimal.Decimal(10**60), None, None], pa.decimal256(76, 4)),
        "bytes": pa.array([b"\xff\x00", b"", None]),
        "fixed bytes": pa.array([b"ab", None, b"\xff\xff"], pa.binary(2)),
        "nulls": pa.nulls(3),
        "flags": pa.array([True, None, False]),
        "doubles": pa.array([float("nan"), float("inf"), -0.0]),
        "halves": pa.array([1.5, None, 2.5], pa.float16()),
        "numbers": pa.array([2**63, None, 0], pa.uint64()),
        "moments": pa.array([moment, None, None], pa.timestamp("us", "America/New_York")),
        "bare moments": pa.array([moment, None, None], pa.timestamp("ns")),
        "days": pa.array([0, None, -719_162], pa.date32()),
        "times": pa.array([dt.time(1, 2, 3), None, None], pa.time64("us")),
        "spans": pa.array([1, None, -1], pa.duration("ms")),
    }
    return parquet(pa.table(columns))


def _strange_times() -> bytes:
    """Return INT96 timestamps, and days no calendar here can show."""
    int96 = pa.array([dt.datetime(1986, 4, 17), None, dt.datetime(1900, 1, 1)], pa.timestamp("ns"))
    days = pa.array([-(2**31), 2**31 - 1, 0], pa.int32()).cast(pa.date32())
    names = pa.array(["Ana", "Zoë", "Lee"])
    columns = {"First Name": names, "Birthday": days, "int96": int96}
    return parquet(pa.table(columns), use_deprecated_int96_timestamps=True)


def _far_times() -> bytes:
    moments = pa.array([0, -(2**62), 2**62], pa.timestamp("us", "Europe/Paris"))
    return parquet(pa.table({"First Name": ["Ana", "Zoë", "Lee"], "Birthday": moments}))


def _parquet_bomb() -> bytes:
    """Return 100,000 rows that share one cell of a megabyte: a tiny file, 100 GB of text."""
    cell = pa.DictionaryArray.from_arrays(
        pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 1_000_000])
    )
    return parquet(pa.table({"First Name": cell}), compression="zstd")


def _plain_parquet_bomb() -> bytes:
    """Return rows of a megabyte each that differ a little: a gigabyte of text in a small file."""
    sink = io.BytesIO()
    schema = pa.schema([("First Name", pa.string())])
    with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=False) as writer:
        for part in range(12):
            cells = [f"{part}-{n}" + "x" * 1_000_000 for n in range(100)]
            writer.write_table(pa.table({"First Name": cells}))
    return sink.getvalue()


def _zstd_bomb() -> bytes:
    return _zstd(b"\n" * (16 << 20)) * 80


def _zstd_bomb_of_rows() -> bytes:
    return _zstd(b"Email,Note\n" + b"ana@example.com,x\n" * 100) + _zstd(b"a,b\n" * (4 << 20)) * 80


def _gzip_bomb() -> bytes:
    return gzip.compress(b"Email\n") + gzip.compress(b"a" * (16 << 20)) * 80


def _wide(rows: int) -> bytes:
    names = ["Email", *(f"column {n}" for n in range(9_999))]
    return as_text(
        [names, *([f"zoe{n}@example.com", *["x"] * 9_999] for n in range(rows))]
    ).encode()


def _with_row(*cells: str) -> bytes:
    rows = people()
    return as_text([*rows[:100], list(cells), *rows[100:]]).encode()


def _inserted(place: int, what: bytes) -> bytes:
    at = GOOD.index(b"\n", place) + 1
    return GOOD[:at] + what + GOOD[at:]


def _mixed_ends() -> bytes:
    chance = random.Random(1)
    ends = (b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n", b"\n\r", b"\r\n \r\n")
    return b"".join(line + chance.choice(ends) for line in GOOD.split(b"\n"))


CASES: dict[str, Callable[[], bytes]] = {
    "good.csv": lambda: GOOD,
    "good.csv.gz": lambda: gzip.compress(GOOD),
    "good.csv.zst": lambda: _zstd(GOOD),
    "good.parquet": _good_parquet,
    "cut.csv.gz": lambda: gzip.compress(GOOD)[:-100],
    "cut trailer.csv.gz": lambda: gzip.compress(GOOD)[:-4],
    "head only.csv.gz": lambda: gzip.compress(GOOD)[:10],
    "cut.csv.zst": lambda: _zstd(GOOD)[:-100],
    "head only.csv.zst": lambda: _zstd(GOOD)[:6],
    "cut.parquet": lambda: _good_parquet()[:-100],
    "headless.parquet": lambda: _good_parquet()[100:],
    "empty.parquet": lambda: b"",
    "no rows.parquet": lambda: parquet(pa.table({"Email": pa.array([], pa.string())})),
    "no columns.parquet": lambda: parquet(pa.table({})),
    "alien.parquet": _alien,
    "strange times.parquet": _strange_times,
    "far times.parquet": _far_times,
    "not utf-8.parquet": lambda: parquet(
        pa.table({"Email": pa.array([b"\xff\xfe"]).view(pa.string())})
    ),
    "shared cell bomb.parquet": _parquet_bomb,
    "plain bomb.parquet": _plain_parquet_bomb,
    "bomb.csv.zst": _zstd_bomb,
    "bomb of rows.csv.zst": _zstd_bomb_of_rows,
    "packed twice.csv.gz": lambda: gzip.compress(gzip.compress(GOOD)),
    "short rows.csv": lambda: _with_row("Ana", "Lee"),
    "long rows.csv": lambda: _with_row(*["Ana"] * 20),
    "one cell of 100 MB.csv": lambda: _with_row("Ana", "x" * 100_000_000, "", "", "", ""),
    "one quoted cell of 100 MB.csv": lambda: _with_row("Ana", "x\n" * 50_000_000, "", "", "", ""),
    "one cell of 30 MB.csv": lambda: _with_row("Ana", "x" * 30_000_000, "", "", "", ""),
    "cells of 2 MB.csv": lambda: as_text(
        [["Email", "Note"], *([f"a{n}@example.com", "y" * 2_000_000] for n in range(8))]
    ).encode(),
    "nul.csv": lambda: GOOD.replace(b"Lee7,", b"Le\0e7,"),
    "all nul.csv": lambda: bytes(10_000),
    "nul in header.csv": lambda: GOOD.replace(b"Email", b"E\0mail", 1),
    "nul tail.csv": lambda: GOOD + bytes(4096),
    "lone surrogates.csv": lambda: GOOD.replace(b"Lee7,", b"\xed\xa0\x80,"),
    "invalid utf-8.csv": lambda: GOOD.replace(b"Lee7,", b"\xff\xfe\x80,"),
    "half a character at the end.csv": lambda: GOOD + b"Ana,Lee,,,,\xc3",
    "cp1252.csv": lambda: GOOD.decode().encode("cp1252"),
    "not cp1252.csv": lambda: GOOD.decode().replace("ë", "e").encode() + b"\x81\x8d\x8f,,,,,\n",
    "utf-16.csv": lambda: GOOD.decode().encode("utf-16"),
    "utf-16-be with a mark.csv": lambda: codecs.BOM_UTF16_BE + GOOD.decode().encode("utf-16-be"),
    "utf-16 without a mark.csv": lambda: GOOD.decode().encode("utf-16-le"),
    "utf-16 of odd length.csv": lambda: GOOD.decode().encode("utf-16") + b"x",
    "utf-16 with a lone surrogate.csv": lambda: GOOD.decode().encode("utf-16") + b"\x00\xd8x\0",
    "utf-8 with a mark.csv": lambda: codecs.BOM_UTF8 + GOOD,
    "two marks.csv": lambda: codecs.BOM_UTF8 * 2 + GOOD,
    "10,000 columns.csv": lambda: _wide(50),
    "10,000 columns, no rows.csv": lambda: _wide(0),
    "mixed ends.csv": _mixed_ends,
    "lone returns.csv": lambda: as_text(people(), "\r").encode(),
    "blanks between.csv": lambda: GOOD.replace(b"\nZ", b"\n\n\r\nZ"),
    "blank cells between.csv": lambda: GOOD.replace(b"\nZ", b'\n \n,,,,,\n""\nZ'),
    "no end of line.csv": lambda: GOOD[:-1],
    "open quote.csv": lambda: _inserted(900, b'Ana,"Lee,a@example.com\n'),
    "open quote at the end.csv": lambda: GOOD + b'Ana,"',
    "quote in the middle.csv": lambda: _inserted(900, b'Ana "A" Lee,L"ee,a@example.com,,,\n'),
    "text after a quote.csv": lambda: _inserted(900, b'"Ana" A,Lee,"a"@example.com,,,\n'),
    "quotes only.csv": lambda: b'"' * 4001,
    "many stray quotes.csv": lambda: GOOD.replace(b"Lee", b'L"ee').replace(b",", b',"', 3),
    "empty.csv": lambda: b"",
    "header only.csv": lambda: GOOD[: GOOD.index(b"\n") + 1],
    "header without its end.csv": lambda: GOOD[: GOOD.index(b"\n")],
    "blank lines only.csv": lambda: b"\n\r\n\n\r\r\n" * 50,
    "blanks only.csv": lambda: b"   \n \t \n",
    "mark only.csv": lambda: codecs.BOM_UTF8,
    "utf-16 mark only.csv": lambda: codecs.BOM_UTF16_LE,
    "one byte.csv": lambda: b"x",
    "one quote.csv": lambda: b'"',
    "duplicate headers.csv": lambda: GOOD.replace(b"Last Name", b"First Name", 1),
    "nameless headers.csv": lambda: GOOD.replace(b"Last Name", b"", 1),
    "semicolons.csv": lambda: b"sep=;\n" + as_text(people(), delimiter=";").encode(),
    "noise.csv": lambda: random.Random(2).randbytes(50_000),
    "noise.parquet": lambda: b"PAR1" + random.Random(3).randbytes(50_000) + b"PAR1",
    "noise.csv.gz": lambda: gzip.compress(random.Random(4).randbytes(50_000)),
    "web page.csv": lambda: b"<!DOCTYPE html><html><body>Sign in</body></html>",
}

# What takes many seconds to unpack.
LONG_CASES: dict[str, Callable[[], bytes]] = {"bomb.csv.gz": _gzip_bomb}


def no_files(folder: Path) -> list[str]:
    """Make what is no file, and return its names with some that are not there at all."""
    (folder / "a folder.csv").mkdir()
    os.mkfifo(folder / "a pipe.csv")
    (folder / "nowhere.csv").symlink_to(folder / "gone.csv")
    (folder / "itself.csv").symlink_to(folder / "itself.csv")
    return ["a folder.csv", "a pipe.csv", "nowhere.csv", "itself.csv", "gone.csv", "*.nothing", ""]


_BASES: dict[str, Callable[[], bytes]] = {
    name: CASES[name]
    for name in ("good.csv", "good.csv.gz", "good.csv.zst", "good.parquet", "utf-16.csv")
}


def mutated(seed: int) -> tuple[str, bytes]:
    """Return a good file with some bytes changed, lost, doubled or moved, and a name for it."""
    chance = random.Random(seed)
    name = list(_BASES)[seed % len(_BASES)]
    data = bytearray(_BASES[name]())
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        at = chance.randrange(len(data))
        size = chance.choice((1, 1, 2, 16, 500))
        how = chance.randrange(5)
        if how == 0:
            data[at] = chance.choice(b'\0\xff\n\r",;\\\x80' + bytes([chance.randrange(256)]))
        elif how == 1:
            del data[at : at + size]
        elif how == 2:
            data[at:at] = chance.randbytes(size)
        elif how == 3:
            data[at:at] = data[at : at + size]
        else:
            data[at : at + size] = bytes(reversed(data[at : at + size]))
        if not data:
            break
    return f"{seed} {name}", bytes(data)
