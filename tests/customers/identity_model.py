"""Who is who, decided by comparing every row with every other: slow, and plainly the rules.

The property tests hold ``etl.customers.identity`` against this model. It knows no index and no
shortcut; it shares with the module only the types and ``disagree``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from etl.customers.identity import Profile, Row
from etl.customers.names import disagree

# ("profile", id), ("new", why), ("reference", id) or ("person", row)
One = tuple[str, str]


@dataclass(frozen=True)
class Outcome:
    """What becomes of a row: with whom it goes (and as whom), or why it is in review."""

    together: frozenset[int] = frozenset()
    customer_id: str | None = None
    code: str = ""
    candidates: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Decided:
    """The decision on a row, or on a row against the directory: a one, a code, or neither.

    Rows of which step a doubts whose they are share their candidates.
    """

    one: One | None = None
    code: str = ""
    candidates: frozenset[str] = frozenset()


class Model:
    """One world: rows, profiles and rules."""

    def __init__(
        self,
        rows: Sequence[Row],
        profiles: Sequence[Profile],
        keys: Collection[str],
        shared_phone: str,
    ) -> None:
        self.rows = sorted(rows, key=lambda row: row.row)
        self.profiles = {profile.id: profile for profile in profiles}
        self.keys = keys
        self.shared_phone = shared_phone
        self.own = {row: self.against_directory(row) for row in self.rows}
        strangers = [row for row in self.rows if self.meets_a_stranger(row)]
        for row in strangers:
            if self.own[row] == Decided():
                self.own[row] = Decided(code="SHARED_PHONE")

    # What two things have in common

    def same_reference(self, a: Row | Profile, b: Row | Profile) -> bool:
        """Share a reference that counts."""
        return (
            "reference_id" in self.keys
            and bool(a.reference_id)
            and a.reference_id == b.reference_id
        )

    def same_email(self, a: Row | Profile, b: Row | Profile) -> bool:
        """Share an email that counts."""
        return "email_address" in self.keys and bool(a.email) and a.email == b.email

    def same_phone(self, a: Row | Profile, b: Row | Profile) -> bool:
        """Share a phone that counts, whatever the names."""
        return "phone_number" in self.keys and bool(a.phone) and a.phone == b.phone

    def phone_joins(self, a: Row | Profile, b: Row | Profile) -> bool:
        """Share a phone under names that allow it."""
        return self.same_phone(a, b) and (
            self.shared_phone == "match" or not disagree(a.names, b.names)
        )

    def veto(self, a: Row | Profile, b: Row | Profile) -> bool:
        """Have different references."""
        return bool(a.reference_id and b.reference_id and a.reference_id != b.reference_id)

    def people_differ(self, a: Row, b: Row) -> bool:
        """Have disagreeing names, where those count."""
        phones_match = self.shared_phone == "match" and self.same_phone(a, b)
        return disagree(a.names, b.names) and not phones_match

    # A row against the directory

    def against_directory(self, row: Row) -> Decided:
        """Rules 1 to 4."""
        known = row.customer_id is not None
        if known and row.known_by in ("id", "decision"):
            return Decided(("profile", str(row.customer_id)))
        if row.decision == "create":
            reference = row.reference_id if "reference_id" in self.keys else None
            return Decided(("new", f"r{reference}" if reference else f"n{row.row}"))
        if row.held:
            return Decided(code="HELD_FOR_REVIEW")
        if known:
            return Decided(("profile", str(row.customer_id)))
        same, email, phone = self.sharing(row)
        if same:
            return self.only(same, same & (email | phone))
        if found := self.fitting(row):
            return self.only(found, found & email & phone)
        return Decided(code="SHARED_PHONE") if self.phone_owners(row) else Decided()

    def sharing(self, row: Row) -> tuple[set[str], set[str], set[str]]:
        """The profiles with the reference, with the email and with the phone of a row."""
        allowed = [profile for profile in self.profiles.values() if not self.veto(row, profile)]
        return (
            {p.id for p in allowed if self.same_reference(row, p)},
            {p.id for p in allowed if self.same_email(row, p)},
            {p.id for p in allowed if self.same_phone(row, p)},
        )

    def fitting(self, row: Row) -> set[str]:
        """The profiles that rules 3 and 4 consider."""
        same, email, phone = self.sharing(row)
        return same or email | {id for id in phone if self.phone_joins(row, self.profiles[id])}

    def phone_owners(self, row: Row) -> set[str]:
        """Whose phone it is, where that is a question."""
        return self.sharing(row)[2] if self.shared_phone == "review" else set()

    def only(self, candidates: set[str], better: set[str]) -> Decided:
        """The only candidate, else the only better one, else nobody knows."""
        for choice in (candidates, better):
            if len(choice) == 1:
                return Decided(("profile", min(choice)))
        return Decided(code="SEVERAL_CANDIDATES")

    def meets_a_stranger(self, row: Row) -> bool:
        """Share a phone, and nothing else, with a row of another name."""
        return self.shared_phone == "review" and any(
            self.same_phone(row, other)
            and disagree(row.names, other.names)
            and not self.veto(row, other)
            and not self.same_reference(row, other)
            and not self.same_email(row, other)
            for other in self.rows
        )

    # Rows among each other

    def one(self, row: Row) -> One | None:
        """Whom the directory or a person says the row is."""
        return self.own[row].one

    def created(self, row: Row) -> bool:
        """A person said that this is a new customer."""
        one = self.one(row)
        return one is not None and one[0] == "new"

    def known(self, row: Row) -> bool:
        """The customer was known beforehand."""
        return self.created(row) or (self.one(row) is not None and row.known_by != "")

    def strong(self, row: Row) -> bool:
        """Names do not move this row."""
        return bool(row.reference_id) or self.created(row) or row.known_by in ("id", "decision")

    def edge(self, a: Row, b: Row) -> bool:
        """Be the same customer by what the two rows share."""
        if self.veto(a, b):
            return False
        if self.same_reference(a, b):
            return True
        if self.created(a) or self.created(b):
            return False
        return self.same_email(a, b) or self.phone_joins(a, b)

    def joined(self, a: Row, b: Row) -> bool:
        """Be the same customer by an edge or by a common profile."""
        return self.edge(a, b) or (self.one(a) is not None and self.one(a) == self.one(b))

    # Sets

    def outcomes(self) -> dict[int, Outcome]:
        """Every row's outcome, by row number."""
        found: dict[int, Outcome] = {}
        settled: dict[Row, Decided] = {}
        for members in closure(self.rows, self.joined):
            decided = self.settle(members)
            settled |= decided
            for row in members:
                if one := decided[row].one:
                    together = frozenset(o.row for o in members if decided[o].one == one)
                    found[row.row] = Outcome(together, one[1] if one[0] == "profile" else None)
        for row, fate in settled.items():
            if fate.code:
                candidates = fate.candidates | self.candidates(row, settled)
                found[row.row] = Outcome(code=fate.code, candidates=candidates)
        return found

    def candidates(self, row: Row, settled: dict[Row, Decided]) -> set[str]:
        """The profiles that a row in review fits, or that a row fits with an edge to it."""

        def profiles(other: Row) -> set[str]:
            one = settled[other].one or self.one(other)
            if one:
                return {one[1]} if one[0] == "profile" else set()
            return {other.customer_id} if other.customer_id else set()

        found = profiles(row) | (self.fitting(row) or self.phone_owners(row))
        for other in self.rows:
            if self.edge(row, other):
                found |= {
                    id
                    for id in profiles(other)
                    if other.reference_id
                    or id not in self.profiles
                    or not self.veto(row, self.profiles[id])
                }
        return found

    def marks(self, row: Row) -> set[One]:
        """The references and the profile that a row stands for."""
        marks = {("reference", row.reference_id)} if row.reference_id else set()
        if one := self.one(row):
            marks.add(one)
            profile = self.profiles.get(one[1]) if one[0] == "profile" else None
            if profile and profile.reference_id:
                marks.add(("reference", profile.reference_id))
        return marks

    def classes(self, members: list[Row]) -> list[list[Row]]:
        """The anchored rows by their one."""
        anchored = [row for row in members if self.marks(row)]
        return closure(anchored, lambda a, b: bool(self.marks(a) & self.marks(b)))

    def stored(self, rows: Iterable[Row]) -> list[tuple[One, Row]]:
        """Profiles among ones, as rows with nothing but the stored names, unless renamed."""
        if self.shared_phone == "match":
            return []
        found = []
        rows = list(rows)
        for one in {one for row in rows if (one := self.one(row))}:
            profile = self.profiles.get(one[1]) if one[0] == "profile" else None
            mine = [row for row in rows if self.one(row) == one]
            if profile and not any(disagree(row.names, profile.names) for row in mine):
                nothing = Row(-1, None, "", "", False, None, None, None, profile.names)
                found.append((one, nothing))
        return found

    def settle(self, members: list[Row]) -> dict[Row, Decided]:
        """Decide the rows of one set."""
        decided = {row: self.own[row] for row in members if self.own[row].code}
        classes = self.classes(members)
        anchor = {row: found for rows in classes for row, found in self.anchors(rows).items()}
        heard = [*members, *(names for _, names in self.stored(members))]
        contradicted = {
            row
            for row in members
            if not self.strong(row) and any(self.people_differ(row, other) for other in heard)
        }
        ones = {found.one for found in anchor.values()}
        if len(ones) <= 1 and None not in ones and not contradicted:
            return self.keep_together(members, decided, ones)
        return self.split(members, decided, classes, anchor, contradicted)

    def keep_together(
        self, members: list[Row], decided: dict[Row, Decided], ones: set[One | None]
    ) -> dict[Row, Decided]:
        """Everything fits; only rows in review are in the way."""
        one = next(iter(ones), None) or ("person", str(members[0].row))
        for part in closure([row for row in members if row not in decided], self.joined):
            waits = len(decided.keys() & set(members) & self.in_review(decided)) > 0
            sure = any(self.one(row) for row in part)
            fate = Decided(code="RELATED_TO_REVIEW") if waits and not sure else Decided(one)
            decided = decided | dict.fromkeys(part, fate)
        return decided

    def in_review(self, decided: dict[Row, Decided]) -> set[Row]:
        """The rows in review."""
        return {row for row, found in decided.items() if found.code}

    def anchors(self, rows: list[Row]) -> dict[Row, Decided]:
        """Step a."""
        targets = {one for row in rows if (one := self.one(row))}
        references = {row.reference_id for row in rows if row.reference_id}
        profiles = frozenset(id for kind, id in targets if kind == "profile")
        found = {}
        for row in rows:
            if self.known(row):
                found[row] = Decided(self.one(row))
            elif len(targets) > 1:
                found[row] = Decided(code="SEVERAL_CANDIDATES", candidates=profiles)
            elif len(references) > 1 and row.reference_id:
                found[row] = Decided(code="REFERENCES_DISAGREE", candidates=profiles)
            else:
                found[row] = Decided(min(targets) if targets else ("reference", min(references)))
        return found

    def split(
        self,
        members: list[Row],
        decided: dict[Row, Decided],
        classes: list[list[Row]],
        anchor: dict[Row, Decided],
        contradicted: set[Row],
    ) -> dict[Row, Decided]:
        """Steps a to d."""
        doubtful = {row: found for row, found in anchor.items() if found.code}
        decided = doubtful | decided
        # b
        disputed = {
            row
            for row in members
            if not self.strong(row)
            and row not in decided
            and self.doubtful(row, members, anchor, decided)
        }
        decided = decided | dict.fromkeys(disputed, Decided(code="NAMES_DISAGREE"))
        for rows in classes:
            waits = any(row in decided for row in rows) and not any(self.one(row) for row in rows)
            for row in rows:
                if row not in decided:
                    decided[row] = Decided(code="RELATED_TO_REVIEW") if waits else anchor[row]
        # c
        first = dict(decided)
        people = [row for row in members if row not in first and row in contradicted]
        for person in closure(people, self.edge):
            if any(self.people_differ(a, b) for a in person for b in person):
                decided |= dict.fromkeys(person, Decided(code="NAMES_DISAGREE"))
            elif not any(self.edge(a, b) for a in person for b in first):
                name = ("person", str(min(row.row for row in person)))
                decided |= dict.fromkeys(person, Decided(name))
        # d
        while len(decided) < len(members):
            arriving = {
                row: self.choose(row, decided, anchor)
                for row in members
                if row not in decided and any(self.edge(row, other) for other in decided)
            }
            after = decided | arriving
            stored = self.stored(members)
            for row, found in arriving.items():
                mates = [o for o in after if found.one and after[o].one == found.one]
                mates += [names for one, names in stored if one == found.one]
                if any(self.people_differ(row, other) for other in mates):
                    decided[row] = Decided(code="NAMES_DISAGREE")
                else:
                    decided[row] = found
        return decided

    def doubtful(
        self,
        row: Row,
        members: list[Row],
        anchor: dict[Row, Decided],
        decided: Collection[Row],
    ) -> bool:
        """Step b for one weak row."""
        staying = [other for other in anchor if other not in decided]
        rivals = [o for o in staying if row in anchor and anchor[o].one == anchor[row].one]
        if not self.known(row):
            rivals += [o for o in members if self.same_email(row, o) and not self.created(o)]
        return any(self.people_differ(row, other) for other in rivals)

    def choose(self, row: Row, decided: dict[Row, Decided], anchor: dict[Row, Decided]) -> Decided:
        """Step d for one row."""
        touched = [other for other in decided if self.edge(row, other)]
        ones = {one for other in touched if (one := decided[other].one)}
        disputed = any(decided[other].code for other in touched)
        if len(ones) == 1 and not disputed:
            return Decided(ones.pop())
        if not ones:
            return Decided(code="RELATED_TO_REVIEW")

        def holders(same: Callable[[Row | Profile, Row | Profile], bool]) -> set[object]:
            rows = {decided[other].one or other for other in decided if same(row, other)}
            profiles = {
                one
                for one in {found.one for found in anchor.values()}
                if one and one[0] == "profile" and one[1] in self.profiles
                if same(row, self.profiles[one[1]])
            }
            return rows | profiles

        both = holders(self.same_email) & holders(self.same_phone)
        if len(both) == 1 and isinstance(chosen := both.pop(), tuple):
            return Decided(chosen)
        if len(ones) == 1:
            return Decided(code="RELATED_TO_REVIEW")
        referenced = {
            found.one
            for other, found in anchor.items()
            if found.one and any(mark[0] == "reference" for mark in self.marks(other))
        }
        if len(ones & referenced) > 1:
            return Decided(code="REFERENCES_DISAGREE")
        people = any(one[0] == "person" for one in ones)
        return Decided(code="NAMES_DISAGREE" if people else "SEVERAL_CANDIDATES")


def closure(rows: Iterable[Row], related: Callable[[Row, Row], bool]) -> list[list[Row]]:
    """Group rows that are related, directly or over others."""
    left = list(rows)
    groups = []
    while left:
        group = [left.pop(0)]
        while more := [row for row in left if any(related(row, other) for other in group)]:
            group += more
            left = [row for row in left if row not in more]
        groups.append(sorted(group, key=lambda row: row.row))
    return groups
