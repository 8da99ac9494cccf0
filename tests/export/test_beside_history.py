"""Payments and orders of sellers that the sandbox is not: many locations, refunds, returns."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import Unavailable
from etl.export.beside import money
from tests.export.gathering import Row, gather, time
from tests.square.fakes import Time, client
from tests.worlds import World, open_world

Json = dict[str, Any]


class Shop:
    """Answers for a seller with these locations, payments and orders, ``size`` on a page.

    ``merged`` are ids of old with what they became. The calls whose numbers are in ``dead`` are
    refused if they bring a cursor.
    """

    def __init__(self, size: int = 3, locations: Sequence[str] = ("L1",)) -> None:
        self.size = size
        self.locations = locations
        self.payments: list[Json] = []
        self.orders: list[Json] = []
        self.merged: dict[str, str] = {}
        self.dead: set[int] = set()
        self.asked: list[tuple[str, Json]] = []

    def pay(self, id: str, amount: int, customer: str | None = None, **more: Any) -> None:
        """Have a payment made, one a day."""
        at = datetime.fromtimestamp(1_600_000_000 + 86_400 * len(self.payments), UTC)
        self.payments.append(
            {
                "id": id,
                "created_at": at.isoformat().replace("+00:00", "Z"),
                "status": "COMPLETED",
                "location_id": self.locations[len(self.payments) % len(self.locations)],
                "total_money": {"amount": amount, "currency": "USD"},
                **({"customer_id": customer} if customer else {}),
                **more,
            }
        )

    def order(self, id: str, amount: int | None, customer: str | None = None, **more: Any) -> None:
        """Have an order made, one a day."""
        at = datetime.fromtimestamp(1_600_000_000 + 86_400 * len(self.orders), UTC)
        paid = {} if amount is None else {"total_money": {"amount": amount, "currency": "USD"}}
        self.orders.append(
            {
                "id": id,
                "created_at": at.isoformat().replace("+00:00", "Z"),
                "state": "COMPLETED",
                "location_id": self.locations[len(self.orders) % len(self.locations)],
                **({} if amount is None else {"line_items": [{"uid": "1"}]}),
                **paid,
                **({"customer_id": customer} if customer else {}),
                **more,
            }
        )

    def calls(self, path: str) -> list[Json]:
        """Return what was asked for under a path."""
        return [asked for each, asked in self.asked if each == path]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as Square does, and refuse what it refuses."""
        query = {name: one for name, (one,) in parse_qs(request.url.query.decode()).items()}
        asked = orjson.loads(request.read()) if request.method == "POST" else query
        self.asked.append((request.url.path, asked))
        if asked.get("cursor") and len(self.asked) in self.dead:
            fault = {"category": "INVALID_REQUEST_ERROR", "code": "INVALID_CURSOR"}
            return httpx.Response(400, json={"errors": [fault]})
        return httpx.Response(200, json=self._answer(request.url.path, asked))

    def _answer(self, path: str, asked: Json) -> Json:
        if path == "/v2/locations":
            return {"locations": [{"id": id} for id in self.locations]}
        if path == "/v2/customers/bulk-retrieve":
            # Others are not known.
            fault = {"category": "INVALID_REQUEST_ERROR", "code": "NOT_FOUND"}
            entries = {
                id: {"customer": {"id": self.merged[id]}}
                if id in self.merged
                else {"errors": [fault]}
                for id in asked["customer_ids"]
            }
            return {"responses": entries}
        if path == "/v2/payments":
            assert asked["sort_order"] == "ASC"
            assert asked["limit"] == "100"
            at = [asked["location_id"]]
            rows, span = self.payments, (asked["begin_time"], asked["end_time"])
            return self._page("payments", rows, at, span, asked)
        assert path == "/v2/orders/search"
        at = asked["location_ids"]
        assert 1 <= len(at) <= 10
        assert asked["query"]["sort"] == {"sort_field": "CREATED_AT", "sort_order": "ASC"}
        created = asked["query"]["filter"]["date_time_filter"]["created_at"]
        span = (created["start_at"], created["end_at"])
        return self._page("orders", self.orders, at, span, asked)

    def _page(
        self, name: str, rows: list[Json], at: list[str], span: tuple[str, str], asked: Json
    ) -> Json:
        key = "|".join([*at, *span])
        start, end = map(time, span)
        found = [
            row
            for row in sorted(rows, key=lambda row: str(row["created_at"]))
            if row["location_id"] in at and start <= time(row["created_at"]) <= end
        ]
        place, _, of = (asked.get("cursor") or f"0@{key}").partition("@")
        # A cursor belongs to its query.
        assert of == key
        first = int(place)
        page = {name: found[first : first + self.size]} if found[first:] else {}
        if found[first + self.size :]:
            page["cursor"] = f"{first + self.size}@{key}"  # type: ignore[assignment]
        return page


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a world with three customers."""
    world = open_world(tmp_path)
    for name in ("Ada", "Bob", "Cy"):
        world.create(given_name=name)
    yield world
    world.close()


def names(world: World) -> tuple[str, str, str]:
    """Return the ids of the three."""
    ada, bob, cy = world.alive()
    return ada, bob, cy


def gathered(world: World, shop: Shop, *kinds: str, in_flight: int = 1) -> dict[str, Row]:
    """Gather what the shop has."""
    return gather(world, *kinds, square=client(shop, Time()), in_flight=in_flight)


# -- whose they are --------------------------------------------------------------------------


def test_payments_without_a_customer(world: World) -> None:
    """The tender of the order names the customer, else the order does; else it is nobody's."""
    ada, bob, cy = names(world)
    shop = Shop()
    shop.pay("p1", 100, order_id="o1")
    shop.pay("p2", 250, order_id="o2")
    shop.pay("p3", 999, order_id="o3")
    shop.pay("p4", 50, cy, order_id="o1")
    tenders = [{"payment_id": "p4", "customer_id": cy}, {"payment_id": "p1", "customer_id": ada}]
    shop.order("o1", 150, bob, tenders=tenders)
    shop.order("o2", 250, bob, tenders=[{"id": "p2"}])
    shop.order("o3", 999)

    rows = gathered(world, shop, "payments")

    assert {id: row["payments.total"] for id, row in rows.items()} == {
        ada: ["USD 1.00"],
        bob: ["USD 2.50"],
        cy: ["USD 0.50"],
    }


def test_orders_belong_to_whoever_paid(world: World) -> None:
    """First whoever paid, then whom a tender names, then whom the order names; to one only."""
    ada, bob, cy = names(world)
    shop = Shop()
    shop.pay("p1", 30, ada, order_id="o1")
    shop.pay("p2", 70, bob, order_id="o1")
    shop.pay("p3", 1, cy, order_id="o4", status="FAILED")
    shop.order("o1", 100, cy)
    shop.order("o2", 20, cy, tenders=[{"id": "x"}, {"id": "y", "customer_id": bob}])
    shop.order("o3", 3, cy)
    shop.order("o4", 4, bob)
    shop.order("o5", 500)

    rows = gathered(world, shop, "orders", "payments")

    assert {id: (row["orders.count"], row["orders.total"]) for id, row in rows.items()} == {
        ada: (1, ["USD 1.00"]),
        bob: (2, ["USD 0.24"]),
        cy: (1, ["USD 0.03"]),
    }
    assert [rows[id]["payments.count"] for id in (ada, bob, cy)] == [1, 1, 0]


def test_ids_of_merged_customers(world: World) -> None:
    """What was made under an id of old counts for the profile that came of it."""
    ada, bob, cy = names(world)
    shop = Shop()
    shop.merged = {"OLD1": ada, "OLD2": ada, "OLD3": "ELSEWHERE"}
    for number, id in enumerate(("OLD1", ada, "OLD2", "OLD3", "GONE", bob, "OLD1")):
        shop.pay(f"p{number}", 100, id, order_id=f"o{number}")
        shop.order(f"o{number}", 100, None)
    shop.order("o9", 900, "OLD2")

    rows = gathered(world, shop, "payments", "orders")

    assert [rows[id]["payments.count"] for id in (ada, bob, cy)] == [4, 1, 0]
    assert rows[ada]["orders.total"] == ["USD 13.00"]
    assert rows[cy]["orders.total"] == []
    # Orders are asked for the customers that payments did not name: there are none.
    (asked,) = shop.calls("/v2/customers/bulk-retrieve")
    assert sorted(asked["customer_ids"]) == ["GONE", "OLD1", "OLD2", "OLD3"]


# -- what counts -----------------------------------------------------------------------------


def test_what_of_payments_counts(world: World) -> None:
    """Approved and completed payments, less what was refunded, by currency."""
    ada, bob, cy = names(world)
    shop = Shop()
    shop.pay("p1", 1234, ada, refunded_money={"amount": 234, "currency": "USD"})
    shop.pay("p2", 1, ada, status="APPROVED")
    shop.pay("p3", 5000, ada, status="CANCELED")
    shop.pay("p4", 5000, ada, status="FAILED")
    shop.pay("p5", 5000, ada, status="PENDING")
    shop.pay("p6", 0, ada, total_money={"amount": 1234, "currency": "JPY"})
    shop.pay("p7", 0, ada, total_money={"amount": 5, "currency": "KWD"})
    shop.pay("p8", 700, bob, refunded_money={"amount": 700, "currency": "USD"})

    rows = gathered(world, shop, "payments")

    assert rows[ada] == {
        "payments.count": 4,
        "payments.first_at": time(shop.payments[0]["created_at"]),
        "payments.last_at": time(shop.payments[6]["created_at"]),
        "payments.total": ["JPY 1234", "KWD 0.005", "USD 10.01"],
    }
    assert (rows[bob]["payments.count"], rows[bob]["payments.total"]) == (1, ["USD 0.00"])
    assert rows[cy] == {
        "payments.count": 0,
        "payments.first_at": None,
        "payments.last_at": None,
        "payments.total": [],
    }


def test_what_of_orders_counts(world: World) -> None:
    """Open and completed orders; returns are orders of their own that take off, not count."""
    ada, bob, cy = names(world)
    shop = Shop()
    back = {"total_money": {"amount": 400, "currency": "USD"}}
    shop.order("sale", 1000, ada)
    shop.order("return", None, returns=[{"source_order_id": "sale"}], return_amounts=back)
    net = {"total_money": {"amount": 100, "currency": "USD"}}
    shop.order("exchange", 500, ada, returns=[{"source_order_id": "sale"}], net_amounts=net)
    shop.order("open", 7, bob, state="OPEN")
    shop.order("draft", 100, bob, state="DRAFT")
    shop.order("canceled", 100, bob, state="CANCELED")
    shop.order("empty", None, cy)

    rows = gathered(world, shop, "orders")

    assert rows[ada] == {
        "orders.count": 2,
        "orders.first_at": time(shop.orders[0]["created_at"]),
        "orders.last_at": time(shop.orders[2]["created_at"]),
        "orders.total": ["USD 7.00"],
    }
    assert (rows[bob]["orders.count"], rows[bob]["orders.total"]) == (1, ["USD 0.07"])
    assert (rows[cy]["orders.count"], rows[cy]["orders.total"]) == (1, [])


def test_time_that_cannot_be_read(world: World) -> None:
    """A payment without a time cannot tell how far the history was read."""
    shop = Shop()
    shop.pay("p1", 100, names(world)[0], created_at="yesterday", location_id="L1")
    shop._page = lambda name, *_: {name: shop.payments}  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="p1 without a time"):
        gathered(world, shop, "payments")


# -- how they are read -----------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 6])
def test_many_locations(world: World, in_flight: int) -> None:
    """Payments are read of each location, orders of ten at a time, all since the beginning."""
    ada = names(world)[0]
    shop = Shop(locations=[f"L{number}" for number in range(23)])
    for number in range(50):
        shop.pay(f"p{number}", 1, ada)
        shop.order(f"o{number}", 1, ada)

    rows = gathered(world, shop, "payments", "orders", in_flight=in_flight)

    assert (rows[ada]["payments.count"], rows[ada]["orders.count"]) == (50, 50)
    assert rows[ada]["payments.total"] == ["USD 0.50"]
    asked = {each["location_id"] for each in shop.calls("/v2/payments")}
    assert asked == set(shop.locations)
    sizes = [len(each["location_ids"]) for each in shop.calls("/v2/orders/search")]
    assert set(sizes) == {10, 3}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("in_flight", [1, 5])
def test_however_they_are_spread(world: World, seed: int, in_flight: int) -> None:
    """Each is counted once, whatever moments they share and however often a cursor dies."""
    chance = random.Random(seed)
    shop = Shop(size=chance.choice([1, 2, 7]))
    customers = names(world)
    for number in range(60):
        shop.pay(f"p{number}", 10**number % 97, chance.choice(customers))
        month = chance.choice([1, 1, 1, 6, 7])
        shop.payments[-1]["created_at"] = f"20{chance.choice([12, 23])}-{month:02}-01T00:00:00Z"
    shop.dead = set(chance.sample(range(3, 200), 4))

    rows = gathered(world, shop, "payments", in_flight=in_flight)

    for id in customers:
        own = [one for one in shop.payments if one["customer_id"] == id]
        assert rows[id]["payments.count"] == len(own)
        cents = sum(one["total_money"]["amount"] for one in own)
        assert rows[id]["payments.total"] == [f"USD {cents // 100}.{cents % 100:02}"]
    assert len(shop.calls("/v2/payments")) <= 4 * 60 / shop.size + 40


def test_what_comes_to_be_meanwhile(world: World) -> None:
    """What is made after the export began is not told, in whichever piece of time it lies."""
    ada = names(world)[0]
    shop = Shop(size=1)
    for number in range(4):
        shop.pay(f"p{number}", 1, ada)
        shop.order(f"o{number}", 1, ada)
    shop.payments[3]["created_at"] = shop.orders[3]["created_at"] = "2027-01-01T00:00:00Z"
    row = gathered(world, shop, "payments", "orders", in_flight=4)[ada]
    assert (row["payments.count"], row["orders.count"]) == (3, 3)


def test_a_cursor_that_dies_late(world: World) -> None:
    """Time leads on from where a cursor died: what was read is not read again."""
    shop = Shop(size=1)
    for number in range(60):
        shop.pay(f"p{number}", 1, names(world)[0])
    shop.dead = {50}
    gathered(world, shop, "payments")
    assert len(shop.calls("/v2/payments")) <= 60 + 2


def test_many_of_one_moment(world: World) -> None:
    """Where all lie in one moment, time is not cut: cursors lead through them."""
    shop = Shop(size=1)
    for number in range(20):
        shop.pay(f"p{number}", 1, names(world)[0], created_at="2024-01-01T00:00:00Z")
    gathered(world, shop, "payments", in_flight=3)
    assert len(shop.calls("/v2/payments")) <= 20 + 5


def test_cursors_that_always_die(world: World) -> None:
    """Where not even time leads on, it gives up."""
    shop = Shop(size=2)
    for number in range(9):
        shop.pay(f"p{number}", 1, created_at="2024-01-01T00:00:00Z")
    shop.dead = set(range(1000))
    with pytest.raises(Unavailable, match="cursors in a row"):
        gathered(world, shop, "payments")


# -- money -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "amount", "text"),
    [
        ("USD", 1234, "USD 12.34"),
        ("USD", -5, "USD -0.05"),
        ("USD", 0, "USD 0.00"),
        ("JPY", 1234, "JPY 1234"),
        ("JPY", -1, "JPY -1"),
        ("KWD", 1, "KWD 0.001"),
        ("CLF", 12345, "CLF 1.2345"),
        ("USD", 10**19 + 1, "USD 100000000000000000.01"),
    ],
)
def test_amounts(currency: str, amount: int, text: str) -> None:
    """Amounts have as many decimals as their currency."""
    assert money.written(currency, amount) == text


@settings(derandomize=True, deadline=None)
@given(st.integers(), st.sampled_from(["USD", "JPY", "KWD", "CLF", "BTC"]))
def test_no_cent_is_lost(amount: int, currency: str) -> None:
    """The digits of an amount are its cents, exactly."""
    name, number = money.written(currency, amount).split(" ")
    assert (name, int(number.replace(".", ""))) == (currency, amount)
