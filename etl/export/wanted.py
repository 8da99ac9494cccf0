"""What is an export asked for?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from etl.square.wire import Profile


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
