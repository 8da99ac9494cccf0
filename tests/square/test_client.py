"""Tests of the client: its requests, its patience, and what it makes of every kind of answer."""

from __future__ import annotations

import gzip
import logging
import random
import traceback
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError, Fault, Refused, SquareError, Unauthorized, Unavailable
from etl.square.client import SquareClient
from etl.square.wire import Call, Item, Merchant
from tests.square.fakes import TOKEN, VERSION, Square, Time, client, errors

MERCHANT = {"merchant": {"id": "M1", "country": "US", "business_name": "Corner Bakery"}}
LIMITED = {"category": "RATE_LIMIT_ERROR", "code": "RATE_LIMITED"}
GONE = {"category": "INVALID_REQUEST_ERROR", "code": "NOT_FOUND", "detail": "not found"}
CREATE = b'{"customers":{"k1":{"given_name":"Ines"},"k2":{"given_name":"Tomas"}}}'
GZIP = {"content-encoding": "gzip"}
CREATED = {"responses": {"k2": {"customer": {"id": "B"}}, "k1": {"customer": {"id": "A"}}}}


def ok(answer: object) -> httpx.Response:
    """Return a good answer."""
    return httpx.Response(200, json=answer)


def test_every_request_is_labelled() -> None:
    """Token, version, content type and name of the client travel in headers of each request."""
    square = Square([ok(MERCHANT)])

    merchant = client(square, Time()).merchant()

    headers = square.requests[0].headers
    assert merchant == Merchant("M1", "US", "Corner Bakery")
    assert str(square.requests[0].url) == "https://square.example.com/v2/merchants/me"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["square-version"] == VERSION
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "square-etl"


def test_count_asks_for_one_row() -> None:
    """Counting costs one call with the smallest page."""
    square = Square([ok({"count": 15538, "customers": [{"id": "A"}], "cursor": "c"})])

    assert client(square, Time()).count_customers() == 15538
    assert dict(square.requests[0].url.params) == {"count": "true", "limit": "1"}


def test_listing_stops_on_a_missing_cursor_only() -> None:
    """Short and empty pages in the middle do not end a listing."""
    square = Square(
        [
            ok({"customers": [{"id": "A"}], "cursor": "1"}),
            ok({"cursor": "2"}),
            ok({"customers": [{"id": "B"}, {"id": "C"}]}),
        ]
    )

    assert list(client(square, Time()).list_customers()) == [
        [{"id": "A"}],
        [{"id": "B"}, {"id": "C"}],
    ]
    assert [dict(request.url.params) for request in square.requests] == [
        {"limit": "100", "sort_field": "CREATED_AT", "sort_order": "ASC"},
        {"limit": "100", "sort_field": "CREATED_AT", "sort_order": "ASC", "cursor": "1"},
        {"limit": "100", "sort_field": "CREATED_AT", "sort_order": "ASC", "cursor": "2"},
    ]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 20), st.integers(1, 20))
def test_circling_cursors_end(lead: int, circle: int) -> None:
    """A server whose cursors go round in a circle of any length is not followed for ever."""
    turns = iter(range(10**6))

    def answer(request: httpx.Request) -> httpx.Response:
        turn = next(turns)
        cursor = turn if turn < lead else lead + (turn - lead) % circle
        return ok({"customers": [{"id": "A"}], "cursor": str(cursor)})

    with pytest.raises(Unavailable, match="repeated a cursor"):
        list(client(answer, Time()).list_customers())

    assert next(turns) <= 4 * (lead + circle) + 2


def test_search_sends_the_filter_with_every_page() -> None:
    """Each page of a search repeats filter and order, and adds the cursor."""
    square = Square([ok({"customers": [{"id": "A"}], "cursor": "1"}), ok({})])
    filter = {"email_address": {"exact": "ines@example.com"}}

    assert list(client(square, Time()).search_customers(filter)) == [[{"id": "A"}]]
    asked = {
        "limit": 100,
        "query": {"filter": filter, "sort": {"field": "CREATED_AT", "order": "ASC"}},
    }
    assert [orjson.loads(body) for body in square.bodies] == [asked, asked | {"cursor": "1"}]
    assert square.requests[0].url.path == "/v2/customers/search"


def test_retrieve_asks_in_hundreds() -> None:
    """Ids are asked for once each, at most 100 at a time; merged and unknown ones are told."""

    def answer(request: httpx.Request) -> httpx.Response:
        found: dict[str, Any] = {
            id: {"customer": {"id": id}} for id in orjson.loads(request.content)["customer_ids"]
        }
        found |= {"7": {"errors": [GONE]}, "8": {"customer": {"id": "merged"}}}
        return ok({"responses": found})

    square = Square([answer])
    ids = [str(number) for number in range(230)]

    found = client(square, Time()).retrieve_customers([*ids, "5"])

    assert list(found) == ids
    assert (found["7"], found["8"], found["229"]) == (None, {"id": "merged"}, {"id": "229"})
    assert [len(orjson.loads(body)["customer_ids"]) for body in square.bodies] == [100, 100, 30]


def test_ids_left_out_are_asked_again() -> None:
    """An id missing from an answer is neither found nor unknown: it is asked for again."""
    trouble = {"errors": [{"category": "API_ERROR", "code": "INTERNAL_SERVER_ERROR"}]}
    square = Square(
        [
            ok({"responses": {"A": {"customer": {"id": "A"}}, "B": trouble}}),
            ok({"responses": {"B": {"customer": {"id": "B"}}}}),
            ok({"responses": {"C": {"errors": [GONE]}}}),
        ]
    )

    found = client(square, Time()).retrieve_customers(["A", "B", "C"])

    assert found == {"A": {"id": "A"}, "B": {"id": "B"}, "C": None}
    assert [orjson.loads(body)["customer_ids"] for body in square.bodies] == [
        ["A", "B", "C"],
        ["B", "C"],
        ["C"],
    ]


def test_ids_never_answered_are_unavailable() -> None:
    """An id that no answer mentions is never taken for an unknown one."""
    square = Square([ok({"responses": {}})])

    with pytest.raises(Unavailable, match="1 of 1 ids"):
        client(square, Time()).retrieve_customers(["A"])

    assert len(square.requests) == 3


def test_bulk_create_sends_the_bytes_it_is_given() -> None:
    """The body goes out unchanged and the result is keyed, whatever the order."""
    body = b'{ "customers" : {"k1":{},"k2":{}} }'
    square = Square([ok(CREATED)])

    created = client(square, Time()).bulk_create(body)

    assert created == {"k1": Item({"id": "A"}, ()), "k2": Item({"id": "B"}, ())}
    assert square.bodies == [body]
    assert square.requests[0].url.path == "/v2/customers/bulk-create"
    assert "x-clear-null" not in square.requests[0].headers


def test_bulk_update_clears_nulls() -> None:
    """Updates carry the header without which Square may ignore a null."""
    square = Square([ok({"responses": {"A": {"errors": [GONE]}}})])

    updated = client(square, Time()).bulk_update(b'{"customers":{"A":{"note":null},"B":{}}}')

    fault = Fault("INVALID_REQUEST_ERROR", "NOT_FOUND", "not found")
    assert updated == {"A": Item(None, (fault,))}
    assert square.requests[0].headers["x-clear-null"] == "true"


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(408),
        httpx.Response(500, text="upstream connect error"),
        httpx.Response(502, html="<h1>Bad gateway</h1>"),
        httpx.Response(503, json={"errors": [{"category": "API_ERROR", "code": "X"}]}),
        errors(429, LIMITED),
        httpx.Response(302, headers={"location": "https://login.example.com/"}),
        httpx.Response(200, html="<html>Please log in</html>"),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b'{"responses": {"k1": {"cust'),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        errors(200, {"category": "API_ERROR", "code": "INTERNAL_SERVER_ERROR"}),
        httpx.Response(200, headers=GZIP, content=iter([b"junk"])),
        httpx.Response(200, headers=GZIP, content=iter([gzip.compress(b'{"responses": {}}')[:-4]])),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed connection"),
    ],
)
def test_what_may_pass_is_repeated(failure: httpx.Response | Exception) -> None:
    """Trouble that may pass leads to the same bytes being sent again."""
    square = Square([failure, ok(CREATED)])
    time = Time()

    created = client(square, time).bulk_create(CREATE)

    assert set(created) == {"k1", "k2"}
    assert square.bodies == [CREATE, CREATE]
    assert str(square.requests[1].url) == str(square.requests[0].url)
    assert len(time.slept) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 422])
def test_refusals_are_not_repeated(status: int) -> None:
    """A refusal is final at once, a version conflict too, and carries Square's reasons."""
    square = Square([errors(status, GONE)])

    with pytest.raises(Refused) as caught:
        client(square, Time()).bulk_create(CREATE)

    assert not isinstance(caught.value, Unauthorized)
    assert caught.value.endpoint == "POST /v2/customers/bulk-create"
    assert caught.value.status == status
    assert caught.value.faults == (Fault("INVALID_REQUEST_ERROR", "NOT_FOUND", "not found"),)
    assert len(square.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("content", [b"", b"<html>", b'{"errors": [{"code": "UNAUTHORIZED"}]}'])
def test_a_refused_token_ends_at_once(status: int, content: bytes) -> None:
    """401 and 403 are not repeated, whatever their bodies look like."""
    square = Square([httpx.Response(status, content=content)])

    with pytest.raises(Unauthorized) as caught:
        client(square, Time()).merchant()

    assert caught.value.status == status
    assert len(square.requests) == 1


def test_errors_under_200_are_a_refusal() -> None:
    """A 200 that holds errors and no answer is a refusal of the whole request."""
    square = Square([errors(200, {"category": "INVALID_REQUEST_ERROR", "code": "BAD_REQUEST"})])

    with pytest.raises(Refused, match="BAD_REQUEST"):
        client(square, Time()).bulk_create(CREATE)


def test_html_refusals_have_no_reason() -> None:
    """A refusal written by the edge has no faults, and its page is not repeated."""
    square = Square([httpx.Response(413, html="<h1>Too large</h1>")])

    with pytest.raises(Refused, match="with 413: no reason given"):
        client(square, Time()).bulk_create(CREATE)


def test_redirects_are_never_followed() -> None:
    """The token goes nowhere but to the base URL."""
    square = Square([httpx.Response(307, headers={"location": "https://evil.example.net/"})])

    with pytest.raises(Unavailable, match="last: 307"):
        client(square, Time(), patience=30).merchant()

    assert {request.url.host for request in square.requests} == {"square.example.com"}


def test_retry_after_is_obeyed_even_beyond_a_minute() -> None:
    """Square's own advice is a floor, however long, as long as patience lasts."""
    square = Square([errors(503, retry_after="300"), ok(MERCHANT)])
    time = Time()

    client(square, time).merchant()

    assert time.slept == [300.0]


def test_retry_after_of_an_unreadable_answer_is_obeyed() -> None:
    """Advice in the head counts even when the body cannot be used."""
    square = Square([httpx.Response(200, headers={"retry-after": "40"}), ok(MERCHANT)])
    time = Time()

    client(square, time).merchant()

    assert time.slept == [40.0]


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable does not lead the token elsewhere."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert client(Square([ok(MERCHANT)]), Time(), patience=0.01).merchant().id == "M1"


def test_retry_after_beyond_patience_ends_at_once() -> None:
    """A wait that cannot fit is not begun; the message names endpoint, reason and waits."""
    square = Square([errors(429, LIMITED, retry_after="3600")])
    time = Time()

    with pytest.raises(Unavailable) as caught:
        client(square, time).merchant()

    assert time.slept == []
    assert str(caught.value) == (
        "GET /v2/merchants/me: gave up after 1 attempts in 0 s (last: 429 RATE_LIMITED); the next"
        " one is due in 3600 s, beyond the patience of 900 s without progress"
    )


def test_a_hold_outlives_the_call_that_met_it() -> None:
    """After a 429 that ended one call, the next call does not reach Square before its time."""
    square = Square([errors(429, LIMITED, retry_after="3600"), ok(MERCHANT)])
    time = Time()
    asking = client(square, time)
    for _ in range(2):
        with pytest.raises(Unavailable):
            asking.merchant()
    time.now += 3500

    asking.merchant()

    assert time.slept == pytest.approx([100])
    assert len(square.requests) == 2


def test_application_wide_limit_is_a_pause_of_minutes() -> None:
    """The text of the application-wide limit, which has no code of its own, is heeded."""
    text = "Application is rate limited, please try again in a few minutes"
    square = Square([errors(429, LIMITED | {"detail": text}), ok(MERCHANT)])
    time = Time()

    client(square, time).merchant()

    assert time.slept == [120.0]


def test_a_429_slows_the_calls_that_follow() -> None:
    """Once limited, the client spaces its requests and creeps back to its old pace."""
    square = Square([ok(MERCHANT), errors(429, LIMITED), ok(MERCHANT)])
    time = Time()
    asking = client(square, time)
    for _ in range(4):
        asking.merchant()

    assert len(square.requests) == 5
    assert time.slept[1:] == pytest.approx([1 / 9.9, 1 / 10.89])


def test_a_server_error_does_not_slow_the_pace() -> None:
    """Only rate limits say something about the pace."""
    square = Square([httpx.Response(500), ok(MERCHANT)])
    time = Time()
    asking = client(square, time)
    asking.merchant()
    asking.merchant()

    assert len(time.slept) == 1


def test_requests_per_second_is_kept() -> None:
    """A set pace spaces requests from the start, and is not taken for a lack of progress."""
    square = Square([ok(MERCHANT)])
    time = Time()
    asking = client(square, time, requests_per_second=0.5, patience=1.0)
    for _ in range(3):
        asking.merchant()

    assert time.slept == [2.0, 2.0]


def test_patience_begins_anew_after_each_success() -> None:
    """Patience is time without progress, not time."""

    def every_other() -> Iterator[httpx.Response]:
        while True:
            yield errors(503, retry_after="600")
            yield ok(MERCHANT)

    answers = every_other()
    time = Time()
    asking = client(lambda request: next(answers), time)
    for _ in range(5):
        asking.merchant()

    assert time.slept == [600.0] * 5


def test_the_observer_hears_of_every_attempt() -> None:
    """Status, repetition and rate limits are told once per attempt; no answer has no status."""
    heard: list[Call] = []
    square = Square([httpx.ReadTimeout("slow"), errors(429, LIMITED), errors(400, GONE)])

    with pytest.raises(Refused):
        client(square, Time(), observe=heard.append).merchant()

    assert heard == [
        Call("GET /v2/merchants/me", None, 0.0, retry=False, rate_limited=False),
        Call("GET /v2/merchants/me", 429, 0.0, retry=True, rate_limited=True),
        Call("GET /v2/merchants/me", 400, 0.0, retry=True, rate_limited=False),
    ]


def echo(request: httpx.Request) -> httpx.Response:
    """Refuse a request by quoting it."""
    detail = f"your request said {request.headers['authorization']}"
    return errors(400, {"category": "INVALID_REQUEST_ERROR", "code": "X", "detail": detail})


@pytest.mark.parametrize(
    "step", [echo, httpx.Response(401), httpx.ConnectError("refused"), errors(429, LIMITED)]
)
def test_the_token_stays_in_its_header(step: Any, caplog: pytest.LogCaptureFixture) -> None:
    """No exception, traceback, representation or log line shows the token."""
    caplog.set_level(logging.DEBUG)
    asking = client(Square([step]), Time(), patience=2.0)

    with pytest.raises(SquareError) as caught:
        asking.merchant()

    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert TOKEN not in shown + repr(asking) + repr(vars(caught.value))


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ünïcode", "\x00"])
def test_impossible_tokens_are_refused_unseen(token: str) -> None:
    """A token that no header can carry is a config error that does not show it."""
    time = Time()
    with pytest.raises(ConfigError) as caught:
        SquareClient(
            httpx.MockTransport(Square([ok(MERCHANT)])),
            "https://square.example.com",
            token,
            VERSION,
            clock=time.clock,
            sleep=time.sleep,
            chance=random.Random(1),
        )

    assert not token or token not in str(caught.value)


FAILURES = st.one_of(
    st.sampled_from([408, 429, 500, 502, 503, 504]).flatmap(
        lambda status: st.tuples(st.just(status), st.none() | st.integers(0, 1200))
    ),
    st.just((0, None)),
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(FAILURES, max_size=30),
    st.integers(0, 2**32),
    st.floats(0.5, 2000),
    st.none() | st.floats(0.2, 50),
)
def test_waits_for_any_run_of_failures(
    failures: list[tuple[int, int | None]], seed: int, patience: float, rate: float | None
) -> None:
    """Waits never undercut Retry-After, patience is never outlasted, bytes never change."""
    time = Time()
    sent: list[float] = []
    earliest = time.now

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal earliest
        assert time.now >= earliest - 1e-6
        assert request.read() == CREATE
        sent.append(time.now)
        if len(sent) > len(failures):
            return ok(CREATED)
        status, asked = failures[len(sent) - 1]
        if status == 0:
            raise httpx.ReadError("reset")
        earliest = time.now + (asked or 0)
        return errors(status) if asked is None else errors(status, retry_after=str(asked))

    asking = client(answer, time, seed=seed, patience=patience, requests_per_second=rate)
    finished = True
    try:
        asking.bulk_create(CREATE)
    except Unavailable:
        finished = False

    assert finished == (len(sent) > len(failures))
    assert time.now - 1000 <= patience + 1e-6
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert all(gap >= 1 / (rate or 1e9) - 1e-6 for gap in gaps)
