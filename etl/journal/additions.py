"""What is a run adding beside profiles: memberships, values of custom attributes, gift cards?

Part of the journal, under its laws: an addition is in here before it is sent, a call with its exact
bytes too. What was sent and not answered is sent again as it was.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

Kind = Literal["group", "attribute", "gift_card"]
Result = Literal["landed", "needless", "failed"]

# `made` holds the groups and definitions that this run creates, and the ids of groups it uses;
# `gift_cards` what Square said of each number (no id: it knows none) and which row gets the card.
SCHEMA = """
CREATE TABLE additions (
    number INTEGER PRIMARY KEY, row INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    value TEXT NOT NULL, version INTEGER, tries INTEGER NOT NULL DEFAULT 1,
    state TEXT NOT NULL DEFAULT 'planned', delivery INTEGER, verified TEXT NOT NULL DEFAULT '',
    before TEXT NOT NULL);
CREATE INDEX additions_mismatched ON additions (number) WHERE verified = 'mismatched';
CREATE INDEX additions_by_row ON additions (row);
CREATE INDEX additions_by_state ON additions (state, number);
CREATE TABLE deliveries (
    delivery INTEGER PRIMARY KEY, kind TEXT NOT NULL, path TEXT NOT NULL, body BLOB NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0);
CREATE INDEX deliveries_open ON deliveries (answered, delivery);
CREATE TABLE made (
    kind TEXT, name TEXT, body BLOB NOT NULL, generation INTEGER NOT NULL, id TEXT NOT NULL,
    created INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE gift_cards (
    gan TEXT PRIMARY KEY, id TEXT NOT NULL, customers TEXT NOT NULL, row INTEGER) WITHOUT ROWID;
CREATE INDEX gift_cards_by_row ON gift_cards (row) WHERE row IS NOT NULL;
"""

# Rows whose profile is there, or that only wait for their additions.
_REACHED = "outcome IN ('created', 'updated', 'unchanged', 'pending', 'unknown')"


class Addition(NamedTuple):
    """One membership, one value or one link of a gift card.

    ``name`` is the group's, the value's key, or how the number of the card ends; ``value`` is JSON:
    empty for a group, the id of a gift card; ``version`` is that of the value it replaces.
    ``tries`` counts the calls it was put in.
    """

    number: int
    row: int
    kind: Kind
    name: str
    value: str
    version: int | None
    tries: int
    customer_id: str


class Delivery(NamedTuple):
    """One call, exactly as it is sent."""

    delivery: int
    kind: Kind
    path: str
    body: bytes


class Made(NamedTuple):
    """A group or a definition that is created: ``id`` is empty until it is known to be there."""

    name: str
    body: bytes
    generation: int
    id: str


class Card(NamedTuple):
    """A gift card as Square showed it, and the row whose customer it is to be linked to, if any."""

    id: str
    customer_ids: list[str]
    row: int | None


class Additions:
    """The additions of one journal."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def plan(self, found: Iterable[tuple[int, Kind, str, str, int | None, str]]) -> None:
        """Plan additions: row, kind, name, value, version, and the value (JSON) there is before."""
        self._db.executemany(
            "INSERT INTO additions (row, kind, name, value, version, before) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            found,
        )

    def unplan(self, rows: str) -> None:
        """Undo what was planned for the rows of a SELECT."""
        self._db.execute(f"DELETE FROM additions WHERE row IN ({rows})")
        # Cards are looked at again: they may be somebody's by now.
        self._db.execute(f"DELETE FROM gift_cards WHERE row IS NULL OR row IN ({rows})")

    def planned(self, size: int) -> list[Addition]:
        """Return the next additions that can be sent: those whose row has its customer."""
        return self._additions(
            f"state = 'planned' AND {_REACHED} AND customer_id <> '' ORDER BY number LIMIT ?",
            (size,),
        )

    def group_names(self) -> list[str]:
        """Return the groups that are still to be joined by somebody."""
        found = self._db.execute(
            "SELECT DISTINCT name FROM additions JOIN rows USING (row) WHERE kind = 'group' "
            f"AND state IN ('planned', 'sent') AND {_REACHED} ORDER BY name"
        )
        return [name for (name,) in found]

    def attribute_keys(self) -> list[str]:
        """Return the attributes of which values are still to be written."""
        found = self._db.execute(
            "SELECT DISTINCT name FROM additions JOIN rows USING (row) WHERE kind = 'attribute' "
            f"AND state IN ('planned', 'sent') AND {_REACHED} ORDER BY name"
        )
        return [name for (name,) in found]

    # -- gift cards --------------------------------------------------------------------------

    def card(self, gan: str) -> Card | None:
        """Return what is known of the gift card of a number, None if nobody asked yet."""
        found = self._db.execute(
            "SELECT id, customers, row FROM gift_cards WHERE gan = ?", (gan,)
        ).fetchone()
        return found and Card(found[0], json.loads(found[1]), found[2])

    def know_card(self, gan: str, card: Card) -> None:
        """Note what Square said of a number; without an id it knows no such card."""
        told = (gan, card.id, json.dumps(card.customer_ids), card.row)
        self._db.execute("INSERT INTO gift_cards VALUES (?, ?, ?, ?)", told)

    def give_card(self, gan: str, row: int) -> None:
        """Note which row gets a card: no other one does."""
        self._db.execute("UPDATE gift_cards SET row = ? WHERE gan = ?", (row, gan))

    # -- groups and definitions --------------------------------------------------------------

    def made(self, kind: Literal["group", "definition"]) -> dict[str, Made]:
        """Return the groups or definitions this run uses or creates, by name or key."""
        found = self._db.execute(
            "SELECT name, body, generation, id FROM made WHERE kind = ?", (kind,)
        )
        return {name: Made(name, *rest) for name, *rest in found}

    def make(
        self, kind: Literal["group", "definition"], made: Made, *, created: bool = False
    ) -> None:
        """Note what is about to be created, or the id under which it is there."""
        self._db.execute(
            "INSERT INTO made VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET "
            "body = ?3, generation = ?4, id = ?5, created = ?6",
            (kind, made.name, made.body, made.generation, made.id, created),
        )

    # -- sending -----------------------------------------------------------------------------

    def send(self, kind: Kind, path: str, body: bytes, carried: Sequence[Addition]) -> None:
        """Plan one call for these additions: from now on it counts as sent."""
        cursor = self._db.execute(
            "INSERT INTO deliveries (kind, path, body) VALUES (?, ?, ?)", (kind, path, body)
        )
        self._db.executemany(
            "UPDATE additions SET state = 'sent', delivery = ? WHERE number = ?",
            [(cursor.lastrowid, one.number) for one in carried],
        )
        self._db.executemany(
            "UPDATE rows SET outcome = 'unknown' WHERE row = ? AND outcome = 'pending'",
            [(one.row,) for one in carried],
        )

    def unanswered(self) -> list[Delivery]:
        """Return the calls that were sent, or are about to be, and have no answer yet."""
        found = self._db.execute(
            "SELECT delivery, kind, path, body FROM deliveries WHERE answered = 0 ORDER BY delivery"
        )
        return [Delivery(*columns) for columns in found]

    def carried(self, delivery: Delivery) -> list[Addition]:
        """Return the additions of a call that are not settled, in order."""
        return self._additions("delivery = ? AND state = 'sent'", (delivery.delivery,))

    def settle(self, addition: Addition, result: Result) -> None:
        """Note what became of one addition."""
        self._db.execute(
            "UPDATE additions SET state = ? WHERE number = ?", (result, addition.number)
        )

    def again(self, addition: Addition, version: int | None, before: str | None) -> None:
        """Plan an addition anew, beside the ``version`` of the value that is there now.

        ``before`` is that value (JSON), None if it is still the one that was there when planned.
        """
        self._db.execute(
            "UPDATE additions SET state = 'planned', tries = tries + 1, version = ?, "
            "before = coalesce(?, before) WHERE number = ?",
            (version, before, addition.number),
        )

    def move(self, customer_id: str, survivor: str) -> None:
        """Let rows have the customer that theirs was merged into."""
        self._db.execute(
            "UPDATE rows SET customer_id = ? WHERE customer_id = ?", (survivor, customer_id)
        )

    def answered(self, delivery: Delivery) -> None:
        """Note that nothing more is expected of a call."""
        self._db.execute(
            "UPDATE deliveries SET answered = 1 WHERE delivery = ?", (delivery.delivery,)
        )

    def conclude(self, rows: Iterable[int]) -> None:
        """Give rows that have all their additions behind them their outcome."""
        for row in sorted(set(rows)):
            found = self._db.execute(
                "SELECT state, group_concat(DISTINCT CASE kind WHEN 'group' THEN 'groups' "
                "WHEN 'gift_card' THEN 'gift_card_gan' ELSE 'custom_attributes.' || name END) "
                "FROM additions WHERE row = ? GROUP BY state",
                (row,),
            )
            states = dict(found)
            if "planned" in states or "sent" in states:
                continue
            if "failed" in states:
                self._db.execute("UPDATE rows SET outcome = 'failed' WHERE row = ?", (row,))
            elif "landed" in states:
                self._db.execute(
                    "UPDATE rows SET outcome = CASE outcome WHEN 'created' THEN 'created' "
                    "ELSE 'updated' END, detail = CASE outcome WHEN 'created' THEN detail "
                    "WHEN 'updated' THEN detail || ', ' || ?2 ELSE ?2 END WHERE row = ?1",
                    (row, states["landed"].replace(",", ", ")),
                )
            else:
                self._db.execute(
                    "UPDATE rows SET outcome = 'unchanged', detail = '' "
                    "WHERE row = ? AND outcome IN ('pending', 'unknown')",
                    (row,),
                )

    # -- verifying and reporting -------------------------------------------------------------

    def unverified(self, size: int) -> Iterator[list[Addition]]:
        """Yield what took effect and was not read back yet, whole customers together."""
        last = -1
        while found := self._additions(
            "state = 'landed' AND verified = '' AND number > ? ORDER BY number LIMIT ?",
            (last, size),
        ):
            yield found
            last = found[-1].number

    def verified(self, addition: Addition, verdict: Literal["matched", "mismatched"]) -> None:
        """Note what reading back showed."""
        self._db.execute(
            "UPDATE additions SET verified = ? WHERE number = ?", (verdict, addition.number)
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Return per kind how many were planned, took effect, failed and were read back."""
        told = ("planned", "added", "failed", "verified", "mismatched")
        found = {
            kind: dict(zip(told, numbers, strict=True))
            for kind, *numbers in self._db.execute(
                "SELECT kind, count(*), sum(state = 'landed'), sum(state = 'failed'), "
                "sum(verified = 'matched'), sum(verified = 'mismatched') FROM additions "
                "GROUP BY kind"
            )
        }
        made = dict(self._db.execute("SELECT kind, sum(created) FROM made GROUP BY kind"))
        nothing = dict.fromkeys(told, 0)
        return {
            "groups": found.get("group", nothing) | {"created": made.get("group") or 0},
            "custom_attributes": found.get("attribute", nothing)
            | {"created": made.get("definition") or 0},
            "gift_cards": found.get("gift_card", nothing),
        }

    def _additions(self, where: str, parameters: Sequence[object]) -> list[Addition]:
        found = self._db.execute(
            "SELECT number, row, kind, name, value, additions.version, tries, customer_id "
            f"FROM additions JOIN rows USING (row) WHERE {where}",
            parameters,
        )
        return [Addition(*columns) for columns in found.fetchall()]
