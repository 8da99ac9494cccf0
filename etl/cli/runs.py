"""``square-etl runs``: earlier runs, and how to go on with one that stopped."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.options import exits, output_options, say, state_option, token_option, yes_option
from etl.cli.progress import Watcher

if TYPE_CHECKING:
    from etl.retention import Erased

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def _age(context: click.Context, option: click.Parameter, value: str | None) -> timedelta | None:
    """Return a time span such as 12h, 30d, 8w."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,5})([hdw])", value)
    if found is None:
        raise click.BadParameter(f"{value!r}: write hours, days or weeks, as 12h, 30d or 8w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.group()
def runs() -> None:
    """List, show, compare, resume, undo, report on, purge and erase from runs."""


@runs.command("list")
@state_option
@output_options
@exits
def list_command(state_dir: Path, output: str, quiet: bool) -> int:
    """List the runs of the state folder, newest first."""
    import orjson

    from etl.journal.state import State
    from etl.reports import report

    found = [report.headline(journal) for _, journal in State(state_dir).journals()]
    taken_back = {
        run["undoes"]: run["run_id"]
        for run in found
        if run["undoes"] and run["status"] != "planned"
    }
    for run in found:
        run["undone_by"] = taken_back.get(run["run_id"])
    if output == "json":
        say(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return 0
    if not found and not quiet:
        click.echo(f"no runs in {state_dir}", err=True)
    for run in found:
        told = f"{run['run_id']}  {run['command']:<8}  {run['status']:<10}  "
        of = f", of {run['undoes']}" if run["undoes"] else ""
        of += f", undone by {run['undone_by']}" if run["undone_by"] else ""
        say(f"{told}{run['rows']['read']:>9,} rows: {_outcomes(run['rows'])}{of}")
    return 0


def _outcomes(rows: dict[str, int]) -> str:
    if "conflict" in rows:
        return (
            f"{rows['deleted']:,} deleted, {rows['updated']:,} put back, "
            f"{rows['conflict'] + rows['failed']:,} left as they are"
        )
    return (
        f"{rows['created']:,} created, {rows['updated']:,} updated, "
        f"{rows['rejected'] + rows['failed']:,} rejected or failed, {rows['review']:,} review"
    )


@runs.command("show")
@click.argument("run")
@state_option
@output_options
@exits
def show_command(run: str, state_dir: Path, output: str, quiet: bool) -> int:
    """Show the summary of RUN (an id, or its beginning)."""
    from contextlib import closing

    from etl.cli import session
    from etl.journal.journal import Journal
    from etl.journal.state import JOURNAL, State
    from etl.reports import report

    state = State(state_dir)
    with closing(Journal.open(state.run_folder(run) / JOURNAL)) as journal:
        session.show(report.build(journal, report.counts(journal)), state, output)
    return 0


@runs.command("diff")
@click.argument("first")
@click.argument("second")
@state_option
@output_options
@exits
def diff_command(first: str, second: str, state_dir: Path, output: str, quiet: bool) -> int:
    """Say what changed between two runs, such as last night's and the one before.

    Counts and reasons that differ, settings that differ, rows that are new or gone, and rows whose
    outcome is another. Rows are the same by their reference, else email, else phone.
    """
    from contextlib import closing

    import orjson

    from etl.cli.differences import text
    from etl.journal.journal import Journal
    from etl.journal.state import JOURNAL, State
    from etl.reports.difference import difference

    state = State(state_dir)
    places = [state.run_folder(run) / JOURNAL for run in (first, second)]
    with closing(Journal.open(places[0])) as before, closing(Journal.open(places[1])) as after:
        found = difference(before, after)
    say(orjson.dumps(found, option=orjson.OPT_INDENT_2) if output == "json" else text(found))
    return 0


@runs.command("report")
@click.argument("run")
@state_option
@output_options
@exits
def report_command(run: str, state_dir: Path, output: str, quiet: bool) -> int:
    """Write all artifacts of RUN again from its journal, byte for byte."""
    from contextlib import closing

    from etl.cli import session
    from etl.journal.journal import Journal
    from etl.journal.state import JOURNAL, State
    from etl.stages.reconcile import reconcile

    state = State(state_dir)
    folder = state.run_folder(run)
    with closing(Journal.open(folder / JOURNAL)) as journal:
        session.show(reconcile(journal, folder), state, output)
    return 0


@runs.command("resume")
@click.argument("run", required=False)
@token_option
@yes_option
@state_option
@output_options
@exits
def resume_command(
    run: str | None, token_file: Path | None, yes: bool, state_dir: Path, output: str, quiet: bool
) -> int:
    """Finish RUN, or the newest import or undo that is not finished.

    Target, settings and plan come from the run's journal; only the token has to be given again.
    """
    from etl.cli import session
    from etl.journal.state import State
    from etl.pipeline import resume
    from etl.session import world

    with Watcher(sys.stderr, quiet=quiet).on_signals() as watcher:
        state, listeners = State(state_dir), session.audience(watcher, quiet=quiet)
        with session.reconnected(run, token_file, state, listeners) as (run_id, square):
            session.confirm(square, yes=yes)
            report = resume(run_id, state, square, world(listeners))
    return session.show(report, state, output)


@runs.command("undo")
@click.argument("run")
@click.option("--dry-run", is_flag=True, help="Say what would be done; nothing is sent.")
@token_option
@yes_option
@state_option
@output_options
@exits
def undo_command(
    run: str,
    dry_run: bool,
    token_file: Path | None,
    yes: bool,
    state_dir: Path,
    output: str,
    quiet: bool,
) -> int:
    """Take back what RUN wrote, as far as it still is as RUN left it.

    A field gets the value it had before RUN, if it still holds what RUN wrote; memberships and
    custom attributes that RUN added go likewise. A profile that RUN created is deleted if it is
    nothing but what RUN made: no field was edited, and no group, attribute or card was added.
    Everything else is left as it is and told as a conflict, in rows.csv of the undo, line by line
    of RUN's sources (exit 3).

    The undo is a run of its own: stopped anywhere, the same command or `runs resume` finishes it.
    Given again, it writes nothing. An unfinished RUN is not gone on with afterwards. To do RUN
    over, import its files again; an undo cannot be undone.

    Cards on file are seen with PAYMENTS_READ only; without it no profile is deleted.
    """
    from etl.cli import session
    from etl.journal.state import State
    from etl.pipeline import undo_run
    from etl.session import world

    with Watcher(sys.stderr, quiet=quiet).on_signals() as watcher:
        state, listeners = State(state_dir), session.audience(watcher, quiet=quiet)
        with session.reconnected(run, token_file, state, listeners) as (run_id, square):
            if not dry_run:
                session.confirm(square, yes=yes)
            report = undo_run(run_id, state, square, world(listeners), dry_run=dry_run)
    return session.show(report, state, output)


@runs.command("purge")
@click.argument("run", nargs=-1)
@click.option(
    "--older-than",
    metavar="AGE",
    callback=_age,
    help="Runs that began longer ago: 12h, 30d, 8w.",
)
@click.option("--unfinished", is_flag=True, help="Also runs that could still be gone on with.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@state_option
@output_options
@exits
def purge_command(
    run: tuple[str, ...],
    older_than: timedelta | None,
    unfinished: bool,
    dry_run: bool,
    state_dir: Path,
    output: str,
    quiet: bool,
) -> int:
    """Remove runs for good, with journal and artifacts: those named, or all older ones.

    A run that is gone cannot be undone, amended or reported any more. Who came from where stays
    known, so that the next import still creates nobody twice. Runs that are not finished stay
    unless you say so.
    """
    import orjson

    from etl.journal.state import State
    from etl.retention import purge
    from etl.session import NOBODY, world

    if not run and older_than is None:
        raise click.UsageError("name runs, or say --older-than 30d")
    gone = purge(
        State(state_dir),
        world(NOBODY).now(),
        run,
        older_than,
        unfinished=unfinished,
        dry_run=dry_run,
    )
    if output == "json":
        say(orjson.dumps([each._asdict() for each in gone], option=orjson.OPT_INDENT_2))
        return 0
    for each in gone:
        say(f"{each.run_id}  {each.command:<8}  {each.bytes / 2**20:>9,.1f} MiB")
    verb = "would be removed" if dry_run else "removed"
    say(f"{len(gone):,} runs {verb}, {sum(each.bytes for each in gone) / 2**20:,.1f} MiB")
    return 0


@runs.command("erase")
@click.option("--email", "emails", multiple=True, help="Their email address.")
@click.option("--phone", "phones", multiple=True, help="Their phone, with + and country code.")
@click.option(
    "--reference", "--ref", "references", multiple=True, help="Their reference in your system."
)
@click.option("--readmit", is_flag=True, help="Take it back: later imports may hold them again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_option
@output_options
@exits
def erase_command(
    emails: tuple[str, ...],
    phones: tuple[str, ...],
    references: tuple[str, ...],
    readmit: bool,
    yes: bool,
    state_dir: Path,
    output: str,
    quiet: bool,
) -> int:
    """Take one person out of everything that earlier runs left.

    Their rows keep line, outcome and codes, so that every account still adds up; all that was read,
    sent or heard about them goes: from journals, reports, ledger and copies of the directory. Then
    everything is searched again, which is the proof. Rows that hold the email, and whatever these
    rows became in Square, count as theirs.

    Keyed digests of the email, phone and references stay, so that rows about them are left out of
    later imports (ERASED). Not touched: your own files and exports, and Square: delete the profile
    there. Exit 3 if anything is left.
    """
    import orjson

    from etl import retention
    from etl.journal.state import State
    from etl.session import NOBODY, world

    state, edges = State(state_dir), world(NOBODY)
    person = retention.person(emails, phones, references)
    if readmit:
        known = retention.readmit(state, person)
        say(
            "readmitted: later imports may hold them"
            if known
            else "nobody with this key was erased"
        )
        return 0
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("what is erased cannot be brought back: say --yes")
        click.confirm("Erase this person for good?", abort=True)
    erased = retention.erase(state, person, edges.now(), edges.chance, _to_stderr(quiet))
    if output == "json":
        say(orjson.dumps(erased.as_json(), option=orjson.OPT_INDENT_2))
    else:
        say("\n".join(_erased(erased, state_dir)))
    return 3 if erased.left else 0


def _to_stderr(quiet: bool) -> Callable[[str], None]:
    return lambda text: None if quiet else click.echo(text, err=True)


def _erased(erased: Erased, state_dir: Path) -> Iterator[str]:
    for run_id, rows in erased.runs.items():
        yield f"{run_id}  {rows:,} rows"
    yield (
        f"erased: {sum(erased.runs.values()):,} rows of {len(erased.runs):,} runs, "
        f"{erased.ledger:,} entries of the ledger, {erased.copies:,} copies of Square's directory"
    )
    if erased.left:
        yield f"STILL THERE, in {len(erased.left):,} of {erased.searched:,} files of {state_dir}:"
        yield from (f"  {place}" for place in erased.left)
        yield "look at these files; when nobody needs them, remove them and give the command again"
        return
    yield f"proof: looked through {erased.searched:,} files of {state_dir} again, found nothing"
    yield f"record: {erased.record}, which names nobody"
    yield "not touched: your own files and exports, and Square, where you delete the profile"
