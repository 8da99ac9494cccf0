"""Proposals: by name and by content, with a reason, and never two columns where one belongs."""

from __future__ import annotations

import pytest

from etl.presets import presets
from etl.stages.propose import DISTINCTIVE, Consent, Proposal, Proposals, date_order, propose
from tests.stages.test_profile import file_of, looked_at

EMAILS: list[str | None] = [f"person{number}@example.com" for number in range(20)]
PHONES: list[str | None] = [f"(415) 555-01{number:02}" for number in range(20)]
NAMES: list[str | None] = ["Ada", "Lin", "Bo", "Zoë"] * 5


def proposed(
    columns: dict[str, list[str | None]], region: str | None = None, **not_text: str
) -> Proposals:
    """Propose a mapping for a file of these columns."""
    return propose(file_of(columns), "people.csv", not_text, region)


def of(header: str, values: list[str | None]) -> Proposal:
    """Return what is proposed for a file's only column."""
    return proposed({header: values}).columns[0]


@pytest.mark.parametrize(
    ("header", "values", "field", "confidence"),
    [
        ("E-mail", EMAILS, "email_address", "high"),
        ("Contact", EMAILS, "email_address", "medium"),
        ("Billing Email", EMAILS, "email_address", "medium"),
        ("Email", PHONES, "email_address", "low"),
        ("Email", [None], "email_address", "medium"),
        ("Phone", PHONES, "phone_number", "high"),
        ("Reach at", PHONES, "phone_number", "low"),
        ("emailAddress", EMAILS, "email_address", "high"),
        ("First name", NAMES, "given_name", "high"),
        ("First name", EMAILS, "given_name", "low"),
        ("Account owner", ["boss@example.com", "me@example.com"] * 10, "email_address", "low"),
        ("DOB", ["1990-04-17", "1991-05-18"], "birthday", "high"),
        ("Created", ["1990-04-17", "1991-05-18"], None, None),
        ("Where from", ["Germany", "France", "US"], "address.country", "low"),
        ("Customer ID", ["a", "b", "c"], "reference_id", "high"),
        ("Customer ID", ["a", "a", "a", "b"], "reference_id", "low"),
        ("Name", NAMES, None, None),
        ("_line", ["1"], None, None),
        ("Shoe size", ["44"], None, None),
    ],
)
def test_name_and_content_decide_together(
    header: str, values: list[str | None], field: str | None, confidence: str | None
) -> None:
    """Sure is what is called so and holds it; the reason is in words."""
    told = of(header, values)
    assert (told.field, told.confidence) == (field, confidence)
    assert told.reason


WHOLE: list[str | None] = ["Ada Lund", "Lin Wu", "Bo de la Cruz", "Zoë"]


def test_whole_names_are_split_where_no_column_has_their_parts() -> None:
    """A column of whole names is proposed to be split, but not beside given and family names."""
    told = of("Customer name", WHOLE)
    assert (told.field, told.confidence) == ("full_name", "medium")
    assert proposed({"Name": WHOLE}).groups == {"full_name": ("Name",)}
    beside = proposed({"First name": NAMES[:4], "Full name": WHOLE})
    assert beside.groups == {"given_name": ("First name",)}
    assert beside.columns[1].field is None


@pytest.mark.parametrize(
    ("header", "values", "yes"),
    [
        ("Accepts Marketing", ["Yes", "no", None, "yes"], ("yes",)),
        ("Email Subscription Status", ["Subscribed", "Unknown"], ("subscribed",)),
        ("Accepts Marketing", ["no", "no"], None),
        ("Unsubscribed from all email", ["true", "false"], None),
        ("Newsletter", [str(number) for number in range(20)], None),
    ],
)
def test_consent_is_a_column_of_those_who_agreed(
    header: str, values: list[str | None], yes: tuple[str, ...] | None
) -> None:
    """Called so, with few answers, one of them a yes; a column of those who declined is none."""
    told = proposed({"Email": EMAILS[: len(values)], header: values})
    assert told.consent == (Consent(header, yes) if yes else None)


def test_several_phones_stand_in_line() -> None:
    """The mobile comes first and the office last; an empty column is left out."""
    told = proposed(
        {"Business Phone": PHONES, "Phone 2": [None] * 20, "Home Phone": PHONES, "Mobile": PHONES}
    )
    assert told.groups == {"phone_number": ("Mobile", "Home Phone", "Business Phone")}


def test_a_column_that_is_called_so_beats_one_that_only_holds_it() -> None:
    """Addresses elsewhere are no fallback for the column that is called email."""
    told = proposed({"Contact": EMAILS, "Email": EMAILS})
    assert told.groups == {"email_address": ("Email",)}
    assert told.columns[0].field is None


def test_parts_of_two_addresses_are_not_mixed() -> None:
    """The address that is filled best is taken whole."""
    street: list[str | None] = ["1 Old St", "2 Old St"]
    told = proposed(
        {
            "Home Street": street,
            "Home City": street,
            "Work Street": street,
            "Work City": [None, None],
            "Work Zip": ["94103", None],
        }
    )
    assert told.groups == {
        "address.address_line_1": ("Home Street",),
        "address.locality": ("Home City",),
    }


def test_columns_that_are_no_text_are_not_proposed() -> None:
    """What a Parquet file holds as a number cannot be the text of a field."""
    told = proposed({"Phone": PHONES}, Phone="a column of doubles")
    assert told.groups == {}
    assert "doubles" in told.columns[0].reason


def test_national_phones_find_their_country() -> None:
    """Countries of the file and Square's markets are tried; a given region is only checked."""
    british: list[str | None] = [f"020 7946 00{number:02}" for number in range(20)]
    told = proposed({"Phone": british, "Country": ["UK"] * 20})
    assert told.region is not None
    assert told.region.code == "GB"
    assert told.columns[0].confidence == "high"
    assert proposed({"Phone": british}, region="US").columns[0].confidence == "low"


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["04/05/1990", "17/04/1990"], "DMY"),
        (["04/05/1990", "04/17/1990"], "MDY"),
        (["04/17/1990", "17/04/1990"], "contradictory"),
        (["04/05/1990"], "unproved"),
        (["1990-04-05", "5 April 1990"], "plain"),
    ],
)
def test_date_orders(values: list[str | None], order: str) -> None:
    """A column's dates prove an order, contradict each other, need none or prove nothing."""
    assert date_order(looked_at(values)) == order


@pytest.mark.parametrize("name", sorted(set(DISTINCTIVE) & set(presets())))
def test_a_preset_is_told_by_its_distinctive_columns(name: str) -> None:
    """All of a system's distinctive columns together propose its preset; one fewer does not."""
    for group in DISTINCTIVE[name]:
        known = dict.fromkeys((*sorted(group), "First Name", "Email"), NAMES)
        told = proposed(known)
        assert told.preset == name
        assert set(told.because) == group
        fewer = dict(list(known.items())[1:])
        assert proposed(fewer).preset is None
