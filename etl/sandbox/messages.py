"""What goes in and what comes out: a request, an answer, and how the answer travels.

No HTTP library here: the server and the in-process transport translate to and from these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Manner = Literal["whole", "drop", "reset", "drip"]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are lower case, the path is still percent-encoded."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an answer travels.

    ``drop`` closes the connection instead of answering, ``reset`` breaks it, ``drip`` spreads the
    body over ``drip`` seconds. ``late`` is the time the answer is held back before its first byte.
    ``halfway`` lets these happen in the middle of the body.
    """

    manner: Manner = "whole"
    late: float = 0.0
    drip: float = 0.0
    halfway: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer; ``content-length`` is left to whoever sends it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)
