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

from etl.sandbox.errors import bad_cursor
from etl.sandbox.reading import check_bounds, number_in
from etl.sandbox.search.selection import Place, Selection


class Query(NamedTuple):
    """A list or search call: the page of it that is asked for, and what its cursors are bound to.

    ``selection`` is that of profiles, None when nothing can match it, or it asks for other things.
    """

    limit: int
    cursor: str | None
    digest: bytes
    selection: Selection | None = None
    counted: bool = False


def of_list(parameters: Mapping[str, str], limit: int, *parts: object) -> Query:
    """Return the query of a list; ``parts`` are its name and what else its parameters ask for."""
    return Query(limit, parameters.get("cursor") or None, digest(*parts))


def limit_in(parameters: Mapping[str, str], most: int, usual: int | None = None) -> int:
    """Return the query parameter ``limit``, by default the ``usual`` one or the most there is."""
    return page_size(number_in(parameters, "limit"), most, usual)


def page_size(limit: int | None, most: int, usual: int | None = None) -> int:
    """Return a limit that is within its bounds, without one the ``usual`` or the most there is."""
    if limit is None:
        return most if usual is None else usual
    check_bounds(limit, 1, most, "limit")
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
