"""Tests of remembering: what one run learned, the next one uses, even while search is behind."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from etl.journal.journal import Journal
from etl.journal.ledger import Ledger
from etl.journal.state import JOURNAL
from etl.stages.remember import remember
from tests.worlds import (
    Killed,
    Sent,
    World,
    counts,
    folder_of,
    interfere,
    open_world,
    outcomes,
    people,
    run_import,
    table,
)

ADA = {
    "reference_id": "R1",
    "given_name": "Ada",
    "email_address": "ada@example.com",
    "phone_number": "+14155550100",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose searches and lists are a minute behind."""
    world = open_world(tmp_path, lag=60)
    yield world
    world.close()


def only(names: str, **more: str) -> dict[str, str]:
    """Return Ada's values of these fields, and more."""
    return {**{name: ADA[name] for name in names.split()}, **more}


def dump(path: Path) -> list[Any]:
    """Return everything a ledger holds."""
    with closing(sqlite3.connect(path)) as database:
        return [
            (name, database.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall())
            for name in ("crosswalk", "written", "reviews")
        ]


# -- right after a run, while search does not show it yet --------------------------------------


def test_importing_again_at_once_writes_nothing(world: World) -> None:
    """A finished file imported again inside the lag writes nothing: the ledger knows its rows."""
    rows = people(3)
    run_import(world, rows)

    report = run_import(world, rows)

    assert counts(report) == {"unchanged": 3}
    assert len(world.written()) == 3
    assert all(row["matched_by"].startswith("crosswalk") for row in lines(world, report))


def lines(world: World, report: dict[str, Any]) -> list[dict[str, str]]:
    """Return the run's ledger of rows."""
    return table(world, report, "rows.csv")


@pytest.mark.parametrize(
    "row",
    [
        only("email_address", note="new"),
        only("phone_number", given_name="Ada", note="new"),
        only("email_address", reference_id="", note="new"),
    ],
    ids=str,
)
def test_another_source_key_is_matched_by_the_ledger(world: World, row: dict[str, str]) -> None:
    """A row that only shares an email or a phone with what was just created is that customer."""
    run_import(world, [ADA])

    report = run_import(world, [row], {"source": {"namespace": "elsewhere"}})

    assert counts(report) == {"updated": 1}
    assert len(world.alive()) == 1
    assert world.written("update")[0]["changes"] == {"note": "new"}


def test_an_update_does_not_make_the_ledger_forget_other_keys(world: World) -> None:
    """After an update from a file without phones, the phone of before still names its owner."""
    run_import(world, [ADA])
    run_import(world, [only("email_address", note="new")], {"source": {"namespace": "b"}})

    report = run_import(
        world,
        [only("phone_number", given_name="Ada", nickname="k")],
        {"source": {"namespace": "c"}},
    )

    assert len(world.alive()) == 1
    assert counts(report) == {"updated": 1}


def test_a_key_that_was_written_away_names_nobody(world: World) -> None:
    """An email that our own update replaced a moment ago does not lead to its former owner."""
    run_import(world, [ADA])
    world.time.now += 100
    run_import(world, [{**ADA, "email_address": "new@example.com"}])

    report = run_import(world, [only("email_address", given_name="Bob")])

    assert counts(report) == {"created": 1}
    assert sorted(p["email_address"] for p in world.alive().values()) == [
        "ada@example.com",
        "new@example.com",
    ]


def test_the_newer_of_two_views_counts(world: World) -> None:
    """An update inside the lag is computed from the profile as it is, not as a list shows it."""
    run_import(world, [{**ADA, "note": "one"}])
    world.time.now += 100
    run_import(world, [{**ADA, "note": "two"}])

    report = run_import(world, [{**ADA, "note": "one"}])

    assert counts(report) == {"updated": 1}
    assert [entry["changes"] for entry in world.written("update")] == [
        {"note": "two"},
        {"note": "one"},
    ]


# -- what becomes of customers between runs ----------------------------------------------------


def test_merged_profiles_are_followed(world: World) -> None:
    """A source key whose profile was merged away means the surviving profile."""
    run_import(world, [ADA])
    (ada,) = world.alive()
    twin = world.create(given_name="Else", email_address="else@example.com")
    middle = world.merge(twin, ada)
    last = world.merge(world.create(given_name="Third"), middle)

    report = run_import(world, [{**only("reference_id"), "nickname": "k"}])

    assert counts(report) == {"updated": 1}
    assert lines(world, report)[0]["customer_id"] == last
    assert world.profile(last)["nickname"] == "k"
    again = run_import(world, [{**only("reference_id"), "nickname": "k"}])
    assert (counts(again), len(world.written())) == ({"unchanged": 1}, 2)


def test_a_deleted_customer_is_created_anew(world: World) -> None:
    """A customer somebody deleted comes back with the next import, as a new profile."""
    run_import(world, [ADA])
    (ada,) = world.alive()
    world.time.now += 100
    world.delete(ada)
    world.time.now += 100

    report = run_import(world, [ADA])

    assert counts(report) == {"created": 1}
    (again,) = world.alive()
    assert again != ada
    keys = [entry["idempotency_key"] for entry in world.written("create")]
    assert len(set(keys)) == 2
    assert world.sandbox.log()[-1]["action"] == "create"


def test_a_source_key_decides_although_its_values_changed(world: World) -> None:
    """The same reference with another email and phone is the same customer as before."""
    run_import(world, [ADA])
    changed = {**ADA, "email_address": "new@example.com", "phone_number": "+14155550199"}

    report = run_import(world, [changed])

    assert counts(report) == {"updated": 1}
    assert len(world.alive()) == 1


def test_a_source_key_of_two_customers_decides_nothing(tmp_path: Path) -> None:
    """People who share all they have, a phone, are told apart by name, run after run."""
    world = open_world(tmp_path)
    settings = {"dedupe": {"shared_phone": "separate"}}
    rows = [
        {"given_name": name, "family_name": "King", "phone_number": "+14155550100"}
        for name in ("Ada", "Bob")
    ]

    first = run_import(world, rows, settings)
    world.time.now += 90_000
    second = run_import(world, rows, settings)

    assert (counts(first), counts(second)) == ({"created": 2}, {"unchanged": 2})
    assert len(world.written()) == 2
    world.close()


def test_every_merchant_has_a_memory_of_its_own(world: World, tmp_path: Path) -> None:
    """What is known of one merchant's customers says nothing of another's in the same folder."""
    run_import(world, [ADA])
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = open_world(other_folder, seed=2, lag=60)

    report = run_import(other, [ADA], state=world.state)

    assert counts(report) == {"created": 1}
    assert len(other.alive()) == 1
    again = run_import(world, [ADA])
    assert counts(again) == {"unchanged": 1}
    other.close()


# -- remembering itself ------------------------------------------------------------------------


def test_remembering_twice_changes_nothing(world: World) -> None:
    """Carrying a journal over again leaves the ledger as it is."""
    world.create(given_name="Else", phone_number="+14155550100")
    world.time.now += 100
    report = run_import(world, [*people(2, first=50), only("phone_number", given_name="Zoe")])
    before = dump(world.state.ledger)

    with (
        closing(Journal.open(folder_of(world, report) / JOURNAL)) as journal,
        closing(Ledger(world.state.ledger, world.sandbox.merchant_id)) as ledger,
    ):
        remember(journal, ledger, final=True)

    assert counts(report) == {"created": 2, "review": 1}
    assert dump(world.state.ledger) == before
    assert [len(rows) for _, rows in before] == [2, 2, 1]


def test_the_ledger_can_be_told_again_by_the_run(world: World) -> None:
    """A run killed between load and remembering leaves it to its resume, before it verifies."""
    rows = people(2)

    def die() -> None:
        # The load is over; what it remembered is lost, as if the kill had come before.
        world.state.ledger.unlink()
        for rest in world.state.folder.glob("ledger.sqlite-*"):
            rest.unlink()
        raise Killed

    interfere(world, "bulk-retrieve", 1, die)
    with pytest.raises(Killed):
        run_import(world, rows)
    world.before = lambda sent: None
    run_import(world, rows)

    report = run_import(world, rows)

    assert counts(report) == {"unchanged": 2}
    assert len(world.written()) == 2


def test_other_unfinished_runs_are_settled_first(world: World) -> None:
    """What another run left in flight is settled before a new file is matched."""
    interfere(
        world,
        "bulk-create",
        1,
        lambda: world.faults(
            {"endpoint": "bulk-create", "rate": 1.0, "do": "drop", "when": "after"}
        ),
    )
    stopped = run_import(world, [ADA])
    world.faults()
    world.before = lambda sent: None

    report = run_import(world, [only("email_address", note="new")], name="tomorrow.csv")

    assert counts(stopped) == {"unknown": 1}
    assert len(world.alive()) == 1
    assert counts(report) == {"updated": 1}
    finished = run_import(world, [ADA])
    assert (counts(finished), finished["run_id"]) == ({"created": 1}, stopped["run_id"])
    assert len(world.written("create")) == 1


# -- decisions ---------------------------------------------------------------------------------

PHONE = "+14155550100"


def kings(*names: str) -> list[dict[str, str]]:
    """Return rows of people who share a phone and have nothing else."""
    return [{"given_name": name, "family_name": "King", "phone_number": PHONE} for name in names]


def reviewed(
    world: World, report: dict[str, Any], decisions: dict[str, str]
) -> list[dict[str, str]]:
    """Return the review file with decisions filled in by given name."""
    return [
        {**row, "decision": decisions.get(row["given_name"], "")}
        for row in table(world, report, "review.csv")
    ]


def test_decisions_are_replayed_and_remembered(world: World) -> None:
    """A filled-in review file does what it says; the original file then agrees; the rest waits."""
    owner = world.create(given_name="Else", family_name="Other", phone_number=PHONE)
    world.time.now += 100
    rows = [
        {"reference_id": f"R{n}", "given_name": name, "family_name": "King", "phone_number": PHONE}
        for n, name in enumerate(["Ada", "Bob", "Cyd", "Dan"])
    ]

    first = run_import(world, rows)
    review = reviewed(world, first, {"Ada": " Create ", "Bob": "SKIP", "Cyd": owner})
    assert [row["_codes"] for row in review] == ["SHARED_PHONE"] * 4
    assert {owner} == {row["_candidates"] for row in review}
    assert world.written() == []
    decided = run_import(world, review, name="review.csv")
    world.time.now += 90_000
    again = run_import(world, rows)

    assert (counts(first), first["exit_code"]) == ({"review": 4}, 3)
    assert outcomes(world, decided) == ["created", "skipped", "updated", "review"]
    assert outcomes(world, again) == ["unchanged", "skipped", "unchanged", "review"]
    assert [entry["action"] for entry in world.written()] == ["create", "update"]
    assert world.written("update")[0]["customer_id"] == owner
    assert (world.profile(owner)["given_name"], len(world.alive())) == ("Cyd", 2)
    assert table(world, again, "review.csv")[0]["_codes"] == "HELD_FOR_REVIEW"


def test_a_row_in_review_stays_there(world: World) -> None:
    """Even when what it collided with is gone, a row waits for the decision it was sent for."""
    owner = world.create(given_name="Else", family_name="Other", phone_number=PHONE)
    world.time.now += 100
    row = {"reference_id": "R1", "given_name": "Ada", "family_name": "King", "phone_number": PHONE}
    run_import(world, [row])
    world.delete(owner)
    world.time.now += 100

    report = run_import(world, [row])

    assert counts(report) == {"review": 1}
    assert report["reasons"] == {"HELD_FOR_REVIEW": {"": 1}}
    assert world.written() == []


def test_a_decision_that_is_none_is_rejected(world: World) -> None:
    """A decision that is neither an id nor a word we know rejects its row, and it stays held."""
    world.create(given_name="Else", family_name="Other", phone_number=PHONE)
    world.time.now += 100
    row = {"reference_id": "R1", "given_name": "Ada", "family_name": "King", "phone_number": PHONE}
    first = run_import(world, [row])

    report = run_import(world, reviewed(world, first, {"Ada": "ask Bob"}), name="review.csv")
    again = run_import(world, [row])

    assert (counts(report), report["reasons"]) == ({"rejected": 1}, {"NO_DECISION": {"": 1}})
    assert counts(again) == {"review": 1}
    (rejected,) = table(world, report, "rejects.csv")
    assert rejected["_suggestion"].startswith("write a customer id")


def test_a_decision_for_a_customer_that_does_not_exist_is_rejected(world: World) -> None:
    """A word that only looks like an id names nobody: the row is rejected and stays held."""
    owner = world.create(given_name="Else", family_name="Other", phone_number=PHONE)
    world.time.now += 100
    row = {"reference_id": "R1", "given_name": "Ada", "family_name": "King", "phone_number": PHONE}
    first = run_import(world, [row])

    report = run_import(world, reviewed(world, first, {"Ada": "craete"}), name="review.csv")
    world.delete(owner)
    world.time.now += 100
    again = run_import(world, [row])

    assert counts(again) == {"review": 1}
    assert counts(report) == {"rejected": 1}


def test_decisions_on_rows_with_the_same_key_are_kept_apart(world: World) -> None:
    """People who share a phone and have nothing else are decided on one by one."""
    rows = kings("Ada", "Bob")
    first = run_import(world, rows)

    review = reviewed(world, first, {"Ada": "create", "Bob": "skip"})
    report = run_import(world, review, name="review.csv")

    assert counts(first) == {"review": 2}
    assert outcomes(world, report) == ["created", "skipped"]
    assert [p["given_name"] for p in world.alive().values()] == ["Ada"]


def test_created_by_decision_means_created_once(world: World) -> None:
    """Two people of one phone, both to be created, are there once, however often imported."""
    rows = kings("Ada", "Bob")
    first = run_import(world, rows)
    review = reviewed(world, first, {"Ada": "create", "Bob": "create"})

    report = run_import(world, review, name="review.csv")
    world.time.now += 90_000
    again = run_import(world, rows)

    assert counts(report) == {"created": 2}
    assert len(world.written()) == 2
    assert counts(again) == {"unchanged": 2}


def test_decisions_may_come_one_after_the_other(world: World) -> None:
    """Of two people of one phone the second is created as decided, though the first is known."""
    rows = kings("Ada", "Bob")
    first = run_import(world, rows)
    second = run_import(world, reviewed(world, first, {"Ada": "create"}), name="one.csv")
    report = run_import(world, reviewed(world, second, {"Bob": "create"}), name="two.csv")

    assert outcomes(world, second) == ["created", "review"]
    assert outcomes(world, report) == ["created"]
    assert sorted(p["given_name"] for p in world.alive().values()) == ["Ada", "Bob"]


def test_decisions_outlive_the_runs_that_asked(world: World) -> None:
    """Runs may be thrown away; the decisions given in them stay."""
    world.create(given_name="Else", family_name="Other", phone_number=PHONE)
    world.time.now += 100
    row = {"reference_id": "R1", "given_name": "Ada", "family_name": "King", "phone_number": PHONE}
    first = run_import(world, [row])
    run_import(world, reviewed(world, first, {"Ada": "skip"}), name="review.csv")
    shutil.rmtree(world.state.runs)

    report = run_import(world, [row])

    assert (counts(report), report["exit_code"]) == ({"skipped": 1}, 0)


# -- rejects -----------------------------------------------------------------------------------


def test_corrected_rejects_import_as_they_stand(world: World) -> None:
    """Corrected in place, the rejects file imports again, formulas and all; the rest is ignored."""
    text = (
        "Ref;First name;E-mail;Notes\n"
        'R1;"=SUM(1;2)";ada@example.com;+one\n'
        "R2;'Bob;bob at example.com;-2\n"
        'R3;@Cyd;cyd at example.com;"=1;2"\n'
    )
    settings = {
        "source": {"delimiter": ";"},
        "columns": {
            "Ref": "reference_id",
            "First name": "given_name",
            "E-mail": "email_address",
            "Notes": "note",
        },
    }
    first = run_import(world, text, settings)
    rejects = table(world, first, "rejects.csv")
    corrected = [{**row, "E-mail": row["E-mail"].replace(" at ", "@")} for row in rejects]

    report = run_import(world, corrected, settings, name="rejects.csv")

    assert outcomes(world, first) == ["created", "rejected", "rejected"]
    assert [row["First name"] for row in rejects] == ["''Bob", "'@Cyd"]
    assert [row["_line"] for row in rejects] == ["3", "4"]
    assert counts(report) == {"created": 2}
    stored = {p["email_address"]: (p["given_name"], p["note"]) for p in world.alive().values()}
    assert stored["cyd@example.com"] == ("@Cyd", "=1;2")
    assert stored["bob@example.com"][1] == "-2"


def test_rejects_that_were_not_corrected_come_out_again_alike(world: World) -> None:
    """A rejects file imported as it is gives the same rejects file, byte for byte but for lines."""
    text = "reference_id,given_name,phone_number,note\nR1,=A1,12,'x\nR2,Ada,+14155550100,@y\n"
    first = run_import(world, text)
    path = folder_of(world, first) / "rejects.csv"

    report = run_import(world, path)

    again = (folder_of(world, report) / "rejects.csv").read_bytes()
    assert counts(report) == {"rejected": 1}
    assert again == path.read_bytes().replace(b",2,", b",2,")


def test_a_phone_alone_does_not_rename_somebody(world: World) -> None:
    """Who was imported under a phone alone is not overwritten by somebody of another name."""
    run_import(world, [{"given_name": "John", "phone_number": "+14155550123"}])

    report = run_import(world, [{"given_name": "Mary", "phone_number": "+14155550123"}])

    assert counts(report) == {"review": 1}
    assert [profile["given_name"] for profile in world.alive().values()] == ["John"]


def test_a_key_that_a_policy_left_unwritten_is_not_remembered(tmp_path: Path) -> None:
    """Under fill the profile keeps its email: it is found by that, though search is behind."""
    world = open_world(tmp_path, lag=60)
    config = {"update": {"policy": "fill"}, "dedupe": {"lookup": "search"}}
    jo = {"reference_id": "R1", "given_name": "Jo", "email_address": "one@example.com"}
    run_import(world, [jo], config)
    run_import(world, [{**jo, "email_address": "two@example.com", "note": "x"}], config)

    third = {"given_name": "Jo", "email_address": "one@example.com"}
    report = run_import(world, [third], config, name="third.csv")

    assert counts(report) == {"unchanged": 1}
    assert len(world.alive()) == 1
    world.close()


JO = {
    "email_address": "jo@example.com",
    "given_name": "Jo",
    "family_name": "Berg",
    "phone_number": "+14155550123",
}


def decided_and_lost(world: World) -> tuple[list[dict[str, str]], str]:
    """Create somebody by decision, and lose the answer; return the review file and their id."""
    world.create(given_name="Else", family_name="Other", phone_number=JO["phone_number"])
    world.time.sleep(7200)
    held = run_import(world, [JO])
    review = [{**row, "decision": "create"} for row in table(world, held, "review.csv")]

    def lost(sent: Sent) -> None:
        if sent.endpoint == "bulk-create":
            raise Killed

    world.after = lost
    with pytest.raises(Killed):
        run_import(world, review, name="review.csv")
    world.after = lambda sent: None
    (made,) = (id for id, profile in world.alive().items() if profile["given_name"] == "Jo")
    return review, made


def test_a_decision_to_create_is_done_once_the_customer_is_there(tmp_path: Path) -> None:
    """Its answer was lost and the profile merged: the resumed run finds it, the next does too."""
    world = open_world(tmp_path)
    review, made = decided_and_lost(world)
    world.time.sleep(3600)
    other = world.create(given_name="Jo", family_name="Berg", email_address="jb@example.com")
    world.merge(made, other)
    world.time.sleep(3600)
    run_import(world, review, name="review.csv")
    people_then = len(world.alive())

    for night in range(2):
        world.time.sleep(90_000)
        run_import(world, [JO], name=f"night{night}.csv")

    assert len(world.alive()) == people_then
    world.close()


def test_a_create_that_was_decided_and_edited_is_known_after_its_key_has_lapsed(
    tmp_path: Path,
) -> None:
    """Its answer was lost, somebody edited what it made, a day went by: nobody is made twice."""
    world = open_world(tmp_path)
    review, made = decided_and_lost(world)
    world.time.sleep(3600)
    world.update(made, nickname="Joey", family_name="Berg-Maier")
    world.time.sleep(90_000)

    report = run_import(world, review, name="review.csv")

    assert table(world, report, "rows.csv")[0]["customer_id"] == made
    assert len(world.alive()) == 2
    assert world.profile(made)["nickname"] == "Joey"
    world.close()
