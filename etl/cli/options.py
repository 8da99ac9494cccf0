"""The options several commands share, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import functools
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import click

from etl import errors
from etl.reports.advice import DEFAULT_STATE, resume_command

P = ParamSpec("P")

EXIT_BUG, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_LOCKED, EXIT_BRAKE = 1, 2, 4, 5, 6

_CODES: tuple[tuple[type[errors.EtlError], int], ...] = (
    (errors.LockedError, EXIT_LOCKED),
    (errors.BrakeError, EXIT_BRAKE),
    (errors.Unauthorized, EXIT_USAGE),
    (errors.Unavailable, EXIT_INCOMPLETE),
    (errors.Interrupted, EXIT_INCOMPLETE),
    (errors.EtlError, EXIT_USAGE),
)

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)

_Command = Callable[..., Any]


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
            status = command(*args, **kwargs) or 0
        except errors.EtlError as error:
            status = next(code for kind, code in _CODES if isinstance(error, kind))
            click.echo(f"square-etl: {error}", err=True)
            if isinstance(error, errors.Unavailable | errors.Interrupted):
                click.echo("square-etl: no run was begun: give the same command again.", err=True)
        except click.Abort:
            status = EXIT_USAGE
            click.echo("square-etl: not confirmed; nothing was written.", err=True)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:
            if _disk_full(error):
                status = EXIT_INCOMPLETE
                click.echo(
                    f"square-etl: the disk is full ({error}). Nothing is lost: make room, then "
                    f"{_way_on(kwargs.get('state_dir'))}",
                    err=True,
                )
            elif isinstance(error, MemoryError):
                status = EXIT_INCOMPLETE
                click.echo(
                    "square-etl: the memory is used up. Nothing is lost: make room, then "
                    f"{_way_on(kwargs.get('state_dir'))}",
                    err=True,
                )
            elif isinstance(error, OSError) and error.filename and error.errno in _DENIED:
                status = EXIT_INCOMPLETE if _leaves_a_run() else EXIT_USAGE
                click.echo(
                    f"square-etl: {error.filename}: {error.strerror}. Let this user read and write "
                    f"it, then {_way_on(kwargs.get('state_dir'))}",
                    err=True,
                )
            elif isinstance(error, sqlite3.DatabaseError):
                status = EXIT_USAGE
                click.echo(
                    f"square-etl: a file of the state folder is damaged ({error}). Restore the "
                    "folder from a copy, or name another one with --state-dir.",
                    err=True,
                )
            else:
                status = EXIT_BUG
                traceback.print_exc()
                click.echo("square-etl: this is a bug in square-etl; please report it.", err=True)
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


def _way_on(state_dir: object) -> str:
    if state_dir is None or not _leaves_a_run():
        return "give the same command again."
    return resume_command(Path(str(state_dir)))


def _leaves_a_run() -> bool:
    """Tell whether there may be a run to resume: exports, and the local Square, make none."""
    context = click.get_current_context()
    group = context.parent
    return context.command.name != "export" and not (group and group.command.name == "sandbox")


def _disk_full(error: BaseException | None) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return True
    # DuckDB tells it in words, under several kinds of error.
    return error is not None and os.strerror(errno.ENOSPC) in str(error)
