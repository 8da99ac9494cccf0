"""Tests of deletions and merges between two runs: events say whom to look at, never who is gone."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.journal.ledger import Ledger
from etl.sandbox import Request
from tests.directory.test_kept import INDEX, Seller, deeds, kept_profiles, seed
from tests.worlds import (
    Sent,
    World,
    counts,
    errors,
    open_world,
    people,
    run_import,
    run_plan,
    table,
)

Events = list[Any]
DAY = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose lists are half a minute behind; Square notes events for searches."""
    world = open_world(tmp_path, lag=30)
    enable_events(world)
    yield world
    world.close()


def enable_events(world: World) -> None:
    """Have the application's events noted from now on."""
    headers = {"authorization": f"Bearer {world.sandbox.token}"}
    answer = world.sandbox.respond(Request("PUT", "/v2/events/enable", "", headers, b""))
    assert answer.status == 200


def retold(world: World, change: Callable[[Events], Events]) -> None:
    """Have searches for events answer with what ``change`` makes of each page."""

    def before(sent: Sent) -> httpx.Response | None:
        if sent.endpoint != "events":
            return None
        headers = {"authorization": f"Bearer {world.sandbox.token}"}
        told = world.sandbox.respond(Request("POST", "/v2/events", "", headers, sent.content))
        answer = json.loads(told.body)
        return httpx.Response(200, json=answer | {"events": change(answer.get("events", []))})

    world.before = before


def a_night_of_changes(world: World) -> tuple[list[str], str]:
    """Import 350 people; then three are deleted and two merged. Return their ids, the survivor's.

    An hour passes before and afterwards.
    """
    seed(world, 350)
    run_import(world, people(350), INDEX, name="first.csv")
    by_reference = sorted(world.alive().values(), key=lambda profile: profile["reference_id"])
    ids = [profile["id"] for profile in by_reference[5:10]]
    world.time.now += 3600
    for gone in ids[:3]:
        world.delete(gone)
    survivor = world.merge(*ids[3:])
    world.time.now += 3600
    world.sent.clear()
    return ids, survivor


def customers(world: World, report: dict[str, Any]) -> list[str]:
    """Return the customer of each row."""
    return [row["customer_id"] for row in table(world, report, "rows.csv")]


def test_events_say_who_is_gone(world: World) -> None:
    """Whoever was deleted or merged between two runs costs two calls, however many rows match."""
    ids, survivor = a_night_of_changes(world)

    report = run_plan(world, people(350), INDEX)

    assert len(world.calls("events")) == 1
    (read,) = world.calls("bulk-retrieve")
    assert sorted(json.loads(read.content)["customer_ids"]) == sorted(ids)
    assert customers(world, report)[5:10] == ["", "", "", survivor, survivor]
    assert not set(ids) & kept_profiles(world).keys()
    assert report["lookup"].endswith("; 5 profiles of it are gone: 5 named by Square's events")

    world.sent.clear()
    run_plan(world, people(350), INDEX, name="again.csv")
    assert world.calls("events") == []


def test_a_token_that_may_not_search_for_events(world: World) -> None:
    """Without the scope all that rows could match is read by id, as the summary says."""
    ids, survivor = a_night_of_changes(world)
    world.token = world.new_token()

    report = run_plan(world, people(350), INDEX)

    assert len(world.calls("events")) == 1
    assert len(world.calls("bulk-retrieve")) == 4
    assert customers(world, report)[5:10] == ["", "", "", survivor, survivor]
    assert not set(ids) & kept_profiles(world).keys()
    assert report["lookup"].endswith(
        "; 5 profiles of it are gone: looked for by id (the token may not search for events)"
    )


def test_source_keys_follow_merges(world: World) -> None:
    """People of another file, too, are known by the profile theirs was merged into."""
    ids, survivor = a_night_of_changes(world)
    keys = ["|reference_id|R0008", "|reference_id|R0009"]

    with closing(Ledger(world.state.ledger, world.sandbox.merchant_id)) as ledger:
        assert ledger.known(keys) == dict(zip(keys, ids[3:], strict=True))
        run_import(world, people(2), INDEX, name="others.csv")
        assert ledger.known(keys) == dict.fromkeys(keys, survivor)


def test_nobody_asks_for_events_while_the_count_agrees(world: World) -> None:
    """Who came and went between two runs costs nothing."""
    seed(world, 150)
    run_import(world, people(150), INDEX, name="first.csv")
    world.time.now += 3600
    world.delete(world.create(given_name="Passing"))
    world.time.now += 3600
    world.sent.clear()

    run_plan(world, people(150), INDEX)

    assert world.calls("events") == []
    assert world.calls("bulk-retrieve") == []


WRONG: Events = [
    "no event",
    {},
    {"type": "customer.deleted", "created_at": "2026-08-20T02:00:00Z", "data": None},
    {"type": "customer.deleted", "created_at": "yesterday", "data": {"id": "A"}},
    {"type": "customer.deleted", "created_at": "2026-08-20T02:00:00", "data": {"id": "A"}},
    {"type": "customer.deleted", "created_at": "2026-08-20T02:00:00Z", "data": {"id": 7}},
    {
        "type": "customer.deleted",
        "created_at": "2026-08-20T02:00:00Z",
        "data": {"id": "A", "object": {"event_context": {"merge": {"from_customer_ids": 7}}}},
    },
    {"type": "customer.deleted", "created_at": "2026-08-20T02:00:00Z", "data": {"object": []}},
]


@pytest.mark.parametrize(
    ("change", "named", "read"),
    [
        pytest.param(lambda events: [], 0, 4, id="missing"),
        pytest.param(lambda events: events[1:], 5, 1, id="missing, but named by another"),
        pytest.param(lambda events: events[2:], 3, 5, id="some missing"),
        pytest.param(lambda events: events[::-1] * 3, 5, 1, id="repeated, in any order"),
        pytest.param(lambda events: [*WRONG[1:], *events], 5, 1, id="beside nonsense"),
    ],
)
def test_events_change_nothing_but_the_cost(
    world: World, change: Callable[[Events], Events], named: int, read: int
) -> None:
    """Lost, repeated or unreadable events lead to the same customers by other calls."""
    ids, survivor = a_night_of_changes(world)
    retold(world, change)

    report = run_plan(world, people(350), INDEX)

    assert customers(world, report)[5:10] == ["", "", "", survivor, survivor]
    assert not set(ids) & kept_profiles(world).keys()
    assert f"{named} named" in report["lookup"] or not named
    assert len(world.calls("bulk-retrieve")) == read


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: httpx.Response(200, json={"events": WRONG}), id="wrong event"),
        pytest.param(lambda: httpx.Response(200, json={"events": 7}), id="no list"),
        pytest.param(lambda: httpx.Response(200, json={"customers": []}), id="another answer"),
        pytest.param(lambda: httpx.Response(200, text="<html>"), id="an edge page"),
        pytest.param(lambda: errors(404, "NOT_FOUND"), id="no such call"),
        pytest.param(lambda: httpx.Response(503), id="an outage"),
    ],
)
def test_events_that_cannot_be_had_stop_nothing(
    world: World, answer: Callable[[], httpx.Response]
) -> None:
    """Whatever comes in place of events, the run goes on by reading profiles by id, and says so."""
    ids, survivor = a_night_of_changes(world)
    world.before = lambda sent: answer() if sent.endpoint == "events" else None

    report = run_plan(world, people(350), INDEX)

    assert customers(world, report)[5:10] == ["", "", "", survivor, survivor]
    assert not set(ids) & kept_profiles(world).keys()
    assert report["lookup"].endswith("looked for by id (Square's events could not be searched)")


def test_an_event_of_somebody_who_lives_takes_nobody_away(world: World) -> None:
    """A profile is gone when Square does not know its id, whatever an event says."""
    a_night_of_changes(world)
    living = [id for id in world.alive() if id in kept_profiles(world)]
    retold(
        world,
        lambda events: [
            {"type": "customer.deleted", "created_at": events[0]["created_at"], "data": {"id": id}}
            for id in living[:50]
        ],
    )

    report = run_import(world, people(350), INDEX)

    assert counts(report)["created"] == 3  # those who were deleted
    assert living[:50] == [id for id in living[:50] if id in kept_profiles(world)]


def test_an_event_that_comes_late_is_heard_the_next_time(world: World) -> None:
    """Who is gone, matches no row and was told by no event is dropped once an event tells it."""
    ids = seed(world, 350)
    run_import(world, people(2), INDEX, name="first.csv")
    world.time.now += 3600
    for gone in ids[100:103]:
        world.delete(gone)
    world.time.now += 3600
    retold(world, lambda events: [])
    run_plan(world, people(2), INDEX, name="second.csv")
    assert len(kept_profiles(world)) == 350
    world.before = lambda sent: None
    world.time.now += 2 * DAY
    world.sent.clear()

    run_plan(world, people(2), INDEX, name="third.csv")

    assert len(kept_profiles(world)) == 347
    assert (len(world.calls("events")), len(world.calls("bulk-retrieve"))) == (1, 1)


def test_a_deletion_that_lists_do_not_show_yet_hides_no_other(world: World) -> None:
    """The event of a fresh deletion does not stand for an older one whose event was lost."""
    seed(world, 350)
    run_import(world, people(350), INDEX, name="first.csv")
    old, fresh = list(world.alive())[3:5]
    world.time.now += 3600
    world.delete(old)
    world.time.now += 3600
    world.delete(fresh)
    retold(world, lambda events: [event for event in events if event["data"]["id"] != old])

    report = run_plan(world, people(350), INDEX)

    assert not {old, fresh} & set(customers(world, report))


def test_a_copy_that_is_older_than_events(world: World) -> None:
    """Square keeps events for 28 days: after a longer pause nobody asks for them."""
    _, survivor = a_night_of_changes(world)
    world.time.now += 29 * DAY

    report = run_plan(world, people(350), INDEX)

    assert world.calls("events") == []
    assert customers(world, report)[5:10] == ["", "", "", survivor, survivor]
    assert report["lookup"].endswith("(the copy is older than Square's events)")


def test_events_are_not_asked_where_reading_by_id_is_cheaper(world: World) -> None:
    """A small file does not turn pages of events about a great clearing away."""
    ids = seed(world, 600)
    run_import(world, people(3), INDEX, name="first.csv")
    world.time.now += 3600
    for gone in ids[100:450]:
        world.delete(gone)
    world.time.now += 3600
    world.sent.clear()

    run_plan(world, people(4), INDEX)

    assert (len(world.calls("events")), len(world.calls("bulk-retrieve"))) == (0, 1)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.lists(deeds, min_size=2, max_size=4), st.integers(0, 2**16))
def test_whatever_becomes_of_events_the_plan_is_a_snapshots(
    nights: list[list[str]], seed: int
) -> None:
    """Events that are lost, late, repeated or mixed up never change what is planned."""
    with tempfile.TemporaryDirectory() as folder:
        world = open_world(Path(folder), lag=30)
        enable_events(world)
        chance = random.Random(seed)
        seller = Seller(world, chance)

        def garbled(events: Events) -> Events:
            return [event for event in events for _ in range(chance.choice([0, 1, 1, 2]))]

        retold(world, garbled)
        rows = people(6)
        for row in rows[3:]:
            del row["reference_id"]
        for night in nights:
            for deed in night:
                seller(deed)
            world.time.now += chance.choice([31, 700])
            refreshed = run_plan(world, rows, INDEX)
            paged = run_plan(world, rows, {"dedupe": {"lookup": "snapshot"}}, name="paged.csv")
            told = ["line", "outcome", "customer_id", "matched_by", "detail"]
            ledgers = (table(world, report, "rows.csv") for report in (refreshed, paged))
            one, other = ([[row[name] for name in told] for row in rows] for rows in ledgers)
            assert one == other
        world.close()
