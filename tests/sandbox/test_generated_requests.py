"""Requests made up by schemathesis from the description: none breaks the sandbox or gets by it.

Each test goes through one call: the boundaries of what it takes, then requests as described, then
requests that are not. ``pytest`` makes some of each kind, on a socket too. All of them, well over
10,000 requests each way, in some minutes::

    pytest -m long tests/sandbox/test_generated_requests.py
"""

from __future__ import annotations

import copy
import functools
import random
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks

from etl.sandbox import Sandbox
from etl.sandbox.routes import ROUTES
from tests.sandbox.conftest import Clock, Opened, Square
from tests.sandbox.description import Description, exchange

# That nothing is accepted which is not as described is left to our own reading of the description:
# schemathesis excuses members that must not be there.
_CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
# What of the description is drawn from values that lead deep into the sandbox, beside any others.
_TELLING = {
    "EmailAddress": ["ines.moreau@example.net", "jürgen@bücher.example", "INES@EXAMPLE.COM"],
    "PhoneNumber": ["+1 206 555 0148", "(206) 555-0148", "+33 1 99 00 12 34"],
    "Birthday": ["04-17", "0000-02-29", "1998-09-21"],
    "MerchantId": ["me"],
    "SourceId": ["cnon:card-nonce-ok", "CASH", "ccof:customer-card-id-ok"],
    "Currency": ["USD"],
    # Nobody listens at the discard port.
    "NotificationUrl": ["http://127.0.0.1:9/events", "https://localhost:9/"],
}
_DEFINITIONS = "/v2/customers/custom-attribute-definitions"
# A directory takes its time to be filled.
_MOST_PROFILES = 20


def known_in(square: Square) -> dict[str, list[str]]:
    """Put something of everything into a sandbox; return the ids that lead there."""
    square.sandbox.control("seed", {"profiles": 60, "seed": 7})
    merged = [square.create(given_name="Nia", note=note)["id"] for note in ("one", "two")]
    square.sandbox.control("merge", {"from": merged})
    known = {
        name: [one[key] for one in square.ok("GET", path)[thing]]
        for name, path, thing, key in (
            ("CustomerId", "/v2/customers?limit=20", "customers", "id"),
            ("GroupId", "/v2/customers/groups", "groups", "id"),
            ("SegmentId", "/v2/customers/segments", "segments", "id"),
            ("Key", _DEFINITIONS, "custom_attribute_definitions", "key"),
            ("CardId", "/v2/cards", "cards", "id"),
            ("GiftCardId", "/v2/gift-cards", "gift_cards", "id"),
            ("Gan", "/v2/gift-cards", "gift_cards", "gan"),
            ("PaymentId", "/v2/payments", "payments", "id"),
            ("OrderId", "/v2/payments", "payments", "order_id"),
            ("LocationId", "/v2/locations", "locations", "id"),
        )
    }
    known["CustomerId"].append(merged[0])
    order = {"order": {"location_id": known["LocationId"][0]}}
    known["OrderId"].append(square.ok("POST", "/v2/orders", order)["order"]["id"])
    (url, _) = _TELLING["NotificationUrl"]
    body = {"subscription": {"event_types": ["customer.created"], "notification_url": url}}
    made = square.ok("POST", "/v2/webhooks/subscriptions", body)
    known["SubscriptionId"] = [made["subscription"]["id"]]
    square.ok("PUT", "/v2/events/enable")
    return known | {"SourceId": _TELLING["SourceId"] + known["CardId"]}


class Planner:
    """Schemathesis, and what it makes up: the same at every run."""

    def __init__(self) -> None:
        sandbox = Sandbox(clock=Clock(), chance=random.Random(1))
        with httpx.Client(
            transport=sandbox.transport(),
            base_url="http://square.invalid",
            headers={"Authorization": f"Bearer {sandbox.token}"},
        ) as client:
            self.known = known_in(Square(sandbox, client, Clock()))
        self.description = Description(sandbox)
        config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
        self.schema = schemathesis.openapi.from_dict(self._document(), config=config)

    def _document(self) -> dict[str, Any]:
        """Return the description, with known values where they lead somewhere."""
        document = copy.deepcopy(self.description.document)
        for name, values in (_TELLING | self.known).items():
            # A format no validator knows: any text is still as described.
            document["components"]["schemas"][name]["format"] = name
            likely = st.sampled_from(values)
            schemathesis.openapi.format(name, st.one_of(likely, likely, st.text()))
        for methods in document["paths"].values():
            for operation in methods.values():
                # A made-up version would refuse nearly all of them before anything is looked at.
                operation["parameters"] = [
                    parameter
                    for parameter in operation["parameters"]
                    if parameter["name"] != "Square-Version"
                ]
        return document

    @functools.cache  # noqa: B019
    def cases(self, call: str, number: int, boundaries: int | None) -> list[Any]:
        """Make up requests for a call: its boundaries, then as described, then not so."""
        (described,) = (
            operation
            for operation in self.description.operations
            if operation.described["operationId"] == call
        )
        operation = self.schema[described.path][described.method]
        both = list(GenerationMode)
        found = list(
            self.schema.iter_coverage_cases(
                operation,
                generation_modes=both,
                generation_config=self.schema.config.generation,
            )
        )
        found = found[:: max(1, len(found) // boundaries) if boundaries else 1]
        for mode in both:
            found += drawn(operation.as_strategy(generation_mode=mode), number)
        for case in found:
            body: Any = case.body
            if isinstance(body, dict) and type(body.get("profiles")) is int:
                body["profiles"] = min(body["profiles"], _MOST_PROFILES)
        return found


@pytest.fixture(scope="module")
def planner() -> Planner:
    """One for all tests: to read the description takes longer than most of them."""
    return Planner()


def drawn(strategy: st.SearchStrategy[Any], number: int) -> list[Any]:
    """Return what a strategy gives, the same at every run."""
    found: list[Any] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(case: Any) -> None:
        found.append(case)

    try:
        draw()
    except Unsatisfiable:
        # A call that takes nothing cannot be made wrongly.
        assert not found
    return found


def make(square: Square, description: Description, case: Any) -> None:
    """Make a request; schemathesis and our own reading of the description judge its answer."""
    address = str(square.client.base_url)
    sent: Any = requests.Request(**case.as_transport_kwargs(base_url=address)).prepare()
    headers = {name: value for name, value in sent.headers.items() if name != "Content-Length"}
    answer = square.client.request(sent.method, sent.url, headers=headers, content=sent.body)
    case.validate_response(answer, checks=[getattr(checks, name) for name in _CHECKS])
    description.check(*exchange(answer))


def run(opened: Opened, planner: Planner, call: str, number: int, boundaries: int | None) -> int:
    """Make generated requests for one call; return how many."""
    square = opened(chance=random.Random(1))
    assert known_in(square) == planner.known
    made = planner.cases(call, number, boundaries)
    for case in made:
        make(square, planner.description, case)
    return len(made)


@pytest.mark.parametrize("call", [route.call for route in ROUTES])
def test_some_requests(opened: Opened, planner: Planner, call: str) -> None:
    """No 5xx, no traceback, answers as described, and nothing accepted that is not."""
    assert run(opened, planner, call, number=5, boundaries=10) > 0


@pytest.mark.long
def test_ten_thousand_requests(opened: Opened, planner: Planner) -> None:
    """The same with every boundary and many more requests."""
    made = sum(run(opened, planner, route.call, number=100, boundaries=None) for route in ROUTES)
    assert made > 10_000
