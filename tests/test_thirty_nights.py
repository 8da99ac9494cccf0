"""A nightly job lives through thirty nights; every morning the directory is as it should be.

The calendar says what happens on each night and how each of its commands ends. By day the CRM and
the seller change things (``tests.nights.crm``, ``tests.nights.seller``), by night ``tests.nights.
events`` happen, and each morning ``tests.nights.job`` holds the directory, and an analyst's exports
of it, against the model (``tests.nights.model``).

    pytest -m long tests/test_thirty_nights.py
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.nights.events import EVENTS
from tests.nights.job import KILLED, begin

# What happens on each night from Friday, 21 August on, and the exit codes of the commands that are
# given then: what is left of the night before, the night's own, and what follows in the morning.
CALENDAR = [
    ("nothing special", [0]),
    ("dirty rows, mended in the morning", [3, 0]),
    ("the same file again", [0, 0]),
    ("down amid the load, resumed in the morning", [4, 0]),
    ("groups and attributes", [0]),
    ("rows for review, answered in the morning", [3, 0]),
    ("most of the file is missing: stopped", [6, 0]),
    ("two runs at once", [5, 5, 5, 0]),
    ("the seller edits during the run", [0]),
    ("killed amid the load, resumed next night", [KILLED]),
    ("a storm of 429", [0, 0]),
    ("half of the file is rejects: a brake", [6, 0]),
    ("a plan, applied a day later", [0]),
    ("the token ends amid the load", [0, 4, 0]),
    ("taken back in the morning", [0, 3]),
    ("a file that cannot be read", [2, 2, 2, 2, 0]),
    ("down amid the load, same command next night", [4]),
    ("the seller merges and deletes during the run", [0, 3]),
    ("somebody is erased", [0]),
    ("the copy of the directory is lost", [0]),
    ("the seller merges two known people", [0]),
    ("most of the file is missing: a warning", [0]),
    ("killed at any moment, resumed in the morning", [KILLED, 0]),
    ("down before it begins, same command later", [4, 0]),
    ("killed and forgotten", [KILLED]),
    ("the seller edits what was just written", [0, 3]),
    ("answers are lost", [0]),
    ("the state of two days ago is restored", [0]),
    ("killed while groups are joined", [KILLED, 0]),
    ("the token is refused at once", [2, 0]),
]


def test_thirty_nights(tmp_path: Path) -> None:
    """Whatever happens, each command ends as the calendar says, and each morning all is right."""
    job = begin(tmp_path, seed=1)
    for event, codes in CALENDAR:
        assert job.live(event, EVENTS[event]) == codes, f"{job}: {job.codes} instead of {codes}"
    assert job.night == 30
    job.world.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_any_thirty_nights(tmp_path: Path, seed: int) -> None:
    """The same events in any order: each says itself how its commands end."""
    job = begin(tmp_path, seed)
    for event in drawn(random.Random(seed)):
        job.live(event, EVENTS[event])
    job.world.close()


def drawn(chance: random.Random) -> list[str]:
    """Return a calendar drawn by lot; a few nights come first that show what is usual."""
    events = ["nothing special"] * 4
    while len(events) < 30:
        event = chance.choice(list(EVENTS))
        if not (_too_early(event, events) or _without_copy(event, events)):
            events.append(event)
    return events


def _too_early(event: str, before: list[str]) -> bool:
    """Does nobody know what is usual: too few nights are remembered, or were as they should be?"""
    odd = any("missing" in each for each in before[-10:])
    lost = any("folder is lost" in each for each in before[-7:])
    return "missing" in event and (odd or lost)


def _without_copy(event: str, before: list[str]) -> bool:
    """Was there something left to do on the morning whose state folder is to be restored?"""
    left = ("next night", "a day later", "forgotten")
    return "restored" in event and any(word in before[-2] for word in left)


def test_a_wrong_morning_is_told(tmp_path: Path) -> None:
    """The check sees a foreign edit that was lost, a profile that is gone, and one too many."""
    job = begin(tmp_path, seed=1)
    job.live("nothing special", EVENTS["nothing special"])
    ids = job.seller.ids()

    job.world.update(ids["C1000"], nickname="Wrong")
    job.world.delete(ids["C1001"])
    job.world.create(given_name="Twice", reference_id="C1002")

    with pytest.raises(AssertionError) as told:
        job.check()
    words = str(told.value).splitlines()
    assert words[0] == "night 1 (nothing special):"
    assert [word.split(":")[0] for word in words[1:]] == ["C1000", "C1001", "C1002"]
    assert "nickname is 'Wrong', should be" in words[1]
    assert "there 0 times, should be 1" in words[2]
    assert "there 2 times, should be 1" in words[3]
    job.world.close()
