"""What must the definition of a custom attribute be, and what becomes of it when it is changed?

Every function raises Refusal for what does not fit.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox.assumptions import MAX_OPTIONS
from etl.sandbox.errors import Problem, Refusal, expected, missing
from etl.sandbox.reading import (
    Shape,
    check_members,
    needed_object_in,
    needed_text_in,
    object_in,
    one_of,
    short_text_in,
    text_in,
    texts_in,
)
from etl.sandbox.rules.custom_attributes import TYPES
from etl.sandbox.rules.customers import whole_second
from etl.sandbox.store.attributes import HIDDEN, READ_ONLY, READ_WRITE, Definition
from etl.sandbox.times import timestamp

COMMON = "https://developer-production-s.squarecdn.com/schemas/v1/common.json#squareup.common."
META = "https://developer-production-s.squarecdn.com/meta-schemas/v1/selection.json"
VISIBILITIES = (HIDDEN, READ_ONLY, READ_WRITE)

_PATH = "custom_attribute_definition"
_INSIDE = f"{_PATH}."
_SCHEMA = f"{_INSIDE}schema"
KEY = re.compile(r"[A-Za-z0-9._-]+")
MAX_KEY = 60
MAX_TEXT = 255
_TEXTS = ("name", "description")
# What an update may name; ``key`` only as it is.
_CHANGEABLE = ("schema", *_TEXTS, "visibility")

_SELECTION: Shape = dict.fromkeys(("$schema", "type", "uniqueItems", "maxItems", "items"))

Members = Mapping[str, Any]


def new(data: Members, chance: random.Random, now: int) -> Definition:
    """Return the definition that a create makes."""
    check_members(data, dict.fromkeys(("key", *_CHANGEABLE)), inside=_INSIDE)
    key = needed_text_in(data, "key", _INSIDE, MAX_KEY)
    if not KEY.fullmatch(key):
        detail = f"Expected {_INSIDE}key to have letters, digits, '.', '_' and '-' only"
        raise Refusal(Problem("INVALID_VALUE", detail, f"{_INSIDE}key"))
    kind, schema = _schema(needed_object_in(data, "schema", _SCHEMA), {}, chance)
    at = whole_second(now)
    definition = Definition(
        key=key,
        type=kind,
        schema=orjson.dumps(schema),
        name=short_text_in(data, "name", _INSIDE, MAX_TEXT),
        description=short_text_in(data, "description", _INSIDE, MAX_TEXT),
        visibility=_visibility(data) or HIDDEN,
        version=1,
        created=at,
        updated=at,
    )
    _check_texts(definition)
    return definition


def changed(
    definition: Definition, data: Members, chance: random.Random, now: int, *, clear_null: bool
) -> Definition:
    """Return the definition after an update, the same if nothing is changed.

    An empty text clears, null only if ``clear_null``.
    """
    check_members(data, dict.fromkeys(("key", "version", *_CHANGEABLE)), inside=_INSIDE)
    if text_in(data, "key", _INSIDE) not in (None, definition.key):
        raise Refusal(Problem("BAD_REQUEST", "The key cannot be changed.", f"{_INSIDE}key"))
    if not any(name in data for name in _CHANGEABLE):
        detail = "At least one field must be set to update a custom attribute definition."
        raise Refusal(Problem("BAD_REQUEST", detail))
    # An absent text stays as it is.
    name, description = (
        short_text_in(data, text, _INSIDE, MAX_TEXT)
        if data.get(text) is not None or (text in data and clear_null)
        else getattr(definition, text)
        for text in _TEXTS
    )
    after = definition._replace(
        name=name,
        description=description,
        visibility=_visibility(data) or definition.visibility,
        schema=_changed_schema(definition, data, chance),
    )
    _check_texts(after)
    if after == definition:
        return definition
    return after._replace(version=definition.version + 1, updated=whole_second(now))


def _changed_schema(definition: Definition, data: Members, chance: random.Random) -> bytes:
    asked = object_in(data, "schema", _SCHEMA)
    if not asked:
        return definition.schema
    known = orjson.loads(definition.schema)
    kind, schema = _schema(asked, known, chance)
    if kind != definition.type:
        raise Refusal(Problem("BAD_REQUEST", "The data type cannot be changed.", _SCHEMA))
    return orjson.dumps(schema)


def _visibility(data: Members) -> str | None:
    visibility = text_in(data, "visibility", _INSIDE)
    return None if visibility is None else one_of(visibility, VISIBILITIES, f"{_INSIDE}visibility")


def _check_texts(definition: Definition) -> None:
    if definition.visibility == HIDDEN:
        return
    without = [name for name in _TEXTS if getattr(definition, name) is None]
    if without:
        raise Refusal(*(missing(_INSIDE + name) for name in without))


# Schemas


def _schema(asked: Members, known: Members, chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the type a schema stands for, and the schema as it is kept."""
    if "$ref" not in asked:
        return "Selection", _selection(asked, known, chance)
    check_members(asked, {"$ref": None}, inside=f"{_SCHEMA}.")
    uri = needed_text_in(asked, "$ref", f"{_SCHEMA}.")
    kind = uri.removeprefix(COMMON)
    if kind == uri or kind not in TYPES - {"Selection"}:
        raise Refusal(_unsupported(uri))
    return kind, {"$ref": uri}


def _selection(asked: Members, known: Members, chance: random.Random) -> dict[str, Any]:
    inside = f"{_SCHEMA}."
    check_members(asked, _SELECTION, inside=inside)
    uri = needed_text_in(asked, "$schema", inside)
    if uri != META:
        raise Refusal(_unsupported(uri))
    for name, only in (("type", "array"), ("uniqueItems", True)):
        if name not in asked:
            raise Refusal(missing(inside + name))
        if type(asked[name]) is not type(only) or asked[name] != only:
            detail = f"Expected {inside}{name} to be {orjson.dumps(only).decode()}"
            raise Refusal(Problem("INVALID_VALUE", detail, inside + name))
    most = asked.get("maxItems")
    path = f"{inside}maxItems"
    if most is None:
        raise Refusal(missing(path))
    if type(most) is not int:
        raise Refusal(expected("integer", path))
    if most < 1:
        raise Refusal(Problem("VALUE_TOO_LOW", f"Expected {path} to be at least 1", path))
    if most > MAX_OPTIONS:
        detail = f"Expected {path} to be at most {MAX_OPTIONS}"
        raise Refusal(Problem("VALUE_TOO_HIGH", detail, path))
    items = _options(object_in(asked, "items", f"{inside}items"), known.get("items", {}), chance)
    return {"$schema": uri, "type": "array", "uniqueItems": True, "maxItems": most, "items": items}


def _options(asked: Members, known: Members, chance: random.Random) -> dict[str, list[str]]:
    """Return the options of a selection; those that are ``known`` keep their ids."""
    inside = f"{_SCHEMA}.items."
    check_members(asked, dict.fromkeys(("names", "enum") if known else ("names",)), inside=inside)
    names = texts_in(asked.get("names"), f"{inside}names")
    if len(names) > MAX_OPTIONS:
        detail = f"Expected at most {MAX_OPTIONS} options"
        raise Refusal(Problem("ARRAY_LENGTH_TOO_LONG", detail, f"{inside}names"))
    if "" in names or len(set(names)) < len(names):
        detail = "Expected names that are not empty and differ"
        raise Refusal(Problem("INVALID_VALUE", detail, f"{inside}names"))
    if asked.get("enum") is None:
        ids = dict(zip(known.get("names", ()), known.get("enum", ()), strict=True))
        return {"names": list(names), "enum": [ids.get(name) or _uuid(chance) for name in names]}
    # The ids in the order of the names: an option may so be given another name.
    path = f"{inside}enum"
    given = texts_in(asked["enum"], path)
    if len(given) > len(names) or len(set(given)) < len(given) or set(given) - set(known["enum"]):
        detail = "Expected ids of options that there are, in the order of their names"
        raise Refusal(Problem("INVALID_VALUE", detail, path))
    added = [_uuid(chance) for _ in names[len(given) :]]
    return {"names": list(names), "enum": [*given, *added]}


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _unsupported(uri: str) -> Problem:
    # Square's own words, as an application's notes on its answers quote them.
    return Problem("BAD_REQUEST", f"Unsupported schema URI encountered: {uri}", _SCHEMA)


def as_json(definition: Definition) -> dict[str, Any]:
    """Return a definition as Square answers it."""
    texts = {name: getattr(definition, name) for name in _TEXTS}
    return {
        "key": definition.key,
        **{name: text for name, text in texts.items() if text is not None},
        "version": definition.version,
        "updated_at": timestamp(definition.updated),
        "schema": orjson.loads(definition.schema),
        "created_at": timestamp(definition.created),
        "visibility": definition.visibility,
    }
