"""``square-etl sandbox seed`` and ``reset``; ``serve`` is tested with the server."""

from __future__ import annotations

import stat
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


def test_every_command_has_help() -> None:
    """The group and its commands explain themselves."""
    for arguments in ((), ("serve",), ("seed",), ("reset",)):
        result = run(*arguments, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output
