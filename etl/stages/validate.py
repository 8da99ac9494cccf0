"""Which rows would Square refuse, and why?

All problems of a row are found at once; ``[on_invalid]`` says whether a bad field costs the row
(``reject``), itself (``drop``) or its end (``truncate``). Verdicts are in ``etl.customers.rules``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from etl import config
from etl.customers import octets, rules
from etl.customers.cells import NO_PROBLEMS, Cell, Form, any_of, by_row, each, repeated, rows_of
from etl.customers.fields import CUSTOMERS, IDENTIFYING, IMPORTABLE, Field
from etl.customers.problems import PROBLEMS, WORDS, told
from etl.stages.clean import Cleaned


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after ``[on_invalid]``: as long as the one given, and which rows may go on.

    ``belongings`` are the groups and custom attributes of its rows, None where no column has any.
    """

    customers: pa.RecordBatch
    accepted: pa.Array
    problems: pa.Table
    belongings: pa.RecordBatch | None = None


def validate(cleaned: Cleaned, on_invalid: config.OnInvalidSection, country: str) -> Checked:
    """Find everything Square would refuse in cleaned customers of a seller in ``country``."""
    checked = judged(cleaned, on_invalid, country)
    return replace(checked, problems=by_row([checked.problems]))


def judged(cleaned: Cleaned, on_invalid: config.OnInvalidSection, country: str) -> Checked:
    """Do as ``validate`` does for somebody who has more problems to put in order with these."""
    columns: list[pa.Array] = []
    problems = [_dropping(cleaned.problems, on_invalid)]
    refused = cleaned.problems.filter(octets.mask(told(cleaned.problems, "effect", "reject")))
    having = set(refused.column("field").unique().to_pylist())
    for field in IMPORTABLE:
        of_field = NO_PROBLEMS
        if field.name in having:
            of_field = refused.filter(pc.equal(refused.column("field"), field.name))
        column, found = _field(field, cleaned, of_field, on_invalid.policy(field.name), country)
        columns.append(column)
        problems += [_dropping(table, on_invalid) for table in found]
    customers = pa.RecordBatch.from_arrays(columns, schema=CUSTOMERS)
    problems += _without_identity(customers)
    together = pa.concat_tables(problems)
    accepted = ~rows_of(together, len(customers), "reject")
    return Checked(customers, octets.mask(accepted), together)


def _field(
    field: Field, cleaned: Cleaned, refused: pa.Table, policy: config.OnInvalid, country: str
) -> tuple[pa.Array, list[pa.Table]]:
    """Judge one column; what cleaning has rejected already is not judged a second time."""
    column = cleaned.customers.column(field.name)
    if column.null_count == len(column):
        return column, []
    waiting = pc.is_valid(column)
    if refused.num_rows:
        waiting = pc.and_(waiting, octets.mask(~rows_of(refused, len(column))))
    found = []
    if field.max_length is not None:
        long = pc.and_(waiting, rules.too_long(column, field.max_length))
        measure = _cut if policy == "truncate" else rules.length
        column, problems = each(column, field.name, partial(measure, field=field), long)
        found.append(problems)
        # The library refuses a long address too: one reason is enough.
        if field.kind == "email":
            waiting = pc.and_(waiting, pc.invert(long))
    for form, where in _judges(field, column, cleaned, country):
        _, problems = each(column, field.name, form, pc.and_(waiting, where))
        found.append(problems)
    if policy != "drop":
        return column, found
    bad = rows_of(pa.concat_tables([refused, *found]), len(column), "reject")
    return pc.if_else(octets.mask(bad), None, column), found


def _judges(
    field: Field, column: pa.Array, cleaned: Cleaned, country: str
) -> list[tuple[Form, pa.Array]]:
    """Return the rules of a field besides its length, with the rows they have to look at."""
    if field.kind == "email":
        return [(rules.email, rules.doubtful_emails(column))]
    if field.kind == "phone":
        doubtful = rules.doubtful_phones(column, cleaned.valid_phones)
        invalid = cleaned.invalid_phones
        return [(rules.no_phone, invalid), (rules.phone, pc.and_not(doubtful, invalid))]
    if field.kind == "birthday":
        return [(rules.birthday, pc.invert(cleaned.valid_birthdays))]
    if field.kind == "country":
        return [(rules.country, rules.doubtful_countries(column))]
    if field.kind == "vat":
        seller = partial(rules.tax_ids, merchant=country)
        return [(rules.vat, rules.doubtful_vats(column)), (seller, pc.is_valid(column))]
    return []


def _cut(text: str, field: Field) -> Cell:
    (too_long,) = rules.length(text, field).findings
    kept = rules.cut(text, field)
    return Cell(kept, (too_long._replace(effect="truncate"),))


def _dropping(problems: pa.Table, on_invalid: config.OnInvalidSection) -> pa.Table:
    """Return problems whose fields are left out, where the settings say so, instead of the row."""
    left_out = [field.name for field in IMPORTABLE if on_invalid.policy(field.name) == "drop"]
    if not left_out or not problems.num_rows:
        return problems
    effect = problems.column("effect")
    dropped = pc.and_(
        pc.equal(effect, "reject"), pc.is_in(problems.column("field"), pa.array(left_out))
    )
    at = problems.schema.get_field_index("effect")
    instead = pc.if_else(dropped, pa.scalar("drop", WORDS), effect)
    return problems.set_column(at, PROBLEMS.field("effect"), instead)


def _without_identity(customers: pa.RecordBatch) -> list[pa.Table]:
    """Find rows that Square would not take as a new customer.

    One that names its customer may still update it, and only the directory knows.
    """
    nameless = pc.invert(_any_value(customers, [field.name for field in IDENTIFYING]))
    known = _any_value(customers, ["id", "reference_id"])
    return [
        repeated(pc.and_(nameless, pc.invert(known)), "", rules.NO_IDENTITY),
        repeated(pc.and_(nameless, known), "", rules.ONLY_UPDATE),
    ]


def _any_value(customers: pa.RecordBatch, names: list[str]) -> pa.Array:
    return any_of(*(pc.is_valid(customers.column(name)) for name in names))
