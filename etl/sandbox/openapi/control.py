"""What do the sandbox's own calls take and give?"""

from __future__ import annotations

from etl.sandbox import control, faults
from etl.sandbox.openapi.shapes import (
    NOTHING,
    SOME_TEXT,
    TEXT,
    WHOLE,
    Api,
    Operation,
    Schema,
    answer,
    array,
    choice,
    either,
    mapping,
    nullable,
    record,
    ref,
    texts,
)

_NUMBER: Schema = {"type": "number", "minimum": 0}
_SECONDS: Schema = {**_NUMBER, "maximum": control.TEN_YEARS}
_NTH: Schema = {"type": "integer", "minimum": 1}

API = Api(
    "The sandbox itself",
    {
        control.issue_token: Operation(
            answer({"token": TEXT}),
            record({"scopes": texts(), "expires_in": nullable(_SECONDS)}, ["scopes"], more=True),
        ),
        control.revoke_token: Operation(NOTHING),
        control.merge: Operation(
            answer({"customer": ref("Customer")}),
            record({"from": array(ref("CustomerId"), 2)}, ["from"], more=True),
            misses=True,
        ),
        control.set_faults: Operation(
            NOTHING, record({"plan": array(ref("Fault")), "seed": WHOLE}, ["plan"], more=True)
        ),
        control.read_log: Operation(answer({"log": array(ref("Write"))})),
        control.advance_clock: Operation(
            NOTHING, record({"advance": _SECONDS}, ["advance"], more=True)
        ),
        control.fill: Operation(
            answer({"profiles": WHOLE, "already_there": WHOLE, "instant_profiles": texts()}),
            ref("Seeding"),
        ),
        control.describe: Operation({"type": "object"}),
    },
    {
        "Seeding": record(
            {"profiles": {"type": "integer", "minimum": 0}, "seed": WHOLE}, ["profiles"], more=True
        ),
        "Fault": record(
            {
                "endpoint": TEXT,
                "nth": either(_NTH, array(_NTH)),
                "rate": {**_NUMBER, "maximum": 1},
                "when": choice(["before", "after", "mid"]),
                "do": choice(faults.KINDS),
                "seconds": _NUMBER,
                "status": {"type": "integer", "minimum": 200, "maximum": 599},
                "body": {},
                "retry_after": _NUMBER,
                "count": {"type": "integer", "minimum": 0},
                "bytes": {"type": "integer", "minimum": 0},
            },
            ["do"],
        ),
        "Write": answer(
            {
                "seq": WHOLE,
                "at": TEXT,
                "request_id": TEXT,
                "endpoint": TEXT,
                "action": SOME_TEXT,
                "customer_id": TEXT,
                "idempotency_key": nullable(TEXT),
                "version": WHOLE,
                "changes": mapping({}),
            }
        ),
    },
)
