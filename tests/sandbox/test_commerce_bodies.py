"""Whatever is put anywhere into a body or a query, the answer is Square's: no call breaks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import Request, Response, Sandbox

OK = "cnon:card-nonce-ok"
TEN = {"amount": 1000, "currency": "USD"}
ADDRESS = {"address_line_1": "12 High St", "postal_code": "94103", "country": "US"}

# A well-formed body for every call that reads one; {…} stand for what the test has made.
BODIES: dict[str, dict[str, Any]] = {
    "/v2/cards": {
        "idempotency_key": "{key}",
        "source_id": OK,
        "verification_token": "verf",
        "card": {
            "customer_id": "{customer}",
            "cardholder_name": "Ava",
            "reference_id": "r",
            "billing_address": ADDRESS,
        },
    },
    "/v2/customers/{customer}/cards": {
        "card_nonce": OK,
        "cardholder_name": "Ava",
        "billing_address": ADDRESS,
    },
    "/v2/gift-cards": {
        "idempotency_key": "{key}",
        "location_id": "{location}",
        "gift_card": {"type": "DIGITAL", "gan": "PAPER2025", "gan_source": "OTHER"},
    },
    "/v2/gift-cards/activities": {
        "idempotency_key": "{key}",
        "gift_card_activity": {
            "type": "LOAD",
            "location_id": "{location}",
            "gift_card_id": "{gift_card}",
            "gift_card_gan": "{gan}",
            "load_activity_details": {
                "amount_money": TEN,
                "reference_id": "r",
                "buyer_payment_instrument_ids": ["x"],
            },
        },
    },
    "/v2/gift-cards/from-gan": {"gan": "{gan}"},
    "/v2/gift-cards/from-nonce": {"nonce": "cnon:{gan}"},
    "/v2/gift-cards/{gift_card}/link-customer": {"customer_id": "{customer}"},
    "/v2/gift-cards/{gift_card}/unlink-customer": {"customer_id": "{customer}"},
    "/v2/orders": {
        "idempotency_key": "{key}",
        "order": {
            "location_id": "{location}",
            "customer_id": "{customer}",
            "reference_id": "r",
            "state": "OPEN",
            "source": {"name": "My App"},
            "line_items": [
                {"uid": "a", "name": "n", "quantity": "2", "note": "x", "base_price_money": TEN}
            ],
        },
    },
    "/v2/orders/search": {
        "location_ids": ["{location}"],
        "limit": 10,
        "cursor": "",
        "return_entries": False,
        "query": {
            "filter": {
                "customer_filter": {"customer_ids": ["{customer}"]},
                "state_filter": {"states": ["OPEN"]},
                "date_time_filter": {
                    "created_at": {
                        "start_at": "2025-01-01T00:00:00Z",
                        "end_at": "2026-01-01T00:00:00Z",
                    }
                },
            },
            "sort": {"sort_field": "CREATED_AT", "sort_order": "ASC"},
        },
    },
    "/v2/orders/batch-retrieve": {"order_ids": ["{order}"], "location_id": "{location}"},
    "/v2/payments": {
        "idempotency_key": "{key}",
        "source_id": "CASH",
        "amount_money": TEN,
        "tip_money": {"amount": 0, "currency": "USD"},
        "order_id": "{order}",
        "customer_id": "{customer}",
        "location_id": "{location}",
        "reference_id": "r",
        "note": "n",
        "autocomplete": True,
        "buyer_email_address": "a@example.com",
        "cash_details": {"buyer_supplied_money": TEN},
    },
}
LISTS = {
    "/v2/cards": ("cursor", "customer_id", "include_disabled", "reference_id", "sort_order"),
    "/v2/gift-cards": ("type", "state", "limit", "cursor", "customer_id"),
    "/v2/gift-cards/activities": ("gift_card_id", "type", "begin_time", "limit", "sort_order"),
    "/v2/payments": ("begin_time", "end_time", "sort_order", "limit", "cursor", "location_id"),
    "/v2/customers/segments": ("limit", "cursor"),
}

TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", "\x00", "a\x00b", "٣", "𝔘", "9" * 400, "2025-09-01T08:15:30Z", "-1", "1e9"]
    ),
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)


class Shop:
    """A sandbox with one of everything."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(chance=random.Random(1))
        place = self.send("GET", "/v2/locations/main")["location"]["id"]
        customer = self.send("POST", "/v2/customers", {"given_name": "Ava"})["customer"]["id"]
        gift = {"idempotency_key": "g", "location_id": place, "gift_card": {"type": "DIGITAL"}}
        card = self.send("POST", "/v2/gift-cards", gift)["gift_card"]
        line = {"quantity": "1", "base_price_money": TEN}
        order = {"order": {"location_id": place, "line_items": [line]}}
        self.made = {
            "location": place,
            "customer": customer,
            "gift_card": card["id"],
            "gan": card["gan"],
            "order": self.send("POST", "/v2/orders", order)["order"]["id"],
            "key": "k",
        }

    def send(self, method: str, path: str, body: object = None) -> Any:
        """Send what must succeed."""
        answer = self.answer(method, path, b"" if body is None else orjson.dumps(body))
        assert answer.status == 200, answer.body
        return orjson.loads(answer.body)

    def answer(self, method: str, path: str, body: bytes = b"", query: str = "") -> Response:
        """Send a request as it is."""
        headers = {"authorization": f"Bearer {self.sandbox.token}"}
        return self.sandbox.respond(Request(method, path, query, headers, body))

    def filled(self, value: Any) -> Any:
        """Return a body with what there is instead of its names."""
        if isinstance(value, str):
            for name, thing in self.made.items():
                value = value.replace(f"{{{name}}}", thing)
            return value
        if isinstance(value, dict):
            return {name: self.filled(inner) for name, inner in value.items()}
        return [self.filled(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """One sandbox for all examples: they are many, and none depends on another."""
    shop = Shop()
    yield shop
    shop.sandbox.close()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values inside a body."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in inner:
        yield (*path, name)
        if isinstance(each, dict | list):
            yield from places(each, (*path, name))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a body with another value at a path."""
    if not path:
        return new
    name, *rest = path
    if isinstance(value, dict):
        return {**value, name: put(value[name], tuple(rest), new)}
    return [put(each, tuple(rest), new) if i == name else each for i, each in enumerate(value)]


@pytest.mark.parametrize("path", BODIES)
@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_body_with_anything_in_it(shop: Shop, path: str, data: st.DataObject) -> None:
    """A 200 or a refusal with a code, whatever stands in one place of a well-formed body."""
    body = shop.filled(BODIES[path])
    where = data.draw(st.sampled_from(sorted(places(body), key=str)))
    body = put(body, where, data.draw(VALUES))
    if "idempotency_key" in body and where != ("idempotency_key",):
        body["idempotency_key"] = str(data.draw(st.integers(0, 2**64)))

    answer = shop.answer("POST", shop.filled(path), orjson.dumps(body))

    assert answer.status in (200, 400, 404), answer.body
    assert ("errors" in orjson.loads(answer.body)) == (answer.status != 200)


@pytest.mark.parametrize("path", LISTS)
@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_query_with_anything_in_it(shop: Shop, path: str, data: st.DataObject) -> None:
    """The same of query parameters."""
    parameters = data.draw(st.dictionaries(st.sampled_from(LISTS[path]), TEXTS, min_size=1))

    answer = shop.answer("GET", path, query=urlencode(parameters))

    assert answer.status in (200, 400, 404), answer.body


@pytest.mark.parametrize("path", BODIES)
def test_bodies_of_another_form(shop: Shop, path: str) -> None:
    """No body, no object, no JSON."""
    for body in (b"", b"[]", b"null", b"7", b'"x"', b"{", b'{"a":"\\ud800"}'):
        assert shop.answer("POST", shop.filled(path), body).status == 400


@pytest.mark.parametrize("path", BODIES)
def test_the_bodies_are_well_formed(path: str) -> None:
    """What the examples start from is accepted, so that they test what they claim to."""
    shop = Shop()
    if path == "/v2/gift-cards/activities":
        details = {"activate_activity_details": {"amount_money": TEN}}
        target = {"gift_card_id": shop.made["gift_card"], "location_id": shop.made["location"]}
        body = {"gift_card_activity": {"type": "ACTIVATE", **target, **details}}
        shop.send("POST", path, {"idempotency_key": "a", **body})

    shop.send("POST", shop.filled(path), shop.filled(BODIES[path]))

    shop.sandbox.close()
