"""The official SDK, unmodified, covers what is served of orders, locations and merchants."""

from __future__ import annotations

import pytest
from square import Square as Sdk
from square.core.api_error import ApiError
from square.types.order import Order


def location(sdk: Sdk) -> str:
    """The id of the merchant's location."""
    found = sdk.locations.get("main").location
    assert found is not None
    return str(found.id)


def make(sdk: Sdk, customer_id: str | None = None, reference: str = "my-order-001") -> Order:
    """Create an order of two items."""
    made = sdk.orders.create(
        idempotency_key=reference,
        order={
            "location_id": location(sdk),
            "reference_id": reference,
            "customer_id": customer_id or "",
            "line_items": [
                {
                    "name": "New York Strip Steak",
                    "quantity": "2",
                    "base_price_money": {"amount": 1599, "currency": "USD"},
                }
            ],
        },
    ).order
    assert isinstance(made, Order)
    return made


def test_orders_through_the_sdk(sdk: Sdk) -> None:
    """Create, get, batch-get, search by customer, time and state, page by page."""
    customer = sdk.customers.create(given_name="Ines").customer
    assert customer is not None
    assert customer.id is not None

    order = make(sdk, customer.id)

    assert order.id is not None
    assert order.total_money is not None
    assert order.total_money.amount == 3198
    assert sdk.orders.get(order.id).order == order
    assert sdk.orders.batch_get(order_ids=[order.id, "nobody"]).orders == [order]
    others = [make(sdk, reference=f"order-{number}") for number in range(3)]
    found = sdk.orders.search(
        location_ids=[location(sdk)],
        query={
            "filter": {
                "customer_filter": {"customer_ids": [customer.id]},
                "state_filter": {"states": ["OPEN"]},
                "date_time_filter": {"created_at": {"start_at": "2020-01-01T00:00:00Z"}},
            },
            "sort": {"sort_field": "CREATED_AT", "sort_order": "ASC"},
        },
    )
    assert found.orders == [order]
    first = sdk.orders.search(location_ids=[location(sdk)], limit=3, return_entries=True)
    rest = sdk.orders.search(
        location_ids=[location(sdk)], limit=3, return_entries=True, cursor=first.cursor
    )
    assert first.order_entries is not None
    assert rest.order_entries is not None
    entries = [entry.order_id for entry in (*first.order_entries, *rest.order_entries)]
    assert sorted(map(str, entries)) == sorted(str(each.id) for each in (order, *others))
    with pytest.raises(ApiError) as missing:
        sdk.orders.search()
    assert missing.value.status_code == 400


def test_locations_and_merchants_through_the_sdk(sdk: Sdk) -> None:
    """List and get of both."""
    listed = sdk.locations.list().locations
    assert listed is not None
    (place,) = listed
    assert place.id is not None
    assert sdk.locations.get(place.id).location == place
    (merchant,) = sdk.merchants.list()
    assert merchant.id is not None
    assert sdk.merchants.get(merchant.id).merchant == merchant
    assert (merchant.main_location_id, place.merchant_id) == (place.id, merchant.id)
