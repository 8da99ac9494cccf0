"""How is the job run, and what is looked at each morning?"""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from etl.cli.failures import failure
from etl.config import parse
from etl.export.wanted import wanted
from etl.exporting import export_customers
from etl.pipeline import Report
from etl.retention import purge
from tests.nights.crm import CONFIG, Crm, Night, mended
from tests.nights.model import Memory, Model, Values, differences, values_of
from tests.nights.seller import Seller
from tests.stages.test_attach import define, groups, held
from tests.worlds import (
    START,
    Killed,
    Settings,
    World,
    as_csv,
    counts,
    open_world,
    run_import,
    run_resume,
    table,
)

LAG = 60
_FIRST_DAY = date(2026, 8, 20)
_HOUR = 3600.0

# The shipped config, but that nobody tolerates anything: every night tells by its exit code.
NIGHTLY: dict[str, Any] = {
    **{section: CONFIG[section] for section in CONFIG if section != "target"},
    "limits": {"patience": 900, "max_rejected": "20%"},
}
TAGGED = {
    **NIGHTLY,
    "groups": {"column": "Tags"},
    "custom_attributes": {"Drink": "favorite-drink"},
}

# Without seeing cards no undo deletes anybody.
SCOPES = ("CUSTOMERS_READ", "CUSTOMERS_WRITE", "MERCHANT_PROFILE_READ", "PAYMENTS_READ")

# What the shell says of a process that was killed.
KILLED = -9


@dataclass
class Copy:
    """A copy of the state folder, and what it remembers."""

    folder: Path
    memory: Memory


@dataclass
class Job:
    """A nightly job, its world, and the model of what should become of it."""

    world: World
    crm: Crm
    model: Model
    seller: Seller
    chance: random.Random
    night: int = 0
    event: str = ""
    codes: list[int] = field(default_factory=list)  # of this night's commands
    in_the_morning: list[Callable[[], None]] = field(default_factory=list)
    next_night: list[Callable[[], None]] = field(default_factory=list)
    copies: dict[int, Copy] = field(default_factory=dict)
    exported: dict[str, Values] = field(default_factory=dict)  # what an analyst has, by id
    start_over: bool = False  # the analyst's increments were lost

    # -- the days ----------------------------------------------------------------------------

    def live(self, event: str, happen: Callable[[Job], None]) -> list[int]:
        """Let a day and a night pass, and the morning after; return the exit codes."""
        self.night += 1
        self.event = event
        self.codes = []
        if self.night > 1:
            self._at(-12)
            self.crm.changes(self.night, self.untouchable(), self.seller.strangers())
            self.seller.a_day()
        self._at(0)
        self._do(self.next_night)
        happen(self)
        self.check()
        self._at(7)
        self._do(self.in_the_morning)
        self.check()
        self._export()
        if self.night % 7 == 0:
            self.purge()
        self._keep_a_copy()
        return self.codes

    def _at(self, hour: float) -> None:
        then = START + self.night * 24 * _HOUR + hour * _HOUR
        assert self.world.time.now < then, f"{self}: a night that takes longer than a day"
        self.world.time.now = then

    def _do(self, planned: list[Callable[[], None]]) -> None:
        todo, planned[:] = planned[:], []
        for each in todo:
            each()

    def untouchable(self) -> set[str]:
        """Return the CRM's numbers that only a test changes."""
        memory = self.model.memory
        return self.seller.busy | memory.held | memory.skipped | memory.erased

    def __str__(self) -> str:
        return f"night {self.night} ({self.event})"

    # -- the commands ------------------------------------------------------------------------

    def give(self, expected: int, command: Callable[[], Report | None]) -> Report:
        """Give a command, which has to end with this exit code; return its report, if any."""
        report: Report = {}
        try:
            report = command() or {}
        except Killed:
            code, said = KILLED, "killed"
        except Exception as error:
            code, said = failure(error).status, f"{type(error).__name__}: {error}"
            if code == 1:
                raise
        else:
            code = report.get("exit_code", 0)
            said = f"{report['stopped']}; {counts(report)}" if "rows" in report else ""
        self.codes.append(code)
        assert code == expected, f"{self}: exit code {code} instead of {expected}: {said}"
        if report:
            rows = report["rows"]
            assert report["balanced"], f"{self}: {rows}"
            assert rows["read"] == sum(counts(report).values()), f"{self}: {rows}"
        return report

    def load(
        self, file: Night, expected: int, config: Settings = NIGHTLY, name: str = ""
    ) -> Report:
        """Import a file without a word on what becomes of it."""
        return self.give(expected, lambda: self.import_(file, config, name))

    def import_(self, file: Night, config: Settings = NIGHTLY, name: str = "") -> Report:
        """Import a file as the nightly command does."""
        return run_import(self.world, file.cells(), config, name=name or self.name())

    def finish(self, file: Night, config: Settings = NIGHTLY, *, name: str = "") -> Report:
        """Import a file to its end: the model takes it, and rows end as there."""
        ends = self.model.take_in(file.rows, file.dirt, file.tags)
        report = self.load(file, self.code_of(ends), config, name)
        self.compare(ends, report)
        return report

    def resume(self, file: Night, run: str) -> Report:
        """Finish a run that stopped; the model takes its file."""
        ends = self.model.take_in(file.rows, file.dirt, file.tags)
        report = self.give(self.code_of(ends), lambda: run_resume(self.world, run))
        self.compare(ends, report)
        return report

    def compare(self, ends: Mapping[str, int], report: Report) -> None:
        """Compare how rows ended with how they should have."""
        if counts(report) != dict(ends):
            self.check()  # whose words say more
            raise AssertionError(f"{self}: {counts(report)} instead of {ends}")

    def code_of(self, ends: Mapping[str, int]) -> int:
        """Return the exit code of rows that end so."""
        return 3 if ends.get("rejected") or ends.get("review") else 0

    def refused(self, expected: int, command: Callable[[], Report | None]) -> Report:
        """Give a command that may write nothing, neither to Square nor a run."""
        log, runs = len(self.world.sandbox.log()), {*self.world.state.runs.glob("*")}
        report = self.give(expected, command)
        assert len(self.world.sandbox.log()) == log, f"{self}: something was written"
        if not report:
            left = {*self.world.state.runs.glob("*")} - runs
            assert not left, f"{self}: a run was left behind: {left}"
        return report

    def unfinished(self) -> list[str]:
        """Return the runs that can be gone on with, newest first."""
        return [folder.name for folder in self.world.state.unfinished()]

    def name(self) -> str:
        """Return the name of tonight's file."""
        return f"crm_{_FIRST_DAY + timedelta(days=self.night)}.csv"

    def rejects(self, report: Report, file: Night) -> Path:
        """Return a run's rejects, corrected by hand."""
        rows = mended(table(self.world, report, "rejects.csv"), file)
        return self.world.file(as_csv(rows), f"corrected_{self.name()}")

    def purge(self, *runs: str, unfinished: bool = False) -> None:
        """Remove these runs, or those that are older than a week."""
        now = datetime.fromtimestamp(self.world.time.now, UTC)
        week = None if runs else timedelta(days=7)
        purge(self.world.state, now, runs, week, unfinished=unfinished)
        if week:
            oldest = min(folder.name for folder in self.world.state.runs.iterdir())
            assert oldest >= f"{now - week:%Y%m%dT%H%M%S}", f"{self}: {oldest} is still there"

    # -- the mornings ------------------------------------------------------------------------

    def check(self) -> None:
        """The directory is what the model says, groups and attributes too; nobody is twice."""
        found = self.world.alive()
        told = differences(
            (one.values for one in self.model.profiles), map(values_of, found.values())
        )
        assert not told, f"{self}:\n" + "\n".join(told)
        names = groups(self.world)
        for profile in found.values():
            key = profile.get("reference_id") or profile["email_address"]
            mine = self.model[key].groups
            theirs = {names[id] for id in profile.get("group_ids", ())}
            assert theirs == mine, f"{self}: {key} is in the groups {theirs}, should be in {mine}"

    def check_drinks(self) -> None:
        """Everybody has the value of the custom attribute that the model says."""
        mine = {one.key: one.drink for one in self.model.profiles if one.drink}
        theirs = held(self.world, "favorite-drink")
        assert theirs == mine, f"{self}: {theirs} instead of {mine}"

    def _keep_a_copy(self) -> None:
        """Keep a copy of the state folder, as a backup does, for as long as two days."""
        for night in [night for night in self.copies if night < self.night - 1]:
            shutil.rmtree(self.copies.pop(night).folder)
        if not self.next_night:
            folder = self.world.folder / f"copy{self.night}"
            shutil.copytree(self.world.state.folder, folder)
            self.copies[self.night] = Copy(folder, deepcopy(self.model.memory))

    def restore(self) -> None:
        """Put back the state folder of two days ago."""
        assert self.night - 2 in self.copies, f"{self}: there is no copy"
        copy = self.copies[self.night - 2]
        shutil.rmtree(self.world.state.folder)
        shutil.copytree(copy.folder, self.world.state.folder)
        self.model.memory = deepcopy(copy.memory)
        self.start_over = True

    # -- the analyst -------------------------------------------------------------------------

    def _export(self) -> None:
        """Export all on Sundays, else what is new: both ways an analyst has the directory."""
        day = _FIRST_DAY + timedelta(days=self.night)
        if day.weekday() == 6:
            path = self.world.folder / f"all_{day}.parquet"
            self._export_to(path)
            rows = pd.read_parquet(path).astype(object)
            whole = {row["id"]: _values(row) for row in rows.to_dict("records")}
            self._compare_export(whole, path)
        path = self.world.folder / f"new_{day}.csv"
        self._export_to(path, incremental=True, full_refresh=self.start_over)
        if self.start_over:
            self.exported, self.start_over = {}, False
        for row in _read(path.with_name(f"{path.name}.deleted.csv")):
            self.exported.pop(row["id"], None)
        for row in _read(path):
            self.exported[row["id"]] = _values(row)
        self._compare_export(self.exported, path)

    def _export_to(self, path: Path, **how: Any) -> None:
        config = parse({}, "test")
        report = export_customers(
            wanted(str(path), **how),
            config,
            self.world.state,
            self.world.square(config),
            self.world.edges(),
        )
        assert report["exit_code"] == 0, f"{self}: the export says {report}"

    def _compare_export(self, rows: Mapping[str, Values], path: Path) -> None:
        told = differences((one.values for one in self.model.profiles), rows.values())
        assert not told, f"{self}, {path.name}:\n" + "\n".join(told)
        assert rows.keys() == self.world.alive().keys(), f"{self}: other ids in {path.name}"


_KEPT = {*CONFIG["columns"].values()}


def _values(row: Mapping[Any, Any]) -> Values:
    return {name: row[name] for name in _KEPT if isinstance(row[name], str) and row[name]}


def _read(path: Path) -> Sequence[dict[str, str]]:
    """Return the rows of an export; what a spreadsheet would run stands behind an apostrophe."""
    with open(path, encoding="utf-8", newline="") as file:
        return [{n: v.removeprefix("'") for n, v in row.items()} for row in csv.DictReader(file)]


Event = Callable[[Job], None]


class Events(dict[str, Event]):
    """What happens, by what the calendar calls it."""

    def __call__(self, told: str) -> Callable[[Event], Event]:
        """Enter a function as an event."""

        def enter(happen: Event) -> Event:
            self[told] = happen
            return happen

        return enter


def begin(folder: Path, seed: int) -> Job:
    """Begin with a CRM of fifty people and an empty directory."""
    world, model, chance = open_world(folder, seed=seed, lag=LAG), Model(), random.Random(seed)
    world.token = world.new_token(*SCOPES)
    define(world, "favorite-drink")
    crm = Crm(chance)
    for _ in range(50):
        crm.person()
    return Job(world, crm, model, Seller(world, model, chance), chance)
