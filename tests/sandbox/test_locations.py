"""The merchant's one location; every test names the source of what it expects."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Opened, Square

LOCATIONS = "/v2/locations"


def test_locations_are_listed_and_retrieved(square: Square) -> None:
    """All of them without pages, one by id or as ``main`` (API reference)."""
    merchant = square.ok("GET", "/v2/merchants/me")["merchant"]

    answer = square.ok("GET", LOCATIONS)

    (location,) = answer["locations"]
    assert location == {
        "id": merchant["main_location_id"],
        "name": "Sandbox Trading Company",
        "timezone": "America/New_York",
        "capabilities": ["CREDIT_CARD_PROCESSING"],
        "status": "ACTIVE",
        "created_at": merchant["created_at"],
        "merchant_id": merchant["id"],
        "country": "US",
        "language_code": "en-US",
        "currency": "USD",
        "business_name": "Sandbox Trading Company",
        "type": "PHYSICAL",
    }
    for name in (location["id"], "main"):
        assert square.ok("GET", f"{LOCATIONS}/{name}") == {"location": location}
    assert square.refused("GET", f"{LOCATIONS}/X") == (404, [("NOT_FOUND", "")])


@pytest.mark.parametrize(
    ("country", "currency", "timezone"),
    [("GB", "GBP", "Europe/London"), ("JP", "JPY", "Asia/Tokyo"), ("DE", None, "UTC")],
)
def test_a_location_is_of_the_merchants_country(
    opened: Opened, country: str, currency: str | None, timezone: str
) -> None:
    """Country, currency and clock follow from the merchant's country (assumption)."""
    location = opened(country=country).ok("GET", f"{LOCATIONS}/main")["location"]

    assert (location["country"], location.get("currency")) == (country, currency)
    assert location["timezone"] == timezone


@pytest.mark.parametrize(
    ("method", "path"), [("POST", LOCATIONS), ("PUT", f"{LOCATIONS}/main"), ("GET", "/v2/teams")]
)
def test_calls_that_are_not_served_say_so(square: Square, method: str, path: str) -> None:
    """Square has more calls than the sandbox, which does not say that they do not exist (ours)."""
    (error,) = square.send(method, path, json={}).json()["errors"]

    assert "serve" in error["detail"]


def test_locations_need_the_merchants_scope(square: Square) -> None:
    """MERCHANT_PROFILE_READ (API reference)."""
    token = square.sandbox.control("tokens", {"scopes": ["CUSTOMERS_READ"]})["token"]
    headers = {"Authorization": f"Bearer {token}"}

    assert square.send("GET", LOCATIONS, headers=headers).status_code == 403
    assert square.send("GET", f"{LOCATIONS}/main", headers=headers).status_code == 403
