"""How long would 100 million rows take, or 1,000 merchants, and what would be in the way?

Arithmetic on measured costs, as if each further row cost what it did at the largest size measured.
Square lets each seller send so many requests a second, and a request holds at most a hundred
profiles: that alone is a time nothing here can shorten. What this machine has to do beside it is
processor time; it is shared by all merchants, the limit is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, Literal, NamedTuple

BULK = 100  # profiles in a bulk request, and on a page of ListCustomers
RATE = 10.0  # requests a second for each merchant
_MANY = 100_000_000
_ASKED_FIRST = 3  # the merchant, how many profiles there are, and the page on which there are none

Night = Literal["first", "again", "copy lost"]


class Costs(NamedTuple):
    """What was measured: processor seconds and bytes, for each row unless another thing is named.

    ``sending`` is of load, attach and verify, ``before`` of everything else an import does,
    ``again`` of a whole import that finds nothing new.
    """

    before: float
    sending: float
    again: float
    again_requests: int
    written: float  # share of the rows that become a profile
    source: float
    journal: float
    ledger: float
    artifacts: float
    copy_of_profile: float
    at_work: float
    memory: float  # bytes of a process, whatever the rows
    memory_of_row: float


class Scenario(NamedTuple):
    """Who imports how much; ``night`` is the first, one with nothing new, or that without copy."""

    night: Night
    merchants: int
    rows: int  # of each merchant


class Machine(NamedTuple):
    """What all merchants share; ``memory`` is in bytes."""

    cores: int
    memory: float


class Paper(NamedTuple):
    """What that takes: requests of one merchant, seconds, and bytes of all merchants together.

    ``limit`` is what the requests of one merchant take at the rate allowed, ``alone`` what one
    process takes for one, ``work`` what all processors take for everybody, ``at_once`` how many
    merchants the memory holds. ``cores`` is how many there have to be for nobody to wait for
    another.
    """

    requests: int
    limit: float
    alone: float
    work: float
    at_once: int
    seconds: float
    bottleneck: str
    cores: float
    disk: float
    memory: float


def on_paper(costs: Costs, scenario: Scenario, machine: Machine) -> Paper:
    """Return what a scenario takes on a machine."""
    rows, merchants = scenario.rows, scenario.merchants
    profiles = ceil(rows * costs.written)
    bulks = ceil(profiles / BULK)
    if scenario.night == "first":
        requests = _ASKED_FIRST + 2 * bulks  # written and read back
        before, sending = rows * costs.before, rows * costs.sending
    else:
        requests = costs.again_requests + (bulks if scenario.night == "copy lost" else 0)
        before, sending = rows * costs.again, 0.0
    limit = requests / RATE
    # A process reads, checks and plans before it sends; while it sends, it works at the next.
    alone = before + max(limit, sending)
    work = merchants * (before + sending)
    held = costs.memory + rows * costs.memory_of_row
    at_once = min(merchants, max(int(machine.memory / held), 1))
    turns = ceil(merchants / at_once) * alone
    takes = {
        "the processors of this machine": work / machine.cores,
        "the memory of this machine": turns if turns > alone else 0.0,
        "the rate limit": alone if limit >= before + sending else 0.0,
        "the work of one process": alone,
    }
    bottleneck = max(takes, key=lambda one: takes[one])
    return Paper(
        requests,
        limit,
        alone,
        work / machine.cores,
        at_once,
        takes[bottleneck],
        bottleneck,
        work / alone,
        merchants * _disk(costs, rows, profiles),
        merchants * held,
    )


def _disk(costs: Costs, rows: int, profiles: int) -> float:
    each = costs.source + costs.journal + costs.ledger + costs.artifacts + costs.at_work
    return rows * each + profiles * costs.copy_of_profile


SCENARIOS = (
    Scenario("first", 1, 1_000_000),
    Scenario("first", 1, 100_000_000),
    Scenario("copy lost", 1, 100_000_000),
    Scenario("again", 1, 100_000_000),
    Scenario("first", 1_000, 100_000),
    Scenario("first", 1_000, 1_000_000),
    Scenario("again", 1_000, 100_000),
    Scenario("first", 1_000, 100_000_000),
)


def stage_on_paper(
    stage: str, per_row: float, costs: Costs, rows: int = _MANY
) -> dict[str, str | float]:
    """Return what one stage of a first import of so many rows takes, at so many seconds a row.

    ``here`` is on a machine as that which was measured, ``limit`` by what Square allows.
    """
    bulks = ceil(ceil(rows * costs.written) / BULK)
    requests = {"plan": _ASKED_FIRST, "load": bulks, "verify": bulks}.get(stage, 0)
    here, limit = per_row * rows, requests / RATE
    return {
        "stage": stage,
        "us_per_row": per_row * 1e6,
        "here": here,
        "requests": requests,
        "limit": limit,
        "bottleneck": "the rate limit" if limit > here else "this machine",
    }


def stages_on_paper(result: Mapping[str, Any], costs: Costs) -> Iterator[dict[str, Any]]:
    """Yield each stage of a first import of 100 million rows, from its largest size measured."""
    for stage in ("read", "check", "plan", "load", "verify", "report"):
        if one := _largest(result, stage):
            told = stage_on_paper(stage, one["seconds"] / one["rows"], costs)
            yield {**told, "rows": one["rows"], "growth": one["growth_per_row"]}


def costs(result: Mapping[str, Any]) -> Costs | None:
    """Return the costs in the result of a run of the suite, None where it has not all of them."""
    left = max(result["left"], key=lambda one: one["rows"], default=None)
    kept = max(result["match"], key=lambda one: one["rows"], default=None)
    again = _largest(result, "import, nothing new")
    if left is None or kept is None or again is None:
        return None
    rows = left["rows"]
    cpu = {one["stage"]: one["cpu"] for one in result["stages"] if one["rows"] == rows}
    sending = sum(cpu[stage] for stage in ("load", "attach", "verify"))
    return Costs(
        before=(cpu["import"] - sending) / rows,
        sending=sending / rows,
        again=again["cpu"] / again["rows"],
        again_requests=next(
            one["night_requests"] for one in result["left"] if "night_requests" in one
        ),
        written=left["written"] / rows,
        source=left["source_bytes"] / rows,
        journal=left["journal_bytes"] / rows,
        ledger=left["ledger_bytes"] / rows,
        artifacts=left["artifact_bytes"] / rows,
        copy_of_profile=kept["bytes_per_profile_kept"],
        at_work=kept["bytes_per_row_at_work"],
        memory=_largest(result, "import")["peak_mib"] * 2**20,
        memory_of_row=_growth_of_memory(result["match"]),
    )


def _largest(result: Mapping[str, Any], stage: str) -> Any:
    of_stage = (one for one in result["stages"] if one["stage"] == stage)
    return max(of_stage, key=lambda one: one["rows"], default=None)


def _growth_of_memory(matches: list[dict[str, Any]]) -> float:
    """Return how many bytes more each further row took when matched, never less than none."""
    *_, small, large = [None, *sorted(matches, key=lambda one: one["rows"])]
    if small is None:
        return 0.0
    more = (large["peak_mib"] - small["peak_mib"]) * 2**20
    return float(max(more / (large["rows"] - small["rows"]), 0.0))


def all_on_paper(costs: Costs, machine: Machine) -> Iterator[dict[str, Any]]:
    """Yield every scenario with what it takes."""
    for scenario in SCENARIOS:
        yield {**scenario._asdict(), **on_paper(costs, scenario, machine)._asdict()}
