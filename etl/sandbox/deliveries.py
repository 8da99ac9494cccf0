"""How does an event reach those who subscribed to it?

By a signed POST to the subscription's URL, tried again with growing waits for a day. What waits is
in the store, so a server that was killed goes on where it was; an event may then arrive twice, with
the same id. Each subscription gets its events one after the other, the oldest that is due first;
one that is slow to answer holds up neither the others nor the API.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import random
import sqlite3
import ssl
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from etl.sandbox import events
from etl.sandbox.calls import Merchant
from etl.sandbox.rules.subscriptions import is_loopback
from etl.sandbox.store import Store
from etl.sandbox.store.deliveries import Waiting
from etl.sandbox.store.events import Event
from etl.sandbox.store.subscriptions import Subscription
from etl.sandbox.times import timestamp

if TYPE_CHECKING:
    import httpx

# How long a receiver may take to answer, in seconds (webhooks overview).
PATIENCE = 10
# When an event is sent again, in minutes since it happened (webhooks overview).
RETRIES = (1, 3, 7, 15, 31, 63, 123, 243, 483, 963, 1443)

# How often the store is asked for what is due, in seconds: others may write to the same file.
_PAUSE = 0.1
# Some programs listen on one of the two only.
_LOCALHOST = ("127.0.0.1", "::1")
# What is read of an answer, whose status alone counts: closing on a sender looks like a failure.
_READ = 1 << 16

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class Parcel(NamedTuple):
    """What is posted, where, and with which headers."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class Outcome(NamedTuple):
    """How it went: the status of the answer, and why that is a failure if it is one."""

    status: int | None
    reason: str | None


def new_key(chance: random.Random) -> str:
    """Draw a signature key."""
    return urlsafe_b64encode(chance.randbytes(16)).decode().rstrip("=")


def signature(key: str, url: str, body: bytes) -> str:
    """Return what proves that a body was sent to a URL by who knows the key."""
    digest = hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()
    return b64encode(digest).decode()


def pack(
    subscription: Subscription, body: bytes, first: str, retry: int = 0, reason: str | None = None
) -> Parcel:
    """Return an event ready to be sent; ``first`` is when that was tried first."""
    url = subscription.notification_url
    headers = {
        "content-type": "application/json",
        "x-square-hmacsha256-signature": signature(subscription.signature_key, url, body),
        "square-environment": "Sandbox",
        "square-initial-delivery-timestamp": first,
    }
    if reason is not None:
        headers |= {"square-retry-number": str(retry), "square-retry-reason": reason}
    return Parcel(url, body, headers)


def post(parcel: Parcel) -> Outcome:
    """Send a parcel once and wait for the answer."""

    async def send() -> Outcome:
        async with _client() as client:
            return await _post(client, parcel)

    return _run(send())


class Courier:
    """Delivers the events of one sandbox.

    ``reach`` opens a transaction, told whether it writes, and gives the store and the time.
    """

    def __init__(
        self,
        reach: Callable[[bool], AbstractContextManager[tuple[Store, int]]],
        merchant: Merchant,
        secret: bytes,
    ) -> None:
        self._reach = reach
        self._merchant = merchant
        self._secret = secret

    def deliver(self) -> int:
        """Send what is due now; return how many events were taken."""
        return _run(self._deliver())

    async def _deliver(self) -> int:
        return sum(await asyncio.gather(*(self._round(*due) for due in self._due(()))))

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Deliver in a thread of its own for as long as the block lasts."""
        stopping = threading.Event()
        thread = threading.Thread(target=asyncio.run, args=[self._keep_on(stopping)])
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    async def _keep_on(self, stopping: threading.Event) -> None:
        rounds: dict[str, asyncio.Task[int]] = {}
        while not stopping.is_set():
            rounds = {name: task for name, task in rounds.items() if not task.done()}
            for subscription_id, numbers in self._due(rounds):
                task = asyncio.create_task(self._round(subscription_id, numbers))
                rounds[subscription_id] = task
            await asyncio.sleep(_PAUSE)
        for task in rounds.values():
            task.cancel()
        await asyncio.gather(*rounds.values(), return_exceptions=True)

    def _due(self, busy: Collection[str]) -> list[tuple[str, list[int]]]:
        """Return the events that are due, by subscription, but for those that are busy."""
        try:
            with self._reach(False) as (store, now):
                due = [
                    (subscription.id, store.deliveries.due(subscription.id, now))
                    for subscription in store.subscriptions.enabled()
                    if subscription.id not in busy
                ]
        except sqlite3.OperationalError as error:
            _put_off(error)
            return []
        return [(subscription_id, numbers) for subscription_id, numbers in due if numbers]

    async def _round(self, subscription_id: str, numbers: list[int]) -> int:
        """Send events to a subscription, one after the other; return how many it took."""
        taken = 0
        try:
            async with _client() as client:
                for number in numbers:
                    taken += await self._attempt(client, subscription_id, number)
        except sqlite3.OperationalError as error:
            _put_off(error)
        return taken

    async def _attempt(self, client: httpx.AsyncClient, subscription_id: str, number: int) -> bool:
        """Send an event to a subscription; tell whether it took it."""
        with self._reach(False) as (store, now):
            waiting = store.deliveries.find(number, subscription_id)
            subscription = store.subscriptions.find(subscription_id)
        # It may have been disabled or deleted since.
        if waiting is None or subscription is None:
            return False
        outcome = await _post(client, self._parcel(waiting, subscription, now))
        self._settle(waiting, subscription_id, now, outcome)
        return outcome.reason is None

    def _parcel(self, waiting: Waiting, subscription: Subscription, now: int) -> Parcel:
        body = events.envelope(
            waiting.event,
            events.event_id(self._secret, waiting.event),
            self._merchant.id,
            self._merchant.country,
            subscription.api_version,
        )
        first = timestamp(now if waiting.first_attempt is None else waiting.first_attempt)
        return pack(subscription, body, first, waiting.attempts, waiting.reason)

    def _settle(self, waiting: Waiting, subscription_id: str, tried: int, outcome: Outcome) -> None:
        number = waiting.event.seq
        with self._reach(True) as (store, now):
            due = _next_retry(waiting.event, now)
            if outcome.reason is None or due is None:
                store.deliveries.end(number, subscription_id)
            else:
                store.deliveries.postpone(number, subscription_id, due, tried, outcome.reason)


def _next_retry(event: Event, now: int) -> int | None:
    """Return when to send an event again; times that have passed are left out."""
    times = (event.created + minutes * 60_000 for minutes in RETRIES)
    return next((time for time in times if time > now), None)


def _put_off(error: sqlite3.OperationalError) -> None:
    # Locked beyond patience, no room on the disk: what is due stays due.
    _log.warning("deliveries wait for the sandbox's file: %s", error)


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:
    # In a thread that ends with it: the caller's may have an event loop already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _client() -> httpx.AsyncClient:
    import httpx

    # A certificate of one's own machine proves nothing, so none is judged. A connection is used
    # once: one that the receiver closed meanwhile would look like a failure.
    return httpx.AsyncClient(
        trust_env=False,
        verify=False,
        timeout=None,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


async def _post(client: httpx.AsyncClient, parcel: Parcel) -> Outcome:
    import httpx

    status, reason = None, "other_error"
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await _sent(client, parcel)
            status = answer.status_code
            await _read(answer)
    except TimeoutError:
        reason = "http_timeout"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = "ssl_error" if _is_about_ssl(error) else "other_error"
    if status is not None:
        return Outcome(status, None if 200 <= status < 300 else "http_error")
    return Outcome(None, reason)


async def _sent(client: httpx.AsyncClient, parcel: Parcel) -> httpx.Response:
    """Send a parcel to this machine, whatever the name of its host would lead to."""
    import httpx

    parts = urlsplit(parcel.url)
    host = parts.hostname or ""
    if not is_loopback(host):
        raise httpx.InvalidURL(f"{host} is not this machine")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    addresses = _LOCALHOST if host == "localhost" else (host,)
    for address in addresses:
        url = httpx.URL(scheme=parts.scheme, host=address, port=parts.port, raw_path=path.encode())
        request = httpx.Request(
            "POST",
            url,
            headers={"host": parts.netloc, "connection": "close", **parcel.headers},
            content=parcel.body,
        )
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectError:
            if address == addresses[-1]:
                raise
    raise AssertionError("a host has an address")


async def _read(answer: httpx.Response) -> None:
    try:
        size = 0
        async for part in answer.aiter_raw():
            size += len(part)
            if size > _READ:
                return
    finally:
        await answer.aclose()


def _is_about_ssl(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
