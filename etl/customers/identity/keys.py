"""By what can two be the same customer, and how are they found by it?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any, Generic, TypeVar

from etl.customers.identity.records import Profile, Row
from etl.customers.names import Names, agreeing_traits, disagree, traits

# A customer: ("profile", id), ("new", …) by a person's decision, ("reference", id) or
# ("person", row) for those that only the file knows.
One = tuple[str, str]
# A key that identifies, and what it holds: ("email_address", …).
Value = tuple[str, str]
# What things are filed under: a value, several, or one with a trait of the name.
Key = tuple[Hashable, ...]
_T = TypeVar("_T", str, int)


@dataclass(frozen=True, slots=True)
class Rules:
    """What identifies, and what is done with duplicates and shared phones: ``[dedupe]``."""

    keys: frozenset[str]
    in_file: str
    shared_phone: str

    def values(self, thing: Row | Profile) -> list[Value]:
        """Return the keys that identify, in the order in which evidence is written."""
        pairs = (
            ("reference_id", thing.reference_id),
            ("email_address", thing.email),
            ("phone_number", thing.phone),
        )
        return [(key, value) for key, value in pairs if value and key in self.keys]

    def needs_names(self, value: Value) -> bool:
        """Is this value evidence only where names do not disagree?"""
        return value[0] == "phone_number" and self.shared_phone != "match"

    def proves(self, value: Value, row: Row, profile: Profile) -> bool:
        """Does this value, which both have, make the profile a candidate for the row?"""
        if vetoed(row.reference_id, profile.reference_id):
            return False
        return not (self.needs_names(value) and disagree(row.names, profile.names))

    def filed(self, values: Iterable[Value], names: Names) -> Iterator[Key]:
        """Yield the keys under which others find somebody with these values and names."""
        return self._named(values, names, traits)

    def sought(self, values: Iterable[Value], names: Names) -> Iterator[Key]:
        """Yield the keys under which somebody finds those that are the same customer."""
        return self._named(values, names, agreeing_traits)

    def _named(
        self, values: Iterable[Value], names: Names, marks: Callable[[Names], Iterable[Key]]
    ) -> Iterator[Key]:
        for value in values:
            if self.needs_names(value):
                yield from ((*value, *mark) for mark in marks(names))
            else:
                yield value


def vetoed(reference: str | None, other: str | None) -> bool:
    """Two different references are never the same customer."""
    return bool(reference and other and reference != other)


class Shelf(Generic[_T]):
    """Things filed under keys in ascending order, found unless a reference rules them out."""

    def __init__(self) -> None:
        self._things: defaultdict[tuple[Key, str | None, bool], list[_T]] = defaultdict(list)

    def file(self, key: Key, reference: str | None, thing: _T) -> None:
        """Put a thing with this reference under a key, where all other things are smaller."""
        self._things[key, None, True].append(thing)
        self._things[key, reference, False].append(thing)

    def groups(self, key: Key, reference: str | None) -> list[list[_T]]:
        """Return the things under a key that have no other reference than this one."""
        slots = [(None, True)] if reference is None else [(None, False), (reference, False)]
        found = (self._things.get((key, slot, anyone)) for slot, anyone in slots)
        return [group for group in found if group]

    def first(self, keys: Iterable[Key], reference: str | None, count: int) -> list[_T]:
        """Return the first few things found under any of the keys, each once."""
        groups = [group[:count] for key in keys for group in self.groups(key, reference)]
        ordered: Iterator[Any] = merge(*groups)
        return list(islice(dict.fromkeys(ordered), count))
