"""Does an undo survive SIGKILL from outside, at any moment, again and again?"""

from __future__ import annotations

import json
import random
import re
import shlex
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from etl.journal.journal import Journal
from tests.crashes import evidence
from tests.crashes.lanes import KILLS
from tests.crashes.places import SECONDS, Place, served, set_faults
from tests.worlds import as_csv, people

TROUBLE: tuple[dict[str, object], ...] = (
    {"endpoint": "*", "rate": 0.04, "do": "status", "status": 429},
    {"endpoint": "*", "rate": 0.04, "do": "status", "status": 503},
    {"endpoint": "delete", "rate": 0.1, "when": "after", "do": "drop"},
    {"endpoint": "bulk-update", "nth": 1, "when": "after", "do": "reset"},
)
CONFIG = '[groups]\nadd = ["Imported"]\n'


def rows(number: int, **more: str) -> list[dict[str, str]]:
    """Return rows of so many people."""
    return [{**person, **more} for person in people(number)]


def imported(place: Place, folder: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """Import sixty people, then a hundred and twenty with edits; return that run and the former."""
    (folder / "first.csv").write_text(as_csv(rows(60, note="old", nickname="")))
    (folder / "second.csv").write_text(as_csv(rows(120, note="new", nickname="N")))
    (folder / "groups.toml").write_text(CONFIG)
    first = place.run(*place.importing([str(folder / "first.csv")]))
    assert first.returncode == 0, first.stderr
    before = evidence.profiles(place.sandbox)
    with_groups = ("--config", str(folder / "groups.toml"), "--output", "json")
    second = place.run(*place.importing([str(folder / "second.csv")]), *with_groups)
    assert second.returncode == 0, second.stderr
    return json.loads(second.stdout)["run_id"], before


def fields(profiles: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return profiles without what Square counts up by itself."""
    return {
        id: {name: value for name, value in one.items() if name not in ("version", "updated_at")}
        for id, one in profiles.items()
    }


def undo_with_kills(place: Place, run: str, chance: random.Random) -> int:
    """Begin and resume an undo, killing it each time a bit later, then end it; return the kills.

    The first is killed as soon as its run has begun.
    """
    undoing: tuple[str, ...] = ("runs", "undo", run, "--state-dir", str(place.state))
    killed, arguments = 0, undoing
    for after in (-1, *sorted(chance.sample(range(150), 3))):
        process = place.start(*arguments)
        while process.poll() is None and progress(place) <= after:
            time.sleep(0.01)
        killed += process.poll() is None
        process.kill()
        process.communicate()
        arguments = chance.choice((undoing, place.resuming()))
    done = place.run(*undoing, "--output", "json", "--quiet")
    assert done.returncode == 0, done.stderr
    KILLS["an undo, from outside"] += killed
    return killed


def progress(place: Place) -> int:
    """Return how much an undo has done so far, -1 if it has not begun."""
    if len(place.runs()) < 3:
        return -1
    done = "SELECT count(*) FROM {} WHERE state = 'landed'"
    with closing(Journal.open(place.runs()[-1] / "journal.sqlite")) as journal:
        return sum(
            int(next(journal.query(done.format(table)))[0]) for table in ("writes", "removals")
        )


def check(place: Place, run: str, before: dict[str, dict[str, Any]]) -> None:
    """Everybody is as before; nobody else was touched; another undo has nothing to do."""
    assert fields(evidence.profiles(place.sandbox)) == fields(before)
    log = evidence.written(place.sandbox)
    deleted = [entry["customer_id"] for entry in log if entry["action"] == "delete"]
    assert len(deleted) == len(set(deleted)) == 60
    again = place.run("runs", "undo", run, "--state-dir", str(place.state), "--output", "json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["rows"]["unchanged"] == 120
    assert len(evidence.written(place.sandbox)) == len(log)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 9))]
)
def test_killed_at_random(tmp_path: Path, seed: int) -> None:
    """An undo in the embedded sandbox, killed again and again, ends as one that was not."""
    state = tmp_path / "state"
    place = Place(state, state / "sandbox.sqlite")
    run, before = imported(place, tmp_path)
    assert undo_with_kills(place, run, random.Random(seed))
    check(place, run, before)


def test_killed_beside_a_server_in_trouble(tmp_path: Path) -> None:
    """The same against another process whose answers get lost."""
    state = tmp_path / "state"
    with served(Place(state, tmp_path / "box.sqlite")) as place:
        run, before = imported(place, tmp_path)
        set_faults(place, TROUBLE, 1)
        assert undo_with_kills(place, run, random.Random(7))
        set_faults(place, (), 1)
        check(place, run, before)


def test_stopped_and_locked(tmp_path: Path) -> None:
    """While an undo is at work others exit with 5; SIGTERM ends it with 4 and the way to go on."""
    state = tmp_path / "state"
    with served(Place(state, tmp_path / "box.sqlite")) as place:
        run, before = imported(place, tmp_path)
        set_faults(place, [{"endpoint": "delete", "nth": 3, "do": "delay", "seconds": 6}], 1)
        undoing = ("runs", "undo", run, "--state-dir", str(place.state))
        process = place.start(*undoing)
        await_deletion(place)

        refused = place.run(*undoing)
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        said, _ = process.communicate(timeout=60)

        assert (refused.returncode, process.returncode) == (5, 4)
        assert "undo" in refused.stderr
        assert time.monotonic() - begun < 20
        (command,) = re.findall("^next: square-etl (runs resume .*)$", said, re.M)
        assert place.run(*shlex.split(command)).returncode == 0
        check(place, run, before)


def await_deletion(place: Place) -> None:
    """Wait until the undo is deleting profiles."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if len(place.runs()) > 2:
            with closing(Journal.open(place.runs()[-1] / "journal.sqlite")) as journal:
                if journal.stage == "detach" and journal.undoing.sent(1):
                    return
        time.sleep(0.05)
    raise AssertionError("the undo deletes nothing")
