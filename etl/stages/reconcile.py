"""Where are the artifacts of a run? Writes all of them from the journal, complete or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etl.engines import Engine, Here
from etl.files.atomic import PARTIAL, replacing
from etl.journal.journal import Journal
from etl.reports import report, tables

_TABLES = {
    "review.csv": tables.write_review,
    "crosswalk.csv": tables.write_crosswalk,
    "consent.csv": tables.write_consent,
}


def reconcile(journal: Journal, folder: Path, engine: Engine | None = None) -> dict[str, Any]:
    """Write ``report.json`` and the tables into ``folder`` and return the report."""
    for left in folder.glob(f"{PARTIAL}*"):
        left.unlink()  # of a process that was killed while it wrote
    with replacing(folder / "rows.csv") as rows, replacing(folder / "rejects.csv") as rejects:
        counts = report.summed(tables.write_rows(journal, engine or Here(), rows, rejects))
    built = report.build(journal, counts)
    for name, write in _TABLES.items():
        if name == "consent.csv" and built["consent"] is None:
            continue
        with replacing(folder / name) as file:
            write(journal, file)
    with replacing(folder / "report.json") as file:
        file.write(report.as_json(built))
    return built
