"""The options of Selections, and values of them; sources are named by the tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.attributes import (
    DEFINITIONS,
    define,
    give,
    selection,
    shown,
    upsert,
    values_of,
)
from tests.sandbox.conftest import Square

COLOUR = f"{DEFINITIONS}/colour"
VALUE = "custom_attribute.value"


def options_of(definition: Any) -> dict[str, str]:
    """The ids of a Selection's options, by name."""
    items = definition["schema"]["items"]
    return dict(zip(items["names"], items["enum"], strict=True))


def changed(square: Square, schema: dict[str, Any]) -> Any:
    """Give the definition another schema and return it."""
    body = {"custom_attribute_definition": {"schema": schema}}
    return square.ok("PUT", COLOUR, body)["custom_attribute_definition"]


def test_a_selection_gets_an_id_per_option(square: Square) -> None:
    """The answer adds ``items.enum`` with one UUID per name (API reference, event examples)."""
    asked = selection("Red", "Green", "Blue")

    made = define(square, "colour", "Selection")["schema"]

    ids = made["items"].pop("enum")
    assert made == asked
    assert [(len(option), option.count("-")) for option in ids] == [(36, 4)] * 3
    assert len(set(ids)) == 3


def test_options_keep_their_ids(square: Square) -> None:
    """Named options may come, go and be reordered (API reference; by name is assumed)."""
    before = options_of(define(square, "colour", "Selection"))

    after = changed(square, selection("Blue", "Red", "Black", most=3))

    options = options_of(after)
    assert list(options) == ["Blue", "Red", "Black"]
    assert (options["Blue"], options["Red"]) == (before["Blue"], before["Red"])
    assert options["Black"] not in before.values()
    assert (after["schema"]["maxItems"], after["version"]) == (3, 2)


def test_options_are_renamed_by_their_ids(square: Square) -> None:
    """With ``enum`` the ids belong to the names in their order (assumption)."""
    before = options_of(define(square, "colour", "Selection"))
    red, green = before["Red"], before["Green"]

    renamed = selection("Grass", "Scarlet", "Black", enum=[green, red])
    after = options_of(changed(square, renamed))

    assert (after["Grass"], after["Scarlet"]) == (green, red)
    assert after["Black"] not in before.values()


@pytest.mark.parametrize(
    ("enum", "code"),
    [
        (["x"], "INVALID_VALUE"),
        ([], "ARRAY_EMPTY"),
        ("x", "EXPECTED_ARRAY"),
        ([1], "EXPECTED_STRING"),
        (["same", "same"], "INVALID_VALUE"),
        (["one", "two", "three"], "INVALID_VALUE"),
    ],
)
def test_ids_of_options_are_checked(square: Square, enum: Any, code: str) -> None:
    """Nobody but Square makes ids of options; there is one for a name at the most (assumption)."""
    known = list(options_of(define(square, "colour", "Selection")).values())
    named = {"one": known[0], "two": known[1], "three": known[2], "same": known[0]}
    given = [named.get(option, option) for option in enum] if isinstance(enum, list) else enum

    schema = selection("Red", "Green", enum=given)
    asked = {"custom_attribute_definition": {"schema": schema}}

    assert square.refused("PUT", COLOUR, asked) == (
        400,
        [(code, "custom_attribute_definition.schema.items.enum")],
    )


def test_a_selection_is_a_list_of_ids(square: Square) -> None:
    """Each once, at most ``maxItems``, all of them options (schema file)."""
    red, green, blue = define(square, "colour", "Selection")["schema"]["items"]["enum"]
    customer_id = square.create(given_name="Ava")["id"]
    path = f"{values_of(customer_id)}/colour"

    for value in ([blue], [red, green], []):
        assert give(square, customer_id, "colour", value)["value"] == value
    for value, code in (
        ([red, red], "INVALID_VALUE"),
        ([red, green, blue], "ARRAY_LENGTH_TOO_LONG"),
        ([red, "x"], "INVALID_VALUE"),
    ):
        assert square.refused("POST", path, upsert(value)) == (400, [(code, VALUE)])


def test_a_value_outlives_its_option(square: Square) -> None:
    """What a change of the options leaves behind stays until it is set again (assumption)."""
    red, green, _ = define(square, "colour", "Selection")["schema"]["items"]["enum"]
    customer_id = square.create(given_name="Ava")["id"]
    give(square, customer_id, "colour", [red, green])

    changed(square, selection("Red", most=1))

    assert shown(square, customer_id) == {"colour": [red, green]}
    path = f"{values_of(customer_id)}/colour"
    assert square.refused("POST", path, upsert([green])) == (400, [("INVALID_VALUE", VALUE)])
    assert give(square, customer_id, "colour", [red])["version"] == 2
