"""What do others do while a call is under way?

Somebody edits, merges or deletes profiles, the caller's token ends, all callers have to pause. All
of it goes the way of the calls for it, and is logged as a write of ``faults``. What cannot be done,
as to a profile that is gone, is not done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from etl.sandbox import control, tokens
from etl.sandbox.apis import customers
from etl.sandbox.calls import Call
from etl.sandbox.errors import Refusal
from etl.sandbox.faults.plan import Chosen, Fault
from etl.sandbox.messages import Request
from etl.sandbox.settings import milliseconds
from etl.sandbox.versions import NEWEST

ENDPOINT = "faults"


def act(chosen: Chosen, call: Call, path_ids: Sequence[str], answer: bytes) -> None:
    """Do what the plan says at a call; ``answer`` is empty before its commit."""
    fault = chosen.fault
    match fault.do:
        case "pause":
            call.script.paused_until = call.now + milliseconds(fault.seconds)
        case "expire" | "revoke":
            _end_token(call, fault)
        case _:
            named = _profiles(call, fault, path_ids, answer)
            _change(replace(call, endpoint=ENDPOINT, chance=chosen.chance), fault, named)


def _end_token(call: Call, fault: Fault) -> None:
    token = tokens.shown(call.request.headers.get("authorization"))
    if fault.do == "revoke":
        control.revoke_token(call, token)
        return
    digest = tokens.digest(token)
    row = call.store.tokens.find(digest)
    if row is not None:
        call.store.tokens.put(digest, row._replace(expires=call.now))


def _profiles(call: Call, fault: Fault, path_ids: Sequence[str], answer: bytes) -> list[str]:
    """Return the ids of the profiles meant that are there, in the order they are named."""
    if isinstance(fault.profiles, str):
        texts = [*path_ids, *_texts(_json(call.request.body)), *_texts(_json(answer))]
    else:
        texts = list(fault.profiles)
    named = [text for text in dict.fromkeys(texts) if call.store.profiles.body(text) is not None]
    if fault.profiles == "first":
        return named[: 2 if fault.do == "merge" else 1]
    return named


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _texts(value: Any) -> Iterator[str]:
    """Give all texts of a JSON value: whichever API names a profile, it does so by its id."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            waiting += reversed([text for pair in value.items() for text in pair])


def _change(call: Call, fault: Fault, named: Sequence[str]) -> None:
    if fault.do == "merge":
        control.merge(_request(call, "POST", {"from": named}))
        return
    for customer_id in named:
        with contextlib.suppress(Refusal):
            if fault.do == "edit":
                customers.update(_request(call, "PUT", fault.changes), customer_id)
            else:
                customers.delete(_request(call, "DELETE", {}), customer_id)


def _request(call: Call, method: str, body: Any) -> Call:
    # A seller's form knows nothing of versions, and clears what is emptied.
    request = Request(method, "", headers={"x-clear-null": "true"}, body=orjson.dumps(body))
    return replace(call, request=request, version=NEWEST)
