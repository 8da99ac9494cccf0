"""When may the next request leave?

Square publishes no limit. The client starts without spacing its requests, and a 429 slows all of
them: the rate halves at once and creeps back with every success. Nothing here waits.
"""

from __future__ import annotations

from math import inf

# Users report being limited near ten calls a second for each seller (square/connect-nodejs-sdk#68).
FIRST_RATE = 5.0
SLOWEST_RATE = 0.1
STEP = 0.05


class Pace:
    """The spacing between the requests of one client.

    Two things delay a request: the rate, and a hold, which is an instant before which nothing may
    be sent at all. ``requests_per_second`` is the most the rate ever becomes.
    """

    def __init__(self, requests_per_second: float | None = None) -> None:
        self._ceiling = requests_per_second or inf
        self._rate = self._ceiling
        self._last_sent = -inf
        self._not_before = -inf

    @property
    def interval(self) -> float:
        """Seconds between two requests at the present rate."""
        return 1.0 / self._rate

    def due(self, now: float) -> float:
        """Return the instant at which the rate alone lets the next request go."""
        return max(now, self._last_sent + self.interval)

    def next(self, now: float) -> float:
        """Return the instant at which the next request may go."""
        return max(self.due(now), self._not_before)

    def sent(self, now: float) -> None:
        """Note that a request left."""
        self._last_sent = now

    def hold(self, until: float) -> None:
        """Let nothing go before ``until``; an earlier instant never shortens a hold."""
        self._not_before = max(self._not_before, until)

    def slow_down(self) -> None:
        """Halve the rate: Square answered 429."""
        halved = FIRST_RATE if self._rate == inf else self._rate / 2
        self._rate = min(self._ceiling, max(SLOWEST_RATE, halved))

    def speed_up(self) -> None:
        """Creep back towards the ceiling: a request went through."""
        self._rate = min(self._ceiling, self._rate + STEP)
