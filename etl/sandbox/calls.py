"""What does a handler know of the call it answers?"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from etl.sandbox import edge, ids
from etl.sandbox.assumptions import SINGLE_BODY_LIMIT
from etl.sandbox.faults import Script
from etl.sandbox.messages import Request
from etl.sandbox.search import paging
from etl.sandbox.search.selection import Place
from etl.sandbox.settings import Settings, milliseconds
from etl.sandbox.store import Store
from etl.sandbox.store.log import OtherAction, ProfileAction, Write
from etl.sandbox.store.tokens import TokenRow
from etl.sandbox.times import timestamp
from etl.sandbox.versions import NEWEST


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
    ``version`` is the Square-Version of the answer.
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

    @property
    def parameters(self) -> dict[str, str]:
        """The query parameters; of a repeated one the last counts."""
        return dict(parse_qsl(self.request.query, keep_blank_values=True))

    @property
    def shown(self) -> int | None:
        """The moment list and search show, None for now."""
        lag = milliseconds(self.settings.lag)
        return max(self.now - lag, self.remembered_from) if lag else None

    def page(self, query: paging.Query) -> tuple[Place | None, int]:
        """Where the page asked for begins, None for the first, and how many rows it may hold."""
        lifetime = milliseconds(self.settings.cursor_lifetime)
        after = paging.read_cursor(self.secret, query, self.now, lifetime)
        return after, min(query.limit, self.settings.short_pages or query.limit)

    def json(self, limit: int = SINGLE_BODY_LIMIT) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        return edge.json_object(self.request.body, limit)

    def log(
        self,
        action: ProfileAction,
        customer: Mapping[str, Any],
        changes: Mapping[str, object],
        key: str | None = None,
    ) -> None:
        """Note an effective write."""
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

    def log_other(
        self,
        action: OtherAction,
        changes: Mapping[str, object],
        *,
        customer_id: str = "",
        key: str | None = None,
    ) -> None:
        """Note a write to something else than a profile; ``changes`` name what it is.

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

    def new_id(self) -> str:
        """Draw an id that nothing has: two processes may have been given the same chance."""
        while True:
            drawn = ids.customer_id(self.chance)
            if not self.store.profiles.knows(drawn) and self.store.groups.find(drawn) is None:
                return drawn

    def new_record_id(self, draw: Callable[[random.Random], str]) -> str:
        """Draw the id of a card, gift card, order or payment that nothing has."""
        while True:
            drawn = draw(self.chance)
            if not self.store.records.knows(drawn):
                return drawn
