"""Tests of the lock: one run at a time, and the one at work is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.errors import LockedError
from etl.journal.lock import locked

_HOLDER = """
import sys
from pathlib import Path
from etl.journal.lock import locked
with locked(Path(sys.argv[1]), "import"):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder's lock."""
    command = [sys.executable, "-c", _HOLDER, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_the_holder_is_named_even_when_it_is_stopped(tmp_path: Path) -> None:
    """A second process is told which one holds the lock, also while that one is only stopped."""
    with held(tmp_path) as process:
        for _ in range(2):
            named = rf"process {process.pid} on \S+, import"
            with pytest.raises(LockedError, match=named), locked(tmp_path, "import"):
                pass
            os.kill(process.pid, signal.SIGSTOP)
        os.kill(process.pid, signal.SIGCONT)


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    """However a process dies, its lock dies with it."""
    with held(tmp_path) as process:
        process.kill()
        process.wait()
        with locked(tmp_path, "import"):
            assert f"process {os.getpid()} on" in (tmp_path / "lock").read_text()


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    """After the work, also when it failed, the next may begin, and nobody is named."""
    with pytest.raises(KeyError), locked(tmp_path, "import"):
        raise KeyError
    assert (tmp_path / "lock").read_text() == ""

    with locked(tmp_path, "resume"):
        assert (tmp_path / "lock").read_text().endswith(", resume\n")
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
        with pytest.raises(LockedError), locked(tmp_path, "import"):
            pass
