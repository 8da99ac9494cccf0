"""What does the page of a profile tell: all its sections, and what was written to it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

import orjson

from etl.sandbox.apis import customers
from etl.sandbox.errors import Refusal
from etl.sandbox.pages.directory import name_of
from etl.sandbox.pages.sections import SECTIONS, as_text
from etl.sandbox.pages.visits import Page, Visit
from etl.sandbox.reading import is_integer
from etl.sandbox.store.log import ProfileAction

_HISTORY = 100
_NEWEST = 1 << 62


def show(visit: Visit, customer_id: str) -> Page:
    """Show a profile, or what is left of one."""
    store = visit.call.store
    survivor = store.profiles.survivor(customer_id)
    merged = store.profiles.merged_into(survivor)
    before = visit.parameters.get("before", "")
    history = store.log.of(
        [survivor, *merged],
        int(before) if is_integer(before) else _NEWEST,
        _HISTORY + 1,
    )
    values = {
        "asked": customer_id,
        "id": survivor,
        "merged": merged,
        "history": [_write(entry) for entry in history[:_HISTORY]],
        "older": len(history) > _HISTORY,
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


class _Write(NamedTuple):
    """One write as it is shown; only writes to the profile itself give it a version."""

    seq: int
    at: str
    action: str
    endpoint: str
    customer_id: str
    version: int | None
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
        entry["version"] if entry["action"] in get_args(ProfileAction) else None,
        entry["idempotency_key"] or "",
        entry["request_id"],
        [(path, as_text(value)) for path, value in entry["changes"].items()],
    )
