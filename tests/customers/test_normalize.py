"""The canonical forms: what is changed, what is left alone, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl.customers import countries, dates, normalize
from etl.customers.cells import Cell, Form
from etl.customers.codes import BY_NAME
from tests.customers import messy


def may_change_american(column: pa.Array) -> pa.Array:
    """Return which codes of the US a form has to look at."""
    return normalize.may_change_postal_code(column, pa.repeat(pa.scalar(True), len(column)))


FORMS: dict[str, tuple[Form, Callable[[pa.Array], pa.Array]]] = {
    "text": (partial(normalize.text, style=normalize.TEXT), normalize.may_change_text),
    "name": (partial(normalize.text, style=normalize.NAME), normalize.may_change_text),
    "lines": (partial(normalize.text, style=normalize.LINES), normalize.may_change_text),
    "key": (normalize.key, normalize.may_change_key),
    "reference": (normalize.reference, normalize.may_change_reference),
    "vat": (normalize.vat, normalize.may_change_vat),
    "postal code": (
        partial(normalize.postal_code, american=True, pad=False),
        may_change_american,
    ),
    "padded postal code": (
        partial(normalize.postal_code, american=True, pad=True),
        may_change_american,
    ),
    "birthday": (
        partial(dates.birthday, order=None, evidence=dates.DateEvidence()),
        dates.may_change_birthday,
    ),
    "country": (countries.country, countries.may_change_country),
}


def codes(cell: Cell) -> list[str]:
    """Return the codes of a cell."""
    return [finding.code for finding in cell.findings]


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_idempotent_and_its_mask_misses_nothing(name: str) -> None:
    """A second application repairs nothing, rows outside the mask are fine, no code comes twice."""
    form, mask = FORMS[name]

    @settings(derandomize=True, deadline=None, max_examples=100)
    @given(messy.cells())
    @example("' 'x")
    @example("NONE")
    @example("A \u0300")
    @example('="="')
    @example('\'="1.0"')
    def check(text: str | None) -> None:
        if text is None:
            return
        once = form(text)
        assert len(set(codes(once))) == len(once.findings)
        assert set(codes(once)) <= set(BY_NAME)
        if not mask(pa.array([text]))[0].as_py():
            assert once == Cell(text)
        if once.text is not None:
            kept = [f.code for f in once.findings if f.effect != "repair"]
            again = form(once.text)
            assert (again.text, codes(again)) == (once.text, kept)
        elif text:
            assert once.findings

    check()


@pytest.mark.parametrize(
    ("text", "kept", "expected"),
    [
        ("\u00a0 Ana\u2003", "Ana", ["TRIMMED"]),
        ("Ame\u0301lie", "Am\u00e9lie", ["UNICODE_COMPOSED"]),
        (" N/A ", None, ["TRIMMED", "EMPTY_MARKER"]),
        ("none", None, ["EMPTY_MARKER"]),
        ("#n/a", None, ["EMPTY_MARKER"]),
        ("   ", None, ["TRIMMED"]),
        ("", None, []),
        ("'t Hooft", "'t Hooft", []),
        ("'s-Gravenhage", "'s-Gravenhage", []),
        ("'-12", "-12", ["SPREADSHEET_REPAIRED"]),
        ('="0042"', "0042", ["SPREADSHEET_REPAIRED"]),
        ('="say ""hi"""', 'say "hi"', ["SPREADSHEET_REPAIRED"]),
        ("a\u200bb", "a\u200bb", []),
        ("a\x07b", "a\x07b", ["INVALID_VALUE"]),
        ("Ana\nLee", "Ana\nLee", ["INVALID_VALUE"]),
        ("a\0b", "a\0b", ["NUL_CHARACTER"]),
    ],
)
def test_text(text: str, kept: str | None, expected: list[str]) -> None:
    """Text is trimmed, composed and unwrapped; markers are empty; control characters refused."""
    cell = normalize.tidy(text, normalize.TEXT)

    assert (cell.text, codes(cell)) == (kept, expected)


@pytest.mark.parametrize("name", ["Null", "None", "null"])
def test_null_is_a_name(name: str) -> None:
    """People are called Null and None, so only signs stand for no name."""
    assert normalize.tidy(name, normalize.NAME) == Cell(name)
    assert normalize.tidy("n/a", normalize.NAME).text is None
    assert normalize.tidy("-", normalize.NAME).text is None


def test_lines_keep_their_breaks() -> None:
    """Notes and addresses may have several lines."""
    assert normalize.tidy("a\r\n\tb", normalize.LINES) == Cell("a\r\n\tb")
    assert codes(normalize.tidy("a\x00b\x01", normalize.LINES)) == ["NUL_CHARACTER"]


@pytest.mark.parametrize("unseen", messy.UNSEEN)
def test_keys_hold_nothing_invisible(unseen: str) -> None:
    """An invisible character in a key is refused, with the visible rest as suggestion."""
    for form in (normalize.key, normalize.reference, partial(normalize.phone, region="US")):
        cell = form(f"41{unseen}55550148")
        assert codes(cell) == ["INVISIBLE_CHARACTER"]
        assert cell.findings[0].suggestion == "4155550148"


def test_a_blank_that_is_no_space_is_invisible_in_a_reference_but_not_in_a_phone() -> None:
    """Two references that look alike must be alike; phones lose their blanks anyway."""
    assert codes(normalize.reference("A\u00a01")) == ["INVISIBLE_CHARACTER"]
    assert normalize.reference("A 1") == Cell("A 1")
    assert normalize.phone("415\u00a0555\u00a00148", "US").text == "+14155550148"


@pytest.mark.parametrize(
    ("text", "kept", "expected"),
    [
        ("'7023456789", "7023456789", ["SPREADSHEET_REPAIRED"]),
        ("4155550123.0", "4155550123", ["SPREADSHEET_REPAIRED"]),
        ("1,000", "1,000", []),
        ("1.4155550148E+10", "14155550148", ["SPREADSHEET_REPAIRED"]),
        ("1,4155550148E+10", "14155550148", ["SPREADSHEET_REPAIRED"]),
        ("1.4155550148e+10", "14155550148", ["SPREADSHEET_REPAIRED"]),
        ("1.41555501480E+10", "14155550148", ["SPREADSHEET_REPAIRED"]),
        ("1.4155E+10", "1.4155E+10", ["SPREADSHEET_NUMBER"]),
        ("1E+10", "1E+10", ["SPREADSHEET_NUMBER"]),
        ("1.23457E+17", "1.23457E+17", ["SPREADSHEET_NUMBER"]),
        ("123457000000000000", "123457000000000000", ["SPREADSHEET_NUMBER"]),
        ("9007199254740993.0", "9007199254740993.0", ["SPREADSHEET_NUMBER"]),
        ("9" * 5000 + ".0", "9" * 5000 + ".0", ["SPREADSHEET_NUMBER"]),
        ("7023456789012345", "7023456789012345", []),
        ("7023456789012340", "7023456789012340", []),
        ("1E5", "1E5", []),
        ("12E3", "12E3", []),
        ("####", "####", ["SPREADSHEET_NUMBER"]),
        ("#REF!", "#REF!", ["SPREADSHEET_NUMBER"]),
        ("Mar-94", "Mar-94", ["SPREADSHEET_DATE"]),
        ("5-Apr", "5-Apr", ["SPREADSHEET_DATE"]),
        ("MAR-94", "MAR-94", []),
    ],
)
def test_reference(text: str, kept: str, expected: list[str]) -> None:
    """A reference is repaired where every digit is there, and refused where some are lost."""
    cell = normalize.reference(text)

    assert (cell.text, codes(cell)) == (kept, expected)


def test_lost_digits_come_with_advice() -> None:
    """What cannot be repaired says what is known and what to do."""
    (finding,) = normalize.reference("1.4155E+10").findings

    assert finding.message == "1.4155E+10 shows 5 of 11 digits; the others are lost"
    assert finding.suggestion.startswith("the number begins with 14155: ")


@pytest.mark.parametrize(
    ("text", "kept", "expected"),
    [
        ("2134", "2134", ["SHORT_POSTAL_CODE"]),
        ("501", "501", ["SHORT_POSTAL_CODE"]),
        ("2134-0001", "2134-0001", ["SHORT_POSTAL_CODE"]),
        ("2134.0", "2134", ["SPREADSHEET_REPAIRED", "SHORT_POSTAL_CODE"]),
        ("94103", "94103", []),
        ("94103-1234", "94103-1234", []),
        ("'02134", "02134", ["SPREADSHEET_REPAIRED"]),
        ("9.4E+04", "9.4E+04", ["SPREADSHEET_NUMBER"]),
        ("Mar-94", "Mar-94", ["SPREADSHEET_DATE"]),
        ("1994-03-01", "1994-03-01", ["SPREADSHEET_DATE"]),
    ],
)
def test_postal_code(text: str, kept: str, expected: list[str]) -> None:
    """A short postal code of the US is kept and flagged; damaged ones are refused."""
    cell = normalize.postal_code(text, american=True, pad=False)

    assert (cell.text, codes(cell)) == (kept, expected)


def test_postal_codes_are_padded_on_request() -> None:
    """The zeros a spreadsheet took come back; elsewhere four digits are a whole code."""
    padded = normalize.postal_code("501-0001", american=True, pad=True)

    assert (padded.text, codes(padded)) == ("00501-0001", ["POSTAL_CODE_PADDED"])
    assert normalize.postal_code("1010", american=False, pad=False) == Cell("1010")


def test_vat() -> None:
    """A tax id loses blanks, dots and dashes and gets capitals."""
    cell = normalize.vat("fr 12.345-678\u2013901")

    assert (cell.text, codes(cell)) == ("FR12345678901", ["VAT_FORMATTED"])
    for text in ("...", "N.ONE", "FR/12", "fr é", "fr ß1"):
        assert normalize.vat(text) == Cell(text)


@pytest.mark.parametrize(
    ("text", "region", "kept", "expected"),
    [
        ("(415) 555-0148", "US", "+14155550148", ["PHONE_FORMATTED"]),
        ("+1 415 555 0148", "GB", "+14155550148", ["PHONE_FORMATTED"]),
        ("+14155550148", "US", "+14155550148", []),
        ("020 7946 0018", "GB", "+442079460018", ["PHONE_FORMATTED"]),
        ("2079460018", "GB", "+442079460018", ["PHONE_FORMATTED"]),
        ("0044 20 7946 0018", "US", "+442079460018", ["PHONE_FORMATTED"]),
        ("011 44 20 7946 0018", "DE", "+442079460018", ["PHONE_FORMATTED"]),
        ("+44 (0)20 7946 0018", "US", "+442079460018", ["PHONE_FORMATTED"]),
        ("0044 (0)20 7946 0018", "US", "+442079460018", ["PHONE_FORMATTED"]),
        ("14155550148", "US", "+14155550148", ["PHONE_FORMATTED"]),
        ("442079460018", "GB", "+442079460018", ["PHONE_FORMATTED"]),
        ("'+14155550148", "US", "+14155550148", ["SPREADSHEET_REPAIRED"]),
        ("4155550148.0", "US", "+14155550148", ["SPREADSHEET_REPAIRED", "PHONE_FORMATTED"]),
        ("1.4155550148E+10", "US", "+14155550148", ["SPREADSHEET_REPAIRED", "PHONE_FORMATTED"]),
        ("1.4155E+10", "US", "1.4155E+10", ["SPREADSHEET_NUMBER"]),
        ("415-555-0148 x12", "US", "+14155550148", ["PHONE_FORMATTED", "EXTENSION_CUT"]),
        ("+14155550148;ext=7", "US", "+14155550148", ["PHONE_FORMATTED", "EXTENSION_CUT"]),
        ("030/901820", "DE", "+4930901820", ["PHONE_FORMATTED"]),
        ("1-800-FLOWERS", "US", "+18003569377", ["PHONE_FORMATTED", "PHONE_LETTERS"]),
        ("555-0148", "US", "555-0148", []),
        ("0000000000", "US", "0000000000", []),
        ("020 7946 0018", "US", "020 7946 0018", []),
        ("n/a", "US", None, ["EMPTY_MARKER"]),
        ("+1" + "5" * 300, "US", "+1" + "5" * 300, []),
    ],
)
def test_phone(text: str, region: str, kept: str | None, expected: list[str]) -> None:
    """A phone becomes E.164; what is no number stays for the rules to judge."""
    cell = normalize.phone(text, region)

    assert (cell.text, codes(cell)) == (kept, expected)


@pytest.mark.parametrize(
    "text",
    [
        "415-555-0148 / 415-555-0149",
        "415-555-0148 ::: 415-555-0149",
        "4155550148;4155550149",
        "415-555-0148\n415-555-0149",
        "(415) 555-0148 or (415) 555-0149",
        "+14155550148, +442079460018",
    ],
)
def test_several_numbers_in_a_cell_are_refused(text: str) -> None:
    """Which of several phones is meant is not decided here; the first is suggested."""
    cell = normalize.phone(text, "US")

    assert (cell.text, codes(cell)) == (text, ["MULTIPLE_VALUES"])
    assert cell.findings[0].suggestion == "+14155550148"


def test_the_extension_is_recorded() -> None:
    """An extension that is cut can be read in the record."""
    findings = normalize.phone("415-555-0148 ext. 129", "US").findings

    assert findings[-1].message == "the extension 129 was left out"


@pytest.mark.parametrize(
    "extension",
    ["ext. 5", "ext 5", "extension 5", "x5", "x 5", ";ext=5", "#5", "int 5", "anexo 5", ", 5"],
)
def test_extensions_are_cut_in_every_spelling(extension: str) -> None:
    """However an extension is written, it is left out and recorded."""
    cell = normalize.phone(f"415-555-0148 {extension}", "US")

    assert (cell.text, codes(cell)) == ("+14155550148", ["PHONE_FORMATTED", "EXTENSION_CUT"])


def test_a_german_direct_line_is_part_of_the_number() -> None:
    """What follows a hyphen or DW is dialled with the rest; the word in full is not understood."""
    for written in ("030 901820-5", "+49 30 901820 DW 5"):
        assert normalize.phone(written, "DE").text == "+49309018205"
    assert normalize.phone("+49 30 901820 Durchwahl 5", "DE") == Cell("+49 30 901820 Durchwahl 5")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("+44 (0)20 7946 0018", "+442079460018"), ("0044 (0)20 7946 0018", "+442079460018")),
        *(("+44 020 7946 0018", "+442079460018"), ("011 44 20 7946 0018", "+442079460018")),
        # The zero of an Italian number is dialled from abroad too.
        ("+39 06 6982 1234", "+390669821234"),
    ],
)
def test_zeros_and_prefixes_that_are_dialled_at_home_only(text: str, number: str) -> None:
    """Trunk zeros go, 00 and 011 become +, also where the merchant is elsewhere."""
    assert normalize.phone(text, "US").text == number


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        ("1-800-FLOWERS", "+18003569377", ["PHONE_FORMATTED", "PHONE_LETTERS"]),
        ("1-800-FLOWERS x5", "+18003569377", ["PHONE_FORMATTED", "PHONE_LETTERS", "EXTENSION_CUT"]),
        ("1-415-555-CALL", "+14155552255", ["PHONE_FORMATTED", "PHONE_LETTERS"]),
        ("call 415-555-0148", "+14155550148", ["PHONE_FORMATTED"]),
    ],
)
def test_letters_that_became_digits_are_told(text: str, number: str, expected: list[str]) -> None:
    """The library dials letters as a telephone's keys do; that has a record of its own."""
    cell = normalize.phone(text, "US")

    assert (cell.text, codes(cell)) == (number, expected)


@pytest.mark.parametrize(
    "between", [" / ", "; ", ", ", " or ", " OR ", " oder ", " ou ", " y ", " & ", "\\", " +1 "]
)
def test_several_numbers_in_a_cell_are_rejected(between: str) -> None:
    """Whatever stands between two numbers, neither is chosen."""
    cell = normalize.phone(f"415-555-0148{between}415-555-0149", "US")

    assert codes(cell) == ["MULTIPLE_VALUES"]
    assert cell.findings[0].suggestion == "+14155550148"


def library(text: str, region: str) -> str | None:
    """Return what phonenumbers makes of a text: E.164, or None if it is no valid number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(messy.phones())
def test_phones_are_the_librarys(drawn: tuple[str, str]) -> None:
    """The number is the one phonenumbers reads; beyond it only written-out prefixes are known."""
    text, region = drawn
    ours, theirs = normalize.phone_key(text, region), library(text.strip(), region)

    if theirs is not None or not text.lstrip(" (").startswith(("00", "011")):
        assert ours == theirs


@settings(derandomize=True, deadline=None, max_examples=300)
@given(messy.phones())
def test_phone_is_idempotent(drawn: tuple[str, str]) -> None:
    """Normalising a phone a second time changes nothing, whichever region it is read in."""
    text, region = drawn
    once = normalize.phone(text, region)
    if once.text is not None and once.text.startswith("+") and not codes(once):
        return
    if codes(once) == ["PHONE_FORMATTED"]:
        assert once.text is not None
        for other in (region, "US", "DE"):
            assert normalize.phone(once.text, other) == Cell(once.text)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(messy.phones(["US", "GB", "DE", "IT", "KZ"]), min_size=1, max_size=12))
def test_a_column_of_phones_is_what_its_cells_are(drawn: list[tuple[str, str]]) -> None:
    """At column speed the outcome and the record are the same as cell by cell."""
    texts = [text for text, _ in drawn]
    everywhere = pa.array([True] * len(texts))
    for region in ("US", "DE"):
        read = normalize.phones(pa.array(texts), "phone_number", region, everywhere)
        cells = [normalize.phone(text, region) for text in texts]
        found = {(p["row"], p["code"], p["message"]) for t in read.problems for p in t.to_pylist()}
        assert read.column.to_pylist() == [cell.text for cell in cells]
        for text in read.column.filter(read.valid).to_pylist():
            assert normalize.phone_key(text, normalize.NO_REGION) == text
        for text in read.column.filter(read.invalid).to_pylist():
            assert normalize.phone_key(text, region) is None
        assert found == {
            (i, f.code, f.message) for i, cell in enumerate(cells) for f in cell.findings
        }


def test_email_key() -> None:
    """Case of ASCII letters and blanks around do not tell addresses apart; other letters do."""
    assert normalize.email_key(" Ana@EXAMPLE.com ") == "ana@example.com"
    assert normalize.email_key("\u00c4@Example.com") == "\u00c4@example.com"
    assert normalize.email_key("  ") is None
    assert normalize.email_key(None) is None


def test_phone_key() -> None:
    """The key of a phone is E.164; none where there is no valid number."""
    assert normalize.phone_key("1-415-555-0148", "US") == "+14155550148"
    assert normalize.phone_key("12", "US") is None
    assert normalize.phone_key(None, "US") is None
