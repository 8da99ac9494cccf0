"""A chart is well-formed, has every series and value, and stands where the numbers say."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

from benchmarks import plots

_SVG = "{http://www.w3.org/2000/svg}"


def _texts(drawing: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(drawing).iter(f"{_SVG}text")]


def test_a_line_is_straight_where_the_cost_of_a_row_is_the_same() -> None:
    """Ten times the rows are as far to the right each time; equal costs are equally high."""
    series = {"flat": [(1e4, 5.0), (1e5, 5.0), (1e6, 5.0)], "rising <": [(1e4, 1.0), (1e6, 90.0)]}

    drawing = plots.lines("Cost & size", "rows", "µs", {**series, "unmeasured": []})

    flat, rising = ElementTree.fromstring(drawing).iter(f"{_SVG}polyline")
    (x1, y1), (x2, y2), (x3, y3) = (
        map(float, point.split(",")) for point in flat.attrib["points"].split()
    )
    assert (y1, y1) == (y2, y3)
    assert abs((x2 - x1) - (x3 - x2)) <= 0.2
    heights = [float(y) for y in re.findall(r",(\S+)", rising.attrib["points"])]
    assert heights[0] > heights[1]  # down is more
    assert {"Cost & size", "flat", "rising <", "10k", "1M"} <= set(_texts(drawing))
    assert "unmeasured" not in _texts(drawing)


def test_labels_do_not_stand_over_each_other() -> None:
    """Series that end at the same place have their names below each other."""
    series = {f"stage {n}": [(10.0, 1.0), (100.0, 2.0)] for n in range(8)}

    root = ElementTree.fromstring(plots.lines("All alike", "rows", "s", series))

    labels = [one for one in root.iter(f"{_SVG}text") if (one.text or "").startswith("stage")]
    heights = sorted(float(one.attrib["y"]) for one in labels)
    assert len(heights) == 8
    assert all(below - above >= 14 for above, below in pairwise(heights))


def test_bars_are_as_long_as_the_values() -> None:
    """The longest comes first, and half of it is half as long."""
    root = ElementTree.fromstring(plots.bars("Ratios", {"half": 2.0, "whole": 4.0}, "× floor"))

    _, whole, half = root.iter(f"{_SVG}rect")
    assert float(whole.attrib["width"]) == 2 * float(half.attrib["width"])
    assert "4 × floor" in _texts(plots.bars("Ratios", {"whole": 4.0}, "× floor"))
