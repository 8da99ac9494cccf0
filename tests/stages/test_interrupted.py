"""Tests of journeys that stop and go on: whatever happens in between, nobody is made twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from etl import pipeline
from etl.config import parse
from etl.errors import Interrupted, LockedError, SourceError
from etl.journal.journal import Journal
from etl.journal.state import JOURNAL, State
from etl.pipeline import Progress, Report
from tests.worlds import (
    Killed,
    Rows,
    Sent,
    Time,
    World,
    counts,
    errors,
    folder_of,
    interfere,
    open_world,
    outcomes,
    people,
    run_import,
    run_resume,
    run_undo,
    table,
)

DAY = 24 * 3600
PHONE = "+14155550199"
ARTIFACTS = {"report.html", "report.json", "rows.csv", "rejects.csv", "review.csv", "crosswalk.csv"}
SEPARATE = {"dedupe": {"shared_phone": "separate"}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


@pytest.fixture
def slow_world(tmp_path: Path) -> Iterator[World]:
    """A world whose searches and lists are a minute behind."""
    world = open_world(tmp_path, lag=60)
    yield world
    world.close()


# -- what goes wrong -------------------------------------------------------------------------


def stop_at(world: World, stage: str, *, after: int = 0) -> None:
    """Have a signal stop the import in a stage, at its next step after so many creating calls."""

    def watch(progress: Progress) -> None:
        if progress.stage == stage and len(world.calls("bulk-create")) >= after:
            world.watch = lambda progress: None
            raise Interrupted("stopped by SIGTERM")

    world.watch = watch


def killed_after_the_commit(world: World, source: Rows, *more: Any, **settings: Any) -> str:
    """Import, and be killed when Square has made the profiles and not said so; return the run."""

    def die() -> None:
        raise Killed

    world.faults({"endpoint": "bulk-create", "nth": 1, "do": "drop", "when": "after"})
    interfere(world, "bulk-create", 2, die)
    with pytest.raises(Killed):
        run_import(world, source, *more, **settings)
    world.before = lambda sent: None
    world.faults()
    return world.announced[-1].run_id


def refuse_entries(world: World, needle: bytes) -> Callable[[Sent], httpx.Response | None]:
    """Return who refuses, as a whole, every creating call that holds ``needle``."""

    def before(sent: Sent) -> httpx.Response | None:
        refused = sent.endpoint == "bulk-create" and needle in sent.content
        return errors(400, "BAD_REQUEST") if refused else None

    return before


def assert_there_once(world: World, rows: Sequence[dict[str, str]]) -> None:
    """Every person of these rows has one profile, made once, and nobody else has any."""
    expected = sorted(row["given_name"] for row in rows)
    assert sorted(p["given_name"] for p in world.alive().values()) == expected
    assert sorted(e["changes"]["given_name"] for e in world.written("create")) == expected


# -- people of one phone ---------------------------------------------------------------------


@pytest.mark.parametrize("resumed", [False, True], ids=["same command", "resume"])
def test_people_of_one_phone_outlive_a_stop(world: World, resumed: bool) -> None:
    """Who only shares a phone with somebody of an earlier request is created after the stop too."""
    named = [
        {"given_name": name, "family_name": "Lee", "phone_number": PHONE} for name in ("Ann", "Bob")
    ]
    rows = [named[0], *people(99), named[1]]
    stop_at(world, "load", after=1)

    stopped = run_import(world, rows, SEPARATE)
    report = run_resume(world, stopped) if resumed else run_import(world, rows, SEPARATE)

    assert (stopped["exit_code"], report["run_id"]) == (4, stopped["run_id"])
    assert (counts(report), report["exit_code"]) == ({"created": 101}, 0)
    assert_there_once(world, rows)


def test_people_of_one_phone_by_decision_outlive_a_stop(world: World) -> None:
    """Two people of one phone, decided to be created, are both there though the run stopped."""
    rows = [
        {"given_name": "Ann", "family_name": "Lee", "phone_number": PHONE},
        {"given_name": "Bob", "family_name": "Roe", "phone_number": PHONE},
    ]
    review = table(world, run_import(world, rows), "review.csv")
    decided = [{**row, "decision": "create"} for row in review]
    world.faults({"endpoint": "bulk-create", "nth": 1, "do": "omit", "when": "mid", "count": 0})
    stop_at(world, "load", after=1)

    stopped = run_import(world, decided, name="review.csv")
    world.faults()
    report = run_import(world, decided, name="review.csv")

    assert stopped["exit_code"] == 4
    assert counts(report) == {"created": 2}
    assert_there_once(world, rows)


# -- keys that were used before --------------------------------------------------------------

JOHN = {"given_name": "John", "family_name": "Doe", "phone_number": PHONE}
MARY = {
    "given_name": "Mary",
    "family_name": "Smith",
    "reference_id": "B",
    "phone_number": PHONE,
    "note": "vip",
}


def test_a_used_key_leads_to_nobody_who_only_shares_the_phone(world: World) -> None:
    """With the state lost and his profile deleted, John is not written over Mary of his phone."""
    rows = [{**JOHN, "reference_id": "A"}]
    run_import(world, rows)
    (john,) = world.alive()
    world.delete(john)
    mary = world.create(**MARY)
    before = world.profile(mary)

    report = run_import(world, rows, state=State(world.folder / "another"))

    assert world.profile(mary) == before
    assert world.written("update") == []
    assert counts(report) == {"created": 1}
    assert sorted(p["given_name"] for p in world.alive().values()) == ["John", "Mary"]


def test_a_used_key_after_a_kill_leads_to_nobody_else_either(world: World) -> None:
    """The same holds when the run was killed before it heard of John, who is deleted meanwhile."""
    mary = world.create(**MARY)
    before = world.profile(mary)
    run_id = killed_after_the_commit(world, [JOHN], SEPARATE)
    (john,) = world.alive().keys() - {mary}
    world.delete(john)

    report = run_import(world, [JOHN], SEPARATE)

    assert report["run_id"] == run_id
    assert world.profile(mary) == before
    assert world.written("update") == []
    assert counts(report) == {"created": 1}
    assert len(world.alive()) == 2


def test_a_used_key_leads_to_the_same_person(world: World) -> None:
    """A profile of the very same reference, made anew by the seller, is John: nobody is made."""
    row = {**JOHN, "reference_id": "A"}
    run_id = killed_after_the_commit(world, [row])
    (john,) = world.alive()
    world.delete(john)
    again = world.create(**row, note="back")

    report = run_resume(world, run_id)

    assert counts(report) == {"unchanged": 1}
    assert list(world.alive()) == [again]
    assert len(world.written()) == 1


# -- answers of yesterday --------------------------------------------------------------------


@pytest.mark.parametrize("resumed", [False, True], ids=["same command", "resume"])
def test_a_lost_answer_is_settled_when_keys_have_expired(world: World, resumed: bool) -> None:
    """Gone on with after 25 hours, when Square has forgotten the keys, nobody is made twice."""
    rows = people(3)
    run_id = killed_after_the_commit(world, rows)
    world.time.now += DAY + 3600

    report = run_resume(world, run_id) if resumed else run_import(world, rows)

    assert (counts(report), report["run_id"]) == ({"created": 3}, run_id)
    assert_there_once(world, rows)


def test_an_expired_key_of_what_never_arrived_makes_the_profile(world: World) -> None:
    """What Square never carried out is created after 25 hours, once."""
    rows = people(3)
    world.faults({"endpoint": "bulk-create", "nth": 1, "do": "drop", "when": "mid"})

    def die() -> None:
        raise Killed

    interfere(world, "bulk-create", 2, die)
    with pytest.raises(Killed):
        run_import(world, rows)
    world.before = lambda sent: None
    world.time.now += DAY + 3600

    report = run_import(world, rows)

    assert counts(report) == {"created": 3}
    assert_there_once(world, rows)


def test_an_entry_left_out_is_settled_when_keys_have_expired(world: World) -> None:
    """What an answer left out yesterday, though it was carried out, is not made twice today."""
    rows = people(3)
    world.faults({"endpoint": "bulk-create", "nth": 1, "do": "omit", "count": 2})
    stop_at(world, "load", after=1)
    stopped = run_import(world, rows)
    world.time.now += DAY + 3600

    report = run_resume(world, stopped)

    assert counts(stopped) == {"created": 1, "unknown": 2}
    assert counts(report) == {"created": 3}
    assert_there_once(world, rows)


# -- another file in between -----------------------------------------------------------------


def put_off(world: World, *, carried_out: bool) -> Callable[[Sent], httpx.Response | None]:
    """Return who answers a creating call with API_ERROR for each entry, carried out or not."""

    def before(sent: Sent) -> httpx.Response | None:
        if sent.endpoint != "bulk-create":
            return None
        if carried_out:
            world.sandbox.transport().handle_request(
                httpx.Request(
                    "POST",
                    "http://127.0.0.1/v2/customers/bulk-create",
                    headers={"authorization": f"Bearer {world.token}"},
                    content=sent.content,
                )
            )
        fault = {"category": "API_ERROR", "code": "INTERNAL_SERVER_ERROR", "detail": "later"}
        entries = {key: {"errors": [fault]} for key in sent.customers}
        return httpx.Response(200, json={"responses": entries})

    return before


@pytest.mark.parametrize(
    "trouble",
    [
        "left out",
        "left out, carried out",
        "API_ERROR",
        "API_ERROR, carried out",
    ],
)
def test_what_was_not_answered_is_settled_before_another_file(
    slow_world: World, trouble: str
) -> None:
    """Stopped after an answer without their entries, people of a later file are made once."""
    world = slow_world
    carried_out = trouble.endswith("carried out")
    if trouble.startswith("left out"):
        when, count = ("after", 2) if carried_out else ("mid", 0)
        fault = {"endpoint": "bulk-create", "nth": 1, "do": "omit", "when": when, "count": count}
        world.faults(fault)
    else:
        world.before = put_off(world, carried_out=carried_out)
    rows = people(2)
    stop_at(world, "load", after=1)
    stopped = run_import(world, rows)
    world.before = lambda sent: None
    world.faults()

    tonight = run_import(world, [{**row, "note": "new"} for row in rows], name="tonight.csv")
    report = run_resume(world, stopped)

    assert stopped["exit_code"] == 4
    assert (tonight["exit_code"], report["exit_code"]) == (0, 0)
    assert_there_once(world, rows)


def test_a_resume_settles_other_runs_first(slow_world: World) -> None:
    """What a later run, killed, has made is known to the resume of an earlier one."""
    world = slow_world
    rows = people(2)
    stop_at(world, "load")
    stopped = run_import(world, rows)
    killed_after_the_commit(world, [{**rows[1], "note": "x"}], name="later.csv")

    report = run_resume(world, stopped)

    assert counts(stopped) == {"pending": 2}
    assert report["exit_code"] == 0
    assert_there_once(world, rows)
    assert len(world.alive()) == 2


def run_elsewhere(world: World, rows: Rows, folder: Path) -> Report:
    """Import with ``--run-dir``."""
    settings = parse({}, "test")
    return pipeline.import_customers(
        [str(world.file(rows))],
        settings,
        world.state,
        world.square(settings),
        world.edges(),
        folder,
    )


def test_trouble_while_settling_others_is_told_and_resumed(world: World) -> None:
    """A run stopped while it settled another's calls has a report, is incomplete, and goes on."""
    old, new = people(2), people(2, first=9)
    killed = killed_after_the_commit(world, old)
    world.faults({"endpoint": "bulk-create", "rate": 1.0, "do": "status", "status": 503})

    stopped = run_import(world, new, name="new.csv")
    world.faults()
    left = {path.name for path in folder_of(world, stopped).iterdir()}
    report = run_resume(world, stopped)
    finished = run_resume(world, killed)

    assert stopped["run_id"] != killed
    assert (stopped["status"], stopped["exit_code"]) == ("incomplete", 4)
    assert "503" in stopped["stopped"]
    assert left == {JOURNAL, *ARTIFACTS}
    assert (counts(report), counts(finished)) == ({"created": 2}, {"created": 2})
    assert_there_once(world, [*old, *new])


def test_a_signal_while_settling_others_is_told_and_resumed(world: World) -> None:
    """A signal that comes while another run's calls are settled stops this run like any other."""
    old, new = people(2), people(2, first=9)
    killed_after_the_commit(world, old)
    stop_at(world, "load")

    stopped = run_import(world, new, name="new.csv")
    report = run_import(world, new, name="new.csv")

    assert (stopped["status"], stopped["exit_code"]) == ("incomplete", 4)
    assert counts(stopped) == {}
    assert (folder_of(world, stopped) / "report.json").exists()
    assert (counts(report), report["run_id"]) == ({"created": 2}, stopped["run_id"])
    assert_there_once(world, [*old, *new])


# -- sources and folders ---------------------------------------------------------------------


def test_a_moved_file_is_gone_on_with_where_it_is_now(world: World) -> None:
    """The same content under another name is read there, whatever lies under the old name now."""
    rows = people(2)
    stop_at(world, "read")
    stopped = run_import(world, rows, name="old.csv")
    (world.folder / "old.csv").rename(world.folder / "new.csv")
    world.file(people(2, first=50), "old.csv")

    report = run_import(world, world.folder / "new.csv")

    assert (counts(stopped), report["run_id"]) == ({}, stopped["run_id"])
    assert counts(report) == {"created": 2}
    assert [Path(source["path"]).name for source in report["sources"]] == ["new.csv"]
    assert_there_once(world, rows)


def test_a_run_kept_elsewhere_is_gone_on_with(world: World) -> None:
    """The same command with ``--run-dir`` finishes the unfinished run that lies there."""
    rows, folder = people(2), world.folder / "tonight"
    stop_at(world, "load")

    stopped = run_elsewhere(world, rows, folder)
    report = run_elsewhere(world, rows, folder)

    assert (stopped["exit_code"], report["run_id"]) == (4, stopped["run_id"])
    assert (counts(report), report["exit_code"]) == ({"created": 2}, 0)
    assert {path.name for path in folder.iterdir()} == {JOURNAL, *ARTIFACTS}
    assert_there_once(world, rows)


def test_a_folder_of_an_unreadable_source_can_be_used_again(world: World) -> None:
    """A source that breaks off while it is read leaves ``--run-dir`` free, and its files alone."""
    rows, folder = people(2), world.folder / "tonight"
    folder.mkdir(mode=0o700)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(SourceError, match="line 3"):
        run_elsewhere(world, 'given_name,note\nAda,fine\nBob,"broken\n', folder)

    report = run_elsewhere(world, rows, folder)

    assert counts(report) == {"created": 2}
    assert (folder / "mine.txt").read_text() == "mine"
    assert len(list(world.state.runs.iterdir())) == 1


# -- the last step ---------------------------------------------------------------------------


@dataclass
class Deadly(Time):
    """A clock that kills who looks at it, once it is armed."""

    armed: bool = False

    def clock(self) -> float:
        """Return the present, or kill."""
        if self.armed:
            self.armed = False
            raise Killed
        return self.now


def killed_at_the_end(world: World, time: Deadly, rows: Rows) -> Path:
    """Import, and be killed when all is done but the artifacts; return the run's folder."""

    def watch(progress: Progress) -> None:
        time.armed = (progress.stage, progress.done) == ("verify", 2)

    world.watch = watch
    with pytest.raises(Killed):
        run_import(world, rows)
    world.watch = lambda progress: None
    folder = world.state.run_folder(world.announced[-1].run_id)
    with closing(Journal.open(folder / JOURNAL)) as journal:
        assert journal.stage == "done"
    return folder


@pytest.mark.parametrize("resumed", [False, True], ids=["same command", "resume"])
def test_killed_before_the_artifacts_they_are_written_later(tmp_path: Path, resumed: bool) -> None:
    """A run whose work is done and whose artifacts are missing writes them when gone on with."""
    time = Deadly()
    world = open_world(tmp_path, time=time)
    rows = people(2)
    folder = killed_at_the_end(world, time, rows)
    run_id = folder.name
    assert not ARTIFACTS & {path.name for path in folder.iterdir()}
    requests = len(world.sent)

    report = run_resume(world, run_id) if resumed else run_import(world, rows)

    assert (report["run_id"], report["status"]) == (run_id, "finished")
    assert (counts(report), report["exit_code"]) == ({"created": 2}, 0)
    assert {path.name for path in folder.iterdir()} == {JOURNAL, *ARTIFACTS}
    assert [sent.endpoint for sent in world.sent[requests:]] == ["retrieve-merchant"]
    assert_there_once(world, rows)
    assert counts(run_import(world, rows)) == {"unchanged": 2}
    world.close()


def test_artifacts_of_an_earlier_stop_are_replaced(tmp_path: Path) -> None:
    """Stopped, gone on with and killed before the artifacts, a run does not keep the old ones."""
    time = Deadly()
    world = open_world(tmp_path, time=time)
    rows = people(2)
    stop_at(world, "load")
    stopped = run_import(world, rows)
    folder = killed_at_the_end(world, time, rows)

    report = run_import(world, rows)

    assert {report["run_id"], stopped["run_id"]} == {folder.name}
    assert (report["status"], counts(report)) == ("finished", {"created": 2})
    assert b'"status": "finished"' in (folder / "report.json").read_bytes()
    assert outcomes(world, report) == ["created", "created"]
    assert_there_once(world, rows)
    world.close()


# -- what is counted -------------------------------------------------------------------------


def test_planned_counts_a_row_of_a_split_call_once(world: World) -> None:
    """However often its call was halved, a row was planned once."""
    world.before = refuse_entries(world, b"person3@")

    report = run_import(world, people(10))

    assert counts(report) == {"created": 9, "failed": 1}
    assert len(world.calls("bulk-create")) > 2
    assert report["planned"].items() >= {"creates": 10, "updates": 0, "fields_cleared": 0}.items()


def test_brakes_count_a_row_of_a_split_call_once(world: World) -> None:
    """A plan within its brake stays so when the run stops amid halved calls and goes on."""
    rows, settings = people(10), {"limits": {"max_created": "10"}}
    world.before = refuse_entries(world, b"person3@")
    stop_at(world, "load", after=4)

    stopped = run_import(world, rows, settings)
    report = run_import(world, rows, settings)

    assert stopped["status"] == "incomplete"
    assert counts(stopped)["created"] > 0
    assert (report["run_id"], report["status"]) == (stopped["run_id"], "finished")
    assert counts(report) == {"created": 9, "failed": 1}
    assert report["planned"]["creates"] == 10
    assert outcomes(world, report)[3] == "failed"


def test_a_resume_reads_short_years_as_on_the_day_the_run_began(world: World) -> None:
    """A birthday that was tomorrow when the run began is a century old, though it is past now."""
    tomorrow = datetime.fromtimestamp(world.time.now, UTC) + timedelta(days=1)
    rows = [{"Email": "ada@example.com", "Birthday": f"{tomorrow:%d-%b-%y}"}]
    stop_at(world, "read")
    stopped = run_import(world, rows, {"clean": {"two_digit_years": "past"}})
    world.time.now += 3 * 24 * 3600

    run_resume(world, stopped)

    (profile,) = world.alive().values()
    assert profile["birthday"] == f"{tomorrow.year - 100}-{tomorrow:%m-%d}"


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_lock_that_was_taken_away_stops_the_run(world: World, how: str) -> None:
    """Whoever removes the lock lets another run in: this one sends nothing from then on."""
    lock = world.state.folder / "lock"

    def take_away(progress: Progress) -> None:
        if progress.stage == "load" and world.calls("bulk-create"):
            lock.unlink()
            if how == "replaced":
                lock.touch()
            world.watch = lambda progress: None

    world.watch = take_away
    with pytest.raises(LockedError, match="was removed"):
        run_import(world, people(350))
    sent = len(world.calls("bulk-create"))

    report = run_import(world, people(350))

    assert sent == 1
    assert counts(report) == {"created": 350}
    assert len(world.alive()) == 350


def test_who_is_created_anew_from_other_values_has_one_key(slow_world: World) -> None:
    """Taken back, changed, created, killed and robbed of its state: Square still knows the key."""
    world = slow_world
    (row,) = people(1)
    run_undo(world, run_import(world, [row]))
    world.time.now += 3600

    def die(sent: Sent) -> None:
        if sent.endpoint == "bulk-create":
            raise Killed

    world.after = die
    with pytest.raises(Killed):
        run_import(world, [{**row, "note": "new"}])
    world.after = lambda sent: None
    shutil.rmtree(world.state.folder)

    report = run_import(world, [{**row, "note": "new"}])

    assert counts(report) == {"created": 1}
    assert len(world.alive()) == 1


@pytest.mark.parametrize("fate", ["stays", "merged", "merged and deleted"])
def test_a_key_that_answers_with_an_old_profile(world: World, fate: str) -> None:
    """The state is lost and search shows nothing: what the key answers with is looked at first."""
    rows = [{**people(1)[0], "note": "ours"}]
    run_import(world, rows)
    (customer_id,) = world.alive()
    world.time.now += 3600
    if fate != "stays":
        other = world.create(company_name="Stray")
        customer_id = world.merge(customer_id, other)
        world.update(customer_id, note="theirs")
    if fate == "merged and deleted":
        world.delete(customer_id)
    shutil.rmtree(world.state.folder)
    blind: dict[str, list[str]] = {"customers": []}

    def shows_nobody(sent: Sent) -> httpx.Response | None:
        if sent.endpoint == "search":
            return httpx.Response(200, json=blind)
        return None

    world.before = shows_nobody
    report = run_import(world, rows, {"dedupe": {"lookup": "search"}})

    assert report["exit_code"] == 0, counts(report)
    (profile,) = world.alive().values()
    assert profile["note"] == "ours"
    assert (profile["id"] == customer_id) == (fate != "merged and deleted")
    expected = {"stays": "created", "merged": "updated", "merged and deleted": "created"}
    assert counts(report) == {expected[fate]: 1}
