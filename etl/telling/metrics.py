"""What does Prometheus learn of the last run? A file for the node exporter's textfile collector."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from etl.files.atomic import replacing
from etl.telling.ending import Ended

_SUCCESS = "square_etl_last_success_timestamp_seconds"

Samples = Iterator[tuple[str, str, Mapping[str, str], float]]  # name, help, labels, value


def write(path: Path, ended: Ended, finished: float) -> None:
    """Replace the file by the figures of a command that ended at the Unix time ``finished``.

    The time of the last success is carried over from the file that was there. Everybody may read
    the file: the exporter is another user, and it names nobody. Raises OSError.
    """
    labels = {"command": ended.command, "target": str(ended.report.get("target", ""))}
    success = finished if ended.exit_code == 0 else last_success(path, ended.command)
    text = exposition(ended, finished, success, labels)
    with replacing(path) as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text.encode())


def last_success(path: Path, command: str) -> float | None:
    """Return when ``command`` last ended with exit 0, as an earlier file has it."""
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            found = re.fullmatch(rf'{_SUCCESS}{{command="([a-z ]+)"}} ([0-9.e+]+)', line)
            if found and found[1] == command:
                return float(found[2])
    return None


def exposition(
    ended: Ended, finished: float, success: float | None, labels: Mapping[str, str]
) -> str:
    """Return the figures in Prometheus' text format, version 0.0.4."""
    lines: list[str] = []
    told = ""
    for name, meaning, further, value in _samples(ended, finished, success, labels):
        if name != told:
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
            told = name
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in further.items())
        lines.append(f"{name}{{{shown}}} {value!r}")
    return "\n".join(lines) + "\n"


def _samples(
    ended: Ended, finished: float, success: float | None, labels: Mapping[str, str]
) -> Samples:
    report, prefix = ended.report, "square_etl_last_run"
    yield f"{prefix}_timestamp_seconds", "When the last run ended.", labels, float(finished)
    yield f"{prefix}_exit_code", "How the last run ended.", labels, ended.exit_code
    yield f"{prefix}_duration_seconds", "How long it took.", labels, round(ended.seconds, 3)
    if success is not None:
        only = {"command": ended.command}
        yield _SUCCESS, "When a run last ended with exit 0.", only, float(success)
    rows = report.get("rows")
    if isinstance(rows, int):
        rows = {"exported": rows}
    for outcome, count in (rows or {}).items():
        if outcome == "read":
            yield f"{prefix}_rows_read", "Rows of its sources.", labels, count
    for outcome, count in (rows or {}).items():
        if outcome != "read":
            told = "Rows by what became of them."
            yield f"{prefix}_rows", told, {**labels, "outcome": outcome}, count
    for result, count in report.get("verified", {}).items():
        told = "Written profiles that were read back."
        yield f"{prefix}_verified", told, {**labels, "result": result}, count
    for name, meaning in (
        ("calls", "Calls to Square, every attempt."),
        ("retries", "Attempts that repeated a call."),
        ("rate_limited", "Attempts that Square answered with 429."),
        ("errors", "Attempts without a good answer."),
    ):
        for endpoint, counts in report.get("requests", {}).items():
            where = {**labels, "endpoint": endpoint}
            yield f"{prefix}_{name}", meaning, where, counts[name]
    for stage, seconds in report.get("seconds", {}).items():
        told = "How long each stage took."
        yield f"{prefix}_stage_seconds", told, {**labels, "stage": stage}, seconds


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
