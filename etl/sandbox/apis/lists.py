"""How does a list of cards, gift cards, orders or payments answer?"""

from __future__ import annotations

from collections.abc import Callable

from etl.sandbox.calls import Call
from etl.sandbox.search import paging
from etl.sandbox.store.records import Listing, Record


def page(
    call: Call,
    query: paging.Query,
    listing: Listing,
    name: str,
    told: Callable[[Record], bytes] = lambda record: record.body,
) -> bytes:
    """Answer a page of records under ``name``, each as it is told."""
    after, size = call.page(query)
    found = call.store.records.page(listing, after, size)
    members = []
    if found.records:
        members.append(b'"%b":[%b]' % (name.encode(), b",".join(map(told, found.records))))
    if found.end is not None:
        cursor = paging.make_cursor(call.secret, query, found.end, call.now)
        members.append(b'"cursor":"%b"' % cursor.encode())
    return b"{%b}" % b",".join(members)
