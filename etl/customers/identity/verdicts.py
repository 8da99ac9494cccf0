"""What becomes of each row, once it is known where it goes?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from operator import itemgetter

from etl.customers.identity.keys import Key, One, Shelf
from etl.customers.identity.matter import Fate, Matter
from etl.customers.identity.records import DETAILS, LISTED, Verdict


def settled(matter: Matter, fates: dict[int, Fate]) -> Iterator[Verdict]:
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


def _written(matter: Matter, one: One, group: list[int]) -> Iterator[Verdict]:
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
            told = any(matter.rows[i].decision == "create" for i in group)
            yield Verdict(row.row, "create", matched_by="decision" * told, members=members)


def _rejected(matter: Matter, group: list[int]) -> Iterator[Verdict]:
    code = "DUPLICATE_IN_FILE"
    first = [matter.rows[i].row for i in group[: LISTED + 1]]
    for i in group:
        row = matter.rows[i].row
        others = tuple(other for other in first if other != row)[:LISTED]
        yield Verdict(row, "reject", code=code, detail=DETAILS[code], related=others)


def reviewed(matter: Matter, fates: dict[int, Fate]) -> Iterator[Verdict]:
    """Say of the rows in review why, and what else a person has to look at."""
    asking = {i: fate for i, fate in fates.items() if fate.code}
    if not asking:
        return
    related = _related(matter, asking)
    nearby = _nearby(matter, asking, fates)
    for i, fate in asking.items():
        row = matter.rows[i]
        others = related.first(_links(matter, i), row.reference_id, LISTED + 1)
        yield Verdict(
            row.row,
            "review",
            code=fate.code,
            detail=DETAILS[fate.code],
            candidates=_candidates(matter, i, fate, nearby),
            related=tuple(other for other in others if other != row.row)[:LISTED],
        )


def _candidates(matter: Matter, i: int, fate: Fate, nearby: Shelf[str]) -> tuple[str, ...]:
    """The first profiles that a row in review fits, alone or by a row it would be joined with."""
    row = matter.rows[i]
    fitting, _ = matter.directory.candidates(row)
    found = {*fate.candidates, *(fitting or matter.directory.phone_owners(row))}
    found.update(nearby.first(matter.sought(i), row.reference_id, LISTED))
    if own := _profile(matter, i, fate):
        found.add(own)
    return tuple(sorted(found)[:LISTED])


def _links(matter: Matter, i: int) -> list[Key]:
    """What makes another row worth a look beside this one."""
    target = matter.own[i].target
    return [*matter.values[i], *([target] if target else [])]


def _related(matter: Matter, asking: Iterable[int]) -> Shelf[int]:
    """File the rows that share a value or a target, whatever the names, with a row in review."""
    asked = {link for i in asking for link in _links(matter, i)}
    shelf = Shelf[int]()
    for i, row in enumerate(matter.rows):
        for link in asked.intersection(_links(matter, i)):
            shelf.file(link, row.reference_id, row.row)
    return shelf


def _nearby(matter: Matter, asking: Iterable[int], fates: dict[int, Fate]) -> Shelf[str]:
    """File the profiles of rows with which a row in review would be joined."""
    asked = {key for i in asking for key in matter.sought(i)}
    found: set[tuple[str, str | None, Key]] = set()
    for i, fate in fates.items():
        if id := _profile(matter, i, fate):
            stored = matter.directory.by_id.get(id)
            reference = matter.rows[i].reference_id or (stored.reference_id if stored else None)
            found.update((id, reference, key) for key in asked.intersection(matter.filed(i)))
    shelf = Shelf[str]()
    for id, reference, key in sorted(found, key=itemgetter(0)):
        shelf.file(key, reference, id)
    return shelf


def _profile(matter: Matter, i: int, fate: Fate) -> str | None:
    """The profile that a row goes with or, in review, would go with."""
    one = fate.one or matter.own[i].target
    if one:
        return one[1] if one[0] == "profile" else None
    return matter.rows[i].customer_id
