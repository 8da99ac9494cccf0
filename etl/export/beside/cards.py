"""Which cards on file and gift cards do customers have?

Of cards on file the enabled ones; of gift cards those that can be used, now or once activated. A
gift card's number is money to whoever knows it, so only its end is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from etl.export.beside import aliases, money, walks
from etl.export.beside.gathering import AMONG, TEXTS, Gathering, ids_of, note, noted
from etl.export.beside.walks import Walk
from etl.export.wanted import Further
from etl.square import commerce
from etl.square.wire import Page, Profile

SCHEMA = """
CREATE TABLE IF NOT EXISTS cards (
    id TEXT PRIMARY KEY, customer TEXT, brand TEXT, last_4 TEXT, expires TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cards_by_customer ON cards (customer);
CREATE TABLE IF NOT EXISTS gift_cards (
    id TEXT PRIMARY KEY, last_4 TEXT, currency TEXT, balance INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gift_card_customers (
    customer TEXT, gift_card TEXT, PRIMARY KEY (customer, gift_card)) WITHOUT ROWID;
"""

_USABLE = ("ACTIVE", "PENDING")

_CARDS = (
    pa.field("cards.count", pa.int64()),
    pa.field("cards.brands", TEXTS),
    pa.field("cards.last_4", TEXTS),
    pa.field("cards.expires", pa.string()),
)
_GIFT_CARDS = (
    pa.field("gift_cards.count", pa.int64()),
    pa.field("gift_cards.last_4", TEXTS),
    pa.field("gift_cards.balance", TEXTS),
)


# -- cards on file ---------------------------------------------------------------------------


def gather(gathering: Gathering) -> None:
    """Read all enabled cards on file.

    Cards cannot be asked for by time (reference of ListCards), nor can gift cards: where a cursor
    died they are read from the beginning, and kept once.
    """

    def ask(walk: Walk) -> Page:
        return commerce.cards(gathering.square, walk.cursor)

    def keep(walk: Walk, cards: Iterable[dict[str, Any]]) -> None:
        gathering.db.executemany(
            "INSERT OR REPLACE INTO cards VALUES (?, ?, ?, ?, ?)", map(_card, cards)
        )

    if noted(gathering.db, "cards") is None:
        kind = walks.Kind("cards.walk", "cards", ask, keep)
        walks.complete(gathering, kind, lambda: [("", None)])
        aliases.settle(gathering, "cards", "cards")
        note(gathering.db, "cards")


def columns(db: sqlite3.Connection) -> Further:
    """Offer how many cards a customer has, their brands and ends, and when the first expires."""

    def values(profiles: Sequence[Profile]) -> list[pa.Array]:
        held: dict[str, list[tuple[str | None, ...]]] = {}
        for customer, *card in db.execute(
            "SELECT customer, brand, last_4, expires FROM cards "
            f"WHERE customer {AMONG} ORDER BY customer, id",
            [ids_of(profiles)],
        ):
            held.setdefault(customer, []).append(tuple(card))
        rows = []
        for profile in profiles:
            cards = held.get(profile["id"], [])
            brands, ends, expiries = zip(*cards, strict=True) if cards else ((), (), ())
            rows.append((len(cards), brands, ends, min(filter(None, expiries), default=None)))
        return _arrays(rows, _CARDS)

    return Further(_CARDS, values)


def _card(card: dict[str, Any]) -> tuple[Any, ...]:
    month, year = card.get("exp_month"), card.get("exp_year")
    expires = f"{year:04}-{month:02}" if type(month) is int and type(year) is int else None
    owner, brand, end = (card.get(name) for name in ("customer_id", "card_brand", "last_4"))
    return str(card["id"]), owner, brand, end, expires


# -- gift cards ------------------------------------------------------------------------------


def gather_gifts(gathering: Gathering) -> None:
    """Read all gift cards."""
    db = gathering.db

    def ask(walk: Walk) -> Page:
        return commerce.gift_cards(gathering.square, walk.cursor)

    def keep(walk: Walk, cards: Iterable[dict[str, Any]]) -> None:
        for card in cards:
            if card.get("state") not in _USABLE or not card.get("customer_ids"):
                continue
            currency, balance = money.read(card.get("balance_money")) or (None, None)
            id, end = str(card["id"]), str(card.get("gan") or "")[-4:]
            row = (id, end, currency, balance)
            db.execute("INSERT OR REPLACE INTO gift_cards VALUES (?, ?, ?, ?)", row)
            db.executemany(
                "INSERT OR IGNORE INTO gift_card_customers VALUES (?, ?)",
                ((customer, id) for customer in card["customer_ids"]),
            )

    if noted(db, "gift-cards") is None:
        kind = walks.Kind("gift-cards.walk", "gift cards", ask, keep)
        walks.complete(gathering, kind, lambda: [("", None)])
        aliases.settle(gathering, "gift cards", "gift_card_customers")
        note(db, "gift-cards")


def gift_columns(db: sqlite3.Connection) -> Further:
    """Offer how many gift cards a customer has, their ends, and what is on them by currency."""

    def values(profiles: Sequence[Profile]) -> list[pa.Array]:
        held: dict[str, list[tuple[str, str | None, int | None]]] = {}
        for customer, *card in db.execute(
            "SELECT customer, last_4, currency, balance FROM gift_card_customers "
            "JOIN gift_cards ON gift_cards.id = gift_card "
            f"WHERE customer {AMONG} ORDER BY customer, gift_card",
            [ids_of(profiles)],
        ):
            end, currency, balance = card
            held.setdefault(customer, []).append((end, currency, balance))
        rows = []
        for profile in profiles:
            cards = held.get(profile["id"], [])
            sums: dict[str, int] = {}
            for _, currency, balance in cards:
                if currency is not None and balance is not None:
                    sums[currency] = sums.get(currency, 0) + balance
            balances = [money.written(*one) for one in sorted(sums.items())]
            rows.append((len(cards), [end for end, _, _ in cards], balances))
        return _arrays(rows, _GIFT_CARDS)

    return Further(_GIFT_CARDS, values)


def _arrays(rows: Sequence[tuple[Any, ...]], fields: Sequence[pa.Field]) -> list[pa.Array]:
    return [
        pa.array([row[place] for row in rows], field.type) for place, field in enumerate(fields)
    ]
