"""What is sent for a customer, and what differs from the profile Square holds?

Values travel as a flat mapping of field names to text (``{"address.locality": "Nantes"}``);
bodies are nested as Square's JSON is. Updates are sparse: address parts too, as Square takes them
from Square-Version 2022-11-16 on (Customers API migration notes).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import fields, states
from etl.customers.normalize import email_key, phone_key

Values = dict[str, str | None]

_COUNTRY = "address.country"
_PATHS = {field.name: field.path for field in fields.FIELDS}
_STATE = "address.administrative_district_level_1"


def body(values: Mapping[str, str | None]) -> dict[str, Any]:
    """Nest flat values of fields as Square's JSON does; None stays, as ``null`` clears."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *parents, leaf = _PATHS[name]
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    return nested


def value_of(profile: dict[str, Any], field: str) -> str | None:
    """Return one value of a profile; Square leaves absent fields out, so "" and None are equal."""
    found: Any = profile
    for step in _PATHS[field]:
        if not isinstance(found, dict):
            return None
        found = found.get(step)
    return str(found) if found not in (None, "") else None


def held(profile: dict[str, Any], names: Iterable[str]) -> Values:
    """Return what a profile holds in these fields."""
    return {name: value_of(profile, name) for name in names}


def difference(
    values: Mapping[str, str | None],
    profile: dict[str, Any],
    policy: Callable[[str], str],
    region: str,
) -> Values:
    """Return what importing ``values`` changes on ``profile``: None where a field is cleared.

    ``values`` holds the mapped fields of the row; None is an empty cell. ``policy`` says of a
    field whether to overwrite, fill, mirror or skip it. ``region`` is where national phone
    numbers belong (the merchant's country).
    """
    changes: Values = {}
    for name, wanted in values.items():
        field = fields.BY_NAME[name]
        rule = policy(name)
        if not field.writable or rule == "skip":
            continue
        held = value_of(profile, name)
        if wanted is None:
            if rule == "mirror" and held is not None:
                changes[name] = None
        elif held is None or (rule != "fill" and not same(field, wanted, held, region)):
            changes[name] = wanted
    if _same_state(values, profile, region):
        changes.pop(_STATE, None)
    return changes


def _same_state(values: Mapping[str, str | None], profile: dict[str, Any], region: str) -> bool:
    """Does the profile spell the row's state another way (California), in the same country?"""
    wanted, held = values.get(_STATE), value_of(profile, _STATE)
    if wanted is None or held is None:
        return False
    theirs = value_of(profile, _COUNTRY) or region
    ours = values.get(_COUNTRY) or theirs
    code = states.code_of(wanted, ours)
    return ours == theirs and code is not None and code == states.code_of(held, theirs)


def mismatches(values: Mapping[str, str | None], profile: dict[str, Any], region: str) -> list[str]:
    """Return the fields of ``profile`` that do not hold what was written."""
    return [
        name
        for name, wanted in values.items()
        if not _equal(fields.BY_NAME[name], wanted, value_of(profile, name), region)
    ]


def same(field: fields.Field, wanted: str, held: str, region: str) -> bool:
    """Are two spellings the same value, so that writing one over the other changes nothing?

    ``wanted`` comes from the file, ``held`` from Square: a birthday without its year is the same as
    the same day with one there, for it would only lose the year.
    """
    if wanted == held:
        return True
    match field.kind:
        case "email":
            return email_key(wanted) == email_key(held)
        case "phone":
            key = phone_key(wanted, region)
            return key is not None and key == phone_key(held, region)
        case "birthday":
            return wanted[:4] == "0000" and wanted[4:10] == held[4:10]
        case "country":
            return wanted.upper() == held.upper()
        case _:
            return _plain(wanted) == _plain(held)


def still(name: str, ours: str | None, held: str | None, region: str) -> bool:
    """Does a profile still hold what was written, whichever of the two spellings is asked first?"""
    field = fields.BY_NAME[name]
    return _equal(field, ours, held, region) and _equal(field, held, ours, region)


def digest(value: str | None) -> str:
    """Return what tells later whether a field still holds what was written to it."""
    return hashlib.blake2b(_plain(value or "").encode(), digest_size=8).hexdigest()


def changed_since(
    values: Mapping[str, str | None],
    profile: dict[str, Any],
    written: Mapping[str, str],
    region: str,
) -> list[str]:
    """Return the fields that hold neither what ``values`` say nor what we last wrote to them.

    Somebody changed these in Square. ``written`` holds digests by field.
    """
    return [
        name
        for name in mismatches(values, profile, region)
        if name in written and written[name] != digest(value_of(profile, name))
    ]


def merged(rows: Iterable[Mapping[str, str | None]]) -> Values:
    """Return the values of rows that are one customer: the last non-empty of each field wins."""
    values: Values = {}
    for row in rows:
        for name, value in row.items():
            if value is not None or name not in values:
                values[name] = value
    return values


def source_keys(customers: pa.RecordBatch, namespace: str) -> pa.Array:
    """Return who the source system says each row is: what outlives files and runs.

    Namespace and reference, else email, else phone, else a digest of the cleaned row. ``customers``
    (``CUSTOMERS``) must be in canonical form.
    """
    named = []
    for field, column in (
        ("reference_id", customers.column("reference_id")),
        # As normalize.email_key has it: other letters than ASCII's keep their case.
        ("email_address", pc.ascii_lower(customers.column("email_address"))),
        ("phone_number", customers.column("phone_number")),
    ):
        named.append(pc.binary_join_element_wise(f"{namespace}|{field}|", column, ""))
    keys = pc.coalesce(*named)
    nameless = pc.is_null(keys)
    rows = customers.filter(nameless).to_pylist()
    digests = pa.array([f"{namespace}|digest|{_digest(row)}" for row in rows], pa.string())
    return pc.replace_with_mask(keys, nameless, digests)


def _digest(row: Mapping[str, str | None]) -> str:
    filled = {name: value for name, value in row.items() if value is not None}
    return hashlib.sha256(orjson.dumps(filled, option=orjson.OPT_SORT_KEYS)).hexdigest()


def review_key(source_key: str, values: Mapping[str, str | None]) -> str:
    """Return what a decision about a row is remembered under.

    Two people may share the email or the phone that is their source key, and be in review for that
    very reason, so their names are part of it.
    """
    if "|email_address|" not in source_key and "|phone_number|" not in source_key:
        return source_key
    names = (values.get(name) or "" for name in ("given_name", "family_name", "company_name"))
    return "|".join([source_key, *(" ".join(name.casefold().split()) for name in names)])


def idempotency_key(
    merchant: str, source_key: str, values: Mapping[str, str | None], generation: int
) -> str:
    """Return the key of a create: from what is written, never from time, attempt, path or batch.

    43 characters; Square documents no limit for customers and 45 for most other calls
    (reference/square-api, section 5.1). ``generation`` counts profiles that this key
    answered with and that proved to be gone; it begins with 0, whatever is remembered, so that
    whoever has lost the memory asks under the same keys.
    """
    written = [merchant, source_key, values, generation]
    digest = hashlib.sha256(orjson.dumps(written, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"se-{digest[:40]}"


def _plain(text: str) -> str:
    # Square keeps blanks and decomposed letters as they were typed; cleaning takes them off.
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()


def _equal(field: fields.Field, wanted: str | None, held: str | None, region: str) -> bool:
    if wanted is None or held is None:
        return wanted == held
    return same(field, wanted, held, region)
