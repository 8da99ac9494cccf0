"""Requests made up by schemathesis from the description: none breaks the sandbox or gets by it.

Each test goes through one call: the boundaries of what it takes, then requests as described, then
requests that are not. ``pytest`` makes some of each kind, on a socket too. All of them, well over
10,000 requests each way, in some minutes::

    pytest -m long tests/sandbox/test_generated_requests.py
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks

from etl.sandbox.routes import ROUTES, Route
from tests.sandbox.conftest import Opened, Square
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
}
_DEFINITIONS = "/v2/customers/custom-attribute-definitions"
# A directory takes its time to be filled.
_MOST_PROFILES = 20


def world(opened: Opened) -> tuple[Square, dict[str, list[str]]]:
    """Open a sandbox that holds something of everything; return it with the ids that lead there."""
    square = opened(chance=random.Random(1))
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
    known["OrderId"].append(_open_order(square, known["LocationId"][0]))
    known["SourceId"] = _TELLING["SourceId"] + known["CardId"]
    return square, known


def _open_order(square: Square, location_id: str) -> str:
    order = {"location_id": location_id}
    return str(square.ok("POST", "/v2/orders", {"order": order})["order"]["id"])


def generator(description: Description, known: dict[str, list[str]]) -> Any:
    """Return schemathesis' view of the description, with known values where ids are expected."""
    document = copy.deepcopy(description.document)
    for name, values in (_TELLING | known).items():
        # A format no validator knows: any text is still as described.
        document["components"]["schemas"][name]["format"] = name
        likely = st.sampled_from(values)
        schemathesis.openapi.format(name, st.one_of(likely, likely, st.text()))
    for methods in document["paths"].values():
        for operation in methods.values():
            # A made-up version would refuse nearly all of them before anything else is looked at.
            operation["parameters"] = [
                parameter
                for parameter in operation["parameters"]
                if parameter["name"] != "Square-Version"
            ]
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    return schemathesis.openapi.from_dict(document, config=config)


def cases(schema: Any, operation: Any, number: int, boundaries: int | None) -> Iterator[Any]:
    """Yield cases for one call: boundaries, ``number`` as described, ``number`` that are not."""
    both = list(GenerationMode)
    all_boundaries = list(
        schema.iter_coverage_cases(
            operation, generation_modes=both, generation_config=schema.config.generation
        )
    )
    step = max(1, len(all_boundaries) // boundaries) if boundaries else 1
    yield from all_boundaries[::step]
    for mode in both:
        yield from drawn(operation.as_strategy(generation_mode=mode), number)


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
    if isinstance(case.body, dict) and type(case.body.get("profiles")) is int:
        case.body["profiles"] = min(case.body["profiles"], _MOST_PROFILES)
    address = str(square.client.base_url)
    sent: Any = requests.Request(**case.as_transport_kwargs(base_url=address)).prepare()
    headers = {name: value for name, value in sent.headers.items() if name != "Content-Length"}
    answer = square.client.request(sent.method, sent.url, headers=headers, content=sent.body)
    case.validate_response(answer, checks=[getattr(checks, name) for name in _CHECKS])
    description.check(*exchange(answer))


def run(opened: Opened, route: Route, number: int, boundaries: int | None) -> int:
    """Make generated requests for one call; return how many."""
    square, known = world(opened)
    description = Description(square.sandbox)
    schema = generator(description, known)
    (described,) = (
        operation
        for operation in description.operations
        if operation.described["operationId"] == route.call
    )
    operation = schema[described.path][described.method]
    made = list(cases(schema, operation, number, boundaries))
    for case in made:
        make(square, description, case)
    return len(made)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.call)
def test_some_requests(opened: Opened, route: Route) -> None:
    """No 5xx, no traceback, answers as described, and nothing accepted that is not."""
    assert run(opened, route, number=6, boundaries=12) > 0


@pytest.mark.long
def test_ten_thousand_requests(opened: Opened) -> None:
    """The same with every boundary and many more requests."""
    assert sum(run(opened, route, number=100, boundaries=None) for route in ROUTES) > 10_000
