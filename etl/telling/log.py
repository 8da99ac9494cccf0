"""What does a machine read of a run while it goes on?

One JSON object per line: run, stage, counts, times; nobody's data.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any, Literal

import orjson

from etl.errors import ConfigError

Level = Literal["debug", "info", "warning", "error"]
Log = Callable[..., None]


@contextmanager
def opened(place: str, now: Callable[[], datetime]) -> Iterator[Log]:
    """Open a log: a file that is added to, - for standard error, or "" for none.

    The log is called with a level, an event and what is to be told of it, in any thread. Raises
    ConfigError when the file cannot be opened.
    """
    if not place:
        yield lambda level, event, **told: None
    elif place == "-":
        yield _JsonLines(sys.stderr.buffer, now)
    else:
        try:
            # Unbuffered: what a full disk did not take is not tried again at the end.
            file = open(place, "ab", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise ConfigError(f"cannot write the log {place}: {error.strerror}") from error
        with file:
            yield _JsonLines(file, now)


class _JsonLines:
    def __init__(self, file: IO[bytes], now: Callable[[], datetime]) -> None:
        self._file = file
        self._now = now
        self._lock = threading.Lock()
        self._common: dict[str, Any] = {}
        self._broken = False

    def __call__(self, level: Level, event: str, **told: Any) -> None:
        """Write one line; what names the run is repeated from then on."""
        with self._lock:
            self._common |= {name: told[name] for name in ("command", "run_id") if name in told}
            time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            line = {"time": time, "level": level, "event": event, **self._common, **told}
            if self._broken:
                return
            try:
                self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
                self._file.flush()
            except OSError as error:
                # A full disk stops the run by itself; a log that is gone must not.
                self._broken = True
                words = f"square-etl: the log cannot be written: {error.strerror}"
                # Whoever read it may be gone, and with them standard error.
                with suppress(OSError):
                    print(words, file=sys.stderr, flush=True)
