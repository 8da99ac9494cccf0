"""Tests of the arithmetic of waiting."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import Fault
from etl.square import retry

EXAMPLES = settings(derandomize=True, deadline=None, max_examples=200)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 521, 599, 302])
def test_passing_statuses(status: int) -> None:
    """Time-outs, rate limits, server trouble and foreign redirects may pass."""
    assert retry.may_pass(status, ())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 422])
def test_lasting_statuses(status: int) -> None:
    """Other client errors stay, 409 among them: a stale version does not become fresh."""
    assert not retry.may_pass(status, ())


def test_errors_under_200_are_judged_by_category() -> None:
    """A server's trouble passes even when it is reported with status 200."""
    assert retry.may_pass(200, [Fault("API_ERROR", "INTERNAL_SERVER_ERROR")])
    assert retry.may_pass(200, ())
    assert not retry.may_pass(200, [Fault("INVALID_REQUEST_ERROR", "BAD_REQUEST")])


def test_backoff_ceilings() -> None:
    """The longest waits are 1, 2, 4, ... 60 seconds."""
    longest = [retry.backoff(attempt, 1.0) for attempt in range(1, 10)]

    assert longest == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@EXAMPLES
@given(st.integers(1, 10**6), st.floats(0, 1))
def test_backoff_is_bounded(attempt: int, draw: float) -> None:
    """No wait is shorter than a tenth of a second or longer than a minute."""
    assert 0.1 <= retry.backoff(attempt, draw) <= 60


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([], 0),
        (["7"], 7),
        ([" 7 "], 7),
        (["0"], 0),
        (["1.5"], 1.5),
        (["86400"], 86400),
        (["3", "9"], 9),
        (["-5"], 0),
        (["soon"], 0),
        (["٣"], 0),
        (["nan"], 0),
        (["Thu, 01 Jan 1970 00:02:00 GMT"], 20),
        (["Thu, 01 Jan 1970 00:02:00 -0000"], 20),
        (["Thu, 01 Jan 1970 00:00:00 GMT"], 0),
    ],
)
def test_retry_after_forms(values: list[str], seconds: float) -> None:
    """Retry-After is seconds or a date; what cannot be read asks for nothing; the longest wins."""
    assert retry.retry_after(values, [], now=100.0) == seconds


def test_dates_are_compared_with_the_servers_clock() -> None:
    """A wrong clock on this side neither shortens nor lengthens a wait given as a date."""
    asked = ["Fri, 20 Nov 2026 12:05:00 GMT"]
    date = ["Fri, 20 Nov 2026 12:00:00 GMT"]

    assert retry.retry_after(asked, date, now=0.0) == 300
    assert retry.retry_after(asked, ["yesterday"], now=1795176000.0 + 100) == 200


@EXAMPLES
@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_retry_after_dates_are_exact(now: int, wait: int) -> None:
    """A date so many seconds ahead asks for so many seconds."""
    asked = format_datetime(datetime.fromtimestamp(now + wait, UTC), usegmt=True)

    assert retry.retry_after([asked], [], now) == wait


@EXAMPLES
@given(st.lists(st.text(max_size=40)), st.lists(st.text(max_size=40)))
def test_any_text_is_survived(values: list[str], dates: list[str]) -> None:
    """No header text raises or asks for a negative wait."""
    assert retry.retry_after(values, dates, now=1e9) >= 0


def test_application_wide_limit_pauses_for_minutes() -> None:
    """The application-wide text is a pause of minutes, or longer where the answer says so."""
    text = "Application is rate limited, please try again in a few minutes"
    faults = [Fault("RATE_LIMIT_ERROR", "RATE_LIMITED", text)]

    assert retry.floor(0.0, faults) == 120
    assert retry.floor(300.0, faults) == 300
    assert retry.floor(2.0, [Fault("RATE_LIMIT_ERROR", "RATE_LIMITED")]) == 2
