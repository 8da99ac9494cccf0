"""What lies beside profiles, and is exported with them where it is asked for?

``--with groups,segments,custom-attributes,cards,gift-cards,payments,orders``: each is gathered once
for the whole directory into tables of the collection's file, and then offered as columns::

    check(names, square)                       # may the token read all of it?
    cost(names, db, square, filter, profiles)  # what will it take?
    gather(names, Gathering(...))
    columns(names, db)

``names``: groups and segments. ``attributes``, ``typed``: custom attributes. ``cards``: cards on
file and gift cards. ``history``, ``money``: payments and orders. ``walks``, ``aliases``: long
listings, merged customers. An edit of these does not change a profile.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from etl.errors import Fault, Unauthorized
from etl.export.beside import aliases, attributes, cards, history, names, walks
from etl.export.beside.gathering import Gathering
from etl.export.beside.names import ids_by_name
from etl.export.wanted import Further
from etl.square.client import SquareClient
from etl.square.commerce import SCOPES

__all__ = [
    "KINDS",
    "Cost",
    "Gathering",
    "check",
    "columns",
    "cost",
    "forget",
    "gather",
    "ids_by_name",
]

_LOCATIONS = "GET /v2/locations"
_PAYMENTS = "GET /v2/payments"
_ORDERS = "POST /v2/orders/search"


class Kind(NamedTuple):
    """One thing that can be asked for: what is called beside the Customers API, and its cost."""

    gather: Callable[[Gathering], None]
    columns: Callable[[sqlite3.Connection], Further]
    calls: str
    endpoints: tuple[str, ...] = ()


class Cost(NamedTuple):
    """What something takes: ``calls`` to Square where that is known, ``why`` in words."""

    what: str
    calls: int | None
    why: str


KINDS = {
    "groups": Kind(
        partial(names.gather, "groups"),
        partial(names.columns, "groups"),
        "one call for 50 groups",
    ),
    "segments": Kind(
        partial(names.gather, "segments"),
        partial(names.columns, "segments"),
        "one call for 50 segments",
    ),
    "custom-attributes": Kind(
        attributes.gather, attributes.columns, "one call for each customer who has any"
    ),
    "cards": Kind(cards.gather, cards.columns, "one call for 25 cards on file", ("GET /v2/cards",)),
    "gift-cards": Kind(
        cards.gather_gifts,
        cards.gift_columns,
        "one call for 200 gift cards",
        ("GET /v2/gift-cards",),
    ),
    # Before orders, which belong to whoever paid.
    "payments": Kind(
        partial(history.gather, "payments"),
        partial(history.columns, "payments"),
        "one call for 100 payments of a location, and one for 500 orders if a payment names nobody",
        (_PAYMENTS, _ORDERS, _LOCATIONS),
    ),
    "orders": Kind(
        partial(history.gather, "orders"),
        partial(history.columns, "orders"),
        "one call for 500 orders, and one for 100 payments of a location",
        (_PAYMENTS, _ORDERS, _LOCATIONS),
    ),
}

_SCHEMA = "".join(one.SCHEMA for one in (walks, aliases, names, attributes, cards, history))


def check(names: Iterable[str], square: SquareClient) -> None:
    """Raise Unauthorized if Square says that the token may not read some of it."""
    if not (scopes := square.scopes()):
        return
    for name, kind in _asked(names):
        needed = {"CUSTOMERS_READ", *(SCOPES[endpoint] for endpoint in kind.endpoints)}
        if without := sorted(needed - scopes):
            raise _without(name, without, ())


def cost(
    names: Iterable[str],
    db: sqlite3.Connection,
    square: SquareClient,
    filter: Mapping[str, Any],
    profiles: int,
) -> list[Cost]:
    """Return what each kind takes, for ``profiles`` that pass ``filter``.

    For custom attributes this counts who has which, and settles how they are read.
    """
    db.executescript(_SCHEMA)
    return [
        Cost(
            name,
            attributes.prepare(db, square, filter, profiles)
            if name == "custom-attributes"
            else None,
            kind.calls,
        )
        for name, kind in _asked(names)
    ]


def gather(names: Iterable[str], gathering: Gathering) -> None:
    """Read what is not read yet; after a kill it goes on where it stopped.

    Raises Unauthorized that names the scope which the token lacks, or another SquareError.
    """
    gathering.db.executescript(_SCHEMA)
    for name, kind in _asked(names):
        try:
            kind.gather(gathering)
        except Unauthorized as refusal:
            if refusal.status != 403 or refusal.endpoint not in SCOPES:
                raise
            raise _without(name, [SCOPES[refusal.endpoint]], refusal.faults) from refusal


def columns(names: Iterable[str], db: sqlite3.Connection) -> list[Further]:
    """Return the columns of what was gathered."""
    return [kind.columns(db) for _, kind in _asked(names)]


def forget(db: sqlite3.Connection) -> None:
    """Drop what was gathered: another export begins."""
    for table in re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", _SCHEMA):
        db.execute(f"DROP TABLE IF EXISTS {table}")
    db.execute("DELETE FROM facts WHERE name <> 'seen'")


def _asked(names: Iterable[str]) -> list[tuple[str, Kind]]:
    wanted = set(names)
    return [(name, kind) for name, kind in KINDS.items() if name in wanted]


def _without(name: str, scopes: list[str], faults: Iterable[Fault]) -> Unauthorized:
    return Unauthorized(f"--with {name}", 403, tuple(faults), scopes)
