"""Tests of the copy that stays between runs: refreshed, it says what paging the directory would."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.directory.kept import Kept
from etl.errors import StateError
from etl.journal.lock import locked
from tests.worlds import World, counts, open_world, people, run_import, run_plan, table

INDEX = {"dedupe": {"lookup": "index"}}
SNAPSHOT = {"dedupe": {"lookup": "snapshot"}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose searches and lists are half a minute behind."""
    world = open_world(tmp_path, lag=30)
    yield world
    world.close()


def seed(world: World, number: int) -> list[str]:
    """Have the seller enter people; an hour later they are old news."""
    ids = [world.create(**row) for row in people(number)]
    world.time.now += 3600
    return ids


def kept_profiles(world: World) -> dict[str, Any]:
    """Return what the copy holds, by id."""
    (path,) = (world.state.folder / "directory").glob("*.duckdb")
    with closing(duckdb.connect(str(path), read_only=True)) as db:
        found = db.execute("SELECT profile FROM profiles").fetchall()
    return {profile["id"]: profile for profile in (orjson.loads(text) for (text,) in found)}


class Seller:
    """Somebody who works on the directory between runs, for as long as it takes."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.ids: list[str] = []
        self.number = itertools.count()

    def __call__(self, deed: str) -> None:
        """Do something to a profile; a number of seconds passes."""
        self.world.time.now += self.chance.choice([0, 1, 40, 700])
        if deed == "create" or len(self.ids) < 2:
            (row,) = people(1, next(self.number) % 6)
            if self.chance.random() < 0.5:
                del row["reference_id"]
            self.ids.append(self.world.create(**row))
            return
        customer_id = self.chance.choice(self.ids)
        match deed:
            case "edit":
                self.world.update(customer_id, note=f"n{next(self.number)}")
            case "rename":
                (row,) = people(1, next(self.number) % 6)
                self.world.update(customer_id, email_address=row["email_address"])
            case "delete":
                self.ids.remove(customer_id)
                self.world.delete(customer_id)
            case "merge":
                other = self.chance.choice([id for id in self.ids if id != customer_id])
                self.ids.remove(customer_id)
                self.ids.remove(other)
                self.ids.append(self.world.merge(customer_id, other))


deeds = st.lists(st.sampled_from(["create", "edit", "rename", "delete", "merge"]), max_size=12)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.lists(deeds, min_size=2, max_size=4), st.integers(0, 2**16))
def test_a_refreshed_copy_plans_what_a_snapshot_plans(nights: list[list[str]], seed: int) -> None:
    """Whatever the seller did between the runs, both ways come to the same plan."""
    with tempfile.TemporaryDirectory() as folder:
        world = open_world(Path(folder), lag=30)
        seller = Seller(world, random.Random(seed))
        rows = people(6)
        for row in rows[3:]:
            del row["reference_id"]
        for night in nights:
            for deed in night:
                seller(deed)
            world.time.now += 31
            refreshed = run_plan(world, rows, INDEX)
            paged = run_plan(world, rows, {"dedupe": {"lookup": "snapshot"}}, name="paged.csv")
            assert refreshed["rows"] == paged["rows"]
            told = ["line", "outcome", "customer_id", "matched_by", "detail"]
            ledgers = (table(world, report, "rows.csv") for report in (refreshed, paged))
            one, other = ([[row[name] for name in told] for row in rows] for rows in ledgers)
            assert one == other
        world.close()


def test_only_what_changed_is_read(world: World) -> None:
    """A directory that was paged once is refreshed by a call or two, however large it is."""
    ids = seed(world, 350)
    rows = people(350)
    run_import(world, rows, name="first.csv")
    assert len(world.calls("list")) == 5  # one counts, four pages

    world.time.now += 3600
    world.update(ids[7], note="edited")
    world.create(given_name="Somebody")
    world.time.now += 60
    world.sent.clear()
    report = run_import(world, [*rows[:-1], {**rows[-1], "note": "new"}], name="second.csv")

    assert counts(report) == {"unchanged": 349, "updated": 1}
    # How many changed, and these; the count before and after.
    assert (len(world.calls("search")), len(world.calls("list"))) == (2, 2)
    assert "the kept copy and 2 profiles changed since in 2 calls" in report["lookup"]
    assert len(kept_profiles(world)) == 351
    assert kept_profiles(world)[ids[7]]["note"] == "edited"


def test_deleted_customers_are_noticed(world: World) -> None:
    """Nothing tells of a deletion but the count: what rows match is then read by id."""
    ids = seed(world, 350)
    rows = people(350)
    run_import(world, rows, INDEX, name="first.csv")
    world.time.now += 3600
    world.delete(ids[3])
    survivor = world.merge(ids[5], ids[6])
    world.time.now += 60

    report = run_plan(world, [{k: v for k, v in row.items() if k != "note"} for row in rows], INDEX)

    found = {row["line"]: row["customer_id"] for row in table(world, report, "rows.csv")}
    assert (found["5"], found["7"], found["8"]) == ("", survivor, survivor)
    assert ids[3] not in kept_profiles(world)
    assert survivor in kept_profiles(world)


def test_what_is_gone_and_matches_nobody_hides_no_gap(world: World) -> None:
    """A copy that is known to hold too much is still found to hold too little."""
    ids = seed(world, 350)
    rows = people(10)
    run_import(world, rows, INDEX, name="first.csv")
    world.time.now += 3600
    world.delete(ids[200])
    world.time.now += 3600
    run_plan(world, rows, INDEX, name="second.csv")
    assert len(kept_profiles(world)) == 350  # nobody knows which one is gone
    (path,) = (world.state.folder / "directory").glob("*.duckdb")
    with closing(duckdb.connect(str(path))) as db:
        db.execute("DELETE FROM profiles WHERE reference_id = 'R0004'")

    report = run_import(world, rows, INDEX, name="third.csv")

    assert counts(report) == {"unchanged": 10}
    assert len(kept_profiles(world)) == 349


def test_a_copy_of_many_who_are_gone_is_made_anew(world: World) -> None:
    """Where more than one in a hundred is gone and not known, the next run pages again."""
    ids = seed(world, 350)
    run_import(world, people(10), INDEX, name="first.csv")
    world.time.now += 3600
    for gone in ids[200:205]:
        world.delete(gone)
    world.time.now += 3600
    run_plan(world, people(10), INDEX, name="second.csv")
    world.sent.clear()

    report = run_plan(world, people(11), INDEX, name="third.csv")

    assert report["lookup"].startswith("by a snapshot")
    assert len(kept_profiles(world)) == 345


def test_profiles_that_the_copy_lacks_make_it_begin_anew(world: World) -> None:
    """A copy with fewer profiles than the directory cannot be trusted, whatever the reason."""
    seed(world, 150)
    run_import(world, people(1), INDEX, name="first.csv")
    (path,) = (world.state.folder / "directory").glob("*.duckdb")
    with closing(duckdb.connect(str(path))) as db:
        db.execute("DELETE FROM profiles WHERE reference_id = 'R0004'")

    report = run_import(world, people(10), INDEX, name="second.csv")

    assert counts(report) == {"unchanged": 10}
    assert len(kept_profiles(world)) == 150


@pytest.mark.parametrize("share", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damage_anywhere_in_the_copy_is_survived(world: World, how: str, share: float) -> None:
    """A copy that a disk spoiled is thrown away and made anew, wherever the damage shows."""
    seed(world, 250)
    run_plan(world, people(1), INDEX, name="first.csv")
    (path,) = (world.state.folder / "directory").glob("*.duckdb")
    content = bytearray(path.read_bytes())
    at = int(len(content) * share)
    if how == "cut":
        del content[at:]
    else:
        content[at : at + 20_000] = bytes(255 - byte for byte in content[at : at + 20_000])
    path.write_bytes(content)

    report = run_import(world, people(250), INDEX, name="second.csv")

    assert counts(report) == {"unchanged": 250}
    assert len(kept_profiles(world)) == 250


def test_something_in_the_place_of_the_copies_is_told_of(world: World) -> None:
    """A file where the folder should be stops the run before anything is sent, with a remedy."""
    world.state.prepare()
    (world.state.folder / "directory").touch()

    with pytest.raises(StateError, match="out of the way"):
        run_import(world, people(1))


@pytest.mark.parametrize("spoiled", ["damaged", "other-release", "half"])
def test_a_copy_that_cannot_be_used_is_made_anew(world: World, spoiled: str) -> None:
    """A damaged file, keys made by another release, or paging that was cut short: no matter."""
    seed(world, 250)
    if spoiled == "half":
        world.faults({"endpoint": "list", "nth": [3], "do": "status", "status": 401})
        assert run_import(world, people(10), INDEX, name="first.csv")["exit_code"] == 4
        world.faults()
    else:
        run_plan(world, people(1), INDEX, name="first.csv")
        (path,) = (world.state.folder / "directory").glob("*.duckdb")
        if spoiled == "damaged":
            path.write_bytes(b"no database" * 1000)
        else:
            with closing(duckdb.connect(str(path))) as db:
                db.execute("UPDATE facts SET value = '1 US 8.0.0' WHERE name = 'made_by'")
                db.execute("UPDATE profiles SET email = 'wrong@example.com'")

    report = run_import(world, people(10), INDEX, name="second.csv")

    assert counts(report) == {"unchanged": 10}
    assert len(kept_profiles(world)) == 250


def test_a_run_does_not_wait_for_the_copy(world: World) -> None:
    """While another run reads the directory into the copy, one goes without it."""
    seed(world, 250)
    run_plan(world, people(1), INDEX, name="first.csv")
    before = kept_profiles(world)
    world.create(**people(1, 900)[0])
    world.time.now += 60

    with locked(world.state.folder / "directory", "reading the directory"):
        report = run_plan(world, people(250), INDEX, name="second.csv")

    assert counts(report) == {"unchanged": 250}
    assert "snapshot" in report["lookup"]
    assert kept_profiles(world) == before
    assert list(world.state.runs.rglob("*.duckdb*")) == []


def test_the_copy_is_private(world: World) -> None:
    """It holds people's data: nobody else may read it."""
    seed(world, 1)
    run_plan(world, people(5), SNAPSHOT)

    folder = world.state.folder / "directory"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_without_squares_time_nothing_is_kept(tmp_path: Path) -> None:
    """A refresh needs Square's own clock: without it, a copy serves one run only."""
    with Kept.open(tmp_path / "kept.duckdb", "US") as copy:
        copy.fill([{"id": "A"}, {"id": "B"}, {"id": "A", "note": "twice"}], None)
        assert (copy.count(), copy.complete_until) == (2, None)
        copy.fill([{"id": "A"}], 1_787_191_200.0)
        assert (copy.count(), copy.complete_until) == (1, "2026-08-20T01:50:00Z")
