"""The Events API: which events writes make, what they tell, and how they are searched for."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import Sandbox
from tests.sandbox.conftest import Clock, Opened, Square

DAY = 24 * 3600


@pytest.fixture
def square(opened: Opened) -> Square:
    """A sandbox whose events are enabled."""
    square = opened()
    square.ok("PUT", "/v2/events/enable")
    return square


def search(square: Square, **body: Any) -> list[Any]:
    """Return the events of one page."""
    events = square.ok("POST", "/v2/events", body).get("events", [])
    assert isinstance(events, list)
    return events


def kinds(events: list[Any]) -> list[tuple[str, str]]:
    """Return type and object of each event."""
    return [(event["type"], event["data"]["id"]) for event in events]


def group(square: Square) -> str:
    """Create a group; return its id."""
    made = square.ok("POST", "/v2/customers/groups", {"group": {"name": "G"}})
    return str(made["group"]["id"])


# What writes make


def test_a_created_customer(square: Square) -> None:
    """The envelope, and the profile without segments and its phone in E.164 (API reference)."""
    customer = square.create(given_name="Ines", phone_number="(415) 555-0148", birthday="04-17")

    (event,) = search(square)

    assert len(event.pop("event_id")) == 36
    assert "segment_ids" in square.get(customer["id"])
    assert event == {
        "merchant_id": square.sandbox.merchant_id,
        "type": "customer.created",
        "created_at": "2025-09-01T08:15:30.412Z",
        "data": {
            "type": "customer",
            "id": customer["id"],
            "object": {"customer": {**customer, "phone_number": "+14155550148"}},
        },
    }


def test_an_updated_customer(square: Square) -> None:
    """customer.updated tells the whole profile after the change (API reference)."""
    customer_id = square.create(given_name="Ines", note="n")["id"]
    after = square.ok("PUT", f"/v2/customers/{customer_id}", {"note": ""})["customer"]

    event = search(square)[-1]

    assert event["type"] == "customer.updated"
    assert event["data"]["object"] == {"customer": after}
    assert "deleted" not in event["data"]


def test_a_deleted_customer(square: Square) -> None:
    """Last known values, less groups, segments and times (API reference and its example)."""
    customer_id = square.create(given_name="Ines", email_address="ines@example.net")["id"]
    square.ok("PUT", f"/v2/customers/{customer_id}/groups/{group(square)}")
    last = square.get(customer_id)
    square.ok("DELETE", f"/v2/customers/{customer_id}")

    event = search(square)[-1]

    assert event["type"] == "customer.deleted"
    assert event["data"]["deleted"] is True
    gone = {"group_ids", "segment_ids", "created_at", "updated_at"}
    assert gone < set(last)
    assert event["data"]["object"] == {
        "customer": {name: value for name, value in last.items() if name not in gone}
    }


def test_a_merge(square: Square) -> None:
    """One created for the result, one deleted for each old profile (API reference, example)."""
    old = [square.create(given_name=name)["id"] for name in ("Ines", "Inés")]
    new = square.ok("POST", "/_sandbox/merge", {"from": old})["customer"]["id"]

    events = search(square)[2:]

    assert kinds(events) == [
        ("customer.created", new),
        ("customer.deleted", old[0]),
        ("customer.deleted", old[1]),
    ]
    context = {"merge": {"from_customer_ids": old, "to_customer_id": new}}
    assert [event["data"]["object"]["event_context"] for event in events] == [context] * 3
    names = [event["data"]["object"]["customer"]["given_name"] for event in events]
    assert names == ["Ines", "Ines", "Inés"]


def test_only_merges_have_a_context(square: Square) -> None:
    """event_context is told of merges only (API reference)."""
    customer_id = square.create(given_name="Ines")["id"]
    square.ok("PUT", f"/v2/customers/{customer_id}", {"note": "n"})
    square.ok("DELETE", f"/v2/customers/{customer_id}")

    objects = [event["data"]["object"] for event in search(square)]

    assert [list(told) for told in objects] == [["customer"]] * 3


def test_membership_is_an_update(square: Square) -> None:
    """Who joins or leaves a group is updated; so are those in a group that goes (overview)."""
    ids = [square.create(given_name=name)["id"] for name in ("A", "B")]
    group_id = group(square)
    for customer_id in ids:
        square.ok("PUT", f"/v2/customers/{customer_id}/groups/{group_id}")
        square.ok("PUT", f"/v2/customers/{customer_id}/groups/{group_id}")
    square.ok("DELETE", f"/v2/customers/groups/{group_id}")

    updates = [event["data"]["object"]["customer"] for event in search(square)[2:]]

    assert [(c["id"], c["version"]) for c in updates[:2]] == [(ids[0], 1), (ids[1], 1)]
    assert sorted((c["id"], c["version"]) for c in updates[2:]) == sorted((i, 2) for i in ids)
    assert [c.get("group_ids") for c in updates] == [[group_id], [group_id], None, None]


def test_what_has_no_effect_makes_no_event(square: Square) -> None:
    """Refused writes, repeats and updates to the same values happened to nobody."""
    customer = square.create(idempotency_key="k-1", given_name="A")
    path = f"/v2/customers/{customer['id']}"
    square.create(idempotency_key="k-1", given_name="A")
    square.ok("PUT", path, {"given_name": "A"})
    square.refused("PUT", path, {"given_name": "B", "version": 7})
    square.refused("POST", "/v2/customers", {})
    square.refused("DELETE", "/v2/customers/X")

    assert len(search(square)) == 1


def test_entries_of_bulk_calls_are_events_of_their_own(square: Square) -> None:
    """Each entry that was carried out has its event, the others have none."""
    entries = {f"k{i}": {"given_name": f"G{i}"} if i % 2 else {} for i in range(100)}
    made = square.ok("POST", "/v2/customers/bulk-create", {"customers": entries})["responses"]

    ids = [entry["customer"]["id"] for entry in made.values() if "customer" in entry]
    assert kinds(search(square)) == [("customer.created", customer_id) for customer_id in ids]
    assert len(ids) == 50


def test_an_event_shares_the_fate_of_its_write(square: Square) -> None:
    """A fault before the commit leaves no event, one after it does."""
    for when in ("before", "after"):
        plan = {"endpoint": "create", "nth": 1, "do": "status", "when": when}
        square.ok("POST", "/_sandbox/faults", {"plan": [plan]})
        assert square.send("POST", "/v2/customers", json={"given_name": when}).status_code == 503

    told = [event["data"]["object"]["customer"]["given_name"] for event in search(square)]
    assert told == ["after"]


def test_seeded_profiles_are_created(square: Square) -> None:
    """A seed writes to the directory as anybody does."""
    square.ok("POST", "/_sandbox/seed", {"profiles": 20, "seed": 7})

    asked = {"event_types": ["customer.created"]}
    assert len(search(square, query={"filter": asked})) == 20


writes = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete", "merge", "join", "leave", "disband"]),
        st.integers(0, 5),
        st.sampled_from(["(415) 555-0148", "+44 20 7946 0000", "+33 1 99 00 00 00"]),
    ),
    max_size=25,
)


@given(writes=writes)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_who_replays_the_events_has_the_directory(writes: list[tuple[str, int, str]]) -> None:
    """Whatever is written, the events tell each version once and end in what is there."""
    sandbox = Sandbox(clock=Clock(), chance=random.Random(0))
    now: dict[str, Any] = {}
    with httpx.Client(
        transport=sandbox.transport(),
        base_url="http://square.invalid",
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ) as client:
        client.put("/v2/events/enable")
        group_id = ""
        for action, which, phone in writes:
            ids = sorted(now)
            target = ids[which % len(ids)] if ids else ""
            if action == "create":
                client.post("/v2/customers", json={"given_name": "A", "phone_number": phone})
            elif action == "update":
                client.put(f"/v2/customers/{target}", json={"phone_number": phone})
            elif action == "delete":
                client.delete(f"/v2/customers/{target}")
            elif action == "disband":
                client.delete(f"/v2/customers/groups/{group_id}")
            elif action == "merge" and len(ids) > 1:
                sandbox.control("merge", {"from": ids[:2]})
            else:
                group_id = client.post(
                    "/v2/customers/groups", json={"group": {"name": "G"}}
                ).json()["group"]["id"]
                method = "PUT" if action == "join" else "DELETE"
                client.request(method, f"/v2/customers/{target}/groups/{group_id}")
            listed = client.get("/v2/customers").json().get("customers", [])
            now = {customer["id"]: customer for customer in listed}

        replayed: dict[str, Any] = {}
        events = client.post("/v2/events").json().get("events", [])
        for event in events:
            customer_id, told = event["data"]["id"], event["data"]["object"]["customer"]
            if event["type"] == "customer.deleted":
                assert told["version"] == replayed.pop(customer_id)["version"]
            else:
                before = replayed.get(customer_id, {"version": -1})
                assert told["version"] == before["version"] + 1
                replayed[customer_id] = told
    sandbox.close()
    assert len({event["event_id"] for event in events}) == len(events)
    e164 = {
        "(415) 555-0148": "+14155550148",
        "+44 20 7946 0000": "+442079460000",
        "+33 1 99 00 00 00": "+33199000000",
    }
    for customer in now.values():
        del customer["segment_ids"]
        customer["phone_number"] = e164[customer["phone_number"]]
    assert replayed == now


# Enabling


def test_events_are_disabled_at_first(opened: Opened) -> None:
    """Only what happens while events are enabled can be searched for (SDK)."""
    square = opened()
    assert square.ok("POST", "/v2/events", {}) == {}
    names = ("before", "while", "after")
    for name, switch in zip(names, ("enable", "disable", "enable"), strict=True):
        square.create(given_name=name)
        assert square.ok("PUT", f"/v2/events/{switch}") == {}

    told = [event["data"]["object"]["customer"]["given_name"] for event in search(square)]
    assert told == ["while"]


def test_switching_is_logged_once(square: Square) -> None:
    """Enabling what is enabled has no effect."""
    square.ok("PUT", "/v2/events/enable")
    square.ok("PUT", "/v2/events/disable")

    actions = [entry["action"] for entry in square.sandbox.log()]
    assert actions == ["enable-events", "disable-events"]


# Search


@pytest.fixture
def busy(square: Square) -> Square:
    """A sandbox with an event a minute: three created, one updated, one deleted."""
    ids = []
    for name in ("A", "B", "C"):
        ids.append(square.create(given_name=name)["id"])
        square.clock.now += 60
    square.ok("PUT", f"/v2/customers/{ids[0]}", {"note": "n"})
    square.clock.now += 60
    square.ok("DELETE", f"/v2/customers/{ids[1]}")
    return square


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"event_types": ["customer.updated", "customer.deleted"]}, [3, 4]),
        ({"created_at": {"start_at": "2025-09-01T08:16:30.412Z"}}, [1, 2, 3, 4]),
        ({"created_at": {"end_at": "2025-09-01T10:16:30.412+02:00"}}, [0, 1]),
        (
            {
                "created_at": {
                    "start_at": "2025-09-01T08:16:31Z",
                    "end_at": "2025-09-01T08:18:31Z",
                },
                "event_types": ["customer.created"],
            },
            [2],
        ),
        ({"merchant_ids": ["SOMEBODYELSE0"]}, []),
        ({"location_ids": ["L"]}, []),
    ],
)
def test_filters(busy: Square, filters: dict[str, Any], found: list[int]) -> None:
    """By type, time, merchant and location, all of them at once (API reference)."""
    everything = search(busy)

    assert len(everything) == 5
    assert search(busy, query={"filter": filters}) == [everything[i] for i in found]


def test_the_filter_by_merchant(busy: Square) -> None:
    """Events are those of the merchants asked for (API reference)."""
    asked = {"merchant_ids": ["SOMEBODYELSE0", busy.sandbox.merchant_id]}

    assert len(search(busy, query={"filter": asked})) == 5


def test_both_orders(busy: Square) -> None:
    """The oldest first, or the newest (API reference; which is the default is an assumption)."""
    ascending = search(busy)

    assert ascending == search(busy, query={"sort": {"field": "DEFAULT", "order": "ASC"}})
    assert ascending[::-1] == search(busy, query={"sort": {"order": "DESC"}})
    times = [event["created_at"] for event in ascending]
    assert times == sorted(times)


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages(busy: Square, limit: int, order: str) -> None:
    """Pages of any size, in both orders, add up to the whole; events of one moment too."""
    busy.ok(
        "POST",
        "/v2/customers/bulk-create",
        {"customers": {f"k{i}": {"given_name": "G"} for i in range(7)}},
    )
    query = {"sort": {"order": order}}
    whole = search(busy, query=query)

    pages, cursor = [], None
    while True:
        answer = busy.ok("POST", "/v2/events", {"query": query, "limit": limit, "cursor": cursor})
        pages.append(answer["events"])
        ids = [event["event_id"] for event in answer["events"]]
        assert [entry["event_id"] for entry in answer["metadata"]] == ids
        cursor = answer.get("cursor")
        if cursor is None:
            break
    assert [event for page in pages for event in page] == whole
    assert len(whole) == 12
    assert {len(page) for page in pages[:-1]} <= {limit}


def test_the_metadata_of_events(busy: Square) -> None:
    """Each event's metadata tells the application's API version (SDK)."""
    answer = busy.ok("POST", "/v2/events", {"limit": 1})

    event_id = answer["events"][0]["event_id"]
    assert answer["metadata"] == [{"event_id": event_id, "api_version": "2026-09-16"}]


def test_the_applications_version_is_a_setting(square: Square) -> None:
    """Metadata and days are those of the default version (SDK), which can be set."""
    square.create(given_name="A", birthday="2001-04-20")
    square.ok("POST", "/_sandbox/settings", {"default_version": "2022-09-21"})

    answer = square.ok("POST", "/v2/events")

    assert answer["metadata"][0]["api_version"] == "2022-09-21"
    told = answer["events"][0]["data"]["object"]["customer"]
    assert told["birthday"] == "2001-04-20T00:00:00-00:00"


def test_a_cursor_belongs_to_its_query(busy: Square) -> None:
    """A cursor goes with the query it was issued for, whatever the limit (assumption)."""
    cursor = busy.ok("POST", "/v2/events", {"limit": 1})["cursor"]
    other = {"filter": {"event_types": ["customer.created"]}}

    assert len(search(busy, cursor=cursor, limit=3)) == 3
    refused = busy.refused("POST", "/v2/events", {"cursor": cursor, "query": other})
    assert refused == (400, [("INVALID_CURSOR", "cursor")])


def test_events_last_28_days(opened: Opened, tmp_path: Path) -> None:
    """Older events are not found (API reference), and leave the file with the next one."""
    path = tmp_path / "sandbox.sqlite"
    square = opened(path)
    square.ok("PUT", "/v2/events/enable")
    square.create(given_name="A")
    square.clock.now += 28 * DAY
    assert len(search(square)) == 1
    square.clock.now += 1
    assert square.ok("POST", "/v2/events", {}) == {}

    square.create(given_name="B")

    assert len(search(square)) == 1
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM events").fetchone() == (1,)
    db.close()


def test_an_event_keeps_its_id(opened: Opened, tmp_path: Path) -> None:
    """The id is the same at every reading, also after the file was closed."""
    path = tmp_path / "sandbox.sqlite"
    square = opened(path)
    square.ok("PUT", "/v2/events/enable")
    square.create(given_name="A")
    first = search(square)

    assert search(square) == first
    assert search(opened(path)) == first


def test_emptying_the_sandbox_forgets_events(square: Square) -> None:
    """What happened to profiles that are forgotten is forgotten; events stay enabled."""
    square.create(given_name="A")
    before = search(square)[0]["event_id"]
    square.sandbox.clear()
    assert square.ok("POST", "/v2/events", {}) == {}

    square.create(given_name="B")

    (event,) = search(square)
    assert event["event_id"] != before


def test_what_nobody_can_ask_for_is_not_kept(opened: Opened, tmp_path: Path) -> None:
    """While events are disabled and nobody subscribed, the file does not grow by them."""
    path = tmp_path / "sandbox.sqlite"
    opened(path).create(given_name="A")

    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM events").fetchone() == (0,)
    db.close()


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"limit": 0}, ("VALUE_TOO_LOW", "limit")),
        ({"limit": 101}, ("VALUE_TOO_HIGH", "limit")),
        ({"limit": 10**18}, ("VALUE_TOO_HIGH", "limit")),
        ({"limit": True}, ("EXPECTED_INTEGER", "limit")),
        ({"limit": "1"}, ("EXPECTED_INTEGER", "limit")),
        ({"cursor": 1}, ("EXPECTED_STRING", "cursor")),
        ({"cursor": "\x00ü"}, ("INVALID_CURSOR", "cursor")),
        ({"count": True}, ("BAD_REQUEST", "count")),
        ({"query": []}, ("EXPECTED_OBJECT", "query")),
        ({"query": {"filter": 1}}, ("EXPECTED_OBJECT", "query.filter")),
        ({"query": {"filter": {"type": "x"}}}, ("BAD_REQUEST", "query.filter.type")),
        ({"query": {"sort": {"field": "TYPE"}}}, ("INVALID_ENUM_VALUE", "query.sort.field")),
        ({"query": {"sort": {"order": "UP"}}}, ("INVALID_ENUM_VALUE", "query.sort.order")),
        ({"query": {"sort": {"order": 1}}}, ("EXPECTED_STRING", "query.sort.order")),
        (
            {"query": {"filter": {"event_types": []}}},
            ("ARRAY_EMPTY", "query.filter.event_types"),
        ),
        (
            {"query": {"filter": {"event_types": "customer.created"}}},
            ("EXPECTED_ARRAY", "query.filter.event_types"),
        ),
        (
            {"query": {"filter": {"event_types": [None]}}},
            ("EXPECTED_STRING", "query.filter.event_types"),
        ),
        (
            {"query": {"filter": {"event_types": ["customer.created", "invoice.created"]}}},
            ("INVALID_VALUE", "query.filter.event_types"),
        ),
        (
            {"query": {"filter": {"merchant_ids": [{}]}}},
            ("EXPECTED_STRING", "query.filter.merchant_ids"),
        ),
        (
            {"query": {"filter": {"merchant_ids": json.loads("[" * 400 + "]" * 400)}}},
            ("EXPECTED_STRING", "query.filter.merchant_ids"),
        ),
        (
            {"query": {"filter": {"created_at": {"start_at": "yesterday"}}}},
            ("INVALID_TIME", "query.filter.created_at.start_at"),
        ),
        (
            {
                "query": {
                    "filter": {
                        "created_at": {
                            "start_at": "2025-09-02T00:00:00Z",
                            "end_at": "2025-09-01T00:00:00Z",
                        }
                    }
                }
            },
            ("INVALID_TIME_RANGE", "query.filter.created_at"),
        ),
    ],
)
def test_searches_that_are_refused(
    square: Square, body: dict[str, Any], refusal: tuple[str, str]
) -> None:
    """What a search cannot be is refused as in a search for customers (assumption)."""
    assert square.refused("POST", "/v2/events", body) == (400, [refusal])


def test_a_search_needs_no_body(square: Square) -> None:
    """Without a body, everything is asked for."""
    square.create(given_name="A")

    assert len(square.ok("POST", "/v2/events")["events"]) == 1


# Types, tokens


def test_the_types_of_events(square: Square) -> None:
    """Types and the versions that brought them, for a version of choice (API reference)."""
    for path in ("/v2/events/types", "/v2/webhooks/event-types"):
        answer = square.ok("GET", path)
        named = [entry["event_type"] for entry in answer["metadata"]]
        assert named == answer["event_types"]
        assert answer["metadata"][0] == {
            "event_type": "customer.created",
            "api_version_introduced": "2021-02-26",
            "release_status": "PUBLIC",
        }
        assert {"customer.created", "customer.updated", "customer.deleted"} <= set(named)
        refused = square.refused("GET", path, params={"api_version": "2021-02-30"})
        assert refused[0] == 400


def test_they_are_the_applications_calls(square: Square) -> None:
    """A token of a seller's lacks the scope, whatever it may do (events overview; forum)."""
    scopes = ["CUSTOMERS_READ", "CUSTOMERS_WRITE"]
    token = square.ok("POST", "/_sandbox/tokens", {"scopes": scopes})["token"]
    headers = {"Authorization": f"Bearer {token}"}

    for method, path in (
        ("POST", "/v2/events"),
        ("PUT", "/v2/events/enable"),
        ("PUT", "/v2/events/disable"),
        ("GET", "/v2/events/types"),
        ("GET", "/v2/webhooks/event-types"),
        ("GET", "/v2/webhooks/subscriptions"),
    ):
        answer = square.send(method, path, headers=headers)
        assert answer.status_code == 403, path
        (error,) = answer.json()["errors"]
        assert error["code"] == "INSUFFICIENT_SCOPES"
        assert error["detail"].endswith("DEVELOPER_APPLICATION_WEBHOOKS")
