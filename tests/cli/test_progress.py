"""Progress: a live line for people, plain lines for logs, and a gentle stop."""

from __future__ import annotations

import io
import os
import signal
import time

import pytest

from etl.cli.progress import Watcher
from etl.errors import Interrupted
from etl.pipeline import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Be one."""
        return True


def test_a_short_run_shows_nothing() -> None:
    """What is over within a second shows no progress."""
    stream = Terminal()
    Watcher(stream, quiet=False)(Progress("read", 10, 0))
    assert stream.getvalue() == ""


def test_a_terminal_gets_one_live_line() -> None:
    """On a terminal the line is drawn over itself, with rate and time left."""
    stream = Terminal()
    watcher = Watcher(stream, quiet=False)
    watcher(Progress("load", 0, 40))
    time.sleep(1.1)
    watcher(Progress("load", 10, 40))
    assert stream.getvalue().startswith("\rsending requests: 10 of 40 requests, ")
    assert "about 3 s left" in stream.getvalue()
    assert "\n" not in stream.getvalue()


def test_quiet_shows_nothing() -> None:
    """With ``--quiet`` there is no progress however long it takes."""
    stream = Terminal()
    watcher = Watcher(stream, quiet=True)
    time.sleep(1.1)
    watcher(Progress("read", 10, 0))
    assert stream.getvalue() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_at_the_next_step(number: signal.Signals) -> None:
    """A signal ends the run at its next durable step, and a wait at once."""
    before = signal.getsignal(number)
    with Watcher(io.StringIO(), quiet=False).on_signals() as watcher:
        watcher(Progress("read", 1, 0))
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted, match=number.name):
            watcher(Progress("read", 2, 0))
        begun = time.monotonic()
        with pytest.raises(Interrupted, match=number.name):
            watcher.sleep(60)
        assert time.monotonic() - begun < 5
    assert signal.getsignal(number) == before
