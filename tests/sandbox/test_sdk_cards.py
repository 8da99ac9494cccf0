"""The official SDK, unmodified, covers cards: the Cards API and the deprecated customer calls."""

from __future__ import annotations

import pytest
from square import Square as Sdk
from square.core.api_error import ApiError

OK = "cnon:card-nonce-ok"


def customer(sdk: Sdk, name: str = "Ines") -> str:
    """Create a customer and return the id."""
    made = sdk.customers.create(given_name=name).customer
    assert made is not None
    return str(made.id)


def test_cards_through_the_sdk(sdk: Sdk) -> None:
    """Create, get, list over pages, disable."""
    customer_id = customer(sdk)

    made = sdk.cards.create(
        idempotency_key="card-1",
        source_id=OK,
        card={
            "cardholder_name": "Ines Moreau",
            "billing_address": {"address_line1": "12 High St", "postal_code": "94103"},
            "customer_id": customer_id,
            "reference_id": "user-id-1",
        },
    ).card

    assert made is not None
    assert made.id is not None
    assert made.billing_address is not None
    assert (made.card_brand, made.last4, made.enabled) == ("VISA", "5858", True)
    assert made.billing_address.address_line1 == "12 High St"
    assert sdk.cards.get(made.id).card == made
    for number in range(2, 31):
        sdk.cards.create(
            idempotency_key=f"card-{number}", source_id=OK, card={"customer_id": customer_id}
        )
    listed = list(sdk.cards.list(customer_id=customer_id, sort_order="DESC"))
    assert len({card.id for card in listed}) == 30
    assert list(sdk.cards.list(reference_id="user-id-1")) == [made]

    disabled = sdk.cards.disable(made.id).card

    assert disabled is not None
    assert (disabled.enabled, disabled.version) == (False, 2)
    assert len(list(sdk.cards.list())) == 29
    assert len(list(sdk.cards.list(include_disabled=True))) == 30
    with pytest.raises(ApiError) as refused:
        sdk.cards.create(
            idempotency_key="declined",
            source_id="cnon:card-nonce-declined",
            card={"customer_id": customer_id},
        )
    assert refused.value.status_code == 400


def test_customer_cards_through_the_sdk(sdk: Sdk) -> None:
    """The deprecated create and delete."""
    customer_id = customer(sdk)

    made = sdk.customers.cards.create(
        customer_id,
        card_nonce=OK,
        billing_address={"postal_code": "94103"},
        cardholder_name="Ines Moreau",
    ).card

    assert made is not None
    assert made.id is not None
    assert made.cardholder_name == "Ines Moreau"
    assert sdk.customers.cards.create(customer_id, card_nonce=OK).card == made
    assert sdk.customers.cards.delete(customer_id, made.id).errors is None
    assert list(sdk.cards.list(customer_id=customer_id)) == []
