"""Which state or province of the United States, Canada or Australia is meant?

Square takes any text there; the postal services of these three want a code. Codes and names are
those of ISO 3166-2; the abbreviations are those of USPS Publication 28 (with the codes of military
addresses and of the states in free association, which ISO does not list under US), Canada Post's
Addressing Guidelines and Australia Post's addressing standards, and the traditional ones of the
U.S. Government Publishing Office's Style Manual. Elsewhere, and where no name fits, the text stays
as it is.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import octets
from etl.customers.cells import Cell, Finding, shown, then
from etl.customers.countries import folded
from etl.customers.normalize import LINES, text

# By country: each code and what else is written for it.
_STATES: dict[str, dict[str, str]] = {
    "US": {
        "AA": "armed forces americas",
        "AE": "armed forces europe",
        "AK": "alaska",
        "AL": "alabama, ala",
        "AP": "armed forces pacific",
        "AR": "arkansas, ark",
        "AS": "american samoa",
        "AZ": "arizona, ariz",
        "CA": "california, calif",
        "CO": "colorado, colo",
        "CT": "connecticut, conn",
        "DC": "district of columbia, washington dc",
        "DE": "delaware, del",
        "FL": "florida, fla",
        "FM": "federated states of micronesia",
        "GA": "georgia",
        "GU": "guam",
        "HI": "hawaii",
        "IA": "iowa",
        "ID": "idaho",
        "IL": "illinois, ill",
        "IN": "indiana, ind",
        "KS": "kansas, kans",
        "KY": "kentucky",
        "LA": "louisiana",
        "MA": "massachusetts, mass",
        "MD": "maryland",
        "ME": "maine",
        "MH": "marshall islands",
        "MI": "michigan, mich",
        "MN": "minnesota, minn",
        "MO": "missouri",
        "MP": "northern mariana islands",
        "MS": "mississippi, miss",
        "MT": "montana, mont",
        "NC": "north carolina",
        "ND": "north dakota, n dak",
        "NE": "nebraska, nebr",
        "NH": "new hampshire",
        "NJ": "new jersey",
        "NM": "new mexico, n mex",
        "NV": "nevada, nev",
        "NY": "new york",
        "OH": "ohio",
        "OK": "oklahoma, okla",
        "OR": "oregon, oreg",
        "PA": "pennsylvania",
        "PR": "puerto rico",
        "PW": "palau",
        "RI": "rhode island",
        "SC": "south carolina",
        "SD": "south dakota, s dak",
        "TN": "tennessee, tenn",
        "TX": "texas, tex",
        "UM": "united states minor outlying islands",
        "UT": "utah",
        "VA": "virginia",
        "VI": "virgin islands, us virgin islands, virgin islands us",
        "VT": "vermont",
        "WA": "washington, wash",
        "WI": "wisconsin, wis",
        "WV": "west virginia, w va",
        "WY": "wyoming, wyo",
    },
    "CA": {
        "AB": "alberta, alta",
        "BC": "british columbia, colombie britannique",
        "MB": "manitoba, man",
        "NB": "new brunswick, nouveau brunswick",
        "NL": "newfoundland and labrador, newfoundland, terre neuve et labrador",
        "NS": "nova scotia, nouvelle ecosse",
        "NT": "northwest territories, nwt, territoires du nord ouest",
        "NU": "nunavut",
        "ON": "ontario, ont",
        "PE": "prince edward island, pei, ile du prince edouard",
        "QC": "quebec, que",
        "SK": "saskatchewan, sask",
        "YT": "yukon, yukon territory",
    },
    "AU": {
        "ACT": "australian capital territory",
        "NSW": "new south wales",
        "NT": "northern territory",
        "QLD": "queensland",
        "SA": "south australia",
        "TAS": "tasmania",
        "VIC": "victoria",
        "WA": "western australia",
    },
}
COUNTRIES = tuple(_STATES)


def codes(country: str) -> frozenset[str]:
    """Return the codes of one of ``COUNTRIES``."""
    return frozenset(_STATES[country])


@cache
def _names(country: str) -> dict[str, str]:
    """Return the code of each folded name; ``US-CA`` is ISO's own way to write CA."""
    names: dict[str, str] = {}
    for code, others in _STATES[country].items():
        written = [code, f"{country} {code}", *others.split(", ")]
        # N.Y. and N. Y. are the code with its points.
        written.append(" ".join(code))
        names |= {folded(name): code for name in written}
    return names


def code_of(name: str, country: str) -> str | None:
    """Return the code of a state of one of ``COUNTRIES``, or None where the name is not known."""
    return _names(country).get(folded(name)) if country in _STATES else None


def may_change_states(column: pa.Array) -> dict[str, np.ndarray]:
    """Return for each of ``COUNTRIES`` which rows ``state`` could change or object to in it."""
    # Few of these are told apart by many rows.
    said = column.dictionary_encode(null_encoding="encode")
    places = said.indices.to_numpy()
    known = {country: pc.is_in(said.dictionary, _codes(country)) for country in COUNTRIES}
    return {country: ~octets.flags(each)[places] for country, each in known.items()}


@cache
def _codes(country: str) -> pa.Array:
    return pa.array(sorted(codes(country)))


def state(written: str, country: str, certain: bool) -> Cell:
    """Return the canonical form of a state of one of ``COUNTRIES``: its code.

    ``certain``: the row names its country. Only then is there something to say about a name that
    is none of its states; the text stays.
    """
    cell = then(text(written, LINES), lambda bare: _coded(bare, country))
    return cell if not certain else then(cell, lambda bare: _known(bare, country))


def _coded(bare: str, country: str) -> Cell:
    code = code_of(bare, country)
    if code is None or code == bare:
        return Cell(bare)
    return Cell(code, (Finding("repair", "STATE_CODED", f"{shown(bare)} was read as {code}"),))


def _known(bare: str, country: str) -> Cell:
    if bare in codes(country):
        return Cell(bare)
    message = f"{shown(bare)} is no state or province of {country}"
    return Cell(bare, (Finding("note", "UNKNOWN_STATE", message),))
