"""What do the calls of the Merchants API give?"""

from __future__ import annotations

from etl.sandbox.apis import merchants
from etl.sandbox.openapi.shapes import (
    MOMENT,
    TEXT,
    Api,
    Operation,
    answer,
    array,
    choice,
    ref,
)

API = Api(
    "Merchants",
    {
        merchants.list_merchants: Operation(answer({"merchant": array(ref("Merchant"), 1)})),
        merchants.retrieve_merchant: Operation(answer({"merchant": ref("Merchant")})),
    },
    {
        "MerchantId": TEXT,
        "Merchant": answer(
            {
                "id": ref("MerchantId"),
                "business_name": TEXT,
                "country": TEXT,
                "language_code": TEXT,
                "currency": TEXT,
                "status": choice(["ACTIVE", "INACTIVE"]),
                "main_location_id": TEXT,
                "created_at": MOMENT,
            },
            optional=["language_code", "currency"],
        ),
    },
)
