"""What does the README quote from the code? Its tables, and what its commands print.

``python -m tests.readme`` writes both into the README; ``tests/test_readme.py`` holds them there.
"""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from etl.cli import main as main_command
from etl.config import Config
from etl.customers import codes, fields
from etl.matrix import summary
from etl.matrix.merchants import Matrix, Merchant
from etl.reports.outcomes import MEANING, UNDONE
from etl.reports.schema import json_schema
from etl.sandbox.assumptions import NOT_SERVED
from etl.sandbox.routes import ROUTES

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

# Options that are told once, above the list.
_EVERYWHERE = {
    *("output", "quiet", "state_dir", "config_file", "log_json", "log_level"),
    *("target", "base_url", "token_file"),
}

_TABLE = re.compile(r"<!-- (?P<name>[a-z]+) -->\n.*?<!-- end -->", re.DOTALL)
_BLOCK = re.compile(r"```console\n(?P<text>.*?)```", re.DOTALL)


def with_tables(text: str) -> str:
    """Return the README with its tables as the code has them now."""
    tables = {
        "outcomes": lambda: outcome_lines(MEANING),
        "undone": lambda: outcome_lines(UNDONE),
        "report": lambda: schema_lines(json_schema()),
        "matrix": lambda: schema_lines(summary.json_schema()),
        "ofmerchant": lambda: schema_lines(of_merchant()),
        "merchants": merchant_lines,
        "commands": command_lines,
        "settings": setting_lines,
        "fields": field_lines,
        "codes": code_lines,
        "unserved": unserved_lines,
        "endpoints": endpoint_lines,
        "control": control_lines,
    }

    def table(found: re.Match[str]) -> str:
        name = found["name"]
        return "\n".join([f"<!-- {name} -->", *tables[name](), "<!-- end -->"])

    return _TABLE.sub(table, text)


def outcome_lines(meanings: Mapping[str, str]) -> Iterator[str]:
    """Yield a table of outcomes."""
    yield "| outcome | meaning |"
    yield "|---|---|"
    for outcome, meaning in meanings.items():
        yield f"| `{outcome}` | {meaning} |"


def schema_lines(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the table of what is in a report."""
    yield "| key | what |"
    yield "|---|---|"
    for name, about in schema["properties"].items():
        null = {"type": "null"} in about.get("anyOf", ())
        members = ", ".join(f"`{member}`" for member in _members(about, schema))
        told = " ".join(about["description"].split())
        told += f": {members}" if members else ""
        yield f"| `{name}` | {told}{'; or null' if null else ''} |"


def _members(about: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Return the keys of what a key of the report holds, where they are always the same."""
    for shape in (about, about.get("items", {}), about.get("additionalProperties", {})):
        one = [each for each in shape.get("anyOf", [shape]) if each != {"type": "null"}]
        if len(one) == 1 and "$ref" in one[0]:
            name = one[0]["$ref"].rpartition("/")[2]
            return list(schema["$defs"][name]["properties"])
    return []


def of_merchant() -> dict[str, Any]:
    """Return the schema of what ``matrix.json`` says of one merchant."""
    schema = summary.json_schema()
    return {**schema, "properties": schema["$defs"]["OfMerchant"]["properties"]}


def merchant_lines() -> Iterator[str]:
    """Yield the table of the keys of a file of merchants."""
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for section, model in (("", Matrix), ("[[merchants]] ", Merchant)):
        for name, field in model.model_fields.items():
            if name == "merchants":
                continue
            default = "" if field.is_required() or field.default is None else f"`{field.default}`"
            needed = "needed: " if field.is_required() else ""
            yield f"| `{section}{name}` | {default} | {needed}{field.description} |"


def command_lines() -> Iterator[str]:
    """Yield a list of all commands with their options, as ``--help`` tells them."""
    for path, command in leaves(main_command):
        context = click.Context(command)
        words = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
        yield f"- **`square-etl {' '.join([*path, *words])}`**: {command.get_short_help_str(200)}"
        for option in command.params:
            if not isinstance(option, click.Option) or option.name in _EVERYWHERE:
                continue
            record = option.get_help_record(context)
            assert record is not None, option
            named, told = (" ".join(each.split()) for each in record)
            yield f"  - `{named}` {told}"


def leaves(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield all commands below one, each with its path."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, sub in command.commands.items():
        yield from leaves(sub, (*path, name))


def setting_lines() -> Iterator[str]:
    """Yield the table of settings."""
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for section, about in Config.model_fields.items():
        model = type(about.get_default())
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        for name, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            shown = "" if default in (None, {}) else f"`{_toml(default)}`"
            told = (field.description or "what an invalid value does to its row").replace(
                "|", "\\|"
            )
            yield f"| `[{section}] {name}` | {shown} | {told} |"


def field_lines() -> Iterator[str]:
    """Yield the table of fields that can be imported."""
    yield "| field | limit | |"
    yield "|---|---|---|"
    for field in fields.IMPORTABLE:
        traits = [
            "names an existing profile" if field.name == "id" else "",
            "identifies a person" if field.identifying else "",
            "match key" if field.match_key else "",
            "ES, FR, GB, IE only" if field.kind == "vat" else "",
        ]
        yield f"| `{field.name}` | {field.max_length or ''} | {', '.join(filter(None, traits))} |"


def code_lines() -> Iterator[str]:
    """Yield the table of codes."""
    yield "| code | whose | meaning | what helps |"
    yield "|---|---|---|---|"
    for code in codes.CODES:
        yield f"| `{code.name}` | {code.origin} | {code.meaning} | {code.remedy} |"


def unserved_lines() -> Iterator[str]:
    """Yield what the local Square does not do."""
    for subject in NOT_SERVED:
        yield f"- {subject}"


def endpoint_lines() -> Iterator[str]:
    """Yield the table of the calls of Square's that the local Square answers."""
    yield "| call | method and path | what is emulated | source |"
    yield "|---|---|---|---|"
    for route in ROUTES:
        if not route.owner:
            told = route.told.replace("``", "`")
            yield f"| {route.call} | `{route.method} {route.path}` | {told} | {route.source} |"


def control_lines() -> Iterator[str]:
    """Yield the table of the calls that Square does not have."""
    yield "| call | does |"
    yield "|---|---|"
    for route in ROUTES:
        if route.owner:
            summary = (inspect.getdoc(route.handler) or "").partition("\n\n")[0]
            told = " ".join(summary.replace("``", "`").split()).rstrip(".")
            yield f"| `{route.method} {route.path}` | {told} |"


def blocks(text: str) -> list[str]:
    """Return the console blocks of the README, in order."""
    return [found["text"] for found in _BLOCK.finditer(text)]


def commands(block: str) -> list[str]:
    """Return the commands of a block, without their prompt."""
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def printed(lines: list[str], folder: Path) -> str:
    """Run commands in ``folder`` and return a block: each command with all it printed."""
    told = []
    environment = {**os.environ, "COLUMNS": "120"}
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "square-etl", line
        done = subprocess.run(
            [sys.executable, "-m", "etl", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        told.append(f"$ {line}\n{done.stdout}")
    return "".join(told)


def newcomer(folder: Path) -> Path:
    """Lay out what a newcomer has after cloning, as far as the commands need it."""
    for name in ("sample_data", "configs"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def without_chance(block: str) -> str:
    """Return a block with what differs from run to run replaced: ids, times, merchants."""
    block = re.sub(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}", "RUN", block)
    block = re.sub(r"merchant [0-9A-Z]{13}", "merchant MERCHANT", block)
    return re.sub(r"\d+\.\d s\b", "TIME", block)


def main() -> None:
    """Write the tables and the blocks into the README."""
    text = with_tables(README.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = newcomer(Path(name))
        renewed = iter([printed(commands(block), folder) for block in blocks(text)])
        text = _BLOCK.sub(lambda found: f"```console\n{next(renewed)}```", text)
    README.write_text(text, encoding="utf-8")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    main()
