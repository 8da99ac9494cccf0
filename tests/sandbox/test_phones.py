"""Valid phone numbers: what is told without the library is what the library says."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from phonenumbers import PhoneMetadata

from etl.sandbox.rules.phones import e164

_REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
_ABROAD = ("00", "011", "010", "0011", "810")
_PUNCTUATION = (" ", "-", ".", ") ", " (", "/", "")


def verdict(value: str, country: str) -> str | None:
    """Return what the library says, to texts of 9 to 16 digits without letters and extensions."""
    digits = sum(character.isdecimal() for character in value)
    if not 9 <= digits <= 16 or any(character.isalpha() for character in value):
        return None
    try:
        number = phonenumbers.parse(value, country)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def examples(metadata: PhoneMetadata) -> list[str]:
    """Return a national number of each kind there is in a region."""
    kinds = (
        *(metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate),
        *(metadata.shared_cost, metadata.voip, metadata.personal_number, metadata.pager),
        *(metadata.uan, metadata.voicemail),
    )
    return [kind.example_number for kind in kinds if kind and kind.example_number]


def national(chance: random.Random, metadata: PhoneMetadata) -> str:
    """Draw a national number of a region: one of its examples with other digits, or any digits."""
    if chance.random() < 0.2:
        assert metadata.general_desc is not None
        size = chance.choice(metadata.general_desc.possible_length)
        return "".join(chance.choice("0123456789") for _ in range(size))
    digits = list(chance.choice(examples(metadata)))
    for _ in range(chance.choice((0, 1, 2, 4, 8))):
        at = chance.randrange(len(digits)) if chance.random() < 0.3 else -1 - chance.randrange(4)
        digits[max(at, -len(digits))] = chance.choice("0123456789")
    if chance.random() < 0.1:
        digits.insert(chance.randrange(len(digits)), chance.choice("0123456789"))
    return "".join(digits[1:] if chance.random() < 0.1 else digits)


def typed(chance: random.Random, metadata: PhoneMetadata) -> str:
    """Draw a number of a region as people write it: with codes, prefixes and punctuation."""
    code, number = str(metadata.country_code), national(chance, metadata)
    prefix = metadata.national_prefix or chance.choice("018")
    text = chance.choice(
        (
            *(f"+{code}{number}", f"+{code}{number}", f"+{code}{prefix}{number}"),
            *(number, f"{prefix}{number}", f"{code}{number}"),
            f"{chance.choice(_ABROAD)}{code}{number}",
        )
    )
    if chance.random() < 0.6:
        return text
    marks = (chance.choice(_PUNCTUATION) if chance.random() < 0.2 else "" for _ in text)
    spaced = "".join(sign + mark for sign, mark in zip(text, marks, strict=True))
    return chance.choice(("", "", "", "(", "+(", " ", "+")) + spaced


@pytest.mark.parametrize("number", [5_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_phones_are_judged_like_the_library(number: int) -> None:
    """Numbers of all regions, read in their own or another country, have the library's verdict."""
    chance, valid = random.Random(0), 0
    for at in range(number):
        home = _REGIONS[at % len(_REGIONS)]
        metadata = PhoneMetadata.metadata_for_region(home)
        assert metadata is not None
        text = typed(chance, metadata)
        country = home if chance.random() < 0.7 else chance.choice(_REGIONS)
        wanted = verdict(text, country)
        valid += wanted is not None
        assert e164(text, country) == wanted, (text, country)

    assert 0.2 < valid / number < 0.8


@pytest.mark.parametrize("region", _REGIONS)
def test_examples_of_every_kind_are_valid(region: str) -> None:
    """The library's own example of each kind of number is valid, if it has 9 digits or more."""
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    for example in examples(metadata):
        number = f"+{metadata.country_code}{example}"
        assert e164(number, "US") == (number if len(number) > 9 else None)
