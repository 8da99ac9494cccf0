"""What does each endpoint of the Payments API do?

A payment is completed at once and never changes, whatever becomes of its customer's profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, ids, keys
from etl.sandbox.apis import lists, orders
from etl.sandbox.apis.cards import ENABLED, check_customer
from etl.sandbox.apis.locations import check_location
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import (
    choice_in,
)
from etl.sandbox.rules import cards
from etl.sandbox.rules import orders as order_rules
from etl.sandbox.rules import payments as rules
from etl.sandbox.rules.markets import currency
from etl.sandbox.search import paging
from etl.sandbox.search.selection import ALWAYS
from etl.sandbox.search.spans import span_in
from etl.sandbox.store.records import Link, Listing, Record

SORTS = ("CREATED_AT", "UPDATED_AT")
ORDERS = ("DESC", "ASC")
MAX_PAGE = 100
_YEAR = 365 * 24 * 3600 * 1000
_NOT_SERVED = (
    *("total", "last_4", "card_brand", "is_offline_payment"),
    *("offline_begin_time", "offline_end_time"),
)


def create_payment(call: Call) -> bytes:
    """CreatePayment: from a test value, a card on file or in cash; with an order, it pays it."""
    body = call.json()
    key = keys.take_needed(body)
    exists = call.store.records.knows
    return keys.once(call, key, "payment", body, exists, lambda: _create(call, body, key))


def _create(call: Call, body: Mapping[str, Any], key: str) -> tuple[str, bytes]:
    judged = rules.judge(body, currency(call.merchant.country))
    judged.setdefault("location_id", call.merchant.location_id)
    check_location(call, judged["location_id"])
    if "customer_id" in judged:
        check_customer(call, judged["customer_id"])
    order, created = _order(call, judged)
    if "customer_id" in order:
        judged.setdefault("customer_id", order["customer_id"])
    card = _card(call, judged)
    payment_id = call.new_record_id(ids.order_id)
    judged["order_id"] = order["id"]
    payment = rules.new_payment(payment_id, judged, card, call.now, call.chance)
    orders.change(call, order_rules.paid_order(order, payment, call.now), created)
    return payment_id, b'{"payment":%b}' % _added(call, payment, key).body


def _order(call: Call, judged: rules.Payment) -> tuple[order_rules.Order, int]:
    """Return the order to be paid, and when it was created."""
    amount = judged["amount_money"]
    if "order_id" not in judged:
        line = order_rules.new_line(
            ids.line_item_uid(call.chance), None, "1", amount, "CUSTOM_AMOUNT"
        )
        made = {"location_id": judged["location_id"], "line_items": [line]}
        order = order_rules.new_order(
            call.new_record_id(ids.order_id), made, amount["currency"], call.now
        )
        orders.add(call, order)
        return order, call.now
    record = orders.found(call, judged["order_id"])
    order = orjson.loads(record.body)
    if record.state != "OPEN":
        detail = f"The order is {record.state}, so it cannot be paid."
        raise Refusal(Problem("BAD_REQUEST", detail, "order_id"))
    if order["total_money"] != amount:
        detail = f"The order's total is {order['total_money']['amount']}; pay all of it at once."
        raise Refusal(Problem("BAD_REQUEST", detail, "amount_money.amount"))
    return order, record.created


def _card(call: Call, judged: rules.Payment) -> cards.Card | None:
    """Return the card that is charged, None for cash. Raises Refusal if it is declined."""
    source_id = judged["source_id"]
    if source_id == "CASH":
        return None
    if source_id.startswith(("cnon:", cards.ON_FILE)):
        cards.charge(source_id)
        test_card = cards.test_card(call.now, call.chance)
        return test_card | ({"id": source_id} if source_id.startswith(cards.ON_FILE) else {})
    if not source_id.startswith("ccof:"):
        detail = "Invalid source: this sandbox takes test values, cards on file and CASH."
        raise Refusal(Problem("BAD_REQUEST", detail, "source_id"))
    if "customer_id" not in judged:
        raise Refusal(errors.missing("customer_id"))
    record = call.store.records.find("card", source_id)
    card = orjson.loads(record.body) if record is not None and record.state == ENABLED else None
    if card is None or card["customer_id"] != judged["customer_id"]:
        # Square says the same of a card of another customer (its developer forum, thread 9106).
        raise Refusal(Problem("NOT_FOUND", "Payment on file not found", "source_id", status=404))
    return dict(card)


def _added(call: Call, payment: rules.Payment, key: str) -> Record:
    record = as_record(payment, call.now)
    customer_id = payment.get("customer_id", "")
    links = [Link("customer", customer_id)] if customer_id else []
    call.store.records.add(record, links)
    if customer_id:
        call.store.standings.add_payment(customer_id, call.now)
    changes = {
        "payment_id": payment["id"],
        "order_id": payment["order_id"],
        "total": payment["total_money"]["amount"],
    }
    call.log_other("create-payment", changes, customer_id=customer_id, key=key)
    return record


def as_record(payment: rules.Payment, at: int) -> Record:
    """Return a payment as the store keeps it."""
    return Record(payment["id"], "payment", payment["status"], at, at, None, orjson.dumps(payment))


def retrieve_payment(call: Call, payment_id: str) -> bytes:
    """GetPayment; a merge does not rewrite its customer."""
    record = call.store.records.find("payment", payment_id)
    if record is None:
        raise Refusal(errors.not_found("Payment", payment_id))
    return b'{"payment":%b}' % record.body


def list_payments(call: Call) -> bytes:
    """ListPayments: by time, those of the last year, the newest first."""
    asked = call.parameters
    refused = [errors.unserved(name) for name in _NOT_SERVED if asked.get(name)]
    if refused:
        raise Refusal(*refused)
    order = choice_in(asked, "sort_order", ORDERS, "")
    field = choice_in(asked, "sort_field", SORTS, "")
    check_location(call, asked.get("location_id") or call.merchant.location_id)
    created = span_in(asked, "begin_time", "end_time")
    updated = span_in(asked, "updated_at_begin_time", "updated_at_end_time")
    limit = paging.limit_in(asked, 2**63, usual=MAX_PAGE)
    query = paging.Query(
        None,
        limit if limit <= MAX_PAGE else MAX_PAGE,
        False,
        asked.get("cursor") or None,
        paging.digest("payments", order, field, *created, *updated),
    )
    # A payment never changes, so both times are one.
    start = max(
        created.start if created.start is not None else call.now - _YEAR, updated.start or 0
    )
    ends = [span.end for span in (created, updated) if span.end is not None]
    listing = Listing(
        "payment",
        descending=order == "DESC",
        span=ALWAYS._replace(start=start, end=min(ends, default=None)),
    )
    return lists.page(call, query, listing, "payments")
