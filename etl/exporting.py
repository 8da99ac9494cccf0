"""The journey of an export, on one page: collect, look beside, shape, write, prove.

What was collected lies in the state folder until the file is complete; the same command goes on
with it. An incremental export leaves ids and versions there, as its memory.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyarrow as pa

from etl.begin import Progress, Report, Square, World, as_json, new_id, timestamp
from etl.config import Config
from etl.errors import ConfigError, Interrupted, LockedError, StateError, Unauthorized, Unavailable
from etl.export import beside, deletions, filters, manifest, shape
from etl.export.collect import LAG, Collection
from etl.export.collected import Collected, discard
from etl.export.table import schema, table
from etl.export.wanted import Further, Wanted
from etl.export.windows import microseconds
from etl.export.write import (
    TEXT,
    Kind,
    Written,
    check_destination,
    deletions_path,
    manifest_path,
    write,
)
from etl.files.atomic import replacing
from etl.journal.lock import locked
from etl.journal.records import Run
from etl.journal.state import State
from etl.square.client import SquareClient
from etl.square.wire import Profile

# Seconds after which what was collected is not gone on with.
_STALE = 86_400.0
# Bytes of the key of masks.
_KEY = 32


def export_customers(
    wanted: Wanted,
    config: Config,
    state: State,
    square: Square,
    world: World,
    stdout: BinaryIO | None = None,
) -> Report:
    """Write the customers that are wanted to a file, or to ``stdout``, all of them or nothing.

    Returns the manifest with ``status``, ``exit_code``, ``seconds`` by stage and, where it stopped
    before all was there, why; the same command goes on then. Raises ConfigError for what cannot be
    asked for or written, LockedError while the same export is under way.
    """
    kind = check_destination(wanted)
    if kind == "-" and stdout is None:
        raise ConfigError("standard output is closed: name a file")
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
    _sweep(state, world)
    told = as_json([merchant.id, square.base_url, search, wanted.beside])
    path = state.export(told, increments=wanted.incremental)
    with locked(path.parent, "export") as check_lock:
        with Collected.open(path) as collected:
            job = _Export(
                *(wanted, kind, run, search, collected, client, square.in_flight, world),
                *(stdout, check_lock),
            )
            key = _key(state, world)
            try:
                further = job.weigh()
                job.collect()
                job.look_beside()
                report = job.write(further, key, tally)
            except (Interrupted, Unauthorized, Unavailable) as stop:
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
    path = state.mask_key
    if not path.exists():
        made = path.with_name(f"{path.name}-{new_id(world)}")
        with replacing(made) as file:
            file.write(world.chance.randbytes(_KEY))
        # Of two that begin at once the first one's counts.
        with suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    key = path.read_bytes() if path.is_file() else b""
    if len(key) != _KEY:
        raise StateError(
            f"{path} is no key that masks were made with: restore it, or remove it and get other "
            "codes than in earlier exports"
        )
    return key


def _sweep(state: State, world: World) -> None:
    """Remove what was collected for exports that nobody went on with."""
    until = world.now().timestamp() - _STALE
    for path in state.exports():
        with suppress(LockedError), locked(path.parent, "export"):
            with Collected.open(path) as collected:
                begun = collected.fact("begun")
            if begun is None or microseconds(begun) / 1e6 < until:
                discard(path)


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
    stdout: BinaryIO | None
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
        shape.check(self.wanted.shape, schema(further), self.world.sleep)
        return further

    def collect(self) -> None:
        """Collect the customers until it is proved that all are there."""
        if self.wanted.full_refresh and self.collected.fact("full") is None:
            with self.collected.transaction():
                self.collected.begin_anew()
                self.collected.note(full="begun")
        here = self.world.now().timestamp()
        # Square tells whole seconds, rounded down; nobody who is there by now may be left out.
        ahead = (self.square.told_time or here) + 1.0 - here
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
            odd.clear()
            for profiles in self._profiles():
                yield table(profiles, further, as_sent=as_sent, odd=odd)

        shown = shape.columns(asked, columns)
        written = pa.schema([(one.name, one.type) for one in shown])
        report: Report = {}

        def proof(files: list[Written]) -> bytes:
            told = manifest.manifest(
                self.run,
                self.wanted,
                self.kind,
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
                self._watched(
                    shape.shaped(batches, asked, columns, key, self.run.country, self.world.sleep)
                ),
                written,
                stdout=self.stdout,
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
                self.collected.remember_exported()
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
        return deletions.put(self.collected, deletions_path(self.wanted.destination))

    def _watch(self, stage: str, done: int, total: int) -> None:
        self.check_lock()
        self.world.watch(Progress(stage, done, total))

    def _seconds(self) -> dict[str, float]:
        return {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        self._watch(stage, 0, 0)
        begin = self.world.clock()
        try:
            yield
        finally:
            self.seconds[stage] = self.world.clock() - begin
