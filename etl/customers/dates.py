"""Which day is a birthday, and what proves the order of day and month in a column?

Birthdays become ``YYYY-MM-DD``, or ``0000-MM-DD`` where the year is unknown. ``04/05/1986`` alone
does not say which part is the month: another date of the same column may prove it (``17/04/1986``),
the settings may say it, else the cell is ambiguous. Nothing is guessed per cell. A year of two
digits is read only where the settings ask for it: as the last such day before the run began.

Years that stand for "no year": 0000, and 1604, which no living person was born in and Apple's
address book writes. 1900, 1904 and 9999 are used so as well, but the first two are years people
were born in, so they are kept as written.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import octets
from etl.customers.cells import Cell, Finding, each, repeated, then
from etl.customers.normalize import IDENTIFIER, empty_marker, tidy
from etl.customers.octets import Octets

Order = Literal["MDY", "DMY", "YMD"]

# Where an order was proved: index of the source, physical line, the date as written.
Proof = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class DateEvidence:
    """What a birthday column proves about the order of day and month, so far."""

    day_first: Proof | None = None
    month_first: Proof | None = None

    def combine(self, other: DateEvidence) -> DateEvidence:
        """Return what both know; of two proofs the earlier in the sources is kept."""
        return DateEvidence(
            _earlier(self.day_first, other.day_first),
            _earlier(self.month_first, other.month_first),
        )

    @property
    def rule(self) -> tuple[Proof | bool | None, ...]:
        """All that the reading of a cell depends on: where both are proved, cells name the proofs.

        What is equal here reads every cell alike.
        """
        if self.day_first and self.month_first:
            return self.day_first, self.month_first
        return self.day_first is not None, self.month_first is not None


def _earlier(one: Proof | None, other: Proof | None) -> Proof | None:
    return min((proof for proof in (one, other) if proof), default=None)


# --- reading ------------------------------------------------------------------------------------

_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {
    **{name: number for number, name in enumerate(_MONTH_NAMES, 1)},
    **{name[:3]: number for number, name in enumerate(_MONTH_NAMES, 1)},
    "sept": 9,
}
_MONTHS_OF_YEAR = 12
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_TIME = re.compile(
    r"(?:\s+|(?<=\d)T)\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
    r"(?:\s?[AaPp]\.?[Mm]\.?)?(?:\s?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?\Z"
)
_NUMERIC = re.compile(r"(\d{1,4})\s?([./-])\s?(\d{1,2})(?:\s?\2\s?(\d{1,4})|\.)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_YEARLESS = re.compile(r"--(\d{2})-?(\d{2})")
# Square's own way to leave the year out.
_SQUARES_YEARLESS = re.compile(r"\d{2}-\d{2}")
_DAY_NAMED = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th)?\.?[\s-]*(?:of\s)?\s*([A-Za-z]{3,9})\.?(?:[\s,-]+(\d{2}|\d{4}))?",
    re.I,
)
_NAMED_DAY = re.compile(
    r"([A-Za-z]{3,9})\.?[\s-]*(\d{1,2})(?:st|nd|rd|th)?(?:[\s,-]+(\d{2}|\d{4}))?", re.I
)
_YEAR_NAMED = re.compile(r"(\d{4})[\s-]+([A-Za-z]{3,9})\.?[\s-]+(\d{1,2})")
# Excel shows a month and a two-digit year so, and forgets the day.
_MONTH_AND_YEAR = re.compile(r"[A-Z][a-z]{2}-\d{2}")
# 10000 is 1927-05-18, 73050 is 2099-12-31. Excel's phantom 1900-02-29 lies before.
_SERIAL = re.compile(r"(\d{5})(?:[.,]\d+)?")
_FIRST_SERIAL = 10000
_LAST_SERIAL = 73050
_FIRST_DAY = datetime.date(1899, 12, 30)
# Zeros only, and day zero of Excel's calendar.
_NO_DATE = re.compile(r"0{1,2}([./-])0{1,2}\1(?:0000|00)|0000([./-])0{1,2}\2 0{1,2}|1/0/1900", re.X)

_NO_YEAR = frozenset({0, 1604})
# No date is written with more characters.
_LONGEST = 64
# Two digits up to this may be a year of this century.
_LIKELY_LIVING = 30


class _Day(NamedTuple):
    """A date whose parts are known; ``year`` 0 is no year."""

    year: int
    month: int
    day: int

    def exists(self) -> bool:
        if not 1 <= self.month <= 12 or not 1 <= self.day <= _DAYS[self.month - 1]:
            return False
        if (self.month, self.day) != (2, 29):
            return True
        return self.year % 4 == 0 and (self.year % 100 != 0 or self.year % 400 == 0)

    def __str__(self) -> str:
        year = 0 if self.year in _NO_YEAR else self.year
        return f"{year:04}-{self.month:02}-{self.day:02}"


class _Pair(NamedTuple):
    """A numeric date where the first or the second part may be the month."""

    first: int
    second: int
    year: int

    def day_first(self) -> _Day:
        return _Day(self.year, self.second, self.first)

    def month_first(self) -> _Day:
        return _Day(self.year, self.first, self.second)


def is_day(text: str) -> bool:
    """Tell whether the text is a birthday as Square stores it, and a day of the calendar."""
    parts = re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text)
    return parts is not None and _Day(*map(int, parts.groups())).exists()


def _pair(text: str) -> _Pair | None:
    """Read a numeric date without its order: ``4/17``, ``17.4.1986``, ``04-17-1986``."""
    found = _NUMERIC.fullmatch(text)
    if not found or len(found[1]) > 2 or (found[4] and len(found[4]) != 4):
        return None
    return _Pair(int(found[1]), int(found[3]), int(found[4] or 0))


def _short_pair(text: str) -> _Pair | None:
    """Read a date whose last two digits are no day, so that they can only be its year."""
    found = _NUMERIC.fullmatch(text)
    if not found or len(found[1]) > 2 or not found[4] or len(found[4]) != 2:
        return None
    year = int(found[4])
    # 29 February is left to years that have one; the century does not matter to the order.
    return None if 1 <= year <= 31 else _Pair(int(found[1]), int(found[3]), 1900 + year)


def _plain(text: str) -> _Day | None:
    """Read a date that says itself which part is what."""
    found = _NUMERIC.fullmatch(text)
    if found and len(found[1]) == 4 and found[4] and len(found[4]) <= 2:
        return _Day(int(found[1]), int(found[3]), int(found[4]))
    if (compact := _COMPACT.fullmatch(text)) and 1850 <= int(compact[1]) <= 2100:
        return _Day(*map(int, compact.groups()))
    if yearless := _YEARLESS.fullmatch(text):
        month, day = (int(part) for part in yearless.groups() if part)
        return _Day(0, month, day)
    if (named := _named(text)) and len(named[0]) != 2:
        return _Day(int(named[0] or 0), named[1], named[2])
    return None


def _named(text: str) -> tuple[str, int, int] | None:
    """Read year as written, month and day of a date with the English name of its month."""
    for form, order in ((_DAY_NAMED, "dmy"), (_NAMED_DAY, "mdy"), (_YEAR_NAMED, "ymd")):
        if found := form.fullmatch(text):
            part = dict(zip(order, found.groups(), strict=True))
            month = _MONTHS.get(part["m"].lower())
            if month:
                return part["y"] or "", month, int(part["d"])
    return None


# --- evidence -----------------------------------------------------------------------------------

_OVER_12 = r"(?:1[3-9]|2[0-9]|3[01])"
_LIKELY_DAY_FIRST = rf"^[^0-9]*{_OVER_12}\s?[./-]\s?[0-9]{{1,2}}(?:[^0-9]|$)"
_LIKELY_MONTH_FIRST = rf"^[^0-9]*[0-9]{{1,2}}\s?[./-]\s?{_OVER_12}(?:[^0-9]|$)"


# A proof is among the first dates of most columns that have one.
_FIRST_LOOK = 512


def date_evidence(column: pa.Array, lines: pa.Array, source: int) -> DateEvidence:
    """Return the first proofs in a birthday column; ``lines`` are the rows' physical lines."""
    held = Octets(column)
    unusual, first_over, second_over = held.filled.copy(), *np.zeros((2, len(column)), dtype=bool)
    for widths in _WIDTHS:
        rows, first, second, _ = _written(held, *widths)
        unusual[rows] = False
        first_over[rows], second_over[rows] = first > _MONTHS_OF_YEAR, second > _MONTHS_OF_YEAR
    at = lines.to_numpy(zero_copy_only=False)

    def first_proof(likely: str, over: np.ndarray, *, day_first: bool) -> Proof | None:
        # Only what is usual can be told apart without a pattern.
        rows = np.flatnonzero(unusual | over)
        rows = rows[np.argsort(at[rows], kind="stable")]
        for some in (rows[:_FIRST_LOOK], rows[_FIRST_LOOK:]):
            texts = column.take(pa.array(some))
            mask = octets.flags(pc.match_substring_regex(texts, likely).fill_null(False))
            for index in np.flatnonzero(mask).tolist():
                text = texts[index].as_py()
                if _proves_day_first(text) is day_first:
                    return source, int(at[some[index]]), text
        return None

    return DateEvidence(
        first_proof(_LIKELY_DAY_FIRST, first_over, day_first=True),
        first_proof(_LIKELY_MONTH_FIRST, second_over, day_first=False),
    )


def _proves_day_first(text: str) -> bool | None:
    """Return whether this date has its day first; None if it does not say."""
    bare = tidy(text, IDENTIFIER).text or ""
    if not bare.isascii() or len(bare) > _LONGEST:
        return None
    pair = _pair(_without_time(bare)) or _short_pair(_without_time(bare))
    if pair is None:
        return None
    by_day, by_month = pair.day_first().exists(), pair.month_first().exists()
    return by_day if by_day != by_month else None


# --- the canonical form -------------------------------------------------------------------------

# By month as two digits, the last day that is one in every year.
_ALWAYS = np.zeros(100, "u1")
_ALWAYS[1:13] = _DAYS
_ALWAYS[2] = 28


def may_change_birthday(column: pa.Array) -> pa.Array:
    """Return which rows ``birthday`` could change or object to.

    It leaves alone what is written as Square stores it, a real day but 29 February, of another year
    than 1604.
    """
    held = Octets(column)
    rows = np.flatnonzero(held.lengths == len("YYYY-MM-DD"))
    digits = held.stretch(0, len("YYYY-MM-DD"), rows) - ord("0")
    dashes = digits[[4, 7]] == (ord("-") - ord("0")) % 256
    numeric = (digits[[0, 1, 2, 3, 5, 6, 8, 9]] < 10).all(axis=0)
    plain = numeric & dashes.all(axis=0)
    rows, digits = rows[plain], digits[:, plain]
    month, day = digits[5] * 10 + digits[6], digits[8] * 10 + digits[9]
    no_year = (digits[:4] == np.array([[1], [6], [0], [4]])).all(axis=0)
    changing = np.ones(len(column), dtype=bool)
    changing[rows] = (day < 1) | (day > _ALWAYS[month]) | no_year
    return octets.mask(changing)


_FORMATTED = Finding("repair", "DATE_FORMATTED", "the birthday was written as Square stores it")


class Birthdays(NamedTuple):
    """Birthdays in canonical form, what was found, and which rows certainly are days."""

    column: pa.Array
    problems: list[pa.Table]
    valid: pa.Array


def birthdays(
    column: pa.Array,
    field: str,
    order: Order | None,
    evidence: DateEvidence,
    today: datetime.date | None,
) -> Birthdays:
    """Apply ``birthday`` to a column, plainly written dates at column speed.

    ``field`` is named in the problems.
    """
    settled = _days(column, order, evidence)
    changed = pc.is_valid(settled)
    doubtful = ~octets.flags(changed) & octets.present(column)
    where = octets.refined(column, doubtful, may_change_birthday)
    problems = repeated(changed, field, _FORMATTED)
    column = pc.if_else(changed, settled, column)
    form = partial(birthday, order=order, evidence=evidence, today=today)
    valid = pc.and_not(column.is_valid(), where)
    column, others = each(column, field, form, where)
    return Birthdays(column, [problems, others], valid)


def _days(texts: pa.Array, order: Order | None, evidence: DateEvidence) -> pa.Array:
    """Return dates that end with their year in full as Square stores them.

    Null where ``birthday`` has to decide: other texts, years that are none, an unknown order.
    """
    held = Octets(texts)
    rows, first, second, year = (
        np.concatenate(parts)
        for parts in zip(*(_written(held, *widths) for widths in _WIDTHS), strict=True)
    )
    day_first, month_first = _exist(year, second, first), _exist(year, first, second)
    # A year of zeros is no year, and then an order of YMD says which part is the month.
    known = _known_order(order, evidence, year=1)
    by_month = month_first & (~day_first | (first == second) | (known == "month"))
    by_day = day_first & (~month_first | (known == "day")) & ~by_month
    decided = (by_month | by_day) & ~np.isin(year, tuple(_NO_YEAR))
    month, day = np.where(by_month, first, second), np.where(by_month, second, first)
    digits = np.full((int(decided.sum()), len("YYYY-MM-DD")), ord("-"), "u1")
    for part, places in ((year, (3, 2, 1, 0)), (month, (6, 5)), (day, (9, 8))):
        left = part[decided]
        for place in places:
            left, digit = np.divmod(left, 10)
            digits[:, place] = digit + ord("0")
    return octets.placed(len(texts), rows[decided], digits)


# How many digits the first and the second part have.
_WIDTHS = ((1, 1), (1, 2), (2, 1), (2, 2))
_BETWEEN = octets.kind(b"./-")


def _written(held: Octets, one: int, other: int) -> tuple[np.ndarray, ...]:
    """Return the rows with dates of these widths, the two parts of each, and its year."""
    rows = np.flatnonzero(held.lengths == one + other + 6)
    sign = held.nth(one, rows)
    rows = rows[_BETWEEN[sign] & (sign == held.nth(one + 1 + other, rows))]
    numeric = np.ones(len(rows), dtype=bool)
    parts = []
    for start, width in ((0, one), (one + 1, other), (one + other + 2, 4)):
        part = np.zeros(len(rows), "<i4")
        for place in range(start, start + width):
            digit = held.nth(place, rows) - ord("0")
            numeric &= digit < 10
            part = part * 10 + digit
        parts.append(part)
    return rows[numeric], *(part[numeric] for part in parts)


def _exist(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return which dates the calendar has."""
    longest = np.array((0, *_DAYS)).take(np.where(month <= 12, month, 0))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    exist: np.ndarray = (day >= 1) & (day <= longest) & ((month != 2) | (day != 29) | leap)
    return exist


def birthday(
    text: str, order: Order | None, evidence: DateEvidence, today: datetime.date | None = None
) -> Cell:
    """Return the canonical form of a birthday.

    ``order`` is the one given in the settings; without it ``evidence`` decides. A year of two
    digits is put into the hundred years up to ``today``, where that is given. What is no day of the
    calendar is left as it is: ``etl.customers.rules`` judges it.
    """
    return then(tidy(text, IDENTIFIER), lambda bare: _birthday(bare, order, evidence, today))


def _birthday(
    text: str, order: Order | None, evidence: DateEvidence, today: datetime.date | None
) -> Cell:
    if not text.isascii() or len(text) > _LONGEST:
        return Cell(text)
    date = _without_time(text)
    if _NO_DATE.fullmatch(date):
        return Cell(None, (empty_marker(text),))
    if wrong := _retyped(date):
        return Cell(text, (wrong,))
    if short := _two_digit_year(text, date, order, evidence, today):
        return short
    settled: _Day | Finding | None = _plain(date)
    if pair := _pair(date):
        squares = _SQUARES_YEARLESS.fullmatch(date) is not None
        settled = _settled(pair, order, evidence, squares)
    if isinstance(settled, Finding):
        return Cell(text, (settled,))
    if settled is None or not settled.exists() or str(settled) == text:
        return Cell(text)
    return Cell(str(settled), (_FORMATTED,))


def _without_time(text: str) -> str:
    return _TIME.sub("", text)


def _retyped(date: str) -> Finding | None:
    """Find what a spreadsheet shows instead of a date: a day number, a month without its day."""
    serial = _SERIAL.fullmatch(date)
    if serial and _FIRST_SERIAL <= int(serial[1]) <= _LAST_SERIAL:
        meant = _FIRST_DAY + datetime.timedelta(days=int(serial[1]))
        message = f"{date} is a spreadsheet's number of a day"
        return Finding("reject", "SPREADSHEET_DATE", message, meant.isoformat())
    if _MONTH_AND_YEAR.fullmatch(date) and date[:3].lower() in _MONTHS:
        message = f"{date} is how a spreadsheet shows a month of a year; the day is lost"
        meant_day = _Day(0, _MONTHS[date[:3].lower()], int(date[4:]))
        return Finding(
            "reject", "SPREADSHEET_DATE", message, str(meant_day) if meant_day.exists() else ""
        )
    return None


def _settled(
    pair: _Pair, order: Order | None, evidence: DateEvidence, squares: bool
) -> _Day | Finding | None:
    """Decide which part of a numeric date is the month; ``squares``: it is Square's ``MM-DD``."""
    day_first, month_first = pair.day_first(), pair.month_first()
    if not day_first.exists() or day_first == month_first:
        return month_first if month_first.exists() else None
    if not month_first.exists():
        return day_first
    known = _known_order(order, evidence, pair.year)
    if known == "contradictory":
        return Finding(
            "reject",
            "CONTRADICTORY_DATE",
            _contradiction(evidence),
            f"{month_first} or {day_first}",
        )
    if known == "day":
        return day_first
    if known == "month" or squares:
        return month_first
    message = "day and month can be told apart neither here nor anywhere in the column"
    return Finding("reject", "AMBIGUOUS_DATE", message, f"{month_first} or {day_first}")


def _known_order(
    order: Order | None, evidence: DateEvidence, year: int
) -> Literal["day", "month", "contradictory"] | None:
    if order == "DMY":
        return "day"
    # A date that ends with its year does not follow YMD, so that says nothing about it.
    if order == "MDY" or (order == "YMD" and not year):
        return "month"
    if evidence.day_first and evidence.month_first:
        return "contradictory"
    if evidence.day_first:
        return "day"
    return "month" if evidence.month_first else None


def _contradiction(evidence: DateEvidence) -> str:
    if not evidence.day_first or not evidence.month_first:
        raise ValueError("one order is proved, or none: nothing contradicts it")
    (one, line, day), (other, at, month) = evidence.day_first, evidence.month_first
    first, second = ("", "") if one == other else (f" of file {one + 1}", f" of file {other + 1}")
    return (
        f"the column has day and month in both orders: line {line}{first} ({day}) is day first, "
        f"line {at}{second} ({month}) month first"
    )


def _two_digit_year(
    text: str,
    date: str,
    order: Order | None,
    evidence: DateEvidence,
    today: datetime.date | None,
) -> Cell | None:
    """Settle a year without its century, or name the days it may mean; None: it is no such date."""
    readings = _short_readings(date, order, evidence, today)
    days = list(dict.fromkeys(str(day) for day in readings if day.exists()))
    if not days:
        return None
    if today and len(days) == 1:
        message = f"{text} became {days[0]}"
        return Cell(days[0], (Finding("repair", "CENTURY_SUPPLIED", message),))
    meant = " or ".join(days)
    if today:
        message = f"{date} can be read with its day, month or year in several places"
        return Cell(text, (Finding("reject", "AMBIGUOUS_DATE", message, meant),))
    message = f"{date} has a year of two digits: the century is missing"
    advice = f'{meant}; or set [clean] two_digit_years = "past"'
    return Cell(text, (Finding("reject", "AMBIGUOUS_DATE", message, advice),))


def _short_readings(
    date: str, order: Order | None, evidence: DateEvidence, today: datetime.date | None
) -> list[_Day]:
    """Return the days a date with two digits for its year may be, the likeliest first."""
    numeric = _NUMERIC.fullmatch(date)
    if numeric and len(numeric[1]) <= 2 and numeric[4] and len(numeric[4]) == 2:
        first, second, third = (int(numeric[part]) for part in (1, 3, 4))
        year_first = _in_centuries(first, second, third, today)
        if order == "YMD":
            return year_first
        day_first = _in_centuries(third, second, first, today)
        month_first = _in_centuries(third, first, second, today)
        known = _known_order(order, evidence, year=1)
        if known in ("day", "month"):
            # The other order is read where this one is no day: 17/04 is in April all the same.
            told, other = (day_first, month_first) if known == "day" else (month_first, day_first)
            return told if any(day.exists() for day in told) else other
        return [*month_first, *day_first, *(year_first if today else ())]
    named = _named(date)
    if named and len(named[0]) == 2:
        return _in_centuries(int(named[0]), named[1], named[2], today)
    return []


def _in_centuries(year: int, month: int, day: int, today: datetime.date | None) -> list[_Day]:
    """Return the days with a year of these two digits: up to ``today`` the last, else all likely.

    A birthday lies in the past, and nobody that old is a customer.
    """
    if today is None:
        return [_Day(full, month, day) for full in _centuries(year)]
    full = today.year - (today.year - year) % 100
    if (full, month, day) > (today.year, today.month, today.day):
        full -= 100
    return [_Day(full, month, day)]


def _centuries(year: int) -> tuple[int, ...]:
    """Return the full years a birthday's two digits may stand for, the likelier one first."""
    return (1900 + year,) if year > _LIKELY_LIVING else (2000 + year, 1900 + year)
