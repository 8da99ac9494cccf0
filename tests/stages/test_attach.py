"""Tests of groups and custom attributes: everybody gets what the file says, once, or is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ConfigError
from tests.sandbox.attributes import schema
from tests.worlds import (
    Killed,
    Sent,
    World,
    counts,
    errors,
    interfere,
    open_world,
    outcomes,
    people,
    run_import,
    run_plan,
    run_resume,
    table,
)

DEFINITIONS = "/v2/customers/custom-attribute-definitions"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def define(world: World, key: str, kind: str = "String", **more: Any) -> dict[str, Any]:
    """Define a custom attribute as the seller's application would."""
    told = {"key": key, "name": key, "description": key, "schema": schema(kind), **more}
    told.setdefault("visibility", "VISIBILITY_READ_WRITE_VALUES")
    answer = world._call("POST", DEFINITIONS, {"custom_attribute_definition": told})
    found: dict[str, Any] = answer["custom_attribute_definition"]
    return found


def group(world: World, name: str) -> str:
    """Make a group as the seller would; return its id."""
    return str(
        world._call("POST", "/v2/customers/groups", {"group": {"name": name}})["group"]["id"]
    )


def groups(world: World) -> dict[str, str]:
    """Return the groups there are: names by id."""
    found = world._call("GET", "/v2/customers/groups", {}).get("groups", [])
    return {one["id"]: one["name"] for one in found}


def memberships(world: World) -> dict[str, list[str]]:
    """Return the names of everybody's groups, by reference."""
    named = groups(world)
    return {
        one.get("reference_id", ""): sorted(named[id] for id in one.get("group_ids", []))
        for one in world.alive().values()
    }


def held(world: World, key: str) -> dict[str, Any]:
    """Return everybody's value of an attribute, by reference; nobody who has none."""
    found = {}
    for id, one in world.alive().items():
        listed = world._call("GET", f"/v2/customers/{id}/custom-attributes", {})
        for value in listed.get("custom_attributes", []):
            if value["key"] == key:
                found[one["reference_id"]] = value["value"]
    return found


def log(world: World) -> list[dict[str, Any]]:
    """Return every effective write so far."""
    return world.sandbox.log()


def tagged(
    number: int, tags: str = "VIP", drink: str = "tea", first: int = 0
) -> list[dict[str, str]]:
    """Return rows of different people with tags and a drink."""
    return [{**row, "Tags": tags, "Drink": drink} for row in people(number, first)]


TAGS = {"groups": {"column": "Tags", "add": ["Imported 2026"]}}
DRINKS = {"custom_attributes": {"Drink": "favorite-drink"}}
BOTH = {**TAGS, **DRINKS}


# -- what an import makes of them ------------------------------------------------------------


def test_new_people_get_groups_and_attributes(world: World) -> None:
    """Groups that are missing are created once, those there are joined, and all is read back."""
    known = group(world, "VIP")
    define(world, "favorite-drink")
    rows = [*tagged(27, "VIP, Spring"), *tagged(1, "", "", first=27)]

    report = run_import(world, rows, BOTH)

    assert (counts(report), report["exit_code"]) == ({"created": 28}, 0)
    assert sorted(groups(world).values()) == ["Imported 2026", "Spring", "VIP"]
    assert known in groups(world)
    told = memberships(world)
    assert told["R0000"] == ["Imported 2026", "Spring", "VIP"]
    assert told["R0027"] == ["Imported 2026"]
    assert held(world, "favorite-drink") == {f"R{n:04d}": "tea" for n in range(27)}
    nothing = dict.fromkeys(("planned", "added", "failed", "verified", "mismatched"), 0)
    assert report["beside"] == {
        "gift_cards": nothing,
        "groups": {
            "planned": 82,
            "added": 82,
            "failed": 0,
            "verified": 82,
            "mismatched": 0,
            "created": 2,
        },
        "custom_attributes": {
            "planned": 27,
            "added": 27,
            "failed": 0,
            "verified": 27,
            "mismatched": 0,
            "created": 0,
        },
    }
    requests = report["requests"]
    assert requests["PUT /v2/customers/{customer_id}/groups/{group_id}"]["calls"] == 82
    assert requests["POST /v2/customers/custom-attributes/bulk-upsert"]["calls"] == 2


def test_a_finished_file_again_writes_nothing(tmp_path: Path) -> None:
    """Neither at once, while lists lag, nor later is anything sent a second time."""
    world = open_world(tmp_path, lag=60)
    define(world, "favorite-drink")
    run_import(world, tagged(3), BOTH)
    before = log(world)
    for wait in (1, 100):
        world.time.now += wait
        world.sent.clear()
        report = run_import(world, tagged(3), BOTH)
        assert counts(report) == {"unchanged": 3}
        assert [sent for sent in world.sent if "bulk-upsert" in sent.endpoint] == []
        assert "PUT /v2/customers/{customer_id}/groups/{group_id}" not in report["requests"]
    assert log(world) == before
    world.close()


def test_who_only_gains_a_group_or_attribute_is_updated(world: World) -> None:
    """The profile is left alone; what was added is named; other memberships and values stay."""
    define(world, "favorite-drink")
    define(world, "size")
    rows = tagged(3)
    run_import(world, rows, {"groups": {"add": ["Old"]}, "custom_attributes": {"Drink": "size"}})
    rows[1] |= {"Tags": "", "Drink": ""}
    world.time.now += 1000

    report = run_import(world, rows, {"groups": {"column": "Tags"}, **DRINKS})

    assert outcomes(world, report) == ["updated", "unchanged", "updated"]
    details = [row["detail"] for row in table(world, report, "rows.csv")]
    assert details[0] == "groups, custom_attributes.favorite-drink"
    assert memberships(world)["R0000"] == ["Old", "VIP"]
    assert held(world, "size") == {"R0000": "tea", "R0001": "tea", "R0002": "tea"}
    assert report["planned"]["updates"] == 0


def test_rows_of_one_customer_are_put_together(world: World) -> None:
    """All groups of the joined rows count, and of an attribute the last value."""
    define(world, "favorite-drink")
    (first,) = tagged(1, "A,B", "tea")
    report = run_import(world, [first, {**first, "Tags": "B,C", "Drink": "milk"}], BOTH)
    assert counts(report) == {"created": 1, "duplicate": 1}
    assert memberships(world) == {"R0000": ["A", "B", "C", "Imported 2026"]}
    assert held(world, "favorite-drink") == {"R0000": "milk"}


@pytest.mark.parametrize(
    ("policy", "told", "drink"),
    [("overwrite", "updated", "milk"), ("fill", "unchanged", "tea"), ("skip", "skipped", "tea")],
)
def test_update_policies_hold_for_attributes(
    world: World, policy: str, told: str, drink: str
) -> None:
    """What is there is written over, kept, or the customer is left alone."""
    define(world, "favorite-drink")
    run_import(world, tagged(1), DRINKS)
    report = run_import(world, tagged(1, drink="milk"), {**DRINKS, "update": {"policy": policy}})
    assert outcomes(world, report) == [told]
    assert held(world, "favorite-drink") == {"R0000": drink}


# -- definitions -----------------------------------------------------------------------------


def test_a_missing_definition_stops_everything(world: World) -> None:
    """An attribute nobody defined is an error before anything is written, with the remedy."""
    for go in (run_import, run_plan):
        with pytest.raises(ConfigError, match="create_missing"):
            go(world, tagged(2), BOTH)
    assert log(world) == []
    assert list((world.state.folder / "runs").iterdir()) == []


def test_a_missing_definition_is_created_on_demand(world: World) -> None:
    """``create_missing`` defines a text called as its column, once, and a plan defines nothing."""
    settings = {**DRINKS, "definitions": {"create_missing": True}}
    plan = run_plan(world, tagged(2), settings)
    assert log(world) == []
    assert plan["beside"]["custom_attributes"]["planned"] == 2
    report = run_import(world, tagged(2), settings)
    run_import(world, tagged(3), settings)
    (made,) = world._call("GET", DEFINITIONS, {})["custom_attribute_definitions"]
    assert (made["key"], made["name"]) == ("favorite-drink", "Drink")
    assert report["beside"]["custom_attributes"]["created"] == 1
    assert len(held(world, "favorite-drink")) == 3


@pytest.mark.parametrize(
    ("kind", "cell", "told"),
    [
        ("Number", "38.5", "38.5"),
        ("Boolean", "Yes", True),
        ("Date", "2026-02-28", "2026-02-28"),
        ("PhoneNumber", "(415) 555-0148", "+14155550148"),
        ("Email", "ada@example.com", "ada@example.com"),
        ("String", "x" * 1000, "x" * 1000),
    ],
)
def test_cells_become_values_of_their_type(
    world: World, kind: str, cell: str, told: object
) -> None:
    """A cell is written as the definition has it, and a second time it is the same."""
    define(world, "favorite-drink", kind)
    report = run_import(world, tagged(1, drink=cell), DRINKS)
    assert report["exit_code"] == 0
    assert held(world, "favorite-drink") == {"R0000": told}
    assert counts(run_import(world, tagged(1, drink=cell), DRINKS)) == {"unchanged": 1}


def test_labels_become_options(world: World) -> None:
    """A Selection is written by the ids of its labels, in any case, several if it takes them."""
    made = define(world, "favorite-drink", "Selection")
    ids = dict(zip(made["schema"]["items"]["names"], made["schema"]["items"]["enum"], strict=True))
    rows = [
        tagged(1, drink="red")[0],
        tagged(1, drink="Red; Blue", first=1)[0],
        tagged(1, drink="Purple", first=2)[0],
        tagged(1, drink="Red, Green, Blue", first=3)[0],
    ]
    report = run_import(world, rows, DRINKS)
    assert outcomes(world, report) == ["created", "created", "rejected", "rejected"]
    assert held(world, "favorite-drink") == {
        "R0000": [ids["Red"]],
        "R0001": [ids["Red"], ids["Blue"]],
    }
    assert report["reasons"] == {"INVALID_VALUE": {"custom_attributes.favorite-drink": 2}}


@pytest.mark.parametrize(
    ("kind", "cell", "code"),
    [
        ("Number", "1.234567", "INVALID_VALUE"),
        ("Boolean", "maybe", "INVALID_VALUE"),
        ("Date", "2026-02-30", "INVALID_TIME"),
        ("PhoneNumber", "12", "INVALID_PHONE_NUMBER"),
        ("Email", "ada", "INVALID_EMAIL_ADDRESS"),
    ],
)
def test_what_is_no_value_is_rejected_or_left_out(
    world: World, kind: str, cell: str, code: str
) -> None:
    """The definition decides before anything is sent; with ``drop`` the row goes on without."""
    define(world, "favorite-drink", kind)
    report = run_import(world, tagged(1, drink=cell), DRINKS)
    assert counts(report) == {"rejected": 1}
    assert report["reasons"] == {code: {"custom_attributes.favorite-drink": 1}}
    settings = {**DRINKS, "on_invalid": {"default": "drop"}}
    report = run_import(world, tagged(1, drink=cell), settings)
    assert counts(report) == {"created": 1}
    assert held(world, "favorite-drink") == {}


def test_an_address_is_no_cell(world: World) -> None:
    """A type that has parts is refused at once."""
    define(world, "favorite-drink", "Address")
    with pytest.raises(ConfigError, match="is of type Address"):
        run_import(world, tagged(1), DRINKS)


# -- whatever breaks -------------------------------------------------------------------------

LOST: tuple[dict[str, Any], ...] = (
    {"do": "drop", "when": "after"},
    {"do": "truncate"},
    {"do": "status", "status": 500, "when": "after"},
    {"do": "status", "status": 429},
)


def test_a_kill_at_any_request_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed before a request or after it was carried out, it ends as an undisturbed one does."""

    def start(folder: Path) -> World:
        folder.mkdir()
        world = open_world(folder)
        world.create(**people(1)[0])
        world.time.now += 1000
        return world

    rows = [*tagged(2, "VIP, Spring"), *tagged(1, "VIP", "milk", first=2)]
    settings = {**BOTH, "definitions": {"create_missing": True}}
    calm = start(tmp_path / "calm")
    expected = counts(run_import(calm, rows, settings))
    told = [entry["action"] for entry in log(calm)]
    requests = len(calm.sent)
    assert expected == {"created": 2, "updated": 1}
    assert requests > 15
    for number in range(1, requests + 1):
        world = start(tmp_path / str(number))
        kill_at(world, number, after=number % 2 == 0)
        with pytest.raises(Killed):
            run_import(world, rows, settings)
        world.before = world.after = lambda sent: None
        report = run_import(world, rows, settings)
        assert sorted(entry["action"] for entry in log(world)) == sorted(told)
        assert (memberships(world), report["exit_code"]) == (memberships(calm), 0)
        assert held(world, "favorite-drink") == held(calm, "favorite-drink")
        assert counts(report) == expected
        before = log(world)
        assert counts(run_import(world, rows, settings)) == {"unchanged": 3}
        assert log(world) == before
        world.close()
    calm.close()


def kill_at(world: World, number: int, *, after: bool) -> None:
    """Die at the ``number``th request of an import, before Square sees it or before it is told."""
    left = number

    def die(sent: Sent) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    if after:
        world.after = die
    else:
        world.before = die


@pytest.mark.parametrize("endpoint", ["bulk-upsert-attributes", "add-group", "create-group"])
def test_lost_answers_are_asked_for_again(world: World, endpoint: str) -> None:
    """After answers that were lost everything is there once."""
    define(world, "favorite-drink")
    world.faults(
        *({"endpoint": endpoint, "nth": nth, **fault} for nth, fault in enumerate(LOST, 1))
    )
    report = run_import(world, tagged(3), BOTH)
    assert (counts(report), report["exit_code"]) == ({"created": 3}, 0)
    assert [entry["action"] for entry in log(world)].count("create-group") == 2
    assert [entry["action"] for entry in log(world)].count("upsert-attribute") == 3


def test_an_outage_leaves_a_run_that_resumes(world: World) -> None:
    """The profiles are there, the rest follows with the resume."""
    define(world, "favorite-drink")
    world.faults({"endpoint": "bulk-upsert-attributes", "rate": 1.0, "do": "status", "status": 500})
    stopped = run_import(world, tagged(2), DRINKS)
    assert (counts(stopped), stopped["exit_code"]) == ({"created": 2}, 4)
    world.faults()
    report = run_resume(world, stopped)
    assert (counts(report), report["exit_code"]) == ({"created": 2}, 0)
    assert len(held(world, "favorite-drink")) == 2


def test_a_group_deleted_since_is_made_anew(world: World) -> None:
    """A key that stays used by a group that is gone does not stand in the way of a new one."""
    run_import(world, tagged(1), TAGS)
    for id in groups(world):
        world._call("DELETE", f"/v2/customers/groups/{id}", {})
    world.time.now += 100
    report = run_import(world, tagged(2), TAGS)
    assert counts(report) == {"created": 1, "updated": 1}
    assert memberships(world)["R0000"] == ["Imported 2026", "VIP"]
    assert report["exit_code"] == 0


def test_a_customer_merged_meanwhile_is_followed(world: World) -> None:
    """A profile merged between the load and its groups is joined under its new id."""
    define(world, "favorite-drink")
    known = group(world, "VIP")

    def merge() -> None:
        world.merge(*world.alive())

    interfere(world, known, 1, merge)
    report = run_import(world, tagged(2), {"groups": {"column": "Tags"}, **DRINKS})
    assert counts(report) == {"created": 2}
    (one,) = world.alive().values()
    assert one["group_ids"] == [known]
    assert report["beside"]["groups"]["verified"] == 2


def test_another_editor_is_not_written_over_unseen(world: World) -> None:
    """A value changed since it was read is read again; the file still wins, or ``fill`` yields."""
    define(world, "favorite-drink")
    run_import(world, tagged(1), DRINKS)
    (id,) = world.alive()

    def edit() -> None:
        path = f"/v2/customers/{id}/custom-attributes/favorite-drink"
        world._call("POST", path, {"custom_attribute": {"value": "coffee"}})

    interfere(world, "bulk-upsert", 1, edit)
    report = run_import(world, tagged(1, drink="milk"), DRINKS)
    assert counts(report) == {"updated": 1}
    assert held(world, "favorite-drink") == {"R0000": "milk"}
    drinks = [e["changes"]["value"] for e in log(world) if e["action"] == "upsert-attribute"]
    assert drinks == ["tea", "coffee", "milk"]


def test_one_refusal_fails_one_row(world: World) -> None:
    """A customer deleted meanwhile fails with Square's words; the others get theirs."""
    define(world, "favorite-drink")

    def delete() -> None:
        world.delete(next(id for id, p in world.alive().items() if p["reference_id"] == "R0001"))

    interfere(world, "bulk-upsert", 1, delete)
    report = run_import(world, tagged(3), DRINKS)
    assert outcomes(world, report) == ["created", "failed", "created"]
    assert (report["exit_code"], report["balanced"]) == (3, True)
    assert report["reasons"] == {"NOT_FOUND": {"custom_attributes.favorite-drink": 1}}
    assert len(held(world, "favorite-drink")) == 2


def test_a_call_that_is_refused_as_a_whole_is_taken_apart(world: World) -> None:
    """Its values go one by one, so that the others are written."""
    define(world, "favorite-drink")
    interfere(world, "bulk-upsert", 1, lambda: errors(400, "BAD_REQUEST"))
    report = run_import(world, tagged(3), DRINKS)
    assert (counts(report), report["exit_code"]) == ({"created": 3}, 0)
    assert len(world.calls("bulk-upsert")) == 4


def test_what_square_does_not_hold_is_told(world: World) -> None:
    """A membership that is gone when it is read back makes the run end with exit 3."""
    known = group(world, "VIP")

    def leave() -> None:
        (id,) = world.alive()
        world._call("DELETE", f"/v2/customers/{id}/groups/{known}", {})

    interfere(world, "bulk-retrieve", 2, leave)
    report = run_import(world, tagged(1), {"groups": {"column": "Tags"}})
    assert report["beside"]["groups"]["mismatched"] == 1
    assert (report["repairs"], report["exit_code"]) == ({"VERIFY_MISMATCH": {"groups": 1}}, 3)
