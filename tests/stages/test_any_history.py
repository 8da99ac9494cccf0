"""Whatever happens to an import and around it, the directory ends as the file and the seller say.

A state machine of histories: files that change, imports that are killed, resumed, repeated and
taken back, state folders that are lost, a seller who edits, deletes and merges meanwhile, time that
passes. An importer of a few lines of plain Python says what the directory should hold afterwards;
the sandbox's write log tells who wrote what.

    pytest -m long tests/stages/test_any_history.py
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from etl.pipeline import Report
from tests.worlds import Killed, World, counts, open_world, people, run_import, run_resume, run_undo

LAG = 30
NUMBER = 5
# What files and sellers change; the rest of a person tells who it is.
FIELDS = ("note", "nickname", "address.locality")
HEADERS = {"address.locality": "city"}

persons = st.integers(0, NUMBER - 1)
fields = st.sampled_from(FIELDS)
words = st.sampled_from(["red", "green", "blue"])

Values = dict[str, str]
Directory = dict[str, Values]  # reference_id → what a profile holds


def plain_import(directory: Directory, rows: Mapping[int, Values]) -> Directory:
    """Import rows the simplest way there is: who is there is updated, who is not is created."""
    after = {reference: dict(values) for reference, values in directory.items()}
    for row in rows.values():
        profile = after.setdefault(row["reference_id"], {})
        profile.update({name: value for name, value in row.items() if value})
    return after


class Histories(RuleBasedStateMachine):
    """One seller, one file, and everything that may come between."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world: World = open_world(self.folder, lag=LAG)
        self.rows: dict[int, Values] = {}
        self.unfinished: dict[str, dict[int, Values]] = {}  # run → its rows
        self.touched: dict[str, set[tuple[str, str]]] = {}  # run → what the seller did since
        self.strays = 0
        self.last = ""  # the run that was finished last, if nothing was imported since
        self.before_last: Directory = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.world.close()
        shutil.rmtree(self.folder)

    # -- the file ----------------------------------------------------------------------------

    @initialize(present=st.sets(persons, min_size=1))
    def begin(self, present: set[int]) -> None:
        """The file holds some people."""
        for person in present:
            self.rows[person] = people(1, person)[0]

    @rule(person=persons)
    def add_row(self, person: int) -> None:
        """Somebody is in the file who was not."""
        self.rows.setdefault(person, people(1, person)[0])

    @precondition(lambda self: len(self.rows) > 1)
    @rule(data=st.data())
    def remove_row(self, data: st.DataObject) -> None:
        """Somebody is not in the file any more; nothing follows from that."""
        del self.rows[data.draw(st.sampled_from(sorted(self.rows)))]

    @rule(data=st.data(), field=fields, word=words)
    def edit_row(self, data: st.DataObject, field: str, word: str) -> None:
        """Somebody's row says something new."""
        self.rows[data.draw(st.sampled_from(sorted(self.rows)))][field] = word

    # -- the import --------------------------------------------------------------------------

    @rule(seed=st.integers(0, 99))
    def import_file(self, seed: int) -> None:
        """The file is imported to the end, in whatever order its rows are."""
        before, touched = self.directory(), self.seen_by_none()
        report = self.run(seed)
        self.check_finished(report, before, self.rows, touched)
        again = self.written()
        assert self.run(seed)["rows"]["unchanged"] == len(self.rows)
        assert self.written() == again
        self.last, self.before_last = str(report["run_id"]), before
        self.touched[self.last] = set()

    @rule(seed=st.integers(0, 99), moment=st.integers(0, 14), how=st.sampled_from("bas"))
    def crash(self, seed: int, moment: int, how: str) -> None:
        """The process is gone: before a request, after its answer, or between two steps."""
        left = moment

        def die(_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        announced = len(self.world.announced)
        self.last = ""
        before, touched = self.directory(), self.seen_by_none()
        self.interfere(how, die)
        try:
            report = self.run(seed)
        except Killed:
            for run in self.world.announced[announced:]:
                self.unfinished.setdefault(run.run_id, self.copy())
                self.touched.setdefault(run.run_id, set())
        else:
            self.check_finished(report, before, self.rows, touched)
        finally:
            self.interfere("", die)

    @precondition(lambda self: self.last and not self.unfinished)
    @rule(killed_at=st.integers(0, 40))
    def undo(self, killed_at: int) -> None:
        """The last import is taken back, perhaps in two goes, but for what the seller did since."""
        touched, there = self.touched[self.last], self.directory()
        expected = {}
        for reference, values in there.items():
            changed = {field for one, field in touched if one == reference}
            if reference not in self.before_last:
                if changed:
                    expected[reference] = values
            elif changed >= set(FIELDS):  # another profile by now
                expected[reference] = values
            else:
                kept = {name: values[name] for name in changed & set(values)}
                old = self.before_last[reference].items()
                expected[reference] = {n: v for n, v in old if n not in changed} | kept
        left = killed_at

        def die(_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        self.interfere("b", die)
        with suppress(Killed):
            run_undo(self.world, self.last)
        self.interfere("", die)
        report = run_undo(self.world, self.last)
        assert report["balanced"]
        assert report["exit_code"] in (0, 3)
        assert self.directory() == expected
        again = len(self.world.sandbox.log())
        run_undo(self.world, self.last)
        assert len(self.world.sandbox.log()) == again
        self.last = ""

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        """A run that was killed is taken to its end; it holds the rows of its own day."""
        run_id = data.draw(st.sampled_from(sorted(self.unfinished)))
        self.last = ""
        before, touched = self.directory(), self.touched[run_id]
        if self.is_over(run_id):
            del self.unfinished[run_id]
            return
        report = run_resume(self.world, run_id)
        self.check_finished(report, before, self.unfinished.pop(run_id, {}), touched)

    @rule()
    def lose_the_state(self) -> None:
        """The state folder is gone; a minute later search shows what was written."""
        shutil.rmtree(self.world.state.folder, ignore_errors=True)
        self.unfinished.clear()
        self.last = ""
        self.world.time.now += 2 * LAG

    @rule(seed=st.integers(0, 99), moment=st.integers(0, 14), how=st.sampled_from("bas"))
    def crash_and_lose_the_state(self, seed: int, moment: int, how: str) -> None:
        """Killed and robbed of its state, the same import leans on Square knowing its keys."""
        self.world.time.now += 2 * LAG
        self.crash(seed, moment, how)
        shutil.rmtree(self.world.state.folder, ignore_errors=True)
        self.unfinished.clear()
        before = self.directory()
        self.check_finished(self.run(seed), before, self.rows, set())
        self.nobody_is_there_twice()

    # -- the seller --------------------------------------------------------------------------

    @rule(person=persons, field=fields, word=words)
    def foreign_edit(self, person: int, field: str, word: str) -> None:
        """The seller changes a profile."""
        for customer_id in self.ids(person):
            name, _, part = field.partition(".")
            reference = people(1, person)[0]["reference_id"]
            if self.directory()[reference].get(field) != word:  # else nothing changes
                self.world.update(customer_id, **{name: {part: word} if part else word})
                self.touch(person, field)

    @rule(person=persons)
    def delete(self, person: int) -> None:
        """The seller deletes a profile."""
        for customer_id in self.ids(person):
            self.world.delete(customer_id)
            for field in FIELDS:
                self.touch(person, field)

    @rule(person=persons)
    def merge(self, person: int) -> None:
        """The seller merges a profile with one that nobody imported: it gets another id."""
        for customer_id in self.ids(person):
            self.strays += 1
            stray = self.world.create(company_name=f"Stray {self.strays}")
            self.world.merge(customer_id, stray)
            for field in FIELDS:
                self.touch(person, field)

    @rule(seconds=st.sampled_from([1, 31, 700, 80_000]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.world.time.now += seconds

    # -- what must hold ----------------------------------------------------------------------

    @invariant()
    def nobody_is_there_twice(self) -> None:
        """However an import ended, no person has two profiles."""
        for person in range(NUMBER):
            assert len(self.ids(person)) <= 1

    def check_finished(
        self,
        report: Report,
        before: Directory,
        rows: Mapping[int, Values],
        touched: set[tuple[str, str]],
    ) -> None:
        """The directory is what a plain importer makes of it, but for what the seller did last."""
        assert report["balanced"]
        assert report["exit_code"] == 0, report["stopped"] or counts(report)
        assert set(counts(report)) <= {"created", "updated", "unchanged"}
        expected, found = plain_import(before, rows), self.directory()
        for reference, field in touched:
            for side in (expected, found):
                side.get(reference, {}).pop(field, None)
        assert found == expected

    # -- how it is done ----------------------------------------------------------------------

    def run(self, seed: int) -> Report:
        """Import the file as it is."""
        rows = [
            {HEADERS.get(name, name): value for name, value in row.items()}
            for row in self.rows.values()
        ]
        random.Random(seed).shuffle(rows)
        return run_import(self.world, rows, name=f"night{seed}.csv")

    def interfere(self, how: str, die: Callable[[Any], None]) -> None:
        """Have ``die`` called before each request, after each, or at each step; or not any more."""
        self.world.before = die if how == "b" else lambda sent: None
        self.world.after = die if how == "a" else lambda sent: None
        self.world.watch = die if how == "s" else lambda progress: None

    def directory(self) -> Directory:
        """Return what Square holds of everybody in the game."""
        found: Directory = {}
        for profile in self.world.alive().values():
            if reference := profile.get("reference_id"):
                values = {
                    name: profile[name] for name in (*people(1)[0], *FIELDS) if profile.get(name)
                }
                if city := profile.get("address", {}).get("locality"):
                    values["address.locality"] = city
                found[reference] = values
        return found

    def ids(self, person: int) -> list[str]:
        """Return the profiles that are a person's."""
        reference = people(1, person)[0]["reference_id"]
        alive = self.world.alive().items()
        return [id for id, profile in alive if profile.get("reference_id") == reference]

    def touch(self, person: int, field: str) -> None:
        """Note what the seller did while runs are unfinished; search shows it a minute later."""
        for touched in self.touched.values():
            touched.add((people(1, person)[0]["reference_id"], field))
        self.world.time.now += 2 * LAG

    def seen_by_none(self) -> set[tuple[str, str]]:
        """Return what an unfinished run that the same file goes on with may have missed."""
        return {each for run in self.unfinished for each in self.touched[run]}

    def written(self) -> int:
        """Return how many effective writes imports made."""
        return len(self.world.written())

    def copy(self) -> dict[int, Values]:
        """Return the rows as they are today."""
        return {person: dict(row) for person, row in self.rows.items()}

    def is_over(self, run_id: str) -> bool:
        """Was a run that was killed taken to its end by the command that began it?"""
        return run_id not in [folder.name for folder in self.world.state.unfinished()]


@pytest.mark.parametrize(
    ("part", "histories", "steps"),
    [(0, 25, 12), *(pytest.param(part, 250, 12, marks=pytest.mark.long) for part in range(1, 9))],
)
def test_any_history_ends_as_the_file_and_the_seller_say(
    part: int, histories: int, steps: int
) -> None:
    """Nobody is there twice, nothing is lost, and what the file does not say stays."""
    run_state_machine_as_test(
        seed(part)(type("Part", (Histories,), {})),
        settings=settings(
            database=None, deadline=None, max_examples=histories, stateful_step_count=steps
        ),
    )
