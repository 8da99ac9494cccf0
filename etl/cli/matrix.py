"""``square-etl import --matrix``: an import for each of several merchants."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

import etl.cli.lean  # noqa: F401  # first, as it says
from etl.cli import session
from etl.cli.following import following
from etl.cli.options import Asked, Logging
from etl.cli.progress import TWICE
from etl.engines import chosen
from etl.errors import ConfigError, Interrupted
from etl.journal.state import State
from etl.matrix.identity import Known
from etl.matrix.journey import Edges, Passed, import_matrix
from etl.matrix.merchants import load

# Seconds until it is looked whether a signal has come.
_TICK = 0.2


def import_for_merchants(
    file: Path,
    state_dir: Path,
    *,
    yes: bool,
    canary: int | None,
    tolerate: str | None,
    engine: Asked,
    log: Logging,
    output: str,
    quiet: bool,
) -> int:
    """Import for the merchants of a file and return the exit code of them all."""
    with following("import", log, quiet=quiet) as told, _signals() as (received, sleep):
        # Said wrong, it would be refused by every import.
        session.configured(None, None, None, tolerate)

        def confirm(merchants: Sequence[Known]) -> None:
            if not yes:
                _confirm(merchants)

        edges = Edges(
            now=lambda: datetime.now(UTC),
            clock=time.monotonic,
            sleep=sleep,
            environ=os.environ,
            hear=told.hear,
            confirm=confirm,
            signals=lambda: received,
        )
        state = State(state_dir)
        passed = Passed(canary, tolerate, log.debug, chosen(*engine))
        report = import_matrix(load(file), state, passed, edges)
        return told.show_matrix(report, state, output)


@contextmanager
def _signals() -> Iterator[tuple[list[int], Callable[[float], None]]]:
    """Note SIGINT and SIGTERM instead of ending by them; give those, and a sleep that heeds them.

    Each import is stopped gently by the first, and at once by the second.
    """
    received, last = list[int](), -math.inf

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > TWICE:
            received.append(number)

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if received:
                raise Interrupted(f"stopped by {signal.Signals(received[0]).name}")
            time.sleep(min(left, _TICK))

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received, sleep
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _confirm(merchants: Sequence[Known]) -> None:
    """Ask before live directories are written to, once for all of them."""
    names = ", ".join(
        f"{known.entry.name}: {known.merchant.business_name} ({known.merchant_id})"
        for known in merchants
        if known.merchant
    )
    if not sys.stdin.isatty():
        raise ConfigError(f"this would write to the live directories of {names}: say --yes")
    noting = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        click.confirm(f"Write to the live directories of {names}?", abort=True)
    finally:
        signal.signal(signal.SIGINT, noting)
