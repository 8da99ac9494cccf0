"""What stands for a value nobody may see?

A token such as ``email_9f86d081884c7d65``: 64 bits of a keyed hash of the value in its normal form.
Equal values have equal tokens in every file and column of one kind, whoever has not got the key
cannot try values out, and values that occur equally often stay so. Null stays null.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import numbering, tokens
from etl.customers.fields import BY_NAME
from etl.customers.normalize import email_key, phone_key
from etl.export.table import TIME, each_member, times

# What beside the fields themselves says of which kind a column is: metadata of its Arrow field.
KIND = b"kind"


def token_type(column: pa.DataType) -> pa.DataType:
    """Return the type of a column once it is masked: text, or lists of it."""
    return pa.list_(pa.string()) if pa.types.is_list(column) else pa.string()


def masked(column: pa.Array, field: pa.Field, key: bytes, country: str) -> pa.Array:
    """Return tokens for the values of a column; phones without + are numbers of the country.

    ``field`` is the column's; its kind is that of the customer field of this name, else what its
    metadata says under ``KIND``, else what its type is.
    """
    if pa.types.is_list(column.type):
        return each_member(column, lambda members: masked(members, field, key, country))
    kind = _kind(field)
    values = _normal(kind, column, country).dictionary_encode()
    told = kind.encode() + b"\0"

    def token(value: str) -> str:
        return tokens.token(kind, hmac.digest(key, told + value.encode(), "sha256"))

    made = pa.array(list(map(token, values.dictionary.to_pylist())), pa.string())
    return made.take(values.indices)


def _kind(field: pa.Field) -> str:
    if field.name in BY_NAME:
        kind = BY_NAME[field.name].kind
        return "text" if kind == "list" else kind
    said = (field.metadata or {}).get(KIND)
    if said is not None:
        return str(said.decode())
    kinds: list[tuple[Callable[[pa.DataType], bool], str]] = [
        (pa.types.is_timestamp, "time"),
        (pa.types.is_integer, "number"),
        (pa.types.is_boolean, "flag"),
    ]
    return next((name for test, name in kinds if test(field.type)), "text")


def _normal(kind: str, column: pa.Array, country: str) -> pa.Array:
    """Return the texts that spellings of one value have in common."""
    if kind == "time":
        # In files of text a time is as Square sent it, in others a timestamp.
        as_time = times(column) if pa.types.is_string(column.type) else column.cast(TIME)
        return pc.coalesce(as_time.cast(pa.string()), column.cast(pa.string()))
    texts = column.cast(pa.string())
    if kind == "email":
        return _each(texts, email_key)
    if kind == "phone":
        plain = numbering.international(texts, country).numbers
        others = pc.if_else(pc.is_valid(plain), None, texts)
        return pc.coalesce(plain, _each(others, lambda text: phone_key(text, country)), others)
    return _each(texts, _stripped)


def _each(texts: pa.Array, normal: Callable[[str], str | None]) -> pa.Array:
    values = texts.dictionary_encode()
    normals = pa.array(list(map(normal, values.dictionary.to_pylist())), pa.string())
    return normals.take(values.indices)


def _stripped(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
