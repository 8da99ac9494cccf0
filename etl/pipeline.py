"""The journeys, each on one page: import, plan, apply, validate, undo, resume.

A journey is a row of stages. Each stage takes its work from the journal and leaves its results
there, so a run that stopped anywhere goes on with the stage it stopped in.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from etl.config import Config
from etl.engines import Engine, started
from etl.errors import (
    BrakeError,
    ConfigError,
    Interrupted,
    SourceError,
    SquareError,
    StateError,
)
from etl.files.sources import Source, open_sources, verify_unchanged
from etl.journal.journal import Journal, Run
from etl.journal.ledger import Ledger
from etl.journal.lock import locked
from etl.journal.state import JOURNAL, WRITING, State
from etl.square.wire import Call, Merchant
from etl.stages.amend import amendable, record, refuse_others, verify_links
from etl.stages.check import canonical_constants, check
from etl.stages.mapping import resolve
from etl.stages.read import mapping_of, read, source_of
from etl.stages.reconcile import reconcile

# The stages that speak to Square load httpx and DuckDB, which a validation has no use for: each
# is imported when a run comes to it.
if TYPE_CHECKING:
    from etl.square.client import SquareClient
    from etl.stages.attach import Attacher
    from etl.stages.load import Loader
    from etl.stages.undo import Undoer

# Bytes of sources; less is done before the copies of a process are at work.
_MUCH = 8 << 20

Command = Literal["import", "plan", "validate"]
Report = dict[str, Any]


class Progress(NamedTuple):
    """How far a stage is, told after each step that is durable; total 0 is not known."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class World:
    """What a journey takes from outside: time, chance, and somebody who watches.

    ``now`` is the time of day with its zone, ``clock`` counts seconds. ``announce`` hears which run
    begins or goes on; ``watch`` hears of every durable step and may raise Interrupted to stop.
    """

    now: Callable[[], datetime]
    clock: Callable[[], float]
    chance: random.Random
    announce: Callable[[Run], None]
    watch: Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Square:
    """Which Square a run speaks to; ``connect`` gives a client whose calls are observed.

    ``in_flight`` is how many calls are under way at a time; they are observed in other threads.
    """

    environment: str
    base_url: str
    connect: Callable[[Callable[[Call], None]], SquareClient]
    in_flight: int = 1


@dataclass(frozen=True, slots=True)
class _Job:
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


def import_customers(
    arguments: Sequence[str],
    config: Config,
    state: State,
    square: Square,
    world: World,
    run_dir: Path | None = None,
    amends: str | None = None,
    canary: int = 0,
) -> Report:
    """Bring files of customers into Square and account for every row of them.

    The same command on the same files goes on with a run that was stopped. ``amends`` is the run
    whose corrected rejects these are: its ledger takes their outcomes. ``canary``: so many profiles
    are written and read back before all others, at most a hundred. Raises ConfigError,
    SourceError or Unauthorized before anything is written, LockedError while another run is at
    work; whatever stops it later is in the report.
    """
    state.prepare()
    with locked(state.folder, "import") as check_lock:
        merchant = square.connect(_unobserved).merchant()
        amends = amends and amendable(amends, state, merchant.id)
        run, folder = _begin(
            "import", arguments, config, state, square, merchant, world, run_dir, amends or ""
        )
        watched = _checking(world, check_lock)
        return _work(run, folder, config, state, square, watched, canary)


def plan_import(
    arguments: Sequence[str],
    config: Config,
    state: State,
    square: Square,
    world: World,
    amends: str | None = None,
    run_dir: Path | None = None,
) -> Report:
    """Do all of an import up to its plan; nothing is written to Square."""
    state.prepare()
    merchant = square.connect(_unobserved).merchant()
    amends = amends and amendable(amends, state, merchant.id)
    run, folder = _begin(
        "plan", arguments, config, state, square, merchant, world, run_dir, amends or ""
    )
    return _work(run, folder, config, state, square, world)


def planned(plan: str, state: State) -> Run:
    """Return the run of a plan; raises StateError when it is none that can be applied."""
    from etl.stages.apply import find_plan

    return find_plan(plan, state)[0]


def apply_plan(
    plan: str, config: Config, state: State, square: Square, world: World, canary: int = 0
) -> Report:
    """Carry out a plan as it was made; only rows that moved since are planned anew.

    ``plan`` is the id of its run, its folder, or the plan.csv in there; ``config`` may differ from
    the plan's in its limits. That is an import of its own, which leaves the plan as it is; the same
    command goes on with one that was stopped, and returns the report of one that has finished.
    Raises StateError or ConfigError when the plan cannot be applied, or not here.
    """
    from etl.stages.apply import application, find_plan, refuse_elsewhere, refuse_other_settings

    state.prepare()
    with locked(state.folder, "apply") as check_lock:
        made, place = find_plan(plan, state)
        refuse_other_settings(made, config)
        merchant = square.connect(_unobserved).merchant()
        refuse_elsewhere(made, square.environment, square.base_url, merchant.id)
        folder, finished = application(made.run_id, state) or (None, False)
        if folder is None:
            run = replace(
                made,
                run_id=_new_id(world),
                command="import",
                started_at=_timestamp(world),
                config=config.model_dump_json(),
                fingerprint=f"plan {made.run_id}",
                applies=made.run_id,
            )
            folder = state.begin(run.run_id, None)
            with closing(Journal.open(place / JOURNAL)) as journal:
                journal.carry_on(folder / JOURNAL, run)
        with closing(Journal.open(folder / JOURNAL)) as journal:
            if finished:
                return reconcile(journal, folder)
            journal.note(config=config.model_dump_json())
            run = journal.run()
        watched = _checking(world, check_lock)
        return _work(run, folder, config, state, square, watched, canary)


def validate_files(arguments: Sequence[str], config: Config, state: State, world: World) -> Report:
    """Say which rows Square would refuse, and why; without any network.

    Square is judged as it is for a merchant of ``[clean] default_region``, else of the US.
    """
    state.prepare()
    merchant = Merchant("", config.clean.default_region or "US", "")
    run, folder = _begin("validate", arguments, config, state, None, merchant, world, None)
    return _work(run, folder, config, state, None, world)


def undo_run(
    run_id: str, state: State, square: Square, world: World, *, dry_run: bool = False
) -> Report:
    """Take back what a run wrote, as far as everything still is as it left it.

    A run of its own, which the same command goes on with if it was stopped; ``dry_run`` sends
    nothing. Raises StateError for a run that wrote nothing by itself, ConfigError when it belongs
    to another merchant.
    """
    state.prepare()
    if dry_run:
        return _undo(run_id, state, square, world, "undo-plan")
    with locked(state.folder, "undo") as check_lock:
        return _undo(run_id, state, square, _checking(world, check_lock), "undo")


def _undo(
    run_id: str, state: State, square: Square, world: World, command: Literal["undo", "undo-plan"]
) -> Report:
    place = state.run_folder(run_id)
    with closing(Journal.open(place / JOURNAL)) as journal:
        done, facts, sources = journal.run(), journal.facts(), journal.sources()
    if done.command != "import":
        kind = {"undo": "an undo: import its files again to do them over"}
        why = kind.get(done.command, f"a {done.command}, which writes nothing")
        raise StateError(f"run {done.run_id} cannot be undone: it is {why}")
    if command == "undo-plan" and facts["stage"] != "done" and "undone" not in facts:
        raise StateError(
            f"run {done.run_id} is not finished, and what it left in flight is settled by writing: "
            f"undo it without --dry-run, or first square-etl runs resume {done.run_id}"
        )
    merchant = square.connect(_unobserved).merchant()
    _refuse_another(done, merchant)
    fingerprint = f"undo {done.run_id}"
    unfinished = next(state.unfinished(fingerprint=fingerprint), None)
    config = Config.model_validate_json(done.config)
    if command == "undo" and unfinished is not None:
        with closing(Journal.open(unfinished / JOURNAL)) as journal:
            return _work(journal.run(), unfinished, config, state, square, world)
    run = replace(
        done,
        run_id=_new_id(world),
        command=command,
        started_at=_timestamp(world),
        fingerprint=fingerprint,
        undoes=done.run_id,
        amends="",
        applies="",
    )
    folder = state.begin(run.run_id, None)
    unmapped = _json({"fields": {}, "unused": [], "consent": None})
    kept = [(_json({**source["facts"], "notes": []}), unmapped) for source in sources]
    Journal.create(folder / JOURNAL, run, kept).close()
    return _work(run, folder, config, state, square, world)


def _refuse_another(run: Run, merchant: Merchant) -> None:
    if merchant.id != run.merchant_id:
        raise ConfigError(
            f"run {run.run_id} belongs to merchant {run.merchant_id}, but this token to "
            f"{merchant.id}. Use the token of that merchant."
        )


def resume(run_id: str, state: State, square: Square, world: World) -> Report:
    """Finish a run that stopped.

    Raises StateError when it is finished already; SourceError when a source that has to be read
    again has changed.
    """
    state.prepare()
    with locked(state.folder, "resume") as check_lock:
        folder = state.run_folder(run_id)
        with closing(Journal.open(folder / JOURNAL)) as journal:
            run, facts = journal.run(), journal.facts()
            if run.command not in WRITING or "reported" in facts:
                raise StateError(f"run {run.run_id} is finished: there is nothing to resume")
            if undone := facts.get("undone"):
                raise StateError(
                    f"run {run.run_id} was taken back by run {undone}: to do it over, import its "
                    "files again"
                )
            reading = run.command == "import" and facts["stage"] == "read"
            for source in journal.sources() if reading else ():
                verify_unchanged(source_of(source))
        merchant = square.connect(_unobserved).merchant()
        _refuse_another(run, merchant)
        config = Config.model_validate_json(run.config)
        return _work(run, folder, config, state, square, _checking(world, check_lock))


def _checking(world: World, check_lock: Callable[[], None]) -> World:
    """Return a world in which every step is taken only while the lock is held."""

    def watch(progress: Progress) -> None:
        check_lock()
        world.watch(progress)

    return replace(world, watch=watch)


def _work(
    run: Run,
    folder: Path,
    config: Config,
    state: State,
    square: Square | None,
    world: World,
    canary: int = 0,
) -> Report:
    """Carry a run through the stages it has not completed, and report."""
    world.announce(run)
    # Before anything is open that a copy of this process must not use.
    with (
        started(much=_is_much(folder)) as engine,
        closing(Journal.open(folder / JOURNAL)) as journal,
    ):
        client = square.connect(_observer(journal)) if square else None
        ledger = Ledger(state.ledger, run.merchant_id) if square else None
        kept = state.directory(run.merchant_id, run.base_url)
        in_flight = square.in_flight if square else 1
        job = _Job(run, config, folder, journal, world, client, ledger, kept, in_flight, engine)
        journal.note(stopped="", **({"canary": str(canary)} if canary else {}))
        try:
            if square and run.command == "import":
                _settle_others(job, state, square)
            if journal.stage == "load" or run.command == "undo":
                _plan_anew(job)
            stages = _UNDO if run.undoes else _STAGES
            while (stage := journal.stage) != "done":
                with _timed(job, stage):
                    stages[stage](job)
                if stage == "read" and run.amends:
                    verify_links(journal, state)
        except BrakeError as stop:
            journal.note(stopped=f"brake: {stop}")
        except (Interrupted, SquareError) as stop:
            journal.note(stopped=str(stop))
        except (ConfigError, SourceError) as stop:
            if journal.sent_anything():
                journal.note(stopped=str(stop))
            else:
                # Nothing was sent, and there is nothing to go on with.
                state.discard(run.run_id)
                raise
        finally:
            if ledger:
                ledger.close()
        if run.command == "import" and journal.stage == "done":
            record(journal, state)
        report = reconcile(journal, folder, engine)
        if journal.stage == "done":
            journal.note(reported=_timestamp(world))
        return report


def _is_much(folder: Path) -> bool:
    """Tell whether a run has so much left to read or to check that copies of a process pay."""
    with closing(Journal.open(folder / JOURNAL)) as journal:
        size = sum(int(source["facts"]["size"]) for source in journal.sources())
        return size > _MUCH and journal.stage in ("read", "check")


def _settle_others(job: _Job, state: State, square: Square) -> None:
    """Finish what other unfinished runs left in flight, so that the ledger knows what they made.

    Their calls are sent again byte for byte: Square answers a repeated create with the profile it
    made the first time.
    """
    run = job.run
    for folder in state.unfinished(merchant_id=run.merchant_id, base_url=run.base_url):
        if folder.name == run.run_id:
            continue
        with closing(Journal.open(folder / JOURNAL)) as journal:
            other = journal.run()
            config = Config.model_validate_json(other.config)
            client = square.connect(_observer(journal))
            _settle(replace(job, run=other, config=config, journal=journal, square=client))


def _plan_anew(job: _Job) -> None:
    """Go back to planning for what was planned before the run stopped and never sent.

    The directory may have changed since, and another run may have written in between. What was
    planned by a plan of its own stays as it is where nothing moved.
    """
    if job.run.undoes:
        _look_anew(job)
        return
    _settle(job)
    with job.journal.transaction():
        if job.run.applies:
            job.journal.plan.reconsider()
        else:
            job.journal.plan.undo()
        job.journal.note(stage="plan")


def _settle(job: _Job) -> None:
    """Settle the calls of a run that are in flight, and remember what they made."""
    from etl.stages.remember import remember

    assert job.ledger is not None
    if job.run.undoes:
        _undoer(job).settle()
        return
    _loader(job).load(lambda settled: _tell(job, "load", settled), sent_only=True)
    remember(job.journal, job.ledger, final=False)


def _read(job: _Job) -> None:
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
        )
    job.journal.note(stage="check")


def _check(job: _Job) -> None:
    total = _count(job.journal, "SELECT coalesce(sum(rows), 0) FROM sources")
    country = job.run.country
    with job.journal.unhurried():
        check(
            job.journal,
            job.engine,
            job.config,
            country,
            lambda rows: _tell(job, "check", rows, total),
        )
    if job.run.command != "validate":
        job.engine.dismiss()  # an import goes on for hours
    job.journal.note(stage="done" if job.run.command == "validate" else "plan")


def _plan(job: _Job) -> None:
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


def _load(job: _Job) -> None:
    from etl.stages.brakes import brake_load, brake_plan, try_first
    from etl.stages.verify import verify

    journal, limits = job.journal, job.config.limits
    brake_plan(journal, limits)
    _attacher(job).prepare()
    answered = _count(journal, "SELECT count(*) FROM requests WHERE state = 'answered'")

    def read_back() -> None:
        assert job.square is not None
        verify(journal, job.square, job.run, job.in_flight, lambda more: None)

    def between(settled: int) -> None:
        total = _count(journal, "SELECT coalesce(max(request), 0) FROM requests")
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


def _attach(job: _Job) -> None:
    from etl.stages.brakes import brake_load

    total = _count(job.journal, "SELECT count(*) FROM additions")
    done = _count(job.journal, "SELECT count(*) FROM additions WHERE state <> 'planned'")
    brake_load(job.journal, job.config.limits)
    _attacher(job).attach(_going_on(job, "attach", done, total))
    brake_load(job.journal, job.config.limits)
    with job.journal.transaction():
        job.journal.follow()
        job.journal.note(stage="verify")


def _verify(job: _Job) -> None:
    from etl.stages.attach import verify_additions
    from etl.stages.brakes import brake_load
    from etl.stages.remember import recall, remember
    from etl.stages.verify import verify

    assert job.square is not None
    assert job.ledger is not None
    remember(job.journal, job.ledger, final=True)
    total = _count(job.journal, "SELECT count(*) FROM writes WHERE state = 'landed'")
    done = _count(job.journal, "SELECT count(*) FROM writes WHERE verified <> ''")
    between = _going_on(job, "verify", done, total)
    verify(job.journal, job.square, job.run, job.in_flight, between)
    region, ledger = job.run.country, job.ledger
    verify_additions(job.journal, job.square, lambda read: recall(ledger, read, region))
    brake_load(job.journal, job.config.limits)
    job.journal.note(stage="done", finished_at=_timestamp(job.world))


def _gather(job: _Job) -> None:
    from etl.stages.undo import gather

    place = job.folder.parent / job.run.undoes / JOURNAL
    with closing(Journal.open(place)) as done:
        if job.run.command == "undo" and done.stage != "done":
            # It is not gone on with: what it left in flight is settled, the rest never sent.
            config = Config.model_validate_json(done.run().config)
            other = replace(job, run=done.run(), config=config, journal=done)
            _settle(other)
            _attacher(other).settle()
            done.note(undone=job.run.run_id)
        gather(job.journal, done)


def _look_anew(job: _Job) -> None:
    """Settle what an undo left in flight, and look again at those for whom the rest was planned."""
    if job.journal.stage not in ("plan", "load", "detach"):
        return
    _settle(job)
    with job.journal.transaction():
        job.journal.undoing.unplan()
        job.journal.note(stage="plan")


def _look(job: _Job) -> None:
    total = _count(job.journal, "SELECT count(*) FROM subjects")
    done = _count(job.journal, "SELECT count(*) FROM rows WHERE planned = 1")
    then = "load" if job.run.command == "undo" else "done"
    _undoer(job).plan(_going_on(job, "plan", done, total), then)


def _put_back(job: _Job) -> None:
    answered = _count(job.journal, "SELECT count(*) FROM requests WHERE state = 'answered'")

    def between(settled: int) -> None:
        total = _count(job.journal, "SELECT count(*) FROM requests")
        _tell(job, "load", answered + settled, total)

    _undoer(job).put_back(between)
    job.journal.note(stage="detach")


def _take_back(job: _Job) -> None:
    total = _count(job.journal, "SELECT count(*) FROM removals")
    done = _count(job.journal, "SELECT count(*) FROM removals WHERE state <> 'planned'")
    _undoer(job).take_back(_going_on(job, "detach", done, total))
    job.journal.note(stage="verify")


def _look_again(job: _Job) -> None:
    total = _count(job.journal, "SELECT count(*) FROM subjects")
    _undoer(job).verify(_going_on(job, "verify", 0, total))
    job.journal.note(stage="done", finished_at=_timestamp(job.world))


_UNDO: dict[str, Callable[[_Job], None]] = {
    "read": _gather,
    "plan": _look,
    "load": _put_back,
    "detach": _take_back,
    "verify": _look_again,
}

_STAGES: dict[str, Callable[[_Job], None]] = {
    "read": _read,
    "check": _check,
    "plan": _plan,
    "load": _load,
    "attach": _attach,
    "verify": _verify,
}


def _begin(
    command: Command,
    arguments: Sequence[str],
    config: Config,
    state: State,
    square: Square | None,
    merchant: Merchant,
    world: World,
    run_dir: Path | None,
    amends: str = "",
) -> tuple[Run, Path]:
    """Open the sources and begin a run, or find the one that this very command began."""
    run_id = _new_id(world)
    spool = state.folder / f"stdin-{run_id}"
    try:
        sources = open_sources(arguments, config.source, spool)
        if amends:
            refuse_others(sources, amends)
        canonical_constants(config, merchant.country)
        mappings = [resolve(s.name, s.columns, s.not_text, config) for s in sources]
        hashes = [source.sha256 for source in sources]
        fingerprint = _fingerprint(config, hashes, merchant, square, amends)
        unfinished = next(state.unfinished(fingerprint=fingerprint), None)
        if command == "import" and unfinished is not None:
            return _found(unfinished, sources, config), unfinished
        run = Run(
            run_id=run_id,
            command=command,
            started_at=_timestamp(world),
            target=square.environment if square else "none",
            base_url=square.base_url if square else "",
            merchant_id=merchant.id,
            country=merchant.country,
            square_version=config.target.square_version,
            config=config.model_dump_json(),
            fingerprint=fingerprint,
            amends=amends,
        )
        folder = state.begin(run_id, run_dir)
        if spool.exists():
            spool.rename(folder / "stdin")
        kept = [
            (_kept(source, folder), _json(asdict(m)))
            for source, m in zip(sources, mappings, strict=True)
        ]
        Journal.create(folder / JOURNAL, run, kept).close()
        return run, folder
    finally:
        spool.unlink(missing_ok=True)


def _new_id(world: World) -> str:
    """Return a name that sorts by time; its end tells apart what begins in one millisecond."""
    now = world.now()
    chance = world.chance.getrandbits(16)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z-{chance:04x}"


def _found(folder: Path, sources: Sequence[Source], config: Config) -> Run:
    """Go on with a run that this command began, on the files as they are named now."""
    with closing(Journal.open(folder / JOURNAL)) as journal:
        # The limits may have changed: that is how one gets past a brake.
        journal.note(config=config.model_dump_json())
        if journal.stage == "read" and all(source.name != "-" for source in sources):
            journal.move_sources([_kept(source, folder) for source in sources])
        return journal.run()


def _kept(source: Source, folder: Path) -> str:
    """Return what the journal keeps of a source; standard input lies in the run's folder."""
    path = folder / "stdin" if source.name == "-" else source.path
    return _json({**asdict(source), "path": str(path.resolve())})


def _loader(job: _Job) -> Loader:
    from etl.stages.load import Loader

    assert job.square is not None
    now = job.world.now
    return Loader(
        job.journal, job.square, job.run, job.config, lambda: now().timestamp(), job.in_flight
    )


def _undoer(job: _Job) -> Undoer:
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


def _attacher(job: _Job) -> Attacher:
    from etl.stages.attach import Attacher

    assert job.square is not None
    return Attacher(job.journal, job.square, job.run, job.config)


def _fingerprint(
    config: Config, hashes: Sequence[str], merchant: Merchant, square: Square | None, amends: str
) -> str:
    settings = config.model_dump(mode="json", exclude={"limits"})
    told = [
        settings,
        list(hashes),
        merchant.id,
        square and square.base_url,
        *filter(None, [amends]),
    ]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _observer(journal: Journal) -> Callable[[Call], None]:
    def observe(call: Call) -> None:
        journal.called(
            call.endpoint,
            retry=call.retry,
            rate_limited=call.rate_limited,
            error=call.status is None or call.status >= 400,
            seconds=call.seconds,
        )

    return observe


def _unobserved(call: Call) -> None:
    """Calls before a run begins belong to no run."""


@contextmanager
def _timed(job: _Job, stage: str) -> Iterator[None]:
    begin = job.world.clock()
    try:
        yield
    finally:
        job.journal.spent(stage, job.world.clock() - begin)


def _tell(job: _Job, stage: str, done: int, total: int = 0) -> None:
    job.world.watch(Progress(stage, done, total))


def _going_on(job: _Job, stage: str, done: int, total: int) -> Callable[[int], None]:
    """Tell how far a stage is that hears of every further step how much more it did."""

    def between(more: int) -> None:
        nonlocal done
        done += more
        _tell(job, stage, done, total)

    return between


def _count(journal: Journal, sql: str) -> int:
    return int(next(journal.query(sql))[0])


def _timestamp(world: World) -> str:
    return world.now().isoformat(timespec="seconds").replace("+00:00", "Z")


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
