"""What does the page show that is not in ``report.json``? All of it from the journal.

Bounded, whatever a run holds: a page that nobody can open tells nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from etl.config import Config, Limits
from etl.customers import octets
from etl.customers.contents import masked
from etl.customers.problems import told
from etl.journal.journal import Journal
from etl.journal.records import Batch
from etl.journal.timeline import Told
from etl.reports.report import EXPLAINING, Count, summed
from etl.reports.schema import Report

# Reasons that have samples, most frequent first, and samples of each.
REASONS = 60
SAMPLES = 3
_EVIDENCE = 8


# As the journal has them.
Sources: TypeAlias = "list[dict[str, Any]]"


class Reason(NamedTuple):
    """Why rows did not go on: a code, and the field it is about."""

    code: str
    field: str


class Sample(NamedTuple):
    """One row that has a reason: where it stands, and the shape of its value."""

    place: str
    shape: str


@dataclass(frozen=True, slots=True)
class Details:
    """All that a page says beyond the report.

    ``names`` are the sources' own names, ``flows`` the outcomes of their rows, both in the report's
    order of sources.
    ``evidence`` counts what rows were recognised by.
    """

    state_dir: Path
    base_url: str
    country: str
    limits: Limits
    names: list[str]
    flows: list[dict[str, int]]
    reasons: list[tuple[Reason, int]]
    samples: Mapping[Reason, list[Sample]]
    evidence: list[tuple[str, int]]
    told: Told


def gathered(journal: Journal, report: Report, early: Iterable[Count]) -> Details:
    """Return the details of a run; ``early`` are the counts that its report was made with."""
    run, sources = journal.run(), journal.sources()
    journal.calls()  # what was counted and not kept yet
    told = [
        (Reason(code, field), rows)
        for code, by_field in report["reasons"].items()
        for field, rows in by_field.items()
    ]
    told.sort(key=lambda one: (-one[1], one[0]))
    evidence = journal.query(
        "SELECT matched_by, count(*) FROM rows WHERE matched_by <> '' GROUP BY 1 "
        f"ORDER BY 2 DESC, 1 LIMIT {_EVIDENCE}"
    )
    return Details(
        Path(run.state_dir),
        run.base_url,
        run.country,
        Config.model_validate_json(run.config).limits,
        _names(sources),
        _flows(journal, sources),
        told,
        _samples(journal, sources, [reason for reason, _ in told[:REASONS]], early),
        [(str(words), int(rows)) for words, rows in evidence],
        journal.timeline.told(),
    )


def _flows(journal: Journal, sources: Sources) -> list[dict[str, int]]:
    """Return how many rows of each source have which outcome."""
    flows: list[dict[str, int]] = [{} for _ in sources]
    if not journal.has_rows():
        checked = dict.fromkeys(range(len(sources)), (0, 0)) | {
            source: (rejected, skipped)
            for source, rejected, skipped in journal.query(
                "SELECT source, sum(rejected), sum(skipped) FROM checks JOIN batches "
                "USING (batch) GROUP BY source"
            )
        }
        for number, (rejected, skipped) in checked.items():
            pending = sources[number]["rows"] - rejected - skipped
            flows[number] = {"rejected": rejected, "skipped": skipped, "pending": pending}
        return flows
    for source, outcome, rows in journal.query(
        "SELECT source, outcome, count(*) FROM rows JOIN batches USING (batch) GROUP BY 1, 2"
    ):
        flows[source][outcome] = rows
    for row, later in journal.amendments().items():
        source, before = next(
            journal.query(
                "SELECT source, outcome FROM rows JOIN batches USING (batch) WHERE row = ?", row
            )
        )
        flows[source][before] -= 1
        flows[source][later[-1].outcome] = flows[source].get(later[-1].outcome, 0) + 1
    return flows


def _samples(
    journal: Journal, sources: Sources, reasons: list[Reason], early: Iterable[Count]
) -> dict[Reason, list[Sample]]:
    """Return the first rows that have each reason, in the order of the sources."""
    found: dict[Reason, list[Sample]] = {reason: [] for reason in reasons}
    # How many of a reason the batches hold as they were checked: behind them nobody has to look.
    left = dict.fromkeys(reasons, 0)
    for count in summed(early):
        reason = Reason(count.code, count.field)
        if count.effect in EXPLAINING and reason in left:
            left[reason] += count.rows
    for batch in journal.batches():
        wanted = [r for r in reasons if left[r] and len(found[r]) < SAMPLES]
        if not wanted:
            break
        for reason, rows in _rows_of(journal.found(batch), wanted).items():
            left[reason] -= len(rows)
            found[reason] += _shown(
                journal, sources, batch, reason, rows[: SAMPLES - len(found[reason])]
            )
    for reason in reasons:
        missing = SAMPLES - len(found[reason])
        for batch, row in _later(journal, reason, missing):
            found[reason] += _shown(journal, sources, batch, reason, [row])
    return found


def _rows_of(problems: pa.Table, reasons: Iterable[Reason]) -> dict[Reason, list[int]]:
    """Return the rows of a batch that have each reason."""
    problems = problems.filter(octets.mask(told(problems, "effect", *EXPLAINING)))
    rows, found = problems.column("row").to_numpy(), {}
    for reason in reasons:
        here = told(problems, "code", reason.code) & told(problems, "field", reason.field)
        found[reason] = np.unique(rows[here]).tolist()
    return found


def _later(journal: Journal, reason: Reason, most: int) -> Iterator[tuple[Batch, int]]:
    """Yield batches and places of rows of which it was found after the check."""
    effects = ", ".join(f"'{effect}'" for effect in EXPLAINING)
    for (row,) in list(
        journal.query(
            f"SELECT DISTINCT row FROM problems WHERE effect IN ({effects}) AND code = ? "
            "AND field = ? ORDER BY row LIMIT ?",
            *(reason.code, reason.field, most),
        )
    ):
        (number,) = next(
            journal.query(
                "SELECT batch FROM batches WHERE first_row <= ? ORDER BY first_row DESC LIMIT 1",
                row,
            )
        )
        batch = journal.batch(number)
        yield batch, row - batch.first_row


def _shown(
    journal: Journal, sources: Sources, batch: Batch, reason: Reason, rows: list[int]
) -> list[Sample]:
    """Return samples of rows of a batch; nobody is known by the shape of a value."""
    if not rows:
        return []
    source = sources[batch.source]
    name = _names(sources)[batch.source]
    texts = []
    # An undo has no cells of its own, and no field is mapped there.
    if headers := source["mapping"]["fields"].get(reason.field):
        cells = journal.originals(batch).take(rows)
        known = [header for header in headers if header in cells.schema.names]
        texts = [cells.column(header).to_pylist() for header in known]
    values = zip(*texts, strict=True) if texts else [()] * len(rows)
    return [
        Sample(
            f"{name}:{batch.lines[row].as_py()}",
            " · ".join(masked(text) for text in value if text),
        )
        for row, value in zip(rows, values, strict=True)
    ]


def _names(sources: Sources) -> list[str]:
    """Return the sources' own names, with their folders where two files have the same."""
    names = [source["facts"]["name"] for source in sources]
    often = Counter(Path(name).name for name in names)
    return [Path(name).name if often[Path(name).name] == 1 else name for name in names]
