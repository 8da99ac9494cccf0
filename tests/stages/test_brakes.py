"""Tests of what stops a load: a first batch that goes wrong, too many refusals or mismatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from etl import pipeline
from etl.config import parse
from etl.pipeline import Progress
from tests.square.test_flights import TOGETHER, Gate, square
from tests.worlds import (
    Killed,
    Sent,
    World,
    counts,
    errors,
    folder_of,
    interfere,
    open_world,
    people,
    run_apply,
    run_import,
    run_plan,
    run_resume,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def meddle(world: World, *names: str) -> None:
    """Have somebody edit these people's profiles just after Square has made them."""

    def after(sent: Sent) -> None:
        if sent.endpoint == "bulk-create":
            for customer_id, profile in world.alive().items():
                if profile["given_name"] in names and "note" not in profile:
                    world.update(customer_id, note="!", family_name="Meddled")

    world.after = after


def refuse(world: World, *names: str) -> None:
    """Have Square refuse these people, alone and in company."""

    def before(sent: Sent) -> httpx.Response | None:
        if sent.endpoint == "bulk-create":
            told = [entry["given_name"] for entry in sent.customers.values()]
            if set(names) & set(told):
                return errors(400, "BAD_REQUEST")
        return None

    world.before = before


def created(world: World) -> list[str]:
    """Return who was created, in order."""
    return [entry["changes"]["given_name"] for entry in world.written("create")]


# -- the canary ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_canary_is_read_back_before_all_others(world: World, size: int) -> None:
    """The first call holds N rows and is read back by id before the next one leaves."""
    report = run_import(world, people(150), canary=size)

    sent = [sent for sent in world.sent if sent.endpoint in ("bulk-create", "bulk-retrieve")]
    first, read_back, *_ = sent
    assert (first.endpoint, len(first.customers)) == ("bulk-create", size)
    assert read_back.endpoint == "bulk-retrieve"
    assert sorted(len(call.customers) for call in world.calls("bulk-create")) == sorted(
        filter(None, [size, 100 - size, 50])
    )
    assert counts(report) == {"created": 150}
    assert report["verified"] == {"checked": 150, "matched": 150, "mismatched": 0}
    assert sorted(created(world)) == sorted(row["given_name"] for row in people(150))


Trouble = Callable[..., None]


@pytest.mark.parametrize("trouble", [meddle, refuse])
@pytest.mark.parametrize("way", ["import", "apply"])
def test_a_canary_that_goes_wrong_stops_all_others(
    world: World, trouble: Trouble, way: str
) -> None:
    """A refused or mismatched row of the first batch is exit 6; a resume goes on with the rest."""
    trouble(world, "Given3")
    if way == "import":
        stopped = run_import(world, people(250), canary=10)
    else:
        stopped = run_apply(world, run_plan(world, people(250)), canary=10)

    made = 10 if trouble is meddle else 9
    assert (stopped["status"], stopped["exit_code"]) == ("braked", 6)
    assert stopped["stopped"].startswith("brake: the canary of 10 rows: ")
    assert stopped["rows"]["created"] == len(created(world)) == made
    assert stopped["rows"]["pending"] == 240
    assert stopped["balanced"]

    report = run_resume(world, stopped)

    assert report["exit_code"] == 3
    assert counts(report) == {"created": 250} | ({"created": 249, "failed": 1} if made < 10 else {})
    assert len(created(world)) == len(set(created(world))) == report["rows"]["created"]


def test_a_canary_that_went_well_is_over(world: World) -> None:
    """Stopped after its canary, a run goes on without another one."""

    def die() -> None:
        raise Killed

    interfere(world, "bulk-create", 2, die)
    with pytest.raises(Killed):
        run_import(world, people(30), canary=10)
    world.before = lambda sent: None
    meddle(world, "Given12")

    report = run_resume(world, world.announced[-1].run_id)

    assert (report["status"], counts(report)) == ("finished", {"created": 30})


def test_a_canary_outside_the_first_batch_is_none(world: World) -> None:
    """What goes wrong later does not stop a run that only asked for a canary."""
    meddle(world, "Given40")

    report = run_import(world, people(50), canary=10)

    assert counts(report) == {"created": 50}
    assert report["verified"]["mismatched"] == 1


def test_a_canary_asked_for_again_is_another_one(world: World) -> None:
    """The same command with a canary tries the next rows first; a resume tries none."""
    meddle(world, "Given3", "Given15", "Given25")
    first = run_import(world, people(60), canary=10)

    second = run_import(world, people(60), canary=10)

    assert first["run_id"] == second["run_id"]
    assert (first["rows"]["created"], second["rows"]["created"]) == (10, 20)
    assert second["exit_code"] == 6
    assert run_resume(world, second)["status"] == "finished"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_canary_outlives_a_kill(world: World, when: str) -> None:
    """Killed in its canary, a run resumed without a word of it still does that first."""

    def die() -> None:
        raise Killed

    interfere(world, "bulk-create" if when == "before" else "bulk-retrieve", 1, die)
    with pytest.raises(Killed):
        run_import(world, people(60), canary=10)
    world.before = lambda sent: None
    world.sent.clear()
    meddle(world, "Given3", "Given13")

    stopped = run_resume(world, world.announced[-1].run_id)

    assert stopped["exit_code"] == 6
    assert len(created(world)) == len(set(created(world))) < 60
    report = run_resume(world, stopped)
    assert counts(report) == {"created": 60}
    assert len(created(world)) == len(set(created(world))) == 60


def test_a_canary_of_nothing_is_no_brake(world: World) -> None:
    """Where nothing is to be written there is nothing to try first."""
    run_import(world, people(3))

    report = run_import(world, people(3), canary=5)

    assert (counts(report), report["exit_code"]) == ({"unchanged": 3}, 0)


# -- brakes during the load ------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [("1", "2"), ("0.5%", "1%")])
def test_too_many_refused_rows_stop_the_load(world: World, low: str, high: str) -> None:
    """Beyond max_failed no further call is sent; with a raised limit the run goes on."""
    refuse(world, "Given3", "Given4")
    rows = people(250)

    stopped = run_import(world, rows, {"limits": {"max_failed": low}})
    made = len(created(world))
    again = run_import(world, rows, {"limits": {"max_failed": low}})
    assert len(created(world)) == made
    report = run_import(world, rows, {"limits": {"max_failed": high}})

    assert [(told["status"], told["exit_code"]) for told in (stopped, again)] == [("braked", 6)] * 2
    assert f"max_failed = '{low}'" in stopped["stopped"]
    assert stopped["rows"]["failed"] == 2
    assert stopped["rows"]["pending"] + stopped["rows"]["created"] == 248
    assert stopped["rows"]["unknown"] == 0
    assert stopped["run_id"] == report["run_id"]
    assert counts(report) == {"created": 248, "failed": 2}
    assert len(created(world)) == len(set(created(world))) == 248


def test_mismatches_stop_the_load_while_it_goes_on(world: World) -> None:
    """With max_mismatched profiles are read back as it goes, and the next call stays here."""
    meddle(world, "Given3")
    rows = people(350)

    stopped = run_import(world, rows, {"limits": {"max_mismatched": "0"}})
    made = len(created(world))
    report = run_import(world, rows, {"limits": {"max_mismatched": "1"}})

    assert (stopped["status"], stopped["exit_code"]) == ("braked", 6)
    assert "max_mismatched" in stopped["stopped"]
    assert made == stopped["rows"]["created"] == 100
    assert counts(report) == {"created": 350}
    assert report["verified"] == {"checked": 350, "matched": 349, "mismatched": 1}
    assert len(created(world)) == 350


def test_a_brake_waits_for_the_calls_under_way(world: World) -> None:
    """With several calls in flight, those that left are settled; nothing is left unknown."""
    gate = Gate(world, TOGETHER)

    def meddle_at_once(progress: Progress) -> None:
        with gate.turn:
            for customer_id, profile in world.alive().items():
                if profile["given_name"] == "Given3" and "note" not in profile:
                    world.update(customer_id, note="!", family_name="Meddled")

    config = parse({"limits": {"max_mismatched": "0"}}, "test")
    stopped = pipeline.import_customers(
        [str(world.file(people(800)))],
        config,
        world.state,
        square(world, gate),
        replace(world.edges(), watch=meddle_at_once),
    )

    assert stopped["exit_code"] == 6
    assert counts(stopped) == {"created": 400, "pending": 400}
    assert len(created(world)) == 400


def test_reading_back_as_it_goes_costs_no_call(world: World, tmp_path: Path) -> None:
    """With max_mismatched as many calls are made as without."""
    (tmp_path / "other").mkdir()
    other = open_world(tmp_path / "other", seed=2)

    report = run_import(world, people(350), {"limits": {"max_mismatched": "0"}})
    usual = run_import(other, people(350))

    assert report["requests"] == usual["requests"]
    other.close()


def test_a_mismatch_in_the_last_call_is_a_brake_too(world: World) -> None:
    """When all is written, too many mismatches are still told as exit 6."""
    meddle(world, "Given3")

    stopped = run_import(world, people(5), {"limits": {"max_mismatched": "0"}})

    assert (stopped["exit_code"], counts(stopped)) == (6, {"created": 5})
    assert run_resume(world, stopped)["exit_code"] == 6
    report = run_import(world, people(5), {"limits": {"max_mismatched": "20%"}})
    assert (report["status"], report["exit_code"]) == ("finished", 3)


def test_a_plan_that_brakes_leaves_its_plan_to_look_at(world: World) -> None:
    """Stopped before the load there is a plan.csv, and none once something was sent."""
    stopped = run_import(world, people(3), {"limits": {"max_created": "2"}})
    plan = folder_of(world, stopped) / "plan.csv"

    assert "plan.csv" in stopped["stopped"]
    assert plan.read_text().count(",create,") == 15
    assert plan.stat().st_mode & 0o077 == 0
    run_import(world, people(3), {"limits": {"max_created": "3"}})
    assert not plan.exists()
