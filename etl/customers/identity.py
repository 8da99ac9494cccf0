"""Who is who: which rows are which profile, which are new, and which need a person?

``decide`` first holds every row against the directory (``_own_decision``), then joins the rows of
the file into sets and settles each set, as a whole where everything fits together
(``_keep_together``), one by one where it does not (``_split``).

Against the directory, the first that applies:

1. A profile named by the row's id or by a person's decision is the customer, and such a row is
   never sent to review. A decision "create" makes a new customer, whatever looks similar; only
   rows with its reference join it. A row that was in review stays there, even if the crosswalk
   knows its key by now. Otherwise the crosswalk decides.
2. A profile with another reference is never considered, not even as an owner of the phone.
3. The profile with the same reference. Of several, the only one that also has the row's email
   or phone, whatever the names; else review.
4. The profile with the same email, whatever the names, or with the same phone and names that do
   not disagree. Of several, the only one that has both email and phone; else review. If there is
   none but somebody of another name has the phone, ``shared_phone`` decides.

Within the file, two rows without different references are joined by the same reference, the same
email, or the same phone with names that do not disagree; rows that match one profile are joined
whatever they hold. ``keys`` limits what joins and matches. What separates stays: different
references always do, and equal ones are one customer wherever a set has to be split.

Two rows that share a phone under disagreeing names, and neither reference nor email, both go to
review, except a row that has a profile already or that a person decided to create.

A *one* is a customer a set is about: a profile, a reference, or both where a row links them or
the profile carries the reference. A row *anchored* in a one has that reference or profile. A row
is *strong* if it has a reference or was named by an id or a decision: names never move it. The
set has to be split if it holds two ones, or a weak row whose name disagrees with anybody's. In a
split set, each step judging all its rows at once, so that their order cannot matter:

a. Where rows of one reference match different profiles, or rows of different references match
   one profile, only those whose profile was known beforehand (id, decision, crosswalk) keep it;
   for the second, rows without a reference keep it too. The others go to review.
b. A weak row goes to review if its name disagrees with another row that would stay with the same
   one or, unless its profile was known beforehand, with a row of the same email. The other
   anchored rows stay with their one.
c. Weak rows without a one whose name disagrees with somebody of the set are people of their own,
   joined to those of them they agree with, provided that they touch no row of a or b (else they
   are treated as in d). People among whom names disagree after all go to review.
d. Every other row waits until it touches a row that is decided. If all it touches then belongs to
   one, it goes with that; of several, with the only one it shares both email and phone with; else
   it goes to review. A row in review counts as a one that nobody can go with.

Nobody creates a customer beside a row in review that may be the same: it waits for the decision
(``RELATED_TO_REVIEW``), and no row reaches a profile through a row in review alone.

The stored names of a matched profile count as one more row of the set, so that a row without
names cannot lead somebody else to the profile; unless a row that is the profile has another name
already (then the file renames it), or phones alone shall match.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge, nsmallest
from itertools import islice, pairwise
from typing import Any, Generic, Literal, TypeVar

from etl.customers.names import Crowd, Names, agreeing_traits, disagree, traits

Action = Literal["create", "match", "duplicate", "review", "reject"]

DETAILS = {
    "SHARED_PHONE": "Somebody with another name has the same phone and nothing else in common.",
    "SEVERAL_CANDIDATES": "More than one customer fits, and none fits better than the others.",
    "NAMES_DISAGREE": "What the row has in common with others points to people of other names.",
    "REFERENCES_DISAGREE": "What the row has in common with others points to two references.",
    "RELATED_TO_REVIEW": "The row may be the same customer as a row that is in review.",
    "HELD_FOR_REVIEW": "An earlier import asked for a decision, and none was given yet.",
    "DUPLICATE_IN_FILE": "Other rows of this import are the same customer.",
}

# How many related rows and candidates a verdict lists.
_LISTED = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One accepted source row as the matcher sees it; keys are canonical.

    ``row`` is the position in the whole import. ``customer_id`` is a profile the row is known to
    be, already followed through merges, and ``known_by`` says why: id, decision or crosswalk.
    ``decision`` is "create" where a person said that this is a new customer. ``held`` rows were in
    review before and have no decision yet.
    """

    row: int
    customer_id: str | None
    known_by: str
    decision: str
    held: bool
    reference_id: str | None
    email: str | None
    phone: str | None
    names: Names


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of the directory as the matcher sees it."""

    id: str
    reference_id: str | None
    email: str | None
    phone: str | None
    names: Names


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one row.

    ``matched_by`` is the evidence joined by ``+``: towards the profile, for rows that were only
    joined to others, towards these. ``carrier`` is the row that writes for a duplicate; a carrier
    lists in ``members`` all rows folded into it, itself included, in file order. ``related`` are
    the first rows that share a key with a row in review; ``candidates`` the first profiles, by id.
    """

    row: int
    action: Action
    customer_id: str | None = None
    matched_by: str = ""
    carrier: int | None = None
    code: str = ""
    detail: str = ""
    candidates: tuple[str, ...] = ()
    related: tuple[int, ...] = ()
    members: tuple[int, ...] = ()


def decide(
    rows: Sequence[Row],
    profiles: Sequence[Profile],
    *,
    keys: Collection[str],
    in_file: str,
    shared_phone: str,
) -> list[Verdict]:
    """Return one verdict per row, in the order of ``rows``.

    ``rows`` and ``profiles`` must be closed: whatever shares a key with one of them, or is named
    by one, is among them. ``keys``, ``in_file`` and ``shared_phone`` are those of ``[dedupe]``.
    """
    rules = _Rules(frozenset(keys), in_file, shared_phone)
    directory = _Directory(profiles, rules)
    in_order = sorted(rows, key=lambda row: row.row)
    own = [_own_decision(row, directory, rules) for row in in_order]
    for i in _shared_phones(in_order, rules):
        if own[i].target is None and not own[i].code:
            own[i] = replace(own[i], code="SHARED_PHONE")
    values = [rules.values(row) for row in in_order]
    matter = _Matter(in_order, values, own, directory, rules)
    found: list[Verdict] = []
    in_review: dict[int, _Fate] = {}
    for members in _joined(matter, range(len(in_order))):
        fates = _settle(matter, members)
        found += _settled(matter, fates)
        in_review.update((i, fate) for i, fate in fates.items() if fate.code)
    found += _reviewed(matter, in_review)
    verdicts = {verdict.row: verdict for verdict in found}
    return [verdicts[row.row] for row in rows]


# A customer: ("profile", id), ("new", …) by a person's decision, ("reference", id) or
# ("person", row) for those that only the file knows.
_One = tuple[str, str]
# A key that identifies, and what it holds: ("email_address", …).
_Value = tuple[str, str]
_Key = tuple[Hashable, ...]
_T = TypeVar("_T", str, int)


@dataclass(frozen=True, slots=True)
class _Rules:
    keys: frozenset[str]
    in_file: str
    shared_phone: str

    def values(self, thing: Row | Profile) -> list[_Value]:
        """The keys that identify, in the order in which evidence is written."""
        pairs = (
            ("reference_id", thing.reference_id),
            ("email_address", thing.email),
            ("phone_number", thing.phone),
        )
        return [(key, value) for key, value in pairs if value and key in self.keys]

    def filed(self, values: Iterable[_Value], names: Names) -> Iterator[_Key]:
        """The keys under which others find somebody with these values and names."""
        return self._named(values, names, traits)

    def sought(self, values: Iterable[_Value], names: Names) -> Iterator[_Key]:
        """The keys under which somebody finds those that are the same customer."""
        return self._named(values, names, agreeing_traits)

    def _named(
        self, values: Iterable[_Value], names: Names, marks: Callable[[Names], Iterable[_Key]]
    ) -> Iterator[_Key]:
        for value in values:
            if value[0] == "phone_number" and self.shared_phone != "match":
                yield from ((*value, *mark) for mark in marks(names))
            else:
                yield value


@dataclass(frozen=True, slots=True)
class _Own:
    """What the directory alone says of a row: a target, a reason for review, or nothing."""

    target: _One | None = None
    evidence: tuple[str, ...] = ()
    code: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Fate:
    """Where a row of a set goes: with a one, or (a code) to review."""

    one: _One | None = None
    code: str = ""
    candidates: tuple[str, ...] = ()


class _Shelf(Generic[_T]):
    """Things filed under keys in ascending order, found unless a reference rules them out."""

    def __init__(self) -> None:
        self._things: defaultdict[tuple[_Key, str | None, bool], list[_T]] = defaultdict(list)

    def file(self, key: _Key, reference: str | None, thing: _T) -> None:
        self._things[key, None, True].append(thing)
        self._things[key, reference, False].append(thing)

    def groups(self, key: _Key, reference: str | None) -> list[list[_T]]:
        """The things under a key that have no other reference than this one."""
        slots = [(None, True)] if reference is None else [(None, False), (reference, False)]
        found = (self._things.get((key, slot, anyone)) for slot, anyone in slots)
        return [group for group in found if group]

    def first(self, keys: Iterable[_Key], reference: str | None, count: int) -> list[_T]:
        """The first few things found under any of the keys, each once."""
        groups = [group[:count] for key in keys for group in self.groups(key, reference)]
        ordered: Iterator[Any] = merge(*groups)
        return list(islice(dict.fromkeys(ordered), count))


class _Directory:
    """The profiles, found by everything a row may share with them."""

    def __init__(self, profiles: Iterable[Profile], rules: _Rules) -> None:
        self.by_id = {profile.id: profile for profile in profiles}
        self.shelf = _Shelf[str]()
        for profile in sorted(self.by_id.values(), key=lambda profile: profile.id):
            values = rules.values(profile)
            pairs = [(*a, *b) for n, a in enumerate(values) for b in values[n + 1 :]]
            plain = [("shared", *value) for value in values]
            for key in (*rules.filed(values, profile.names), *pairs, *plain):
                self.shelf.file(key, profile.reference_id, profile.id)

    def holds(self, value: _Value) -> bool:
        """Has any profile this value?"""
        return bool(self.shelf.groups(("shared", *value), None))


def _own_decision(row: Row, directory: _Directory, rules: _Rules) -> _Own:
    """Decide one row against the directory alone."""
    if row.customer_id is not None and not (row.held and row.known_by == "crosswalk"):
        return _match(row, row.customer_id, directory, rules, row.known_by)
    if row.decision == "create":
        by_reference = row.reference_id if "reference_id" in rules.keys else None
        return _Own(("new", f"reference {by_reference}" if by_reference else f"row {row.row}"))
    found = _search(row, directory, rules)
    if not row.held:
        return found
    seen = {*found.candidates, *([found.target[1]] if found.target else [])}
    if row.customer_id is not None:
        seen.add(row.customer_id)
    return _Own(code="HELD_FOR_REVIEW", candidates=tuple(sorted(seen)[:_LISTED]))


def _search(row: Row, directory: _Directory, rules: _Rules) -> _Own:
    """Rules 2 to 4: whom do reference, email and phone name?"""

    def first(*keys: _Key) -> list[str]:
        return directory.shelf.first(keys, row.reference_id, _LISTED)

    values = rules.values(row)
    reference = next((value for value in values if value[0] == "reference_id"), None)
    if reference and (same := first(reference)):
        better = first(*((*reference, *value) for value in values if value != reference))
        return _only(row, same, better, directory, rules)
    # Most values are nobody's: those need no comparing of names.
    weak = [value for value in values if value != reference and directory.holds(value)]
    candidates = first(*rules.sought(weak, row.names))
    if candidates:
        better = first((*weak[0], *weak[1])) if len(weak) == 2 else []
        return _only(row, candidates, better, directory, rules)
    phones = [("shared", *value) for value in weak if value[0] == "phone_number"]
    owners = first(*phones) if rules.shared_phone == "review" else []
    return _Own(code="SHARED_PHONE", candidates=tuple(owners)) if owners else _Own()


def _only(
    row: Row, candidates: list[str], better: list[str], directory: _Directory, rules: _Rules
) -> _Own:
    """Match the only candidate, or the only one that shares more; else ask."""
    for choice in (candidates, better):
        if len(choice) == 1:
            return _match(row, choice[0], directory, rules, "")
    return _Own(code="SEVERAL_CANDIDATES", candidates=tuple(candidates))


def _match(row: Row, customer: str, directory: _Directory, rules: _Rules, known_by: str) -> _Own:
    profile = directory.by_id.get(customer)
    shared = set(rules.values(profile)) if profile else set()
    evidence = [key for key, value in rules.values(row) if (key, value) in shared]
    return _Own(("profile", customer), (known_by, *evidence) if known_by else tuple(evidence))


def _shared_phones(rows: Sequence[Row], rules: _Rules) -> Iterator[int]:
    """The rows that share a phone, under disagreeing names, and nothing else with another row."""
    if rules.shared_phone != "review" or "phone_number" not in rules.keys:
        return
    by_phone = defaultdict(list)
    for i, row in enumerate(rows):
        if row.phone:
            by_phone[row.phone].append(i)
    for group in by_phone.values():
        if len({rows[i].names for i in group}) > 1:
            yield from _strangers(rows, group, rules)


def _strangers(rows: Sequence[Row], group: list[int], rules: _Rules) -> Iterator[int]:
    by_reference = "reference_id" in rules.keys
    by_email = "email_address" in rules.keys
    # How many names are there, by reference (None: those without) and email (None: all)?
    crowds: defaultdict[tuple[str | None, bool, str | None], Crowd] = defaultdict(Crowd)
    for i in group:
        row = rows[i]
        for email in {None, row.email if by_email else None}:
            crowds[None, True, email].add(row.names)
            crowds[row.reference_id, False, email].add(row.names)
    for i in group:
        row = rows[i]
        slots: list[tuple[str | None, bool]] = [(None, True)]
        if row.reference_id:
            slots = [(None, False), *([] if by_reference else [(row.reference_id, False)])]
        for slot in slots:
            others = crowds[*slot, None].disagreeing(row.names)
            if others and by_email and row.email:
                others -= crowds[*slot, row.email].disagreeing(row.names)
            if others:
                yield i
                break


class _Union:
    """Sets that grow together; the smallest member stands for the set."""

    def __init__(self) -> None:
        self._parent: dict[Any, Any] = {}

    def find(self, thing: Any) -> Any:
        root = thing
        while (parent := self._parent.get(root, root)) != root:
            root = parent
        while thing != root:
            self._parent[thing], thing = root, self._parent[thing]
        return root

    def join(self, a: Any, b: Any) -> None:
        a, b = sorted((self.find(a), self.find(b)))
        self._parent[b] = a


@dataclass(frozen=True, slots=True)
class _Matter:
    """Everything that is known before sets are settled; rows are named by their index here."""

    rows: Sequence[Row]
    values: Sequence[list[_Value]]
    own: Sequence[_Own]
    directory: _Directory
    rules: _Rules

    def known(self, i: int) -> bool:
        """Was the row's customer known before anything was compared?"""
        return self.own[i].target is not None and bool(self.rows[i].known_by or self.new(i))

    def new(self, i: int) -> bool:
        """Did a person decide that this is a new customer?"""
        target = self.own[i].target
        return target is not None and target[0] == "new"

    def strong(self, i: int) -> bool:
        row = self.rows[i]
        told = row.known_by in ("id", "decision") and row.customer_id is not None
        return bool(row.reference_id) or told or self.new(i)

    def profile_of(self, one: _One | None) -> Profile | None:
        return self.directory.by_id.get(one[1]) if one and one[0] == "profile" else None

    def joining(self, i: int) -> list[_Value]:
        """What the row may be joined by: a customer decided to be new only by its reference."""
        if self.new(i):
            return [value for value in self.values[i] if value[0] == "reference_id"]
        return self.values[i]

    def filed(self, i: int) -> list[_Key]:
        """Where other rows find this one."""
        return list(self.rules.filed(self.joining(i), self.rows[i].names))

    def sought(self, i: int) -> list[_Key]:
        """Where this row finds others."""
        return list(self.rules.sought(self.joining(i), self.rows[i].names))


def _joined(matter: _Matter, members: Iterable[int]) -> list[list[int]]:
    """Join rows that are the same customer, step by step, into sets in file order."""
    members = list(members)
    union = _Union()
    shelf = _Shelf[int]()
    count = Counter(value for i in members for value in matter.joining(i))
    shared = {i: [value for value in matter.joining(i) if count[value] > 1] for i in members}
    first_of: dict[_One, int] = {}
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


class _Voices:
    """The names heard in a set, in a one or under an email."""

    def __init__(self, rules: _Rules) -> None:
        self._everybody = Crowd()
        self._by_phone: defaultdict[str, Crowd] = defaultdict(Crowd)
        self._phones_match = rules.shared_phone == "match" and "phone_number" in rules.keys

    def add(self, row: Row) -> None:
        self._everybody.add(row.names)
        if self._phones_match and row.phone:
            self._by_phone[row.phone].add(row.names)

    def add_stored(self, names: Names) -> None:
        self._everybody.add(names)

    def contradict(self, row: Row) -> bool:
        """Does anybody's name disagree (where phones match: without sharing the phone)?"""
        others = self._everybody.disagreeing(row.names)
        if others and self._phones_match and row.phone:
            others -= self._by_phone[row.phone].disagreeing(row.names)
        return others > 0


def _settle(matter: _Matter, members: list[int]) -> dict[int, _Fate]:
    """Give every row of a joined set its fate."""
    fates = {
        i: _Fate(code=matter.own[i].code, candidates=matter.own[i].candidates)
        for i in members
        if matter.own[i].code
    }
    if len(members) == 1 and not fates:
        target = matter.own[members[0]].target
        return {members[0]: _Fate(target or ("person", str(members[0])))}
    classes = _classes(matter, members)
    anchored = {i: fate for rows in classes for i, fate in _anchor(matter, rows).items()}
    voices = _Voices(matter.rules)
    for i in members:
        voices.add(matter.rows[i])
    for names in _stored_names(matter, members).values():
        voices.add_stored(names)
    # A row that step a sends to review has no one.
    ones = {fate.one for fate in anchored.values()} or {("person", str(members[0]))}
    contradicted = (voices.contradict(matter.rows[i]) for i in members if not matter.strong(i))
    if len(ones) == 1 and (one := ones.pop()) and not any(contradicted):
        return _keep_together(matter, members, fates, one)
    return _split(matter, members, fates, classes, anchored, voices)


def _classes(matter: _Matter, members: list[int]) -> list[list[int]]:
    """Group the anchored rows by their one: references and profiles that belong together."""
    union = _Union()
    marks: dict[int, list[_One]] = {}
    for i in members:
        row, target = matter.rows[i], matter.own[i].target
        profile = matter.profile_of(target)
        found = [("reference", row.reference_id)] if row.reference_id else []
        found += [target] if target else []
        found += [("reference", profile.reference_id)] if profile and profile.reference_id else []
        for a, b in pairwise(found):
            union.join(a, b)
        if found:
            marks[i] = found
    classes = defaultdict(list)
    for i, found in marks.items():
        classes[union.find(found[0])].append(i)
    return list(classes.values())


def _anchor(matter: _Matter, rows: list[int]) -> dict[int, _Fate]:
    """Step a: settle each row of a class with its one, unless profile or reference is in doubt."""
    targets = sorted({target for i in rows if (target := matter.own[i].target)})
    references = {reference for i in rows if (reference := matter.rows[i].reference_id)}
    one = targets[0] if targets else ("reference", min(references))
    profiles = tuple(id for kind, id in targets if kind == "profile")[:_LISTED]
    fates = {}
    for i in rows:
        if matter.known(i):
            fates[i] = _Fate(matter.own[i].target)
        elif len(targets) > 1:
            fates[i] = _Fate(code="SEVERAL_CANDIDATES", candidates=profiles)
        elif len(references) > 1 and matter.rows[i].reference_id:
            fates[i] = _Fate(code="REFERENCES_DISAGREE", candidates=profiles)
        else:
            fates[i] = _Fate(one)
    return fates


def _stored_names(matter: _Matter, members: list[int]) -> dict[_One, Names]:
    """The names of the matched profiles, less those that the file renames."""
    if matter.rules.shared_phone == "match":
        return {}
    stored: dict[_One, Names] = {}
    renamed: set[_One] = set()
    for i in members:
        target = matter.own[i].target
        profile = matter.profile_of(target)
        if target and profile:
            stored[target] = profile.names
            if disagree(profile.names, matter.rows[i].names):
                renamed.add(target)
    return {one: names for one, names in stored.items() if one not in renamed}


def _keep_together(
    matter: _Matter, members: list[int], fates: dict[int, _Fate], one: _One
) -> dict[int, _Fate]:
    """Settle a set about one customer; beside rows in review nobody new is created."""
    if not fates:
        return {i: _Fate(one) for i in members}
    for part in _joined(matter, [i for i in members if i not in fates]):
        has_target = any(matter.own[i].target for i in part)
        fates.update((i, _Fate(one) if has_target else _WAITS) for i in part)
    return fates


_WAITS = _Fate(code="RELATED_TO_REVIEW")
_DISAGREES = _Fate(code="NAMES_DISAGREE")


def _split(
    matter: _Matter,
    members: list[int],
    fates: dict[int, _Fate],
    classes: list[list[int]],
    anchored: dict[int, _Fate],
    voices: _Voices,
) -> dict[int, _Fate]:
    """Settle a set that cannot be one customer, by the steps of the module's docstring."""
    fates = {i: fate for i, fate in anchored.items() if fate.code} | fates
    fates |= dict.fromkeys(_contradicted(matter, members, anchored, fates), _DISAGREES)
    for rows in classes:
        # Without a profile, the customer of a row in review would be created behind its back.
        waits = any(i in fates for i in rows) and not any(matter.own[i].target for i in rows)
        fates.update((i, _WAITS if waits else anchored[i]) for i in rows if i not in fates)

    reach = _Reach(matter, members, anchored)
    reach.file(fates)
    waiting = [i for i in members if i not in fates]
    people = [i for i in waiting if voices.contradict(matter.rows[i])]
    for person in _joined(matter, people):
        heard = _Voices(matter.rules)
        for i in person:
            heard.add(matter.rows[i])
        if any(heard.contradict(matter.rows[i]) for i in person):
            fates.update(dict.fromkeys(person, _DISAGREES))
        elif not any(reach.touches(i) for i in person):
            fates.update(dict.fromkeys(person, _Fate(("person", str(person[0])))))
    reach.file({i: fates[i] for i in people if i in fates})

    _spread(matter, reach, fates, [i for i in waiting if i not in fates])
    return {i: replace(fate, candidates=reach.candidates(i, fate)) for i, fate in fates.items()}


def _contradicted(
    matter: _Matter, members: list[int], anchored: dict[int, _Fate], fates: Collection[int]
) -> list[int]:
    """Step b: the weak rows whose name disagrees within their one or their email."""
    by_one = defaultdict(list)
    by_email = defaultdict(list)
    for i in members:
        if i in anchored and i not in fates:
            by_one[anchored[i].one].append(i)
        email = matter.rows[i].email
        if email and "email_address" in matter.rules.keys and not matter.new(i):
            by_email[email].append(i)
    found: list[int] = []
    circles = [(True, rows) for rows in by_one.values()]
    circles += [(False, rows) for rows in by_email.values()]
    for same_one, circle in circles:
        voices = _Voices(matter.rules)
        for i in circle:
            voices.add(matter.rows[i])
        found += (
            i
            for i in circle
            if i not in fates
            and not matter.strong(i)
            and (same_one or not matter.known(i))
            and voices.contradict(matter.rows[i])
        )
    return found


class _Near:
    """What lies under one key: the ones there, and whether rows in review do as well."""

    __slots__ = ("_profiles", "disputed", "ones", "people", "referenced")

    def __init__(self) -> None:
        self.ones: set[_One] = set()
        self.referenced: set[_One] = set()
        self.people = False
        self.disputed = False
        self._profiles: list[str] | None = None

    def profiles(self) -> list[str]:
        """The first profiles here; asked when nothing is added any more."""
        if self._profiles is None:
            ids = (id for kind, id in self.ones if kind == "profile")
            self._profiles = nsmallest(_LISTED, ids)
        return self._profiles


class _Reach:
    """Which ones does a row touch? Grows as rows are decided; only rows without reference ask."""

    def __init__(self, matter: _Matter, members: list[int], anchored: dict[int, _Fate]) -> None:
        self._matter = matter
        self._near: defaultdict[_Key, _Near] = defaultdict(_Near)
        self._holders: defaultdict[tuple[str, str], set[_One]] = defaultdict(set)
        self._voices: defaultdict[_One, _Voices] = defaultdict(lambda: _Voices(matter.rules))
        self._referenced: set[_One] = set()
        for one, names in _stored_names(matter, members).items():
            self._voices[one].add_stored(names)
        for i, fate in anchored.items():
            if fate.one:
                profile = matter.profile_of(fate.one)
                if matter.rows[i].reference_id or (profile and profile.reference_id):
                    self._referenced.add(fate.one)
                for value in matter.rules.values(profile) if profile else ():
                    self._holders[value].add(fate.one)

    def file(self, fates: dict[int, _Fate]) -> list[_Key]:
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

    def keys(self) -> list[_Key]:
        """All keys under which somebody is found so far."""
        return list(self._near)

    def touches(self, i: int) -> bool:
        """Does the row touch anybody who is decided?"""
        return any(key in self._near for key in self._matter.sought(i))

    def contradict(self, one: _One, row: Row) -> bool:
        """Does the row's name disagree with a name of this one?"""
        return self._voices[one].contradict(row)

    def choose(self, i: int, both: dict[tuple[tuple[str, str], ...], list[_One]]) -> _Fate:
        """Step d for one row; ``both`` remembers the round's answers for pairs of keys."""
        places = [near for key in self._matter.sought(i) if (near := self._near.get(key))]
        # Two tell that there are several; which two does not matter.
        ones = {one for near in places for one in islice(near.ones, 2)}
        disputed = any(near.disputed for near in places)
        if not ones:
            return _WAITS
        if len(ones) == 1 and not disputed:
            return _Fate(ones.pop())
        pair = tuple(value for value in self._matter.values[i] if value[0] != "reference_id")
        if len(pair) == 2:
            if pair not in both:
                both[pair] = list(islice(self._common(*pair), 2))
            if len(both[pair]) == 1 and both[pair][0][0] != "review":
                return _Fate(both[pair][0])
        if len(ones) == 1:
            return _WAITS
        return _Fate(code=self._difference(places))

    def _common(self, a: tuple[str, str], b: tuple[str, str]) -> Iterator[_One]:
        fewer, more = sorted((self._holders[a], self._holders[b]), key=len)
        return (one for one in fewer if one in more)

    def _difference(self, places: list[_Near]) -> str:
        references = {one for near in places for one in islice(near.referenced, 2)}
        if len(references) > 1:
            return "REFERENCES_DISAGREE"
        people = any(near.people for near in places)
        return "NAMES_DISAGREE" if people else "SEVERAL_CANDIDATES"

    def candidates(self, i: int, fate: _Fate) -> tuple[str, ...]:
        """The profiles to show beside a row in review, once everything is decided."""
        if not fate.code or fate.candidates or self._matter.rows[i].reference_id:
            return fate.candidates
        target = self._matter.own[i].target
        found = {target[1]} if target else set()
        for key in self._matter.sought(i):
            if near := self._near.get(key):
                found.update(near.profiles())
        return tuple(sorted(found)[:_LISTED])


def _spread(
    matter: _Matter, reach: _Reach, fates: dict[int, _Fate], waiting: Iterable[int]
) -> None:
    """Step d: decide the rows in rounds, each as soon as it touches a decided row."""
    listening: defaultdict[_Key, list[int]] = defaultdict(list)
    for i in waiting:
        for key in matter.sought(i):
            listening[key].append(i)
    touched = reach.keys()
    while listening:
        rows = {i for key in touched for i in listening.pop(key, ()) if i not in fates}
        if not rows:
            return
        both: dict[tuple[tuple[str, str], ...], list[_One]] = {}
        chosen = {i: reach.choose(i, both) for i in rows}
        arriving: defaultdict[_One, _Voices] = defaultdict(lambda: _Voices(matter.rules))
        for i, fate in chosen.items():
            if fate.one:
                arriving[fate.one].add(matter.rows[i])
        for i, fate in chosen.items():
            row = matter.rows[i]
            if fate.one and (reach.contradict(fate.one, row) or arriving[fate.one].contradict(row)):
                chosen[i] = _DISAGREES
        fates.update(chosen)
        touched = reach.file(chosen)


def _settled(matter: _Matter, fates: dict[int, _Fate]) -> Iterator[Verdict]:
    """Say what becomes of the rows of one set that are not in review."""
    groups = defaultdict(list)
    for i in sorted(fates):
        if one := fates[i].one:
            groups[one].append(i)
    for one, group in groups.items():
        if len(group) > 1 and matter.rules.in_file == "reject":
            yield from _rejected(matter, group)
        else:
            yield from _written(matter, one, group)


def _written(matter: _Matter, one: _One, group: list[int]) -> Iterator[Verdict]:
    """One row carries the write, the others are folded into it."""
    carrier = group[-1 if matter.rules.in_file == "last" else 0]
    customer = one[1] if one[0] == "profile" else None
    members = tuple(matter.rows[i].row for i in group)
    common = Counter(value for i in group for value in matter.values[i])
    for i in group:
        row = matter.rows[i]
        own = matter.own[i].evidence
        joined = tuple(key for key, value in matter.values[i] if common[key, value] > 1)
        if i != carrier:
            yield Verdict(
                row.row,
                "duplicate",
                customer,
                "+".join(joined or own),
                carrier=matter.rows[carrier].row,
            )
        elif customer is not None:
            yield Verdict(row.row, "match", customer, "+".join(own or joined), members=members)
        else:
            yield Verdict(row.row, "create", members=members)


def _rejected(matter: _Matter, group: list[int]) -> Iterator[Verdict]:
    code = "DUPLICATE_IN_FILE"
    first = [matter.rows[i].row for i in group[: _LISTED + 1]]
    for i in group:
        row = matter.rows[i].row
        others = tuple(other for other in first if other != row)[:_LISTED]
        yield Verdict(row, "reject", code=code, detail=DETAILS[code], related=others)


def _reviewed(matter: _Matter, fates: dict[int, _Fate]) -> Iterator[Verdict]:
    """Say of the rows in review why, and what else a person has to look at."""

    def links(i: int) -> list[_Key]:
        target = matter.own[i].target
        return [*matter.values[i], *([target] if target else [])]

    asked = {link for i in fates for link in links(i)}
    shelf = _Shelf[int]()
    for i, row in enumerate(matter.rows if fates else ()):
        for link in asked.intersection(links(i)):
            shelf.file(link, row.reference_id, row.row)
    for i, fate in fates.items():
        row = matter.rows[i]
        found = shelf.first(links(i), row.reference_id, _LISTED + 1)
        yield Verdict(
            row.row,
            "review",
            code=fate.code,
            detail=DETAILS[fate.code],
            candidates=fate.candidates,
            related=tuple(other for other in found if other != row.row)[:_LISTED],
        )
