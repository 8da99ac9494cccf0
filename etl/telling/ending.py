"""How did a command end, in a few figures that may go anywhere?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl.config import Ending

_ENDINGS: dict[int, Ending] = {0: "success", 3: "attention"}

# What of a report goes along as it is.
_KEPT = ("run_id", "status", "target", "merchant_id", "started_at", "finished_at", "balanced")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that is over: with a report, or with an ``error`` in the words of the screen."""

    command: str
    exit_code: int
    seconds: float
    report: Mapping[str, Any]
    error: str = ""

    @property
    def ending(self) -> Ending:
        """What kind of ending this is."""
        return _ENDINGS.get(self.exit_code, "failure")


def summary(ended: Ended) -> dict[str, Any]:
    """Return what is told of it: counts, times, and why it stopped. It names nobody."""
    report = ended.report
    told: dict[str, Any] = {
        "text": _text(ended),
        "command": ended.command,
        "ending": ended.ending,
        "exit_code": ended.exit_code,
        "seconds": round(ended.seconds, 3),
        **{name: report[name] for name in _KEPT if name in report},
    }
    if "sources" in report:
        told["sources"] = [each["path"] for each in report["sources"]]
    if "rows" in report:
        told["rows"] = report["rows"]
    for name in ("reasons", "repairs"):
        if name in report:
            told[name] = {code: sum(fields.values()) for code, fields in report[name].items()}
    for name in ("verified", "requests", "unusual"):
        if name in report:
            told[name] = report[name]
    if "requests" in report:
        told["stage_seconds"] = report["seconds"]
    told["stopped"] = ended.error or report.get("stopped")
    return told


def _text(ended: Ended) -> str:
    """Return one sentence, as chats show it."""
    report = ended.report
    what = f"square-etl {ended.command}"
    if "run_id" in report:
        what += f" {report['run_id']}"
    if ended.error:
        return f"{what}: exit {ended.exit_code}: {ended.error}"
    rows = report.get("rows")
    if isinstance(rows, int):
        counts = f"{rows:,} rows"
    else:
        counts = ", ".join(f"{count:,} {name}" for name, count in (rows or {}).items() if count)
    told = f"{what}: {report.get('status')}, exit {ended.exit_code}"
    return ": ".join(filter(None, [told, counts, report.get("stopped") or ""]))
