"""Who is who: which rows are which profile, which are new, and which need a person?

``decide`` goes in four steps, and the modules follow them:

- every row is held against the directory (``directory.own_decision``), and the strangers on a
  shared phone are found (``strangers``);
- rows that are the same customer are joined into sets (``matter.joined``);
- each set is settled (``sets.settle``): as a whole where everything fits together, one by one
  where it does not (``split.split``);
- every row gets its verdict (``verdicts``).

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

from collections.abc import Collection, Sequence
from dataclasses import replace

from etl.customers.identity.directory import Directory, own_decision
from etl.customers.identity.keys import Rules
from etl.customers.identity.matter import Fate, Matter, joined
from etl.customers.identity.records import DETAILS, Action, Profile, Row, Verdict
from etl.customers.identity.sets import settle
from etl.customers.identity.strangers import strangers
from etl.customers.identity.verdicts import reviewed, settled

__all__ = ["DETAILS", "Action", "Profile", "Row", "Verdict", "decide"]


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
    rules = Rules(frozenset(keys), in_file, shared_phone)
    directory = Directory(profiles, rules)
    in_order = sorted(rows, key=lambda row: row.row)
    own = [own_decision(row, directory, rules) for row in in_order]
    for i in strangers(in_order, rules):
        if own[i].target is None and not own[i].code:
            own[i] = replace(own[i], code="SHARED_PHONE")
    values = [rules.values(row) for row in in_order]
    matter = Matter(in_order, values, own, directory, rules)
    verdicts: dict[int, Verdict] = {}
    fates: dict[int, Fate] = {}
    for members in joined(matter, range(len(in_order))):
        together = settle(matter, members)
        verdicts.update((verdict.row, verdict) for verdict in settled(matter, together))
        fates |= together
    verdicts.update((verdict.row, verdict) for verdict in reviewed(matter, fates))
    return [verdicts[row.row] for row in rows]
