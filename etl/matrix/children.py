"""How do several imports run at a time? Each is a process of its own, started anew.

Each has memory, signals and a crash of its own, and speaks by pipes: its log is its standard error,
one JSON object per line, its report its standard output. None shares a process group with this
one, so that a Ctrl-C at the terminal reaches each of them once: from here.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

# Whoever could not start may do so later.
INCOMPLETE = 4
# Seconds until it is looked again whether a process has ended, or a signal came.
_TICK = 0.1
_PIECE = 1 << 16
# Of a line that is no log's; what is longer is told in pieces.
_LONGEST = 1 << 20

_PACKAGE = Path(__file__).parents[1]

# Hears whose it is and what an import says: an object of its log, or ``said`` with a ``text``.
Hear = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Order:
    """An import to start: for whom, the arguments of ``square-etl``, and its environment."""

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """An import that is over: how, its report if it has one, and what was said last.

    ``status`` is the exit status; a negative one is the signal that ended the process.
    """

    name: str
    status: int
    seconds: float
    report: dict[str, Any] | None
    run_id: str
    error: str


def conduct(
    orders: Iterable[Order], at_once: int, hear: Hear, signals: Callable[[], Sequence[int]]
) -> Iterator[Ended]:
    """Run imports, so many at once, and yield each that has ended.

    ``signals`` returns those that came so far: each is passed on once to all that are at work, and
    after the first one no other is started. Left early, none is at work any more.
    """
    waiting, at_work, passed_on = deque(orders), list[_Child](), 0
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or at_work:
                for number in signals()[passed_on:]:
                    passed_on += 1
                    waiting.clear()
                    for child in at_work:
                        child.process.send_signal(number)
                while waiting and len(at_work) < at_once:
                    order = waiting.popleft()
                    try:
                        at_work.append(_Child(order, hear, selector))
                    except OSError as error:
                        told = f"no process could be started: {error.strerror}"
                        yield Ended(order.name, INCOMPLETE, 0.0, None, "", told)
                for key, _ in selector.select(_TICK):
                    key.data()
                for child in [each for each in at_work if each.process.poll() is not None]:
                    at_work.remove(child)
                    yield child.ended()
        finally:
            for child in at_work:
                child.process.send_signal(signal.SIGTERM)
            for child in at_work:
                # Nobody reads what it has to say.
                child.let_go()
                child.process.wait()


def _python() -> list[str]:
    """Return how Python is started, so that it finds this package, and nothing by chance."""
    # Without -P, modules of the current folder would come before all others.
    return [sys.executable, *([] if _PACKAGE.parent == Path.cwd() else ["-P"])]


class _Child:
    """A process at work, and what it has said so far."""

    def __init__(self, order: Order, hear: Hear, selector: selectors.BaseSelector) -> None:
        self._name = order.name
        self._hear = hear
        self._selector = selector
        self._report = bytearray()
        self._line = bytearray()
        self._run_id, self._error = "", ""
        self._begun = time.monotonic()
        self.process = subprocess.Popen(
            [*_python(), "-m", "etl.cli.child", str(os.getpid()), *order.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(order.environ),
            process_group=0,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._pipes: dict[IO[bytes], Callable[[bytes], None]] = {
            self.process.stdout: self._report.extend,
            self.process.stderr: self._listen,
        }
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, lambda pipe=pipe: self._read(pipe))

    def ended(self) -> Ended:
        """Take what is left in the pipes of a process that has ended, and tell how it did."""
        for pipe in list(self._pipes):
            while pipe in self._pipes and self._read(pipe):
                pass
        self.let_go()
        if self._line:
            self._listen(b"\n")
        try:
            report = orjson.loads(self._report)
        except orjson.JSONDecodeError:
            report = None
        seconds = time.monotonic() - self._begun
        return Ended(
            self._name, self.process.returncode, seconds, report, self._run_id, self._error
        )

    def let_go(self) -> None:
        """Close the pipes."""
        for pipe in list(self._pipes):
            self._close(pipe)

    def _read(self, pipe: IO[bytes]) -> bool:
        """Take what a pipe has; tell whether there was anything."""
        with suppress(BlockingIOError):
            if piece := os.read(pipe.fileno(), _PIECE):
                self._pipes[pipe](piece)
                return True
            # Its end.
            self._close(pipe)
        return False

    def _close(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        del self._pipes[pipe]
        pipe.close()

    def _listen(self, piece: bytes) -> None:
        self._line += piece
        *lines, rest = self._line.split(b"\n")
        if len(rest) > _LONGEST:
            lines.append(rest)
            rest = bytearray()
        self._line = bytearray(rest)
        for line in lines:
            if line:
                self._take(bytes(line))

    def _take(self, line: bytes) -> None:
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict) or "event" not in told:
            told = {"event": "said", "text": line.decode(errors="replace")}
        if told["event"] == "begin":
            self._run_id = str(told["run_id"])
        elif told["event"] in ("failed", "said"):
            self._error = str(told.get("error") or told["text"])
        self._hear(self._name, told)
