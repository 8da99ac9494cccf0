"""Which country is meant?

Square takes the two letters of ISO 3166-1. Files also hold the three letters, names in several
languages and what people call a country every day; an unknown name stays as it is and is invalid.
"""

from __future__ import annotations

import gettext
import unicodedata
from collections.abc import Iterator
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.cells import Cell, Finding, shown, then
from etl.customers.normalize import COUNTRY, tidy

# Square's word for an unknown country; ISO leaves it to its users.
UNKNOWN = "ZZ"

# What neither ISO's list nor its translations hold. UK and EL are reserved for the United Kingdom
# and Greece, which some authorities write so.
_ALIASES = {
    "AE": "uae, emirates",
    "BA": "bosnia",
    "CD": "dr congo, drc, congo kinshasa, democratic republic of congo",
    "CG": "congo brazzaville, republic of congo",
    "CH": "svizra",
    "CI": "ivory coast",
    "CN": "mainland china, prc, 中国, 中國",
    "CV": "cape verde",
    "CZ": "cesko, ceska republika",
    "DE": "brd",
    "DK": "danmark",
    "EE": "eesti",
    "FI": "suomi",
    "FK": "falkland islands, falklands",
    "GB": (
        "uk, u k, great britain, britain, england, scotland, wales, northern ireland, "
        "gb eng, gb sct, gb wls, gb nir"
    ),
    "GR": "el, hellas, ellada, ελλαδα",
    "HK": "hong kong sar",
    "HR": "hrvatska",
    "HU": "magyarorszag",
    "IE": "eire, republic of ireland, southern ireland",
    "JP": "nippon, nihon, 日本",
    "KP": "dprk",
    "KR": "republic of korea, 대한민국, 한국",
    "LT": "lietuva",
    "LV": "latvija",
    "MK": "macedonia, fyrom",
    "MM": "burma",
    "MO": "macao sar",
    "NL": "holland",
    "NO": "norge, noreg",
    "NZ": "aotearoa",
    "PL": "polska",
    "PS": "palestine",
    "RU": "россия",
    "SE": "sverige",
    "SI": "slovenija",
    "SK": "slovensko",
    "SZ": "swaziland",
    "TR": "turkey",
    "US": "u s, u s a, america",
    "VA": "vatican, vatican city",
    "VG": "bvi",
    "VI": "us virgin islands, usvi",
}
# Whose names for all countries are read as well.
_LANGUAGES = ("de", "es", "fr", "it", "nl", "pt")


def folded(name: str) -> str:
    """Return what spellings of one name have in common."""
    plain = "".join(
        letter if letter.isalnum() else " " if letter not in ".'’" else ""
        for letter in unicodedata.normalize("NFKD", name.replace("&", " and ")).casefold()
        if not unicodedata.combining(letter)
    )
    return " ".join(plain.split()).removeprefix("the ")


@cache
def codes() -> frozenset[str]:
    """Return the codes Square takes."""
    import pycountry  # reads its lists when first asked

    return frozenset({UNKNOWN, *(country.alpha_2 for country in pycountry.countries)})


@cache
def _names() -> dict[str, str]:
    """Return the code of each folded name; a name two countries share is left out."""
    sure = {folded(name): code for code, name in _certain_names()}
    other: dict[str, set[str]] = {}
    for code, name in _translated_names():
        other.setdefault(folded(name), set()).add(code)
    alone = {name: next(iter(meant)) for name, meant in other.items() if len(meant) == 1}
    return {**alone, **sure}


def _certain_names() -> Iterator[tuple[str, str]]:
    import pycountry

    for country in pycountry.countries:
        yield country.alpha_2, country.alpha_2
        yield country.alpha_2, country.alpha_3
        for kind in ("name", "official_name", "common_name"):
            if name := getattr(country, kind, None):
                yield country.alpha_2, name
    for code, names in _ALIASES.items():
        yield from ((code, name) for name in names.split(", "))


def _translated_names() -> Iterator[tuple[str, str]]:
    import pycountry

    for language in _LANGUAGES:
        translated = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language])
        for country in pycountry.countries:
            for kind in ("name", "common_name"):
                if name := getattr(country, kind, None):
                    yield country.alpha_2, translated.gettext(name)


def code_of(name: str) -> str | None:
    """Return the two letters of a country, or None where the name is not known."""
    return UNKNOWN if name.upper() == UNKNOWN else _names().get(folded(name))


def name_of(code: str) -> str | None:
    """Return what people call a country, or None where the code is none."""
    import pycountry

    found = pycountry.countries.get(alpha_2=code)
    return None if found is None else str(getattr(found, "common_name", found.name))


def may_change_country(column: pa.Array) -> pa.Array:
    """Return which rows ``country`` could change or object to."""
    # Few of these are told apart by many rows.
    said = column.dictionary_encode()
    doubtful = pc.invert(pc.is_in(said.dictionary, _codes()))
    return pc.fill_null(doubtful.take(said.indices), True)


@cache
def _codes() -> pa.Array:
    return pa.array(sorted(codes()))


def country(text: str) -> Cell:
    """Return the canonical form of a country: its two letters.

    No word stands for nothing here: NA is Namibia and NO is Norway. An unknown name is left as it
    is: ``etl.customers.rules`` judges it.
    """
    return then(tidy(text, COUNTRY), _country)


def _country(text: str) -> Cell:
    code = code_of(text)
    if code is None or code == text:
        return Cell(text)
    return Cell(code, (Finding("repair", "COUNTRY_CODED", f"{shown(text)} was read as {code}"),))
