"""How is a journey set up: state folder, Square, clock and chance of this machine?

The edges meet here, for the command line and for scripts alike.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config import Config
from etl.errors import ConfigError
from etl.journal.records import Run
from etl.journal.state import State
from etl.pipeline import Progress, Square, World
from etl.square.wire import Call

# These load httpx, which a journey without a Square has no use for.
if TYPE_CHECKING:
    from etl.square.client import SquareClient
    from etl.target import Target


# Seconds without progress after which the embedded Square is given up.
_LOCAL_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Audience:
    """Who follows a journey: hears which run it is and every step of it, and waits when it waits.

    ``watch`` and ``sleep`` may raise Interrupted. ``called`` hears of every attempt of a call, in
    whichever thread made it.
    """

    announce: Callable[[Run], None]
    note: Callable[[str], None]
    watch: Callable[[Progress], None]
    sleep: Callable[[float], None]
    called: Callable[[Call], None] = lambda call: None


NOBODY = Audience(lambda run: None, lambda note: None, lambda progress: None, time.sleep)


def world(audience: Audience) -> World:
    """Return this machine's clock and chance, with the audience."""
    return World(
        now=lambda: datetime.now(UTC),
        clock=time.monotonic,
        chance=random.SystemRandom(),
        announce=audience.announce,
        note=audience.note,
        watch=audience.watch,
        sleep=audience.sleep,
    )


@contextmanager
def connected(
    config: Config, base_url: str | None, state: State, audience: Audience
) -> Iterator[Square]:
    """Open the target that the config names, for as long as the journey lasts.

    Raises ConfigError when its token or address cannot be used.
    """
    state.prepare()
    with reached(config, base_url, state.sandbox, audience) as square:
        yield square


@contextmanager
def reached(
    config: Config,
    base_url: str | None,
    sandbox: Path,
    audience: Audience,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Square]:
    """Open the target as ``connected`` does, but make no state folder; the local one is a file."""
    from etl.target import open_target

    environment = config.target.environment
    if environment == "local" and base_url:
        raise ConfigError("the local target has no address: say --target sandbox with --base-url")
    target = open_target(config.target, base_url, environ, sandbox)
    try:
        connect = _connector(target, config, audience)
        yield Square(environment, target.base_url, connect, target.in_flight)
    finally:
        target.close()


def _connector(
    target: Target, config: Config, audience: Audience
) -> Callable[[Callable[[Call], None]], SquareClient]:
    from etl.square.client import SquareClient

    # The embedded Square puts a call off only while its file is busy or the disk is full.
    patience = config.limits.patience
    if target.environment == "local":
        patience = min(patience, _LOCAL_PATIENCE)

    def connect(observe: Callable[[Call], None]) -> SquareClient:
        def tell(call: Call) -> None:
            observe(call)
            audience.called(call)

        return SquareClient(
            target.transport,
            target.base_url,
            target.token,
            config.target.square_version,
            clock=time.monotonic,
            sleep=audience.sleep,
            chance=random.SystemRandom(),
            patience=patience,
            requests_per_second=config.limits.requests_per_second,
            observe=tell,
        )

    return connect
