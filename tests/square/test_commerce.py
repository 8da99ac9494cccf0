"""Tests of the calls to other APIs than the one of customers: what is asked, what is read."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from etl.errors import Unavailable
from etl.square import commerce
from tests.square.fakes import Square, Time, client

SPAN = ("1970-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z")


def answer(**members: Any) -> Square:
    """Return a Square that always answers this."""
    return Square([httpx.Response(200, json=members)])


def test_payments_say_where_and_since_when() -> None:
    """Square's own choice would be the main location, one year, the newest first."""
    square = answer(payments=[{"id": "p"}], cursor="next")

    page = commerce.payments(client(square, Time()), "L1", *SPAN, "here")

    assert (page.rows, page.cursor) == ([{"id": "p"}], "next")
    assert dict(square.requests[0].url.params) == {
        "location_id": "L1",
        "begin_time": SPAN[0],
        "end_time": SPAN[1],
        "sort_order": "ASC",
        "limit": "100",
        "cursor": "here",
    }


@pytest.mark.parametrize("cursor", [None, "here"])
def test_orders_are_sorted_by_the_time_that_filters(cursor: str | None) -> None:
    """Square takes a filter by time only of the field that is sorted by."""
    square = answer()

    page = commerce.orders(client(square, Time()), ["L1", "L2"], *SPAN, cursor)

    assert (page.rows, page.cursor) == ([], None)
    asked = orjson.loads(square.bodies[0])
    created = {"start_at": SPAN[0], "end_at": SPAN[1]}
    assert asked.pop("cursor", None) == cursor
    assert asked == {
        "location_ids": ["L1", "L2"],
        "limit": 500,
        "query": {
            "filter": {"date_time_filter": {"created_at": created}},
            "sort": {"sort_field": "CREATED_AT", "sort_order": "ASC"},
        },
    }


def test_listings_without_a_choice_of_order() -> None:
    """Cards come the oldest first, gift cards 200 at a time, locations all at once."""
    square = answer(cards=[], cursor="")
    assert commerce.cards(client(square, Time()), None).cursor is None
    assert dict(square.requests[0].url.params) == {"sort_order": "ASC"}

    square = answer(gift_cards=[{"id": "g"}])
    assert commerce.gift_cards(client(square, Time()), "here").rows == [{"id": "g"}]
    assert dict(square.requests[0].url.params) == {"limit": "200", "cursor": "here"}

    square = answer(locations=[{"id": "L1"}, {"id": "L2"}])
    assert commerce.locations(client(square, Time())) == ["L1", "L2"]


def test_small_talk_is_no_empty_listing() -> None:
    """What is not a listing is asked for again, never taken for one without rows."""
    square = answer(status="ok")
    with pytest.raises(Unavailable, match="not a listing"):
        commerce.cards(client(square, Time()), None)
