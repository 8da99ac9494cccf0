"""Searching customers by the values of their custom attributes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.attributes import (
    chosen,
    defined,
    many,
    path,
    put,
    selection,
)
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    REFERENCE,
    SEARCH,
    TYPES,
    Check,
    Facts,
    after,
    told,
)

fact = Facts()

FILTERS = f"{REFERENCE}: CustomerCustomAttributeFilterValue"


def found(square: Square, *filters: dict[str, Any]) -> str:
    """Search by custom attributes; return the names found."""
    return "".join(square.found(filter={"custom_attribute": {"filters": list(filters)}}))


def with_values(square: Square, kind: str | dict[str, Any], values: dict[str, object]) -> None:
    """Define the attribute and give each of these customers its value."""
    defined(square, kind)
    for name, value in values.items():
        put(square, square.create(given_name=name), value)
    square.create(given_name="Z")


@fact(
    FILTERS,
    rows=[
        ({"exact": "The quick brown fox"}, "A"),
        ({"exact": "the QUICK brown fox"}, "A"),
        ({"exact": "quick brown"}, ""),
        ({"fuzzy": "quick brown"}, "A"),
        ({"fuzzy": "brown quick"}, "A"),
        ({"fuzzy": "quick"}, "AB"),
        ({"fuzzy": "quick foxes"}, ""),
        ({"fuzzy": "qui"}, ""),
    ],
)
def texts_are_found_by_whole_words(square: Square, asked: dict[str, str], names: str) -> None:
    """quick brown matches, qui does not; case does not matter."""
    with_values(square, "String", {"A": "The quick brown fox", "B": "Quick, a dog!"})
    assert found(square, {"key": "drink", "filter": {"text": asked}}) == names


@fact(
    FILTERS,
    rows=[
        ({"exact": "STEVEN.JONES@example.com"}, "A"),
        ({"fuzzy": "steven"}, "AB"),
        ({"fuzzy": "Steven jones"}, "A"),
        ({"exact": "steven"}, ""),
    ],
)
def emails_are_found_as_those_of_profiles(
    square: Square, asked: dict[str, str], names: str
) -> None:
    """Exact or fuzzy, without case."""
    emails = {"A": "Steven.Jones@example.com", "B": "mail@stevensbakery.example.com"}
    with_values(square, "Email", dict(emails))
    assert found(square, {"key": "drink", "filter": {"email": asked}}) == names


@fact(
    FILTERS,
    rows=[
        ({"exact": "+14151234567"}, "A"),
        ({"fuzzy": "415 123 45"}, "AB"),
        ({"fuzzy": "415"}, "ABC"),
        ({"exact": "4151234567"}, ""),
    ],
)
def phones_are_found_as_those_of_profiles(
    square: Square, asked: dict[str, str], names: str
) -> None:
    """The numbers of the documentation's example."""
    numbers = {"A": "+14151234567", "B": "+12345674158", "C": "+1234156780"}
    with_values(square, "PhoneNumber", dict(numbers))
    assert found(square, {"key": "drink", "filter": {"phone": asked}}) == names


@fact(
    FILTERS,
    rows=[
        ({"any": ["Tea"]}, "AC"),
        ({"any": ["Tea", "Coffee"]}, "ABC"),
        ({"all": ["Tea", "Coffee"]}, "C"),
        ({"any": ["Coffee"], "all": ["Tea"]}, "C"),
        ({"any": ["tea"]}, ""),
    ],
)
def selections_are_found_by_their_names(
    square: Square, asked: dict[str, list[str]], names: str
) -> None:
    """Display names, case-sensitive; any, all or both."""
    tea, coffee = chosen(square, "Tea", "Coffee", most=2)
    for name, value in (("A", [tea]), ("B", [coffee]), ("C", [coffee, tea])):
        put(square, square.create(given_name=name), value)
    assert found(square, {"key": "drink", "filter": {"selection": asked}}) == names


@fact(
    FILTERS,
    rows=[
        ({"start_at": "2001-04-20"}, "BC"),
        ({"end_at": "2001-04-20"}, "AB"),
        ({"start_at": "2001-04-20", "end_at": "2001-04-20"}, "B"),
        ({"start_at": "2001-04-20T00:00:00Z", "end_at": "2001-04-21T00:00:00Z"}, "BC"),
    ],
)
def dates_lie_in_a_range(square: Square, asked: dict[str, str], names: str) -> None:
    """Bounds are inclusive, dates or RFC 3339."""
    with_values(square, "Date", {"A": "2001-04-19", "B": "2001-04-20", "C": "2001-04-21"})
    assert found(square, {"key": "drink", "filter": {"date": asked}}) == names


@fact(
    FILTERS,
    rows=[
        ({"start_at": "38"}, "BC"),
        ({"end_at": "38.5"}, "AB"),
        ({"start_at": "38.5", "end_at": "38.5"}, "B"),
        ({"start_at": "-92233720368547", "end_at": "92233720368547"}, "ABC"),
        ({"start_at": "9"}, "BC"),
    ],
)
def numbers_lie_in_a_range(square: Square, asked: dict[str, str], names: str) -> None:
    """Bounds are inclusive; compared as numbers, not as texts."""
    with_values(square, "Number", {"A": "-3", "B": "38.5", "C": "100"})
    assert found(square, {"key": "drink", "filter": {"number": asked}}) == names


@fact(FILTERS, rows=[("92233720368548",), ("-92233720368548",), ("x",)])
def a_number_has_bounds_itself(square: Square, bound: str) -> None:
    """The absolute value of a boundary must not exceed 92233720368547."""
    with_values(square, "Number", {"A": "1"})
    asked = {"key": "drink", "filter": {"number": {"start_at": bound}}}
    body = {"query": {"filter": {"custom_attribute": {"filters": [asked]}}}}
    assert told(square, "POST", SEARCH, body)[0] == 400


@fact(FILTERS, rows=[(True, "A"), (False, "B")])
def booleans_are_found(square: Square, asked: bool, names: str) -> None:
    """True or false."""
    with_values(square, "Boolean", {"A": True, "B": False})
    assert found(square, {"key": "drink", "filter": {"boolean": asked}}) == names


@fact(
    FILTERS,
    rows=[
        ({"country": "GB"}, "AB"),
        ({"postal_code": {"exact": "LS1 4AP"}}, "A"),
        ({"country": "GB", "postal_code": {"exact": "YO1 7HH"}}, "B"),
        ({"country": "US", "postal_code": {"exact": "LS1 4AP"}}, ""),
    ],
)
def addresses_are_found(square: Square, asked: dict[str, Any], names: str) -> None:
    """By postal code, country, or both."""
    addresses = {
        "A": {"postal_code": "LS1 4AP", "country": "GB"},
        "B": {"postal_code": "YO1 7HH", "country": "GB"},
        "C": {"locality": "Leeds"},
    }
    with_values(square, "Address", dict(addresses))
    assert found(square, {"key": "drink", "filter": {"address": asked}}) == names


@fact(f"{REFERENCE}: CustomerCustomAttributeFilter, updated_at")
def values_are_found_by_when_they_changed(square: Square) -> None:
    """Bounds are inclusive; with or without a value's filter."""
    defined(square)
    a, b = square.create(given_name="A"), square.create(given_name="B")
    put(square, a, "Tea")
    after(square, 3600)
    put(square, b, "Tea")
    late = {"key": "drink", "updated_at": {"start_at": "2025-09-01T09:00:00Z"}}
    early = {"key": "drink", "updated_at": {"end_at": "2025-09-01T09:00:00Z"}}
    assert (found(square, late), found(square, early)) == ("B", "A")
    assert found(square, late | {"filter": {"text": {"exact": "Coffee"}}}) == ""


@fact(f"{REFERENCE}: CustomerCustomAttributeFilters")
def attribute_filters_are_combined_as_and(square: Square) -> None:
    """One per key; with the other filters too."""
    defined(square)
    defined(square, "Boolean", key="vip", name="VIP")
    for name, drink, is_vip in (("A", "Tea", True), ("B", "Tea", False), ("C", "Coffee", True)):
        customer = square.create(given_name=name, reference_id=f"r-{name}")
        put(square, customer, drink)
        put(square, customer, is_vip, "vip")
    tea: dict[str, Any] = {"key": "drink", "filter": {"text": {"exact": "Tea"}}}
    vip: dict[str, Any] = {"key": "vip", "filter": {"boolean": True}}
    assert found(square, tea, vip) == "A"
    both = {"custom_attribute": {"filters": [tea]}, "reference_id": {"exact": "r-B"}}
    assert square.found(filter=both) == ["B"]


@fact(
    f"{REFERENCE}: CustomerCustomAttributeFilters",
    rows=[
        ([],),
        ([{"key": "drink"}],),
        ([{"filter": {"text": {"exact": "Tea"}}}],),
        ([{"key": f"k-{i}", "filter": {"text": {"exact": "Tea"}}} for i in range(11)],),
        ([{"key": "drink", "filter": {"text": {"exact": "Tea", "fuzzy": "Tea"}}}],),
        ([{"key": "drink", "filter": {"selection": {"none": ["Tea"]}}}],),
    ],
)
def other_attribute_filters_are_refused(square: Square, filters: list[Any]) -> None:
    """1 to 10, each with a key and a filter or a range; a selection has no none."""
    kind: str | dict[str, Any] = selection("Tea") if "selection" in str(filters) else "String"
    defined(square, kind)
    for i in range(11):
        defined(square, key=f"k-{i}", name=f"K {i}")
    body = {"query": {"filter": {"custom_attribute": {"filters": filters}}}}
    assert told(square, "POST", SEARCH, body)[0] == 400


@fact(f"{REFERENCE}: CustomerCustomAttributeFilters")
def ten_attribute_filters_are_good(square: Square) -> None:
    """The maximum is allowed."""
    many(square, 10)
    customer = square.create(given_name="A")
    for i in range(10):
        put(square, customer, "x", f"k-{i}")
    filters = [{"key": f"k-{i}", "filter": {"text": {"exact": "x"}}} for i in range(10)]
    assert found(square, *filters) == "A"


@fact(f"{REFERENCE}: SearchCustomers, custom_attribute")
def a_search_by_attributes_finds_plain_customers(square: Square) -> None:
    """Results are without attributes."""
    defined(square)
    customer = square.create(given_name="A")
    put(square, customer, "Tea")
    asked = {"key": "drink", "filter": {"text": {"exact": "Tea"}}}
    body = {"query": {"filter": {"custom_attribute": {"filters": [asked]}}}}
    assert square.ok("POST", SEARCH, body) == {"customers": [customer]}


# What no source says


@fact(CHOICE, choice="custom attributes, lag", lag=30.0)
def only_the_search_by_values_lags(square: Square) -> None:
    """A value is read at once."""
    defined(square)
    customer = square.create(given_name="A")
    after(square, 31)
    value = put(square, customer, "Tea")
    assert square.ok("GET", path(customer))["custom_attribute"] == value
    asked = {"key": "drink", "filter": {"text": {"exact": "Tea"}}}
    assert found(square, asked) == ""
    after(square, 31)
    assert found(square, asked) == "A"


@fact(TYPES, choice="Number `-.`")
def the_pattern_of_numbers_has_a_sign_and_a_point(square: Square) -> None:
    """`-.` fits the published pattern; it is sought as 0."""
    defined(square, "Number")
    put(square, square.create(given_name="A"), "-.")
    asked = {"start_at": "0", "end_at": "0"}
    assert found(square, {"key": "drink", "filter": {"number": asked}}) == "A"


def sought(square: Square, *filters: dict[str, Any]) -> tuple[int, str]:
    """Search by custom attributes that must be refused; return the status and first code."""
    body = {"query": {"filter": {"custom_attribute": {"filters": list(filters)}}}}
    return told(square, "POST", SEARCH, body)


@fact(CHOICE, choice="filter by custom attribute, key that is not visible")
def a_filter_needs_a_definition(square: Square) -> None:
    """BAD_REQUEST for a key that the application cannot see."""
    asked = {"key": "nothing", "filter": {"text": {"exact": "Tea"}}}
    assert sought(square, asked) == (400, "BAD_REQUEST")


@fact(CHOICE, choice="filter by custom attribute, of another type")
def a_filter_is_of_the_attributes_type(square: Square) -> None:
    """BAD_REQUEST for another, and for two filters of one key."""
    defined(square)
    assert sought(square, {"key": "drink", "filter": {"boolean": True}}) == (400, "BAD_REQUEST")
    tea = {"key": "drink", "filter": {"text": {"exact": "Tea"}}}
    assert sought(square, tea, tea) == (400, "BAD_REQUEST")


@fact(
    CHOICE,
    choice="filter by text, words",
    rows=[("größe", "A"), ("XL_2", "A"), ("xl", ""), ("größe XL_2", "A"), ("GRÖSSE", "")],
)
def words_have_letters_digits_and_underscores(square: Square, asked: str, names: str) -> None:
    """Of any script, in a row."""
    with_values(square, "String", {"A": "Größe: XL_2"})
    assert found(square, {"key": "drink", "filter": {"text": {"fuzzy": asked}}}) == names


@fact(CHOICE, choice="filter by selection, names that are no options")
def a_name_that_is_no_option_finds_nothing(square: Square) -> None:
    """Which is no error."""
    (tea,) = chosen(square, "Tea", most=1)
    put(square, square.create(given_name="A"), [tea])
    for asked in ({"any": ["Milk"]}, {"all": ["Tea", "Milk"]}):
        assert found(square, {"key": "drink", "filter": {"selection": asked}}) == ""


@fact(CHOICE, choice="filter by date, a moment as a bound")
def a_moment_is_the_day_it_names(square: Square) -> None:
    """In its own zone, whatever the time."""
    with_values(square, "Date", {"A": "2001-04-20"})
    for bound in ("2001-04-20T23:59:59+12:00", "2001-04-20T00:00:00-12:00"):
        asked = {"start_at": bound, "end_at": bound}
        assert found(square, {"key": "drink", "filter": {"date": asked}}) == "A"


@fact(CHOICE, choice="filter by number, bounds", rows=[(38,), (38.5,), ("1.123456",), ("",)])
def bounds_of_numbers_are_texts(square: Square, bound: object) -> None:
    """Of at most five decimals, as values are."""
    with_values(square, "Number", {"A": "38"})
    assert sought(square, {"key": "drink", "filter": {"number": {"start_at": bound}}})[0] == 400


@fact(
    CHOICE,
    choice="filter by address, postal code",
    rows=[("ls1 4ap", "A"), ("LS1", ""), ("LS14AP", "")],
)
def a_postal_code_is_compared_whole(square: Square, asked: str, names: str) -> None:
    """Without case."""
    with_values(square, "Address", {"A": {"postal_code": "LS1 4AP"}})
    postal_code = {"postal_code": {"exact": asked}}
    assert found(square, {"key": "drink", "filter": {"address": postal_code}}) == names


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_custom_attribute_search(opened: Opened, check: Check) -> None:
    """Searches by attributes are as the documents say."""
    check.hold(opened)
