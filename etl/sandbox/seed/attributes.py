"""Which custom attributes does a plausible directory have?

One that the seller made in the Dashboard, some of the calling application, some of another one;
of these one is hidden. Who has which value is drawn from the seed and the customer's id.
"""

from __future__ import annotations

import functools
import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from etl.sandbox.calls import Call
from etl.sandbox.rules import attribute_definitions, custom_attributes
from etl.sandbox.rules.attribute_definitions import COMMON, META
from etl.sandbox.rules.customers import whole_second
from etl.sandbox.store.attributes import HIDDEN, READ_ONLY, READ_WRITE, Definition

_THREE_YEARS = 3 * 365 * 24 * 3600 * 1000
_OTHER = "sandbox-sq0idb-loyalty"
_DRINKS = ("Cortado", "Flat white", "Green tea", "Mint tea", "Hot chocolate", "Sparkling water")
_NEEDS = ("Vegan", "Vegetarian", "No gluten", "No nuts")
_TIERS = ("Bronze", "Silver", "Gold")


class _Made(NamedTuple):
    """A definition, the share of customers with a value, and how that is drawn."""

    definition: Definition
    share: float
    draw: Callable[[random.Random], Any]


def give(call: Call, number: int, customer_id: str, at: int) -> None:
    """Give a customer values as of ``at``; definitions that are missing are made first."""
    chance = random.Random(f"attributes/{number}/{customer_id}")
    attributes = call.store.attributes
    for definition, share, draw in _all_made(number):
        known = attributes.knows(definition.key)
        if known is None:
            if attributes.named(definition.name or "") is not None:
                continue
            known = _since(definition, call.now - _THREE_YEARS)
            attributes.define(known)
            call.log_other("create-attribute-definition", attribute_definitions.as_json(known))
        # Somebody may have made another definition under this key.
        if chance.random() >= share or known.schema != definition.schema:
            continue
        value = custom_attributes.as_attribute(customer_id, known, draw(chance), None, at)
        attributes.put(value, at, call.keep)
        changes = custom_attributes.as_json(value, known)
        call.log_other("upsert-attribute", changes, customer_id=customer_id)


def _since(definition: Definition, at: int) -> Definition:
    at = whole_second(at)
    return definition._replace(created=at, updated=at)


@functools.lru_cache(maxsize=8)
def _all_made(number: int) -> tuple[_Made, ...]:
    chance = random.Random(f"attributes/{number}")
    ids = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(len(_NEEDS) + 1)]
    options = ids[1:]
    needs = {"names": _NEEDS, "enum": options}
    selection = {"$schema": META, "type": "array", "uniqueItems": True, "maxItems": 4}
    return (
        _Made(
            _definition(f"square:{ids[0]}", "Dietary needs", selection | {"items": needs}),
            0.2,
            lambda chance: chance.sample(options, chance.randrange(1, 3)),
        ),
        _Made(
            _definition("favorite-drink", "Favorite drink", "String"),
            0.3,
            lambda chance: chance.choice(_DRINKS),
        ),
        _Made(
            _definition("member-since", "Member since", "Date"),
            0.3,
            lambda chance: f"{chance.randrange(2015, 2025)}-{chance.randrange(1, 13):02}-01",
        ),
        _Made(
            _definition(f"{_OTHER}:tier", "Loyalty tier", "String", READ_ONLY),
            0.2,
            lambda chance: chance.choice(_TIERS),
        ),
        _Made(
            _definition(f"{_OTHER}:score", "Loyalty score", "Number", HIDDEN),
            0.2,
            lambda chance: f"{chance.randrange(1000) / 10}",
        ),
    )


def _definition(
    key: str, name: str, schema: str | Mapping[str, Any], visibility: str = READ_WRITE
) -> Definition:
    return Definition(
        key=key,
        type=schema if isinstance(schema, str) else "Selection",
        schema=orjson.dumps({"$ref": COMMON + schema} if isinstance(schema, str) else schema),
        name=name,
        description=f"{name} of the customer",
        visibility=visibility,
        version=1,
        created=0,
        updated=0,
    )
