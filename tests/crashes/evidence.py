"""What did an import leave behind, and is it exactly what an undisturbed one leaves?

The oracle of the crash tests. ``gather`` collects what the run says (report, ledger, crosswalk) and
what the sandbox knows (profiles, its log of effective writes); ``check`` compares that with the
undisturbed import, in which everything is equal but the ids Square gave, and times.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.sandbox import Request, Sandbox

Row = dict[str, str]

# Two imports never agree on these.
_OWN = frozenset({"id", "created_at", "updated_at"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one finished import left: ``log`` holds what was written since the state began."""

    exit_code: int
    report: dict[str, Any]
    rows: list[Row]
    crosswalk: list[Row]
    log: list[dict[str, Any]]
    profiles: dict[str, dict[str, Any]]


def gather(run: Path, sandbox: Path, exit_code: int, already: int) -> Evidence:
    """Collect the evidence of a run; ``already`` writes were in the sandbox's log before it."""
    return Evidence(
        exit_code,
        json.loads((run / "report.json").read_bytes()),
        _table(run / "rows.csv"),
        _table(run / "crosswalk.csv"),
        written(sandbox)[already:],
        profiles(sandbox),
    )


def written(sandbox: Path) -> list[dict[str, Any]]:
    """Return the effective writes a sandbox's file knows of, oldest first."""
    box = Sandbox(sandbox)
    try:
        return box.log()
    finally:
        box.close()


def profiles(sandbox: Path) -> dict[str, dict[str, Any]]:
    """Return all profiles by id."""
    box = Sandbox(sandbox)
    headers = {"authorization": f"Bearer {box.token}"}
    found: dict[str, dict[str, Any]] = {}
    cursor = ""
    try:
        while True:
            query = f"limit=100&cursor={cursor}" if cursor else "limit=100"
            page = json.loads(
                box.respond(Request("GET", "/v2/customers", query, headers, b"")).body
            )
            found |= {profile["id"]: profile for profile in page["customers"]}
            cursor = page.get("cursor", "")
            if not cursor:
                return found
    finally:
        box.close()


def check(found: Evidence, wanted: Evidence, already: int) -> None:
    """Raise AssertionError unless the import came to what the undisturbed one came to.

    ``already`` is how many profiles there were before.
    """
    _check_report(found, wanted)
    _check_writes(found, already)
    _check_rows(found, wanted)
    check_profiles(found.profiles.values(), wanted.profiles.values())


def _check_report(found: Evidence, wanted: Evidence) -> None:
    report, rows = found.report, found.report["rows"]
    assert report["status"] == "finished", report["status"]
    assert report["finished_at"], "the report does not say when the run finished"
    assert report["balanced"], "the report does not balance"
    assert rows["unknown"] == rows["pending"] == 0, rows
    assert rows == wanted.report["rows"], (rows, wanted.report["rows"])
    for part in ("reasons", "repairs"):
        assert report[part] == wanted.report[part], (report[part], wanted.report[part])
    written = rows["created"] + rows["updated"]
    assert report["verified"] == {"checked": written, "matched": written, "mismatched": 0}
    codes = (found.exit_code, report["exit_code"], wanted.exit_code)
    assert len(set(codes)) == 1, codes


def _check_writes(found: Evidence, already: int) -> None:
    """Each created or updated row stands for exactly one effective write, and the reverse."""
    writes = {
        action: [entry for entry in found.log if entry["action"] == action]
        for action in ("create", "update")
    }
    assert len(found.log) == sum(map(len, writes.values())), "the import deleted or merged"
    check_unique("idempotency key", [entry["idempotency_key"] for entry in writes["create"]])
    for action, outcome in (("create", "created"), ("update", "updated")):
        customers = [entry["customer_id"] for entry in writes[action]]
        told = [row["customer_id"] for row in found.rows if row["outcome"] == outcome]
        check_unique(f"customer that was {outcome}", customers)
        assert sorted(customers) == sorted(told), f"{outcome}: the log and the ledger differ"
    created = [entry for entry in found.crosswalk if entry["outcome"] == "created"]
    assert len(created) == len(writes["create"]), "the crosswalk misses customers"
    check_unique("source key that was created", [entry["source_key"] for entry in created])
    assert len(found.profiles) == already + len(created), "profiles nobody accounts for"


def check_unique(what: str, values: Sequence[str]) -> None:
    """Raise AssertionError if a value occurs more than once."""
    twice = [value for value, count in Counter(values).items() if count > 1]
    assert not twice, f"{len(twice)} times more than one {what}: {twice[:3]}"


def _check_rows(found: Evidence, wanted: Evidence) -> None:
    mine, theirs = list(_told(found)), list(_told(wanted))
    assert [row[:2] for row in mine] == [row[:2] for row in theirs], "rows lost, doubled or moved"
    different = [pair for pair in zip(mine, theirs, strict=True) if pair[0] != pair[1]]
    assert not different, f"{len(different)} rows came to something else, first: {different[0]}"


def _told(evidence: Evidence) -> Iterable[tuple[str, ...]]:
    """Yield the ledger's lines with what Square holds instead of its ids."""
    for row in evidence.rows:
        customer = row["customer_id"]
        holds = _content(evidence.profiles[customer]) if customer else ""
        others = {name: value for name, value in row.items() if name != "customer_id"}
        yield others.pop("source"), others.pop("line"), json.dumps(others), holds


def check_profiles(found: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]) -> None:
    """Raise AssertionError unless the profiles are equal in all but ids and times."""
    mine, theirs = Counter(map(_content, found)), Counter(map(_content, wanted))
    assert mine == theirs, (
        f"too many: {list(mine - theirs)[:3]}, missing: {list(theirs - mine)[:3]}"
    )


def _content(profile: Mapping[str, Any]) -> str:
    return json.dumps({k: v for k, v in profile.items() if k not in _OWN}, sort_keys=True)


def _table(path: Path) -> list[Row]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
