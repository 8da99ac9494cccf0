"""How is a bad cell written down?

Bad data is data: a stage never raises for a row, it returns rows of the ``PROBLEMS`` table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

# reject    the row cannot be imported as it stands
# skip      a rule of the settings leaves the row alone
# review    a person has to decide who the row is
# drop      the field was left out, as [on_invalid] says; the rest of the row goes on
# truncate  the field was shortened to its limit, as [on_invalid] says
# repair    cleaning changed the value without losing anything
# note      worth knowing, nothing was changed
Effect = Literal["reject", "skip", "review", "drop", "truncate", "repair", "note"]

# Few texts are said of many rows.
WORDS = pa.dictionary(pa.int32(), pa.string())

PROBLEMS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),  # index within its batch, from 0
        pa.field("effect", WORDS, nullable=False),
        pa.field("code", WORDS, nullable=False),
        pa.field("field", WORDS, nullable=False),  # a field's name, "" for the whole row
        pa.field("message", WORDS, nullable=False),
        pa.field("suggestion", WORDS, nullable=False),
    ]
)


def told(problems: pa.Table, name: str, *words: str) -> np.ndarray:
    """Return which problems have one of these words in a column."""
    masks = [
        np.isin(chunk.dictionary.to_numpy(zero_copy_only=False), words)[chunk.indices.to_numpy()]
        for chunk in problems.column(name).chunks
    ]
    return np.concatenate([np.zeros(0, dtype=bool), *masks])


class Problem(NamedTuple):
    """One thing found in one row; codes are explained in ``etl.customers.codes``."""

    row: int
    effect: Effect
    code: str
    field: str
    message: str
    suggestion: str = ""


def problem_table(problems: Iterable[Problem]) -> pa.Table:
    """Return the problems as a table of the ``PROBLEMS`` schema, ordered by row."""
    ordered = sorted(problems, key=lambda problem: problem.row)
    return pa.Table.from_pylist([problem._asdict() for problem in ordered], schema=PROBLEMS)
