"""Who is in a plausible directory?

Invented people, drawn from a seed: several countries, national and international phone spellings,
duplicates of several kinds, profiles without public data. Phones come from the ranges that the
numbering authorities keep for fiction, emails from example domains.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from etl.sandbox import ids
from etl.sandbox.rules import customers as rules

_YEARS = 3 * 365 * 24 * 3600 * 1000

_SOURCES = ("THIRD_PARTY", "DIRECTORY", "IMPORT", "ONLINE_STORE", "LOYALTY", "EMAIL_COLLECTION")
_DOMAINS = ("example.com", "example.org", "example.net")
_COMPANIES = ("Bakery", "Cycles", "Florists", "Joinery", "Optics", "Printworks", "Tea Rooms")
_NOTES = ("Prefers mornings", "Allergic to nuts", "Pays by invoice", "Asks for Dana", "Has a dog")


# How people can be reached, with the shares of a seller's export: a fifth by email and phone, most
# by phone alone, one in six not at all. Where no phones are kept for fiction it is by email alone.
_REACH = {("email", "phone"): 0.20, ("phone",): 0.63, (): 0.17}


class Person(NamedTuple):
    """A profile to be made; ``age`` is how long it has been there, in milliseconds.

    One without values is an instant profile without public data.
    """

    id: str
    values: rules.Values
    source: str
    age: int


class _Country(NamedTuple):
    """Names, towns and fictional phone ranges of a country.

    ``phones`` are (international, national) patterns; each # becomes a digit.
    """

    code: str
    given: Sequence[str]
    family: Sequence[str]
    towns: Sequence[tuple[str, str, str]]
    phones: Sequence[tuple[str, str]]


_COUNTRIES = (
    _Country(
        "US",
        ("Ava", "Noah", "Mia", "Liam", "Zoe", "Owen", "Ruth", "Caleb", "José", "Priya"),
        ("Okafor", "Larsen", "Whitfield", "Nguyen", "Castillo", "Bauer", "O'Neal", "Hart"),
        (
            ("Springfield", "IL", "62704"),
            ("Portland", "OR", "97204"),
            ("Boston", "MA", "02108"),
            ("Austin", "TX", "78701"),
        ),
        tuple(
            (f"+1 {area}-555-01##", f"({area}) 555-01##")
            for area in (
                *(201, 202, 206, 212, 213, 214, 215, 216, 217, 303, 305, 310, 312, 313, 314, 404),
                *(408, 410, 412, 414, 415, 503, 504, 512, 513, 516, 602, 603, 612, 614, 615, 617),
                *(619, 626, 702, 703, 704, 713, 716, 718, 801, 802, 804, 808, 813, 816, 901, 907),
            )
        ),
    ),
    _Country(
        "GB",
        ("Amelia", "Harry", "Isla", "Callum", "Nia", "Rhys", "Imogen", "Zara"),
        ("Ashworth", "Pendle", "McKay", "Llewellyn", "Fairbairn", "Shah", "Thorne"),
        (
            ("Leeds", "", "LS1 4AP"),
            ("London", "", "SE1 9GF"),
            ("Glasgow", "", "G1 1XQ"),
        ),
        (
            ("+44 20 7946 0###", "020 7946 0###"),
            ("+44 113 496 0###", "0113 496 0###"),
            ("+44 141 496 0###", "0141 496 0###"),
        ),
    ),
    _Country(
        "FR",
        ("Inès", "Hugo", "Chloé", "Rémi", "Élodie", "Théo", "Anaïs"),
        ("Moreau", "Lefèvre", "Garnier", "Roussel", "Dubois-Martin", "N'Diaye"),
        (("Nantes", "", "44000"), ("Lyon", "", "69002"), ("Paris", "", "75011")),
        (("+33 1 99 00 ## ##", "01 99 00 ## ##"), ("+33 2 61 91 ## ##", "02 61 91 ## ##")),
    ),
    _Country(
        "AU",
        ("Matilda", "Jack", "Evie", "Lachlan", "Tahlia"),
        ("Brannigan", "Kelleher", "Papadakis", "Ellery"),
        (("Fitzroy", "VIC", "3065"), ("Newtown", "NSW", "2042")),
        (("+61 2 5550 ####", "(02) 5550 ####"), ("+61 7 5550 ####", "(07) 5550 ####")),
    ),
    _Country(
        "JP",
        ("陽菜", "蓮", "葵", "悠真"),
        ("佐藤", "鈴木", "高橋", "田中"),
        (("千代田区", "東京都", "100-0001"), ("北区", "大阪府", "530-0001")),
        (),
    ),
)


def draw(number: int, profiles: int, home: str) -> Iterator[Person]:
    """Draw so many people from a seed; the first ones are the same whatever their number."""
    chance = random.Random(number)
    recent: list[rules.Values] = []
    for i in range(profiles):
        customer_id = ids.customer_id(chance)
        values, source, age = _draw(chance, i, home, recent)
        recent = [*recent[-199:], values] if values else recent
        yield Person(customer_id, values, source, age)


def _draw(
    chance: random.Random, i: int, home: str, recent: list[rules.Values]
) -> tuple[rules.Values, str, int]:
    """Draw the values, the creation source and the age of one profile."""
    age = chance.randrange(_YEARS)
    kind = chance.random()
    if kind < 0.02:
        return {}, "INSTANT_PROFILE", age
    if kind < 0.05 and recent:
        return _again(chance, chance.choice(recent), i), chance.choice(_SOURCES), age
    return _person(chance, i, home), chance.choice(_SOURCES), age


def _person(chance: random.Random, i: int, home: str) -> rules.Values:
    at_home = [country for country in _COUNTRIES if country.code == home]
    country = at_home[0] if at_home and chance.random() < 0.7 else chance.choice(_COUNTRIES)
    given, family = chance.choice(country.given), chance.choice(country.family)
    values: rules.Values = {"given_name": given, "family_name": family}
    (reach,) = chance.choices(tuple(_REACH), tuple(_REACH.values()))
    if reach == ("phone",) and not country.phones:
        reach = ("email",)
    if "email" in reach:
        name = "".join(letter for letter in f"{given}.{family}" if letter.isascii())
        name = name.replace("'", "").strip(".") or "customer"
        email = f"{name}.{i}@{chance.choice(_DOMAINS)}"
        values["email_address"] = email if chance.random() < 0.1 else email.lower()
    if "phone" in reach and country.phones:
        values["phone_number"] = _phone(chance, country, home)
    if chance.random() < 0.7:
        values |= _address(chance, country)
    if chance.random() < 0.4:
        year = 0 if chance.random() < 0.3 else chance.randrange(1940, 2008)
        values["birthday"] = f"{year:04}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    if chance.random() < 0.6:
        values["reference_id"] = f"crm-{i:06}"
    if chance.random() < 0.1:
        values["company_name"] = f"{family} {chance.choice(_COMPANIES)}"
    if chance.random() < 0.15:
        values["note"] = chance.choice(_NOTES)
    return values


def _phone(chance: random.Random, country: _Country, home: str) -> str:
    international, national = chance.choice(country.phones)
    pattern = national if country.code == home and chance.random() < 0.4 else international
    typed = "".join(str(chance.randrange(10)) if sign == "#" else sign for sign in pattern)
    return typed.replace(" ", "").replace("-", "") if chance.random() < 0.3 else typed


def _address(chance: random.Random, country: _Country) -> rules.Values:
    locality, level_1, postal_code = chance.choice(country.towns)
    address: rules.Values = {
        "address.address_line_1": f"{chance.randrange(1, 250)} {chance.choice(country.family)} St",
        "address.locality": locality,
        "address.postal_code": postal_code,
        "address.country": country.code,
    }
    if level_1:
        address["address.administrative_district_level_1"] = level_1
    return address


def _again(chance: random.Random, earlier: rules.Values, i: int) -> rules.Values:
    """The same person a second time, or another one of the same household."""
    values = {name: value for name, value in earlier.items() if not name.startswith("address.")}
    kind = chance.randrange(3)
    if kind == 0:
        values["given_name"] = (earlier.get("given_name") or "X")[0]
    elif kind == 1:
        values["given_name"] = chance.choice(_COUNTRIES[0].given)
        values.pop("email_address", None)
        values.pop("reference_id", None)
    else:
        values["reference_id"] = f"pos-{i:06}"
    return values
