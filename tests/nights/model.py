"""What should the directory hold, and how should last night's rows have ended?

Plain dicts and an importer of a few lines, which shares no code with the product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, str]  # field → what a profile or a row holds, in canonical form

# What Square counts up or keeps by itself, or is compared apart.
_OTHERS = ("id", "created_at", "updated_at", "version", "creation_source", "preferences")
_BESIDE = ("group_ids", "segment_ids")


@dataclass
class Profile:
    """One profile of the directory; ``drink`` is its custom attribute."""

    values: Values
    groups: set[str] = field(default_factory=set)
    drink: str = ""

    @property
    def key(self) -> str:
        """What tells it from all others: the CRM's number, else the email."""
        return self.values.get("reference_id") or self.values["email_address"]


@dataclass
class Memory:
    """What the state folder knows beside the directory: it is lost and restored with it."""

    held: set[str] = field(default_factory=set)  # rows that wait for a decision
    skipped: set[str] = field(default_factory=set)  # rows that somebody decided to skip
    erased: set[str] = field(default_factory=set)


Snapshot = list[tuple[Profile, Profile]]  # a profile, and what it was


class Model:
    """The directory as the files and the seller made it."""

    def __init__(self) -> None:
        self.profiles: list[Profile] = []
        self.memory = Memory()

    def find(self, key: str) -> Profile | None:
        """Return the profile of a CRM number or an email."""
        return next((one for one in self.profiles if one.key == key), None)

    def __getitem__(self, key: str) -> Profile:
        found = self.find(key)
        assert found is not None, f"the test knows no profile {key}"
        return found

    def add(self, values: Mapping[str, str]) -> Profile:
        """Somebody is new."""
        self.profiles.append(Profile(dict(values)))
        return self.profiles[-1]

    def remove(self, key: str) -> Profile:
        """Somebody is gone."""
        profile = self[key]
        self.profiles.remove(profile)
        return profile

    def snapshot(self) -> Snapshot:
        """Return everybody as they are."""
        return [(one, deepcopy(one)) for one in self.profiles]

    def take_in(
        self,
        rows: Sequence[Values],
        dirty: Iterable[str] = (),
        tags: Mapping[str, tuple[set[str], str]] | None = None,
    ) -> Counter[str]:
        """Import rows the simplest way there is; return how many end how.

        ``dirty`` are the numbers whose rows Square would refuse; ``tags`` the groups and the drink
        of each number.
        """
        ends: Counter[str] = Counter()
        merged: dict[str, Values] = {}
        for row in rows:
            key = row["reference_id"]
            told = {name: value for name, value in row.items() if value}
            if key in self.memory.erased or key in self.memory.skipped:
                ends["skipped"] += 1
            elif key in dirty:
                ends["rejected"] += 1
            elif key in self.memory.held:
                ends["review"] += 1
            elif key in merged:
                merged[key].update(told)
                ends["duplicate"] += 1
            else:
                merged[key] = told
        for key, told in merged.items():
            end = self._take_in(told)
            if tags and self._take_on(self[key], *tags[key]) and end == "unchanged":
                end = "updated"
            ends[end] += 1
        return ends

    def _take_in(self, told: Values) -> str:
        profile = self._met(told)
        if profile is None:
            self.add(told)
            return "created"
        news = _news(profile, told)
        profile.values.update(news)
        return "updated" if news else "unchanged"

    def _met(self, told: Values) -> Profile | None:
        """Find somebody by number, or by email if Square has met them without the CRM."""
        return self.find(told["reference_id"]) or self.find(told.get("email_address", ""))

    def settled(self, rows: Sequence[Values]) -> set[str]:
        """Return the numbers of those who are as all of their rows say."""
        news = set()
        for row in rows:
            profile = self._met(row)
            if profile is None or _news(profile, row):
                news.add(row["reference_id"])
        return {row["reference_id"] for row in rows} - news

    def _take_on(self, profile: Profile, groups: set[str], drink: str) -> bool:
        before = (profile.groups, profile.drink)
        profile.groups, profile.drink = profile.groups | groups, drink or profile.drink
        return before != (profile.groups, profile.drink)

    def undo(self, before: Snapshot, after: Snapshot) -> int:
        """Take back what an import did between two snapshots; return how many could not be.

        What was changed since stays: a field of a known profile, or a new profile as a whole.
        """
        left = 0
        known = {id(profile): was for profile, was in before}
        for profile, then in after:
            was = known.get(id(profile))
            if was is None:
                if profile.values == then.values:
                    self.profiles.remove(profile)
                else:
                    left += 1
                continue
            conflicts = 0
            for name in {*was.values, *then.values}:
                if then.values.get(name) == was.values.get(name):
                    continue
                if profile.values.get(name) != then.values.get(name):
                    conflicts = 1
                elif name in was.values:
                    profile.values[name] = was.values[name]
                else:
                    profile.values.pop(name, None)
            left += conflicts
        return left


def _news(profile: Profile, told: Values) -> Values:
    return {n: v for n, v in told.items() if v and is_news(n, profile.values.get(n, ""), v)}


def is_news(name: str, old: str, new: str) -> bool:
    """Would a row's value change a profile's? The CRM starts notes and never replaces one."""
    if name == "note" and old:
        return False
    if name == "phone_number":
        return _digits(old) != _digits(new)
    return old.lower() != new.lower() if name == "email_address" else old != new


def _digits(phone: str) -> str:
    return "".join(letter for letter in phone if letter.isdigit())[-10:]


# -- comparing --------------------------------------------------------------------------------


def values_of(profile: Mapping[str, Any]) -> Values:
    """Return what a profile of Square's holds, parts of the address by their path."""
    values = {n: v for n, v in profile.items() if n not in (*_OTHERS, *_BESIDE)}
    address = values.pop("address", {})
    return {**values, **{f"address.{name}": value for name, value in address.items()}}


def differences(expected: Iterable[Values], found: Iterable[Values]) -> list[str]:
    """Say how two directories differ, profile by profile; nobody may be there twice."""
    wanted, there = _by_key(expected), _by_key(found)
    told = []
    for key in sorted({*wanted, *there}):
        mine, theirs = wanted.get(key, []), there.get(key, [])
        if len(mine) == len(theirs) == 1:
            names = sorted({*mine[0], *theirs[0]})
            told += [
                f"{key}: {n} is {theirs[0].get(n)!r}, should be {mine[0].get(n)!r}"
                for n in names
                if mine[0].get(n) != theirs[0].get(n)
            ]
        elif len(mine) != len(theirs):
            told.append(f"{key}: there {len(theirs)} times, should be {len(mine)}: {theirs}")
    return told


def _by_key(profiles: Iterable[Values]) -> dict[str, list[Values]]:
    found: dict[str, list[Values]] = {}
    for values in profiles:
        key = values.get("reference_id") or values.get("email_address") or str(values)
        found.setdefault(key, []).append(values)
    return found
