"""Scripted faults: when they strike, what is committed, what the client sees."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import Sandbox, routes
from etl.sandbox.faults.plan import ACTS, KINDS, PAGES
from tests.sandbox.attributes import define, shown, upsert
from tests.sandbox.conftest import Opened, Square


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


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ({"endpoint": "bulkcreate", "do": "drop"}, "did you mean 'bulk-create'?"),
        ({"do": "drop", "sceonds": 3}, "did you mean 'seconds'?"),
        ({"do": "drop", "when": "body-part"}, "when is one of before, mid, after, body"),
        ({"do": "status", "status": 503.5}, "status lies between 200 and 599"),
        ({"do": "omit", "count": 1.5}, "count is a whole number"),
        ({"do": "delay", "seconds": 1e300}, "seconds is a number from 0 to"),
        ({"do": "status", "retry_after": "soon"}, "retry_after is a number"),
        ({"do": "bomb", "bytes": 1 << 40}, "bytes is a whole number"),
        ({"do": "bomb", "compressed": 1}, "compressed is true or false"),
        ({"do": "garbage", "page": ["502"]}, "page is one of upstream-html, upstream"),
        ({"do": "drop", "page": "502"}, "only garbage has page"),
        ({"do": "omit", "when": "body"}, "in the body only drop, reset, delay"),
        ({"do": ["drop"]}, "do is one of drop, reset"),
    ],
)
def test_a_refused_plan_says_what_there_is(
    square: Square, entry: dict[str, object], remedy: str
) -> None:
    """The refusal names the entry and what may have been meant; the plan before goes on."""
    play(square, {"endpoint": "list", "rate": 1, "do": "status"})
    plan = [{"nth": 1, "do": "drop"}, {"nth": 1} | entry]

    answer = square.send("POST", "/_sandbox/faults", json={"plan": plan})

    assert answer.status_code == 400
    detail = answer.json()["errors"][0]["detail"]
    assert detail.startswith("plan[1]: ")
    assert remedy in detail
    assert square.send("GET", "/v2/customers").status_code == 503


def test_a_plan_has_no_other_members(square: Square) -> None:
    """A misspelt seed would play another plan than the one meant."""
    assert square.refused("POST", "/_sandbox/faults", {"plan": [], "sede": 1}) == (
        400,
        [("BAD_REQUEST", "sede")],
    )


_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "endpoint": st.sampled_from(["*", "list", "create", "update", "bulk-update"]),
    "do": st.sampled_from(KINDS),
    "when": st.sampled_from(["before", "mid", "after", "body"]),
    "nth": st.integers(1, 3) | st.lists(st.integers(1, 4), max_size=3),
    "rate": st.sampled_from([0, 0.5, 1]),
    "seconds": st.sampled_from([0, 0.001, 1, 1e8]),
    "status": st.integers(200, 599),
    "body": _JUNK,
    "retry_after": st.sampled_from([0, 0.1, 1e8]),
    "count": st.integers(0, 9),
    "bytes": st.integers(0, 1 << 21),
    "compressed": st.booleans(),
    "page": st.sampled_from(list(PAGES)),
    "profiles": st.sampled_from(["first", "every", ["A", "B"]]),
    "changes": st.sampled_from([{"nickname": "N"}, {"given_name": None}, {"address": {}}]),
}


@st.composite
def likely_entry(draw: st.DrawFn) -> dict[str, Any]:
    """An entry that can be played most of the time: only members of its kind, of their type."""
    do = draw(_LIKELY["do"])
    owned = {
        "page": do == "garbage",
        "compressed": do == "bomb",
        "profiles": do in ("edit", "merge", "delete"),
        "changes": do == "edit",
        "when": do not in ACTS,
    }
    names = [name for name in _LIKELY if name != "do" and owned.get(name, True)]
    chosen = set(draw(st.lists(st.sampled_from(names), max_size=5))) | {"nth"}
    chosen |= {"changes"} if do == "edit" else set()
    return {"do": do} | {name: draw(_LIKELY[name]) for name in sorted(chosen)}


@st.composite
def odd_entry(draw: st.DrawFn) -> Any:
    """An entry with something else in one place, or something else altogether."""
    if draw(st.booleans()):
        return draw(_JUNK)
    return draw(likely_entry()) | {draw(st.sampled_from([*_LIKELY, "x"])): draw(_JUNK)}


def try_plan(body: object) -> int:
    """Play a plan and make calls; return the status of the plan's own call."""
    sandbox = Sandbox()
    with httpx.Client(
        transport=sandbox.transport(),
        base_url="http://square.invalid",
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ) as client:
        made = client.post("/v2/customers", json={"given_name": "A"}).json()["customer"]["id"]
        played = client.post("/_sandbox/faults", content=orjson.dumps(body))
        for _ in range(2):
            for method, path, sent in (
                ("GET", "/v2/customers", None),
                ("PUT", f"/v2/customers/{made}", {"nickname": "N"}),
                ("POST", "/v2/customers/bulk-update", {"customers": {made: {"note": "n"}}}),
            ):
                with contextlib.suppress(httpx.HTTPError):
                    client.request(method, path, json=sent)
        assert client.get("/_sandbox/log").status_code == 200
    sandbox.close()
    return played.status_code


@given(plan=st.lists(likely_entry(), min_size=1, max_size=3), seed=st.integers(-(2**63), 2**63))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_whatever_is_played_calls_break_or_are_answered(plan: list[Any], seed: int) -> None:
    """Under any plan a call is answered, or fails as httpx tells of a network; nothing else."""
    assert try_plan({"plan": plan, "seed": seed}) in (200, 400)


@given(plan=st.lists(odd_entry(), max_size=3) | _JUNK, more=st.just({}) | st.just({"seed": None}))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_any_plan_is_played_or_refused(plan: Any, more: dict[str, Any]) -> None:
    """Whatever JSON a plan is, it is played or refused."""
    assert try_plan({"plan": plan} | more) in (200, 400)


# All kinds, for all kinds of calls


class _Calls:
    """A call of each kind: single, bulk, list and search."""

    def __init__(self, square: Square) -> None:
        self._square = square
        self._ids = [square.create(given_name=f"G{i}")["id"] for i in range(4)]

    def send(self, endpoint: str) -> httpx.Response:
        """Make a call."""
        number = len(self._square.sandbox.log())
        new = {f"k{number}-{i}": {"given_name": "N"} for i in range(4)}
        method, path, body = {
            "create": ("POST", "", {"given_name": "N"}),
            "bulk-create": ("POST", "/bulk-create", {"customers": new}),
            "bulk-retrieve": ("POST", "/bulk-retrieve", {"customer_ids": self._ids}),
            "list": ("GET", "", None),
            "search": ("POST", "/search", {"limit": 4}),
        }[endpoint]
        return self._square.send(method, f"/v2/customers{path}", json=body)


_WRITES = {"create": 1, "bulk-create": 4}
_BREAKS: dict[str, type[httpx.HTTPError]] = {
    "drop": httpx.RemoteProtocolError,
    "truncate": httpx.RemoteProtocolError,
    "reset": httpx.ReadError,
}
_CASES = [
    (do, when)
    for do in KINDS
    if do not in ACTS
    for when in ("before", "mid", "after", "body")
    if when != "body" or do in ("drop", "reset", "delay", "truncate", "drip")
]


@pytest.mark.parametrize("endpoint", [*_WRITES, "list", "search"])
@pytest.mark.parametrize(("do", "when"), _CASES)
def test_every_fault_strikes_every_kind_of_call(
    square: Square, endpoint: str, do: str, when: str
) -> None:
    """What is written is told by ``when``, what is seen by ``do``; the next call is whole."""
    calls = _Calls(square)
    entry = {"endpoint": endpoint, "nth": 1, "do": do, "when": when, "seconds": 0.01}
    play(square, entry | ({"bytes": 1 << 20} if do == "bomb" else {}))
    whole = _WRITES.get(endpoint, 0)
    half = whole // 2 if endpoint.startswith("bulk-") else whole
    written = {"before": whole if do == "delay" else 0, "mid": half}.get(when, whole)

    if do in _BREAKS:
        with pytest.raises(_BREAKS[do]):
            calls.send(endpoint)
    else:
        answer = calls.send(endpoint)
        assert answer.status_code == (503 if do == "status" else 200)
        assert (answer.headers["content-type"] == "text/html") == (do == "garbage")
        assert (len(answer.content) > 1 << 20) == (do == "bomb")
        if do != "garbage":
            assert isinstance(answer.json(), dict)
    assert len(square.sandbox.log()) == 4 + written

    after = calls.send(endpoint)
    assert after.status_code == 200
    assert not [entry for entry in after.json().get("responses", {}).values() if "errors" in entry]
    assert len(square.sandbox.log()) == 4 + written + whole


@pytest.mark.parametrize("do", ["omit", "extra", "reorder"])
@pytest.mark.parametrize("endpoint", ["bulk-create", "bulk-retrieve", "list", "search"])
def test_entries_are_rearranged_wherever_there_are_some(
    square: Square, endpoint: str, do: str
) -> None:
    """Maps of bulk calls and lists alike lack an entry, have one too many, or are shuffled."""
    calls = _Calls(square)

    def entries() -> list[Any]:
        answer = calls.send(endpoint).json()
        found = answer.get("responses") or answer["customers"]
        return list(found.items()) if isinstance(found, dict) else found

    play(square)
    whole = entries()
    play(square, {"endpoint": endpoint, "nth": 1, "do": do}, seed=3)
    spoiled = entries()

    if endpoint == "bulk-create":
        whole, spoiled = [value["customer"]["given_name"] for _, value in whole], spoiled
        assert len(spoiled) == len(whole) + {"omit": -1, "extra": 1, "reorder": 0}[do]
    elif do == "omit":
        assert len(spoiled) == len(whole) - 1
        assert [entry for entry in whole if entry in spoiled] == spoiled
    elif do == "extra":
        assert spoiled[:-1] == whole
    else:
        assert spoiled != whole
        assert sorted(map(str, spoiled)) == sorted(map(str, whole))


def test_values_of_custom_attributes_are_rearranged_too(square: Square) -> None:
    """The map of a bulk upsert is called ``values``; its first half may be all that is done."""
    define(square, "size")
    ids = [square.create(given_name=f"G{i}")["id"] for i in range(4)]
    plans: list[dict[str, Any]] = [
        {"do": "omit", "count": 3},
        {"do": "extra"},
        {"do": "reorder"},
        {"do": "drop", "when": "mid"},
    ]
    play(
        square,
        *(
            {"endpoint": "bulk-upsert-attributes", "nth": i + 1} | entry
            for i, entry in enumerate(plans)
        ),
        seed=2,
    )

    def upserted(number: int) -> list[str]:
        values = {
            f"v{i}": {"customer_id": ids[i], **upsert(f"{number}", key="size")} for i in range(4)
        }
        path = "/v2/customers/custom-attributes/bulk-upsert"
        return list(square.ok("POST", path, {"values": values})["values"])

    asked = [f"v{i}" for i in range(4)]
    assert len(upserted(1)) == 1
    assert upserted(2)[:4] == asked
    assert sorted(upserted(3)) == asked
    with pytest.raises(httpx.RemoteProtocolError):
        upserted(4)
    assert [shown(square, customer_id)["size"] for customer_id in ids] == ["4", "4", "3", "3"]
    assert upserted(5) == asked


def test_other_lists_and_maps_are_rearranged_too(square: Square) -> None:
    """Every list of an answer counts, whatever it is called; errors are left alone."""
    for i in range(3):
        square.ok("POST", "/v2/customers/groups", {"group": {"name": f"G{i}"}})
    play(
        square,
        {"endpoint": "list-groups", "nth": 1, "do": "omit", "count": 2},
        {"endpoint": "list-merchants", "nth": 1, "do": "extra"},
        {"endpoint": "list", "nth": 1, "do": "omit"},
    )

    assert len(square.ok("GET", "/v2/customers/groups")["groups"]) == 1
    assert len(square.ok("GET", "/v2/merchants")["merchant"]) == 2
    assert square.refused("GET", "/v2/customers?limit=0") == (400, [("VALUE_TOO_LOW", "limit")])


def test_an_answer_about_one_thing_may_lack_it(square: Square) -> None:
    """A single call may answer 200 without the customer, or with something nobody asked for."""
    play(
        square,
        {"endpoint": "create", "nth": 1, "do": "omit"},
        {"endpoint": "create", "nth": 2, "do": "extra"},
    )
    body = {"given_name": "A"}

    assert square.ok("POST", "/v2/customers", body) == {}
    two = square.ok("POST", "/v2/customers", body)
    assert len(two) == 2
    assert two["customer"]["given_name"] == "A"
    assert len(square.sandbox.log()) == 2


def test_an_answer_may_promise_what_is_not_kept(square: Square) -> None:
    """Before the commit an answer that is spoiled tells of writes that are undone after it."""
    play(
        square,
        {"endpoint": "bulk-create", "nth": 1, "do": "omit", "count": 1, "when": "before"},
        {"endpoint": "create", "nth": 1, "do": "omit", "count": 0, "when": "before"},
    )
    first = bulk(square, 3)

    assert len(first) == 2
    for entry in first.values():
        path = f"/v2/customers/{entry['customer']['id']}"
        assert square.send("GET", path).status_code == 404
    promised = square.create(given_name="A", idempotency_key="k")
    assert square.ok("GET", "/v2/customers") == {}
    assert square.sandbox.log() == []
    assert square.create(given_name="A", idempotency_key="k")["id"] != promised["id"]


def test_breaks_in_the_middle_of_the_body(square: Square) -> None:
    """Status and headers arrive, half the body too; a silence there is a read timeout."""
    play(
        square,
        {"endpoint": "create", "nth": 1, "do": "drop", "when": "body"},
        {"endpoint": "create", "nth": 2, "do": "delay", "when": "body", "seconds": 0.6},
        {"endpoint": "create", "nth": 3, "do": "delay", "when": "body", "seconds": 0.05},
    )

    with square.client.stream("POST", "/v2/customers", json={"given_name": "A"}) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
            answer.read()
    with square.client.stream(
        "POST", "/v2/customers", json={"given_name": "B"}, timeout=0.2
    ) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            answer.read()
    assert square.create(given_name="C")["given_name"] == "C"
    assert len(square.sandbox.log()) == 3


@pytest.mark.parametrize(
    ("page", "status", "kind", "text"),
    [
        ("upstream-html", 200, "text/html", "upstream connect error or disconnect/reset"),
        ("upstream", 503, "text/plain", "upstream connect error or disconnect/reset"),
        ("unavailable", 503, "text/plain", "Service Unavailable"),
        ("502", 502, "text/html", "<h1>502 Bad Gateway</h1>"),
        ("503", 503, "text/html", "<h1>503 Service Temporarily Unavailable</h1>"),
        ("1101", 500, "text/html", "Error 1101"),
        ("v1-429", 429, "application/json", '"category":"V1_ERROR","code":"TOO_MANY_REQUESTS"'),
        ("cut-json", 200, "application/json", '{"customer":{"id":"'),
        ("bad-json", 200, "application/json", '{"id": }'),
        ("not-utf-8", 200, "application/json", "\ufffd\ufffd"),
        ("deep-json", 200, "application/json", "[" * 100_000),
        ("empty", 200, "application/json", ""),
    ],
)
def test_what_comes_instead_of_an_answer(
    square: Square, page: str, status: int, kind: str, text: str
) -> None:
    """Pages of the edge, the older 429 and broken JSON, as extractors have met them."""
    play(
        square,
        {"endpoint": "create", "nth": 1, "do": "garbage", "page": page, "retry_after": 2},
        {"endpoint": "create", "nth": 2, "do": "garbage", "page": page, "status": 504},
        {"endpoint": "create", "nth": 3, "do": "garbage", "page": page, "when": "before"},
    )
    answers = [square.send("POST", "/v2/customers", json={"given_name": "A"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, 504, status]
    assert {answer.headers["content-type"] for answer in answers} == {kind}
    assert ("square-version" in answers[0].headers) == (kind == "application/json")
    assert answers[0].headers["retry-after"] == "2"
    assert text in answers[0].text
    if page == "v1-429":
        assert answers[0].json()["errors"][0]["code"] == "TOO_MANY_REQUESTS"
    else:
        with pytest.raises((ValueError, RecursionError)):
            answers[0].json()
    assert len(square.sandbox.log()) == 2


def test_every_page_is_tried_here() -> None:
    """A page that is added needs a test."""
    tried = test_what_comes_instead_of_an_answer.pytestmark[0].args[1]  # type: ignore[attr-defined]

    assert [case[0] for case in tried] == list(PAGES)


def test_oversized_answers_need_not_be_compressed(square: Square) -> None:
    """An answer may weigh as much as it unpacks to."""
    play(
        square, {"endpoint": "list", "nth": 1, "do": "bomb", "bytes": 3 << 20, "compressed": False}
    )

    with square.client.stream("GET", "/v2/customers") as answer:
        assert "content-encoding" not in answer.headers
        assert int(answer.headers["content-length"]) > 3 << 20
        assert sum(map(len, answer.iter_raw())) == int(answer.headers["content-length"])


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(square: Square, status: int) -> None:
    """Some statuses have none; the connection goes on."""
    play(square, {"endpoint": "list", "nth": 1, "do": "status", "status": status})

    answer = square.send("GET", "/v2/customers")

    assert (answer.status_code, answer.content) == (status, b"")
    assert square.ok("GET", "/v2/customers") == {}


@pytest.mark.parametrize("body", [{}, [], 0, "", {"responses": []}])
def test_a_status_may_come_with_any_body(square: Square, body: object) -> None:
    """JSON of another shape than Square's, an empty text too, with the status asked for."""
    play(square, {"endpoint": "list", "nth": 1, "do": "status", "status": 200, "body": body})

    answer = square.send("GET", "/v2/customers")

    assert answer.status_code == 200
    assert (answer.text if body == "" else answer.json()) == body


@pytest.mark.parametrize(
    "route", [route for route in routes.ROUTES if not route.owner], ids=lambda route: route.name
)
def test_every_endpoint_can_be_named(square: Square, route: routes.Route) -> None:
    """A plan reaches whatever is served."""
    play(square, {"endpoint": route.name, "nth": 1, "do": "status", "status": 502})
    path = "/".join("X" if step.startswith("{") else step for step in route.path.split("/"))

    assert square.send(route.method, path, json={}).status_code == 502


def test_names_of_endpoints_are_their_own() -> None:
    """No two endpoints share a name."""
    assert len(set(routes.ENDPOINTS)) == len(routes.ENDPOINTS)


# The pause of a whole application


def test_a_pause_is_application_wide(opened: Opened) -> None:
    """All tokens are told to wait for minutes (forum 26925); the clock ends it."""
    square = opened()
    other = square.ok("POST", "/_sandbox/tokens", {"scopes": ["CUSTOMERS_READ"]})["token"]
    headers = {"Authorization": f"Bearer {other}"}
    play(square, {"endpoint": "create", "nth": 2, "do": "pause", "seconds": 120})
    square.create(given_name="A")

    answer = square.send("POST", "/v2/customers", json={"given_name": "B"})

    assert answer.status_code == 429
    assert answer.json()["errors"] == [
        {
            "code": "RATE_LIMITED",
            "detail": "Application is rate limited, please try again in a few minutes",
            "category": "RATE_LIMIT_ERROR",
        }
    ]
    assert answer.headers["retry-after"] == "120"
    square.clock.now += 118.5
    assert square.send("GET", "/v2/customers", headers=headers).headers["retry-after"] == "2"
    square.ok("POST", "/_sandbox/settings", {"retry_after": False})
    assert "retry-after" not in square.send("GET", "/v2/customers", headers=headers).headers
    assert len(square.ok("GET", "/_sandbox/log")["log"]) == 1
    square.clock.now += 1.5
    assert len(square.ok("GET", "/v2/customers", headers=headers)["customers"]) == 1


def test_a_pause_after_a_call_meets_the_next(square: Square) -> None:
    """The call itself is carried out and answered; a pause lasts a few minutes by default."""
    play(square, {"endpoint": "create", "nth": 1, "do": "pause", "when": "after"})

    square.create(given_name="A")
    assert square.send("GET", "/v2/customers").status_code == 429
    square.ok("POST", "/_sandbox/clock", {"advance": 179})
    assert square.send("GET", "/v2/customers").status_code == 429
    square.ok("POST", "/_sandbox/clock", {"advance": 1})
    assert square.send("GET", "/v2/customers").status_code == 200


def test_another_plan_ends_a_pause(square: Square) -> None:
    """An empty plan ends all faults, the pause too."""
    play(square, {"endpoint": "list", "nth": 1, "do": "pause"})
    assert square.send("GET", "/v2/customers").status_code == 429

    play(square)
    assert square.send("GET", "/v2/customers").status_code == 200
