"""Which requests come, and how are they answered?"""

from __future__ import annotations

from etl.sandbox.pages.visits import Page, Visit, link
from etl.sandbox.reading import is_integer
from etl.sandbox.routes import ROUTES
from etl.sandbox.traffic import KEPT, Answered

_STATUSES = {
    "": "Any status",
    "2": "2xx, done",
    "4": "4xx, refused",
    "5": "5xx, failed",
    "none": "No answer",
    "fault": "With a fault",
}


def show(visit: Visit) -> Page:
    """Show the latest requests."""
    endpoint, status = _filter(visit)
    return Page(
        "requests.html",
        {
            "rows": _wanted(visit.traffic.latest(), endpoint, status),
            "fresh": False,
            "kept": KEPT,
            "endpoints": sorted({route.name for route in ROUTES}),
            "statuses": _STATUSES,
            "endpoint": endpoint,
            "status": status,
            "newer": link("requests", "newer", endpoint=endpoint, status=status),
        },
    )


def newer(visit: Visit) -> Page:
    """Give the rows of what came after the newest one that is shown."""
    after = visit.parameters.get("after", "")
    number = int(after) if is_integer(after) else 0
    rows = _wanted(visit.traffic.latest(number), *_filter(visit))
    return Page("request_rows.html", {"rows": rows, "fresh": True}, part=True)


def _filter(visit: Visit) -> tuple[str, str]:
    return visit.parameters.get("endpoint", ""), visit.parameters.get("status", "")


def _wanted(rows: list[Answered], endpoint: str, status: str) -> list[Answered]:
    return [
        row
        for row in rows
        if (not endpoint or row.endpoint == endpoint) and _has_status(row, status)
    ]


def _has_status(row: Answered, status: str) -> bool:
    match status:
        case "none":
            return row.status is None
        case "fault":
            return bool(row.faults)
        case "2" | "4" | "5":
            return row.status is not None and row.status // 100 == int(status)
        case _:
            return True
