"""Which words do the checks of custom attributes share?"""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import Square
from tests.sandbox.contract.vocabulary import (
    CUSTOMERS,
    DOCUMENTATION,
    path_of,
)

DEFINITIONS = f"{CUSTOMERS}/custom-attribute-definitions"
CONCEPTS = f"{DOCUMENTATION}: Custom Attributes Overview"
SCHEMAS = "https://developer-production-s.squarecdn.com/schemas/v1/common.json#squareup.common."
NOT_FOUND = (404, "NOT_FOUND")


def schema(kind: str) -> dict[str, Any]:
    """The schema of a type."""
    return {"$ref": f"{SCHEMAS}{kind}"}


def selection(*names: str, most: int = 1) -> dict[str, Any]:
    """The schema of a choice among names."""
    return {
        "$schema": "https://developer-production-s.squarecdn.com/meta-schemas/v1/selection.json",
        "type": "array",
        "uniqueItems": True,
        "maxItems": most,
        "items": {"names": list(names)},
    }


def definition(kind: str | dict[str, Any] = "String", **more: Any) -> dict[str, Any]:
    """The definition of an attribute, with a name and a description."""
    return {
        "key": "drink",
        "name": "Favourite drink",
        "description": "What they like",
        "visibility": "VISIBILITY_READ_WRITE_VALUES",
        "schema": schema(kind) if isinstance(kind, str) else kind,
        **more,
    }


def defined(square: Square, kind: str | dict[str, Any] = "String", **more: Any) -> Any:
    """Create a definition; return it."""
    body = {"custom_attribute_definition": definition(kind, **more)}
    return square.ok("POST", DEFINITIONS, body)["custom_attribute_definition"]


def path(customer: Any, key: str = "drink") -> str:
    """The path of a value."""
    return f"{path_of(customer)}/custom-attributes/{key}"


def put(square: Square, customer: Any, value: object, key: str = "drink", **more: Any) -> Any:
    """Set a value; return the attribute."""
    body = {"custom_attribute": {"value": value, **more}}
    return square.ok("POST", path(customer, key), body)["custom_attribute"]


def many(square: Square, number: int) -> set[str]:
    """Make definitions; return their keys."""
    keys = {f"k-{i}" for i in range(number)}
    for key in keys:
        defined(square, key=key, name=f"Name {key}")
    return keys


def chosen(square: Square, *names: str, most: int) -> list[str]:
    """Define a selection; return the UUIDs of its names."""
    uuids: list[str] = defined(square, selection(*names, most=most))["schema"]["items"]["enum"]
    return uuids
