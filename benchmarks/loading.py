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
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from measure import ETL, Stage, Taken, run, staged
from phonenumbers import is_valid_number, parse
from served import Served, served

_CREATE = "POST /v2/customers/bulk-create"
_RETRIEVE = "POST /v2/customers/bulk-retrieve"


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


class Imported(NamedTuple):
    """An import: what it reported, what it took, and that by stage."""

    report: dict[str, Any]
    taken: Taken
    stages: list[Stage]


def imported(source: Path, state: Path, square: Served, command: str = "import") -> Imported:
    """Import a file, or only plan to."""
    log = state.with_suffix(".log")
    log.unlink(missing_ok=True)
    options = ["--state-dir", str(state), "--target", "sandbox", "--base-url", square.address]
    told = ["--output", "json", "--quiet", "--log-json", str(log)]
    token = {"SQUARE_ACCESS_TOKEN": square.token}
    taken = run([*ETL, command, str(source), *options, *told], 3, env=token)
    report: dict[str, Any] = json.loads(taken.told)
    return Imported(report, taken, staged(taken, log, report, report["rows"]["read"]))


def nights(folder: Path, rows: int, rate: float) -> list[dict[str, Any]]:
    """Import the same clean people three times, an hour apart; return the reports."""
    source = folder / "clean.csv"
    write_people(source, rows)
    reports = []
    with served(folder / "paced.sqlite", rate=rate) as square:
        for _ in range(3):
            reports.append(imported(source, folder / "paced", square).report)
            square.later(3600)
    return reports


def calls(report: dict[str, Any]) -> int:
    """Return how many requests a run sent."""
    return sum(each["calls"] for each in report["requests"].values())


def limited(report: dict[str, Any]) -> int:
    """Return how many requests were answered 429."""
    return sum(each["rate_limited"] for each in report["requests"].values())


def figures(rows: int, rate: float, nights: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the three nights."""
    first = nights[0]
    bulk = -(-rows // 100)
    # Who the token belongs to, how many profiles there are, a page of none; a create and a reading
    # back for each hundred.
    fewest = 3 + 2 * bulk
    sent = calls(first) - limited(first)
    load = first["seconds"]["load"]
    creates = first["requests"][_CREATE]
    used = creates["calls"] - creates["rate_limited"]
    told: dict[str, Any] = {
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
        told["load rate / allowed"] = round(used / load / rate, 3)
        span = first["seconds"]["load"] + first["seconds"]["verify"]
        both = used + first["requests"][_RETRIEVE]["calls"]
        told["load and verify rate / allowed"] = round(both / span / rate, 3)
    return told


def main() -> None:
    """Import three times and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = figures(asked.rows, asked.rate, nights(Path(folder), asked.rows, asked.rate))
    if asked.json:
        print(json.dumps(told, indent=2))
        return
    for name, value in told.items():
        print(f"{name:<32}{value}")


if __name__ == "__main__":
    main()
