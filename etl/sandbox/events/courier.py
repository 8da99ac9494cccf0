"""How does an event reach those who subscribed to it?

By a POST to the subscription's URL. What waits is in the store, so a server that was killed goes
on where it was; an event may then arrive twice, with the same id. Each subscription gets its
events one after the other, the oldest that is due first; one that is slow to answer holds up
neither the others nor the API.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sqlite3
import ssl
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from etl.sandbox.calls import Merchant
from etl.sandbox.events.deliveries import Outcome, Parcel, next_retry, pack
from etl.sandbox.events.envelope import envelope, event_id
from etl.sandbox.rules.subscriptions import is_loopback
from etl.sandbox.store import Store
from etl.sandbox.store.deliveries import Waiting
from etl.sandbox.store.subscriptions import Subscription
from etl.sandbox.times import timestamp

# How long a receiver may take to answer, in seconds (webhooks overview).
PATIENCE = 10

# How often the store is asked for what is due, in seconds: others may write to the same file.
_PAUSE = 0.1
# Some programs listen on one of the two only.
_LOCALHOST = ("127.0.0.1", "::1")
# The status of an answer counts. Of the rest this much is read: to some receivers a connection
# closed on them is a failure of theirs.
_READ = 1 << 20
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


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
            for number in numbers:
                taken += await self._attempt(subscription_id, number)
        except sqlite3.OperationalError as error:
            _put_off(error)
        return taken

    async def _attempt(self, subscription_id: str, number: int) -> bool:
        """Send an event to a subscription; tell whether it took it."""
        with self._reach(False) as (store, now):
            waiting = store.deliveries.find(number, subscription_id)
            subscription = store.subscriptions.find(subscription_id)
        # It may have been disabled or deleted since.
        if waiting is None or subscription is None:
            return False
        outcome = await _post(self._parcel(waiting, subscription, now))
        self._settle(waiting, subscription_id, now, outcome)
        return outcome.reason is None

    def _parcel(self, waiting: Waiting, subscription: Subscription, now: int) -> Parcel:
        body = envelope(
            waiting.event,
            event_id(self._secret, waiting.event),
            self._merchant.id,
            self._merchant.country,
            subscription.api_version,
        )
        first = timestamp(now if waiting.first_attempt is None else waiting.first_attempt)
        return pack(subscription, body, first, waiting.attempts, waiting.reason)

    def _settle(self, waiting: Waiting, subscription_id: str, tried: int, outcome: Outcome) -> None:
        number = waiting.event.seq
        with self._reach(True) as (store, now):
            due = next_retry(waiting.event, now)
            if outcome.reason is None or due is None:
                store.deliveries.end(number, subscription_id)
            else:
                store.deliveries.postpone(number, subscription_id, due, tried, outcome.reason)


def post(parcel: Parcel) -> Outcome:
    """Send a parcel once and wait for the answer."""
    return _run(_post(parcel))


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:
    # In a thread that ends with it: the caller's may have an event loop already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _put_off(error: sqlite3.OperationalError) -> None:
    # Locked beyond patience, no room on the disk: what is due stays due.
    _log.warning("deliveries wait for the sandbox's file: %s", error)


async def _post(parcel: Parcel) -> Outcome:
    statuses: list[int] = []
    try:
        async with asyncio.timeout(PATIENCE):
            await _exchange(parcel, statuses.append)
    except TimeoutError:
        reason = "http_timeout"
    except ssl.SSLError:
        reason = "ssl_error"
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
        reason = "other_error"
    else:
        reason = ""
    if statuses:
        return Outcome(statuses[0], None if 200 <= statuses[0] < 300 else "http_error")
    return Outcome(None, reason)


async def _exchange(parcel: Parcel, told: Callable[[int], None]) -> None:
    """Send a parcel; ``told`` hears the status as soon as it is there.

    A client of some forty lines, since a full one takes ten times as long for a small request,
    looks at the environment for proxies, and resolves names.
    """
    parts = urlsplit(parcel.url)
    reader, writer = await _connected(parts)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "host": parts.netloc,
            **parcel.headers,
            "content-length": str(len(parcel.body)),
            "connection": "close",
        }
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        writer.write("\r\n".join([*lines, "", ""]).encode() + parcel.body)
        await writer.drain()
        status = 100
        while status < 200:  # 1xx are announcements
            head = await reader.readuntil(b"\r\n\r\n")
            status = _status(head)
        told(status)
        if status in (204, 304):  # which have no body, whatever the connection does
            return
        length = _LENGTH.search(head)
        with contextlib.suppress(OSError, EOFError):
            await reader.readexactly(min(int(length[1]) if length else _READ, _READ))
    finally:
        writer.transport.abort()


def _status(head: bytes) -> int:
    match = _STATUS.match(head)
    if match is None:
        raise ValueError("this is no HTTP")
    return int(match[1])


async def _connected(parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to this machine, whatever the name of the host would lead to."""
    host = parts.hostname or ""
    if not is_loopback(host):
        raise OSError(f"{host} is not this machine")
    context = None
    if parts.scheme == "https":
        # A certificate of one's own machine proves nothing, so none is judged.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = parts.port or (443 if context else 80)
    addresses = _LOCALHOST if host == "localhost" else (host,)
    for address in addresses[:-1]:
        with contextlib.suppress(ConnectionRefusedError):
            return await asyncio.open_connection(address, port, ssl=context)
    return await asyncio.open_connection(addresses[-1], port, ssl=context)
