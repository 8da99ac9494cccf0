"""What does each endpoint of customer groups do?

Groups are read and written at once; who is in one is part of the profile, so it raises the
profile's version, and list and search show it with their lag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from etl.sandbox import errors, keys
from etl.sandbox.apis import found, lists
from etl.sandbox.calls import EMPTY, Call
from etl.sandbox.errors import Refusal
from etl.sandbox.reading import needed_object_in, needed_text_in, recognised
from etl.sandbox.rules import customers as rules
from etl.sandbox.search import paging
from etl.sandbox.store.groups import Group
from etl.sandbox.times import timestamp
from etl.sandbox.versions import GROUP_KEYS, UNKNOWN_FIELDS_REFUSED

MAX_PAGE = 50


def list_groups(call: Call) -> bytes:
    """ListCustomerGroups: the oldest first."""
    query = paging.of_list(call.parameters, paging.limit_in(call.parameters, MAX_PAGE), "groups")
    rows = call.store.groups.page
    return lists.page(call, query, "groups", rows, lambda group: group.place, _as_json)


def create_group(call: Call) -> bytes:
    """CreateCustomerGroup; two groups may have one name."""
    body = call.json()
    given = keys.take(body)
    key = given if GROUP_KEYS.holds(call.version) else None

    def make() -> tuple[str, bytes]:
        group = add(call, call.new_id(), _name(call, body), given)
        return group.id, orjson.dumps({"group": _as_json(group)})

    return keys.once(
        call, key, "group", body, lambda made: call.store.groups.find(made) is not None, make
    )


def add(call: Call, group_id: str, name: str, key: str | None = None) -> Group:
    """Keep a new group."""
    group = Group(group_id, name, call.now, call.now)
    call.store.groups.put(group)
    call.log_other("create-group", {"group_id": group_id, "name": name}, key=key)
    return group


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
    customer = orjson.loads(found.customer(call, customer_id))
    _found(call, group_id)
    return customer, customer.get("group_ids", [])


def _set(call: Call, customer: Mapping[str, Any], group_ids: Sequence[str]) -> None:
    after = rules.regrouped_customer(customer, group_ids, call.now)
    profile = rules.as_profile(after, rules.created_at(after), call.now, call.merchant.country)
    call.store.profiles.replace(profile, call.now, call.keep)
    call.log("update", after, {"group_ids": list(group_ids)})


def _found(call: Call, group_id: str) -> Group:
    group = call.store.groups.find(group_id)
    if group is None:
        raise Refusal(errors.not_found("Customer group", group_id))
    return group


def _name(call: Call, body: Mapping[str, Any]) -> str:
    group = needed_object_in(body, "group", "group")
    unknown: list[str] = []
    recognised(body, {"group": {"name": None}}, "", unknown)
    if unknown and UNKNOWN_FIELDS_REFUSED.holds(call.version):
        raise Refusal(*(errors.unknown_field(name) for name in unknown))
    if group.get("name") == "":
        raise Refusal(errors.empty("group.name"))
    return needed_text_in(group, "name", "group.")


def _as_json(group: Group) -> dict[str, str]:
    return {
        "id": group.id,
        "name": group.name,
        "created_at": timestamp(group.created),
        "updated_at": timestamp(rules.whole_second(group.updated)),
    }
