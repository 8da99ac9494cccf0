"""Which rows are about people who were erased, and asked not to be known here?

Only keyed digests of their keys are kept: HMAC-SHA256 under a key that lies in the state folder, so
that a digest alone cannot be tried out against a list of emails.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import codes
from etl.customers.cells import NO_PROBLEMS, Finding, repeated

KEYS = ("reference_id", "email_address", "phone_number")


def digest(key: bytes, name: str, value: str) -> str:
    """Return what is kept of a value (canonical, emails in lower case) of one of the ``KEYS``."""
    return hmac.new(key, f"{name}|{value}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class ErasedPeople:
    """Digests of the keys of erased people, and the key that they are made with."""

    key: bytes = b""
    digests: frozenset[str] = frozenset()

    def among(self, customers: pa.RecordBatch) -> pa.Table:
        """Return problems (``PROBLEMS``): rows of ``customers`` (``CUSTOMERS``) to leave out."""
        if not self.digests:
            return NO_PROBLEMS
        hit = np.zeros(len(customers), dtype=bool)
        for name in KEYS:
            column = customers.column(name)
            if name == "email_address":
                column = pc.ascii_lower(column)
            values = column.unique().drop_null().to_pylist()
            gone = [value for value in values if digest(self.key, name, value) in self.digests]
            hit |= pc.is_in(column, pa.array(gone, pa.string())).to_numpy(zero_copy_only=False)
        known = codes.BY_NAME["ERASED"]
        return repeated(pa.array(hit), "", Finding("skip", known.name, known.meaning, known.remedy))


NOBODY = ErasedPeople()
