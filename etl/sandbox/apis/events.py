"""What does each endpoint of the Events API do?"""

from __future__ import annotations

import orjson

from etl.sandbox import versions
from etl.sandbox.apis import lists
from etl.sandbox.assumptions import EVENT_LIFETIME
from etl.sandbox.calls import EMPTY, Call
from etl.sandbox.events import news
from etl.sandbox.events.envelope import envelope, event_id
from etl.sandbox.events.types import of_version
from etl.sandbox.search import events as search


def search_events(call: Call) -> bytes:
    """SearchEvents: those of the last 28 days that happened while events were enabled."""
    query, wanted = search.from_body(
        call.json_or_nothing(), call.merchant.id, not_before=call.now - EVENT_LIFETIME * 1000
    )
    after, size = call.page(query)
    found = call.store.events.page(wanted, after, size + 1) if wanted is not None else []
    page = found[:size]
    if not page:
        return EMPTY
    version = call.settings.default_version
    ids = [event_id(call.secret, event) for event in page]
    texts = [
        envelope(event, named, call.merchant.id, call.merchant.country, version)
        for event, named in zip(page, ids, strict=True)
    ]
    metadata = [{"event_id": named, "api_version": version} for named in ids]
    members = [b'"events":[%b]' % b",".join(texts), b'"metadata":%b' % orjson.dumps(metadata)]
    members += lists.ending(call, query, page[-1].place if len(found) > size else None)
    return b"{%b}" % b",".join(members)


def enable_events(call: Call) -> bytes:
    """EnableEvents: what happens from now on can be searched for."""
    return _switch(call, on=True)


def disable_events(call: Call) -> bytes:
    """DisableEvents: what happens from now on cannot be searched for, ever."""
    return _switch(call, on=False)


def _switch(call: Call, *, on: bool) -> bytes:
    if news.is_searchable(call.store) != on:
        call.store.set(news.ENABLED, on)
        call.log_other("enable-events" if on else "disable-events", {})
    return EMPTY


def list_event_types(call: Call) -> bytes:
    """ListEventTypes: those of a Square-Version, by default the call's."""
    version = versions.served(call.parameters.get("api_version"), call.version)
    types = of_version(version)
    metadata = [
        {"event_type": type.name, "api_version_introduced": type.since, "release_status": "PUBLIC"}
        for type in types
    ]
    return orjson.dumps({"event_types": [type.name for type in types], "metadata": metadata})
