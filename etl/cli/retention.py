"""``square-etl runs purge`` and ``runs erase``: what earlier runs left may go."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.options import exits, output_options, say, state_option

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


@click.command("purge")
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


@click.command("erase")
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
        say(orjson.dumps(erased, option=orjson.OPT_INDENT_2))
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
