"""How is Square asked, patiently, until it answers or refuses?

The one place that waits. How long is decided in ``retry``, when the next request may leave in
``pacing``; what an answer means in ``wire``; ``exchange`` is a single attempt. Threads may share a
client: then they share its pace.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import orjson

from etl.errors import ConfigError, Fault, Refused, Unauthorized, Unavailable
from etl.square import retry, wire
from etl.square.exchange import Received, exchange
from etl.square.network import BASE_URLS, check_base_url, network_transport
from etl.square.pacing import Pace
from etl.square.retry import TryAgain
from etl.square.wire import Answer, Bulk, Call, GiftCard, Merchant, Page, Profile, TokenStatus

__all__ = ["BASE_URLS", "SquareClient", "check_base_url", "network_transport"]

DEADLINE = 60.0

# The most Square puts on a page, and takes in one bulk call.
BATCH = 100

# An id Square leaves out of its answers is asked for this many times in a row.
ASKINGS = 3

_DEFINITIONS = "/v2/customers/custom-attribute-definitions"

T = TypeVar("T")


class _Turn(NamedTuple):
    """Has a request left, and when; or from when on it may."""

    left: bool
    instant: float


class SquareClient:
    """Square's Customers API, as far as imports and exports need it.

    Every method either returns what Square answered or raises:

    - ``Unauthorized`` for 401 and 403, ``Refused`` for any other answer that repeating the request
      would not change. Either may follow attempts of the same request whose outcome was never
      learned, so a write before it may still have happened.
    - ``Unavailable`` when nothing usable came for ``patience`` seconds, or Square asks for a
      longer wait than is left of them. What became of a write is not known then.

    ``clock`` counts seconds from any origin, ``wall`` is Unix time; a ``deadline`` is the time one
    attempt may take from first to last byte. ``observe`` hears of every attempt.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport,
        base_url: str,
        token: str,
        square_version: str,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        chance: random.Random,
        patience: float = 900.0,
        requests_per_second: float | None = None,
        observe: Callable[[Call], None] = lambda call: None,
        wall: Callable[[], float] = time.time,
        deadline: float = DEADLINE,
    ) -> None:
        # The libraries below quote a header they cannot send.
        if not (token.isascii() and token.isprintable() and token and " " not in token):
            raise ConfigError("the access token is empty or holds characters no token has")
        self._token = token.encode()
        self._http = httpx.Client(
            transport=transport,
            base_url=check_base_url(base_url),
            headers={
                "Authorization": f"Bearer {token}",
                "Square-Version": square_version,
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": "square-etl",
            },
            timeout=httpx.Timeout(deadline),
            follow_redirects=False,
            trust_env=False,
        )
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._patience = patience
        self._pace = Pace(requests_per_second)
        self._turn = threading.Lock()  # over the pace
        self._observe = observe
        self._wall = wall
        self._deadline = deadline
        self._told_time: float | None = None
        self._told_version = ""
        self._progressed = -math.inf  # when a request last went through, of whichever thread

    @property
    def told_time(self) -> float | None:
        """Square's own Unix time when it gave its last good answer, None if that did not tell."""
        return self._told_time

    @property
    def told_version(self) -> str:
        """The Square-Version of the last good answer, empty if that did not tell."""
        return self._told_version

    def merchant(self) -> Merchant:
        """Return the seller this token belongs to."""
        return self._ask(wire.merchant, "GET", "/v2/merchants/me")

    def count_customers(self) -> int:
        """Return how many profiles the directory lists."""
        return self._ask(wire.count, "GET", "/v2/customers", params={"count": "true", "limit": "1"})

    def count_found(self, filter: Mapping[str, Any]) -> int:
        """Return how many profiles pass Square's ``filter``."""
        body = orjson.dumps({"limit": 1, "count": True, "query": {"filter": filter}})
        return self._ask(wire.count, "POST", "/v2/customers/search", body=body)

    def list_customers(self) -> Iterator[list[Profile]]:
        """Yield all profiles in pages, oldest first.

        A profile may appear on two pages when others change meanwhile.
        """

        def turn(cursor: str | None) -> Page:
            query = {"limit": str(BATCH), "sort_field": "CREATED_AT", "sort_order": "ASC"}
            if cursor:
                query["cursor"] = cursor
            return self._ask(wire.page, "GET", "/v2/customers", params=query)

        return pages("GET /v2/customers", turn)

    def search_customers(self, filter: Mapping[str, Any]) -> Iterator[list[Profile]]:
        """Yield the profiles that pass Square's ``filter`` in pages, oldest first."""
        return pages("POST /v2/customers/search", partial(self.search_page, filter))

    def search_page(
        self, filter: Mapping[str, Any], cursor: str | None, *, counted: bool = False
    ) -> Page:
        """Return a page of the profiles that pass Square's ``filter``, oldest first.

        ``counted``: with the number of all of them, at this moment.
        """
        query = {"filter": filter, "sort": {"field": "CREATED_AT", "order": "ASC"}}
        asked = {"limit": BATCH, "query": query, "cursor": cursor, "count": counted or None}
        body = orjson.dumps({name: value for name, value in asked.items() if value is not None})
        read = wire.counted_page if counted else wire.page
        return self._ask(read, "POST", "/v2/customers/search", body=body)

    def retrieve_customers(self, ids: Sequence[str]) -> dict[str, Profile | None]:
        """Return the profile of each id, None for those Square does not know.

        A profile whose own ``id`` is another one than asked for was merged into that one.
        """
        asked = list(dict.fromkeys(ids))
        found: dict[str, Profile | None] = {}
        for start in range(0, len(asked), BATCH):
            found |= self._retrieve(asked[start : start + BATCH])
        return found

    def deletions(self, since: str, merchant_id: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the events of a seller's deleted profiles from ``since`` (RFC 3339) on in pages,
        newest first.

        Square tells of a merge as of deletions too.
        """
        filters = {
            "event_types": ["customer.deleted"],
            "merchant_ids": [merchant_id],
            "created_at": {"start_at": since},
        }
        query = {"filter": filters, "sort": {"field": "DEFAULT", "order": "DESC"}}

        def turn(cursor: str | None) -> Page:
            asked = {"limit": BATCH, "query": query} | ({"cursor": cursor} if cursor else {})
            return self._ask(wire.events, "POST", "/v2/events", body=orjson.dumps(asked))

        return pages("POST /v2/events", turn)

    def bulk_create(self, body: bytes) -> Bulk:
        """Send ``body`` to BulkCreateCustomers as it is; the result's keys are idempotency keys.

        What became of a key that is absent from the result is not known.
        """
        return self._bulk("/v2/customers/bulk-create", body)

    def bulk_update(self, body: bytes) -> Bulk:
        """Send ``body`` to BulkUpdateCustomers as it is; the result's keys are customer ids.

        A null clears its field. What became of an id that is absent from the result is not known.
        """
        # Without the header Square may ignore a null.
        return self._bulk("/v2/customers/bulk-update", body, {"X-Clear-Null": "true"})

    def delete_customer(self, customer_id: str, version: int) -> None:
        """Delete a profile, if it has this version still."""
        template, guard = "/v2/customers/{customer_id}", {"version": str(version)}
        self._delete(template, params=guard, customer_id=customer_id)

    def groups(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the customer groups in pages, oldest first."""
        return self._listing("/v2/customers/groups", "groups", 50)

    def segments(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the customer segments in pages."""
        return self._listing("/v2/customers/segments", "segments", 50)

    def create_group(self, body: bytes) -> str:
        """Send ``body`` to CreateCustomerGroup as it is; return the group's id."""
        return self._ask(wire.group, "POST", "/v2/customers/groups", body=body)

    def has_group(self, group_id: str) -> bool:
        """Tell whether a group is there."""
        path = "/v2/customers/groups/{group_id}"
        return self._is_there(wire.group, path, group_id=group_id)

    def add_to_group(self, path: str) -> None:
        """Put a customer into a group; ``path`` names both."""
        self._ask(
            wire.nothing,
            "PUT",
            path,
            endpoint="PUT /v2/customers/{customer_id}/groups/{group_id}",
        )

    def remove_from_group(self, customer_id: str, group_id: str) -> None:
        """Take a customer out of a group."""
        template = "/v2/customers/{customer_id}/groups/{group_id}"
        self._delete(template, customer_id=customer_id, group_id=group_id)

    def attribute_definitions(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the definitions of customer custom attributes in pages."""
        return self._listing(_DEFINITIONS, "custom_attribute_definitions", BATCH)

    def create_attribute_definition(self, body: bytes) -> dict[str, Any]:
        """Send ``body`` to CreateCustomerCustomAttributeDefinition as it is."""
        return self._ask(wire.definition, "POST", _DEFINITIONS, body=body)

    def has_attribute_definition(self, key: str) -> bool:
        """Tell whether an attribute is defined."""
        return self._is_there(wire.definition, _DEFINITIONS + "/{key}", key=key)

    def attributes(self, customer_id: str) -> dict[str, dict[str, Any]] | None:
        """Return the custom attributes of a customer by key, None if there is no such customer."""
        path = "/v2/customers/{customer_id}/custom-attributes"
        found: dict[str, dict[str, Any]] = {}
        try:
            for page in self._listing(path, "custom_attributes", BATCH, customer_id=customer_id):
                found |= {str(one.get("key")): one for one in page}
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None
        return found

    def delete_attribute(self, customer_id: str, key: str) -> None:
        """Delete the value of a custom attribute of a customer."""
        template = "/v2/customers/{customer_id}/custom-attributes/{key}"
        self._delete(template, customer_id=customer_id, key=key)

    def upsert_attributes(self, body: bytes) -> dict[str, tuple[Fault, ...]]:
        """Send ``body`` to BulkUpsertCustomerCustomAttributes as it is.

        The result has the faults of each entry, none where it was written. What became of an entry
        that is absent is not known.
        """
        names = orjson.loads(body)["values"].keys()
        path = "/v2/customers/custom-attributes/bulk-upsert"
        return self._ask(lambda answer: wire.upserted(answer, names), "POST", path, body=body)

    def gift_card_of(self, gan: str) -> GiftCard | None:
        """Return the gift card with this number, None if there is none."""
        body = orjson.dumps({"gan": gan})
        return self._if_there("POST", "/v2/gift-cards/from-gan", body)

    def gift_card(self, gift_card_id: str) -> GiftCard | None:
        """Return a gift card, None if there is none."""
        path = f"/v2/gift-cards/{quote(gift_card_id, safe='')}"
        return self._if_there("GET", path, None, "GET /v2/gift-cards/{gift_card_id}")

    def link_gift_card(self, path: str, body: bytes) -> None:
        """Link a customer to a gift card; ``path`` names the card, ``body`` the customer."""
        endpoint = "POST /v2/gift-cards/{gift_card_id}/link-customer"
        self._ask(wire.gift_card, "POST", path, body=body, endpoint=endpoint)

    def token_status(self) -> TokenStatus:
        """Return what the token may do, and until when."""
        return self._ask(wire.token_status, "POST", "/oauth2/token/status")

    def scopes(self) -> frozenset[str]:
        """Return what the token may do; nothing if Square does not say."""
        return self.token_status().scopes

    def _if_there(
        self, method: str, path: str, body: bytes | None, endpoint: str = ""
    ) -> GiftCard | None:
        try:
            return self._ask(wire.gift_card, method, path, body=body, endpoint=endpoint)
        except Refused as refusal:
            # A number that cannot be one is refused with 400.
            if refusal.status not in (400, 404):
                raise
            return None

    def _delete(
        self, template: str, *, params: Mapping[str, str] | None = None, **parts: str
    ) -> None:
        path = template.format(**{name: quote(part, safe="") for name, part in parts.items()})
        self._ask(wire.nothing, "DELETE", path, params=params, endpoint=f"DELETE {template}")

    def _is_there(self, read: Callable[[Answer], object], template: str, **parts: str) -> bool:
        path = template.format(**{name: quote(part, safe="") for name, part in parts.items()})
        try:
            self._ask(read, "GET", path, endpoint=f"GET {template}")
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return False
        return True

    def _listing(
        self, template: str, member: str, limit: int, **parts: str
    ) -> Iterator[list[dict[str, Any]]]:
        def turn(cursor: str | None) -> Page:
            query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
            return self.page(member, "GET", template, parts, params=query)

        return pages(f"GET {template}", turn)

    def page(
        self,
        member: str,
        method: str,
        template: str,
        parts: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Page:
        """Return a page of any listing, whose objects are the answer's ``member``."""
        parts = parts or {}
        path = template.format(**{name: quote(part, safe="") for name, part in parts.items()})
        return self._ask(
            lambda answer: Page(*wire.listing(answer, member)),
            method,
            path,
            params=params,
            body=body,
            endpoint=f"{method} {template}",
        )

    def hold_back(self, times: int) -> None:
        """Let the next request wait as after ``times`` failures in a row.

        For answers that put off single entries, which only the caller can tell from progress.
        """
        with self._turn:
            self._pace.hold(self._clock() + retry.backoff(times, self._chance.random()))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _bulk(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Bulk:
        keys = orjson.loads(body)["customers"].keys()
        items, attempts = self._answer(
            lambda answer: wire.items(answer, keys), "POST", path, body=body, headers=headers
        )
        bulk = Bulk(items)
        bulk.repeated = attempts > 1
        return bulk

    def _retrieve(self, ids: Sequence[str]) -> dict[str, Profile | None]:
        """Ask for at most one batch of ids until every one of them is accounted for."""
        path = "/v2/customers/bulk-retrieve"
        found: dict[str, Profile | None] = {}
        askings = 0
        while missing := [id for id in ids if id not in found]:
            if askings == ASKINGS:
                raise Unavailable(
                    f"POST {path}: {len(missing)} of {len(ids)} ids stay without an answer"
                )
            if askings:
                self.hold_back(askings)
            answered = self._ask(
                partial(wire.retrieved, asked=missing),
                "POST",
                path,
                body=orjson.dumps({"customer_ids": missing}),
            )
            found |= answered
            askings = 1 if answered else askings + 1
        return found

    def _ask(
        self,
        read: Callable[[Answer], T],
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        endpoint: str = "",
    ) -> T:
        """Send one request until it is answered; ``read`` says what the answer means.

        ``endpoint`` is what the call is counted as, where its path names somebody.
        """
        result, _ = self._answer(read, method, path, params=params, body=body, endpoint=endpoint)
        return result

    def _answer(
        self,
        read: Callable[[Answer], T],
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        endpoint: str = "",
    ) -> tuple[T, int]:
        """Send one request until it is answered; also return in how many attempts it was."""
        endpoint = endpoint or f"{method} {path}"
        request = self._http.build_request(
            method, path, params=params, content=body, headers=headers
        )
        began = self._clock()
        with self._turn:
            # Spacing that the settings ask for is no lack of progress.
            due = self._pace.due(began)
        last = TryAgain("an earlier request was told to wait")
        attempts = 0
        while True:
            while not (turn := self._leave()).left:
                now, instant = self._clock(), turn.instant
                if instant > max(due, self._progressed) + self._patience:
                    raise Unavailable(
                        f"{endpoint}: gave up after {attempts} attempts in {now - began:.0f} s"
                        f" (last: {last}); the next one is due in {instant - now:.0f} s, beyond the"
                        f" patience of {self._patience:.0f} s without progress"
                    ) from last
                self._sleep(max(0.0, instant - now))
            attempts += 1
            try:
                repeated = attempts > 1
                return self._attempt(endpoint, request, read, turn.instant, repeated), attempts
            except TryAgain as failure:
                last = failure
            except Refused as refusal:
                refusal.repeated = attempts > 1
                raise
            wait = max(last.floor, retry.backoff(attempts, self._chance.random()))
            with self._turn:
                now = self._clock()
                if last.rate_limited:
                    self._pace.slow_down(turn.instant, now)
                self._pace.hold(now + wait)

    def _leave(self) -> _Turn:
        """Take the next request's turn if it has come."""
        with self._turn:
            now = self._clock()
            instant = self._pace.next(now)
            if instant > now:
                return _Turn(False, instant)
            self._pace.sent(now)
            return _Turn(True, now)

    def _attempt(
        self,
        endpoint: str,
        request: httpx.Request,
        read: Callable[[Answer], T],
        sent: float,
        repeated: bool,
    ) -> T:
        """Send the request once and tell the observer what came back."""

        def tell(status: int | None, rate_limited: bool = False) -> None:
            seconds = self._clock() - sent
            self._observe(Call(endpoint, status, seconds, repeated, rate_limited))

        try:
            received = exchange(self._http, request, self._clock, self._deadline)
            result = _judge(endpoint, received, read, self._wall(), self._token)
        except TryAgain as failure:
            tell(failure.status, failure.rate_limited)
            raise
        except Refused as refusal:
            tell(refusal.status)
            raise
        tell(received.status)
        self._told_time = retry.told_time(received.headers.get_list("date"))
        self._told_version = received.headers.get("square-version", "")
        with self._turn:
            self._progressed = self._clock()
            self._pace.speed_up(self._progressed)
        return result


def _judge(
    endpoint: str, received: Received, read: Callable[[Answer], T], now: float, token: bytes
) -> T:
    """Return what a good answer means; raise for any other."""
    asked = retry.retry_after(
        received.headers.get_list("retry-after"), received.headers.get_list("date"), now
    )
    status = received.status
    if 200 <= status < 300:
        try:
            if received.flaw:
                raise wire.Unreadable(received.flaw)
            answer = wire.parse(received.body)
            if not wire.is_refusal(answer):
                return read(answer)
        except wire.Unreadable as error:
            raise TryAgain(f"{status}, but {error}", floor=asked) from error
    # An error may quote the request it answers.
    faults = wire.faults_in(received.body.replace(token, b"[token]"))
    if status in (401, 403):
        raise Unauthorized(endpoint, status, faults)
    if retry.may_pass(status, faults):
        codes = ", ".join(filter(None, (fault.code for fault in faults)))
        raise TryAgain(
            f"{status} {codes}".rstrip(),
            status,
            floor=retry.floor(asked, faults),
            rate_limited=retry.is_rate_limit(status, faults),
        )
    raise Refused(endpoint, status, faults)


def pages(endpoint: str, turn: Callable[[str | None], Page]) -> Iterator[list[Profile]]:
    """Turn pages until one has no cursor; Square may put fewer rows on any page.

    A server that repeats itself must not be read for ever: a cursor is compared with the one just
    used and with a landmark that is moved each time the number of pages has doubled. This finds a
    circle of any length and remembers two cursors only.
    """
    cursor = landmark = None
    turned = 0
    while True:
        page = turn(cursor)
        turned += 1
        if page.rows:
            yield page.rows
        if page.cursor is None:
            return
        if page.cursor in (cursor, landmark):
            raise Unavailable(f"{endpoint}: after {turned} pages Square repeated a cursor")
        cursor = page.cursor
        if turned.bit_count() == 1:
            landmark = cursor
