"""Is there any point at which a kill loses a row or makes a profile twice?"""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.crashes import evidence
from tests.crashes.lanes import KILLS, Case, run_all
from tests.crashes.places import Scene, Way, child


def killed_at(scene: Scene, at: int, way: Way, folder: Path) -> None:
    """Kill an import at one point, finish it, check it."""
    place = scene.place(folder)

    dead = child(place, scene.sources, at=at)

    assert dead.returncode == -signal.SIGKILL, dead.stderr
    KILLS["at a point"] += 1
    scene.finish(place, way)


def cases(scene: Scene, points: list[int]) -> dict[str, Case]:
    """Return a case for each point, finished by turns."""
    ways: tuple[Way, Way] = ("command", "resume")
    return {
        f"{at} {scene.points[at - 1]}, {ways[turn % 2]}": partial(
            killed_at, scene, at, ways[turn % 2]
        )
        for turn, at in enumerate(points)
    }


def spread(points: list[int], number: int) -> list[int]:
    """Return so many of the points, the first and the last among them."""
    step = (len(points) - 1) / (number - 1)
    return [points[round(step * i)] for i in range(number)]


def of_kind(scene: Scene, beginning: str) -> list[int]:
    """Return the points of one kind."""
    return [at for at, point in enumerate(scene.points, 1) if point.startswith(beginning)]


def test_killed_at_durable_steps(scene: Scene, tmp_path: Path) -> None:
    """An import killed where the journal is told of a step ends as if nothing had happened."""
    run_all(cases(scene, spread(of_kind(scene, "told"), 15)), tmp_path)


def test_killed_before_the_answer_is_noted(scene: Scene, tmp_path: Path) -> None:
    """What Square did and the journal never heard of is settled by the same key and bytes."""
    creates = of_kind(scene, "wire after bulk-create")
    updates = of_kind(scene, "wire after bulk-update")

    run_all(cases(scene, [*spread(creates, 4), *spread(updates, 3)]), tmp_path)


def test_killed_while_the_run_begins(scene: Scene, tmp_path: Path) -> None:
    """A run whose journal is not written yet is in nobody's way."""
    begins = scene.points.index("durable open journal.new") + 1

    run_all(cases(scene, [begins, begins + 1, begins + 2]), tmp_path)


def test_killed_while_the_run_ends(scene: Scene, tmp_path: Path) -> None:
    """A run whose artifacts are not written yet is not finished."""
    done = max(of_kind(scene, "told verify")) + 1
    last = len(scene.points)

    run_all(cases(scene, [done, done + 1, done + 2, last - 4, last]), tmp_path)


def test_a_newer_file_goes_first(scene: Scene, tmp_path: Path) -> None:
    """A killed import that is finished after a newer one makes nobody whom that one made."""
    place = scene.place(tmp_path)
    lost = of_kind(scene, "wire after bulk-create")[2]
    assert child(place, scene.sources, at=lost).returncode == -signal.SIGKILL
    KILLS["at a point"] += 1
    newer = [str(tmp_path / Path(source).name) for source in scene.sources]
    for old, new in zip(scene.sources, newer, strict=True):
        Path(new).write_bytes(Path(old).read_bytes().replace(b"Seattle", b"Oldtown"))

    codes = [
        place.run(*arguments).returncode
        for arguments in (place.importing(newer), place.resuming(), place.importing(newer))
    ]

    assert codes == [scene.undisturbed.exit_code] * 3
    creates = [entry for entry in evidence.written(place.sandbox) if entry["action"] == "create"]
    for key in ("reference_id", "email_address"):
        values = [entry["changes"][key] for entry in creates if key in entry["changes"]]
        evidence.check_unique(key, values)
    assert len(creates) == len(scene.undisturbed.profiles)


@pytest.mark.long
def test_killed_at_every_point(scene: Scene, tmp_path: Path) -> None:
    """There is no point at which a kill shows in the end."""
    run_all(cases(scene, list(range(1, len(scene.points) + 1))), tmp_path)
