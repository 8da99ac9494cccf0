"""Which records does a delimited text hold, and on which physical line does each start?

Quotes follow RFC 4180: a cell is quoted as a whole, a quote inside is doubled. Lines end with LF,
CR or CRLF, as they come; nothing else ends a line.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from etl.errors import SourceError
from etl.files.text import Text

DELIMITERS = (",", ";", "\t", "|")

# Nothing in a customer directory comes near this; a record that does is a quote left open.
RECORD_LIMIT = 64 << 20

# Lines of a record are held one by one; short ones cost more than their characters.
_LINE_COST = 32

# How far the choice of the delimiter looks for the end of the header line.
_PEEK_LINES = 100
_PEEK_SIZE = 1 << 20

_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n\0])"?\r?\n?', re.IGNORECASE)


class Record(NamedTuple):
    """One record of a file: where it starts, its cells, about how large it is.

    ``misquoted`` is the record as written when a quote inside a quoted cell was not doubled, so
    that the cells are a guess; else "".
    """

    line: int
    cells: list[str]
    size: int
    misquoted: str = ""


class Lines:
    """The physical lines of a file, counted, with those of the current record at hand.

    Iterating yields each line with its ending. Raises SourceError when a record passes
    RECORD_LIMIT, so that a quote left open in a huge file does not fill the memory.
    """

    def __init__(self, unpacked: BinaryIO, encoding: str, name: str) -> None:
        self.text = Text(unpacked, encoding)
        self.name = name
        self.count = 0
        self.first = 1
        self.held: list[str] = []
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self.text.readline(RECORD_LIMIT)
        except UnicodeError as error:
            raise SourceError(
                f"{self.name}: line {self.count + 1} or one soon after it cannot be decoded "
                f"({error}); the file has changed since it was opened: run again"
            ) from error
        if not line:
            raise StopIteration
        self.count += 1
        self.held.append(line)
        self.size += len(line) + _LINE_COST
        if self.size >= RECORD_LIMIT:
            raise SourceError(
                f"{self.name}: the record that starts at line {self.first} is larger than "
                f"{RECORD_LIMIT >> 20} MiB: probably a quote opens there and is never closed, "
                "or the file is no table of lines"
            )
        return line

    def begin(self) -> None:
        """Start the next record at the next line."""
        self.first = self.count + 1
        self.held.clear()
        self.size = 0

    def skip(self, lines: int) -> None:
        """Leave out lines, whatever quotes they hold."""
        for _ in itertools.islice(self, lines):
            self.begin()

    def pass_over(self, size: int, lines: int) -> None:
        """Move on over whole lines that were read by other means; ``size`` is their bytes."""
        self.text.advance(size)
        self.count += lines
        self.begin()

    def close(self) -> None:
        """Close the file."""
        self.text.close()


def choose_delimiter(lines: Lines, wanted: str | None) -> str:
    """Return the delimiter: the one given, else that of a ``sep=`` line, else the header's.

    ``lines`` must stand at the header or its ``sep=`` line, and are used up.
    """
    if wanted is not None:
        return wanted
    head: list[str] = []
    for line in itertools.islice(lines, _PEEK_LINES):
        head.append(line)
        if lines.size > _PEEK_SIZE:
            break
    separator = _SEPARATOR_LINE.fullmatch(head[0]) if head else None
    return separator[1] if separator else _widest(head)


def peek_columns(head: str) -> list[str]:
    """Return the column names at the start of a text, as far as they can be told from it."""
    lines = io.StringIO(head, newline="").readlines()[:_PEEK_LINES]
    return _first(lines, _widest(lines), strict=False)


def _widest(head: Sequence[str]) -> str:
    """Return the delimiter that cuts the first record into the most cells.

    Delimiters that leave stray quotes come last: they stand inside the quotes of another.
    """

    def widths(delimiter: str) -> tuple[int, int]:
        clean, anyhow = (len(_first(head, delimiter, strict)) for strict in (True, False))
        return max(clean, 1), anyhow

    return max(DELIMITERS, key=widths)


def _first(head: Sequence[str], delimiter: str, strict: bool) -> list[str]:
    """Return the first record, [] when it cannot be read like this."""
    try:
        return next(filter(None, csv.reader(head, delimiter=delimiter, strict=strict)), [])
    except csv.Error:
        return []


def read_header(lines: Lines, delimiter: str) -> list[str]:
    """Read the header, leaving ``lines`` at what follows; [] when there is none.

    A ``sep=`` line before it is left out.
    """
    found = records(lines, delimiter)
    for header in found:
        if header.line == lines.count and _SEPARATOR_LINE.fullmatch(lines.held[0]):
            header = next(found, Record(0, [], 0))
        if header.misquoted:
            raise SourceError(
                f"{lines.name} line {header.line}: a quote inside a quoted column name is not "
                "doubled: correct the header line"
            )
        return header.cells
    return []


def records(lines: Lines, delimiter: str) -> Iterator[Record]:
    """Yield the records from here to the end, without blank lines.

    Raises SourceError, naming the line where it opened, for a quote that is never closed.
    """
    # The limit belongs to the whole process, and its default refuses cells of 128 KiB that are
    # ours to judge. Lines caps a record before any cell can reach the new one.
    csv.field_size_limit(max(csv.field_size_limit(), RECORD_LIMIT))
    strict = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        misquoted = ""
        try:
            cells = next(strict)
        except StopIteration:
            return
        except csv.Error:
            cells = _read_misquoted(lines, delimiter)
            misquoted = "".join(lines.held)
        if cells:
            yield Record(lines.first, cells, lines.size, misquoted)


def cells_of(record: str, delimiter: str) -> list[str]:
    """Return the cells of one well-formed record."""
    return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, strict=True))


def line_breaks(text: str) -> int:
    """Return how many lines end in a text."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _read_misquoted(lines: Lines, delimiter: str) -> list[str]:
    """Read a record the strict reader gave up on, from its first line again.

    The lenient reader takes a stray quote as text; it agrees with the strict one up to there, so
    both use the same lines.
    """
    lenient = csv.reader(itertools.chain(tuple(lines.held), lines), delimiter=delimiter)
    cells = next(lenient)
    record = "".join(lines.held)
    opened = _open_quote(record, delimiter)
    if opened is not None:
        line = lines.first + line_breaks(record[:opened])
        raise SourceError(
            f"{lines.name} line {line}: a quote opens here and is never closed, so the rest of "
            "the file is one cell. Close it, or double it if it belongs to the text"
        )
    return cells


def _open_quote(record: str, delimiter: str) -> int | None:
    """Return where in a record the quote stands that is never closed."""
    cell = re.compile(
        r'(?:"(?:[^"]++|"")*+")?+(?!")[^{0}\r\n]*+(?:{0}|\r\n?|\n|\Z)'.replace(
            "{0}", re.escape(delimiter)
        )
    )
    position = 0
    while position < len(record):
        found = cell.match(record, position)
        if found is None:
            return position
        position = found.end()
    return None
