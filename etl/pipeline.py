"""The journeys, each on one page: import, plan, apply, validate, undo, resume.

A journey is a row of stages (``etl.steps``). A run that stopped anywhere goes on with the stage it
stopped in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

from etl.begin import Progress, Report, Square, World, as_json, begin, new_id, timestamp, unobserved
from etl.config import Config
from etl.engines import UNASKED, Ready
from etl.errors import (
    BrakeError,
    ConfigError,
    Interrupted,
    SourceError,
    SquareError,
    StateError,
)
from etl.files.sources import verify_unchanged
from etl.journal.journal import Journal
from etl.journal.ledger import Ledger, erased_people
from etl.journal.lock import locked
from etl.journal.records import Run
from etl.journal.state import JOURNAL, WRITING, State
from etl.square.wire import Merchant
from etl.stages.amend import amendable, record, verify_links
from etl.stages.read import source_of
from etl.stages.reconcile import reconcile
from etl.steps import STAGES, UNDO, VALIDATE, Job, observer, settle, timed

__all__ = [
    "Progress",
    "Report",
    "Square",
    "World",
    "apply_plan",
    "import_customers",
    "plan_import",
    "planned",
    "resume",
    "undo_run",
    "validate_files",
]


def import_customers(
    arguments: Sequence[str],
    config: Config,
    state: State,
    square: Square,
    world: World,
    run_dir: Path | None = None,
    amends: str | None = None,
    canary: int = 0,
    engine: Ready = UNASKED,
) -> Report:
    """Bring files of customers into Square and account for every row of them.

    The same command on the same files goes on with a run that was stopped. ``amends`` is the run
    whose corrected rejects these are: its ledger takes their outcomes. ``canary``: so many profiles
    are written and read back before all others, at most a hundred. ``engine``: where batches run;
    another one goes on with a run just as well. Raises ConfigError, SourceError or Unauthorized
    before anything is written, LockedError while another run is at work; whatever stops it later
    is in the report.
    """
    state.prepare()
    with locked(state.folder, "import") as check_lock:
        merchant = square.connect(unobserved).merchant()
        amends = amends and amendable(amends, state, merchant.id)
        run, folder = begin(
            "import", arguments, config, state, square, merchant, world, run_dir, amends or ""
        )
        watched = _checking(world, check_lock)
        return _work(run, folder, config, state, square, watched, canary, engine)


def plan_import(
    arguments: Sequence[str],
    config: Config,
    state: State,
    square: Square,
    world: World,
    amends: str | None = None,
    run_dir: Path | None = None,
    engine: Ready = UNASKED,
) -> Report:
    """Do all of an import up to its plan; nothing is written to Square."""
    state.prepare()
    merchant = square.connect(unobserved).merchant()
    amends = amends and amendable(amends, state, merchant.id)
    run, folder = begin(
        "plan", arguments, config, state, square, merchant, world, run_dir, amends or ""
    )
    return _work(run, folder, config, state, square, world, engine=engine)


def planned(plan: str, state: State) -> tuple[Run, Path]:
    """Return the run of a plan and its folder; raises StateError when it cannot be applied."""
    from etl.stages.apply import find_plan

    return find_plan(plan, state)


def apply_plan(
    plan: str,
    config: Config,
    state: State,
    square: Square,
    world: World,
    canary: int = 0,
    engine: Ready = UNASKED,
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
        merchant = square.connect(unobserved).merchant()
        refuse_elsewhere(made, square.environment, square.base_url)
        _refuse_another(made, merchant)
        folder, finished = application(made.run_id, state) or (None, False)
        if folder is None:
            run = replace(
                made,
                run_id=new_id(world),
                command="import",
                started_at=timestamp(world),
                config=config.model_dump_json(),
                fingerprint=f"plan {made.run_id}",
                applies=made.run_id,
                state_dir=str(state.folder.resolve()),
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
        return _work(run, folder, config, state, square, watched, canary, engine)


def validate_files(
    arguments: Sequence[str],
    config: Config,
    state: State,
    world: World,
    engine: Ready = UNASKED,
) -> Report:
    """Say which rows Square would refuse, and why; without any network.

    Square is judged as it is for a merchant of ``[clean] default_region``, else of the US.
    """
    state.prepare()
    merchant = Merchant("", config.clean.default_region or "US", "")
    run, folder = begin("validate", arguments, config, state, None, merchant, world, None)
    return _work(run, folder, config, state, None, world, engine=engine)


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
        kind = {
            "undo": "an undo: import its files again to do them over",
            "undo-plan": "the dry run of an undo, which writes nothing",
        }
        why = kind.get(done.command, f"a {done.command}, which writes nothing")
        raise StateError(f"run {done.run_id} cannot be undone: it is {why}")
    if command == "undo-plan" and facts["stage"] != "done" and "undone" not in facts:
        raise StateError(
            f"run {done.run_id} is not finished, and what it left in flight is settled by writing: "
            f"undo it without --dry-run, or first square-etl runs resume {done.run_id}"
        )
    merchant = square.connect(unobserved).merchant()
    _refuse_another(done, merchant)
    fingerprint = f"undo {done.run_id}"
    unfinished = next(state.unfinished(fingerprint=fingerprint), None)
    config = Config.model_validate_json(done.config)
    if command == "undo" and unfinished is not None:
        with closing(Journal.open(unfinished / JOURNAL)) as journal:
            return _work(journal.run(), unfinished, config, state, square, world)
    run = replace(
        done,
        run_id=new_id(world),
        command=command,
        started_at=timestamp(world),
        fingerprint=fingerprint,
        undoes=done.run_id,
        amends="",
        applies="",
        state_dir=str(state.folder.resolve()),
    )
    folder = state.begin(run.run_id, None)
    unmapped = as_json({"fields": {}, "unused": [], "consent": None})
    kept = [(as_json({**source["facts"], "notes": []}), unmapped) for source in sources]
    Journal.create(folder / JOURNAL, run, kept).close()
    return _work(run, folder, config, state, square, world)


def _refuse_another(run: Run, merchant: Merchant) -> None:
    if merchant.id != run.merchant_id:
        raise ConfigError(
            f"run {run.run_id} belongs to merchant {run.merchant_id}, but this token to "
            f"{merchant.id}. Use the token of that merchant."
        )


def resume(
    run_id: str, state: State, square: Square, world: World, engine: Ready = UNASKED
) -> Report:
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
        merchant = square.connect(unobserved).merchant()
        _refuse_another(run, merchant)
        config = Config.model_validate_json(run.config)
        watched = _checking(world, check_lock)
        return _work(run, folder, config, state, square, watched, engine=engine)


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
    engine: Ready = UNASKED,
) -> Report:
    """Carry a run through the stages it has not completed, and report."""
    world.announce(run)
    # Before anything is open that a copy of this process must not use.
    with (
        engine.started(_left(folder), state.folder / "workers") as at_work,
        closing(Journal.open(folder / JOURNAL)) as journal,
    ):
        client = square.connect(observer(journal)) if square else None
        ledger = Ledger(state.ledger, run.merchant_id) if square else None
        kept = state.directory(run.merchant_id, run.base_url)
        in_flight = square.in_flight if square else 1
        job = Job(
            run,
            config,
            folder,
            journal,
            world,
            client,
            ledger,
            kept,
            in_flight,
            at_work,
            engine.choice.cut,
            erased_people(state.ledger, state.erased_key),
            lambda: closing(journal for _, journal in state.journals()),
        )
        journal.note(stopped="", **({"canary": str(canary)} if canary else {}))
        journal.timeline.begin(world.clock)
        try:
            if square and run.command == "import":
                _settle_others(job, state, square)
            if journal.stage == "load" or run.command == "undo":
                _plan_anew(job)
            stages = UNDO if run.undoes else VALIDATE if run.command == "validate" else STAGES
            while (stage := journal.stage) != "done":
                with timed(job, stage):
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
        try:
            report = reconcile(journal, folder, at_work)
        except (ConfigError, Interrupted):
            # The workers were lost: an engine without any does what is asked for here.
            report = reconcile(journal, folder, at_work)
        if journal.stage == "done":
            journal.note(reported=timestamp(world))
        return report


def _left(folder: Path) -> int:
    """Return how many bytes of sources an engine has something to do for; 0 when it has nothing."""
    with closing(Journal.open(folder / JOURNAL)) as journal:
        if journal.run().undoes or journal.stage not in ("read", "check"):
            return 0
        return sum(int(source["facts"]["size"]) for source in journal.sources())


def _settle_others(job: Job, state: State, square: Square) -> None:
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
            client = square.connect(observer(journal))
            settle(replace(job, run=other, config=config, journal=journal, square=client))


def _plan_anew(job: Job) -> None:
    """Go back to planning for what was planned before the run stopped and never sent.

    The directory may have changed since, and another run may have written in between. What was
    planned by a plan of its own stays as it is where nothing moved.
    """
    if job.run.undoes:
        _look_anew(job)
        return
    settle(job)
    with job.journal.transaction():
        if job.run.applies:
            job.journal.plan.reconsider()
        else:
            job.journal.plan.undo()
        job.journal.note(stage="plan")


def _look_anew(job: Job) -> None:
    """Settle what an undo left in flight, and look again at those for whom the rest was planned."""
    if job.journal.stage not in ("plan", "load", "detach"):
        return
    settle(job)
    with job.journal.transaction():
        job.journal.undoing.unplan()
        job.journal.note(stage="plan")
