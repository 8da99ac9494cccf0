"""What does each endpoint of the Merchants API do?"""

from __future__ import annotations

import orjson

from etl.sandbox.calls import Call, Merchant
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.rules.markets import market


def list_merchants(call: Call) -> bytes:
    """ListMerchants: the one merchant a token is for, under the key ``merchant``."""
    return orjson.dumps({"merchant": [_merchant(call.merchant)]})


def retrieve_merchant(call: Call, merchant_id: str) -> bytes:
    """RetrieveMerchant, by id or as ``me``."""
    if merchant_id not in ("me", call.merchant.id):
        raise Refusal(Problem("NOT_FOUND", f"Merchant {merchant_id} not found.", status=404))
    return orjson.dumps({"merchant": _merchant(call.merchant)})


def _merchant(merchant: Merchant) -> dict[str, str]:
    return {
        "id": merchant.id,
        "business_name": merchant.business_name,
        "country": merchant.country,
        **market(merchant.country),
        "status": "ACTIVE",
        "main_location_id": merchant.location_id,
        "created_at": merchant.created_at,
    }
