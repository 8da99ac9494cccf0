"""What do profiles look like as columns?

One column per customer field, in the order of ``fields.FIELDS``; after ``birthday`` its parts as
numbers; last what lies beside profiles. Times are timestamps, or text exactly as Square sent it for
the files that hold text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.fields import BIRTHDAY_PARTS, FIELDS, Field
from etl.export.wanted import Further
from etl.square.wire import Profile

BIRTHDAY = "birthday"
# Where year, month and day stand in YYYY-MM-DD, and what they can be. Year 0000 is none.
_DIGITS = ((0, 4), (5, 7), (8, 10))
_KNOWN = ((1, 9999), (1, 12), (1, 31))

TIME = pa.timestamp("us", "UTC")
# What JSON has for a kind of field; for all others text.
_MEMBERS: dict[str, type] = {"list": list, "number": int, "flag": bool}
_INT64 = range(-(1 << 63), 1 << 63)


def schema(further: Sequence[Further] = (), *, as_sent: bool = False) -> pa.Schema:
    """Return the columns of an export; ``as_sent``: times are text."""
    columns: list[pa.Field] = []
    for field in FIELDS:
        columns.append(pa.field(field.name, _type(field, as_sent)))
        if field.name == BIRTHDAY:
            columns += [pa.field(part, pa.int64()) for part in BIRTHDAY_PARTS]
    return pa.schema([*columns, *(field for one in further for field in one.fields)])


def table(
    profiles: Sequence[Profile],
    further: Sequence[Further] = (),
    *,
    as_sent: bool = False,
    odd: Counter[str] | None = None,
) -> pa.Table:
    """Return a batch of profiles as a table with the columns of ``schema``.

    What is not of the type Square documents does not stop an export: in a column of text it stands
    as the JSON it is, in another it is null. ``odd`` counts such values by field.
    """
    odd = Counter() if odd is None else odd
    parents: dict[str, list[Any]] = {}
    columns: list[pa.Array] = []
    for field in FIELDS:
        *above, leaf = field.path
        holders: Sequence[Any] = profiles
        if above:
            (parent,) = above
            if parent not in parents:
                parents[parent] = list(_objects(profiles, parent, odd))
            holders = parents[parent]
        columns.append(_column([one.get(leaf) for one in holders], field, as_sent, odd))
        if field.name == BIRTHDAY:
            columns += _parts(columns[-1])
    columns += [column for one in further for column in one.values(profiles)]
    return pa.Table.from_arrays(columns, schema=schema(further, as_sent=as_sent))


def each_member(lists: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Return lists whose members are changed as a column of their own."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    ends = pa.concat_arrays([pa.array([0], lengths.type), pc.cumulative_sum(lengths)])
    return pa.ListArray.from_arrays(ends, change(lists.flatten()), mask=pc.is_null(lists))


def times(texts: pa.Array) -> pa.Array:
    """Return times that were read as they were sent; what is no time is null."""
    try:
        return texts.cast(TIME)
    except pa.ArrowException:
        return pa.array(map(_time, texts.to_pylist()), TIME)


def _type(field: Field, as_sent: bool) -> pa.DataType:
    return TIME if field.kind == "time" and not as_sent else field.arrow


def _objects(profiles: Sequence[Profile], name: str, odd: Counter[str]) -> Iterator[dict[str, Any]]:
    for profile in profiles:
        found = profile.get(name)
        if isinstance(found, dict):
            yield found
        else:
            if found is not None:
                odd[name] += 1
            yield {}


def _column(values: list[Any], field: Field, as_sent: bool, odd: Counter[str]) -> pa.Array:
    kind = _type(field, as_sent)
    # pyarrow takes 1.5 for a whole number and a text for a list of letters.
    if {*map(type, values)} <= {_MEMBERS.get(field.kind, str), type(None)}:
        try:
            text = pa.string() if kind == TIME else kind
            return pa.array(values, text).cast(kind)
        # UnicodeError: half of a surrogate pair, which JSON can spell.
        except (pa.ArrowException, TypeError, UnicodeError, OverflowError):
            pass
    return pa.array([_value(value, kind, field.name, odd) for value in values], kind)


def _value(value: Any, kind: pa.DataType, name: str, odd: Counter[str]) -> Any:
    """Return a value as its column can hold it, and count it if it is not what it should be."""
    if value is None:
        return None
    held: Any = None
    if pa.types.is_list(kind):
        fits = isinstance(value, list)
        if fits:
            fits = all(map(_is_text, value))
            held = [each if _is_text(each) else _json(each) for each in value]
    elif kind == pa.int64():
        fits = type(value) is int and value in _INT64
        held = value if fits else None
    elif kind == pa.bool_():
        fits = isinstance(value, bool)
        held = value if fits else None
    elif kind == TIME:
        held = _time(value)
        fits = held is not None
    else:
        fits = _is_text(value)
        held = value if fits else _json(value)
    if not fits:
        odd[name] += 1
    return held


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= each <= "\udfff" for each in value)


def _json(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return json.dumps(value)


def _time(value: Any) -> Any:
    if not _is_text(value):
        return None
    try:
        # Digits beyond microseconds are cut.
        return pa.scalar(value).cast(pa.timestamp("ns", "UTC")).cast(TIME, safe=False)
    except pa.ArrowException:
        return None


def _parts(birthdays: pa.Array) -> Iterator[pa.Array]:
    """Yield year, month and day of birthdays, null where they are not known."""
    written = pc.match_substring_regex(birthdays, r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z")
    days = pc.if_else(written, birthdays, None)
    for (start, end), (least, most) in zip(_DIGITS, _KNOWN, strict=True):
        number = pc.utf8_slice_codeunits(days, start, end).cast(pa.int64())
        known = pc.and_(pc.greater_equal(number, least), pc.less_equal(number, most))
        yield pc.if_else(known, number, None)
