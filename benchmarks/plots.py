"""How is a chart drawn that any browser shows, with nothing but text? Numbers in, SVG out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil, floor, log10

Points = Sequence[tuple[float, float]]

_COLOURS = ("#0b6", "#06c", "#c40", "#808", "#a70", "#088", "#555", "#d39", "#000", "#9a9")
_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 56, 45
_BAR = 24
_NAMES = 230


def lines(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """Draw points joined by lines, both axes logarithmic; a series of no points is left out."""
    drawn = {name: sorted(points) for name, points in series.items() if points}
    xs = [x for points in drawn.values() for x, _ in points]
    ys = [y for points in drawn.values() for _, y in points]
    (x0, x1), (y0, y1) = _decades(xs), _decades(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        right = (log10(x) - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)
        above = (log10(y) - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + right, _HEIGHT - _BOTTOM - above

    parts = [_text(_LEFT, 22, title, "start", bold=True)]
    for power in range(y0, y1 + 1):
        x, y = place(10**x0, 10**power)
        parts.append(_line((x, y), (_WIDTH - _RIGHT, y), "#ddd"))
        parts.append(_text(x - 6, y + 4, short(10.0**power), "end"))
    for power in range(x0, x1 + 1):
        x, y = place(10**power, 10**y0)
        parts.append(_line((x, y), (x, _TOP), "#ddd"))
        parts.append(_text(x, y + 16, short(10.0**power), "middle"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, across, "middle"))
    parts.append(_text(6, _TOP - 8, up, "start"))
    ends = {name: place(*points[-1]) for name, points in drawn.items()}
    labels = _apart({name: y for name, (_, y) in ends.items()})
    for (name, points), colour in zip(drawn.items(), _COLOURS * len(drawn), strict=False):
        places = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(_line(ends[name], (_WIDTH - _RIGHT + 6, labels[name]), colour, thin=True))
        parts.append(_text(_WIDTH - _RIGHT + 9, labels[name] + 4, name, "start", colour))
    return _svg(_HEIGHT, title, parts)


def bars(title: str, values: Mapping[str, float], unit: str) -> str:
    """Draw a bar for each value, the longest first."""
    ordered = sorted(values.items(), key=lambda one: -one[1])
    most = max(values.values())
    parts = [_text(10, 22, title, "start", bold=True)]
    for at, (name, value) in enumerate(ordered):
        top = _TOP + at * _BAR
        long = value / most * (_WIDTH - _NAMES - 90)
        parts.append(_text(_NAMES - 8, top + 13, name, "end"))
        parts.append(
            f'<rect x="{_NAMES}" y="{top}" width="{max(long, 1):.1f}" height="{_BAR - 8}" '
            f'fill="{_COLOURS[1]}"/>'
        )
        parts.append(_text(_NAMES + long + 6, top + 13, f"{value:.3g} {unit}", "start"))
    return _svg(_TOP + len(ordered) * _BAR + 10, title, parts)


def short(value: float) -> str:
    """Return a number as short as it can be said."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten around all values."""
    low = floor(log10(min(values)))
    return low, max(ceil(log10(max(values))), low + 1)


def _apart(wanted: Mapping[str, float]) -> dict[str, float]:
    """Return places for labels near where they are wanted, none over another."""
    places, last = dict[str, float](), float("-inf")
    for name, y in sorted(wanted.items(), key=lambda one: one[1]):
        last = places[name] = max(y, last + 15)
    over = max(last - (_HEIGHT - _BOTTOM), 0.0)
    return {name: y - over for name, y in places.items()}


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return "\n".join(_document(height, title, parts)) + "\n"


def _document(height: float, title: str, parts: Sequence[str]) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'width="{_WIDTH}" height="{height:.0f}" font-family="sans-serif" font-size="12" '
        f'role="img">'
    )
    yield f"<title>{escape(title)}</title>"
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    yield from parts
    yield "</svg>"


def _text(
    x: float, y: float, told: str, anchor: str, colour: str = "#333", *, bold: bool = False
) -> str:
    weight = ' font-weight="bold" font-size="14"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>'
        f"{escape(told)}</text>"
    )


def _line(
    begin: tuple[float, float], end: tuple[float, float], colour: str, *, thin: bool = False
) -> str:
    width = "0.5" if thin else "1"
    return (
        f'<line x1="{begin[0]:.1f}" y1="{begin[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )
