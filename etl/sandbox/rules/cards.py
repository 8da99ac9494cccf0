"""What is a card, and which test values stand for one?

The test values are those of Square's sandbox: a payment from one succeeds, or is declined for the
reason in its name.
"""

from __future__ import annotations

import random
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from etl.sandbox.errors import PAYMENT_METHOD, Problem, Refusal
from etl.sandbox.reading import object_in
from etl.sandbox.rules import customers
from etl.sandbox.times import timestamp

NONCE = "cnon:card-nonce-"
ON_FILE = "ccof:customer-card-id-"
_USED = "already-used"
_DECLINED = {
    "rejected-cvv": "CVV_FAILURE",
    "rejected-postalcode": "ADDRESS_VERIFICATION_FAILURE",
    "rejected-expiration": "INVALID_EXPIRATION",
    "declined": "GENERIC_DECLINE",
}
_POSTAL_CODE = "94103"

Card = dict[str, Any]


def charge(source_id: str) -> None:
    """Charge a test value. Raises Refusal if it is declined, or stands for nothing."""
    prefix = ON_FILE if source_id.startswith(ON_FILE) else NONCE
    reason = source_id.removeprefix(prefix)
    if reason in _DECLINED:
        code = _DECLINED[reason]
        raise Refusal(Problem(code, f"Authorization error: '{code}'", category=PAYMENT_METHOD))
    if source_id == NONCE + _USED:
        # Literal text of recorded answers.
        detail = "Card nonce already used; please request new nonce."
        raise Refusal(Problem("CARD_TOKEN_USED", detail, "source_id"))
    if reason != "ok":
        raise Refusal(Problem("NOT_FOUND", "Card nonce not found", "source_id", status=404))


def save(nonce: str, postal_code: str | None, field: str) -> None:
    """Save the card behind a test value. Raises Refusal if it is none, without saying why not.

    Square tells whoever saves a card no more than this (its developer forum, thread 15074).
    """
    if nonce != f"{NONCE}ok" or postal_code not in (None, _POSTAL_CODE):
        raise Refusal(Problem("INVALID_CARD_DATA", "Invalid card data.", field))


def address_in(holder: Mapping[str, Any], path: str, country: str, version: str) -> dict[str, str]:
    """Return the billing address in an object, judged as that of a profile is."""
    asked = object_in(holder, "billing_address", path)
    judged = customers.judge_new({"address": asked}, country, version, strict=True)
    if judged.problems:
        raise Refusal(
            *(
                replace(
                    problem,
                    detail=problem.detail.replace("address", path, 1),
                    field=problem.field.replace("address", path, 1),
                )
                for problem in judged.problems
            )
        )
    return {part.removeprefix("address."): value for part, value in judged.values.items() if value}


def test_card(now: int, chance: random.Random) -> Card:
    """Return the card behind the test value: a VISA that expires in two years."""
    today = datetime.fromtimestamp(now // 1000, UTC)
    return {
        "card_brand": "VISA",
        "last_4": "5858",
        "exp_month": today.month,
        "exp_year": today.year + 2,
        "fingerprint": "sq-1-" + urlsafe_b64encode(chance.randbytes(48)).decode(),
    }


def charged(card: Mapping[str, Any]) -> Card:
    """Return a card as payments and tenders tell it."""
    names = ("card_brand", "last_4", "exp_month", "exp_year", "fingerprint")
    more = {"card_type": "CREDIT", "prepaid_type": "NOT_PREPAID", "bin": "453275"}
    return {name: card[name] for name in names} | more


def short(card: Mapping[str, Any]) -> Card:
    """Return a card as the deprecated calls and the cards of a profile tell it."""
    names = ("id", "card_brand", "last_4", "exp_month", "exp_year", "cardholder_name")
    return {name: card[name] for name in (*names, "billing_address") if name in card}


def new_card(
    card_id: str,
    customer_id: str,
    merchant_id: str,
    more: Mapping[str, Any],
    now: int,
    chance: random.Random,
) -> Card:
    """Build the card Square would answer to a create; what is empty in ``more`` is left out."""
    card = {"id": card_id, **test_card(now, chance), "prepaid_type": "NOT_PREPAID"}
    card |= {name: value for name, value in more.items() if value}
    return card | {
        "customer_id": customer_id,
        "merchant_id": merchant_id,
        "enabled": True,
        "created_at": timestamp(now),
        "version": 1,
    }
