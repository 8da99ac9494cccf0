"""Tests of undo: the directory is as before the run, and whatever others did since is untouched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worlds import (
    World,
    counts,
    open_world,
    people,
    run_import,
    run_undo,
    table,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


# What Square counts up by itself.
_CLOCKWORK = ("version", "updated_at")


def state_of(world: World) -> dict[str, Any]:
    """Return every profile that is alive, without what Square counts up by itself."""
    return {
        id: {name: value for name, value in profile.items() if name not in _CLOCKWORK}
        for id, profile in world.alive().items()
    }


def test_created_profiles_are_deleted(world: World) -> None:
    """What an import created is gone after its undo; the report adds up."""
    done = run_import(world, people(3))
    undone = run_undo(world, done)
    assert world.alive() == {}
    assert counts(undone) == {"deleted": 3}
    assert (undone["exit_code"], undone["balanced"], undone["undoes"]) == (0, True, done["run_id"])
    assert undone["verified"] == {"checked": 3, "matched": 3, "mismatched": 0}


def test_fields_are_put_back(world: World) -> None:
    """Fields that were changed, filled or cleared have the values they had before."""
    world.create(**people(1)[0], note="old", nickname="Nick")
    before = state_of(world)
    row = {**people(1)[0], "note": "new", "nickname": "", "company_name": "Firm"}
    done = run_import(world, [row], {"update": {"policy": "mirror", "allow_clear": True}})
    assert state_of(world) != before
    undone = run_undo(world, done)
    assert state_of(world) == before
    assert counts(undone) == {"updated": 1}
    (line,) = table(world, undone, "rows.csv")
    assert (Path(line["source"]).name, line["line"]) == ("people.csv", "2")
    assert line["detail"] == "put back: company_name, nickname, note"


def test_undone_twice(world: World) -> None:
    """The second undo writes nothing and says so."""
    world.create(**people(1)[0], note="old")
    done = run_import(world, [{**person, "note": "new"} for person in people(2)])
    run_undo(world, done)
    log = len(world.sandbox.log())
    again = run_undo(world, done)
    assert counts(again) == {"unchanged": 2}
    assert again["exit_code"] == 0
    assert len(world.sandbox.log()) == log


def test_imported_again(world: World) -> None:
    """After an undo the same files do the same again; then there is nothing more to do."""
    world.create(**people(1)[0], note="old")
    rows = [{**person, "note": "new"} for person in people(3)]
    done = run_import(world, rows)
    run_undo(world, done)
    again = run_import(world, rows)
    assert counts(again) == {"created": 2, "updated": 1}
    assert len(world.alive()) == 3
    assert counts(run_import(world, rows)) == {"unchanged": 3}
