"""Which profiles are wanted, and how is that said in SQL?

A selection is what a list or search asks for. It becomes the conditions of a statement over the
revisions of profiles, and names the index that answers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import orjson

from etl.sandbox.search import segments

if TYPE_CHECKING:
    from etl.sandbox.search.attributes import Sought

# The end of a revision that is still the current one.
OPEN = 1 << 62
CURRENT = f"until = {OPEN}"

# What puts a profile into the segment that follows from it alone.
_REACHABLE = "(email_key IS NOT NULL OR phone_key IS NOT NULL)"


class Span(NamedTuple):
    """Whole milliseconds from and to, both inclusive; None is open."""

    start: int | None = None
    end: int | None = None


ALWAYS = Span()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which profiles a list or search asks for, and in which order. All conditions are ANDed.

    ``now`` is the moment at which customers are in segments.
    """

    email: str | None = None
    phone: str | None = None
    reference: str | None = None
    email_tokens: tuple[str, ...] = ()
    phone_tokens: tuple[str, ...] = ()
    reference_tokens: tuple[str, ...] = ()
    created: Span = ALWAYS
    updated: Span = ALWAYS
    sources: tuple[str, ...] = ()
    any_groups: tuple[str, ...] = ()
    all_groups: tuple[str, ...] = ()
    no_groups: tuple[str, ...] = ()
    without_sources: bool = False
    any_segments: tuple[str, ...] = ()
    all_segments: tuple[str, ...] = ()
    no_segments: tuple[str, ...] = ()
    now: int = 0
    attributes: tuple[Sought, ...] = ()
    order: Literal["name", "created"] = "name"
    descending: bool = False


class Place(NamedTuple):
    """Where a page ended: the sort key and the id of its last profile."""

    key: str | int
    id: str


class Page(NamedTuple):
    """The bodies of a page, and where it ended if more follow."""

    bodies: list[bytes]
    end: Place | None


def conditions(
    selection: Selection, shown: int | None, by_segment: bool = False
) -> tuple[list[str], list[object]]:
    """Return the conditions for what was visible at ``shown`` (None: for what is there now).

    ``by_segment`` looks for the customers of a segment first, and for their profiles by id.
    """
    if shown is None:
        where, values = ["listed = 1", CURRENT], list[object]()
    else:
        where, values = ["listed = 1", "since <= ?", "until > ?"], [shown, shown]
    for column, value in (
        ("email_key", selection.email),
        ("phone_key", selection.phone),
        ("reference_key", selection.reference),
    ):
        if value is not None:
            where.append(f"{column} = ?")
            values.append(value)
    for column, tokens in (
        (bare_email("email_key"), selection.email_tokens),
        ("phone_key", selection.phone_tokens),
        ("reference_key", selection.reference_tokens),
    ):
        # Every token has to occur, in any order. One condition, for SQLite's are not many.
        if tokens:
            where.append(
                f"{column} IS NOT NULL AND NOT EXISTS "
                f"(SELECT 1 FROM json_each(?) WHERE instr({column}, value) = 0)"
            )
            values.append(_json(tokens))
    within("created", selection.created, where, values)
    within("updated", selection.updated, where, values)
    if selection.sources:
        marks = ", ".join("?" * len(selection.sources))
        where.append(f"source {'NOT ' if selection.without_sources else ''}IN ({marks})")
        values += selection.sources
    if by_segment:
        standing, moments = standings(selection)
        where.append(f"id IN (SELECT customer_id FROM standings WHERE {standing})")
        values += moments
    for names, joint, rule in (
        (selection.any_segments, " OR ", ""),
        (selection.all_segments, " AND ", ""),
        (selection.no_segments, " OR ", "NOT "),
    ):
        if names:
            inside = joint.join(_in_segment(name, selection.now, values) for name in names)
            where.append(f"{rule}({inside})")
    for group_ids, rule, having in (
        (selection.any_groups, "IN", ""),
        (selection.all_groups, "IN", f"HAVING count(*) = {len(selection.all_groups)}"),
        (selection.no_groups, "NOT IN", ""),
    ):
        if group_ids:
            where.append(
                f"rowid {rule} (SELECT profile FROM members WHERE group_id IN "
                f"(SELECT value FROM json_each(?)) GROUP BY profile {having})"
            )
            values.append(_json(group_ids))
    return where, values


def bare_email(column: str) -> str:
    """Say an address without the punctuation that a fuzzy search does not see."""
    return f"replace(replace(replace({column}, '.', ''), '_', ''), '@', '')"


def standings(selection: Selection) -> tuple[str, list[int]]:
    """Return the condition on standings that all wanted profiles meet, none if there is none."""
    known = segments.conditions(selection.now)
    for names in (selection.all_segments[:1], selection.any_segments):
        if names and segments.BY_PROFILE not in names:
            wanted = [known[name] for name in names]
            sql = " OR ".join(f"({condition.sql})" for condition in wanted)
            return sql, [value for condition in wanted for value in condition.values]
    return "", []


def _in_segment(name: str, now: int, values: list[object]) -> str:
    if name == segments.BY_PROFILE:
        return _REACHABLE
    condition = segments.conditions(now)[name]
    values += condition.values
    return f"EXISTS (SELECT 1 FROM standings WHERE customer_id = profiles.id AND {condition.sql})"


def within(
    column: str,
    span: tuple[int | str | None, int | str | None],
    where: list[str],
    values: list[object],
) -> None:
    """Add the conditions that keep a column inside a span, both ends included."""
    start, end = span
    if start is not None:
        where.append(f"{column} >= ?")
        values.append(start)
    if end is not None:
        where.append(f"{column} <= ?")
        values.append(end)


def index(
    selection: Selection, *, few_updated: bool, few_owners: bool, by_segment: bool, counting: bool
) -> str:
    """Name the index that answers a selection; ``few_updated`` means its span of updates is short.

    ``few_owners`` means that few customers have the values of custom attributes it asks for.
    Named, since SQLite has no statistics of a file that grows from nothing.
    """
    for value, name in (
        (selection.reference, "reference"),
        (selection.email, "email"),
        (selection.phone, "phone"),
    ):
        if value is not None:
            return f"INDEXED BY profiles_by_{name}"
    if selection.any_groups or selection.all_groups or few_owners:
        # These are found by their row numbers, which are no index.
        return "NOT INDEXED"
    if by_segment:
        return "INDEXED BY profiles_by_id"
    if few_updated:
        return "INDEXED BY profiles_by_updated"
    if counting:
        return "INDEXED BY profiles_by_created"
    return f"INDEXED BY profiles_by_{selection.order}"


def _json(texts: tuple[str, ...]) -> str:
    return orjson.dumps(texts).decode()
