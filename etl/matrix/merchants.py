"""Which merchants are there, and what is imported for each? The file of ``import --matrix``.

Strict TOML, as a config is. What is wrong in here stops everything before it starts; what is wrong
with one merchant's settings, token, files or Square is that merchant's alone.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from etl.config import Environment, VariableName, did_you_mean
from etl.errors import ConfigError
from etl.files.remote import is_url

# What people call what must not be written here.
_TOKENS = ("token", "access_token", "secret")
# Each import takes memory of its own, and waits for Square most of the time.
_AT_ONCE = 4


def _source(name: str) -> str:
    # In the current folder, it would be nothing more than that.
    if os.path.normpath(name) == "-":
        raise ValueError("- is standard input, and that is nobody's alone: name a file")
    return name


def _path(path: Path) -> Path:
    _without_nul(str(path))
    return path


def _without_nul(name: str) -> str:
    if "\0" in name:
        raise ValueError("no name of a file has a NUL in it")
    return name


MerchantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
SourceName = Annotated[
    str, Field(min_length=1), AfterValidator(_without_nul), AfterValidator(_source)
]
FilePath = Annotated[Path, AfterValidator(_path)]
# Shorter than a token: one that is written here by mistake is not taken for a name, and not told.
TokenVariable = Annotated[VariableName, Field(max_length=50)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Merchant(_Table):
    """One merchant: ``[[merchants]]``."""

    name: MerchantName = Field(
        description="letters, digits, `.`, `_` and `-`; its state is kept under it, so never "
        "change it"
    )
    sources: tuple[SourceName, ...] = Field(
        min_length=1, description="files, globs or addresses, as import takes them"
    )
    config: FilePath | None = Field(None, description="settings, as for --config")
    target: Environment | None = Field(
        None, description="local, sandbox or production; else as the settings say"
    )
    base_url: str | None = Field(None, min_length=1, description="as for --base-url")
    token_file: FilePath | None = Field(
        None, description="a file of mode 0600 with the access token"
    )
    token_env: TokenVariable | None = Field(
        None, description="the environment variable that has the access token"
    )

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token_file and self.token_env:
            raise ValueError("token_file and token_env are two places for one token: keep one")
        return self


class Matrix(_Table):
    """The whole file."""

    at_once: int = Field(_AT_ONCE, ge=1, le=100, description="how many are imported at a time")
    config: FilePath | None = Field(None, description="settings of all that name none themselves")
    target: Environment | None = Field(None, description="Square of all that name none themselves")
    base_url: str | None = Field(
        None, min_length=1, description="its address, for all that name none themselves"
    )
    merchants: tuple[Merchant, ...] = Field(min_length=1, description="one table for each merchant")


@dataclass(frozen=True, slots=True)
class Entry:
    """A merchant of the file, with the defaults of the file, and paths that can be opened."""

    name: str
    sources: tuple[str, ...]
    config: Path | None
    target: Environment | None
    base_url: str | None
    token_file: Path | None
    token_env: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a file asks for."""

    file: Path
    at_once: int
    entries: tuple[Entry, ...]


def load(file: Path) -> Wanted:
    """Read the file of the merchants; paths in it are relative to its folder.

    Raises ConfigError naming the file, the merchant and the key.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{file} is not valid TOML: it is nested too deeply") from None
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read {file}: it is not UTF-8") from None
    try:
        matrix = Matrix.model_validate(data)
    except pydantic.ValidationError as error:
        told = "\n".join(f"{file}: {line}" for line in _explain(error, data))
        # The error itself has what was written, which may be a token.
        raise ConfigError(told) from None
    _refuse_one_name_twice(file, matrix)
    entries = tuple(_entry(merchant, matrix, file.parent) for merchant in matrix.merchants)
    return Wanted(file, matrix.at_once, entries)


def _entry(merchant: Merchant, matrix: Matrix, folder: Path) -> Entry:
    def here(path: Path | None) -> Path | None:
        return None if path is None else folder / path

    return Entry(
        merchant.name,
        tuple(name if is_url(name) else str(folder / name) for name in merchant.sources),
        here(merchant.config or matrix.config),
        merchant.target or matrix.target,
        merchant.base_url or matrix.base_url,
        here(merchant.token_file),
        merchant.token_env,
    )


def _refuse_one_name_twice(file: Path, matrix: Matrix) -> None:
    seen: dict[str, str] = {}
    for merchant in matrix.merchants:
        # Where upper and lower case are one, they would share a folder.
        if before := seen.get(merchant.name.casefold()):
            both = f"{before} and {merchant.name} name one folder"
            told = f"two merchants are called {before}" if before == merchant.name else both
            raise ConfigError(f"{file}: {told}: each needs a name of its own")
        seen[merchant.name.casefold()] = merchant.name


def _explain(error: pydantic.ValidationError, data: Mapping[str, Any]) -> Iterator[str]:
    for detail in error.errors():
        path, whose = detail["loc"], ""
        model: type[_Table] = Matrix
        if path[0] == "merchants" and len(path) > 1:
            path, model = path[2:], Merchant
            whose = f"{_named(data, int(detail['loc'][1]))}: "
        where = ".".join(map(str, path))
        if detail["type"] != "extra_forbidden":
            told = detail["msg"].removeprefix("Value error, ")
            yield f"{whose}{where}: {told}" if where else f"{whose}{told}"
        elif where in _TOKENS:
            yield (
                f"{whose}unknown key {where}: a token never stands here: say token_file (a file of "
                "mode 0600) or token_env (the name of an environment variable)"
            )
        else:
            near = did_you_mean(where, list(model.model_fields))
            yield f"{whose}unknown key {where}{near}"


def _named(data: Mapping[str, Any], place: int) -> str:
    """Say which merchant it is, by its name if that can be one."""
    table = data["merchants"][place]
    name = table.get("name") if isinstance(table, dict) else None
    try:
        return f"merchant {pydantic.TypeAdapter(MerchantName).validate_python(name)}"
    except pydantic.ValidationError:
        return f"[[merchants]] number {place + 1}"
