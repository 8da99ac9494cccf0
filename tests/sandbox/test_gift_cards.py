"""Gift cards and what happens to them; every test names the source of what it expects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Opened, Square

GIFTS = "/v2/gift-cards"
ACTIVITIES = f"{GIFTS}/activities"
MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"
TEN = {"amount": 1000, "currency": "USD"}


def location(square: Square) -> str:
    """The id of the merchant's location."""
    return str(square.ok("GET", "/v2/locations/main")["location"]["id"])


def make(square: Square, key: str = "g-1", kind: str = "DIGITAL", **more: Any) -> Any:
    """Create a gift card."""
    body = {"idempotency_key": key, "location_id": location(square)}
    return square.ok("POST", GIFTS, {**body, "gift_card": {"type": kind, **more}})["gift_card"]


def activity(square: Square, kind: str, key: str, **more: Any) -> dict[str, Any]:
    """The body of a request for an activity of ten dollars."""
    details = f"{kind.lower()}_activity_details"
    asked = {"type": kind, "location_id": location(square), details: {"amount_money": TEN}}
    return {"idempotency_key": key, "gift_card_activity": asked | more}


def link(square: Square, gift_card_id: str, customer_id: str, how: str = "link") -> Any:
    """Link a customer to a gift card, or unlink."""
    body = {"customer_id": customer_id}
    return square.ok("POST", f"{GIFTS}/{gift_card_id}/{how}-customer", body)["gift_card"]


def listed(square: Square, **parameters: Any) -> list[str]:
    """The ids of the gift cards in a list of one page."""
    answer = square.ok("GET", GIFTS, params=parameters)
    assert "cursor" not in answer
    return [card["id"] for card in answer.get("gift_cards", [])]


def test_a_gift_card_is_created_and_retrieved(square: Square) -> None:
    """PENDING and empty, with a number of 16 digits (API reference)."""
    card = make(square)

    assert card == {
        "id": card["id"],
        "type": "DIGITAL",
        "gan_source": "SQUARE",
        "state": "PENDING",
        "balance_money": {"amount": 0, "currency": "USD"},
        "gan": card["gan"],
        "created_at": "2025-09-01T08:15:30.412Z",
    }
    assert card["id"].startswith("gftc:")
    assert (len(card["gan"]), card["gan"].isdigit()) == (16, True)
    assert square.ok("GET", f"{GIFTS}/{card['id']}") == {"gift_card": card}
    assert square.ok("POST", f"{GIFTS}/from-gan", {"gan": card["gan"]}) == {"gift_card": card}
    nonce = {"nonce": f"cnon:{card['gan']}"}
    assert square.ok("POST", f"{GIFTS}/from-nonce", nonce) == {"gift_card": card}


def test_a_number_of_ones_own(square: Square) -> None:
    """8 to 20 letters and digits, once per seller, with gan_source OTHER (SDK)."""
    card = make(square, kind="PHYSICAL", gan="PAPER2025", gan_source="OTHER")

    assert (card["gan"], card["gan_source"], card["type"]) == ("PAPER2025", "OTHER", "PHYSICAL")
    for key, asked, code, field in (
        ("a", {"gan": "PAPER2025", "gan_source": "OTHER"}, "INVALID_VALUE", "gan"),
        ("b", {"gan": "short", "gan_source": "OTHER"}, "INVALID_VALUE", "gan"),
        ("c", {"gan": "PÄPER2025", "gan_source": "OTHER"}, "INVALID_VALUE", "gan"),
        ("d", {"gan_source": "OTHER"}, "MISSING_REQUIRED_PARAMETER", "gan"),
        ("e", {"gan": "PAPER2026"}, "BAD_REQUEST", "gan"),
        ("f", {"gan": 7}, "EXPECTED_STRING", "gan"),
        ("g", {"gan_source": "MINE"}, "INVALID_ENUM_VALUE", "gan_source"),
    ):
        body: dict[str, Any] = {"idempotency_key": key, "location_id": location(square)}
        body |= {"gift_card": {"type": "DIGITAL", **asked}}
        assert square.refused("POST", GIFTS, body) == (400, [(code, f"gift_card.{field}")]), key


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"idempotency_key": None}, 400, "MISSING_REQUIRED_PARAMETER", "idempotency_key"),
        ({"idempotency_key": "k" * 129}, 400, "VALUE_TOO_LONG", "idempotency_key"),
        ({"location_id": None}, 400, "MISSING_REQUIRED_PARAMETER", "location_id"),
        ({"location_id": "L1"}, 404, "NOT_FOUND", ""),
        ({"gift_card": None}, 400, "MISSING_REQUIRED_PARAMETER", "gift_card"),
        ({"gift_card": "x"}, 400, "EXPECTED_OBJECT", "gift_card"),
        ({"gift_card": {}}, 400, "MISSING_REQUIRED_PARAMETER", "gift_card.type"),
        ({"gift_card": {"type": "PAPER"}}, 400, "INVALID_ENUM_VALUE", "gift_card.type"),
        ({"gift_card": {"balance_money": 1}}, 400, "BAD_REQUEST", "gift_card.balance_money"),
        ({"note": "x"}, 400, "BAD_REQUEST", "note"),
    ],
)
def test_create_gift_card_checks_its_body(
    square: Square, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    """A key of 1 to 128 characters, a location and a type are required (API reference)."""
    body: dict[str, Any] = {"idempotency_key": "k" * 128, "location_id": location(square)}
    body |= {"gift_card": {"type": "DIGITAL"}, **change}

    assert square.refused("POST", GIFTS, body) == (status, [(code, field)])


def test_a_gift_card_is_activated_and_loaded(square: Square) -> None:
    """ACTIVATE gives it a balance, LOAD adds to it (API reference); other states refuse."""
    card = make(square)
    load = activity(square, "LOAD", "l-1", gift_card_gan=card["gan"])
    assert square.refused("POST", ACTIVITIES, load)[1] == [
        ("BAD_REQUEST", "gift_card_activity.type")
    ]
    body = activity(square, "ACTIVATE", "a-1", gift_card_id=card["id"])
    body["gift_card_activity"]["activate_activity_details"] |= {
        "reference_id": "till-4",
        "buyer_payment_instrument_ids": ["card-1"],
    }

    done = square.ok("POST", ACTIVITIES, body)["gift_card_activity"]

    assert done == {
        "id": done["id"],
        "type": "ACTIVATE",
        "location_id": location(square),
        "created_at": "2025-09-01T08:15:30.412Z",
        "gift_card_id": card["id"],
        "gift_card_gan": card["gan"],
        "gift_card_balance_money": TEN,
        "activate_activity_details": {
            "amount_money": TEN,
            "reference_id": "till-4",
            "buyer_payment_instrument_ids": ["card-1"],
        },
    }
    assert done["id"].startswith("gcact_")
    assert square.ok("POST", ACTIVITIES, body) == {"gift_card_activity": done}
    loaded = square.ok("POST", ACTIVITIES, load)["gift_card_activity"]
    assert loaded["gift_card_balance_money"]["amount"] == 2000
    shown = square.ok("GET", f"{GIFTS}/{card['id']}")["gift_card"]
    assert shown == card | {"state": "ACTIVE", "balance_money": TEN | {"amount": 2000}}
    again = activity(square, "ACTIVATE", "a-2", gift_card_id=card["id"])
    assert square.refused("POST", ACTIVITIES, again)[1][0][0] == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"type": "REDEEM"}, 400, "BAD_REQUEST", "type"),
        ({"type": "DANCE"}, 400, "INVALID_ENUM_VALUE", "type"),
        ({"type": None}, 400, "MISSING_REQUIRED_PARAMETER", "type"),
        ({"location_id": None}, 400, "MISSING_REQUIRED_PARAMETER", "location_id"),
        ({"gift_card_id": None}, 400, "MISSING_REQUIRED_PARAMETER", "gift_card_id"),
        ({"gift_card_id": "gftc:x"}, 404, "NOT_FOUND", None),
        ({"gift_card_id": None, "gift_card_gan": "77"}, 404, "NOT_FOUND", "gift_card_gan"),
        ({"load_activity_details": {}}, 400, "BAD_REQUEST", "load_activity_details"),
        (
            {"activate_activity_details": None},
            *(400, "MISSING_REQUIRED_PARAMETER", "activate_activity_details"),
        ),
        (
            {"activate_activity_details": {}},
            *(400, "MISSING_REQUIRED_PARAMETER", "activate_activity_details.amount_money"),
        ),
        (
            {"activate_activity_details": {"amount_money": TEN, "order_id": "x"}},
            *(400, "BAD_REQUEST", "activate_activity_details.order_id"),
        ),
        (
            {"activate_activity_details": {"amount_money": TEN | {"amount": 0}}},
            *(400, "VALUE_TOO_LOW", "activate_activity_details.amount_money.amount"),
        ),
        (
            {
                "activate_activity_details": {
                    "amount_money": TEN,
                    "buyer_payment_instrument_ids": [1],
                }
            },
            *(400, "EXPECTED_STRING"),
            "activate_activity_details.buyer_payment_instrument_ids",
        ),
    ],
)
def test_activities_check_their_body(
    square: Square, change: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    """What is not served says so, the rest is as in the API reference."""
    body = activity(square, "ACTIVATE", "a-1", gift_card_id=make(square)["id"])
    body["gift_card_activity"] |= change
    where = "" if field is None else f"gift_card_activity.{field}"

    assert square.refused("POST", ACTIVITIES, body) == (status, [(code, where)])


def test_what_is_not_served_says_so(square: Square) -> None:
    """An activity Square has and the sandbox has not is refused with words that say so (ours)."""
    body = activity(square, "REDEEM", "a-1", gift_card_id=make(square)["id"])

    (error,) = square.send("POST", ACTIVITIES, json=body).json()["errors"]

    assert "does not serve REDEEM" in error["detail"]


def test_activities_are_listed(square: Square) -> None:
    """The newest first, by gift card, type and time; a year back (API reference)."""
    made = {}
    for name in "ab":
        card = make(square, name)
        for kind in ("ACTIVATE", "LOAD"):
            body = activity(square, kind, f"{name}-{kind}", gift_card_id=card["id"])
            made[name, kind] = square.ok("POST", ACTIVITIES, body)["gift_card_activity"]
            square.clock.now += 60

    def found(**parameters: Any) -> list[Any]:
        answer = square.ok("GET", ACTIVITIES, params=parameters)
        return list(answer.get("gift_card_activities", []))

    everything = list(made.values())
    assert found() == everything[::-1]
    assert found(sort_order="ASC", location_id=location(square)) == everything
    assert found(type="LOAD") == [made["b", "LOAD"], made["a", "LOAD"]]
    gift_card_id = made["a", "LOAD"]["gift_card_id"]
    assert found(gift_card_id=gift_card_id) == [made["a", "LOAD"], made["a", "ACTIVATE"]]
    first, second = everything[0]["created_at"], everything[1]["created_at"]
    assert found(begin_time=second, end_time=second) == [everything[1]]
    assert found(end_time=first) == [everything[0]]
    page = square.ok("GET", ACTIVITIES, params={"limit": 3})
    rest = square.ok("GET", ACTIVITIES, params={"limit": 3, "cursor": page["cursor"]})
    assert page["gift_card_activities"] + rest["gift_card_activities"] == everything[::-1]
    square.clock.now += 366 * 24 * 3600
    assert found() == []
    for parameters, code in (
        ({"limit": 101}, "VALUE_TOO_HIGH"),
        ({"limit": 0}, "VALUE_TOO_LOW"),
        ({"type": "X"}, "INVALID_ENUM_VALUE"),
        ({"sort_order": "X"}, "INVALID_ENUM_VALUE"),
        ({"begin_time": "now"}, "INVALID_TIME"),
        ({"begin_time": second, "end_time": first}, "INVALID_TIME_RANGE"),
        ({"location_id": "L1"}, "NOT_FOUND"),
        ({"cursor": "abc"}, "INVALID_CURSOR"),
    ):
        assert square.refused("GET", ACTIVITIES, params=parameters)[1][0][0] == code


def test_gift_cards_are_listed(square: Square) -> None:
    """By type, state and customer, the oldest first (API reference)."""
    ava = square.create(given_name="Ava")["id"]
    one, two = make(square, "1"), make(square, "2", "PHYSICAL")
    square.clock.now += 1
    three = make(square, "3")
    for card in (two, three):
        link(square, card["id"], ava)
    square.ok("POST", ACTIVITIES, activity(square, "ACTIVATE", "a", gift_card_id=three["id"]))

    assert sorted(listed(square)[:2]) == sorted([one["id"], two["id"]])
    assert listed(square)[2] == three["id"]
    assert listed(square, type="PHYSICAL") == [two["id"]]
    assert listed(square, state="ACTIVE") == [three["id"]]
    assert listed(square, customer_id=ava) == [two["id"], three["id"]]
    assert listed(square, customer_id=ava, state="PENDING", type="PHYSICAL") == [two["id"]]
    assert square.ok("GET", GIFTS, params={"state": "BLOCKED"}) == {}


def test_a_page_has_30_gift_cards(square: Square) -> None:
    """30 unless another limit up to 200 is asked for (API reference)."""
    made = {make(square, f"g-{i}")["id"] for i in range(35)}

    first = square.ok("GET", GIFTS)
    rest = square.ok("GET", GIFTS, params={"cursor": first["cursor"]})

    assert [len(page["gift_cards"]) for page in (first, rest)] == [30, 5]
    assert {card["id"] for page in (first, rest) for card in page["gift_cards"]} == made
    assert len(listed(square, limit=200)) == 35
    for parameters, code in (
        ({"limit": 201}, "VALUE_TOO_HIGH"),
        ({"limit": 0}, "VALUE_TOO_LOW"),
        ({"limit": "x"}, "EXPECTED_INTEGER"),
        ({"type": "X"}, "INVALID_ENUM_VALUE"),
        ({"state": "X"}, "INVALID_ENUM_VALUE"),
        ({"cursor": first["cursor"], "type": "DIGITAL"}, "INVALID_CURSOR"),
    ):
        assert square.refused("GET", GIFTS, params=parameters)[1][0][0] == code


def test_customers_are_linked_and_unlinked(square: Square) -> None:
    """The answer names all customers of the gift card (API reference); no profile changes."""
    ava, ben = (square.create(given_name=name)["id"] for name in ("Ava", "Ben"))
    card = make(square)

    assert link(square, card["id"], ava)["customer_ids"] == [ava]
    assert link(square, card["id"], ben)["customer_ids"] == [ava, ben]
    assert link(square, card["id"], ava)["customer_ids"] == [ava, ben]
    assert listed(square, customer_id=ben) == [card["id"]]
    assert link(square, card["id"], ava, "unlink")["customer_ids"] == [ben]
    assert link(square, card["id"], ava, "unlink")["customer_ids"] == [ben]
    assert "customer_ids" not in link(square, card["id"], ben, "unlink")
    assert listed(square, customer_id=ben) == []
    assert square.get(ava)["version"] == 0


@pytest.mark.parametrize("how", ["link", "unlink"])
def test_linking_checks_its_body(square: Square, how: str) -> None:
    """A customer id of 1 to 191 characters (API reference)."""
    path = f"{GIFTS}/{make(square)['id']}/{how}-customer"

    for body, code in (
        ({}, "MISSING_REQUIRED_PARAMETER"),
        ({"customer_id": ""}, "MISSING_REQUIRED_PARAMETER"),
        ({"customer_id": 1}, "EXPECTED_STRING"),
        ({"customer_id": "x" * 192}, "VALUE_TOO_LONG"),
        ({"customer_id": MISSING, "x": 1}, "BAD_REQUEST"),
    ):
        assert square.refused("POST", path, body)[1][0][0] == code, body
    body = {"customer_id": MISSING}
    assert square.refused("POST", f"{GIFTS}/gftc:x/{how}-customer", body)[0] == 404
    if how == "link":
        assert square.refused("POST", path, body) == (404, [("NOT_FOUND", "")])


def test_gift_cards_outlive_a_profile(square: Square) -> None:
    """A deleted profile is taken off its gift cards, a merged one replaced (assumptions)."""
    ava, ben, cleo = (square.create(given_name=name)["id"] for name in ("Ava", "Ben", "Cleo"))
    card = make(square)
    for customer_id in (ava, ben, cleo):
        link(square, card["id"], customer_id)
    path = f"{GIFTS}/{card['id']}"

    square.ok("DELETE", f"/v2/customers/{cleo}")
    assert square.ok("GET", path)["gift_card"]["customer_ids"] == [ava, ben]

    merged = square.sandbox.control("merge", {"from": [ava, ben]})["customer"]["id"]
    assert square.ok("GET", path)["gift_card"]["customer_ids"] == [merged]
    assert listed(square, customer_id=merged) == [card["id"]]
    assert listed(square, customer_id=ava) == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("from-gan", {"gan": "7783320000000000"}, "gan"),
        ("from-nonce", {"nonce": "cnon:7783320000000000"}, "nonce"),
        ("from-nonce", {"nonce": "7783320000000000"}, "nonce"),
    ],
)
def test_unknown_numbers_are_not_found(square: Square, path: str, body: Any, field: str) -> None:
    """No gift card has the number (API reference)."""
    assert square.refused("POST", f"{GIFTS}/{path}", body) == (404, [("NOT_FOUND", field)])
    assert square.refused("POST", f"{GIFTS}/{path}", {})[1] == [
        ("MISSING_REQUIRED_PARAMETER", field)
    ]
    assert square.refused("POST", f"{GIFTS}/{path}", {field: [1]})[1] == [
        ("EXPECTED_STRING", field)
    ]
    assert square.refused("GET", f"{GIFTS}/gftc:x")[0] == 404


def test_gift_cards_are_of_the_merchants_currency(opened: Opened) -> None:
    """Money of another currency is refused in Square's words (public test suites)."""
    square = opened(country="GB")
    card = make(square)
    body = activity(square, "ACTIVATE", "a", gift_card_id=card["id"])

    answer = square.send("POST", ACTIVITIES, json=body)

    assert card["balance_money"]["currency"] == "GBP"
    (error,) = answer.json()["errors"]
    assert error["code"] == "INVALID_VALUE"
    assert "can only process payments in GBP" in error["detail"]


def test_writes_to_gift_cards_are_logged(square: Square) -> None:
    """Every effective write is in the log, links with their customer."""
    customer_id = square.create(given_name="Ava")["id"]
    card_id = make(square)["id"]
    square.ok("POST", ACTIVITIES, activity(square, "ACTIVATE", "a", gift_card_id=card_id))
    square.ok("POST", ACTIVITIES, activity(square, "LOAD", "l", gift_card_id=card_id))
    for how in ("link", "link", "unlink", "unlink"):
        link(square, card_id, customer_id, how)

    entries = square.sandbox.log()[1:]

    assert [(e["action"], e["customer_id"], e["idempotency_key"]) for e in entries] == [
        ("create-gift-card", "", "g-1"),
        ("activate-gift-card", "", "a"),
        ("load-gift-card", "", "l"),
        ("link-gift-card", customer_id, None),
        ("unlink-gift-card", customer_id, None),
    ]
    assert {entry["changes"]["gift_card_id"] for entry in entries} == {card_id}
    assert [entry["changes"].get("balance") for entry in entries[1:3]] == [1000, 2000]


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("GIFTCARDS_READ", "GET", GIFTS),
        ("GIFTCARDS_READ", "GET", f"{GIFTS}/x"),
        ("GIFTCARDS_READ", "GET", ACTIVITIES),
        ("GIFTCARDS_READ", "POST", f"{GIFTS}/from-gan"),
        ("GIFTCARDS_READ", "POST", f"{GIFTS}/from-nonce"),
        ("GIFTCARDS_WRITE", "POST", GIFTS),
        ("GIFTCARDS_WRITE", "POST", ACTIVITIES),
        ("GIFTCARDS_WRITE", "POST", f"{GIFTS}/x/link-customer"),
        ("GIFTCARDS_WRITE", "POST", f"{GIFTS}/x/unlink-customer"),
    ],
)
def test_gift_cards_need_their_scopes(square: Square, scope: str, method: str, path: str) -> None:
    """GIFTCARDS_READ reads, GIFTCARDS_WRITE writes (API reference)."""
    other = {"GIFTCARDS_READ": "GIFTCARDS_WRITE", "GIFTCARDS_WRITE": "GIFTCARDS_READ"}[scope]

    assert square.needs_scope(scope, method, path, other)
