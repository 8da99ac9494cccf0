"""Cards on file, by both APIs; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square

CARDS = "/v2/cards"
OK = "cnon:card-nonce-ok"
MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"
BEFORE = {"Square-Version": "2024-11-20"}
ADDRESS = {"address_line_1": "12 High St", "locality": "Leeds", "postal_code": "94103"}


def save(square: Square, customer_id: str, key: str = "k-1", **card: Any) -> Any:
    """Save a card on file with CreateCard."""
    body = {
        "idempotency_key": key,
        "source_id": OK,
        "card": {"customer_id": customer_id, **card},
    }
    return square.ok("POST", CARDS, body)["card"]


def disable(square: Square, card_id: str) -> Any:
    """Disable a card."""
    return square.ok("POST", f"{CARDS}/{card_id}/disable")["card"]


def listed(square: Square, **parameters: Any) -> list[str]:
    """The ids of the cards in a list of one page."""
    answer = square.ok("GET", CARDS, params=parameters)
    assert "cursor" not in answer
    return [card["id"] for card in answer.get("cards", [])]


def test_a_card_is_saved_and_retrieved(square: Square) -> None:
    """The test value is a VISA 5858 (Sandbox test values); members as in the API reference."""
    customer = square.create(given_name="Ava")

    card = save(
        square,
        customer["id"],
        cardholder_name="Ava Hart",
        reference_id="card-1",
        billing_address={**ADDRESS, "first_name": "Ava"},
    )

    assert card.pop("id").startswith("ccof:")
    assert card.pop("fingerprint").startswith("sq-1-")
    assert card == {
        "card_brand": "VISA",
        "last_4": "5858",
        "exp_month": 9,
        "exp_year": 2027,
        "prepaid_type": "NOT_PREPAID",
        "cardholder_name": "Ava Hart",
        "billing_address": ADDRESS,
        "reference_id": "card-1",
        "customer_id": customer["id"],
        "merchant_id": square.sandbox.merchant_id,
        "enabled": True,
        "created_at": "2025-09-01T08:15:30.412Z",
        "version": 1,
    }
    (card_id,) = listed(square)
    assert square.ok("GET", f"{CARDS}/{card_id}")["card"]["version"] == 1
    assert square.get(customer["id"])["version"] == 0


@pytest.mark.parametrize(
    "nonce",
    [
        *("cnon:card-nonce-declined", "cnon:card-nonce-rejected-cvv", "cnon:nobody", "x"),
        *("cnon:card-nonce-already-used", "ccof:customer-card-id-ok", "cnon:gift-card-nonce-ok"),
    ],
)
def test_a_card_that_cannot_be_saved_is_refused_without_a_reason(
    square: Square, nonce: str
) -> None:
    """Whoever saves a card is not told what is wrong with it (developer forum)."""
    customer = square.create(given_name="Ava")
    body = {"idempotency_key": "k", "source_id": nonce, "card": {"customer_id": customer["id"]}}

    assert square.refused("POST", CARDS, body) == (400, [("INVALID_CARD_DATA", "source_id")])
    assert listed(square) == []


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"idempotency_key": None}, 400, "MISSING_REQUIRED_PARAMETER", "idempotency_key"),
        ({"idempotency_key": ""}, 400, "VALUE_EMPTY", "idempotency_key"),
        ({"idempotency_key": "k" * 46}, 400, "VALUE_TOO_LONG", "idempotency_key"),
        ({"source_id": None}, 400, "MISSING_REQUIRED_PARAMETER", "source_id"),
        ({"source_id": 7}, 400, "EXPECTED_STRING", "source_id"),
        ({"verification_token": 7}, 400, "EXPECTED_STRING", "verification_token"),
        ({"card": None}, 400, "MISSING_REQUIRED_PARAMETER", "card"),
        ({"card": [1]}, 400, "EXPECTED_OBJECT", "card"),
        ({"colour": "red"}, 400, "BAD_REQUEST", "colour"),
        ({"card": {}}, 400, "MISSING_REQUIRED_PARAMETER", "card.customer_id"),
        ({"card": {"customer_id": MISSING}}, 404, "NOT_FOUND", ""),
        ({"card": {"customer_id": MISSING, "last_4": "1"}}, 400, "BAD_REQUEST", "card.last_4"),
    ],
)
def test_create_card_checks_its_body(
    square: Square, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    """What is required, and of which type, as in the API reference."""
    body: dict[str, Any] = {"idempotency_key": "k", "source_id": OK}
    body |= {"card": {"customer_id": square.create(given_name="A")["id"]}, **change}

    assert square.refused("POST", CARDS, body) == (status, [(code, field)])


@pytest.mark.parametrize(
    ("card", "code", "field"),
    [
        ({"cardholder_name": "x" * 97}, "VALUE_TOO_LONG", "card.cardholder_name"),
        ({"reference_id": "x" * 129}, "VALUE_TOO_LONG", "card.reference_id"),
        ({"billing_address": "Leeds"}, "EXPECTED_OBJECT", "card.billing_address"),
        (
            {"billing_address": {"postal_code": "9" * 13}},
            "VALUE_TOO_LONG",
            "card.billing_address.postal_code",
        ),
        (
            {"billing_address": {"country": "UK"}},
            "INVALID_ENUM_VALUE",
            "card.billing_address.country",
        ),
        ({"billing_address": {"planet": "x"}}, "BAD_REQUEST", "card.billing_address.planet"),
        ({"billing_address": {"postal_code": "10003"}}, "INVALID_CARD_DATA", "source_id"),
    ],
)
def test_details_of_a_card_are_checked(
    square: Square, card: dict[str, Any], code: str, field: str
) -> None:
    """Lengths are the API reference's; the test value needs postal code 94103 (Integrate...)."""
    card["customer_id"] = square.create(given_name="A")["id"]
    body = {"idempotency_key": "k", "source_id": OK, "card": card}

    assert square.refused("POST", CARDS, body) == (400, [(code, field)])


def test_a_repeated_key_answers_the_first_card(square: Square) -> None:
    """Same key and body: the same card; another body is refused (Idempotency)."""
    customer_id = square.create(given_name="A")["id"]
    card = save(square, customer_id)

    assert save(square, customer_id) == card
    assert listed(square) == [card["id"]]
    body = {"idempotency_key": "k-1", "source_id": OK, "card": {"customer_id": MISSING}}
    assert square.refused("POST", CARDS, body)[1] == [("IDEMPOTENCY_KEY_REUSED", "idempotency_key")]


def test_cards_are_listed_by_customer_and_reference(square: Square) -> None:
    """Filters, both orders, disabled ones on request (API reference)."""
    ava, ben = (square.create(given_name=name)["id"] for name in ("Ava", "Ben"))
    made = []
    for key, customer_id, reference in (("1", ava, "r"), ("2", ben, "r"), ("3", ava, "s")):
        made.append(save(square, customer_id, key, reference_id=reference)["id"])
        square.clock.now += 1
    disable(square, made[2])

    assert listed(square) == made[:2]
    assert listed(square, include_disabled="true") == made
    assert listed(square, include_disabled="true", sort_order="DESC") == made[::-1]
    assert listed(square, customer_id=ava) == [made[0]]
    assert listed(square, customer_id=ava, include_disabled="true") == [made[0], made[2]]
    assert listed(square, reference_id="r") == made[:2]
    assert listed(square, reference_id="r", customer_id=ben) == [made[1]]
    assert square.ok("GET", CARDS, params={"customer_id": MISSING}) == {}


@pytest.mark.parametrize(
    ("parameters", "code", "field"),
    [
        ({"include_disabled": "yes"}, "EXPECTED_BOOLEAN", "include_disabled"),
        ({"sort_order": "UP"}, "INVALID_ENUM_VALUE", "sort_order"),
        ({"cursor": "abc"}, "INVALID_CURSOR", "cursor"),
    ],
)
def test_card_list_parameters_are_checked(
    square: Square, parameters: dict[str, str], code: str, field: str
) -> None:
    """Wrong values have their codes (API reference, code list)."""
    assert square.refused("GET", CARDS, params=parameters) == (400, [(code, field)])


def test_a_page_has_25_cards(square: Square) -> None:
    """25 a page, and no limit to ask for (API reference); a cursor is for its query only."""
    customer_id = square.create(given_name="A")["id"]
    made = [save(square, customer_id, f"k-{i}")["id"] for i in range(52)]
    found: list[str] = []
    parameters: dict[str, Any] = {"customer_id": customer_id, "limit": 3}
    sizes = []
    while True:
        answer = square.ok("GET", CARDS, params=parameters)
        sizes.append(len(answer["cards"]))
        found += [card["id"] for card in answer["cards"]]
        if "cursor" not in answer:
            break
        other = {"cursor": answer["cursor"], "sort_order": "DESC"}
        assert square.refused("GET", CARDS, params=other)[1] == [("INVALID_CURSOR", "cursor")]
        parameters["cursor"] = answer["cursor"]

    assert sizes == [25, 25, 2]
    assert sorted(found) == sorted(made)


def test_a_disabled_card_stays_disabled(square: Square) -> None:
    """Disabling cannot be undone, and a second time has no effect (SDK)."""
    card = save(square, square.create(given_name="A")["id"])
    square.clock.now += 60

    disabled = disable(square, card["id"])

    assert disabled == card | {
        "enabled": False,
        "disabled_at": "2025-09-01T08:16:30.412Z",
        "version": 2,
    }
    assert disable(square, card["id"]) == disabled
    assert square.ok("GET", f"{CARDS}/{card['id']}") == {"card": disabled}
    assert square.refused("POST", f"{CARDS}/ccof:x/disable")[0] == 404
    assert square.refused("GET", f"{CARDS}/ccof:x") == (404, [("NOT_FOUND", "")])


# The deprecated calls


def test_the_same_nonce_answers_the_same_card(square: Square) -> None:
    """CreateCustomerCard is idempotent by its nonce (reference of 2020); a short form."""
    ava, ben = (square.create(given_name=name)["id"] for name in ("Ava", "Ben"))
    body = {"card_nonce": OK, "cardholder_name": "Ava Hart", "billing_address": ADDRESS}

    card = square.ok("POST", f"/v2/customers/{ava}/cards", body)["card"]

    assert card == {
        "id": card["id"],
        "card_brand": "VISA",
        "last_4": "5858",
        "exp_month": 9,
        "exp_year": 2027,
        "cardholder_name": "Ava Hart",
        "billing_address": ADDRESS,
    }
    again = square.ok("POST", f"/v2/customers/{ava}/cards", {"card_nonce": OK})["card"]
    assert again == card
    other = square.ok("POST", f"/v2/customers/{ben}/cards", {"card_nonce": OK})["card"]
    assert other["id"] != card["id"]
    assert listed(square, customer_id=ava) == [card["id"]]


def test_a_customer_card_is_deleted(square: Square) -> None:
    """DeleteCustomerCard takes it off the customer (reference of 2020), by disabling it."""
    ava, ben = (square.create(given_name=name)["id"] for name in ("Ava", "Ben"))
    path = f"/v2/customers/{ava}/cards"
    card_id = square.ok("POST", path, {"card_nonce": OK})["card"]["id"]

    assert square.refused("DELETE", f"/v2/customers/{ben}/cards/{card_id}")[0] == 404
    assert square.ok("DELETE", f"{path}/{card_id}") == {}

    assert listed(square) == []
    assert square.ok("GET", f"{CARDS}/{card_id}")["card"]["enabled"] is False
    assert square.refused("DELETE", f"{path}/{card_id}") == (404, [("NOT_FOUND", "")])
    assert square.ok("POST", path, {"card_nonce": OK})["card"]["id"] != card_id


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "MISSING_REQUIRED_PARAMETER", "card_nonce"),
        ({"card_nonce": {"number": "4"}}, "EXPECTED_STRING", "card_nonce"),
        ({"card_nonce": "cnon:card-nonce-declined"}, "INVALID_CARD_DATA", "card_nonce"),
        ({"card_nonce": OK, "customer_id": "x"}, "BAD_REQUEST", "customer_id"),
        ({"card_nonce": OK, "verification_token": 1}, "EXPECTED_STRING", "verification_token"),
        ({"card_nonce": OK, "billing_address": 1}, "EXPECTED_OBJECT", "billing_address"),
    ],
)
def test_create_customer_card_checks_its_body(
    square: Square, body: dict[str, Any], code: str, field: str
) -> None:
    """EXPECTED_STRING for a nonce that is none is a recorded answer."""
    path = f"/v2/customers/{square.create(given_name='A')['id']}/cards"

    assert square.refused("POST", path, body) == (400, [(code, field)])
    assert square.refused("POST", f"/v2/customers/{MISSING}/cards", body)[0] == 404


# Cards of profiles


def test_profiles_told_their_cards_before_2024_12_18(square: Square) -> None:
    """``cards`` after the two times, in every answer but creates' (recorded answers, overview)."""
    customer = square.create(given_name="Ava")
    square.create(given_name="Ben")
    path = f"/v2/customers/{customer['id']}"
    card = square.ok("POST", f"{path}/cards", {"card_nonce": OK})["card"]
    gone = save(square, customer["id"])
    disable(square, gone["id"])
    bulk = {"customer_ids": [customer["id"]]}

    shown = square.ok("GET", path, headers=BEFORE)["customer"]

    assert shown["cards"] == [card]
    assert list(shown)[:5] == ["id", "created_at", "updated_at", "cards", "given_name"]
    old = {"headers": BEFORE}
    customers = square.ok("GET", "/v2/customers", **old)["customers"]
    assert [each.get("cards") for each in customers] == [[card], None]
    assert square.ok("POST", "/v2/customers/search", {}, **old)["customers"] == customers
    answer = square.ok("POST", "/v2/customers/bulk-retrieve", bulk, **old)["responses"]
    assert answer[customer["id"]]["customer"] == shown
    assert square.ok("PUT", path, {"nickname": "A"}, **old)["customer"]["cards"] == [card]
    assert square.ok("PUT", path, {"nickname": "A"}, **old)["customer"]["cards"] == [card]
    for version in ("2024-12-18", "2026-09-16"):
        newer = square.ok("GET", path, headers={"Square-Version": version})["customer"]
        assert "cards" not in newer


def test_a_deleted_profile_takes_its_cards_along(square: Square) -> None:
    """DeleteCustomer deletes linked cards on file (reference of 2020)."""
    ava, ben = (square.create(given_name=name)["id"] for name in ("Ava", "Ben"))
    card, other = save(square, ava, "1"), save(square, ben, "2")

    square.ok("DELETE", f"/v2/customers/{ava}")

    assert square.refused("GET", f"{CARDS}/{card['id']}")[0] == 404
    assert listed(square) == [other["id"]]


def test_cards_follow_a_merge(square: Square) -> None:
    """The new profile has the cards of all it was made of (assumption)."""
    old = [square.create(given_name=name)["id"] for name in ("Ava", "Ben")]
    made = [save(square, customer_id, customer_id)["id"] for customer_id in old]

    merged = square.sandbox.control("merge", {"from": old})["customer"]

    assert listed(square, customer_id=merged["id"]) == sorted(made)
    assert listed(square, customer_id=old[0]) == []
    assert square.ok("GET", f"{CARDS}/{made[0]}")["card"]["customer_id"] == merged["id"]
    shown = square.ok("GET", f"/v2/customers/{old[0]}", headers=BEFORE)["customer"]
    assert [card["id"] for card in shown["cards"]] == sorted(made)
    body = {"idempotency_key": "m", "source_id": OK, "card": {"customer_id": old[0]}}
    assert square.refused("POST", CARDS, body) == (404, [("NOT_FOUND", "")])
    (entry,) = [entry for entry in square.sandbox.log() if entry["action"] == "merge"]
    assert entry["changes"]["cards"] == made


def test_cards_never_lag(opened: Opened) -> None:
    """Lists of cards show every write at once, whatever the lag (assumption)."""
    square = opened(lag=30)
    card = save(square, square.create(given_name="A")["id"])

    assert listed(square) == [card["id"]]


def test_writes_to_cards_are_logged(square: Square) -> None:
    """Every effective write is in the log, with its customer."""
    customer_id = square.create(given_name="Ava")["id"]
    card_id = save(square, customer_id)["id"]
    save(square, customer_id)
    disable(square, card_id)
    disable(square, card_id)

    entries = square.sandbox.log()[1:]

    assert [(e["endpoint"], e["action"], e["customer_id"]) for e in entries] == [
        ("create-card", "create-card", customer_id),
        ("disable-card", "disable-card", customer_id),
    ]
    assert [entry["changes"] for entry in entries] == [{"card_id": card_id}] * 2
    assert [entry["idempotency_key"] for entry in entries] == ["k-1", None]


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("PAYMENTS_READ", "GET", CARDS),
        ("PAYMENTS_READ", "GET", f"{CARDS}/x"),
        ("PAYMENTS_WRITE", "POST", CARDS),
        ("PAYMENTS_WRITE", "POST", f"{CARDS}/x/disable"),
        ("CUSTOMERS_WRITE", "POST", "/v2/customers/x/cards"),
        ("CUSTOMERS_WRITE", "DELETE", "/v2/customers/x/cards/y"),
    ],
)
def test_cards_need_scopes(square: Square, scope: str, method: str, path: str) -> None:
    """Those of payments; the deprecated calls those of customers (Integrate...)."""
    assert square.needs_scope(scope, method, path, "CUSTOMERS_READ", "ORDERS_READ")
