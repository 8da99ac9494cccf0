"""Several merchants, each with a Square on a port of its own, and a file that names them all.

::

    with street(tmp_path, "north", "south") as shops:
        done = shops.run()
    assert done.report["exit_code"] == 0

The write log of each sandbox is the oracle of what its import did.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs

from etl.matrix.summary import json_schema
from etl.sandbox import Request, Response, Sandbox
from etl.sandbox.server import serving

ROOT = Path(__file__).parents[2]
SCHEMA = jsonschema_rs.validator_for(json_schema())
HEADER = "Customer ID,First name,Last name,Email\n"
PATIENCE = 1.0

Reply = Callable[[Request], Response | None]


class Done(NamedTuple):
    """How a command ended, what it printed, and the summary it left."""

    status: int
    shown: str
    said: str
    report: dict[str, Any]

    def of(self, name: str) -> dict[str, Any]:
        """Return what became of a merchant."""
        return next(each for each in self.report["merchants"] if each["name"] == name)

    @property
    def codes(self) -> dict[str, int]:
        """The exit codes of all merchants."""
        return {each["name"]: each["exit_code"] for each in self.report["merchants"]}


@dataclass
class Shop:
    """A merchant: its Square, and who may answer in its place; when each request came."""

    name: str
    box: Sandbox
    address: str = ""
    reply: Reply = lambda request: None
    calls: list[tuple[float, str]] = field(default_factory=list)

    def respond(self, request: Request, sleep: Callable[[float], object]) -> Response:
        """Answer as Square does, unless somebody else does."""
        self.calls.append((time.monotonic(), request.path))
        return self.reply(request) or self.box.respond(request, sleep)

    def created(self) -> list[str]:
        """Return the references of all profiles that were created."""
        return [
            str(entry["changes"]["reference_id"])
            for entry in self.box.log()
            if entry["action"] == "create"
        ]

    def token(self) -> str:
        """Return a further token of this merchant."""
        scopes = ["CUSTOMERS_READ", "CUSTOMERS_WRITE", "MERCHANT_PROFILE_READ"]
        return str(self.box.control("tokens", {"scopes": scopes})["token"])


@dataclass
class Street:
    """The shops, and the folder with their files."""

    folder: Path
    shops: dict[str, Shop]
    environ: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __getitem__(self, name: str) -> Shop:
        return self.shops[name]

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def entry(self, name: str, /, **settings: Any) -> dict[str, Any]:
        """Return a table for the file: a shop with its address, a token in a file, its people."""
        shop = self.shops[name]
        token = self.folder / f"{name}.token"
        if not token.exists():
            token.write_text(shop.box.token)
            token.chmod(0o600)
        told = {
            "name": name,
            "sources": [f"{name}.csv"],
            "target": "sandbox",
            "base_url": shop.address,
            "token_file": token.name,
            "config": "c.toml",
        }
        return {key: value for key, value in {**told, **settings}.items() if value is not None}

    def write(self, *entries: Mapping[str, Any], **settings: Any) -> None:
        """Write the file of the merchants."""
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        for entry in entries:
            lines.append("[[merchants]]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        (self.folder / "merchants.toml").write_text("\n".join(lines) + "\n")

    def people(self, name: str, count: int) -> None:
        """Write the people of a shop."""
        rows = (f"{name}-{n},Ada {n},Byron,ada{n}@{name}.example.com\n" for n in range(count))
        (self.folder / f"{name}.csv").write_text(HEADER + "".join(rows))

    def start(self, *options: str, **environ: str) -> subprocess.Popen[str]:
        """Start the import."""
        # As the installed command: what lies in the current folder is no module.
        command = [sys.executable, "-P", "-m", "etl", "import", "--matrix", "merchants.toml"]
        process = subprocess.Popen(
            [*command, "--state-dir", "state", *options],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def ended(self, process: subprocess.Popen[str]) -> Done:
        """Wait for an import, and tell how it ended."""
        shown, said = process.communicate(timeout=300)
        place, report = self.state / "matrix.json", {}
        if place.is_file():
            report = json.loads(place.read_bytes())
            SCHEMA.validate(report)
        return Done(process.returncode, shown, said, report)

    def run(self, *options: str, **environ: str) -> Done:
        """Import for all."""
        return self.ended(self.start(*options, **environ))

    def children(self, parent: int) -> dict[str, int]:
        """Return the processes of the imports that are at work, by merchant."""
        found = {}
        listed = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        for pid in map(int, listed.split()):
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            for word in words:
                if word.startswith("--state-dir="):
                    found[Path(word).name] = pid
        return found

    def wait_for_writes(self, *names: str) -> None:
        """Wait until the import of each has created somebody."""
        wait_until(lambda: all(self.shops[name].created() for name in names))


def wait_until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something that other processes do."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def gone(pids: list[int], seconds: float = 60) -> bool:
    """Wait until none of the processes is left."""
    until = time.monotonic() + seconds
    while any(map(_runs, pids)):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _runs(pid: int) -> bool:
    try:
        # An orphan that nobody waits for is over all the same.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def street(folder: Path, *names: str, people: int = 3, **settings: Any) -> Iterator[Street]:
    """Serve a Square for each shop; ``settings`` are those of the sandboxes."""
    dropped = ("SQUARE_ENVIRONMENT", "SQUARE_ACCESS_TOKEN", "SQUARE_BASE_URL", "SQUARE_ETL_STATE")
    environ = {name: value for name, value in os.environ.items() if name not in dropped}
    environ["PYTHONPATH"] = str(ROOT)
    (folder / "c.toml").write_text(f"[limits]\npatience = {PATIENCE}\n")
    with ExitStack() as stack:
        shops = {}
        for number, name in enumerate(names):
            box = Sandbox(chance=random.Random(number), **settings)
            shops[name] = shop = Shop(name, box)
            stack.callback(box.close)
            shop.address = stack.enter_context(serving(shop.respond))
        found = Street(folder, shops, environ)
        for name in names:
            found.people(name, people)
        found.write(*map(found.entry, names))
        try:
            yield found
        finally:
            for process in found.started:
                # Of a test that failed; what it started ends with it.
                process.kill()
                process.communicate()


def answer(status: int, code: str, category: str = "API_ERROR") -> Response:
    """Return an error as Square says it."""
    body = json.dumps({"errors": [{"category": category, "code": code}]})
    return Response(status, body.encode(), {"content-type": "application/json"})
