"""Was everything accounted for? ``report.json``: the machine's report of a run.

A pure function of the journal: the same journal always gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from etl.config import Config, beyond
from etl.journal.journal import Journal
from etl.journal.records import OUTCOMES, UNDONE, Outcome
from etl.reports import consent

# Why rows of an applied plan were planned anew.
_MOVED = ("PROFILE_CHANGED", "PROFILE_GONE", "PROFILE_APPEARED", "MATCHED_ANEW")

# Outcomes that need somebody's attention, unless [limits] tolerate allows for them.
_ATTENTION = ("rejected", "failed", "review")


def build(journal: Journal, early: Iterable[Count]) -> dict[str, Any]:
    """Return the report; its keys and their meaning are listed in the README.

    ``early`` are the counts of all batches, as the check left them.
    """
    facts, run, rows = journal.facts(), journal.run(), _rows(journal)
    problems = summed([*early, *_late(journal)])
    checked = journal.undoing.VERIFIED if run.undoes else "SELECT verified FROM writes"
    verified = _counts(
        journal, f"SELECT verified, count(*) FROM ({checked}) WHERE verified <> '' GROUP BY 1"
    )
    report = {
        "run_id": run.run_id,
        "command": run.command,
        "status": _status(facts),
        "started_at": run.started_at,
        "finished_at": facts.get("finished_at"),
        "target": run.target,
        "merchant_id": run.merchant_id,
        "square_version": run.square_version,
        "sources": [
            {
                "path": source["facts"]["name"],
                "sha256": source["facts"]["sha256"],
                "rows": source["rows"],
                "notes": source["facts"]["notes"],
                "unused_columns": source["mapping"]["unused"],
            }
            for source in journal.sources()
        ],
        "amends": run.amends or None,
        "amended": _amended(journal),
        "rows": rows,
        "balanced": rows["read"] == sum(rows[outcome] for outcome in _outcomes(run.command)),
        "undoes": run.undoes or None,
        "undone": journal.undoing.counts() if run.undoes else None,
        "applies": run.applies or None,
        "replanned": _replanned(journal) if run.applies else None,
        "planned": _planned(journal, Config.model_validate_json(run.config)),
        "reasons": _by_code(problems, ("reject", "review", "skip")),
        "repairs": _by_code(problems, ("repair", "drop", "truncate", "note")),
        "consent": consent.counts(journal),
        "lookup": facts.get("lookup"),
        "unusual": orjson.loads(facts.get("unusual", "[]")),
        "beside": journal.additions.counts(),
        "verified": {
            "checked": sum(verified.values()),
            "matched": verified.get("matched", 0),
            "mismatched": verified.get("mismatched", 0),
        },
        "requests": {
            endpoint: {
                "calls": calls,
                "retries": retries,
                "rate_limited": rate_limited,
                "errors": errors,
            }
            for endpoint, calls, retries, rate_limited, errors, _ in journal.calls()
        },
        "seconds": {
            stage: round(seconds, 3)
            for stage, seconds in journal.query("SELECT stage, seconds FROM seconds ORDER BY stage")
        },
        "stopped": facts.get("stopped") or None,
    }
    return {**report, "exit_code": _exit_code(report, Config.model_validate_json(run.config))}


def headline(journal: Journal) -> dict[str, Any]:
    """Return what a list of runs says of one: cheap, however many rows it has."""
    facts = journal.facts()
    kept = ("run_id", "command", "started_at", "target")
    return {
        **{name: facts[name] for name in kept},
        "undoes": facts.get("undoes") or None,
        "status": _status(facts),
        "rows": _rows(journal),
    }


def as_json(report: dict[str, Any]) -> bytes:
    """Return the bytes of ``report.json``."""
    return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _rows(journal: Journal) -> dict[str, int]:
    read = sum(source["rows"] for source in journal.sources())
    found = _counts(journal, "SELECT outcome, count(*) FROM rows GROUP BY outcome")
    if not found:
        # Rows have outcomes of their own from the plan on; until then nothing was attempted.
        checked = "SELECT coalesce(sum(rejected), 0), coalesce(sum(skipped), 0) FROM checks"
        refused, left = next(journal.query(checked))
        found = {"rejected": refused, "skipped": left, "pending": read - refused - left}
    told = _outcomes(journal.run().command)
    counted: dict[str, int] = {outcome: found.get(outcome, 0) for outcome in told}
    for row, later in journal.amendments().items():
        (before,) = next(journal.query("SELECT outcome FROM rows WHERE row = ?", row))
        counted[before] -= 1
        counted[later[-1].outcome] += 1
    return {"read": read, **counted}


def _outcomes(command: str) -> tuple[Outcome, ...]:
    return UNDONE if command in ("undo", "undo-plan") else OUTCOMES


def _amended(journal: Journal) -> dict[str, dict[str, int]]:
    """Return, for each run that corrected rows of this one, what became of them there."""
    counts: dict[str, dict[str, int]] = {}
    for later in journal.amendments().values():
        for told in later:
            of_run = counts.setdefault(told.run_id, {})
            of_run[told.outcome] = of_run.get(told.outcome, 0) + 1
    return {run: dict(sorted(outcomes.items())) for run, outcomes in sorted(counts.items())}


def _planned(journal: Journal, config: Config) -> dict[str, Any]:
    """Return what was planned, and the calls and, at the pace allowed, the seconds it takes.

    A rough guess: one call after the other, each as long as those of this run were so far.
    """
    planned = journal.planned()
    beside = journal.additions.counts()
    kinds = ("groups", "custom_attributes", "gift_cards")
    members, values, cards = (beside[kind]["planned"] for kind in kinds)
    sql = "SELECT count(DISTINCT row) FROM additions WHERE kind = 'attribute'"
    (valued,) = next(journal.query(sql))
    pages = [ceil(planned["creates"] / 100), ceil(planned["updates"] / 100)]
    calls = {
        "create": pages[0],
        "update": pages[1],
        "groups": members,
        "custom_attributes": ceil(values / 25),
        "gift_cards": cards,
        "read_back": ceil((planned["creates"] + planned["updates"]) / 100)
        + ceil((members + values + cards) / 100)
        + valued
        + cards,
    }
    attempts = journal.calls()
    made, seconds = sum(each[1] for each in attempts), sum(each[5] for each in attempts)
    pace = config.limits.requests_per_second
    each = max(seconds / made if made else 0.0, 1 / pace if pace else 0.0)
    return {**planned, "calls": calls, "seconds": round(each * sum(calls.values()), 1)}


def _replanned(journal: Journal) -> int:
    sql = f"SELECT count(DISTINCT row) FROM problems WHERE code IN ({','.join('?' * len(_MOVED))})"
    return int(next(journal.query(sql, *_MOVED))[0])


def _status(facts: dict[str, str]) -> str:
    if facts["stage"] != "done":
        if facts.get("undone"):
            return "undone"
        return "braked" if facts.get("stopped", "").startswith("brake: ") else "incomplete"
    told = {"plan": "planned", "undo-plan": "planned", "validate": "validated"}
    return told.get(facts["command"], "finished")


def _exit_code(report: dict[str, Any], config: Config) -> int:
    rows = report["rows"]
    if report["status"] in ("incomplete", "braked"):
        return 4 if report["status"] == "incomplete" else 6
    if report["status"] == "undone":
        return 0
    if report["undoes"]:
        conflicts = any(report["reasons"].values())
        return 3 if conflicts or report["verified"]["mismatched"] else 0
    if report["command"] == "import" and rows["unknown"] + rows["pending"]:
        return 4
    attention = sum(rows[outcome] for outcome in _ATTENTION)
    checked = (report["verified"], *report["beside"].values())
    untrusted = any(counts["mismatched"] for counts in checked)
    return 3 if untrusted or beyond(attention, config.limits.tolerate, rows["read"]) else 0


def _by_code(counts: Iterable[Count], effects: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many rows have a problem of these effects, by code and field."""
    by_code: dict[str, dict[str, int]] = {}
    for code, field, rows in sorted(count[1:] for count in counts if count.effect in effects):
        of_code = by_code.setdefault(code, {})
        of_code[field] = of_code.get(field, 0) + rows
    return by_code


class Count(NamedTuple):
    """How many rows have a problem."""

    effect: str
    code: str
    field: str
    rows: int


def counted(found: pa.Table) -> list[Count]:
    """Return how many rows of a batch have each of the problems (``PROBLEMS``) found in it."""
    kinds, texts = np.zeros(found.num_rows, "<i8"), list[list[str]]()
    for name in ("effect", "code", "field"):
        column = found.column(name).combine_chunks().dictionary_encode()
        kinds = kinds * len(column.dictionary) + column.indices.to_numpy()
        texts.append(column.dictionary.to_pylist())
    effects, codes, fields = texts
    # A row that has the same problem twice is one row.
    most = prod(map(len, texts))
    told = kinds[first_of_each(found.column("row").to_numpy() * most + kinds)]
    rows = np.bincount(told, minlength=most).reshape([len(each) for each in texts])
    return [
        Count(effects[effect], codes[code], fields[field], int(rows[effect, code, field]))
        for effect, code, field in zip(*np.nonzero(rows), strict=True)
    ]


def first_of_each(keys: np.ndarray) -> np.ndarray:
    """Return the places of the first of each key, in order; quick when keys are nearly sorted."""
    order = np.argsort(keys, kind="stable")
    again = np.flatnonzero(keys[order[1:]] == keys[order[:-1]]) + 1
    return np.delete(np.arange(len(keys)), order[again])


def counts(journal: Journal) -> list[Count]:
    """Return how many rows have each problem, as the check left them."""
    return summed(count for batch in journal.batches() for count in counted(journal.found(batch)))


def summed(parts: Iterable[Count]) -> list[Count]:
    """Return the counts of several batches as those of one."""
    rows = Counter[tuple[str, str, str]]()
    for effect, code, field, number in parts:
        rows[effect, code, field] += number
    return [Count(effect, code, field, number) for (effect, code, field), number in rows.items()]


def _late(journal: Journal) -> Iterator[Count]:
    """Yield how many rows have the problems that were found after the check."""
    told = "SELECT effect, code, field, count(DISTINCT row) FROM problems"
    yield from map(Count._make, journal.query(f"{told} GROUP BY effect, code, field"))


def _counts(journal: Journal, sql: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in journal.query(sql)}
