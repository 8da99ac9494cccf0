"""How is one value judged, and how is that done to a whole column?

A *form* takes one text and returns a ``Cell``: the text it should be, or None for nothing, and
what was found on the way. ``each`` applies a form to a column, once per distinct value of the rows
that may need it. Bad data is data: findings become rows of the problems table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.octets import Octets, flags, present
from etl.customers.problems import PROBLEMS, Effect, told


class Finding(NamedTuple):
    """A ``Problem`` before it is known in which row and field it is."""

    effect: Effect
    code: str
    message: str
    suggestion: str = ""


class Cell(NamedTuple):
    """The outcome for one value: its text, None for nothing, and what there is to say."""

    text: str | None
    findings: tuple[Finding, ...] = ()


Form = Callable[[str], Cell]

NO_PROBLEMS: pa.Table = PROBLEMS.empty_table()


# Longer values are shown in messages by their beginning.
_SHOWN = 80


def shown(text: str) -> str:
    """Return a text as a message shows it."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_rejected(cell: Cell) -> bool:
    """Tell whether something was found for which the value cannot stand."""
    for finding in cell.findings:  # noqa: SIM110  # a generator takes twice as long
        if finding.effect == "reject":
            return True
    return False


def then(cell: Cell, form: Form) -> Cell:
    """Apply a further form to a cell that still holds a value nobody objected to.

    A code is kept once, as the first form worded it.
    """
    if cell.text is None:
        return cell
    if not cell.findings:
        return form(cell.text)
    if _is_rejected(cell):
        return cell
    text, findings = form(cell.text)
    if not findings:
        return Cell(text, cell.findings)
    known = {finding.code for finding in cell.findings}
    return Cell(text, (*cell.findings, *(f for f in findings if f.code not in known)))


def each(
    column: pa.Array, field: str, form: Form, where: pa.Array | None = None
) -> tuple[pa.Array, pa.Table]:
    """Apply ``form`` to the non-null values where the mask is true, once per distinct value.

    Returns the new column and the problems of ``field``, ordered by row.
    """
    return all_at_once(column, field, lambda texts: list(map(form, texts)), where)


def all_at_once(
    column: pa.Array,
    field: str,
    form: Callable[[list[str]], list[Cell]],
    where: pa.Array | None = None,
) -> tuple[pa.Array, pa.Table]:
    """Do as ``each`` does with a form that takes all distinct values together."""
    wanted = present(column) if where is None else flags(where) & present(column)
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return column, NO_PROBLEMS
    encoded = column.take(pa.array(rows)).dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    cells = form(texts)
    changed = np.array([cell.text != text for cell, text in zip(cells, texts, strict=True)])
    value_of = encoded.indices.to_numpy()
    if changed.any():
        new = changed[value_of]
        after = (cells[value].text for value in value_of[new].tolist())
        column = Octets(column).replaced(rows[new], after)
    return column, _problems(field, cells, value_of, rows)


def _problems(field: str, cells: list[Cell], value_of: np.ndarray, rows: np.ndarray) -> pa.Table:
    """Repeat the findings of each distinct value for every row that holds it."""
    known: dict[Finding, int] = {}
    found = [
        (value, known.setdefault(finding, len(known)))
        for value, cell in enumerate(cells)
        for finding in cell.findings
    ]
    if not found:
        return NO_PROBLEMS
    values, findings = np.array(found, "<i4").T
    by_value = np.argsort(value_of, kind="stable")
    often = np.bincount(value_of, minlength=len(cells))
    start, rows_each = (np.cumsum(often) - often)[values], often[values]
    which = np.repeat(np.arange(len(values)), rows_each)
    within = np.arange(len(which)) - np.repeat(np.cumsum(rows_each) - rows_each, rows_each)
    at = rows[by_value[start[which] + within]]
    order = np.argsort(at, kind="stable")
    which = findings[which[order]]
    effects, codes, messages, suggestions = zip(*known, strict=True)
    columns = [
        pa.array(at[order], pa.int64()),
        _words(effects, which),
        _words(codes, which),
        _word(field, len(which)),
        _words(messages, which),
        _words(suggestions, which),
    ]
    return pa.Table.from_arrays(columns, schema=PROBLEMS)


def _words(texts: Sequence[str], which: np.ndarray) -> pa.DictionaryArray:
    """Return the texts at places; equal ones share one entry of the dictionary."""
    known: dict[str, int] = {}
    entries = np.array([known.setdefault(text, len(known)) for text in texts], "<i4")
    words = pa.array(list(known), pa.string())
    return pa.DictionaryArray.from_arrays(entries[which], words, safe=False)


def _word(text: str, rows: int) -> pa.DictionaryArray:
    """Return the same text for so many rows."""
    return pa.DictionaryArray.from_arrays(np.zeros(rows, "<i4"), pa.array([text]), safe=False)


def repeated(
    mask: pa.Array, field: str, finding: Finding, messages: pa.Array | None = None
) -> pa.Table:
    """Return one finding for every row of the mask, with its own message where these are given."""
    rows = pa.array(np.flatnonzero(flags(mask)), pa.int64())
    if not len(rows):
        return NO_PROBLEMS
    effect, code, field_name, message, suggestion = (
        _word(text, len(rows))
        for text in (finding.effect, finding.code, field, finding.message, finding.suggestion)
    )
    said = message if messages is None else messages.dictionary_encode()
    columns = [rows, effect, code, field_name, said, suggestion]
    return pa.Table.from_arrays(columns, schema=PROBLEMS)


def by_row(
    tables: Iterable[pa.Table], but: np.ndarray | None = None, instead: pa.Table = NO_PROBLEMS
) -> pa.Table:
    """Return all problems as one table ordered by row, within a row in the order given.

    Of rows that are flagged in ``but``, only what is said ``instead``.
    """
    found = [table for table in tables if table.num_rows]
    if not found and not instead.num_rows:
        return NO_PROBLEMS
    together = pa.concat_tables([*found, instead])
    rows = np.concatenate([column.to_numpy() for column in together.column("row").chunks])
    places = None
    if but is not None:
        kept = ~but[rows]
        kept[len(rows) - instead.num_rows :] = True
        places = np.flatnonzero(kept)
        rows = rows[places]
    if not (rows[1:] >= rows[:-1]).all():
        order = np.argsort(rows, kind="stable")
        places = order if places is None else places[order]
    together = together.combine_chunks()
    return together if places is None else together.take(pa.array(places))


def rows_of(problems: pa.Table, size: int, effect: Effect | None = None) -> np.ndarray:
    """Return which of so many rows have a problem, or one with this effect."""
    having = np.zeros(size, dtype=bool)
    if problems.num_rows:
        rows = problems.column("row").to_numpy()
        having[rows if effect is None else rows[told(problems, "effect", effect)]] = True
    return having


def joined(columns: Sequence[pa.Array], separator: str) -> pa.Array:
    """Return the texts of each row put together, null where all of them are.

    pyarrow's own null_handling="skip" loses the rows that hold nothing but nulls (seen in 26.0).
    """
    together = columns[0]
    for column in columns[1:]:
        both = pc.binary_join_element_wise(together, column, separator)
        together = pc.coalesce(both, together, column)
    return together


def any_of(*masks: pa.Array) -> pa.Array:
    """Return where at least one of the masks is true."""
    together = masks[0]
    for mask in masks[1:]:
        together = pc.or_(together, mask)
    return together


def for_screen(headers: Sequence[str]) -> str:
    """Return columns' names for the screen, unless they look like somebody's data.

    A file without a header line has its first customer there.
    """
    if any("@" in header or sum(map(str.isdigit, header)) >= 7 for header in headers):
        return f"{len(headers)} that look like data: has the file a line of column names?"
    return ", ".join(headers)
