"""Groups, segments, cards, gift cards, payments and orders beside the profiles of a seeded Square.

What is expected is worked out from the sandbox's log, one thing after the other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.config import Config
from etl.errors import ConfigError, Interrupted, Unauthorized
from etl.export import beside
from etl.export.collected import Collected
from etl.sandbox import Request
from tests.export.gathering import Row, gather, time
from tests.worlds import Killed, Sent, World, errors, interfere, open_world

EVERYTHING = tuple(beside.KINDS)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a world whose seller has 300 customers, some of which were merged since."""
    world = seeded(tmp_path)
    yield world
    world.close()


def seeded(folder: Path, profiles: int = 300) -> World:
    """Open a world with a plausible directory, where those who bought most are merged."""
    world = open_world(folder)
    world.sandbox.control("seed", {"profiles": profiles, "seed": 7})
    buyers = sorted(paid_by(world).items(), key=lambda one: -len(one[1]))
    ids = [id for id, _ in buyers[:4]]
    merged = world.merge(ids[0], ids[1])
    world.merge(merged, ids[2])
    world.delete(ids[3])
    world.time.sleep(60)
    return world


# -- what the sandbox knows ------------------------------------------------------------------


def told(world: World, path: str) -> Any:
    """Return the one thing, or all, that Square answers under a path."""
    headers = {"authorization": f"Bearer {world.sandbox.token}"}
    answer = world.sandbox.respond(Request("GET", path, "", headers, b""))
    assert answer.status == 200, answer.body
    (found,) = json.loads(answer.body).values()
    return found


def aliases(world: World) -> dict[str, str]:
    """Return the id that each merged customer has by now."""
    found: dict[str, str] = {}
    for entry in world.sandbox.log():
        if entry["action"] == "merge":
            olds = entry["changes"]["from"]
            found = {
                old: entry["customer_id"] if new in olds else new for old, new in found.items()
            }
            found |= dict.fromkeys(olds, entry["customer_id"])
    return found


def made(world: World, action: str, path: str, member: str) -> list[dict[str, Any]]:
    """Return everything the log says was made, as it is now."""
    ids = dict.fromkeys(
        entry["changes"][member] for entry in world.sandbox.log() if entry["action"] == action
    )
    return [told(world, f"{path}/{id}") for id in ids]


def paid_by(world: World) -> dict[str, list[dict[str, Any]]]:
    """Return the payments of each customer."""
    found, now = defaultdict(list), aliases(world)
    for payment in made(world, "create-payment", "/v2/payments", "payment_id"):
        found[now.get(payment["customer_id"], payment["customer_id"])].append(payment)
    return found


def ordered_by(world: World) -> dict[str, list[dict[str, Any]]]:
    """Return the orders of each customer: whoever paid, else the one it is for."""
    payers = {
        payment["order_id"]: customer
        for customer, payments in paid_by(world).items()
        for payment in payments
    }
    found, now = defaultdict(list), aliases(world)
    for order in made(world, "create-order", "/v2/orders", "order_id"):
        customer = payers.get(order["id"]) or order.get("customer_id")
        if customer:
            found[now.get(customer, customer)].append(order)
    return found


def summed(kind: str, things: list[dict[str, Any]]) -> Row:
    """Return the columns of a history in US dollars."""
    times = sorted(time(one["created_at"]) for one in things)
    total = sum(one["total_money"]["amount"] for one in things)
    return {
        f"{kind}.count": len(things),
        f"{kind}.first_at": times[0] if times else None,
        f"{kind}.last_at": times[-1] if times else None,
        f"{kind}.total": [f"USD {total // 100}.{total % 100:02}"] if things else [],
    }


# -- histories -------------------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 8])
def test_payments(world: World, in_flight: int) -> None:
    """Each customer's payments, those under ids from before a merge too, for a call per 100."""
    rows = gather(world, "payments", in_flight=in_flight)

    expected = paid_by(world)
    assert rows == {id: summed("payments", expected[id]) for id in rows}
    assert max(row["payments.count"] for row in rows.values()) > 12
    assert len(rows) == 297
    calls = len(world.calls("payments"))
    assert calls == 4 if in_flight == 1 else calls <= 12
    # All payments name their customer, so orders are not asked.
    assert not world.calls("search")
    # Three were merged, twice, and one was deleted: one call.
    assert len(world.calls("bulk-retrieve")) == 1


@pytest.mark.parametrize("in_flight", [1, 8])
def test_orders(world: World, in_flight: int) -> None:
    """Orders belong to whoever paid them, or for whom they were made."""
    rows = gather(world, "orders", in_flight=in_flight)

    expected = ordered_by(world)
    assert rows == {id: summed("orders", expected[id]) for id in rows}
    assert len(world.calls("search")) == 1


def test_payments_and_orders_are_read_once(world: World) -> None:
    """Both together take no more calls than orders alone."""
    rows = gather(world, "orders", "payments")

    paid, ordered = paid_by(world), ordered_by(world)
    assert rows == {id: summed("payments", paid[id]) | summed("orders", ordered[id]) for id in rows}
    assert (len(world.calls("payments")), len(world.calls("search"))) == (4, 1)


def test_some_customers_only(world: World) -> None:
    """Of an export of some customers only theirs are told; others are looked up, a call per 100."""
    paid = paid_by(world)
    some = [id for id in world.alive() if id in paid][:20]
    assert gather(world, "payments", only=some) == {id: summed("payments", paid[id]) for id in some}
    assert len(world.calls("bulk-retrieve")) == -(-(len(paid) + 3 - len(some)) // 100)


def test_long_histories_side_by_side(tmp_path: Path) -> None:
    """With calls to spare the time is cut into pieces, for few calls more than pages."""
    world = seeded(tmp_path, 1500)
    pages = -(-sum(map(len, paid_by(world).values())) // 100)
    alone = gather(world, "payments", "orders")
    asked = len(world.calls("payments"))
    assert asked == pages
    (world.folder / "export" / "collected.sqlite").unlink()
    assert gather(world, "payments", "orders", in_flight=6) == alone
    assert len(world.calls("payments")) - asked <= 2 * pages + 6
    world.close()


# -- cards -----------------------------------------------------------------------------------


def test_cards_on_file(world: World) -> None:
    """The enabled cards of each customer, for a call per 25."""
    rows = gather(world, "cards")

    expected: dict[str, list[dict[str, Any]]] = defaultdict(list)
    now, disabled = aliases(world), 0
    for entry in world.sandbox.log():
        owner = entry["customer_id"]
        # The cards of the deleted one are gone.
        if entry["action"] != "create-card" or now.get(owner, owner) not in rows:
            continue
        card = told(world, f"/v2/cards/{entry['changes']['card_id']}")
        disabled += not card["enabled"]
        if card["enabled"]:
            expected[card["customer_id"]].append(card)
    assert disabled
    assert sum(row["cards.count"] for row in rows.values()) == sum(map(len, expected.values()))
    for id, row in rows.items():
        cards = sorted(expected[id], key=lambda card: str(card["id"]))
        expiries = [f"{card['exp_year']}-{card['exp_month']:02}" for card in cards]
        assert row == {
            "cards.count": len(cards),
            "cards.brands": [card["card_brand"] for card in cards],
            "cards.last_4": [card["last_4"] for card in cards],
            "cards.expires": min(expiries, default=None),
        }
    assert len(world.calls("cards")) == -(-sum(map(len, expected.values())) // 25)


def test_gift_cards(world: World) -> None:
    """The gift cards each customer is linked to, with what is on them; no number is kept whole."""
    rows = gather(world, "gift-cards")

    cards = made(world, "create-gift-card", "/v2/gift-cards", "gift_card_id")
    for id, row in rows.items():
        own = [card for card in cards if id in card.get("customer_ids", [])]
        balance = sum(card["balance_money"]["amount"] for card in own)
        assert row["gift_cards.count"] == len(own)
        assert sorted(row["gift_cards.last_4"]) == sorted(card["gan"][-4:] for card in own)
        assert row["gift_cards.balance"] == (
            [f"USD {balance // 100}.{balance % 100:02}"] if own else []
        )
    assert any(row["gift_cards.count"] for row in rows.values())
    assert len(world.calls("gift-cards")) == 1
    kept = b"".join(path.read_bytes() for path in (world.folder / "export").iterdir())
    assert cards
    assert not any(card["gan"].encode() in kept for card in cards)


# -- groups and segments ---------------------------------------------------------------------


def test_groups_and_segments_by_name(world: World) -> None:
    """Ids become names, in the order of the profile, for a call each."""
    alone = world.create(given_name="Ines")
    rows = gather(world, "groups", "segments")

    assert len(world.calls("groups")) == len(world.calls("segments")) == 1
    groups, segments = (
        {one["id"]: one["name"] for one in told(world, f"/v2/customers/{kind}")}
        for kind in ("groups", "segments")
    )
    for id, profile in world.alive().items():
        assert rows[id]["groups"] == [groups[each] for each in profile.get("group_ids", [])]
        assert rows[id]["segments"] == [segments[each] for each in profile.get("segment_ids", [])]
    assert rows[alone] == {"groups": [], "segments": []}
    assert {name for row in rows.values() for name in row["groups"]} == set(groups.values())
    assert any(row["segments"] for row in rows.values())


def test_ids_without_a_name(world: World) -> None:
    """A group that Square does not list, as those of Appointments, shows as its id."""
    ines = world.create(given_name="Ines")
    with Collected.open(world.folder / "export" / "collected.sqlite") as collected:
        profile = world.profile(ines) | {"group_ids": ["JGJCW9S0G68NE.APPOINTMENTS"]}
        collected.keep([profile], 1)
    assert gather(world, "groups")[ines]["groups"] == ["JGJCW9S0G68NE.APPOINTMENTS"]


def test_ids_of_a_name(world: World) -> None:
    """A name stands for all groups that have it; one that none has names those that are near."""
    square = world.square(Config()).connect(lambda call: None)
    body = {"group": {"name": "Wholesale"}, "idempotency_key": "again"}
    square.create_group(json.dumps(body).encode())
    listed = told(world, "/v2/customers/groups")
    ids = {group["id"] for group in listed if group["name"] == "Wholesale"}

    found = beside.ids_by_name("groups", [" Wholesale"], square)
    assert {name: set(each) for name, each in found.items()} == {" Wholesale": ids}
    assert len(ids) == 2
    (segment, *_) = told(world, "/v2/customers/segments")
    by_name = beside.ids_by_name("segments", [segment["name"]], square)
    assert by_name == {segment["name"]: (segment["id"],)}
    with pytest.raises(ConfigError, match=r"no group 'Wholesales'.*did you mean 'Wholesale'"):
        beside.ids_by_name("groups", ["Wholesales"], square)
    with pytest.raises(ConfigError, match=r"no segment 'zzzz' in this account$"):
        beside.ids_by_name("segments", ["zzzz"], square)


# -- stopped and gone on with ----------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_call(tmp_path: Path, moment: str) -> None:
    """Killed at any call, it goes on; nothing that was answered is asked again, but one call."""
    wanted = tuple(name for name in EVERYTHING if name != "custom-attributes")
    world = seeded(tmp_path, 150)
    expected = gather(world, *wanted)
    calls = len(world.sent)
    assert calls > 8

    for at in range(calls):
        folder = world.folder / "export"
        for path in folder.iterdir():
            path.unlink()
        world.sent.clear()

        def passing(sent: Sent, last: int = at) -> None:
            if len(world.sent) > last:
                raise Killed

        setattr(world, moment, passing)
        with pytest.raises(Killed):
            gather(world, *wanted)
        world.before, world.after = lambda sent: None, lambda sent: None
        assert gather(world, *wanted) == expected
        assert len(world.sent) <= calls + 1
    world.close()


def test_gathered_twice(world: World) -> None:
    """What was gathered is not asked for again, until it is forgotten."""
    rows = gather(world, *EVERYTHING)
    asked = len(world.sent)
    assert gather(world, *EVERYTHING) == rows
    assert len(world.sent) == asked

    with Collected.open(world.folder / "export" / "collected.sqlite") as collected:
        beside.forget(collected.db)
        tables = collected.db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        full = {
            name
            for (name,) in tables
            if collected.db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        }
    assert full == {"profiles"}
    assert gather(world, *EVERYTHING) == rows


def test_stopped_by_a_signal(world: World) -> None:
    """Whoever follows the progress can stop it; what is there by then stays."""

    def tell(what: str, done: int, total: int) -> None:
        if what == "payments" and done:
            raise Interrupted("stopped by SIGTERM")

    with pytest.raises(Interrupted):
        gather(world, "cards", "payments", tell=tell)
    asked = len(world.sent)
    rows = gather(world, "cards", "payments")
    assert sum(row["payments.count"] for row in rows.values()) > 200
    assert len(world.calls("payments")) == 4
    assert len(world.sent) == asked + 4


# -- scopes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "scope"),
    [("cards", "PAYMENTS_READ"), ("gift-cards", "GIFTCARDS_READ"), ("orders", "ORDERS_READ")],
)
def test_scopes_that_are_missing(world: World, kind: str, scope: str) -> None:
    """A token that may not read something is refused before anything is read."""
    have = ["CUSTOMERS_READ", "MERCHANT_PROFILE_READ"]
    have += ["PAYMENTS_READ"] if kind == "orders" else []
    world.token = world.new_token(*have)
    square = world.square(Config()).connect(lambda call: None)

    beside.check(["groups", "segments", "custom-attributes"], square)
    with pytest.raises(Unauthorized, match=f"is without {scope}, which --with {kind} needs"):
        beside.check([kind], square)
    # Where Square does not say what a token may do, it says so when it is asked.
    with pytest.raises(Unauthorized, match=f"is without {scope}, which --with {kind} needs"):
        gather(world, kind)


def test_tokens_that_are_revoked(world: World) -> None:
    """A token that is no token any more is not taken for one without a scope."""
    interfere(world, "cards", 1, lambda: errors(401, "UNAUTHORIZED", "AUTHENTICATION_ERROR"))
    with pytest.raises(Unauthorized, match="expired, revoked"):
        gather(world, "cards")


def test_cursors_that_die(tmp_path: Path) -> None:
    """A cursor that is refused costs a page of a history, and a listing its beginning."""
    world = seeded(tmp_path, 600)
    expected = gather(world, "payments", "cards")
    (world.folder / "export" / "collected.sqlite").unlink()
    world.sandbox.control("settings", {"cursor_lifetime": 30})
    world.sent.clear()
    asked: dict[str, int] = defaultdict(int)

    def before(sent: Sent) -> None:
        asked[sent.endpoint] += 1
        if asked[sent.endpoint] == 3:
            world.time.sleep(31)

    world.before = before
    assert gather(world, "payments", "cards") == expected
    world.close()
