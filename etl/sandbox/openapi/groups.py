"""What do the calls of the Customer Groups API take and give?"""

from __future__ import annotations

from etl.sandbox.apis import groups
from etl.sandbox.openapi.customers import KEY
from etl.sandbox.openapi.shapes import (
    CURSOR,
    MOMENT,
    NOTHING,
    SOME_TEXT,
    TEXT,
    Api,
    Operation,
    answer,
    array,
    limit,
    nullable,
    page,
    record,
    ref,
)

_ONE = answer({"group": ref("CustomerGroup")})
_NAMED = record({"name": SOME_TEXT}, ["name"])

API = Api(
    "Customer groups",
    {
        groups.list_groups: Operation(
            page(groups=array(ref("CustomerGroup"), 1)), parameters=(CURSOR, limit(groups.MAX_PAGE))
        ),
        groups.create_group: Operation(
            _ONE, record({"idempotency_key": nullable(KEY), "group": _NAMED}, ["group"])
        ),
        groups.retrieve_group: Operation(_ONE),
        groups.update_group: Operation(_ONE, record({"group": _NAMED}, ["group"])),
        groups.delete_group: Operation(NOTHING),
        groups.add_member: Operation(NOTHING),
        groups.remove_member: Operation(NOTHING),
    },
    {
        "GroupId": TEXT,
        "CustomerGroup": answer(
            {
                "id": ref("GroupId"),
                "name": SOME_TEXT,
                "created_at": MOMENT,
                "updated_at": MOMENT,
            }
        ),
    },
)
