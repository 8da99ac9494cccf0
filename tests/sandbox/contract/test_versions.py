"""What changed at which Square-Version: every change, on both sides of its date."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    DOCUMENTATION,
    GROUPS,
    NOTES,
    OVERVIEW,
    RECORDS,
    REFERENCE,
    SEARCH,
    SEGMENTS,
    Check,
    Facts,
    at,
    bearer,
    path_of,
)

fact = Facts()

CLEAR = {"X-Clear-Null": "true"}
VERSIONING = f"{DOCUMENTATION}: Versioning in the Square API"


def made(square: Square, version: str, **data: Any) -> Any:
    """Create a customer with a version."""
    return square.ok("POST", CUSTOMERS, data, headers=at(version))["customer"]


def wrong(square: Square, version: str, **data: Any) -> list[tuple[str, str]]:
    """What is wrong with a create that a version refuses."""
    status, problems = square.refused("POST", CUSTOMERS, data, headers=at(version))
    assert status == 400
    return problems


# Before all that is served


@fact(f"{REFERENCE}, changes of 2018-12-05")
def the_oldest_version_takes_keys(square: Square) -> None:
    """CreateCustomer takes an idempotency_key since 2018-12-05."""
    data = {"given_name": "A", "idempotency_key": "k-1"}
    assert made(square, "2021-07-21", **data) == made(square, "2021-07-21", **data)


@fact(f"{REFERENCE}, changes of 2018-12-12")
def the_oldest_version_lists_everyone(square: Square) -> None:
    """ListCustomers returns all profiles since 2018-12-12."""
    for name in "AB":
        square.create(given_name=name)
    assert len(square.ok("GET", CUSTOMERS, headers=at("2021-07-21"))["customers"]) == 2


@fact(f"{DOCUMENTATION}: Customer Groups, how to use")
def the_oldest_version_has_groups_and_segments(square: Square) -> None:
    """Both exist since 2020-04-22, and so do their filters."""
    old = at("2021-07-21")
    group = square.ok("POST", GROUPS, {"group": {"name": "A"}}, headers=old)["group"]
    segments = square.ok("GET", SEGMENTS, headers=old)["segments"]
    filters = {"group_ids": {"any": [group["id"]]}, "segment_ids": {"any": [segments[0]["id"]]}}
    assert square.ok("POST", SEARCH, {"query": {"filter": filters}}, headers=old) == {}


# 2021-10-20


@fact(NOTES + " 2021-10-20", rows=[("2021-07-21", 200), ("2021-09-15", 200)])
@fact(NOTES + " 2021-10-20", rows=[("2021-10-20", 400), ("2022-03-16", 400)])
def an_empty_update(square: Square, version: str, status: int) -> None:
    """400 BAD_REQUEST since 2021-10-20; before, 200 along with the profile, unchanged."""
    customer = square.create(given_name="A")
    answer = square.send("PUT", path_of(customer), json={}, headers=at(version))
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"customer": customer}
    else:
        assert answer.json()["errors"][0]["code"] == "BAD_REQUEST"


@fact(f"{OVERVIEW}, Customer tax IDs", rows=[("2021-09-15",)])
def tax_ids_elsewhere_were_ignored(square: Square, version: str) -> None:
    """For versions before 2021-10-20 Square ignores this field, on create and update."""
    tax_ids = {"eu_vat": "IE3426675K"}
    customer = made(square, version, given_name="A", tax_ids=tax_ids)
    body = {"nickname": "a", "tax_ids": tax_ids}
    after = square.ok("PUT", path_of(customer), body, headers=at(version))["customer"]
    assert "tax_ids" not in customer
    assert "tax_ids" not in after


@fact(f"{OVERVIEW}, Customer tax IDs", rows=[("2021-10-20",), ("2025-08-20",)])
def tax_ids_elsewhere_are_refused(square: Square, version: str) -> None:
    """For version 2021-10-20 or later it is a BAD_REQUEST, on create and update."""
    tax_ids = {"tax_ids": {"eu_vat": "IE3426675K"}}
    assert wrong(square, version, given_name="A", **tax_ids)[0][0] == "BAD_REQUEST"
    path = path_of(square.create(given_name="A"))
    assert square.refused("PUT", path, tax_ids, headers=at(version))[1][0][0] == "BAD_REQUEST"


@fact(f"{OVERVIEW}, Customer tax IDs", rows=[("2021-09-15",), ("2021-10-20",)], country="IE")
def tax_ids_are_kept_in_ireland_in_every_version(square: Square, version: str) -> None:
    """The change is about other countries."""
    tax_ids = {"eu_vat": "IE3426675K"}
    assert made(square, version, given_name="A", tax_ids=tax_ids)["tax_ids"] == tax_ids


# 2022-03-16


@fact(NOTES + " 2022-03-16")
def unknown_fields_of_a_create(square: Square) -> None:
    """Ignored up to 2022-02-16, a BAD_REQUEST since."""
    assert "shoe" not in made(square, "2022-02-16", given_name="A", shoe=38)
    assert wrong(square, "2022-03-16", given_name="A", shoe=38) == [("BAD_REQUEST", "shoe")]


@fact(NOTES + " 2022-03-16")
def unknown_fields_of_a_search(square: Square) -> None:
    """Ignored up to 2022-02-16, a BAD_REQUEST since."""
    square.create(given_name="A")
    body = {"shoe": 38, "query": {"filter": {"given_name": {"exact": "B"}}}}
    assert len(square.ok("POST", SEARCH, body, headers=at("2022-02-16"))["customers"]) == 1
    status, problems = square.refused("POST", SEARCH, body, headers=at("2022-03-16"))
    assert (status, {code for code, _ in problems}) == (400, {"BAD_REQUEST"})


@fact(
    NOTES + " 2022-03-16",
    rows=[
        ("phone_number", "2022-02-16", "INVALID_VALUE"),
        ("phone_number", "2022-03-16", "INVALID_PHONE_NUMBER"),
        ("email_address", "2022-02-16", "INVALID_VALUE"),
        ("email_address", "2022-03-16", "INVALID_EMAIL_ADDRESS"),
    ],
)
def codes_of_phones_and_emails(square: Square, field: str, version: str, code: str) -> None:
    """INVALID_VALUE before 2022-03-16, then a code of their own, on create and update."""
    assert wrong(square, version, **{field: "x"}) == [(code, field)]
    path = path_of(square.create(given_name="A"))
    assert square.refused("PUT", path, {field: "x"}, headers=at(version))[1] == [(code, field)]


GROUP_CHANGES = "developer documentation: changelog of 2022-03-16"


@fact(GROUP_CHANGES)
def a_repeated_key_of_a_group(square: Square) -> None:
    """Since 2022-03-16 the first answer comes again."""
    body = {"idempotency_key": "k-1", "group": {"name": "A"}}
    first, second = (square.ok("POST", GROUPS, body, headers=at("2022-03-16")) for _ in "ab")
    assert first == second


@fact(CHOICE, choice="a group's key before 2022-03-16")
def a_repeated_key_of_a_group_before(square: Square) -> None:
    """Up to 2022-02-16 each call makes another group."""
    body = {"idempotency_key": "k-1", "group": {"name": "A"}}
    first, second = (square.ok("POST", GROUPS, body, headers=at("2022-02-16")) for _ in "ab")
    assert first["group"]["id"] != second["group"]["id"]


@fact(
    GROUP_CHANGES,
    rows=[({"group": {"name": "A", "shoe": 38}},), ({"group": {"name": "A"}, "x": 1},)],
)
def unknown_fields_of_a_group(square: Square, body: dict[str, Any]) -> None:
    """Refused on create and update since 2022-03-16, ignored before."""
    group = square.ok("POST", GROUPS, body, headers=at("2022-02-16"))["group"]
    path = f"{GROUPS}/{group['id']}"
    square.ok("PUT", path, body, headers=at("2022-02-16"))
    for method, where in (("POST", GROUPS), ("PUT", path)):
        status, problems = square.refused(method, where, body, headers=at("2022-03-16"))
        assert (status, problems[0][0]) == (400, "BAD_REQUEST")


# 2022-09-21


@fact(f"{DOCUMENTATION}: Clear API Object Fields, since 2022-09-21")
def null_with_the_header(square: Square) -> None:
    """Clears since 2022-09-21; before, empty texts and {} did."""
    customer = square.create(given_name="A", note="n")
    path, body = path_of(customer), {"note": None}
    old = square.ok("PUT", path, body, headers=at("2022-08-23", **CLEAR))["customer"]
    new = square.ok("PUT", path, body, headers=at("2022-09-21", **CLEAR))["customer"]
    assert (old, "note" in new) == (customer, False)


@fact(f"{DOCUMENTATION}: Clear API Object Fields, since 2022-09-21")
def a_null_address_with_the_header(square: Square) -> None:
    """Clears the whole address from 2022-09-21 on."""
    for version in ("2022-09-21", "2022-10-19", "2022-11-16"):
        path = path_of(square.create(given_name="A", address={"locality": "Leeds"}))
        body = {"address": None}
        after = square.ok("PUT", path, body, headers=at(version, **CLEAR))["customer"]
        assert "address" not in after


# 2022-10-19


PHONES = f"{NOTES} 2022-10-19, phone numbers"
BIRTHDAYS = f"{NOTES} 2022-10-19, birthday"
LENGTHS = f"{NOTES} 2022-10-19, maximum length"


@fact(PHONES, rows=[("123456789",), ("1234567890123456",), ("+1 415 555 014",)])
def an_invalid_phone_of_9_to_16_digits(square: Square, phone: str) -> None:
    """Accepted up to 2022-09-21 and kept as typed; INVALID_PHONE_NUMBER since."""
    assert made(square, "2022-09-21", phone_number=phone)["phone_number"] == phone
    expected = [("INVALID_PHONE_NUMBER", "phone_number")]
    assert wrong(square, "2022-10-19", phone_number=phone) == expected


@fact(PHONES, rows=[("2022-03-16",), ("2022-09-21",), ("2022-10-19",)])
def a_phone_of_too_few_or_many_digits(square: Square, version: str) -> None:
    """Never accepted."""
    for phone in ("12345678", "+12345678901234567"):
        expected = [("INVALID_PHONE_NUMBER", "phone_number")]
        assert wrong(square, version, phone_number=phone) == expected


@fact(PHONES)
def when_a_phone_is_told(square: Square) -> None:
    """In the first answer since 2022-10-19; before, only after all else was resolved."""
    data = {"phone_number": "12", "email_address": "x"}
    email = ("INVALID_EMAIL_ADDRESS", "email_address")
    assert wrong(square, "2022-09-21", **data) == [email]
    assert wrong(square, "2022-10-19", **data) == [("INVALID_PHONE_NUMBER", "phone_number"), email]


@fact(
    BIRTHDAYS,
    rows=[
        ("2022-09-21", "2001-04-20", "2001-04-20T00:00:00-00:00"),
        ("2022-09-21", "2001-04-20T00:00:00-00:00", "2001-04-20T00:00:00-00:00"),
        ("2022-09-21", "0000-04-20", "0000-04-20T00:00:00-00:00"),
        ("2022-09-21", "0000-04-20T00:00:00-00:00", "0000-04-20T00:00:00-00:00"),
        ("2022-10-19", "2001-04-20", "2001-04-20"),
        ("2022-10-19", "0000-04-20", "0000-04-20"),
        ("2022-10-19", "04-20", "0000-04-20"),
    ],
)
def a_birthday_in_and_out(square: Square, version: str, sent: str, shown: str) -> None:
    """The table of the note: what a request may say and what a response says."""
    customer = made(square, version, given_name="A", birthday=sent)
    assert customer["birthday"] == shown
    path, headers = path_of(customer), at(version)
    update = square.ok("PUT", path, {"birthday": sent, "note": "n"}, headers=headers)
    bulk = {"customer_ids": [customer["id"]]}
    answers = [
        update["customer"],
        square.ok("GET", path, headers=headers)["customer"],
        square.ok("GET", CUSTOMERS, headers=headers)["customers"][0],
        square.ok("POST", SEARCH, {}, headers=headers)["customers"][0],
        square.ok("POST", f"{CUSTOMERS}/bulk-retrieve", bulk, headers=headers)["responses"][
            customer["id"]
        ]["customer"],
    ]
    assert {answer["birthday"] for answer in answers} == {shown}


@fact(BIRTHDAYS, rows=[("2022-09-21", "04-20"), ("2022-10-19", "2001-04-20T00:00:00-00:00")])
def a_birthday_in_the_form_of_the_other_side(square: Square, version: str, sent: str) -> None:
    """MM-DD came with 2022-10-19, and timestamps went."""
    assert wrong(square, version, given_name="A", birthday=sent) == [("INVALID_TIME", "birthday")]


@fact(BIRTHDAYS)
def an_existing_birthday(square: Square) -> None:
    """What an older version wrote is returned as a day by a newer one, and the reverse."""
    old = made(square, "2022-09-21", given_name="A", birthday="2001-04-20T00:00:00-00:00")
    new = made(square, "2022-10-19", given_name="B", birthday="04-20")
    assert square.get(old["id"])["birthday"] == "2001-04-20"
    shown = square.ok("GET", path_of(new), headers=at("2022-09-21"))["customer"]["birthday"]
    assert shown == "0000-04-20T00:00:00-00:00"


@fact(
    LENGTHS,
    rows=[("given_name", 301), ("company_name", 501), ("nickname", 101), ("reference_id", 101)],
)
def a_text_without_a_limit(square: Square, name: str, length: int) -> None:
    """Earlier versions enforce limits only for emails and phones."""
    text = "n" * length
    assert made(square, "2022-09-21", **{"family_name": "A", name: text})[name] == text
    told = wrong(square, "2022-10-19", **{"family_name": "A", name: text})
    assert told == [("VALUE_TOO_LONG", name)]


@fact(LENGTHS, rows=[("postal_code", 13), ("locality", 301), ("address_line_1", 501)])
def an_address_part_without_a_limit(square: Square, part: str, length: int) -> None:
    """The same for the parts of the address."""
    address = {part: "n" * length}
    assert made(square, "2022-09-21", given_name="A", address=address)["address"] == address
    told = wrong(square, "2022-10-19", given_name="A", address=address)
    assert told == [("VALUE_TOO_LONG", f"address.{part}")]


@fact(LENGTHS, rows=[("2022-03-16",), ("2022-09-21",)])
def a_long_email_had_two_codes(square: Square, version: str) -> None:
    """INVALID_EMAIL_ADDRESS and INVALID_VALUE before 2022-10-19."""
    email = "a" * 243 + "@example.com"
    told = wrong(square, version, email_address=email)
    assert sorted(code for code, _ in told) == ["INVALID_EMAIL_ADDRESS", "INVALID_VALUE"]


@fact(LENGTHS)
def a_long_email_has_one_code(square: Square) -> None:
    """VALUE_TOO_LONG since 2022-10-19."""
    email = "a" * 243 + "@example.com"
    told = wrong(square, "2022-10-19", email_address=email)
    assert told == [("VALUE_TOO_LONG", "email_address")]


@fact(CHOICE, choice="a long email before 2022-03-16")
def a_long_email_of_old(square: Square) -> None:
    """Where no code of emails existed, INVALID_VALUE comes once."""
    email = "a" * 243 + "@example.com"
    assert wrong(square, "2022-02-16", email_address=email) == [("INVALID_VALUE", "email_address")]


# 2022-11-16


ADDRESSES = f"{NOTES} 2022-11-16"
ADDRESS = {"address_line_1": "1313 Main St", "address_line_2": "Apt 2B", "locality": "Springfield"}


def readdressed(square: Square, version: str, address: object, **headers: str) -> Any:
    """Update the address of a profile with a version; return the address, None if it is gone."""
    path = path_of(square.create(given_name="A", address=ADDRESS))
    body = {"address": address}
    return square.ok("PUT", path, body, headers=at(version, **headers))["customer"].get("address")


@fact(ADDRESSES)
def some_parts_of_an_address(square: Square) -> None:
    """Sparse since 2022-11-16; before, the whole address is replaced."""
    new = {"locality": "Shelbyville"}
    assert readdressed(square, "2022-10-19", new) == new
    assert readdressed(square, "2022-11-16", new) == ADDRESS | new


@fact(ADDRESSES)
def an_empty_address(square: Square) -> None:
    """Clears up to 2022-10-19, has no effect since 2022-11-16."""
    assert readdressed(square, "2022-10-19", {}) is None
    assert readdressed(square, "2022-11-16", {}) == ADDRESS


@fact(
    f"{RECORDS}, Update a customer profile",
    rows=[("2021-10-20",), ("2022-09-21",), ("2022-10-19",)],
)
def an_empty_address_of_old(square: Square, version: str) -> None:
    """Clears the customer's address by specifying an empty object."""
    assert readdressed(square, version, {}) is None


@fact(ADDRESSES)
def a_complete_address(square: Square) -> None:
    """A request with every part means the same on both sides."""
    for version in ("2022-10-19", "2022-11-16"):
        assert readdressed(square, version, ADDRESS | {"locality": "Leeds"}) == (
            ADDRESS | {"locality": "Leeds"}
        )


@fact(ADDRESSES)
def a_null_part_since(square: Square) -> None:
    """Cleared with the header since 2022-11-16."""
    rest = {name: value for name, value in ADDRESS.items() if name != "address_line_2"}
    assert readdressed(square, "2022-11-16", {"address_line_2": None}, **CLEAR) == rest


@fact(CHOICE, choice="null inside an address before 2022-11-16")
def a_null_part_before(square: Square) -> None:
    """The address is replaced as a whole; what is null is absent from the new one."""
    new = {"locality": "Leeds", "address_line_2": None}
    for headers in ({}, CLEAR):
        assert readdressed(square, "2022-10-19", new, **headers) == {"locality": "Leeds"}


# Without a date


@fact(
    CHOICE,
    choice="count, and bulk calls, whose first version is not told",
    rows=[("2021-07-21",), ("2022-11-16",), ("2023-06-08",)],
)
def counts_and_bulk_calls_are_always_there(square: Square, version: str) -> None:
    """They came about July 2023 and January 2024; every version has them here."""
    headers = at(version)
    body = {"customers": {"k-1": {"given_name": "A"}}}
    made = square.ok("POST", f"{CUSTOMERS}/bulk-create", body, headers=headers)["responses"]
    one = made["k-1"]["customer"]["id"]
    for call in ("retrieve", "delete"):
        square.ok("POST", f"{CUSTOMERS}/bulk-{call}", {"customer_ids": [one]}, headers=headers)
    assert square.ok("GET", CUSTOMERS, params={"count": "true"}, headers=headers)["count"] == 0


@fact(VERSIONING)
def a_version_counts_for_one_call(square: Square) -> None:
    """The header of a call decides, not that of an earlier one."""
    assert (
        made(square, "2022-09-21", given_name="A", birthday="2001-04-20")["birthday"]
        != (made(square, "2022-10-19", given_name="A", birthday="2001-04-20")["birthday"])
    )


@fact(VERSIONING, rows=[("2021-07-21",), ("2022-09-21",), ("2025-08-20",)])
def scopes_are_asked_for_in_every_version(square: Square, version: str) -> None:
    """No version opens what another keeps closed."""
    headers = bearer(square, "CUSTOMERS_READ") | at(version)
    assert square.refused("POST", CUSTOMERS, {"given_name": "A"}, headers=headers)[0] == 403


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_versions(opened: Opened, check: Check) -> None:
    """Older versions are answered as they were."""
    check.hold(opened)
