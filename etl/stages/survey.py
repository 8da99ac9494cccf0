"""Which rows of a file would Square refuse, when nothing else is to become of it?

Reads and checks in one pass, and keeps of the rows only those there is something to say of. A batch
is checked by what its own birthdays prove about the order of day and month; should the whole column
prove something else, the source is gone through once more with that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from etl.config import Config
from etl.customers.dates import DateEvidence, date_evidence
from etl.customers.erased import ErasedPeople
from etl.customers.problems import told
from etl.engines import USUAL, Cut, Engine
from etl.files.sources import Source
from etl.journal.journal import Journal
from etl.journal.records import Check, Rows
from etl.stages.check import Checking, Done, checking, keep
from etl.stages.extract import Part, parts, records, refuse_swollen
from etl.stages.mapping import map_field

# What these say is the same for everybody: of rows with nothing else, nothing has to be shown.
_FORM = ("DATE_FORMATTED", "PHONE_FORMATTED", "TRIMMED", "UNICODE_COMPOSED")


def survey(
    journal: Journal,
    engine: Engine,
    sources: Sequence[Source],
    config: Config,
    country: str,
    erased: ErasedPeople,
    between: Callable[[int], None],
    cut: Cut = USUAL,
) -> None:
    """Keep what there is to say of every row of every source; ``between`` hears how many so far.

    Begins anew when an earlier survey was interrupted. Raises SourceError when a source turns out
    to be unreadable.
    """
    with journal.transaction():
        journal.forget_rows()
    first_row, how = 0, checking(journal, config, country, erased)
    # Of most rows nothing is kept: they may come in larger batches than where all of them are.
    cut = cut._replace(rows=2 * cut.rows)
    for number, source in enumerate(sources):
        surveying = _Surveying(number, source, how, cut)
        end, evidence, agreed = _pass(journal, engine, surveying, config, first_row, between)
        if not agreed:
            with journal.transaction():
                journal.forget_rows(first_row)
            whole = replace(surveying, evidence=evidence)
            _pass(journal, engine, whole, config, first_row, between)
        journal.finish_source(number, end - first_row, asdict(evidence))
        first_row = end


class _Passed(NamedTuple):
    """The row after the last, what all birthdays prove, and whether each batch was read by that."""

    end: int
    evidence: DateEvidence
    agreed: bool


def _pass(
    journal: Journal,
    engine: Engine,
    surveying: _Surveying,
    config: Config,
    row: int,
    between: Callable[[int], None],
) -> _Passed:
    evidence, delivered, single = DateEvidence(), 0, set()
    found = parts(surveying.source, config.source, surveying.cut, engine.where)
    for batch in engine.spread(surveying, found):
        delivered += batch.size
        refuse_swollen(surveying.source, delivered)
        evidence = evidence.combine(batch.evidence)
        single.add(batch.evidence.rule)
        with journal.transaction():
            kept = journal.add_batch(surveying.number, row, batch.rows)
            keep(journal, kept, batch.done)
        row += batch.rows.rows
        between(row)
    return _Passed(row, evidence, single <= {evidence.rule})


class _Batch(NamedTuple):
    """A batch for the journal, what it proves, and how many bytes its cells have."""

    rows: Rows
    done: Done
    evidence: DateEvidence
    size: int


@dataclass(frozen=True, slots=True)
class _Surveying:
    """Reads and checks any part of a source; ``evidence`` is the whole column's, where known."""

    number: int
    source: Source
    checking: Checking
    cut: Cut
    evidence: DateEvidence | None = None

    def __call__(self, part: Part) -> Iterator[_Batch]:
        mapping = self.checking.mappings[self.number]
        for read in records(part, self.source, self.cut.rows):
            birthdays, _ = map_field(read.cells, mapping, "birthday")
            own = date_evidence(birthdays, read.lines, self.number)
            checked, decided = self.checking(
                self.number, read.cells, read.problems, self.evidence or own
            )
            found = checked.problems
            shown = _shown(found)
            rows = Rows.of(read.lines, read.cells.take(pa.array(shown)), read.problems, shown)
            done = Done(Check.of(None, found), decided, self.checking.gone(found))
            yield _Batch(rows, done, own, read.cells.nbytes)


def _shown(found: pa.Table) -> np.ndarray:
    """Return the places of the rows there is more to say of than that they were brought to form."""
    other = found.column("row").to_numpy()[~told(found, "code", *_FORM)]
    places: np.ndarray = np.unique(other)
    return places
