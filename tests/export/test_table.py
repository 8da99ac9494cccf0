"""Profiles as columns: every value in its place, in the type analysts expect."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers.fields import BIRTHDAY_PARTS, BY_NAME, FIELDS
from etl.export.table import TIME, schema, table
from etl.export.wanted import Further

ADA: dict[str, Any] = {
    "id": "C1",
    "created_at": "2024-01-02T03:04:05.12Z",
    "updated_at": "2024-02-03T04:05:06Z",
    "given_name": "Ada",
    "birthday": "1815-12-10",
    "address": {"locality": "London", "country": "GB"},
    "preferences": {"email_unsubscribed": True},
    "group_ids": ["G1", "G2"],
    "version": 7,
    "something_new": {"of": "Square's"},
}


def test_every_field_has_its_column() -> None:
    """Columns are the table of fields in its order, with the parts of birthdays after these."""
    names = [field.name for field in FIELDS]
    at = names.index("birthday") + 1

    assert schema().names == [*names[:at], *BIRTHDAY_PARTS, *names[at:]]


def test_a_profile_as_a_row() -> None:
    """Nested values, times with their zone, lists, flags and numbers keep what they are."""
    (row,) = table([ADA]).to_pylist()

    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "C1",
        "created_at": datetime.datetime(2024, 1, 2, 3, 4, 5, 120_000, datetime.UTC),
        "updated_at": datetime.datetime(2024, 2, 3, 4, 5, 6, 0, datetime.UTC),
        "given_name": "Ada",
        "birthday": "1815-12-10",
        "birthday_year": 1815,
        "birthday_month": 12,
        "birthday_day": 10,
        "address.locality": "London",
        "address.country": "GB",
        "preferences.email_unsubscribed": True,
        "group_ids": ["G1", "G2"],
        "version": 7,
    }


def test_times_as_sent() -> None:
    """Files of text hold times exactly as Square sent them."""
    (row,) = table([ADA], as_sent=True).to_pylist()

    assert (row["created_at"], row["updated_at"]) == (ADA["created_at"], ADA["updated_at"])


@pytest.mark.parametrize("as_sent", [False, True])
def test_no_profiles(as_sent: bool) -> None:
    """An empty batch has all columns, of the same types."""
    assert table([], as_sent=as_sent).schema == schema(as_sent=as_sent)


@pytest.mark.parametrize(
    ("birthday", "parts"),
    [
        ("0000-02-29", [None, 2, 29]),
        ("1986-00-00", [1986, None, None]),
        ("1986-13-32", [1986, None, None]),
        ("in April", [None, None, None]),
        ("1986-04-17\n", [None, None, None]),
        (None, [None, None, None]),
    ],
)
def test_parts_of_birthdays(birthday: str | None, parts: list[int | None]) -> None:
    """A part that is not known is null; a year of zeros is none."""
    (row,) = table([{"id": "C1", "birthday": birthday}]).to_pylist()

    assert [row[part] for part in BIRTHDAY_PARTS] == parts


def test_what_lies_beside_profiles() -> None:
    """Further columns come last, each row's value beside its profile."""
    names = pa.field("groups", pa.list_(pa.string()))
    further = Further((names,), lambda found: [pa.array([[p["id"]] for p in found], names.type)])
    made = table([ADA, {"id": "C2"}], [further])

    assert made.schema == schema([further])
    assert made.column("groups").to_pylist() == [["C1"], ["C2"]]


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("note", 12, "12"),
        ("note", ["a"], '["a"]'),
        ("note", "\ud800!", "\\ud800!"),
        ("version", 1.5, None),
        ("version", True, None),
        ("version", 1 << 70, None),
        ("group_ids", "G1", None),
        ("group_ids", ["G1", 2], ["G1", "2"]),
        ("created_at", "yesterday", None),
        ("created_at", 1, None),
        ("address", "London", None),
        ("preferences.email_unsubscribed", "yes", None),
    ],
)
def test_what_square_does_not_document(field: str, sent: Any, kept: Any) -> None:
    """A value of another type stops nothing, leaves its neighbours alone, and is counted."""
    parent, _, leaf = field.rpartition(".")
    wrong = {"id": "C2", **({parent: {leaf: sent}} if parent else {leaf: sent})}
    odd: Counter[str] = Counter()
    made = table([ADA, wrong], odd=odd)

    assert odd == {field: 1}
    assert made.slice(0, 1).to_pylist() == table([ADA]).to_pylist()
    if field in BY_NAME:
        assert made.column(field)[1].as_py() == kept


def test_nanoseconds_are_cut() -> None:
    """A time finer than a column can hold is no oddity."""
    odd: Counter[str] = Counter()
    made = table([{"created_at": "2024-01-02T03:04:05.123456789Z"}], odd=odd)

    assert made.column("created_at")[0].as_py().microsecond == 123_456
    assert not odd


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=4,
)
STEPS = sorted({field.path[0] for field in FIELDS} | {field.path[-1] for field in FIELDS})
WHATEVER = st.dictionaries(
    st.sampled_from(STEPS), JSON | st.dictionaries(st.sampled_from(STEPS), JSON), max_size=8
)


@given(st.lists(WHATEVER, max_size=3))
@settings(derandomize=True, deadline=None)
def test_any_json_makes_a_table(profiles: list[dict[str, Any]]) -> None:
    """Whatever the network sends has one row each, and texts are unchanged."""
    for as_sent in (False, True):
        made = table(profiles, as_sent=as_sent)
        made.validate(full=True)

        assert made.num_rows == len(profiles)
        assert made.schema == schema(as_sent=as_sent)
        for profile, given_name in zip(profiles, made.column("given_name"), strict=True):
            sent = profile.get("given_name")
            assert given_name.as_py() == sent or not isinstance(sent, str | None)


def test_times_are_utc() -> None:
    """Every time column carries its zone."""
    assert {schema().field(f.name).type for f in FIELDS if f.kind == "time"} == {TIME}
