"""A look at a file: counts are exact up to a bound, and what is kept of it is bounded."""

from __future__ import annotations

import sys

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers.problems import Problem, problem_table
from etl.stages.extract import Records
from etl.stages.profile import Column, Damage, Profile, profile

cells = st.sampled_from(["", " ", "a", "b", " a", "ada@example.com", "é" * 300, "é" * 301, "n/a"])


def looked_at(values: list[str | None], rows_per_batch: int = 1000) -> Column:
    """Profile one column; its first row is in line 2."""
    return file_of({"x": values}, rows_per_batch).columns[0]


def file_of(columns: dict[str, list[str | None]], rows_per_batch: int = 1000) -> Profile:
    """Profile a file of these columns."""
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    line = 2
    batches = []
    for cells in table.to_batches(max_chunksize=rows_per_batch):
        lines = pa.array(range(line, line + cells.num_rows), pa.int64())
        batches.append(Records(lines, cells, problem_table([])))
        line += cells.num_rows
    return profile(batches, list(columns), lambda rows: None)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(cells | st.none(), max_size=30), st.integers(1, 7))
def test_counts_are_exact_however_the_file_is_cut(
    values: list[str | None], rows_per_batch: int
) -> None:
    """Filled cells, distinct values, frequencies and the longest are those a plain count gives."""
    told = looked_at(values, rows_per_batch)
    filled = [value.strip() for value in values if value and value.strip()]

    assert told.filled == len(filled)
    assert told.distinct == len(set(filled))
    assert told.repeated == (len(set(filled)) < len(filled))
    assert told.longest == max(map(len, filled), default=0)
    assert sorted(times for _, times in told.top) == sorted(map(filled.count, set(filled)))


def test_beyond_the_bound_there_are_many() -> None:
    """A column of more values than the bound is told as many; its frequent values are kept."""
    values: list[str | None] = [f"v{number}" for number in range(10_001)]
    assert looked_at(values[:-1]).distinct == 10_000
    told = looked_at([*["often"] * 50, *values])

    assert told.distinct is None
    assert told.top[0] == ("often", 50)
    assert told.repeated
    assert len(told.top) <= 200


def test_what_is_kept_does_not_grow() -> None:
    """Ten times the rows, the same number of values kept."""

    def kept(rows: int) -> int:
        told = looked_at([f"+1415555{number:07}" for number in range(rows)], 5000)
        return sys.getsizeof(told.top) + sys.getsizeof(told.national)

    assert kept(120_000) == kept(12_000)


def test_damage_names_its_first_line() -> None:
    """Each kind of damage is counted over all rows, with the line where it begins."""
    values: list[str | None] = ["x", "1.4155E+10", "4155550148.0", "'+14155550148", '="415"']
    values += ["####", "Mar-94", "JosÃ©", "a\u200bb", "n/a", " x ", "12345", "2134", "1.4155E+10"]
    damage = looked_at(values, 3).damage

    assert damage == {
        "scientific_notation": Damage(2, 3),
        "decimal_tail": Damage(1, 4),
        "formula_guard": Damage(2, 5),
        "spreadsheet_error": Damage(1, 7),
        "retyped_as_date": Damage(1, 8),
        "mojibake": Damage(1, 9),
        "invisible_character": Damage(1, 10),
        "empty_marker": Damage(1, 11),
        "blanks_around": Damage(1, 12),
        "serial_date": Damage(1, 13),
        "short_postal_code": Damage(1, 14),
    }


def test_names_are_not_damage() -> None:
    """What only resembles a spreadsheet's doing is left in peace."""
    assert looked_at(["'t Hooft", "O'Hara", "None-such", "120.50", "E+ Energy"]).damage == {}


def test_dates_name_the_lines_that_prove_their_order() -> None:
    """The first date that says which part is the month is named, and the first that says else."""
    told = looked_at(["04/05/1990", "04/17/1990", "17/04/1990", "18/04/1990"], 2)

    assert told.dates.month_first == (0, 3, "04/17/1990")
    assert told.dates.day_first == (0, 4, "17/04/1990")


def test_rows_that_cannot_be_told_apart_say_nothing_of_columns() -> None:
    """Ragged rows are counted by their code, and their cells left out."""
    cells = pa.record_batch({"x": ["a", "b"]})
    ragged = problem_table([Problem(1, "reject", "RAGGED_ROW", "", "too few cells")])
    told = profile([Records(pa.array([2, 3]), cells, ragged)], ["x"], lambda rows: None)

    assert told.rows == 2
    assert told.unreadable == {"RAGGED_ROW": 1}
    assert told.columns[0].filled == 1
