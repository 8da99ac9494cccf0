"""How are a call and the JSON it takes and gives described?

The words every API's description is made of. What a schema here calls invalid the sandbox refuses;
what it calls valid may still be refused, for no schema knows which phone numbers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
SOME_TEXT: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
NOTHING: Schema = {"type": "object", "additionalProperties": False}

# As the sandbox reads and writes moments.
MOMENT: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$",
    "examples": ["2025-09-01T08:15:30Z"],
}


class Parameter(NamedTuple):
    """A query parameter or a header that may be given."""

    name: str
    schema: Schema
    about: str
    place: str = "query"


class Operation(NamedTuple):
    """What a call takes, and what it answers with 200.

    ``body_optional`` tells that the body may be left out. ``conflicts`` marks calls that may be
    refused with 409, ``misses`` those that name things by id elsewhere than in their path.
    """

    answer: Schema
    body: Schema | None = None
    parameters: tuple[Parameter, ...] = ()
    body_optional: bool = False
    conflicts: bool = False
    misses: bool = False


class Api(NamedTuple):
    """One API: its operations by their handlers, and the schemas they refer to."""

    tag: str
    operations: Mapping[Callable[..., bytes], Operation]
    schemas: Mapping[str, Schema]


def ref(name: str) -> Schema:
    """Refer to a schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(
    properties: Mapping[str, Schema], required: Iterable[str] = (), *, more: bool = False
) -> Schema:
    """An object with these members; ``more`` allows unknown ones, which are ignored."""
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required := list(required):
        schema["required"] = required
    if not more:
        schema["additionalProperties"] = False
    return schema


def answer(properties: Mapping[str, Schema], optional: Iterable[str] = ()) -> Schema:
    """An object that is answered: it has all of these members but for the optional ones."""
    optional = set(optional)
    return record(properties, [name for name in properties if name not in optional])


def nullable(schema: Schema) -> Schema:
    """The same, or null, which in a request counts as absent."""
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    choices = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [kind, "null"], **choices}


def short_text(most: int) -> Schema:
    """A text of at most so many characters, or null."""
    return {**nullable(TEXT), "maxLength": most}


def choice(values: Iterable[str]) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": list(values)}


def array(items: Schema, least: int = 0, most: int | None = None) -> Schema:
    """A list of these."""
    bounds: Schema = {"minItems": least} if least else {}
    return {
        "type": "array",
        "items": items,
        **bounds,
        **({} if most is None else {"maxItems": most}),
    }


def texts(least: int = 0, most: int | None = None) -> Schema:
    """A list of texts."""
    return array(TEXT, least, most)


def mapping(
    values: Schema, keys: Schema | None = None, least: int = 0, most: int | None = None
) -> Schema:
    """An object whose members are all alike."""
    return {
        "type": "object",
        "additionalProperties": values,
        **({} if keys is None else {"propertyNames": keys}),
        **({"minProperties": least} if least else {}),
        **({} if most is None else {"maxProperties": most}),
    }


def judged_alone(schema: Schema) -> Schema:
    """An entry of a bulk call: whatever it is, the call is run, and a bad one is told in it."""
    return {"anyOf": [schema, {"description": "Anything else is an error of this entry alone."}]}


def either(*schemas: Schema) -> Schema:
    """Any of these."""
    return {"anyOf": list(schemas)}


def limit(most: int) -> Parameter:
    """The query parameter for the size of a page."""
    return Parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": most}, "How many a page may hold."
    )


CURSOR = Parameter("cursor", TEXT, "Where the page begins, as the page before told.")


def page(**members: Schema) -> Schema:
    """One page of an answer: what is absent is empty, and the last has no cursor."""
    return answer({**members, "cursor": TEXT}, optional=(*members, "cursor"))
