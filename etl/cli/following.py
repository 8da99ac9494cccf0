"""Who hears of a command while it is under way, and when it is over?

The person at the terminal first; the log, metrics, traces and notifications as the config has them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import etl.cli.lean  # noqa: F401  # first, as it says
from etl.cli import merchants, session
from etl.cli.failures import failure
from etl.cli.options import IN_LOG, Logging
from etl.cli.progress import Watcher
from etl.config import Config
from etl.journal.records import Run
from etl.journal.state import State
from etl.pipeline import Progress, Report, Square, World
from etl.session import Audience, connected, world
from etl.square.wire import Call
from etl.telling.ending import Ended, summary
from etl.telling.log import Level, Log, opened

if TYPE_CHECKING:
    from etl.telling.traces import Traces

# Seconds between two lines of the log on how far a stage is.
_LOG_EVERY = 10.0


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def following(command: str, log: Logging, *, quiet: bool) -> Iterator[Following]:
    """Follow a command from its first line to its last; everybody is told how it ended."""
    on_stderr = log.place == "-"
    with opened(log.place, _now) as tell:
        told = Following(command, tell, debug=log.debug, on_stderr=on_stderr, quiet=quiet)
        try:
            yield told
        except (click.Abort, click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:
            click.get_current_context().meta[IN_LOG] = on_stderr
            told.failed(error)
            raise
        told.over()


class Following:
    """A command under way, and everybody who hears of it.

    The log has all words that would stand on standard error when it is ``on_stderr`` itself.
    """

    def __init__(
        self, command: str, log: Log, *, debug: bool, on_stderr: bool, quiet: bool
    ) -> None:
        self._command = command
        self._log = log
        self._debug = debug
        self._on_stderr = on_stderr
        self._quiet = quiet or on_stderr
        self._watcher = Watcher(sys.stderr, quiet=self._quiet)
        self._config: Config | None = None
        self._traces: Traces | None = None
        self._begun = time.monotonic()
        self._stage, self._logged = "", 0.0
        self._report: Report = {}

    # -- while it is under way -------------------------------------------------------------------

    @contextmanager
    def at_work(self) -> Iterator[World]:
        """Be at work, stopped gently by a signal, without any Square."""
        with self._watcher.on_signals():
            yield world(self._audience)

    @contextmanager
    def connected(
        self, config: Config, base_url: str | None, state: State
    ) -> Iterator[tuple[Square, World]]:
        """Be at work with the Square of a config, which says who else is told."""
        self._config = config
        if config.traces.enabled:
            from etl.telling.traces import Traces

            self._traces = Traces(self._command)
        with self.at_work() as edges, connected(config, base_url, state, self._audience) as square:
            yield square, edges

    @contextmanager
    def reconnected(
        self, run: Run, token_file: Path | None, state: State
    ) -> Iterator[tuple[Square, World]]:
        """Be at work with the Square that a run spoke to."""
        base_url = None if run.target == "local" else run.base_url
        config = session.config_of(run, token_file)
        with self.connected(config, base_url, state) as both:
            yield both

    @property
    def _audience(self) -> Audience:
        return Audience(
            self._announce, self._note, self._watch, self._watcher.sleep, called=self._called
        )

    def _announce(self, run: Run) -> None:
        if not self._quiet:
            click.echo(_banner(run), err=True)
        self._log(
            "info",
            "begin",
            command=self._command,
            run_id=run.run_id,
            target=run.target,
            merchant_id=run.merchant_id,
            square_version=run.square_version,
        )
        if self._traces:
            self._traces.announce(run)

    def insist(self, text: str) -> None:
        """Say what has to be known, with --quiet too."""
        if not self._on_stderr:
            click.echo(text, err=True)
        self._log("info", "note", text=text)

    def hear(self, merchant: str, event: Mapping[str, Any]) -> None:
        """Pass on what one of several imports says of itself."""
        if not self._on_stderr and (words := merchants.words(event, quiet=self._quiet)):
            # Whoever read it may be gone: the imports go on.
            with suppress(OSError):
                for line in words.splitlines():
                    click.echo(f"{merchant}: {line}", err=True)
        told = {"level": "info", "run_id": None, "command": self._command, **event}
        self._log(told.pop("level"), told.pop("event"), **told, merchant=merchant)

    def _note(self, text: str) -> None:
        if not self._quiet:
            click.echo(text, err=True)
        self._log("info", "note", text=text)

    def _watch(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.stage != self._stage or now - self._logged >= _LOG_EVERY:
            event = "progress" if progress.stage == self._stage else "stage"
            self._stage, self._logged = progress.stage, now
            told = {"stage": progress.stage, "done": progress.done, "total": progress.total or None}
            self._log("info", event, **told)
        if self._traces:
            self._traces.watch(progress)
        self._watcher(progress)

    def _called(self, call: Call) -> None:
        if self._debug:
            told = {**asdict(call), "seconds": round(call.seconds, 6)}
            self._log("debug", "call", stage=self._stage, **told)
        if self._traces:
            self._traces.called(call)

    # -- when it is over -------------------------------------------------------------------------

    def show(self, report: Report, state: State, output: str) -> int:
        """Print a report and return the exit code it carries."""
        self._report = report
        return session.show(report, state, output)

    def show_export(self, report: Report, destination: str, output: str) -> int:
        """Print what became of an export and return its exit code."""
        self._report = report
        if destination == "-" and self._on_stderr:
            # Its words would stand in the log, whose last line has the figures.
            return int(report["exit_code"])
        return session.show_export(report, destination, output)

    def show_matrix(self, report: Mapping[str, Any], state: State, output: str) -> int:
        """Print what became of several merchants and return the exit code of them all."""
        self._report = dict(report)
        return session.show_matrix(self._report, state, output)

    def over(self) -> None:
        """Tell everybody that the command is over, as its report says."""
        self._tell_end(int(self._report["exit_code"]))

    def failed(self, error: Exception) -> None:
        """Tell everybody that the command failed before there was a report."""
        failed = failure(error)
        told = {"trace": failed.trace} if failed.trace else {}
        self._log("error", "failed", exit_code=failed.status, error=failed.words, **told)
        self._tell_end(failed.status, failed.words)

    def _tell_end(self, exit_code: int, error: str = "") -> None:
        seconds = time.monotonic() - self._begun
        ended = Ended(self._command, exit_code, seconds, self._report, error)
        levels: dict[str, Level] = {"success": "info", "attention": "warning", "failure": "error"}
        told = {name: value for name, value in summary(ended).items() if name != "text"}
        self._log(levels[ended.ending], "end", **told)
        for told_to in (self._end_traces, self._write_metrics, self._notify):
            try:
                for failed in told_to(ended):
                    self._complain(failed)
            except Exception as error:
                # Whatever it was: the run is over, and its exit code stands.
                self._complain(f"{told_to.__name__.strip('_')}: {type(error).__name__}")

    def _end_traces(self, ended: Ended) -> Iterator[str]:
        if self._traces and (failed := self._traces.end(ended.exit_code)):
            yield failed

    def _write_metrics(self, ended: Ended) -> Iterator[str]:
        if self._config is None or self._config.metrics.textfile is None:
            return
        from etl.telling.metrics import write

        textfile = self._config.metrics.textfile
        try:
            write(textfile, ended, _now().timestamp())
        except OSError as error:
            yield f"the metrics {textfile} could not be written: {error.strerror}"

    def _notify(self, ended: Ended) -> Iterator[str]:
        if self._config is None or not self._config.notify.wants(ended.ending):
            return
        from etl.telling.notify import notify

        yield from notify(self._config.notify, summary(ended), os.environ, time.sleep)

    def _complain(self, text: str) -> None:
        self._log("warning", "untold", text=text)
        if not self._on_stderr:
            click.echo(f"square-etl: {text}", err=True)


def _banner(run: Run) -> str:
    if run.target == "none":
        return f"run {run.run_id}: no Square is asked; judged as for a merchant in {run.country}"
    where = "the embedded local Square" if run.target == "local" else run.base_url
    what = "export" if run.command == "export" else f"run {run.run_id}"
    return (
        f"{what}: target {run.target} ({where}), merchant {run.merchant_id} "
        f"({run.country}), Square-Version {run.square_version}"
    )
