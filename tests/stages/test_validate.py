"""Validation: everything Square would refuse, at once, and what the settings make of it."""

from __future__ import annotations

from typing import Any

import email_validator
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.config import Clean, OnInvalidSection
from etl.customers.codes import BY_NAME
from etl.customers.dates import DateEvidence
from etl.customers.fields import CUSTOMERS
from etl.customers.problems import PROBLEMS, Effect, Problem, problem_table
from etl.stages.clean import Cleaned, clean
from etl.stages.validate import Checked, validate
from tests.customers import messy
from tests.stages.rows import Row, batches, customers, found, of_rows

REJECT = OnInvalidSection()
IDENTITY = (
    "At least one of `given_name`, `family_name`, `company_name`, `email_address`, or "
    "`phone_number` is required for a customer."
)


def checked(rows: list[Row], country: str = "US", **on_invalid: Any) -> Checked:
    """Clean and validate rows."""
    cleaned = clean(customers(rows), Clean(), country, DateEvidence())
    return validate(cleaned, OnInvalidSection.model_validate(on_invalid), country)


def named(**values: str | None) -> Row:
    """Return a row with a name, so that it has an identity."""
    return {"given_name": "Ana", **values}


def test_a_good_row_is_accepted() -> None:
    """A row Square would take has no problem."""
    row = named(email_address="ana@example.com", phone_number="+14155550148", birthday="0000-02-29")
    result = checked([row])

    assert result.accepted.to_pylist() == [True]
    assert result.problems.equals(PROBLEMS.empty_table())
    assert result.customers.equals(customers([row]))


def test_an_empty_batch_is_fine() -> None:
    """No rows in, no rows out."""
    result = checked([])

    assert (len(result.accepted), result.customers.num_rows, result.problems.num_rows) == (0, 0, 0)


def test_all_problems_of_a_row_come_at_once() -> None:
    """Nothing hides behind the first problem; other rows are untouched."""
    bad: Row = {
        "nickname": "x" * 101,
        "email_address": "ana@",
        "phone_number": "555-0148",
        "birthday": "1986-02-30",
        "address.country": "Atlantis",
        "tax_ids.eu_vat": "FR/" + "1" * 20,
    }
    result = checked([named(), bad])

    assert result.accepted.to_pylist() == [True, False]
    assert found(result.problems) == [
        (1, "reject", "VALUE_TOO_LONG", "nickname"),
        (1, "reject", "INVALID_EMAIL_ADDRESS", "email_address"),
        (1, "reject", "INVALID_PHONE_NUMBER", "phone_number"),
        (1, "reject", "INVALID_TIME", "birthday"),
        (1, "reject", "INVALID_ENUM_VALUE", "address.country"),
        (1, "reject", "VALUE_TOO_LONG", "tax_ids.eu_vat"),
        (1, "reject", "INVALID_VALUE", "tax_ids.eu_vat"),
        (1, "reject", "BAD_REQUEST", "tax_ids.eu_vat"),
    ]


def test_what_cleaning_rejected_is_not_judged_again() -> None:
    """One cell, one verdict: the phone is no valid number either, but that is not the reason."""
    result = checked([named(phone_number="1.4155E+10", birthday="04/05/1986")])

    assert found(result.problems) == [
        (0, "reject", "SPREADSHEET_NUMBER", "phone_number"),
        (0, "reject", "AMBIGUOUS_DATE", "birthday"),
    ]


def test_a_long_email_is_only_too_long() -> None:
    """An address of 254 characters may be one; above that the length is the only reason."""
    domain = ".".join(["b" * 61] * 3)
    fits = "a" * (254 - len(f"@{domain}.com")) + f"@{domain}.com"
    result = checked([named(email_address=fits), named(email_address="a" + fits)])

    assert len(fits) == 254
    assert found(result.problems) == [(1, "reject", "VALUE_TOO_LONG", "email_address")]


def test_an_email_is_sent_as_typed() -> None:
    """The library's verdict counts, not its spelling."""
    result = checked([named(email_address="Ana.LEE@EXAMPLE.Com")])

    assert result.customers.column("email_address").to_pylist() == ["Ana.LEE@EXAMPLE.Com"]
    assert result.accepted.to_pylist() == [True]


@pytest.mark.parametrize(("country", "accepted"), [("US", False), ("DE", False), ("IE", True)])
def test_tax_ids_depend_on_the_seller(country: str, accepted: bool) -> None:
    """Square stores tax ids for sellers of four countries."""
    result = checked([named(**{"tax_ids.eu_vat": "IE1234567X"}), named()], country)

    assert result.accepted.to_pylist() == [accepted, True]


# --- who the row is about -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "effect", "code"),
    [
        ({"note": "who?"}, "reject", "BAD_REQUEST"),
        ({"nickname": "Al"}, "reject", "BAD_REQUEST"),
        ({"reference_id": "r-1"}, "note", "NO_IDENTITY"),
        ({"id": "X7WE9Y8ENNAR07W3F4TJ8K0ZDM"}, "note", "NO_IDENTITY"),
    ],
)
def test_a_row_without_identity(row: Row, effect: str, code: str) -> None:
    """Without a name, company, email or phone a row can at most update the customer it names."""
    result = checked([row])

    assert found(result.problems) == [(0, effect, code, "")]
    assert result.accepted.to_pylist() == [effect == "note"]


def test_the_refusal_has_squares_words() -> None:
    """The message is what Square answers to such a create."""
    assert checked([{}]).problems.column("message").to_pylist() == [IDENTITY]


@pytest.mark.parametrize(
    "name", ["given_name", "family_name", "company_name", "email_address", "phone_number"]
)
def test_one_identifying_field_is_enough(name: str) -> None:
    """Any of the five fields makes a customer."""
    value = {"email_address": "ana@example.com", "phone_number": "+14155550148"}.get(name, "Ana")

    assert checked([{name: value}]).accepted.to_pylist() == [True]


def test_identity_is_looked_at_after_fields_were_dropped() -> None:
    """A row that loses its only identifying field has none; a rejected one keeps it."""
    row: Row = {"email_address": "ana@", "note": "hi"}

    assert found(checked([row], email_address="drop").problems) == [
        (0, "drop", "INVALID_EMAIL_ADDRESS", "email_address"),
        (0, "reject", "BAD_REQUEST", ""),
    ]
    assert found(checked([row]).problems) == [
        (0, "reject", "INVALID_EMAIL_ADDRESS", "email_address")
    ]
    known = checked([{**row, "reference_id": "r-1"}], email_address="drop")
    assert known.accepted.to_pylist() == [True]


# --- [on_invalid] -------------------------------------------------------------------------------


def test_drop_costs_the_field_not_the_row() -> None:
    """A dropped field is nothing, whoever found the problem; the rest of the row goes on."""
    rows = [
        named(birthday="1986-02-30"),
        named(birthday="04/05/1986"),
        named(birthday="1986-04-17"),
    ]
    result = checked(rows, birthday="drop")

    assert result.accepted.to_pylist() == [True, True, True]
    assert result.customers.column("birthday").to_pylist() == [None, None, "1986-04-17"]
    assert found(result.problems) == [
        (0, "drop", "INVALID_TIME", "birthday"),
        (1, "drop", "AMBIGUOUS_DATE", "birthday"),
    ]


def test_drop_leaves_repairs_and_notes_as_they_are() -> None:
    """Only what would reject becomes a drop."""
    row = named(
        **{"address.postal_code": " 2134 ", "address.country": "US", "address.locality": " \x07x"}
    )
    result = checked([row], default="drop")

    assert found(result.problems) == [
        (0, "repair", "TRIMMED", "address.locality"),
        (0, "drop", "INVALID_VALUE", "address.locality"),
        (0, "repair", "TRIMMED", "address.postal_code"),
        (0, "note", "SHORT_POSTAL_CODE", "address.postal_code"),
    ]


def test_truncate_cuts_to_the_limit() -> None:
    """A long value keeps its first code points; characters of four bytes stay whole."""
    result = checked([named(company_name="\U0001f600" * 501)], company_name="truncate")

    assert result.customers.column("company_name").to_pylist() == ["\U0001f600" * 500]
    assert found(result.problems) == [(0, "truncate", "VALUE_TOO_LONG", "company_name")]
    assert result.accepted.to_pylist() == [True]


def test_truncate_mends_lengths_only() -> None:
    """Other problems of the field still reject, and so do fields without a limit."""
    result = checked(
        [named(email_address="ana@", birthday="1986-02-30", nickname="x" * 101)], default="truncate"
    )

    assert found(result.problems) == [
        (0, "truncate", "VALUE_TOO_LONG", "nickname"),
        (0, "reject", "INVALID_EMAIL_ADDRESS", "email_address"),
        (0, "reject", "INVALID_TIME", "birthday"),
    ]


def test_a_key_is_never_cut() -> None:
    """Two long keys could be alike up to the limit: such a row is rejected, not shortened."""
    long = named(email_address="a" * 300 + "@example.com", reference_id="r" * 101)
    result = checked([long], default="truncate")

    assert found(result.problems) == [
        (0, "reject", "VALUE_TOO_LONG", "reference_id"),
        (0, "reject", "VALUE_TOO_LONG", "email_address"),
    ]


def test_a_problem_of_the_whole_row_always_rejects() -> None:
    """[on_invalid] is about fields; what is wrong with the row stays."""
    handed = problem_table([Problem(0, "reject", "RAGGED_ROW", "", "3 cells of 4")])
    result = validate(
        Cleaned(customers([named(), named()]), handed, *[pa.array([False, False])] * 3),
        OnInvalidSection(default="drop"),
        "US",
    )

    assert result.accepted.to_pylist() == [False, True]
    assert found(result.problems) == [(0, "reject", "RAGGED_ROW", "")]


# --- laws ---------------------------------------------------------------------------------------

policies = st.fixed_dictionaries(
    {"default": st.sampled_from(["reject", "drop", "truncate"])},
    optional={
        "birthday": st.sampled_from(["reject", "drop"]),
        "company_name": st.sampled_from(["reject", "drop", "truncate"]),
    },
)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(batches, policies, st.sampled_from(["US", "IE"]))
def test_the_sum_of_the_verdicts(rows: list[Row], policy: dict[str, Any], country: str) -> None:
    """Accepted rows have no reject, dropped fields are nothing, and limits hold."""
    result = checked(rows, country, **policy)
    problems = found(result.problems)
    table = result.customers.to_pylist()
    effects: dict[int, set[Effect | str]] = {row: set() for row in range(len(rows))}
    for row, effect, code, field in problems:
        effects[row].add(effect)
        assert code in BY_NAME
        if effect == "drop":
            assert table[row][field] is None

    assert result.customers.schema == CUSTOMERS
    assert result.accepted.to_pylist() == ["reject" not in effects[row] for row in effects]
    assert len(set(problems)) == len(problems)
    assert [row for row, *_ in problems] == sorted(row for row, *_ in problems)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(batches, st.data())
def test_order_and_batches_do_not_matter(rows: list[Row], data: st.DataObject) -> None:
    """Permuted rows give permuted verdicts, and each row alone the same as among others."""
    order = data.draw(st.permutations(range(len(rows))))
    policy = data.draw(policies)
    whole, shuffled = checked(rows, **policy), checked([rows[i] for i in order], **policy)

    assert shuffled.accepted.to_pylist() == [whole.accepted.to_pylist()[i] for i in order]
    for new, old in enumerate(order):
        alone = checked([rows[old]], **policy)
        assert alone.customers.to_pylist() == [whole.customers.to_pylist()[old]]
        assert (
            of_rows(alone.problems).get(0)
            == of_rows(whole.problems).get(old)
            == of_rows(shuffled.problems).get(new)
        )


@settings(derandomize=True, deadline=None, max_examples=30)
@given(batches)
def test_validating_again_finds_the_same(rows: list[Row]) -> None:
    """What was accepted is accepted again once it has been cleaned and checked."""
    first = checked(rows, default="drop")
    again = checked(first.customers.to_pylist(), default="reject")

    for row, accepted in enumerate(first.accepted.to_pylist()):
        if accepted:
            assert again.accepted.to_pylist()[row]
            assert again.customers.to_pylist()[row] == first.customers.to_pylist()[row]


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(messy.phones(["US", "GB", "DE", "FR", "SG"]), min_size=1, max_size=10))
def test_phone_verdicts_are_the_librarys(drawn: list[tuple[str, str]]) -> None:
    """A row is accepted if phonenumbers calls its phone valid, and Square its length."""
    for region in ("US", "SG"):
        texts = [text for text, _ in drawn if not text.lstrip(" (").startswith(("00", "011"))]
        result = checked([named(phone_number=text) for text in texts], region)
        for text, accepted in zip(texts, result.accepted.to_pylist(), strict=True):
            try:
                number = phonenumbers.parse(text, region)
            except phonenumbers.NumberParseException:
                assert not accepted
                continue
            digits = len(phonenumbers.format_number(number, 0)) - 1
            assert accepted is (phonenumbers.is_valid_number(number) and 9 <= digits <= 16)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    st.lists(st.emails() | st.sampled_from(["a@b", "@", "a b@example.com", "x@y.test"]), max_size=8)
)
def test_email_verdicts_are_the_librarys(texts: list[str]) -> None:
    """A row is accepted if email-validator takes the address without asking the network."""
    # An apostrophe at the start is a spreadsheet's and is taken off before.
    texts = [text for text in texts if not text.startswith("'")]
    result = checked([named(email_address=text) for text in texts])
    for text, accepted in zip(texts, result.accepted.to_pylist(), strict=True):
        try:
            email_validator.validate_email(text, check_deliverability=False)
        except email_validator.EmailNotValidError:
            assert not accepted
        else:
            assert accepted
