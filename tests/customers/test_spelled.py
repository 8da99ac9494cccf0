"""One phone in more spellings: what is read without the library is what the library reads."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from phonenumbers.phonemetadata import PhoneMetadata

from etl.customers import numbering
from tests.customers import hostile_phones


def library(text: str, region: str) -> tuple[str, str] | None:
    """Return E.164 and extension as phonenumbers reads them, None for no valid number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written, number.extension or ""


def respelled(chance: random.Random, region: str, abroad: str) -> str:
    """Return a number of a region, well-formed or nearly so, as it is dialled and written."""
    kinds = [
        getattr(PhoneMetadata.metadata_for_region(region), kind)
        for kind in ("general_desc", "fixed_line", "mobile", "toll_free", "voip")
    ]
    kind = chance.choice([kind for kind in kinds if kind and kind.national_number_pattern])
    digits = hostile_phones.matching(chance, kind.national_number_pattern)
    if chance.random() < 0.2:
        at = chance.randrange(len(digits) + 1)
        digits = digits[:at] + chance.choice(["", *"0123456789"]) + digits[at + 1 :]
    code = phonenumbers.country_code_for_region(region)
    metadata, foreign = map(PhoneMetadata.metadata_for_region, (region, abroad))
    trunk = (metadata and metadata.national_prefix) or "0"
    idd = (foreign and foreign.international_prefix) or "00"
    start = chance.choice(
        [
            *("", trunk, f"({trunk})", f"+{code}", f"+{code} ({trunk})", f"+{code} {trunk}"),
            *(f"+{code}{trunk}", str(code), f"{code} ({trunk})", f"{idd}{code}", f"{idd} {code} "),
            *(f"00{code}", f"011{code}", f"{idd} {code} ({trunk})", f"{idd}{code}{trunk}"),
        ]
    )
    cut = chance.randrange(len(digits) + 1)
    between = chance.choice(["", " ", "-", ".", ") ", "("])
    end = chance.choice(
        ["", "", "", " x12", "x7", " ext. 417", " ext 3", "ext.1234567", " x", ".0"]
    )
    return f"{start}{chance.choice(['', ' '])}{digits[:cut]}{between}{digits[cut:]}{end}"


def compared(chance: random.Random, number: int) -> tuple[int, int]:
    """Compare that many phones; return how many were read here, and how many the library reads."""
    read = valid = 0
    for _ in range(number):
        region = chance.choice(hostile_phones.REGIONS)
        abroad = chance.choice([region, region, chance.choice(hostile_phones.REGIONS), "US", "ZZ"])
        text = respelled(chance, region, region if abroad == "ZZ" else abroad)
        found, expected = numbering.spelled(text, abroad), library(text, abroad)
        assert found in (None, expected), (text, abroad, expected)
        read += found is not None
        valid += expected is not None
    return read, valid


def test_what_is_read_is_what_the_library_reads() -> None:
    """Of every region, at home and abroad; and most of what is a number is read so."""
    read, valid = compared(random.Random(7), 12_000)
    assert valid > 3_000
    assert read > 0.5 * valid


@pytest.mark.long
def test_many_more() -> None:
    """The same over half a million."""
    compared(random.Random(8), 500_000)


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("14155550148", "US", ("+14155550148", "")),
        ("011 44 20 7946 0018", "US", ("+442079460018", "")),
        ("+44 (0)20 7946 0018", "US", ("+442079460018", "")),
        ("(415) 555-0148 x12", "US", ("+14155550148", "12")),
        ("+442079460018 ext. 417", "US", ("+442079460018", "417")),
        ("0049 30 901820", "GB", ("+4930901820", "")),
    ],
)
def test_spellings_of_every_day(text: str, region: str, expected: tuple[str, str]) -> None:
    """What people type is read without asking the library, as it would."""
    assert numbering.spelled(text, region) == expected == library(text, region)
