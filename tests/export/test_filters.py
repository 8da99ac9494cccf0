"""Who is asked for: Square's own filters, with spans of time that include their beginning only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ConfigError
from etl.export.filters import as_search, is_within
from etl.export.wanted import Filters, wanted
from tests.export.test_collect import collect, filled
from tests.worlds import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a world with three customers, an hour apart."""
    world = open_world(tmp_path)
    filled(world, 3)
    yield world
    world.close()


def found(world: World, filters: Filters, **named: Any) -> list[str]:
    """Return the references of whoever passes the filters."""
    names: dict[str, Any] = {"groups": {}, "segments": {}, "definitions": [], **named}
    search = as_search(filters, "US", **names)
    customers = collect(world, filter=search).values()
    return [one["reference_id"] for one in customers if is_within(filters, one)]


def test_spans_of_time_hold_their_beginning_and_not_their_end(world: World) -> None:
    """Two spans that touch hold everybody once."""
    second = sorted(one["created_at"] for one in world.alive().values())[1]
    assert found(world, Filters(created_before=second)) == ["R0000"]
    (world.folder / "export" / "collected.sqlite").unlink()
    assert found(world, Filters(created_after=second)) == ["R0001", "R0002"]


def test_the_time_of_the_last_change(world: World) -> None:
    """Whoever was changed since is found."""
    changed = next(id for id, one in world.alive().items() if one["reference_id"] == "R0001")
    world.time.sleep(60)
    world.update(changed, note="new")
    since = world.profile(changed)["updated_at"]
    world.time.sleep(60)
    assert found(world, Filters(updated_after=since)) == ["R0001"]


@pytest.mark.parametrize(
    "filters",
    [
        Filters(email="PERSON1@example.com"),
        Filters(phone="(415) 555-0001"),
        Filters(reference="R0001"),
        Filters(email="person1@example.com", reference="R0001", creation_sources=("third_party",)),
    ],
)
def test_one_person(world: World, filters: Filters) -> None:
    """A person is found however email and phone are written."""
    assert found(world, filters) == ["R0001"]


def test_groups_by_name(world: World) -> None:
    """In one of several groups of a name, or in all of several names."""
    ids = {one["reference_id"]: id for id, one in world.alive().items()}
    groups: dict[str, list[str]] = {}
    for name, members in (("A", ["R0000"]), ("A", ["R0001"]), ("B", ["R0001"]), ("C", ["R0001"])):
        made = world._call("POST", "/v2/customers/groups", {"group": {"name": name}})["group"]["id"]
        groups.setdefault(name, []).append(made)
        for member in members:
            world._call("PUT", f"/v2/customers/{ids[member]}/groups/{made}", {})
    assert found(world, Filters(groups=("A",)), groups=groups) == ["R0000", "R0001"]
    (world.folder / "export" / "collected.sqlite").unlink()
    assert found(world, Filters(groups=("B", "C")), groups=groups) == ["R0001"]
    with pytest.raises(ConfigError, match="is the name of 2"):
        found(world, Filters(groups=("A", "B")), groups=groups)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"created_after": "soon"}, "--created-after 'soon' is no time"),
        ({"updated_before": "2026-05-01T00:00:00"}, "is no time"),
        ({"beside": ("friends",)}, "--with friends: known are groups"),
        ({"groups": "VIP"}, "groups takes several"),
        ({"colums": ("id",)}, "there is no option 'colums'"),
        ({"incremental": True, "segments": ("Loyal",)}, "does not go with --segment"),
        ({"full_refresh": True}, "--full-refresh is for --incremental"),
        ({"incremental": True, "where": "true"}, "does not go with --where"),
        ({"incremental": True, "beside": ("cards",)}, "does not go with --with cards"),
    ],
)
def test_what_cannot_be_asked(told: dict[str, Any], why: str) -> None:
    """Options that mean nothing, or hide something, are refused by their name."""
    with pytest.raises(ConfigError, match=why):
        wanted("out.csv", **told)


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        (Filters(phone="12"), "--phone '12' cannot be searched"),
        (Filters(attributes=(("tea", "yes"),)), "no such custom attribute"),
        (
            Filters(created_after="2026-05-02T00:00:00Z", created_before="2026-05-01T00:00:00Z"),
            "is not before --created-before",
        ),
    ],
)
def test_what_cannot_be_searched(filters: Filters, why: str) -> None:
    """A filter that nobody can pass is refused instead of giving an empty file."""
    with pytest.raises(ConfigError, match=why):
        as_search(filters, "US", {}, {}, [])


def test_dates_are_days_in_utc() -> None:
    """A date is its first moment; other zones are brought to UTC."""
    asked = wanted("x.csv", created_after="2026-05-01", created_before="2026-05-02T00:00:00+02:00")
    assert asked.filters.created_after == "2026-05-01T00:00:00.000Z"
    assert asked.filters.created_before == "2026-05-01T22:00:00.000Z"
