"""Which sample files are there, and how were they made?

Writes every file of this folder from one seed; run it from anywhere::

    python sample_data/make.py

All people are invented (see ``benchmarks/people.py``); the layouts are those of real exports.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from benchmarks import people  # noqa: E402  (the folder above must be known first)

SEED = 20_260_401

CRM_COLUMNS = (*people.COLUMNS, ("Email opt-out", "opt_out"))

SHOPIFY_COLUMNS = (
    ("Customer ID", "id"),
    ("First Name", "given"),
    ("Last Name", "family"),
    ("Email", "email"),
    ("Accepts Email Marketing", "accepts_email"),
    ("Default Address Company", "company"),
    ("Default Address Address1", "street"),
    ("Default Address Address2", "unit"),
    ("Default Address City", "city"),
    ("Default Address Province Code", "state"),
    ("Default Address Country Code", "country"),
    ("Default Address Zip", "postcode"),
    ("Default Address Phone", "address_phone"),
    ("Phone", "own_phone"),
    ("Accepts SMS Marketing", "accepts_sms"),
    ("Total Spent", "spent"),
    ("Total Orders", "orders"),
    ("Note", "note"),
    ("Tax Exempt", "tax_exempt"),
    ("Tags", "tags"),
)

SQUARE_COLUMNS = (
    ("Reference ID", "reference"),
    ("First Name", "given"),
    ("Last Name", "family"),
    ("Email Address", "email"),
    ("Phone Number", "phone"),
    ("Nickname", "nickname"),
    ("Company Name", "company"),
    ("Street Address 1", "street"),
    ("Street Address 2", "unit"),
    ("City", "city"),
    ("State", "state"),
    ("Postal Code", "postcode"),
    ("Birthday", "birthday"),
    ("Memo", "note"),
    ("Square Customer ID", "square_id"),
    ("Creation Source", "source"),
    ("First Visit", "first_visit"),
    ("Last Visit", "last_visit"),
    ("Transaction Count", "visits"),
    ("Lifetime Spend", "spend"),
    ("Email Subscription Status", "subscription"),
    ("Instant Profile", "instant"),
    ("Blocked from online booking", "blocked"),
)

_PLACES = ("Street", "Street 2", "Street 3", "City", "State", "Postal Code", "Country/Region")
OUTLOOK_HEADER = (
    *("Title", "First Name", "Middle Name", "Last Name", "Suffix"),
    *("Company", "Department", "Job Title"),
    *(f"{where} {part}" for where in ("Business", "Home", "Other") for part in _PLACES),
    *("Business Phone", "Business Phone 2", "Home Phone", "Home Phone 2", "Mobile Phone"),
    *("Other Phone", "Primary Phone", "Birthday", "Categories"),
    *("E-mail Address", "E-mail Type", "E-mail Display Name", "E-mail 2 Address"),
    *("Gender", "Notes", "Web Page"),
)

# Shopify writes Japanese prefectures by their ISO 3166-2 code.
_PREFECTURES = {"東京都": "JP-13", "京都府": "JP-26", "北海道": "JP-01", "福岡県": "JP-40"}
_TAGS = ("VIP", "newsletter", "wholesale", "local pickup", "spring market")


class Sample(NamedTuple):
    """One sample file: what it shows, its rows, and its bytes."""

    name: str
    shows: str
    counts: Counter[str]
    content: bytes


def _some(draw: people.Draw, *among: str) -> str:
    return among[int(draw() * len(among))]


def _table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    delimiter: str = ",",
    line_end: str = "\n",
    encoding: str = "utf-8",
) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def _laid_out(
    columns: Sequence[tuple[str, str]], rows: Iterable[people.Row]
) -> tuple[list[str], list[list[str]]]:
    keys = [key for _, key in columns]
    return [header for header, _ in columns], [people.cells(row, keys) for row in rows]


def _opted_out(row: people.Row) -> people.Row:
    number = int(re.sub("[^0-9]", "", row.person.reference))
    row.text["opt_out"] = "yes" if number % 9 == 0 else "no"
    return row


def crm_rows() -> Iterator[people.Row]:
    """Yield the people of the neutral CRM without end: the first night, then the next ones."""
    # A NUL would make the file binary in the eyes of diff and grep.
    dirt = people.without("nul_character")
    rows = people.stream(SEED, dirty=0.28, duplicates=0.06, households=0.02, dirt=dirt)
    return map(_opted_out, rows)


FIRST_NIGHT = 640
NEW_TOMORROW = 36


def crm_export() -> Sample:
    """Return tonight's export of the neutral CRM, the dirtiest file."""
    rows = list(itertools.islice(crm_rows(), FIRST_NIGHT))
    header, lines = _laid_out(CRM_COLUMNS, rows)
    return Sample(
        "crm_export.csv",
        "A neutral CRM's export for a nightly job, with all the damage such files carry: UTF-8 "
        "with BOM, CRLF, birthdays `MM/DD/YYYY`, most phones as typed by people in the US, line "
        "breaks inside notes. Goes with `configs/nightly_crm.toml`.",
        Counter(row.kind for row in rows),
        _table(header, lines, line_end="\r\n", encoding="utf-8-sig"),
    )


def second_night() -> Sample:
    """Return tomorrow's export of the same CRM."""
    rows = list(itertools.islice(crm_rows(), FIRST_NIGHT + NEW_TOMORROW))
    repeated = {row.person.reference for row in rows if row.kind in people.DUPLICATES}
    draw = Random(SEED + 1).random
    counts: Counter[str] = Counter()
    kept = []
    for number, row in enumerate(rows):
        lot = draw()
        fate = "same"
        if number >= FIRST_NIGHT:
            fate = "new"
        elif row.kind == "clean" and row.person.reference not in repeated:
            fate = "gone" if lot < 0.02 else "changed" if lot < 0.12 else "same"
        counts[fate] += 1
        if fate == "changed":
            _change(row, number, draw)
        if fate != "gone":
            kept.append(row)
    header, lines = _laid_out(CRM_COLUMNS, kept)
    return Sample(
        "second_night.csv",
        "The next night's export of the same CRM, written the same way: a few people moved, "
        "changed their phone, company or note, a few are gone, some are new. Import it after "
        "`crm_export.csv` with `configs/nightly_crm.toml`.",
        counts,
        _table(header, lines, line_end="\r\n", encoding="utf-8-sig"),
    )


def _change(row: people.Row, number: int, draw: people.Draw) -> None:
    what = _some(draw, "address", "phone", "company", "note")
    if what == "address":
        row.text.update(street=f"{row.person.street} B", unit="Top floor")
    elif what == "phone":
        # Far behind the numbers given to anybody else in these files.
        row.text["phone"] = people.phone(people.COUNTRIES[row.person.country], 4000 + number)
    elif what == "company":
        row.text["company"] = f"{row.person.family} & Partners"
    else:
        row.text["note"] = "Called back on Monday; wants the new catalogue"


def crm_table() -> pa.Table:
    """Return the people of ``crm_export.csv`` undamaged and once each, birthdays as dates."""
    rows = itertools.islice(crm_rows(), FIRST_NIGHT)
    distinct = [row for row in rows if row.kind not in people.DUPLICATES]
    columns: dict[str, pa.Array] = {}
    for header, key in CRM_COLUMNS:
        if key == "opt_out":
            columns[header] = pa.array([row.text[key] for row in distinct], pa.string())
            continue
        kind = pa.date32() if key == "birthday" else pa.string()
        values = [getattr(row.person, key) or None for row in distinct]
        columns[header] = pa.array(values, kind)
    return pa.table(columns)


def shopify_customers() -> Sample:
    """Return a Shopify export."""
    dirt = people.only(
        "nfd", "extension", "invalid_phone", "shouting", "quoted_newline", "formula_like"
    )
    style = people.Style(phones="E.164")
    stream = people.stream(
        SEED + 2, dirty=0.12, duplicates=0.0, households=0.025, dirt=dirt, style=style, first=2000
    )
    draw = Random(SEED + 3).random
    rows = [
        _in_shopify(row, number, draw) for number, row in enumerate(itertools.islice(stream, 360))
    ]
    header, lines = _laid_out(SHOPIFY_COLUMNS, rows)
    return Sample(
        "shopify_customers.csv",
        "Shopify's customer export: UTF-8 without BOM, an apostrophe before IDs, phones and "
        "postal codes, several tags in a cell, guests of whom only the email is known, families "
        "sharing a phone, each with a Customer ID. Goes with `configs/shopify_migration.toml`.",
        Counter(row.kind for row in rows),
        _table(header, lines),
    )


def _in_shopify(row: people.Row, number: int, draw: people.Draw) -> people.Row:
    kind, person, text = row
    if kind in people.HOUSEHOLDS:
        kind = people.HOUSEHOLD_NUMBERED  # everybody has a Customer ID
    orders = int(draw() * 12)
    if kind == "clean" and person.email and draw() < 0.14:
        kind = "guest"
        text |= dict.fromkeys(
            ("given", "family", "company", "phone", "street", "unit", "city", "state"), ""
        )
        text |= {"country": "", "postcode": "", "note": ""}
    guarded = f"'{text['phone']}" if text["phone"] else ""
    # Shopify checks the customer's own phone; the one of the address may hold anything.
    beside = kind in ("extension", "invalid_phone") or draw() < 0.3
    tags = [tag for tag in _TAGS if draw() < 0.2]
    text |= {
        "id": f"'{6_917_000_000_000 + number * 32_768}",
        "own_phone": "" if beside else guarded,
        "address_phone": guarded if beside or draw() < 0.3 else "",
        "state": _PREFECTURES.get(text["state"], text["state"]),
        "postcode": f"'{text['postcode']}" if text["postcode"].isdigit() else text["postcode"],
        "accepts_email": _some(draw, "yes", "no") if text["email"] else "no",
        "accepts_sms": _some(draw, "yes", "no", "no") if text["phone"] else "no",
        "spent": f"{orders * (8 + draw() * 90):.2f}",
        "orders": str(orders),
        "tax_exempt": "yes" if draw() < 0.03 else "no",
        "tags": ", ".join(tags),
    }
    return people.Row(kind, person, text)


def square_dashboard() -> Sample:
    """Return an export of the Square Dashboard of another account."""
    dirt = people.only(
        "padded", "extension", "invalid_phone", "lost_plus", "quoted_newline", "formula_like"
    )
    style = people.Style(dates="YMD")
    stream = people.stream(SEED + 4, dirty=0.08, duplicates=0.05, households=0.01, dirt=dirt,
                           style=style, first=4000)  # fmt: skip
    local = (
        row for row in stream if row.person.country == "US" and row.kind != "duplicate_reference"
    )
    draw = Random(SEED + 5).random
    nameless: set[str] = set()
    rows = [_in_square(row, nameless, draw) for row in itertools.islice(local, 400)]
    header, lines = _laid_out(SQUARE_COLUMNS, rows)
    return Sample(
        "square_dashboard.csv",
        "The Square Dashboard's own export, taken from another account, so `Square Customer ID` "
        "was emptied: many people known by name only, birthdays as `YYYY-MM-DD` and `MM-DD`, "
        "amounts with `$`, no country. Goes with `configs/square_dashboard.toml`.",
        Counter(row.kind for row in rows),
        _table(header, lines),
    )


def _in_square(row: people.Row, name_only: set[str], draw: people.Draw) -> people.Row:
    kind, person, text = row
    name = f"{person.given} {person.family}"
    # Two rows of the same bare name would be one and the same row.
    if kind == "clean" and draw() < 0.19 and name not in name_only:
        name_only.add(name)
        kind = "name_only"
        text |= dict.fromkeys(
            ("email", "phone", "company", "nickname", "birthday", "street", "unit", "city"), ""
        )
        text |= {"state": "", "postcode": "", "note": ""}
    visits = 1 + int(draw() * 30)
    first = date(2022, 1, 3).toordinal() + int(draw() * 900)
    last = first + int(draw() * 600)
    habit = draw()
    has_reference = kind == people.HOUSEHOLD_NUMBERED or (kind != "name_only" and habit < 0.4)
    text |= {
        "reference": text["reference"] if has_reference else "",
        "birthday": text["birthday"][5:] if draw() < 0.3 else text["birthday"],
        "square_id": "",
        "source": _some(draw, "Directory", "Instant Profile", "Loyalty", "Import"),
        "first_visit": date.fromordinal(first).isoformat(),
        "last_visit": date.fromordinal(last).isoformat(),
        "visits": str(visits),
        "spend": f"${visits * (6 + draw() * 120):,.2f}",
        "subscription": _some(draw, "Subscribed", "Unsubscribed", "Unknown"),
        "instant": "Yes" if kind == "name_only" else "No",
        "blocked": "Yes" if draw() < 0.01 else "No",
    }
    return people.Row(kind, person, text)


def outlook_cp1252() -> Sample:
    """Return an address book of a European Outlook."""
    dirt = people.only(
        "padded", "empty_markers", "invalid_phone", "invalid_email", "impossible_date",
        "shouting", "quoted_newline",
    )  # fmt: skip
    style = people.Style(dates="DMY", region="DE")
    stream = people.stream(SEED + 6, dirty=0.1, duplicates=0.04, households=0.01, dirt=dirt,
                           style=style, first=6000)  # fmt: skip
    european = (
        row
        for row in stream
        if row.person.country in ("DE", "FR", "ES", "GB")
        and row.kind != "duplicate_reference"
        and _in_cp1252("".join(row.text.values()))
    )
    draw = Random(SEED + 7).random
    rows = list(itertools.islice(european, 320))
    # Windows-1252 may have taken one member of a household and left the other.
    at_home = Counter(row.person.phone for row in rows if row.kind in people.HOUSEHOLDS)
    rows = [_without_numbers(row, at_home[row.person.phone]) for row in rows]
    lines = [list(_in_outlook(row, draw).values()) for row in rows]
    return Sample(
        "outlook_cp1252.csv",
        "An address book of a classic Outlook on a German machine: semicolons, Windows-1252, "
        "day-first birthdays with `0/0/00` for none, five columns of phones, home and business "
        "addresses, countries by name. Goes with `configs/outlook.toml`.",
        Counter(row.kind for row in rows),
        _table(OUTLOOK_HEADER, lines, delimiter=";", line_end="\r\n", encoding="cp1252"),
    )


def _without_numbers(row: people.Row, at_home: int) -> people.Row:
    """Name a household row for what it is where nobody has a reference."""
    if row.kind not in people.HOUSEHOLDS:
        return row
    return row._replace(kind=people.HOUSEHOLD if at_home > 1 else "clean")


def _in_cp1252(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _in_outlook(row: people.Row, draw: people.Draw) -> dict[str, str]:
    text = row.text
    line = dict.fromkeys(OUTLOOK_HEADER, "")
    where = "Business" if text["company"] and draw() < 0.5 else "Home"
    named = people.COUNTRIES[row.person.country].named
    line |= {
        "First Name": text["given"],
        "Last Name": text["family"],
        "Company": text["company"],
        f"{where} Street": text["street"],
        f"{where} Street 2": text["unit"],
        f"{where} City": text["city"],
        f"{where} State": text["state"],
        f"{where} Postal Code": text["postcode"],
        f"{where} Country/Region": named[int(draw() * len(named))],
        _some(draw, "Mobile Phone", "Home Phone", "Business Phone"): text["phone"],
        "Birthday": text["birthday"] or "0/0/00",
        "Categories": _some(draw, "", "Kunde", "Kunde;Newsletter"),
        "E-mail Address": text["email"],
        "E-mail Type": "SMTP" if text["email"] else "",
        "E-mail Display Name": f"{row.person.given} {row.person.family}" if text["email"] else "",
        "Gender": "Unspecified",
        "Notes": text["note"],
    }
    return line


SAMPLES: tuple[Callable[[], Sample], ...] = (
    crm_export,
    second_night,
    shopify_customers,
    square_dashboard,
    outlook_cp1252,
)

_EFFECTS = {
    "reject": "rejected",
    "repair": "comes in repaired",
    "note": "comes in with a note",
    "none": "comes in as it is",
}
_EXPECTED = {dirt.name: (_EFFECTS[dirt.effect], dirt.code) for dirt in people.DIRT}
_EXPECTED |= dict.fromkeys(people.DUPLICATES, ("duplicate of an earlier row", ""))
_EXPECTED |= {
    "clean": ("comes in", ""),
    "guest": ("comes in, email only", ""),
    "name_only": ("comes in, name only", ""),
    people.HOUSEHOLD: ("review: one phone, different names", "SHARED_PHONE"),
    people.HOUSEHOLD_NUMBERED: ("comes in: one phone, but two references", ""),
    "same": ("as the night before", ""),
    "changed": ("updated; a note only where Square has none, as the config says", ""),
    "new": ("new rows, clean and dirty", ""),
    "gone": ("no longer in the file; nothing happens to them", ""),
}

_README_TOP = """# Sample data

Files to try square-etl on. Nobody in them exists: names are put together by chance, streets are
made up, every email is at example.com, .org or .net, and phones are taken from ranges set aside
for fiction wherever a country has them.

They are written by `python sample_data/make.py`, this page as well, always the same from one
seed; `benchmarks/people.py` makes such files in any size.

What is expected of a kind of row is said for default settings; a config may be milder
(`[on_invalid]`) or know more (`[clean]`). Several dirty rows may also meet in one customer, so the
numbers of a report come close to these and need not equal them.
"""


def readme(samples: Sequence[Sample], in_parquet: int) -> str:
    """Return the page that describes the samples."""
    parts = [_README_TOP]
    for sample in samples:
        rows = sample.counts.total() - sample.counts["gone"]
        parts.append(f"## {sample.name}\n\n{sample.shows}\n\n{rows} rows:\n")
        parts.append("| rows | kind | what to expect | code |\n|---:|---|---|---|")
        for kind, count in sorted(sample.counts.items(), key=lambda item: (-item[1], item[0])):
            expected, code = _EXPECTED[kind]
            parts.append(f"| {count} | {kind} | {expected} | {f'`{code}`' if code else ''} |")
        parts.append("")
    parts.append(
        "## crm_export.parquet\n\nThe people of `crm_export.csv` before anything happened to them, "
        f"once each: {in_parquet} rows, text columns without damage, phones in E.164, birthdays as "
        "dates.\n"
    )
    return "\n".join(parts)


def files() -> dict[str, bytes]:
    """Return every text file of this folder by name."""
    samples = [make() for make in SAMPLES]
    made = {sample.name: sample.content for sample in samples}
    made["README.md"] = readme(samples, crm_table().num_rows).encode()
    return made


def main() -> None:
    """Write all files of this folder."""
    for name, content in files().items():
        (FOLDER / name).write_bytes(content)
    pq.write_table(crm_table(), FOLDER / "crm_export.parquet", compression="zstd")


if __name__ == "__main__":
    main()
