"""Tests of the journal: what was noted is there after any end, and nothing half-noted is."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from etl.customers.fields import CUSTOMERS
from etl.customers.problems import Problem, problem_table
from etl.errors import StateError
from etl.journal.journal import FORMAT, Journal
from etl.journal.records import Check, RowChange, Rows, Run, Write
from etl.stages.reconcile import reconcile
from tests.worlds import World, counts, folder_of, open_world, people, run_import

RUN = Run(
    run_id="20260820T020000Z-0001",
    command="import",
    started_at="2026-08-20T02:00:00Z",
    target="sandbox",
    base_url="http://127.0.0.1",
    merchant_id="MERCHANT",
    country="US",
    square_version="2026-08-19",
    config="{}",
    fingerprint="f" * 64,
)
CELLS = pa.RecordBatch.from_pylist([{"Name": "Ada"}, {"Name": ""}, {"Name": " B\n"}])


def write(row: int, **facts: Any) -> Write:
    """Return a create of a row."""
    values = {"given_name": f"P{row}", "note": None}
    return replace(Write(row, "create", f"k{row}", "", None, 0, values, values), **facts)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal that has read three rows and found something wrong with the second."""
    journal = Journal.create(tmp_path / "journal.sqlite", RUN, [('{"name": "a.csv"}', "{}")])
    with journal.transaction():
        ragged = problem_table([Problem(1, "reject", "RAGGED_ROW", "", "too short")])
        journal.add_batch(0, 0, Rows.of(pa.array([2, 3, 4], pa.int64()), CELLS, ragged))
        journal.finish_source(0, 3, {"proof": None})
        journal.note(stage="check")
    yield journal
    journal.close()


def checked(journal: Journal) -> None:
    """Check the batch: all rows go on."""
    (batch,) = journal.batches(unchecked=True)
    customers = pa.RecordBatch.from_pylist([{}, {}, {}], schema=CUSTOMERS)
    with journal.transaction():
        journal.check_batch(batch, Check.of(customers, problem_table([])))
        journal.enter_rows(batch, [f"|k|{n}" for n in range(3)])


def outcomes(journal: Journal) -> list[str]:
    """Return the rows' outcomes."""
    return [outcome for (outcome,) in journal.query("SELECT outcome FROM rows ORDER BY row")]


# -- durable -------------------------------------------------------------------------------------


def test_everything_is_there_after_reopening(journal: Journal) -> None:
    """Run, stage, sources, cells, problems, plan and counts outlive the process."""
    checked(journal)
    body = b'{"exact": "bytes"}'
    with journal.transaction():
        journal.add_request("bulk-create", body, [write(0), write(2)])
        journal.note(stage="load", lookup="search: few")
    create = "POST /v2/customers/bulk-create"
    journal.called(create, None, 1.0, retry=True, rate_limited=False)
    journal.called(create, 429, 1.0, retry=False, rate_limited=True)
    journal.spent("load", 1.5)
    journal.spent("load", 0.25)
    journal.close()

    with closing(Journal.open(journal.path)) as again:
        assert (again.run(), again.stage) == (RUN, "load")
        assert again.facts()["lookup"] == "search: few"
        (source,) = again.sources()
        assert (source["facts"], source["rows"], source["evidence"]) == (
            {"name": "a.csv"},
            3,
            {"proof": None},
        )
        (batch,) = again.batches()
        assert again.cells(batch).equals(CELLS)
        assert (batch.lines.to_pylist(), batch.first_row) == ([2, 3, 4], 0)
        request = again.next_request()
        assert request is not None
        assert (request.body, request.sends) == (b'{"exact": "bytes"}', 0)
        assert [(w.row, w.key, w.changes) for w in again.writes(request)] == [
            (0, "k0", {"given_name": "P0", "note": None}),
            (2, "k2", {"given_name": "P2", "note": None}),
        ]
        assert again.calls() == [("POST /v2/customers/bulk-create", 2, 1, 1, 2, 2.0)]
        assert list(again.query("SELECT * FROM seconds")) == [("load", 1.75)]


def test_a_transaction_is_all_or_nothing(journal: Journal) -> None:
    """What a broken transaction noted is gone, on this connection and for the next."""

    def broken() -> None:
        with journal.transaction():
            journal.note(stage="done")
            journal.add_request("bulk-create", b"{}", [write(0)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert (journal.stage, journal.next_request()) == ("check", None)


def test_commits_are_synchronous_and_private(journal: Journal) -> None:
    """The journal is written ahead and flushed at each commit, and is its owner's alone."""
    (mode,), (level,) = journal.query("PRAGMA journal_mode"), journal.query("PRAGMA synchronous")

    assert (mode, level) == (("wal",), (2,))
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_a_journal_is_never_overwritten(journal: Journal) -> None:
    """Beginning a journal where one is, is refused."""
    with pytest.raises(FileExistsError):
        Journal.create(journal.path, RUN, [])


# -- unusable ------------------------------------------------------------------------------------


def test_a_missing_journal_is_told(tmp_path: Path) -> None:
    """Opening what is not there is a StateError, and makes nothing."""
    with pytest.raises(StateError, match="there is no journal"):
        Journal.open(tmp_path / "journal.sqlite")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database at all, but longer than that" * 50])
def test_a_damaged_journal_is_told(tmp_path: Path, content: bytes) -> None:
    """A file that is no journal is a StateError that names it."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)

    with pytest.raises(StateError, match=r"journal\.sqlite is not a usable journal"):
        Journal.open(path)


def test_another_format_is_told(journal: Journal) -> None:
    """A journal of another version is refused, whatever else it holds."""
    journal.note(format="99")

    with pytest.raises(StateError, match=f"format 99, this version reads {FORMAT}"):
        Journal.open(journal.path)


# -- reading and checking ------------------------------------------------------------------------


def test_an_interrupted_reading_begins_anew(journal: Journal) -> None:
    """What an interrupted reading left is dropped, so that no row is there twice."""
    with journal.transaction():
        journal.forget_rows()
        journal.add_batch(0, 0, Rows.of(pa.array([2, 3, 4], pa.int64()), CELLS, problem_table([])))

    (batch,) = journal.batches()
    assert batch.first_row == 0
    assert journal.found(batch).num_rows == 0


def test_checking_replaces_what_reading_found(journal: Journal) -> None:
    """A checked batch is not checked again, and its problems are those of the check."""
    (batch,) = journal.batches(unchecked=True)
    found = problem_table(
        [
            Problem(1, "reject", "INVALID_TIME", "birthday", "no day"),
            Problem(2, "repair", "TRIMMED", "given_name", "blanks"),
        ]
    )
    customers = pa.RecordBatch.from_pylist([{"given_name": "Ada"}, {}, {}], schema=CUSTOMERS)

    with journal.transaction():
        journal.check_batch(batch, Check.of(customers, found))

    assert list(journal.batches(unchecked=True)) == []
    assert journal.found(batch).equals(found)
    assert journal.customers(batch).equals(customers)


def test_rows_enter_with_what_the_check_said(journal: Journal) -> None:
    """Every row has its line and its source key, and those not rejected are pending."""
    (batch,) = journal.batches()
    assert not journal.has_rows()

    journal.enter_rows(batch, "abc")

    assert journal.has_rows()
    assert outcomes(journal) == ["pending", "rejected", "pending"]
    assert list(journal.query("SELECT line, source_key FROM rows ORDER BY row")) == [
        (2, "a"),
        (3, "b"),
        (4, "c"),
    ]


# -- sending -------------------------------------------------------------------------------------


def test_what_was_sent_comes_first(journal: Journal) -> None:
    """A call in flight is next before any planned one; settled calls are not."""
    checked(journal)
    for row in range(3):
        journal.add_request("bulk-create", b"%d" % row, [write(row)])
    first = journal.next_request()
    assert first is not None
    journal.sending(first, 1000.0)
    journal.answered(first)
    second = journal.next_request()
    assert second is not None
    assert journal.next_request(sent_only=True) is None
    journal.sending(second, 1000.0)

    found = journal.next_request(sent_only=True)

    assert found is not None
    assert (found.request, found.body, found.sends) == (second.request, b"1", 1)
    assert outcomes(journal) == ["unknown", "unknown", "pending"]


def test_settled_writes_are_closed(journal: Journal) -> None:
    """An answered call has no open writes; those that took effect are landed, in order."""
    checked(journal)
    journal.add_request("bulk-create", b"{}", [write(0), write(1), write(2)])
    request = journal.next_request()
    assert request is not None
    journal.sending(request, 1000.0)
    first, _, third = journal.writes(request)
    journal.landed([(first, "A", 0), (third, "C", 4)])
    journal.answered(request)

    assert journal.writes(request) == []
    pages = [[w.customer_id for w in page] for page in journal.landed_writes(1)]
    assert pages == [["A"], ["C"]]
    ((landed,), _) = journal.landed_writes(1)
    journal.verified([(landed, "matched")])
    (rest,) = journal.landed_writes(10, unverified=True)
    assert [(w.customer_id, w.version) for w in rest] == [("C", 4)]


def test_unplanning_keeps_what_was_sent(journal: Journal) -> None:
    """Only plans that were never sent are undone; duplicates follow the row that carries them."""
    checked(journal)
    journal.add_request("bulk-create", b"0", [write(0)])
    journal.add_request("bulk-create", b"1", [write(1)])
    journal.change_rows(
        [
            RowChange(0, "pending", "", "email_address", "to be created"),
            RowChange(1, "pending", "", "", "to be created"),
            RowChange(2, "duplicate", "", "email_address", "", 1),
        ]
    )
    journal.add_problems([Problem(1, "note", "X", "", "planned")], planned=True)
    request = journal.next_request()
    assert request is not None
    journal.sending(request, 1000.0)

    journal.plan.undo()

    rows = list(journal.query("SELECT outcome, detail, duplicate_of FROM rows ORDER BY row"))
    assert rows == [
        ("unknown", "to be created", None),
        ("pending", "", None),
        ("pending", "", None),
    ]
    assert list(journal.query("SELECT row FROM writes")) == [(0,)]
    assert list(journal.query("SELECT body FROM requests")) == [(b"0",)]
    assert journal.problems(0, 2) == []


def test_unplanning_before_anything_was_sent_undoes_all(journal: Journal) -> None:
    """Before the first call every verdict is taken back, but rejections of the check stay."""
    checked(journal)
    journal.change_rows([RowChange(0, "unchanged", "A", "email_address"), RowChange(1, "review")])
    journal.add_problems([Problem(1, "review", "SHARED_PHONE", "", "?")], planned=True)
    journal.add_problems([Problem(1, "repair", "TRIMMED", "note", "blanks")])

    journal.plan.undo()

    assert outcomes(journal) == ["pending"] * 3
    assert [problem.code for problem in journal.problems(0, 2)] == ["TRIMMED"]


def test_a_call_whose_rows_are_unknown_is_kept(journal: Journal) -> None:
    """A call planned again for rows whose first result never came keeps its keys and bytes."""
    checked(journal)
    journal.add_request("bulk-create", b"first", [write(0)])
    request = journal.next_request()
    assert request is not None
    journal.sending(request, 1000.0)
    journal.answered(request)
    journal.add_request("bulk-create", b"again", [write(0, tries=2)], sent_at=1000.0)

    journal.plan.undo()

    kept = journal.next_request()
    assert kept is not None
    assert kept.body == b"again"
    assert outcomes(journal)[0] == "unknown"


def test_duplicates_follow_their_carrier(journal: Journal) -> None:
    """A duplicate's customer is the one of the row it was folded into."""
    checked(journal)
    journal.change_rows([RowChange(0, "created", "A"), RowChange(1, "duplicate", duplicate_of=0)])

    journal.follow()

    assert list(journal.query("SELECT customer_id FROM rows ORDER BY row")) == [
        ("A",),
        ("A",),
        ("",),
    ]


# -- the report ----------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def test_every_artifact_is_rebuilt_byte_for_byte(world: World) -> None:
    """All that lies beside the journal can be thrown away and comes back the same."""
    rows = people(4)
    world.create(**rows[0])
    world.create(given_name="Else", phone_number=rows[1]["phone_number"])
    report = run_import(world, [*rows, rows[3], {"reference_id": "B", "phone_number": "12"}])
    folder = folder_of(world, report)
    artifacts = {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix in (".csv", ".json", ".html")
    }
    for name in artifacts:
        (folder / name).unlink()

    with closing(Journal.open(folder / "journal.sqlite")) as journal:
        rebuilt = reconcile(journal, folder)

    assert len(artifacts) >= 5
    assert rebuilt == report
    assert {name: (folder / name).read_bytes() for name in artifacts} == artifacts
    assert counts(report) == {
        **{"created": 2, "unchanged": 1, "review": 1, "duplicate": 1, "rejected": 1}
    }


def test_a_journal_that_was_never_begun_does_not_stop_the_next_run(world: World) -> None:
    """A process that died while it began a journal leaves nothing that others stumble over."""
    world.state.prepare()
    folder = world.state.begin("20260101T000000Z-dead", None)
    (folder / "journal.new").touch(mode=0o600)

    report = run_import(world, people(1))

    assert counts(report) == {"created": 1}


def test_readers_do_not_disturb(journal: Journal) -> None:
    """Somebody who looks at a journal while a run writes sees the last commit."""
    checked(journal)
    with journal.transaction():
        journal.note(stage="plan")
        with closing(sqlite3.connect(journal.path)) as other:
            (seen,) = other.execute("SELECT value FROM facts WHERE name = 'stage'").fetchone()
    assert (seen, journal.stage) == ("check", "plan")


def test_lines_of_any_size_are_kept(journal: Journal) -> None:
    """Line numbers are kept exactly, in any order of magnitude."""
    chance = random.Random(1)
    lines = sorted(chance.randrange(1 << 40) for _ in range(3))
    with journal.transaction():
        journal.forget_rows()
        journal.add_batch(0, 0, Rows.of(pa.array(lines, pa.int64()), CELLS, problem_table([])))

    (batch,) = journal.batches()
    assert batch.lines.to_pylist() == lines
