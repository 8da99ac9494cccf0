"""The published schema: it says all that is in a report, and refuses what is not.

``tests.worlds`` holds the report of every journey of the tests to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner

from etl import pipeline
from etl.cli import main
from etl.config import Config
from etl.journal.records import OUTCOMES, UNDONE
from etl.reports.schema import json_schema
from tests.worlds import SCHEMA, as_promised, open_world, people, run_import, run_plan, run_undo


def test_it_is_a_schema_and_says_what_every_key_means() -> None:
    """It is valid by its own standard, and no key is without a description."""
    schema = json_schema()
    jsonschema_rs.meta.validate(schema)
    assert set(schema["properties"]) == set(schema["required"])
    assert all(about["description"] for about in schema["properties"].values())


def test_rows_are_the_outcomes() -> None:
    """The outcomes of the schema are those that rows have, of imports and of undos."""
    shapes = json_schema()["$defs"]
    assert list(shapes["ImportRows"]["properties"]) == ["read", *OUTCOMES]
    assert list(shapes["UndoRows"]["properties"]) == ["read", *UNDONE]


def test_every_kind_of_report_is_as_promised(tmp_path: Path) -> None:
    """Validation, plan, import with refused rows, and both undos."""
    world = open_world(tmp_path)
    rows = [*people(3), {"email_address": "nobody", "phone_number": "12"}]
    file = str(world.file(rows))
    as_promised(pipeline.validate_files([file], Config(), world.state, world.edges()))
    run_plan(world, rows)
    made = run_import(world, rows)
    run_undo(world, made, dry_run=True)
    run_undo(world, made)


@pytest.mark.parametrize(
    "change",
    [
        {"balanced": "yes"},
        {"surplus": 1},
        {"status": "splendid"},
        {"exit_code": 1},
        {"rows": {"read": 1}},
        {"verified": {"checked": 1, "matched": 1}},
    ],
    ids=str,
)
def test_it_refuses_what_is_not_promised(tmp_path: Path, change: dict[str, Any]) -> None:
    """A key too many or too few, another type, a word that is none: all are refused."""
    report = run_import(open_world(tmp_path), people(1))
    assert not SCHEMA.is_valid({**report, **change})


def test_the_command_prints_it() -> None:
    """``runs report --schema`` prints it, and needs neither a run nor a state folder."""
    done = CliRunner().invoke(main, ["runs", "report", "--schema"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, json_schema())
    done = CliRunner().invoke(main, ["runs", "report"])
    assert done.exit_code == 2
    assert "which RUN" in done.stderr
