"""What does the OAuth API tell?"""

from __future__ import annotations

from etl.sandbox.apis import oauth
from etl.sandbox.openapi.shapes import MOMENT, TEXT, Api, Operation, answer, ref, texts

API = Api(
    "OAuth",
    {
        oauth.token_status: Operation(
            answer(
                {
                    "scopes": texts(),
                    "expires_at": MOMENT,
                    "client_id": TEXT,
                    "merchant_id": ref("MerchantId"),
                },
                optional=["expires_at"],
            )
        ),
    },
    {},
)
