"""A cluster that several tests share, and one whose scheduler and workers can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from etl.engines import Engine, chosen, ready

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give the engine of a cluster of its own, of two workers."""
    scratch = tmp_path_factory.mktemp("dask") / "workers"
    with ready(chosen("dask", 2, None)) as engine, engine.started(1, scratch) as at_work:
        yield at_work


@dataclass
class Cluster:
    """A scheduler and its workers, each a process of its own, as on an existing cluster."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        told: dict[str, Any] = json.loads((self.folder / "scheduler.json").read_text())
        return str(told["address"])

    @property
    def scheduler(self) -> subprocess.Popen[bytes]:
        """The process of the scheduler."""
        return self.processes[0]

    def start_scheduler(self, python_path: Path) -> None:
        """Start the scheduler, and wait until it listens."""
        options = ["--port", "0", "--scheduler-file", "scheduler.json"]
        self._start("scheduler", *options, PYTHONPATH=str(python_path))
        until = time.monotonic() + 30
        while True:
            # The file is there before it is whole.
            with suppress(FileNotFoundError, ValueError):
                assert self.address
                return
            assert time.monotonic() < until
            time.sleep(0.05)

    def start_worker(self, python_path: Path = ROOT) -> None:
        """Start a worker that finds square-etl in ``python_path``."""
        options = ["--nthreads", "1", "--memory-limit", "0", "--local-directory", "aside"]
        self._start("worker", self.address, *options, PYTHONPATH=str(python_path))

    def _start(self, what: str, *arguments: str, **variables: str) -> None:
        module = f"distributed.cli.dask_{what}"
        with (self.folder / f"{what}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, "--host", "127.0.0.1", "--no-dashboard", *arguments],
                cwd=self.folder,
                env={**os.environ, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)


@contextmanager
def open_cluster(folder: Path, python_path: Path = ROOT) -> Iterator[Cluster]:
    """Start a scheduler that has no workers yet; whatever is left of the cluster is killed."""
    folder.mkdir()
    cluster = Cluster(folder)
    try:
        cluster.start_scheduler(python_path)
        yield cluster
    finally:
        for process in cluster.processes:
            with_children(process.pid, signal.SIGKILL)
            process.wait()


def with_children(pid: int, number: int) -> None:
    """Send a signal to a process that leads a session, and all that it has started there."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
