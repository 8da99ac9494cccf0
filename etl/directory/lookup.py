"""How is the seller's directory read, so that every row's customer is found if there is one?

By exact searches for small jobs, by paging it once for large ones; whichever needs fewer calls.
Search and list lag behind writes (by up to a minute or more, ListCustomers and SearchCustomers
reference), so what our own ledger knows is read by id beside it, always: retrieving by id does not
lag. A lookup that fails raises; it is never taken for "not found".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from etl.directory.index import Index
from etl.journal.ledger import Ledger, Written
from etl.square.client import SquareClient

# Config's names for match keys, and the columns of the index that hold them.
KEY_COLUMNS = {"reference_id": "reference_id", "email_address": "email", "phone_number": "phone"}
_FILTERS = {column: field for field, column in KEY_COLUMNS.items()}

# Profiles in one page of ListCustomers, and in one BulkRetrieveCustomers call.
_PAGE = 100


class Choice(NamedTuple):
    """How the directory is read, and a sentence for the operator: what each way costs."""

    way: Literal["search", "snapshot"]
    told: str


def choose(lookup: Literal["auto", "search", "snapshot"], searches: int, profiles: int) -> Choice:
    """Choose the way with fewer calls: ``searches`` distinct keys, or ``profiles`` in pages."""
    pages = profiles // _PAGE + 1
    way = lookup if lookup != "auto" else "search" if searches < pages else "snapshot"
    costs = [f"{searches:,} searches", f"a snapshot of {profiles:,} profiles, {pages:,} calls"]
    if way == "snapshot":
        costs.reverse()
    return Choice(way, f"by {costs[0]} (the other way: {costs[1]})")


def read_directory(
    square: SquareClient,
    index: Index,
    way: str,
    keys: Sequence[str],
    progress: Callable[[int], None],
) -> None:
    """Bring every profile that could match a row of the index into it."""
    pages = square.list_customers() if way == "snapshot" else _found(square, index, keys)
    index.add_profiles(_counted(pages, progress))


def consult_ledger(square: SquareClient, index: Index, ledger: Ledger, keys: Sequence[str]) -> None:
    """Read by id what lists and searches may not show yet, and follow merged profiles.

    Afterwards every row's known id is the id of a profile of the index, or was found to be gone.
    """
    for ids in index.distinct("customer_id"):
        latest = {entry.customer_id: entry.version for entry in ledger.written("customer_id", ids)}
        seen = index.versions(ids)
        stale = [id for id in ids if id not in seen or seen[id] < latest.get(id, 0)]
        index.resolve(_refresh(square, index, ledger, stale))
    for column in keys:
        for values in index.distinct(column):
            entries: list[Written] = list(ledger.written(column, values))
            seen = index.versions([entry.customer_id for entry in entries])
            _refresh(
                square,
                index,
                ledger,
                [e.customer_id for e in entries if seen.get(e.customer_id, -1) < e.version],
            )


def _refresh(
    square: SquareClient, index: Index, ledger: Ledger, ids: Sequence[str]
) -> dict[str, str | None]:
    answers = square.retrieve_customers(ids) if ids else {}
    outcome = {asked: str(profile["id"]) if profile else None for asked, profile in answers.items()}
    moved = [asked for asked, found in outcome.items() if asked != found]
    index.drop_profiles(moved)
    index.add_profiles(profile for profile in answers.values() if profile is not None)
    ledger.forget(moved)
    return outcome


def _found(
    square: SquareClient, index: Index, keys: Sequence[str]
) -> Iterator[list[dict[str, Any]]]:
    for column in keys:
        for values in index.distinct(column):
            for value in values:
                yield from square.search_customers({_FILTERS[column]: {"exact": value}})


def _counted(
    pages: Iterator[list[dict[str, Any]]], progress: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    for page in pages:
        yield from page
        progress(len(page))
