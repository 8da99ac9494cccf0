"""Formula escapes: every text comes back, and no two texts share a cell."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.files.escape import escape, escape_column, unescape, unescape_column

CELLS = st.one_of(
    st.text(),
    st.builds(
        str.__add__,
        st.sampled_from(["'", "''", "=", "+", "-", "@", "\t", "\r", "\n", "'+", "'="]),
        st.text(alphabet="0123456789'+=\n"),
    ),
)


@pytest.mark.parametrize(
    "text", ["=1+1", "-x", "@x", "\tx", "\rx", "\nx", "'x", "'", "+49 30", "+1-2", "+", "+٣"]
)
def test_formulas_take_an_apostrophe(text: str) -> None:
    """A cell that a spreadsheet might run, or that starts with an apostrophe, is guarded."""
    assert escape(text) == "'" + text


@pytest.mark.parametrize("text", ["", "+14155550123", "x=1", " =1", "415-555-0123", "1986-04-17"])
def test_harmless_cells_stay(text: str) -> None:
    """A plain +digits phone and a text that starts otherwise are written as they are."""
    assert escape(text) == text


@given(CELLS)
@settings(derandomize=True, deadline=None)
def test_unescape_undoes_escape(text: str) -> None:
    """Whatever was escaped comes back unchanged."""
    assert unescape(escape(text)) == text


@given(CELLS, CELLS)
@settings(derandomize=True, deadline=None)
def test_escape_keeps_texts_apart(one: str, other: str) -> None:
    """Two different texts never become the same cell."""
    assert (escape(one) == escape(other)) == (one == other)


@given(CELLS)
@settings(derandomize=True, deadline=None)
def test_an_escaped_cell_runs_nowhere(text: str) -> None:
    """An escaped cell starts with no formula character, unless it is a plain phone."""
    cell = escape(text)

    assert not cell.startswith(("=", "-", "@", "\t", "\r", "\n"))
    assert not cell.startswith("+") or cell[1:].isdecimal()


@given(st.lists(CELLS))
@settings(derandomize=True, deadline=None)
def test_columns_are_unescaped_as_cells_are(cells: list[str]) -> None:
    """A column of cells is unescaped exactly as one cell after the other."""
    column = pa.array(cells, pa.string())

    assert unescape_column(column).to_pylist() == [unescape(cell) for cell in cells]


@given(st.lists(CELLS))
@settings(derandomize=True, deadline=None)
def test_columns_are_escaped_as_cells_are(cells: list[str]) -> None:
    """A column of texts is escaped exactly as one text after the other."""
    column = pa.array(cells, pa.string())

    assert escape_column(column).to_pylist() == [escape(cell) for cell in cells]


def test_null_stays_null() -> None:
    """A missing cell of a column has no escape to lose."""
    assert unescape_column(pa.array([None, "'=1"], pa.string())).to_pylist() == [None, "=1"]
