"""Birthdays: which texts are days, what proves an order, and what is refused."""

from __future__ import annotations

import calendar
import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import dates
from etl.customers.cells import Cell
from etl.customers.dates import DateEvidence, birthday, date_evidence
from tests.customers import messy

NOTHING = DateEvidence()
DAY_FIRST = DateEvidence(day_first=(0, 2, "17/04/1986"))
MONTH_FIRST = DateEvidence(month_first=(0, 3, "04/17/1986"))
BOTH = DAY_FIRST.combine(MONTH_FIRST)


def codes(cell: Cell) -> list[str]:
    """Return the codes of a cell."""
    return [finding.code for finding in cell.findings]


@pytest.mark.parametrize("evidence", [NOTHING, DAY_FIRST, MONTH_FIRST, BOTH])
@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1986-04-17", "1986-04-17"),
        ("0000-04-17", "0000-04-17"),
        ("0000-02-29", "0000-02-29"),
        ("1986/4/7", "1986-04-07"),
        ("1986.04.17", "1986-04-17"),
        ("19860417", "1986-04-17"),
        ("--04-17", "0000-04-17"),
        ("--0417", "0000-04-17"),
        ("04-17", "0000-04-17"),
        ("02-29", "0000-02-29"),
        ("4/17/1986", "1986-04-17"),
        ("17/4/1986", "1986-04-17"),
        ("17.04.1986", "1986-04-17"),
        ("17. 4. 1986", "1986-04-17"),
        ("17.4.", "0000-04-17"),
        ("4/17", "0000-04-17"),
        ("5/5/1986", "1986-05-05"),
        ("April 17", "0000-04-17"),
        ("17. April", "0000-04-17"),
        ("17th of April, 1986", "1986-04-17"),
        ("Apr 17, 1986", "1986-04-17"),
        ("17-Apr-1986", "1986-04-17"),
        ("1986-Apr-17", "1986-04-17"),
        ("5-Apr", "0000-04-05"),
        ("Sept 1, 2001", "2001-09-01"),
        ("1604-04-17", "0000-04-17"),
        ("4/17/1604", "0000-04-17"),
        ("1604-02-29", "0000-02-29"),
        ("1900-04-17", "1900-04-17"),
        ("1904-04-17", "1904-04-17"),
        ("1986-04-17 00:00:00", "1986-04-17"),
        ("1986-04-17T23:59:59.000Z", "1986-04-17"),
        ("1986-04-17T00:00:00-00:00", "1986-04-17"),
        ("4/17/1986 12:00 AM", "1986-04-17"),
        ("'1986-04-17", "1986-04-17"),
    ],
)
def test_days_that_need_no_proof(text: str, day: str, evidence: DateEvidence) -> None:
    """A date that says which part is what stands, whatever the rest of the column is like."""
    cell = birthday(text, None, evidence)

    assert cell.text == day
    assert all(finding.effect == "repair" for finding in cell.findings)


@pytest.mark.parametrize(
    ("order", "evidence", "day"),
    [
        (None, DAY_FIRST, "1986-05-04"),
        (None, MONTH_FIRST, "1986-04-05"),
        ("DMY", MONTH_FIRST, "1986-05-04"),
        ("MDY", DAY_FIRST, "1986-04-05"),
        ("DMY", BOTH, "1986-05-04"),
        ("YMD", DAY_FIRST, "1986-05-04"),
    ],
)
@pytest.mark.parametrize("text", ["04/05/1986", "4.5.1986", "04-05-1986"])
def test_one_order_for_the_column(
    text: str, order: dates.Order | None, evidence: DateEvidence, day: str
) -> None:
    """The order given decides, else the one the column proves."""
    assert birthday(text, order, evidence).text == day


@pytest.mark.parametrize("text", ["04/05/1986", "4.5.1986", "4/5", "4.5."])
def test_an_unproved_order_is_not_guessed(text: str) -> None:
    """Without proof the cell is refused with both days it may be."""
    cell = birthday(text, None, NOTHING)
    year = "1986" if "1986" in text else "0000"

    assert (cell.text, codes(cell)) == (text, ["AMBIGUOUS_DATE"])
    assert cell.findings[0].suggestion == f"{year}-04-05 or {year}-05-04"


def test_a_contradictory_column_names_its_proofs() -> None:
    """Where both orders are proved, ambiguous cells say which lines prove them."""
    (finding,) = birthday("04/05/1986", None, BOTH).findings
    other = BOTH.combine(DateEvidence(month_first=(-1, 9, "1/31/2000")))
    (across,) = birthday("04/05/1986", None, other).findings

    assert finding.code == "CONTRADICTORY_DATE"
    assert "line 2 (17/04/1986) is day first, line 3 (04/17/1986) month first" in finding.message
    assert "line 2 of file 1 (17/04/1986)" in across.message
    assert "line 9 of file 0 (1/31/2000)" in across.message


def test_squares_own_yearless_form_has_its_month_first() -> None:
    """``MM-DD`` is Square's form and needs no proof; a proof or an order against it counts."""
    assert birthday("04-05", None, NOTHING).text == "0000-04-05"
    assert birthday("04-05", None, DAY_FIRST).text == "0000-05-04"
    assert birthday("04-05", "DMY", NOTHING).text == "0000-05-04"
    assert codes(birthday("04-05", None, BOTH)) == ["CONTRADICTORY_DATE"]


@pytest.mark.parametrize(
    "text",
    [
        *("0/0/00", "0000-00-00", "0/0/0000", "00.00.0000", "1/0/1900"),
        *("0000-00-00 00:00:00", "n/a", "-", "null"),
    ],
)
def test_no_date_at_all(text: str) -> None:
    """What systems write for no date is empty."""
    cell = birthday(text, None, NOTHING)

    assert (cell.text, codes(cell)) == (None, ["EMPTY_MARKER"])


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [("32237", "1988-04-04"), ("32237.5", "1988-04-04"), ("Apr-17", "0000-04-17"), ("Mar-94", "")],
)
def test_what_a_spreadsheet_made_of_a_date(text: str, suggestion: str) -> None:
    """Serial numbers and months without a day are refused with the day they may mean."""
    cell = birthday(text, None, NOTHING)

    assert (cell.text, codes(cell)) == (text, ["SPREADSHEET_DATE"])
    assert cell.findings[0].suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "order", "suggestion"),
    [
        ("4/17/86", None, "1986-04-17"),
        ("17.4.05", None, "2005-04-17 or 1905-04-17"),
        ("4/5/86", None, "1986-04-05 or 1986-05-04"),
        ("4/5/86", "DMY", "1986-05-04"),
        ("86-04-17", "YMD", "1986-04-17"),
        ("17-Apr-86", None, "1986-04-17"),
        ("April 17, 00", None, "2000-04-17 or 1900-04-17"),
    ],
)
def test_a_year_of_two_digits_is_not_guessed(
    text: str, order: dates.Order | None, suggestion: str
) -> None:
    """The century of a short year is never chosen, only suggested, with the setting that would."""
    cell = birthday(text, order, NOTHING)

    assert (cell.text, codes(cell)) == (text, ["AMBIGUOUS_DATE"])
    assert cell.findings[0].suggestion == f'{suggestion}; or set [clean] two_digit_years = "past"'


TODAY = datetime.date(2026, 4, 17)


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("4/17/86", None, "1986-04-17"),
        ("17.4.26", "DMY", "2026-04-17"),
        ("18.4.26", "DMY", "1926-04-18"),
        ("17.4.27", "DMY", "1927-04-17"),
        ("86-04-17", "YMD", "1986-04-17"),
        ("05-04-17", "YMD", "2005-04-17"),
        ("17-Apr-05", None, "2005-04-17"),
        ("17/04/05", "MDY", "2005-04-17"),
        ("29/2/00", "DMY", "2000-02-29"),
    ],
)
def test_a_year_of_two_digits_lies_in_the_past_where_the_settings_say_so(
    text: str, order: dates.Order | None, day: str
) -> None:
    """The last such day up to the day the run began, recorded as a century that was supplied."""
    cell = birthday(text, order, NOTHING, TODAY)

    assert (cell.text, codes(cell)) == (day, ["CENTURY_SUPPLIED"])
    assert birthday(day, order, NOTHING, TODAY) == Cell(day)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("4/5/86", "1986-04-05 or 1986-05-04"),
        ("17/04/05", "2005-04-17 or 2017-04-05"),
    ],
)
def test_a_known_century_does_not_settle_the_order(text: str, suggestion: str) -> None:
    """Which of three parts is the year, the month or the day needs its own proof."""
    cell = birthday(text, None, NOTHING, TODAY)

    assert (cell.text, codes(cell)) == (text, ["AMBIGUOUS_DATE"])
    assert cell.findings[0].suggestion == suggestion
    assert birthday("4/5/86", None, DAY_FIRST, TODAY).text == "1986-05-04"


def test_a_short_year_that_is_no_day_proves_the_order() -> None:
    """17/04/86 is day first; 17/04/05 may begin with its year and proves nothing."""
    lines = pa.array([2, 3, 4])
    column = pa.array(["17/04/05", "17/04/86", "04/17/00"])
    found = date_evidence(column, lines, 0)

    assert found == DateEvidence((0, 3, "17/04/86"), (0, 4, "04/17/00"))


@pytest.mark.parametrize(
    "text",
    [
        *("1986-02-30", "31/04/1986", "1900-02-29", "29.2.1987", "13-13", "1986-04", "1986"),
        *("April 1986", "32 April", "soon", "99999", "17/04/986", "\u0661\u0667/4/1986", "1" * 999),
    ],
)
def test_what_is_no_day_is_left_alone(text: str) -> None:
    """No day of the calendar: the value stays as it is for the rules to refuse."""
    assert birthday(text, None, NOTHING) == Cell(text)
    assert not dates.is_day(text)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32))
def test_is_day_knows_the_calendar(year: int, month: int, day: int) -> None:
    """A day is one of the calendar; 29 February needs a leap year or none."""
    leap = year == 0 or calendar.isleap(year)
    real = 1 <= month <= 12 and 1 <= day <= calendar.monthrange(2000 if leap else 2001, month)[1]

    assert dates.is_day(f"{year:04}-{month:02}-{day:02}") is real


@settings(derandomize=True, deadline=None, max_examples=300)
@given(messy.dates, st.sampled_from([NOTHING, DAY_FIRST, MONTH_FIRST, BOTH]))
def test_birthday_is_idempotent(text: str, evidence: DateEvidence) -> None:
    """What a birthday became is a day, and stays as it is under any evidence and order."""
    once = birthday(text, None, evidence)
    if once.text is None or once.text == text:
        return

    assert dates.is_day(once.text)
    for order in (None, "MDY", "DMY", "YMD"):
        assert birthday(once.text, order, evidence) == Cell(once.text)


@given(
    texts=st.lists(st.none() | messy.dates, max_size=8),
    evidence=st.sampled_from([NOTHING, DAY_FIRST, MONTH_FIRST, BOTH]),
)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_what_needs_no_second_look_is_a_day(
    texts: list[str | None], evidence: DateEvidence
) -> None:
    """Cleaning says of some rows that they are days: the calendar agrees."""
    read = dates.birthdays(pa.array(texts, pa.string()), "birthday", None, evidence, None)

    for text, valid in zip(read.column.to_pylist(), read.valid.to_pylist(), strict=True):
        assert not valid or (text is not None and dates.is_day(text))


# --- evidence -----------------------------------------------------------------------------------


def evidence_of(texts: list[str | None], source: int = 0) -> DateEvidence:
    """Return the evidence of a column whose first row is line 2."""
    return date_evidence(pa.array(texts, pa.string()), pa.array(range(2, len(texts) + 2)), source)


def test_the_first_proof_of_each_order_is_kept() -> None:
    """Ambiguous, impossible, ISO and short-year dates prove nothing; the first real one counts."""
    texts = ["4/5/1986", None, "31/02/1986", "1986-04-17", "17/4/05", " '17.04.1986", "18/4/1986"]

    assert evidence_of(texts) == DateEvidence(day_first=(0, 7, " '17.04.1986"))
    assert evidence_of([*texts, "4/17/1986 10:00"], 3) == DateEvidence(
        (3, 7, " '17.04.1986"), (3, 9, "4/17/1986 10:00")
    )
    assert evidence_of(["04-17", "4/18"]) == DateEvidence(month_first=(0, 2, "04-17"))
    assert evidence_of([]) == NOTHING


proofs = st.none() | st.tuples(st.integers(0, 3), st.integers(1, 9), st.sampled_from("ab"))
evidences = st.builds(DateEvidence, proofs, proofs)


@settings(derandomize=True, deadline=None)
@given(evidences, evidences, evidences)
def test_evidence_combines_in_any_order(
    one: DateEvidence, two: DateEvidence, three: DateEvidence
) -> None:
    """Batches may be looked at in any order and grouping."""
    assert one.combine(two).combine(three) == one.combine(two.combine(three))
    assert one.combine(two) == two.combine(one)
    assert one.combine(one) == one.combine(NOTHING) == one


@settings(derandomize=True, deadline=None)
@given(st.lists(messy.dates, max_size=20), st.data())
def test_evidence_does_not_depend_on_batches(texts: list[str], data: st.DataObject) -> None:
    """A column split anywhere, or shuffled with its lines, proves the same."""
    cut = data.draw(st.integers(0, len(texts)))
    rows = data.draw(st.permutations(range(len(texts))))
    lines = pa.array(range(len(texts)), pa.int64())
    column = pa.array(texts, pa.string())
    whole = date_evidence(column, lines, 1)
    parts = [date_evidence(column[a:b], lines[a:b], 1) for a, b in ((0, cut), (cut, len(texts)))]
    order = pa.array(rows, pa.int64())

    assert parts[1].combine(parts[0]) == whole
    assert date_evidence(column.take(order), lines.take(order), 1) == whole


@settings(derandomize=True, deadline=None, max_examples=200)
@given(messy.dates)
def test_a_proof_is_read_the_same_way_in_every_column(text: str) -> None:
    """A cell that proves an order is itself a day, even where the column proves the other one."""
    proved = evidence_of([text])
    if proved != NOTHING:
        assert {
            birthday(text, None, e, TODAY).text for e in (proved, DAY_FIRST, MONTH_FIRST, BOTH)
        } == {birthday(text, None, NOTHING, TODAY).text}
        assert dates.is_day(birthday(text, None, NOTHING, TODAY).text or "")
