"""Is what Square allows used up, and does a second night ask for next to nothing?

    python benchmarks/loading.py --rows 20000 --rate 10
    python benchmarks/loading.py --rows 200000 --rate 0

Serves a local Square on a port that lets so many requests a second pass (0: all), imports so many
clean new people through it, and then the same file twice again, an hour later each: the first of
these nights reads once what the import changed, the second finds the kept copy warm. Prints how
many requests were sent beside the fewest possible, the share of the allowed rate that the load
used, the share of 429s after the first ten seconds of it, and what the nights asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from phonenumbers import is_valid_number, parse

_CREATE = "POST /v2/customers/bulk-create"
_RETRIEVE = "POST /v2/customers/bulk-retrieve"


class Served(NamedTuple):
    """A local Square on a port."""

    process: subprocess.Popen[str]
    address: str
    token: str

    def later(self, seconds: int) -> None:
        """Let its time pass."""
        request = urllib.request.Request(
            f"{self.address}/_sandbox/clock",
            json.dumps({"advance": seconds}).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()


def serve(folder: Path, rate: float) -> Served:
    """Start a local Square."""
    command = [sys.executable, "-m", "etl", "sandbox", "serve", "--port", "0", "--rate", str(rate)]
    process = subprocess.Popen(
        [*command, "--data", str(folder / "square.sqlite")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    words = process.stdout.readline().split()
    return Served(process, words[2], words[4])


def write_people(path: Path, rows: int) -> None:
    """Write a file of so many clean, different people."""
    # The fictional numbers 555-0100 to 555-0199 of every area code there is.
    areas = [area for area in range(201, 990) if is_valid_number(parse(f"+1{area}5550100"))]
    with open(path, "w", encoding="utf-8") as file:
        file.write("reference_id,given_name,family_name,email_address,phone_number\n")
        for number in range(rows):
            area = areas[number // 100] if number < 100 * len(areas) else None
            phone = f"+1{area}5550{100 + number % 100}" if area else ""
            file.write(
                f"R{number:07},Given{number % 977},Family{number % 9973},"
                f"p{number}@example.com,{phone}\n"
            )


def imported(source: Path, state: Path, square: Served) -> dict[str, Any]:
    """Import the file and return the report."""
    command = [sys.executable, "-m", "etl", "import", str(source), "--state-dir", str(state)]
    options = ["--target", "sandbox", "--base-url", square.address, "--output", "json", "--quiet"]
    environment = os.environ | {"SQUARE_ACCESS_TOKEN": square.token}
    done = subprocess.run(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=environment, check=False
    )
    report: dict[str, Any] = json.loads(done.stdout)
    if report["exit_code"] not in (0, 3):
        raise SystemExit(f"the import ended with {report['exit_code']}")
    return report


def calls(report: dict[str, Any]) -> int:
    """Return how many requests a run sent."""
    return sum(each["calls"] for each in report["requests"].values())


def limited(report: dict[str, Any]) -> int:
    """Return how many requests were answered 429."""
    return sum(each["rate_limited"] for each in report["requests"].values())


def main() -> None:
    """Import three times and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "people.csv"
        write_people(source, asked.rows)
        square = serve(folder, asked.rate)
        try:
            nights = []
            for _ in range(3):
                nights.append(imported(source, folder / "state", square))
                square.later(3600)
        finally:
            square.process.terminate()
            square.process.wait()
    print_table(asked.rows, asked.rate, nights, as_json=asked.json)


def print_table(rows: int, rate: float, nights: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print the figures of the three nights."""
    first = nights[0]
    bulk = -(-rows // 100)
    # Who the token belongs to, how many profiles there are, a page of none; a create and a reading
    # back for each hundred.
    fewest = 3 + 2 * bulk
    sent = calls(first) - limited(first)
    load = first["seconds"]["load"]
    creates = first["requests"][_CREATE]
    used = creates["calls"] - creates["rate_limited"]
    figures: dict[str, Any] = {
        "rows": rows,
        "requests": calls(first),
        "fewest": fewest,
        "requests / fewest": round(calls(first) / fewest, 3),
        "answered 429": limited(first),
        "answered 429 / requests": round(limited(first) / calls(first), 4),
        "load seconds": round(load, 1),
        "load rate": round(used / load, 2),
        "requests but 429": sent,
        "seconds": {stage: round(spent, 2) for stage, spent in first["seconds"].items()},
        "later nights": [
            {
                "rows": {name: count for name, count in night["rows"].items() if count},
                "requests": calls(night),
                "requests / first": round(calls(night) / calls(first), 4),
                "lookup": night["lookup"],
            }
            for night in nights[1:]
        ],
    }
    if rate:
        figures["load rate / allowed"] = round(used / load / rate, 3)
        span = first["seconds"]["load"] + first["seconds"]["verify"]
        both = used + first["requests"][_RETRIEVE]["calls"]
        figures["load and verify rate / allowed"] = round(both / span / rate, 3)
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:<32}{value}")


if __name__ == "__main__":
    main()
