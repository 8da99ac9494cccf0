"""Custom attributes: what a text stands for by the definition, and when two values are the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import attributes
from etl.customers.attributes import Definition
from etl.sandbox.rules import custom_attributes as square

CITIES = Definition("city", "Selection", options={"York, old": "1", "York": "2"}, most=2)


def test_a_label_may_hold_a_separator() -> None:
    """The whole cell is tried first, then semicolons, then commas."""
    assert attributes.judge("York, old", CITIES, "US").value == ["1"]
    assert attributes.judge("york; york, old", CITIES, "US").value == ["2", "1"]
    assert attributes.judge("York,York", CITIES, "US").value == ["2"]
    assert attributes.judge("York,Paris", CITIES, "US").code == "INVALID_VALUE"


def test_labels_that_differ_in_case_only_are_told_apart() -> None:
    """Such a label counts as it is written, and in any other case is none."""
    both = Definition("size", "Selection", options={"s": "1", "S": "2"})
    assert attributes.judge("S", both, "US").value == ["2"]
    assert attributes.judge("s", both, "US").value == ["1"]


@pytest.mark.parametrize(
    ("wanted", "held", "told"),
    [
        (["a", "b"], ["b", "a"], True),
        (True, True, True),
        (True, 1, False),
        ("1", "1", True),
        ("1", "1.0", False),
        ("tea", None, False),
    ],
)
def test_same_values(wanted: object, held: object, told: bool) -> None:
    """Options come in any order; everything else is the same only as it is."""
    assert attributes.same(wanted, held) is told


@given(st.text("0123456789.-+e ", max_size=8) | st.text(max_size=8))
@settings(max_examples=500, derandomize=True, deadline=None)
def test_numbers_and_days_are_judged_as_square_does(text: str) -> None:
    """What the local Square refuses is refused, and nothing it takes."""
    for kind, takes in (("Number", square.is_number), ("Date", square.is_date)):
        judged = attributes.judge(text, Definition("x", kind), "US")
        assert (not judged.code) is takes(text), (kind, text)
