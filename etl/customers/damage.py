"""What have spreadsheets, encodings and copying done to the cells of a column?

Whole columns, by masks: what a spreadsheet, a wrong encoding or a careless export leaves behind.
Only looked at here; what becomes of such a cell is decided in ``etl.customers.normalize``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import mojibake, octets
from etl.customers.normalize import MARKERS
from etl.customers.octets import Octets

# What each kind of damage is called, and what an operator reads.
MEANING = {
    "scientific_notation": "in scientific notation",
    "decimal_tail": "with .0 at the end: numbers read as decimals",
    "formula_guard": 'behind an apostrophe or in ="…"',
    "spreadsheet_error": "showing a spreadsheet's error (####, #REF!)",
    "retyped_as_date": "retyped as a date (Mar-94, 5-Apr)",
    "serial_date": "numbers of days, as spreadsheets count them",
    "short_postal_code": "short for postal codes of the US: a leading zero may be lost",
    "mojibake": "read in the wrong encoding, it seems (Ã©)",
    "invisible_character": "with an invisible or control character",
    "empty_marker": "words for nothing (n/a, null, none, -)",
    "blanks_around": "with blanks around the value",
}

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_EXPONENT = r"^\+?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,3}$"
_RETYPED = rf"^(?:{_MONTHS})-[0-9]{{2}}$|^[0-9]{{1,2}}-(?:{_MONTHS})$"
# Line breaks and tabs are seen; every other control and format character is not, nor is a blank
# that does not break.
_INVISIBLE = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}\x{a0}\x{2007}\x{202f}]"
_NUMBER_LENGTH = 24
_LONGEST_MARKER = max(map(len, MARKERS))
_RETYPED_LENGTH = 6
_FIRST_SERIAL, _LAST_SERIAL = "10000", "73050"


class Seen(NamedTuple):
    """A column without blanks around its cells, which cells are filled, and which look damaged.

    ``serial_date`` and ``short_postal_code`` are masks of what would be one in a column of dates
    or postal codes; ``full_codes`` counts the codes of five digits, which short ones stand beside.
    """

    trimmed: pa.Array
    filled: np.ndarray
    damaged: dict[str, np.ndarray]
    full_codes: int


def look(column: pa.Array) -> Seen:
    """Look at all cells of a text column."""
    column = pc.fill_null(column, "")
    trimmed = pc.utf8_trim_whitespace(column)
    held = Octets(trimmed)
    short = held.filled & (held.lengths <= _NUMBER_LENGTH)

    def among(doubtful: np.ndarray, pattern: str) -> np.ndarray:
        return _refined(trimmed, doubtful, pattern)

    digits = among(held.filled & (held.lengths <= 5) & (held.lengths >= 3), r"^[0-9]{3,5}$")
    five = digits & (held.lengths == 5)
    plain = held.plain()
    marker = held.filled & (held.lengths <= _LONGEST_MARKER) & held.beginning(_MARKERS_BEGIN)
    damaged = {
        "scientific_notation": among(
            short & held.holding(_PLUS) & held.holding(_EXPONENTS), _EXPONENT
        ),
        "decimal_tail": among(
            short & held.ending(_ZERO) & held.holding(_POINT), r"^\+?[0-9]{2,}\.0$"
        ),
        "formula_guard": among(held.beginning(_GUARDS), r"^'[0-9+=@-]|^=\""),
        "spreadsheet_error": among(held.beginning(_HASH), r"^#(?:#{2,}|[A-Z/0]{3,6}[!?])$"),
        "retyped_as_date": among(
            held.filled & (held.lengths <= _RETYPED_LENGTH) & held.holding(_DASH), _RETYPED
        ),
        "serial_date": five & _between(trimmed, five),
        "short_postal_code": digits & ~five,
        "mojibake": octets.refined(trimmed, ~plain & held.filled, mojibake.may_be_mojibake),
        "invisible_character": among(~plain & held.filled, _INVISIBLE),
        "empty_marker": among(marker, rf"(?i)^(?:{'|'.join(sorted(MARKERS))})$"),
        "blanks_around": held.filled & (Octets(column).lengths != held.lengths),
    }
    masks = {name: np.asarray(mask) for name, mask in damaged.items()}
    return Seen(trimmed, held.filled, masks, int(five.sum()))


_PLUS, _EXPONENTS, _ZERO = octets.kind(b"+"), octets.kind(b"eE"), octets.kind(b"0")
_POINT, _GUARDS, _HASH = octets.kind(b"."), octets.kind(b"'="), octets.kind(b"#")
_DASH, _MARKERS_BEGIN = octets.kind(b"-"), octets.kind(b"#nN-")


def _refined(column: pa.Array, doubtful: np.ndarray, pattern: str) -> np.ndarray:
    found = octets.refined(column, doubtful, lambda some: pc.match_substring_regex(some, pattern))
    answer: np.ndarray = found.to_numpy(zero_copy_only=False)
    return answer


def _between(column: pa.Array, five: np.ndarray) -> np.ndarray:
    """Return which texts of five digits may be days that spreadsheets count."""
    if not five.any():
        return five
    fits = pc.and_(pc.greater_equal(column, _FIRST_SERIAL), pc.less_equal(column, _LAST_SERIAL))
    answer: np.ndarray = fits.to_numpy(zero_copy_only=False)
    return answer
