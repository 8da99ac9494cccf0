"""How is the seller's directory read, so that every row's customer is found if there is one?

By exact searches for small jobs, by paging it once for large ones, or by reading what changed since
an earlier run paged it; whichever takes fewest calls. Search and list lag behind writes (by up to a
minute or more, ListCustomers and SearchCustomers reference), so what our own ledger knows is read
by id beside it, always: retrieving by id does not lag. A lookup that fails raises; it is never
taken for "not found".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from etl.directory.gone import Gone, Moved, check_ids, drop_gone
from etl.directory.index import WRITTEN, Index
from etl.directory.kept import Kept
from etl.journal.ledger import Ledger
from etl.square.client import SquareClient

# Config's names for match keys, and the columns of the index that hold them.
KEY_COLUMNS = {"reference_id": "reference_id", "email_address": "email", "phone_number": "phone"}
_FILTERS = {column: field for field, column in KEY_COLUMNS.items()}

# Profiles in one page of ListCustomers and SearchCustomers.
_PAGE = 100

# Calls that are made sooner than it is asked how many another way would take.
_WORTH_ASKING = 3

Lookup = Literal["auto", "search", "snapshot", "index"]


class Way(NamedTuple):
    """One way of reading the directory: the calls it takes, and what it is in words."""

    name: Literal["search", "snapshot", "index"]
    calls: int
    told: str


class Choice(NamedTuple):
    """How the directory is read, and a sentence for the operator: what each way costs."""

    way: Literal["search", "snapshot", "index"]
    told: str


def weigh(
    square: SquareClient, kept: Path, region: str, lookup: Lookup, searches: int, profiles: int
) -> list[Way]:
    """Return the ways there are: ``searches`` for distinct keys, ``profiles`` in pages, or those
    profiles that changed since the copy in ``kept`` was whole, if it is.

    How many changed takes a call, so it is not asked where another way takes hardly more.
    """
    pages = _pages(profiles)
    ways = [
        Way("snapshot", pages, f"a snapshot of {profiles:,} profiles in {_calls(pages)}"),
        Way("search", searches, f"{searches:,} searches"),
    ]
    if lookup == "index" or (lookup == "auto" and min(way.calls for way in ways) > _WORTH_ASKING):
        with Kept.open(kept, region) as copy:
            since = copy.complete_until
        if since is not None:
            changed = square.count_found({"updated_at": {"start_at": since}})
            calls = _pages(changed) + 1
            told = f"the kept copy and {changed:,} profiles changed since in {_calls(calls)}"
            ways.insert(0, Way("index", calls, told))
    return ways


def choose(lookup: Lookup, ways: Sequence[Way], seconds_per_call: float) -> Choice:
    """Choose the way with fewest calls, or the one that ``lookup`` asks for.

    Without a kept copy, asking for the index asks for a snapshot, which makes one.
    """
    asked = [way for way in ways if way.name == lookup]
    if lookup == "index" and not asked:
        asked = [way for way in ways if way.name == "snapshot"]
    best = min(asked or ways, key=lambda way: way.calls)

    def costs(way: Way) -> str:
        seconds = way.calls * seconds_per_call
        return f"{way.told}, " + (
            f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"
        )

    others = "; ".join(costs(way) for way in ways if way is not best)
    return Choice(best.name, f"by {costs(best)} (other ways: {others})")


def read_directory(
    square: SquareClient,
    index: Index,
    kept: Path,
    region: str,
    merchant: str,
    way: Literal["search", "snapshot", "index"],
    keys: Sequence[str],
    asked_at: float | None,
    size: int,
    progress: Callable[[int], None],
) -> Gone:
    """Bring every profile that could match a row of the index into it.

    ``kept`` is where the copy lies that stays between runs; all ways but searching leave it whole
    as of ``asked_at``, Square's time before, when it counted ``size`` profiles. Profiles that were
    deleted or merged since it was are dropped, and returned.
    """
    if way == "search":
        index.add_profiles(_counted(_found(square, index, keys), progress))
        return Gone({}, "")
    with Kept.open(kept, region) as copy:
        since = copy.complete_until
        surplus = _refreshed(square, copy, asked_at, size, progress) if way == "index" else None
        if surplus is None:
            copy.fill(_counted(square.list_customers(), progress), asked_at)
    index.take_profiles(kept, keys)
    if not surplus:
        return Gone({}, "")
    assert since is not None
    with Kept.open(kept, region) as copy:
        return drop_gone(square, index, copy, surplus, since, merchant)


def _refreshed(
    square: SquareClient,
    copy: Kept,
    asked_at: float | None,
    size: int,
    progress: Callable[[int], None],
) -> int | None:
    """Take what changed since the copy was whole; return how many of its profiles are gone.

    Whoever is created between the changes and the count must not stand in for somebody who is gone:
    of the counts before and after the smaller one is held against the copy. None tells that it
    lacks some, and cannot be trusted.
    """
    since = copy.complete_until
    assert since is not None
    changed = square.search_customers({"updated_at": {"start_at": since}})
    copy.refresh(_counted(changed, progress), asked_at)
    return copy.surplus(min(size, square.count_customers()))


def consult_ledger(
    square: SquareClient,
    index: Index,
    ledger: Ledger,
    keys: Sequence[str],
    moved: Mapping[str, str | None],
) -> Moved:
    """Read by id what lists and searches may not show yet, and follow merged profiles.

    Afterwards every row's known id is the id of a profile of the index, or was found to be gone.
    ``moved`` are ids that have been read before; returned are these and the others under which no
    profile exists any more, for the ledger to follow.
    """
    for page in ledger.written():
        rows = [entry._asdict() for entry in page if entry.customer_id not in moved]
        index.add_written(pa.Table.from_pylist(rows, schema=WRITTEN))
    return {**moved, **check_ids(square, index, index.stale(keys))}


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number:,} calls"


def _pages(profiles: int) -> int:
    return profiles // _PAGE + 1


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
