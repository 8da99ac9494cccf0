"""What is an export asked for?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_origin, get_type_hints

import pyarrow as pa
import pydantic

from etl.errors import ConfigError
from etl.export.names import BESIDE
from etl.export.windows import instant
from etl.square.wire import Profile

# Of what lies beside only memberships of groups are a change of the profile (segments and custom
# attributes are not: reference/square-api, section 5.2).
_OF_PROFILES = ("groups",)

_TIMES = ("created_after", "created_before", "updated_after", "updated_before")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which customers; all members have to fit, as in Square's own search.

    Times are RFC 3339, of Square's clock; ``after`` is included, ``before`` is not. Groups and
    segments are named; a customer has to be in all of them.
    """

    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None
    groups: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    creation_sources: tuple[str, ...] = ()
    email: str | None = None
    phone: str | None = None
    reference: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()  # key of a custom attribute, what it equals


@dataclass(frozen=True, slots=True)
class Shape:
    """How what was collected becomes a table.

    ``columns`` are names of the table, in the order they are wanted (empty: all); ``where`` is an
    expression of DuckDB over all of them, whether they are wanted or not. ``preset`` names the
    system whose headers are written. ``sample`` picks so many rows, the same ones every time.
    """

    columns: tuple[str, ...] = ()
    preset: str | None = None
    where: str | None = None
    mask: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of what ``square-etl export`` is told."""

    destination: str
    filters: Filters = field(default_factory=Filters)
    shape: Shape = field(default_factory=Shape)
    beside: tuple[str, ...] = ()  # groups, segments, custom-attributes, cards, ...
    raw: bool = False
    bom: bool = False
    overwrite: bool = False
    incremental: bool = False
    full_refresh: bool = False


class Further(NamedTuple):
    """Columns of what lies beside profiles.

    ``values`` gives one array per field for a batch of profiles, in their order.
    """

    fields: tuple[pa.Field, ...]
    values: Callable[[Sequence[Profile]], list[pa.Array]]


def wanted(destination: str, **told: Any) -> Wanted:
    """Return what the options of ``square-etl export``, by their names, ask for.

    Raises ConfigError for options that do not go together, are of another type, or are no times.
    """
    for name, text in [("DEST", destination), *_texts(told)]:
        # Python keeps bytes of the command line that are no text as halves of surrogate pairs.
        if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
            raise ConfigError(f"{name} holds a NUL, or bytes that are no UTF-8: write it as text")
    for name in _TIMES:
        if told.get(name) is not None:
            told[name] = instant(told[name], f"--{name.replace('_', '-')}")
    filters, shape = Filters(**_taken(Filters, told)), Shape(**_taken(Shape, told))
    others = _taken(Wanted, told)
    if told:
        raise ConfigError(f"there is no option {min(told)!r}")
    asked = Wanted(destination, filters, shape, **others)
    if unknown := [name for name in asked.beside if name not in BESIDE]:
        raise ConfigError(f"--with {unknown[0]}: known are {', '.join(BESIDE)}")
    if asked.full_refresh and not asked.incremental:
        raise ConfigError("--full-refresh is for --incremental; without it everything is read")
    if asked.incremental:
        _refuse_with_incremental(asked)
    return asked


def _taken(kind: type, told: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of ``told`` that are members of a kind, lists as tuples."""
    taken = {}
    for name, hint in get_type_hints(kind).items():
        if name not in told or name in ("destination", "filters", "shape"):
            continue
        value = told.pop(name)
        if get_origin(hint) is tuple and not isinstance(value, list | tuple):
            raise ConfigError(f"{name} takes several: give a list, even of one")
        taken[name] = _frozen(value)
        try:
            pydantic.TypeAdapter(hint).validate_python(taken[name], strict=True)
        except pydantic.ValidationError as error:
            raise ConfigError(f"{name}: {error.errors()[0]['msg']}") from error
    return taken


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _texts(told: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of the options, with the option it belongs to."""
    if isinstance(told, str):
        yield name, told
    elif isinstance(told, dict):
        for key, value in told.items():
            yield from _texts(value, key)
    elif isinstance(told, list | tuple):
        for value in told:
            yield from _texts(value, name)


def _refuse_with_incremental(asked: Wanted) -> None:
    """Refuse what would hide a change from whoever follows the increments."""
    others = [name for name in asked.beside if name not in _OF_PROFILES]
    wrong = [
        (asked.destination == "-", "DEST -", "deletions are listed beside the file"),
        (bool(others), f"--with {','.join(others)}", "it changes without the profile changing"),
        (bool(asked.filters.segments), "--segment", "who comes and goes is no change of a profile"),
        (bool(asked.filters.attributes), "--attribute", "it changes without the profile changing"),
        (asked.shape.where is not None, "--where", "who stops fitting would never be told"),
        (asked.shape.sample is not None, "--sample", "the others would count as exported"),
    ]
    for given, option, why in wrong:
        if given:
            raise ConfigError(f"--incremental does not go with {option}: {why}")
