"""What is to be added to each customer beside the profile: groups, attributes, gift cards?

Compared with what the directory has: a membership that is there is not added again, a value that is
there is not written again. Nothing is ever taken away. Custom attributes do not come with a
profile, so those of a known customer are one call more; so is each number of a gift card. Nothing
is written here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from etl.config import Config
from etl.customers import attributes, codes
from etl.customers.attributes import Definition, Judged
from etl.customers.belongings import ATTRIBUTES, GIFT_CARD, GROUPS, ending, named
from etl.customers.problems import Problem
from etl.errors import ConfigError
from etl.journal.additions import Card, Kind
from etl.journal.journal import Journal
from etl.journal.records import Batch
from etl.square.client import SquareClient

_BATCHES_AT_HAND = 16
_SCOPES = frozenset({"GIFTCARDS_READ", "GIFTCARDS_WRITE"})


class Missing(NamedTuple):
    """What a customer lacks, as an addition without its row, which is added later.

    ``before`` is the value (JSON) that is there until then, if one is.
    """

    kind: Kind
    name: str
    value: str = ""
    version: int | None = None
    before: str = ""


@dataclass(slots=True)
class Wanted:
    """What a row, or rows that are one customer, is to have beside the profile.

    ``cards`` are the ids of gift cards by their numbers.
    """

    row: int
    groups: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Can the row not go on?"""
        return any(problem.effect == "reject" for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Directory:
    """The groups and definitions of the seller: ids by the name of the group."""

    groups: Mapping[str, tuple[str, ...]]
    definitions: Mapping[str, Definition]


def spelled(name: str) -> str:
    """Return what two spellings of a group's name have in common."""
    return unicodedata.normalize("NFC", name).strip()


def look_up(square: SquareClient, config: Config, cards: bool) -> Directory:
    """Read the groups and definitions there are; ``cards`` says that a column has gift cards.

    Raises ConfigError for a custom attribute that is not defined, unless it is to be created, for
    one that no cell can be a value of, and for a token that may not link gift cards.
    """
    if cards and (scopes := square.scopes()) and (without := sorted(_SCOPES - scopes)):
        raise ConfigError(
            f"[columns] {GIFT_CARD}: the access token is without {' and '.join(without)}, so no "
            "gift card can be linked: renew it with these scopes, or leave the column out"
        )
    groups: dict[str, tuple[str, ...]] = {}
    if config.groups.add or config.groups.column:
        for page in square.groups():
            for group in page:
                name = spelled(str(group.get("name", "")))
                groups[name] = (*groups.get(name, ()), str(group["id"]))
    keys = config.attribute_headers
    known: dict[str, Definition] = {}
    if keys:
        for page in square.attribute_definitions():
            known |= {one.key: one for one in map(attributes.definition, page) if one.key in keys}
    for key in keys:
        if key not in known and not config.definitions.create_missing:
            raise ConfigError(
                f"[custom_attributes] there is no custom attribute {key!r} in this account: define "
                "it, correct the key, or set [definitions] create_missing = true"
            )
        if key not in known and ":" in key:
            raise ConfigError(
                f"[custom_attributes] {key!r} belongs to the seller or to another application, so "
                "it cannot be created"
            )
        defined = known.get(key)
        if defined and not (defined.writable and defined.of_one_cell):
            why = f"is of type {defined.type}" if defined.writable else "is read only"
            raise ConfigError(f"[custom_attributes] {key!r} {why}: no column can be written to it")
    missing = {key: Definition(key, "String") for key in keys if key not in known}
    return Directory(groups, known | missing)


class Beside:
    """Says of rows what they want, and of customers what of it they lack."""

    def __init__(
        self,
        journal: Journal,
        square: SquareClient,
        config: Config,
        directory: Directory,
        region: str,
    ) -> None:
        self._journal = journal
        self._square = square
        self._config = config
        self._directory = directory
        self._load = lru_cache(_BATCHES_AT_HAND)(self._loaded)
        self._judge = lru_cache(4096)(
            lambda text, key: attributes.judge(text, directory.definitions[key], region)
        )

    def wanted(
        self, rows: Iterable[tuple[int, int, int]], carrier: int, customer_id: str
    ) -> Wanted:
        """Return what rows want together: all groups and cards, of an attribute the last value.

        ``rows`` are numbers with the place of each (batch, offset); ``customer_id`` is empty for a
        customer that is to be created.
        """
        found = Wanted(carrier, groups=list(self._config.groups.add))
        texts: dict[str, str] = {}
        gans: dict[str, None] = {}
        for _, number, offset in rows:
            columns = self._load(number)
            for name, column in columns.items():
                if column[offset] is None:
                    continue
                if name == GROUPS:
                    found.groups += column[offset]
                elif name == GIFT_CARD:
                    gans[column[offset]] = None
                else:
                    texts[name.removeprefix(ATTRIBUTES)] = column[offset]
        found.groups = list(dict.fromkeys(map(spelled, found.groups)))
        for key, text in texts.items():
            judged = self._judge(text, key)
            if judged.code:
                found.problems.append(self._problem(carrier, key, judged))
            else:
                found.values[key] = judged.value
        for gan in gans:
            self._judge_card(gan, found, customer_id)
        return found

    def lacks(self, wanted: Wanted, profile: Mapping[str, Any] | None) -> list[Missing]:
        """Return what a customer lacks; None is one that is to be created."""
        policy = self._config.update.policy
        if profile is not None and policy == "skip":
            return []
        member = set(profile.get("group_ids", ())) if profile is not None else set()
        missing = [
            Missing("group", name)
            for name in wanted.groups
            if member.isdisjoint(self._directory.groups.get(name, ()))
        ]
        held: Mapping[str, Mapping[str, Any]] = {}
        if wanted.values and profile is not None:
            held = self._square.attributes(profile["id"]) or {}
        for key, value in wanted.values.items():
            there = held.get(key)
            if there and (policy == "fill" or attributes.same(value, there.get("value"))):
                continue
            version = int(there.get("version", 0)) if there else None
            before = orjson.dumps(there.get("value")).decode() if there else ""
            told = orjson.dumps(value).decode()
            missing.append(Missing("attribute", key, told, version, before))
        for gan, id in wanted.cards.items():
            self._journal.additions.give_card(gan, wanted.row)
            missing.append(Missing("gift_card", ending(gan), orjson.dumps(id).decode()))
        return missing

    def _judge_card(self, gan: str, found: Wanted, customer_id: str) -> None:
        """Put a gift card down as wanted, unless it is the customer's already or cannot be."""
        card = self._card(gan)
        if card.id and customer_id in card.customer_ids:
            return
        if not card.id:
            code = codes.BY_NAME["GIFT_CARD_UNKNOWN"]
        elif card.row not in (None, found.row) or self._owned(card, customer_id):
            code = codes.BY_NAME["GIFT_CARD_TAKEN"]
        else:
            found.cards[gan] = card.id
            return
        effect, told = self._config.on_invalid.of_belongings, f"{ending(gan)}: {code.meaning}"
        found.problems.append(Problem(found.row, effect, code.name, GIFT_CARD, told, code.remedy))

    def _card(self, gan: str) -> Card:
        """Return what Square knows of a number; it is asked once."""
        if known := self._journal.additions.card(gan):
            return known
        there = self._square.gift_card_of(gan)
        card = Card(there.id, list(there.customer_ids), None) if there else Card("", [], None)
        self._journal.additions.know_card(gan, card)
        return card

    def _owned(self, card: Card, customer_id: str) -> bool:
        """Is a card somebody else's? Ids may be of customers that were merged or deleted since."""
        if not card.customer_ids:
            return False
        owners = self._square.retrieve_customers(card.customer_ids).values()
        return any(owner and owner["id"] != customer_id for owner in owners)

    def _problem(self, row: int, key: str, judged: Judged) -> Problem:
        effect = self._config.on_invalid.of_belongings
        return Problem(row, effect, judged.code, ATTRIBUTES + key, judged.message)

    def _loaded(self, number: int) -> dict[str, list[Any]]:
        batch: Batch = self._journal.batch(number)
        kept = self._journal.belongings(batch)
        return {} if kept is None else kept.to_pydict()


def told(missing: Sequence[Missing]) -> list[str]:
    """Return what is to be added as the detail of a row names it."""
    return list(dict.fromkeys(named(one.kind, one.name) for one in missing))
