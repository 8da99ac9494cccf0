"""Which part of a whole name is given, which is the family's, and which is no person's name?

The parser is ``nameparser``; what it calls a toss-up is not split. Two plain words it knows nothing
about are what it always reads as given and family name, so those are split by the column.

- Middle names join the given name, particles (``van``, ``de la``) and suffixes (``Jr.``) the family
  name. A form of address (``Dr.``) is left out.
- A firm (``LLC``, ``GmbH``) is a company. Two letters that may be a name too (``AG``) count only
  where they alone are capitals.
- What cannot be split safely stays whole: two people, a nickname, a single word, a number.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from functools import cache, lru_cache, partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.cells import Cell, Finding, each, repeated, shown
from etl.customers.normalize import NAME, tidy

# What [columns] calls a whole name.
FULL_NAME = "full_name"

_FIRM = re.compile(
    r"""[\s,](?:
      (?:(?:l\.?l\.?c|l\.?l\.?p|inc|incorporated|ltd|limited|corp|corporation|plc|pty\.?\s+ltd
        |gmbh|ggmbh|mbh|ohg|e\.\s?k|sarl|s\.a\.r\.l|s\.r\.l|s\.p\.a|s\.l|s\.a|b\.v|n\.v|aps|oyj
        )\.?)
      |(?:&|and|und|et)\s+(?:co|cie|company|sons|partners?)\b.*
    )\s*\Z""",
    re.IGNORECASE | re.VERBOSE,
)
# Names too, in other letters.
_FIRM_IN_CAPITALS = re.compile(r"[\s,](?:AG|KG|UG|AB|AS|A/S|OY|SA|SAS|SL|SRL|SPA|BV|NV|LP|CO)\.?\Z")
_ADDRESSED = frozenset(
    {
        *("mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "rev", "sir", "dame"),
        *("herr", "frau", "hr", "fr", "m", "mme", "mlle", "sr", "sra", "srta", "sig", "dott"),
    }
)
_TWO_PEOPLE = frozenset({"and", "&", "und", "et", "or", "oder", "+", "y/o"})
_NO_NAME = re.compile(r"[\d@;/|()\[\]{}<>\"“”„«»*#=:?!\\\t\r\n]")
# No name is longer.
_LONGEST = 120
# A word of Latin letters with a capital, or two joined by a hyphen; short enough for any rule.
_CAPITAL = "[A-Z\u00c0-\u00d6\u00d8-\u00de\u0100-\u012f\u0132-\u017e]"
_SMALL = "[a-z\u00df-\u00f6\u00f8-\u012f\u0132-\u017e]{1,20}"
_WORD = f"{_CAPITAL}{_SMALL}(?:-{_CAPITAL}{_SMALL})?"
_PLAIN = f"^(?P<given>{_WORD}) (?P<family>{_WORD})$"
# The parser takes Vi and Ix for the numbers of a king.
_ROMAN = "(?i)^[ivxlcdm]+$"

_SPLIT = Finding("repair", "NAME_SPLIT", "the whole name became given and family name")
_COMPANY = Finding("repair", "NAME_IS_COMPANY", "the name is a firm's: it became the company")


class _Parts(NamedTuple):
    given: str | None
    family: str | None
    company: str | None
    findings: tuple[Finding, ...] = ()


class Split(NamedTuple):
    """Whole names as the columns of their parts, and what was done."""

    given: pa.Array
    family: pa.Array
    company: pa.Array
    problems: list[pa.Table]


def split_names(names: pa.Array, company: pa.Array) -> Split:
    """Split a column of whole names, each distinct one once.

    A firm's name stays whole in rows that have a ``company``: Square keeps one.
    """
    words = pc.extract_regex(names, _PLAIN)
    first, last = pc.struct_field(words, "given"), pc.struct_field(words, "family")
    plain = pc.and_(_is_plain(first), _is_plain(last))
    given = pc.if_else(plain, first, names)
    family = pc.if_else(plain, last, names)
    firm = pc.if_else(plain, None, names)
    problems = [repeated(plain, "given_name", _SPLIT)]
    named = pc.is_valid(company)
    for beside in (False, True):
        where = pc.and_not(named if beside else pc.invert(named), plain)
        given, found = each(given, "given_name", partial(_given, beside=beside), where)
        family, _ = each(family, "family_name", partial(_family, beside=beside), where)
        firm, founded = each(firm, "company_name", partial(_company, beside=beside), where)
        problems += [found, founded]
    return Split(given, family, firm, problems)


def _given(text: str, beside: bool) -> Cell:
    parts = _parts(text, beside)
    return Cell(parts.given, () if parts.company else parts.findings)


def _family(text: str, beside: bool) -> Cell:
    return Cell(_parts(text, beside).family)


def _company(text: str, beside: bool) -> Cell:
    parts = _parts(text, beside)
    return Cell(parts.company, parts.findings if parts.company else ())


def _is_plain(words: pa.Array) -> pa.Array:
    """Return which words have no meaning of their own to the parser."""
    if words.null_count == len(words):
        return pa.repeat(pa.scalar(False), len(words))
    known = pc.is_in(pc.utf8_lower(words), value_set=_vocabulary())
    numbers = pc.fill_null(pc.match_substring_regex(words, _ROMAN), False)
    return pc.and_not(pc.is_valid(words), pc.or_(known, numbers))


@cache
def _vocabulary() -> pa.Array:
    """Return every word the parser, or this module, treats in a way of its own."""
    from nameparser import Lexicon  # heavy: loaded with the first whole name

    lexicon = Lexicon.default()
    words = set(_TWO_PEOPLE)
    for field in dataclasses.fields(lexicon):
        known = getattr(lexicon, field.name)
        if isinstance(known, frozenset):
            words.update(word.strip(".") for entry in known for word in entry.lower().split())
    return pa.array(sorted(words | _PLAIN_FIRMS), pa.string())


_PLAIN_FIRMS = frozenset(
    {"llc", "llp", "inc", "incorporated", "ltd", "limited", "corp", "corporation", "plc"}
    | {"gmbh", "ggmbh", "mbh", "ohg", "sarl", "aps", "oyj"}
)


# A batch has no more names than this, and each is asked for three times.
@lru_cache(maxsize=1 << 16)
def _parts(text: str, beside_company: bool) -> _Parts:
    tidied = tidy(text, NAME)
    bare = tidied.text
    if bare is None or any(finding.effect == "reject" for finding in tidied.findings):
        # Cleaning says what it is.
        return _Parts(text, None, None)
    if _is_firm(bare):
        if beside_company:
            return _whole(bare, "a firm, beside another company")
        return _Parts(None, None, bare, (_COMPANY,))
    if _FIRM_IN_CAPITALS.search(bare):
        return _whole(bare, "a firm or a name")
    if _NO_NAME.search(bare) or len(bare) > _LONGEST:
        return _whole(bare, "more than a name")
    return _person(bare)


def _is_firm(text: str) -> bool:
    if _FIRM.search(text):
        return True
    return bool(_FIRM_IN_CAPITALS.search(text)) and not text.isupper()


def _whole(text: str, why: str) -> _Parts:
    message = f"{shown(text)} was not split ({why}): it is the given name as a whole"
    return _Parts(text, None, None, (Finding("note", "NAME_NOT_SPLIT", message),))


def _person(text: str) -> _Parts:
    from nameparser import parse

    name = parse(text)
    given = " ".join(filter(None, (name.given, name.middle)))
    family = " ".join(filter(None, (name.family, name.suffix.replace(",", ""))))
    titles = name.title.split()
    if not name.family or not (given or titles):
        return _whole(text, "a part is missing")
    kept = Counter(f"{name.title} {given} {family}".split())
    if (
        {ambiguity.kind for ambiguity in name.ambiguities} - {"particle-or-given"}
        or _TWO_PEOPLE & set(text.lower().split())
        or kept != Counter(text.replace(",", " ").split())
        or any(title.strip(".").lower() not in _ADDRESSED for title in titles)
    ):
        return _whole(text, "where it divides is a guess")
    if not titles:
        return _Parts(given, family, None, (_SPLIT,))
    cut = Finding("repair", "NAME_TITLE_CUT", f"the form of address {name.title} was left out")
    return _Parts(given or None, family, None, (_SPLIT, cut))
