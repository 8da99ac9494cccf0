"""Delimited text: exact cells, exact lines, and no quote that swallows a file unnoticed."""

from __future__ import annotations

import io
import itertools
from contextlib import closing
from typing import Any, cast

import pytest

from etl.errors import SourceError
from etl.files import csv


def _lines(text: str) -> csv.Lines:
    return csv.Lines(io.BytesIO(text.encode()), "utf-8", "people.csv")


def _records(text: str, delimiter: str = ",") -> list[tuple[int, list[str]]]:
    with closing(_lines(text)) as lines:
        return [(record.line, record.cells) for record in csv.records(lines, delimiter)]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("a,b\n1,2\n", [(1, ["a", "b"]), (2, ["1", "2"])]),
        ("a,b\r1,2", [(1, ["a", "b"]), (2, ["1", "2"])]),
        ("a\r\nb\rc\nd", [(1, ["a"]), (2, ["b"]), (3, ["c"]), (4, ["d"])]),
        ("\n\r\n\ra\n\nb\n\n", [(4, ["a"]), (6, ["b"])]),
        ('"a\r\nb\rc\nd"\ne', [(1, ["a\r\nb\rc\nd"]), (5, ["e"])]),
        ('"say ""hi""",""\n', [(1, ['say "hi"', ""])]),
        ('5" nail,a "b" c\n', [(1, ['5" nail', 'a "b" c'])]),
        ('""\n', [(1, [""])]),
        (" a , b \n", [(1, [" a ", " b "])]),
        (",,\n", [(1, ["", "", ""])]),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f\n\ng", [(1, ["a\x0bb\x0cc\x1cd\x85e\u2028f"]), (3, ["g"])]),
        ("", []),
    ],
)
def test_records_and_their_lines(text: str, records: list[tuple[int, list[str]]]) -> None:
    """Cells are exact, blank lines are no records, and only LF, CR and CRLF end lines."""
    assert _records(text) == records


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("name,phone\n", ","),
        ("name;phone\n", ";"),
        ("name\tphone\n", "\t"),
        ("name|phone\n", "|"),
        ("name\n", ","),
        ("Name;Street, City;Phone\n", ";"),
        ('"Last, First, Middle";"Phone"\n', ";"),
        ('"Last\nFirst, Middle"\t"Phone"\n', "\t"),
        ('Height 5"\tName, first\tPhone\n', "\t"),
        ('"Last, First";"Street, City"\n', ";"),
        ('Name,"Phone\n', ","),
        ('"Name"s;Phone\n', ";"),
        ("\n\na;b\n", ";"),
        ("sep=;\r\na,b,c;d\r\n", ";"),
        ('"sep=:"\na:b\n', ":"),
        ("SEP=\t\na\tb\n", "\t"),
        ("", ","),
    ],
)
def test_the_delimiter_is_seen_in_the_header(header: str, delimiter: str) -> None:
    """The delimiter that cuts the header, outside quotes, into the most cells is taken."""
    with closing(_lines(header + "1,2,3,4,5,6,7\n")) as lines:
        assert csv.choose_delimiter(lines, None) == delimiter


def test_the_given_delimiter_is_taken() -> None:
    """A delimiter from the settings is never questioned."""
    with closing(_lines("sep=;\na;b\n")) as lines:
        assert csv.choose_delimiter(lines, "^") == "^"


@pytest.mark.parametrize("separator", ["", "sep=;\r\n", '"sep=;"\n', "sep=,\n"])
def test_a_separator_line_is_left_out(separator: str) -> None:
    """The header is what follows Excel's sep= line; lines are counted with it."""
    with closing(_lines(f"{separator}\na;b\n1;2\n")) as lines:
        header = csv.read_header(lines, ";")
        record = next(csv.records(lines, ";"))

    assert header == ["a", "b"]
    assert (record.line, record.cells) == (3 + bool(separator), ["1", "2"])


def test_a_header_may_span_lines() -> None:
    """A quoted line break in the header is part of a column's name."""
    with closing(_lines('"First\nname",b\n1,2\n')) as lines:
        assert csv.read_header(lines, ",") == ["First\nname", "b"]
        assert next(csv.records(lines, ",")).line == 3


def test_a_misquoted_header_is_refused() -> None:
    """Column names that are a guess are no column names."""
    with (
        closing(_lines('\n"a"b,c\n')) as lines,
        pytest.raises(SourceError, match=r"^people\.csv line 2: .*not doubled"),
    ):
        csv.read_header(lines, ",")


def test_skipped_lines_may_hold_any_quotes() -> None:
    """Banner lines are physical lines: a quote in them opens nothing."""
    with closing(_lines('Report "of today\n\na,b\n1,2\n')) as lines:
        lines.skip(2)
        assert csv.read_header(lines, ",") == ["a", "b"]
        assert next(csv.records(lines, ",")).line == 4


def test_skipping_past_the_end_is_no_header() -> None:
    """A file shorter than its banner has no header."""
    with closing(_lines("a,b\n")) as lines:
        lines.skip(9)
        assert csv.read_header(lines, ",") == []


@pytest.mark.parametrize(
    ("text", "record", "after"),
    [
        ('"x "y" z",2\nb,3\n', ['x y" z"', "2"], (2, ["b", "3"])),
        ('"a"b,"c\nd"\nb,3\n', ["ab", "c\nd"], (3, ["b", "3"])),
        ('1,"c\nd"e,"f\ng"\nb,3\n', ["1", "c\nde", "f\ng"], (4, ["b", "3"])),
        ('"a" ,2\r\nb,3', ["a ", "2"], (2, ["b", "3"])),
    ],
)
def test_a_stray_quote_spoils_one_record(
    text: str, record: list[str], after: tuple[int, list[str]]
) -> None:
    """A quote that is not doubled marks its record, with the text as written; reading goes on."""
    with closing(_lines(text)) as lines:
        spoiled, following = csv.records(lines, ",")

    assert spoiled.cells == record
    assert text.startswith(spoiled.misquoted)
    assert text.count("\n", 0, len(spoiled.misquoted)) == after[0] - 1
    assert (following.line, following.cells, following.misquoted) == (*after, "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,"2\n3,4\n', 2),
        ('a,b\n1,"2', 2),
        ('a\n"', 2),
        ('"x\ny","z\n1,2\n', 2),
        ('"x\r\ny"";\r\rz', 1),
        ('"a"b,"c\nd"",e\n', 1),
        ('"a"b,"c""d\r\ne","f""\r\ng', 2),
    ],
)
def test_a_quote_left_open_is_refused_where_it_opens(text: str, line: int) -> None:
    """A quote that swallows the rest of the file stops it, and its own line is named."""
    with pytest.raises(SourceError, match=rf"^people\.csv line {line}: a quote opens here"):
        _records(text)


def test_a_huge_record_is_refused_before_it_fills_the_memory() -> None:
    """A quote left open in a large file ends at the limit, not at the end of the file."""

    class Endless(io.RawIOBase):
        """A file whose second line opens a quote and never ends."""

        served = 0

        def readable(self) -> bool:
            """Return True."""
            return True

        def readinto(self, buffer: Any) -> int:
            """Serve rows for ever."""
            text = b'a,b\n1,"2\n' if self.served == 0 else b"x,y\n" * (len(buffer) // 4)
            self.served += len(text)
            buffer[: len(text)] = text
            return len(text)

    endless = Endless()
    lines = csv.Lines(io.BufferedReader(cast(Any, endless), 1 << 16), "utf-8", "people.csv")
    found = csv.records(lines, ",")

    assert next(found).cells == ["a", "b"]
    with pytest.raises(SourceError, match="record that starts at line 2 is larger than 64 MiB"):
        next(found)
    assert endless.served < csv.RECORD_LIMIT + (1 << 20)
    lines.close()


def test_cells_of_a_mebibyte_are_read() -> None:
    """The standard library's limit of 128 KiB for a cell does not hold here."""
    assert _records("x" * 2_000_000) == [(1, ["x" * 2_000_000])]


def test_reading_is_lazy() -> None:
    """The first record is there before the second is looked at."""
    with closing(_lines('a,b\n1,"never closed\n')) as lines:
        assert next(csv.records(lines, ",")).cells == ["a", "b"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "]", "\\", "-", ".", " "])
def test_any_delimiter_locates_an_open_quote(delimiter: str) -> None:
    """The search for the open quote holds for delimiters that mean something in patterns."""
    text = f'"a"{delimiter}b{delimiter}c"d{delimiter}\n"e\n"{delimiter}"f\n'

    with pytest.raises(SourceError, match="line 3: a quote opens here"):
        _records(text, delimiter)


def test_short_texts_agree_with_a_plain_automaton() -> None:
    """Every text of up to six characters of the grammar gives the records of RFC 4180."""
    for length in range(7):
        for characters in itertools.product('a",\n', repeat=length):
            text = "".join(characters)
            assert _outcome(text) == _automaton(text), text


def _outcome(text: str) -> object:
    try:
        with closing(_lines(text)) as lines:
            return [(r.line, r.cells, bool(r.misquoted)) for r in csv.records(lines, ",")]
    except SourceError:
        return "open quote"


def _automaton(text: str) -> object:
    """Read character by character, without Python's csv module."""
    records: list[tuple[int, list[str], bool]] = []
    cells, cell, state, stray, line, start = list[str](), "", "start", False, 1, 1
    for character in [*text, "" if text.endswith("\n") or not text else "\n"]:
        ends = character in (",", "\n") and state != "quoted"
        if state == "start" and character == '"':
            state = "quoted"
        elif state == "quoted" and character == '"':
            state = "quote in quoted"
        elif state == "quote in quoted" and character == '"':
            cell, state = cell + '"', "quoted"
        elif not ends and character:
            stray = stray or state == "quote in quoted"
            cell += character
            state = "quoted" if state == "quoted" else "plain"
        if ends:
            blank = character == "\n" and not cells and not cell and state == "start"
            cells, cell, state = [*cells, cell], "", "start"
            if character == "\n":
                records += [] if blank else [(start, cells, stray)]
                cells, stray = [], False
        if character == "\n":
            line += 1
            start = start if state == "quoted" or cells else line
    return "open quote" if state == "quoted" else records
