"""What do Square's answers mean?

Bytes in, small types out; no network, no waiting. What cannot be understood raises Unreadable,
which the client treats like an answer that never came: for a write that is "unknown", not "failed".
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from etl.errors import Fault

Profile = dict[str, Any]  # a Customer object as Square sent it
Answer = dict[str, Any]


# What faults say: the profile or value is another one by now ("version mismatch" is not in the
# published list of codes, but the concurrency page uses it), or the same may pass later.
STALE = frozenset({"CONFLICT", "VERSION_MISMATCH"})
LATER = frozenset({"API_ERROR", "RATE_LIMIT_ERROR"})

# Statuses that can be about the one thing a call names; others are about the call.
OF_ONE = frozenset({400, 404, 409, 413})


_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
# "address.postal_code", "customers[0].email_address"
_FIELD = re.compile(r"[a-z_][A-Za-z0-9_.$\[\]-]{0,199}")


class Unreadable(ValueError):
    """The answer is not what this endpoint answers: cut off, an edge page, another shape."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """The seller the token belongs to."""

    id: str
    country: str
    business_name: str


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a bulk answer: the profile after the write, or why there was none."""

    customer: Profile | None
    faults: tuple[Fault, ...]


class Bulk(dict[str, Item]):
    """The entries of a bulk answer by their key.

    ``repeated`` tells that earlier attempts of the call were not answered: a write may have been
    done by one of them.
    """

    __slots__ = ("repeated",)
    repeated: bool


@dataclass(frozen=True, slots=True)
class GiftCard:
    """A gift card, and the customers it is linked to."""

    id: str
    customer_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenStatus:
    """What a token may do, nothing if Square does not say, and until when: "" is for ever."""

    scopes: frozenset[str]
    expires_at: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; no cursor means there is no further page.

    ``count`` is how many there are on all pages, where that was asked for.
    """

    rows: list[Profile]
    cursor: str | None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """What the observer is told after every attempt.

    ``status`` is None where no usable answer came: no connection, a time-out, an unreadable body.
    ``retry`` says that this attempt repeats an earlier one.
    """

    endpoint: str
    status: int | None
    seconds: float
    retry: bool
    rate_limited: bool


def parse(body: bytes) -> Answer:
    """Return the JSON object in ``body``."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable("the answer is not JSON, or was cut off") from error
    if not isinstance(answer, dict):
        raise Unreadable("the answer is not a JSON object")
    return answer


def is_refusal(answer: Answer) -> bool:
    """Tell whether a request as a whole was not carried out, although the status says it was.

    Beside ``responses`` or ``values``, errors speak of entries that were tried: those are read one
    by one.
    """
    return bool(answer.get("errors")) and not answer.keys() & {"responses", "values"}


def faults_in(body: bytes) -> tuple[Fault, ...]:
    """Return the faults of an error answer; pages that the edge writes in HTML have none."""
    try:
        return faults(parse(body).get("errors"))
    except Unreadable:
        return ()


def faults(errors: object) -> tuple[Fault, ...]:
    """Return an ``errors`` list as faults; members Square left out become empty strings.

    So does a code or a field that is none: these are shown on the screen, and whatever else stands
    there may be somebody's data.
    """
    if not isinstance(errors, list):
        return ()
    return tuple(
        Fault(
            _only(_CODE, entry.get("category")),
            _only(_CODE, entry.get("code")),
            _text(entry.get("detail")),
            _only(_FIELD, entry.get("field")),
        )
        for entry in errors
        if isinstance(entry, dict)
    )


def _only(form: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and form.fullmatch(value) else ""


def merchant(answer: Answer) -> Merchant:
    """Read the answer of RetrieveMerchant."""
    found = answer.get("merchant")
    if not isinstance(found, dict) or not _text(found.get("id")) or not _text(found.get("country")):
        raise Unreadable("the answer holds no merchant with id and country")
    return Merchant(found["id"], found["country"], _text(found.get("business_name")))


def count(answer: Answer) -> int:
    """Read the ``count`` of a listing; an answer without any member counts nobody."""
    found = answer.get("count", None if answer else 0)
    if type(found) is not int or found < 0:
        raise Unreadable("the answer holds no count")
    return found


def page(answer: Answer) -> Page:
    """Read one page of a listing; Square leaves ``customers`` out of an empty one."""
    if not answer.keys() <= {"customers", "cursor", "count"}:
        # An empty page must be Square's word, not the small talk of something in between.
        raise Unreadable("the answer is not a listing")
    customers = answer.get("customers", [])
    if not isinstance(customers, list) or not all(map(_is_profile, customers)):
        raise Unreadable("the answer holds something else than customers")
    cursor = answer.get("cursor")
    if not isinstance(cursor, str | None):
        raise Unreadable("the answer's cursor is not text")
    return Page(customers, cursor or None)


def counted_page(answer: Answer) -> Page:
    """Read one page of a search that was to count what it finds."""
    found = page(answer)
    return Page(found.rows, found.cursor, count(answer))


def items(answer: Answer, asked: Collection[str]) -> dict[str, Item]:
    """Read a bulk answer by key.

    Only keys that were asked for are looked at, and position means nothing: Square's own examples
    reorder the map. A key that is missing, or whose entry holds neither a profile nor an error, is
    absent from the result: what became of it is not known.
    """
    responses = answer.get("responses")
    if not isinstance(responses, dict):
        raise Unreadable("the answer holds no responses")
    found = {}
    for key in asked:
        entry = responses.get(key)
        if not isinstance(entry, dict):
            continue
        customer = entry.get("customer")
        item = Item(customer if _is_profile(customer) else None, faults(entry.get("errors")))
        if item.customer is not None or item.faults:
            found[key] = item
    return found


def retrieved(answer: Answer, asked: Collection[str]) -> dict[str, Profile | None]:
    """Read the answer of BulkRetrieveCustomers: a profile, or None for an id Square does not know.

    An id that is missing, or that Square failed to look up, is absent.
    """
    found: dict[str, Profile | None] = {}
    for id, item in items(answer, asked).items():
        if item.customer is not None:
            found[id] = item.customer
        elif all(fault.code == "NOT_FOUND" for fault in item.faults):
            found[id] = None
    return found


def listing(answer: Answer, member: str) -> tuple[list[dict[str, Any]], str | None]:
    """Read one page of groups, definitions or values: its objects, and the cursor if any."""
    if not answer.keys() <= {member, "cursor"}:
        raise Unreadable("the answer is not a listing")
    found = answer.get(member, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Unreadable(f"the answer holds something else than {member}")
    cursor = answer.get("cursor")
    if not isinstance(cursor, str | None):
        raise Unreadable("the answer's cursor is not text")
    return found, cursor or None


def events(answer: Answer) -> Page:
    """Read one page of events."""
    return Page(*listing({n: v for n, v in answer.items() if n != "metadata"}, "events"))


def group(answer: Answer) -> str:
    """Read the id of a group."""
    found = answer.get("group")
    if not isinstance(found, dict) or not _text(found.get("id")):
        raise Unreadable("the answer holds no group")
    return _text(found["id"])


def definition(answer: Answer) -> dict[str, Any]:
    """Read a definition of a custom attribute."""
    found = answer.get("custom_attribute_definition")
    if not isinstance(found, dict) or not _text(found.get("key")):
        raise Unreadable("the answer holds no definition")
    return found


def nothing(answer: Answer) -> None:
    """Read the answer to a change of memberships, which has no member."""
    if answer:
        raise Unreadable("the answer is not empty")


def gift_card(answer: Answer) -> GiftCard:
    """Read a gift card; Square leaves ``customer_ids`` out of one that is nobody's."""
    found = answer.get("gift_card")
    if not isinstance(found, dict) or not _text(found.get("id")):
        raise Unreadable("the answer holds no gift card")
    linked = found.get("customer_ids") or []
    if not isinstance(linked, list):
        raise Unreadable("the answer's customer_ids are no list")
    return GiftCard(_text(found["id"]), tuple(map(_text, linked)))


def token_status(answer: Answer) -> TokenStatus:
    """Read the answer of RetrieveTokenStatus."""
    found = answer.get("scopes", [])
    if not isinstance(found, list):
        raise Unreadable("the answer's scopes are no list")
    return TokenStatus(frozenset(map(_text, found)), _text(answer.get("expires_at")))


def upserted(answer: Answer, asked: Collection[str]) -> dict[str, tuple[Fault, ...]]:
    """Read the answer of a bulk upsert by name: the faults of an entry, none if it was written.

    An entry that is missing, or says neither, is absent: what became of it is not known.
    """
    values = answer.get("values")
    if not isinstance(values, dict):
        raise Unreadable("the answer holds no values")
    found = {}
    for name in asked:
        entry = values.get(name)
        if not isinstance(entry, dict):
            continue
        said = faults(entry.get("errors"))
        if said or isinstance(entry.get("custom_attribute"), dict):
            found[name] = said
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_profile(value: object) -> bool:
    return isinstance(value, dict) and bool(_text(value.get("id")))
