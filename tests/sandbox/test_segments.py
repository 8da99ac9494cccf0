"""The segment that follows from the profile alone; sources are named by the tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square

SEGMENTS = "/v2/customers/segments"


def reachable(square: Square) -> str:
    """The id of the segment, which begins with the merchant's (API reference, examples)."""
    return f"{square.sandbox.merchant_id}.REACHABLE"


def test_segments_are_listed_and_retrieved(square: Square) -> None:
    """Id, name and two times, as with groups; the list has no further page (API reference)."""
    answer = square.ok("GET", SEGMENTS, params={"limit": 50})

    assert answer == {
        "segments": [
            {
                "id": reachable(square),
                "name": "Reachable",
                "created_at": "2025-09-01T08:15:30.412Z",
                "updated_at": "2025-09-01T08:15:30.412Z",
            }
        ]
    }
    (segment,) = answer["segments"]
    assert square.ok("GET", f"{SEGMENTS}/{segment['id']}") == {"segment": segment}
    assert square.refused("GET", f"{SEGMENTS}/X.REACHABLE") == (404, [("NOT_FOUND", "")])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_segments_are_read_only(square: Square, method: str) -> None:
    """Membership and segments cannot be written (API reference)."""
    path = SEGMENTS if method == "POST" else f"{SEGMENTS}/{reachable(square)}"

    assert square.refused(method, path, {})[0] == 405
    customer = square.create(given_name="Ava")
    assert square.refused(method, f"/v2/customers/{customer['id']}/segments/X", {})[0] == 404


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"limit": 0}, "VALUE_TOO_LOW"),
        ({"limit": 51}, "VALUE_TOO_HIGH"),
        ({"cursor": "abc"}, "INVALID_CURSOR"),
    ],
)
def test_segment_list_parameters_are_checked(
    square: Square, parameters: dict[str, Any], code: str
) -> None:
    """A limit outside 1 to 50 has its codes (API reference)."""
    assert square.refused("GET", SEGMENTS, params=parameters)[1][0][0] == code


@pytest.mark.parametrize(
    ("data", "inside"),
    [
        ({"email_address": "ava@example.com"}, True),
        ({"phone_number": "+12125550142"}, True),
        ({"note": '"email_address":"ava@example.com","version":1'}, False),
        ({"reference_id": "r"}, False),
    ],
)
def test_reads_tell_the_segments(square: Square, data: dict[str, Any], inside: bool) -> None:
    """Retrieve, list, search and bulk-retrieve show who can be reached; writes do not."""
    customer = square.create(given_name="Ava", **data)
    shown = customer | ({"segment_ids": [reachable(square)]} if inside else {})
    bulk = {"customer_ids": [customer["id"]]}

    assert "segment_ids" not in customer
    assert square.get(customer["id"]) == shown
    assert square.ok("GET", "/v2/customers")["customers"] == [shown]
    assert square.ok("POST", "/v2/customers/search", {})["customers"] == [shown]
    answer = square.ok("POST", "/v2/customers/bulk-retrieve", bulk)["responses"]
    assert answer == {customer["id"]: {"customer": shown}}


def test_segments_follow_the_profile(square: Square) -> None:
    """Losing the last way to be reached ends it, without a version of its own (overview)."""
    path = f"/v2/customers/{square.create(given_name='Ava', email_address='a@b.org')['id']}"
    assert square.ok("GET", path)["customer"]["segment_ids"] == [reachable(square)]

    square.ok("PUT", path, {"email_address": ""})

    customer = square.ok("GET", path)["customer"]
    assert ("segment_ids" in customer, customer["version"]) == (False, 1)


def test_search_by_segments(square: Square) -> None:
    """``any``, ``all`` and ``none`` as with groups (API reference)."""
    segment = reachable(square)
    square.create(given_name="mail", email_address="a@example.com")
    square.create(given_name="none")
    square.create(given_name="phone", phone_number="+12125550142")

    for rules, names in (
        ({"any": [segment]}, ["mail", "phone"]),
        ({"all": [segment]}, ["mail", "phone"]),
        ({"any": [segment], "all": [segment, segment]}, ["mail", "phone"]),
        ({"none": [segment]}, ["none"]),
        ({"any": [segment], "none": [segment]}, []),
    ):
        assert square.found(filter={"segment_ids": rules}) == names, rules
        body = {"count": True, "query": {"filter": {"segment_ids": rules}}}
        assert square.ok("POST", "/v2/customers/search", body)["count"] == len(names)
    both = {"segment_ids": {"any": [segment]}, "email_address": {"fuzzy": "example"}}
    assert square.found(filter=both) == ["mail"]


def test_unknown_segments_are_named(square: Square) -> None:
    """A segment nobody has is BAD_REQUEST, and the detail names it (API reference)."""
    body = {"query": {"filter": {"segment_ids": {"any": [reachable(square), "X.LOYAL"]}}}}

    answer = square.send("POST", "/v2/customers/search", json=body)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (400, "BAD_REQUEST")
    assert "X.LOYAL" in error["detail"]


def test_at_most_three_segments_are_asked_for(square: Square) -> None:
    """Three ids in total, over all rules (API reference; the code is assumed)."""
    segment = reachable(square)
    body = {"query": {"filter": {"segment_ids": {"any": [segment] * 2, "all": [segment] * 2}}}}

    assert square.refused("POST", "/v2/customers/search", body) == (
        400,
        [("ARRAY_LENGTH_TOO_LONG", "query.filter.segment_ids")],
    )


def test_segments_lag_in_search(opened: Opened) -> None:
    """Search shows the segments of the state it shows (assumption)."""
    square = opened(lag=30)
    path = f"/v2/customers/{square.create(given_name='A')['id']}"
    square.clock.now += 60
    square.ok("PUT", path, {"email_address": "a@example.com"})
    asked = {"segment_ids": {"any": [reachable(square)]}}

    assert square.found(filter=asked) == []
    assert "segment_ids" in square.ok("GET", path)["customer"]
    square.clock.now += 30
    assert square.found(filter=asked) == ["A"]


def test_segments_need_the_scope_to_read(square: Square) -> None:
    """CUSTOMERS_READ, which writing does not include (API reference)."""
    token = square.sandbox.control("tokens", {"scopes": ["CUSTOMERS_WRITE"]})["token"]
    headers = {"Authorization": f"Bearer {token}"}

    assert square.send("GET", SEGMENTS, headers=headers).status_code == 403
