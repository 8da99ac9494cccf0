"""How does a list answer, page by page?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from etl.sandbox.calls import Call
from etl.sandbox.search import paging
from etl.sandbox.search.selection import Place
from etl.sandbox.store.records import Listing, Record

_Row = TypeVar("_Row")


def page(
    call: Call,
    query: paging.Query,
    name: str,
    rows: Callable[[Place | None, int], Sequence[_Row]],
    place: Callable[[_Row], Place],
    told: Callable[[_Row], object],
) -> bytes:
    """Answer a page under ``name``, each row as it is told.

    ``rows`` returns those that follow a place, up to a number; ``place`` is where one stands.
    """
    after, size = call.page(query)
    found = rows(after, size + 1)
    shown = found[:size]
    members = []
    if shown:
        members.append(b'"%b":%b' % (name.encode(), orjson.dumps([told(row) for row in shown])))
    members += ending(call, query, place(shown[-1]) if len(found) > size else None)
    return b"{%b}" % b",".join(members)


def ending(call: Call, query: paging.Query, end: Place | None) -> list[bytes]:
    """Return the member that leads on from where a page ended, none if nothing follows."""
    if end is None:
        return []
    return [b'"cursor":"%b"' % paging.make_cursor(call.secret, query, end, call.now).encode()]


def _as_stored(record: Record) -> orjson.Fragment:
    return orjson.Fragment(record.body)


def records(
    call: Call,
    query: paging.Query,
    listing: Listing,
    name: str,
    told: Callable[[Record], object] = _as_stored,
) -> bytes:
    """Answer a page of cards, gift cards, orders or payments."""
    rows = functools.partial(call.store.records.page, listing)
    return page(call, query, name, rows, listing.place, told)
