"""Which source column is which customer field?

Resolved once per source from the preset, ``[columns]`` and ``[fallbacks]``, or, only when none of
these is given, from synonyms of the headers; then applied to each batch. Nothing is guessed
between two columns: that is an error with the lines to paste.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import pyarrow as pa
import pyarrow.compute as pc

from etl.config import Config, parse
from etl.customers import fields
from etl.customers.cells import for_screen
from etl.errors import ConfigError, SourceError


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The headers of each mapped field, best first, and the headers nothing was made of."""

    fields: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]


def presets() -> list[str]:
    """Return the names of the systems whose exports are known."""
    folder = resources.files("etl.presets")
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def resolve(
    name: str, headers: Sequence[str], not_text: Mapping[str, str], config: Config
) -> ColumnMapping:
    """Decide which headers of the source called ``name`` feed which fields.

    Raises ConfigError when a header is unknown, two headers claim one field, or nothing is
    mapped; SourceError when a mapped column cannot be read as text.
    """
    own = [header for header in headers if not header.startswith("_")]
    explicit = _claims(config.columns, config.fallbacks)
    for header in (header for group in explicit.values() for header in group):
        if header not in own:
            raise ConfigError(f"[columns] names {header!r}, but {name} has {_nearest(header, own)}")
    if config.source.preset is not None:
        chosen = _from_preset(config.source.preset, own, explicit, name)
    elif explicit:
        chosen = explicit
    else:
        chosen = _recognised(own, name)
    for field, group in chosen.items():
        for header in group:
            if header in not_text:
                raise SourceError(
                    f"{name}: column {header!r} is {not_text[header]}, so it cannot be the text of "
                    f"{field}. Write the column as text, or leave it out of [columns]."
                )
    used = {header for group in chosen.values() for header in group}
    return ColumnMapping(chosen, tuple(header for header in own if header not in used))


def map_columns(cells: pa.RecordBatch, mapping: ColumnMapping) -> pa.RecordBatch:
    """Return the batch as customers: columns of ``fields.CUSTOMERS``, text as it was written."""
    columns = []
    for field in fields.CUSTOMERS.names:
        column = pa.nulls(cells.num_rows, pa.string())
        for header in mapping.fields.get(field, ()):
            column = pc.coalesce(column, _or_null(cells.column(header)))
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=fields.CUSTOMERS)


def normalise_header(header: str) -> str:
    """Return a header as synonyms spell it: ``"E-Mail Address "`` → ``"e mail address"``."""
    folded = unicodedata.normalize("NFKC", header).strip("\ufeff \t").casefold()
    return " ".join(re.findall(r"[^\W_]+", folded))


def synonyms(headers: Sequence[str]) -> dict[str, str]:
    """Return which field each normalised header names, in a file with these headers."""
    # An export of ours spells its columns as Square does, and its "id" is the customer's id there,
    # while any other system's "id" is a reference. What Square assigns tells them apart.
    ours = "id" in headers and any(
        field.name in headers
        for field in fields.FIELDS
        if not field.writable and field.name != "id"
    )
    meaning: dict[str, str] = {}
    for field in fields.IMPORTABLE:
        for synonym in filter(None, field.synonyms.split(", ")):
            meaning.setdefault(synonym, field.name)
        meaning[normalise_header(field.name)] = field.name
    if not ours:
        meaning["id"] = "reference_id"
    return meaning


def _or_null(column: pa.Array) -> pa.Array:
    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), column)


def _claims(
    columns: Mapping[str, str], fallbacks: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    claims: dict[str, tuple[str, ...]] = {}
    for header, field in columns.items():
        if field in claims:
            raise ConfigError(
                f"[columns] gives {field} to both {claims[field][0]!r} and {header!r}. Keep one, "
                f"or say which comes first:\n{_as_fallbacks(field, [claims[field][0], header])}"
            )
        claims[field] = (header,)
    for field, headers in fallbacks.items():
        if field in claims and claims[field][0] not in headers:
            raise ConfigError(f"{field} is in [columns] and in [fallbacks]: keep one of them")
        claims[field] = tuple(headers)
    return claims


def _from_preset(
    preset: str, headers: Sequence[str], explicit: dict[str, tuple[str, ...]], name: str
) -> dict[str, tuple[str, ...]]:
    known = _preset(preset)
    by_spelling = {normalise_header(header): header for header in headers}
    taken = {header for group in explicit.values() for header in group}
    chosen = dict(explicit)
    for field, group in known.items():
        present = [
            by_spelling[normalise_header(header)]
            for header in group
            if normalise_header(header) in by_spelling
        ]
        free = tuple(dict.fromkeys(header for header in present if header not in taken))
        if field not in chosen and free:
            chosen[field] = free
    if len(chosen) == len(explicit):
        raise ConfigError(
            f"{name} has none of the columns of preset {preset!r}: is it such an export? "
            f"Its columns are {for_screen(headers)}."
        )
    return chosen


def _preset(name: str) -> dict[str, tuple[str, ...]]:
    if name not in presets():
        raise ConfigError(
            f"[source] preset: there is no preset {name!r}; there are {', '.join(presets())}"
        )
    text = resources.files("etl.presets").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    fragment = parse(tomllib.loads(text), f"preset {name}")
    return _claims(fragment.columns, fragment.fallbacks)


def _recognised(headers: Sequence[str], name: str) -> dict[str, tuple[str, ...]]:
    meaning = synonyms(headers)
    chosen: dict[str, tuple[str, ...]] = {}
    for header in headers:
        found = meaning.get(normalise_header(header))
        if found is None:
            continue
        if found in chosen:
            both = [chosen[found][0], header]
            raise ConfigError(
                f"{name}: columns {both[0]!r} and {both[1]!r} could both be {found}. Choose one in "
                f'[columns] (the rest of the columns then too), as in "{both[0]}" = "{found}", or '
                f"say which comes first:\n{_as_fallbacks(found, both)}"
            )
        chosen[found] = (header,)
    if not chosen:
        raise ConfigError(
            f"{name}: none of its columns is known ({for_screen(headers)}). Say what they are in "
            '[columns], as in "E-mail" = "email_address".'
        )
    return chosen


def _as_fallbacks(field: str, headers: Sequence[str]) -> str:
    listed = ", ".join(f'"{header}"' for header in headers)
    return f'[fallbacks]\n"{field}" = [{listed}]'


def _nearest(header: str, headers: Sequence[str]) -> str:
    near = difflib.get_close_matches(header, headers, n=1, cutoff=0.6)
    return (
        f"no such column; did you mean {for_screen(near)!r}?"
        if near
        else f"only {for_screen(headers)}"
    )
