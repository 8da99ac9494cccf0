"""What do the customers of a plausible directory have, and what did they buy?

Groups, cards on file, gift cards, orders and payments. History is spread over the time a profile
has been there, so that some customers are regulars and some have lapsed. Gift cards were activated
before there was anything to list it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from etl.sandbox import ids
from etl.sandbox.apis import cards, gift_cards, groups, orders, payments
from etl.sandbox.calls import Call
from etl.sandbox.rules import cards as card_rules
from etl.sandbox.rules import gift_cards as gift_card_rules
from etl.sandbox.rules import orders as order_rules
from etl.sandbox.rules import payments as payment_rules
from etl.sandbox.rules.markets import currency
from etl.sandbox.rules.money import money
from etl.sandbox.seed.people import Person
from etl.sandbox.store.records import Link

KINDS = ("groups", "cards", "gift_cards", "orders", "payments")

# Groups, with the share of customers in each.
_GROUPS = {
    "Newsletter": 0.3,
    "Summer market 2024": 0.12,
    "Wholesale": 0.05,
    "Staff and friends": 0.02,
}
_ITEMS = {
    **{"Flat white": 420, "Sourdough loaf": 780, "Lunch": 1450, "Gift box": 3900},
    **{"Workshop": 6500, "Repair": 2200, "Bouquet": 3100, "Postcard": 150},
}
_BRANDS = (("VISA", "5858"), ("MASTERCARD", "5100"), ("AMERICAN_EXPRESS", "0009"))


class Shop:
    """Makes what belongs to one customer after the other, and counts it in ``made``.

    The same seed and customer always have the same things.
    """

    def __init__(self, call: Call, number: int) -> None:
        self._call = call
        self._number = number
        self._currency = currency(call.merchant.country)
        self.made = Counter(dict.fromkeys(KINDS, 0))
        chance = random.Random(f"{number}/groups")
        self._groups = {name: ids.customer_id(chance) for name in _GROUPS}

    def join(self, person: Person) -> list[str]:
        """Return the ids of the groups a customer is in; those that are missing are made."""
        chance = random.Random(f"{self._number}/groups/{person.id}")
        joined = [name for name, share in _GROUPS.items() if chance.random() < share]
        if not person.values:
            return []
        for name in joined:
            self._make_group(self._groups[name], name)
        return [self._groups[name] for name in joined]

    def _make_group(self, group_id: str, name: str) -> None:
        if self._call.store.groups.find(group_id) is None:
            groups.add(self._call, group_id, name)
            self.made["groups"] += 1

    def serve(self, person: Person) -> None:
        """Make the cards and the history of a customer."""
        chance = random.Random(f"{self._number}/{person.id}")
        since, now = self._call.now - person.age, self._call.now
        card = None
        if person.values and chance.random() < 0.12:
            card = self._save_card(person, chance, since)
        if person.values and chance.random() < 0.06:
            self._give_card(person, chance, since)
        for at in sorted(chance.randint(since, now) for _ in range(_visits(person, chance))):
            self._sell(person, chance, card, at)

    def _save_card(self, person: Person, chance: random.Random, at: int) -> card_rules.Card | None:
        """Save a card on file; return it if it can be charged."""
        names = [person.values.get(part) or "" for part in ("given_name", "family_name")]
        card = card_rules.new_card(
            ids.card_id(chance),
            person.id,
            self._call.merchant.id,
            {"cardholder_name": " ".join(names).strip()},
            at,
            chance,
        )
        card["card_brand"], card["last_4"] = chance.choice(_BRANDS)
        card["exp_year"] += 3
        card["enabled"] = chance.random() < 0.9
        cards.add(self._call, card, at)
        self.made["cards"] += 1
        return card if card["enabled"] else None

    def _give_card(self, person: Person, chance: random.Random, at: int) -> None:
        """Link a gift card to a customer."""
        card = gift_card_rules.new_gift_card(
            ids.gift_card_id(chance),
            chance.choice(gift_card_rules.TYPES),
            ids.gift_card_number(chance),
            self._call.merchant.country,
            at,
        )
        if self._call.store.records.linked("gift_card", Link("gan", card["gan"])):
            return
        card["customer_ids"] = [person.id]
        if chance.random() < 0.85:
            card["state"] = "ACTIVE"
            card["balance_money"] = money(chance.randrange(21) * 500, self._currency)
        gift_cards.add(self._call, card, at)
        changes = {"gift_card_id": card["id"]}
        self._call.log_other("link-gift-card", changes, customer_id=person.id)
        self.made["gift_cards"] += 1

    def _sell(
        self, person: Person, chance: random.Random, card: card_rules.Card | None, at: int
    ) -> None:
        """Make an order and, but for a few, its payment."""
        order = self._order(person, chance, at)
        if chance.random() < 0.04:
            self._keep_order(order, at)
            return
        judged = {
            "amount_money": order["total_money"],
            "total_money": order["total_money"],
            "location_id": order["location_id"],
            "order_id": order["id"],
            "customer_id": person.id,
        }
        if person.values and chance.random() < 0.15:
            card = None
            given = {"buyer_supplied_money": order["total_money"]}
            judged["cash_details"] = {**given, "change_back_money": money(0, self._currency)}
        elif card is None:
            card = card_rules.test_card(at, chance)
        payment = payment_rules.new_payment(ids.order_id(chance), judged, card, at, chance)
        self._keep_order(order_rules.paid_order(order, payment, at), at)
        payments.add(self._call, payment, at)
        self.made["payments"] += 1

    def _order(self, person: Person, chance: random.Random, at: int) -> order_rules.Order:
        lines = [
            order_rules.new_line(
                ids.line_item_uid(chance),
                name,
                str(chance.choice((1, 1, 1, 2, 3))),
                money(_ITEMS[name], self._currency),
            )
            for name in chance.sample(tuple(_ITEMS), chance.choice((1, 1, 2)))
        ]
        # Not every order is assigned to a customer, even where its payment is.
        owner = {"customer_id": person.id} if person.values and chance.random() < 0.7 else {}
        judged = {
            "location_id": self._call.merchant.location_id,
            **owner,
            "source": {"name": chance.choice(("Point of Sale", "Square Online"))},
            "line_items": lines,
        }
        return order_rules.new_order(ids.order_id(chance), judged, self._currency, at)

    def _keep_order(self, order: order_rules.Order, at: int) -> None:
        orders.add(self._call, order, at)
        self.made["orders"] += 1


def _visits(person: Person, chance: random.Random) -> int:
    """Draw how often a customer bought: half never did, a few come all the time."""
    kind = chance.random()
    # A card payment is what makes an instant profile.
    if not person.values:
        return chance.choice(_VISITS)
    if kind < 0.5:
        return 0
    return chance.randint(5, 12) if kind > 0.96 else chance.choice(_VISITS)


_VISITS: Sequence[int] = (1, 1, 1, 1, 2, 2, 3)
