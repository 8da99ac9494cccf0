"""How are Square's other APIs asked what customers have, and what they bought?

A page at a time. The oldest come first, so that what comes to be meanwhile does not move what is
still to come; of cards also the newest, for who wants no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import orjson

from etl.square.client import SquareClient
from etl.square.wire import Page

# Locations that one search for orders takes.
LOCATIONS = 10

# Scopes by endpoint. The API reference names none for cards; Square asks for this one.
SCOPES = {
    "GET /v2/cards": "PAYMENTS_READ",
    "GET /v2/gift-cards": "GIFTCARDS_READ",
    "GET /v2/locations": "MERCHANT_PROFILE_READ",
    "GET /v2/payments": "PAYMENTS_READ",
    "POST /v2/orders/search": "ORDERS_READ",
}

# The most on a page; of cards there are 25, whatever is asked for.
_GIFT_CARDS = 200
_PAYMENTS = 100
# Square takes 1000, but orders are long.
_ORDERS = 500


def cards(square: SquareClient, cursor: str | None, order: Literal["ASC", "DESC"] = "ASC") -> Page:
    """Return a page of the enabled cards on file."""
    return square.page("cards", "GET", "/v2/cards", params=_turn(cursor, sort_order=order))


def gift_cards(square: SquareClient, cursor: str | None) -> Page:
    """Return a page of the gift cards, in whatever state."""
    return square.page(
        "gift_cards", "GET", "/v2/gift-cards", params=_turn(cursor, limit=_GIFT_CARDS)
    )


def locations(square: SquareClient) -> list[str]:
    """Return the ids of all locations, closed ones too."""
    found = square.page("locations", "GET", "/v2/locations").rows
    return [str(location["id"]) for location in found]


def payments(square: SquareClient, location: str, start: str, end: str, cursor: str | None) -> Page:
    """Return a page of the payments of a location that were made between two times.

    Without a location Square lists those of the main one, without a start those of the last year.
    """
    query = _turn(
        cursor,
        location_id=location,
        begin_time=start,
        end_time=end,
        sort_order="ASC",
        limit=_PAYMENTS,
    )
    return square.page("payments", "GET", "/v2/payments", params=query)


def orders(
    square: SquareClient, locations: Sequence[str], start: str, end: str, cursor: str | None
) -> Page:
    """Return a page of the orders of up to ten locations that were made between two times."""
    asked: dict[str, Any] = {
        "location_ids": list(locations),
        "limit": _ORDERS,
        "query": {
            # Square takes only a filter by the time that is sorted by.
            "filter": {"date_time_filter": {"created_at": {"start_at": start, "end_at": end}}},
            "sort": {"sort_field": "CREATED_AT", "sort_order": "ASC"},
        },
    }
    if cursor:
        asked["cursor"] = cursor
    return square.page("orders", "POST", "/v2/orders/search", body=orjson.dumps(asked))


def _turn(cursor: str | None, **query: str | int) -> dict[str, str]:
    asked = {name: str(value) for name, value in query.items()}
    return asked | ({"cursor": cursor} if cursor else {})
