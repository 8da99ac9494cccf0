"""What stands for a value nobody may see, and how is it known again?

A masked export has tokens such as ``email_9f86d081884c7d65`` in the place of values. Nobody has
such an email or name, so an import refuses them wherever they turn up.
"""

from __future__ import annotations

from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import octets
from etl.customers.fields import Kind
from etl.customers.octets import Octets

_HEXADECIMALS = 16
_TOKEN = rf"(?:{'|'.join(get_args(Kind))})_[0-9a-f]{{{_HEXADECIMALS}}}"
# One or several, as lists of names are written: joined by anything but letters, and in quotes.
_TOKENS = rf"\A\W*{_TOKEN}(?:\W+{_TOKEN})*\W*\z"
_SHORTEST = min(map(len, get_args(Kind))) + 1 + _HEXADECIMALS


def token(kind: str, digest: bytes) -> str:
    """Return what stands for a value of this kind with this keyed hash."""
    return f"{kind}_{digest.hex()[:_HEXADECIMALS]}"


def are_tokens(column: pa.Array) -> pa.Array:
    """Return which cells of a text column hold tokens and nothing else."""
    held = Octets(column)
    if not held.may_hold(b"_"):
        return pa.repeat(pa.scalar(False), len(column))
    doubtful = held.lengths >= _SHORTEST
    return octets.refined(column, doubtful, lambda some: pc.match_substring_regex(some, _TOKENS))
