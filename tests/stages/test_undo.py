"""Tests of undo: the directory is as before the run, and whatever others did since is untouched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError, StateError
from etl.pipeline import Report
from tests.stages.test_attach import define, group
from tests.worlds import (
    Killed,
    Sent,
    World,
    counts,
    interfere,
    open_world,
    people,
    run_apply,
    run_import,
    run_plan,
    run_resume,
    run_undo,
    table,
)

DAY_FIRST = {"clean": {"date_order": "MDY"}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


# What Square counts up by itself.
_CLOCKWORK = ("version", "updated_at")


def state_of(world: World) -> dict[str, Any]:
    """Return every profile that is alive, without what Square counts up by itself."""
    return {
        id: {name: value for name, value in profile.items() if name not in _CLOCKWORK}
        for id, profile in world.alive().items()
    }


def test_created_profiles_are_deleted(world: World) -> None:
    """What an import created is gone after its undo; the report adds up."""
    done = run_import(world, people(3))
    undone = run_undo(world, done)
    assert world.alive() == {}
    assert counts(undone) == {"deleted": 3}
    assert (undone["exit_code"], undone["balanced"], undone["undoes"]) == (0, True, done["run_id"])
    assert undone["verified"] == {"checked": 3, "matched": 3, "mismatched": 0}


def test_fields_are_put_back(world: World) -> None:
    """Fields that were changed, filled or cleared have the values they had before."""
    world.create(**people(1)[0], note="old", nickname="Nick")
    before = state_of(world)
    row = {**people(1)[0], "note": "new", "nickname": "", "company_name": "Firm"}
    done = run_import(world, [row], {"update": {"policy": "mirror", "allow_clear": True}})
    assert state_of(world) != before
    undone = run_undo(world, done)
    assert state_of(world) == before
    assert counts(undone) == {"updated": 1}
    (line,) = table(world, undone, "rows.csv")
    assert (Path(line["source"]).name, line["line"]) == ("people.csv", "2")
    assert line["detail"] == "put back: company_name, nickname, note"


def test_undone_twice(world: World) -> None:
    """The second undo writes nothing and says so."""
    world.create(**people(1)[0], note="old")
    done = run_import(world, [{**person, "note": "new"} for person in people(2)])
    run_undo(world, done)
    log = len(world.sandbox.log())
    again = run_undo(world, done)
    assert counts(again) == {"unchanged": 2}
    assert again["exit_code"] == 0
    assert len(world.sandbox.log()) == log


def test_imported_again(world: World) -> None:
    """After an undo the same files do the same again; then there is nothing more to do."""
    world.create(**people(1)[0], note="old")
    rows = [{**person, "note": "new"} for person in people(3)]
    done = run_import(world, rows)
    run_undo(world, done)
    calls = len(world.calls("bulk-create"))
    again = run_import(world, rows)
    assert counts(again) == {"created": 2, "updated": 1}
    assert "CHANGED_IN_SQUARE" not in again["repairs"]  # we put it back ourselves
    assert (
        len(world.calls("bulk-create")) == calls + 2
    )  # the keys of before answer with who is gone
    assert len(world.alive()) == 3
    assert counts(run_import(world, rows)) == {"unchanged": 3}


# -- what others did since -------------------------------------------------------------------


def test_foreign_edits_stay(world: World) -> None:
    """A field that somebody else changed since stays; the others of the profile are put back."""
    id = world.create(**people(1)[0], note="old", nickname="Nick")
    done = run_import(world, [{**people(1)[0], "note": "new", "nickname": "Nico"}])
    world.update(id, note="theirs")
    undone = run_undo(world, done)
    assert (world.profile(id)["note"], world.profile(id)["nickname"]) == ("theirs", "Nick")
    assert (counts(undone), undone["exit_code"]) == ({"conflict": 1}, 3)
    assert undone["reasons"] == {"EDITED_SINCE": {"note": 1}}
    (line,) = table(world, undone, "rows.csv")
    assert line["detail"] == "put back: nickname; left as they are: note"
    assert (line["codes"], line["customer_id"]) == ("EDITED_SINCE", id)


def test_a_foreign_year_of_birth_stays(world: World) -> None:
    """A birthday that somebody completed with its year is somebody's edit, though it is equal."""
    id = world.create(**people(1)[0])
    done = run_import(world, [{**people(1)[0], "birthday": "05-17"}], DAY_FIRST)
    world.update(id, birthday="1986-05-17")
    assert run_undo(world, done)["reasons"] == {"EDITED_SINCE": {"birthday": 1}}
    assert world.profile(id)["birthday"] == "1986-05-17"


def test_a_year_that_was_added_is_taken_off(world: World) -> None:
    """A birthday that the import completed with its year loses it again."""
    id = world.create(**people(1)[0], birthday="0000-05-17")
    done = run_import(world, [{**people(1)[0], "birthday": "1986-05-17"}])
    assert world.profile(id)["birthday"] == "1986-05-17"
    assert counts(run_undo(world, done)) == {"updated": 1}
    assert world.profile(id)["birthday"] == "0000-05-17"


@pytest.mark.parametrize(
    "edit",
    [{"note": "theirs"}, {"given_name": "Other"}, {"birthday": "1986-05-17"}, {"note": None}],
    ids=lambda edit: next(iter(edit)),
)
def test_edited_creations_stay(world: World, edit: dict[str, Any]) -> None:
    """A created profile that somebody edited is not deleted, and nothing of it is changed."""
    done = run_import(world, [{**people(1)[0], "note": "ours"}])
    (id,) = world.alive()
    world.update(id, **edit)
    there = world.profile(id)
    undone = run_undo(world, done)
    assert world.profile(id) == there
    assert undone["reasons"] == {"EDITED_SINCE": {next(iter(edit)): 1}}
    assert undone["exit_code"] == 3


def test_an_edit_that_was_taken_back_is_none(world: World) -> None:
    """A profile that is as the import made it is deleted, whatever its version is by now."""
    done = run_import(world, people(1))
    (id,) = world.alive()
    world.update(id, note="theirs")
    world.update(id, note=None)
    assert counts(run_undo(world, done)) == {"deleted": 1}


def test_what_hangs_on_a_creation_keeps_it(world: World) -> None:
    """A group, an attribute or a card that others added to a created profile keeps it."""
    define(world, "drink")
    done = run_import(world, people(4))
    in_group, valued, carded, _ = world.alive()
    world._call("PUT", f"/v2/customers/{in_group}/groups/{group(world, 'VIP')}", {})
    value = {"custom_attribute": {"value": "tea"}}
    world._call("POST", f"/v2/customers/{valued}/custom-attributes/drink", value)
    card = {"customer_id": carded}
    told = {"idempotency_key": "1", "source_id": "cnon:card-nonce-ok", "card": card}
    world._call("POST", "/v2/cards", told)
    undone = run_undo(world, done)
    assert set(world.alive()) == {in_group, valued, carded}
    assert counts(undone) == {"conflict": 3, "deleted": 1}
    assert undone["reasons"] == {
        "USED_SINCE": {"cards": 1, "custom_attributes.drink": 1, "groups": 1}
    }


def test_nothing_is_deleted_blindly(world: World) -> None:
    """A token that may not see cards deletes nobody; one that may does it later."""
    world.create(**people(1, 5)[0], note="old")
    rows = [*people(1), {**people(1, 5)[0], "note": "new"}]
    done = run_import(world, rows)
    seeing, world.token = world.token, world.new_token()
    undone = run_undo(world, done)
    assert counts(undone) == {"conflict": 1, "updated": 1}
    assert undone["reasons"] == {"CARDS_NOT_SEEN": {"": 1}}
    world.token = seeing
    assert counts(run_undo(world, done)) == {"deleted": 1, "unchanged": 1}


def test_merged_profiles_are_left_alone(world: World) -> None:
    """What was merged into another profile is a conflict, of a creation and of an update."""
    world.create(**people(1, 7)[0])
    world.create(**people(1)[0], note="old")
    done = run_import(world, [{**person, "note": "new"} for person in people(2)])
    profiles = {profile["reference_id"]: id for id, profile in world.alive().items()}
    merged = world.merge(*(profiles[name] for name in ("R0000", "R0001", "R0007")))
    there = world.profile(merged)
    undone = run_undo(world, done)
    assert world.profile(merged) == there
    assert undone["reasons"] == {"MERGED_SINCE": {"": 2}}
    assert undone["exit_code"] == 3


def test_deleted_profiles(world: World) -> None:
    """A creation that somebody deleted is undone already; an update cannot be put back."""
    updated = world.create(**people(1)[0], note="old")
    done = run_import(world, [{**person, "note": "new"} for person in people(2)])
    for id in world.alive():
        world.delete(id)
    undone = run_undo(world, done)
    assert counts(undone) == {"conflict": 1, "unchanged": 1}
    assert undone["reasons"] == {"DELETED_SINCE": {"": 1}}
    lines = table(world, undone, "rows.csv")
    assert [line["customer_id"] == updated for line in lines] == [True, False]
    assert lines[1]["detail"] == "is deleted already"


def test_a_later_import_is_undone_first(world: World) -> None:
    """What a later run changed is a conflict until that run is undone."""
    first = run_import(world, [{**people(1)[0], "note": "one"}])
    second = run_import(world, [{**people(1)[0], "note": "two"}])
    assert run_undo(world, first)["reasons"] == {"EDITED_SINCE": {"note": 1}}
    assert counts(run_undo(world, second)) == {"updated": 1}
    assert counts(run_undo(world, first)) == {"deleted": 1}
    assert world.alive() == {}


# -- beside the profile ----------------------------------------------------------------------

BESIDE = {
    "groups": {"add": ["Imported"]},
    "custom_attributes": {"Drink": "drink"},
}


def values(world: World, id: str) -> dict[str, Any]:
    """Return the custom attributes of a profile."""
    path = f"/v2/customers/{id}/custom-attributes"
    found = world._call("GET", path, {}).get("custom_attributes", [])
    return {one["key"]: one["value"] for one in found}


def test_memberships_and_values_are_taken_back(world: World) -> None:
    """Memberships end, values are as before or gone; what others hold stays."""
    define(world, "drink")
    vip = group(world, "VIP")
    ids = [world.create(**person) for person in people(3)]
    for id in ids[1:]:
        value = {"custom_attribute": {"value": "tea"}}
        world._call("POST", f"/v2/customers/{id}/custom-attributes/drink", value)
    world._call("PUT", f"/v2/customers/{ids[0]}/groups/{vip}", {})
    rows = [{**person, "Drink": "coffee"} for person in people(4)]
    done = run_import(world, rows, BESIDE)
    theirs = {"custom_attribute": {"value": "milk"}}
    world._call("POST", f"/v2/customers/{ids[2]}/custom-attributes/drink", theirs)
    undone = run_undo(world, done)
    assert set(world.alive()) == set(ids)
    assert [world.profile(id).get("group_ids", []) for id in ids] == [[vip], [], []]
    assert [values(world, id) for id in ids] == [{}, {"drink": "tea"}, {"drink": "milk"}]
    assert counts(undone) == {"updated": 2, "conflict": 1, "deleted": 1}
    assert undone["reasons"] == {"EDITED_SINCE": {"custom_attributes.drink": 1}}
    assert undone["undone"]["memberships"] == {"planned": 3, "done": 3}
    assert undone["undone"]["custom_attributes"] == {"planned": 2, "done": 2}


def test_attached_again(world: World) -> None:
    """After an undo the same import attaches the same again."""
    define(world, "drink")
    id = world.create(**people(1)[0])
    rows = [{**people(1)[0], "Drink": "coffee"}]
    run_undo(world, run_import(world, rows, BESIDE))
    assert values(world, id) == {}
    again = run_import(world, rows, BESIDE)
    assert again["exit_code"] == 0
    assert values(world, id) == {"drink": "coffee"}
    assert len(world.profile(id)["group_ids"]) == 1
    assert counts(run_undo(world, again)) == {"updated": 1}
    assert values(world, id) == {}


# -- dry runs, refusals, later imports -------------------------------------------------------


def test_a_dry_run_sends_nothing(world: World) -> None:
    """A dry run tells what would be done, row by row, and the undo then does that."""
    id = world.create(**people(1)[0], note="old", nickname="Nick")
    done = run_import(world, [{**person, "note": "new", "nickname": "N"} for person in people(2)])
    world.update(id, nickname="theirs")
    log = world.sandbox.log()
    shown = run_undo(world, done, dry_run=True)
    assert world.sandbox.log() == log
    assert (shown["status"], shown["exit_code"], shown["balanced"]) == ("planned", 3, True)
    assert counts(shown) == {"pending": 2}
    assert [line["detail"] for line in table(world, shown, "rows.csv")] == [
        "to be put back: note; left as they are: nickname",
        "to be deleted",
    ]
    assert counts(run_undo(world, done)) == {"conflict": 1, "deleted": 1}


def test_what_cannot_be_undone(world: World) -> None:
    """Plans wrote nothing, and an undo is not undone; each says so."""
    done = run_import(world, people(1))
    with pytest.raises(StateError, match="a plan, which writes nothing"):
        run_undo(world, run_plan(world, people(1)))
    undone = run_undo(world, done)
    with pytest.raises(StateError, match="import its files again"):
        run_undo(world, undone)


def test_an_applied_plan_is_undone(world: World) -> None:
    """A run that carried out a plan is undone like any import; the plan itself wrote nothing."""
    world.create(**people(1)[0], note="old")
    before = state_of(world)
    plan = run_plan(world, [{**person, "note": "new"} for person in people(3)])
    done = run_apply(world, plan)
    assert counts(run_undo(world, done)) == {"updated": 1, "deleted": 2}
    assert state_of(world) == before


def test_another_merchant(world: World, tmp_path: Path) -> None:
    """A run is undone with a token of its own merchant only."""
    done = run_import(world, people(1))
    (tmp_path / "other").mkdir()
    other = open_world(tmp_path / "other", seed=2)
    other.state = world.state
    with pytest.raises(ConfigError, match="belongs to merchant"):
        run_undo(other, done)
    other.close()
    assert len(world.alive()) == 1


def test_imported_again_while_lists_lag(tmp_path: Path) -> None:
    """Deleted profiles that lists and searches still show are nobody's match."""
    world = open_world(tmp_path, lag=60.0)
    world.time.sleep(1)
    done = run_import(world, people(3))
    world.time.sleep(120)
    run_undo(world, done)
    again = run_import(world, people(3))
    assert counts(again) == {"created": 3}
    assert len(world.alive()) == 3
    world.close()


def test_a_decided_creation_is_made_again(world: World) -> None:
    """A row that a person decided to create is created again after an undo."""
    world.create(given_name="Other", family_name="Person", phone_number="+14155550000")
    rows = [{"given_name": "Ada", "family_name": "Byron", "phone_number": "+14155550000"}]
    asked = run_import(world, rows)
    review = table(world, asked, "review.csv")
    assert len(review) == 1
    decided = [{**review[0], "decision": "create"}]
    done = run_import(world, decided, name="review.csv")
    assert counts(done) == {"created": 1}
    run_undo(world, done)
    assert counts(run_import(world, rows)) == {"created": 1}


# -- whatever breaks -------------------------------------------------------------------------


def busy_world(folder: Path) -> tuple[World, dict[str, Any], Report]:
    """Return a world after an import of everything there is, and what was there before it."""
    world = open_world(folder)
    define(world, "drink")
    for person in people(3):
        world.create(**person, note="old")
    before = state_of(world)
    rows = [{**person, "note": "new", "Drink": "tea"} for person in people(5)]
    return world, before, run_import(world, rows, BESIDE)


def test_killed_at_every_call(tmp_path: Path) -> None:
    """Killed before or after any call to Square, an undo is finished by a resume."""
    at = 0
    while True:
        (tmp_path / str(at)).mkdir()
        world, before, done = busy_world(tmp_path / str(at))
        passed = 0

        def pass_by(sent: Sent, last: int = at) -> None:
            nonlocal passed
            passed += 1
            if passed > last:
                raise Killed

        setattr(world, "before" if at % 2 else "after", pass_by)
        try:
            undone = run_undo(world, done)
        except Killed:
            world.before, world.after = lambda sent: None, lambda sent: None
            undone = run_undo(world, done)  # the same command goes on
            assert len(list(world.state.runs.iterdir())) == 2 or passed < 3
        else:
            world.close()
            break
        assert state_of(world) == before
        assert undone["balanced"]
        assert undone["exit_code"] == 0
        assert counts(undone) == {"updated": 3, "deleted": 2}
        assert counts(run_undo(world, done)) == {"unchanged": 5}
        world.close()
        at += 1
    assert at > 15


@pytest.mark.parametrize("seed", range(6))
def test_throttled_and_broken(tmp_path: Path, seed: int) -> None:
    """Throttling, errors and lost answers change nothing."""
    world, before, done = busy_world(tmp_path)
    world.faults(
        {"endpoint": "*", "rate": 0.15, "do": "status", "status": 429},
        {"endpoint": "*", "rate": 0.1, "do": "status", "status": 503},
        {"endpoint": "*", "rate": 0.1, "when": "after", "do": "drop"},
        seed=seed,
    )
    undone = run_undo(world, done)
    world.faults()
    assert state_of(world) == before
    assert counts(undone) == {"updated": 3, "deleted": 2}
    world.close()


def test_an_outage_is_resumed(tmp_path: Path) -> None:
    """An outage beyond the patience is exit 4; resuming finishes the undo."""
    world, before, done = busy_world(tmp_path)

    world.faults({"endpoint": "delete", "rate": 1.0, "do": "status", "status": 503})
    stopped = run_undo(world, done)
    assert (stopped["status"], stopped["exit_code"]) == ("incomplete", 4)
    world.faults()
    assert run_resume(world, stopped)["exit_code"] == 0
    assert state_of(world) == before
    world.close()


def test_a_refusal_is_of_its_row(tmp_path: Path) -> None:
    """What Square refuses to take back is told of its row; the others go on."""
    world, before, done = busy_world(tmp_path)
    world.faults({"endpoint": "delete", "nth": 1, "do": "status", "status": 400})
    undone = run_undo(world, done)
    world.faults()
    assert counts(undone) == {"updated": 3, "deleted": 1, "failed": 1}
    assert (undone["exit_code"], undone["balanced"]) == (3, True)
    assert counts(run_undo(world, done)) == {"deleted": 1, "unchanged": 4}
    assert state_of(world) == before
    world.close()


def test_an_import_between_an_undo_and_its_resume(tmp_path: Path) -> None:
    """An import after a killed undo makes again what was deleted, and nobody twice."""
    world = open_world(tmp_path)
    rows = people(60)
    done = run_import(world, rows)
    deleted = 0

    def kill(sent: Sent) -> None:
        nonlocal deleted
        deleted += len(sent.content) == 0 and sent.endpoint in ids
        if deleted == 31:
            raise Killed

    ids = set(world.alive())
    world.after = kill
    with pytest.raises(Killed):
        run_undo(world, done)
    world.after = lambda sent: None
    assert len(world.alive()) == 29
    again = run_import(world, rows)
    assert counts(again) == {"created": 31, "unchanged": 29}
    assert len(world.alive()) == 60
    assert counts(run_undo(world, done)) == {"deleted": 60}
    assert set(world.alive()).isdisjoint(ids)
    assert len(world.alive()) == 31
    assert counts(run_import(world, rows)) == {"created": 29, "unchanged": 31}
    world.close()


def test_what_an_unanswered_attempt_changed(world: World) -> None:
    """Fields that an attempt without an answer changed are put back, though another wrote last."""
    id = world.create(**people(1)[0], note="old", nickname="Nick")
    world.faults({"endpoint": "bulk-update", "nth": 1, "when": "after", "do": "drop"})
    interfere(world, "bulk-update", 2, lambda: world.update(id, note="theirs"))
    done = run_import(world, [{**people(1)[0], "note": "new", "nickname": "N"}])
    assert (world.profile(id)["note"], world.profile(id)["nickname"]) == ("new", "N")
    assert counts(run_undo(world, done)) == {"updated": 1}
    assert (world.profile(id)["note"], world.profile(id)["nickname"]) == ("theirs", "Nick")


def test_a_profile_that_changes_meanwhile(world: World) -> None:
    """What somebody edits between the look and the call is left alone: the version guards it."""
    updated = world.create(**people(1)[0], note="old", nickname="Nick")
    rows = [{**person, "note": "new", "nickname": "N"} for person in people(2)]
    done = run_import(world, rows)
    (created,) = set(world.alive()) - {updated}

    def edit() -> None:
        world.update(updated, note="theirs")
        world.update(created, note="theirs")

    interfere(world, "bulk-update", 1, edit)
    undone = run_undo(world, done)
    assert world.profile(updated)["note"] == "theirs"
    assert world.profile(updated)["nickname"] == "Nick"
    assert world.profile(created)["note"] == "theirs"
    assert counts(undone) == {"conflict": 2}
    assert undone["reasons"] == {"EDITED_SINCE": {"note": 2}}


def test_an_interrupted_import_is_undone(tmp_path: Path) -> None:
    """What an unfinished run wrote is taken back, its rest is never sent, and it is not resumed."""
    world = open_world(tmp_path)
    world.create(**people(1)[0], note="old")
    before = state_of(world)
    rows = [{**person, "note": "new"} for person in people(250)]

    def kill(sent: Sent) -> None:
        if sent.endpoint == "bulk-create":
            raise Killed  # Square has done it, nobody knows

    world.after = kill
    with pytest.raises(Killed):
        run_import(world, rows)
    world.after = lambda sent: None
    (run,) = (folder.name for folder in world.state.runs.iterdir())
    with pytest.raises(StateError, match="runs resume"):
        run_undo(world, run, dry_run=True)
    undone = run_undo(world, run)
    assert state_of(world) == before
    assert undone["exit_code"] == 0
    with pytest.raises(StateError, match="taken back by run"):
        run_resume(world, run)
    again = run_import(world, rows)
    assert again["run_id"] != run
    assert counts(again) == {"created": 249, "updated": 1}
    world.close()


# -- all of it together ----------------------------------------------------------------------

FIELDS = ("note", "nickname", "company_name", "birthday")
TEXTS = dict.fromkeys(FIELDS, ("", "a", "b")) | {
    "birthday": ("", "0000-05-17", "1986-05-17", "1987-05-17")
}
PERSON = st.fixed_dictionaries({name: st.sampled_from(TEXTS[name]) for name in FIELDS})
EDIT = st.tuples(
    st.integers(0, 7),
    st.sampled_from(["delete", "group", *FIELDS]),
    st.sampled_from(["a", "b", "c", ""]),
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    there=st.lists(PERSON, min_size=0, max_size=4),
    rows=st.lists(PERSON, min_size=1, max_size=6),
    policy=st.sampled_from(["overwrite", "fill", "mirror"]),
    grouped=st.booleans(),
    edits=st.lists(EDIT, max_size=4),
)
def test_the_directory_is_as_before(
    there: list[dict[str, str]],
    rows: list[dict[str, str]],
    policy: str,
    grouped: bool,
    edits: list[tuple[int, str, str]],
) -> None:
    """Any import, any edits by others, undo: fields are as before, or as others left them."""
    with tempfile.TemporaryDirectory() as name, closing(open_world(Path(name))) as world:
        for person, more in zip(people(4), there, strict=False):
            world.create(**person, **{name: value for name, value in more.items() if value})
        config: dict[str, Any] = {"update": {"policy": policy, "allow_clear": policy == "mirror"}}
        if grouped:
            config["groups"] = {"add": ["Imported"]}
        before = state_of(world)
        file = [{**person, **more} for person, more in zip(people(6), rows, strict=False)]
        done = run_import(world, file, config)
        after = state_of(world)
        for at, what, value in edits:
            edit(world, at, what, value)
        now = state_of(world)
        undone = run_undo(world, done)
        expected = {
            id: as_expected(before.get(id), after[id], profile)
            for id, profile in now.items()
            if id in before or profile != after[id]
        }
        assert {id: filled(profile) for id, profile in state_of(world).items()} == expected
        assert undone["balanced"]
        assert not undone["rows"]["pending"] + undone["rows"]["unknown"]
        log = len(world.sandbox.log())
        again = run_undo(world, done)
        assert len(world.sandbox.log()) == log
        assert again["exit_code"] == undone["exit_code"]


def edit(world: World, at: int, what: str, value: str) -> None:
    """Let the seller do something to one of the profiles, if there are so many."""
    ids = sorted(world.alive())
    if at >= len(ids):
        return
    if what == "delete":
        world.delete(ids[at])
    elif what == "group":
        name = f"/v2/customers/{ids[at]}/groups/{group(world, 'VIP')}"
        world._call("PUT", name, {})
    elif what == "birthday":
        world.update(ids[at], birthday={"a": "0000-05-17", "b": "1986-05-17"}.get(value))
    else:
        world.update(ids[at], **{what: value or None})


def filled(profile: dict[str, Any]) -> dict[str, Any]:
    """Return a profile without what is empty."""
    return {name: value for name, value in profile.items() if value}


def as_expected(
    before: dict[str, Any] | None, after: dict[str, Any], now: dict[str, Any]
) -> dict[str, Any]:
    """Return a profile as an undo is to leave it: the oracle."""
    if before is None:
        return filled(now)
    names = {*before, *after, *now}
    was = {n: before.get(n) if now.get(n) == after.get(n) else now.get(n) for n in names}
    joined = set(after.get("group_ids", [])) - set(before.get("group_ids", []))
    was["group_ids"] = [id for id in now.get("group_ids", []) if id not in joined]
    return filled(was)
