"""What does each endpoint of customer custom attributes do?

The values of customers are read and written at once and have versions of their own; only a search
by them lags. Reading follows merges, writing does not.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, keys
from etl.sandbox.apis import custom_attribute_definitions as definitions
from etl.sandbox.apis import found, lists
from etl.sandbox.assumptions import BULK_BODY_LIMIT
from etl.sandbox.calls import EMPTY, Call
from etl.sandbox.errors import Refusal
from etl.sandbox.reading import (
    check_members,
    entries_in,
    flag_in,
    needed_object_in,
    needed_text_in,
)
from etl.sandbox.rules import attribute_definitions
from etl.sandbox.rules import custom_attributes as rules
from etl.sandbox.search import paging
from etl.sandbox.store.attributes import READ_WRITE, Attribute, Definition

_MEMBER = "custom_attribute"
MAX_PAGE = 100
_USUAL_PAGE = 20
BULK_LIMIT = 25


def list_attributes(call: Call, customer_id: str) -> bytes:
    """ListCustomerCustomAttributes: those of others too, unless they are hidden."""
    reader = _reader(call, customer_id)
    defined = flag_in(call.parameters, "with_definitions")
    limit = paging.limit_in(call.parameters, MAX_PAGE, _USUAL_PAGE)
    query = paging.of_list(call.parameters, limit, "attributes", customer_id, defined)
    return lists.page(
        call,
        query,
        f"{_MEMBER}s",
        functools.partial(call.store.attributes.page, reader),
        lambda row: row[1].place,
        lambda row: _as_json(*row, defined),
    )


def retrieve_attribute(call: Call, customer_id: str, key: str) -> bytes:
    """RetrieveCustomerCustomAttribute, of at least the ``version`` asked for."""
    reader = _reader(call, customer_id)
    definition = definitions.found(call, key)
    attribute = call.store.attributes.find(reader, key)
    if attribute is None:
        raise Refusal(errors.attribute_not_found(customer_id, key))
    definitions.check_read(call, attribute.version)
    shown = _as_json(attribute, definition, flag_in(call.parameters, "with_definition"))
    return orjson.dumps({_MEMBER: shown})


def upsert_attribute(call: Call, customer_id: str, key: str) -> bytes:
    """UpsertCustomerCustomAttribute: guarded by ``version`` if it is given."""
    body = call.json()
    idempotency_key = keys.take(body)
    check_members(body, {_MEMBER: None})
    data = needed_object_in(body, _MEMBER, _MEMBER)
    if data.get("key") not in (None, key):
        raise Refusal(
            errors.Problem("BAD_REQUEST", "The key is not that of the path.", f"{_MEMBER}.key")
        )
    return b'{"%b":%b}' % (
        _MEMBER.encode(),
        _upserted(call, customer_id, key, data, idempotency_key),
    )


def delete_attribute(call: Call, customer_id: str, key: str) -> bytes:
    """DeleteCustomerCustomAttribute: the definition stays."""
    found.customer(call, customer_id)
    definition = definitions.found(call, key)
    _check_writable(definition)
    attribute = call.store.attributes.find(customer_id, key)
    if attribute is None:
        raise Refusal(errors.attribute_not_found(customer_id, key))
    call.store.attributes.remove(customer_id, key, call.now, call.keep)
    call.log_other(
        "delete-attribute", _as_json(attribute, definition, False), customer_id=customer_id
    )
    return EMPTY


def bulk_upsert_attributes(call: Call) -> bytes:
    """BulkUpsertCustomerCustomAttributes: every entry for itself, under any name."""
    entries = entries_in(call.json(BULK_BODY_LIMIT), "values", BULK_LIMIT)
    answers: dict[str, Any] = {}
    for name, entry in call.wanted(entries).items():
        try:
            answers[name] = _entry(call, entry)
        except Refusal as refusal:
            answers[name] = errors.as_errors(refusal.problems)
    return orjson.dumps({"values": answers})


def _entry(call: Call, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise Refusal(errors.expected("object", "values"))
    idempotency_key = keys.take(entry)
    check_members(entry, {"customer_id": None, _MEMBER: None})
    customer_id = needed_text_in(entry, "customer_id", "")
    data = needed_object_in(entry, _MEMBER, _MEMBER)
    key = needed_text_in(data, "key", f"{_MEMBER}.")
    written = _upserted(call, customer_id, key, data, idempotency_key)
    return {"customer_id": customer_id, _MEMBER: orjson.loads(written)}


def _upserted(
    call: Call, customer_id: str, key: str, data: Mapping[str, Any], idempotency_key: str | None
) -> bytes:
    check_members(data, dict.fromkeys(("key", "value", "version")), inside=f"{_MEMBER}.")
    return keys.once(
        call,
        idempotency_key,
        "attribute",
        [customer_id, key, data.get("value"), data.get("version")],
        # As with definitions, the first answer comes again whatever happened since.
        lambda _: True,
        lambda: (customer_id, _put(call, customer_id, key, data, idempotency_key)),
    )


def _put(
    call: Call, customer_id: str, key: str, data: Mapping[str, Any], idempotency_key: str | None
) -> bytes:
    found.customer(call, customer_id)
    definition = call.store.attributes.defined(key)
    if definition is None:
        raise Refusal(errors.no_definition())
    _check_writable(definition)
    value = data.get("value")
    if value is None:
        raise Refusal(errors.missing(f"{_MEMBER}.value"))
    problems = rules.judge(value, definition, f"{_MEMBER}.value")
    if problems:
        raise Refusal(*problems)
    before = call.store.attributes.find(customer_id, key)
    current = 0 if before is None else before.version
    definitions.check_write(data, current, f"{_MEMBER}.version")
    attribute = rules.as_attribute(customer_id, definition, value, before, call.now)
    if before is not None and orjson.loads(before.body) == value:
        attribute = before
    else:
        call.store.attributes.put(attribute, call.now, call.keep)
        changes = _as_json(attribute, definition, False)
        call.log_other("upsert-attribute", changes, customer_id=customer_id, key=idempotency_key)
    return orjson.dumps(_as_json(attribute, definition, False))


def _reader(call: Call, customer_id: str) -> str:
    """Return the id under which a customer's values are read."""
    survivor = call.store.profiles.survivor(customer_id)
    if call.store.profiles.body(survivor) is None:
        raise Refusal(errors.not_found("Customer", customer_id))
    return survivor


def _check_writable(definition: Definition) -> None:
    if not definition.own and definition.visibility != READ_WRITE:
        raise Refusal(errors.not_yours("This custom attribute is read only for others."))


def _as_json(attribute: Attribute, definition: Definition, defined: bool) -> Mapping[str, Any]:
    members = attribute_definitions.as_json(definition) if defined else None
    return rules.as_json(attribute, definition, members)
