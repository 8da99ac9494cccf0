"""What is kept beside a profile: the groups a customer is in, and which custom attributes?

Both are written by calls of their own, so they are no fields (``etl.customers.fields``). A batch of
them has a column ``groups`` (lists of names) and one per attribute (``custom_attributes.KEY``). It
is cleaned as text is, and what can be known without the attribute's definition is judged here.
"""

from __future__ import annotations

import csv
import re
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.cells import Cell, Finding, each
from etl.customers.normalize import LINES, TEXT, Style, may_change_text, text
from etl.customers.problems import PROBLEMS

GROUPS = "groups"
ATTRIBUTES = "custom_attributes."

# The whole pattern of a key (API reference): an application's own, or "square:" and "app-id:".
KEY = re.compile(r"([a-zA-Z0-9._-]+:)?[a-zA-Z0-9._-]{1,60}")

# The limit of a String in Square's schema file; no other type that a cell can hold takes more.
_MOST = 1000


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
