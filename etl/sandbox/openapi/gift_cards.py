"""What do the calls of the Gift Cards API, and of their activities, take and give?"""

from __future__ import annotations

from etl.sandbox.apis import gift_cards
from etl.sandbox.openapi.cards import CUSTOMER
from etl.sandbox.openapi.customers import key
from etl.sandbox.openapi.money import MONEY, money
from etl.sandbox.openapi.shapes import (
    CURSOR,
    MOMENT,
    SOME_TEXT,
    TEXT,
    Api,
    Operation,
    Parameter,
    Schema,
    answer,
    array,
    choice,
    either,
    limit,
    nullable,
    page,
    record,
    ref,
    short_text,
    texts,
)
from etl.sandbox.rules import gift_cards as rules

_ONE = answer({"gift_card": ref("GiftCard")})
_KEY = key(gift_cards.MAX_KEY)
_LINK = record({"customer_id": CUSTOMER}, ["customer_id"])
_TOLD_DETAILS = answer(
    {"amount_money": MONEY, "reference_id": SOME_TEXT, "buyer_payment_instrument_ids": texts(1)},
    optional=["reference_id", "buyer_payment_instrument_ids"],
)


def _activity(kind: str, details: str) -> Schema:
    return record(
        {
            "type": {"const": kind},
            "location_id": ref("LocationId"),
            "gift_card_id": nullable(ref("GiftCardId")),
            "gift_card_gan": nullable(ref("Gan")),
            details: record(
                {
                    "amount_money": money(1),
                    "reference_id": short_text(rules.MAX_REFERENCE),
                    "buyer_payment_instrument_ids": nullable(texts(1)),
                },
                ["amount_money"],
            ),
        },
        ["type", "location_id", details],
    )


_DETAILS_OF = {kind: details for kind, (_, details) in rules.SERVED.items()}

API = Api(
    "Gift cards",
    {
        gift_cards.list_gift_cards: Operation(
            page(gift_cards=array(ref("GiftCard"), 1)),
            parameters=(
                CURSOR,
                limit(gift_cards.MAX_PAGE),
                Parameter("type", choice(rules.TYPES), "Of this type."),
                Parameter("state", choice(rules.STATES), "In this state."),
                Parameter("customer_id", ref("CustomerId"), "Linked to this customer."),
            ),
        ),
        gift_cards.create_gift_card: Operation(
            _ONE,
            record(
                {
                    "idempotency_key": _KEY,
                    "location_id": ref("LocationId"),
                    "gift_card": record(
                        {
                            "type": choice(rules.TYPES),
                            "gan_source": nullable(choice(rules.SOURCES)),
                            "gan": {**nullable(TEXT), "pattern": "^$|^[0-9A-Za-z]{8,20}$"},
                        },
                        ["type"],
                    ),
                },
                ["idempotency_key", "location_id", "gift_card"],
            ),
            misses=True,
        ),
        gift_cards.list_activities: Operation(
            page(gift_card_activities=array(ref("GiftCardActivity"), 1)),
            parameters=(
                CURSOR,
                limit(gift_cards.MAX_ACTIVITIES),
                Parameter("gift_card_id", ref("GiftCardId"), "Of this gift card."),
                Parameter("type", choice(rules.ACTIVITIES), "Of this type."),
                Parameter("location_id", ref("LocationId"), "At this location."),
                Parameter("begin_time", MOMENT, "From then on."),
                Parameter("end_time", MOMENT, "Until then."),
                Parameter("sort_order", choice(gift_cards.ORDERS), "By their time."),
            ),
            misses=True,
        ),
        gift_cards.create_activity: Operation(
            answer({"gift_card_activity": ref("GiftCardActivity")}),
            record(
                {
                    "idempotency_key": _KEY,
                    "gift_card_activity": either(
                        *(_activity(kind, details) for kind, details in _DETAILS_OF.items())
                    ),
                },
                ["idempotency_key", "gift_card_activity"],
            ),
            misses=True,
        ),
        gift_cards.retrieve_from_gan: Operation(
            _ONE, record({"gan": ref("Gan")}, ["gan"]), misses=True
        ),
        gift_cards.retrieve_from_nonce: Operation(
            _ONE, record({"nonce": SOME_TEXT}, ["nonce"]), misses=True
        ),
        gift_cards.retrieve_gift_card: Operation(_ONE),
        gift_cards.link_customer: Operation(_ONE, _LINK),
        gift_cards.unlink_customer: Operation(_ONE, _LINK),
    },
    {
        "GiftCardId": TEXT,
        "Gan": TEXT,
        "GiftCard": answer(
            {
                "id": ref("GiftCardId"),
                "type": choice(rules.TYPES),
                "gan_source": choice(rules.SOURCES),
                "state": choice(rules.STATES),
                "balance_money": MONEY,
                "gan": ref("Gan"),
                "created_at": MOMENT,
                "customer_ids": texts(1),
            },
            optional=["customer_ids"],
        ),
        "GiftCardActivity": answer(
            {
                "id": TEXT,
                "type": choice(rules.SERVED),
                "location_id": TEXT,
                "created_at": MOMENT,
                "gift_card_id": TEXT,
                "gift_card_gan": TEXT,
                "gift_card_balance_money": MONEY,
                **dict.fromkeys(_DETAILS_OF.values(), _TOLD_DETAILS),
            },
            optional=_DETAILS_OF.values(),
        ),
    },
)
