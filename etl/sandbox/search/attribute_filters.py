"""How is a search by custom attributes read?

Each filter names a key, and has a filter that fits the type of its definition, a range of times
at which the value was last set, or both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from etl.sandbox.errors import Problem, Refusal, expected, unknown_field
from etl.sandbox.reading import (
    Shape,
    check_number,
    needed_text_in,
    object_in,
    recognised,
    text_in,
    texts_in,
)
from etl.sandbox.rules.custom_attributes import is_date, is_number, part_term, truth, units, words
from etl.sandbox.rules.customers import countries
from etl.sandbox.search.attributes import Sought
from etl.sandbox.search.filters import (
    RANGE,
    TEXT,
    Text,
    email_tokens,
    phone_tokens,
    plus_form,
    text_filter,
)
from etl.sandbox.search.selection import Span
from etl.sandbox.search.spans import range_in
from etl.sandbox.store.attributes import Definition
from etl.sandbox.times import moment

# Finds the definition of a key that the calling application may see.
FindDefinition = Callable[[str], Definition | None]

MAX_FILTERS = 10
# Beyond it, (2^63 - 1) / 10^5, Square takes no bound of a range of numbers.
_MAX_NUMBER = 92_233_720_368_547

_FILTER: Shape = {
    "key": None,
    "filter": {
        "email": TEXT,
        "phone": TEXT,
        "text": TEXT,
        "selection": {"any": None, "all": None, "none": None},
        "date": RANGE,
        "number": RANGE,
        "boolean": None,
        "address": {"postal_code": TEXT, "country": None},
    },
    "updated_at": RANGE,
}


def read(
    filters: Mapping[str, Any], inside: str, definition: FindDefinition
) -> tuple[Sought, ...] | None:
    """Return what is sought, None if nothing can be it."""
    path = f"{inside}custom_attribute"
    asked = object_in(filters, "custom_attribute", path).get("filters")
    if filters.get("custom_attribute") is None:
        return ()
    path = f"{path}.filters"
    if asked is not None and not isinstance(asked, list):
        raise Refusal(expected("array", path))
    check_number(len(asked or ()), MAX_FILTERS, path, "ARRAY_EMPTY", "ARRAY_LENGTH_TOO_LONG")
    found: list[Sought | None] = []
    keys = set[str]()
    for number, entry in enumerate(asked or ()):
        entry_path = f"{path}[{number}]"
        if not isinstance(entry, dict):
            raise Refusal(expected("object", entry_path))
        key = needed_text_in(entry, "key", f"{entry_path}.")
        if key in keys:
            raise Refusal(Problem("BAD_REQUEST", "Give each key once.", f"{entry_path}.key"))
        keys.add(key)
        found.append(_sought(entry, key, definition(key), f"{entry_path}."))
    # The others are read too, so that a mistake is told whatever the first one finds.
    known = [sought for sought in found if sought is not None]
    return tuple(known) if len(known) == len(found) else None


def _sought(
    entry: Mapping[str, Any], key: str, definition: Definition | None, inside: str
) -> Sought | None:
    unknown: list[str] = []
    entry = recognised(entry, _FILTER, inside, unknown)
    if unknown:
        raise Refusal(*map(unknown_field, unknown))
    if definition is None:
        detail = f"Custom attribute definition `{key}` does not exist."
        raise Refusal(Problem("BAD_REQUEST", detail, f"{inside}key"))
    updated = range_in(entry, "updated_at", inside)
    if entry.get("filter") is None:
        if updated == Span():
            detail = f"Expected {inside}filter or {inside}updated_at"
            raise Refusal(Problem("BAD_REQUEST", detail, inside.removesuffix(".")))
        return Sought(key, updated=updated)
    path = f"{inside}filter"
    by_type = object_in(entry, "filter", path)
    given = [name for name, value in by_type.items() if value is not None]
    if len(given) != 1:
        raise Refusal(Problem("BAD_REQUEST", "Give one filter, by the data type.", path))
    (name,) = given
    kind, reader = _READERS[name]
    if kind != definition.type:
        detail = f"The filter {name} does not fit a custom attribute of type {definition.type}."
        raise Refusal(Problem("BAD_REQUEST", detail, f"{path}.{name}"))
    return reader(Sought(key, updated=updated), by_type, f"{path}.", definition)


# One reader per filter: what it finds with the value it asks for, None if nothing can have it.
_Reader = Callable[[Sought, Mapping[str, Any], str, Definition], Sought | None]


def _email(sought: Sought, given: Mapping[str, Any], inside: str, _: Definition) -> Sought | None:
    text = text_filter(given, "email", inside, email_tokens)
    return replace(sought, text=_lower(text), tokens=text.tokens, bare=True)


def _phone(sought: Sought, given: Mapping[str, Any], inside: str, _: Definition) -> Sought | None:
    text = text_filter(given, "phone", inside, phone_tokens)
    number = plus_form(text.exact) if text.exact is not None else None
    if text.exact is not None and number is None:
        return None
    return replace(sought, text=number, tokens=text.tokens)


def _text(sought: Sought, given: Mapping[str, Any], inside: str, _: Definition) -> Sought | None:
    text = text_filter(given, "text", inside, words)
    return replace(sought, text=_lower(text), all_terms=tuple(dict.fromkeys(text.tokens)))


def _lower(text: Text) -> str | None:
    return text.exact and text.exact.lower()


def _selection(
    sought: Sought, given: Mapping[str, Any], inside: str, definition: Definition
) -> Sought | None:
    path = f"{inside}selection"
    rules = object_in(given, "selection", path)
    if rules.get("none") is not None:
        raise Refusal(Problem("BAD_REQUEST", "none is not supported here.", f"{path}.none"))
    asked = {
        rule: texts_in(names, f"{path}.{rule}")
        for rule, names in rules.items()
        if names is not None
    }
    if not asked:
        raise Refusal(Problem("VALUE_EMPTY", f"Expected {path} to have any or all", path))
    items = orjson.loads(definition.schema)["items"]
    ids = dict(zip(items["names"], items["enum"], strict=True))
    some = tuple(dict.fromkeys(ids[name] for name in asked.get("any", ()) if name in ids))
    every = tuple(dict.fromkeys(ids[name] for name in asked.get("all", ()) if name in ids))
    if ("any" in asked and not some) or not ids.keys() >= set(asked.get("all", ())):
        return None
    return replace(sought, any_terms=some, all_terms=every)


def _date(sought: Sought, given: Mapping[str, Any], inside: str, _: Definition) -> Sought | None:
    start, end = _bounds(given, "date", inside, _day)
    _check_order(start, end, "INVALID_TIME_RANGE", f"{inside}date")
    return replace(sought, days=(start, end))


def _day(text: str, path: str) -> str:
    if not is_date(text) and moment(text) is None:
        detail = f"Expected {path} as YYYY-MM-DD or RFC 3339"
        raise Refusal(Problem("INVALID_TIME", detail, path))
    return text[:10]


def _number(sought: Sought, given: Mapping[str, Any], inside: str, _: Definition) -> Sought | None:
    start, end = _bounds(given, "number", inside, _units)
    _check_order(start, end, "BAD_REQUEST", f"{inside}number")
    return replace(sought, numbers=Span(start, end))


def _units(text: str, path: str) -> int:
    if not is_number(text):
        detail = f"Expected {path} as a number with at most five decimals"
        raise Refusal(Problem("INVALID_VALUE", detail, path))
    found = units(text)
    if abs(found) > units(str(_MAX_NUMBER)):
        code = "VALUE_TOO_HIGH" if found > 0 else "VALUE_TOO_LOW"
        raise Refusal(Problem(code, f"Expected {path} within +-{_MAX_NUMBER}", path))
    return found


_Bound = TypeVar("_Bound", str, int)


def _bounds(
    given: Mapping[str, Any], name: str, inside: str, reader: Callable[[str, str], _Bound]
) -> tuple[_Bound | None, _Bound | None]:
    path = inside + name
    bounds = object_in(given, name, path)
    start, end = (text_in(bounds, bound, f"{path}.") for bound in ("start_at", "end_at"))
    if start is None and end is None:
        raise Refusal(Problem("VALUE_EMPTY", f"Expected {path} to have a start or an end", path))
    return (
        None if start is None else reader(start, f"{path}.start_at"),
        None if end is None else reader(end, f"{path}.end_at"),
    )


def _check_order(start: _Bound | None, end: _Bound | None, code: str, path: str) -> None:
    if start is not None and end is not None and start > end:
        raise Refusal(Problem(code, f"Expected {path} to end after its start", path))


def _boolean(sought: Sought, given: Mapping[str, Any], inside: str, _: Definition) -> Sought | None:
    if not isinstance(given["boolean"], bool):
        raise Refusal(expected("boolean", f"{inside}boolean"))
    return replace(sought, text=truth(given["boolean"]))


def _address(sought: Sought, given: Mapping[str, Any], inside: str, _: Definition) -> Sought | None:
    path = f"{inside}address"
    parts = object_in(given, "address", path)
    code = text_filter(parts, "postal_code", f"{path}.", words)
    if code.tokens:
        detail = "Only exact is supported here."
        raise Refusal(Problem("BAD_REQUEST", detail, f"{path}.postal_code.fuzzy"))
    country = text_in(parts, "country", f"{path}.")
    if code.exact is None and country is None:
        detail = f"Expected {path} to have a postal_code or a country"
        raise Refusal(Problem("VALUE_EMPTY", detail, path))
    if country is not None and country not in countries():
        detail = f"Expected {path}.country to be a country code of ISO 3166"
        raise Refusal(Problem("INVALID_ENUM_VALUE", detail, f"{path}.country"))
    wanted = (("postal_code", code.exact), ("country", country))
    return replace(
        sought,
        all_terms=tuple(part_term(part, value) for part, value in wanted if value is not None),
    )


_READERS: dict[str, tuple[str, _Reader]] = {
    "email": ("Email", _email),
    "phone": ("PhoneNumber", _phone),
    "text": ("String", _text),
    "selection": ("Selection", _selection),
    "date": ("Date", _date),
    "number": ("Number", _number),
    "boolean": ("Boolean", _boolean),
    "address": ("Address", _address),
}
