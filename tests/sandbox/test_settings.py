"""The settings: what Square leaves open is decided by a switch, for all who use the file."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from square import Square as Sdk

from etl.sandbox import Sandbox, versions
from etl.sandbox.edge import Pace
from etl.sandbox.settings import TEN_YEARS
from tests.sandbox.attributes import DEFINITIONS, define, give
from tests.sandbox.conftest import START, Clock, Opened, Square

DEFAULTS = {
    "lag": 0,
    "rate": 0,
    "retry_after": True,
    "cursor_lifetime": 300,
    "key_lifetime": 24 * 3600,
    "null_clears": False,
    "short_pages": None,
    "default_version": versions.NEWEST,
}


def switch(square: Square, **changes: object) -> Any:
    """Change settings; return those in force."""
    return square.ok("POST", "/_sandbox/settings", changes)


def test_settings_are_shown(opened: Opened) -> None:
    """GET tells the settings in force: the defaults, and what the process was given."""
    assert opened().ok("GET", "/_sandbox/settings") == DEFAULTS
    assert opened(lag=2.5, rate=7).ok("GET", "/_sandbox/settings") == DEFAULTS | {
        "lag": 2.5,
        "rate": 7,
    }


def test_only_what_is_named_changes(square: Square) -> None:
    """A change leaves the other settings alone and answers with all of them."""
    assert switch(square, lag=5) == DEFAULTS | {"lag": 5}
    assert switch(square, short_pages=3) == DEFAULTS | {"lag": 5, "short_pages": 3}
    assert switch(square) == square.ok("GET", "/_sandbox/settings")


def test_null_takes_a_change_back(opened: Opened) -> None:
    """Then the process goes by what it was given again."""
    square = opened(lag=5)

    assert switch(square, lag=0, null_clears=True)["lag"] == 0
    assert switch(square, lag=None, null_clears=None) == DEFAULTS | {"lag": 5}


def test_all_who_use_a_file_agree(opened: Opened, tmp_path: Path) -> None:
    """A change holds in other processes at once, and after all have stopped."""
    path = tmp_path / "sandbox.sqlite"
    one = opened(path, lag=9)
    two = Sandbox(path)
    switch(one, lag=1, key_lifetime=60)

    assert two.control("settings", {}) == DEFAULTS | {"lag": 1, "key_lifetime": 60}
    two.close()
    again = Sandbox(path, lag=9)
    assert again.control("settings", {})["lag"] == 1
    assert again.control("settings", {"lag": None})["lag"] == 9
    assert one.ok("GET", "/_sandbox/settings")["lag"] == 9
    again.close()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lagg": 1}, "lagg"),
        ({"Lag": 1}, "Lag"),
        ({"": None}, ""),
        ({"lag": -1}, "lag"),
        ({"lag": "1"}, "lag"),
        ({"lag": True}, "lag"),
        ({"lag": TEN_YEARS + 1}, "lag"),
        ({"rate": -1}, "rate"),
        ({"rate": 1e-300}, "rate"),
        ({"rate": [1]}, "rate"),
        ({"retry_after": 1}, "retry_after"),
        ({"cursor_lifetime": 1e300}, "cursor_lifetime"),
        ({"key_lifetime": {}}, "key_lifetime"),
        ({"null_clears": "false"}, "null_clears"),
        ({"short_pages": 0}, "short_pages"),
        ({"short_pages": 1.5}, "short_pages"),
        ({"short_pages": True}, "short_pages"),
        ({"default_version": "2020-01-01"}, "default_version"),
        ({"default_version": ["2022-10-19"]}, "default_version"),
        ({"default_version": "2999-01-01"}, "default_version"),
    ],
)
def test_what_cannot_be_set_is_refused(
    square: Square, changes: dict[str, object], field: str
) -> None:
    """A misspelt name or an impossible value changes nothing, not even what stands beside it."""
    status, errors = square.refused("POST", "/_sandbox/settings", {"short_pages": 7} | changes)

    assert (status, [name for _, name in errors]) == (400, [field])
    assert square.ok("GET", "/_sandbox/settings") == DEFAULTS


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(versions.PUBLISHED),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(changes=st.dictionaries(st.sampled_from(list(DEFAULTS)) | st.text(max_size=4), _JSON))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_any_settings_are_served_or_refused(changes: dict[str, Any]) -> None:
    """Whatever is asked for, it is 200 or 400, and calls go on under what is in force."""
    sandbox = Sandbox()
    with httpx.Client(
        transport=sandbox.transport(),
        base_url="http://square.invalid",
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ) as client:
        answer = client.post("/_sandbox/settings", content=orjson.dumps(changes))
        assert answer.status_code in (200, 400)
        assert client.get("/v2/customers").status_code in (200, 429)
        expected = {name: value for name, value in changes.items() if value is not None}
        if answer.status_code == 200:
            assert sandbox.settings == DEFAULTS | expected
        else:
            assert sandbox.settings == DEFAULTS
    sandbox.close()


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    """The refusal says what may have been meant, and what there is."""
    sandbox = Sandbox()

    with pytest.raises(ValueError, match=r"no setting 'lagg'; did you mean 'lag'\? Known are lag,"):
        sandbox.control("settings", {"lagg": 1})
    with pytest.raises(ValueError, match="short_pages must be a whole number from 1 to 1000"):
        sandbox.control("settings", {"short_pages": "few"})
    sandbox.close()


@pytest.mark.parametrize("given", [{"lag": -1.0}, {"lag": float("nan")}, {"rate": float("inf")}])
def test_a_sandbox_is_not_opened_with_impossible_settings(given: dict[str, float]) -> None:
    """What a process is given is checked like a change."""
    with pytest.raises(ValueError, match=next(iter(given))):
        Sandbox(**given)  # type: ignore[arg-type]


# Lag


def test_a_raised_lag_begins_where_search_stands(square: Square) -> None:
    """Search never shows an earlier state than it has shown: it stands still, then follows."""
    path = f"/v2/customers/{square.create(given_name='A')['id']}"
    square.clock.now += 10
    square.ok("PUT", path, {"given_name": "B"})
    switch(square, lag=30)
    square.create(given_name="New")
    assert square.found() == ["B"]

    square.clock.now += 20
    square.ok("PUT", path, {"given_name": "C"})
    assert square.found() == ["B"]
    square.clock.now += 10
    assert square.found() == ["B", "New"]
    square.clock.now += 20
    assert square.found() == ["C", "New"]


def test_a_raised_lag_holds_for_custom_attributes(square: Square) -> None:
    """Values that were replaced just before the rise are not missing after it."""
    define(square, "size")
    customer = square.create(given_name="A")["id"]
    give(square, customer, "size", "38")
    square.clock.now += 10
    give(square, customer, "size", "39")
    switch(square, lag=30)
    give(square, customer, "size", "40")

    def sized(size: str) -> list[str]:
        sought = {"key": "size", "filter": {"text": {"exact": size}}}
        return square.found(filter={"custom_attribute": {"filters": [sought]}})

    assert [sized("38"), sized("39"), sized("40")] == [[], ["A"], []]
    square.clock.now += 30
    assert [sized("38"), sized("39"), sized("40")] == [[], [], ["A"]]


def test_a_lowered_lag_shows_more_at_once(opened: Opened) -> None:
    """Without a lag search shows what is there now."""
    square = opened(lag=30)
    square.create(given_name="A")
    assert square.found() == []

    switch(square, lag=0)
    assert square.found() == ["A"]


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["create", "update", "delete"]), st.integers(0, 5)),
        st.tuples(st.just("lag"), st.sampled_from([0, 5, 14, 40])),
    ),
    max_size=25,
)


@given(steps=steps)
@settings(derandomize=True, deadline=None, max_examples=80)
def test_whatever_the_lag_was_search_shows_a_state_there_was(steps: list[tuple[str, int]]) -> None:
    """List shows the state of one lag ago; after a rise, none from before that was remembered."""
    clock = Clock()
    sandbox = Sandbox(clock=clock, chance=random.Random(0))
    now: dict[str, Any] = {}
    history = [(START, dict[str, Any]())]
    lag, longest, remembered_from = 0, 0, START
    with httpx.Client(
        transport=sandbox.transport(),
        base_url="http://square.invalid",
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ) as client:
        for number, (action, value) in enumerate(steps):
            clock.now += 7
            ids = sorted(now)
            path = f"/v2/customers/{ids[value % len(ids)]}" if ids else ""
            body = {"given_name": f"G{number}"}
            if action == "lag":
                sandbox.control("settings", {"lag": value})
                if value > longest:
                    remembered_from = max(remembered_from, clock.now - longest - 0.001)
                lag, longest = value, max(longest, value)
            elif action == "create":
                made = client.post("/v2/customers", json=body).json()["customer"]
                now[made["id"]] = made
            elif action == "update" and ids:
                made = client.put(path, json=body).json()["customer"]
                now[made["id"]] = made
            elif action == "delete" and ids:
                client.delete(path)
                del now[path.rpartition("/")[2]]
            history.append((clock.now, copy.deepcopy(now)))

            moment = max(clock.now - lag, remembered_from) if lag else clock.now
            then = [state for at, state in history if at <= moment][-1]
            listed = client.get("/v2/customers", params={"count": "true"}).json()
            assert {c["id"]: c for c in listed.get("customers", [])} == then
            assert listed["count"] == len(then)
    sandbox.close()


# Pace


def test_a_rate_without_retry_after(square: Square) -> None:
    """A 429 need not say how long to wait (no source of Square's promises that it does)."""
    switch(square, rate=2, retry_after=False)
    assert [square.send("GET", "/v2/customers").status_code for _ in range(3)] == [200, 200, 429]

    answer = square.send("GET", "/v2/customers")

    assert answer.json()["errors"][0]["code"] == "RATE_LIMITED"
    assert "retry-after" not in answer.headers
    switch(square, retry_after=True)
    assert square.send("GET", "/v2/customers").headers["retry-after"] == "1"
    switch(square, rate=0)
    assert square.send("GET", "/v2/customers").status_code == 200


def test_an_advance_of_the_clock_refills_the_bucket(opened: Opened) -> None:
    """The pace is kept on the sandbox's clock."""
    square = opened(rate=0.5)
    assert [square.send("GET", "/v2/customers").status_code for _ in range(2)] == [200, 429]

    square.ok("POST", "/_sandbox/clock", {"advance": 2})
    assert [square.send("GET", "/v2/customers").status_code for _ in range(2)] == [200, 429]


@given(
    rate=st.floats(1 / TEN_YEARS, 1e6),
    pauses=st.lists(st.integers(0, 3000), max_size=20),
)
@settings(derandomize=True, deadline=None)
def test_who_waits_as_told_is_served(rate: float, pauses: list[int]) -> None:
    """After the seconds Retry-After names there is a call in the bucket, at any rate."""
    pace, now = Pace(), 0
    for pause in pauses:
        now += pause
        wait = pace.spend(b"t", now, rate)
        if wait:
            now += wait * 1000
            assert pace.spend(b"t", now, rate) == 0


# Lifetimes


def test_cursors_live_as_long_as_set(square: Square) -> None:
    """A longer or shorter lifetime holds for cursors that were issued before, too."""
    for name in "ABC":
        square.create(given_name=name)
    page = {"limit": 1, "cursor": square.ok("GET", "/v2/customers", params={"limit": 1})["cursor"]}

    switch(square, cursor_lifetime=1000)
    square.clock.now += 1000
    assert "customers" in square.ok("GET", "/v2/customers", params=page)
    switch(square, cursor_lifetime=999)
    assert square.refused("GET", "/v2/customers", params=page) == (
        400,
        [("INVALID_CURSOR", "cursor")],
    )


def test_keys_live_as_long_as_set(square: Square) -> None:
    """Beyond the lifetime set a key is new again, of customers, bulk entries and groups alike."""
    switch(square, key_lifetime=60)
    group = {"idempotency_key": "g", "group": {"name": "G"}}
    bulk = {"customers": {"b": {"given_name": "B"}}}

    def made() -> list[Any]:
        return [
            square.create(idempotency_key="k", given_name="A"),
            square.ok("POST", "/v2/customers/bulk-create", bulk),
            square.ok("POST", "/v2/customers/groups", group),
        ]

    first = made()
    square.clock.now += 60
    assert made() == first
    assert (
        square.refused("POST", "/v2/customers", {"idempotency_key": "k", "given_name": "Other"})
    ) == (400, [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")])
    square.ok("DELETE", f"/v2/customers/{first[0]['id']}")
    assert square.refused("POST", "/v2/customers", {"idempotency_key": "k", "given_name": "A"}) == (
        400,
        [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")],
    )
    square.clock.now += 1
    again = made()
    assert [one == other for one, other in zip(first, again, strict=True)] == [False] * 3
    assert square.create(idempotency_key="k", given_name="A") == again[0]


# Null, pages, versions


def test_null_may_clear_without_the_header(square: Square) -> None:
    """The API reference lets a plain null clear; the overview asks for X-Clear-Null (a switch)."""
    customer = square.create(given_name="A", nickname="N", note="x", address={"locality": "Leeds"})
    path = f"/v2/customers/{customer['id']}"
    assert square.ok("PUT", path, {"nickname": None})["customer"]["nickname"] == "N"

    switch(square, null_clears=True)

    assert "nickname" not in square.ok("PUT", path, {"nickname": None})["customer"]
    define(square, "size", name="Size", description="d", visibility="VISIBILITY_READ_ONLY")
    definition = {"custom_attribute_definition": {"description": None}}
    changed = square.send("PUT", f"{DEFINITIONS}/size", json=definition).json()
    assert changed["errors"][0]["field"] == "custom_attribute_definition.description"
    cleared = {"customers": {customer["id"]: {"note": None, "address": {"locality": None}}}}
    answer = square.ok("POST", "/v2/customers/bulk-update", cleared)["responses"][customer["id"]]
    assert {"note", "address"} & set(answer["customer"]) == set()
    assert answer["customer"]["version"] == 2


def test_the_sdk_can_clear(sdk: Sdk, stage: Any) -> None:
    """The official SDK sends None as null and never the header."""
    made = sdk.customers.create(given_name="A", nickname="N").customer
    assert made is not None
    assert made.id is not None
    stage.sandbox.control("settings", {"null_clears": True})

    updated = sdk.customers.update(customer_id=made.id, nickname=None).customer

    assert updated is not None
    assert (updated.given_name, updated.nickname) == ("A", None)


@pytest.mark.parametrize("limit", [None, 2, 3, 50])
def test_short_pages_lead_to_everything(square: Square, limit: int | None) -> None:
    """``limit`` is advisory: pages may hold fewer, the cursor tells the end (API reference)."""
    for i in range(7):
        customer = square.create(given_name=f"G{i}")
        define(square, f"G{i}")
        square.ok("POST", "/v2/customers/groups", {"group": {"name": f"G{i}"}})
    for i in range(7):
        give(square, customer["id"], f"G{i}", "x")
    switch(square, short_pages=3)
    asked = {} if limit is None else {"limit": limit}

    def page(thing: str, cursor: str | None) -> Any:
        query = asked if cursor is None else {**asked, "cursor": cursor}
        if thing == "search":
            return square.ok("POST", "/v2/customers/search", query)
        return square.ok("GET", f"/v2/customers{thing}", params=query)

    for thing, name in (
        ("", "customers"),
        ("search", "customers"),
        ("/groups", "groups"),
        ("/custom-attribute-definitions", "custom_attribute_definitions"),
        (f"/{customer['id']}/custom-attributes", "custom_attributes"),
    ):
        sizes, cursor, names = list[int](), None, list[str]()
        while not sizes or cursor:
            answer = page(thing, cursor)
            sizes.append(len(answer[name]))
            names += [
                row.get("given_name") or row.get("key") or row["name"] for row in answer[name]
            ]
            cursor = answer.get("cursor")
        assert sizes == ([2, 2, 2, 1] if limit == 2 else [3, 3, 1])
        assert sorted(names) == [f"G{i}" for i in range(7)]


def test_the_default_version_is_that_of_requests_without_one(square: Square) -> None:
    """The application's pinned version applies where no header names one (Versioning)."""
    path = f"/v2/customers/{square.create(given_name='A', birthday='1990-05-17')['id']}"
    switch(square, default_version="2022-09-21")

    pinned = square.send("GET", path)
    named = square.send("GET", path, headers={"Square-Version": "2022-10-19"})

    assert pinned.headers["square-version"] == "2022-09-21"
    assert pinned.json()["customer"]["birthday"] == "1990-05-17T00:00:00-00:00"
    assert named.headers["square-version"] == "2022-10-19"
    assert named.json()["customer"]["birthday"] == "1990-05-17"
