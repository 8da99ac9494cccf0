"""What does an idempotency key stand for?

The first answer to a write, of a customer or of anything else, for as long as it is remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from etl.sandbox import errors
from etl.sandbox.assumptions import MAX_KEY_LENGTH
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.settings import milliseconds
from etl.sandbox.store.keys import Remembered


def take(body: dict[str, Any], most: int = MAX_KEY_LENGTH) -> str | None:
    """Take the key out of a request's body. Raises Refusal for an unusable one."""
    key = body.pop("idempotency_key", None)
    if key is None:
        return None
    if not isinstance(key, str):
        raise Refusal(errors.expected("string", "idempotency_key"))
    # An empty key is as good as none: the same create twice makes two profiles.
    if not key:
        raise Refusal(
            Problem("VALUE_EMPTY", "Expected idempotency_key not to be empty", "idempotency_key")
        )
    if len(key) > most:
        raise Refusal(
            Problem(
                "VALUE_TOO_LONG",
                f"Expected idempotency_key to have at most {most} characters",
                "idempotency_key",
            )
        )
    return key


def take_needed(body: dict[str, Any], most: int = MAX_KEY_LENGTH) -> str:
    """Take the key out of a body that must have one."""
    key = take(body, most)
    if key is None:
        raise Refusal(errors.missing("idempotency_key"))
    return key


def digest(kind: str, data: object) -> bytes:
    """Return what two writes of the same kind with the same data have in common."""
    text = orjson.dumps([kind, data], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).digest()


def answered(call: Call, key: str, digested: bytes, exists: Callable[[str], bool]) -> bytes | None:
    """Return the answer a key stands for, None for a new key.

    Raises Refusal for a key with other data, and for one whose customer or other thing is gone.
    """
    return repeated(known(call, [key]).get(key), digested, exists)


def known(call: Call, keys: Sequence[str]) -> dict[str, Remembered]:
    """Return what these keys stand for, without those that are new."""
    return call.store.keys.find(keys, call.now - milliseconds(call.settings.key_lifetime))


def repeated(
    remembered: Remembered | None, digested: bytes, exists: Callable[[str], bool]
) -> bytes | None:
    """Return the answer a key stands for, as ``answered`` does."""
    if remembered is None:
        return None
    # A key outlives its profile: observed as a failure (a thread in the forum).
    if remembered.digest != digested or not exists(remembered.made):
        raise Refusal(errors.key_reused())
    return remembered.answer


def once(
    call: Call,
    key: str | None,
    kind: str,
    data: object,
    exists: Callable[[str], bool],
    make: Callable[[], tuple[str, bytes]],
) -> bytes:
    """Return the answer a key stands for; under a new key, or none, make the thing.

    ``make`` returns the id of what it made and the answer.
    """
    if key is None:
        return make()[1]
    digested = digest(kind, data)
    first = answered(call, key, digested, exists)
    if first is not None:
        return first
    made, answer = make()
    call.store.keys.put({key: Remembered(digested, made, answer)}, call.now)
    return answer
