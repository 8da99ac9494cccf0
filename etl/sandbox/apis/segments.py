"""What does each endpoint of customer segments do?

Segments are read only: who is in one follows from the profile, its cards on file and its payments.
"""

from __future__ import annotations

import orjson

from etl.sandbox import errors
from etl.sandbox.apis import lists
from etl.sandbox.calls import Call, Merchant
from etl.sandbox.errors import Refusal
from etl.sandbox.search import paging
from etl.sandbox.search.segments import NAMES
from etl.sandbox.search.selection import Place

MAX_PAGE = 50


def ids(merchant: Merchant) -> dict[str, str]:
    """Map the ids of the merchant's segments to their kinds."""
    return {f"{merchant.id}.{kind}": kind for kind in NAMES}


def list_segments(call: Call) -> bytes:
    """ListCustomerSegments: those that follow from profiles, cards and payments."""
    query = paging.of_list(call.parameters, paging.limit_in(call.parameters, MAX_PAGE), "segments")
    known = list(ids(call.merchant))

    def rows(after: Place | None, size: int) -> list[str]:
        begin = 0 if after is None else known.index(after.id) + 1
        return known[begin : begin + size]

    def place(segment_id: str) -> Place:
        return Place(0, segment_id)

    def told(segment_id: str) -> dict[str, str]:
        return _as_json(call.merchant, segment_id)

    return lists.page(call, query, "segments", rows, place, told)


def retrieve_segment(call: Call, segment_id: str) -> bytes:
    """RetrieveCustomerSegment: its name; who is in it is told by the profiles."""
    if segment_id not in ids(call.merchant):
        raise Refusal(errors.not_found("Customer segment", segment_id))
    return orjson.dumps({"segment": _as_json(call.merchant, segment_id)})


def _as_json(merchant: Merchant, segment_id: str) -> dict[str, str]:
    return {
        "id": segment_id,
        "name": NAMES[ids(merchant)[segment_id]],
        "created_at": merchant.created_at,
        "updated_at": merchant.created_at,
    }
