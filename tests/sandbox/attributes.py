"""How tests define custom attributes and give them to customers."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import Square

DEFINITIONS = "/v2/customers/custom-attribute-definitions"
BULK = "/v2/customers/custom-attributes/bulk-upsert"
COMMON = "https://developer-production-s.squarecdn.com/schemas/v1/common.json#squareup.common."
META = "https://developer-production-s.squarecdn.com/meta-schemas/v1/selection.json"
SIMPLE = (
    *("String", "Number", "Boolean", "PhoneNumber", "Email", "Date", "DateTime", "Duration"),
    "Address",
)


def schema(kind: str) -> dict[str, Any]:
    """The schema of a type, a Selection of three options among them."""
    return selection("Red", "Green", "Blue") if kind == "Selection" else {"$ref": COMMON + kind}


def selection(*names: str, most: int = 2, **items: Any) -> dict[str, Any]:
    """The schema of a Selection."""
    return {
        "$schema": META,
        "type": "array",
        "uniqueItems": True,
        "maxItems": most,
        "items": {"names": list(names), **items},
    }


def define(square: Square, key: str, kind: str = "String", **more: Any) -> Any:
    """Make a definition and return it."""
    data = {"key": key, "schema": schema(kind), **more}
    answer = square.ok("POST", DEFINITIONS, {"custom_attribute_definition": data})
    return answer["custom_attribute_definition"]


def values_of(customer_id: str) -> str:
    """The path of a customer's values."""
    return f"/v2/customers/{customer_id}/custom-attributes"


def upsert(value: object, **more: Any) -> dict[str, Any]:
    """The body of an upsert."""
    return {"custom_attribute": {"value": value, **more}}


def give(square: Square, customer_id: str, key: str, value: object) -> Any:
    """Give a customer a value and return it as it was answered."""
    answer = square.ok("POST", f"{values_of(customer_id)}/{key}", upsert(value))
    return answer["custom_attribute"]


def shown(square: Square, customer_id: str) -> dict[str, Any]:
    """The values a customer has, by key."""
    listed = square.ok("GET", values_of(customer_id), params={"limit": 100})
    return {entry["key"]: entry["value"] for entry in listed.get("custom_attributes", [])}


def seeded(square: Square) -> dict[str, dict[str, Any]]:
    """Fill the directory; return the definitions to be seen, by name."""
    square.sandbox.control("seed", {"profiles": 60, "seed": 7})
    listed = square.ok("GET", DEFINITIONS)["custom_attribute_definitions"]
    return {definition.get("name", ""): definition for definition in listed}


def customer(square: Square, name: str = "Ava") -> str:
    """Create a customer and return the id."""
    return str(square.create(given_name=name)["id"])


def entry(customer_id: object, key: object, value: object, **more: Any) -> dict[str, Any]:
    """One entry of a bulk upsert."""
    attribute = {"key": key, "value": value}
    return {"customer_id": customer_id, "custom_attribute": attribute, **more}


def codes(answer: Any) -> list[tuple[str, str]]:
    """The (code, field) of an entry's errors."""
    return [(error["code"], error.get("field", "")) for error in answer["errors"]]
