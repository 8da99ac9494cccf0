"""What does the sandbox serve, in the words of OpenAPI?

``document`` puts together what the routes, the field table and the limits in the code already say;
beside it one module per API tells what its calls take and give. It describes the newest
Square-Version; what older ones do differently is told by ``etl.sandbox.versions``.
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any

import orjson

from etl.sandbox.openapi import (
    cards,
    control,
    custom_attributes,
    customers,
    gift_cards,
    groups,
    merchants,
    money,
    oauth,
    orders,
    payments,
    segments,
)
from etl.sandbox.openapi.shapes import TEXT, Operation, Parameter, Schema, record, ref
from etl.sandbox.routes import ROUTES, Route
from etl.sandbox.versions import NEWEST

_APIS = (
    customers.API,
    groups.API,
    segments.API,
    custom_attributes.API,
    cards.API,
    gift_cards.API,
    orders.API,
    payments.API,
    merchants.API,
    oauth.API,
    control.API,
)
_OPERATIONS = {
    handler: (api.tag, operation) for api in _APIS for handler, operation in api.operations.items()
}
_ERRORS = record(
    {
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": record(
                {"category": TEXT, "code": TEXT, "detail": TEXT, "field": TEXT},
                ["category", "code", "detail"],
            ),
        }
    },
    ["errors"],
)
_SCHEMAS = {
    **{name: schema for api in _APIS for name, schema in api.schemas.items()},
    **money.SCHEMAS,
    "Errors": _ERRORS,
}
_REFUSALS = {
    400: "The request is not what the call takes; each error names what is wrong.",
    401: "No token, an unknown one, or one that expired or was revoked.",
    403: "The token lacks a scope.",
    404: "What an id names is not there.",
    409: "The version given is not the stored one.",
    413: "The body is larger than the call takes.",
    429: "Too many calls; Retry-After tells how long to wait.",
    503: "The sandbox's file cannot be used at this moment.",
}
_VERSION = Parameter(
    "Square-Version",
    {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$", "default": NEWEST},
    "The version to be answered with; this is a description of the newest.",
    "header",
)


@functools.cache
def document() -> bytes:
    """Return the description as JSON."""
    return orjson.dumps(_described())


def _described() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        path = _with_names(route)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The local Square of square-etl",
            "version": NEWEST,
            "description": "An emulator to rehearse against. It is not Square's and not as Square "
            "describes itself: what it does not serve is not here.",
        },
        "security": [{"token": []}],
        "tags": [{"name": api.tag} for api in _APIS],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "responses": {str(status): _refusal(status) for status in _REFUSALS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _ids(route: Route) -> list[str]:
    """The names of the ids in a route's path, as its handler calls them."""
    names = list(inspect.signature(route.handler).parameters)
    return names[len(names) - route.path.count("{") :]


def _with_names(route: Route) -> str:
    names = iter(_ids(route))
    return re.sub(r"\{\w+\}", lambda _: f"{{{next(names)}}}", route.path)


def _operation(route: Route) -> dict[str, Any]:
    tag, operation = _OPERATIONS[route.handler]
    parameters = [*operation.parameters, *([] if route.owner else [_VERSION])]
    described = {
        "operationId": route.call,
        "summary": route.told.replace("``", "`"),
        "tags": [tag],
        "security": [] if route.public else [{"token": list(route.scopes)}],
        "parameters": [*map(_in_path, _ids(route)), *map(_parameter, parameters)],
        "responses": {
            "200": {"description": "Done.", "content": _json(operation.answer)},
            **{
                str(status): {"$ref": f"#/components/responses/{status}"}
                for status in _refusals(route, operation)
            },
        },
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": _json(operation.body),
        }
    return described


def _refusals(route: Route, operation: Operation) -> list[int]:
    """The statuses a call may be refused with."""
    if route.public:
        return []
    may = {
        403: bool(route.scopes) or route.owner,
        404: "{" in route.path or operation.misses or route.brought_by is not None,
        409: operation.conflicts,
        429: not route.owner,
    }
    return [status for status in _REFUSALS if may.get(status, True)]


def _in_path(name: str) -> dict[str, Any]:
    schema = name.title().replace("_", "")
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": ref(schema) if schema in _SCHEMAS else {"type": "string", "minLength": 1},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.about,
        "schema": parameter.schema,
    }


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _refusal(status: int) -> dict[str, Any]:
    return {"description": _REFUSALS[status], "content": _json(ref("Errors"))}
