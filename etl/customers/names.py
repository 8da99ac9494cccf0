"""Do two names disagree?

Names disagree when both sides have a given name and these differ, or both have a family name and
these differ. Case, accents, punctuation and blanks do not count, a missing part agrees with
anything, and an initial agrees with every name it begins. Company names are compared in the same
way, but only when neither side has a personal name.

- Only a lone letter is an initial: ``J.`` agrees with ``Jane``, ``J. R.`` does not agree with
  ``John Ronald``.
- A lone character of a script without capitals is a name, not an initial (``伟`` is not ``伟明``).
- Accents are the marks of alphabets, vowel points included. Marks that are letters to their
  readers (Indic and Thai vowels, the voicing of kana) stay, or ``मीना`` would be ``मोना``.
- A part without any letter or digit is missing.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

# Two names agree exactly when one of ``agreeing_traits`` of the one is a trait of the other.
Trait = tuple[str, ...]

# Letters that Unicode does not take apart, though people leave out their strokes all the same.
_STROKES = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe", "ŧ": "t"}
)
# Marks that only choose between pictures of the same character.
_SELECTORS = frozenset(map(chr, (0x34F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


@dataclass(frozen=True, slots=True)
class Names:
    """What a row or a profile calls its customer."""

    given: str | None
    family: str | None
    company: str | None


class Crowd:
    """Many names, gathered to ask how many of them disagree with one.

    The answer takes the same few look-ups however many names there are.
    """

    __slots__ = ("_size", "_traits")

    def __init__(self) -> None:
        self._size = 0
        self._traits: Counter[Trait] = Counter()

    def add(self, names: Names) -> None:
        """Let one more name in."""
        self._size += 1
        self._traits.update(traits(names))

    def disagreeing(self, names: Names) -> int:
        """Return how many of the names disagree with this one."""
        return self._size - sum(self._traits[trait] for trait in agreeing_traits(names))


def disagree(a: Names, b: Names) -> bool:
    """Return whether these are the names of two different people (or companies)."""
    if a == b:
        return False
    given, family, company = _folded(a)
    other_given, other_family, other_company = _folded(b)
    if not (given or family or other_given or other_family):
        return _differ(company, other_company)
    return _differ(given, other_given) or _differ(family, other_family)


def traits(names: Names) -> tuple[Trait, ...]:
    """Return the keys under which a name is filed, so that agreeing names find it."""
    return _traits(*_folded(names))


def agreeing_traits(names: Names) -> tuple[Trait, ...]:
    """Return the keys under which the names are filed that agree with this one.

    A name that agrees is filed under exactly one of them, one that disagrees under none.
    """
    return _agreeing_traits(*_folded(names))


def _differ(a: str, b: str) -> bool:
    if not a or not b or a == b:
        return False
    return not (_initial(a) == b or _initial(b) == a)


def _initial(part: str) -> str:
    return part[:1] if part[:1].islower() else ""


@lru_cache(maxsize=1 << 14)
def _traits(given: str, family: str, company: str) -> tuple[Trait, ...]:
    pairs = tuple((a, b) for a in _filed(given) for b in _filed(family))
    if given or family:
        return (*pairs, ("named",))
    return (*pairs, *(("company", key) for key in _filed(company)))


@lru_cache(maxsize=1 << 14)
def _agreeing_traits(given: str, family: str, company: str) -> tuple[Trait, ...]:
    if given or family:
        return tuple((a, b) for a in _sought(given) for b in _sought(family))
    return (("named",), *(("company", key) for key in _sought(company)))


def _filed(part: str) -> tuple[str, ...]:
    """Keys of one part: itself, its initial, anything; a missing part is filed as such."""
    if not part:
        return ("-", "*")
    return (f"={part}", f"^{_initial(part)}", "*")


def _sought(part: str) -> tuple[str, ...]:
    """Keys of the parts that agree with this one."""
    if not part:
        return ("*",)
    initial = _initial(part)
    if part == initial:
        return (f"^{initial}", "-")
    return (f"={part}", f"={initial}", "-") if initial else (f"={part}", "-")


@lru_cache(maxsize=1 << 14)
def _folded(names: Names) -> tuple[str, str, str]:
    return _fold(names.given), _fold(names.family), _fold(names.company)


def _fold(text: str | None) -> str:
    if not text:
        return ""
    if text.isascii():
        return "".join(filter(str.isalnum, text.lower()))
    # Some compatibility forms are capitals only after the first step, some folds compose again.
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(filter(_counts, text.translate(_STROKES)))


def _counts(character: str) -> bool:
    if unicodedata.category(character)[0] != "M":
        return character.isalnum()
    # Combining classes: 1 overlays, 10 to 36 Hebrew, Arabic and Syriac points, 200 and above
    # accents; the rest are signs that spell.
    position = unicodedata.combining(character)
    accent = position == 1 or 10 <= position <= 36 or position >= 200
    return not accent and character not in _SELECTORS
