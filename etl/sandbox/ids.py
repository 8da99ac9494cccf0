"""What do Square's identifiers look like?

Genuine customer ids have 26 characters of Crockford's base 32 (no I, L, O, U) and end in one of
``0 4 8 C G M R W``: a 128-bit number, shifted by two bits. Merchant ids have 13 characters.
"""

from __future__ import annotations

import random

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


def customer_id(chance: random.Random) -> str:
    """Draw a customer id."""
    number = chance.getrandbits(128) << 2
    return "".join(_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10))


def merchant_id(chance: random.Random) -> str:
    """Draw a merchant or location id."""
    return "".join(ALPHABET[chance.getrandbits(5)] for _ in range(13))


def request_id(chance: random.Random) -> str:
    """Draw the name of one request, repeated in its answer and in the log."""
    return f"req-{chance.getrandbits(64):016x}"
