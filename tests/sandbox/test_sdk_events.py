"""The official SDK, unmodified, covers the Events API."""

from __future__ import annotations

from square import Square as Sdk


def test_events_are_searched(sdk: Sdk) -> None:
    """Enable, search with filters over pages, disable through squareup."""
    assert sdk.events.search_events().events is None
    assert sdk.events.enable_events().errors is None
    for i in range(5):
        sdk.customers.create(given_name=f"G{i}", phone_number="(415) 555-0148")
    first = next(iter(sdk.customers.list(sort_field="CREATED_AT")))
    assert first.id is not None
    sdk.customers.delete(first.id)
    assert sdk.events.disable_events().errors is None
    sdk.customers.create(given_name="Unseen")

    found = sdk.events.search_events(
        limit=3,
        query={
            "filter": {
                "event_types": ["customer.created"],
                "created_at": {"start_at": "2020-01-01T00:00:00Z"},
            },
            "sort": {"field": "DEFAULT", "order": "DESC"},
        },
    )

    assert found.events is not None
    assert found.metadata is not None
    assert found.cursor is not None
    assert [entry.event_id for entry in found.metadata] == [one.event_id for one in found.events]
    told = [one.data.object["customer"] for one in found.events if one.data and one.data.object]
    assert [customer["given_name"] for customer in told] == ["G4", "G3", "G2"]
    assert {customer["phone_number"] for customer in told} == {"+14155550148"}
    deleted = sdk.events.search_events(query={"filter": {"event_types": ["customer.deleted"]}})
    assert deleted.events is not None
    (event,) = deleted.events
    assert event.data is not None
    assert (event.data.id, event.data.deleted) == (first.id, True)


def test_event_types(sdk: Sdk) -> None:
    """Types can be listed, with the version that brought each."""
    listed = sdk.events.list_event_types(api_version="2026-08-19")

    assert listed.event_types is not None
    assert listed.metadata is not None
    assert "customer.deleted" in listed.event_types
    assert listed.metadata[0].api_version_introduced == "2021-02-26"
