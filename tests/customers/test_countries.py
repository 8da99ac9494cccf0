"""Countries: codes, names and what people call them."""

from __future__ import annotations

import pycountry
import pytest

from etl.customers import countries
from etl.customers.cells import Cell


def test_squares_countries_are_those_of_iso_and_one_for_unknown() -> None:
    """Square's list has 250 values: the 249 of ISO 3166-1 and ZZ."""
    assert len(countries.codes()) == 250
    assert {"US", "NA", "NO", "ZZ"} <= countries.codes()
    assert not {"UK", "EL", "XK"} & countries.codes()


def test_every_country_is_known_by_its_codes_and_names() -> None:
    """Codes of two and three letters, official and common names, in any case."""
    for country in pycountry.countries:
        names = [country.alpha_2, country.alpha_3, country.name]
        names += [getattr(country, kind, country.name) for kind in ("official_name", "common_name")]
        for name in names:
            assert countries.code_of(name) == country.alpha_2
            assert countries.code_of(name.lower()) == country.alpha_2


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(("UK", "GB"), ("England", "GB"), ("Great Britain", "GB"), ("Northern Ireland", "GB")),
        *(("U.S.A.", "US"), ("U. S. A.", "US"), ("United States", "US"), ("america", "US")),
        *(("Deutschland", "DE"), ("Allemagne", "DE"), ("Frankreich", "FR"), ("Espa\u00f1a", "ES")),
        *(("The Netherlands", "NL"), ("Holland", "NL"), ("Czech Republic", "CZ"), ("Eire", "IE")),
        *(("South Korea", "KR"), ("Russia", "RU"), ("C\u00f4te d\u2019Ivoire", "CI"), ("EL", "GR")),
        *(
            ("Bosnia & Herzegovina", "BA"),
            ("T\u00fcrkiye", "TR"),
            ("Turkey", "TR"),
            ("\u65e5\u672c", "JP"),
        ),
        *(("Vietnam", "VN"), ("Ivory Coast", "CI"), ("Hong Kong", "HK"), ("zz", "ZZ")),
    ],
)
def test_everyday_names(name: str, code: str) -> None:
    """What people write for a country is understood."""
    assert countries.code_of(name) == code


@pytest.mark.parametrize("name", ["Korea", "Atlantis", "California", "XX", "-", "n/a", "null", "1"])
def test_unknown_names_stay(name: str) -> None:
    """A name that means no country, or two, is left for the rules; nothing is a marker here."""
    assert countries.country(name) == Cell(name)


@pytest.mark.parametrize("code", ["NA", "NO"])
def test_na_and_no_are_countries(code: str) -> None:
    """Namibia and Norway are not words for nothing."""
    assert countries.country(code) == Cell(code)
    assert countries.country(f" {code.lower()} ").text == code


def test_a_change_is_recorded() -> None:
    """A name that becomes a code is recorded as read."""
    (finding,) = countries.country("England").findings

    assert finding == ("repair", "COUNTRY_CODED", "England was read as GB", "")
