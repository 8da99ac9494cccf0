"""The rules: limits in code points, and verdicts that are the libraries'."""

from __future__ import annotations

import email_validator
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl.customers import rules
from etl.customers.cells import Cell
from etl.customers.fields import BY_NAME, FIELDS
from tests.customers import messy
from tests.customers.test_normalize import library

LIMITED = [field.name for field in FIELDS if field.max_length is not None]


def codes(cell: Cell) -> list[str]:
    """Return the codes of a cell."""
    return [finding.code for finding in cell.findings]


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize(
    "unit", ["x", "\u00e9", "\U0001f600", "e\u0301", "\U0001f469\u200d\U0001f467"]
)
def test_limits_count_code_points(name: str, unit: str) -> None:
    """At the limit a text fits, one code point over it does not, whatever bytes it takes."""
    field = BY_NAME[name]
    limit = field.max_length or 0
    full = (unit * limit)[:limit]

    assert rules.too_long(pa.array([full, full + "y", None]), limit).to_pylist() == [
        False,
        True,
        False,
    ]
    assert rules.length(full, field) == Cell(full)
    assert codes(rules.length(full + "y", field)) == ["VALUE_TOO_LONG"]
    assert rules.cut(full + "y", field) == full


def test_too_long_says_how_much() -> None:
    """The message names field, limit and length."""
    (finding,) = rules.length("x" * 101, BY_NAME["nickname"]).findings

    assert finding.message == "nickname takes 100 characters, and this has 101"


def test_a_cut_text_does_not_end_with_a_blank() -> None:
    """What is cut is still trimmed."""
    assert rules.cut("x" * 99 + " yz", BY_NAME["nickname"]) == "x" * 99


def accepts(text: str) -> bool:
    """Return what email-validator says."""
    try:
        email_validator.validate_email(text, check_deliverability=False)
    except email_validator.EmailNotValidError:
        return False
    return True


atoms = st.text(alphabet="abcZ019._+-'!#%&*/=?^`{|}~@ \u00e9\"\\", max_size=12)
labels = st.text(alphabet="abZ019-._\u00e9\u4e2d", max_size=10)
ends = st.sampled_from(
    ["com", "org", "co.uk", "test", "local", "invalid", "c", "1", "c0m", "arpa", ""]
)
addresses = st.one_of(
    st.tuples(atoms, labels, ends).map(lambda part: f"{part[0]}@{part[1]}.{part[2]}"),
    st.tuples(atoms, labels).map(lambda part: f"{part[0]}@{part[1]}"),
    st.tuples(st.integers(60, 66), st.integers(60, 66), st.integers(1, 4)).map(
        lambda n: f"{'a' * n[0]}@{'.'.join(['b' * n[1]] * n[2])}.com"
    ),
    st.emails(),
    st.text(max_size=20),
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(addresses)
@example("a@xn--80ak6aa92e.com")
@example("a@xn--a.com")
@example("a@ab--cd.com")
@example("a@onion")
@example("a@x.ONION")
@example("a@local.com")
@example("a@mylocal.example.com")
@example("a@example.com\n")
@example("a" * 64 + "@" + ("b" * 61 + ".") * 3 + "com")
@example("a" * 64 + "@" + ("b" * 61 + ".") * 3 + "comm")
def test_emails_are_judged_as_the_library_judges(text: str) -> None:
    """The verdict is email-validator's, and the mask passes only what it accepts."""
    valid = accepts(text)

    assert codes(rules.email(text)) == ([] if valid else ["INVALID_EMAIL_ADDRESS"])
    if not rules.doubtful_emails(pa.array([text]))[0].as_py():
        assert valid


def test_ordinary_emails_are_not_doubtful() -> None:
    """Plain addresses are decided for the whole column."""
    texts = ["ana@example.com", "ana.lee+tag@mail.example.co.uk", "x_1@a-b.example.org"]

    assert rules.doubtful_emails(pa.array(texts)).to_pylist() == [False] * 3


@settings(derandomize=True, deadline=None, max_examples=300)
@given(messy.phones())
def test_phones_are_judged_as_the_library_judges(drawn: tuple[str, str]) -> None:
    """A phone in E.164 passes if phonenumbers calls it valid and it has 9 to 16 digits."""
    text = "+" + "".join(filter(str.isdigit, drawn[0]))
    valid = library(text, "ZZ") == text and 9 <= len(text) - 1 <= 16

    assert codes(rules.phone(text)) == ([] if valid else ["INVALID_PHONE_NUMBER"])
    for known in (False, valid):
        if not rules.doubtful_phones(pa.array([text]), pa.array([known]))[0].as_py():
            assert valid


def test_a_valid_phone_may_be_too_short_for_square() -> None:
    """Numbers of small islands are valid and have fewer digits than Square takes."""
    assert library("+6834002", "ZZ") == "+6834002"
    assert codes(rules.phone("+6834002")) == ["INVALID_PHONE_NUMBER"]
    valid = pa.array([True])
    assert rules.doubtful_phones(pa.array(["+6834002"]), valid).to_pylist() == [True]


def test_a_phone_without_its_country_is_refused() -> None:
    """Only E.164 is sent; the message says what is missing."""
    (finding,) = rules.phone("4155550148").findings

    assert "needs +" in finding.message


def test_birthdays_countries_and_tax_ids() -> None:
    """Each has Square's own code."""
    assert codes(rules.birthday("1986-02-30")) == ["INVALID_TIME"]
    assert rules.birthday("0000-02-29") == Cell("0000-02-29")
    assert codes(rules.country("UK")) == ["INVALID_ENUM_VALUE"]
    assert rules.country("ZZ") == Cell("ZZ")
    assert codes(rules.vat("FR/12")) == ["INVALID_VALUE"]
    assert codes(rules.vat("FR\u00e912")) == ["INVALID_VALUE"]
    assert codes(rules.tax_ids("FR12", "US")) == ["BAD_REQUEST"]
    assert rules.tax_ids("FR12", "IE") == Cell("FR12")
