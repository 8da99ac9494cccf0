"""The control calls: merges, the log, the clock, seeds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Square


def merged(square: Square) -> tuple[list[str], Any]:
    """Merge two profiles; return the old ids and the new profile."""
    ids = [
        square.create(given_name="Ines", reference_id="crm-1", note="n")["id"],
        square.create(given_name="I.", email_address="ines@example.com", reference_id="p-9")["id"],
    ]
    return ids, square.ok("POST", "/_sandbox/merge", {"from": ids})["customer"]


def test_a_merge_makes_a_new_profile(square: Square) -> None:
    """The result has a new id, MERGE as its source, version 0 (overview, merges)."""
    ids, customer = merged(square)

    assert customer["id"] not in ids
    assert (customer["creation_source"], customer["version"]) == ("MERGE", 0)
    assert {name: customer[name] for name in ("given_name", "email_address", "note")} == {
        "given_name": "Ines",
        "email_address": "ines@example.com",
        "note": "n",
    }
    assert customer["reference_id"] == "crm-1"
    assert square.ok("GET", "/v2/customers") == {"customers": [customer]}


def test_old_ids_show_the_survivor(square: Square) -> None:
    """Retrieve and bulk-retrieve by an old id give the new profile (overview, merges)."""
    ids, customer = merged(square)

    assert [square.get(old_id) for old_id in ids] == [customer, customer]
    answer = square.ok("POST", "/v2/customers/bulk-retrieve", {"customer_ids": ids})
    assert answer["responses"] == {old_id: {"customer": customer} for old_id in ids}


def test_old_ids_follow_later_merges(square: Square) -> None:
    """A survivor that is merged again takes all old ids with it."""
    ids, customer = merged(square)
    other = square.create(given_name="Other")

    again = [other["id"], customer["id"], other["id"]]
    last = square.ok("POST", "/_sandbox/merge", {"from": again})["customer"]

    assert {square.get(old_id)["id"] for old_id in (*ids, customer["id"], other["id"])} == {
        last["id"]
    }
    square.ok("DELETE", f"/v2/customers/{last['id']}")
    assert square.send("GET", f"/v2/customers/{ids[0]}").status_code == 404


def test_old_ids_cannot_be_written(square: Square) -> None:
    """Update and delete need the new id; an old one is NOT_FOUND (assumption)."""
    (old_id, _), _ = merged(square)
    path = f"/v2/customers/{old_id}"

    assert square.refused("PUT", path, {"nickname": "N"}) == (404, [("NOT_FOUND", "")])
    assert square.refused("DELETE", path) == (404, [("NOT_FOUND", "")])
    bulk = square.ok("POST", "/v2/customers/bulk-delete", {"customer_ids": [old_id]})
    assert bulk["responses"][old_id]["errors"][0]["code"] == "NOT_FOUND"


def test_unknown_profiles_are_not_merged(square: Square) -> None:
    """A merge needs two profiles that exist, and does all or nothing."""
    known = square.create(given_name="A")["id"]

    assert square.refused("POST", "/_sandbox/merge", {"from": [known]})[0] == 400
    assert square.refused("POST", "/_sandbox/merge", {"from": [known, "X"]})[0] == 404
    assert square.get(known)["given_name"] == "A"


def test_the_log_tells_every_effective_write(square: Square) -> None:
    """Creates, updates, merges and deletes are logged with request, key, version and values."""
    created = square.send(
        "POST",
        "/v2/customers",
        json={"idempotency_key": "k-1", "given_name": "A", "address": {"locality": "Leeds"}},
    )
    one = created.json()["customer"]["id"]
    square.ok(
        "PUT",
        f"/v2/customers/{one}",
        {"given_name": "A", "nickname": "N", "address": {"locality": ""}},
    )
    two = square.create(given_name="B")["id"]
    new = square.ok("POST", "/_sandbox/merge", {"from": [one, two]})["customer"]["id"]
    square.ok("POST", "/v2/customers/bulk-delete", {"customer_ids": [new]})

    log = square.ok("GET", "/_sandbox/log")["log"]

    assert log == square.sandbox.log()
    assert log[0] == {
        "seq": 1,
        "at": "2025-09-01T08:15:30.412Z",
        "request_id": created.headers["x-request-id"],
        "endpoint": "create",
        "action": "create",
        "customer_id": one,
        "idempotency_key": "k-1",
        "version": 0,
        "changes": {"given_name": "A", "address.locality": "Leeds"},
    }
    assert [(e["endpoint"], e["action"], e["customer_id"], e["version"]) for e in log[1:]] == [
        ("update", "update", one, 1),
        ("create", "create", two, 0),
        ("merge", "merge", new, 0),
        ("bulk-delete", "delete", new, 0),
    ]
    assert log[1]["changes"] == {"nickname": "N", "address.locality": None}
    assert log[3]["changes"] == {"from": [one, two], "given_name": "A", "nickname": "N"}


def test_what_changes_nothing_is_not_logged(square: Square) -> None:
    """Reads, refusals, repeats and updates to the same values are no effective writes."""
    customer = square.create(idempotency_key="k-1", given_name="A")
    square.create(idempotency_key="k-1", given_name="A")
    square.ok("PUT", f"/v2/customers/{customer['id']}", {"given_name": "A"})
    square.refused("POST", "/v2/customers", {})
    square.refused("DELETE", "/v2/customers/X")
    square.ok("GET", "/v2/customers")

    assert len(square.sandbox.log()) == 1


@pytest.mark.parametrize("seconds", [-1, "60", None, True])
def test_the_clock_only_goes_forward(square: Square, seconds: object) -> None:
    """The clock takes a number of seconds from 0."""
    assert square.refused("POST", "/_sandbox/clock", {"advance": seconds})[0] == 400


def test_the_clock_dates_what_is_written(square: Square) -> None:
    """After an advance, profiles are created in that future."""
    square.ok("POST", "/_sandbox/clock", {"advance": 24 * 3600})

    assert square.create(given_name="A")["created_at"] == "2025-09-02T08:15:30.412Z"


def everyone(square: Square) -> list[Any]:
    """Return all listed profiles."""
    customers, cursor = [], None
    while True:
        answer = square.ok("GET", "/v2/customers", params={"cursor": cursor or ""})
        customers += answer.get("customers", [])
        cursor = answer.get("cursor")
        if cursor is None:
            return customers


def test_profiles_without_public_data_are_reached_by_id_only(square: Square) -> None:
    """Instant profiles are not listed, found or counted, yet live by id (overview)."""
    hidden = square.ok("POST", "/_sandbox/seed", {"profiles": 300})["instant_profiles"]
    customer = square.get(hidden[0])
    path = f"/v2/customers/{hidden[0]}"

    assert customer["creation_source"] == "INSTANT_PROFILE"
    assert hidden[0] not in [c["id"] for c in everyone(square)]
    assert square.found(filter={"creation_source": {"values": ["INSTANT_PROFILE"]}}) == []
    count = square.ok("GET", "/v2/customers", params={"count": "true"})["count"]
    assert count == 300 - len(hidden)
    assert square.ok("PUT", path, {"note": "x", "reference_id": "r"})["customer"]["note"] == "x"
    assert square.found(filter={"reference_id": {"exact": "r"}}) == []
    square.ok("PUT", path, {"given_name": "Now Public"})
    assert square.found(filter={"reference_id": {"exact": "r"}}) == ["Now Public"]
    assert square.ok("DELETE", path) == {}


def test_the_clock_stays_among_the_dates_there_are(square: Square) -> None:
    """It can be moved by centuries, not beyond the last date that can be written down."""
    advance = {"advance": 10 * 366 * 86_400}
    statuses = [square.send("POST", "/_sandbox/clock", json=advance).status_code for _ in range(60)]

    assert statuses == [200] * 50 + [400] * 10
    assert square.create(given_name="A")["created_at"] > "2500"


def test_a_long_log_is_read_in_parts(square: Square) -> None:
    """``after`` goes on beyond a ``seq``, ``limit`` bounds the answer; without them it is whole."""
    for i in range(7):
        square.create(given_name=f"G{i}")
    whole = square.ok("GET", "/_sandbox/log")["log"]

    def part(**query: int) -> Any:
        return square.ok("GET", "/_sandbox/log", params=query)["log"]

    assert part(limit=3) == whole[:3]
    assert part(after=whole[2]["seq"], limit=3) == whole[3:6]
    assert part(after=whole[5]["seq"]) == whole[6:]
    assert part(after=whole[6]["seq"]) == []
    assert part(after=0, limit=100) == whole == square.sandbox.log()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("after=x", "EXPECTED_INTEGER"),
        ("after=-1", "VALUE_TOO_LOW"),
        ("limit=0", "VALUE_TOO_LOW"),
        ("limit=1.5", "EXPECTED_INTEGER"),
        ("limit=99999999999999999999", "EXPECTED_INTEGER"),
    ],
)
def test_parts_of_the_log_are_whole_numbers(square: Square, query: str, code: str) -> None:
    """What is no place in the log is refused."""
    name = query.partition("=")[0]

    assert square.refused("GET", f"/_sandbox/log?{query}") == (400, [(code, name)])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tokens", {"scopes": [], "expires": 60}),
        ("merge", {"from": [], "to": "X"}),
        ("clock", {"advance": 1, "back": 1}),
        ("seed", {"profiles": 1, "sede": 1}),
    ],
)
def test_misspelt_members_are_refused(square: Square, path: str, body: dict[str, Any]) -> None:
    """A control call does all that was asked, or nothing."""
    unknown = list(body)[1]

    assert square.refused("POST", f"/_sandbox/{path}", body) == (400, [("BAD_REQUEST", unknown)])


def test_a_seed_has_an_end(square: Square) -> None:
    """Nobody waits for a thousand million profiles."""
    assert square.refused("POST", "/_sandbox/seed", {"profiles": 10**9}) == (
        400,
        [("VALUE_TOO_HIGH", "profiles")],
    )


@pytest.mark.parametrize("scope", ["", "CUSTOMERS_READ CUSTOMERS_WRITE", "customers_read", "É"])
def test_scopes_are_names(square: Square, scope: str) -> None:
    """A text that is no name of a scope would be a token for something else than meant."""
    assert square.refused("POST", "/_sandbox/tokens", {"scopes": [scope]}) == (
        400,
        [("INVALID_VALUE", "scopes")],
    )
