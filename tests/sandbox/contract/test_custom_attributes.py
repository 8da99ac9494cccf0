"""Custom attributes of customers: values of every type, singly and in bulk."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.attributes import (
    CONCEPTS,
    DEFINITIONS,
    NOT_FOUND,
    chosen,
    defined,
    many,
    path,
    put,
)
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    DOCUMENTATION,
    MISSING,
    OVERVIEW,
    RECORDS,
    REFERENCE,
    SEARCH,
    TYPES,
    Check,
    Facts,
    after,
    at,
    bearer,
    errors_of,
    merged,
    path_of,
    told,
)

fact = Facts()

BULK = f"{CUSTOMERS}/custom-attributes/bulk-upsert"
VALUE = f"{REFERENCE}: CustomAttribute"


# Values


@fact(VALUE)
def a_value_in_full(square: Square) -> None:
    """Key, value, a version that begins at 1, the definition's visibility, two times."""
    defined(square)
    made = put(square, square.create(given_name="A"), "Tea")
    assert made == {
        "key": "drink",
        "value": "Tea",
        "version": 1,
        "visibility": "VISIBILITY_READ_WRITE_VALUES",
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
    }


@fact(f"{REFERENCE}: RetrieveCustomerCustomAttribute")
def a_value_is_retrieved_by_key(square: Square) -> None:
    """As it was set; with its definition only when asked for."""
    made = defined(square)
    customer = square.create(given_name="A")
    value = put(square, customer, "Tea")
    assert square.ok("GET", path(customer)) == {"custom_attribute": value}
    full = square.ok("GET", path(customer), params={"with_definition": "true"})
    assert full == {"custom_attribute": value | {"definition": made}}


@fact(f"{REFERENCE}: UpsertCustomerCustomAttribute")
def a_value_is_replaced(square: Square) -> None:
    """The version rises by one; there is one value per key and customer."""
    defined(square)
    customer = square.create(given_name="A")
    put(square, customer, "Tea")
    changed = put(square, customer, "Coffee")
    assert (changed["value"], changed["version"]) == ("Coffee", 2)
    listed = square.ok("GET", f"{path_of(customer)}/custom-attributes")["custom_attributes"]
    assert [one["value"] for one in listed] == ["Coffee"]


@fact(f"{REFERENCE}: DeleteCustomerCustomAttribute")
def a_value_is_deleted(square: Square) -> None:
    """{}; then it is not found, while its definition stays."""
    defined(square)
    customer = square.create(given_name="A")
    put(square, customer, "Tea")
    assert square.ok("DELETE", path(customer)) == {}
    assert told(square, "GET", path(customer)) == NOT_FOUND
    square.ok("GET", f"{DEFINITIONS}/drink")


@fact(f"{REFERENCE}, error codes", rows=[("GET",), ("POST",), ("DELETE",)])
def a_value_needs_a_customer(square: Square, method: str) -> None:
    """404 NOT_FOUND for an unknown one."""
    defined(square)
    body = {"custom_attribute": {"value": "Tea"}} if method == "POST" else None
    assert told(square, method, path({"id": MISSING}), body) == NOT_FOUND


@fact(f"{OVERVIEW}, custom attributes", rows=[("GET", 404), ("POST", 400), ("DELETE", 404)])
def a_value_needs_a_definition(square: Square, method: str, status: int) -> None:
    """The definition must be created before the corresponding value can be assigned."""
    customer = square.create(given_name="A")
    body = {"custom_attribute": {"value": "Tea"}} if method == "POST" else None
    assert told(square, method, path(customer, "nothing"), body)[0] == status
    assert square.ok("GET", f"{path_of(customer)}/custom-attributes") == {}


@fact(f"{REFERENCE}: CustomAttribute", rows=[("GET",), ("DELETE",)])
def a_value_that_was_never_set_is_not_found(square: Square, method: str) -> None:
    """404 NOT_FOUND, though its definition exists."""
    defined(square)
    assert told(square, method, path(square.create(given_name="A"))) == NOT_FOUND


@fact(CONCEPTS)
def an_outdated_version_of_a_value_is_refused(square: Square) -> None:
    """With the current one the write passes."""
    defined(square)
    customer = square.create(given_name="A")
    put(square, customer, "Tea")
    put(square, customer, "Coffee", version=1)
    body = {"custom_attribute": {"value": "Water", "version": 1}}
    assert told(square, "POST", path(customer), body)[0] in (400, 409)
    shown = square.ok("GET", path(customer))["custom_attribute"]
    assert (shown["value"], shown["version"]) == ("Coffee", 2)


@fact(CONCEPTS)
def a_version_of_a_value_beyond_the_current_is_refused(square: Square) -> None:
    """BAD_REQUEST, written or read."""
    defined(square)
    customer = square.create(given_name="A")
    put(square, customer, "Tea")
    body = {"custom_attribute": {"value": "Water", "version": 7}}
    assert told(square, "POST", path(customer), body) == (400, "BAD_REQUEST")
    answer = square.send("GET", path(customer), params={"version": "7"})
    assert (answer.status_code, errors_of(answer)[0]["code"]) == (400, "BAD_REQUEST")
    square.ok("GET", path(customer), params={"version": "1"})


@fact(f"{OVERVIEW}, custom attributes")
def values_do_not_raise_the_customers_version(square: Square) -> None:
    """They have versions of their own, and updated_at of the profile stays too."""
    defined(square)
    customer = square.create(given_name="A")
    after(square, 60)
    put(square, customer, "Tea")
    square.ok("DELETE", path(customer))
    assert square.get(customer["id"]) == customer


@fact(f"{OVERVIEW}, custom attributes")
def values_do_not_come_with_the_customer(square: Square) -> None:
    """They aren't returned in a RetrieveCustomer or ListCustomers response."""
    defined(square)
    customer = square.create(given_name="A")
    put(square, customer, "Tea")
    assert square.get(customer["id"]) == customer
    assert square.ok("GET", CUSTOMERS)["customers"] == [customer]
    assert square.ok("POST", SEARCH, {})["customers"] == [customer]


@fact(RECORDS)
def an_update_does_not_change_values(square: Square) -> None:
    """You cannot use UpdateCustomer to update a custom attribute value."""
    defined(square)
    customer = square.create(given_name="A")
    value = put(square, customer, "Tea")
    body = {"nickname": "a", "custom_attributes": {"drink": "Coffee"}}
    square.ok("PUT", path_of(customer), body)
    assert square.ok("GET", path(customer))["custom_attribute"] == value


VALUES = f"{REFERENCE}: ListCustomerCustomAttributes"


@fact(VALUES)
def the_values_of_a_customer_are_listed(square: Square) -> None:
    """20 by default, with their definitions only when asked for."""
    keys = many(square, 21)
    customer = square.create(given_name="A")
    for key in keys:
        put(square, customer, "x", key)
    where = f"{path_of(customer)}/custom-attributes"
    first = square.ok("GET", where)
    second = square.ok("GET", where, params={"cursor": first["cursor"]})
    listed = first["custom_attributes"] + second["custom_attributes"]
    assert (len(first["custom_attributes"]), "cursor" in second) == (20, False)
    assert {one["key"] for one in listed} == keys
    assert not any("definition" in one for one in listed)
    full = square.ok("GET", where, params={"with_definitions": "true", "limit": "100"})
    assert all(one["definition"]["key"] == one["key"] for one in full["custom_attributes"])


@fact(VALUES, rows=[("0", "VALUE_TOO_LOW"), ("101", "VALUE_TOO_HIGH")])
def other_limits_of_values_are_refused(square: Square, limit: str, code: str) -> None:
    """1 to 100."""
    where = f"{path_of(square.create(given_name='A'))}/custom-attributes"
    assert square.refused("GET", where, params={"limit": limit}) == (400, [(code, "limit")])


@fact(VALUES)
def a_customer_without_values_has_an_empty_object(square: Square) -> None:
    """An unknown customer is not found instead."""
    customer = square.create(given_name="A")
    assert square.ok("GET", f"{path_of(customer)}/custom-attributes") == {}
    assert told(square, "GET", f"{CUSTOMERS}/{MISSING}/custom-attributes") == NOT_FOUND


@fact(f"{REFERENCE}: UpsertCustomerCustomAttribute")
def a_repeated_upsert_answers_the_original(square: Square) -> None:
    """Same key and same body: the version does not rise again."""
    defined(square)
    customer = square.create(given_name="A")
    body = {"idempotency_key": "k-1", "custom_attribute": {"value": "Tea"}}
    first = square.ok("POST", path(customer), body)
    assert square.ok("POST", path(customer), body) == first
    assert square.ok("GET", path(customer)) == first
    body = {"idempotency_key": "k" * 46, "custom_attribute": {"value": "Tea"}}
    assert told(square, "POST", path(customer), body) == (400, "VALUE_TOO_LONG")


# Types

GOOD: dict[str, tuple[Any, ...]] = {
    "String": ("", "x" * 1000, "\U00020bb7" * 1000, "a\nb"),
    "Number": ("38.5", "-1", "0", ".5", "5.", "007", "1.12345"),
    "Boolean": (True, False),
    "PhoneNumber": ("+14155550148", "+12", "+123456789012345"),
    "Email": ("ava@example.com", "a+b@x.example.org"),
    "Date": ("2001-04-20", "2000-02-29"),
    "Address": (
        {"locality": "Leeds"},
        {"country": "ZZ", "organization": "x" * 1000},
        {"first_name": "Ava", "postal_code": "1" * 1000},
    ),
}


@fact(TYPES, rows=[(kind, value) for kind, values in GOOD.items() for value in values])
def a_value_of_its_type_is_kept(square: Square, kind: str, value: object) -> None:
    """It comes back as it was sent."""
    defined(square, kind)
    customer = square.create(given_name="A")
    put(square, customer, value)
    assert square.ok("GET", path(customer))["custom_attribute"]["value"] == value


BAD: dict[str, tuple[Any, ...]] = {
    "String": ("x" * 1001, 7, True, ["x"], {}),
    "Number": (*("", "-", ".", "1.123456", "1e3", "+1", "x", "1,5", " 1", "٣"), 38.5, 7),
    "Boolean": ("true", 1, 0, ""),
    "PhoneNumber": (
        *("4155550148", "+1 415 555 0148", "+0123", "+1", "+1234567890123456", ""),
        14155550148,
    ),
    "Email": ("ava", "åsa@example.com", "a b@example.com", "", 7),
    "Date": (
        *("04-20", "20.04.2001", "2001-4-20", "2001-13-01", "", "2001-04-20T00:00:00Z"),
        20010420,
    ),
    "Address": (
        *({}, {"planet": "Earth"}, {"country": "UK"}, {"locality": "x" * 1001}, {"locality": 7}),
        *("Leeds", []),
    ),
}


@fact(TYPES, rows=[(kind, value) for kind, values in BAD.items() for value in values])
def a_value_of_another_type_is_refused(square: Square, kind: str, value: object) -> None:
    """400, and nothing is set."""
    defined(square, kind)
    customer = square.create(given_name="A")
    body = {"custom_attribute": {"value": value}}
    assert told(square, "POST", path(customer), body)[0] == 400
    assert told(square, "GET", path(customer)) == NOT_FOUND


@fact(TYPES, rows=[([0],), ([0, 1],), ([1, 0],), ([2],)])
def a_selection_is_a_list_of_uuids(square: Square, numbers: list[int]) -> None:
    """Up to maxItems of them."""
    uuids = chosen(square, "Tea", "Coffee", "Water", most=2)
    value = [uuids[number] for number in numbers]
    assert put(square, square.create(given_name="A"), value)["value"] == value


@fact(TYPES, rows=[([0, 1, 2],), ([0, 0],), (["Tea"],), ([MISSING],), ("Tea",), ([7],)])
def other_selections_are_refused(square: Square, asked: Any) -> None:
    """Too many, one twice, a label or an unknown UUID."""
    uuids = chosen(square, "Tea", "Coffee", "Water", most=2)
    value = asked
    if isinstance(asked, list) and all(one in (0, 1, 2) for one in asked):
        value = [uuids[number] for number in asked]
    body = {"custom_attribute": {"value": value}}
    assert told(square, "POST", path(square.create(given_name="A")), body)[0] == 400


# In bulk

BULKS = f"{REFERENCE}: BulkUpsertCustomerCustomAttributes"


def entry(customer: Any, value: object, key: str = "drink", **more: Any) -> dict[str, Any]:
    """One value of a bulk-upsert."""
    attribute = {"key": key, "value": value, **more}
    return {"customer_id": customer["id"], "custom_attribute": attribute}


@fact(BULKS)
def a_bulk_upsert_answers_by_its_ids(square: Square) -> None:
    """Under values, not responses: the customer's id and the attribute."""
    defined(square)
    a, b = square.create(given_name="A"), square.create(given_name="B")
    body = {"values": {"r-1": entry(a, "Tea"), "r-2": entry(b, "Coffee")}}
    answer = square.ok("POST", BULK, body)
    assert list(answer) == ["values"]
    told = {
        key: (
            one["customer_id"],
            one["custom_attribute"]["value"],
            one["custom_attribute"]["version"],
        )
        for key, one in answer["values"].items()
    }
    assert told == {"r-1": (a["id"], "Tea", 1), "r-2": (b["id"], "Coffee", 1)}
    assert square.ok("GET", path(b))["custom_attribute"]["value"] == "Coffee"


@fact(BULKS)
def errors_of_a_bulk_upsert_are_inside(square: Square) -> None:
    """Each entry for itself; the answer is 200."""
    defined(square, "Boolean")
    a = square.create(given_name="A")
    body = {
        "values": {
            "good": entry(a, True),
            "type": entry(a, "yes"),
            "nobody": entry({"id": MISSING}, True),
            "nothing": entry(a, True, key="nothing"),
        }
    }
    values = square.ok("POST", BULK, body)["values"]
    assert {key for key, one in values.items() if "errors" in one} == {"type", "nobody", "nothing"}
    assert [error["code"] for error in values["nobody"]["errors"]] == ["NOT_FOUND"]
    assert values["good"]["custom_attribute"]["value"] is True


def entries(square: Square, number: int) -> dict[str, Any]:
    """So many entries of a bulk-upsert, each for a customer of its own."""
    defined(square)
    return {f"r-{i}": entry(square.create(given_name=f"N{i}"), "Tea") for i in range(number)}


@fact(BULKS)
def a_bulk_upsert_takes_25(square: Square) -> None:
    """1 to 25 entries."""
    answer = square.ok("POST", BULK, {"values": entries(square, 25)})
    assert sum("custom_attribute" in one for one in answer["values"].values()) == 25


@fact(BULKS, rows=[(26,), (0,)])
def other_numbers_of_entries_are_refused(square: Square, number: int) -> None:
    """400 for the call as a whole; nothing is set."""
    values = entries(square, number)
    assert told(square, "POST", BULK, {"values": values})[0] == 400
    for one in values.values():
        assert told(square, "GET", path({"id": one["customer_id"]})) == NOT_FOUND


@fact(BULKS)
def a_bulk_upsert_is_guarded_entry_by_entry(square: Square) -> None:
    """By the versions of the attributes."""
    defined(square)
    a, b = square.create(given_name="A"), square.create(given_name="B")
    for customer in (a, b):
        put(square, customer, "Tea")
    put(square, b, "Coffee")
    body = {"values": {"a": entry(a, "Water", version=1), "b": entry(b, "Water", version=1)}}
    values = square.ok("POST", BULK, body)["values"]
    assert values["a"]["custom_attribute"]["version"] == 2
    assert "errors" in values["b"]


# Scopes and versions


@fact(
    f"{REFERENCE}, OAuth permissions", rows=[("GET", DEFINITIONS), ("GET", path({"id": MISSING}))]
)
def reading_attributes_needs_customers_read(square: Square, method: str, where: str) -> None:
    """Write does not include read."""
    headers = bearer(square, "CUSTOMERS_WRITE")
    assert square.refused(method, where, headers=headers) == (403, [("INSUFFICIENT_SCOPES", "")])


@fact(
    f"{REFERENCE}, OAuth permissions",
    rows=[
        ("POST", DEFINITIONS),
        ("PUT", f"{DEFINITIONS}/drink"),
        ("DELETE", f"{DEFINITIONS}/drink"),
        ("POST", path({"id": MISSING})),
        ("DELETE", path({"id": MISSING})),
        ("POST", BULK),
    ],
)
def writing_attributes_needs_customers_write(square: Square, method: str, where: str) -> None:
    """Read does not include write."""
    headers = bearer(square, "CUSTOMERS_READ")
    assert square.refused(method, where, headers=headers) == (403, [("INSUFFICIENT_SCOPES", "")])


@fact(f"{DOCUMENTATION}: Custom Attributes for Customers", rows=[("2022-04-20",), ("2021-07-21",)])
def attributes_came_with_2022_05_12(square: Square, version: str) -> None:
    """The minimum Square-Version; before there are none."""
    answer = square.send("GET", DEFINITIONS, headers=at(version))
    assert 400 <= answer.status_code < 500
    assert square.send("GET", DEFINITIONS, headers=at("2022-05-12")).status_code == 200


# What no source says


def failed(square: Square, kind: str | dict[str, Any], value: object) -> tuple[int, str]:
    """Set a value that must be refused; return its status and first code."""
    defined(square, kind)
    customer = square.create(given_name="A")
    return told(square, "POST", path(customer), {"custom_attribute": {"value": value}})


@fact(CHOICE, choice="custom attributes, version")
def an_older_version_is_a_conflict(square: Square) -> None:
    """409, of a definition and of a value; before the first value the version is 0."""
    defined(square)
    body = {"custom_attribute_definition": {"name": "B", "version": 1}}
    square.ok("PUT", f"{DEFINITIONS}/drink", body)
    body = {"custom_attribute_definition": {"name": "C", "version": 1}}
    assert told(square, "PUT", f"{DEFINITIONS}/drink", body) == (409, "CONFLICT")
    customer = square.create(given_name="A")
    value = {"custom_attribute": {"value": "Tea", "version": 1}}
    assert told(square, "POST", path(customer), value) == (400, "BAD_REQUEST")
    put(square, customer, "Tea", version=0)
    put(square, customer, "Coffee")
    assert told(square, "POST", path(customer), value) == (409, "CONFLICT")


@fact(CHOICE, choice="custom attributes, a write that changes nothing")
def a_write_without_effect_keeps_the_version(square: Square) -> None:
    """Of a definition and of a value; updated_at stays too."""
    made = defined(square)
    customer = square.create(given_name="A")
    value = put(square, customer, "Tea")
    after(square, 60)
    body = {"custom_attribute_definition": {"name": made["name"]}}
    answer = square.ok("PUT", f"{DEFINITIONS}/drink", body)
    assert answer == {"custom_attribute_definition": made}
    assert put(square, customer, "Tea") == value


@fact(CHOICE, choice="custom attributes, a repeated idempotency key")
def a_repeated_upsert_answers_whatever_happened_since(square: Square) -> None:
    """Even after the value was deleted, and without writing it again."""
    defined(square)
    customer = square.create(given_name="A")
    body = {"idempotency_key": "k-1", "custom_attribute": {"value": "Tea"}}
    first = square.ok("POST", path(customer), body)
    square.ok("DELETE", path(customer))
    assert square.ok("POST", path(customer), body) == first
    assert told(square, "GET", path(customer)) == NOT_FOUND


@fact(CHOICE, choice="Selection, an empty list as a value")
def nothing_can_be_chosen(square: Square) -> None:
    """An empty list is a value."""
    chosen(square, "Tea", most=1)
    assert put(square, square.create(given_name="A"), [])["value"] == []


@fact(
    CHOICE,
    choice="codes of values that do not fit their schema",
    rows=[
        ("String", 7, "EXPECTED_STRING"),
        ("String", "x" * 1001, "VALUE_TOO_LONG"),
        ("Boolean", "yes", "EXPECTED_BOOLEAN"),
        ("PhoneNumber", "12", "INVALID_PHONE_NUMBER"),
        ("Email", "x", "INVALID_EMAIL_ADDRESS"),
        ("Date", "x", "INVALID_TIME"),
        ("Address", "Leeds", "EXPECTED_OBJECT"),
        ("Address", {"country": "UK"}, "INVALID_ENUM_VALUE"),
    ],
)
def values_that_do_not_fit_have_a_code(square: Square, kind: str, value: object, code: str) -> None:
    """That of the like field of a customer."""
    assert failed(square, kind, value) == (400, code)


@fact(
    TYPES,
    choice="DateTime and Duration",
    rows=[("DateTime", "2001-04-20T10:00:00Z", "2001-04-20"), ("Duration", "P1DT2H", "1 day")],
)
def moments_and_durations_are_iso_8601(square: Square, kind: str, good: str, bad: str) -> None:
    """They are in the schema file; whether Square takes them is not told."""
    defined(square, kind)
    customer = square.create(given_name="A")
    assert put(square, customer, good)["value"] == good
    body = {"custom_attribute": {"value": bad}}
    assert told(square, "POST", path(customer), body)[0] == 400


@fact(CHOICE, choice="null as a value", rows=[(None,), ("absent",)])
def null_is_no_value(square: Square, value: object) -> None:
    """As if absent, so refused; an empty text is one."""
    defined(square)
    body: dict[str, Any] = {"custom_attribute": {} if value else {"value": None}}
    customer = square.create(given_name="A")
    assert told(square, "POST", path(customer), body)[0] == 400
    assert put(square, customer, "")["value"] == ""


@fact(CHOICE, choice="custom attributes of merged profiles")
def values_of_merged_profiles_go_to_the_new_one(square: Square) -> None:
    """The first wins, the others fill its gaps; old ids read the same, and do not write."""
    many(square, 2)
    a, b = square.create(given_name="A"), square.create(given_name="B")
    first = put(square, a, "of A", "k-0")
    put(square, b, "of B", "k-0")
    second = put(square, b, "of B", "k-1")
    c = merged(square, a, b)
    for customer in (a, b, c):
        listed = square.ok("GET", f"{path_of(customer)}/custom-attributes")["custom_attributes"]
        assert listed == [first, second]
    body = {"custom_attribute": {"value": "x"}}
    assert told(square, "POST", path(a, "k-0"), body) == NOT_FOUND


@fact(CHOICE, choice="custom attributes, version of their customer")
def a_value_is_no_change_of_its_customer(square: Square) -> None:
    """A bulk-upsert raises no version either."""
    defined(square)
    customer = square.create(given_name="A")
    square.ok("POST", BULK, {"values": {"a": entry(customer, "Tea")}})
    assert square.get(customer["id"]) == customer


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_custom_attributes(opened: Opened, check: Check) -> None:
    """Values are as the documents say."""
    check.hold(opened)
