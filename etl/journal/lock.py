"""Is another run at work on this state folder?"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.errors import LockedError


@contextmanager
def locked(folder: Path, purpose: str) -> Iterator[Callable[[], None]]:
    """Hold the folder's lock; the kernel releases it when the process dies, however it dies.

    Raises LockedError naming the holder, even when that process is merely stopped. Yields a check
    that raises it once the lock is not this process's any more: somebody removed the file, or the
    whole folder, and another run may be at work.
    """
    with open(folder / "lock", "a+", encoding="utf-8", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "a process that has not said its name yet"
            raise LockedError(
                f"another run is at work on {folder}: {holder}. "
                "Wait until it ends, or stop it; its work is not lost."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}, {purpose}\n")
        file.flush()

        def check() -> None:
            try:
                there = os.stat(file.name)
            except FileNotFoundError:
                there = None
            if there is None or not os.path.samestat(there, os.fstat(file.fileno())):
                raise LockedError(
                    f"the lock of {folder} was removed while this run was at work. It stops, so "
                    "that no other run is disturbed; give the same command again."
                )

        try:
            yield check
        finally:
            file.truncate(0)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
