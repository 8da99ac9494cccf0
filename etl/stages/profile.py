"""What does a file look like: how full is each column, what does it hold, what is damaged?

Every row is counted and every cell looked at for damage; what a column holds is told from some of
its values in each batch. What is kept of a column is bounded, however many rows there are.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.customers import contents, damage
from etl.customers.contents import Kind
from etl.customers.dates import DateEvidence, date_evidence
from etl.customers.octets import Octets
from etl.engines.threads import ahead
from etl.stages.extract import Records

# Distinct values are counted exactly up to this, over all columns and in one.
_MOST_VALUES = 500_000
_MOST_IN_COLUMN = 10_000
_FEWEST_IN_COLUMN = 100
# Of a column with more, these are the most frequent ones still counted.
_FREQUENT = 200
# Values looked at in the first batch of a column, and in each later one.
_FIRST_LOOK, _LATER_LOOK = 1000, 200
# Phones without a country that are kept, to find out where they are valid.
_MOST_NATIONAL = 300
# A longer value is told from others by its beginning and a hash.
_LONG = 200
# Rows whose cells cannot be told apart say nothing about columns.
_UNREADABLE = ("RAGGED_ROW", "CELL_TOO_LARGE")


@dataclass(frozen=True, slots=True)
class Damage:
    """How many cells are damaged in one way, and the line of the first."""

    cells: int
    line: int


@dataclass(frozen=True, slots=True)
class Column:
    """What was found in one column; values themselves are nobody's to see unmasked."""

    header: str
    filled: int
    distinct: int | None  # None: more than ``bound``
    bound: int
    repeated: bool  # some value was seen to come twice
    longest: int  # characters
    longest_line: int  # 0 when the column is empty
    looked_at: int  # values that ``kinds`` counts
    kinds: Counter[Kind]
    regions: Counter[str]  # of phones with their country
    dates: DateEvidence
    damage: dict[str, Damage]
    full_codes: int  # values that would be postal codes of five digits
    top: tuple[tuple[str, int], ...] = field(repr=False)  # the most frequent values
    national: tuple[str, ...] = field(repr=False)  # some phones without their country

    def share(self, kind: Kind) -> float:
        """Return which part of the values looked at is of a kind."""
        return self.kinds[kind] / self.looked_at if self.looked_at else 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What was found in one source."""

    rows: int
    unreadable: dict[str, int]  # rows by code, whose cells were left out
    columns: tuple[Column, ...]


def profile(
    batches: Iterable[Records], headers: Sequence[str], between: Callable[[int], None]
) -> Profile:
    """Look at all batches of a source; ``between`` hears how many rows so far."""
    bound = min(_MOST_IN_COLUMN, max(_FEWEST_IN_COLUMN, _MOST_VALUES // max(len(headers), 1)))
    sketches = [_Sketch(header, bound) for header in headers]
    unreadable: Counter[str] = Counter()
    rows = 0
    for records in ahead(batches):
        rows += len(records.lines)
        lines, cells = _readable(records, unreadable)
        for sketch, column in zip(sketches, cells.columns, strict=True):
            sketch.see(column, lines)
        between(rows)
    return Profile(rows, dict(unreadable), tuple(sketch.column() for sketch in sketches))


def _readable(records: Records, unreadable: Counter[str]) -> tuple[pa.Array, pa.RecordBatch]:
    found = records.problems
    found = found.filter(pc.is_in(found.column("code"), pa.array(_UNREADABLE)))
    if not found.num_rows:
        return records.lines, records.cells
    bad = dict(zip(*(found.column(name).to_pylist() for name in ("row", "code")), strict=True))
    unreadable.update(bad.values())
    good = np.ones(len(records.lines), dtype=bool)
    good[list(bad)] = False
    return records.lines.filter(pa.array(good)), records.cells.filter(pa.array(good))


class _Sketch:
    """What is known of a column so far."""

    def __init__(self, header: str, bound: int) -> None:
        self._header = header
        self._counts = _Counts(bound)
        self._filled = self._longest = self._longest_line = self._full_codes = 0
        self._looked_at = 0
        self._kinds: Counter[Kind] = Counter()
        self._regions: Counter[str] = Counter()
        self._national: dict[str, None] = {}
        self._dates = DateEvidence()
        self._damage: dict[str, Damage] = {}

    def see(self, column: pa.Array, lines: pa.Array) -> None:
        """Look at a further batch."""
        seen = damage.look(column)
        self._full_codes += seen.full_codes
        for name, mask in seen.damaged.items():
            self._found(name, mask, lines)
        count = int(seen.filled.sum())
        if not count:
            return
        first, self._filled = not self._filled, self._filled + count
        mask = pa.array(seen.filled)
        values, at = seen.trimmed.filter(mask), lines.filter(mask)
        lengths = pc.utf8_length(values).to_numpy()
        longest = int(lengths.argmax())
        if lengths[longest] > self._longest:
            self._longest, self._longest_line = int(lengths[longest]), at[longest].as_py()
        self._counts.add(values)
        if self._look(values, _FIRST_LOOK if first else _LATER_LOOK):
            self._dates = self._dates.combine(date_evidence(values, at, 0))

    def _found(self, name: str, mask: np.ndarray, lines: pa.Array) -> None:
        cells = int(mask.sum())
        if cells:
            before = self._damage.get(name) or Damage(0, lines[int(mask.argmax())].as_py())
            self._damage[name] = Damage(before.cells + cells, before.line)

    def _look(self, values: pa.Array, most: int) -> bool:
        """Tell some values' kinds, spread over the batch; return whether any is a date."""
        step = -(-len(values) // most)
        some = Counter(values.take(pa.array(np.arange(0, len(values), step))).to_pylist())
        dates = 0
        for text, times in some.items():
            found = contents.look(text)
            if "nothing" in found.kinds:
                continue
            self._looked_at += times
            for kind in found.kinds:
                self._kinds[kind] += times
            if found.region:
                self._regions[found.region] += times
            if "national" in found.kinds and len(self._national) < _MOST_NATIONAL:
                self._national[text] = None
            dates += "date" in found.kinds
        return dates > 0

    def column(self) -> Column:
        """Return what was found."""
        counts = self._counts
        return Column(
            header=self._header,
            filled=self._filled,
            distinct=counts.distinct,
            bound=counts.bound,
            repeated=counts.repeated,
            longest=self._longest,
            longest_line=self._longest_line,
            looked_at=self._looked_at,
            kinds=self._kinds,
            regions=self._regions,
            dates=self._dates,
            damage=self._damage,
            full_codes=self._full_codes,
            top=counts.top(),
            national=tuple(self._national),
        )


class _Counts:
    """How often each value comes; beyond the bound, only of the most frequent ones so far."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.repeated = False
        self._many = False
        self._values = pa.array([], pa.string())
        self._times = pa.array([], pa.int64())

    @property
    def distinct(self) -> int | None:
        """How many values there are, None when they are more than the bound."""
        return None if self._many else len(self._values)

    def add(self, values: pa.Array) -> None:
        """Count a further batch."""
        seen = pc.value_counts(_short(values))
        names, times = seen.field("values"), seen.field("counts")
        several = pc.greater(times, 1)
        self.repeated |= bool(pc.any(several).as_py())
        if self._many:
            known = pc.or_(several, pc.is_in(names, self._values))
            names, times = names.filter(known), times.filter(known)
        together = pa.table(
            {
                "value": pa.concat_arrays([self._values, names]),
                "times": pa.concat_arrays([self._times, times]),
            }
        )
        counted = together.group_by("value", use_threads=False).aggregate([("times", "sum")])
        self.repeated |= counted.num_rows < together.num_rows
        self._many = self._many or counted.num_rows > self.bound
        if self._many:
            order = np.argsort(-counted.column("times_sum").to_numpy(), kind="stable")
            counted = counted.take(pa.array(order[:_FREQUENT]))
        counted = counted.combine_chunks()
        self._values, self._times = (
            pa.concat_arrays(counted.column(name).chunks or [empty])
            for name, empty in (("value", self._values[:0]), ("times_sum", self._times[:0]))
        )

    def top(self) -> tuple[tuple[str, int], ...]:
        """Return the most frequent values; of equally frequent ones those that came first."""
        pairs = zip(self._values.to_pylist(), self._times.to_pylist(), strict=True)
        return tuple(sorted(pairs, key=lambda pair: -pair[1])[:_FREQUENT])


def _short(values: pa.Array) -> pa.Array:
    """Return values of bounded size that are as different as the values are."""
    long = Octets(values).lengths > _LONG
    if not long.any():
        return values
    mask = pa.array(long)
    shorter = [
        f"{text[:_LONG]}…{hashlib.sha256(text.encode()).hexdigest()}"
        for text in values.filter(mask).to_pylist()
    ]
    return pc.replace_with_mask(values, mask, pa.array(shorter, pa.string()))
