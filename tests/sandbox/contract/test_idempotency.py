"""What an idempotency key stands for, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    DOCUMENTATION,
    FORUM,
    GROUPS,
    RECORDED,
    REFERENCE,
    Check,
    Facts,
    after,
    bearer,
    merged,
    path_of,
)

fact = Facts()

IDEMPOTENCY = f"{DOCUMENTATION}: Idempotency"
AVA: dict[str, Any] = {"given_name": "Ava", "address": {"locality": "Leeds", "country": "GB"}}
REUSED = (400, [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")])


def again(square: Square, data: dict[str, Any], key: str = "k-1") -> tuple[int, Any]:
    """Create with a key that must be refused; return how."""
    return square.refused("POST", CUSTOMERS, {"idempotency_key": key, **data})


@fact(IDEMPOTENCY)
def a_repeated_create_answers_the_original(square: Square) -> None:
    """Same key and same body: one profile, the original answer again."""
    first = square.create(idempotency_key="k-1", **AVA)
    assert square.create(idempotency_key="k-1", **AVA) == first
    assert len(square.ok("GET", CUSTOMERS)["customers"]) == 1


@fact(IDEMPOTENCY)
def the_original_answer_is_older_than_updates(square: Square) -> None:
    """What became of the profile since is not in it."""
    first = square.create(idempotency_key="k-1", **AVA)
    square.ok("PUT", path_of(first), {"nickname": "A"})
    assert square.create(idempotency_key="k-1", **AVA) == first
    assert square.get(first["id"])["nickname"] == "A"


@fact(
    RECORDED,
    rows=[
        ({"given_name": "Eva"},),
        ({**AVA, "note": "n"},),
        ({"given_name": "Ava"},),
        ({**AVA, "address": {"locality": "York", "country": "GB"}},),
        ({**AVA, "given_name": "ava"},),
    ],
)
def a_key_with_other_data_is_reused(square: Square, data: dict[str, Any]) -> None:
    """Same key, different body: IDEMPOTENCY_KEY_REUSED, and nothing is created."""
    square.create(idempotency_key="k-1", **AVA)
    assert again(square, data) == REUSED
    assert len(square.ok("GET", CUSTOMERS)["customers"]) == 1


@fact(CHOICE, choice="idempotency key, sameness")
def the_order_of_members_does_not_matter(square: Square) -> None:
    """The same JSON members are the same data, inside the address too."""
    first = square.create(idempotency_key="k-1", **AVA)
    address = dict(reversed(AVA["address"].items()))
    assert square.create(address=address, given_name="Ava", idempotency_key="k-1") == first


@fact(f"{FORUM} 8276", choice="idempotency key after a delete")
def a_key_stays_used_after_a_delete(square: Square) -> None:
    """Create, delete, create with the same key and data fails."""
    customer = square.create(idempotency_key="k-1", **AVA)
    square.ok("DELETE", path_of(customer))
    assert again(square, AVA) == REUSED


@fact(f"{FORUM} 8276", choice="idempotency key after a delete")
def a_new_key_makes_the_profile_anew(square: Square) -> None:
    """Only the key is used up, not the data."""
    customer = square.create(idempotency_key="k-1", **AVA)
    square.ok("DELETE", path_of(customer))
    assert square.create(idempotency_key="k-2", **AVA)["id"] != customer["id"]


@fact(CHOICE, choice="idempotency key after a refused create")
def a_refused_create_does_not_use_its_key(square: Square) -> None:
    """The corrected data may come with the same key."""
    assert again(square, {"phone_number": "12"})[0] == 400
    assert square.create(idempotency_key="k-1", phone_number="+14155550148")["version"] == 0


@fact(CHOICE, choice="idempotency key, length", rows=[("k",), ("k" * 45,), ("ключ",), (" ",)])
def keys_have_1_to_45_characters(square: Square, key: str) -> None:
    """Both bounds are good, whatever the characters."""
    assert square.create(idempotency_key=key, **AVA) == square.create(idempotency_key=key, **AVA)


@fact(
    CHOICE,
    choice="idempotency key, length",
    rows=[("k" * 46, "VALUE_TOO_LONG"), ("", "VALUE_EMPTY")],
)
def other_keys_are_refused(square: Square, key: str, code: str) -> None:
    """Longer ones VALUE_TOO_LONG, an empty one VALUE_EMPTY."""
    assert again(square, AVA, key) == (400, [(code, "idempotency_key")])


@fact(f"{REFERENCE}: CreateCustomer", rows=[(7,), (["k"],), ({"k": 1},), (True,)])
def a_key_is_a_text(square: Square, key: object) -> None:
    """Another JSON type is EXPECTED_STRING."""
    told = square.refused("POST", CUSTOMERS, {**AVA, "idempotency_key": key})
    assert told == (400, [("EXPECTED_STRING", "idempotency_key")])


@fact(f"{REFERENCE}: CreateCustomer", rows=[(None,), ("absent",)])
def a_key_is_optional(square: Square, key: object) -> None:
    """Without one each call makes a profile."""
    data = AVA if key else {**AVA, "idempotency_key": None}
    assert square.create(**data)["id"] != square.create(**data)["id"]


@fact(CHOICE, choice="idempotency key, lifetime")
def a_key_lives_for_a_day(square: Square) -> None:
    """Within 24 hours it answers, afterwards it is new."""
    first = square.create(idempotency_key="k-1", **AVA)
    after(square, 24 * 3600 - 1)
    assert square.create(idempotency_key="k-1", **AVA) == first
    after(square, 2)
    assert square.create(idempotency_key="k-1", **AVA)["id"] != first["id"]


@fact(CHOICE, choice="idempotency key, space")
def create_and_bulk_create_share_their_keys(square: Square) -> None:
    """A key of one answers in the other, in both directions."""
    first = square.create(idempotency_key="k-1", **AVA)
    body = {"customers": {"k-1": AVA, "k-2": AVA}}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-create", body)["responses"]
    assert answers["k-1"]["customer"] == first
    assert square.create(idempotency_key="k-2", **AVA) == answers["k-2"]["customer"]


@fact(CHOICE, choice="idempotency key, space")
def customers_and_groups_share_their_keys(square: Square) -> None:
    """A customer's key is none for a group."""
    square.create(idempotency_key="k-1", **AVA)
    body = {"idempotency_key": "k-1", "group": {"name": "A"}}
    assert square.refused("POST", GROUPS, body) == REUSED


@fact(CHOICE, choice="idempotency key after a merge")
def a_key_answers_after_a_merge(square: Square) -> None:
    """With the profile as it was created, whose id leads to the survivor."""
    first = square.create(idempotency_key="k-1", **AVA)
    new = merged(square, first, square.create(given_name="A."))
    assert square.create(idempotency_key="k-1", **AVA) == first
    assert square.get(first["id"])["id"] == new["id"]


@fact(f"{REFERENCE}: BulkCreateCustomers")
def a_repeated_bulk_create_answers_the_originals(square: Square) -> None:
    """After a time-out the whole batch may be sent again with the same keys."""
    body = {"customers": {f"k-{i}": {"given_name": f"N{i}"} for i in range(5)}}
    first = square.ok("POST", f"{CUSTOMERS}/bulk-create", body)
    assert square.ok("POST", f"{CUSTOMERS}/bulk-create", body) == first
    assert len(square.ok("GET", CUSTOMERS)["customers"]) == 5


@fact(f"{REFERENCE}: BulkCreateCustomers")
def a_batch_that_was_half_done_is_completed(square: Square) -> None:
    """Finished entries answer with their original profile, the others are made."""
    entries = {f"k-{i}": {"given_name": f"N{i}"} for i in range(4)}
    half = dict(list(entries.items())[:2])
    first = square.ok("POST", f"{CUSTOMERS}/bulk-create", {"customers": half})["responses"]
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-create", {"customers": entries})["responses"]
    assert {key: answers[key] for key in half} == first
    assert len(square.ok("GET", CUSTOMERS)["customers"]) == 4


@fact(f"{REFERENCE}: BulkCreateCustomers")
def a_reused_key_in_bulk_is_an_error_of_its_entry(square: Square) -> None:
    """With other data the entry is IDEMPOTENCY_KEY_REUSED; the others are carried out."""
    square.create(idempotency_key="k-1", **AVA)
    body = {"customers": {"k-1": {"given_name": "Eva"}, "k-2": {"given_name": "Eva"}}}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-create", body)["responses"]
    assert [error["code"] for error in answers["k-1"]["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert "customer" in answers["k-2"]


@fact(f"{REFERENCE}: UpdateCustomer")
def updates_have_no_key(square: Square) -> None:
    """It is a field that a single update does not have, and in bulk one to refuse."""
    customer = square.create(**AVA)
    body = {"idempotency_key": "k-1", "nickname": "A"}
    assert square.ok("PUT", path_of(customer), body)["customer"]["version"] == 1
    bulk = {"customers": {customer["id"]: body}}
    answers = square.ok("POST", f"{CUSTOMERS}/bulk-update", bulk)["responses"]
    assert answers[customer["id"]]["errors"][0]["code"] == "BAD_REQUEST"


@fact(CHOICE, choice="idempotency key, space")
def tokens_of_one_seller_share_their_keys(square: Square) -> None:
    """Keys belong to the seller's directory, not to a token."""
    first = square.create(idempotency_key="k-1", **AVA)
    headers = bearer(square, "CUSTOMERS_WRITE")
    body = {"idempotency_key": "k-1", **AVA}
    assert square.ok("POST", CUSTOMERS, body, headers=headers)["customer"] == first


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_idempotency(opened: Opened, check: Check) -> None:
    """Keys are as the documents say."""
    check.hold(opened)
