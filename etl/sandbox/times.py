"""How does Square write moments and days?

Moments are RFC 3339 in UTC with ``Z``; inside the sandbox they are whole milliseconds.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from fractions import Fraction

_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,60}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DAY = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)", re.ASCII)
YEAR = 365 * 24 * 3600 * 1000
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@functools.lru_cache(maxsize=256)
def timestamp(moment: int) -> str:
    """Write milliseconds since 1970 as Square does: zeros at the end of the fraction are dropped.

    >>> timestamp(1756714530590)
    '2025-09-01T08:15:30.59Z'
    """
    seconds, rest = divmod(moment, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{text}{fraction}Z"


def moment(text: str) -> Fraction | None:
    """Read an RFC 3339 moment as exact milliseconds since 1970, None if it is not one.

    >>> moment("2025-09-01T08:15:30.59Z")
    Fraction(1756714530590, 1)
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    second, fraction, zone = match.groups()
    try:
        parsed = datetime.fromisoformat(second.upper() + zone.upper())
    except ValueError:
        return None
    milliseconds = Fraction(int(fraction or "0"), 10 ** len(fraction or "0")) * 1000
    return int(parsed.timestamp()) * 1000 + milliseconds


def birthday(text: str) -> str | None:
    """Read ``YYYY-MM-DD`` or ``MM-DD``; answer ``YYYY-MM-DD``, None if it is no day.

    Year 0000 means that the year is unknown, and 29 February is then a day.

    >>> birthday("02-29")
    '0000-02-29'
    """
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    year, month, day = match.group(1) or "0000", int(match.group(2)), int(match.group(3))
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS_IN_MONTH[month - 1]:
        return None
    if (month, day) == (2, 29) and not _leap(int(year)):
        return None
    return f"{year}-{match.group(2)}-{match.group(3)}"


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
