"""The official SDK, unmodified, covers what is served of payments."""

from __future__ import annotations

import pytest
from square import Square as Sdk
from square.core.api_error import ApiError
from square.types.payment import Payment


def pay(sdk: Sdk, key: str, source_id: str = "cnon:card-nonce-ok", amount: int = 1000) -> Payment:
    """Pay an amount."""
    made = sdk.payments.create(
        source_id=source_id,
        idempotency_key=key,
        amount_money={"amount": amount, "currency": "USD"},
        autocomplete=True,
    ).payment
    assert isinstance(made, Payment)
    return made


def test_payments_through_the_sdk(sdk: Sdk) -> None:
    """Create from a test value, get, list over pages."""
    payment = pay(sdk, "p-1")

    assert payment.id is not None
    assert payment.card_details is not None
    assert payment.card_details.card is not None
    assert (payment.status, payment.card_details.card.last4) == ("COMPLETED", "5858")
    assert sdk.payments.get(payment.id).payment == payment
    for number in range(2, 13):
        pay(sdk, f"p-{number}")
    listed = list(sdk.payments.list(limit=5, sort_order="ASC"))
    assert len({each.id for each in listed}) == 12
    assert (
        list(sdk.payments.list(begin_time="2020-01-01T00:00:00Z", end_time="2020-02-01T00:00:00Z"))
        == []
    )
    with pytest.raises(ApiError) as declined:
        pay(sdk, "declined", "cnon:card-nonce-declined")
    assert declined.value.status_code == 400
    assert [error.code for error in declined.value.errors] == ["GENERIC_DECLINE"]


def test_a_card_on_file_pays_an_order(sdk: Sdk) -> None:
    """From the customer to the tender, as in Square's guide."""
    customer = sdk.customers.create(given_name="Ines").customer
    assert customer is not None
    assert customer.id is not None
    card = sdk.cards.create(
        idempotency_key="card", source_id="cnon:card-nonce-ok", card={"customer_id": customer.id}
    ).card
    place = sdk.locations.get("main").location
    assert place is not None
    assert place.id is not None
    line = {"quantity": "1", "base_price_money": {"amount": 2515, "currency": "USD"}}
    order = sdk.orders.create(order={"location_id": place.id, "line_items": [line]}).order
    assert card is not None
    assert card.id is not None
    assert order is not None
    assert order.id is not None

    payment = sdk.payments.create(
        source_id=card.id,
        idempotency_key="p",
        amount_money={"amount": 2515, "currency": "USD"},
        tip_money={"amount": 300, "currency": "USD"},
        customer_id=customer.id,
        order_id=order.id,
        location_id=place.id,
        reference_id="123456",
        note="Brief description",
    ).payment

    assert payment is not None
    paid = sdk.orders.get(order.id).order
    assert paid is not None
    assert paid.tenders is not None
    (tender,) = paid.tenders
    assert (tender.payment_id, tender.customer_id) == (payment.id, customer.id)
    shown = sdk.customers.get(customer.id).customer
    assert shown is not None
    assert [each.rpartition(".")[2] for each in shown.segment_ids or []] == ["CARDS_ON_FILE"]


def test_a_cash_payment(sdk: Sdk) -> None:
    """What the buyer gave, and the change."""
    payment = sdk.payments.create(
        source_id="CASH",
        idempotency_key="cash",
        amount_money={"amount": 1000, "currency": "USD"},
        cash_details={"buyer_supplied_money": {"amount": 1500, "currency": "USD"}},
    ).payment

    assert payment is not None
    assert payment.cash_details is not None
    assert payment.cash_details.change_back_money is not None
    assert payment.cash_details.change_back_money.amount == 500
