"""What a command needs around the function it calls: config, audience, the last word."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

import etl.cli.lean  # noqa: F401  # first, as it says
from etl import config as configuration
from etl import pipeline
from etl.cli import summary
from etl.cli.options import say
from etl.cli.progress import Watcher
from etl.config import Config
from etl.errors import ConfigError, StateError
from etl.journal.journal import Journal
from etl.journal.records import Run
from etl.journal.state import JOURNAL, State
from etl.pipeline import Report, Square
from etl.reports.report import as_json
from etl.session import Audience, connected


def configured(
    file: Path | None,
    target: str | None,
    token_file: Path | None,
    tolerate: str | None,
    without: Config | None = None,
) -> Config:
    """Return the config of a command: the file's settings, with what its options say on top.

    ``without`` a file, these settings are taken.
    """
    config = configuration.load(file) if file else without or Config()
    said: dict[str, dict[str, Any]] = {
        "target": {"environment": target, "token_file": token_file},
        "limits": {"tolerate": tolerate},
    }
    settings = config.model_dump(exclude_unset=True)
    if token_file:
        # One place for one token: what is typed wins.
        settings.get("target", {}).pop("keyring", None)
    for section, values in said.items():
        given = {name: value for name, value in values.items() if value is not None}
        if given:
            settings[section] = {**settings.get(section, {}), **given}
    return configuration.parse(settings, "command line")


def audience(watcher: Watcher, *, quiet: bool) -> Audience:
    """Return somebody at a terminal, or reading a log."""

    def announce(run: Run) -> None:
        if not quiet:
            click.echo(_banner(run), err=True)

    def note(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    return Audience(announce, note, watcher, watcher.sleep)


@contextmanager
def reconnected(
    run_id: str | None, token_file: Path | None, state: State, listeners: Audience
) -> Iterator[tuple[str, Square]]:
    """Open the target that a run spoke to: the run named, or the newest that is not finished."""
    folder = state.run_folder(run_id) if run_id else next(state.unfinished(), None)
    if folder is None:
        raise StateError(f"no run in {state.folder} is unfinished")
    with closing(Journal.open(folder / JOURNAL)) as journal:
        run = journal.run()
    config = Config.model_validate_json(run.config)
    if token_file:
        target = config.target.model_copy(update={"token_file": token_file, "keyring": None})
        config = config.model_copy(update={"target": target})
    base_url = None if run.target == "local" else run.base_url
    with connected(config, base_url, state, listeners) as square:
        yield run.run_id, square


def planned(plan: str, target: str | None, state: State) -> tuple[Run, Path]:
    """Return the run whose plan is to be applied, and its folder.

    Says so when that was done already. Raises StateError or ConfigError when it cannot be.
    """
    from etl.stages.apply import application, refuse_elsewhere

    run, place = pipeline.planned(plan, state)
    refuse_elsewhere(run, target or run.target, run.base_url)
    folder, finished = application(run.run_id, state) or (None, False)
    if folder and finished:
        done = f"plan {run.run_id} was carried out by run {folder.name} already"
        click.echo(f"{done}: nothing is written again", err=True)
    return run, place


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
        say(as_json(report))
    else:
        say(summary.text(report, state.run_folder(report["run_id"]), state.folder))
    return int(report["exit_code"])


def show_export(report: Report, destination: str, output: str) -> int:
    """Print what became of an export and return its exit code; standard output may be its file."""
    if output == "json":
        text: str | bytes = as_json(report)
    else:
        text = summary.of_export(report, destination)
    if destination == "-":
        click.echo(text, nl=isinstance(text, str), err=True)
    else:
        say(text)
    return int(report["exit_code"])


def _banner(run: Run) -> str:
    if run.target == "none":
        return f"run {run.run_id}: no Square is asked; judged as for a merchant in {run.country}"
    where = "the embedded local Square" if run.target == "local" else run.base_url
    what = "export" if run.command == "export" else f"run {run.run_id}"
    return (
        f"{what}: target {run.target} ({where}), merchant {run.merchant_id} "
        f"({run.country}), Square-Version {run.square_version}"
    )
