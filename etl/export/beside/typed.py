"""Of which type is the column of a custom attribute, and what is a value there?"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa

from etl.customers.attributes import Definition

_TYPES = {
    "Boolean": pa.bool_(),
    "Date": pa.date32(),
    # Up to five decimals (Square's schema file, common.json).
    "Number": pa.decimal128(38, 5),
    "Selection": pa.list_(pa.string()),
}

# Of 38 digits five are decimals.
_NUMBER = re.compile(r"-?(?=\.?[0-9])0*[0-9]{0,33}(\.[0-9]{0,5})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def arrow(definition: Definition) -> pa.DataType:
    """Return the type of a column; what has none of its own is text, an address as JSON."""
    return _TYPES.get(definition.type, pa.string())


def fitting(definition: Definition, value: Any) -> Any:
    """Return a value as the column holds it, None if it is not of the definition's type."""
    match definition.type, value:
        case "Boolean", bool():
            return value
        case "Number", str() if _NUMBER.fullmatch(value):
            return Decimal(value)
        case "Date", str() if _DATE.fullmatch(value):
            return _day(value)
        case "Selection", list() if all(isinstance(id, str) for id in value):
            names = {id: name for name, id in definition.options.items()}
            return [names.get(id, id) for id in value]
        case "Address", dict():
            return orjson.dumps(value).decode()
        case (("Boolean" | "Number" | "Date" | "Selection" | "Address"), _):
            return None
        case _, str():
            return value
    return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
