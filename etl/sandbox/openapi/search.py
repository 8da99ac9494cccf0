"""What may a search of customers ask for?"""

from __future__ import annotations

from etl.sandbox.openapi.shapes import (
    FLAG,
    MOMENT,
    SOME_TEXT,
    TEXT,
    Schema,
    array,
    choice,
    either,
    nullable,
    record,
    ref,
)
from etl.sandbox.rules.customers import countries
from etl.sandbox.search import attribute_filters, query

_NULL: Schema = {"type": "null"}
_EXACT = record({"exact": SOME_TEXT, "fuzzy": _NULL}, ["exact"])
_TEXT = nullable(either(_EXACT, record({"fuzzy": SOME_TEXT, "exact": _NULL}, ["fuzzy"])))
RANGE = nullable(record({"start_at": nullable(MOMENT), "end_at": nullable(MOMENT)}))


def _with_one(members: dict[str, Schema]) -> Schema:
    """An object with these members, of which at least one is given."""
    given = [{"required": [name], "properties": {name: {"not": _NULL}}} for name in members]
    return {**record({name: nullable(member) for name, member in members.items()}), "anyOf": given}


def _bounds(pattern: str) -> Schema:
    bound: Schema = {"type": "string", "pattern": pattern}
    return _with_one({"start_at": bound, "end_at": bound})


def _ids(ids: Schema) -> Schema:
    return _with_one({"any": ids, "all": ids, "none": ids})


_OPTIONS = array(TEXT, 1)
_ATTRIBUTE = {
    **record(
        {
            "key": ref("Key"),
            # One of these, by the type of the definition.
            "filter": nullable(
                _with_one(
                    {
                        "email": _TEXT,
                        "phone": _TEXT,
                        "text": _TEXT,
                        "selection": {
                            **_with_one({"any": _OPTIONS, "all": _OPTIONS}),
                            "description": "By the names of the options.",
                        },
                        "date": _bounds("^[0-9]{4}-[0-9]{2}-[0-9]{2}"),
                        "number": _bounds(r"^-?[0-9]*(\.[0-9]{0,5})?$"),
                        "boolean": FLAG,
                        "address": _with_one(
                            {"postal_code": _EXACT, "country": choice(sorted(countries()))}
                        ),
                    }
                )
            ),
            "updated_at": RANGE,
        },
        ["key"],
    ),
    "anyOf": [
        {"required": [name], "properties": {name: {"not": _NULL}}}
        for name in ("filter", "updated_at")
    ],
}
_FILTERS = {
    "email_address": _TEXT,
    "phone_number": _TEXT,
    "reference_id": _TEXT,
    "created_at": RANGE,
    "updated_at": RANGE,
    "creation_source": nullable(
        record(
            {
                "values": array(choice(query.CREATION_SOURCES), 1),
                "rule": nullable(choice(query.RULES)),
            },
            ["values"],
        )
    ),
    "group_ids": nullable(_ids(array(ref("GroupId"), 1))),
    "segment_ids": nullable(_ids(array(ref("SegmentId"), 1, query.MAX_SEGMENTS))),
    "custom_attribute": nullable(
        record(
            {"filters": array(ref("CustomAttributeFilter"), 1, attribute_filters.MAX_FILTERS)},
            ["filters"],
        )
    ),
}
_SORT = record({"field": nullable(choice(query.SORTS)), "order": nullable(choice(query.ORDERS))})

SCHEMAS = {
    "CustomAttributeFilter": _ATTRIBUTE,
    "CustomerSearch": record(
        {
            "cursor": nullable(TEXT),
            "limit": nullable({"type": "integer", "minimum": 1, "maximum": query.MAX_PAGE}),
            "count": nullable(FLAG),
            "query": nullable(
                record({"filter": nullable(record(_FILTERS)), "sort": nullable(_SORT)})
            ),
        }
    ),
}
