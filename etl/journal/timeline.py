"""How did a run go while it was at work? A time line that stays small however long it took.

At most ``POINTS`` stretches of equal length: when the run outgrows them, each two become one. Time
is what the run was at work; what lies between a stop and a resume is left out. Kept with whatever
else becomes durable, in one row.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import orjson

POINTS = 240
# A power of two, so that doubled lengths stay exact: 240 of them are 15 seconds.
_SHORTEST = 1 / 16
_SLOWEST = 10

Kind = Literal[
    "read",
    "checked",
    "written",
    "read_back",
    "calls",
    "retries",
    "rate_limited",
    "errors",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

SCHEMA = "CREATE TABLE timeline (told BLOB NOT NULL);\n"


class Attempt(NamedTuple):
    """One attempt of a call, and how many seconds into the run it was answered."""

    seconds: float
    endpoint: str
    status: int | None
    retry: bool
    at: float


@dataclass(slots=True)
class Told:
    """What is known: ``counts`` by the number of the stretch, each ``seconds`` long.

    ``begun`` are the stretches in which the run began or was gone on with. ``slowest`` are the
    attempts that took longest, these first.
    """

    seconds: float = _SHORTEST
    counts: dict[int, dict[Kind, int]] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    slowest: list[Attempt] = field(default_factory=list)


class Timeline:
    """The time line of one journal; any thread may add to it once a clock was given."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._lock = threading.Lock()
        self._clock: Callable[[], float] | None = None
        self._origin = 0.0
        self._told = Told()
        self._changed = False

    def begin(self, clock: Callable[[], float]) -> None:
        """Count from now on, behind what was counted before; ``clock`` tells seconds."""
        self._told = self.told()
        last = max(self._told.counts, default=-1)
        self._clock, self._origin = clock, clock() - (last + 1) * self._told.seconds
        self._told.begun.append(self._stretch(self._elapsed()))

    def add(self, **counts: int) -> None:
        """Count what was done just now, by kind."""
        if self._clock is not None:
            with self._lock:
                self._count(self._elapsed(), counts)

    def called(
        self,
        endpoint: str,
        status: int | None,
        seconds: float,
        *,
        retry: bool,
        rate_limited: bool,
        error: bool,
    ) -> None:
        """Count an attempt of a call that was answered just now."""
        if self._clock is None:
            return
        with self._lock:
            now = self._elapsed()
            kinds = {"retries": retry, "rate_limited": rate_limited, "errors": error}
            self._count(now, {"calls": 1} | {kind: 1 for kind, so in kinds.items() if so})
            slowest = self._told.slowest
            slowest.append(Attempt(round(seconds, 3), endpoint, status, retry, round(now, 1)))
            slowest.sort(key=lambda attempt: -attempt.seconds)
            del slowest[_SLOWEST:]

    def keep(self) -> None:
        """Write what was counted, if anything was."""
        with self._lock:
            if not self._changed or self._clock is None:
                return
            told = orjson.dumps(
                [
                    self._told.seconds,
                    [
                        [number, *(counts.get(kind, 0) for kind in KINDS)]
                        for number, counts in sorted(self._told.counts.items())
                    ],
                    self._told.begun,
                    list(map(list, self._told.slowest)),
                ]
            )
            self._changed = False
        self._db.execute("INSERT OR REPLACE INTO timeline (rowid, told) VALUES (1, ?)", (told,))

    def again(self) -> None:
        """Write all once more next time: what was kept last did not become durable."""
        self._changed = True

    def told(self) -> Told:
        """Return all that was counted."""
        self.keep()
        found = self._db.execute("SELECT told FROM timeline").fetchone()
        if found is None:
            return Told()
        seconds, counts, begun, slowest = orjson.loads(found[0])
        return Told(
            seconds,
            {number: dict(zip(KINDS, each, strict=True)) for number, *each in counts},
            begun,
            [Attempt(*attempt) for attempt in slowest],
        )

    def _elapsed(self) -> float:
        assert self._clock is not None
        return max(self._clock() - self._origin, 0.0)

    def _stretch(self, at: float) -> int:
        """Return the number of the stretch that lies ``at`` so many seconds; makes room for it."""
        while (number := int(at / self._told.seconds)) >= POINTS:
            self._halve()
        return number

    def _count(self, at: float, counts: dict[Any, int]) -> None:
        number = self._stretch(at)
        of_stretch = self._told.counts.setdefault(number, {})
        for kind, count in counts.items():
            of_stretch[kind] = of_stretch.get(kind, 0) + count
        self._changed = True

    def _halve(self) -> None:
        told = self._told
        told.seconds *= 2
        halved: dict[int, dict[Kind, int]] = {}
        for number, counts in told.counts.items():
            into = halved.setdefault(number // 2, {})
            for kind, count in counts.items():
                into[kind] = into.get(kind, 0) + count
        told.counts = halved
        told.begun = sorted({number // 2 for number in told.begun})
