"""Which profiles does a list or search ask for, and where does its next page begin?

Turns query parameters and search bodies into a Selection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from etl.sandbox.errors import Problem, Refusal, expected, unknown_field
from etl.sandbox.reading import Shape, object_in, one_of, recognised, text_in, texts_in
from etl.sandbox.search.paging import Query, digest, limit_in, page_size
from etl.sandbox.search.selection import Selection, Span
from etl.sandbox.times import moment

CREATION_SOURCES = (
    *("OTHER", "APPOINTMENTS", "COUPON", "DELETION_RECOVERY", "DIRECTORY", "EGIFTING"),
    *("EMAIL_COLLECTION", "FEEDBACK", "IMPORT", "INVOICES", "LOYALTY", "MARKETING", "MERGE"),
    *("ONLINE_STORE", "INSTANT_PROFILE", "TERMINAL", "THIRD_PARTY", "THIRD_PARTY_IMPORT"),
    "UNMERGE_RECOVERY",
)
SORTS = ("DEFAULT", "CREATED_AT")
ORDERS = ("ASC", "DESC")
RULES = ("INCLUDE", "EXCLUDE")
MAX_PAGE = 100
MAX_SEGMENTS = 3

# Filters Square has and this sandbox does not.
_NOT_YET = frozenset({"custom_attribute"})


# The members a search may have, and those of each that has some.
_TEXT: Shape = {"exact": None, "fuzzy": None}
_RANGE: Shape = {"start_at": None, "end_at": None}
_IDS: Shape = {"any": None, "all": None, "none": None}
_FILTERS: Shape = {
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
_QUERY: Shape = {"filter": _FILTERS, "sort": {"field": None, "order": None}}
_BODY: Shape = {"cursor": None, "limit": None, "count": None, "query": _QUERY}


def from_parameters(parameters: Mapping[str, str]) -> Query:
    """Read the query parameters of ListCustomers."""
    count = parameters.get("count", "false")
    if count not in ("true", "false"):
        raise Refusal(expected("boolean", "count"))
    field = one_of(parameters.get("sort_field", "DEFAULT"), SORTS, "sort_field")
    order = one_of(parameters.get("sort_order", "ASC"), ORDERS, "sort_order")
    return Query(
        Selection(order="name" if field == "DEFAULT" else "created", descending=order == "DESC"),
        limit_in(parameters, MAX_PAGE),
        count == "true",
        parameters.get("cursor") or None,
        digest("list", field, order),
    )


def from_body(body: Mapping[str, Any], reachable: str, *, strict: bool) -> Query:
    """Read the body of SearchCustomers. Raises Refusal for what it does not understand.

    ``reachable`` is the id of the one segment there is. Unknown members are refused if ``strict``,
    else ignored.
    """
    unknown: list[str] = []
    body = recognised(body, _BODY, "", unknown)
    if unknown and strict:
        raise Refusal(*map(unknown_field, unknown))
    limit, count, cursor = body.get("limit"), body.get("count"), body.get("cursor")
    if limit is not None and type(limit) is not int:
        raise Refusal(expected("integer", "limit"))
    if count is not None and type(count) is not bool:
        raise Refusal(expected("boolean", "count"))
    if cursor is not None and not isinstance(cursor, str):
        raise Refusal(expected("string", "cursor"))
    query = object_in(body, "query", "query")
    sort = object_in(query, "sort", "query.sort")
    field = _choice_in(sort, "field", SORTS, "query.sort.")
    order = _choice_in(sort, "order", ORDERS, "query.sort.")
    filters = object_in(query, "filter", "query.filter")
    return Query(
        _selection(filters, reachable, field, order),
        page_size(MAX_PAGE if limit is None else limit, MAX_PAGE),
        bool(count),
        cursor or None,
        digest("search", field, order, filters),
    )


def _choice_in(holder: Mapping[str, Any], name: str, choices: tuple[str, ...], inside: str) -> str:
    """Return the choice that is a member of an object, the first there is if it is absent."""
    value = text_in(holder, name, inside)
    return choices[0] if value is None else one_of(value, choices, inside + name)


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
    created, updated = (_span(filters, name, inside) for name in ("created_at", "updated_at"))
    if (phone.exact is not None and number is None) or (wanted and unwanted):
        return None
    return Selection(
        email=email.exact,
        phone=number,
        reference=reference.exact,
        email_tokens=email.tokens,
        phone_tokens=phone.tokens,
        reference_tokens=reference.tokens,
        created=created,
        updated=updated,
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
    asked = object_in(filters, name, path)
    exact = text_in(asked, "exact", f"{path}.")
    fuzzy = text_in(asked, "fuzzy", f"{path}.")
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
    bounds = object_in(filters, name, path)
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
    text = text_in(bounds, name, inside)
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
    asked = object_in(filters, "creation_source", path)
    rule = _choice_in(asked, "rule", RULES, f"{path}.")
    if filters.get("creation_source") is None:
        return (), False
    values = texts_in(asked.get("values"), f"{path}.values")
    for value in values:
        one_of(value, CREATION_SOURCES, f"{path}.values")
    return tuple(dict.fromkeys(values)), rule == "EXCLUDE"


def _segments(filters: Mapping[str, Any], reachable: str, inside: str) -> tuple[bool, bool]:
    """Tell whether the segment is asked for, and whether it is ruled out."""
    path = f"{inside}segment_ids"
    rules = _any_all_none(filters, "segment_ids", inside)
    asked = [segment_id for ids in rules.values() for segment_id in ids]
    if len(asked) > MAX_SEGMENTS:
        raise Refusal(
            Problem("ARRAY_LENGTH_TOO_LONG", f"Expected at most {MAX_SEGMENTS} segments", path)
        )
    unknown = [segment_id for segment_id in asked if segment_id != reachable]
    if unknown:
        raise Refusal(
            Problem("BAD_REQUEST", f"Customer segment `{unknown[0]}` does not exist.", path)
        )
    return "any" in rules or "all" in rules, "none" in rules


def _any_all_none(filters: Mapping[str, Any], name: str, inside: str) -> dict[str, tuple[str, ...]]:
    path = inside + name
    asked = object_in(filters, name, path)
    found = {
        rule: texts_in(ids, f"{path}.{rule}") for rule, ids in asked.items() if ids is not None
    }
    if filters.get(name) is not None and not found:
        raise Refusal(Problem("VALUE_EMPTY", f"Expected {path} to have any, all or none", path))
    return found


def _unserved(path: str) -> Problem:
    return Problem("BAD_REQUEST", f"This sandbox does not serve the filter {path} yet.", path)
