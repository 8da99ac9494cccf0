"""The journey for several merchants: who they are, then an import for each, then the summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from etl.engines import Choice
from etl.errors import ConfigError, EtlError, StateError, Unavailable
from etl.files.atomic import replacing
from etl.journal.lock import locked
from etl.journal.state import State
from etl.matrix import summary
from etl.matrix.children import INCOMPLETE, Hear, Order, conduct
from etl.matrix.identity import (
    Known,
    environ_for,
    homes,
    identified,
    opened,
    refuse_one_file_of_figures,
    refuse_one_merchant_twice,
    refuse_stranger,
    remember,
)
from etl.matrix.merchants import Entry, Wanted
from etl.matrix.summary import MatrixReport, OfMerchant
from etl.reports.report import as_json

_REFUSED = 2


class Passed(NamedTuple):
    """What every import is told besides: canary, tolerance, a log of every call, and the engine.

    Without an engine, each of several imports at a time reads and checks in its own process.
    """

    canary: int | None = None
    tolerate: str | None = None
    debug: bool = False
    engine: Choice = Choice()


@dataclass(frozen=True, slots=True)
class Edges:
    """What the journey takes from outside.

    ``confirm`` is given the merchants whose live directories are about to be written to, and raises
    if that is not wanted; ``hear`` hears what each import says. ``signals`` returns those that came
    so far, and ``sleep`` raises Interrupted after one.
    """

    now: Callable[[], datetime]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    environ: Mapping[str, str]
    hear: Hear
    confirm: Callable[[Sequence[Known]], None]
    signals: Callable[[], Sequence[int]]


class _KeptBack(NamedTuple):
    """An entry that is not imported, and why; with its merchant, if that is known."""

    entry: Entry
    error: EtlError
    merchant_id: str = ""


def import_matrix(wanted: Wanted, state: State, passed: Passed, edges: Edges) -> MatrixReport:
    """Import for all merchants of a file, several at a time, and return what became of each.

    What keeps one from being imported is in the summary and no matter of the others; the same call
    goes on with whatever was stopped. Raises ConfigError when two are one merchant, or share what
    each needs alone; LockedError while the same state is at work; StateError when there is no place
    for the summary.
    """
    state.prepare()
    begun, started_at = edges.clock(), _timestamp(edges)
    with locked(state.folder, "import --matrix"):
        _refuse_one_folder_twice(wanted, state)
        if state.matrix.is_dir():
            raise StateError(f"{state.matrix} is a folder, and the summary's place: move it away")
        ready, kept_back = _prepared(wanted, state, edges)
        if live := [known for known in ready if known.environment == "production"]:
            edges.confirm(live)
        ready, unusable = _remembering(ready)
        kept_back += unusable
        told = _left_out(wanted, state, edges, kept_back)
        told |= _imported(wanted, state, passed, edges, ready)
        report = summary.summed(
            wanted.file,
            [told[entry.name] for entry in wanted.entries],
            started_at,
            _timestamp(edges),
            edges.clock() - begun,
        )
        with replacing(state.matrix) as file:
            file.write(as_json(report))
        return report


def _refuse_one_folder_twice(wanted: Wanted, state: State) -> None:
    """Raise ConfigError where links make one folder of the states of two merchants."""
    seen: dict[Path, str] = {}
    for entry in wanted.entries:
        # Unlike Path.resolve, this bears a link to itself, which is told of that merchant alone.
        folder = Path(os.path.realpath(state.merchant(entry.name).folder))
        if before := seen.get(folder):
            raise ConfigError(
                f"the states of {before} and {entry.name} are one folder, {folder}: each merchant "
                "needs its own"
            )
        seen[folder] = entry.name


def _prepared(wanted: Wanted, state: State, edges: Edges) -> tuple[list[Known], list[_KeptBack]]:
    """Return who can be imported, and who cannot; nothing is written before that is known."""
    kept_back, readable = list[_KeptBack](), list[Known]()
    for entry in wanted.entries:
        try:
            readable.append(opened(entry, state.merchant(entry.name), edges.environ))
        except EtlError as error:
            kept_back.append(_KeptBack(entry, error))
    refuse_one_file_of_figures(readable)
    known = list[Known]()
    for asked, answer in zip(readable, identified(readable, edges.sleep), strict=True):
        if isinstance(answer, EtlError):
            kept_back.append(_KeptBack(asked.entry, answer))
        else:
            known.append(answer)
    refuse_one_merchant_twice(known)
    so_far, ready = homes(state), list[Known]()
    for each in known:
        try:
            refuse_stranger(each, so_far)
        except EtlError as error:
            kept_back.append(_KeptBack(each.entry, error, each.merchant_id))
        else:
            ready.append(each)
    return ready, kept_back


def _remembering(ready: Sequence[Known]) -> tuple[list[Known], list[_KeptBack]]:
    """Note whose each state is; return who can be imported, and whose state cannot be used."""
    kept_back, noted = list[_KeptBack](), list[Known]()
    for known in ready:
        try:
            remember(known)
        except EtlError as error:
            kept_back.append(_KeptBack(known.entry, error, known.merchant_id))
        else:
            noted.append(known)
    return noted, kept_back


def _imported(
    wanted: Wanted, state: State, passed: Passed, edges: Edges, ready: Sequence[Known]
) -> dict[str, OfMerchant]:
    """Import for all who are ready, and tell what became of each."""
    tokens = [entry.token_env for entry in wanted.entries if entry.token_env]
    again = summary.again(wanted.file, state)
    waiting, told = {known.entry.name: known for known in ready}, dict[str, OfMerchant]()
    if passed.engine.kind is None and min(wanted.at_once, len(ready)) > 1:
        passed = passed._replace(engine=Choice("local"))
    orders = [
        Order(known.entry.name, _arguments(known, passed), environ_for(known, tokens))
        for known in ready
    ]
    for ended in conduct(orders, wanted.at_once, edges.hear, edges.signals):
        known = waiting.pop(ended.name)
        told[ended.name] = summary.of_ended(known, ended, again)
    for name, known in waiting.items():
        why = "all were stopped before its turn"
        told[name] = summary.of_nothing(known.entry, known.merchant_id, why, INCOMPLETE, again)
    return told


def _arguments(known: Known, passed: Passed) -> list[str]:
    """Return the arguments of ``square-etl`` for one merchant; no token is among them."""
    entry = known.entry
    said = {
        "--config": entry.config,
        "--target": known.environment,
        "--base-url": entry.base_url,
        "--token-file": entry.token_file,
        "--state-dir": known.state.folder,
        "--canary": passed.canary,
        "--tolerate": passed.tolerate,
        "--engine": passed.engine.kind,
        "--workers": passed.engine.workers,
        "--dask-scheduler": passed.engine.scheduler or None,
        "--log-level": "debug" if passed.debug else None,
    }
    given = [f"{name}={value}" for name, value in said.items() if value is not None]
    return ["import", *given, "--yes", "--output=json", "--log-json=-", "--", *entry.sources]


def _left_out(
    wanted: Wanted, state: State, edges: Edges, kept_back: Sequence[_KeptBack]
) -> dict[str, OfMerchant]:
    """Tell why somebody is not imported."""
    again, told = summary.again(wanted.file, state), dict[str, OfMerchant]()
    for entry, error, merchant_id in kept_back:
        code = INCOMPLETE if isinstance(error, Unavailable) else _REFUSED
        told[entry.name] = summary.of_nothing(entry, merchant_id, str(error), code, again)
        failed = {"level": "error", "event": "failed", "exit_code": code, "error": str(error)}
        edges.hear(entry.name, failed)
    return told


def _timestamp(edges: Edges) -> str:
    return edges.now().isoformat(timespec="seconds").replace("+00:00", "Z")
