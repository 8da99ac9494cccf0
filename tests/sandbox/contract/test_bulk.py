"""Bulk calls: every entry for itself, in an answer that is 200 whatever became of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    DOCUMENTATION,
    MISSING,
    OVERVIEW,
    REFERENCE,
    Check,
    Facts,
    instant_profile,
    path_of,
)

fact = Facts()

HANDLING = f"{DOCUMENTATION}: Handling Errors"
NOT_FOUND = {
    "code": "NOT_FOUND",
    "detail": f"Customer with ID `{MISSING}` not found.",
    "category": "INVALID_REQUEST_ERROR",
}


def bulk(square: Square, call: str, content: object) -> Any:
    """Make a bulk call that must be run; return its responses."""
    name = "customers" if call in ("create", "update") else "customer_ids"
    answer = square.ok("POST", f"{CUSTOMERS}/bulk-{call}", {name: content})
    assert list(answer) == ["responses"]
    return answer["responses"]


def refused(square: Square, call: str, body: object) -> tuple[int, list[tuple[str, str]]]:
    """Make a bulk call that must be refused as a whole; return how."""
    return square.refused("POST", f"{CUSTOMERS}/bulk-{call}", body)


def codes(answer: Any) -> list[str]:
    """The codes of an entry's errors."""
    return [error["code"] for error in answer["errors"]]


# What each call answers


@fact(f"{REFERENCE}: BulkCreateCustomers")
def a_bulk_create_answers_by_key(square: Square) -> None:
    """A map from each idempotency key to its customer."""
    answers = bulk(square, "create", {"k-1": {"given_name": "A"}, "k-2": {"given_name": "B"}})
    assert {key: one["customer"]["given_name"] for key, one in answers.items()} == {
        "k-1": "A",
        "k-2": "B",
    }
    assert {one["customer"]["version"] for one in answers.values()} == {0}
    assert {one["customer"]["creation_source"] for one in answers.values()} == {"THIRD_PARTY"}


@fact(f"{REFERENCE}: BulkRetrieveCustomers")
def a_bulk_retrieve_answers_by_id(square: Square) -> None:
    """A map from each id to its customer, as retrieving it alone would show it."""
    ids = [square.create(given_name="A", email_address="a@example.com")["id"] for _ in "ab"]
    answers = bulk(square, "retrieve", ids)
    assert answers == {one: {"customer": square.get(one)} for one in ids}


@fact(f"{REFERENCE}: BulkUpdateCustomers")
def a_bulk_update_answers_by_id(square: Square) -> None:
    """A map from each id to its customer after the change; each sparse."""
    ids = [square.create(given_name=name, note="n")["id"] for name in "AB"]
    answers = bulk(square, "update", {ids[0]: {"nickname": "a"}, ids[1]: {"note": "m"}})
    first, second = (answers[one]["customer"] for one in ids)
    assert (first["nickname"], first["note"], first["version"]) == ("a", "n", 1)
    assert (second["given_name"], second["note"], second["version"]) == ("B", "m", 1)


@fact(f"{REFERENCE}: BulkDeleteCustomers")
def a_bulk_delete_answers_empty_objects(square: Square) -> None:
    """A map from each id to {}."""
    ids = [square.create(given_name="A")["id"] for _ in "ab"]
    assert bulk(square, "delete", ids) == {one: {} for one in ids}
    assert square.ok("GET", CUSTOMERS) == {}


# Errors inside


@fact(HANDLING)
def a_bulk_call_answers_200_even_if_every_entry_failed(square: Square) -> None:
    """Look inside each entry."""
    answers = bulk(square, "create", {"k-1": {}, "k-2": {"given_name": "A", "birthday": "x"}})
    assert codes(answers["k-1"]) == ["BAD_REQUEST"]
    assert codes(answers["k-2"]) == ["INVALID_TIME"]


@fact(f"{REFERENCE}: BulkCreateCustomers, errors")
def an_error_inside_has_the_same_members(square: Square) -> None:
    """Code, detail, field and category, as alone."""
    answers = bulk(square, "create", {"k-1": {"family_name": "Okafor", "phone_number": "12"}})
    alone = square.send("POST", CUSTOMERS, json={"family_name": "Okafor", "phone_number": "12"})
    assert answers["k-1"] == alone.json()


@fact(f"{REFERENCE}: BulkRetrieveCustomers, example", rows=[("retrieve",), ("delete",)])
def an_unknown_id_inside_is_not_found(square: Square, call: str) -> None:
    """The literal text, in the entry of that id; the others are carried out."""
    customer = square.create(given_name="A")
    answers = bulk(square, call, [MISSING, customer["id"]])
    assert answers[MISSING] == {"errors": [NOT_FOUND]}
    assert "errors" not in answers[customer["id"]]


@fact(f"{REFERENCE}: BulkUpdateCustomers")
def an_unknown_id_of_an_update_is_not_found(square: Square) -> None:
    """The literal text as well."""
    assert bulk(square, "update", {MISSING: {"nickname": "a"}}) == {
        MISSING: {"errors": [NOT_FOUND]}
    }


@fact(HANDLING)
def entries_fail_for_themselves(square: Square) -> None:
    """What one does to the others is nothing; there is no rollback."""
    entries: dict[str, Any] = {
        "good-1": {"given_name": "A"},
        "phone": {"phone_number": "12"},
        "nobody": {},
        "good-2": {"given_name": "B"},
    }
    answers = bulk(square, "create", entries)
    assert {key for key, one in answers.items() if "customer" in one} == {"good-1", "good-2"}
    assert square.found() == ["A", "B"]


@fact(f"{REFERENCE}: BulkUpdateCustomers")
def a_stale_entry_does_not_stop_the_others(square: Square) -> None:
    """CONFLICT in its own entry."""
    ids = [square.create(given_name=name)["id"] for name in "AB"]
    square.ok("PUT", f"{CUSTOMERS}/{ids[0]}", {"note": "n"})
    entries = {one: {"nickname": "x", "version": 0} for one in ids}
    answers = bulk(square, "update", entries)
    assert codes(answers[ids[0]]) == ["CONFLICT"]
    assert answers[ids[1]]["customer"]["nickname"] == "x"


@fact(CHOICE, choice="wrong JSON type inside a bulk entry", rows=[(7,), ([],), ("x",), (None,)])
def an_entry_must_be_an_object(square: Square, entry: object) -> None:
    """If it is not, that is an error of that entry alone."""
    answers = bulk(square, "create", {"k-1": entry, "k-2": {"given_name": "A"}})
    assert codes(answers["k-1"]) == ["EXPECTED_OBJECT"]
    assert "customer" in answers["k-2"]


@fact(CHOICE, choice="wrong JSON type inside a bulk entry")
def a_value_of_the_wrong_type_is_an_error_of_its_entry(square: Square) -> None:
    """The other entries are carried out."""
    answers = bulk(square, "create", {"k-1": {"given_name": 7}, "k-2": {"given_name": "A"}})
    assert codes(answers["k-1"]) == ["EXPECTED_STRING"]
    assert "customer" in answers["k-2"]


@fact(
    f"{REFERENCE}: BulkCreateCustomerData",
    choice="unknown and read-only fields",
    rows=[("idempotency_key", "x"), ("version", 0), ("id", MISSING), ("shoe", 38)],
)
def fields_bulk_create_does_not_have_are_refused(square: Square, name: str, value: object) -> None:
    """The same data as create, without an inner idempotency_key."""
    answers = bulk(square, "create", {"k-1": {"given_name": "A", name: value}})
    assert codes(answers["k-1"]) == ["BAD_REQUEST"]


@fact(CHOICE, choice="unknown and read-only fields", rows=[("shoe", 38), ("group_ids", [])])
def fields_bulk_update_does_not_have_are_refused(square: Square, name: str, value: object) -> None:
    """Unlike those of a single update."""
    customer = square.create(given_name="A")
    answers = bulk(square, "update", {customer["id"]: {"nickname": "a", name: value}})
    assert codes(answers[customer["id"]]) == ["BAD_REQUEST"]


@fact(f"{REFERENCE}: BulkUpdateCustomers", rows=[({},), ({"version": 0},)])
def an_empty_entry_of_a_bulk_update_is_refused(square: Square, entry: dict[str, Any]) -> None:
    """At least one field must be set, as in a single update."""
    customer = square.create(given_name="A")
    answers = bulk(square, "update", {customer["id"]: entry})
    assert answers[customer["id"]]["errors"][0]["detail"] == (
        "At least one field must be set to update a customer."
    )


@fact(f"{OVERVIEW}, Avoiding duplicate customer profiles")
def bulk_create_makes_duplicates(square: Square) -> None:
    """BulkCreateCustomers doesn't check for duplicate records, inside one call neither."""
    same = {"given_name": "A", "email_address": "a@example.com"}
    answers = bulk(square, "create", {"k-1": same, "k-2": same})
    assert answers["k-1"]["customer"]["id"] != answers["k-2"]["customer"]["id"]


@fact(f"{REFERENCE}: BulkDeleteCustomers")
def a_bulk_delete_has_no_versions(square: Square) -> None:
    """It deletes whatever was written since."""
    customer = square.create(given_name="A")
    square.ok("PUT", path_of(customer), {"note": "n"})
    assert bulk(square, "delete", [customer["id"]]) == {customer["id"]: {}}


# How many


def ids_of(number: int) -> list[str]:
    """Distinct ids that nothing has."""
    return [f"{i:026}" for i in range(number)]


@fact(f"{REFERENCE}: BulkCreateCustomers")
def a_bulk_create_takes_100(square: Square) -> None:
    """1 to 100 entries."""
    answers = bulk(square, "create", {f"k-{i}": {"given_name": "A"} for i in range(100)})
    assert sum("customer" in one for one in answers.values()) == 100


@fact(f"{DOCUMENTATION}: Retrieve Customer Profiles", rows=[("retrieve",)])
@fact(CHOICE, choice="bulk calls with none or too many entries", rows=[("delete",)])
def a_list_of_ids_takes_100(square: Square, call: str) -> None:
    """1 to 100 ids."""
    assert len(bulk(square, call, ids_of(100))) == 100


@fact(f"{REFERENCE}: BulkUpdateCustomers")
def a_bulk_update_takes_100(square: Square) -> None:
    """1 to 100 entries."""
    assert len(bulk(square, "update", {one: {"note": "n"} for one in ids_of(100)})) == 100


CODES = f"{REFERENCE}, error codes"
TOO_MANY = "bulk calls with none or too many entries"


@fact(CODES, choice=TOO_MANY, rows=[("create",), ("update",)])
def a_map_of_101_is_refused(square: Square, call: str) -> None:
    """400 TOO_MANY_MAP_ENTRIES for the call as a whole; nothing is run."""
    entries = {one: {"given_name": "A"} for one in ids_of(101)}
    told = refused(square, call, {"customers": entries})
    assert told == (400, [("TOO_MANY_MAP_ENTRIES", "customers")])
    assert square.ok("GET", CUSTOMERS) == {}


@fact(CODES, choice=TOO_MANY, rows=[("retrieve",), ("delete",)])
def a_list_of_101_is_refused(square: Square, call: str) -> None:
    """400 ARRAY_LENGTH_TOO_LONG for the call as a whole; nothing is run."""
    customer = square.create(given_name="A")
    told = refused(square, call, {"customer_ids": [customer["id"], *ids_of(100)]})
    assert told == (400, [("ARRAY_LENGTH_TOO_LONG", "customer_ids")])
    assert square.get(customer["id"])["given_name"] == "A"


@fact(CODES, choice=TOO_MANY, rows=[("create",), ("update",)])
def an_empty_map_is_refused(square: Square, call: str) -> None:
    """400 VALUE_EMPTY."""
    told = refused(square, call, {"customers": {}})
    assert told == (400, [("VALUE_EMPTY", "customers")])


@fact(CODES, choice=TOO_MANY, rows=[("retrieve",), ("delete",)])
def an_empty_list_is_refused(square: Square, call: str) -> None:
    """400 ARRAY_EMPTY."""
    told = refused(square, call, {"customer_ids": []})
    assert told == (400, [("ARRAY_EMPTY", "customer_ids")])


@fact(
    CODES,
    rows=[
        ("create", {}, "MISSING_REQUIRED_PARAMETER"),
        ("retrieve", {}, "MISSING_REQUIRED_PARAMETER"),
        ("create", {"customers": []}, "EXPECTED_OBJECT"),
        ("update", {"customers": "x"}, "EXPECTED_OBJECT"),
        ("retrieve", {"customer_ids": {}}, "EXPECTED_ARRAY"),
        ("delete", {"customer_ids": MISSING}, "EXPECTED_ARRAY"),
        ("delete", {"customer_ids": [7]}, "EXPECTED_STRING"),
        ("create", {"customers": {"k": {}}, "shoe": 38}, "BAD_REQUEST"),
    ],
)
def a_bulk_body_of_another_form_is_refused(
    square: Square, call: str, body: dict[str, Any], code: str
) -> None:
    """Top-level errors and a 4xx: the call as a whole was not run."""
    status, problems = refused(square, call, body)
    assert (status, problems[0][0]) == (400, code)


@fact(
    CHOICE,
    choice="repeated ids in bulk-retrieve and bulk-delete",
    rows=[("retrieve",), ("delete",)],
)
def a_repeated_id_is_answered_once(square: Square, call: str) -> None:
    """One answer per distinct id: no second one says NOT_FOUND."""
    customer = square.create(given_name="A")
    answers = bulk(square, call, [customer["id"]] * 3)
    assert list(answers) == [customer["id"]]
    assert "errors" not in answers[customer["id"]]


# Keys of a bulk-create


@fact(CODES, choice="idempotency key, length", rows=[("k" * 46,), ("鍵" * 46,)])
def a_key_of_46_characters_is_too_long(square: Square, key: str) -> None:
    """400 MAP_KEY_LENGTH_TOO_LONG."""
    told = refused(square, "create", {"customers": {key: {"given_name": "A"}}})
    assert told == (400, [("MAP_KEY_LENGTH_TOO_LONG", "customers")])


@fact(CHOICE, choice="idempotency key, an unusable one in bulk-create", rows=[("k" * 46,), ("",)])
def an_unusable_key_refuses_the_call(square: Square, key: str) -> None:
    """The other entries are not run either."""
    entries = {"k-1": {"given_name": "A"}, key: {"given_name": "B"}}
    assert refused(square, "create", {"customers": entries})[0] == 400
    assert square.ok("GET", CUSTOMERS) == {}


@fact(CODES, choice="idempotency key, length")
def an_empty_key_is_too_short(square: Square) -> None:
    """400 MAP_KEY_LENGTH_TOO_SHORT."""
    told = refused(square, "create", {"customers": {"": {"given_name": "A"}}})
    assert told == (400, [("MAP_KEY_LENGTH_TOO_SHORT", "customers")])


@fact(CHOICE, choice="idempotency key, length", rows=[("k",), ("k" * 45,), ("ключ 鍵 🔑",)])
def a_key_of_1_to_45_characters_is_good(square: Square, key: str) -> None:
    """Whatever the characters are."""
    assert "customer" in bulk(square, "create", {key: {"given_name": "A"}})[key]


# Instant profiles


@fact(f"{OVERVIEW}, Accessing instant profiles that have no public information")
def instant_profiles_are_reached_in_bulk(square: Square) -> None:
    """By their id they are retrieved, updated and deleted."""
    customer = instant_profile(square)
    one = customer["id"]
    assert bulk(square, "retrieve", [one]) == {one: {"customer": customer}}
    assert bulk(square, "update", {one: {"note": "n"}})[one]["customer"]["note"] == "n"
    assert bulk(square, "delete", [one]) == {one: {}}


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_bulk(opened: Opened, check: Check) -> None:
    """Bulk calls are as the documents say."""
    check.hold(opened)
