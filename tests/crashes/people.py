"""What is imported in the crash tests? Two thousand dirty rows, half of the people known already.

Last year's file goes in first, undisturbed; so this year's import creates, updates, leaves alone,
folds, reviews and rejects.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from benchmarks import people

ROWS = 2000
FILES = 4


def write_this_year(folder: Path) -> list[Path]:
    """Write 2,000 rows of every kind as four files, so that there are several batches."""
    rows = list(islice(people.stream(7), ROWS))
    size = ROWS // FILES
    paths = []
    for number in range(FILES):
        path = folder / f"people-{number + 1}.csv"
        people.write_csv(rows[number * size : (number + 1) * size], path)
        paths.append(path)
    return paths


def write_last_year(path: Path) -> None:
    """Write every other clean person of this year; half of them lived elsewhere then."""
    clean = [row for row in islice(people.stream(7), ROWS) if row.kind == "clean"][::2]
    moved = [
        row._replace(text=row.text | {"city": "Oldtown"}) if number % 2 else row
        for number, row in enumerate(clean)
    ]
    people.write_csv(moved, path)
