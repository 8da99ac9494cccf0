"""A Ctrl-C that no run was there to heed."""

from __future__ import annotations

import click
from click.testing import CliRunner

from etl.cli.options import exits


def test_before_a_run_begins() -> None:
    """It is no bug of the program: exit 4, as for every command that was stopped."""

    @click.command()
    @exits
    def stopped() -> None:
        raise KeyboardInterrupt

    done = CliRunner().invoke(stopped)

    assert done.exit_code == 4
    assert done.stderr == "square-etl: stopped by SIGINT; give the same command again.\n"
