"""How are customers for a stage written down in a test?"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from etl.customers.fields import CUSTOMERS
from tests.customers import messy

Row = dict[str, str | None]

# Columns that reach every way a value can be cleaned; the others are plain text like these.
COLUMNS = (
    *("id", "reference_id", "given_name", "company_name", "email_address", "phone_number"),
    *("birthday", "address.address_line_1", "address.administrative_district_level_1"),
    *("address.postal_code", "address.country"),
    *("note", "tax_ids.eu_vat"),
)

rows = st.fixed_dictionaries({name: messy.cells() for name in COLUMNS})
batches = st.lists(rows, max_size=3)


def customers(rows: list[Row]) -> pa.RecordBatch:
    """Return rows as mapped customers; fields not named hold nothing."""
    return pa.RecordBatch.from_pylist(rows, schema=CUSTOMERS)


def found(problems: pa.Table) -> list[tuple[int, str, str, str]]:
    """Return row, effect, code and field of each problem."""
    return [(p["row"], p["effect"], p["code"], p["field"]) for p in problems.to_pylist()]


def of_rows(problems: pa.Table) -> dict[int, list[Any]]:
    """Return the problems of each row, without its number."""
    together: dict[int, list[Any]] = {}
    for problem in problems.to_pylist():
        together.setdefault(problem.pop("row"), []).append(problem)
    return together
