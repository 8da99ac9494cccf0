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
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import ETL, run
from served import Served, served

from etl.config import Config
from etl.export.collect import Collection
from etl.export.collected import Collected
from etl.square.client import SquareClient, network_transport
from etl.square.network import IN_FLIGHT


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


def seeded(state: Path, profiles: int) -> None:
    """Fill the embedded local Square of a state folder."""
    command = [*ETL, "sandbox", "seed", "--profiles", str(profiles), "--state-dir", str(state)]
    subprocess.run(command, check=True, capture_output=True)


def exported(state: Path, destination: Path) -> dict[str, float]:
    """Run the command; return seconds, calls and the most memory it had, in MiB."""
    command = [*ETL, "export", str(destination), "--state-dir", str(state)]
    taken = run([*command, "--output", "json", "--quiet"])
    told = json.loads(taken.told)
    return {
        "seconds": taken.wall,
        "cpu_seconds": taken.cpu,
        "calls": sum(counts["calls"] for counts in told["requests"].values()),
        "profiles": told["rows"],
        "peak_mib": taken.peak,
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
            with served(folder / "square.sqlite", rate=told.rate) as square:
                square.control("seed", {"profiles": told.profiles, "seed": 1})
                slow = {"endpoint": "search", "rate": 1.0, "do": "delay", "seconds": told.latency}
                square.control("faults", {"plan": [slow], "seed": 1})
                for name, in_flight in (("one cursor", 1), ("side by side", IN_FLIGHT)):
                    results[name] = collected(square, folder, in_flight)
            results["gain"] = results["one cursor"]["seconds"] / results["side by side"]["seconds"]
        else:
            for part in (told.profiles // 10, told.profiles):
                state = folder / f"state-{part}"
                seeded(state, part)
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
