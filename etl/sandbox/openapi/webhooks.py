"""What do the calls of the Webhook Subscriptions API and of the Events API take and give?"""

from __future__ import annotations

from etl.sandbox.apis import events as events_api
from etl.sandbox.apis import webhooks
from etl.sandbox.assumptions import MAX_URL_LENGTH
from etl.sandbox.events.types import BY_NAME, of_version
from etl.sandbox.openapi.customers import KEY
from etl.sandbox.openapi.search import RANGE
from etl.sandbox.openapi.shapes import (
    CURSOR,
    FLAG,
    MOMENT,
    NOTHING,
    SOME_TEXT,
    TEXT,
    VERSION_DATE,
    WHOLE,
    Api,
    Operation,
    Parameter,
    Schema,
    answer,
    array,
    choice,
    either,
    limit,
    mapping,
    nullable,
    page,
    record,
    ref,
    texts,
)
from etl.sandbox.rules.subscriptions import MAX_NAME_LENGTH, READ_ONLY
from etl.sandbox.search import events as search
from etl.sandbox.versions import NEWEST

_ONE = answer({"subscription": ref("Subscription")})
_TYPES = Operation(
    answer(
        {
            "event_types": texts(),
            "metadata": array(
                answer(
                    {
                        "event_type": TEXT,
                        "api_version_introduced": VERSION_DATE,
                        "release_status": TEXT,
                    }
                )
            ),
        }
    ),
    parameters=(Parameter("api_version", VERSION_DATE, "Those of this Square-Version."),),
)
_EVENT_TYPES = array(choice(BY_NAME), 1)
_WRITABLE: dict[str, Schema] = {
    "name": nullable({**SOME_TEXT, "maxLength": MAX_NAME_LENGTH}),
    "enabled": nullable(FLAG),
    "event_types": _EVENT_TYPES,
    "notification_url": ref("NotificationUrl"),
    "api_version": nullable(VERSION_DATE),
}
_NEEDED = ("event_types", "notification_url")
_SEARCHED: dict[str, Schema] = {
    "event_types": nullable(array(choice(type.name for type in of_version(NEWEST)), 1)),
    "merchant_ids": nullable(array(ref("MerchantId"), 1)),
    "location_ids": nullable(array(ref("LocationId"), 1)),
    "created_at": RANGE,
}
_SORT = record({"field": nullable(choice(search.SORTS)), "order": nullable(choice(search.ORDERS))})
_TESTED: dict[str, Schema] = {
    "notification_url": TEXT,
    "status_code": WHOLE,
    "passes_filter": FLAG,
    # Versions before 2026-07-15 tell it as a text, and only inside the result.
    "payload": either(mapping({}), TEXT),
}
_RESULT = answer(
    {"id": TEXT, **_TESTED, "created_at": MOMENT, "updated_at": MOMENT},
    optional=["notification_url", "status_code", "passes_filter"],
)

API = Api(
    "Webhooks and events",
    {
        webhooks.list_event_types: _TYPES,
        webhooks.list_subscriptions: Operation(
            page(subscriptions=array(ref("Subscription"), 1)),
            parameters=(
                CURSOR,
                limit(webhooks.MAX_PAGE),
                Parameter("include_disabled", FLAG, "Whether disabled ones are told too."),
                Parameter("sort_order", choice(webhooks.ORDERS), "By their creation."),
            ),
        ),
        webhooks.create_subscription: Operation(
            _ONE,
            record(
                {"idempotency_key": nullable(KEY), "subscription": record(_WRITABLE, _NEEDED)},
                ["subscription"],
            ),
        ),
        webhooks.retrieve_subscription: Operation(_ONE),
        webhooks.update_subscription: Operation(
            _ONE,
            record(
                {
                    "subscription": record(
                        {
                            **_WRITABLE,
                            **{name: nullable(_WRITABLE[name]) for name in _NEEDED},
                            # As a subscription may be sent back; they are ignored.
                            **{name: {} for name in READ_ONLY},
                        }
                    )
                },
                ["subscription"],
            ),
        ),
        webhooks.delete_subscription: Operation(NOTHING),
        webhooks.rotate_signature_key: Operation(
            answer({"signature_key": TEXT}),
            record({"idempotency_key": nullable(KEY)}),
            body_optional=True,
        ),
        webhooks.test_subscription: Operation(
            answer({**_TESTED, "subscription_test_result": _RESULT}, optional=_TESTED),
            record({"event_type": nullable(TEXT)}),
            body_optional=True,
        ),
        events_api.search_events: Operation(
            page(
                events=array(ref("Event"), 1),
                metadata=array(answer({"event_id": TEXT, "api_version": VERSION_DATE}), 1),
            ),
            record(
                {
                    "cursor": nullable(TEXT),
                    "limit": nullable(
                        {"type": "integer", "minimum": 1, "maximum": search.MAX_PAGE}
                    ),
                    "query": nullable(
                        record({"filter": nullable(record(_SEARCHED)), "sort": nullable(_SORT)})
                    ),
                }
            ),
            body_optional=True,
        ),
        events_api.enable_events: Operation(NOTHING),
        events_api.disable_events: Operation(NOTHING),
        events_api.list_event_types: _TYPES,
    },
    {
        "SubscriptionId": TEXT,
        "NotificationUrl": {
            **SOME_TEXT,
            "maxLength": MAX_URL_LENGTH,
            "description": "On this machine: localhost, 127.0.0.1 or [::1].",
            "examples": ["http://127.0.0.1:8000/events"],
        },
        "Subscription": answer(
            {
                "id": ref("SubscriptionId"),
                "name": SOME_TEXT,
                "enabled": FLAG,
                "event_types": texts(1),
                "notification_url": TEXT,
                "api_version": VERSION_DATE,
                "signature_key": TEXT,
                "created_at": MOMENT,
                "updated_at": MOMENT,
            },
            optional=["name", "signature_key"],
        ),
        "Event": answer(
            {
                "merchant_id": TEXT,
                "type": choice(BY_NAME),
                "event_id": TEXT,
                "created_at": MOMENT,
                "data": answer(
                    {"type": TEXT, "id": TEXT, "deleted": {"const": True}, "object": mapping({})},
                    optional=["deleted"],
                ),
            }
        ),
    },
)
