"""What others do at the n-th call: edits, merges, deletes, the end of a token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from etl.sandbox import Sandbox
from etl.sandbox.faults.plan import ACTS
from tests.sandbox.conftest import Opened, Square


def play(square: Square, *plan: dict[str, Any], seed: int = 0) -> None:
    """Put a plan in force."""
    square.ok("POST", "/_sandbox/faults", {"plan": list(plan), "seed": seed})


def people(square: Square, number: int = 3) -> list[str]:
    """Create profiles; return their ids."""
    return [square.create(given_name=f"G{i}", note="n")["id"] for i in range(number)]


def written(square: Square, since: int = 0) -> list[tuple[str, str, str]]:
    """Return endpoint, action and profile of the writes after the first few."""
    return [
        (entry["endpoint"], entry["action"], entry["customer_id"])
        for entry in square.sandbox.log()[since:]
    ]


def edit(**members: Any) -> dict[str, Any]:
    """An edit by somebody else."""
    return {"nth": 1, "do": "edit", "changes": {"nickname": "Theirs"}, **members}


# Edits


def test_an_edit_before_an_update_makes_its_version_stale(square: Square) -> None:
    """Somebody was faster: the version given is no longer the stored one (optimistic locking)."""
    (one,) = people(square, 1)
    play(square, edit(endpoint="update"))
    path, mine = f"/v2/customers/{one}", {"nickname": "Mine", "version": 0}

    assert square.refused("PUT", path, mine) == (409, [("CONFLICT", "")])

    assert (square.get(one)["nickname"], square.get(one)["version"]) == ("Theirs", 1)
    assert written(square, 1) == [("faults", "update", one)]
    assert square.ok("PUT", path, mine | {"version": 1})["customer"]["version"] == 2


def test_an_edit_before_an_unguarded_update_is_overwritten(square: Square) -> None:
    """Without a version the last write wins, field by field."""
    (one,) = people(square, 1)
    play(square, edit(endpoint="update", changes={"nickname": "Theirs", "note": "theirs"}))

    square.ok("PUT", f"/v2/customers/{one}", {"nickname": "Mine"})

    customer = square.get(one)
    assert (customer["nickname"], customer["note"], customer["version"]) == ("Mine", "theirs", 2)


def test_an_edit_after_an_update_comes_after_its_answer(square: Square) -> None:
    """The answer tells what the call wrote; the next read tells what somebody wrote since."""
    (one,) = people(square, 1)
    play(square, edit(endpoint="update", when="after"))

    answer = square.ok("PUT", f"/v2/customers/{one}", {"nickname": "Mine", "version": 0})

    assert (answer["customer"]["nickname"], answer["customer"]["version"]) == ("Mine", 1)
    assert (square.get(one)["nickname"], square.get(one)["version"]) == ("Theirs", 2)


@pytest.mark.parametrize(("profiles", "stale"), [("first", 1), ("every", 3)])
def test_an_edit_before_a_bulk_update(square: Square, profiles: str, stale: int) -> None:
    """Entries whose profile was edited conflict, the others among them are carried out."""
    ids = people(square)
    play(square, edit(endpoint="bulk-update", profiles=profiles))
    mine = {customer_id: {"nickname": "Mine", "version": 0} for customer_id in ids}

    answer = square.ok("POST", "/v2/customers/bulk-update", {"customers": mine})["responses"]

    conflicts = [
        customer_id
        for customer_id, entry in answer.items()
        if "errors" in entry and entry["errors"][0]["code"] == "CONFLICT"
    ]
    assert conflicts == ids[:stale]
    assert [square.get(customer_id)["version"] for customer_id in ids] == [1, 1, 1]
    assert [endpoint for endpoint, _, _ in written(square, 3)] == (
        ["faults"] * stale + ["bulk-update"] * (3 - stale)
    )


def test_an_edit_of_profiles_named_in_the_plan(square: Square) -> None:
    """Ids in the plan need not be those of the call; ids that are not there are left alone."""
    ids = people(square)
    play(square, edit(endpoint="list", profiles=[ids[2], "NOBODY", ids[0], ids[2]]))

    names = {c["id"]: c.get("nickname") for c in square.ok("GET", "/v2/customers")["customers"]}

    assert names == {ids[0]: "Theirs", ids[1]: None, ids[2]: "Theirs"}


@pytest.mark.parametrize(
    ("endpoint", "method", "path", "body"),
    [
        ("list", "GET", "", None),
        ("search", "POST", "/search", {"limit": 2}),
        ("bulk-retrieve", "POST", "/bulk-retrieve", "ids"),
        ("bulk-create", "POST", "/bulk-create", {"customers": {"k": {"given_name": "New"}}}),
        ("create", "POST", "", {"given_name": "New"}),
    ],
)
def test_an_edit_after_profiles_were_told(
    square: Square, endpoint: str, method: str, path: str, body: Any
) -> None:
    """Between a look and a write somebody edits: what the answer names is meant too."""
    ids = people(square, 2)
    play(square, edit(endpoint=endpoint, when="after"))
    body = {"customer_ids": ids} if body == "ids" else body

    answer = square.ok(method, f"/v2/customers{path}", body)

    told = answer.get("customers") or [answer.get("customer") or {"id": ids[0]}]
    first = answer["responses"]["k"]["customer"] if endpoint == "bulk-create" else told[0]
    assert "nickname" not in first
    assert square.get(first["id"])["nickname"] == "Theirs"
    assert [entry for entry in written(square) if entry[0] == "faults"] == [
        ("faults", "update", first["id"])
    ]


def test_an_edit_clears_and_is_judged(square: Square) -> None:
    """Null and empty text clear; parts of an address are changed one by one."""
    one = square.create(given_name="A", note="n", address={"locality": "Leeds", "country": "GB"})
    changes = {"note": None, "nickname": "", "address": {"locality": "York"}, "birthday": "05-17"}
    play(square, edit(endpoint="retrieve", changes=changes))

    customer = square.get(one["id"])

    assert "note" not in customer
    assert customer["address"] == {"locality": "York", "country": "GB"}
    assert (customer["birthday"], customer["version"]) == ("0000-05-17", 1)


def test_an_edit_that_cannot_be_made_is_not_made(square: Square) -> None:
    """Clearing the last name of a profile is refused to others too; the call goes on."""
    (one,) = people(square, 1)
    play(square, edit(endpoint="retrieve", changes={"given_name": ""}))

    assert square.get(one)["given_name"] == "G0"
    assert len(square.sandbox.log()) == 1


def test_an_edit_does_not_go_by_the_version_of_the_caller(square: Square) -> None:
    """Who edits in the Dashboard has no Square-Version; the caller's answer has the caller's."""
    (one,) = people(square, 1)
    play(square, edit(endpoint="retrieve", changes={"birthday": "1990-05-17", "note": None}))

    answer = square.send("GET", f"/v2/customers/{one}", headers={"Square-Version": "2021-07-21"})

    assert answer.json()["customer"]["birthday"] == "1990-05-17T00:00:00-00:00"
    assert "note" not in answer.json()["customer"]


def test_search_lags_behind_edits_of_others(opened: Opened) -> None:
    """They are writes like any other."""
    square = opened(lag=30)
    (one,) = people(square, 1)
    square.clock.now += 60
    play(square, edit(endpoint="retrieve", changes={"given_name": "Theirs"}))

    assert square.get(one)["given_name"] == "Theirs"
    assert square.found() == ["G0"]
    square.clock.now += 30
    assert square.found() == ["Theirs"]


# Merges and deletes


def test_a_merge_before_a_bulk_update(square: Square) -> None:
    """The merged ids are gone for writes, and lead to the survivor for reads."""
    ids = people(square)
    play(square, {"endpoint": "bulk-update", "nth": 1, "do": "merge"})
    mine = {customer_id: {"nickname": "Mine"} for customer_id in ids}

    answer = square.ok("POST", "/v2/customers/bulk-update", {"customers": mine})["responses"]

    codes = [entry.get("errors", [{}])[0].get("code") for entry in answer.values()]
    assert codes == ["NOT_FOUND", "NOT_FOUND", None]
    survivor = square.get(ids[0])
    assert (survivor["creation_source"], survivor["given_name"]) == ("MERGE", "G0")
    assert square.get(ids[1]) == survivor
    assert written(square, 3) == [
        ("faults", "merge", survivor["id"]),
        ("bulk-update", "update", ids[2]),
    ]


def test_a_merge_of_all_profiles_of_a_call(square: Square) -> None:
    """``every`` takes all of them, after the commit with what it wrote."""
    ids = people(square)
    merge = {"endpoint": "bulk-update", "nth": 1, "do": "merge", "when": "after"}
    play(square, merge | {"profiles": "every"})
    mine = {customer_id: {"note": f"N{i}"} for i, customer_id in enumerate(ids)}

    answer = square.ok("POST", "/v2/customers/bulk-update", {"customers": mine})["responses"]

    assert [entry["customer"]["version"] for entry in answer.values()] == [1, 1, 1]
    assert {square.get(customer_id)["note"] for customer_id in ids} == {"N0"}
    assert len(square.ok("GET", "/v2/customers")["customers"]) == 1


def test_a_merge_of_profiles_named_in_the_plan(square: Square) -> None:
    """A retrieve by an id of the plan shows the survivor already; one alone is not merged."""
    ids = people(square)
    play(
        square,
        {"endpoint": "retrieve", "nth": 1, "do": "merge", "profiles": [ids[2], ids[1]]},
        {"endpoint": "retrieve", "nth": 2, "do": "merge", "profiles": [ids[0], "NOBODY"]},
    )

    assert square.get(ids[1])["given_name"] == "G2"
    assert square.get(ids[0])["creation_source"] == "THIRD_PARTY"
    assert [action for _, action, _ in written(square, 3)] == ["merge"]


def test_the_same_plan_makes_the_same_survivor(opened: Opened) -> None:
    """The new id is drawn from the plan's seed."""
    survivors = []
    for seed in (1, 1, 2):
        square = opened()
        ids = people(square, 2)
        merge = {"endpoint": "retrieve", "nth": 1, "do": "merge", "profiles": ids}
        play(square, merge, seed=seed)
        survivors.append(square.get(ids[0])["id"])

    assert survivors[0] == survivors[1] != survivors[2]


@pytest.mark.parametrize(("when", "status"), [("before", 404), ("after", 200)])
def test_a_delete(square: Square, when: str, status: int) -> None:
    """Somebody deletes the profile before or after it is updated."""
    (one,) = people(square, 1)
    play(square, {"endpoint": "update", "nth": 1, "do": "delete", "when": when})

    answer = square.send("PUT", f"/v2/customers/{one}", json={"nickname": "Mine"})

    assert answer.status_code == status
    assert square.send("GET", f"/v2/customers/{one}").status_code == 404
    assert written(square)[-1] == ("faults", "delete", one)


def test_what_others_do_is_news(square: Square) -> None:
    """Edits, merges and deletes by others have the events of any write."""
    ids = people(square, 2)
    square.ok("PUT", "/v2/events/enable")
    play(
        square,
        edit(endpoint="retrieve"),
        {"endpoint": "retrieve", "nth": 1, "do": "merge", "profiles": ids},
        {"endpoint": "retrieve", "nth": 2, "do": "delete", "when": "after"},
    )
    survivor = square.get(ids[0])["id"]
    square.get(survivor)

    events = square.ok("POST", "/v2/events", {})["events"]

    assert [(event["type"], event["data"]["id"]) for event in events] == [
        ("customer.updated", ids[0]),
        ("customer.created", survivor),
        ("customer.deleted", ids[0]),
        ("customer.deleted", ids[1]),
        ("customer.deleted", survivor),
    ]


# When


def test_the_log_names_the_request_it_happened_at(square: Square) -> None:
    """What others wrote has the request's id, endpoint ``faults`` and no key."""
    (one,) = people(square, 1)
    play(square, edit(endpoint="retrieve"))

    answer = square.send("GET", f"/v2/customers/{one}")

    assert square.sandbox.log()[-1] == {
        "seq": 2,
        "at": "2025-09-01T08:15:30.412Z",
        "request_id": answer.headers["x-request-id"],
        "endpoint": "faults",
        "action": "update",
        "customer_id": one,
        "idempotency_key": None,
        "version": 1,
        "changes": {"nickname": "Theirs"},
    }


def test_a_refused_call_does_not_undo_them(square: Square) -> None:
    """What others did stands, whatever becomes of the call."""
    (one,) = people(square, 1)
    play(square, edit(endpoint="update"))

    assert square.send("PUT", f"/v2/customers/{one}", json={"birthday": "?"}).status_code == 400
    assert square.get(one)["nickname"] == "Theirs"


def test_they_come_with_other_faults(square: Square) -> None:
    """At one call all that others do happens, in the plan's order, and one fault besides."""
    (one,) = people(square, 1)
    play(
        square,
        edit(endpoint="update", changes={"nickname": "First"}),
        {"endpoint": "update", "nth": 1, "do": "drop", "when": "after"},
        edit(endpoint="*", changes={"nickname": "Second", "note": "second"}),
        edit(endpoint="update", when="after", changes={"company_name": "Third"}),
    )

    with pytest.raises(httpx.RemoteProtocolError):
        square.send("PUT", f"/v2/customers/{one}", json={"nickname": "Mine"})

    customer = square.get(one)
    assert (customer["nickname"], customer["note"], customer["version"]) == ("Mine", "second", 4)
    assert [entry["changes"] for entry in square.sandbox.log()[1:]] == [
        {"nickname": "First"},
        {"nickname": "Second", "note": "second"},
        {"nickname": "Mine"},
        {"company_name": "Third"},
    ]


def test_a_call_that_never_arrives_does_not_keep_others_away(square: Square) -> None:
    """The connection breaks before the commit: only what others did is there."""
    (one,) = people(square, 1)
    play(
        square,
        {"endpoint": "update", "nth": 1, "do": "reset", "when": "before"},
        edit(endpoint="update", when="after"),
    )

    with pytest.raises(httpx.ReadError):
        square.send("PUT", f"/v2/customers/{one}", json={"nickname": "Mine"})

    assert written(square, 1) == [("faults", "update", one)]


def test_shares_are_drawn_from_the_seed(square: Square) -> None:
    """The same seed edits at the same calls."""
    (one,) = people(square, 1)

    def edited(seed: int) -> list[bool]:
        play(square, edit(endpoint="retrieve", nth=[], rate=0.4), seed=seed)
        square.ok("PUT", f"/v2/customers/{one}", {"nickname": ""})
        hits = []
        for _ in range(20):
            hits.append("nickname" in square.get(one))
            square.ok("PUT", f"/v2/customers/{one}", {"nickname": ""})
        return hits

    assert edited(1) == edited(1)
    assert edited(1) != edited(2)
    assert 2 < sum(edited(1)) < 18


@pytest.mark.parametrize("depth", [10, 1000, 5000])
def test_any_body_may_name_profiles(square: Square, depth: int) -> None:
    """However deep and odd a body is, what it names is found or not, and the call is answered."""
    (one,) = people(square, 1)
    play(square, edit(endpoint="create", profiles="every"))
    body = '{"a":' + "[" * depth + f'"{one}"' + "]" * depth + "}"

    assert square.send("POST", "/v2/customers", content=body).status_code == 400
    assert len(square.sandbox.log()) == (2 if depth <= 1000 else 1)


# Tokens


def as_holder(square: Square, **token: Any) -> dict[str, str]:
    """Issue a further token; return the header that shows it."""
    issued = square.ok("POST", "/_sandbox/tokens", {"scopes": ["CUSTOMERS_READ"], **token})
    return {"Authorization": f"Bearer {issued['token']}"}


@pytest.mark.parametrize(
    ("do", "code"), [("expire", "ACCESS_TOKEN_EXPIRED"), ("revoke", "ACCESS_TOKEN_REVOKED")]
)
@pytest.mark.parametrize(("when", "last"), [("before", 401), ("after", 200)])
def test_a_token_ends_at_the_nth_call(
    square: Square, do: str, code: str, when: str, last: int
) -> None:
    """The caller's token ends before or after the call, nobody else's; a new one goes on."""
    mine, other = as_holder(square), as_holder(square)
    play(square, {"endpoint": "list", "nth": 2, "do": do, "when": when})

    statuses = [
        square.send("GET", "/v2/customers", headers=mine).status_code,
        square.send("GET", "/v2/customers", headers=mine).status_code,
    ]

    assert statuses == [200, last]
    assert square.refused("GET", "/v2/customers", headers=mine) == (401, [(code, "")])
    assert square.refused("POST", "/oauth2/token/status", headers=mine) == (
        401,
        [("UNAUTHORIZED", "")],
    )
    assert square.ok("GET", "/v2/customers", headers=other) == {}
    assert square.ok("GET", "/v2/customers", headers=as_holder(square)) == {}


def test_a_call_that_ends_its_token_writes_nothing(square: Square) -> None:
    """A 401 is told before anything is done."""
    play(square, {"endpoint": "create", "nth": 2, "do": "expire"})
    square.create(given_name="A")

    assert square.refused("POST", "/v2/customers", {"given_name": "B"})[0] == 401
    assert len(square.sandbox.log()) == 1


@pytest.mark.parametrize("do", ["expire", "revoke"])
def test_the_owner_keeps_the_control_calls(opened: Opened, tmp_path: Path, do: str) -> None:
    """The owner's token ends for the API only; whoever opens the file again has it back."""
    path = tmp_path / "sandbox.sqlite"
    square = opened(path)
    play(square, {"endpoint": "list", "nth": 1, "do": do})

    assert square.send("GET", "/v2/customers").status_code == 401
    assert square.ok("GET", "/_sandbox/log") == {"log": []}
    assert square.ok("GET", "/v2/customers", headers=as_holder(square)) == {}
    square.sandbox.close()
    assert opened(path).ok("GET", "/v2/customers") == {}


def test_strangers_end_no_token(square: Square) -> None:
    """A call without a token, or with an unknown one, is 401 and changes nothing."""
    play(square, {"endpoint": "list", "rate": 1, "do": "expire"})

    for header in ("Bearer nobodys", "Basic x", ""):
        answer = square.send("GET", "/v2/customers", headers={"Authorization": header})
        assert answer.status_code == 401
    assert square.ok("POST", "/v2/customers", {"given_name": "A"})


# Plans


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ({"do": "edit"}, "an edit has changes"),
        ({"do": "edit", "changes": {}}, "changes name fields"),
        ({"do": "edit", "changes": ["nickname"]}, "changes name fields"),
        ({"do": "edit", "changes": {"nicknam": "N"}}, "The field named 'nicknam' is not"),
        ({"do": "edit", "changes": {"birthday": "?"}}, "Expected birthday to be a day"),
        ({"do": "edit", "changes": {"note": 7}}, "Expected a string value"),
        ({"do": "edit", "changes": {"note": "n", "version": 0}}, "whatever the version is"),
        ({"do": "delete", "changes": {"note": "n"}}, "only edit has changes"),
        ({"do": "delete", "profiles": "some"}, "profiles is first, every or a list of ids"),
        ({"do": "delete", "profiles": []}, "profiles is first, every or a list of ids"),
        ({"do": "delete", "profiles": [1]}, "profiles is first, every or a list of ids"),
        ({"do": "delete", "when": "mid"}, "delete comes before or after"),
        ({"do": "delete", "when": "body"}, "in the body only"),
        ({"do": "merge", "profiles": ["A", "A"]}, "a merge takes two profiles at least"),
        ({"do": "expire", "profiles": "first"}, "only edit, merge, delete has profiles"),
    ],
)
def test_plans_that_cannot_be_played_are_refused(
    square: Square, entry: dict[str, Any], remedy: str
) -> None:
    """What others cannot do is refused when it is planned, with the remedy."""
    answer = square.send("POST", "/_sandbox/faults", json={"plan": [{"nth": 1} | entry]})

    assert answer.status_code == 400
    assert remedy in answer.json()["errors"][0]["detail"]


def test_everything_others_do_is_tried_here() -> None:
    """What is added needs a test; the pause is tried with the faults."""
    assert set(ACTS) == {"edit", "merge", "delete", "expire", "revoke", "pause"}


def test_two_who_share_a_file_see_what_others_did(tmp_path: Path) -> None:
    """A plan lives in its process, what others did by it in the file."""
    path = tmp_path / "sandbox.sqlite"
    one, two = Sandbox(path), Sandbox(path)
    one.control("faults", {"plan": [{"endpoint": "list", "nth": 1, "do": "expire"}]})

    with (
        httpx.Client(transport=one.transport(), base_url="http://square.invalid") as first,
        httpx.Client(transport=two.transport(), base_url="http://square.invalid") as second,
    ):
        headers = {"Authorization": f"Bearer {one.token}"}
        assert second.get("/v2/customers", headers=headers).status_code == 200
        assert first.get("/v2/customers", headers=headers).status_code == 401
        assert second.get("/v2/customers", headers=headers).status_code == 401
    one.close()
    two.close()
