"""Payments: who paid what, when and with what; the scopes of all that."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.sales import (
    LOCATIONS,
    NONCE,
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
    OVERVIEW,
    REFERENCE,
    Check,
    Facts,
    after,
    bearer,
    errors_of,
    merged,
    told,
)

fact = Facts()

LISTING = f"{REFERENCE}: ListPayments"


# Payments


@fact(f"{INTEGRATE}, Link customers to orders and payments")
def a_payment_names_its_customer(square: Square) -> None:
    """The customer is specified when the payment is created."""
    customer = square.create(given_name="Ava")
    made = paid(square, customer_id=customer["id"])
    assert made["customer_id"] == customer["id"]
    assert square.ok("GET", f"{PAYMENTS}/{made['id']}") == {"payment": made}


@fact(f"{REFERENCE}: Payment")
def a_payment_of_the_test_card_completes(square: Square) -> None:
    """The whole amount, from a card, at a location."""
    made = paid(square)
    assert (made["status"], made["source_type"]) == ("COMPLETED", "CARD")
    assert made["amount_money"] == made["total_money"] == {"amount": 2515, "currency": "USD"}
    assert made["location_id"] == location(square)


@fact(f"{INTEGRATE}, Get transaction history")
def the_tender_of_an_order_names_its_payment(square: Square) -> None:
    """tender.id or tender.payment_id is the id of the payment."""
    order = ordered(square)
    made = paid(square, order_id=order["id"])
    assert made["order_id"] == order["id"]
    (tender,) = square.ok("GET", f"{ORDERS}/{order['id']}")["order"]["tenders"]
    assert made["id"] in (tender["id"], tender.get("payment_id"))


@fact(CHOICE, choice="payment of an order")
def an_order_is_paid_at_once(square: Square) -> None:
    """All of it; another amount is BAD_REQUEST, and a second payment too."""
    order = ordered(square)
    money = {"amount": 100, "currency": "USD"}
    asked = payment(order_id=order["id"]) | {"amount_money": money}
    assert told(square, "POST", PAYMENTS, asked) == (400, "BAD_REQUEST")
    paid(square, "p-2", order_id=order["id"])
    again = payment("p-3", order_id=order["id"])
    assert told(square, "POST", PAYMENTS, again)[0] == 400


@fact(CHOICE, choice="payment without an order")
def a_payment_makes_an_order(square: Square) -> None:
    """Of a custom amount, without a customer."""
    made = paid(square, customer_id=square.create(given_name="Ava")["id"])
    order = square.ok("GET", f"{ORDERS}/{made['order_id']}")["order"]
    assert order["total_money"] == made["total_money"]
    assert "customer_id" not in order


@fact(CHOICE, choice="payments")
def payments_complete_at_once(square: Square) -> None:
    """autocomplete false is refused."""
    assert paid(square, autocomplete=True)["status"] == "COMPLETED"
    assert told(square, "POST", PAYMENTS, payment("p-2", autocomplete=False))[0] == 400


@fact(CHOICE, choice="payment without customer_id")
def a_payment_without_a_customer_makes_no_profile(square: Square) -> None:
    """It is left without one."""
    made = paid(square)
    after(square, 3600)
    assert "customer_id" not in square.ok("GET", f"{PAYMENTS}/{made['id']}")["payment"]
    assert square.ok("GET", "/v2/customers") == {}


@fact(CHOICE, choice="status of a declined card")
def a_declined_card_pays_nothing(square: Square) -> None:
    """400 with an error of the payment method; no failed payment is kept."""
    answer = square.send("POST", PAYMENTS, json=payment(source="cnon:card-nonce-declined"))
    (error,) = errors_of(answer)
    told = (answer.status_code, error["category"], error["code"])
    assert told == (400, "PAYMENT_METHOD_ERROR", "GENERIC_DECLINE")
    assert listed(square) == []


@fact(CHOICE, choice="disabled card on file, or another customer's")
def a_card_on_file_pays_for_its_customer(square: Square) -> None:
    """404 NOT_FOUND for another's, and once it is disabled."""
    customer, other = square.create(given_name="A"), square.create(given_name="B")
    card = {"idempotency_key": "c-1", "source_id": NONCE, "card": {"customer_id": customer["id"]}}
    card_id = square.ok("POST", "/v2/cards", card)["card"]["id"]
    asked = payment("p-1", card_id, customer_id=other["id"])
    assert told(square, "POST", PAYMENTS, asked) == (404, "NOT_FOUND")
    square.ok("POST", f"/v2/cards/{card_id}/disable")
    asked = payment("p-2", card_id, customer_id=customer["id"])
    assert told(square, "POST", PAYMENTS, asked) == (404, "NOT_FOUND")


@fact(f"{OVERVIEW}, instant profiles")
def a_payment_takes_the_customer_of_its_order(square: Square) -> None:
    """First, Square checks the customer_id field in the corresponding order."""
    customer = square.create(given_name="Ava")
    made = paid(square, order_id=ordered(square, customer)["id"])
    after(square, 120)
    shown = square.ok("GET", f"{PAYMENTS}/{made['id']}")["payment"]
    assert shown["customer_id"] == customer["id"]


@fact(f"{INTEGRATE}, Charge cards on file")
def a_card_on_file_is_charged_with_its_customer(square: Square) -> None:
    """Providing a customer ID is required for payments from cards on file."""
    customer = square.create(given_name="Ava")
    card = {"idempotency_key": "c-1", "source_id": NONCE, "card": {"customer_id": customer["id"]}}
    card_id = square.ok("POST", "/v2/cards", card)["card"]["id"]
    made = paid(square, source=card_id, customer_id=customer["id"])
    assert made["customer_id"] == customer["id"]
    assert told(square, "POST", PAYMENTS, payment("p-2", card_id))[0] == 400


@fact(f"{OVERVIEW}, instant profiles")
def merging_does_not_rewrite_payments(square: Square) -> None:
    """The customer_id of completed transactions remains unchanged."""
    a, b = square.create(given_name="A"), square.create(given_name="B")
    made = paid(square, customer_id=a["id"])
    merged(square, a, b)
    assert square.ok("GET", f"{PAYMENTS}/{made['id']}")["payment"]["customer_id"] == a["id"]


@fact(f"{REFERENCE}: CreatePayment", rows=[("source_id",), ("idempotency_key",), ("amount_money",)])
def a_payment_needs_three_members(square: Square, member: str) -> None:
    """A source, a key and an amount."""
    body = payment()
    del body[member]
    assert told(square, "POST", PAYMENTS, body)[0] == 400


@fact(f"{REFERENCE}: CreatePayment")
def a_repeated_payment_is_made_once(square: Square) -> None:
    """Same key and same body: the first answer."""
    assert paid(square) == paid(square)
    assert len(listed(square)) == 1


@fact(f"{REFERENCE}: GetPayment")
def an_unknown_payment_is_not_found(square: Square) -> None:
    """404 NOT_FOUND."""
    assert told(square, "GET", f"{PAYMENTS}/{MISSING}") == (404, "NOT_FOUND")


@fact(LISTING, rows=[(None, True), ("DESC", True), ("ASC", False)])
def payments_are_listed_by_age(square: Square, order: str | None, newest_first: bool) -> None:
    """The newest first by default."""
    made = []
    for number in range(3):
        made.append(paid(square, f"p-{number}")["id"])
        after(square, 1)
    parameters = {"sort_order": order} if order else {}
    assert listed(square, **parameters) == (made[::-1] if newest_first else made)


@fact(LISTING)
def payments_are_listed_by_time(square: Square) -> None:
    """begin_time is inclusive."""
    one = paid(square, "p-1")
    after(square, 3600)
    two = paid(square, "p-2")
    after(square, 60)
    assert listed(square, begin_time=two["created_at"]) == [two["id"]]
    assert listed(square, end_time="2025-09-01T09:00:00Z") == [one["id"]]


@fact(CHOICE, choice="bounds of ListPayments")
def the_bounds_of_a_list_of_payments_are_inclusive(square: Square) -> None:
    """Both; a limit below 1 is VALUE_TOO_LOW."""
    one = paid(square)
    at = one["created_at"]
    assert listed(square, begin_time=at, end_time=at) == [one["id"]]
    told = square.refused("GET", PAYMENTS, params={"limit": "0"})
    assert told == (400, [("VALUE_TOO_LOW", "limit")])


@fact(
    CHOICE,
    choice="filters of ListPayments by total, card and offline",
    rows=[("total", "2515"), ("last_4", "5858"), ("card_brand", "VISA")],
)
def payments_are_not_listed_by_other_things(square: Square, name: str, value: str) -> None:
    """The sandbox does not do it, and says so."""
    assert square.send("GET", PAYMENTS, params={name: value}).status_code == 400


@fact(LISTING)
def payments_of_the_last_year_are_listed(square: Square) -> None:
    """begin_time is one year back by default."""
    one = paid(square)
    after(square, 300 * 86_400)
    assert listed(square) == [one["id"]]
    after(square, 100 * 86_400)
    assert listed(square) == []
    assert listed(square, begin_time="2025-01-01T00:00:00Z") == [one["id"]]


@fact(LISTING)
def payments_come_page_by_page(square: Square) -> None:
    """With a cursor while more follow."""
    made = {paid(square, f"p-{number}")["id"] for number in range(3)}
    first = square.ok("GET", PAYMENTS, params={"limit": "2"})
    second = square.ok("GET", PAYMENTS, params={"limit": "2", "cursor": first["cursor"]})
    assert (len(first["payments"]), len(second["payments"])) == (2, 1)
    assert "cursor" not in second
    assert {one["id"] for one in first["payments"] + second["payments"]} == made


@fact(LISTING, rows=[("101",), ("5000",)])
def a_limit_over_100_is_ignored(square: Square, limit: str) -> None:
    """The default of 100 is used instead."""
    for number in range(101):
        paid(square, f"p-{number}")
    assert len(listed(square, limit=limit)) == 100


@fact(LISTING)
def payments_have_no_filter_by_customer(square: Square) -> None:
    """The parameter does not exist."""
    customer = square.create(given_name="Ava")
    paid(square)
    answer = square.send("GET", PAYMENTS, params={"customer_id": customer["id"]})
    assert answer.status_code == 400 or len(answer.json()["payments"]) == 1


@fact(LISTING)
def no_payments_are_an_empty_object(square: Square) -> None:
    """A key without values is left out."""
    assert square.ok("GET", PAYMENTS) == {}


# Scopes


@fact(
    f"{REFERENCE}, OAuth permissions",
    rows=[
        ("GET", LOCATIONS, "MERCHANT_PROFILE_READ"),
        ("GET", f"{LOCATIONS}/main", "MERCHANT_PROFILE_READ"),
        ("POST", ORDERS, "ORDERS_WRITE"),
        ("POST", SEARCH_ORDERS, "ORDERS_READ"),
        ("GET", f"{ORDERS}/{MISSING}", "ORDERS_READ"),
        ("POST", PAYMENTS, "PAYMENTS_WRITE"),
        ("GET", PAYMENTS, "PAYMENTS_READ"),
        ("GET", f"{PAYMENTS}/{MISSING}", "PAYMENTS_READ"),
    ],
)
def each_call_needs_its_scope(square: Square, method: str, path: str, scope: str) -> None:
    """Without it 403, which names it; with it alone the call passes on."""
    answer = square.send(method, path, headers=bearer(square, "CUSTOMERS_READ"))
    assert answer.status_code == 403
    assert scope in errors_of(answer)[0]["detail"]
    assert square.send(method, path, headers=bearer(square, scope)).status_code != 403


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_payments(opened: Opened, check: Check) -> None:
    """Payments are as the documents say."""
    check.hold(opened)
