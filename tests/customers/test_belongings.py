"""Groups and custom attributes: cells become names and values, whatever is written between them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import belongings
from tests.customers import messy


def names(cells: list[str | None], separator: str = ",") -> list[list[str] | None]:
    """Return the names of groups that cells hold."""
    found, _ = belongings.names(pa.array(cells, pa.string()), separator, "reject")
    return found.to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("cell", "separator", "told"),
    [
        ("VIP, Spring ,", ",", ["VIP", "Spring"]),
        ("VIP,VIP,vip", ",", ["VIP", "vip"]),
        ('"VIP","Spring, summer"', ",", ["VIP", "Spring, summer"]),
        ("* myContacts ::: Friends", ":::", ["* myContacts", "Friends"]),
        ('"a" ::: b', ":::", ["a", "b"]),
        ("a;b", ",", ["a;b"]),
        ("n/a", ",", None),
        ("", ",", None),
        (None, ",", None),
    ],
)
def test_a_cell_holds_names(cell: str | None, separator: str, told: list[str] | None) -> None:
    """Names are trimmed, each comes once, and quotes keep a separator inside a name."""
    assert names([cell, "other", cell], separator) == [told, ["other"], told]


def test_problems_of_names_are_those_of_their_row() -> None:
    """What is found in a name is told of the row it stands in."""
    cells = pa.array(["a,b", "", "c,d\x01"])
    _, (found,) = belongings.names(cells, ",", "reject")
    assert [(p["row"], p["effect"], p["code"], p["field"]) for p in found.to_pylist()] == [
        (2, "reject", "INVALID_VALUE", "groups")
    ]
    kept, (found,) = belongings.names(cells, ",", "drop")
    assert kept.to_pylist() == [["a", "b"], None, ["c"]]
    assert found.column("effect").to_pylist() == ["drop"]


@given(st.lists(messy.cells(), max_size=5), st.sampled_from([",", ";", ":::"]))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_names_do_not_depend_on_their_neighbours(cells: list[str | None], separator: str) -> None:
    """A cell gives the same names alone as in a column, none empty and none twice."""
    together = names(cells, separator)
    assert together == [names([cell], separator)[0] for cell in cells]
    for found in together:
        assert found is None or (found and len(set(found)) == len(found) and all(found))


def test_values_are_cleaned_as_text_is() -> None:
    """Blanks and words for nothing go; lines stay; more than Square takes is too long."""
    cells = pa.array([" tea ", "n/a", "x" * 1000, "x" * 1001, "a\nb"])
    column, found = belongings.values(cells, "drink", "reject")
    assert column.to_pylist() == ["tea", None, "x" * 1000, "x" * 1001, "a\nb"]
    told = [(p["row"], p["code"], p["field"]) for table in found for p in table.to_pylist()]
    assert (3, "VALUE_TOO_LONG", "custom_attributes.drink") in told
    assert {row for row, *_ in told} == {0, 1, 3}
    column, _ = belongings.values(cells, "drink", "drop")
    assert column.to_pylist()[2:4] == ["x" * 1000, None]


@pytest.mark.parametrize("key", ["favorite-drink", "a.b_c", "square:7d2c", "sq0idp-x:size", "9"])
def test_keys_as_square_has_them(key: str) -> None:
    """An application's own keys, other applications' and the seller's."""
    assert belongings.KEY.fullmatch(key)


@pytest.mark.parametrize("key", ["", "shoe size", "x" * 61, "a:b:c", "a:", "größe"])
def test_no_keys(key: str) -> None:
    """What does not fit Square's pattern is no key."""
    assert not belongings.KEY.fullmatch(key)


def cards(*cells: str | None) -> tuple[list[str | None], list[dict[str, object]]]:
    """Return the numbers of gift cards that cells hold, and what was found."""
    cleaned, (found,) = belongings.card_numbers(pa.array(cells, pa.string()), "reject")
    return cleaned.to_pylist(), found.to_pylist()


@settings(derandomize=True, deadline=None)
@given(
    st.from_regex(r"[1-9][0-9A-Z]{2,14}(?<![JFMASOND])[0-9]{4}[1-9]", fullmatch=True),
    st.lists(st.tuples(st.integers(1, 7), st.sampled_from(["-", " ", "\u2013", " - "]))),
)
def test_the_number_of_a_gift_card_is_its_letters_and_digits(
    gan: str, gaps: list[tuple[int, str]]
) -> None:
    """However it is grouped on the card it is one number, and cleaning it again changes nothing."""
    written = gan
    for at, gap in gaps:
        written = written[:at] + gap + written[at:]
    assert cards(f" {written} ")[0] == [gan]
    assert cards(gan) == ([gan], [])


@settings(derandomize=True, deadline=None)
@given(st.text("0123456789.,E+-' \u200b\x07", min_size=8))
def test_nothing_said_of_a_gift_card_quotes_its_number(written: str) -> None:
    """What is wrong with a number, or was mended, is told without it."""
    for one in cards(written)[1]:
        told = f"{one['message']} {one['suggestion']}"
        assert sum(map(str.isdigit, told)) <= len("8255")
        assert one["suggestion"] or one["effect"] != "reject"
