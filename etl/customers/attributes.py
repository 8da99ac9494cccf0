"""Which value of a custom attribute does a text stand for, by the attribute's definition?

Types and their forms are those of Square's schema file, ``common.json``; a Selection names its
options by ids, which differ from seller to seller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from etl.customers import normalize, rules

COMMON = "https://developer-production-s.squarecdn.com/schemas/v1/common.json#squareup.common."
READ_ONLY = "VISIBILITY_READ_ONLY"

_NUMBER = re.compile(r"-?[0-9]*(\.[0-9]{0,5})?")
_NO_NUMBERS = ("", "-", ".")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_TRUTH = {"true": True, "yes": True, "y": True, "1": True}
_FALSEHOOD = {"false": False, "no": False, "n": False, "0": False}
_TRUTHS = _TRUTH | _FALSEHOOD
# An address has parts, and one cell does not say which.
_OF_ONE_CELL = frozenset(
    [
        *("String", "Number", "Boolean", "PhoneNumber", "Email", "Date", "DateTime"),
        *("Duration", "Selection"),
    ]
)


@dataclass(frozen=True, slots=True)
class Definition:
    """What values of an attribute are: ``options`` are the ids of a Selection by their names."""

    key: str
    type: str
    writable: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
    most: int = 1

    @property
    def of_one_cell(self) -> bool:
        """Can the text of a cell be a value?"""
        return self.type in _OF_ONE_CELL


class Judged(NamedTuple):
    """A value as Square takes it, or the code and the message of why there is none."""

    value: Any
    code: str = ""
    message: str = ""


def definition(told: Mapping[str, Any]) -> Definition:
    """Read a definition as Square answers it."""
    schema = told.get("schema") or {}
    key = str(told.get("key"))
    # Of others only what they let write; their keys carry the application before a colon.
    writable = ":" not in key or told.get("visibility") != READ_ONLY
    if "$ref" in schema:
        return Definition(key, str(schema["$ref"]).rpartition(".")[2], writable)
    items = schema.get("items") or {}
    options = dict(zip(items.get("names", []), items.get("enum", []), strict=False))
    return Definition(key, "Selection", writable, options, int(schema.get("maxItems", 1)))


def judge(text: str, definition: Definition, region: str) -> Judged:
    """Return the value that a text stands for; phones without ``+`` are of the region."""
    match definition.type:
        case "Number":
            bad = text in _NO_NUMBERS or not _NUMBER.fullmatch(text)
            return _told(text, bad, "INVALID_VALUE", "a number with at most five decimals")
        case "Boolean":
            truth = _TRUTHS.get(text.lower())
            return _told(truth, truth is None, "INVALID_VALUE", "yes or no, true or false")
        case "PhoneNumber":
            phone = normalize.phone_key(text, region) or ""
            bad = not _E164.fullmatch(phone)
            return _told(phone, bad, "INVALID_PHONE_NUMBER", "a phone number")
        case "Email":
            bad = not text.isascii() or bool(rules.email(text).findings)
            return _told(text, bad, "INVALID_EMAIL_ADDRESS", "an email address")
        case "Date":
            return _told(text, not _is_date(text), "INVALID_TIME", "a day: YYYY-MM-DD")
        case "Selection":
            return _options(text, definition)
        case _:
            return Judged(text)


def same(wanted: Any, held: Any) -> bool:
    """Are two values equal, so that writing one over the other changes nothing?"""
    if isinstance(wanted, list) and isinstance(held, list):
        return sorted(map(str, wanted)) == sorted(map(str, held))
    return bool(wanted == held) and type(wanted) is type(held)


def _told(value: Any, bad: bool, code: str, what: str) -> Judged:
    return Judged(None, code, f"the custom attribute takes {what}") if bad else Judged(value)


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _options(text: str, definition: Definition) -> Judged:
    """Read a label, or several with semicolons or else commas between them."""
    folded: dict[str, list[str]] = {}
    for name, id in definition.options.items():
        folded.setdefault(name.casefold(), []).append(id)

    def ids(label: str) -> list[str]:
        exact = definition.options.get(label)
        return [exact] if exact else folded.get(label.casefold(), [])

    for separator in (None, ";", ","):
        labels = [text] if separator is None else text.split(separator)
        found = [ids(label.strip()) for label in labels if label.strip()]
        if found and all(len(one) == 1 for one in found):
            chosen = list(dict.fromkeys(one[0] for one in found))
            if len(chosen) > definition.most:
                message = f"the custom attribute takes at most {definition.most} options"
                return Judged(None, "INVALID_VALUE", message)
            return Judged(chosen)
    known = ", ".join(list(definition.options)[:10])
    return Judged(None, "INVALID_VALUE", f"no such option; there are {known}")
