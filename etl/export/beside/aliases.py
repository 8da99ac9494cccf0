"""Whose are things that were made under the id of a profile that is merged by now?

Merging does not rewrite the customer of payments and orders. Square answers a request for an id of
old with the profile it became, which has another id.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from etl.errors import Interrupted, SquareError
from etl.export.beside.gathering import Gathering
from etl.journal.database import transaction
from etl.square.client import BATCH
from etl.square.flights import Flights
from etl.square.wire import Profile

SCHEMA = """
CREATE TABLE IF NOT EXISTS aliases (id TEXT PRIMARY KEY, became TEXT) WITHOUT ROWID;
"""

# Tables that have a customer.
Holder = Literal["cards", "gift_card_customers", "payments", "orders"]

_Found = dict[str, Profile | None]


def settle(gathering: Gathering, kind: str, table: Holder) -> None:
    """Give what belongs to ids that were not collected to the profiles they became, if any."""
    flights: Flights[list[str], _Found] = Flights(gathering.in_flight)
    asked = 0
    try:
        chunks = _unknown(gathering, table)
        for ids, answer in flights.each(chunks, gathering.square.retrieve_customers):
            found = answer()
            asked += len(ids)
            gathering.tell(f"{kind} of merged customers", asked, 0)
            became = {id: one["id"] for id, one in found.items() if one and one["id"] != id}
            known = [(id, became.get(id)) for id in ids] + [(id, None) for id in became.values()]
            with transaction(gathering.db):
                gathering.db.executemany("INSERT OR IGNORE INTO aliases VALUES (?, ?)", known)
    except (Interrupted, SquareError) as stop:
        flights.land_rest(lambda ids, answer: None, stop)
        raise
    # Of a gift card both the old and the new id may be named.
    gathering.db.execute(
        f"UPDATE OR REPLACE {table} SET customer = aliases.became FROM aliases "
        f"WHERE aliases.id = {table}.customer AND aliases.became IS NOT NULL"
    )


def _unknown(gathering: Gathering, table: Holder) -> Iterator[list[str]]:
    at = ""
    while rows := gathering.db.execute(
        f"SELECT DISTINCT customer FROM {table} WHERE customer > ? "
        "AND customer NOT IN (SELECT id FROM profiles) "
        f"AND customer NOT IN (SELECT id FROM aliases) ORDER BY customer LIMIT {BATCH}",
        [at],
    ).fetchall():
        ids = [str(id) for (id,) in rows]
        yield ids
        at = ids[-1]
