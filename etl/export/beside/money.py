"""How is an amount of money written? Square counts the smallest denomination of each currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Digits after the point that are not two: ISO 4217, and Square's own for bitcoin (Currency).
_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"), 0),
    **dict.fromkeys(("PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
    "BTC": 8,
}


def written(currency: str, amount: int) -> str:
    """Return an amount with its currency before it: ``USD 12.34``, ``JPY 1234``."""
    digits = _DIGITS.get(currency, 2)
    whole, part = divmod(abs(amount), 10**digits)
    sign = "-" if amount < 0 else ""
    return f"{currency} {sign}{whole}" + (f".{part:0{digits}}" if digits else "")


def read(money: object) -> tuple[str, int] | None:
    """Read currency and amount of Square's Money; None if there is none."""
    if not isinstance(money, Mapping):
        return None
    told: Mapping[str, Any] = money
    amount, currency = told.get("amount", 0), told.get("currency")
    if type(amount) is not int or not isinstance(currency, str):
        return None
    return currency, amount
