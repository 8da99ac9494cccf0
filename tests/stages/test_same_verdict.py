"""Same verdict as the libraries: what is decided a column at a time is what they say one by one.

The oracles here are the libraries and the contract's few sentences about damage, written down a
second time, cell by cell. ``pytest -m long tests/stages/test_same_verdict.py -s`` compares a
million phones of all regions and half a million addresses, and prints how many.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

import email_validator
import phonenumbers
import pyarrow as pa
import pytest

from etl.config import Clean, OnInvalidSection
from etl.customers.dates import DateEvidence
from etl.customers.fields import CUSTOMERS
from etl.stages.clean import clean
from etl.stages.validate import validate
from tests.customers import hostile_emails, hostile_phones

_AT_ONCE = 2048


class Verdict(NamedTuple):
    """What became of a cell: accepted or not, its text, and the codes that say so, sorted."""

    accepted: bool
    text: str | None
    codes: tuple[str, ...]


# Whether blanks were trimmed and letters composed is told elsewhere.
_UNTOLD = {"TRIMMED", "UNICODE_COMPOSED"}


def product(field: str, texts: list[str], region: str) -> list[Verdict]:
    """Return what square-etl makes of a column of one field, in rows that have a name."""
    size = len(texts)
    columns = {field: pa.array(texts, pa.string()), "given_name": pa.repeat(pa.scalar("Ana"), size)}
    batch = pa.RecordBatch.from_arrays(
        [columns.get(name, pa.nulls(size, pa.string())) for name in CUSTOMERS.names],
        schema=CUSTOMERS,
    )
    cleaned = clean(batch, Clean(), region, DateEvidence())
    checked = validate(cleaned, OnInvalidSection(), region)
    codes: list[set[str]] = [set() for _ in texts]
    for row, code in zip(
        checked.problems.column("row").to_pylist(),
        checked.problems.column("code").to_pylist(),
        strict=True,
    ):
        codes[row].add(code)
    told = [tuple(sorted(found - _UNTOLD)) for found in codes]
    written = checked.customers.column(field).to_pylist()
    return list(map(Verdict, checked.accepted.to_pylist(), written, told))


# --- what the contract says of any key ----------------------------------------------------------

_MARKERS = {"n/a", "#n/a", "null", "none", "-"}
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_SELECTORS = [(0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF)]
_MOST = 250


def bare(text: str) -> tuple[str, set[str]]:
    """Return a key without blanks around it and without what a spreadsheet put around it."""
    text, codes = unicodedata.normalize("NFC", text), set[str]()
    while True:
        text = text.strip()
        if wrapped := re.fullmatch(r'="((?:[^"]|"")*)"', text, re.DOTALL):
            text = wrapped[1].replace('""', '"')
        elif (
            len(text) <= _MOST
            and text.startswith("'")
            and not text.startswith("''")
            and not text[1:].endswith("'")
        ):
            text = text[1:]
        else:
            return text, codes
        codes.add("SPREADSHEET_REPAIRED")


def unseen(text: str, *, blanks: bool) -> bool:
    """Tell whether a key holds what nobody sees; ``blanks``: of any kind do no harm."""
    for sign in text:
        if sign.isspace():
            if not blanks and sign != " ":
                return True
        elif unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") or _looks_blank(sign):
            return True
    return False


def _looks_blank(sign: str) -> bool:
    return sign in _UNSEEN or any(first <= ord(sign) <= last for first, last in _SELECTORS)


def key(text: str, *, blanks: bool) -> Verdict | tuple[str, set[str]]:
    """Return a key as it is read, or the verdict if it is nothing or refused before it is read."""
    text, codes = bare(text)
    if not text:
        return Verdict(True, None, tuple(codes))
    if text.lower() in _MARKERS:
        return Verdict(True, None, tuple(sorted(codes | {"EMPTY_MARKER"})))
    if "\0" in text:
        return Verdict(False, text, tuple(sorted(codes | {"NUL_CHARACTER"})))
    if unseen(text, blanks=blanks):
        return Verdict(False, text, tuple(sorted(codes | {"INVISIBLE_CHARACTER"})))
    return text, codes


# --- phones -------------------------------------------------------------------------------------


class Number(NamedTuple):
    """A valid number as E.164, and its extension."""

    text: str
    extension: str


def library(text: str, region: str | None) -> Number | None:
    """Return what phonenumbers reads, if it is a valid number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Number(written, number.extension or "")


def read(text: str, region: str) -> Number | None:
    """Read one number, also with 00, 011 or (0) where the library does not know them.

    What is sent has to mean the same when it is read again.
    """
    if len(text) > _MOST:
        return None
    spellings = [text]
    if prefixed := re.match(r"[\s(]*(?:011|00)(?=[\s)(./-]*[1-9])", text):
        spellings.append("+" + text[prefixed.end() :])
    spellings += [re.sub(r"\(\s*0\s*\)", "", spelling) for spelling in spellings]
    for spelling in spellings:
        number = library(spelling, region)
        if number and library(number.text, None) == Number(number.text, ""):
            return number
    return None


def unrounded(text: str) -> tuple[str, str]:
    """Return a number a spreadsheet wrote as it was, and the code that says what was done."""
    if shown := re.fullmatch(r"(\+?)(\d)(?:[.,](\d+))?[eE]\+(\d{2,3})", text):
        sign, digits, size = shown[1], shown[2] + (shown[3] or ""), int(shown[4]) + 1
        if len(digits) < size:
            return text, "SPREADSHEET_NUMBER"
        if not digits[size:].strip("0"):
            return sign + digits[:size], "SPREADSHEET_REPAIRED"
    elif shown := re.fullmatch(r"(\+?\d+)[.,]0{1,2}", text):
        if len(shown[1]) > 17 or int(shown[1]) > 2**53:
            return text, "SPREADSHEET_NUMBER"
        return shown[1], "SPREADSHEET_REPAIRED"
    elif re.fullmatch(r"#{3,}|#(?:REF|VALUE|NAME|NUM|NULL|DIV/0|SPILL|CALC)[!?]", text):
        return text, "SPREADSHEET_NUMBER"
    return text, ""


def phone(text: str, region: str) -> Verdict:
    """Return what the contract makes of a phone."""
    kept = key(text, blanks=True)
    if isinstance(kept, Verdict):
        return kept
    text, codes = kept
    text, damage = unrounded(text)
    codes |= {damage} - {""}
    if damage == "SPREADSHEET_NUMBER":
        return Verdict(False, text, tuple(sorted(codes)))
    parts = re.split(r":::|[;,|\n\r/&]|\b(?:or|and)\b", text) if len(text) <= _MOST else []
    several = [p for p in parts if sum(map(str.isdigit, p)) >= 7 and read(p.strip(), region)]
    if len(several) > 1:
        return Verdict(False, text, tuple(sorted(codes | {"MULTIPLE_VALUES"})))
    number = read(text, region)
    if number is None:
        return Verdict(False, text, tuple(sorted(codes | {"INVALID_PHONE_NUMBER"})))
    if number.text != text:
        codes |= {"PHONE_FORMATTED"} | ({"EXTENSION_CUT"} if number.extension else set())
    fits = 9 <= len(number.text) - 1 <= 16
    codes |= set() if fits else {"INVALID_PHONE_NUMBER"}
    return Verdict(fits, number.text, tuple(sorted(codes)))


# --- email addresses ----------------------------------------------------------------------------


def email(text: str, _: str) -> Verdict:
    """Return what the contract makes of an email address: it is sent as it was typed."""
    kept = key(text, blanks=False)
    if isinstance(kept, Verdict):
        return kept
    text, codes = kept
    if len(text) > 254:
        return Verdict(False, text, tuple(sorted(codes | {"VALUE_TOO_LONG"})))
    try:
        email_validator.validate_email(text, check_deliverability=False)
    except email_validator.EmailNotValidError:
        return Verdict(False, text, tuple(sorted(codes | {"INVALID_EMAIL_ADDRESS"})))
    return Verdict(True, text, tuple(sorted(codes)))


# --- the comparison -----------------------------------------------------------------------------


def distinct(draw: Callable[[], str], known: set[str]) -> Iterator[str]:
    """Yield texts that were not drawn before, for ever."""
    while True:
        text = draw()
        if text not in known:
            known.add(text)
            yield text


class Comparison:
    """Columns judged by the product and, cell by cell, by an oracle: where they part."""

    def __init__(self, field: str, oracle: Callable[[str, str], Verdict]) -> None:
        self._field, self._oracle = field, oracle
        self.compared = self.accepted = 0
        self.parted: list[tuple[str, str, Verdict, Verdict]] = []

    def compare(self, texts: list[str], region: str) -> None:
        """Compare one column; ``parted`` gets text, region, the oracle's verdict and ours."""
        for text, ours in zip(texts, product(self._field, texts, region), strict=True):
            theirs = self._oracle(text, region)
            self.compared += 1
            self.accepted += theirs.accepted
            if ours != theirs:
                self.parted.append((text, region, theirs, ours))

    def __str__(self) -> str:
        return f"{self.compared:,} compared, {self.accepted:,} valid, {len(self.parted)} differ"


@pytest.mark.parametrize("number", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_phones_have_the_librarys_verdict(number: int) -> None:
    """Phones of all regions are accepted, written and explained as phonenumbers has it."""
    chance, known = random.Random(number), set[str]()
    comparison = Comparison("phone_number", phone)
    for at, home in enumerate(hostile_phones.REGIONS):
        drawn = distinct(partial(hostile_phones.phone, chance, home), known)
        left = number * (at + 1) // len(hostile_phones.REGIONS) - len(known)
        for column in batched(islice(drawn, left), _AT_ONCE):
            abroad = chance.choice(hostile_phones.ABROAD)
            comparison.compare(column, home if chance.random() < 0.8 else abroad)
    print(f"distinct phones of {len(hostile_phones.REGIONS)} regions: {comparison}")

    assert comparison.parted[:20] == []
    assert comparison.compared == len(known) == number
    assert comparison.accepted > number / 4


@pytest.mark.parametrize("number", [10_000, pytest.param(500_000, marks=pytest.mark.long)])
def test_emails_have_the_librarys_verdict(number: int) -> None:
    """Addresses of every form are accepted and explained as email-validator has it."""
    known = set[str]()
    comparison = Comparison("email_address", email)
    drawn = distinct(partial(hostile_emails.email, random.Random(number)), known)
    for column in batched(islice(drawn, number), _AT_ONCE):
        comparison.compare(column, "US")
    print(f"distinct addresses: {comparison}")

    assert comparison.parted[:20] == []
    assert comparison.compared == len(known) == number
    assert comparison.accepted > number / 6


def batched(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    """Yield the texts in columns of at most so many."""
    while column := list(islice(texts, size)):
        yield column
