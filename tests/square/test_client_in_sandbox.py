"""Tests of the client against the sandbox, in process: reading, writing, and every fault."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from etl.errors import Refused, Unauthorized, Unavailable
from etl.sandbox import Sandbox
from etl.square.client import SquareClient
from etl.square.wire import Call
from tests.square.fakes import VERSION, Time

BASE_URL = "http://127.0.0.1"
NAMES = [f"Person {number:03d}" for number in range(120)]


@pytest.fixture
def sandbox() -> Sandbox:
    """An empty sandbox."""
    return Sandbox(chance=random.Random(1))


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A way to the sandbox's control calls."""
    headers = {"authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(
        transport=sandbox.transport(), base_url=f"{BASE_URL}/_sandbox", headers=headers
    ) as http:
        yield http


def connect(sandbox: Sandbox, time: Time, heard: list[Call], token: str = "") -> SquareClient:
    """Return a client of the sandbox."""
    return SquareClient(
        sandbox.transport(),
        BASE_URL,
        token or sandbox.token,
        VERSION,
        clock=time.clock,
        sleep=time.sleep,
        chance=random.Random(1),
        observe=heard.append,
    )


@pytest.fixture
def square(sandbox: Sandbox) -> SquareClient:
    """A client of the sandbox whose time is made up."""
    return connect(sandbox, Time(), [])


def creating(names: list[str]) -> bytes:
    """Return a bulk-create body with one key per name."""
    people = {f"key-{name}": {"given_name": name} for name in names}
    return orjson.dumps({"customers": people})


def fill(square: SquareClient) -> dict[str, str]:
    """Create everybody in NAMES; return id by name."""
    ids = {}
    for part in (NAMES[:60], NAMES[60:]):
        for item in square.bulk_create(creating(part)).values():
            assert item.customer is not None
            ids[item.customer["given_name"]] = item.customer["id"]
    return ids


def test_merchant_and_count(sandbox: Sandbox, square: SquareClient) -> None:
    """The sandbox's seller is known, and an empty directory counts nobody."""
    merchant = square.merchant()

    assert (merchant.id, merchant.country) == (sandbox.merchant_id, "US")
    assert square.count_customers() == 0
    assert list(square.list_customers()) == []


def test_created_profiles_are_listed_searched_and_retrieved(square: SquareClient) -> None:
    """What was created comes back page by page, by filter and by id."""
    ids = fill(square)
    pages = list(square.list_customers())
    wanted = {"created_at": {"start_at": "2000-01-01T00:00:00Z"}}

    assert square.count_customers() == 120
    assert [len(page) for page in pages] == [100, 20]
    assert {profile["given_name"]: profile["id"] for page in pages for profile in page} == ids
    assert sum(len(page) for page in square.search_customers(wanted)) == 120
    found = square.retrieve_customers([*ids.values(), "GONE"])
    assert {key: profile and profile["id"] for key, profile in found.items()} == {
        "GONE": None,
        **{id: id for id in ids.values()},
    }


def test_items_fail_one_by_one(square: SquareClient) -> None:
    """One bad profile does not touch the others of its call."""
    body = orjson.dumps(
        {"customers": {"a": {"given_name": "Ines"}, "b": {"phone_number": "12"}, "c": {}}}
    )

    created = square.bulk_create(body)

    assert created["a"].customer is not None
    assert [fault.code for fault in created["b"].faults] == ["INVALID_PHONE_NUMBER"]
    assert [fault.code for fault in created["c"].faults] == ["BAD_REQUEST"]


def test_updates_clear_and_conflict(square: SquareClient) -> None:
    """A null clears its field; a stale version is told of its item and not repeated."""
    id = fill(square)[NAMES[0]]
    square.bulk_update(orjson.dumps({"customers": {id: {"note": "x", "version": 0}}}))

    cleared = square.bulk_update(orjson.dumps({"customers": {id: {"note": None, "version": 1}}}))
    stale = square.bulk_update(orjson.dumps({"customers": {id: {"note": "y", "version": 1}}}))

    profile = cleared[id].customer or {"note": "lost"}
    assert "note" not in profile
    assert [fault.code for fault in stale[id].faults] == ["CONFLICT"]


def test_merged_profiles_are_found_under_their_old_ids(
    square: SquareClient, control: httpx.Client
) -> None:
    """Asked for by an old id, a merged profile shows its new one."""
    ids = fill(square)
    old = [ids[NAMES[0]], ids[NAMES[1]]]
    new = control.post("/merge", json={"from": old}).json()["customer"]["id"]

    found = square.retrieve_customers(old)

    assert [profile and profile["id"] for profile in found.values()] == [new, new]


def test_a_request_as_a_whole_is_refused(square: SquareClient) -> None:
    """More entries than Square takes are a refusal that names its reason."""
    with pytest.raises(Refused) as caught:
        square.bulk_create(creating([str(number) for number in range(101)]))

    assert caught.value.status == 400
    assert caught.value.faults


def test_wrong_tokens_and_missing_scopes(sandbox: Sandbox, control: httpx.Client) -> None:
    """A foreign token and a token without the scope both end at once."""
    reader = control.post("/tokens", json={"scopes": ["CUSTOMERS_READ"]}).json()["token"]

    with pytest.raises(Unauthorized) as foreign:
        connect(sandbox, Time(), [], "EAAA-somebody-elses").count_customers()
    with pytest.raises(Unauthorized) as scopeless:
        connect(sandbox, Time(), [], reader).bulk_create(creating(["Ines"]))

    assert (foreign.value.status, scopeless.value.status) == (401, 403)
    assert scopeless.value.faults[0].code == "INSUFFICIENT_SCOPES"


FAULTS: list[dict[str, Any]] = [
    {"do": "drop", "when": "before"},
    {"do": "drop", "when": "after"},
    {"do": "drop", "when": "mid"},
    {"do": "reset", "when": "before"},
    {"do": "reset", "when": "after"},
    {"do": "delay", "when": "after", "seconds": 90},
    {"do": "status", "when": "before", "status": 429, "retry_after": 75},
    {"do": "status", "when": "after", "status": 503},
    {"do": "status", "when": "after", "status": 502, "body": "<h1>Bad gateway</h1>"},
    {"do": "truncate"},
    {"do": "garbage"},
    {"do": "bomb"},
    {"do": "drip"},
    {"do": "reorder"},
    {"do": "extra"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['do']}-{fault.get('when')}")
def test_each_fault_leads_to_one_create_per_key(
    square: SquareClient, control: httpx.Client, fault: dict[str, Any]
) -> None:
    """However the network and the server fail, every key is created once and known by its key."""
    plan = [{"endpoint": "bulk-create", "nth": [1, 2], **fault}]
    control.post("/faults", json={"plan": plan, "seed": 1}).raise_for_status()

    created = square.bulk_create(creating(NAMES[:5]))

    assert {
        key: item.customer and item.customer["given_name"] for key, item in created.items()
    } == {f"key-{name}": name for name in NAMES[:5]}
    log = control.get("/log").json()["log"]
    assert len(log) == 5
    assert square.count_customers() == 5


def test_an_omitted_key_stays_unknown(square: SquareClient, control: httpx.Client) -> None:
    """A key that the answer leaves out is absent, neither created nor failed."""
    control.post("/faults", json={"plan": [{"endpoint": "bulk-create", "nth": 1, "do": "omit"}]})

    created = square.bulk_create(creating(NAMES[:5]))

    assert len(created) == 4
    assert square.count_customers() == 5


def test_ids_omitted_from_an_answer_are_found_later(
    square: SquareClient, control: httpx.Client
) -> None:
    """Ids that answers leave out are asked for again until each is accounted for."""
    ids = list(fill(square).values())
    plan = [{"endpoint": "bulk-retrieve", "nth": [1, 2], "do": "omit", "count": 30}]
    control.post("/faults", json={"plan": plan})

    assert all(square.retrieve_customers(ids).values())


def test_an_outage_ends_as_unavailable(sandbox: Sandbox, control: httpx.Client) -> None:
    """When nothing comes back, the client stops within its patience and says how often it tried."""
    control.post("/faults", json={"plan": [{"rate": 1.0, "do": "status", "status": 503}]})
    time, heard = Time(), list[Call]()

    with pytest.raises(Unavailable, match="last: 503 SERVICE_UNAVAILABLE"):
        connect(sandbox, time, heard).count_customers()

    assert 800 < time.now - 1000 <= 900
    assert [call.retry for call in heard] == [False] + [True] * (len(heard) - 1)


def test_a_limited_sandbox_is_read_without_losing_a_page() -> None:
    """Under a rate limit the client slows down and still reads every profile once."""
    time, heard = Time(), list[Call]()
    sandbox = Sandbox(chance=random.Random(1), rate=2.0, clock=time.clock)
    square = connect(sandbox, time, heard)
    ids = fill(square)

    for _ in range(20):
        listed = [profile["id"] for page in square.list_customers() for profile in page]
        assert sorted(listed) == sorted(ids.values())

    limited = sum(call.rate_limited for call in heard)
    assert 0 < limited < len(heard) / 4
