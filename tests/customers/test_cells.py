"""Forms over columns: once per distinct value, every row accounted for."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa

from etl.customers.cells import Cell, Finding, by_row, each, repeated, shown, then
from etl.customers.problems import PROBLEMS

NOTE = Finding("note", "NO_IDENTITY", "said")
NO = Finding("reject", "INVALID_VALUE", "bad", "good")


def test_each_asks_once_per_distinct_value() -> None:
    """Nulls and rows outside the mask are left alone; findings come back for every row."""
    asked: list[str] = []

    def form(text: str) -> Cell:
        asked.append(text)
        return Cell(text.upper(), (NOTE, NO)) if text == "b" else Cell(text)

    column = pa.array(["b", "a", None, "b", "b"])
    values, problems = each(column, "note", form, pa.array([True, True, True, False, True]))

    assert sorted(asked) == ["a", "b"]
    assert values.to_pylist() == ["B", "a", None, "b", "B"]
    assert problems.schema == PROBLEMS
    assert [(p["row"], p["code"], p["suggestion"]) for p in problems.to_pylist()] == [
        *((0, "NO_IDENTITY", ""), (0, "INVALID_VALUE", "good")),
        *((4, "NO_IDENTITY", ""), (4, "INVALID_VALUE", "good")),
    ]


def test_each_works_on_a_slice() -> None:
    """Rows are counted from the start of the batch given, wherever it lies in memory."""
    column = pa.array(["x", "a", "b"])[1:]
    values, problems = each(column, "note", lambda text: Cell(None, (NOTE,) * (text == "b")))

    assert values.to_pylist() == [None, None]
    assert problems.column("row").to_pylist() == [1]


def test_then_stops_at_nothing_and_at_a_reject() -> None:
    """A further form sees only values that stand, and a code is kept once."""
    assert then(Cell(None), lambda text: Cell("x")) == Cell(None)
    assert then(Cell("a", (NO,)), lambda text: Cell("x")) == Cell("a", (NO,))
    assert then(Cell("a", (NOTE,)), lambda text: Cell("x", (NOTE, NO))) == Cell("x", (NOTE, NO))


def test_by_row_keeps_the_order_within_a_row() -> None:
    """Tables are merged by row; within one, what was found first stays first."""
    first = repeated(pa.array([False, True, True]), "b", NOTE)
    second = repeated(pa.array([True, True, False]), "a", NO, pa.array(["one", "two"]))
    merged = [(p["row"], p["field"], p["message"]) for p in by_row([first, second]).to_pylist()]

    assert merged == [(0, "a", "one"), (1, "b", "said"), (1, "a", "two"), (2, "b", "said")]
    assert by_row([]).equals(PROBLEMS.empty_table())


def test_long_values_are_shown_by_their_beginning() -> None:
    """A message stays readable whatever the cell holds."""
    assert shown("x" * 80) == "x" * 80
    assert shown("x" * 10_000) == "x" * 80 + "…"


def test_the_libraries_are_loaded_with_the_first_value() -> None:
    """Starting the program does not wait for phone metadata, country names or address rules."""
    code = (
        "import sys, etl.config, etl.stages.validate; "
        "print({'phonenumbers', 'email_validator', 'pycountry'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "set()"
