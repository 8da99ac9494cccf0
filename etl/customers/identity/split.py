"""Where does each row go whose set cannot be one customer?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from etl.customers.identity.keys import Key, One
from etl.customers.identity.matter import WAITS, Fate, Matter, joined
from etl.customers.identity.reach import Reach
from etl.customers.identity.voices import Voices

_DISAGREES = Fate(code="NAMES_DISAGREE")


def split(
    matter: Matter,
    members: list[int],
    fates: dict[int, Fate],
    classes: list[list[int]],
    anchored: dict[int, Fate],
    voices: Voices,
) -> dict[int, Fate]:
    """Settle a set that cannot be one customer, by the steps a to d of the package's docstring.

    ``fates`` has the rows that are in review by themselves, ``anchored`` is step a's answer for
    the rows of ``classes``, and ``voices`` are the names of the whole set.
    """
    fates = {i: fate for i, fate in anchored.items() if fate.code} | fates
    fates |= dict.fromkeys(_contradicted(matter, members, anchored, fates), _DISAGREES)
    fates |= _staying(matter, classes, anchored, fates)
    reach = Reach(matter, members, anchored)
    reach.file(fates)
    waiting = [i for i in members if i not in fates]
    people = _people(matter, [i for i in waiting if voices.contradict(matter.rows[i])], reach)
    reach.file(people)
    fates |= people
    _spread(matter, reach, fates, [i for i in waiting if i not in fates])
    return fates


def _contradicted(
    matter: Matter, members: list[int], anchored: dict[int, Fate], fates: Collection[int]
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
        voices = Voices(matter.rules, (matter.rows[i] for i in circle))
        found += (
            i
            for i in circle
            if i not in fates
            and not matter.strong(i)
            and (same_one or not matter.known(i))
            and voices.contradict(matter.rows[i])
        )
    return found


def _staying(
    matter: Matter, classes: list[list[int]], anchored: dict[int, Fate], fates: Collection[int]
) -> dict[int, Fate]:
    """The other anchored rows, which stay with their one unless it would be created too early."""
    found: dict[int, Fate] = {}
    for rows in classes:
        # Without a profile, the customer of a row in review would be created behind its back.
        waits = any(i in fates for i in rows) and not any(matter.own[i].target for i in rows)
        found.update((i, WAITS if waits else anchored[i]) for i in rows if i not in fates)
    return found


def _people(matter: Matter, rows: list[int], reach: Reach) -> dict[int, Fate]:
    """Step c: rows whose name disagrees with somebody's are people of their own."""
    found: dict[int, Fate] = {}
    for person in joined(matter, rows):
        voices = Voices(matter.rules, (matter.rows[i] for i in person))
        if any(voices.contradict(matter.rows[i]) for i in person):
            found.update(dict.fromkeys(person, _DISAGREES))
        elif not any(reach.touches(i) for i in person):
            found.update(dict.fromkeys(person, Fate(("person", str(person[0])))))
    return found


def _spread(matter: Matter, reach: Reach, fates: dict[int, Fate], waiting: Iterable[int]) -> None:
    """Step d: decide the rows in rounds, each as soon as it touches a decided row."""
    listening: defaultdict[Key, list[int]] = defaultdict(list)
    for i in waiting:
        for key in matter.sought(i):
            listening[key].append(i)
    touched = reach.keys()
    while listening:
        rows = {i for key in touched for i in listening.pop(key, ()) if i not in fates}
        if not rows:
            return
        chosen = reach.choose(rows)
        arriving: defaultdict[One, Voices] = defaultdict(lambda: Voices(matter.rules))
        for i, fate in chosen.items():
            if fate.one:
                arriving[fate.one].add(matter.rows[i])
        for i, fate in chosen.items():
            row = matter.rows[i]
            if fate.one and (reach.contradict(fate.one, row) or arriving[fate.one].contradict(row)):
                chosen[i] = _DISAGREES
        fates.update(chosen)
        touched = reach.file(chosen)
