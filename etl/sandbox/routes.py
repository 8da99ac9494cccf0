"""Which path is which endpoint?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from etl.sandbox import control, groups, handlers, segments
from etl.sandbox.errors import unknown_path, wrong_method

READ = ("CUSTOMERS_READ",)
WRITE = ("CUSTOMERS_WRITE",)
PROFILE = ("MERCHANT_PROFILE_READ",)


class Route(NamedTuple):
    """One endpoint: its name in fault plans and the log, what it needs, what it does.

    ``owner`` marks control calls: the sandbox's own token opens them, whatever its scopes; they
    have neither pace nor faults.
    """

    method: str
    path: str
    name: str
    scopes: tuple[str, ...]
    handler: Callable[..., bytes]
    writes: bool = False
    owner: bool = False


ROUTES = (
    Route("GET", "/v2/customers", "list", READ, handlers.list_customers),
    Route("POST", "/v2/customers", "create", WRITE, handlers.create, writes=True),
    Route("POST", "/v2/customers/search", "search", READ, handlers.search_customers),
    Route(
        *("POST", "/v2/customers/bulk-create", "bulk-create", WRITE, handlers.bulk_create),
        writes=True,
    ),
    Route("POST", "/v2/customers/bulk-retrieve", "bulk-retrieve", READ, handlers.bulk_retrieve),
    Route(
        *("POST", "/v2/customers/bulk-update", "bulk-update", WRITE, handlers.bulk_update),
        writes=True,
    ),
    Route(
        *("POST", "/v2/customers/bulk-delete", "bulk-delete", WRITE, handlers.bulk_delete),
        writes=True,
    ),
    Route("GET", "/v2/customers/{id}", "retrieve", READ, handlers.retrieve),
    Route("PUT", "/v2/customers/{id}", "update", WRITE, handlers.update, writes=True),
    Route("DELETE", "/v2/customers/{id}", "delete", WRITE, handlers.delete, writes=True),
    Route("GET", "/v2/customers/groups", "list-groups", READ, groups.list_groups),
    Route(
        *("POST", "/v2/customers/groups", "create-group", WRITE, groups.create_group), writes=True
    ),
    Route("GET", "/v2/customers/groups/{id}", "retrieve-group", READ, groups.retrieve_group),
    Route(
        *("PUT", "/v2/customers/groups/{id}", "update-group", WRITE, groups.update_group),
        writes=True,
    ),
    Route(
        *("DELETE", "/v2/customers/groups/{id}", "delete-group", WRITE, groups.delete_group),
        writes=True,
    ),
    Route(
        *("PUT", "/v2/customers/{id}/groups/{group_id}", "add-group", WRITE, groups.add_member),
        writes=True,
    ),
    Route(
        *("DELETE", "/v2/customers/{id}/groups/{group_id}", "remove-group", WRITE),
        groups.remove_member,
        writes=True,
    ),
    Route("GET", "/v2/customers/segments", "list-segments", READ, segments.list_segments),
    Route(
        *("GET", "/v2/customers/segments/{id}", "retrieve-segment", READ),
        segments.retrieve_segment,
    ),
    Route("GET", "/v2/merchants", "list-merchants", PROFILE, handlers.list_merchants),
    Route("GET", "/v2/merchants/{id}", "retrieve-merchant", PROFILE, handlers.retrieve_merchant),
    Route("POST", "/oauth2/token/status", "token-status", (), handlers.token_status),
    *(
        Route(method, f"/_sandbox/{path}", path.partition("/")[0], (), handler, writes, owner=True)
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
