"""What must an order be, and what does it say once it is paid?"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from etl.sandbox import ids
from etl.sandbox.assumptions import MOST_LINES
from etl.sandbox.errors import Problem, Refusal, expected
from etl.sandbox.reading import (
    Shape,
    check_members,
    choice_in,
    needed_text_in,
    object_in,
    short_text_in,
)
from etl.sandbox.rules.money import Money, check_amount, money, needed_money_in
from etl.sandbox.times import timestamp

STATES = ("OPEN", "COMPLETED", "CANCELED", "DRAFT")
# Whoever makes an order without naming a source is named by Square as the application.
_SOURCE = "Sandbox"
MAX_QUANTITY = 12
MAX_UID = 60
MAX_NAME = 512
MAX_NOTE = 2000
MAX_REFERENCE = 40
MAX_CUSTOMER_ID = 191
MAX_SOURCE = 255

_LINE: Shape = dict.fromkeys(("uid", "name", "quantity", "note", "base_price_money"))
_ORDER: Shape = {
    **dict.fromkeys(("location_id", "reference_id", "customer_id", "line_items", "state")),
    "source": {"name": None},
}
# Members Square has beside ours.
_NOT_SERVED = frozenset(
    {
        *("taxes", "discounts", "service_charges", "fulfillments", "returns", "rewards"),
        *("metadata", "pricing_options", "ticket_name", "rounding_adjustment"),
    }
)
_NOT_SERVED_OF_LINES = frozenset(
    {
        *("quantity_unit", "catalog_object_id", "catalog_version", "variation_name", "item_type"),
        *("metadata", "modifiers", "applied_taxes", "applied_discounts"),
        *("applied_service_charges", "pricing_blocklists"),
    }
)

Order = dict[str, Any]


def judge(asked: Mapping[str, Any], currency: str, chance: random.Random) -> Order:
    """Return the members of a new order that its request decides."""
    inside = "order."
    check_members(asked, _ORDER, _NOT_SERVED, inside)
    choice_in(asked, "state", ("OPEN",), inside)
    source = object_in(asked, "source", "order.source")
    found = {
        "location_id": needed_text_in(asked, "location_id", inside),
        "reference_id": short_text_in(asked, "reference_id", inside, MAX_REFERENCE),
        "customer_id": short_text_in(asked, "customer_id", inside, MAX_CUSTOMER_ID),
        "source": {"name": short_text_in(source, "name", "order.source.", MAX_SOURCE) or _SOURCE},
        "line_items": _lines(asked.get("line_items"), currency, chance),
    }
    return {name: value for name, value in found.items() if value}


def _lines(asked: object, currency: str, chance: random.Random) -> list[Order]:
    if asked is None:
        return []
    path = "order.line_items"
    if not isinstance(asked, list):
        raise Refusal(expected("array", path))
    if len(asked) > MOST_LINES:
        detail = f"Expected {path} to have at most {MOST_LINES} entries"
        raise Refusal(Problem("ARRAY_LENGTH_TOO_LONG", detail, path))
    lines = [
        _line(each, f"{path}[{number}]", currency, chance) for number, each in enumerate(asked)
    ]
    if len({line["uid"] for line in lines}) < len(lines):
        raise Refusal(Problem("BAD_REQUEST", "Two line items have one uid.", path))
    return lines


def _line(asked: object, path: str, currency: str, chance: random.Random) -> Order:
    inside = f"{path}."
    if not isinstance(asked, dict):
        raise Refusal(expected("object", path))
    check_members(asked, _LINE, _NOT_SERVED_OF_LINES, inside)
    quantity = needed_text_in(asked, "quantity", inside, MAX_QUANTITY)
    if not (quantity.isascii() and quantity.isdigit() and int(quantity) > 0):
        detail = f"Expected {inside}quantity to be a whole number from 1"
        raise Refusal(Problem("INVALID_VALUE", detail, f"{inside}quantity"))
    price = needed_money_in(asked, "base_price_money", inside, currency)
    line = new_line(
        short_text_in(asked, "uid", inside, MAX_UID) or ids.line_item_uid(chance),
        short_text_in(asked, "name", inside, MAX_NAME),
        quantity,
        price,
    )
    note = short_text_in(asked, "note", inside, MAX_NOTE)
    check_amount(line["total_money"]["amount"], f"{inside}base_price_money.amount")
    return line | ({"note": note} if note else {})


def new_line(uid: str, name: str | None, quantity: str, price: Money, kind: str = "ITEM") -> Order:
    """Build a line of an order."""
    total = money(price["amount"] * int(quantity), price["currency"])
    nothing = money(0, price["currency"])
    return {
        "uid": uid,
        "quantity": quantity,
        **({"name": name} if name else {}),
        "base_price_money": price,
        "gross_sales_money": total,
        "total_tax_money": nothing,
        "total_discount_money": nothing,
        "total_money": total,
        "variation_total_price_money": total,
        "item_type": kind,
        "total_service_charge_money": nothing,
    }


def new_order(order_id: str, judged: Mapping[str, Any], currency: str, now: int) -> Order:
    """Build the order Square would answer to a create. Raises Refusal if it costs too much."""
    total = sum(line["total_money"]["amount"] for line in judged.get("line_items", ()))
    check_amount(total, "order.line_items")
    order = {
        "id": order_id,
        **judged,
        "created_at": timestamp(now),
        "updated_at": timestamp(now),
        "state": "OPEN",
        "version": 1,
    }
    return order | _sums(total, 0, total, currency)


def _sums(total: int, tip: int, due: int, currency: str) -> Order:
    nothing = money(0, currency)
    return {
        "total_tax_money": nothing,
        "total_discount_money": nothing,
        "total_tip_money": money(tip, currency),
        "total_money": money(total, currency),
        "total_service_charge_money": nothing,
        "net_amounts": {
            "total_money": money(total, currency),
            "tax_money": nothing,
            "discount_money": nothing,
            "tip_money": money(tip, currency),
            "service_charge_money": nothing,
        },
        "net_amount_due_money": money(due, currency),
    }


def paid_order(order: Mapping[str, Any], payment: Mapping[str, Any], now: int) -> Order:
    """Return an order after the payment of all of it."""
    total, tip = payment["total_money"], payment.get("tip_money", {"amount": 0})
    moment = timestamp(now)
    return {
        **order,
        **_sums(total["amount"], tip["amount"], 0, total["currency"]),
        "updated_at": moment,
        "closed_at": moment,
        "state": "COMPLETED",
        "version": order["version"] + 1,
        "tenders": [_tender(order["id"], payment)],
    }


def _tender(order_id: str, payment: Mapping[str, Any]) -> Order:
    tender = {
        "id": payment["id"],
        "location_id": payment["location_id"],
        "transaction_id": order_id,
        "created_at": payment["created_at"],
        "amount_money": payment["total_money"],
        "type": payment["source_type"],
        "payment_id": payment["id"],
    }
    tender |= {
        name: payment[name] for name in ("note", "tip_money", "customer_id") if name in payment
    }
    if "card_details" in payment:
        told = ("status", "card", "entry_method")
        return tender | {"card_details": {name: payment["card_details"][name] for name in told}}
    given = payment["cash_details"]
    return tender | {
        "cash_details": {
            "buyer_tendered_money": given["buyer_supplied_money"],
            "change_back_money": given["change_back_money"],
        }
    }


def customers_of(order: Mapping[str, Any]) -> Sequence[str]:
    """Return the customers an order is linked to: its own and those of its tenders."""
    holders = [order, *order.get("tenders", ())]
    return [holder["customer_id"] for holder in holders if "customer_id" in holder]
