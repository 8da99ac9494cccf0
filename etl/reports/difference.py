"""What changed between two runs, such as two nights with the same source?

Rows are the same by their source key; of rows that share one, the first of one run goes with the
first of the other. A validation gives its rows no keys: of it only the sums are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from etl.journal.journal import Journal
from etl.journal.records import Run
from etl.reports import report

# Rows named of each kind of change.
_NAMED = 5

# What a run is about that is always another one, or is told beside.
_OWN = frozenset({"run_id", "started_at", "config", "fingerprint"})
# An address that may be all the secret there is.
_SECRET = frozenset({"notify.webhook"})

_ROWS = (
    "SELECT source_key, outcome, source, line FROM rows JOIN batches USING (batch) "
    "WHERE source_key <> '' ORDER BY source_key, row"
)


class _Row(NamedTuple):
    key: str
    outcome: str
    source: int
    line: int


def difference(first: Journal, second: Journal) -> dict[str, Any]:
    """Return what is another in the second run; the README lists the keys.

    Numbers come in pairs: of the first run, of the second.
    """
    ran = first.run(), second.run()
    told = [report.build(each, report.counts(each)) for each in (first, second)]
    before, after = told
    reasons: list[dict[str, dict[str, int]]] = [each["reasons"] for each in told]
    changes = _Changes(*([source["path"] for source in each["sources"]] for each in told))
    by_row = all(run.command != "validate" for run in ran)
    for pair in _paired(first, second) if by_row else ():
        changes.add(*pair)
    return {
        "runs": [each["run_id"] for each in told],
        "settings": _settings(*ran),
        "sources": [each["sources"] for each in told],
        "same_sources": _hashes(before) == _hashes(after),
        "rows": _pairs(before["rows"], after["rows"]),
        "reasons": {
            code: _pairs(*(each.get(code, {}) for each in reasons))
            for code in sorted({code for each in reasons for code in each})
            if reasons[0].get(code) != reasons[1].get(code)
        },
        "seconds": _pairs(*({"all": sum(each["seconds"].values())} for each in told)),
        "calls": _pairs(*({"all": _calls(each)} for each in told)),
        **(changes.told() if by_row else dict.fromkeys(("new", "gone", "changed"))),
    }


class _Changes:
    """Counts pairs of rows by what became of them, and names the first of each kind."""

    def __init__(self, first: list[str], second: list[str]) -> None:
        self._names = first, second
        self._counts = Counter[tuple[str, str]]()
        self._places: dict[tuple[str, str], list[str]] = {}

    def add(self, was: _Row | None, now: _Row | None) -> None:
        """Count one row, as it was and as it is now."""
        kind = was.outcome if was else "", now.outcome if now else ""
        self._counts[kind] += 1
        places = self._places.setdefault(kind, [])
        if len(places) < _NAMED:
            places.append(self._place(1, now) if now else self._place(0, was))

    def _place(self, run: int, row: _Row | None) -> str:
        assert row is not None
        return f"{self._names[run][row.source]}:{row.line}"

    def told(self) -> dict[str, Any]:
        """Return the rows that are only in one run, and those whose outcome is another."""
        changed = [
            {"from": was, "to": now, "rows": rows, "such_as": self._places[was, now]}
            for (was, now), rows in sorted(self._counts.items(), key=lambda each: -each[1])
            if was and now and was != now
        ]
        return {"new": self._only(1), "gone": self._only(0), "changed": changed}

    def _only(self, run: int) -> dict[str, Any]:
        kinds = [kind for kind in sorted(self._counts) if not kind[1 - run]]
        places = [place for kind in kinds for place in self._places[kind]]
        rows = sum(self._counts[kind] for kind in kinds)
        return {"rows": rows, "such_as": places[:_NAMED]}


def _paired(first: Journal, second: Journal) -> Iterator[tuple[_Row | None, _Row | None]]:
    """Yield the rows of both runs by key, None where one has no such row."""
    ours, theirs = (
        ((key, list(rows)) for key, rows in groupby(map(_Row._make, found), itemgetter(0)))
        for found in (first.query(_ROWS), second.query(_ROWS))
    )
    was, now = next(ours, None), next(theirs, None)
    while was or now:
        left = was if was and (not now or was[0] <= now[0]) else None
        right = now if now and (not was or now[0] <= was[0]) else None
        rows, others = left[1] if left else [], right[1] if right else []
        for at in range(max(len(rows), len(others))):
            yield (
                rows[at] if at < len(rows) else None,
                others[at] if at < len(others) else None,
            )
        was, now = next(ours, None) if left else was, next(theirs, None) if right else now


def _settings(first: Run, second: Run) -> dict[str, list[Any]]:
    """Return the settings, and what else a run is about, that are another."""
    facts = [
        {name: getattr(run, name) for name in Run.__slots__ if name not in _OWN}
        | dict(_leaves("", orjson.loads(run.config)))
        for run in (first, second)
    ]
    names = sorted({name for each in facts for name in each} - _SECRET)
    pairs = {name: [each.get(name) for each in facts] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _leaves(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(f"{prefix}{name}.", value)
        else:
            yield prefix + name, value


def _hashes(told: Mapping[str, Any]) -> list[str]:
    return [source["sha256"] for source in told["sources"]]


def _calls(told: Mapping[str, Any]) -> int:
    return sum(endpoint["calls"] for endpoint in told["requests"].values())


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    names = list(dict.fromkeys([*before, *after]))
    return {name: [before.get(name, 0), after.get(name, 0)] for name in names}
