"""What does a run do in each of its stages?

Each takes its work from the journal and leaves its results there, with the name of the next.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.begin import Progress, World, timestamp
from etl.config import Config
from etl.customers.erased import ErasedPeople
from etl.engines import Cut, Engine
from etl.journal.journal import Journal
from etl.journal.ledger import Ledger
from etl.journal.records import Run
from etl.journal.state import JOURNAL, copies
from etl.square.wire import Call
from etl.stages.check import check
from etl.stages.read import mapping_of, read, source_of
from etl.stages.reconcile import load_page

# The stages that speak to Square load httpx and DuckDB, which a validation has no use for: each
# is imported when a run comes to it.
if TYPE_CHECKING:
    from etl.square.client import SquareClient
    from etl.stages.attach import Attacher
    from etl.stages.load import Loader
    from etl.stages.undo import Undoer


@dataclass(frozen=True, slots=True)
class Job:
    """A run at work."""

    run: Run
    config: Config
    folder: Path
    journal: Journal
    world: World
    square: SquareClient | None
    ledger: Ledger | None
    kept: Path  # the copy of the directory that stays between runs
    in_flight: int
    engine: Engine
    cut: Cut
    erased: ErasedPeople
    earlier: Callable[[], AbstractContextManager[Iterator[Journal]]]  # of all runs, newest first


def settle(job: Job) -> None:
    """Settle the calls of a run that are in flight, and remember what they made."""
    from etl.stages.remember import remember

    assert job.ledger is not None
    if job.run.undoes:
        _undoer(job).settle()
        return
    _loader(job).load(lambda settled: _tell(job, "load", settled), sent_only=True)
    remember(job.journal, job.ledger, final=False)


def _read(job: Job) -> None:
    sources = [source_of(source) for source in job.journal.sources()]
    mappings = [mapping_of(source) for source in job.journal.sources()]
    with job.journal.unhurried():
        read(
            job.journal,
            job.engine,
            sources,
            mappings,
            job.config,
            lambda rows: _tell(job, "read", rows),
            job.cut,
        )
    job.journal.note(stage="check")
    # From here on the journal is the source.
    shutil.rmtree(job.folder / copies(job.run.run_id), ignore_errors=True)


def _survey(job: Job) -> None:
    from etl.stages.survey import survey

    def between(rows: int) -> None:
        # Here workers are at the next batches; after the last one they would wait for it.
        load_page()
        _tell(job, "read", rows)

    sources = [source_of(source) for source in job.journal.sources()]
    with job.journal.unhurried():
        survey(
            job.journal,
            job.engine,
            sources,
            job.config,
            job.run.country,
            job.erased,
            between,
            job.cut,
        )
    job.journal.note(stage="done")
    shutil.rmtree(job.folder / copies(job.run.run_id), ignore_errors=True)


def _check(job: Job) -> None:
    total = count(job.journal, "SELECT coalesce(sum(rows), 0) FROM sources")
    country = job.run.country
    with job.journal.unhurried():
        check(
            job.journal,
            job.engine,
            job.config,
            country,
            job.erased,
            lambda rows: _tell(job, "check", rows, total),
        )
    job.engine.dismiss()  # an import goes on for hours
    job.journal.note(stage="plan")


def _plan(job: Job) -> None:
    from etl.stages.match import match

    assert job.square is not None
    assert job.ledger is not None
    match(
        job.journal,
        job.square,
        job.ledger,
        job.config,
        job.run,
        job.folder / "directory.duckdb",
        job.kept,
        job.world.clock,
        lambda profiles: _tell(job, "plan", profiles),
        then="load" if job.run.command == "import" else "done",
    )
    if job.run.command == "plan":
        _compare(job)


def _compare(job: Job) -> None:
    """Say what is unlike the nights before."""
    from etl.stages.anomaly import compare

    with job.earlier() as earlier:
        for found in compare(job.journal, earlier, job.config):
            job.world.note(f"unusual: {found.told}")


def _load(job: Job) -> None:
    from etl.stages.brakes import brake_load, brake_plan, try_first
    from etl.stages.verify import verify

    journal, limits = job.journal, job.config.limits
    brake_plan(journal, limits)
    _compare(job)
    _attacher(job).prepare()
    answered = count(journal, "SELECT count(*) FROM requests WHERE state = 'answered'")

    def read_back() -> None:
        assert job.square is not None
        verify(journal, job.square, job.run, job.in_flight, lambda more: None)

    def between(settled: int) -> None:
        total = count(journal, "SELECT coalesce(max(request), 0) FROM requests")
        _tell(job, "load", answered + settled, total)
        if limits.max_mismatched is not None:
            read_back()
        brake_load(journal, limits)

    if size := int(journal.facts().get("canary") or 0):
        try_first(journal, size, lambda: _loader(job).load(between), read_back)
    _loader(job).load(between)
    with journal.transaction():
        journal.follow()
        journal.note(stage="attach")


def _attach(job: Job) -> None:
    from etl.stages.brakes import brake_load

    total = count(job.journal, "SELECT count(*) FROM additions")
    done = count(job.journal, "SELECT count(*) FROM additions WHERE state <> 'planned'")
    brake_load(job.journal, job.config.limits)
    _attacher(job).attach(_going_on(job, "attach", done, total))
    brake_load(job.journal, job.config.limits)
    with job.journal.transaction():
        job.journal.follow()
        job.journal.note(stage="verify")


def _verify(job: Job) -> None:
    from etl.stages.attach import verify_additions
    from etl.stages.brakes import brake_load
    from etl.stages.remember import recall, remember
    from etl.stages.verify import verify

    assert job.square is not None
    assert job.ledger is not None
    remember(job.journal, job.ledger, final=True)
    total = count(job.journal, "SELECT count(*) FROM writes WHERE state = 'landed'")
    done = count(job.journal, "SELECT count(*) FROM writes WHERE verified <> ''")
    between = _going_on(job, "verify", done, total)
    verify(job.journal, job.square, job.run, job.in_flight, between)
    region, ledger = job.run.country, job.ledger
    verify_additions(job.journal, job.square, lambda read: recall(ledger, read, region))
    brake_load(job.journal, job.config.limits)
    job.journal.note(stage="done", finished_at=timestamp(job.world))


def _gather_written(job: Job) -> None:
    from etl.stages.undo import gather

    place = job.folder.parent / job.run.undoes / JOURNAL
    with closing(Journal.open(place)) as done:
        if job.run.command == "undo" and done.stage != "done":
            # It is not gone on with: what it left in flight is settled, the rest never sent.
            config = Config.model_validate_json(done.run().config)
            other = replace(job, run=done.run(), config=config, journal=done)
            settle(other)
            _attacher(other).settle()
            done.note(undone=job.run.run_id)
        gather(job.journal, done)


def _plan_undo(job: Job) -> None:
    total = count(job.journal, "SELECT count(*) FROM subjects")
    done = count(job.journal, "SELECT count(*) FROM rows WHERE planned = 1")
    then = "load" if job.run.command == "undo" else "done"
    _undoer(job).plan(_going_on(job, "plan", done, total), then)


def _put_back(job: Job) -> None:
    answered = count(job.journal, "SELECT count(*) FROM requests WHERE state = 'answered'")

    def between(settled: int) -> None:
        total = count(job.journal, "SELECT count(*) FROM requests")
        _tell(job, "load", answered + settled, total)

    _undoer(job).put_back(between)
    job.journal.note(stage="detach")


def _take_back(job: Job) -> None:
    total = count(job.journal, "SELECT count(*) FROM removals")
    done = count(job.journal, "SELECT count(*) FROM removals WHERE state <> 'planned'")
    _undoer(job).take_back(_going_on(job, "detach", done, total))
    job.journal.note(stage="verify")


def _verify_undo(job: Job) -> None:
    total = count(job.journal, "SELECT count(*) FROM subjects")
    _undoer(job).verify(_going_on(job, "verify", 0, total))
    job.journal.note(stage="done", finished_at=timestamp(job.world))


UNDO: dict[str, Callable[[Job], None]] = {
    "read": _gather_written,
    "plan": _plan_undo,
    "load": _put_back,
    "detach": _take_back,
    "verify": _verify_undo,
}


VALIDATE: dict[str, Callable[[Job], None]] = {"read": _survey}


STAGES: dict[str, Callable[[Job], None]] = {
    "read": _read,
    "check": _check,
    "plan": _plan,
    "load": _load,
    "attach": _attach,
    "verify": _verify,
}


def _loader(job: Job) -> Loader:
    from etl.stages.load import Loader

    assert job.square is not None
    now = job.world.now
    return Loader(
        job.journal, job.square, job.run, job.config, lambda: now().timestamp(), job.in_flight
    )


def _undoer(job: Job) -> Undoer:
    from etl.stages.undo import Undoer

    assert job.square is not None
    assert job.ledger is not None
    now = job.world.now
    return Undoer(
        job.journal,
        job.square,
        job.ledger,
        job.run,
        job.config,
        lambda: now().timestamp(),
        job.in_flight,
    )


def _attacher(job: Job) -> Attacher:
    from etl.stages.attach import Attacher

    assert job.square is not None
    return Attacher(job.journal, job.square, job.run, job.config)


def observer(journal: Journal) -> Callable[[Call], None]:
    """Return who counts the calls of a run in its journal."""

    def observe(call: Call) -> None:
        journal.called(
            call.endpoint,
            call.status,
            call.seconds,
            retry=call.retry,
            rate_limited=call.rate_limited,
        )

    return observe


@contextmanager
def timed(job: Job, stage: str) -> Iterator[None]:
    """Tell that a stage begins; add the time that this takes to what the stage took."""
    _tell(job, stage, 0)
    begin = job.world.clock()
    try:
        yield
    finally:
        job.journal.spent(stage, job.world.clock() - begin)


def _tell(job: Job, stage: str, done: int, total: int = 0) -> None:
    job.world.watch(Progress(stage, done, total))


def _going_on(job: Job, stage: str, done: int, total: int) -> Callable[[int], None]:
    """Tell how far a stage is that hears of every further step how much more it did."""

    def between(more: int) -> None:
        nonlocal done
        done += more
        _tell(job, stage, done, total)

    return between


def count(journal: Journal, sql: str) -> int:
    """Return the number that a SELECT answers with."""
    return int(next(journal.query(sql))[0])
