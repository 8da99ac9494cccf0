"""The scene of all crash tests: the files, last year's import, and what happens undisturbed."""

from __future__ import annotations

import json
import time

import pytest

from tests.crashes import evidence, people
from tests.crashes.lanes import KILLS
from tests.crashes.places import Place, Scene, child


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Import last year's file, then this year's, once counted and once timed."""
    folder = tmp_path_factory.mktemp("crashes")
    people.write_last_year(folder / "last-year.csv")
    sources = tuple(str(path) for path in people.write_this_year(folder))
    prepared = Place(folder / "state", folder / "state" / "sandbox.sqlite")
    made = prepared.run(*prepared.importing([str(folder / "last-year.csv")]))
    assert made.returncode == 0, made.stderr
    log, profiles = evidence.written(prepared.sandbox), evidence.profiles(prepared.sandbox)

    (folder / "counted").mkdir()
    (folder / "timed").mkdir()
    empty = evidence.Evidence(0, {}, [], [], [], {})
    scene = Scene(sources, prepared.state, len(log), len(profiles), (), 0.0, empty)
    counted = child(scene.place(folder / "counted"), sources)
    assert counted.returncode == 3, counted.stderr
    place = scene.place(folder / "timed")
    begun = time.monotonic()
    timed = place.run(*place.importing(sources))
    seconds = time.monotonic() - begun
    assert timed.returncode == 3, timed.stderr
    (run,) = place.runs()[1:]
    undisturbed = evidence.gather(run, place.sandbox, timed.returncode, len(log))
    points = tuple(json.loads(counted.stdout))
    return Scene(sources, prepared.state, len(log), len(profiles), points, seconds, undisturbed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many processes were killed."""
    if KILLS:
        told = ", ".join(f"{count} {where}" for where, count in sorted(KILLS.items()))
        terminalreporter.write_line(f"imports killed: {sum(KILLS.values())} ({told})")
