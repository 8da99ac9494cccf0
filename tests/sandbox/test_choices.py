"""An empty text is none of the choices, wherever one is asked for (assumption)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.attributes import DEFINITIONS, schema
from tests.sandbox.conftest import Square

DEFINITION = {"key": "drink", "schema": schema("String"), "visibility": ""}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v2/customers", "sort_field"),
        ("/v2/cards", "sort_order"),
        ("/v2/gift-cards", "type"),
        ("/v2/gift-cards", "state"),
        ("/v2/gift-cards/activities", "type"),
        ("/v2/gift-cards/activities", "sort_order"),
        ("/v2/payments", "sort_order"),
        ("/v2/payments", "sort_field"),
        ("/v2/webhooks/subscriptions", "sort_order"),
    ],
)
def test_in_a_query(square: Square, path: str, name: str) -> None:
    """A list that is asked for in no order, or of no type, is refused."""
    assert square.refused("GET", path, params={name: ""}) == (400, [("INVALID_ENUM_VALUE", name)])


@pytest.mark.parametrize(
    ("path", "name", "code"),
    [
        ("/v2/cards", "include_disabled", "EXPECTED_BOOLEAN"),
        ("/v2/webhooks/subscriptions", "include_disabled", "EXPECTED_BOOLEAN"),
        ("/v2/payments", "begin_time", "INVALID_TIME"),
        ("/v2/gift-cards/activities", "end_time", "INVALID_TIME"),
        ("/v2/events/types", "api_version", "INVALID_SQUARE_VERSION_FORMAT"),
    ],
)
def test_other_forms_in_a_query(square: Square, path: str, name: str, code: str) -> None:
    """Nor is it true or false, a moment or a version."""
    assert square.refused("GET", path, params={name: ""})[1][0][0] == code


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v2/customers/search", {"query": {"sort": {"field": ""}}}, "query.sort.field"),
        ("/v2/events", {"query": {"sort": {"order": ""}}}, "query.sort.order"),
        (
            DEFINITIONS,
            {"custom_attribute_definition": DEFINITION},
            "custom_attribute_definition.visibility",
        ),
    ],
)
def test_in_a_body(square: Square, path: str, body: dict[str, Any], field: str) -> None:
    """A sort without a field or an order is none, null is the default."""
    assert square.refused("POST", path, body) == (400, [("INVALID_ENUM_VALUE", field)])


def test_in_a_sale(square: Square) -> None:
    """The state of an order, what it is sorted by, and where a gift card's number is from."""
    location = square.ok("GET", "/v2/locations/main")["location"]["id"]
    card = {"type": "DIGITAL", "gan_source": ""}
    for path, body, field in (
        ("/v2/orders", {"order": {"location_id": location, "state": ""}}, "order.state"),
        (
            "/v2/orders/search",
            {"location_ids": [location], "query": {"sort": {"sort_field": ""}}},
            "query.sort.sort_field",
        ),
        (
            "/v2/gift-cards",
            {"idempotency_key": "k", "location_id": location, "gift_card": card},
            "gift_card.gan_source",
        ),
    ):
        assert square.refused("POST", path, body) == (400, [("INVALID_ENUM_VALUE", field)])
