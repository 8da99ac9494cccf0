"""What became of the rows that an earlier run had rejected?

Corrected rejects name their row by ``_line``. When the run that amends is done, its outcomes are
added to the journal of the run it amends, which keeps its own as history, and so on upwards where
that run amends another. Adding them again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from etl.errors import SourceError, StateError
from etl.files.sources import Source
from etl.journal.journal import Journal
from etl.journal.records import Amendment
from etl.journal.state import JOURNAL, State
from etl.reports import tables
from etl.stages.reconcile import reconcile

_LINE = "_line"
_WAITING = "('rejected', 'failed', 'review')"


def amendable(run_id: str, state: State, merchant: str) -> str:
    """Return the full id of a run that can be amended.

    Raises StateError when it is no finished import of this merchant.
    """
    folder = state.run_folder(run_id)
    with closing(Journal.open(folder / JOURNAL)) as journal:
        run, stage = journal.run(), journal.stage
    if run.command != "import" or stage != "done":
        raise StateError(f"run {run.run_id} is no finished import: only such a run can be amended")
    if run.merchant_id != merchant:
        raise StateError(f"run {run.run_id} belongs to another merchant, {run.merchant_id}")
    return run.run_id


def refuse_others(sources: list[Source], run_id: str) -> None:
    """Raise SourceError for a file that is no rejects or review file."""
    for source in sources:
        if not source.ours:
            raise SourceError(
                f"{source.name}: has no columns _line and _codes, so it is not the rejects.csv of "
                f"run {run_id}: correct that file, or import this one without --amends"
            )


def verify_links(journal: Journal, state: State) -> None:
    """Raise SourceError unless every row is a rejected row of the run that is amended."""
    amends = journal.run().amends
    with closing(Journal.open(state.run_folder(amends) / JOURNAL)) as amended:
        _links(journal, amended)


def record(journal: Journal, state: State) -> None:
    """Add the outcomes of a run that is done to the run it amends."""
    _pass_on(journal, _outcomes(journal), state)


def _pass_on(journal: Journal, outcomes: Iterable[Amendment], state: State) -> None:
    amends = journal.run().amends
    folder = _folder(amends, state) if amends else None
    if folder is None:
        return
    with closing(Journal.open(folder / JOURNAL)) as amended:
        rows = _links(journal, amended)
        theirs = [
            outcome._replace(
                row=rows[outcome.row],
                duplicate_of=None if outcome.duplicate_of is None else rows[outcome.duplicate_of],
            )
            for outcome in outcomes
        ]
        amended.amend(theirs)
        reconcile(amended, folder)
        _pass_on(amended, theirs, state)


def _folder(run_id: str, state: State) -> Path | None:
    try:
        return state.run_folder(run_id)
    except StateError:
        return None  # it was purged meanwhile: nobody will ask it


def _outcomes(journal: Journal) -> Iterator[Amendment]:
    run = journal.run()
    for batch in journal.batches():
        codes = tables.codes_of(journal, batch).to_pylist()
        for row, line, outcome, customer_id, matched_by, detail, carrier in journal.query(
            "SELECT row, line, outcome, customer_id, matched_by, detail, duplicate_of FROM rows "
            "WHERE batch = ? ORDER BY row",
            batch.batch,
        ):
            found = codes[row - batch.first_row]
            whom = (customer_id, matched_by)
            yield Amendment(row, run.run_id, line, outcome, *whom, detail, found, carrier)


def _links(journal: Journal, amended: Journal) -> dict[int, int]:
    """Return which row of the amended run each row is."""
    run_id = amended.run().run_id
    known = _places(amended)
    names = [source["facts"]["name"] for source in journal.sources()]
    links: dict[int, int] = {}
    taken: dict[int, str] = {}
    for batch in journal.batches():
        told = journal.cells(batch).column(_LINE).to_pylist()
        for at, (place, line) in enumerate(zip(told, batch.lines.to_pylist(), strict=True)):
            here = f"{names[batch.source]} line {line}"
            row = known.get((place or "").strip())
            if row is None:
                raise SourceError(
                    f"{here}: its _line names no row that run {run_id} rejected or left for "
                    "review: correct the rejects.csv of that run and keep its _line column"
                )
            if row in taken:
                raise SourceError(f"{here}: has the same _line as {taken[row]}: keep one of them")
            taken[row] = here
            links[batch.first_row + at] = row
    return links


def _places(journal: Journal) -> dict[str, int]:
    """Return the rows that wait for a correction, by what their ``_line`` says."""
    names = [source["facts"]["name"] for source in journal.sources()]
    return {
        f"{names[source]}:{line}" if len(names) > 1 else str(line): row
        for row, source, line in journal.query(
            "SELECT row, source, line FROM rows JOIN batches USING (batch) "
            f"WHERE outcome IN {_WAITING}"
        )
    }
