"""What is checked before the customers are reached: tokens, versions, pace, size, JSON, paths."""

from __future__ import annotations

from typing import Any

import pytest

from etl.sandbox import versions
from etl.sandbox.assumptions import BULK_BODY_LIMIT, SINGLE_BODY_LIMIT
from tests.sandbox.conftest import Opened, Square

# Tokens


@pytest.mark.parametrize("header", ["Bearer nobodys", "bearer x"])
def test_unknown_tokens_are_unauthorized(square: Square, header: str) -> None:
    """A wrong token is 401, with the members in the gateway's order (recorded answer)."""
    answer = square.send("GET", "/v2/customers", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.text == (
        '{"errors":[{"category":"AUTHENTICATION_ERROR","code":"UNAUTHORIZED",'
        '"detail":"This request could not be authorized."}]}'
    )


def test_a_missing_token_is_unauthorized(square: Square) -> None:
    """Without a header it is the same (recorded answer)."""
    del square.client.headers["Authorization"]

    assert square.refused("GET", "/v2/customers") == (401, [("UNAUTHORIZED", "")])


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "abc", "Bearer a b"])
def test_a_malformed_header_is_explained(square: Square, header: str) -> None:
    """Another form than ``Bearer TOKEN`` has a text of its own (issue in the PHP SDK)."""
    answer = square.send("GET", "/v2/customers", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["detail"].startswith(
        "The `Authorization` http header of your request was malformed"
    )


def as_holder(square: Square, **token: Any) -> dict[str, str]:
    """Issue a further token; return the header that shows it."""
    issued = square.ok("POST", "/_sandbox/tokens", token)["token"]
    return {"Authorization": f"Bearer {issued}"}


def test_scopes_are_required(square: Square) -> None:
    """Reading and writing have scopes of their own, neither includes the other (forum 8688)."""
    writer = as_holder(square, scopes=["CUSTOMERS_WRITE"])

    assert square.send("GET", "/v2/customers", headers=writer).json()["errors"] == [
        {
            "category": "AUTHENTICATION_ERROR",
            "code": "INSUFFICIENT_SCOPES",
            "detail": "The merchant has not given your application sufficient permissions to do "
            "that. The merchant must authorize your application for the following scopes: "
            "CUSTOMERS_READ",
        }
    ]
    assert square.refused("GET", "/v2/merchants/me", headers=writer)[0] == 403
    assert square.ok("POST", "/v2/customers", {"given_name": "A"}, headers=writer)


def test_tokens_expire_and_are_revoked(square: Square) -> None:
    """Expired and revoked tokens are 401 with codes of their own (API reference)."""
    brief = as_holder(square, scopes=["CUSTOMERS_READ"], expires_in=60)
    lasting = as_holder(square, scopes=["CUSTOMERS_READ"])

    assert square.ok("GET", "/v2/customers", headers=brief) == {}
    square.ok("POST", "/_sandbox/clock", {"advance": 60})
    assert square.refused("GET", "/v2/customers", headers=brief) == (
        401,
        [("ACCESS_TOKEN_EXPIRED", "")],
    )
    token = lasting["Authorization"].removeprefix("Bearer ")
    assert square.ok("DELETE", f"/_sandbox/tokens/{token}") == {}
    assert square.refused("GET", "/v2/customers", headers=lasting) == (
        401,
        [("ACCESS_TOKEN_REVOKED", "")],
    )


def test_token_status(square: Square) -> None:
    """The status names scopes, merchant and, if there is one, the end (API reference)."""
    brief = as_holder(square, scopes=["CUSTOMERS_READ"], expires_in=60)

    own = square.ok("POST", "/oauth2/token/status")
    assert own["merchant_id"] == square.sandbox.merchant_id
    assert {"CUSTOMERS_READ", "CUSTOMERS_WRITE"} <= set(own["scopes"])
    assert "expires_at" not in own
    status = square.ok("POST", "/oauth2/token/status", headers=brief)
    assert status["scopes"] == ["CUSTOMERS_READ"]
    assert status["expires_at"] == "2025-09-01T08:16:30.412Z"


def test_control_calls_need_the_owners_token(square: Square) -> None:
    """A token that was issued for the API does not open the control calls."""
    other = as_holder(square, scopes=["CUSTOMERS_READ", "CUSTOMERS_WRITE"])

    assert square.refused("GET", "/_sandbox/log", headers=other)[0] == 403


# Versions


def test_the_answer_repeats_the_version(square: Square) -> None:
    """Every published version is served and echoed; without a header the newest (Versioning)."""
    for version in versions.PUBLISHED:
        answer = square.send("GET", "/v2/customers", headers={"Square-Version": version})
        assert answer.headers["square-version"] == version
    assert square.send("GET", "/v2/customers").headers["square-version"] == versions.NEWEST


def test_a_version_of_the_future_is_served_as_the_newest(square: Square) -> None:
    """A client newer than the sandbox still works; the answer says with which version."""
    answer = square.send("GET", "/v2/customers", headers={"Square-Version": "2999-01-01"})

    assert (answer.status_code, answer.headers["square-version"]) == (200, versions.NEWEST)


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("2022-10-20", "API_VERSION_INCOMPATIBLE"),
        ("2019-01-01", "API_VERSION_INCOMPATIBLE"),
        ("latest", "INVALID_SQUARE_VERSION_FORMAT"),
        ("2022-1-1", "INVALID_SQUARE_VERSION_FORMAT"),
    ],
)
def test_unpublished_versions_are_refused(square: Square, version: str, code: str) -> None:
    """A date that is not a published version is refused (Versioning; code list)."""
    headers = {"Square-Version": version}

    assert square.refused("GET", "/v2/customers", headers=headers) == (400, [(code, "")])


def test_the_table_of_versions_is_in_order() -> None:
    """The table is sorted, holds each date once and reaches back to 2021-07-21."""
    assert list(versions.PUBLISHED) == sorted(set(versions.PUBLISHED))
    assert versions.PUBLISHED[0] == "2021-07-21"
    assert {"2022-09-21", "2022-10-19", "2022-11-16", "2026-08-19"} <= set(versions.PUBLISHED)


# Pace


def test_too_many_calls_are_told_to_wait(opened: Opened) -> None:
    """An empty bucket is 429 RATE_LIMITED with Retry-After (forum 24167; the SDK honours it)."""
    square = opened(rate=2)
    assert [square.send("GET", "/v2/customers").status_code for _ in range(3)] == [200, 200, 429]

    answer = square.send("GET", "/v2/customers")

    assert answer.json()["errors"][0] == {
        "code": "RATE_LIMITED",
        "detail": "This request was rate limited. Please retry later.",
        "category": "RATE_LIMIT_ERROR",
    }
    assert answer.headers["retry-after"] == "1"
    square.clock.now += 1
    assert [square.send("GET", "/v2/customers").status_code for _ in range(3)] == [200, 200, 429]


def test_slow_paces_are_kept(opened: Opened) -> None:
    """Less than one call a second is possible; Retry-After says how long to wait."""
    square = opened(rate=0.1)
    square.ok("GET", "/v2/customers")

    assert square.send("GET", "/v2/customers").headers["retry-after"] == "10"
    square.clock.now += 10
    assert square.send("GET", "/v2/customers").status_code == 200


def test_each_token_has_its_own_pace(opened: Opened) -> None:
    """One caller's pace does not slow another; control calls are never slowed."""
    square = opened(rate=1)
    other = as_holder(square, scopes=["CUSTOMERS_READ"])

    assert square.send("GET", "/v2/customers").status_code == 200
    assert square.send("GET", "/v2/customers").status_code == 429
    assert square.send("GET", "/v2/customers", headers=other).status_code == 200
    assert square.ok("GET", "/_sandbox/log") == {"log": []}


def test_a_bulk_call_costs_one(opened: Opened) -> None:
    """A hundred profiles in one call are one call (assumption)."""
    square = opened(rate=1)

    body = {"customers": {f"k{i}": {"given_name": "A"} for i in range(100)}}
    assert len(square.ok("POST", "/v2/customers/bulk-create", body)["responses"]) == 100


# Size, JSON, paths


def test_large_bodies_are_refused(square: Square) -> None:
    """Beyond the limit of its endpoint a body is 413; nothing is written (assumption)."""
    body = {"given_name": "A", "note": "n" * SINGLE_BODY_LIMIT}
    assert square.refused("POST", "/v2/customers", body) == (
        413,
        [("REQUEST_ENTITY_TOO_LARGE", "")],
    )
    large = b'{"customers":{"a":{"note":"' + b"n" * BULK_BODY_LIMIT + b'"}}}'
    answer = square.send("POST", "/v2/customers/bulk-create", content=large)
    assert answer.status_code == 413
    assert square.sandbox.log() == []


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        (
            "customer",
            "BAD_REQUEST",
            "invalid character 'c' looking for beginning of value (line 1, character 1)",
        ),
        ('{"given_name": "A"', "BAD_REQUEST", "unexpected end of JSON input"),
        ("", "EXPECTED_JSON_BODY", "Expected a JSON body."),
        ("[]", "EXPECTED_OBJECT", "Expected an object value."),
        (
            '{"idempotency_key": "k", "note": ' + "[" * 300 + "]" * 300 + "}",
            "BAD_REQUEST",
            "The JSON body is nested too deeply.",
        ),
    ],
)
def test_bodies_must_be_json_objects(square: Square, body: str, code: str, detail: str) -> None:
    """What is not JSON is BAD_REQUEST in the words quoted in an issue of the Flutter plugin."""
    answer = square.send("POST", "/v2/customers", content=body)

    assert answer.status_code == 400
    error = answer.json()["errors"][0]
    assert (error["code"], error["detail"]) == (code, detail)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/nothing", 404, "NOT_FOUND"),
        ("GET", "/", 404, "NOT_FOUND"),
        ("GET", "/v2/customers/", 404, "NOT_FOUND"),
        ("PATCH", "/v2/customers/X", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v2/customers/bulk-create", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/v2/customers", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v2/customers/custom-attributes", 404, "NOT_FOUND"),
        ("GET", "/v2/customers/X/groups", 404, "NOT_FOUND"),
        ("GET", "/v2/customers/X/groups/Y", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v2/customers/groups/X", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v2/customers/segments/X", 404, "NOT_FOUND"),
    ],
)
def test_unknown_paths_and_methods(
    square: Square, method: str, path: str, status: int, code: str
) -> None:
    """404 and 405 with the codes of the list; what is not served yet is not taken for an id."""
    assert square.refused(method, path) == (status, [(code, "")])


def test_ids_are_percent_decoded(square: Square) -> None:
    """The id in the refusal is the one that was meant, line breaks and all."""
    for step, meant in (("a%20b", "a b"), ("a%0Ab", "a\nb"), ("a%2Fb", "a/b")):
        detail = square.send("GET", f"/v2/customers/{step}").json()["errors"][0]["detail"]
        assert detail == f"Customer with ID `{meant}` not found."
