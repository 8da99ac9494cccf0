"""What does each endpoint of customer custom attribute definitions do?

Definitions are read and written at once. There is one application: what it makes has a simple
key; what others and the seller made has a key that says so, and comes with a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, keys
from etl.sandbox.apis import lists
from etl.sandbox.assumptions import MAX_DEFINITIONS
from etl.sandbox.calls import EMPTY, Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import check_members, needed_object_in, number_in, whole_in
from etl.sandbox.rules import attribute_definitions as rules
from etl.sandbox.search import paging
from etl.sandbox.store.attributes import Definition
from etl.sandbox.versions import NULL_CLEARS

_MEMBER = "custom_attribute_definition"
MAX_PAGE = 100
_USUAL_PAGE = 20


def list_definitions(call: Call) -> bytes:
    """ListCustomerCustomAttributeDefinitions: those of others too, unless they are hidden."""
    limit = paging.limit_in(call.parameters, MAX_PAGE, _USUAL_PAGE)
    query = paging.of_list(call.parameters, limit, "attribute definitions")
    rows = call.store.attributes.definitions
    return lists.page(call, query, f"{_MEMBER}s", rows, lambda row: row.place, rules.as_json)


def create_definition(call: Call) -> bytes:
    """CreateCustomerCustomAttributeDefinition: of any type, with its limits and visibility."""
    body = call.json()
    key = keys.take(body)
    return keys.once(
        call, key, "attribute definition", body, _still, lambda: _create(call, body, key)
    )


def _still(key: str) -> bool:
    # Observed: the first answer comes again even after the definition was deleted.
    return True


def _create(call: Call, body: Mapping[str, Any], key: str | None) -> tuple[str, bytes]:
    definition = rules.new(_data(body), call.chance, call.now)
    if call.store.attributes.defined(definition.key) is not None:
        raise Refusal(errors.definition_taken("key", definition.key))
    _check_name(call, definition)
    if call.store.attributes.number_of_own() >= MAX_DEFINITIONS:
        detail = f"An application has at most {MAX_DEFINITIONS} custom attribute definitions."
        raise Refusal(Problem("BAD_REQUEST", detail))
    call.store.attributes.define(definition)
    call.log_other("create-attribute-definition", rules.as_json(definition), key=key)
    return definition.key, _answer(definition)


def retrieve_definition(call: Call, key: str) -> bytes:
    """RetrieveCustomerCustomAttributeDefinition, of at least the ``version`` asked for."""
    definition = found(call, key)
    check_read(call, definition.version)
    return _answer(definition)


def update_definition(call: Call, key: str) -> bytes:
    """UpdateCustomerCustomAttributeDefinition: sparse, guarded by ``version`` if it is given."""
    body = call.json()
    once = keys.take(body)
    return keys.once(
        call,
        once,
        "attribute definition of",
        [key, body],
        _still,
        lambda: _update(call, key, body, once),
    )


def _update(
    call: Call, key: str, body: Mapping[str, Any], idempotency_key: str | None
) -> tuple[str, bytes]:
    before = _owned(call, key)
    data = _data(body)
    after = rules.changed(
        before,
        data,
        call.chance,
        call.now,
        clear_null=call.null_clears and NULL_CLEARS.holds(call.version),
    )
    check_write(data, before.version, f"{_MEMBER}.version")
    if after != before:
        _check_name(call, after)
        call.store.attributes.define(after)
        call.log_other("update-attribute-definition", rules.as_json(after), key=idempotency_key)
    return key, _answer(after)


def delete_definition(call: Call, key: str) -> bytes:
    """DeleteCustomerCustomAttributeDefinition: all its values are deleted with it."""
    definition = _owned(call, key)
    call.store.attributes.undefine(key, call.now, call.keep)
    call.log_other("delete-attribute-definition", rules.as_json(definition))
    return EMPTY


def found(call: Call, key: str) -> Definition:
    """Return the definition of a key. Raises Refusal if there is none to be seen."""
    definition = call.store.attributes.defined(key)
    if definition is None:
        raise Refusal(errors.definition_not_found(key))
    return definition


def _owned(call: Call, key: str) -> Definition:
    definition = found(call, key)
    if not definition.own:
        raise Refusal(errors.not_yours("Only its owner may change a custom attribute definition."))
    return definition


def _data(body: Mapping[str, Any]) -> Mapping[str, Any]:
    check_members(body, {_MEMBER: None})
    return needed_object_in(body, _MEMBER, _MEMBER)


def _check_name(call: Call, definition: Definition) -> None:
    if definition.name is None:
        return
    namesake = call.store.attributes.named(definition.name)
    if namesake is not None and namesake.key != definition.key:
        raise Refusal(errors.definition_taken("name", definition.name))


def _answer(definition: Definition) -> bytes:
    return orjson.dumps({_MEMBER: rules.as_json(definition)})


def check_read(call: Call, version: int) -> None:
    """Raise Refusal if a read asks for a version that is not there yet."""
    asked = number_in(call.parameters, "version")
    if asked is not None and asked > version:
        raise Refusal(errors.ahead("version"))


def check_write(data: Mapping[str, Any], version: int, path: str) -> None:
    """Raise Refusal if a write names another version than the current one."""
    given = whole_in(data, "version", path.removesuffix("version"))
    if given is not None and given != version:
        raise Refusal(errors.ahead(path) if given > version else errors.outdated(path))
