"""How are long listings read page by page, several at a time, past cursors that die?"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, Self, TypeVar

from etl.errors import Interrupted, Refused, SquareError, Unavailable
from etl.square.flights import Flights
from etl.square.wire import Page

# Cursors in a row that may die before a query goes on.
_DEAD = 5


class Query(Protocol):
    """What is asked page by page; ``stuck`` counts the cursors in a row that died."""

    @property
    def cursor(self) -> str | None:
        """Where it goes on, None at a beginning."""

    @property
    def stuck(self) -> int:
        """How many cursors died since it went on."""

    def renewed(self) -> Self:
        """Return the query that goes on by time, or else begins anew: its cursor died."""


Q = TypeVar("Q", bound=Query)


def read(
    queries: Iterable[Q],
    in_flight: int,
    ask: Callable[[Q], Page],
    keep: Callable[[Q, Page, int], Iterable[Q]],
    watch: Callable[[], None],
) -> None:
    """Have all pages of the queries asked for and kept.

    ``keep`` is told how many other queries there are, and returns those that go on in the place of
    one; ``watch`` is called before each page and may raise Interrupted.
    """
    waiting = deque(queries)
    flights: Flights[Q, Page] = Flights(in_flight)
    try:
        while waiting or flights:
            watch()
            while waiting and not flights.full:
                query = waiting.popleft()
                flights.launch(query, partial(ask, query))
            query, answer = flights.land()
            try:
                page = answer()
            except Refused as refusal:
                waiting.appendleft(_without_cursor(query, refusal))
                continue
            # Those under way go first: few are open at a time.
            waiting.extendleft(keep(query, page, len(waiting) + len(flights)))
    except (Interrupted, SquareError) as stop:
        flights.land_rest(lambda query, answer: None, stop)
        raise


def _without_cursor(query: Q, refusal: Refused) -> Q:
    # Which status a dead cursor has is not published (reference/square-api, section 4.2).
    if refusal.status not in (400, 404, 410) or query.cursor is None:
        raise refusal
    if query.stuck == _DEAD:
        raise Unavailable(
            f"{_DEAD + 1} cursors in a row were refused, and time does not lead on either"
        ) from refusal
    return query.renewed()
