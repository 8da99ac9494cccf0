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


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server for the tests that leave it running."""
    with serve() as served:
        yield served


@pytest.fixture
def served_sdk(served: Served) -> Iterator[Sdk]:
    """The official SDK, speaking to the server; its HTTP client is ours to close."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield Sdk(token=served.token, base_url=served.address, httpx_client=client)


def test_the_sdk_waits_as_it_is_told(served: Served, served_sdk: Sdk) -> None:
    """A scripted 429 with Retry-After is retried by the SDK, and the create happens once."""
    plan = {"endpoint": "create", "nth": 1, "do": "status", "status": 429, "retry_after": 0.1}
    with served.client() as client:
        client.post("/_sandbox/faults", json={"plan": [plan]})
        before = len(client.get("/_sandbox/log").json()["log"])

        assert served_sdk.customers.create(given_name="Once").customer is not None

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

        log = client.get("/_sandbox/log").json()["log"]
        assert sum(entry["action"] == "create" for entry in log) == 11


def test_the_address_opens_in_a_browser(served: Served) -> None:
    """It leads to a form that takes the token; under a foreign name nothing is told."""
    with httpx.Client(base_url=served.address, trust_env=False, follow_redirects=True) as browser:
        form = browser.get("/")
        assert (form.status_code, form.headers["content-type"]) == (200, "text/html; charset=utf-8")
        page = browser.post("/_sandbox/pages/log-in", data={"token": served.token})
        assert "<h1>Directory</h1>" in page.text
        foreign = browser.get("/", headers={"Host": "rebound.example.com"})
        assert (foreign.status_code, "Directory" in foreign.text) == (400, False)


def test_it_listens_on_the_loopback_only(served: Served) -> None:
    """The address is 127.0.0.1 and no other, not even another one of this machine."""
    assert served.address.startswith("http://127.0.0.1:")
    port = int(served.address.rpartition(":")[2])

    socket.create_connection(("127.0.0.1", port), 5).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), 5)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1:80", "LOCALHOST:9"])
def test_its_own_names_are_answered(served: Served, host: str) -> None:
    """The machine's names for itself are fine, with any port."""
    with served.client() as client:
        assert client.get("/v2/merchants/me", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["rebound.example.com", "127.0.0.1.example.com", "0.0.0.0", "", "[::1]", "localhost."]
)
def test_other_names_are_not_answered(served: Served, host: str) -> None:
    """Whatever a web page's own domain resolves to, its name is not one of these."""
    with served.client() as client:
        assert client.get("/v2/merchants/me", headers={"Host": host}).status_code == 400


def test_a_web_page_of_somebody_else_gets_nowhere(served: Served) -> None:
    """A form or script of another origin has no token, and is not invited to send one."""
    origin = {"Origin": "https://shop.example.com"}
    with httpx.Client(base_url=served.address, trust_env=False, timeout=10) as client:
        form = client.post(
            "/v2/customers",
            content='{"given_name": "A"}',
            headers=origin | {"Content-Type": "text/plain"},
        )
        asked = client.options(
            "/v2/customers",
            headers=origin
            | {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )

    assert (form.status_code, asked.status_code) == (401, 405)
    for answer in (form, asked):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_large_bodies_of_strangers_are_not_kept(served: Served) -> None:
    """Nothing is held of a body beyond the cap, whoever sends it; the server goes on."""
    block = b"x" * (1 << 20)
    with httpx.Client(base_url=served.address, trust_env=False, timeout=30) as client:
        answer = client.post("/v2/customers", content=(block for _ in range(64)))
        assert answer.status_code == 401
    with served.client() as client:
        assert client.post("/v2/customers", content=block + b"x").status_code == 413
        assert client.get("/v2/merchants/me").status_code == 200


def test_half_a_request_is_none() -> None:
    """A request whose body breaks off changes nothing, though what came of it is JSON."""
    box = Sandbox()
    with serving(box.respond) as address:
        url = httpx.URL(address)
        with socket.create_connection((url.host, url.port)) as line:
            line.sendall(
                b"POST /v2/customers HTTP/1.1\r\nHost: localhost\r\n"
                b"Authorization: Bearer " + box.token.encode() + b"\r\nContent-Length: 500\r\n\r\n"
                b'{"given_name": "Ines"}'
            )
            line.shutdown(socket.SHUT_WR)
            line.settimeout(10)
            answer = line.recv(1000)

    assert (answer, box.log()) == (b"", [])


def test_what_the_file_says_wins_and_is_told(tmp_path: Path) -> None:
    """Settings kept in the file hold over options; serve says so, beside its one line."""
    path = tmp_path / "sandbox.sqlite"
    sandbox = Sandbox(path)
    sandbox.control("settings", {"lag": 5})
    sandbox.close()

    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", "--data", str(path), "--lag", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("listening on ")
        process.terminate()
        told = process.stderr.read()

    assert told == (
        f"square-etl: the settings in {path} say lag 5, which wins over --lag; "
        'POST /_sandbox/settings {"lag": null} takes it back\n'
    )


def test_two_servers_on_one_file(tmp_path: Path) -> None:
    """They have one token, one directory and one log; either may be stopped."""
    path = str(tmp_path / "sandbox.sqlite")
    with serve("--data", path) as one, serve("--data", path) as two:
        assert one.token == two.token
        with one.client() as first, two.client() as second:
            made = first.post("/v2/customers", json={"given_name": "A"}).json()["customer"]
            assert second.get(f"/v2/customers/{made['id']}").json()["customer"] == made
            os.kill(one.process.pid, signal.SIGKILL)
            one.process.wait(10)
            assert second.post("/v2/customers", json={"given_name": "B"}).status_code == 200
            assert len(second.get("/_sandbox/log").json()["log"]) == 2


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
