"""``init``: a few questions, and a config that works as it stands; and completion in a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl import config
from etl.cli import main
from tests.cli.test_imports import PEOPLE, folder, run

__all__ = ["folder"]

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "sample_data"


def asked(answers: str, *arguments: str) -> Result:
    """Run init and answer its questions, a line each."""
    return CliRunner().invoke(main, ["init", *arguments], input=answers)


def test_questions_and_a_config_that_works(folder: Path) -> None:
    """Answers become settings, the rest is proposed from the file; the next commands work."""
    (folder / "people.csv").write_text(PEOPLE)
    done = asked("people.csv\n\nGB\n\nstate\n")
    assert done.exit_code == 0, done.output
    written = config.load("square-etl.toml")
    assert written.columns["Email"] == "email_address"
    assert written.clean.default_region == "GB"
    assert written.target.environment == "local"
    assert "--state-dir state" in (folder / "square-etl.toml").read_text()
    commands = [
        line.split()[1:] for line in done.stdout.splitlines() if line.startswith("  square")
    ]
    assert [command[0] for command in commands] == ["doctor", "validate", "plan", "import"]
    for command in commands:
        assert run(*command).exit_code == 0
    assert (folder / "state/runs").is_dir()
    assert not (folder / ".square-etl").exists()


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.csv")), ids=lambda path: path.stem)
def test_every_sample(folder: Path, sample: Path) -> None:
    """With --yes nothing is asked, and what is written for any sample is a config for it."""
    done = run("init", "c.toml", "--yes", "--file", str(sample), "--target", "sandbox")
    assert done.exit_code == 0, done.output
    written = config.load("c.toml")
    assert written.target.environment == "sandbox"
    assert written.limits.max_rejected == "20%"
    assert run("validate", str(sample), "--config", "c.toml").exit_code in (0, 3)
    assert (folder / "c.toml").stat().st_mode & 0o077 == 0


def test_the_system_is_told_from_the_file_or_said(folder: Path) -> None:
    """A known export proposes its preset; somebody may know better, and is told when not."""
    shopify = str(SAMPLES / "shopify_customers.csv")
    run("init", "a.toml", "--yes", "--file", shopify)
    assert config.load("a.toml").source.preset == "shopify"
    run("init", "b.toml", "--yes", "--file", shopify, "--system", "other")
    other = config.load("b.toml")
    assert other.source.preset is None
    assert "email_address" in {*other.columns.values(), *other.fallbacks}
    wrong = run("init", "c.toml", "--yes", "--file", shopify, "--system", "stripe")
    assert wrong.exit_code == 2
    assert "these are the columns of shopify" in wrong.stderr
    assert "not of stripe" in wrong.stderr
    unknown = run("init", "c.toml", "--yes", "--file", shopify, "--system", "excel")
    assert "'excel' is none of clover" in unknown.stderr
    assert not (folder / "c.toml").exists()


def test_a_config_is_never_replaced(folder: Path) -> None:
    """What is there stays, and is told of before the first question."""
    (folder / "square-etl.toml").write_text("# mine\n")
    done = asked("")
    assert done.exit_code == 2
    assert "square-etl.toml exists: choose another name" in done.stderr
    assert "--force" not in done.stderr
    assert (folder / "square-etl.toml").read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--yes",), "say which file: --file SOURCE"),
        (("--yes", "--file", "nowhere.csv"), "nowhere.csv"),
        (("--yes", "--file", "people.csv", "--region", "UK"), "'UK' is not a region"),
        (("nowhere/c.toml", "--yes", "--file", "people.csv"), "there is no folder nowhere"),
    ],
)
def test_answers_that_cannot_be(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    """What cannot be is told, and nothing is written."""
    (folder / "people.csv").write_text(PEOPLE)
    done = run("init", *arguments)
    assert done.exit_code == 2
    assert told in done.stderr
    assert not list(folder.rglob("*.toml"))


def test_leaving_in_the_middle(folder: Path) -> None:
    """Whoever breaks off the questions has written nothing."""
    (folder / "people.csv").write_text(PEOPLE)
    assert asked("people.csv\n").exit_code == 2
    assert not (folder / "square-etl.toml").exists()


def test_the_preset_speaks_for_itself() -> None:
    """The comments of a started config are TOML comments: it parses without them being seen."""
    from etl.stages.starter import nightly

    told = nightly("production", "/var/lib/square etl")
    assert config.parse(tomllib.loads(told), "it").target.environment == "production"


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which square-etl is a command, as after pip install."""
    program = tmp_path / "bin" / "square-etl"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom etl.cli import main\nmain()\n")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("square-etl im", {"import"}),
        ("square-etl runs re", {"resume", "report"}),
        ("square-etl import --tar", {"--target"}),
        ("square-etl import --target ", {"local", "sandbox", "production"}),
    ],
)
def test_completion(shell: dict[str, str], words: str, completed: set[str]) -> None:
    """The line of the README, in a real bash: commands, options and their values complete."""
    (line,) = [
        line
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith('eval "$(_SQUARE_ETL_COMPLETE=bash_source')
    ]
    script = (
        f"{line.partition('  #')[0]}\n"
        f"COMP_WORDS=({words}{' ' + chr(39) * 2 if words.endswith(' ') else ''})\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "_square_etl_completion square-etl\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=shell, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == completed
