"""The shape of an export: which rows, which columns, in whose words, and who may be recognised."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import countries
from etl.errors import ConfigError
from etl.export.headers import headers
from etl.export.names import SYSTEMS
from etl.export.shape import ALIASES, check, columns, left_out, shaped
from etl.export.table import schema, table
from etl.export.wanted import Further, Shape
from etl.files.escape import escape
from etl.presets import preset

KEY = b"k" * 32
GROUPS = Further(
    (pa.field("groups", pa.list_(pa.string())),),
    lambda profiles: [pa.array([["VIP", 'Tea "club"']] * len(profiles))],
)
ADA: dict[str, Any] = {
    "id": "C1",
    "reference_id": "R1",
    "given_name": "Ada",
    "family_name": "Byron",
    "email_address": "Ada@Example.com",
    "phone_number": "(415) 555-0123",
    "birthday": "0000-12-10",
    "address": {"address_line_1": "1 Main St", "locality": "London", "country": "GB"},
    "preferences": {"email_unsubscribed": True},
    "creation_source": "DIRECTORY",
    "note": "tea",
}
BOB: dict[str, Any] = {
    "id": "C2",
    "given_name": "Bob",
    "birthday": "1986-04-17",
    "preferences": {"email_unsubscribed": False},
}


def people(number: int) -> list[dict[str, Any]]:
    """Return so many profiles."""
    return [
        {"id": f"C{at}", "given_name": f"Name{at}", "email_address": f"p{at % 7}@example.com"}
        for at in range(number)
    ]


def given_shape(
    profiles: Sequence[dict[str, Any]],
    shape: Shape,
    *,
    size: int = 3,
    key: bytes = KEY,
    as_sent: bool = True,
    further: Sequence[Further] = (),
) -> pa.Table:
    """Return profiles in a shape, as one table."""
    of = schema(further, as_sent=as_sent)

    def batches() -> Iterator[pa.Table]:
        for start in range(0, len(profiles), size):
            yield table(profiles[start : start + size], further, as_sent=as_sent)

    check(shape, of, time.sleep)
    written = pa.schema([(column.name, column.type) for column in columns(shape, of)])
    made = pa.concat_tables(
        [written.empty_table(), *shaped(batches, shape, of, KEY, "US", time.sleep)]
    )
    assert made.schema == written
    return (
        made
        if key == KEY
        else pa.concat_tables(list(shaped(batches, shape, of, key, "US", time.sleep)))
    )


# -- columns -----------------------------------------------------------------------------------


def test_nothing_said() -> None:
    """Without a word all columns come, unchanged."""
    assert given_shape([ADA, BOB], Shape()).equals(table([ADA, BOB], as_sent=True))


def test_columns_in_their_order() -> None:
    """Columns come in the order they are asked for; short names and address stand for others."""
    made = given_shape([ADA], Shape(columns=("version", "phone", "id", "name")))

    assert made.column_names[:4] == ["version", "phone_number", "id", "given_name"]
    assert "address.locality" in given_shape([ADA], Shape(columns=("address",))).column_names


def test_drop() -> None:
    """A dropped column is gone; a dropped birthday takes its parts with it."""
    names = given_shape([ADA], Shape(drop=("birthday", "address", "email"))).column_names

    assert not [name for name in names if name.startswith(("birthday", "address", "email_add"))]
    assert "phone_number" in names


def test_short_names_are_columns() -> None:
    """Every short name stands for columns that are there."""
    assert {name for group in ALIASES.values() for name in group} <= set(schema().names)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (Shape(columns=("emial_address",)), "--columns: .*'emial_address'; did you mean email_ad"),
        (Shape(mask=("fone",)), "--mask: there is no column 'fone'; did you mean phone"),
        (Shape(drop=("xyzzy",)), "--drop: there is no column 'xyzzy'; there are id"),
        (Shape(columns=("email", "email_address")), "--columns names email_address 2 times"),
        (Shape(columns=("note",), drop=("note",)), "note is both"),
        (Shape(columns=("note",), preset="shopify"), "leave --columns out"),
        (Shape(preset="outlook"), "'outlook' has it; there are square-dashboard, shopify"),
        (Shape(drop=tuple(schema().names)), "leaves no column"),
        (Shape(sample=0), "--sample takes"),
        (Shape(where="emial = 1"), "--where: there is no column 'emial'; did you mean email"),
    ],
)
def test_what_cannot_be(shape: Shape, said: str) -> None:
    """A shape that no table can have is refused before anything is asked of Square."""
    with pytest.raises(ConfigError, match=said):
        check(shape, schema(), time.sleep)


# -- rows --------------------------------------------------------------------------------------


def test_where_sees_what_is_not_written() -> None:
    """Rows are picked by any column: one that is dropped, masked or not asked for."""
    shape = Shape(columns=("id",), where="groups IS NOT NULL AND email_address ILIKE 'ada@%'")
    assert given_shape([ADA, BOB], shape, further=[GROUPS]).to_pylist() == [{"id": "C1"}]

    shape = Shape(where="address.locality = 'London'", drop=("address",), mask=("email",))
    assert given_shape([ADA, BOB], shape).column("id").to_pylist() == ["C1"]


@given(st.integers(0, 30), st.integers(1, 12), st.integers(1, 9), st.randoms(use_true_random=False))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_samples(number: int, wanted: int, size: int, chance: Any) -> None:
    """A sample has so many rows, in their order, the same ones however they are cut."""
    everybody = people(number)
    shape = Shape(columns=("id",), sample=wanted)
    found = given_shape(everybody, shape, size=size).column("id").to_pylist()
    shuffled = chance.sample(everybody, number)

    assert len(found) == min(wanted, number)
    assert found == [one["id"] for one in everybody if one["id"] in found]
    assert {*given_shape(shuffled, shape).column("id").to_pylist()} == {*found}


def test_larger_samples_hold_smaller_ones() -> None:
    """Who is in a sample stays in a larger one, and in that of fewer people; keys differ."""
    everybody = people(60)

    def sample(number: int, where: str | None = None, key: bytes = KEY) -> set[str]:
        shape = Shape(sample=number, where=where)
        return {*given_shape(everybody, shape, key=key).column("id").to_pylist()}

    assert sample(10) < sample(20)
    assert {one for one in sample(20) if int(one[1:]) < 30} <= sample(
        20, "CAST(id[2:] AS INT) < 30"
    )
    assert sample(10) != sample(10, key=b"o" * 32)


# -- masks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_sent", [False, True])
def test_masks(as_sent: bool) -> None:
    """Masked columns hold tokens, whatever they held; equal emails stay equal."""
    shape = Shape(mask=("email", "birthday", "version", "created_at", "groups"))
    made = given_shape(people(9), shape, as_sent=as_sent, further=[GROUPS])
    emails = made.column("email_address").to_pylist()

    assert len(set(emails)) == 7
    assert emails[0] == emails[7] != emails[1]
    assert made.schema.field("version").type == pa.string()
    assert made.schema.field("birthday_year").type == pa.string()
    assert made.schema.field("groups").type == pa.list_(pa.string())
    assert "VIP" not in str(made.to_pylist())


def test_masked_files_of_other_systems() -> None:
    """A masked value stays a token under another system's header."""
    mask = ("email", "phone", "birthday", "country", "preferences.email_unsubscribed", "groups")
    for system in SYSTEMS:
        (row,) = given_shape([ADA], Shape(preset=system, mask=mask), further=[GROUPS]).to_pylist()
        told = " ".join(filter(None, row.values()))
        for secret in ("Ada@", "555", "12-10", "12/10", "GB", "United", "subscribed ", "VIP"):
            assert secret not in told
        assert "email_" in told


# -- the words of other systems ----------------------------------------------------------------


def filed(system: str, *profiles: dict[str, Any]) -> list[dict[str, str]]:
    """Return what is filled in the rows of another system's file."""
    made = given_shape(profiles, Shape(preset=system), further=[GROUPS])
    return [{name: text for name, text in row.items() if text} for row in made.to_pylist()]


def test_square_dashboard() -> None:
    """The Dashboard's own header, its birthdays, and nobody said to have subscribed."""
    ada, bob = filed("square-dashboard", ADA, BOB)

    assert ada == {
        "Reference ID": "R1",
        "First Name": "Ada",
        "Last Name": "Byron",
        "Email Address": "Ada@Example.com",
        "Phone Number": "+14155550123",
        "Street Address 1": "1 Main St",
        "City": "London",
        "Birthday": "12-10",
        "Memo": "tea",
        "Square Customer ID": "C1",
        "Creation Source": "DIRECTORY",
        "Email Subscription Status": "Unsubscribed",
    }
    assert (bob["Birthday"], bob["Email Subscription Status"]) == ("1986-04-17", "Unknown")


def test_shopify() -> None:
    """Phones in E.164, tags, and a no where somebody said no."""
    ada, bob = filed("shopify", ADA, BOB)

    assert ada["Phone"] == "+14155550123"
    assert ada["Tags"] == 'VIP, Tea "club"'
    assert ada["Accepts Email Marketing"] == "no"
    assert "Accepts Email Marketing" not in bob
    assert ada["Default Address Country Code"] == "GB"


def test_hubspot() -> None:
    """Countries by name."""
    (ada,) = filed("hubspot", ADA)

    assert (ada["Country/Region"], ada["Date of birth"]) == ("United Kingdom", "12-10")
    assert ada["Unsubscribed from all email"] == "true"


def test_mailchimp() -> None:
    """Birthdays are month and day; tags are quoted."""
    ada, bob = filed("mailchimp", ADA, BOB)

    assert (ada["Birthday"], bob["Birthday"]) == ("12/10", "04/17")
    assert ada["TAGS"] == '"VIP","Tea "club""'


def test_salesforce() -> None:
    """A date has a year there: birthdays without one are left out."""
    ada, bob = filed("salesforce", ADA, BOB)

    assert "Birthdate" not in ada
    assert bob["Birthdate"] == "1986-04-17"
    assert (ada["HasOptedOutOfEmail"], bob["HasOptedOutOfEmail"]) == ("true", "false")


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_column_that_is_read_is_written(system: str) -> None:
    """Each field that an import finds in a system's file is written into it, under one header."""
    known = preset(system)
    read = {*known.columns.values(), *known.fallbacks, *known.joined}
    written = [header.source for header in headers(system, schema().names) if header.source]

    assert read <= {*written}
    assert all(written.count(field) == 1 for field in read)


PHONE = {"square-dashboard": "Phone Number", "shopify": "Phone", "hubspot": "Mobile Phone Number"}
PHONE |= {"mailchimp": "Phone Number", "salesforce": "MobilePhone"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_phones_that_other_systems_can_read(system: str) -> None:
    """Phones are in E.164, which no formula escape changes; what is no number stays as it is."""
    typed = ["+1 305-555-0123", "(305) 555-0123", "0049 30 901820", "ask her", None]
    profiles = [{"id": f"C{at}", "phone_number": phone} for at, phone in enumerate(typed)]
    made = given_shape(profiles, Shape(preset=system)).column(PHONE[system]).to_pylist()

    assert made == ["+13055550123", "+13055550123", "+4930901820", "ask her", None]
    assert list(map(escape, filter(None, made))) == list(filter(None, made))


@pytest.mark.parametrize("system", SYSTEMS)
def test_codes_are_not_read_as_phones(system: str) -> None:
    """Letters and digits of a code may look like a number that people dial: it stays a code."""
    profiles = [{"id": f"C{at}", "phone_number": f"+1305555{at:04}"} for at in range(3000)]
    shape = Shape(preset=system, mask=("phone",))
    made = given_shape(profiles, shape).column(PHONE[system])

    assert pa.compute.all(pa.compute.match_substring_regex(made, "^phone_[0-9a-f]{16}$")).as_py()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_second_line_of_the_street(system: str) -> None:
    """No file loses the second line: where the system has no column for it, it has ours."""
    address = {"address_line_1": "1 Main St", "address_line_2": "Suite 4"}
    (row,) = filed(system, {"id": "C1", "address": address})

    assert [text for text in row.values() if text != "C1"].count("Suite 4") == 1
    assert "address.address_line_2" not in left_out(Shape(preset=system), schema())


def test_what_has_no_place_is_told() -> None:
    """The fields another system's file has no column for can be named."""
    assert {"nickname", "address.sublocality", "version"} <= {
        *left_out(Shape(preset="shopify", drop=("note",)), schema())
    }
    assert "note" not in left_out(Shape(preset="shopify", drop=("note",)), schema())
    assert left_out(Shape(columns=("id",)), schema()) == []


def test_names_of_countries_are_read_again() -> None:
    """Whatever a country is called in a file, an import knows it."""
    assert countries.name_of("ZZ") is None
    for code in countries.codes() - {"ZZ"}:
        assert countries.code_of(countries.name_of(code) or "") == code
