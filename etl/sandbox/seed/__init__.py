"""How is a sandbox filled with a plausible directory, always the same for a seed?"""

from __future__ import annotations

from typing import Any

from etl.sandbox.calls import Call
from etl.sandbox.rules import customers as rules
from etl.sandbox.seed import attributes, commerce, people


def fill(call: Call, profiles: int, number: int) -> dict[str, Any]:
    """Add profiles drawn from the seed ``number``, and what belongs to them; tell how many.

    Those that the same seed made before are left alone, also if they are merged or deleted by now:
    Square does not use an id twice, and what they bought is still there.
    """
    shop, deleted = commerce.Shop(call, number), call.store.log.deleted()
    added, instant = 0, list[str]()
    for person in people.draw(number, profiles, call.merchant.country):
        if person.id in deleted or call.store.profiles.knows(person.id):
            continue
        _add(call, person, shop.join(person))
        attributes.give(call, number, person.id, call.now - person.age)
        shop.serve(person)
        added += 1
        if not person.values:
            instant.append(person.id)
    return {
        "profiles": added,
        "already_there": profiles - added,
        "instant_profiles": instant,
        **shop.made,
    }


def _add(call: Call, person: people.Person, group_ids: list[str]) -> None:
    created = call.now - person.age
    customer = rules.new_customer(person.id, person.values, person.source, created, group_ids)
    profile = rules.as_profile(customer, created, created, call.merchant.country)
    call.store.profiles.insert(profile, created)
    carried = {"group_ids": group_ids} if group_ids else {}
    call.log("create", customer, {**person.values, **carried})
