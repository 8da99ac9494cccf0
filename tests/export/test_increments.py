"""What is new since the last time, and who is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.config import Config
from etl.export.collect import Collection
from etl.export.collected import Collected
from tests.export.test_collect import filled
from tests.worlds import World, open_world, people


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a world with 2,500 customers, ten seconds apart."""
    world = open_world(tmp_path)
    filled(world, 2500, 10.0)
    yield world
    world.close()


def increment(world: World) -> tuple[set[str], set[str]]:
    """Export as an incremental export does; return who is new or changed, and who is gone."""
    square = world.square(Config()).connect(lambda call: None)
    with Collected.open(world.folder / "export" / "collected.sqlite") as collected:
        Collection(
            collected,
            square,
            {},
            1,
            world.time.clock,
            world.time.sleep,
            lambda stage, done, total: None,
            0.0,
        ).complete()
        changed = {id for ids in collected.ids() for id in ids}
        gone = set(collected.gone(99))
        with collected.transaction():
            collected.exported()
    return changed, gone


def test_only_what_changed(world: World) -> None:
    """A later export has whoever is new, changed or merged, names whoever is gone, and is cheap."""
    everybody = set(world.alive())
    assert increment(world) == (everybody, set())
    ids = list(world.alive())
    asked = len(world.calls("search"))
    assert increment(world) == (set(), set())
    assert len(world.calls("search")) - asked <= 8

    world.time.sleep(3600)
    world.update(ids[5], note="new")
    world.delete(ids[6])
    became = world.merge(ids[1000], ids[2000])
    new = world.create(**people(1, first=5000)[0])
    world.time.sleep(3600)
    asked = len(world.calls("search"))
    changed, gone = increment(world)
    assert changed == {ids[5], became, new}
    assert gone == {ids[6], ids[1000], ids[2000]}
    assert len(world.calls("search")) - asked <= 45  # two of the spans of time are read again
    assert increment(world) == (set(), set())


def test_nothing_moves_before_it_is_written(world: World) -> None:
    """An export that stops before it is written is done again as a whole."""
    increment(world)
    world.time.sleep(3600)
    world.update(next(iter(world.alive())), note="new")
    world.time.sleep(3600)
    square = world.square(Config()).connect(lambda call: None)
    with Collected.open(world.folder / "export" / "collected.sqlite") as collected:
        Collection(
            collected,
            square,
            {},
            1,
            world.time.clock,
            world.time.sleep,
            lambda stage, done, total: None,
            0.0,
        ).complete()
    changed, gone = increment(world)
    assert len(changed) == 1
    assert not gone


def test_nobody_stays_by_name(world: World) -> None:
    """Between exports the memory holds no names, emails or phones."""
    increment(world)
    kept = (world.folder / "export" / "collected.sqlite").read_bytes()
    assert b"person7@example.com" not in kept
    assert b"Family7" not in kept
