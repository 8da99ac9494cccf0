"""Several phones and emails of a row: the first valid one wins, the others are not lost."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import config
from etl.customers.cells import NO_PROBLEMS
from etl.customers.dates import DateEvidence
from etl.stages.check import canonical_constants, check_batch
from etl.stages.mapping import resolve
from etl.stages.validate import Checked

PHONES = {"phone_number": ["Mobile", "Home"]}


def checked(cells: dict[str, list[str]], **settings: Any) -> Checked:
    """Map, clean and validate cells as an import does, for a merchant in the US."""
    given = config.parse(settings, "test")
    batch = pa.RecordBatch.from_pydict(cells)
    mapping = resolve("p.csv", batch.schema.names, {}, given)
    constants = canonical_constants(given, "US")
    return check_batch(batch, NO_PROBLEMS, mapping, DateEvidence(), given, "US", constants)


def values(result: Checked, name: str) -> list[str | None]:
    """Return the column of a field."""
    found: list[str | None] = result.customers.column(name).to_pylist()
    return found


def said(result: Checked, code: str) -> list[tuple[int, str]]:
    """Return the rows that have a code, with its messages."""
    return [(p["row"], p["message"]) for p in result.problems.to_pylist() if p["code"] == code]


def test_the_first_valid_phone_wins() -> None:
    """A number that is none does not stand before one that is; without a valid one it does."""
    result = checked(
        {"Mobile": ["12", "415-555-0148", "12", ""], "Home": ["415-555-0149", "", "13", "n/a"]},
        fallbacks=PHONES,
    )
    assert values(result, "phone_number")[:2] == ["+14155550149", "+14155550148"]
    assert result.accepted.to_pylist() == [True, True, False, False]
    assert said(result, "OTHER_LEFT_OUT") == [
        (0, "Mobile: 12, which is not valid, was left out"),
        (2, "Home: 13, which is not valid, was left out"),
    ]


def test_others_go_to_the_note_on_demand() -> None:
    """``[others]`` adds a line for each further number to the note, equal ones not at all."""
    result = checked(
        {
            "Mobile": ["415-555-0148", "415-555-0148", ""],
            "Home": ["(415) 555-0149", "+1 415 555 0148", "415-555-0149"],
            "Note": ["tea", "", ""],
        },
        fallbacks=PHONES,
        columns={"Note": "note"},
        others={"phone_number": "note"},
    )
    assert values(result, "phone_number") == ["+14155550148", "+14155550148", "+14155550149"]
    assert values(result, "note") == ["tea\nHome: +14155550149", None, None]
    assert said(result, "OTHER_IN_NOTE") == [(0, "Home: +14155550149 went to the note")]
    assert said(result, "OTHER_LEFT_OUT") == []


def test_several_in_one_cell() -> None:
    """Google's ``:::`` lists values; any other list of numbers is still refused."""
    result = checked(
        {"Phone": ["12 ::: 415-555-0148 ::: 415-555-0149", "415-555-0148 / 415-555-0149"]},
        columns={"Phone": "phone_number"},
    )
    assert values(result, "phone_number")[0] == "+14155550148"
    assert len(said(result, "OTHER_LEFT_OUT")) == 2
    assert [row for row, _ in said(result, "MULTIPLE_VALUES")] == [1]


def test_emails_in_another_case_are_no_others() -> None:
    """One address in two spellings is one address."""
    result = checked(
        {"A": ["ada@example.com", "x"], "B": ["ADA@example.com", "bo@example.com"]},
        fallbacks={"email_address": ["A", "B"]},
    )
    assert values(result, "email_address") == ["ada@example.com", "bo@example.com"]
    assert [row for row, _ in said(result, "OTHER_LEFT_OUT")] == [1]


def test_the_row_s_country_judges_its_phones() -> None:
    """With ``region_from``, a constant country counts as the row's own."""
    result = checked(
        {"Mobile": ["12"], "Home": ["07400 123456"]},
        fallbacks=PHONES,
        constants={"address.country": "United Kingdom"},
        clean={"region_from": "country"},
    )
    assert values(result, "phone_number") == ["+447400123456"]
    assert values(result, "address.country") == ["GB"]


NUMBERS = st.sampled_from(
    ["", " ", "n/a", "12", "415-555-0148", "+14155550148", "(415) 555-0149", "x ::: 415-555-0150"]
)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_every_row_is_judged_for_itself(rows: list[tuple[str, str]]) -> None:
    """Which rows stand beside a row changes nothing of what becomes of it."""

    def together(some: list[tuple[str, str]]) -> list[Any]:
        cells = {"Mobile": [a for a, _ in some], "Home": [b for _, b in some]}
        result = checked(cells, fallbacks=PHONES, others={"phone_number": "note"})
        columns = (values(result, name) for name in ("phone_number", "note"))
        return list(zip(*columns, result.accepted.to_pylist(), strict=True))

    assert together(rows) == [one for row in rows for one in together([row])]


def test_others_go_to_a_custom_attribute_on_demand() -> None:
    """``[others]`` may name a custom attribute: it gets the bare values, and the note nothing."""
    result = checked(
        {"Mobile": ["415-555-0148", "415-555-0148"], "Home": ["415-555-0149", ""]},
        fallbacks=PHONES,
        others={"phone_number": "custom_attributes.second-phone"},
    )
    assert values(result, "note") == [None, None]
    assert result.belongings is not None
    assert result.belongings.to_pydict() == {
        "custom_attributes.second-phone": ["+14155550149", None]
    }
    assert said(result, "OTHER_IN_ATTRIBUTE") == [
        (0, "Home: +14155550149 went to custom_attributes.second-phone")
    ]
