"""What does the OAuth API tell of a token?"""

from __future__ import annotations

import orjson

from etl.sandbox.calls import Call
from etl.sandbox.ids import APPLICATION
from etl.sandbox.times import timestamp


def token_status(call: Call) -> bytes:
    """RetrieveTokenStatus; a token that never expires has no ``expires_at``."""
    expires = call.token.expires
    return orjson.dumps(
        {
            "scopes": sorted(call.token.scopes),
            **({} if expires is None else {"expires_at": timestamp(expires)}),
            "client_id": APPLICATION,
            "merchant_id": call.merchant.id,
        }
    )
