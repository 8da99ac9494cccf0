"""Where do made-up customers come from, clean and dirty, in any number?

A seeded stream of invented people of several countries, written the way CRM exports write them,
with the damage such files carry. Every row says what was done to it, so that a test or a benchmark
knows about how many rows of each kind to expect::

    python benchmarks/people.py --rows 100000 --seed 7 --dirty 0.08 --duplicates 0.05 people.csv

The material is in ``people.toml``. Only ``random.random`` is drawn on, whose sequence Python keeps
from version to version: the same seed gives the same people, and a shorter stream is the beginning
of a longer one. Damage that spoils a whole file (an unclosed quote, dates of both orders in one
column, two headers alike, cells over 1 MiB) is left to the tests that need it.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, TypeVar

Draw = Callable[[], float]
Text = dict[str, str]
_T = TypeVar("_T")

# The neutral layout: headers that are recognised without a config, and what each holds.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("Customer ID", "reference"),
    ("First name", "given"),
    ("Last name", "family"),
    ("Nickname", "nickname"),
    ("Company", "company"),
    ("Email", "email"),
    ("Phone", "phone"),
    ("Birthday", "birthday"),
    ("Address 1", "street"),
    ("Address 2", "unit"),
    ("City", "city"),
    ("State", "state"),
    ("Postal code", "postcode"),
    ("Country", "country"),
    ("Note", "note"),
)

_DOMAINS = (
    *("example.com",) * 4,
    "example.org",
    "example.net",
    "mail.example.com",
    "shop.example.org",
)
_NICKNAMES = ("Bee", "Coco", "Doc", "Jo", "Kit", "Mo", "Red", "Sunny", "Tex", "Ziggy")
_TRADES = ("Bakery", "Books", "Ceramics", "Cycles", "Florists", "Joinery", "Looms", "Optics")
_UNITS = ("Apt 4", "Unit 12", "2nd floor", "Suite 300", "Rear building", "c/o Reception")
_NOTES = (
    "Prefers mornings",
    "Orders by phone, pays in the shop",
    "Likes the window table",
    "Gift card in December",
    "Asks for a paper receipt",
    "Met at the spring market; wants the catalogue",
    "Café regular",
)
_OLDEST = date(1935, 1, 1).toordinal()
_BIRTHDAYS = date(2007, 12, 31).toordinal() - _OLDEST
_REMEMBERED = 500
_BATCH = 20_000


class Country(NamedTuple):
    """One section of ``people.toml``."""

    code: str
    share: int
    calling_code: str
    trunk: str
    groups: tuple[int, ...]
    ranges: tuple[tuple[tuple[str, ...], int], ...]
    given: tuple[str, ...]
    family: tuple[str, ...]
    places: tuple[tuple[str, str, str], ...]
    street: str
    streets: tuple[str, ...]
    firms: tuple[str, ...]
    named: tuple[str, ...]


class Person(NamedTuple):
    """One invented customer, undamaged; the phone is E.164 and empty text means none."""

    reference: str
    given: str
    family: str
    nickname: str
    company: str
    email: str
    phone: str
    birthday: date | None
    street: str
    unit: str
    city: str
    state: str
    postcode: str
    country: str
    note: str


class Style(NamedTuple):
    """How one system writes dates and phones; phones of ``region`` lack the country code."""

    dates: Literal["MDY", "DMY", "YMD"] = "MDY"
    region: str = "US"
    phones: Literal["typed", "E.164"] = "typed"


class Row(NamedTuple):
    """One row of a file: what was done to it, who it is, and what the file says."""

    kind: str
    person: Person
    text: Text


class Dirt(NamedTuple):
    """One kind of damage.

    ``effect`` is what the contract promises under default settings: the row is rejected, or comes
    in repaired, with a note, or as it is (none). ``code`` is the code to be found in the ledger.
    """

    name: str
    effect: Literal["reject", "repair", "note", "none"]
    code: str
    do: Callable[[Text, Person, Style, Draw], None]
    country: str = ""  # only people of this country can have it


def _pick(draw: Draw, among: Sequence[_T]) -> _T:
    return among[int(draw() * len(among))]


def _ranges(patterns: Iterable[str], areas: Sequence[str]) -> Iterator[tuple[tuple[str, ...], int]]:
    for pattern in patterns:
        prefix = pattern.rstrip("#")
        spread = areas if "{area}" in prefix else ("",)
        yield tuple(prefix.format(area=area) for area in spread), len(pattern) - len(prefix)


def _countries() -> dict[str, Country]:
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        sections = tomllib.load(file)
    return {
        code: Country(
            code=code,
            share=section["share"],
            calling_code=section["calling_code"],
            trunk=section["trunk"],
            groups=tuple(section["groups"]),
            ranges=tuple(_ranges(section["phones"], section["areas"])),
            given=tuple(section["given"]),
            family=tuple(section["family"]),
            places=tuple((city, state, zip_) for city, state, zip_ in section["places"]),
            street=section["street"],
            streets=tuple(section["streets"]),
            firms=tuple(section["firms"]),
            named=tuple(section["named"]),
        )
        for code, section in sections.items()
    }


COUNTRIES = _countries()
_LOTTERY = tuple(code for code, country in COUNTRIES.items() for _ in range(country.share))


def phone(country: Country, serial: int) -> str:
    """Return the phone number with this serial in E.164; no two serials share a number."""
    for prefixes, digits in country.ranges:
        if serial < len(prefixes) * 10**digits:
            # 101 and 37 have no factor in common with the number of prefixes and of tails, so that
            # both walks visit everything once.
            which = serial * 101 % len(prefixes)
            tail = (serial // len(prefixes) * 37 + which * 59 + 48) % 10**digits
            return f"{prefixes[which]}{tail:0{digits}d}"
        serial -= len(prefixes) * 10**digits
    raise ValueError(f"{country.code} has no phone numbers left")


def invalid_ranges() -> list[str]:
    """Return sample numbers of the phone ranges that ``phonenumbers`` refuses: none, hopefully."""
    import phonenumbers  # heavy, and not needed to make people

    samples = [
        f"{prefix}{tail:0{digits}d}"
        for country in COUNTRIES.values()
        for prefixes, digits in country.ranges
        for prefix in prefixes
        for tail in (0, 10**digits // 2, 10**digits - 1)
    ]
    return [text for text in samples if not phonenumbers.is_valid_number(phonenumbers.parse(text))]


def _mailbox(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub("[^a-z]", "", plain.lower()) or "customer"


_MAILBOXES = {
    name: _mailbox(name)
    for country in COUNTRIES.values()
    for name in (*country.given, *country.family)
}


def _postcode(pattern: str, draw: Draw) -> str:
    # The letters that every country with letters in its postal codes uses.
    letters = "ABEHJLNPRSTWXY"
    return "".join(
        str(int(draw() * 10)) if sign == "#" else _pick(draw, letters) if sign == "@" else sign
        for sign in pattern
    )


def _person(serial: int, country: Country, number: int, draw: Draw) -> Person:
    given = _pick(draw, country.given)
    family = _pick(draw, country.family)
    city, state, postcode = _pick(draw, country.places)
    mailbox = f"{_MAILBOXES[given]}.{_MAILBOXES[family]}.{serial}"
    chance = draw()
    return Person(
        f"C{100_000 + serial}",
        given,
        family,
        _pick(draw, _NICKNAMES) if chance < 0.08 else "",
        f"{family} {_pick(draw, _TRADES)} {_pick(draw, country.firms)}" if chance > 0.8 else "",
        f"{mailbox}@{_pick(draw, _DOMAINS)}" if draw() < 0.9 else "",
        phone(country, number) if draw() < 0.88 else "",
        date.fromordinal(_OLDEST + int(draw() * _BIRTHDAYS)) if draw() < 0.65 else None,
        country.street.format(number=1 + int(draw() * 180), name=_pick(draw, country.streets)),
        _pick(draw, _UNITS) if draw() < 0.15 else "",
        city,
        state,
        _postcode(postcode, draw),
        country.code,
        _pick(draw, _NOTES) if draw() < 0.25 else "",
    )


def national(person: Person) -> str:
    """Return the digits of the person's phone without country code and trunk prefix."""
    return person.phone[1 + len(COUNTRIES[person.country].calling_code) :]


def _grouped(person: Person) -> list[str]:
    digits, groups = national(person), []
    for size in COUNTRIES[person.country].groups:
        groups.append(digits[:size])
        digits = digits[size:]
    groups[-1] += digits
    return groups


def _typed_phone(person: Person, style: Style, draw: Draw) -> str:
    habit = draw()
    if not person.phone or style.phones == "E.164" or habit < 0.35:
        return person.phone
    country = COUNTRIES[person.country]
    groups = _grouped(person)
    if country.calling_code != COUNTRIES[style.region].calling_code or habit < 0.45:
        return f"+{country.calling_code} {' '.join(groups)}"
    if country.calling_code != "1":
        return country.trunk + " ".join(groups)
    if habit < 0.7:
        return f"({groups[0]}) {groups[1]}-{groups[2]}"
    return ("-" if habit < 0.85 else ".").join(groups)


def write_date(day: date, style: Style) -> str:
    """Write a date in the order of the style."""
    if style.dates == "YMD":
        return f"{day.year}-{day.month:02d}-{day.day:02d}"
    if style.dates == "MDY":
        return f"{day.month:02d}/{day.day:02d}/{day.year}"
    return f"{day.day:02d}.{day.month:02d}.{day.year}"


def written(person: Person, style: Style, draw: Draw) -> Text:
    """Return the person as a file of this style shows them."""
    text: Text = person._asdict()
    text["phone"] = _typed_phone(person, style, draw)
    text["birthday"] = write_date(person.birthday, style) if person.birthday else ""
    return text


# The damage: each function changes the text of one row; the table below says what to expect.


def _choose(field: str, *values: str) -> Callable[[Text, Person, Style, Draw], None]:
    """Return damage that puts one of the values in place of a field."""

    def do(text: Text, person: Person, style: Style, draw: Draw) -> None:
        text[field] = _pick(draw, values)

    return do


def _phone_as(*forms: str) -> Callable[[Text, Person, Style, Draw], None]:
    """Return damage that writes the phone in one of the forms.

    ``{e164}`` and ``{national}`` are the phone, ``{a}``, ``{b}`` and ``{c}`` its first groups,
    ``{next}`` the number after it.
    """

    def do(text: Text, person: Person, style: Style, draw: Draw) -> None:
        digits = national(person)
        a, b, c, *_ = _grouped(person)
        text["phone"] = _pick(draw, forms).format(
            e164=person.phone,
            national=digits,
            a=a,
            b=b,
            c=c,
            next=digits[:-1] + str((int(digits[-1]) + 1) % 10),
            first=digits[0],
            rest=digits[1:],
            rounded=digits[1:6],
            power=len(digits) - 1,
        )

    return do


def _email_as(*forms: str) -> Callable[[Text, Person, Style, Draw], None]:
    """Return damage that writes the email in one of the forms; ``{box}`` is its local part."""

    def do(text: Text, person: Person, style: Style, draw: Draw) -> None:
        box = person.email.partition("@")[0]
        text["email"] = _pick(draw, forms).format(email=person.email, box=box, phone=person.phone)

    return do


def _padded(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["given"] = f"  {person.given} "
    text["email"] = f" {person.email}\t"
    text["city"] = f"\u00a0{person.city}\u00a0"


def _nfd(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["given"] = unicodedata.normalize("NFD", _pick(draw, ("Zoë", "José", "Renée", "Benoît")))
    text["family"] = unicodedata.normalize("NFD", _pick(draw, ("Peña", "Müller", "Hébert")))


def _empty_markers(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["nickname"] = _pick(draw, ("N/A", "n/a", "NULL", "none", "-"))
    text["company"] = _pick(draw, ("N/A", "null", "None", "-"))


def _apostrophes(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["phone"] = f"'{person.phone}"
    text["reference"] = f"'{person.reference}"
    text["postcode"] = f"'{person.postcode}"


def _decimals(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["phone"] = f"{national(person)}.0"
    text["postcode"] = f"{int(person.postcode)}.0"


def _short_postcode(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text |= _pick(
        draw,
        (
            {"city": "Boston", "state": "MA", "postcode": "2134"},
            {"city": "Hartford", "state": "CT", "postcode": "6103"},
            {"city": "Newark", "state": "NJ", "postcode": "7102"},
        ),
    )


def _yearless(text: Text, person: Person, style: Style, draw: Draw) -> None:
    written_out = write_date(date(1988, 4, 13 + int(draw() * 15)), style)
    text["birthday"] = written_out.replace("1988", "").strip("/-")


def _impossible_date(text: Text, person: Person, style: Style, draw: Draw) -> None:
    year, month, day = _pick(draw, ((1990, 2, 30), (1985, 4, 31), (1991, 2, 29), (2001, 11, 31)))
    # Written in the column's own order, so that it does not speak for another one.
    order = {"MDY": f"{month:02d}/{day}/{year}", "DMY": f"{day}.{month:02d}.{year}"}
    text["birthday"] = order.get(style.dates, f"{year}-{month:02d}-{day}")


def _both_below_13(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["birthday"] = write_date(date(1990, 3, 4), style)


def _two_digit_year(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["birthday"] = write_date(date(1986, 4, 13 + int(draw() * 15)), style).replace("1986", "86")


def _with_time(text: Text, person: Person, style: Style, draw: Draw) -> None:
    day = person.birthday or date(1979, 10, 27)
    text["birthday"] = f"{write_date(day, style)} 00:00:00"


def _too_long(text: Text, person: Person, style: Style, draw: Draw) -> None:
    limits = (
        ("given", 300),
        ("family", 300),
        ("nickname", 100),
        ("company", 500),
        ("reference", 100),
        ("street", 500),
        ("city", 300),
        ("state", 200),
        ("postcode", 12),
    )
    field, limit = _pick(draw, limits)
    text[field] = f"{text[field] or person.family}{'Rhabarber' * 60}"[: limit + 1]


def _at_limit(text: Text, person: Person, style: Style, draw: Draw) -> None:
    # Two code points that show as one sign, and one outside the basic plane.
    text["nickname"] = "\u0923\u093f😀" * 33 + "z"
    text["company"] = person.company.ljust(500, "Ω")
    text["reference"] = f"{person.reference}-".ljust(100, "0")


def _invisible(text: Text, person: Person, style: Style, draw: Draw) -> None:
    field = _pick(draw, ("email", "phone", "reference"))
    if field == "email":
        text["email"] = person.email.replace("@", "\u200b@")
    elif field == "phone":
        text["phone"] = f"\u202a{person.phone}\u202c"
    else:
        text["reference"] = f"{person.reference}\u200d"


def _no_identity(text: Text, person: Person, style: Style, draw: Draw) -> None:
    for field in ("reference", "given", "family", "company", "email", "phone"):
        text[field] = ""


def _country_name(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["country"] = _pick(draw, COUNTRIES[person.country].named)


def _namibia(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text |= {"country": "NA", "city": "Windhoek", "state": "", "postcode": "", "phone": ""}


def _mojibake(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["given"] = "José".encode().decode("cp1252")


def _shouting(text: Text, person: Person, style: Style, draw: Draw) -> None:
    text["given"], text["family"] = person.given.upper(), person.family.upper()


def _as_is(text: Text, person: Person, style: Style, draw: Draw) -> None:
    """What is wrong with a ragged row is done by ``cells``."""


DIRT: tuple[Dirt, ...] = (
    Dirt("padded", "repair", "TRIMMED", _padded),
    Dirt("nfd", "repair", "UNICODE_COMPOSED", _nfd),
    Dirt("empty_markers", "repair", "EMPTY_MARKER", _empty_markers),
    Dirt("apostrophes", "repair", "SPREADSHEET_REPAIRED", _apostrophes),
    Dirt("formula_wrapper", "repair", "SPREADSHEET_REPAIRED", _phone_as('="{national}"'), "US"),
    Dirt("decimals", "repair", "SPREADSHEET_REPAIRED", _decimals, "US"),
    Dirt(
        "exponent_whole",
        "repair",
        "SPREADSHEET_REPAIRED",
        _phone_as("{first}.{rest}E+{power:02d}"),
        "US",
    ),
    Dirt(
        "exponent_rounded",
        "reject",
        "SPREADSHEET_NUMBER",
        _phone_as("{first}.{rounded}E+{power:02d}"),
        "US",
    ),
    Dirt(
        "rounded_reference",
        "reject",
        "SPREADSHEET_NUMBER",
        _choose("reference", "1.23457E+17", "7.01235E+12"),
    ),
    Dirt("short_postcode", "note", "SHORT_POSTAL_CODE", _short_postcode, "US"),
    Dirt("serial_date", "reject", "SPREADSHEET_DATE", _choose("birthday", "31148", "27905")),
    Dirt("postcode_as_date", "reject", "SPREADSHEET_DATE", _choose("postcode", "Mar-94", "11-Feb")),
    Dirt(
        "invalid_phone",
        "reject",
        "INVALID_PHONE_NUMBER",
        _phone_as(
            "555-0148", "12", "+1 415 555 01", "({a}) 55-{c}", "{e164}{national}", "call after five"
        ),
    ),
    Dirt(
        "placeholder_phone",
        "reject",
        "INVALID_PHONE_NUMBER",
        _choose("phone", "0000000000", "1234567890", "9999999999"),
    ),
    Dirt(
        "extension",
        "repair",
        "EXTENSION_CUT",
        _phone_as("({a}) {b}-{c} x12", "{e164} ext. 417", "{a}-{b}-{c} ext 3"),
        "US",
    ),
    Dirt(
        "several_phones",
        "reject",
        "MULTIPLE_VALUES",
        _phone_as("{a}-{b}-{c} / {next}", "{national}; {next}", "{national}\n{next}"),
        "US",
    ),
    Dirt("lost_plus", "repair", "PHONE_FORMATTED", _phone_as("1{national}"), "US"),
    Dirt("vanity_letters", "repair", "PHONE_FORMATTED", _phone_as("{a}-JKL-{c}"), "US"),
    Dirt("trunk_zero", "repair", "PHONE_FORMATTED", _phone_as("+44 (0){a} {b} {c}"), "GB"),
    Dirt("dialled_abroad", "repair", "PHONE_FORMATTED", _phone_as("011 44 {a} {b} {c}"), "GB"),
    Dirt(
        "invalid_email",
        "reject",
        "INVALID_EMAIL_ADDRESS",
        _email_as(
            "{box}@", "{box}.example.com", "{box}@@example.com", "{box}@example..com", "two {email}"
        ),
    ),
    Dirt(
        "decorated_email",
        "reject",
        "INVALID_EMAIL_ADDRESS",
        _email_as("mailto:{email}", "<{email}>", "{email};"),
    ),
    Dirt(
        "several_emails",
        "reject",
        "INVALID_EMAIL_ADDRESS",
        _email_as("{email}; {box}.2@example.org", "{email}, {box}.2@example.org"),
    ),
    Dirt("phone_as_email", "reject", "INVALID_EMAIL_ADDRESS", _email_as("{phone}")),
    Dirt("too_long", "reject", "VALUE_TOO_LONG", _too_long),
    Dirt("at_limit", "none", "", _at_limit),
    Dirt("impossible_date", "reject", "INVALID_TIME", _impossible_date),
    Dirt("hashes", "reject", "INVALID_TIME", _choose("birthday", "########")),
    Dirt("zero_date", "repair", "EMPTY_MARKER", _choose("birthday", "0/0/00", "0000-00-00")),
    Dirt("ambiguous_date", "repair", "DATE_FORMATTED", _both_below_13),
    Dirt("yearless", "repair", "DATE_FORMATTED", _yearless),
    Dirt("two_digit_year", "reject", "AMBIGUOUS_DATE", _two_digit_year),
    Dirt("date_with_time", "repair", "DATE_FORMATTED", _with_time),
    Dirt(
        "date_in_words",
        "repair",
        "DATE_FORMATTED",
        _choose("birthday", "April 17", "17. April", "5-Apr"),
    ),
    Dirt(
        "unknown_country",
        "reject",
        "INVALID_ENUM_VALUE",
        _choose("country", "Atlantis", "Ruritania", "XX", "Planet Earth"),
    ),
    Dirt("country_name", "repair", "COUNTRY_CODED", _country_name),
    Dirt("namibia", "none", "", _namibia),
    Dirt("invisible_in_key", "reject", "INVISIBLE_CHARACTER", _invisible),
    Dirt("nul_character", "reject", "NUL_CHARACTER", _choose("note", "cut\x00off")),
    Dirt("no_identity", "reject", "BAD_REQUEST", _no_identity),
    Dirt("surname_null", "none", "", _choose("family", "Null")),
    Dirt("mojibake", "note", "MOJIBAKE_SUSPECTED", _mojibake),
    Dirt("shouting", "none", "", _shouting),
    Dirt(
        "quoted_newline",
        "none",
        "",
        _choose(
            "note", 'Said "call me", twice\nLeave at the back door', "First\r\n\r\nThird, line"
        ),
    ),
    Dirt(
        "formula_like",
        "none",
        "",
        _choose("note", "=1+1", "-10% agreed", "@home on Fridays", "+ one guest"),
    ),
    Dirt("ragged_long", "reject", "RAGGED_ROW", _as_is),
    Dirt("ragged_short", "reject", "RAGGED_ROW", _as_is),
)

# Duplicates join the earlier row they repeat. Two rows of a household share a phone under different
# names: without references a person has to say who is who, with two references they are two people.
DUPLICATES = ("duplicate_email", "duplicate_phone", "duplicate_reference")
HOUSEHOLD = "household"
HOUSEHOLD_NUMBERED = "household_numbered"
HOUSEHOLDS = (HOUSEHOLD, HOUSEHOLD_NUMBERED)
RAGGED = frozenset({"ragged_long", "ragged_short"})


def without(*names: str) -> tuple[Dirt, ...]:
    """Return the table of damage less these kinds."""
    return tuple(dirt for dirt in DIRT if dirt.name not in names)


def only(*names: str) -> tuple[Dirt, ...]:
    """Return these kinds of damage, in the order of the table."""
    unknown = set(names) - {dirt.name for dirt in DIRT}
    if unknown:
        raise ValueError(f"no such dirt: {', '.join(sorted(unknown))}")
    return tuple(dirt for dirt in DIRT if dirt.name in names)


def _repeated(person: Person, how: str, style: Style, draw: Draw) -> Row:
    """Show a person once more, recognisable by one key alone, in another form of it."""
    bare = person._replace(reference="", email="", phone="")
    if how == "duplicate_email":
        text = written(bare, style, draw)
        text["email"] = person.email.upper()
    elif how == "duplicate_phone":
        text = written(bare, style, draw)
        code = COUNTRIES[person.country].calling_code
        text["phone"] = f"+{code}-{'-'.join(_grouped(person))}"
    else:
        text = written(bare, style, draw)
        text["reference"] = person.reference
    return Row(how, person, text)


def _household(person: Person, kind: str, style: Style, draw: Draw) -> Iterator[Row]:
    """Show a person and one who shares the phone, the house and the family name."""
    names = COUNTRIES[person.country].given
    given = names[(names.index(person.given) + 1) % len(names)]
    other = person._replace(
        reference=f"{person.reference}B",
        given=given,
        email=f"{_MAILBOXES[given]}.{person.email}",
        birthday=None,
    )
    for member in (person, other):
        text = written(member, style, draw)
        if kind == HOUSEHOLD:
            text["reference"] = ""
        yield Row(kind, member, text)


def stream(
    seed: int,
    *,
    dirty: float = 0.08,
    duplicates: float = 0.05,
    households: float = 0.002,
    dirt: Sequence[Dirt] = DIRT,
    style: Style | None = None,
    first: int = 0,
) -> Iterator[Row]:
    """Yield rows without end.

    ``first`` is the serial number of the first person: streams whose serials do not meet share
    nobody, and no phone and no email. ``dirty`` and ``duplicates`` are shares of all rows;
    ``households`` is the share of draws that give two rows with one phone. The kinds of damage take
    turns, so each occurs equally often.
    """
    style = style or Style()
    draw = Random(seed).random
    kinds, ways, families = cycle(dirt), cycle(DUPLICATES), cycle(HOUSEHOLDS)
    issued = dict.fromkeys(COUNTRIES, first)
    known: list[Person] = []  # the last clean people with every key, for duplicates

    def new(serial: int, code: str = "") -> Person:
        country = COUNTRIES[code or _pick(draw, _LOTTERY)]
        issued[country.code] += 1
        return _person(serial, country, issued[country.code] - 1, draw)

    def new_with_keys(serial: int, code: str = "") -> Person:
        while not ((person := new(serial, code)).email and person.phone):
            pass
        return person

    for serial in itertools.count(first):
        lot = draw()
        if lot < dirty:
            kind = next(kinds)
            person = new_with_keys(serial, kind.country)
            text = written(person, style, draw)
            kind.do(text, person, style, draw)
            yield Row(kind.name, person, text)
        elif lot < dirty + duplicates and known:
            yield _repeated(_pick(draw, known), next(ways), style, draw)
        elif lot > 1 - households:
            yield from _household(new_with_keys(serial), next(families), style, draw)
        else:
            person = new(serial)
            if person.email and person.phone:
                if len(known) < _REMEMBERED:
                    known.append(person)
                else:
                    known[serial % _REMEMBERED] = person
            yield Row("clean", person, written(person, style, draw))


def cells(row: Row, keys: Sequence[str]) -> list[str]:
    """Return the cells of a row in file order; ragged rows have too many or too few."""
    text = row.text
    values = [text[key] for key in keys]
    if row.kind == "ragged_long":
        return [*values, "stray"]
    return values[:-2] if row.kind == "ragged_short" else values


def write_csv(rows: Iterable[Row], out: Path) -> Counter[str]:
    """Write rows in the neutral layout; return how many of each kind."""
    keys = [key for _, key in COLUMNS]
    counts: Counter[str] = Counter()
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([header for header, _ in COLUMNS])
        for row in rows:
            counts[row.kind] += 1
            writer.writerow(cells(row, keys))
    return counts


def write_parquet(rows: Iterator[Row], out: Path) -> Counter[str]:
    """Write rows as Parquet, all columns text; return how many of each kind."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(header, pa.string()) for header, _ in COLUMNS])
    counts: Counter[str] = Counter()
    with pq.ParquetWriter(out, schema) as writer:
        while batch := list(itertools.islice(rows, _BATCH)):
            counts.update(row.kind for row in batch)
            columns = [[row.text[key] for row in batch] for _, key in COLUMNS]
            writer.write_table(pa.table(columns, schema=schema))
    return counts


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a file of made-up people and print how many rows of each kind it has."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dirty", type=float, default=0.08, help="share of damaged rows")
    parser.add_argument("--duplicates", type=float, default=0.05, help="share of repeated people")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    given = parser.parse_args(arguments)
    if bad := invalid_ranges():
        parser.error(f"phonenumbers no longer accepts these ranges of people.toml: {bad}")
    # A Parquet row cannot be ragged.
    dirt = DIRT if given.format == "csv" else without(*RAGGED)
    people = stream(given.seed, dirty=given.dirty, duplicates=given.duplicates, dirt=dirt)
    rows = itertools.islice(people, given.rows)
    counts = (write_csv if given.format == "csv" else write_parquet)(rows, given.out)
    print(json.dumps({"rows": given.rows, "kinds": dict(counts.most_common())}, indent=2))


if __name__ == "__main__":
    main()
