"""What must a customer be, and what becomes of one when it is changed?

Judges the members of a request's customer data and builds the profile Square would answer.
Values travel flat, by path: ``{"given_name": "Ines", "address.locality": "Nantes"}``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from etl.sandbox.errors import Problem, expected, unknown_field
from etl.sandbox.rules.phones import e164, is_like_a_phone
from etl.sandbox.store.profiles import Profile
from etl.sandbox.times import birthday, moment, timestamp
from etl.sandbox.versions import (
    ADDRESSES_SPARSE,
    BIRTHDAYS_ARE_DAYS,
    CODES_OF_THEIR_OWN,
    LENGTHS_LIMITED,
    NULL_CLEARS,
    PHONES_VALIDATED,
    TAX_IDS_REFUSED,
)

IDENTIFYING = ("given_name", "family_name", "company_name", "email_address", "phone_number")

# The order in which recorded answers name the members.
_MEMBERS = (
    *("id", "created_at", "updated_at", "given_name", "family_name", "nickname", "company_name"),
    *("email_address", "address", "phone_number", "birthday", "reference_id", "note", "tax_ids"),
    *("preferences", "creation_source", "group_ids", "segment_ids", "version"),
)
_NESTED = ("address", "tax_ids")
# Accepted in a request and not kept (API reference; recorded answers lack them).
DROPPED = frozenset({"address.first_name", "address.last_name"})

_PLAIN_EMAIL = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@([A-Za-z0-9.-]+)")

Values = dict[str, str | None]
Customer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """Customer data after judgement: usable only if there are no problems.

    ``values`` are what is to be set, None what is to be cleared; ``mentioned`` tells whether any
    field was named at all.
    """

    values: Values
    problems: list[Problem]
    mentioned: bool = False


def judge_new(data: Mapping[str, Any], country: str, version: str, *, strict: bool) -> Judged:
    """Judge the data of a new profile; null and empty values count as absent."""
    flat, problems = _flatten(data, strict=strict)
    values = {path: value for path, value in flat.items() if value not in (None, "")}
    return _judge(values, problems, country, version, bool(flat))


def judge_change(
    data: Mapping[str, Any], country: str, version: str, *, clear_null: bool, strict: bool
) -> Judged:
    """Judge the data of an update: an empty text clears, null only when ``clear_null``.

    ``strict`` refuses unknown fields, which single updates ignore.
    """
    flat, problems = _flatten(
        {name: value for name, value in data.items() if name != "version"}, strict=strict
    )
    clear_null = clear_null and NULL_CLEARS.holds(version)
    values = {
        path: None if value == "" else value
        for path, value in flat.items()
        if value is not None or clear_null
    }
    if isinstance(data.get("address"), dict) and not ADDRESSES_SPARSE.holds(version):
        values = {path: None for path in _limits() if path.startswith("address.")} | values
    return _judge(values, problems, country, version, bool(flat))


def _flatten(data: Mapping[str, Any], *, strict: bool) -> tuple[dict[str, Any], list[Problem]]:
    flat: dict[str, Any] = {}
    problems: list[Problem] = []
    limits = _limits()
    for name, value in data.items():
        if name in limits and "." not in name:
            flat[name] = value
        elif name not in _NESTED:
            if strict:
                problems.append(unknown_field(name))
        elif value is None:
            flat[name] = None
        elif not isinstance(value, dict):
            problems.append(expected("object", name))
        else:
            # An empty object is a field that was named, and has no effect (since 2022-11-16).
            flat.setdefault(f"{name}.", None)
            for part, inner in value.items():
                path = f"{name}.{part}"
                if path in limits:
                    flat[path] = inner
                elif strict:
                    problems.append(unknown_field(path))
    for path, value in flat.items():
        if value is not None and not isinstance(value, str):
            problems.append(expected("string", path))
    return flat, problems


def _judge(
    values: Values, problems: list[Problem], country: str, version: str, mentioned: bool
) -> Judged:
    values = {path: value for path, value in values.items() if not path.endswith(".")}
    if problems:
        return Judged(values, problems, mentioned)
    kept: Values = {}
    limits = _limits()
    for path, value in values.items():
        if value is None:
            kept[path] = None
            continue
        limit = limits[path]
        check = _CHECKS.get(path)
        if path == "tax_ids.eu_vat" and _ignores_tax_ids(country, version):
            pass
        elif limit is not None and len(value) > limit and _limited(path, version):
            problems += _too_long(path, limit, version)
        elif check is not None:
            outcome = check(value, country, version)
            if isinstance(outcome, Problem):
                problems.append(outcome)
            else:
                kept[path] = outcome
        elif path not in DROPPED:
            kept[path] = value
    return Judged(kept, _as_told_by(version, problems), mentioned)


def _as_told_by(version: str, problems: list[Problem]) -> list[Problem]:
    others = [problem for problem in problems if problem.field != "phone_number"]
    if others and not PHONES_VALIDATED.holds(version):
        problems = others
    if CODES_OF_THEIR_OWN.holds(version):
        return problems
    own = ("INVALID_PHONE_NUMBER", "INVALID_EMAIL_ADDRESS")
    told = [
        replace(problem, code="INVALID_VALUE") if problem.code in own else problem
        for problem in problems
    ]
    return list(dict.fromkeys(told))


@functools.cache
def _limits() -> dict[str, int | None]:
    # Imported late: pyarrow stands behind the field table and takes a third of a second.
    from etl.customers import fields

    limits = {field.name: field.max_length for field in fields.WRITABLE}
    return limits | {name: fields.BY_NAME[name].max_length for name in DROPPED}


def _limited(path: str, version: str) -> bool:
    always = ("email_address", "tax_ids.eu_vat")
    return path in always or LENGTHS_LIMITED.holds(version)


def _too_long(path: str, limit: int, version: str) -> list[Problem]:
    if path == "email_address" and not LENGTHS_LIMITED.holds(version):
        codes: tuple[str, ...] = ("INVALID_EMAIL_ADDRESS", "INVALID_VALUE")
    else:
        codes = ("VALUE_TOO_LONG",)
    detail = f"Expected {path} to have at most {limit} characters"
    return [Problem(code, detail, path) for code in codes]


# One check per field that has a form, for a value, the seller's country and the version: the
# value to keep, or the problem.
Check = Callable[[str, str, str], "str | Problem"]


def _phone(value: str, country: str, version: str) -> str | Problem:
    validated = PHONES_VALIDATED.holds(version)
    if not (e164(value, country) if validated else is_like_a_phone(value)):
        return Problem(
            "INVALID_PHONE_NUMBER",
            "Expected phone_number to be a valid phone number",
            "phone_number",
        )
    return value


def _email(value: str, country: str, version: str) -> str | Problem:
    plain = _PLAIN_EMAIL.fullmatch(value)
    # Where the part before the @ is beyond doubt, only the domain is left to judge, and a
    # directory has few of those.
    if not _is_email(f"a@{plain.group(1)}" if plain else value):
        return Problem(
            "INVALID_EMAIL_ADDRESS",
            "Expected email_address to be a valid email address",
            "email_address",
        )
    return value


@functools.lru_cache(maxsize=1024)
def _is_email(value: str) -> bool:
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(value, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def _birthday(value: str, country: str, version: str) -> str | Problem:
    if BIRTHDAYS_ARE_DAYS.holds(version):
        day = birthday(value)
    else:
        day = birthday(value.removesuffix("T00:00:00-00:00")) if value[4:5] == "-" else None
    if day is None:
        return Problem(
            "INVALID_TIME", "Expected birthday to be a day: YYYY-MM-DD or MM-DD", "birthday"
        )
    return day


def _ignores_tax_ids(country: str, version: str) -> bool:
    from etl.customers.fields import TAX_ID_COUNTRIES

    return country not in TAX_ID_COUNTRIES and not TAX_IDS_REFUSED.holds(version)


def _country(value: str, country: str, version: str) -> str | Problem:
    if value not in countries():
        return Problem(
            "INVALID_ENUM_VALUE",
            "Expected address.country to be a country code of ISO 3166",
            "address.country",
        )
    return value


def _vat(value: str, country: str, version: str) -> str | Problem:
    from etl.customers.fields import TAX_ID_COUNTRIES

    if country not in TAX_ID_COUNTRIES:
        return Problem(
            "BAD_REQUEST", f"tax_ids are not available for sellers in {country}.", "tax_ids"
        )
    if not (value.isascii() and value.isalnum()):
        return Problem(
            "INVALID_VALUE", "Expected tax_ids.eu_vat to be letters and digits", "tax_ids.eu_vat"
        )
    return value


_CHECKS: dict[str, Check] = {
    "phone_number": _phone,
    "email_address": _email,
    "birthday": _birthday,
    "address.country": _country,
    "tax_ids.eu_vat": _vat,
}


@functools.cache
def countries() -> frozenset[str]:
    """Return the country codes there are."""
    import pycountry

    return frozenset({country.alpha_2 for country in pycountry.countries} | {"ZZ"})


def is_public(customer: Mapping[str, Any]) -> bool:
    """Tell whether a profile has public data: one of the five identifying fields."""
    return any(customer.get(name) for name in IDENTIFYING)


def new_customer(
    customer_id: str,
    values: Mapping[str, str | None],
    source: str,
    created: int,
    group_ids: Sequence[str] = (),
) -> Customer:
    """Build the profile Square would answer to a create."""
    customer: Customer = {
        "id": customer_id,
        "created_at": timestamp(created),
        "updated_at": timestamp(whole_second(created)),
        "preferences": {"email_unsubscribed": False},
        "creation_source": source,
        "version": 0,
    }
    if group_ids:
        customer["group_ids"] = list(group_ids)
    change(customer, values)
    return _arranged(customer)


def changed_customer(
    customer: Mapping[str, Any], values: Mapping[str, str | None], now: int
) -> tuple[Customer, Values]:
    """Return the profile after an update, and which paths really changed."""
    result: Customer = {
        name: dict(value) if name in _NESTED else value for name, value in customer.items()
    }
    changes = change(result, values)
    if changes:
        _touch(result, now)
    return _arranged(result), changes


def regrouped_customer(customer: Mapping[str, Any], group_ids: Sequence[str], now: int) -> Customer:
    """Return the profile after it joined or left a group, which raises its version too."""
    result = {name: value for name, value in customer.items() if name != "group_ids"}
    if group_ids:
        result["group_ids"] = list(group_ids)
    _touch(result, now)
    return _arranged(result)


def _touch(customer: Customer, now: int) -> None:
    customer["version"] += 1
    customer["updated_at"] = timestamp(whole_second(now))


def change(customer: Customer, values: Mapping[str, str | None]) -> Values:
    """Set and clear values in place; return those that differ from what was there."""
    changes: Values = {}
    for path, value in values.items():
        name, _, part = path.partition(".")
        if name in _NESTED and not part:
            changes |= {f"{name}.{inner}": None for inner in customer.pop(name, {})}
            continue
        holder = customer.setdefault(name, {}) if part else customer
        key = part or name
        if holder.get(key) == value:
            pass
        elif value is None:
            del holder[key]
            changes[path] = None
        else:
            holder[key] = value
            changes[path] = value
        if part and not holder:
            del customer[name]
    return changes


def flat_values(customer: Mapping[str, Any]) -> Values:
    """Return the writable values of a profile by path."""
    values: Values = {}
    for path in _limits():
        name, _, part = path.partition(".")
        value = customer.get(name, {}).get(part) if part else customer.get(name)
        if value is not None:
            values[path] = value
    return values


def _arranged(customer: Customer) -> Customer:
    return {name: customer[name] for name in _MEMBERS if name in customer}


def created_at(customer: Mapping[str, Any]) -> int:
    """Return when a profile was created, in milliseconds since 1970."""
    created = moment(customer["created_at"])
    assert created is not None, "the sandbox wrote this itself"
    return int(created)


def as_profile(customer: Mapping[str, Any], created: int, now: int, country: str) -> Profile:
    """Return a profile as the store keeps it, with the keys that find and sort it."""
    email, phone = customer.get("email_address"), customer.get("phone_number")
    reference = customer.get("reference_id")
    return Profile(
        id=customer["id"],
        version=customer["version"],
        created=created,
        updated=whole_second(now),
        source=customer["creation_source"],
        listed=is_public(customer),
        name_key=_sort_key(customer),
        email_key=email.lower() if email else None,
        phone_key=_phone_key(phone, country) if phone else None,
        reference_key=reference.lower() if reference else None,
        body=orjson.dumps(customer),
        groups=tuple(customer.get("group_ids", ())),
    )


def _phone_key(phone: str, country: str) -> str:
    # Numbers that are not valid, which older versions let in, are found by their digits only.
    return e164(phone, country) or "".join(sign for sign in phone if sign.isdecimal())


def _sort_key(customer: Mapping[str, Any]) -> str:
    name = customer.get("given_name", "") + customer.get("family_name", "")
    for other in ("company_name", "email_address", "phone_number"):
        name = name or customer.get(other, "")
    return str(name).casefold()


def whole_second(at: int) -> int:
    """Return a moment as ``updated_at`` shows it."""
    return at // 1000 * 1000
