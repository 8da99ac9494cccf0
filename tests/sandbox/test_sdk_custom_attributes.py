"""The official SDK, unmodified, covers the Customer Custom Attributes API."""

from __future__ import annotations

from typing import Any

import pytest
from square import Square as Sdk
from square.core.api_error import ApiError

from tests.sandbox.attributes import schema, selection

ONCE: Any = {"max_retries": 0}


def customer(sdk: Sdk, name: str) -> str:
    """Create a customer and return the id."""
    made = sdk.customers.create(given_name=name).customer
    assert made is not None
    assert made.id is not None
    return str(made.id)


def test_definitions(sdk: Sdk) -> None:
    """Create, list over pages, get, update, delete."""
    definitions = sdk.customers.custom_attribute_definitions
    made = definitions.create(
        custom_attribute_definition={
            "key": "favorite-movie",
            "schema": schema("String"),
            "name": "Favorite Movie",
            "description": "The favorite movie of the customer.",
            "visibility": "VISIBILITY_HIDDEN",
        },
        idempotency_key="sdk-1",
    ).custom_attribute_definition
    assert made is not None
    assert (made.key, made.schema_, made.version) == ("favorite-movie", schema("String"), 1)
    colour = definitions.create(
        custom_attribute_definition={"key": "colour", "schema": selection("Red", "Blue")}
    ).custom_attribute_definition
    assert colour is not None
    assert colour.schema_ is not None
    assert len(colour.schema_["items"]["enum"]) == 2

    assert [each.key for each in definitions.list(limit=1)] == ["colour", "favorite-movie"]
    read = definitions.get("favorite-movie", version=1).custom_attribute_definition
    assert read == made
    updated = definitions.update(
        "favorite-movie",
        custom_attribute_definition={"description": "Or series", "version": 1},
        idempotency_key="sdk-2",
    ).custom_attribute_definition
    assert updated is not None
    assert (updated.description, updated.version) == ("Or series", 2)
    with pytest.raises(ApiError) as stale:
        definitions.update(
            "favorite-movie",
            custom_attribute_definition={"name": "M", "version": 1},
            request_options=ONCE,
        )
    assert stale.value.status_code == 409
    assert definitions.delete("favorite-movie").errors is None
    with pytest.raises(ApiError) as gone:
        definitions.get("favorite-movie", request_options=ONCE)
    assert gone.value.status_code == 404


def test_values(sdk: Sdk) -> None:
    """Upsert, list over pages with definitions, get, batch-upsert, delete, and search by them."""
    definitions, values = (
        sdk.customers.custom_attribute_definitions,
        sdk.customers.custom_attributes,
    )
    for key, kind in (("movie", "String"), ("owns", "Boolean"), ("home", "Address")):
        definitions.create(custom_attribute_definition={"key": key, "schema": schema(kind)})
    one, two = customer(sdk, "Ava"), customer(sdk, "Noah")

    made = values.upsert(
        one, "movie", custom_attribute={"value": "Dune"}, idempotency_key="sdk-1"
    ).custom_attribute
    assert made is not None
    assert (made.key, made.value, made.version) == ("movie", "Dune", 1)
    values.upsert(one, "home", custom_attribute={"value": {"country": "GB"}})
    answer = definitions.batch_upsert(
        values={
            "id1": {"customer_id": one, "custom_attribute": {"key": "movie", "value": "Alien"}},
            "id2": {"customer_id": two, "custom_attribute": {"key": "owns", "value": False}},
            "id3": {"customer_id": two, "custom_attribute": {"key": "owns", "value": "no"}},
        }
    ).values
    assert answer is not None
    assert answer["id1"].customer_id == one
    written = answer["id1"].custom_attribute
    assert written is not None
    assert (written.value, written.version) == ("Alien", 2)
    assert answer["id2"].errors is None
    errors = answer["id3"].errors
    assert errors is not None
    assert errors[0].code == "EXPECTED_BOOLEAN"

    listed = list(values.list(one, limit=1, with_definitions=True))
    assert [(each.key, each.value) for each in listed] == [
        ("home", {"country": "GB"}),
        ("movie", "Alien"),
    ]
    assert listed[1].definition is not None
    assert listed[1].definition.key == "movie"
    read = values.get(one, "movie", with_definition=True, version=2).custom_attribute
    assert read == listed[1]
    found = sdk.customers.search(
        query={
            "filter": {
                "custom_attribute": {
                    "filters": [
                        {"key": "movie", "filter": {"text": {"fuzzy": "alien"}}},
                        {"key": "home", "filter": {"address": {"country": "GB"}}},
                    ]
                }
            }
        }
    ).customers
    assert found is not None
    assert [each.id for each in found] == [one]
    assert values.delete(one, "movie").errors is None
    with pytest.raises(ApiError) as gone:
        values.get(one, "movie", request_options=ONCE)
    assert gone.value.status_code == 404
    assert [each.key for each in values.list(two)] == ["owns"]


def test_fields_of_the_dashboard(sdk: Sdk) -> None:
    """A key with a colon goes through the SDK's paths."""
    key = "square:0f1d8e4c-6c0d-4a55-9d0e-0f6d2f8e7a11"

    with pytest.raises(ApiError) as unknown:
        sdk.customers.custom_attribute_definitions.get(key, request_options=ONCE)

    assert unknown.value.status_code == 404
    assert key in str(unknown.value.body)
