"""One sandbox: what it keeps in its file, what it costs to import, who may share it."""

from __future__ import annotations

import random
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from etl.sandbox import Sandbox, SandboxFileError
from etl.sandbox.assumptions import ASSUMPTIONS
from tests.sandbox.conftest import Opened


def client_of(sandbox: Sandbox, token: str | None = None) -> httpx.Client:
    """Return a client that speaks to a sandbox in process."""
    return httpx.Client(
        transport=sandbox.transport(),
        base_url="http://square.invalid",
        headers={"Authorization": f"Bearer {token or sandbox.token}"},
    )


def test_a_file_keeps_everything(opened: Opened, tmp_path: Path) -> None:
    """Merchant, profiles, keys, merges, tokens, clock and log outlive the process."""
    path = tmp_path / "sandbox.sqlite"
    square = opened(path, country="FR")
    customer = square.create(idempotency_key="k-1", given_name="A")
    others = [square.create(given_name=name)["id"] for name in "BC"]
    survivor = square.sandbox.control("merge", {"from": others})["customer"]
    square.sandbox.control("clock", {"advance": 3600})
    token, merchant = square.sandbox.token, square.sandbox.merchant_id
    log = square.sandbox.log()
    square.sandbox.close()

    again = opened(path, country="US")

    assert (again.sandbox.token, again.sandbox.merchant_id) == (token, merchant)
    assert again.ok("GET", "/v2/merchants/me")["merchant"]["country"] == "FR"
    assert again.create(idempotency_key="k-1", given_name="A") == customer
    assert again.get(others[0]) == survivor
    assert again.sandbox.log() == log
    assert again.create(given_name="D")["created_at"] == "2025-09-01T09:15:30.412Z"


def test_a_token_of_ones_own_choice(opened: Opened) -> None:
    """The token given is the one callers show."""
    square = opened(token="rehearsal")

    assert square.sandbox.token == "rehearsal"
    assert square.ok("GET", "/v2/customers") == {}


def test_tokens_are_random() -> None:
    """Every sandbox in memory, and every token it issues, has one that nobody can guess."""
    tokens = set()
    for _ in range(5):
        sandbox = Sandbox()
        tokens |= {sandbox.token, sandbox.control("tokens", {"scopes": []})["token"]}
        sandbox.close()

    assert len(tokens) == 10
    assert all(re.fullmatch(r"sandbox-[0-9a-f]{40}", token) for token in tokens)


def test_no_token_is_in_the_file(tmp_path: Path) -> None:
    """The file holds digests of tokens, and nobody else may read it."""
    path = tmp_path / "sandbox.sqlite"
    tokens = []
    for token in (None, "a-token-of-ones-own"):
        sandbox = Sandbox(path, token=token)
        tokens += [
            sandbox.token,
            sandbox.control("tokens", {"scopes": ["CUSTOMERS_READ"]})["token"],
        ]
        sandbox.close()

    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert not [token for token in tokens if token.encode() in content]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """A foreign database or a text is refused by name, and not changed."""
    text, foreign = tmp_path / "notes.txt", tmp_path / "foreign.sqlite"
    text.write_text("Not a database at all. " * 100)
    db = sqlite3.connect(foreign)
    db.execute("CREATE TABLE theirs (x)")
    db.close()

    for path in (text, foreign):
        with pytest.raises(SandboxFileError, match=path.name):
            Sandbox(path)
    assert text.read_text().startswith("Not a database")


def test_the_same_chance_makes_the_same_ids() -> None:
    """Ids come from the chance given, nothing else."""
    ids = []
    for _ in range(2):
        sandbox = Sandbox(chance=random.Random(5))
        with client_of(sandbox) as client:
            answer = client.post("/v2/customers", json={"given_name": "A"}).json()
        ids.append((sandbox.merchant_id, answer["customer"]["id"]))
        sandbox.close()

    assert ids[0] == ids[1]


def test_two_sandboxes_on_one_file_see_each_other(tmp_path: Path) -> None:
    """Even with the same chance no id is given twice."""
    path = tmp_path / "sandbox.sqlite"
    one = Sandbox(path, chance=random.Random(5))
    two = Sandbox(path, chance=random.Random(5))
    with client_of(one) as first, client_of(two) as second:
        ids = [
            client.post("/v2/customers", json={"given_name": "A"}).json()["customer"]["id"]
            for client in (first, second) * 20
        ]
        assert len(set(ids)) == 40
        assert {c["id"] for c in first.get("/v2/customers").json()["customers"]} == set(ids)
    assert one.log() == two.log()
    one.close()
    two.close()


def test_a_shorter_lag_beside_a_longer_one(opened: Opened, tmp_path: Path) -> None:
    """Each of two sandboxes on a file shows the directory with its own lag."""
    path = tmp_path / "sandbox.sqlite"
    slow = opened(path, lag=30)
    quick = opened(path)
    customer = quick.create(given_name="A")
    quick.clock.now += 60
    slow.clock.now += 60
    quick.ok("PUT", f"/v2/customers/{customer['id']}", {"given_name": "B"})

    # Each of them is served in its turn: both clients may stand for the one opened last.
    with client_of(slow.sandbox) as client:
        assert [c["given_name"] for c in client.get("/v2/customers").json()["customers"]] == ["A"]
    with client_of(quick.sandbox) as client:
        assert [c["given_name"] for c in client.get("/v2/customers").json()["customers"]] == ["B"]


def test_threads_share_a_sandbox() -> None:
    """Calls from several threads are answered one after the other, none is lost."""
    sandbox = Sandbox()

    def create(thread: int) -> None:
        with client_of(sandbox) as client:
            for i in range(25):
                client.post(
                    "/v2/customers",
                    json={"given_name": f"{thread}-{i}", "idempotency_key": f"k{i}-{thread % 2}"},
                )

    threads = [threading.Thread(target=create, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sandbox.log()) == 50
    sandbox.close()


WRITER = """
import sys, pathlib, httpx
from etl.sandbox import Sandbox
sandbox = Sandbox(pathlib.Path(sys.argv[1]))
with httpx.Client(transport=sandbox.transport(), base_url="http://square.invalid",
                  headers={"Authorization": f"Bearer {sandbox.token}"}) as client:
    for batch in range(10):
        entries = {f"k{batch}-{i}": {"given_name": f"G{i}"} for i in range(20)}
        answer = client.post("/v2/customers/bulk-create", json={"customers": entries})
        assert "errors" not in answer.text, answer.text
"""


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    """Two processes that begin at once and send the same keys make each profile once."""
    path = tmp_path / "sandbox.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) for _ in range(2)]

    assert [writer.wait(60) for writer in writers] == [0, 0]
    sandbox = Sandbox(path)
    log = sandbox.log()
    sandbox.close()
    assert len(log) == 200 == len({entry["idempotency_key"] for entry in log})


def test_importing_is_light() -> None:
    """Web server, phone tables and Arrow are loaded when they are first needed, not before."""
    program = "import sys, etl.sandbox, etl.cli.sandbox; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    heavy = {"starlette", "uvicorn", "phonenumbers", "pyarrow", "pycountry", "email_validator"}
    assert loaded.returncode == 0, loaded.stderr
    assert not heavy & set(loaded.stdout.split())


def test_control_in_process_tells_why_it_was_refused() -> None:
    """A control call made in process raises with the reason."""
    sandbox = Sandbox()

    with pytest.raises(ValueError, match="at least two"):
        sandbox.control("merge", {"from": []})
    sandbox.close()


def test_assumptions_are_named_once() -> None:
    """Each thing Square leaves open has one choice."""
    subjects = [assumption.subject for assumption in ASSUMPTIONS]

    assert len(subjects) == len(set(subjects))
    assert all(assumption.choice for assumption in ASSUMPTIONS)
