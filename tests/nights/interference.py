"""How does somebody interfere: breaks Square, kills the process, does something meanwhile?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from tests.nights.job import Job
from tests.worlds import Killed, Sent, errors, interfere

READING = ("list", "search", "bulk-retrieve")
WRITING = ("bulk-create", "bulk-update")


def outage(job: Job, *endpoints: str) -> None:
    """From the next request to one of these endpoints on Square cannot be reached."""
    down = False

    def before(sent: Sent) -> httpx.Response | None:
        nonlocal down
        down = down or sent.endpoint in endpoints
        return errors(503, "SERVICE_UNAVAILABLE", "API_ERROR") if down else None

    job.world.before = before


def kill(job: Job, how: str, *endpoints: str, moment: int = 0) -> None:
    """Have the process killed before, after or between requests (to these endpoints)."""
    left = moment

    def die(what: Any) -> None:
        nonlocal left
        if not endpoints or what.endpoint in endpoints:
            left -= 1
            if left < 0:
                raise Killed

    setattr(job.world, how, die)


def meanwhile(job: Job, endpoint: str, action: Callable[[], None]) -> Callable[[], None]:
    """Have something done just before the first request to an endpoint; return who checks it."""
    done = []

    def act() -> None:
        done.append(endpoint)
        action()

    interfere(job.world, endpoint, 1, act)

    def check() -> None:
        quiet(job)
        assert done, f"{job}: no request to {endpoint}"

    return check


def quiet(job: Job) -> None:
    """Nobody interferes any more."""
    job.world.before = lambda sent: None
    job.world.after = lambda sent: None
    job.world.watch = lambda progress: None
    job.world.faults()
