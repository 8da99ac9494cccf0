"""Validating in one pass: the same verdicts as an import's, and of good rows nothing is kept."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl import pipeline
from etl.config import Config
from etl.journal.journal import Journal
from etl.journal.records import Originals
from etl.stages.extract import ROWS_PER_BATCH
from tests.worlds import World, counts, open_world

GOOD = {"Email": "a@example.com", "Birthday": "1986-04-17", "Tags": "VIP"}
WRONG = {"Email": "b at example.com", "Birthday": "", "Tags": "Spring"}
FORMED = {"Email": "c@example.com", "Birthday": "17/04/1986", "Tags": "n/a"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def journal_of(world: World, run_id: str) -> Journal:
    """Open the journal of a run."""
    return Journal.open(world.state.run_folder(run_id) / "journal.sqlite")


def birthdays(world: World, days: Sequence[str]) -> Path:
    """Write a file of people with these birthdays."""
    path = world.folder / "days.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Email", "Birthday"])
        writer.writerows((f"p{number}@example.com", day) for number, day in enumerate(days))
    return path


def test_only_rows_there_is_something_to_say_of_are_kept(world: World) -> None:
    """A good row, and one that was merely brought to form, leave nothing but their line."""
    path = world.file([GOOD, WRONG, FORMED])

    report = pipeline.validate_files([str(path)], Config(), world.state, world.edges())

    assert counts(report) == {"pending": 2, "rejected": 1}
    with closing(journal_of(world, report["run_id"])) as journal:
        assert list(journal.query("SELECT customers, belongings FROM checks")) == [(None, None)]
        (batch,) = journal.batches()
        assert batch.lines.to_pylist() == [2, 3, 4]
        kept = journal.originals(batch)
        assert kept.take([1]).to_pylist() == [WRONG]
        assert len(kept.cells) == 1
        assert {"DATE_FORMATTED", "INVALID_EMAIL_ADDRESS"} <= set(
            journal.found(batch).column("code").to_pylist()
        )
    database = world.state.run_folder(report["run_id"]) / "journal.sqlite"
    told = database.read_bytes()
    assert b"b at example.com" in told
    assert b"c@example.com" not in told


def test_parquet_is_judged_alike(world: World) -> None:
    """Whatever the file is, the verdicts are the same, and of clean rows nothing is kept."""
    path = world.folder / "people.parquet"
    pq.write_table(pa.Table.from_pylist([GOOD, WRONG, FORMED]), path)
    text = world.file([GOOD, WRONG, FORMED])

    reports = [
        pipeline.validate_files([str(each)], Config(), world.state, world.edges())
        for each in (path, text)
    ]

    assert counts(reports[0]) == counts(reports[1]) == {"pending": 2, "rejected": 1}
    assert reports[0]["reasons"] == reports[1]["reasons"]
    with closing(journal_of(world, reports[0]["run_id"])) as journal:
        assert list(journal.query("SELECT customers, belongings FROM checks")) == [(None, None)]


def test_a_row_that_was_not_kept_is_not_mistaken_for_another() -> None:
    """Asking for it is an error, not its neighbour's cells."""
    cells = pa.RecordBatch.from_pydict({"a": ["1", "4"]})
    some = Originals(cells, np.array([1, 4]))
    assert some.take([4, 1]).to_pydict() == {"a": ["4", "1"]}
    for missing in (0, 2, 5):
        with pytest.raises(KeyError):
            some.at([missing])


# More than a batch of any stage.
MANY = 2 * ROWS_PER_BATCH + 1


@pytest.mark.parametrize(
    ("first", "last", "rejected"),
    [
        ("03/04/1980", "17/04/1986", 0),
        ("03/04/1980", "03/04/1981", MANY + 1),
        ("04/17/1980", "17/04/1986", 0),
    ],
)
def test_the_whole_column_decides_on_its_birthdays(
    world: World, first: str, last: str, rejected: int
) -> None:
    """What a batch proves alone, or leaves open, is looked at again with what all prove."""
    path = birthdays(world, [first] * MANY + [last])
    edges = world.edges()

    validated = pipeline.validate_files([str(path)], Config(), world.state, edges)
    planned = pipeline.plan_import(
        [str(path)], Config(), world.state, world.square(Config()), edges
    )

    assert validated["rows"]["read"] == MANY + 1
    assert validated["rows"]["rejected"] == planned["rows"]["rejected"] == rejected
    assert validated["reasons"] == planned["reasons"]
    assert validated["repairs"] == planned["repairs"]
    told, other = (
        (world.state.run_folder(report["run_id"]) / "rejects.csv").read_bytes()
        for report in (validated, planned)
    )
    assert told == other
