"""What may go: whole runs, or one person out of all of them."""

from __future__ import annotations

import csv
import json
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl import retention
from etl.config import Config
from etl.errors import ConfigError, LockedError, StateError
from etl.export.wanted import wanted
from etl.exporting import export_customers
from etl.journal.journal import Journal
from etl.journal.lock import locked
from etl.journal.records import unpacked
from etl.journal.state import JOURNAL
from etl.pipeline import Report, validate_files
from etl.retention import Erased, erase, purge
from tests.worlds import (
    Killed,
    World,
    counts,
    folder_of,
    open_world,
    outcomes,
    people,
    run_import,
    run_plan,
    run_undo,
    table,
)

ANN = {
    "reference_id": "R-ANN-77",
    "given_name": "Annabel",
    "family_name": "Quistgaard",
    "email_address": "Annabel.Q@example.com",
    "phone_number": "+14155550177",
    "address.address_line_1": "77 Zanzibar Row",
    "note": "likes cardamom",
}
# Everything that names her; what others have too is not in here.
SECRETS = ("annabel", "quistgaard", "4155550177", "r-ann-77", "zanzibar", "cardamom")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A Square and a state folder."""
    world = open_world(tmp_path)
    yield world
    world.close()


def erased(world: World, **named: str) -> Erased:
    """Erase whoever is named: email, phone, reference."""
    keys = ([named[name]] if name in named else [] for name in ("email", "phone", "reference"))
    now = datetime.fromtimestamp(world.time.now, UTC)
    return erase(world.state, retention.person(*keys), now, random.Random(1), world.notes.append)


def told(world: World) -> str:
    """Return all that the state folder tells, unpacked, in lower case; Square's own file aside."""
    found: list[str] = []
    for path in sorted(world.state.folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        found.append(data.decode("utf-8", "replace"))
        if path.suffix == ".sqlite":
            found += _cells(path)
    return "\n".join(found).lower()


def _cells(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in db.execute(f"SELECT * FROM {name}"):
                for value in row:
                    yield _text(value)


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        found = unpacked(pa.py_buffer(value))
        # Text may also lie under a null.
        lying = [
            b.to_pybytes() for c in found.columns for each in c.chunks for b in each.buffers() if b
        ]
        hidden = b"".join(lying).decode("utf-8", "replace")
        return json.dumps(found.to_pylist(), default=str) + hidden
    except (pa.ArrowInvalid, OSError):
        return value.decode("utf-8", "replace")


def nights(world: World) -> list[Report]:
    """Three imports: she is created, changed, and refused for a wrong birthday."""
    others = people(30)
    return [
        run_import(world, [*others[:15], ANN, *others[15:]]),
        run_import(world, [*others, {**ANN, "note": "likes cardamom no more"}], name="second.csv"),
        run_import(world, [{**ANN, "birthday": "1999-99-99"}, *others], name="third.csv"),
    ]


def test_nothing_of_an_erased_person_is_left(world: World) -> None:
    """Not in journals, artifacts, ledger, nor in pages of a database that are free."""
    done = nights(world)
    assert all(secret in told(world) for secret in SECRETS)

    what = erased(world, email="annabel.q@EXAMPLE.com")

    assert [what.runs[run["run_id"]] for run in done] == [1, 1, 1]
    assert what.left == []
    left = told(world)
    assert [secret for secret in SECRETS if secret in left] == []


BY_EMAIL = {"email_address": "annabel.q@example.com", "note": "likes cardamom"}
BY_PHONE = {"given_name": "Annabel", "phone_number": "415-555-0177", "note": "zanzibar"}


@pytest.mark.parametrize(
    "key",
    [{"phone": "+1 415 555 0177"}, {"email": "annabel.q@example.com"}],
    ids=["phone", "email"],
)
def test_one_key_leads_to_the_profile_and_that_to_all_rows(
    world: World, key: dict[str, str]
) -> None:
    """Rows that share nothing but the customer they became are all found."""
    customer = world.create(
        given_name="Annabel",
        email_address="annabel.q@example.com",
        phone_number="+14155550177",
    )
    run_import(world, [*people(3), BY_EMAIL])
    run_import(world, [BY_PHONE], name="by-phone.csv")

    what = erased(world, **key)

    assert list(what.runs.values()) == [1, 1]
    left = told(world)
    assert [secret for secret in (*SECRETS, customer.lower()) if secret in left] == []


def test_every_account_still_adds_up(world: World) -> None:
    """Rows keep line, outcome and codes; the others are as they were; reports are rebuilt."""
    done = nights(world)
    before = [table(world, run, "rows.csv") for run in done]
    rejects = table(world, done[2], "rejects.csv")
    assert len(rejects) == 1

    erased(world, email=ANN["email_address"])

    for run, old in zip(done, before, strict=True):
        report = json.loads((folder_of(world, run) / "report.json").read_bytes())
        assert report["balanced"]
        for name in ("rows", "reasons", "verified", "exit_code", "sources"):
            assert report[name] == run[name]
        hers = dict(
            zip(("line", "outcome", "codes"), _of(old, "R-ANN-77", run, world), strict=True)
        )
        for was, now in zip(old, table(world, run, "rows.csv"), strict=True):
            if was["line"] != hers["line"]:
                assert now == was
            else:
                assert {name: now[name] for name in hers} == hers
                assert (now["customer_id"], now["detail"]) == ("", "erased")
    kept = table(world, done[2], "rejects.csv")
    assert [row["reference_id"] for row in kept] == [""]


def _of(rows: list[dict[str, str]], reference: str, run: Report, world: World) -> tuple[str, ...]:
    path = world.folder / run["sources"][0]["path"]
    with open(path, encoding="utf-8", newline="") as file:
        at = [row["reference_id"] for row in csv.DictReader(file)].index(reference)
    return tuple(rows[at][name] for name in ("line", "outcome", "codes"))


def test_another_email_that_holds_the_same_letters_stays(world: World) -> None:
    """Joann is not Ann; a cell that lists Ann's among others is hers."""
    rows = [
        {"reference_id": "1", "email_address": "ann@example.com"},
        {"reference_id": "2", "email_address": "joann@example.com"},
        {"reference_id": "3", "email_address": "ann@example.com.au"},
        {"reference_id": "4", "email_address": "bea@example.com", "note": "was ann@example.com."},
    ]
    done = run_import(world, rows)

    what = erased(world, email="ann@example.com")

    assert list(what.runs.values()) == [2]
    ids = [row["customer_id"] for row in table(world, done, "rows.csv")]
    assert [bool(each) for each in ids] == [False, True, True, False]


def test_a_later_import_keeps_nothing_of_an_erased_person(world: World) -> None:
    """The file still has her: her row is left out, and the journal forgets what it read."""
    done = run_import(world, [*people(3), ANN])
    world.delete(table(world, done, "rows.csv")[3]["customer_id"])
    erased(world, email=ANN["email_address"])

    again = run_import(world, [*people(3), ANN], name="again.csv")

    assert outcomes(world, again) == ["unchanged"] * 3 + ["skipped"]
    left = told(world)
    assert [secret for secret in SECRETS if secret in left] == []


def test_validations_are_erased_too(world: World) -> None:
    """Of a file that was merely validated, rows with something to say of are kept: they go too."""
    wrong = {**ANN, "birthday": "1999-99-99"}
    path = world.file([*people(3), wrong, *people(2), ANN])
    before = validate_files([str(path)], Config(), world.state, world.edges())
    assert all(secret in told(world) for secret in SECRETS)

    what = erased(world, email=ANN["email_address"], phone=ANN["phone_number"])
    after = validate_files([str(path)], Config(), world.state, world.edges())

    assert what.runs == {before["run_id"]: 1}
    assert (counts(before)["rejected"], counts(after)["skipped"]) == (1, 2)
    left = told(world)
    assert [secret for secret in SECRETS if secret in left] == []


def test_whoever_only_mentions_somebody_stays_welcome(world: World) -> None:
    """Bob's note names Ann's email: his row goes, but he is not taken for her."""
    bob = {"reference_id": "R-BOB", "given_name": "Bob", "note": f"ask {ANN['email_address']}"}
    run_import(world, [ANN, bob])
    erased(world, email=ANN["email_address"])

    again = run_import(world, [{**bob, "note": "new"}, ANN], name="again.csv")

    assert outcomes(world, again) == ["updated", "skipped"]


def test_erasures_are_told_apart(world: World) -> None:
    """One that was killed is finished by itself; readmitting another does not undo it."""
    bob = {"reference_id": "R-BOB", "given_name": "Bob", "email_address": "bob@example.com"}
    run_import(world, [ANN, bob])

    def dies(text: str) -> None:
        if text.endswith(" rows"):
            raise Killed

    now = datetime.fromtimestamp(world.time.now, UTC)
    with pytest.raises(Killed):
        erase(world.state, retention.person([], [], ["R-ANN-77"]), now, world.chance, dies)
    erased(world, email="bob@example.com")
    retention.readmit(world.state, retention.person(["bob@example.com"], [], []))

    again = run_import(world, [ANN, bob], name="again.csv")

    assert outcomes(world, again) == ["skipped", "unchanged"]


def test_later_imports_leave_an_erased_person_out(world: World) -> None:
    """Whoever was erased does not come back by last week's file, until readmitted."""
    nights(world)
    erased(world, email=ANN["email_address"])
    written = len(world.written())

    again = run_import(world, [*people(3), ANN], name="again.csv")
    by_reference = run_import(world, [{"reference_id": "R-ANN-77", "note": "x"}], name="ref.csv")

    assert outcomes(world, again) == ["unchanged"] * 3 + ["skipped"]
    assert again["reasons"]["ERASED"] == {"": 1}
    assert counts(by_reference) == {"skipped": 1}
    assert len(world.written()) == written
    who = retention.person([ANN["email_address"]], [], [])
    assert retention.readmit(world.state, who) == 2
    assert counts(run_import(world, [ANN], name="back.csv")) == {"updated": 1}


def test_an_undo_leaves_an_erased_person_alone(world: World) -> None:
    """Nothing is known that could be taken back; for the others everything is."""
    done = run_import(world, [*people(3), ANN])
    erased(world, reference="R-ANN-77")

    undone = run_undo(world, done)

    assert undone["rows"]["deleted"] == 3
    assert [p["given_name"] for p in world.alive().values()] == ["Annabel"]


def test_an_undone_run_is_erased_too(world: World) -> None:
    """The journal of an undo holds what was there before: that goes as well."""
    done = run_import(world, [*people(2), ANN])
    run_undo(world, done)

    what = erased(world, phone=ANN["phone_number"])

    assert len(what.runs) == 2
    left = told(world)
    assert [secret for secret in SECRETS if secret in left] == []


def test_additions_and_reviews_go_too(world: World) -> None:
    """Memberships, and being a candidate for somebody else's row."""
    world.create(given_name="Annabel", family_name="Quistgaard", phone_number="+14155550177")
    rows = [
        {**ANN, "Tags": "Regulars;Cardamom friends"},
        {"reference_id": "9", "given_name": "Zoe", "phone_number": "+14155550177", "Tags": "New"},
        *({**row, "Tags": "Regulars"} for row in people(3)),
    ]
    config = {"groups": {"column": "Tags", "separator": ";"}}
    run_import(world, rows, config)

    what = erased(world, phone="+14155550177")

    assert what.left == []
    left = told(world)
    assert [s for s in SECRETS if s in left.replace("cardamom friends", "")] == []


def test_being_a_candidate_goes_from_runs_that_had_no_row_of_hers(world: World) -> None:
    """A row that only resembles her keeps its hint without her, the account as it was."""
    run_import(world, [ANN])
    world.time.sleep(60)
    alike = {**ANN, "reference_id": "8", "email_address": "annabel.q@exmaple.com"}
    del alike["phone_number"]
    config = {"dedupe": {"lookup": "snapshot"}}
    hinted = run_import(world, [alike, *people(2)], config, name="alike.csv")
    asked = run_import(
        world,
        [{"reference_id": "9", "given_name": "Zoe", "phone_number": ANN["phone_number"]}],
        name="asked.csv",
    )
    before = [table(world, run, "rows.csv") for run in (hinted, asked)]
    (hers,) = (id for id, one in world.alive().items() if one["reference_id"] == "R-ANN-77")
    assert hers.lower() in told(world)

    what = erased(world, email=ANN["email_address"])

    assert what.left == []
    assert hers.lower() not in told(world)
    assert [table(world, run, "rows.csv") for run in (hinted, asked)] == before


def test_what_could_still_be_sent_is_not_torn_apart(world: World) -> None:
    """An unfinished run and a plan are named, with the command that ends them."""
    plan = run_plan(world, [ANN, *people(2)])
    with pytest.raises(StateError, match=f"runs purge {plan['run_id']}"):
        erased(world, email=ANN["email_address"])
    purge(world.state, datetime.fromtimestamp(world.time.now, UTC), [plan["run_id"]])

    world.faults({"endpoint": "bulk-create", "rate": 1, "do": "status", "status": 503})
    config = {"limits": {"patience": 5}}
    stopped = run_import(world, [ANN, *people(2)], config)
    assert stopped["status"] == "incomplete"
    with pytest.raises(StateError, match=f"runs resume {stopped['run_id']}"):
        erased(world, email=ANN["email_address"])


def test_a_killed_erasure_is_finished_by_the_next(world: World) -> None:
    """What one journal knew only by the id of another is still found."""
    world.create(
        given_name="Annabel",
        email_address="annabel.q@example.com",
        phone_number="+14155550177",
    )
    older = run_import(world, [BY_PHONE], name="by-phone.csv")
    world.time.sleep(60)
    run_import(world, [*people(3), BY_EMAIL])

    def dies(text: str) -> None:
        if text.startswith(str(older["run_id"])):  # the only one that had the email is done
            raise Killed

    now = datetime.fromtimestamp(world.time.now, UTC)
    with pytest.raises(Killed):
        erase(
            world.state,
            retention.person(["annabel.q@example.com"], [], []),
            now,
            world.chance,
            dies,
        )
    assert "zanzibar" in told(world)

    erased(world, email="nobody@example.com")

    left = told(world)
    assert [secret for secret in SECRETS if secret in left] == []


def test_increments_remember_ids_and_nothing_else(world: World) -> None:
    """Nothing else is left of her, and the next one tells that she is gone."""
    nights(world)
    config = Config()

    def increment(name: str) -> Report:
        asked = wanted(str(world.folder / name), incremental=True)
        return export_customers(asked, config, world.state, world.square(config), world.edges())

    increment("export-1.csv")
    (ann,) = [
        customer_id
        for customer_id, profile in world.alive().items()
        if profile.get("email_address") == ANN["email_address"]
    ]

    assert erased(world, email=ANN["email_address"]).left == []

    left = told(world)
    assert [secret for secret in SECRETS if secret in left] == []
    world.delete(ann)
    world.time.sleep(300)
    assert increment("export-2.csv")["incremental"]["deleted"]["rows"] == 1


def test_the_proof_finds_what_is_left(world: World) -> None:
    """A copy that somebody made by hand is named, and the person is not taken for erased."""
    done = nights(world)[0]
    copy = folder_of(world, done) / "copy.txt"
    copy.write_text("call ANNABEL.Q@example.com")

    assert erased(world, email=ANN["email_address"]).left == [
        str(copy.relative_to(world.state.folder))
    ]
    copy.unlink()
    assert erased(world, reference="nothing").left == []


@pytest.mark.parametrize(
    "named",
    [{"email": "ann"}, {"phone": "4155550177"}, {"reference": " "}, {}],
    ids=["no email", "no country code", "blank", "nobody"],
)
def test_whoever_is_nobody(world: World, named: dict[str, str]) -> None:
    """A key that can be nobody's is refused before anything is looked at."""
    with pytest.raises(ConfigError):
        erased(world, **named)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.sets(st.integers(0, 11), min_size=1), order=st.randoms(use_true_random=False))
def test_whoever_is_erased_the_others_stay(
    tmp_path_factory: pytest.TempPathFactory, rows: set[int], order: random.Random
) -> None:
    """Any people, one after another: the rest of the ledger is line for line as before."""
    world = open_world(tmp_path_factory.mktemp("erased"))
    everybody = people(12)
    done = run_import(world, everybody)
    before = table(world, done, "rows.csv")
    for at in order.sample(sorted(rows), len(rows)):
        assert erased(world, email=everybody[at]["email_address"]).left == []
    after = table(world, done, "rows.csv")
    assert [now for at, now in enumerate(after) if at not in rows] == [
        was for at, was in enumerate(before) if at not in rows
    ]
    assert {after[at]["detail"] for at in rows} == {"erased"}
    world.close()


# -- purging ---------------------------------------------------------------------------------


def days(world: World, number: int) -> None:
    """Let days pass."""
    world.time.sleep(number * 86_400)


def gone(world: World, *runs: str, **how: object) -> list[str]:
    """Purge, and return which runs went."""
    now = datetime.fromtimestamp(world.time.now, UTC)
    return [each.run_id for each in purge(world.state, now, runs, **how)]  # type: ignore[arg-type]


def test_old_runs_go_and_nobody_is_created_twice(world: World) -> None:
    """The ledger stays: the same file again creates nobody."""
    old = run_import(world, people(3))
    days(world, 31)
    new = run_import(world, people(4), name="new.csv")

    assert gone(world, older_than=timedelta(days=30), dry_run=True) == [old["run_id"]]
    assert folder_of(world, old).is_dir()
    assert gone(world, older_than=timedelta(days=30)) == [old["run_id"]]

    assert [path.name for path in world.state.runs.iterdir()] == [new["run_id"]]
    assert counts(run_import(world, people(3))) == {"unchanged": 3}


def test_an_unfinished_run_stays(world: World) -> None:
    """It can be gone on with, so it goes only when somebody says so."""
    world.faults({"endpoint": "bulk-create", "rate": 1, "do": "status", "status": 503})
    stopped = run_import(world, people(2), {"limits": {"patience": 5}})
    days(world, 100)
    assert gone(world, older_than=timedelta(days=30)) == []
    with pytest.raises(StateError, match="runs resume"):
        gone(world, stopped["run_id"])
    assert gone(world, stopped["run_id"], unfinished=True) == [stopped["run_id"]]


def test_nothing_goes_while_a_run_is_at_work(world: World) -> None:
    """Two at once would pull the ground from under each other."""
    done = run_import(world, people(2))
    with locked(world.state.folder, "import"), pytest.raises(LockedError):
        gone(world, done["run_id"])
    assert (folder_of(world, done) / JOURNAL).is_file()
    Journal.open(folder_of(world, done) / JOURNAL).close()


def test_of_a_folder_elsewhere_only_the_run_goes(world: World) -> None:
    """What else lies in a --run-dir is not ours."""
    from etl import pipeline
    from etl.config import parse

    elsewhere = world.folder / "elsewhere"
    config = parse({}, "test")
    done = pipeline.import_customers(
        [str(world.file(people(2)))],
        config,
        world.state,
        world.square(config),
        world.edges(),
        run_dir=elsewhere,
    )
    (elsewhere / "notes.txt").write_text("mine")

    assert gone(world, str(done["run_id"])) == [done["run_id"]]
    assert os.listdir(elsewhere) == ["notes.txt"]
    assert list(world.state.runs.iterdir()) == []
