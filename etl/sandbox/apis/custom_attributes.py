"""What does each endpoint of customer custom attributes do?

The values of customers are read and written at once and have versions of their own; only a search
by them lags. Reading follows merges, writing does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox import errors, keys
from etl.sandbox.apis import custom_attribute_definitions as definitions
from etl.sandbox.apis.customers import EMPTY
from etl.sandbox.assumptions import BULK_BODY_LIMIT
from etl.sandbox.calls import Call
from etl.sandbox.errors import Refusal
from etl.sandbox.reading import (
    check_members,
    check_number,
    flag_in,
    needed_object_in,
    needed_text_in,
    only_member,
)
from etl.sandbox.rules import attribute_definitions
from etl.sandbox.rules import custom_attributes as rules
from etl.sandbox.search import paging
from etl.sandbox.search.selection import Place
from etl.sandbox.store.attributes import READ_WRITE, Attribute, Definition
from etl.sandbox.store.keys import Remembered

_MEMBER = "custom_attribute"
MAX_PAGE = 100
_USUAL_PAGE = 20
BULK_LIMIT = 25


def list_attributes(call: Call, customer_id: str) -> bytes:
    """ListCustomerCustomAttributes: those of others too, unless they are hidden."""
    reader = _reader(call, customer_id)
    defined = flag_in(call.parameters, "with_definitions")
    query = paging.plain_list(
        call.parameters, f"attributes {customer_id} {defined}", MAX_PAGE, _USUAL_PAGE
    )
    after, size = call.page(query)
    found = call.store.attributes.page(reader, after, size + 1)
    shown = found[:size]
    answer: dict[str, Any] = {}
    if shown:
        answer[f"{_MEMBER}s"] = [
            _as_json(attribute, definition, defined) for attribute, definition in shown
        ]
    if len(found) > size:
        end = Place(shown[-1][0].key, shown[-1][0].key)
        answer["cursor"] = paging.make_cursor(call.secret, query, end, call.now)
    return orjson.dumps(answer)


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
    _check_writer(call, customer_id)
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
    entries = only_member(call.json(BULK_BODY_LIMIT), "values")
    if not isinstance(entries, dict):
        raise Refusal(errors.expected("object", "values"))
    check_number(len(entries), BULK_LIMIT, "values", "VALUE_EMPTY", "TOO_MANY_MAP_ENTRIES")
    wanted = (len(entries) + 1) // 2 if call.half else len(entries)
    answers: dict[str, Any] = {}
    for name, entry in itertools.islice(entries.items(), wanted):
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
    value = data.get("value")
    digest = keys.digest("attribute", [customer_id, key, value, data.get("version")])
    if idempotency_key is not None:
        # As with definitions, the first answer comes again whatever happened since.
        known = keys.answered(call, idempotency_key, digest, lambda _: True)
        if known is not None:
            return known
    _check_writer(call, customer_id)
    definition = call.store.attributes.defined(key)
    if definition is None:
        raise Refusal(errors.no_definition())
    _check_writable(definition)
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
    answer = orjson.dumps(_as_json(attribute, definition, False))
    if idempotency_key is not None:
        call.store.keys.put({idempotency_key: Remembered(digest, customer_id, answer)}, call.now)
    return answer


def _reader(call: Call, customer_id: str) -> str:
    """Return the id under which a customer's values are read."""
    survivor = call.store.profiles.survivor(customer_id)
    if call.store.profiles.body(survivor) is None:
        raise Refusal(errors.customer_not_found(customer_id))
    return survivor


def _check_writer(call: Call, customer_id: str) -> None:
    if call.store.profiles.body(customer_id) is None:
        raise Refusal(errors.customer_not_found(customer_id))


def _check_writable(definition: Definition) -> None:
    if not definition.own and definition.visibility != READ_WRITE:
        raise Refusal(errors.not_yours("This custom attribute is read only for others."))


def _as_json(attribute: Attribute, definition: Definition, defined: bool) -> Mapping[str, Any]:
    members = attribute_definitions.as_json(definition) if defined else None
    return rules.as_json(attribute, definition, members)
