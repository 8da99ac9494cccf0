"""When may the next request leave?

Square publishes no limit. The client starts without spacing its requests, and a 429 slows all of
them. What Square let through since the 429 before shows how much it allows: from then on the rate
stays near that, and creeps up to notice when more is allowed. Nothing here waits.
"""

from __future__ import annotations

from math import inf

# Users report being limited near ten calls a second for each seller (square/connect-nodejs-sdk#68).
FIRST_RATE = 9.0
SLOWEST_RATE = 0.1

# How the rate grows: with each success while it is not known what Square allows, but not beyond
# twice what got through; from then on by the second, the faster the longer no 429 came.
_RAMP = 1.1
_CREEP = 0.003
_HURRY_AFTER = 10.0
_MOST_AT_ONCE = 0.05

# Requests that passed between two 429s before they tell what is allowed.
_TELLING = 5


class Pace:
    """The spacing between the requests of one client.

    Two things delay a request: the rate, and a hold, which is an instant before which nothing may
    be sent at all. ``requests_per_second`` is the most the rate ever becomes. Instants are seconds
    of one clock.
    """

    def __init__(self, requests_per_second: float | None = None) -> None:
        self._ceiling = requests_per_second or inf
        self._rate = self._ceiling
        self._last_sent = -inf
        self._not_before = -inf
        self._slowed = -inf  # when the latest 429 came that changed the rate
        self._passed = 0  # successes since
        self._last_passed = -inf
        self._measured = False  # was there a 429 before that one?

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

    def slow_down(self, sent: float, now: float) -> None:
        """Note that Square answered a request 429 that left at ``sent``.

        Requests that were under way together are slowed for once.
        """
        if sent <= self._slowed:
            return
        if self._slowed == -inf:
            slower = FIRST_RATE
        else:
            # What passed since shows what is allowed, unless it was too little to tell.
            told = self._passed >= _TELLING
            slower = self._passed / (now - self._slowed) if told else self._rate / 2
            slower = min(slower, self._rate * 0.95)
            self._measured = True
        self._rate = min(self._ceiling, self._rate, max(SLOWEST_RATE, slower))
        self._slowed = self._last_passed = now
        self._passed = 0

    def speed_up(self, now: float) -> None:
        """Note that a request went through."""
        since, gap = now - self._slowed, now - self._last_passed
        self._passed += 1
        self._last_passed = now
        if self._slowed == -inf:
            return
        if self._measured:
            grown = 1 + min(_MOST_AT_ONCE, gap * _CREEP * max(1.0, since / _HURRY_AFTER))
        else:
            grown = _RAMP if self._rate * since < 2 * max(self._passed, 5) else 1.0
        self._rate = min(self._ceiling, self._rate * grown)
