"""Which events are there, whom do they concern, and what does each tell?

An event is made with the write that causes it, in the same transaction, if a search or a
subscription may ever ask for it. Its JSON text is made when it is read or sent.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from etl.sandbox.assumptions import EVENT_LIFETIME
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.ids import APPLICATION
from etl.sandbox.rules.phones import e164
from etl.sandbox.store import Store
from etl.sandbox.store.attributes import HIDDEN
from etl.sandbox.store.events import Event
from etl.sandbox.store.log import OtherAction, ProfileAction
from etl.sandbox.times import timestamp
from etl.sandbox.versions import CUSTOM_ATTRIBUTES, NEWEST, worded

# The setting that tells whether the Events API is to find what happens.
ENABLED = "events_enabled"


class EventType(NamedTuple):
    """A type of event, what it is about, and the Square-Versions that have it."""

    name: str
    about: str
    since: str
    before: str = "9"

    def in_version(self, version: str) -> bool:
        """Tell whether a Square-Version has this type."""
        return self.since <= version < self.before


def _of_attributes(owners: Sequence[str], *versions: str) -> Iterator[EventType]:
    for owner in owners:
        for about, verbs in (
            ("custom_attribute_definition", ("created", "updated", "deleted")),
            ("custom_attribute", ("updated", "deleted")),
        ):
            for verb in verbs:
                yield EventType(f"customer.{about}.{owner}{verb}", about, *versions)


# The API reference names the events, the release notes their first versions. Those of custom
# attributes had other names at first.
_RENAMED = "2022-08-17"
EVENT_TYPES = (
    EventType("customer.created", "customer", "2021-02-26"),
    EventType("customer.updated", "customer", "2021-02-26"),
    EventType("customer.deleted", "customer", "2021-02-26"),
    *_of_attributes(("owned.", "visible."), _RENAMED),
    *_of_attributes(("", "public."), CUSTOM_ATTRIBUTES.since, _RENAMED),
    EventType("gift_card.customer_linked", "gift_card", "2021-06-16"),
    EventType("gift_card.customer_unlinked", "gift_card", "2021-06-16"),
)
BY_NAME = {type.name: type for type in EVENT_TYPES}


def of_version(version: str) -> list[EventType]:
    """Return the types of events a Square-Version has."""
    return [type for type in EVENT_TYPES if type.in_version(version)]


def check_types(names: Iterable[str], version: str, path: str) -> None:
    """Raise Refusal for a type of event that would never come."""
    for name in names:
        if name not in BY_NAME:
            detail = f"This sandbox has no events of the type {name}."
        elif not BY_NAME[name].in_version(version):
            detail = f"Square-Version {version} has no events of the type {name}."
        else:
            continue
        raise Refusal(Problem("INVALID_VALUE", detail, path))


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


def event_id(secret: bytes, event: Event) -> str:
    """Return the id of an event, the same whenever it is read or sent."""
    digest = hashlib.blake2b(b"event %d" % event.seq, key=secret, digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def envelope(event: Event, named: str, merchant_id: str, country: str, version: str) -> bytes:
    """Return the JSON text of an event called ``named``, as a Square-Version words it."""
    type = BY_NAME[event.type]
    deleted = event.type.endswith(".deleted")
    told = orjson.loads(event.told)
    if type.about == "customer":
        told["customer"] = _customer(told["customer"], country, deleted=deleted)
    text = {
        "merchant_id": merchant_id,
        "type": event.type,
        "event_id": named,
        "created_at": timestamp(event.created),
        "data": {
            "type": type.about,
            "id": event.object_id,
            **({"deleted": True} if deleted else {}),
            "object": told,
        },
    }
    return worded(orjson.dumps(text), version)


# The API reference says what the profile in an event lacks; its example of a deletion lacks the
# times as well.
_GONE = frozenset({"group_ids", "created_at", "updated_at"})


def _customer(stored: Mapping[str, Any], country: str, *, deleted: bool) -> dict[str, Any]:
    customer = {name: value for name, value in stored.items() if not deleted or name not in _GONE}
    if phone := customer.get("phone_number"):
        # An older version may have let in what is no number.
        customer["phone_number"] = e164(phone, country) or phone
    return customer
