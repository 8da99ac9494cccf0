"""Which path is which endpoint?"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from etl.sandbox import control
from etl.sandbox.apis import (
    cards,
    custom_attribute_definitions,
    custom_attributes,
    customers,
    events,
    gift_cards,
    groups,
    locations,
    merchants,
    oauth,
    orders,
    payments,
    segments,
    webhooks,
)
from etl.sandbox.errors import unknown_path, wrong_method
from etl.sandbox.versions import CUSTOM_ATTRIBUTES, Change

READ = ("CUSTOMERS_READ",)
WRITE = ("CUSTOMERS_WRITE",)
PROFILE = ("MERCHANT_PROFILE_READ",)
PAYMENTS_READ = ("PAYMENTS_READ",)
PAYMENTS_WRITE = ("PAYMENTS_WRITE",)
GIFTS_READ = ("GIFTCARDS_READ",)
GIFTS_WRITE = ("GIFTCARDS_WRITE",)
ORDERS_READ = ("ORDERS_READ",)
ORDERS_WRITE = ("ORDERS_WRITE",)
APPLICATION = ("DEVELOPER_APPLICATION_WEBHOOKS",)


class Route(NamedTuple):
    """One endpoint: its name in fault plans and the log, what it needs, what it does.

    ``source`` names what its behaviour is known from. ``owner`` marks control calls: the sandbox's
    own token opens them, whatever its scopes; they have neither pace nor faults. ``public`` ones
    need no token, and their handlers no call. ``brought_by`` is the change of version before which
    there is no such path.
    """

    method: str
    path: str
    name: str
    scopes: tuple[str, ...]
    source: str
    handler: Callable[..., bytes]
    writes: bool
    owner: bool = False
    public: bool = False
    brought_by: Change | None = None

    @property
    def call(self) -> str:
        """The call's name: Square's, which the handler's description begins with, or our own."""
        if self.owner:
            return self.handler.__name__.title().replace("_", "")
        return self._described[0]

    @property
    def told(self) -> str:
        """What the call does, as its handler says in a line."""
        return self._described[1]

    @property
    def _described(self) -> tuple[str, str]:
        line = (self.handler.__doc__ or "").partition("\n")[0].removesuffix(".")
        name = re.split(r"\W", line)[0]
        return name, line if self.owner else line.removeprefix(name).lstrip(":;, ")


# Method, path, name, scopes, source, handler.
_Members = tuple[str, str, str, tuple[str, ...], str, Callable[..., bytes]]


def _reads(*members: *_Members) -> Route:
    return Route(*members, False)


def _writes(*members: *_Members) -> Route:
    return Route(*members, True)


def _attributes(
    method: str, path: str, name: str, scopes: tuple[str, ...], handler: Callable[..., bytes]
) -> Route:
    members = (method, path, name, scopes, REFERENCE, handler)
    return Route(*members, scopes == WRITE, brought_by=CUSTOM_ATTRIBUTES)


# What Square publishes.
REFERENCE = "API reference"
OVERVIEW = "API reference, Customers API overview"
INTEGRATE = "API reference, Integrate Customer Profiles with Other Services"
TEST_VALUES = "API reference; Sandbox test values"
_ID = "/v2/customers/{id}"
_GROUPS = "/v2/customers/groups"
_DEFINITIONS = "/v2/customers/custom-attribute-definitions"
_ATTRIBUTES = f"{_ID}/custom-attributes"
_SEGMENTS = "/v2/customers/segments"
_CARDS = "/v2/cards"
_GIFTS = "/v2/gift-cards"
_ORDERS = "/v2/orders"
_PAYMENTS = "/v2/payments"
_LOCATIONS = "/v2/locations"
_WEBHOOKS = "/v2/webhooks/subscriptions"

ROUTES = (
    # Customers
    _reads("GET", "/v2/customers", "list", READ, OVERVIEW, customers.list_customers),
    _writes("POST", "/v2/customers", "create", WRITE, OVERVIEW, customers.create),
    _reads("POST", "/v2/customers/search", "search", READ, OVERVIEW, customers.search_customers),
    _writes(
        *("POST", "/v2/customers/bulk-create", "bulk-create", WRITE, REFERENCE),
        customers.bulk_create,
    ),
    _reads(
        *("POST", "/v2/customers/bulk-retrieve", "bulk-retrieve", READ, REFERENCE),
        customers.bulk_retrieve,
    ),
    _writes(
        *("POST", "/v2/customers/bulk-update", "bulk-update", WRITE, REFERENCE),
        customers.bulk_update,
    ),
    _writes(
        *("POST", "/v2/customers/bulk-delete", "bulk-delete", WRITE, REFERENCE),
        customers.bulk_delete,
    ),
    _reads("GET", _ID, "retrieve", READ, OVERVIEW, customers.retrieve),
    _writes("PUT", _ID, "update", WRITE, OVERVIEW, customers.update),
    _writes("DELETE", _ID, "delete", WRITE, OVERVIEW, customers.delete),
    # Customer groups
    _reads("GET", _GROUPS, "list-groups", READ, REFERENCE, groups.list_groups),
    _writes("POST", _GROUPS, "create-group", WRITE, REFERENCE, groups.create_group),
    _reads("GET", f"{_GROUPS}/{{id}}", "retrieve-group", READ, REFERENCE, groups.retrieve_group),
    _writes("PUT", f"{_GROUPS}/{{id}}", "update-group", WRITE, REFERENCE, groups.update_group),
    _writes("DELETE", f"{_GROUPS}/{{id}}", "delete-group", WRITE, REFERENCE, groups.delete_group),
    _writes(
        *("PUT", f"{_ID}/groups/{{group_id}}", "add-group", WRITE, REFERENCE),
        groups.add_member,
    ),
    _writes(
        *("DELETE", f"{_ID}/groups/{{group_id}}", "remove-group", WRITE, REFERENCE),
        groups.remove_member,
    ),
    # Customer segments
    _reads("GET", _SEGMENTS, "list-segments", READ, REFERENCE, segments.list_segments),
    _reads(
        *("GET", f"{_SEGMENTS}/{{id}}", "retrieve-segment", READ, REFERENCE),
        segments.retrieve_segment,
    ),
    # Customer custom attributes
    _attributes(
        *("GET", _DEFINITIONS, "list-attribute-definitions", READ),
        custom_attribute_definitions.list_definitions,
    ),
    _attributes(
        *("POST", _DEFINITIONS, "create-attribute-definition", WRITE),
        custom_attribute_definitions.create_definition,
    ),
    _attributes(
        *("GET", f"{_DEFINITIONS}/{{key}}", "retrieve-attribute-definition", READ),
        custom_attribute_definitions.retrieve_definition,
    ),
    _attributes(
        *("PUT", f"{_DEFINITIONS}/{{key}}", "update-attribute-definition", WRITE),
        custom_attribute_definitions.update_definition,
    ),
    _attributes(
        *("DELETE", f"{_DEFINITIONS}/{{key}}", "delete-attribute-definition", WRITE),
        custom_attribute_definitions.delete_definition,
    ),
    _attributes(
        *("POST", "/v2/customers/custom-attributes/bulk-upsert", "bulk-upsert-attributes", WRITE),
        custom_attributes.bulk_upsert_attributes,
    ),
    _attributes("GET", _ATTRIBUTES, "list-attributes", READ, custom_attributes.list_attributes),
    _attributes(
        *("GET", f"{_ATTRIBUTES}/{{key}}", "retrieve-attribute", READ),
        custom_attributes.retrieve_attribute,
    ),
    _attributes(
        *("POST", f"{_ATTRIBUTES}/{{key}}", "upsert-attribute", WRITE),
        custom_attributes.upsert_attribute,
    ),
    _attributes(
        *("DELETE", f"{_ATTRIBUTES}/{{key}}", "delete-attribute", WRITE),
        custom_attributes.delete_attribute,
    ),
    # Cards
    _reads("GET", _CARDS, "list-cards", PAYMENTS_READ, REFERENCE, cards.list_cards),
    _writes("POST", _CARDS, "create-card", PAYMENTS_WRITE, TEST_VALUES, cards.create_card),
    _reads(
        *("GET", f"{_CARDS}/{{id}}", "retrieve-card", PAYMENTS_READ, REFERENCE),
        cards.retrieve_card,
    ),
    _writes(
        *("POST", f"{_CARDS}/{{id}}/disable", "disable-card", PAYMENTS_WRITE, REFERENCE),
        cards.disable_card,
    ),
    _writes(
        *("POST", f"{_ID}/cards", "create-customer-card", WRITE, REFERENCE),
        cards.create_customer_card,
    ),
    _writes(
        *("DELETE", f"{_ID}/cards/{{card_id}}", "delete-customer-card", WRITE, REFERENCE),
        cards.delete_customer_card,
    ),
    # Gift cards
    _reads("GET", _GIFTS, "list-gift-cards", GIFTS_READ, REFERENCE, gift_cards.list_gift_cards),
    _writes(
        *("POST", _GIFTS, "create-gift-card", GIFTS_WRITE, REFERENCE),
        gift_cards.create_gift_card,
    ),
    _reads(
        *("GET", f"{_GIFTS}/activities", "list-gift-card-activities", GIFTS_READ, REFERENCE),
        gift_cards.list_activities,
    ),
    _writes(
        *("POST", f"{_GIFTS}/activities", "create-gift-card-activity", GIFTS_WRITE, REFERENCE),
        gift_cards.create_activity,
    ),
    _reads(
        *("POST", f"{_GIFTS}/from-gan", "gift-card-from-gan", GIFTS_READ, REFERENCE),
        gift_cards.retrieve_from_gan,
    ),
    _reads(
        *("POST", f"{_GIFTS}/from-nonce", "gift-card-from-nonce", GIFTS_READ, REFERENCE),
        gift_cards.retrieve_from_nonce,
    ),
    _reads(
        *("GET", f"{_GIFTS}/{{id}}", "retrieve-gift-card", GIFTS_READ, REFERENCE),
        gift_cards.retrieve_gift_card,
    ),
    _writes(
        *("POST", f"{_GIFTS}/{{id}}/link-customer", "link-gift-card", GIFTS_WRITE, REFERENCE),
        gift_cards.link_customer,
    ),
    _writes(
        *("POST", f"{_GIFTS}/{{id}}/unlink-customer", "unlink-gift-card", GIFTS_WRITE, REFERENCE),
        gift_cards.unlink_customer,
    ),
    # Orders
    _writes("POST", _ORDERS, "create-order", ORDERS_WRITE, REFERENCE, orders.create_order),
    _reads(
        *("POST", f"{_ORDERS}/search", "search-orders", ORDERS_READ, INTEGRATE),
        orders.search_orders,
    ),
    _reads(
        *("POST", f"{_ORDERS}/batch-retrieve", "batch-retrieve-orders", ORDERS_READ, REFERENCE),
        orders.batch_retrieve,
    ),
    _reads(
        *("GET", f"{_ORDERS}/{{id}}", "retrieve-order", ORDERS_READ, REFERENCE),
        orders.retrieve_order,
    ),
    # Payments
    _reads("GET", _PAYMENTS, "list-payments", PAYMENTS_READ, REFERENCE, payments.list_payments),
    _writes(
        *("POST", _PAYMENTS, "create-payment", PAYMENTS_WRITE, TEST_VALUES),
        payments.create_payment,
    ),
    _reads(
        *("GET", f"{_PAYMENTS}/{{id}}", "retrieve-payment", PAYMENTS_READ, REFERENCE),
        payments.retrieve_payment,
    ),
    # Merchants and locations
    _reads(*("GET", _LOCATIONS, "list-locations", PROFILE, REFERENCE), locations.list_locations),
    _reads(
        *("GET", f"{_LOCATIONS}/{{id}}", "retrieve-location", PROFILE, REFERENCE),
        locations.retrieve_location,
    ),
    _reads(
        *("GET", "/v2/merchants", "list-merchants", PROFILE, REFERENCE), merchants.list_merchants
    ),
    _reads(
        *("GET", "/v2/merchants/{id}", "retrieve-merchant", PROFILE, REFERENCE),
        merchants.retrieve_merchant,
    ),
    # OAuth
    _reads("POST", "/oauth2/token/status", "token-status", (), REFERENCE, oauth.token_status),
    # Webhook subscriptions and events
    _reads(
        *("GET", "/v2/webhooks/event-types", "list-webhook-event-types", APPLICATION, REFERENCE),
        events.list_event_types,
    ),
    _reads(
        *("GET", _WEBHOOKS, "list-subscriptions", APPLICATION, REFERENCE),
        webhooks.list_subscriptions,
    ),
    _writes(
        *("POST", _WEBHOOKS, "create-subscription", APPLICATION, REFERENCE),
        webhooks.create_subscription,
    ),
    _reads(
        *("GET", f"{_WEBHOOKS}/{{id}}", "retrieve-subscription", APPLICATION, REFERENCE),
        webhooks.retrieve_subscription,
    ),
    _writes(
        *("PUT", f"{_WEBHOOKS}/{{id}}", "update-subscription", APPLICATION, REFERENCE),
        webhooks.update_subscription,
    ),
    _writes(
        *("DELETE", f"{_WEBHOOKS}/{{id}}", "delete-subscription", APPLICATION, REFERENCE),
        webhooks.delete_subscription,
    ),
    _writes(
        *("POST", f"{_WEBHOOKS}/{{id}}/signature-key", "rotate-signature-key", APPLICATION),
        *(REFERENCE, webhooks.rotate_signature_key),
    ),
    _reads(
        *("POST", f"{_WEBHOOKS}/{{id}}/test", "test-subscription", APPLICATION, "SDK"),
        webhooks.test_subscription,
    ),
    _reads("POST", "/v2/events", "search-events", APPLICATION, REFERENCE, events.search_events),
    _writes(
        *("PUT", "/v2/events/enable", "enable-events", APPLICATION, REFERENCE),
        events.enable_events,
    ),
    _writes(
        *("PUT", "/v2/events/disable", "disable-events", APPLICATION, REFERENCE),
        events.disable_events,
    ),
    _reads(
        *("GET", "/v2/events/types", "list-event-types", APPLICATION, REFERENCE),
        events.list_event_types,
    ),
    # Control: what Square has no call for
    *(
        Route(
            *(method, f"/_sandbox/{path}", path.partition("/")[0], (), "ours", handler, writes),
            True,
        )
        for method, path, handler, writes in (
            ("POST", "tokens", control.issue_token, True),
            ("DELETE", "tokens/{token}", control.revoke_token, True),
            ("POST", "merge", control.merge, True),
            ("POST", "faults", control.set_faults, False),
            ("GET", "log", control.read_log, False),
            ("POST", "clock", control.advance_clock, True),
            ("GET", "settings", control.read_settings, False),
            ("POST", "settings", control.change_settings, True),
            ("POST", "seed", control.fill, True),
        )
    ),
    Route(
        *("GET", "/_sandbox/openapi.json", "openapi", (), "ours", control.describe, False),
        owner=True,
        public=True,
    ),
)

# The endpoints a fault plan may name.
ENDPOINTS = tuple(route.name for route in ROUTES if not route.owner)


def find(method: str, path: str) -> tuple[Route, list[str]]:
    """Return the endpoint of a request and the ids in its path.

    Raises Refusal: 404 for an unknown path, 405 for a known one with another method.
    """
    steps = path.split("/")
    found = [(route, ids) for route in ROUTES if (ids := match(route.path, steps)) is not None]
    # A path written out, such as bulk-create, is not the id of a customer.
    found = [entry for entry in found if not entry[1]] or found
    for route, ids in found:
        if route.method == method:
            return route, ids
    if found:
        raise wrong_method(method, sorted(route.method for route, _ in found))
    raise unknown_path()


def check_version(route: Route, version: str) -> None:
    """Raise Refusal, 404, if a version does not have the endpoint yet."""
    if route.brought_by is not None and not route.brought_by.holds(version):
        raise unknown_path()


def match(template: str, steps: list[str]) -> list[str] | None:
    """Return the ids in a path that has the form of a template, None if it has not."""
    wanted = template.split("/")
    if len(wanted) != len(steps):
        return None
    ids = []
    for want, step in zip(wanted, steps, strict=True):
        if want.startswith("{") and step:
            ids.append(unquote(step))
        elif want != step:
            return None
    return ids
