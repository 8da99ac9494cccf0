"""Gift cards: list, create, activate, link and unlink."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    MISSING,
    REFERENCE,
    Check,
    Facts,
    after,
    bearer,
    merged,
    path_of,
    told,
)

fact = Facts()

GIFT_CARDS = "/v2/gift-cards"
ACTIVITIES = f"{GIFT_CARDS}/activities"
OBJECT = f"{REFERENCE}: GiftCard"
LISTING = f"{REFERENCE}: ListGiftCards"
LINKING = f"{REFERENCE}: LinkCustomerToGiftCard, UnlinkCustomerFromGiftCard"


def location(square: Square) -> str:
    """The id of the main location."""
    return str(square.ok("GET", "/v2/locations/main")["location"]["id"])


def body(square: Square, key: str = "k-1", **gift_card: Any) -> dict[str, Any]:
    """What a create is sent."""
    return {
        "idempotency_key": key,
        "location_id": location(square),
        "gift_card": {"type": "DIGITAL", **gift_card},
    }


def made(square: Square, key: str = "k-1", **gift_card: Any) -> Any:
    """Create a gift card; return it."""
    return square.ok("POST", GIFT_CARDS, body(square, key, **gift_card))["gift_card"]


def activity(
    square: Square, gift_card: Any, kind: str = "ACTIVATE", key: str = "a-1", **details: Any
) -> dict[str, Any]:
    """What an activity of 25.00 is sent."""
    money = {"amount_money": {"amount": 2500, "currency": "USD"}}
    content = {
        "type": kind,
        "location_id": location(square),
        "gift_card_id": gift_card["id"],
        f"{kind.lower()}_activity_details": {**money, **details},
    }
    return {"idempotency_key": key, "gift_card_activity": content}


def activated(square: Square, gift_card: Any) -> Any:
    """Activate a gift card; return the activity."""
    asked = activity(square, gift_card, buyer_payment_instrument_ids=["instrument-1"])
    return square.ok("POST", ACTIVITIES, asked)["gift_card_activity"]


def link(square: Square, gift_card: Any, customer: Any, call: str = "link") -> Any:
    """Link a customer to a gift card, or unlink it; return the gift card."""
    path = f"{GIFT_CARDS}/{gift_card['id']}/{call}-customer"
    return square.ok("POST", path, {"customer_id": customer["id"]})["gift_card"]


def ids(square: Square, **parameters: str) -> list[str]:
    """The ids of the gift cards that are listed."""
    answer = square.ok("GET", GIFT_CARDS, params=parameters)
    return [one["id"] for one in answer.get("gift_cards", [])]


@fact(f"{REFERENCE}: CreateGiftCard")
def a_new_gift_card_is_pending(square: Square) -> None:
    """Without a balance; Square makes up a number of 16 digits."""
    gift_card = made(square)
    assert (gift_card["type"], gift_card["state"]) == ("DIGITAL", "PENDING")
    assert gift_card["balance_money"] == {"amount": 0, "currency": "USD"}
    assert re.fullmatch(r"\d{16}", gift_card["gan"])
    assert "customer_ids" not in gift_card


@fact(f"{REFERENCE}: CreateGiftCardActivity")
def an_activation_gives_it_a_balance(square: Square) -> None:
    """PENDING becomes ACTIVE."""
    gift_card = made(square)
    done = activated(square, gift_card)
    assert (done["type"], done["gift_card_id"]) == ("ACTIVATE", gift_card["id"])
    assert done["gift_card_balance_money"] == {"amount": 2500, "currency": "USD"}
    shown = square.ok("GET", f"{GIFT_CARDS}/{gift_card['id']}")["gift_card"]
    assert (shown["state"], shown["balance_money"]["amount"]) == ("ACTIVE", 2500)


@fact(CHOICE, choice="activation without buyer_payment_instrument_ids")
def an_activation_need_not_name_how_it_was_paid(square: Square) -> None:
    """The amount is enough."""
    gift_card = made(square)
    square.ok("POST", ACTIVITIES, activity(square, gift_card))
    shown = square.ok("GET", f"{GIFT_CARDS}/{gift_card['id']}")["gift_card"]
    assert shown["state"] == "ACTIVE"


@fact(CHOICE, choice="gift card activities")
def a_gift_card_is_loaded(square: Square) -> None:
    """LOAD adds to the balance of an active one; other activities are refused."""
    gift_card = made(square)
    assert square.send("POST", ACTIVITIES, json=activity(square, gift_card, "LOAD")).is_error
    activated(square, gift_card)
    square.ok("POST", ACTIVITIES, activity(square, gift_card, "LOAD", "a-2"))
    shown = square.ok("GET", f"{GIFT_CARDS}/{gift_card['id']}")["gift_card"]
    assert shown["balance_money"]["amount"] == 5000
    for kind in ("REDEEM", "DEACTIVATE", "BLOCK"):
        asked = activity(square, gift_card, kind, f"a-{kind}")
        assert told(square, "POST", ACTIVITIES, asked)[0] == 400


@fact(f"{REFERENCE}: RetrieveGiftCard")
def a_gift_card_is_retrieved_by_id(square: Square) -> None:
    """As it was created."""
    gift_card = made(square)
    assert square.ok("GET", f"{GIFT_CARDS}/{gift_card['id']}") == {"gift_card": gift_card}


@fact(f"{REFERENCE}: RetrieveGiftCardFromGAN")
def a_gift_card_is_retrieved_by_its_number(square: Square) -> None:
    """The GAN in the body."""
    gift_card = made(square)
    answer = square.ok("POST", f"{GIFT_CARDS}/from-gan", {"gan": gift_card["gan"]})
    assert answer == {"gift_card": gift_card}


@fact(f"{REFERENCE}: RetrieveGiftCardFromNonce", choice="GetGiftCardFromNonce")
def a_gift_card_is_retrieved_by_a_nonce(square: Square) -> None:
    """Which is cnon: and its number."""
    gift_card = made(square)
    nonce = {"nonce": f"cnon:{gift_card['gan']}"}
    assert square.ok("POST", f"{GIFT_CARDS}/from-nonce", nonce) == {"gift_card": gift_card}
    other = {"nonce": "cnon:made-up"}
    assert told(square, "POST", f"{GIFT_CARDS}/from-nonce", other)[0] == 404


@fact(f"{REFERENCE}: CreateGiftCard", choice="gan of a customer's own")
def a_gift_card_may_have_a_number_of_its_own(square: Square) -> None:
    """With gan_source OTHER, 8 to 20 letters and digits, once."""
    own = {"gan_source": "OTHER", "gan": "AVA2025GIFT"}
    assert made(square, **own)["gan"] == own["gan"]
    assert told(square, "POST", GIFT_CARDS, body(square, "k-2", **own)) == (400, "INVALID_VALUE")
    for gan in ("AVA2025", "A" * 21, "AVA 2025 GIFT"):
        asked = body(square, "k-3", **own | {"gan": gan})
        assert told(square, "POST", GIFT_CARDS, asked)[0] == 400
    alone = body(square, "k-4", gan="BEA2025GIFT")
    assert told(square, "POST", GIFT_CARDS, alone)[0] == 400


@fact(CHOICE, choice="idempotency key, length of gift cards and orders")
def a_key_of_a_gift_card_has_128_characters_at_most(square: Square) -> None:
    """129 are too long."""
    made(square, "k" * 128)
    assert told(square, "POST", GIFT_CARDS, body(square, "k" * 129)) == (400, "VALUE_TOO_LONG")


@fact(f"{REFERENCE}, error codes")
def an_unknown_gift_card_is_not_found(square: Square) -> None:
    """404 NOT_FOUND, by id and by number."""
    assert told(square, "GET", f"{GIFT_CARDS}/gftc:x") == (404, "NOT_FOUND")
    status = told(square, "POST", f"{GIFT_CARDS}/from-gan", {"gan": "7783320001001635"})[0]
    assert status == 404


@fact(f"{REFERENCE}: CreateGiftCard", rows=[("VOUCHER",), ("digital",), (None,)])
def the_type_is_an_enumeration(square: Square, kind: str | None) -> None:
    """PHYSICAL or DIGITAL, and required."""
    assert told(square, "POST", GIFT_CARDS, body(square, type=kind))[0] == 400


@fact(f"{REFERENCE}: CreateGiftCard")
def a_repeated_create_of_a_gift_card_answers_the_original(square: Square) -> None:
    """Same key and same body: one gift card."""
    assert made(square) == made(square)
    assert len(ids(square)) == 1


@fact(LINKING)
def a_customer_is_linked(square: Square) -> None:
    """The gift card names its customers."""
    gift_card, customer = made(square), square.create(given_name="Ava")
    assert link(square, gift_card, customer)["customer_ids"] == [customer["id"]]
    shown = square.ok("GET", f"{GIFT_CARDS}/{gift_card['id']}")["gift_card"]
    assert shown["customer_ids"] == [customer["id"]]


@fact(LINKING)
def a_customer_is_unlinked(square: Square) -> None:
    """Then the list is absent again."""
    gift_card, customer = made(square), square.create(given_name="Ava")
    link(square, gift_card, customer)
    assert "customer_ids" not in link(square, gift_card, customer, "unlink")
    assert ids(square, customer_id=customer["id"]) == []


@fact(LINKING)
def a_gift_card_has_several_customers(square: Square) -> None:
    """And a customer several gift cards."""
    one, two = made(square, "k-1"), made(square, "k-2")
    a, b = square.create(given_name="A"), square.create(given_name="B")
    for gift_card, customer in ((one, a), (one, b), (two, a)):
        link(square, gift_card, customer)
    assert sorted(ids(square, customer_id=a["id"])) == sorted([one["id"], two["id"]])
    assert ids(square, customer_id=b["id"]) == [one["id"]]


@fact(CHOICE, choice="customers of a gift card")
def a_gift_card_has_any_number_of_customers(square: Square) -> None:
    """No limit is told."""
    gift_card = made(square)
    customers = [square.create(given_name=f"N{number}") for number in range(12)]
    for customer in customers:
        linked = link(square, gift_card, customer)
    assert set(linked["customer_ids"]) == {customer["id"] for customer in customers}


@fact(CHOICE, choice="linking a gift card twice, unlinking who is not linked")
def a_link_without_effect(square: Square) -> None:
    """200 with the gift card, unchanged."""
    gift_card, customer = made(square), square.create(given_name="Ava")
    assert link(square, gift_card, customer, "unlink") == gift_card
    linked = link(square, gift_card, customer)
    assert link(square, gift_card, customer) == linked


@fact(CHOICE, choice="customer_id of a merged or unknown profile in a body")
def a_link_needs_the_new_id_of_a_merged_customer(square: Square) -> None:
    """404 NOT_FOUND for one that was merged away, and for one that never was."""
    old = square.create(given_name="Ava")
    merged(square, old, square.create(given_name="A."))
    path = f"{GIFT_CARDS}/{made(square)['id']}/link-customer"
    for customer_id in (old["id"], MISSING):
        assert told(square, "POST", path, {"customer_id": customer_id}) == (404, "NOT_FOUND")


@fact(CHOICE, choice="cards of a deleted profile")
def the_gift_cards_of_a_deleted_customer_are_unlinked(square: Square) -> None:
    """They are worth money, so they stay."""
    gift_card, customer = made(square), square.create(given_name="Ava")
    link(square, gift_card, customer)
    square.ok("DELETE", path_of(customer))
    assert square.ok("GET", f"{GIFT_CARDS}/{gift_card['id']}")["gift_card"] == gift_card


@fact(CHOICE, choice="cards and gift cards of merged profiles")
def the_gift_cards_of_merged_customers_go_to_the_new_one(square: Square) -> None:
    """Once, even if both had it."""
    gift_card = made(square)
    a, b = square.create(given_name="A"), square.create(given_name="B")
    link(square, gift_card, a)
    link(square, gift_card, b)
    c = merged(square, a, b)
    shown = square.ok("GET", f"{GIFT_CARDS}/{gift_card['id']}")["gift_card"]
    assert shown["customer_ids"] == [c["id"]]


@fact(CHOICE, choice="CARDS_ON_FILE")
def a_gift_card_is_no_card_on_file(square: Square) -> None:
    """The segment counts credit and debit cards."""
    customer = square.create(given_name="Ava")
    link(square, made(square), customer)
    assert "segment_ids" not in square.get(customer["id"])


@fact(LINKING, rows=[("link",), ("unlink",)])
def a_link_needs_a_gift_card_and_an_id(square: Square, call: str) -> None:
    """404 for an unknown gift card; ids of 0 and of 192 characters are refused."""
    gift_card, customer = made(square), square.create(given_name="Ava")
    unknown = f"{GIFT_CARDS}/gftc:x/{call}-customer"
    assert told(square, "POST", unknown, {"customer_id": customer["id"]}) == (404, "NOT_FOUND")
    path = f"{GIFT_CARDS}/{gift_card['id']}/{call}-customer"
    for body in ({"customer_id": ""}, {"customer_id": "x" * 192}, {}):
        assert told(square, "POST", path, body)[0] == 400


@fact(OBJECT)
def the_customers_of_a_gift_card_are_read_only(square: Square) -> None:
    """customer_ids cannot be created."""
    customer = square.create(given_name="Ava")
    asked = body(square, customer_ids=[customer["id"]])
    answer = square.send("POST", GIFT_CARDS, json=asked)
    assert "customer_ids" not in answer.json().get("gift_card", {})


# Lists


@fact(LISTING)
def a_list_has_30_gift_cards_by_default(square: Square) -> None:
    """And a cursor for the rest."""
    all_ids = {made(square, f"k-{i}")["id"] for i in range(31)}
    first = square.ok("GET", GIFT_CARDS)
    second = square.ok("GET", GIFT_CARDS, params={"cursor": first["cursor"]})
    assert (len(first["gift_cards"]), len(second["gift_cards"])) == (30, 1)
    assert "cursor" not in second
    assert {one["id"] for one in first["gift_cards"] + second["gift_cards"]} == all_ids


@fact(LISTING, rows=[("1", 1), ("200", 3)])
def limits_of_gift_cards_are_1_and_200(square: Square, limit: str, size: int) -> None:
    """Both bounds are good."""
    for number in range(3):
        made(square, f"k-{number}")
    assert len(ids(square, limit=limit)) == size


@fact(LISTING, rows=[("0", "VALUE_TOO_LOW"), ("201", "VALUE_TOO_HIGH")])
def other_limits_of_gift_cards_are_refused(square: Square, limit: str, code: str) -> None:
    """400."""
    assert square.refused("GET", GIFT_CARDS, params={"limit": limit}) == (400, [(code, "limit")])


@fact(LISTING)
def gift_cards_are_listed_by_type_and_state(square: Square) -> None:
    """Both filters together, too."""
    one, two = made(square, "k-1"), made(square, "k-2")
    activated(square, one)
    assert ids(square, state="ACTIVE") == [one["id"]]
    assert ids(square, state="PENDING") == [two["id"]]
    assert ids(square, type="PHYSICAL") == []
    assert sorted(ids(square, type="DIGITAL")) == sorted([one["id"], two["id"]])
    assert ids(square, type="DIGITAL", state="ACTIVE") == [one["id"]]


@fact(LISTING, rows=[("type", "VOUCHER"), ("state", "OPEN")])
def filters_of_gift_cards_are_enumerations(square: Square, name: str, value: str) -> None:
    """Another value is none of the enum's."""
    assert square.send("GET", GIFT_CARDS, params={name: value}).status_code == 400


@fact(LISTING)
def the_oldest_gift_card_is_listed_first(square: Square) -> None:
    """Results are sorted by created_at in ascending order."""
    expected = []
    for number in range(3):
        expected.append(made(square, f"k-{number}")["id"])
        after(square, 1)
    assert ids(square) == expected


@fact(CHOICE, choice="order of cards and gift cards in a list")
def gift_cards_of_one_moment_are_listed_by_id(square: Square) -> None:
    """Ties are by id."""
    expected = sorted(made(square, f"k-{number}")["id"] for number in range(4))
    assert ids(square) == expected


@fact(CHOICE, choice="cards, gift cards, orders and payments and the lag", lag=30.0)
def gift_cards_do_not_lag(square: Square) -> None:
    """They are listed as soon as they are made."""
    assert ids(square) == [] != [made(square)["id"]] == ids(square)


@fact(LISTING)
def without_gift_cards_a_list_is_an_empty_object(square: Square) -> None:
    """A key without values is left out."""
    assert square.ok("GET", GIFT_CARDS) == {}


@fact(f"{REFERENCE}, OAuth permissions", rows=[("GET", GIFT_CARDS), ("GET", f"{GIFT_CARDS}/x")])
def reading_gift_cards_needs_giftcards_read(square: Square, method: str, path: str) -> None:
    """GIFTCARDS_READ."""
    headers = bearer(square, "CUSTOMERS_READ", "GIFTCARDS_WRITE")
    assert square.refused(method, path, headers=headers) == (403, [("INSUFFICIENT_SCOPES", "")])


@fact(
    f"{REFERENCE}, OAuth permissions",
    rows=[
        ("POST", GIFT_CARDS),
        ("POST", ACTIVITIES),
        ("POST", f"{GIFT_CARDS}/x/link-customer"),
        ("POST", f"{GIFT_CARDS}/x/unlink-customer"),
    ],
)
def writing_gift_cards_needs_giftcards_write(square: Square, method: str, path: str) -> None:
    """GIFTCARDS_WRITE."""
    headers = bearer(square, "CUSTOMERS_WRITE", "GIFTCARDS_READ")
    assert square.refused(method, path, headers=headers) == (403, [("INSUFFICIENT_SCOPES", "")])


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_gift_cards(opened: Opened, check: Check) -> None:
    """Gift cards are as the documents say."""
    check.hold(opened)
