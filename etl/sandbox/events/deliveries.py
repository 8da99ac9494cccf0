"""What is sent to those who subscribed, and when is it sent again?

How it travels is told by ``courier``.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from typing import NamedTuple

from etl.sandbox.store.events import Event
from etl.sandbox.store.subscriptions import Subscription

# When an event is sent again, in minutes since it happened (webhooks overview).
RETRIES = (1, 3, 7, 15, 31, 63, 123, 243, 483, 963, 1443)


class Parcel(NamedTuple):
    """What is posted, where, and with which headers."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class Outcome(NamedTuple):
    """How it went: the status of the answer, and why that is a failure if it is one."""

    status: int | None
    reason: str | None


def new_key(chance: random.Random) -> str:
    """Draw a signature key."""
    return urlsafe_b64encode(chance.randbytes(16)).decode().rstrip("=")


def signature(key: str, url: str, body: bytes) -> str:
    """Return what proves that a body was sent to a URL by who knows the key."""
    digest = hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()
    return b64encode(digest).decode()


def pack(
    subscription: Subscription, body: bytes, first: str, retry: int = 0, reason: str | None = None
) -> Parcel:
    """Return an event ready to be sent; ``first`` is when that was tried first."""
    url = subscription.notification_url
    headers = {
        "content-type": "application/json",
        "x-square-hmacsha256-signature": signature(subscription.signature_key, url, body),
        "square-environment": "Sandbox",
        "square-initial-delivery-timestamp": first,
    }
    if reason is not None:
        headers |= {"square-retry-number": str(retry), "square-retry-reason": reason}
    return Parcel(url, body, headers)


def next_retry(event: Event, now: int) -> int | None:
    """Return when to send an event again, None if never; times that have passed are left out."""
    times = (event.created + minutes * 60_000 for minutes in RETRIES)
    return next((time for time in times if time > now), None)
