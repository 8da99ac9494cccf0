"""How long does an import take, stage by stage, and does its memory stay flat?

    python benchmarks/journey.py --rows 100000

Generates a dirty file (8 % dirty rows, 5 % duplicates), imports it into a fresh local Square, then
imports it again, and prints rows per second of each stage, the peak memory of the process, and
whether the second run wrote anything. With several ``--rows`` the growth from one size to the next
is printed too. Times are of this machine and this moment: compare within one run only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import people

_STAGES = ("read", "check", "plan", "load", "verify")
_WRITES = ("POST /v2/customers/bulk-create", "POST /v2/customers/bulk-update")


class Measured(NamedTuple):
    """One import: its report, and the most memory its process held, in MiB."""

    report: dict[str, Any]
    peak: float


def measured(source: Path, state: Path) -> Measured:
    """Import a file in a process of its own."""
    command = [sys.executable, "-m", "etl", "import", str(source), "--state-dir", str(state)]
    process = subprocess.Popen(
        [*command, "--output", "json", "--quiet"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    report = json.loads(process.stdout.read())
    _, _, usage = os.wait4(process.pid, 0)
    return Measured(report, usage.ru_maxrss / 1024)


def told(name: str, run: Measured) -> str:
    """Return one import as a line of the table."""
    rows, seconds = run.report["rows"]["read"], run.report["seconds"]
    rates = "".join(f"{rows / max(seconds[stage], 0.001):>10,.0f}" for stage in _STAGES)
    total = sum(seconds.values())
    return f"{name:<14}{rows:>10,}{rates}{rows / total:>10,.0f}{run.peak:>10,.0f}"


def main() -> None:
    """Measure every size asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    heads = "".join(f"{stage + ' r/s':>10}" for stage in _STAGES)
    print(f"{'run':<14}{'rows':>10}{heads}{'all r/s':>10}{'peak MiB':>10}")
    firsts, agains = [], []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            source, state = Path(folder) / "people.csv", Path(folder) / "state"
            people.write_csv(islice(people.stream(arguments.seed), rows), source)
            first, again = measured(source, state), measured(source, state)
        firsts.append(first)
        agains.append(again)
        for name, run in (("first import", first), ("same again", again)):
            print(told(name, run))
            counts = run.report["rows"]
            verified = run.report["verified"]
            writes = sum(run.report["requests"].get(name, {}).get("calls", 0) for name in _WRITES)
            print(
                f"  balanced {run.report['balanced']}, created {counts['created']:,}, updated "
                f"{counts['updated']:,}, write requests {writes:,}, verified "
                f"{verified['matched']:,} of {verified['checked']:,}"
            )
    for name, (small, large) in (
        (name, pair)
        for name, runs in (("first import", firsts), ("same again", agains))
        for pair in pairwise(runs)
    ):
        rows = large.report["rows"]["read"] / small.report["rows"]["read"]
        cost = sum(large.report["seconds"].values()) / sum(small.report["seconds"].values())
        print(
            f"{name}, {rows:.1f} × the rows: {cost / rows:.2f} × the cost per row, "
            f"{large.peak / small.peak:.2f} × the memory"
        )


if __name__ == "__main__":
    main()
