"""A sandbox with its pages, and a client that is logged in to them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx

from etl.sandbox import Sandbox
from etl.sandbox.pages import Pages
from etl.sandbox.transport import SandboxTransport
from tests.sandbox.conftest import Clock, Stage

ROOT = "/_sandbox/pages/"
KEY = re.compile(r'name="form_key" value="([^"]+)"')


@dataclass
class Site:
    """The pages of a sandbox; ``api`` calls its API, ``client`` is a browser without eyes."""

    sandbox: Sandbox
    pages: Pages
    clock: Clock
    session_clock: Clock
    api: httpx.Client
    client: httpx.Client

    def page(self, path: str, status: int = 200) -> str:
        """Load a page; return its HTML."""
        answer = self.client.get(path if path.startswith("/") else ROOT + path)
        assert answer.status_code == status, answer.text
        return answer.text

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form with the key of the session."""
        found = KEY.search(self.page("faults"))
        assert found is not None
        return self.client.post(ROOT + path, data={"form_key": found.group(1), **fields})

    def create(self, **data: Any) -> str:
        """Create a customer through the API; return the id."""
        answer = self.api.post("/v2/customers", json=data)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["customer"]["id"])


@contextmanager
def opened(stage: Stage, *, on_a_socket: bool, **settings: Any) -> Iterator[Site]:
    """Serve the pages of a fresh sandbox; nobody is logged in yet."""
    clock, session_clock = Clock(), Clock()
    sandbox = Sandbox(**{"clock": clock, "chance": random.Random(1), **settings})
    pages = Pages(sandbox, session_clock)
    stage.sandbox = pages
    options: dict[str, Any] = {
        "transport": None if on_a_socket else SandboxTransport(pages.respond),
        "base_url": stage.address,
        "timeout": 5,
        "trust_env": False,
        "verify": False,
    }
    bearer = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(**options, headers=bearer) as api, httpx.Client(**options) as client:
        yield Site(sandbox, pages, clock, session_clock, api, client)
    sandbox.close()


def text(html: str) -> str:
    """Return what a page says, without its head and its tags."""
    body = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", html, flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))
