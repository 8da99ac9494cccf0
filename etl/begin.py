"""How does a run begin, and what does it take from outside?

A run is found again by what it was begun with: the same command on the same files goes on with it.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from etl.config import APART, Config
from etl.errors import StateError
from etl.files.atomic import passing_folder
from etl.files.sources import Source, open_sources
from etl.journal.journal import Journal
from etl.journal.records import Run
from etl.journal.state import JOURNAL, State, copies
from etl.square.wire import Call, Merchant
from etl.stages.amend import refuse_others
from etl.stages.check import canonical_constants, load_rules
from etl.stages.mapping import resolve
from etl.stages.reconcile import ARTIFACTS

# httpx is loaded by those who speak to Square.
if TYPE_CHECKING:
    from etl.square.client import SquareClient

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
    begins or goes on, ``note`` what its people should know before long work; ``watch`` hears of
    every durable step. It and ``sleep``, which waits for seconds, may raise Interrupted to stop.
    """

    now: Callable[[], datetime]
    clock: Callable[[], float]
    chance: random.Random
    announce: Callable[[Run], None]
    note: Callable[[str], None]
    watch: Callable[[Progress], None]
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Square:
    """Which Square a run speaks to; ``connect`` gives a client whose calls are observed.

    ``in_flight`` is how many calls are under way at a time; they are observed in other threads.
    """

    environment: str
    base_url: str
    connect: Callable[[Callable[[Call], None]], SquareClient]
    in_flight: int = 1


def begin(
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
    run_id = new_id(world)
    with passing_folder(state.folder / "sources") as spool:
        # Before this process is copied for workers.
        sources = open_sources(arguments, config.source, spool, meanwhile=load_rules)
        if amends:
            refuse_others(sources, amends)
        canonical_constants(config, merchant.country)
        mappings = [
            resolve(s.name, s.columns, s.not_text, config, exported=s.exported) for s in sources
        ]
        hashes = [source.sha256 for source in sources]
        fingerprint = _fingerprint(config, hashes, merchant, square, amends)
        unfinished = next(state.unfinished(fingerprint=fingerprint), None)
        if command == "import" and unfinished is not None:
            return _found(unfinished, sources, spool, config), unfinished
        run = Run(
            run_id=run_id,
            command=command,
            started_at=timestamp(world),
            target=square.environment if square else "none",
            base_url=square.base_url if square else "",
            merchant_id=merchant.id,
            country=merchant.country,
            square_version=config.target.square_version,
            config=config.model_dump_json(),
            fingerprint=fingerprint,
            amends=amends,
            state_dir=str(state.folder.resolve()),
        )
        _refuse_to_replace(run_dir)
        folder = state.begin(run_id, run_dir)
        kept = [
            (_kept(source, spool, folder / copies(run_id)), as_json(asdict(m)))
            for source, m in zip(sources, mappings, strict=True)
        ]
        if any(spool.iterdir()):
            # The folder of the run may be on another disk.
            shutil.move(spool, folder / copies(run_id))
        Journal.create(folder / JOURNAL, run, kept).close()
        return run, folder


def _refuse_to_replace(run_dir: Path | None) -> None:
    """Raise StateError for a folder with files of the names that a run leaves: whose are they?"""
    # A run that lies there already is told of by State.begin.
    if run_dir is None or (run_dir / JOURNAL).exists():
        return
    for name in ARTIFACTS:
        if (run_dir / name).exists():
            raise StateError(f"{run_dir / name} is there already: name an empty folder")


def new_id(world: World) -> str:
    """Return a name that sorts by time; its end tells apart what begins in one millisecond."""
    now = world.now()
    chance = world.chance.getrandbits(16)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z-{chance:04x}"


def _found(folder: Path, sources: Sequence[Source], spool: Path, config: Config) -> Run:
    """Go on with a run that this command began, on the files as they are named now."""
    with closing(Journal.open(folder / JOURNAL)) as journal:
        # The limits may have changed: that is how one gets past a brake.
        journal.note(config=config.model_dump_json())
        if journal.stage == "read" and not any(spool.iterdir()):
            journal.move_sources([_kept(source, spool, spool) for source in sources])
        return journal.run()


def _kept(source: Source, spool: Path, copied: Path) -> str:
    """Return what the journal keeps of a source; what is in ``spool`` will be in ``copied``."""
    path = copied / source.path.name if source.path.parent == spool else source.path
    return as_json({**asdict(source), "path": str(path.resolve())})


def _fingerprint(
    config: Config, hashes: Sequence[str], merchant: Merchant, square: Square | None, amends: str
) -> str:
    # Where the token lies is no matter of what is written.
    settings = config.model_dump(
        mode="json",
        exclude={**dict.fromkeys(APART, True), "target": {"token_file", "keyring"}},
    )
    told = [
        settings,
        list(hashes),
        merchant.id,
        square and square.base_url,
        *filter(None, [amends]),
    ]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def unobserved(call: Call) -> None:
    """Calls before a run begins belong to no run."""


def timestamp(world: World) -> str:
    """Return the present as journals and reports tell it, RFC 3339 to the second."""
    return world.now().isoformat(timespec="seconds").replace("+00:00", "Z")


def as_json(value: Any) -> str:
    """Return a value as a journal keeps it."""
    return orjson.dumps(value).decode()
