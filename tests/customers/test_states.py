"""States and provinces: codes, names and what people write for them."""

from __future__ import annotations

import pycountry
import pytest

from etl.customers import states
from etl.customers.cells import Cell

# Places USPS serves that are in free association, and its codes of military addresses.
POSTAL_ONLY = {"AA", "AE", "AP", "FM", "MH", "PW"}


@pytest.mark.parametrize("country", states.COUNTRIES)
def test_every_subdivision_of_iso_is_known_by_code_and_name(country: str) -> None:
    """The codes are those of ISO 3166-2, in any case, alone or behind their country."""
    found = [one for one in pycountry.subdivisions if one.country_code == country]
    for subdivision in found:
        code = subdivision.code.partition("-")[2]
        for name in (code, code.lower(), subdivision.code, subdivision.name):
            assert states.code_of(name, country) == code
    listed = {subdivision.code.partition("-")[2] for subdivision in found}
    assert states.codes(country) - listed == (POSTAL_ONLY if country == "US" else set())


@pytest.mark.parametrize(
    ("name", "country", "code"),
    [
        *(("calif.", "US", "CA"), ("N.Y.", "US", "NY"), ("N. Y.", "US", "NY")),
        *(("W. Va.", "US", "WV"), ("Washington, D.C.", "US", "DC"), ("D.C.", "US", "DC")),
        *(("Ont.", "CA", "ON"), ("Qu\u00e9bec", "CA", "QC"), ("P.E.I.", "CA", "PE")),
        *(("Nouvelle-\u00c9cosse", "CA", "NS"), ("n.s.w.", "AU", "NSW"), ("Vic.", "AU", "VIC")),
        *(("WA", "US", "WA"), ("Western Australia", "AU", "WA"), ("WA", "AU", "WA")),
    ],
)
def test_everyday_spellings(name: str, country: str, code: str) -> None:
    """What people write for a state is understood, in its own country."""
    assert states.code_of(name, country) == code


@pytest.mark.parametrize(
    ("name", "country"),
    [("Ontario", "US"), ("Victoria", "GB"), ("Bavaria", "US"), ("New South", "AU"), ("Cal", "US")],
)
def test_nothing_is_guessed(name: str, country: str) -> None:
    """A state of another country, a part of a name or another country's say nothing."""
    assert states.code_of(name, country) is None


def test_an_unknown_name_is_noted_where_the_row_names_its_country() -> None:
    """The text is kept; without the row's own country it may be a state of another one."""
    assert states.state("Ontario", "US", certain=False) == Cell("Ontario")
    (finding,) = states.state("Ontario", "US", certain=True).findings
    assert finding == ("note", "UNKNOWN_STATE", "Ontario is no state or province of US", "")
