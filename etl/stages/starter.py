"""Which config does a newcomer start from? A profile's proposals as a commented TOML file.

``import`` and ``validate`` accept it as it stands: what is less than fairly sure is in comments.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

from etl import config
from etl.errors import ConfigError
from etl.files.sources import Source
from etl.stages.mapping import normalise_header, resolve
from etl.stages.profile import Profile
from etl.stages.propose import Proposal, Proposals, date_order

# As many national phones have to be valid in a country for it to be the default one.
_SURE = 0.8

# What other systems call the column that Square's groups come nearest to.
_GROUPS = frozenset(
    [
        *("tags", "groups", "labels", "categories", "group membership", "lists"),
        *("customer type", "customer group name"),
    ]
)
# Of equally frequent ones the first.
_SEPARATORS = (",", ";", ":::", "|")


def starter(
    source: Source,
    found: Profile,
    proposals: Proposals,
    settings: config.Source,
    region: str | None = None,
) -> str:
    """Return the config for a profiled source; ``settings`` are those it was read with.

    Somebody may have said the default ``region``. Raises ConfigError when not a single column is
    known well enough.
    """
    if not proposals.groups:
        raise ConfigError(
            f"{source.name}: no column is known well enough to write a config: say in [columns] "
            'what they are, as in "E-mail" = "email_address"'
        )
    told = [
        f"# A start, written by square-etl from {_text(source.name)}: look it over, then",
        "# see which rows Square would refuse: square-etl validate FILE --config THIS_FILE",
        *_source(source, proposals, settings),
        *_columns(found, proposals),
        *_groups(found, proposals),
        *_consent(proposals),
        *_clean(found, proposals, region),
    ]
    text = "\n".join(told) + "\n"
    resolve(source.name, source.columns, source.not_text, config.parse(tomllib.loads(text), "it"))
    return text


def nightly(environment: config.Environment, state_dir: str) -> str:
    """Return what a job that nobody watches needs beside the mapping."""
    return f"""
[limits]
# Up to this share of rejected, failed and review rows a run ends with exit 0, not 3.
# tolerate = "1%"
# Brakes: stop before anything is written (exit 6) when a file looks like an accident.
max_rejected = "20%"
# After the first night, which creates everybody:
# max_created = "10%"

# Rows, rejects and new profiles are compared with the last imports of files of this name.
[anomaly]
action = "warn"                  # "stop" is a brake

[target]
environment = {_text(environment)}
# The token comes from SQUARE_ACCESS_TOKEN, or from a private file (chmod 600):
# token_file = "/etc/square-etl/token"

# Who is told when a run has ended with rows that need somebody, or failed:
# [notify]
# webhook = "https://chat.example.com/hooks/square"
# secret_env = "HOOKTOKEN"       # its value goes along as the Authorization header
# command = ["/usr/local/bin/tell-operations"]

# [metrics]
# textfile = "/var/lib/prometheus/node-exporter/square_etl.prom"

# Runs, ledger and the copy of the directory stay in one state folder. Give every command the same:
# --state-dir {state_dir}, or SQUARE_ETL_STATE={state_dir}
"""


def _source(source: Source, proposals: Proposals, settings: config.Source) -> Iterator[str]:
    given = {} if source.ours else settings.model_dump(exclude_unset=True, exclude_none=True)
    given.pop("preset", None)
    if source.kind == "csv" and not source.ours:
        if source.encoding == "cp1252":
            given.setdefault("encoding", source.encoding)
        if source.delimiter != ",":
            given.setdefault("delimiter", source.delimiter)
    if proposals.preset:
        given["preset"] = proposals.preset
    if not given:
        return
    yield ""
    yield "[source]"
    if proposals.because:
        yield f"# These columns tell it: {', '.join(map(_text, proposals.because))}."
    for key, value in given.items():
        yield f"{key} = {_value(value)}"


def _columns(found: Profile, proposals: Proposals) -> Iterator[str]:
    by_header = {
        column.header: proposal
        for column, proposal in zip(found.columns, proposals.columns, strict=True)
    }
    if not proposals.preset:
        single = {field: group[0] for field, group in proposals.groups.items() if len(group) == 1}
        several = {field: group for field, group in proposals.groups.items() if len(group) > 1}
        yield ""
        yield "[columns]"
        for field, header in single.items():
            yield _comment(by_header[header])
            yield f"{_text(header)} = {_text(field)}"
        if several:
            yield ""
            yield "# The first that is not empty in a row wins."
            yield "[fallbacks]"
        for field, group in several.items():
            for header in group:
                yield f"# {_text(header)}: {_comment(by_header[header])[2:]}"
            yield f"{_text(field)} = [{', '.join(map(_text, group))}]"
    yield from _left_out(by_header, proposals)


def _left_out(by_header: dict[str, Proposal], proposals: Proposals) -> Iterator[str]:
    used = {header for group in proposals.groups.values() for header in group}
    used |= {proposals.consent.column} if proposals.consent else set()
    unused = {header: one for header, one in by_header.items() if header not in used}
    unsure = {header: one for header, one in unused.items() if one.field}
    if unsure:
        yield ""
        yield "# Not sure enough; to use one, move it to [columns]:"
    for header, proposal in unsure.items():
        yield f"#   {_text(header)} = {_text(proposal.field or '')}  {_comment(proposal)}"
    if len(unused) > len(unsure):
        yield ""
        yield "# Not used:"
    for header, proposal in unused.items():
        if not proposal.field:
            yield f"#   {_text(header)}: {proposal.reason}"


def _groups(found: Profile, proposals: Proposals) -> Iterator[str]:
    """Yield, in comments, the column that names groups: each name would become one in Square."""
    used = {header for group in proposals.groups.values() for header in group}
    for column in found.columns:
        called_so = normalise_header(column.header) in _GROUPS
        if not called_so or column.header in used or not column.filled:
            continue
        counts = {one: sum(n for text, n in column.top if one in text) for one in _SEPARATORS}
        separator = max(_SEPARATORS, key=counts.__getitem__)
        yield ""
        yield f"# {_text(column.header)} seems to hold tags. Not used unless you say so, because"
        yield "# every distinct one that Square has no group for would become a new customer group:"
        yield "# [groups]"
        yield f"# column = {_text(column.header)}"
        yield f"# separator = {_text(separator)}"
        return


def _consent(proposals: Proposals) -> Iterator[str]:
    if proposals.consent is None:
        return
    yield ""
    yield "# Who agreed to marketing: it goes to consent.csv, for Square's API cannot set it."
    yield "[consent]"
    yield f"column = {_text(proposals.consent.column)}"
    yield f"yes = {_value(proposals.consent.yes)}"


def _clean(found: Profile, proposals: Proposals, region: str | None) -> Iterator[str]:
    lines = [*_region(proposals, region), *_dates(found, proposals)]
    if lines:
        yield ""
        yield "[clean]"
        yield from lines


def _region(proposals: Proposals, said: str | None) -> Iterator[str]:
    region = proposals.region
    if said and (region is None or region.share < _SURE):
        yield "# Phones without + are numbers of this country."
        yield f"default_region = {_text(said)}"
        return
    if region is None:
        return
    yield (
        f"# Of {region.tried} phones without + that were tried, {region.share:.0%} are valid in "
        f"{region.code}."
    )
    yield f"{'' if region.share >= _SURE else '# '}default_region = {_text(region.code)}"
    if "address.country" in proposals.groups:
        yield '# region_from = "country"  # the country of the row, where it has one, decides'


def _dates(found: Profile, proposals: Proposals) -> Iterator[str]:
    birthdays = proposals.groups.get("birthday", ())
    for column in found.columns:
        if column.header not in birthdays:
            continue
        order, proofs = date_order(column), column.dates
        name = _text(column.header)
        if order == "contradictory" and proofs.day_first and proofs.month_first:
            yield (
                f"# {name} has both orders: line {proofs.day_first[1]} is day first, line "
                f"{proofs.month_first[1]} month first."
            )
            yield '# date_order = "DMY"  # or "MDY"'
        elif order == "unproved":
            yield f"# Nothing in {name} proves which part is the month, so such dates are rejected."
            yield '# date_order = "DMY"  # or "MDY"'
        elif proof := (proofs.day_first or proofs.month_first):
            yield f"# Line {proof[1]} of the profiled file proves it for {name}."
            yield f"date_order = {_text(order)}"


def _comment(proposal: Proposal) -> str:
    return f"# {proposal.confidence}: {proposal.reason}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value) if isinstance(value, str) else str(value).lower()


def _text(text: str) -> str:
    """Write a TOML string: that of JSON, but for the one control character JSON leaves alone."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
