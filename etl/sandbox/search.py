"""Which profiles does a list or search ask for, and where does its next page begin?

Turns query parameters and search bodies into a Selection, and makes and reads cursors.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import orjson

from etl.sandbox.assumptions import CURSOR_LIFETIME
from etl.sandbox.errors import Problem, Refusal, bad_cursor, expected, unknown_field
from etl.sandbox.selection import Place, Selection, Span
from etl.sandbox.times import moment

CREATION_SOURCES = (
    *("OTHER", "APPOINTMENTS", "COUPON", "DELETION_RECOVERY", "DIRECTORY", "EGIFTING"),
    *("EMAIL_COLLECTION", "FEEDBACK", "IMPORT", "INVOICES", "LOYALTY", "MARKETING", "MERGE"),
    *("ONLINE_STORE", "INSTANT_PROFILE", "TERMINAL", "THIRD_PARTY", "THIRD_PARTY_IMPORT"),
    "UNMERGE_RECOVERY",
)
_SORTS = ("DEFAULT", "CREATED_AT")
_ORDERS = ("ASC", "DESC")
_MAX_PAGE = 100
_MAX_SEGMENTS = 3

# Filters Square has and this sandbox does not.
_NOT_YET = frozenset({"custom_attribute"})


# The members a search may have, and those of each that has some.
_Shape = dict[str, Any]
_TEXT: _Shape = {"exact": None, "fuzzy": None}
_RANGE: _Shape = {"start_at": None, "end_at": None}
_IDS: _Shape = {"any": None, "all": None, "none": None}
_FILTERS: _Shape = {
    "email_address": _TEXT,
    "phone_number": _TEXT,
    "reference_id": _TEXT,
    "created_at": _RANGE,
    "updated_at": _RANGE,
    "creation_source": {"values": None, "rule": None},
    "group_ids": _IDS,
    "segment_ids": _IDS,
    **dict.fromkeys(_NOT_YET),
}
_QUERY: _Shape = {"filter": _FILTERS, "sort": {"field": None, "order": None}}
_BODY: _Shape = {"cursor": None, "limit": None, "count": None, "query": _QUERY}


class Query(NamedTuple):
    """A list or search call. ``selection`` is None when nothing can match it."""

    selection: Selection | None
    limit: int
    counted: bool
    cursor: str | None
    digest: bytes


def from_parameters(parameters: Mapping[str, str]) -> Query:
    """Read the query parameters of ListCustomers."""
    count = parameters.get("count", "false")
    if count not in ("true", "false"):
        raise Refusal(expected("boolean", "count"))
    field = _one_of(parameters.get("sort_field", "DEFAULT"), _SORTS, "sort_field")
    order = _one_of(parameters.get("sort_order", "ASC"), _ORDERS, "sort_order")
    return Query(
        Selection(order="name" if field == "DEFAULT" else "created", descending=order == "DESC"),
        _limit(parameters, _MAX_PAGE),
        count == "true",
        parameters.get("cursor") or None,
        _digest("list", field, order),
    )


def plain_list(parameters: Mapping[str, str], name: str, most: int) -> Query:
    """Read the query parameters of a list that has nothing but pages, such as that of groups."""
    cursor = parameters.get("cursor") or None
    return Query(None, _limit(parameters, most), False, cursor, _digest(name))


def _limit(parameters: Mapping[str, str], most: int) -> int:
    limit = parameters.get("limit")
    if limit is not None and not is_integer(limit):
        raise Refusal(expected("integer", "limit"))
    return _page_size(most if limit is None else int(limit), most)


def from_body(body: Mapping[str, Any], reachable: str, *, strict: bool) -> Query:
    """Read the body of SearchCustomers. Raises Refusal for what it does not understand.

    ``reachable`` is the id of the one segment there is. Unknown members are refused if ``strict``,
    else ignored.
    """
    unknown: list[str] = []
    body = _recognised(body, _BODY, "", unknown)
    if unknown and strict:
        raise Refusal(*map(unknown_field, unknown))
    limit, count, cursor = body.get("limit"), body.get("count"), body.get("cursor")
    if limit is not None and type(limit) is not int:
        raise Refusal(expected("integer", "limit"))
    if count is not None and type(count) is not bool:
        raise Refusal(expected("boolean", "count"))
    if cursor is not None and not isinstance(cursor, str):
        raise Refusal(expected("string", "cursor"))
    query = _object(body, "query", "query")
    sort = _object(query, "sort", "query.sort")
    field = _one_of(_text(sort, "field", "query.sort.") or "DEFAULT", _SORTS, "query.sort.field")
    order = _one_of(_text(sort, "order", "query.sort.") or "ASC", _ORDERS, "query.sort.order")
    filters = _object(query, "filter", "query.filter")
    return Query(
        _selection(filters, reachable, field, order),
        _page_size(_MAX_PAGE if limit is None else limit, _MAX_PAGE),
        bool(count),
        cursor or None,
        _digest("search", field, order, filters),
    )


def _selection(
    filters: Mapping[str, Any], reachable: str, field: str, order: str
) -> Selection | None:
    inside = "query.filter."
    for name in filters:
        if name in _NOT_YET:
            raise Refusal(_unserved(inside + name))
    known = ("email_address", "phone_number", "reference_id")
    email, phone, reference = (_text_filter(filters, name, inside) for name in known)
    number = _plus_form(phone.exact) if phone.exact is not None else None
    sources, without = _sources(filters, inside)
    groups = _any_all_none(filters, "group_ids", inside)
    wanted, unwanted = _segments(filters, reachable, inside)
    if (phone.exact is not None and number is None) or (wanted and unwanted):
        return None
    return Selection(
        email=email.exact,
        phone=number,
        reference=reference.exact,
        email_tokens=email.tokens,
        phone_tokens=phone.tokens,
        reference_tokens=reference.tokens,
        created=_span(filters, "created_at", inside),
        updated=_span(filters, "updated_at", inside),
        sources=sources,
        without_sources=without,
        any_groups=tuple(dict.fromkeys(groups.get("any", ()))),
        all_groups=tuple(dict.fromkeys(groups.get("all", ()))),
        no_groups=tuple(dict.fromkeys(groups.get("none", ()))),
        reachable=True if wanted else False if unwanted else None,
        order="name" if field == "DEFAULT" else "created",
        descending=order == "DESC",
    )


class _Text(NamedTuple):
    """A filter by text: the exact value, or the tokens that must all occur in it."""

    exact: str | None = None
    tokens: tuple[str, ...] = ()


def _text_filter(filters: Mapping[str, Any], name: str, inside: str) -> _Text:
    path = inside + name
    asked = _object(filters, name, path)
    exact = _text(asked, "exact", f"{path}.")
    fuzzy = _text(asked, "fuzzy", f"{path}.")
    if filters.get(name) is None:
        return _Text()
    if exact is not None and fuzzy is not None:
        raise Refusal(Problem("BAD_REQUEST", "Give either exact or fuzzy, not both.", path))
    if fuzzy is None:
        if not exact:
            raise Refusal(Problem("VALUE_EMPTY", f"Expected {path}.exact to have a value", path))
        return _Text(exact.lower() if name != "phone_number" else exact)
    tokens = _tokens(name, fuzzy.lower())
    if not tokens:
        raise Refusal(Problem("VALUE_EMPTY", f"Expected {path}.fuzzy to have a value", path))
    return _Text(tokens=tuple(tokens))


def _tokens(name: str, fuzzy: str) -> list[str]:
    # In emails and phones punctuation is nothing, in references it separates.
    if name == "reference_id":
        return re.findall(r"[^\W_]+", fuzzy)
    punctuation = r"[._@]" if name == "email_address" else r"[^\w\s]"
    return re.sub(punctuation, "", fuzzy).split()


def _plus_form(phone: str) -> str | None:
    # Square converts what is stored, not what is asked for: only a number with + can match.
    if not phone.strip().startswith("+"):
        return None
    return "+" + "".join(digit for digit in phone if digit.isdecimal())


def _span(filters: Mapping[str, Any], name: str, inside: str) -> Span:
    path = inside + name
    bounds = _object(filters, name, path)
    start = _moment(bounds, "start_at", f"{path}.")
    end = _moment(bounds, "end_at", f"{path}.")
    if start is not None and end is not None and start > end:
        raise Refusal(
            Problem("INVALID_TIME_RANGE", f"Expected {path} to end after its start", path)
        )
    return Span(
        None if start is None else math.ceil(start), None if end is None else math.floor(end)
    )


def _moment(bounds: Mapping[str, Any], name: str, inside: str) -> Fraction | None:
    text = _text(bounds, name, inside)
    if text is None:
        return None
    found = moment(text)
    if found is None:
        raise Refusal(
            Problem("INVALID_TIME", f"Expected {inside}{name} as RFC 3339", f"{inside}{name}")
        )
    return found


def _sources(filters: Mapping[str, Any], inside: str) -> tuple[tuple[str, ...], bool]:
    path = f"{inside}creation_source"
    asked = _object(filters, "creation_source", path)
    rule = _one_of(
        _text(asked, "rule", f"{path}.") or "INCLUDE", ("INCLUDE", "EXCLUDE"), f"{path}.rule"
    )
    if filters.get("creation_source") is None:
        return (), False
    values = _texts(asked.get("values"), f"{path}.values")
    for value in values:
        _one_of(value, CREATION_SOURCES, f"{path}.values")
    return tuple(dict.fromkeys(values)), rule == "EXCLUDE"


def _segments(filters: Mapping[str, Any], reachable: str, inside: str) -> tuple[bool, bool]:
    """Tell whether the segment is asked for, and whether it is ruled out."""
    path = f"{inside}segment_ids"
    rules = _any_all_none(filters, "segment_ids", inside)
    asked = [segment_id for ids in rules.values() for segment_id in ids]
    if len(asked) > _MAX_SEGMENTS:
        raise Refusal(
            Problem("ARRAY_LENGTH_TOO_LONG", f"Expected at most {_MAX_SEGMENTS} segments", path)
        )
    unknown = [segment_id for segment_id in asked if segment_id != reachable]
    if unknown:
        raise Refusal(
            Problem("BAD_REQUEST", f"Customer segment `{unknown[0]}` does not exist.", path)
        )
    return "any" in rules or "all" in rules, "none" in rules


def _any_all_none(filters: Mapping[str, Any], name: str, inside: str) -> dict[str, tuple[str, ...]]:
    path = inside + name
    asked = _object(filters, name, path)
    found = {rule: _texts(ids, f"{path}.{rule}") for rule, ids in asked.items() if ids is not None}
    if filters.get(name) is not None and not found:
        raise Refusal(Problem("VALUE_EMPTY", f"Expected {path} to have any, all or none", path))
    return found


def _texts(values: object, path: str) -> tuple[str, ...]:
    if values is not None and not isinstance(values, list):
        raise Refusal(expected("array", path))
    if not values:
        raise Refusal(Problem("ARRAY_EMPTY", "Expected at least one value", path))
    if not all(isinstance(value, str) for value in values):
        raise Refusal(expected("string", path))
    return tuple(values)


def _page_size(limit: int, most: int) -> int:
    if limit < 1:
        raise Refusal(Problem("VALUE_TOO_LOW", "Expected limit to be at least 1", "limit"))
    if limit > most:
        raise Refusal(Problem("VALUE_TOO_HIGH", f"Expected limit to be at most {most}", "limit"))
    return limit


def _object(holder: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(expected("object", path))
    return value


def _text(holder: Mapping[str, Any], name: str, inside: str) -> str | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(expected("string", inside + name))
    return value


def _recognised(value: Any, shape: _Shape | None, inside: str, unknown: list[str]) -> Any:
    """Return what of a value its shape knows; the paths of the rest are added to ``unknown``."""
    if shape is None or not isinstance(value, dict):
        return value
    unknown += [inside + name for name in value if name not in shape]
    return {
        name: _recognised(inner, shape[name], f"{inside}{name}.", unknown)
        for name, inner in value.items()
        if name in shape
    }


def _one_of(value: str, choices: tuple[str, ...], path: str) -> str:
    if value not in choices:
        raise Refusal(Problem("INVALID_ENUM_VALUE", f"Expected one of {', '.join(choices)}", path))
    return value


def _unserved(path: str) -> Problem:
    return Problem("BAD_REQUEST", f"This sandbox does not serve the filter {path} yet.", path)


def is_integer(text: str) -> bool:
    """Tell whether a query parameter is a whole number."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def _digest(*parts: object) -> bytes:
    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=12).digest()


def make_cursor(secret: bytes, query: Query, end: Place, now: int) -> str:
    """Write down where a page ended, sealed together with its query and the time."""
    content = orjson.dumps([now, end.key, end.id])
    return urlsafe_b64encode(_seal(secret, query, content) + content).decode().rstrip("=")


def read_cursor(secret: bytes, query: Query, now: int) -> Place | None:
    """Return where the page asked for begins, None for the first.

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
    if now - issued > CURSOR_LIFETIME * 1000:
        raise bad_cursor()
    return Place(key, customer_id)


def _seal(secret: bytes, query: Query, content: bytes) -> bytes:
    return hashlib.blake2b(query.digest + content, key=secret, digest_size=16).digest()
