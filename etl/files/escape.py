"""How is a CSV cell kept from running as a formula in a spreadsheet, and brought back?

A cell that starts with one of ``= + - @ TAB CR LF '`` takes a leading ``'``; a plain ``+digits``
phone does not, because no spreadsheet runs it and people copy it. The apostrophe escapes itself,
so undoing the escape returns every text exactly.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import octets
from etl.customers.octets import Octets

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_STARTS = octets.kind("".join(_FORMULA_STARTS).encode())
_PHONE = re.compile(r"\+[0-9]+")


def escape(text: str) -> str:
    """Return the text as a cell that no spreadsheet runs."""
    if text.startswith(_FORMULA_STARTS) and not _PHONE.fullmatch(text):
        return "'" + text
    return text


def unescape(text: str) -> str:
    """Return what ``escape`` was given."""
    return text.removeprefix("'")


def unescape_column(column: pa.Array) -> pa.Array:
    """Return a column of text with ``unescape`` done on every cell."""
    return pc.replace_substring_regex(column, r"\A'", "", max_replacements=1)


def escape_column(column: pa.Array) -> pa.Array:
    """Return a column of text with ``escape`` done on every cell."""
    runs = octets.refined(column, Octets(column).beginning(_STARTS), _no_phone)
    if not pc.any(runs).as_py():
        return column
    return pc.if_else(runs, pc.binary_join_element_wise("'", column, ""), column)


def _no_phone(column: pa.Array) -> pa.Array:
    return pc.invert(pc.match_substring_regex(column, r"\A\+[0-9]+\z"))
