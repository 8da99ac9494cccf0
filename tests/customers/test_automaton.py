"""The automaton agrees with regular expressions, pattern by pattern and number by number."""

from __future__ import annotations

import random
import re

import numpy as np
import phonenumbers
import pytest
from phonenumbers.phonemetadata import PhoneMetadata

from etl.customers.automaton import BLANK, Automaton, Pattern
from tests.customers import hostile_phones

LONGEST = 15


def columns(numbers: list[str]) -> np.ndarray:
    """Return numbers as columns of digits."""
    padded = [[*map(int, number), *[BLANK] * (LONGEST - len(number))] for number in numbers]
    return np.array(padded, "u1").T


def alike(automaton: Automaton, start: int, numbers: list[str]) -> dict[int, list[str]]:
    """Return the numbers by the state they end in."""
    begin = np.full(len(numbers), start, "<i4")
    found: dict[int, list[str]] = {}
    for state, number in zip(automaton.run(begin, columns(numbers)).tolist(), numbers, strict=True):
        found.setdefault(state, []).append(number)
    return found


def matched(patterns: list[Pattern], number: str) -> tuple[bool, ...]:
    """Return which patterns a number matches."""
    return tuple(
        (re.fullmatch if each.whole else re.match)(f"(?:{each.expression})", number) is not None
        for each in patterns
    )


def described(region: str) -> list[Pattern]:
    """Return the patterns of a region: those of its numbers, and what they may begin with."""
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata
    kinds = (metadata.general_desc, metadata.fixed_line, metadata.mobile, metadata.toll_free)
    whole = [kind.national_number_pattern for kind in kinds if kind]
    begins = [metadata.national_prefix_for_parsing, metadata.leading_digits]
    return [
        *(Pattern(expression) for expression in whole if expression),
        *(Pattern(expression, whole=False) for expression in begins if expression),
    ]


def test_first_digits_are_those_that_anything_begins_with() -> None:
    """Of what is no first digit, no number of the patterns is, in any region."""
    chance = random.Random(6)
    for region in hostile_phones.REGIONS:
        patterns = [each for each in described(region) if not each.whole]
        automaton = Automaton()
        first = automaton.first_digits(automaton.start(patterns))
        numbers = ["".join(chance.choices("0123456789", k=LONGEST)) for _ in range(300)]
        begun = {int(number[0]) for number in numbers if any(matched(patterns, number))}
        assert begun <= set(first)

    plain = Automaton()
    assert plain.first_digits(plain.start([Pattern("1|0(?:11|9)", whole=False)])) == [0, 1]


def test_numbers_in_one_state_match_the_same() -> None:
    """Of every region, numbers of its patterns and damaged ones, all in one automaton."""
    chance = random.Random(5)
    automaton = Automaton()
    for region in hostile_phones.REGIONS:
        patterns = described(region)
        start = automaton.start([Pattern("", whole=False), *patterns])
        numbers = ["", "0", "999999999999999"]
        for pattern in patterns:
            for _ in range(12):
                number = hostile_phones.matching(chance, pattern.expression)[:LONGEST]
                at = chance.randrange(len(number) + 1)
                numbers += [number, number[:at] + chance.choice("0123456789") + number[at + 1 :]]
                numbers += [number[:at], f"{number}7"]
        numbers = [number[:LONGEST] for number in numbers]
        for same in alike(automaton, start, numbers).values():
            assert len({matched(patterns, number) for number in same}) == 1, (region, same)


def test_different_matches_are_different_states() -> None:
    """What repetitions, alternatives and ends say is kept apart."""
    patterns = [
        *(Pattern("1[2-4]{2,3}|5?6*"), Pattern(r"(?:12)+\d"), Pattern("12", whole=False)),
        *(Pattern("(12)$|13", whole=False), Pattern("", whole=False)),
    ]
    automaton = Automaton()
    start = automaton.start(patterns)
    numbers = [str(number) for number in range(20_000)]
    states = alike(automaton, start, numbers)
    assert len(states) < 60
    for same in states.values():
        assert len({matched(patterns, number) for number in same}) == 1


@pytest.mark.parametrize(
    "expression",
    ["a", "1|(2", "12$3", "(?=1)2", "1??", "^1", r"\D", "1{2}{3}", "*1", r"(1)\1", "1)2"],
)
def test_what_is_not_understood_is_refused(expression: str) -> None:
    """A pattern is never taken for another one."""
    with pytest.raises(ValueError, match=r"pattern|closed|follows|repe"):
        Automaton().start([Pattern(expression)])


def test_all_descriptions_are_understood() -> None:
    """No region's metadata holds anything else, so that none is left to the library for that."""
    for region in phonenumbers.SUPPORTED_REGIONS:
        Automaton().start(described(region))
