"""Tests of matching: whoever is there is found, and a lookup that fails stops the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worlds import (
    Sent,
    World,
    counts,
    folder_of,
    open_world,
    outcomes,
    people,
    run_import,
    run_plan,
    run_resume,
    table,
)

PHONE = "+14155550100"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def verdicts(world: World, report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return outcome, customer and evidence of each row."""
    return [
        (row["outcome"], row["customer_id"], row["matched_by"])
        for row in table(world, report, "rows.csv")
    ]


@pytest.mark.parametrize("lookup", ["search", "snapshot", "index"])
def test_customers_are_found_by_each_key(world: World, lookup: str) -> None:
    """Reference, email in any case and phone in any spelling find their profile, either way."""
    by_reference = world.create(reference_id="R1", given_name="Ada")
    by_email = world.create(given_name="Bob", email_address="Bob@Example.com")
    by_phone = world.create(given_name="Cyd", phone_number="(415) 555-0100")
    world.create(reference_id="r1", given_name="Else")
    rows = [
        {"reference_id": "R1", "given_name": "Ada"},
        {"email_address": "bOB@example.com", "given_name": "Bob"},
        {"phone_number": "415-555-0100", "given_name": "Cyd"},
        {"email_address": "dan@example.com", "given_name": "Dan"},
    ]

    report = run_import(world, rows, {"dedupe": {"lookup": lookup}})

    assert verdicts(world, report)[:3] == [
        ("unchanged", by_reference, "reference_id"),
        ("unchanged", by_email, "email_address"),
        ("unchanged", by_phone, "phone_number"),
    ]
    assert outcomes(world, report)[3] == "created"
    searches = 4 if lookup == "search" else 0
    assert len(world.calls("search")) == searches
    assert len(world.calls("list")) == (1 if searches else 2)  # the first one counts


@pytest.mark.parametrize(("rows", "way"), [(1, "search"), (40, "snapshot")])
def test_fewer_calls_are_made(world: World, rows: int, way: str) -> None:
    """Of searching and paging the run takes what needs fewer calls, and says so."""
    for number in range(600):
        world.create(given_name=f"P{number}")

    report = run_import(world, [{"email_address": row["email_address"]} for row in people(rows)])

    searches, pages = len(world.calls("search")), len(world.calls("list"))
    # One call of the list only counts; a sixth page that is full is the last one.
    assert (searches, pages) == ((1, 1) if way == "search" else (0, 7))
    assert f"{rows} searches" in report["lookup"]
    assert "600 profiles" in report["lookup"]


@pytest.mark.parametrize("endpoint", ["search", "list", "bulk-retrieve"])
def test_a_failed_lookup_is_never_not_found(world: World, endpoint: str) -> None:
    """While the directory cannot be read nothing is written, nobody failed; later it goes on."""
    rows = people(3)
    lookup = {"dedupe": {"lookup": "search" if endpoint == "search" else "snapshot"}}
    if endpoint == "bulk-retrieve":
        # Known from before, and gone from the list: only reading by id tells.
        run_import(world, rows, lookup)
        for customer_id in world.alive():
            world.delete(customer_id)
    else:
        for row in rows:
            world.create(**row)
    before = world.sandbox.log()
    world.faults({"endpoint": endpoint, "rate": 1.0, "do": "status", "status": 503})

    stopped = run_import(world, [{**row, "note": "new"} for row in rows], lookup)

    assert (counts(stopped), stopped["exit_code"]) == ({"pending": 3}, 4)
    assert world.sandbox.log() == before
    assert (folder_of(world, stopped) / "report.json").is_file()
    world.faults()
    report = run_resume(world, stopped)
    done = "created" if endpoint == "bulk-retrieve" else "updated"
    assert (counts(report), report["exit_code"]) == ({done: 3}, 0)


def test_pages_that_fail_now_and_then_hide_nobody(world: World) -> None:
    """Failures in the middle of a listing are repeated until every page was read."""
    rows = people(250)
    for row in rows:
        world.create(**row)
    world.faults(
        *(
            {"endpoint": "list", "nth": nth, **fault}
            for nth, fault in (
                (2, {"do": "garbage"}),
                (4, {"do": "truncate"}),
                (6, {"do": "status", "status": 429}),
                (7, {"do": "drop"}),
            )
        )
    )

    report = run_import(world, rows)

    assert counts(report) == {"unchanged": 250}


def test_the_index_is_thrown_away(world: World) -> None:
    """What lies beside a run while it is matched goes, whether it succeeds or not."""
    stopped_by: dict[str, Any] = {"endpoint": "list", "nth": [2], "do": "status", "status": 401}
    world.faults(stopped_by)

    stopped = run_import(world, people(1))
    report = run_import(world, people(1))

    assert (stopped["exit_code"], counts(report)) == (4, {"created": 1})
    assert list(world.state.runs.rglob("*.duckdb*")) == []


def test_an_id_comes_before_every_key(world: World) -> None:
    """A row of an export names its profile; one that is gone is rejected, not created."""
    ada = world.create(given_name="Ada", email_address="ada@example.com")
    bob = world.create(given_name="Bob", email_address="bob@example.com")
    rows = [
        {"id": bob, "given_name": "Bob", "email_address": "ada@example.com", "version": "0"},
        {"id": "GONE", "given_name": "Cyd", "email_address": "", "version": "0"},
    ]

    report = run_import(world, rows, {"columns": {"id": "id", "given_name": "given_name"}})

    assert verdicts(world, report) == [("unchanged", bob, "id"), ("rejected", "", "")]
    assert report["reasons"] == {"NOT_FOUND": {"": 1}}
    assert world.profile(ada)["version"] == 0


def test_several_candidates_need_a_person(world: World) -> None:
    """Two profiles with the row's email: review, with both as candidates and nothing written."""
    twins = [world.create(given_name="Ada", email_address="ada@example.com") for _ in range(2)]

    report = run_import(world, [{"given_name": "Ada", "email_address": "ada@example.com"}])

    (review,) = table(world, report, "review.csv")
    assert (review["_codes"], review["_candidates"].split(";")) == (
        "SEVERAL_CANDIDATES",
        sorted(twins),
    )
    assert world.written() == []


def test_rows_without_keys_join_their_twins(world: World) -> None:
    """Rows that hold a name and nothing else are one customer if they say the same, and again."""
    rows = [{"given_name": "Ada", "note": "x"}, {"given_name": "Bob", "note": "x"}]

    first = run_import(world, [*rows, rows[0]])
    again = run_import(world, [rows[0], rows[1], rows[0]])

    assert outcomes(world, first) == ["created", "created", "duplicate"]
    assert outcomes(world, again) == ["unchanged", "unchanged", "duplicate"]
    assert len(world.written()) == 2


def test_an_unfinished_plan_is_made_anew(world: World) -> None:
    """A plan that waited behind a brake is made again from the directory as it is then."""
    rows = people(2)
    stopped = run_import(world, rows, {"limits": {"max_created": "0"}})
    world.create(**rows[0])

    report = run_import(world, rows, {"limits": {"max_created": "1"}})

    assert stopped["exit_code"] == 6
    assert outcomes(world, report) == ["unchanged", "created"]
    assert len(world.written()) == 1


def test_the_order_of_rows_changes_no_verdict(world: World) -> None:
    """Turned around, the file leads to the same customers and the same reviews."""
    world.create(given_name="Else", family_name="Other", phone_number=PHONE)
    world.create(reference_id="R7", given_name="Ada", email_address="ada@example.com")
    rows = [
        {"given_name": "Ada", "email_address": "ada@example.com", "phone_number": ""},
        {"given_name": "Bob", "email_address": "bob@example.com", "phone_number": PHONE},
        {"given_name": "Cyd", "email_address": "cyd@example.com", "phone_number": ""},
        {"given_name": "Cyd", "email_address": "cyd@example.com", "phone_number": "4155550101"},
    ]
    lookup = {"limits": {"max_created": "0"}}

    forwards = run_import(world, rows, lookup, name="forwards.csv")
    backwards = run_import(world, rows[::-1], lookup, name="backwards.csv")

    def reached(report: dict[str, Any]) -> list[tuple[str, str]]:
        return [(outcome, id) for outcome, id, _ in verdicts(world, report)]

    assert outcomes(world, forwards) == ["unchanged", "review", "pending", "duplicate"]
    assert outcomes(world, backwards) == ["pending", "duplicate", "review", "unchanged"]
    assert reached(forwards)[:2] == reached(backwards)[::-1][:2]


@pytest.mark.parametrize("policy", ["overwrite", "fill"])
def test_what_somebody_changed_since_is_told(world: World, policy: str) -> None:
    """Of what we wrote, what we were told anew, and what Square has now, all three count."""
    rows = [{**row, "note": "ours", "nickname": "ours"} for row in people(3)]
    settings = {"update": {"policy": policy}}
    run_import(world, rows, settings)
    first, second, _ = (profile["id"] for profile in sorted_profiles(world))
    world.update(first, note="theirs")
    world.update(second, company_name="theirs alone")
    world.time.now += 60
    rows[1]["note"] = rows[2]["note"] = "new"

    report = run_import(world, rows, settings, name="second.csv")

    codes = [row["codes"] for row in table(world, report, "rows.csv")]
    assert codes == ["CHANGED_IN_SQUARE", "", ""]
    assert report["repairs"] == {"CHANGED_IN_SQUARE": {"note": 1}}
    notes = [profile["note"] for profile in sorted_profiles(world)]
    assert notes == (
        ["ours", "new", "new"] if policy == "overwrite" else ["theirs", "ours", "ours"]
    )

    if policy == "overwrite":
        again = run_import(world, rows, settings, name="third.csv")
        assert again["repairs"] == {}


def sorted_profiles(world: World) -> list[dict[str, Any]]:
    """Return the profiles by their reference."""
    return sorted(world.alive().values(), key=lambda profile: profile["reference_id"])


def test_who_is_nearly_there_is_hinted_at(world: World) -> None:
    """A typo makes nobody the same: the row is created, and review.csv says whom it resembles."""
    there = world.create(given_name="Ada", family_name="King", email_address="ada@example.com")
    world.time.now += 60
    row = {"given_name": "Ada", "family_name": "King", "email_address": "ada@exmaple.com"}
    config = {"dedupe": {"lookup": "snapshot"}}

    searched = run_plan(world, [row], {"dedupe": {"lookup": "search"}}, name="searched.csv")
    assert table(world, searched, "review.csv") == []  # nobody else is at hand

    planned = run_plan(world, [row, *people(2)], config, name="plan.csv")
    report = run_import(world, [row, *people(2)], config)

    for told in (planned, report):
        (hint,) = table(world, told, "review.csv")
        assert (hint["_candidates"], hint["decision"]) == (there, "")
        assert hint["_evidence"] == "near: the email differs by a typo, the names agree"
    assert counts(report) == {"created": 3}
    assert counts(run_import(world, folder_of(world, report) / "review.csv")) == {"unchanged": 1}

    folder = folder_of(world, planned) / "review.csv"
    decided = folder.read_text(encoding="utf-8").rstrip("\n") + there + "\n"
    world.file(decided, "decided.csv")
    again = run_import(world, world.folder / "decided.csv", config)
    assert counts(again) == {"updated": 1}
    assert world.profile(there)["email_address"] == "ada@exmaple.com"


def test_whoever_is_created_meanwhile_stands_in_for_nobody(world: World) -> None:
    """One profile is deleted, another made between the changes and the count: both are noticed."""
    config = {"dedupe": {"lookup": "index"}}
    rows = [
        {"email_address": "ada@example.com", "given_name": "Ada"},
        {"email_address": "bob@example.com", "given_name": "Bob"},
    ]
    for _ in range(2):
        run_import(world, rows, config)
        world.time.sleep(7200)
    ada = next(id for id, profile in world.alive().items() if profile["given_name"] == "Ada")
    world.delete(ada)
    world.time.sleep(7200)
    made: list[str] = []

    def after(sent: Sent) -> None:
        if sent.endpoint == "search" and b'"count"' not in sent.content and not made:
            made.append(world.create(given_name="Cid", email_address="cid@example.com"))

    world.after = after
    report = run_import(world, rows, config)

    assert made
    assert outcomes(world, report) == ["created", "unchanged"]
    assert table(world, report, "rows.csv")[0]["customer_id"] != ada
