"""Who shares a phone, under disagreeing names, and nothing else with another row of the file?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from etl.customers.identity.keys import Rules
from etl.customers.identity.records import Row
from etl.customers.names import Crowd


def strangers(rows: Sequence[Row], rules: Rules) -> Iterator[int]:
    """The rows that share a phone, under disagreeing names, and nothing else with another row."""
    if rules.shared_phone != "review" or "phone_number" not in rules.keys:
        return
    by_phone = defaultdict(list)
    for i, row in enumerate(rows):
        if row.phone:
            by_phone[row.phone].append(i)
    for group in by_phone.values():
        if len({rows[i].names for i in group}) > 1:
            yield from _among(rows, group, rules)


def _among(rows: Sequence[Row], group: list[int], rules: Rules) -> Iterator[int]:
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
