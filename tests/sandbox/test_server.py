"""The sandbox on a port: the official SDK against it, signals, crashes, strangers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from square import Square as Sdk
from square.core.api_error import ApiError

from etl.sandbox import Sandbox
from etl.sandbox.server import serving

PROGRAM = "from etl.cli.sandbox import sandbox; sandbox()"


class Served(NamedTuple):
    """A server process and how to reach it."""

    process: subprocess.Popen[str]
    address: str
    token: str

    def client(self) -> httpx.Client:
        """Return a client for it."""
        return httpx.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
            timeout=10,
        )


@contextlib.contextmanager
def serve(*options: str) -> Iterator[Served]:
    """Run ``sandbox serve`` in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:2] == ["listening", "on"], words
            assert words[3] == "token"
            yield Served(process, words[2], words[4])
        finally:
            process.kill()


@pytest.fixture
def sdk(served: Served) -> Iterator[Sdk]:
    """The official SDK, speaking to the server; its HTTP client is ours to close."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield Sdk(token=served.token, base_url=served.address, httpx_client=client)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server for the tests that leave it running."""
    with serve() as served:
        yield served


def test_the_official_sdk_works_unmodified(sdk: Sdk) -> None:
    """Create, batch-create, list over pages, search, get, update, delete through squareup."""
    made = sdk.customers.create(
        idempotency_key="sdk-1",
        given_name="Ines",
        email_address="Ines@example.net",
        phone_number="(415) 555-0148",
        address={"address_line1": "12 High St", "locality": "Leeds", "country": "GB"},
        birthday="04-17",
    ).customer
    assert made is not None
    assert made.id is not None
    assert made.address is not None
    assert (made.address.address_line1, made.birthday, made.version) == (
        "12 High St",
        "0000-04-17",
        0,
    )

    for batch in range(2):
        entries = {f"sdk-{batch}-{i}": {"given_name": f"G{batch}{i:02}"} for i in range(100)}
        answer = sdk.customers.batch_create(customers=entries)
        assert answer.responses is not None
        assert len(answer.responses) == 100

    everyone = [customer.given_name for customer in sdk.customers.list(sort_field="CREATED_AT")]
    assert len(everyone) == 201
    assert everyone[0] == "Ines"
    for filters in (
        {"email_address": {"exact": "ines@example.net"}},
        {"phone_number": {"exact": "+14155550148"}},
    ):
        found = sdk.customers.search(query={"filter": filters}, count=True)
        assert found.customers is not None
        assert ([customer.id for customer in found.customers], found.count) == ([made.id], 1)

    updated = sdk.customers.update(made.id, nickname="Nes", version=0).customer
    assert updated is not None
    assert (updated.nickname, updated.version) == ("Nes", 1)
    read = sdk.customers.get(made.id).customer
    assert read is not None
    segments = {"segment_ids"}
    assert read.model_dump(exclude=segments) == updated.model_dump(exclude=segments)
    bulk = sdk.customers.bulk_retrieve_customers(customer_ids=[made.id]).responses
    assert bulk is not None
    assert bulk[made.id].customer == read
    with pytest.raises(ApiError) as stale:
        sdk.customers.update(made.id, nickname="N", version=0, request_options={"max_retries": 0})
    assert stale.value.status_code == 409
    assert sdk.customers.delete(made.id).errors is None
    with pytest.raises(ApiError) as gone:
        sdk.customers.get(made.id)
    assert gone.value.status_code == 404
    merchant = sdk.merchants.get("me").merchant
    assert merchant is not None
    assert merchant.country == "US"


def test_the_sdk_waits_as_it_is_told(served: Served, sdk: Sdk) -> None:
    """A scripted 429 with Retry-After is retried by the SDK, and the create happens once."""
    plan = {"endpoint": "create", "nth": 1, "do": "status", "status": 429, "retry_after": 0.1}
    with served.client() as client:
        client.post("/_sandbox/faults", json={"plan": [plan]})
        before = len(client.get("/_sandbox/log").json()["log"])

        assert sdk.customers.create(given_name="Once").customer is not None

        assert len(client.get("/_sandbox/log").json()["log"]) == before + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the server with status 0, even while an answer is held back."""
    with serve("--token", "mine") as served, served.client() as client:
        assert served.token == "mine"
        plan = {"endpoint": "list", "nth": 1, "do": "delay", "seconds": 60}
        client.post("/_sandbox/faults", json={"plan": [plan]})
        with pytest.raises(httpx.ReadTimeout):
            client.get("/v2/customers", timeout=0.3)

        served.process.send_signal(number)

        assert served.process.wait(10) == 0
        assert served.process.stdout is not None
        assert served.process.stdout.read() == ""


def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    """What was answered before kill -9 is there when the file is served again."""
    path = str(tmp_path / "sandbox.sqlite")
    with serve("--data", path) as served, served.client() as client:
        entries = {f"k{i}": {"given_name": f"G{i}"} for i in range(100)}
        first = client.post("/v2/customers/bulk-create", json={"customers": entries}).json()
        os.kill(served.process.pid, signal.SIGKILL)
        served.process.wait(10)

    with serve("--data", path) as again, again.client() as client:
        assert again.token == served.token
        assert client.post("/v2/customers/bulk-create", json={"customers": entries}).json() == first
        assert client.get("/v2/customers?count=true").json()["count"] == 100
        assert len(client.get("/_sandbox/log").json()["log"]) == 100


def test_a_server_beside_a_sandbox_in_process(tmp_path: Path) -> None:
    """A file that is served may be used in process at the same time."""
    path = tmp_path / "sandbox.sqlite"
    with serve("--data", str(path), "--country", "GB") as served, served.client() as client:
        made = client.post("/v2/customers", json={"given_name": "A"}).json()["customer"]
        sandbox = Sandbox(path)
        assert [entry["customer_id"] for entry in sandbox.log()] == [made["id"]]
        assert sandbox.token == served.token
        sandbox.control("seed", {"profiles": 10})
        sandbox.close()

        assert len(client.get("/_sandbox/log").json()["log"]) == 11


def test_strangers_are_not_answered(served: Served) -> None:
    """A foreign Host header, as a web page would cause it, is refused."""
    with served.client() as client:
        answer = client.get("/v2/customers", headers={"Host": "rebound.example.com"})

    assert answer.status_code == 400
    assert "customers" not in answer.text


def test_it_listens_on_the_loopback_only(served: Served) -> None:
    """The address is 127.0.0.1 and no other."""
    assert served.address.startswith("http://127.0.0.1:")


def test_a_taken_port_is_an_error() -> None:
    """A port in use is refused instead of shared."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, "serve", "--port", port],
            capture_output=True,
            text=True,
            timeout=30,
        )

    assert run.returncode != 0
    assert f"cannot listen on port {port}" in run.stderr


def test_serving_in_a_thread() -> None:
    """A sandbox of this process can be put on a port for the length of a block."""
    sandbox = Sandbox(token="t")
    with serving(sandbox.respond) as address:
        answer = httpx.get(
            f"{address}/v2/customers", headers={"Authorization": "Bearer t"}, trust_env=False
        )
        assert answer.json() == {}
    sandbox.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)
