"""``profile`` as an operator meets it: what it prints, writes, and keeps to itself."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl import config
from etl.cli import main

SAMPLES = Path(__file__).parents[2] / "sample_data"
FILES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix in (".csv", ".parquet"))

PEOPLE = (
    "Customer ID,First name,E-mail,Phone,Birthday,Tags\n"
    "c-1,Ada,ada@example.com,(415) 555-0148,04/17/1990,VIP\n"
    "c-2,Linnea,linnea@example.org,(415) 555-0149,04/05/1991,VIP\n"
    "c-3,Bogdan,bogdan@example.net,(415) 555-0150,05/06/1992,VIP\n"
)
UGLY = {
    "quotes": 'First "given" \\ name,"E-mail\naddress",Phone\nAda,ada@example.com,+14155550148\n',
    "odd": "Contact,#,Vorname,[x] = 'y'\n"
    + "".join(f"p{n}@example.com,{n},Ada,\x7f\n" for n in range(9)),
    "contradictory": "Email;DOB\na@example.com;13/04/1990\nb@example.com;04/13/1990\n",
    "ambiguous": "sep=\t\nEmail\tDOB\na@example.com\t03/04/1990\n",
    "empty": "Email,Phone,First name\n",
    "several": "Mobile,Phone,Phone 2,Email,Email 2,Home Zip,Work Zip\n"
    "+14155550148,+14155550149,,a@example.com,b@example.com,94103,94104\n",
    "ragged": "Email,Note\na@example.com,x,y\nb@example.com\n",
    "ours": "_line,_codes,_fields,_messages,_suggestion,Email\n2,X,,,,a@example.com\n",
    "export": "id,email_address,version\nABC,a@example.com,3\n",
    "whole names": "Name,Email,Accepts marketing\n"
    "Ada Lund,a@example.com,Yes\nBo Ek,b@example.com,no\n",
    "wide": ",".join(["Email", *(f"c{n}" for n in range(2000))]) + "\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, text: str | bytes | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, list(arguments), input=text)


def looked_at(*arguments: str, text: str | None = None) -> dict[str, Any]:
    """Return what ``profile --output json`` prints."""
    done = run("profile", *arguments, "--output", "json", text=text)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def accepted(source: str) -> None:
    """Write a config for a source, and validate the source with it."""
    done = run("profile", source, "--write", "x.toml", "--quiet")
    assert done.exit_code == 0, done.output
    config.load(Path("x.toml"))
    done = run("validate", source, "--config", "x.toml", "--quiet")
    assert done.exit_code in (0, 3), done.output


@pytest.mark.parametrize("name", FILES)
def test_the_config_of_a_sample_is_accepted(name: str) -> None:
    """What profile writes for each sample, validate takes as it stands."""
    accepted(str(SAMPLES / name))


@pytest.mark.parametrize("name", sorted(UGLY))
def test_the_config_of_an_ugly_file_is_accepted(name: str) -> None:
    """Odd headers, contradictions, emptiness: the config is right all the same."""
    Path("ugly.csv").write_text(UGLY[name], newline="")
    accepted("ugly.csv")


def test_the_config_of_a_packed_file_in_another_encoding_is_accepted() -> None:
    """The config says how the file is read."""
    text = "Nachname;Prénom;Email\nMüller;Jörg;joerg@example.com\n"
    Path("alt.csv.gz").write_bytes(gzip.compress(text.encode("cp1252")))
    accepted("alt.csv.gz")
    assert config.load(Path("x.toml")).source.model_dump(exclude_unset=True) == {
        "encoding": "cp1252",
        "delimiter": ";",
    }
    found = looked_at("alt.csv.gz")["source"]
    assert (found["compression"], found["encoding"], found["delimiter"]) == ("gzip", "cp1252", ";")


def test_the_config_of_a_parquet_file_leaves_numbers_out() -> None:
    """A column of doubles is named with the reason and not mapped."""
    table = {"Email": ["a@example.com"], "Phone": [4155550148.0]}
    pq.write_table(pa.table(table), "people.parquet")
    accepted("people.parquet")
    assert config.load(Path("x.toml")).columns == {"Email": "email_address"}


@settings(
    derandomize=True,
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
        max_size=4,
        unique=True,
    )
)
def test_any_header_comes_out_as_it_was(headers: list[str]) -> None:
    """Whatever columns are called, the config is valid TOML and names them exactly."""
    headers = [header for header in headers if header.strip()]
    line = io.StringIO()
    csv.writer(line).writerow(["Mail of it", *headers])
    rows = "".join(f"a{n}@example.com{',' * len(headers)}\r\n" for n in range(3))
    Path("any.csv").write_bytes((line.getvalue() + rows).encode())
    done = run("profile", "any.csv", "--write", "any.toml", "--force")
    if done.exit_code == 0:
        assert "Mail of it" in tomllib.loads(Path("any.toml").read_text()).get("columns", {})
    else:
        assert done.exit_code == 2, done.output


def test_an_existing_config_is_left_alone() -> None:
    """Only --force replaces a file; without it nothing is even read."""
    Path("people.csv").write_text(PEOPLE)
    Path("mine.toml").write_text("# mine\n")
    done = run("profile", "people.csv", "--write", "mine.toml")
    assert done.exit_code == 2
    assert "--force" in done.stderr
    assert Path("mine.toml").read_text() == "# mine\n"
    assert run("profile", "people.csv", "--write", "mine.toml", "--force").exit_code == 0
    assert Path("mine.toml").read_text() != "# mine\n"


def test_a_file_of_unknown_columns_gets_no_config() -> None:
    """Where nothing is known well enough, no config is written, and the way out is said."""
    Path("odd.csv").write_text("a,b\n1,2\n")
    done = run("profile", "odd.csv", "--write", "x.toml")
    assert done.exit_code == 2
    assert "[columns]" in done.stderr
    assert not Path("x.toml").exists()


def test_what_is_told_of_a_small_file() -> None:
    """The document holds counts, contents, proofs and proposals."""
    Path("people.csv").write_text(PEOPLE)
    found = looked_at("people.csv")
    columns = {column["header"]: column for column in found["columns"]}

    assert found["source"]["rows"] == 3
    assert found["default_region"] == {"region": "US", "valid": 1.0, "tried": 3}
    assert {header: column["field"] for header, column in columns.items()} == {
        "Customer ID": "reference_id",
        "First name": "given_name",
        "E-mail": "email_address",
        "Phone": "phone_number",
        "Birthday": "birthday",
        "Tags": None,
    }
    birthday = columns["Birthday"]
    assert (birthday["date_order"], birthday["month_first_line"]) == ("MDY", 2)
    assert columns["Tags"]["top"] == [{"value": "VIP", "masked": False, "cells": 3}]
    assert columns["E-mail"]["top"][0] == {"value": "a***@e***.com", "masked": True, "cells": 1}


def test_standard_input_is_a_source() -> None:
    """``-`` is read, and leaves nothing behind."""
    assert looked_at("-", text=PEOPLE)["source"]["rows"] == 3
    assert list(Path(".square-etl").glob("sources*")) == []


def test_a_preset_is_told_by_its_columns() -> None:
    """The presets that exist are recognised on their systems' files."""
    shopify = looked_at(str(SAMPLES / "shopify_customers.csv"))
    assert shopify["preset"] == "shopify"
    assert shopify["preset_because"] == ["Default Address Province Code"]
    assert looked_at(str(SAMPLES / "square_dashboard.csv"))["preset"] == "square-dashboard"
    assert looked_at(str(SAMPLES / "crm_export.csv"))["preset"] is None


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".csv")])
def test_nobody_is_named_on_the_screen(name: str, output: str) -> None:
    """No email, phone, birthday, street or note of the file is printed."""
    told = run("profile", str(SAMPLES / name), "--output", output).output
    cp1252 = name == "outlook_cp1252.csv"
    text = (SAMPLES / name).read_bytes().decode("cp1252" if cp1252 else "utf-8-sig")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if cp1252 else ",")
    private = re.compile(r"mail( address)?$|phone|birthday|street|address|note|memo", re.IGNORECASE)
    for row in rows:
        for header, value in row.items():
            if header and private.search(header) and isinstance(value, str):
                assert len(value) <= 6 or set(value) == {"#"} or value not in told


def test_a_file_without_header_names_nobody() -> None:
    """The first customer is not taken for column names on the screen, and no config is made."""
    Path("bare.csv").write_text("Ada,ada@example.com,+14155550148\nLin,lin@example.org,\n")
    done = run("profile", "bare.csv")
    assert done.exit_code == 0
    assert "ada@example.com" not in done.output
    assert "looks like a customer's" in done.output
    done = run("profile", "bare.csv", "--write", "x.toml")
    assert done.exit_code == 2
    assert "ada@example.com" not in done.output


@pytest.mark.parametrize("name", FILES)
def test_the_text_fits_a_terminal(name: str) -> None:
    """No line is wider than 100 columns."""
    lines = run("profile", str(SAMPLES / name)).stdout.splitlines()
    assert max(map(len, lines[1:])) <= 100


def test_what_cannot_be_read_is_exit_2() -> None:
    """A missing file, several files, a spreadsheet: usage, and the reason."""
    for name in ("a.csv", "b.csv"):
        Path(name).write_text(PEOPLE)
    Path("book.xlsx").write_bytes(b"PK\x03\x04[Content_Types].xml")
    for argument, told in (
        ("missing.csv", "cannot be opened"),
        ("[ab].csv", "profile one at a time"),
        ("book.xlsx", "spreadsheet"),
    ):
        done = run("profile", argument)
        assert done.exit_code == 2
        assert told in done.stderr


def test_tags_are_proposed_in_comments() -> None:
    """A column of tags is shown as groups with its separator, for a person to switch on."""
    Path("p.csv").write_text("Email,Tags\na@example.com,VIP;New\nb@example.com,VIP\n")
    accepted("p.csv")
    written = Path("x.toml").read_text()
    assert '# [groups]\n# column = "Tags"\n# separator = ";"\n' in written
    assert "groups" not in tomllib.loads(written)
    switched_on = written.replace("# [groups]", "[groups]")
    switched_on = switched_on.replace("# column = ", "column = ").replace(
        "# separator", "separator"
    )
    assert tomllib.loads(switched_on)["groups"] == {"column": "Tags", "separator": ";"}
    Path("x.toml").write_text(switched_on)
    assert run("validate", "p.csv", "--config", "x.toml", "--quiet").exit_code == 0


def test_gift_cards_are_proposed_and_not_shown(folder: Path) -> None:
    """A column called so is proposed and written to the config, without a number on the screen."""
    numbers = [f"7783320001{n:04d}77" for n in range(20)]
    rows = "".join(f"p{n}@example.com,{gan}\n" for n, gan in enumerate(numbers))
    (folder / "cards.csv").write_text(f"Email,Gift card GAN\n{rows}")
    done = run("profile", "cards.csv", "--write", "start.toml")
    assert done.exit_code == 0, done.output
    assert [gan for gan in numbers if gan in done.output] == []
    assert config.load("start.toml").columns["Gift card GAN"] == "gift_card_gan"
    assert run("validate", "cards.csv", "--config", "start.toml").exit_code == 0
