"""Webhooks: subscriptions, and signed deliveries to whoever subscribed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.notices import (
    CREATED,
    DELETED,
    SUBSCRIPTIONS,
    UPDATED,
    enabled,
    events,
    subscription,
)
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    DOCUMENTATION,
    MISSING,
    OVERVIEW,
    REFERENCE,
    SDK,
    Check,
    Facts,
    after,
    at,
    path_of,
    told,
)
from tests.sandbox.receivers import Receiver, receiving

fact = Facts()

SIGNING = f"{DOCUMENTATION}: Validate webhook notifications"
SUBSCRIBING = f"{REFERENCE}: WebhookSubscription"


def subscribed(square: Square, url: str = "http://127.0.0.1:9/hook", **more: Any) -> Any:
    """Create a subscription; return it."""
    body = {"subscription": subscription(url, **more)}
    return square.ok("POST", SUBSCRIPTIONS, body)["subscription"]


def signed(key: str, url: str, body: bytes) -> str:
    """The signature of a notification, by the documentation's rule."""
    digest = hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


# Subscriptions


@fact(SUBSCRIBING)
def a_subscription_in_full(square: Square) -> None:
    """What was sent, an id, a version, a signature key and two times; enabled by default."""
    made = subscribed(square)
    assert {name: made[name] for name in subscription()} == subscription()
    assert made["enabled"] is True
    assert made["signature_key"]
    assert set(made) - set(subscription()) == {
        *("id", "enabled", "api_version", "signature_key", "created_at", "updated_at"),
    }


@fact(SUBSCRIBING)
def a_subscription_is_retrieved_with_its_key(square: Square) -> None:
    """signature_key is read-only and shown here."""
    made = subscribed(square)
    answer = square.ok("GET", f"{SUBSCRIPTIONS}/{made['id']}")
    assert answer == {"subscription": made}


@fact(SUBSCRIBING)
def a_subscription_is_updated(square: Square) -> None:
    """Sparsely; the key stays."""
    made = subscribed(square)
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    square.ok("PUT", path, {"subscription": {"name": "T", "enabled": False}})
    shown = square.ok("GET", path)["subscription"]
    assert (shown["name"], shown["enabled"]) == ("T", False)
    same = ("signature_key", "notification_url", "event_types")
    assert {name: shown[name] for name in same} == {name: made[name] for name in same}


@fact(SUBSCRIBING)
def a_subscription_is_deleted(square: Square) -> None:
    """{}; then it is not found."""
    made = subscribed(square)
    assert square.ok("DELETE", f"{SUBSCRIPTIONS}/{made['id']}") == {}
    assert told(square, "GET", f"{SUBSCRIPTIONS}/{made['id']}") == (404, "NOT_FOUND")
    assert square.ok("GET", SUBSCRIPTIONS) == {}


@fact(f"{REFERENCE}, error codes", rows=[("GET", ""), ("DELETE", ""), ("POST", "/test")])
def an_unknown_subscription_is_not_found(square: Square, method: str, more: str) -> None:
    """404 NOT_FOUND."""
    body = {"event_type": CREATED} if more else None
    assert told(square, method, f"{SUBSCRIPTIONS}/{MISSING}{more}", body) == (404, "NOT_FOUND")


@fact(f"{REFERENCE}: CreateWebhookSubscription", rows=[(64, 200), (65, 400)])
def a_subscriptions_name_has_64_characters_at_most(
    square: Square, length: int, status: int
) -> None:
    """At the limit it is kept, over it refused."""
    body = {"subscription": subscription(name="n" * length)}
    assert square.send("POST", SUBSCRIPTIONS, json=body).status_code == status


@fact(f"{REFERENCE}: CreateWebhookSubscription", rows=[(45, 200), (46, 400)])
def a_subscriptions_key_has_45_characters_at_most(square: Square, length: int, status: int) -> None:
    """At the limit it is good, over it refused."""
    body = {"idempotency_key": "k" * length, "subscription": subscription()}
    assert square.send("POST", SUBSCRIPTIONS, json=body).status_code == status


@fact(f"{REFERENCE}: CreateWebhookSubscription")
def a_repeated_subscription_is_made_once(square: Square) -> None:
    """Same key and same body: the first answer."""
    body = {"idempotency_key": "k-1", "subscription": subscription()}
    assert square.ok("POST", SUBSCRIPTIONS, body) == square.ok("POST", SUBSCRIPTIONS, body)
    assert len(square.ok("GET", SUBSCRIPTIONS)["subscriptions"]) == 1


@fact(f"{REFERENCE}: CreateWebhookSubscription", rows=[("notification_url",), ("event_types",)])
def a_subscription_needs_a_url_and_types(square: Square, member: str) -> None:
    """Both say what is to be sent where."""
    asked = subscription()
    del asked[member]
    assert told(square, "POST", SUBSCRIPTIONS, {"subscription": asked})[0] == 400


@fact(f"{REFERENCE}: CreateWebhookSubscription", rows=[(["customer.married"],), ([],), ("x",)])
def types_of_a_subscription_are_known(square: Square, types: object) -> None:
    """Others are refused."""
    body = {"subscription": subscription(event_types=types)}
    assert told(square, "POST", SUBSCRIPTIONS, body)[0] == 400


@fact(f"{REFERENCE}: ListWebhookSubscriptions")
def disabled_subscriptions_are_listed_on_request(square: Square) -> None:
    """By default those that are enabled."""
    one = subscribed(square)
    two = subscribed(square, enabled=False)
    shown = square.ok("GET", SUBSCRIPTIONS)["subscriptions"]
    assert [each["id"] for each in shown] == [one["id"]]
    shown = square.ok("GET", SUBSCRIPTIONS, params={"include_disabled": "true"})["subscriptions"]
    assert {each["id"] for each in shown} == {one["id"], two["id"]}


@fact(f"{REFERENCE}: ListWebhookSubscriptions", rows=[("101",), ("0",)])
def limits_of_subscriptions_are_1_to_100(square: Square, limit: str) -> None:
    """Outside of them a list is refused."""
    assert square.send("GET", SUBSCRIPTIONS, params={"limit": limit}).status_code == 400
    square.ok("GET", SUBSCRIPTIONS, params={"limit": "100"})


@fact(f"{REFERENCE}: UpdateWebhookSubscriptionSignatureKey")
def a_signature_key_is_rotated(square: Square) -> None:
    """The answer has the new one, which the subscription shows from then on."""
    made = subscribed(square)
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    key = square.ok("POST", f"{path}/signature-key", {"idempotency_key": "k-1"})["signature_key"]
    assert key != made["signature_key"]
    assert square.ok("GET", path)["subscription"]["signature_key"] == key


# Deliveries


def arrived(square: Square, receiver: Receiver) -> list[Any]:
    """Deliver what is due; return what arrived."""
    square.sandbox.deliver()
    return receiver.taken()


@fact(SIGNING)
def the_known_answer_of_a_signature(square: Square) -> None:
    """A signature is base64 of HMAC-SHA256 by the key over URL and body."""
    body = b'{"type":"customer.created","event_id":"e-1"}'
    signature = signed("sandbox-signature-key", "https://import.example.net/square/events", body)
    assert signature == "9SoYlKJ+wtzm8d0F6VpXaFIm98YfeP0e+4aHL627cac="
    with receiving() as receiver:
        made = subscribed(square, receiver.url)
        square.create(given_name="Ava")
        (one,) = arrived(square, receiver)
    expected = signed(made["signature_key"], made["notification_url"], one.body)
    assert one.headers["x-square-hmacsha256-signature"] == expected


@fact(f"{DOCUMENTATION}: webhook subscribe step")
def a_notification_is_the_event(square: Square) -> None:
    """A POST of JSON, with the environment in a header."""
    enabled(square)
    with receiving() as receiver:
        subscribed(square, receiver.url)
        square.create(given_name="Ava")
        (one,) = arrived(square, receiver)
    assert [one.event] == events(square)
    assert one.headers["content-type"].startswith("application/json")
    assert one.headers["square-environment"]


@fact(SUBSCRIBING)
def only_what_was_subscribed_to_arrives(square: Square) -> None:
    """The types of the subscription, and nothing for a disabled one."""
    with receiving() as receiver:
        subscribed(square, receiver.url, event_types=[DELETED])
        subscribed(square, receiver.url, enabled=False)
        customer = square.create(given_name="Ava")
        square.ok("DELETE", path_of(customer))
        assert [one.event["type"] for one in arrived(square, receiver)] == [DELETED]


@fact(f"{REFERENCE}: UpdateWebhookSubscriptionSignatureKey")
def deliveries_are_signed_with_the_rotated_key(square: Square) -> None:
    """From the rotation on."""
    with receiving() as receiver:
        made = subscribed(square, receiver.url)
        path = f"{SUBSCRIPTIONS}/{made['id']}/signature-key"
        key = square.ok("POST", path, {})["signature_key"]
        square.create(given_name="Ava")
        (one,) = arrived(square, receiver)
    expected = signed(key, receiver.url, one.body)
    assert one.headers["x-square-hmacsha256-signature"] == expected


@fact(f"{DOCUMENTATION}: webhooks overview", rows=[(500,), (404,), (302,)])
def a_notification_that_is_not_taken_comes_again(square: Square, status: int) -> None:
    """With the same event_id, until a 2xx is answered."""
    with receiving() as receiver:
        receiver.answers = [status, status]
        subscribed(square, receiver.url)
        square.create(given_name="Ava")
        seen = arrived(square, receiver)
        for _ in range(6):
            after(square, 3600)
            seen += arrived(square, receiver)
    assert len(seen) == 3
    assert len({one.event["event_id"] for one in seen}) == 1
    assert len({one.body for one in seen}) == 1


@fact(f"{DOCUMENTATION}: webhooks overview")
def a_notification_that_is_taken_does_not_come_again(square: Square) -> None:
    """A 2xx is enough."""
    with receiving() as receiver:
        receiver.answers = [204]
        subscribed(square, receiver.url)
        square.create(given_name="Ava")
        assert len(arrived(square, receiver)) == 1
        after(square, 86_400)
        assert arrived(square, receiver) == []


@fact(f"{DOCUMENTATION}: webhooks overview")
def retries_end(square: Square) -> None:
    """After 24 hours, or 72 as an older page says."""
    with receiving() as receiver:
        receiver.judge = lambda _: 500
        subscribed(square, receiver.url)
        square.create(given_name="Ava")
        for _ in range(80):
            after(square, 3600)
            square.sandbox.deliver()
        assert 1 < len(receiver.taken()) < 80
        after(square, 3600)
        assert arrived(square, receiver) == []


@fact(f"{SDK}: webhooks.subscriptions.test", rows=[("2026-07-15",), ("2026-08-19",)])
def a_test_sends_a_sample(square: Square, version: str) -> None:
    """Since the 2026 versions the answer tells what was sent where, and what came back."""
    with receiving() as receiver:
        made = subscribed(square, receiver.url)
        path = f"{SUBSCRIPTIONS}/{made['id']}/test"
        answer = square.ok("POST", path, {"event_type": UPDATED}, headers=at(version))
        (one,) = receiver.taken()
    assert one.event["type"] == UPDATED
    told = answer.get("subscription_test_result", answer)
    assert told["status_code"] == 200
    assert (answer.get("notification_url") or receiver.url) == receiver.url


@fact(f"{OVERVIEW}, Synchronizing customer data by webhooks")
def the_latest_version_can_be_told_from_events(square: Square) -> None:
    """The version of the customer in a notification rises with each update."""
    with receiving() as receiver:
        subscribed(square, receiver.url)
        customer = square.create(given_name="Ava")
        for number in range(3):
            square.ok("PUT", path_of(customer), {"note": f"{number}"})
        seen = arrived(square, receiver)
    versions = [one.event["data"]["object"]["customer"]["version"] for one in seen]
    assert sorted(versions)[-1] == 3


# What no source says


@fact(CHOICE, choice="events nobody can ask for")
def events_somebody_subscribed_to_are_kept(square: Square) -> None:
    """They are delivered, though the Events API is disabled, and not found by it."""
    with receiving() as receiver:
        subscribed(square, receiver.url)
        square.create(given_name="Ava")
        assert len(arrived(square, receiver)) == 1
    enabled(square)
    assert events(square) == []


@fact(CHOICE, choice="subscription, what it needs")
def a_subscription_needs_no_name(square: Square) -> None:
    """It is enabled and of the newest version by default."""
    asked = subscription()
    del asked["name"]
    answer = square.send("POST", SUBSCRIPTIONS, json={"subscription": asked})
    made = answer.json()["subscription"]
    assert made["enabled"] is True
    assert made["api_version"] == answer.headers["square-version"]


@fact(
    CHOICE,
    choice="subscription, read-only fields",
    rows=[("id",), ("signature_key",), ("created_at",)],
)
def read_only_fields_of_a_subscription(square: Square, name: str) -> None:
    """Refused on create; ignored on update, since it may be sent back as it was read."""
    body = {"subscription": subscription(**{name: "x"})}
    assert told(square, "POST", SUBSCRIPTIONS, body) == (400, "BAD_REQUEST")
    made = subscribed(square)
    body = {"subscription": made | {name: "x"}}
    kept = square.ok("PUT", f"{SUBSCRIPTIONS}/{made['id']}", body)["subscription"]
    assert kept["id"] == made["id"]
    shown = square.ok("GET", f"{SUBSCRIPTIONS}/{made['id']}")["subscription"]
    assert shown[name] == made[name]


@fact(CHOICE, choice="subscription, where signature_key is told")
def a_list_does_not_tell_signature_keys(square: Square) -> None:
    """Create, retrieve and rotate do; list and update do not."""
    made = subscribed(square)
    assert "signature_key" not in square.ok("GET", SUBSCRIPTIONS)["subscriptions"][0]
    body = {"subscription": {"name": "T"}}
    updated = square.ok("PUT", f"{SUBSCRIPTIONS}/{made['id']}", body)["subscription"]
    assert "signature_key" not in updated


@fact(
    CHOICE,
    choice="notification_url",
    rows=[
        ("https://127.0.0.1:9/hook", 200),
        ("http://localhost:9/hook", 200),
        ("http://127.0.0.1:9/" + "x" * (2048 - 19), 200),
        ("http://127.0.0.1:9/" + "x" * (2049 - 19), 400),
        ("https://example.com/hook", 400),
        ("http://127.0.0.1.example.com/hook", 400),
        ("ftp://127.0.0.1/hook", 400),
        ("127.0.0.1:9/hook", 400),
        ("", 400),
    ],
)
def notifications_stay_on_this_machine(square: Square, url: str, status: int) -> None:
    """http or https to the loopback, at most 2048 characters."""
    body = {"subscription": subscription(url)}
    assert square.send("POST", SUBSCRIPTIONS, json=body).status_code == status


@fact(CHOICE, choice="disabling a subscription")
def disabling_a_subscription_gives_up_what_waits(square: Square) -> None:
    """Enabled again, it hears of what happens then."""
    with receiving() as receiver:
        path = f"{SUBSCRIPTIONS}/{subscribed(square, receiver.url)['id']}"
        square.create(given_name="A")
        for is_enabled in (False, True):
            square.ok("PUT", path, {"subscription": {"enabled": is_enabled}})
        square.create(given_name="B")
        (one,) = arrived(square, receiver)
    assert one.event["data"]["object"]["customer"]["given_name"] == "B"


@fact(CHOICE, choice="emptying the sandbox")
def emptying_the_sandbox_keeps_subscriptions(square: Square) -> None:
    """It forgets events and what waits to be delivered."""
    with receiving() as receiver:
        enabled(square)
        made = subscribed(square, receiver.url)
        square.create(given_name="A")
        square.sandbox.clear()
        assert arrived(square, receiver) == []
    assert events(square) == []
    shown = square.ok("GET", SUBSCRIPTIONS)["subscriptions"]
    assert [one["id"] for one in shown] == [made["id"]]


@fact(CHOICE, choice="waits between deliveries")
def deliveries_that_were_missed_are_left_out(square: Square) -> None:
    """Waits count from the event, on the sandbox's clock: a day later one try is left."""
    with receiving() as receiver:
        receiver.judge = lambda _: 500
        subscribed(square, receiver.url)
        square.create(given_name="A")
        assert len(arrived(square, receiver)) == 1
        after(square, 12 * 3600)
        assert len(arrived(square, receiver)) == 1


@fact(CHOICE, choice="order of deliveries")
def a_failed_delivery_lets_the_others_pass(square: Square) -> None:
    """The oldest due comes first, whatever becomes of it."""
    with receiving() as receiver:
        receiver.answers = [500]
        subscribed(square, receiver.url)
        ids = [square.create(given_name=name)["id"] for name in "ABC"]
        seen = [one.event["data"]["id"] for one in arrived(square, receiver)]
        after(square, 3600)
        late = [one.event["data"]["id"] for one in arrived(square, receiver)]
    assert (seen, late) == (ids, ids[:1])


@fact(CHOICE, choice="test of a subscription")
def a_test_is_sent_once_and_not_kept(square: Square) -> None:
    """To a disabled subscription too; without a status_code if nobody answers."""
    enabled(square)
    with receiving() as receiver:
        path = f"{SUBSCRIPTIONS}/{subscribed(square, receiver.url, enabled=False)['id']}/test"
        receiver.answers = [500]
        square.ok("POST", path, {"event_type": CREATED})
        after(square, 86_400)
        square.sandbox.deliver()
        assert len(receiver.taken()) == 1
    answer = square.ok("POST", path, {"event_type": CREATED})
    assert "status_code" not in str(answer)
    assert events(square) == []


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_webhooks(opened: Opened, check: Check) -> None:
    """Webhooks are as the documents say."""
    check.hold(opened)
