"""Which segments is a customer in?

Of Square's segments the sandbox has the one that follows from the profile alone: who can be
reached by email or phone. Segments are read only; they follow a write and raise no version, so the
answers to writes do not tell them.
"""

from __future__ import annotations

import orjson

from etl.sandbox.calls import Call, Merchant
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.search import paging

MAX_PAGE = 50


def reachable(merchant: Merchant) -> str:
    """The id of the segment of those who have an email or a phone."""
    return f"{merchant.id}.REACHABLE"


def list_segments(call: Call) -> bytes:
    """ListCustomerSegments: there is one, so there is one page."""
    query = paging.plain_list(call.parameters, "segments", MAX_PAGE)
    # No list is long enough to have issued a cursor.
    call.page(query)
    return orjson.dumps({"segments": [_as_json(call.merchant)]})


def retrieve_segment(call: Call, segment_id: str) -> bytes:
    """RetrieveCustomerSegment: that of who can be reached."""
    if segment_id != reachable(call.merchant):
        raise Refusal(
            Problem("NOT_FOUND", f"Customer segment with ID `{segment_id}` not found.", status=404)
        )
    return orjson.dumps({"segment": _as_json(call.merchant)})


def _as_json(merchant: Merchant) -> dict[str, str]:
    return {
        "id": reachable(merchant),
        "name": "Reachable",
        "created_at": merchant.created_at,
        "updated_at": merchant.created_at,
    }


def shown(call: Call, body: bytes) -> bytes:
    """Return the JSON text of a profile with the segments it is in.

    A text inside it cannot look like a member, and the version is its last one.
    """
    if b'"email_address":' not in body and b'"phone_number":' not in body:
        return body
    head, version, number = body.rpartition(b',"version":')
    segment = reachable(call.merchant).encode()
    return b'%b,"segment_ids":["%b"]%b%b' % (head, segment, version, number)
