"""How is a value cleared, and what leaves it alone?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CUSTOMERS,
    DOCUMENTATION,
    NOTES,
    RECORDS,
    REFERENCE,
    SDK,
    Check,
    Facts,
    at,
    path_of,
)

fact = Facts()

CLEAR = {"X-Clear-Null": "true"}
SPARSE = f"{NOTES} 2022-11-16"
NULLS = f"{DOCUMENTATION}: Clear API Object Fields"
FULL: dict[str, Any] = {
    "given_name": "Tomas",
    "family_name": "Okafor",
    "company_name": "Okafor Bakery",
    "nickname": "Tom",
    "email_address": "tomas@example.com",
    "phone_number": "+1 415 555 0148",
    "reference_id": "crm-1",
    "note": "Prefers mornings",
    "birthday": "1987-04-17",
    "address": {
        "address_line_1": "12 Market St",
        "address_line_2": "Suite 4",
        "locality": "San Francisco",
        "country": "US",
    },
}
TEXTS = [(name,) for name in FULL if name != "address"]
PARTS = [(part,) for part in FULL["address"]]


def updated(square: Square, body: dict[str, Any], **headers: str) -> Any:
    """Update a full profile; return it."""
    path = path_of(square.create(**FULL))
    return square.ok("PUT", path, body, headers={**CLEAR, **headers})["customer"]


@fact(SPARSE, rows=TEXTS)
def an_empty_text_clears(square: Square, name: str) -> None:
    """String-type fields can be cleared by setting the value to an empty string."""
    customer = square.create(**FULL)
    after = square.ok("PUT", path_of(customer), {name: ""})["customer"]
    assert name not in after
    assert after["address"] == FULL["address"]


@fact(RECORDS, rows=[("2021-10-20",), ("2022-08-23",), ("2022-10-19",), ("2022-11-16",)])
def an_empty_text_clears_in_every_version(square: Square, version: str) -> None:
    """The example of the page clears a nickname by an empty string."""
    assert "nickname" not in updated(square, {"nickname": ""}, **at(version))


@fact(NULLS, rows=TEXTS)
def null_clears_with_its_header(square: Square, name: str) -> None:
    """Null with X-Clear-Null: true clears any optional field."""
    after = updated(square, {name: None})
    assert name not in after
    assert set(FULL) - set(after) == {name}


@fact(SPARSE, choice="null without X-Clear-Null", rows=[*TEXTS, ("address",)])
def null_alone_changes_nothing(square: Square, name: str) -> None:
    """The header must be present and set to true."""
    customer = square.create(**FULL)
    assert square.ok("PUT", path_of(customer), {name: None})["customer"] == customer


@fact(SPARSE, choice="null without X-Clear-Null", rows=[("false",), ("",), ("1",), ("yes",)])
def the_header_must_say_true(square: Square, value: str) -> None:
    """Any other value is as if the header were absent."""
    customer = square.create(**FULL)
    answer = square.ok("PUT", path_of(customer), {"note": None}, headers={"X-Clear-Null": value})
    assert answer["customer"] == customer


@fact(SPARSE, choice="null without X-Clear-Null")
def a_null_part_alone_changes_nothing(square: Square) -> None:
    """Inside the address as well."""
    customer = square.create(**FULL)
    body = {"address": {"address_line_2": None}}
    assert square.ok("PUT", path_of(customer), body)["customer"] == customer


@fact(SDK, choice="null without X-Clear-Null")
def a_bare_null_counts_as_a_field(square: Square) -> None:
    """An update that names a field is not an empty one, whatever it does."""
    customer = square.create(**FULL)
    assert square.send("PUT", path_of(customer), json={"note": None}).status_code == 200


@fact(SPARSE, rows=PARTS)
def a_part_of_an_address_is_cleared_by_null(square: Square, part: str) -> None:
    """The part goes, the others stay."""
    rest = {name: value for name, value in FULL["address"].items() if name != part}
    assert updated(square, {"address": {part: None}})["address"] == rest


@fact(SPARSE, rows=PARTS)
def a_part_of_an_address_is_cleared_by_an_empty_text(square: Square, part: str) -> None:
    """Parts are string-type fields like the others."""
    assert part not in updated(square, {"address": {part: ""}})["address"]


@fact(SPARSE)
def an_address_is_changed_and_cleared_in_one_request(square: Square) -> None:
    """The example of the note: one line updated, another removed."""
    body = {"address": {"address_line_1": "505 Gardenia Lane", "address_line_2": None}}
    assert updated(square, body, **at("2022-11-16"))["address"] == {
        "address_line_1": "505 Gardenia Lane",
        "locality": "San Francisco",
        "country": "US",
    }


@fact(SPARSE, rows=[("2022-11-16",), ("2025-08-20",)])
def an_address_is_removed_by_null(square: Square, version: str) -> None:
    """Removing the address requires the null update method."""
    assert "address" not in updated(square, {"address": None}, **at(version))


@fact(SPARSE)
def an_empty_address_has_no_effect(square: Square) -> None:
    """Specifying "address": {} doesn't clear the field."""
    customer = square.create(**FULL)
    for headers in ({}, CLEAR):
        answer = square.ok("PUT", path_of(customer), {"address": {}}, headers=headers)
        assert answer["customer"] == customer


@fact(SPARSE)
def an_address_without_parts_is_absent(square: Square) -> None:
    """Clearing the last part leaves no empty object behind."""
    body = {"address": dict.fromkeys(FULL["address"])}
    assert "address" not in updated(square, body)


@fact(f"{REFERENCE}: UpdateCustomer, version")
def clearing_is_a_change(square: Square) -> None:
    """It raises the version once, however many fields it clears."""
    assert updated(square, {"note": None, "nickname": ""})["version"] == 1


@fact(f"{REFERENCE}: UpdateCustomer", country="IE")
def tax_ids_are_cleared_by_null(square: Square) -> None:
    """The whole object, or the number inside it."""
    for tax_ids in (None, {"eu_vat": None}, {"eu_vat": ""}):
        customer = square.create(given_name="Ava", tax_ids={"eu_vat": "IE3426675K"})
        body = {"tax_ids": tax_ids}
        after = square.ok("PUT", path_of(customer), body, headers=CLEAR)["customer"]
        assert "tax_ids" not in after


@fact(f"{REFERENCE}: BulkUpdateCustomers")
def bulk_updates_clear_likewise(square: Square) -> None:
    """The header holds for all entries of the call."""
    ids = [square.create(**FULL)["id"] for _ in range(2)]
    body = {"customers": {ids[0]: {"note": None}, ids[1]: {"address": {"locality": None}}}}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-update", body, headers=CLEAR)["responses"]
    assert "note" not in answers[ids[0]]["customer"]
    assert "locality" not in answers[ids[1]]["customer"]["address"]


@fact(f"{REFERENCE}: BulkUpdateCustomers", choice="null without X-Clear-Null")
def bulk_updates_need_the_header_likewise(square: Square) -> None:
    """Without it nothing changes."""
    customer = square.create(**FULL)
    body = {"customers": {customer["id"]: {"note": None}}}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-update", body)["responses"]
    assert answers[customer["id"]]["customer"] == customer


@fact(f"{REFERENCE}: UpdateCustomer", rows=[(None,), ("absent",)])
def a_null_version_is_no_guard(square: Square, version: object) -> None:
    """The version cannot be cleared; null is as if absent."""
    body = {"note": "new"} | ({} if version else {"version": None})
    assert (after := updated(square, body))["version"] == 1
    assert after["note"] == "new"


@fact(SPARSE)
def a_cleared_value_is_no_longer_found(square: Square) -> None:
    """Search forgets what was cleared."""
    updated(square, {"email_address": None})
    assert square.found(filter={"email_address": {"exact": "tomas@example.com"}}) == []


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_clearing(opened: Opened, check: Check) -> None:
    """Values are cleared as the documents say."""
    check.hold(opened)
