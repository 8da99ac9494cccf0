"""``import``, ``plan`` and ``validate`` as an operator meets them: words, streams, exit codes."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner, Result

from etl.cli import main
from etl.cli.options import exits, state_option
from etl.customers.problems import Problem
from etl.journal.journal import Journal

PEOPLE = (
    "Customer ID,First name,Last name,Email,Phone\n"
    "c-1,Ada,Byron,ada@example.com,+14155550148\n"
    "c-2,Lin,Berg,lin@example.org,\n"
)
BROKEN = PEOPLE + "c-3,Bo,Ek,no address,\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, as a newcomer has."""
    monkeypatch.chdir(tmp_path)
    for name in ("SQUARE_ENVIRONMENT", "SQUARE_ACCESS_TOKEN", "SQUARE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments: str, text: str | bytes | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, list(arguments), input=text)


def test_first_import(folder: Path) -> None:
    """A file, a command: profiles, a balanced sum, the place of the artifacts, exit 0."""
    (folder / "people.csv").write_text(PEOPLE)
    done = run("import", "people.csv")
    assert done.exit_code == 0
    assert "target local (the embedded local Square), merchant " in done.stderr
    assert re.search(r"= read +2  every row is accounted for", done.stdout)
    assert "verified: 2 of 2" in done.stdout
    (artifacts,) = (folder / ".square-etl/runs").iterdir()
    assert {path.name for path in artifacts.iterdir()} == {
        "journal.sqlite",
        "report.html",
        "report.json",
        "rows.csv",
        "rejects.csv",
        "review.csv",
        "crosswalk.csv",
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in artifacts.iterdir())
    assert artifacts.stat().st_mode & 0o077 == 0


def test_the_second_import_writes_nothing(folder: Path) -> None:
    """A finished file imported again costs no write."""
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv")
    report = json.loads(run("import", "people.csv", "--output", "json").stdout)
    assert report["rows"]["unchanged"] == 2
    assert set(report["requests"]).isdisjoint(
        {"POST /v2/customers/bulk-create", "POST /v2/customers/bulk-update"}
    )


def test_bad_rows_are_exit_3(folder: Path) -> None:
    """A finished import with a rejected row says so, why, and what to do next."""
    (folder / "people.csv").write_text(BROKEN)
    done = run("import", "people.csv")
    assert done.exit_code == 3
    assert "INVALID_EMAIL_ADDRESS email_address" in done.stdout
    assert re.search(r"next: correct \S+rejects.csv, then\n +square-etl import ", done.stdout)


def test_tolerated_rows_are_exit_0(folder: Path) -> None:
    """``--tolerate`` says how many rows may be left over."""
    (folder / "people.csv").write_text(BROKEN)
    assert run("validate", "people.csv", "--tolerate", "1").exit_code == 0
    assert run("validate", "people.csv", "--tolerate", "33%").exit_code == 3
    assert run("validate", "people.csv", "--tolerate", "34%").exit_code == 0


def test_corrected_rejects_amend_their_run(folder: Path) -> None:
    """The hint at the end of a run is a command that works, and ``runs show`` tells both halves."""
    (folder / "people.csv").write_text(BROKEN)
    night = run("import", "people.csv")
    (rejects,) = folder.glob(".square-etl/runs/*/rejects.csv")
    name = rejects.parent.name
    assert f"square-etl import .square-etl/runs/{name}/rejects.csv --amends {name}" in night.stdout
    rejects.write_text(rejects.read_text().replace("no address", "bo@example.com"))
    planned = run("plan", str(rejects), "--amends", name)
    assert planned.exit_code == 0
    assert "an import would create 1 profiles" in planned.stdout
    done = run("import", str(rejects), "--amends", name, "--output", "json")
    assert done.exit_code == 0
    shown = run("runs", "show", name)
    assert f"amended by run {json.loads(done.stdout)['run_id']}: 1 created" in shown.stdout
    assert re.search(r"created +3 ", shown.stdout)
    again = run("runs", "show", json.loads(done.stdout)["run_id"])
    assert f"amends run {name}" in again.stdout


def test_a_file_that_amends_nothing_is_refused(folder: Path) -> None:
    """Any other file says in one sentence what --amends wants."""
    (folder / "people.csv").write_text(BROKEN)
    run("import", "people.csv")
    (name,) = (path.name for path in (folder / ".square-etl/runs").iterdir())
    refused = run("import", "people.csv", "--amends", name)
    assert refused.exit_code == 2
    assert "is not the rejects.csv of run" in refused.stderr
    assert run("import", "people.csv", "--amends", "1999").exit_code == 2


def test_corrected_rejects_import_as_they_stand(folder: Path) -> None:
    """The rejects file, with its one cell corrected, is a source like any other."""
    (folder / "people.csv").write_text(BROKEN)
    run("import", "people.csv")
    (rejects,) = folder.glob(".square-etl/runs/*/rejects.csv")
    mended = rejects.read_text().replace("no address", "bo@example.com")
    (folder / "mended.csv").write_text(mended)
    done = run("import", "mended.csv", "--output", "json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rows"]["created"] == 1


def test_plan_writes_nothing(folder: Path) -> None:
    """A plan tells what an import would do, and Square stays as it is."""
    (folder / "people.csv").write_text(PEOPLE)
    done = run("plan", "people.csv")
    assert done.exit_code == 0
    assert "an import would create 2 profiles and update 0" in done.stdout
    report = json.loads(run("import", "people.csv", "--output", "json").stdout)
    assert report["rows"]["created"] == 2


def test_validate_asks_nobody(folder: Path) -> None:
    """Validation needs neither token nor local Square: none is made."""
    (folder / "people.csv").write_text(BROKEN)
    done = run("validate", "people.csv")
    assert done.exit_code == 3
    assert not (folder / ".square-etl/sandbox.sqlite").exists()
    assert "no Square is asked" in done.stderr


def test_standard_input(folder: Path) -> None:
    """A pipe is a source."""
    done = run("import", "-", "--output", "json", text=PEOPLE)
    assert json.loads(done.stdout)["rows"]["created"] == 2


def test_json_is_the_report(folder: Path) -> None:
    """With ``--output json``, standard output holds the report file and nothing else."""
    (folder / "people.csv").write_text(PEOPLE)
    done = run("import", "people.csv", "--output", "json")
    (kept,) = folder.glob(".square-etl/runs/*/report.json")
    assert done.stdout == kept.read_text()


def test_quiet(folder: Path) -> None:
    """``--quiet`` leaves only the summary."""
    (folder / "people.csv").write_text(PEOPLE)
    assert run("import", "people.csv", "--quiet").stderr == ""


def test_nobody_is_named_on_the_screen(folder: Path) -> None:
    """No email or phone of a customer is printed; they stay in the run's own files."""
    (folder / "people.csv").write_text(BROKEN + "c-4,Io,Ek,io@example,+1 415 555 0199 x\n")
    done = run("import", "people.csv")
    for secret in ("ada@", "lin@", "io@", "no address", "5550148", "5550199"):
        assert secret not in done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["import", "missing.csv"], "missing.csv"),
        (["import", "people.csv", "--config", "missing.toml"], "missing.toml"),
        (["import", "people.csv", "--target", "sandbox"], "SQUARE_ACCESS_TOKEN"),
        (["import", "people.csv", "--target", "moon"], "moon"),
        (["import", "people.csv", "--tolerate", "most"], "tolerate"),
        (["import", "people.csv", "--base-url", "http://127.0.0.1:1"], "--target sandbox"),
        (["import"], "SOURCE"),
        (["runs", "show", "nothing"], "no run nothing"),
        (["runs", "resume"], "unfinished"),
    ],
)
def test_usage_is_exit_2(folder: Path, arguments: list[str], told: str) -> None:
    """What is wrong before the run began is said in words, and nothing is left behind."""
    (folder / "people.csv").write_text(PEOPLE)
    done = run(*arguments)
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output
    assert not list(folder.glob(".square-etl/runs/*"))


def test_an_unreadable_source_leaves_no_run(folder: Path) -> None:
    """A quote that swallows the rest of the file is exit 2 with its line, and no run is begun."""
    (folder / "people.csv").write_text(PEOPLE + 'c-3,"Bo,Ek,bo@example.com,\nc-4,Io,,,\n')
    done = run("import", "people.csv")
    assert done.exit_code == 2
    assert "people.csv" in done.output
    assert "line 4" in done.output
    assert not list(folder.glob(".square-etl/runs/*"))


def test_plain_http_is_for_this_machine_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token never leaves over plain http, but to loopback."""
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "EAAAtest")
    (folder / "people.csv").write_text(PEOPLE)
    done = run(
        "import", "people.csv", "--target", "sandbox", "--base-url", "http://square.example.com"
    )
    assert done.exit_code == 2
    assert "EAAAtest" not in done.output


def test_a_readable_token_file_is_refused(folder: Path) -> None:
    """A token that others can read is not used."""
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "token").write_text("EAAAtest")
    (folder / "token").chmod(0o644)
    done = run("import", "people.csv", "--target", "sandbox", "--token-file", "token")
    assert done.exit_code == 2
    assert "chmod 600" in done.output


def test_production_is_asked_about(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and without --yes, production is not written to."""
    from etl.sandbox import Sandbox
    from etl.sandbox.server import serving

    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "EAAAtest")
    (folder / "people.csv").write_text(PEOPLE)
    with serving(Sandbox(token="EAAAtest").respond) as address:
        arguments = ["import", "people.csv", "--target", "production", "--base-url", address]
        refused = run(*arguments)
        assert refused.exit_code == 2
        assert "live directory" in refused.output
        assert run(*arguments, "--yes").exit_code == 0


def test_run_dir(folder: Path) -> None:
    """``--run-dir`` keeps a run elsewhere; the list knows it, and a taken place is refused."""
    (folder / "people.csv").write_text(PEOPLE)
    assert run("import", "people.csv", "--run-dir", "tonight").exit_code == 0
    assert (folder / "tonight/report.json").exists()
    assert "import" in run("runs", "list").stdout
    assert run("import", "people.csv", "--run-dir", "tonight").exit_code == 2


def test_several_sources(folder: Path) -> None:
    """Several files are one import: a person in both is one profile, and says where."""
    (folder / "a.csv").write_text(PEOPLE)
    (folder / "b.csv").write_text("Email,Last name\nADA@example.com,Lovelace-Byron\n")
    report = json.loads(run("import", "a.csv", "b.csv", "--output", "json").stdout)
    assert [source["rows"] for source in report["sources"]] == [2, 1]
    assert report["rows"]["created"] + report["rows"]["review"] + report["rows"]["duplicate"] == 3


def test_a_file_without_a_header_line_shows_nobody(folder: Path) -> None:
    """A file whose first line is a customer is exit 2; neither email nor phone is on the screen."""
    (folder / "people.csv").write_text(
        "Jane,Doe,jane@example.com,+14155550100\nBob,Roe,bob@example.com,+14155550101\n"
    )
    done = run("import", "people.csv")
    assert done.exit_code == 2
    assert "people.csv" in done.output
    for secret in ("jane@", "bob@", "5550100", "5550101"):
        assert secret not in done.output
    assert not list(folder.glob(".square-etl/runs/*"))


def test_run_dir_with_files_of_its_owner(folder: Path) -> None:
    """What else lies in the folder stays, whatever it is called; of copies nothing stays."""
    people = folder / "tonight/sources/people.csv"
    people.parent.mkdir(mode=0o700, parents=True)
    people.parent.parent.chmod(0o700)
    people.write_text(PEOPLE)

    done = run("import", str(people), "-", "--run-dir", "tonight", text=PEOPLE)

    assert done.exit_code == 0
    assert {path.name for path in (folder / "tonight").iterdir() if path.is_dir()} == {"sources"}
    assert people.read_text() == PEOPLE


def test_run_dir_replaces_nobodys_files(folder: Path) -> None:
    """A folder with a file that a run would write over is refused before anything is."""
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "mine").mkdir(mode=0o700)
    (folder / "mine" / "review.csv").write_text("mine")
    done = run("import", "people.csv", "--run-dir", "mine")
    assert done.exit_code == 2
    assert "review.csv is there already" in done.output
    assert (folder / "mine" / "review.csv").read_text() == "mine"


def test_run_dir_on_another_disk(folder: Path) -> None:
    """What is piped in is kept there until it is read."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as tonight:
        assert os.stat(tonight).st_dev != folder.stat().st_dev
        assert run("import", "-", "--run-dir", tonight, text=PEOPLE).exit_code == 0
        assert not [path for path in Path(tonight).iterdir() if path.is_dir()]


def test_run_dir_of_an_unreadable_source_is_free_again(folder: Path) -> None:
    """After exit 2 for a source that cannot be read, the same command on the mended file works."""
    (folder / "people.csv").write_text(PEOPLE + 'c-3,"Bo,Ek,bo@example.com,\nc-4,Io,,,\n')
    assert run("import", "people.csv", "--run-dir", "tonight").exit_code == 2
    (folder / "people.csv").write_text(PEOPLE)
    done = run("import", "people.csv", "--run-dir", "tonight", "--output", "json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rows"]["created"] == 2
    assert (folder / "tonight/report.json").exists()


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000], ids=["empty", "garbage"])
def test_a_damaged_run_stops_the_next_import(folder: Path, content: bytes) -> None:
    """While it is not known what an old run sent, nothing is: exit 2 with its folder and a way."""
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv")
    (old,) = folder.glob(".square-etl/runs/*")
    for file in old.glob("journal.sqlite*"):
        file.unlink()
    (old / "journal.sqlite").write_bytes(content)
    (folder / "more.csv").write_text(PEOPLE.replace("c-", "d-").replace("@", "+d@"))

    for arguments in (["import", "more.csv"], ["runs", "resume"], ["runs", "list"]):
        done = run(*arguments)
        assert done.exit_code == 2
        assert f".square-etl/runs/{old.name}" in done.output
        assert "restore the file" in done.output
        assert "Traceback" not in done.output
    old.rename(folder / "damaged")
    report = json.loads(run("import", "more.csv", "--output", "json").stdout)
    assert report["exit_code"] == 0


@click.command()
@state_option
@exits
def fill(state_dir: Path) -> None:
    """Write into the only run's journal, in one transaction, until SQLite says it is full."""
    (path,) = state_dir.glob("runs/*/journal.sqlite")
    with closing(Journal.open(path)) as journal:
        (pages,) = next(journal.query("PRAGMA page_count"))
        list(journal.query(f"PRAGMA max_page_count = {pages + 8}"))
        with journal.transaction():
            journal.add_problems(
                Problem(0, "reject", "MADE_UP", "", "x" * 1000) for _ in range(1000)
            )


@click.command()
@state_option
@exits
def spill(state_dir: Path) -> None:
    """Have DuckDB write to a device that is always full."""
    with duckdb.connect() as database:
        database.execute("COPY (SELECT range FROM range(100000)) TO '/dev/full' (FORMAT csv)")


def test_a_full_journal_is_exit_4(folder: Path) -> None:
    """A disk that is full amid a transaction is no bug: exit 4, a way on, and nothing is lost."""
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv", "--state-dir", "my state")
    (path,) = folder.glob("my state/runs/*/journal.sqlite")
    with closing(sqlite3.connect(path)) as database:
        before = list(database.iterdump())

    done = CliRunner().invoke(fill, ["--state-dir", "my state"])

    assert done.exit_code == 4
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.output
    assert done.stderr.endswith("square-etl runs resume --state-dir 'my state'\n")
    with closing(sqlite3.connect(path)) as database:
        assert list(database.iterdump()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_disk_that_duckdb_finds_full_is_exit_4(folder: Path) -> None:
    """DuckDB says it in words of its own; it is exit 4 all the same."""
    done = CliRunner().invoke(spill, ["--state-dir", "my state"])
    assert done.exit_code == 4
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.output
    assert done.stderr.endswith("square-etl runs resume --state-dir 'my state'\n")
