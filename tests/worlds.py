"""A small world for journeys: a Square, a state folder, and time that only waiting moves.

::

    world = open_world(tmp_path)
    report = run_import(world, [{"email": "ada@example.com"}])
    assert [write["action"] for write in world.written()] == ["create"]

The sandbox's write log is the oracle of what happened in Square; ``written`` is its part that
imports caused, the rest is what the seller did meanwhile.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import jsonschema_rs

from etl import pipeline
from etl.config import Config, parse
from etl.engines import UNASKED, Ready
from etl.journal.records import Run
from etl.journal.state import State
from etl.pipeline import Progress, Report, Square
from etl.reports.schema import json_schema
from etl.sandbox import Request, Sandbox
from etl.square.client import SquareClient
from etl.square.wire import Call

BASE_URL = "http://127.0.0.1"

# Whatever a journey of these reports, it is what ``runs report --schema`` promises.
SCHEMA = jsonschema_rs.validator_for(json_schema())

# 2026-08-20T02:00:00Z, the hour of nightly imports.
START = 1_787_191_200.0

# CSV text, rows of named cells (the header is every name that occurs), or a file that is there.
Rows = str | Sequence[Mapping[str, str]] | Path
Settings = Mapping[str, Any]


class Killed(BaseException):
    """The process is gone: nobody may catch this."""


@dataclass
class Time:
    """A clock for everything, which stands still but for waiting."""

    now: float = START
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        """Return the present as Unix time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self.waits.append(seconds)
        self.now += seconds


class Sent(NamedTuple):
    """One request of an import as it left: ``endpoint`` is named as in fault plans."""

    endpoint: str
    content: bytes

    @property
    def customers(self) -> dict[str, Any]:
        """The entries of a bulk write."""
        found: dict[str, Any] = json.loads(self.content)["customers"]
        return found


def _let_pass(sent: Sent) -> httpx.Response | None:
    return None


@dataclass
class World:
    """A sandbox, the state folder beside it, and whoever interferes.

    ``before`` sees each request of an import before Square does: it may edit profiles, answer in
    Square's place, or raise; ``after`` sees it once Square has carried it out. ``watch`` hears of
    progress and may raise. ``token`` is the one that imports use.
    """

    folder: Path
    sandbox: Sandbox
    time: Time
    token: str
    state: State
    chance: random.Random
    before: Callable[[Sent], httpx.Response | None] = _let_pass
    after: Callable[[Sent], None] = lambda sent: None
    watch: Callable[[Progress], None] = lambda progress: None
    sent: list[Sent] = field(default_factory=list)
    announced: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    # -- what the seller does ----------------------------------------------------------------

    def create(self, **values: Any) -> str:
        """Create a profile as the seller would; return its id."""
        return str(self._call("POST", "/v2/customers", values)["customer"]["id"])

    def update(self, customer_id: str, **values: Any) -> None:
        """Edit a profile as the seller would; an empty text clears nothing, None does."""
        self._call("PUT", f"/v2/customers/{customer_id}", values)

    def delete(self, customer_id: str) -> None:
        """Delete a profile as the seller would."""
        self._call("DELETE", f"/v2/customers/{customer_id}", {})

    def merge(self, *customer_ids: str) -> str:
        """Merge profiles as the seller would; return the id of the new one."""
        answer = self.sandbox.control("merge", {"from": list(customer_ids)})
        return str(answer["customer"]["id"])

    def profile(self, customer_id: str) -> dict[str, Any]:
        """Return a profile as Square holds it now."""
        path = f"/v2/customers/{quote(customer_id)}"
        found: dict[str, Any] = self._call("GET", path, {})["customer"]
        return found

    def alive(self) -> dict[str, dict[str, Any]]:
        """Return every profile that exists now, by id; lag does not hide any."""
        ids: dict[str, None] = {}
        for entry in self.sandbox.log():
            gone = entry["changes"]["from"] if entry["action"] == "merge" else []
            if entry["action"] == "delete":
                gone = [entry["customer_id"]]
            elif entry["action"] in ("create", "merge"):
                ids[entry["customer_id"]] = None
            for customer_id in gone:
                ids.pop(customer_id, None)
        return {customer_id: self.profile(customer_id) for customer_id in ids}

    # -- what goes wrong ---------------------------------------------------------------------

    def faults(self, *plan: Mapping[str, Any], seed: int = 1) -> None:
        """Put a fault plan in force; without any entry everything works again."""
        self.sandbox.control("faults", {"plan": [dict(fault) for fault in plan], "seed": seed})

    def new_token(self, *scopes: str) -> str:
        """Return a further token with these scopes, or all that imports need."""
        needed = scopes or ("CUSTOMERS_READ", "CUSTOMERS_WRITE", "MERCHANT_PROFILE_READ")
        return str(self.sandbox.control("tokens", {"scopes": list(needed)})["token"])

    def revoke(self, token: str) -> None:
        """Take a token back."""
        self._call("DELETE", f"/_sandbox/tokens/{quote(token)}", {})

    # -- what happened -----------------------------------------------------------------------

    def written(self, action: str = "") -> list[dict[str, Any]]:
        """Return the sandbox's log of what imports wrote, oldest first."""
        return [
            entry
            for entry in self.sandbox.log()
            if entry["endpoint"].startswith("bulk-") and action in ("", entry["action"])
        ]

    def calls(self, endpoint: str) -> list[Sent]:
        """Return the requests that imports sent to an endpoint, every attempt of them."""
        return [sent for sent in self.sent if sent.endpoint == endpoint]

    # -- what the journeys take --------------------------------------------------------------

    def square(self, config: Config) -> Square:
        """Return the Square of a journey."""

        def connect(observe: Callable[[Call], None]) -> SquareClient:
            return SquareClient(
                _Wire(self),
                BASE_URL,
                self.token,
                config.target.square_version,
                clock=self.time.clock,
                sleep=self.time.sleep,
                chance=self.chance,
                patience=config.limits.patience,
                requests_per_second=config.limits.requests_per_second,
                observe=observe,
                wall=self.time.clock,
            )

        return Square("sandbox", BASE_URL, connect)

    def edges(self) -> pipeline.World:
        """Return the rest of what a journey takes from outside."""
        return pipeline.World(
            now=lambda: datetime.fromtimestamp(self.time.now, UTC),
            clock=self.time.clock,
            chance=self.chance,
            announce=self.announced.append,
            note=self.notes.append,
            sleep=self.time.sleep,
            watch=lambda progress: self.watch(progress),
        )

    def file(self, source: Rows, name: str = "people.csv") -> Path:
        """Write a source file and return its path."""
        if isinstance(source, Path):
            return source
        path = self.folder / name
        text = source if isinstance(source, str) else as_csv(source)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    def close(self) -> None:
        """Let go of the sandbox."""
        self.sandbox.close()

    def _call(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.sandbox.token}", "x-clear-null": "true"}
        content = b"" if method in ("GET", "DELETE") else json.dumps(body).encode()
        answer = self.sandbox.respond(Request(method, path, "", headers, content))
        assert answer.status == 200, answer.body.decode()
        found: dict[str, Any] = json.loads(answer.body)
        return found


@dataclass
class _Wire(httpx.BaseTransport):
    """What lies between an import and the sandbox."""

    world: World

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, unless somebody before Square answers or breaks it."""
        content = request.read()
        sent = Sent(_endpoint(request), content)
        self.world.sent.append(sent)
        answer = self.world.before(sent)
        answer = answer or self.world.sandbox.transport().handle_request(request)
        self.world.after(sent)
        return answer


def _endpoint(request: httpx.Request) -> str:
    last = request.url.path.rpartition("/")[2]
    return {"customers": "list", "me": "retrieve-merchant"}.get(last, last)


def open_world(folder: Path, *, time: Time | None = None, seed: int = 1, **settings: Any) -> World:
    """Begin a world in ``folder``; ``settings`` are the sandbox's (lag, rate, country).

    Another ``seed`` is another merchant.
    """
    time = time or Time()
    sandbox = Sandbox(clock=time.clock, chance=random.Random(seed), **settings)
    state = State(folder / "state")
    return World(folder, sandbox, time, sandbox.token, state, chance=random.Random(seed + 100))


def interfere(
    world: World, endpoint: str, nth: int, action: Callable[[], httpx.Response | None]
) -> None:
    """Have ``action`` done just before the ``nth`` request from now on reaches ``endpoint``.

    What it returns is the answer in Square's place; what it raises, the import gets.
    """
    left = nth

    def before(sent: Sent) -> httpx.Response | None:
        nonlocal left
        if sent.endpoint == endpoint:
            left -= 1
            if left == 0:
                return action()
        return None

    world.before = before


def errors(status: int, code: str, category: str = "INVALID_REQUEST_ERROR") -> httpx.Response:
    """Return an error answer in Square's envelope."""
    fault = {"category": category, "code": code, "detail": f"made up: {code}"}
    return httpx.Response(status, json={"errors": [fault]})


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as CSV text whose header is every name that occurs, in order."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_promised(report: Report) -> Report:
    """Return a report that is as its schema says."""
    SCHEMA.validate(json.loads(json.dumps(report)))
    return report


# -- journeys --------------------------------------------------------------------------------


def run_import(
    world: World,
    source: Rows,
    config: Settings | None = None,
    *,
    name: str = "people.csv",
    state: State | None = None,
    amends: str | None = None,
    canary: int = 0,
    engine: Ready = UNASKED,
) -> Report:
    """Import a source and return the report; ``state`` stands for another state folder."""
    settings = parse(config or {}, "test")
    return as_promised(
        pipeline.import_customers(
            [str(world.file(source, name))],
            settings,
            state or world.state,
            world.square(settings),
            world.edges(),
            amends=amends,
            canary=canary,
            engine=engine,
        )
    )


def run_plan(
    world: World,
    source: Rows,
    config: Settings | None = None,
    *,
    name: str = "people.csv",
    amends: str | None = None,
    engine: Ready = UNASKED,
) -> Report:
    """Plan an import without carrying it out and return the report."""
    settings = parse(config or {}, "test")
    return as_promised(
        pipeline.plan_import(
            [str(world.file(source, name))],
            settings,
            world.state,
            world.square(settings),
            world.edges(),
            amends,
            engine=engine,
        )
    )


def run_apply(
    world: World, plan: Report | str, limits: Settings | None = None, *, canary: int = 0
) -> Report:
    """Carry out a plan, with other limits if any are given, and return the report."""
    named = plan if isinstance(plan, str) else str(plan["run_id"])
    made = Config.model_validate_json(pipeline.planned(named, world.state)[0].config)
    settings = made.model_dump(exclude_unset=True) | ({"limits": limits} if limits else {})
    config = parse(settings, "test")
    return as_promised(
        pipeline.apply_plan(named, config, world.state, world.square(config), world.edges(), canary)
    )


def run_resume(world: World, report_or_id: Report | str) -> Report:
    """Go on with a run that stopped and return the report."""
    run_id = report_or_id if isinstance(report_or_id, str) else str(report_or_id["run_id"])
    square = world.square(parse({}, "test"))
    return as_promised(pipeline.resume(run_id, world.state, square, world.edges()))


def run_undo(world: World, report_or_id: Report | str, *, dry_run: bool = False) -> Report:
    """Take back what a run wrote and return the report."""
    run_id = report_or_id if isinstance(report_or_id, str) else str(report_or_id["run_id"])
    square = world.square(parse({}, "test"))
    return as_promised(
        pipeline.undo_run(run_id, world.state, square, world.edges(), dry_run=dry_run)
    )


# -- what they left --------------------------------------------------------------------------


def folder_of(world: World, report: Report) -> Path:
    """Return the folder of a run."""
    return world.state.run_folder(str(report["run_id"]))


def table(world: World, report: Report, name: str) -> list[dict[str, str]]:
    """Return one of a run's tables (rows.csv, rejects.csv, ...), cell by cell as it is written."""
    path = folder_of(world, report) / name
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def outcomes(world: World, report: Report) -> list[str]:
    """Return the outcome of each row, in file order."""
    return [row["outcome"] for row in table(world, report, "rows.csv")]


def counts(report: Report) -> dict[str, int]:
    """Return the outcomes that rows have and how many, without the zeros and the sum."""
    return {name: n for name, n in report["rows"].items() if n and name != "read"}


def people(number: int, first: int = 0) -> list[dict[str, str]]:
    """Return rows of so many different people, with reference, name, email and phone."""
    return [
        {
            "reference_id": f"R{index:04d}",
            "given_name": f"Given{index}",
            "family_name": f"Family{index}",
            "email_address": f"person{index}@example.com",
            "phone_number": f"+1415555{index % 10_000:04d}",
        }
        for index in range(first, first + number)
    ]
