"""Custom attributes as typed columns, for the fewest calls."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.config import Config
from etl.customers.attributes import COMMON, Definition
from etl.export import beside
from etl.export.beside import attributes, typed
from etl.export.collected import Collected
from tests.export.gathering import Row, gather
from tests.worlds import Killed, Sent, World, interfere, open_world, people

NAME = "custom-attributes"
META = "https://developer-production-s.squarecdn.com/meta-schemas/v1/selection.json"
ASKED = "custom-attributes"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a world without customers."""
    world = open_world(tmp_path)
    yield world
    world.close()


def define(world: World, key: str, kind: str, *options: str) -> dict[str, str]:
    """Define an attribute as another application would; return the ids of its options."""
    schema: dict[str, Any] = {"$ref": COMMON + kind}
    if options:
        items = {"names": list(options)}
        schema = {"$schema": META, "type": "array", "uniqueItems": True, "maxItems": len(options)}
        schema["items"] = items
    body = {
        "custom_attribute_definition": {
            "key": key,
            "name": key,
            "description": key,
            "visibility": "VISIBILITY_READ_WRITE_VALUES",
            "schema": schema,
        }
    }
    square = world.square(Config()).connect(lambda call: None)
    told = square.create_attribute_definition(json.dumps(body).encode())
    items = told["schema"].get("items", {})
    return dict(zip(items.get("names", []), items.get("enum", []), strict=True))


def give(world: World, key: str, values: dict[str, Any]) -> None:
    """Give customers, by id, values of an attribute."""
    square = world.square(Config()).connect(lambda call: None)
    entries = list(values.items())
    for start in range(0, len(entries), 25):
        body = {
            "values": {
                id: {"customer_id": id, "custom_attribute": {"key": key, "value": value}}
                for id, value in entries[start : start + 25]
            }
        }
        assert not any(square.upsert_attributes(json.dumps(body).encode()).values())
    world.sent.clear()


def filled(world: World, count: int) -> list[str]:
    """Have the seller create customers; return their ids."""
    return [world.create(**person) for person in people(count)]


def seeded(world: World, profiles: int) -> dict[str, Row]:
    """Fill the directory as a plausible one; return each customer's attributes, by the log."""
    made = world.sandbox.control("seed", {"profiles": profiles, "seed": 7})
    options: dict[str, str] = {}
    # Without public data a profile is in no list and no search.
    found: dict[str, Row] = {id: {} for id in world.alive() if id not in made["instant_profiles"]}
    for entry in world.sandbox.log():
        change = entry["changes"]
        if entry["action"] == "create-attribute-definition":
            items = change["schema"].get("items", {})
            options |= dict(zip(items.get("enum", []), items.get("names", []), strict=True))
        if entry["action"] == "upsert-attribute" and entry["customer_id"] in found:
            value = change["value"]
            if isinstance(value, list):
                value = sorted(options[id] for id in value)
            if change["key"] == "member-since":
                value = date.fromisoformat(value)
            # Another application hides this one.
            if not change["key"].endswith(":score"):
                found[entry["customer_id"]]["custom_attributes." + change["key"]] = value
    return found


def comparable(rows: dict[str, Row]) -> dict[str, Row]:
    """Return the values there are; of a Selection the order says nothing."""
    return {
        id: {
            name: sorted(value) if isinstance(value, list) else value
            for name, value in row.items()
            if value is not None
        }
        for id, row in rows.items()
    }


@pytest.mark.parametrize("in_flight", [1, 8])
def test_a_plausible_directory(world: World, in_flight: int) -> None:
    """All values of all visible attributes; whoever has none is not asked."""
    expected = seeded(world, 400)
    rows = gather(world, NAME, only=expected, in_flight=in_flight)

    assert comparable(rows) == expected
    names = sorted(next(iter(rows.values())))
    assert [
        name.rpartition(":")[2] for name in names if not name.startswith("custom_attributes.sq")
    ] == ["custom_attributes.favorite-drink", "custom_attributes.member-since", "tier"]
    holders = [row for row in expected.values() if any("square:" not in name for name in row)]
    assert len(world.calls(ASKED)) == len(holders) < 300
    assert len(world.sent) < 340


def test_types(world: World) -> None:
    """Each definition decides the type of its column."""
    ids = filled(world, 3)
    ada, bob, _ = ids
    options = define(world, "needs", "", "Vegan", "No nuts")
    for key, kind, value in [
        ("text", "String", "a;b"),
        ("email", "Email", "ada@example.com"),
        ("phone", "PhoneNumber", "+14155550100"),
        ("day", "Date", "2024-02-29"),
        ("number", "Number", "-12.50001"),
        ("flag", "Boolean", False),
        ("place", "Address", {"locality": "Oslo", "country": "NO"}),
    ]:
        define(world, key, kind)
        give(world, key, {ada: value})
    give(world, "needs", {ada: [options["No nuts"], options["Vegan"]], bob: [options["Vegan"]]})

    rows = gather(world, NAME)

    assert {
        name.removeprefix("custom_attributes."): value for name, value in rows[ada].items()
    } == {
        "text": "a;b",
        "email": "ada@example.com",
        "phone": "+14155550100",
        "day": date(2024, 2, 29),
        "number": Decimal("-12.50001"),
        "flag": False,
        "place": '{"locality":"Oslo","country":"NO"}',
        "needs": ["No nuts", "Vegan"],
    }
    assert comparable(rows)[bob] == {"custom_attributes.needs": ["Vegan"]}
    assert set(rows[ids[2]].values()) == {None}


def test_flags_and_options_are_searched_for(world: World) -> None:
    """Who has which flag or option, searches tell: nobody is asked one by one."""
    ids = filled(world, 500)
    options = define(world, "needs", "", "Vegan", "Vegetarian", "No nuts")
    define(world, "member", "Boolean")
    vegan, nuts = options["Vegan"], options["No nuts"]
    give(
        world,
        "needs",
        {id: [nuts, vegan] if place % 2 else [vegan] for place, id in enumerate(ids[:240])},
    )
    give(world, "member", {id: place % 3 == 0 for place, id in enumerate(ids[100:400])})

    rows = gather(world, NAME)

    for place, id in enumerate(ids):
        needs = rows[id]["custom_attributes.needs"]
        assert needs == (None if place >= 240 else ["Vegan", "No nuts"] if place % 2 else ["Vegan"])
        member = rows[id]["custom_attributes.member"]
        assert member is (None if not 100 <= place < 400 else (place - 100) % 3 == 0)
    assert not world.calls(ASKED)
    # Definitions, a count of each before and after, 3 + 2 + 1 and 1 + 2 pages.
    assert len(world.sent) <= 1 + 4 + 9


def test_a_search_that_misses_somebody(world: World) -> None:
    """Somebody gets a value while it is searched for: then those who have any are asked."""
    ids = filled(world, 400)
    define(world, "member", "Boolean")
    give(world, "member", dict.fromkeys(ids[:50], True))
    late = ids[300]
    searches = 0

    def after(sent: Sent) -> None:
        nonlocal searches
        searches += sent.endpoint == "search"
        if searches == 3:
            world.after = lambda sent: None
            asked = list(world.sent)
            give(world, "member", {late: True})
            world.sent[:] = asked

    world.after = after
    rows = gather(world, NAME)

    assert {id for id, row in rows.items() if row["custom_attributes.member"]} == {*ids[:50], late}
    assert len(world.calls(ASKED)) == 51


def test_everybody_has_some(world: World) -> None:
    """Where searching would not spare calls, everybody is asked, once."""
    ids = filled(world, 150)
    define(world, "text", "String")
    give(world, "text", {id: f"of {id}" for id in ids[:149]})

    rows = gather(world, NAME)

    assert {id: row["custom_attributes.text"] for id, row in rows.items()} == {
        **{id: f"of {id}" for id in ids[:149]},
        ids[149]: None,
    }
    assert len(world.calls(ASKED)) == 150


def test_an_export_of_few(world: World) -> None:
    """Of a filtered export only those who pass are counted, searched and asked."""
    ids = filled(world, 300)
    define(world, "text", "String")
    give(world, "text", dict.fromkeys(ids[:200], "x"))
    filter = {"email_address": {"fuzzy": "person1"}}
    found = {id for id in ids if "person1" in world.profile(id)["email_address"]}

    rows = gather(world, NAME, only=found, filter=filter)

    assert {id for id, row in rows.items() if row["custom_attributes.text"]} == found & {*ids[:200]}
    assert len(world.calls(ASKED)) <= len(found)


def test_no_attributes_at_all(world: World) -> None:
    """Without definitions there are no columns, for one call."""
    filled(world, 3)
    assert set(map(len, gather(world, NAME).values())) == {0}
    assert len(world.sent) == 1


def test_a_customer_that_is_gone(world: World) -> None:
    """Whoever was deleted since has no values; the export goes on."""
    ids = filled(world, 30)
    define(world, "text", "String")
    give(world, "text", dict.fromkeys(ids, "x"))
    interfere(world, ASKED, 1, lambda: world.delete(ids[0]))
    rows = gather(world, NAME)
    assert [id for id, row in rows.items() if row["custom_attributes.text"] is None] == [ids[0]]


def test_values_of_another_type(world: World) -> None:
    """What does not fit its column, or has none, is not lost: it stands in a column of its own."""
    ada, bob, noor = filled(world, 3)
    define(world, "number", "Number")
    give(world, "number", {ada: "1", bob: "2", noor: "3"})
    values = [
        {"key": "number", "value": "many"},
        {"key": "later", "value": {"b": 1, "a": [2]}},
    ]
    interfere(world, ASKED, 2, lambda: httpx.Response(200, json={"custom_attributes": values}))
    rows = gather(world, NAME)
    odd = next(row for row in rows.values() if row["custom_attributes"])
    assert json.loads(odd["custom_attributes"]) == {"number": "many", "later": {"b": 1, "a": [2]}}
    assert odd["custom_attributes.number"] is None
    assert sum(row["custom_attributes.number"] is not None for row in rows.values()) == 2


def test_what_it_costs(world: World) -> None:
    """The cost that is shown first is what it takes, and finding it out is not done twice."""
    expected = seeded(world, 400)
    square = world.square(Config()).connect(lambda call: None)
    with Collected.open(world.folder / "export" / "collected.sqlite") as collected:
        costs = beside.cost([NAME, "cards"], collected.db, square, {}, len(expected))
    assert [(cost.what, cost.calls is None) for cost in costs] == [(NAME, False), ("cards", True)]
    assert costs[1].why == "one call for 25 cards on file"
    shown = costs[0].calls or 0
    preparing = len(world.sent)
    assert preparing == 5

    assert comparable(gather(world, NAME, only=expected)) == expected
    assert abs(len(world.sent) - preparing - shown) < 0.1 * shown
    assert shown < len(expected)


@pytest.mark.parametrize("everybody", [False, True])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_call(tmp_path: Path, moment: str, everybody: bool) -> None:
    """Killed at any call, it goes on with the next."""
    world = open_world(tmp_path)
    ids = filled(world, 10 if everybody else 30)
    options = define(world, "needs", "", "Vegan", "No nuts")
    define(world, "text", "String")
    give(world, "needs", {id: list(options.values()) for id in ids[:8]})
    asked = ids if everybody else ids[5:11]
    give(world, "text", dict.fromkeys(asked, "x"))
    expected = gather(world, NAME)
    calls = len(world.sent)
    assert len(world.calls(ASKED)) == len(asked)
    assert {id for id, row in expected.items() if row["custom_attributes.text"]} == {*asked}

    for at in range(calls):
        for path in (world.folder / "export").iterdir():
            path.unlink()
        world.sent.clear()

        def passing(sent: Sent, last: int = at) -> None:
            if len(world.sent) > last:
                raise Killed

        setattr(world, moment, passing)
        with pytest.raises(Killed):
            gather(world, NAME)
        world.before, world.after = lambda sent: None, lambda sent: None
        assert gather(world, NAME) == expected
        # What was counted before the plan was settled is counted again.
        assert len(world.sent) <= calls + 3
    world.close()


# -- by itself -------------------------------------------------------------------------------

KINDS = st.sampled_from(["String", "Date", "Boolean", "Selection"])


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(KINDS, st.integers(0, 5000)), max_size=6), st.integers(0, 5000))
def test_the_way_of_the_fewest_calls(kinds: list[tuple[str, int]], profiles: int) -> None:
    """It never takes more calls than asking everybody; nobody is asked what a search tells."""
    definitions = [
        Definition(f"key{place}", kind, options={"A": "1", "B": "2"})
        for place, (kind, _) in enumerate(kinds)
    ]
    holders = {f"key{place}": min(count, profiles) for place, (_, count) in enumerate(kinds)}
    plan = attributes.choose(definitions, holders, profiles)

    assert plan.calls <= profiles
    assert plan.ways.keys() == holders.keys()
    alone = [one for one in definitions if one.type in ("Boolean", "Selection")]
    if len(alone) == len(definitions):
        searched = sum(math.ceil(count / 100) + 3 for count in holders.values())
        assert plan.calls <= max(searched, 0)
    assert len(set(plan.ways.values()) - {"everybody"}) in (
        0,
        len({one.type in ("Boolean", "Selection") for one in definitions}),
    )


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("Number", "007.5", Decimal("7.50000")),
        ("Number", ".5", Decimal("0.50000")),
        ("Number", "-3.", Decimal("-3")),
        ("Number", "9" * 33, Decimal("9" * 33)),
        ("Number", "9" * 34, None),
        ("Number", "1e3", None),
        ("Number", "-", None),
        ("Number", ".", None),
        ("Number", 12, None),
        ("Number", "١", None),
        ("Date", "2023-02-29", None),
        ("Date", "0000-02-01", None),
        ("Date", "2023-02-01T00:00:00Z", None),
        ("Boolean", "true", None),
        ("Boolean", 1, None),
        ("Selection", ["1", "gone"], ["A", "gone"]),
        ("Selection", [], []),
        ("Selection", "1", None),
        ("Address", "Oslo", None),
        ("String", 5, None),
        ("DateTime", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("Later", "x", "x"),
    ],
)
def test_values_by_type(kind: str, value: object, expected: object) -> None:
    """A value is what its column can hold, exactly, or nothing."""
    assert typed.fitting(Definition("key", kind, options={"A": "1"}), value) == expected
