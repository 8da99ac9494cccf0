"""A large file is the work of several processes, and of nobody after them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

ROWS = 90_000
HEADER = "Customer ID,First name,Email,Phone,Birthday,Note\n"
ROW = 'c-{0},Ada {0},ada{0}@example.com,(415) 555-01{1:02},{2:02}/17/1980,"{3}, {0}"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file that is large enough for several processes."""
    folder = tmp_path_factory.mktemp("large")
    with (folder / "people.csv").open("w") as file:
        file.write(HEADER)
        for n in range(ROWS):
            note = "Asks for a paper receipt" if n % 7 else "two\nlines"
            file.write(ROW.format(n, n % 100, n % 12 + 1, note))
            if n % 1000 == 0:
                file.write(f"c-{n},Bo,nobody,12,,\nc-{n},too,few\n")
    assert (folder / "people.csv").stat().st_size > 8 << 20
    return folder


def start(folder: Path, state: str, *, one_core: bool = False) -> subprocess.Popen[bytes]:
    """Start a validation of the large file."""
    command = [sys.executable, "-m", "etl", "validate", "people.csv", "--state-dir", state]
    bound: Callable[[], None] | None = None
    if one_core:
        core = min(os.sched_getaffinity(0))

        def bound() -> None:
            os.sched_setaffinity(0, {core})

    return subprocess.Popen(
        [*command, "--output", "json", "--quiet"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=bound,
    )


def workers(run: subprocess.Popen[bytes]) -> list[int]:
    """Wait until a run has its workers, and return them."""
    until = time.monotonic() + 30
    while time.monotonic() < until and run.poll() is None:
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        found = list(map(int, children.read_text().split()))
        if len(found) > 1:
            return found
        time.sleep(0.01)
    raise AssertionError("no workers were seen")


def gone(pids: list[int]) -> bool:
    """Wait until none of the processes is left."""
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def kept(state: Path) -> Iterator[object]:
    """Yield what a run left, but for its name and times."""
    (run,) = (state / "runs").iterdir()
    report = json.loads((run / "report.json").read_bytes())
    yield {
        name: value
        for name, value in report.items()
        if name not in ("run_id", "started_at", "finished_at", "seconds")
    }
    for name in ("rows.csv", "rejects.csv", "review.csv", "crosswalk.csv"):
        yield (run / name).read_bytes()
    with closing(sqlite3.connect(run / "journal.sqlite")) as journal:
        for table in ("batches", "checks"):
            yield from journal.execute(f"SELECT * FROM {table} ORDER BY batch")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_one_process_or_several(folder: Path) -> None:
    """They leave the same, byte for byte, in the journal and in every file."""
    several, alone = start(folder, "several"), start(folder, "alone", one_core=True)
    assert workers(several)
    for run in (several, alone):
        out, err = run.communicate(timeout=120)
        assert run.returncode == 3, err
        rows = json.loads(out)["rows"]
        assert (rows["read"], rows["rejected"]) == (ROWS + ROWS // 500, ROWS // 500)

    for one, other in zip(kept(folder / "several"), kept(folder / "alone"), strict=True):
        assert one == other


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_a_worker_is_killed(folder: Path) -> None:
    """The run says so and stops in good order, with what was done so far in its files."""
    run = start(folder, "bereft")
    found = workers(run)
    os.kill(found[0], signal.SIGKILL)
    out, err = run.communicate(timeout=60)

    assert run.returncode == 4, err
    report = json.loads(out)
    assert report["status"] == "incomplete"
    assert f"process {found[0]}, one of several" in report["stopped"]
    assert "ended by SIGKILL" in report["stopped"]
    assert gone(found)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_run_is_stopped(folder: Path, how: signal.Signals) -> None:
    """However it ends, it leaves no process behind that holds files or pipes."""
    run = start(folder, f"stopped by {how.name}")
    found = workers(run)
    run.send_signal(how)
    run.communicate(timeout=60)

    assert run.returncode == (4 if how == signal.SIGTERM else -how)
    assert gone(found)
