"""Masks: equal people keep equal tokens, and nothing else is left of them."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.export.masking import KIND, masked, token_type
from etl.export.table import schema, table

MINE, YOURS = b"m" * 32, b"y" * 32


def tokens(name: str, *values: Any, key: bytes = MINE, as_sent: bool = False) -> list[Any]:
    """Return the tokens of a field's values."""
    parent, _, leaf = name.rpartition(".")
    people = [{parent: {leaf: value}} if parent else {leaf: value} for value in values]
    column = table(people, as_sent=as_sent).column(name).combine_chunks()
    found = masked(column, schema(as_sent=as_sent).field(name), key, "US")
    assert found.type == token_type(column.type)
    told: list[Any] = found.to_pylist()
    return told


@pytest.mark.parametrize(
    ("field", "spellings"),
    [
        ("email_address", ["Ada@Example.com", "ada@example.com", " ada@example.com "]),
        ("phone_number", ["+14155550123", "(415) 555-0123", "1-415-555-0123", "415.555.0123 "]),
        ("given_name", ["Zoë", "Zoe\u0308", " Zoë"]),
    ],
)
def test_spellings_of_one_value(field: str, spellings: list[str]) -> None:
    """What is one email, phone or name has one token, however it is spelled."""
    assert len(set(tokens(field, *spellings))) == 1


def test_what_a_token_looks_like() -> None:
    """A token says what it stands for, and is as long as any other."""
    for field, kind in [("email_address", "email"), ("note", "text"), ("version", "number")]:
        (token,) = tokens(field, {"version": 3}.get(field, "ada@example.com"))
        assert re.fullmatch(rf"{kind}_[0-9a-f]{{16}}", token)


def test_null_stays_null() -> None:
    """Who has no value has no token."""
    assert tokens("email_address", None, "a@example.com")[0] is None
    assert tokens("group_ids", None, []) == [None, []]


def test_kinds_and_keys_are_kept_apart() -> None:
    """Columns of one kind share tokens; another kind or another key does not."""
    (one,) = tokens("given_name", "Ada")

    assert tokens("family_name", "Ada") == [one]
    assert tokens("email_address", "Ada")[0] != one
    assert tokens("given_name", "Ada", key=YOURS)[0] != one


def test_lists_are_masked_one_by_one() -> None:
    """Each member of a list has the token that it would have alone."""
    (alone,) = tokens("note", "G2")
    (first, second, third) = tokens("group_ids", ["G1", "G2"], None, ["G2"])

    assert (len(first), second, third) == (2, None, [alone])
    assert first[1] == alone


def test_times_in_any_file() -> None:
    """A time has the same token as a timestamp and as Square sent it."""
    typed = tokens("created_at", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.120Z")

    assert tokens("created_at", "2024-01-02T03:04:05.000Z", "2024-01-02T03:04:05.12Z") == typed
    for sent in ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.000Z"):
        assert tokens("created_at", sent, as_sent=True) == typed[:1]
    assert tokens("created_at", "soon", as_sent=True)[0]


@pytest.mark.parametrize("type_", [pa.int64(), pa.bool_(), pa.float64(), pa.date32()])
def test_further_columns(type_: pa.DataType) -> None:
    """A column of any type can be masked."""
    column = pa.array([1, None], pa.int32()).cast(type_)
    token, nobody = masked(column, pa.field("x", type_), MINE, "US").to_pylist()

    assert re.fullmatch(r"[a-z]+_[0-9a-f]{16}", token)
    assert nobody is None


def test_further_columns_may_say_what_they_hold() -> None:
    """A phone in a custom attribute is masked as the phone of a profile is."""
    beside = pa.field("custom_attributes.office", pa.string(), metadata={KIND: b"phone"})

    assert masked(pa.array(["415 555 0123"]), beside, MINE, "US").to_pylist() == tokens(
        "phone_number", "+14155550123"
    )


@given(st.lists(st.none() | st.text(), max_size=6), st.integers(0, 6))
@settings(derandomize=True, deadline=None)
def test_equal_if_and_only_if(values: list[str | None], start: int) -> None:
    """Different texts have different tokens, in any part of any batch; none shows its text."""
    column = pa.array(values, pa.string())
    found = masked(column, pa.field("x", pa.string()), MINE, "US").to_pylist()

    assert (
        found[start:]
        == masked(column.slice(start), pa.field("x", pa.string()), MINE, "US").to_pylist()
    )
    same = [value and unicodedata.normalize("NFC", value).strip() for value in values]
    assert [same.index(one) for one in same] == [found.index(one) for one in found]
