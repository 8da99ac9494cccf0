"""Would the oracle notice? Evidence is doctored, and a bug is planted, until it turns red."""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crashes import evidence
from tests.crashes.evidence import Evidence
from tests.crashes.lanes import KILLS
from tests.crashes.places import Scene, child


def _duplicate_profile(found: Evidence) -> None:
    profile = found.profiles[found.log[0]["customer_id"]]
    found.profiles["TWIN"] = profile | {"id": "TWIN"}


def _duplicate_create(found: Evidence) -> None:
    created = next(entry for entry in found.log if entry["action"] == "create")
    found.log.append(created | {"customer_id": "TWIN", "idempotency_key": "other"})


def _key_used_twice(found: Evidence) -> None:
    first, second = [entry for entry in found.log if entry["action"] == "create"][:2]
    second["idempotency_key"] = first["idempotency_key"]


def _updated_twice(found: Evidence) -> None:
    found.log.append(next(entry for entry in found.log if entry["action"] == "update"))


def _lost_create(found: Evidence) -> None:
    found.log.remove(next(entry for entry in found.log if entry["action"] == "create"))


def _deleted(found: Evidence) -> None:
    found.log.append(found.log[0] | {"action": "delete"})


def _lost_profile(found: Evidence) -> None:
    del found.profiles[found.log[-1]["customer_id"]]


def _lost_row(found: Evidence) -> None:
    del found.rows[-1]


def _doubled_row(found: Evidence) -> None:
    found.rows.append(found.rows[-1])


def _moved_row(found: Evidence) -> None:
    found.rows[7]["line"] = str(int(found.rows[7]["line"]) + 1)


def _changed_value(found: Evidence) -> None:
    found.profiles[found.log[0]["customer_id"]]["note"] = "somebody else's"


def _swapped_customers(found: Evidence) -> None:
    first, second = [row for row in found.rows if row["outcome"] == "created"][:2]
    first["customer_id"], second["customer_id"] = second["customer_id"], first["customer_id"]


def _written_once_more(found: Evidence) -> None:
    found.profiles[found.log[0]["customer_id"]]["version"] += 1


def _unbalanced(found: Evidence) -> None:
    found.report["balanced"] = False


def _unknown_row(found: Evidence) -> None:
    found.report["rows"]["unknown"] = 1


def _unverified(found: Evidence) -> None:
    found.report["verified"]["checked"] -= 1


def _source_key_twice(found: Evidence) -> None:
    first, second = [entry for entry in found.crosswalk if entry["outcome"] == "created"][:2]
    second["source_key"] = first["source_key"]


@pytest.mark.parametrize(
    "doctor",
    [
        _duplicate_profile,
        _duplicate_create,
        _key_used_twice,
        _updated_twice,
        _lost_create,
        _deleted,
        _lost_profile,
        _lost_row,
        _doubled_row,
        _moved_row,
        _changed_value,
        _swapped_customers,
        _written_once_more,
        _unbalanced,
        _unknown_row,
        _unverified,
        _source_key_twice,
    ],
)
def test_doctored_evidence_is_noticed(scene: Scene, doctor: Callable[[Evidence], None]) -> None:
    """Whatever a crash could have spoilt, the comparison with the undisturbed import fails."""
    found = copy.deepcopy(scene.undisturbed)
    evidence.check(found, scene.undisturbed, scene.profiles)

    doctor(found)

    with pytest.raises(AssertionError):
        evidence.check(found, scene.undisturbed, scene.profiles)


def test_another_exit_code_is_noticed(scene: Scene) -> None:
    """The exit code belongs to what must be as undisturbed."""
    with pytest.raises(AssertionError):
        evidence.check(replace(scene.undisturbed, exit_code=0), scene.undisturbed, scene.profiles)


def test_keys_from_chance_would_be_noticed(scene: Scene, tmp_path: Path) -> None:
    """An import whose resume sends other idempotency keys makes profiles twice, and is caught."""
    place = scene.place(tmp_path)
    lost = [at for at, point in enumerate(scene.points, 1) if point == "wire after bulk-create"]
    assert child(place, scene.sources, at=lost[2]).returncode == -9
    KILLS["and finished by a bug"] += 1

    finished = child(place, scene.sources, salt="sx")

    assert finished.returncode == scene.undisturbed.exit_code, finished.stderr
    (run,) = place.runs()[1:]
    found = evidence.gather(run, place.sandbox, finished.returncode, scene.log)
    assert len(found.profiles) == len(scene.undisturbed.profiles) + 100
    with pytest.raises(AssertionError):
        evidence.check(found, scene.undisturbed, scene.profiles)


def test_undisturbed_rows_are_the_rows_of_the_files(scene: Scene) -> None:
    """The ledger everything is compared with names each record of the files by its first line."""
    told = [(row["source"], int(row["line"])) for row in scene.undisturbed.rows]

    assert told == [(source, line) for source in scene.sources for line in _first_lines(source)]


def _first_lines(path: str) -> list[int]:
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        starts = []
        before = reader.line_num
        for _ in reader:
            starts.append(before + 1)
            before = reader.line_num
        return starts
