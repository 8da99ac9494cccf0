"""What does the made-up event of a subscription's test tell?"""

from __future__ import annotations

import orjson

from etl.sandbox.rules.customers import new_customer
from etl.sandbox.store.events import Event

_CUSTOMER_ID = "7Q2M4X9TB1KRS6ZC8EWD0VHN5G"


def event(type: str, now: int) -> Event:
    """Return an event of that type about nobody."""
    person = {
        "given_name": "Ines",
        "family_name": "Moreau",
        "email_address": "ines.moreau@example.net",
        "phone_number": "+33 6 39 98 01 42",
    }
    told = {"customer": new_customer(_CUSTOMER_ID, person, "THIRD_PARTY", now)}
    return Event(0, now, type, _CUSTOMER_ID, orjson.dumps(told))
