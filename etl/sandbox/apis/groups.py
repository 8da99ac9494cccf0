"""What does each endpoint of customer groups do?

Groups are read and written at once; who is in one is part of the profile, so it raises the
profile's version, and list and search show it with their lag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from etl.sandbox import errors, keys
from etl.sandbox.apis.customers import EMPTY
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.rules import customers as rules
from etl.sandbox.search import paging
from etl.sandbox.store.groups import Group
from etl.sandbox.times import timestamp
from etl.sandbox.versions import GROUP_KEYS, UNKNOWN_FIELDS_REFUSED

MAX_PAGE = 50


def list_groups(call: Call) -> bytes:
    """ListCustomerGroups: the oldest first."""
    query = paging.plain_list(call.parameters, "groups", MAX_PAGE)
    after, size = call.page(query)
    found = call.store.groups.page(after, size + 1)
    groups = found[:size]
    answer: dict[str, Any] = {"groups": [_as_json(group) for group in groups]} if groups else {}
    if len(found) > size:
        answer["cursor"] = paging.make_cursor(call.secret, query, groups[-1].place, call.now)
    return orjson.dumps(answer)


def create_group(call: Call) -> bytes:
    """CreateCustomerGroup; two groups may have one name."""
    body = call.json()
    given = keys.take(body)
    key = given if GROUP_KEYS.holds(call.version) else None

    def make() -> tuple[str, bytes]:
        group = Group(call.new_id(), _name(call, body), call.now, call.now)
        call.store.groups.put(group)
        call.log_other("create-group", {"group_id": group.id, "name": group.name}, key=given)
        return group.id, orjson.dumps({"group": _as_json(group)})

    return keys.once(
        call, key, "group", body, lambda made: call.store.groups.find(made) is not None, make
    )


def retrieve_group(call: Call, group_id: str) -> bytes:
    """RetrieveCustomerGroup: at once, whatever the lag."""
    return orjson.dumps({"group": _as_json(_found(call, group_id))})


def update_group(call: Call, group_id: str) -> bytes:
    """UpdateCustomerGroup: its name."""
    group = _found(call, group_id)
    name = _name(call, call.json())
    if name != group.name:
        group = group._replace(name=name, updated=call.now)
        call.store.groups.put(group)
        call.log_other("update-group", {"group_id": group_id, "name": name})
    return orjson.dumps({"group": _as_json(group)})


def delete_group(call: Call, group_id: str) -> bytes:
    """DeleteCustomerGroup: its members leave it first."""
    _found(call, group_id)
    for body in call.store.profiles.members(group_id):
        customer = orjson.loads(body)
        _set(call, customer, [other for other in customer["group_ids"] if other != group_id])
    call.store.groups.remove(group_id)
    call.log_other("delete-group", {"group_id": group_id})
    return EMPTY


def add_member(call: Call, customer_id: str, group_id: str) -> bytes:
    """AddGroupToCustomer; a second time it has no effect."""
    customer, group_ids = _membership(call, customer_id, group_id)
    if group_id not in group_ids:
        _set(call, customer, [*group_ids, group_id])
    return EMPTY


def remove_member(call: Call, customer_id: str, group_id: str) -> bytes:
    """RemoveGroupFromCustomer; without effect on who is not in it."""
    customer, group_ids = _membership(call, customer_id, group_id)
    if group_id in group_ids:
        _set(call, customer, [other for other in group_ids if other != group_id])
    return EMPTY


def _membership(call: Call, customer_id: str, group_id: str) -> tuple[dict[str, Any], list[str]]:
    body = call.store.profiles.body(customer_id)
    if body is None:
        raise Refusal(errors.customer_not_found(customer_id))
    _found(call, group_id)
    customer = orjson.loads(body)
    return customer, customer.get("group_ids", [])


def _set(call: Call, customer: Mapping[str, Any], group_ids: Sequence[str]) -> None:
    after = rules.regrouped_customer(customer, group_ids, call.now)
    profile = rules.as_profile(after, rules.created_at(after), call.now, call.merchant.country)
    call.store.profiles.replace(profile, call.now, call.keep)
    call.log("update", after, {"group_ids": list(group_ids)})


def _found(call: Call, group_id: str) -> Group:
    group = call.store.groups.find(group_id)
    if group is None:
        raise Refusal(errors.group_not_found(group_id))
    return group


def _name(call: Call, body: Mapping[str, Any]) -> str:
    group = body.get("group")
    if group is None:
        raise Refusal(Problem("MISSING_REQUIRED_PARAMETER", "group is required.", "group"))
    if not isinstance(group, dict):
        raise Refusal(errors.expected("object", "group"))
    unknown = [name for name in body if name != "group"]
    unknown += [f"group.{name}" for name in group if name != "name"]
    if unknown and UNKNOWN_FIELDS_REFUSED.holds(call.version):
        raise Refusal(*(errors.unknown_field(name) for name in unknown))
    name = group.get("name")
    if name is None:
        raise Refusal(
            Problem("MISSING_REQUIRED_PARAMETER", "group.name is required.", "group.name")
        )
    if not isinstance(name, str):
        raise Refusal(errors.expected("string", "group.name"))
    if not name:
        raise Refusal(Problem("VALUE_EMPTY", "Expected group.name not to be empty", "group.name"))
    return name


def _as_json(group: Group) -> dict[str, str]:
    return {
        "id": group.id,
        "name": group.name,
        "created_at": timestamp(group.created),
        "updated_at": timestamp(rules.whole_second(group.updated)),
    }
