"""Events: what fires which, what each tells, and how they are searched for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.notices import (
    CREATED,
    DELETED,
    EVENTS,
    SUBSCRIPTIONS,
    UPDATED,
    enabled,
    events,
    subscription,
)
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    DOCUMENTATION,
    FORUM,
    INTEGRATE,
    REFERENCE,
    SDK,
    WORKFLOWS,
    Check,
    Facts,
    after,
    at,
    bearer,
    merged,
    path_of,
    told,
)

fact = Facts()

ENVELOPE = f"{REFERENCE}: Event"
WEBHOOKS = f"{DOCUMENTATION}: Customers webhooks"
SEARCHING = f"{REFERENCE}: SearchEvents"


# Events


@fact(WORKFLOWS)
def a_create_fires_customer_created(square: Square) -> None:
    """Square returns a Customer object and invokes a customer.created event."""
    enabled(square)
    customer = square.create(given_name="Ava")
    (event,) = events(square)
    assert (event["type"], event["data"]["id"]) == (CREATED, customer["id"])


@fact(ENVELOPE)
def an_event_in_full(square: Square) -> None:
    """Merchant, type, id, time and data with type, id and object."""
    enabled(square)
    customer = square.create(given_name="Ava")
    (event,) = events(square)
    assert event == {
        "merchant_id": square.sandbox.merchant_id,
        "type": CREATED,
        "event_id": event["event_id"],
        "created_at": event["created_at"],
        "data": {"type": "customer", "id": customer["id"], "object": {"customer": customer}},
    }
    assert event["created_at"].startswith("2025-09-01T08:15:30")


@fact(ENVELOPE)
def every_event_has_an_id_of_its_own(square: Square) -> None:
    """Duplicates are told apart by event_id."""
    enabled(square)
    for name in "ABC":
        square.create(given_name=name)
    assert len({event["event_id"] for event in events(square)}) == 3


@fact(f"{REFERENCE}: customer.updated")
def an_update_fires_customer_updated(square: Square) -> None:
    """With the profile as it is now, and its new version."""
    enabled(square)
    customer = square.create(given_name="Ava")
    updated = square.ok("PUT", path_of(customer), {"nickname": "A"})["customer"]
    (event,) = events(square, UPDATED)
    assert event["data"]["object"]["customer"] == updated
    assert event["data"]["object"]["customer"]["version"] == 1


@fact(f"{REFERENCE}: customer.deleted")
def a_delete_fires_customer_deleted(square: Square) -> None:
    """data.deleted is true, and the object has the last known values."""
    enabled(square)
    customer = square.create(given_name="Ava", reference_id="r-1")
    square.ok("DELETE", path_of(customer))
    (event,) = events(square, DELETED)
    assert (event["data"]["deleted"], event["data"]["id"]) == (True, customer["id"])
    last = event["data"]["object"]["customer"]
    assert (last["given_name"], last["reference_id"]) == ("Ava", "r-1")


@fact(f"{REFERENCE}: customer.created, customer.updated, customer.deleted")
def events_have_no_segments(square: Square) -> None:
    """The customer of an event is without segment_ids."""
    enabled(square)
    customer = square.create(given_name="Ava", email_address="ava@example.com")
    square.ok("PUT", path_of(customer), {"nickname": "A"})
    square.ok("DELETE", path_of(customer))
    found = events(square)
    assert [event["type"] for event in found] == [CREATED, UPDATED, DELETED]
    assert not any("segment_ids" in event["data"]["object"]["customer"] for event in found)


@fact(f"{REFERENCE}: customer.deleted")
def a_deleted_customer_is_told_without_groups(square: Square) -> None:
    """Without group_ids, which an update's event has."""
    enabled(square)
    group = square.ok("POST", "/v2/customers/groups", {"group": {"name": "A"}})["group"]
    customer = square.create(given_name="Ava")
    square.ok("PUT", f"{path_of(customer)}/groups/{group['id']}")
    square.ok("PUT", path_of(customer), {"nickname": "A"})
    square.ok("DELETE", path_of(customer))
    assert events(square, UPDATED)[-1]["data"]["object"]["customer"]["group_ids"] == [group["id"]]
    assert "group_ids" not in events(square, DELETED)[0]["data"]["object"]["customer"]


@fact(f"{REFERENCE}, event examples", choice="phone of an event")
def phones_of_events_are_e164(square: Square) -> None:
    """Unlike those of answers, which keep the typed form."""
    enabled(square)
    square.create(phone_number="(212) 555-0142")
    (event,) = events(square)
    assert event["data"]["object"]["customer"]["phone_number"] == "+12125550142"


@fact(f"{REFERENCE}: customer.created, event_context.merge")
def a_merge_says_what_became_of_whom(square: Square) -> None:
    """On the created of the new profile and on the deleted of each old one."""
    enabled(square)
    a, b = square.create(given_name="A"), square.create(given_name="B")
    c = merged(square, a, b)
    context = {"merge": {"from_customer_ids": [a["id"], b["id"]], "to_customer_id": c["id"]}}
    made = [event for event in events(square, CREATED) if event["data"]["id"] == c["id"]]
    gone = events(square, DELETED)
    assert len(made) == 1
    assert {event["data"]["id"] for event in gone} == {a["id"], b["id"]}
    for event in (*made, *gone):
        told = event["data"]["object"]["event_context"]
        assert sorted(told["merge"]["from_customer_ids"]) == sorted([a["id"], b["id"]])
        assert told["merge"]["to_customer_id"] == context["merge"]["to_customer_id"]


@fact(f"{FORUM} 8321")
def only_a_merge_has_a_context(square: Square) -> None:
    """event_context is included only for merges."""
    enabled(square)
    customer = square.create(given_name="Ava")
    square.ok("PUT", path_of(customer), {"nickname": "A"})
    square.ok("DELETE", path_of(customer))
    assert not any("event_context" in event["data"]["object"] for event in events(square))


@fact(f"{INTEGRATE}, Order history for merged customer profiles")
def previous_ids_are_learnt_from_events(square: Square) -> None:
    """The field contains the IDs of all affected customer profiles, merge by merge."""
    enabled(square)
    a, b, x = (square.create(given_name=name) for name in "ABX")
    c = merged(square, a, b)
    d = merged(square, c, x)
    contexts = [
        event["data"]["object"]["event_context"]["merge"]
        for event in events(square, CREATED)
        if "event_context" in event["data"]["object"]
    ]
    assert [one["to_customer_id"] for one in contexts] == [c["id"], d["id"]]
    assert {old for one in contexts for old in one["from_customer_ids"]} == {
        one["id"] for one in (a, b, c, x)
    }


@fact(WEBHOOKS)
def refused_and_repeated_writes_fire_nothing(square: Square) -> None:
    """An event tells of a change."""
    enabled(square)
    customer = square.create(idempotency_key="k-1", given_name="Ava")
    square.create(idempotency_key="k-1", given_name="Ava")
    square.ok("PUT", path_of(customer), {"given_name": "Ava"})
    square.refused("PUT", path_of(customer), {"birthday": "x"})
    square.refused("POST", "/v2/customers", {})
    assert [event["type"] for event in events(square)] == [CREATED]


@fact(WEBHOOKS)
def bulk_calls_fire_an_event_per_entry(square: Square) -> None:
    """Each profile that was written has its own."""
    enabled(square)
    body: dict[str, Any] = {"customers": {f"k-{i}": {"given_name": f"N{i}"} for i in range(3)}}
    made = square.ok("POST", "/v2/customers/bulk-create", body)["responses"]
    ids = [one["customer"]["id"] for one in made.values()]
    body = {"customers": {one: {"nickname": "A"} for one in ids}}
    square.ok("POST", "/v2/customers/bulk-update", body)
    square.ok("POST", "/v2/customers/bulk-delete", {"customer_ids": ids})
    assert [event["type"] for event in events(square)] == [CREATED] * 3 + [UPDATED] * 3 + (
        [DELETED] * 3
    )


# What belongs to a customer

DEFINITION, VALUE = "customer.custom_attribute_definition", "customer.custom_attribute"


def set_drink(square: Square, customer: Any, value: str) -> None:
    """Set a custom attribute of a customer."""
    body = {"custom_attribute": {"value": value}}
    square.ok("POST", f"{path_of(customer)}/custom-attributes/drink", body)


def define_drink(square: Square) -> None:
    """Define a custom attribute."""
    where = "https://developer-production-s.squarecdn.com/schemas/v1/common.json"
    definition = {
        "key": "drink",
        "name": "Drink",
        "description": "What they like",
        "visibility": "VISIBILITY_READ_WRITE_VALUES",
        "schema": {"$ref": f"{where}#squareup.common.String"},
    }
    body = {"custom_attribute_definition": definition}
    square.ok("POST", "/v2/customers/custom-attribute-definitions", body)


@fact(f"{REFERENCE}: {DEFINITION}.owned", rows=[("owned",), ("visible",)])
def definitions_fire_events(square: Square, whose: str) -> None:
    """Created, updated and deleted, to the owner and to whoever sees it."""
    enabled(square)
    define_drink(square)
    path = "/v2/customers/custom-attribute-definitions/drink"
    square.ok("PUT", path, {"custom_attribute_definition": {"name": "Beverage"}})
    square.ok("DELETE", path)
    types = [f"{DEFINITION}.{whose}.{what}" for what in ("created", "updated", "deleted")]
    assert [event["type"] for event in events(square, *types)] == types


@fact(f"{REFERENCE}: {VALUE}.owned", rows=[("owned",), ("visible",)])
def values_fire_events(square: Square, whose: str) -> None:
    """updated is fired for the first value too; then deleted."""
    customer = square.create(given_name="Ava")
    define_drink(square)
    enabled(square)
    set_drink(square, customer, "Tea")
    set_drink(square, customer, "Coffee")
    square.ok("DELETE", f"{path_of(customer)}/custom-attributes/drink")
    changed, gone = f"{VALUE}.{whose}.updated", f"{VALUE}.{whose}.deleted"
    found = events(square, changed, gone)
    assert [event["type"] for event in found] == [changed, changed, gone]


@fact(f"{REFERENCE}: {VALUE}.owned.updated, examples")
def the_id_of_a_values_event(square: Square) -> None:
    """app_id:key:CUSTOMER:customer_id; the value is wrapped, or put straight into the object."""
    customer = square.create(given_name="Ava")
    define_drink(square)
    enabled(square)
    set_drink(square, customer, "Tea")
    (event,) = events(square, f"{VALUE}.owned.updated")
    client_id = square.ok("POST", "/oauth2/token/status")["client_id"]
    assert event["data"]["id"] == f"{client_id}:drink:CUSTOMER:{customer['id']}"
    content = event["data"]["object"]
    assert content.get("custom_attribute", content)["value"] == "Tea"


@fact(WEBHOOKS)
def other_changes_fire_no_customer_events(square: Square) -> None:
    """Neither cards nor custom attributes nor orders."""
    customer = square.create(given_name="Ava")
    define_drink(square)
    enabled(square)
    set_drink(square, customer, "Tea")
    card = {
        "idempotency_key": "c-1",
        "source_id": "cnon:card-nonce-ok",
        "card": {"customer_id": customer["id"]},
    }
    square.ok("POST", "/v2/cards", card)
    location = square.ok("GET", "/v2/locations/main")["location"]["id"]
    order = {"location_id": location, "customer_id": customer["id"]}
    square.ok("POST", "/v2/orders", {"idempotency_key": "o-1", "order": order})
    assert events(square, CREATED, UPDATED, DELETED) == []


@fact(f"{REFERENCE}: gift_card.customer_linked, gift_card.customer_unlinked")
def linking_a_gift_card_fires_an_event(square: Square) -> None:
    """And so does unlinking it."""
    customer = square.create(given_name="Ava")
    location = square.ok("GET", "/v2/locations/main")["location"]["id"]
    body = {"idempotency_key": "g-1", "location_id": location, "gift_card": {"type": "DIGITAL"}}
    gift_card = square.ok("POST", "/v2/gift-cards", body)["gift_card"]
    enabled(square)
    for call in ("link", "unlink"):
        path = f"/v2/gift-cards/{gift_card['id']}/{call}-customer"
        square.ok("POST", path, {"customer_id": customer["id"]})
    told = [(event["type"], event["data"]["id"]) for event in events(square)]
    assert told == [
        ("gift_card.customer_linked", gift_card["id"]),
        ("gift_card.customer_unlinked", gift_card["id"]),
    ]


# Enabling and searching


@fact(f"{SDK}: events.enable_events", choice="events nobody can ask for")
def events_are_disabled_by_default(square: Square) -> None:
    """Only events that occur while in the enabled state are searchable."""
    square.create(given_name="A")
    enabled(square)
    square.create(given_name="B")
    square.ok("PUT", f"{EVENTS}/disable")
    square.create(given_name="C")
    enabled(square)
    names = [event["data"]["object"]["customer"]["given_name"] for event in events(square)]
    assert names == ["B"]


@fact(f"{SEARCHING}, event_types")
def events_are_found_by_type(square: Square) -> None:
    """One or several types."""
    enabled(square)
    customer = square.create(given_name="Ava")
    square.ok("DELETE", path_of(customer))
    assert [event["type"] for event in events(square, DELETED)] == [DELETED]
    assert len(events(square, CREATED, DELETED)) == 2
    assert events(square, UPDATED) == []


@fact(f"{SEARCHING}, merchant_ids")
def events_are_found_by_merchant(square: Square) -> None:
    """Those of another merchant are none of ours."""
    enabled(square)
    square.create(given_name="Ava")
    for merchant_id, number in ((square.sandbox.merchant_id, 1), ("8XK4T0QWZ7M2R", 0)):
        query = {"filter": {"merchant_ids": [merchant_id]}}
        assert len(square.ok("POST", EVENTS, {"query": query}).get("events", [])) == number


@fact(f"{SEARCHING}, created_at")
def events_are_found_by_time(square: Square) -> None:
    """Within a range."""
    enabled(square)
    square.create(given_name="A")
    after(square, 3600)
    square.create(given_name="B")
    query = {"filter": {"created_at": {"start_at": "2025-09-01T09:00:00Z"}}}
    (event,) = square.ok("POST", EVENTS, {"query": query})["events"]
    assert event["data"]["object"]["customer"]["given_name"] == "B"


@fact(f"{SEARCHING}, 28 days")
def events_are_found_for_28_days(square: Square) -> None:
    """Within a 28-day timeframe."""
    enabled(square)
    square.create(given_name="A")
    after(square, 27 * 86_400)
    assert len(events(square)) == 1
    after(square, 2 * 86_400)
    assert events(square) == []


@fact(SEARCHING, rows=[(1, 200), (100, 200), (0, 400), (101, 400)])
def limits_of_events_are_1_to_100(square: Square, limit: int, status: int) -> None:
    """Outside of them a search is refused."""
    assert square.send("POST", EVENTS, json={"limit": limit}).status_code == status


@fact(SEARCHING)
def events_come_page_by_page_with_metadata(square: Square) -> None:
    """A cursor while more follow; as many metadata as events, by the same ids."""
    enabled(square)
    for name in "ABC":
        square.create(given_name=name)
    first = square.ok("POST", EVENTS, {"limit": 2})
    second = square.ok("POST", EVENTS, {"limit": 2, "cursor": first["cursor"]})
    assert "cursor" not in second
    for page, size in ((first, 2), (second, 1)):
        ids = [event["event_id"] for event in page["events"]]
        assert len(ids) == size
        assert [one["event_id"] for one in page["metadata"]] == ids


@fact(SEARCHING)
def no_events_are_an_empty_object(square: Square) -> None:
    """A key without values is left out."""
    enabled(square)
    assert square.ok("POST", EVENTS) == {}


@fact(
    f"{REFERENCE}: ListEventTypes, ListWebhookEventTypes",
    rows=[(f"{EVENTS}/types",), ("/v2/webhooks/event-types",)],
)
def the_types_of_events_are_listed(square: Square, path: str) -> None:
    """Names, and for each the version that introduced it."""
    answer = square.ok("GET", path)
    assert {CREATED, UPDATED, DELETED} <= set(answer["event_types"])
    since = {one["event_type"]: one["api_version_introduced"] for one in answer["metadata"]}
    assert {since[name] for name in (CREATED, UPDATED, DELETED)} == {"2021-02-26"}


@fact(
    f"{REFERENCE}: customer events, gift card events",
    rows=[
        *(
            (f"{DEFINITION}.{whose}", "2022-08-17")
            for whose in ("owned.created", "visible.deleted")
        ),
        *((f"{VALUE}.{whose}", "2022-08-17") for whose in ("owned.updated", "visible.deleted")),
        ("gift_card.customer_linked", "2021-06-16"),
        ("gift_card.customer_unlinked", "2021-06-16"),
    ],
)
def the_version_that_introduced_an_event(square: Square, name: str, since: str) -> None:
    """Custom attribute events are told to owners and viewers since 2022-08-17."""
    metadata = square.ok("GET", f"{EVENTS}/types")["metadata"]
    known = {one["event_type"]: one["api_version_introduced"] for one in metadata}
    assert known[name] == since


def types_at(square: Square, version: str) -> set[str]:
    """The types of events that a version has."""
    answer = square.ok("GET", "/v2/webhooks/event-types", params={"api_version": version})
    return set(answer["event_types"])


@fact(f"{REFERENCE}: ListWebhookEventTypes", rows=[("2022-07-20", False), ("2022-08-17", True)])
def owned_and_visible_came_with_2022_08_17(square: Square, version: str, there: bool) -> None:
    """Before, the events of custom attributes had other names."""
    names = types_at(square, version)
    assert ({f"{VALUE}.owned.updated", f"{VALUE}.visible.updated"} <= names) == there
    assert {CREATED, UPDATED, DELETED} <= names


@fact(
    CHOICE,
    choice="older names of custom attribute events",
    rows=[("2022-05-12", True), ("2022-07-20", True), ("2022-08-17", False)],
)
def older_names_are_gone_since(square: Square, version: str, there: bool) -> None:
    """Without a prefix, and with public; they came with custom attributes."""
    older = {f"{VALUE}.updated", f"{DEFINITION}.public.created"}
    assert (older <= types_at(square, version)) == there
    assert not older & types_at(square, "2022-04-20")


# What no source says


@fact(CHOICE, choice="concurrent updates, of which the latest version is notified")
def every_version_has_its_event(square: Square) -> None:
    """Writes come one after the other here."""
    enabled(square)
    customer = square.create(given_name="Ava")
    for number in range(3):
        square.ok("PUT", path_of(customer), {"note": f"{number}"})
    versions = [event["data"]["object"]["customer"]["version"] for event in events(square)]
    assert versions == [0, 1, 2, 3]


@fact(CHOICE, choice="events of a merge")
def the_new_profile_comes_before_the_old_ones(square: Square) -> None:
    """customer.created, then customer.deleted in the order named."""
    enabled(square)
    a, b = square.create(given_name="A"), square.create(given_name="B")
    c = merged(square, b, a)
    told = [(event["type"], event["data"]["id"]) for event in events(square)[2:]]
    assert told == [(CREATED, c["id"]), (DELETED, b["id"]), (DELETED, a["id"])]


@fact(CHOICE, choice="object of a custom attribute's event")
def a_value_is_a_member_of_its_event(square: Square) -> None:
    """As the SDK has it, not flat as in the examples."""
    customer = square.create(given_name="Ava")
    define_drink(square)
    enabled(square)
    set_drink(square, customer, "Tea")
    shown = square.ok("GET", f"{path_of(customer)}/custom-attributes/drink")
    (event,) = events(square, f"{VALUE}.owned.updated")
    assert event["data"]["object"] == shown


@fact(CHOICE, choice="id of a definition's event")
def a_definitions_event_names_application_and_key(square: Square) -> None:
    """application:key."""
    enabled(square)
    define_drink(square)
    client_id = square.ok("POST", "/oauth2/token/status")["client_id"]
    (event,) = events(square, f"{DEFINITION}.owned.created")
    assert event["data"]["id"] == f"{client_id}:drink"


@fact(
    CHOICE,
    choice="values that go with their definition or their customer, gift cards in a merge",
)
def what_goes_along_has_no_events(square: Square) -> None:
    """Values with their definition or their customer, gift cards in a merge."""
    a, b, d = (square.create(given_name=name) for name in "ABD")
    location = square.ok("GET", "/v2/locations/main")["location"]["id"]
    body = {"idempotency_key": "g-1", "location_id": location, "gift_card": {"type": "DIGITAL"}}
    gift_card = square.ok("POST", "/v2/gift-cards", body)["gift_card"]["id"]
    square.ok("POST", f"/v2/gift-cards/{gift_card}/link-customer", {"customer_id": a["id"]})
    define_drink(square)
    for customer in (a, b, d):
        set_drink(square, customer, "Tea")
    enabled(square)
    merged(square, a, b)
    square.ok("DELETE", path_of(d))
    square.ok("DELETE", "/v2/customers/custom-attribute-definitions/drink")
    types = {event["type"] for event in events(square)}
    owners = {f"{DEFINITION}.{whose}.deleted" for whose in ("owned", "visible")}
    assert types == {CREATED, DELETED, *owners}


@fact(CHOICE, choice="phone of an event")
def a_phone_that_is_no_number_stays_as_typed(square: Square) -> None:
    """An older version may have let it in."""
    enabled(square)
    body = {"phone_number": "123-456-789"}
    square.ok("POST", "/v2/customers", body, headers=at("2022-09-21"))
    (event,) = events(square)
    assert event["data"]["object"]["customer"]["phone_number"] == "123-456-789"


@fact(
    CHOICE,
    choice="the application's own calls, subscriptions and events",
    rows=[("POST", EVENTS), ("PUT", f"{EVENTS}/enable"), ("GET", SUBSCRIPTIONS)],
)
def only_the_application_asks_for_events(square: Square, method: str, path: str) -> None:
    """A seller's token lacks the scope, whatever else it may do."""
    headers = bearer(square, "CUSTOMERS_READ", "CUSTOMERS_WRITE", "MERCHANT_PROFILE_READ")
    assert square.refused(method, path, headers=headers) == (403, [("INSUFFICIENT_SCOPES", "")])


@fact(CHOICE, choice="types of events the sandbox does not have", rows=[("customer.married",)])
def unknown_types_of_events_are_refused(square: Square, name: str) -> None:
    """INVALID_VALUE, in a subscription and in a search."""
    body: dict[str, Any] = {"subscription": subscription(event_types=[name])}
    assert told(square, "POST", SUBSCRIPTIONS, body) == (400, "INVALID_VALUE")
    body = {"query": {"filter": {"event_types": [name]}}}
    assert told(square, "POST", EVENTS, body) == (400, "INVALID_VALUE")


@fact(CHOICE, choice="order of a search for events", rows=[(None,), ("ASC",), ("DESC",)])
def events_are_found_in_their_order(square: Square, order: str | None) -> None:
    """By time, then as they happened; the oldest first unless asked otherwise."""
    enabled(square)
    made = [square.create(given_name=name)["id"] for name in "ABC"]
    body = {"query": {"sort": {"order": order}}} if order else {}
    found = [event["data"]["id"] for event in square.ok("POST", EVENTS, body)["events"]]
    assert found == (made[::-1] if order == "DESC" else made)


@fact(CHOICE, choice="api_version of an event's metadata")
def metadata_name_the_newest_version(square: Square) -> None:
    """Whatever version made the event."""
    enabled(square)
    square.ok("POST", "/v2/customers", {"given_name": "A"}, headers=at("2022-09-21"))
    answer = square.send("POST", EVENTS)
    (one,) = answer.json()["metadata"]
    assert one["api_version"] == answer.headers["square-version"]


@fact(CHOICE, choice="a search for events of a location")
def customers_have_no_location(square: Square) -> None:
    """A search for events of one finds nothing."""
    enabled(square)
    square.create(given_name="A")
    location = square.ok("GET", "/v2/merchants/me")["merchant"]["main_location_id"]
    body = {"query": {"filter": {"location_ids": [location]}}}
    assert square.ok("POST", EVENTS, body) == {}


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_events(opened: Opened, check: Check) -> None:
    """Events are as the documents say."""
    check.hold(opened)
