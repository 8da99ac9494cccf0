"""Whatever happens between a plan and its application, it ends as an import made then would end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.pipeline import Report
from tests.worlds import World, open_world, run_apply, run_import, run_plan, table

NAMES = ("Ada", "Bo", "Lin")
EMAILS = ("ada@example.com", "bo@example.com", "lin@example.com")
PHONES = ("+14155550101", "+14155550102")
REFERENCES = ("R1", "R2", "R3")
NOTES = ("old", "new", "")

# Few values, so that rows and profiles meet in every way there is.
ROW = st.fixed_dictionaries(
    {
        "given_name": st.sampled_from(NAMES),
        "reference_id": st.sampled_from((*REFERENCES, "", "")),
        "email_address": st.sampled_from((*EMAILS, "")),
        "phone_number": st.sampled_from((*PHONES, "", "")),
        "note": st.sampled_from(NOTES),
    }
)
ROWS = st.lists(ROW, min_size=1, max_size=6)
CONFIG = st.sampled_from(
    [
        {},
        {"update": {"policy": "fill"}},
        {"update": {"policy": "mirror", "allow_clear": True}},
        {"dedupe": {"shared_phone": "separate"}},
        {"dedupe": {"in_file": "reject"}},
    ]
)

Move = tuple[str, int, dict[str, str]]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "update", "delete", "merge", "import"]),
        st.integers(0, 9),
        ROW,
    ),
    max_size=4,
)


def filled(row: dict[str, str]) -> dict[str, str]:
    """Return what of a row is not empty."""
    return {name: value for name, value in row.items() if value}


def make(world: World, move: Move) -> None:
    """Let the seller, or another import, do something to the profile chosen."""
    kind, chosen, row = move
    there = sorted(world.alive().values(), key=lambda p: (p["created_at"], contents(p)))
    if kind == "create":
        world.create(**filled(row))
    elif kind == "import":
        run_import(world, [row], name="meanwhile.csv")
    elif there and kind == "update":
        world.update(there[chosen % len(there)]["id"], **filled(row))
    elif there and kind == "delete":
        world.delete(there[chosen % len(there)]["id"])
    elif len(there) > 1:
        first = chosen % len(there)
        world.merge(there[first]["id"], there[first - 1]["id"])


def contents(profile: dict[str, Any]) -> str:
    """Return what a profile says, without what Square adds."""
    fields = ("given_name", "reference_id", "email_address", "phone_number", "note")
    return str([profile.get(name, "") for name in fields])


def left(world: World, report: Report) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return what became of each row, with what its customer holds now, and all profiles."""
    alive = world.alive()
    rows = [
        (
            row["outcome"],
            row["duplicate_of"].rpartition(":")[2],
            contents(alive[row["customer_id"]]) if row["customer_id"] else "",
        )
        for row in table(world, report, "rows.csv")
    ]
    return rows, sorted(map(contents, alive.values()))


def ended(
    before: list[Move],
    rows: list[dict[str, str]],
    config: dict[str, Any],
    carry_out: Callable[[World], Report],
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return how it ends in a world of its own."""
    with tempfile.TemporaryDirectory() as folder:
        world = open_world(Path(folder))
        try:
            for move in before:
                make(world, move)
            found = left(world, carry_out(world))
            log = world.sandbox.log()
            run_import(world, rows, config, name="again.csv")
            assert world.sandbox.log() == log, "an import of the same rows found something to do"
            return found
        finally:
            world.close()


def check(
    before: list[Move], rows: list[dict[str, str]], config: dict[str, Any], meanwhile: list[Move]
) -> None:
    """Raise AssertionError unless outcomes and profiles are those of an import made at the end."""

    def planned_before(world: World) -> Report:
        plan = run_plan(world, rows, config)
        for move in meanwhile:
            make(world, move)
        return run_apply(world, plan)

    def imported_then(world: World) -> Report:
        for move in meanwhile:
            make(world, move)
        return run_import(world, rows, config)

    told = (before, rows, config)
    assert ended(*told, planned_before) == ended(*told, imported_then)


@given(before=MOVES, rows=ROWS, config=CONFIG, meanwhile=MOVES)
@settings(derandomize=True, deadline=None, max_examples=15)
def test_an_application_ends_as_an_import(
    before: list[Move], rows: list[dict[str, str]], config: dict[str, Any], meanwhile: list[Move]
) -> None:
    """What the seller, and other imports, did since the plan is seen."""
    check(before, rows, config, meanwhile)


@pytest.mark.long
@given(before=MOVES, rows=ROWS, config=CONFIG, meanwhile=MOVES)
@settings(derandomize=True, deadline=None, max_examples=400)
def test_an_application_ends_as_an_import_for_long(
    before: list[Move], rows: list[dict[str, str]], config: dict[str, Any], meanwhile: list[Move]
) -> None:
    """The same, more often."""
    check(before, rows, config, meanwhile)
