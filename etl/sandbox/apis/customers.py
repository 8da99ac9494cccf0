"""What does each endpoint of the Customers API do?

A handler gets a call and the ids in its path, and returns the body of a 200 answer or raises
Refusal. It reads and writes through the store, inside the one transaction of its request.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from etl.sandbox import errors, keys
from etl.sandbox.apis import belongings, segments, shown
from etl.sandbox.assumptions import BULK_BODY_LIMIT, BULK_LIMIT, MAX_KEY_LENGTH
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import check_number, is_integer, only_member
from etl.sandbox.rules import customers as rules
from etl.sandbox.search import paging, query
from etl.sandbox.store.keys import Remembered
from etl.sandbox.versions import EMPTY_UPDATES_REFUSED, UNKNOWN_FIELDS_REFUSED

EMPTY = b"{}"


# Single calls


def create(call: Call) -> bytes:
    """CreateCustomer: limits, codes and idempotency keys as the Square-Version has them."""
    data = call.json()
    key = keys.take(data)
    strict = UNKNOWN_FIELDS_REFUSED.holds(call.version)
    (created,) = _created(call, [(key, data)], strict=strict)
    return b'{"customer":%b}' % _unless_refused(created)


class _New(NamedTuple):
    """A customer to be created, and the idempotency key that will stand for it."""

    values: rules.Values
    key: str | None
    digest: bytes


def _created(
    call: Call, entries: Sequence[tuple[str | None, Any]], *, strict: bool
) -> list[bytes | Refusal]:
    """Create customers, each for itself; return the text of each, or why it is refused.

    All are judged before the first is written, so that they can be written together.
    """
    known = keys.known(call, [key for key, _ in entries if key is not None])
    judged: list[_New | bytes | Refusal] = []
    for key, data in entries:
        try:
            judged.append(_judged(call, key, _entry(data), known, strict=strict))
        except Refusal as refusal:
            judged.append(refusal)
    written = iter(_written(call, [one for one in judged if isinstance(one, _New)]))
    return [next(written) if isinstance(one, _New) else one for one in judged]


def _judged(
    call: Call,
    key: str | None,
    data: Mapping[str, Any],
    known: Mapping[str, Remembered],
    *,
    strict: bool,
) -> _New | bytes:
    digest = b""
    if key is not None:
        digest = keys.digest("customer", data)
        answer = keys.repeated(known.get(key), digest, call.store.profiles.knows)
        if answer is not None:
            return answer
    judged = rules.judge_new(data, call.merchant.country, call.version, strict=strict)
    if judged.problems:
        raise Refusal(*judged.problems)
    if not rules.is_public(judged.values):
        raise Refusal(errors.no_identity())
    return _New(judged.values, key, digest)


def _written(call: Call, new: Sequence[_New]) -> list[bytes]:
    profiles, remembered = [], {}
    for one, customer_id in zip(new, call.new_ids(len(new)), strict=True):
        customer = rules.new_customer(customer_id, one.values, "THIRD_PARTY", call.now)
        profile = rules.as_profile(customer, call.now, call.now, call.merchant.country)
        profiles.append(profile)
        call.log("create", customer, one.values, one.key)
        if one.key is not None:
            remembered[one.key] = Remembered(one.digest, customer_id, profile.body)
    call.store.profiles.insert_all(profiles, call.now)
    call.store.keys.put(remembered, call.now)
    return [profile.body for profile in profiles]


def _unless_refused(created: bytes | Refusal) -> bytes:
    if isinstance(created, Refusal):
        raise created
    return created


def retrieve(call: Call, customer_id: str) -> bytes:
    """RetrieveCustomer; the id of a merged profile shows the one it became."""
    body = call.store.profiles.body(call.store.profiles.survivor(customer_id))
    if body is None:
        raise Refusal(errors.customer_not_found(customer_id))
    return b'{"customer":%b}' % shown.profile(call, body)


def update(call: Call, customer_id: str) -> bytes:
    """UpdateCustomer: sparse, guarded by ``version`` if it is given."""
    return b'{"customer":%b}' % _updated(call, customer_id, call.json(), strict=False)


def _updated(call: Call, customer_id: str, data: Mapping[str, Any], *, strict: bool) -> bytes:
    body = call.store.profiles.body(customer_id)
    if body is None:
        raise Refusal(errors.customer_not_found(customer_id))
    judged = rules.judge_change(
        data,
        call.merchant.country,
        call.version,
        clear_null=call.null_clears,
        strict=strict,
    )
    version = data.get("version")
    if version is not None and type(version) is not int:
        judged.problems.append(errors.expected("integer", "version"))
    if judged.problems:
        raise Refusal(*judged.problems)
    if not judged.mentioned and EMPTY_UPDATES_REFUSED.holds(call.version):
        raise Refusal(errors.nothing_to_update())
    before = orjson.loads(body)
    if version is not None and version != before["version"]:
        raise Refusal(errors.conflict())
    after, changes = rules.changed_customer(before, judged.values, call.now)
    if not changes:
        return shown.with_cards(call, customer_id, body)
    if rules.is_public(before) and not rules.is_public(after):
        raise Refusal(errors.no_identity())
    profile = rules.as_profile(after, rules.created_at(after), call.now, call.merchant.country)
    call.store.profiles.replace(profile, call.now, call.keep)
    call.log("update", after, changes)
    return shown.with_cards(call, customer_id, profile.body)


def delete(call: Call, customer_id: str) -> bytes:
    """DeleteCustomer, guarded by ``version`` if it is given."""
    version = call.parameters.get("version")
    if version is not None and not is_integer(version):
        raise Refusal(errors.expected("integer", "version"))
    _deleted(call, customer_id, None if version is None else int(version))
    return EMPTY


def _deleted(call: Call, customer_id: str, version: int | None = None) -> bytes:
    body = call.store.profiles.body(customer_id)
    if body is None:
        raise Refusal(errors.customer_not_found(customer_id))
    customer = orjson.loads(body)
    if version is not None and version != customer["version"]:
        raise Refusal(errors.conflict())
    call.store.profiles.remove(customer_id, call.now, call.keep)
    call.store.attributes.forget(customer_id, call.now, call.keep)
    belongings.give_up(call, customer_id)
    call.log("delete", customer, {})
    return EMPTY


# List and search


def list_customers(call: Call) -> bytes:
    """ListCustomers: page by page, sorted, counted if asked."""
    return _page(call, query.from_parameters(call.parameters))


def search_customers(call: Call) -> bytes:
    """SearchCustomers: exact and fuzzy texts, ranges, sources, groups, segments."""
    # Without a body everything is asked for, as with an empty one.
    body = call.json() if call.request.body.strip() else {}
    known = segments.ids(call.merchant)
    defined = call.store.attributes.defined
    return _page(call, query.from_body(body, known, defined, call.version, call.now))


def _page(call: Call, asked: paging.Query) -> bytes:
    after, size = call.page(asked)
    members = []
    if asked.selection is not None:
        page = call.store.profiles.page(asked.selection, call.shown, after, size)
        if page.bodies:
            members.append(b'"customers":[%b]' % b",".join(shown.profiles(call, page.bodies)))
        if page.end is not None:
            cursor = paging.make_cursor(call.secret, asked, page.end, call.now)
            members.append(b'"cursor":"%b"' % cursor.encode())
    if asked.counted:
        counted = (
            0 if asked.selection is None else call.store.profiles.count(asked.selection, call.shown)
        )
        members.append(b'"count":%d' % counted)
    return b"{%b}" % b",".join(members)


# Bulk calls


def bulk_create(call: Call) -> bytes:
    """BulkCreateCustomers: the map's keys are idempotency keys."""
    entries = _map_of_entries(call)
    for key in entries:
        if not key:
            raise Refusal(Problem("MAP_KEY_LENGTH_TOO_SHORT", "A key is empty.", "customers"))
        if len(key) > MAX_KEY_LENGTH:
            raise Refusal(
                Problem(
                    "MAP_KEY_LENGTH_TOO_LONG",
                    f"A key has more than {MAX_KEY_LENGTH} characters.",
                    "customers",
                )
            )
    wanted = _wanted(call, entries)
    created = dict(zip(wanted, _created(call, list(wanted.items()), strict=True), strict=True))
    return _each(call, entries, lambda key, _: _unless_refused(created[key]))


def bulk_update(call: Call) -> bytes:
    """BulkUpdateCustomers: the map's keys are customer ids."""
    return _each(
        call,
        _map_of_entries(call),
        lambda key, data: _updated(call, key, _entry(data), strict=True),
    )


def bulk_retrieve(call: Call) -> bytes:
    """BulkRetrieveCustomers: one answer per distinct id, merges followed."""
    asked = _list_of_ids(call)
    stored = {key: call.store.profiles.body(call.store.profiles.survivor(key)) for key in asked}
    known = {key: body for key, body in stored.items() if body is not None}
    told = dict(zip(known, shown.profiles(call, list(known.values())), strict=True))
    return _each(call, asked, lambda key, _: _told(told, key))


def _told(told: Mapping[str, bytes], customer_id: str) -> bytes:
    if customer_id not in told:
        raise Refusal(errors.customer_not_found(customer_id))
    return told[customer_id]


def bulk_delete(call: Call) -> bytes:
    """BulkDeleteCustomers: one answer per distinct id, no versions."""
    return _each(call, _list_of_ids(call), lambda key, _: _deleted(call, key))


def _map_of_entries(call: Call) -> dict[str, Any]:
    entries = only_member(call.json(BULK_BODY_LIMIT), "customers")
    if not isinstance(entries, dict):
        raise Refusal(errors.expected("object", "customers"))
    check_number(len(entries), BULK_LIMIT, "customers", "VALUE_EMPTY", "TOO_MANY_MAP_ENTRIES")
    return entries


def _list_of_ids(call: Call) -> dict[str, None]:
    asked = only_member(call.json(BULK_BODY_LIMIT), "customer_ids")
    if not isinstance(asked, list):
        raise Refusal(errors.expected("array", "customer_ids"))
    if not all(isinstance(customer_id, str) for customer_id in asked):
        raise Refusal(errors.expected("string", "customer_ids"))
    check_number(len(asked), BULK_LIMIT, "customer_ids", "ARRAY_EMPTY", "ARRAY_LENGTH_TOO_LONG")
    return dict.fromkeys(asked)


def _entry(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Refusal(errors.expected("object", "customers"))
    return data


def _wanted(call: Call, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries to carry out: the first half if the call has to stop half-way."""
    wanted = (len(entries) + 1) // 2 if call.half else len(entries)
    return dict(itertools.islice(entries.items(), wanted))


def _each(call: Call, entries: Mapping[str, Any], carry_out: Callable[[str, Any], bytes]) -> bytes:
    """Carry out every entry for itself; what one does to the others is nothing."""
    answers = []
    for key, data in _wanted(call, entries).items():
        try:
            body = carry_out(key, data)
            answer = body if body == EMPTY else b'{"customer":%b}' % body
        except Refusal as refusal:
            answer = orjson.dumps(errors.as_errors(refusal.problems))
        answers.append(b"%b:%b" % (orjson.dumps(key), answer))
    return b'{"responses":{%b}}' % b",".join(answers)
