"""Whose names are heard together, and who contradicts them?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from etl.customers.identity.keys import One, Rules
from etl.customers.identity.matter import Matter
from etl.customers.identity.records import Row
from etl.customers.names import Crowd, Names, disagree


class Voices:
    """The names heard in a set, in a one or under an email."""

    def __init__(self, rules: Rules, rows: Iterable[Row] = ()) -> None:
        self._everybody = Crowd()
        self._by_phone: defaultdict[str, Crowd] = defaultdict(Crowd)
        self._phones_match = rules.shared_phone == "match" and "phone_number" in rules.keys
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Hear the names of a row."""
        self._everybody.add(row.names)
        if self._phones_match and row.phone:
            self._by_phone[row.phone].add(row.names)

    def add_stored(self, names: Names) -> None:
        """Hear the names of a profile."""
        self._everybody.add(names)

    def contradict(self, row: Row) -> bool:
        """Does anybody's name disagree (where phones match: without sharing the phone)?"""
        others = self._everybody.disagreeing(row.names)
        if others and self._phones_match and row.phone:
            others -= self._by_phone[row.phone].disagreeing(row.names)
        return others > 0


def stored_names(matter: Matter, members: list[int]) -> dict[One, Names]:
    """Return the names of the matched profiles, less those that the file renames."""
    if matter.rules.shared_phone == "match":
        return {}
    stored: dict[One, Names] = {}
    renamed: set[One] = set()
    for i in members:
        target = matter.own[i].target
        profile = matter.profile_of(target)
        if target and profile:
            stored[target] = profile.names
            if disagree(profile.names, matter.rows[i].names):
                renamed.add(target)
    return {one: names for one, names in stored.items() if one not in renamed}
