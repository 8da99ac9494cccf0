"""Whole names: split where that is safe, whole where it is not, and nothing lost."""

from __future__ import annotations

import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nameparser import parse

from etl.customers.full_names import split_names


def parts(*names: str | None, company: str | None = None) -> list[tuple[str | None, ...]]:
    """Split names; return given name, family name and company of each."""
    column = pa.array(names, pa.string())
    split = split_names(column, pa.array([company] * len(names), pa.string()))
    return list(
        zip(*(c.to_pylist() for c in (split.given, split.family, split.company)), strict=True)
    )


def codes(name: str, company: str | None = None) -> set[str]:
    """Return the codes that splitting a name gives its row."""
    split = split_names(pa.array([name]), pa.array([company], pa.string()))
    return {code for table in split.problems for code in table.column("code").to_pylist()}


@pytest.mark.parametrize(
    ("name", "given_name", "family_name"),
    [
        ("Jane Doe", "Jane", "Doe"),
        ("JANE DOE", "JANE", "DOE"),
        ("Doe, Jane", "Jane", "Doe"),
        ("de la Cruz, María", "María", "de la Cruz"),
        ("Ludwig van Beethoven", "Ludwig", "van Beethoven"),
        ("Jane Q. Doe", "Jane Q.", "Doe"),
        ("Martin Luther King Jr.", "Martin Luther", "King Jr."),
        ("King, Martin Luther, Jr.", "Martin Luther", "King Jr."),
        ("Jean-Luc O'Brien", "Jean-Luc", "O'Brien"),
        ("José Ortega y Gasset", "José", "Ortega y Gasset"),
        (" Jane  Doe ", "Jane", "Doe"),
        ("山田 太郎", "太郎", "山田"),
    ],
)
def test_safe_names_are_split(name: str, given_name: str, family_name: str) -> None:
    """Particles and suffixes stay with the family name, middle names with the given one."""
    assert parts(name) == [(given_name, family_name, None)]
    assert codes(name) == {"NAME_SPLIT"}


@pytest.mark.parametrize(
    ("name", "given_name", "family_name"),
    [
        ("Dr. Jane Doe", "Jane", "Doe"),
        ("Mr. Smith", None, "Smith"),
        ("Herr Müller", None, "Müller"),
    ],
)
def test_forms_of_address_are_left_out(name: str, given_name: str | None, family_name: str) -> None:
    """A form of address is no part of a name, and is recorded."""
    assert parts(name) == [(given_name, family_name, None)]
    assert codes(name) == {"NAME_SPLIT", "NAME_TITLE_CUT"}


@pytest.mark.parametrize(
    "name",
    [
        *("Fern LLC", "Fern, Inc.", "Müller GmbH", "Fern GmbH & Co. KG", "Smith & Co", "Fern Ltd."),
        *("Siemens AG", "Fern & Sons", "Fern Pty Ltd", "Fern B.V.", "fern llc"),
    ],
)
def test_firms_are_companies(name: str) -> None:
    """A firm's name is the company, and nobody's given name."""
    assert parts(name) == [(None, None, name)]
    assert codes(name) == {"NAME_IS_COMPANY"}


@pytest.mark.parametrize(
    "name",
    [
        *("Jane", "Jane and John Doe", "Mr. & Mrs. Smith", "John (Jack) Doe", "Jane Doe 2"),
        *("jane@example.com", "Prince Rogers Nelson", "MARIA SA", "Doe Jane; Roe John", "李伟明"),
    ],
)
def test_what_is_not_safe_stays_whole(name: str) -> None:
    """Two people, nicknames, single words and the like are the given name as a whole."""
    assert parts(name) == [(name, None, None)]
    assert codes(name) == {"NAME_NOT_SPLIT"}


def test_a_firm_beside_a_company_stays_a_name() -> None:
    """Square keeps one company: the row's own stays, and the other is not lost."""
    assert parts("Fern LLC", company="Moss") == [("Fern LLC", None, None)]
    assert codes("Fern LLC", "Moss") == {"NAME_NOT_SPLIT"}


def test_nothing_is_made_of_nothing() -> None:
    """Rows without a name get none; what cleaning has to look at is left to it."""
    assert parts(None, "n/a", "a\0b") == [
        (None, None, None),
        ("n/a", None, None),
        ("a\0b", None, None),
    ]


WORDS = st.one_of(
    st.from_regex(r"[A-Z][a-z]{1,8}", fullmatch=True),
    st.sampled_from(
        [*("Ma", "Do", "Van", "De", "Dean", "Prince", "Jr", "Dr", "And", "Abdul", "Co", "Inc")]
    ),
)


@given(st.lists(WORDS, min_size=2, max_size=2).map(" ".join))
@settings(max_examples=200, derandomize=True, deadline=None)
@example("Jack Ma")
@example("Van Nguyen")
def test_two_words_are_split_as_the_library_does(name: str) -> None:
    """What is split by the column is split as the parser splits it."""
    ((given_name, family_name, company),) = parts(name)
    if company is None and family_name is not None and given_name is not None:
        library = parse(name)
        assert (given_name, family_name) == (library.given, library.family)


LETTERS = "abdeilmnorsvx\u00e9\u00e0\u00fc\u00df\u0142\u0161"
WORD = st.builds(
    str.__add__,
    st.sampled_from("AVIXDMS\u00c9\u00d6\u0141"),
    st.text(st.sampled_from(LETTERS), min_size=1, max_size=6),
)


@given(
    st.lists(
        st.one_of(
            WORD,
            WORDS,
            st.lists(st.one_of(WORD, WORDS), min_size=2, max_size=2).map("-".join),
        ),
        min_size=2,
        max_size=2,
    )
)
@settings(max_examples=300, derandomize=True, deadline=None)
@example(["Jack", "Vi"])
@example(["\u00c9lodie", "Ix"])
@example(["Jean-Luc", "Garc\u00eda-L\u00f3pez"])
def test_the_column_splits_as_the_parser_does(words: list[str]) -> None:
    """A second blank sends a name to the parser, which makes the same of it as the column did."""
    plain, parsed = " ".join(words), "  ".join(words)
    (by_column,), (by_parser,) = parts(plain), parts(parsed)

    assert codes(plain) == codes(parsed)
    if codes(plain) == {"NAME_SPLIT"}:
        assert by_column == by_parser


@given(st.text(st.sampled_from("aJ 'é,.-&Dr山"), max_size=14))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_no_letter_is_lost(name: str) -> None:
    """Every letter of a name is in one of its parts, or in the recorded form of address."""
    ((given_name, family_name, company),) = parts(name)
    if codes(name) & {"NAME_TITLE_CUT"}:
        return
    kept = Counter("".join(filter(None, (given_name, family_name, company))))
    letters = Counter(re.sub(r"\W", "", name))
    assert not letters - kept
