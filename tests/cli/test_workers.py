"""A large file is the work of several processes, and of nobody after them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
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


def start(folder: Path, state: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a validation of the large file."""
    command = [sys.executable, "-m", "etl", "validate", "people.csv", "--state-dir", state]
    return subprocess.Popen(
        [*command, "--output", "json", "--quiet", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def workers(run: subprocess.Popen[bytes]) -> list[int]:
    """Wait until a run has its workers, and return them."""
    until = time.monotonic() + 30
    while time.monotonic() < until and run.poll() is None:
        # Of each of its threads.
        children = Path(f"/proc/{run.pid}/task").glob("*/children")
        found = [int(pid) for told in children for pid in told.read_text().split()]
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


@pytest.fixture(scope="module")
def alone(folder: Path) -> list[object]:
    """What one process leaves."""
    run = start(folder, "alone", "--engine", "local")
    as_it_should(run)
    return list(kept(folder / "alone"))


def as_it_should(run: subprocess.Popen[bytes]) -> None:
    """Wait until a run has found all there is to find."""
    out, err = run.communicate(timeout=120)
    assert (run.returncode, err) == (3, b"")
    rows = json.loads(out)["rows"]
    assert (rows["read"], rows["rejected"]) == (ROWS + ROWS // 500, ROWS // 500)


@pytest.mark.parametrize("engine", ["", "processes", "dask"])
def test_one_process_or_several(folder: Path, alone: list[object], engine: str) -> None:
    """They leave the same, byte for byte, in the journal and in every file."""
    if not engine and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one core")
    options = ["--engine", engine, "--workers", "3"] if engine else []
    several = start(folder, f"several {engine}", *options)
    assert workers(several)
    as_it_should(several)
    assert list(kept(folder / f"several {engine}")) == alone
    # What a cluster's workers put aside is gone.
    assert [path.name for path in (folder / f"several {engine}").iterdir()] == ["runs"]


def test_a_worker_is_killed(folder: Path, alone: list[object]) -> None:
    """The others do its work too."""
    run = start(folder, "bereft", "--engine", "processes", "--workers", "3")
    found = workers(run)
    os.kill(found[0], signal.SIGKILL)
    as_it_should(run)
    assert list(kept(folder / "bereft")) == alone
    assert gone(found)


def test_all_workers_are_killed(folder: Path) -> None:
    """The run says so and stops in good order, with what was done so far in its files."""
    run = start(folder, "alone again", "--workers", "2")
    found = workers(run)
    for worker in found:
        os.kill(worker, signal.SIGKILL)
    out, err = run.communicate(timeout=60)

    assert run.returncode == 4, err
    report = json.loads(out)
    assert report["status"] == "incomplete"
    assert "one of several at work on this run, was ended by SIGKILL" in report["stopped"]
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
