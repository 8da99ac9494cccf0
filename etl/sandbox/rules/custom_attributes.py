"""What must the value of a custom attribute be, and what finds it in a search?

The types and their forms are those of Square's published schema file, ``common.json``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from etl.sandbox.errors import Problem, expected, too_long, unknown_field
from etl.sandbox.rules.customers import countries, whole_second
from etl.sandbox.store.attributes import Attribute, Definition
from etl.sandbox.times import birthday, moment, timestamp

_MAX_TEXT = 1000
_NUMBER = re.compile(r"-?[0-9]*(\.[0-9]{0,5})?")
_NO_NUMBERS = ("", "-", ".")
_PHONE = re.compile(r"\+[1-9][0-9]{1,14}")
# The rule of HTML5 for an email input, which the schema file names.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*")
_DURATION = re.compile(
    r"P(?!\Z)([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?"
    r"(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?"
)
_ADDRESS = (
    *("address_line_1", "address_line_2", "address_line_3", "locality", "sublocality"),
    *("sublocality_2", "sublocality_3", "administrative_district_level_1"),
    *("administrative_district_level_2", "administrative_district_level_3", "postal_code"),
    *("country", "first_name", "last_name", "organization"),
)
# Numbers are sought in units of their fifth decimal, as far as 63 bits reach.
_UNITS = 100_000
_MOST_UNITS = (1 << 63) - 1

Schema = Mapping[str, Any]


def judge(value: Any, definition: Definition, path: str) -> list[Problem]:
    """Return what keeps a value from being one of its definition."""
    return _CHECKS[definition.type](value, orjson.loads(definition.schema), path)


def _string(value: Any, schema: Schema, path: str) -> list[Problem]:
    if not isinstance(value, str):
        return [expected("string", path)]
    if len(value) > _MAX_TEXT:
        return [too_long(path, _MAX_TEXT)]
    return []


def _boolean(value: Any, schema: Schema, path: str) -> list[Problem]:
    return [] if isinstance(value, bool) else [expected("boolean", path)]


def _form(
    fits: Callable[[str], object], code: str, what: str
) -> Callable[[Any, Schema, str], list[Problem]]:
    def check(value: Any, schema: Schema, path: str) -> list[Problem]:
        if not isinstance(value, str):
            return [expected("string", path)]
        return [] if fits(value) else [Problem(code, f"Expected {path} to be {what}", path)]

    return check


def is_number(text: str) -> bool:
    """Tell whether a text is a decimal number with at most five decimals."""
    return text not in _NO_NUMBERS and _NUMBER.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """Tell whether a text is a day of the calendar, with its year."""
    return birthday(text) == text


def _address(value: Any, schema: Schema, path: str) -> list[Problem]:
    if not isinstance(value, dict):
        return [expected("object", path)]
    if not value:
        return [Problem("VALUE_EMPTY", f"Expected {path} to have a member", path)]
    problems: list[Problem] = []
    for part, inner in value.items():
        inside = f"{path}.{part}"
        if part not in _ADDRESS:
            problems.append(unknown_field(inside))
        elif part == "country" and isinstance(inner, str) and inner not in countries():
            detail = f"Expected {inside} to be a country code of ISO 3166"
            problems.append(Problem("INVALID_ENUM_VALUE", detail, inside))
        else:
            problems += _string(inner, schema, inside)
    return problems


def _selection(value: Any, schema: Schema, path: str) -> list[Problem]:
    if not isinstance(value, list):
        return [expected("array", path)]
    if not all(isinstance(option, str) for option in value):
        return [expected("string", path)]
    if len(set(value)) < len(value):
        return [Problem("INVALID_VALUE", f"Expected {path} to have no option twice", path)]
    most = schema["maxItems"]
    if len(value) > most:
        return [Problem("ARRAY_LENGTH_TOO_LONG", f"Expected at most {most} options", path)]
    unknown = [option for option in value if option not in schema["items"]["enum"]]
    return [
        Problem("INVALID_VALUE", f"Expected {path} to be among the options", path)
        for _ in unknown[:1]
    ]


_CHECKS: dict[str, Callable[[Any, Schema, str], list[Problem]]] = {
    "String": _string,
    "Number": _form(is_number, "INVALID_VALUE", "a number with at most five decimals"),
    "Boolean": _boolean,
    "PhoneNumber": _form(_PHONE.fullmatch, "INVALID_PHONE_NUMBER", "a phone number in E.164"),
    "Email": _form(_EMAIL.fullmatch, "INVALID_EMAIL_ADDRESS", "a valid email address"),
    "Date": _form(is_date, "INVALID_TIME", "a day: YYYY-MM-DD"),
    "DateTime": _form(
        lambda text: moment(text) is not None, "INVALID_TIME", "a moment as RFC 3339 writes it"
    ),
    "Duration": _form(_DURATION.fullmatch, "INVALID_VALUE", "a duration as ISO 8601 writes it"),
    "Address": _address,
    "Selection": _selection,
}
TYPES = frozenset(_CHECKS)


def as_attribute(
    customer_id: str, definition: Definition, value: Any, before: Attribute | None, now: int
) -> Attribute:
    """Return a value as the store keeps it, with what finds it; ``before`` is what it replaces."""
    at = whole_second(now)
    text, number, terms = _found_by(definition.type, value)
    return Attribute(
        customer_id=customer_id,
        key=definition.key,
        body=orjson.dumps(value),
        version=1 if before is None else before.version + 1,
        created=at if before is None else before.created,
        updated=at,
        text=text,
        number=number,
        terms=terms,
    )


def _found_by(kind: str, value: Any) -> tuple[str | None, int | None, tuple[str, ...]]:
    match kind:
        case "String":
            text = value.lower()
            return text, None, tuple(dict.fromkeys(words(text)))
        case "Email":
            return value.lower(), None, ()
        case "PhoneNumber" | "Date":
            return value, None, ()
        case "Boolean":
            return truth(value), None, ()
        case "Number":
            return None, units(value), ()
        case "Selection":
            return None, None, tuple(value)
        case "Address":
            found = [
                part_term(part, value[part]) for part in ("postal_code", "country") if part in value
            ]
            return None, None, tuple(found)
        case _:
            return None, None, ()


def words(text: str) -> list[str]:
    """Take a text apart into the words that a fuzzy search compares."""
    return re.findall(r"\w+", text)


def truth(value: bool) -> str:
    """Say a truth value as a search compares it."""
    return "true" if value else "false"


def units(number: str) -> int:
    """Return a number in units of its fifth decimal; beyond 63 bits all are alike.

    >>> units("-10.5")
    -1050000
    """
    whole, _, part = number.removeprefix("-").partition(".")
    whole = whole.lstrip("0")
    # The longest number that Python reads has 4,300 digits.
    size = int(whole + part.ljust(5, "0")) if len(whole) < 20 else _MOST_UNITS
    size = min(size, _MOST_UNITS)
    return -size if number.startswith("-") else size


def part_term(part: str, value: str) -> str:
    """Say a part of an address as a search compares it."""
    return f"{part}:{value.lower()}"


def as_json(
    attribute: Attribute, definition: Definition, members: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a value as Square answers it, with the ``members`` of its definition if given."""
    return {
        "key": attribute.key,
        "version": attribute.version,
        "updated_at": timestamp(attribute.updated),
        "value": orjson.loads(attribute.body),
        **({} if members is None else {"definition": members}),
        "created_at": timestamp(attribute.created),
        "visibility": definition.visibility,
    }
