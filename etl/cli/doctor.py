"""``square-etl doctor``: what would keep the next run from starting."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etl.cli.failures import EXIT_USAGE
from etl.cli.options import (
    config_option,
    exits,
    output_options,
    say,
    state_option,
    target_options,
)
from etl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.doctor import Finding


@click.command("doctor")
@config_option
@target_options
@state_option
@output_options
@exits
def doctor_command(
    config_file: Path | None,
    target: str | None,
    base_url: str | None,
    token_file: Path | None,
    state_dir: Path,
    output: str,
    quiet: bool,
) -> int:
    """Look at everything a run needs; write nothing.

    Config, token (scopes, days left), merchant and country, Square-Version, clock, state folder
    (permissions, space, filesystem, lock), and one read of the directory. Each line is ok, a
    warning, or something to fix, with what helps. Exit 0 unless something has to be fixed (2).
    With --quiet only what is not ok is printed.
    """
    import orjson

    from etl.cli import session
    from etl.doctor import Finding, examine, mounts, of_state
    from etl.journal.state import State

    state = State(state_dir)
    try:
        config = session.configured(config_file, target, token_file, None)
    except ConfigError as error:
        remedy = "correct it: every key is in the README, under Settings"
        found = [Finding("config", "fix", str(error), remedy), *of_state(state, mounts())]
    else:
        found = list(examine(config_file, config, base_url, state))
    status = EXIT_USAGE if any(one.verdict == "fix" for one in found) else 0
    if output == "json":
        told: dict[str, Any] = {"checks": [asdict(one) for one in found], "exit_code": status}
        say(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    elif lines := list(_lines(found, quiet=quiet)):
        say("\n".join(lines))
    return status


def _lines(found: list[Finding], *, quiet: bool) -> Iterator[str]:
    for one in found:
        if quiet and one.verdict == "ok":
            continue
        first, *more = one.told.splitlines()
        yield f"{one.verdict:<7}  {one.check:<12}  {first}"
        yield from (f"{'':<23}{line}" for line in more)
        if one.remedy:
            yield f"{'':<23}→ {one.remedy}"
    if quiet:
        return
    fixes = sum(one.verdict == "fix" for one in found)
    warnings = sum(one.verdict == "warning" for one in found)
    yield ""
    yield (
        f"{fixes} to fix, {warnings} to look at"
        if fixes
        else f"nothing has to be fixed; {warnings} to look at"
        if warnings
        else "all is well"
    )
