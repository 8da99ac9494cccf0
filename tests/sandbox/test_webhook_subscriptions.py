"""The Webhook Subscriptions API: what a subscription is, its key, its test."""

from __future__ import annotations

import json
from typing import Any

import pytest
from square.utils.webhooks_helper import verify_signature

from etl.sandbox.events.deliveries import signature
from tests.sandbox.conftest import Opened, Square
from tests.sandbox.receivers import Notification, Receiver, receiving

PATH = "/v2/webhooks/subscriptions"
URL = "http://127.0.0.1:9/square"


def subscribe(square: Square, url: str = URL, **values: Any) -> Any:
    """Create a subscription and return it."""
    data = {
        "name": "Nightly",
        "event_types": ["customer.created"],
        "notification_url": url,
        **values,
    }
    return square.ok("POST", PATH, {"subscription": data})["subscription"]


def listed(square: Square, **parameters: Any) -> list[Any]:
    """Return the subscriptions of one page."""
    found = square.ok("GET", PATH, params=parameters).get("subscriptions", [])
    assert isinstance(found, list)
    return found


def without_key(subscription: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription as lists show it."""
    return {name: value for name, value in subscription.items() if name != "signature_key"}


# Create, retrieve, list


def test_a_new_subscription(square: Square) -> None:
    """What Square assigns, and what it takes for granted (API reference)."""
    made = subscribe(square)

    assert made.pop("id").startswith("wbhk_")
    assert len(made.pop("signature_key")) == 22
    assert made == {
        "name": "Nightly",
        "enabled": True,
        "event_types": ["customer.created"],
        "notification_url": URL,
        "api_version": "2026-09-16",
        "created_at": "2025-09-01T08:15:30.412Z",
        "updated_at": "2025-09-01T08:15:30.412Z",
    }


def test_retrieving_shows_the_key(square: Square) -> None:
    """Retrieve answers what create answered; lists leave the key out (API reference, examples)."""
    made = subscribe(square)

    assert square.ok("GET", f"{PATH}/{made['id']}")["subscription"] == made
    assert listed(square) == [without_key(made)]


def test_a_subscription_needs_no_name(square: Square) -> None:
    """Types and URL are enough (assumption); a type named twice counts once."""
    types = ["customer.deleted", "customer.created", "customer.deleted"]
    made = square.ok(
        "POST", PATH, {"subscription": {"event_types": types, "notification_url": URL}}
    )["subscription"]

    assert "name" not in made
    assert made["event_types"] == types[:2]


def test_the_default_version_is_the_applications(square: Square) -> None:
    """Without api_version it is that of the application (SDK), which can be set."""
    square.ok("POST", "/_sandbox/settings", {"default_version": "2022-09-21"})

    assert subscribe(square)["api_version"] == "2022-09-21"
    assert subscribe(square, api_version="2024-12-18")["api_version"] == "2024-12-18"


def test_a_repeated_key_answers_the_first_subscription(square: Square) -> None:
    """The same key and data make one subscription; other data is refused (API reference)."""
    data = {"event_types": ["customer.created"], "notification_url": URL}
    body = {"idempotency_key": "k-1", "subscription": data}
    first = square.ok("POST", PATH, body)

    assert square.ok("POST", PATH, body) == first
    assert len(listed(square)) == 1
    other = {"idempotency_key": "k-1", "subscription": {**data, "name": "Other"}}
    assert square.refused("POST", PATH, other) == (
        400,
        [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")],
    )


def test_lists(square: Square) -> None:
    """The oldest first or the newest, disabled ones when asked for (API reference)."""
    names = []
    for i in range(5):
        names.append(f"S{i}")
        subscribe(square, name=f"S{i}", enabled=i != 2)
        square.clock.now += 1

    def shown(**parameters: Any) -> list[str]:
        return [subscription["name"] for subscription in listed(square, **parameters)]

    assert shown() == ["S0", "S1", "S3", "S4"]
    assert shown(sort_order="DESC") == ["S4", "S3", "S1", "S0"]
    assert shown(include_disabled="true") == names
    assert shown(include_disabled="true", sort_order="DESC") == names[::-1]


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_pages(square: Square, order: str) -> None:
    """Pages add up to the whole, those made in one moment too."""
    for i in range(7):
        subscribe(square, name=f"S{i}", enabled=i % 3 != 0)
    asked = {"sort_order": order, "include_disabled": "true"}
    whole = listed(square, **asked)

    pages, parameters = [], {**asked, "limit": "3"}
    while True:
        answer = square.ok("GET", PATH, params=parameters)
        pages.append(answer["subscriptions"])
        if "cursor" not in answer:
            break
        parameters["cursor"] = answer["cursor"]
    assert [subscription for page in pages for subscription in page] == whole
    assert [len(page) for page in pages] == [3, 3, 1]


def test_there_may_be_none(square: Square) -> None:
    """An empty list answers {} (as lists of customers do)."""
    assert square.ok("GET", PATH) == {}


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        ({"limit": "0"}, ("VALUE_TOO_LOW", "limit")),
        ({"limit": "101"}, ("VALUE_TOO_HIGH", "limit")),
        ({"limit": "x"}, ("EXPECTED_INTEGER", "limit")),
        ({"sort_order": "UP"}, ("INVALID_ENUM_VALUE", "sort_order")),
        ({"include_disabled": "1"}, ("EXPECTED_BOOLEAN", "include_disabled")),
        ({"cursor": "x"}, ("INVALID_CURSOR", "cursor")),
    ],
)
def test_lists_that_are_refused(
    square: Square, parameters: dict[str, str], refusal: tuple[str, str]
) -> None:
    """limit lies between 1 and 100 (API reference)."""
    assert square.refused("GET", PATH, params=parameters) == (400, [refusal])


# What a subscription must be


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"name": ""}, "VALUE_EMPTY", "name"),
        ({"name": "n" * 65}, "VALUE_TOO_LONG", "name"),
        ({"name": 1}, "EXPECTED_STRING", "name"),
        ({"enabled": "true"}, "EXPECTED_BOOLEAN", "enabled"),
        ({"enabled": 1}, "EXPECTED_BOOLEAN", "enabled"),
        ({"event_types": []}, "ARRAY_EMPTY", "event_types"),
        ({"event_types": "customer.created"}, "EXPECTED_ARRAY", "event_types"),
        ({"event_types": {}}, "EXPECTED_ARRAY", "event_types"),
        ({"event_types": [1]}, "EXPECTED_STRING", "event_types"),
        ({"event_types": [["customer.created"]]}, "EXPECTED_STRING", "event_types"),
        ({"event_types": ["customer.created", "invoice.created"]}, "INVALID_VALUE", "event_types"),
        ({"event_types": ["\x00"]}, "INVALID_VALUE", "event_types"),
        ({"event_types": None}, "MISSING_REQUIRED_PARAMETER", "event_types"),
        ({"notification_url": None}, "MISSING_REQUIRED_PARAMETER", "notification_url"),
        ({"notification_url": []}, "EXPECTED_STRING", "notification_url"),
        ({"notification_url": f"{URL}/{'u' * 2048}"}, "VALUE_TOO_LONG", "notification_url"),
        ({"api_version": 20260916}, "EXPECTED_STRING", "api_version"),
        ({"id": "wbhk_1"}, "BAD_REQUEST", "id"),
        ({"signature_key": "mine"}, "BAD_REQUEST", "signature_key"),
        ({"url": URL}, "BAD_REQUEST", "url"),
    ],
)
def test_subscriptions_that_are_refused(
    square: Square, values: dict[str, Any], code: str, field: str
) -> None:
    """Types, lengths (name up to 64: API reference), unknown and read-only fields."""
    data = {"event_types": ["customer.created"], "notification_url": URL, **values}

    refused = square.refused("POST", PATH, {"subscription": data})
    assert refused == (400, [(code, f"subscription.{field}")])
    assert listed(square, include_disabled="true") == []


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, ("MISSING_REQUIRED_PARAMETER", "subscription")),
        ({"subscription": None}, ("MISSING_REQUIRED_PARAMETER", "subscription")),
        ({"subscription": []}, ("EXPECTED_OBJECT", "subscription")),
        ({"subscription": {}, "merchant_id": "M"}, ("BAD_REQUEST", "merchant_id")),
        ({"subscription": {}, "idempotency_key": "k" * 46}, ("VALUE_TOO_LONG", "idempotency_key")),
        ({"subscription": {}, "idempotency_key": ""}, ("VALUE_EMPTY", "idempotency_key")),
        ({"subscription": {}, "idempotency_key": 1}, ("EXPECTED_STRING", "idempotency_key")),
    ],
)
def test_bodies_that_are_refused(
    square: Square, body: dict[str, Any], refusal: tuple[str, str]
) -> None:
    """What is around a subscription; keys have 1 to 45 characters (API reference)."""
    assert square.refused("POST", PATH, body) == (400, [refusal])


@pytest.mark.parametrize("version", ["", "2026", "2021-02-30", "2025-08-21"])
def test_versions_that_are_refused(square: Square, version: str) -> None:
    """The version of a subscription is a published one, as that of a request."""
    data = {
        "event_types": ["customer.created"],
        "notification_url": URL,
        "api_version": version,
    }

    assert square.refused("POST", PATH, {"subscription": data})[0] == 400


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/square",
        "http://LOCALHOST:8080",
        "https://localhost:8443/square?a=1&b=%20",
        "http://127.0.0.1:9/",
        "http://127.8.9.10/x",
        "http://[::1]:9/x",
    ],
)
def test_urls_of_this_machine(square: Square, url: str) -> None:
    """Any URL of the loopback is kept as it was given, byte for byte."""
    assert subscribe(square, url)["notification_url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/square",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://localhost./",
        "http://0.0.0.0:9/",
        "http://10.0.0.1/",
        "http://192.168.1.10/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/",
        "http://[::]/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
    ],
)
def test_urls_of_other_machines(square: Square, url: str) -> None:
    """No request ever leaves the machine, and the refusal says so."""
    data = {"event_types": ["customer.created"], "notification_url": url}

    answer = square.send("POST", PATH, json={"subscription": data})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (400, "INVALID_VALUE")
    assert "this machine only" in error["detail"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "square",
        "//127.0.0.1/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://[::1/x",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:port/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\n",
        "http://127.0.0.1/ü",
        "http://user:secret@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://127.0.0.1/#fragment",
    ],
)
def test_what_is_no_url(square: Square, url: str) -> None:
    """A URL is http or https, visible ASCII, without name, password or fragment (assumption)."""
    data = {"event_types": ["customer.created"], "notification_url": url}

    answer = square.send("POST", PATH, json={"subscription": data})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (400, "INVALID_VALUE")
    assert "to be a URL" in error["detail"]


# Update, delete, rotate


def test_an_update_is_sparse(square: Square) -> None:
    """What is not named, or null, stays; the key is not told (API reference, example)."""
    made = subscribe(square)
    square.clock.now += 60

    after = square.ok(
        "PUT", f"{PATH}/{made['id']}", {"subscription": {"enabled": False, "name": None}}
    )["subscription"]

    assert after == without_key(made) | {
        "enabled": False,
        "updated_at": "2025-09-01T08:16:30.412Z",
    }
    assert square.ok("GET", f"{PATH}/{made['id']}")["subscription"] == {
        **after,
        "signature_key": made["signature_key"],
    }


def test_a_subscription_can_be_sent_back(square: Square) -> None:
    """Read-only fields are ignored on update; one that changes nothing is no write."""
    made = subscribe(square)
    square.clock.now += 60

    sent = {**made, "id": "other", "signature_key": "mine", "updated_at": "now"}
    assert square.ok("PUT", f"{PATH}/{made['id']}", {"subscription": sent}) == {
        "subscription": without_key(made)
    }
    assert [entry["action"] for entry in square.sandbox.log()] == ["create-subscription"]


def test_updates_are_judged_as_new_ones_are(square: Square) -> None:
    """An update cannot make of a subscription what it could not be."""
    path = f"{PATH}/{subscribe(square)['id']}"
    for values, code in (
        ({"notification_url": "https://example.com/"}, "INVALID_VALUE"),
        ({"event_types": ["invoice.created"]}, "INVALID_VALUE"),
        ({"name": ""}, "VALUE_EMPTY"),
        ({"colour": "red"}, "BAD_REQUEST"),
    ):
        (name,) = values
        refused = square.refused("PUT", path, {"subscription": values})
        assert refused == (400, [(code, f"subscription.{name}")])
    assert square.refused("PUT", path, {}) == (
        400,
        [("MISSING_REQUIRED_PARAMETER", "subscription")],
    )


def test_a_deleted_subscription_is_gone(square: Square) -> None:
    """Delete answers {}; after it there is nothing to do anything to."""
    path = f"{PATH}/{subscribe(square)['id']}"

    assert square.ok("DELETE", path) == {}
    assert listed(square, include_disabled="true") == []
    for method, below in (
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/signature-key"),
        ("POST", "/test"),
    ):
        assert square.refused(method, path + below, {}) == (404, [("NOT_FOUND", "")])


def test_a_key_is_rotated(square: Square) -> None:
    """A new key is answered and kept; a repeated idempotency key answers it again."""
    made = subscribe(square)
    path = f"{PATH}/{made['id']}"

    first = square.ok("POST", f"{path}/signature-key", {"idempotency_key": "k-1"})
    again = square.ok("POST", f"{path}/signature-key", {"idempotency_key": "k-1"})

    assert again == first == {"signature_key": first["signature_key"]}
    assert first["signature_key"] != made["signature_key"]
    assert square.ok("GET", path)["subscription"]["signature_key"] == first["signature_key"]
    assert square.ok("POST", f"{path}/signature-key") != first


def test_a_rotation_takes_a_key_and_nothing_else(square: Square) -> None:
    """Unknown members are refused, and so is a key used for something else."""
    one, two = subscribe(square), subscribe(square)
    path = f"{PATH}/{one['id']}/signature-key"
    square.ok("POST", path, {"idempotency_key": "k-1"})

    refused = square.refused("POST", path, {"signature_key": "mine"})
    assert refused == (400, [("BAD_REQUEST", "signature_key")])
    refused = square.refused("POST", path.replace(one["id"], two["id"]), {"idempotency_key": "k-1"})
    assert refused == (400, [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")])


def test_the_log_tells_what_was_done_but_no_key(square: Square) -> None:
    """Creates, updates, rotations and deletes are effective writes."""
    made = subscribe(square)
    path = f"{PATH}/{made['id']}"
    square.ok("PUT", path, {"subscription": {"enabled": False}})
    new = square.ok("POST", f"{path}/signature-key")["signature_key"]
    square.ok("DELETE", path)

    log = square.sandbox.log()

    assert [entry["action"] for entry in log] == [
        "create-subscription",
        "update-subscription",
        "rotate-signature-key",
        "delete-subscription",
    ]
    assert {entry["changes"]["subscription_id"] for entry in log} == {made["id"]}
    assert log[1]["changes"]["enabled"] is False
    assert made["signature_key"] not in json.dumps(log)
    assert new not in json.dumps(log)


def test_emptying_the_sandbox_keeps_subscriptions(square: Square) -> None:
    """Subscriptions are the application's, as tokens are (assumption)."""
    made = subscribe(square)

    square.sandbox.clear()

    assert listed(square) == [without_key(made)]


# The test of a subscription


def test_a_test_is_a_signed_notification(square: Square, receiver: Receiver) -> None:
    """A made-up event arrives, signed; the answer tells how it was taken (SDK)."""
    made = subscribe(square, receiver.url, event_types=["customer.updated", "customer.deleted"])

    answer = square.ok("POST", f"{PATH}/{made['id']}/test", {"event_type": "customer.deleted"})

    notification = receiver.next()
    assert notification.event["type"] == "customer.deleted"
    assert notification.event["data"]["deleted"] is True
    assert verify_signature(
        request_body=notification.body.decode(),
        signature_header=notification.headers["x-square-hmacsha256-signature"],
        signature_key=made["signature_key"],
        notification_url=receiver.url,
    )
    result = answer.pop("subscription_test_result")
    assert answer == {
        "notification_url": receiver.url,
        "status_code": 200,
        "passes_filter": True,
        "payload": notification.event,
    }
    assert {name: result[name] for name in answer} == answer
    assert result["created_at"] == result["updated_at"] == "2025-09-01T08:15:30.412Z"


def test_tests_before_2026(opened: Opened, receiver: Receiver) -> None:
    """Older versions answer subscription_test_result alone, its payload a text (reference)."""
    square = opened()
    made = subscribe(square, receiver.url)

    answer = square.ok(
        "POST", f"{PATH}/{made['id']}/test", headers={"Square-Version": "2025-10-16"}
    )

    assert list(answer) == ["subscription_test_result"]
    result = answer["subscription_test_result"]
    assert set(result) == {"id", "status_code", "payload", "created_at", "updated_at"}
    assert json.loads(result["payload"]) == receiver.next().event


def test_a_test_tells_any_status(square: Square, receiver: Receiver) -> None:
    """The status is that of the receiver; nothing is sent again. The first type is the default."""
    receiver.answers = [503]
    made = subscribe(square, receiver.url, enabled=False)

    answer = square.ok("POST", f"{PATH}/{made['id']}/test")
    square.clock.now += 24 * 3600
    assert square.sandbox.deliver() == 0

    assert answer["status_code"] == 503
    assert [one.event["type"] for one in receiver.taken()] == ["customer.created"]


def test_a_test_that_nobody_answers(square: Square) -> None:
    """Without an answer there is no status_code (assumption)."""
    with receiving() as gone:
        made = subscribe(square, gone.url)

    answer = square.ok("POST", f"{PATH}/{made['id']}/test")

    assert "status_code" not in answer
    assert answer["payload"]["type"] == "customer.created"


def test_a_test_holds_nobody_up(square: Square, receiver: Receiver) -> None:
    """While a receiver of a test takes its time, the sandbox answers it and others."""
    made = subscribe(square, receiver.url)
    seen: list[int] = []

    def ask_the_sandbox(_: Notification) -> int:
        seen.append(len(listed(square)))
        return 200

    receiver.judge = ask_the_sandbox
    assert square.ok("POST", f"{PATH}/{made['id']}/test")["status_code"] == 200
    assert seen == [1]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"event_type": "customer.deleted"}, ("INVALID_VALUE", "event_type")),
        ({"event_type": "x"}, ("INVALID_VALUE", "event_type")),
        ({"event_type": ["customer.created"]}, ("EXPECTED_STRING", "event_type")),
        ({"type": "customer.created"}, ("BAD_REQUEST", "type")),
    ],
)
def test_tests_that_are_refused(
    square: Square, receiver: Receiver, body: dict[str, Any], refusal: tuple[str, str]
) -> None:
    """The type must be one of the subscription's (SDK)."""
    made = subscribe(square, receiver.url)

    assert square.refused("POST", f"{PATH}/{made['id']}/test", body) == (400, [refusal])
    assert receiver.taken() == []


def test_a_test_is_no_event(square: Square, receiver: Receiver) -> None:
    """Nothing happened, so no search finds anything (assumption)."""
    square.ok("PUT", "/v2/events/enable")
    made = subscribe(square, receiver.url)
    square.ok("POST", f"{PATH}/{made['id']}/test")

    assert square.ok("POST", "/v2/events", {}) == {}


# Signatures


def test_a_known_signature() -> None:
    """HMAC-SHA256 of URL and body, base64; a known answer the SDK agrees with."""
    key, url = "sandbox-signature-key", "https://import.example.net/square/events"
    body = '{"type":"customer.created","event_id":"e-1"}'

    made = signature(key, url, body.encode())

    assert made == "9SoYlKJ+wtzm8d0F6VpXaFIm98YfeP0e+4aHL627cac="
    assert verify_signature(
        request_body=body, signature_header=made, signature_key=key, notification_url=url
    )
