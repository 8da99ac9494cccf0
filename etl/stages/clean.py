"""What do the mapped values look like in canonical form, and what was changed on the way?

Text in, text out: every change is a problem with effect ``repair``, what cannot be repaired
without guessing is one with effect ``reject``. Cleaning what is clean changes nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl import config
from etl.customers import countries, dates, normalize, octets, states
from etl.customers.cells import NO_PROBLEMS, Finding, Form, any_of, each, repeated, shown
from etl.customers.dates import DateEvidence
from etl.customers.fields import CUSTOMERS, IMPORTABLE, Field
from etl.customers.normalize import Style
from etl.customers.octets import Octets

_COUNTRY = "address.country"
_STATE = "address.administrative_district_level_1"
_POSTAL_CODE = "address.postal_code"
_NAMES = frozenset({"given_name", "family_name"})
# Whose cleaning looks for more than blanks, markers and the like.
_NO_PLAIN_TEXT = frozenset({"reference_id", _POSTAL_CODE, _STATE})


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A batch in canonical form, and what was found and changed in it."""

    customers: pa.RecordBatch
    problems: pa.Table  # PROBLEMS, in the order of the fields
    valid_phones: pa.Array  # rows whose phone is certainly a valid number, in E.164
    invalid_phones: pa.Array  # rows whose phone certainly is none
    valid_birthdays: pa.Array  # rows whose birthday certainly is a day


def clean(
    customers: pa.RecordBatch,
    settings: config.Clean,
    region: str,
    evidence: DateEvidence,
    constants: Mapping[str, str] = MappingProxyType({}),
    today: datetime.date | None = None,
) -> Cleaned:
    """Bring mapped customers to canonical form.

    ``region`` is the country of national phone numbers; ``evidence`` is what the whole birthday
    column proves about the order of day and month. ``constants`` are canonical values for rows
    that turn out to have none. ``today`` is the day the run began, for ``two_digit_years``.
    """
    past = today if settings.two_digit_years == "past" else None
    given = customers.column(_COUNTRY)
    country, of_country = each(
        given, _COUNTRY, countries.country, countries.may_change_country(given)
    )
    country, supplied = _supplied(country, _COUNTRY, constants)
    untidy = _untidy(customers)
    columns: list[pa.Array] = []
    problems: list[pa.Table] = []
    valid_phones = invalid_phones = valid_birthdays = pa.repeat(pa.scalar(False), len(given))
    for field in IMPORTABLE:
        column = customers.column(field.name)
        if field.name == _COUNTRY:
            column, found = country, [of_country, *supplied]
        elif column.null_count == len(column):
            found = []
        elif field.kind == "phone":
            phones = _phones(column, country, settings, region)
            column, found, valid_phones, invalid_phones = phones
        elif field.kind == "birthday":
            order = settings.date_order
            birthdays = dates.birthdays(column, field.name, order, evidence, past)
            column, found, valid_birthdays = birthdays
        elif field.name == _POSTAL_CODE:
            column, found = _postal_codes(column, country, settings, region)
        elif field.name == _STATE:
            column, found = _states(column, country, region)
        else:
            form, where = _form(field, column, untidy)
            column, problem = each(column, field.name, form, where)
            found = [problem]
        if field.name != _COUNTRY:
            column, supplied = _supplied(column, field.name, constants)
            found = [*found, *supplied]
        columns.append(column)
        problems += found
    return Cleaned(
        pa.RecordBatch.from_arrays(columns, schema=CUSTOMERS),
        pa.concat_tables([NO_PROBLEMS, *problems]),
        valid_phones,
        invalid_phones,
        valid_birthdays,
    )


def _supplied(
    column: pa.Array, name: str, constants: Mapping[str, str]
) -> tuple[pa.Array, list[pa.Table]]:
    """Give rows that have no value the constant of the settings."""
    if name not in constants:
        return column, []
    missing = pc.is_null(column)
    finding = Finding("repair", "CONSTANT_TAKEN", f"the row has none: {shown(constants[name])}")
    return pc.fill_null(column, constants[name]), [repeated(missing, name, finding)]


def _untidy(customers: pa.RecordBatch) -> dict[str, pa.Array]:
    """Return of every field of plain text that has values which rows cleaning has to look at."""
    names = [
        field.name
        for field in IMPORTABLE
        if field.kind == "text" and field.name not in _NO_PLAIN_TEXT
    ]
    columns = {name: customers.column(name) for name in names}
    filled = {name: column for name, column in columns.items() if column.null_count < len(column)}
    where = normalize.may_change_texts(list(filled.values()))
    return dict(zip(filled, where, strict=True))


def _form(field: Field, column: pa.Array, untidy: Mapping[str, pa.Array]) -> tuple[Form, pa.Array]:
    """Return how a field is cleaned, and the rows where that may matter."""
    if field.name == "reference_id":
        return normalize.reference, normalize.may_change_reference(column)
    if field.kind in ("id", "email"):
        return normalize.key, normalize.may_change_key(column)
    if field.kind == "vat":
        return normalize.vat, normalize.may_change_vat(column)
    return partial(normalize.text, style=_style(field.name)), untidy[field.name]


def _style(name: str) -> Style:
    if name in _NAMES:
        return normalize.NAME
    if name == "note" or name.startswith("address."):
        return normalize.LINES
    return normalize.TEXT


def _phones(
    column: pa.Array, country: pa.Array, settings: config.Clean, region: str
) -> normalize.Phones:
    regions = pa.repeat(pa.scalar(region), len(column))
    if settings.region_from == "country":
        known = pc.is_in(country, pa.array(sorted(countries.codes() - {countries.UNKNOWN})))
        regions = pc.if_else(pc.fill_null(known, False), country, region)
    problems, valid, invalid = [], [], []
    for one in pc.unique(regions).to_pylist():
        read = normalize.phones(column, "phone_number", one, pc.equal(regions, one))
        column = read.column
        problems += read.problems
        valid.append(read.valid)
        invalid.append(read.invalid)
    return normalize.Phones(column, problems, any_of(*valid), any_of(*invalid))


def _postal_codes(
    column: pa.Array, country: pa.Array, settings: config.Clean, region: str
) -> tuple[pa.Array, list[pa.Table]]:
    """Clean postal codes; only a row's own country proves that a zero is missing."""
    american = pc.fill_null(pc.equal(country, "US"), False)
    supposed = pc.and_(pc.is_null(country), region == "US")
    foreign = pc.invert(pc.or_(american, supposed))
    where = normalize.may_change_postal_code(column, pc.invert(foreign))
    problems = []
    for rows, is_american, pad in (
        (american, True, settings.pad_postal_code),
        (supposed, True, False),
        (foreign, False, False),
    ):
        form = partial(normalize.postal_code, american=is_american, pad=pad)
        column, found = each(column, _POSTAL_CODE, form, pc.and_(where, rows))
        problems.append(found)
    return column, problems


def _states(column: pa.Array, country: pa.Array, region: str) -> tuple[pa.Array, list[pa.Table]]:
    """Clean states; a row without a country is taken to be of the region."""
    problems = []
    has_states = np.zeros(len(column), dtype=bool)
    for one, changing in states.may_change_states(column).items():
        named = octets.flags(pc.equal(country, one))
        supposed = ~octets.present(country) & (region == one)
        for rows, certain in ((named, True), (supposed, False)):
            has_states |= rows
            form = partial(states.state, country=one, certain=certain)
            column, found = each(column, _STATE, form, octets.mask(rows & changing))
            problems.append(found)
    if not has_states.all():
        where = normalize.may_change_text(Octets(column).less(has_states))
        form = partial(normalize.text, style=_style(_STATE))
        column, found = each(column, _STATE, form, where)
        problems.append(found)
    return column, problems
