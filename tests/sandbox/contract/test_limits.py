"""How long may each text be? Exactly at its limit and one over it, in every call that takes it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    MISSING,
    NOTES,
    OVERVIEW,
    REFERENCE,
    Check,
    Facts,
    path_of,
)

fact = Facts()

# The table of the migration notes, 2022-10-19.
LIMITS = {
    "given_name": 300,
    "family_name": 300,
    "company_name": 500,
    "nickname": 100,
    "reference_id": 100,
    "address.address_line_1": 500,
    "address.address_line_2": 500,
    "address.address_line_3": 500,
    "address.administrative_district_level_1": 200,
    "address.administrative_district_level_2": 200,
    "address.administrative_district_level_3": 200,
    "address.locality": 300,
    "address.sublocality": 200,
    "address.sublocality_2": 200,
    "address.sublocality_3": 200,
    "address.postal_code": 12,
}
LENGTHS = f"{NOTES} 2022-10-19"

# A letter outside the basic plane: one code point, two UTF-16 units, four bytes of UTF-8.
ASTRAL = "\U00020bb7"


def with_value(path: str, value: str) -> dict[str, Any]:
    """Customer data that has a value and an identity."""
    name, _, part = path.partition(".")
    inner = {name: {part: value}} if part else {name: value}
    return {"company_name": "Okafor Ltd"} | inner


def value_of(customer: dict[str, Any], path: str) -> Any:
    """The value at a path of a profile."""
    name, _, part = path.partition(".")
    return customer[name][part] if part else customer[name]


@fact(LENGTHS, rows=LIMITS.items())
def a_text_at_its_limit_is_kept(square: Square, path: str, limit: int) -> None:
    """The maximum is allowed."""
    text = "n" * limit
    assert value_of(square.create(**with_value(path, text)), path) == text


@fact(LENGTHS, rows=LIMITS.items())
def a_text_over_its_limit_is_too_long(square: Square, path: str, limit: int) -> None:
    """One character more is VALUE_TOO_LONG, naming the field."""
    data = with_value(path, "n" * (limit + 1))
    assert square.refused("POST", CUSTOMERS, data) == (400, [("VALUE_TOO_LONG", path)])


@fact(LENGTHS, choice="lengths", rows=LIMITS.items())
def a_limit_counts_code_points(square: Square, path: str, limit: int) -> None:
    """Neither bytes nor UTF-16 units: a letter outside the basic plane is one character."""
    assert value_of(square.create(**with_value(path, ASTRAL * limit)), path) == ASTRAL * limit
    data = with_value(path, ASTRAL * (limit + 1))
    assert square.refused("POST", CUSTOMERS, data) == (400, [("VALUE_TOO_LONG", path)])


@fact(LENGTHS, choice="lengths")
def combining_marks_count(square: Square) -> None:
    """A letter and its accent, written as two code points, are two characters."""
    name = "e\u0301" * 150
    assert square.create(given_name=name)["given_name"] == name
    refused = square.refused("POST", CUSTOMERS, {"given_name": f"{name}e"})
    assert refused == (400, [("VALUE_TOO_LONG", "given_name")])


@fact(LENGTHS, choice="lengths")
def blanks_at_the_end_count(square: Square) -> None:
    """Nothing is trimmed before it is measured."""
    refused = square.refused("POST", CUSTOMERS, {"given_name": "n" * 300 + " "})
    assert refused == (400, [("VALUE_TOO_LONG", "given_name")])


@fact(LENGTHS, rows=LIMITS.items())
def updates_have_the_same_limits(square: Square, path: str, limit: int) -> None:
    """At the limit an update is carried out, over it refused, and nothing changes."""
    customer = square.create(given_name="Ava")
    good = square.ok("PUT", path_of(customer), with_value(path, "n" * limit))["customer"]
    assert value_of(good, path) == "n" * limit
    refused = square.refused("PUT", path_of(customer), with_value(path, "m" * (limit + 1)))
    assert refused == (400, [("VALUE_TOO_LONG", path)])
    assert value_of(square.get(customer["id"]), path) == "n" * limit


@fact(f"{REFERENCE}: BulkCreateCustomerData")
def bulk_creates_have_the_same_limits(square: Square) -> None:
    """The data of a bulk-create entry has the same maximum lengths."""
    for over in (0, 1):
        keys = {f"{path}-{over}": path for path in LIMITS}
        entries = {k: with_value(path, "n" * (LIMITS[path] + over)) for k, path in keys.items()}
        body = {"customers": entries}
        answers = square.ok("POST", f"{CUSTOMERS}/bulk-create", body)["responses"]
        judge_all(answers, over, keys)


@fact(f"{REFERENCE}: BulkUpdateCustomerData")
def bulk_updates_have_the_same_limits(square: Square) -> None:
    """The data of a bulk-update entry has the same maximum lengths."""
    ids = {square.create(given_name="Ava")["id"]: path for path in LIMITS}
    for over in (0, 1):
        entries = {i: with_value(path, "n" * (LIMITS[path] + over)) for i, path in ids.items()}
        body = {"customers": entries}
        answers = square.ok("POST", f"{CUSTOMERS}/bulk-update", body)["responses"]
        judge_all(answers, over, ids)


def judge_all(answers: dict[str, Any], over: int, paths: dict[str, str]) -> None:
    """Hold that every entry is kept at its limit, and refused over it."""
    assert set(answers) == set(paths)
    for key, path in paths.items():
        if over:
            told = [(error["code"], error["field"]) for error in answers[key]["errors"]]
            assert told == [("VALUE_TOO_LONG", path)]
        else:
            assert value_of(answers[key]["customer"], path) == "n" * LIMITS[path]


@fact(LENGTHS)
def all_texts_too_long_are_told_at_once(square: Square) -> None:
    """Several entries of errors are possible."""
    data = {"given_name": "n" * 301, "nickname": "n" * 101, "address": {"postal_code": "1" * 13}}
    assert square.refused("POST", CUSTOMERS, data)[1] == [
        ("VALUE_TOO_LONG", "given_name"),
        ("VALUE_TOO_LONG", "nickname"),
        ("VALUE_TOO_LONG", "address.postal_code"),
    ]


# Emails


def email_of(length: int) -> str:
    """An email of this length, valid part by part."""
    local, labels = "a" * 50, ["b" * 60, "c" * 60, "d" * 60]
    rest = length - len(f"{local}@{'.'.join(labels)}.com") - 1
    return f"{local}@{'.'.join([*labels, 'e' * rest])}.com"


@fact(LENGTHS)
def an_email_of_254_characters_is_kept(square: Square) -> None:
    """The maximum is allowed."""
    email = email_of(254)
    assert len(email) == 254
    assert square.create(email_address=email)["email_address"] == email


@fact(LENGTHS)
def an_email_of_255_characters_is_too_long(square: Square) -> None:
    """VALUE_TOO_LONG instead of the codes of earlier versions."""
    refused = square.refused("POST", CUSTOMERS, {"email_address": email_of(255)})
    assert refused == (400, [("VALUE_TOO_LONG", "email_address")])


# Notes


@fact(LENGTHS, choice="length of note", rows=[(501,), (100_000,)])
def a_note_has_no_limit(square: Square, length: int) -> None:
    """All texts but the note have a maximum length constraint."""
    assert len(square.create(given_name="Ava", note="n" * length)["note"]) == length


@fact(LENGTHS, choice="length of note")
def a_note_may_fill_the_body(square: Square) -> None:
    """Only the size of the request limits a note."""
    note = "n" * ((1 << 20) - 100)
    assert len(square.create(given_name="Ava", note=note)["note"]) == len(note)


# Bodies


@fact(f"{REFERENCE}, error codes", choice="body size")
def a_body_over_a_mebibyte_is_too_large(square: Square) -> None:
    """413 REQUEST_ENTITY_TOO_LARGE."""
    refused = square.refused("POST", CUSTOMERS, {"given_name": "Ava", "note": "n" * (1 << 20)})
    assert refused == (413, [("REQUEST_ENTITY_TOO_LARGE", "")])


@fact(CHOICE, choice="body size")
def a_bulk_body_may_be_larger(square: Square) -> None:
    """A hundred profiles need not fit into a mebibyte."""
    entries = {f"k-{i}": {"given_name": "Ava", "note": "n" * 70_000} for i in range(100)}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-create", {"customers": entries})["responses"]
    assert {"customer" in answer for answer in answers.values()} == {True}


@fact(CHOICE, choice="body size")
def a_bulk_body_has_a_limit_too(square: Square) -> None:
    """Beyond 8 MiB a bulk call is refused as a whole."""
    entries = {f"k-{i}": {"given_name": "Ava", "note": "n" * 90_000} for i in range(100)}
    refused = square.refused("POST", f"{CUSTOMERS}/bulk-create", {"customers": entries})
    assert refused == (413, [("REQUEST_ENTITY_TOO_LARGE", "")])


# Tax ids


@fact(OVERVIEW, country="IE")
def a_tax_id_of_20_characters_is_kept(square: Square) -> None:
    """The maximum is 20 alphanumeric characters."""
    data = {"given_name": "Ava", "tax_ids": {"eu_vat": "IE" + "1" * 18}}
    assert square.create(**data)["tax_ids"] == data["tax_ids"]


@fact(f"{REFERENCE}: CustomerTaxIds", country="IE")
def a_tax_id_of_21_characters_is_too_long(square: Square) -> None:
    """One more is VALUE_TOO_LONG."""
    data = {"given_name": "Ava", "tax_ids": {"eu_vat": "IE" + "1" * 19}}
    refused = square.refused("POST", CUSTOMERS, data)
    assert refused == (400, [("VALUE_TOO_LONG", "tax_ids.eu_vat")])


@fact(f"{REFERENCE}: RetrieveCustomer")
def an_id_of_any_length_is_not_found(square: Square) -> None:
    """An id far too long is answered like an unknown one."""
    path = f"{CUSTOMERS}/{MISSING * 40}"
    assert square.refused("GET", path) == (404, [("NOT_FOUND", "")])


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_limits(opened: Opened, check: Check) -> None:
    """Lengths are judged as the documents say."""
    check.hold(opened)
