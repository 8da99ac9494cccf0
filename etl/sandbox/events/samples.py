"""What does the made-up event of a subscription's test tell?"""

from __future__ import annotations

from typing import Any

import orjson

from etl.sandbox.events.types import BY_NAME
from etl.sandbox.ids import APPLICATION
from etl.sandbox.rules.attribute_definitions import COMMON
from etl.sandbox.rules.customers import new_customer, whole_second
from etl.sandbox.store.attributes import READ_ONLY
from etl.sandbox.store.events import Event
from etl.sandbox.times import timestamp

_CUSTOMER = "7Q2M4X9TB1KRS6ZC8EWD0VHN5G"
_GIFT_CARD = "gftc:00000000000000000000000000000000"
_ATTRIBUTE = f"{APPLICATION}:favorite-drink"


def event(name: str, now: int) -> Event:
    """Return an event of that type about nobody."""
    object_id, told = {
        "customer": (_CUSTOMER, {"customer": _person(now)}),
        "custom_attribute_definition": (
            _ATTRIBUTE,
            {"custom_attribute_definition": {**_attribute(now), **_DEFINED}},
        ),
        "custom_attribute": (
            f"{_ATTRIBUTE}:CUSTOMER:{_CUSTOMER}",
            {"custom_attribute": {**_attribute(now), "value": "Espresso"}},
        ),
        "gift_card": (_GIFT_CARD, _linking(name, now)),
    }[BY_NAME[name].about]
    return Event(0, now, name, object_id, orjson.dumps(told))


def _person(now: int) -> dict[str, Any]:
    values = {
        "given_name": "Ines",
        "family_name": "Moreau",
        "email_address": "ines.moreau@example.net",
        "phone_number": "+33 6 39 98 01 42",
    }
    return new_customer(_CUSTOMER, values, "THIRD_PARTY", now)


_DEFINED = {
    "name": "Favorite drink",
    "description": "What to have ready",
    "schema": {"$ref": f"{COMMON}String"},
}


def _attribute(now: int) -> dict[str, Any]:
    at = timestamp(whole_second(now))
    return {
        "key": "favorite-drink",
        "version": 1,
        "visibility": READ_ONLY,
        "created_at": at,
        "updated_at": at,
    }


def _linking(name: str, now: int) -> dict[str, Any]:
    linked = name.endswith("_linked")
    card = {
        "id": _GIFT_CARD,
        "type": "DIGITAL",
        "gan_source": "SQUARE",
        "state": "ACTIVE",
        "balance_money": {"amount": 2500, "currency": "USD"},
        "gan": "7783320000000000",
        "created_at": timestamp(now),
        **({"customer_ids": [_CUSTOMER]} if linked else {}),
    }
    return {"gift_card": card, f"{'linked' if linked else 'unlinked'}_customer_id": _CUSTOMER}
