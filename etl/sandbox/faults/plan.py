"""What goes wrong on purpose, and when?

A plan is a list of scripted faults, each bound to an endpoint and to its n-th call or to a share
of its calls, drawn from a seed: the same plan and the same calls always fail alike. A plan lives in
the process that was told it, not in the file. What a fault does to an answer is told by
``spoiling``, what others do meanwhile by ``others``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from etl.sandbox.errors import Problem, Refusal, expected
from etl.sandbox.reading import is_number, nearest
from etl.sandbox.rules import customers as rules
from etl.sandbox.settings import TEN_YEARS, is_duration
from etl.sandbox.versions import NEWEST

# Faults that can stand in for an answer; the next need one to spoil.
_WITHOUT_ANSWER = ("drop", "reset", "delay", "status", "garbage", "bomb")
_SPOILING = ("truncate", "drip", "omit", "extra", "reorder")
# What others do while a call is under way; the call itself goes on.
ACTS = ("edit", "merge", "delete", "expire", "revoke", "pause")
KINDS = (*_WITHOUT_ANSWER, *_SPOILING, *ACTS)

_BEFORE_BY_DEFAULT = ("drop", "reset", "delay", "status", *ACTS)
Extent = Literal["whole", "half", "undone", "nothing"]
WHENS = ("before", "mid", "after", "body")
_MID_BODY = ("drop", "reset", "delay", "truncate", "drip")
# Members that only some kinds of fault have.
_ONLY = {
    "page": ("garbage",),
    "compressed": ("bomb",),
    "profiles": ("edit", "merge", "delete"),
    "changes": ("edit",),
}

# What comes instead of the answer from an edge, an older API or a broken server: status (None: the
# answer's own), content type, body (None: the first half of the answer's own).
_HTML, _TEXT, _JSON = "text/html", "text/plain", "application/json"
_UPSTREAM = b"upstream connect error or disconnect/reset before headers"
_ERROR_PAGE = b"<html><head><title>%b</title></head><body><h1>%b</h1></body></html>"
_V1_ERROR = b'{"errors":[{"category":"V1_ERROR","code":"TOO_MANY_REQUESTS"}]}'
PAGES: dict[str, tuple[int | None, str, bytes | None]] = {
    "upstream-html": (200, _HTML, b"<html><body>%b</body></html>" % _UPSTREAM),
    "upstream": (503, _TEXT, _UPSTREAM + b". reset reason: connection failure"),
    "unavailable": (503, _TEXT, b"Service Unavailable"),
    "502": (502, _HTML, _ERROR_PAGE % ((b"502 Bad Gateway",) * 2)),
    "503": (503, _HTML, _ERROR_PAGE % ((b"503 Service Temporarily Unavailable",) * 2)),
    "1101": (500, _HTML, _ERROR_PAGE % ((b"Error 1101: Worker threw exception",) * 2)),
    "v1-429": (429, _JSON, _V1_ERROR),
    "cut-json": (None, _JSON, None),
    "bad-json": (None, _JSON, b'{"customers": [{"id": }], "responses": {,}}'),
    "not-utf-8": (None, _JSON, b'{"customers": [{"given_name": "\xff\xfe"}]}'),
    "deep-json": (None, _JSON, b'{"customers":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "empty": (None, _JSON, b""),
}
_BOMB_BYTES = 64 << 20
LARGEST_BOMB = 1 << 30
_PAUSE = 180  # "a few minutes"


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault.

    ``when`` is about the commit: ``before`` nothing of the call is carried out (a ``delay`` only
    postpones it, an answer that is spoiled promises what is then undone), ``after`` all of it,
    ``mid`` the first half of a bulk call's entries (a single call has no middle: it is carried
    out). ``body`` is after it, in the middle of the answer's body. What others do comes before or
    after the commit.
    """

    endpoint: str
    do: str
    when: str
    nth: frozenset[int] = frozenset()
    rate: float = 0.0
    seconds: float = 0.0
    status: int | None = None
    body: Any = None
    retry_after: float | None = None
    count: int = 1
    size: int = _BOMB_BYTES
    compressed: bool = True
    page: str = "upstream-html"
    profiles: str | Sequence[str] = "first"
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def extent(self) -> Extent:
        """How much of a call is carried out for good."""
        if self.when != "before" or self.do == "delay":
            return "half" if self.when == "mid" else "whole"
        return "undone" if self.do in _SPOILING else "nothing"


@dataclass(slots=True)
class Chosen:
    """The fault of one call, with the chance that decides its details."""

    fault: Fault
    chance: random.Random


# What meets one call: what others do at it, and the first other fault.
Met = tuple[Sequence[Chosen], Chosen | None]
NOTHING: Met = ((), None)


@dataclass(slots=True)
class Script:
    """The plan in force, as it was asked for, and the calls counted since it was set."""

    endpoints: Sequence[str]
    plan: Sequence[Fault] = ()
    asked: Sequence[Mapping[str, Any]] = ()
    seed: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    paused_until: int = 0

    def play(self, body: Mapping[str, Any], country: str) -> None:
        """Begin another plan, of a merchant in ``country``.

        Raises Refusal naming the entry that cannot be played.
        """
        unknown = [name for name in body if name not in ("plan", "seed")]
        if unknown:
            raise Refusal(Problem("BAD_REQUEST", "A plan has plan and seed.", unknown[0]))
        plan, seed = body.get("plan"), body.get("seed", 0)
        if not isinstance(plan, list):
            raise Refusal(expected("array", "plan"))
        if type(seed) is not int:
            raise Refusal(expected("integer", "seed"))
        self.plan = [
            _read(entry, f"plan[{number}]", self.endpoints, country)
            for number, entry in enumerate(plan)
        ]
        self.asked, self.seed, self.calls, self.paused_until = plan, seed, Counter(), 0

    def next(self, endpoint: str) -> Met:
        """Count a call; return what others do at it, and the first other fault that meets it."""
        self.calls[endpoint] += 1
        self.calls["*"] += 1
        acts, first = list[Chosen](), None
        for number, fault in enumerate(self.plan):
            if fault.endpoint not in (endpoint, "*"):
                continue
            nth = self.calls[fault.endpoint]
            # Drawn per call, not one after the other: which calls are hit does not depend on
            # the other faults of the plan.
            chance = random.Random(f"{self.seed}/{number}/{nth}")
            if nth not in fault.nth and chance.random() >= fault.rate:
                continue
            if fault.do in ACTS:
                acts.append(Chosen(fault, chance))
            elif first is None:
                first = Chosen(fault, chance)
        return acts, first


def _counts(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(type(nth) is int and nth > 0 for nth in values)


def _between(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _profiles(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(customer_id, str) for customer_id in value)
    return value in ("first", "every")


_CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "do": (lambda value: value in KINDS, f"do is one of {', '.join(KINDS)}"),
    "when": (lambda value: value in WHENS, f"when is one of {', '.join(WHENS)}"),
    "nth": (_counts, "nth counts from 1"),
    "rate": (lambda value: is_number(value) and 0 <= value <= 1, "rate lies between 0 and 1"),
    "seconds": (is_duration, f"seconds is a number from 0 to {TEN_YEARS}"),
    "retry_after": (is_duration, f"retry_after is a number from 0 to {TEN_YEARS}"),
    "status": (_between(200, 599), "status lies between 200 and 599"),
    "count": (_between(0, 1000), "count is a whole number from 0 to 1000"),
    "bytes": (_between(0, LARGEST_BOMB), f"bytes is a whole number from 0 to {LARGEST_BOMB}"),
    "compressed": (lambda value: isinstance(value, bool), "compressed is true or false"),
    "page": (lambda value: value in list(PAGES), f"page is one of {', '.join(PAGES)}"),
    "profiles": (_profiles, "profiles is first, every or a list of ids"),
    "changes": (lambda value: isinstance(value, dict) and bool(value), "changes name fields"),
}
MEMBERS = ("endpoint", "body", *_CHECKS)


def _read(entry: Any, where: str, endpoints: Sequence[str], country: str) -> Fault:
    if not isinstance(entry, dict):
        raise Refusal(expected("object", where))
    for name in entry:
        known = f"Known members are {', '.join(MEMBERS)}"
        _allow(name in MEMBERS, where, f"no member {name!r}{nearest(name, MEMBERS)} {known}")
    endpoint, do = entry.get("endpoint", "*"), entry.get("do", "")
    near = nearest(str(endpoint), endpoints)
    known = f"Known are *, {', '.join(endpoints)}"
    _allow(endpoint in ("*", *endpoints), where, f"no endpoint {endpoint!r}{near} {known}")
    for name, (fine, remedy) in _CHECKS.items():
        _allow(fine(do) if name == "do" else name not in entry or fine(entry[name]), where, remedy)
    for name, kinds in _ONLY.items():
        _allow(name not in entry or do in kinds, where, f"only {', '.join(kinds)} has {name}")
    nth, rate = entry.get("nth", []), entry.get("rate", 0.0)
    when = entry.get("when", "before" if do in _BEFORE_BY_DEFAULT else "after")
    _allow(bool(nth) or rate > 0, where, "give nth or rate")
    _allow(when != "body" or do in _MID_BODY, where, f"in the body only {', '.join(_MID_BODY)}")
    _allow(when in ("before", "after") or do not in ACTS, where, f"{do} comes before or after")
    if do == "edit":
        _allow("changes" in entry, where, "an edit has changes")
        _judge(entry["changes"], where, country)
    several = entry.get("profiles", "first")
    alone = isinstance(several, list) and len(set(several)) < 2
    _allow(do != "merge" or not alone, where, "a merge takes two profiles at least")
    return Fault(
        endpoint=endpoint,
        do=do,
        when=when,
        nth=frozenset(nth if isinstance(nth, list) else [nth]),
        rate=rate,
        seconds=entry.get("seconds", _PAUSE if do == "pause" else 0.0),
        status=entry.get("status"),
        body=entry.get("body"),
        retry_after=entry.get("retry_after"),
        count=entry.get("count", 1),
        size=entry.get("bytes", _BOMB_BYTES),
        compressed=entry.get("compressed", True),
        page=entry.get("page", "upstream-html"),
        profiles=several,
        changes=entry.get("changes", {}),
    )


def _judge(changes: Mapping[str, Any], where: str, country: str) -> None:
    judged = rules.judge_change(changes, country, NEWEST, clear_null=True, strict=True)
    for problem in judged.problems:
        _allow(False, where, f"changes: {problem.detail}")
    _allow("version" not in changes, where, "others edit whatever the version is")


def _allow(fine: bool, where: str, remedy: str) -> None:
    if not fine:
        raise Refusal(Problem("BAD_REQUEST", f"{where}: {remedy}", where))
