"""What do the calls of the Customer Segments API take and give?"""

from __future__ import annotations

from etl.sandbox.apis import segments
from etl.sandbox.openapi.shapes import (
    CURSOR,
    MOMENT,
    SOME_TEXT,
    TEXT,
    Api,
    Operation,
    answer,
    array,
    limit,
    page,
    ref,
)

API = Api(
    "Customer segments",
    {
        segments.list_segments: Operation(
            page(segments=array(ref("CustomerSegment"), 1)),
            parameters=(CURSOR, limit(segments.MAX_PAGE)),
        ),
        segments.retrieve_segment: Operation(answer({"segment": ref("CustomerSegment")})),
    },
    {
        "SegmentId": TEXT,
        "CustomerSegment": answer(
            {
                "id": ref("SegmentId"),
                "name": SOME_TEXT,
                "created_at": MOMENT,
                "updated_at": MOMENT,
            }
        ),
    },
)
