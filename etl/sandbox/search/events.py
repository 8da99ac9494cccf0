"""Which events does a search ask for?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.sandbox.events.types import check_types
from etl.sandbox.reading import (
    Shape,
    check_members,
    choice_in,
    object_in,
    text_in,
    texts_in,
    whole_in,
)
from etl.sandbox.search.filters import RANGE
from etl.sandbox.search.paging import Query, digest, page_size
from etl.sandbox.search.selection import Span
from etl.sandbox.search.spans import range_in
from etl.sandbox.store.events import Wanted
from etl.sandbox.versions import NEWEST

SORTS = ("DEFAULT",)
ORDERS = ("ASC", "DESC")
MAX_PAGE = 100
_LISTS = ("event_types", "merchant_ids", "location_ids")
_FILTER: Shape = {**dict.fromkeys(_LISTS), "created_at": RANGE}
_QUERY: Shape = {"filter": _FILTER, "sort": {"field": None, "order": None}}
_BODY: Shape = {"cursor": None, "limit": None, "query": _QUERY}


def from_body(
    body: Mapping[str, Any], merchant_id: str, not_before: int
) -> tuple[Query, Wanted | None]:
    """Read the body of SearchEvents; nothing is wanted (None) where nothing can match.

    Raises Refusal for what it does not understand.
    """
    check_members(body, _BODY)
    limit = whole_in(body, "limit", "")
    cursor = text_in(body, "cursor", "")
    query = object_in(body, "query", "query")
    sort = object_in(query, "sort", "query.sort")
    choice_in(sort, "field", SORTS, "query.sort.")
    order = choice_in(sort, "order", ORDERS, "query.sort.")
    filters = object_in(query, "filter", "query.filter")
    wanted = _wanted(filters, order, merchant_id, not_before)
    asked = digest("events", order, filters)
    return Query(page_size(limit, MAX_PAGE), cursor or None, asked), wanted


def _wanted(
    filters: Mapping[str, Any], order: str, merchant_id: str, not_before: int
) -> Wanted | None:
    inside = "query.filter."
    types, merchants, locations = (
        None if filters.get(name) is None else texts_in(filters[name], inside + name)
        for name in _LISTS
    )
    if types is not None:
        check_types(types, NEWEST, f"{inside}event_types")
    created = range_in(filters, "created_at", inside)
    # No event of those there are is tied to a location.
    if locations is not None or (merchants is not None and merchant_id not in merchants):
        return None
    start = not_before if created.start is None else max(created.start, not_before)
    return Wanted(Span(start, created.end), types or (), descending=order == "DESC")
