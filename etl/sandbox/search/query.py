"""Which profiles does a list or search ask for, and where does its next page begin?

Turns query parameters and search bodies into a Selection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.sandbox.errors import Problem, Refusal, expected, unknown_field
from etl.sandbox.reading import (
    Shape,
    choice_in,
    object_in,
    one_of,
    recognised,
    texts_in,
)
from etl.sandbox.search import attribute_filters
from etl.sandbox.search.attribute_filters import FindDefinition
from etl.sandbox.search.filters import (
    RANGE,
    TEXT,
    email_tokens,
    phone_tokens,
    plus_form,
    reference_tokens,
    text_filter,
)
from etl.sandbox.search.paging import Query, digest, limit_in, page_size
from etl.sandbox.search.selection import Selection
from etl.sandbox.search.spans import range_in
from etl.sandbox.versions import CUSTOM_ATTRIBUTES, UNKNOWN_FIELDS_REFUSED

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

# The members a search may have, and those of each that has some.
_IDS: Shape = {"any": None, "all": None, "none": None}
_FILTERS: Shape = {
    "email_address": TEXT,
    "phone_number": TEXT,
    "reference_id": TEXT,
    "created_at": RANGE,
    "updated_at": RANGE,
    "creation_source": {"values": None, "rule": None},
    "group_ids": _IDS,
    "segment_ids": _IDS,
}
_WITH_ATTRIBUTES: Shape = {**_FILTERS, "custom_attribute": {"filters": None}}


def _body(version: str) -> Shape:
    filters = _WITH_ATTRIBUTES if CUSTOM_ATTRIBUTES.holds(version) else _FILTERS
    query: Shape = {"filter": filters, "sort": {"field": None, "order": None}}
    return {"cursor": None, "limit": None, "count": None, "query": query}


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


def from_body(
    body: Mapping[str, Any],
    segments: Mapping[str, str],
    definition: FindDefinition,
    version: str,
    now: int,
) -> Query:
    """Read the body of SearchCustomers. Raises Refusal for what it does not understand.

    ``segments`` maps the ids of the segments to their kinds, ``definition`` finds those of custom
    attributes.
    """
    unknown: list[str] = []
    body = recognised(body, _body(version), "", unknown)
    if unknown and UNKNOWN_FIELDS_REFUSED.holds(version):
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
    field = choice_in(sort, "field", SORTS, "query.sort.")
    order = choice_in(sort, "order", ORDERS, "query.sort.")
    filters = object_in(query, "filter", "query.filter")
    return Query(
        _selection(filters, segments, definition, now, field, order),
        page_size(MAX_PAGE if limit is None else limit, MAX_PAGE),
        bool(count),
        cursor or None,
        digest("search", field, order, filters),
    )


def _selection(
    filters: Mapping[str, Any],
    segments: Mapping[str, str],
    definition: FindDefinition,
    now: int,
    field: str,
    order: str,
) -> Selection | None:
    inside = "query.filter."
    email = text_filter(filters, "email_address", inside, email_tokens)
    phone = text_filter(filters, "phone_number", inside, phone_tokens)
    reference = text_filter(filters, "reference_id", inside, reference_tokens)
    number = plus_form(phone.exact) if phone.exact is not None else None
    sources, without = _sources(filters, inside)
    groups = _any_all_none(filters, "group_ids", inside)
    asked = _segments(filters, segments, inside)
    any_segments, all_segments, no_segments = (
        tuple(dict.fromkeys(asked.get(rule, ()))) for rule in ("any", "all", "none")
    )
    attributes = attribute_filters.read(filters, inside, definition)
    created, updated = (range_in(filters, name, inside) for name in ("created_at", "updated_at"))
    excluded = set(no_segments)
    unfindable = attributes is None or (phone.exact is not None and number is None)
    if unfindable or excluded & set(all_segments) or (any_segments and excluded >= {*any_segments}):
        return None
    return Selection(
        email=email.exact and email.exact.lower(),
        phone=number,
        reference=reference.exact and reference.exact.lower(),
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
        any_segments=any_segments,
        all_segments=all_segments,
        no_segments=no_segments,
        now=now,
        attributes=attributes or (),
        order="name" if field == "DEFAULT" else "created",
        descending=order == "DESC",
    )


def _sources(filters: Mapping[str, Any], inside: str) -> tuple[tuple[str, ...], bool]:
    path = f"{inside}creation_source"
    asked = object_in(filters, "creation_source", path)
    rule = choice_in(asked, "rule", RULES, f"{path}.")
    if filters.get("creation_source") is None:
        return (), False
    values = texts_in(asked.get("values"), f"{path}.values")
    for value in values:
        one_of(value, CREATION_SOURCES, f"{path}.values")
    return tuple(dict.fromkeys(values)), rule == "EXCLUDE"


def _segments(
    filters: Mapping[str, Any], segments: Mapping[str, str], inside: str
) -> dict[str, list[str]]:
    """Return the kinds of the segments that each rule names."""
    path = f"{inside}segment_ids"
    rules = _any_all_none(filters, "segment_ids", inside)
    asked = [segment_id for ids in rules.values() for segment_id in ids]
    if len(asked) > MAX_SEGMENTS:
        raise Refusal(
            Problem("ARRAY_LENGTH_TOO_LONG", f"Expected at most {MAX_SEGMENTS} segments", path)
        )
    unknown = [segment_id for segment_id in asked if segment_id not in segments]
    if unknown:
        raise Refusal(
            Problem("BAD_REQUEST", f"Customer segment `{unknown[0]}` does not exist.", path)
        )
    return {rule: [segments[segment_id] for segment_id in ids] for rule, ids in rules.items()}


def _any_all_none(filters: Mapping[str, Any], name: str, inside: str) -> dict[str, tuple[str, ...]]:
    path = inside + name
    asked = object_in(filters, name, path)
    found = {
        rule: texts_in(ids, f"{path}.{rule}") for rule, ids in asked.items() if ids is not None
    }
    if filters.get(name) is not None and not found:
        raise Refusal(Problem("VALUE_EMPTY", f"Expected {path} to have any, all or none", path))
    return found
