"""What does each endpoint of the Gift Cards API do, and of that of their activities?

A gift card is made without money; activities put it there. Customers are linked to any number of
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, ids, keys
from etl.sandbox.apis import lists
from etl.sandbox.apis.cards import MAX_CUSTOMER_ID, check_customer
from etl.sandbox.apis.locations import check_location
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import (
    Shape,
    check_members,
    choice_in,
    needed_object_in,
    needed_text_in,
    one_of,
    text_in,
)
from etl.sandbox.rules import gift_cards as rules
from etl.sandbox.search import paging
from etl.sandbox.search.spans import span_in
from etl.sandbox.store.log import OtherAction
from etl.sandbox.store.records import Link, Listing, Record
from etl.sandbox.times import timestamp

MAX_KEY = 128
MAX_PAGE, _USUAL_PAGE = 200, 30
MAX_ACTIVITIES, _USUAL_ACTIVITIES = 100, 50
ORDERS = ("DESC", "ASC")
_YEAR = 365 * 24 * 3600 * 1000
_CREATE: Shape = {
    "location_id": None,
    "gift_card": dict.fromkeys(("type", "gan", "gan_source")),
}
_LOGGED: dict[str, OtherAction] = {"ACTIVATE": "activate-gift-card", "LOAD": "load-gift-card"}


def list_gift_cards(call: Call) -> bytes:
    """ListGiftCards: the oldest first."""
    asked = call.parameters
    kind, state = (
        one_of(asked[name], choices, name) if name in asked else None
        for name, choices in (("type", rules.TYPES), ("state", rules.STATES))
    )
    links = {
        name: (value,)
        for name, value in (("type", kind), ("customer", asked.get("customer_id")))
        if value
    }
    listing = Listing("gift_card", states=(state,) if state else (), links=links)
    limit = paging.limit_in(asked, MAX_PAGE, _USUAL_PAGE)
    digest = paging.digest("gift-cards", state, links)
    query = paging.Query(None, limit, False, asked.get("cursor") or None, digest)
    return lists.page(call, query, listing, "gift_cards")


def create_gift_card(call: Call) -> bytes:
    """CreateGiftCard: PENDING until it is activated."""
    body = call.json()
    key = keys.take_needed(body, MAX_KEY)
    exists = call.store.records.knows
    return keys.once(call, key, "gift card", body, exists, lambda: _create(call, body, key))


def _create(call: Call, body: Mapping[str, Any], key: str) -> tuple[str, bytes]:
    check_members(body, _CREATE)
    check_location(call, needed_text_in(body, "location_id", ""))
    asked = needed_object_in(body, "gift_card", "gift_card")
    kind = one_of(needed_text_in(asked, "type", "gift_card."), rules.TYPES, "gift_card.type")
    gan = rules.own_number(asked)
    if gan is not None and _by_number(call, gan) is not None:
        raise Refusal(Problem("INVALID_VALUE", "The gan is in use.", "gift_card.gan"))
    card = rules.new_gift_card(
        call.new_record_id(ids.gift_card_id),
        kind,
        _new_number(call) if gan is None else gan,
        call.merchant.country,
        call.now,
    )
    if gan is not None:
        card["gan_source"] = "OTHER"
    call.store.records.add(as_record(card, call.now, call.now), links_of(card))
    call.log_other("create-gift-card", {"gift_card_id": card["id"]}, key=key)
    return card["id"], orjson.dumps({"gift_card": card})


def retrieve_gift_card(call: Call, gift_card_id: str) -> bytes:
    """RetrieveGiftCard, in whatever state it is."""
    return b'{"gift_card":%b}' % _found(call, gift_card_id).body


def retrieve_from_gan(call: Call) -> bytes:
    """RetrieveGiftCardFromGAN: by its account number."""
    return _retrieved_by(call, "gan", "")


def retrieve_from_nonce(call: Call) -> bytes:
    """RetrieveGiftCardFromNonce: the nonce holds the account number, as in Square's example."""
    return _retrieved_by(call, "nonce", "cnon:")


def _retrieved_by(call: Call, name: str, prefix: str) -> bytes:
    body = call.json()
    check_members(body, {name: None})
    given = needed_text_in(body, name, "")
    record = None
    if given.startswith(prefix):
        record = _by_number(call, given.removeprefix(prefix))
    if record is None:
        raise Refusal(_no_such_number(name))
    return b'{"gift_card":%b}' % record.body


def link_customer(call: Call, gift_card_id: str) -> bytes:
    """LinkCustomerToGiftCard; a second time it has no effect."""
    record, customer_id = _linking(call, gift_card_id)
    check_customer(call, customer_id)
    card = orjson.loads(record.body)
    linked = card.get("customer_ids", [])
    if customer_id not in linked:
        record = _relinked(call, record, [*linked, customer_id])
        call.store.records.link(gift_card_id, Link("customer", customer_id))
        changes = {"gift_card_id": gift_card_id}
        call.log_other("link-gift-card", changes, customer_id=customer_id)
    return b'{"gift_card":%b}' % record.body


def unlink_customer(call: Call, gift_card_id: str) -> bytes:
    """UnlinkCustomerFromGiftCard; without effect on who is not linked."""
    record, customer_id = _linking(call, gift_card_id)
    linked = orjson.loads(record.body).get("customer_ids", [])
    if customer_id in linked:
        record = unlink(call, record, customer_id)
    return b'{"gift_card":%b}' % record.body


def unlink(call: Call, record: Record, customer_id: str) -> Record:
    """Take a customer off a gift card."""
    linked = orjson.loads(record.body)["customer_ids"]
    record = _relinked(call, record, [other for other in linked if other != customer_id])
    call.store.records.unlink(record.id, Link("customer", customer_id))
    call.log_other("unlink-gift-card", {"gift_card_id": record.id}, customer_id=customer_id)
    return record


def create_activity(call: Call) -> bytes:
    """CreateGiftCardActivity: ACTIVATE and LOAD."""
    body = call.json()
    key = keys.take_needed(body, MAX_KEY)
    exists = call.store.records.knows
    return keys.once(call, key, "activity", body, exists, lambda: _happened(call, body, key))


def _happened(call: Call, body: Mapping[str, Any], key: str) -> tuple[str, bytes]:
    check_members(body, {"gift_card_activity": None})
    asked = needed_object_in(body, "gift_card_activity", "gift_card_activity")
    activity = rules.judge_activity(asked, call.merchant.country)
    check_location(call, activity["location_id"])
    record = _target(call, asked)
    card = rules.after(orjson.loads(record.body), activity)
    activity = {
        "id": call.new_record_id(ids.gift_card_activity_id),
        "type": activity["type"],
        "location_id": activity["location_id"],
        "created_at": timestamp(call.now),
        "gift_card_id": card["id"],
        "gift_card_gan": card["gan"],
        "gift_card_balance_money": card["balance_money"],
        activity["details"]: activity[activity["details"]],
    }
    call.store.records.change(as_record(card, record.created, call.now))
    happened = Record(
        activity["id"],
        "gift_card_activity",
        activity["type"],
        call.now,
        call.now,
        None,
        orjson.dumps(activity),
    )
    call.store.records.add(happened, [Link("gift_card", card["id"])])
    changes = {"gift_card_id": card["id"], "balance": card["balance_money"]["amount"]}
    call.log_other(_LOGGED[activity["type"]], changes, key=key)
    return happened.id, b'{"gift_card_activity":%b}' % happened.body


def list_activities(call: Call) -> bytes:
    """ListGiftCardActivities: those of the last year, the newest first."""
    asked = call.parameters
    kind = one_of(asked["type"], rules.ACTIVITIES, "type") if "type" in asked else None
    order = choice_in(asked, "sort_order", ORDERS, "")
    if asked.get("location_id"):
        check_location(call, asked["location_id"])
    span = span_in(asked, "begin_time", "end_time")
    links = {"gift_card": (asked["gift_card_id"],)} if asked.get("gift_card_id") else {}
    listing = Listing(
        "gift_card_activity",
        descending=order == "DESC",
        span=span if span.start is not None else span._replace(start=call.now - _YEAR),
        states=(kind,) if kind else (),
        links=links,
    )
    limit = paging.limit_in(asked, MAX_ACTIVITIES, _USUAL_ACTIVITIES)
    digest = paging.digest("gift-card-activities", kind, order, *span, links)
    query = paging.Query(None, limit, False, asked.get("cursor") or None, digest)
    return lists.page(call, query, listing, "gift_card_activities")


def as_record(card: Mapping[str, Any], created: int, now: int) -> Record:
    """Return a gift card as the store keeps it."""
    return Record(card["id"], "gift_card", card["state"], created, now, None, orjson.dumps(card))


def links_of(card: Mapping[str, Any]) -> list[Link]:
    """Return what finds a gift card."""
    customers = [Link("customer", customer_id) for customer_id in card.get("customer_ids", [])]
    return [Link("gan", card["gan"]), Link("type", card["type"]), *customers]


def relinked(card: Mapping[str, Any], customer_ids: list[str]) -> dict[str, Any]:
    """Return a gift card that is linked to these customers; without any it names none."""
    rest = {name: value for name, value in card.items() if name != "customer_ids"}
    return rest | ({"customer_ids": customer_ids} if customer_ids else {})


def _relinked(call: Call, record: Record, customer_ids: list[str]) -> Record:
    card = relinked(orjson.loads(record.body), customer_ids)
    record = as_record(card, record.created, call.now)
    call.store.records.change(record)
    return record


def _linking(call: Call, gift_card_id: str) -> tuple[Record, str]:
    record = _found(call, gift_card_id)
    body = call.json()
    check_members(body, {"customer_id": None})
    return record, needed_text_in(body, "customer_id", "", MAX_CUSTOMER_ID)


def _target(call: Call, asked: Mapping[str, Any]) -> Record:
    inside = "gift_card_activity."
    gift_card_id = text_in(asked, "gift_card_id", inside)
    gan = text_in(asked, "gift_card_gan", inside)
    if gift_card_id:
        return _found(call, gift_card_id)
    if not gan:
        raise Refusal(errors.missing(f"{inside}gift_card_id"))
    record = _by_number(call, gan)
    if record is None:
        raise Refusal(_no_such_number(f"{inside}gift_card_gan"))
    return record


def _no_such_number(field: str) -> Problem:
    return Problem("NOT_FOUND", "No gift card has this account number.", field, status=404)


def _found(call: Call, gift_card_id: str) -> Record:
    record = call.store.records.find("gift_card", gift_card_id)
    if record is None:
        raise Refusal(errors.not_found("Gift card", gift_card_id))
    return record


def _by_number(call: Call, gan: str) -> Record | None:
    found = call.store.records.linked("gift_card", Link("gan", gan))
    return found[0] if found else None


def _new_number(call: Call) -> str:
    while True:
        gan = ids.gift_card_number(call.chance)
        if _by_number(call, gan) is None:
            return gan
