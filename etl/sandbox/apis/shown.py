"""What does a profile show beside what is stored of it?

The segments it is in and, before cards were retired, its cards on file. Neither raises its
version.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import orjson

from etl.sandbox.calls import Call
from etl.sandbox.rules import cards as rules
from etl.sandbox.search.segments import BY_PROFILE, NAMES
from etl.sandbox.store.records import Link
from etl.sandbox.versions import CARDS_RETIRED


def profile(call: Call, body: bytes) -> bytes:
    """Return the JSON text of one profile with what it shows."""
    (shown,) = profiles(call, [body])
    return shown


def profiles(call: Call, bodies: Sequence[bytes]) -> list[bytes]:
    """Return the JSON texts of profiles with what they show."""
    # The id is the first member.
    ids = [body.split(b'"', 4)[3].decode() for body in bodies]
    standing = call.store.standings.segments(ids, call.now)
    shown = []
    for customer_id, body in zip(ids, bodies, strict=True):
        inside = standing.get(customer_id, frozenset())
        if "CARDS_ON_FILE" in inside:
            body = with_cards(call, customer_id, body)
        # A text inside a profile cannot look like a member.
        if b'"email_address":' in body or b'"phone_number":' in body:
            inside |= {BY_PROFILE}
        shown.append(_with_segments(call.merchant.id, body, inside) if inside else body)
    return shown


def with_cards(call: Call, customer_id: str, body: bytes) -> bytes:
    """Return the JSON text of a profile with its cards on file, if the version tells them."""
    if CARDS_RETIRED.holds(call.version):
        return body
    records = call.store.records.linked("card", Link("customer", customer_id))
    cards = [
        rules.short(orjson.loads(record.body)) for record in records if record.state == "ENABLED"
    ]
    if not cards:
        return body
    # Recorded answers name the cards after the two times, which every profile has.
    head, updated, rest = body.partition(b',"updated_at":"')
    moment, quote, rest = rest.partition(b'"')
    return b'%b%b%b%b,"cards":%b%b' % (head, updated, moment, quote, orjson.dumps(cards), rest)


def _with_segments(merchant_id: str, body: bytes, inside: frozenset[str]) -> bytes:
    # The version is the last member.
    head, version, number = body.rpartition(b',"version":')
    return b"".join((head, _segment_ids(merchant_id, inside), version, number))


@functools.lru_cache(maxsize=64)
def _segment_ids(merchant_id: str, inside: frozenset[str]) -> bytes:
    ids = orjson.dumps([f"{merchant_id}.{kind}" for kind in NAMES if kind in inside])
    return b',"segment_ids":%b' % ids
