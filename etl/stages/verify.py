"""Does Square hold what was written?

Every profile that was created or updated is read back by id, which does not lag, and compared field
by field with what was sent.
"""

from __future__ import annotations

from collections.abc import Callable

from etl.customers import codes, payload
from etl.customers.problems import Problem
from etl.journal.journal import Journal, Run
from etl.square.client import SquareClient
from etl.stages.plan import BULK


def verify(
    journal: Journal, square: SquareClient, run: Run, between: Callable[[int], None]
) -> None:
    """Read back every write that took effect and note the verdict; resumable at each hundred.

    ``between`` hears how many more were read back.
    """
    code = codes.BY_NAME["VERIFY_MISMATCH"]
    for writes in journal.landed_writes(BULK, unverified=True):
        profiles = square.retrieve_customers([write.customer_id for write in writes])
        with journal.transaction():
            for write in writes:
                profile = profiles[write.customer_id]
                wrong = (
                    ["id"]
                    if profile is None
                    else payload.mismatches(write.changes, profile, run.country)
                )
                journal.verified(write, "mismatched" if wrong else "matched")
                journal.add_problems(
                    Problem(write.row, "note", code.name, name, code.meaning, code.remedy)
                    for name in wrong
                )
        between(len(writes))
