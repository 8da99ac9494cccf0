"""Tests of planning: what is sent for a row, what is left alone, and what stops before sending."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from etl.journal.records import Write
from etl.stages.plan import BULK, bulk_body
from tests.worlds import (
    Settings,
    World,
    counts,
    folder_of,
    open_world,
    outcomes,
    people,
    run_import,
    run_plan,
    table,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


ADA = {"reference_id": "R1", "given_name": "Ada", "email_address": "ada@example.com"}


def updates(world: World) -> list[dict[str, Any]]:
    """Return the entries of all updates that left."""
    return [entry for sent in world.calls("bulk-update") for entry in sent.customers.values()]


# -- what is sent ----------------------------------------------------------------------------


def test_only_changed_fields_are_sent_with_the_version(world: World) -> None:
    """An update holds the changed fields, address parts too, and the version it was made from."""
    ada = world.create(
        **ADA, note="old", address={"address_line_1": "1 Elm St", "locality": "Nantes"}
    )
    world.update(ada, nickname="Countess")
    before = world.profile(ada)

    report = run_import(
        world,
        [
            {
                **ADA,
                "note": "new",
                "address_line_1": "1 Elm St",
                "city": "Lyon",
                "family_name": "King",
                "company_name": "",
            }
        ],
    )

    assert counts(report) == {"updated": 1}
    assert updates(world) == [
        {"note": "new", "family_name": "King", "address": {"locality": "Lyon"}, "version": 1}
    ]
    after = world.profile(ada)
    changed = {"note", "family_name", "address", "version", "updated_at"}
    assert {k: v for k, v in before.items() if k not in changed} == {
        k: v for k, v in after.items() if k not in changed
    }
    assert after["address"] == {"address_line_1": "1 Elm St", "locality": "Lyon"}
    assert table(world, report, "rows.csv")[0]["detail"] == "address.locality, family_name, note"


def test_a_create_holds_what_the_row_holds(world: World) -> None:
    """A create is sent without empty cells, without a version, under its key."""
    run_import(world, [{**ADA, "family_name": "", "city": "Nantes"}])

    (sent,) = world.calls("bulk-create")
    ((key, entry),) = sent.customers.items()
    assert entry == {**ADA, "address": {"locality": "Nantes"}}
    assert len(key) <= 45
    assert world.written()[0]["idempotency_key"] == key


def test_calls_hold_up_to_a_hundred(world: World) -> None:
    """Writes travel in calls of a hundred, in row order."""
    rows = people(201)

    run_import(world, rows)

    sizes = [len(sent.customers) for sent in world.calls("bulk-create")]
    assert sizes == [BULK, BULK, 1]
    sent = [e["given_name"] for call in world.calls("bulk-create") for e in call.customers.values()]
    assert sent == [row["given_name"] for row in rows]


def test_equal_writes_make_equal_bytes() -> None:
    """A call's bytes depend on its writes alone."""
    writes = [
        Write(0, "update", "C1", "C1", 3, 0, {}, {"address.country": "FR", "note": None}),
        Write(1, "update", "C2", "C2", 0, 0, {}, {"note": "x"}),
    ]

    assert orjson.loads(bulk_body(writes)) == {
        "customers": {
            "C1": {"address": {"country": "FR"}, "note": None, "version": 3},
            "C2": {"note": "x", "version": 0},
        }
    }
    assert bulk_body(writes) == bulk_body(list(writes))


# -- policies --------------------------------------------------------------------------------

ROW = {**ADA, "note": "ours", "nickname": "", "company_name": "Ours Ltd", "city": ""}
CLEARING = {"policy": "mirror", "allow_clear": True}

POLICIES: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({}, {"note": "ours", "company_name": "Ours Ltd"}),
    ({"policy": "fill"}, {"company_name": "Ours Ltd"}),
    (
        CLEARING,
        {
            "note": "ours",
            "company_name": "Ours Ltd",
            "nickname": None,
            "address": {"locality": None},
        },
    ),
    ({"policy": "skip"}, None),
    ({"fields": {"note": "fill", "company_name": "skip"}}, None),
    ({"policy": "skip", "fields": {"note": "overwrite"}}, {"note": "ours"}),
    (
        {"policy": "fill", "allow_clear": True, "fields": {"nickname": "mirror"}},
        {"company_name": "Ours Ltd", "nickname": None},
    ),
]


@pytest.mark.parametrize(("update", "sent"), POLICIES, ids=str)
def test_policies(world: World, update: dict[str, Any], sent: dict[str, Any] | None) -> None:
    """Each policy sends what it may: overwrite, fill, mirror, skip, and single fields otherwise."""
    ada = world.create(**ADA, note="theirs", nickname="Countess", address={"locality": "Nantes"})

    report = run_import(world, [ROW], {"update": update})

    version = {"version": 0}
    assert updates(world) == ([sent | version] if sent else [])
    left_alone = "skipped" if update.get("policy") == "skip" else "unchanged"
    assert counts(report) == {"updated" if sent else left_alone: 1}
    cleared = sent is not None and "nickname" in sent
    assert world.profile(ada).get("nickname") == (None if cleared else "Countess")
    assert report["exit_code"] == 0


@pytest.mark.parametrize("update", [{}, {"policy": "fill"}, CLEARING], ids=str)
def test_equal_after_normalising_costs_no_write(world: World, update: dict[str, Any]) -> None:
    """Spellings that mean the same are unchanged and nothing is sent, whatever the policy."""
    world.create(
        reference_id="R1",
        given_name="Zoé",
        email_address="Ada.King@Example.com",
        phone_number="(415) 555-0100",
        birthday="1984-02-29",
    )
    row = {
        "reference_id": "R1",
        "given_name": "Zoe\u0301",
        "email_address": "ADA.king@example.COM",
        "phone_number": "+1 415-555-0100",
        "birthday": "0000-02-29",
    }

    report = run_import(world, [row], {"update": update, "clean": {"date_order": "YMD"}})

    assert counts(report) == {"unchanged": 1}
    assert world.calls("bulk-update") == []


def test_a_year_is_added_to_a_yearless_birthday(world: World) -> None:
    """The same day with a year says more than one without it, so it is written."""
    ada = world.create(**ADA, birthday="0000-05-04")

    report = run_import(world, [{**ADA, "birthday": "1980-05-04"}])

    assert counts(report) == {"updated": 1}
    assert world.profile(ada)["birthday"] == "1980-05-04"


def test_a_profile_without_identity_is_updated_but_not_created(world: World) -> None:
    """A row with none of the five identifying fields may update a profile, but not make one."""
    ada = world.create(**ADA)

    report = run_import(
        world, [{"reference_id": "R1", "note": "n"}, {"reference_id": "R2", "note": "n"}]
    )

    assert outcomes(world, report) == ["updated", "rejected"]
    assert report["reasons"] == {"BAD_REQUEST": {"": 1}}
    assert world.profile(ada)["note"] == "n"


def test_rows_of_one_person_make_one_write(world: World) -> None:
    """Joined rows are one write with the last non-empty value of each field; the first carries."""
    report = run_import(
        world,
        [
            {**ADA, "note": "first", "nickname": "Countess"},
            {**ADA, "note": "second", "nickname": ""},
        ],
    )

    assert outcomes(world, report) == ["created", "duplicate"]
    (entry,) = world.calls("bulk-create")[0].customers.values()
    assert entry == {**ADA, "note": "second", "nickname": "Countess"}
    carrier, folded = table(world, report, "rows.csv")
    assert folded["duplicate_of"].endswith("people.csv:2")
    assert folded["customer_id"] == carrier["customer_id"]


# -- idempotency keys ------------------------------------------------------------------------


def test_keys_do_not_depend_on_time_path_batch_or_run(world: World, tmp_path: Path) -> None:
    """The same row of another file, at another time, from another state folder has the same key."""
    rows = people(3)
    run_import(world, rows)
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = open_world(other_folder)
    other.time.now += 86_400 * 400

    run_import(other, [*people(120, first=500), *reversed(rows)], name="tonight.csv")

    keys = {entry["changes"]["reference_id"]: entry["idempotency_key"] for entry in world.written()}
    others = {e["changes"]["reference_id"]: e["idempotency_key"] for e in other.written()}
    assert len(set(others.values())) == 123
    assert keys == {reference: others[reference] for reference in keys}
    other.close()


def test_keys_depend_on_namespace_and_merchant(world: World, tmp_path: Path) -> None:
    """The same row of another source system, or for another merchant, has another key."""
    row = [{"given_name": "Ada", "email_address": "ada@example.com"}]
    worlds = [world]
    for seed, namespace in ((1, "old-crm"), (2, "")):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        worlds.append(open_world(folder, seed=seed))
        run_import(worlds[-1], row, {"source": {"namespace": namespace}})
    run_import(world, row)

    keys = [entry["idempotency_key"] for each in worlds for entry in each.written()]
    assert len(set(keys)) == 3
    for each in worlds[1:]:
        each.close()


# -- brakes ----------------------------------------------------------------------------------

BAD = {"reference_id": "B1", "given_name": "Bad", "phone_number": "12"}

BRAKES: list[tuple[str, str, str, Settings]] = [
    ("max_created", "2", "3", {}),
    ("max_created", "42%", "43%", {}),
    ("max_rejected", "1", "2", {}),
    ("max_rejected", "28%", "29%", {}),
    ("max_cleared", "3", "4", {"update": CLEARING}),
]


@pytest.mark.parametrize(("name", "low", "high", "settings"), BRAKES, ids=str)
def test_brakes(world: World, name: str, low: str, high: str, settings: Settings) -> None:
    """Beyond a brake nothing is sent and the exit is 6; with a raised limit the run goes on."""
    for row in people(2):
        world.create(**row, note="n", nickname="k")
    rows = [
        *({**row, "note": "", "nickname": "", "given_name": "New"} for row in people(2)),
        *people(3, first=10),
        BAD,
        {**BAD, "reference_id": "B2"},
    ]
    begun = len(world.sandbox.log())

    stopped = run_import(world, rows, {**settings, "limits": {name: low}})
    written = len(world.sandbox.log()) - begun
    report = run_import(world, rows, {**settings, "limits": {name: high}})

    assert (stopped["status"], stopped["exit_code"], written) == ("braked", 6, 0)
    assert name in stopped["stopped"]
    assert counts(stopped) == {"pending": 5, "rejected": 2}
    assert stopped["run_id"] == report["run_id"]
    assert counts(report) == {"created": 3, "updated": 2, "rejected": 2}
    assert (report["status"], report["exit_code"]) == ("finished", 3)


def test_rows_sent_again_do_not_count_twice_against_a_brake(world: World) -> None:
    """A row that had to be sent twice is one creation, also for the brake of a resumed run."""
    world.token = world.new_token()
    world.faults({"endpoint": "bulk-create", "nth": 1, "do": "omit", "count": 2})
    world.watch = lambda progress: (
        world.revoke(world.token)
        if len(world.calls("bulk-create")) == 1 and progress.stage == "load"
        else None
    )
    limits = {"limits": {"max_created": "5"}}

    stopped = run_import(world, people(5), limits)
    world.watch = lambda progress: None
    world.token = world.sandbox.token
    report = run_import(world, people(5), limits)

    assert (counts(stopped), stopped["exit_code"]) == ({"created": 3, "unknown": 2}, 4)
    assert (counts(report), report["exit_code"]) == ({"created": 5}, 0)


# -- dry runs --------------------------------------------------------------------------------


def decided(world: World, report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return of each row where it goes: its outcome before the load, evidence and carrier."""
    return [
        (
            "pending" if row["outcome"] in ("created", "updated") else row["outcome"],
            row["matched_by"],
            row["duplicate_of"],
        )
        for row in table(world, report, "rows.csv")
    ]


def test_a_dry_run_writes_nothing_and_equals_the_real_one(world: World) -> None:
    """On an unchanged directory a plan decides, row for row, what the import then does."""
    rows = people(8)
    for row in rows[:4]:
        world.create(**row, note="old" if row is not rows[0] else "new")
    world.create(given_name="Else", phone_number=rows[5]["phone_number"])
    source = [*({**row, "note": "new"} for row in rows), BAD, {**rows[7], "note": "later"}]
    begun = world.sandbox.log()

    plan = run_plan(world, source)

    assert world.sandbox.log() == begun
    assert world.calls("bulk-create") + world.calls("bulk-update") == []
    assert (plan["status"], plan["command"]) == ("planned", "plan")
    report = run_import(world, source)
    assert counts(report) == {
        **{"created": 3, "updated": 3, "unchanged": 1, "duplicate": 1},
        **{"review": 1, "rejected": 1},
    }
    assert decided(world, plan) == decided(world, report)
    with sqlite3.connect(folder_of(world, plan) / "journal.sqlite") as journal:
        bodies = [body for (body,) in journal.execute("SELECT body FROM requests")]
    journal.close()
    sent = [*world.calls("bulk-create"), *world.calls("bulk-update")]
    assert sorted(bodies) == sorted(call.content for call in sent)
    assert counts(plan)["pending"] == 6


def test_a_dry_run_leaves_the_memory_of_decisions_alone(world: World) -> None:
    """Planning a review file decides nothing yet: the ledger is what it was."""
    world.create(given_name="Else", phone_number="+14155550100")
    row = {"given_name": "Ada", "family_name": "King", "phone_number": "+14155550100"}
    report = run_import(world, [row])
    (review,) = table(world, report, "review.csv")

    def remembered() -> list[Any]:
        with sqlite3.connect(world.state.ledger) as ledger:
            found = ledger.execute("SELECT * FROM reviews").fetchall()
        ledger.close()
        return found

    before = remembered()
    run_plan(world, [{**review, "decision": "create"}], name="review.csv")

    assert counts(report) == {"review": 1}
    assert remembered() == before


def test_what_was_left_out_clears_nothing(world: World) -> None:
    """An invalid cell that was left out says nothing: mirror clears only what is empty."""
    rows = {"reference_id": "R1", "given_name": "Ada", "birthday": "1986-04-05", "nickname": "A"}
    run_import(world, [rows])

    report = run_import(
        world,
        [{**rows, "birthday": "1986-99-99", "nickname": ""}],
        {
            "update": {"policy": "mirror", "allow_clear": True},
            "on_invalid": {"birthday": "drop"},
        },
    )

    assert counts(report) == {"updated": 1}
    (profile,) = world.alive().values()
    assert profile["birthday"] == "1986-04-05"
    assert "nickname" not in profile


@pytest.mark.parametrize("held", ['="Ada"', "'=1", "Ã©tÃ©", " 94103.0 "])
def test_a_cell_that_says_what_is_held_changes_nothing(world: World, held: str) -> None:
    """What cleaning would mend is left alone where Square holds the very same text."""
    world.create(**ADA, note=held, address={"postal_code": held[:12]})
    report = run_import(world, [{**ADA, "note": held, "address.postal_code": held[:12]}])

    assert outcomes(world, report) == ["unchanged"]
    assert updates(world) == []


@pytest.mark.parametrize(
    ("notes", "after"),
    [(["tea", "milk"], "milk"), (["milk", "tea"], "tea"), (["milk", "tea", ""], "tea")],
)
def test_the_last_of_joined_rows_says_what_is_held(
    world: World, notes: list[str], after: str
) -> None:
    """An earlier row of the person that says the same does not hide the last one's value."""
    world.create(**ADA, note="tea")
    run_import(world, [{**ADA, "note": note} for note in notes])

    assert [profile["note"] for profile in world.alive().values()] == [after]


def test_a_mended_cell_is_written(world: World) -> None:
    """Where Square holds another text, also the damaged one of an earlier import, it is mended."""
    world.create(**ADA, note='="tea"')
    run_import(world, [{**ADA, "note": "tea"}])

    assert [entry["note"] for entry in updates(world)] == ["tea"]


def test_a_cell_that_means_another_thing(world: World) -> None:
    """A cell that ``[values]`` gives a meaning asks for that, although Square holds its text."""
    world.create(**ADA, note="x")
    run_import(world, [{**ADA, "note": "x"}], {"values": {"note": {"x": "tea"}}})

    assert [entry["note"] for entry in updates(world)] == ["tea"]


def test_what_is_not_changed_here_is_sent_beside(world: World) -> None:
    """The other fields of such a row are written all the same."""
    world.create(**ADA, note="'=1")
    run_import(world, [{**ADA, "note": "'=1", "nickname": "Countess"}])

    (entry,) = updates(world)
    assert {name for name in entry if name != "version"} == {"nickname"}
