"""The state: what search shows with a lag, what a crash leaves, what a full disk does."""

from __future__ import annotations

import copy
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import Sandbox, SandboxFileError
from etl.sandbox.store import Store
from etl.sandbox.store.tokens import Tokens
from tests.sandbox.conftest import START, Clock

LAG = 30

steps = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete", "merge", "join", "leave", "wait"]),
        st.integers(0, 5),
        st.sampled_from(["a", "b", "c"]),
    ),
    max_size=25,
)


@given(steps=steps)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_search_shows_the_directory_as_it_was(steps: list[tuple[str, int, str]]) -> None:
    """Whatever happens, list and count show the state of one lag ago, retrieve that of now."""
    clock = Clock()
    sandbox = Sandbox(lag=LAG, clock=clock, chance=random.Random(0))
    now: dict[str, Any] = {}
    history = [(START, dict[str, Any]())]
    with httpx.Client(
        transport=sandbox.transport(),
        base_url="http://square.invalid",
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ) as client:
        group = client.post("/v2/customers/groups", json={"group": {"name": "G"}}).json()
        group_id = group["group"]["id"]
        for action, which, name in steps:
            clock.now += 7
            ids = sorted(now)
            target = ids[which % len(ids)] if ids else None
            if action == "create":
                customer = client.post("/v2/customers", json={"given_name": name}).json()
                now[customer["customer"]["id"]] = customer["customer"]
            elif action == "update" and target:
                path = f"/v2/customers/{target}"
                now[target] = client.put(path, json={"given_name": name}).json()["customer"]
            elif action == "delete" and target:
                client.delete(f"/v2/customers/{target}")
                del now[target]
            elif action in ("join", "leave") and target:
                path = f"/v2/customers/{target}"
                method = "PUT" if action == "join" else "DELETE"
                client.request(method, f"{path}/groups/{group_id}")
                now[target] = client.get(path).json()["customer"]
            elif action == "merge" and len(ids) > 1:
                answer = sandbox.control("merge", {"from": ids[:2]})
                now = {key: value for key, value in now.items() if key not in ids[:2]}
                now[answer["customer"]["id"]] = answer["customer"]
            else:
                clock.now += 11
            history.append((clock.now, copy.deepcopy(now)))

            shown = [state for at, state in history if at <= clock.now - LAG]
            then = shown[-1] if shown else {}
            listed = client.get("/v2/customers", params={"count": "true"}).json()
            assert {c["id"]: c for c in listed.get("customers", [])} == then
            assert listed["count"] == len(then)
            members = {"query": {"filter": {"group_ids": {"any": [group_id]}}}}
            found = client.post("/v2/customers/search", json=members).json().get("customers", [])
            assert {c["id"] for c in found} == {
                key for key, customer in then.items() if "group_ids" in customer
            }
            for customer_id, customer in now.items():
                assert client.get(f"/v2/customers/{customer_id}").json()["customer"] == customer
    sandbox.close()


def test_a_failed_transaction_leaves_nothing() -> None:
    """What raises inside a transaction undoes all of it."""
    store = Store(None)

    def write_and_fail() -> None:
        with store.transaction(write=True):
            store.set("colour", "red")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert store.setting("colour") is None
    store.close()


def test_another_layout_is_refused(tmp_path: Path) -> None:
    """A file of another version of the sandbox is named, not guessed at."""
    path = tmp_path / "sandbox.sqlite"
    Store(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(SandboxFileError, match="layout 99"):
        Store(path)


CREATE_FOR_EVER = """
import itertools, pathlib, sys, httpx
from etl.sandbox import Sandbox
sandbox = Sandbox(pathlib.Path(sys.argv[1]))
with httpx.Client(transport=sandbox.transport(), base_url="http://square.invalid",
                  headers={"Authorization": f"Bearer {sandbox.token}"}) as client:
    for batch in itertools.count():
        entries = {f"k{batch}-{i}": {"given_name": f"G{i}"} for i in range(50)}
        client.post("/v2/customers/bulk-create", json={"customers": entries})
        print(batch, flush=True)
"""


def test_a_killed_process_leaves_log_and_profiles_in_step(tmp_path: Path) -> None:
    """After kill -9 every logged create is a profile with its key, and every batch is whole."""
    path = tmp_path / "sandbox.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", CREATE_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        answered = 1 + len(process.stdout.readlines())

    sandbox = Sandbox(path)
    log = sandbox.log()
    with httpx.Client(
        transport=sandbox.transport(),
        base_url="http://square.invalid",
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ) as client:
        assert client.get("/v2/customers?count=true").json()["count"] == len(log)
        entries = {entry["idempotency_key"]: {"given_name": "x"} for entry in log[-50:]}
        again = client.post("/v2/customers/bulk-create", json={"customers": entries}).json()
    sandbox.close()

    assert len(log) >= answered * 50
    assert len(log) % 50 == 0
    assert {entry["errors"][0]["code"] for entry in again["responses"].values()} == {
        "IDEMPOTENCY_KEY_REUSED"
    }


FILL_THE_DISK = """
import pathlib, resource, sys, httpx
from etl.sandbox import Sandbox
sandbox = Sandbox(pathlib.Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
with httpx.Client(transport=sandbox.transport(), base_url="http://square.invalid",
                  headers={"Authorization": f"Bearer {sandbox.token}"}) as client:
    made = 0
    while True:
        answer = client.post("/v2/customers", json={"given_name": "A", "note": "n" * 100_000})
        if answer.status_code != 200:
            break
        made += 1
    code = answer.json()["errors"][0]["code"]
    print(answer.status_code, code, made, len(sandbox.log()))
"""


def test_a_full_disk_is_503(tmp_path: Path) -> None:
    """Without room a write is refused as a passing trouble; what was committed stays."""
    path = tmp_path / "sandbox.sqlite"

    run = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    status, code, made, logged = run.stdout.split()
    assert (status, code) == ("503", "SERVICE_UNAVAILABLE")
    assert made == logged != "0"
    sandbox = Sandbox(path)
    assert len(sandbox.log()) == int(made)
    sandbox.close()


def test_opening_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening writes: with no room left for that, the remedy is told, whoever opens."""
    path = tmp_path / "x.sqlite"
    Sandbox(path).close()

    def full(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(Tokens, "put", full)
    with pytest.raises(SandboxFileError, match="make room on its disk"):
        Sandbox(path)


def test_a_file_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    """Not even its mode is changed before it is refused."""
    path = tmp_path / "x.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE things (name TEXT)")
    other.close()
    before = path.read_bytes()

    with pytest.raises(SandboxFileError, match="something else"):
        Sandbox(path)

    assert path.read_bytes() == before
