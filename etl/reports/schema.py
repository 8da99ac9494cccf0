"""What is in a report? The one place that says it: types, JSON Schema and the README's table.

``report.build`` makes a ``Report``, mypy holds it to that, and tests hold every report of the main
journeys to the schema that ``square-etl runs report --schema`` prints.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, TypeAdapter, with_config

# Pydantic asks for this one on Python 3.11.
from typing_extensions import TypedDict

_STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)

# Rows by code, and by field in there; the field is empty where it is the row as a whole.
ByCode: TypeAlias = "dict[str, dict[str, int]]"


@with_config(_STRICT)
class SourceFile(TypedDict):
    """One file."""

    path: str
    """as it was given"""
    sha256: str
    """of its bytes"""
    rows: int
    """how many it holds"""
    notes: list[str]
    """how it was read"""
    unused_columns: list[str]
    """columns nothing was made of"""


@with_config(_STRICT)
class ImportRows(TypedDict):
    """Source rows by what became of them; each has exactly one outcome."""

    read: int
    created: int
    updated: int
    unchanged: int
    duplicate: int
    skipped: int
    review: int
    rejected: int
    failed: int
    unknown: int
    pending: int


@with_config(_STRICT)
class UndoRows(TypedDict):
    """Customers that the undone run wrote to, by what became of them."""

    read: int
    updated: int
    deleted: int
    unchanged: int
    conflict: int
    failed: int
    unknown: int
    pending: int


@with_config(_STRICT)
class Part(TypedDict):
    """How much of one kind was to be taken back."""

    planned: int
    done: int


@with_config(_STRICT)
class Undone(TypedDict):
    """What an undo takes back, by kind."""

    profiles_restored: Part
    profiles_deleted: Part
    memberships: Part
    custom_attributes: Part


@with_config(_STRICT)
class Calls(TypedDict):
    """Calls of Square's by what they are for."""

    create: int
    update: int
    groups: int
    custom_attributes: int
    gift_cards: int
    read_back: int


@with_config(_STRICT)
class Planned(TypedDict):
    """What was planned, all of profiles."""

    creates: int
    updates: int
    fields_cleared: int
    calls: Calls
    """the calls that takes"""
    seconds: float
    """roughly how long these take, as if one followed the other"""


@with_config(_STRICT)
class Additions(TypedDict):
    """Gift cards that are linked to profiles."""

    planned: int
    added: int
    failed: int
    verified: int
    mismatched: int


@with_config(_STRICT)
class NamedAdditions(Additions):
    """Memberships or values, and the groups or definitions that were made for them."""

    created: int


@with_config(_STRICT)
class Beside(TypedDict):
    """What is added beside profiles."""

    groups: NamedAdditions
    custom_attributes: NamedAdditions
    gift_cards: Additions


@with_config(_STRICT)
class Consent(TypedDict):
    """Customers of ``consent.csv`` by what they said."""

    subscribed: int
    unsubscribed: int
    unknown: int


@with_config(_STRICT)
class Unusual(TypedDict):
    """A figure that is unlike those of the last imports of the same source."""

    measure: Literal["rows", "rejected", "created"]
    """rows, or the share of them that is rejected or would be created"""
    value: float
    usual: float
    """the median of the runs before"""
    low: float
    """from here on it is usual"""
    high: float
    """up to here"""
    runs: int
    """how many it was compared with"""
    told: str
    """the same in words"""


@with_config(_STRICT)
class Verified(TypedDict):
    """Written profiles that were read back."""

    checked: int
    matched: int
    mismatched: int


@with_config(_STRICT)
class Requests(TypedDict):
    """Attempts of calls to one endpoint."""

    calls: int
    retries: int
    rate_limited: int
    errors: int


@with_config(_STRICT)
class Report(TypedDict):
    """``report.json``: what a run did, and whether everything is accounted for."""

    run_id: str
    """which run; ids sort by time"""
    command: Literal["import", "plan", "validate", "undo", "undo-plan"]
    """what was asked for; `undo-plan` is the dry run of an undo, and an applied plan an `import`"""
    status: Literal["finished", "planned", "validated", "incomplete", "braked", "undone"]
    """`finished`, `planned`, `validated`, `incomplete`, `braked`, or `undone` for an unfinished run
    that was taken back"""
    started_at: str
    """UTC, RFC 3339"""
    finished_at: str | None
    """likewise, of runs that write"""
    target: Literal["none", "local", "sandbox", "production"]
    """which Square was spoken to; `none` by a validation"""
    merchant_id: str
    """the seller; empty where no Square is asked"""
    square_version: str
    """the Square-Version header"""
    sources: list[SourceFile]
    """the files; of an undo, those of the run it takes back"""
    amends: str | None
    """the run whose rejects these are, corrected"""
    amended: dict[str, dict[str, int]]
    """for each run that corrected rejects of this one: how many became what"""
    rows: ImportRows | UndoRows
    """`read`, and a count for each of the ten outcomes; of an undo, for each of its seven"""
    balanced: bool
    """whether the outcomes add up to `read`"""
    undoes: str | None
    """the run that this one takes back"""
    undone: Undone | None
    """of an undo: what there was to take back, and how much of it was"""
    applies: str | None
    """the run whose plan was carried out"""
    replanned: int | None
    """how many rows of that plan had moved since and were planned anew"""
    planned: Planned
    """what was planned, all of profiles; the calls that takes by kind, and roughly the seconds"""
    reasons: ByCode
    """rows per code and field: what kept them out"""
    repairs: ByCode
    """rows per code and field: what cleaning changed, or had to say"""
    consent: Consent | None
    """customers in `consent.csv`, where there is a consent column"""
    lookup: str | None
    """how the directory was read, and what each way would have cost"""
    unusual: list[Unusual]
    """figures that are unlike those of the last imports of the same source"""
    beside: Beside
    """memberships, values and links: how many were planned, added, refused and read back"""
    verified: Verified
    """written profiles that were read back"""
    requests: dict[str, Requests]
    """per endpoint"""
    seconds: dict[str, float]
    """per stage"""
    stopped: str | None
    """why an unfinished run stopped"""
    exit_code: Literal[0, 3, 4, 6]
    """what the command exits with"""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``report.json``."""
    made = TypeAdapter(Report).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **untitled(made)}


def untitled(schema: Any) -> Any:
    """Leave out the titles that pydantic makes from names."""
    if isinstance(schema, dict):
        return {
            key: untitled(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
        }
    return list(map(untitled, schema)) if isinstance(schema, list) else schema
