"""What can be switched where Square leaves a choice, and what others do meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    FORUM,
    GROUPS,
    OVERVIEW,
    REFERENCE,
    SDK,
    SEARCH,
    TAP,
    Check,
    Facts,
    after,
    errors_of,
    path_of,
)

fact = Facts()


def switch(square: Square, **settings: Any) -> None:
    """Change settings."""
    square.ok("POST", "/_sandbox/settings", settings)


def script(square: Square, **act: Any) -> None:
    """Have something happen at the first call of an endpoint."""
    square.ok("POST", "/_sandbox/faults", {"plan": [{"nth": 1, **act}]})


# Settings


@fact(f"{REFERENCE}: UpdateCustomer; the SDK sends bare null", choice="null without X-Clear-Null")
def null_can_clear_without_its_header(square: Square) -> None:
    """As a run with the official SDK needs it."""
    customer = square.create(given_name="Ava", note="n", address={"locality": "Leeds"})
    body = {"note": None, "address": {"locality": None}}
    switch(square, null_clears=True)
    cleared = square.ok("PUT", path_of(customer), body)["customer"]
    assert {"note", "address"}.isdisjoint(cleared)


@fact(CHOICE, choice="cursor lifetime")
def cursors_can_live_for_another_time(square: Square) -> None:
    """So many seconds, then 400 INVALID_CURSOR."""
    for name in "AB":
        square.create(given_name=name)
    switch(square, cursor_lifetime=10)
    cursor = square.ok("POST", SEARCH, {"limit": 1})["cursor"]
    after(square, 10)
    assert square.send("POST", SEARCH, json={"cursor": cursor}).status_code == 200
    after(square, 1)
    assert square.refused("POST", SEARCH, {"cursor": cursor})[1] == [("INVALID_CURSOR", "cursor")]


@fact(CHOICE, choice="idempotency key, lifetime")
def keys_can_live_for_another_time(square: Square) -> None:
    """So many seconds, then a key is new."""
    switch(square, key_lifetime=10)
    data = {"idempotency_key": "k-1", "given_name": "Ava"}
    first = square.create(**data)
    after(square, 9)
    assert square.create(**data) == first
    after(square, 2)
    assert square.create(**data)["id"] != first["id"]


@fact(f"{REFERENCE}, limit is advisory", choice="limit")
def pages_can_be_shorter_than_their_limit(square: Square) -> None:
    """A page may hold fewer rows; only a missing cursor is the end."""
    for name in "ABCDE":
        square.create(given_name=name)
    switch(square, short_pages=2)
    sizes, body = [], {"limit": 100}
    while True:
        answer = square.ok("POST", SEARCH, body)
        sizes.append(len(answer["customers"]))
        if "cursor" not in answer:
            break
        body["cursor"] = answer["cursor"]
    assert sizes == [2, 2, 1]
    assert len(square.ok("GET", CUSTOMERS)["customers"]) == 2


@fact(f"{REFERENCE}, limit is advisory", choice="limit")
def pages_are_full_by_default(square: Square) -> None:
    """As many rows as the limit allows."""
    for name in "ABCDE":
        square.create(given_name=name)
        square.ok("POST", GROUPS, {"group": {"name": name}})
    assert len(square.ok("GET", CUSTOMERS, params={"limit": "4"})["customers"]) == 4
    assert len(square.ok("GET", GROUPS, params={"limit": "4"})["groups"]) == 4


@fact(SDK, choice="rate limit", rows=[(True,), (False,)])
def a_429_has_retry_after_or_not(square: Square, told: bool) -> None:
    """Square does not document the header; the SDK honours it if it is sent."""
    switch(square, rate=1, retry_after=told)
    square.ok("GET", CUSTOMERS)
    answer = square.send("GET", CUSTOMERS)
    assert (answer.status_code, "retry-after" in answer.headers) == (429, told)


@fact(CHOICE, choice="default Square-Version")
def another_version_can_be_the_default(square: Square) -> None:
    """As if the application were pinned to it; a header still wins."""
    switch(square, default_version="2022-09-21")
    answer = square.send("POST", CUSTOMERS, json={"given_name": "A", "birthday": "2001-04-20"})
    assert answer.headers["square-version"] == "2022-09-21"
    path = path_of(answer.json()["customer"])
    assert answer.json()["customer"]["birthday"] == "2001-04-20T00:00:00-00:00"
    headers = {"Square-Version": "2022-10-19"}
    assert square.ok("GET", path, headers=headers)["customer"]["birthday"] == "2001-04-20"


@fact(f"{REFERENCE}: ListCustomers, SearchCustomers", choice="lag that is raised")
def a_lag_can_be_raised(square: Square) -> None:
    """List and search stand still until they are that far behind."""
    square.create(given_name="A")
    switch(square, lag=60)
    square.create(given_name="B")
    assert square.found() == ["A"]
    after(square, 59)
    assert square.found() == ["A"]
    after(square, 2)
    assert square.found() == ["A", "B"]


@fact(CHOICE, choice="rate limit")
def a_rate_can_be_set(square: Square) -> None:
    """And taken back."""
    switch(square, rate=2)
    assert [square.send("GET", CUSTOMERS).status_code for _ in range(3)] == [200, 200, 429]
    switch(square, rate=None)
    assert {square.send("GET", CUSTOMERS).status_code for _ in range(5)} == {200}


# Others


@fact(f"{OVERVIEW}, Customer profile versions and optimistic concurrency support")
def somebody_else_edits_meanwhile(square: Square) -> None:
    """The source of an update can be Square products; the guard notices it."""
    customer = square.create(given_name="Ava")
    script(square, endpoint="update", do="edit", changes={"note": "by the seller"})
    body = {"nickname": "A", "version": 0}
    assert square.refused("PUT", path_of(customer), body) == (409, [("CONFLICT", "")])
    shown = square.get(customer["id"])
    assert (shown["note"], shown["version"]) == ("by the seller", 1)


@fact(f"{OVERVIEW}, Retrieving a customer profile by ID")
def somebody_else_deletes_meanwhile(square: Square) -> None:
    """Then there is nothing to update."""
    customer = square.create(given_name="Ava")
    script(square, endpoint="update", do="delete")
    refused = square.refused("PUT", path_of(customer), {"nickname": "A"})
    assert refused == (404, [("NOT_FOUND", "")])


@fact(f"{REFERENCE}, error codes", rows=[("expire", "EXPIRED"), ("revoke", "REVOKED")])
def a_token_ends_meanwhile(square: Square, act: str, what: str) -> None:
    """At the n-th call, and from then on."""
    token = square.ok("POST", "/_sandbox/tokens", {"scopes": ["CUSTOMERS_READ"]})["token"]
    headers = {"Authorization": f"Bearer {token}"}
    square.ok("GET", CUSTOMERS, headers=headers)
    script(square, endpoint="list", do=act)
    for _ in range(2):
        told = square.refused("GET", CUSTOMERS, headers=headers)
        assert told == (401, [(f"ACCESS_TOKEN_{what}", "")])


@fact(CHOICE, choice="token that expired or was revoked", rows=[("expire",), ("revoke",)])
def the_sandboxs_own_token_keeps_its_control_calls(square: Square, act: str) -> None:
    """Once it has ended it opens nothing else."""
    script(square, endpoint="list", do=act)
    assert square.send("GET", CUSTOMERS).status_code == 401
    assert square.send("POST", SEARCH, json={}).status_code == 401
    square.ok("GET", "/_sandbox/log")


@fact(CHOICE, choice="pause of a whole application")
def a_pause_tells_what_is_left_of_it(square: Square) -> None:
    """In Retry-After."""
    script(square, endpoint="list", do="pause", seconds=120)
    assert square.send("GET", CUSTOMERS).headers["retry-after"] == "120"
    after(square, 100)
    assert square.send("GET", CUSTOMERS).headers["retry-after"] == "20"


@fact(f"{FORUM} 26925")
def a_whole_application_is_limited_for_minutes(square: Square) -> None:
    """With the other text of a 429, to the letter; later calls pass again."""
    script(square, endpoint="list", do="pause", seconds=120)
    answer = square.send("GET", CUSTOMERS)
    (error,) = errors_of(answer)
    assert answer.status_code == 429
    assert (error["category"], error["code"]) == ("RATE_LIMIT_ERROR", "RATE_LIMITED")
    assert error["detail"] == "Application is rate limited, please try again in a few minutes"
    assert square.send("POST", SEARCH, json={}).status_code == 429
    after(square, 121)
    assert square.send("GET", CUSTOMERS).status_code == 200


@fact(
    TAP,
    rows=[
        ("upstream", "upstream connect error"),
        ("unavailable", "Service Unavailable"),
        ("1101", "1101"),
    ],
)
def pages_of_the_edge_are_no_json(square: Square, page: str, text: str) -> None:
    """Words a production extractor has met, and treats as retryable."""
    script(square, endpoint="list", do="garbage", page=page)
    answer = square.send("GET", CUSTOMERS)
    assert answer.status_code >= 500
    assert text in answer.text
    assert "json" not in answer.headers["content-type"]
    assert square.send("GET", CUSTOMERS).status_code == 200


@fact(f"{FORUM} 3338")
def the_old_shape_of_a_429(square: Square) -> None:
    """Category V1_ERROR, code TOO_MANY_REQUESTS."""
    script(square, endpoint="list", do="garbage", page="v1-429")
    answer = square.send("GET", CUSTOMERS)
    (error,) = errors_of(answer)
    told = (answer.status_code, error["category"], error["code"])
    assert told == (429, "V1_ERROR", "TOO_MANY_REQUESTS")


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_switches(opened: Opened, check: Check) -> None:
    """The sandbox can be set where Square leaves a choice."""
    check.hold(opened)
