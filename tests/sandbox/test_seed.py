"""A seeded directory: plausible, consistent, always the same for a seed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import phonenumbers
import pytest

from tests.sandbox.conftest import Opened, Square


def pages(square: Square, path: str, name: str, **parameters: Any) -> list[Any]:
    """Everything in a list, page by page."""
    found: list[Any] = []
    cursor = ""
    while True:
        answer = square.ok("GET", path, params={**parameters, "cursor": cursor})
        found += answer.get(name, [])
        if not (cursor := answer.get("cursor", "")):
            return found


def everyone(square: Square) -> list[Any]:
    """All profiles that are listed."""
    return pages(square, "/v2/customers", "customers")


def orders(square: Square) -> list[Any]:
    """All orders."""
    place = square.ok("GET", "/v2/locations/main")["location"]["id"]
    found: list[Any] = []
    body: dict[str, Any] = {"location_ids": [place], "limit": 1000}
    while True:
        answer = square.ok("POST", "/v2/orders/search", body)
        found += answer.get("orders", [])
        if "cursor" not in answer:
            return found
        body["cursor"] = answer["cursor"]


def payments(square: Square) -> list[Any]:
    """All payments, of any time."""
    return pages(square, "/v2/payments", "payments", begin_time="2000-01-01T00:00:00Z")


def test_a_seed_fills_the_directory(opened: Opened) -> None:
    """Seeded profiles are valid, of several countries, with duplicates; seen at once by search."""
    square = opened(lag=30)

    filled = square.ok("POST", "/_sandbox/seed", {"profiles": 600, "seed": 7})

    customers = everyone(square)
    assert filled["profiles"] == 600 == len(customers) + len(filled["instant_profiles"])
    countries = {c["address"]["country"] for c in customers if "address" in c}
    assert {"US", "GB", "FR"} <= countries
    for name in ("phone_number", "reference_id"):
        values = [customer[name] for customer in customers if name in customer]
        assert len(set(values)) < len(values)
    for customer in customers:
        if phone := customer.get("phone_number"):
            assert phonenumbers.is_valid_number(phonenumbers.parse(phone, "US")), phone


def test_people_are_reached_as_in_a_real_directory(square: Square) -> None:
    """81 % had a phone, 25 % an email, 17 % neither, in a seller's export of 15,538 rows."""
    square.sandbox.control("seed", {"profiles": 2000, "seed": 1})

    customers = everyone(square)

    phone, email = (
        {customer["id"] for customer in customers if name in customer}
        for name in ("phone_number", "email_address")
    )
    shares = [len(ids) / len(customers) for ids in (phone, email)]
    neither = 1 - len(phone | email) / len(customers)
    assert shares == [pytest.approx(0.81, abs=0.06), pytest.approx(0.25, abs=0.06)]
    assert neither == pytest.approx(0.17, abs=0.03)


def test_a_seed_always_makes_the_same(opened: Opened) -> None:
    """The same number and seed give the same directory; a second time adds nothing."""
    one, two = opened(), opened()
    for square, numbers in ((one, (50, 60)), (two, (60,))):
        for number in numbers:
            filled = square.sandbox.control("seed", {"profiles": number, "seed": 3})

    def kept(square: Square) -> list[tuple[str, str, object]]:
        return sorted(
            (entry["action"], entry["customer_id"], str(entry["changes"]))
            for entry in square.sandbox.log()
        )

    assert filled["already_there"] == 0
    assert kept(one) == kept(two)
    again = one.sandbox.control("seed", {"profiles": 60, "seed": 3})
    assert again == {
        **{"profiles": 0, "already_there": 60, "instant_profiles": []},
        **dict.fromkeys(("groups", "cards", "gift_cards", "orders", "payments"), 0),
    }
    assert kept(one) == kept(two)
    other = two.sandbox.control("seed", {"profiles": 60, "seed": 4})
    assert other["already_there"] == 0


def test_who_is_gone_stays_gone(square: Square) -> None:
    """Seeding again brings back nobody who was merged or deleted, and makes nothing twice."""
    square.ok("POST", "/_sandbox/seed", {"profiles": 60, "seed": 7})
    bought = len(orders(square))
    ids = [profile["id"] for profile in everyone(square)]
    became = square.ok("POST", "/_sandbox/merge", {"from": ids[:2]})["customer"]["id"]
    for customer_id in (became, *ids[2:20]):
        square.ok("DELETE", f"/v2/customers/{customer_id}")
    again = square.ok("POST", "/_sandbox/seed", {"profiles": 60, "seed": 7})

    assert (again["profiles"], again["already_there"], again["orders"]) == (0, 60, 0)
    assert {profile["id"] for profile in everyone(square)} == {*ids[20:]}
    assert len(orders(square)) == bought
    more = square.ok("POST", "/_sandbox/seed", {"profiles": 90, "seed": 7})
    assert more["profiles"] == 30


def test_a_seed_makes_groups_cards_and_history(square: Square) -> None:
    """As many of each as the answer tells, all of them found by their lists."""
    filled = square.ok("POST", "/_sandbox/seed", {"profiles": 500, "seed": 7})

    groups = pages(square, "/v2/customers/groups", "groups")
    cards = pages(square, "/v2/cards", "cards", include_disabled="true")
    gift_cards = pages(square, "/v2/gift-cards", "gift_cards")
    found = {
        "groups": groups,
        "cards": cards,
        "gift_cards": gift_cards,
        "orders": orders(square),
        "payments": payments(square),
    }
    assert {name: len(things) for name, things in found.items()} == {
        name: filled[name] for name in found
    }
    assert len(groups) == 4
    assert min(map(len, found.values())) > 3
    members = Counter(
        group_id for customer in everyone(square) for group_id in customer.get("group_ids", [])
    )
    assert set(members) == {group["id"] for group in groups}
    assert {card["enabled"] for card in cards} == {True, False}
    assert {card["state"] for card in gift_cards} == {"ACTIVE", "PENDING"}
    assert len({card["gan"] for card in gift_cards}) == len(gift_cards)


def test_seeded_history_is_consistent(square: Square) -> None:
    """Every payment closes its order, in time order, and belongs to a profile that is there."""
    square.sandbox.control("seed", {"profiles": 300, "seed": 5})
    known = {order["id"]: order for order in orders(square)}
    history = payments(square)

    times = [payment["created_at"][:19] for payment in history]
    assert all(later >= earlier for later, earlier in pairwise(times))
    assert {payment["source_type"] for payment in history} == {"CARD", "CASH"}
    for payment in history:
        order = known[payment["order_id"]]
        assert (order["state"], order["total_money"]) == ("COMPLETED", payment["total_money"])
        (tender,) = order["tenders"]
        assert tender["customer_id"] == payment["customer_id"]
        customer = square.get(payment["customer_id"])
        assert customer["created_at"][:19] <= payment["created_at"][:19]
    paid = {payment["order_id"] for payment in history}
    assert {known[order_id]["state"] for order_id in set(known) - paid} == {"OPEN"}
    assert any("customer_id" not in order for order in known.values())


def test_instant_profiles_come_from_payments(square: Square) -> None:
    """Each of them has paid by card at least once, and has no card on file."""
    filled = square.sandbox.control("seed", {"profiles": 300, "seed": 5})
    paid = Counter(
        payment["customer_id"] for payment in payments(square) if payment["source_type"] == "CARD"
    )

    hidden = filled["instant_profiles"]

    # A few orders are still to be paid for.
    assert sum(paid[customer_id] > 0 for customer_id in hidden) >= len(hidden) - 1
    owners = {card["customer_id"] for card in pages(square, "/v2/cards", "cards")}
    assert not owners & set(hidden)


def test_every_segment_has_members(square: Square) -> None:
    """Some have cards on file, some are regulars, some have lapsed."""
    square.sandbox.control("seed", {"profiles": 1500, "seed": 7})

    for segment in square.ok("GET", "/v2/customers/segments")["segments"]:
        query = {"filter": {"segment_ids": {"any": [segment["id"]]}}}
        answer = square.ok("POST", "/v2/customers/search", {"query": query, "count": True})
        assert 0 < answer["count"] < 1500, segment["name"]
