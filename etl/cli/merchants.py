"""What does an operator read of imports for several merchants, and at their end?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from etl.cli.progress import so_far

_ALWAYS = ("read", "created", "updated", "unchanged", "rejected")


def words(event: Mapping[str, Any], *, quiet: bool) -> str:
    """Return what is shown of an event of one merchant's log; empty if nothing is."""
    match event["event"]:
        case "failed":
            return f"{event.get('trace', '')}{event['error']}"
        case "said" | "untold":
            return str(event["text"])
        case _ if quiet:
            return ""
        case "begin":
            return (
                f"run {event['run_id']}: target {event['target']}, merchant "
                f"{event['merchant_id']}, Square-Version {event['square_version']}"
            )
        case "note":
            return str(event["text"])
        case "progress":
            return so_far(event["stage"], event["done"], event["total"] or 0)
        case "end" if "rows" in event:
            counts = ", ".join(
                f"{count:,} {name}" for name, count in event["rows"].items() if count
            )
            told = f"{event['status']}, exit {event['exit_code']}"
            return f"{told}: {counts}" if counts else told
    return ""


def summary(report: Mapping[str, Any], file: Path) -> str:
    """Return what is printed at the end; ``file`` has the same for machines."""
    return "\n".join(_lines(report, file))


def _lines(report: Mapping[str, Any], file: Path) -> Iterator[str]:
    merchants = report["merchants"]
    done = report["statuses"].get("finished", 0)
    told = f"{done} of {len(merchants)} merchants finished in {report['seconds']:.1f} s"
    yield f"{report['matrix']}: {click.style(told, fg=_colour(report), bold=True)}"
    yield ""
    yield from _table(report)
    for each in merchants:
        if not (each["stopped"] or each["next"]):
            continue
        yield ""
        yield f"{each['name']}: {each['stopped'] or 'finished, but some of it needs somebody'}"
        for step in each["next"]:
            command = click.style(step["command"], bold=True) if step["command"] else ""
            if not step["by_hand"]:
                yield f"next: {command}"
                continue
            yield f"next: {step['by_hand']}" + (", then" if command else "")
            if command:
                yield f"      {command}"
    yield ""
    yield f"summary: {file}; each merchant's report lies in its own state folder beside it"


def _table(report: Mapping[str, Any]) -> Iterator[str]:
    """Say in a line for each merchant how it ended, with counts; and the sum of all."""
    counted = [name for name, count in report["rows"].items() if count or name in _ALWAYS]
    total = {
        "name": f"= {len(report['merchants'])}",
        "status": "",
        "exit_code": report["exit_code"],
        "calls": report["calls"],
        "seconds": report["seconds"],
        "rows": report["rows"],
    }
    table = [["merchant", "status", "exit", *counted, "calls", "seconds"]]
    for each in [*report["merchants"], total]:
        rows = each["rows"] or {}
        table.append(
            [
                each["name"],
                each["status"],
                str(each["exit_code"]),
                *(f"{rows[name]:,}" if rows else "" for name in counted),
                f"{each['calls']:,}",
                f"{each['seconds']:.1f}",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    shown = [None, *report["merchants"], total]
    for line, each in zip(table, shown, strict=True):
        cells = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        if each and each["status"]:
            cells[1] = click.style(cells[1], fg=_colour(each))
        yield "  " + "  ".join(cells).rstrip()


def _colour(report: Mapping[str, Any]) -> str:
    return {0: "green", 3: "yellow"}.get(report["exit_code"], "red")
