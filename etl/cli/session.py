"""What a command needs around the function it calls: config, confirmation, the last word."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

import etl.cli.lean  # noqa: F401  # first, as it says
from etl import config as configuration
from etl import pipeline
from etl.cli import merchants, summary
from etl.cli.options import say
from etl.config import Config
from etl.errors import ConfigError, StateError
from etl.journal.journal import Journal
from etl.journal.records import Run
from etl.journal.state import JOURNAL, State
from etl.pipeline import Report, Square
from etl.reports.report import as_json


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


def amending(
    amends: str | None,
    file: Path | None,
    target: str | None,
    base_url: str | None,
    token_file: Path | None,
    tolerate: str | None,
    state: State,
) -> tuple[Config, str | None]:
    """Return config and address of a command that may amend a run.

    Without a file of its own, both are that run's.
    """
    if amends is None or file is not None:
        return configured(file, target, token_file, tolerate), base_url
    with closing(Journal.open(state.run_folder(amends) / JOURNAL)) as journal:
        run = journal.run()
    kept = Config.model_validate_json(run.config)
    # A journal keeps every setting; what was said are those that are no defaults.
    said = configuration.parse(kept.model_dump(exclude_defaults=True), f"run {run.run_id}")
    config = configured(None, target, token_file, tolerate, said)
    there = run.target != "local" and config.target.environment == run.target
    return config, base_url or (run.base_url if there else None)


def config_of(run: Run, token_file: Path | None) -> Config:
    """Return the config that a run was begun with, and the token file that is given now."""
    config = Config.model_validate_json(run.config)
    if token_file:
        target = config.target.model_copy(update={"token_file": token_file, "keyring": None})
        config = config.model_copy(update={"target": target})
    return config


def to_go_on_with(run_id: str | None, state: State) -> Run:
    """Return the run that is named, or the newest that is not finished."""
    folder = state.run_folder(run_id) if run_id else next(state.unfinished(), None)
    if folder is None:
        raise StateError(f"no run in {state.folder} is unfinished")
    with closing(Journal.open(folder / JOURNAL)) as journal:
        return journal.run()


def planned(
    plan: str, target: str | None, state: State, note: Callable[[str], None]
) -> tuple[Run, Path]:
    """Return the run whose plan is to be applied, and its folder.

    Notes it when that was done already. Raises StateError or ConfigError when it cannot be.
    """
    from etl.stages.apply import application, refuse_elsewhere

    run, place = pipeline.planned(plan, state)
    refuse_elsewhere(run, target or run.target, run.base_url)
    folder, finished = application(run.run_id, state) or (None, False)
    if folder and finished:
        done = f"plan {run.run_id} was carried out by run {folder.name} already"
        note(f"{done}: nothing is written again")
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
        folder = state.run_folder(report["run_id"])
        say(summary.text(report, folder, state.folder, colours=_has_colours()))
    return int(report["exit_code"])


def show_matrix(report: Report, state: State, output: str) -> int:
    """Print what became of several merchants and return the exit code of them all."""
    if output == "json":
        say(as_json(report))
    else:
        told = merchants.summary(report, state.matrix)
        say(told if _has_colours() else click.unstyle(told))
    return int(report["exit_code"])


def _has_colours() -> bool:
    # https://no-color.org
    return bool(sys.stdout and sys.stdout.isatty()) and not os.environ.get("NO_COLOR")


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
