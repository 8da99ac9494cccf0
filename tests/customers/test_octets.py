"""Kinds of bytes in a column: the answers are those of looking at every cell."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import octets
from etl.customers.octets import Octets

MARKS = octets.kind(b" -'")
cells = st.lists(st.none() | st.text(st.sampled_from("ab -'é\x00\n"), max_size=6), max_size=12)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(texts=cells, start=st.integers(0, 5), nulled=st.booleans())
def test_every_answer_is_that_of_the_cells(
    texts: list[str | None], start: int, nulled: bool
) -> None:
    """Slices and nulls, with or without bytes beneath them, change nothing."""
    column = pa.array(texts, pa.string())
    if nulled:
        column = pc.if_else(pc.equal(column, "a"), None, column)
    column = column.slice(min(start, len(column)))
    held, seen = Octets(column), [cell or "" for cell in column.to_pylist()]

    assert held.lengths.tolist() == [len(cell.encode()) for cell in seen]
    assert held.filled.tolist() == [bool(cell) for cell in seen]
    assert held.beginning(MARKS).tolist() == [cell[:1] in set(" -'") for cell in seen]
    assert held.ending(MARKS).tolist() == [cell[-1:] in set(" -'") for cell in seen]
    assert held.holding(MARKS).tolist() == [bool(set(cell) & set(" -'")) for cell in seen]
    assert held.plain().tolist() == [cell.isascii() and cell.isprintable() for cell in seen]
    assert held.without(MARKS).to_pylist() == [
        cell if cell is None else cell.replace(" ", "").replace("-", "").replace("'", "")
        for cell in column.to_pylist()
    ]
    if not column.null_count:
        assert held.joined().to_pybytes().decode() == "".join(seen)


def test_a_kernel_is_asked_of_the_doubtful_only() -> None:
    """What is not doubtful is no, whatever the kernel would say; null is no too."""
    column = pa.array(["a", "b", None, "a"])
    doubtful = Octets(column).filled
    doubtful[0] = False

    assert octets.refined(column, doubtful, lambda some: pc.equal(some, "a")).to_pylist() == [
        False,
        False,
        False,
        True,
    ]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    flags=st.lists(st.none() | st.booleans(), max_size=40),
    start=st.integers(0, 20),
    kind=st.sampled_from([pa.bool_(), pa.string(), pa.dictionary(pa.int32(), pa.string())]),
)
def test_nulls_and_masks_are_those_of_the_column(
    flags: list[bool | None], start: int, kind: pa.DataType
) -> None:
    """Of any type, and of slices that begin within a byte."""
    mask = pa.array(flags, pa.bool_()).slice(min(start, len(flags)))
    column = mask if kind == pa.bool_() else mask.cast(pa.string()).cast(kind)

    assert octets.present(column).tolist() == column.is_valid().to_pylist()
    assert octets.flags(mask).tolist() == mask.fill_null(False).to_pylist()
    assert octets.present(pa.nulls(len(flags))).tolist() == [False] * len(flags)


def test_a_kernel_is_asked_once_of_several_columns() -> None:
    """Each gets its own answers, whichever of them have anything doubtful."""
    columns = [pa.array(texts) for texts in (["a", "b"], ["b", "b"], ["b", "a"])]
    doubtful = [np.array([True, True]), np.array([False, False]), np.array([False, True])]
    asked = []

    def is_a(some: pa.Array) -> pa.Array:
        asked.append(some.to_pylist())
        return pc.equal(some, "a")

    answers = octets.refined_together(columns, doubtful, is_a)

    assert [answer.to_pylist() for answer in answers] == [
        [True, False],
        [False, False],
        [False, True],
    ]
    assert asked == [["a", "b", "a"]]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(data=st.data(), texts=cells, start=st.integers(0, 5), nulled=st.booleans())
def test_cells_are_replaced(
    data: st.DataObject, texts: list[str | None], start: int, nulled: bool
) -> None:
    """Any cells, by others of any length or by nothing; the rest stays, null or not."""
    column = pa.array(texts, pa.string())
    if nulled:
        column = pc.if_else(pc.equal(column, "a"), None, column)
    column = column.slice(min(start, len(column)))
    expected = column.to_pylist()
    rows = sorted(data.draw(st.sets(st.integers(0, len(column) - 1)))) if len(column) else []
    new = [data.draw(st.none() | st.text(max_size=9)) for _ in rows]
    for row, text in zip(rows, new, strict=True):
        expected[row] = text

    replaced = Octets(column).replaced(np.array(rows, "<i8"), new)

    replaced.validate(full=True)
    assert replaced.to_pylist() == expected


@settings(derandomize=True, deadline=None)
@given(st.lists(st.booleans() | st.none(), max_size=40), st.integers(0, 9))
def test_masks_are_flags(said: list[bool | None], start: int) -> None:
    """There and back, from any place on; null counts as no."""
    column = pa.array(said, pa.bool_()).slice(min(start, len(said)))
    found = octets.flags(column)
    assert found.tolist() == [bool(each) for each in column.to_pylist()]
    assert octets.mask(found).to_pylist() == found.tolist()


def test_a_text_that_some_cell_may_hold() -> None:
    """No is certain; yes may be said of two cells together, or of a null one."""
    column = pa.array(["a::", ":b", None, "c"])
    assert Octets(column).may_hold(b":::")
    assert not Octets(column.slice(1)).may_hold(b":::")
    assert not Octets(column).may_hold(b"\0")
    assert not Octets(pa.array([], pa.string())).may_hold(b"\0")
