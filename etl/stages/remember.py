"""What should the next run know of this one?

Carries a journal's results over to the ledger of the state folder: which source key is which
customer, what was last written to a customer, which rows wait for a decision. Doing it again
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from etl.customers import payload
from etl.customers.normalize import email_key, phone_key
from etl.journal.journal import Journal
from etl.journal.ledger import Ledger, Written
from etl.journal.records import Landed
from etl.square.wire import Profile


def remember(journal: Journal, ledger: Ledger, *, final: bool) -> None:
    """Bring the ledger up to date with what the journal knows so far.

    ``final``: the run is not planned again, so its rows in review wait for a decision from now on.
    """
    told = "decisions" in journal.facts()
    with ledger.transaction():
        if not told:
            # Once only: a later run may have been told something else.
            ledger.decide(journal.decisions().items())
        if ledger.awaits_creates():
            ledger.fulfilled(_created(journal))
        ledger.remember(_crosswalk(journal))
        ledger.wrote(_written(write) for writes in journal.landed_writes(1000) for write in writes)
        if final:
            ledger.hold(_review_keys(journal, "review"))
            ledger.decide((key, "") for key in _review_keys(journal, "rejected"))
    journal.note(decisions="remembered")


def recall(ledger: Ledger, profiles: Sequence[Profile], region: str) -> None:
    """Note the versions of profiles that were read by id after something was added to them.

    Lists and searches may show them without it for a while.
    """
    with ledger.transaction():
        ledger.wrote(
            Written(
                profile["id"],
                profile.get("version", 0),
                profile.get("reference_id"),
                email_key(profile.get("email_address")),
                phone_key(profile.get("phone_number"), region),
            )
            for profile in profiles
        )


def _created(journal: Journal) -> Iterator[tuple[str, str]]:
    """Yield who became of rows that were to be created, whichever call it was that did it."""
    for key, intent, customer_id in journal.query(
        "SELECT source_key, intent, rows.customer_id FROM rows JOIN writes USING (row) "
        "WHERE action = 'create' AND rows.customer_id <> '' "
        "AND outcome IN ('created', 'updated', 'unchanged') ORDER BY number"
    ):
        yield payload.review_key(key, orjson.loads(intent)), customer_id


def _review_keys(journal: Journal, outcome: str) -> Iterator[str]:
    for (key,) in journal.query(
        "SELECT review_key FROM reviews JOIN rows USING (row) WHERE outcome = ?", outcome
    ):
        yield key


def _crosswalk(journal: Journal) -> Iterator[tuple[str, str]]:
    # One source key can be two customers (a phone shared by two people, [dedupe] shared_phone =
    # "separate"): such a key decides nothing later, and nothing while one of them is not settled.
    for key, customer_id, customers in journal.query(
        "SELECT source_key, max(customer_id), count(DISTINCT nullif(customer_id, '')) FROM rows "
        "WHERE source_key <> '' GROUP BY source_key "
        "HAVING max(customer_id) <> '' "
        "AND NOT max(outcome IN ('pending', 'unknown'))"
    ):
        yield key, customer_id if customers == 1 else ""


def _written(write: Landed) -> Written:
    return Written(
        write.customer_id,
        write.version,
        # What the row says and a policy left unwritten is none of its keys.
        write.changes.get("reference_id"),
        email_key(write.changes.get("email_address")),
        write.changes.get("phone_number"),
        orjson.dumps({n: payload.digest(value) for n, value in write.changes.items()}).decode(),
    )
