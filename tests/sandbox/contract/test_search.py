"""Search: every filter, both sorts, limits. Pages and cursors are among the basics."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    GROUPS,
    NOTES,
    OLD_CLIENT,
    OVERVIEW,
    REFERENCE,
    SEARCH,
    TAP,
    Check,
    Facts,
    after,
    instant_profile,
    merged,
    path_of,
)

fact = Facts()

SEARCHING = f"{REFERENCE}: SearchCustomers"
TEXTS = f"{REFERENCE}: CustomerTextFilter"
SOURCES = (
    *("OTHER", "APPOINTMENTS", "COUPON", "DELETION_RECOVERY", "DIRECTORY", "EGIFTING"),
    *("EMAIL_COLLECTION", "FEEDBACK", "IMPORT", "INVOICES", "LOYALTY", "MARKETING", "MERGE"),
    *("ONLINE_STORE", "INSTANT_PROFILE", "TERMINAL", "THIRD_PARTY", "THIRD_PARTY_IMPORT"),
    "UNMERGE_RECOVERY",
)


def refused(square: Square, **filters: Any) -> tuple[int, list[tuple[str, str]]]:
    """Search with filters that must be refused; return how."""
    return square.refused("POST", SEARCH, {"query": {"filter": filters}})


# No filter


@fact(OLD_CLIENT, rows=[({},), ({"query": {}},), ({"query": {"filter": {}}},), ({"query": None},)])
def without_a_filter_everyone_is_found(square: Square, body: dict[str, Any]) -> None:
    """All customers come back, ordered alphabetically by given and family name."""
    for name in "BCA":
        square.create(given_name=name)
    answer = square.ok("POST", SEARCH, body)
    assert "".join(customer["given_name"] for customer in answer["customers"]) == "ABC"


@fact(f"{SEARCHING}, filters are combined as AND")
def filters_are_combined_as_and(square: Square) -> None:
    """Every filter has to match."""
    square.create(given_name="A", email_address="a@example.com", reference_id="r-1")
    square.create(given_name="B", email_address="b@example.com", reference_id="r-1")
    both = {"email_address": {"exact": "a@example.com"}, "reference_id": {"exact": "r-1"}}
    neither = {"email_address": {"exact": "a@example.com"}, "reference_id": {"exact": "r-2"}}
    assert square.found(filter=both) == ["A"]
    assert square.found(filter=neither) == []


@fact(
    f"{OVERVIEW}, Searching the Customer Directory",
    rows=[("given_name",), ("family_name",), ("location_ids",), ("employee",), ("note",)],
)
def there_is_no_search_by_name_or_place(square: Square, name: str) -> None:
    """SearchCustomers doesn't support it: the filter is a field not recognised."""
    told = refused(square, **{name: {"exact": "x"}})
    assert told == (400, [("BAD_REQUEST", f"query.filter.{name}")])


# Emails


@fact(
    f"{TEXTS}, email_address",
    rows=[("steven.johnson@gmail.example.com",), ("STEVEN.JOHNSON@GMAIL.EXAMPLE.COM",)],
)
def an_exact_email_ignores_case(square: Square, asked: str) -> None:
    """Equal but for the case of its letters."""
    square.create(given_name="S", email_address="Steven.Johnson@gmail.example.com")
    square.create(given_name="T", email_address="steven.johnson@gmail.example.org")
    assert square.found(filter={"email_address": {"exact": asked}}) == ["S"]


@fact(f"{TEXTS}, email_address", rows=[("steven",), ("johnson@gmail.example.com",), ("gmail",)])
def an_exact_email_is_all_of_it(square: Square, asked: str) -> None:
    """A part does not match."""
    square.create(given_name="S", email_address="steven.johnson@gmail.example.com")
    assert square.found(filter={"email_address": {"exact": asked}}) == []


@fact(f"{TEXTS}, email_address", choice="punctuation in fuzzy emails")
def a_fuzzy_email_holds_every_word(square: Square) -> None:
    """Steven gmail finds both, in any order, inside longer words too."""
    square.create(given_name="A", email_address="steven.johnson@gmail.example.com")
    square.create(given_name="B", email_address="mygmail@stevensbakery.example.com")
    square.create(given_name="C", email_address="steven@example.com")
    assert square.found(filter={"email_address": {"fuzzy": "Steven gmail"}}) == ["A", "B"]
    assert square.found(filter={"email_address": {"fuzzy": "GMAIL steven"}}) == ["A", "B"]


@fact(
    f"{TEXTS}, email_address",
    choice="punctuation in fuzzy emails",
    rows=[("steven.johnson",), ("steven_johnson",), ("stevenjohnson",), ("johnson@gmail",)],
)
def a_fuzzy_email_does_not_see_punctuation(square: Square, asked: str) -> None:
    """Points, underscores and the at sign are removed on both sides."""
    square.create(given_name="A", email_address="steven.johnson@gmail.example.com")
    assert square.found(filter={"email_address": {"fuzzy": asked}}) == ["A"]


@fact(CHOICE, choice="punctuation in fuzzy emails", rows=[("steven-johnson", []), ("st-j", ["A"])])
def other_signs_in_fuzzy_emails_stay(square: Square, asked: str, found: list[str]) -> None:
    """A hyphen is compared as it is."""
    square.create(given_name="A", email_address="st-j.steven.johnson@example.com")
    assert square.found(filter={"email_address": {"fuzzy": asked}}) == found


# Phones


def with_phones(square: Square) -> None:
    """Make the three profiles of the documentation's examples."""
    square.create(given_name="A", phone_number="+1-212-415-1234")
    square.create(given_name="B", phone_number="+1 (551) 234-1567")
    square.create(given_name="C", phone_number="+1-212-415-1200")


@fact(
    f"{TEXTS}, phone_number",
    rows=[("+12124151234",), ("+1 212 415 1234",), ("+1-(212)-415-1234",)],
)
def an_exact_phone_is_compared_as_e164(square: Square, asked: str) -> None:
    """The query has a plus and may have punctuation."""
    with_phones(square)
    assert square.found(filter={"phone_number": {"exact": asked}}) == ["A"]


@fact(f"{TEXTS}, phone_number", rows=[("2124151234",), ("(212) 415-1234",), ("1-212-415-1234",)])
def a_national_phone_is_found_by_its_e164_form(square: Square, typed: str) -> None:
    """Stored numbers are converted to E.164 in the seller's country and compared."""
    square.create(given_name="A", phone_number=typed)
    assert square.found(filter={"phone_number": {"exact": "+12124151234"}}) == ["A"]


@fact(CHOICE, choice="exact phone without +", rows=[("2124151234",), ("12124151234",)])
def an_exact_phone_without_plus_finds_nothing(square: Square, asked: str) -> None:
    """Which is no error."""
    with_phones(square)
    assert square.found(filter={"phone_number": {"exact": asked}}) == []


@fact(
    f"{TEXTS}, phone_number",
    choice="fuzzy phones",
    rows=[("415", ["A", "B", "C"]), ("415 123", ["A", "B"]), ("123 415", ["A", "B"]), ("999", [])],
)
def a_fuzzy_phone_holds_every_token(square: Square, asked: str, found: list[str]) -> None:
    """415 123 finds +1-212-415-1234 and +1 (551) 234-1567 but not +1-212-415-1200.

    The digits of the second, 15512341567, hold both.
    """
    with_phones(square)
    assert square.found(filter={"phone_number": {"fuzzy": asked}}) == found


@fact(
    f"{TEXTS}, phone_number", choice="fuzzy phones", rows=[("212-415",), ("(212)415",), ("+1212",)]
)
def a_fuzzy_phone_does_not_see_punctuation(square: Square, asked: str) -> None:
    """A token is its digits."""
    with_phones(square)
    assert square.found(filter={"phone_number": {"fuzzy": asked}}) == ["A", "C"]


# References


@fact(f"{TEXTS}, reference_id", rows=[("NYC_27_Murray",), ("nyc_27_murray",)])
def an_exact_reference_ignores_case(square: Square, asked: str) -> None:
    """Character by character, but for the case."""
    square.create(given_name="A", reference_id="NYC_27_MURRAY")
    assert square.found(filter={"reference_id": {"exact": asked}}) == ["A"]


@fact(f"{TEXTS}, reference_id", rows=[("NYC 27 MURRAY",), ("NYC_27",), ("NYC-27-MURRAY",)])
def an_exact_reference_is_all_of_it(square: Square, asked: str) -> None:
    """Signs are compared as they are."""
    square.create(given_name="A", reference_id="NYC_27_MURRAY")
    assert square.found(filter={"reference_id": {"exact": asked}}) == []


@fact(f"{TEXTS}, reference_id", choice="fuzzy references")
def a_fuzzy_reference_holds_every_token(square: Square) -> None:
    """NYC M finds NYC_M_35_JOHNSON and NYC_27_MURRAY."""
    square.create(given_name="A", reference_id="NYC_M_35_JOHNSON")
    square.create(given_name="B", reference_id="NYC_27_MURRAY")
    square.create(given_name="C", reference_id="NYC_27_O'HARA")
    assert square.found(filter={"reference_id": {"fuzzy": "NYC M"}}) == ["A", "B"]
    assert square.found(filter={"reference_id": {"fuzzy": "nyc-m"}}) == ["A", "B"]


@fact(CHOICE, choice="fuzzy references", rows=[("nyc27", []), ("NYC_27", ["A"]), ("27_nyc", ["A"])])
def signs_in_references_are_blanks(square: Square, asked: str, found: list[str]) -> None:
    """So a token does not reach across one."""
    square.create(given_name="A", reference_id="NYC_27")
    assert square.found(filter={"reference_id": {"fuzzy": asked}}) == found


@fact(
    f"{TEXTS}, exact and fuzzy",
    rows=[("email_address",), ("phone_number",), ("reference_id",)],
)
def exact_and_fuzzy_exclude_each_other(square: Square, name: str) -> None:
    """One filter has one of them, never both."""
    told = refused(square, **{name: {"exact": "+12124151234", "fuzzy": "1"}})
    assert (told[0], told[1][0][0]) == (400, "BAD_REQUEST")


@fact(
    CHOICE,
    choice="empty text or list in a filter",
    rows=[
        ("email_address", {"exact": ""}, "VALUE_EMPTY"),
        ("email_address", {"fuzzy": " "}, "VALUE_EMPTY"),
        ("phone_number", {}, "VALUE_EMPTY"),
        ("reference_id", {"fuzzy": "--"}, "VALUE_EMPTY"),
        ("group_ids", {"any": []}, "ARRAY_EMPTY"),
        ("creation_source", {"values": []}, "ARRAY_EMPTY"),
    ],
)
def an_empty_filter_is_refused(square: Square, name: str, asked: object, code: str) -> None:
    """It says nothing about which profiles are wanted."""
    told = refused(square, **{name: asked})
    assert (told[0], [problem for problem, _ in told[1]]) == (400, [code])


# Groups


def with_groups(square: Square) -> tuple[str, str]:
    """Make A in one group, B in two, C in the other, D in none; return the ids of both groups."""
    one, two = (
        square.ok("POST", GROUPS, {"group": {"name": name}})["group"]["id"] for name in ("1", "2")
    )
    for name, group_ids in (("A", [one]), ("B", [one, two]), ("C", [two]), ("D", [])):
        path = path_of(square.create(given_name=name))
        for group_id in group_ids:
            square.ok("PUT", f"{path}/groups/{group_id}")
    return one, two


@fact(
    f"{REFERENCE}: FilterValue",
    rows=[
        ({"any": [0]}, "AB"),
        ({"any": [0, 1]}, "ABC"),
        ({"all": [0]}, "AB"),
        ({"all": [0, 1]}, "B"),
        ({"none": [0]}, "CD"),
        ({"none": [0, 1]}, "D"),
        ({"any": [0], "none": [1]}, "A"),
        ({"all": [0], "any": [1]}, "B"),
        ({"all": [0], "none": [0]}, ""),
    ],
)
def groups_are_any_all_or_none(square: Square, rules: dict[str, list[int]], found: str) -> None:
    """The three rules can be combined."""
    groups = with_groups(square)
    asked = {rule: [groups[number] for number in numbers] for rule, numbers in rules.items()}
    assert "".join(square.found(filter={"group_ids": asked})) == found


@fact(f"{SEARCHING}, group_ids", rows=[("any",), ("all",)])
def an_unknown_group_yields_nothing(square: Square, rule: str) -> None:
    """It is no error."""
    with_groups(square)
    body = {"query": {"filter": {"group_ids": {rule: ["NOBODY"]}}}}
    assert square.ok("POST", SEARCH, body) == {}


@fact(f"{SEARCHING}, group_ids")
def everyone_is_outside_an_unknown_group(square: Square) -> None:
    """None of its members is everyone."""
    with_groups(square)
    assert "".join(square.found(filter={"group_ids": {"none": ["NOBODY"]}})) == "ABCD"


# Creation sources


@fact(f"{REFERENCE}: CustomerCreationSource")
def all_19_creation_sources_can_be_asked_for(square: Square) -> None:
    """Each value of the enum is understood."""
    square.create(given_name="A")
    for source in SOURCES:
        found = square.found(filter={"creation_source": {"values": [source]}})
        assert found == (["A"] if source == "THIRD_PARTY" else [])
    assert len(set(SOURCES)) == 19


@fact(
    f"{REFERENCE}: CustomerCreationSourceFilter",
    rows=[
        ({"values": ["MERGE"]}, "M"),
        ({"values": ["MERGE"], "rule": "INCLUDE"}, "M"),
        ({"values": ["MERGE"], "rule": "EXCLUDE"}, "A"),
        ({"values": ["THIRD_PARTY"], "rule": "EXCLUDE"}, "M"),
        ({"values": ["THIRD_PARTY", "MERGE"]}, "AM"),
        ({"values": ["THIRD_PARTY", "MERGE"], "rule": "EXCLUDE"}, ""),
    ],
)
def creation_sources_are_included_or_excluded(
    square: Square, asked: dict[str, Any], found: str
) -> None:
    """The default rule is INCLUDE."""
    square.create(given_name="A")
    merged(square, square.create(given_name="M"), square.create(given_name="M"))
    assert "".join(square.found(filter={"creation_source": asked})) == found


@fact(
    f"{REFERENCE}: CustomerCreationSourceFilter",
    rows=[
        ({"values": ["MERGED"]},),
        ({"values": ["API"]},),
        ({"values": ["MERGE"], "rule": "NOT"},),
    ],
)
def creation_sources_are_an_enumeration(square: Square, asked: dict[str, Any]) -> None:
    """MERGED, as an older page says, is none of its values."""
    told = refused(square, creation_source=asked)
    assert (told[0], told[1][0][0]) == (400, "INVALID_ENUM_VALUE")


@fact(f"{OVERVIEW}, Accessing instant profiles that have no public information")
def instant_profiles_are_not_found_by_their_source(square: Square) -> None:
    """Even if the filter is set to INSTANT_PROFILE, none without public data is returned."""
    instant_profile(square)
    body = {"query": {"filter": {"creation_source": {"values": ["INSTANT_PROFILE"]}}}}
    assert square.ok("POST", SEARCH, body) == {}


# Times


def at_three_moments(square: Square) -> None:
    """Make A, B and C an hour apart, from 08:15:30.412 on."""
    for name in "ABC":
        square.create(given_name=name)
        after(square, 3600)


@fact(
    f"{REFERENCE}: TimeRange",
    rows=[
        ({"start_at": "2025-09-01T09:00:00Z"}, "BC"),
        ({"end_at": "2025-09-01T09:00:00Z"}, "A"),
        ({"start_at": "2025-09-01T09:00:00Z", "end_at": "2025-09-01T10:00:00Z"}, "B"),
        ({"start_at": "2025-09-01T11:00:00+02:00"}, "BC"),
        ({"end_at": "2025-09-01T04:00:00-05:00"}, "A"),
        ({}, "ABC"),
    ],
)
def times_lie_in_a_range(square: Square, asked: dict[str, str], found: str) -> None:
    """RFC 3339 in any zone; a missing bound is open. The same for created and updated."""
    at_three_moments(square)
    assert "".join(square.found(filter={"created_at": asked})) == found
    assert "".join(square.found(filter={"updated_at": asked})) == found


@fact(f"{REFERENCE}: CustomerFilter, updated_at")
def updates_move_a_profile_in_time(square: Square) -> None:
    """updated_at is the time of the last update, created_at stays."""
    customer = square.create(given_name="A")
    after(square, 3600)
    square.ok("PUT", path_of(customer), {"nickname": "a"})
    since = {"start_at": "2025-09-01T09:00:00Z"}
    assert square.found(filter={"updated_at": since}) == ["A"]
    assert square.found(filter={"created_at": since}) == []


@fact(TAP, choice="created_at and updated_at bounds")
def the_start_of_a_range_is_included(square: Square) -> None:
    """As a production extractor takes it."""
    square.create(given_name="A")
    assert square.found(filter={"updated_at": {"start_at": "2025-09-01T08:15:30Z"}}) == ["A"]
    assert square.found(filter={"created_at": {"start_at": "2025-09-01T08:15:30.412Z"}}) == ["A"]
    assert square.found(filter={"created_at": {"start_at": "2025-09-01T08:15:30.413Z"}}) == []


@fact(CHOICE, choice="created_at and updated_at bounds")
def the_end_of_a_range_is_included(square: Square) -> None:
    """Both bounds are; compared with what is displayed."""
    square.create(given_name="A")
    assert square.found(filter={"updated_at": {"end_at": "2025-09-01T08:15:30Z"}}) == ["A"]
    assert square.found(filter={"created_at": {"end_at": "2025-09-01T08:15:30.412Z"}}) == ["A"]
    assert square.found(filter={"created_at": {"end_at": "2025-09-01T08:15:30.411Z"}}) == []


@fact(CHOICE, choice="range that ends before it starts")
def a_range_does_not_end_before_it_starts(square: Square) -> None:
    """INVALID_TIME_RANGE."""
    asked = {"start_at": "2025-09-02T00:00:00Z", "end_at": "2025-09-01T00:00:00Z"}
    told = refused(square, created_at=asked)
    assert (told[0], told[1][0][0]) == (400, "INVALID_TIME_RANGE")


@fact(f"{REFERENCE}: TimeRange", rows=[("yesterday",), ("2025-09-01",), ("2025-13-01T00:00:00Z",)])
def a_bound_is_a_moment(square: Square, text: str) -> None:
    """What is not RFC 3339 is INVALID_TIME."""
    told = refused(square, updated_at={"start_at": text})
    assert told == (400, [("INVALID_TIME", "query.filter.updated_at.start_at")])


# Sorting


SORTING = f"{OVERVIEW}, Sorting and searching customer profiles"


@fact(
    SORTING,
    rows=[
        ([{"given_name": "Ben"}, {"given_name": "Ava"}], [1, 0]),
        (
            [
                {"given_name": "Ava", "family_name": "Zeller"},
                {"given_name": "Ava", "family_name": "Adams"},
            ],
            [1, 0],
        ),
        ([{"family_name": "Ben"}, {"given_name": "Ava"}], [1, 0]),
        ([{"company_name": "Avo"}, {"given_name": "Ava"}, {"given_name": "Avz"}], [1, 0, 2]),
        ([{"email_address": "b@example.com"}, {"company_name": "a"}], [1, 0]),
        ([{"phone_number": "+14155550148"}, {"email_address": "b@example.com"}], [0, 1]),
        ([{"given_name": "9"}, {"given_name": "10"}], [1, 0]),
        ([{"given_name": "Z", "company_name": "A"}, {"given_name": "Y"}], [1, 0]),
        ([{"company_name": "Z", "email_address": "a@example.com"}, {"given_name": "Y"}], [1, 0]),
    ],
)
def profiles_are_sorted_by_what_names_them(
    square: Square, profiles: list[dict[str, str]], order: list[int]
) -> None:
    """Given and family name together, else company, email, phone; as texts, digits too."""
    ids = [square.create(**data)["id"] for data in profiles]
    found = square.ok("POST", SEARCH, {})["customers"]
    assert [ids.index(customer["id"]) for customer in found] == order
    body = {"query": {"sort": {"field": "DEFAULT", "order": "DESC"}}}
    found = square.ok("POST", SEARCH, body)["customers"]
    assert [ids.index(customer["id"]) for customer in found] == order[::-1]


@fact(CHOICE, choice="DEFAULT sort")
def the_default_sort_ignores_case(square: Square) -> None:
    """Accents come after all plain letters, as by code point."""
    for name in ("bob", "Ana", "ÁVA", "anb", "CARL"):
        square.create(given_name=name)
    assert square.found() == ["Ana", "anb", "bob", "CARL", "ÁVA"]


@fact(SORTING, choice="DEFAULT sort")
def names_are_joined_without_a_blank(square: Square) -> None:
    """Given and family name are concatenated."""
    square.create(given_name="An", family_name="dZ")
    square.create(given_name="Ana", family_name="B")
    square.create(given_name="AndY")
    assert square.found() == ["Ana", "AndY", "An"]


@fact(SEARCHING, rows=[("ASC", "BCA"), ("DESC", "ACB"), (None, "BCA")])
def profiles_are_sorted_by_creation(square: Square, order: str | None, found: str) -> None:
    """CREATED_AT, ascending by default."""
    for name in "BCA":
        square.create(given_name=name)
        after(square, 1)
    sort = {"field": "CREATED_AT"} | ({"order": order} if order else {})
    assert "".join(square.found(sort=sort)) == found


@fact(SEARCHING)
def the_field_of_a_sort_is_default_by_default(square: Square) -> None:
    """A sort may have an order alone."""
    for name in "BCA":
        square.create(given_name=name)
    assert square.found(sort={"order": "DESC"}) == ["C", "B", "A"]


@fact(CHOICE, choice="ties of both sorts", rows=[("DEFAULT",), ("CREATED_AT",)])
def ties_are_sorted_by_id(square: Square, field: str) -> None:
    """In the direction of the sort."""
    ids = sorted(square.create(given_name="A")["id"] for _ in range(5))
    for order, expected in (("ASC", ids), ("DESC", ids[::-1])):
        body = {"query": {"sort": {"field": field, "order": order}}}
        found = square.ok("POST", SEARCH, body)["customers"]
        assert [customer["id"] for customer in found] == expected


@fact(
    SEARCHING,
    rows=[("field", "UPDATED_AT"), ("order", "UP"), ("order", "asc"), ("field", "default")],
)
def sorts_are_an_enumeration(square: Square, name: str, value: str) -> None:
    """Another value is none of the enum's."""
    told = square.refused("POST", SEARCH, {"query": {"sort": {name: value}}})
    assert told == (400, [("INVALID_ENUM_VALUE", f"query.sort.{name}")])


# Limits


@fact(SEARCHING, rows=[(0, "VALUE_TOO_LOW"), (-5, "VALUE_TOO_LOW"), (101, "VALUE_TOO_HIGH")])
def limits_of_a_search_are_1_to_100(square: Square, limit: int, code: str) -> None:
    """Outside of them a search is refused."""
    assert square.refused("POST", SEARCH, {"limit": limit}) == (400, [(code, "limit")])


@fact(SEARCHING)
def a_search_has_100_profiles_by_default(square: Square) -> None:
    """Without a limit, and with the highest."""
    entries = {f"k-{i}": {"given_name": "A"} for i in range(100)}
    square.ok("POST", f"{CUSTOMERS}/bulk-create", {"customers": entries})
    square.create(given_name="B")
    for body in ({}, {"limit": 100}):
        answer = square.ok("POST", SEARCH, body)
        assert (len(answer["customers"]), "cursor" in answer) == (100, True)


# Bodies


@fact(
    f"{NOTES} 2022-03-16",
    choice="unknown and read-only fields",
    rows=[
        ({"colour": "red"}, "colour"),
        ({"query": {"filters": {}}}, "query.filters"),
        ({"query": {"sort": {"by": "x"}}}, "query.sort.by"),
        (
            {"query": {"filter": {"email_address": {"like": "x"}}}},
            "query.filter.email_address.like",
        ),
        ({"query": {"filter": {"created_at": {"after": "x"}}}}, "query.filter.created_at.after"),
    ],
)
def unknown_fields_of_a_search_are_refused(square: Square, body: dict[str, Any], path: str) -> None:
    """Any field in the request body that isn't supported is BAD_REQUEST."""
    assert square.refused("POST", SEARCH, body) == (400, [("BAD_REQUEST", path)])


@fact(
    f"{REFERENCE}, error codes",
    rows=[
        ({"limit": "10"}, "EXPECTED_INTEGER", "limit"),
        ({"limit": 1.5}, "EXPECTED_INTEGER", "limit"),
        ({"count": "yes"}, "EXPECTED_BOOLEAN", "count"),
        ({"cursor": 1}, "EXPECTED_STRING", "cursor"),
        ({"query": []}, "EXPECTED_OBJECT", "query"),
        ({"query": {"filter": "x"}}, "EXPECTED_OBJECT", "query.filter"),
        (
            {"query": {"filter": {"email_address": "x"}}},
            "EXPECTED_OBJECT",
            "query.filter.email_address",
        ),
        (
            {"query": {"filter": {"group_ids": {"any": "x"}}}},
            "EXPECTED_ARRAY",
            "query.filter.group_ids.any",
        ),
        (
            {"query": {"filter": {"group_ids": {"any": [1]}}}},
            "EXPECTED_STRING",
            "query.filter.group_ids.any",
        ),
    ],
)
def types_of_a_search_are_judged(
    square: Square, body: dict[str, Any], code: str, path: str
) -> None:
    """A wrong JSON type says which was expected, and where."""
    assert square.refused("POST", SEARCH, body) == (400, [(code, path)])


@fact(f"{OVERVIEW}, custom attributes")
def custom_attributes_never_come_with_a_customer(square: Square) -> None:
    """They aren't returned in an answer of the Customers API."""
    customer = square.create(given_name="A")
    assert "custom_attributes" not in customer
    assert "custom_attributes" not in square.get(customer["id"])


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_search(opened: Opened, check: Check) -> None:
    """Searches are as the documents say."""
    check.hold(opened)
