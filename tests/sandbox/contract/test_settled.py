"""Where sources disagree: what was settled, check by check."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    NOTES,
    RECORDED,
    REFERENCE,
    THREAD,
    Check,
    Facts,
    at,
    merged,
    path_of,
)

fact = Facts()

CLEAR = {"X-Clear-Null": "true"}


@fact(
    f"{NOTES} 2022-11-16; the API reference says a bare null clears",
    choice="null without X-Clear-Null",
)
def a_bare_null_changes_nothing(square: Square) -> None:
    """The note asks for the header, so without it nothing is cleared."""
    customer = square.create(given_name="Ava", note="n", address={"locality": "Leeds"})
    body = {"note": None, "address": {"locality": None}}
    assert square.ok("PUT", path_of(customer), body)["customer"] == customer
    cleared = square.ok("PUT", path_of(customer), body, headers=CLEAR)["customer"]
    assert {"note", "address"}.isdisjoint(cleared)


@fact(
    f"{NOTES} 2022-10-19; recorded answers drop them silently",
    choice="address.first_name, last_name",
    rows=[("first_name",), ("last_name",)],
)
def names_inside_an_address(square: Square, part: str) -> None:
    """Over 300 characters VALUE_TOO_LONG, else accepted and dropped."""
    good = {part: "n" * 300, "locality": "Leeds"}
    customer = square.create(given_name="Ava", address=good)
    assert customer["address"] == {"locality": "Leeds"}
    assert "address" not in square.create(given_name="Ava", address={part: "Ava"})
    long = {"given_name": "Ava", "address": {part: "n" * 301}}
    expected = (400, [("VALUE_TOO_LONG", f"address.{part}")])
    assert square.refused("POST", CUSTOMERS, long) == expected


@fact(
    f"{NOTES} 2022-10-19; recorded answers drop them silently",
    choice="address.first_name, last_name",
    rows=[("first_name",), ("last_name",)],
)
def names_inside_the_address_of_an_update(square: Square, part: str) -> None:
    """The same in an update, which they do not make a change."""
    customer = square.create(given_name="Ava", address={"locality": "Leeds"})
    body: dict[str, Any] = {"address": {part: "Ava"}}
    assert square.ok("PUT", path_of(customer), body)["customer"] == customer
    body = {"address": {part: "n" * 301}}
    assert square.refused("PUT", path_of(customer), body)[1] == [
        ("VALUE_TOO_LONG", f"address.{part}")
    ]


@fact(
    "Keep Customer Records: must match; the overview: fails if the stored one is newer",
    choice="version above the stored one",
    rows=[(0, 409), (1, 409), (2, 200), (3, 409)],
)
def a_version_must_be_the_stored_one(square: Square, version: int, status: int) -> None:
    """Any other is a CONFLICT, an older and a newer one."""
    customer = square.create(given_name="Ava")
    for note in ("1", "2"):
        square.ok("PUT", path_of(customer), {"note": note})
    body = {"nickname": "A", "version": version}
    assert square.send("PUT", path_of(customer), json=body).status_code == status


@fact(f"{REFERENCE}: CustomerCreationSource; Keep Customer Records says MERGED")
def merged_profiles_say_merge(square: Square) -> None:
    """The enum wins over the older page."""
    customers = square.create(given_name="A"), square.create(given_name="B")
    assert merged(square, *customers)["creation_source"] == "MERGE"


@fact(
    f"{THREAD} woocommerce/woocommerce-square#295",
    choice="phones",
    rows=[("+12125550142",), ("2125550142",), ("+442079460958",), ("+33199000142",)],
)
def valid_phones_by_the_numbering_plan(square: Square, phone: str) -> None:
    """Judged in the merchant's country."""
    assert square.create(phone_number=phone)["phone_number"] == phone


@fact(CHOICE, choice="phones", rows=[("+10000000000",), ("1112223333",), ("+4420794609",)])
def invalid_phones_by_the_numbering_plan(square: Square, phone: str) -> None:
    """Nine digits or more are not enough."""
    expected = (400, [("INVALID_PHONE_NUMBER", "phone_number")])
    assert square.refused("POST", CUSTOMERS, {"phone_number": phone}) == expected


@fact(
    f"{CHOICE}: an emulator outlives the versions it knows",
    choice="version beyond the newest known",
    rows=[("2040-01-01", 200), ("2024-02-23", 400)],
)
def versions_that_are_not_in_the_table(square: Square, version: str, status: int) -> None:
    """A date newer than the newest known is served, an unpublished older one is refused."""
    assert square.send("GET", CUSTOMERS, headers=at(version)).status_code == status


@fact(RECORDED + "; webhook examples show E.164")
def phones_are_stored_as_typed(square: Square) -> None:
    """E.164 is made only for matching in search."""
    customer = square.create(phone_number="(212) 555-0142")
    assert square.get(customer["id"])["phone_number"] == "(212) 555-0142"
    body = {"query": {"filter": {"phone_number": {"exact": "+12125550142"}}}}
    found = square.ok("POST", f"{CUSTOMERS}/search", body)["customers"]
    assert [one["phone_number"] for one in found] == ["(212) 555-0142"]


@fact(
    "Customers API overview, tax IDs; the API reference says EU countries or the UK",
    country="DE",
)
def tax_ids_are_for_four_countries(square: Square) -> None:
    """Another EU country is not among them."""
    data = {"given_name": "A", "tax_ids": {"eu_vat": "DE123456789"}}
    status, problems = square.refused("POST", CUSTOMERS, data)
    assert (status, problems[0][0]) == (400, "BAD_REQUEST")


@fact("Customers API overview, tax IDs; an older reference text says ignored")
def tax_ids_elsewhere_are_not_ignored(square: Square) -> None:
    """They are refused since 2021-10-20."""
    data = {"given_name": "A", "tax_ids": {"eu_vat": "IE3426675K"}}
    assert square.refused("POST", CUSTOMERS, data)[0] == 400


@fact(RECORDED + "; commonly guessed MISSING_REQUIRED_PARAMETER")
def a_create_without_identity_is_a_bad_request(square: Square) -> None:
    """The observed code wins over the guess."""
    assert square.refused("POST", CUSTOMERS, {}) == (400, [("BAD_REQUEST", "")])


@fact("developer documentation: Retrieve Customer Profiles; the API reference gives no number")
def a_bulk_retrieve_ends_at_100(square: Square) -> None:
    """The page's number is enforced."""
    body = {"customer_ids": [f"{i:026}" for i in range(101)]}
    assert square.refused("POST", f"{CUSTOMERS}/bulk-retrieve", body)[0] == 400


@fact("Keep Customer Records: whole address, {} clears; migration notes 2022-11-16: sparse")
def addresses_are_sparse_by_default(square: Square) -> None:
    """By version; without a header the newer rule holds."""
    customer = square.create(given_name="Ava", address={"locality": "Leeds", "country": "GB"})
    for address in ({}, {"country": "GB"}):
        body = {"address": address}
        assert square.ok("PUT", path_of(customer), body)["customer"] == customer


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_settled(opened: Opened, check: Check) -> None:
    """Contradictions are settled as told."""
    check.hold(opened)
