"""Every call the sandbox serves, made once as it is meant, in an order in which all succeed.

A new call is added here with one that succeeds: the description is held against its answer, and
hostile requests are made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.sandbox.attributes import schema, selection

# Sends a request that must succeed; returns its answer.
Send = Callable[..., Any]

INES = {
    "given_name": "Inès",
    "family_name": "Moreau",
    "email_address": "ines.moreau@example.net",
    "phone_number": "+33 1 99 00 12 34",
    "birthday": "04-17",
    "reference_id": "crm-000042",
    "note": "Prefers mornings",
    "address": {"address_line_1": "12 rue des Lilas", "locality": "Nantes", "country": "FR"},
}


def play(send: Send) -> None:
    """Make every call."""
    ids = customers(send)
    groups(send, ids)
    attributes(send, ids)
    segments = send("GET", "/v2/customers/segments", query="limit=10")["segments"]
    send("GET", f"/v2/customers/segments/{segments[0]['id']}")
    send("GET", "/v2/merchants")
    send("GET", "/v2/merchants/me")
    (location,) = send("GET", "/v2/locations")["locations"]
    send("GET", "/v2/locations/main")
    card = cards(send, ids[0])
    gift_cards(send, ids[0], location["id"])
    sales(send, ids[0], location["id"], card)
    send("POST", "/oauth2/token/status")
    control(send, ids)
    for customer_id in ids:
        send("DELETE", f"/v2/customers/{customer_id}", query="version=1")


def customers(send: Send) -> list[str]:
    """Make the calls of the Customers API; return the ids of two profiles of version 1."""
    ines = send("POST", "/v2/customers", {"idempotency_key": "k-1", **INES})["customer"]["id"]
    entries = {"k-2": {"given_name": "Tomas"}, "k-3": {"company_name": "Okafor Cycles"}, "k-4": {}}
    made = send("POST", "/v2/customers/bulk-create", {"customers": entries})["responses"]
    tomas, okafor = (made[key]["customer"]["id"] for key in ("k-2", "k-3"))
    send("GET", "/v2/customers", query="limit=1&sort_field=CREATED_AT&sort_order=DESC&count=true")
    filters = {
        "email_address": {"fuzzy": "moreau"},
        "phone_number": {"exact": "+33199001234"},
        "reference_id": {"exact": "CRM-000042"},
        "created_at": {"start_at": "2025-01-01T00:00:00Z"},
        "updated_at": {"end_at": "2035-01-01T00:00:00+01:00"},
        "creation_source": {"values": ["IMPORT"], "rule": "EXCLUDE"},
        "group_ids": {"none": ["NOBODYS"]},
    }
    sort = {"field": "CREATED_AT", "order": "ASC"}
    query = {"filter": filters, "sort": sort}
    send("POST", "/v2/customers/search", {"limit": 1, "count": True, "query": query})
    send("GET", f"/v2/customers/{ines}")
    change = {"version": 0, "nickname": "Iné", "address": {"postal_code": "44000"}}
    send("PUT", f"/v2/customers/{ines}", change)
    send(
        *("POST", "/v2/customers/bulk-update"),
        {"customers": {tomas: {"version": 0, "note": "Has a dog"}, "NOBODY": {"note": ""}}},
    )
    asked = {"customer_ids": [ines, okafor, "NOBODY"]}
    send("POST", "/v2/customers/bulk-retrieve", asked)
    send("POST", "/v2/customers/bulk-delete", {"customer_ids": [okafor, "NOBODY"]})
    return [ines, tomas]


def groups(send: Send, ids: list[str]) -> None:
    """Make the calls of the Customer Groups API; the last of them are undone."""
    body = {"idempotency_key": "k-5", "group": {"name": "Newsletter"}}
    group = send("POST", "/v2/customers/groups", body)["group"]["id"]
    send("GET", "/v2/customers/groups", query="limit=50")
    send("GET", f"/v2/customers/groups/{group}")
    send("PUT", f"/v2/customers/groups/{group}", {"group": {"name": "Newsletter 2025"}})
    other = send("POST", "/v2/customers", {"given_name": "Nia"})["customer"]["id"]
    send("PUT", f"/v2/customers/{other}/groups/{group}")
    send("GET", f"/v2/customers/{other}")
    send("DELETE", f"/v2/customers/{other}/groups/{group}")
    send("DELETE", f"/v2/customers/groups/{group}")


def attributes(send: Send, ids: list[str]) -> None:
    """Make the calls of the Customer Custom Attributes API; the last of them are undone."""
    definitions = "/v2/customers/custom-attribute-definitions"
    drink: dict[str, Any] = {
        "key": "drink",
        "schema": schema("String"),
        "name": "Favorite drink",
        "description": "Asked for at the bar.",
        "visibility": "VISIBILITY_READ_WRITE_VALUES",
    }
    needs = {"key": "needs", "schema": selection("Vegan", "No nuts")}
    for number, data in enumerate((drink, needs)):
        body = {"idempotency_key": f"d-{number}", "custom_attribute_definition": data}
        send("POST", definitions, body)
    send("GET", definitions, query="limit=1")
    told = send("GET", f"{definitions}/needs", query="version=1")["custom_attribute_definition"]
    options = told["schema"]["items"]["enum"]
    more = {"schema": selection("Vegan", "No nuts", "No gluten", enum=options), "version": 1}
    send("PUT", f"{definitions}/needs", {"custom_attribute_definition": more})
    values = f"/v2/customers/{ids[0]}/custom-attributes"
    body = {"idempotency_key": "a-1", "custom_attribute": {"value": "Cortado", "version": 0}}
    send("POST", f"{values}/drink", body)
    send("GET", f"{values}/drink", query="with_definition=true&version=1")
    entries = {
        "one": {"customer_id": ids[0], "custom_attribute": {"key": "needs", "value": options}},
        "two": {"customer_id": "NOBODY", "custom_attribute": {"key": "drink", "value": "Tea"}},
    }
    send("POST", "/v2/customers/custom-attributes/bulk-upsert", {"values": entries})
    send("GET", values, query="with_definitions=true&limit=20")
    filters = [
        {"key": "drink", "filter": {"text": {"fuzzy": "cortado"}}},
        {"key": "needs", "filter": {"selection": {"any": ["Vegan"]}}, "updated_at": {}},
    ]
    query = {"filter": {"custom_attribute": {"filters": filters}}}
    send("POST", "/v2/customers/search", {"query": query})
    send("DELETE", f"{values}/drink")
    send("DELETE", f"{definitions}/drink")


def cards(send: Send, customer_id: str) -> str:
    """Make the calls of the Cards API and the deprecated ones; return the id of a card."""
    card: dict[str, Any] = {
        "customer_id": customer_id,
        "cardholder_name": "Inès Moreau",
        "reference_id": "crm-card-1",
        "billing_address": {"postal_code": "94103", "country": "US"},
    }
    body = {"idempotency_key": "c-1", "source_id": "cnon:card-nonce-ok", "card": card}
    made = str(send("POST", "/v2/cards", body)["card"]["id"])
    send("GET", "/v2/cards", query=f"customer_id={customer_id}&sort_order=DESC")
    send("GET", f"/v2/cards/{made}")
    body = {"card_nonce": "cnon:card-nonce-ok", "cardholder_name": "Inès"}
    first, second = (
        send("POST", f"/v2/customers/{customer_id}/cards", body)["card"]["id"] for _ in range(2)
    )
    assert first == second
    send("DELETE", f"/v2/customers/{customer_id}/cards/{first}")
    body = {"idempotency_key": "c-2", "source_id": "cnon:card-nonce-ok", "card": card}
    other = send("POST", "/v2/cards", body)["card"]["id"]
    send("POST", f"/v2/cards/{other}/disable")
    send("GET", "/v2/cards", query="include_disabled=true&reference_id=crm-card-1")
    return made


def gift_cards(send: Send, customer_id: str, location_id: str) -> None:
    """Make the calls of the Gift Cards API and of their activities."""
    body: dict[str, Any] = {
        "idempotency_key": "g-1",
        "location_id": location_id,
        "gift_card": {"type": "PHYSICAL", "gan_source": "OTHER", "gan": "7783320001001635"},
    }
    card = send("POST", "/v2/gift-cards", body)["gift_card"]
    for number, (kind, details) in enumerate(
        (("ACTIVATE", "activate_activity_details"), ("LOAD", "load_activity_details"))
    ):
        activity = {
            "type": kind,
            "location_id": location_id,
            "gift_card_id": card["id"],
            details: {
                "amount_money": {"amount": 2500, "currency": "USD"},
                "reference_id": "crm-gift-1",
                "buyer_payment_instrument_ids": ["cash"],
            },
        }
        body = {"idempotency_key": f"g-a{number}", "gift_card_activity": activity}
        send("POST", "/v2/gift-cards/activities", body)
    send("GET", "/v2/gift-cards/activities", query="type=LOAD&begin_time=2020-01-01T00:00:00Z")
    send("POST", f"/v2/gift-cards/{card['id']}/link-customer", {"customer_id": customer_id})
    query = f"type=PHYSICAL&state=ACTIVE&customer_id={customer_id}&limit=5"
    send("GET", "/v2/gift-cards", query=query)
    send("GET", f"/v2/gift-cards/{card['id']}")
    send("POST", "/v2/gift-cards/from-gan", {"gan": card["gan"]})
    send("POST", "/v2/gift-cards/from-nonce", {"nonce": f"cnon:{card['gan']}"})
    send("POST", f"/v2/gift-cards/{card['id']}/unlink-customer", {"customer_id": customer_id})


def sales(send: Send, customer_id: str, location_id: str, card_id: str) -> None:
    """Make the calls of the Orders and Payments APIs."""
    line: dict[str, Any] = {
        "uid": "line-1",
        "name": "Flat white",
        "quantity": "2",
        "note": "To go",
        "base_price_money": {"amount": 350, "currency": "USD"},
    }
    order: dict[str, Any] = {
        "location_id": location_id,
        "customer_id": customer_id,
        "reference_id": "till-7",
        "source": {"name": "Till"},
        "line_items": [line],
    }
    body: dict[str, Any] = {"idempotency_key": "o-1", "order": order}
    made = send("POST", "/v2/orders", body)["order"]["id"]
    body = {
        "idempotency_key": "p-1",
        "source_id": card_id,
        "amount_money": {"amount": 700, "currency": "USD"},
        "tip_money": {"amount": 50, "currency": "USD"},
        "order_id": made,
        "customer_id": customer_id,
        "location_id": location_id,
        "reference_id": "till-7",
        "note": "Thanks",
    }
    payment = send("POST", "/v2/payments", body)["payment"]["id"]
    body = {
        "idempotency_key": "p-2",
        "source_id": "CASH",
        "amount_money": {"amount": 700, "currency": "USD"},
        "cash_details": {"buyer_supplied_money": {"amount": 1000, "currency": "USD"}},
    }
    send("POST", "/v2/payments", body)
    send("GET", f"/v2/payments/{payment}")
    send("GET", "/v2/payments", query="limit=1&sort_order=ASC&sort_field=CREATED_AT")
    send("GET", f"/v2/orders/{made}")
    send("POST", "/v2/orders/batch-retrieve", {"order_ids": [made, "NONE"]})
    filters: dict[str, Any] = {
        "customer_filter": {"customer_ids": [customer_id]},
        "state_filter": {"states": ["COMPLETED"]},
        "date_time_filter": {"closed_at": {"start_at": "2020-01-01T00:00:00Z"}},
    }
    sort = {"sort_field": "CLOSED_AT", "sort_order": "ASC"}
    for entries in (False, True):
        body = {
            "location_ids": [location_id],
            "return_entries": entries,
            "limit": 10,
            "query": {"filter": filters, "sort": sort},
        }
        send("POST", "/v2/orders/search", body)


def control(send: Send, ids: list[str]) -> None:
    """Make the sandbox's own calls."""
    token = send("POST", "/_sandbox/tokens", {"scopes": ["CUSTOMERS_READ"], "expires_in": 60})
    send("DELETE", f"/_sandbox/tokens/{token['token']}")
    pair = [
        send("POST", "/v2/customers", {"given_name": name})["customer"]["id"]
        for name in ("Rhys", "Rhys")
    ]
    send("POST", "/_sandbox/merge", {"from": pair})
    fault = {"endpoint": "search", "nth": [1], "when": "after", "do": "delay", "seconds": 0.5}
    send("POST", "/_sandbox/faults", {"plan": [fault], "seed": 7})
    send("POST", "/_sandbox/faults", {"plan": []})
    send("POST", "/_sandbox/clock", {"advance": 0.5})
    send("POST", "/_sandbox/seed", {"profiles": 10, "seed": 7})
    send("GET", "/_sandbox/settings")
    send("POST", "/_sandbox/settings", {"lag": 0.5, "short_pages": 20, "null_clears": True})
    send("POST", "/_sandbox/settings", {"lag": 0, "short_pages": None, "null_clears": None})
    send("GET", "/_sandbox/log", query="after=2&limit=50")
    send("GET", "/_sandbox/openapi.json")
