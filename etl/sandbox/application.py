"""What is one sandbox?

A store, a clock, a chance and a few settings, behind one function: ``respond``. No HTTP library
here; ``server`` puts it on a port, ``transport`` into an httpx client.
"""

from __future__ import annotations

import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from etl.sandbox import edge, ids, routes, settings, tokens, versions
from etl.sandbox.assumptions import BULK_BODY_LIMIT
from etl.sandbox.calls import Call, Merchant
from etl.sandbox.errors import (
    Refusal,
    as_errors,
    insufficient_scopes,
    paused,
    rate_limited,
    unavailable,
)
from etl.sandbox.faults import others, plan, spoiling
from etl.sandbox.messages import Request, Response
from etl.sandbox.routes import Route
from etl.sandbox.settings import Settings
from etl.sandbox.store import Store
from etl.sandbox.store.database import unusable
from etl.sandbox.store.tokens import TokenRow
from etl.sandbox.times import timestamp
from etl.sandbox.traffic import Traffic

if TYPE_CHECKING:
    import httpx

    from etl.sandbox.events.courier import Courier

_CONTROL = "/_sandbox/"
# What can stand behind ``Bearer``.
_SENDABLE = re.compile(r"[!-~]+")
# Locked beyond patience, no room on the disk: nothing was committed, later it may work.
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
# Whoever can open the file owns it, even after its token was revoked.
_OWNER = TokenRow(tokens.ALL_SCOPES, owner=True, expires=None, revoked=False)


class _Undone(Exception):
    """A call was answered, and what it wrote is to be undone."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


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
        # Strangers see request ids too: from those of a plain Random they could tell the token.
        self._chance = random.SystemRandom() if chance is None else chance
        self._own = _own_settings(lag, rate)
        if token is not None and not _SENDABLE.fullmatch(token):
            raise ValueError("token must be visible ASCII characters without a blank.")
        self._pace = edge.Pace()
        self.traffic = Traffic()
        self._script = plan.Script(routes.ENDPOINTS)
        self._lock = threading.Lock()
        self._store = Store(path)
        try:
            with self._store.transaction(write=True):
                self._merchant = self._open_merchant(country)
                self._secret = bytes.fromhex(self._store.setting("secret"))
                settings.remember(self._store, lag, self._now())
                self.token = tokens.owners_token(self._secret) if token is None else token
                self._store.tokens.put(tokens.digest(self.token), _OWNER)
        except sqlite3.DatabaseError as error:
            self._store.close()
            raise unusable(path, error) from error

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

        ``sleep`` waits out a scripted delay that comes before the commit, and returns True once the
        server is about to stop. Without it such a delay is told like one that comes after.
        """
        began = time.perf_counter()
        request_id = ids.request_id(self._chance)
        named = {
            "content-type": "application/json",
            "date": formatdate(self._now() / 1000, usegmt=True),
            "x-request-id": request_id,
        }
        endpoint, met = "", plan.NOTHING
        try:
            route, path_ids = routes.find(request.method, request.path)
        except Refusal as refusal:
            answer = _refused(refusal, named)
        else:
            endpoint = route.name
            if not route.owner:
                with self._lock:
                    met = self._script.next(route.name)
            answer = self._answer(route, path_ids, request, named, met, sleep)
        took = time.perf_counter() - began
        self.traffic.note(request, answer, endpoint, met, self._clock(), took * 1000)
        return answer

    def _answer(
        self,
        route: Route,
        path_ids: list[str],
        request: Request,
        named: dict[str, str],
        met: plan.Met,
        sleep: Callable[[float], object] | None,
    ) -> Response:
        if route.public:
            return Response(200, route.handler(), named)
        acts, chosen = met
        request_id = named["x-request-id"]
        for act in acts:
            if act.fault.when == "before":
                self._let_act(act, request, request_id, path_ids)
        if chosen and sleep and (chosen.fault.do, chosen.fault.when) == ("delay", "before"):
            sleep(chosen.fault.seconds)
            chosen = None
        extent: plan.Extent = chosen.fault.extent if chosen else "whole"
        if extent == "nothing":
            answer = Response(200, b"{}", named)
        else:
            answer = self._carry_out(route, path_ids, request, request_id, named, sleep, extent)
        for act in acts:
            if act.fault.when == "after":
                self._let_act(act, request, request_id, path_ids, answer.body)
        return spoiling.spoil(chosen, answer) if chosen else answer

    def _let_act(
        self,
        act: plan.Chosen,
        request: Request,
        request_id: str,
        path_ids: list[str],
        answer: bytes = b"",
    ) -> None:
        nobody = TokenRow(frozenset(), owner=False, expires=None, revoked=False)
        with suppress(Refusal), self._alone(write=True):
            call = self._call(request, request_id, others.ENDPOINT, nobody)
            others.act(act, call, path_ids, answer)

    def _carry_out(
        self,
        route: Route,
        path_ids: list[str],
        request: Request,
        request_id: str,
        headers: dict[str, str],
        sleep: Callable[[float], object] | None,
        extent: plan.Extent,
    ) -> Response:
        try:
            with self._alone(write=route.writes):
                call = self._admit(route, request, request_id)
                if not route.owner:
                    call.version = versions.served(
                        request.headers.get("square-version"), call.settings.default_version
                    )
                    headers["square-version"] = call.version
                    routes.check_version(route, call.version)
                    tokens.require(call.token, route.scopes)
                call.half = extent == "half"
                answer = route.handler(call, *path_ids)
                if extent == "undone":
                    raise _Undone(Response(200, versions.worded(answer, call.version), headers))
            if call.errand is not None:
                answer = call.errand(lambda: sleep is not None and sleep(0) is True)
            return Response(200, versions.worded(answer, call.version), headers)
        except _Undone as undone:
            return undone.answer
        except Refusal as refusal:
            return _refused(refusal, headers)

    @contextmanager
    def _alone(self, *, write: bool) -> Iterator[None]:
        """Be the only one to use the store, in one transaction of its file."""
        try:
            with self._lock, self._store.transaction(write=write):
                yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _PASSING:
                raise
            raise unavailable(f"The sandbox's file: {error}") from error

    def _admit(self, route: Route, request: Request, request_id: str) -> Call:
        digest, token = tokens.authenticate(self._store, request.headers.get("authorization"))
        call = self._call(request, request_id, route.name, token)
        if not route.owner:
            # The status of a token that has ended is UNAUTHORIZED (API reference).
            tokens.check_end(token, call.now, plainly=route.name == "token-status")
            self._check_pace(call, digest)
        elif not token.owner:
            raise insufficient_scopes(["SANDBOX_OWNER"])
        edge.check_size(request.body, BULK_BODY_LIMIT)
        return call

    def _check_pace(self, call: Call, digest: bytes) -> None:
        left = self._script.paused_until - call.now
        told = call.settings.retry_after
        if left > 0:
            raise paused(-(-left // 1000) if told else None)
        wait = self._pace.spend(digest, call.now, call.settings.rate)
        if wait:
            raise rate_limited(wait if told else None)

    def _call(self, request: Request, request_id: str, endpoint: str, token: TokenRow) -> Call:
        return Call(
            request=request,
            request_id=request_id,
            endpoint=endpoint,
            store=self._store,
            chance=self._chance,
            merchant=self._merchant,
            secret=self._secret,
            token=token,
            script=self._script,
            now=self._now(),
            own=self._own,
            settings=settings.in_force(self._store, self._own),
            keep=self._store.setting("longest_lag", 0),
            remembered_from=self._store.setting("remembered_from", 0),
        )

    @contextmanager
    def visited(self, request: Request, name: str, *, write: bool) -> Iterator[Call]:
        """Give a call of the owner's to what is no endpoint, inside its transaction.

        It has neither pace nor faults; whether the owner is asking is left to the one who asks.
        """
        request_id = ids.request_id(self._chance)
        with self._alone(write=write):
            yield self._call(request, request_id, name, _OWNER)

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

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in force; ``control("settings", {...})`` changes them."""
        with self._lock, self._store.transaction(write=False):
            return settings.in_force(self._store, self._own)._asdict()

    def log(self) -> list[dict[str, Any]]:
        """Return the effective writes so far, oldest first."""
        with self._lock, self._store.transaction(write=False):
            return self._store.log.entries()

    def deliver(self) -> int:
        """Send the events that are due to those who subscribed; return how many were taken.

        Nothing is sent by itself: call this, or be inside ``delivering``.
        """
        return self._courier().deliver()

    def delivering(self) -> AbstractContextManager[None]:
        """Send events, in a thread of their own, for as long as the block lasts."""
        return self._courier().delivering()

    def _courier(self) -> Courier:
        from etl.sandbox.events.courier import Courier

        return Courier(self._reach, self._merchant, self._secret)

    @contextmanager
    def _reach(self, write: bool) -> Iterator[tuple[Store, int]]:
        with self._lock, self._store.transaction(write=write):
            yield self._store, self._now()

    def clear(self) -> int:
        """Forget profiles, keys, events and the log, keep the merchant; return how many there were.

        Subscriptions stay: they are the application's, as its tokens are.
        """
        with self._lock, self._store.transaction(write=True):
            return self._store.clear()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._store.close()


def _own_settings(lag: float, rate: float) -> Settings:
    for name, value in (("lag", lag), ("rate", rate)):
        try:
            settings.checked(name, value)
        except Refusal as refusal:
            raise ValueError(refusal.problems[0].detail) from None
    return Settings(lag=lag, rate=rate)


def _refused(refusal: Refusal, headers: dict[str, str]) -> Response:
    body = orjson.dumps(as_errors(refusal.problems))
    return Response(refusal.problems[0].status, body, {**headers, **refusal.headers})
