"""``square-etl profile``: a look at a file before anything is done with it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from etl.cli.options import config_option, exits, output_options, say, state_option
from etl.cli.progress import Watcher
from etl.errors import ConfigError, SourceError

# What looks at files loads Arrow, which --help has no use for.
if TYPE_CHECKING:
    from etl import config as configuration
    from etl.config import Config
    from etl.files.sources import Source
    from etl.stages.profile import Column, Profile
    from etl.stages.propose import Proposal, Proposals

_WIDTH = 100
_HEADER_WIDTH = 17
_TOP = 5
_TOP_SHOWN = 3

# Columns of such names sort people into kinds; what many rows say there names nobody.
_WORDS = (
    "tags, labels, groups, categories, group membership, lists, status, lead status, lifecycle "
    "stage, customer type, customer group name, creation source, source, email type, language, "
    "marketing contact status, email subscription status, currency"
)
_CATEGORIES = frozenset(_WORDS.split(", "))
_MOST_CATEGORIES = 50
_FEWEST_ROWS = 3
_LONGEST_CATEGORY = 40
_MOST_DIGITS = 3


@click.command("profile")
@click.argument("source", metavar="SOURCE")
@config_option
@state_option
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the proposed mapping as a commented config that import accepts as it stands.",
)
@click.option("--force", is_flag=True, help="Let --write replace a file that exists.")
@output_options
@exits
def profile_command(
    source: str,
    config_file: Path | None,
    state_dir: Path,
    write: Path | None,
    force: bool,
    output: str,
    quiet: bool,
) -> int:
    """Look at a file: encoding, columns, what they hold, damage, and a proposed mapping.

    Nothing is imported and no network is used. SOURCE is one file, or - for standard input; of a
    --config, [source] and [clean] default_region apply. No personal data is shown: values are
    masked, but for words such as countries, states, tags, yes and no.
    """
    import orjson

    from etl.cli import session

    config = session.configured(config_file, None, None, None)
    if write:
        check_place(write, "" if force else "choose another name, or say --force to replace it")
    with Watcher(sys.stderr, quiet=quiet).on_signals() as watcher:
        look = looked_at(source, config, state_dir, watcher)
    if write:
        write_config(write, look.starter(config.source))
    found = document(look)
    if output == "json":
        say(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        say("\n".join(_lines(found)))
    if write and not quiet:
        click.echo(f"wrote {write}: look it over, then validate with it", err=True)
    return 0


def check_place(path: Path, remedy: str) -> None:
    """Raise ConfigError if a config cannot be written there, or would replace something.

    The ``remedy`` for that is empty where it may.
    """
    if path.exists() and remedy:
        raise ConfigError(f"{path} exists: {remedy}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}")


def write_config(path: Path, text: str) -> None:
    """Write a config, whole or not at all."""
    from etl.files.atomic import replacing

    with replacing(path) as file:
        file.write(text.encode())


class Look(NamedTuple):
    """A file as it was looked at, and what is proposed for it."""

    source: Source
    found: Profile
    proposals: Proposals
    nameless: bool  # its first line seems to be somebody's, not a header

    def starter(self, settings: configuration.Source, region: str | None = None) -> str:
        """Return the config to start from; raises ConfigError where there can be none."""
        from etl.customers.cells import for_screen
        from etl.stages.starter import starter

        if self.nameless:
            raise ConfigError(
                f"{self.source.name}: its columns are {for_screen(self.source.columns)} No config "
                "is written; name the columns with [source] header"
            )
        return starter(self.source, self.found, self.proposals, settings, region)


def looked_at(
    name: str, config: Config, state_dir: Path, watcher: Watcher, system: str | None = None
) -> Look:
    """Look at a file; somebody may know the ``system`` that wrote it, as ``propose`` has it."""
    from etl.customers.cells import for_screen
    from etl.files.atomic import passing_folder
    from etl.files.remote import is_url
    from etl.files.sources import open_sources
    from etl.journal.state import State
    from etl.pipeline import Progress
    from etl.stages.extract import extract
    from etl.stages.profile import profile
    from etl.stages.propose import propose

    with ExitStack() as stack:
        spool = state_dir
        if name == "-" or is_url(name):
            State(state_dir).prepare()
            spool = stack.enter_context(passing_folder(state_dir / "sources"))
        sources = open_sources([name], config.source, spool)
        if len(sources) > 1:
            raise SourceError(f"{name}: these are {len(sources)} files: profile one at a time")
        (source,) = sources
        nameless = for_screen(source.columns) != ", ".join(source.columns)
        batches = extract(source, config.source)
        found = profile(batches, source.columns, lambda rows: watcher(Progress("read", rows, 0)))
    region = config.clean.default_region
    proposals = propose(found, source.name, source.not_text, region, system)
    return Look(source, found, proposals, nameless)


# --- the document -------------------------------------------------------------------------------


def document(look: Look) -> dict[str, Any]:
    """Return what ``--output json`` prints; its keys are listed in the README."""
    source, found, proposals, nameless = look
    region = proposals.region
    return {
        "source": {
            "path": source.name,
            "kind": source.kind,
            "compression": source.compression,
            "encoding": source.encoding or None,
            "delimiter": source.delimiter or None,
            "bytes": source.size,
            "rows": found.rows,
            "unreadable": found.unreadable,
            "notes": [*source.notes, *([_NAMELESS] if nameless else [])],
        },
        "preset": proposals.preset,
        "preset_because": list(proposals.because),
        "default_region": region
        and {"region": region.code, "valid": round(region.share, 4), "tried": region.tried},
        "columns": [
            {
                "position": position,
                "header": f"column {position}" if nameless else column.header,
                **_column(column, proposal),
            }
            for position, (column, proposal) in enumerate(
                zip(found.columns, proposals.columns, strict=True), 1
            )
        ],
    }


_NAMELESS = "the first line looks like a customer's: has the file a line of column names?"


def _column(column: Column, proposal: Proposal) -> dict[str, Any]:
    from etl.customers.fields import BY_NAME
    from etl.stages.propose import date_order

    field = BY_NAME.get(proposal.field or "")
    dated = proposal.holds == "date" or proposal.field == "birthday"
    proofs = column.dates
    return {
        "filled": column.filled,
        "distinct": column.distinct,
        "distinct_bound": column.bound,
        "longest": {
            "characters": column.longest,
            "line": column.longest_line,
            "limit": field.max_length if field else None,
        },
        "holds": proposal.holds,
        "looked_at": column.looked_at,
        "kinds": {kind: times for kind, times in sorted(column.kinds.items()) if kind != "nothing"},
        "regions": dict(column.regions.most_common()) if proposal.holds == "phone" else {},
        "date_order": date_order(column) if dated else None,
        "day_first_line": proofs.day_first[1] if dated and proofs.day_first else None,
        "month_first_line": proofs.month_first[1] if dated and proofs.month_first else None,
        "top": _top(column, proposal),
        "damage": {
            name: {"cells": one.cells, "line": one.line}
            for name, one in sorted(column.damage.items())
            if _is_damage(name, column, proposal)
        },
        "field": proposal.field,
        "confidence": proposal.confidence,
        "reason": proposal.reason,
    }


def _is_damage(name: str, column: Column, proposal: Proposal) -> bool:
    """Tell whether cells that look damaged are so in a column of this meaning."""
    if name == "serial_date":
        return proposal.holds == "date" or proposal.field == "birthday"
    if name == "short_postal_code":
        short = column.damage[name].cells
        return proposal.field == "address.postal_code" and short < column.full_codes
    return True


def _top(column: Column, proposal: Proposal) -> list[dict[str, Any]]:
    from etl.customers.contents import masked

    told: dict[tuple[str, bool], int] = {}
    for text, times in column.top[:_TOP]:
        plain = _names_nobody(text, times, column, proposal)
        shown = (text if plain else masked(text), not plain)
        told[shown] = told.get(shown, 0) + times
    return [
        {"value": text, "masked": is_masked, "cells": times}
        for (text, is_masked), times in sorted(told.items(), key=lambda one: -one[1])
    ]


def _names_nobody(text: str, times: int, column: Column, proposal: Proposal) -> bool:
    from etl.customers.contents import look
    from etl.stages.mapping import normalise_header

    if proposal.holds in ("country", "state", "yes/no"):
        return proposal.holds in look(text).kinds
    return (
        normalise_header(column.header) in _CATEGORIES
        and column.distinct is not None
        and column.distinct <= _MOST_CATEGORIES
        and times >= _FEWEST_ROWS
        and len(text) <= _LONGEST_CATEGORY
        and "@" not in text
        and text.isprintable()
        and sum(map(str.isdigit, text)) <= _MOST_DIGITS
    )


# --- words --------------------------------------------------------------------------------------

_HOLDS = {
    "email": "emails",
    "phone": "phones",
    "date": "dates",
    "country": "countries",
    "state": "states",
    "postal code": "postal codes",
    "number": "numbers",
}
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def _lines(found: dict[str, Any]) -> Iterator[str]:
    source, columns = found["source"], found["columns"]
    yield _file(source, len(columns))
    for note in source["notes"]:
        yield from _wrapped(f"  {note}", "    ")
    for code, rows in source["unreadable"].items():
        yield f"  {rows:,} rows are left out: {code}"
    because = ", ".join(found["preset_because"])
    yield from _wrapped(
        f"  fits preset {found['preset']} (it has {because})"
        if found["preset"]
        else "  fits no preset: columns are told by their names and what they hold",
        "    ",
    )
    if region := found["default_region"]:
        yield (
            f"  phones without +: {region['valid']:.0%} of {region['tried']} that were tried are "
            f"valid in {region['region']}"
        )
    if filled := [column for column in columns if column["filled"]]:
        yield ""
        yield f"  {'column':<{_HEADER_WIDTH}}  filled  distinct  holds         sure    field"
        for column in filled:
            yield _row(column, source["rows"])
        yield ""
        yield "  why, what comes most often (masked), and what is damaged:"
    for column in filled:
        yield from _details(column)
    if empty := [_shown(column["header"]) for column in columns if not column["filled"]]:
        yield ""
        yield from _wrapped(f"  empty: {', '.join(empty)}", "    ")


def _file(source: dict[str, Any], columns: int) -> str:
    told = ["Parquet" if source["kind"] == "parquet" else "CSV"]
    if source["compression"]:
        told.append(f"packed by {source['compression']}")
    if source["encoding"]:
        told.append(source["encoding"])
    if source["delimiter"]:
        told.append(f"separated by {_DELIMITERS.get(source['delimiter'], source['delimiter'])}")
    return f"{source['path']}: {', '.join(told)}; {source['rows']:,} rows, {columns:,} columns"


def _row(column: dict[str, Any], rows: int) -> str:
    distinct = column["distinct"]
    many = f">{column['distinct_bound']:,}" if distinct is None else f"{distinct:,}"
    holds = _HOLDS.get(column["holds"], column["holds"])
    header = _shown(column["header"])
    if len(header) > _HEADER_WIDTH:
        header = header[: _HEADER_WIDTH - 1] + "…"
    full, sure = _percent(column["filled"], rows), column["confidence"] or ""
    return (
        f"  {header:<{_HEADER_WIDTH}}  {full:>6}  {many:>8}  {holds:<12}  {sure:<6}  "
        f"{column['field'] or '-'}"
    )


def _percent(part: int, whole: int) -> str:
    """Return a share that says 100% only of all and 0% only of none."""
    share = part / whole
    return "<1%" if share < 0.005 else ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _details(column: dict[str, Any]) -> Iterator[str]:
    from etl.customers.damage import MEANING

    longest = column["longest"]
    told = [column["reason"]]
    told.append(f"longest: {longest['characters']:,} characters, line {longest['line']}")
    if longest["limit"] and longest["characters"] > longest["limit"]:
        told[-1] += f" (Square takes {longest['limit']})"
    if column["regions"]:
        few = list(column["regions"].items())[:_TOP]
        told.append(f"with +: {', '.join(f'{region} {times:,}' for region, times in few)}")
    if column["date_order"]:
        told.append(_order(column))
    yield from _wrapped(f"  {_shown(column['header'])}: {'; '.join(told)}", "    ")
    top = [
        f"{one['value']} ×{one['cells']:,}" if one["cells"] > 1 else one["value"]
        for one in column["top"][:_TOP_SHOWN]
    ]
    yield from _wrapped(f"    top: {'  '.join(top)}", "      ")
    for name, one in column["damage"].items():
        yield f"    damaged: {one['cells']:,} {MEANING[name]}, first in line {one['line']:,}"


def _order(column: dict[str, Any]) -> str:
    day, month = column["day_first_line"], column["month_first_line"]
    return {
        "DMY": f"day first, as line {day} proves",
        "MDY": f"month first, as line {month} proves",
        "plain": "each date says itself which part is the month",
        "unproved": "nothing proves which part is the month",
        "contradictory": f"contradictory: line {day} is day first, line {month} month first",
    }[column["date_order"]]


def _shown(header: str) -> str:
    return " ".join(header.split())


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
    )
