"""What is known of one profile, and what was written to it?

A page of sections: each is a function of the profile, and absent where it returns None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from etl.sandbox.apis import customers, groups, segments
from etl.sandbox.errors import Refusal
from etl.sandbox.pages.directory import name_of
from etl.sandbox.pages.visits import Page, Visit, link

_HISTORY = 100
# Longer values of the history can be read in the profile, or are those of the past.
_MOST_OF_A_CHANGE = 300
_NEWEST = 1 << 62


class Cell(NamedTuple):
    """One cell of a section: its text, where it leads, what it is."""

    text: object
    href: str = ""
    kind: Literal["text", "code", "time"] = "text"


class Section(NamedTuple):
    """One table of the page; ``nothing`` is said when it has no rows.

    A ``narrow`` one stands beside the fields.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    nothing: str = ""
    note: str = ""
    narrow: bool = False


def show(visit: Visit, customer_id: str) -> Page:
    """Show a profile, or what is left of one."""
    store = visit.call.store
    survivor = store.profiles.survivor(customer_id)
    merged = store.profiles.merged_into(survivor)
    before = visit.parameters.get("before", "")
    history = store.log.of(
        [survivor, *merged],
        int(before) if before.isascii() and before.isdigit() and len(before) < 19 else _NEWEST,
        _HISTORY + 1,
    )
    values = {
        "asked": customer_id,
        "id": survivor,
        "merged": merged,
        "history": [_write(entry) for entry in history[:_HISTORY]],
        "older": link("profiles", survivor, before=history[_HISTORY - 1]["seq"])
        if len(history) > _HISTORY
        else None,
        "continued": bool(before),
        "customer": None,
        "name": "No such profile",
        "sections": [],
        "json": "",
    }
    try:
        customer = visit.ask(customers.retrieve, survivor)["customer"]
    except Refusal:
        return Page("profile.html", values, 404)
    made = (section(visit, customer) for section in SECTIONS)
    return Page(
        "profile.html",
        values
        | {
            "customer": customer,
            "name": name_of(customer),
            "sections": [section for section in made if section is not None],
            "json": orjson.dumps(customer, option=orjson.OPT_INDENT_2).decode(),
        },
    )


# Sections


def _fields(visit: Visit, customer: Mapping[str, Any]) -> Section:
    from etl.customers.fields import FIELDS

    listed = ("group_ids", "segment_ids")
    values = {path: value for path, value in _flat(customer) if path not in listed}
    unset = [field.name for field in FIELDS if field.writable and field.name not in values]
    return Section(
        "Fields",
        ("Field", "Value"),
        [
            (Cell(path, kind="code"), Cell(value, kind=_kind(path)))
            for path, value in values.items()
        ],
        note=f"Not set: {', '.join(unset)}." if unset else "",
    )


def _groups(visit: Visit, customer: Mapping[str, Any]) -> Section:
    found = [
        visit.ask(groups.retrieve_group, group_id)["group"]
        for group_id in customer.get("group_ids", ())
    ]
    return Section(
        "Groups",
        ("Name", "Id"),
        [(Cell(group["name"], link(group=group["id"])), _id(group)) for group in found],
        "In no group.",
        narrow=True,
    )


def _segments(visit: Visit, customer: Mapping[str, Any]) -> Section:
    found = [
        visit.ask(segments.retrieve_segment, segment_id)["segment"]
        for segment_id in customer.get("segment_ids", ())
    ]
    return Section(
        "Segments",
        ("Name", "Id"),
        [(Cell(segment["name"]), _id(segment)) for segment in found],
        "In no segment.",
        narrow=True,
    )


SECTIONS: tuple[Callable[[Visit, Mapping[str, Any]], Section | None], ...] = (
    _fields,
    _groups,
    _segments,
)


def _id(thing: Mapping[str, Any]) -> Cell:
    return Cell(thing["id"], kind="code")


def _kind(path: str) -> Literal["text", "code", "time"]:
    if path in ("created_at", "updated_at"):
        return "time"
    return "code" if path in ("id", "creation_source", "version", "reference_id") else "text"


def _flat(customer: Mapping[str, Any], inside: str = "") -> list[tuple[str, object]]:
    """Return the values of a profile by path."""
    values: list[tuple[str, object]] = []
    for name, value in customer.items():
        if isinstance(value, dict):
            values += _flat(value, f"{inside}{name}.")
        else:
            values.append((f"{inside}{name}", _as_json(value)))
    return values


# History


class _Write(NamedTuple):
    """One write as it is shown."""

    seq: int
    at: str
    action: str
    endpoint: str
    customer_id: str
    version: int
    key: str
    request_id: str
    changes: list[tuple[str, str]]


def _write(entry: Mapping[str, Any]) -> _Write:
    return _Write(
        entry["seq"],
        entry["at"],
        entry["action"],
        entry["endpoint"],
        entry["customer_id"],
        entry["version"],
        entry["idempotency_key"] or "",
        entry["request_id"],
        [(path, _cut(_as_json(value))) for path, value in entry["changes"].items()],
    )


def _as_json(value: object) -> str:
    """Return a value as people read it: texts as they are, None as nothing, others as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _cut(text: str) -> str:
    if len(text) <= _MOST_OF_A_CHANGE:
        return text
    return f"{text[:_MOST_OF_A_CHANGE]}… ({len(text):,} characters)"
