"""What is kept beside a profile: groups, custom attributes, a gift card?

All are written by calls of their own, so they are no fields (``etl.customers.fields``). A batch of
them has a column ``groups`` (lists of names), one per attribute (``custom_attributes.KEY``) and one
of gift cards' numbers. It is cleaned as text is, and what can be known without asking Square is
judged here.

The number of a gift card (GAN) is money to whoever knows it: no message holds more than its end.
"""

from __future__ import annotations

import csv
import re
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import codes
from etl.customers.cells import Cell, Finding, each, then
from etl.customers.normalize import LINES, TEXT, Style, may_change_text, reference, text
from etl.customers.problems import PROBLEMS

GROUPS = "groups"
ATTRIBUTES = "custom_attributes."
# Also what [columns] calls a column of gift cards.
GIFT_CARD = "gift_card_gan"

# The whole pattern of a key (API reference): an application's own, or "square:" and "app-id:".
KEY = re.compile(r"([a-zA-Z0-9._-]+:)?[a-zA-Z0-9._-]{1,60}")

# The limit of a String in Square's schema file; no other type that a cell can hold takes more.
_MOST = 1000

# Square's own numbers have 16 digits, those that sellers choose 8 to 20 letters and digits
# (CreateGiftCard); RetrieveGiftCardFromGAN takes up to 255.
_CARD = re.compile(r"[0-9A-Za-z]{8,255}")
_BETWEEN_DIGITS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
_AS_NUMBER = re.compile(r"\d[.,]0|[eE]\+\d")
# Of a number a spreadsheet keeps 15 digits and writes zeros for the others.
_KEPT_DIGITS = 15
_NO_CARD = Finding(
    "reject",
    "INVALID_VALUE",
    "a gift card's number has 8 to 255 letters and digits, blanks and hyphens aside",
    "copy it from the card, or from Gift Cards in the Square Dashboard",
)


def names(
    column: pa.Array, separator: str, policy: Literal["reject", "drop"]
) -> tuple[pa.Array, list[pa.Table]]:
    """Split cells into the names of groups, each once per row, null for none.

    A name that holds the separator stands in quotes, as Mailchimp writes them.
    """
    lists = _split(column, separator)
    at = pc.list_parent_indices(lists).to_numpy()
    cleaned, found = _cleaned(pc.utf8_trim_whitespace(lists.flatten()), GROUPS, TEXT, policy)
    which = cleaned.dictionary_encode()
    known = np.flatnonzero(pc.is_valid(which.indices).to_numpy(zero_copy_only=False))
    rows = at[known]
    numbers = which.indices.drop_null().to_numpy().astype(np.int64)
    pairs = rows * max(len(which.dictionary), 1) + numbers
    _, first = np.unique(pairs, return_index=True)
    first.sort()
    counts = np.bincount(rows[first], minlength=len(column))
    offsets = np.concatenate([[0], counts.cumsum()]).astype(np.int32)
    values = which.dictionary.take(pa.array(numbers[first]))
    together = pa.ListArray.from_arrays(pa.array(offsets), values)
    together = pc.if_else(pa.array(counts > 0), together, pa.scalar(None, together.type))
    column_of_rows = pa.array(at[found.column("row").to_numpy()], pa.int64())
    return together, [found.set_column(0, PROBLEMS.field("row"), column_of_rows)]


def values(
    column: pa.Array, key: str, policy: Literal["reject", "drop"]
) -> tuple[pa.Array, list[pa.Table]]:
    """Clean the values of one attribute."""
    cleaned, found = _cleaned(column, ATTRIBUTES + key, LINES, policy)
    long = pc.fill_null(pc.greater(pc.utf8_length(cleaned), _MOST), False)
    kept, too_long = each(cleaned, ATTRIBUTES + key, partial(_too_long, effect=policy), long)
    return kept, [found, too_long]


def card_numbers(
    column: pa.Array, policy: Literal["reject", "drop"]
) -> tuple[pa.Array, list[pa.Table]]:
    """Clean the numbers of gift cards; what a spreadsheet did to them is never guessed."""
    cleaned, found = each(column, GIFT_CARD, lambda written: _under(policy, _card(written)))
    return cleaned, [found]


def ending(gan: str) -> str:
    """Return the number of a gift card as anybody may see it."""
    return f"…{gan[-4:]}"


def named(kind: str, name: str) -> str:
    """Return what reports call the field of an addition."""
    return {"group": GROUPS, "gift_card": GIFT_CARD}.get(kind, ATTRIBUTES + name)


def _card(written: str) -> Cell:
    cell = then(reference(written), _undivided)
    findings = tuple(map(_discreet, cell.findings))
    # Beyond these digits a number that lost its last ones looks like a whole one.
    if cell.text and len(cell.text) > _KEPT_DIGITS and _AS_NUMBER.search(written):
        findings = (_discreet(Finding("reject", "SPREADSHEET_NUMBER", "")),)
    return Cell(cell.text, findings)


def _undivided(gan: str) -> Cell:
    bare = _BETWEEN_DIGITS.sub("", gan)
    if not _CARD.fullmatch(bare):
        return Cell(gan, (_NO_CARD,))
    return Cell(bare, (Finding("repair", "GIFT_CARD_FORMATTED", ""),) if bare != gan else ())


def _discreet(finding: Finding) -> Finding:
    """Return a finding in the words of the table of codes, which do not quote the value."""
    if finding.code == _NO_CARD.code:
        return _NO_CARD
    known = codes.BY_NAME[finding.code]
    return Finding(finding.effect, known.name, known.meaning, known.remedy)


def _cleaned(
    column: pa.Array, field: str, style: Style, policy: Literal["reject", "drop"]
) -> tuple[pa.Array, pa.Table]:
    form = partial(text, style=style)
    return each(
        column, field, lambda written: _under(policy, form(written)), may_change_text(column)
    )


def _under(policy: Literal["reject", "drop"], cell: Cell) -> Cell:
    """Leave a value out, where the settings say so, instead of its row."""
    if policy == "reject" or all(found.effect != "reject" for found in cell.findings):
        return cell
    told = (
        found._replace(effect="drop") if found.effect == "reject" else found
        for found in cell.findings
    )
    return Cell(None, tuple(told))


def _too_long(written: str, effect: Literal["reject", "drop"]) -> Cell:
    message = f"{len(written)} characters, but a custom attribute takes {_MOST}"
    kept = written if effect == "reject" else None
    return Cell(kept, (Finding(effect, "VALUE_TOO_LONG", message),))


def _split(column: pa.Array, separator: str) -> pa.Array:
    quoted = pc.fill_null(pc.match_substring(column, '"'), False)
    if not pc.any(quoted).as_py():
        return pc.split_pattern(column, separator)
    plain = pc.split_pattern(pc.if_else(quoted, None, column), separator)
    distinct = column.filter(quoted).dictionary_encode()
    taken_apart = pa.array(
        [_unquoted(cell, separator) for cell in distinct.dictionary.to_pylist()],
        pa.list_(pa.string()),
    ).take(distinct.indices)
    # pyarrow's replace_with_mask takes no lists.
    order = np.arange(len(column))
    where = quoted.to_numpy(zero_copy_only=False)
    order[where] = len(column) + np.arange(len(taken_apart))
    return pa.concat_arrays([plain, taken_apart]).take(pa.array(order))


def _unquoted(cell: str, separator: str) -> list[str]:
    """Read a cell as a line of CSV; one that is none is split where the separator stands."""
    if len(separator) > 1 or separator == '"':
        return [name.strip().strip('"') for name in cell.split(separator)]
    reader = csv.reader([cell.replace("\n", " ")], delimiter=separator, skipinitialspace=True)
    try:
        return next(reader)
    except csv.Error:
        return cell.split(separator)


def tidied(name: str) -> Cell:
    """Return one name of a group as cleaning would write it."""
    return text(name, TEXT)
