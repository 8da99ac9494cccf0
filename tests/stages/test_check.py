"""Checking: groups and custom attributes are taken along, and a bad one is told of its row."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from etl import config
from etl.customers.cells import NO_PROBLEMS
from etl.customers.dates import DateEvidence
from etl.journal.journal import Journal
from etl.stages.check import check_batch
from etl.stages.mapping import resolve
from etl.stages.validate import Checked
from tests.worlds import World, open_world, run_plan

CELLS = {
    "Email": ["a@example.com", "b@example.com", "c@example.com"],
    "Tags": ["VIP, Spring", "", "n/a"],
    "Drink": ["tea ", "", "x" * 1001],
}
TARGETS = {"groups": {"column": "Tags"}, "custom_attributes": {"Drink": "favorite-drink"}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def test_what_checking_takes_can_be_loaded_before() -> None:
    """Workers that are copied afterwards have to load nothing, whatever cells they are given."""
    loaded = "{'phonenumbers', 'email_validator'} & set(sys.modules)"
    loads = "from etl.stages.check import load_rules; load_rules()"
    script = f"import sys; import etl.stages.check; print({loaded}); {loads}; print({loaded})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    before, after = done.stdout.splitlines()

    assert before == "set()"
    assert "phonenumbers" in after
    assert "email_validator" in after


def checked(cells: dict[str, list[str]], **settings: object) -> Checked:
    """Map, clean and validate cells as an import does, for a merchant in the US."""
    given = config.parse(settings, "test")
    batch = pa.RecordBatch.from_pydict(cells)
    mapping = resolve("p.csv", batch.schema.names, {}, given)
    return check_batch(batch, NO_PROBLEMS, mapping, DateEvidence(), given, "US")


def test_groups_and_attributes_stand_beside_the_customers() -> None:
    """Names of groups are lists, values of attributes text; no customer has a field more."""
    result = checked(CELLS, **TARGETS)
    assert result.belongings is not None
    assert result.belongings.to_pydict() == {
        "groups": [["VIP", "Spring"], None, None],
        "custom_attributes.favorite-drink": ["tea", None, "x" * 1001],
    }
    assert result.accepted.to_pylist() == [True, True, False]
    refused = result.problems.filter(pa.compute.equal(result.problems.column("effect"), "reject"))
    assert refused.select(["row", "code", "field"]).to_pylist() == [
        {"row": 2, "code": "VALUE_TOO_LONG", "field": "custom_attributes.favorite-drink"}
    ]


def test_a_bad_attribute_can_be_left_out() -> None:
    """``[on_invalid] default = "drop"`` lets the row go on without it."""
    result = checked(CELLS, **TARGETS, on_invalid={"default": "drop"})
    assert result.belongings is not None
    assert result.belongings.column(1).to_pylist() == ["tea", None, None]
    assert result.accepted.to_pylist() == [True, True, True]


TOKENS = {"Email": "email_9f86d081884c7d65", "Tags": "text_9f86d081884c7d65,text_00ff00ff00ff00ff"}


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        (TOKENS | {"Tags": ""}, "email_address"),
        ({"Email": "a@example.com", "Tags": TOKENS["Tags"]}, "groups"),
        ({"Email": "a@example.com", "Drink": "text_9f86d081884c7d65"}, "custom_attributes.drink"),
        ({"Email": "a@example.com", "Name": " text_9f86d081884c7d65 "}, "given_name"),
    ],
)
@pytest.mark.parametrize("policy", ["reject", "drop"])
def test_masks_are_refused(cells: dict[str, str], field: str, policy: str) -> None:
    """What a masked export has instead of values is nobody's, wherever it turns up."""
    targets: dict[str, object] = {"columns": {"Email": "email_address"}}
    if "Name" in cells:
        targets = {"columns": {"Email": "email_address", "Name": "full_name"}}
    if "Tags" in cells:
        targets["groups"] = {"column": "Tags"}
    if "Drink" in cells:
        targets["custom_attributes"] = {"Drink": "drink"}
    result = checked(
        {name: [cell] for name, cell in cells.items()}, **targets, on_invalid={"default": policy}
    )
    assert result.accepted.to_pylist() == [False]
    assert result.problems.select(["code", "field"]).to_pylist() == [
        {"code": "MASKED_VALUE", "field": field}
    ]


def test_what_only_looks_like_a_mask() -> None:
    """Notes that mention a code, and columns that nothing is made of, keep no row out."""
    cells = {
        "Email": ["a@example.com"],
        "Note": ["see text_9f86d081884c7d65"],
        "Name": ["text_9f86d081884c7d65"],
    }
    result = checked(cells, columns={"Email": "email_address", "Note": "note"})
    assert result.accepted.to_pylist() == [True]


def test_no_column_no_belongings() -> None:
    """A file of which nothing but fields is made carries nothing else."""
    assert checked(CELLS).belongings is None


def test_a_plan_keeps_them_in_its_journal(world: World) -> None:
    """Nothing has to be read again to know who is to be in which group."""
    rows = [dict(zip(CELLS, row, strict=True)) for row in zip(*CELLS.values(), strict=True)]

    report = run_plan(world, rows, {**TARGETS, "definitions": {"create_missing": True}})

    assert report["rows"]["rejected"] == 1
    assert report["sources"][0]["unused_columns"] == []
    journal = Journal.open(world.state.run_folder(report["run_id"]) / "journal.sqlite")
    (batch,) = journal.batches()
    kept = journal.belongings(batch)
    assert kept is not None
    assert kept.column("groups").to_pylist() == [["VIP", "Spring"], None, None]
    journal.close()
