"""Who may call?

Bearer tokens with scopes, an end and a revocation. Only digests of tokens are stored, so that no
file of the sandbox holds one.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable

from etl.sandbox import errors
from etl.sandbox.store import Store
from etl.sandbox.store.tokens import TokenRow

# What the sandbox's own token may do.
ALL_SCOPES = frozenset(
    {
        *("CUSTOMERS_READ", "CUSTOMERS_WRITE", "MERCHANT_PROFILE_READ"),
        *("PAYMENTS_READ", "PAYMENTS_WRITE", "GIFTCARDS_READ", "GIFTCARDS_WRITE"),
        *("ORDERS_READ", "ORDERS_WRITE"),
        # No seller can grant this one: the calls are for the application's own token.
        "DEVELOPER_APPLICATION_WEBHOOKS",
    }
)


def issue(chance: random.Random) -> str:
    """Draw a token; Square's own begin with EAAA, so nobody takes ours for one."""
    return f"sandbox-{chance.getrandbits(160):040x}"


def owners_token(secret: bytes) -> str:
    """Return the token of a file's owner, the same at every opening."""
    return "sandbox-" + hashlib.blake2b(b"owner", key=secret, digest_size=20).hexdigest()


def digest(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def shown(authorization: str | None) -> str:
    """Return the token in an ``Authorization`` header. Raises Refusal if there is none."""
    if authorization is None:
        raise errors.unauthorized()
    kind, _, token = authorization.partition(" ")
    if kind.lower() != "bearer" or not token.strip() or " " in token.strip():
        raise errors.malformed_authorization()
    return token.strip()


def authenticate(store: Store, authorization: str | None) -> tuple[bytes, TokenRow]:
    """Return the digest and the rights of the token in an ``Authorization`` header.

    Raises Refusal if it is missing, malformed or unknown.
    """
    found = digest(shown(authorization))
    row = store.tokens.find(found)
    if row is None:
        raise errors.unauthorized()
    return found, row


def check_end(row: TokenRow, now: int, *, plainly: bool) -> None:
    """Raise Refusal if a token was revoked or has expired; ``plainly``: as for an unknown one."""
    ended = row.revoked or (row.expires is not None and now >= row.expires)
    if ended and plainly:
        raise errors.unauthorized()
    if row.revoked:
        raise errors.token_revoked()
    if ended:
        raise errors.token_expired()


def require(row: TokenRow, scopes: Iterable[str]) -> None:
    """Raise Refusal naming the scopes the token lacks."""
    missing = [scope for scope in scopes if scope not in row.scopes]
    if missing:
        raise errors.insufficient_scopes(missing)
