"""Customer groups and who is in them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    DOCUMENTATION,
    GROUPS,
    MISSING,
    RECORDS,
    REFERENCE,
    SDK,
    SEARCH,
    Check,
    Facts,
    after,
    merged,
    path_of,
)

fact = Facts()

OBJECT = f"{REFERENCE}: CustomerGroup"
MEMBERS = f"{REFERENCE}: AddGroupToCustomer, RemoveGroupFromCustomer"
NOT_FOUND = (404, [("NOT_FOUND", "")])


def made(square: Square, name: str = "A", **more: Any) -> Any:
    """Create a group; return it."""
    return square.ok("POST", GROUPS, {"group": {"name": name}, **more})["group"]


def member(square: Square, group: Any, **data: Any) -> Any:
    """Create a customer in a group; return it as it is then."""
    customer = square.create(**({"given_name": "Ava"} | data))
    square.ok("PUT", f"{path_of(customer)}/groups/{group['id']}")
    return square.get(customer["id"])


@fact(OBJECT)
def a_group_in_full(square: Square) -> None:
    """Id, name and two times."""
    group = made(square, "Newsletter 2025")
    assert group == {
        "id": group["id"],
        "name": "Newsletter 2025",
        "created_at": "2025-09-01T08:15:30.412Z",
        "updated_at": "2025-09-01T08:15:30Z",
    }


@fact(f"{REFERENCE}: RetrieveCustomerGroup")
def a_group_is_retrieved_by_id(square: Square) -> None:
    """As it was created."""
    group = made(square)
    assert square.ok("GET", f"{GROUPS}/{group['id']}") == {"group": group}


@fact(f"{REFERENCE}: UpdateCustomerGroup")
def a_group_is_renamed(square: Square) -> None:
    """Its name and updated_at change."""
    group = made(square)
    after(square, 60)
    body = {"group": {"name": "B"}}
    renamed = square.ok("PUT", f"{GROUPS}/{group['id']}", body)["group"]
    assert renamed == group | {"name": "B", "updated_at": "2025-09-01T08:16:30Z"}


@fact(f"{REFERENCE}: DeleteCustomerGroup")
def a_group_is_deleted(square: Square) -> None:
    """Then it is neither retrieved nor listed."""
    group = made(square)
    square.ok("DELETE", f"{GROUPS}/{group['id']}")
    assert square.refused("GET", f"{GROUPS}/{group['id']}") == NOT_FOUND
    assert square.ok("GET", GROUPS) == {}


@fact(
    f"{REFERENCE}, error codes",
    rows=[("GET", None), ("PUT", {"group": {"name": "B"}}), ("DELETE", None)],
)
def an_unknown_group_is_not_found(square: Square, method: str, body: object) -> None:
    """404 NOT_FOUND."""
    assert square.refused(method, f"{GROUPS}/{MISSING}", body) == NOT_FOUND


@fact(
    f"{SDK} tests",
    rows=[
        ({"group": {"name": ""}}, "VALUE_EMPTY"),
        ({"group": {}}, "MISSING_REQUIRED_PARAMETER"),
        ({}, "MISSING_REQUIRED_PARAMETER"),
    ],
)
def a_group_needs_a_name(square: Square, body: dict[str, Any], code: str) -> None:
    """On create and on update."""
    group = made(square)
    for method, path in (("POST", GROUPS), ("PUT", f"{GROUPS}/{group['id']}")):
        status, problems = square.refused(method, path, body)
        assert (status, problems[0][0]) == (400, code)
    assert square.ok("GET", GROUPS) == {"groups": [group]}


@fact(
    f"{REFERENCE}, error codes",
    rows=[({"group": "A"}, "EXPECTED_OBJECT"), ({"group": {"name": 7}}, "EXPECTED_STRING")],
)
def types_of_a_group_are_judged(square: Square, body: dict[str, Any], code: str) -> None:
    """A wrong JSON type says which was expected."""
    status, problems = square.refused("POST", GROUPS, body)
    assert (status, problems[0][0]) == (400, code)


@fact(OBJECT, rows=[("id",), ("created_at",), ("updated_at",)])
def the_rest_of_a_group_is_read_only(square: Square, name: str) -> None:
    """Unknown fields are refused on create and update since 2022-03-16."""
    body = {"group": {"name": "A", name: "x"}}
    assert square.refused("POST", GROUPS, body) == (400, [("BAD_REQUEST", f"group.{name}")])


@fact(CHOICE, choice="groups of one name")
def groups_may_have_one_name(square: Square) -> None:
    """Two groups of one name are two; a name may be long."""
    assert made(square)["id"] != made(square)["id"]
    assert len(made(square, "n" * 5000)["name"]) == 5000


@fact(f"{DOCUMENTATION}: changelog of 2022-03-16")
def a_repeated_key_answers_the_group_it_made(square: Square) -> None:
    """The first answer, and no second group."""
    first = made(square, idempotency_key="k-1")
    assert made(square, idempotency_key="k-1") == first
    assert square.ok("GET", GROUPS) == {"groups": [first]}


@fact(f"{DOCUMENTATION}: Idempotency")
def a_key_of_a_group_with_another_name_is_reused(square: Square) -> None:
    """IDEMPOTENCY_KEY_REUSED."""
    made(square, idempotency_key="k-1")
    body = {"idempotency_key": "k-1", "group": {"name": "B"}}
    expected = (400, [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")])
    assert square.refused("POST", GROUPS, body) == expected


@fact(CHOICE, choice="idempotency key after a delete")
def a_key_of_a_deleted_group_stays_used(square: Square) -> None:
    """As that of a deleted customer."""
    group = made(square, idempotency_key="k-1")
    square.ok("DELETE", f"{GROUPS}/{group['id']}")
    body = {"idempotency_key": "k-1", "group": {"name": "A"}}
    assert square.refused("POST", GROUPS, body)[1][0][0] == "IDEMPOTENCY_KEY_REUSED"


# Lists


def many(square: Square, number: int) -> list[str]:
    """Make groups; return their ids in the order of their making."""
    ids = []
    for i in range(number):
        ids.append(made(square, f"G{i}")["id"])
        after(square, 1)
    return ids


@fact(f"{REFERENCE}: ListCustomerGroups")
def a_list_has_50_groups_by_default(square: Square) -> None:
    """And a cursor for the rest."""
    ids = many(square, 51)
    first = square.ok("GET", GROUPS)
    second = square.ok("GET", GROUPS, params={"cursor": first["cursor"]})
    assert (len(first["groups"]), len(second["groups"]), "cursor" in second) == (50, 1, False)
    assert {group["id"] for group in first["groups"] + second["groups"]} == set(ids)


@fact(f"{REFERENCE}: ListCustomerGroups", rows=[("1", 1), ("3", 3), ("50", 4)])
def the_limits_of_a_list_are_1_and_50(square: Square, limit: str, size: int) -> None:
    """Both bounds are good."""
    many(square, 4)
    assert len(square.ok("GET", GROUPS, params={"limit": limit})["groups"]) == size


@fact(
    f"{REFERENCE}: ListCustomerGroups",
    rows=[("0", "VALUE_TOO_LOW"), ("51", "VALUE_TOO_HIGH"), ("x", "EXPECTED_INTEGER")],
)
def other_limits_of_a_list_are_refused(square: Square, limit: str, code: str) -> None:
    """400 with the parameter's name."""
    assert square.refused("GET", GROUPS, params={"limit": limit}) == (400, [(code, "limit")])


@fact(f"{REFERENCE}, error codes")
def a_made_up_cursor_of_groups_is_refused(square: Square) -> None:
    """400 INVALID_CURSOR."""
    assert square.refused("GET", GROUPS, params={"cursor": "x"})[1] == [
        ("INVALID_CURSOR", "cursor")
    ]


@fact(CHOICE, choice="order of groups in a list", lag=30.0)
def the_oldest_group_is_listed_first(square: Square) -> None:
    """And a list of groups does not lag."""
    ids = many(square, 3)
    made(square, "now")
    names = [group["name"] for group in square.ok("GET", GROUPS)["groups"]]
    assert (names, len(ids)) == (["G0", "G1", "G2", "now"], 3)


# Membership


@fact(MEMBERS)
def a_member_names_its_groups(square: Square) -> None:
    """group_ids holds what was joined, and is absent when all were left."""
    group = made(square)
    customer = member(square, group)
    assert customer["group_ids"] == [group["id"]]
    square.ok("DELETE", f"{path_of(customer)}/groups/{group['id']}")
    assert "group_ids" not in square.get(customer["id"])


@fact(MEMBERS)
def a_customer_is_in_many_groups(square: Square) -> None:
    """One membership per call; leaving one keeps the others."""
    one, two = made(square, "1"), made(square, "2")
    customer = member(square, one)
    square.ok("PUT", f"{path_of(customer)}/groups/{two['id']}")
    assert sorted(square.get(customer["id"])["group_ids"]) == sorted([one["id"], two["id"]])
    square.ok("DELETE", f"{path_of(customer)}/groups/{one['id']}")
    assert square.get(customer["id"])["group_ids"] == [two["id"]]


@fact(MEMBERS, rows=[("PUT",), ("DELETE",)])
def membership_needs_a_customer_and_a_group(square: Square, method: str) -> None:
    """404 NOT_FOUND for either."""
    group, customer = made(square), square.create(given_name="Ava")
    assert square.refused(method, f"{CUSTOMERS}/{MISSING}/groups/{group['id']}") == NOT_FOUND
    assert square.refused(method, f"{path_of(customer)}/groups/{MISSING}") == NOT_FOUND


@fact(CHOICE, choice="joining a group twice, leaving one without being in it")
def a_membership_without_effect(square: Square) -> None:
    """{}; the version stays."""
    group, other = made(square), made(square)
    customer = member(square, group)
    square.ok("PUT", f"{path_of(customer)}/groups/{group['id']}")
    square.ok("DELETE", f"{path_of(customer)}/groups/{other['id']}")
    assert square.get(customer["id"]) == customer


@fact(CHOICE, choice="membership by a merged id", rows=[("PUT",), ("DELETE",)])
def membership_needs_the_new_id(square: Square, method: str) -> None:
    """404 NOT_FOUND by an id that was merged away."""
    group = made(square)
    old = member(square, group)
    merged(square, old, square.create(given_name="A."))
    assert square.refused(method, f"{path_of(old)}/groups/{group['id']}") == NOT_FOUND


@fact(CHOICE, choice="body of a membership call", rows=[(b"",), (b"{}",), (b"no JSON",)])
def the_body_of_a_membership_call_is_not_read(square: Square, body: bytes) -> None:
    """Whatever it holds."""
    group, customer = made(square), square.create(given_name="Ava")
    path = f"{path_of(customer)}/groups/{group['id']}"
    assert square.send("PUT", path, content=body).status_code == 200


@fact(RECORDS)
def an_update_does_not_change_membership(square: Square) -> None:
    """You cannot use UpdateCustomer to change group membership."""
    group = made(square)
    customer = member(square, group)
    body = {"nickname": "A", "group_ids": []}
    assert square.ok("PUT", path_of(customer), body)["customer"]["group_ids"] == [group["id"]]


@fact(CHOICE, choice="deleting a group")
def a_deleted_group_is_left_by_all(square: Square) -> None:
    """Which raises the versions of its members."""
    group, other = made(square), made(square)
    customer = member(square, group)
    square.ok("PUT", f"{path_of(customer)}/groups/{other['id']}")
    square.ok("DELETE", f"{GROUPS}/{group['id']}")
    left = square.get(customer["id"])
    assert (left["group_ids"], left["version"]) == ([other["id"]], 3)


@fact(f"{REFERENCE}: CustomerGroup")
def deleting_a_customer_keeps_its_groups(square: Square) -> None:
    """A group is not its members."""
    group = made(square)
    square.ok("DELETE", path_of(member(square, group)))
    assert square.ok("GET", f"{GROUPS}/{group['id']}") == {"group": group}


@fact(f"{REFERENCE}: SearchCustomers, group_ids", lag=30.0)
def searching_by_group_lags(square: Square) -> None:
    """Membership is part of the profile, which search shows later."""
    group = made(square)
    member(square, group)
    body = {"query": {"filter": {"group_ids": {"any": [group["id"]]}}}}
    assert square.ok("POST", SEARCH, body) == {}
    after(square, 31)
    assert len(square.ok("POST", SEARCH, body)["customers"]) == 1


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_groups(opened: Opened, check: Check) -> None:
    """Groups are as the documents say."""
    check.hold(opened)
