"""What is one sandbox?

A store, a clock, a chance and a few settings, behind one function: ``respond``. No HTTP library
here; ``server`` puts it on a port, ``transport`` into an httpx client.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from etl.sandbox import edge, faults, ids, routes, tokens, versions
from etl.sandbox.assumptions import BULK_BODY_LIMIT
from etl.sandbox.calls import Call, Merchant
from etl.sandbox.errors import Refusal, as_errors, insufficient_scopes, unavailable
from etl.sandbox.messages import Request, Response
from etl.sandbox.routes import Route
from etl.sandbox.store import Store
from etl.sandbox.store.tokens import TokenRow
from etl.sandbox.times import timestamp

if TYPE_CHECKING:
    import httpx

_CONTROL = "/_sandbox/"
# Locked beyond patience, no room on the disk: nothing was committed, later it may work.
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class Sandbox:
    """A local Square: ``path`` names its file, None keeps it in memory.

    The merchant is made with the file and stays. ``lag`` is how many seconds list and search are
    behind, ``rate`` how many requests a second each token may make (0: any number), ``token`` what
    callers show; without it the file's own is used. Thread-safe; several may share one file.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        country: str = "US",
        lag: float = 0.0,
        rate: float = 0.0,
        token: str | None = None,
        clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._chance = random.Random() if chance is None else chance
        self._lag = round(lag * 1000)
        self._pace = edge.Pace(rate)
        self._script = faults.Script(routes.ENDPOINTS)
        self._lock = threading.Lock()
        self._store = Store(path)
        with self._store.transaction(write=True):
            self._merchant = self._open_merchant(country)
            self._secret = bytes.fromhex(self._store.setting("secret"))
            longest = max(self._lag, self._store.setting("longest_lag", 0))
            self._store.set("longest_lag", longest)
            self.token = tokens.owners_token(self._secret) if token is None else token
            # Whoever can open the file owns it, even after its token was revoked.
            owner = TokenRow(tokens.ALL_SCOPES, owner=True, expires=None, revoked=False)
            self._store.tokens.put(tokens.digest(self.token), owner)

    @property
    def merchant_id(self) -> str:
        """The id of the seller whose directory this is."""
        return self._merchant.id

    def _open_merchant(self, country: str) -> Merchant:
        known = self._store.setting("merchant")
        if known is not None:
            return Merchant(**known)
        merchant = Merchant(
            id=ids.merchant_id(self._chance),
            country=country,
            business_name="Sandbox Trading Company",
            location_id=ids.merchant_id(self._chance),
            created_at=timestamp(self._now()),
        )
        self._store.set("merchant", asdict(merchant))
        self._store.set("secret", self._chance.randbytes(32).hex())
        return merchant

    def _now(self) -> int:
        return int(self._clock() * 1000) + int(self._store.setting("ahead", 0))

    def respond(self, request: Request, sleep: Callable[[float], object] | None = None) -> Response:
        """Answer one request; what goes wrong on its way is told by the answer's delivery.

        ``sleep`` waits out a scripted delay that comes before the commit. Without it such a delay
        is told like one that comes after.
        """
        request_id = ids.request_id(self._chance)
        named = {"content-type": "application/json", "x-request-id": request_id}
        try:
            route, path_ids = routes.find(request.method, request.path)
        except Refusal as refusal:
            return _refused(refusal, named)
        if route.public:
            return Response(200, route.handler(), named)
        chosen = None if route.owner else self._next_fault(route)
        if chosen is None:
            return self._carry_out(route, path_ids, request, request_id, named)
        fault = chosen.fault
        if fault.when == "before" and fault.do != "delay":
            return faults.spoil(chosen, Response(200, b"{}", named))
        if fault.when == "before" and sleep is not None:
            sleep(fault.seconds)
            return self._carry_out(route, path_ids, request, request_id, named)
        answer = self._carry_out(
            route, path_ids, request, request_id, named, half=fault.when == "mid"
        )
        return faults.spoil(chosen, answer)

    def _next_fault(self, route: Route) -> faults.Chosen | None:
        with self._lock:
            return self._script.next(route.name)

    def _carry_out(
        self,
        route: Route,
        path_ids: list[str],
        request: Request,
        request_id: str,
        headers: dict[str, str],
        half: bool = False,
    ) -> Response:
        try:
            with self._lock, self._store.transaction(write=route.writes):
                call = self._admit(route, request, request_id)
                if not route.owner:
                    call.version = versions.served(request.headers.get("square-version"))
                    headers["square-version"] = call.version
                    routes.check_version(route, call.version)
                    tokens.require(call.token, route.scopes)
                call.half = half
                answer = route.handler(call, *path_ids)
                return Response(200, versions.worded(answer, call.version), headers)
        except Refusal as refusal:
            return _refused(refusal, headers)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _PASSING:
                raise
            return _refused(unavailable(f"The sandbox's file: {error}"), headers)

    def _admit(self, route: Route, request: Request, request_id: str) -> Call:
        now = self._now()
        digest, token = tokens.authenticate(self._store, request.headers.get("authorization"), now)
        if route.owner and not token.owner:
            raise insufficient_scopes(["SANDBOX_OWNER"])
        if not route.owner:
            self._pace.spend(digest, now)
        edge.check_size(request.body, BULK_BODY_LIMIT)
        return Call(
            request=request,
            request_id=request_id,
            endpoint=route.name,
            store=self._store,
            chance=self._chance,
            merchant=self._merchant,
            secret=self._secret,
            token=token,
            script=self._script,
            now=now,
            lag=self._lag,
            keep=self._store.setting("longest_lag", 0),
        )

    def control(self, call: str, body: dict[str, Any]) -> Any:
        """Make a control call, such as ``control("merge", {"from": [...]})``; return its answer.

        Raises ValueError with the reason if it is refused.
        """
        answer = self.respond(
            Request(
                "POST",
                _CONTROL + call,
                headers={"authorization": f"Bearer {self.token}"},
                body=orjson.dumps(body),
            )
        )
        content = orjson.loads(answer.body)
        if answer.status != 200:
            raise ValueError(content["errors"][0]["detail"])
        return content

    def transport(self) -> httpx.BaseTransport:
        """Return a transport that lets an httpx client speak to this sandbox in process."""
        from etl.sandbox.transport import SandboxTransport

        return SandboxTransport(self.respond)

    def log(self) -> list[dict[str, Any]]:
        """Return the effective writes so far, oldest first."""
        with self._lock, self._store.transaction(write=False):
            return self._store.log.entries()

    def clear(self) -> int:
        """Forget all profiles, keys and the log, keep the merchant; return how many there were."""
        with self._lock, self._store.transaction(write=True):
            return self._store.clear()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._store.close()


def _refused(refusal: Refusal, headers: dict[str, str]) -> Response:
    if refusal.retry_after is not None:
        headers = headers | {"retry-after": str(refusal.retry_after)}
    body = orjson.dumps(as_errors(refusal.problems))
    return Response(refusal.problems[0].status, body, headers)
