"""How far is it? A live line on a terminal, a plain line now and then elsewhere, on stderr."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from etl.errors import Interrupted

if TYPE_CHECKING:
    from etl.pipeline import Progress

_WORDS = {
    "read": "reading rows",
    "check": "checking rows",
    "plan": "reading the directory",
    "load": "sending requests",
    "attach": "adding groups and attributes",
    "detach": "taking back",
    "verify": "reading back",
    "collect": "collecting customers",
    "settle": "waiting until searches show all",
    "certify": "counting once more",
    "beside": "asking for what lies beside",
    "write": "writing",
}
_UNITS = {
    "read": "rows",
    "check": "rows",
    "plan": "profiles",
    "load": "requests",
    "attach": "additions",
    "detach": "calls",
    "verify": "profiles",
    "collect": "profiles",
    "settle": "seconds",
    "certify": "spans of time",
    "beside": "calls",
    "write": "rows",
}

# A run of less than a second is over before anybody reads about it.
_PATIENCE = 1.0
_REDRAW = 0.1
_PLAIN_EVERY = 10.0
_GRACE = 10
# Seconds in which a second signal is the first one once more: timeout(1) and systemd send it to a
# group, of which one process may have passed it on to another.
TWICE = 1.0


class Watcher:
    """Shows progress, and stops the run at its next durable step when a signal asked for it."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._quiet = quiet
        self._stage = ""
        self._begun = self._shown = time.monotonic()
        self._stage_begun = self._begun
        self._width = 0
        self._signal: int | None = None
        self._asked = 0.0

    def __call__(self, progress: Progress) -> None:
        """Hear of a durable step; raises Interrupted when a signal asked to stop."""
        self._stop_if_asked()
        now = time.monotonic()
        if progress.stage != self._stage:
            self._stage, self._stage_begun = progress.stage, now
        pause = _REDRAW if self._live else _PLAIN_EVERY
        if self._quiet or now - self._begun < _PATIENCE or now - self._shown < pause:
            return
        self._shown = now
        line = _line(progress, now - self._stage_begun)
        if self._live:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def sleep(self, seconds: float) -> None:
        """Wait, but not through a signal."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._stop_if_asked()
            time.sleep(min(left, 0.2))

    def _stop_if_asked(self) -> None:
        if self._signal is None:
            return
        if threading.current_thread() is threading.main_thread():
            signal.alarm(0)
            self._clear()
        raise Interrupted(
            f"stopped by {signal.Signals(self._signal).name}; everything up to here is kept"
        )

    def _clear(self) -> None:
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0

    @contextmanager
    def on_signals(self) -> Iterator[Watcher]:
        """Let SIGINT and SIGTERM stop the run gently; a second one stops it at once.

        A request that stays without an answer is left after ``_GRACE`` seconds: its writes are
        unknown then, and settled by the resume.
        """

        def note(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if self._signal is None:
                self._signal, self._asked = number, now
                signal.alarm(_GRACE)
            elif now - self._asked > TWICE:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)

        def give_up(number: int, frame: FrameType | None) -> None:
            self._stop_if_asked()

        handlers = {signal.SIGINT: note, signal.SIGTERM: note, signal.SIGALRM: give_up}
        before = {number: signal.signal(number, each) for number, each in handlers.items()}
        try:
            yield self
        finally:
            signal.alarm(0)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._clear()
            sys.stderr.flush()


def so_far(stage: str, done: int, total: int) -> str:
    """Return how far a stage is; total 0 is not known."""
    of = f" of {total:,}" if total else ""
    return f"{_WORDS[stage]}: {done:,}{of} {_UNITS[stage]}"


def _line(progress: Progress, seconds: float) -> str:
    rate = progress.done / seconds if seconds > 0 else 0.0
    line = f"{so_far(*progress)}, {rate:,.0f}/s"
    if not progress.total:
        return line
    left = (progress.total - progress.done) / rate if rate else 0.0
    return f"{line}, about {left:.0f} s left"
