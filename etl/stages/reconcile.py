"""Where are the artifacts of a run? Writes all of them from the journal, complete or not at all."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from etl.engines import Engine, Here
from etl.files.atomic import replacing
from etl.journal.journal import Journal
from etl.reports import details, page, planned, report, tables
from etl.reports.parquet import LEDGER_FILE, write_ledger

_TABLES = {
    "review.csv": tables.write_review,
    "crosswalk.csv": tables.write_crosswalk,
    "consent.csv": tables.write_consent,
    planned.PLAN_FILE: tables.write_plan,
}

# All that a run leaves beside its journal.
ARTIFACTS = ("report.html", "report.json", "rows.csv", LEDGER_FILE, "rejects.csv", *_TABLES)


def load_page() -> None:
    """Load what the page is made with, before it is needed."""
    page.load_template()


def reconcile(
    journal: Journal, folder: Path, engine: Engine | None = None, *, parquet: bool = False
) -> dict[str, Any]:
    """Write the report, its page and the tables into ``folder`` and return the report.

    ``parquet``: the ledger as Parquet too; a file that is there is kept current without asking.
    """
    # An undo has no rows of its own to correct.
    undoes = bool(journal.run().undoes)
    with (
        replacing(folder / "rows.csv") as rows,
        nullcontext() if undoes else replacing(folder / "rejects.csv") as rejects,
    ):
        counts = report.summed(tables.write_rows(journal, engine or Here(), rows, rejects))
    if parquet or (folder / LEDGER_FILE).exists():
        with replacing(folder / LEDGER_FILE) as file:
            write_ledger(folder / "rows.csv", file)
    built = report.build(journal, counts)
    with replacing(folder / "report.html") as file:
        file.write(page.page(built, details.gathered(journal, built, counts)))
    left_out = (
        dict.fromkeys(_TABLES, True)
        if undoes
        else {
            "consent.csv": built["consent"] is None,
            planned.PLAN_FILE: not planned.shows_a_plan(journal),
        }
    )
    for name, write in _TABLES.items():
        if left_out.get(name):
            (folder / name).unlink(missing_ok=True)
            continue
        with replacing(folder / name) as file:
            write(journal, file)
    with replacing(folder / "report.json") as file:
        file.write(report.as_json(built))
    return dict(built)
