"""Cleaning: nothing silent, nothing guessed, nothing twice."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.config import Clean
from etl.customers.codes import BY_NAME
from etl.customers.dates import DateEvidence, date_evidence
from etl.customers.fields import CUSTOMERS
from etl.customers.problems import PROBLEMS
from etl.stages.clean import Cleaned, clean
from tests.stages.rows import Row, batches, customers, found, of_rows

PLAIN = Clean()
NOTHING = DateEvidence()
TODAY = datetime.date(2026, 4, 17)
SETTINGS = [
    PLAIN,
    Clean(region_from="country", pad_postal_code=True, date_order="DMY", two_digit_years="past"),
]


def cleaned(
    rows: list[Row], settings: Clean = PLAIN, region: str = "US", evidence: DateEvidence = NOTHING
) -> Cleaned:
    """Clean rows."""
    return clean(customers(rows), settings, region, evidence, today=TODAY)


def test_a_clean_batch_is_returned_as_it_is() -> None:
    """Canonical values pass without a record."""
    row: Row = {
        "reference_id": "crm-7",
        "given_name": "Am\u00e9lie",
        "family_name": "Null",
        "email_address": "amelie@example.com",
        "phone_number": "+14155550148",
        "birthday": "1986-04-17",
        "address.locality": "'s-Gravenhage",
        "address.postal_code": "94103",
        "address.country": "NA",
        "note": "two\nlines",
        "tax_ids.eu_vat": "FR12345678901",
    }
    result = cleaned([row, {}])

    assert result.customers.equals(customers([row, {}]))
    assert result.problems.equals(PROBLEMS.empty_table())


def test_an_empty_batch_stays_empty() -> None:
    """No rows in, no rows and no problems out."""
    result = cleaned([])

    assert result.customers.num_rows == result.problems.num_rows == 0
    assert result.customers.schema == CUSTOMERS
    assert result.problems.schema == PROBLEMS


def test_every_change_of_a_row_is_recorded() -> None:
    """Each change has its row, field and code, in the order of the fields."""
    row: Row = {
        "given_name": " Ana\u00a0",
        "family_name": "",
        "company_name": "n/a",
        "phone_number": "(415) 555-0148 x12",
        "birthday": "4/17/1986",
        "address.postal_code": "2134.0",
        "address.country": "U.S.A.",
        "tax_ids.eu_vat": "fr 12.34",
    }
    result = cleaned([{}, row])

    assert found(result.problems) == [
        (1, "repair", "TRIMMED", "given_name"),
        (1, "repair", "EMPTY_MARKER", "company_name"),
        (1, "repair", "PHONE_FORMATTED", "phone_number"),
        (1, "repair", "EXTENSION_CUT", "phone_number"),
        (1, "repair", "DATE_FORMATTED", "birthday"),
        (1, "repair", "SPREADSHEET_REPAIRED", "address.postal_code"),
        (1, "note", "SHORT_POSTAL_CODE", "address.postal_code"),
        (1, "repair", "COUNTRY_CODED", "address.country"),
        (1, "repair", "VAT_FORMATTED", "tax_ids.eu_vat"),
    ]
    assert {k: v for k, v in result.customers.to_pylist()[1].items() if v is not None} == {
        "given_name": "Ana",
        "phone_number": "+14155550148",
        "birthday": "1986-04-17",
        "address.postal_code": "2134",
        "address.country": "US",
        "tax_ids.eu_vat": "FR1234",
    }


def test_what_was_lost_is_rejected_and_left() -> None:
    """A value that cannot be repaired stays as it is, with a problem that rejects."""
    row: Row = {
        "reference_id": "1.23457E+17",
        "birthday": "32237",
        "email_address": "a\u200b@example.com",
    }
    result = cleaned([row])

    assert found(result.problems) == [
        (0, "reject", "SPREADSHEET_NUMBER", "reference_id"),
        (0, "reject", "INVISIBLE_CHARACTER", "email_address"),
        (0, "reject", "SPREADSHEET_DATE", "birthday"),
    ]
    assert result.customers.equals(customers([row]))


def test_national_phones_are_read_in_the_region_or_the_rows_country() -> None:
    """The region is one for all, or the row's own cleaned country where it has one."""
    london: Row = {"phone_number": "020 7946 0018", "address.country": "England"}
    berlin: Row = {"phone_number": "030 901820", "address.country": "DE"}
    nowhere: Row = {"phone_number": "415-555-0148"}
    unknown: Row = {"phone_number": "415-555-0148", "address.country": "Atlantis"}
    zz: Row = {"phone_number": "415-555-0148", "address.country": "ZZ"}
    rows = [london, berlin, nowhere, unknown, zz]
    by_country = cleaned(rows, Clean(region_from="country"))
    by_config = cleaned(rows, region="GB")

    assert by_country.customers.column("phone_number").to_pylist() == [
        *("+442079460018", "+4930901820", "+14155550148", "+14155550148", "+14155550148")
    ]
    assert by_config.customers.column("phone_number").to_pylist() == [
        *("+442079460018", "030 901820", "415-555-0148", "415-555-0148", "415-555-0148")
    ]


@pytest.mark.parametrize(
    ("country", "region", "pad", "code", "kept"),
    [
        ("US", "DE", False, "SHORT_POSTAL_CODE", "2134"),
        ("US", "DE", True, "POSTAL_CODE_PADDED", "02134"),
        ("usa", "DE", True, "POSTAL_CODE_PADDED", "02134"),
        (None, "US", False, "SHORT_POSTAL_CODE", "2134"),
        (None, "US", True, "SHORT_POSTAL_CODE", "2134"),
        (None, "AT", True, None, "2134"),
        ("AT", "US", True, None, "2134"),
        ("Atlantis", "US", True, None, "2134"),
    ],
)
def test_only_the_rows_country_proves_a_lost_zero(
    country: str | None, region: str, pad: bool, code: str | None, kept: str
) -> None:
    """A short postal code is flagged where it may be of the US, padded where it surely is."""
    row: Row = {"address.postal_code": "2134", "address.country": country}
    result = cleaned([row], Clean(pad_postal_code=pad), region)
    codes = [c for _, _, c, field in found(result.problems) if field == "address.postal_code"]

    assert codes == ([code] if code else [])
    assert result.customers.column("address.postal_code").to_pylist() == [kept]


@pytest.mark.parametrize(
    ("state", "country", "region", "kept", "codes"),
    [
        ("California", "US", "GB", "CA", ["STATE_CODED"]),
        (" calif. ", "usa", "GB", "CA", ["TRIMMED", "STATE_CODED"]),
        ("Ontario", "Canada", "US", "ON", ["STATE_CODED"]),
        ("New South Wales", None, "AU", "NSW", ["STATE_CODED"]),
        ("New South Wales", None, "US", "New South Wales", []),
        ("Ontario", "US", "CA", "Ontario", ["UNKNOWN_STATE"]),
        ("Bavaria", "DE", "US", "Bavaria", []),
        ("California", "Atlantis", "US", "California", []),
        ("n/a", "US", "US", None, ["EMPTY_MARKER"]),
    ],
)
def test_states_are_those_of_the_rows_country(
    state: str, country: str | None, region: str, kept: str | None, codes: list[str]
) -> None:
    """A state of the row's country, else of the region, becomes its code; the rest stays."""
    field = "address.administrative_district_level_1"
    result = cleaned([{field: state, "address.country": country}], region=region)

    assert result.customers.column(field).to_pylist() == [kept]
    assert [c for _, _, c, of in found(result.problems) if of == field] == codes


def test_short_years_are_read_by_the_setting_and_the_day_the_run_began() -> None:
    """The same cell is refused without the setting, and read from the run's day with it."""
    row: Row = {"birthday": "18-Apr-26"}

    assert found(cleaned([row]).problems) == [(0, "reject", "AMBIGUOUS_DATE", "birthday")]
    given = cleaned([row], Clean(two_digit_years="past"))
    assert given.customers.column("birthday").to_pylist() == ["1926-04-18"]
    assert found(given.problems) == [(0, "repair", "CENTURY_SUPPLIED", "birthday")]


def test_the_evidence_of_the_column_decides_dates() -> None:
    """The proof may be rows away; without it the same cell is ambiguous."""
    rows: list[Row] = [{"birthday": "04/05/1986"}, {"birthday": "17/04/1986"}]
    column = customers(rows).column("birthday")
    evidence = date_evidence(column, pa.array([2, 3]), 0)

    assert cleaned(rows, evidence=evidence).customers.column("birthday").to_pylist() == [
        "1986-05-04",
        "1986-04-17",
    ]
    assert found(cleaned(rows[:1]).problems) == [(0, "reject", "AMBIGUOUS_DATE", "birthday")]
    given = cleaned(rows, Clean(date_order="MDY"))
    assert given.customers.column("birthday").to_pylist() == ["1986-04-05", "1986-04-17"]


@pytest.mark.parametrize("chosen", SETTINGS)
def test_cleaning_is_idempotent(chosen: Clean) -> None:
    """Cleaning what is clean changes nothing and repairs nothing."""

    @settings(derandomize=True, deadline=None, max_examples=40)
    @given(batches)
    def check(rows: list[Row]) -> None:
        once = cleaned(rows, chosen)
        again = clean(once.customers, chosen, "US", NOTHING)
        standing = [p for p in found(once.problems) if p[1] != "repair"]
        assert again.customers.equals(once.customers)
        assert found(again.problems) == standing

    check()


@settings(derandomize=True, deadline=None, max_examples=40)
@given(batches)
def test_every_difference_has_a_record(rows: list[Row]) -> None:
    """A cell that changed has a repair, one that did not has none; no code comes twice for it."""
    result = cleaned(rows)
    problems = found(result.problems)
    repaired = {(row, field) for row, effect, _, field in problems if effect == "repair"}
    before, after = customers(rows).to_pylist(), result.customers.to_pylist()
    changed = {
        (row, field)
        for row, (old, new) in enumerate(zip(before, after, strict=True))
        for field in CUSTOMERS.names
        if (old[field] or None) != new[field]
    }

    assert changed == repaired
    assert len(set(problems)) == len(problems)
    assert {code for _, _, code, _ in problems} <= set(BY_NAME)
    assert result.problems.schema == PROBLEMS
    result.customers.validate(full=True)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(batches, st.data())
def test_order_and_batches_do_not_matter(rows: list[Row], data: st.DataObject) -> None:
    """Permuted rows give permuted results, and each row alone gives the same as among others."""
    order = data.draw(st.permutations(range(len(rows))))
    chosen = data.draw(st.sampled_from(SETTINGS))
    whole, shuffled = cleaned(rows, chosen), cleaned([rows[i] for i in order], chosen)
    problems, moved = of_rows(whole.problems), of_rows(shuffled.problems)

    assert shuffled.customers.to_pylist() == [whole.customers.to_pylist()[i] for i in order]
    for new, old in enumerate(order):
        alone = cleaned([rows[old]], chosen)
        assert alone.customers.to_pylist() == [whole.customers.to_pylist()[old]]
        assert of_rows(alone.problems).get(0) == problems.get(old) == moved.get(new)


def test_text_in_the_wrong_encoding_is_noted() -> None:
    """Mojibake in texts is told, with what it probably meant; the value stays, keys are silent."""
    row: Row = {
        "given_name": "JosÃ©",
        "reference_id": "JosÃ©-1",
        "note": "Itâ€™s fine",
        "address.locality": "SÃO PAULO",
    }
    result = cleaned([{}, row])

    assert result.customers.equals(customers([{}, row]))
    assert found(result.problems) == [
        (1, "note", "MOJIBAKE_SUSPECTED", "given_name"),
        (1, "note", "MOJIBAKE_SUSPECTED", "note"),
    ]
    assert result.problems.column("suggestion").to_pylist() == ["José", "It’s fine"]
