"""``square-etl sandbox seed`` and ``reset``; ``serve`` is tested with the server."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl.cli.sandbox import sandbox
from etl.sandbox import Sandbox


def run(*arguments: str, text: str | None = None) -> Result:
    """Run the group."""
    return CliRunner().invoke(sandbox, arguments, input=text)


def test_seed_fills_the_local_target(tmp_path: Path) -> None:
    """Profiles go into the state folder's file, which is made if need be, for its owner only."""
    state = tmp_path / "state"

    result = run("seed", "--profiles", "30", "--seed", "4", "--state-dir", str(state))

    assert (result.exit_code, result.output) == (0, "added 30 profiles\n")
    box = Sandbox(state / "sandbox.sqlite")
    assert sum(entry["action"] == "create" for entry in box.log()) == 30
    box.close()
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_seed_twice_adds_nothing(tmp_path: Path) -> None:
    """The same seed finds its profiles there."""
    data = str(tmp_path / "x.sqlite")
    run("seed", "--profiles", "30", "--data", data)

    result = run("seed", "--profiles", "40", "--data", data)

    assert result.output == "added 10 profiles; 30 were there already\n"


def test_the_state_folder_comes_from_the_environment(tmp_path: Path) -> None:
    """SQUARE_ETL_STATE names the folder."""
    CliRunner().invoke(
        sandbox, ["seed", "--profiles", "1"], env={"SQUARE_ETL_STATE": str(tmp_path / "s")}
    )

    assert (tmp_path / "s" / "sandbox.sqlite").exists()


def test_reset_asks_first(tmp_path: Path) -> None:
    """Without --yes nothing is forgotten unless one says so; the merchant stays."""
    data = tmp_path / "x.sqlite"
    run("seed", "--profiles", "5", "--data", str(data))
    box = Sandbox(data)
    merchant = box.merchant_id
    box.close()

    refused = run("reset", "--data", str(data), text="n\n")
    confirmed = run("reset", "--yes", "--data", str(data))

    assert refused.exit_code == 2
    assert confirmed.output == "forgot 5 profiles\n"
    box = Sandbox(data)
    assert (box.log(), box.merchant_id) == ([], merchant)
    box.close()


def test_reset_of_nothing_makes_nothing(tmp_path: Path) -> None:
    """A file that is not there is not made in order to empty it."""
    result = run("reset", "--yes", "--state-dir", str(tmp_path / "state"))

    assert "nothing to forget" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    """A text where the sandbox's file should be is an error with its name."""
    path = tmp_path / "notes.txt"
    path.write_text("Not a database at all. " * 100)

    for arguments in (("seed",), ("reset", "--yes"), ("serve",)):
        result = run(*arguments, "--data", str(path))
        assert result.exit_code == 2
        assert "notes.txt" in result.output


@pytest.mark.parametrize("country", ["UK", "us", "Atlantis"])
def test_countries_are_checked(country: str) -> None:
    """A merchant's country must have phone numbers."""
    result = run("serve", "--country", country)
    assert result.exit_code == 2
    assert f"{country!r} is not a country" in result.output


def test_serve_says_that_it_opens_in_a_browser() -> None:
    """The one line it prints does not; its help does."""
    assert "opens in a browser" in run("serve", "--help").output


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--rate", "nan"], "--rate must be requests a second"),
        (["--lag", "inf"], "--lag must be seconds, from 0 to"),
        (["--lag", "-1"], "-1.0 is not in the range x>=0"),
        (["--rate", "fast"], "'fast' is not a valid float"),
        (["--token", ""], "--token must be visible ASCII characters"),
        (["--token", "a b"], "--token must be visible ASCII characters"),
    ],
)
def test_impossible_settings_are_usage(options: list[str], remedy: str) -> None:
    """What cannot be served is refused before anything is opened, with the remedy."""
    result = run("serve", *options)

    assert result.exit_code == 2
    assert remedy in result.output


@pytest.mark.parametrize(
    "option", [("--profiles", "0"), ("--profiles", "1000001"), ("--seed", "9" * 20)]
)
def test_impossible_seeds_are_usage(tmp_path: Path, option: tuple[str, str]) -> None:
    """A seed has an end, and is a number like others; no file is made for an impossible one."""
    result = run("seed", *option, "--data", str(tmp_path / "x.sqlite"))

    assert result.exit_code == 2
    assert "is not in the range" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("seed",), ("serve",)])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A file cannot be made in a folder that does not exist; none is made for it."""
    path = tmp_path / "missing" / "x.sqlite"

    result = run(*arguments, "--data", str(path))

    assert result.exit_code == 2
    assert f"cannot make the sandbox's file {path}: No such file or directory" in result.output
    assert not path.parent.exists()


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("x")

    result = run("seed", "--state-dir", str(tmp_path / "file" / "state"))

    assert result.exit_code == 2
    assert f"cannot make the folder {tmp_path / 'file' / 'state'}" in result.output


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A read-only file or folder is refused with the remedy."""
    data, new = tmp_path / "x.sqlite", tmp_path / "new.sqlite"
    run("seed", "--profiles", "1", "--data", str(data))
    data.chmod(0o400)
    tmp_path.chmod(0o500)

    results = [run("seed", "--data", str(path)) for path in (data, new)]

    tmp_path.chmod(0o700)
    assert [result.exit_code for result in results] == [2, 2]
    assert "the file and its folder must be readable and writable" in results[0].output
    assert f"{new}: Permission denied" in results[1].output


ON_A_SMALL_DISK = """
import resource, sys
from etl.cli.sandbox import sandbox
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
sandbox(sys.argv[1:])
"""


def test_a_full_disk_undoes_a_seed(tmp_path: Path) -> None:
    """Without room nothing of a seed is kept, and the message says so."""
    path = str(tmp_path / "x.sqlite")
    few = ["seed", "--profiles", "5", "--data", path]
    many = ["seed", "--profiles", "5000", "--data", path]

    runs = [
        subprocess.run(
            [sys.executable, "-c", ON_A_SMALL_DISK, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )
        for arguments in (few, many)
    ]

    assert [run.returncode for run in runs] == [0, 2]
    assert f"square-etl: {path}: The sandbox's file: " in runs[1].stderr
    assert runs[1].stderr.endswith("; nothing was changed\n")
    box = Sandbox(Path(path))
    assert [entry["action"] for entry in box.log()].count("create") == 5
    box.close()


def test_every_command_has_help() -> None:
    """The group and its commands explain themselves."""
    for arguments in ((), ("serve",), ("seed",), ("reset",)):
        result = run(*arguments, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output
