"""Which segments are there, and what puts a customer into one?

Who can be reached is told by the profile, the rest by the customer's standing: how many cards are
on file, and when the latest payments were made. No source tells Square's own rules.
"""

from __future__ import annotations

from typing import NamedTuple

from etl.sandbox.assumptions import AWAY_AFTER, LAPSED_WITHIN, LOYAL_WITHIN

# The names of the API reference's examples, in the order in which its answers list the ids.
NAMES = {
    "CARDS_ON_FILE": "Cards on File",
    "CHURN_RISK": "Lapsed",
    "LOYAL": "Regulars",
    "REACHABLE": "Reachable",
}
BY_PROFILE = "REACHABLE"

_DAY = 24 * 3600 * 1000


class Condition(NamedTuple):
    """A condition over the columns of a customer's standing."""

    sql: str
    values: tuple[int, ...]


def conditions(now: int) -> dict[str, Condition]:
    """Return what puts a customer into each segment that follows from the standing."""
    away, lapsed, loyal = (now - days * _DAY for days in (AWAY_AFTER, LAPSED_WITHIN, LOYAL_WITHIN))
    return {
        "CARDS_ON_FILE": Condition("cards > 0", ()),
        "CHURN_RISK": Condition("third >= ? AND latest < ?", (lapsed, away)),
        "LOYAL": Condition("third >= ? AND latest >= ?", (loyal, away)),
    }
