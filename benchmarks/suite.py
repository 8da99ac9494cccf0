"""Where does the time go? Every stage at every size, beside the floor and the row loop.

    python benchmarks/suite.py                                   # everything, and a table of it
    python benchmarks/suite.py --only check load --rows 10000 100000
    python benchmarks/suite.py --json result.json --page         # benchmarks/RESULTS.md, with plots
    python benchmarks/suite.py --from result.json --page         # the page once more, unmeasured
    python benchmarks/suite.py --from result.json --only match   # that anew, the rest as it was

Each stage of a validation and of an import into a local Square on a port (in a process of its own,
which is not counted), matching as many rows as profiles, exports, the HTTP layer and the engines.
Per stage: seconds, rows a second, processor time, the most memory of the process and its workers
together (what they share is counted once), and three ratios: seconds beside those in which pyarrow
reads and writes the same file (the floor), how many times faster than a loop over rows, and the
cost per row beside that at the size before. Sizes that take too long are left out, and named;
``--all`` measures them too. People come from a seed. Times are of one machine: compare ratios.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import client
import loading
import page
import paper
import stages
from measure import Stage, commit, compared, table

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
# The largest size of each measurement, unless all are asked for; what is not here has none.
LARGEST = {
    "import": 1_000_000,
    "row by row": 50_000,
    "import row by row": 500,
    "nights": 100_000,
    "paced": 20_000,
    "export": 100_000,
    "engines": 1_000_000,
}
# A rehearsal of Square's pace.
_RATE = 10.0
_CALLS = 2000


@dataclass
class Bench:
    """What is to be measured, and what was."""

    folder: Path
    sizes: Sequence[int]
    turns: int
    seed: int
    kind: str
    everything: bool
    say: Callable[[str], None]
    stages: list[Stage] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)
    match: list[dict[str, Any]] = field(default_factory=list)
    http: dict[str, Any] = field(default_factory=dict)
    minutes: float = 0.0  # that measuring took before

    def source(self, rows: int) -> Path:
        """Return a file of so many people."""
        return stages.made(self.folder, rows, self.seed, self.kind)

    def keep(self, measured: Sequence[Stage]) -> None:
        """Add to what was measured, in the place of what was before."""
        fresh = {(one.stage, one.rows) for one in measured}
        kept = [one for one in self.stages if (one.stage, one.rows) not in fresh]
        self.stages = [*kept, *measured]

    def take(self, before: dict[str, Any]) -> None:
        """Begin with what an earlier result has."""
        self.stages = [Stage(*(one[name] for name in Stage._fields)) for one in before["stages"]]
        self.left_out, self.left = before["left_out"], before["left"]
        self.match, self.http = before["match"], before["http"]
        self.minutes = before["measured"]["minutes"]

    def done(self, stage: str, rows: int) -> bool:
        """Tell whether that was measured."""
        return any((one.stage, one.rows) == (stage, rows) for one in self.stages)

    def floor(self, rows: int) -> None:
        """Measure the floor of a size, once."""
        if not self.done("floor", rows):
            source = self.source(rows)
            self.keep(stages.repeated(self.turns, lambda: [stages.floor(source, rows)]))

    def within(self, measurement: str, *names: str) -> Iterator[int]:
        """Yield the sizes of a measurement, saying which; note those that are left out."""
        largest = LARGEST[measurement] if measurement in LARGEST else max(self.sizes)
        for rows in self.sizes:
            if rows > largest and not self.everything:
                why = f"takes long: by default up to {largest:,} rows, see --all"
                told = [{"stage": name, "rows": rows, "why": why} for name in names]
                self.left_out += [one for one in told if one not in self.left_out]
                continue
            self.say(f"{measurement}: {rows:,} rows")
            yield rows


def validate(bench: Bench) -> None:
    """Measure the floor, the row loop, and a validation by stages."""
    for rows in bench.within("validate", "validate"):
        source = bench.source(rows)
        with _folder(bench) as folder:
            # By turns: a machine is not as fast in one minute as in the next.
            turn = partial(_beside_the_floor, source, rows, folder)
            bench.keep(stages.repeated(bench.turns, turn))
    if bench.kind == "csv":
        rows = min(max(bench.sizes), LARGEST["row by row"])
        bench.say(f"row loop of a validation: {rows:,} rows")
        bench.keep(
            stages.repeated(bench.turns, partial(stages.row_loops, bench.source(rows), rows))
        )


def _beside_the_floor(source: Path, rows: int, folder: Path) -> list[Stage]:
    return [stages.floor(source, rows), *stages.validated(source, rows, folder)]


def imports(bench: Bench) -> None:
    """Measure an import by stages, one with nothing new, and a row loop that does the same."""
    names = ("import", "load", "attach", "verify", "report")
    for rows in bench.within("import", *names):
        bench.floor(rows)
        nights = bench.everything or rows <= LARGEST["nights"]
        with _folder(bench) as folder:
            measured, left = stages.imported(bench.source(rows), rows, folder, nights=nights)
        bench.keep(measured)
        bench.left.append(left)
        if not nights:
            why = f"takes long: by default up to {LARGEST['nights']:,} rows, see --all"
            bench.left_out.append({"stage": "import, nothing new", "rows": rows, "why": why})
    if bench.kind == "csv":
        rows = min(max(bench.sizes), LARGEST["import row by row"])
        bench.say(f"row loop of an import: {rows:,} rows")
        with _folder(bench) as folder:
            bench.keep(stages.row_loop_import(bench.source(rows), folder))


def plan(bench: Bench) -> None:
    """Measure all up to the plan at the sizes that are not imported."""
    for rows in bench.within("plan", "read", "check", "plan"):
        if not bench.done("plan", rows):
            bench.floor(rows)
            with _folder(bench) as folder:
                bench.keep(stages.planned(bench.source(rows), rows, folder))


def match(bench: Bench) -> None:
    """Measure matching as many rows as profiles."""
    for rows in bench.within("match", "match"):
        even = max(rows - rows % 1000, 1000)
        stage, found = stages.matched(even, bench.seed, bench.folder)
        bench.keep([stage])
        bench.match = [one for one in bench.match if one["rows"] != even] + [found]


def export(bench: Bench) -> None:
    """Measure exports."""
    for rows in bench.within("export", "export csv", "export parquet"):
        with _folder(bench) as folder:
            bench.keep(stages.exported(rows, folder, bench.turns))


def http(bench: Bench) -> None:
    """Measure the client's own time for a bulk call, and a load at Square's pace."""
    most = max(bench.sizes)
    calls = min(max(most // 100, 20), _CALLS)
    bench.say(f"http: {calls:,} bulk calls")
    bench.http["client"] = {"calls": calls, **client.measured(calls)}
    rows = min(most, LARGEST["paced"])
    bench.say(f"http: three nights of {rows:,} rows at {_RATE:g} requests a second")
    with _folder(bench) as folder:
        nights = loading.nights(folder, rows, _RATE)
    bench.http["paced"] = {"rate": _RATE, **loading.figures(rows, _RATE, nights)}


def engines(bench: Bench) -> None:
    """Measure a validation on every engine, on all cores."""
    rows = min(max(bench.sizes), LARGEST["engines"])
    bench.floor(rows)
    source, workers = bench.source(rows), str(_cores())
    for engine in ("local", "processes", "dask"):
        name = f"{page.ENGINE}{engine}"
        if engine == "dask" and importlib.util.find_spec("distributed") is None:
            why = "dask is not installed: pip install 'square-etl[dask]'"
            bench.left_out.append({"stage": name, "rows": rows, "why": why})
            continue
        bench.say(f"engines: {engine}, {rows:,} rows")
        options = ["--engine", engine, *(() if engine == "local" else ("--workers", workers))]
        with _folder(bench) as folder:
            turn = partial(stages.validated, source, rows, folder, options)
            whole, *_ = stages.repeated(bench.turns, turn)
        bench.keep([whole._replace(stage=name)])


@contextmanager
def _folder(bench: Bench) -> Iterator[Path]:
    """Give a folder that is gone after the measurement."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        yield Path(name)


# What each measurement is asked for by.
MEASUREMENTS: dict[Callable[[Bench], None], tuple[str, ...]] = {
    validate: ("validate",),
    imports: ("load", "attach", "verify", "report"),
    plan: ("read", "check", "plan"),
    match: ("match",),
    export: ("export",),
    http: ("http",),
    engines: ("engines",),
}


def measured(bench: Bench, only: Sequence[str]) -> dict[str, Any]:
    """Measure what is asked for, everything if nothing is; return the result.

    Stopped by Ctrl-C or by a command that failed, it is what was measured until then.
    """
    begin, stopped = time.time(), ""
    try:
        for measurement, names in MEASUREMENTS.items():
            if not only or set(only) & set(names):
                measurement(bench)
    except (KeyboardInterrupt, SystemExit) as stop:
        stopped = str(stop) or "stopped by Ctrl-C"
    return {
        "stopped": stopped,
        "measured": {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin)),
            "minutes": round(bench.minutes + (time.time() - begin) / 60, 1),
            "commit": commit(Path(__file__).parent),
            "seed": bench.seed,
            "format": bench.kind,
            "turns": bench.turns,
        },
        "machine": _machine(),
        "stages": list(compared(bench.stages)),
        "left_out": bench.left_out,
        "left": bench.left,
        "match": bench.match,
        "http": bench.http,
    }


def on_paper(result: dict[str, Any]) -> dict[str, Any]:
    """Return what follows from the costs in a result, nothing where they are not all there."""
    costs, about = paper.costs(result), result["machine"]
    if costs is None:
        return {}
    machine = paper.Machine(about["cores"], about["memory_gib"] * 2**30)
    return {
        "costs": costs._asdict(),
        "paper": list(paper.all_on_paper(costs, machine)),
        "stages_on_paper": list(paper.stages_on_paper(result, costs)),
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _machine() -> dict[str, Any]:
    about = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in about.splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": _cores(),
        "processor": models[0] if models else platform.machine(),
        "memory_gib": round(memory / 2**30, 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("pyarrow", "duckdb", "orjson")},
    }


def told(result: dict[str, Any]) -> Iterator[str]:
    """Yield the result for the screen."""
    heads = ("stage", *page.HEADS)
    lines = [(line["stage"], *page.cells(line)) for line in page.by_stage(result["stages"])]
    yield from table(heads, lines)
    for line in result["left_out"]:
        yield f"{line['stage']}, {line['rows']:,} rows: not measured, {line['why']}"
    if "client" in result["http"]:
        yield "A bulk call of 100 profiles takes {bulk_call_ms:.2f} ms of processor time".format(
            **result["http"]["client"]
        )
    if "paced" in result["http"]:
        paced = result["http"]["paced"]
        share = paced["load and verify rate / allowed"]
        yield f"Of {paced['rate']:g} requests a second {share:.1%} were used"
    if "paper" in result:
        yield from table(page.PAPER, map(page.on_paper, result["paper"]))


def main() -> None:
    """Measure, and print."""
    names = sorted({name for asked in MEASUREMENTS.values() for name in asked})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--only", nargs="+", choices=names, default=(), metavar="STAGE")
    parser.add_argument("--all", action="store_true", help="also what takes long")
    parser.add_argument("--turns", type=int, default=3, help="of what takes less than a minute")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--folder", help="where data may lie, about 15 GB; it is removed again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    parser.add_argument("--from", type=Path, dest="result", metavar="FILE", help="measured before")
    parser.add_argument(
        "--page",
        type=Path,
        nargs="?",
        const=Path(__file__).parent,
        metavar="FOLDER",
        help="write RESULTS.md there, with plots (default: benchmarks)",
    )
    asked = parser.parse_args()
    known = json.loads(asked.result.read_text(encoding="utf-8")) if asked.result else None
    if known and not asked.only:
        result = known
    else:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            sizes = sorted(set(asked.rows))
            given = (sizes, asked.turns, asked.seed, asked.format, asked.all)
            bench = Bench(Path(folder), *given, _say)
            if known:
                bench.take(known)
            result = measured(bench, asked.only)
    result |= on_paper(result)
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if asked.page:
        page.write(result, asked.page)
    print("\n".join(told(result)))
    if result["stopped"]:
        raise SystemExit(f"not everything was measured: {result['stopped']}")


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
