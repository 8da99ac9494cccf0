"""rows.parquet: the ledger with types, cell by cell the same as rows.csv."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from etl import read_ledger
from etl.journal.journal import Journal
from etl.journal.state import JOURNAL
from etl.reports.parquet import SCHEMA
from etl.stages.reconcile import reconcile
from tests.worlds import World, folder_of, open_world, people, run_import

ROWS = [
    *people(3),
    {"reference_id": "R0000", "given_name": "Given0"},
    {"email_address": "nobody", "phone_number": "12"},
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A Square of one's own."""
    return open_world(tmp_path)


def rebuilt(folder: Path, *, parquet: bool) -> None:
    """Make all artifacts of a run again."""
    with closing(Journal.open(folder / JOURNAL)) as journal:
        reconcile(journal, folder, parquet=parquet)


def test_it_is_there_when_it_is_asked_for(world: World) -> None:
    """A run leaves none by itself; once there it is kept current, and the same bytes come."""
    folder = folder_of(world, run_import(world, ROWS))
    path = folder / "rows.parquet"
    rebuilt(folder, parquet=False)
    assert not path.exists()
    rebuilt(folder, parquet=True)
    first = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    rebuilt(folder, parquet=False)
    assert path.read_bytes() == first


def test_it_says_what_the_ledger_says(world: World) -> None:
    """Every row and every cell is there: lines are numbers, codes are lists, nothing is null."""
    source = "=1+1.csv"
    folder = folder_of(world, run_import(world, ROWS, name=source))
    rebuilt(folder, parquet=True)
    found = pq.read_table(folder / "rows.parquet")
    assert found.schema.equals(SCHEMA)
    expected = read_ledger(folder)
    told = found.to_pandas()
    assert told["line"].tolist() == expected["line"].tolist() == [2, 3, 4, 5, 6]
    assert [";".join(codes) for codes in told["codes"]] == expected["codes"].tolist()
    assert list(told["codes"].iloc[4]) == ["INVALID_EMAIL_ADDRESS", "INVALID_PHONE_NUMBER"]
    for name in ("source", "outcome", "customer_id", "matched_by", "detail", "duplicate_of"):
        texts = ["" if text is None else text for text in found.column(name).to_pylist()]
        assert texts == expected[name].tolist(), name
    assert found.column("duplicate_of").null_count == 4


def test_a_ledger_without_rows(world: World) -> None:
    """Of an empty source it is an empty table with the same columns."""
    folder = folder_of(world, run_import(world, "Email\n"))
    rebuilt(folder, parquet=True)
    found = pq.read_table(folder / "rows.parquet")
    assert (found.num_rows, found.schema.equals(SCHEMA)) == (0, True)
