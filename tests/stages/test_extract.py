"""Extraction: every cell as written, every record on its line, every oddity a problem."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import gzip
import io
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import config
from etl.customers.problems import PROBLEMS
from etl.engines import Cut, Where
from etl.errors import SourceError
from etl.files.escape import escape
from etl.files.sources import open_sources
from etl.stages.extract import CELL_LIMIT, Standing, extract, parts, records


class Read(NamedTuple):
    """All batches of a file, joined; ``problems`` as (row, code, message, suggestion)."""

    columns: list[str]
    lines: list[int]
    rows: list[tuple[str | None, ...]]
    problems: list[tuple[int, str, str, str]]


def _read(path: Path, data: bytes, rows_per_batch: int = 8192, **dialect: Any) -> Read:
    path.write_bytes(data)
    chosen = config.Source(**dialect)
    [source] = open_sources([str(path)], chosen, path.parent / "spool")
    read = Read(list(source.columns), [], [], [])
    for found in extract(source, chosen, rows_per_batch):
        assert found.problems.schema == PROBLEMS
        assert found.lines.type == pa.int64()
        assert 0 < found.cells.num_rows == len(found.lines) <= rows_per_batch
        assert found.cells.schema == pa.schema([(name, pa.string()) for name in read.columns])
        for problem in found.problems.to_pylist():
            assert problem["effect"] == "reject"
            assert problem["field"] == ""
            row = problem["row"] + len(read.rows)
            read.problems.append((row, problem["code"], problem["message"], problem["suggestion"]))
        read.lines.extend(found.lines.to_pylist())
        read.rows.extend(zip(*(c.to_pylist() for c in found.cells.columns), strict=True))
    return read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file under test stands."""
    return tmp_path / "people.csv"


def test_cells_are_unchanged(path: Path) -> None:
    """Nothing is trimmed, decoded further or taken for nothing."""
    read = _read(path, 'a,b,c\n" x ",N/A,\n\'=1,"=2",\u00a0\u202a\n'.encode())

    assert read.rows == [(" x ", "N/A", ""), ("'=1", "=2", "\u00a0\u202a")]
    assert read.problems == []


def test_lines_are_physical(path: Path) -> None:
    """A record's line is the one an editor shows, with banner, blank lines and line breaks."""
    data = b'Report\r\n\r\nName,Note\r\nZoe,"one\r\ntwo\rthree\nfour"\r\n\r\n\r\nMax,x\r\n'

    assert _read(path, data, skip_lines=2).lines == [4, 10]


def test_a_header_alone_is_no_rows(path: Path) -> None:
    """A file with nothing but a header is read, and holds nothing."""
    assert _read(path, b"a,b\n") == (["a", "b"], [], [], [])
    assert _read(path, b"a,b\r\n\r\n") == (["a", "b"], [], [], [])


def test_ragged_rows_are_kept_and_rejected(path: Path) -> None:
    """A row of another width is fitted to the header, rejected, and loses nothing."""
    read = _read(path, b'a,b\n1\n1,2\n1,2,"x,y",\n')

    assert read.rows == [("1", ""), ("1", "2"), ("1", "2")]
    assert read.problems == [
        (0, "RAGGED_ROW", "the row has 1 cells, the header has 2", ""),
        (
            2,
            "RAGGED_ROW",
            "the row has 4 cells, the header has 2",
            'cells beyond the header: "x,y",',
        ),
    ]


def test_stray_quotes_reject_their_row(path: Path) -> None:
    """A row whose cells are a guess is rejected as it was written, and the next one is read."""
    read = _read(path, b'a,b\n"x "y" z",2\n1,"u\nv"w\n3,4\n')

    assert read.lines == [2, 3, 5]
    assert read.rows[2] == ("3", "4")
    assert [(row, code, suggestion) for row, code, _, suggestion in read.problems] == [
        (0, "RAGGED_ROW", 'as written: "x "y" z",2\n'),
        (1, "RAGGED_ROW", 'as written: 1,"u\nv"w\n'),
    ]
    assert "is not doubled:" in read.problems[0][2]
    assert "in lines 3 to 4" in read.problems[1][2]


def test_nul_rejects_its_row(path: Path) -> None:
    """A NUL character in a cell rejects the row; the cell is kept."""
    read = _read(path, b"a,b\n1,x\0y\n2,z\n")

    assert read.rows == [("1", "x\0y"), ("2", "z")]
    assert read.problems == [
        (0, "NUL_CHARACTER", "the cell of column 'b' holds a NUL character", "")
    ]


def test_large_cells_reject_their_row(path: Path) -> None:
    """A cell of a mebibyte in UTF-8 is accepted, one byte more is not; both are kept."""
    largest = "é" * (CELL_LIMIT // 2)
    read = _read(path, f"a,b\n1,{largest}\n2,{largest}x\n".encode())

    assert read.rows == [("1", largest), ("2", largest + "x")]
    assert read.problems == [
        (
            1,
            "CELL_TOO_LARGE",
            "the cell of column 'b' holds 1048577 bytes, more than 1048576",
            "",
        )
    ]


def test_all_problems_of_a_row_are_told(path: Path) -> None:
    """A row that is ragged and holds a NUL has both problems."""
    read = _read(path, b"a,b\n\0,\0,3\n")

    assert [code for _, code, _, _ in read.problems] == [
        "RAGGED_ROW",
        "NUL_CHARACTER",
        "NUL_CHARACTER",
    ]


def test_batches_are_bounded_in_text(path: Path) -> None:
    """Rows as large as may be are not gathered by thousands."""
    path.write_bytes(b"a\n" + (b"x" * CELL_LIMIT + b"\n") * 70)
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")

    sizes = [records.cells.num_rows for records in extract(source, config.Source())]

    assert sum(sizes) == 70
    assert max(sizes) <= 65


def test_an_open_quote_ends_the_run(path: Path) -> None:
    """A quote that is never closed is a fault of the file, told with its line."""
    with pytest.raises(SourceError, match=r"people\.csv line 3: a quote opens here"):
        _read(path, b'a,b\n1,2\n3,"4\n5,6\n')


def test_escaped_cells_come_back(path: Path) -> None:
    """Our own files are read without their formula escapes, surplus cells too."""
    read = _read(path, b"_line,_codes,'=x\n3,A;B,'=1+1\n4,,''x\n5,,+14155550123,'-1\n")

    assert read.columns == ["_line", "_codes", "=x"]
    assert [row[2] for row in read.rows] == ["=1+1", "'x", "+14155550123"]
    assert read.problems[0][3] == "cells beyond the header: -1"


def test_parquet_rows_are_counted_from_one(path: Path) -> None:
    """Parquet cells are text or null, and a row's line is its number."""
    table = pa.table(
        {
            "name": ["Zoë", None, "a\0b"],
            "phone": [14155550123, None, 1],
            "born": [dt.date(1986, 4, 17), None, None],
        }
    )
    data = io.BytesIO()
    pq.write_table(table, data, row_group_size=2)

    for rows in (1, 2, 100):
        read = _read(path, data.getvalue(), rows)
        assert read.lines == [1, 2, 3]
        assert read.rows == [
            ("Zoë", "14155550123", "1986-04-17"),
            (None, None, None),
            ("a\0b", "1", None),
        ]
        assert [(row, code) for row, code, _, _ in read.problems] == [(2, "NUL_CHARACTER")]


def test_dialect_settings_mean_nothing_to_parquet(path: Path) -> None:
    """A Parquet file beside CSV files is read as it is."""
    data = io.BytesIO()
    pq.write_table(pa.table({"a": ["'x"]}), data)

    read = _read(path, data.getvalue(), skip_lines=3, header=("b", "c"), escaped=True)

    assert (read.columns, read.rows) == (["a"], [("'x",)])


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_pieces_are_read_where_they_stand(path: Path, mark: bytes) -> None:
    """Nothing of a file of UTF-8 is sent to another process of this machine."""
    lines = "".join(f"R{number},é{number}\n" for number in range(10_000))
    path.write_bytes(mark + f"reference_id,note\n{lines}".encode())
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")

    pieces = list(parts(source, config.Source(), Cut(size=20_000), where="machine"))

    assert len(pieces) > 5
    assert all(isinstance(piece, Standing) for piece in pieces)
    read = [found for piece in pieces for found in records(piece, source)]
    assert [line for found in read for line in found.lines.to_pylist()] == list(range(2, 10_002))
    notes = [note for found in read for note in found.cells.column("note").to_pylist()]
    assert notes == [f"é{number}" for number in range(10_000)]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"\n", b" "),
        lambda data: data.replace(b",n", b"\nn"),
        lambda data: data.replace(b"n", b"\xff"),
        lambda data: data.replace(b"R", b'"'),
        lambda data: b"",
        lambda data: data.replace(b"n", b"m"),
        lambda data: data + b"R2,n\n",
    ],
)
def test_a_file_that_changes_while_it_is_read_is_refused(
    path: Path, change: Callable[[bytes], bytes]
) -> None:
    """Other bytes in the place of a piece are no rows of the file that was opened."""
    path.write_bytes(b"reference_id,note\n" + b"R1,n\n" * 10_000)
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")
    pieces = list(parts(source, config.Source(), Cut(size=20_000), where="machine"))

    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(SourceError, match="has changed since it was opened"):
        list(records(pieces[-1], source))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"\n", b" ", "there are 1 records, not"),
        (b",n\n", b"\nn\n", "records, not"),
        (b"n", b"\xff", "UTF8"),
        (b"R", b'"', "has changed since"),
    ],
)
def test_other_records_in_the_place_of_a_piece_are_refused(
    path: Path, old: bytes, new: bytes, told: str
) -> None:
    """Even where the clock of a file system does not tell that the file was written to."""
    path.write_bytes(b"reference_id,note\n" + b"R1,n\n" * 10_000)
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")
    pieces = list(parts(source, config.Source(), Cut(size=20_000), where="machine"))
    before, data = path.stat(), path.read_bytes()

    path.write_bytes(data[:20_000] + data[20_000:].replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(SourceError, match=told):
        list(records(pieces[-2], source))


@pytest.mark.parametrize("packed", [gzip.compress, lambda data: data.decode().encode("utf-16")])
def test_what_has_to_be_unpacked_is_not_read_where_it_stands(
    path: Path, packed: Callable[[bytes], bytes]
) -> None:
    """The bytes of such a file are not its text's."""
    path.write_bytes(packed(b"reference_id,note\n" + b"R1,n\n" * 1_000))
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")

    found = list(parts(source, config.Source(), where="machine"))

    assert not any(isinstance(part, Standing) for part in found)
    assert sum(read.cells.num_rows for part in found for read in records(part, source)) == 1_000


def test_a_file_that_takes_the_place_of_another_is_not_mixed_with_it(path: Path) -> None:
    """Tonight's export, moved over last night's while that is read, is not what was opened."""
    path.write_bytes(b"reference_id,note\n" + b"R1,n\n" * 10_000)
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")
    coming = parts(source, config.Source(), Cut(size=20_000), where="machine")
    first = next(coming)
    assert [found.cells.num_rows for found in records(first, source)] == [4000]

    tonight = path.with_name("tonight.csv")
    tonight.write_bytes(b"reference_id,note\n" + b"R2,m\n" * 10_000)
    tonight.replace(path)

    with pytest.raises(SourceError, match="another took its place"):
        list(records(next(coming), source))


@pytest.mark.parametrize("where", get_args(Where))
def test_parquet_that_is_replaced_while_it_is_read_is_refused(path: Path, where: Where) -> None:
    """Row groups of two nights are not mixed."""
    nights = [pa.table({"note": [night] * 1000}) for night in ("last", "to")]
    path = path.with_suffix(".parquet")
    pq.write_table(nights[0], path, row_group_size=100)
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")
    coming = parts(source, config.Source(), Cut(rows=100), where=where)
    assert [found.cells.num_rows for found in records(next(coming), source)] == [100]

    tonight = path.with_name("tonight.parquet")
    pq.write_table(nights[1], tonight, row_group_size=100)
    tonight.replace(path)

    with pytest.raises(SourceError, match="another took its place"):
        list(records(next(coming), source))


def test_a_file_that_is_gone_is_refused(path: Path) -> None:
    """Whoever is to read a piece of it says so."""
    path.write_bytes(b"reference_id,note\nR1,n\n")
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")
    [piece] = parts(source, config.Source(), where="machine")
    path.unlink()

    with pytest.raises(SourceError, match="cannot be read again: No such file"):
        list(records(piece, source))


def test_an_abandoned_source_is_closed(path: Path) -> None:
    """A caller may stop after the first batch; the file does not stay open."""
    path.write_bytes(b"a\n1\n2\n3\n")
    [source] = open_sources([str(path)], config.Source(), path.parent / "spool")
    batches = extract(source, config.Source(), 1)

    assert next(batches).lines.to_pylist() == [2]
    assert isinstance(batches, Iterator)
    del batches  # an open file would be reported, and warnings are errors here


CELLS = st.one_of(
    st.text(max_size=8),
    st.text(alphabet="a\",;\t|\r\n'=+ é\u2028\x85\x0b\0", max_size=8),
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8)
)
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16": b"",
    "utf-16-be": codecs.BOM_UTF16_BE,
}


class Written(NamedTuple):
    """A table as text, and the line on which each of its rows starts."""

    text: str
    lines: list[int]


def _write(rows: list[list[str]], delimiter: str, newline: str) -> Written:
    """Write a table and count its lines without the code under test."""
    out = io.StringIO()
    # Python quotes a cell for the line ends it writes itself, not for the others.
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
    starts = []
    for row in rows:
        starts.append(_line_count(out.getvalue()))
        writer.writerow(row)
    return Written(out.getvalue(), starts)


def _line_count(text: str) -> int:
    return len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


@given(
    TABLES,
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.sampled_from(sorted(ENCODINGS)),
    st.integers(1, 3),
    st.booleans(),
)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_table_is_read_as_it_was_written(
    rows: list[list[str]],
    delimiter: str,
    newline: str,
    encoding: str,
    rows_per_batch: int,
    packed: bool,
) -> None:
    """Whatever the cells, delimiter, line ends, encoding, packing and batches: cells and lines."""
    header = ["first", "second", "third", "fourth"][: len(rows[0]) if rows else 1]
    written = _write([header, *rows], delimiter, newline)
    data = ENCODINGS[encoding] + written.text.encode(encoding)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        # One column shows no delimiter: it is given then, as an operator would.
        given_delimiter = {"delimiter": delimiter} if len(header) == 1 else {}
        read = _read(
            path, gzip.compress(data) if packed else data, rows_per_batch, **given_delimiter
        )

    assert read.columns == header
    assert [list(row) for row in read.rows] == rows
    assert read.lines == written.lines[1:]
    assert {(row, code) for row, code, _, _ in read.problems} == {
        (row, "NUL_CHARACTER") for row, cells in enumerate(rows) if any("\0" in c for c in cells)
    }


@given(st.lists(st.text(alphabet=st.characters(codec="cp1252"), min_size=1), min_size=1))
@settings(derandomize=True, deadline=None)
def test_any_cp1252_table_is_read_when_told(cells: list[str]) -> None:
    """Every text cp1252 can hold is read back with the encoding given."""
    written = _write([["name"], *([cell] for cell in cells)], ",", "\r\n")
    with tempfile.TemporaryDirectory() as folder:
        read = _read(Path(folder, "x"), written.text.encode("cp1252"), encoding="cp1252")

    assert read.rows == [(cell,) for cell in cells]
    assert read.lines == written.lines[1:]


@given(TABLES)
@settings(derandomize=True, deadline=None)
def test_any_escaped_table_comes_back(rows: list[list[str]]) -> None:
    """What our own writers escape is read back exactly."""
    header = ["first", "second", "third", "fourth"][: len(rows[0]) if rows else 1]
    own = [["_line", "_codes", *header], *(["2", "X", *map(escape, row)] for row in rows)]
    with tempfile.TemporaryDirectory() as folder:
        read = _read(Path(folder, "x"), _write(own, ",", "\n").text.encode())

    assert [list(row[2:]) for row in read.rows] == rows


@given(st.text(alphabet='a",\r\n\0', max_size=40), st.integers(1, 4))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_batches_change_nothing(body: str, rows_per_batch: int) -> None:
    """However rows are cut into batches, the same rows, lines and problems come, or the refusal."""
    data = f"x,y\n{body}".encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        assert _outcome(path, data, rows_per_batch) == _outcome(path, data, 8192)


def _outcome(path: Path, data: bytes, rows_per_batch: int = 8192) -> Read | str:
    try:
        return _read(path, data, rows_per_batch)
    except SourceError as error:
        return str(error)


def _valid_files() -> dict[str, bytes]:
    text = 'name,"note ""x""",phone\r\n' + "".join(
        f'Zoë {n},"two\nlines ""{n}""",+1415555{n:04}\r\n' for n in range(40)
    )
    table = pa.table(
        {
            "s": [f"Zoë {n}" for n in range(200)],
            "d": pa.array([f"x{n % 5}" for n in range(200)]).dictionary_encode(),
            "n": list(range(200)),
            "f": [n / 3 for n in range(200)],
            "t": pa.array([dt.datetime(2000, 1, 1, 3)] * 200, pa.timestamp("us", "UTC")),
            "l": [["a", "b"]] * 200,
        }
    )
    parquet = io.BytesIO()
    pq.write_table(table, parquet, row_group_size=90, write_page_checksum=True)
    return {
        "csv": text.encode(),
        "utf-16": text.encode("utf-16"),
        "gzip": gzip.compress(text.encode(), mtime=0),
        "zstd": pa.compress(text.encode(), codec="zstd", asbytes=True),
        "parquet": parquet.getvalue(),
    }


VALID = _valid_files()


def _damaged(data: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 9])):
        at = chance.randrange(len(damaged))
        match chance.randrange(4):
            case 0:
                damaged[at] = chance.choice([0, 10, 13, 34, 44, 255, chance.randrange(256)])
            case 1:
                damaged[at] ^= 1 << chance.randrange(8)
            case 2:
                damaged[at:at] = chance.randbytes(chance.choice([1, 4]))
            case _:
                del damaged[at : at + chance.choice([1, 3, 100])]
        damaged = damaged or bytearray(b"x")
    return bytes(damaged)


@pytest.mark.parametrize("kind", sorted(VALID))
@pytest.mark.parametrize("seed", range(60))
def test_damage_is_data_or_a_refusal(path: Path, kind: str, seed: int) -> None:
    """Bytes changed, lost or added give rows and problems, or SourceError, and nothing else."""
    outcome = _outcome(path, _damaged(VALID[kind], random.Random(seed)))

    assert isinstance(outcome, Read) or str(path) in outcome
