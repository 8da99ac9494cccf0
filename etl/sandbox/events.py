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
from etl.sandbox.rules.customers import e164
from etl.sandbox.store import Store
from etl.sandbox.store.events import Event
from etl.sandbox.store.log import ProfileAction
from etl.sandbox.times import timestamp
from etl.sandbox.versions import NEWEST, worded

# The setting that tells whether the Events API is to find what happens.
ENABLED = "events_enabled"


class EventType(NamedTuple):
    """A type of event, what it is about, and the first Square-Version that has it."""

    name: str
    about: str
    since: str

    def in_version(self, version: str) -> bool:
        """Tell whether a Square-Version has this type."""
        return self.since <= version


# The API reference names the events, the release notes their first versions.
EVENT_TYPES = (
    EventType("customer.created", "customer", "2021-02-26"),
    EventType("customer.updated", "customer", "2021-02-26"),
    EventType("customer.deleted", "customer", "2021-02-26"),
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


def event_id(secret: bytes, event: Event) -> str:
    """Return the id of an event, the same whenever it is read or sent."""
    digest = hashlib.blake2b(b"event %d" % event.seq, key=secret, digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def envelope(
    event: Event, named: str, merchant_id: str, country: str, version: str = NEWEST
) -> bytes:
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
