"""List and search: filters, sorting, pages, cursors, and what lags behind."""

from __future__ import annotations

from typing import Any

import pytest

from etl.sandbox.assumptions import CURSOR_LIFETIME
from tests.sandbox.conftest import Opened, Square


def pages(square: Square, limit: int, **parameters: Any) -> list[list[str]]:
    """List everything page by page; return the ids of each page."""
    found, cursor = [], None
    while True:
        asked = {"limit": limit, **parameters, **({"cursor": cursor} if cursor else {})}
        answer = square.ok("GET", "/v2/customers", params=asked)
        found.append([customer["id"] for customer in answer.get("customers", [])])
        cursor = answer.get("cursor")
        if cursor is None:
            return found


def create_many(square: Square, number: int) -> list[str]:
    """Create profiles one second apart; return their ids in that order."""
    ids = []
    for i in range(number):
        square.clock.now += 1
        ids.append(square.create(given_name=f"G{i % 3}", family_name="F")["id"])
    return ids


def test_nothing_found_is_an_empty_object(square: Square) -> None:
    """Empty results are ``{}`` without ``customers``; with count a 0 (workflows page)."""
    assert square.ok("GET", "/v2/customers") == {}
    assert square.ok("POST", "/v2/customers/search", {}) == {}
    assert square.ok("GET", "/v2/customers", params={"count": "true"}) == {"count": 0}
    assert square.ok("POST", "/v2/customers/search", {"count": True}) == {"count": 0}


@pytest.mark.parametrize("field", ["DEFAULT", "CREATED_AT"])
@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_pages_hold_every_profile_once(square: Square, field: str, order: str) -> None:
    """A cursor is there while more pages exist; together they are the list (API reference)."""
    ids = create_many(square, 11)

    found = pages(square, 4, sort_field=field, sort_order=order)

    assert [len(page) for page in found] == [4, 4, 3]
    listed = [customer_id for page in found for customer_id in page]
    assert sorted(listed) == sorted(ids)
    if field == "CREATED_AT":
        assert listed == (ids if order == "ASC" else ids[::-1])


def test_the_last_full_page_has_no_cursor(square: Square) -> None:
    """Stop on a missing cursor, not on a short page (API reference)."""
    create_many(square, 8)

    assert [len(page) for page in pages(square, 4)] == [4, 4]


def test_profiles_created_together_are_paged_by_id(square: Square) -> None:
    """Ties of CREATED_AT are broken by id (assumption)."""
    body = {"customers": {f"k{i}": {"given_name": f"G{i}"} for i in range(25)}}
    answer = square.ok("POST", "/v2/customers/bulk-create", body)["responses"]

    found = pages(square, 10, sort_field="CREATED_AT")

    listed = [customer_id for page in found for customer_id in page]
    assert listed == sorted(entry["customer"]["id"] for entry in answer.values())


def test_default_sort_joins_the_names(square: Square) -> None:
    """Given and family name, else company, email, phone; case aside (API reference)."""
    for data in (
        {"phone_number": "+12125550142"},
        {"email_address": "b@example.com"},
        {"company_name": "Castle"},
        {"family_name": "abel"},
        {"given_name": "A", "family_name": "Zed"},
        {"given_name": "Azé"},
    ):
        square.create(**data)

    customers = square.ok("GET", "/v2/customers")["customers"]

    assert [
        customer.get("family_name")
        or customer.get("given_name")
        or customer.get("company_name")
        or customer.get("email_address")
        or customer.get("phone_number")
        for customer in customers
    ] == ["+12125550142", "abel", "Zed", "Azé", "b@example.com", "Castle"]


def test_count_is_of_all_pages(square: Square) -> None:
    """``count`` is there only when asked for, and counts all that match (API reference)."""
    create_many(square, 5)

    assert "count" not in square.ok("GET", "/v2/customers")
    answer = square.ok("GET", "/v2/customers", params={"count": "true", "limit": 2})
    assert (len(answer["customers"]), answer["count"]) == (2, 5)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"limit": 0}, "VALUE_TOO_LOW"),
        ({"limit": -1}, "VALUE_TOO_LOW"),
        ({"limit": 101}, "VALUE_TOO_HIGH"),
        ({"limit": "ten"}, "EXPECTED_INTEGER"),
        ({"count": "yes"}, "EXPECTED_BOOLEAN"),
        ({"sort_field": "NAME"}, "INVALID_ENUM_VALUE"),
        ({"sort_order": "UP"}, "INVALID_ENUM_VALUE"),
        ({"cursor": "abc"}, "INVALID_CURSOR"),
    ],
)
def test_list_parameters_are_checked(square: Square, parameters: dict[str, Any], code: str) -> None:
    """A limit outside 1 to 100 has its codes (API reference); the others are assumed."""
    assert square.refused("GET", "/v2/customers", params=parameters)[1][0][0] == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"limit": 0}, "VALUE_TOO_LOW"),
        ({"limit": 101}, "VALUE_TOO_HIGH"),
        ({"limit": "10"}, "EXPECTED_INTEGER"),
        ({"count": "true"}, "EXPECTED_BOOLEAN"),
        ({"colour": 1}, "BAD_REQUEST"),
        ({"query": []}, "EXPECTED_OBJECT"),
        ({"query": {"filters": {}}}, "BAD_REQUEST"),
        ({"query": {"sort": {"field": "NAME"}}}, "INVALID_ENUM_VALUE"),
        ({"query": {"sort": {"order": ""}}}, "INVALID_ENUM_VALUE"),
        ({"query": {"filter": {"given_name": {"exact": "x"}}}}, "BAD_REQUEST"),
        ({"query": {"filter": {"email_address": "x"}}}, "EXPECTED_OBJECT"),
        ({"query": {"filter": {"email_address": {"exact": 1}}}}, "EXPECTED_STRING"),
        ({"query": {"filter": {"email_address": {"exact": ""}}}}, "VALUE_EMPTY"),
        ({"query": {"filter": {"email_address": {"exact": "a", "fuzzy": "a"}}}}, "BAD_REQUEST"),
        ({"query": {"filter": {"reference_id": {"exact": "a", "fuzzy": "a"}}}}, "BAD_REQUEST"),
        ({"query": {"filter": {"phone_number": {"exact": "", "fuzzy": "4"}}}}, "BAD_REQUEST"),
        ({"query": {"filter": {"phone_number": {"fuzzy": 415}}}}, "EXPECTED_STRING"),
        ({"query": {"filter": {"phone_number": {"fuzzy": " ( "}}}}, "VALUE_EMPTY"),
        ({"query": {"filter": {"email_address": {"fuzzy": "@"}}}}, "VALUE_EMPTY"),
        ({"query": {"filter": {"reference_id": {"fuzzy": ""}}}}, "VALUE_EMPTY"),
        ({"query": {"filter": {"created_at": {"start_at": "2025-09-01"}}}}, "INVALID_TIME"),
        ({"query": {"filter": {"creation_source": {"values": ["SELF"]}}}}, "INVALID_ENUM_VALUE"),
        ({"query": {"filter": {"creation_source": {"values": []}}}}, "ARRAY_EMPTY"),
        ({"query": {"filter": {"segment_ids": {}}}}, "VALUE_EMPTY"),
        ({"query": {"filter": {"segment_ids": {"some": ["x"]}}}}, "BAD_REQUEST"),
        ({"query": {"filter": {"segment_ids": {"all": ["x"]}}}}, "BAD_REQUEST"),
        ({"query": {"filter": {"group_ids": []}}}, "EXPECTED_OBJECT"),
        ({"query": {"filter": {"group_ids": {}}}}, "VALUE_EMPTY"),
        ({"query": {"filter": {"group_ids": {"any": "x"}}}}, "EXPECTED_ARRAY"),
        ({"query": {"filter": {"group_ids": {"all": [1]}}}}, "EXPECTED_STRING"),
        ({"query": {"filter": {"group_ids": {"none": []}}}}, "ARRAY_EMPTY"),
        ({"query": {"filter": {"group_ids": {"some": ["x"]}}}}, "BAD_REQUEST"),
    ],
)
def test_search_bodies_are_checked(square: Square, body: dict[str, Any], code: str) -> None:
    """Unknown fields are refused (since 2022-03-16); the other codes are assumed."""
    status, errors = square.refused("POST", "/v2/customers/search", body)

    assert (status, errors[0][0]) == (400, code)


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({"created_at": 0}, "EXPECTED_OBJECT"),
        ({"updated_at": {"end_at": "today"}}, "INVALID_TIME"),
    ],
)
def test_a_filter_that_finds_nobody_excuses_no_other(
    square: Square, filters: dict[str, Any], code: str
) -> None:
    """Every filter is judged, also beside a phone number that nothing can match (assumption)."""
    asked = {"phone_number": {"exact": "0"}, **filters}

    _, errors = square.refused("POST", "/v2/customers/search", {"query": {"filter": asked}})

    assert errors[0][0] == code


def test_exact_filters(square: Square) -> None:
    """Emails and references ignore case; phones are compared in E.164 (API reference)."""
    square.create(
        given_name="Ines",
        email_address="Ines@Example.net",
        phone_number="(415) 555-0148",
        reference_id="CRM-1",
    )
    square.create(given_name="Other", email_address="ines@example.network")

    for filters, names in (
        ({"email_address": {"exact": "INES@example.NET"}}, ["Ines"]),
        ({"email_address": {"exact": "nes@example.net"}}, []),
        ({"phone_number": {"exact": "+1 (415) 555-0148"}}, ["Ines"]),
        ({"phone_number": {"exact": "+14155550148"}}, ["Ines"]),
        ({"phone_number": {"exact": "4155550148"}}, []),
        ({"reference_id": {"exact": "crm-1"}}, ["Ines"]),
        ({"reference_id": {"exact": "crm"}}, []),
        (
            {"reference_id": {"exact": "crm-1"}, "email_address": {"exact": "x@example.com"}},
            [],
        ),
    ):
        assert square.found(filter=filters) == names


def test_fuzzy_emails_hold_every_token(square: Square) -> None:
    """Punctuation apart, each word occurs in the address, in any order (API reference)."""
    for email in ("steven.johnson@gmail.com", "mygmail@stevensbakery.com", "nyc_27@example.com"):
        square.create(given_name=email[:2], email_address=email)

    for fuzzy, names in (
        ("Steven gmail", ["my", "st"]),
        ("gmail STEVEN", ["my", "st"]),
        ("steven.johnson", ["st"]),
        ("nyc27", ["ny"]),
        ("NYC_27", ["ny"]),
        ("gmailcom", ["st"]),
        ("steven yahoo", []),
    ):
        assert square.found(filter={"email_address": {"fuzzy": fuzzy}}) == names, fuzzy


def test_fuzzy_phones_hold_every_token(square: Square) -> None:
    """Each word occurs in the digits of the number, however it was typed (API reference)."""
    for name, phone in (
        ("A", "+1-212-415-1234"),
        ("B", "+1 (551) 234-1567"),
        ("C", "+1-212-415-1200"),
        ("D", "(212) 555-0142"),
    ):
        square.create(given_name=name, phone_number=phone)

    for fuzzy, names in (
        ("415", ["A", "B", "C"]),
        ("415 123", ["A", "B"]),
        ("(212) 415", ["A", "C"]),
        ("415-1234", ["A"]),
        ("+1212555", ["D"]),
        ("212555", ["D"]),
        ("four", []),
    ):
        assert square.found(filter={"phone_number": {"fuzzy": fuzzy}}) == names, fuzzy


def test_fuzzy_references_hold_every_token(square: Square) -> None:
    """What is neither letter nor digit separates, on both sides (API reference)."""
    for name, reference in (("A", "NYC_M_35_JOHNSON"), ("B", "NYC_27_MURRAY"), ("C", "LA_M_1")):
        square.create(given_name=name, reference_id=reference)

    for fuzzy, names in (
        ("NYC M", ["A", "B"]),
        ("nyc-m", ["A", "B"]),
        ("NYC_27", ["B"]),
        ("nyc27", []),
        ("murr nyc", ["B"]),
    ):
        assert square.found(filter={"reference_id": {"fuzzy": fuzzy}}) == names, fuzzy


@pytest.mark.parametrize(
    "filters",
    [
        {"email_address": {"fuzzy": "ava " * 40_000}},
        {"reference_id": {"fuzzy": " ".join(map(str, range(40_000)))}},
        {"group_ids": {"all": [f"G{i}" for i in range(40_000)]}},
        {"group_ids": {"any": ["G"] * 40_000, "none": ["G"] * 40_000}},
        {"creation_source": {"values": ["OTHER"] * 40_000}},
    ],
)
def test_filters_may_be_long(square: Square, filters: dict[str, Any]) -> None:
    """No limit is stated for words and ids but the body's: a long filter is answered."""
    square.create(given_name="A", email_address="eva@example.com", reference_id="1")

    assert square.found(filter=filters) == []


def test_fuzzy_filters_are_added_to_the_others(square: Square) -> None:
    """Fuzzy and exact filters of several fields all have to hold; pages go on (reference)."""
    for i in range(5):
        square.create(given_name=f"G{i}", reference_id=f"nyc-{i % 2}", email_address="a@b.org")
    asked = {"reference_id": {"fuzzy": "nyc 0"}, "email_address": {"exact": "A@b.org"}}
    body = {"query": {"filter": asked}, "limit": 2, "count": True}

    first = square.ok("POST", "/v2/customers/search", body)
    rest = square.ok("POST", "/v2/customers/search", {**body, "cursor": first["cursor"]})

    names = [customer["given_name"] for customer in first["customers"] + rest["customers"]]
    assert (names, first["count"]) == (["G0", "G2", "G4"], 3)


def test_time_ranges_include_both_ends(square: Square) -> None:
    """Bounds are RFC 3339 in any zone; both are included (assumption)."""
    square.create(given_name="A")  # created 08:15:30.412
    square.clock.now += 10
    second = square.create(given_name="B")
    square.clock.now += 10
    square.ok("PUT", f"/v2/customers/{second['id']}", {"nickname": "Bee"})

    for name, bounds, found in (
        ("created_at", {"start_at": "2025-09-01T08:15:30.412Z"}, ["A", "B"]),
        ("created_at", {"start_at": "2025-09-01T08:15:30.4121Z"}, ["B"]),
        ("created_at", {"end_at": "2025-09-01T10:15:30.412+02:00"}, ["A"]),
        ("created_at", {"end_at": "2025-09-01T08:15:30Z"}, []),
        ("updated_at", {"start_at": "2025-09-01T08:15:50Z"}, ["B"]),
        ("updated_at", {"end_at": "2025-09-01T08:15:49Z"}, ["A"]),
        ("updated_at", {}, ["A", "B"]),
    ):
        assert square.found(filter={name: bounds}) == found, (name, bounds)


def test_creation_sources_are_included_or_excluded(square: Square) -> None:
    """The rule is INCLUDE unless it says EXCLUDE (API reference)."""
    ids = [square.create(given_name=name)["id"] for name in ("A", "B")]
    square.sandbox.control("merge", {"from": ids})
    square.create(given_name="C")

    for rule, names in (({}, ["A"]), ({"rule": "INCLUDE"}, ["A"]), ({"rule": "EXCLUDE"}, ["C"])):
        assert square.found(filter={"creation_source": {"values": ["MERGE"], **rule}}) == names


def test_search_pages_like_list(square: Square) -> None:
    """The same query with the cursor gives the next page, filters and all (API reference)."""
    ids = create_many(square, 7)
    query = {
        "filter": {"updated_at": {"start_at": "2025-09-01T00:00:00Z"}},
        "sort": {"field": "CREATED_AT", "order": "DESC"},
    }

    first = square.ok("POST", "/v2/customers/search", {"query": query, "limit": 5, "count": True})
    second = square.ok(
        "POST", "/v2/customers/search", {"query": query, "limit": 2, "cursor": first["cursor"]}
    )

    assert first["count"] == 7
    found = [customer["id"] for customer in first["customers"] + second["customers"]]
    assert found == ids[::-1]
    assert "cursor" not in second


def test_a_cursor_belongs_to_its_query(square: Square) -> None:
    """A cursor with another query, altered or too old is INVALID_CURSOR (assumption)."""
    create_many(square, 3)
    cursor = square.ok("GET", "/v2/customers", params={"limit": 1})["cursor"]

    for parameters in (
        {"cursor": cursor, "sort_order": "DESC"},
        {"cursor": cursor, "sort_field": "CREATED_AT"},
        {"cursor": cursor[:-2]},
        {"cursor": "A" + cursor[1:] if cursor[0] != "A" else "B" + cursor[1:]},
        {"cursor": "é"},
    ):
        assert square.refused("GET", "/v2/customers", params=parameters) == (
            400,
            [("INVALID_CURSOR", "cursor")],
        )
    assert square.refused("POST", "/v2/customers/search", {"cursor": cursor})[0] == 400

    square.sandbox.control("clock", {"advance": CURSOR_LIFETIME - 1})
    assert "customers" in square.ok("GET", "/v2/customers", params={"cursor": cursor})
    square.sandbox.control("clock", {"advance": 2})
    assert square.refused("GET", "/v2/customers", params={"cursor": cursor})[0] == 400


def test_search_lags_and_retrieve_does_not(opened: Opened) -> None:
    """Search shows new profiles after a while, retrieve by id at once (API reference)."""
    square = opened(lag=30)
    customer = square.create(given_name="A", email_address="a@example.com")

    assert square.get(customer["id"])["version"] == 0
    assert square.found() == []
    square.clock.now += 29
    assert square.found(filter={"email_address": {"exact": "a@example.com"}}) == []
    square.clock.now += 1
    assert square.found() == ["A"]
    assert square.ok("GET", "/v2/customers", params={"count": "true"})["count"] == 1


def test_updates_and_deletes_lag_too(opened: Opened) -> None:
    """Until the lag has passed, search shows the old state, whole and by its old keys."""
    square = opened(lag=30)
    customer = square.create(given_name="A", email_address="a@example.com")
    square.clock.now += 60
    path = f"/v2/customers/{customer['id']}"
    square.ok("PUT", path, {"given_name": "B", "email_address": "b@example.com"})

    old, new = ({"email_address": {"exact": f"{name}@example.com"}} for name in "ab")
    assert (square.found(filter=old), square.found(filter=new)) == (["A"], [])
    square.clock.now += 10
    square.ok("DELETE", path)
    square.clock.now += 20
    assert (square.found(filter=old), square.found(filter=new)) == ([], ["B"])
    assert square.ok("GET", "/v2/customers", params={"count": "true"})["count"] == 1
    square.clock.now += 10
    assert square.found() == []
