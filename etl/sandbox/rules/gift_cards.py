"""What must a gift card be, and what happens to one?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.sandbox.errors import Problem, Refusal, missing
from etl.sandbox.reading import (
    check_members,
    choice_in,
    needed_object_in,
    needed_text_in,
    one_of,
    short_text_in,
    text_in,
    texts_in,
)
from etl.sandbox.rules.markets import currency
from etl.sandbox.rules.money import check_amount, money, needed_money_in
from etl.sandbox.times import timestamp

TYPES = ("DIGITAL", "PHYSICAL")
MAX_REFERENCE = 255
SOURCES = ("SQUARE", "OTHER")
STATES = ("ACTIVE", "DEACTIVATED", "BLOCKED", "PENDING")
ACTIVITIES = (
    *("ACTIVATE", "LOAD", "REDEEM", "CLEAR_BALANCE", "DEACTIVATE", "ADJUST_INCREMENT"),
    *("ADJUST_DECREMENT", "REFUND", "UNLINKED_ACTIVITY_REFUND", "IMPORT", "BLOCK", "UNBLOCK"),
    *("IMPORT_REVERSAL", "TRANSFER_BALANCE_FROM", "TRANSFER_BALANCE_TO"),
)
# The state each activity we serve needs a gift card to be in, and where its details are.
SERVED = {
    "ACTIVATE": ("PENDING", "activate_activity_details"),
    "LOAD": ("ACTIVE", "load_activity_details"),
}
_DETAILS = dict.fromkeys(("amount_money", "reference_id", "buyer_payment_instrument_ids"))

GiftCard = dict[str, Any]


def own_number(asked: Mapping[str, Any]) -> str | None:
    """Return the account number a seller chose, None if the sandbox is to make one."""
    source = choice_in(asked, "gan_source", SOURCES, "gift_card.")
    gan = text_in(asked, "gan", "gift_card.") or None
    if source == "SQUARE" and gan is not None:
        detail = "This sandbox has no plastic cards to register: gan needs gan_source OTHER."
        raise Refusal(Problem("BAD_REQUEST", detail, "gift_card.gan"))
    if source == "OTHER" and gan is None:
        raise Refusal(missing("gift_card.gan"))
    if gan is not None and not (gan.isascii() and gan.isalnum() and 8 <= len(gan) <= 20):
        detail = "Expected gift_card.gan to have 8 to 20 letters and digits"
        raise Refusal(Problem("INVALID_VALUE", detail, "gift_card.gan"))
    return gan


def new_gift_card(gift_card_id: str, kind: str, gan: str, country: str, now: int) -> GiftCard:
    """Build the gift card Square would answer to a create."""
    return {
        "id": gift_card_id,
        "type": kind,
        "gan_source": "SQUARE",
        "state": "PENDING",
        "balance_money": money(0, currency(country)),
        "gan": gan,
        "created_at": timestamp(now),
    }


def judge_activity(asked: Mapping[str, Any], country: str) -> dict[str, Any]:
    """Return the activity that is asked for; ``details`` names the member with its details."""
    inside = "gift_card_activity."
    kind = one_of(needed_text_in(asked, "type", inside), ACTIVITIES, f"{inside}type")
    if kind not in SERVED:
        detail = f"This sandbox does not serve {kind}, only {' and '.join(SERVED)}."
        raise Refusal(Problem("BAD_REQUEST", detail, f"{inside}type"))
    _, name = SERVED[kind]
    targets = ("type", "location_id", "gift_card_id", "gift_card_gan")
    check_members(asked, {**dict.fromkeys(targets), name: None}, inside=inside)
    path = f"{inside}{name}"
    given = needed_object_in(asked, name, path)
    check_members(given, _DETAILS, ("order_id", "line_item_uid"), f"{path}.")
    details: dict[str, Any] = {
        "amount_money": needed_money_in(given, "amount_money", f"{path}.", currency(country), 1)
    }
    reference = short_text_in(given, "reference_id", f"{path}.", MAX_REFERENCE)
    if reference is not None:
        details["reference_id"] = reference
    paid_by = "buyer_payment_instrument_ids"
    if given.get(paid_by) is not None:
        details[paid_by] = list(texts_in(given[paid_by], f"{path}.{paid_by}"))
    location_id = needed_text_in(asked, "location_id", inside)
    return {"type": kind, "location_id": location_id, "details": name, name: details}


def after(card: Mapping[str, Any], activity: Mapping[str, Any]) -> GiftCard:
    """Return a gift card after an activity. Raises Refusal if its state forbids it."""
    needed, name = SERVED[activity["type"]]
    if card["state"] != needed:
        detail = f"{activity['type']} needs a gift card that is {needed}, not {card['state']}."
        raise Refusal(Problem("BAD_REQUEST", detail, "gift_card_activity.type"))
    added = activity[name]["amount_money"]
    balance = card["balance_money"]["amount"] + added["amount"]
    check_amount(balance, f"gift_card_activity.{name}.amount_money.amount")
    return {**card, "state": "ACTIVE", "balance_money": money(balance, added["currency"])}
