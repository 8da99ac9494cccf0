"""Who is the seller?"""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    MISSING,
    OVERVIEW,
    REFERENCE,
    Check,
    Facts,
)

fact = Facts()

MERCHANTS = "/v2/merchants"


@fact(f"{REFERENCE}: ListMerchants")
def the_list_is_under_the_key_merchant(square: Square) -> None:
    """An array in the singular, of the one merchant a token is for."""
    answer = square.ok("GET", MERCHANTS)
    assert list(answer) == ["merchant"]
    assert [one["id"] for one in answer["merchant"]] == [square.sandbox.merchant_id]


@fact(f"{REFERENCE}: RetrieveMerchant")
def a_merchant_is_retrieved_by_id_or_as_me(square: Square) -> None:
    """Both are the same."""
    by_id = square.ok("GET", f"{MERCHANTS}/{square.sandbox.merchant_id}")
    assert by_id == square.ok("GET", f"{MERCHANTS}/me")
    assert [by_id["merchant"]] == square.ok("GET", MERCHANTS)["merchant"]


@fact(f"{REFERENCE}: Merchant")
def a_merchant_in_full(square: Square) -> None:
    """Eight members; it is active."""
    merchant = square.ok("GET", f"{MERCHANTS}/me")["merchant"]
    assert set(merchant) == {
        *("id", "business_name", "country", "language_code", "currency", "status"),
        *("main_location_id", "created_at"),
    }
    assert merchant["status"] == "ACTIVE"


@fact(f"{OVERVIEW}, Customer tax IDs", country="IE")
def the_country_of_the_seller_can_be_asked_for(square: Square) -> None:
    """RetrieveMerchant tells it, before tax IDs are set."""
    merchant = square.ok("GET", f"{MERCHANTS}/me")["merchant"]
    assert (merchant["country"], merchant["currency"]) == ("IE", "EUR")


@fact(f"{REFERENCE}: RetrieveMerchant", rows=[(MISSING,), ("ME",)])
def another_merchant_is_not_found(square: Square, merchant_id: str) -> None:
    """404 NOT_FOUND."""
    told = square.refused("GET", f"{MERCHANTS}/{merchant_id}")
    assert (told[0], told[1][0][0]) == (404, "NOT_FOUND")


@fact(CHOICE, choice="merchants other than Square's eight countries", country="DE")
def a_merchant_elsewhere_has_no_currency(square: Square) -> None:
    """Nor a language: Square serves no sellers there."""
    merchant = square.ok("GET", f"{MERCHANTS}/me")["merchant"]
    assert merchant["country"] == "DE"
    assert {"currency", "language_code"}.isdisjoint(merchant)


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_merchants(opened: Opened, check: Check) -> None:
    """Merchants are as the documents say."""
    check.hold(opened)
