"""How often may one call, and what does Square say to more?"""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    FORUM,
    MISSING,
    OVERVIEW,
    SDK,
    Check,
    Facts,
    after,
    bearer,
    errors_of,
    path_of,
)

fact = Facts()

BUCKET = "rate limit"


def statuses(square: Square, number: int, **headers: str) -> list[int]:
    """Call so many times at one moment; return what was answered."""
    return [square.send("GET", CUSTOMERS, headers=headers).status_code for _ in range(number)]


@fact(f"{FORUM} 24167", rate=1.0)
def too_many_calls_in_full(square: Square) -> None:
    """429, category RATE_LIMIT_ERROR, code RATE_LIMITED, to the letter."""
    square.ok("GET", CUSTOMERS)
    answer = square.send("GET", CUSTOMERS)
    (error,) = errors_of(answer)
    assert answer.status_code == 429
    assert error == {
        "code": "RATE_LIMITED",
        "detail": "This request was rate limited. Please retry later.",
        "category": "RATE_LIMIT_ERROR",
    }


@fact(CHOICE, choice=BUCKET, rate=5.0)
def a_bucket_holds_one_second(square: Square) -> None:
    """As many calls at once as the rate says, then 429."""
    assert statuses(square, 7) == [200] * 5 + [429] * 2


@fact(CHOICE, choice=BUCKET, rate=0.2)
def a_slow_bucket_holds_one_call(square: Square) -> None:
    """A rate below one still lets a call through."""
    assert statuses(square, 2) == [200, 429]
    after(square, 5)
    assert statuses(square, 2) == [200, 429]


@fact(CHOICE, choice=BUCKET, rate=5.0)
def a_bucket_fills_again(square: Square) -> None:
    """With time, and not beyond its size."""
    statuses(square, 6)
    after(square, 0.4)
    assert statuses(square, 3) == [200, 200, 429]
    after(square, 3600)
    assert statuses(square, 7) == [200] * 5 + [429] * 2


@fact(CHOICE, choice=BUCKET, rate=1.0)
def most_of_a_call_is_none(square: Square) -> None:
    """A call passes once the bucket holds all of it; refused ones take nothing out."""
    assert statuses(square, 1) == [200]
    after(square, 0.9)
    assert statuses(square, 3) == [429, 429, 429]
    after(square, 0.1)
    assert statuses(square, 2) == [200, 429]


@fact(SDK, choice=BUCKET, rate=0.2)
def a_429_says_when_to_come_back(square: Square) -> None:
    """Retry-After, in whole seconds, is honoured by the SDK; after it the call passes."""
    square.ok("GET", CUSTOMERS)
    wait = square.send("GET", CUSTOMERS).headers["retry-after"]
    assert wait == "5"
    after(square, int(wait))
    assert statuses(square, 1) == [200]


@fact(f"{FORUM} 26925")
def a_429_need_not_say_when_to_come_back(square: Square) -> None:
    """Square does not document Retry-After; a scripted 429 comes without it."""
    plan = [{"endpoint": "list", "nth": 1, "do": "status", "status": 429}]
    square.ok("POST", "/_sandbox/faults", {"plan": plan})
    answer = square.send("GET", CUSTOMERS)
    (error,) = errors_of(answer)
    assert (answer.status_code, error["code"]) == (429, "RATE_LIMITED")
    assert "retry-after" not in answer.headers


@fact(CHOICE, choice=BUCKET, rate=1.0)
def every_token_has_its_own_bucket(square: Square) -> None:
    """One caller's haste does not slow another down."""
    other = bearer(square, "CUSTOMERS_READ")
    assert statuses(square, 2) == [200, 429]
    assert statuses(square, 2, **other) == [200, 429]


@fact(CHOICE, choice="cost of a bulk call against the rate limit", rate=2.0)
def a_bulk_call_costs_one(square: Square) -> None:
    """However many profiles it names: 100 profiles for one call is the remedy."""
    body = {"customers": {f"k-{i}": {"given_name": "A"} for i in range(100)}}
    square.ok("POST", f"{CUSTOMERS}/bulk-create", body)
    assert statuses(square, 2) == [200, 429]


@fact(f"{OVERVIEW}, Rate limiting", rate=1.0)
def a_limited_call_is_not_carried_out(square: Square) -> None:
    """What was answered 429 has not happened."""
    customer = square.create(given_name="A")
    assert square.send("DELETE", path_of(customer)).status_code == 429
    after(square, 1)
    assert square.get(customer["id"]) == customer


@fact(CHOICE, choice=BUCKET, rate=3.0)
def refused_calls_count_as_well(square: Square) -> None:
    """A call that Square refuses has been made."""
    for _ in range(3):
        assert square.send("GET", f"{CUSTOMERS}/{MISSING}").status_code == 404
    assert statuses(square, 1) == [429]


@fact(CHOICE, choice=BUCKET)
def without_a_rate_there_is_no_limit(square: Square) -> None:
    """By default any number of calls passes."""
    assert set(statuses(square, 60)) == {200}


@fact(CHOICE, choice=BUCKET, rate=1.0)
def control_calls_have_no_pace(square: Square) -> None:
    """What Square has no call for does not count against its limit."""
    for _ in range(5):
        square.ok("GET", "/_sandbox/log")
    assert statuses(square, 2) == [200, 429]


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_rate_limits(opened: Opened, check: Check) -> None:
    """Haste is answered as the documents say."""
    check.hold(opened)
