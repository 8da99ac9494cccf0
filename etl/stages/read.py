"""How do the sources get into the journal?

Every row is kept as it was written, before anything is made of it; on the way each birthday column
shows what it proves about the order of day and month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from etl.config import Config
from etl.customers.dates import DateEvidence, date_evidence
from etl.engines import USUAL, Cut, Engine
from etl.files.sources import Source
from etl.journal.journal import Journal
from etl.journal.records import Rows
from etl.stages.extract import Part, parts, records, refuse_swollen
from etl.stages.mapping import ColumnMapping, ConsentColumn, map_field


def read(
    journal: Journal,
    engine: Engine,
    sources: Sequence[Source],
    mappings: Sequence[ColumnMapping],
    config: Config,
    between: Callable[[int], None],
    cut: Cut = USUAL,
) -> None:
    """Keep every row of every source in the journal; ``between`` hears how many so far.

    Begins anew when an earlier reading was interrupted. Raises SourceError when a source turns out
    to be unreadable; nothing was sent anywhere then.
    """
    with journal.transaction():
        journal.forget_rows()
    first_row = 0
    for number, (source, mapping) in enumerate(zip(sources, mappings, strict=True)):
        begin, evidence, delivered = first_row, DateEvidence(), 0
        reading = _Reading(number, source, mapping, cut.rows)
        found = parts(source, config.source, cut, engine.where)
        for batch in engine.spread(reading, found):
            delivered += batch.size
            refuse_swollen(source, delivered)
            evidence = evidence.combine(batch.evidence)
            with journal.transaction():
                journal.add_batch(number, first_row, batch.rows)
            first_row += batch.rows.rows
            between(first_row)
        journal.finish_source(number, first_row - begin, asdict(evidence))


class _Batch(NamedTuple):
    """A batch for the journal, what it proves, and how many bytes its cells have."""

    rows: Rows
    evidence: DateEvidence
    size: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """Makes batches for the journal of any part of a source."""

    number: int
    source: Source
    mapping: ColumnMapping
    rows: int

    def __call__(self, part: Part) -> Iterator[_Batch]:
        for read in records(part, self.source, self.rows):
            birthdays, _ = map_field(read.cells, self.mapping, "birthday")
            evidence = date_evidence(birthdays, read.lines, self.number)
            rows = Rows.of(read.lines, read.cells, read.problems)
            yield _Batch(rows, evidence, read.cells.nbytes)


def evidence_of(source: dict[str, Any]) -> DateEvidence:
    """Return what the journal keeps of a source's date evidence."""
    proofs = {name: proof and tuple(proof) for name, proof in source["evidence"].items()}
    return DateEvidence(**proofs)


def mapping_of(source: dict[str, Any]) -> ColumnMapping:
    """Return what the journal keeps of a source's column mapping."""
    kept = source["mapping"]
    consent = kept["consent"]
    return ColumnMapping(
        {field: tuple(headers) for field, headers in kept["fields"].items()},
        tuple(kept["unused"]),
        tuple(kept["joined"]),
        kept["values"],
        consent and ConsentColumn(**{**consent, "yes": tuple(consent["yes"])}),
        kept["groups"] and tuple(kept["groups"]),
        kept["attributes"],
    )


def source_of(source: dict[str, Any]) -> Source:
    """Return the source as it was when the run began."""
    facts = dict(source["facts"])
    facts["path"] = Path(facts["path"])
    facts["columns"] = tuple(facts["columns"])
    facts["notes"] = tuple(facts["notes"])
    return Source(**facts)
