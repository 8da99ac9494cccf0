"""What does each endpoint of the Webhook Subscriptions API do?

Subscriptions belong to the application, not to a seller. How events reach them is told by
``etl.sandbox.events``.
"""

from __future__ import annotations

import functools
from typing import Any

import orjson

from etl.sandbox import errors, ids, keys
from etl.sandbox.apis import events as events_api
from etl.sandbox.apis import lists
from etl.sandbox.calls import EMPTY, Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.events import deliveries, samples
from etl.sandbox.events.envelope import envelope
from etl.sandbox.reading import check_members, choice_in, flag_in, text_in
from etl.sandbox.rules import subscriptions as rules
from etl.sandbox.search import paging
from etl.sandbox.store.subscriptions import Subscription
from etl.sandbox.times import timestamp
from etl.sandbox.versions import TESTS_ANSWER_FLAT

MAX_PAGE = 100
ORDERS = ("ASC", "DESC")


def list_event_types(call: Call) -> bytes:
    """ListWebhookEventTypes: those of a Square-Version, by default the call's."""
    return events_api.list_event_types(call)


def list_subscriptions(call: Call) -> bytes:
    """ListWebhookSubscriptions: the oldest first, those that are enabled, without their keys."""
    order = choice_in(call.parameters, "sort_order", ORDERS, "")
    disabled = flag_in(call.parameters, "include_disabled")
    limit = paging.limit_in(call.parameters, MAX_PAGE)
    query = paging.of_list(call.parameters, limit, "subscriptions", order, disabled)
    rows = functools.partial(
        call.store.subscriptions.page, descending=order == "DESC", disabled=disabled
    )
    return lists.page(call, query, "subscriptions", rows, lambda row: row.place, _as_json)


def create_subscription(call: Call) -> bytes:
    """CreateWebhookSubscription: its events are delivered from now on."""
    body = call.json()
    key = keys.take(body)

    def make() -> tuple[str, bytes]:
        subscription = Subscription(
            id=f"wbhk_{call.chance.getrandbits(128):032x}",
            signature_key=deliveries.new_key(call.chance),
            created=call.now,
            updated=call.now,
            **rules.judge_new(body, call.settings.default_version),
        )
        call.store.subscriptions.put(subscription)
        call.log_other("create-subscription", _logged(subscription), key=key)
        shown = _as_json(subscription, with_key=True)
        return subscription.id, orjson.dumps({"subscription": shown})

    return keys.once(call, key, "subscription", body, lambda made: _exists(call, made), make)


def retrieve_subscription(call: Call, subscription_id: str) -> bytes:
    """RetrieveWebhookSubscription: with the key its deliveries are signed with."""
    subscription = _found(call, subscription_id)
    return orjson.dumps({"subscription": _as_json(subscription, with_key=True)})


def update_subscription(call: Call, subscription_id: str) -> bytes:
    """UpdateWebhookSubscription: sparse; to disable one gives up what waits for it."""
    before = _found(call, subscription_id)
    after = rules.judge_change(call.json(), before)
    if after != before:
        after = after._replace(updated=call.now)
        call.store.subscriptions.put(after)
        call.log_other("update-subscription", _logged(after))
    if not after.enabled:
        call.store.deliveries.end_all(subscription_id)
    return orjson.dumps({"subscription": _as_json(after)})


def delete_subscription(call: Call, subscription_id: str) -> bytes:
    """DeleteWebhookSubscription: nothing is delivered to it any more."""
    _found(call, subscription_id)
    call.store.subscriptions.remove(subscription_id)
    call.log_other("delete-subscription", {"subscription_id": subscription_id})
    return EMPTY


def rotate_signature_key(call: Call, subscription_id: str) -> bytes:
    """UpdateWebhookSubscriptionSignatureKey: signs all that is sent from now on."""
    subscription = _found(call, subscription_id)
    body = call.json_or_nothing()
    key = keys.take(body)
    check_members(body, {})

    def make() -> tuple[str, bytes]:
        new = deliveries.new_key(call.chance)
        call.store.subscriptions.put(subscription._replace(signature_key=new, updated=call.now))
        call.log_other("rotate-signature-key", {"subscription_id": subscription_id}, key=key)
        return subscription_id, orjson.dumps({"signature_key": new})

    return keys.once(call, key, "signature key", subscription_id, lambda _: True, make)


def test_subscription(call: Call, subscription_id: str) -> bytes:
    """TestWebhookSubscription: sends a made-up event, once, and tells how it was taken."""
    subscription = _found(call, subscription_id)
    body = call.json_or_nothing()
    check_members(body, {"event_type": None})
    chosen = text_in(body, "event_type", "") or subscription.event_types[0]
    if chosen not in subscription.event_types:
        detail = f"The subscription is not notified of {chosen}."
        raise Refusal(Problem("INVALID_VALUE", detail, "event_type"))
    payload = envelope(
        samples.event(chosen, call.now),
        ids.uuid(call.chance),
        call.merchant.id,
        call.merchant.country,
        subscription.api_version,
    )
    parcel = deliveries.pack(subscription, payload, timestamp(call.now))
    result_id = ids.uuid(call.chance)
    # The receiver may take its time, and may ask the sandbox something meanwhile.
    call.errand = lambda: _sent(call, parcel, result_id)
    return EMPTY


def _sent(call: Call, parcel: deliveries.Parcel, result_id: str) -> bytes:
    """Send the event of a test and tell how it was taken."""
    from etl.sandbox.events import courier

    status = courier.post(parcel).status
    flat = TESTS_ANSWER_FLAT.holds(call.version)
    at = timestamp(call.now)
    result = {
        "notification_url": parcel.url,
        # Nobody answered, so there is no status.
        **({} if status is None else {"status_code": status}),
        "passes_filter": True,
        "payload": orjson.loads(parcel.body) if flat else parcel.body.decode(),
    }
    nested = {"id": result_id, **result, "created_at": at, "updated_at": at}
    if flat:
        return orjson.dumps({**result, "subscription_test_result": nested})
    for newer in ("notification_url", "passes_filter"):
        del nested[newer]
    return orjson.dumps({"subscription_test_result": nested})


def _exists(call: Call, subscription_id: str) -> bool:
    return call.store.subscriptions.find(subscription_id) is not None


def _found(call: Call, subscription_id: str) -> Subscription:
    subscription = call.store.subscriptions.find(subscription_id)
    if subscription is None:
        raise Refusal(errors.not_found("Webhook subscription", subscription_id))
    return subscription


def _as_json(subscription: Subscription, *, with_key: bool = False) -> dict[str, Any]:
    key = {"signature_key": subscription.signature_key} if with_key else {}
    return {
        "id": subscription.id,
        **({} if subscription.name is None else {"name": subscription.name}),
        "enabled": subscription.enabled,
        "event_types": subscription.event_types,
        "notification_url": subscription.notification_url,
        "api_version": subscription.api_version,
        **key,
        "created_at": timestamp(subscription.created),
        "updated_at": timestamp(subscription.updated),
    }


def _logged(subscription: Subscription) -> dict[str, object]:
    named = ("name", "enabled", "event_types", "notification_url", "api_version")
    return {
        "subscription_id": subscription.id,
        **{name: getattr(subscription, name) for name in named},
    }
