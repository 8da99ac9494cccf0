"""The sample files, the configs and presets beside them, and the generator they come from."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import phonenumbers
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from email_validator import EmailNotValidError, validate_email

from benchmarks import people
from etl import config
from etl.customers import codes, fields
from etl.customers.dates import date_evidence
from etl.stages import mapping
from etl.stages.clean import clean
from etl.stages.validate import validate
from sample_data import make

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted({*(ROOT / "configs").glob("*.toml")} - {ROOT / "configs" / "merchants.toml"})
PRESETS = sorted((ROOT / "etl" / "presets").glob("*.toml"))
MADE = make.files()

SHOPIFY_HEADER = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,"
    "Default Address Address1,Default Address Address2,Default Address City,"
    "Default Address Province Code,Default Address Country Code,Default Address Zip,"
    "Default Address Phone,Phone,Accepts SMS Marketing,Total Spent,Total Orders,Note,Tax Exempt,"
    "Tags"
)
SQUARE_HEADER = (
    "Reference ID,First Name,Last Name,Email Address,Phone Number,Nickname,Company Name,"
    "Street Address 1,Street Address 2,City,State,Postal Code,Birthday,Memo,Square Customer ID,"
    "Creation Source,First Visit,Last Visit,Transaction Count,Lifetime Spend,"
    "Email Subscription Status,Instant Profile,Blocked from online booking"
)


def _records(name: str, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[list[str]]:
    text = (ROOT / "sample_data" / name).read_bytes().decode(encoding)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _people(count: int, seed: int = 5, **shares: float) -> list[people.Row]:
    return list(itertools.islice(people.stream(seed, **shares), count))  # type: ignore[arg-type]


def _is_valid_phone(text: str, region: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(text, region))


@pytest.mark.parametrize("name", sorted(MADE))
def test_files_are_what_the_seed_gives(name: str) -> None:
    """Every committed text file is byte for byte what make.py writes."""
    assert (ROOT / "sample_data" / name).read_bytes() == MADE[name]


def test_parquet_is_what_the_seed_gives() -> None:
    """The committed Parquet file holds the table that make.py builds, birthdays as dates."""
    table = pq.read_table(ROOT / "sample_data" / "crm_export.parquet")

    assert table.equals(make.crm_table())
    assert table.schema.field("Birthday").type == pa.date32()


def test_samples_are_small() -> None:
    """The whole folder stays well under two megabytes."""
    sizes = [path.stat().st_size for path in (ROOT / "sample_data").iterdir() if path.is_file()]

    assert sum(sizes) < 1_000_000


def test_no_email_outside_example_domains() -> None:
    """Nothing that reads as an email address leaves example.com, .org and .net."""
    for content in MADE.values():
        text = content.decode("cp1252", errors="replace")
        for domain in re.findall(r"[\w.+-]+@((?:[\w-]+\.)+\w+)", text):
            assert re.fullmatch(r"(?:[a-z]+\.)*example\.(?:com|org|net)", domain.lower())


def test_headers_are_the_documented_ones() -> None:
    """The two vendors' samples open with exactly the header of the real export."""
    assert MADE["shopify_customers.csv"].decode().splitlines()[0] == SHOPIFY_HEADER
    assert MADE["square_dashboard.csv"].decode().splitlines()[0] == SQUARE_HEADER


def test_dialects_are_the_described_ones() -> None:
    """The CRM's files have BOM and CRLF, Shopify's neither, Outlook's is cp1252 with semicolons."""
    for name in ("crm_export.csv", "second_night.csv"):
        assert MADE[name].startswith(b"\xef\xbb\xbfCustomer ID,")
        assert MADE[name].endswith(b"\r\n")
    assert MADE["shopify_customers.csv"].startswith(b"Customer ID,")
    assert MADE["shopify_customers.csv"].splitlines(keepends=True)[0].endswith(b"Tags\n")
    assert "Müller".encode("cp1252") in MADE["outlook_cp1252.csv"]
    assert b";0/0/00;" in MADE["outlook_cp1252.csv"]
    with pytest.raises(UnicodeDecodeError):
        MADE["outlook_cp1252.csv"].decode()


def test_only_ragged_rows_are_ragged() -> None:
    """Every record has as many cells as its header, but for those labelled ragged."""
    counts = make.crm_export().counts
    ragged = counts["ragged_long"] + counts["ragged_short"]
    for name, encoding, delimiter, expected in (
        ("crm_export.csv", "utf-8-sig", ",", ragged),
        ("shopify_customers.csv", "utf-8", ",", 0),
        ("square_dashboard.csv", "utf-8", ",", 0),
        ("outlook_cp1252.csv", "cp1252", ";", 0),
    ):
        header, *records = _records(name, encoding, delimiter)

        assert sum(len(record) != len(header) for record in records) == expected


def test_square_ids_are_empty() -> None:
    """The Dashboard sample carries no id of the account it came from."""
    header, *records = _records("square_dashboard.csv")

    assert {record[header.index("Square Customer ID")] for record in records} == {""}


def test_birthdays_of_the_dashboard_come_in_both_forms() -> None:
    """The Dashboard sample has full birthdays and such without a year, and no other form."""
    header, *records = _records("square_dashboard.csv")
    column = {record[header.index("Birthday")] for record in records} - {""}
    yearless = {day for day in column if re.fullmatch(r"\d\d-\d\d", day)}
    full = {day for day in column if re.fullmatch(r"\d{4}-\d\d-\d\d", day)}

    assert yearless | full == column
    assert len(yearless) > 20 < len(full)


def test_second_night_is_mostly_the_first() -> None:
    """About nine of ten records of the second night stand in the first night's file as they are."""
    first = {tuple(record) for record in _records("crm_export.csv")}
    second = [tuple(record) for record in _records("second_night.csv")]
    counts = make.second_night().counts

    assert sum(record not in first for record in second) == counts["changed"] + counts["new"]
    assert counts["changed"] >= 20
    assert counts["new"] == make.NEW_TOMORROW
    assert len(second) == 1 + counts.total() - counts["gone"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_loads(path: Path) -> None:
    """Every config of the repository is accepted and speaks to the local sandbox."""
    assert config.load(path).target.environment == "local"


@pytest.mark.parametrize(
    ("settings", "sample", "encoding", "delimiter"),
    [
        ("nightly_crm", "crm_export.csv", "utf-8-sig", ","),
        ("nightly_crm", "second_night.csv", "utf-8-sig", ","),
        ("shopify_migration", "shopify_customers.csv", "utf-8", ","),
        ("square_dashboard", "square_dashboard.csv", "utf-8", ","),
        ("outlook", "outlook_cp1252.csv", "cp1252", ";"),
    ],
)
def test_config_maps_its_sample(settings: str, sample: str, encoding: str, delimiter: str) -> None:
    """Each config finds its columns in its sample: names, email, phone and address at least."""
    chosen = config.load(ROOT / "configs" / f"{settings}.toml")
    header = _records(sample, encoding, delimiter)[0]

    found = mapping.resolve(sample, header, {}, chosen).fields

    assert {"given_name", "family_name", "email_address", "phone_number"} <= set(found)
    assert {"address.address_line_1", "address.locality", "address.postal_code"} <= set(found)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_preset_is_a_config(path: Path) -> None:
    """A preset is a fragment of a config that says what the columns are, and nothing else."""
    fragment = config.parse(tomllib.loads(path.read_text(encoding="utf-8")), path.name)

    assert fragment.columns
    assert fragment.model_fields_set <= {"columns", "fallbacks", "joined", "values", "consent"}


def test_presets_read_the_whole_of_their_export() -> None:
    """Of the documented headers, only other consents, tags, figures and flags are left unmapped."""
    shopify = config.parse({"source": {"preset": "shopify"}}, "test")
    square = config.parse({"source": {"preset": "square-dashboard"}}, "test")

    assert mapping.resolve("s", SHOPIFY_HEADER.split(","), {}, shopify).unused == (
        "Accepts SMS Marketing",
        "Total Spent",
        "Total Orders",
        "Tax Exempt",
        "Tags",
    )
    assert mapping.resolve("q", SQUARE_HEADER.split(","), {}, square).unused == (
        "Creation Source",
        "First Visit",
        "Last Visit",
        "Transaction Count",
        "Lifetime Spend",
        "Instant Profile",
        "Blocked from online booking",
    )


def test_old_spellings_are_read_too() -> None:
    """The older headers of both systems reach the same fields."""
    shopify = config.parse({"source": {"preset": "shopify"}}, "test")
    square = config.parse({"source": {"preset": "square-dashboard"}}, "test")
    old = ["Email", "Company", "Address1", "City", "Province", "Province Code", "Country", "Zip"]

    found = mapping.resolve("s", [*old, "Phone"], {}, shopify).fields

    assert found["company_name"] == ("Company",)
    assert found["address.administrative_district_level_1"] == ("Province Code", "Province")
    assert found["phone_number"] == ("Phone",)
    assert mapping.resolve("q", ["Surname"], {}, square).fields == {"family_name": ("Surname",)}


def test_phone_ranges_are_valid() -> None:
    """phonenumbers accepts the first, middle and last number of every range."""
    assert people.invalid_ranges() == []


def test_phones_never_repeat() -> None:
    """No two serials of a country share a number, also where one range ends and the next begins."""
    for country in people.COUNTRIES.values():
        numbers = {people.phone(country, serial) for serial in range(20_000)}

        assert len(numbers) == 20_000


def test_clean_rows_are_valid_as_written() -> None:
    """Every clean phone is valid in the style's region, every clean email to email-validator."""
    for region in ("US", "DE"):
        style = people.Style(region=region)
        rows = itertools.islice(people.stream(11, style=style), 1500)
        harmless = ("clean", *people.DUPLICATES, *people.HOUSEHOLDS)
        intact = [row for row in rows if row.kind in harmless]
        for row in intact:
            if row.text["phone"]:
                assert _is_valid_phone(row.text["phone"], region)
            if row.text["email"]:
                validate_email(row.text["email"], check_deliverability=False)
            assert not set(row.text.values()) & {"null", "none"}

        assert len(intact) > 1200


def test_clean_people_are_somebody_else_each() -> None:
    """No two clean rows share an email, a phone or a reference."""
    intact = [row.person for row in _people(4000) if row.kind == "clean"]
    for key in ("email", "phone", "reference"):
        values = [getattr(person, key) for person in intact if getattr(person, key)]

        assert len(values) == len(set(values))


def test_clean_values_keep_squares_limits() -> None:
    """No clean value is longer than its field allows."""
    columns = [header.lower() for header, _ in people.COLUMNS]
    limits = {
        column: field.max_length
        for column in columns
        for field in fields.IMPORTABLE
        if column in field.synonyms.split(", ") and field.max_length is not None
    }
    longest: Counter[str] = Counter()
    for row in _people(3000):
        if row.kind in ("clean", "at_limit"):
            for column, value in zip(columns, row.text.values(), strict=True):
                longest[column] = max(longest[column], len(value))

    assert limits["company"] == longest["company"] == 500
    assert limits["nickname"] == longest["nickname"] == 100
    assert all(longest[column] <= limit for column, limit in limits.items())


def test_neutral_header_is_recognised() -> None:
    """All columns of the neutral layout are recognised without a config, but none is left over."""
    headers = [header for header, _ in people.COLUMNS]

    assert mapping.resolve("p", headers, {}, config.Config()).unused == ()


def test_shares_are_kept() -> None:
    """Dirty and repeated rows come about as often as asked, and every kind equally often."""
    counts = Counter(row.kind for row in _people(20_000, dirty=0.08, duplicates=0.05))
    dirty = {dirt.name: counts[dirt.name] for dirt in people.DIRT}

    assert 1400 < sum(dirty.values()) < 1800
    assert max(dirty.values()) - min(dirty.values()) <= 1
    assert 850 < sum(counts[kind] for kind in people.DUPLICATES) < 1150


def test_shorter_stream_is_the_beginning_of_a_longer_one() -> None:
    """Asking for more rows does not change the first ones; another seed changes them all."""
    assert _people(300) == _people(600)[:300]
    assert _people(300) != _people(300, seed=6)


def test_duplicates_repeat_one_key_in_another_form() -> None:
    """A repeated person is recognisable by exactly one key, which an earlier row carries."""
    seen: set[str] = set()
    repeated = 0
    for row in _people(3000, duplicates=0.1):
        if row.kind in people.DUPLICATES:
            repeated += 1
            keys = [row.text[key] for key in ("reference", "email", "phone") if row.text[key]]
            assert len(keys) == 1
            assert row.person.reference in seen
        seen.add(row.person.reference)

    assert repeated > 200


def test_birthdays_prove_one_order() -> None:
    """Nothing that is a full date in the column speaks for another order than the style's."""
    rows = _people(6000, dirty=0.3)
    days = [re.match(r"(\d+)/(\d+)/\d{4}", row.text["birthday"]) for row in rows]
    parts = [(int(day[1]), int(day[2])) for day in days if day]

    assert max(first for first, _ in parts) <= 12
    assert max(second for _, second in parts) > 12


def test_rejected_phones_and_emails_are_invalid() -> None:
    """What is labelled an invalid phone or email is one to the libraries too."""
    for row in _people(8000, dirty=0.5):
        if row.kind in ("invalid_phone", "placeholder_phone", "exponent_rounded"):
            try:
                valid = _is_valid_phone(row.text["phone"], "US")
            except phonenumbers.NumberParseException:
                valid = False
            assert not valid, row
        if row.kind in ("invalid_email", "phone_as_email"):
            with pytest.raises(EmailNotValidError):
                validate_email(row.text["email"], check_deliverability=False)


def test_damage_is_treated_as_its_label_says() -> None:
    """Every dirty row is rejected, repaired or noted as its kind says, every other row goes on."""
    # Ragged rows and NUL characters are found before a row has cells to clean.
    dirt = people.without(*people.RAGGED, "nul_character")
    rows = list(itertools.islice(people.stream(21, dirty=0.5, dirt=dirt), 2500))
    headers = [header for header, _ in people.COLUMNS]
    keys = [key for _, key in people.COLUMNS]
    columns = zip(*(people.cells(row, keys) for row in rows), strict=True)
    cells = pa.RecordBatch.from_arrays([pa.array(column) for column in columns], headers)
    settings = config.parse({"clean": {"default_region": "US"}}, "test")
    customers = mapping.map_columns(cells, mapping.resolve("p", headers, {}, settings)).customers
    lines = pa.array(range(len(rows)), pa.int64())
    evidence = date_evidence(customers.column("birthday"), lines, 0)

    checked = validate(clean(customers, settings.clean, "US", evidence), settings.on_invalid, "US")

    found: dict[int, set[tuple[str, str]]] = {}
    for problem in checked.problems.to_pylist():
        found.setdefault(problem["row"], set()).add((problem["effect"], problem["code"]))
    expected = {dirt.name: dirt for dirt in people.DIRT}
    for number, row in enumerate(rows):
        said = found.get(number, set())
        kind = expected.get(row.kind)
        effects = {effect for effect, _ in said}
        assert ("reject" in effects) == (kind is not None and kind.effect == "reject"), row
        if kind is not None and kind.code:
            assert (kind.effect, kind.code) in said, row


def test_expected_codes_exist() -> None:
    """The codes that damage is expected to get are codes of the product."""
    assert {dirt.code for dirt in people.DIRT} - {""} <= set(codes.BY_NAME)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_command_writes_the_asked_rows(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes as many rows as asked, in either format, and counts the kinds."""
    out = tmp_path / f"people.{form}"

    people.main([str(out), "--rows", "500", "--seed", "9", "--format", form])

    said = json.loads(capsys.readouterr().out)
    assert sum(said["kinds"].values()) == said["rows"] == 500
    if form == "parquet":
        assert pq.read_table(out).num_rows == 500
    else:
        with out.open(encoding="utf-8", newline="") as file:
            assert sum(1 for _ in csv.reader(file)) == 501
