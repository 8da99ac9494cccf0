"""Which words do the checks of orders and of payments share?"""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import Square

ORDERS = "/v2/orders"
SEARCH_ORDERS = f"{ORDERS}/search"
PAYMENTS = "/v2/payments"
LOCATIONS = "/v2/locations"
NONCE = "cnon:card-nonce-ok"


def location(square: Square) -> str:
    """The id of the main location."""
    return str(square.ok("GET", f"{LOCATIONS}/main")["location"]["id"])


def ordered(square: Square, customer: Any = None, key: str = "o-1") -> Any:
    """Create an order of 25.15; return it."""
    order: dict[str, Any] = {
        "location_id": location(square),
        "line_items": [
            {
                "name": "Tea",
                "quantity": "1",
                "base_price_money": {"amount": 2515, "currency": "USD"},
            }
        ],
    }
    if customer is not None:
        order["customer_id"] = customer["id"]
    return square.ok("POST", ORDERS, {"idempotency_key": key, "order": order})["order"]


def paid(square: Square, key: str = "p-1", source: str = NONCE, **more: Any) -> Any:
    """Pay 25.15; return the payment."""
    return square.ok("POST", PAYMENTS, payment(key, source, **more))["payment"]


def payment(key: str = "p-1", source: str = NONCE, **more: Any) -> dict[str, Any]:
    """What a payment is sent."""
    money = {"amount": 2515, "currency": "USD"}
    return {"idempotency_key": key, "source_id": source, "amount_money": money, **more}


def listed(square: Square, **parameters: str) -> list[str]:
    """The ids of the payments that are listed."""
    answer = square.ok("GET", PAYMENTS, params=parameters)
    return [one["id"] for one in answer.get("payments", [])]
