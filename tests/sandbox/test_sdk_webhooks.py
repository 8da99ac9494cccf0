"""The official SDK, unmodified, covers the Webhook Subscriptions API."""

from __future__ import annotations

import pytest
from square import Square as Sdk
from square.core.api_error import ApiError
from square.utils.webhooks_helper import verify_signature

from tests.sandbox.receivers import Receiver


def test_a_subscription_lives(sdk: Sdk, receiver: Receiver) -> None:
    """Create, get, update, list, rotate, test and delete through squareup."""
    subscriptions = sdk.webhooks.subscriptions
    made = subscriptions.create(
        idempotency_key="sdk-1",
        subscription={
            "name": "Nightly",
            "event_types": ["customer.created", "customer.updated"],
            "notification_url": receiver.url,
            "api_version": "2024-12-18",
        },
    ).subscription
    assert made is not None
    assert made.id is not None
    assert (made.name, made.enabled, made.api_version) == ("Nightly", True, "2024-12-18")
    assert made.event_types == ["customer.created", "customer.updated"]
    assert subscriptions.get(made.id).subscription == made

    updated = subscriptions.update(made.id, subscription={"enabled": False}).subscription
    assert updated is not None
    assert (updated.enabled, updated.notification_url) == (False, receiver.url)
    assert list(subscriptions.list()) == []

    rotated = subscriptions.update_signature_key(made.id, idempotency_key="sdk-2").signature_key
    assert rotated is not None
    assert rotated != made.signature_key
    tested = subscriptions.test(made.id, event_type="customer.updated")
    notification = receiver.next()
    assert (tested.status_code, tested.passes_filter) == (200, True)
    assert (tested.notification_url, tested.payload) == (receiver.url, notification.event)
    assert tested.subscription_test_result is not None
    assert tested.subscription_test_result.payload == notification.event
    assert verify_signature(
        request_body=notification.body.decode(),
        signature_header=notification.headers["x-square-hmacsha256-signature"],
        signature_key=rotated,
        notification_url=receiver.url,
    )

    assert subscriptions.delete(made.id).errors is None
    with pytest.raises(ApiError) as gone:
        subscriptions.get(made.id)
    assert gone.value.status_code == 404


def test_lists_go_over_pages(sdk: Sdk) -> None:
    """The SDK follows cursors, in both orders."""
    for i in range(5):
        sdk.webhooks.subscriptions.create(
            subscription={
                "name": f"S{i}",
                "event_types": ["customer.deleted"],
                "notification_url": "https://localhost:8443/hooks",
                "enabled": i != 0,
            }
        )

    everything = sdk.webhooks.subscriptions.list(include_disabled=True, limit=2, sort_order="DESC")
    enabled = sdk.webhooks.subscriptions.list(limit=3)

    assert {subscription.name for subscription in everything} == {f"S{i}" for i in range(5)}
    assert {subscription.name for subscription in enabled} == {f"S{i}" for i in range(1, 5)}


def test_event_types(sdk: Sdk) -> None:
    """Types can be listed for any version."""
    listed = sdk.webhooks.event_types.list(api_version="2021-07-21")

    assert listed.event_types is not None
    assert listed.metadata is not None
    assert "customer.created" in listed.event_types
    assert [entry.event_type for entry in listed.metadata] == listed.event_types


def test_other_machines_are_refused(sdk: Sdk) -> None:
    """A URL elsewhere is an error with its reason."""
    with pytest.raises(ApiError) as refused:
        sdk.webhooks.subscriptions.create(
            subscription={
                "event_types": ["customer.created"],
                "notification_url": "https://hooks.example.com/square",
            }
        )

    assert refused.value.status_code == 400
