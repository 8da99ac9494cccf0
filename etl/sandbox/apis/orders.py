"""What does each endpoint of the Orders API do?

An order keeps the customer it was made for: a merge does not rewrite it, so that a search for the
new profile does not find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, ids, keys
from etl.sandbox.apis import lists
from etl.sandbox.apis.cards import check_customer
from etl.sandbox.apis.locations import check_location
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal, expected
from etl.sandbox.reading import (
    Shape,
    check_members,
    choice_in,
    needed_object_in,
    object_in,
    one_of,
    text_in,
    texts_in,
)
from etl.sandbox.rules import orders as rules
from etl.sandbox.rules.markets import currency
from etl.sandbox.search import paging
from etl.sandbox.search.selection import ALWAYS, Span
from etl.sandbox.search.spans import range_in
from etl.sandbox.store.records import Link, Listing, Moment, Record

MAX_KEY = 192
MAX_PAGE, _USUAL_PAGE = 1000, 500
MAX_BATCH = 100
MAX_IDS = 10
_MOMENTS: dict[str, Moment] = {
    "CREATED_AT": "created",
    "UPDATED_AT": "updated",
    "CLOSED_AT": "closed",
}
SORTS = tuple(_MOMENTS)
ORDERS = ("DESC", "ASC")
_RANGE: Shape = {"start_at": None, "end_at": None}
_FILTERS: Shape = {
    "state_filter": {"states": None},
    "customer_filter": {"customer_ids": None},
    "date_time_filter": {f"{moment}_at": _RANGE for moment in _MOMENTS.values()},
}
_SEARCH: Shape = {
    **dict.fromkeys(("location_ids", "cursor", "limit", "return_entries")),
    "query": {"filter": _FILTERS, "sort": {"sort_field": None, "sort_order": None}},
}
_NOT_SERVED = ("query.filter.fulfillment_filter", "query.filter.source_filter")


def create_order(call: Call) -> bytes:
    """CreateOrder: of line items with a price."""
    body = call.json()
    key = keys.take(body, MAX_KEY)
    exists = call.store.records.knows
    return keys.once(call, key, "order", body, exists, lambda: _create(call, body, key))


def _create(call: Call, body: Mapping[str, Any], key: str | None) -> tuple[str, bytes]:
    check_members(body, {"order": None})
    asked = needed_object_in(body, "order", "order")
    money = currency(call.merchant.country)
    judged = rules.judge(asked, money, call.chance)
    check_location(call, judged["location_id"])
    if "customer_id" in judged:
        check_customer(call, judged["customer_id"])
    order = rules.new_order(call.new_record_id(ids.order_id), judged, money, call.now)
    record = add(call, order, key)
    return record.id, b'{"order":%b}' % record.body


def add(call: Call, order: rules.Order, key: str | None = None) -> Record:
    """Keep a new order."""
    record = as_record(order, call.now, call.now)
    customers = rules.customers_of(order)
    call.store.records.add(record, [Link("customer", each) for each in customers])
    call.log_other(
        "create-order",
        {"order_id": order["id"], "total": order["total_money"]["amount"]},
        customer_id=order.get("customer_id", ""),
        key=key,
    )
    return record


def change(call: Call, order: rules.Order, created: int) -> None:
    """Keep an order that was changed."""
    call.store.records.change(as_record(order, created, call.now))
    for customer_id in rules.customers_of(order):
        call.store.records.link(order["id"], Link("customer", customer_id))


def as_record(order: Mapping[str, Any], created: int, now: int) -> Record:
    """Return an order as the store keeps it."""
    closed = now if "closed_at" in order else None
    return Record(order["id"], "order", order["state"], created, now, closed, orjson.dumps(order))


def retrieve_order(call: Call, order_id: str) -> bytes:
    """RetrieveOrder, with its tenders once it is paid."""
    return b'{"order":%b}' % found(call, order_id).body


def found(call: Call, order_id: str) -> Record:
    """Return an order. Raises Refusal if there is none."""
    record = call.store.records.find("order", order_id)
    if record is None:
        raise Refusal(errors.not_found("Order", order_id))
    return record


def batch_retrieve(call: Call) -> bytes:
    """BatchRetrieveOrders: those that exist, in the order asked for."""
    body = call.json()
    check_members(body, {"order_ids": None, "location_id": None})
    order_ids = texts_in(body.get("order_ids"), "order_ids")
    if len(order_ids) > MAX_BATCH:
        detail = f"Expected at most {MAX_BATCH} order ids"
        raise Refusal(Problem("ARRAY_LENGTH_TOO_LONG", detail, "order_ids"))
    location_id = text_in(body, "location_id", "")
    if location_id:
        check_location(call, location_id)
    records = [call.store.records.find("order", order_id) for order_id in dict.fromkeys(order_ids)]
    bodies = [record.body for record in records if record is not None]
    return b'{"orders":[%b]}' % b",".join(bodies) if bodies else b"{}"


def search_orders(call: Call) -> bytes:
    """SearchOrders: by customers, state and one of three times."""
    body = call.json()
    check_members(body, _SEARCH, _NOT_SERVED)
    _check_locations(call, body.get("location_ids"))
    entries = body.get("return_entries")
    if entries is not None and type(entries) is not bool:
        raise Refusal(expected("boolean", "return_entries"))
    limit = body.get("limit")
    if limit is not None and type(limit) is not int:
        raise Refusal(expected("integer", "limit"))
    asked = object_in(body, "query", "query")
    query = paging.Query(
        None,
        paging.page_size(_USUAL_PAGE if limit is None else limit, MAX_PAGE),
        False,
        text_in(body, "cursor", "") or None,
        paging.digest("orders", asked, bool(entries)),
    )
    listing = _listing(asked)
    if entries:
        return lists.page(call, query, listing, "order_entries", _entry)
    return lists.page(call, query, listing, "orders")


def _entry(record: Record) -> bytes:
    order = orjson.loads(record.body)
    names = {"order_id": "id", "version": "version", "location_id": "location_id"}
    return orjson.dumps({name: order[member] for name, member in names.items()})


def _check_locations(call: Call, asked: object) -> None:
    path = "location_ids"
    if asked is None or asked == []:
        # Literal texts of recorded answers, this one and the next.
        raise Refusal(Problem("BAD_REQUEST", "Must provide at least 1 location_id", path))
    location_ids = texts_in(asked, path)
    if len(location_ids) > MAX_IDS:
        detail = f"Cannot provide more than {MAX_IDS} location_ids."
        raise Refusal(Problem("BAD_REQUEST", detail, path))
    for location_id in location_ids:
        check_location(call, location_id)


def _listing(asked: Mapping[str, Any]) -> Listing:
    sort = object_in(asked, "sort", "query.sort")
    field = choice_in(sort, "sort_field", SORTS, "query.sort.")
    order = choice_in(sort, "sort_order", ORDERS, "query.sort.")
    filters = object_in(asked, "filter", "query.filter")
    customers = _filtered(filters, "customer_filter", "customer_ids")
    if len(customers) > MAX_IDS:
        path = "query.filter.customer_filter.customer_ids"
        detail = f"Expected at most {MAX_IDS} customer ids"
        raise Refusal(Problem("ARRAY_LENGTH_TOO_LONG", detail, path))
    states = _filtered(filters, "state_filter", "states")
    for state in states:
        one_of(state, rules.STATES, "query.filter.state_filter.states")
    return Listing(
        "order",
        order=_MOMENTS[field],
        descending=order == "DESC",
        span=_span(filters, field),
        states=tuple(dict.fromkeys(states)),
        links={"customer": customers} if customers else {},
    )


def _filtered(filters: Mapping[str, Any], name: str, member: str) -> tuple[str, ...]:
    path = f"query.filter.{name}"
    if filters.get(name) is None:
        return ()
    return texts_in(object_in(filters, name, path).get(member), f"{path}.{member}")


def _span(filters: Mapping[str, Any], field: str) -> Span:
    path = "query.filter.date_time_filter"
    given = object_in(filters, "date_time_filter", path)
    named = [name for name, value in given.items() if value is not None]
    if not named:
        return ALWAYS
    if named != [field.lower()]:
        detail = f"{path} must filter by the field that is sorted by, {field}, and no other."
        raise Refusal(Problem("BAD_REQUEST", detail, path))
    (name,) = named
    return range_in(given, name, f"{path}.")
