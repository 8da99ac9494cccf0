"""Which phones are made to part a fast judge from a careful one?

Numbers of every region, from the patterns and examples of the library's metadata, then damaged and
spelled as people, programs and tricksters do. The same ``chance`` draws the same phones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from re import _constants as op
from re import _parser as regex
from typing import Any

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
# Regions that numbers of anywhere are read in, too: with and without a trunk prefix, with a plan
# shared among many, with leading zeros, with prefixes that are rewritten.
ABROAD = ("US", "GB", "DE", "IT", "FR", "BR", "AR", "MX", "RU", "AU", "JP", "KE", "SM", "CI")

_KINDS = (
    *("general_desc", "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("personal_number", "voip", "pager", "uan", "voicemail"),
)
_DIGITS = "0123456789"
_SCRIPTS = [
    _DIGITS,
    *("".join(chr(zero + n) for n in range(10)) for zero in (0xFF10, 0x660, 0x6F0)),
]
_BETWEEN = (
    *(" ", " ", "-", "-", ".", ") ", " (", "(", ")", "/", "  ", "\u00a0", "\u2009", "\u2011"),
    *("\u2013", "~", "*", "\uff0d", "\u3000", "\u30fc", ",", ";", "|", "&", "#", "_", ":", "\t"),
)
_EXTENSIONS = (
    *(" x{}", "x{}", " ext. {}", " ext {}", ";ext={}", " #{}", " extension {}", " доб. {}", ",{}#"),
    *(" xt {}", "~{}", " - {}#", ",,{}", " anexo {}", " int {}", " \uff58{}", " e{}", " x"),
)
_WORDS = ("FLOWERS", "CALL NOW", "TAXI", "x", "O", "l", "tel:", "Tel. ", "phone ", "a", "é", "ß")
_UNSEEN = ("\u200b", "\u202a", "\ufeff", "\u00ad", "\u2060", "\ufe0f", "\0", "\x07")
_WRAPPED = ("{}.0", "{}.00", "{},0", "'{}", "''{}", "'{}'", '="{}"', " {}", "{}\t", "\u00a0{}\n")


@cache
def _metadata(region: str) -> PhoneMetadata:
    found = PhoneMetadata.metadata_for_region(region)
    assert found is not None
    return found


@cache
def _plans(region: str) -> list[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    """Return pattern, examples and lengths of each kind of number of a region."""
    kinds = [getattr(_metadata(region), kind) for kind in _KINDS]
    return [
        (kind.national_number_pattern, (kind.example_number,), tuple(kind.possible_length))
        for kind in kinds
        if kind is not None and kind.national_number_pattern
    ]


@cache
def _neighbours(region: str) -> tuple[str, ...]:
    """Return the regions that share a calling code."""
    code = phonenumbers.country_code_for_region(region)
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
    return tuple(name for name in names if name in phonenumbers.SUPPORTED_REGIONS)


@cache
def _parsed(pattern: str) -> Any:
    return regex.parse(pattern)


def matching(chance: random.Random, pattern: str) -> str:
    """Draw a text that a pattern of the metadata matches."""
    return "".join(_drawn(chance, _parsed(pattern)))


def _drawn(chance: random.Random, parts: Any) -> Iterator[str]:
    for kind, value in parts:
        if kind is op.LITERAL:
            yield chr(value)
        elif kind is op.IN:
            yield chance.choice(_members(tuple(value)))
        elif kind is op.BRANCH:
            yield from _drawn(chance, chance.choice(value[1]))
        elif kind is op.SUBPATTERN:
            yield from _drawn(chance, value[-1])
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            fewest, most, inner = value
            for _ in range(chance.randint(fewest, min(int(most), 15))):
                yield from _drawn(chance, inner)
        elif kind is not op.AT:
            raise NotImplementedError(kind)


@cache
def _members(members: tuple[Any, ...]) -> str:
    found = ""
    for kind, value in members:
        if kind is op.RANGE:
            found += "".join(map(chr, range(value[0], value[1] + 1)))
        elif kind is op.LITERAL:
            found += chr(value)
        elif kind is op.CATEGORY:
            found += _DIGITS
        else:
            raise NotImplementedError(kind)
    return found


def national(chance: random.Random, region: str) -> str:
    """Draw a national number of a region, valid or nearly so."""
    pattern, examples, lengths = chance.choice(_plans(region))
    way = chance.random()
    if way < 0.7:
        digits = matching(chance, pattern)
    elif way < 0.95 and examples[0]:
        digits = examples[0]
    else:
        digits = "".join(chance.choices(_DIGITS, k=chance.randint(4, 15)))
    for _ in range(chance.choice((0, 0, 0, 0, 0, 1, 1, 2, 4))):
        digits = _damaged(chance, digits)
    if lengths and chance.random() < 0.06:
        digits = digits[: chance.choice(lengths) + chance.choice((-1, 0, 1))]
    return digits


def _damaged(chance: random.Random, digits: str) -> str:
    at, digit = chance.randrange(len(digits) + 1), chance.choice(_DIGITS)
    changed = digits[:at] + digit + digits[at + 1 :]
    return chance.choice(
        (changed, changed, digits[:at] + digit + digits[at:], digits[:-1], "0" + digits)
    )


def _spelled(chance: random.Random, digits: str, home: str, reading: str) -> str:
    """Write a national number with some of the codes and prefixes people put before it."""
    code, metadata = str(_metadata(home).country_code), _metadata(home)
    trunk = metadata.national_prefix or chance.choice("018")
    for_parsing = metadata.national_prefix_for_parsing
    if for_parsing and chance.random() < 0.3:
        trunk = matching(chance, for_parsing)
    abroad = _metadata(reading).international_prefix
    out = matching(chance, abroad) if abroad and chance.random() < 0.6 else ""
    out = out or chance.choice(("00", "011", "0011", "810", "00 ", "(00)", "001"))
    international = (
        *(f"+{code}{digits}",) * 6,
        *(f"+{code} {digits}", f"+{code} {digits}", f"+{code}{trunk}{digits}"),
        *(f"+{code} (0){digits}", f"+{code}(0) {digits}", f"({code}){digits}", f"++{code}{digits}"),
        *(f"{code}{digits}", f"{out}{code}{digits}", f"{out}{code}(0){digits}", f"+{out}{digits}"),
        *(f"\uff0b{code}{digits}", f"+0{code}{digits}", f"+{code}{code}{digits}"),
    )
    within = (
        digits,
        digits,
        digits,
        f"{trunk}{digits}",
        f"({trunk}){digits}",
        f"(0){digits}",
        f"+{digits}",
    )
    return chance.choice(within if chance.random() < 0.45 else international)


def _separated(chance: random.Random, text: str) -> str:
    """Put punctuation between the digits: in one place, in some, or in all kinds of places."""
    few = chance.choice((0, 0, 1, 2, 3, 5))
    signs = _BETWEEN[: chance.choice((4, 9, len(_BETWEEN)))]
    for _ in range(few):
        at = chance.randrange(1, len(text) + 1)
        text = text[:at] + chance.choice(signs) + text[at:]
    return text


def _in_script(chance: random.Random, text: str) -> str:
    return text.translate(str.maketrans(_DIGITS, chance.choice(_SCRIPTS)))


def _extended(chance: random.Random, text: str) -> str:
    return text + chance.choice(_EXTENSIONS).format(chance.choice(("7", "129", "1234567", "0012")))


def _worded(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    word = chance.choice(_WORDS)
    return text[:at] + word + text[at + (len(word) if chance.random() < 0.5 else 0) :]


def _wrapped(chance: random.Random, text: str) -> str:
    return chance.choice(_WRAPPED).format(text)


def _with_unseen(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(_UNSEEN) + text[at:]


def _twice(chance: random.Random, text: str) -> str:
    other = _damaged(chance, text) if chance.random() < 0.8 else text[-8:]
    return text + chance.choice((" / ", ", ", ";", " or ", " ::: ", "\n", " ", "&", "|")) + other


def _as_number(chance: random.Random, text: str) -> str:
    """Write the digits as a spreadsheet would, with an exponent."""
    digits = "".join(filter(str.isdigit, text)) or "1"
    kept = digits[: chance.choice((len(digits), len(digits), 6))]
    point = chance.choice(".,") + kept[1:] if kept[1:] else ""
    return f"{kept[0]}{point}{chance.choice('Ee')}+{len(digits) - 1:02}"


def _lengthy(chance: random.Random, text: str) -> str:
    return text + chance.choice((" ", "0", "-")) * chance.choice((240, 250, 251, 300))


_DISGUISES: Sequence[tuple[float, Callable[[random.Random, str], str]]] = (
    (0.04, _in_script),
    (0.06, _extended),
    (0.03, _worded),
    (0.04, _wrapped),
    (0.02, _with_unseen),
    (0.02, _twice),
    (0.01, _as_number),
    (0.002, _lengthy),
)


def phone(chance: random.Random, reading: str) -> str:
    """Draw a phone that is to be read in a region: its own, a neighbour's, or anybody's."""
    where = chance.random()
    home = reading
    if where > 0.85:
        home = chance.choice(REGIONS)
    elif where > 0.65:
        home = chance.choice(_neighbours(reading))
    text = _spelled(chance, national(chance, home), home, reading)
    if chance.random() < 0.5:
        text = _separated(chance, text)
    for share, disguise in _DISGUISES:
        if chance.random() < share:
            text = disguise(chance, text)
    return text
