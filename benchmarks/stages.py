"""What does each stage of the journeys take at one size, and what do the baselines?

Each function makes one measurement, every command in a process of its own, and returns what the
stages took; the suite chooses sizes and puts them side by side.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import baselines
import export
import loading
import matching
from measure import ETL, Stage, Taken, run, staged
from served import served

# Who has spent so many seconds on a measurement does not repeat it.
_ENOUGH = 60.0
_BASELINES = [sys.executable, baselines.__file__]
_PEOPLE = [sys.executable, str(Path(__file__).with_name("people.py"))]


def made(folder: Path, rows: int, seed: int, kind: str) -> Path:
    """Write people in a process of its own; the same people are written once."""
    path = folder / f"people-{rows}.{kind}"
    if not path.exists():
        run([*_PEOPLE, str(path), "--rows", str(rows), "--seed", str(seed), "--format", kind])
    return path


def whole(stage: str, rows: int, taken: Taken) -> Stage:
    """Return what a command took from its start to its end."""
    return Stage(stage, rows, taken.wall, taken.cpu, taken.peak)


def medians(turns: Sequence[Sequence[Stage]]) -> list[Stage]:
    """Return each stage as it was in several turns: the median, and the most memory."""
    return [
        Stage(
            each[0].stage,
            each[0].rows,
            statistics.median(one.seconds for one in each),
            statistics.median(one.cpu for one in each),
            max(one.peak_mib for one in each),
        )
        for each in zip(*turns, strict=True)
    ]


def repeated(turns: int, turn: Callable[[], list[Stage]]) -> list[Stage]:
    """Return what a measurement gives in several turns, or in one that takes long."""
    done = [turn()]
    while len(done) < turns and sum(stage.seconds for stage in done[0]) < _ENOUGH:
        done.append(turn())
    return medians(done)


def floor(source: Path, rows: int) -> Stage:
    """Copy a file with pyarrow."""
    return whole("floor", rows, run([*_BASELINES, "copy", str(source)]))


def validated(source: Path, rows: int, folder: Path, engine: Sequence[str] = ()) -> list[Stage]:
    """Validate a file."""
    log = folder / "validate.log"
    log.unlink(missing_ok=True)
    command = [*ETL, "validate", str(source), "--state-dir", str(folder / "validate"), *engine]
    taken = run([*command, "--output", "json", "--quiet", "--log-json", str(log)], 3)
    report = json.loads(taken.told)
    _accounted(report, rows)
    found = staged(taken, log, report, rows)
    names = {"read": "read and check"}
    return [
        whole("validate", rows, taken),
        *(one._replace(stage=names.get(one.stage, f"{one.stage}, validate")) for one in found),
    ]


def planned(source: Path, rows: int, folder: Path) -> list[Stage]:
    """Plan a file for an empty directory."""
    with served(folder / "planned.sqlite") as square:
        done = loading.imported(source, folder / "plan", square, "plan")
    _accounted(done.report, rows)
    return [stage for stage in done.stages if stage.stage in ("read", "check", "plan")]


def imported(
    source: Path, rows: int, folder: Path, *, nights: bool
) -> tuple[list[Stage], dict[str, Any]]:
    """Import a file into an empty directory; return the stages and what the import left.

    With ``nights`` the same file comes twice again, an hour later each: the first of these reads
    what the import changed, the second finds everything as it was.
    """
    state = folder / "import"
    with served(folder / "imported.sqlite") as square:
        first = loading.imported(source, state, square)
        _accounted(first.report, rows)
        stages = [whole("import", rows, first.taken), *first.stages]
        left = {**_left(state, first.report), "source_bytes": source.stat().st_size}
        if nights:
            for _ in range(2):
                square.later(3600)
                again = loading.imported(source, state, square)
                _accounted(again.report, rows)
            left["night_requests"] = loading.calls(again.report)
            stages.append(whole("import, nothing new", rows, again.taken))
    return stages, left


def _accounted(report: dict[str, Any], rows: int) -> None:
    if not report["balanced"] or report["rows"]["read"] != rows:
        raise SystemExit(f"not all of {rows:,} rows are accounted for: {report['rows']}")


def _left(state: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Return what a finished import wrote and left on the disk, in bytes."""
    folder = state / "runs" / report["run_id"]
    counts, sent = report["rows"], report["requests"]
    return {
        "rows": counts["read"],
        "written": counts["created"] + counts["updated"],
        "requests": loading.calls(report),
        "write_requests": sent["POST /v2/customers/bulk-create"]["calls"],
        "verify_requests": sent["POST /v2/customers/bulk-retrieve"]["calls"],
        "journal_bytes": (folder / "journal.sqlite").stat().st_size,
        "artifact_bytes": sum(
            file.stat().st_size for file in folder.iterdir() if file.suffix in (".csv", ".html")
        ),
        "ledger_bytes": (state / "ledger.sqlite").stat().st_size,
    }


def row_loops(source: Path, rows: int) -> list[Stage]:
    """Validate row by row: all that a validation does, and phones and emails alone."""
    return [
        whole(name, rows, run([*_BASELINES, what, str(source)]))
        for name, what in (
            ("validate, row loop", "validate"),
            ("phones and emails, row loop", "check"),
        )
    ]


def row_loop_import(source: Path, folder: Path) -> list[Stage]:
    """Search for, create and read back each row by itself."""
    with served(folder / "looped.sqlite") as square:
        token = {"SQUARE_ACCESS_TOKEN": square.token}
        taken = run([*_BASELINES, "import", str(source), square.address], env=token)
    spent = json.loads(taken.told)
    share = taken.cpu / taken.wall
    return [
        Stage(f"{stage}, row loop", int(spent["rows"]), seconds, seconds * share, taken.peak)
        for stage, seconds in spent.items()
        if stage != "rows"
    ]


def matched(rows: int, seed: int, folder: Path) -> tuple[Stage, dict[str, Any]]:
    """Match as many rows as profiles; return the stage, and all that was found."""
    found = matching.measured(rows, seed, str(folder))
    seconds = sum(found["seconds"].values())
    return Stage("match", rows, seconds, found["cpu_seconds"], found["peak_mib"]), found


def exported(profiles: int, folder: Path, turns: int) -> list[Stage]:
    """Export a directory as CSV and as Parquet; the local Square is in the same process."""
    state, numbers = folder / "export", itertools.count()
    export.seeded(state, profiles)

    def turn(kind: str) -> list[Stage]:
        told = export.exported(state, folder / f"exported-{next(numbers)}.{kind}")
        size = int(told["profiles"])  # a few of those seeded were merged
        peak, worked = told["peak_mib"], told["cpu_seconds"]
        return [Stage(f"export {kind}", size, told["seconds"], worked, peak)]

    return [stage for kind in ("csv", "parquet") for stage in repeated(turns, partial(turn, kind))]
