"""One way to talk to a sandbox, in process or through a socket, with a clock that stands still."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from square import Square as Sdk

from etl.sandbox import Request, Response, Sandbox
from etl.sandbox.pages import Pages
from etl.sandbox.server import serving
from tests.sandbox.receivers import Receiver, receiving

# 2025-09-01T08:15:30.412Z
START = 1_756_714_530.412


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now: float = START

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@dataclass
class Square:
    """A sandbox and a client that speaks to it."""

    sandbox: Sandbox
    client: httpx.Client
    clock: Clock

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request as it is."""
        return self.client.request(method, path, **options)

    def ok(self, method: str, path: str, json: object = None, **options: Any) -> Any:
        """Send a request that must succeed; return its answer."""
        answer = self.client.request(method, path, json=json, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(
        self, method: str, path: str, json: object = None, **options: Any
    ) -> tuple[int, list[tuple[str, str]]]:
        """Send a request that must fail; return the status and (code, field) of its errors."""
        answer = self.client.request(method, path, json=json, **options)
        errors = answer.json()["errors"]
        return answer.status_code, [(error["code"], error.get("field", "")) for error in errors]

    def needs_scope(self, scope: str, method: str, path: str, *others: str) -> bool:
        """Tell whether a call is refused with other scopes and let through with this one."""
        statuses = []
        for scopes in (list(others), [scope]):
            token = self.sandbox.control("tokens", {"scopes": scopes})["token"]
            headers = {"Authorization": f"Bearer {token}"}
            statuses.append(self.send(method, path, headers=headers).status_code)
        return statuses[0] == 403 and statuses[1] != 403

    def create(self, **data: Any) -> Any:
        """Create a customer and return it."""
        return self.ok("POST", "/v2/customers", data)["customer"]

    def get(self, customer_id: str) -> Any:
        """Retrieve a customer."""
        return self.ok("GET", f"/v2/customers/{customer_id}")["customer"]

    def found(self, **query: Any) -> list[str]:
        """Search; return the given names found."""
        answer = self.ok("POST", "/v2/customers/search", {"query": query})
        return [customer.get("given_name", "") for customer in answer.get("customers", [])]


Opened = Callable[..., Square]


@dataclass
class Stage:
    """Which sandbox the one server of the test session stands for at the moment."""

    sandbox: Sandbox | Pages | None = None
    address: str = ""
    opened: list[Square] = field(default_factory=list)

    def respond(self, request: Request, sleep: Callable[[float], object]) -> Response:
        """Pass a request on."""
        assert self.sandbox is not None
        return self.sandbox.respond(request, sleep)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Serve on a port; starting and stopping a server for every test would take minutes."""
    stage = Stage()
    with serving(stage.respond) as address:
        stage.address = address
        yield stage


@pytest.fixture(params=["in process", "on a socket"])
def opened(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Opened]:
    """Open sandboxes with settings of the test's choice; the last one opened is the one served."""
    squares: list[Square] = []

    def open_square(path: Path | None = None, **settings: Any) -> Square:
        clock = Clock()
        settings = {"clock": clock, "chance": random.Random(1), **settings}
        sandbox = Sandbox(path, **settings)
        stage.sandbox = sandbox
        client = httpx.Client(
            transport=sandbox.transport() if request.param == "in process" else None,
            base_url=stage.address,
            headers={"Authorization": f"Bearer {sandbox.token}"},
            timeout=5,
            trust_env=False,
            verify=False,  # reading the certificates takes longer than most tests
        )
        squares.append(Square(sandbox, client, clock))
        return squares[-1]

    yield open_square
    for square in squares:
        square.client.close()
        square.sandbox.close()


@pytest.fixture
def square(opened: Opened) -> Square:
    """A sandbox of a US merchant in memory, without lag or pace."""
    return opened()


@pytest.fixture
def sdk(stage: Stage) -> Iterator[Sdk]:
    """The official SDK, unmodified, over a socket to a fresh sandbox of a US merchant."""
    sandbox = Sandbox(chance=random.Random(1))
    stage.sandbox = sandbox
    with httpx.Client(trust_env=False, timeout=5, verify=False) as client:
        yield Sdk(token=sandbox.token, base_url=stage.address, httpx_client=client)
    sandbox.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks on the loopback."""
    with receiving() as receiver:
        yield receiver
