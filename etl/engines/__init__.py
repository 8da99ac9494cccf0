"""Where do batches run: in this process, in several of this machine, or on a cluster?

An engine does one task to many items and gives the results in the order of the items, so that
nothing depends on which engine it was or how many workers it has.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar, get_args

from etl.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    from distributed import Client

_T = TypeVar("_T")
_R = TypeVar("_R")

Kind = Literal["local", "processes", "dask"]
# In this process, in others of this machine, or perhaps where none of its files are.
Where = Literal["process", "machine", "elsewhere"]

# Each further worker takes memory, and one process has to write what all of them found.
_MOST_WORKERS = 4


class Engine(Protocol):
    """Runs a task for many items."""

    @property
    def where(self) -> Where:
        """Tell where tasks are run."""

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item, in their order; only a few are under way at a time.

        The items are made in the caller's thread. What a task raises is raised here.
        """

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields, of every item, in their order.

        However much that is of all items, little of it is held at a time.
        """

    def dismiss(self) -> None:
        """Let helpers go; what is asked for from now on is done here."""


class Here:
    """Runs every task where it is asked for."""

    where: Where = "process"

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item."""
        return map(task, items)

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields, of every item."""
        return chain.from_iterable(map(task, items))

    def dismiss(self) -> None:
        """Do nothing: nobody helps."""


class Unstarted(Here):
    """Workers that could not be started: whoever asks first is told so, the next is served here.

    So a run that has begun stops as it does when workers are lost, and can be gone on with.
    """

    def __init__(self, workers: int, error: BaseException) -> None:
        while (before := error.__cause__ or error.__context__) is not None:
            error = before
        why = " ".join(str(error).split()).rstrip(" .") or type(error).__name__
        self._told: Interrupted | None = Interrupted(
            f"{workers} workers could not be started on this machine ({why}). Everything up to "
            "here is kept: make room, ask for fewer or choose another engine, and go on"
        )

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item; raises Interrupted when asked for the first time."""
        self._tell()
        return super().in_order(task, items)

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields; raises Interrupted when asked for the first time."""
        self._tell()
        return super().spread(task, items)

    def dismiss(self) -> None:
        """Serve here from now on."""
        self._told = None

    def _tell(self) -> None:
        told, self._told = self._told, None
        if told is not None:
            raise told


@dataclass(frozen=True, slots=True)
class Single:
    """A task that makes one result of an item, as one that makes any number."""

    task: Callable[[Any], Any]

    def __call__(self, item: Any) -> tuple[Any]:
        """Return the one result."""
        return (self.task(item),)


class Cut(NamedTuple):
    """How large the items are that sources are cut into; that changes nothing but memory."""

    rows: int = 1 << 16  # of a batch
    size: int = 8 << 20  # bytes of delimited text


USUAL = Cut()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which engine somebody asks for.

    No ``kind``: several processes when it pays. ``workers``: as many as this machine has cores, but
    not more than four. ``scheduler``: the address of a Dask cluster; "": one of this run's own.
    """

    kind: Kind | None = None
    workers: int | None = None
    scheduler: str = ""
    cut: Cut = USUAL


def chosen(kind: str | None, workers: int | None, scheduler: str | None) -> Choice:
    """Return the choice that was made in words; raises ConfigError when there is none like it."""
    if scheduler and kind not in (None, "dask"):
        raise ConfigError(f"a Dask scheduler is of no use to the engine {kind}: leave out one")
    if scheduler and workers is not None:
        raise ConfigError(
            f"the cluster of {scheduler} has workers of its own: leave out their number"
        )
    if kind == "local" and workers not in (None, 1):
        raise ConfigError("the engine local is one process: leave out the number of workers")
    if workers is not None and workers < 1:
        raise ConfigError(f"{workers} workers cannot be: say at least 1")
    if kind is not None and kind not in get_args(Kind):
        raise ConfigError(f"there is no engine {kind!r}: it is {', '.join(get_args(Kind))}")
    known: Kind | None = next((name for name in get_args(Kind) if name == kind), None)
    if scheduler is not None and not scheduler.strip():
        raise ConfigError("the address of the Dask scheduler is empty: give one, or leave it out")
    if known is None and scheduler:
        known = "dask"
    elif known is None and workers is not None:
        known = "processes"
    return Choice(known, workers, scheduler or "")


@dataclass(frozen=True, slots=True)
class Ready:
    """An engine that can be started: what it needs is there. ``client`` is of a given scheduler."""

    choice: Choice
    client: Client | None = None

    def started(self, size: int, scratch: Path) -> AbstractContextManager[Engine]:
        """Give the engine for so many bytes that are left to do; 0 is nothing for any engine.

        ``scratch`` is a name for a folder in which workers may put things aside.
        """
        choice = self.choice
        if not size or choice.kind == "local":
            return nullcontext(Here())
        if choice.kind == "dask":
            from etl.engines.cluster import at_work

            return at_work(self.client, choice.workers or _usual(), scratch)
        if choice.kind is None and (size <= choice.cut.size or _usual() == 1):
            return nullcontext(Here())
        return _several(choice.workers or _usual())


@contextmanager
def ready(choice: Choice) -> Iterator[Ready]:
    """Make sure that the engine can be used, and be connected with its scheduler if it has one.

    Raises ConfigError when it cannot be used.
    """
    if choice.kind != "dask":
        yield Ready(choice)
        return
    try:
        from etl.engines import cluster
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"the engine dask needs {missing.name}: python -m pip install 'square-etl[dask]'"
        ) from missing
    if not choice.scheduler:
        import multiprocessing

        # Set while a worker's new process runs the script that started it, up to its guard.
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise ConfigError(
                "workers begin by running the script that asked for them, which would ask again: "
                'put what it does under if __name__ == "__main__":'
            )
        yield Ready(choice)
        return
    with cluster.reached(choice.scheduler) as client:
        yield Ready(choice, client)


UNASKED = Ready(Choice())


@contextmanager
def _several(workers: int) -> Iterator[Engine]:
    """Give an engine of several processes, which are copies of this one.

    Where it has other threads, which copies would lack, or the system's own libraries do not stand
    being copied, threads have to do.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        from etl.engines.threads import Threads

        yield Threads(workers)
    else:
        from etl.engines.processes import Processes

        try:
            processes: Processes | Unstarted = Processes(workers)
        except OSError as error:
            processes = Unstarted(workers, error)
        try:
            yield processes
        finally:
            processes.dismiss()


def _usual() -> int:
    return min(_cores(), _MOST_WORKERS)


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
