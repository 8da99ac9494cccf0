"""Definitions of custom attributes: keys, words, schemas, visibility, whose they are."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.attributes import (
    CONCEPTS,
    DEFINITIONS,
    NOT_FOUND,
    SCHEMAS,
    chosen,
    defined,
    definition,
    many,
    path,
    put,
    schema,
    selection,
)
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    REFERENCE,
    TYPES,
    Check,
    Facts,
    after,
    bearer,
    path_of,
    told,
)

fact = Facts()

DEFINITION = f"{REFERENCE}: CustomAttributeDefinition"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


@fact(DEFINITION)
def a_definition_in_full(square: Square) -> None:
    """What was sent, a version that begins at 1, and two times."""
    made = defined(square)
    times = {name: made.pop(name) for name in ("created_at", "updated_at")}
    assert made == definition() | {"version": 1}
    assert all(time.startswith("2025-09-01T08:15:30") for time in times.values())


@fact(f"{REFERENCE}: RetrieveCustomerCustomAttributeDefinition")
def a_definition_is_retrieved_by_key(square: Square) -> None:
    """As it was created."""
    made = defined(square)
    answer = square.ok("GET", f"{DEFINITIONS}/drink")
    assert answer == {"custom_attribute_definition": made}


@fact(DEFINITION)
def a_definition_is_hidden_by_default(square: Square) -> None:
    """VISIBILITY_HIDDEN; then it needs neither a name nor a description."""
    body = {"custom_attribute_definition": {"key": "drink", "schema": schema("String")}}
    made = square.ok("POST", DEFINITIONS, body)["custom_attribute_definition"]
    assert made["visibility"] == "VISIBILITY_HIDDEN"
    assert {"name", "description"}.isdisjoint(made)


@fact(
    DEFINITION,
    rows=[
        (visibility, member)
        for visibility in ("VISIBILITY_READ_ONLY", "VISIBILITY_READ_WRITE_VALUES")
        for member in ("name", "description")
    ],
)
def a_visible_definition_needs_words(square: Square, visibility: str, member: str) -> None:
    """A name and a description are required unless it is hidden."""
    asked = definition(visibility=visibility)
    del asked[member]
    assert told(square, "POST", DEFINITIONS, {"custom_attribute_definition": asked})[0] == 400


@fact(DEFINITION, rows=[("key",), ("schema",)])
def a_definition_needs_a_key_and_a_schema(square: Square, member: str) -> None:
    """Both are required on create."""
    asked = definition()
    del asked[member]
    assert told(square, "POST", DEFINITIONS, {"custom_attribute_definition": asked})[0] == 400


@fact(DEFINITION, rows=[("k",), ("k" * 60,), ("A.b_c-9",), ("0",)])
def a_key_has_letters_digits_and_three_signs(square: Square, key: str) -> None:
    """Up to 60 alphanumeric characters, periods, underscores and hyphens."""
    assert defined(square, key=key)["key"] == key
    assert square.ok("GET", f"{DEFINITIONS}/{key}")["custom_attribute_definition"]["key"] == key


@fact(DEFINITION, rows=[("",), ("k" * 61,), ("two words",), ("größe",), ("a/b",), ("a:b:c",)])
def other_keys_are_refused(square: Square, key: str) -> None:
    """400."""
    body = {"custom_attribute_definition": definition(key=key)}
    assert told(square, "POST", DEFINITIONS, body)[0] == 400


@fact(DEFINITION)
def a_key_is_unique(square: Square) -> None:
    """Per application, seller and resource."""
    defined(square)
    body = {"custom_attribute_definition": definition(name="Another")}
    assert 400 <= told(square, "POST", DEFINITIONS, body)[0] < 500
    assert len(square.ok("GET", DEFINITIONS)["custom_attribute_definitions"]) == 1


@fact(DEFINITION)
def a_visible_name_is_unique(square: Square) -> None:
    """Case-sensitively."""
    defined(square)
    body = {"custom_attribute_definition": definition(key="other")}
    assert 400 <= told(square, "POST", DEFINITIONS, body)[0] < 500
    assert defined(square, key="other", name="FAVOURITE DRINK")["key"] == "other"


@fact(DEFINITION, rows=[("name",), ("description",)])
def words_have_255_characters_at_most(square: Square, member: str) -> None:
    """At the limit they are kept, over it refused."""
    assert defined(square, **{member: "n" * 255})[member] == "n" * 255
    asked = definition(**({"key": "k2", "name": "Other"} | {member: "n" * 256}))
    assert told(square, "POST", DEFINITIONS, {"custom_attribute_definition": asked})[0] == 400


@fact(DEFINITION, rows=[("VISIBILITY_PUBLIC",), ("hidden",)])
def visibility_is_an_enumeration(square: Square, visibility: str) -> None:
    """One of three values."""
    body = {"custom_attribute_definition": definition(visibility=visibility)}
    assert told(square, "POST", DEFINITIONS, body)[0] == 400


@fact(
    TYPES,
    rows=[
        ({"$ref": f"{SCHEMAS}Colour"},),
        ({"$ref": "https://example.com/common.json#squareup.common.String"},),
        ({},),
        ("String",),
        ({"type": "string"},),
    ],
)
def a_schema_names_a_type(square: Square, asked: object) -> None:
    """Of the published file, or it is a selection inline."""
    body = {"custom_attribute_definition": definition() | {"schema": asked}}
    assert told(square, "POST", DEFINITIONS, body)[0] == 400


@fact(
    TYPES,
    rows=[
        (kind,)
        for kind in ("String", "Number", "Boolean", "PhoneNumber", "Email", "Date", "Address")
    ],
)
def every_type_can_be_defined(square: Square, kind: str) -> None:
    """Its schema comes back as it was sent."""
    assert defined(square, kind)["schema"] == schema(kind)


@fact(f"{REFERENCE}, event examples")
def a_selection_gets_a_uuid_per_name(square: Square) -> None:
    """The response adds items.enum, one UUID for each of items.names."""
    asked = selection("Tea", "Coffee", "Water", most=2)
    made = defined(square, asked)["schema"]
    uuids = made["items"].pop("enum")
    assert made == asked
    assert len(set(uuids)) == 3
    assert all(UUID.fullmatch(uuid) for uuid in uuids)


@fact(f"{REFERENCE}: UpdateCustomerCustomAttributeDefinition")
def a_definition_is_updated_sparsely(square: Square) -> None:
    """Only the members given change, and the version rises by one."""
    made = defined(square)
    after(square, 60)
    body = {"custom_attribute_definition": {"description": "New"}}
    changed = square.ok("PUT", f"{DEFINITIONS}/drink", body)["custom_attribute_definition"]
    assert changed["updated_at"] > made["updated_at"]
    assert changed == made | {
        "description": "New",
        "version": 2,
        "updated_at": changed["updated_at"],
    }


@fact(f"{REFERENCE}: UpdateCustomerCustomAttributeDefinition", rows=[("name",), ("visibility",)])
def names_and_visibility_can_be_updated(square: Square, member: str) -> None:
    """Besides the description."""
    defined(square)
    value = "VISIBILITY_READ_ONLY" if member == "visibility" else "New"
    body = {"custom_attribute_definition": {member: value}}
    square.ok("PUT", f"{DEFINITIONS}/drink", body)
    shown = square.ok("GET", f"{DEFINITIONS}/drink")["custom_attribute_definition"]
    assert shown[member] == value


@fact(DEFINITION)
def a_key_is_fixed_for_ever(square: Square) -> None:
    """It cannot be changed after the definition is created."""
    made = defined(square)
    body = {"custom_attribute_definition": {"key": "other"}}
    square.send("PUT", f"{DEFINITIONS}/drink", json=body)
    assert told(square, "GET", f"{DEFINITIONS}/other") == NOT_FOUND
    shown = square.ok("GET", f"{DEFINITIONS}/drink")["custom_attribute_definition"]
    assert shown["key"] == made["key"]


@fact(f"{REFERENCE}: UpdateCustomerCustomAttributeDefinition")
def names_of_a_selection_can_be_added(square: Square) -> None:
    """The UUIDs of those that were there stay, so that values keep their meaning."""
    before = defined(square, selection("Tea", "Coffee"))["schema"]["items"]
    body = {"custom_attribute_definition": {"schema": selection("Tea", "Coffee", "Water")}}
    changed = square.ok("PUT", f"{DEFINITIONS}/drink", body)["custom_attribute_definition"]
    items = changed["schema"]["items"]
    assert items["names"] == ["Tea", "Coffee", "Water"]
    assert items["enum"][:2] == before["enum"]
    assert len(set(items["enum"])) == 3


@fact(CONCEPTS)
def an_outdated_version_of_a_definition_is_refused(square: Square) -> None:
    """Stale writes are rejected."""
    defined(square)
    body: dict[str, Any] = {"custom_attribute_definition": {"name": "B", "version": 1}}
    square.ok("PUT", f"{DEFINITIONS}/drink", body)
    assert told(square, "PUT", f"{DEFINITIONS}/drink", body)[0] in (400, 409)
    body["custom_attribute_definition"] = {"name": "C", "version": 2}
    square.ok("PUT", f"{DEFINITIONS}/drink", body)


@fact(CONCEPTS)
def a_version_of_a_definition_beyond_the_current_is_refused(square: Square) -> None:
    """BAD_REQUEST."""
    defined(square)
    body = {"custom_attribute_definition": {"name": "B", "version": 7}}
    assert told(square, "PUT", f"{DEFINITIONS}/drink", body) == (400, "BAD_REQUEST")


@fact(f"{REFERENCE}: RetrieveCustomerCustomAttributeDefinition", rows=[("1", 200), ("2", 400)])
def a_definition_of_at_least_a_version(square: Square, version: str, status: int) -> None:
    """The query parameter asks for at least that version; beyond the current BAD_REQUEST."""
    defined(square)
    answer = square.send("GET", f"{DEFINITIONS}/drink", params={"version": version})
    assert answer.status_code == status


@fact(f"{REFERENCE}: DeleteCustomerCustomAttributeDefinition")
def deleting_a_definition_deletes_every_value(square: Square) -> None:
    """{}; then neither it nor any value is found."""
    defined(square)
    customers = [square.create(given_name=name) for name in "AB"]
    for customer in customers:
        put(square, customer, "Tea")
    assert square.ok("DELETE", f"{DEFINITIONS}/drink") == {}
    assert told(square, "GET", f"{DEFINITIONS}/drink") == NOT_FOUND
    for customer in customers:
        assert told(square, "GET", path(customer)) == NOT_FOUND
        assert square.ok("GET", f"{path_of(customer)}/custom-attributes") == {}


@fact(f"{REFERENCE}: DeleteCustomerCustomAttributeDefinition")
def a_value_does_not_come_back_with_its_definition(square: Square) -> None:
    """The key defined anew begins without values."""
    defined(square)
    customer = square.create(given_name="A")
    put(square, customer, "Tea")
    square.ok("DELETE", f"{DEFINITIONS}/drink")
    defined(square)
    assert told(square, "GET", path(customer)) == NOT_FOUND


@fact(f"{REFERENCE}, error codes", rows=[("GET",), ("PUT",), ("DELETE",)])
def an_unknown_definition_is_not_found(square: Square, method: str) -> None:
    """404 NOT_FOUND."""
    body = {"custom_attribute_definition": {"name": "B"}} if method == "PUT" else None
    assert told(square, method, f"{DEFINITIONS}/nothing", body) == NOT_FOUND


LISTING = f"{REFERENCE}: ListCustomerCustomAttributeDefinitions"


@fact(LISTING)
def a_list_has_20_definitions_by_default(square: Square) -> None:
    """And a cursor for the rest."""
    keys = many(square, 21)
    first = square.ok("GET", DEFINITIONS)
    second = square.ok("GET", DEFINITIONS, params={"cursor": first["cursor"]})
    names = "custom_attribute_definitions"
    assert (len(first[names]), len(second[names]), "cursor" in second) == (20, 1, False)
    assert {one["key"] for one in first[names] + second[names]} == keys


@fact(LISTING, rows=[("1", 1), ("100", 3)])
def limits_of_definitions_are_1_and_100(square: Square, limit: str, size: int) -> None:
    """Both bounds are good."""
    many(square, 3)
    answer = square.ok("GET", DEFINITIONS, params={"limit": limit})
    assert len(answer["custom_attribute_definitions"]) == size


@fact(LISTING, rows=[("0", "VALUE_TOO_LOW"), ("101", "VALUE_TOO_HIGH")])
def other_limits_of_definitions_are_refused(square: Square, limit: str, code: str) -> None:
    """400."""
    assert square.refused("GET", DEFINITIONS, params={"limit": limit}) == (400, [(code, "limit")])


@fact(LISTING)
def no_definitions_are_an_empty_object(square: Square) -> None:
    """A key without values is left out."""
    assert square.ok("GET", DEFINITIONS) == {}


@fact(f"{REFERENCE}: CreateCustomerCustomAttributeDefinition")
def a_repeated_definition_answers_the_original(square: Square) -> None:
    """Same key and same body; 45 characters are good, 46 are too long."""
    body = {"idempotency_key": "k" * 45, "custom_attribute_definition": definition()}
    assert square.ok("POST", DEFINITIONS, body) == square.ok("POST", DEFINITIONS, body)
    body = {"idempotency_key": "k" * 46, "custom_attribute_definition": definition(key="b")}
    assert told(square, "POST", DEFINITIONS, body) == (400, "VALUE_TOO_LONG")


# What no source says


@fact(CHOICE, choice="custom attributes, applications")
def all_tokens_are_of_one_application(square: Square) -> None:
    """A further token sees, and may change, what another one defined."""
    made = defined(square, visibility="VISIBILITY_HIDDEN")
    headers = bearer(square, "CUSTOMERS_READ", "CUSTOMERS_WRITE")
    answer = square.ok("GET", f"{DEFINITIONS}/drink", headers=headers)
    assert answer == {"custom_attribute_definition": made}
    assert square.ok("DELETE", f"{DEFINITIONS}/drink", headers=headers) == {}


@fact(CHOICE, choice="custom attributes, own qualified keys")
def own_definitions_have_simple_keys(square: Square) -> None:
    """By a qualified key of one's own nothing is found."""
    defined(square)
    client_id = square.ok("POST", "/oauth2/token/status")["client_id"]
    assert told(square, "GET", f"{DEFINITIONS}/{client_id}:drink") == NOT_FOUND


@fact(CHOICE, choice="custom attributes, order of lists")
def lists_of_attributes_are_sorted_by_key(square: Square) -> None:
    """Definitions and values; their times are whole seconds."""
    customer = square.create(given_name="A")
    for key in ("b", "a", "c"):
        defined(square, key=key, name=f"Name {key}")
        put(square, customer, "x", key)
    definitions = square.ok("GET", DEFINITIONS)["custom_attribute_definitions"]
    values = square.ok("GET", f"{path_of(customer)}/custom-attributes")["custom_attributes"]
    assert [one["key"] for one in definitions] == ["a", "b", "c"]
    assert [one["key"] for one in values] == ["a", "b", "c"]
    assert {one["created_at"] for one in definitions + values} == {"2025-09-01T08:15:30Z"}


def of_others(square: Square) -> dict[str, Any]:
    """Seed a directory; return the definitions that others made, by the end of their key."""
    square.ok("POST", "/_sandbox/seed", {"profiles": 60, "seed": 5})
    definitions = square.ok("GET", DEFINITIONS)["custom_attribute_definitions"]
    return {
        "seller" if one["key"].startswith("square:") else "application": one
        for one in definitions
        if ":" in one["key"]
    }


@fact(f"{REFERENCE}: CustomAttributeDefinition, seller-defined")
def fields_of_the_seller_are_read_and_written(square: Square) -> None:
    """Their key is square: and a UUID; they are always VISIBILITY_READ_WRITE_VALUES."""
    field = of_others(square)["seller"]
    assert UUID.fullmatch(field["key"].removeprefix("square:"))
    assert field["visibility"] == "VISIBILITY_READ_WRITE_VALUES"
    value = field["schema"]["items"]["enum"][:1]
    customer = square.create(given_name="A")
    assert put(square, customer, value, field["key"])["value"] == value


@fact(
    f"{REFERENCE}: CustomAttributeDefinition, visibility",
    choice="custom attributes, another's that may only be read or not be redefined",
)
def attributes_of_another_application_are_its_own(square: Square) -> None:
    """Only the owner edits a definition; what may only be read is 403 FORBIDDEN."""
    others = of_others(square)
    readable = others["application"]
    assert readable["visibility"] == "VISIBILITY_READ_ONLY"
    body = {"custom_attribute": {"value": "Gold"}}
    where = path(square.create(given_name="A"), readable["key"])
    assert told(square, "POST", where, body) == (403, "FORBIDDEN")
    for one in others.values():
        change = {"custom_attribute_definition": {"description": "New"}}
        where = f"{DEFINITIONS}/{one['key']}"
        assert told(square, "PUT", where, change) == (403, "FORBIDDEN")
        assert told(square, "DELETE", where) == (403, "FORBIDDEN")


@fact(CHOICE, choice="custom attributes, another's that are hidden")
def hidden_attributes_of_others_are_not_there(square: Square) -> None:
    """Neither in a list nor by their key."""
    key = of_others(square)["application"]["key"].rpartition(":")[0]
    listed = square.ok("GET", DEFINITIONS)["custom_attribute_definitions"]
    assert "VISIBILITY_HIDDEN" not in {one["visibility"] for one in listed}
    assert told(square, "GET", f"{DEFINITIONS}/{key}:score") == NOT_FOUND


@fact(CHOICE, choice="custom attributes, unknown and read-only fields in a write")
def unknown_fields_of_attributes_are_refused(square: Square) -> None:
    """In a definition, in a value and beside them."""
    for name in ("shoe", "created_at", "updated_at"):
        body = {"custom_attribute_definition": definition(**{name: "x"})}
        assert told(square, "POST", DEFINITIONS, body) == (400, "BAD_REQUEST")
    defined(square)
    where = path(square.create(given_name="A"))
    for name in ("shoe", "visibility", "definition"):
        body = {"custom_attribute": {"value": "Tea", name: "x"}}
        assert told(square, "POST", where, body) == (400, "BAD_REQUEST")
    body = {"custom_attribute": {"value": "Tea"}, "shoe": {}}
    assert told(square, "POST", where, body) == (400, "BAD_REQUEST")


@fact(CHOICE, choice="attribute definitions, number")
def there_are_100_definitions_at_most(square: Square) -> None:
    """One more is BAD_REQUEST."""
    many(square, 100)
    body = {"custom_attribute_definition": definition()}
    assert told(square, "POST", DEFINITIONS, body) == (400, "BAD_REQUEST")


@fact(CHOICE, choice="attribute definitions, key or name of another")
def a_key_or_name_that_is_taken_is_a_conflict(square: Square) -> None:
    """409, on create and on update."""
    defined(square)
    defined(square, key="other", name="Other")
    same_key = {"custom_attribute_definition": definition(name="New")}
    same_name = {"custom_attribute_definition": definition(key="new")}
    assert told(square, "POST", DEFINITIONS, same_key) == (409, "CONFLICT")
    assert told(square, "POST", DEFINITIONS, same_name) == (409, "CONFLICT")
    body = {"custom_attribute_definition": {"name": "Favourite drink"}}
    assert told(square, "PUT", f"{DEFINITIONS}/other", body) == (409, "CONFLICT")


@fact(CHOICE, choice="attribute definitions, an empty name or description")
def an_empty_text_clears_the_words_of_a_definition(square: Square) -> None:
    """If it is hidden; a visible one needs them."""
    defined(square, visibility="VISIBILITY_HIDDEN")
    body = {"custom_attribute_definition": {"name": "", "description": ""}}
    changed = square.ok("PUT", f"{DEFINITIONS}/drink", body)["custom_attribute_definition"]
    assert {"name", "description"}.isdisjoint(changed)
    defined(square, key="other", name="Other")
    body = {"custom_attribute_definition": {"name": ""}}
    assert told(square, "PUT", f"{DEFINITIONS}/other", body)[0] == 400


@fact(
    CHOICE,
    choice="attribute definitions, an update that names nothing",
    rows=[({},), ({"version": 1},), ({"key": "drink"},)],
)
def an_update_of_a_definition_needs_a_field(square: Square, change: dict[str, Any]) -> None:
    """BAD_REQUEST."""
    defined(square)
    body = {"custom_attribute_definition": change}
    assert told(square, "PUT", f"{DEFINITIONS}/drink", body) == (400, "BAD_REQUEST")


@fact(
    CHOICE,
    choice="Selection, schema",
    rows=[
        ("$schema", None),
        ("type", None),
        ("uniqueItems", None),
        ("maxItems", None),
        ("items", None),
        ("uniqueItems", False),
        ("type", "object"),
        ("maxItems", 0),
        ("maxItems", 101),
        ("items", {"names": []}),
        ("items", {"names": ["Tea", "Tea"]}),
        ("items", {"names": [f"{number}" for number in range(101)]}),
    ],
)
def the_schema_of_a_selection_is_complete(square: Square, name: str, value: object) -> None:
    """All members are required; 1 to 100 options whose names differ."""
    asked = selection("Tea", "Coffee") | {name: value}
    if value is None:
        del asked[name]
    body = {"custom_attribute_definition": definition() | {"schema": asked}}
    assert told(square, "POST", DEFINITIONS, body)[0] == 400


@fact(CHOICE, choice="Selection, schema")
def a_selection_may_have_100_options(square: Square) -> None:
    """The maximum is allowed, and as many may be chosen."""
    names = [f"{number}" for number in range(100)]
    uuids = chosen(square, *names, most=100)
    assert put(square, square.create(given_name="A"), uuids)["value"] == uuids


@fact(CHOICE, choice="Selection, an update of its options")
def options_are_renamed_by_their_ids(square: Square) -> None:
    """With enum the ids belong to the names in their order."""
    tea, coffee = chosen(square, "Tea", "Coffee", most=1)
    schema = selection("Green tea", "Coffee")
    schema["items"]["enum"] = [tea, coffee]
    body = {"custom_attribute_definition": {"schema": schema}}
    changed = square.ok("PUT", f"{DEFINITIONS}/drink", body)["custom_attribute_definition"]
    assert changed["schema"]["items"] == {"names": ["Green tea", "Coffee"], "enum": [tea, coffee]}


@fact(CHOICE, choice="Selection, an update of its options")
def values_keep_options_that_were_taken_away(square: Square) -> None:
    """Though they cannot be chosen any more."""
    tea, coffee = chosen(square, "Tea", "Coffee", most=1)
    customer = square.create(given_name="A")
    put(square, customer, [tea])
    body = {"custom_attribute_definition": {"schema": selection("Coffee")}}
    changed = square.ok("PUT", f"{DEFINITIONS}/drink", body)["custom_attribute_definition"]
    assert changed["schema"]["items"]["enum"] == [coffee]
    assert square.ok("GET", path(customer))["custom_attribute"]["value"] == [tea]
    value = {"custom_attribute": {"value": [tea]}}
    assert told(square, "POST", path(square.create(given_name="B")), value)[0] == 400


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_custom_attribute_definitions(opened: Opened, check: Check) -> None:
    """Definitions are as the documents say."""
    check.hold(opened)
