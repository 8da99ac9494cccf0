"""What becomes of a customer's cards when the profile goes?

Orders and payments stay as they are: history keeps the id it was made under.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from etl.sandbox.apis import cards, gift_cards
from etl.sandbox.calls import Call
from etl.sandbox.store.records import Link


def give_up(call: Call, customer_id: str) -> None:
    """Delete the cards of a deleted profile, and take it off its gift cards."""
    owner = Link("customer", customer_id)
    for record in call.store.records.linked("card", owner):
        call.store.records.remove(record.id)
    for record in call.store.records.linked("gift_card", owner):
        gift_cards.unlink(call, record, customer_id)
    call.store.standings.remove(customer_id)


def hand_over(call: Call, old_ids: Sequence[str], new_id: str) -> dict[str, list[str]]:
    """Give the cards of merged profiles to the new one; return what it got."""
    got: dict[str, list[str]] = {"cards": [], "gift_cards": []}
    for old_id in old_ids:
        owner = Link("customer", old_id)
        for record in call.store.records.linked("card", owner):
            card = orjson.loads(record.body) | {"customer_id": new_id}
            call.store.records.change(cards.as_record(card, record.created, call.now))
            got["cards"].append(record.id)
        for record in call.store.records.linked("gift_card", owner):
            card = orjson.loads(record.body)
            customers = [new_id if each == old_id else each for each in card["customer_ids"]]
            card = gift_cards.relinked(card, list(dict.fromkeys(customers)))
            call.store.records.change(gift_cards.as_record(card, record.created, call.now))
            got["gift_cards"].append(record.id)
        for record_id in (*got["cards"], *got["gift_cards"]):
            call.store.records.unlink(record_id, owner)
            call.store.records.link(record_id, Link("customer", new_id))
    call.store.standings.merge(old_ids, new_id)
    return {name: list(dict.fromkeys(record_ids)) for name, record_ids in got.items() if record_ids}
