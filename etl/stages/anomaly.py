"""Is tonight's file like those of the nights before?

Three figures of the plan are compared with those of the last finished imports of the same source:
its rows, the share that is rejected, the share that would be created. What is usual is the median;
how far from it is still usual is told by the median of the distances from it (MAD), which one odd
night in the past does not move, and is never less than a fifth of the rows or five of a hundred.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import orjson

from etl.config import Config
from etl.errors import BrakeError
from etl.journal.journal import Journal

# Fewer runs say nothing of what is usual.
_FEWEST = 3
# Of a normal distribution the MAD times this is the standard deviation; five of these are rare.
_DEVIATIONS = 5 * 1.4826
_SHARE_OF_ROWS = 0.2
_POINTS = 0.05

_DIGITS = re.compile(r"\d+")

Measure = Literal["rows", "rejected", "created"]


class Figures(NamedTuple):
    """What is compared of a run."""

    rows: int
    rejected: int
    creates: int

    def share(self, of: int) -> float:
        """Return a count as a share of the rows."""
        return of / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Unusual:
    """A figure that is not as in the runs before; shares are of all rows."""

    measure: Measure
    value: float
    usual: float
    low: float
    high: float
    runs: int

    @property
    def told(self) -> str:
        """Say it with the figures."""
        runs = f"in the last {self.runs} imports"
        if self.measure == "rows":
            return (
                f"{self.value:,.0f} rows; {runs} about {self.usual:,.0f} "
                f"({self.low:,.0f} to {self.high:,.0f} would be usual)"
            )
        what = {"rejected": "are rejected", "created": "would be created"}[self.measure]
        return (
            f"{self.value:.1%} of the rows {what}; {runs} about {self.usual:.1%} "
            f"(up to {self.high:.1%} would be usual)"
        )


def compare(journal: Journal, earlier: Iterable[Journal], config: Config) -> list[Unusual]:
    """Note the figures of a planned import, and return what is unlike the runs before.

    ``earlier`` are the journals of all runs, newest first. What is found is noted for the report.
    Raises BrakeError when such an import is to be stopped.
    """
    run = journal.run()
    if run.amends or journal.sent_anything():
        # Corrected rejects are no night's file; and what is under way was looked at.
        return []
    now = _figures(journal)
    journal.note(figures=orjson.dumps([*now]).decode())
    wanted = 0 if config.anomaly.action == "off" else config.anomaly.runs
    known = [*islice(_figures_of_same(journal, earlier, config), wanted)]
    found = list(unusual(now, known))
    told = [{**asdict(one), "told": one.told} for one in found]
    journal.note(unusual=orjson.dumps(told).decode())
    if found and config.anomaly.action == "stop" and run.command == "import":
        raise BrakeError(
            "this file is unlike those before: " + "; ".join(one.told for one in found) + ". "
            "Nothing is sent. Look at plan.csv; if it is right, set [anomaly] action to 'warn' and "
            "give the same command again."
        )
    return found


def unusual(now: Figures, known: Sequence[Figures]) -> Iterator[Unusual]:
    """Yield the figures that are not as they were."""
    if len(known) < _FEWEST:
        return
    rows = [float(each.rows) for each in known]
    usual, spread = _usual(rows)
    reach = max(spread, _SHARE_OF_ROWS * usual)
    if abs(now.rows - usual) > reach:
        low, high = max(usual - reach, 0.0), usual + reach
        yield Unusual("rows", now.rows, usual, low, high, len(known))
    rejected = [each.share(each.rejected) for each in known]
    created = [each.share(each.creates) for each in known]
    shares: tuple[tuple[Measure, float, list[float]], ...] = (
        ("rejected", now.share(now.rejected), rejected),
        ("created", now.share(now.creates), created),
    )
    for measure, value, before in shares:
        usual, spread = _usual(before)
        high = usual + max(spread, _POINTS)
        # Fewer of either do no harm.
        if value > high:
            yield Unusual(measure, value, usual, 0.0, high, len(known))


def _usual(values: Sequence[float]) -> tuple[float, float]:
    middle = median(values)
    return middle, _DEVIATIONS * median(abs(value - middle) for value in values)


def _figures(journal: Journal) -> Figures:
    sql = "SELECT count(*), count(*) FILTER (WHERE outcome = 'rejected') FROM rows"
    rows, rejected = next(journal.query(sql))
    return Figures(rows, rejected, journal.planned()["creates"])


def _figures_of_same(
    journal: Journal, earlier: Iterable[Journal], config: Config
) -> Iterator[Figures]:
    """Yield the figures of finished imports of the same source, newest first."""
    own = _source(journal, config)
    for other in earlier:
        facts = other.facts()
        if "reported" not in facts or "undone" in facts or "figures" not in facts:
            continue
        if facts["command"] != "import" or facts.get("amends"):
            continue
        if _source(other, Config.model_validate_json(facts["config"])) == own:
            yield Figures(*orjson.loads(facts["figures"]))


def _source(journal: Journal, config: Config) -> tuple[Any, ...]:
    """Return what two nights' files have in common: place, namespace, and names but for digits."""
    run = journal.run()
    names = sorted(_DIGITS.sub("#", Path(each["facts"]["name"]).name) for each in journal.sources())
    return run.merchant_id, run.base_url, config.source.namespace, names
