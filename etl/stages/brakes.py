"""Is it better to stop? Limits of the operator's, before the load and between its calls.

What was sent stays in the journal as it is: a run that was stopped here goes on when it is told to.
"""

from __future__ import annotations

from collections.abc import Callable

from etl.config import Limits, beyond
from etl.errors import BrakeError
from etl.journal.journal import Journal

_BEFORE = {
    "max_rejected": "rows are rejected",
    "max_created": "profiles would be created",
    "max_cleared": "fields would be cleared",
}
_DURING = {
    "max_failed": "rows were refused by Square",
    "max_mismatched": "profiles did not read back as they were written",
}


def brake_plan(journal: Journal, limits: Limits) -> None:
    """Stop before the load when the plan goes beyond a brake; raises BrakeError."""
    (rejected,) = next(journal.query("SELECT count(*) FROM rows WHERE outcome = 'rejected'"))
    planned = journal.planned()
    counts = (rejected, planned["creates"], planned["fields_cleared"])
    for (name, told), count in zip(_BEFORE.items(), counts, strict=True):
        _check(journal, limits, name, count, told, "Look at plan.csv; if it is right, raise")


def brake_load(journal: Journal, limits: Limits) -> None:
    """Stop between two calls when too much went wrong; raises BrakeError."""
    for (name, told), count in zip(_DURING.items(), _went_wrong(journal), strict=True):
        _check(journal, limits, name, count, told, "Look at rows.csv; to go on all the same, raise")


def try_first(
    journal: Journal, size: int, load: Callable[[], None], verify: Callable[[], None]
) -> None:
    """Let a first batch of up to ``size`` profiles go, and read it back, before all others.

    Raises BrakeError when one of them was refused or does not read back as written; the next
    attempt goes on with the others then.
    """
    with journal.transaction():
        rows = journal.plan.hold(size)
    before = _went_wrong(journal)
    load()
    verify()
    refused, wrong = (now - then for now, then in zip(_went_wrong(journal), before, strict=True))
    with journal.transaction():
        journal.plan.release()
        journal.note(canary="")
    if refused or wrong:
        raise BrakeError(
            f"the canary of {len(rows)} rows: {refused} {_DURING['max_failed']}, {wrong} "
            f"{_DURING['max_mismatched']}. Nothing more is sent. Look at rows.csv; to go on with "
            f"the other rows all the same: square-etl runs resume {journal.run().run_id}"
        )


def _went_wrong(journal: Journal) -> tuple[int, int]:
    """Return how many rows failed, and how much did not read back as it was written."""
    (failed,) = next(journal.query("SELECT count(*) FROM rows WHERE outcome = 'failed'"))
    wrong = 0
    for table in ("writes", "additions"):
        sql = f"SELECT count(*) FROM {table} WHERE verified = 'mismatched'"
        wrong += next(journal.query(sql))[0]
    return failed, wrong


def _check(journal: Journal, limits: Limits, name: str, count: int, told: str, advice: str) -> None:
    limit = getattr(limits, name)
    if limit is None or not count:
        return
    (rows,) = next(journal.query("SELECT count(*) FROM rows"))
    if beyond(count, limit, rows):
        raise BrakeError(
            f"{count} {told} of {rows} rows, more than [limits] {name} = {limit!r}. Nothing more "
            f"is sent. {advice} the limit and give the same command again."
        )
