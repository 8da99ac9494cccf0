"""How fast is a directory exported, for how many calls, and what do windows side by side gain?

    python benchmarks/export.py --profiles 100000
    python benchmarks/export.py --profiles 20000 --latency 0.05 --rate 200

Fills the embedded local Square, exports it to CSV and to Parquet, and prints profiles per second,
calls beside the fewest possible (one for each hundred profiles), and memory (that of the embedded
Square, too) for a tenth of the profiles and for all. With ``--latency`` a local Square on a port
takes so many seconds for every search; the directory is collected by one cursor and by windows side
by side, and the times are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from etl.config import Config
from etl.export.collect import Collection
from etl.export.collected import Collected
from etl.square.client import SquareClient, network_transport
from etl.square.network import IN_FLIGHT


class Served:
    """A local Square on a port, filled with profiles."""

    def __init__(self, folder: Path, profiles: int, rate: float) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "etl", "sandbox", "serve", "--port", "0"]
        data = ["--data", str(folder / "square.sqlite"), "--rate", str(rate)]
        self.process = subprocess.Popen([*command, *data], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        self.address, self.token = words[2], words[4]
        self.control("seed", {"profiles": profiles, "seed": 1})

    def control(self, call: str, body: dict[str, Any]) -> None:
        """Make a control call."""
        request = urllib.request.Request(
            f"{self.address}/_sandbox/{call}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


def collected(square: Served, folder: Path, in_flight: int) -> dict[str, float]:
    """Collect everything with so many calls under way; return seconds and calls."""
    calls = 0

    def observe(call: object) -> None:
        nonlocal calls
        calls += 1

    client = SquareClient(
        network_transport(),
        square.address,
        square.token,
        Config().target.square_version,
        clock=time.monotonic,
        sleep=time.sleep,
        chance=random.Random(1),
        observe=observe,
    )
    begin = time.perf_counter()
    with Collected.open(folder / f"{in_flight}.sqlite") as store:
        Collection(
            store, client, {}, in_flight, time.time, time.sleep, lambda *told: None, lag=0.0
        ).complete()
        size = store.size()
    client.close()
    return {"seconds": time.perf_counter() - begin, "calls": calls, "profiles": size}


def exported(state: Path, destination: Path) -> dict[str, float]:
    """Run the command; return seconds, calls and the most memory it had, in MiB."""
    command = [sys.executable, "-m", "etl", "export", str(destination), "--state-dir", str(state)]
    begin = time.perf_counter()
    process = subprocess.Popen([*command, "--output", "json", "--quiet"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    return {
        "seconds": time.perf_counter() - begin,
        "calls": sum(counts["calls"] for counts in told["requests"].values()),
        "profiles": told["rows"],
        "peak_mib": usage.ru_maxrss / 1024,
        **{f"{stage}_seconds": seconds for stage, seconds in told["seconds"].items()},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds every search takes")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second, 0: all")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if told.latency:
            square = Served(folder / "square", told.profiles, told.rate)
            slow = {"endpoint": "search", "rate": 1.0, "do": "delay", "seconds": told.latency}
            square.control("faults", {"plan": [slow], "seed": 1})
            results["one cursor"] = collected(square, folder, 1)
            results["side by side"] = collected(square, folder, IN_FLIGHT)
            results["gain"] = results["one cursor"]["seconds"] / results["side by side"]["seconds"]
            square.stop()
        else:
            for part in (told.profiles // 10, told.profiles):
                state = folder / f"state-{part}"
                seed = [sys.executable, "-m", "etl", "sandbox", "seed", "--profiles", str(part)]
                subprocess.run([*seed, "--state-dir", str(state)], check=True, capture_output=True)
                for name in (f"{part}.csv", f"{part}.parquet"):
                    results[name] = exported(state, folder / name)
    if told.json:
        print(json.dumps(results, indent=2))
        return
    for name, result in results.items():
        if isinstance(result, float):
            print(f"{name}: {result:.1f} times")
            continue
        fewest = -(-int(result["profiles"]) // 100)
        print(
            f"{name}: {result['profiles']:,.0f} profiles in {result['seconds']:.1f} s "
            f"({result['profiles'] / result['seconds']:,.0f}/s), {result['calls']:,.0f} calls "
            f"({result['calls'] / fewest:.2f} x the fewest)"
            + (f", peak {result['peak_mib']:.0f} MiB" if "peak_mib" in result else "")
        )


if __name__ == "__main__":
    main()
