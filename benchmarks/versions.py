"""What did changes gain? Two checkouts do the same work, in turn.

    git worktree add ../before 0dae174
    python benchmarks/versions.py ../before --rows 1000000 --turns 3 --page

Both validate the same file and import it into an empty local Square on a port, which is this
checkout's own for both and is not counted. Medians of several turns; a ratio below 1 is a gain.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import loading
import page
import stages
from measure import ETL, Stage, commit, run, table
from served import served

_AFTER = Path(__file__).parents[1]


def _done(checkout: Path, source: Path, rows: int, folder: Path) -> list[Stage]:
    """Validate and import with a checkout."""
    # Python looks for the package where it is started first.
    os.chdir(folder)
    with served(folder / "square.sqlite") as square:
        os.environ["PYTHONPATH"] = str(checkout)
        validated = run([*ETL, "validate", str(source), "--state-dir", "validate", "--quiet"], 3)
        done = loading.imported(source, folder / "import", square)
        os.environ["PYTHONPATH"] = str(_AFTER)
    wholes = {"validate": validated, "import": done.taken}
    return [*(stages.whole(name, rows, taken) for name, taken in wholes.items()), *done.stages]


def compared(before: Sequence[Stage], after: Sequence[Stage]) -> list[dict[str, Any]]:
    """Return each stage that takes a second or more, before and after, with the ratios."""
    found = []
    for old, new in zip(before, after, strict=True):
        if old.seconds >= 1:
            seconds = {"before_seconds": old.seconds, "after_seconds": new.seconds}
            cpu = {"before_cpu": old.cpu, "after_cpu": new.cpu, "cpu_ratio": new.cpu / old.cpu}
            ratio = {"ratio": new.seconds / old.seconds}
            found.append({"stage": old.stage, "rows": old.rows, **seconds, **ratio, **cpu})
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", action="store_true", help="keep it for benchmarks/RESULTS.md")
    asked = parser.parse_args()
    before = asked.before.resolve()
    os.environ["PYTHONPATH"] = str(_AFTER)
    turns: dict[Path, list[list[Stage]]] = {before: [], _AFTER: []}
    with tempfile.TemporaryDirectory() as place:
        source = stages.made(Path(place), asked.rows, asked.seed, "csv")
        for _ in range(asked.turns):
            for checkout, done in turns.items():
                with tempfile.TemporaryDirectory(dir=place) as folder:
                    done.append(_done(checkout, source, asked.rows, Path(folder)))
                os.chdir(place)
        os.chdir(_AFTER)
    found = compared(*map(stages.medians, turns.values()))
    if asked.page:
        told = {"before": commit(before), "after": commit(_AFTER), "turns": asked.turns}
        kept = _AFTER / "benchmarks" / "results" / page.VERSIONS
        kept.write_text(json.dumps({**told, "stages": found}, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(page.COMPARED, map(page.compared, found))))


if __name__ == "__main__":
    main()
