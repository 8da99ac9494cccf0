"""Who is in the directory?

Lists and searches as the API does. Square's search knows no names, so a name is a place in the list
from which it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from etl.sandbox.apis import groups, segments
from etl.sandbox.errors import Refusal
from etl.sandbox.pages.visits import Moved, Page, Visit, link
from etl.sandbox.reading import is_integer
from etl.sandbox.search import paging, query
from etl.sandbox.search.selection import Place

_SIZE = 50
# What a text is looked for in, by the name of its filter.
_FILTERS = {
    "email": "email_address",
    "phone": "phone_number",
    "reference": "reference_id",
}
_PLACES = {
    "name": "Name",
    "email": "Email",
    "phone": "Phone",
    "reference": "Reference",
    "id": "Id",
}
_SORTS = {
    "name": ("Name, A to Z", "DEFAULT", "ASC"),
    "-name": ("Name, Z to A", "DEFAULT", "DESC"),
    "created": ("Oldest first", "CREATED_AT", "ASC"),
    "-created": ("Newest first", "CREATED_AT", "DESC"),
}
# Sorts behind whatever a name may go on with.
_BEHIND = "\U0010ffff"


class _Asked(NamedTuple):
    """What the address of the page says."""

    text: str
    within: str
    exact: bool
    sort: str
    source: str
    group: str
    segment: str
    after: str
    number: int


class _Row(NamedTuple):
    """One profile of the list."""

    id: str
    name: str
    company: str
    email: str
    phone: str
    reference: str
    source: str
    created: str


def show(visit: Visit) -> Page | Moved:
    """Show a page of the directory."""
    asked = _asked(visit.parameters)
    if asked.within == "id" and asked.text:
        return Moved(link("profiles", asked.text))
    values = {
        "asked": asked,
        "places": _PLACES,
        "sorts": {name: words for name, (words, _, _) in _SORTS.items()},
        "sources": query.CREATION_SOURCES,
        "groups": visit.ask(groups.list_groups).get("groups", []),
        "segments": visit.ask(segments.list_segments)["segments"],
        "lag": visit.call.settings.lag,
        "empty": not visit.call.store.profiles.number(),
    }
    try:
        found = _found(visit, asked)
    except Refusal as refusal:
        nothing = {"rows": [], "count": 0, "next": None, "problems": refusal.problems}
        return Page("directory.html", values | nothing, 400)
    return Page("directory.html", values | found | {"problems": ()})


def _asked(parameters: Mapping[str, str]) -> _Asked:
    within, sort = parameters.get("in", "name"), parameters.get("sort", "name")
    number = parameters.get("page", "1")
    asked = _Asked(
        parameters.get("q", "").strip(),
        within if within in _PLACES else "name",
        parameters.get("exact") == "yes",
        sort if sort in _SORTS else "name",
        parameters.get("source", ""),
        parameters.get("group", ""),
        parameters.get("segment", ""),
        parameters.get("after", ""),
        int(number) if is_integer(number) else 1,
    )
    if asked.text and asked.within == "name" and asked.sort not in ("name", "-name"):
        return asked._replace(sort="name")
    return asked


def _found(visit: Visit, asked: _Asked) -> dict[str, Any]:
    call = visit.call
    known, defined = segments.ids(call.merchant), call.store.attributes.defined
    wanted = query.from_body(_search(asked), known, defined, call.version, call.now)
    if wanted.selection is None:
        return {"rows": [], "count": 0, "next": None}
    # However old it is: people read longer than a cursor lives.
    after = paging.read_cursor(call.secret, wanted, call.now, call.now) or _beginning(asked)
    page = call.store.profiles.page(wanted.selection, call.shown, after, wanted.limit)
    following = None
    if page.end is not None:
        cursor = paging.make_cursor(call.secret, wanted, page.end, call.now)
        following = _address(asked._replace(after=cursor, number=asked.number + 1))
    return {
        "rows": [_row(orjson.loads(body)) for body in page.bodies],
        "count": call.store.profiles.count(wanted.selection, call.shown),
        "next": following,
    }


def _search(asked: _Asked) -> dict[str, Any]:
    """Return the body of the SearchCustomers call that finds it."""
    _, field, order = _SORTS[asked.sort]
    filters: dict[str, Any] = {}
    if asked.text and asked.within in _FILTERS:
        filters[_FILTERS[asked.within]] = {"exact" if asked.exact else "fuzzy": asked.text}
    if asked.source:
        filters["creation_source"] = {"values": [asked.source]}
    if asked.group:
        filters["group_ids"] = {"any": [asked.group]}
    if asked.segment:
        filters["segment_ids"] = {"any": [asked.segment]}
    return {
        "limit": _SIZE,
        "cursor": asked.after or None,
        "query": {"filter": filters, "sort": {"field": field, "order": order}},
    }


def _beginning(asked: _Asked) -> Place | None:
    if not asked.text or asked.within != "name":
        return None
    return Place(asked.text.casefold() + (_BEHIND if asked.sort == "-name" else ""), "")


def _address(asked: _Asked) -> str:
    return link(
        q=asked.text,
        exact="yes" if asked.exact else "",
        sort=asked.sort,
        source=asked.source,
        group=asked.group,
        segment=asked.segment,
        after=asked.after,
        page=asked.number,
        **{"in": asked.within},
    )


def _row(customer: Mapping[str, Any]) -> _Row:
    return _Row(
        customer["id"],
        name_of(customer),
        customer.get("company_name", ""),
        customer.get("email_address", ""),
        customer.get("phone_number", ""),
        customer.get("reference_id", ""),
        customer["creation_source"],
        customer["created_at"],
    )


def name_of(customer: Mapping[str, Any]) -> str:
    """Return what people would call a profile."""
    names = [customer[name] for name in ("given_name", "family_name") if customer.get(name)]
    others = ("company_name", "nickname", "email_address", "phone_number")
    return " ".join(names) or next(
        (customer[name] for name in others if customer.get(name)), "Nobody by name"
    )
