"""Orders and who made them; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox.rules import orders as rules
from etl.sandbox.rules.money import money
from tests.sandbox.conftest import Square

ORDERS = "/v2/orders"
SEARCH = f"{ORDERS}/search"
MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"
STEAK = {
    "name": "New York Strip Steak",
    "quantity": "2",
    "base_price_money": {"amount": 1599, "currency": "USD"},
}


def location(square: Square) -> str:
    """The id of the merchant's location."""
    return str(square.ok("GET", "/v2/locations/main")["location"]["id"])


def make(square: Square, customer_id: str | None = None, **order: Any) -> Any:
    """Create an order."""
    order = {"location_id": location(square), "line_items": [STEAK], **order}
    if customer_id is not None:
        order["customer_id"] = customer_id
    return square.ok("POST", ORDERS, {"order": order})["order"]


def pay(square: Square, order: Any, key: str, customer_id: str | None = None) -> Any:
    """Pay an order with the test value."""
    body = {
        "idempotency_key": key,
        "source_id": "cnon:card-nonce-ok",
        "amount_money": order["total_money"],
        "order_id": order["id"],
    }
    who = {} if customer_id is None else {"customer_id": customer_id}
    return square.ok("POST", "/v2/payments", body | who)["payment"]


def search(square: Square, query: object = None, **more: Any) -> Any:
    """Search the merchant's orders."""
    body = {"location_ids": [location(square)], **more}
    return square.ok("POST", SEARCH, body if query is None else {**body, "query": query})


def found(square: Square, query: object = None, **more: Any) -> list[str]:
    """The ids of the orders a search finds."""
    return [order["id"] for order in search(square, query, **more).get("orders", [])]


def of(*customer_ids: str) -> dict[str, Any]:
    """The query for the orders of customers."""
    return {"filter": {"customer_filter": {"customer_ids": list(customer_ids)}}}


def test_an_order_is_created_and_retrieved(square: Square) -> None:
    """Totals of lines and order, as in the API reference's example; version 1, OPEN."""
    customer_id = square.create(given_name="Ava")["id"]

    order = make(
        square,
        customer_id,
        reference_id="till-7",
        line_items=[{**STEAK, "uid": "steak", "note": "rare"}],
        source={"name": "My App"},
        state="OPEN",
    )

    nothing, total = ({"amount": amount, "currency": "USD"} for amount in (0, 3198))
    assert order == {
        "id": order["id"],
        "location_id": location(square),
        "reference_id": "till-7",
        "customer_id": customer_id,
        "source": {"name": "My App"},
        "line_items": [
            {
                "uid": "steak",
                **STEAK,
                "note": "rare",
                "gross_sales_money": total,
                "total_tax_money": nothing,
                "total_discount_money": nothing,
                "total_money": total,
                "variation_total_price_money": total,
                "item_type": "ITEM",
                "total_service_charge_money": nothing,
            }
        ],
        "created_at": "2025-09-01T08:15:30.412Z",
        "updated_at": "2025-09-01T08:15:30.412Z",
        "state": "OPEN",
        "version": 1,
        "total_tax_money": nothing,
        "total_discount_money": nothing,
        "total_tip_money": nothing,
        "total_money": total,
        "total_service_charge_money": nothing,
        "net_amounts": {
            "total_money": total,
            "tax_money": nothing,
            "discount_money": nothing,
            "tip_money": nothing,
            "service_charge_money": nothing,
        },
        "net_amount_due_money": total,
    }
    assert square.ok("GET", f"{ORDERS}/{order['id']}") == {"order": order}
    assert square.refused("GET", f"{ORDERS}/x") == (404, [("NOT_FOUND", "")])


def test_an_order_needs_little(square: Square) -> None:
    """A location is all that is required (API reference); no customer is made up."""
    order = square.ok("POST", ORDERS, {"order": {"location_id": location(square)}})["order"]

    assert order["total_money"] == {"amount": 0, "currency": "USD"}
    assert not {"customer_id", "line_items", "tenders"} & set(order)


@given(
    prices=st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(1, 10**4)),
        max_size=6,
    )
)
@settings(derandomize=True, deadline=None)
def test_the_total_is_the_sum_of_the_lines(prices: list[tuple[int, int]]) -> None:
    """Base price times quantity, over all lines (SDK)."""
    lines = [
        rules.new_line(str(i), None, str(quantity), money(price, "USD"))
        for i, (price, quantity) in enumerate(prices)
    ]

    order = rules.new_order("o", {"line_items": lines}, "USD", 0)

    expected = sum(price * quantity for price, quantity in prices)
    assert order["total_money"]["amount"] == expected
    assert order["net_amount_due_money"]["amount"] == expected


def test_a_repeated_key_answers_the_first_order(square: Square) -> None:
    """Same key and body: the same order (API reference); keys have up to 192 characters."""
    body = {"idempotency_key": "k" * 192, "order": {"location_id": location(square)}}

    first = square.ok("POST", ORDERS, body)

    assert square.ok("POST", ORDERS, body) == first
    assert found(square) == [first["order"]["id"]]
    body["order"] = {"location_id": location(square), "reference_id": "other"}
    assert square.refused("POST", ORDERS, body)[1][0][0] == "IDEMPOTENCY_KEY_REUSED"
    body["idempotency_key"] = "k" * 193
    assert square.refused("POST", ORDERS, body)[1][0][0] == "VALUE_TOO_LONG"


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"location_id": None}, 400, "MISSING_REQUIRED_PARAMETER", "order.location_id"),
        ({"location_id": 1}, 400, "EXPECTED_STRING", "order.location_id"),
        ({"location_id": "L1"}, 404, "NOT_FOUND", ""),
        ({"customer_id": MISSING}, 404, "NOT_FOUND", ""),
        ({"customer_id": 7}, 400, "EXPECTED_STRING", "order.customer_id"),
        ({"reference_id": "x" * 41}, 400, "VALUE_TOO_LONG", "order.reference_id"),
        ({"state": "DRAFT"}, 400, "INVALID_ENUM_VALUE", "order.state"),
        ({"source": "x"}, 400, "EXPECTED_OBJECT", "order.source"),
        ({"source": {"app": "x"}}, 400, "BAD_REQUEST", "order.source.app"),
        ({"taxes": []}, 400, "BAD_REQUEST", "order.taxes"),
        ({"colour": "red"}, 400, "BAD_REQUEST", "order.colour"),
        ({"line_items": {}}, 400, "EXPECTED_ARRAY", "order.line_items"),
        ({"line_items": [STEAK] * 501}, 400, "ARRAY_LENGTH_TOO_LONG", "order.line_items"),
        ({"line_items": [STEAK | {"uid": "a"}] * 2}, 400, "BAD_REQUEST", "order.line_items"),
    ],
)
def test_create_order_checks_its_body(
    square: Square, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    """What is required, and of which type, as in the API reference."""
    body = {"order": {"location_id": location(square), **change}}

    assert square.refused("POST", ORDERS, body) == (status, [(code, field)])


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        (7, "EXPECTED_OBJECT", ""),
        ({"quantity": None}, "MISSING_REQUIRED_PARAMETER", ".quantity"),
        ({"quantity": 2}, "EXPECTED_STRING", ".quantity"),
        ({"quantity": "0"}, "INVALID_VALUE", ".quantity"),
        ({"quantity": "1.5"}, "INVALID_VALUE", ".quantity"),
        ({"quantity": "٣"}, "INVALID_VALUE", ".quantity"),
        ({"quantity": "1" * 13}, "VALUE_TOO_LONG", ".quantity"),
        ({"quantity": "9" * 12}, "VALUE_TOO_HIGH", ".base_price_money.amount"),
        ({"name": "x" * 513}, "VALUE_TOO_LONG", ".name"),
        ({"catalog_object_id": "x"}, "BAD_REQUEST", ".catalog_object_id"),
        ({"price": 1}, "BAD_REQUEST", ".price"),
        ({"base_price_money": None}, "MISSING_REQUIRED_PARAMETER", ".base_price_money"),
        ({"base_price_money": 5}, "EXPECTED_OBJECT", ".base_price_money"),
        (
            {"base_price_money": {"amount": 1.5, "currency": "USD"}},
            *("EXPECTED_INTEGER", ".base_price_money.amount"),
        ),
        (
            {"base_price_money": {"amount": True, "currency": "USD"}},
            *("EXPECTED_INTEGER", ".base_price_money.amount"),
        ),
        (
            {"base_price_money": {"amount": -1, "currency": "USD"}},
            *("VALUE_TOO_LOW", ".base_price_money.amount"),
        ),
        (
            {"base_price_money": {"amount": 2**63, "currency": "USD"}},
            *("VALUE_TOO_HIGH", ".base_price_money.amount"),
        ),
        (
            {"base_price_money": {"amount": 1, "currency": "EUR"}},
            *("INVALID_VALUE", ".base_price_money.currency"),
        ),
        (
            {"base_price_money": {"amount": 1}},
            *("MISSING_REQUIRED_PARAMETER", ".base_price_money.currency"),
        ),
        (
            {"base_price_money": {"currency": "USD"}},
            *("MISSING_REQUIRED_PARAMETER", ".base_price_money.amount"),
        ),
        (
            {"base_price_money": {"amount": 1, "currency": "USD", "unit": "x"}},
            *("BAD_REQUEST", ".base_price_money.unit"),
        ),
    ],
)
def test_lines_are_checked(square: Square, line: Any, code: str, field: str) -> None:
    """Quantity and price are required, an unknown member is named (API reference)."""
    asked = STEAK | line if isinstance(line, dict) else line
    body = {"order": {"location_id": location(square), "line_items": [STEAK, asked]}}
    path = f"order.line_items[1]{field}"

    assert square.refused("POST", ORDERS, body) == (400, [(code, path)])


def test_a_total_has_a_limit(square: Square) -> None:
    """The sum of the lines as well as each of them (assumption)."""
    dear = STEAK | {"quantity": "1", "base_price_money": {"amount": 10**11, "currency": "USD"}}
    body = {"order": {"location_id": location(square), "line_items": [dear, dear]}}

    assert square.refused("POST", ORDERS, body)[1] == [("VALUE_TOO_HIGH", "order.line_items")]


def test_a_payment_closes_an_order(square: Square) -> None:
    """It adds a tender with the payment's id and customer (Integrate...), and ends what is due."""
    ava, ben = (square.create(given_name=name)["id"] for name in ("Ava", "Ben"))
    order = make(square, ava)
    square.clock.now += 60

    payment = pay(square, order, "p-1", ben)

    paid = square.ok("GET", f"{ORDERS}/{order['id']}")["order"]
    (tender,) = paid["tenders"]
    card = payment["card_details"]["card"]
    assert tender == {
        "id": payment["id"],
        "location_id": order["location_id"],
        "transaction_id": order["id"],
        "created_at": payment["created_at"],
        "amount_money": order["total_money"],
        "type": "CARD",
        "payment_id": payment["id"],
        "customer_id": ben,
        "card_details": {"status": "CAPTURED", "card": card, "entry_method": "KEYED"},
    }
    assert (paid["state"], paid["version"], paid["customer_id"]) == ("COMPLETED", 2, ava)
    assert paid["closed_at"] == paid["updated_at"] == "2025-09-01T08:16:30.412Z"
    assert paid["net_amount_due_money"]["amount"] == 0
    assert found(square, of(ava)) == found(square, of(ben)) == [order["id"]]


def test_orders_are_retrieved_in_a_batch(square: Square) -> None:
    """Those that exist, up to 100 (SDK)."""
    one, two = make(square), make(square)
    path = f"{ORDERS}/batch-retrieve"
    asked = {"order_ids": [two["id"], "x", one["id"], two["id"]]}

    assert square.ok("POST", path, asked) == {"orders": [two, one]}
    assert square.ok("POST", path, {"order_ids": ["x"]}) == {}
    for body, code, field in (
        ({}, "ARRAY_EMPTY", "order_ids"),
        ({"order_ids": "x"}, "EXPECTED_ARRAY", "order_ids"),
        ({"order_ids": [1]}, "EXPECTED_STRING", "order_ids"),
        ({"order_ids": ["x"] * 101}, "ARRAY_LENGTH_TOO_LONG", "order_ids"),
        ({"order_ids": ["x"], "location_id": "L1"}, "NOT_FOUND", ""),
        ({"order_ids": ["x"], "ids": 1}, "BAD_REQUEST", "ids"),
    ):
        assert square.refused("POST", path, body)[1] == [(code, field)], body


def test_orders_are_searched_by_customers(square: Square) -> None:
    """1 to 10 customer ids, any of which an order may have; {} if none has (Integrate...)."""
    ava, ben = (square.create(given_name=name)["id"] for name in ("Ava", "Ben"))
    made = []
    for customer_id in (ava, ben, None, ava):
        made.append(make(square, customer_id)["id"])
        square.clock.now += 1

    assert found(square) == made[::-1]
    assert found(square, of(ava)) == [made[3], made[0]]
    assert found(square, of(ava, ben, MISSING)) == [made[3], made[1], made[0]]
    assert search(square, of(MISSING)) == {}
    path = "query.filter.customer_filter.customer_ids"
    body = {"location_ids": [location(square)], "query": of(*["x"] * 11)}
    assert square.refused("POST", SEARCH, body)[1] == [("ARRAY_LENGTH_TOO_LONG", path)]
    body["query"] = of()
    assert square.refused("POST", SEARCH, body)[1] == [("ARRAY_EMPTY", path)]


def test_orders_stay_under_the_ids_they_were_made_with(square: Square) -> None:
    """Searching the new id of a merge does not find them, the old ids do (Integrate...)."""
    old = [square.create(given_name=name)["id"] for name in ("Ava", "Ben")]
    made = [make(square, customer_id)["id"] for customer_id in old]
    merged = square.sandbox.control("merge", {"from": old})["customer"]["id"]

    assert search(square, of(merged)) == {}
    assert sorted(found(square, of(*old))) == sorted(made)
    assert square.ok("GET", f"{ORDERS}/{made[0]}")["order"]["customer_id"] == old[0]
    later = make(square, merged)["id"]
    assert set(found(square, of(merged, *old))) == {later, *made}


def test_orders_are_searched_by_time_and_state(square: Square) -> None:
    """Inclusive ranges of the field that is sorted by, either way (SDK); states."""
    made = []
    for _ in range(3):
        made.append(make(square))
        square.clock.now += 60
    ids = [order["id"] for order in made]
    pay(square, made[1], "p-1")
    pay(square, made[0], "p-0")

    def when(field: str, start: str | None = None, end: str | None = None) -> dict[str, Any]:
        span = {"start_at": start, "end_at": end}
        return {
            "filter": {"date_time_filter": {f"{field}_at": span}},
            "sort": {"sort_field": f"{field.upper()}_AT", "sort_order": "ASC"},
        }

    first, second = made[0]["created_at"], made[1]["created_at"]
    assert found(square, when("created")) == ids
    assert found(square, when("created", second)) == ids[1:]
    assert found(square, when("created", None, second)) == ids[:2]
    assert found(square, when("created", first, first)) == ids[:1]
    assert found(square, when("updated", "2025-09-01T08:17:31Z")) == sorted(ids[:2])
    assert found(square, when("closed")) == sorted(ids[:2])
    assert found(square, when("closed", "2025-09-01T09:00:00Z")) == []
    for states, wanted in (
        (["OPEN"], ids[2:]),
        (["COMPLETED"], [ids[1], ids[0]]),
        (["OPEN", "COMPLETED", "OPEN"], ids[::-1]),
        (["CANCELED"], []),
    ):
        assert found(square, {"filter": {"state_filter": {"states": states}}}) == wanted


def test_a_search_comes_in_pages(square: Square) -> None:
    """A cursor for the same query (API reference); entries instead of orders on request."""
    made = []
    for _ in range(5):
        made.append(make(square))
        square.clock.now += 1

    page = search(square, limit=2, return_entries=True)
    rest = search(square, limit=1000, return_entries=True, cursor=page["cursor"])

    assert page["order_entries"] + rest["order_entries"] == [
        {"order_id": order["id"], "version": 1, "location_id": order["location_id"]}
        for order in made[::-1]
    ]
    assert "cursor" not in rest
    other = {"location_ids": [location(square)], "cursor": page["cursor"]}
    assert square.refused("POST", SEARCH, other)[1] == [("INVALID_CURSOR", "cursor")]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"location_ids": None}, "BAD_REQUEST", "location_ids"),
        ({"location_ids": []}, "BAD_REQUEST", "location_ids"),
        ({"location_ids": ["x"] * 11}, "BAD_REQUEST", "location_ids"),
        ({"location_ids": "x"}, "EXPECTED_ARRAY", "location_ids"),
        ({"location_ids": [{}]}, "EXPECTED_STRING", "location_ids"),
        ({"location_ids": ["L1"]}, "NOT_FOUND", ""),
        ({"limit": 0}, "VALUE_TOO_LOW", "limit"),
        ({"limit": 1001}, "VALUE_TOO_HIGH", "limit"),
        ({"limit": "5"}, "EXPECTED_INTEGER", "limit"),
        ({"limit": True}, "EXPECTED_INTEGER", "limit"),
        ({"return_entries": 1}, "EXPECTED_BOOLEAN", "return_entries"),
        ({"cursor": 5}, "EXPECTED_STRING", "cursor"),
        ({"cursor": "abc"}, "INVALID_CURSOR", "cursor"),
        ({"query": []}, "EXPECTED_OBJECT", "query"),
        ({"query": {"filter": 1}}, "EXPECTED_OBJECT", "query.filter"),
        ({"query": {"sort": 1}}, "EXPECTED_OBJECT", "query.sort"),
        (
            {"query": {"sort": {"sort_field": "NAME"}}},
            "INVALID_ENUM_VALUE",
            "query.sort.sort_field",
        ),
        ({"query": {"sort": {"sort_order": "UP"}}}, "INVALID_ENUM_VALUE", "query.sort.sort_order"),
        ({"query": {"limit": 1}}, "BAD_REQUEST", "query.limit"),
        (
            {"query": {"filter": {"source_filter": {"source_names": ["x"]}}}},
            *("BAD_REQUEST", "query.filter.source_filter"),
        ),
        (
            {"query": {"filter": {"state_filter": {"states": ["PAID"]}}}},
            *("INVALID_ENUM_VALUE", "query.filter.state_filter.states"),
        ),
        (
            {"query": {"filter": {"state_filter": {}}}},
            *("ARRAY_EMPTY", "query.filter.state_filter.states"),
        ),
        (
            {"query": {"filter": {"date_time_filter": {"closed_at": {}}}}},
            *("BAD_REQUEST", "query.filter.date_time_filter"),
        ),
        (
            {"query": {"filter": {"date_time_filter": {"created_at": {}, "closed_at": {}}}}},
            *("BAD_REQUEST", "query.filter.date_time_filter"),
        ),
        (
            {"query": {"filter": {"date_time_filter": {"created_at": {"start_at": "now"}}}}},
            *("INVALID_TIME", "query.filter.date_time_filter.created_at.start_at"),
        ),
    ],
)
def test_search_checks_its_body(
    square: Square, change: dict[str, Any], code: str, field: str
) -> None:
    """Locations are required, up to ten; the time filtered by is that sorted by (SDK)."""
    body = {"location_ids": [location(square)], **change}

    assert square.refused("POST", SEARCH, body)[1] == [(code, field)]


def test_locations_are_asked_for_in_squares_words(square: Square) -> None:
    """Two literal texts of recorded answers."""
    for location_ids, detail in (
        ([], "Must provide at least 1 location_id"),
        (["x"] * 11, "Cannot provide more than 10 location_ids."),
    ):
        answer = square.send("POST", SEARCH, json={"location_ids": location_ids})
        assert answer.json()["errors"][0]["detail"] == detail


def test_orders_are_logged(square: Square) -> None:
    """Every order is in the log with its customer."""
    customer_id = square.create(given_name="Ava")["id"]
    order = make(square, customer_id)

    entry = square.sandbox.log()[1]

    assert (entry["action"], entry["customer_id"]) == ("create-order", customer_id)
    assert entry["changes"] == {"order_id": order["id"], "total": 3198}


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("ORDERS_WRITE", "POST", ORDERS),
        ("ORDERS_READ", "POST", SEARCH),
        ("ORDERS_READ", "POST", f"{ORDERS}/batch-retrieve"),
        ("ORDERS_READ", "GET", f"{ORDERS}/x"),
    ],
)
def test_orders_need_their_scopes(square: Square, scope: str, method: str, path: str) -> None:
    """ORDERS_READ reads, ORDERS_WRITE writes (API reference)."""
    other = {"ORDERS_READ": "ORDERS_WRITE", "ORDERS_WRITE": "ORDERS_READ"}[scope]

    assert square.needs_scope(scope, method, path, other)
