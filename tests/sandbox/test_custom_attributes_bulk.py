"""Bulk upserts of custom attributes; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.attributes import (
    BULK,
    codes,
    customer,
    define,
    entry,
    give,
    shown,
    upsert,
    values_of,
)
from tests.sandbox.conftest import Square

MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"
VALUE = "custom_attribute.value"


def test_values_are_upserted_in_bulk(square: Square) -> None:
    """A map of any names, answered under the same ones as ``values`` (API reference)."""
    define(square, "book")
    define(square, "adult", "Boolean")
    one, two = customer(square), customer(square, "Noah")
    give(square, two, "book", "Dune")

    answer = square.ok(
        "POST",
        BULK,
        {
            "values": {
                "id1": entry(one, "book", "Emma"),
                "": entry(one, "adult", False),
                "row 3": entry(two, "book", "Emma"),
            }
        },
    )

    assert set(answer) == {"values"}
    assert set(answer["values"]) == {"id1", "", "row 3"}
    made = square.ok("GET", f"{values_of(one)}/book")["custom_attribute"]
    assert answer["values"]["id1"] == {"customer_id": one, "custom_attribute": made}
    assert answer["values"]["row 3"]["custom_attribute"]["version"] == 2
    assert (shown(square, one), shown(square, two)) == (
        {"adult": False, "book": "Emma"},
        {"book": "Emma"},
    )


def test_bulk_entries_are_judged_for_themselves(square: Square) -> None:
    """Each holds its own errors, and those beside it are carried out (API reference)."""
    define(square, "k")
    customer_id = customer(square)
    missing, wrong = "MISSING_REQUIRED_PARAMETER", "EXPECTED_STRING"
    field = "custom_attribute"
    entries: dict[str, tuple[Any, tuple[str, str]]] = {
        "a": (7, ("EXPECTED_OBJECT", "values")),
        "b": (None, ("EXPECTED_OBJECT", "values")),
        "c": ({}, (missing, "customer_id")),
        "d": (entry(7, "k", "x"), (wrong, "customer_id")),
        "e": (entry(MISSING, "k", "x"), ("NOT_FOUND", "")),
        "f": ({"customer_id": customer_id}, (missing, field)),
        "g": ({"customer_id": customer_id, field: []}, ("EXPECTED_OBJECT", field)),
        "h": (entry(customer_id, None, "x"), (missing, f"{field}.key")),
        "i": (entry(customer_id, {}, "x"), (wrong, f"{field}.key")),
        "j": (entry(customer_id, "none", "x"), ("BAD_REQUEST", "key")),
        "k": (entry(customer_id, "k", 7), (wrong, VALUE)),
        "l": (entry(customer_id, "k", "x", colour=1), ("BAD_REQUEST", "colour")),
        "m": (entry(customer_id, "k", "x", idempotency_key=7), (wrong, "idempotency_key")),
        "n": (entry(customer_id, "", "x"), (missing, f"{field}.key")),
    }
    asked = {name: data for name, (data, _) in entries.items()}

    answer = square.ok("POST", BULK, {"values": asked | {"z": entry(customer_id, "k", "good")}})

    values = answer["values"]
    assert values.pop("z")["custom_attribute"]["value"] == "good"
    assert {name: codes(told) for name, told in values.items()} == {
        name: [error] for name, (_, error) in entries.items()
    }
    assert shown(square, customer_id) == {"k": "good"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ("MISSING_REQUIRED_PARAMETER", "values")),
        ({"values": {}}, ("VALUE_EMPTY", "values")),
        ({"values": []}, ("EXPECTED_OBJECT", "values")),
        ({"values": {str(i): 1 for i in range(26)}}, ("TOO_MANY_MAP_ENTRIES", "values")),
        ({"values": {"a": 1}, "customers": {}}, ("BAD_REQUEST", "customers")),
    ],
)
def test_bulk_takes_1_to_25_entries(
    square: Square, body: dict[str, Any], error: tuple[str, str]
) -> None:
    """As the reference says; else nothing is run (the codes are assumed)."""
    assert square.refused("POST", BULK, body) == (400, [error])
    whole = square.ok("POST", BULK, {"values": {str(i): 1 for i in range(25)}})
    assert len(whole["values"]) == 25


def test_bulk_entries_have_keys_and_versions_of_their_own(square: Square) -> None:
    """An ``idempotency_key`` and a ``version`` inside each (API reference)."""
    define(square, "k")
    customer_id = customer(square)
    keyed = {"values": {"a": entry(customer_id, "k", "x", idempotency_key="i-1")}}
    first = square.ok("POST", BULK, keyed)
    give(square, customer_id, "k", "y")

    assert square.ok("POST", BULK, keyed) == first
    guarded = entry(customer_id, "k", "z")
    for version, expected in ((1, "CONFLICT"), (3, "BAD_REQUEST")):
        guarded["custom_attribute"]["version"] = version
        told = square.ok("POST", BULK, {"values": {"a": guarded}})["values"]["a"]
        assert codes(told) == [(expected, "custom_attribute.version")]
    guarded["custom_attribute"]["version"] = 2
    square.ok("POST", BULK, {"values": {"a": guarded}})
    assert shown(square, customer_id) == {"k": "z"}
    # A single upsert of the same is the same write.
    body = upsert("x") | {"idempotency_key": "i-1"}
    answer = square.ok("POST", f"{values_of(customer_id)}/k", body)
    assert answer["custom_attribute"] == first["values"]["a"]["custom_attribute"]


def test_a_fault_stops_bulk_half_way(square: Square) -> None:
    """``mid`` carries out the first half; ``omit`` leaves answers out (the sandbox's own)."""
    define(square, "k")
    ids = [customer(square, name) for name in "ABCDE"]
    body = {"values": {name: entry(name, "k", "x") for name in ids}}
    plan = [
        {"endpoint": "bulk-upsert-attributes", "nth": 1, "do": "status", "when": "mid"},
        {"endpoint": "bulk-upsert-attributes", "nth": 2, "do": "omit", "count": 2},
    ]
    square.sandbox.control("faults", {"plan": plan})

    assert square.refused("POST", BULK, body)[0] == 503

    assert [shown(square, one) for one in ids] == [{"k": "x"}] * 3 + [{}] * 2
    assert len(square.ok("POST", BULK, body)["values"]) == 3
    assert [shown(square, one) for one in ids] == [{"k": "x"}] * 5
