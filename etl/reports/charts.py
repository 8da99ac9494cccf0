"""Where do the parts of a chart lie? Numbers in, places out; the template draws them.

Across, charts are stretched to the width there is; down, a unit is a pixel. Texts are never
stretched: they stand beside, placed in percent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from etl.journal.timeline import Kind, Told

# -- the flow from sources to outcomes ---------------------------------------------------------

_TALL = 200.0  # pixels that all rows together take
_SLOT = 24.0  # pixels a label needs
_THINNEST = 1.5
_NAMED = 6  # sources; the others are one


class Node(NamedTuple):
    """A bar at one side of a flow: what flows there, and how many rows."""

    name: str
    rows: int
    top: float
    height: float
    label: float  # where the middle of its label is


class Ribbon(NamedTuple):
    """What flows from one source to one outcome."""

    source: str
    outcome: str
    rows: int
    path: str


class Flow(NamedTuple):
    """A whole flow, and how tall it is."""

    sources: list[Node]
    outcomes: list[Node]
    ribbons: list[Ribbon]
    height: float


def flow(
    names: Sequence[str], flows: Sequence[Mapping[str, int]], outcomes: Sequence[str]
) -> Flow | None:
    """Return the flow of each source's rows into outcomes, None where there are no rows."""
    named = list(zip(names, flows, strict=True))
    named.sort(key=lambda one: -sum(one[1].values()))
    if len(named) > _NAMED + 1:
        others = [flow for _, flow in named[_NAMED:]]
        together = {each: sum(one.get(each, 0) for one in others) for each in outcomes}
        named = [*named[:_NAMED], (f"{len(others)} more files", together)]
    total = sum(sum(flow.values()) for _, flow in named)
    if not total:
        return None
    # A node is as high as all that flows through it, thinnest ribbons included.
    lefts = _nodes(((name, list(flow.values())) for name, flow in named), total)
    through = ((each, [flow.get(each, 0) for _, flow in named]) for each in outcomes)
    rights = _nodes(through, total)
    tall = max(_bottom(lefts), _bottom(rights))
    lefts, rights = _centred(lefts, tall), _centred(rights, tall)
    entering = {node.name: node.top for node in rights}
    ribbons = []
    for node, (name, of_source) in zip(
        lefts, [one for one in named if sum(one[1].values())], strict=True
    ):
        leaving = node.top
        for outcome in outcomes:
            if rows := of_source.get(outcome, 0):
                thick = _thick(rows, total)
                path = _ribbon(leaving, entering[outcome], thick)
                ribbons.append(Ribbon(name, outcome, rows, path))
                leaving += thick
                entering[outcome] += thick
    return Flow(lefts, rights, ribbons, tall)


def _thick(rows: int, total: int) -> float:
    return max(_TALL * rows / total, _THINNEST) if rows else 0.0


def _nodes(parts: Iterable[tuple[str, Sequence[int]]], total: int) -> list[Node]:
    """Place nodes below each other, each where its label has room."""
    nodes, top = [], 0.0
    for name, rows in parts:
        if any(rows):
            height = sum(_thick(each, total) for each in rows)
            slot = max(height + 4, _SLOT)
            nodes.append(Node(name, sum(rows), top + (slot - height) / 2, height, top + slot / 2))
            top += slot
    return nodes


def _bottom(nodes: Sequence[Node]) -> float:
    return max(node.label + max(node.height + 4, _SLOT) / 2 for node in nodes)


def _centred(nodes: list[Node], tall: float) -> list[Node]:
    down = (tall - _bottom(nodes)) / 2
    return [node._replace(top=node.top + down, label=node.label + down) for node in nodes]


def _ribbon(left: float, right: float, thick: float) -> str:
    """Return the path of a ribbon across a width of 100."""
    return (
        f"M0 {left:.1f}C50 {left:.1f} 50 {right:.1f} 100 {right:.1f}V{right + thick:.1f}"
        f"C50 {right + thick:.1f} 50 {left + thick:.1f} 0 {left + thick:.1f}Z"
    )


# -- what was done over time -------------------------------------------------------------------

LANE = 40  # pixels
_LANES: dict[Kind, tuple[str, str]] = {
    "read": ("rows read", "rows"),
    "checked": ("rows checked", "rows"),
    "written": ("profiles written", "profiles"),
    "read_back": ("profiles read back", "profiles"),
    "calls": ("requests sent", "requests"),
    "rate_limited": ("429s: asked to slow down", "answers"),
    "retries": ("requests repeated", "requests"),
    "errors": ("attempts that failed", "attempts"),
}
_STEPS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800),
)
_TICKS = 6
_SPANS = 12


class Lane(NamedTuple):
    """How one kind of work went: its shape, how much it was in all, and the most in a second."""

    kind: Kind
    name: str
    unit: str
    total: int
    peak: float
    path: str


class Tick(NamedTuple):
    """A moment that is named under the lanes, ``at`` so many percent."""

    at: float
    label: str


class Span(NamedTuple):
    """What was done from one moment to another, for those who read a table."""

    begin: float
    end: float
    counts: dict[Kind, int]


class Lanes(NamedTuple):
    """Everything over time; ``stretches`` is the width of the lanes' paths."""

    stretches: int
    seconds: float
    lanes: list[Lane]
    ticks: list[Tick]
    resumed: list[float]
    spans: list[Span]


def lanes(told: Told) -> Lanes | None:
    """Return what was done over time, None where nothing was counted."""
    if not told.counts:
        return None
    stretches = max(told.counts) + 1
    drawn = []
    for kind, (name, unit) in _LANES.items():
        counts = {at: counts.get(kind, 0) for at, counts in told.counts.items()}
        total = sum(counts.values())
        if total:
            peak = _peak(counts, told.seconds)
            drawn.append(Lane(kind, name, unit, total, peak, _steps(counts)))
    seconds = stretches * told.seconds
    return Lanes(
        stretches,
        seconds,
        drawn,
        _ticks(seconds),
        [100 * at / stretches for at in told.begun[1:]],
        _spans(told, stretches),
    )


def _peak(counts: Mapping[int, int], seconds: float) -> float:
    """Return the most in a second; in less nothing has a speed."""
    together = max(round(1 / seconds), 1)
    most = max(sum(counts.get(at - n, 0) for n in range(together)) for at in counts)
    return most / (together * seconds)


def _steps(counts: Mapping[int, int]) -> str:
    """Return the path of bars as high as the counts; neighbours are one shape."""
    path, before, most = list[str](), -2, max(counts.values())
    for at, count in sorted(counts.items()):
        if not count:
            continue
        # What is there at all is seen.
        top = LANE - max(LANE * count / most, 1.0)
        if at != before + 1:
            path.append(f"{f'V{LANE}' if path else ''}M{at} {LANE}")
        path.append(f"V{top:.1f}H{at + 1}")
        before = at
    return "".join([*path, f"V{LANE}"])


def _ticks(seconds: float) -> list[Tick]:
    step = next((step for step in _STEPS if seconds / step <= _TICKS), seconds / _TICKS)
    times = [step * n for n in range(int(seconds / step) + 1)]
    # The last label would stand beyond the end.
    return [Tick(100 * at / seconds, moment(at)) for at in times if at <= 0.93 * seconds]


def _spans(told: Told, stretches: int) -> list[Span]:
    each = -(-stretches // _SPANS)
    spans: dict[int, dict[Kind, int]] = {}
    for at, counts in sorted(told.counts.items()):
        into = spans.setdefault(at // each, {})
        for kind, count in counts.items():
            into[kind] = into.get(kind, 0) + count
    return [
        Span(n * each * told.seconds, min((n + 1) * each, stretches) * told.seconds, counts)
        for n, counts in sorted(spans.items())
        if any(counts.values())
    ]


def moment(seconds: float) -> str:
    """Return a time in the run, as short as it can be said."""
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min" if not rest else f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h" if not minutes else f"{hours} h {minutes:02} min"
