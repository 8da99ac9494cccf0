"""The official SDK, unmodified, covers gift cards and their activities."""

from __future__ import annotations

from square import Square as Sdk
from square.types.gift_card import GiftCard


def location(sdk: Sdk) -> str:
    """The id of the merchant's location."""
    found = sdk.locations.get("main").location
    assert found is not None
    return str(found.id)


def make(sdk: Sdk, key: str) -> GiftCard:
    """Create a digital gift card."""
    made = sdk.gift_cards.create(
        idempotency_key=key, location_id=location(sdk), gift_card={"type": "DIGITAL"}
    ).gift_card
    assert isinstance(made, GiftCard)
    return made


def test_gift_cards_through_the_sdk(sdk: Sdk) -> None:
    """Create, get by id, number and nonce, list over pages, link, unlink."""
    card = make(sdk, "g-1")
    assert card.id is not None
    assert card.gan is not None
    customer = sdk.customers.create(given_name="Ines").customer
    assert customer is not None
    assert customer.id is not None

    assert sdk.gift_cards.get(card.id).gift_card == card
    assert sdk.gift_cards.get_from_gan(gan=card.gan).gift_card == card
    assert sdk.gift_cards.get_from_nonce(nonce=f"cnon:{card.gan}").gift_card == card
    linked = sdk.gift_cards.link_customer(card.id, customer_id=customer.id).gift_card
    assert linked is not None
    assert linked.customer_ids == [customer.id]
    for number in range(2, 36):
        make(sdk, f"g-{number}")
    assert len(list(sdk.gift_cards.list(type="DIGITAL", state="PENDING"))) == 35
    assert len(list(sdk.gift_cards.list(limit=10))) == 35
    assert list(sdk.gift_cards.list(customer_id=customer.id)) == [linked]
    unlinked = sdk.gift_cards.unlink_customer(card.id, customer_id=customer.id).gift_card
    assert unlinked == card


def test_activities_through_the_sdk(sdk: Sdk) -> None:
    """Activate, load, and the list of what happened."""
    card = make(sdk, "g-1")
    assert card.id is not None

    activated = sdk.gift_cards.activities.create(
        idempotency_key="a-1",
        gift_card_activity={
            "type": "ACTIVATE",
            "location_id": location(sdk),
            "gift_card_id": card.id,
            "activate_activity_details": {"amount_money": {"amount": 1000, "currency": "USD"}},
        },
    ).gift_card_activity
    loaded = sdk.gift_cards.activities.create(
        idempotency_key="l-1",
        gift_card_activity={
            "type": "LOAD",
            "location_id": location(sdk),
            "gift_card_gan": card.gan,
            "load_activity_details": {"amount_money": {"amount": 500, "currency": "USD"}},
        },
    ).gift_card_activity

    assert activated is not None
    assert loaded is not None
    assert loaded.gift_card_balance_money is not None
    assert loaded.gift_card_balance_money.amount == 1500
    shown = sdk.gift_cards.get(card.id).gift_card
    assert shown is not None
    assert shown.state == "ACTIVE"
    happened = sdk.gift_cards.activities.list(gift_card_id=card.id, limit=1)
    assert sorted(each.type for each in happened) == ["ACTIVATE", "LOAD"]
    assert list(sdk.gift_cards.activities.list(type="LOAD", sort_order="ASC")) == [loaded]
