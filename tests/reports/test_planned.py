"""plan.csv: what would be done to whom, and on what grounds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from etl.files.escape import unescape
from etl.journal.journal import Journal
from etl.journal.state import JOURNAL
from etl.stages.reconcile import reconcile
from tests.stages.test_attach import BOTH, define
from tests.worlds import World, folder_of, open_world, people, run_import, run_plan, table

CLEARING = {"update": {"policy": "mirror", "allow_clear": True}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A Square of one's own."""
    return open_world(tmp_path)


def told(world: World, *names: str, **of: str) -> list[tuple[str, ...]]:
    """Return columns of the newest plan's lines that have these values."""
    report = {"run_id": world.announced[-1].run_id}
    return [
        tuple(line[name] for name in names)
        for line in table(world, report, "plan.csv")
        if all(line[name] == value for name, value in of.items())
    ]


def test_every_action_has_its_lines(world: World) -> None:
    """Create, update, nothing, duplicate, review, reject, each with evidence and grounds."""
    ada, bo, lin, new = people(4)
    known = world.create(**ada, note="old", nickname="k")
    world.update(known, note="older")
    same = world.create(**bo)
    world.create(given_name="Else", phone_number="+14155550777")
    rows = [
        {**ada, "note": "new", "nickname": ""},
        bo,
        {**new, "note": "=1+1"},
        {**new, "note": "later"},
        {"given_name": "Una", "phone_number": "+14155550777"},
        {**lin, "email_address": "nobody"},
    ]

    run_plan(world, [{"note": "", "nickname": "", **row} for row in rows], CLEARING)

    shared = "reference_id+email_address+phone_number"
    columns = ("line", "customer_id", "version", "matched_by", "field", "old", "new", "cleared")
    assert sorted(told(world, *columns, action="update")) == [
        ("2", known, "1", shared, "nickname", "k", "", "yes"),
        ("2", known, "1", shared, "note", "older", "new", ""),
    ]
    assert told(world, "line", "customer_id", "version", "field", action="unchanged") == [
        ("3", same, "0", "")
    ]
    assert ("4", "note", "", "later", "") in told(
        world, "line", "field", "old", "new", "cleared", action="create"
    )
    assert told(world, "line", "duplicate_of", "field", action="duplicate") == [
        ("5", f"{world.folder / 'people.csv'}:4", "")
    ]
    ((line, codes, detail),) = told(world, "line", "codes", "detail", action="review")
    assert (line, codes) == ("6", "SHARED_PHONE")
    assert detail
    assert told(world, "line", "codes", action="reject") == [("7", "INVALID_EMAIL_ADDRESS")]


def test_skipped_rows_say_why(world: World) -> None:
    """What a policy leaves alone is there too."""
    known = world.create(**people(1)[0], note="old")

    run_plan(world, [{**people(1)[0], "note": "new"}], {"update": {"policy": "skip"}})

    assert told(world, "action", "customer_id", "detail") == [
        ("skip", known, "[update] policy = skip")
    ]


def test_what_is_added_beside_profiles_is_there(world: World) -> None:
    """Memberships, and values of custom attributes with the one there is before."""
    define(world, "favorite-drink")
    row = {**people(1)[0], "Tags": "VIP", "Drink": "tea"}
    run_import(world, [row], BOTH)

    run_plan(world, [{**row, "Tags": "Spring", "Drink": "mate"}], BOTH)

    assert told(world, "action", "field", "old", "new") == [
        ("update", "groups", "", "Spring"),
        ("update", "custom_attributes.favorite-drink", "tea", "mate"),
    ]


def test_formulas_are_escaped(world: World) -> None:
    """A cell a spreadsheet would run carries the escape, whoever wrote it."""
    world.create(**people(1)[0], note="@SUM(A1)")

    run_plan(world, [{**people(1)[0], "note": "=HYPERLINK(1)"}])

    ((old, new),) = told(world, "old", "new", field="note")
    assert (old, new) == ("'@SUM(A1)", "'=HYPERLINK(1)")
    assert (unescape(old), unescape(new)) == ("@SUM(A1)", "=HYPERLINK(1)")


def test_it_is_private_and_rebuilt_byte_for_byte(world: World) -> None:
    """plan.csv is its owner's alone, and the journal is all it needs."""
    known = people(5)
    for row in known[:2]:
        world.create(**row, note="old")
    report = run_plan(world, [{**row, "note": "new"} for row in known])
    path = folder_of(world, report) / "plan.csv"
    before = path.read_bytes()

    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    with closing(Journal.open(path.parent / JOURNAL)) as journal:
        reconcile(journal, path.parent)
    assert path.read_bytes() == before


def test_an_import_leaves_none(world: World) -> None:
    """What was done is told by rows.csv; a plan that was sent is none any more."""
    assert not (folder_of(world, run_import(world, people(2))) / "plan.csv").exists()


@pytest.mark.parametrize("country", ["US", "FR"])
def test_tax_ids_are_planned_where_the_sellers_country_has_them(
    tmp_path: Path, country: str
) -> None:
    """Elsewhere the row is rejected before anything is sent, with what helps."""
    (tmp_path / country).mkdir()
    world = open_world(tmp_path / country, country=country)
    report = run_plan(world, [{**people(1)[0], "Tax ID": "FR12345678901"}])

    if country == "FR":
        assert told(world, "action", "new", field="tax_ids.eu_vat") == [("create", "FR12345678901")]
        return
    assert told(world, "action", "codes") == [("reject", "BAD_REQUEST")]
    (reject,) = table(world, report, "rejects.csv")
    assert "this one is in US" in reject["_messages"]
    assert '[on_invalid] "tax_ids.eu_vat" = "drop"' in reject["_suggestion"]
