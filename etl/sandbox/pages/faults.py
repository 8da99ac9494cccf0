"""What goes wrong on purpose, and what shall?

The plan is the one that ``POST /_sandbox/faults`` sets: whichever came last is in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from etl.sandbox import edge
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.faults.plan import KINDS, MEMBERS, Fault
from etl.sandbox.pages.visits import Moved, Page, Visit, link
from etl.sandbox.routes import ENDPOINTS


class Ready(NamedTuple):
    """A fault that can be switched on with a click."""

    name: str
    title: str
    effect: str
    entry: Mapping[str, Any]


READY = (
    Ready(
        "limited",
        "Every bulk-create is rate limited",
        "429 with Retry-After: 2, and nothing is written.",
        {"endpoint": "bulk-create", "rate": 1, "do": "status", "status": 429, "retry_after": 2},
    ),
    Ready(
        "lost",
        "The third call’s answer is lost",
        "It is carried out, then the connection closes without an answer.",
        {"endpoint": "*", "nth": 3, "when": "after", "do": "drop"},
    ),
    Ready(
        "unsteady",
        "One call in ten fails",
        "503, and nothing is written; which ones is drawn from the plan’s seed.",
        {"endpoint": "*", "rate": 0.1, "do": "status", "status": 503},
    ),
    Ready(
        "slow",
        "Every call takes two seconds longer",
        "It is held back before it is carried out.",
        {"endpoint": "*", "rate": 1, "do": "delay", "seconds": 2},
    ),
    Ready(
        "half",
        "The next bulk-create stops half-way",
        "The first half of its entries is written, then the connection breaks.",
        {"endpoint": "bulk-create", "nth": 1, "when": "mid", "do": "reset"},
    ),
    Ready(
        "omitted",
        "Every bulk-create answers one entry too few",
        "All entries are written; the answer is silent about one.",
        {"endpoint": "bulk-create", "rate": 1, "do": "omit"},
    ),
    Ready(
        "page",
        "Every search is answered with a web page",
        "HTML and status 200 instead of JSON, as something between may do.",
        {"endpoint": "search", "rate": 1, "do": "garbage"},
    ),
)
_WHENS = {
    "before": "before the commit",
    "mid": "half of a bulk call committed",
    "after": "after the commit",
    "body": "after it, in the middle of the answer",
}
_EXPLAINED = ("endpoint", "do", "when", "nth", "rate")
_EXAMPLE = {"plan": [{"endpoint": "create", "nth": [1, 2], "do": "status", "status": 500}]}


def show(visit: Visit) -> Page:
    """Show what is in force and what could be."""
    return _page(visit, _written(visit.call.script.asked, visit.call.script.seed))


def switch_on(visit: Visit) -> Moved:
    """Add a ready-made fault to the plan."""
    wanted = [ready for ready in READY if ready.name == visit.form.get("fault")]
    script = visit.call.script
    for ready in wanted:
        if ready.entry not in script.asked:
            _play(visit, [*script.asked, dict(ready.entry)])
        visit.session.notice = f"On: {ready.title}. Calls are counted from now on."
    return Moved(link("faults"))


def switch_off(visit: Visit) -> Moved:
    """Take an entry out of the plan."""
    script = visit.call.script
    rest = [entry for entry in script.asked if _line(entry) != visit.form.get("entry")]
    if len(rest) < len(script.asked):
        _play(visit, rest)
        visit.session.notice = "The fault has ended. Calls are counted from now on."
    return Moved(link("faults"))


def play(visit: Visit) -> Page | Moved:
    """Put a plan in force that was written by hand."""
    text = visit.form.get("plan", "")
    try:
        visit.call.script.play(_read(text), visit.call.merchant.country)
    except Refusal as refusal:
        return _page(visit, text, refusal.problems, 400)
    visit.session.notice = "The plan is in force. Calls are counted from now on."
    return Moved(link("faults"))


def end(visit: Visit) -> Moved:
    """End all faults."""
    _play(visit, [])
    visit.session.notice = "All faults have ended."
    return Moved(link("faults"))


def _play(visit: Visit, plan: Sequence[Mapping[str, Any]]) -> None:
    call = visit.call
    call.script.play({"plan": plan, "seed": call.script.seed}, call.merchant.country)


def _page(visit: Visit, text: str, problems: Sequence[Problem] = (), status: int = 200) -> Page:
    script = visit.call.script
    in_force = [
        (fault, _told(fault), _line(entry), script.calls[fault.endpoint])
        for fault, entry in zip(script.plan, script.asked, strict=True)
    ]
    return Page(
        "faults.html",
        {
            "in_force": in_force,
            "ready": [(ready, _line(ready.entry), ready.entry in script.asked) for ready in READY],
            "text": text,
            "example": _written(_EXAMPLE["plan"], 7),
            "problems": problems,
            "endpoints": ENDPOINTS,
            "kinds": KINDS,
            "whens": _WHENS,
            "others": [name for name in MEMBERS if name not in _EXPLAINED],
        },
        status,
    )


def _told(fault: Fault) -> str:
    """Return what a fault does, with what belongs to it."""
    match fault.do:
        case "status":
            wait = "" if fault.retry_after is None else f", Retry-After {fault.retry_after:g}"
            return f"status {fault.status or 503}{wait}"
        case "delay" | "drip" | "pause":
            return f"{fault.do} {fault.seconds:g} s"
        case "garbage":
            return f"garbage {fault.page}"
        case "omit" | "extra":
            return f"{fault.do} {fault.count}"
        case _:
            return fault.do


def _read(text: str) -> dict[str, Any]:
    found = edge.json_value(text.encode())
    if isinstance(found, list):
        return {"plan": found}
    if not isinstance(found, dict):
        raise Refusal(Problem("BAD_REQUEST", 'A plan is a list, or {"plan": […], "seed": n}.'))
    return found


def _line(entry: Mapping[str, Any]) -> str:
    return orjson.dumps(entry).decode()


def _written(plan: Sequence[Mapping[str, Any]], seed: int) -> str:
    """Return a plan as it is written by hand: a fault a line."""
    lines = ",\n".join(f"  {_line(entry)}" for entry in plan)
    return f'{{"seed": {seed}, "plan": [\n{lines}\n]}}' if plan else ""
