"""Which source column is which customer field?

Resolved once per source from the preset, ``[columns]``, ``[fallbacks]`` and ``[joined]``, or, only
when none of these is given, from synonyms of the headers; then applied to each batch. Nothing is
guessed between two columns: that is an error with the lines to paste.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl import presets
from etl.config import Config, Contact
from etl.customers import fields, octets
from etl.customers.belongings import GIFT_CARD
from etl.customers.cells import NO_PROBLEMS, Finding, by_row, for_screen, joined, repeated, shown
from etl.customers.full_names import FULL_NAME, split_names
from etl.customers.octets import Octets
from etl.errors import ConfigError, SourceError

_COMPANY = "company_name"
# What [joined] puts between the values; elsewhere a blank.
_SEPARATORS = {"note": "\n", "birthday": "/"}
# Columns of an export that nothing is made of.
_READ_ONLY = frozenset(
    {*fields.BIRTHDAY_PARTS, *(field.name for field in fields.FIELDS if not field.writable)}
)
# Longer values are shown in messages by their beginning.
_SHOWN = 80
_LEFT_OUT = Finding("note", "OTHER_LEFT_OUT", "")
_JOINED = Finding("repair", "VALUES_JOINED", "several columns were joined")
_MEANT = Finding("repair", "VALUE_MAPPED", "")


@dataclass(frozen=True, slots=True)
class ConsentColumn:
    """Where a source says who agreed to be written to."""

    column: str
    yes: tuple[str, ...]
    require: bool


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What the columns of a source are.

    ``fields`` names the headers of each mapped field (or of ``full_name``, or of gift cards), best
    first; those of ``joined`` are put together. ``unused`` are the headers nothing was made of,
    ``values`` says per field what a written value means. ``groups`` is the column with the names of
    groups, with what separates them, and ``attributes`` the headers of custom attributes with their
    keys.
    """

    fields: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]
    joined: tuple[str, ...] = ()
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    consent: ConsentColumn | None = None
    groups: tuple[str, str] | None = None
    attributes: dict[str, str] = field(default_factory=dict)


class Mapped(NamedTuple):
    """A batch as customers (``fields.CUSTOMERS``), and what putting it together changed."""

    customers: pa.RecordBatch
    problems: pa.Table


def resolve(
    name: str,
    headers: Sequence[str],
    not_text: Mapping[str, str],
    config: Config,
    *,
    exported: bool = False,
) -> ColumnMapping:
    """Decide which headers of the source called ``name`` feed which fields.

    An export of ours says it by their names, unless the settings do; what it has that Square alone
    may write is unused, which needs no telling.

    Raises ConfigError when a header is unknown, two headers claim one field, or nothing is
    mapped; SourceError when a mapped column cannot be read as text.
    """
    own = [header for header in headers if not header.startswith("_")]
    for section, named in _named_in(config):
        if named not in own:
            raise ConfigError(f"[{section}] names {named!r}, but {name} has {_nearest(named, own)}")
    explicit = _claims(config)
    beside = dict.fromkeys(config.custom_attributes, "[custom_attributes]")
    if config.groups.column is not None:
        beside.setdefault(config.groups.column, "[groups]")
    system = config.source.preset
    preset = presets.preset(system) if system is not None else Config()
    if system is not None:
        chosen = _from_preset(preset, system, own, explicit, name, beside)
    elif explicit.fields:
        chosen = explicit
    else:
        free = [one for one in own if one not in beside]
        chosen = _Claims(_recognised(free, name, exported), ())
    consent = _consent(config, preset, own)
    used = {header: target for target, group in chosen.fields.items() for header in group}
    if consent:
        used.setdefault(consent.column, "[consent]")
    for header, target in beside.items():
        used.setdefault(header, target)
    for header, target in used.items():
        if header in not_text:
            raise SourceError(
                f"{name}: column {header!r} is {not_text[header]}, so it cannot be the text of "
                f"{target}. Write the column as text, or leave it out of [columns]."
            )
    return ColumnMapping(
        chosen.fields,
        tuple(
            header
            for header in own
            if header not in used and not (exported and header in _READ_ONLY)
        ),
        chosen.joined,
        {
            target: {**preset.values.get(target, {}), **config.values.get(target, {})}
            for target in (*preset.values, *config.values)
        },
        consent,
        (config.groups.column, config.groups.separator) if config.groups.column else None,
        dict(config.custom_attributes),
    )


def map_columns(cells: pa.RecordBatch, mapping: ColumnMapping) -> Mapped:
    """Return the batch as customers, text as it was written but for what the settings say."""
    columns: dict[str, pa.Array] = {}
    problems: list[pa.Table] = []
    for name in fields.CUSTOMERS.names:
        columns[name], found = map_field(cells, mapping, name)
        problems += found
    if FULL_NAME in mapping.fields:
        whole, found = map_field(cells, mapping, FULL_NAME)
        problems += [*found, *_split(whole, columns)]
    customers = pa.RecordBatch.from_arrays(list(columns.values()), schema=fields.CUSTOMERS)
    return Mapped(customers, by_row(problems))


def map_field(
    cells: pa.RecordBatch, mapping: ColumnMapping, name: str
) -> tuple[pa.Array, list[pa.Table]]:
    """Return the column of one field, ``full_name`` or gift cards, and what was changed in it."""
    parts, problems = list[pa.Array](), list[pa.Table]()
    for header in mapping.fields.get(name, ()):
        part, meant = read_column(cells, mapping, name, header)
        parts.append(part)
        problems.append(meant)
    if not parts:
        return pa.nulls(cells.num_rows, pa.string()), problems
    if name not in mapping.joined:
        column = pc.coalesce(*parts) if len(parts) > 1 else parts[0]
        # Which phone or email it is, and what becomes of the others, is the business of `choose`.
        if len(parts) > 1 and name not in get_args(Contact):
            shown_as = "given_name" if name == FULL_NAME else name
            problems += _left_out(shown_as, column, mapping.fields[name], parts)
        return column, problems
    trimmed = [pc.utf8_trim_whitespace(part) for part in parts]
    separator = _SEPARATORS.get(name, " ")
    text = joined(trimmed, separator)
    filled = np.sum([pc.is_valid(part).to_numpy(zero_copy_only=False) for part in parts], axis=0)
    several = repeated(pa.array(filled > 1), name, _JOINED)
    return text, [*problems, several]


def _left_out(
    name: str, column: pa.Array, headers: Sequence[str], parts: Sequence[pa.Array]
) -> Iterator[pa.Table]:
    """Yield what the columns hold that were not the first with a value."""
    chosen = pc.utf8_trim_whitespace(column)
    for header, part in zip(headers, parts, strict=True):
        other = pc.utf8_trim_whitespace(part)
        left = pc.fill_null(pc.not_equal(other, chosen), False)
        if pc.any(left).as_py():
            held = pc.utf8_slice_codeunits(other.filter(left), 0, _SHOWN)
            told = pc.binary_join_element_wise(f"{header}: ", held, " was left out", "")
            yield repeated(left, name, _LEFT_OUT, told)


def read_column(
    cells: pa.RecordBatch, mapping: ColumnMapping, name: str, header: str
) -> tuple[pa.Array, pa.Table]:
    """Return what the cells under a header mean for a field, blank ones nothing."""
    column = _or_null(cells.column(header))
    known = {
        written.strip(): meant
        for written, meant in mapping.values.get(name, {}).items()
        if written.strip() and written != meant
    }
    if not known:
        return column, NO_PROBLEMS
    which = pc.index_in(
        pc.utf8_trim_whitespace(column), value_set=pa.array(list(known), pa.string())
    )
    found = pc.is_valid(which)
    told = [f'"{shown(written)}" was read as "{shown(meant)}"' for written, meant in known.items()]
    meant = pa.array([meant or None for meant in known.values()], pa.string())
    said = repeated(found, name, _MEANT, pa.array(told, pa.string()).take(which.drop_null()))
    return pc.if_else(found, meant.take(which), column), said


def _split(whole: pa.Array, columns: dict[str, pa.Array]) -> list[pa.Table]:
    """Put the parts of whole names into the columns of rows that have no names of their own."""
    given, family, company = (columns[name] for name in ("given_name", "family_name", _COMPANY))
    firm = pc.fill_null(pc.equal(whole, company), False)
    needed = pc.and_not(pc.and_(pc.is_null(given), pc.is_null(family)), firm)
    split = split_names(pc.if_else(needed, whole, None), company)
    columns["given_name"] = pc.coalesce(given, split.given)
    columns["family_name"] = pc.coalesce(family, split.family)
    columns[_COMPANY] = pc.coalesce(company, split.company)
    own = joined([given, family], " ")
    beside = pc.if_else(pc.or_(needed, firm), None, whole)
    return [*split.problems, *_left_out("given_name", own, [FULL_NAME], [beside])]


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
    for known in fields.IMPORTABLE:
        for synonym in filter(None, known.synonyms.split(", ")):
            meaning.setdefault(synonym, known.name)
        meaning[normalise_header(known.name)] = known.name
    meaning[normalise_header(GIFT_CARD)] = GIFT_CARD
    if not ours:
        meaning["id"] = "reference_id"
    return meaning


def _or_null(column: pa.Array) -> pa.Array:
    held = Octets(column)
    blank = octets.refined(column, held.beginning(_BLANKS), _is_blank)
    return held.less(held.empty | octets.flags(blank))


def _is_blank(column: pa.Array) -> pa.Array:
    return pc.equal(pc.utf8_trim_whitespace(column), "")


# How blanks begin in UTF-8: ASCII's, U+0085 and U+00A0, U+1680, U+2000 to U+205F, U+3000.
_BLANKS = octets.kind(b"\t\n\v\f\r\x1c\x1d\x1e\x1f \xc2\xe1\xe2\xe3")


class _Claims(NamedTuple):
    """The headers of each field as some settings have them, and which of them are joined."""

    fields: dict[str, tuple[str, ...]]
    joined: tuple[str, ...]


def _named_in(config: Config) -> Iterator[tuple[str, str]]:
    """Yield every header the settings name, with its section."""
    yield from (("columns", header) for header in config.columns)
    yield from (("fallbacks", header) for group in config.fallbacks.values() for header in group)
    yield from (("joined", header) for group in config.joined.values() for header in group)
    if config.consent.column is not None:
        yield "consent", config.consent.column
    if config.groups.column is not None:
        yield "groups", config.groups.column
    yield from (("custom_attributes", header) for header in config.custom_attributes)


def _claims(config: Config) -> _Claims:
    claims: dict[str, tuple[str, ...]] = {}
    for header, target in config.columns.items():
        if target in claims:
            raise ConfigError(
                f"[columns] gives {target} to both {claims[target][0]!r} and {header!r}. Keep one, "
                f"or say which comes first:\n{_as_fallbacks(target, [claims[target][0], header])}"
            )
        claims[target] = (header,)
    for target, headers in config.fallbacks.items():
        if target in claims and claims[target][0] not in headers:
            raise ConfigError(f"{target} is in [columns] and in [fallbacks]: keep one of them")
        claims[target] = headers
    for target, headers in config.joined.items():
        if target in claims:
            raise ConfigError(
                f"{target} is in [joined] and in [columns] or [fallbacks]: keep one of them"
            )
        claims[target] = headers
    return _Claims(claims, tuple(config.joined))


def _from_preset(
    preset: Config,
    system: str,
    headers: Sequence[str],
    explicit: _Claims,
    name: str,
    beside: Collection[str],
) -> _Claims:
    known = _claims(preset)
    by_spelling = {normalise_header(header): header for header in headers}
    taken = {header for group in explicit.fields.values() for header in group} | {*beside}
    chosen, together = dict(explicit.fields), explicit.joined
    for target, group in known.fields.items():
        present = [
            by_spelling[normalise_header(header)]
            for header in group
            if normalise_header(header) in by_spelling
        ]
        free = tuple(dict.fromkeys(header for header in present if header not in taken))
        if target not in chosen and free:
            chosen[target] = free
            together += (target,) if target in known.joined and len(free) > 1 else ()
    if len(chosen) == len(explicit.fields):
        raise ConfigError(
            f"{name} has none of the columns of preset {system!r}: is it such an export? "
            f"Its columns are {for_screen(headers)}."
        )
    return _Claims(chosen, together)


def _consent(config: Config, preset: Config, headers: Sequence[str]) -> ConsentColumn | None:
    """Return the consent column of the settings, else the one of the preset that is there."""
    asked, known = config.consent, preset.consent
    column = asked.column
    if column is None and known.column is not None:
        by_spelling = {normalise_header(header): header for header in headers}
        column = by_spelling.get(normalise_header(known.column))
    if column is None:
        if asked.model_fields_set:
            raise ConfigError('[consent] needs the column of consent: column = "header"')
        return None
    own = "yes" in asked.model_fields_set or asked.column is not None
    return ConsentColumn(column, asked.yes if own else known.yes, asked.require)


def _recognised(headers: Sequence[str], name: str, exported: bool) -> dict[str, tuple[str, ...]]:
    meaning = synonyms(headers)
    chosen: dict[str, tuple[str, ...]] = {}
    for header in headers:
        if exported:
            found = header if header in fields.CUSTOMERS.names else None
        else:
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
