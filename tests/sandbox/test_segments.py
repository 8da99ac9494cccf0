"""Segments, which follow from profiles, cards and payments; sources are named by the tests."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import Sandbox
from tests.sandbox.conftest import Clock, Opened, Square

SEGMENTS = "/v2/customers/segments"
KINDS = ("CARDS_ON_FILE", "CHURN_RISK", "LOYAL", "REACHABLE")
DAY = 24 * 3600
NUMBERS = itertools.count()


def segment_id(square: Square, kind: str) -> str:
    """The id of a segment, which begins with the merchant's (API reference, examples)."""
    return f"{square.sandbox.merchant_id}.{kind}"


def reachable(square: Square) -> str:
    """The id of the segment that follows from the profile alone."""
    return segment_id(square, "REACHABLE")


def pay(square: Square, customer_id: str, days: Sequence[float] = (0,)) -> None:
    """Make payments, each so many days after the one before."""
    for wait in days:
        square.clock.now += wait * DAY
        body = {
            "idempotency_key": f"payment-{next(NUMBERS)}",
            "source_id": "cnon:card-nonce-ok",
            "amount_money": {"amount": 100, "currency": "USD"},
            "customer_id": customer_id,
        }
        square.ok("POST", "/v2/payments", body)


def save_card(square: Square, customer_id: str) -> str:
    """Save a card on file and return its id."""
    body = {
        "idempotency_key": customer_id,
        "source_id": "cnon:card-nonce-ok",
        "card": {"customer_id": customer_id},
    }
    return str(square.ok("POST", "/v2/cards", body)["card"]["id"])


def inside(square: Square, customer_id: str) -> list[str]:
    """The kinds of the segments a customer is in."""
    ids = square.get(customer_id).get("segment_ids", [])
    return [each.rpartition(".")[2] for each in ids]


def test_segments_are_listed_and_retrieved(square: Square) -> None:
    """Id, name and two times, as with groups; names of the API reference's examples."""
    answer = square.ok("GET", SEGMENTS, params={"limit": 50})

    assert [segment["id"] for segment in answer["segments"]] == [
        segment_id(square, kind) for kind in KINDS
    ]
    assert answer["segments"][3] == {
        "id": reachable(square),
        "name": "Reachable",
        "created_at": "2025-09-01T08:15:30.412Z",
        "updated_at": "2025-09-01T08:15:30.412Z",
    }
    assert [segment["name"] for segment in answer["segments"]][:3] == [
        *("Cards on File", "Lapsed", "Regulars")
    ]
    assert "cursor" not in answer
    for segment in answer["segments"]:
        assert square.ok("GET", f"{SEGMENTS}/{segment['id']}") == {"segment": segment}
    assert square.refused("GET", f"{SEGMENTS}/X.REACHABLE") == (404, [("NOT_FOUND", "")])


def test_segments_come_in_pages(square: Square) -> None:
    """1 to 50 a page, with a cursor (API reference)."""
    everything = square.ok("GET", SEGMENTS)["segments"]
    found, cursor = [], ""
    for _ in range(2):
        page = square.ok("GET", SEGMENTS, params={"limit": 2, "cursor": cursor})
        found += page["segments"]
        cursor = page.get("cursor", "")

    assert (found, cursor) == (everything, "")


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


def test_a_card_on_file_is_a_segment(square: Square) -> None:
    """Whoever has an enabled card on file is in CARDS_ON_FILE (recorded answers)."""
    customer_id = square.create(given_name="A", email_address="a@example.com")["id"]
    card_id = save_card(square, customer_id)

    assert square.get(customer_id)["segment_ids"] == [
        segment_id(square, "CARDS_ON_FILE"),
        reachable(square),
    ]
    asked = {"segment_ids": {"all": [segment_id(square, "CARDS_ON_FILE"), reachable(square)]}}
    assert square.found(filter=asked) == ["A"]
    square.ok("POST", f"/v2/cards/{card_id}/disable")
    assert inside(square, customer_id) == ["REACHABLE"]
    assert square.found(filter=asked) == []


def test_regulars_and_lapsed_customers(square: Square) -> None:
    """Three payments within 180 days, the latest not over 60 ago; else lapsed (assumption)."""
    customer_id = square.create(given_name="A")["id"]
    history = []
    for wait in (0, 10, 10):
        pay(square, customer_id, [wait])
        history.append(inside(square, customer_id))
    for wait in (60, 1, 300):
        square.clock.now += wait * DAY
        history.append(inside(square, customer_id))
    pay(square, customer_id)
    history.append(inside(square, customer_id))

    regular, lapsed = ["LOYAL"], ["CHURN_RISK"]
    assert history == [[], [], regular, regular, lapsed, [], []]


def test_segments_follow_the_clock(square: Square) -> None:
    """Search finds regulars as of now, with no write in between (assumption)."""
    for name in ("A", "B"):
        pay(square, square.create(given_name=name)["id"], (1, 1, 1))
    loyal, lapsed = (
        {"segment_ids": {"any": [segment_id(square, kind)]}} for kind in ("LOYAL", "CHURN_RISK")
    )
    assert (square.found(filter=loyal), square.found(filter=lapsed)) == (["A", "B"], [])

    square.clock.now += 58.5 * DAY

    assert (square.found(filter=loyal), square.found(filter=lapsed)) == (["B"], ["A"])


def test_payments_of_merged_profiles_count_together(square: Square) -> None:
    """The new profile is as loyal as all it was made of (assumption)."""
    old = [square.create(given_name=name)["id"] for name in ("A", "B")]
    pay(square, old[0], (0, 1))
    pay(square, old[1], (1,))
    save_card(square, old[1])
    assert inside(square, old[0]) == []

    merged = square.sandbox.control("merge", {"from": old})["customer"]

    assert inside(square, merged["id"]) == ["CARDS_ON_FILE", "LOYAL"]
    assert [each.rpartition(".")[2] for each in merged["segment_ids"]] == inside(square, old[0])
    square.ok("DELETE", f"/v2/customers/{merged['id']}")
    asked = {"segment_ids": {"any": [segment_id(square, "LOYAL")]}}
    assert square.found(filter=asked) == []


def test_cards_and_payments_never_lag_in_search(opened: Opened) -> None:
    """Segments that follow from them are those of now (assumption)."""
    square = opened(lag=30)
    customer_id = square.create(given_name="A")["id"]
    square.clock.now += 60
    save_card(square, customer_id)

    asked = {"segment_ids": {"any": [segment_id(square, "CARDS_ON_FILE")]}}
    assert square.found(filter=asked) == ["A"]


HISTORIES = st.lists(
    st.tuples(
        st.booleans(),  # has an email
        st.booleans(),  # has a card
        st.lists(st.integers(0, 400), max_size=5),  # paid so many days before now
    ),
    min_size=1,
    max_size=5,
)


@given(histories=HISTORIES)
@settings(derandomize=True, deadline=None, max_examples=15)
def test_reads_and_searches_agree_on_segments(
    histories: list[tuple[bool, bool, list[int]]],
) -> None:
    """Who is in a segment by ``segment_ids`` is found by it, counted, and not by its absence."""
    clock = Clock()
    sandbox = Sandbox(clock=clock, chance=random.Random(1))
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(
        transport=sandbox.transport(), base_url="http://sandbox.invalid", headers=headers
    ) as client:
        square = Square(sandbox, client, clock)
        made = []
        for i, (email, card, _) in enumerate(histories):
            who = {"email_address": f"{i}@example.com"} if email else {}
            made.append(square.create(given_name=str(i), **who)["id"])
            if card:
                save_card(square, made[-1])
        now = clock.now + 400 * DAY
        paid = [(ago, i) for i, (_, _, days) in enumerate(histories) for ago in days]
        for ago, i in sorted(paid, reverse=True):
            clock.now = now - ago * DAY
            pay(square, made[i])
        clock.now = now

        told = {str(i): set(inside(square, customer_id)) for i, customer_id in enumerate(made)}
        _check_rules(told, histories)
        for asked in _rules():
            ids = {rule: [segment_id(square, k) for k in kinds] for rule, kinds in asked.items()}
            wanted = [name for name, kinds in told.items() if _matches(kinds, asked)]
            query = {"filter": {"segment_ids": ids}}
            answer = square.ok("POST", "/v2/customers/search", {"query": query, "count": True})
            found = [customer["given_name"] for customer in answer.get("customers", [])]
            assert (found, answer["count"]) == (wanted, len(wanted)), asked
    sandbox.close()


def _check_rules(told: dict[str, set[str]], histories: list[tuple[bool, bool, list[int]]]) -> None:
    for kinds, (email, card, days) in zip(told.values(), histories, strict=True):
        latest = sorted(days)
        regular = len(latest) >= 3
        expected = {
            "REACHABLE": email,
            "CARDS_ON_FILE": card,
            "LOYAL": regular and latest[2] <= 180 and latest[0] <= 60,
            "CHURN_RISK": regular and latest[2] <= 365 and latest[0] > 60,
        }
        assert kinds == {kind for kind, is_in in expected.items() if is_in}


def _rules() -> list[dict[str, list[str]]]:
    """All rules of one or two segments, and a few of three."""
    pairs = list(itertools.combinations(KINDS, 2))
    rules = [{rule: [kind]} for rule in ("any", "all", "none") for kind in KINDS]
    rules += [{rule: list(pair)} for rule in ("any", "all", "none") for pair in pairs]
    rules += [{"any": [one], "none": [two]} for one, two in pairs]
    return [*rules, {"any": ["LOYAL"], "all": ["REACHABLE"], "none": ["CARDS_ON_FILE"]}]


def _matches(kinds: set[str], asked: dict[str, list[str]]) -> bool:
    any_of, all_of, none_of = (asked.get(rule, []) for rule in ("any", "all", "none"))
    return (
        (not any_of or bool(kinds & set(any_of)))
        and kinds >= set(all_of)
        and not kinds & set(none_of)
    )
