"""``square-etl init``: a few questions, and the config they make."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from etl.cli.options import DEFAULT_STATE, exits, state_option
from etl.cli.profile import check_place, looked_at, write_config
from etl.cli.progress import Watcher

if TYPE_CHECKING:
    from etl.config import Environment

_TARGETS = ["local", "sandbox", "production"]
# A system that no preset knows.
_OTHER = "other"


@click.command("init")
@click.argument(
    "config_file",
    metavar="[CONFIG]",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("square-etl.toml"),
)
@click.option("--file", "source", metavar="SOURCE", help="A file such as every night brings.")
@click.option("--system", metavar="NAME", help="What wrote it: a preset, or other.")
@click.option("--region", metavar="CODE", help="Country of phones without +, or none.")
@click.option("--target", type=click.Choice(_TARGETS), help="Which Square; local to begin with.")
@state_option
@click.option("--yes", is_flag=True, help="Ask nothing: what is not said is as it is proposed.")
@exits
@click.pass_context
def init_command(
    context: click.Context,
    config_file: Path,
    source: str | None,
    system: str | None,
    region: str | None,
    target: str | None,
    state_dir: Path,
    yes: bool,
) -> int:
    """Ask a few questions and write CONFIG (square-etl.toml), with comments.

    The file is looked at as `profile` does; what it shows is proposed as the answer. Options answer
    without a question. An existing CONFIG is never replaced.
    """
    from etl.config import parse
    from etl.errors import ConfigError
    from etl.presets import presets
    from etl.stages.starter import nightly

    check_place(config_file, "choose another name, or remove it first")
    if yes and source is None:
        raise ConfigError("say which file: --file SOURCE")

    def answer(said: str | None, question: str, proposed: str, choices: list[str]) -> str:
        if said is None and not yes:
            said = click.prompt(question, default=proposed, err=True)
        said = proposed if said is None else said
        if choices and said not in choices:
            raise ConfigError(f"{said!r} is none of {', '.join(choices)}")
        return said

    source = source or str(click.prompt("A file such as every night brings", err=True))
    with Watcher(sys.stderr, quiet=True).on_signals() as watcher:
        look = looked_at(source, parse({}, "init"), state_dir, watcher)
        known = [*presets(), _OTHER]
        told = answer(
            system,
            f"Which system wrote it ({', '.join(known)})",
            look.proposals.preset or _OTHER,
            known,
        )
        found = look.proposals.region
        detected = look.proposals.preset
        if detected not in (None, told) and told != _OTHER:
            because = ", ".join(look.proposals.because)
            raise ConfigError(
                f"{source}: these are the columns of {detected} ({because}), not of {told}: say "
                f"{detected}, or {_OTHER}"
            )
        country = answer(
            region,
            "Country of phones without +, such as US, or none",
            found.code if found else "none",
            [],
        )
        said = {} if country == "none" else {"clean": {"default_region": country}}
        settings = parse(said, "init")
        chosen = "" if told == _OTHER else told
        look = looked_at(source, settings, state_dir, watcher, chosen)
    text = look.starter(settings.source, settings.clean.default_region)
    environment = answer(target, "Which Square (local, sandbox, production)", "local", _TARGETS)
    if context.get_parameter_source("state_dir") is click.core.ParameterSource.DEFAULT and not yes:
        state_dir = Path(click.prompt("Where runs are kept", default=str(state_dir), err=True))
    text += nightly(cast("Environment", environment), shlex.quote(str(state_dir)))
    write_config(config_file, text)
    _next(config_file, source, state_dir)
    return 0


def _next(config_file: Path, source: str, state_dir: Path) -> None:
    state = [] if state_dir == DEFAULT_STATE else ["--state-dir", str(state_dir)]
    click.echo(f"wrote {config_file}: look it over, then")
    for command in (["doctor"], ["validate", source], ["plan", source], ["import", source]):
        words = ["square-etl", *command, "--config", str(config_file), *state]
        click.echo(f"  {shlex.join(words)}")
