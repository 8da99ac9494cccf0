"""What does each endpoint of the Cards API do, and each card call of the Customers API?

The latter are deprecated since the former exist; both see the same cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, ids, keys
from etl.sandbox.apis import lists
from etl.sandbox.calls import Call
from etl.sandbox.errors import Refusal
from etl.sandbox.reading import (
    Shape,
    check_members,
    choice_in,
    flag_in,
    needed_object_in,
    needed_text_in,
    short_text_in,
    text_in,
)
from etl.sandbox.rules import cards as rules
from etl.sandbox.search import paging
from etl.sandbox.store.records import Link, Listing, Record
from etl.sandbox.times import timestamp

ENABLED, DISABLED = "ENABLED", "DISABLED"

ORDERS = ("ASC", "DESC")
_PAGE = 25
MAX_CUSTOMER_ID = 191
MAX_REFERENCE = 128
MAX_NAME = 96
_CREATE: Shape = {
    **dict.fromkeys(("source_id", "verification_token")),
    "card": {
        **dict.fromkeys(("cardholder_name", "customer_id", "reference_id")),
        "billing_address": None,
    },
}
_CREATE_DEPRECATED: Shape = dict.fromkeys(
    ("card_nonce", "billing_address", "cardholder_name", "verification_token")
)


def list_cards(call: Call) -> bytes:
    """ListCards: 25 a page, the enabled ones unless all are asked for."""
    asked = call.parameters
    disabled = flag_in(asked, "include_disabled")
    order = choice_in(asked, "sort_order", ORDERS, "")
    links = {
        name: (asked[parameter],)
        for name, parameter in (("customer", "customer_id"), ("reference", "reference_id"))
        if asked.get(parameter)
    }
    listing = Listing(
        "card",
        descending=order == "DESC",
        states=() if disabled else (ENABLED,),
        links=links,
    )
    digest = paging.digest("cards", disabled, order, links)
    query = paging.Query(None, _PAGE, False, asked.get("cursor") or None, digest)
    return lists.page(call, query, listing, "cards")


def create_card(call: Call) -> bytes:
    """CreateCard, from the test values of Square's sandbox."""
    body = call.json()
    key = keys.take_needed(body)
    exists = call.store.records.knows
    return keys.once(call, key, "card", body, exists, lambda: _create(call, body, key))


def _create(call: Call, body: Mapping[str, Any], key: str) -> tuple[str, bytes]:
    check_members(body, _CREATE)
    source_id = needed_text_in(body, "source_id", "")
    asked = needed_object_in(body, "card", "card")
    text_in(body, "verification_token", "")
    customer_id = needed_text_in(asked, "customer_id", "card.", MAX_CUSTOMER_ID)
    more = _details(call, asked, "card.")
    more["reference_id"] = short_text_in(asked, "reference_id", "card.", MAX_REFERENCE)
    check_customer(call, customer_id)
    _save(source_id, more, "source_id")
    card = _created(call, customer_id, more, key)
    return card["id"], orjson.dumps({"card": card})


def retrieve_card(call: Call, card_id: str) -> bytes:
    """RetrieveCard, a disabled one too."""
    return b'{"card":%b}' % _found(call, card_id).body


def disable_card(call: Call, card_id: str) -> bytes:
    """DisableCard, which cannot be undone; a second time it has no effect."""
    return b'{"card":%b}' % _disabled(call, _found(call, card_id)).body


def create_customer_card(call: Call, customer_id: str) -> bytes:
    """CreateCustomerCard (deprecated): the same nonce answers the same card."""
    check_customer(call, customer_id)
    body = call.json()
    check_members(body, _CREATE_DEPRECATED)
    nonce = needed_text_in(body, "card_nonce", "")
    text_in(body, "verification_token", "")
    more = _details(call, body, "")
    made_with = Link("nonce", f"{customer_id} {nonce}")
    for record in call.store.records.linked("card", made_with):
        if record.state == ENABLED:
            return orjson.dumps({"card": rules.short(orjson.loads(record.body))})
    _save(nonce, more, "card_nonce")
    card = _created(call, customer_id, more, None, made_with)
    return orjson.dumps({"card": rules.short(card)})


def delete_customer_card(call: Call, customer_id: str, card_id: str) -> bytes:
    """DeleteCustomerCard (deprecated): the card is disabled."""
    check_customer(call, customer_id)
    record = _found(call, card_id)
    if record.state == DISABLED or orjson.loads(record.body)["customer_id"] != customer_id:
        raise Refusal(errors.not_found("Card", card_id))
    _disabled(call, record)
    return b"{}"


def check_customer(call: Call, customer_id: str) -> None:
    """Refuse an id that is no profile's, or was one's before a merge."""
    if call.store.profiles.body(customer_id) is None:
        raise Refusal(errors.customer_not_found(customer_id))


def as_record(card: Mapping[str, Any], created: int, now: int) -> Record:
    """Return a card as the store keeps it."""
    state = ENABLED if card["enabled"] else DISABLED
    return Record(card["id"], "card", state, created, now, None, orjson.dumps(card))


def _details(call: Call, asked: Mapping[str, Any], inside: str) -> dict[str, Any]:
    path = f"{inside}billing_address"
    return {
        "cardholder_name": short_text_in(asked, "cardholder_name", inside, MAX_NAME),
        "billing_address": rules.address_in(asked, path, call.merchant.country, call.version),
    }


def _save(nonce: str, more: Mapping[str, Any], field: str) -> None:
    rules.save(nonce, more["billing_address"].get("postal_code"), field)


def _created(
    call: Call,
    customer_id: str,
    more: Mapping[str, Any],
    key: str | None,
    made_with: Link | None = None,
) -> rules.Card:
    card = rules.new_card(
        call.new_record_id(ids.card_id), customer_id, call.merchant.id, more, call.now, call.chance
    )
    links = [Link("customer", customer_id)]
    if "reference_id" in card:
        links.append(Link("reference", card["reference_id"]))
    if made_with is not None:
        links.append(made_with)
    call.store.records.add(as_record(card, call.now, call.now), links)
    call.store.standings.add_cards(customer_id, 1)
    call.log_other("create-card", {"card_id": card["id"]}, customer_id=customer_id, key=key)
    return card


def _disabled(call: Call, record: Record) -> Record:
    if record.state == DISABLED:
        return record
    card = orjson.loads(record.body)
    card |= {
        "enabled": False,
        "disabled_at": timestamp(call.now),
        "version": card["version"] + 1,
    }
    record = as_record(card, record.created, call.now)
    call.store.records.change(record)
    call.store.standings.add_cards(card["customer_id"], -1)
    call.log_other("disable-card", {"card_id": card["id"]}, customer_id=card["customer_id"])
    return record


def _found(call: Call, card_id: str) -> Record:
    record = call.store.records.find("card", card_id)
    if record is None:
        raise Refusal(errors.not_found("Card", card_id))
    return record
