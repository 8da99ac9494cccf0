"""What does an event tell those who hear of it?"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from etl.sandbox.events.types import BY_NAME
from etl.sandbox.rules.phones import e164
from etl.sandbox.store.events import Event
from etl.sandbox.times import timestamp
from etl.sandbox.versions import worded


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
