"""Identifiers and moments look like Square's."""

from __future__ import annotations

import doctest
import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import ids, times


@given(seed=st.integers(0, 2**32))
@settings(derandomize=True, deadline=None)
def test_customer_ids(seed: int) -> None:
    """26 characters without I, L, O, U, ending like every genuine one (API reference)."""
    customer_id = ids.customer_id(random.Random(seed))

    assert len(customer_id) == 26
    assert set(customer_id) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert customer_id[-1] in "048CGMRW"


def test_merchant_ids() -> None:
    """13 characters of the same alphabet (API reference)."""
    assert len(ids.merchant_id(random.Random(1))) == 13


@pytest.mark.parametrize(
    ("draw", "like"),
    [
        (ids.card_id, r"ccof:[A-Za-z0-9]{16}4GB"),
        (ids.gift_card_id, r"gftc:[0-9a-f]{32}"),
        (ids.gift_card_activity_id, r"gcact_[0-9a-f]{32}"),
        (ids.order_id, r"[A-Za-z0-9]{27}ZY"),
        (ids.line_item_uid, r"[A-Za-z0-9]{22}"),
    ],
)
def test_other_ids(draw: Callable[[random.Random], str], like: str) -> None:
    """As long as those in the API reference's examples and recorded answers."""
    assert re.fullmatch(like, draw(random.Random(1)))


@given(seed=st.integers(0, 2**32))
@settings(derandomize=True, deadline=None)
def test_gift_card_numbers(seed: int) -> None:
    """16 digits, whose last one checks the others as in the API reference's examples (Luhn)."""

    def adds_up(number: str) -> bool:
        doubled = (sum(map(int, str(int(digit) * 2))) for digit in number[-2::-2])
        return (sum(map(int, number[::-2])) + sum(doubled)) % 10 == 0

    number = ids.gift_card_number(random.Random(seed))

    assert adds_up("7783320001001635")
    assert not adds_up("7783320001001636")
    assert (len(number), number[:4], adds_up(number)) == (16, "7783", True)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (1_756_714_530_590, "2025-09-01T08:15:30.59Z"),
        (1_756_714_530_859, "2025-09-01T08:15:30.859Z"),
        (1_756_714_530_017, "2025-09-01T08:15:30.017Z"),
        (1_756_714_530_000, "2025-09-01T08:15:30Z"),
    ],
)
def test_moments_drop_trailing_zeros(moment: int, text: str) -> None:
    """Milliseconds without zeros at their end, as genuine answers show."""
    assert times.timestamp(moment) == text


@given(moment=st.integers(0, 4_000_000_000_000))
@settings(derandomize=True, deadline=None)
def test_moments_are_read_as_written(moment: int) -> None:
    """What is written is read back to the millisecond."""
    assert times.moment(times.timestamp(moment)) == moment


@pytest.mark.parametrize(
    "text",
    ["2025-09-01", "2025-09-01T08:15:30", "2025-02-30T00:00:00Z", "2025-09-01T24:00:01Z", "x", ""],
)
def test_other_texts_are_no_moments(text: str) -> None:
    """A day, a moment without a zone, a day that does not exist are none (RFC 3339)."""
    assert times.moment(text) is None


def test_examples_in_docstrings() -> None:
    """The examples beside the functions are true."""
    assert doctest.testmod(times).failed == 0
