"""What did customers pay and order, and when?

In the order that Square recommends (Integrate Customer Profiles with Other Services): a payment
names its customer, which Square also infers later; for those that name none, the tenders of their
order are asked, then the order itself. An order belongs to the customer of its first payment, else
of its first tender, else to the one it names, and a return to whoever the returned order belongs
to: one customer each, so that totals add up.

Payments count when they are approved or completed; their total is what was paid, tips included,
less what was refunded. Orders count when they are open or completed; their total is net of returns,
which Square models as orders of their own (linked to the sale, not counted as an order here).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import orjson
import pyarrow as pa

from etl.export.beside import aliases, money, walks
from etl.export.beside.gathering import (
    AMONG,
    TEXTS,
    Gathering,
    ids_of,
    made_at,
    note,
    noted,
)
from etl.export.beside.walks import Span, Walk
from etl.export.wanted import Further
from etl.export.windows import microseconds, rfc3339
from etl.journal.database import transaction
from etl.square import commerce
from etl.square.wire import Page, Profile

SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    id TEXT PRIMARY KEY, customer TEXT, made INTEGER NOT NULL, currency TEXT, amount INTEGER,
    "order" TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, customer TEXT, made INTEGER, currency TEXT, amount INTEGER,
    returned TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tenders (
    "order" TEXT, place INTEGER, payment TEXT, customer TEXT NOT NULL,
    PRIMARY KEY ("order", place)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_by_customer ON payments (customer);
CREATE INDEX IF NOT EXISTS payments_by_order ON payments ("order", made);
CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer);
"""

Kind = Literal["payments", "orders"]

_PAID = ("APPROVED", "COMPLETED")
_ORDERED = ("OPEN", "COMPLETED")
_TIME = pa.timestamp("us", "UTC")

_TO_PAYMENTS = """
UPDATE payments SET customer = coalesce(
    (SELECT customer FROM tenders WHERE "order" = payments."order" AND payment = payments.id),
    (SELECT customer FROM orders WHERE id = payments."order"))
WHERE customer IS NULL
"""
_TO_ORDERS = """
UPDATE orders SET customer = coalesce(
    (SELECT customer FROM payments WHERE "order" = orders.id AND customer IS NOT NULL
        ORDER BY made, id LIMIT 1),
    (SELECT customer FROM tenders WHERE "order" = orders.id ORDER BY place LIMIT 1),
    customer)
"""
_TO_RETURNS = """
UPDATE orders SET customer = (SELECT customer FROM orders AS sold WHERE sold.id = orders.returned)
WHERE customer IS NULL AND returned IS NOT NULL
"""


def gather(kind: Kind, gathering: Gathering) -> None:
    """Read all payments, and the orders where these are wanted or payments need them."""
    db = gathering.db
    if noted(db, kind) is not None:
        return
    _read_payments(gathering)
    wanting = "SELECT 1 FROM payments WHERE customer IS NULL LIMIT 1"
    if kind == "orders" or db.execute(wanting).fetchone():
        _read_orders(gathering)
    if noted(db, "payments.customers") is None:
        with transaction(db):
            db.execute(_TO_PAYMENTS)
            note(db, "payments.customers")
    if kind == "orders" and noted(db, "orders.customers") is None:
        with transaction(db):
            db.execute(_TO_ORDERS)
            db.execute(_TO_RETURNS)
            note(db, "orders.customers")
    aliases.settle(gathering, kind, kind)
    note(db, kind)


def columns(kind: Kind, db: sqlite3.Connection) -> Further:
    """Offer how many there are, when the first and the last was, and the total by currency."""
    fields = (
        pa.field(f"{kind}.count", pa.int64()),
        pa.field(f"{kind}.first_at", _TIME),
        pa.field(f"{kind}.last_at", _TIME),
        pa.field(f"{kind}.total", TEXTS),
    )

    def values(profiles: Sequence[Profile]) -> list[pa.Array]:
        found: dict[str, list[tuple[Any, ...]]] = {}
        for customer, *sums in db.execute(
            "SELECT customer, count(made), min(made), max(made), currency, sum(amount) "
            f"FROM {kind} WHERE customer {AMONG} GROUP BY customer, currency ORDER BY currency",
            [ids_of(profiles)],
        ):
            found.setdefault(customer, []).append(tuple(sums))
        rows = [_summed(found.get(profile["id"], [])) for profile in profiles]
        return [
            pa.array([row[place] for row in rows], field.type) for place, field in enumerate(fields)
        ]

    return Further(fields, values)


def _summed(parts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Put the sums of each currency together."""
    counts, firsts, lasts, currencies, totals = zip(*parts, strict=True) if parts else ((),) * 5
    return (
        sum(counts),
        min((first for first in firsts if first is not None), default=None),
        max((last for last in lasts if last is not None), default=None),
        [
            money.written(currency, total)
            for currency, total in zip(currencies, totals, strict=True)
            if currency is not None
        ],
    )


# -- payments --------------------------------------------------------------------------------


def _read_payments(gathering: Gathering) -> None:
    def ask(walk: Walk) -> Page:
        start, end = _bounds(walk)
        return commerce.payments(gathering.square, walk.what, start, end, walk.cursor)

    def keep(walk: Walk, payments: Sequence[Mapping[str, Any]]) -> None:
        gathering.db.executemany(
            "INSERT OR REPLACE INTO payments VALUES (?, ?, ?, ?, ?, ?)",
            (_payment(one) for one in payments if one.get("status") in _PAID),
        )

    def begin() -> Iterator[tuple[str, Span]]:
        for location in commerce.locations(gathering.square):
            yield location, _ever(gathering)

    walks.complete(gathering, walks.Kind("payments.walk", "payments", ask, keep), begin)


def _payment(payment: Mapping[str, Any]) -> tuple[Any, ...]:
    currency, paid = money.read(payment.get("total_money")) or (None, None)
    refunded = money.read(payment.get("refunded_money"))
    if paid is not None and refunded is not None:
        paid -= refunded[1]
    owner, order = payment.get("customer_id"), payment.get("order_id")
    return str(payment["id"]), owner, made_at(payment), currency, paid, order


# -- orders ----------------------------------------------------------------------------------


def _read_orders(gathering: Gathering) -> None:
    db = gathering.db

    def ask(walk: Walk) -> Page:
        locations = orjson.loads(walk.what)
        return commerce.orders(gathering.square, locations, *_bounds(walk), walk.cursor)

    def keep(walk: Walk, orders: Sequence[Mapping[str, Any]]) -> None:
        db.executemany(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?)", map(_order, orders)
        )
        db.executemany(
            "INSERT OR REPLACE INTO tenders VALUES (?, ?, ?, ?)",
            (tender for one in orders for tender in _tenders(one)),
        )

    def begin() -> Iterator[tuple[str, Span]]:
        locations = commerce.locations(gathering.square)
        for place in range(0, len(locations), commerce.LOCATIONS):
            some = locations[place : place + commerce.LOCATIONS]
            yield orjson.dumps(some).decode(), _ever(gathering)

    walks.complete(gathering, walks.Kind("orders.walk", "orders", ask, keep), begin)


def _order(order: Mapping[str, Any]) -> tuple[Any, ...]:
    """Read an order; only one that counts has a time, and a return has money only."""
    id, owner, returns = str(order["id"]), order.get("customer_id"), order.get("returns") or []
    source = next((one["source_order_id"] for one in returns if one.get("source_order_id")), None)
    if order.get("state") not in _ORDERED:
        return id, owner, None, None, None, source
    sold = order.get("line_items") or not returns
    currency, amount = _net(order) or (None, None)
    return id, owner, made_at(order) if sold else None, currency, amount, source


def _net(order: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return what an order comes to, less what was returned with it."""
    net = money.read((order.get("net_amounts") or {}).get("total_money"))
    if net is not None:
        return net
    total = money.read(order.get("total_money"))
    returned = money.read((order.get("return_amounts") or {}).get("total_money"))
    if total is None or returned is None:
        return total if returned is None else (returned[0], -returned[1])
    return total[0], total[1] - returned[1]


def _tenders(order: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for place, tender in enumerate(order.get("tenders") or []):
        if tender.get("customer_id"):
            payment = tender.get("payment_id") or tender.get("id")
            yield str(order["id"]), place, payment, tender["customer_id"]


# -- both ------------------------------------------------------------------------------------


def _ever(gathering: Gathering) -> Span:
    return Span(0, microseconds(gathering.until))


def _bounds(walk: Walk) -> tuple[str, str]:
    assert walk.span is not None
    return rfc3339(walk.span.start), rfc3339(walk.span.end)
