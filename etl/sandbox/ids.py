"""What do Square's identifiers look like?

Genuine customer ids have 26 characters of Crockford's base 32 (no I, L, O, U) and end in one of
``0 4 8 C G M R W``: a 128-bit number, shifted by two bits. Merchant ids have 13 characters. Those
of orders and payments have 29 letters and digits and end in ``ZY``; other kinds begin with their
name (examples of the API reference, recorded answers).
"""

from __future__ import annotations

import random
import string
from uuid import UUID

# Of any customer id that a request of another API than that of customers names.
MAX_CUSTOMER_ID = 191
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# The one application there is.
APPLICATION = "sandbox-sq0idb-local"
_LETTERS = (string.ascii_letters + string.digits).encode()
# A letter or digit for every byte.
_MIXED = bytes(_LETTERS[byte % len(_LETTERS)] for byte in range(256))
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


def customer_id(chance: random.Random) -> str:
    """Draw a customer id."""
    (drawn,) = customer_ids(chance, 1)
    return drawn


def customer_ids(chance: random.Random, number: int) -> list[str]:
    """Draw customer ids, which asks the system once."""
    drawn = chance.getrandbits(128 * number).to_bytes(16 * number, "little")
    numbers = (
        int.from_bytes(drawn[at : at + 16], "little") << 2 for at in range(0, len(drawn), 16)
    )
    return [
        "".join(_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10))
        for number in numbers
    ]


def merchant_id(chance: random.Random) -> str:
    """Draw a merchant or location id."""
    return "".join(ALPHABET[chance.getrandbits(5)] for _ in range(13))


def request_id(chance: random.Random) -> str:
    """Draw the name of one request, repeated in its answer and in the log."""
    return f"req-{chance.getrandbits(64):016x}"


def card_id(chance: random.Random) -> str:
    """Draw the id of a card on file."""
    return f"ccof:{_mixed(chance, 16)}4GB"


def gift_card_id(chance: random.Random) -> str:
    """Draw the id of a gift card."""
    return f"gftc:{chance.getrandbits(128):032x}"


def gift_card_activity_id(chance: random.Random) -> str:
    """Draw the id of something that happened to a gift card."""
    return f"gcact_{chance.getrandbits(128):032x}"


def gift_card_number(chance: random.Random) -> str:
    """Draw the account number of a gift card: 16 digits, the last of which checks the others."""
    digits = f"778332{chance.randrange(10**9):09}"
    # Every second digit from the right of the whole number is doubled (Luhn).
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in digits[::2])
    total = sum(doubled) + sum(map(int, digits[1::2]))
    return digits + str(-total % 10)


def order_id(chance: random.Random) -> str:
    """Draw the id of an order or a payment."""
    return f"{_mixed(chance, 27)}ZY"


def line_item_uid(chance: random.Random) -> str:
    """Draw the id of a line within its order."""
    return _mixed(chance, 22)


def uuid(chance: random.Random) -> str:
    """Draw the id of an event that nothing caused, of its test, or of an option of a selection."""
    return str(UUID(int=chance.getrandbits(128), version=4))


def _mixed(chance: random.Random, length: int) -> str:
    return chance.randbytes(length).translate(_MIXED).decode()
