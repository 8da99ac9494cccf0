"""How do the sources get into the journal?

Every row is kept as it was written, before anything is made of it; on the way each birthday column
shows what it proves about the order of day and month.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etl.config import Config
from etl.customers.dates import DateEvidence, date_evidence
from etl.engines.threads import ahead
from etl.files.sources import Source
from etl.journal.journal import Journal
from etl.stages.extract import extract
from etl.stages.mapping import ColumnMapping, ConsentColumn, map_field


def read(
    journal: Journal,
    sources: Sequence[Source],
    mappings: Sequence[ColumnMapping],
    config: Config,
    between: Callable[[int], None],
) -> None:
    """Keep every row of every source in the journal; ``between`` hears how many so far.

    Begins anew when an earlier reading was interrupted. Raises SourceError when a source turns out
    to be unreadable; nothing was sent anywhere then.
    """
    with journal.transaction():
        journal.forget_rows()
    first_row = 0
    for number, (source, mapping) in enumerate(zip(sources, mappings, strict=True)):
        begin, evidence = first_row, DateEvidence()
        for records in ahead(extract(source, config.source)):
            birthdays, _ = map_field(records.cells, mapping, "birthday")
            evidence = evidence.combine(date_evidence(birthdays, records.lines, number))
            with journal.transaction():
                journal.add_batch(number, first_row, records.lines, records.cells, records.problems)
            first_row += len(records.lines)
            between(first_row)
        journal.finish_source(number, first_row - begin, asdict(evidence))


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
