"""What do the calls of the Cards API, and those deprecated since it exists, take and give?"""

from __future__ import annotations

from etl.sandbox.apis import cards
from etl.sandbox.openapi.customers import KEY
from etl.sandbox.openapi.shapes import (
    CURSOR,
    FLAG,
    MOMENT,
    NOTHING,
    SOME_TEXT,
    TEXT,
    WHOLE,
    Api,
    Operation,
    Parameter,
    Schema,
    answer,
    array,
    choice,
    nullable,
    page,
    record,
    ref,
    short_text,
)

_ONE = answer({"card": ref("Card")})
_DETAILS = {
    "cardholder_name": short_text(cards.MAX_NAME),
    "billing_address": nullable(ref("Address")),
}
CUSTOMER: Schema = {**ref("CustomerId"), "minLength": 1, "maxLength": cards.MAX_CUSTOMER_ID}
_TOLD = {
    "id": ref("CardId"),
    "card_brand": TEXT,
    "last_4": TEXT,
    "exp_month": WHOLE,
    "exp_year": WHOLE,
    "cardholder_name": SOME_TEXT,
    "billing_address": ref("ToldAddress"),
}

API = Api(
    "Cards",
    {
        cards.list_cards: Operation(
            page(cards=array(ref("Card"), 1)),
            parameters=(
                CURSOR,
                Parameter("customer_id", ref("CustomerId"), "Of this customer."),
                Parameter("reference_id", TEXT, "With this reference."),
                Parameter("include_disabled", FLAG, "Whether disabled ones are told too."),
                Parameter("sort_order", choice(cards.ORDERS), "By the time of their creation."),
            ),
        ),
        cards.create_card: Operation(
            _ONE,
            record(
                {
                    "idempotency_key": KEY,
                    "source_id": ref("SourceId"),
                    "verification_token": nullable(TEXT),
                    "card": record(
                        {
                            "customer_id": CUSTOMER,
                            "reference_id": short_text(cards.MAX_REFERENCE),
                            **_DETAILS,
                        },
                        ["customer_id"],
                    ),
                },
                ["idempotency_key", "source_id", "card"],
            ),
            misses=True,
        ),
        cards.retrieve_card: Operation(_ONE),
        cards.disable_card: Operation(_ONE),
        cards.create_customer_card: Operation(
            answer({"card": ref("ShortCard")}),
            record(
                {
                    "card_nonce": ref("SourceId"),
                    "verification_token": nullable(TEXT),
                    **_DETAILS,
                },
                ["card_nonce"],
            ),
        ),
        cards.delete_customer_card: Operation(NOTHING),
    },
    {
        "CardId": TEXT,
        "SourceId": {**SOME_TEXT, "description": "A test value, a card on file, or CASH."},
        "ShortCard": answer(_TOLD, optional=["cardholder_name", "billing_address"]),
        "Card": answer(
            {
                **_TOLD,
                "fingerprint": TEXT,
                "prepaid_type": TEXT,
                "reference_id": SOME_TEXT,
                "customer_id": TEXT,
                "merchant_id": TEXT,
                "enabled": FLAG,
                "created_at": MOMENT,
                "disabled_at": MOMENT,
                "version": WHOLE,
            },
            optional=["cardholder_name", "billing_address", "reference_id", "disabled_at"],
        ),
    },
)
