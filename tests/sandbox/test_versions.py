"""What older Square-Versions do differently (overview, migration notes, changelog)."""

from __future__ import annotations

from typing import Any

import pytest

from etl.sandbox import versions
from tests.sandbox.conftest import Opened, Square

CUSTOMERS = "/v2/customers"
MINIMUM = {"given_name": "Ava"}


def at(version: str, **more: str) -> dict[str, str]:
    """The headers of a call made with a Square-Version."""
    return {"Square-Version": version, **more}


def made(square: Square, version: str, data: dict[str, Any]) -> Any:
    """Create a customer with a Square-Version."""
    return square.ok("POST", CUSTOMERS, data, headers=at(version))["customer"]


def codes(square: Square, version: str, data: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the (code, field) of what is wrong with a create."""
    return square.refused("POST", CUSTOMERS, data, headers=at(version))[1]


def before(change: versions.Change) -> str:
    """The last published version that does not have a change."""
    return max(version for version in versions.PUBLISHED if version < change.since)


def test_changes_come_with_published_versions() -> None:
    """The table is in order, and each of its dates is a version that is served."""
    dates = [change.since for change in versions.CHANGES]

    assert dates == sorted(dates)
    assert set(dates) <= set(versions.PUBLISHED)


# 2021-10-20


@pytest.mark.parametrize("body", [{}, {"version": 0}, {"shoe": 38}])
def test_empty_updates_answered_the_profile(square: Square, body: dict[str, Any]) -> None:
    """Before 2021-10-20 an update without a field is 200 with the unchanged profile."""
    customer = square.create(**MINIMUM)
    path = f"{CUSTOMERS}/{customer['id']}"

    old, new = at("2021-09-15"), at("2021-10-20")
    assert square.ok("PUT", path, body, headers=old) == {"customer": customer}
    assert square.refused("PUT", path, body, headers=new) == (400, [("BAD_REQUEST", "")])


@pytest.mark.parametrize("vat", ["IE3426675K", "A" * 21, "IE 3426"])
def test_tax_ids_elsewhere_were_ignored(square: Square, vat: str) -> None:
    """Before 2021-10-20 sellers of other countries may send them; they are not kept."""
    data = MINIMUM | {"tax_ids": {"eu_vat": vat}}

    assert "tax_ids" not in made(square, "2021-09-15", data)
    assert codes(square, "2021-10-20", data)[0][0] in ("BAD_REQUEST", "VALUE_TOO_LONG")


def test_tax_ids_were_kept_where_they_are_used(opened: Opened) -> None:
    """Sellers of the four countries keep them in any version."""
    data = MINIMUM | {"tax_ids": {"eu_vat": "IE3426675K"}}

    assert made(opened(country="IE"), "2021-07-21", data)["tax_ids"] == data["tax_ids"]


# 2022-03-16


def test_unknown_fields_of_a_create_were_ignored(square: Square) -> None:
    """Before 2022-03-16 a create takes no notice of them, inside the address neither."""
    data = MINIMUM | {"shoe": 38, "id": "x", "address": {"planet": "Earth", "locality": "Leeds"}}

    assert made(square, "2022-02-16", data)["address"] == {"locality": "Leeds"}
    assert codes(square, "2022-03-16", data) == [
        ("BAD_REQUEST", "shoe"),
        ("BAD_REQUEST", "id"),
        ("BAD_REQUEST", "address.planet"),
    ]


def test_unknown_fields_of_a_search_were_ignored(square: Square) -> None:
    """Before 2022-03-16 a search takes no notice of them, at any depth."""
    square.create(**MINIMUM)
    body = {
        "colour": 1,
        "query": {
            "filters": {},
            "filter": {
                "given_name": {"exact": "x"},
                "created_at": {"after": 1, "end_at": "2020-01-01T00:00:00Z"},
            },
        },
    }
    search = f"{CUSTOMERS}/search"

    assert square.ok("POST", search, body, headers=at("2022-02-16")) == {}
    assert square.refused("POST", search, body, headers=at("2022-03-16"))[1] == [
        ("BAD_REQUEST", "colour"),
        ("BAD_REQUEST", "query.filters"),
        ("BAD_REQUEST", "query.filter.given_name"),
        ("BAD_REQUEST", "query.filter.created_at.after"),
    ]


@pytest.mark.parametrize("field", ["phone_number", "email_address"])
def test_phones_and_emails_had_no_codes_of_their_own(square: Square, field: str) -> None:
    """Before 2022-03-16 both are INVALID_VALUE, since then INVALID_ and the field's name."""
    data = MINIMUM | {field: "x"}

    assert codes(square, "2022-02-16", data) == [("INVALID_VALUE", field)]
    assert codes(square, "2022-03-16", data) == [(f"INVALID_{field.upper()}", field)]


def test_groups_were_less_strict(square: Square) -> None:
    """Before 2022-03-16 unknown fields are ignored and a repeated key makes another group."""
    body = {"idempotency_key": "k-1", "group": {"name": "A", "colour": "red"}, "shoe": 38}
    groups = f"{CUSTOMERS}/groups"

    first, second = (square.ok("POST", groups, body, headers=at("2022-02-16")) for _ in "ab")

    assert first["group"]["id"] != second["group"]["id"]
    assert square.refused("POST", groups, body, headers=at("2022-03-16"))[0] == 400


# 2022-09-21


def test_null_did_not_clear(square: Square) -> None:
    """Null with X-Clear-Null clears from 2022-09-21 on; an empty text always does."""
    customer = square.create(**MINIMUM, note="n", nickname="Av")
    path = f"{CUSTOMERS}/{customer['id']}"

    old = at("2022-08-23", **{"X-Clear-Null": "true"})
    assert square.ok("PUT", path, {"note": None}, headers=old)["customer"] == customer
    assert "nickname" not in square.ok("PUT", path, {"nickname": ""}, headers=old)["customer"]
    new = at("2022-09-21", **{"X-Clear-Null": "true"})
    assert "note" not in square.ok("PUT", path, {"note": None}, headers=new)["customer"]


# 2022-10-19


@pytest.mark.parametrize("phone", ["123456789", "+1 212 555 014", "+999 123 456 789 012"])
def test_any_9_to_16_digits_were_a_phone(square: Square, phone: str) -> None:
    """Before 2022-10-19 any 9 to 16 digits pass; what is there stays, whatever is updated."""
    customer = made(square, "2022-09-21", {"phone_number": phone})

    assert customer["phone_number"] == phone
    assert codes(square, "2022-10-19", {"phone_number": phone})[0][0] == "INVALID_PHONE_NUMBER"
    path = f"{CUSTOMERS}/{customer['id']}"
    updated = square.ok("PUT", path, {"given_name": "Ava"})["customer"]
    assert updated["phone_number"] == phone


@pytest.mark.parametrize("phone", ["12345678", "+12345678901234567", "none", "123%456789"])
def test_other_phones_never_passed(square: Square, phone: str) -> None:
    """Fewer or more digits, letters and % are refused in any version (code of 2022-03-16)."""
    problem = [("INVALID_PHONE_NUMBER", "phone_number")]

    assert codes(square, "2022-03-16", {"phone_number": phone}) == problem


def test_invalid_phones_are_found_by_their_digits(square: Square) -> None:
    """A number without E.164 form matches no exact search, but a fuzzy one."""
    made(square, "2022-09-21", {"given_name": "A", "phone_number": "123-456-789"})

    assert square.found(filter={"phone_number": {"fuzzy": "456 789"}}) == ["A"]
    assert square.found(filter={"phone_number": {"exact": "+123456789"}}) == []


def test_phones_were_judged_last(square: Square) -> None:
    """Before 2022-10-19 a phone is judged when nothing else is wrong, since then at once."""
    data = {"phone_number": "12", "email_address": "x", "birthday": "x"}
    others = [("INVALID_EMAIL_ADDRESS", "email_address"), ("INVALID_TIME", "birthday")]

    assert codes(square, "2022-09-21", data) == others
    assert codes(square, "2022-10-19", data) == [
        ("INVALID_PHONE_NUMBER", "phone_number"),
        *others,
    ]


@pytest.mark.parametrize("sent", ["2001-04-20", "2001-04-20T00:00:00-00:00", "0000-02-29"])
def test_birthdays_were_timestamps(square: Square, sent: str) -> None:
    """Up to 2022-09-21 every answer has a timestamp, whatever version wrote the birthday."""
    old, day = at("2022-09-21"), sent[:10]
    customer = made(square, "2022-09-21", MINIMUM | {"birthday": sent})
    path = f"{CUSTOMERS}/{customer['id']}"
    bulk = {"customer_ids": [customer["id"]]}

    answers = [
        customer,
        square.ok("GET", path, headers=old)["customer"],
        square.ok("PUT", path, {"nickname": "A"}, headers=old)["customer"],
        square.ok("GET", CUSTOMERS, headers=old)["customers"][0],
        square.ok("POST", f"{CUSTOMERS}/search", {}, headers=old)["customers"][0],
        square.ok("POST", f"{CUSTOMERS}/bulk-retrieve", bulk, headers=old)["responses"][
            customer["id"]
        ]["customer"],
    ]

    assert {answer["birthday"] for answer in answers} == {f"{day}T00:00:00-00:00"}
    assert square.get(customer["id"])["birthday"] == day
    assert square.ok("GET", path, headers=at("2022-10-19"))["customer"]["birthday"] == day


@pytest.mark.parametrize(
    ("version", "birthday"),
    [
        ("2022-09-21", "04-20"),
        ("2022-09-21", "2001-02-30T00:00:00-00:00"),
        ("2022-09-21", "2001-04-20T00:00:00Z"),
        ("2022-10-19", "2001-04-20T00:00:00-00:00"),
    ],
)
def test_birthdays_of_the_other_form_are_no_time(
    square: Square, version: str, birthday: str
) -> None:
    """MM-DD is taken since 2022-10-19, a timestamp before; the code is assumed."""
    assert codes(square, version, MINIMUM | {"birthday": birthday}) == [
        ("INVALID_TIME", "birthday")
    ]


def test_texts_that_look_like_birthdays_stay(square: Square) -> None:
    """What a note says is no birthday, in any version."""
    note = '{"birthday":"2001-04-20"}'

    assert made(square, "2021-07-21", MINIMUM | {"note": note})["note"] == note


def test_texts_had_no_limit(square: Square) -> None:
    """Before 2022-10-19 only emails and phones have one."""
    data: dict[str, Any] = {
        "given_name": "n" * 301,
        "nickname": "n" * 101,
        "address": {"postal_code": "1" * 13, "locality": "l" * 301},
    }

    customer = made(square, "2022-09-21", data)

    assert {name: customer[name] for name in data} == data
    assert {code for code, _ in codes(square, "2022-10-19", data)} == {"VALUE_TOO_LONG"}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2022-02-16", ["INVALID_VALUE"]),
        ("2022-09-21", ["INVALID_EMAIL_ADDRESS", "INVALID_VALUE"]),
        ("2022-10-19", ["VALUE_TOO_LONG"]),
    ],
)
def test_long_emails_had_other_codes(square: Square, version: str, expected: list[str]) -> None:
    """VALUE_TOO_LONG since 2022-10-19, two other codes before (migration notes)."""
    email = "a" * 243 + "@example.com"

    assert codes(square, version, {"email_address": email}) == [
        (code, "email_address") for code in expected
    ]


# 2022-11-16


def test_addresses_were_replaced_as_a_whole(square: Square) -> None:
    """Up to 2022-10-19 an update's address takes the place of the old one."""
    address = {"address_line_1": "1 High St", "locality": "Leeds", "postal_code": "LS1 4AP"}
    path = f"{CUSTOMERS}/{square.create(**MINIMUM, address=address)['id']}"
    body = {"address": {"locality": "York", "postal_code": None}}

    new = square.ok("PUT", path, body, headers=at("2022-11-16"))["customer"]
    old = square.ok("PUT", path, body, headers=at("2022-10-19"))["customer"]

    assert new["address"] == address | {"locality": "York"}
    assert (old["address"], old["version"]) == ({"locality": "York"}, 2)


def test_an_empty_address_cleared(square: Square) -> None:
    """``{}`` clears the address up to 2022-10-19 and has no effect since."""
    customer = square.create(**MINIMUM, address={"locality": "Leeds"})
    path = f"{CUSTOMERS}/{customer['id']}"

    new = square.ok("PUT", path, {"address": {}}, headers=at("2022-11-16"))["customer"]
    old = square.ok("PUT", path, {"address": {}}, headers=at("2022-10-19"))["customer"]

    assert new == customer
    assert "address" not in old
    again = square.ok("PUT", path, {"address": {}}, headers=at("2022-10-19"))["customer"]
    assert again == old


def test_a_null_address_clears_in_between(square: Square) -> None:
    """``null`` with the header clears the whole address from 2022-09-21 on."""
    path = f"{CUSTOMERS}/{square.create(**MINIMUM, address={'locality': 'Leeds'})['id']}"
    headers = at("2022-09-21", **{"X-Clear-Null": "true"})

    assert "address" not in square.ok("PUT", path, {"address": None}, headers=headers)["customer"]


# Always


@pytest.mark.parametrize("version", [versions.PUBLISHED[0], before(versions.ADDRESSES_SPARSE)])
def test_count_and_bulk_calls_are_always_there(square: Square, version: str) -> None:
    """No source names the version they came with, so every version has them (assumption)."""
    body = {"customers": {"k": MINIMUM}}

    answer = square.ok("POST", f"{CUSTOMERS}/bulk-create", body, headers=at(version))

    assert "customer" in answer["responses"]["k"]
    assert "cards" not in answer["responses"]["k"]["customer"]
    listed = square.ok("GET", CUSTOMERS, params={"count": "true"}, headers=at(version))
    assert listed["count"] == 1


def test_a_key_answers_in_the_words_of_its_call(square: Square) -> None:
    """A repeated create answers the first profile in the form of the version asked for."""
    data = MINIMUM | {"idempotency_key": "k-1", "birthday": "2001-04-20"}

    old, new = made(square, "2021-07-21", data), made(square, versions.NEWEST, data)

    assert old == new | {"birthday": "2001-04-20T00:00:00-00:00"}
