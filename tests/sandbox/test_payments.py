"""Payments and how they are found; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square

PAYMENTS = "/v2/payments"
OK = "cnon:card-nonce-ok"
MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"
TEN = {"amount": 1000, "currency": "USD"}


def location(square: Square) -> str:
    """The id of the merchant's location."""
    return str(square.ok("GET", "/v2/locations/main")["location"]["id"])


def request(key: str = "p-1", **more: Any) -> dict[str, Any]:
    """The body of a request to pay ten dollars."""
    return {"idempotency_key": key, "source_id": OK, "amount_money": TEN} | more


def pay(square: Square, key: str = "p-1", **more: Any) -> Any:
    """Pay ten dollars."""
    return square.ok("POST", PAYMENTS, request(key, **more))["payment"]


def listed(square: Square, **parameters: Any) -> list[str]:
    """The ids of the payments in a list of one page."""
    answer = square.ok("GET", PAYMENTS, params=parameters)
    assert "cursor" not in answer
    return [payment["id"] for payment in answer.get("payments", [])]


def order_of(square: Square, payment: Any) -> Any:
    """The order of a payment."""
    return square.ok("GET", f"/v2/orders/{payment['order_id']}")["order"]


def test_a_payment_is_made_and_retrieved(square: Square) -> None:
    """Completed at once, members as in recorded answers."""
    customer_id = square.create(given_name="Ava")["id"]

    payment = pay(square, customer_id=customer_id, reference_id="123456", note="Brief")

    card = payment["card_details"].pop("card")
    assert payment == {
        "id": payment["id"],
        "created_at": "2025-09-01T08:15:30.412Z",
        "updated_at": "2025-09-01T08:15:30.412Z",
        "amount_money": TEN,
        "total_money": TEN,
        "approved_money": TEN,
        "status": "COMPLETED",
        "source_type": "CARD",
        "card_details": {
            "status": "CAPTURED",
            "entry_method": "KEYED",
            "cvv_status": "CVV_ACCEPTED",
            "avs_status": "AVS_ACCEPTED",
            "card_payment_timeline": {
                "authorized_at": "2025-09-01T08:15:30.412Z",
                "captured_at": "2025-09-01T08:15:30.412Z",
            },
        },
        "location_id": location(square),
        "order_id": payment["order_id"],
        "customer_id": customer_id,
        "reference_id": "123456",
        "note": "Brief",
        "receipt_number": payment["id"][:4],
        "application_details": {"square_product": "ECOMMERCE_API"},
        "delay_duration": "PT168H",
        "delay_action": "CANCEL",
        "delayed_until": "2025-09-08T08:15:30.412Z",
        "version_token": payment["version_token"],
    }
    assert (card["card_brand"], card["last_4"], card["bin"]) == ("VISA", "5858", "453275")
    assert listed(square) == [payment["id"]]
    shown = square.ok("GET", f"{PAYMENTS}/{payment['id']}")["payment"]
    assert shown["customer_id"] == customer_id
    assert square.refused("GET", f"{PAYMENTS}/x") == (404, [("NOT_FOUND", "")])


def test_a_payment_in_cash(square: Square) -> None:
    """``CASH`` needs what the buyer gave; the change is told (recorded answers)."""
    twelve, two = ({"amount": amount, "currency": "USD"} for amount in (1200, 200))
    details = {"buyer_supplied_money": twelve}

    payment = pay(square, source_id="CASH", cash_details=details)

    told = {"buyer_supplied_money": twelve, "change_back_money": two}
    assert (payment["source_type"], payment["cash_details"]) == ("CASH", told)
    assert not {"card_details", "approved_money", "delay_action"} & set(payment)
    (tender,) = order_of(square, payment)["tenders"]
    assert tender["cash_details"] == {"buyer_tendered_money": twelve, "change_back_money": two}
    body = request("p-2", source_id="CASH")
    assert square.refused("POST", PAYMENTS, body)[1] == [
        ("MISSING_REQUIRED_PARAMETER", "cash_details")
    ]
    body["cash_details"] = {"buyer_supplied_money": two}
    assert square.refused("POST", PAYMENTS, body)[1] == [
        ("VALUE_TOO_LOW", "cash_details.buyer_supplied_money.amount")
    ]


@pytest.mark.parametrize(
    ("source_id", "status", "code", "field"),
    [
        ("cnon:card-nonce-rejected-cvv", 400, "CVV_FAILURE", ""),
        ("cnon:card-nonce-rejected-postalcode", 400, "ADDRESS_VERIFICATION_FAILURE", ""),
        ("cnon:card-nonce-rejected-expiration", 400, "INVALID_EXPIRATION", ""),
        ("cnon:card-nonce-declined", 400, "GENERIC_DECLINE", ""),
        ("ccof:customer-card-id-declined", 400, "GENERIC_DECLINE", ""),
        ("ccof:customer-card-id-rejected-cvv", 400, "CVV_FAILURE", ""),
        ("cnon:card-nonce-already-used", 400, "CARD_TOKEN_USED", "source_id"),
        ("cnon:nobody", 404, "NOT_FOUND", "source_id"),
        ("cnon:card-nonce-ccof:customer-card-id-ok", 404, "NOT_FOUND", "source_id"),
        ("ok", 400, "BAD_REQUEST", "source_id"),
        ("EXTERNAL", 400, "BAD_REQUEST", "source_id"),
        ("not-existent-nonce", 400, "BAD_REQUEST", "source_id"),
    ],
)
def test_declined_cards(square: Square, source_id: str, status: int, code: str, field: str) -> None:
    """Each test value fails for the reason in its name (Sandbox test values), with 400."""
    answer = square.send("POST", PAYMENTS, json=request(source_id=source_id))

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error.get("field", "")) == (status, code, field)
    if code in ("CVV_FAILURE", "GENERIC_DECLINE"):
        assert error["category"] == "PAYMENT_METHOD_ERROR"
        assert error["detail"] == f"Authorization error: '{code}'"
    assert listed(square) == []
    body = {"location_ids": [location(square)]}
    assert square.ok("POST", "/v2/orders/search", body) == {}
    assert square.sandbox.log() == []


def test_a_declined_payment_does_not_use_its_key(square: Square) -> None:
    """The same key may pay with another card (assumption)."""
    square.refused("POST", PAYMENTS, request(source_id="cnon:card-nonce-declined"))

    assert pay(square)["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"idempotency_key": None}, 400, "MISSING_REQUIRED_PARAMETER", "idempotency_key"),
        ({"idempotency_key": "k" * 46}, 400, "VALUE_TOO_LONG", "idempotency_key"),
        ({"source_id": None}, 400, "MISSING_REQUIRED_PARAMETER", "source_id"),
        ({"source_id": []}, 400, "EXPECTED_STRING", "source_id"),
        ({"amount_money": None}, 400, "MISSING_REQUIRED_PARAMETER", "amount_money"),
        ({"amount_money": {"amount": 0} | {"currency": "USD"}}, 400, "VALUE_TOO_LOW", None),
        ({"amount_money": {"amount": 10**12, "currency": "USD"}}, 400, "VALUE_TOO_HIGH", None),
        ({"amount_money": TEN | {"currency": "XXX"}}, 400, "INVALID_VALUE", None),
        ({"tip_money": {"amount": 10**11, "currency": "USD"}}, 400, "VALUE_TOO_HIGH", None),
        ({"tip_money": 5}, 400, "EXPECTED_OBJECT", "tip_money"),
        ({"autocomplete": False}, 400, "BAD_REQUEST", "autocomplete"),
        ({"autocomplete": "no"}, 400, "EXPECTED_BOOLEAN", "autocomplete"),
        ({"app_fee_money": TEN}, 400, "BAD_REQUEST", "app_fee_money"),
        ({"colour": "red"}, 400, "BAD_REQUEST", "colour"),
        ({"customer_id": MISSING}, 404, "NOT_FOUND", ""),
        ({"location_id": "L1"}, 404, "NOT_FOUND", ""),
        ({"order_id": "x"}, 404, "NOT_FOUND", ""),
        ({"order_id": 1}, 400, "EXPECTED_STRING", "order_id"),
        ({"reference_id": "x" * 41}, 400, "VALUE_TOO_LONG", "reference_id"),
        ({"note": "x" * 501}, 400, "VALUE_TOO_LONG", "note"),
        ({"buyer_email_address": "x" * 256}, 400, "VALUE_TOO_LONG", "buyer_email_address"),
        ({"source_id": "CASH", "cash_details": 1}, 400, "EXPECTED_OBJECT", "cash_details"),
        # Judged also where they are not needed.
        ({"cash_details": 1}, 400, "EXPECTED_OBJECT", "cash_details"),
        (
            {"cash_details": {"change_back_money": 1}},
            400,
            "EXPECTED_OBJECT",
            "cash_details.change_back_money",
        ),
    ],
)
def test_create_payment_checks_its_body(
    square: Square, change: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    """What is required, and of which type and length, as in the API reference."""
    answer = square.refused("POST", PAYMENTS, request() | change)

    assert (answer[0], answer[1][0][0]) == (status, code)
    if field is not None:
        assert answer[1] == [(code, field)]


def test_money_of_another_currency_is_refused_in_squares_words(square: Square) -> None:
    """Quoted in public test suites."""
    body = request(amount_money=TEN | {"currency": "XXX"})

    (error,) = square.send("POST", PAYMENTS, json=body).json()["errors"]

    assert error["detail"] == (
        "This merchant can only process payments in USD, but amount was provided in XXX"
    )


def test_a_repeated_key_pays_once(square: Square) -> None:
    """Same key and body: the same payment (Idempotency)."""
    payment = pay(square)
    square.clock.now += 60

    assert pay(square) == payment
    assert listed(square) == [payment["id"]]
    body = request(note="other")
    assert square.refused("POST", PAYMENTS, body)[1][0][0] == "IDEMPOTENCY_KEY_REUSED"


def test_a_card_on_file_is_charged(square: Square) -> None:
    """It needs its customer (Integrate...); another's card is not found (developer forum)."""
    ava, ben = (square.create(given_name=name)["id"] for name in ("Ava", "Ben"))
    body = {"idempotency_key": "c", "source_id": OK, "card": {"customer_id": ava}}
    card = square.ok("POST", "/v2/cards", body)["card"]

    payment = pay(square, source_id=card["id"], customer_id=ava)

    assert payment["card_details"]["entry_method"] == "ON_FILE"
    assert payment["card_details"]["card"]["fingerprint"] == card["fingerprint"]
    for number, (who, code, field) in enumerate(
        (
            ({}, "MISSING_REQUIRED_PARAMETER", "customer_id"),
            ({"customer_id": ben}, "NOT_FOUND", "source_id"),
        )
    ):
        body = request(f"x-{number}", source_id=card["id"], **who)
        assert square.refused("POST", PAYMENTS, body)[1] == [(code, field)]
    square.ok("POST", f"/v2/cards/{card['id']}/disable")
    body = request("x-3", source_id=card["id"], customer_id=ava)
    assert square.refused("POST", PAYMENTS, body) == (404, [("NOT_FOUND", "source_id")])
    known = pay(square, "x-4", source_id="ccof:customer-card-id-ok")
    assert known["card_details"]["entry_method"] == "ON_FILE"


def test_a_payment_pays_an_order(square: Square) -> None:
    """The customer of the order is that of the payment, if it names none (assumption)."""
    ava = square.create(given_name="Ava")["id"]
    line = {"quantity": "2", "base_price_money": {"amount": 500, "currency": "USD"}}
    order = {"location_id": location(square), "customer_id": ava, "line_items": [line]}
    order = square.ok("POST", "/v2/orders", {"order": order})["order"]
    two = {"amount": 200, "currency": "USD"}
    wrong = request(order_id=order["id"], amount_money=two)
    assert square.refused("POST", PAYMENTS, wrong)[1] == [("BAD_REQUEST", "amount_money.amount")]

    payment = pay(square, order_id=order["id"], tip_money=two)

    assert (payment["customer_id"], payment["order_id"]) == (ava, order["id"])
    assert payment["total_money"]["amount"] == 1200
    paid = order_of(square, payment)
    assert (paid["total_money"]["amount"], paid["total_tip_money"]) == (1200, two)
    assert paid["tenders"][0]["tip_money"] == two
    again = request("p-2", order_id=order["id"])
    assert square.refused("POST", PAYMENTS, again)[1] == [("BAD_REQUEST", "order_id")]


def test_a_payment_without_an_order_makes_one(square: Square) -> None:
    """Of a custom amount; the order itself names no customer, its tender does (Integrate...)."""
    ava = square.create(given_name="Ava")["id"]

    order = order_of(square, pay(square, customer_id=ava))

    assert (order["state"], order["total_money"]) == ("COMPLETED", TEN)
    assert order["line_items"][0]["item_type"] == "CUSTOM_AMOUNT"
    assert "customer_id" not in order
    assert order["tenders"][0]["customer_id"] == ava
    query = {"filter": {"customer_filter": {"customer_ids": [ava]}}}
    body = {"location_ids": [location(square)], "query": query}
    assert square.ok("POST", "/v2/orders/search", body)["orders"] == [order]
    assert "customer_id" not in pay(square, "p-2")


def test_a_merge_does_not_rewrite_payments(square: Square) -> None:
    """A finished payment keeps its customer_id (overview)."""
    old = [square.create(given_name=name)["id"] for name in ("Ava", "Ben")]
    payment = pay(square, customer_id=old[0])

    square.sandbox.control("merge", {"from": old})

    assert square.ok("GET", f"{PAYMENTS}/{payment['id']}") == {"payment": payment}
    body = request("p-2", customer_id=old[0])
    assert square.refused("POST", PAYMENTS, body) == (404, [("NOT_FOUND", "")])


def test_payments_are_listed_by_time(square: Square) -> None:
    """The newest first, a year back unless more is asked for (API reference)."""
    made = []
    for number in range(4):
        made.append(pay(square, f"p-{number}"))
        square.clock.now += 60
    ids, times = ([payment[name] for payment in made] for name in ("id", "created_at"))

    assert listed(square) == ids[::-1]
    assert listed(square, sort_order="ASC") == ids
    assert listed(square, sort_order="ASC", begin_time=times[2]) == ids[2:]
    assert listed(square, sort_order="ASC", end_time=times[1]) == ids[:2]
    assert listed(square, begin_time=times[1], end_time=times[2]) == [ids[2], ids[1]]
    assert listed(square, updated_at_begin_time=times[3]) == [ids[3]]
    assert listed(square, updated_at_end_time=times[0], sort_field="UPDATED_AT") == [ids[0]]
    assert listed(square, location_id=location(square)) == ids[::-1]
    square.clock.now += 366 * 24 * 3600
    assert square.ok("GET", PAYMENTS) == {}
    assert listed(square, begin_time=times[3]) == [ids[3]]


def test_payments_come_in_pages(square: Square) -> None:
    """100 a page unless fewer are asked for; a larger limit is ignored (API reference)."""
    made = [pay(square, f"p-{number}")["id"] for number in range(103)]

    for limit in ({}, {"limit": 100}, {"limit": 101}, {"limit": 10**9}):
        first = square.ok("GET", PAYMENTS, params=limit)
        rest = square.ok("GET", PAYMENTS, params={**limit, "cursor": first["cursor"]})
        assert [len(page["payments"]) for page in (first, rest)] == [100, 3]
        found = [payment["id"] for page in (first, rest) for payment in page["payments"]]
        assert sorted(found) == sorted(made)
    assert len(square.ok("GET", PAYMENTS, params={"limit": 7})["payments"]) == 7
    other = {"cursor": first["cursor"], "sort_order": "ASC"}
    assert square.refused("GET", PAYMENTS, params=other)[1] == [("INVALID_CURSOR", "cursor")]


@pytest.mark.parametrize(
    ("parameters", "code", "field"),
    [
        ({"limit": 0}, "VALUE_TOO_LOW", "limit"),
        ({"limit": "x"}, "EXPECTED_INTEGER", "limit"),
        ({"sort_order": "UP"}, "INVALID_ENUM_VALUE", "sort_order"),
        ({"sort_field": "NAME"}, "INVALID_ENUM_VALUE", "sort_field"),
        ({"begin_time": "yesterday"}, "INVALID_TIME", "begin_time"),
        (
            {"begin_time": "2025-09-02T00:00:00Z", "end_time": "2025-09-01T00:00:00Z"},
            *("INVALID_TIME_RANGE", "end_time"),
        ),
        ({"location_id": "L1"}, "NOT_FOUND", ""),
        ({"cursor": "abc"}, "INVALID_CURSOR", "cursor"),
        ({"total": 1000}, "BAD_REQUEST", "total"),
        ({"last_4": "5858"}, "BAD_REQUEST", "last_4"),
        ({"is_offline_payment": "true"}, "BAD_REQUEST", "is_offline_payment"),
    ],
)
def test_payment_list_parameters_are_checked(
    square: Square, parameters: dict[str, Any], code: str, field: str
) -> None:
    """Filters the sandbox has not are refused, not ignored (ours)."""
    assert square.refused("GET", PAYMENTS, params=parameters)[1] == [(code, field)]


def test_payments_of_sellers_elsewhere(opened: Opened) -> None:
    """Where Square serves no sellers, money has no currency: XXX (assumption)."""
    square = opened(country="DE")

    assert pay(square, amount_money={"amount": 1, "currency": "XXX"})["status"] == "COMPLETED"


def test_payments_are_logged(square: Square) -> None:
    """Every payment is in the log with its customer, key and order."""
    customer_id = square.create(given_name="Ava")["id"]
    payment = pay(square, customer_id=customer_id)

    order, entry = square.sandbox.log()[1:]

    assert (order["action"], order["customer_id"]) == ("create-order", "")
    assert (entry["action"], entry["customer_id"]) == ("create-payment", customer_id)
    assert entry["idempotency_key"] == "p-1"
    assert entry["changes"] == {
        "payment_id": payment["id"],
        "order_id": payment["order_id"],
        "total": 1000,
    }


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("PAYMENTS_READ", "GET", PAYMENTS),
        ("PAYMENTS_READ", "GET", f"{PAYMENTS}/x"),
        ("PAYMENTS_WRITE", "POST", PAYMENTS),
    ],
)
def test_payments_need_their_scopes(square: Square, scope: str, method: str, path: str) -> None:
    """PAYMENTS_READ reads, PAYMENTS_WRITE writes (API reference)."""
    other = {"PAYMENTS_READ": "PAYMENTS_WRITE", "PAYMENTS_WRITE": "PAYMENTS_READ"}[scope]

    assert square.needs_scope(scope, method, path, other)
