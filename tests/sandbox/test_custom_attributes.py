"""Values of customers' custom attributes; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest

from etl.sandbox.assumptions import KEY_LIFETIME
from tests.sandbox.attributes import (
    BULK,
    DEFINITIONS,
    codes,
    customer,
    define,
    entry,
    give,
    seeded,
    shown,
    upsert,
    values_of,
)
from tests.sandbox.conftest import Opened, Square

MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"
VALUE = "custom_attribute.value"


def test_a_value_is_set_and_retrieved(square: Square) -> None:
    """Key, version 1, two times, value and visibility (Custom Attributes for Customers)."""
    define(square, "favoritebook")
    customer_id = customer(square)

    made = give(square, customer_id, "favoritebook", "Dune")

    assert made == {
        "key": "favoritebook",
        "version": 1,
        "updated_at": "2025-09-01T08:15:30Z",
        "value": "Dune",
        "created_at": "2025-09-01T08:15:30Z",
        "visibility": "VISIBILITY_HIDDEN",
    }
    path = f"{values_of(customer_id)}/favoritebook"
    assert square.ok("GET", path) == {"custom_attribute": made}
    assert square.ok("GET", values_of(customer_id)) == {"custom_attributes": [made]}


def test_each_change_raises_the_version(square: Square) -> None:
    """By one, with a new ``updated_at`` (API reference); the same value changes nothing."""
    define(square, "book")
    customer_id = customer(square)
    first = give(square, customer_id, "book", "Dune")
    square.clock.now += 60

    second = give(square, customer_id, "book", "Emma")

    assert second == first | {
        "value": "Emma",
        "version": 2,
        "updated_at": "2025-09-01T08:16:30Z",
    }
    square.clock.now += 60
    assert give(square, customer_id, "book", "Emma") == second
    assert [entry["action"] for entry in square.sandbox.log()][2:] == ["upsert-attribute"] * 2


def test_writes_are_guarded_by_the_version(square: Square) -> None:
    """An outdated one is refused, one beyond is BAD_REQUEST (overview); 0 is before the first."""
    define(square, "book")
    path = f"{values_of(customer(square))}/book"
    field = "custom_attribute.version"

    assert square.refused("POST", path, upsert("A", version=1)) == (400, [("BAD_REQUEST", field)])
    square.ok("POST", path, upsert("A", version=0))
    square.ok("POST", path, upsert("B", version=1))
    assert square.refused("POST", path, upsert("C", version=1)) == (409, [("CONFLICT", field)])
    assert square.refused("POST", path, upsert("C", version=3)) == (400, [("BAD_REQUEST", field)])
    assert square.refused("POST", path, upsert("C", version="2"))[1] == [
        ("EXPECTED_INTEGER", field)
    ]
    answer = square.ok("GET", path)["custom_attribute"]
    assert (answer["value"], answer["version"]) == ("B", 2)


def test_a_read_may_ask_for_a_version(square: Square) -> None:
    """That one or a newer; one beyond the current is BAD_REQUEST (API reference)."""
    define(square, "book")
    customer_id = customer(square)
    give(square, customer_id, "book", "Dune")
    path = f"{values_of(customer_id)}/book"

    assert square.ok("GET", path, params={"version": 1})["custom_attribute"]["value"] == "Dune"
    assert square.refused("GET", path, params={"version": 2}) == (400, [("BAD_REQUEST", "version")])


def test_a_key_without_a_definition_is_no_404(square: Square) -> None:
    """400 BAD_REQUEST with the field ``key``, in these words (recorded answer)."""
    path = f"{values_of(customer(square))}/k"

    answer = square.send("POST", path, json=upsert("x"))

    (error,) = answer.json()["errors"]
    assert answer.status_code == 400
    assert (error["code"], error["field"]) == ("BAD_REQUEST", "key")
    assert error["detail"] == "No matching definition found for value"
    assert square.refused("GET", path) == (404, [("NOT_FOUND", "")])
    assert square.refused("DELETE", path) == (404, [("NOT_FOUND", "")])


@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("GET", "/k"), ("POST", "/k"), ("DELETE", "/k")]
)
def test_an_unknown_customer_is_not_found(square: Square, method: str, rest: str) -> None:
    """404 NOT_FOUND (list of codes)."""
    define(square, "k")
    body = upsert("x") if method == "POST" else None

    answer = square.refused(method, values_of(MISSING) + rest, body)

    assert answer == (404, [("NOT_FOUND", "")])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ("MISSING_REQUIRED_PARAMETER", "custom_attribute")),
        ({"custom_attribute": "x"}, ("EXPECTED_OBJECT", "custom_attribute")),
        ({"custom_attribute": {}}, ("MISSING_REQUIRED_PARAMETER", VALUE)),
        (upsert(None), ("MISSING_REQUIRED_PARAMETER", VALUE)),
        (upsert("x", key="other"), ("BAD_REQUEST", "custom_attribute.key")),
        (upsert("x", key=["k"]), ("BAD_REQUEST", "custom_attribute.key")),
        (upsert("x", visibility="y"), ("BAD_REQUEST", "custom_attribute.visibility")),
        (upsert("x") | {"colour": 1}, ("BAD_REQUEST", "colour")),
        (upsert("x") | {"idempotency_key": ""}, ("VALUE_EMPTY", "idempotency_key")),
        (upsert("x") | {"idempotency_key": "k" * 46}, ("VALUE_TOO_LONG", "idempotency_key")),
    ],
)
def test_upserts_are_checked(square: Square, body: dict[str, Any], error: tuple[str, str]) -> None:
    """A value is needed, read-only members are refused (assumption)."""
    define(square, "k")
    customer_id = customer(square)

    assert square.refused("POST", f"{values_of(customer_id)}/k", body) == (400, [error])
    assert shown(square, customer_id) == {}
    square.ok("POST", f"{values_of(customer_id)}/k", upsert("x", key="k"))


def test_profiles_do_not_tell_their_attributes(square: Square) -> None:
    """They never come with a customer, nor raise its version (overview)."""
    define(square, "k")
    before = square.create(given_name="Ava")
    square.clock.now += 60

    give(square, before["id"], "k", "x")

    assert square.get(before["id"]) == before
    assert square.ok("GET", "/v2/customers")["customers"] == [before]


def test_a_deleted_value_is_gone(square: Square) -> None:
    """``{}``, then NOT_FOUND (API reference); a new one begins at version 1 (assumption)."""
    define(square, "k")
    customer_id = customer(square)
    give(square, customer_id, "k", "x")
    give(square, customer_id, "k", "y")
    path = f"{values_of(customer_id)}/k"

    assert square.ok("DELETE", path) == {}

    assert square.refused("GET", path) == (404, [("NOT_FOUND", "")])
    assert square.refused("DELETE", path) == (404, [("NOT_FOUND", "")])
    assert square.ok("GET", values_of(customer_id)) == {}
    assert give(square, customer_id, "k", "x")["version"] == 1


def test_definitions_come_with_values_if_asked_for(square: Square) -> None:
    """``with_definitions`` for a list, ``with_definition`` for one (API reference)."""
    definition = define(
        square, "k", name="K", description="A letter", visibility="VISIBILITY_READ_ONLY"
    )
    customer_id = customer(square)
    made = give(square, customer_id, "k", "x")
    path = values_of(customer_id)
    whole = made | {"definition": definition}

    assert made["visibility"] == "VISIBILITY_READ_ONLY"
    assert square.ok("GET", path, params={"with_definitions": "true"}) == {
        "custom_attributes": [whole]
    }
    assert square.ok("GET", f"{path}/k", params={"with_definition": "true"}) == {
        "custom_attribute": whole
    }
    assert square.ok("GET", path, params={"with_definitions": "false"}) == {
        "custom_attributes": [made]
    }
    # The visibility is a copy of the definition's.
    hide = {"custom_attribute_definition": {"visibility": "VISIBILITY_HIDDEN"}}
    square.ok("PUT", f"{DEFINITIONS}/k", hide)
    answer = square.ok("GET", f"{path}/k")["custom_attribute"]
    assert (answer["visibility"], answer["version"]) == ("VISIBILITY_HIDDEN", 1)


def test_lists_have_pages_of_20(square: Square) -> None:
    """20 by default, a cursor while there are more (API reference); by key (assumption)."""
    keys = sorted(f"k{i}" for i in range(25))
    one, two = customer(square), customer(square, "Noah")
    for key in reversed(keys):
        define(square, key)
        give(square, one, key, "x")

    first = square.ok("GET", values_of(one))
    second = square.ok("GET", values_of(one), params={"cursor": first["cursor"]})

    pages = [[entry["key"] for entry in page["custom_attributes"]] for page in (first, second)]
    assert pages == [keys[:20], keys[20:]]
    assert "cursor" not in second
    for path, parameters in (
        (values_of(two), {"cursor": first["cursor"]}),
        (values_of(one), {"cursor": first["cursor"], "with_definitions": "true"}),
    ):
        assert square.refused("GET", path, params=parameters)[1] == [("INVALID_CURSOR", "cursor")]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"limit": 0}, "VALUE_TOO_LOW"),
        ({"limit": 101}, "VALUE_TOO_HIGH"),
        ({"cursor": "abc"}, "INVALID_CURSOR"),
        ({"with_definitions": "yes"}, "EXPECTED_BOOLEAN"),
    ],
)
def test_list_parameters_are_checked(square: Square, parameters: dict[str, Any], code: str) -> None:
    """A limit outside 1 to 100 is refused (API reference)."""
    (name,) = parameters

    answer = square.refused("GET", values_of(customer(square)), params=parameters)

    assert answer == (400, [(code, name)])


def test_a_repeated_upsert_answers_the_first_one(square: Square) -> None:
    """Same key and data: the first answer (API reference), whatever happened since (assumed)."""
    define(square, "k")
    customer_id = customer(square)
    path = f"{values_of(customer_id)}/k"
    body = upsert("x") | {"idempotency_key": "i-1"}
    first = square.ok("POST", path, body)
    give(square, customer_id, "k", "y")

    assert square.ok("POST", path, body) == first
    assert shown(square, customer_id) == {"k": "y"}
    reused = (400, [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")])
    for other in (upsert("z"), upsert("x", version=2)):
        assert square.refused("POST", path, other | {"idempotency_key": "i-1"}) == reused
    elsewhere = f"{values_of(customer(square))}/k"
    assert square.refused("POST", elsewhere, body) == reused
    square.ok("DELETE", path)
    assert square.ok("POST", path, body) == first
    assert shown(square, customer_id) == {}
    square.clock.now += KEY_LIFETIME + 1
    square.ok("POST", path, body)
    assert shown(square, customer_id) == {"k": "x"}


def test_values_follow_a_merge(square: Square) -> None:
    """The survivor has them; the first profile named wins (assumption), old ids lead to it."""
    for key in ("both", "first", "second"):
        define(square, key)
    one, two, other = (customer(square, name) for name in "ABC")
    for who, key in ((one, "both"), (one, "first"), (two, "both"), (two, "second")):
        give(square, who, key, who)
    give(square, two, "second", "changed")
    give(square, other, "both", "untouched")

    new = square.sandbox.control("merge", {"from": [one, two]})["customer"]["id"]

    carried = {"both": one, "first": one, "second": "changed"}
    for old_or_new in (new, one, two):
        assert shown(square, old_or_new) == carried
        answer = square.ok("GET", f"{values_of(old_or_new)}/second")["custom_attribute"]
        assert (answer["value"], answer["version"]) == ("changed", 2)
    assert shown(square, other) == {"both": "untouched"}
    assert square.sandbox.log()[-1]["changes"]["custom_attributes"] == carried
    # Writing by an old id is no more possible than updating its profile.
    for method, body in (("POST", upsert("x")), ("DELETE", None)):
        path = f"{values_of(one)}/both"
        assert square.refused(method, path, body) == (404, [("NOT_FOUND", "")])
    assert give(square, new, "second", "again")["version"] == 3


def test_values_vanish_with_their_customer(square: Square) -> None:
    """A deleted profile has none (as with its cards)."""
    define(square, "k")
    one, two = customer(square), customer(square, "Noah")
    give(square, one, "k", "x")
    give(square, two, "k", "y")

    square.ok("DELETE", f"/v2/customers/{one}")

    assert square.refused("GET", f"{values_of(one)}/k") == (404, [("NOT_FOUND", "")])
    assert square.refused("GET", values_of(one))[0] == 404
    answer = square.ok("POST", BULK, {"values": {"a": entry(one, "k", "z")}})["values"]["a"]
    assert codes(answer) == [("NOT_FOUND", "")]
    assert shown(square, two) == {"k": "y"}


def test_others_attributes_are_written_if_they_let_us(square: Square) -> None:
    """Fields of the seller always, READ_ONLY never, hidden ones are not there (reference)."""
    definitions = seeded(square)
    field, tier = definitions["Dietary needs"], definitions["Loyalty tier"]
    customer_id = customer(square)
    option = field["schema"]["items"]["enum"][0]

    made = give(square, customer_id, field["key"], [option])

    assert made["key"] == field["key"]
    path = f"{values_of(customer_id)}/{field['key']}"
    assert square.ok("GET", path)["custom_attribute"] == made
    assert square.ok("DELETE", path) == {}
    path = f"{values_of(customer_id)}/{tier['key']}"
    assert square.refused("POST", path, upsert("Gold")) == (403, [("FORBIDDEN", "")])
    assert square.refused("DELETE", path) == (403, [("FORBIDDEN", "")])
    hidden = tier["key"].replace("tier", "score")
    path = f"{values_of(customer_id)}/{hidden}"
    assert square.refused("POST", path, upsert("1")) == (400, [("BAD_REQUEST", "key")])
    assert square.refused("GET", path) == (404, [("NOT_FOUND", "")])


def test_seeded_customers_have_values(opened: Opened) -> None:
    """The same seed gives the same ones; hidden ones are logged, not shown (the sandbox's own)."""
    other, square = opened(), opened()
    other.sandbox.control("seed", {"profiles": 60, "seed": 7})

    keys = {definition["key"] for definition in seeded(square).values()}

    log = square.sandbox.log()
    written = [(entry["customer_id"], entry["changes"]) for entry in log]
    assert written == [(entry["customer_id"], entry["changes"]) for entry in other.sandbox.log()]
    has = {
        entry["changes"]["key"]: entry["customer_id"]
        for entry in log
        if entry["action"] == "upsert-attribute"
    }
    (hidden,) = set(has) - keys
    assert len(keys) == 4
    for key in keys:
        assert key in shown(square, has[key])
    assert hidden not in shown(square, has[hidden])
    # A second time nothing is added.
    seeded(square)
    assert square.sandbox.log() == log


def test_a_seed_leaves_our_definitions_alone(square: Square) -> None:
    """One of another type keeps its key, one of that name keeps its name (the sandbox's own)."""
    mine = define(square, "favorite-drink", "Number")
    text = {"name": "Dietary needs", "description": "D", "visibility": "VISIBILITY_READ_ONLY"}
    needs = define(square, "needs", **text)

    definitions = seeded(square)

    assert square.ok("GET", f"{DEFINITIONS}/favorite-drink") == {
        "custom_attribute_definition": mine
    }
    assert definitions["Dietary needs"] == needs
    everyone = square.ok("GET", "/v2/customers", params={"limit": 100})["customers"]
    keys = {key for profile in everyone for key in shown(square, profile["id"])}
    assert keys <= {"member-since", definitions["Loyalty tier"]["key"]}


def test_values_need_their_scopes(square: Square) -> None:
    """CUSTOMERS_READ to read, CUSTOMERS_WRITE to write (API reference)."""
    define(square, "k")
    path = values_of(customer(square))
    calls = (("GET", path), ("GET", f"{path}/k"), ("DELETE", f"{path}/k"), ("POST", f"{path}/k"))
    for scope, reads in (("CUSTOMERS_READ", True), ("CUSTOMERS_WRITE", False)):
        token = square.sandbox.control("tokens", {"scopes": [scope]})["token"]
        headers = {"Authorization": f"Bearer {token}"}
        for method, where in (*calls, ("POST", BULK)):
            status = square.send(method, where, headers=headers, json={}).status_code
            assert (status == 403) == ((method == "GET") != reads), (scope, method)


def test_values_are_logged(square: Square) -> None:
    """Each effective write with its customer, what it left, and its key."""
    define(square, "k")
    customer_id = customer(square)
    path = f"{values_of(customer_id)}/k"
    first = square.ok("POST", path, upsert("x") | {"idempotency_key": "i-1"})["custom_attribute"]
    square.ok("POST", path, upsert("x") | {"idempotency_key": "i-1"})
    square.ok("POST", path, upsert("x"))
    body = {"values": {"a": entry(customer_id, "k", "y", idempotency_key="i-2"), "b": 1}}
    second = square.ok("POST", BULK, body)["values"]["a"]["custom_attribute"]
    square.ok("DELETE", path)

    log = square.sandbox.log()[2:]

    assert [(e["action"], e["endpoint"], e["idempotency_key"]) for e in log] == [
        ("upsert-attribute", "upsert-attribute", "i-1"),
        ("upsert-attribute", "bulk-upsert-attributes", "i-2"),
        ("delete-attribute", "delete-attribute", None),
    ]
    assert [e["changes"] for e in log] == [first, second, second]
    assert {e["customer_id"] for e in log} == {customer_id}


def test_a_file_keeps_them(opened: Opened, tmp_path: Any) -> None:
    """Definitions and values are state as profiles are; a reset forgets them."""
    path = tmp_path / "sandbox.sqlite"
    square = opened(path)
    define(square, "k")
    customer_id = customer(square)
    give(square, customer_id, "k", "x")
    square.sandbox.close()

    again = opened(path)

    assert shown(again, customer_id) == {"k": "x"}
    again.sandbox.clear()
    assert again.ok("GET", DEFINITIONS) == {}
