"""What is a page made from, and what does making one give?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from etl.sandbox.calls import Call
from etl.sandbox.messages import Request
from etl.sandbox.pages.sessions import Session
from etl.sandbox.traffic import Traffic

ROOT = "/_sandbox/pages/"


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a page: a call inside its transaction, and what the browser sent."""

    call: Call
    session: Session
    traffic: Traffic
    parameters: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict)

    def ask(
        self, handler: Callable[..., bytes], *path_ids: str, query: str = "", body: object = None
    ) -> Any:
        """Return what an endpoint answers. Raises Refusal as it does."""
        sent = b"" if body is None else orjson.dumps(body)
        inner = replace(self.call, request=Request("GET", "", query, body=sent))
        return orjson.loads(handler(inner, *path_ids))


@dataclass(frozen=True, slots=True)
class Page:
    """A page to show: its template and what that needs; ``part`` if it is a part of one."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    part: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """Another page to go to."""

    to: str


def link(*steps: str, **parameters: object) -> str:
    """Return the address of a page: ``link("profiles", id)``, or of the directory without steps."""
    path = ROOT + "/".join(quote(step, safe="") for step in steps) if steps else "/"
    given = {name: value for name, value in parameters.items() if value not in ("", None)}
    return f"{path}?{urlencode(given)}" if given else path
