"""``square-etl runs``: earlier runs, and how to go on with one that stopped."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.options import (
    Asked,
    Logging,
    engine_options,
    exits,
    log_options,
    output_options,
    say,
    state_option,
    token_option,
    yes_option,
)
from etl.engines import chosen, ready


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
        built = report.build(journal, report.counts(journal))
    session.show(dict(built), state, output)
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
@click.argument("run", required=False)
@click.option("--parquet", is_flag=True, help="Write rows.parquet too: rows.csv with types.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of report.json, and no more.")
@state_option
@output_options
@exits
def report_command(
    run: str | None, parquet: bool, schema: bool, state_dir: Path, output: str, quiet: bool
) -> int:
    """Write all artifacts of RUN again from its journal, byte for byte."""
    if schema:
        import orjson

        from etl.reports.schema import json_schema

        say(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode())
        return 0
    if run is None:
        raise click.UsageError("say which RUN, as square-etl runs list names it, or --schema")
    from contextlib import closing

    from etl.cli import session
    from etl.journal.journal import Journal
    from etl.journal.state import JOURNAL, State
    from etl.stages.reconcile import reconcile

    state = State(state_dir)
    folder = state.run_folder(run)
    with closing(Journal.open(folder / JOURNAL)) as journal:
        session.show(reconcile(journal, folder, parquet=parquet), state, output)
    return 0


@runs.command("resume")
@click.argument("run", required=False)
@token_option
@yes_option
@state_option
@engine_options
@log_options
@output_options
@exits
def resume_command(
    run: str | None,
    token_file: Path | None,
    yes: bool,
    state_dir: Path,
    engine: Asked,
    log: Logging,
    output: str,
    quiet: bool,
) -> int:
    """Finish RUN, or the newest import or undo that is not finished.

    Target, settings and plan come from the run's journal; only the token has to be given again.
    """
    from etl.cli import session
    from etl.cli.following import following
    from etl.journal.state import State
    from etl.pipeline import resume

    with following("runs resume", log, quiet=quiet) as told, ready(chosen(*engine)) as at_work:
        state = State(state_dir)
        found = session.to_go_on_with(run, state)
        with told.reconnected(found, token_file, state) as (square, world):
            session.confirm(square, yes=yes)
            report = resume(found.run_id, state, square, world, at_work)
        return told.show(report, state, output)


@runs.command("undo")
@click.argument("run")
@click.option("--dry-run", is_flag=True, help="Say what would be done; nothing is sent.")
@token_option
@yes_option
@state_option
@log_options
@output_options
@exits
def undo_command(
    run: str,
    dry_run: bool,
    token_file: Path | None,
    yes: bool,
    state_dir: Path,
    log: Logging,
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
    from etl.cli.following import following
    from etl.journal.state import State
    from etl.pipeline import undo_run

    with following("runs undo", log, quiet=quiet) as told:
        state = State(state_dir)
        found = session.to_go_on_with(run, state)
        with told.reconnected(found, token_file, state) as (square, world):
            if not dry_run:
                session.confirm(square, yes=yes)
            report = undo_run(found.run_id, state, square, world, dry_run=dry_run)
        return told.show(report, state, output)
