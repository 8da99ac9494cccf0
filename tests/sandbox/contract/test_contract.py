"""The contract as a whole: how many checks, from where, and is every choice of ours held?"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

from etl.sandbox.assumptions import ASSUMPTIONS
from tests.sandbox import contract
from tests.sandbox.contract.vocabulary import CHOICE, SOURCES, Check

CHOICES = {assumption.subject for assumption in ASSUMPTIONS}


def all_checks() -> list[Check]:
    """Return the checks of every area."""
    names = [module.name for module in pkgutil.iter_modules(contract.__path__)]
    areas = [
        importlib.import_module(f"{contract.__name__}.{name}")
        for name in names
        if name.startswith("test_") and name != "test_contract"
    ]
    return [check for area in areas for check in area.fact.checks]


CHECKS = all_checks()


def test_there_are_at_least_250_checks() -> None:
    """No two are the same function over the same row; even the functions alone are as many."""
    distinct = {(check.function, repr(check.row)) for check in CHECKS}
    assert len(distinct) == len(CHECKS)
    assert len({check.function for check in CHECKS}) >= 250


def test_every_check_states_a_fact() -> None:
    """Each has a docstring, which is what it holds."""
    assert [str(check) for check in CHECKS if not (check.function.__doc__ or "").strip()] == []


def test_every_check_has_a_source() -> None:
    """Each names a source that a reader outside can find, or a choice of ours."""
    assert [str(check) for check in CHECKS if not check.source.startswith(SOURCES)] == []
    assert [str(check) for check in CHECKS if check.source == CHOICE and not check.choice] == []


def test_every_choice_named_exists() -> None:
    """A check names the subject of a line in the table of assumptions."""
    assert {check.choice for check in CHECKS if check.choice} - CHOICES == set()


def test_every_choice_is_held() -> None:
    """Each line of the table of assumptions can be seen, so each has a check."""
    assert CHOICES - {check.choice for check in CHECKS} == set()


def test_every_kind_of_source_is_used() -> None:
    """The list of sources has none that nobody names."""
    used = Counter(
        source for check in CHECKS for source in SOURCES if check.source.startswith(source)
    )
    assert set(SOURCES) - set(used) == set()
