"""Events of custom attributes and gift cards: their names, whom they concern, what they tell."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.attributes import DEFINITIONS, define, give, upsert, values_of
from tests.sandbox.conftest import Opened, Square
from tests.sandbox.receivers import Receiver
from tests.sandbox.test_events import kinds, search
from tests.sandbox.test_gift_cards import link, make

APPLICATION = "sandbox-sq0idb-local"
SUBSCRIPTIONS = "/v2/webhooks/subscriptions"
KINDS = [
    f"{about}.{owner}.{verb}"
    for owner in ("owned", "visible")
    for about, verbs in (
        ("custom_attribute_definition", ("created", "updated", "deleted")),
        ("custom_attribute", ("updated", "deleted")),
    )
    for verb in verbs
]


@pytest.fixture
def square(opened: Opened) -> Square:
    """A sandbox whose events are enabled."""
    square = opened()
    square.ok("PUT", "/v2/events/enable")
    return square


def about(square: Square) -> list[Any]:
    """Return the events that are not about a profile, less the beginning of their types."""
    events = search(square)
    for event in events:
        event["type"] = event["type"].removeprefix("customer.")
    return [event for event in events if event["data"]["type"] != "customer"]


# Custom attributes


def test_a_definition_lives(square: Square) -> None:
    """Created, updated and deleted, as owned and as visible, with the definition (SDK)."""
    texts = {"name": "Drink", "description": "D"}
    made = define(square, "drink", visibility="VISIBILITY_READ_ONLY", **texts)
    path = f"{DEFINITIONS}/drink"
    data = {"custom_attribute_definition": {"description": "What to have ready"}}
    changed = square.ok("PUT", path, data)["custom_attribute_definition"]
    square.ok("PUT", path, data)
    square.ok("DELETE", path)

    events = about(square)

    assert kinds(events) == [
        (f"custom_attribute_definition.{owner}.{verb}", f"{APPLICATION}:drink")
        for verb in ("created", "updated", "deleted")
        for owner in ("owned", "visible")
    ]
    told = [event["data"]["object"]["custom_attribute_definition"] for event in events[::2]]
    assert told == [made, changed, changed]
    assert [event["data"]["type"] for event in events] == ["custom_attribute_definition"] * 6
    assert [event["data"].get("deleted") for event in events[::2]] == [None, None, True]


def test_a_value_lives(square: Square) -> None:
    """updated for the first value too; the id names application, key and customer (reference)."""
    define(square, "drink")
    customer_id = square.create(given_name="Ines")["id"]
    first = give(square, customer_id, "drink", "Tea")
    second = give(square, customer_id, "drink", "Mate")
    give(square, customer_id, "drink", "Mate")
    square.ok("DELETE", f"{values_of(customer_id)}/drink")

    events = [event for event in about(square) if event["data"]["type"] == "custom_attribute"]

    object_id = f"{APPLICATION}:drink:CUSTOMER:{customer_id}"
    assert kinds(events) == [
        (f"custom_attribute.{owner}.{verb}", object_id)
        for verb in ("updated", "updated", "deleted")
        for owner in ("owned", "visible")
    ]
    told = [event["data"]["object"]["custom_attribute"] for event in events[::2]]
    assert told == [first, second, second]
    assert [event["data"].get("deleted") for event in events[::2]] == [None, None, True]


def test_values_in_bulk(square: Square) -> None:
    """Each entry of a bulk upsert that was carried out has its events."""
    define(square, "drink")
    ids = [square.create(given_name=name)["id"] for name in ("A", "B")]
    entries = {
        **{f"v{i}": {"customer_id": ids[i], **upsert("Tea", key="drink")} for i in range(2)},
        "bad": {"customer_id": ids[0], **upsert("Tea", key="unknown")},
    }
    square.ok("POST", "/v2/customers/custom-attributes/bulk-upsert", {"values": entries})

    asked = {"event_types": ["customer.custom_attribute.owned.updated"]}
    found = [event["data"]["id"] for event in search(square, query={"filter": asked})]
    assert found == [f"{APPLICATION}:drink:CUSTOMER:{customer_id}" for customer_id in ids]


def test_values_that_go_with_something_else(square: Square) -> None:
    """Values deleted with their definition or customer have no events (assumption)."""
    define(square, "drink")
    for name in ("A", "B"):
        give(square, square.create(given_name=name)["id"], "drink", "Tea")
    before = len(search(square))
    first = next(event["data"]["id"] for event in search(square) if "given_name" in str(event))
    square.ok("DELETE", f"/v2/customers/{first}")
    square.ok("DELETE", f"{DEFINITIONS}/drink")

    assert [event["type"] for event in search(square)[before:]] == [
        "customer.deleted",
        "customer.custom_attribute_definition.owned.deleted",
        "customer.custom_attribute_definition.visible.deleted",
    ]


def test_attributes_are_no_news_of_the_profile(square: Square) -> None:
    """Customer events are not fired by changes to custom attributes (Customers webhooks)."""
    define(square, "drink")
    customer_id = square.create(given_name="Ines")["id"]
    give(square, customer_id, "drink", "Tea")

    asked = {"event_types": ["customer.created", "customer.updated"]}
    assert len(search(square, query={"filter": asked})) == 1


def test_what_others_made(square: Square) -> None:
    """Others' attributes are visible, not owned; hidden ones are neither (SDK)."""
    square.sandbox.control("seed", {"profiles": 60, "seed": 7})
    page = square.ok("POST", "/v2/events", {})
    events = page["events"]
    while "cursor" in page:
        page = square.ok("POST", "/v2/events", {"cursor": page["cursor"]})
        events += page["events"]

    owned, visible = (
        {event["data"]["id"] for event in events if f".{owner}." in event["type"]}
        for owner in ("owned", "visible")
    )
    assert owned < visible
    assert {object_id.split(":")[0] for object_id in owned} == {APPLICATION}
    others = {object_id for object_id in visible if not object_id.startswith(APPLICATION)}
    assert others
    listed = square.ok("GET", DEFINITIONS, params={"limit": 100})["custom_attribute_definitions"]
    known = {entry["key"] for entry in listed}
    assert {object_id.partition(":CUSTOMER:")[0] for object_id in others} <= known


def test_older_names(opened: Opened, receiver: Receiver) -> None:
    """Before 2022-08-17 events of attributes had other names (release notes)."""
    square = opened()
    old = square.ok("GET", "/v2/events/types", params={"api_version": "2022-07-20"})
    names = [name for name in old["event_types"] if "attribute" in name]
    assert sorted(names) == sorted(
        f"customer.{kind}".replace(".owned", "").replace(".visible", ".public") for kind in KINDS
    )
    data = {
        "event_types": names,
        "notification_url": receiver.url,
        "api_version": "2022-07-20",
    }
    square.ok("POST", SUBSCRIPTIONS, {"subscription": data})
    define(square, "hidden", visibility="VISIBILITY_HIDDEN")
    texts = {"name": "Shown", "description": "S"}
    define(square, "shown", visibility="VISIBILITY_READ_ONLY", **texts)

    square.sandbox.deliver()

    prefix = "customer.custom_attribute_definition"
    assert kinds([one.event for one in receiver.taken()]) == [
        (f"{prefix}.created", f"{APPLICATION}:hidden"),
        (f"{prefix}.created", f"{APPLICATION}:shown"),
        (f"{prefix}.public.created", f"{APPLICATION}:shown"),
    ]


def test_names_belong_to_versions(square: Square) -> None:
    """A subscription may have the types of its version only, and can be moved with them."""
    new = [f"customer.{kind}" for kind in KINDS]
    old = ["customer.custom_attribute.updated"]
    url = "http://127.0.0.1:9/"

    def refused(version: str, types: list[str]) -> tuple[int, list[tuple[str, str]]]:
        data = {"event_types": types, "notification_url": url, "api_version": version}
        return square.refused("POST", SUBSCRIPTIONS, {"subscription": data})

    wrong = (400, [("INVALID_VALUE", "subscription.event_types")])
    assert refused("2022-07-20", new) == wrong
    assert refused("2022-08-17", old) == wrong
    assert refused("2022-04-20", old) == wrong
    data = {"event_types": old, "notification_url": url, "api_version": "2022-05-12"}
    made = square.ok("POST", SUBSCRIPTIONS, {"subscription": data})["subscription"]
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    later = {"api_version": "2022-08-17"}
    assert square.refused("PUT", path, {"subscription": later}) == wrong
    moved = square.ok("PUT", path, {"subscription": {**later, "event_types": new}})
    assert moved["subscription"]["event_types"] == new


def test_searches_know_the_newest_names(square: Square) -> None:
    """Older names are not searched for; the newest are those of today's types."""
    define(square, "drink")

    asked = {"event_types": ["customer.custom_attribute_definition.created"]}
    refused = square.refused("POST", "/v2/events", {"query": {"filter": asked}})
    assert refused == (400, [("INVALID_VALUE", "query.filter.event_types")])
    assert {event["type"] for event in search(square)} == {
        f"customer.custom_attribute_definition.{owner}.created" for owner in ("owned", "visible")
    }


# Gift cards


def test_gift_cards_are_linked_and_unlinked(square: Square) -> None:
    """The card as it is then, and the id of the customer (SDK)."""
    customer_id = square.create(given_name="Ines")["id"]
    card_id = make(square)["id"]
    linked = link(square, card_id, customer_id)
    link(square, card_id, customer_id)
    unlinked = link(square, card_id, customer_id, "unlink")
    link(square, card_id, customer_id, "unlink")

    events = about(square)

    assert kinds(events) == [
        ("gift_card.customer_linked", card_id),
        ("gift_card.customer_unlinked", card_id),
    ]
    assert [event["data"]["object"] for event in events] == [
        {"gift_card": linked, "linked_customer_id": customer_id},
        {"gift_card": unlinked, "unlinked_customer_id": customer_id},
    ]
    assert [event["data"]["type"] for event in events] == ["gift_card"] * 2
    assert linked["customer_ids"] == [customer_id]
    assert "customer_ids" not in unlinked


def test_who_is_deleted_is_unlinked(square: Square) -> None:
    """A deleted customer leaves its gift cards, which is told."""
    customer_id = square.create(given_name="Ines")["id"]
    card_id = make(square)["id"]
    link(square, card_id, customer_id)
    square.ok("DELETE", f"/v2/customers/{customer_id}")

    assert [event["type"] for event in search(square)[-2:]] == [
        "gift_card.customer_unlinked",
        "customer.deleted",
    ]


def test_gift_cards_are_no_news_of_the_profile(square: Square) -> None:
    """Customer events are not fired by changes to cards (Customers webhooks)."""
    customer_id = square.create(given_name="Ines")["id"]
    link(square, make(square)["id"], customer_id)

    asked = {"event_types": ["customer.updated"]}
    assert search(square, query={"filter": asked}) == []


# Tests of subscriptions


def test_every_type_can_be_tested(square: Square, receiver: Receiver) -> None:
    """Each type of every version has a made-up event that looks like a real one."""
    for version in ("2022-07-20", "2026-09-16"):
        types = square.ok("GET", "/v2/webhooks/event-types", params={"api_version": version})
        data = {
            "event_types": types["event_types"],
            "notification_url": receiver.url,
            "api_version": version,
        }
        made = square.ok("POST", SUBSCRIPTIONS, {"subscription": data})["subscription"]
        for name in types["event_types"]:
            square.ok("POST", f"{SUBSCRIPTIONS}/{made['id']}/test", {"event_type": name})
            event = receiver.next().event
            assert event["type"] == name
            assert event["data"]["type"] in event["data"]["object"]
            assert event["data"].get("deleted", False) == name.endswith(".deleted")
