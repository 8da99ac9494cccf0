"""Merged profiles and instant ones: ids that lead elsewhere, profiles nobody lists."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    FORUM,
    GROUPS,
    OLD_CLIENT,
    OVERVIEW,
    REFERENCE,
    SEARCH,
    Check,
    Facts,
    after,
    instant_profile,
    merged,
    path_of,
)

fact = Facts()

BY_ID = f"{OVERVIEW}, Retrieving a customer profile by ID"
INSTANT = f"{OVERVIEW}, Accessing instant profiles that have no public information"
NOT_FOUND = (404, [("NOT_FOUND", "")])


def two(square: Square) -> tuple[Any, Any]:
    """Create two profiles of one person."""
    return (
        square.create(given_name="Ines", reference_id="crm-1", note="first"),
        square.create(
            given_name="I.", email_address="ines@example.com", reference_id="pos-9", note="second"
        ),
    )


# Merges


@fact(BY_ID)
def a_merge_makes_a_profile_with_a_new_id(square: Square) -> None:
    """The existing profiles are merged into a single one that is assigned a new ID."""
    a, b = two(square)
    assert merged(square, a, b)["id"] not in (a["id"], b["id"])


@fact(BY_ID)
def an_old_id_retrieves_the_survivor(square: Square) -> None:
    """RetrieveCustomer by A or B returns C, whose id differs from the one asked for."""
    a, b = two(square)
    c = merged(square, a, b)
    assert square.get(a["id"]) == square.get(b["id"]) == square.get(c["id"])
    assert square.get(a["id"])["id"] == c["id"]


@fact(f"{FORUM} 174, 10676; issue thread woocommerce/woocommerce-square#291")
def an_old_id_retrieves_the_survivor_in_bulk(square: Square) -> None:
    """The map's key is the id asked for, the profile inside has its own."""
    a, b = two(square)
    c = merged(square, a, b)
    body = {"customer_ids": [a["id"], c["id"]]}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-retrieve", body)["responses"]
    assert {key: one["customer"]["id"] for key, one in answers.items()} == {
        a["id"]: c["id"],
        c["id"]: c["id"],
    }


@fact("Integrate Customer Profiles with Other Services, merged customer profiles")
def the_old_profiles_are_deleted(square: Square) -> None:
    """Only the new one is listed and found."""
    c = merged(square, *two(square))
    assert [one["id"] for one in square.ok("GET", CUSTOMERS)["customers"]] == [c["id"]]
    assert [one["id"] for one in square.ok("POST", SEARCH, {})["customers"]] == [c["id"]]


@fact(f"{REFERENCE}: CustomerCreationSource")
def the_source_of_a_merge_is_merge(square: Square) -> None:
    """MERGE, as the enum says."""
    assert merged(square, *two(square))["creation_source"] == "MERGE"


@fact(f"{OLD_CLIENT}, updateCustomer, deleteCustomer", choice="update or delete by a merged id")
def an_old_id_cannot_be_written(square: Square) -> None:
    """The new one must be used to update and delete; with an old one 404 NOT_FOUND."""
    a, b = two(square)
    c = merged(square, a, b)
    assert square.refused("PUT", path_of(a), {"note": "n"}) == NOT_FOUND
    assert square.refused("DELETE", path_of(b)) == NOT_FOUND
    assert square.ok("PUT", path_of(c), {"note": "n"})["customer"]["note"] == "n"
    assert square.ok("DELETE", path_of(c)) == {}


@fact(CHOICE, choice="update or delete by a merged id")
def an_old_id_cannot_be_written_in_bulk(square: Square) -> None:
    """NOT_FOUND in the entry of that id."""
    a, b = two(square)
    merged(square, a, b)
    for call, body in (
        ("update", {"customers": {a["id"]: {"note": "n"}}}),
        ("delete", {"customer_ids": [a["id"]]}),
    ):
        answers = square.ok("POST", f"{CUSTOMERS}/bulk-{call}", body)["responses"]
        assert answers[a["id"]]["errors"][0]["code"] == "NOT_FOUND"


@fact(CHOICE, choice="conflicting values in a merge")
def the_first_profile_wins(square: Square) -> None:
    """The others fill its gaps."""
    c = merged(square, *two(square))
    assert (c["given_name"], c["reference_id"], c["note"]) == ("Ines", "crm-1", "first")
    assert c["email_address"] == "ines@example.com"


@fact(CHOICE, choice="created_at of a merge")
def a_merge_is_a_new_profile(square: Square) -> None:
    """Its version is 0, and it was created when it was merged."""
    a, b = two(square)
    after(square, 3600)
    c = merged(square, a, b)
    assert (c["version"], c["created_at"]) == (0, "2025-09-01T09:15:30.412Z")


@fact(CHOICE, choice="groups of merged profiles")
def a_merge_is_in_the_groups_of_both(square: Square) -> None:
    """Nobody falls out of a group by being merged."""
    a, b = two(square)
    groups = [square.ok("POST", GROUPS, {"group": {"name": n}})["group"]["id"] for n in "AB"]
    for customer, group_id in ((a, groups[0]), (b, groups[1])):
        square.ok("PUT", f"{path_of(customer)}/groups/{group_id}")
    assert sorted(merged(square, a, b)["group_ids"]) == sorted(groups)


@fact(BY_ID)
def merges_can_follow_each_other(square: Square) -> None:
    """The oldest ids retrieve the newest survivor."""
    a, b = two(square)
    c = merged(square, a, b)
    d = merged(square, c, square.create(given_name="Ines M."))
    assert {square.get(one["id"])["id"] for one in (a, b, c, d)} == {d["id"]}


@fact(f"{REFERENCE}: RetrieveCustomer")
def a_deleted_survivor_is_not_found(square: Square) -> None:
    """Its old ids lead nowhere then."""
    a, b = two(square)
    square.ok("DELETE", path_of(merged(square, a, b)))
    assert square.refused("GET", path_of(a)) == NOT_FOUND


@fact(f"{REFERENCE}: DeleteCustomer")
def a_deleted_profile_is_no_merged_one(square: Square) -> None:
    """A plain deletion leaves no alias."""
    a, _ = two(square)
    square.ok("DELETE", path_of(a))
    assert square.refused("GET", path_of(a)) == NOT_FOUND


# Instant profiles


@fact(BY_ID)
def an_instant_profile_says_so(square: Square) -> None:
    """Its creation_source is INSTANT_PROFILE, and it has no public information."""
    customer = instant_profile(square)
    assert customer["creation_source"] == "INSTANT_PROFILE"
    public = {"given_name", "family_name", "company_name", "email_address", "phone_number"}
    assert public.isdisjoint(customer)


@fact(INSTANT)
def an_instant_profile_is_not_listed(square: Square) -> None:
    """It isn't returned in a ListCustomers or SearchCustomers response."""
    hidden = instant_profile(square)["id"]
    for answer in (square.ok("GET", CUSTOMERS), square.ok("POST", SEARCH, {})):
        assert hidden not in {one["id"] for one in answer["customers"]}


@fact(INSTANT)
def an_instant_profile_is_not_found_by_other_values(square: Square) -> None:
    """Whatever filter would match it."""
    customer = instant_profile(square)
    square.ok("PUT", path_of(customer), {"reference_id": "hidden-1"})
    body = {"query": {"filter": {"reference_id": {"exact": "hidden-1"}}}}
    assert square.ok("POST", SEARCH, body) == {}


@fact(INSTANT)
def an_instant_profile_can_be_updated(square: Square) -> None:
    """By its id, even with data that is not public."""
    customer = instant_profile(square)
    updated = square.ok("PUT", path_of(customer), {"note": "n"})["customer"]
    assert (updated["note"], updated["version"]) == ("n", customer["version"] + 1)


@fact(INSTANT)
def public_data_makes_an_instant_profile_visible(square: Square) -> None:
    """With a name it is listed like any other; its source stays."""
    customer = instant_profile(square)
    updated = square.ok("PUT", path_of(customer), {"given_name": "Zz"})["customer"]
    assert updated["creation_source"] == "INSTANT_PROFILE"
    body = {"query": {"filter": {"creation_source": {"values": ["INSTANT_PROFILE"]}}}}
    found = square.ok("POST", SEARCH, body)["customers"]
    assert [one["id"] for one in found] == [customer["id"]]


@fact(INSTANT)
def an_instant_profile_can_be_deleted(square: Square) -> None:
    """By its id."""
    customer = instant_profile(square)
    assert square.ok("DELETE", path_of(customer)) == {}
    assert square.refused("GET", path_of(customer)) == NOT_FOUND


@fact(BY_ID)
def an_instant_profile_can_be_merged(square: Square) -> None:
    """Into a profile that has public data; its id leads there."""
    customer = instant_profile(square)
    new = merged(square, square.create(given_name="Ines"), customer)
    assert square.get(customer["id"])["id"] == new["id"]
    assert new["given_name"] == "Ines"


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_merges(opened: Opened, check: Check) -> None:
    """Merged and instant profiles are as the documents say."""
    check.hold(opened)
