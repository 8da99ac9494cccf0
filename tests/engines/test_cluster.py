"""Batches on a Dask cluster: the same results in the same order, or the run can be gone on with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from etl.begin import Progress
from etl.engines import Choice, Cut, Engine, chosen, ready
from etl.engines.cluster import Dask, reached
from etl.errors import ConfigError, Interrupted
from tests import worlds
from tests.engines.conftest import ROOT, Cluster, open_cluster, with_children
from tests.engines.test_processes import (
    Parts,
    counted_down,
    die_once,
    doubled,
    end_on,
    reciprocal,
    slow_first,
    worker,
)


def cut(choice: Choice) -> Choice:
    """Have small items, so that there are many."""
    return replace(choice, cut=Cut(20, 1000))


# -- a cluster of one's own ----------------------------------------------------------------------


def test_results_come_in_order(dask: Engine) -> None:
    """Whichever worker is done first; and everything is done by the workers."""
    squares = [number * number for number in range(20)]
    assert list(dask.in_order(slow_first, range(20))) == squares
    assert list(dask.in_order(slow_first, [])) == []
    pids = set(dask.in_order(worker, range(20)))
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_large_buffers_arrive_whole(dask: Engine) -> None:
    """Also more than Dask thinks good for one task."""
    sizes = [0, 1, 1 << 10, 24 << 20, 0, 2 << 20]
    made = list(
        dask.in_order(doubled, (Parts(str(size), pa.py_buffer(bytes(size))) for size in sizes))
    )
    assert [parts.text for parts in made] == [str(size) * 2 for size in sizes]
    assert [parts.data.size for parts in made] == [2 * size for size in sizes]


def test_only_a_few_are_under_way(dask: Engine) -> None:
    """Items are made as results are taken: memory does not grow with their number."""
    made = 0

    def items() -> Iterator[int]:
        nonlocal made
        for number in range(100):
            made += 1
            yield number

    for taken, result in enumerate(dask.in_order(slow_first, items()), 1):
        assert result == (taken - 1) ** 2
        assert made <= taken + 4


def test_an_item_may_have_many_results(dask: Engine) -> None:
    """They come in order; an error comes where its result would have been, with its place."""
    numbers = [3, 0, 6, 1, 0, 5]
    expected = [left for number in numbers for left in range(number, 0, -1)]
    assert [left for left, _ in dask.spread(counted_down, iter(numbers))] == expected
    failing = dask.spread(counted_down, iter([2, 9, 3]))
    assert [next(failing)[0] for _ in range(9)] == [2, 1, 9, 8, 7, 6, 5, 4, 3]
    with pytest.raises(ValueError, match="seven are enough"):
        next(failing)
    found = dask.in_order(reciprocal, [5, 0, 2])
    assert next(found) == 2
    with pytest.raises(ZeroDivisionError) as raised:
        next(found)
    assert "in reciprocal" in "".join(raised.value.__notes__)


def test_a_killed_worker_is_replaced(dask: Engine, tmp_path: Path) -> None:
    """Its batches are done again by another, and each result comes once."""
    numbers = [3, 0, 6, 1, 6, 2, 5]
    expected = [left for number in numbers for left in range(number, 0, -1)]
    fatal = partial(die_once, last=2, after=4, mark=tmp_path / "died")
    assert list(dask.spread(fatal, enumerate(numbers))) == expected
    assert (tmp_path / "died").exists()


def test_an_item_that_kills_whoever_does_it(tmp_path: Path) -> None:
    """It is not tried for ever; what is still to be done, such as a report, is done here."""
    with ready(chosen("dask", 2, None)) as engine, engine.started(1, tmp_path / "w") as at_work:
        with pytest.raises(Interrupted, match="workers died of one batch"):
            list(at_work.in_order(partial(end_on, how=signal.SIGKILL, last=3), range(6)))
        assert set(at_work.in_order(worker, range(3))) == {os.getpid()}


def test_nobody_else_can_use_it(dask: Engine) -> None:
    """It listens on this machine only, and speaks to those only who have its key."""
    assert isinstance(dask, Dask)
    found = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [
        place.laddr
        for process in found
        for place in process.net_connections()
        if place.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5
    assert {place.ip for place in listening} == {"127.0.0.1"}
    assert 8787 not in {place.port for place in listening}  # where others look for their own
    address = dask.address
    assert address.startswith("tls://127.0.0.1:")
    for other in (address, address.replace("tls:", "tcp:")):
        with (
            pytest.raises(ConfigError, match="no Dask scheduler answers there"),
            ready(chosen(None, None, other)),
        ):
            pass


_RUN = """
import os, sys, threading
from pathlib import Path
from etl.engines import chosen, ready
from tests.engines.test_processes import slow_first, worker
if __name__ == "__main__":
    os.umask(0o077)
    with ready(chosen("dask", 2, None)) as engine, engine.started(1, Path("workers")) as at_work:
        print(*set(at_work.in_order(worker, range(8))), flush=True)
        list(at_work.in_order(slow_first, iter(int, 1)))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_do_not_outlive_the_run(how: signal.Signals, tmp_path: Path) -> None:
    """However a run ends, its workers end; what they put aside is private, and goes too.

    Nor do they have its token.
    """
    (tmp_path / "run.py").write_text(_RUN)
    run = subprocess.Popen(
        [sys.executable, "run.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SQUARE_ACCESS_TOKEN": "canary-of-a-token"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert run.stdout
    pids = list(map(int, run.stdout.readline().split()))
    assert len(pids) == 2
    for pid, known in [(run.pid, True), *((pid, False) for pid in pids)]:
        assert (b"canary-of-a-token" in Path(f"/proc/{pid}/environ").read_bytes()) == known
    (aside,) = tmp_path.glob(".partial-workers-*")
    assert aside.stat().st_mode & 0o777 == 0o700
    run.send_signal(how)
    assert run.communicate(timeout=30)[0] == b""
    until = time.monotonic() + 30
    while any(map(psutil.pid_exists, pids)):
        assert time.monotonic() < until
        time.sleep(0.05)
    if how == signal.SIGINT:
        assert not aside.exists()


# -- an existing cluster -------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Give a scheduler of its own process, and one worker."""
    with open_cluster(tmp_path / "cluster") as cluster:
        cluster.start_worker()
        yield cluster


def test_the_scheduler_is_lost(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The run stops without noise, and goes on where it was on another engine; nothing is twice."""
    world = worlds.open_world(tmp_path)
    rows = worlds.people(300)
    with ready(cut(chosen(None, None, cluster.address))) as engine:

        def watch(progress: Progress) -> None:
            if progress.stage == "check" and progress.done > 100:
                cluster.scheduler.kill()

        world.watch = watch
        report = worlds.run_import(world, rows, engine=engine)
    assert report["exit_code"] == 4
    assert "Dask scheduler at tcp://127.0.0.1" in report["stopped"]
    assert world.written() == []
    assert capfd.readouterr().err == ""
    world.watch = lambda progress: None
    again = worlds.run_import(world, rows)
    assert again["run_id"] == report["run_id"]
    assert (again["exit_code"], again["rows"]["created"]) == (0, 300)
    assert len(world.written("create")) == 300


def test_the_scheduler_hangs(cluster: Cluster) -> None:
    """Nobody waits for ever for one that says nothing, though the machine keeps the connection."""
    with ready(chosen(None, None, cluster.address)) as engine:
        assert engine.client is not None
        at_work = Dask(engine.client, lambda: None, patience=0.5)
        results = at_work.in_order(slow_first, iter(int, 1))
        assert next(results) == 0
        cluster.scheduler.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(Interrupted, match="does not answer"):
            list(results)
        assert time.monotonic() - begun < 10
        cluster.scheduler.send_signal(signal.SIGCONT)


def test_the_workers_are_lost(cluster: Cluster) -> None:
    """A cluster that nobody works for any more is given up after a while."""
    with ready(chosen(None, None, cluster.address)) as engine:
        assert engine.client is not None
        at_work = Dask(engine.client, lambda: None, patience=0.3, alone=1.0)
        results = at_work.in_order(slow_first, iter(int, 1))
        assert next(results) == 0
        with_children(cluster.processes[1].pid, signal.SIGKILL)
        with pytest.raises(Interrupted, match="no worker"):
            list(results)


def test_workers_that_would_judge_otherwise(cluster: Cluster, tmp_path: Path) -> None:
    """All have the very square-etl that asks them, or nothing is begun, nor gone on with."""
    with ready(chosen(None, None, cluster.address)) as engine:
        assert engine.client is not None
        other = tmp_path / "other"
        shutil.copytree(ROOT / "etl", other / "etl", ignore=shutil.ignore_patterns("__pycache__"))
        with (other / "etl" / "customers" / "dates.py").open("a") as file:
            file.write("# another day\n")
        cluster.start_worker(other)
        engine.client.wait_for_workers(2, timeout=30)
        at_work = Dask(engine.client, lambda: None)
        with pytest.raises(ConfigError, match=r"has square-etl .* instead of .*: install there"):
            list(at_work.in_order(worker, range(20)))
    with (
        pytest.raises(ConfigError, match=r"has square-etl .* instead of .*: install there"),
        ready(chosen(None, None, cluster.address)),
    ):
        pass


def test_a_scheduler_without_square_etl(tmp_path: Path) -> None:
    """It does without, as it only passes on; without workers, nothing is begun."""
    with open_cluster(tmp_path / "cluster", _stranger(tmp_path)) as cluster:
        with pytest.raises(ConfigError, match="has no workers"), reached(cluster.address, 0.5):
            pass
        cluster.start_worker()
        choice = chosen(None, None, cluster.address)
        with ready(choice) as engine, engine.started(1, tmp_path / "workers") as at_work:
            assert list(at_work.in_order(slow_first, range(5))) == [0, 1, 4, 9, 16]


def _stranger(folder: Path) -> Path:
    """Make a place in which square-etl is something else."""
    package = folder / "stranger" / "etl"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    return package.parent


def test_a_worker_without_square_etl(cluster: Cluster, tmp_path: Path) -> None:
    """One that comes later ends the run: it could not even begin. What it was sent is in no log."""
    missing = r"cannot use square-etl .*square-etl\[dask\]"
    with ready(chosen(None, None, cluster.address)) as engine:
        assert engine.client is not None
        cluster.start_worker(_stranger(tmp_path))
        engine.client.wait_for_workers(2, timeout=30)
        at_work = Dask(engine.client, lambda: None)
        items = (Parts("ada@example.com", pa.py_buffer(b"+14155550101")) for _ in range(20))
        with pytest.raises(ConfigError, match=f"part of the cluster at .* {missing}"):
            list(at_work.in_order(doubled, items))
    with (
        pytest.raises(ConfigError, match=f"the Dask worker .* {missing}"),
        ready(chosen(None, None, cluster.address)),
    ):
        pass
    for log in cluster.folder.glob("*.log"):
        assert b"ada@example.com" not in log.read_bytes()
