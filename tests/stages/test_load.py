"""Tests of loading: whatever breaks on the way, each row is written once and told truthfully."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from etl.journal.state import State
from tests.worlds import (
    Killed,
    Sent,
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
    table,
)


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


def assert_created_once(world: World, rows: list[dict[str, str]], report: dict[str, Any]) -> None:
    """Every row has one profile of its own, and the ledger of rows names it."""
    assert counts(report) == {"created": len(rows)}
    created = world.written("create")
    assert sorted(entry["changes"]["given_name"] for entry in created) == sorted(
        row["given_name"] for row in rows
    )
    told = [row["customer_id"] for row in table(world, report, "rows.csv")]
    alive = world.alive()
    assert [alive[id]["given_name"] for id in told] == [row["given_name"] for row in rows]


# -- one answer, read by key -----------------------------------------------------------------


def test_entries_are_read_by_key(world: World) -> None:
    """Reordered answers, and answers with strangers' entries, give each row its own customer."""
    world.faults(
        *(
            {"endpoint": "bulk-create", "nth": nth, "do": fault, "count": 3}
            for nth, fault in enumerate(("reorder", "extra", "drip"), 1)
        )
    )
    rows = people(230)

    report = run_import(world, rows)

    assert_created_once(world, rows, report)
    assert len(world.calls("bulk-create")) == 3


@pytest.mark.parametrize("count", [1, 5])
def test_entries_left_out_are_sent_again(world: World, count: int) -> None:
    """Entries an answer leaves out go again under their own keys and end as created, once."""
    world.faults({"endpoint": "bulk-create", "nth": 1, "do": "omit", "count": count})
    rows = people(5)

    report = run_import(world, rows)

    assert_created_once(world, rows, report)
    first, second = world.calls("bulk-create")
    again = second.customers
    assert len(again) == count
    assert again == {key: first.customers[key] for key in again}


def test_an_entry_left_out_for_ever_stays_unknown(world: World) -> None:
    """A create that no answer ever mentions is unknown, not failed; a resume settles it."""
    world.faults({"endpoint": "bulk-create", "rate": 1.0, "do": "omit", "count": 1})

    stopped = run_import(world, people(3))
    world.faults()
    report = run_resume(world, stopped)

    assert (counts(stopped), stopped["exit_code"]) == ({"created": 2, "unknown": 1}, 4)
    assert (counts(report), report["exit_code"]) == ({"created": 3}, 0)
    assert len(world.written()) == 3


# -- answers that never came, or cannot be read ----------------------------------------------

LOST: tuple[dict[str, Any], ...] = (
    {"do": "drop", "when": "mid"},
    {"do": "drop", "when": "after"},
    {"do": "reset", "when": "after"},
    {"do": "truncate"},
    {"do": "garbage"},
    {"do": "status", "status": 200, "body": "<h1>Welcome</h1>", "when": "after"},
)


def test_unreadable_answers_are_asked_for_again(world: World) -> None:
    """After answers that were lost, the same keys and bytes go again and make no second profile."""
    world.faults(
        *({"endpoint": "bulk-create", "nth": nth, **fault} for nth, fault in enumerate(LOST, 1))
    )
    rows = people(4)

    report = run_import(world, rows)

    assert_created_once(world, rows, report)
    assert report["exit_code"] == 0
    bodies = [sent.content for sent in world.calls("bulk-create")]
    assert bodies == bodies[:1] * 7
    assert report["requests"]["POST /v2/customers/bulk-create"]["retries"] == 6


def test_temporary_refusals_are_waited_out(world: World) -> None:
    """429, 500 and 503 pass by themselves, whether or not Square carried the call out."""
    world.faults(
        *(
            {"endpoint": "bulk-create", "nth": nth, "do": "status", "status": status, "when": when}
            for nth, (status, when) in enumerate(
                [(429, "before"), (500, "before"), (503, "after"), (429, "after"), (500, "after")],
                1,
            )
        )
    )
    rows = people(2)

    report = run_import(world, rows)

    assert_created_once(world, rows, report)
    calls = report["requests"]["POST /v2/customers/bulk-create"]
    assert calls == {"calls": 6, "retries": 5, "rate_limited": 2, "errors": 5}
    assert len(world.time.waits) >= 5


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(world: World, status: int) -> None:
    """The next try leaves no earlier than Retry-After asks."""
    world.faults(
        {"endpoint": "bulk-create", "nth": 1, "do": "status", "status": status, "retry_after": 75}
    )
    sent_at: list[float] = []

    def note(sent: Sent) -> None:
        if sent.endpoint == "bulk-create":
            sent_at.append(world.time.now)

    world.before = note
    report = run_import(world, people(2))

    assert counts(report) == {"created": 2}
    assert sent_at[1] - sent_at[0] >= 75


def test_a_retry_after_beyond_the_patience_ends_the_run(world: World) -> None:
    """Asked to wait longer than its patience, the run ends at once and can be resumed."""
    world.faults(
        {"endpoint": "bulk-create", "nth": 1, "do": "status", "status": 429, "retry_after": 1000}
    )
    begun = world.time.now

    stopped = run_import(world, people(2))

    assert world.time.now == begun
    assert (counts(stopped), stopped["exit_code"]) == ({"unknown": 2}, 4)
    report = run_resume(world, stopped)
    assert counts(report) == {"created": 2}


def test_an_outage_beyond_the_patience_fails_nobody(world: World) -> None:
    """When Square stays away, the run stops incomplete; no row is failed, and a resume ends it."""
    world.faults({"endpoint": "bulk-create", "rate": 1.0, "do": "status", "status": 503})
    begun = world.time.now

    stopped = run_import(world, people(150))

    assert 0 < world.time.now - begun <= 900
    assert (counts(stopped), stopped["exit_code"]) == ({"unknown": 100, "pending": 50}, 4)
    assert stopped["balanced"]
    assert "503" in stopped["stopped"]
    world.faults()
    report = run_resume(world, stopped)
    assert (counts(report), report["exit_code"]) == ({"created": 150}, 0)
    assert len(world.written("create")) == 150


def test_a_temporary_error_of_one_entry_is_waited_out(world: World) -> None:
    """An entry that Square could not take just now goes again, later, until it is taken."""
    busy = 4
    asked_at: list[float] = []

    def before(sent: Sent) -> httpx.Response | None:
        nonlocal busy
        if sent.endpoint != "bulk-create" or busy == 0:
            return None
        busy -= 1
        asked_at.append(world.time.now)
        fault = {"category": "RATE_LIMIT_ERROR", "code": "RATE_LIMITED", "detail": "later"}
        return httpx.Response(
            200, json={"responses": {key: {"errors": [fault]} for key in sent.customers}}
        )

    world.before = before
    report = run_import(world, people(1))

    assert counts(report) == {"created": 1}
    assert len(set(asked_at)) == 4


# -- refusals --------------------------------------------------------------------------------


def test_a_poison_row_is_found_by_halving(world: World) -> None:
    """A row that makes Square refuse the whole call fails alone, under the code Square gave."""
    rows = people(9)
    rows[6]["note"] = "poison"

    def before(sent: Sent) -> httpx.Response | None:
        poisoned = sent.endpoint == "bulk-create" and b"poison" in sent.content
        return errors(413, "REQUEST_ENTITY_TOO_LARGE") if poisoned else None

    world.before = before
    report = run_import(world, rows)

    assert (counts(report), report["exit_code"]) == ({"created": 8, "failed": 1}, 3)
    assert outcomes(world, report)[6] == "failed"
    assert report["reasons"] == {"REQUEST_ENTITY_TOO_LARGE": {"": 1}}
    assert [entry["changes"]["given_name"] for entry in world.written()].count("Given6") == 0
    assert len(world.written("create")) == 8
    # 9 → 4+5 → 2+3 → 1+2 → 1+1 or fewer: two calls for each halving, and the first
    assert len(world.calls("bulk-create")) <= 9
    (rejected,) = table(world, report, "rejects.csv")
    assert (rejected["reference_id"], rejected["_codes"]) == (
        "R0006",
        "REQUEST_ENTITY_TOO_LARGE",
    )


def test_a_refusal_that_does_not_come_again_fails_nobody(world: World) -> None:
    """A call refused once as a whole is halved, and each row is then created."""
    world.faults({"endpoint": "bulk-create", "nth": 1, "do": "status", "status": 400})
    rows = people(6)

    report = run_import(world, rows)

    assert_created_once(world, rows, report)


def test_a_poison_update_is_found_by_halving(world: World) -> None:
    """Updates are halved like creates, each still guarded by its version."""
    rows = people(5)
    ids = [world.create(**{**row, "note": "old"}) for row in rows]
    for row in rows:
        row["note"] = "new"
    rows[2]["note"] = "poison"

    def before(sent: Sent) -> httpx.Response | None:
        poisoned = sent.endpoint == "bulk-update" and b"poison" in sent.content
        return errors(400, "INVALID_VALUE") if poisoned else None

    world.before = before
    report = run_import(world, rows)

    assert counts(report) == {"updated": 4, "failed": 1}
    assert [world.profile(id)["note"] for id in ids] == ["new", "new", "old", "new", "new"]


def test_an_entry_square_refuses_fails_alone(world: World) -> None:
    """What Square says of one entry fails its row, with Square's code, field and words."""
    rows = people(3)

    def before(sent: Sent) -> httpx.Response | None:
        if sent.endpoint != "bulk-create":
            return None
        fault = {
            "category": "INVALID_REQUEST_ERROR",
            "code": "INVALID_EMAIL_ADDRESS",
            "field": "email_address",
            "detail": "Expected an address we like",
        }
        (bad,) = (key for key, entry in sent.customers.items() if entry["given_name"] == "Given1")
        others = {key: entry for key, entry in sent.customers.items() if key != bad}
        world.before = lambda sent: None
        answer = world.sandbox.transport().handle_request(
            httpx.Request(
                "POST",
                "http://127.0.0.1/v2/customers/bulk-create",
                headers={"authorization": f"Bearer {world.token}"},
                content=orjson.dumps({"customers": others}),
            )
        )
        found = orjson.loads(answer.read())
        found["responses"][bad] = {"errors": [fault]}
        return httpx.Response(200, json=found)

    world.before = before
    report = run_import(world, rows)

    assert outcomes(world, report) == ["created", "failed", "created"]
    assert report["reasons"] == {"INVALID_EMAIL_ADDRESS": {"email_address": 1}}
    assert table(world, report, "rows.csv")[1]["detail"] == "Expected an address we like"
    (rejected,) = table(world, report, "rejects.csv")
    assert rejected["_messages"] == "Expected an address we like"


# -- profiles that move between plan and load ------------------------------------------------

ADA = {"reference_id": "R1", "given_name": "Ada", "email_address": "ada@example.com"}


def test_another_editors_change_survives_a_conflict(world: World) -> None:
    """On a conflict the profile is read again and only our own difference is sent."""
    ada = world.create(**ADA, note="old")
    interfere(world, "bulk-update", 1, lambda: world.update(ada, nickname="Countess"))

    report = run_import(world, [{**ADA, "note": "new"}])

    assert counts(report) == {"updated": 1}
    profile = world.profile(ada)
    assert (profile["note"], profile["nickname"]) == ("new", "Countess")
    assert [entry["changes"] for entry in world.written("update")] == [{"note": "new"}]


def test_a_conflict_is_recomputed_under_the_same_policy(world: World) -> None:
    """A field that policy fill found empty, and another editor filled meanwhile, stays theirs."""
    ada = world.create(**ADA)
    interfere(world, "bulk-update", 1, lambda: world.update(ada, note="theirs"))

    report = run_import(
        world, [{**ADA, "note": "ours", "nickname": "Countess"}], {"update": {"policy": "fill"}}
    )

    assert counts(report) == {"updated": 1}
    assert world.profile(ada)["note"] == "theirs"
    assert [entry["changes"] for entry in world.written("update")] == [{"nickname": "Countess"}]


def test_overwrite_wins_over_an_edit_of_the_same_field(world: World) -> None:
    """Under overwrite our value replaces what another editor wrote into the same field."""
    ada = world.create(**ADA, note="old")
    interfere(world, "bulk-update", 1, lambda: world.update(ada, note="theirs"))

    report = run_import(world, [{**ADA, "note": "ours"}])

    assert counts(report) == {"updated": 1}
    assert world.profile(ada)["note"] == "ours"


@pytest.mark.parametrize(
    "edits",
    [
        1,
        2,
    ],
)
def test_a_change_somebody_else_made_already_is_unchanged(world: World, edits: int) -> None:
    """When another editor made our very change before us, we wrote nothing: unchanged."""
    ada = world.create(**ADA, note="old")

    def edit() -> None:
        if edits == 2:
            world.update(ada, note="newer")
        world.update(ada, note="new")

    interfere(world, "bulk-update", 1, edit)

    report = run_import(world, [{**ADA, "note": "new"}])

    assert world.written("update") == []
    assert counts(report) == {"unchanged": 1}


@pytest.mark.parametrize("fault", LOST[1:4], ids=lambda fault: str(fault["do"]))
def test_our_own_lost_update_is_updated_once(world: World, fault: dict[str, Any]) -> None:
    """An update whose answer was lost conflicts with itself and is known as ours: updated, once."""
    ada = world.create(**ADA, note="old")
    world.faults({"endpoint": "bulk-update", "nth": 1, **fault})

    report = run_import(world, [{**ADA, "note": "new"}])

    assert counts(report) == {"updated": 1}
    assert [entry["changes"] for entry in world.written("update")] == [{"note": "new"}]
    assert world.profile(ada)["version"] == 1
    assert report["verified"] == {"checked": 1, "matched": 1, "mismatched": 0}


def test_our_lost_update_is_ours_though_somebody_edited_after_it(world: World) -> None:
    """An edit of another field after our lost update does not take the update away from us."""
    ada = world.create(**ADA, note="old")
    world.faults({"endpoint": "bulk-update", "nth": 1, "do": "drop", "when": "after"})
    interfere(world, "bulk-update", 2, lambda: world.update(ada, nickname="Countess"))

    report = run_import(world, [{**ADA, "note": "new"}])

    assert len(world.written("update")) == 1
    assert world.profile(ada)["nickname"] == "Countess"
    assert counts(report) == {"updated": 1}


def test_an_update_left_out_of_the_answer_is_updated_once(world: World) -> None:
    """An update that took effect but was left out of the answer is found to be done."""
    rows = people(3)
    ids = [world.create(**row) for row in rows]
    world.faults({"endpoint": "bulk-update", "nth": 1, "do": "omit", "count": 2})

    report = run_import(world, [{**row, "note": "new"} for row in rows])

    assert counts(report) == {"updated": 3}
    assert [entry["customer_id"] for entry in world.written("update")] == ids


def test_a_profile_that_keeps_changing_fails_with_conflict(world: World) -> None:
    """After three tries against a profile that changes each time, the row fails with CONFLICT."""
    ada = world.create(**ADA, note="old")
    edits = 0

    def before(sent: Sent) -> None:
        nonlocal edits
        if sent.endpoint == "bulk-update":
            edits += 1
            world.update(ada, nickname=f"Edit {edits}")

    world.before = before
    report = run_import(world, [{**ADA, "note": "new"}])

    assert (counts(report), report["exit_code"]) == ({"failed": 1}, 3)
    assert report["reasons"] == {"CONFLICT": {"": 1}}
    assert (len(world.calls("bulk-update")), world.written("update")) == (3, [])
    assert world.profile(ada)["note"] == "old"


def test_a_profile_that_changes_twice_is_updated(world: World) -> None:
    """The third try against a profile that changed twice succeeds."""
    ada = world.create(**ADA, note="old")
    edits = 0

    def before(sent: Sent) -> None:
        nonlocal edits
        if sent.endpoint == "bulk-update" and edits < 2:
            edits += 1
            world.update(ada, nickname=f"Edit {edits}")

    world.before = before
    report = run_import(world, [{**ADA, "note": "new"}])

    assert counts(report) == {"updated": 1}
    assert (world.profile(ada)["note"], world.profile(ada)["nickname"]) == ("new", "Edit 2")


def test_the_survivor_of_a_merge_is_updated(world: World) -> None:
    """A profile merged between plan and load: the one it became gets what it still lacks."""
    ada = world.create(**ADA, note="old")
    twin = world.create(given_name="Ada", family_name="King")
    survivor: list[str] = []
    interfere(world, "bulk-update", 1, lambda: survivor.append(world.merge(ada, twin)))

    report = run_import(world, [{**ADA, "note": "new"}])

    assert counts(report) == {"updated": 1}
    assert world.profile(survivor[0])["note"] == "new"
    assert table(world, report, "rows.csv")[0]["customer_id"] == survivor[0]
    assert list(world.alive()) == survivor
    again = run_import(world, [{**ADA, "note": "new"}])
    assert (counts(again), len(world.written())) == ({"unchanged": 1}, 1)


def test_rows_whose_profiles_became_one_are_both_applied(world: World) -> None:
    """Two rows whose profiles were merged between plan and load both reach the survivor."""
    ada = world.create(**ADA)
    bob = world.create(reference_id="R2", given_name="Ada", email_address="bob@example.com")
    survivor: list[str] = []
    interfere(world, "bulk-update", 1, lambda: survivor.append(world.merge(ada, bob)))

    report = run_import(
        world, [{"reference_id": "R1", "note": "n"}, {"reference_id": "R2", "nickname": "k"}]
    )

    assert report["balanced"]
    assert counts(report) == {"updated": 2}
    profile = world.profile(survivor[0])
    assert (profile["note"], profile["nickname"]) == ("n", "k")


@pytest.mark.parametrize("lag", [0, 60])
def test_a_profile_deleted_before_the_load_fails(tmp_path: Path, lag: int) -> None:
    """A profile that is gone when its update arrives fails with NOT_FOUND; others go on."""
    world = open_world(tmp_path, lag=lag)
    rows = people(2)
    ids = [world.create(**row) for row in rows]
    world.time.now += 100
    interfere(world, "bulk-update", 1, lambda: world.delete(ids[0]))

    report = run_import(world, [{**row, "note": "new"} for row in rows])

    assert outcomes(world, report) == ["failed", "updated"]
    assert report["reasons"] == {"NOT_FOUND": {"": 1}}
    assert len(world.written()) == 1
    world.close()


def test_a_profile_deleted_during_a_conflict_fails_as_not_found(world: World) -> None:
    """A profile that changed, and was gone when it was read again, fails with NOT_FOUND."""
    ada = world.create(**ADA, note="old")

    def before(sent: Sent) -> None:
        if sent.endpoint == "bulk-update":
            world.update(ada, nickname="Countess")
        if sent.endpoint == "bulk-retrieve" and world.calls("bulk-update"):
            world.delete(ada)
            world.before = lambda sent: None

    world.before = before
    report = run_import(world, [{**ADA, "note": "new"}])

    assert counts(report) == {"failed": 1}
    assert report["reasons"] == {"NOT_FOUND": {"": 1}}


# -- keys that were used before --------------------------------------------------------------


def test_a_key_of_a_deleted_profile_makes_a_next_generation(world: World) -> None:
    """Deleted in Square, and forgotten here: the row is created again under another key."""
    first = run_import(world, [ADA])
    world.delete(table(world, first, "rows.csv")[0]["customer_id"])
    shutil.rmtree(world.state.folder)

    report = run_import(world, [ADA])

    assert counts(report) == {"created": 1}
    assert [profile["given_name"] for profile in world.alive().values()] == ["Ada"]
    keys = [entry["idempotency_key"] for entry in world.written("create")]
    assert len(set(keys)) == len(keys) == 2
    again = run_import(world, [ADA])
    assert counts(again) == {"unchanged": 1}


def test_generations_are_counted_through_unchanged_runs(world: World) -> None:
    """However often a customer is deleted and imported again, one profile is alive, none failed."""
    for expected in ("created", "unchanged", "created", "unchanged", "created"):
        if expected == "created":
            for customer_id in world.alive():
                world.delete(customer_id)
        report = run_import(world, [ADA])
        assert counts(report) == {expected: 1}
        assert len(world.alive()) == 1

    keys = [entry["idempotency_key"] for entry in world.written("create")]
    assert len(set(keys)) == len(keys) == 3


def test_a_lost_state_creates_nobody_twice(slow_world: World) -> None:
    """With the state lost and search behind, the key itself keeps the row from a second profile."""
    world = slow_world
    rows = people(3)
    run_import(world, rows)
    shutil.rmtree(world.state.folder)

    report = run_import(world, rows)

    assert counts(report) == {"created": 3}
    assert len(world.written("create")) == 3
    assert len(world.alive()) == 3


# -- tokens and kills ------------------------------------------------------------------------


def test_a_token_refused_in_mid_run_is_renewed_by_a_resume(world: World) -> None:
    """401 in mid-run stops the run at once, fails nobody, and a good token finishes it."""
    rows = people(250)
    world.token = world.new_token()
    interfere(world, "bulk-create", 2, lambda: world.revoke(world.token))

    stopped = run_import(world, rows)

    assert stopped["exit_code"] == 4
    assert counts(stopped) == {"created": 100, "unknown": 100, "pending": 50}
    assert len(world.calls("bulk-create")) == 2
    world.token = world.sandbox.token
    report = run_resume(world, stopped)
    assert (counts(report), report["exit_code"]) == ({"created": 250}, 0)
    assert len(world.written("create")) == 250


def test_a_token_without_write_scope_burns_through_no_rows(world: World) -> None:
    """403 is no row's fault: one call, nobody failed, resumable."""
    world.token = world.new_token("CUSTOMERS_READ", "MERCHANT_PROFILE_READ")

    stopped = run_import(world, people(150))

    assert (stopped["exit_code"], counts(stopped).get("failed")) == (4, None)
    assert len(world.calls("bulk-create")) == 1


def test_a_refused_resend_of_what_was_created_is_not_failed(world: World) -> None:
    """A create whose answer was lost and whose resend is refused may exist: it is not failed."""
    world.faults(
        {"endpoint": "bulk-create", "nth": 1, "do": "drop", "when": "after"},
        {"endpoint": "bulk-create", "nth": 2, "do": "status", "status": 400},
    )

    report = run_import(world, people(1))

    assert len(world.written("create")) == 1
    assert "failed" not in counts(report)


def test_a_run_killed_with_calls_in_flight_goes_on(world: World) -> None:
    """Killed after Square committed a call, the same command finishes without a second profile."""
    rows = people(150)

    def commit_and_die() -> None:
        sent = world.calls("bulk-create")[-1]
        world.sandbox.transport().handle_request(
            httpx.Request(
                "POST",
                "http://127.0.0.1/v2/customers/bulk-create",
                headers={"authorization": f"Bearer {world.token}"},
                content=sent.content,
            )
        )
        raise Killed

    interfere(world, "bulk-create", 1, commit_and_die)
    with pytest.raises(Killed):
        run_import(world, rows)

    report = run_import(world, rows)

    assert counts(report) == {"created": 150}
    assert len(world.written("create")) == 150
    bodies = [sent.content for sent in world.calls("bulk-create")]
    assert bodies[0] == bodies[1]
    assert len({run.run_id for run in world.announced}) == 1


def test_every_write_is_in_the_journal_before_it_leaves(world: World) -> None:
    """What leaves is, byte for byte, what another process reads in the journal at that moment."""
    import sqlite3

    seen: list[tuple[str, bytes]] = []

    def before(sent: Sent) -> None:
        if sent.endpoint == "bulk-create":
            (journal,) = world.state.runs.glob("*/journal.sqlite")
            with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as other:
                seen.extend(other.execute("SELECT state, body FROM requests WHERE state = 'sent'"))
            other.close()

    world.before = before
    report = run_import(world, people(120))

    assert counts(report) == {"created": 120}
    assert seen == [("sent", sent.content) for sent in world.calls("bulk-create")]
    assert (folder_of(world, report) / "journal.sqlite").stat().st_mode & 0o777 == 0o600


def test_duplicates_of_a_refused_row_are_failed_and_handed_back(world: World) -> None:
    """Values that reached nobody because their carrier was refused stand in the rejects too."""
    same = {"reference_id": "A", "given_name": "John"}
    rows = [{**same, "note": "one"}, {**same, "note": "two"}, *people(1)]

    def before(sent: Sent) -> httpx.Response | None:
        refused = sent.endpoint == "bulk-create" and b"John" in sent.content
        return errors(400, "INVALID_VALUE") if refused else None

    world.before = before
    report = run_import(world, rows)

    assert outcomes(world, report) == ["failed", "failed", "created"]
    assert (report["exit_code"], report["balanced"]) == (3, True)
    assert report["reasons"] == {"INVALID_VALUE": {"": 2}}
    rejects = table(world, report, "rejects.csv")
    assert [(row["note"], row["_codes"]) for row in rejects] == [
        ("one", "INVALID_VALUE"),
        ("two", "INVALID_VALUE"),
    ]
    world.before = lambda sent: None
    corrected = run_import(world, rejects, name="rejects.csv")
    assert counts(corrected) == {"created": 1, "duplicate": 1}
    assert sorted(p["given_name"] for p in world.alive().values()) == ["Given0", "John"]


@pytest.mark.parametrize("lookup", ["auto", "search"])
def test_a_search_that_is_refused_does_not_stop_the_run(world: World, lookup: str) -> None:
    """When Square refuses to search for one value, the directory is read by a snapshot instead."""
    known = world.create(**people(3)[2], note="old")
    for number in range(500):
        world.create(given_name=f"Else{number}")

    def before(sent: Sent) -> httpx.Response | None:
        refused = sent.endpoint == "search" and b"person1@" in sent.content
        return errors(400, "INVALID_VALUE") if refused else None

    world.before = before
    rows = [{"email_address": row["email_address"], "note": "new"} for row in people(3)]
    report = run_import(world, rows, {"dedupe": {"lookup": lookup}})

    assert (counts(report), report["exit_code"]) == ({"created": 2, "updated": 1}, 0)
    assert [entry["customer_id"] for entry in world.written("update")] == [known]
    assert len(world.written()) == 3
    assert "snapshot" in report["lookup"]
    assert 0 < len(world.calls("search")) <= 3
    assert len(world.calls("list")) > 5


def test_being_put_off_is_no_conflict(world: World) -> None:
    """Three answers that put a row off, then one edit meanwhile: the update is made."""
    customer = world.create(given_name="Ada", email_address="ada@example.com")
    sent = 0

    def before(request: Sent) -> httpx.Response | None:
        nonlocal sent
        if request.endpoint != "bulk-update":
            return None
        sent += 1
        if sent <= 3:
            fault = {"category": "RATE_LIMIT_ERROR", "code": "RATE_LIMITED"}
            return httpx.Response(
                200, json={"responses": {key: {"errors": [fault]} for key in request.customers}}
            )
        if sent == 4:
            world.update(customer, nickname="Countess")
        return None

    world.before = before
    report = run_import(world, [{"email_address": "ada@example.com", "note": "hi"}])

    assert counts(report) == {"updated": 1}
    assert world.profile(customer)["note"] == "hi"
    assert world.profile(customer)["nickname"] == "Countess"


def test_what_a_lost_run_made_and_somebody_edited_is_updated(world: World) -> None:
    """Without the journal its key answers with it; the row is held against it as it is now."""
    row = {"given_name": "Jo", "family_name": "Berg", "note": "from the file"}
    run_import(world, [row])
    ((customer, _),) = world.alive().items()
    world.time.sleep(7200)
    world.update(customer, note="the seller's")

    report = run_import(world, [row], state=State(world.folder / "other"))

    assert counts(report) == {"updated": 1}
    assert report["verified"] == {"checked": 1, "matched": 1, "mismatched": 0}
    assert [profile["note"] for profile in world.alive().values()] == ["from the file"]
