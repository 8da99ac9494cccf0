"""How do several processes of this machine share the batches of one run?

Each worker is a copy of this process (a fork), made before it opened any database; from then on
both ends of a socket are all they share. Tasks, items and results travel pickled, large buffers
beside the pickle, so that bytes a worker made are passed on as they are.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar

from etl.engines import Single
from etl.errors import Interrupted

_T = TypeVar("_T")
_R = TypeVar("_R")

# Items a worker has been given: the one it works at, and the next, so that it never waits.
_AT_HAND = 2
# How many items may wait for their turn for each worker, and how many results of one of them.
_WAITING = 2
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


class Processes:
    """Runs tasks in several processes; made when this process has one thread, left when done."""

    afar = False

    def __init__(self, workers: int) -> None:
        self._workers: list[_Worker] = []
        for _ in range(workers):
            self._workers.append(_born())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.dismiss()

    def dismiss(self) -> None:
        """End the workers; what is asked for from now on is done here."""
        while self._workers:
            worker = self._workers.pop()
            worker.channel.close()
            # It may be in the middle of something nobody asks for any more.
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(worker.pid, 0)

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Yield ``task(item)`` of every item, in their order.

        Raises Interrupted when a worker was killed.
        """
        return self.spread(Single(task), items)

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Yield what ``task(item)`` yields, of every item, in their order.

        Raises Interrupted when a worker was killed.
        """
        if not self._workers:
            yield from chain.from_iterable(map(task, items))
            return
        self._forget()
        for worker in self._workers:
            self._give(worker, None, task)
        coming, turn = enumerate(items), 0
        # What has come of each item before its turn; of that whose turn it is, nothing is kept.
        made: dict[int, deque[_Answer]] = {}
        while True:
            for number, item in islice(coming, self._room(len(made))):
                self._give(min(self._workers, key=_Worker.load), number, item)
                made[number] = deque()
            if not made:
                return
            if not made[turn]:
                self._hear(turn, made)
                continue
            kind, value = made[turn].popleft()
            if kind == "end":
                del made[turn]
                turn += 1
            elif kind == "raised":
                raise value
            else:
                yield value

    def _room(self, made: int) -> int:
        """Return how many items more may be under way, of which so many are."""
        most = _AT_HAND + _WAITING * len(self._workers)
        idle = sum(_AT_HAND - worker.load() for worker in self._workers)
        return max(0, min(most - made, idle))

    def _hear(self, turn: int, made: dict[int, deque[_Answer]]) -> None:
        """Wait for answers; a worker that is far ahead of its turn is not listened to."""
        listening = select.poll()
        at_work = [worker for worker in self._workers if worker.given]
        for worker in at_work:
            if worker.given[0] == turn or len(made[worker.given[0]]) < _WAITING:
                listening.register(worker.channel, select.POLLIN)
        ready = {descriptor for descriptor, _ in listening.poll()}
        for worker in at_work:
            if worker.channel.fileno() in ready:
                number = worker.given[0]
                made[number].append(self._answer(worker))

    def _forget(self) -> None:
        """Take and drop what is still under way of a task that was left in the middle."""
        for worker in self._workers:
            while worker.given:
                self._answer(worker)

    def _give(self, worker: _Worker, number: int | None, said: Any) -> None:
        """Send a worker its next item, or, without a number, what is to be done to each."""
        try:
            _send(worker.channel, (number is None, said))
        except OSError:
            self._mourn(worker)
        if number is not None:
            worker.given.append(number)

    def _answer(self, worker: _Worker) -> _Answer:
        """Return the next answer of a worker; with the end of one it is done with its item."""
        try:
            answer: _Answer = _receive(worker.channel)
        except (_Gone, OSError):
            self._mourn(worker)
        if answer[0] != "made":
            worker.given.popleft()
        return answer

    def _mourn(self, worker: _Worker) -> NoReturn:
        _, status = os.waitpid(worker.pid, 0)
        self.dismiss()
        code = os.waitstatus_to_exitcode(status)
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        raise Interrupted(
            f"process {worker.pid}, one of several at work on this run, was ended by {how}. "
            "Everything up to here is kept; a machine short of memory ends processes so: make "
            "room, and go on"
        )


def _born() -> _Worker:
    ours, theirs = socket.socketpair()
    pid = os.fork()
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
        is_task, said = asked.get()
        if is_task:
            task = said
            continue
        assert task is not None
        try:
            for made in task(said):
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
    beside: Sequence[bytearray] = [_exactly(channel, size) for size in sizes]
    return pickle.loads(said, buffers=beside)


def _exactly(channel: socket.socket, size: int) -> bytearray:
    held = bytearray(size)
    view = memoryview(held)
    while view:
        got = channel.recv_into(view)
        if not got:
            raise _Gone
        view = view[got:]
    return held
