"""How is what somebody asks for said in Square's own search, and what has to be said here?

All members of a search filter have to fit (SearchCustomers reference). Whether the ends of a span
of time belong to it is not published: spans are asked for with both ends and cut here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etl.customers.normalize import email_key, phone_key
from etl.errors import ConfigError
from etl.export.wanted import Filters
from etl.export.windows import microseconds
from etl.square.wire import Profile

# The most segments that one search takes (SearchCustomers reference), and custom attributes.
_SEGMENTS = 3
_ATTRIBUTES = 10

Named = Mapping[str, Sequence[str]]  # name -> the ids of all that have it


def as_search(
    filters: Filters,
    country: str,
    groups: Named,
    segments: Named,
    definitions: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the filter that Square is asked with; national phones belong to ``country``.

    ``groups`` and ``segments`` hold the ids of the names that are asked for, ``definitions`` those
    of the custom attributes. Raises ConfigError for what cannot be asked.
    """
    found: dict[str, Any] = {
        "created_at": _span(filters.created_after, filters.created_before, "created"),
        "updated_at": _span(filters.updated_after, filters.updated_before, "updated"),
        "group_ids": _ids("--group", filters.groups, groups, None),
        "segment_ids": _ids("--segment", filters.segments, segments, _SEGMENTS),
        "email_address": _exact("--email", filters.email, email_key),
        "phone_number": _exact("--phone", filters.phone, lambda text: phone_key(text, country)),
        "reference_id": _exact("--reference", filters.reference, str.strip),
        "custom_attribute": _attributes(filters.attributes, definitions),
    }
    if filters.creation_sources:
        sources = [source.upper() for source in filters.creation_sources]
        found["creation_source"] = {"values": sources, "rule": "INCLUDE"}
    return {name: wanted for name, wanted in found.items() if wanted}


def is_within(filters: Filters, profile: Profile) -> bool:
    """Tell whether a profile lies in the spans of time: their end does not belong to them."""
    return all(
        _in_span(str(profile.get(name) or profile["created_at"]), after, before)
        for name, after, before in (
            ("created_at", filters.created_after, filters.created_before),
            ("updated_at", filters.updated_after, filters.updated_before),
        )
    )


def _in_span(time: str, after: str | None, before: str | None) -> bool:
    if after and microseconds(time) < microseconds(after):
        return False
    return not before or microseconds(time) < microseconds(before)


def _span(after: str | None, before: str | None, name: str) -> dict[str, str]:
    if after and before and microseconds(after) >= microseconds(before):
        raise ConfigError(f"--{name}-after {after} is not before --{name}-before {before}")
    span = {"start_at": after, "end_at": before}
    return {bound: time for bound, time in span.items() if time}


def _ids(option: str, names: Sequence[str], ids: Named, most: int | None) -> dict[str, list[str]]:
    if not names:
        return {}
    if most and sum(len(ids[name]) for name in names) > most:
        raise ConfigError(f"{option}: Square searches at most {most} segments at a time")
    if len(names) == 1:
        return {"any": list(ids[names[0]])}
    for name in names:
        if len(ids[name]) > 1:
            raise ConfigError(
                f"{option} {name!r} is the name of {len(ids[name])}: ask for it alone, or give "
                "each a name of its own"
            )
    return {"all": [ids[name][0] for name in names]}


def _exact(
    option: str, text: str | None, normal: Callable[[str], str | None]
) -> dict[str, str] | None:
    if text is None:
        return None
    wanted = normal(text)
    if not wanted:
        raise ConfigError(f"{option} {text!r} cannot be searched: nobody has such a one")
    return {"exact": wanted}


def _attributes(
    wanted: Sequence[tuple[str, str]], definitions: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    if not wanted:
        return None
    if len(wanted) > _ATTRIBUTES or len({key for key, _ in wanted}) < len(wanted):
        raise ConfigError(f"--attribute: at most {_ATTRIBUTES}, each key once")
    known = {str(definition.get("key")): definition for definition in definitions}
    return {
        "filters": [
            {"key": key, "filter": _equals(key, value, known.get(key), known)}
            for key, value in wanted
        ]
    }


def _equals(
    key: str, value: str, definition: Mapping[str, Any] | None, known: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what compares an attribute with a value, by the type of the attribute."""
    if definition is None:
        there = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"--attribute {key}: there is no such custom attribute (there: {there})")
    told = json.dumps(definition.get("schema") or {})
    kind = re.search(r"squareup\.common\.(\w+)|meta-schemas/v1/(selection)", told)
    match (kind.group(1) or kind.group(2)) if kind else "":
        case "String":
            return {"text": {"exact": value}}
        case "Email":
            return {"email": {"exact": value}}
        case "PhoneNumber":
            return {"phone": {"exact": value}}
        case "Number":
            return {"number": {"start_at": value, "end_at": value}}
        case "Date":
            return {"date": {"start_at": value, "end_at": value}}
        case "Boolean" if value.lower() in ("true", "false"):
            return {"boolean": value.lower() == "true"}
        case "selection":
            return {"selection": {"any": [value]}}
    raise ConfigError(f"--attribute {key}={value}: attributes of this type cannot be searched")
