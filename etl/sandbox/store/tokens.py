"""Which tokens were issued, and for what?"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

TABLES = """
CREATE TABLE tokens (
    digest BLOB PRIMARY KEY,
    scopes TEXT NOT NULL,
    owner INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""


class TokenRow(NamedTuple):
    """A token as stored: never the token itself."""

    scopes: frozenset[str]
    owner: bool
    expires: int | None
    revoked: bool


class Tokens:
    """The tokens of one sandbox."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, digest: bytes) -> TokenRow | None:
        """Return a token by its digest."""
        row = self._db.execute(
            "SELECT scopes, owner, expires, revoked FROM tokens WHERE digest = ?", (digest,)
        ).fetchone()
        if row is None:
            return None
        scopes, owner, expires, revoked = row
        return TokenRow(frozenset(scopes.split()), bool(owner), expires, bool(revoked))

    def put(self, digest: bytes, token: TokenRow) -> None:
        """Add a token, or put it back as it was issued."""
        self._db.execute(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?)",
            (digest, " ".join(sorted(token.scopes)), token.owner, token.expires, token.revoked),
        )

    def revoke(self, digest: bytes) -> bool:
        """Take a token back; tell whether there was one."""
        changed = self._db.execute("UPDATE tokens SET revoked = 1 WHERE digest = ?", (digest,))
        return changed.rowcount > 0

    def number(self, now: int) -> int:
        """Count the tokens that are good now."""
        (number,) = self._db.execute(
            "SELECT count(*) FROM tokens WHERE NOT revoked AND (expires IS NULL OR expires > ?)",
            (now,),
        ).fetchone()
        return int(number)
