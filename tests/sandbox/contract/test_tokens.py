"""Who may call: tokens, scopes, expiry, revocation, in Square's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CUSTOMERS,
    FORUM,
    GROUPS,
    MISSING,
    RECORDED,
    REFERENCE,
    SEARCH,
    SEGMENTS,
    THREAD,
    Check,
    Facts,
    after,
    bearer,
    errors_of,
)

fact = Facts()

STATUS = "/oauth2/token/status"
AUTHENTICATION = "AUTHENTICATION_ERROR"
UNAUTHORIZED = {
    "category": AUTHENTICATION,
    "code": "UNAUTHORIZED",
    "detail": "This request could not be authorized.",
}
READS = (
    ("GET", CUSTOMERS),
    ("GET", f"{CUSTOMERS}/{MISSING}"),
    ("POST", SEARCH),
    ("POST", f"{CUSTOMERS}/bulk-retrieve"),
    ("GET", GROUPS),
    ("GET", f"{GROUPS}/{MISSING}"),
    ("GET", SEGMENTS),
    ("GET", f"{SEGMENTS}/{MISSING}"),
)
WRITES = (
    ("POST", CUSTOMERS),
    ("PUT", f"{CUSTOMERS}/{MISSING}"),
    ("DELETE", f"{CUSTOMERS}/{MISSING}"),
    ("POST", f"{CUSTOMERS}/bulk-create"),
    ("POST", f"{CUSTOMERS}/bulk-update"),
    ("POST", f"{CUSTOMERS}/bulk-delete"),
    ("POST", GROUPS),
    ("PUT", f"{GROUPS}/{MISSING}"),
    ("DELETE", f"{GROUPS}/{MISSING}"),
    ("PUT", f"{CUSTOMERS}/{MISSING}/groups/{MISSING}"),
    ("DELETE", f"{CUSTOMERS}/{MISSING}/groups/{MISSING}"),
)
SCOPES = f"{REFERENCE}, OAuth permissions"


def revoke(square: Square, headers: dict[str, str]) -> None:
    """Take a token back, as a seller would."""
    token = headers["Authorization"].removeprefix("Bearer ")
    square.ok("DELETE", f"/_sandbox/tokens/{token}")


# 401


@fact(RECORDED)
def without_a_token_nobody_is_authorized(square: Square) -> None:
    """401, to the letter."""
    request = square.client.build_request("GET", CUSTOMERS)
    del request.headers["authorization"]
    answer = square.client.send(request)
    assert (answer.status_code, errors_of(answer)) == (401, [UNAUTHORIZED])


@fact(f"{FORUM} 9852", rows=[("nobody's",), ("EAAAEnobodys",), ("sandbox-00",)])
def with_a_wrong_token_nobody_is_authorized(square: Square, token: str) -> None:
    """401, to the letter."""
    answer = square.send("GET", CUSTOMERS, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, errors_of(answer)) == (401, [UNAUTHORIZED])


@fact(
    f"{THREAD} square/square-php-sdk#32",
    rows=[("Bearer",), ("Basic abc",), ("x",), ("Bearer a b",), ("Client secret",)],
)
def a_malformed_header_is_told(square: Square, header: str) -> None:
    """401 with a longer text."""
    answer = square.send("GET", CUSTOMERS, headers={"Authorization": header})
    (error,) = errors_of(answer)
    told = (answer.status_code, error["category"], error["code"])
    assert told == (401, AUTHENTICATION, "UNAUTHORIZED")
    beginning = "The `Authorization` http header of your request was malformed"
    assert error["detail"].startswith(beginning)


@fact(f"{REFERENCE}, error codes")
def an_expired_token_is_told(square: Square) -> None:
    """401 ACCESS_TOKEN_EXPIRED from the moment of its expiry on."""
    headers = bearer(square, "CUSTOMERS_READ", expires_in=60)
    after(square, 59)
    square.ok("GET", CUSTOMERS, headers=headers)
    after(square, 1)
    answer = square.send("GET", CUSTOMERS, headers=headers)
    (error,) = errors_of(answer)
    told = (answer.status_code, error["category"], error["code"])
    assert told == (401, AUTHENTICATION, "ACCESS_TOKEN_EXPIRED")


@fact(f"{REFERENCE}, error codes")
def a_revoked_token_is_told(square: Square) -> None:
    """401 ACCESS_TOKEN_REVOKED."""
    headers = bearer(square, "CUSTOMERS_READ")
    square.ok("GET", CUSTOMERS, headers=headers)
    revoke(square, headers)
    answer = square.send("GET", CUSTOMERS, headers=headers)
    (error,) = errors_of(answer)
    told = (answer.status_code, error["category"], error["code"])
    assert told == (401, AUTHENTICATION, "ACCESS_TOKEN_REVOKED")


# 403


@fact(f"{FORUM} 8688")
def a_missing_scope_in_full(square: Square) -> None:
    """403, to the letter; it names the scope."""
    headers = bearer(square, "CUSTOMERS_WRITE")
    answer = square.send("GET", CUSTOMERS, headers=headers)
    assert answer.status_code == 403
    assert errors_of(answer) == [
        {
            "category": AUTHENTICATION,
            "code": "INSUFFICIENT_SCOPES",
            "detail": "The merchant has not given your application sufficient permissions to do "
            "that. The merchant must authorize your application for the following scopes: "
            "CUSTOMERS_READ",
        }
    ]


@fact(SCOPES, rows=READS)
def reading_needs_customers_read(square: Square, method: str, path: str) -> None:
    """Write does not include read."""
    headers = bearer(square, "CUSTOMERS_WRITE", "MERCHANT_PROFILE_READ")
    assert missing(square, method, path, headers) == "CUSTOMERS_READ"
    reader = bearer(square, "CUSTOMERS_READ")
    assert square.send(method, path, headers=reader).status_code != 403


@fact(SCOPES, rows=WRITES)
def writing_needs_customers_write(square: Square, method: str, path: str) -> None:
    """Read does not include write."""
    headers = bearer(square, "CUSTOMERS_READ", "MERCHANT_PROFILE_READ")
    assert missing(square, method, path, headers) == "CUSTOMERS_WRITE"
    writer = bearer(square, "CUSTOMERS_WRITE")
    assert square.send(method, path, headers=writer).status_code != 403


@fact(SCOPES, rows=[("/v2/merchants",), ("/v2/merchants/me",)])
def merchants_need_a_scope_of_their_own(square: Square, path: str) -> None:
    """MERCHANT_PROFILE_READ."""
    headers = bearer(square, "CUSTOMERS_READ", "CUSTOMERS_WRITE")
    assert missing(square, "GET", path, headers) == "MERCHANT_PROFILE_READ"
    square.ok("GET", path, headers=bearer(square, "MERCHANT_PROFILE_READ"))


def missing(square: Square, method: str, path: str, headers: dict[str, str]) -> str:
    """Make a call that lacks a scope; return the scope it is told."""
    answer = square.send(method, path, headers=headers)
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"]) == (403, "INSUFFICIENT_SCOPES")
    return error["detail"].rpartition(": ")[2]


@fact(f"{SCOPES}; the Customers API overview once writes the singular")
def the_singular_is_no_scope(square: Square) -> None:
    """CUSTOMER_READ opens nothing; the plural is the real name."""
    headers = bearer(square, "CUSTOMER_READ")
    assert missing(square, "GET", CUSTOMERS, headers) == "CUSTOMERS_READ"


# Token status


@fact(f"{REFERENCE}: RetrieveTokenStatus")
def the_status_of_a_token(square: Square) -> None:
    """Its scopes, when it expires, the application and the merchant."""
    headers = bearer(square, "CUSTOMERS_READ", "CUSTOMERS_WRITE", expires_in=3600)
    status = square.ok("POST", STATUS, headers=headers)
    assert set(status) == {"scopes", "expires_at", "client_id", "merchant_id"}
    assert sorted(status["scopes"]) == ["CUSTOMERS_READ", "CUSTOMERS_WRITE"]
    assert status["expires_at"].startswith("2025-09-01T09:15:30")
    assert status["merchant_id"] == square.sandbox.merchant_id


@fact(f"{REFERENCE}: RetrieveTokenStatus")
def a_token_that_never_expires(square: Square) -> None:
    """Its expires_at is empty."""
    status = square.ok("POST", STATUS, headers=bearer(square, "CUSTOMERS_READ"))
    assert not status.get("expires_at")


@fact(f"{REFERENCE}: RetrieveTokenStatus")
def the_status_needs_no_scope(square: Square) -> None:
    """Any token may ask what it may do."""
    assert square.ok("POST", STATUS, headers=bearer(square))["scopes"] == []


@fact(f"{REFERENCE}: RetrieveTokenStatus", rows=[("unknown",), ("expired",), ("revoked",)])
def the_status_of_a_token_that_is_none(square: Square, kind: str) -> None:
    """If the token is expired or not a valid one, the endpoint returns UNAUTHORIZED."""
    headers = bearer(square, "CUSTOMERS_READ", **expiring(kind))
    if kind == "unknown":
        headers = {"Authorization": "Bearer nobody's"}
    elif kind == "revoked":
        revoke(square, headers)
    after(square, 2)
    answer = square.send("POST", STATUS, headers=headers)
    (error,) = errors_of(answer)
    told = (answer.status_code, error["category"], error["code"])
    assert told == (401, AUTHENTICATION, "UNAUTHORIZED")


def expiring(kind: str) -> dict[str, Any]:
    """What the control call is told of a token that shall expire."""
    return {"expires_in": 1} if kind == "expired" else {}


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_tokens(opened: Opened, check: Check) -> None:
    """Tokens are as the documents say."""
    check.hold(opened)
