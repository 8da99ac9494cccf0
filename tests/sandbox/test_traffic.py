"""The latest requests are kept in memory: how many, in which order, and what of them."""

from __future__ import annotations

from etl.sandbox.faults.plan import NOTHING
from etl.sandbox.messages import Request, Response
from etl.sandbox.traffic import KEPT, Traffic
from tests.sandbox.conftest import Square


def test_the_oldest_make_room() -> None:
    """The last 500 are kept, the newest first, each with its number."""
    traffic = Traffic()
    for number in range(1, 601):
        request = Request("GET", f"/{number}")
        traffic.note(request, Response(200, b"{}"), "list", NOTHING, 0.0, 1.0)

    latest = traffic.latest()

    assert len(latest) == KEPT == 500
    assert [answered.path for answered in latest[:2]] == ["/600", "/599"]
    assert [answered.number for answered in traffic.latest(598)] == [600, 599]
    assert traffic.latest(600) == []


def test_long_paths_are_cut() -> None:
    """Whatever is asked for, little of it is kept."""
    traffic = Traffic()
    traffic.note(Request("GET", "/" + "x" * 60_000), Response(404, b"{}"), "", NOTHING, 0.0, 1.0)

    assert len(traffic.latest()[0].path) == 200


def test_neither_bodies_nor_tokens_are_kept(square: Square) -> None:
    """Not what was sent, not what was answered, not who asked."""
    square.create(given_name="Secretive")
    square.send("GET", "/v2/customers?cursor=hidden")
    issued = square.ok("POST", "/_sandbox/tokens", {"scopes": []})["token"]
    square.send("DELETE", f"/_sandbox/tokens/{issued}")

    kept = repr(square.sandbox.traffic.latest())

    for secret in ("Secretive", "hidden", issued, square.sandbox.token):
        assert secret not in kept


def test_codes_are_those_of_the_errors(square: Square) -> None:
    """Also those of single entries; a value that looks like an error is none."""
    looks = '"errors":[{"code":"NOT_FOUND"}]'
    entries = {"a": {"given_name": looks}, "b": {"phone_number": "1"}, "c": {"phone_number": "2"}}
    square.ok("POST", "/v2/customers/bulk-create", {"customers": entries})
    square.create(given_name=looks)
    square.send("GET", "/v2/customers/X")

    codes = [answered.codes for answered in square.sandbox.traffic.latest()]

    assert codes == [("NOT_FOUND",), (), ("INVALID_PHONE_NUMBER",)]


def test_faults_are_told(square: Square) -> None:
    """What others did at a call, and what happened to its answer."""
    ada = square.create(given_name="Ada")["id"]
    plan = [
        {"endpoint": "retrieve", "nth": 1, "do": "edit", "changes": {"note": "x"}},
        {"endpoint": "retrieve", "nth": 1, "do": "status", "status": 502, "when": "after"},
    ]
    square.ok("POST", "/_sandbox/faults", {"plan": plan})
    square.send("GET", f"/v2/customers/{ada}")

    answered = square.sandbox.traffic.latest()[0]

    assert answered.faults == ("edit, before", "status, after")
    assert (answered.status, answered.endpoint) == (502, "retrieve")
