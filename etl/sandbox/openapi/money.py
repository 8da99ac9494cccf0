"""How is money described?"""

from __future__ import annotations

from etl.sandbox.assumptions import MOST_MONEY
from etl.sandbox.openapi.shapes import TEXT, WHOLE, Schema, answer, record, ref


def money(least: int = 0) -> Schema:
    """An amount that is given, in the merchant's currency."""
    amount: Schema = {"type": "integer", "minimum": least, "maximum": MOST_MONEY}
    return record({"amount": amount, "currency": ref("Currency")}, ["amount", "currency"])


SCHEMAS = {"Currency": TEXT, "Money": answer({"amount": WHOLE, "currency": ref("Currency")})}
MONEY = ref("Money")
