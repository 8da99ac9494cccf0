"""What is known of one profile?

Each section is a function of the profile, and absent where it returns None. All but the payments,
of which Square lists no customer's own, are what the endpoints answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from etl.sandbox.apis import cards, custom_attributes, gift_cards, groups, orders, segments
from etl.sandbox.pages.visits import Visit, link
from etl.sandbox.store.records import Listing

# Nobody reads more; the API lists them all.
_MOST = 100
# Orders are searched by no more customers at once.
_MOST_IDS = 10
# Currencies that are not told in hundredths.
_DIGITS = {"JPY": 0}


class Cell(NamedTuple):
    """One cell of a section: its text, where it leads, what it is."""

    text: object
    href: str = ""
    kind: Literal["text", "code", "time"] = "text"


class Section(NamedTuple):
    """One table of the page; ``nothing`` is said when it has no rows.

    A ``narrow`` one stands beside the fields.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    nothing: str = ""
    note: str = ""
    narrow: bool = False


def _fields(visit: Visit, customer: Mapping[str, Any]) -> Section:
    from etl.customers.fields import FIELDS

    listed = ("group_ids", "segment_ids")
    values = {path: value for path, value in _flat(customer) if path not in listed}
    unset = [field.name for field in FIELDS if field.writable and field.name not in values]
    return Section(
        "Fields",
        ("Field", "Value"),
        [
            (Cell(path, kind="code"), Cell(value, kind=_kind(path)))
            for path, value in values.items()
        ],
        note=f"Not set: {', '.join(unset)}." if unset else "",
    )


def _groups(visit: Visit, customer: Mapping[str, Any]) -> Section:
    found = [
        visit.ask(groups.retrieve_group, group_id)["group"]
        for group_id in customer.get("group_ids", ())
    ]
    return Section(
        "Groups",
        ("Name", "Id"),
        [(Cell(group["name"], link(group=group["id"])), _id(group)) for group in found],
        "In no group.",
        narrow=True,
    )


def _segments(visit: Visit, customer: Mapping[str, Any]) -> Section:
    found = [
        visit.ask(segments.retrieve_segment, segment_id)["segment"]
        for segment_id in customer.get("segment_ids", ())
    ]
    return Section(
        "Segments",
        ("Name", "Id"),
        [(Cell(segment["name"], link(segment=segment["id"])), _id(segment)) for segment in found],
        "In no segment.",
        narrow=True,
    )


def _attributes(visit: Visit, customer: Mapping[str, Any]) -> Section | None:
    answer = visit.ask(
        custom_attributes.list_attributes,
        customer["id"],
        query=f"limit={_MOST}&with_definitions=true",
    )
    return _section(
        "Custom attributes",
        ("Name", "Value", "Key"),
        [
            (
                Cell(attribute["definition"].get("name", attribute["key"])),
                Cell(as_text(_named(attribute["value"], attribute["definition"]))),
                Cell(attribute["key"], kind="code"),
            )
            for attribute in answer.get("custom_attributes", ())
        ],
    )


def _named(value: object, definition: Mapping[str, Any]) -> object:
    """Return a value with the options of a selection by their names."""
    items = definition.get("schema", {}).get("items", {})
    if not isinstance(value, list) or "names" not in items:
        return value
    names: dict[str, str] = dict(zip(items["enum"], items["names"], strict=True))
    return ", ".join(names[uid] if uid in names else str(uid) for uid in value)


def _cards(visit: Visit, customer: Mapping[str, Any]) -> Section | None:
    asked = f"customer_id={customer['id']}&include_disabled=true"
    answer = visit.ask(cards.list_cards, query=asked)
    return _section(
        "Cards on file",
        ("Card", "Expires", "State", "Id"),
        [
            (
                Cell(f"{card['card_brand']} {card['last_4']}"),
                Cell(f"{card['exp_month']:02}/{card['exp_year']}"),
                Cell("enabled" if card["enabled"] else "disabled"),
                _id(card),
            )
            for card in answer.get("cards", ())
        ],
    )


def _gift_cards(visit: Visit, customer: Mapping[str, Any]) -> Section | None:
    asked = f"customer_id={customer['id']}&limit={_MOST}"
    answer = visit.ask(gift_cards.list_gift_cards, query=asked)
    return _section(
        "Gift cards",
        ("Number", "Balance", "State", "Id"),
        [
            (
                Cell(card.get("gan", ""), kind="code"),
                _money(card["balance_money"]),
                Cell(card["state"]),
                _id(card),
            )
            for card in answer.get("gift_cards", ())
        ],
    )


def _orders(visit: Visit, customer: Mapping[str, Any]) -> Section | None:
    customers = {"customer_ids": _all_ids(visit, customer)[:_MOST_IDS]}
    body = {
        "location_ids": [visit.call.merchant.location_id],
        "limit": _MOST,
        "query": {"filter": {"customer_filter": customers}},
    }
    answer = visit.ask(orders.search_orders, body=body)
    return _section(
        "Orders",
        ("Created", "Total", "State", "Id"),
        [
            (
                Cell(order["created_at"], kind="time"),
                _money(order.get("total_money", {})),
                Cell(order["state"]),
                _id(order),
            )
            for order in answer.get("orders", ())
        ],
    )


def _payments(visit: Visit, customer: Mapping[str, Any]) -> Section | None:
    listing = Listing("payment", descending=True, links={"customer": _all_ids(visit, customer)})
    found = visit.call.store.records.page(listing, None, _MOST)
    payments = [orjson.loads(record.body) for record in found]
    return _section(
        "Payments",
        ("Created", "Total", "Status", "By", "Id"),
        [
            (
                Cell(payment["created_at"], kind="time"),
                _money(payment["total_money"]),
                Cell(payment["status"]),
                Cell(payment["source_type"]),
                _id(payment),
            )
            for payment in payments
        ],
    )


SECTIONS: tuple[Callable[[Visit, Mapping[str, Any]], Section | None], ...] = (
    _fields,
    _groups,
    _segments,
    _attributes,
    _cards,
    _gift_cards,
    _orders,
    _payments,
)


def _section(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Section | None:
    """Return a section of what most profiles have none of."""
    return Section(title, columns, rows) if rows else None


def _all_ids(visit: Visit, customer: Mapping[str, Any]) -> list[str]:
    """Return the ids under which a profile may have ordered and paid: its own, then merged ones."""
    return [customer["id"], *visit.call.store.profiles.merged_into(customer["id"])]


def _money(money: Mapping[str, Any]) -> Cell:
    """Return an amount as people write it: 1234 USD is 12.34."""
    if "amount" not in money:
        return Cell("")
    digits = _DIGITS.get(money["currency"], 2)
    return Cell(f"{money['amount'] / 10**digits:,.{digits}f} {money['currency']}")


def _id(thing: Mapping[str, Any]) -> Cell:
    return Cell(thing["id"], kind="code")


def _kind(path: str) -> Literal["text", "code", "time"]:
    if path in ("created_at", "updated_at"):
        return "time"
    return "code" if path in ("id", "creation_source", "version", "reference_id") else "text"


def _flat(customer: Mapping[str, Any], inside: str = "") -> list[tuple[str, object]]:
    """Return the values of a profile by path."""
    values: list[tuple[str, object]] = []
    for name, value in customer.items():
        if isinstance(value, dict):
            values += _flat(value, f"{inside}{name}.")
        else:
            values.append((f"{inside}{name}", as_text(value)))
    return values


def as_text(value: object) -> str:
    """Return a value as people read it: texts as they are, None as nothing, others as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
