"""``square-etl sandbox``: the local Square on a port, filled, emptied."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.options import exits, state_option
from etl.errors import ConfigError, StateError

if TYPE_CHECKING:
    from etl.sandbox import Sandbox

_FILE = "sandbox.sqlite"


def _named(_: click.Context, __: click.Parameter, data: Path | None) -> Path | None:
    # An empty name is the current folder to Path, and neither is a file to SQLite.
    if data in (Path(), Path(":memory:")):
        raise click.BadParameter(
            "it is the name of a file; to keep everything in memory, serve without --data"
        )
    return data


_data = click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_named,
    help="The sandbox's file.",
)


@click.group()
def sandbox() -> None:
    """The local Square: a stateful stand-in for the Customers API to rehearse against."""


@sandbox.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: any free port.")
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_named,
    help="Keep everything in this file; without it, in memory.",
)
@click.option("--token", help="The access token callers show; without it one is made.")
@click.option(
    "--lag", type=click.FloatRange(0), default=0.0, help="Seconds list and search are behind."
)
@click.option(
    "--rate",
    type=click.FloatRange(0),
    default=0.0,
    help="Requests a second per token before 429; 0: any number.",
)
@click.option("--country", default="US", help="Country of a new file's merchant.")
@exits
def serve(
    port: int, data: Path | None, token: str | None, lag: float, rate: float, country: str
) -> None:
    """Answer on a port of this machine until SIGTERM or Ctrl-C.

    The address opens in a browser too: the directory, requests as they come, faults to switch on.
    It asks for the token that is printed beside it.
    """
    from etl.sandbox import Sandbox, SandboxFileError
    from etl.sandbox.pages import Pages
    from etl.sandbox.server import LOOPBACK, run

    _check_country(country)
    try:
        box = Sandbox(data, country=country, lag=lag, rate=rate, token=token)
    except SandboxFileError as error:
        raise StateError(str(error)) from error
    except ValueError as error:
        raise ConfigError(f"--{error}") from error
    in_force = box.settings
    for name, given in (("lag", lag), ("rate", rate)):
        if in_force[name] != given:
            click.echo(
                f"square-etl: the settings in {data} say {name} {in_force[name]:g}, which wins "
                f'over --{name}; POST /_sandbox/settings {{"{name}": null}} takes it back',
                err=True,
            )

    def announce(bound: int) -> None:
        try:
            click.echo(f"listening on http://{LOOPBACK}:{bound} token {box.token}")
        except OSError as error:
            # Flushing again at exit would fail too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise ConfigError(f"cannot print the address: {error.strerror}") from error

    try:
        with box.delivering():
            run(Pages(box).respond, port, announce)
    except OSError as error:
        raise ConfigError(f"cannot listen on port {port}: {error}; try --port 0") from error
    finally:
        box.close()


@sandbox.command()
@click.option(
    "--profiles",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="How many people.",
)
@click.option(
    "--seed",
    "number",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="The same seed makes the same people.",
)
@_data
@state_option
@exits
def seed(profiles: int, number: int, data: Path | None, state_dir: Path) -> None:
    """Fill the local target with invented profiles and what belongs to them."""
    with _opened(data, state_dir) as box:
        filled = box.control("seed", {"profiles": profiles, "seed": number})
    there = filled["already_there"]
    click.echo(
        f"added {filled['profiles']} profiles" + (f"; {there} were there already" if there else "")
    )


@sandbox.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_data
@state_option
@exits
def reset(yes: bool, data: Path | None, state_dir: Path) -> None:
    """Forget all profiles of the local target; its merchant stays."""
    path = data or state_dir / _FILE
    if not path.exists():
        click.echo(f"there is no sandbox in {path}: nothing to forget")
        return
    if not yes:
        click.confirm(f"Forget all profiles in {path}?", abort=True)
    with _opened(data, state_dir) as box:
        click.echo(f"forgot {box.clear()} profiles")


@contextmanager
def _opened(data: Path | None, state_dir: Path) -> Iterator[Sandbox]:
    from etl.sandbox import Sandbox, SandboxFileError

    path = data or state_dir / _FILE
    try:
        if data is None:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        box = Sandbox(path)
    except SandboxFileError as error:
        raise StateError(str(error)) from error
    except OSError as error:
        raise StateError(f"cannot make the folder {state_dir}: {error.strerror}") from error
    try:
        yield box
    except (ValueError, sqlite3.OperationalError) as error:
        raise StateError(f"{path}: {error}; nothing was changed") from error
    finally:
        box.close()


def _check_country(country: str) -> None:
    import phonenumbers

    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigError(f'{country!r} is not a country with phone numbers, such as "US"')
