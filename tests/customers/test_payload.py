"""Tests of payloads: what is sent, what differs, and the keys that make a write happen once."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import fields, payload

REGION = "US"


def overwrite(field: str) -> str:
    """Let every field of the file win."""
    return "overwrite"


def difference(
    values: payload.Values, profile: dict[str, Any], policy: str = "overwrite"
) -> payload.Values:
    """Return what importing the values changes under one policy for all fields."""
    return payload.difference(values, profile, lambda field: policy, REGION)


# -- bodies --------------------------------------------------------------------------------------


def test_bodies_are_nested() -> None:
    """Dotted names become Square's nested objects; a None stays, because it clears."""
    values = {
        "note": None,
        "address.locality": "Nantes",
        "address.country": None,
        "tax_ids.eu_vat": "y",
    }

    assert payload.body(values) == {
        "note": None,
        "address": {"locality": "Nantes", "country": None},
        "tax_ids": {"eu_vat": "y"},
    }
    assert payload.body({}) == {}


@pytest.mark.parametrize(
    ("profile", "field", "expected"),
    [
        ({"note": "n"}, "note", "n"),
        ({"note": ""}, "note", None),
        ({}, "note", None),
        ({"address": {"locality": "Nantes"}}, "address.locality", "Nantes"),
        ({"address": {}}, "address.locality", None),
        ({"address": None}, "address.locality", None),
        ({}, "address.locality", None),
        ({"version": 0}, "version", "0"),
    ],
)
def test_values_of_profiles(profile: dict[str, Any], field: str, expected: str | None) -> None:
    """A value is found where Square keeps it; absent and empty are both nothing."""
    assert payload.value_of(profile, field) == expected


texts = st.text(min_size=1, max_size=8)
flat = st.dictionaries(
    st.sampled_from([field.name for field in fields.WRITABLE if field.kind == "text"]),
    st.none() | texts,
)
profiles = flat.map(
    lambda values: payload.body({name: value for name, value in values.items() if value})
)
PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)


@PROPERTY
@given(flat)
def test_what_is_nested_is_found_again(values: payload.Values) -> None:
    """Each value of a body is found under its name."""
    body = payload.body(values)

    assert {name: payload.value_of(body, name) for name in values} == values


# -- differences ---------------------------------------------------------------------------------


def applied(profile: dict[str, Any], changes: payload.Values) -> dict[str, Any]:
    """Return a profile after an update."""
    held = {field.name: payload.value_of(profile, field.name) for field in fields.WRITABLE}
    after = {**held, **changes}
    return payload.body({name: value for name, value in after.items() if value is not None})


@PROPERTY
@given(flat, profiles, st.sampled_from(["overwrite", "fill", "mirror", "skip"]))
def test_policies(values: payload.Values, profile: dict[str, Any], policy: str) -> None:
    """Applied once nothing differs; each policy changes what it may and touches nothing else."""
    changes = difference(values, profile, policy)
    after = applied(profile, changes)

    assert difference(values, after, policy) == {}
    assert changes.keys() <= values.keys()
    for name, wanted in values.items():
        held = payload.value_of(profile, name)
        same = wanted and held and payload.same(fields.BY_NAME[name], wanted, held, REGION)
        now = payload.value_of(after, name)
        match policy:
            case "skip":
                assert now == held
            case "fill":
                assert now == (held or wanted)
            case "overwrite":
                assert now == (held if same or wanted is None else wanted)
            case "mirror":
                assert now == (held if same else wanted)


@pytest.mark.parametrize(
    ("wanted", "country", "held", "there", "written"),
    [
        ("CA", "US", "California", "US", False),
        ("CA", None, "calif.", None, False),
        ("WA", "US", "Western Australia", "AU", True),
        ("CA", "US", "Nevada", "US", True),
        ("Bavaria", "DE", "BY", "DE", True),
    ],
)
def test_a_state_is_the_same_by_code_and_by_name(
    wanted: str, country: str | None, held: str, there: str | None, written: bool
) -> None:
    """A profile that spells the state out is left alone, as an export of it is imported again."""
    field = "address.administrative_district_level_1"
    profile = {"address": {"administrative_district_level_1": held, "country": there}}
    changes = difference({field: wanted, "address.country": country}, profile)

    assert (field in changes) is written


def test_what_square_assigns_is_never_sent() -> None:
    """Fields that only Square writes are left out, whatever the file says."""
    assert difference({"version": "9", "created_at": "2020", "note": "n"}, {}) == {"note": "n"}


def test_fields_may_have_policies_of_their_own() -> None:
    """The policy is asked for each field."""
    policies = {"note": "fill", "nickname": "skip", "company_name": "mirror"}
    found = payload.difference(
        {"note": "new", "nickname": "new", "company_name": None, "given_name": "new"},
        {"note": "old", "nickname": "old", "company_name": "old", "given_name": "old"},
        lambda field: policies.get(field, "overwrite"),
        REGION,
    )

    assert found == {"company_name": None, "given_name": "new"}


SAME = [
    ("email_address", "Ada@Example.com", "ada@example.COM", True),
    ("email_address", "ada@example.com", "ada@example.org", False),
    ("phone_number", "+14155550100", "(415) 555-0100", True),
    ("phone_number", "+14155550100", "+1 415 555 0101", False),
    ("phone_number", "+33123456789", "01 23 45 67 89", False),
    ("birthday", "0000-05-04", "1980-05-04", True),
    ("birthday", "1980-05-04", "0000-05-04", False),
    ("birthday", "0000-05-04", "1980-05-05", False),
    ("address.country", "fr", "FR", True),
    ("given_name", "Zoe\u0301", "Zoé", True),
    ("given_name", "Zoe", "Zoé", False),
    ("given_name", "zoé", "Zoé", False),
    ("reference_id", "r1", "R1", False),
]


@pytest.mark.parametrize(("field", "wanted", "held", "expected"), SAME)
def test_spellings(field: str, wanted: str, held: str, expected: bool) -> None:
    """Two spellings are the same value if writing one over the other would change nothing."""
    assert payload.same(fields.BY_NAME[field], wanted, held, REGION) is expected
    changes = {} if expected else {field: wanted}
    assert difference({field: wanted}, payload.body({field: held})) == changes


def test_mismatches() -> None:
    """Fields that do not hold what was written are named; a cleared one must be empty."""
    profile = {"given_name": "Ada", "email_address": "ADA@example.com", "note": "n"}
    written = {
        "given_name": "Ada",
        "email_address": "ada@example.com",
        "note": None,
        "nickname": None,
        "company_name": "C",
    }

    assert payload.mismatches(written, profile, REGION) == ["note", "company_name"]


# -- rows of one customer ------------------------------------------------------------------------


def test_the_last_value_wins() -> None:
    """Of several rows the last non-empty value of each field counts; empty ones erase nothing."""
    rows: list[payload.Values] = [
        {"note": "1", "nickname": None, "company_name": "C"},
        {"note": "2", "nickname": None, "company_name": None},
        {"note": None, "family_name": "F"},
    ]

    assert payload.merged(rows) == {
        "note": "2",
        "nickname": None,
        "company_name": "C",
        "family_name": "F",
    }


# -- keys ----------------------------------------------------------------------------------------


def test_source_keys() -> None:
    """A row is its reference, else its email, else its phone, else all it says; in a namespace."""
    phone, email = {"phone_number": "+14155550100"}, {"email_address": "ÄDA@Example.com"}
    rows = [
        {"reference_id": "R1", **email, **phone, "note": "n"},
        {**email, **phone},
        phone,
        {"note": "n"},
        {"note": "n"},
        {"note": "m"},
    ]
    customers = pa.RecordBatch.from_pylist(rows, schema=fields.CUSTOMERS)

    *named, one, same, other = payload.source_keys(customers, "crm").to_pylist()

    assert named == [
        "crm|reference_id|R1",
        "crm|email_address|Äda@example.com",
        "crm|phone_number|+14155550100",
    ]
    assert one.startswith("crm|digest|")
    assert one == same != other
    assert payload.source_keys(customers, "")[0].as_py() == "|reference_id|R1"


written = st.tuples(texts, texts, flat, st.integers(0, 3))


@PROPERTY
@given(written, written)
def test_keys_are_short_and_differ_with_what_is_written(
    one: tuple[str, str, payload.Values, int], two: tuple[str, str, payload.Values, int]
) -> None:
    """Equal writes have equal keys of at most 45 characters, different writes different ones."""
    keys = [payload.idempotency_key(*each) for each in (one, two)]

    assert all(len(key) <= 45 and key.isascii() for key in keys)
    assert (keys[0] == keys[1]) == (one == two)


@PROPERTY
@given(flat)
def test_keys_do_not_depend_on_the_order_of_fields(values: payload.Values) -> None:
    """The same values in another order are the same write."""
    turned = dict(reversed(values.items()))

    assert payload.idempotency_key("M", "k", values, 0) == payload.idempotency_key(
        "M", "k", turned, 0
    )


def test_keys_stay_what_they_are() -> None:
    """A key is the same in every version, or a resumed run would create everybody again."""
    values: payload.Values = {"given_name": "Ada", "address.locality": "Nantes"}

    key = payload.idempotency_key("MERCHANT", "|reference_id|R1", values, 0)

    assert key == "se-3f2b64fa7ad27d1a10244d736dc9ec456ebb2649"
