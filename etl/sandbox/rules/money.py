"""What must an amount of money be?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.sandbox.assumptions import MOST_MONEY
from etl.sandbox.errors import Problem, Refusal, expected, missing
from etl.sandbox.reading import check_bounds, check_members, object_in, text_in

Money = dict[str, Any]


def money(amount: int, currency: str) -> Money:
    """Return an amount as Square writes it."""
    return {"amount": amount, "currency": currency}


def money_in(
    holder: Mapping[str, Any], name: str, inside: str, currency: str, least: int = 0
) -> Money | None:
    """Return the money that is a member of an object, None if it is absent."""
    path = inside + name
    if holder.get(name) is None:
        return None
    asked = object_in(holder, name, path)
    check_members(asked, {"amount": None, "currency": None}, inside=f"{path}.")
    amount, given = asked.get("amount"), text_in(asked, "currency", f"{path}.")
    if amount is None or given is None:
        raise Refusal(missing(f"{path}.{'amount' if amount is None else 'currency'}"))
    if type(amount) is not int:
        raise Refusal(expected("integer", f"{path}.amount"))
    if given != currency:
        # Square's wording, as quoted in public test suites.
        detail = (
            f"This merchant can only process payments in {currency}, "
            f"but amount was provided in {given}"
        )
        raise Refusal(Problem("INVALID_VALUE", detail, f"{path}.currency"))
    check_amount(amount, f"{path}.amount", least)
    return money(amount, currency)


def needed_money_in(
    holder: Mapping[str, Any], name: str, inside: str, currency: str, least: int = 0
) -> Money:
    """Return the money that is a member of an object, which must be there."""
    found = money_in(holder, name, inside, currency, least)
    if found is None:
        raise Refusal(missing(inside + name))
    return found


def check_amount(amount: int, path: str, least: int = 0) -> None:
    """Refuse an amount outside its bounds."""
    check_bounds(amount, least, MOST_MONEY, path)
