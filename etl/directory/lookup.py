"""How is the seller's directory read, so that every row's customer is found if there is one?

By exact searches for small jobs, by paging it once for large ones; whichever needs fewer calls.
Search and list lag behind writes (by up to a minute or more, ListCustomers and SearchCustomers
reference), so what our own ledger knows is read by id beside it, always: retrieving by id does not
lag. A lookup that fails raises; it is never taken for "not found".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from etl.directory.index import WRITTEN, Index
from etl.journal.ledger import Ledger
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
    calls = "1 call" if pages == 1 else f"{pages:,} calls"
    costs = [f"{searches:,} searches", f"a snapshot of {profiles:,} profiles, {calls}"]
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


def consult_ledger(
    square: SquareClient, index: Index, ledger: Ledger, keys: Sequence[str]
) -> list[str]:
    """Read by id what lists and searches may not show yet, and follow merged profiles.

    Afterwards every row's known id is the id of a profile of the index, or was found to be gone.
    Returns the ids under which no profile exists any more, for the ledger to forget.
    """
    for page in ledger.written():
        rows = [entry._asdict() for entry in page]
        index.add_written(pa.Table.from_pylist(rows, schema=WRITTEN))
    moved: list[str] = []
    for stale in index.stale(keys):
        answers = square.retrieve_customers(stale)
        found = {asked: str(p["id"]) if p else None for asked, p in answers.items()}
        gone = [asked for asked, answered in found.items() if asked != answered]
        index.drop_profiles(gone)
        index.add_profiles(profile for profile in answers.values() if profile is not None)
        index.resolve(found)
        moved += gone
    return moved


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
