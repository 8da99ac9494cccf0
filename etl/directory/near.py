"""Who in the directory is nearly somebody a row would create?

Nobody is ever matched for being near: these are hints for a person, who may decide that it is the
same one. Looked for where the whole directory is at hand; rows and profiles are put side by side by
what they share exactly (one half of an email, an address), and only these pairs are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rapidfuzz import fuzz

from etl.customers.names import Names, disagree
from etl.directory.index import Index

# How alike two whole names must be, of 100: Jon and John Smith are 95, Anna and Hanna Weber 95,
# Peter and Petra Smith 82.
_ALIKE = 88

# What a pair shares makes it worth a look only if few others share it: a family, not a mailing
# house or an office called info.
_AT_MOST = 5


class Near(NamedTuple):
    """A profile that may be the person of a row, and what speaks for it."""

    row: int
    customer_id: str
    evidence: str


def near_matches(index: Index, kept: Path) -> Iterator[Near]:
    """Yield hints for rows that are to be created, in row order; ``kept`` holds the directory."""
    for pair in index.near_pairs(kept, _AT_MOST):
        if evidence := _evidence(pair):
            yield Near(pair["row"], pair["id"], evidence)


def _evidence(pair: dict[str, Any]) -> str:
    """Return what speaks for a pair being one person, nothing if it is not enough."""
    names, other = (
        Names(*(pair[f"{side}{part}_name"] for part in ("given", "family", "company")))
        for side in ("", "other_")
    )
    agree = not disagree(names, other)
    if not agree and fuzz.token_sort_ratio(_whole(names), _whole(other)) < _ALIKE:
        return ""
    told = ["the email differs by a typo"] if pair["typo"] else []
    if _whole(names) and _whole(other):
        told += ["same address"] if pair["same_address"] else []
        told += ["the names agree" if agree else "nearly the same name"] if told else []
    return ", ".join(told)


def _whole(names: Names) -> str:
    personal = " ".join(filter(None, (names.given, names.family)))
    return (personal or names.company or "").casefold()
