"""Which records does a delimited text hold, found a whole block at a time?

The same records as ``etl.files.csv`` finds one by one, on the same lines. A block is cut where
quotes are balanced; what is not as RFC 4180 has it (a quote inside a cell, a CR that ends a line)
is left to the reader of single records, which then goes on for as long as such records follow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from etl.customers import octets
from etl.customers.octets import Octets
from etl.errors import SourceError
from etl.files import csv
from etl.files.version import Version, unchanged

# Records read one by one are passed on in groups, bounded in number and in text.
_MOST_RECORDS = 8192
_MOST_TEXT = 64 << 20
# What a short cell costs beside its text while it is held by itself.
_CELL_COST = 64
_WORTH_A_BLOCK = 64 << 10
# With more columns, records are read one by one: pyarrow sets a block's size aside for each.
_MOST_COLUMNS = 1000
_QUOTE, _LF, _CR = b'"\n\r'


class Place(NamedTuple):
    """Where regular records stand in a text, in bytes, and the lines they start on."""

    start: int
    size: int
    lines: np.ndarray


class Piece(NamedTuple):
    """Regular records as they are written, and their place in the text; ``parsed`` reads them."""

    written: pa.Buffer
    place: Place


class Block(NamedTuple):
    """Records one after another: the lines they start on, and their cells by column.

    ``odd`` are those with too many or too few cells, or a stray quote, by their place in the block;
    their cells are filled up with "" or cut.
    """

    lines: np.ndarray
    columns: list[pa.Array]
    odd: list[tuple[int, csv.Record]]


def pieces(lines: csv.Lines, delimiter: str, width: int, size: int) -> Iterator[Piece | Block]:
    """Yield the records from here to the end, without blank lines; ``size`` is a piece's bytes.

    Those that can be parsed elsewhere come as they are. Raises SourceError, naming the line where
    it opened, for a quote that is never closed.
    """
    while width > _MOST_COLUMNS and len(lines.text.peek(1)):
        yield from _singly(lines, delimiter, width, _MOST_RECORDS)
    one_by_one = 1
    while True:
        peeked = lines.text.peek(size)[:size]
        if not len(peeked):
            return
        scan = _Scan(peeked, delimiter, whole=len(peeked) < size)
        base = lines.text.passed
        while (start := lines.text.passed - base) < len(peeked):
            end = scan.regular(start)
            # Between irregular records a few regular ones are not worth a block of their own.
            if end - start >= _WORTH_A_BLOCK or (end > start and one_by_one == 1):
                one_by_one = 1
                piece = _cut_out(lines, scan, start, end)
                if len(piece.place.lines):
                    yield piece
            elif start and not scan.whole and not scan.irregular(start):
                break  # the record goes on in the next block
            else:
                yield from _singly(lines, delimiter, width, one_by_one)
                one_by_one = min(2 * one_by_one, _MOST_RECORDS)


class _Scan:
    """Where the line ends and the quotes of a block stand."""

    def __init__(self, peeked: memoryview, delimiter: str, *, whole: bool) -> None:
        self.data = np.frombuffer(peeked, "u1")
        self.view = peeked
        self.whole = whole
        self.feeds = np.flatnonzero(self.data == _LF)
        self.quotes = np.flatnonzero(self.data == _QUOTE)
        returns = np.flatnonzero(self.data == _CR)
        followed = returns + 1 < len(self.data)
        lone = returns[followed][self.data[returns[followed] + 1] != _LF]
        self.lone_return = np.append(lone, returns[~followed] if whole else [])
        self._edges = np.zeros(256, dtype=bool)
        self._edges[[_LF, _CR, *delimiter.encode()]] = True

    def regular(self, start: int) -> int:
        """Return where the regular records that begin at ``start`` end; ``start`` if none does."""
        limit = min(self._stray(start), self._first(self.lone_return, start))
        feeds = self._between(self.feeds, start, limit)
        quotes = self._between(self.quotes, start, limit)
        ends = feeds[np.searchsorted(quotes, feeds) % 2 == 0]
        balanced = len(quotes) % 2 == 0
        if limit == len(self.data) and self.whole and balanced:
            return limit
        return int(ends[-1]) + 1 if len(ends) else start

    def irregular(self, start: int) -> bool:
        """Tell whether what follows can be seen not to be regular."""
        return min(self._stray(start), self._first(self.lone_return, start)) < len(self.data)

    def _stray(self, start: int) -> int:
        """Return where the first quote stands that neither opens, closes nor doubles."""
        quotes = self.quotes[np.searchsorted(self.quotes, start) :]
        opening, closing = quotes[0::2], quotes[1::2]
        before = np.where(opening > start, opening - 1, opening)
        doubled = np.zeros(len(opening), dtype=bool)
        doubled[1:] = opening[1:] == closing[: len(opening) - 1] + 1
        opens = (opening == start) | self._edges[self.data[before]] | doubled
        after = np.minimum(closing + 1, len(self.data) - 1)
        twice = np.zeros(len(closing), dtype=bool)
        twice[: len(opening) - 1] = opening[1:] == closing[: len(opening) - 1] + 1
        closes = (closing == len(self.data) - 1) | self._edges[self.data[after]] | twice
        wrong = [*opening[~opens][:1], *closing[~closes][:1]]
        return int(min(wrong, default=len(self.data)))

    def _first(self, places: np.ndarray, start: int) -> int:
        at = np.searchsorted(places, start)
        return int(places[at]) if at < len(places) else len(self.data)

    def _between(self, places: np.ndarray, start: int, end: int) -> np.ndarray:
        return places[np.searchsorted(places, start) : np.searchsorted(places, end)]

    def records(self, start: int, end: int) -> np.ndarray:
        """Return how many lines after the first one each regular record starts."""
        feeds = self._between(self.feeds, start, end)
        quotes = self._between(self.quotes, start, end)
        last = np.flatnonzero(np.searchsorted(quotes, feeds) % 2 == 0)
        begins = np.concatenate(([start], feeds[last] + 1))
        lines = np.concatenate(([0], last + 1))
        ends = np.append(feeds[last], end)
        size = ends - begins
        blank = (size == 0) | ((size == 1) & (self.data[np.minimum(begins, end - 1)] == _CR))
        starts: np.ndarray = lines[~blank]
        return starts


def _cut_out(lines: csv.Lines, scan: _Scan, start: int, end: int) -> Piece:
    """Return regular records and move on over them."""
    starts = lines.count + 1 + scan.records(start, end)
    feeds = int(np.searchsorted(scan.feeds, end) - np.searchsorted(scan.feeds, start))
    ends_in_line = end == len(scan.data) and scan.data[end - 1] != _LF
    place = Place(lines.text.passed, end - start, starts)
    lines.pass_over(end - start, feeds + ends_in_line)
    return Piece(pa.py_buffer(scan.view[start:end]), place)


def read_again(place: Place, path: Path, name: str, version: Version) -> Piece:
    """Read a piece of a file called ``name`` whose bytes are its text.

    Raises SourceError when the file is not the version that was cut.
    """
    # Unlike a bytearray, it is not filled with zeros first.
    written = np.empty(place.size, "u1").data
    with unchanged(version, path, name):
        try:
            with path.open("rb") as file:
                file.seek(place.start)
                size = file.readinto(written)
        except OSError as error:
            raise SourceError(f"{name}: cannot be read again: {error.strerror}") from error
    return Piece(pa.py_buffer(written[:size]), place)


def parsed(piece: Piece, delimiter: str, width: int, name: str) -> Block:
    """Parse regular records of the file called ``name``."""
    ragged: list[tuple[int, str]] = []

    def note(row: arrow_csv.InvalidRow) -> str:
        ragged.append((row.number - 1, row.text))
        return "skip"

    names = [str(number) for number in range(width)]
    try:
        octets.validate_utf8(piece.written)
        table = arrow_csv.read_csv(
            pa.BufferReader(piece.written),
            arrow_csv.ReadOptions(
                use_threads=False, column_names=names, block_size=piece.written.size + 1
            ),
            arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            # Cut at ASCII, UTF-8 stays UTF-8: looked at as a whole in a fraction of the time.
            arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _changed(name, piece.place, str(error)) from error
    lines = piece.place.lines
    records = table.num_rows + len(ragged)
    if records != len(lines):
        raise _changed(name, piece.place, f"there are {records} records, not {len(lines)}")
    odd = [
        (at, csv.Record(int(lines[at]), csv.cells_of(text, delimiter), len(text)))
        for at, text in ragged
    ]
    return Block(lines, _merged(table, odd, width), odd)


def _changed(name: str, place: Place, why: str) -> SourceError:
    return SourceError(
        f"{name}: lines after {place.lines[0]} cannot be read ({why}); the file has changed since "
        "it was opened: run again"
    )


def _singly(lines: csv.Lines, delimiter: str, width: int, number: int) -> Iterator[Block]:
    """Read some records one by one."""
    group: list[csv.Record] = []
    size = 0
    for record in itertools.islice(csv.records(lines, delimiter), number):
        group.append(record)
        size += record.size + _CELL_COST * len(record.cells)
        if size >= _MOST_TEXT:
            yield _block_of(group, width)
            group, size = [], 0
    if group:
        yield _block_of(group, width)


def _block_of(group: Sequence[csv.Record], width: int) -> Block:
    odd = [
        (at, record)
        for at, record in enumerate(group)
        if record.misquoted or len(record.cells) != width
    ]
    rows = zip(*(fitted(record.cells, width) for record in group), strict=True)
    columns = [pa.array(column, pa.string()) for column in rows]
    return Block(np.array([record.line for record in group], "<i8"), columns, odd)


def _merged(table: pa.Table, odd: Sequence[tuple[int, csv.Record]], width: int) -> list[pa.Array]:
    """Return the columns of a table with odd records put back at their places."""
    if not odd:
        return [column.combine_chunks() for column in table.columns]
    cells = list(zip(*(fitted(record.cells, width) for _, record in odd), strict=True))
    before = np.array([at for at, _ in odd]) - np.arange(len(odd))
    return [
        Octets(column.combine_chunks()).inserted(before, inserted)
        for column, inserted in zip(table.columns, cells, strict=True)
    ]


def fitted(cells: list[str], width: int) -> list[str]:
    """Return cells filled up with "" or cut to the number of columns."""
    return cells if len(cells) == width else (cells + [""] * width)[:width]
