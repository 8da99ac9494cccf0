"""The README is true: its tables are the code's, and its commands print what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from etl.cli import main
from tests import readme

TEXT = readme.README.read_text(encoding="utf-8")


def test_tables_are_the_codes() -> None:
    """Fields, codes, settings and outcomes stand in the README as they stand in the code."""
    assert readme.with_tables(TEXT) == TEXT, "run: python -m tests.readme"


def test_console_blocks(tmp_path: Path) -> None:
    """A newcomer who types the console blocks in order sees what the README shows."""
    folder = readme.newcomer(tmp_path)
    for block in readme.blocks(TEXT):
        seen = readme.printed(readme.commands(block), folder)
        assert readme.without_chance(seen) == readme.without_chance(block)


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
def test_python_blocks(block: str, tmp_path: Path) -> None:
    """The Python of the README runs as it stands."""
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=readme.newcomer(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(path, command, id=" ".join(path)) for path, command in readme.leaves(main)],
)
def test_every_command_and_option_is_described(
    path: tuple[str, ...], command: click.Command
) -> None:
    """Every command has a help text and a place in the README, and so has every option."""
    assert command.help
    assert re.search(rf"square-etl {' '.join(path)}\b", TEXT)
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            for name in option.opts:
                assert name in TEXT, name


@pytest.mark.parametrize("line", re.findall(r"^python3 -m venv .*$", TEXT, re.MULTILINE))
def test_newcomers_lines_name_files_that_exist(line: str) -> None:
    """The two lines of the start name files of this repository."""
    for name in re.findall(r"(?:sample_data|configs)/\S+", line):
        assert (readme.ROOT / name).is_file()
