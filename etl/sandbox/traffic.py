"""Which requests were answered lately?

A ring in memory: the newest push out the oldest. No bodies, no queries, no tokens.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import NamedTuple

from etl.sandbox.faults.plan import Met
from etl.sandbox.messages import Request, Response

KEPT = 500
_LONGEST_PATH = 200
# Whoever revokes a token names it in the path.
_TOKENS = "/_sandbox/tokens/"
_ERRORS, _CODE = b'"errors":[', re.compile(rb'"code":"([A-Z0-9_]+)"')


class Answered(NamedTuple):
    """One request and what became of it.

    ``at`` is in seconds on this machine's clock, ``endpoint`` is empty for a path nobody knows,
    ``status`` None if the connection was broken instead of answered, ``faults`` what was played.
    """

    number: int
    at: float
    method: str
    path: str
    endpoint: str
    status: int | None
    milliseconds: float
    request_id: str
    version: str
    faults: tuple[str, ...]
    codes: tuple[str, ...]


class Traffic:
    """The latest requests of one sandbox in this process. Thread-safe."""

    def __init__(self) -> None:
        self._ring: deque[Answered] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._number = 0

    def note(
        self,
        request: Request,
        answer: Response,
        endpoint: str,
        met: Met,
        at: float,
        milliseconds: float,
    ) -> None:
        """Note an answer."""
        path = request.path
        if path.startswith(_TOKENS):
            path = f"{_TOKENS}…"
        acts, fault = met
        broken = answer.delivery.manner in ("drop", "reset")
        # Reading every answer would cost a list of 100 profiles 50 microseconds.
        may_refuse = answer.status != 200 or endpoint.startswith("bulk-")
        codes = _CODE.findall(answer.body) if may_refuse and _ERRORS in answer.body else []
        with self._lock:
            self._number += 1
            self._ring.append(
                Answered(
                    self._number,
                    at,
                    request.method,
                    path[:_LONGEST_PATH],
                    endpoint,
                    None if broken else answer.status,
                    milliseconds,
                    answer.headers.get("x-request-id", ""),
                    answer.headers.get("square-version", ""),
                    tuple(
                        f"{chosen.fault.do}, {chosen.fault.when}"
                        for chosen in (*acts, *([fault] if fault else []))
                    ),
                    tuple(code.decode() for code in dict.fromkeys(codes)),
                )
            )

    def latest(self, after: int = 0) -> list[Answered]:
        """Return what was noted after a number, the newest first."""
        with self._lock:
            return [answered for answered in reversed(self._ring) if answered.number > after]
