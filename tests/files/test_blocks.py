"""Blocks of records: the same records on the same lines as the reader of single ones finds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl.engines import USUAL
from etl.errors import SourceError
from etl.files import csv
from etl.files.blocks import Block, fitted, parsed, pieces

Row = tuple[int, list[str]]

# Quotes, delimiters and line ends of every kind, and few other characters.
texts = st.one_of(
    st.text(st.sampled_from('aé,"\n\r'), max_size=60),
    st.lists(
        st.sampled_from(
            ["a", "é", ",", ",", "\n", "\r\n", '""', '"a"', '"a,b"', '"a\nb"', '"a""b"', '"', "\r"]
        ),
        max_size=40,
    ).map("".join),
)


def _lines(text: str, encoding: str) -> csv.Lines:
    return csv.Lines(io.BytesIO(text.encode(encoding)), encoding, "people.csv")


def _singly(text: str, encoding: str, width: int) -> tuple[list[Row], list[Row], str]:
    """Return all rows, the odd ones, and how reading ended, as the reader of records has it."""
    rows, odd = list[Row](), list[Row]()
    with closing(_lines(text, encoding)) as lines:
        try:
            for record in csv.records(lines, ","):
                rows.append((record.line, fitted(record.cells, width)))
                if record.misquoted or len(record.cells) != width:
                    odd.append((record.line, record.cells))
        except SourceError as error:
            return rows, odd, str(error)
    return rows, odd, ""


def _blocks(lines: csv.Lines, width: int, size: int = USUAL.size) -> Iterator[Block]:
    for found in pieces(lines, ",", width, size):
        yield found if isinstance(found, Block) else parsed(found, ",", width, lines.name)


def _in_blocks(text: str, encoding: str, width: int, size: int) -> tuple[list[Row], list[Row], str]:
    rows, odd = list[Row](), list[Row]()
    with closing(_lines(text, encoding)) as lines:
        try:
            for block in _blocks(lines, width, size):
                cells = zip(*(column.to_pylist() for column in block.columns), strict=True)
                found = list(zip(block.lines.tolist(), map(list, cells), strict=True))
                assert found
                rows += found
                for at, record in block.odd:
                    assert found[at] == (record.line, fitted(record.cells, width))
                    odd.append((record.line, record.cells))
        except SourceError as error:
            return rows, odd, str(error)
    return rows, odd, ""


@given(
    text=texts,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    width=st.integers(1, 3),
    size=st.integers(1, 40),
)
@example(text='a,b\n5" nail,c\n"x\ny",z\n', encoding="utf-8", width=2, size=1000)
@example(text="a,b\rc,d\r\n\r\n,\n", encoding="utf-8", width=2, size=7)
@example(text='"a"b,c\n\n"a\n', encoding="utf-8", width=2, size=1000)
@settings(derandomize=True, deadline=None, max_examples=1500)
def test_blocks_hold_the_records(text: str, encoding: str, width: int, size: int) -> None:
    """However a text is cut into blocks, its records, lines and oddities are the same."""
    rows, odd, ended = _singly(text, encoding, width)
    found, found_odd, found_ended = _in_blocks(text, encoding, width, size)

    assert found_ended == ended
    if not ended:
        assert found == rows
        assert found_odd == odd


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_long_files_of_every_line_end(line_end: str) -> None:
    """Thousands of rows are read in order, whatever ends their lines."""
    text = "".join(f'{number},"é{number}"{line_end}' for number in range(20_000))

    rows, odd, ended = _in_blocks(text, "utf-8", 2, 1 << 16)

    assert rows == [(n + 1, [str(n), f"é{n}"]) for n in range(20_000)]
    assert (odd, ended) == ([], "")


def test_undecodable_blocks_are_refused() -> None:
    """A file that became something else since it was opened is not read on."""
    data = b"a,b\n" + b"\xff,c\n"
    changed = pytest.raises(SourceError, match=r"people\.csv.*has changed since it was opened")
    with closing(csv.Lines(io.BytesIO(data), "utf-8", "people.csv")) as lines, changed:
        list(_blocks(lines, 2))


def test_long_and_short_stretches_follow_each_other() -> None:
    """Regular rows by the thousand between irregular ones, and a few at a time, are all found."""
    regular = "".join(f'{number},"é\n{number}"\n' for number in range(6_000))
    irregular = '5" nail,c\rx,y\r\n1,2,3\n\n'
    text = (irregular * 3 + regular + irregular + "a,b\n" * 10) * 4

    for size in (50_000, 4 << 20):
        found = _in_blocks(text, "utf-8", 2, size)
        assert found == _singly(text, "utf-8", 2)


def test_mixed_line_ends_do_not_make_a_block_of_each_row() -> None:
    """Every block costs a transaction: thousands of irregular rows come in few."""
    text = "".join(f"{number},x" + ("\n", "\r", "\r\n")[number % 3] for number in range(20_000))
    with closing(_lines(text, "utf-8")) as lines:
        sizes = [len(block.lines) for block in _blocks(lines, 2)]

    assert sum(sizes) == 20_000
    assert len(sizes) < 50
