"""Tests of applying a saved plan: exactly what was planned, but for what moved since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from etl.config import parse
from etl.errors import ConfigError, Interrupted, StateError
from etl.journal.journal import Journal
from etl.journal.state import JOURNAL
from etl.pipeline import Progress, Report, apply_plan
from etl.stages.reconcile import reconcile
from tests.stages.test_attach import BOTH, define, held, memberships, tagged
from tests.worlds import (
    Killed,
    World,
    counts,
    folder_of,
    interfere,
    open_world,
    outcomes,
    people,
    run_apply,
    run_import,
    run_plan,
    run_resume,
    run_undo,
    table,
)

PHONE = "+14155550199"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def planned_calls(world: World, plan: Report) -> list[bytes]:
    """Return the bodies of the calls that a plan holds."""
    with closing(Journal.open(folder_of(world, plan) / JOURNAL)) as journal:
        return [body for (body,) in journal.query("SELECT body FROM requests ORDER BY request")]


def sent_calls(world: World) -> list[bytes]:
    """Return the bodies of all writing calls that left."""
    return [sent.content for sent in world.sent if sent.endpoint in ("bulk-create", "bulk-update")]


def entries(bodies: list[bytes]) -> dict[str, Any]:
    """Return what calls hold, by key."""
    found: dict[str, Any] = {}
    for body in bodies:
        found |= orjson.loads(body)["customers"]
    return found


def codes(world: World, report: Report) -> list[str]:
    """Return the codes of each row, in file order."""
    return [row["codes"] for row in table(world, report, "rows.csv")]


# -- what was planned is what is done --------------------------------------------------------


def test_what_was_planned_is_sent_byte_for_byte(world: World) -> None:
    """On an unchanged directory the calls that leave are those of the plan, and no others."""
    rows = people(230)
    for row in rows[:120]:
        world.create(**row, note="old")
    source = [{**row, "note": "new"} for row in rows]

    plan = run_plan(world, source)
    kept = {path: path.read_bytes() for path in sorted(folder_of(world, plan).glob("*.*"))}
    assert sent_calls(world) == []
    report = run_apply(world, plan)

    assert sent_calls(world) == planned_calls(world, plan)
    assert counts(report) == {"created": 110, "updated": 120}
    assert (report["applies"], report["replanned"]) == (plan["run_id"], 0)
    assert (report["command"], report["status"], report["exit_code"]) == ("import", "finished", 0)
    assert report["verified"] == {"checked": 230, "matched": 230, "mismatched": 0}
    for path, content in kept.items():
        assert path.read_bytes() == content, path.name


def test_a_plan_says_how_many_calls_it_takes(world: World) -> None:
    """The calls counted in a plan are those its application makes to load and to read back."""
    rows = people(250)
    for row in rows[:120]:
        world.create(**row, note="old")

    plan = run_plan(
        world, [{**row, "note": "new"} for row in rows], {"limits": {"requests_per_second": 2}}
    )
    world.sent.clear()
    run_apply(world, plan)

    calls = plan["planned"]["calls"]
    beside = dict.fromkeys(("groups", "custom_attributes", "gift_cards"), 0)
    assert calls == {"create": 2, "update": 2, **beside, "read_back": 3}
    assert plan["planned"]["seconds"] == 3.5
    reading_back = world.sent[-calls["read_back"] :]
    assert [sent.endpoint for sent in reading_back] == ["bulk-retrieve"] * 3
    assert len(world.calls("bulk-create")) == calls["create"]
    assert len(world.calls("bulk-update")) == calls["update"]


def test_groups_and_attributes_are_applied_too(world: World) -> None:
    """What is planned beside profiles is added as it was planned, and counted beforehand."""
    define(world, "favorite-drink")
    known = world.create(**people(1)[0])

    plan = run_plan(world, tagged(30), BOTH)
    calls = plan["planned"]["calls"]
    world.sent.clear()
    report = run_apply(world, plan)

    assert (calls["groups"], calls["custom_attributes"]) == (60, 2)
    assert counts(report) == {"created": 29, "updated": 1}
    assert memberships(world)[world.profile(known)["reference_id"]] == ["Imported 2026", "VIP"]
    assert len(held(world, "favorite-drink")) == 30
    # That nobody has a value yet was seen when it was planned.
    assert len([sent for sent in world.sent if sent.endpoint == "custom-attributes"]) == 30


def test_a_plan_applied_twice_writes_nothing_the_second_time(world: World) -> None:
    """The second application is the report of the first."""
    plan = run_plan(world, people(3))
    first = run_apply(world, plan)
    log = world.sandbox.log()

    second = run_apply(world, plan)

    assert world.sandbox.log() == log
    assert second == first


def test_a_plan_that_was_taken_back_may_be_applied_again(world: World) -> None:
    """Its application was undone: nothing of it stands, so the plan is carried out once more."""
    plan = run_plan(world, people(3))
    run_undo(world, run_apply(world, plan))
    assert world.alive() == {}

    again = run_apply(world, plan)

    assert counts(again) == {"created": 3}
    assert len(world.alive()) == 3


def test_a_plan_is_named_by_id_folder_or_file(world: World) -> None:
    """A beginning of the id, the folder and plan.csv all name the plan."""
    plan = run_plan(world, people(2))
    folder = folder_of(world, plan)

    reports = [
        run_apply(world, name)
        for name in (str(folder / "plan.csv"), str(folder), plan["run_id"][:-2])
    ]

    assert counts(reports[0]) == {"created": 2}
    assert reports[0] == reports[1] == reports[2]
    assert len(world.written()) == 2


# -- what moved ------------------------------------------------------------------------------


def test_only_rows_whose_profile_moved_are_planned_anew(world: World) -> None:
    """Changed, merged, deleted, appeared: these rows are planned anew, the others stand."""
    rows = people(12)
    ids = [world.create(**row, note="old") for row in rows[:8]]
    source = [{**row, "note": "new"} for row in rows]
    plan = run_plan(world, source)
    planned = entries(planned_calls(world, plan))

    world.update(ids[0], nickname="Moved")
    world.update(ids[1], note="new")
    twin = world.create(given_name="Twin")
    survivor = world.merge(ids[2], twin)
    world.delete(ids[3])
    appeared = world.create(**rows[9], note="theirs")
    report = run_apply(world, plan)

    assert counts(report) == {"created": 4, "updated": 7, "unchanged": 1}
    assert report["replanned"] == 5
    told = codes(world, report)
    assert told[:4] == ["PROFILE_CHANGED", "PROFILE_CHANGED", "PROFILE_GONE", "PROFILE_GONE"]
    assert told[9] == "PROFILE_APPEARED"
    assert set(told[4:9] + told[10:]) == {""}
    sent = entries(sent_calls(world))
    assert sent.keys() - planned.keys() == {survivor, appeared} | {
        key for key, entry in sent.items() if entry.get("given_name") == "Given3"
    }
    for row in (4, 5, 6, 7):
        assert sent[ids[row]] == planned[ids[row]]
    assert sent[ids[0]] == {"note": "new", "version": 1}
    assert world.profile(ids[0])["nickname"] == "Moved"
    people_there = sorted(p["given_name"] for p in world.alive().values())
    assert people_there == sorted(row["given_name"] for row in rows)


def test_a_row_that_needed_nothing_is_planned_anew_when_its_profile_moved(world: World) -> None:
    """What was as the file says when it was planned, and is not any more, is updated."""
    rows = [{**row, "note": "n"} for row in people(2)]
    ids = [world.create(**row) for row in rows]
    plan = run_plan(world, rows)
    assert counts(plan) == {"unchanged": 2}

    world.update(ids[1], note="scribbled")
    report = run_apply(world, plan)

    assert outcomes(world, report) == ["unchanged", "updated"]
    assert world.profile(ids[1])["note"] == "n"


def test_what_another_run_wrote_meanwhile_is_seen_inside_the_search_lag(tmp_path: Path) -> None:
    """The ledger is consulted: rows that another import created since are not created again."""
    world = open_world(tmp_path, lag=60)
    rows = people(6)
    plan = run_plan(world, rows)
    run_import(world, rows[:4], name="tonight.csv")

    report = run_apply(world, plan)

    assert counts(report) == {"created": 2, "unchanged": 4}
    assert codes(world, report) == ["PROFILE_APPEARED"] * 4 + [""] * 2
    assert len(world.written("create")) == 6
    world.close()


def test_who_was_made_and_deleted_meanwhile_is_made_once_more(world: World) -> None:
    """The key of a profile that another run made is used up when the seller deletes it."""
    plan = run_plan(world, people(2))
    run_import(world, people(1), name="tonight.csv")
    (made,) = world.alive()
    world.delete(made)

    report = run_apply(world, plan)

    assert counts(report) == {"created": 2}
    assert len(world.alive()) == 2
    assert len({write["idempotency_key"] for write in world.written("create")}) == 3


def test_who_a_plan_found_is_no_memory_yet(world: World) -> None:
    """An email that went to another profile since the plan leads there, not to the old one."""
    row = {"given_name": "Ada", "email_address": "ada@example.com"}
    old = world.create(**row)
    plan = run_plan(world, [row])
    world.update(old, email_address="other@example.com", given_name="Eve")
    new = world.create(**row)

    report = run_apply(world, plan)

    assert counts(report) == {"unchanged": 1}
    assert codes(world, report) == ["PROFILE_GONE"]
    assert table(world, report, "rows.csv")[0]["customer_id"] == new


def test_a_joined_row_that_parts_takes_its_values_along(world: World) -> None:
    """When one of several joined rows turns out to be somebody else, its carrier changes too."""
    first = {"reference_id": "R1", "given_name": "Ada", "phone_number": PHONE}
    second = {"given_name": "Ada", "phone_number": PHONE, "email_address": "ada@example.com"}
    plan = run_plan(world, [first, second])
    assert counts(plan) == {"pending": 1, "duplicate": 1}

    assert entries(planned_calls(world, plan)).popitem()[1]["email_address"] == "ada@example.com"

    world.create(given_name="Ada", email_address="ada@example.com", reference_id="R2")
    report = run_apply(world, plan)

    assert counts(report) == {"created": 1, "updated": 1}
    assert codes(world, report) == ["MATCHED_ANEW", "PROFILE_APPEARED"]
    (made,) = (p for p in world.alive().values() if p["reference_id"] == "R1")
    assert "email_address" not in made


def test_brakes_hold_for_what_is_planned_anew(world: World) -> None:
    """Deleted customers would be created anew: beyond max_created nothing is sent."""
    rows = people(5)
    ids = [world.create(**row, note="old") for row in rows]
    plan = run_plan(
        world, [{**row, "note": "new"} for row in rows], {"limits": {"max_created": "2"}}
    )
    for customer_id in ids[:3]:
        world.delete(customer_id)

    stopped = run_apply(world, plan)
    assert sent_calls(world) == []
    again = run_apply(world, plan)
    report = run_apply(world, plan, {"max_created": "3"})

    assert [(told["status"], told["exit_code"]) for told in (stopped, again)] == [("braked", 6)] * 2
    assert "max_created" in stopped["stopped"]
    assert stopped["run_id"] == again["run_id"] == report["run_id"]
    assert counts(report) == {"created": 3, "updated": 2}


# -- what is refused -------------------------------------------------------------------------


def test_a_plan_for_another_merchant_is_refused(world: World, tmp_path: Path) -> None:
    """The token of another merchant cannot carry out a plan; nothing is written."""
    (tmp_path / "other").mkdir()
    other = open_world(tmp_path / "other", seed=2)
    other.state = world.state
    plan = run_plan(world, people(2))

    with pytest.raises(ConfigError, match="belongs to merchant"):
        run_apply(other, plan)

    assert other.written() == []
    assert len(list(world.state.runs.iterdir())) == 1
    other.close()


def test_a_plan_with_other_settings_is_refused(world: World) -> None:
    """Only limits may differ from what was planned with."""
    plan = run_plan(world, people(2))

    config = parse({"update": {"policy": "fill"}}, "test")
    with pytest.raises(ConfigError, match=r"\[update\] is not as it was"):
        apply_plan(plan["run_id"], config, world.state, world.square(config), world.edges())

    assert world.written() == []


@pytest.mark.parametrize("name", ["import", "edited", "elsewhere", "nobody"])
def test_what_is_no_plan_is_refused(world: World, name: str) -> None:
    """An import, an edited or lonely plan.csv and an unknown id are told apart and refused."""
    plan = run_plan(world, people(2))
    folder = folder_of(world, plan)
    lonely = world.folder / "plan.csv"
    lonely.write_bytes((folder / "plan.csv").read_bytes())
    done = run_import(world, people(1, first=5), name="done.csv")["run_id"]
    if name == "edited":
        text = (folder / "plan.csv").read_text().replace("Given1", "Eve")
        (folder / "plan.csv").write_text(text)
    named, said = {
        "import": (done, "is of import"),
        "edited": (str(folder / "plan.csv"), "is not the plan.csv"),
        "elsewhere": (str(lonely), "beside no journal"),
        "nobody": ("19990101", "there is no run"),
    }[name]
    written = len(world.written())

    with pytest.raises(StateError, match=said):
        run_apply(world, named)

    assert len(world.written()) == written


# -- stops -----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["apply", "resume"])
def test_a_stopped_application_goes_on(world: World, way: str) -> None:
    """Stopped by a signal amid the load, it goes on where it was; what moved since is seen."""
    rows = people(250)
    ids = [world.create(**row, note="old") for row in rows[200:]]
    plan = run_plan(world, [{**row, "note": "new"} for row in rows])

    def watch(progress: Progress) -> None:
        if progress.stage == "load" and len(world.calls("bulk-create")) == 1:
            world.watch = lambda progress: None
            raise Interrupted("stopped by SIGTERM")

    world.watch = watch
    stopped = run_apply(world, plan)
    assert (stopped["status"], stopped["exit_code"]) == ("incomplete", 4)
    world.update(ids[0], note="theirs", nickname="Moved")
    report = run_apply(world, plan) if way == "apply" else run_resume(world, stopped)

    assert stopped["run_id"] == report["run_id"]
    assert counts(report) == {"created": 200, "updated": 50}
    assert report["replanned"] == 1
    assert len(world.written("create")) == 200
    assert world.profile(ids[0])["nickname"] == "Moved"


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_killed_application_makes_nobody_twice(world: World, nth: int) -> None:
    """Killed before a call or after its commit, the same command makes each profile once."""
    plan = run_plan(world, people(250))

    def die() -> None:
        raise Killed

    world.faults({"endpoint": "bulk-create", "nth": nth, "do": "drop", "when": "after"})
    interfere(world, "bulk-create", nth + 1, die)
    with pytest.raises(Killed):
        run_apply(world, plan)
    world.before = lambda sent: None
    world.faults()

    report = run_apply(world, plan)

    assert counts(report) == {"created": 250}
    assert len(world.written("create")) == 250
    assert report["balanced"]


def test_killed_while_it_begins_it_begins_again(world: World) -> None:
    """A kill while the directory is looked at once more leaves nothing that has to be cleared."""
    plan = run_plan(world, people(5))

    def die() -> None:
        raise Killed

    interfere(world, "list", 1, die)
    with pytest.raises(Killed):
        run_apply(world, plan)
    world.before = lambda sent: None

    assert counts(run_apply(world, plan)) == {"created": 5}
    assert len(world.written()) == 5


def test_corrected_rejects_are_applied_to_the_run_they_amend(world: World) -> None:
    """A plan of corrected rejects carries its outcomes to the run whose rejects they were."""
    report = run_import(world, [*people(1), {"given_name": "Bo", "email_address": "nobody"}])
    rejects = folder_of(world, report) / "rejects.csv"
    mended = world.folder / "mended.csv"
    mended.write_text(rejects.read_text().replace("nobody", "bo@example.com"))

    plan = run_plan(world, mended, amends=report["run_id"])
    applied = run_apply(world, plan)

    assert counts(applied) == {"created": 1}
    amended = table(world, report, "rows.csv")[1]
    assert amended["outcome"] == "created"
    assert f"amended by run {applied['run_id']}" in amended["detail"]


def test_the_artifacts_of_an_application_are_rebuilt_byte_for_byte(world: World) -> None:
    """The journal of an application is all its report needs."""
    report = run_apply(world, run_plan(world, people(3)))
    folder = folder_of(world, report)
    before = {path.name: path.read_bytes() for path in folder.glob("*.[cj]s*") if path.is_file()}
    for name in before:
        if name != JOURNAL:
            (folder / name).unlink()

    with closing(Journal.open(folder / JOURNAL)) as journal:
        reconcile(journal, folder)

    for name in before.keys() - {JOURNAL}:
        assert (folder / name).read_bytes() == before[name]
