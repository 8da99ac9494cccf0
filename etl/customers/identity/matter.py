"""What is known of the rows before their sets are settled, and which rows make a set?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from etl.customers.identity.directory import Directory, Own
from etl.customers.identity.keys import Key, One, Rules, Shelf, Value
from etl.customers.identity.records import Profile, Row


@dataclass(frozen=True, slots=True)
class Matter:
    """Everything that is known before sets are settled; rows are named by their index here."""

    rows: Sequence[Row]
    values: Sequence[list[Value]]
    own: Sequence[Own]
    directory: Directory
    rules: Rules

    def known(self, i: int) -> bool:
        """Was the row's customer known before anything was compared?"""
        return self.own[i].target is not None and bool(self.rows[i].known_by or self.new(i))

    def new(self, i: int) -> bool:
        """Did a person decide that this is a new customer?"""
        target = self.own[i].target
        return target is not None and target[0] == "new"

    def strong(self, i: int) -> bool:
        """Is the row somebody whatever its names say?"""
        row = self.rows[i]
        told = row.known_by in ("id", "decision") and row.customer_id is not None
        return bool(row.reference_id) or told or self.new(i)

    def profile_of(self, one: One | None) -> Profile | None:
        """Return the profile that a one is, if it is at hand."""
        return self.directory.by_id.get(one[1]) if one and one[0] == "profile" else None

    def joining(self, i: int) -> list[Value]:
        """What the row may be joined by: a customer decided to be new only by its reference."""
        if self.new(i):
            return [value for value in self.values[i] if value[0] == "reference_id"]
        return self.values[i]

    def filed(self, i: int) -> list[Key]:
        """Where other rows find this one."""
        return list(self.rules.filed(self.joining(i), self.rows[i].names))

    def sought(self, i: int) -> list[Key]:
        """Where this row finds others."""
        return list(self.rules.sought(self.joining(i), self.rows[i].names))


@dataclass(frozen=True, slots=True)
class Fate:
    """Where a row of a set goes: with a one, or (a code) to review.

    ``candidates`` are the profiles of a doubt that concerns more rows than this one (step a).
    """

    one: One | None = None
    code: str = ""
    candidates: tuple[str, ...] = ()


WAITS = Fate(code="RELATED_TO_REVIEW")


class Union:
    """Sets that grow together; the smallest member stands for the set."""

    def __init__(self) -> None:
        self._parent: dict[Any, Any] = {}

    def find(self, thing: Any) -> Any:
        """Return the member that stands for the set of this thing."""
        root = thing
        while (parent := self._parent.get(root, root)) != root:
            root = parent
        while thing != root:
            self._parent[thing], thing = root, self._parent[thing]
        return root

    def join(self, a: Any, b: Any) -> None:
        """Make one set of the sets of two things."""
        a, b = sorted((self.find(a), self.find(b)))
        self._parent[b] = a


def joined(matter: Matter, members: Iterable[int]) -> list[list[int]]:
    """Join rows that are the same customer, step by step, into sets in file order."""
    members = list(members)
    union = Union()
    shelf = Shelf[int]()
    count = Counter(value for i in members for value in matter.joining(i))
    shared = {i: [value for value in matter.joining(i) if count[value] > 1] for i in members}
    first_of: dict[One, int] = {}
    for i in members:
        target = matter.own[i].target
        if target is not None:
            union.join(first_of.setdefault(target, i), i)
        for key in matter.rules.filed(shared[i], matter.rows[i].names):
            shelf.file(key, matter.rows[i].reference_id, i)
    for i in members:
        row = matter.rows[i]
        for key in matter.rules.sought(shared[i], row.names):
            for group in shelf.groups(key, row.reference_id):
                for other in group:
                    union.join(i, other)
                # All of them are in one set now, so that one speaks for all.
                del group[1:]
    sets = defaultdict(list)
    for i in members:
        sets[union.find(i)].append(i)
    return list(sets.values())
