"""``square-etl import``, ``plan`` and ``validate``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from etl.cli.options import config_option, exits, output_options, state_option, target_options
from etl.cli.progress import Watcher

_SOURCES = click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
_AMENDS = click.option(
    "--amends",
    metavar="RUN",
    help="SOURCE is the corrected rejects.csv of RUN: its ledger and report take the outcomes.",
)
_TOLERATE = click.option(
    "--tolerate",
    metavar="N|P%",
    help="Rejected, failed and review rows that still count as success (exit 0).",
)


@click.command("import")
@_SOURCES
@config_option
@target_options
@state_option
@click.option("--yes", is_flag=True, help="Do not ask before writing to production.")
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep this run's journal and artifacts here instead of in the state folder.",
)
@_AMENDS
@_TOLERATE
@output_options
@exits
def import_command(
    sources: tuple[str, ...],
    config_file: Path | None,
    target: str | None,
    base_url: str | None,
    token_file: Path | None,
    state_dir: Path,
    yes: bool,
    run_dir: Path | None,
    amends: str | None,
    tolerate: str | None,
    output: str,
    quiet: bool,
) -> int:
    """Import customers from CSV or Parquet files and account for every row.

    SOURCE is a file, a glob, or - for standard input; .gz and .zst are unpacked on the way.
    Stopped anywhere, the same command finishes the work. Imported again, a finished file writes
    nothing.
    """
    from etl.cli import session
    from etl.journal.state import State
    from etl.pipeline import import_customers
    from etl.session import connected, world

    config = session.configured(config_file, target, token_file, tolerate)
    with Watcher(sys.stderr, quiet=quiet).on_signals() as watcher:
        state, listeners = State(state_dir), session.audience(watcher, quiet=quiet)
        with connected(config, base_url, state, listeners) as square:
            session.confirm(square, yes=yes)
            report = import_customers(
                sources, config, state, square, world(listeners), run_dir, amends
            )
    return session.show(report, state, output)


@click.command("plan")
@_SOURCES
@config_option
@target_options
@state_option
@_AMENDS
@_TOLERATE
@output_options
@exits
def plan_command(
    sources: tuple[str, ...],
    config_file: Path | None,
    target: str | None,
    base_url: str | None,
    token_file: Path | None,
    state_dir: Path,
    amends: str | None,
    tolerate: str | None,
    output: str,
    quiet: bool,
) -> int:
    """Show what an import would do. Nothing is written to Square.

    The ledger of the run (rows.csv) says for each row whether it would be created or updated, and
    which fields would change.
    """
    from etl.cli import session
    from etl.journal.state import State
    from etl.pipeline import plan_import
    from etl.session import connected, world

    config = session.configured(config_file, target, token_file, tolerate)
    with Watcher(sys.stderr, quiet=quiet).on_signals() as watcher:
        state, listeners = State(state_dir), session.audience(watcher, quiet=quiet)
        with connected(config, base_url, state, listeners) as square:
            report = plan_import(sources, config, state, square, world(listeners), amends)
    return session.show(report, state, output)


@click.command("validate")
@_SOURCES
@config_option
@state_option
@_TOLERATE
@output_options
@exits
def validate_command(
    sources: tuple[str, ...],
    config_file: Path | None,
    state_dir: Path,
    tolerate: str | None,
    output: str,
    quiet: bool,
) -> int:
    """Say which rows Square would refuse, and why. Uses no network at all."""
    from etl.cli import session
    from etl.journal.state import State
    from etl.pipeline import validate_files
    from etl.session import world

    config = session.configured(config_file, None, None, tolerate)
    with Watcher(sys.stderr, quiet=quiet).on_signals() as watcher:
        state, listeners = State(state_dir), session.audience(watcher, quiet=quiet)
        report = validate_files(sources, config, state, world(listeners))
    return session.show(report, state, output)
