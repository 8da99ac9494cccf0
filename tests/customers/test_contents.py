"""What a value looks like, and a mask nobody is known by."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers.contents import is_phone_of, look, masked


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("ada@example.com", {"email"}),
        ("ada@", set()),
        ("+1 415 555 0148", {"phone", "number"}),
        ("'+14155550148", {"phone", "number"}),
        ("00 44 20 7946 0018", {"phone", "number"}),
        ("(415) 555-0148", {"national"}),
        ("17.4.1986", {"date", "number"}),
        ("4/5/1986", {"date", "ambiguous date"}),
        ("17 April", {"date"}),
        ("Germany", {"country"}),
        ("CA", {"country", "state"}),
        ("Nova Scotia", {"state"}),
        ("no", {"yes/no", "country"}),
        ("EH1 7BH", {"postal code"}),
        ("94103", {"postal code", "number"}),
        ("$1,396.99", {"number"}),
        ("n/a", {"nothing"}),
        ("0/0/00", {"nothing"}),
        ("Ada Byron", set()),
    ],
)
def test_kinds(text: str, kinds: set[str]) -> None:
    """A value is told by its form, whatever its column is called."""
    assert look(text).kinds == kinds


def test_phones_tell_their_country() -> None:
    """A number with its country says which; one without is valid in some and not in others."""
    assert look("+44 20 7946 0018").region == "GB"
    assert is_phone_of("(415) 555-0148", "US")
    assert not is_phone_of("(415) 555-0148", "FR")


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("ada.byron@example.com", "a***@e***.com"),
        ("+1 (415) 555-0148", "+1 415 ***"),
        ("(415) 555-0148", "415 ***"),
        # Of calling codes that do not exist.
        ("+999 5551234567", "999 ***"),
        ("+0 12345678", "012 ***"),
        ("17/04/1986", "99/99/9999"),
        ("166 Quarry Lantern St", "999 Q*** L*** ***"),
        ("Al", "***"),
        ("伟明", "***"),
        ("94103.0", "99999.9"),
    ],
)
def test_masks(text: str, mask: str) -> None:
    """Masks keep the shape."""
    assert masked(text) == mask


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.text(max_size=60))
def test_no_word_and_no_number_survives_its_mask(text: str) -> None:
    """But for a mail domain's end, no two letters and no four digits in a row are kept."""
    shape = masked(text)
    if "@" in shape:
        shape = shape.rpartition(".")[0]
    assert not re.search(r"[^\W\d_]{2}", shape)
    assert not re.search(r"[0-8]{4}", shape)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.emails())
def test_no_address_survives_its_mask(address: str) -> None:
    """The local part is not in the mask, unless it is a single letter."""
    local = address.rpartition("@")[0]
    assert len(local) == 1 or local not in masked(address)
