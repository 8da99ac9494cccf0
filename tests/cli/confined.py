"""How does a command fare that may use only so much memory?

``Confined`` runs ``square-etl`` commands one after another, each in a process of its own that was
forked when everything costly was loaded, with a limit to its memory (RLIMIT_DATA).
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

SECONDS = 120


class Done(NamedTuple):
    """How a command ended: exit status (minus the signal that killed it), and what it printed."""

    status: int
    out: str
    err: str


class Confined:
    """A process that runs commands in ``folder``, each with at most ``memory`` bytes of memory."""

    def __init__(self, folder: Path, memory: int) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.cli.confined", str(folder), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Another allocator would set a GiB of addresses aside.
            env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.communicate(timeout=SECONDS)

    def run(self, *arguments: str) -> Done:
        """Run ``square-etl`` with these arguments."""
        assert self._server.stdin
        assert self._server.stdout
        print(json.dumps(arguments), file=self._server.stdin, flush=True)
        return Done(*json.loads(self._server.stdout.readline()))


def _serve(folder: str, memory: int) -> None:
    # What costs time is loaded once.
    for name in ("duckdb", "phonenumbers", "etl.files.parquet", "etl.pipeline", "etl.target"):
        importlib.import_module(name)
    from etl.cli import main

    os.chdir(folder)
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
                signal.alarm(SECONDS)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                _exit_as(main, json.loads(line))
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode("utf-8", "replace"))
        print(json.dumps([code, *said]), flush=True)


def _exit_as(main: object, arguments: Sequence[str]) -> None:
    code: object = 70
    try:
        main(arguments, prog_name="square-etl")  # type: ignore[operator]
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 70)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
