"""What a customer must be: limits, forms, and their codes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import fields
from etl.sandbox.rules import customers as rules
from etl.sandbox.versions import NEWEST
from tests.sandbox.conftest import Opened, Square

LIMITED = [
    field
    for field in fields.FIELDS
    if field.max_length and (field.writable or field.name.startswith("address."))
]


def nested(path: str, value: object) -> dict[str, Any]:
    """Return customer data with one value at ``path``."""
    name, _, part = path.partition(".")
    return {name: {part: value}} if part else {name: value}


def codes(data: dict[str, Any], country: str = "US") -> list[tuple[str, str]]:
    """Return (code, field) of each problem of a create."""
    judged = rules.judge_new(data, country, NEWEST, strict=True)
    return [(problem.code, problem.field) for problem in judged.problems]


@given(data=st.data(), character=st.sampled_from(["a", "é", "字", "😀", "e\u0301"[1]]))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_limits_count_code_points(data: st.DataObject, character: str) -> None:
    """Every limited field takes its limit in code points and not one more (overview, limits)."""
    field = data.draw(st.sampled_from([field for field in LIMITED if field.kind == "text"]))
    assert field.max_length is not None

    assert codes(nested(field.name, character * field.max_length)) == []
    assert codes(nested(field.name, character * (field.max_length + 1))) == [
        ("VALUE_TOO_LONG", field.name)
    ]


def test_limits_are_those_of_the_overview() -> None:
    """The table the limits come from says what the overview says (limits since 2022-10-19)."""
    assert {field.name: field.max_length for field in LIMITED} == {
        "reference_id": 100,
        "given_name": 300,
        "family_name": 300,
        "nickname": 100,
        "company_name": 500,
        "email_address": 254,
        **{f"address.address_line_{i}": 500 for i in (1, 2, 3)},
        **{f"address.sublocality{i}": 200 for i in ("", "_2", "_3")},
        "address.locality": 300,
        **{f"address.administrative_district_level_{i}": 200 for i in (1, 2, 3)},
        "address.postal_code": 12,
        "tax_ids.eu_vat": 20,
        "address.first_name": 300,
        "address.last_name": 300,
    }


@pytest.mark.parametrize("field", LIMITED, ids=lambda field: field.name)
def test_too_long_is_refused_over_http(square: Square, field: fields.Field) -> None:
    """One character over a limit is 400 VALUE_TOO_LONG naming the field (overview)."""
    assert field.max_length is not None
    data = {"given_name": "A"} | nested(field.name, "a" * (field.max_length + 1))

    assert square.refused("POST", "/v2/customers", data) == (
        400,
        [("VALUE_TOO_LONG", field.name)],
    )


def test_notes_have_no_limit(square: Square) -> None:
    """The overview exempts ``note`` from all limits."""
    assert len(square.create(given_name="A", note="n" * 100_000)["note"]) == 100_000


def test_address_names_are_dropped(square: Square) -> None:
    """address.first_name and last_name are accepted and not kept (API reference, recorded)."""
    address = {"first_name": "A", "last_name": "B", "locality": "Leeds"}

    assert square.create(given_name="A", address=address)["address"] == {"locality": "Leeds"}


@pytest.mark.parametrize(
    ("phone", "country"),
    [
        ("+1-212-555-4240", "US"),
        ("1-212-555-4240", "US"),
        ("+1 (206) 222-3456", "US"),
        ("4086577161", "US"),
        ("+442079460018", "US"),
        ("020 7946 0018", "GB"),
        ("+33 1 99 00 12 34", "US"),
        ("01 99 00 12 34", "FR"),
    ],
)
def test_valid_phones_are_kept_as_typed(opened: Opened, phone: str, country: str) -> None:
    """National numbers are read in the seller's country; the text is stored as typed (examples)."""
    assert opened(country=country).create(phone_number=phone)["phone_number"] == phone


@pytest.mark.parametrize(
    "phone",
    [
        "12345678",
        "+12345678901234567",
        "020 7946 0018",
        "+1 212 555 014",
        "+999 123 456 789",
        "1-800-FLOWERS",
        "+1 212 555 0142 x123",
        "+1 212 555 0142#12",
        "tel:+12125550142",
        "none",
    ],
)
def test_invalid_phones_are_refused(phone: str) -> None:
    """Since 2022-10-19 a number must be a valid one of 9 to 16 digits (overview)."""
    assert codes({"phone_number": phone}) == [("INVALID_PHONE_NUMBER", "phone_number")]


@pytest.mark.parametrize(
    ("email", "valid"),
    [
        ("ines@example.net", True),
        ("Ines.O'Neal+tag@Example.ORG", True),
        ("inès@example.com", True),
        ("a" * 65 + "@example.com", True),
        ("no-at.example.com", False),
        ("two@@example.com", False),
        ("dots..dots@example.com", False),
        (".dot@example.com", False),
        ("ines@localhost", False),
        ("ines@-example.com", False),
        ("ines@example", False),
        ("ines @example.com", False),
        ("ines@exa_mple.com", False),
    ],
)
def test_emails_need_a_valid_form(email: str, valid: bool) -> None:
    """An address needs @ and a valid domain, else INVALID_EMAIL_ADDRESS (overview)."""
    assert codes({"email_address": email}) == (
        [] if valid else [("INVALID_EMAIL_ADDRESS", "email_address")]
    )


@given(
    local=st.text("ab1._+-'", min_size=1, max_size=70),
    domain=st.text("ab1.-_", min_size=1, max_size=20).map(lambda text: f"{text}.com"),
)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_emails_are_judged_like_the_library(local: str, domain: str) -> None:
    """Judging the domain alone, where that is done, changes no verdict."""
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(f"{local}@{domain}", check_deliverability=False)
        valid = True
    except EmailNotValidError:
        valid = False

    assert (codes({"email_address": f"{local}@{domain}"}) == []) == valid


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("04-17", "0000-04-17"),
        ("0000-04-17", "0000-04-17"),
        ("1988-04-17", "1988-04-17"),
        ("02-29", "0000-02-29"),
        ("0000-02-29", "0000-02-29"),
        ("2000-02-29", "2000-02-29"),
        ("2999-01-01", "2999-01-01"),
    ],
)
def test_birthdays_come_back_with_a_year(square: Square, sent: str, kept: str) -> None:
    """Three forms go in, YYYY-MM-DD comes out, year 0000 if unknown (since 2022-10-19)."""
    assert square.create(given_name="A", birthday=sent)["birthday"] == kept


@pytest.mark.parametrize(
    "birthday",
    [
        *("1900-02-29", "02-30", "13-01", "00-10", "4-17", "1988-4-17", "17.04.1988", "88-04-17"),
        *("x", "1988-04-17T00:00:00-00:00", "１988-04-17"),
    ],
)
def test_other_birthdays_are_no_time(birthday: str) -> None:
    """A wrong form or a day that does not exist is INVALID_TIME (API reference)."""
    assert codes({"given_name": "A", "birthday": birthday}) == [("INVALID_TIME", "birthday")]


def test_countries_are_an_enumeration() -> None:
    """249 codes of ISO 3166 and ZZ; not UK, not EL, no small letters (API reference)."""
    known = [a + b for a in map(chr, range(65, 91)) for b in map(chr, range(65, 91))]
    accepted = [code for code in known if not codes(nested("address.country", code))]

    assert len(accepted) == 250
    assert "ZZ" in accepted
    assert not {"UK", "EL"} & set(accepted)
    assert codes(nested("address.country", "us")) == [("INVALID_ENUM_VALUE", "address.country")]


@pytest.mark.parametrize("country", ["ES", "FR", "GB", "IE"])
def test_tax_ids_of_four_countries(opened: Opened, country: str) -> None:
    """Sellers of four countries may store tax ids, up to 20 letters and digits (overview)."""
    square = opened(country=country)

    assert square.create(given_name="A", tax_ids={"eu_vat": "IE3426675K"})["tax_ids"] == {
        "eu_vat": "IE3426675K"
    }
    assert codes({"tax_ids": {"eu_vat": "A" * 21}}, country)[0][0] == "VALUE_TOO_LONG"
    assert codes({"tax_ids": {"eu_vat": "IE 3426"}}, country)[0][0] == "INVALID_VALUE"


def test_tax_ids_elsewhere_are_refused(square: Square) -> None:
    """Elsewhere tax ids are 400 BAD_REQUEST (since 2021-10-20)."""
    data = {"given_name": "A", "tax_ids": {"eu_vat": "IE3426675K"}}

    assert square.refused("POST", "/v2/customers", data) == (400, [("BAD_REQUEST", "tax_ids")])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"given_name": 7}, ("EXPECTED_STRING", "given_name")),
        ({"given_name": ["x"]}, ("EXPECTED_STRING", "given_name")),
        ({"address": "12 High St"}, ("EXPECTED_OBJECT", "address")),
        ({"address": {"locality": 7}}, ("EXPECTED_STRING", "address.locality")),
        ({"address": {"planet": "Earth"}}, ("BAD_REQUEST", "address.planet")),
    ],
)
def test_types_are_checked(data: dict[str, Any], problem: tuple[str, str]) -> None:
    """Another JSON type than the field's has a code of its own (API reference, list of codes)."""
    assert codes(data) == [problem]


def test_all_values_are_judged_at_once(square: Square) -> None:
    """Several entries are possible; phones are checked in the first answer (since 2022-10-19)."""
    data = {
        "given_name": "a" * 301,
        "phone_number": "12",
        "email_address": "x",
        "birthday": "x",
        "address": {"country": "UK"},
    }

    assert square.refused("POST", "/v2/customers", data) == (
        400,
        [
            ("VALUE_TOO_LONG", "given_name"),
            ("INVALID_PHONE_NUMBER", "phone_number"),
            ("INVALID_EMAIL_ADDRESS", "email_address"),
            ("INVALID_TIME", "birthday"),
            ("INVALID_ENUM_VALUE", "address.country"),
        ],
    )


def test_an_update_is_judged_like_a_create(square: Square) -> None:
    """Update declares the same errors as create (API reference)."""
    path = f"/v2/customers/{square.create(given_name='A')['id']}"

    assert square.refused("PUT", path, {"phone_number": "12", "nickname": "n" * 101}) == (
        400,
        [("INVALID_PHONE_NUMBER", "phone_number"), ("VALUE_TOO_LONG", "nickname")],
    )
