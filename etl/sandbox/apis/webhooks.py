"""What does each endpoint of the Webhook Subscriptions API do?

Subscriptions belong to the application, not to a seller. How events reach them is told by
``deliveries``.
"""

from __future__ import annotations

import uuid
from typing import Any

import orjson

from etl.sandbox import deliveries, errors, events, keys
from etl.sandbox.apis.customers import EMPTY
from etl.sandbox.calls import Call
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import one_of, text_in
from etl.sandbox.rules import samples
from etl.sandbox.rules import subscriptions as rules
from etl.sandbox.search import paging
from etl.sandbox.search.query import ORDERS
from etl.sandbox.store.keys import Remembered
from etl.sandbox.store.subscriptions import Subscription
from etl.sandbox.times import timestamp
from etl.sandbox.versions import TESTS_ANSWER_FLAT

_MAX_PAGE = 100


def list_subscriptions(call: Call) -> bytes:
    """ListWebhookSubscriptions: the oldest first, those that are enabled, without their keys."""
    order = one_of(call.parameters.get("sort_order") or "ASC", ORDERS, "sort_order")
    disabled = call.parameters.get("include_disabled") or "false"
    if disabled not in ("true", "false"):
        raise Refusal(errors.expected("boolean", "include_disabled"))
    query = paging.plain_list(call.parameters, f"subscriptions {order} {disabled}", _MAX_PAGE)
    found = call.store.subscriptions.page(
        paging.read_cursor(call.secret, query, call.now),
        query.limit + 1,
        descending=order == "DESC",
        disabled=disabled == "true",
    )
    page = found[: query.limit]
    answer: dict[str, Any] = {}
    if page:
        answer["subscriptions"] = [_as_json(subscription) for subscription in page]
    if len(found) > query.limit:
        answer["cursor"] = paging.make_cursor(call.secret, query, page[-1].place, call.now)
    return orjson.dumps(answer)


def create_subscription(call: Call) -> bytes:
    """CreateWebhookSubscription: its events are delivered from now on."""
    body = call.json()
    key = keys.take(body)
    digest = keys.digest("subscription", body)
    if key is not None:
        known = keys.answered(call, key, digest, lambda made: _exists(call, made))
        if known is not None:
            return known
    subscription = Subscription(
        id=f"wbhk_{call.chance.getrandbits(128):032x}",
        signature_key=deliveries.new_key(call.chance),
        created=call.now,
        updated=call.now,
        **rules.judge_new(body),
    )
    call.store.subscriptions.put(subscription)
    call.log_other("create-subscription", _logged(subscription), key=key)
    answer = orjson.dumps({"subscription": _as_json(subscription, with_key=True)})
    if key is not None:
        call.store.keys.put(key, Remembered(digest, subscription.id, answer), call.now)
    return answer


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
    body = call.json() if call.request.body.strip() else {}
    key = keys.take(body)
    if body:
        raise Refusal(*map(errors.unknown_field, body))
    digest = keys.digest("signature-key", subscription_id)
    if key is not None:
        known = keys.answered(call, key, digest, lambda made: _exists(call, made))
        if known is not None:
            return known
    subscription = subscription._replace(
        signature_key=deliveries.new_key(call.chance), updated=call.now
    )
    call.store.subscriptions.put(subscription)
    call.log_other("rotate-signature-key", {"subscription_id": subscription_id}, key=key)
    answer = orjson.dumps({"signature_key": subscription.signature_key})
    if key is not None:
        call.store.keys.put(key, Remembered(digest, subscription_id, answer), call.now)
    return answer


def test_subscription(call: Call, subscription_id: str) -> bytes:
    """TestWebhookSubscription: sends a made-up event, once, and tells how it was taken."""
    subscription = _found(call, subscription_id)
    body = call.json() if call.request.body.strip() else {}
    unknown = [name for name in body if name != "event_type"]
    if unknown:
        raise Refusal(*map(errors.unknown_field, unknown))
    chosen = text_in(body, "event_type", "") or subscription.event_types[0]
    if chosen not in subscription.event_types:
        detail = f"The subscription is not notified of {chosen}."
        raise Refusal(Problem("INVALID_VALUE", detail, "event_type"))
    payload = events.envelope(
        samples.event(chosen, call.now),
        str(uuid.UUID(int=call.chance.getrandbits(128), version=4)),
        call.merchant.id,
        call.merchant.country,
        subscription.api_version,
    )
    parcel = deliveries.pack(subscription, payload, timestamp(call.now))
    result_id = str(uuid.UUID(int=call.chance.getrandbits(128), version=4))
    # The receiver may take its time, and may ask the sandbox something meanwhile.
    call.errand = lambda: _sent(call, parcel, result_id)
    return EMPTY


def _sent(call: Call, parcel: deliveries.Parcel, result_id: str) -> bytes:
    """Send the event of a test and tell how it was taken."""
    from etl.sandbox import courier

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
        raise Refusal(errors.subscription_not_found(subscription_id))
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
