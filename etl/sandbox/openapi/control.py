"""What do the sandbox's own calls take and give?"""

from __future__ import annotations

from typing import get_args

from etl.sandbox import control
from etl.sandbox.faults import plan
from etl.sandbox.openapi.shapes import (
    FLAG,
    MOMENT,
    NOTHING,
    TEXT,
    WHOLE,
    Api,
    Operation,
    Parameter,
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
from etl.sandbox.settings import TEN_YEARS
from etl.sandbox.store.log import OtherAction, ProfileAction
from etl.sandbox.versions import PUBLISHED

_SECONDS: Schema = {"type": "number", "minimum": 0, "maximum": TEN_YEARS}
_NTH: Schema = {"type": "integer", "minimum": 1}
_SCOPE: Schema = {"type": "string", "pattern": f"^({control.SCOPE.pattern})$"}


def _count(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


_FILLED = (*("profiles", "already_there", "groups", "cards", "gift_cards", "orders", "payments"),)
_SETTINGS: dict[str, Schema] = {
    "lag": _SECONDS,
    "rate": {"type": "number", "minimum": 0, "maximum": 1_000_000},
    "retry_after": FLAG,
    "cursor_lifetime": _SECONDS,
    "key_lifetime": _SECONDS,
    "null_clears": FLAG,
    "short_pages": _count(1, 1000),
    "default_version": choice(PUBLISHED),
}
_FAULT: dict[str, Schema] = {
    "endpoint": TEXT,
    "do": choice(plan.KINDS),
    "when": choice(plan.WHENS),
    "nth": either(_NTH, array(_NTH)),
    "rate": {"type": "number", "minimum": 0, "maximum": 1},
    "seconds": _SECONDS,
    "retry_after": _SECONDS,
    "status": _count(200, 599),
    "body": {},
    "count": _count(0, 1000),
    "bytes": _count(0, plan.LARGEST_BOMB),
    "compressed": FLAG,
    "page": choice(plan.PAGES),
    "profiles": either(choice(["first", "every"]), texts(1)),
    "changes": {**mapping({}, least=1), "description": "As in a bulk update, without version."},
}

API = Api(
    "The sandbox itself",
    {
        control.issue_token: Operation(
            answer({"token": TEXT}),
            record({"scopes": array(_SCOPE), "expires_in": nullable(_SECONDS)}, ["scopes"]),
        ),
        control.revoke_token: Operation(NOTHING),
        control.merge: Operation(
            answer({"customer": ref("Customer")}),
            record({"from": array(ref("CustomerId"), 2)}, ["from"]),
            misses=True,
        ),
        control.set_faults: Operation(
            NOTHING, record({"plan": array(ref("Fault")), "seed": WHOLE}, ["plan"])
        ),
        control.read_log: Operation(
            answer({"log": array(ref("Write"))}),
            parameters=(
                Parameter("after", {"type": "integer", "minimum": 0}, "Only those after this seq."),
                Parameter("limit", {"type": "integer", "minimum": 1}, "At most so many."),
            ),
        ),
        control.advance_clock: Operation(NOTHING, record({"advance": _SECONDS}, ["advance"])),
        control.read_settings: Operation(ref("Settings")),
        control.change_settings: Operation(
            ref("Settings"),
            record({name: nullable(schema) for name, schema in _SETTINGS.items()}),
        ),
        control.fill: Operation(
            answer({**dict.fromkeys(_FILLED, WHOLE), "instant_profiles": texts()}),
            record({"profiles": _count(0, control.MOST_SEEDED), "seed": WHOLE}, ["profiles"]),
        ),
        control.describe: Operation({"type": "object"}),
    },
    {
        "Fault": record(_FAULT, ["do"]),
        "Settings": answer(_SETTINGS | {"short_pages": nullable(_SETTINGS["short_pages"])}),
        "Write": answer(
            {
                "seq": WHOLE,
                "at": MOMENT,
                "request_id": TEXT,
                "endpoint": TEXT,
                "action": choice(get_args(ProfileAction) + get_args(OtherAction)),
                "customer_id": TEXT,
                "idempotency_key": nullable(TEXT),
                "version": WHOLE,
                "changes": mapping({}),
            }
        ),
    },
)
