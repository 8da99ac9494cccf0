"""How long to wait before the same request is sent again?

Arithmetic only: nothing here waits, reads a clock or draws a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from etl.errors import Fault

SHORTEST_WAIT = 0.1  # bounds the number of attempts: patience / SHORTEST_WAIT
LONGEST_WAIT = 60.0

# Square throttles a whole application with the words below and names no code of its own for it.
APPLICATION_WIDE = "application is rate limited"
APPLICATION_PAUSE = 120.0

# Categories of faults that pass by themselves, whatever status they come with.
TEMPORARY = frozenset({"API_ERROR", "RATE_LIMIT_ERROR"})

# A 409 is absent on purpose: a stale version stays stale, though Square's SDK repeats it.
RETRYABLE = frozenset({408, 429, *range(500, 600)})

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


class TryAgain(Exception):
    """An attempt failed in a way that may pass.

    ``status`` is None where no usable answer came; ``floor`` is the shortest permissible wait.
    """

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        *,
        floor: float = 0.0,
        rate_limited: bool = False,
    ) -> None:
        self.status = status
        self.floor = floor
        self.rate_limited = rate_limited
        super().__init__(reason)


def may_pass(status: int, faults: Sequence[Fault]) -> bool:
    """Tell whether the same request may succeed later."""
    if status < 300:
        # Errors under a 200 are judged by their category: a write that was only late must not
        # be called refused.
        return not faults or any(fault.category in TEMPORARY for fault in faults)
    if status < 400:
        return True  # Square never redirects: something between here and there did
    return status in RETRYABLE


def is_rate_limit(status: int, faults: Sequence[Fault]) -> bool:
    """Tell whether Square asks the whole client to slow down."""
    return status == 429 or any(fault.category == "RATE_LIMIT_ERROR" for fault in faults)


def backoff(attempt: int, draw: float) -> float:
    """Return the wait after failure number ``attempt`` (from 1); ``draw`` lies in 0..1.

    Full jitter: anywhere below 1, 2, 4, ... 60 seconds.
    """
    # 2**6 is past the longest wait already; the bound keeps the power small.
    ceiling = min(LONGEST_WAIT, 2.0 ** min(attempt - 1, 6))
    return SHORTEST_WAIT + draw * (ceiling - SHORTEST_WAIT)


def retry_after(values: Sequence[str], dates: Sequence[str], now: float) -> float:
    """Return the seconds all Retry-After headers ask for, 0.0 when none can be read.

    A Retry-After may be a point in time. It is compared with the answer's own Date (``dates``)
    where there is one, so that a wrong clock on this side does not matter; ``now`` is Unix time.
    """
    server_now = told_time(dates) or now
    return max((_seconds(value.strip(), server_now) for value in values), default=0.0)


def told_time(dates: Sequence[str]) -> float | None:
    """Return the Unix time that an answer's Date headers tell, None when they tell none."""
    return next(filter(None, map(_instant, dates)), None)


def floor(asked: float, faults: Sequence[Fault]) -> float:
    """Return the shortest permissible wait: what the answer asked for, or a pause of minutes."""
    if any(APPLICATION_WIDE in fault.detail.lower() for fault in faults):
        return max(asked, APPLICATION_PAUSE)
    return asked


def _seconds(value: str, now: float) -> float:
    if _SECONDS.fullmatch(value):
        return float(value)
    instant = _instant(value)
    return 0.0 if instant is None else max(0.0, instant - now)


def _instant(value: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # An offset of -0000 is parsed as a time without zone; it means UTC.
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
