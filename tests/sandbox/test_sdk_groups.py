"""The official SDK, unmodified, covers groups, who is in them, and segments."""

from __future__ import annotations

import pytest
from square import Square as Sdk
from square.core.api_error import ApiError


def test_groups_through_the_sdk(sdk: Sdk) -> None:
    """Create, get, update, list over pages, delete."""
    made = sdk.customers.groups.create(idempotency_key="g-1", group={"name": "Loyal"}).group
    assert made is not None
    assert made.id is not None

    assert sdk.customers.groups.get(made.id).group == made
    renamed = sdk.customers.groups.update(made.id, group={"name": "Very loyal"}).group
    assert renamed is not None
    assert (renamed.id, renamed.name) == (made.id, "Very loyal")
    for number in range(4):
        sdk.customers.groups.create(group={"name": f"Group {number}"})
    names = [group.name for group in sdk.customers.groups.list(limit=2)]
    assert sorted(names) == ["Group 0", "Group 1", "Group 2", "Group 3", "Very loyal"]
    assert sdk.customers.groups.delete(made.id).errors is None
    with pytest.raises(ApiError) as gone:
        sdk.customers.groups.get(made.id)
    assert gone.value.status_code == 404


def test_membership_through_the_sdk(sdk: Sdk) -> None:
    """Add and remove, seen by get and found by search."""
    customer = sdk.customers.create(given_name="Ines").customer
    group = sdk.customers.groups.create(group={"name": "Loyal"}).group
    assert customer is not None
    assert customer.id is not None
    assert group is not None
    assert group.id is not None

    assert sdk.customers.groups.add(customer.id, group.id).errors is None

    shown = sdk.customers.get(customer.id).customer
    assert shown is not None
    assert (shown.group_ids, shown.version) == ([group.id], 1)
    found = sdk.customers.search(query={"filter": {"group_ids": {"any": [group.id]}}})
    assert found.customers == [shown]
    assert sdk.customers.groups.remove(customer.id, group.id).errors is None
    shown = sdk.customers.get(customer.id).customer
    assert shown is not None
    assert shown.group_ids is None


def test_segments_through_the_sdk(sdk: Sdk) -> None:
    """List over pages, get, and search by one."""
    segments = list(sdk.customers.segments.list(limit=1))
    reachable = segments[-1]
    assert [segment.name for segment in segments] == [
        *("Cards on File", "Lapsed", "Regulars", "Reachable")
    ]
    assert reachable.id is not None

    assert sdk.customers.segments.get(reachable.id).segment == reachable

    sdk.customers.create(given_name="Ines", email_address="ines@example.net")
    sdk.customers.create(given_name="Tomas")
    query = {"filter": {"segment_ids": {"any": [reachable.id]}}}
    found = sdk.customers.search(query=query).customers
    assert found is not None
    assert [customer.given_name for customer in found] == ["Ines"]
