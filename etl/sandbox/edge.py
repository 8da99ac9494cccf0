"""What is checked before a request reaches the customers: its pace, its size, its JSON."""

from __future__ import annotations

import math
from typing import Any

import orjson

from etl.sandbox.errors import Problem, Refusal, expected, too_large


class Pace:
    """A token bucket per access token: it holds one second's worth, at least one call."""

    def __init__(self) -> None:
        self._levels: dict[bytes, tuple[float, int]] = {}

    def spend(self, token: bytes, now: int, rate: float) -> int:
        """Take one call out of a token's bucket; return the seconds to wait if it is empty.

        A rate of 0 lets everything pass.
        """
        if rate == 0:
            return 0
        capacity = max(1.0, rate)
        level, since = self._levels.get(token, (capacity, now))
        level = min(capacity, level + max(0, now - since) / 1000 * rate)
        # Whoever waited as long as told finds a whole call, whatever was lost in rounding.
        if level < 1 - 1e-9:
            self._levels[token] = (level, now)
            return math.ceil((1 - level) / rate)
        self._levels[token] = (level - 1, now)
        return 0


def json_object(body: bytes, limit: int) -> dict[str, Any]:
    """Return the body as a JSON object. Raises Refusal for anything else."""
    check_size(body, limit)
    value = json_value(body)
    if not isinstance(value, dict):
        raise Refusal(expected("object", ""))
    return value


def json_value(body: bytes) -> Any:
    """Return what a body says in JSON. Raises Refusal if that cannot be read, or not be kept."""
    if not body.strip():
        raise Refusal(Problem("EXPECTED_JSON_BODY", "Expected a JSON body."))
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(Problem("BAD_REQUEST", _what_is_wrong(error))) from None
    try:
        # orjson reads 1,024 levels and writes 254; what is read may have to be kept, in some more.
        orjson.dumps([[[[value]]]])
    except orjson.JSONEncodeError:
        raise Refusal(Problem("BAD_REQUEST", "The JSON body is nested too deeply.")) from None
    return value


def check_size(body: bytes, limit: int) -> None:
    """Raise Refusal if a body is over its limit."""
    if len(body) > limit:
        raise too_large(limit)


def _what_is_wrong(error: orjson.JSONDecodeError) -> str:
    # Square's wording for a body that is no JSON, as quoted in an issue of its Flutter plugin.
    if error.pos >= len(error.doc):
        return "unexpected end of JSON input"
    character = error.doc[error.pos]
    return (
        f"invalid character '{character}' looking for beginning of value "
        f"(line {error.lineno}, character {error.colno})"
    )
