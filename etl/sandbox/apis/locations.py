"""What does each endpoint of the Locations API do? A merchant has one location."""

from __future__ import annotations

from typing import Any

import orjson

from etl.sandbox.apis import found
from etl.sandbox.calls import Call, Merchant
from etl.sandbox.rules.markets import market, timezone


def list_locations(call: Call) -> bytes:
    """ListLocations: all of them, there are no pages."""
    return orjson.dumps({"locations": [_location(call.merchant)]})


def retrieve_location(call: Call, location_id: str) -> bytes:
    """RetrieveLocation, by id or as ``main``."""
    if location_id != "main":
        found.location(call, location_id)
    return orjson.dumps({"location": _location(call.merchant)})


def _location(merchant: Merchant) -> dict[str, Any]:
    return {
        "id": merchant.location_id,
        "name": merchant.business_name,
        "timezone": timezone(merchant.country),
        "capabilities": ["CREDIT_CARD_PROCESSING"],
        "status": "ACTIVE",
        "created_at": merchant.created_at,
        "merchant_id": merchant.id,
        "country": merchant.country,
        **market(merchant.country),
        "business_name": merchant.business_name,
        "type": "PHYSICAL",
    }
