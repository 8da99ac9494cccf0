"""Does the application of a plan survive SIGKILL, at any point and from outside?

It has to come to the very end that an undisturbed import of the same files comes to.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.crashes import evidence
from tests.crashes.lanes import KILLS, Case, run_all
from tests.crashes.places import Place, Scene, Way, child
from tests.crashes.test_every_point import spread


@dataclass(frozen=True, slots=True)
class Plan:
    """A state folder in which this year's files are planned, and what applying that passes."""

    scene: Scene
    run_id: str
    prepared: Path
    points: tuple[str, ...]
    seconds: float

    def place(self, folder: Path) -> Place:
        """Make a place of one's own."""
        state = folder / "state"
        shutil.copytree(self.prepared, state)
        return Place(state, state / "sandbox.sqlite")

    def applying(self, place: Place) -> tuple[str, ...]:
        """Return the arguments of the application."""
        return ("apply", self.run_id, "--state-dir", str(place.state))

    def finish(self, place: Place, way: Way) -> None:
        """Finish what was killed, prove that it came to the undisturbed end, and apply again."""
        wanted = self.scene.undisturbed
        done = place.run(*(self.applying(place) if way == "command" else place.resuming()))
        if done.returncode == 2:
            # It had not begun, or had finished.
            assert "unfinished" in done.stderr, done.stderr
            done = place.run(*self.applying(place))
        assert done.returncode == wanted.exit_code, done.stderr
        runs = place.runs()[2:]
        assert len(runs) == 1, f"{len(runs)} applications of one plan"
        found = evidence.gather(runs[0], place.sandbox, done.returncode, self.scene.log)
        evidence.check(found, wanted, self.scene.profiles)
        assert (found.report["applies"], found.report["replanned"]) == (self.run_id, 0)
        again = place.run(*self.applying(place))
        assert "already: nothing is written again" in again.stderr
        assert len(evidence.written(place.sandbox)) == self.scene.log + len(found.log)


@pytest.fixture(scope="session")
def plan(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Plan this year's files, and apply that once counted and once timed."""
    folder = tmp_path_factory.mktemp("plan")
    prepared = scene.place(folder)
    made = prepared.run("plan", *prepared.importing(scene.sources)[1:], "--output", "json")
    run_id = json.loads(made.stdout)["run_id"]
    plan = Plan(scene, run_id, prepared.state, (), 0.0)
    (folder / "counted").mkdir()
    (folder / "timed").mkdir()
    counted = child(plan.place(folder / "counted"), (), plan=run_id)
    assert counted.returncode == scene.undisturbed.exit_code, counted.stderr
    place = plan.place(folder / "timed")
    begun = time.monotonic()
    place.run(*plan.applying(place))
    seconds = time.monotonic() - begun
    plan.finish(place, "command")
    return Plan(scene, run_id, prepared.state, tuple(json.loads(counted.stdout)), seconds)


def killed_at(plan: Plan, at: int, way: Way, folder: Path) -> None:
    """Kill an application at one point, finish it, check it."""
    place = plan.place(folder)
    dead = child(place, (), plan=plan.run_id, at=at)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    KILLS["applying, at a point"] += 1
    plan.finish(place, way)


def killed_from_outside(plan: Plan, seed: int, way: Way, folder: Path) -> None:
    """Kill an application at any moment, one to three times in a row."""
    chance = random.Random(seed)
    place = plan.place(folder)
    for _ in range(1 + seed % 3):
        process = place.start(*plan.applying(place))
        try:
            process.communicate(timeout=chance.uniform(0.2, 1.0) * plan.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            KILLS["applying, from outside"] += 1
    plan.finish(place, way)


def cases(plan: Plan, points: list[int]) -> dict[str, Case]:
    """Return a case for each point, finished by turns."""
    ways: tuple[Way, Way] = ("command", "resume")
    return {
        f"{at} {plan.points[at - 1]}, {ways[turn % 2]}": partial(
            killed_at, plan, at, ways[turn % 2]
        )
        for turn, at in enumerate(points)
    }


def test_killed_at_points_of_all_kinds(plan: Plan, tmp_path: Path) -> None:
    """While it begins, looks once more, sends, hears, reads back and reports."""
    points = list(enumerate(plan.points, 1))
    heard = [at for at, point in points if point.startswith("wire after bulk-")]
    told = [at for at, point in points if point.startswith("told ")]
    begins = plan.points.index("durable open journal.new") + 1

    run_all(
        cases(plan, [begins, begins + 1, *spread(heard, 6), *spread(told, 6), len(points)]),
        tmp_path,
    )


def test_killed_at_random(plan: Plan, tmp_path: Path) -> None:
    """From outside, wherever it is."""
    run_all(
        {
            f"outside {seed}": partial(
                killed_from_outside, plan, seed, "resume" if seed % 2 else "command"
            )
            for seed in range(4)
        },
        tmp_path,
    )


@pytest.mark.long
def test_killed_at_every_point(plan: Plan, tmp_path: Path) -> None:
    """There is no point at which a kill shows in the end."""
    run_all(cases(plan, list(range(1, len(plan.points) + 1))), tmp_path)
