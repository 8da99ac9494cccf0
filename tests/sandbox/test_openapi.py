"""How the sandbox describes itself: complete, valid, and true of its answers."""

from __future__ import annotations

from typing import Any

import openapi_spec_validator
import pytest

from etl.customers.fields import WRITABLE
from etl.sandbox.routes import ROUTES
from tests.sandbox import scenario
from tests.sandbox.conftest import Square
from tests.sandbox.description import Description, exchange


@pytest.fixture
def description(square: Square) -> Description:
    """The description of the sandbox of this test."""
    return Description(square.sandbox)


def test_it_is_public(square: Square) -> None:
    """The description holds no secret: no token is needed for it."""
    answer = square.send("GET", "/_sandbox/openapi.json", headers={"Authorization": ""})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert square.sandbox.token not in answer.text


def test_it_is_valid(description: Description) -> None:
    """The description is OpenAPI 3.1 by the specification's own schema."""
    openapi_spec_validator.validate(description.document)


def test_every_call_is_described(description: Description) -> None:
    """Method, path, name and scopes are those of the routes, and every call says what it does."""
    described = {
        (operation.described["operationId"], operation.method): operation
        for operation in description.operations
    }

    assert set(described) == {(route.call, route.method) for route in ROUTES}
    assert len({route.call for route in ROUTES}) == len(ROUTES), "two calls have one name"
    for route in ROUTES:
        operation = described[route.call, route.method]
        assert operation.path.count("{") == route.path.count("{")
        assert operation.described["summary"], route
        assert operation.described["security"] == (
            [] if route.public else [{"token": list(route.scopes)}]
        )


def test_limits_are_those_of_the_field_table(description: Description) -> None:
    """Every writable field is a member of a new customer, with its limit."""
    schemas = description.document["components"]["schemas"]

    def meant(schema: Any) -> Any:
        if "properties" not in schema:
            (schema, *_) = schema.get("anyOf", [schema])
        return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    for field in WRITABLE:
        member = schemas["NewCustomer"]
        for step in field.path:
            member = meant(meant(member)["properties"][step])
        assert member.get("maxLength") == field.max_length, field.name


def test_every_call_is_answered_as_described(square: Square, description: Description) -> None:
    """Every call has a 200 answer, and it is as described."""
    made = set()

    def send(method: str, path: str, body: object = None, query: str = "") -> Any:
        answer = square.send(method, path, json=body, params=query)
        assert answer.status_code == 200, answer.text
        description.check(*exchange(answer))
        operation = description.operation(method, path)
        assert operation is not None
        made.add(operation.described["operationId"])
        return answer.json()

    scenario.play(send)

    assert made == {route.call for route in ROUTES}
