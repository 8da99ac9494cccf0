"""Phones at column speed: a yes is always the library's yes."""

from __future__ import annotations

import phonenumbers
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers import numbering
from tests.customers import messy
from tests.customers.test_normalize import library


def test_plain_numbers_are_decided() -> None:
    """Ordinary spellings of valid numbers are certain, so the library is not asked."""
    texts = ["(415) 555-0148", "415.555.0148", "+1 415-555-0148", "+442079460018", "4155550148"]
    expected = ["+14155550148"] * 3 + ["+442079460018", "+14155550148"]

    assert numbering.international(pa.array(texts), "US").numbers.to_pylist() == expected


def test_what_needs_a_decision_is_left_to_the_library() -> None:
    """Prefixes, extensions, words and a spreadsheet's decimals are not decided here."""
    texts = ["1 415 555 0148", "011 44 20 7946 0018", "415-555-0148 x1", "4155550148.0", "555-0148"]

    assert numbering.international(pa.array([*texts, None]), "US").numbers.null_count == 6
    assert numbering.international(pa.array(["4155550148"]), "AQ").numbers.null_count == 1
    assert numbering.international(pa.array([], pa.string()), "US").numbers.to_pylist() == []


def test_most_numbers_of_most_regions_are_decided() -> None:
    """The example numbers of the library are certain for four regions in five."""
    written = [
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for region in messy.REGIONS
        if (number := phonenumbers.example_number(region))
    ]
    certain = numbering.certain(pa.array(written)).yes.tolist()

    assert sum(certain) > 0.8 * len(certain)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(messy.phones(), min_size=1, max_size=25))
def test_a_verdict_is_the_librarys(drawn: list[tuple[str, str]]) -> None:
    """Whatever is decided for a column is what phonenumbers says of each number alone."""
    texts = [text for text, _ in drawn]
    for region in {region for _, region in drawn}:
        read = numbering.international(pa.array(texts), region)
        for text, written, invalid in zip(
            texts, read.numbers.to_pylist(), read.invalid.tolist(), strict=True
        ):
            if written is not None:
                assert written == library(text, region)
            if invalid:
                assert library(text, region) is None


@settings(derandomize=True, deadline=None, max_examples=300)
@given(messy.phones())
def test_certain_numbers_mean_themselves(drawn: tuple[str, str]) -> None:
    """A certain number is valid, and E.164 as the library would write it; one alone alike."""
    text = "+" + "".join(filter(str.isdigit, drawn[0]))
    found = numbering.certain(pa.array([text]))
    if found.yes[0]:
        assert library(text, "ZZ") == text
        assert numbering.certainty(text) is True
    if found.no[0]:
        assert library(text, "ZZ") is None
        assert numbering.certainty(text) is False


def test_every_numbering_plan_can_be_used() -> None:
    """The metadata of every region is understood, and judges the region's own example."""
    for region in messy.REGIONS:
        example = phonenumbers.example_number(region)
        assert example is not None
        text = phonenumbers.national_significant_number(example)
        (found,) = numbering.international(pa.array([text]), region).numbers.to_pylist()
        assert found in (None, library(text, region))
