"""Which path is which endpoint?"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from etl.sandbox import control
from etl.sandbox.apis import customers, groups, merchants, oauth, segments
from etl.sandbox.errors import unknown_path, wrong_method

READ = ("CUSTOMERS_READ",)
WRITE = ("CUSTOMERS_WRITE",)
PROFILE = ("MERCHANT_PROFILE_READ",)


class Route(NamedTuple):
    """One endpoint: its name in fault plans and the log, what it needs, what it does.

    ``source`` names what its behaviour is known from. ``owner`` marks control calls: the sandbox's
    own token opens them, whatever its scopes; they have neither pace nor faults. ``public`` ones
    need no token, and their handlers no call.
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


# What Square publishes.
REFERENCE = "API reference"
OVERVIEW = "API reference, Customers API overview"
_ID = "/v2/customers/{id}"
_GROUPS = "/v2/customers/groups"
_SEGMENTS = "/v2/customers/segments"

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
    # Cards
    # Gift cards
    # Orders
    # Payments
    # Merchants and locations
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

# Square has these below /v2/customers; the sandbox does not, and none of them is a customer's id.
_NOT_YET = ("custom-attribute-definitions", "custom-attributes")


def find(method: str, path: str) -> tuple[Route, list[str]]:
    """Return the endpoint of a request and the ids in its path.

    Raises Refusal: 404 for an unknown path, 405 for a known one with another method.
    """
    steps = path.split("/")
    if steps[:3] == ["", "v2", "customers"] and steps[3:4] and steps[3] in _NOT_YET:
        raise unknown_path(f"This sandbox does not serve {steps[3]} yet.")
    found = [(route, ids) for route in ROUTES if (ids := _match(route.path, steps)) is not None]
    # A path written out, such as bulk-create, is not the id of a customer.
    found = [entry for entry in found if not entry[1]] or found
    for route, ids in found:
        if route.method == method:
            return route, ids
    if found:
        raise wrong_method(method, sorted(route.method for route, _ in found))
    raise unknown_path()


def _match(template: str, steps: list[str]) -> list[str] | None:
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
