"""What does each endpoint of customer segments do?

Segments are read only: who is in one follows from the profile, its cards on file and its payments.
"""

from __future__ import annotations

from typing import Any

import orjson

from etl.sandbox import errors
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
    query = paging.plain_list(call.parameters, "segments", MAX_PAGE)
    after, size = call.page(query)
    known = list(ids(call.merchant))
    left = known if after is None else known[known.index(after.id) + 1 :]
    shown = left[:size]
    answer: dict[str, Any] = {"segments": [_as_json(call.merchant, each) for each in shown]}
    if len(left) > size:
        place = Place(0, shown[-1])
        answer["cursor"] = paging.make_cursor(call.secret, query, place, call.now)
    return orjson.dumps(answer)


def retrieve_segment(call: Call, segment_id: str) -> bytes:
    """RetrieveCustomerSegment, by id."""
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
