"""What has happened, and who listens?

An event is made with the write that causes it, in the same transaction, if a search or a
subscription may ever ask for it. Its JSON text is made when it is read or sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from etl.sandbox.assumptions import EVENT_LIFETIME
from etl.sandbox.events.types import BY_NAME
from etl.sandbox.ids import APPLICATION
from etl.sandbox.store import Store
from etl.sandbox.store.attributes import HIDDEN
from etl.sandbox.store.log import OtherAction, ProfileAction
from etl.sandbox.versions import NEWEST

# The setting that tells whether the Events API is to find what happens.
ENABLED = "events_enabled"


class News(NamedTuple):
    """What happened to one thing; ``told`` is the ``object`` of the event, as it is stored."""

    type: str
    object_id: str
    told: Mapping[str, Any]


class Audience(NamedTuple):
    """Who listens: the Events API, and the enabled subscriptions to each type of event."""

    searches: bool
    subscriptions: Mapping[str, Sequence[str]]

    @property
    def is_empty(self) -> bool:
        """Tell whether nobody will ever ask for an event of this moment."""
        return not self.searches and not self.subscriptions


def audience(store: Store, now: int) -> Audience:
    """Find out who listens, and forget what nobody can ask for any more."""
    subscriptions: dict[str, list[str]] = {}
    for subscription in store.subscriptions.enabled():
        for name in subscription.event_types:
            subscriptions.setdefault(name, []).append(subscription.id)
    found = Audience(is_searchable(store), subscriptions)
    if not found.is_empty:
        store.events.forget(now - EVENT_LIFETIME * 1000)
    return found


def is_searchable(store: Store) -> bool:
    """Tell whether the Events API is to find what happens now."""
    return bool(store.setting(ENABLED, False))


def publish(store: Store, listeners: Audience, news: News, now: int) -> None:
    """Note an event for those who listen to its type."""
    subscriptions = listeners.subscriptions.get(news.type, ())
    searchable = listeners.searches and BY_NAME[news.type].in_version(NEWEST)
    if subscriptions or searchable:
        number = store.events.add(*news, now, searchable=searchable)
        store.deliveries.add(number, subscriptions, now)


_OF_PROFILES: Mapping[ProfileAction, str] = {
    "create": "customer.created",
    "update": "customer.updated",
    "delete": "customer.deleted",
    "merge": "customer.created",
}


def of_profile(
    action: ProfileAction, customer: Mapping[str, Any], merged: Sequence[Mapping[str, Any]]
) -> Iterator[News]:
    """Yield the events of a write to a profile; ``merged`` are those a merge took away."""
    context = {}
    if merged:
        ids = [old["id"] for old in merged]
        merge = {"from_customer_ids": ids, "to_customer_id": customer["id"]}
        context = {"event_context": {"merge": merge}}
    yield News(_OF_PROFILES[action], customer["id"], {"customer": customer, **context})
    for old in merged:
        yield News("customer.deleted", old["id"], {"customer": old, **context})


_OF_ATTRIBUTES: Mapping[OtherAction, tuple[str, str]] = {
    "create-attribute-definition": ("custom_attribute_definition", "created"),
    "update-attribute-definition": ("custom_attribute_definition", "updated"),
    "delete-attribute-definition": ("custom_attribute_definition", "deleted"),
    "upsert-attribute": ("custom_attribute", "updated"),
    "delete-attribute": ("custom_attribute", "deleted"),
}
_OF_GIFT_CARDS: Mapping[OtherAction, str] = {
    "link-gift-card": "linked",
    "unlink-gift-card": "unlinked",
}


def of_other(
    store: Store, action: OtherAction, changes: Mapping[str, Any], customer_id: str
) -> Iterator[News]:
    """Yield the events of a write to something else than a profile, from what is logged of it."""
    if action in _OF_ATTRIBUTES:
        about, verb = _OF_ATTRIBUTES[action]
        object_id = changes["key"] if ":" in changes["key"] else f"{APPLICATION}:{changes['key']}"
        if customer_id:
            object_id = f"{object_id}:CUSTOMER:{customer_id}"
        for owner in _owners(changes["key"], changes["visibility"]):
            yield News(f"customer.{about}.{owner}{verb}", object_id, {about: changes})
    elif action in _OF_GIFT_CARDS:
        verb, card_id = _OF_GIFT_CARDS[action], changes["gift_card_id"]
        record = store.records.find("gift_card", card_id)
        assert record is not None, "it was linked or unlinked a moment ago"
        told = {"gift_card": orjson.loads(record.body), f"{verb}_customer_id": customer_id}
        yield News(f"gift_card.customer_{verb}", card_id, told)


def _owners(key: str, visibility: str) -> Iterator[str]:
    """Yield what the names of an attribute's events say of who may see it."""
    own, public = ":" not in key, visibility != HIDDEN
    if own:
        yield from ("owned.", "")
    if own or public:
        yield "visible."
    if public:
        yield "public."
