"""What would the same work take if nothing but the files were copied, or if each row went alone?

The floor: pyarrow reads a file and writes it again. The row loops: what is usually written first,
a loop over dict records that asks phonenumbers and email-validator (of these alone, or of all that
a validation says of a row), or one that searches for each person, creates them and reads them back,
a request each.

    python benchmarks/baselines.py copy people.csv
    python benchmarks/baselines.py check people.csv
    python benchmarks/baselines.py validate people.csv
    python benchmarks/baselines.py import people.csv http://127.0.0.1:8765   # SQUARE_ACCESS_TOKEN
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path


def copy(source: Path, copied: Path) -> None:
    """Read a file with pyarrow, every column of a CSV as text, and write it again."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv
    import pyarrow.parquet as pq

    if source.suffix == ".parquet":
        file = pq.ParquetFile(source)
        with pq.ParquetWriter(copied, file.schema_arrow) as writer:
            for batch in file.iter_batches():
                writer.write_batch(batch)
        return
    with source.open(encoding="utf-8", newline="") as rows:
        text = {header: pa.string() for header in next(csv.reader(rows))}
    reader = arrow_csv.open_csv(
        source,
        arrow_csv.ReadOptions(block_size=1 << 20),
        arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip"),
        arrow_csv.ConvertOptions(column_types=text, strings_can_be_null=False),
    )
    with arrow_csv.CSVWriter(copied, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def check_rows(source: Path, rejects: Path) -> None:
    """Validate phones and emails as people usually write it, and write the rows that fail."""
    import email_validator
    import phonenumbers

    with source.open(encoding="utf-8", newline="") as file, rejects.open("w", newline="") as out:
        rows = csv.DictReader(file)
        writer = csv.DictWriter(out, rows.fieldnames or (), extrasaction="ignore")
        for row in rows:
            fine = True
            try:
                number = phonenumbers.parse(row["Phone"] or "", "US")
                row["Phone"] = phonenumbers.format_number(number, 0)
                fine = phonenumbers.is_valid_number(number)
            except phonenumbers.NumberParseException:
                fine = not row["Phone"]
            try:
                if row["Email"]:
                    email_validator.validate_email(row["Email"], check_deliverability=False)
            except email_validator.EmailNotValidError:
                fine = False
            if not fine:
                writer.writerow(row)


# Characters that Square takes, by column of the generated files (Customers API overview).
_LIMITS = {
    "Customer ID": 100,
    "First name": 300,
    "Last name": 300,
    "Nickname": 100,
    "Company": 500,
    "Email": 254,
    **dict.fromkeys(("Address 1", "Address 2", "City"), 500),
    "State": 200,
    "Postal code": 12,
}
_NO_VALUES = frozenset({"n/a", "na", "null", "none", "nil", "-", "--", "#n/a"})
_NAMING = ("First name", "Last name", "Company", "Email", "Phone")
_COUNTRIES = {"spain": "ES", "united states": "US", "germany": "DE", "united kingdom": "GB"}
_DATES = ("%m/%d/%Y", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d %B %Y", "%d.%m.%Y")


def validate_rows(source: Path, rejects: Path, ledger: Path) -> None:
    """Clean and validate every cell of every row; write the rejects and a line for each row."""
    with (
        source.open(encoding="utf-8", newline="") as file,
        rejects.open("w", encoding="utf-8", newline="") as out,
        ledger.open("w", encoding="utf-8", newline="") as accounts,
    ):
        rows = csv.DictReader(file)
        rejected = csv.writer(out)
        rejected.writerow([*(rows.fieldnames or ()), "_line", "_codes", "_messages"])
        account = csv.writer(accounts)
        account.writerow(["source", "line", "outcome", "codes"])
        for row in rows:
            original = dict(row)
            found = list(_wrong(row))
            codes = ";".join(dict.fromkeys(code for code, _ in found))
            outcome = "rejected" if found else "pending"
            account.writerow([source.name, rows.line_num, outcome, codes])
            if found:
                messages = "; ".join(message for _, message in found)
                cells = [original.get(name) for name in rows.fieldnames or ()]
                rejected.writerow([*cells, rows.line_num, codes, messages])


def _wrong(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Clean a record in its place; yield code and message of whatever is wrong with it."""
    import phonenumbers

    if None in row or None in row.values():
        yield "RAGGED_ROW", "has more or fewer cells than there are columns"
        return
    for name, cell in row.items():
        text = unicodedata.normalize("NFC", cell).strip()
        text = "" if text.lower() in _NO_VALUES else text
        if not text.isprintable():
            yield "INVALID_CHARACTER", f"{name} holds characters that cannot be seen"
        if len(text) > _LIMITS.get(name, 4096):
            yield "VALUE_TOO_LONG", f"{name} has more than {_LIMITS.get(name, 4096)} characters"
        row[name] = text
    country = row["Country"].upper()
    row["Country"] = country = _COUNTRIES.get(country.lower(), country)
    if country and country not in phonenumbers.SUPPORTED_REGIONS:
        yield "INVALID_COUNTRY", f"{country} is no country"
    yield from _wrong_contacts(row)
    if row["Birthday"]:
        born = _day(row["Birthday"])
        if born is None or born > date.today():
            yield "INVALID_BIRTHDAY", f"{row['Birthday']} is no day"
        else:
            row["Birthday"] = born.isoformat()
    if not any(row[name] for name in _NAMING):
        yield "BAD_REQUEST", "has neither name, company, email nor phone"


def _wrong_contacts(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    import email_validator
    import phonenumbers

    if row["Phone"]:
        try:
            number = phonenumbers.parse(row["Phone"], "US")
        except phonenumbers.NumberParseException as error:
            yield "INVALID_PHONE_NUMBER", str(error)
        else:
            row["Phone"] = phonenumbers.format_number(number, 0)
            if not phonenumbers.is_valid_number(number):
                yield "INVALID_PHONE_NUMBER", f"{row['Phone']} is no number in use"
    if row["Email"]:
        try:
            email_validator.validate_email(row["Email"], check_deliverability=False)
        except email_validator.EmailNotValidError as error:
            yield "INVALID_EMAIL_ADDRESS", str(error)


def _day(text: str) -> date | None:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def import_rows(source: Path, address: str, token: str) -> dict[str, float]:
    """Search for, create and read back each row by itself; return the seconds of each."""
    import httpx

    spent = {"rows": 0.0, "plan": 0.0, "load": 0.0, "verify": 0.0}
    with (
        source.open(encoding="utf-8", newline="") as file,
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}) as square,
    ):

        def asked(stage: str, method: str, path: str, body: object = None) -> httpx.Response:
            begin = time.perf_counter()
            answer = square.request(method, path, json=body)
            spent[stage] += time.perf_counter() - begin
            return answer

        for row in csv.DictReader(file):
            spent["rows"] += 1
            wanted = {"email_address": {"exact": row["Email"] or row["Customer ID"] or ""}}
            asked("plan", "POST", "/v2/customers/search", {"query": {"filter": wanted}})
            person = {"given_name": row["First name"], "family_name": row["Last name"]}
            person |= {"email_address": row["Email"], "reference_id": row["Customer ID"]}
            known = {name: value for name, value in person.items() if value}
            made = asked("load", "POST", "/v2/customers", known)
            # What Square refuses is a rejected row.
            if made.is_success:
                asked("verify", "GET", f"/v2/customers/{made.json()['customer']['id']}")
    return spent


def main(what: str, source: Path, *address: str) -> None:
    """Do one of them; that of an import prints its seconds as JSON."""
    if what == "copy":
        copy(source, source.with_stem("copied"))
    elif what == "check":
        check_rows(source, source.with_stem("rejected"))
    elif what == "validate":
        validate_rows(source, source.with_stem("rejected"), source.with_stem("accounts"))
    else:
        print(json.dumps(import_rows(source, *address, os.environ["SQUARE_ACCESS_TOKEN"])))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
