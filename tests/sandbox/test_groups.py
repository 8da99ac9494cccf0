"""Customer groups and who is in them; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from etl.sandbox import ids
from etl.sandbox.assumptions import KEY_LIFETIME
from tests.sandbox.conftest import Opened, Square

GROUPS = "/v2/customers/groups"
MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"


def make(square: Square, name: str = "Newsletter 2025", **more: Any) -> str:
    """Create a group and return its id."""
    return str(square.ok("POST", GROUPS, {"group": {"name": name}, **more})["group"]["id"])


def join(square: Square, customer_id: str, group_id: str) -> None:
    """Put a customer into a group."""
    assert square.ok("PUT", f"/v2/customers/{customer_id}/groups/{group_id}") == {}


def leave(square: Square, customer_id: str, group_id: str) -> None:
    """Take a customer out of a group."""
    assert square.ok("DELETE", f"/v2/customers/{customer_id}/groups/{group_id}") == {}


def test_a_group_is_created_and_retrieved(square: Square) -> None:
    """Id, name and two times, milliseconds in the first only (Customer Groups API, examples)."""
    group = square.ok("POST", GROUPS, {"group": {"name": "Newsletter 2025"}})["group"]

    assert group == {
        "id": group["id"],
        "name": "Newsletter 2025",
        "created_at": "2025-09-01T08:15:30.412Z",
        "updated_at": "2025-09-01T08:15:30Z",
    }
    assert len(group["id"]) == 26
    assert set(group["id"]) <= set(ids.ALPHABET)
    assert square.ok("GET", f"{GROUPS}/{group['id']}") == {"group": group}


def test_a_group_gets_another_name(square: Square) -> None:
    """Update changes the name and ``updated_at``; the same name again changes nothing."""
    path = f"{GROUPS}/{make(square)}"
    square.clock.now += 60

    renamed = square.ok("PUT", path, {"group": {"name": "Readers"}})["group"]

    assert (renamed["name"], renamed["updated_at"]) == ("Readers", "2025-09-01T08:16:30Z")
    assert renamed["created_at"] == "2025-09-01T08:15:30.412Z"
    square.clock.now += 60
    assert square.ok("PUT", path, {"group": {"name": "Readers"}})["group"] == renamed
    assert square.ok("GET", path)["group"] == renamed


def test_groups_of_one_name_are_two(square: Square) -> None:
    """A name that is taken may be given again (assumption)."""
    assert make(square) != make(square)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ("MISSING_REQUIRED_PARAMETER", "group")),
        ({"group": "x"}, ("EXPECTED_OBJECT", "group")),
        ({"group": {}}, ("MISSING_REQUIRED_PARAMETER", "group.name")),
        ({"group": {"name": None}}, ("MISSING_REQUIRED_PARAMETER", "group.name")),
        ({"group": {"name": ""}}, ("VALUE_EMPTY", "group.name")),
        ({"group": {"name": 7}}, ("EXPECTED_STRING", "group.name")),
        ({"group": {"name": "x", "id": "y"}}, ("BAD_REQUEST", "group.id")),
        ({"group": {"name": "x"}, "shoe": 38}, ("BAD_REQUEST", "shoe")),
    ],
)
def test_groups_need_a_name_and_nothing_else(
    square: Square, body: dict[str, Any], error: tuple[str, str]
) -> None:
    """An empty name is an error (SDK tests), so are unknown fields (changelog of 2022-03-16)."""
    path = f"{GROUPS}/{make(square)}"

    assert square.refused("POST", GROUPS, body) == (400, [error])
    assert square.refused("PUT", path, body) == (400, [error])
    assert len(square.ok("GET", GROUPS)["groups"]) == 1


def test_a_repeated_create_answers_the_first_group(square: Square) -> None:
    """The same key and data give the first answer, even after a change (2022-03-16)."""
    body = {"idempotency_key": "k-1", "group": {"name": "A"}}
    first = square.ok("POST", GROUPS, body)
    square.ok("PUT", f"{GROUPS}/{first['group']['id']}", {"group": {"name": "B"}})

    assert square.ok("POST", GROUPS, body) == first
    other = {"idempotency_key": "k-1", "group": {"name": "C"}}
    reused = (400, [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")])
    assert square.refused("POST", GROUPS, other) == reused
    customer = {"idempotency_key": "k-1", "given_name": "Ava"}
    assert square.refused("POST", "/v2/customers", customer) == reused
    square.ok("DELETE", f"{GROUPS}/{first['group']['id']}")
    assert square.refused("POST", GROUPS, body) == reused
    square.clock.now += KEY_LIFETIME + 1
    assert square.ok("POST", GROUPS, body) != first


@pytest.mark.parametrize("key", ["", "k" * 46, 7])
def test_group_keys_have_1_to_45_characters(square: Square, key: object) -> None:
    """The bound of customers' keys holds (assumption)."""
    body = {"idempotency_key": key, "group": {"name": "A"}}

    assert square.refused("POST", GROUPS, body)[1][0][1] == "idempotency_key"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_group_is_not_found(square: Square, method: str) -> None:
    """404 NOT_FOUND, for a customer's id too (list of codes)."""
    body = {"group": {"name": "A"}} if method == "PUT" else None
    customer_id = square.create(given_name="Ava")["id"]

    for group_id in (MISSING, customer_id):
        assert square.refused(method, f"{GROUPS}/{group_id}", body) == (404, [("NOT_FOUND", "")])


def test_groups_are_listed_in_pages(square: Square) -> None:
    """Up to 50 in a page, ``{}`` if there are none, a cursor while more follow (reference)."""
    assert square.ok("GET", GROUPS) == {}
    made = [make(square, f"G{i}") for i in range(51)]

    first = square.ok("GET", GROUPS)
    rest = square.ok("GET", GROUPS, params={"cursor": first["cursor"]})
    pair = square.ok("GET", GROUPS, params={"limit": 2})

    assert (len(first["groups"]), len(rest["groups"]), len(pair["groups"])) == (50, 1, 2)
    assert {group["id"] for group in first["groups"] + rest["groups"]} == set(made)
    assert "cursor" not in rest
    assert "cursor" not in square.ok("GET", GROUPS, params={"cursor": first["cursor"], "limit": 1})


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"limit": 0}, "VALUE_TOO_LOW"),
        ({"limit": 51}, "VALUE_TOO_HIGH"),
        ({"limit": "ten"}, "EXPECTED_INTEGER"),
        ({"cursor": "abc"}, "INVALID_CURSOR"),
    ],
)
def test_group_list_parameters_are_checked(
    square: Square, parameters: dict[str, Any], code: str
) -> None:
    """A limit outside 1 to 50 has its codes (reference); INVALID_CURSOR is on the list."""
    assert square.refused("GET", GROUPS, params=parameters)[1][0][0] == code


def test_a_cursor_of_customers_is_none_of_groups(square: Square) -> None:
    """A cursor belongs to its query (assumption)."""
    square.create(given_name="A")
    square.create(given_name="B")
    cursor = square.ok("GET", "/v2/customers", params={"limit": 1})["cursor"]

    assert square.refused("GET", GROUPS, params={"cursor": cursor})[1][0][0] == "INVALID_CURSOR"


def test_membership_is_part_of_the_profile(square: Square) -> None:
    """``group_ids`` come with the profile, each change raises its version (overview, versions)."""
    customer = square.create(given_name="Ava")
    one, two = make(square, "One"), make(square, "Two")
    square.clock.now += 60

    join(square, customer["id"], two)
    join(square, customer["id"], one)

    joined = square.get(customer["id"])
    assert joined == customer | {
        "group_ids": [two, one],
        "version": 2,
        "updated_at": "2025-09-01T08:16:30Z",
    }
    assert square.ok("GET", "/v2/customers")["customers"] == [joined]
    leave(square, customer["id"], two)
    leave(square, customer["id"], one)
    assert square.get(customer["id"]) == customer | {
        "version": 4,
        "updated_at": "2025-09-01T08:16:30Z",
    }


def test_joining_twice_and_leaving_twice_change_nothing(square: Square) -> None:
    """Both are ``{}`` and keep the version (assumption)."""
    customer_id, group_id = square.create(given_name="Ava")["id"], make(square)

    leave(square, customer_id, group_id)
    assert square.get(customer_id)["version"] == 0
    join(square, customer_id, group_id)
    join(square, customer_id, group_id)
    assert square.get(customer_id)["version"] == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_membership_needs_both(square: Square, method: str) -> None:
    """An unknown customer or group is 404, the customer's in the literal words (reference)."""
    customer_id, group_id = square.create(given_name="Ava")["id"], make(square)

    nobody = square.send(method, f"/v2/customers/{MISSING}/groups/{group_id}")
    nowhere = square.send(method, f"/v2/customers/{customer_id}/groups/{MISSING}")

    assert (nobody.status_code, nowhere.status_code) == (404, 404)
    assert nobody.json()["errors"][0]["detail"] == f"Customer with ID `{MISSING}` not found."


def test_an_update_keeps_the_groups(square: Square) -> None:
    """UpdateCustomer does not touch membership, whatever it says (Keep Customer Records)."""
    customer_id, group_id = square.create(given_name="Ava")["id"], make(square)
    join(square, customer_id, group_id)
    path = f"/v2/customers/{customer_id}"

    updated = square.ok("PUT", path, {"nickname": "A", "group_ids": [], "version": 1})["customer"]

    assert (updated["group_ids"], updated["version"]) == ([group_id], 2)
    stale = {"nickname": "B", "version": 0}
    assert square.refused("PUT", path, stale)[1] == [("CONFLICT", "")]


def test_a_deleted_group_leaves_every_profile(square: Square) -> None:
    """Deleting a group takes it from all profiles and raises their versions (assumption)."""
    group_id, other = make(square), make(square, "Other")
    inside = [square.create(given_name=name)["id"] for name in "AB"]
    outside = square.create(given_name="C")
    for customer_id in inside:
        join(square, customer_id, group_id)
    join(square, inside[0], other)

    assert square.ok("DELETE", f"{GROUPS}/{group_id}") == {}

    assert square.send("GET", f"{GROUPS}/{group_id}").status_code == 404
    assert square.get(inside[0])["group_ids"] == [other]
    assert "group_ids" not in square.get(inside[1])
    assert square.get(inside[1])["version"] == 2
    assert square.get(outside["id"]) == outside
    assert square.found(filter={"group_ids": {"any": [group_id]}}) == []


def test_a_merge_carries_memberships_over(square: Square) -> None:
    """The new profile is in the groups of all it was made of (assumption)."""
    one, two = make(square, "One"), make(square, "Two")
    first, second = (square.create(given_name=name)["id"] for name in "AB")
    for customer_id, group_id in ((first, one), (second, two), (second, one)):
        join(square, customer_id, group_id)

    merged = square.sandbox.control("merge", {"from": [first, second]})["customer"]

    assert (merged["group_ids"], merged["version"]) == ([one, two], 0)
    assert square.found(filter={"group_ids": {"all": [one, two]}}) == ["A"]
    path = f"/v2/customers/{first}/groups/{one}"
    assert square.refused("PUT", path) == (404, [("NOT_FOUND", "")])


def test_search_by_groups(square: Square) -> None:
    """``any``, ``all`` and ``none`` combine; an unknown group yields ``{}`` (reference)."""
    one, two = make(square, "One"), make(square, "Two")
    for name, group_ids in (("A", [one]), ("B", [two]), ("AB", [one, two]), ("none", [])):
        customer_id = square.create(given_name=name)["id"]
        for group_id in group_ids:
            join(square, customer_id, group_id)

    for rules, names in (
        ({"any": [one]}, ["A", "AB"]),
        ({"any": [one, two]}, ["A", "AB", "B"]),
        ({"all": [one, two]}, ["AB"]),
        ({"none": [one]}, ["B", "none"]),
        ({"none": [one, two]}, ["none"]),
        ({"any": [one], "none": [two]}, ["A"]),
        ({"any": [one], "all": [two], "none": None}, ["AB"]),
        ({"all": [one, one]}, ["A", "AB"]),
        ({"any": [MISSING, two]}, ["AB", "B"]),
        ({"none": [MISSING], "any": [one]}, ["A", "AB"]),
    ):
        assert square.found(filter={"group_ids": rules}) == names, rules
        counted = {"count": True, "query": {"filter": {"group_ids": rules}}}
        assert square.ok("POST", "/v2/customers/search", counted)["count"] == len(names)
    for rules in ({"any": [MISSING]}, {"all": [one, MISSING]}):
        body = {"query": {"filter": {"group_ids": rules}}}
        assert square.ok("POST", "/v2/customers/search", body) == {}


def test_a_group_is_searched_in_pages(square: Square) -> None:
    """Members come page by page, in the order asked for, with other filters (reference)."""
    group_id, made = make(square), []
    for i in range(5):
        square.clock.now += 1
        customer_id = square.create(given_name=f"G{i}")["id"]
        join(square, customer_id, group_id)
        made.append(customer_id)
    query = {
        "filter": {
            "group_ids": {"any": [group_id]},
            "updated_at": {"start_at": "2025-09-01T08:15:32Z"},
        },
        "sort": {"field": "CREATED_AT", "order": "DESC"},
    }

    body: dict[str, Any] = {"query": query, "limit": 3, "count": True}
    first = square.ok("POST", "/v2/customers/search", body)
    rest = square.ok("POST", "/v2/customers/search", {**body, "cursor": first["cursor"]})

    found = [customer["id"] for customer in first["customers"] + rest["customers"]]
    assert (found, first["count"]) == (made[:0:-1], 4)


def test_membership_lags_in_search_only(opened: Opened) -> None:
    """Groups and profiles by id are read at once, searches show them later (assumption)."""
    square = opened(lag=30)
    customer_id, group_id = square.create(given_name="A")["id"], make(square)
    square.clock.now += 60
    join(square, customer_id, group_id)
    asked = {"group_ids": {"any": [group_id]}}

    assert square.get(customer_id)["group_ids"] == [group_id]
    assert len(square.ok("GET", GROUPS)["groups"]) == 1
    assert square.found(filter=asked) == []
    square.clock.now += 30
    assert square.found(filter=asked) == ["A"]


def test_writes_to_groups_are_logged(square: Square) -> None:
    """Every effective write is in the log, a membership as an update of its profile."""
    group_id = make(square, "A", idempotency_key="k-1")
    make(square, "A", idempotency_key="k-1")
    square.ok("PUT", f"{GROUPS}/{group_id}", {"group": {"name": "B"}})
    customer_id = square.create(given_name="Ava")["id"]
    join(square, customer_id, group_id)
    join(square, customer_id, group_id)
    square.ok("DELETE", f"{GROUPS}/{group_id}")

    log = [
        (entry["endpoint"], entry["action"], entry["customer_id"], entry["version"])
        for entry in square.sandbox.log()
    ]
    changes = [entry["changes"] for entry in square.sandbox.log()]

    assert log == [
        ("create-group", "create-group", "", 0),
        ("update-group", "update-group", "", 0),
        ("create", "create", customer_id, 0),
        ("add-group", "update", customer_id, 1),
        ("delete-group", "update", customer_id, 2),
        ("delete-group", "delete-group", "", 0),
    ]
    assert changes == [
        {"group_id": group_id, "name": "A"},
        {"group_id": group_id, "name": "B"},
        {"given_name": "Ava"},
        {"group_ids": [group_id]},
        {"group_ids": []},
        {"group_id": group_id},
    ]
    assert [entry["idempotency_key"] for entry in square.sandbox.log()][:2] == ["k-1", None]


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("CUSTOMERS_READ", "GET", GROUPS),
        ("CUSTOMERS_READ", "GET", f"{GROUPS}/X"),
        ("CUSTOMERS_WRITE", "POST", GROUPS),
        ("CUSTOMERS_WRITE", "PUT", f"{GROUPS}/X"),
        ("CUSTOMERS_WRITE", "DELETE", f"{GROUPS}/X"),
        ("CUSTOMERS_WRITE", "PUT", "/v2/customers/Y/groups/X"),
        ("CUSTOMERS_WRITE", "DELETE", "/v2/customers/Y/groups/X"),
    ],
)
def test_groups_need_the_scopes_of_customers(
    square: Square, scope: str, method: str, path: str
) -> None:
    """CUSTOMERS_READ reads, CUSTOMERS_WRITE writes, and neither does the other (reference)."""

    def status(scopes: list[str]) -> httpx.Response:
        token = square.sandbox.control("tokens", {"scopes": scopes})["token"]
        return square.send(method, path, headers={"Authorization": f"Bearer {token}"})

    other = {"CUSTOMERS_READ": "CUSTOMERS_WRITE", "CUSTOMERS_WRITE": "CUSTOMERS_READ"}[scope]
    assert status([other]).json()["errors"][0]["code"] == "INSUFFICIENT_SCOPES"
    assert status([scope]).status_code != 403


def test_a_reset_forgets_the_groups(square: Square) -> None:
    """Clearing forgets groups and members with the profiles."""
    join(square, square.create(given_name="Ava")["id"], make(square))

    assert square.sandbox.clear() == 1

    assert square.ok("GET", GROUPS) == {}
    assert square.ok("GET", "/v2/customers") == {}
