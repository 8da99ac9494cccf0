"""Every limit of Square, exactly at it and one over, as a whole row meets it.

The numbers stand here a second time, copied from Square's documentation (Customers API overview,
"Field limits"; the Address object; "Customer tax IDs"): a slip in the table of fields shows.
"""

from __future__ import annotations

import phonenumbers
import pycountry
import pytest

from etl.config import Clean, OnInvalidSection
from etl.customers.dates import DateEvidence
from etl.customers.fields import IMPORTABLE
from etl.stages.clean import clean
from etl.stages.validate import Checked, validate
from tests.stages.rows import Row, customers, found

LIMITS = {
    "reference_id": 100,
    "given_name": 300,
    "family_name": 300,
    "nickname": 100,
    "company_name": 500,
    "address.address_line_1": 500,
    "address.address_line_2": 500,
    "address.address_line_3": 500,
    "address.sublocality": 200,
    "address.sublocality_2": 200,
    "address.sublocality_3": 200,
    "address.locality": 300,
    "address.administrative_district_level_1": 200,
    "address.administrative_district_level_2": 200,
    "address.administrative_district_level_3": 200,
    "address.postal_code": 12,
}
TAX_IDS = {"ES", "FR", "GB", "IE"}
COUNTRIES = {country.alpha_2 for country in pycountry.countries}


def checked(row: Row, country: str = "US") -> Checked:
    """Clean and validate one row that has a name besides."""
    rows = customers([{"company_name": "Ada & Co", **row}])
    cleaned = clean(rows, Clean(), country, DateEvidence())
    return validate(cleaned, OnInvalidSection(), country)


def refused(row: Row, country: str = "US") -> list[str]:
    """Return the codes a row is rejected for; it is accepted if there are none."""
    result = checked(row, country)
    codes = [code for _, effect, code, _ in found(result.problems) if effect == "reject"]
    assert result.accepted.to_pylist() == [not codes]
    return codes


def test_every_limited_field_is_here() -> None:
    """The table of fields has these limits, and those told below."""
    told = {field.name: field.max_length for field in IMPORTABLE if field.max_length is not None}

    assert told == {**LIMITS, "email_address": 254, "tax_ids.eu_vat": 20}


@pytest.mark.parametrize("unit", ["x", "é", "中", "\U0001f600"])
@pytest.mark.parametrize("name", LIMITS)
def test_a_text_at_its_limit_and_one_over(name: str, unit: str) -> None:
    """Characters are counted, whatever bytes or units of UTF-16 they take."""
    assert refused({name: unit * LIMITS[name]}) == []
    assert refused({name: unit * (LIMITS[name] + 1)}) == ["VALUE_TOO_LONG"]


def test_an_email_at_its_limits_and_one_over() -> None:
    """254 characters in all, 63 in a label; email-validator sets the name no limit."""
    labels = ".".join(["b" * 61] * 3)
    whole = "a" * (254 - len(f"@{labels}.com")) + f"@{labels}.com"

    assert len(whole) == 254
    assert refused({"email_address": whole}) == []
    assert refused({"email_address": "a" + whole}) == ["VALUE_TOO_LONG"]
    assert refused({"email_address": f"a@{'c' * 63}.com"}) == []
    assert refused({"email_address": f"a@{'c' * 64}.com"}) == ["INVALID_EMAIL_ADDRESS"]
    assert refused({"email_address": f"{'c' * 65}@example.com"}) == []


def of_length(digits: int) -> str | None:
    """Return a valid number of so many digits, the country's among them."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in range(11):
            number = phonenumbers.example_number_for_type(region, kind)
            text = number and phonenumbers.format_number(number, 0)
            if text and len(text) == digits + 1:
                return str(text)
    return None


def test_a_phone_at_its_limits_and_one_beyond() -> None:
    """9 to 16 digits: valid numbers of small places are shorter, some in Germany longer ones."""
    for digits in (9, 10, 15):
        number = of_length(digits)
        assert number
        assert refused({"phone_number": number}) == []
    for digits in (7, 8):
        number = of_length(digits)
        assert number
        assert refused({"phone_number": number}) == ["INVALID_PHONE_NUMBER"]
    long = [f"+4932{'2' * more}" for more in range(5, 14)]
    for number in long:
        valid = phonenumbers.is_valid_number(phonenumbers.parse(number, None))
        fits = valid and 9 <= len(number) - 1 <= 16
        assert refused({"phone_number": number}) == ([] if fits else ["INVALID_PHONE_NUMBER"])


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_a_sellers_country_decides_about_tax_ids(country: str) -> None:
    """Four countries store them; elsewhere the row would be refused."""
    wanted = [] if country in TAX_IDS else ["BAD_REQUEST"]

    assert refused({"tax_ids.eu_vat": "IE1234567X"}, country) == wanted
    assert refused({}, country) == []


def test_a_tax_id_at_its_limit_and_one_over() -> None:
    """20 letters and digits of ASCII."""
    assert refused({"tax_ids.eu_vat": "F" * 20}, "FR") == []
    assert refused({"tax_ids.eu_vat": "F" * 21}, "FR") == ["VALUE_TOO_LONG"]
    assert refused({"tax_ids.eu_vat": "FRÉ1"}, "FR") == ["INVALID_VALUE"]
    assert refused({"tax_ids.eu_vat": "F" * 21}, "DE") == ["VALUE_TOO_LONG", "BAD_REQUEST"]


def test_a_national_phone_is_read_in_the_sellers_country() -> None:
    """The same digits are a number in one country and none in another."""
    assert refused({"phone_number": "020 7946 0018"}, "GB") == []
    assert refused({"phone_number": "020 7946 0018"}, "US") == ["INVALID_PHONE_NUMBER"]
    assert refused({"phone_number": "+44 20 7946 0018"}, "US") == []


def test_countries_are_those_of_iso_and_the_unknown_one() -> None:
    """249 countries and ZZ."""
    assert len(COUNTRIES) == 249
    for country in (*COUNTRIES, "ZZ"):
        assert refused({"address.country": country}) == []
    for nobody in ("XX", "AA", "EU", "ZZZ"):
        assert refused({"address.country": nobody}) == ["INVALID_ENUM_VALUE"]


@pytest.mark.parametrize(
    ("day", "codes"),
    [
        ("1986-02-28", []),
        ("1988-02-29", []),
        ("1986-02-29", ["INVALID_TIME"]),
        ("1900-02-29", ["INVALID_TIME"]),
        ("2000-02-29", []),
        ("0000-02-29", []),
        ("02-29", []),
        ("0000-02-30", ["INVALID_TIME"]),
        ("1986-04-31", ["INVALID_TIME"]),
        ("1986-13-01", ["INVALID_TIME"]),
        ("1986-00-10", ["INVALID_TIME"]),
        ("0001-01-01", []),
        ("9999-12-31", []),
    ],
)
def test_birthdays_are_days_of_the_calendar(day: str, codes: list[str]) -> None:
    """With a year or without; the 29th of February without one is a day."""
    assert refused({"birthday": day}) == codes


def test_a_note_has_no_limit() -> None:
    """Square states none, so nothing is refused or cut here."""
    assert refused({"note": "x" * 100_000}) == []
