"""Which writes raise the version, and how it guards them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    GROUPS,
    OVERVIEW,
    RECORDS,
    REFERENCE,
    Check,
    Facts,
    after,
    path_of,
)

fact = Facts()

VERSIONS = f"{OVERVIEW}, Customer profile versions and optimistic concurrency support"
CONFLICT = (409, [("CONFLICT", "")])


def changed(square: Square, times: int) -> Any:
    """Create a customer and change it so many times; return it as it is then."""
    customer = square.create(given_name="Ava")
    for number in range(times):
        customer = square.ok("PUT", path_of(customer), {"note": f"n-{number}"})["customer"]
    return customer


@fact(VERSIONS, rows=[(1,), (2,), (5,)])
def each_update_raises_the_version_by_one(square: Square, times: int) -> None:
    """Square increments the version each time the profile is updated."""
    assert changed(square, times)["version"] == times


@fact(VERSIONS)
def an_update_of_many_fields_is_one(square: Square) -> None:
    """The version counts changes of the profile, not of its fields."""
    customer = square.create(given_name="Ava")
    body = {"given_name": "Eva", "note": "n", "address": {"locality": "Leeds", "country": "GB"}}
    assert square.ok("PUT", path_of(customer), body)["customer"]["version"] == 1


@fact(VERSIONS)
def group_membership_raises_the_version(square: Square) -> None:
    """Joining a group is a change, and leaving it is another."""
    customer = square.create(given_name="Ava")
    group = square.ok("POST", GROUPS, {"group": {"name": "A"}})["group"]
    path = f"{path_of(customer)}/groups/{group['id']}"
    square.ok("PUT", path)
    assert square.get(customer["id"])["version"] == 1
    square.ok("DELETE", path)
    assert square.get(customer["id"])["version"] == 2


@fact(VERSIONS)
def segments_do_not_raise_the_version(square: Square) -> None:
    """A change that moves the profile into a segment counts once."""
    customer = square.create(given_name="Ava")
    square.ok("PUT", path_of(customer), {"email_address": "ava@example.com"})
    shown = square.get(customer["id"])
    assert (shown["version"], len(shown["segment_ids"])) == (1, 1)


@fact(VERSIONS)
def reading_does_not_raise_the_version(square: Square) -> None:
    """Neither retrieving nor listing nor a refused update does."""
    customer = square.create(given_name="Ava")
    square.ok("GET", CUSTOMERS)
    square.refused("PUT", path_of(customer), {"birthday": "x"})
    assert square.get(customer["id"])["version"] == 0


@fact(RECORDS, rows=[(0,), (3,)])
def the_current_version_lets_an_update_pass(square: Square, times: int) -> None:
    """It succeeds if the version matches."""
    customer = changed(square, times)
    body = {"nickname": "A", "version": times}
    assert square.ok("PUT", path_of(customer), body)["customer"]["version"] == times + 1


@fact(RECORDS, rows=[(1, 0), (3, 2), (3, 0)])
def an_older_version_is_a_conflict(square: Square, times: int, version: int) -> None:
    """Otherwise the request fails with a CONFLICT error, and nothing changes."""
    customer = changed(square, times)
    body = {"nickname": "A", "version": version}
    assert square.refused("PUT", path_of(customer), body) == CONFLICT
    assert square.get(customer["id"]) == customer


@fact(CHOICE, choice="version above the stored one", rows=[(1,), (2**53,), (-1,)])
def a_version_never_stored_is_a_conflict(square: Square, version: int) -> None:
    """It must be set to the current version."""
    customer = square.create(given_name="Ava")
    body = {"nickname": "A", "version": version}
    assert square.refused("PUT", path_of(customer), body) == CONFLICT


@fact(VERSIONS)
def without_a_version_the_last_write_wins(square: Square) -> None:
    """The guard is optional."""
    customer = changed(square, 2)
    body = {"note": "last"}
    assert square.ok("PUT", path_of(customer), body)["customer"]["note"] == "last"


@fact(VERSIONS)
def the_version_is_not_written(square: Square) -> None:
    """It is a guard only; the new one is Square's."""
    customer = square.create(given_name="Ava")
    body = {"nickname": "A", "version": 0}
    assert square.ok("PUT", path_of(customer), body)["customer"]["version"] == 1


@fact(VERSIONS)
def two_editors_do_not_overwrite_each_other(square: Square) -> None:
    """Of two updates guarded by the same version one wins; the other has to read again."""
    customer = square.create(given_name="Ava")
    guarded = {"version": customer["version"]}
    square.ok("PUT", path_of(customer), {"note": "first", **guarded})
    assert square.refused("PUT", path_of(customer), {"note": "second", **guarded}) == CONFLICT
    assert square.get(customer["id"])["note"] == "first"


@fact(f"{RECORDS}, Delete a customer profile")
def the_current_version_lets_a_delete_pass(square: Square) -> None:
    """It is a query parameter."""
    customer = changed(square, 2)
    assert square.ok("DELETE", path_of(customer), params={"version": "2"}) == {}


@fact(f"{RECORDS}, Delete a customer profile", rows=[("0",), ("1",)])
def an_older_version_keeps_a_profile(square: Square, version: str) -> None:
    """A delete with it is a CONFLICT."""
    customer = changed(square, 2)
    assert square.refused("DELETE", path_of(customer), params={"version": version}) == CONFLICT
    assert square.get(customer["id"]) == customer


@fact(CHOICE, choice="version above the stored one")
def a_version_never_stored_keeps_a_profile(square: Square) -> None:
    """A delete with it is a CONFLICT too."""
    customer = square.create(given_name="Ava")
    assert square.refused("DELETE", path_of(customer), params={"version": "1"}) == CONFLICT


@fact(f"{REFERENCE}: DeleteCustomer")
def a_delete_without_a_version_always_passes(square: Square) -> None:
    """The guard is optional."""
    assert square.ok("DELETE", path_of(changed(square, 2))) == {}


@fact(f"{REFERENCE}: DeleteCustomer", rows=[("x",), ("1.5",), ("",)])
def the_version_of_a_delete_is_an_integer(square: Square, version: str) -> None:
    """Anything else is EXPECTED_INTEGER, and deletes nothing."""
    customer = square.create(given_name="Ava")
    told = square.refused("DELETE", path_of(customer), params={"version": version})
    assert told == (400, [("EXPECTED_INTEGER", "version")])
    assert square.get(customer["id"]) == customer


@fact(VERSIONS)
def bulk_updates_are_guarded_entry_by_entry(square: Square) -> None:
    """Each entry has a version of its own."""
    one, two = changed(square, 1), changed(square, 1)
    entries = {
        one["id"]: {"nickname": "A", "version": 1},
        two["id"]: {"nickname": "A", "version": 0},
    }
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-update", {"customers": entries})["responses"]
    assert answers[one["id"]]["customer"]["version"] == 2
    assert [error["code"] for error in answers[two["id"]]["errors"]] == ["CONFLICT"]


@fact(VERSIONS)
def earlier_versions_cannot_be_read(square: Square) -> None:
    """Endpoints don't support actions against previous versions of the profile."""
    customer = changed(square, 2)
    answer = square.ok("GET", path_of(customer), params={"version": "0"})
    assert answer["customer"]["version"] == 2


@fact(CHOICE, choice="an update that changes nothing")
def an_update_without_effect_is_still_guarded(square: Square) -> None:
    """A stale version is a conflict whatever the update would do."""
    customer = changed(square, 1)
    body = {"given_name": "Ava", "version": 0}
    assert square.refused("PUT", path_of(customer), body) == CONFLICT


@fact(f"{REFERENCE}: Customer, updated_at")
def a_conflict_does_not_touch_the_profile(square: Square) -> None:
    """Neither version nor updated_at move."""
    customer = changed(square, 1)
    after(square, 60)
    square.refused("PUT", path_of(customer), {"note": "x", "version": 0})
    assert square.get(customer["id"]) == customer


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_concurrency(opened: Opened, check: Check) -> None:
    """Versions are as the documents say."""
    check.hold(opened)
