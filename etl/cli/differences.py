"""What does an operator read of two runs side by side?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def text(found: dict[str, Any]) -> str:
    """Return what is printed of a ``difference``."""
    return "\n".join(_lines(found))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    first, second = found["runs"]
    yield f"from {first} to {second}"
    if found["same_sources"]:
        yield "  the sources are the same, byte for byte"
    for name, pair in found["settings"].items():
        was, now = (json.dumps(value, ensure_ascii=False) for value in pair)
        yield f"  another {name}: {was}, now {now}"
    rows = {name: pair for name, pair in found["rows"].items() if any(pair)}
    width = max(10, *(len(name) for name in rows), *(len(code) for code in found["reasons"]))
    yield ""
    for name, pair in rows.items():
        yield _compared(name, pair, width)
    if found["reasons"]:
        yield "reasons"
    for code, by_field in found["reasons"].items():
        for field, pair in by_field.items():
            yield _compared(code, pair, width) + (f"  {field}" if field else "")
    yield from _moves(found)


def _compared(name: str, pair: list[int], width: int) -> str:
    was, now = pair
    more = f"{now - was:+,}" if now != was else "="
    return f"  {name:<{width}}{was:>11,}{now:>11,}{more:>11}"


def _moves(found: dict[str, Any]) -> Iterator[str]:
    new, gone = found["new"], found["gone"]
    if new is None:
        yield "rows of a validation are not told apart: only the sums are compared"
        return
    if not (new["rows"] or gone["rows"] or found["changed"]):
        yield "every row is in both, with the same outcome"
        return
    yield "rows"
    if new["rows"]:
        yield f"  {new['rows']:,} new{_such_as(new)}"
    if gone["rows"]:
        yield f"  {gone['rows']:,} gone{_such_as(gone)}"
    for change in found["changed"]:
        moved = f"{change['from']}, now {change['to']}"
        yield f"  {change['rows']:,} were {moved}{_such_as(change)}"


def _such_as(change: dict[str, Any]) -> str:
    named = change["such_as"]
    return f" ({', '.join(named)}{', ...' if change['rows'] > len(named) else ''})"
