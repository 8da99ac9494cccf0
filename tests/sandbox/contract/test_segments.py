"""Customer segments: read only, with members that follow from the data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    MISSING,
    OVERVIEW,
    RECORDED,
    REFERENCE,
    SEARCH,
    SEGMENTS,
    Check,
    Facts,
    after,
    merged,
    path_of,
)

fact = Facts()

OBJECT = f"{REFERENCE}: CustomerSegment"


def reachable(square: Square) -> str:
    """The id of the segment of those who can be reached."""
    segments = square.ok("GET", SEGMENTS)["segments"]
    (found,) = (one["id"] for one in segments if one["id"].endswith(".REACHABLE"))
    return str(found)


@fact(RECORDED)
def a_segment_is_named_after_its_merchant(square: Square) -> None:
    """13 characters, a point and a name."""
    merchant_id, _, name = reachable(square).partition(".")
    assert (merchant_id, name) == (square.sandbox.merchant_id, "REACHABLE")


@fact(OBJECT)
def a_segment_has_four_members(square: Square) -> None:
    """Id, name and two times."""
    for segment in square.ok("GET", SEGMENTS)["segments"]:
        assert set(segment) == {"id", "name", "created_at", "updated_at"}
        assert segment["name"]


@fact(f"{REFERENCE}: RetrieveCustomerSegment")
def a_segment_is_retrieved_by_id(square: Square) -> None:
    """As it is listed."""
    for segment in square.ok("GET", SEGMENTS)["segments"]:
        assert square.ok("GET", f"{SEGMENTS}/{segment['id']}") == {"segment": segment}


@fact(f"{REFERENCE}: RetrieveCustomerSegment", rows=[(MISSING,), ("REACHABLE",), ("gv2:x",)])
def an_unknown_segment_is_not_found(square: Square, segment_id: str) -> None:
    """404 NOT_FOUND."""
    assert square.refused("GET", f"{SEGMENTS}/{segment_id}") == (404, [("NOT_FOUND", "")])


@fact(
    f"{REFERENCE}: ListCustomerSegments",
    rows=[("0", "VALUE_TOO_LOW"), ("51", "VALUE_TOO_HIGH"), ("x", "EXPECTED_INTEGER")],
)
def limits_of_segments_are_1_to_50(square: Square, limit: str, code: str) -> None:
    """Outside of them a list is refused."""
    assert square.refused("GET", SEGMENTS, params={"limit": limit}) == (400, [(code, "limit")])


@fact(f"{REFERENCE}: ListCustomerSegments", rows=[("1",), ("50",)])
def both_limits_of_segments_are_good(square: Square, limit: str) -> None:
    """1 and 50."""
    assert square.ok("GET", SEGMENTS, params={"limit": limit})["segments"]


@fact(f"{OVERVIEW}, CustomerSegment", rows=[("POST", ""), ("DELETE", "x"), ("PUT", "x")])
def segments_cannot_be_written(square: Square, method: str, more: str) -> None:
    """Their membership is dynamically defined; there is no call for it."""
    path = f"{SEGMENTS}/{reachable(square)}" if more else SEGMENTS
    assert square.refused(method, path, {"name": "A"}) == (405, [("METHOD_NOT_ALLOWED", "")])


@fact(
    CHOICE,
    choice="REACHABLE",
    rows=[
        ({"email_address": "a@example.com"}, True),
        ({"phone_number": "+14155550148"}, True),
        ({"given_name": "A"}, False),
        ({"company_name": "A"}, False),
    ],
)
def reachable_are_those_with_an_email_or_a_phone(
    square: Square, data: dict[str, str], inside: bool
) -> None:
    """Which follows from the profile alone."""
    shown = square.get(square.create(**data)["id"])
    assert (reachable(square) in shown.get("segment_ids", [])) == inside


def pays(square: Square, customer: Any, times: int = 1) -> None:
    """Have a customer pay so many times."""
    for _ in range(times):
        body = {
            "idempotency_key": f"p-{len(square.sandbox.log())}",
            "source_id": "cnon:card-nonce-ok",
            "amount_money": {"amount": 100, "currency": "USD"},
            "customer_id": customer["id"],
        }
        square.ok("POST", "/v2/payments", body)


def segments_of(square: Square, customer: Any) -> set[str]:
    """The names of the segments of a customer."""
    shown = square.get(customer["id"]).get("segment_ids", [])
    return {segment_id.rpartition(".")[2] for segment_id in shown}


@fact(f"{REFERENCE}: CustomerSegment, examples")
def four_segments_are_square_s_own(square: Square) -> None:
    """Their names follow the merchant's id."""
    ids = {segment["id"] for segment in square.ok("GET", SEGMENTS)["segments"]}
    names = ("REACHABLE", "LOYAL", "CHURN_RISK", "CARDS_ON_FILE")
    assert ids == {f"{square.sandbox.merchant_id}.{name}" for name in names}


@fact(CHOICE, choice="LOYAL")
def loyal_are_those_who_paid_three_times(square: Square) -> None:
    """In 180 days, one of them in the last 60."""
    customer = square.create(given_name="A")
    pays(square, customer, 2)
    assert segments_of(square, customer) == set()
    after(square, 100 * 86_400)
    pays(square, customer)
    assert segments_of(square, customer) == {"LOYAL"}
    after(square, 61 * 86_400)
    assert "LOYAL" not in segments_of(square, customer)


@fact(CHOICE, choice="CHURN_RISK")
def at_risk_are_those_who_paid_and_stay_away(square: Square) -> None:
    """Three payments in 365 days, none in the last 60."""
    customer = square.create(given_name="A")
    pays(square, customer, 3)
    assert "CHURN_RISK" not in segments_of(square, customer)
    after(square, 61 * 86_400)
    assert segments_of(square, customer) == {"CHURN_RISK"}
    after(square, 310 * 86_400)
    assert segments_of(square, customer) == set()


@fact(CHOICE, choice="payments of merged profiles")
def payments_count_for_whom_a_profile_became(square: Square) -> None:
    """Two payments of one and one of the other make the new one loyal."""
    a, b = square.create(given_name="A"), square.create(given_name="B")
    pays(square, a, 2)
    pays(square, b)
    assert segments_of(square, merged(square, a, b)) == {"LOYAL"}


@fact(CHOICE, choice="segments and the lag", lag=30.0)
def segments_lag_as_the_profile_that_is_shown(square: Square) -> None:
    """REACHABLE does; those that follow from other things never lag."""
    customer = square.create(given_name="A")
    after(square, 31)
    square.ok("PUT", path_of(customer), {"email_address": "a@example.com"})
    pays(square, customer, 3)
    for name, found in (("REACHABLE", []), ("LOYAL", ["A"])):
        segment_id = f"{square.sandbox.merchant_id}.{name}"
        assert square.found(filter={"segment_ids": {"any": [segment_id]}}) == found


@fact(f"{REFERENCE}: Customer, segment_ids")
def segment_ids_are_absent_when_there_are_none(square: Square) -> None:
    """A field without a value is left out."""
    assert "segment_ids" not in square.get(square.create(given_name="A")["id"])


@fact(CHOICE, choice="segment_ids")
def segment_ids_are_told_by_reads(square: Square) -> None:
    """At once, and not by the answers to writes."""
    customer = square.create(given_name="A", email_address="a@example.com")
    updated = square.ok("PUT", path_of(customer), {"note": "n"})["customer"]
    assert "segment_ids" not in customer | updated
    assert square.get(customer["id"])["segment_ids"] == [reachable(square)]


@fact(f"{OVERVIEW}, CustomerSegment")
def a_segment_follows_the_profile(square: Square) -> None:
    """Whoever loses the last way to be reached leaves it."""
    customer = square.create(given_name="A", email_address="a@example.com")
    square.ok("PUT", path_of(customer), {"email_address": ""})
    assert "segment_ids" not in square.get(customer["id"])


@fact(
    f"{REFERENCE}: SearchCustomers, segment_ids",
    rows=[({"any": 1}, "AB"), ({"all": 1}, "AB"), ({"none": 1}, "C"), ({"any": 1, "none": 1}, "")],
)
def segments_are_any_all_or_none(square: Square, rules: dict[str, Any], found: str) -> None:
    """The rules of groups, for segments."""
    square.create(given_name="A", email_address="a@example.com")
    square.create(given_name="B", phone_number="+14155550148")
    square.create(given_name="C")
    asked = {rule: [reachable(square)] for rule in rules}
    assert "".join(square.found(filter={"segment_ids": asked})) == found


@fact(f"{REFERENCE}: SearchCustomers, segment_ids", rows=[("any",), ("all",), ("none",)])
def an_unknown_segment_in_a_filter_is_refused(square: Square, rule: str) -> None:
    """400 BAD_REQUEST, under each rule."""
    body = {"query": {"filter": {"segment_ids": {rule: [MISSING]}}}}
    status, problems = square.refused("POST", SEARCH, body)
    assert (status, problems[0][0]) == (400, "BAD_REQUEST")


@fact(f"{REFERENCE}: SearchCustomers, segment_ids", choice="more than three segments in a filter")
def a_filter_has_three_segments_at_most(square: Square) -> None:
    """In total over all its rules."""
    one = reachable(square)
    three, four = {"any": [one, one], "all": [one]}, {"any": [one, one], "all": [one, one]}
    assert square.found(filter={"segment_ids": three}) == []
    status, problems = square.refused("POST", SEARCH, {"query": {"filter": {"segment_ids": four}}})
    assert (status, problems[0][0]) == (400, "ARRAY_LENGTH_TOO_LONG")


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_segments(opened: Opened, check: Check) -> None:
    """Segments are as the documents say."""
    check.hold(opened)
