"""All of the directory, each customer once, whatever others do meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.config import Config
from etl.errors import Interrupted, Unavailable
from etl.export.collect import Collection
from etl.export.collected import Collected
from tests.worlds import Killed, Sent, World, open_world, people

PAGE = 100


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a world whose Square answers at once and shows everything at once."""
    world = open_world(tmp_path)
    yield world
    world.close()


Watch = Callable[[str, int, int], None]


def collect(
    world: World,
    *,
    lag: float = 0.0,
    in_flight: int = 1,
    filter: dict[str, Any] | None = None,
    watch: Watch = lambda stage, done, total: None,
) -> dict[str, dict[str, Any]]:
    """Collect as an export does and return the profiles by id."""
    square = world.square(Config()).connect(lambda call: None)
    with Collected.open(world.folder / "export" / "collected.sqlite") as collected:
        Collection(
            collected,
            square,
            filter or {},
            in_flight,
            world.time.clock,
            world.time.sleep,
            watch,
            lag,
        ).complete()
        found = [profile for batch in collected.batches(50) for profile in batch]
    assert len(found) == len({profile["id"] for profile in found})
    return {profile["id"]: profile for profile in found}


def filled(world: World, count: int, seconds: float = 3600.0) -> list[str]:
    """Have the seller create customers, some seconds apart; return their ids."""
    ids = []
    for person in people(count):
        world.time.sleep(seconds)
        ids.append(world.create(**person))
    world.time.sleep(seconds)
    return ids


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_everybody_is_found_once(world: World, count: int) -> None:
    """Whatever the size, everybody is there, for hardly more calls than pages."""
    ids = filled(world, count)
    assert collect(world).keys() == set(ids)
    assert collect(world) == world.alive()
    assert len(world.calls("search")) <= 2 * (count // 100 + 3)


def test_people_made_in_one_moment(world: World) -> None:
    """Hundreds created at the same time are found, though time cannot tell them apart."""
    ids = filled(world, 350, 0.0)
    world.time.sleep(1)
    assert collect(world).keys() == set(ids)


# -- whatever others do ----------------------------------------------------------------------


def test_deleted_behind_the_reading(world: World) -> None:
    """Who was deleted after having been read is not exported, and nobody else is missing."""
    ids = filled(world, 250)
    seen = 0

    def after(sent: Sent) -> None:
        nonlocal seen
        seen += sent.endpoint == "search"
        if seen == 2:
            seen += 1
            world.delete(ids[7])

    world.after = after
    assert collect(world).keys() == set(ids) - {ids[7]}


def test_merged_behind_the_reading(world: World) -> None:
    """Of merged customers only the one they became is exported."""
    ids = filled(world, 250)
    became = ""

    def after(sent: Sent) -> None:
        nonlocal became
        if sent.endpoint == "search" and not became and len(world.calls("search")) == 2:
            became = world.merge(ids[3], ids[200])

    world.after = after
    found = collect(world)
    assert found.keys() == {*ids, became} - {ids[3], ids[200]}


def test_edited_behind_the_reading(world: World) -> None:
    """Who is changed while the rest is read is exported as they were at the beginning or later."""
    ids = filled(world, 250)

    def after(sent: Sent) -> None:
        if sent.endpoint == "search" and len(world.calls("search")) == 3:
            world.after = lambda sent: None
            world.update(ids[0], note="new")

    world.after = after
    assert collect(world)[ids[0]]["note"] == "new"


def test_lists_that_lag(tmp_path: Path) -> None:
    """Whoever was created or changed just before the beginning is exported as they are."""
    world = open_world(tmp_path, lag=30.0)
    ids = filled(world, 120, 60.0)
    world.update(ids[0], note="new")
    late = world.create(given_name="Late")
    world.time.sleep(1)
    found = collect(world, lag=60.0)
    assert found.keys() == {*ids, late}
    assert found[ids[0]]["note"] == "new"
    world.close()


def test_a_directory_that_never_rests(world: World) -> None:
    """Somebody disappears at every call: there is no proof, and so no export."""
    ids = filled(world, 250)

    def after(sent: Sent) -> None:
        if sent.endpoint == "search":
            world.delete(ids.pop())

    world.after = after
    with pytest.raises(Unavailable, match="give the same command again"):
        collect(world)


def test_cursors_that_die(tmp_path: Path) -> None:
    """A cursor that is refused costs its window one page, not the export."""
    world = open_world(tmp_path)
    world.sandbox.control("settings", {"cursor_lifetime": 30})
    ids = filled(world, 450)
    calls = 0

    def before(sent: Sent) -> None:
        nonlocal calls
        calls += sent.endpoint == "search"
        if calls % 2 == 0:
            world.time.sleep(31)

    world.before = before
    assert collect(world).keys() == set(ids)
    assert len(world.calls("search")) <= 20
    world.close()


def test_cursors_that_always_die(tmp_path: Path) -> None:
    """Where time cannot lead on either, the export gives up instead of asking for ever."""
    world = open_world(tmp_path)
    world.sandbox.control("settings", {"cursor_lifetime": 30})
    filled(world, 250, 0.0)
    world.before = lambda sent: world.time.sleep(31)
    with pytest.raises(Unavailable, match="cursors in a row"):
        collect(world)
    world.close()


# -- stopped and gone on with ----------------------------------------------------------------


def test_killed_at_any_call(tmp_path: Path) -> None:
    """Killed before or after any call, the same command goes on and asks little twice."""
    at = 0
    while True:
        (tmp_path / str(at)).mkdir()
        world = open_world(tmp_path / str(at))
        ids = filled(world, 230)
        passed = 0

        def pass_by(sent: Sent, last: int = at) -> None:
            nonlocal passed
            passed += 1
            if passed > last:
                raise Killed

        setattr(world, "before" if at % 2 else "after", pass_by)
        try:
            found = collect(world)
        except Killed:
            world.before, world.after = lambda sent: None, lambda sent: None
            found = collect(world)
            assert len(world.calls("search")) <= 8
        else:
            world.close()
            break
        assert found.keys() == set(ids)
        world.close()
        at += 1
    assert at > 4


def test_stopped_by_a_signal(world: World) -> None:
    """Stopped, it keeps what was read."""
    ids = filled(world, 230)

    def watch(stage: str, done: int, total: int) -> None:
        if done >= PAGE:
            raise Interrupted("stopped by SIGTERM")

    with pytest.raises(Interrupted):
        collect(world, watch=watch)
    asked = len(world.calls("search"))
    assert collect(world).keys() == set(ids)
    assert len(world.calls("search")) <= asked + 5


# -- several at a time -----------------------------------------------------------------------


def test_windows_are_read_side_by_side(world: World) -> None:
    """A large directory is cut into windows, however unevenly it grew; few calls come of it."""
    ids = []
    for index, person in enumerate(people(5000)):
        if index % 10 == 0:
            world.time.sleep(86_400 if index < 1000 else 1)
        ids.append(world.create(**person))
    world.time.sleep(60)
    found = collect(world, in_flight=12)
    assert found.keys() == set(ids)
    assert len(world.calls("search")) <= 1.8 * len(ids) / PAGE


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_meanwhile(tmp_path: Path, seed: int) -> None:
    """Everybody alive throughout is there exactly once, as of the beginning or later."""
    chance = random.Random(seed)
    world = open_world(tmp_path, lag=chance.choice([0.0, 20.0]))
    world.sandbox.control("settings", {"short_pages": 30})
    ids = filled(world, 300, chance.choice([0.0, 5.0, 900.0]))
    world.time.sleep(60)
    before = world.alive()
    touched: set[str] = set()
    calls = 0

    def after(sent: Sent) -> None:
        nonlocal calls
        calls += 1
        world.time.sleep(1)
        if calls > 30 or chance.random() > 0.4:
            return
        one, other = chance.sample(sorted(set(ids) - touched), 2)
        match chance.choice(["create", "update", "delete", "merge"]):
            case "create":
                world.create(given_name="New")
            case "update":
                world.update(one, note=f"after {calls}")
            case "delete":
                touched.add(one)
                world.delete(one)
            case "merge":
                touched.update((one, other))
                world.merge(one, other)

    world.after = after
    found = collect(world, lag=60.0)
    for id in set(ids) - touched:
        assert found[id]["version"] >= before[id]["version"]
    assert not touched & found.keys() or calls <= 30
    assert set(ids) - touched <= found.keys()
    world.close()
