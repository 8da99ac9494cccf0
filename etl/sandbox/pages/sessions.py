"""Who may look, and which forms are theirs?

Whoever shows the token gets a session: a random name in a cookie, known here by its digest only. It
ends by itself or by logging out. Every form of a session carries its key.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from etl.sandbox import tokens

LIFETIME = 8 * 3600
# More than a person opens; the oldest make room.
_MOST = 100


@dataclass(slots=True)
class Session:
    """One browser that showed a token; ``notice`` is what the next page has to tell it."""

    form_key: str
    ends: float
    notice: str = ""


class Sessions:
    """The sessions of one server, in memory: they end with it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    def begin(self) -> str:
        """Begin a session; return the name its cookie has."""
        name = secrets.token_urlsafe(32)
        while len(self._sessions) >= _MOST:
            self._sessions.pop(next(iter(self._sessions)), None)
        self._sessions[tokens.digest(name)] = Session(
            secrets.token_urlsafe(32), self._clock() + LIFETIME
        )
        return name

    def find(self, name: str) -> Session | None:
        """Return a session that has not ended."""
        session = self._sessions.get(tokens.digest(name))
        if session is not None and self._clock() >= session.ends:
            self.end(name)
            return None
        return session

    def end(self, name: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(tokens.digest(name), None)
