"""What must a payment be?"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from etl.sandbox import ids
from etl.sandbox.errors import Problem, Refusal, expected
from etl.sandbox.reading import (
    Shape,
    check_members,
    needed_object_in,
    needed_text_in,
    object_in,
    short_text_in,
    text_in,
)
from etl.sandbox.rules import cards
from etl.sandbox.rules.money import Money, check_amount, money, money_in, needed_money_in
from etl.sandbox.times import timestamp

MAX_ORDER_ID = 192
MAX_CUSTOMER_ID = 191
MAX_REFERENCE = 40
MAX_EMAIL = 255
MAX_NOTE = 500
_WEEK = 7 * 24 * 3600 * 1000

_CREATE: Shape = {
    **dict.fromkeys(("source_id", "amount_money", "tip_money", "order_id", "customer_id")),
    **dict.fromkeys(("location_id", "reference_id", "note", "verification_token")),
    **dict.fromkeys(("autocomplete", "buyer_email_address")),
    "cash_details": {"buyer_supplied_money": None, "change_back_money": None},
}
# Members Square has beside ours.
_NOT_SERVED = frozenset(
    {
        *("app_fee_money", "app_fee_allocations", "delay_duration", "delay_action"),
        *("team_member_id", "accept_partial_authorization", "buyer_phone_number"),
        *("billing_address", "shipping_address", "statement_description_identifier"),
        *("external_details", "customer_details", "offline_payment_details"),
    }
)

Payment = dict[str, Any]


def judge(body: Mapping[str, Any], currency: str) -> Payment:
    """Return the members of a new payment that its request decides, and its source."""
    check_members(body, _CREATE, _NOT_SERVED)
    source_id = needed_text_in(body, "source_id", "")
    autocomplete = body.get("autocomplete")
    if autocomplete is not None and type(autocomplete) is not bool:
        raise Refusal(expected("boolean", "autocomplete"))
    if autocomplete is False:
        detail = "This sandbox completes every payment at once."
        raise Refusal(Problem("BAD_REQUEST", detail, "autocomplete"))
    text_in(body, "verification_token", "")
    amount = needed_money_in(body, "amount_money", "", currency, 1)
    tip = money_in(body, "tip_money", "", currency)
    total = money(amount["amount"] + (tip["amount"] if tip else 0), currency)
    check_amount(total["amount"], "tip_money.amount")
    found = {
        "source_id": source_id,
        "amount_money": amount,
        "tip_money": tip,
        "total_money": total,
        "location_id": text_in(body, "location_id", ""),
        "order_id": short_text_in(body, "order_id", "", MAX_ORDER_ID),
        "customer_id": short_text_in(body, "customer_id", "", MAX_CUSTOMER_ID),
        "reference_id": short_text_in(body, "reference_id", "", MAX_REFERENCE),
        "buyer_email_address": short_text_in(body, "buyer_email_address", "", MAX_EMAIL),
        "note": short_text_in(body, "note", "", MAX_NOTE),
        "cash_details": _cash(body, source_id, total, currency),
    }
    return {name: value for name, value in found.items() if value}


def _cash(
    body: Mapping[str, Any], source_id: str, total: Money, currency: str
) -> dict[str, Money] | None:
    name, inside = "buyer_supplied_money", "cash_details."
    given = object_in(body, "cash_details", "cash_details")
    for each in (name, "change_back_money"):
        money_in(given, each, inside, currency)
    if source_id != "CASH":
        return None
    given = needed_object_in(body, "cash_details", "cash_details")
    supplied = needed_money_in(given, name, inside, currency, total["amount"])
    back = supplied["amount"] - total["amount"]
    return {name: supplied, "change_back_money": money(back, currency)}


def new_payment(
    payment_id: str,
    judged: Mapping[str, Any],
    card: cards.Card | None,
    now: int,
    chance: random.Random,
) -> Payment:
    """Build the payment Square would answer to a create, by ``card`` or in cash."""
    moment = timestamp(now)
    payment = {
        "id": payment_id,
        "created_at": moment,
        "updated_at": moment,
        **{name: value for name, value in judged.items() if name != "source_id"},
        "status": "COMPLETED",
        "source_type": "CASH" if card is None else "CARD",
        "receipt_number": payment_id[:4],
        "application_details": {"square_product": "ECOMMERCE_API"},
        "version_token": ids.line_item_uid(chance),
    }
    if card is None:
        return payment
    return payment | {
        "approved_money": judged["total_money"],
        "delay_duration": "PT168H",
        "delay_action": "CANCEL",
        "delayed_until": timestamp(now + _WEEK),
        "card_details": {
            "status": "CAPTURED",
            "card": cards.charged(card),
            "entry_method": "ON_FILE" if "id" in card else "KEYED",
            "cvv_status": "CVV_ACCEPTED",
            "avs_status": "AVS_ACCEPTED",
            "card_payment_timeline": {"authorized_at": moment, "captured_at": moment},
        },
    }
