"""Does an import survive SIGKILL from outside, at any moment, again and again?"""

from __future__ import annotations

import random
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.crashes.lanes import KILLS, Case, run_all
from tests.crashes.places import Place, Scene, Way, child, served, set_faults

# Every way of losing an answer, and of being told to come back.
TROUBLE: tuple[dict[str, object], ...] = (
    {"endpoint": "bulk-create", "nth": 2, "when": "after", "do": "drop"},
    {"endpoint": "bulk-create", "nth": 3, "when": "after", "do": "omit", "count": 5},
    {"endpoint": "bulk-create", "nth": 4, "when": "after", "do": "truncate"},
    {"endpoint": "bulk-create", "nth": 5, "when": "after", "do": "status", "status": 500},
    {"endpoint": "bulk-create", "nth": 7, "when": "mid", "do": "reset"},
    {"endpoint": "bulk-update", "nth": 1, "when": "after", "do": "reset"},
    {"endpoint": "bulk-update", "nth": 2, "when": "mid", "do": "omit", "count": 7},
    {"endpoint": "bulk-update", "nth": 4, "when": "after", "do": "status", "status": 503},
    {"endpoint": "bulk-retrieve", "nth": 2, "do": "drop"},
    {"endpoint": "*", "rate": 0.04, "do": "status", "status": 429},
    {"endpoint": "*", "rate": 0.04, "do": "status", "status": 503},
)


def reports(place: Place) -> list[Path]:
    """Return the reports of the imports that were begun here."""
    return [run / "report.json" for run in place.runs()[1:] if (run / "report.json").is_file()]


def kill(scene: Scene, place: Place, chance: random.Random, times: int) -> int:
    """Start the import and kill it, up to so many times in a row; return how often it was alive."""
    arguments = place.importing(scene.sources)
    for killed in range(times):
        process = place.start(*arguments)
        try:
            # An interpreter takes the first fifth of the time to start.
            process.communicate(timeout=chance.uniform(0.2, 1.0) * scene.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            if any(b'"finished"' in report.read_bytes() for report in reports(place)):
                return 0  # too late: all was done, only the process had not ended
        else:
            return killed
        # A kill before the run began leaves nothing to resume: this ends at once then.
        arguments = chance.choice((arguments, place.resuming()))
    return times


def killed_here(scene: Scene, seed: int, way: Way, folder: Path) -> None:
    """Kill an import into the embedded sandbox."""
    chance = random.Random(seed)
    for attempt in range(10):
        (folder / str(attempt)).mkdir()
        place = scene.place(folder / str(attempt))
        if killed := kill(scene, place, chance, 1 + seed % 3):
            break
    KILLS["from outside, embedded"] += killed
    scene.finish(place, way)


def killed_there(
    scene: Scene, settings: tuple[str, ...], seed: int, way: Way, folder: Path
) -> None:
    """Kill an import into a sandbox in another process; odd seeds meet trouble all the way."""
    chance = random.Random(seed)
    for attempt in range(10):
        (folder / str(attempt)).mkdir()
        with served(scene.place(folder / str(attempt)), *settings) as place:
            if seed % 2:
                set_faults(place, TROUBLE, seed)
            if killed := kill(scene, place, chance, 1 + seed % 3):
                KILLS["from outside, served"] += killed
                scene.finish(place, way)
                return


def killed_in_trouble(scene: Scene, seed: int, way: Way, folder: Path) -> None:
    """Kill an import at a point of its load or its reading back, while answers are lost."""
    place = scene.place(folder)
    first = scene.points.index("told load") + 1
    at = random.Random(seed).randrange(first, len(scene.points) - 12)

    dead = child(place, scene.sources, at=at, faults=TROUBLE, seed=seed)

    assert dead.returncode == -9, dead.stderr
    KILLS["at a point, answers lost"] += 1
    scene.finish(place, way)


def here(scene: Scene, number: int) -> dict[str, Case]:
    """Return cases with the embedded sandbox."""
    return {f"here {seed}": partial(killed_here, scene, seed, _way(seed)) for seed in range(number)}


def there(scene: Scene, number: int) -> dict[str, Case]:
    """Return cases with a served sandbox; every third is a minute behind with its lists."""
    return {
        f"there {seed}": partial(
            killed_there, scene, ("--lag", "60") if seed % 3 == 2 else (), seed, _way(seed)
        )
        for seed in range(number)
    }


def in_trouble(scene: Scene, number: int) -> dict[str, Case]:
    """Return cases in which kills and lost answers come together."""
    return {
        f"trouble {seed}": partial(killed_in_trouble, scene, seed, _way(seed))
        for seed in range(number)
    }


def _way(seed: int) -> Way:
    return "resume" if seed // 2 % 2 else "command"


def test_killed_at_random(scene: Scene, tmp_path: Path) -> None:
    """Imports into the embedded sandbox, killed from outside one to three times in a row."""
    run_all(here(scene, 8), tmp_path)


def test_killed_at_random_beside_a_server(scene: Scene, tmp_path: Path) -> None:
    """The same against another process, which goes on while the import is dead."""
    run_all(there(scene, 5), tmp_path)


def test_killed_while_answers_are_lost(scene: Scene, tmp_path: Path) -> None:
    """A kill on top of lost, cut, incomplete and refused answers changes nothing either."""
    run_all(in_trouble(scene, 6), tmp_path)


@pytest.mark.long
def test_killed_at_random_for_long(scene: Scene, tmp_path: Path) -> None:
    """All of the above, more often."""
    run_all(here(scene, 60) | there(scene, 60) | in_trouble(scene, 60), tmp_path)
