"""How can a network and a server fail, and when do they?

A plan is a list of scripted faults, each bound to an endpoint and to its n-th call or to a share
of its calls, drawn from a seed: the same plan and the same calls always fail alike. A plan lives in
the process that was told it, not in the file.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from etl.sandbox.errors import API, RATE_LIMIT, Problem, Refusal, as_errors, expected
from etl.sandbox.ids import customer_id
from etl.sandbox.messages import Delivery, Response

# Faults that can stand in for an answer; the others need one to spoil.
_WITHOUT_ANSWER = ("drop", "reset", "delay", "status", "garbage", "bomb")
_SPOILING = ("truncate", "drip", "omit", "extra", "reorder")
KINDS = (*_WITHOUT_ANSWER, *_SPOILING)
_BEFORE_BY_DEFAULT = ("drop", "reset", "delay", "status")
_MEMBERS = frozenset(
    {"endpoint", "nth", "rate", "when", "do", "seconds", "status", "body", "retry_after", "count"}
    | {"bytes"}
)

_CODES = {
    429: ("RATE_LIMITED", RATE_LIMIT),
    500: ("INTERNAL_SERVER_ERROR", API),
    502: ("BAD_GATEWAY", API),
    503: ("SERVICE_UNAVAILABLE", API),
    504: ("GATEWAY_TIMEOUT", API),
}
# What an edge in front of Square has been seen to send instead of JSON.
_EDGE_PAGE = b"<html><body>upstream connect error or disconnect/reset before headers</body></html>"
_BOMB_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault.

    ``when`` is about the commit: ``before`` nothing of the call is carried out (a ``delay`` only
    postpones it), ``after`` all of it, ``mid`` the first half of a bulk call's entries (a single
    call has no middle: it is carried out).
    """

    endpoint: str
    do: str
    when: str
    nth: frozenset[int] = frozenset()
    rate: float = 0.0
    seconds: float = 0.0
    status: int = 503
    body: Any = None
    retry_after: float | None = None
    count: int = 1
    size: int = _BOMB_BYTES


@dataclass(slots=True)
class Chosen:
    """The fault of one call, with the chance that decides its details."""

    fault: Fault
    chance: random.Random


@dataclass(slots=True)
class Script:
    """The plan in force and the calls counted since it was set."""

    endpoints: Sequence[str]
    plan: Sequence[Fault] = ()
    seed: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def play(self, body: Mapping[str, Any]) -> None:
        """Begin another plan. Raises Refusal naming the entry that cannot be played."""
        plan, seed = body.get("plan"), body.get("seed", 0)
        if not isinstance(plan, list):
            raise Refusal(expected("array", "plan"))
        if type(seed) is not int:
            raise Refusal(expected("integer", "seed"))
        self.plan = [
            _read(entry, f"plan[{number}]", self.endpoints) for number, entry in enumerate(plan)
        ]
        self.seed, self.calls = seed, Counter()

    def next(self, endpoint: str) -> Chosen | None:
        """Count a call and return the first fault of the plan that meets it."""
        self.calls[endpoint] += 1
        self.calls["*"] += 1
        for number, fault in enumerate(self.plan):
            if fault.endpoint not in (endpoint, "*"):
                continue
            nth = self.calls[fault.endpoint]
            # Drawn per call, not one after the other: which calls are hit does not depend on
            # the other faults of the plan.
            chance = random.Random(f"{self.seed}/{number}/{nth}")
            if nth in fault.nth or chance.random() < fault.rate:
                return Chosen(fault, chance)
        return None


def _read(entry: Any, where: str, endpoints: Sequence[str]) -> Fault:
    if not isinstance(entry, dict):
        raise Refusal(expected("object", where))
    _allow(set(entry) <= _MEMBERS, where, f"known members are {', '.join(sorted(_MEMBERS))}")
    endpoint, do = entry.get("endpoint", "*"), str(entry.get("do"))
    _allow(
        endpoint == "*" or endpoint in endpoints,
        where,
        f"endpoint is one of *, {', '.join(endpoints)}",
    )
    _allow(do in KINDS, where, f"do is one of {', '.join(KINDS)}")
    when = entry.get("when", "before" if do in _BEFORE_BY_DEFAULT else "after")
    _allow(when in ("before", "after", "mid"), where, "when is one of before, after, mid")
    _allow(when != "before" or do in _WITHOUT_ANSWER, where, f"{do} needs an answer: not before")
    nth, rate = entry.get("nth", []), entry.get("rate", 0.0)
    nth = nth if isinstance(nth, list) else [nth]
    _allow(all(type(n) is int and n > 0 for n in nth), where, "nth counts from 1")
    _allow(_is_number(rate) and 0 <= rate <= 1, where, "rate lies between 0 and 1")
    _allow(bool(nth) or rate > 0, where, "give nth or rate")
    for name in ("seconds", "retry_after", "status", "count", "bytes"):
        value = entry.get(name, 0)
        _allow(_is_number(value) and value >= 0, where, f"{name} is a number from 0")
    _allow(200 <= entry.get("status", 503) <= 599, where, "status lies between 200 and 599")
    return Fault(
        endpoint=endpoint,
        do=do,
        when=when,
        nth=frozenset(nth),
        rate=rate,
        seconds=entry.get("seconds", 0.0),
        status=entry.get("status", 503 if do == "status" else 200),
        body=entry.get("body"),
        retry_after=entry.get("retry_after"),
        count=entry.get("count", 1),
        size=entry.get("bytes", _BOMB_BYTES),
    )


def _allow(fine: bool, where: str, remedy: str) -> None:
    if not fine:
        raise Refusal(Problem("BAD_REQUEST", f"{where}: {remedy}", where))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def spoil(chosen: Chosen, answer: Response) -> Response:
    """Return what arrives of an answer (for a fault before the commit: of an empty one)."""
    fault = chosen.fault
    match fault.do:
        case "drop" | "reset" | "truncate":
            return replace(answer, delivery=Delivery(fault.do))
        case "delay":
            return replace(answer, delivery=Delivery(late=fault.seconds))
        case "drip":
            return replace(answer, delivery=Delivery("drip", drip=fault.seconds))
        case "status":
            return _other_status(fault, answer)
        case "garbage":
            return Response(fault.status, _EDGE_PAGE, {"content-type": "text/html"})
        case "bomb":
            return _bomb(fault, answer)
        case _:
            return _rearranged(chosen, answer)


def _other_status(fault: Fault, answer: Response) -> Response:
    headers = dict(answer.headers)
    if fault.retry_after is not None:
        headers["retry-after"] = f"{fault.retry_after:g}"
    if isinstance(fault.body, str):
        return Response(fault.status, fault.body.encode(), headers | {"content-type": "text/html"})
    code, category = _CODES.get(fault.status, ("BAD_REQUEST", "INVALID_REQUEST_ERROR"))
    body = fault.body or as_errors([Problem(code, "A scripted fault.", category=category)])
    return Response(fault.status, orjson.dumps(body), headers)


def _bomb(fault: Fault, answer: Response) -> Response:
    # A small answer that unpacks to a large one: JSON all the way, with blanks at its end.
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    blanks = b" " * (1 << 20)
    packed = [packer.compress(answer.body)]
    packed += [packer.compress(blanks) for _ in range(int(fault.size) >> 20)]
    packed.append(packer.flush())
    headers = {**answer.headers, "content-encoding": "gzip"}
    return Response(answer.status, b"".join(packed), headers)


def _rearranged(chosen: Chosen, answer: Response) -> Response:
    content = orjson.loads(answer.body)
    for name in ("responses", "customers", "values"):
        if name in content:
            content[name] = _spoiled_entries(chosen, content[name])
    return replace(answer, body=orjson.dumps(content))


def _spoiled_entries(chosen: Chosen, entries: Any) -> Any:
    fault, chance = chosen.fault, chosen.chance
    pairs: list[tuple[object, Any]] = list(
        entries.items() if isinstance(entries, dict) else enumerate(entries)
    )
    if fault.do == "omit":
        kept = chance.sample(range(len(pairs)), max(0, len(pairs) - fault.count))
        pairs = [pairs[i] for i in sorted(kept)]
    elif fault.do == "reorder":
        chance.shuffle(pairs)
    elif pairs:
        # An answer nobody asked for: somebody's entry under another key, or once more in a list.
        for _ in range(fault.count):
            pairs.append((customer_id(chance), chance.choice(pairs)[1]))
    return dict(pairs) if isinstance(entries, dict) else [value for _, value in pairs]
