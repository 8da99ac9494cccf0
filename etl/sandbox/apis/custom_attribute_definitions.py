"""What does each endpoint of customer custom attribute definitions do?

Definitions are read and written at once. There is one application: what it makes has a simple
key; what others and the seller made has a key that says so, and comes with a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, keys
from etl.sandbox.apis.customers import EMPTY
from etl.sandbox.assumptions import MAX_DEFINITIONS
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import is_integer, only_member
from etl.sandbox.rules import attribute_definitions as rules
from etl.sandbox.search import paging
from etl.sandbox.search.selection import Place
from etl.sandbox.store.attributes import Definition
from etl.sandbox.store.keys import Remembered
from etl.sandbox.versions import NULL_CLEARS

_MEMBER = "custom_attribute_definition"
MAX_PAGE = 100
_USUAL_PAGE = 20


def list_definitions(call: Call) -> bytes:
    """ListCustomerCustomAttributeDefinitions: those of others too, unless they are hidden."""
    query = paging.plain_list(call.parameters, "attribute definitions", MAX_PAGE, _USUAL_PAGE)
    after, size = call.page(query)
    found = call.store.attributes.definitions(after, size + 1)
    shown = found[:size]
    answer: dict[str, Any] = {}
    if shown:
        answer[f"{_MEMBER}s"] = [rules.as_json(definition) for definition in shown]
    if len(found) > size:
        end = Place(shown[-1].key, shown[-1].key)
        answer["cursor"] = paging.make_cursor(call.secret, query, end, call.now)
    return orjson.dumps(answer)


def create_definition(call: Call) -> bytes:
    """CreateCustomerCustomAttributeDefinition: of any type, with its limits and visibility."""
    body = call.json()
    key = keys.take(body)
    digest = keys.digest("attribute definition", body)
    known = _answered(call, key, digest)
    if known is not None:
        return known
    definition = rules.new(_data(body), call.chance, call.now)
    if call.store.attributes.defined(definition.key) is not None:
        raise Refusal(errors.definition_taken("key", definition.key))
    _check_name(call, definition)
    if call.store.attributes.number_of_own() >= MAX_DEFINITIONS:
        detail = f"An application has at most {MAX_DEFINITIONS} custom attribute definitions."
        raise Refusal(Problem("BAD_REQUEST", detail))
    call.store.attributes.define(definition)
    call.log_other("create-attribute-definition", rules.as_json(definition), key=key)
    return _answer(call, definition, key, digest)


def retrieve_definition(call: Call, key: str) -> bytes:
    """RetrieveCustomerCustomAttributeDefinition, of at least the ``version`` asked for."""
    definition = found(call, key)
    check_read(call, definition.version)
    return orjson.dumps({_MEMBER: rules.as_json(definition)})


def update_definition(call: Call, key: str) -> bytes:
    """UpdateCustomerCustomAttributeDefinition: sparse, guarded by ``version`` if it is given."""
    body = call.json()
    idempotency_key = keys.take(body)
    digest = keys.digest("attribute definition of", [key, body])
    known = _answered(call, idempotency_key, digest)
    if known is not None:
        return known
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
    return _answer(call, after, idempotency_key, digest)


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
    data = only_member(body, _MEMBER)
    if not isinstance(data, dict):
        raise Refusal(errors.expected("object", _MEMBER))
    return data


def _check_name(call: Call, definition: Definition) -> None:
    if definition.name is None:
        return
    namesake = call.store.attributes.named(definition.name)
    if namesake is not None and namesake.key != definition.key:
        raise Refusal(errors.definition_taken("name", definition.name))


def _answered(call: Call, key: str | None, digest: bytes) -> bytes | None:
    # Observed: the first answer comes again even after the definition was deleted.
    return None if key is None else keys.answered(call, key, digest, lambda _: True)


def _answer(call: Call, definition: Definition, key: str | None, digest: bytes) -> bytes:
    answer = orjson.dumps({_MEMBER: rules.as_json(definition)})
    if key is not None:
        call.store.keys.put({key: Remembered(digest, definition.key, answer)}, call.now)
    return answer


def check_read(call: Call, version: int) -> None:
    """Raise Refusal if a read asks for a version that is not there yet."""
    asked = call.parameters.get("version")
    if asked is None:
        return
    if not is_integer(asked):
        raise Refusal(errors.expected("integer", "version"))
    if int(asked) > version:
        raise Refusal(errors.ahead("version"))


def check_write(data: Mapping[str, Any], version: int, path: str) -> None:
    """Raise Refusal if a write names another version than the current one."""
    given = data.get("version")
    if given is None:
        return
    if type(given) is not int:
        raise Refusal(errors.expected("integer", path))
    if given != version:
        raise Refusal(errors.ahead(path) if given > version else errors.outdated(path))
