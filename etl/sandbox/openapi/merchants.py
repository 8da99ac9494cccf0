"""What do the calls of the Merchants API and of the Locations API give?"""

from __future__ import annotations

from etl.sandbox.apis import locations, merchants
from etl.sandbox.openapi.shapes import (
    MOMENT,
    TEXT,
    Api,
    Operation,
    answer,
    array,
    choice,
    ref,
    texts,
)

_STATUS = choice(["ACTIVE", "INACTIVE"])
# Only where Square serves sellers.
_MARKET = {"language_code": TEXT, "currency": TEXT}

API = Api(
    "Merchants and locations",
    {
        merchants.list_merchants: Operation(answer({"merchant": array(ref("Merchant"), 1)})),
        merchants.retrieve_merchant: Operation(answer({"merchant": ref("Merchant")})),
        locations.list_locations: Operation(answer({"locations": array(ref("Location"), 1)})),
        locations.retrieve_location: Operation(answer({"location": ref("Location")})),
    },
    {
        "MerchantId": TEXT,
        "LocationId": TEXT,
        "Merchant": answer(
            {
                "id": ref("MerchantId"),
                "business_name": TEXT,
                "country": TEXT,
                **_MARKET,
                "status": _STATUS,
                "main_location_id": TEXT,
                "created_at": MOMENT,
            },
            optional=_MARKET,
        ),
        "Location": answer(
            {
                "id": ref("LocationId"),
                "name": TEXT,
                "timezone": TEXT,
                "capabilities": texts(),
                "status": _STATUS,
                "created_at": MOMENT,
                "merchant_id": TEXT,
                "country": TEXT,
                **_MARKET,
                "business_name": TEXT,
                "type": TEXT,
            },
            optional=_MARKET,
        ),
    },
)
