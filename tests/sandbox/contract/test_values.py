"""Birthdays, phones, emails, countries, tax ids and JSON types: which values pass?"""

from __future__ import annotations

import itertools
import string
from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    DOCUMENTATION,
    NOTES,
    OVERVIEW,
    RECORDED,
    RECORDS,
    REFERENCE,
    SDK,
    THREAD,
    Check,
    Facts,
    path_of,
)

fact = Facts()

BIRTHDAYS = f"{NOTES} 2022-10-19, birthday"
PHONES = f"{NOTES} 2022-10-19, phone numbers"
TAX_IDS = f"{OVERVIEW}, Customer tax IDs"


def refused(square: Square, **data: Any) -> tuple[int, list[tuple[str, str]]]:
    """Create a customer that must be refused; return how."""
    return square.refused("POST", CUSTOMERS, {"given_name": "Ava", **data})


# Birthdays


@fact(
    BIRTHDAYS,
    rows=[
        ("2001-04-20", "2001-04-20"),
        ("0000-04-20", "0000-04-20"),
        ("04-20", "0000-04-20"),
        ("1899-12-31", "1899-12-31"),
    ],
)
def a_birthday_has_a_year_or_none(square: Square, sent: str, shown: str) -> None:
    """YYYY-MM-DD or MM-DD in, YYYY-MM-DD with 0000 for no year out."""
    assert square.create(given_name="Ava", birthday=sent)["birthday"] == shown


@fact(f"{RECORDS}, Update a customer profile", rows=[("0000-01-13",), ("01-13",)])
def a_birthday_can_lose_its_year(square: Square, sent: str) -> None:
    """An update to January 13 without the year."""
    customer = square.create(given_name="Ava", birthday="1990-01-13")
    updated = square.ok("PUT", path_of(customer), {"birthday": sent})["customer"]
    assert updated["birthday"] == "0000-01-13"


@fact(CHOICE, choice="birthdays", rows=[("02-29",), ("0000-02-29",), ("2000-02-29",)])
def a_leap_day_is_a_birthday(square: Square, sent: str) -> None:
    """Without a year, or in a leap year."""
    shown = square.create(given_name="Ava", birthday=sent)["birthday"]
    assert shown == (sent if len(sent) == 10 else f"0000-{sent}")


@fact(CHOICE, choice="birthdays", rows=[("2001-02-29",), ("1900-02-29",)])
def a_leap_day_needs_a_leap_year(square: Square, sent: str) -> None:
    """In another year there is no such day."""
    assert refused(square, birthday=sent) == (400, [("INVALID_TIME", "birthday")])


@fact(CHOICE, choice="birthdays", rows=[("2025-09-01",), ("2031-01-01",), ("9999-12-31",)])
def a_birthday_may_lie_ahead(square: Square, sent: str) -> None:
    """The day itself was seen to pass; later ones are not told, and pass here."""
    assert square.create(given_name="Ava", birthday=sent)["birthday"] == sent


@fact(
    f"{REFERENCE}: CreateCustomer, declared errors",
    rows=[
        *(("1990/04/20",), ("20.04.1990",), ("4-20",), ("1990-4-20",), ("19900420",)),
        *(("2001-13-01",), ("2001-00-10",), ("2001-04-31",), ("04-31",), ("0000-00-00",)),
        *(
            ("2001-04-20T00:00:00Z",),
            ("tomorrow",),
            (" 2001-04-20",),
            ("-04-20",),
            ("２００１-04-20",),
        ),
    ],
)
def what_is_no_day_is_no_birthday(square: Square, sent: str) -> None:
    """A wrong format is INVALID_TIME."""
    assert refused(square, birthday=sent) == (400, [("INVALID_TIME", "birthday")])


# Phones


@fact(
    PHONES,
    rows=[
        *(("+14155550148",), ("+1 415 555 0148",), ("+1-415-555-0148",), ("+1 (415) 555-0148",)),
        *(
            ("+44 20 7946 0958",),
            ("+33 1 99 00 01 42",),
            ("+353 1 531 2345",),
            ("+61 2 5550 1234",),
        ),
    ],
)
def a_valid_phone_is_kept_as_typed(square: Square, phone: str) -> None:
    """A country code with + and special characters are optional; the spelling stays."""
    assert square.create(phone_number=phone)["phone_number"] == phone


@fact(f"{REFERENCE}, examples", rows=[("+1-212-555-4240",), ("+1 (206) 222-3456",)])
def the_phones_of_the_examples_pass(square: Square, phone: str) -> None:
    """They are echoed as they were sent."""
    assert square.create(phone_number=phone)["phone_number"] == phone


@fact(f"{SDK} tests")
def a_us_number_passes_without_plus(square: Square) -> None:
    """An exchange of 555, a leading 1, no plus."""
    assert square.create(phone_number="1-212-555-4240")["phone_number"] == "1-212-555-4240"


@fact(RECORDED)
def a_national_number_is_stored_as_typed(square: Square) -> None:
    """Ten bare digits pass, even beside an address in another country."""
    customer = square.create(phone_number="4086577161", address={"country": "GB"})
    assert square.get(customer["id"])["phone_number"] == "4086577161"


@fact(
    f"{THREAD} woocommerce/woocommerce-square#295",
    rows=[("020 7946 0958",), ("01 99 00 01 42",)],
)
def a_national_number_of_another_country_is_invalid(square: Square, phone: str) -> None:
    """A US seller's national numbers are American; others need +."""
    assert refused(square, phone_number=phone) == (400, [("INVALID_PHONE_NUMBER", "phone_number")])


@fact(
    f"{THREAD} woocommerce/woocommerce-square#295",
    rows=[("020 7946 0958",), ("0117 496 0123",)],
    country="GB",
)
def a_national_number_is_read_in_the_sellers_country(square: Square, phone: str) -> None:
    """The same numbers are valid for a British seller."""
    assert square.create(phone_number=phone)["phone_number"] == phone


@fact(CHOICE, choice="phones", country="GB")
def a_number_of_the_us_needs_its_plus_abroad(square: Square) -> None:
    """A bare American number is none in Britain, the same with + is."""
    assert refused(square, phone_number="4155550148")[1][0][0] == "INVALID_PHONE_NUMBER"
    assert square.create(phone_number="+14155550148")["phone_number"] == "+14155550148"


@fact(
    PHONES,
    rows=[
        *(("12345678",), ("+12345678901234567",), ("123456789",), ("+1 415 555 014",)),
        *(("+999 123 456 789",), ("none",), ("+",), ("000-000-0000",), ("+1 123 456 7890",)),
    ],
)
def an_invalid_phone_is_refused(square: Square, phone: str) -> None:
    """Too few or too many digits, or no number of any numbering plan."""
    assert refused(square, phone_number=phone) == (400, [("INVALID_PHONE_NUMBER", "phone_number")])


@fact(
    CHOICE,
    choice="characters in phones",
    rows=[("+1 415 555 0148 x123",), ("+1 415 555 0148 ext. 5",), ("1-800-GO-PIZZA",)],
)
def a_phone_has_no_letters(square: Square, phone: str) -> None:
    """Neither extensions nor vanity numbers have a place in the field."""
    assert refused(square, phone_number=phone) == (400, [("INVALID_PHONE_NUMBER", "phone_number")])


@fact(
    f"{REFERENCE}, error codes",
    rows=[("2022-02-16", "INVALID_VALUE"), ("2022-09-21", ""), ("2022-10-19", "")],
)
def a_percent_sign_is_no_part_of_a_phone(square: Square, version: str, code: str) -> None:
    """A percent sign in a number is the documentation's example of an invalid value."""
    told = square.refused(
        "POST",
        CUSTOMERS,
        {"phone_number": "+1 415%555 0148"},
        headers={"Square-Version": version},
    )
    assert told == (400, [(code or "INVALID_PHONE_NUMBER", "phone_number")])


@fact(PHONES)
def existing_phones_are_not_affected(square: Square) -> None:
    """An invalid number of earlier days stays when something else is updated."""
    customer = square.ok(
        "POST", CUSTOMERS, {"phone_number": "123456789"}, headers={"Square-Version": "2022-09-21"}
    )["customer"]
    updated = square.ok("PUT", path_of(customer), {"nickname": "A"})["customer"]
    assert updated["phone_number"] == "123456789"


@fact(PHONES)
def updates_judge_phones_too(square: Square) -> None:
    """An update with an invalid number is refused as a create is."""
    customer = square.create(given_name="Ava")
    answer = square.refused("PUT", path_of(customer), {"phone_number": "12"})
    assert answer == (400, [("INVALID_PHONE_NUMBER", "phone_number")])


# Emails


@fact(
    f"{OVERVIEW}, data types",
    rows=[
        *(("ava@example.com",), ("ava.moreau+shop@mail.example.co.uk",), ("a@b.example.org",)),
        *(("O'Neil_1@example.net",), ("AVA@EXAMPLE.COM",), ("x-1@sub-domain.example.com",)),
    ],
)
def an_email_has_an_at_and_a_domain(square: Square, email: str) -> None:
    """Valid ones are kept as typed."""
    assert square.create(email_address=email)["email_address"] == email


@fact(
    f"{OVERVIEW}, data types",
    rows=[
        *(("ava",), ("ava@",), ("@example.com",), ("ava@example",), ("ava example.com",)),
        *(
            ("a@b@example.com",),
            ("ava@exa mple.com",),
            ("ava@-example.com",),
            ("ava@example..com",),
        ),
        *((".ava@example.com",), ("ava@example.com ",), ("ava@[127.0.0.1]",)),
    ],
)
def an_email_without_them_is_invalid(square: Square, email: str) -> None:
    """INVALID_EMAIL_ADDRESS, naming the field."""
    answer = refused(square, email_address=email)
    assert answer == (400, [("INVALID_EMAIL_ADDRESS", "email_address")])


@fact(CHOICE, choice="emails", rows=[("åsa@example.com",), ("ava@bücher.example.com",)])
def an_email_need_not_be_ascii(square: Square, email: str) -> None:
    """International addresses are kept as typed."""
    assert square.create(email_address=email)["email_address"] == email


# Countries


def every_pair() -> list[str]:
    """All pairs of capital letters."""
    return ["".join(pair) for pair in itertools.product(string.ascii_uppercase, repeat=2)]


@fact(f"{REFERENCE}: Country")
def there_are_250_countries(square: Square) -> None:
    """The 249 of ISO 3166 and ZZ for an unknown one; of all other pairs none."""
    passed, pairs = set(), every_pair()
    for start in range(0, len(pairs), 100):
        entries = {
            pair: {"given_name": "Ava", "address": {"country": pair}}
            for pair in pairs[start : start + 100]
        }
        answer = square.ok("POST", f"{CUSTOMERS}/bulk-create", {"customers": entries})
        passed |= {pair for pair, one in answer["responses"].items() if "customer" in one}
    assert len(passed) == 250
    assert {"ZZ", "US", "NA", "NO", "GB", "GR", "AX", "XK"} - passed == {"XK"}


@fact(f"{REFERENCE}: Country", rows=[("UK",), ("EL",), ("XX",), ("EU",)])
def some_well_known_codes_are_no_countries(square: Square, code: str) -> None:
    """They are not among the values of the enum."""
    answer = refused(square, address={"country": code})
    assert answer == (400, [("INVALID_ENUM_VALUE", "address.country")])


@fact(CHOICE, choice="country codes", rows=[("us",), ("USA",), ("United States",), ("U",)])
def a_country_is_a_code_in_capitals(square: Square, code: str) -> None:
    """Neither names nor small letters are values of the enum."""
    answer = refused(square, address={"country": code})
    assert answer == (400, [("INVALID_ENUM_VALUE", "address.country")])


@fact(
    f"{DOCUMENTATION}: Working with Addresses",
    rows=[("US", "California"), ("JP", "東京都"), ("IE", "Co. Cork"), ("AU", "N.S.W.")],
)
def no_list_of_districts_is_enforced(square: Square, country: str, district: str) -> None:
    """Level 1 is a free text in every country."""
    address = {"administrative_district_level_1": district, "country": country}
    assert square.create(given_name="Ava", address=address)["address"] == address


# Tax ids


@fact(TAX_IDS, country="FR")
def french_sellers_keep_tax_ids(square: Square) -> None:
    """France is one of the four countries."""
    kept(square)


@fact(TAX_IDS, country="IE")
def irish_sellers_keep_tax_ids(square: Square) -> None:
    """Ireland is one of the four countries."""
    kept(square)


@fact(TAX_IDS, country="ES")
def spanish_sellers_keep_tax_ids(square: Square) -> None:
    """Spain is one of the four countries."""
    kept(square)


@fact(TAX_IDS, country="GB")
def british_sellers_keep_tax_ids(square: Square) -> None:
    """The United Kingdom is one of the four countries."""
    kept(square)


def kept(square: Square) -> None:
    """Hold that a tax id is stored, by a create and by an update."""
    tax_ids = {"eu_vat": "IE3426675K"}
    assert square.create(given_name="Ava", tax_ids=tax_ids)["tax_ids"] == tax_ids
    customer = square.create(given_name="Ava")
    square.ok("PUT", path_of(customer), {"tax_ids": tax_ids})
    assert square.get(customer["id"])["tax_ids"] == tax_ids


@fact(TAX_IDS)
def american_sellers_have_no_tax_ids(square: Square) -> None:
    """Elsewhere all four calls answer BAD_REQUEST."""
    tax_ids = {"tax_ids": {"eu_vat": "IE3426675K"}}
    customer = square.create(given_name="Ava")
    assert refused(square, **tax_ids)[1][0][0] == "BAD_REQUEST"
    status, problems = square.refused("PUT", path_of(customer), tax_ids)
    assert (status, problems[0][0]) == (400, "BAD_REQUEST")
    for call, key in (("bulk-create", "k"), ("bulk-update", customer["id"])):
        body = {"customers": {key: {"given_name": "Ava", **tax_ids}}}
        answer = square.ok("POST", f"{CUSTOMERS}/{call}", body)["responses"][key]
        assert answer["errors"][0]["code"] == "BAD_REQUEST"


@fact(TAX_IDS, country="DE")
def german_sellers_have_no_tax_ids(square: Square) -> None:
    """An EU country is not enough: the overview names four."""
    assert refused(square, tax_ids={"eu_vat": "DE123456789"})[1][0][0] == "BAD_REQUEST"


@fact(TAX_IDS, country="IE", rows=[("IE0000000X",), ("123",), ("nonsense",)])
def tax_ids_are_not_verified(square: Square, vat: str) -> None:
    """Square does not verify that the number is a valid tax ID."""
    assert square.create(given_name="Ava", tax_ids={"eu_vat": vat})["tax_ids"] == {"eu_vat": vat}


@fact(
    f"{REFERENCE}: CustomerTaxIds",
    choice="tax_ids.eu_vat",
    country="IE",
    rows=[("IE 3426675K",), ("IE-3426675K",), ("IE３４２６",), ("É3426675",)],
)
def tax_ids_are_alphanumeric(square: Square, vat: str) -> None:
    """Blanks, signs and letters beyond ASCII are no part of one."""
    answer = refused(square, tax_ids={"eu_vat": vat})
    assert answer == (400, [("INVALID_VALUE", "tax_ids.eu_vat")])


# JSON types


@fact(
    f"{REFERENCE}, error codes",
    rows=[
        (name, value)
        for name in ("given_name", "email_address", "phone_number", "birthday", "note")
        for value in (7, ["x"])
    ],
)
def a_text_must_be_a_text(square: Square, name: str, value: object) -> None:
    """Another JSON type is EXPECTED_STRING, naming the field."""
    assert refused(square, **{name: value}) == (400, [("EXPECTED_STRING", name)])


@fact(f"{REFERENCE}, error codes", rows=[("Leeds",), (7,), (["Leeds"],), (False,)])
def an_address_must_be_an_object(square: Square, value: object) -> None:
    """Another JSON type is EXPECTED_OBJECT."""
    assert refused(square, address=value) == (400, [("EXPECTED_OBJECT", "address")])


@fact(f"{REFERENCE}, error codes", rows=[(94103,), ({},), ([],)])
def an_address_part_must_be_a_text(square: Square, value: object) -> None:
    """The path of the part is named."""
    answer = refused(square, address={"postal_code": value})
    assert answer == (400, [("EXPECTED_STRING", "address.postal_code")])


@fact(f"{REFERENCE}, error codes", rows=[("0",), (1.5,), (True,), ([],)])
def a_version_must_be_an_integer(square: Square, value: object) -> None:
    """An update guarded by something else is refused."""
    customer = square.create(given_name="Ava")
    answer = square.refused("PUT", path_of(customer), {"nickname": "A", "version": value})
    assert answer == (400, [("EXPECTED_INTEGER", "version")])


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_values(opened: Opened, check: Check) -> None:
    """Values are judged as the documents say."""
    check.hold(opened)
