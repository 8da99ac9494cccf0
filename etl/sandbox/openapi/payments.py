"""What do the calls of the Payments API take and give?"""

from __future__ import annotations

from etl.sandbox.apis import payments
from etl.sandbox.openapi.customers import KEY
from etl.sandbox.openapi.money import MONEY, money
from etl.sandbox.openapi.shapes import (
    CURSOR,
    MOMENT,
    SOME_TEXT,
    TEXT,
    WHOLE,
    Api,
    Operation,
    Parameter,
    answer,
    array,
    choice,
    nullable,
    page,
    record,
    ref,
    short_text,
)
from etl.sandbox.rules import payments as rules

_ONE = answer({"payment": ref("Payment")})
_NEW = record(
    {
        "idempotency_key": KEY,
        "source_id": ref("SourceId"),
        "amount_money": money(1),
        "tip_money": nullable(money()),
        "order_id": nullable(ref("OrderId")),
        "customer_id": nullable(ref("CustomerId")),
        "location_id": nullable(ref("LocationId")),
        "reference_id": short_text(rules.MAX_REFERENCE),
        "note": short_text(rules.MAX_NOTE),
        "verification_token": nullable(TEXT),
        # No payment waits to be completed.
        "autocomplete": {"type": ["boolean", "null"], "enum": [True, None]},
        "buyer_email_address": short_text(rules.MAX_EMAIL),
        "cash_details": nullable(
            record(
                {
                    "buyer_supplied_money": nullable(money()),
                    "change_back_money": nullable(money()),
                }
            )
        ),
    },
    ["idempotency_key", "source_id", "amount_money"],
)
_CARD_DETAILS = answer(
    {
        "status": TEXT,
        "card": ref("ChargedCard"),
        "entry_method": TEXT,
        "cvv_status": TEXT,
        "avs_status": TEXT,
        "card_payment_timeline": answer({"authorized_at": MOMENT, "captured_at": MOMENT}),
    }
)
_TOLD_ALWAYS = {
    "id": ref("PaymentId"),
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "amount_money": MONEY,
    "total_money": MONEY,
    "location_id": TEXT,
    "order_id": TEXT,
    "status": TEXT,
    "source_type": choice(["CARD", "CASH"]),
    "receipt_number": TEXT,
    "application_details": answer({"square_product": TEXT}),
    "version_token": TEXT,
}
_TOLD_SOMETIMES = {
    "tip_money": MONEY,
    "customer_id": TEXT,
    "reference_id": SOME_TEXT,
    "buyer_email_address": SOME_TEXT,
    "note": SOME_TEXT,
    "cash_details": answer({"buyer_supplied_money": MONEY, "change_back_money": MONEY}),
    "approved_money": MONEY,
    "delay_duration": TEXT,
    "delay_action": TEXT,
    "delayed_until": MOMENT,
    "card_details": _CARD_DETAILS,
}

API = Api(
    "Payments",
    {
        payments.list_payments: Operation(
            page(payments=array(ref("Payment"), 1)),
            parameters=(
                CURSOR,
                Parameter(
                    "limit",
                    {"type": "integer", "minimum": 1},
                    f"How many a page may hold; more than {payments.MAX_PAGE} are as many.",
                ),
                Parameter("begin_time", MOMENT, "Created from then on; a year ago if not given."),
                Parameter("end_time", MOMENT, "Created until then."),
                Parameter("updated_at_begin_time", MOMENT, "Changed from then on."),
                Parameter("updated_at_end_time", MOMENT, "Changed until then."),
                Parameter("location_id", ref("LocationId"), "At this location."),
                Parameter("sort_order", choice(payments.ORDERS), "In which direction."),
                Parameter("sort_field", choice(payments.SORTS), "What the list is sorted by."),
            ),
            misses=True,
        ),
        payments.create_payment: Operation(_ONE, _NEW, misses=True),
        payments.retrieve_payment: Operation(_ONE),
    },
    {
        "PaymentId": TEXT,
        "Payment": answer(_TOLD_ALWAYS | _TOLD_SOMETIMES, optional=_TOLD_SOMETIMES),
        "ChargedCard": answer(
            {
                "card_brand": TEXT,
                "last_4": TEXT,
                "exp_month": WHOLE,
                "exp_year": WHOLE,
                "fingerprint": TEXT,
                "card_type": TEXT,
                "prepaid_type": TEXT,
                "bin": TEXT,
            }
        ),
    },
)
