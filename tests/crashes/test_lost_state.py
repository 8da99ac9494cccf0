"""What if the state folder itself is lost, or has no room left?"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes import evidence
from tests.crashes.evidence import check_profiles, check_unique
from tests.crashes.lanes import KILLS
from tests.crashes.places import Place, Scene, child, served


def points(scene: Scene, beginning: str) -> list[int]:
    """Return the points of one kind."""
    return [at for at, point in enumerate(scene.points, 1) if point.startswith(beginning)]


@pytest.mark.parametrize("which", [0, -1])
def test_journal_and_ledger_are_lost(scene: Scene, tmp_path: Path, which: int) -> None:
    """Without any memory of ours the same command finds what it made in the directory itself."""
    place = scene.place(tmp_path)
    at = points(scene, "wire after bulk-create")[which]
    assert child(place, scene.sources, at=at).returncode == -9
    KILLS["and the journal lost"] += 1
    shutil.rmtree(place.state / "runs")
    for path in place.state.glob("ledger.sqlite*"):
        path.unlink()

    finished = place.run(*place.importing(scene.sources))

    assert finished.returncode == scene.undisturbed.exit_code, finished.stderr
    (run,) = place.runs()
    found = evidence.gather(run, place.sandbox, finished.returncode, scene.log)
    creates = [entry for entry in found.log if entry["action"] == "create"]
    check_unique("idempotency key", [entry["idempotency_key"] for entry in creates])
    check_profiles(found.profiles.values(), scene.undisturbed.profiles.values())
    told = [(row["source"], row["line"]) for row in found.rows]
    assert told == [(row["source"], row["line"]) for row in scene.undisturbed.rows]
    rows, undisturbed = found.report["rows"], scene.undisturbed.report["rows"]
    kept = ("duplicate", "review", "rejected")
    assert found.report["balanced"]
    assert [rows[outcome] for outcome in kept] == [undisturbed[outcome] for outcome in kept]
    assert rows["unknown"] == rows["pending"] == rows["failed"] == 0


class Disk:
    """A file system of its own that can be made larger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def size(self, kilobytes: int) -> None:
        """Give it so much room."""
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a file system in memory, where one may."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk is not allowed here")
    yield Disk(folder)
    subprocess.run(["umount", str(folder)], check=True)


# So much room is left on the disk, in kB: the journal alone needs some 3,500.
@pytest.mark.parametrize(
    "room",
    [
        0,
        40,
        1200,
        2700,
        *(pytest.param(room, marks=pytest.mark.long) for room in range(100, 4400, 200)),
    ],
)
def test_the_disk_is_full(scene: Scene, tmp_path: Path, disk: Disk, room: int) -> None:
    """The import stops with 4 and says why; with room again it ends as if nothing had happened."""
    prepared = scene.place(disk.folder)
    sandbox = tmp_path / "square.sqlite"
    shutil.move(prepared.sandbox, sandbox)
    used = sum(path.stat().st_size for path in disk.folder.rglob("*") if path.is_file())
    disk.size(used // 1024 + 64 + room)
    with served(Place(prepared.state, sandbox)) as place:
        full = place.run(*place.importing(scene.sources))
        disk.size(100_000)

        assert full.returncode == 4, (full.returncode, full.stdout[-500:], full.stderr[-1500:])
        assert "disk" in full.stderr
        scene.finish(place, "resume")
