"""Which words do the checks of events and of webhooks share?"""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import Square

EVENTS = "/v2/events"
SUBSCRIPTIONS = "/v2/webhooks/subscriptions"
CREATED, UPDATED, DELETED = (f"customer.{what}" for what in ("created", "updated", "deleted"))


def events(square: Square, *types: str) -> list[Any]:
    """The events that a search finds, oldest first."""
    query: dict[str, Any] = {"sort": {"order": "ASC"}}
    if types:
        query["filter"] = {"event_types": list(types)}
    found: list[Any] = square.ok("POST", EVENTS, {"query": query}).get("events", [])
    return found


def enabled(square: Square) -> None:
    """Make events searchable."""
    square.ok("PUT", f"{EVENTS}/enable")


def subscription(url: str = "http://127.0.0.1:9/hook", **more: Any) -> dict[str, Any]:
    """What a subscription is created with."""
    types = [CREATED, UPDATED, DELETED]
    return {"name": "S", "event_types": types, "notification_url": url, **more}
