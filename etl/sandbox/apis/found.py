"""What does an id in a request stand for? Whatever is not there is refused."""

from __future__ import annotations

from etl.sandbox import errors
from etl.sandbox.calls import Call
from etl.sandbox.errors import Refusal
from etl.sandbox.store.records import Kind, Record


def customer(call: Call, customer_id: str) -> bytes:
    """Return the text of a profile; an id from before a merge is none's any more."""
    body = call.store.profiles.body(customer_id)
    if body is None:
        raise Refusal(errors.not_found("Customer", customer_id))
    return body


def record(call: Call, kind: Kind, record_id: str) -> Record:
    """Return a card, gift card, order or payment."""
    found = call.store.records.find(kind, record_id)
    if found is None:
        raise Refusal(errors.not_found(kind.replace("_", " ").capitalize(), record_id))
    return found


def location(call: Call, location_id: str) -> str:
    """Return the id of the merchant's one location."""
    if location_id != call.merchant.location_id:
        raise Refusal(errors.not_found("Location", location_id))
    return location_id
