"""Which of many patterns do numbers match, for a whole column of digits at a time?

The patterns are regular expressions over the ten digits, as far as descriptions of phone numbers
use them. They become one finite automaton whose states are made when a number first reaches them:
from then on a digit of every number of a column costs one look into a table, however many patterns
there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, reduce
from threading import Lock
from typing import NamedTuple

import numpy as np

# What stands after the last digit of a number that is shorter than others; changes no state.
BLANK = 10
_ALL = (1 << 10) - 1
_UNKNOWN = -1
# Of a line of the table.
_WIDTH = 16


class Pattern(NamedTuple):
    """A regular expression that numbers match as a whole, or only with their beginning."""

    expression: str
    whole: bool = True


# Makes the nodes of a part of a pattern; it is given where they lead, and returns the first one.
_Part = Callable[[int], int]


class Automaton:
    """Tells which numbers match the same of the patterns that belong to where they started."""

    def __init__(self) -> None:
        # Of each node, what digits (as a mask) lead where, and where it leads without a digit.
        self._steps: list[tuple[int, int]] = []
        self._free: list[tuple[int, ...]] = []
        # Those where a pattern is matched.
        self._ends: set[int] = set()
        # A state is a set of nodes.
        self._states: list[frozenset[int]] = []
        self._numbers: dict[frozenset[int], int] = {}
        self._next = np.full((64, _WIDTH), _UNKNOWN, "<i4")
        self._lock = Lock()

    def start(self, patterns: Sequence[Pattern]) -> int:
        """Return the state in which a number begins that is matched with these patterns.

        Raises ValueError for a pattern with anything that no description of numbers has had yet.
        """
        with self._lock:
            begins = []
            for pattern in patterns:
                end = self.node()
                self._ends.add(end)
                goal = end if pattern.whole else self.node(free=(end,))
                if not pattern.whole:
                    self._steps[goal] = (_ALL, goal)
                begins.append(_Reader(self, pattern.expression, goal, end).whole()(goal))
            return self._state(begins)

    def run(self, state: np.ndarray, digits: Iterable[np.ndarray]) -> np.ndarray:
        """Return the states that numbers end in; ``digits`` has a line for the nth of each.

        Numbers that end in one state match the same patterns.
        """
        for nth in digits:
            places = state * _WIDTH + nth
            state = self._next.ravel().take(places)
            if (state == _UNKNOWN).any():
                self._extend(np.unique(places[state == _UNKNOWN]))
                state = self._next.ravel().take(places)
        return state

    def first_digits(self, state: int) -> list[int]:
        """Return which digits may follow in a state, should any pattern match."""
        masks = [self._steps[node][0] for node in self._states[state]]
        return [digit for digit in range(10) if any(mask >> digit & 1 for mask in masks)]

    def node(self, digits: int = 0, goal: int = 0, free: tuple[int, ...] = ()) -> int:
        """Make a node that some digits lead to the goal from."""
        self._steps.append((digits, goal))
        self._free.append(free)
        return len(self._steps) - 1

    def lead(self, node: int, *goals: int) -> None:
        """Let a node lead to others without a digit."""
        self._free[node] += goals

    def _extend(self, places: np.ndarray) -> None:
        with self._lock:
            for place in places.tolist():
                state, digit = divmod(place, _WIDTH)
                steps = (self._steps[node] for node in self._states[state])
                after = self._state([goal for mask, goal in steps if mask >> digit & 1])
                self._next[state, digit] = after

    def _state(self, nodes: Iterable[int]) -> int:
        """Return the state of these nodes and of those they lead to without a digit."""
        found, waiting = set[int](), list(nodes)
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += self._free[node]
        # Those that only lead to others say nothing.
        state = frozenset(node for node in found if self._steps[node][0] or node in self._ends)
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
            if number == len(self._next):
                more = np.full_like(self._next, _UNKNOWN)
                self._next = np.concatenate((self._next, more))
            self._next[number, BLANK] = number
        return number


_TOKEN = re.compile(r"\[[0-9-]+\]|\\d|[0-9]|\(\?:|[()|$]|[?*+]|\{\d+(?:,\d*)?\}")


class _Reader:
    """Reads the regular expression of one pattern."""

    def __init__(self, automaton: Automaton, expression: str, goal: int, end: int) -> None:
        self._automaton = automaton
        self._expression = expression
        self._tokens = _TOKEN.findall("".join(expression.split()))
        if "".join(self._tokens) != "".join(expression.split()):
            raise ValueError(f"no pattern of digits: {expression}")
        self._goal, self._end = goal, end

    def whole(self) -> _Part:
        """Read all of the pattern."""
        part = self._part()
        if self._tokens:
            raise ValueError(f"a group is closed that was not opened: {self._expression}")
        return part

    def _part(self) -> _Part:
        """Read alternatives up to the end of their group."""
        ways = [self._sequence()]
        while self._tokens and self._tokens[0] == "|":
            self._tokens.pop(0)
            ways.append(self._sequence())
        if len(ways) == 1:
            return ways[0]
        return lambda goal: self._automaton.node(free=tuple(way(goal) for way in ways))

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        while self._tokens and self._tokens[0] not in ("|", ")"):
            parts.append(self._repeated(self._single()))
        return lambda goal: reduce(lambda begin, part: part(begin), reversed(parts), goal)

    def _single(self) -> _Part:
        token = self._tokens.pop(0)
        if token in ("(", "(?:"):
            inside = self._part()
            if not self._tokens:
                raise ValueError(f"a group is not closed: {self._expression}")
            self._tokens.pop(0)
            return inside
        if token == "$":
            return self._last
        if token != r"\d" and token[0] not in "[0123456789":
            raise ValueError(f"nothing to repeat: {self._expression}")
        mask = _mask(token)
        return lambda goal: self._automaton.node(mask, goal)

    def _last(self, goal: int) -> int:
        """End the number here, though the pattern need not match the whole of it."""
        if goal != self._goal:
            raise ValueError(f"something follows the end: {self._expression}")
        return self._end

    def _repeated(self, part: _Part) -> _Part:
        token = self._tokens[0] if self._tokens else ""
        if token[:1] not in ("?", "*", "+", "{") or not token:
            return part
        self._tokens.pop(0)
        if token in ("?", "*", "+"):
            fewest, most = {"?": (0, 1), "*": (0, None), "+": (1, None)}[token]
        else:
            low, comma, high = token[1:-1].partition(",")
            fewest, most = int(low), int(high) if high else None if comma else int(low)
        if self._tokens and self._tokens[0] in ("?", "+", "*"):
            raise ValueError(f"a repetition of a repetition: {self._expression}")
        return lambda goal: self._times(part, fewest, most, goal)

    def _times(self, part: _Part, fewest: int, most: int | None, goal: int) -> int:
        begin = goal
        if most is None:
            begin = self._automaton.node()
            self._automaton.lead(begin, part(begin), goal)
        else:
            for _ in range(most - fewest):
                begin = self._automaton.node(free=(part(begin), goal))
        for _ in range(fewest):
            begin = part(begin)
        return begin


@cache
def _mask(token: str) -> int:
    """Return which digits a token stands for."""
    return sum(1 << digit for digit in range(10) if re.fullmatch(token, str(digit)))
