"""What proves that an exported file is complete, and says how it is to be read?

``DEST.manifest.json`` beside a file, ``_manifest.json`` in a folder. It is there only when all of
the file is; an import finds in it whether cells carry our formula escape.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import orjson

from etl.export.collected import Collected
from etl.export.shape import Column
from etl.export.wanted import Wanted
from etl.export.windows import rfc3339
from etl.export.write import CSV, Kind, Written
from etl.files.exported import FORMAT, OURS
from etl.journal.records import Run
from etl.square.wire import Call

# What no export over the API can hold, whoever makes it.
INVISIBLE = (
    "customers without public data (instant profiles) are not shown by Square's API",
    "merged customers appear as the customer they became",
    "what was changed in the last minute before as_of may already be as it became afterwards",
)


class Tally:
    """Counts calls to Square by endpoint, from whichever thread they are made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}

    def __call__(self, call: Call) -> None:
        """Hear of an attempt."""
        with self._lock:
            counts = self._counts.setdefault(call.endpoint, Counter())
            counts["calls"] += 1
            counts["retries"] += call.retry
            counts["rate_limited"] += call.rate_limited
            counts["errors"] += call.status is None or call.status >= 400

    def requests(self) -> dict[str, dict[str, int]]:
        """Return the counts as reports tell them."""
        names = ("calls", "retries", "rate_limited", "errors")
        with self._lock:
            return {
                endpoint: {name: counts[name] for name in names}
                for endpoint, counts in sorted(self._counts.items())
            }


def manifest(
    run: Run,
    wanted: Wanted,
    kind: Kind,
    collected: Collected,
    columns: Sequence[Column],
    files: Sequence[Written],
    deleted: Written | None,
    requests: Mapping[str, Any],
    finished_at: str,
) -> dict[str, Any]:
    """Return the manifest of a finished export.

    ``columns`` are those that were written, ``deleted`` the file of who is gone.
    """
    asked = asdict(wanted)
    return {
        OURS: {
            "format": FORMAT,
            "version": version("square-etl"),
            "escaped": kind in CSV and not wanted.raw,
        },
        "complete": True,
        "rows": sum(file.rows for file in files),
        "files": [file._asdict() for file in files],
        "target": run.target,
        "base_url": run.base_url,
        "merchant_id": run.merchant_id,
        "country": run.country,
        "square_version": run.square_version,
        "as_of": collected.fact("begun"),
        "started_at": run.started_at,
        "finished_at": finished_at,
        "filters": {name: told for name, told in asked["filters"].items() if told},
        "shape": {name: told for name, told in asked["shape"].items() if told},
        "with": list(wanted.beside),
        "incremental": {
            "since": None if collected.fact("first") else collected.fact("since"),
            "deleted": deleted._asdict(),
        }
        if deleted
        else None,
        "customers_collected": collected.size(),
        "windows": [
            {
                "from": None if window.start is None else rfc3339(window.start),
                "to": rfc3339(window.end),
                "count": window.count,
                "readings": window.turn + 1,
            }
            for window in collected.windows()
        ],
        "requests": dict(requests),
        "schema": [
            {
                "name": column.name,
                "type": str(column.type),
                "field": column.source,
                "masked": column.masked,
            }
            for column in columns
        ],
        "invisible": list(INVISIBLE),
    }


def as_json(manifest: Mapping[str, Any]) -> bytes:
    """Return the bytes of a manifest."""
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
