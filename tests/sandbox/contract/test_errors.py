"""Errors: their envelope, and each situation an import meets with its status, code and words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    DOCUMENTATION,
    FORUM,
    GROUPS,
    MISSING,
    NOTES,
    OVERVIEW,
    RECORDED,
    RECORDS,
    REFERENCE,
    SEARCH,
    TAP,
    THREAD,
    Check,
    Facts,
    at,
    errors_of,
    path_of,
)

fact = Facts()

CODES = f"{REFERENCE}, error codes"
HANDLING = f"{DOCUMENTATION}: Handling Errors"
INVALID = "INVALID_REQUEST_ERROR"
NO_IDENTITY = (
    "At least one of `given_name`, `family_name`, `company_name`, `email_address`, or "
    "`phone_number` is required for a customer."
)


def faulty(square: Square, **fault: Any) -> None:
    """Script a fault for the next retrieve."""
    plan = [{"endpoint": "retrieve", "nth": 1, "do": "status", **fault}]
    square.ok("POST", "/_sandbox/faults", {"plan": plan})


# The envelope


@fact(NOTES + " 2022-10-19, example response")
def an_error_of_the_customer_service_in_full(square: Square) -> None:
    """The example of the note, to the letter."""
    answer = square.send("POST", CUSTOMERS, json={"phone_number": "12"})
    assert answer.status_code == 400
    assert answer.json() == {
        "errors": [
            {
                "code": "INVALID_PHONE_NUMBER",
                "detail": "Expected phone_number to be a valid phone number",
                "field": "phone_number",
                "category": INVALID,
            }
        ]
    }


@fact(RECORDED)
def the_customer_service_begins_with_the_code(square: Square) -> None:
    """Code, detail, field, category: the order seen on the wire."""
    (error,) = errors_of(square.send("POST", CUSTOMERS, json={"phone_number": "12"}))
    assert list(error) == ["code", "detail", "field", "category"]


@fact(RECORDED)
def the_gateway_begins_with_the_category(square: Square) -> None:
    """Category, code, detail."""
    (error,) = errors_of(square.send("GET", CUSTOMERS, headers={"Authorization": "Bearer no"}))
    assert list(error) == ["category", "code", "detail"]


@fact(HANDLING, choice="stages of validation")
def several_errors_are_told_at_once(square: Square) -> None:
    """All values that are wrong; the status is that of the first."""
    data = {"phone_number": "12", "email_address": "x", "birthday": "x"}
    assert square.refused("POST", CUSTOMERS, data) == (
        400,
        [
            ("INVALID_PHONE_NUMBER", "phone_number"),
            ("INVALID_EMAIL_ADDRESS", "email_address"),
            ("INVALID_TIME", "birthday"),
        ],
    )


@fact(HANDLING, choice="stages of validation")
def fixing_an_error_can_reveal_the_next(square: Square) -> None:
    """Validation is staged: types and unknown fields, then values, then identity."""
    stages: list[tuple[dict[str, Any], str]] = [
        ({"note": 7, "birthday": "x"}, "EXPECTED_STRING"),
        ({"shoe": 38, "birthday": "x"}, "BAD_REQUEST"),
        ({"note": "n", "birthday": "x"}, "INVALID_TIME"),
        ({"note": "n", "birthday": "04-20"}, "BAD_REQUEST"),
    ]
    for data, code in stages:
        assert [told for told, _ in square.refused("POST", CUSTOMERS, data)[1]] == [code]


# The situations


@fact(RECORDED, rows=[({},), ({"note": "x"},), ({"nickname": "A", "reference_id": "r"},)])
@fact(f"{THREAD} woocommerce/woocommerce-square#366", rows=[({"address": {"country": "US"}},)])
def a_create_needs_one_of_five_fields(square: Square, data: dict[str, Any]) -> None:
    """400 BAD_REQUEST, to the letter, without a field; not MISSING_REQUIRED_PARAMETER."""
    answer = square.send("POST", CUSTOMERS, json=data)
    assert answer.status_code == 400
    assert errors_of(answer) == [
        {"code": "BAD_REQUEST", "detail": NO_IDENTITY, "category": INVALID}
    ]


@fact(RECORDED, rows=[({},), ({"version": 0},), ({"shoe": 38},)])
def an_update_needs_a_field(square: Square, body: dict[str, Any]) -> None:
    """400 BAD_REQUEST; neither a version nor an unknown field is one."""
    answer = square.send("PUT", path_of(square.create(given_name="Ava")), json=body)
    assert answer.status_code == 400
    assert errors_of(answer) == [
        {
            "code": "BAD_REQUEST",
            "detail": "At least one field must be set to update a customer.",
            "category": INVALID,
        }
    ]


@fact("issue thread laravel-square, tests")
def an_invalid_email_in_full(square: Square) -> None:
    """400 INVALID_EMAIL_ADDRESS, to the letter."""
    answer = square.send("POST", CUSTOMERS, json={"email_address": "x"})
    assert answer.status_code == 400
    assert errors_of(answer) == [
        {
            "code": "INVALID_EMAIL_ADDRESS",
            "detail": "Expected email_address to be a valid email address",
            "field": "email_address",
            "category": INVALID,
        }
    ]


@fact(
    f"{REFERENCE}: CreateCustomer, declared errors",
    rows=[
        ({"email_address": "x"}, "INVALID_EMAIL_ADDRESS"),
        ({"phone_number": "12"}, "INVALID_PHONE_NUMBER"),
        ({"given_name": "A", "birthday": "x"}, "INVALID_TIME"),
        ({"given_name": "n" * 301}, "VALUE_TOO_LONG"),
    ],
)
def the_declared_errors_of_create_and_update(
    square: Square, data: dict[str, str], code: str
) -> None:
    """Both endpoints name four codes as theirs."""
    for method, path in (("POST", CUSTOMERS), ("PUT", path_of(square.create(given_name="A")))):
        status, problems = square.refused(method, path, data)
        assert (status, [told for told, _ in problems]) == (400, [code])


@fact(NOTES + " 2022-03-16", rows=[({"shoe": 38},), ({"address": {"planet": "Earth"}},)])
def unknown_fields_of_a_create_are_refused(square: Square, more: dict[str, Any]) -> None:
    """400 BAD_REQUEST for any field that isn't supported, inside the address too."""
    status, problems = square.refused("POST", CUSTOMERS, {"given_name": "A", **more})
    assert (status, [code for code, _ in problems]) == (400, ["BAD_REQUEST"])


@fact(CODES, choice="country codes")
def an_unknown_country_in_words(square: Square) -> None:
    """400 INVALID_ENUM_VALUE of the category of invalid requests."""
    data = {"given_name": "A", "address": {"country": "UK"}}
    answer = square.send("POST", CUSTOMERS, json=data)
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"], error["category"]) == (
        400,
        "INVALID_ENUM_VALUE",
        INVALID,
    )


@fact(RECORDS, choice="status of CONFLICT")
def a_stale_version_is_a_conflict(square: Square) -> None:
    """409 CONFLICT on update and on delete."""
    customer = square.create(given_name="A")
    square.ok("PUT", path_of(customer), {"nickname": "a"})
    stale = {"nickname": "b", "version": 0}
    answers = [
        square.send("PUT", path_of(customer), json=stale),
        square.send("DELETE", path_of(customer), params={"version": "0"}),
    ]
    for answer in answers:
        (error,) = errors_of(answer)
        told = (answer.status_code, error["code"], error["category"])
        assert told == (409, "CONFLICT", INVALID)


@fact(f"{REFERENCE}: RetrieveCustomer", rows=[("GET",)])
@fact(RECORDED, rows=[("PUT",), ("DELETE",)])
def an_unknown_customer_is_named(square: Square, method: str) -> None:
    """404 NOT_FOUND, to the letter; get, update and delete alike."""
    body = {"nickname": "a"} if method == "PUT" else None
    answer = square.send(method, f"{CUSTOMERS}/{MISSING}", json=body)
    assert answer.status_code == 404
    assert errors_of(answer) == [
        {
            "code": "NOT_FOUND",
            "detail": f"Customer with ID `{MISSING}` not found.",
            "category": INVALID,
        }
    ]


@fact(RECORDED)
def a_reused_key_in_full(square: Square) -> None:
    """400 IDEMPOTENCY_KEY_REUSED, to the letter."""
    square.create(idempotency_key="k-1", given_name="A")
    answer = square.send("POST", CUSTOMERS, json={"idempotency_key": "k-1", "given_name": "B"})
    assert answer.status_code == 400
    assert errors_of(answer) == [
        {
            "code": "IDEMPOTENCY_KEY_REUSED",
            "detail": "The idempotency key can only be retried with the same request data.",
            "field": "idempotency_key",
            "category": INVALID,
        }
    ]


@fact(CODES, rows=[("limit", "0", "VALUE_TOO_LOW"), ("limit", "101", "VALUE_TOO_HIGH")])
@fact(CODES, rows=[("cursor", "x", "INVALID_CURSOR"), ("limit", "ten", "EXPECTED_INTEGER")])
def what_is_wrong_with_a_page_in_words(square: Square, name: str, value: str, code: str) -> None:
    """400 in the category of invalid requests, with the parameter's name and a detail."""
    answer = square.send("GET", CUSTOMERS, params={name: value})
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"], error["field"]) == (400, code, name)
    assert (error["category"], bool(error["detail"])) == (INVALID, True)


@fact(f"{REFERENCE}: SearchCustomers, segment_ids")
def an_unknown_segment_is_named(square: Square) -> None:
    """400 BAD_REQUEST; the detail names it."""
    body = {"query": {"filter": {"segment_ids": {"any": ["NOBODY.KNOWS"]}}}}
    answer = square.send("POST", SEARCH, json=body)
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"]) == (400, "BAD_REQUEST")
    assert "NOBODY.KNOWS" in error["detail"]


@fact(f"{THREAD} square/in-app-payments-flutter-plugin#104")
def a_body_that_is_no_json_in_full(square: Square) -> None:
    """400 BAD_REQUEST, to the letter, for a body that starts with c."""
    answer = square.send("POST", CUSTOMERS, content=b"card_nonce=x")
    assert answer.status_code == 400
    (error,) = errors_of(answer)
    assert (error["code"], error["category"]) == ("BAD_REQUEST", INVALID)
    assert error["detail"] == (
        "invalid character 'c' looking for beginning of value (line 1, character 1)"
    )


@fact(
    f"{THREAD} square/in-app-payments-flutter-plugin#104",
    rows=[(b"{",), (b'{"given_name": "A",}',), (b"'A'",), (b'{"given_name": "A"} x',), (b"\xff",)],
)
def damaged_json_is_a_bad_request(square: Square, body: bytes) -> None:
    """400 BAD_REQUEST, wherever it breaks off."""
    answer = square.send("POST", CUSTOMERS, content=body)
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"]) == (400, "BAD_REQUEST")


@fact(CODES, rows=[(b"",), (b" \n",)])
def a_missing_body_is_expected(square: Square, body: bytes) -> None:
    """EXPECTED_JSON_BODY."""
    answer = square.send("POST", CUSTOMERS, content=body)
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"]) == (400, "EXPECTED_JSON_BODY")


@fact(CODES, rows=[(b"[]",), (b"7",), (b'"x"',), (b"null",), (b"true",)])
def a_body_is_an_object(square: Square, body: bytes) -> None:
    """Other JSON is EXPECTED_OBJECT."""
    answer = square.send("POST", CUSTOMERS, content=body)
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"]) == (400, "EXPECTED_OBJECT")


@fact(CHOICE, choice="depth of JSON", rows=[(250, "EXPECTED_STRING"), (251, "BAD_REQUEST")])
@fact(CHOICE, choice="depth of JSON", rows=[(100_000, "BAD_REQUEST")])
def json_is_nested_250_levels_at_most(square: Square, levels: int, code: str) -> None:
    """No call needs as many; deeper bodies are BAD_REQUEST."""
    inner = levels - 1
    body = b'{"given_name":' + b"[" * inner + b"]" * inner + b"}"
    answer = square.send("POST", CUSTOMERS, content=body)
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"]) == (400, code)


@fact(
    CHOICE,
    choice="content type of a body",
    rows=[("application/json",), ("text/plain",), ("application/x-www-form-urlencoded",)],
)
def the_content_type_of_a_body_is_not_looked_at(square: Square, content_type: str) -> None:
    """It is read as JSON."""
    headers = {"Content-Type": content_type}
    answer = square.send("POST", CUSTOMERS, content=b'{"given_name":"A"}', headers=headers)
    assert answer.status_code == 200


@fact(
    CODES,
    rows=[
        ("PATCH", CUSTOMERS),
        ("DELETE", CUSTOMERS),
        ("GET", SEARCH),
        ("PUT", f"{CUSTOMERS}/bulk-create"),
        ("POST", f"{CUSTOMERS}/{MISSING}"),
        ("PATCH", f"{GROUPS}/{MISSING}"),
        ("POST", "/v2/merchants/me"),
    ],
)
def a_wrong_method_is_not_allowed(square: Square, method: str, path: str) -> None:
    """405 METHOD_NOT_ALLOWED."""
    assert square.refused(method, path) == (405, [("METHOD_NOT_ALLOWED", "")])


@fact(CODES, rows=[("/",), ("/v2",), ("/v2/customer",), ("/v1/customers",), ("/v2/customers/",)])
@fact(CODES, rows=[(f"{CUSTOMERS}/{MISSING}/notes",), (f"{CUSTOMERS}//groups",)])
def an_unknown_path_is_not_found(square: Square, path: str) -> None:
    """404 NOT_FOUND."""
    assert square.refused("GET", path) == (404, [("NOT_FOUND", "")])


# What only a fault brings about


@fact(
    CODES,
    rows=[
        (500, "INTERNAL_SERVER_ERROR"),
        (502, "BAD_GATEWAY"),
        (503, "SERVICE_UNAVAILABLE"),
        (504, "GATEWAY_TIMEOUT"),
    ],
)
def server_trouble_is_an_api_error(square: Square, status: int, code: str) -> None:
    """Category API_ERROR with the code of the status; the next call works again."""
    customer = square.create(given_name="A")
    faulty(square, status=status)
    answer = square.send("GET", path_of(customer))
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"], error["category"]) == (status, code, "API_ERROR")
    assert square.send("GET", path_of(customer)).status_code == 200


@fact(f"{FORUM} 26925")
def an_application_can_be_limited_as_a_whole(square: Square) -> None:
    """The other text of a 429 can be rehearsed, without Retry-After."""
    detail = "Application is rate limited, please try again in a few minutes"
    error = {"category": "RATE_LIMIT_ERROR", "code": "RATE_LIMITED", "detail": detail}
    faulty(square, status=429, body={"errors": [error]})
    answer = square.send("GET", f"{CUSTOMERS}/{MISSING}")
    assert (answer.status_code, errors_of(answer)) == (429, [error])
    assert "retry-after" not in answer.headers


@fact(f"{FORUM} 3338")
def the_old_shape_of_a_429_can_be_rehearsed(square: Square) -> None:
    """Category V1_ERROR, code TOO_MANY_REQUESTS."""
    error = {"category": "V1_ERROR", "code": "TOO_MANY_REQUESTS"}
    faulty(square, status=429, body={"errors": [error]})
    answer = square.send("GET", f"{CUSTOMERS}/{MISSING}")
    assert (answer.status_code, errors_of(answer)) == (429, [error])


@fact(
    TAP,
    rows=[("upstream connect error",), ("<html>Error 1101</html>",), ("Service Unavailable",)],
)
def the_edge_does_not_speak_json(square: Square, text: str) -> None:
    """Bodies of the edge in front of Square are no JSON."""
    faulty(square, status=503, body=text)
    answer = square.send("GET", f"{CUSTOMERS}/{MISSING}")
    assert (answer.status_code, answer.text) == (503, text)
    assert "json" not in answer.headers["content-type"]


@fact(CHOICE, choice="order of checks")
def a_refused_request_changes_nothing(square: Square) -> None:
    """Whatever the stage at which it failed."""
    customer = square.create(given_name="A")
    square.refused("PUT", path_of(customer), {"given_name": "B", "birthday": "x"})
    square.refused("PUT", path_of(customer), {"given_name": "B"}, headers=at("today"))
    square.refused("PUT", path_of(customer), {"given_name": "B", "version": 9})
    assert square.get(customer["id"]) == customer


@fact(f"{OVERVIEW}, Customer tax IDs")
def tax_ids_elsewhere_in_words(square: Square) -> None:
    """400 BAD_REQUEST in the category of invalid requests."""
    data = {"given_name": "A", "tax_ids": {"eu_vat": "IE3426675K"}}
    answer = square.send("POST", CUSTOMERS, json=data)
    (error,) = errors_of(answer)
    told = (answer.status_code, error["code"], error["category"])
    assert told == (400, "BAD_REQUEST", INVALID)


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_errors(opened: Opened, check: Check) -> None:
    """Errors are as the documents say."""
    check.hold(opened)
