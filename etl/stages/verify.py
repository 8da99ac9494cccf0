"""Does Square hold what was written?

Every profile that was created or updated is read back by id, which does not lag, and compared field
by field with what was sent.
"""

from __future__ import annotations

from collections.abc import Callable

from etl.customers import codes, payload
from etl.customers.problems import Problem
from etl.journal.journal import Journal
from etl.journal.records import Landed, Run
from etl.square.client import SquareClient
from etl.square.flights import Flights
from etl.square.wire import Profile
from etl.stages.plan import BULK


def verify(
    journal: Journal,
    square: SquareClient,
    run: Run,
    in_flight: int,
    between: Callable[[int], None],
) -> None:
    """Read back every write that took effect and note the verdict; resumable at each hundred.

    ``in_flight`` calls are under way at a time; ``between`` hears how many more were read back.
    """
    flights: Flights[list[Landed], dict[str, Profile | None]] = Flights(in_flight)

    def read_back(writes: list[Landed]) -> dict[str, Profile | None]:
        return square.retrieve_customers([write.customer_id for write in writes])

    for landed in flights.each(journal.landed_writes(BULK, unverified=True), read_back):
        _compare(journal, run, *landed, between)


def _compare(
    journal: Journal,
    run: Run,
    writes: list[Landed],
    answer: Callable[[], dict[str, Profile | None]],
    between: Callable[[int], None],
) -> None:
    code, profiles = codes.BY_NAME["VERIFY_MISMATCH"], answer()
    told = [(write, _wrong(write, profiles[write.customer_id], run.country)) for write in writes]
    # What is not known to have been read back is read once more.
    with journal.unhurried(), journal.transaction():
        journal.verified([(write, "mismatched" if names else "matched") for write, names in told])
        journal.add_problems(
            Problem(write.row, "note", code.name, name, code.meaning, code.remedy)
            for write, names in told
            for name in names
        )
    between(len(writes))


def _wrong(write: Landed, profile: Profile | None, region: str) -> list[str]:
    return ["id"] if profile is None else payload.mismatches(write.changes, profile, region)
