"""What is to be done so that a customer is as before a run, and what must be left alone?

Three-way: what was there before the run, what it wrote, what is there now. Only what still stands
as the run wrote it is taken back; whatever somebody else did since stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from etl.customers import attributes, fields, payload
from etl.customers.belongings import ATTRIBUTES, GIFT_CARD, GROUPS, named

Values = Mapping[str, str | None]

# What Square itself keeps of every profile (Customer object of the API reference).
_SQUARES = frozenset(
    ("id", "created_at", "updated_at", "creation_source", "version", "segment_ids")
)
_CHECKED = frozenset(("group_ids", "preferences"))


class Added(NamedTuple):
    """Something that a run added beside a profile: a membership, a value or a gift card.

    ``name`` is the id of the group, the key of the attribute, or how the number of the card ends.
    ``value`` and ``before`` are JSON, ``before`` is empty where there was none.
    """

    kind: Literal["group", "attribute", "gift_card"]
    name: str
    value: str
    before: str


class Conflict(NamedTuple):
    """Something that is left as it is: the code says why, ``field`` where."""

    code: str
    field: str = ""


class TakenBack(NamedTuple):
    """A membership to end, or a value to put in place (JSON, empty deletes); its version now."""

    kind: Literal["group", "attribute"]
    name: str
    value: str
    version: int | None


@dataclass(slots=True)
class Judgement:
    """What one customer needs: to be deleted, or fields put back (None clears) and the rest."""

    delete: bool = False
    changes: payload.Values = field(default_factory=dict)
    taken_back: list[TakenBack] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        """Is there nothing to be done?"""
        return not (self.delete or self.changes or self.taken_back)

    @property
    def told(self) -> str:
        """What is to be done and what is not, as the detail of a row."""
        back = [*self.changes, *(named(one.kind, one.name) for one in self.taken_back)]
        left = [one.field for one in self.conflicts if one.field]
        told = ["to be deleted"] if self.delete else []
        for what, names in (("to be put back", back), ("left as they are", left)):
            if names:
                told.append(f"{what}: {', '.join(sorted(set(names)))}")
        return "; ".join(told)


def of_created(
    customer_id: str,
    written: Values,
    added: Sequence[Added],
    profile: dict[str, Any] | None,
    held: Mapping[str, Mapping[str, Any]],
    region: str,
    cards: Collection[str] | None,
) -> Judgement:
    """Judge a profile that the run created: it is deleted if it is nothing but what the run made.

    ``held`` are its custom attributes; ``cards`` the customers with a card on file, None if that
    could not be seen: no card is lost for want of knowing of it.
    """
    if profile is None:
        return Judgement()
    if profile["id"] != customer_id:
        return Judgement(conflicts=[Conflict("MERGED_SINCE")])
    found = [Conflict("EDITED_SINCE", name) for name in _edited(written, profile, region)]
    ours = {one.name for one in added if one.kind == "group"}
    if not ours.issuperset(profile.get("group_ids") or ()):
        found.append(Conflict("USED_SINCE", GROUPS))
    values = {one.name: one.value for one in added if one.kind == "attribute"}
    for key, there in held.items():
        if key not in values or not attributes.same(orjson.loads(values[key]), there.get("value")):
            found.append(Conflict("USED_SINCE", ATTRIBUTES + key))
    if cards is None:
        found.append(Conflict("CARDS_NOT_SEEN"))
    elif customer_id in cards:
        found.append(Conflict("USED_SINCE", "cards"))
    return Judgement(delete=not found, conflicts=found)


def of_updated(
    customer_id: str,
    written: Values,
    before: Values,
    added: Sequence[Added],
    profile: dict[str, Any] | None,
    held: Mapping[str, Mapping[str, Any]],
    region: str,
) -> Judgement:
    """Judge a profile that was there before the run: field by field, value by value."""
    if profile is None:
        return Judgement(conflicts=[Conflict("DELETED_SINCE")])
    if profile["id"] != customer_id:
        return Judgement(conflicts=[Conflict("MERGED_SINCE")])
    changes, foreign = differing(written, before, profile, region)
    undoing = Judgement(
        changes=changes, conflicts=[Conflict("EDITED_SINCE", name) for name in foreign]
    )
    for one in added:
        if one.kind == "group":
            if one.name in (profile.get("group_ids") or ()):
                undoing.taken_back.append(TakenBack("group", one.name, "", None))
            continue
        if one.kind == "gift_card":
            undoing.conflicts.append(Conflict("GIFT_CARD_STAYS", GIFT_CARD))
            continue
        there = held.get(one.name)
        if _as_before(one, there):
            continue
        if there and attributes.same(orjson.loads(one.value), there.get("value")):
            version = there.get("version")
            undoing.taken_back.append(TakenBack("attribute", one.name, one.before, version))
        else:
            undoing.conflicts.append(Conflict("EDITED_SINCE", ATTRIBUTES + one.name))
    return undoing


def differing(
    written: Values, before: Values, profile: dict[str, Any], region: str
) -> tuple[payload.Values, list[str]]:
    """Return the fields to put back, with what was there before, and those of somebody else."""
    changes: payload.Values = {}
    foreign = []
    for name, was in before.items():
        now = payload.value_of(profile, name)
        if now == was:
            continue
        # First: a birthday that only gained its year is not as before.
        if payload.still(name, written[name], now, region):
            changes[name] = was
        elif not payload.still(name, was, now, region):
            foreign.append(name)
    return changes, foreign


def _edited(written: Values, profile: dict[str, Any], region: str) -> Iterator[str]:
    """Yield what a created profile has otherwise than it was written, or beyond it."""
    for one in fields.FIELDS:
        if one.path[0] in _SQUARES | _CHECKED:
            continue
        held = payload.value_of(profile, one.name)
        if not payload.still(one.name, written.get(one.name), held, region):
            yield one.name
    if (profile.get("preferences") or {}).get("email_unsubscribed"):
        yield "preferences.email_unsubscribed"
    known = {one.path[0] for one in fields.FIELDS}
    yield from sorted(name for name, value in profile.items() if value and name not in known)


def _as_before(one: Added, there: Mapping[str, Any] | None) -> bool:
    if not one.before:
        return there is None
    return there is not None and attributes.same(orjson.loads(one.before), there.get("value"))
