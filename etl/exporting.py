"""The journey of an export, on one page: collect, look beside, shape, write, prove.

What was collected lies in the state folder until the file is complete; the same command goes on
with it. An incremental export leaves ids and versions there, as its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from etl.begin import Progress, Report, Square, World, as_json, new_id, timestamp
from etl.config import Config
from etl.errors import Interrupted, SquareError
from etl.export import beside, manifest, shape, write
from etl.export.collect import LAG, Collection
from etl.export.collected import Collected, discard
from etl.export.filters import as_search, is_within
from etl.export.table import schema
from etl.export.wanted import Further, Wanted
from etl.export.windows import microseconds
from etl.journal.lock import locked
from etl.journal.records import Run
from etl.journal.state import State
from etl.square.client import SquareClient
from etl.square.wire import Profile

# What was collected longer ago is not worth going on with.
_STALE = timedelta(days=1)


def export_customers(
    wanted: Wanted, config: Config, state: State, square: Square, world: World
) -> Report:
    """Write the customers that are wanted to a file, all of them or nothing.

    Returns the manifest with ``status``, ``exit_code`` and, where it stopped before all was there,
    why; the same command goes on then. Raises ConfigError for what cannot be asked for or written,
    LockedError while the same export is under way.
    """
    write.check_destination(wanted)
    state.prepare()
    tally = manifest.Tally()
    client = square.connect(tally)
    merchant = client.merchant()
    filter = _search(wanted, client, merchant.country)
    told = as_json([merchant.id, square.base_url, filter, wanted.beside, wanted.incremental])
    run = Run(
        run_id=new_id(world),
        command="export",
        started_at=timestamp(world),
        target=square.environment,
        base_url=square.base_url,
        merchant_id=merchant.id,
        country=merchant.country,
        square_version=config.target.square_version,
        config=config.model_dump_json(),
        fingerprint=told,
    )
    world.announce(run)
    folder = state.export(told)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "collected.sqlite"
    with locked(folder, "export") as check_lock:
        if wanted.full_refresh:
            discard(path)
        with Collected.open(path) as collected:
            job = Export(wanted, run, state, collected, client, square.in_flight, world, check_lock)
            try:
                report = job.carried_out(tally)
            except (Interrupted, SquareError) as stop:
                return _incomplete(wanted, run, collected, tally, stop)
        if not wanted.incremental:
            discard(path)
        return report


@dataclass(frozen=True, slots=True)
class _Export:
    """An export at work."""

    wanted: Wanted
    run: Run
    collected: Collected
    square: SquareClient
    in_flight: int
    world: World
    check_lock: Callable[[], None]

    def collect(self) -> None:
        """Collect the customers, until it is proved that all are there."""
        begun = self.collected.fact("begun")
        # TODO stale
        Collection(
            self.collected,
            self.square,
        )
