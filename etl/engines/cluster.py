"""How do the workers of a Dask cluster share the batches of one run?

What is to be done and what came of it travel as bytes that Dask does not look into, by way of the
scheduler: workers need to see neither the files of this machine nor each other. A batch whose
worker died is done again by another, as Dask has it; when the scheduler is lost, or nobody works
any more, the run stops and can be gone on with.

The cluster executes what it is sent, and whoever reaches its scheduler can send it something. A
cluster of a run's own therefore listens on this machine only, and to those who have the key that
was made for it alone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import hashlib
import importlib.metadata
import logging
import os
import pickle
import re
import signal
import socket
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import dask
from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    Worker,
    WorkerPlugin,
    get_worker,
    wait,
)
from distributed.comm.core import connect
from distributed.security import Security

import etl
from etl.engines import Single, Unstarted, Where
from etl.errors import ConfigError, Interrupted
from etl.files.atomic import passing_folder

_T = TypeVar("_T")
_R = TypeVar("_R")

# Items under way for each thread of a worker: the one it works at, and the next.
_AT_HAND = 2
# No more bytes of items are under way, but for one item: they lie here and at the scheduler.
_MOST_BYTES = 256 << 20
# Seconds until a scheduler has to answer, at the beginning and whenever results are late.
_PATIENCE = 15.0
# Seconds without any worker after which nobody is waited for.
_ALONE = 60.0

_ADDRESS = re.compile(
    r"(tcp|tls)://(?P<host>\[[0-9a-fA-F:.]+\]|[^\s/:\[\]]+):(?P<port>[0-9]{1,5})", re.ASCII
)

# What decides, beside Python and this package, how a batch is read and judged, and what carries it.
_JUDGES = (
    "dask",
    "distributed",
    "email-validator",
    "idna",
    "nameparser",
    "numpy",
    "phonenumbers",
    "pyarrow",
    "pycountry",
)
_LOGS = ("distributed", "distributed.client", "tornado.application", "asyncio")

_SETTINGS = {
    "distributed.comm.timeouts.connect": _PATIENCE,
    "distributed.comm.timeouts.tcp": 2 * _PATIENCE,
    # Items are as large as they are.
    "distributed.admin.large-graph-warning-threshold": "1TB",
    # Of a cluster of our own: three workers may die of an item; no pages, and no words.
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1, "DASK_LOGGING__DISTRIBUTED": 51},
}


class Dask:
    """Runs tasks on the workers of a cluster; ``release`` is called when it is dismissed."""

    where: Where = "elsewhere"

    def __init__(
        self,
        client: Client,
        release: Callable[[], None],
        patience: float = _PATIENCE,
        alone: float = _ALONE,
    ) -> None:
        self._client: Client | None = client
        self._release = release
        self._patience = patience
        self._alone = alone
        assert client.scheduler is not None
        self.address = str(client.scheduler.address)

    def dismiss(self) -> None:
        """Leave the cluster; what is asked for from now on is done here."""
        if self._client is not None:
            self._client = None
            self._release()

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item, in their order.

        Raises Interrupted when the cluster was lost, ConfigError when it has another square-etl.
        """
        return self.spread(Single(task), items)

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields, of every item, in their order.

        Raises Interrupted when the cluster was lost, ConfigError when it has another square-etl.
        """
        if self._client is None:
            yield from chain.from_iterable(map(task, items))
            return
        said, coming = pickle.dumps(task, protocol=5), map(_packed, items)
        under_way: deque[tuple[Future[bytes | str], int]] = deque()
        try:
            # There may be no worker at this moment.
            most = _AT_HAND * max(1, self._threads())
            while True:
                while len(under_way) < most and _sizes(under_way) < _MOST_BYTES:
                    item = next(coming, None)
                    if item is None:
                        break
                    under_way.append((self._submitted(said, item), len(item)))
                if not under_way:
                    return
                made, raised = self._made(self._answer(under_way[0][0]))
                under_way.popleft()[0].release()
                yield from made
                if raised is not None:
                    raise raised
        finally:
            for future, _ in under_way:
                future.release()

    # -- the cluster -----------------------------------------------------------------------------

    def _submitted(self, said: bytes, item: bytes) -> Future[bytes | str]:
        client = self._client
        if client is None or client.status != "running":
            self._lost("does not answer")
        return client.submit(_sent(), facts(), said, item, pure=False)

    def _answer(self, future: Future[bytes | str]) -> bytes | str:
        """Wait for what came of an item."""
        alone = 0.0
        while True:
            try:
                with future.client.as_current():
                    wait(future, timeout=self._patience)
                return future.result(timeout=4 * self._patience)
            except TimeoutError:
                alone = 0.0 if self._threads() else alone + self._patience
                if alone >= self._alone:
                    self._lost(f"has had no worker for {alone:.0f} seconds")
            except KilledWorker as error:
                self._lost(
                    f"gave up: {error.allowed_failures + 1} workers died of one batch", error
                )
            except (concurrent.futures.CancelledError, asyncio.CancelledError, OSError) as error:
                self._lost("does not answer", error)
            except Exception as error:
                # What a task raises is in its answer: this one could not even be begun.
                self._unable(_in_one_line(error))

    def _made(self, answer: bytes | str) -> tuple[list[Any], Exception | None]:
        """Return what was made of an item, and what was raised instead of the rest."""
        if isinstance(answer, str):
            self._unable(answer)
        told: _Made | _Foreign = pickle.loads(answer)
        if isinstance(told, _Foreign):
            self.dismiss()
            raise _unlike(told.worker, told.facts)
        return told.results, told.raised

    def _threads(self) -> int:
        """Return how many threads the workers have; raises Interrupted without an answer."""
        client = self._client
        if client is None or client.status != "running":
            self._lost("does not answer")
        try:
            return sum(client.nthreads(callback_timeout=self._patience).values())
        except OSError as error:  # TimeoutError is one
            self._lost("does not answer", error)

    def _unable(self, why: str) -> NoReturn:
        self.dismiss()
        raise _unable(f"part of the cluster at {self.address}", why)

    def _lost(self, how: str, error: BaseException | None = None) -> NoReturn:
        self.dismiss()
        raise Interrupted(
            f"the Dask scheduler at {self.address} {how}. Everything up to here is kept: see to "
            "the cluster or choose another engine, and go on"
        ) from error


@contextmanager
def at_work(client: Client | None, workers: int, scratch: Path) -> Iterator[Dask | Unstarted]:
    """Give the engine of a cluster that was reached, or of one of this run's own.

    That one ends when it is dismissed; what its workers put aside lies in a folder named for
    ``scratch`` until then.
    """
    with ExitStack() as held:
        engine: Dask | Unstarted
        try:
            client = client or held.enter_context(_own(workers, scratch))
            engine = Dask(client, held.close)
        except (OSError, RuntimeError) as error:
            engine = Unstarted(workers, error)
        try:
            yield engine
        finally:
            engine.dismiss()


@contextmanager
def reached(address: str, patience: float = _PATIENCE) -> Iterator[Client]:
    """Be connected with a scheduler whose workers have this very square-etl.

    Raises ConfigError when there is none.
    """
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise ConfigError(
            f"{address}: is no address of a Dask scheduler: it is like tcp://host:8786, or "
            "tls://host:8786"
        )
    with _quiet():
        try:
            # Dask would try again where nobody listens, and wait for ever where nobody answers.
            there = (found["host"].strip("[]"), int(found["port"]))
            socket.create_connection(there, timeout=patience).close()
            with concurrent.futures.ThreadPoolExecutor(1) as aside:
                aside.submit(asyncio.run, _greeted(address, patience)).result()
            client = Client(address, timeout=patience, set_as_default=False, name="square-etl")
        except (OSError, OverflowError, TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"{address}: no Dask scheduler answers there ({_in_one_line(error)}). Start it, or "
                "correct the address; where it speaks tls, Dask's own settings name the "
                "certificates (distributed.comm.tls)"
            ) from error
        with _closing(client):
            _refuse_unlike(client, address, patience)
            yield client


async def _greeted(address: str, patience: float) -> None:
    """Exchange greetings with a scheduler, in a thread: there may be a loop in this one."""
    known = Security().get_connection_args("client")
    (await asyncio.wait_for(connect(address, timeout=patience, **known), patience)).abort()


@contextmanager
def _own(workers: int, scratch: Path) -> Iterator[Client]:
    """Start a cluster that nobody else can use, of so many processes of this machine."""
    with (
        passing_folder(scratch) as folder,
        _quiet(),
        _apart(os.environ),
        dask.config.set({"temporary_directory": str(folder)}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            # Even without pages the scheduler listens for them, by default where another's are.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            security=Security.temporary(),
            # Batches are small, and none of them is written to the disk.
            memory_limit=0,
            silence_logs=False,
        ) as cluster,
    ):
        client = Client(cluster, timeout=_PATIENCE, set_as_default=False, name="square-etl")
        with _closing(client):
            client.register_plugin(_Unmoved())
            yield client


class _Unmoved(WorkerPlugin):
    """A Ctrl-C, which all processes of a terminal get, is for the one that makes a run durable."""

    name = "unmoved"

    def setup(self, worker: Worker) -> None:
        """Ignore it in the worker's process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _closing(client: Client) -> Iterator[None]:
    try:
        yield
    finally:
        # A scheduler that is gone does not say goodbye.
        with suppress(OSError, AssertionError):
            client.close(timeout=_PATIENCE)


@contextmanager
def _apart(variables: MutableMapping[str, str]) -> Iterator[None]:
    """Keep from workers what commands take from the environment: one of it is the token.

    What Dask's nannies set for those they start is taken back in the end.
    """
    before = dict(variables)
    for name in before:
        if name.startswith("SQUARE_"):
            del variables[name]
    try:
        yield
    finally:
        for name in variables.keys() - before.keys():
            del variables[name]
        variables.update(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Dask say nothing: what has to be known is raised here."""
    loggers = [logging.getLogger(name) for name in _LOGS]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings(), dask.config.set(_SETTINGS):
        warnings.filterwarnings("ignore", module=r"(dask|distributed|tornado)(\.|$)")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


def _refuse_unlike(client: Client, address: str, patience: float) -> None:
    """Raise ConfigError unless there are workers, and all would judge a batch as we do."""
    try:
        client.wait_for_workers(1, timeout=patience)
        found = client.run(facts, on_error="return", callback_timeout=2 * patience)
        # The scheduler only passes on what it is sent, but has to be of the same Dask.
        there = client.run_on_scheduler(
            importlib.metadata.version, "distributed", callback_timeout=2 * patience
        )
    except OSError as error:  # TimeoutError is one
        raise ConfigError(
            f"{address}: has no workers, or they do not answer: start some with square-etl[dask] "
            "installed"
        ) from error
    for worker, told in found.items():
        if told != facts():
            raise _unlike(worker, told)
    if there != facts()["distributed"]:
        raise ConfigError(
            f"the Dask scheduler {address} has distributed {there} instead of "
            f"{facts()['distributed']}: install the same here and there"
        )


def _unlike(worker: str, told: dict[str, str] | BaseException) -> ConfigError:
    if isinstance(told, BaseException):
        return _unable(f"the Dask worker {worker}", _in_one_line(told))
    unlike = [
        f"{name} {told.get(name, 'missing')} instead of {ours}"
        for name, ours in facts().items()
        if told.get(name) != ours
    ]
    return ConfigError(
        f"the Dask worker {worker} has {', '.join(unlike)}: install there what is installed here, "
        "or the same file could be judged in two ways"
    )


def _unable(who: str, why: str) -> ConfigError:
    return ConfigError(
        f"{who} cannot use square-etl ({why}): install square-etl[dask] there, the same as here"
    )


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(" .") or type(error).__name__


def _packed(item: object) -> bytes:
    return pickle.dumps(item, protocol=5)


def _sizes(under_way: Iterable[tuple[object, int]]) -> int:
    return sum(size for _, size in under_way)


# --- in the worker ------------------------------------------------------------------------------


def _sent() -> Callable[[dict[str, str], bytes, bytes], bytes | str]:
    """Return what is sent to workers: it begins anywhere, and fails nowhere.

    Dask logs what it cannot unpickle, and the arguments of what fails: they are people's data. A
    function inside a function is sent as code, not as a name that may not be known there.
    """

    def begin(ours: dict[str, str], said: bytes, item: bytes) -> bytes | str:
        try:
            from etl.engines.cluster import work

            return work(ours, said, item)
        except ImportError as error:
            return str(error)
        except Exception as error:
            return type(error).__name__

    return begin


@dataclass(frozen=True, slots=True)
class _Made:
    """What a worker made of an item, and what was raised instead of the rest."""

    results: list[Any]
    raised: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Foreign:
    """A worker that has another square-etl than the one that asked it."""

    worker: str
    facts: dict[str, str]


def work(ours: dict[str, str], said: bytes, item: bytes) -> bytes:
    """Do to an item what is said, and return what came of it, unless this would do another thing.

    What the task raises is part of that: for Dask, no batch fails.
    """
    if facts() != ours:
        return pickle.dumps(_Foreign(get_worker().address, facts()))
    made: list[Any] = []
    try:
        made.extend(pickle.loads(said)(pickle.loads(item)))
    except Exception as error:
        error.add_note(f"in a worker:\n{traceback.format_exc()}")
        return pickle.dumps(_Made(made, error), protocol=5)
    return pickle.dumps(_Made(made), protocol=5)


@functools.cache
def facts() -> dict[str, str]:
    """Return what decides how a batch is read and judged: versions, and a digest of our code."""
    place = Path(etl.__file__).parent
    code = hashlib.sha256()
    for path in sorted(place.rglob("*.py")):
        code.update(f"{path.relative_to(place)}\0".encode() + path.read_bytes())
    return {
        "square-etl": code.hexdigest()[:12],
        "Python": ".".join(map(str, sys.version_info[:2])),
        **{name: importlib.metadata.version(name) for name in _JUDGES},
    }
