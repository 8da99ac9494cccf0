"""What a command needs around the one function it calls: config, edges, and the last word."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from etl import config as configuration
from etl.cli import summary
from etl.cli.progress import Watcher
from etl.config import Config
from etl.errors import ConfigError, StateError
from etl.journal.journal import Journal, Run
from etl.journal.state import JOURNAL, State
from etl.pipeline import Report, Square, World
from etl.reports.report import as_json
from etl.square.client import SquareClient
from etl.square.wire import Call
from etl.target import Target, open_target


def configured(
    file: Path | None, target: str | None, token_file: Path | None, tolerate: str | None
) -> Config:
    """Return the config of a command: the file's settings, with what its options say on top."""
    config = configuration.load(file) if file else Config()
    said: dict[str, dict[str, Any]] = {
        "target": {"environment": target, "token_file": token_file},
        "limits": {"tolerate": tolerate},
    }
    settings = config.model_dump(exclude_unset=True)
    for section, values in said.items():
        given = {name: value for name, value in values.items() if value is not None}
        if given:
            settings[section] = {**settings.get(section, {}), **given}
    return configuration.parse(settings, "command line")


@contextmanager
def opened(
    config: Config, base_url: str | None, state_dir: Path, watcher: Watcher, *, quiet: bool
) -> Iterator[tuple[State, Square, World]]:
    """Open the state folder and the target for one journey."""
    state, world = offline(state_dir, watcher, quiet=quiet)
    state.prepare()
    environment = config.target.environment
    if environment == "local" and base_url:
        raise ConfigError("the local target has no address: say --target sandbox with --base-url")
    target = open_target(environment, base_url, config.target.token_file, os.environ, state.sandbox)
    try:
        yield (
            state,
            Square(environment, target.base_url, _connector(target, config, watcher)),
            world,
        )
    finally:
        target.close()


@contextmanager
def reopened(
    run_id: str | None, token_file: Path | None, state_dir: Path, watcher: Watcher, *, quiet: bool
) -> Iterator[tuple[str, State, Square, World]]:
    """Open the state folder and the target that an unfinished run spoke to."""
    state = State(state_dir)
    folder = state.run_folder(run_id) if run_id else next(state.unfinished(), None)
    if folder is None:
        raise StateError(f"no import in {state_dir} is unfinished")
    with closing(Journal.open(folder / JOURNAL)) as journal:
        run = journal.run()
    config = Config.model_validate_json(run.config)
    if token_file:
        target = config.target.model_copy(update={"token_file": token_file})
        config = config.model_copy(update={"target": target})
    base_url = None if run.target == "local" else run.base_url
    with opened(config, base_url, state_dir, watcher, quiet=quiet) as (state, square, world):
        yield run.run_id, state, square, world


def offline(state_dir: Path, watcher: Watcher, *, quiet: bool) -> tuple[State, World]:
    """Return the state folder and the edges of a journey that needs no Square."""

    def announce(run: Run) -> None:
        if not quiet:
            click.echo(_banner(run), err=True)

    world = World(
        now=lambda: datetime.now(UTC),
        clock=time.monotonic,
        chance=random.SystemRandom(),
        announce=announce,
        watch=watcher,
    )
    return State(state_dir), world


def confirm(square: Square, *, yes: bool) -> None:
    """Ask before a production directory is written to."""
    if square.environment != "production" or yes:
        return
    merchant = square.connect(lambda call: None).merchant()
    name = f"{merchant.business_name} ({merchant.id})"
    if not sys.stdin.isatty():
        raise ConfigError(f"this would write to the live directory of {name}: say --yes")
    click.confirm(f"Write to the live directory of {name}?", abort=True)


def show(report: Report, state: State, output: str) -> int:
    """Print a report and return the exit code it carries."""
    if output == "json":
        sys.stdout.buffer.write(as_json(report))
    else:
        click.echo(summary.text(report, state.run_folder(report["run_id"])))
    return int(report["exit_code"])


def _connector(
    target: Target, config: Config, watcher: Watcher
) -> Callable[[Callable[[Call], None]], SquareClient]:
    def connect(observe: Callable[[Call], None]) -> SquareClient:
        return SquareClient(
            target.transport,
            target.base_url,
            target.token,
            config.target.square_version,
            clock=time.monotonic,
            sleep=watcher.sleep,
            chance=random.SystemRandom(),
            patience=config.limits.patience,
            requests_per_second=config.limits.requests_per_second,
            observe=observe,
        )

    return connect


def _banner(run: Run) -> str:
    if run.target == "none":
        return f"run {run.run_id}: no Square is asked; judged as for a merchant in {run.country}"
    where = "the embedded local Square" if run.target == "local" else run.base_url
    return (
        f"run {run.run_id}: target {run.target} ({where}), merchant {run.merchant_id} "
        f"({run.country}), Square-Version {run.square_version}"
    )
