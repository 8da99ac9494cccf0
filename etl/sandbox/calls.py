"""What does a handler know of the call it answers?"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from etl.sandbox import edge, ids
from etl.sandbox.assumptions import SINGLE_BODY_LIMIT
from etl.sandbox.events import news
from etl.sandbox.events.news import Audience, News
from etl.sandbox.faults.plan import Script
from etl.sandbox.messages import Request
from etl.sandbox.search import paging
from etl.sandbox.search.selection import Place
from etl.sandbox.settings import Settings, milliseconds
from etl.sandbox.store import Store
from etl.sandbox.store.log import OtherAction, ProfileAction, Write
from etl.sandbox.store.tokens import TokenRow
from etl.sandbox.times import timestamp
from etl.sandbox.versions import NEWEST

# The answer of a call that has nothing to tell.
EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class Merchant:
    """The seller whose directory this is."""

    id: str
    country: str
    business_name: str
    location_id: str
    created_at: str


@dataclass(slots=True)
class Call:
    """One request inside its transaction, with all a handler may use.

    ``own`` are the settings of this process, ``settings`` those in force: the file may say more.
    ``keep`` is how long the file has to remember for the sake of any lag, in milliseconds, and
    ``remembered_from`` since when it does. ``half`` asks bulk calls to stop half-way.
    ``version`` is the Square-Version of the answer. An ``errand`` is run when the transaction is
    over and nobody waits for it, and its answer is the call's; it can ask whether the server is
    about to stop.
    """

    request: Request
    request_id: str
    endpoint: str
    store: Store
    chance: random.Random
    merchant: Merchant
    secret: bytes
    token: TokenRow
    script: Script
    now: int
    own: Settings
    settings: Settings
    keep: int
    remembered_from: int
    half: bool = False
    version: str = NEWEST
    errand: Callable[[Callable[[], bool]], bytes] | None = None
    _audience: Audience | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The query parameters; of a repeated one the last counts."""
        return dict(parse_qsl(self.request.query, keep_blank_values=True))

    @property
    def shown(self) -> int | None:
        """The moment list and search show, None for now."""
        lag = milliseconds(self.settings.lag)
        return max(self.now - lag, self.remembered_from) if lag else None

    @property
    def null_clears(self) -> bool:
        """Whether null clears what it is given for."""
        asked = self.request.headers.get("x-clear-null", "").lower() == "true"
        return asked or self.settings.null_clears

    def page(self, query: paging.Query) -> tuple[Place | None, int]:
        """Where the page asked for begins, None for the first, and how many rows it may hold."""
        lifetime = milliseconds(self.settings.cursor_lifetime)
        after = paging.read_cursor(self.secret, query, self.now, lifetime)
        return after, min(query.limit, self.settings.short_pages or query.limit)

    def json_or_nothing(self) -> dict[str, Any]:
        """The body, as ``json`` gives it; without one everything is as with an empty object."""
        return self.json() if self.request.body.strip() else {}

    def json(self, limit: int = SINGLE_BODY_LIMIT) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        return edge.json_object(self.request.body, limit)

    def wanted(self, entries: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of a bulk call to carry out: half of them if it has to stop half-way."""
        wanted = (len(entries) + 1) // 2 if self.half else len(entries)
        return dict(itertools.islice(entries.items(), wanted))

    def log(
        self,
        action: ProfileAction,
        customer: Mapping[str, Any],
        changes: Mapping[str, object],
        key: str | None = None,
        merged: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Note an effective write, and its events; ``merged`` are the profiles of a merge."""
        self.store.log.add(
            Write(
                timestamp(self.now),
                self.request_id,
                self.endpoint,
                action,
                customer["id"],
                key,
                customer["version"],
                changes,
            )
        )
        self._publish(news.of_profile(action, customer, merged))

    def log_other(
        self,
        action: OtherAction,
        changes: Mapping[str, object],
        *,
        customer_id: str = "",
        key: str | None = None,
    ) -> None:
        """Note a write to something else than a profile, and its events.

        ``changes`` name what it is; of a custom attribute or its definition they are all of it.
        What such a write does to profiles, as of those in a group, is noted with each of them.
        """
        self.store.log.add(
            Write(
                timestamp(self.now),
                self.request_id,
                self.endpoint,
                action,
                customer_id,
                key,
                0,
                changes,
            )
        )
        self._publish(news.of_other(self.store, action, changes, customer_id))

    def _publish(self, happened: Iterable[News]) -> None:
        if self._audience is None:
            self._audience = news.audience(self.store, self.now)
        # With nobody to hear of it no news is written: it takes a fifth of a bulk call's time.
        if not self._audience.is_empty:
            for one in happened:
                news.publish(self.store, self._audience, one, self.now)

    def new_id(self) -> str:
        """Draw an id that nothing has."""
        (drawn,) = self.new_ids(1)
        return drawn

    def new_ids(self, number: int) -> list[str]:
        """Draw ids that nothing has: two processes may have been given the same chance."""
        free: list[str] = []
        while len(free) < number:
            drawn = ids.customer_ids(self.chance, number - len(free))
            taken = self.store.profiles.known(drawn) | self.store.groups.known(drawn)
            free += [one for one in drawn if one not in taken]
        return free

    def new_record_id(self, draw: Callable[[random.Random], str]) -> str:
        """Draw the id of a card, gift card, order or payment that nothing has."""
        while True:
            drawn = draw(self.chance)
            if not self.store.records.knows(drawn):
                return drawn
