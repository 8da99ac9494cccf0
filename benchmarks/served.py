"""A local Square on a port, in a process of its own: whom do the benchmarks speak to?"""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from measure import ETL


class Served(NamedTuple):
    """Where it answers, and to whom."""

    pid: int
    address: str
    token: str

    def control(self, call: str, body: dict[str, Any]) -> None:
        """Make a control call."""
        request = urllib.request.Request(
            f"{self.address}/_sandbox/{call}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()

    def later(self, seconds: int) -> None:
        """Let its time pass."""
        self.control("clock", {"advance": seconds})


@contextlib.contextmanager
def served(data: Path | None, *, rate: float = 0.0, lag: float = 0.0) -> Iterator[Served]:
    """Serve one on a file, or in memory, for as long as the block lasts.

    ``rate`` is how many requests a second it lets pass, 0: all.
    """
    command = [*ETL, "sandbox", "serve", "--port", "0", "--rate", str(rate), "--lag", str(lag)]
    command += [] if data is None else ["--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        try:
            yield Served(process.pid, words[2], words[4])
        finally:
            process.terminate()
