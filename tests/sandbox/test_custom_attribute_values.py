"""What a value of each type may be; every test names the source of what it expects."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import Request, Sandbox
from tests.sandbox.attributes import (
    DEFINITIONS,
    SIMPLE,
    define,
    give,
    schema,
    shown,
    upsert,
    values_of,
)
from tests.sandbox.conftest import Square

VALUE = "custom_attribute.value"
ADDRESS = {
    "address_line_1": "12 High St",
    "locality": "Leeds",
    "postal_code": "LS1 1AA",
    "country": "GB",
    "organization": "Bakery",
    "first_name": "Ines",
}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("String", ["", " x ", "x" * 1000, "é" * 1000, "👩‍👩‍👧 \x00 \u202e", "null"]),
        ("Number", ["0", "-0", "5.", ".5", "-.5", "10.12345", "007", "9" * 5000, "-" + "9" * 40]),
        ("Boolean", [True, False]),
        ("PhoneNumber", ["+14155550148", "+12", "+" + "9" * 15]),
        ("Email", ["a@b", "Ines.Moreau@example.net", "a..b@example.com", "!#$%&'*+/=?^_`{|}~-@x"]),
        ("Date", ["2024-02-29", "1900-01-01", "0000-02-29", "9999-12-31"]),
        ("DateTime", ["2025-09-01T08:15:30Z", "2025-09-01t08:15:30.123456789+02:00"]),
        ("Duration", ["P1D", "PT5M", "P1Y2M3W4DT5H6M7S", "P2W", "P1DT0S"]),
        ("Address", [ADDRESS, {"country": "ZZ"}, {"address_line_1": "x" * 1000}]),
    ],
)
def test_values_that_fit_their_schema(square: Square, kind: str, values: list[object]) -> None:
    """The forms of Square's schema file, answered as they were given."""
    define(square, "k", kind)
    customer_id = square.create(given_name="Ava")["id"]

    for version, value in enumerate(values, 1):
        made = give(square, customer_id, "k", value)
        assert (made["value"], made["version"]) == (value, version)
        assert square.ok("GET", f"{values_of(customer_id)}/k") == {"custom_attribute": made}


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [
        ("String", 7, ("EXPECTED_STRING", VALUE)),
        ("String", "x" * 1001, ("VALUE_TOO_LONG", VALUE)),
        ("Number", 7, ("EXPECTED_STRING", VALUE)),
        ("Number", 7.5, ("EXPECTED_STRING", VALUE)),
        ("Number", "", ("INVALID_VALUE", VALUE)),
        ("Number", "-", ("INVALID_VALUE", VALUE)),
        ("Number", ".", ("INVALID_VALUE", VALUE)),
        ("Number", "1.123456", ("INVALID_VALUE", VALUE)),
        ("Number", "+1", ("INVALID_VALUE", VALUE)),
        ("Number", "1e5", ("INVALID_VALUE", VALUE)),
        ("Number", "1,5", ("INVALID_VALUE", VALUE)),
        ("Number", " 1", ("INVALID_VALUE", VALUE)),
        ("Number", "1\n", ("INVALID_VALUE", VALUE)),
        ("Number", "١", ("INVALID_VALUE", VALUE)),
        ("Boolean", "true", ("EXPECTED_BOOLEAN", VALUE)),
        ("Boolean", 1, ("EXPECTED_BOOLEAN", VALUE)),
        ("PhoneNumber", "4155550148", ("INVALID_PHONE_NUMBER", VALUE)),
        ("PhoneNumber", "+1 415 555 0148", ("INVALID_PHONE_NUMBER", VALUE)),
        ("PhoneNumber", "+04155550148", ("INVALID_PHONE_NUMBER", VALUE)),
        ("PhoneNumber", "+" + "1" * 16, ("INVALID_PHONE_NUMBER", VALUE)),
        ("Email", "ines", ("INVALID_EMAIL_ADDRESS", VALUE)),
        ("Email", "inès@example.net", ("INVALID_EMAIL_ADDRESS", VALUE)),
        ("Email", "ines@-example.net", ("INVALID_EMAIL_ADDRESS", VALUE)),
        ("Email", "ines@example.net.", ("INVALID_EMAIL_ADDRESS", VALUE)),
        ("Email", "ines@" + "e" * 64, ("INVALID_EMAIL_ADDRESS", VALUE)),
        ("Email", "", ("INVALID_EMAIL_ADDRESS", VALUE)),
        ("Date", "2023-02-29", ("INVALID_TIME", VALUE)),
        ("Date", "02-29", ("INVALID_TIME", VALUE)),
        ("Date", "2024-2-9", ("INVALID_TIME", VALUE)),
        ("Date", "2024-02-29T00:00:00Z", ("INVALID_TIME", VALUE)),
        ("DateTime", "2024-02-29", ("INVALID_TIME", VALUE)),
        ("DateTime", "2024-02-29T25:00:00Z", ("INVALID_TIME", VALUE)),
        ("Duration", "P", ("INVALID_VALUE", VALUE)),
        ("Duration", "PT", ("INVALID_VALUE", VALUE)),
        ("Duration", "1D", ("INVALID_VALUE", VALUE)),
        ("Address", "12 High St", ("EXPECTED_OBJECT", VALUE)),
        ("Address", {}, ("VALUE_EMPTY", VALUE)),
        ("Address", {"street": "x"}, ("BAD_REQUEST", f"{VALUE}.street")),
        ("Address", {"locality": 7}, ("EXPECTED_STRING", f"{VALUE}.locality")),
        ("Address", {"locality": None}, ("EXPECTED_STRING", f"{VALUE}.locality")),
        ("Address", {"locality": "x" * 1001}, ("VALUE_TOO_LONG", f"{VALUE}.locality")),
        ("Address", {"country": "UK"}, ("INVALID_ENUM_VALUE", f"{VALUE}.country")),
        ("Address", {"country": ["GB"]}, ("EXPECTED_STRING", f"{VALUE}.country")),
        ("Selection", "Red", ("EXPECTED_ARRAY", VALUE)),
        ("Selection", ["Red"], ("INVALID_VALUE", VALUE)),
        ("Selection", [7], ("EXPECTED_STRING", VALUE)),
        ("Selection", [["x"]], ("EXPECTED_STRING", VALUE)),
    ],
)
def test_values_that_do_not(
    square: Square, kind: str, value: object, error: tuple[str, str]
) -> None:
    """The forms of Square's schema file; the codes are assumed."""
    define(square, "k", kind)
    customer_id = square.create(given_name="Ava")["id"]

    assert square.refused("POST", f"{values_of(customer_id)}/k", upsert(value)) == (400, [error])
    assert shown(square, customer_id) == {}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["+14155550148", "1.5", "2024-02-29", "a@example.com", "P1D", "GB"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["country", "postal_code", "locality", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def shared() -> Any:
    """A sandbox with a definition of every type and one customer."""
    sandbox = Sandbox(chance=random.Random(1))
    headers = {"authorization": f"Bearer {sandbox.token}"}

    def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
        content = b"" if body is None else orjson.dumps(body)
        answer = sandbox.respond(Request(method, path, headers=headers, body=content))
        return answer.status, orjson.loads(answer.body)

    for kind in (*SIMPLE, "Selection"):
        ask(
            "POST",
            DEFINITIONS,
            {"custom_attribute_definition": {"key": kind, "schema": schema(kind)}},
        )
    _, made = ask("POST", "/v2/customers", {"given_name": "Ava"})
    yield ask, values_of(made["customer"]["id"])
    sandbox.close()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(kind=st.sampled_from([*SIMPLE, "Selection"]), value=JSON)
def test_any_value_is_kept_as_it_is_or_refused(shared: Any, kind: str, value: Any) -> None:
    """Whatever JSON is given: what is accepted is read back, what is refused changes nothing."""
    ask, path = shared
    before = ask("GET", f"{path}/{kind}")

    status, answer = ask("POST", f"{path}/{kind}", upsert(value))

    after = ask("GET", f"{path}/{kind}")
    assert status in (200, 400)
    if status == 200:
        assert after == (200, answer)
        assert answer["custom_attribute"]["value"] == value
    else:
        assert answer["errors"]
        assert after == before
