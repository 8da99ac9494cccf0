"""Cards on file, by the Cards API and by the deprecated calls below a customer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square
from tests.sandbox.contract.vocabulary import (
    CHOICE,
    CUSTOMERS,
    INTEGRATE,
    MISSING,
    NOTES,
    OLD_CLIENT,
    OVERVIEW,
    REFERENCE,
    SEARCH,
    SEGMENTS,
    Check,
    Facts,
    after,
    at,
    bearer,
    merged,
    path_of,
    told,
)

fact = Facts()

CARDS = "/v2/cards"
NONCE = "cnon:card-nonce-ok"
OBJECT = f"{REFERENCE}: Card"
LISTING = f"{REFERENCE}: ListCards"


def body(customer: Any, key: str = "k-1", source: str = NONCE, **card: Any) -> dict[str, Any]:
    """What a create is sent."""
    data = {"customer_id": customer["id"], **card}
    return {"idempotency_key": key, "source_id": source, "card": data}


def stored(square: Square, customer: Any, key: str = "k-1", **card: Any) -> Any:
    """Store a card; return it."""
    return square.ok("POST", CARDS, body(customer, key, **card))["card"]


def ids(square: Square, **parameters: str) -> list[str]:
    """The ids of the cards that are listed."""
    return [card["id"] for card in square.ok("GET", CARDS, params=parameters).get("cards", [])]


# Create


@fact(f"{INTEGRATE}, sandbox test value")
def a_card_is_created_from_the_sandbox_nonce(square: Square) -> None:
    """cnon:card-nonce-ok, for a customer."""
    customer = square.create(given_name="Ava")
    card = stored(square, customer)
    assert (card["customer_id"], card["enabled"]) == (customer["id"], True)


@fact(
    OBJECT,
    rows=[
        ("card_brand", str),
        ("last_4", str),
        ("exp_month", int),
        ("exp_year", int),
        ("merchant_id", str),
        ("version", int),
    ],
)
def a_card_has_what_its_source_tells(square: Square, name: str, kind: type) -> None:
    """Brand, the last digits, expiry; never a number."""
    card = stored(square, square.create(given_name="Ava"))
    assert type(card[name]) is kind
    if name == "last_4":
        assert len(card[name]) == 4
    if name == "exp_month":
        assert 1 <= card[name] <= 12
    if name == "merchant_id":
        assert card[name] == square.sandbox.merchant_id


@fact(
    OBJECT,
    rows=[
        ("cardholder_name", "Ava Moreau"),
        ("reference_id", "crm-1"),
        ("billing_address", {"postal_code": "94103", "country": "US"}),
    ],
)
def a_card_keeps_what_was_sent(square: Square, name: str, value: Any) -> None:
    """Cardholder, reference and billing address."""
    card = stored(square, square.create(given_name="Ava"), **{name: value})
    assert square.ok("GET", f"{CARDS}/{card['id']}")["card"][name] == value


@fact(
    f"{INTEGRATE}, sandbox test value",
    choice="postal code with a test value",
    rows=[("12345",), ("SW1A 1AA",)],
)
def the_postal_code_of_the_test_card_is_94103(square: Square, postal_code: str) -> None:
    """If billing_address.postal_code is given, the value must be 94103."""
    customer = square.create(given_name="Ava")
    asked = body(customer, billing_address={"postal_code": postal_code})
    assert told(square, "POST", CARDS, asked) == (400, "INVALID_CARD_DATA")
    assert ids(square) == []


@fact(CHOICE, choice="card behind cnon:card-nonce-ok")
def the_test_card(square: Square) -> None:
    """A VISA that expires in two years."""
    card = stored(square, square.create(given_name="Ava"))
    told = (card["card_brand"], card["last_4"], card["exp_month"], card["exp_year"])
    assert told == ("VISA", "5858", 9, 2027)


@fact(OBJECT, rows=[("cardholder_name", 96), ("reference_id", 128)])
def texts_of_a_card_have_limits(square: Square, name: str, limit: int) -> None:
    """At the limit they are kept, over it refused."""
    customer = square.create(given_name="Ava")
    assert stored(square, customer, **{name: "n" * limit})[name] == "n" * limit
    asked = body(customer, "k-2", **{name: "n" * (limit + 1)})
    assert told(square, "POST", CARDS, asked) == (400, "VALUE_TOO_LONG")


@fact(f"{REFERENCE}: CreateCard", rows=[("idempotency_key",), ("source_id",), ("card",)])
def a_create_needs_three_members(square: Square, member: str) -> None:
    """A key, a source and the card."""
    asked = body(square.create(given_name="Ava"))
    del asked[member]
    assert told(square, "POST", CARDS, asked)[0] == 400


@fact(f"{REFERENCE}: CreateCard")
def a_key_of_a_card_has_45_characters_at_most(square: Square) -> None:
    """46 are too long."""
    customer = square.create(given_name="Ava")
    stored(square, customer, "k" * 45)
    assert told(square, "POST", CARDS, body(customer, "k" * 46)) == (400, "VALUE_TOO_LONG")


@fact(f"{REFERENCE}: CreateCard")
def a_repeated_create_of_a_card_answers_the_original(square: Square) -> None:
    """Same key and same body: one card."""
    customer = square.create(given_name="Ava")
    assert stored(square, customer) == stored(square, customer)
    assert len(ids(square)) == 1


@fact(f"{REFERENCE}: CreateCard")
def a_card_needs_a_customer_that_exists(square: Square) -> None:
    """An unknown one is refused."""
    assert 400 <= told(square, "POST", CARDS, body({"id": MISSING}))[0] < 500


@fact(f"{REFERENCE}: CreateCard", rows=[("cnon:made-up",), ("4111111111111111",)])
def a_card_needs_a_source_that_exists(square: Square, source: str) -> None:
    """Another token is refused; nobody sends a card's number."""
    asked = body(square.create(given_name="Ava"), source=source)
    assert 400 <= told(square, "POST", CARDS, asked)[0] < 500
    assert ids(square) == []


@fact(CHOICE, choice="CreateCard from a payment")
def a_card_is_not_created_from_a_payment(square: Square) -> None:
    """The sandbox saves cards from test values only, and says so."""
    customer = square.create(given_name="Ava")
    money = {"amount": 100, "currency": "USD"}
    asked = {"idempotency_key": "p-1", "source_id": NONCE, "amount_money": money}
    payment = square.ok("POST", "/v2/payments", asked)["payment"]
    assert told(square, "POST", CARDS, body(customer, source=payment["id"]))[0] == 400
    assert ids(square) == []


@fact(CHOICE, choice="customer_id of a merged or unknown profile in a body")
def a_card_needs_the_new_id_of_a_merged_customer(square: Square) -> None:
    """404 NOT_FOUND for one that was merged away, and for one that never was."""
    old = square.create(given_name="Ava")
    merged(square, old, square.create(given_name="A."))
    assert told(square, "POST", CARDS, body(old)) == (404, "NOT_FOUND")
    assert told(square, "POST", CARDS, body({"id": MISSING})) == (404, "NOT_FOUND")


@fact(f"{OVERVIEW}, Customer profile versions and optimistic concurrency support")
def cards_do_not_raise_the_customers_version(square: Square) -> None:
    """Neither storing nor disabling one."""
    customer = square.create(given_name="Ava")
    card = stored(square, customer)
    square.ok("POST", f"{CARDS}/{card['id']}/disable")
    assert square.get(customer["id"])["version"] == 0


# Retrieve, list, disable


@fact(f"{REFERENCE}: RetrieveCard")
def a_card_is_retrieved_by_id(square: Square) -> None:
    """As it was created."""
    card = stored(square, square.create(given_name="Ava"))
    assert square.ok("GET", f"{CARDS}/{card['id']}") == {"card": card}


@fact(f"{REFERENCE}, error codes", rows=[("GET", ""), ("POST", "/disable")])
def an_unknown_card_is_not_found(square: Square, method: str, more: str) -> None:
    """404 NOT_FOUND."""
    assert told(square, method, f"{CARDS}/ccof:made-up{more}") == (404, "NOT_FOUND")


@fact(f"{REFERENCE}: DisableCard")
def a_disabled_card_stays_disabled(square: Square) -> None:
    """It cannot be undone; the card can still be retrieved."""
    card = stored(square, square.create(given_name="Ava"))
    disabled = square.ok("POST", f"{CARDS}/{card['id']}/disable")["card"]
    assert disabled["enabled"] is False
    assert square.ok("GET", f"{CARDS}/{card['id']}")["card"] == disabled
    assert told(square, "POST", f"{CARDS}/{card['id']}/enable")[0] == 404


@fact(LISTING)
def disabled_cards_are_listed_on_request(square: Square) -> None:
    """By default all enabled cards are returned."""
    customer = square.create(given_name="Ava")
    one, two = stored(square, customer, "k-1"), stored(square, customer, "k-2")
    square.ok("POST", f"{CARDS}/{one['id']}/disable")
    assert ids(square) == [two["id"]]
    assert sorted(ids(square, include_disabled="true")) == sorted([one["id"], two["id"]])


@fact(LISTING)
def cards_are_listed_by_customer(square: Square) -> None:
    """By default all cards of the merchant are returned."""
    a, b = square.create(given_name="A"), square.create(given_name="B")
    one, two = stored(square, a, "k-1"), stored(square, b, "k-2")
    assert ids(square, customer_id=a["id"]) == [one["id"]]
    assert ids(square, customer_id=b["id"]) == [two["id"]]
    assert ids(square, customer_id=MISSING) == []
    assert len(ids(square)) == 2


@fact(LISTING)
def cards_are_listed_by_reference(square: Square) -> None:
    """Those associated with the reference supplied."""
    customer = square.create(given_name="A")
    one = stored(square, customer, "k-1", reference_id="r-1")
    stored(square, customer, "k-2", reference_id="r-2")
    assert ids(square, reference_id="r-1") == [one["id"]]


@fact(LISTING, rows=[("ASC", False), ("DESC", True), (None, False)])
def cards_are_listed_by_age(square: Square, order: str | None, newest_first: bool) -> None:
    """Ascending by default."""
    customer, made = square.create(given_name="A"), []
    for number in range(3):
        made.append(stored(square, customer, f"k-{number}")["id"])
        after(square, 1)
    listed = ids(square, **({"sort_order": order} if order else {}))
    assert listed == (made[::-1] if newest_first else made)


@fact(CHOICE, choice="order of cards and gift cards in a list")
def cards_of_one_moment_are_listed_by_id(square: Square) -> None:
    """In the direction of the list."""
    customer = square.create(given_name="A")
    made = sorted(stored(square, customer, f"k-{number}")["id"] for number in range(4))
    assert ids(square) == made
    assert ids(square, sort_order="DESC") == made[::-1]


@fact(CHOICE, choice="cards, gift cards, orders and payments and the lag", lag=30.0)
def cards_do_not_lag(square: Square) -> None:
    """They are listed as soon as they are stored."""
    card = stored(square, square.create(given_name="A"))
    assert ids(square) == [card["id"]]


@fact(LISTING)
def a_page_has_25_cards(square: Square) -> None:
    """And a cursor for the rest."""
    customer = square.create(given_name="A")
    made = {stored(square, customer, f"k-{number}")["id"] for number in range(26)}
    first = square.ok("GET", CARDS)
    second = square.ok("GET", CARDS, params={"cursor": first["cursor"]})
    assert (len(first["cards"]), len(second["cards"]), "cursor" in second) == (25, 1, False)
    assert {card["id"] for card in first["cards"] + second["cards"]} == made


@fact(LISTING)
def without_cards_a_list_is_an_empty_object(square: Square) -> None:
    """A key without values is left out."""
    assert square.ok("GET", CARDS) == {}


# The deprecated calls, and what belongs to a customer


@fact(f"{REFERENCE}: CreateCustomerCard")
def a_card_is_created_below_a_customer(square: Square) -> None:
    """By a card_nonce; deprecated and still there."""
    customer = square.create(given_name="Ava")
    card = square.ok("POST", f"{path_of(customer)}/cards", {"card_nonce": NONCE})["card"]
    assert len(card["last_4"]) == 4
    assert ids(square, customer_id=customer["id"]) == [card["id"]]


@fact(OLD_CLIENT, choice="CreateCustomerCard with the same nonce")
def the_same_nonce_returns_the_same_card(square: Square) -> None:
    """Calls to CreateCustomerCard are idempotent."""
    path = f"{path_of(square.create(given_name='Ava'))}/cards"
    first, second = (square.ok("POST", path, {"card_nonce": NONCE})["card"] for _ in "ab")
    assert first["id"] == second["id"]
    assert len(ids(square)) == 1


@fact(CHOICE, choice="CreateCustomerCard with the same nonce")
def the_same_nonce_is_another_card_for_another_customer(square: Square) -> None:
    """And once the first card is disabled."""
    one, two = square.create(given_name="A"), square.create(given_name="B")
    nonce = {"card_nonce": NONCE}
    first = square.ok("POST", f"{path_of(one)}/cards", nonce)["card"]
    other = square.ok("POST", f"{path_of(two)}/cards", nonce)["card"]
    square.ok("POST", f"{CARDS}/{first['id']}/disable")
    again = square.ok("POST", f"{path_of(one)}/cards", nonce)["card"]
    assert len({card["id"] for card in (first, other, again)}) == 3


@fact(OLD_CLIENT, choice="DeleteCustomerCard")
def a_card_is_removed_from_a_customer(square: Square) -> None:
    """{}; it is no longer on file, but disabled."""
    customer = square.create(given_name="Ava")
    card = square.ok("POST", f"{path_of(customer)}/cards", {"card_nonce": NONCE})["card"]
    assert square.ok("DELETE", f"{path_of(customer)}/cards/{card['id']}") == {}
    assert ids(square, customer_id=customer["id"]) == []
    assert square.ok("GET", f"{CARDS}/{card['id']}")["card"]["enabled"] is False


@fact(f"{REFERENCE}: CreateCustomerCard, DeleteCustomerCard")
def the_deprecated_calls_need_a_customer(square: Square) -> None:
    """404 NOT_FOUND for an unknown one, and for a card that is not there."""
    customer = square.create(given_name="Ava")
    path = f"{CUSTOMERS}/{MISSING}/cards"
    assert told(square, "POST", path, {"card_nonce": NONCE}) == (404, "NOT_FOUND")
    assert told(square, "DELETE", f"{path}/ccof:x") == (404, "NOT_FOUND")
    assert told(square, "DELETE", f"{path_of(customer)}/cards/ccof:x") == (404, "NOT_FOUND")


@fact(OLD_CLIENT, choice="cards of a deleted profile")
def deleting_a_customer_deletes_its_cards(square: Square) -> None:
    """A customer is deleted along with any linked cards on file."""
    customer = square.create(given_name="Ava")
    card = stored(square, customer)
    square.ok("DELETE", path_of(customer))
    assert ids(square, include_disabled="true") == []
    assert told(square, "GET", f"{CARDS}/{card['id']}") == (404, "NOT_FOUND")


@fact(CHOICE, choice="cards and gift cards of merged profiles")
def the_cards_of_merged_customers_go_to_the_new_one(square: Square) -> None:
    """Nobody loses a card on file by being merged."""
    a, b = square.create(given_name="A"), square.create(given_name="B")
    cards = [stored(square, customer, key)["id"] for customer, key in ((a, "k-1"), (b, "k-2"))]
    c = merged(square, a, b)
    assert sorted(ids(square, customer_id=c["id"])) == sorted(cards)
    assert ids(square, customer_id=a["id"]) == []


@fact(
    f"{NOTES}, retired in version 2024-12-18",
    rows=[
        *(("2021-07-21", True), ("2024-11-20", True)),
        *(("2024-12-18", False), ("2025-08-20", False)),
    ],
)
def customers_named_their_cards(square: Square, version: str, named: bool) -> None:
    """Customer.cards is returned up to 2024-11-20 and gone since."""
    customer = square.create(given_name="Ava")
    card = stored(square, customer)
    shown = square.ok("GET", path_of(customer), headers=at(version))["customer"]
    assert [one["id"] for one in shown.get("cards", [])] == ([card["id"]] if named else [])
    assert ("cards" in shown) == named


@fact(CHOICE, choice="cards of profiles before 2024-12-18")
def cards_of_profiles_are_the_enabled_ones(square: Square) -> None:
    """In the short form of the deprecated calls; absent from a customer without any."""
    old = at("2024-11-20")
    customer = square.create(given_name="Ava")
    assert "cards" not in square.ok("GET", path_of(customer), headers=old)["customer"]
    one, two = stored(square, customer, "k-1"), stored(square, customer, "k-2")
    square.ok("POST", f"{CARDS}/{one['id']}/disable")
    (shown,) = square.ok("GET", path_of(customer), headers=old)["customer"]["cards"]
    assert shown["id"] == two["id"]
    assert {"customer_id", "merchant_id", "enabled", "version"}.isdisjoint(shown)


@fact(f"{REFERENCE}: CustomerSegment, CARDS_ON_FILE", choice="CARDS_ON_FILE")
def there_is_a_segment_of_those_with_a_card(square: Square) -> None:
    """It follows from the data: storing a card enters it, disabling the last one leaves it."""
    segments = square.ok("GET", SEGMENTS)["segments"]
    (segment,) = (one["id"] for one in segments if one["id"].endswith(".CARDS_ON_FILE"))
    customer = square.create(given_name="Ava")
    square.create(given_name="Bo")
    asked = {"query": {"filter": {"segment_ids": {"any": [segment]}}}}
    card = stored(square, customer)
    assert segment in square.get(customer["id"])["segment_ids"]
    found = square.ok("POST", SEARCH, asked)["customers"]
    assert [one["given_name"] for one in found] == ["Ava"]
    square.ok("POST", f"{CARDS}/{card['id']}/disable")
    assert segment not in square.get(customer["id"]).get("segment_ids", [])
    assert square.ok("POST", SEARCH, asked) == {}


@fact(CHOICE, choice="scopes of the Cards API", rows=[("GET", CARDS), ("GET", f"{CARDS}/ccof:x")])
def reading_cards_needs_payments_read(square: Square, method: str, path: str) -> None:
    """CUSTOMERS_READ is not enough."""
    headers = bearer(square, "CUSTOMERS_READ", "CUSTOMERS_WRITE", "PAYMENTS_WRITE")
    assert square.refused(method, path, headers=headers) == (403, [("INSUFFICIENT_SCOPES", "")])


@fact(
    CHOICE,
    choice="scopes of the Cards API",
    rows=[("POST", CARDS), ("POST", f"{CARDS}/ccof:x/disable")],
)
def writing_cards_needs_payments_write(square: Square, method: str, path: str) -> None:
    """CUSTOMERS_WRITE is not enough."""
    headers = bearer(square, "CUSTOMERS_READ", "CUSTOMERS_WRITE", "PAYMENTS_READ")
    assert square.refused(method, path, headers=headers) == (403, [("INSUFFICIENT_SCOPES", "")])


@fact(f"{INTEGRATE}, deprecated", rows=[("POST", "/cards"), ("DELETE", "/cards/ccof:x")])
def the_deprecated_calls_need_customers_write(square: Square, method: str, more: str) -> None:
    """You need CUSTOMERS_WRITE permission to save a card on file."""
    headers = bearer(square, "CUSTOMERS_READ", "PAYMENTS_WRITE")
    path = f"{CUSTOMERS}/{MISSING}{more}"
    assert square.refused(method, path, headers=headers) == (403, [("INSUFFICIENT_SCOPES", "")])


@pytest.mark.parametrize("check", fact.checks, ids=str)
def test_cards(opened: Opened, check: Check) -> None:
    """Cards are as the documents say."""
    check.hold(opened)
