"""Whom does one row name, held against the directory alone?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from etl.customers.identity.keys import Key, One, Rules, Shelf, Value, vetoed
from etl.customers.identity.records import LISTED, Profile, Row


@dataclass(frozen=True, slots=True)
class Own:
    """What the directory alone says of a row: a target, a reason for review, or nothing."""

    target: One | None = None
    evidence: tuple[str, ...] = ()
    code: str = ""


class Directory:
    """The profiles, found by everything a row may share with them."""

    def __init__(self, profiles: Iterable[Profile], rules: Rules) -> None:
        self.by_id = {profile.id: profile for profile in profiles}
        self._rules = rules
        self._holders: defaultdict[Value, list[Profile]] = defaultdict(list)
        in_order = sorted(self.by_id.values(), key=lambda profile: profile.id)
        for profile in in_order:
            for value in rules.values(profile):
                self._holders[value].append(profile)
        # Most values have one holder, who is looked at. Where there are more, the shelf finds
        # those with the right names, and those that share a second value with the row.
        self._shelf = Shelf[str]()
        for profile in in_order:
            values = rules.values(profile)
            shared = [value for value in values if len(self._holders[value]) > 1]
            if shared:
                keys: set[Key] = {*shared, *rules.filed(shared, profile.names)}
                keys.update((*a, *b) for a, b in combinations(values, 2))
                for key in keys:
                    self._shelf.file(key, profile.reference_id, profile.id)

    def candidates(self, row: Row) -> tuple[list[str], list[str]]:
        """Rules 3 and 4: the first profiles that fit the row, and those that share more with it."""
        values = [value for value in self._rules.values(row) if value in self._holders]
        by_reference = bool(values) and values[0][0] == "reference_id"
        leading = values[:1] if by_reference else values
        fitting = sorted({id for value in leading for id in self._having(value, row)})[:LISTED]
        if len(fitting) < 2:
            return fitting, []
        pairs = ((*a, *b) for a, b in combinations(values, 2) if a in leading)
        return fitting, self._first(pairs, row)

    def phone_owners(self, row: Row) -> list[str]:
        """Return the first profiles with the row's phone, if it is a question whose it is."""
        rules = self._rules
        value = ("phone_number", row.phone or "")
        if rules.shared_phone != "review" or value not in self._holders:
            return []
        holders = self._holders[value]
        if len(holders) == 1:
            return [p.id for p in holders if not vetoed(row.reference_id, p.reference_id)]
        return self._first([value], row)

    def _having(self, value: Value, row: Row) -> list[str]:
        """Return the first profiles that fit the row by this value."""
        holders = self._holders[value]
        if len(holders) == 1:
            return [p.id for p in holders if self._rules.proves(value, row, p)]
        return self._first(self._rules.sought([value], row.names), row)

    def _first(self, keys: Iterable[Key], row: Row) -> list[str]:
        return self._shelf.first(keys, row.reference_id, LISTED)


def own_decision(row: Row, directory: Directory, rules: Rules) -> Own:
    """Decide one row against the directory alone."""
    if row.customer_id is not None and not (row.held and row.known_by == "crosswalk"):
        return _match(row, row.customer_id, directory, rules)
    if row.decision == "create":
        by_reference = row.reference_id if "reference_id" in rules.keys else None
        return Own(("new", f"reference {by_reference}" if by_reference else f"row {row.row}"))
    if row.held:
        return Own(code="HELD_FOR_REVIEW")
    candidates, better = directory.candidates(row)
    for choice in (candidates, better):
        if len(choice) == 1:
            return _match(row, choice[0], directory, rules)
    if candidates:
        return Own(code="SEVERAL_CANDIDATES")
    return Own(code="SHARED_PHONE") if directory.phone_owners(row) else Own()


def _match(row: Row, customer: str, directory: Directory, rules: Rules) -> Own:
    profile = directory.by_id.get(customer)
    shared = rules.values(profile) if profile else []
    evidence = [key for key, value in rules.values(row) if (key, value) in shared]
    known_by = [row.known_by] if row.known_by else []
    return Own(("profile", customer), (*known_by, *evidence))
