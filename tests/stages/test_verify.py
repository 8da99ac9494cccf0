"""Tests of verifying: everything written is read back, and every difference is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds import (
    Killed,
    Sent,
    World,
    counts,
    folder_of,
    interfere,
    open_world,
    people,
    run_import,
    run_resume,
    table,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose lists are a minute behind: reading back must not depend on them."""
    world = open_world(tmp_path, lag=60)
    yield world
    world.close()


def test_every_write_is_read_back_by_id(world: World) -> None:
    """Created and updated profiles are asked for by id, a hundred at a time, and all match."""
    old = people(2)
    for row in old:
        world.create(**row)
    world.time.now += 100

    report = run_import(world, [*({**row, "note": "new"} for row in old), *people(120, first=10)])

    assert report["verified"] == {"checked": 122, "matched": 122, "mismatched": 0}
    asked = {id for sent in world.calls("bulk-retrieve") for id in ids_in(sent)}
    assert asked == {entry["customer_id"] for entry in world.written()}
    assert len(world.calls("bulk-retrieve")) == 2


def ids_in(sent: Sent) -> list[str]:
    """Return the ids a retrieve asks for."""
    found: list[str] = json.loads(sent.content)["customer_ids"]
    return found


def test_what_square_does_not_hold_is_told(world: World) -> None:
    """A field that somebody changed, and a profile that is gone, make the run end with exit 3."""
    rows = people(3)

    def meddle() -> None:
        first, second, _ = world.alive()
        world.update(first, given_name="Else", note="more")
        world.delete(second)

    interfere(world, "bulk-retrieve", 1, meddle)
    report = run_import(world, rows)

    assert counts(report) == {"created": 3}
    assert report["verified"] == {"checked": 3, "matched": 1, "mismatched": 2}
    assert report["exit_code"] == 3
    assert report["repairs"] == {"VERIFY_MISMATCH": {"given_name": 1, "id": 1}}
    codes = [row["codes"] for row in table(world, report, "rows.csv")]
    assert codes == ["VERIFY_MISMATCH", "VERIFY_MISMATCH", ""]


def test_only_what_was_written_is_compared(world: World) -> None:
    """Another editor's change to a field we did not write is no mismatch."""
    interfere(world, "bulk-retrieve", 1, lambda: world.update(next(iter(world.alive())), note="n"))

    report = run_import(world, people(1))

    assert report["verified"] == {"checked": 1, "matched": 1, "mismatched": 0}


def test_spellings_are_no_mismatch(world: World) -> None:
    """What Square may spell otherwise, such as the case of an email, counts as what was sent."""

    def respell() -> None:
        (id,) = world.alive()
        world.update(id, email_address="PERSON0@example.com", phone_number="(415) 555-0000")

    interfere(world, "bulk-retrieve", 1, respell)
    report = run_import(world, people(1))

    assert report["verified"]["mismatched"] == 0


def test_a_cleared_field_is_verified(world: World) -> None:
    """A field that was cleared has to be empty when it is read back."""
    (row,) = people(1)
    ada = world.create(**row, note="old")
    world.time.now += 100
    settings = {"update": {"policy": "mirror", "allow_clear": True}}
    interfere(world, "bulk-retrieve", 1, lambda: world.update(ada, note="back again"))

    report = run_import(world, [{**row, "note": ""}], settings)

    assert counts(report) == {"updated": 1}
    assert report["verified"] == {"checked": 1, "matched": 0, "mismatched": 1}


def test_merged_profiles_are_followed(world: World) -> None:
    """A profile merged before it is read back is found under its new id; what it lost is told."""

    def merge() -> None:
        world.merge(*world.alive())

    interfere(world, "bulk-retrieve", 1, merge)
    report = run_import(world, people(2))

    assert report["verified"] == {"checked": 2, "matched": 1, "mismatched": 1}
    assert set(report["repairs"]["VERIFY_MISMATCH"]) == set(people(1)[0])


@pytest.mark.parametrize("stop", ["killed", "outage"])
def test_a_stop_while_verifying_loses_nothing(world: World, stop: str) -> None:
    """Stopped between two hundreds, verifying goes on with those that were not read back yet."""
    rows = people(150)

    def die() -> None:
        if stop == "killed":
            raise Killed
        world.faults({"endpoint": "bulk-retrieve", "rate": 1.0, "do": "status", "status": 500})

    interfere(world, "bulk-retrieve", 2, die)
    if stop == "killed":
        with pytest.raises(Killed):
            run_import(world, rows)
    else:
        stopped = run_import(world, rows)
        assert (counts(stopped), stopped["exit_code"]) == ({"created": 150}, 4)
        assert stopped["verified"]["checked"] == 100
    world.faults()
    world.before = lambda sent: None
    world.sent.clear()

    report = run_resume(world, world.announced[-1].run_id)

    assert report["verified"] == {"checked": 150, "matched": 150, "mismatched": 0}
    assert report["exit_code"] == 0
    assert [len(ids_in(sent)) for sent in world.calls("bulk-retrieve")] == [50]
    assert len(world.written()) == 150
    assert (folder_of(world, report) / "crosswalk.csv").read_text().count("\n") == 151
