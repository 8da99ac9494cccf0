"""Are the rows of a set one customer?"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from etl.customers.identity.keys import One
from etl.customers.identity.matter import WAITS, Fate, Matter, Union, joined
from etl.customers.identity.records import LISTED
from etl.customers.identity.split import split
from etl.customers.identity.voices import Voices, stored_names


def settle(matter: Matter, members: list[int]) -> dict[int, Fate]:
    """Give every row of a joined set its fate."""
    fates = {i: Fate(code=matter.own[i].code) for i in members if matter.own[i].code}
    if len(members) == 1 and not fates:
        target = matter.own[members[0]].target
        return {members[0]: Fate(target or ("person", str(members[0])))}
    classes = _classes(matter, members)
    anchored = {i: fate for rows in classes for i, fate in _anchor(matter, rows).items()}
    voices = Voices(matter.rules, (matter.rows[i] for i in members))
    for names in stored_names(matter, members).values():
        voices.add_stored(names)
    # A row that step a sends to review has no one.
    ones = {fate.one for fate in anchored.values()} or {("person", str(members[0]))}
    contradicted = (voices.contradict(matter.rows[i]) for i in members if not matter.strong(i))
    if len(ones) == 1 and (one := ones.pop()) and not any(contradicted):
        return _keep_together(matter, members, fates, one)
    return split(matter, members, fates, classes, anchored, voices)


def _classes(matter: Matter, members: list[int]) -> list[list[int]]:
    """Group the anchored rows by their one: references and profiles that belong together."""
    union = Union()
    marks: dict[int, list[One]] = {}
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


def _anchor(matter: Matter, rows: list[int]) -> dict[int, Fate]:
    """Step a: settle each row of a class with its one, unless profile or reference is in doubt."""
    targets = sorted({target for i in rows if (target := matter.own[i].target)})
    references = {reference for i in rows if (reference := matter.rows[i].reference_id)}
    one = targets[0] if targets else ("reference", min(references))
    profiles = tuple(id for kind, id in targets if kind == "profile")[:LISTED]
    fates = {}
    for i in rows:
        if matter.known(i):
            fates[i] = Fate(matter.own[i].target)
        elif len(targets) > 1:
            fates[i] = Fate(code="SEVERAL_CANDIDATES", candidates=profiles)
        elif len(references) > 1 and matter.rows[i].reference_id:
            fates[i] = Fate(code="REFERENCES_DISAGREE", candidates=profiles)
        else:
            fates[i] = Fate(one)
    return fates


def _keep_together(
    matter: Matter, members: list[int], fates: dict[int, Fate], one: One
) -> dict[int, Fate]:
    """Settle a set about one customer; beside rows in review nobody new is created."""
    if not fates:
        return {i: Fate(one) for i in members}
    for part in joined(matter, [i for i in members if i not in fates]):
        has_target = any(matter.own[i].target for i in part)
        fates.update((i, Fate(one) if has_target else WAITS) for i in part)
    return fates
