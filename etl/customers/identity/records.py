"""What does the matcher take, and what does it answer?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from etl.customers.names import Names

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
LISTED = 10


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
    joined to others, towards these, and ``decision`` for who is created because a person said so.
    ``carrier`` is the row that writes for a duplicate; a carrier lists in ``members`` all rows
    folded into it, itself included, in file order. ``related`` are the first rows that share a key
    with a row in review; ``candidates`` the first profiles, by id, that such a row may be: those it
    fits, and those of rows it would be joined with.
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
