"""``square-etl import``, ``plan``, ``apply`` and ``validate``."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from etl.cli.options import (
    Asked,
    Logging,
    config_option,
    engine_options,
    exits,
    log_options,
    output_options,
    state_option,
    target_options,
    yes_option,
)
from etl.engines import chosen, ready

_SOURCES = click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
_AMENDS = click.option(
    "--amends",
    metavar="RUN",
    help="SOURCE is the corrected rejects.csv or review.csv of RUN: its ledger and report take the "
    "outcomes. Without --config, the settings are those of RUN.",
)
_TOLERATE = click.option(
    "--tolerate",
    metavar="N|P%",
    help="Rejected, failed and review rows that still count as success (exit 0).",
)
_RUN_DIR = click.option(
    "--run-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep this run's journal and artifacts here instead of in the state folder.",
)
_CANARY = click.option(
    "--canary",
    type=click.IntRange(1, 100),
    metavar="N",
    help="First write N profiles (1 to 100), read them back, and stop unless all is as it should.",
)


@click.command("import")
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.option(
    "--matrix",
    "matrix_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="In place of SOURCE: import for each of the merchants in FILE (TOML), several at a time.",
)
@config_option
@target_options
@state_option
@yes_option
@_RUN_DIR
@_CANARY
@_AMENDS
@_TOLERATE
@engine_options
@log_options
@output_options
@exits
def import_command(
    sources: tuple[str, ...],
    matrix_file: Path | None,
    config_file: Path | None,
    target: str | None,
    base_url: str | None,
    token_file: Path | None,
    state_dir: Path,
    yes: bool,
    run_dir: Path | None,
    canary: int | None,
    amends: str | None,
    tolerate: str | None,
    engine: Asked,
    log: Logging,
    output: str,
    quiet: bool,
) -> int:
    """Import customers from CSV or Parquet files and account for every row.

    SOURCE is a file, a glob, an address such as s3://shop/people.csv, or - for standard input; .gz
    and .zst are unpacked on the way.
    Stopped anywhere, the same command finishes the work. Imported again, a finished file writes
    nothing.
    """
    if matrix_file is not None:
        _refuse_beside_matrix(click.get_current_context())
        from etl.cli.matrix import import_for_merchants

        return import_for_merchants(
            matrix_file,
            state_dir,
            yes=yes,
            canary=canary,
            tolerate=tolerate,
            engine=engine,
            log=log,
            output=output,
            quiet=quiet,
        )
    if not sources:
        raise click.UsageError("say which SOURCE, or --matrix FILE for several merchants")
    from etl.cli import session
    from etl.cli.following import following
    from etl.journal.state import State
    from etl.pipeline import import_customers

    with following("import", log, quiet=quiet) as told, ready(chosen(*engine)) as at_work:
        state = State(state_dir)
        config, base_url = session.amending(
            amends, config_file, target, base_url, token_file, tolerate, state
        )
        with told.connected(config, base_url, state) as (square, world):
            session.confirm(square, yes=yes)
            report = import_customers(
                sources, config, state, square, world, run_dir, amends, canary or 0, at_work
            )
        return told.show(report, state, output)


# What is each merchant's own.
_EACH_ITS_OWN = ("config_file", "target", "base_url", "token_file", "run_dir", "amends")


def _refuse_beside_matrix(context: click.Context) -> None:
    """Raise UsageError for what the file of the merchants says of each, or nobody can."""
    if context.params["sources"]:
        raise click.UsageError("--matrix FILE names the sources of each merchant: say no SOURCE")
    for option in context.command.params:
        if option.name in _EACH_ITS_OWN and context.params[option.name] is not None:
            told = option.opts[0]
            if context.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT:
                told = f"{option.envvar} (as {told})"
            raise click.UsageError(f"--matrix FILE says it of each merchant: leave out {told}")


@click.command("plan")
@_SOURCES
@config_option
@target_options
@state_option
@_RUN_DIR
@_AMENDS
@_TOLERATE
@engine_options
@log_options
@output_options
@exits
def plan_command(
    sources: tuple[str, ...],
    config_file: Path | None,
    target: str | None,
    base_url: str | None,
    token_file: Path | None,
    state_dir: Path,
    run_dir: Path | None,
    amends: str | None,
    tolerate: str | None,
    engine: Asked,
    log: Logging,
    output: str,
    quiet: bool,
) -> int:
    """Show what an import would do. Nothing is written to Square.

    plan.csv of the run says row by row who would be created or updated and why it is them, and
    value by value what Square holds now and would hold then. `square-etl apply RUN` does just that.
    """
    from etl.cli import session
    from etl.cli.following import following
    from etl.journal.state import State
    from etl.pipeline import plan_import

    with following("plan", log, quiet=quiet) as told, ready(chosen(*engine)) as at_work:
        state = State(state_dir)
        config, base_url = session.amending(
            amends, config_file, target, base_url, token_file, tolerate, state
        )
        with told.connected(config, base_url, state) as (square, world):
            report = plan_import(sources, config, state, square, world, amends, run_dir, at_work)
        return told.show(report, state, output)


@click.command("apply")
@click.argument("plan")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings with other [limits]; all else has to be as it was planned.",
)
@target_options
@state_option
@yes_option
@_CANARY
@_TOLERATE
@engine_options
@log_options
@output_options
@exits
def apply_command(
    plan: str,
    config_file: Path | None,
    target: str | None,
    base_url: str | None,
    token_file: Path | None,
    state_dir: Path,
    yes: bool,
    canary: int | None,
    tolerate: str | None,
    engine: Asked,
    log: Logging,
    output: str,
    quiet: bool,
) -> int:
    """Carry out PLAN, as it was planned.

    PLAN is the id of a run of `plan` (or its beginning), the folder of that run, or the plan.csv in
    it. Target, settings and rows come from there; only the token has to be given again. The
    directory is looked at once more: rows whose customer changed, was merged or deleted since, or
    is there by now, are planned anew and counted; all others are written as planned.

    Stopped anywhere, the same command finishes the work. Applied again, a plan writes nothing.
    """
    from etl.cli import session
    from etl.cli.following import following
    from etl.config import Config
    from etl.journal.state import State
    from etl.pipeline import apply_plan

    with following("apply", log, quiet=quiet) as told, ready(chosen(*engine)) as at_work:
        state = State(state_dir)
        run, place = session.planned(plan, target, state, told.insist)
        config = session.configured(
            config_file, run.target, token_file, tolerate, Config.model_validate_json(run.config)
        )
        address = base_url if base_url or run.target == "local" else run.base_url
        with told.connected(config, address, state) as (square, world):
            session.confirm(square, yes=yes)
            report = apply_plan(str(place), config, state, square, world, canary or 0, at_work)
        return told.show(report, state, output)


@click.command("validate")
@_SOURCES
@config_option
@state_option
@_TOLERATE
@engine_options
@log_options
@output_options
@exits
def validate_command(
    sources: tuple[str, ...],
    config_file: Path | None,
    state_dir: Path,
    tolerate: str | None,
    engine: Asked,
    log: Logging,
    output: str,
    quiet: bool,
) -> int:
    """Say which rows Square would refuse, and why. Uses no network at all."""
    from etl.cli import session
    from etl.cli.following import following
    from etl.journal.state import State
    from etl.pipeline import validate_files

    with following("validate", log, quiet=quiet) as told, ready(chosen(*engine)) as at_work:
        config = session.configured(config_file, None, None, tolerate)
        state = State(state_dir)
        with told.at_work() as world:
            report = validate_files(sources, config, state, world, at_work)
        return told.show(report, state, output)
