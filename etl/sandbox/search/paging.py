"""How is a long answer told page by page?

Limits, and cursors: sealed, bound to their query, with a lifetime.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from etl.sandbox.errors import Problem, Refusal, bad_cursor, expected
from etl.sandbox.reading import is_integer
from etl.sandbox.search.selection import Place, Selection


class Query(NamedTuple):
    """A list or search call. ``selection`` is None when nothing can match it."""

    selection: Selection | None
    limit: int
    counted: bool
    cursor: str | None
    digest: bytes


def plain_list(
    parameters: Mapping[str, str], name: str, most: int, usual: int | None = None
) -> Query:
    """Read the query parameters of a list that has nothing but pages, such as that of groups."""
    cursor = parameters.get("cursor") or None
    return Query(None, limit_in(parameters, most, usual), False, cursor, digest(name))


def limit_in(parameters: Mapping[str, str], most: int, usual: int | None = None) -> int:
    """Return the query parameter ``limit``, by default the ``usual`` one or the most there is."""
    limit = parameters.get("limit")
    if limit is None:
        return most if usual is None else usual
    if not is_integer(limit):
        raise Refusal(expected("integer", "limit"))
    return page_size(int(limit), most)


def page_size(limit: int, most: int) -> int:
    """Return a limit that is within its bounds."""
    if limit < 1:
        raise Refusal(Problem("VALUE_TOO_LOW", "Expected limit to be at least 1", "limit"))
    if limit > most:
        raise Refusal(Problem("VALUE_TOO_HIGH", f"Expected limit to be at most {most}", "limit"))
    return limit


def digest(*parts: object) -> bytes:
    """Return what a cursor has in common with the query it was issued for."""
    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=12).digest()


def make_cursor(secret: bytes, query: Query, end: Place, now: int) -> str:
    """Write down where a page ended, sealed together with its query and the time."""
    content = orjson.dumps([now, end.key, end.id])
    return urlsafe_b64encode(_seal(secret, query, content) + content).decode().rstrip("=")


def read_cursor(secret: bytes, query: Query, now: int, lifetime: int) -> Place | None:
    """Return where the page asked for begins, None for the first; ``lifetime`` is in ms.

    Raises Refusal for a cursor nobody issued, issued for another query, or too long ago.
    """
    if query.cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(query.cursor + "=" * (-len(query.cursor) % 4))
    except ValueError:
        raise bad_cursor() from None
    seal, content = raw[:16], raw[16:]
    if not hmac.compare_digest(seal, _seal(secret, query, content)):
        raise bad_cursor()
    issued, key, customer_id = orjson.loads(content)
    if now - issued > lifetime:
        raise bad_cursor()
    return Place(key, customer_id)


def _seal(secret: bytes, query: Query, content: bytes) -> bytes:
    return hashlib.blake2b(query.digest + content, key=secret, digest_size=16).digest()
