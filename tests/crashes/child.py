"""How does an import die at exactly one point? A script: it imports files and kills itself.

``python tests/crashes/child.py '{"state": …, "sources": […], "at": 7}'``; with ``"plan": RUN``
instead of sources it carries out a plan.

Three kinds of points are counted together, and at number ``at`` the process sends itself SIGKILL:

- ``told``: every call of ``World.watch``, that is every durable step of the journey;
- ``wire``: right before a request leaves, and right after its answer came in (Square has carried
  it out, the journal does not know yet);
- ``durable``: right before anything is made durable: a transaction begun or committed, a statement
  outside one, a file opened for writing, renamed or removed. Python's audit events tell of them,
  so the product needs no hook.

Without ``at`` the import runs to its end and the points it passed are printed as JSON. ``faults``
is a plan for the embedded sandbox, ``settings`` the config. ``salt`` is a bug on purpose:
idempotency keys as another attempt would make them if they came from chance.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from etl.config import Config, parse
from etl.journal.state import State
from etl.pipeline import Progress, Square, World, apply_plan, import_customers, planned
from etl.sandbox import Sandbox
from etl.square.client import SquareClient
from etl.square.wire import Call
from etl.target import LOCAL_URL

_FILES = {"os.rename": "rename", "os.mkdir": "mkdir", "os.remove": "remove"}
# Statements that make nothing durable outside a transaction.
_IDLE = ("SELECT", "PRAGMA", "BEGIN")
_WRITING = os.O_WRONLY | os.O_RDWR
_TEMPORARY = re.compile(r"partial-\w+|\d{8}T\w+-\w+")


@dataclass(slots=True)
class Fuse:
    """Counts points from 1; at number ``at`` the process is gone."""

    at: int
    passed: list[str] = field(default_factory=list)

    def __call__(self, point: str) -> None:
        """Pass one point."""
        self.passed.append(point)
        if len(self.passed) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class Wire(httpx.BaseTransport):
    """The way to Square, with a point before each request and one after its answer."""

    def __init__(self, inner: httpx.BaseTransport, fuse: Fuse, salt: str) -> None:
        self._inner = inner
        self._fuse = fuse
        self._salt = salt.encode()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        name = request.url.path.rpartition("/")[2]
        self._fuse(f"wire before {name}")
        try:
            return self._salted(request) if self._salt else self._inner.handle_request(request)
        finally:
            self._fuse(f"wire after {name}")

    def _salted(self, request: httpx.Request) -> httpx.Response:
        theirs = b'"' + self._salt + b"-"
        content = request.read().replace(b'"se-', theirs)
        length = {"content-length": str(len(content))}
        headers = {**request.headers, **length}
        sent = httpx.Request(
            request.method,
            request.url,
            headers=headers,
            content=content,
            extensions=request.extensions,
        )
        answer = self._inner.handle_request(sent)
        return httpx.Response(answer.status_code, content=answer.read().replace(theirs, b'"se-'))


def watch_disk(fuse: Fuse, folder: Path) -> None:
    """Let the fuse hear of everything that is about to become durable below ``folder``."""
    inside = str(folder)

    def opened(connection: sqlite3.Connection) -> None:
        def traced(statement: str) -> None:
            verb = " ".join(statement.split(None, 3)[:3])
            whole = verb.startswith(("BEGIN IMMEDIATE", "COMMIT"))
            if whole or not (connection.in_transaction or verb.startswith(_IDLE)):
                fuse(f"durable {verb}")

        def used(frame: FrameType, event: str, function: Any) -> None:
            # The audit event comes from inside connect, where the connection is not usable yet.
            if event == "c_call" and getattr(function, "__self__", None) is connection:
                sys.setprofile(None)
                connection.set_trace_callback(traced)

        sys.setprofile(used)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect/handle":
            opened(arguments[0])
        changes = event in _FILES or (event == "open" and arguments[2] & _WRITING)
        # A file that is open already is named by its number.
        if changes and str(arguments[0]).startswith(inside):
            fuse(f"durable {_FILES.get(event, event)} {_named(arguments[0])}")

    sys.addaudithook(hook)


def _named(path: Any) -> str:
    return _TEMPORARY.sub("…", Path(os.fsdecode(path)).name)


def main(order: dict[str, Any]) -> int:
    """Carry out one import as ordered; return its exit code."""
    fuse = Fuse(order.get("at", 0))
    state = State(Path(order["state"]))
    watch_disk(fuse, state.folder)
    state.prepare()
    sandbox = Sandbox(state.sandbox)
    if order.get("faults"):
        sandbox.control("faults", {"plan": order["faults"], "seed": order.get("seed", 0)})
    wire = Wire(sandbox.transport(), fuse, order.get("salt", ""))

    def connect(observe: Callable[[Call], None]) -> SquareClient:
        return SquareClient(
            wire,
            LOCAL_URL,
            sandbox.token,
            Config().target.square_version,
            clock=time.monotonic,
            sleep=lambda seconds: None,
            chance=random.Random(1),
            observe=observe,
        )

    def watch(progress: Progress) -> None:
        fuse(f"told {progress.stage}")

    world = World(
        now=lambda: datetime.now(UTC),
        clock=time.monotonic,
        chance=random.SystemRandom(),
        announce=lambda run: None,
        note=lambda text: None,
        watch=watch,
        sleep=lambda seconds: None,
    )
    square = Square("local", LOCAL_URL, connect)
    settings = parse(order.get("settings", {}), "order")
    if plan := order.get("plan"):
        made = Config.model_validate_json(planned(plan, state)[0].config)
        report = apply_plan(plan, made, state, square, world)
    else:
        report = import_customers(order["sources"], settings, state, square, world)
    sandbox.close()
    print(json.dumps(fuse.passed))
    return int(report["exit_code"])


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
