"""Create, retrieve, update, delete, list and count customers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    FORUM,
    MISSING,
    NOTES,
    OVERVIEW,
    RECORDED,
    RECORDS,
    REFERENCE,
    SEARCH,
    Check,
    Facts,
    instant_profile,
    path_of,
)

fact = Facts()

TOMAS: dict[str, Any] = {
    "given_name": "Tomas",
    "family_name": "Okafor",
    "company_name": "Okafor Bakery",
    "nickname": "Tom",
    "email_address": "Tomas.Okafor@example.com",
    "phone_number": "+1 (415) 555-0148",
    "reference_id": "crm-000043",
    "note": "Prefers mornings",
    "birthday": "1987-04-17",
    "address": {
        "address_line_1": "12 Market St",
        "address_line_2": "Suite 4",
        "address_line_3": "Back door",
        "locality": "San Francisco",
        "sublocality": "Mission",
        "sublocality_2": "South",
        "sublocality_3": "Corner",
        "administrative_district_level_1": "CA",
        "administrative_district_level_2": "San Francisco County",
        "administrative_district_level_3": "Ward 9",
        "postal_code": "94103-1234",
        "country": "US",
    },
}
PUBLIC = ("given_name", "family_name", "company_name", "email_address", "phone_number")
SAMPLES = {
    "given_name": "Ava",
    "family_name": "Moreau",
    "company_name": "Moreau & Co",
    "email_address": "ava@example.net",
    "phone_number": "+1 415 555 0148",
}


# Create


@fact(f"{REFERENCE}: CreateCustomer", rows=[(name,) for name in TOMAS if name != "address"])
def every_field_is_kept_as_sent(square: Square, name: str) -> None:
    """A value comes back as it was sent, in the answer and when it is retrieved."""
    customer = square.create(**TOMAS)
    assert customer[name] == TOMAS[name]
    assert square.get(customer["id"])[name] == TOMAS[name]


@fact("recorded answer, third line and sublocality", rows=[(n,) for n in TOMAS["address"]])
def every_address_part_is_kept_as_sent(square: Square, name: str) -> None:
    """All parts are stored and returned, the third line and the sublocalities too."""
    customer = square.create(given_name="Ava", address=TOMAS["address"])
    assert square.get(customer["id"])["address"][name] == TOMAS["address"][name]


@fact(RECORDS, rows=[(name,) for name in PUBLIC])
def one_of_five_fields_is_enough(square: Square, name: str) -> None:
    """A profile needs a given name, family name, company, email or phone; one will do."""
    assert square.create(**{name: SAMPLES[name]})[name] == SAMPLES[name]


@fact(RECORDS)
def api_creations_are_third_party(square: Square) -> None:
    """A profile that an application created has the source THIRD_PARTY."""
    assert square.create(given_name="Ava")["creation_source"] == "THIRD_PARTY"


@fact(OVERVIEW)
def a_new_profile_has_version_0(square: Square) -> None:
    """When a customer profile is created, the version is set to 0."""
    assert square.create(**TOMAS)["version"] == 0


@fact(f"{OVERVIEW}, Unsupported first-party features")
def a_new_profile_is_not_unsubscribed(square: Square) -> None:
    """Preferences hold one field, which nobody has set."""
    assert square.create(given_name="Ava")["preferences"] == {"email_unsubscribed": False}


@fact(
    f"{OVERVIEW}, Unsupported first-party features",
    choice="unknown and read-only fields",
    rows=[
        ("id", MISSING),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("updated_at", "2020-01-01T00:00:00Z"),
        ("preferences", {"email_unsubscribed": True}),
        ("creation_source", "IMPORT"),
        ("group_ids", []),
        ("segment_ids", []),
        ("version", 0),
        ("cards", []),
    ],
)
def read_only_fields_cannot_be_created(square: Square, name: str, value: object) -> None:
    """Neither the opt-out nor the creation date can be imported: they are fields not recognised."""
    refused = square.refused("POST", CUSTOMERS, {"given_name": "Ava", name: value})
    assert refused == (400, [("BAD_REQUEST", name)])


@fact(f"{OVERVIEW}, Avoiding duplicate customer profiles")
def duplicates_are_created(square: Square) -> None:
    """CreateCustomer does not check for duplicate records."""
    first, second = square.create(**TOMAS), square.create(**TOMAS)
    assert first["id"] != second["id"]
    assert len(square.ok("GET", CUSTOMERS)["customers"]) == 2


@fact(f"{REFERENCE}, examples")
def a_reference_is_not_unique(square: Square) -> None:
    """Two profiles may have the same reference ID."""
    for name in ("A", "B"):
        square.create(given_name=name, reference_id="crm-1")
    assert square.found(filter={"reference_id": {"exact": "crm-1"}}) == ["A", "B"]


@fact(REFERENCE, choice="null or an empty string on create", rows=[(None,), ("",)])
def empty_values_of_a_create_are_as_if_absent(square: Square, value: object) -> None:
    """They are accepted and not stored."""
    customer = square.create(given_name="Ava", nickname=value, birthday=value, phone_number=value)
    assert {"nickname", "birthday", "phone_number"}.isdisjoint(customer)


@fact(REFERENCE, choice="null or an empty string on create", rows=[({},), (None,)])
def an_empty_address_of_a_create_is_as_if_absent(square: Square, value: object) -> None:
    """A profile has no address without a part."""
    assert "address" not in square.create(given_name="Ava", address=value)


@fact(
    "our choice",
    choice="lengths",
    rows=[(" Ava ",), ("Zoe\u0308",), ("\u2126",), ("Ａｖａ",), ("Ava\u200b",), ("a\nb",)],
)
def texts_are_neither_trimmed_nor_normalised(square: Square, text: str) -> None:
    """What was sent is what is stored, code point by code point."""
    assert square.get(square.create(given_name=text)["id"])["given_name"] == text


# Retrieve


@fact(f"{REFERENCE}: RetrieveCustomer")
def retrieve_answers_what_create_answered(square: Square) -> None:
    """A profile is reached by its id; segments are added by Square."""
    customer = square.create(**TOMAS)
    shown = square.get(customer["id"])
    shown.pop("segment_ids", None)
    assert shown == customer


@fact(f"{REFERENCE}: RetrieveCustomer", rows=[("x",), (MISSING,), ("%20",), ("ü",)])
def an_unknown_id_is_not_found(square: Square, customer_id: str) -> None:
    """Whatever form the id has."""
    assert square.refused("GET", f"{CUSTOMERS}/{customer_id}") == (404, [("NOT_FOUND", "")])


# Update


@fact(
    RECORDS,
    rows=[
        ("phone_number", "+1 415 555 0199"),
        ("email_address", "new@example.com"),
        ("birthday", "0000-01-13"),
        ("company_name", "New Ltd"),
        ("family_name", "New"),
        ("given_name", "New"),
        ("nickname", "New"),
        ("note", "New"),
        ("reference_id", "new-1"),
    ],
)
def these_fields_can_be_updated(square: Square, name: str, value: str) -> None:
    """The ten attributes of the page, one at a time; the others stay."""
    customer = square.create(**TOMAS)
    updated = square.ok("PUT", path_of(customer), {name: value})["customer"]
    ours = ("version", "updated_at", name)
    assert updated[name] == value
    assert {n: v for n, v in updated.items() if n not in ours} == {
        n: v for n, v in customer.items() if n not in ours
    }


@fact(NOTES + " 2022-11-16")
def an_address_can_be_added(square: Square) -> None:
    """Parts are added if they aren't already defined."""
    customer = square.create(given_name="Ava")
    body = {"address": {"locality": "Leeds"}}
    assert square.ok("PUT", path_of(customer), body)["customer"]["address"] == body["address"]


@fact(f"{REFERENCE}: UpdateCustomer", choice="unknown and read-only fields on a single update")
def unknown_fields_of_an_update_are_ignored(square: Square) -> None:
    """The migration note on unrecognized fields names create and search only."""
    customer = square.create(given_name="Ava")
    body = {"nickname": "A", "shoe": 38, "creation_source": "IMPORT", "group_ids": ["x"]}
    updated = square.ok("PUT", path_of(customer), body)["customer"]
    assert (updated["nickname"], updated["creation_source"]) == ("A", "THIRD_PARTY")
    assert {"shoe", "group_ids"}.isdisjoint(updated)


@fact(f"{OVERVIEW}, Unsupported first-party features")
def the_opt_out_is_read_only(square: Square) -> None:
    """email_unsubscribed cannot be written through the Customers API."""
    customer = square.create(given_name="Ava")
    body = {"nickname": "A", "preferences": {"email_unsubscribed": True}}
    updated = square.ok("PUT", path_of(customer), body)["customer"]
    assert updated["preferences"] == {"email_unsubscribed": False}


@fact(CHOICE, choice="an update that changes nothing", rows=[("Ava",), (None,)])
def an_update_without_effect_keeps_the_version(square: Square, name: str | None) -> None:
    """Neither the version nor updated_at moves."""
    customer = square.create(given_name="Ava")
    square.ok("POST", "/_sandbox/clock", {"advance": 60})
    body = {"given_name": "Ava"} if name else {"nickname": ""}
    assert square.ok("PUT", path_of(customer), body)["customer"] == customer


@fact(f"{REFERENCE}: UpdateCustomer")
def an_updated_value_is_found_by_search(square: Square) -> None:
    """A profile is found by its new email and no longer by its old one."""
    customer = square.create(given_name="Ava", email_address="old@example.com")
    square.ok("PUT", path_of(customer), {"email_address": "new@example.com"})
    assert square.found(filter={"email_address": {"exact": "new@example.com"}}) == ["Ava"]
    assert square.found(filter={"email_address": {"exact": "old@example.com"}}) == []


@fact(CHOICE, choice="clearing the last public field", rows=[(name,) for name in PUBLIC])
def the_last_public_field_cannot_be_cleared(square: Square, name: str) -> None:
    """A profile would become invisible; it is refused as a create without identity is."""
    customer = square.create(**{name: SAMPLES[name]})
    assert square.refused("PUT", path_of(customer), {name: ""}) == (400, [("BAD_REQUEST", "")])
    assert square.get(customer["id"])[name] == SAMPLES[name]


@fact(CHOICE, choice="clearing the last public field")
def a_public_field_may_be_exchanged_for_another(square: Square) -> None:
    """Clearing one while setting another leaves public data."""
    customer = square.create(given_name="Ava")
    body = {"given_name": "", "company_name": "Moreau & Co"}
    assert "given_name" not in square.ok("PUT", path_of(customer), body)["customer"]


# Delete


@fact(f"{REFERENCE}: DeleteCustomer")
def a_deleted_profile_is_gone(square: Square) -> None:
    """It is neither retrieved nor listed nor found."""
    customer = square.create(**TOMAS)
    square.ok("DELETE", path_of(customer))
    assert square.refused("GET", path_of(customer)) == (404, [("NOT_FOUND", "")])
    assert square.ok("GET", CUSTOMERS) == {}
    assert square.ok("POST", SEARCH, {}) == {}


@fact(f"{REFERENCE}: DeleteCustomer")
def a_repeated_delete_is_not_found(square: Square) -> None:
    """Which a pipeline may count as done."""
    customer = square.create(given_name="Ava")
    square.ok("DELETE", path_of(customer))
    assert square.refused("DELETE", path_of(customer)) == (404, [("NOT_FOUND", "")])


@fact(f"{REFERENCE}: DeleteCustomer")
def a_deleted_profile_cannot_be_updated(square: Square) -> None:
    """There is nothing to update any more."""
    customer = square.create(given_name="Ava")
    square.ok("DELETE", path_of(customer))
    refused = square.refused("PUT", path_of(customer), {"nickname": "A"})
    assert refused == (404, [("NOT_FOUND", "")])


# List


@fact(f"{REFERENCE}: ListCustomers", rows=[("1", 1), ("100", 100)])
def the_limits_of_a_list_are_1_and_100(square: Square, limit: str, size: int) -> None:
    """Both bounds are good."""
    fill(square, 101)
    answer = square.ok("GET", CUSTOMERS, params={"limit": limit})
    assert len(answer["customers"]) == size
    assert "cursor" in answer


@fact(f"{REFERENCE}: ListCustomers")
def a_list_has_100_profiles_by_default(square: Square) -> None:
    """Without a limit a page holds 100."""
    fill(square, 101)
    assert len(square.ok("GET", CUSTOMERS)["customers"]) == 100


def fill(square: Square, number: int) -> None:
    """Make profiles in bulk."""
    for start in range(0, number, 100):
        keys = range(start, min(number, start + 100))
        body = {"customers": {f"k-{key}": {"given_name": f"N{key:03}"} for key in keys}}
        square.ok("POST", f"{CUSTOMERS}/bulk-create", body)


@fact(
    f"{REFERENCE}: ListCustomers",
    rows=[("0", "VALUE_TOO_LOW"), ("-1", "VALUE_TOO_LOW"), ("101", "VALUE_TOO_HIGH")],
)
def limits_of_a_list_out_of_range_are_refused(square: Square, limit: str, code: str) -> None:
    """400 with a code that says in which direction."""
    refused = square.refused("GET", CUSTOMERS, params={"limit": limit})
    assert refused == (400, [(code, "limit")])


@fact(
    f"{REFERENCE}: ListCustomers",
    rows=[
        ("DEFAULT", "ASC", "ABC"),
        ("DEFAULT", "DESC", "CBA"),
        ("CREATED_AT", "ASC", "BCA"),
        ("CREATED_AT", "DESC", "ACB"),
    ],
)
def a_list_is_sorted_as_asked(square: Square, field: str, order: str, expected: str) -> None:
    """By name or by the time of creation, in both directions."""
    for name in "BCA":
        square.create(given_name=name)
        square.ok("POST", "/_sandbox/clock", {"advance": 1})
    answer = square.ok("GET", CUSTOMERS, params={"sort_field": field, "sort_order": order})
    assert "".join(customer["given_name"] for customer in answer["customers"]) == expected


@fact(f"{REFERENCE}: ListCustomers")
def a_list_is_sorted_by_name_ascending_by_default(square: Square) -> None:
    """DEFAULT and ASC are the defaults."""
    for name in "BCA":
        square.create(given_name=name)
    answer = square.ok("GET", CUSTOMERS)
    assert "".join(customer["given_name"] for customer in answer["customers"]) == "ABC"


@fact(
    f"{REFERENCE}: ListCustomers",
    rows=[("sort_field", "NAME"), ("sort_order", "UP"), ("sort_order", "asc")],
)
def sorts_of_a_list_are_an_enumeration(square: Square, name: str, value: str) -> None:
    """Another value is none of the enum's."""
    refused = square.refused("GET", CUSTOMERS, params={name: value})
    assert refused == (400, [("INVALID_ENUM_VALUE", name)])


# Count


@fact(f"{OVERVIEW}, ListCustomers")
def a_list_counts_when_asked(square: Square) -> None:
    """The count is the seller's total, whatever the page holds."""
    fill(square, 3)
    answer = square.ok("GET", CUSTOMERS, params={"count": "true", "limit": "1"})
    assert (answer["count"], len(answer["customers"])) == (3, 1)


@fact(f"{FORUM} 10067")
def a_search_counts_when_asked(square: Square) -> None:
    """The count is that of the profiles that match."""
    for name in ("A", "B", "C"):
        square.create(given_name=name, note="n", reference_id=f"{name}-1")
    body = {"count": True, "limit": 1, "query": {"filter": {"reference_id": {"fuzzy": "1"}}}}
    assert square.ok("POST", SEARCH, body)["count"] == 3


@fact(f"{REFERENCE}: ListCustomers", rows=[({},), ({"count": "false"},)])
def nothing_is_counted_unasked(square: Square, parameters: dict[str, str]) -> None:
    """The count is present only when asked for."""
    fill(square, 2)
    assert "count" not in square.ok("GET", CUSTOMERS, params=parameters)
    assert "count" not in square.ok("POST", SEARCH, {"count": False})


@fact(f"{REFERENCE}: SearchCustomers")
def nobody_is_counted_as_zero(square: Square) -> None:
    """An answer without customers still has the count that was asked for."""
    assert square.ok("GET", CUSTOMERS, params={"count": "true"}) == {"count": 0}
    assert square.ok("POST", SEARCH, {"count": True}) == {"count": 0}


@fact(f"{REFERENCE}: ListCustomers, count")
def only_profiles_with_public_data_are_counted(square: Square) -> None:
    """Instant profiles that have none are left out of the count."""
    instant_profile(square)
    listed = len(square.ok("GET", CUSTOMERS)["customers"])
    assert square.ok("GET", CUSTOMERS, params={"count": "true"})["count"] == listed < 60


@fact(RECORDED, rows=[("given_name",), ("email_address",), ("phone_number",), ("note",)])
def values_keep_their_spelling(square: Square, name: str) -> None:
    """Letters keep their case and phones their punctuation."""
    typed = {
        "given_name": "mcKENZIE",
        "email_address": "Mixed.Case@Example.COM",
        "phone_number": "(415) 555-0148",
        "note": " two  blanks ",
    }
    assert square.get(square.create(**typed)["id"])[name] == typed[name]


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_customers(opened: Opened, check: Check) -> None:
    """Single calls are as the documents say."""
    check.hold(opened)
