"""Which of several phones or email addresses of a row is the profile's?

The first that Square would take, in the order of ``[fallbacks]``; where none is, the first, so that
it is refused in its own words. Google Contacts lists several in one cell, between ``:::``. What is
left over goes to the note or a custom attribute where ``[others]`` says so, and is recorded either
way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.config import Config, Contact, OnInvalidSection
from etl.customers.belongings import ATTRIBUTES
from etl.customers.cells import Finding, by_row, joined, repeated
from etl.customers.dates import DateEvidence
from etl.customers.fields import CUSTOMERS
from etl.customers.octets import Octets
from etl.stages.clean import clean
from etl.stages.mapping import ColumnMapping, read_column
from etl.stages.validate import Checked, validate

_COUNTRY = "address.country"
_LISTED = ":::"
# A cell that lists more is no list of one person's numbers.
_MOST_LISTED = 10

_LEFT_OUT = Finding("note", "OTHER_LEFT_OUT", "")
_IN_NOTE = Finding("note", "OTHER_IN_NOTE", "")
_IN_ATTRIBUTE = Finding("note", "OTHER_IN_ATTRIBUTE", "")


class Chosen(NamedTuple):
    """A batch with one phone and one email per row, and what became of the others."""

    customers: pa.RecordBatch
    problems: pa.Table
    to_note: pa.Array  # lines for the note of each row, null for none
    to_attributes: dict[str, pa.Array]  # values by the key of their attribute, null for none


class _Candidate(NamedTuple):
    """One of several values, for the rows that have several."""

    header: str
    written: pa.Array
    canonical: pa.Array
    valid: np.ndarray


def choose(
    customers: pa.RecordBatch,
    cells: pa.RecordBatch,
    mapping: ColumnMapping,
    config: Config,
    country: str,
    constants: Mapping[str, str],
) -> Chosen:
    """Choose for every row of mapped customers; ``country`` is the merchant's."""
    columns = dict(zip(customers.schema.names, customers.columns, strict=True))
    judge = partial(_checked, config=config, country=country, constants=constants)
    problems: list[pa.Table] = []
    nothing = pa.nulls(customers.num_rows, pa.string())
    places = dict.fromkeys(["note", *config.others.values()], nothing)
    for name in get_args(Contact):
        listed = list(_candidates(cells, mapping, name))
        if len(listed) < 2:
            continue
        columns[name] = pc.coalesce(*(column for _, column in listed))
        filled = np.array([_mask(pc.is_valid(column)) for _, column in listed])
        rows = np.flatnonzero(filled.sum(axis=0) > 1)
        if not len(rows):
            continue
        of_rows = columns[_COUNTRY].take(pa.array(rows))
        judged = [
            _judge(name, header, column.take(pa.array(rows)), of_rows, judge)
            for header, column in listed
        ]
        first = _first(judged)
        winner = pc.choose(pa.array(first), *(one.written for one in judged))
        columns[name] = _placed(columns[name], rows, winner)
        place = config.others.get(name)
        others, found = _others(name, judged, first, rows, place)
        problems += found
        if place is not None:
            before = places[place].take(pa.array(rows))
            separator = "\n" if place == "note" else ", "
            places[place] = _placed(places[place], rows, joined([before, *others], separator))
    chosen = pa.RecordBatch.from_arrays(list(columns.values()), schema=CUSTOMERS)
    note = places.pop("note")
    attributes = {place.removeprefix(ATTRIBUTES): column for place, column in places.items()}
    return Chosen(chosen, by_row(problems), note, attributes)


def _candidates(
    cells: pa.RecordBatch, mapping: ColumnMapping, name: str
) -> Iterator[tuple[str, pa.Array]]:
    """Yield the columns that may hold the value of a field, best first, with their headers.

    None where a row cannot have more than one.
    """
    if name in mapping.joined:
        return
    headers = mapping.fields.get(name, ())
    meant = "".join(mapping.values.get(name, {}).values())
    listed = [
        Octets(cells.column(header)).may_hold(_LISTED.encode()) or _LISTED in meant
        for header in headers
    ]
    if len(headers) == 1 and not any(listed):
        return
    for header, may_list in zip(headers, listed, strict=True):
        column, _ = read_column(cells, mapping, name, header)
        for _ in range(_MOST_LISTED if may_list else 0):
            several = pc.match_substring(column, _LISTED)
            if not pc.any(several).as_py():
                break
            head = pc.replace_substring_regex(column, rf"(?s)\s*{_LISTED}.*", "")
            tail = pc.replace_substring_regex(column, rf"(?s)^.*?{_LISTED}\s*", "")
            yield header, _or_null(head)
            column = _or_null(pc.if_else(several, tail, None))
        yield header, column


def _or_null(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(column, ""), None, column)


def _checked(
    alone: pa.RecordBatch, config: Config, country: str, constants: Mapping[str, str]
) -> Checked:
    """Clean and validate as the profile's own values will be."""
    region = config.clean.default_region or country
    cleaned = clean(alone, config.clean, region, DateEvidence(), constants)
    return validate(cleaned, OnInvalidSection(), country)


def _judge(
    name: str,
    header: str,
    written: pa.Array,
    of_rows: pa.Array,
    judge: Callable[[pa.RecordBatch], Checked],
) -> _Candidate:
    """Judge one candidate; ``of_rows`` are the countries."""
    given = {name: written, _COUNTRY: of_rows}
    nothing = pa.nulls(len(written), pa.string())
    alone = [given.get(field.name, nothing) for field in CUSTOMERS]
    checked = judge(pa.RecordBatch.from_arrays(alone, schema=CUSTOMERS))
    canonical = checked.customers.column(name)
    against = pc.and_(
        pc.equal(checked.problems.column("field"), name),
        pc.equal(checked.problems.column("effect"), "reject"),
    )
    valid = _mask(pc.is_valid(canonical)).copy()
    valid[checked.problems.filter(against).column("row").to_numpy()] = False
    return _Candidate(header, written, canonical, valid)


def _first(judged: list[_Candidate]) -> np.ndarray:
    """Return for each row the first valid candidate, else the first that says anything."""
    valid = np.array([one.valid for one in judged])
    saying = np.array([_mask(pc.is_valid(one.canonical)) for one in judged])
    written = np.array([_mask(pc.is_valid(one.written)) for one in judged])
    rank = np.where(valid, 3, np.where(saying, 2, np.where(written, 1, 0)))
    first: np.ndarray = rank.argmax(axis=0)
    return first


def _others(
    name: str, judged: list[_Candidate], first: np.ndarray, rows: np.ndarray, place: str | None
) -> tuple[list[pa.Array], list[pa.Table]]:
    """Return what goes to ``place``, and what is said of each value that was not chosen.

    In a note each has a line that names its column; an attribute holds the values alone.
    """
    same = [pc.choose(pa.array(first), *(one.canonical for one in judged))]
    lines, problems = [], []
    finding, done = _LEFT_OUT, "was left out"
    if place is not None:
        finding = _IN_NOTE if place == "note" else _IN_ATTRIBUTE
        done = f"went to {'the note' if place == 'note' else place}"
    for number, one in enumerate(judged):
        new = (first != number) & _mask(pc.is_valid(one.canonical))
        for known in same:
            # Emails in another case are no others; phones have none.
            alike = pc.equal(pc.ascii_lower(one.canonical), pc.ascii_lower(known))
            new &= ~_mask(pc.fill_null(alike, False))
        if not new.any():
            continue
        same.append(pc.if_else(pa.array(new), one.canonical, None))
        line = pc.binary_join_element_wise(f"{one.header}: ", _printable(one.canonical), "")
        said = line if place == "note" else one.canonical
        lines.append(pc.if_else(pa.array(new), said, None))
        unfit = pc.if_else(pa.array(one.valid), "", ", which is not valid,")
        told = pc.binary_join_element_wise(line, unfit, f" {done}", "").filter(pa.array(new))
        help_ = "" if place else f'[others] {name} = "note" keeps it'
        found = repeated(pa.array(new), name, finding._replace(suggestion=help_), told)
        problems.append(found.set_column(0, found.field(0), pa.array(rows[new])))
    return lines, problems


def _printable(column: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(column, r"[\x00-\x1f\x7f]+", " ")


def _placed(column: pa.Array, rows: np.ndarray, values: pa.Array) -> pa.Array:
    mask = np.zeros(len(column), dtype=bool)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), values)


def _mask(flags: pa.Array) -> np.ndarray:
    found: np.ndarray = flags.to_numpy(zero_copy_only=False)
    return found
