"""Which customers of a split set does a row touch, and with which of them does it go?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from etl.customers.identity.keys import Key, One, Value
from etl.customers.identity.matter import WAITS, Fate, Matter
from etl.customers.identity.records import Row
from etl.customers.identity.voices import Voices, stored_names


@dataclass(slots=True)
class _Near:
    """What lies under one key: the ones there, and whether rows in review do as well."""

    ones: set[One] = field(default_factory=set)
    referenced: set[One] = field(default_factory=set)
    people: bool = False
    disputed: bool = False


class Reach:
    """Which ones does a row touch? Grows as rows are decided; only rows without reference ask."""

    def __init__(self, matter: Matter, members: list[int], anchored: dict[int, Fate]) -> None:
        self._matter = matter
        self._near: defaultdict[Key, _Near] = defaultdict(_Near)
        self._holders: defaultdict[Value, set[One]] = defaultdict(set)
        self._voices: defaultdict[One, Voices] = defaultdict(lambda: Voices(matter.rules))
        self._referenced: set[One] = set()
        for one, names in stored_names(matter, members).items():
            self._voices[one].add_stored(names)
        for i, fate in anchored.items():
            if fate.one:
                profile = matter.profile_of(fate.one)
                if matter.rows[i].reference_id or (profile and profile.reference_id):
                    self._referenced.add(fate.one)
                for value in matter.rules.values(profile) if profile else ():
                    self._holders[value].add(fate.one)

    def file(self, fates: dict[int, Fate]) -> list[Key]:
        """Take in rows that are decided, and return the keys under which they are found."""
        keys = []
        for i, fate in fates.items():
            row = self._matter.rows[i]
            # A row in review is somebody of its own, whom nobody knows.
            one = fate.one or ("review", str(i))
            if fate.one:
                self._voices[one].add(row)
            for value in self._matter.values[i]:
                self._holders[value].add(one)
            for key in self._matter.filed(i):
                near = self._near[key]
                if fate.one is None:
                    near.disputed = True
                else:
                    near.ones.add(one)
                    near.people |= one[0] == "person"
                    if one in self._referenced:
                        near.referenced.add(one)
                keys.append(key)
        return keys

    def keys(self) -> list[Key]:
        """All keys under which somebody is found so far."""
        return list(self._near)

    def touches(self, i: int) -> bool:
        """Does the row touch anybody who is decided?"""
        return any(key in self._near for key in self._matter.sought(i))

    def contradict(self, one: One, row: Row) -> bool:
        """Does the row's name disagree with a name of this one?"""
        return self._voices[one].contradict(row)

    def choose(self, rows: Iterable[int]) -> dict[int, Fate]:
        """Step d for the rows of one round."""
        common: dict[tuple[Value, ...], list[One]] = {}
        return {i: self._choose(i, common) for i in rows}

    def _choose(self, i: int, common: dict[tuple[Value, ...], list[One]]) -> Fate:
        places = [near for key in self._matter.sought(i) if (near := self._near.get(key))]
        # Two tell that there are several; which two does not matter.
        ones = {one for near in places for one in islice(near.ones, 2)}
        disputed = any(near.disputed for near in places)
        if not ones:
            return WAITS
        if len(ones) == 1 and not disputed:
            return Fate(ones.pop())
        if one := self._sharing_both(i, common):
            return Fate(one)
        return WAITS if len(ones) == 1 else Fate(code=self._difference(places))

    def _sharing_both(self, i: int, common: dict[tuple[Value, ...], list[One]]) -> One | None:
        """The only one that has both the email and the phone; rows often ask for the same pair."""
        pair = tuple(value for value in self._matter.values[i] if value[0] != "reference_id")
        if len(pair) < 2:
            return None
        if pair not in common:
            fewer, more = sorted((self._holders[value] for value in pair), key=len)
            common[pair] = list(islice((one for one in fewer if one in more), 2))
        ones = common[pair]
        return ones[0] if len(ones) == 1 and ones[0][0] != "review" else None

    def _difference(self, places: list[_Near]) -> str:
        """Say why nobody can choose between the ones at these places."""
        references = {one for near in places for one in islice(near.referenced, 2)}
        if len(references) > 1:
            return "REFERENCES_DISAGREE"
        people = any(near.people for near in places)
        return "NAMES_DISAGREE" if people else "SEVERAL_CANDIDATES"
