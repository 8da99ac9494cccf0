"""Headers, ids, timestamps, absent values, pages, consistency: what all endpoints share."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    DOCUMENTATION,
    GROUPS,
    MISSING,
    OLD_CLIENT,
    OVERVIEW,
    REFERENCE,
    SEARCH,
    WORKFLOWS,
    Check,
    Facts,
    after,
    at,
    bearer,
    errors_of,
    path_of,
)

fact = Facts()

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
VERSIONING = f"{DOCUMENTATION}: Versioning in the Square API"
PAGINATION = f"{DOCUMENTATION}: Pagination"


# Headers


@fact(REFERENCE)
def answers_are_json(square: Square) -> None:
    """Answers say that they are JSON."""
    answer = square.send("GET", CUSTOMERS)
    assert answer.headers["content-type"].partition(";")[0] == "application/json"


@fact(REFERENCE)
def errors_are_json(square: Square) -> None:
    """Errors say that they are JSON as well."""
    answer = square.send("GET", f"{CUSTOMERS}/{MISSING}")
    assert answer.headers["content-type"].partition(";")[0] == "application/json"


@fact(
    VERSIONING,
    rows=[
        *(("2021-07-21",), ("2021-10-20",), ("2022-03-16",), ("2022-05-12",), ("2022-08-17",)),
        *(("2022-09-21",), ("2022-10-19",), ("2022-11-16",), ("2024-12-18",), ("2025-08-20",)),
        ("2026-08-19",),
    ],
)
def a_published_version_is_served_and_repeated(square: Square, version: str) -> None:
    """The answer repeats the version that was asked for."""
    answer = square.send("GET", CUSTOMERS, headers=at(version))
    assert (answer.status_code, answer.headers["square-version"]) == (200, version)


@fact(VERSIONING)
def errors_repeat_the_version_too(square: Square) -> None:
    """An error of the customer service comes with the version it was worded for."""
    answer = square.send("GET", f"{CUSTOMERS}/{MISSING}", headers=at("2022-09-21"))
    assert (answer.status_code, answer.headers["square-version"]) == (404, "2022-09-21")


@fact(CHOICE, choice="default Square-Version")
def without_a_header_the_newest_version_answers(square: Square) -> None:
    """No application is pinned to a date, so the newest known one is served."""
    answered = square.send("GET", CUSTOMERS).headers["square-version"]
    assert answered >= "2026-08-19"
    assert (
        answered
        == square.send("GET", CUSTOMERS, headers=at("2099-01-01")).headers["square-version"]
    )


@fact(CHOICE, choice="version beyond the newest known")
def a_version_of_the_future_is_served_as_the_newest(square: Square) -> None:
    """A client that is newer than the sandbox is answered."""
    answer = square.send("GET", CUSTOMERS, headers=at("2031-01-15"))
    assert answer.status_code == 200
    assert answer.headers["square-version"] < "2031-01-15"


@fact(VERSIONING, rows=[("2022-10-20",), ("2021-07-22",), ("2018-12-05",), ("2016-01-01",)])
def a_version_never_served_is_refused(square: Square, version: str) -> None:
    """A date that is no version, or one from before those served, is refused."""
    refused = square.refused("GET", CUSTOMERS, headers=at(version))
    assert refused == (400, [("API_VERSION_INCOMPATIBLE", "")])


@fact(
    REFERENCE,
    rows=[("today",), ("20221019",), ("2022/10/19",), ("2022-10-19T00:00:00Z",), ("22-10-19",)],
)
def a_version_is_a_date(square: Square, version: str) -> None:
    """What is not written YYYY-MM-DD is refused with a code of its own."""
    refused = square.refused("GET", CUSTOMERS, headers=at(version))
    assert refused == (400, [("INVALID_SQUARE_VERSION_FORMAT", "")])


@fact(CHOICE, choice="answer without a valid version", rows=[("today",), ("2022-10-20",)])
def a_refused_version_is_not_repeated(square: Square, version: str) -> None:
    """Nothing was served, so no version is named."""
    assert "square-version" not in square.send("GET", CUSTOMERS, headers=at(version)).headers


@fact(CHOICE, choice="unknown query parameters", rows=[(CUSTOMERS,), (GROUPS,)])
def unknown_query_parameters_are_ignored(square: Square, path: str) -> None:
    """A parameter the endpoint does not have changes nothing."""
    square.create(given_name="Ava")
    assert square.ok("GET", path, params={"colour": "red"}) == square.ok("GET", path)


# The order of checks


@fact(CHOICE, choice="order of checks")
def an_unknown_path_comes_before_the_token(square: Square) -> None:
    """Nobody need be authorized to hear that a path does not exist."""
    refused = square.refused("GET", "/v2/nowhere", headers={"Authorization": "Bearer nobody's"})
    assert refused == (404, [("NOT_FOUND", "")])


@fact(CHOICE, choice="order of checks")
def the_token_comes_before_the_body(square: Square) -> None:
    """Who may not call is not told what is wrong with the body."""
    answer = square.send("POST", CUSTOMERS, content=b"c", headers={"Authorization": "Bearer no"})
    assert [error["code"] for error in errors_of(answer)] == ["UNAUTHORIZED"]


@fact(CHOICE, choice="order of checks")
def the_token_comes_before_the_version(square: Square) -> None:
    """Who may not call is not told about versions."""
    headers = {"Authorization": "Bearer no", "Square-Version": "today"}
    assert square.refused("GET", CUSTOMERS, headers=headers) == (401, [("UNAUTHORIZED", "")])


@fact(CHOICE, choice="order of checks")
def the_version_comes_before_the_scopes(square: Square) -> None:
    """A version that is not served is refused whatever the token may do."""
    headers = bearer(square) | at("today")
    code = "INVALID_SQUARE_VERSION_FORMAT"
    assert square.refused("GET", CUSTOMERS, headers=headers) == (400, [(code, "")])


@fact(CHOICE, choice="order of checks")
def the_scopes_come_before_the_body(square: Square) -> None:
    """A token without the scope is refused before the body is read."""
    answer = square.send("POST", CUSTOMERS, content=b"c", headers=bearer(square))
    assert [error["code"] for error in errors_of(answer)] == ["INSUFFICIENT_SCOPES"]


@fact(CHOICE, choice="order of checks", rate=1.0)
def the_pace_comes_before_the_version(square: Square) -> None:
    """Whoever calls too often hears nothing else."""
    square.ok("GET", CUSTOMERS)
    assert square.refused("GET", CUSTOMERS, headers=at("today"))[0] == 429


@fact(CHOICE, choice="order of checks")
def types_come_before_values(square: Square) -> None:
    """A value is judged once every type is right."""
    body = {"phone_number": "12", "note": 7}
    assert square.refused("POST", CUSTOMERS, body) == (400, [("EXPECTED_STRING", "note")])


# Ids


@fact(f"{REFERENCE}, genuine examples")
def customer_ids_have_26_characters(square: Square) -> None:
    """Digits and upper case letters without I, L, O, U."""
    customer_id = square.create(given_name="Ava")["id"]
    assert len(customer_id) == 26
    assert set(customer_id) <= set(ALPHABET)


@fact(f"{REFERENCE}, genuine examples")
def customer_ids_are_128_bits_wide(square: Square) -> None:
    """All genuine ids end in one of eight characters, and no two are equal."""
    entries = {f"k-{i}": {"given_name": "Ava"} for i in range(100)}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-create", {"customers": entries})["responses"]
    ids = {answer["customer"]["id"] for answer in answers.values()}
    assert len(ids) == 100
    assert {customer_id[-1] for customer_id in ids} <= set("048CGMRW")
    assert len({customer_id[-1] for customer_id in ids}) > 4


@fact(f"{REFERENCE}, genuine examples")
def merchant_ids_have_13_characters(square: Square) -> None:
    """They are of the same alphabet."""
    merchant_id = square.ok("GET", "/v2/merchants/me")["merchant"]["id"]
    assert re.fullmatch(f"[{ALPHABET}]{{13}}", merchant_id)


@fact(REFERENCE)
def group_ids_fit_into_255_characters(square: Square) -> None:
    """A group's id is a text of at most 255 characters."""
    group = square.ok("POST", GROUPS, {"group": {"name": "A"}})["group"]
    assert re.fullmatch(f"[{ALPHABET}]{{26}}", group["id"])


# Timestamps


@fact(f"{REFERENCE}, examples")
def created_at_has_milliseconds(square: Square) -> None:
    """RFC 3339 in UTC with Z, milliseconds behind the point."""
    assert square.create(given_name="Ava")["created_at"] == "2025-09-01T08:15:30.412Z"


@fact(f"{REFERENCE}, examples", rows=[(0.178, "30.59Z"), (0.088, "30.5Z"), (0.588, "31Z")])
def zeros_at_the_end_of_created_at_are_dropped(square: Square, later: float, end: str) -> None:
    """.590 is written .59, and a whole second has no point."""
    after(square, later)
    assert square.create(given_name="Ava")["created_at"] == f"2025-09-01T08:15:{end}"


@fact("recorded answer, a fresh profile", choice="updated_at")
def updated_at_has_whole_seconds(square: Square) -> None:
    """A fresh profile shows …:23.017Z and …:23Z side by side, so updated_at may look earlier."""
    customer = square.create(given_name="Ava")
    assert customer["created_at"] == "2025-09-01T08:15:30.412Z"
    assert customer["updated_at"] == "2025-09-01T08:15:30Z"


@fact(REFERENCE)
def created_at_stays_and_updated_at_moves(square: Square) -> None:
    """An update moves updated_at alone."""
    customer = square.create(given_name="Ava")
    after(square, 60)
    updated = square.ok("PUT", path_of(customer), {"nickname": "A"})["customer"]
    assert updated["created_at"] == customer["created_at"]
    assert updated["updated_at"] == "2025-09-01T08:16:30Z"


# Absent values


def values_in(content: Any) -> list[Any]:
    """Every value inside a JSON text."""
    if isinstance(content, dict):
        return [value for inner in content.values() for value in values_in(inner)]
    if isinstance(content, list):
        return [value for inner in content for value in values_in(inner)]
    return [content]


@fact(f"{REFERENCE}, examples")
def absent_values_are_left_out(square: Square) -> None:
    """No answer holds null: what has no value is not sent."""
    customer = square.create(given_name="Ava", nickname=None, address={"locality": "Leeds"})
    answers = [customer, square.ok("GET", CUSTOMERS), square.get(customer["id"])]
    assert None not in values_in(answers)
    assert {"nickname", "note", "birthday"}.isdisjoint(customer)


@fact("recorded answer, a fresh profile")
def empty_texts_are_left_out(square: Square) -> None:
    """An empty text is no value."""
    assert "note" not in square.create(given_name="Ava", note="")


@fact(f"{REFERENCE}, examples")
def version_zero_is_sent(square: Square) -> None:
    """Zero is a value."""
    assert square.create(given_name="Ava")["version"] == 0


# Empty results


@fact(WORKFLOWS)
def a_search_without_a_match_answers_an_empty_object(square: Square) -> None:
    """Square returns an empty object ({}) if none are found."""
    square.create(given_name="Ava")
    body = {"query": {"filter": {"email_address": {"exact": "nobody@example.com"}}}}
    answer = square.send("POST", SEARCH, json=body)
    assert (answer.status_code, answer.content) == (200, b"{}")


@fact(REFERENCE, rows=[(CUSTOMERS,), (GROUPS,)])
def an_empty_list_answers_an_empty_object(square: Square, path: str) -> None:
    """There is no key with an empty list."""
    answer = square.send("GET", path)
    assert (answer.status_code, answer.content) == (200, b"{}")


@fact(REFERENCE)
def deletions_answer_an_empty_object(square: Square) -> None:
    """Neither a deleted customer nor a deleted group is told again."""
    customer = square.create(given_name="Ava")
    group = square.ok("POST", GROUPS, {"group": {"name": "A"}})["group"]
    assert square.ok("DELETE", path_of(customer)) == {}
    assert square.ok("DELETE", f"{GROUPS}/{group['id']}") == {}


@fact(REFERENCE)
def memberships_answer_an_empty_object(square: Square) -> None:
    """Joining and leaving a group tell nothing."""
    customer = square.create(given_name="Ava")
    group = square.ok("POST", GROUPS, {"group": {"name": "A"}})["group"]
    path = f"{path_of(customer)}/groups/{group['id']}"
    assert square.ok("PUT", path) == {}
    assert square.ok("DELETE", path) == {}


@fact(REFERENCE)
def an_answer_holds_errors_or_the_payload(square: Square) -> None:
    """Single-object answers never hold both."""
    assert list(square.ok("POST", CUSTOMERS, {"given_name": "Ava"})) == ["customer"]
    assert list(square.send("POST", CUSTOMERS, json={}).json()) == ["errors"]


# Pages


def pages(square: Square, limit: int) -> list[int]:
    """Follow the cursors of a list to its end; return how many each page held."""
    sizes, parameters = [], {"limit": str(limit)}
    while True:
        answer = square.ok("GET", CUSTOMERS, params=parameters)
        sizes.append(len(answer.get("customers", [])))
        if "cursor" not in answer:
            return sizes
        parameters["cursor"] = answer["cursor"]


@fact(REFERENCE, rows=[(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (2, 3, [2]), (3, 3, [3]), (0, 1, [0])])
def a_cursor_comes_only_while_more_pages_exist(
    square: Square, profiles: int, limit: int, sizes: list[int]
) -> None:
    """The last page has no cursor, even when it is full."""
    for _ in range(profiles):
        square.create(given_name="Ava")
    assert pages(square, limit) == sizes


@fact(PAGINATION)
def pages_together_are_everyone_once(square: Square) -> None:
    """Following the cursor shows every profile exactly once."""
    made = sorted(square.create(given_name=f"A{i % 3}")["id"] for i in range(7))
    seen: list[str] = []
    body: dict[str, Any] = {"limit": 3}
    while True:
        answer = square.ok("POST", SEARCH, body)
        seen += [customer["id"] for customer in answer["customers"]]
        if "cursor" not in answer:
            break
        body["cursor"] = answer["cursor"]
    assert sorted(seen) == made


@fact(PAGINATION)
def a_cursor_may_be_used_again(square: Square) -> None:
    """The same query and cursor show the same page."""
    for name in "ABC":
        square.create(given_name=name)
    first = square.ok("POST", SEARCH, {"limit": 1})
    body = {"limit": 1, "cursor": first["cursor"]}
    assert square.ok("POST", SEARCH, body)["customers"][0]["given_name"] == "B"
    assert square.ok("POST", SEARCH, body)["customers"][0]["given_name"] == "B"


@fact(REFERENCE, rows=[("x",), ("c2FuZGJveC1wYWdlLTI",), ("ß",), ("AAAA" * 40,)])
def a_cursor_nobody_issued_is_refused(square: Square, cursor: str) -> None:
    """A made-up cursor is INVALID_CURSOR, in a list and in a search."""
    refused = (400, [("INVALID_CURSOR", "cursor")])
    assert square.refused("POST", SEARCH, {"cursor": cursor}) == refused
    assert square.refused("GET", CUSTOMERS, params={"cursor": cursor}) == refused


def with_cursor(square: Square) -> str:
    """Search two profiles page by page; return the cursor of the second page."""
    square.create(given_name="A", note="n")
    square.create(given_name="B", note="n")
    answer = square.ok("POST", SEARCH, {"limit": 1})
    cursor: str = answer["cursor"]
    return cursor


@fact(
    CHOICE,
    choice="cursor of another query",
    rows=[
        ({"query": {"sort": {"order": "DESC"}}},),
        ({"query": {"sort": {"field": "CREATED_AT"}}},),
        ({"query": {"filter": {"creation_source": {"values": ["THIRD_PARTY"]}}}},),
    ],
)
def a_cursor_is_bound_to_its_query(square: Square, other: dict[str, Any]) -> None:
    """With another query a cursor is refused."""
    body = {"cursor": with_cursor(square), **other}
    assert square.refused("POST", SEARCH, body) == (400, [("INVALID_CURSOR", "cursor")])


@fact(CHOICE, choice="cursor of another query")
def a_cursor_is_bound_to_its_endpoint(square: Square) -> None:
    """The cursor of a search is none of a list."""
    parameters = {"cursor": with_cursor(square)}
    assert square.refused("GET", CUSTOMERS, params=parameters)[1] == [("INVALID_CURSOR", "cursor")]


@fact(CHOICE, choice="cursor of another query", rows=[({"limit": 50},), ({"count": True},)])
def limit_and_count_may_change_between_pages(square: Square, other: dict[str, Any]) -> None:
    """They do not say which profiles are wanted."""
    answer = square.ok("POST", SEARCH, {"cursor": with_cursor(square), **other})
    assert [customer["given_name"] for customer in answer["customers"]] == ["B"]


@fact(CHOICE, choice="cursor lifetime")
def a_cursor_lives_for_five_minutes(square: Square) -> None:
    """It is good for 300 seconds, then INVALID_CURSOR."""
    cursor = with_cursor(square)
    after(square, 300)
    assert len(square.ok("POST", SEARCH, {"cursor": cursor})["customers"]) == 1
    after(square, 1)
    assert square.refused("POST", SEARCH, {"cursor": cursor}) == (
        400,
        [("INVALID_CURSOR", "cursor")],
    )


# Consistency


LAG = "API reference: ListCustomers, SearchCustomers"


@fact(LAG, lag=30.0)
def lists_and_searches_lag_behind_writes(square: Square) -> None:
    """A new profile becomes available to them within seconds, not at once."""
    square.create(given_name="Ava")
    assert (square.ok("GET", CUSTOMERS), square.found()) == ({}, [])
    after(square, 31)
    assert (len(square.ok("GET", CUSTOMERS)["customers"]), square.found()) == (1, ["Ava"])


@fact(OLD_CLIENT, lag=30.0)
def searches_show_old_values_for_a_while(square: Square) -> None:
    """An updated profile is found by what it was until the update has propagated."""
    customer = square.create(given_name="Ava")
    after(square, 31)
    square.ok("PUT", path_of(customer), {"given_name": "Eva"})
    assert square.found() == ["Ava"]
    after(square, 31)
    assert square.found() == ["Eva"]


@fact(LAG, lag=30.0)
def deleted_profiles_are_listed_for_a_while(square: Square) -> None:
    """A list is behind on deletions as well, though the profile is gone."""
    customer = square.create(given_name="Ava")
    after(square, 31)
    square.ok("DELETE", path_of(customer))
    assert len(square.ok("GET", CUSTOMERS)["customers"]) == 1
    assert square.send("GET", path_of(customer)).status_code == 404
    after(square, 31)
    assert square.ok("GET", CUSTOMERS) == {}


@fact(LAG, lag=30.0)
def counts_lag_as_well(square: Square) -> None:
    """The count is that of the profiles a list would show."""
    square.create(given_name="Ava")
    assert square.ok("GET", CUSTOMERS, params={"count": "true"})["count"] == 0
    after(square, 31)
    assert square.ok("GET", CUSTOMERS, params={"count": "true"})["count"] == 1


@fact(f"{OVERVIEW}, Retrieving a customer profile by ID", choice="retrieve by id", lag=30.0)
def retrieving_by_id_does_not_lag(square: Square) -> None:
    """A profile is shown by its id, alone or in bulk, as soon as it was written."""
    customer = square.create(given_name="Ava")
    square.ok("PUT", path_of(customer), {"nickname": "A"})
    assert square.get(customer["id"])["nickname"] == "A"
    body = {"customer_ids": [customer["id"]]}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-retrieve", body)["responses"]
    assert answers[customer["id"]]["customer"]["nickname"] == "A"


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_platform(opened: Opened, check: Check) -> None:
    """What all endpoints share is as the documents say."""
    check.hold(opened)
