"""The options several commands share, and the one place where errors become exit codes."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, get_args

import click

from etl.cli import failures
from etl.engines import Kind
from etl.reports.advice import DEFAULT_STATE

P = ParamSpec("P")

# Set in a command's context when its failure is told in the log on standard error.
IN_LOG = "etl.in_log"

_Command = Callable[..., Any]


class Logging(NamedTuple):
    """Where the log goes: a file, - for standard error, "" for none; and whether it has all."""

    place: str
    debug: bool


class Asked(NamedTuple):
    """The engine that is asked for, in the words of the options."""

    kind: str | None
    workers: int | None
    scheduler: str | None


def config_option(command: _Command) -> _Command:
    """``--config``."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Settings (TOML). Without it every setting has its default.",
    )(command)


def state_option(command: _Command) -> _Command:
    """``--state-dir``."""
    return click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_STATE,
        envvar="SQUARE_ETL_STATE",
        show_default=True,
        show_envvar=True,
        help="Where runs, ledger and the local Square are kept.",
    )(command)


def output_options(command: _Command) -> _Command:
    """``--output`` and ``--quiet``."""
    command = click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="What is printed: words for people, or the report as JSON.",
    )(command)
    return click.option("--quiet", "-q", is_flag=True, help="No progress, no banner.")(command)


def log_options(command: _Command) -> _Command:
    """``--log-json`` and ``--log-level``, as one argument ``log``."""

    @functools.wraps(command)
    def gathered(*args: Any, log_json: str, log_level: str, **kwargs: Any) -> Any:
        return command(*args, log=Logging(log_json, log_level == "debug"), **kwargs)

    with_level = click.option(
        "--log-level",
        type=click.Choice(["info", "debug"]),
        default="info",
        show_default=True,
        help="Of that log; debug: with a line for every request.",
    )(gathered)
    return click.option(
        "--log-json",
        metavar="FILE",
        default="",
        help="Add what happens to FILE, one JSON object per line; - for standard error, in place "
        "of the words there.",
    )(with_level)


def engine_options(command: _Command) -> _Command:
    """``--engine``, ``--workers`` and ``--dask-scheduler``, as one argument ``engine``."""

    @functools.wraps(command)
    def gathered(
        *args: Any, engine: str | None, workers: int | None, dask_scheduler: str | None, **rest: Any
    ) -> Any:
        return command(*args, engine=Asked(engine, workers, dask_scheduler), **rest)

    with_scheduler = click.option(
        "--dask-scheduler",
        metavar="ADDRESS",
        help="The Dask cluster whose workers read and check, such as tls://host:8786; without one, "
        "--engine dask starts its own on this machine.",
    )(gathered)
    with_workers = click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="How many processes of this machine read and check. Default: one for each core, "
        "at most 4.",
    )(with_scheduler)
    return click.option(
        "--engine",
        type=click.Choice(get_args(Kind)),
        help="Where rows are read and checked: in this process, in several of this machine, or on "
        "a Dask cluster; what comes of it is the same. Default: several processes for more than "
        "8 MB.",
    )(with_workers)


def target_options(command: _Command) -> _Command:
    """``--target``, ``--base-url`` and ``--token-file``."""
    command = click.option(
        "--target",
        type=click.Choice(["local", "sandbox", "production"]),
        envvar="SQUARE_ENVIRONMENT",
        show_envvar=True,
        help="Which Square: the embedded local one (default), Square's sandbox, or the real one.",
    )(command)
    command = click.option(
        "--base-url",
        envvar="SQUARE_BASE_URL",
        show_envvar=True,
        help="Another address for sandbox or production; plain http to this machine only.",
    )(command)
    return token_option(command)


def token_option(command: _Command) -> _Command:
    """``--token-file``."""
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file of mode 0600 with the access token; else SQUARE_ACCESS_TOKEN is used.",
    )(command)


def yes_option(command: _Command) -> _Command:
    """``--yes``."""
    return click.option("--yes", is_flag=True, help="Do not ask before writing to production.")(
        command
    )


def exits(command: Callable[P, int | None]) -> Callable[P, None]:
    """Turn what a command returns or raises into an exit status and, where it failed, words."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            _fill_closed_streams()
            # What is left on disk (DuckDB's own files too) is its owner's alone.
            os.umask(0o077)
            # What pages of rows are made of is hardly ever garbage before their end.
            gc.set_threshold(100_000)
            status = command(*args, **kwargs) or 0
        except click.Abort:
            status = failures.EXIT_USAGE
            click.echo("square-etl: not confirmed; nothing was written.", err=True)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            # Of a run, and of whatever else can be stopped gently, there is none yet, or no more.
            status = failures.EXIT_INCOMPLETE
            click.echo("square-etl: stopped by SIGINT; give the same command again.", err=True)
        except Exception as error:
            failed = failures.failure(error)
            status = failed.status
            if not click.get_current_context().meta.get(IN_LOG):
                click.echo(failed.trace, err=True, nl=False)
                for line in failed.words.splitlines():
                    click.echo(f"square-etl: {line}", err=True)
        # What is left is the system's to take back; to look for garbage in it takes 0.1 seconds.
        gc.freeze()
        sys.exit(status)

    return run


def say(text: str | bytes) -> None:
    """Print the result of a command; whoever read it may have gone, as ``| head`` does."""
    try:
        click.echo(text, nl=isinstance(text, str))
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # Flushing again at exit would fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fill_closed_streams() -> None:
    """Take the places of streams that were closed (``2>&-``), so that no file of ours gets them.

    Standard output stays closed for whoever wants to write a file there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or os.fdopen(0, "r", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
