"""``square-etl export``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from etl.cli.options import (
    Logging,
    config_option,
    exits,
    log_options,
    output_options,
    state_option,
    target_options,
)
from etl.export.names import BESIDE, SYSTEMS

_Command = Callable[..., Any]


def _listed(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    names = tuple(name.strip() for text in texts for name in text.split(","))
    if not all(names):
        raise click.BadParameter("say names, separated by commas", context, option)
    return names


def _pairs(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [key for key, equals, _ in pairs if not (key and equals)]:
        raise click.BadParameter(f"{wrong[0]!r}: say KEY=VALUE", context, option)
    return tuple((key.strip(), value) for key, _, value in pairs)


def _filters(command: _Command) -> _Command:
    time = "A date (UTC) or an RFC 3339 time"
    for option in reversed(
        [
            click.option("--created-after", metavar="TIME", help=f"{time}, itself included."),
            click.option("--created-before", metavar="TIME", help=f"{time}, itself not included."),
            click.option("--updated-after", metavar="TIME", help=f"{time}, itself included."),
            click.option("--updated-before", metavar="TIME", help=f"{time}, itself not included."),
            click.option("--group", "groups", metavar="NAME", multiple=True, help="In this group."),
            click.option(
                "--segment", "segments", metavar="NAME", multiple=True, help="In this segment."
            ),
            click.option(
                "--creation-source",
                "creation_sources",
                metavar="SOURCE",
                multiple=True,
                help="How the profile came about, in Square's words: IMPORT, THIRD_PARTY, ...",
            ),
            click.option("--email", help="With this email address."),
            click.option("--phone", help="With this phone number."),
            click.option("--reference", metavar="ID", help="With this reference_id."),
            click.option(
                "--attribute",
                "attributes",
                metavar="KEY=VALUE",
                multiple=True,
                callback=_pairs,
                help="With this value of a custom attribute.",
            ),
        ]
    ):
        command = option(command)
    return command


def _shape(command: _Command) -> _Command:
    for option in reversed(
        [
            click.option(
                "--where",
                metavar="EXPR",
                help="Rows for which this is true: SQL (DuckDB) over any column of the export.",
            ),
            click.option(
                "--columns",
                metavar="A,B",
                multiple=True,
                callback=_listed,
                help="These columns, in this order.",
            ),
            click.option(
                "--preset",
                type=click.Choice(SYSTEMS),
                help="The headers that this system's own exports have.",
            ),
            click.option(
                "--with",
                "beside",
                metavar="A,B",
                multiple=True,
                callback=_listed,
                help=f"Further columns: {', '.join(BESIDE)}.",
            ),
            click.option(
                "--mask",
                metavar="A,B",
                multiple=True,
                callback=_listed,
                help="Columns in which the same value is the same code, in all exports of this "
                "state folder: email, phone, ...",
            ),
            click.option(
                "--drop",
                metavar="A,B",
                multiple=True,
                callback=_listed,
                help="All but these columns.",
            ),
            click.option(
                "--sample",
                type=click.IntRange(1, 10**9),
                metavar="N",
                help="N of the rows, the same ones every time.",
            ),
            click.option("--raw", is_flag=True, help="Leave cells that a spreadsheet would run."),
            click.option(
                "--bom", is_flag=True, help="Begin a CSV with a mark that Excel takes as UTF-8."
            ),
        ]
    ):
        command = option(command)
    return command


@click.command("export")
@click.argument("destination", metavar="DEST")
@_filters
@_shape
@click.option(
    "--incremental",
    is_flag=True,
    help="Only what is new or changed since the last incremental export of the same filters; "
    "customers that are gone are listed beside it.",
)
@click.option("--full-refresh", is_flag=True, help="With --incremental: everything once more.")
@click.option("--overwrite", is_flag=True, help="Replace DEST if it is there.")
@config_option
@target_options
@state_option
@log_options
@output_options
@exits
def export_command(
    destination: str,
    config_file: Path | None,
    target: str | None,
    base_url: str | None,
    token_file: Path | None,
    state_dir: Path,
    log: Logging,
    output: str,
    quiet: bool,
    **options: Any,
) -> int:
    """Write the customer directory, or a part of it, to DEST.

    DEST is a .csv, .csv.gz, .parquet or .jsonl file, a folder (for Parquet files by year of
    creation), or - for CSV on standard output. Beside it DEST.manifest.json says how it is proved
    to be complete. If that cannot be proved there is no DEST (exit 4), and the same command goes on
    where it stopped.

    All filters have to fit. Cells that a spreadsheet would run as formulas take an apostrophe,
    which an import takes off again.
    """
    from etl.cli import session
    from etl.cli.following import following
    from etl.export.wanted import wanted
    from etl.exporting import export_customers
    from etl.journal.state import State

    with following("export", log, quiet=quiet) as told:
        asked = wanted(destination, **options)
        config = session.configured(config_file, target, token_file, None)
        state, stdout = State(state_dir), getattr(sys.stdout, "buffer", None)
        with told.connected(config, base_url, state) as (square, world):
            report = export_customers(asked, config, state, square, world, stdout)
        return told.show_export(report, destination, output)
