"""Who was exported before and is not there any more, and what became of them?"""

from __future__ import annotations

import csv
import hashlib
import io
from itertools import chain, starmap
from pathlib import Path

from etl.export.collected import Collected
from etl.export.write import Written
from etl.files.atomic import replacing
from etl.square.client import SquareClient

COLUMNS = ("id", "what", "became")


def path_of(destination: str) -> Path:
    """Return where the deletions of an increment lie: beside its file or folder."""
    path = Path(destination)
    return path.with_name(f"{path.name}.deleted.csv")


def look_up(collected: Collected, square: SquareClient) -> None:
    """Ask for every profile that was dropped: an id leads to whom a customer was merged into."""
    while ids := collected.gone(100):
        found = square.retrieve_customers(ids)
        with collected.transaction():
            collected.resolve([(id, str((found[id] or {}).get("id", ""))) for id in ids])


def put(collected: Collected, path: Path) -> Written:
    """Write who is gone, complete or not at all: deleted, merged, or outside the filters by now."""
    rows, digest = 0, hashlib.sha256()
    with replacing(path) as file:
        for row in chain([COLUMNS], starmap(_told, collected.deletions())):
            line = io.StringIO()
            csv.writer(line).writerow(row)
            digest.update(line.getvalue().encode())
            file.write(line.getvalue().encode())
            rows += 1
    return Written(path.name, rows - 1, digest.hexdigest())


def _told(id: str, became: str) -> tuple[str, str, str]:
    if not became:
        return id, "deleted", ""
    return (id, "filtered", "") if became == id else (id, "merged", became)
