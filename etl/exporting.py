"""The journey of an export, on one page: collect, look beside, shape, write, prove.

What was collected lies in the state folder until the file is complete; the same command goes on
with it. An incremental export leaves ids and versions there, as its memory.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from etl.begin import Progress, Report, Square, World, as_json, new_id, timestamp
from etl.config import Config
from etl.errors import Interrupted, SquareError, Unauthorized
from etl.export import beside, deletions, filters, manifest, shape
from etl.export.collect import LAG, Collection
from etl.export.collected import Collected, discard
from etl.export.table import schema, table
from etl.export.wanted import Further, Wanted
from etl.export.windows import microseconds
from etl.export.write import TEXT, Kind, Written, check_destination, manifest_path, write
from etl.files.atomic import replacing
from etl.journal.lock import locked
from etl.journal.records import Run
from etl.journal.state import State
from etl.square.client import SquareClient
from etl.square.wire import Profile

# Seconds after which what was collected is not gone on with.
_STALE = 86_400.0


def export_customers(
    wanted: Wanted, config: Config, state: State, square: Square, world: World
) -> Report:
    """Write the customers that are wanted to a file, all of them or nothing.

    Returns the manifest with ``status``, ``exit_code``, ``seconds`` by stage and, where it stopped
    before all was there, why; the same command goes on then. Raises ConfigError for what cannot be
    asked for or written, LockedError while the same export is under way.
    """
    kind = check_destination(wanted)
    state.prepare()
    tally = manifest.Tally()
    client = square.connect(tally)
    merchant = client.merchant()
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
        fingerprint="",
    )
    world.announce(run)
    search = _search(wanted, client, merchant.country)
    told = [merchant.id, square.base_url, search, wanted.beside, wanted.incremental]
    folder = state.export(as_json(told))
    with locked(folder, "export") as check_lock:
        path = folder / "collected.sqlite"
        if wanted.full_refresh or (not wanted.incremental and _is_stale(path, world)):
            discard(path)
        with Collected.open(path) as collected:
            job = _Export(
                wanted, kind, run, search, collected, client, square.in_flight, world, check_lock
            )
            try:
                further = job.weigh()
                job.collect()
                job.look_beside()
                report = job.write(further, _key(state, world), tally)
            except (Interrupted, SquareError) as stop:
                if isinstance(stop, Unauthorized) and not collected.size():
                    raise
                return job.incomplete(tally, stop)
        if not wanted.incremental:
            discard(path)
    return report


def _search(wanted: Wanted, client: SquareClient, country: str) -> dict[str, Any]:
    """Return the filter that Square is asked with, after looking up what it names."""
    asked = wanted.filters
    return filters.as_search(
        asked,
        country,
        beside.ids_by_name("groups", asked.groups, client) if asked.groups else {},
        beside.ids_by_name("segments", asked.segments, client) if asked.segments else {},
        [one for page in client.attribute_definitions() for one in page]
        if asked.attributes
        else [],
    )


def _key(state: State, world: World) -> bytes:
    """Return the key of this state folder that masks and samples are made with."""
    if not state.mask_key.exists():
        with replacing(state.mask_key) as file:
            file.write(world.chance.randbytes(32))
    return state.mask_key.read_bytes()


def _is_stale(path: Path, world: World) -> bool:
    if not path.exists():
        return False
    with Collected.open(path) as collected:
        begun = collected.fact("begun")
    return begun is None or microseconds(begun) / 1e6 < world.now().timestamp() - _STALE


@dataclass(frozen=True, slots=True)
class _Export:
    """An export at work."""

    wanted: Wanted
    kind: Kind
    run: Run
    search: dict[str, Any]
    collected: Collected
    square: SquareClient
    in_flight: int
    world: World
    check_lock: Callable[[], None]
    seconds: dict[str, float] = field(default_factory=dict)

    def weigh(self) -> list[Further]:
        """Say what the export will take, and refuse what cannot be; return the further columns."""
        names, db = self.wanted.beside, self.collected.db
        if names:
            if self.collected.fact("begun") is None:
                beside.forget(db)
            beside.check(names, self.square)
            profiles = self.square.count_found(self.search)
            for cost in beside.cost(names, db, self.square, self.search, profiles):
                calls = "" if cost.calls is None else f"{cost.calls:,} further calls: "
                self.world.note(f"--with {cost.what}: {calls}{cost.why}")
        further = beside.columns(names, db) if names else []
        shape.check(self.wanted.shape, schema(further))
        return further

    def collect(self) -> None:
        """Collect the customers until it is proved that all are there."""
        here = self.world.now().timestamp()
        ahead = (self.square.told_time or here) - here
        with self._timed("collect"):
            Collection(
                self.collected,
                self.square,
                self.search,
                self.in_flight,
                now=lambda: self.world.now().timestamp() + ahead,
                sleep=self.world.sleep,
                watch=self._watch,
                # The embedded Square shows at once what was written.
                lag=0.0 if self.run.target == "local" else LAG,
            ).complete()

    def look_beside(self) -> None:
        """Read what lies beside the customers, where that is wanted."""
        if not self.wanted.beside:
            return
        with self._timed("beside"):
            beside.gather(
                self.wanted.beside,
                beside.Gathering(
                    self.collected.db,
                    self.square,
                    self.in_flight,
                    self.collected.fact("begun") or "",
                    self.search,
                    self.collected.size(),
                    self.collected.ids,
                    lambda kind, done, total: self._watch("beside", done, total),
                ),
            )

    def write(self, further: list[Further], key: bytes, tally: manifest.Tally) -> Report:
        """Write the file and its manifest; an increment is remembered once both are there."""
        further = beside.columns(self.wanted.beside, self.collected.db) if further else []
        as_sent = self.kind in TEXT
        columns = schema(further, as_sent=as_sent)
        asked, odd = self.wanted.shape, Counter[str]()

        def batches() -> Iterator[pa.Table]:
            for profiles in self._profiles():
                yield table(profiles, further, as_sent=as_sent, odd=odd)

        shown = shape.columns(asked, columns)
        written = pa.schema([(one.name, one.type) for one in shown])
        report: Report = {}

        def proof(files: list[Written]) -> bytes:
            told = manifest.manifest(
                self.run,
                self.wanted,
                self.collected,
                shown,
                files,
                self._deletions(),
                tally.requests(),
                timestamp(self.world),
            )
            report.update(told, left_out=shape.left_out(asked, columns), odd_values=dict(odd))
            return manifest.as_json(report)

        with self._timed("write"):
            files = write(
                self.wanted.destination,
                self.kind,
                self._watched(shape.shaped(batches, asked, columns, key, self.run.country)),
                written,
                stdout=sys.stdout.buffer,
                manifest=proof,
                raw=self.wanted.raw,
                bom=self.wanted.bom,
            )
        if self.kind == "-":
            proof(files)
            # Whoever read it may have seen enough before its end.
            report["complete"] = bool(files)
        if self.wanted.incremental:
            with self.collected.transaction():
                self.collected.exported()
        place = "" if self.kind == "-" else str(manifest_path(self.wanted.destination, self.kind))
        told = {"manifest": place, "status": "finished", "seconds": self._seconds()}
        return {**report, **told, "exit_code": 0}

    def incomplete(self, tally: manifest.Tally, stop: Exception) -> Report:
        """Return the report of an export that stopped: there is no file."""
        return {
            "complete": False,
            "merchant_id": self.run.merchant_id,
            "customers_collected": self.collected.size(),
            "requests": tally.requests(),
            "status": "incomplete",
            "stopped": str(stop),
            "seconds": self._seconds(),
            "exit_code": 4,
        }

    def _profiles(self) -> Iterator[list[Profile]]:
        """Yield the customers in batches; Square's spans of time have both ends, ours do not."""
        asked = self.wanted.filters
        for batch in self.collected.batches():
            yield [profile for profile in batch if filters.is_within(asked, profile)]

    def _watched(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        done = 0
        for each in tables:
            self._watch("write", done, self.collected.size())
            yield each
            done += len(each)

    def _deletions(self) -> Written | None:
        if not self.wanted.incremental:
            return None
        deletions.look_up(self.collected, self.square)
        return deletions.put(self.collected, deletions.path_of(self.wanted.destination))

    def _watch(self, stage: str, done: int, total: int) -> None:
        self.check_lock()
        self.world.watch(Progress(stage, done, total))

    def _seconds(self) -> dict[str, float]:
        return {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begin = self.world.clock()
        try:
            yield
        finally:
            self.seconds[stage] = self.world.clock() - begin
