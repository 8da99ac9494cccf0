"""``square-etl export`` as an analyst meets it: words, files, pipes, exit codes."""

from __future__ import annotations

import csv
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.test_imports import PEOPLE, folder, run

__all__ = ["folder"]


@pytest.fixture
def imported(folder: Path) -> None:
    """Two customers in the local Square of the folder."""
    (folder / "people.csv").write_text(PEOPLE)
    assert run("import", "people.csv").exit_code == 0


@pytest.mark.usefixtures("imported")
def test_what_is_printed(folder: Path) -> None:
    """The summary counts and names the proof; nobody's data is on the screen."""
    done = run("export", "out.csv")
    assert done.exit_code == 0
    assert "export: 2 rows in out.csv" in done.stdout
    assert "Square counted the same before and after in each of 1 spans of time" in done.stdout
    assert "manifest: out.csv.manifest.json" in done.stdout
    assert "target local" in done.stderr
    assert "ada@example.com" not in done.output
    assert (folder / "out.csv").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("imported")
def test_the_manifest_is_printed(folder: Path) -> None:
    """As JSON the manifest is printed with how it ended."""
    told = json.loads(run("export", "out.parquet", "--output", "json").stdout)
    kept = json.loads((folder / "out.parquet.manifest.json").read_bytes())
    assert kept.items() <= told.items()
    assert (told["status"], told["exit_code"]) == ("finished", 0)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["out.xlsx"], "it is not known what .xlsx is to be"),
        (["people.csv"], "--overwrite"),
        (["missing/out.csv"], "there is no such folder"),
        (["out.csv", "--columns", "emial"], "did you mean"),
        (["out.csv", "--where", "given_name ="], "--where"),
        (["out.csv", "--created-after", "soon"], "is no time"),
        (["out.csv", "--group", "Nobody"], "there is no group 'Nobody'"),
        (["out.csv", "--attribute", "tea"], "say KEY=VALUE"),
        (["out.csv", "--mask", ""], "separated by commas"),
        (["x" * 250 + ".csv"], "is too long"),
        (["-", "--incremental"], "--incremental does not go with DEST -"),
    ],
)
@pytest.mark.usefixtures("imported")
def test_what_cannot_be_exported(folder: Path, arguments: list[str], why: str) -> None:
    """What cannot be is exit 2, says why, and leaves nothing behind."""
    before = sorted(path.name for path in folder.iterdir())
    done = run("export", *arguments)
    assert done.exit_code == 2
    assert why in done.stderr
    assert "Traceback" not in done.output
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.usefixtures("imported")
def test_lists_add_up(folder: Path) -> None:
    """Options that take names may be said twice: what is masked stays masked."""
    assert run("export", "out.csv", "--mask", "email", "--mask", "name,phone").exit_code == 0
    text = (folder / "out.csv").read_text()
    assert "ada@example.com" not in text
    assert "Ada" not in text


@pytest.mark.usefixtures("imported")
def test_a_key_that_is_none(folder: Path) -> None:
    """Codes that anybody could make are not written."""
    (folder / ".square-etl" / "mask.key").touch()
    done = run("export", "out.csv", "--mask", "email")
    assert done.exit_code == 2
    assert "mask.key" in done.stderr


@pytest.mark.usefixtures("imported")
def test_the_first_increment(folder: Path) -> None:
    """What has no beginning does not claim one; the next one says since when."""
    first = run("export", "out.csv", "--incremental")
    assert "everybody: increments begin here" in first.stdout
    manifest = json.loads((folder / "out.csv.manifest.json").read_bytes())
    assert manifest["incremental"]["since"] is None
    assert "new or changed since 20" in run("export", "2.csv", "--incremental").stdout
    again = run("export", "3.csv", "--incremental", "--full-refresh")
    assert "everybody: increments begin here" in again.stdout


@pytest.mark.usefixtures("imported")
def test_links(folder: Path) -> None:
    """A link counts as a file even if it leads nowhere; what it leads to is never written to."""
    (folder / "link.csv").symlink_to("nowhere")
    (folder / "link").symlink_to("nowhere")
    assert run("export", "link.csv").exit_code == run("export", "link").exit_code == 2
    assert run("export", "link.csv", "--overwrite").exit_code == 0
    assert not (folder / "link.csv").is_symlink()
    assert run("export", "link", "--overwrite").exit_code == 2
    assert not (folder / "nowhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [b"out\xff.csv"],
        [b"out.csv", b"--email", b"\xff@example.com"],
        [b"out.csv", b"--group", b"\xff"],
        [b"out.csv", b"--attribute", b"tea=\xff"],
        [b"out.csv", b"--where", b"given_name = '\xff'"],
    ],
)
@pytest.mark.usefixtures("imported")
def test_bytes_that_are_no_text(folder: Path, arguments: list[bytes]) -> None:
    """What a shell passes on from another encoding is refused in words."""
    done = subprocess.run(
        [*map(os.fsencode, command("export")), *arguments], cwd=folder, capture_output=True
    )
    assert done.returncode == 2
    assert b"bytes that are no UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == [".square-etl", "people.csv"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("export - >&-", 2),
        ("export - >&- 2>&-", 2),
        ("export out.csv >&-", 0),
        ("export out.csv 2>&-", 0),
        ("export out.csv <&- >&- 2>&-", 0),
        ("import - <&-", 2),
        ("import people.csv --state-dir elsewhere >&-", 0),
        ("import people.csv --state-dir elsewhere >&- 2>&-", 0),
    ],
)
@pytest.mark.usefixtures("imported")
def test_closed_streams(folder: Path, line: str, code: int) -> None:
    """Streams that the shell closed are no bug, and no file is written into their place."""
    program = shlex.join(command())
    done = subprocess.run(
        ["/bin/sh", "-c", f"{program} {line}"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if "out.csv" in line:
        assert len(pd.read_csv(folder / "out.csv")) == 2


def command(*arguments: str) -> list[str]:
    """Return a command line of this program."""
    return [sys.executable, "-m", "etl", *arguments]


@pytest.mark.usefixtures("imported")
def test_standard_output_is_the_file(folder: Path) -> None:
    """On ``-`` there is nothing but CSV; what else there is to say goes to standard error."""
    done = subprocess.run(
        command("export", "-", "--columns", "given_name,email_address"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert {row["email_address"] for row in rows} == {"ada@example.com", "lin@example.org"}
    assert "2 rows" in done.stderr


def test_a_reader_that_has_seen_enough(folder: Path) -> None:
    """``| head`` ends an export without complaint."""
    subprocess.run(command("sandbox", "seed", "--profiles", "3000"), cwd=folder, check=True)
    with subprocess.Popen(
        command("export", "-", "-q"), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as exporting:
        assert exporting.stdout is not None
        assert exporting.stderr is not None
        exporting.stdout.readline()
        exporting.stdout.close()
        told = exporting.stderr.read().decode()
    assert "Traceback" not in told
    assert "BrokenPipe" not in told
    assert exporting.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("imported")
def test_an_expression_that_runs_for_minutes(folder: Path, number: signal.Signals) -> None:
    """A signal ends it within seconds: exit 4, no file, and what to do next."""
    forever = "version >= 0 AND (SELECT count(*) FROM range(100000000000) WHERE range % 7 = 3) > 0"
    with subprocess.Popen(
        command("export", "out.csv", "--where", forever),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as exporting:
        assert exporting.stderr is not None
        exporting.stderr.readline()
        time.sleep(1.0)
        exporting.send_signal(number)
        begin = time.monotonic()
        told, complaint = exporting.communicate(timeout=60)
    assert time.monotonic() - begin < 5
    assert exporting.returncode == 4
    assert "Traceback" not in complaint
    assert f"stopped by {number.name}" in told
    assert "next: give the same command again" in told
    assert sorted(path.name for path in folder.iterdir()) == [".square-etl", "people.csv"]


def deprived(*arguments: str) -> list[str]:
    """Return a command line of this program for a user whom permissions hold back, as not root."""
    if os.geteuid():
        return command(*arguments)
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command(*arguments)]


@pytest.mark.parametrize(
    ("place", "mode", "arguments", "said"),
    [
        ("closed", 0o500, ["closed/out.csv"], "closed: this folder cannot be read and written"),
        ("closed", 0o300, ["closed/out.csv"], "closed: this folder cannot be read and written"),
        ("closed/in", 0o000, ["closed/in/out.csv"], "closed/in"),
        ("closed", 0o000, ["closed/in/out.csv"], "closed/in: Permission denied"),
        ("closed", 0o000, ["closed", "--overwrite"], "closed: Permission denied"),
        ("closed", 0o500, ["out.csv", "--state-dir", "closed/state"], "cannot use the state"),
        (".square-etl/exports", 0o500, ["out.csv"], ".square-etl/exports"),
        (".square-etl/mask.key", 0o000, ["out.csv"], ".square-etl/mask.key: Permission denied"),
    ],
)
@pytest.mark.usefixtures("imported")
def test_what_may_not_be_used(
    folder: Path, place: str, mode: int, arguments: list[str], said: str
) -> None:
    """A folder or file without permissions is exit 2, named, and nothing is left behind."""
    (folder / "closed" / "in").mkdir(parents=True)
    assert run("export", "before.csv", "--mask", "email").exit_code == 0
    before = sorted(path.name for path in folder.iterdir())
    there = (folder / place).stat().st_mode
    # A new folder of the collection is to be made.
    shutil.rmtree(folder / ".square-etl" / "exports")
    (folder / ".square-etl" / "exports").mkdir()
    (folder / place).chmod(mode)
    try:
        done = subprocess.run(
            deprived("export", *arguments), cwd=folder, capture_output=True, text=True
        )
    finally:
        (folder / place).chmod(there)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not [*folder.glob("closed/*.csv"), *folder.glob("closed/in/*")]


def test_killed_at_random(folder: Path) -> None:
    """Killed at any moment there is no file or the whole of it; the same command goes on."""
    chance = random.Random(6)
    subprocess.run(command("sandbox", "seed", "--profiles", "3000"), cwd=folder, check=True)
    subprocess.run(command("export", "all.csv", "-q"), cwd=folder, check=True)
    whole = (folder / "all.csv").read_bytes()
    kills = 0
    for number in range(8):
        name = f"{number}.csv"
        for _ in range(3):
            with subprocess.Popen(command("export", name, "-q"), cwd=folder) as exporting:
                time.sleep(chance.uniform(0.4, 1.6))
                exporting.send_signal(signal.SIGKILL)
            killed = exporting.returncode == -signal.SIGKILL
            kills += killed
            assert not (folder / name).exists() or (folder / name).read_bytes() == whole
            if not killed or (folder / name).exists():
                break
        subprocess.run(command("export", name, "-q", "--overwrite"), cwd=folder, check=True)
        assert (folder / name).read_bytes() == whole
    assert kills
    assert not list(folder.glob(".partial-*"))
