"""Orders and locations: what a customer bought, and where."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.sales import (
    LOCATIONS,
    ORDERS,
    PAYMENTS,
    SEARCH_ORDERS,
    listed,
    location,
    ordered,
    paid,
    payment,
)
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    INTEGRATE,
    MISSING,
    REFERENCE,
    Check,
    Facts,
    after,
    merged,
    told,
)

fact = Facts()

SEARCHING = f"{REFERENCE}: SearchOrders"


def found(square: Square, **query: Any) -> list[str]:
    """Search the orders of the main location; return their ids."""
    body = {"location_ids": [location(square)], "query": query}
    return [order["id"] for order in square.ok("POST", SEARCH_ORDERS, body).get("orders", [])]


def of(*customers: Any) -> dict[str, Any]:
    """The filter by customers."""
    return {"customer_filter": {"customer_ids": [customer["id"] for customer in customers]}}


# Locations


@fact(f"{REFERENCE}: ListLocations")
def all_locations_are_listed_alphabetically(square: Square) -> None:
    """Without pages; the main one is among them."""
    answer = square.ok("GET", LOCATIONS)
    names = [one["name"] for one in answer["locations"]]
    assert names == sorted(names, key=str.casefold)
    assert location(square) in {one["id"] for one in answer["locations"]}
    assert "cursor" not in answer


@fact(f"{REFERENCE}: RetrieveLocation")
def a_location_is_retrieved_by_id_or_as_main(square: Square) -> None:
    """The main one is named by the merchant."""
    main = square.ok("GET", f"{LOCATIONS}/main")["location"]
    assert square.ok("GET", f"{LOCATIONS}/{main['id']}") == {"location": main}
    merchant = square.ok("GET", "/v2/merchants/me")["merchant"]
    assert (merchant["main_location_id"], merchant["id"]) == (main["id"], main["merchant_id"])


@fact(CHOICE, choice="locations")
def there_is_one_location(square: Square) -> None:
    """Another's id is 404 NOT_FOUND, in a path, a body and a filter."""
    assert [one["id"] for one in square.ok("GET", LOCATIONS)["locations"]] == [location(square)]
    order = {"idempotency_key": "o-1", "order": {"location_id": MISSING}}
    assert told(square, "POST", ORDERS, order) == (404, "NOT_FOUND")
    search = {"location_ids": [MISSING]}
    assert told(square, "POST", SEARCH_ORDERS, search) == (404, "NOT_FOUND")
    asked = square.send("GET", PAYMENTS, params={"location_id": MISSING})
    assert asked.status_code == 404


@fact(CHOICE, choice="location's time zone", country="IE")
def a_location_has_the_time_of_its_capital(square: Square) -> None:
    """And neither an address nor a phone."""
    main = square.ok("GET", f"{LOCATIONS}/main")["location"]
    assert (main["timezone"], main["country"]) == ("Europe/Dublin", "IE")
    assert {"address", "phone_number"}.isdisjoint(main)


@fact(f"{REFERENCE}: RetrieveLocation")
def an_unknown_location_is_not_found(square: Square) -> None:
    """404 NOT_FOUND."""
    assert told(square, "GET", f"{LOCATIONS}/{MISSING}") == (404, "NOT_FOUND")


# Orders


@fact(f"{INTEGRATE}, Link customers to orders and payments")
def an_order_names_its_customer(square: Square) -> None:
    """The customer is specified when the order is created."""
    customer = square.create(given_name="Ava")
    order = ordered(square, customer)
    assert order["customer_id"] == customer["id"]
    shown = square.ok("GET", f"{ORDERS}/{order['id']}")["order"]
    assert shown["customer_id"] == customer["id"]


@fact(f"{INTEGRATE}, Missing customer assignment")
def an_order_need_not_have_a_customer(square: Square) -> None:
    """Then the field is absent."""
    order = ordered(square)
    assert "customer_id" not in square.ok("GET", f"{ORDERS}/{order['id']}")["order"]


@fact(f"{REFERENCE}: Order")
def an_order_has_a_total(square: Square) -> None:
    """The sum of its line items, at its location."""
    order = ordered(square)
    assert order["total_money"] == {"amount": 2515, "currency": "USD"}
    assert order["location_id"] == location(square)


@fact(CHOICE, choice="order without line items")
def an_order_may_be_empty(square: Square) -> None:
    """Its total is 0."""
    body = {"idempotency_key": "o-1", "order": {"location_id": location(square)}}
    order = square.ok("POST", ORDERS, body)["order"]
    assert order["total_money"] == {"amount": 0, "currency": "USD"}


def of_lines(square: Square, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What an order of these line items is sent."""
    order = {"location_id": location(square), "line_items": list(lines), **more}
    return {"idempotency_key": "o-1", "order": order}


def line(amount: int = 100, quantity: str = "1", currency: str = "USD") -> dict[str, Any]:
    """One line item."""
    money = {"amount": amount, "currency": currency}
    return {"name": "Tea", "quantity": quantity, "base_price_money": money}


@fact(CHOICE, choice="orders")
def an_order_is_the_sum_of_its_lines(square: Square) -> None:
    """Of name, whole quantity and price."""
    order = square.ok("POST", ORDERS, of_lines(square, line(250, "3"), line(5)))["order"]
    assert order["total_money"]["amount"] == 755


@fact(CHOICE, choice="orders", rows=[("taxes",), ("discounts",), ("service_charges",)])
def taxes_and_discounts_are_refused(square: Square, name: str) -> None:
    """The sandbox does not do them, and says so."""
    asked = of_lines(square, line(), **{name: [{"name": "x", "percentage": "10"}]})
    assert told(square, "POST", ORDERS, asked)[0] == 400


@fact(CHOICE, choice="orders", rows=[("1.5",), ("0",), ("-1",), ("many",), ("",)])
def a_quantity_is_a_whole_number(square: Square, quantity: str) -> None:
    """From 1, written as a text."""
    asked = of_lines(square, line(quantity=quantity))
    assert told(square, "POST", ORDERS, asked)[0] == 400


@fact(CHOICE, choice="lines of an order")
def an_order_has_500_lines_at_most(square: Square) -> None:
    """One more is ARRAY_LENGTH_TOO_LONG."""
    asked = of_lines(square, *[line()] * 501)
    assert told(square, "POST", ORDERS, asked) == (400, "ARRAY_LENGTH_TOO_LONG")
    order = square.ok("POST", ORDERS, of_lines(square, *[line()] * 500))["order"]
    assert order["total_money"]["amount"] == 50_000


@fact(CHOICE, choice="money")
def money_has_a_limit_and_a_currency(square: Square) -> None:
    """At most 10**11, in the merchant's currency."""
    assert told(square, "POST", ORDERS, of_lines(square, line(10**11 + 1)))[0] == 400
    assert told(square, "POST", ORDERS, of_lines(square, line(currency="EUR")))[0] == 400
    order = square.ok("POST", ORDERS, of_lines(square, line(10**11)))["order"]
    assert order["total_money"]["amount"] == 10**11


@fact(CHOICE, choice="money", country="DE")
def money_without_a_currency_is_xxx(square: Square) -> None:
    """Where none is known."""
    body = {"idempotency_key": "o-1", "order": {"location_id": location(square)}}
    order = square.ok("POST", ORDERS, body)["order"]
    assert order["total_money"] == {"amount": 0, "currency": "XXX"}


@fact(CHOICE, choice="idempotency key, length of gift cards and orders")
def a_key_of_an_order_has_192_characters_at_most(square: Square) -> None:
    """193 are too long."""
    ordered(square, key="k" * 192)
    body = of_lines(square, line()) | {"idempotency_key": "k" * 193}
    assert told(square, "POST", ORDERS, body) == (400, "VALUE_TOO_LONG")


@fact(CHOICE, choice="version of an order")
def an_order_has_a_version(square: Square) -> None:
    """1, and 2 once it is paid."""
    order = ordered(square)
    assert order["version"] == 1
    paid(square, order_id=order["id"])
    shown = square.ok("GET", f"{ORDERS}/{order['id']}")["order"]
    assert (shown["version"], shown["state"]) == (2, "COMPLETED")


@fact(CHOICE, choice="customer_id of a merged or unknown profile in a body")
def an_order_needs_the_new_id_of_a_merged_customer(square: Square) -> None:
    """404 NOT_FOUND for one that was merged away; the same for a payment."""
    old = square.create(given_name="Ava")
    merged(square, old, square.create(given_name="A."))
    asked = of_lines(square, line(), customer_id=old["id"])
    assert told(square, "POST", ORDERS, asked) == (404, "NOT_FOUND")
    asked = payment(customer_id=old["id"])
    assert told(square, "POST", PAYMENTS, asked) == (404, "NOT_FOUND")


@fact(f"{REFERENCE}: RetrieveOrder")
def an_unknown_order_is_not_found(square: Square) -> None:
    """404 NOT_FOUND."""
    assert told(square, "GET", f"{ORDERS}/{MISSING}") == (404, "NOT_FOUND")


@fact(SEARCHING)
def orders_are_found_by_customers(square: Square) -> None:
    """One or several ids; without a filter all orders of the locations."""
    a, b = square.create(given_name="A"), square.create(given_name="B")
    one, two, three = (
        ordered(square, customer, f"o-{key}")["id"] for key, customer in enumerate((a, b, None))
    )
    assert found(square, filter=of(a)) == [one]
    assert set(found(square, filter=of(a, b))) == {one, two}
    assert set(found(square)) == {one, two, three}


@fact(f"{SEARCHING}, customer_filter", rows=[(1, 200), (10, 200), (11, 400)])
def a_filter_has_1_to_10_customers(square: Square, number: int, status: int) -> None:
    """Specify 1 to 10 customer IDs."""
    ids = [f"{i:026}" for i in range(number)]
    query = {"filter": {"customer_filter": {"customer_ids": ids}}}
    body = {"location_ids": [location(square)], "query": query}
    assert square.send("POST", SEARCH_ORDERS, json=body).status_code == status


@fact(f"{SEARCHING}, customer_filter")
def the_customer_of_a_tender_counts(square: Square) -> None:
    """The filter looks at the order's and its tenders' customer."""
    customer = square.create(given_name="Ava")
    order = ordered(square)
    paid(square, order_id=order["id"], customer_id=customer["id"])
    assert found(square, filter=of(customer)) == [order["id"]]


@fact(f"{INTEGRATE}, Order history for merged customer profiles")
def orders_stay_under_old_ids(square: Square) -> None:
    """Searching by the new ID doesn't return orders made using a previous one."""
    a, b = square.create(given_name="A"), square.create(given_name="B")
    order = ordered(square, a)
    c = merged(square, a, b)
    assert found(square, filter=of(c)) == []
    assert found(square, filter=of(c, a, b)) == [order["id"]]
    assert square.ok("GET", f"{ORDERS}/{order['id']}")["order"]["customer_id"] == a["id"]


@fact(SEARCHING, rows=[(10, 200), (11, 400)])
def a_search_has_10_locations_at_most(square: Square, number: int, status: int) -> None:
    """All of the same merchant."""
    body = {"location_ids": [location(square)] * number}
    assert square.send("POST", SEARCH_ORDERS, json=body).status_code == status


@fact(SEARCHING)
def a_search_needs_a_location(square: Square) -> None:
    """Requests need to specify which locations to search."""
    assert told(square, "POST", SEARCH_ORDERS, {})[0] == 400


@fact(SEARCHING, rows=[(None, True), ("DESC", True), ("ASC", False)])
def orders_are_sorted_by_age(square: Square, order: str | None, newest_first: bool) -> None:
    """CREATED_AT, descending by default."""
    made = []
    for number in range(3):
        made.append(ordered(square, key=f"o-{number}")["id"])
        after(square, 1)
    sort = {"sort": {"sort_field": "CREATED_AT", "sort_order": order}} if order else {}
    assert found(square, **sort) == (made[::-1] if newest_first else made)


@fact(f"{SEARCHING}, date_time_filter")
def a_time_range_is_inclusive(square: Square) -> None:
    """The orders created inside it."""
    one = ordered(square, key="o-1")
    after(square, 3600)
    two = ordered(square, key="o-2")
    sort = {"sort_field": "CREATED_AT", "sort_order": "ASC"}
    both = {"start_at": one["created_at"], "end_at": two["created_at"]}
    late = {"start_at": "2025-09-01T09:00:00Z"}
    for asked, expected in ((both, [one["id"], two["id"]]), (late, [two["id"]])):
        query = {"filter": {"date_time_filter": {"created_at": asked}}, "sort": sort}
        assert found(square, **query) == expected


@fact(
    f"{SEARCHING}, date_time_filter",
    choice="date_time_filter of another field than the sort's",
    rows=[("UPDATED_AT", 400), ("CREATED_AT", 200)],
)
def a_time_range_must_match_the_sort(square: Square, field: str, status: int) -> None:
    """Otherwise SearchOrders throws an error."""
    query = {
        "filter": {"date_time_filter": {"created_at": {"start_at": "2025-09-01T00:00:00Z"}}},
        "sort": {"sort_field": field},
    }
    body = {"location_ids": [location(square)], "query": query}
    assert square.send("POST", SEARCH_ORDERS, json=body).status_code == status


@fact(CHOICE, choice="orders sorted by CLOSED_AT")
def open_orders_have_no_time_of_closing(square: Square) -> None:
    """A search sorted by it shows those that are closed."""
    ordered(square, key="o-1")
    order = ordered(square, key="o-2")
    paid(square, order_id=order["id"])
    assert found(square, sort={"sort_field": "CLOSED_AT"}) == [order["id"]]


@fact(CHOICE, choice="cards, gift cards, orders and payments and the lag", lag=30.0)
def orders_and_payments_do_not_lag(square: Square) -> None:
    """They are found as soon as they are made."""
    order = ordered(square)
    made = paid(square, order_id=order["id"])
    assert found(square) == [order["id"]]
    assert listed(square) == [made["id"]]


@fact(SEARCHING)
def entries_are_returned_on_request(square: Square) -> None:
    """Id, version and location instead of whole orders."""
    order = ordered(square)
    body = {"location_ids": [location(square)], "return_entries": True}
    answer = square.ok("POST", SEARCH_ORDERS, body)
    assert "orders" not in answer
    (entry,) = answer["order_entries"]
    assert (entry["order_id"], entry["location_id"]) == (order["id"], location(square))


@fact(SEARCHING)
def orders_come_page_by_page(square: Square) -> None:
    """With a cursor while more follow."""
    made = {ordered(square, key=f"o-{number}")["id"] for number in range(3)}
    body: dict[str, Any] = {"location_ids": [location(square)], "limit": 2}
    first = square.ok("POST", SEARCH_ORDERS, body)
    second = square.ok("POST", SEARCH_ORDERS, {**body, "cursor": first["cursor"]})
    assert (len(first["orders"]), len(second["orders"]), "cursor" in second) == (2, 1, False)
    assert {order["id"] for order in first["orders"] + second["orders"]} == made


@fact(SEARCHING, rows=[(1000, 200), (1001, 400), (0, 400)])
def limits_of_orders_are_1_to_1000(square: Square, limit: int, status: int) -> None:
    """Outside of them a search is refused."""
    body = {"location_ids": [location(square)], "limit": limit}
    assert square.send("POST", SEARCH_ORDERS, json=body).status_code == status


@fact(SEARCHING)
def no_orders_are_an_empty_object(square: Square) -> None:
    """A key without values is left out."""
    assert square.ok("POST", SEARCH_ORDERS, {"location_ids": [location(square)]}) == {}


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_orders(opened: Opened, check: Check) -> None:
    """Orders and locations are as the documents say."""
    check.hold(opened)
