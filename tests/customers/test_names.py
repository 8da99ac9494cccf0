"""Names disagree exactly as the rules say, and looking agreement up says the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.customers.names import Crowd, Names, agreeing_traits, disagree, traits

PARTS = st.sampled_from(
    [None, "Ann", "ANN", "A.", "a", "Anna", "Bob", "B", "Zoë", "Zoe", "Z", "王", "王伟", "-", "3M"]
)
NAMES = st.builds(Names, PARTS, PARTS, PARTS)


def named(given: str | None = None, family: str | None = None, company: str | None = None) -> Names:
    """Spell a name with what it has."""
    return Names(given, family, company)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (named("Ann", "Lee"), named("ANN", "lee")),
        (named("Zoë", "Müller"), named("Zoe", "Muller")),
        (named("Zoe\u0308"), named("Zoë")),
        (named("Anne-Marie"), named("Anne Marie")),
        (named("Sean", "O'Neill"), named("Sean", "O’Neill")),
        (named("J.", "Lee"), named("Jane", "Lee")),
        (named("Jane", "L"), named("J", "Lee")),
        (named("É.", "Roy"), named("Emile", "Roy")),
        (named("Jane"), named("Jane", "Lee")),
        (named("Jane"), named(None, "Lee")),
        (named(), named("Jane", "Lee")),
        (named("…", "Lee"), named("Jane", "Lee")),
        (named("Jane", None, "Acme"), named("Jane", None, "Bolt")),
        (named(None, None, "Acme"), named("Jane", "Lee")),
        (named(None, None, "Acme Inc."), named(None, None, "ACME, Inc")),
        (named(None, None, "Acme"), named()),
        (named("STRASSE"), named("Straße")),
        (named("Łukasz", "Jørgensen"), named("Lukasz", "Jorgensen")),
        (named("IŞIK"), named("Işık")),
        (named("İpek"), named("ipek")),
        (named("Алёна"), named("АЛЕНА")),
        (named("Ελένη"), named("ΕΛΕΝΗ")),
        (named("מֹשֶׁה"), named("משה")),
        (named("がく"), named("か\u3099く")),
        (named("ﾊﾅ"), named("ハナ")),
    ],
)
def test_agreeing(a: Names, b: Names) -> None:
    """Spelling, initials and missing parts do not make two people."""
    assert not disagree(a, b)
    assert not disagree(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (named("Jane", "Lee"), named("John", "Lee")),
        (named("Jane", "Lee"), named("Jane", "Ray")),
        (named("Jane", "Lee"), named("Jan", "Lee")),
        (named("J", "Lee"), named("K", "Lee")),
        (named("J", "Lee"), named("Jane", "Ray")),
        (named("Jo", "Lee"), named("Jane", "Lee")),
        (named(None, "Lee"), named("Jane", "Ray")),
        (named(None, None, "Acme"), named(None, None, "Bolt")),
        (named("伟", "王"), named("伟明", "王")),
        (named("मीना"), named("मोना")),
        (named("かく"), named("がく")),
        (named("김"), named("이")),
        (named("Иван"), named("Ольга")),
    ],
)
def test_disagreeing(a: Names, b: Names) -> None:
    """Two given names, two family names or two companies that differ are two people."""
    assert disagree(a, b)
    assert disagree(b, a)


@settings(derandomize=True, deadline=None, max_examples=1000)
@given(NAMES, NAMES)
def test_traits_say_what_disagree_says(a: Names, b: Names) -> None:
    """An agreeing name is found under exactly one trait, a disagreeing one under none."""
    common = [trait for trait in agreeing_traits(a) if trait in traits(b)]

    assert len(common) == (not disagree(a, b))
    assert disagree(a, b) == disagree(b, a)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(NAMES, max_size=12), NAMES)
def test_crowd_counts_those_who_disagree(names: list[Names], one: Names) -> None:
    """A crowd counts as many disagreeing names as asking each of them."""
    crowd = Crowd()
    for other in names:
        crowd.add(other)

    assert crowd.disagreeing(one) == sum(disagree(one, other) for other in names)


def test_nobody_disagrees_with_their_own_name() -> None:
    """A name agrees with itself, whatever it is made of."""
    for names in (named(), named("-"), named("A."), named("李", "王"), named(None, None, "&")):
        assert not disagree(names, names)
        assert sum(trait in traits(names) for trait in agreeing_traits(names)) == 1
