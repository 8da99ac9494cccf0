"""From when to when is something wanted?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import object_in, text_in
from etl.sandbox.search.selection import Span
from etl.sandbox.times import moment


def span_in(holder: Mapping[str, Any], start: str, end: str, path: str = "") -> Span:
    """Return the span between two members of an object, or two query parameters.

    ``path`` is that of the object, empty for query parameters.
    """
    inside = f"{path}." if path else ""
    first = _moment(holder, start, inside)
    last = _moment(holder, end, inside)
    if first is not None and last is not None and first > last:
        field = path or end
        raise Refusal(
            Problem("INVALID_TIME_RANGE", f"Expected {field} to end after its start", field)
        )
    return Span(
        None if first is None else math.ceil(first), None if last is None else math.floor(last)
    )


def range_in(holder: Mapping[str, Any], name: str, inside: str) -> Span:
    """Return the span of a filter: the member of that name, with ``start_at`` and ``end_at``."""
    path = inside + name
    return span_in(object_in(holder, name, path), "start_at", "end_at", path)


def _moment(holder: Mapping[str, Any], name: str, inside: str) -> Fraction | None:
    text = text_in(holder, name, inside)
    if text is None:
        return None
    found = moment(text)
    if found is None:
        raise Refusal(
            Problem("INVALID_TIME", f"Expected {inside}{name} as RFC 3339", f"{inside}{name}")
        )
    return found
