"""Scripted faults: when they strike, what is committed, what the client sees."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from etl.sandbox import faults
from tests.sandbox.conftest import Square


def play(square: Square, *plan: dict[str, Any], seed: int = 0) -> None:
    """Put a plan in force."""
    square.ok("POST", "/_sandbox/faults", {"plan": list(plan), "seed": seed})


def bulk(square: Square, number: int = 4) -> Any:
    """Create profiles in one call; return their responses."""
    body = {"customers": {f"k{i}": {"given_name": f"G{i}"} for i in range(number)}}
    return square.ok("POST", "/v2/customers/bulk-create", body)["responses"]


@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(
    ("do", "error"),
    [
        ("drop", httpx.RemoteProtocolError),
        ("reset", httpx.ReadError),
    ],
)
def test_connections_break(
    square: Square, do: str, error: type[Exception], when: str, written: int
) -> None:
    """A dropped or reset connection raises alike in process and on a socket."""
    play(square, {"endpoint": "create", "nth": 1, "when": when, "do": do})

    with pytest.raises(error):
        square.create(given_name="A")

    assert len(square.sandbox.log()) == written
    assert square.create(given_name="B")["given_name"] == "B"


@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
def test_other_statuses(square: Square, when: str, written: int) -> None:
    """A status replaces the answer, with a body and Retry-After if asked for."""
    play(
        square,
        {"endpoint": "create", "nth": 1, "do": "status", "status": 503, "when": when},
        {"endpoint": "create", "nth": 2, "do": "status", "status": 429, "retry_after": 7},
        {"endpoint": "create", "nth": 3, "do": "status", "status": 502, "body": "<html>"},
        {"endpoint": "create", "nth": 4, "do": "status", "status": 500, "body": {"errors": []}},
    )
    answers = [square.send("POST", "/v2/customers", json={"given_name": "A"}) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [503, 429, 502, 500, 200]
    assert answers[0].json()["errors"][0]["code"] == "SERVICE_UNAVAILABLE"
    assert answers[1].headers["retry-after"] == "7"
    assert answers[2].text == "<html>"
    assert answers[3].json() == {"errors": []}
    assert len(square.sandbox.log()) == 1 + written


def test_a_fault_in_the_middle_of_a_bulk_call(square: Square) -> None:
    """``mid`` commits the first half of the entries, then the fault strikes."""
    play(square, {"endpoint": "bulk-create", "nth": 1, "when": "mid", "do": "drop"})

    with pytest.raises(httpx.RemoteProtocolError):
        bulk(square, 5)

    assert [entry["idempotency_key"] for entry in square.sandbox.log()] == ["k0", "k1", "k2"]
    assert len(bulk(square, 5)) == 5
    assert len(square.sandbox.log()) == 5


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_beyond_patience_times_out(square: Square, when: str) -> None:
    """The client gives up, and the write happens all the same."""
    play(square, {"endpoint": "create", "nth": 1, "when": when, "do": "delay", "seconds": 0.6})

    with pytest.raises(httpx.ReadTimeout):
        square.send("POST", "/v2/customers", json={"given_name": "A"}, timeout=0.2)

    until = time.monotonic() + 5
    while not square.sandbox.log() and time.monotonic() < until:
        time.sleep(0.05)
    assert len(square.sandbox.log()) == 1


def test_a_delay_within_patience_is_only_late(square: Square) -> None:
    """A short delay changes nothing of the answer."""
    play(square, {"endpoint": "create", "nth": 1, "do": "delay", "seconds": 0.05})

    assert square.create(given_name="A")["given_name"] == "A"


def test_truncated_answers(square: Square) -> None:
    """Half an answer and a closed connection: the write stands."""
    play(square, {"endpoint": "create", "nth": 1, "do": "truncate"})

    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        square.create(given_name="A")

    assert len(square.sandbox.log()) == 1


def test_dripping_answers_arrive_whole(square: Square) -> None:
    """Drip spreads the body over time; patient clients get all of it."""
    play(square, {"endpoint": "create", "nth": 1, "do": "drip", "seconds": 0.1})

    assert square.create(given_name="A")["given_name"] == "A"


def test_garbage_is_not_json(square: Square) -> None:
    """An edge page comes instead of the answer; the status may be 200."""
    play(square, {"endpoint": "create", "nth": 1, "do": "garbage"})

    answer = square.send("POST", "/v2/customers", json={"given_name": "A"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert len(square.sandbox.log()) == 1


def test_bombs_unpack_to_more_than_they_weigh(square: Square) -> None:
    """A small compressed answer unpacks to a large one."""
    play(square, {"endpoint": "list", "nth": 1, "do": "bomb", "bytes": 8 << 20})

    with square.client.stream("GET", "/v2/customers") as answer:
        weight = sum(map(len, answer.iter_raw()))

    assert weight < 100_000
    play(square, {"endpoint": "list", "nth": 1, "do": "bomb", "bytes": 8 << 20})
    assert len(square.send("GET", "/v2/customers").content) > 8 << 20


def test_omitted_and_extra_entries(square: Square) -> None:
    """Entries that were carried out are missing, others were never asked for."""
    play(
        square,
        {"endpoint": "bulk-create", "nth": 1, "do": "omit", "count": 3},
        {"endpoint": "bulk-create", "nth": 2, "do": "extra"},
        {"endpoint": "list", "nth": 1, "do": "extra", "count": 2},
    )

    first, second = bulk(square), bulk(square)

    assert len(first) == 1
    assert set(second) > {"k0", "k1", "k2", "k3"}
    assert len(second) == 5
    assert len(square.sandbox.log()) == 4
    assert len(square.ok("GET", "/v2/customers")["customers"]) == 6


def test_reordered_entries(square: Square) -> None:
    """The same entries in another order, always the same one for a seed."""
    plan = {"endpoint": "bulk-create", "nth": [1, 2], "do": "reorder"}
    play(square, plan, seed=1)
    one = bulk(square, 9)
    play(square, plan, seed=1)
    two = bulk(square, 9)

    assert one == two
    assert list(one) == list(two) != sorted(one)


def test_shares_are_drawn_from_the_seed(square: Square) -> None:
    """A rate hits the same calls for the same seed, others for another."""

    def hits(seed: int) -> list[int]:
        play(square, {"endpoint": "*", "rate": 0.3, "do": "status"}, seed=seed)
        return [square.send("GET", "/v2/customers").status_code for _ in range(40)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 3 < hits(1).count(503) < 25


def test_calls_are_counted_per_endpoint(square: Square) -> None:
    """``nth`` counts the calls of its endpoint, of all for ``*``; control calls do not count."""
    play(
        square,
        {"endpoint": "list", "nth": 2, "do": "status", "status": 500},
        {"endpoint": "*", "nth": 4, "do": "status", "status": 502},
    )

    statuses = [square.send("GET", "/v2/customers").status_code]
    square.ok("GET", "/_sandbox/log")
    statuses += [
        square.send("POST", "/v2/customers/search", json={}).status_code,
        square.send("GET", "/v2/customers").status_code,
        square.send("POST", "/v2/customers/search", json={}).status_code,
    ]

    assert statuses == [200, 200, 500, 502]


def test_an_empty_plan_ends_all_faults(square: Square) -> None:
    """Another plan replaces the one before."""
    play(square, {"endpoint": "*", "rate": 1, "do": "drop"})
    play(square)

    assert square.ok("GET", "/v2/customers") == {}


@pytest.mark.parametrize(
    "entry",
    [
        {"endpoint": "creat", "nth": 1, "do": "drop"},
        {"endpoint": "create", "nth": 1, "do": "explode"},
        {"endpoint": "create", "do": "drop"},
        {"endpoint": "create", "nth": 0, "do": "drop"},
        {"endpoint": "create", "rate": 2, "do": "drop"},
        {"endpoint": "create", "nth": 1, "do": "drop", "when": "never"},
        {"endpoint": "create", "nth": 1, "do": "truncate", "when": "before"},
        {"endpoint": "create", "nth": 1, "do": "delay", "seconds": -1},
        {"endpoint": "create", "nth": 1, "do": "status", "status": 99},
        {"endpoint": "create", "nth": 1, "do": "drop", "nht": 2},
        "drop",
    ],
)
def test_plans_that_cannot_be_played_are_refused(square: Square, entry: object) -> None:
    """A misspelt plan would test nothing: it is refused, naming the entry."""
    assert square.refused("POST", "/_sandbox/faults", {"plan": [entry]}) in (
        (400, [("BAD_REQUEST", "plan[0]")]),
        (400, [("EXPECTED_OBJECT", "plan[0]")]),
    )


def test_every_kind_of_fault_is_tried_here() -> None:
    """A kind that is added needs a test."""
    assert set(faults.KINDS) == {
        *("drop", "reset", "delay", "status", "garbage", "bomb"),
        *("truncate", "drip", "omit", "extra", "reorder"),
    }
