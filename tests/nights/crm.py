"""What does the CRM write every night? People who come, change, vanish from the file and return."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.nights.model import Values

ROOT = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / "configs" / "nightly_crm.toml").read_text(encoding="utf-8"))
HEADERS = {name: header for header, name in CONFIG["columns"].items()}

_AREAS = ("415", "212", "312", "617", "702", "303", "206", "404", "512", "213", "305", "503")
_GIVEN = ("Ada", "Bo", "Cleo", "Dov", "Zoë", "Fay", "Gus", "Ida", "Jörg", "Kim", "Lea", "Moe")
_FAMILY = ("Abel", "Birch", "Cruz", "Dvořák", "Elm", "Frost", "Gray", "Hale", "Ives", "Jansen")
_CITIES = ("Boston", "Cambridge", "Quincy", "Salem", "Lynn")
_NOTES = ("", "", "likes tea", "=sum of all", "prefers mornings", "- no dairy -")
_NICKNAMES = ("", "Red", "Sunny", "Ace", "Doc", "Sam")
_DRINKS = ("", "tea", "coffee", "water")
_TAGS = ("VIP", "Regulars", "Spring")

# People in a file: from some number on as many leave as come.
_MOST = 55
_FOR_GOOD = 1_000_000

# Cells that Square would refuse.
_DIRT = {"email_address": "somebody@", "phone_number": "12", "given_name": "x" * 301}


@dataclass
class Night:
    """A file: its rows as they are meant, and what stands in the cells of some instead."""

    rows: list[Values]
    dirt: dict[str, dict[str, str]] = field(default_factory=dict)  # number → field → cell
    tags: dict[str, tuple[set[str], str]] | None = None

    def cells(self) -> list[dict[str, str]]:
        """Return the rows as the CRM spells them."""
        return [self._row(at, row) for at, row in enumerate(self.rows)]

    def _row(self, at: int, row: Values) -> dict[str, str]:
        number = row["reference_id"]
        spelled = {name: _spelled(name, value, at) for name, value in row.items()}
        spelled |= self.dirt.get(number, {})
        cells = {HEADERS[name]: spelled.get(name, "") for name in HEADERS}
        if self.tags is not None:
            groups, drink = self.tags[number]
            cells |= {"Tags": ", ".join(sorted(groups)), "Drink": drink}
        return cells


def _spelled(name: str, value: str, at: int) -> str:
    if name == "phone_number" and value:
        area, middle, last = value[2:5], value[5:8], value[8:]
        return (f"({area}) {middle}-{last}", f"{area}.{middle}.{last}", value)[at % 3]
    if name == "birthday" and value:
        year, month, day = value.split("-")
        return f"{month}/{day}/{year}"
    if name == "address.postal_code":
        return value.lstrip("0")  # as a spreadsheet leaves it
    return value


class Crm:
    """The people a CRM knows."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._numbers = self._phones = 0
        self.people: dict[str, Values] = {}
        self.away: dict[str, int] = {}  # number → the night on which it is back

    def person(self) -> Values:
        """Enter somebody new."""
        number, pick = self._numbers, self._chance.choice
        self._numbers += 1
        row = {
            "reference_id": f"C{1000 + number}",
            "given_name": _GIVEN[number % len(_GIVEN)],
            "family_name": f"{_FAMILY[number % len(_FAMILY)]}",
            "nickname": pick(_NICKNAMES),
            "email_address": f"person{number}@example.com",
            "phone_number": self.phone(),
            "birthday": f"19{50 + number % 40}-{1 + number % 12:02}-{1 + number % 28:02}",
            "address.locality": pick(_CITIES),
            "address.postal_code": f"02{130 + number % 60}",
            "address.administrative_district_level_1": "MA",
            "address.country": "US",
            "note": pick(_NOTES),
        }
        self.people[row["reference_id"]] = row
        return row

    def phone(self) -> str:
        """Return a number of the ranges set aside for fiction that nobody has."""
        area, last = divmod(self._phones, 100)
        self._phones += 1
        return f"+1{_AREAS[area]}5550{100 + last}"

    def changes(self, night: int, untouchable: Collection[str], met: list[str]) -> None:
        """Let a day pass in the CRM.

        Somebody new may have one of the emails that Square has ``met``; nothing changes of those
        who are ``untouchable``.
        """
        chance = self._chance
        taken = {row["email_address"] for row in self.people.values()}
        met = [email for email in met if email not in taken]
        for number in [number for number, back in self.away.items() if back <= night]:
            del self.away[number]
        known = [number for number in self.people if number not in untouchable]
        self.person()
        if chance.random() < 0.6:
            row = self.person()
            if met and chance.random() < 0.5:
                row["email_address"] = chance.choice(met)
        for number in chance.sample(known, min(5, len(known))):
            name = chance.choice(("nickname", "address.locality", "email_address", "phone_number"))
            self.people[number][name] = self._news(name, number, night)
        if chance.random() < 0.6:
            for number in chance.sample(known, min(2, len(known))):
                self.away[number] = night + chance.randint(1, 6)
        there = [number for number in known if number not in self.away]
        for number in chance.sample(there, max(0, len(self.people) - len(self.away) - _MOST)):
            self.away[number] = _FOR_GOOD

    def _news(self, name: str, number: str, night: int) -> str:
        if name == "phone_number":
            return self.phone()
        if name == "email_address":
            return f"{number.lower()}.{night}@example.org"
        return self._chance.choice(_NICKNAMES[1:] if name == "nickname" else _CITIES)

    def file(self) -> Night:
        """Return tonight's file; somebody may be in it twice."""
        rows = [dict(row) for number, row in self.people.items() if number not in self.away]
        self._chance.shuffle(rows)
        if self._chance.random() < 0.3:
            rows.append({**self._chance.choice(rows), "nickname": "Twice"})
        return Night(rows)

    def tagged(self) -> Night:
        """Return tonight's file with groups and drinks."""
        night, chance = self.file(), self._chance
        numbers = dict.fromkeys(row["reference_id"] for row in night.rows)
        night.tags = {
            number: (set(chance.sample(_TAGS, chance.randint(0, 2))), chance.choice(_DRINKS))
            for number in numbers
        }
        return night

    def soil(self, night: Night, count: int, untouchable: Collection[str] = ()) -> None:
        """Spoil the rows of so many people."""
        numbers = [n for row in night.rows if (n := row["reference_id"]) not in untouchable]
        for number in self._chance.sample(sorted({*numbers}), count):
            name = self._chance.choice(list(_DIRT))
            night.dirt[number] = {name: _DIRT[name]}


def mended(rejects: list[dict[str, str]], night: Night) -> list[dict[str, str]]:
    """Return a file of rejects with the cells as they are meant."""
    meant = {row["reference_id"]: row for row in night.rows}
    return [_mended(row, meant[row[HEADERS["reference_id"]]], night.dirt) for row in rejects]


def _mended(
    row: dict[str, str], meant: Values, dirt: Mapping[str, dict[str, str]]
) -> dict[str, str]:
    return row | {HEADERS[n]: meant[n] for n in dirt[meant["reference_id"]]}
