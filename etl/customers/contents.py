"""What kind of thing does a value look like, whatever its column is called? And its mask.

One value at a time: made for the few values of a column that are looked at, not for all of them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple

from etl.customers import countries, dates, normalize, rules
from etl.customers.dates import DateEvidence
from etl.customers.normalize import IDENTIFIER, NO_REGION

Kind = Literal[
    "email",
    "phone",
    "national",
    "date",
    "ambiguous date",
    "yes/no",
    "country",
    "state",
    "postal code",
    "number",
    "nothing",
]

_LONGEST = 100
_PHONE = re.compile(r"[+(]?[0-9(][0-9 ()./\-]*[0-9]")
_PHONE_DIGITS = range(7, 16)
_NUMBER = re.compile(r"[-+]?[$€£]? ?[0-9][0-9.,' ]*(?: ?[%€])?")
_POSTAL_CODE = re.compile(
    r"[0-9]{3,5}|[0-9]{5}-?[0-9]{4}|[0-9]{3}-[0-9]{4}"  # most countries, the US, Japan
    r"|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]"  # Canada
    r"|[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}"  # the United Kingdom
    r"|[A-Z][0-9][0-9W] ?[A-Z0-9]{4}|[0-9]{4} ?[A-Z]{2}"  # Ireland, the Netherlands
)
_WORDS = (
    "yes, no, y, n, true, false, t, f, on, off, 0, 1, ja, nein, oui, non, si, sí, wahr, falsch, "
    "vrai, faux, subscribed, unsubscribed, never_subscribed, unknown"
)
_YES_NO = frozenset(_WORDS.split(", "))


class Look(NamedTuple):
    """What a value may be; of a phone with its country also which that is."""

    kinds: frozenset[Kind]
    region: str = ""


# Words and dates that stand for nothing.
_NOTHING = Look(frozenset({"nothing"}))


def look(text: str) -> Look:
    """Tell what a value looks like, once a spreadsheet's traces are taken off."""
    if len(text) > _LONGEST:
        return Look(frozenset())
    bare = normalize.tidy(text, IDENTIFIER).text
    if bare is None:
        return _NOTHING
    if "@" in bare:
        return Look(frozenset() if rules.email(bare).findings else frozenset({"email"}))
    found: set[Kind] = set()
    if bare.lower() in _YES_NO:
        found.add("yes/no")
    if _POSTAL_CODE.fullmatch(bare.upper()):
        found.add("postal code")
    if not any(map(str.isdigit, bare)):
        return Look(frozenset(found | _places(bare)))
    if _NUMBER.fullmatch(bare):
        found.add("number")
    day = dates.birthday(bare, None, DateEvidence())
    if day.text is None:
        return _NOTHING
    if any(one.code == "AMBIGUOUS_DATE" for one in day.findings):
        return Look(frozenset(found | {"date", "ambiguous date"}))
    if dates.is_day(day.text):
        return Look(frozenset(found | {"date"}))
    phone = normalize.phone(bare, NO_REGION).text or ""
    if phone.startswith("+") and normalize.phone_key(phone, NO_REGION) == phone:
        return Look(frozenset(found | {"phone"}), _region(phone))
    if _PHONE.fullmatch(bare) and sum(map(str.isdigit, bare)) in _PHONE_DIGITS:
        found.add("national")
    return Look(frozenset(found))


def is_phone_of(text: str, region: str) -> bool:
    """Tell whether a phone without its country is valid in a region."""
    return (normalize.phone(text, region).text or "").startswith("+")


def _places(name: str) -> set[Kind]:
    found: set[Kind] = set()
    if countries.code_of(name) is not None:
        found.add("country")
    if name.casefold() in _states():
        found.add("state")
    return found


@cache
def _states() -> frozenset[str]:
    """Return names and codes of the states of the US, Canada and Australia."""
    import pycountry  # reads its lists when first asked

    states = [
        state
        for country in ("US", "CA", "AU")
        for state in pycountry.subdivisions.get(country_code=country)  # type: ignore[no-untyped-call]
    ]
    codes = {state.code.partition("-")[2].casefold() for state in states}
    return frozenset(codes | {state.name.casefold() for state in states})


def _region(phone: str) -> str:
    import phonenumbers  # heavy: loaded with the first phone

    return phonenumbers.region_code_for_number(phonenumbers.parse(phone)) or ""


# --- masks --------------------------------------------------------------------------------------

_DIGIT_OR_WORD = re.compile(r"[0-9]|[^\W\d_]+|[^\x20-\x7e]")
_SHOWN_WORDS = 4
_SHOWN = 32
# A word shorter than this would be half shown by its first letter.
_FEWEST_LETTERS = 3
_SHOWN_DIGITS = 3


def masked(text: str) -> str:
    """Return the shape of a value: nobody is known by it.

    ``ada@example.com`` is ``a***@e***.com``, ``+1 415 555 0148`` is ``+1 415 ***``, any other text
    is the first letters of its words, with 9 for every digit.
    """
    bare = text.strip().lstrip("'")
    local, at, domain = bare.rpartition("@")
    if at and " " not in bare:
        name, dot, top = domain.rpartition(".")
        return f"{_word(local)}@{_word(name)}{dot}{top if top.isalpha() else '***'}"
    if any(map(str.isdigit, bare)) and look(bare).kinds & {"phone", "national"}:
        return _masked_phone(bare)
    words = " ".join(bare.split()[:_SHOWN_WORDS])[:_SHOWN]
    shape = _DIGIT_OR_WORD.sub(lambda found: _piece(found[0]), words)
    return shape if words == bare else f"{shape} …"


def _masked_phone(text: str) -> str:
    import phonenumbers

    digits = "".join(filter(str.isdigit, text))
    try:
        number = phonenumbers.parse(normalize.phone(text, NO_REGION).text or "")
    except phonenumbers.NumberParseException:  # it has no calling code, or one of nobody's
        return f"{digits[:_SHOWN_DIGITS]} ***"
    return f"+{number.country_code} {str(number.national_number)[:_SHOWN_DIGITS]} ***"


def _piece(found: str) -> str:
    return "9" if found.isascii() and found.isdigit() else _word(found)


def _word(word: str) -> str:
    """Mask a word: its first letter, where that is one of an alphabet and does not tell much."""
    initial = word[:1]
    cased = initial.lower() != initial.upper()
    return f"{initial}***" if cased and len(word) >= _FEWEST_LETTERS else "***"
