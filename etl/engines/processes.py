"""How do several processes of this machine share the batches of one run?

Each worker is a copy of this process (a fork), made before it opened any database; from then on
both ends of a socket, and the files of this machine, are all they share. Tasks, items and results
travel pickled, large buffers beside the pickle, so that bytes a worker made are passed on as they
are.

What a worker that was killed had been given is done again by the others, but for the results that
had arrived; an item that kills a second worker, or the end of the last one, ends the run.

A worker lives no longer than the process that made it: the end of the socket ends it, whatever it
is doing. Signals that ask a run to stop are for the process that makes the run durable; workers
have nothing to lose and wait for its word.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import queue
import select
import signal
import socket
import struct
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar

import numpy as np

from etl.engines import Single, Where
from etl.errors import Interrupted

_T = TypeVar("_T")
_R = TypeVar("_R")

# Items a worker has been given: the one it works at, and the next, so that it never waits.
_AT_HAND = 2
# How many items may wait for their turn for each worker, and how many results of one of them.
_WAITING = 2
# Workers that die of one item before it is given to no more of them.
_DEADLY = 2
# A result that was made, an error that was raised instead, or the end of an item.
_Answer = tuple[Literal["made", "raised", "end"], Any]

_HEAD = struct.Struct("<QI")
_SIZE = struct.Struct("<Q")


class _Gone(Exception):
    """The other end of the socket was closed."""


@dataclass(slots=True)
class _Worker:
    """A process, the socket to it, and the numbers of the items it was given."""

    pid: int
    channel: socket.socket
    given: deque[int] = field(default_factory=deque)

    def load(self) -> int:
        """Return how many items it has to do."""
        return len(self.given)


@dataclass(slots=True)
class _Item:
    """An item under way, and what came of it and was not handed on yet."""

    value: Any
    answers: deque[_Answer] = field(default_factory=deque)
    made: int = 0  # results that came of it, handed on or not
    killed: int = 0  # workers that died of it
    given: bool = False  # to a worker that lives
    done: bool = False

    def take(self, answer: _Answer) -> None:
        """Keep what came of it."""
        self.answers.append(answer)
        if answer[0] == "made":
            self.made += 1
        else:
            self.done, self.value = True, None


class Processes:
    """Runs tasks in several processes; made when this process has one thread, left when done."""

    where: Where = "machine"

    def __init__(self, workers: int) -> None:
        self._workers: list[_Worker] = []
        try:
            for _ in range(workers):
                self._workers.append(_born())
        except OSError:
            self.dismiss()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.dismiss()

    def dismiss(self) -> None:
        """End the workers; what is asked for from now on is done here."""
        for worker in self._workers:
            worker.channel.close()
            # It may be in the middle of something nobody asks for any more.
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
        while self._workers:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._workers.pop().pid, 0)

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item, in their order.

        Raises Interrupted when nobody is left who could do it.
        """
        return self.spread(Single(task), items)

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields, of every item, in their order.

        Raises Interrupted when nobody is left who could do it.
        """
        if not self._workers:
            yield from chain.from_iterable(map(task, items))
            return
        self._forget()
        for worker in self._workers:
            _tell(worker, task=task)
        coming, turn = enumerate(items), 0
        under_way: dict[int, _Item] = {}
        while True:
            self._hand_out(under_way, coming)
            if not under_way:
                return
            # Of the item whose turn it is, nothing is kept.
            answers = under_way[turn].answers
            if not answers:
                self._hear(turn, under_way)
                continue
            kind, value = answers.popleft()
            if kind == "end":
                del under_way[turn]
                turn += 1
            elif kind == "raised":
                raise value
            else:
                yield value

    def _hand_out(self, under_way: dict[int, _Item], coming: Iterator[tuple[int, Any]]) -> None:
        """Give items to workers that have too few: those first that a dead one has left."""
        most = _AT_HAND + _WAITING * len(self._workers)
        while (worker := min(self._workers, key=_Worker.load)).load() < _AT_HAND:
            left = (at for at, item in under_way.items() if not (item.given or item.done))
            number = next(left, None)
            if number is None:
                if len(under_way) >= most or (more := next(coming, None)) is None:
                    return
                number, value = more
                under_way[number] = _Item(value)
            item = under_way[number]
            item.given = True
            worker.given.append(number)
            _tell(worker, item=item)

    def _hear(self, turn: int, under_way: dict[int, _Item]) -> None:
        """Wait for answers.

        A worker that is far ahead of its turn is not listened to, unless it is the one that will
        come to whose turn it is, for which a dead worker left it behind something else.
        """
        listening = select.poll()
        at_work = [worker for worker in self._workers if worker.given]
        someone = any(worker.given[0] == turn for worker in at_work)
        for worker in at_work:
            number = worker.given[0]
            if not someone or number == turn or len(under_way[number].answers) < _WAITING:
                listening.register(worker.channel, select.POLLIN)
        ready = {descriptor for descriptor, _ in listening.poll()}
        for worker in at_work:
            if worker.channel.fileno() in ready:
                number = worker.given[0]
                if (answer := _answer(worker)) is None:
                    self._mourn(worker, under_way)
                else:
                    under_way[number].take(answer)

    def _forget(self) -> None:
        """Take and drop what is still under way of a task that was left in the middle."""
        for worker in tuple(self._workers):
            while worker.given:
                if _answer(worker) is None:
                    self._mourn(worker, {})
                    break

    def _mourn(self, worker: _Worker, under_way: dict[int, _Item]) -> None:
        """Let others take over what a dead worker was given.

        Raises Interrupted when there are none, or it was not the first to die of its item.
        """
        self._workers.remove(worker)
        worker.channel.close()
        _, status = os.waitpid(worker.pid, 0)
        left = [under_way[number] for number in worker.given if number in under_way]
        for item in left:
            item.given = False
        for item in left[:1]:
            item.killed += 1
        if self._workers and all(item.killed < _DEADLY for item in left):
            return
        self.dismiss()
        code = os.waitstatus_to_exitcode(status)
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        raise Interrupted(
            f"process {worker.pid}, one of several at work on this run, was ended by {how}. "
            "Everything up to here is kept; a machine short of memory ends processes so: make "
            "room, and go on"
        )


def _tell(worker: _Worker, task: Any = None, item: _Item | None = None) -> None:
    """Send a worker its next item, or what is to be done to each.

    One that is dead does not hear it, nor will there be an answer: then it is known to be dead.
    """
    with contextlib.suppress(OSError):
        _send(worker.channel, (task, None, 0) if item is None else (None, item.value, item.made))


def _answer(worker: _Worker) -> _Answer | None:
    """Return the next answer of a worker, None when it is dead.

    With the end of an item it is done with it.
    """
    try:
        answer: _Answer = _receive(worker.channel)
    except (_Gone, OSError):
        return None
    if answer[0] != "made":
        worker.given.popleft()
    return answer


def _born() -> _Worker:
    ours, theirs = socket.socketpair()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        try:
            _live(theirs)
        finally:
            os._exit(1)
    theirs.close()
    return _Worker(pid, ours)


# --- in the worker ------------------------------------------------------------------------------


def _live(channel: socket.socket) -> NoReturn:
    """Do what is asked until the other end is closed."""
    signal.alarm(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _let_go(channel.fileno())
    # What was inherited is never collected: looking at it would copy its pages. Of what a batch
    # makes nearly nothing is garbage before its end.
    gc.freeze()
    gc.set_threshold(100_000)
    asked: queue.Queue[Any] = queue.Queue(1)
    threading.Thread(target=_listen, args=(channel, asked), daemon=True).start()
    task: Callable[[Any], Iterable[Any]] | None = None
    while True:
        said, item, made_before = asked.get()
        if said is not None:
            task = said
            continue
        assert task is not None
        try:
            for made in islice(task(item), made_before, None):
                _send(channel, ("made", made))
        except Exception as error:
            error.add_note(f"in a worker:\n{traceback.format_exc()}")
            _send(channel, ("raised", error))
        else:
            _send(channel, ("end", None))


def _let_go(kept: int) -> None:
    """Close everything inherited, or the locks and sockets of a dead process would live on."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.closerange(3, kept)
    os.closerange(kept + 1, max(map(int, os.listdir("/proc/self/fd"))) + 1)


def _listen(channel: socket.socket, asked: queue.Queue[Any]) -> None:
    """Take the next item while the one before it is worked at; the end ends this process."""
    try:
        while True:
            asked.put(_receive(channel))
    finally:
        os._exit(0)


# --- messages -----------------------------------------------------------------------------------


def _send(channel: socket.socket, message: Any) -> None:
    buffers: list[pickle.PickleBuffer] = []
    said = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    beside = [buffer.raw() for buffer in buffers]
    head = _HEAD.pack(len(said), len(beside))
    channel.sendall(b"".join([head, *(_SIZE.pack(part.nbytes) for part in beside), said]))
    for part in beside:
        channel.sendall(part)


def _receive(channel: socket.socket) -> Any:
    length, parts = _HEAD.unpack(_exactly(channel, _HEAD.size))
    sizes = [_SIZE.unpack(_exactly(channel, _SIZE.size))[0] for _ in range(parts)]
    said = _exactly(channel, length)
    beside = [_exactly(channel, size) for size in sizes]
    return pickle.loads(said, buffers=beside)


def _exactly(channel: socket.socket, size: int) -> memoryview:
    # Unlike a bytearray, it is not filled with zeros first.
    held = np.empty(size, "u1").data
    view = held
    while view:
        got = channel.recv_into(view)
        if not got:
            raise _Gone
        view = view[got:]
    return held
