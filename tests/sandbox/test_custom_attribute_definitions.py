"""Definitions of customers' custom attributes; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest

from etl.sandbox.assumptions import KEY_LIFETIME, MAX_DEFINITIONS, MAX_OPTIONS
from tests.sandbox.attributes import (
    BULK,
    COMMON,
    DEFINITIONS,
    SIMPLE,
    define,
    give,
    schema,
    seeded,
    selection,
    shown,
    values_of,
)
from tests.sandbox.conftest import Opened, Square

DRINK = {
    "key": "favorite-drink",
    "schema": schema("String"),
    "name": "Favorite Drink",
    "description": "The favorite drink of the customer",
    "visibility": "VISIBILITY_READ_WRITE_VALUES",
}
READ_ONLY = "VISIBILITY_READ_ONLY"
INSIDE = "custom_attribute_definition."


def create(square: Square, data: object, **more: Any) -> Any:
    """Make a definition of this data and return it."""
    body = {"custom_attribute_definition": data, **more}
    return square.ok("POST", DEFINITIONS, body)["custom_attribute_definition"]


def update(square: Square, key: str, data: object, **options: Any) -> Any:
    """Change a definition and return it."""
    body = {"custom_attribute_definition": data}
    answer = square.ok("PUT", f"{DEFINITIONS}/{key}", body, **options)
    return answer["custom_attribute_definition"]


def refused(square: Square, data: object, key: str = "") -> tuple[int, list[tuple[str, str]]]:
    """Send a create, or an update of a key, that must fail."""
    body = {"custom_attribute_definition": data}
    if key:
        return square.refused("PUT", f"{DEFINITIONS}/{key}", body)
    return square.refused("POST", DEFINITIONS, body)


def test_a_definition_is_created_and_retrieved(square: Square) -> None:
    """All that was given, version 1 and two times (Custom Attributes for Customers, example)."""
    made = create(square, DRINK)

    assert made == DRINK | {
        "version": 1,
        "created_at": "2025-09-01T08:15:30Z",
        "updated_at": "2025-09-01T08:15:30Z",
    }
    answer = square.ok("GET", f"{DEFINITIONS}/favorite-drink")
    assert answer == {"custom_attribute_definition": made}
    assert square.refused("GET", f"{DEFINITIONS}/favorite") == (404, [("NOT_FOUND", "")])


@pytest.mark.parametrize("kind", SIMPLE)
def test_every_type_is_a_reference_to_its_schema(square: Square, kind: str) -> None:
    """``$ref`` into Square's schema file, answered as it was given (schema file)."""
    assert define(square, "k", kind)["schema"] == {"$ref": COMMON + kind}


def test_it_is_hidden_unless_told_otherwise(square: Square) -> None:
    """VISIBILITY_HIDDEN by default; then neither name nor description is needed (reference)."""
    made = define(square, "k")

    assert made["visibility"] == "VISIBILITY_HIDDEN"
    assert not {"name", "description"} & set(made)


@pytest.mark.parametrize("visibility", [READ_ONLY, "VISIBILITY_READ_WRITE_VALUES"])
def test_what_others_see_has_a_name_and_a_description(square: Square, visibility: str) -> None:
    """Both are required unless it is hidden (API reference)."""
    data = {"key": "k", "schema": schema("Date"), "visibility": visibility}
    missing = "MISSING_REQUIRED_PARAMETER"

    assert refused(square, data) == (
        400,
        [(missing, f"{INSIDE}name"), (missing, f"{INSIDE}description")],
    )
    assert refused(square, data | {"name": "N"}) == (400, [(missing, f"{INSIDE}description")])
    assert refused(square, data | {"name": "", "description": "D"})[1] == [
        (missing, f"{INSIDE}name")
    ]
    assert create(square, data | {"name": "N", "description": "D"})["name"] == "N"


def changed(**members: Any) -> dict[str, Any]:
    """The example with other members; None takes one away."""
    return {name: value for name, value in (DRINK | members).items() if value is not None}


def with_selection(**members: Any) -> dict[str, Any]:
    """The example as a Selection with other members; None takes one away."""
    made = selection("Red") | members
    return changed(schema={name: value for name, value in made.items() if value is not None})


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("x", ("EXPECTED_OBJECT", "custom_attribute_definition")),
        (None, ("MISSING_REQUIRED_PARAMETER", "custom_attribute_definition")),
        (changed(key=None), ("MISSING_REQUIRED_PARAMETER", f"{INSIDE}key")),
        (changed(key=""), ("MISSING_REQUIRED_PARAMETER", f"{INSIDE}key")),
        (changed(key=7), ("EXPECTED_STRING", f"{INSIDE}key")),
        (changed(key="k" * 61), ("VALUE_TOO_LONG", f"{INSIDE}key")),
        (changed(key="favorite drink"), ("INVALID_VALUE", f"{INSIDE}key")),
        (changed(key="square:favorite"), ("INVALID_VALUE", f"{INSIDE}key")),
        (changed(key="boisson-préférée"), ("INVALID_VALUE", f"{INSIDE}key")),
        (changed(key="k\n"), ("INVALID_VALUE", f"{INSIDE}key")),
        (changed(name="n" * 256), ("VALUE_TOO_LONG", f"{INSIDE}name")),
        (changed(name=["n"]), ("EXPECTED_STRING", f"{INSIDE}name")),
        (changed(description="d" * 256), ("VALUE_TOO_LONG", f"{INSIDE}description")),
        (changed(visibility="VISIBLE"), ("INVALID_ENUM_VALUE", f"{INSIDE}visibility")),
        (changed(visibility=True), ("EXPECTED_STRING", f"{INSIDE}visibility")),
        (changed(version=1), ("BAD_REQUEST", f"{INSIDE}version")),
        (changed(colour="red"), ("BAD_REQUEST", f"{INSIDE}colour")),
        (changed(schema=None), ("MISSING_REQUIRED_PARAMETER", f"{INSIDE}schema")),
        (changed(schema="String"), ("EXPECTED_OBJECT", f"{INSIDE}schema")),
        (changed(schema={}), ("MISSING_REQUIRED_PARAMETER", f"{INSIDE}schema.$schema")),
        (changed(schema={"$ref": 1}), ("EXPECTED_STRING", f"{INSIDE}schema.$ref")),
        (changed(schema={"$ref": COMMON}), ("BAD_REQUEST", f"{INSIDE}schema")),
        (changed(schema={"$ref": COMMON + "Selection"}), ("BAD_REQUEST", f"{INSIDE}schema")),
        (changed(schema={"$ref": "x#squareup.common.String"}), ("BAD_REQUEST", f"{INSIDE}schema")),
        (
            changed(schema=schema("Date") | {"type": "string"}),
            ("BAD_REQUEST", f"{INSIDE}schema.type"),
        ),
        (with_selection(**{"$schema": COMMON}), ("BAD_REQUEST", f"{INSIDE}schema")),
        (with_selection(type="list"), ("INVALID_VALUE", f"{INSIDE}schema.type")),
        (with_selection(type=None), ("MISSING_REQUIRED_PARAMETER", f"{INSIDE}schema.type")),
        (with_selection(uniqueItems=False), ("INVALID_VALUE", f"{INSIDE}schema.uniqueItems")),
        (with_selection(uniqueItems=1), ("INVALID_VALUE", f"{INSIDE}schema.uniqueItems")),
        (with_selection(maxItems=None), ("MISSING_REQUIRED_PARAMETER", f"{INSIDE}schema.maxItems")),
        (with_selection(maxItems=0), ("VALUE_TOO_LOW", f"{INSIDE}schema.maxItems")),
        (with_selection(maxItems=MAX_OPTIONS + 1), ("VALUE_TOO_HIGH", f"{INSIDE}schema.maxItems")),
        (with_selection(maxItems=1.5), ("EXPECTED_INTEGER", f"{INSIDE}schema.maxItems")),
        (with_selection(maxItems=True), ("EXPECTED_INTEGER", f"{INSIDE}schema.maxItems")),
        (with_selection(minItems=1), ("BAD_REQUEST", f"{INSIDE}schema.minItems")),
        (with_selection(items=None), ("ARRAY_EMPTY", f"{INSIDE}schema.items.names")),
        (with_selection(items=[]), ("EXPECTED_OBJECT", f"{INSIDE}schema.items")),
        (with_selection(items={"names": []}), ("ARRAY_EMPTY", f"{INSIDE}schema.items.names")),
        (with_selection(items={"names": "ab"}), ("EXPECTED_ARRAY", f"{INSIDE}schema.items.names")),
        (with_selection(items={"names": [1]}), ("EXPECTED_STRING", f"{INSIDE}schema.items.names")),
        (with_selection(items={"names": [""]}), ("INVALID_VALUE", f"{INSIDE}schema.items.names")),
        (
            with_selection(items={"names": ["a", "a"]}),
            ("INVALID_VALUE", f"{INSIDE}schema.items.names"),
        ),
        (
            with_selection(items={"names": [str(i) for i in range(MAX_OPTIONS + 1)]}),
            ("ARRAY_LENGTH_TOO_LONG", f"{INSIDE}schema.items.names"),
        ),
        (
            with_selection(items={"names": ["a"], "enum": ["x"]}),
            ("BAD_REQUEST", f"{INSIDE}schema.items.enum"),
        ),
    ],
)
def test_definitions_are_checked(square: Square, data: object, error: tuple[str, str]) -> None:
    """Pattern, lengths, required members (API reference); the codes are assumed."""
    assert refused(square, data) == (400, [error])
    assert square.ok("GET", DEFINITIONS) == {}


def test_unknown_schemas_are_named(square: Square) -> None:
    """The words are those of a recorded answer."""
    uri = "https://schemas.example.com/common.json#squareup.common.String"
    body = {"custom_attribute_definition": changed(schema={"$ref": uri})}

    (error,) = square.send("POST", DEFINITIONS, json=body).json()["errors"]

    assert error["detail"] == f"Unsupported schema URI encountered: {uri}"


@pytest.mark.parametrize("key", ["k", "A.b_c-9", "k" * 60])
def test_keys_have_letters_digits_and_three_signs(square: Square, key: str) -> None:
    """Up to 60 of them (API reference)."""
    assert define(square, key)["key"] == key
    assert square.ok("GET", f"{DEFINITIONS}/{key}")["custom_attribute_definition"]["key"] == key


def test_keys_and_names_are_unique(square: Square) -> None:
    """409 CONFLICT naming the field (recorded answer); names differ by case (API reference)."""
    create(square, DRINK)

    for data, field, value in (
        (changed(name="Other"), "key", "favorite-drink"),
        (changed(key="other"), "name", "Favorite Drink"),
    ):
        answer = square.send("POST", DEFINITIONS, json={"custom_attribute_definition": data})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["code"], error["field"]) == (409, "CONFLICT", field)
        assert error["detail"] == (
            f"A custom attribute definition with the specified `{field}` already exists; "
            f"{field}={value}"
        )
    create(square, changed(key="other", name="favorite drink"))
    assert refused(square, {"name": "Favorite Drink"}, "other") == (409, [("CONFLICT", "name")])
    assert update(square, "favorite-drink", {"name": "Favorite Drink"})["version"] == 1


def test_there_are_100_definitions(square: Square) -> None:
    """As many as Square tells of those of orders (assumption)."""
    for i in range(MAX_DEFINITIONS):
        define(square, f"k{i}")

    assert refused(square, {"key": "more", "schema": schema("Date")}) == (
        400,
        [("BAD_REQUEST", "")],
    )


def test_lists_have_pages_of_20(square: Square) -> None:
    """20 by default, 1 to 100, a cursor while there are more (API reference); by key (assumed)."""
    keys = sorted(f"k{i}" for i in range(25))
    for key in reversed(keys):
        define(square, key)

    first = square.ok("GET", DEFINITIONS)
    second = square.ok("GET", DEFINITIONS, params={"cursor": first["cursor"]})

    pages = [
        [definition["key"] for definition in page["custom_attribute_definitions"]]
        for page in (first, second)
    ]
    assert pages == [keys[:20], keys[20:]]
    assert "cursor" not in second
    whole = square.ok("GET", DEFINITIONS, params={"limit": 25})
    assert (len(whole["custom_attribute_definitions"]), "cursor" in whole) == (25, False)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"limit": 0}, "VALUE_TOO_LOW"),
        ({"limit": 101}, "VALUE_TOO_HIGH"),
        ({"limit": "many"}, "EXPECTED_INTEGER"),
        ({"cursor": "abc"}, "INVALID_CURSOR"),
    ],
)
def test_list_parameters_are_checked(square: Square, parameters: dict[str, Any], code: str) -> None:
    """A limit outside 1 to 100 is refused (API reference)."""
    assert square.refused("GET", DEFINITIONS, params=parameters) == (
        400,
        [(code, next(iter(parameters)))],
    )


def test_a_read_may_ask_for_a_version(square: Square) -> None:
    """That one or a newer; one beyond the current is BAD_REQUEST (API reference)."""
    create(square, DRINK)
    update(square, "favorite-drink", {"name": "Drink"})
    path = f"{DEFINITIONS}/favorite-drink"

    for version in (0, 1, 2):
        answer = square.ok("GET", path, params={"version": version})
        assert answer["custom_attribute_definition"]["version"] == 2
    assert square.refused("GET", path, params={"version": 3}) == (400, [("BAD_REQUEST", "version")])
    assert square.refused("GET", path, params={"version": "x"})[1] == [
        ("EXPECTED_INTEGER", "version")
    ]


def test_updates_are_sparse(square: Square) -> None:
    """Only what is named changes; each change raises the version by one (API reference)."""
    before = create(square, DRINK)
    square.clock.now += 60

    after = update(square, "favorite-drink", {"description": "Hot or cold", "version": 1})

    assert after == before | {
        "description": "Hot or cold",
        "version": 2,
        "updated_at": "2025-09-01T08:16:30Z",
    }
    path = f"{DEFINITIONS}/favorite-drink"
    assert square.ok("GET", path)["custom_attribute_definition"] == after
    square.clock.now += 60
    # What changes nothing raises nothing (assumption).
    same = {"key": "favorite-drink", "schema": schema("String"), "name": "Favorite Drink"}
    assert update(square, "favorite-drink", same) == after


def test_texts_are_cleared_of_what_is_hidden(square: Square) -> None:
    """By an empty text, or null with X-Clear-Null; null alone has no effect (assumption)."""
    create(square, DRINK)
    missing = ("MISSING_REQUIRED_PARAMETER", f"{INSIDE}name")

    assert refused(square, {"name": ""}, "favorite-drink") == (400, [missing])
    assert update(square, "favorite-drink", {"name": None})["name"] == "Favorite Drink"
    hidden = {"visibility": "VISIBILITY_HIDDEN", "name": ""}
    assert "name" not in update(square, "favorite-drink", hidden)
    clear = {"headers": {"X-Clear-Null": "true"}}
    assert "description" not in update(square, "favorite-drink", {"description": None}, **clear)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({}, ("BAD_REQUEST", "")),
        ({"version": 1}, ("BAD_REQUEST", "")),
        ({"key": "other", "name": "N"}, ("BAD_REQUEST", f"{INSIDE}key")),
        ({"name": "n" * 256}, ("VALUE_TOO_LONG", f"{INSIDE}name")),
        ({"name": "N", "version": "1"}, ("EXPECTED_INTEGER", f"{INSIDE}version")),
        ({"name": "N", "version": 2}, ("BAD_REQUEST", f"{INSIDE}version")),
        ({"name": "N", "created_at": "x"}, ("BAD_REQUEST", f"{INSIDE}created_at")),
        ({"visibility": "PUBLIC"}, ("INVALID_ENUM_VALUE", f"{INSIDE}visibility")),
        ({"schema": schema("Number")}, ("BAD_REQUEST", f"{INSIDE}schema")),
        ({"schema": selection("Red")}, ("BAD_REQUEST", f"{INSIDE}schema")),
    ],
)
def test_updates_are_checked(square: Square, data: dict[str, Any], error: tuple[str, str]) -> None:
    """Key and data type are fixed for ever, as is who may see what (API reference)."""
    before = create(square, DRINK)

    assert refused(square, data, "favorite-drink") == (400, [error])
    path = f"{DEFINITIONS}/favorite-drink"
    assert square.ok("GET", path)["custom_attribute_definition"] == before


def test_stale_updates_are_refused(square: Square) -> None:
    """On writes the version has to be the latest (API reference; CONFLICT is assumed)."""
    create(square, DRINK)
    update(square, "favorite-drink", {"name": "Drink", "version": 1})

    assert refused(square, {"name": "Beverage", "version": 1}, "favorite-drink") == (
        409,
        [("CONFLICT", f"{INSIDE}version")],
    )
    assert square.refused(
        "PUT", f"{DEFINITIONS}/none", {"custom_attribute_definition": {"name": "N"}}
    ) == (404, [("NOT_FOUND", "")])


def test_deleting_deletes_every_value(square: Square) -> None:
    """Its values go with a definition, and do not come back with it (API reference)."""
    customer_ids = [square.create(given_name=name)["id"] for name in ("Ava", "Noah")]
    create(square, DRINK)
    define(square, "shoe-size", "Number")
    for customer_id in customer_ids:
        give(square, customer_id, "favorite-drink", "Tea")
        give(square, customer_id, "shoe-size", "38")

    assert square.ok("DELETE", f"{DEFINITIONS}/favorite-drink") == {}

    assert square.refused("GET", f"{DEFINITIONS}/favorite-drink")[0] == 404
    assert square.refused("DELETE", f"{DEFINITIONS}/favorite-drink")[0] == 404
    assert create(square, DRINK)["version"] == 1
    for customer_id in customer_ids:
        assert shown(square, customer_id) == {"shoe-size": "38"}
        path = f"{values_of(customer_id)}/favorite-drink"
        assert square.refused("GET", path) == (404, [("NOT_FOUND", "")])


def test_a_repeated_create_answers_the_first_definition(square: Square) -> None:
    """Same key and data: the first answer (API reference), even after a delete (recorded)."""
    body = {"custom_attribute_definition": DRINK, "idempotency_key": "k-1"}
    first = square.ok("POST", DEFINITIONS, body)
    update(square, "favorite-drink", {"name": "Drink"})

    assert square.ok("POST", DEFINITIONS, body) == first
    other = {"custom_attribute_definition": changed(key="x"), "idempotency_key": "k-1"}
    reused = (400, [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")])
    assert square.refused("POST", DEFINITIONS, other) == reused
    square.ok("DELETE", f"{DEFINITIONS}/favorite-drink")
    assert square.ok("POST", DEFINITIONS, body) == first
    assert square.ok("GET", DEFINITIONS) == {}
    square.clock.now += KEY_LIFETIME + 1
    assert square.ok("POST", DEFINITIONS, body) != first


def test_a_repeated_update_answers_the_first_one(square: Square) -> None:
    """Its version is not looked at again (API reference, idempotency)."""
    create(square, DRINK)
    path = f"{DEFINITIONS}/favorite-drink"
    body = {"custom_attribute_definition": {"name": "A", "version": 1}, "idempotency_key": "k"}
    first = square.ok("PUT", path, body)
    update(square, "favorite-drink", {"name": "B"})

    assert square.ok("PUT", path, body) == first
    assert square.ok("GET", path)["custom_attribute_definition"]["name"] == "B"


@pytest.mark.parametrize("key", ["", "k" * 46, 7])
def test_idempotency_keys_have_1_to_45_characters(square: Square, key: object) -> None:
    """At most 45 (API reference)."""
    body = {"custom_attribute_definition": DRINK, "idempotency_key": key}

    assert square.refused("POST", DEFINITIONS, body)[1][0][1] == "idempotency_key"


def test_what_others_made_is_shown_unless_hidden(square: Square) -> None:
    """Fields of the Dashboard have ``square:`` keys, others' an application's (API reference)."""
    definitions = seeded(square)

    field, tier = definitions["Dietary needs"], definitions["Loyalty tier"]
    assert field["key"].startswith("square:")
    assert field["visibility"] == "VISIBILITY_READ_WRITE_VALUES"
    application, _, key = tier["key"].partition(":")
    assert (key, tier["visibility"]) == ("tier", READ_ONLY)
    for definition in (field, tier):
        answer = square.ok("GET", f"{DEFINITIONS}/{definition['key']}")
        assert answer == {"custom_attribute_definition": definition}
    # The application has a hidden one too.
    assert "Loyalty score" not in definitions
    assert square.refused("GET", f"{DEFINITIONS}/{application}:score")[0] == 404


def test_only_the_owner_changes_a_definition(square: Square) -> None:
    """Neither fields of the seller nor what others made (API reference; 403 is assumed)."""
    for name in ("Dietary needs", "Loyalty tier"):
        key = seeded(square)[name]["key"]
        body = {"custom_attribute_definition": {"name": "Mine"}}
        path = f"{DEFINITIONS}/{key}"
        assert square.refused("PUT", path, body) == (403, [("FORBIDDEN", "")])
        assert square.refused("DELETE", path) == (403, [("FORBIDDEN", "")])
    # A name the seller sees is taken (recorded answer).
    assert refused(square, changed(key="x", name="Dietary needs")) == (409, [("CONFLICT", "name")])


def test_definitions_need_their_scopes(square: Square) -> None:
    """CUSTOMERS_READ to read, CUSTOMERS_WRITE to write (API reference)."""
    define(square, "k")
    calls = (("GET", ""), ("GET", "/k"), ("POST", ""), ("PUT", "/k"), ("DELETE", "/k"))
    for scope, allowed in (("CUSTOMERS_READ", ["GET"]), ("CUSTOMERS_WRITE", ["POST", "PUT"])):
        token = square.sandbox.control("tokens", {"scopes": [scope]})["token"]
        headers = {"Authorization": f"Bearer {token}"}
        for method, rest in calls[:4]:
            status = square.send(method, DEFINITIONS + rest, headers=headers, json={}).status_code
            assert (status == 403) == (method not in allowed), (scope, method)


def test_there_were_none_before_2022_05_12(square: Square) -> None:
    """The minimum Square-Version of the API (Custom Attributes for Customers)."""
    customer_id = square.create(given_name="Ava")["id"]
    define(square, "k")
    for method, path in (
        ("GET", DEFINITIONS),
        ("POST", DEFINITIONS),
        ("GET", f"{DEFINITIONS}/k"),
        ("PUT", f"{DEFINITIONS}/k"),
        ("DELETE", f"{DEFINITIONS}/k"),
        ("GET", values_of(customer_id)),
        ("GET", f"{values_of(customer_id)}/k"),
        ("POST", f"{values_of(customer_id)}/k"),
        ("DELETE", f"{values_of(customer_id)}/k"),
        ("POST", BULK),
    ):
        old, new = (
            square.send(method, path, json={}, headers={"Square-Version": version})
            for version in ("2022-04-20", "2022-05-12")
        )
        assert (old.status_code, old.json()["errors"][0]["code"]) == (404, "NOT_FOUND")
        assert ("nothing at this path" in old.text, "nothing at this path" in new.text) == (
            True,
            False,
        )


def test_definitions_never_lag(opened: Opened) -> None:
    """Only search by their values does (assumption)."""
    square = opened(lag=30)

    made = define(square, "k")

    assert square.ok("GET", DEFINITIONS) == {"custom_attribute_definitions": [made]}


def test_definitions_are_logged(square: Square) -> None:
    """Each effective write with what it left, and its key; repeats are none."""
    body = {"custom_attribute_definition": DRINK, "idempotency_key": "k-1"}
    made = square.ok("POST", DEFINITIONS, body)["custom_attribute_definition"]
    square.ok("POST", DEFINITIONS, body)
    after = update(square, "favorite-drink", {"name": "Drink"})
    update(square, "favorite-drink", {"name": "Drink"})
    square.ok("DELETE", f"{DEFINITIONS}/favorite-drink")

    log = square.sandbox.log()

    assert [(entry["action"], entry["idempotency_key"]) for entry in log] == [
        ("create-attribute-definition", "k-1"),
        ("update-attribute-definition", None),
        ("delete-attribute-definition", None),
    ]
    assert [entry["changes"] for entry in log] == [made, after, after]


@pytest.mark.parametrize("levels", [250, 260, 1000])
def test_deep_json_is_refused(square: Square, levels: int) -> None:
    """However deep a body is, with an idempotency key or without, it is answered."""
    deep = '{"schema":' * levels + "1" + "}" * levels
    for key in ("", ',"idempotency_key":"k"'):
        content = f'{{"custom_attribute_definition":{deep}{key}}}'
        assert square.send("POST", DEFINITIONS, content=content).status_code == 400
