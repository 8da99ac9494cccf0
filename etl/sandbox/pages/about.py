"""What is this sandbox, and what is it not?"""

from __future__ import annotations

import math
from typing import Any

from etl.sandbox import control
from etl.sandbox.assumptions import ASSUMPTIONS, NOT_SERVED
from etl.sandbox.errors import Refusal
from etl.sandbox.pages.visits import Moved, Page, Visit, link
from etl.sandbox.routes import ROUTES
from etl.sandbox.times import timestamp
from etl.sandbox.versions import CHANGES, NEWEST, PUBLISHED

# A click that takes longer than a minute is one of a command line.
_MOST_PROFILES = 20_000
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


def show(visit: Visit) -> Page:
    """Show the settings, the controls and what is known of the behaviour."""
    return _page(visit)


def advance_clock(visit: Visit) -> Page | Moved:
    """Move the sandbox's clock."""
    number, unit = _number(visit.form.get("number", "")), visit.form.get("unit", "")
    if number is None or number < 0 or unit not in _UNITS:
        return _page(visit, "clock", "Give a number from 0 on, and its unit.")
    try:
        visit.ask(control.advance_clock, body={"advance": number * _UNITS[unit]})
    except Refusal:
        return _page(visit, "clock", "Give less than ten years.")
    visit.session.notice = f"The clock is {number:g} {unit} further."
    return Moved(link("about"))


def change_settings(visit: Visit) -> Page | Moved:
    """Set how far list and search are behind, and how many requests each token may make."""
    wanted = {name: _number(visit.form.get(name, "")) for name in ("lag", "rate")}
    if None in wanted.values():
        return _page(visit, "settings", "Give two numbers; 0 is none.")
    try:
        visit.ask(control.change_settings, body=wanted)
    except Refusal as refusal:
        return _page(visit, "settings", refusal.problems[0].detail)
    visit.session.notice = "Lag and rate are set, for all who use this sandbox’s file."
    return Moved(link("about"))


def fill(visit: Visit) -> Page | Moved:
    """Fill the directory with invented people."""
    profiles, seed = (visit.form.get(name, "").strip() for name in ("profiles", "seed"))
    if not _is_whole(profiles) or not 1 <= int(profiles) <= _MOST_PROFILES:
        return _page(visit, "seed", f"Give a number of profiles from 1 to {_MOST_PROFILES:,}.")
    if not _is_whole(seed):
        return _page(visit, "seed", "Give a whole number of up to 15 digits as the seed.")
    made = visit.ask(control.fill, body={"profiles": int(profiles), "seed": int(seed)})
    there = f"; {made['already_there']:,} were there already" if made["already_there"] else ""
    visit.session.notice = f"Added {made['profiles']:,} profiles{there}."
    return Moved(link("about"))


def reset(visit: Visit) -> Page | Moved:
    """Forget all profiles."""
    if visit.form.get("sure") != "yes":
        return _page(visit, "reset", "Tick the box first: this cannot be undone.")
    visit.session.notice = f"Forgot {visit.call.store.clear():,} profiles."
    return Moved(link("about"))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _page(visit: Visit, wrong: str = "", reason: str = "") -> Page:
    call = visit.call
    values: dict[str, Any] = {
        "profiles": call.store.profiles.number(),
        "settings": call.settings,
        "now": timestamp(call.now),
        "ahead": call.store.setting("ahead", 0) / 1000,
        "tokens": call.store.tokens.number(call.now),
        "newest": NEWEST,
        "published": PUBLISHED,
        "changes": CHANGES,
        "routes": ROUTES,
        "not_served": NOT_SERVED,
        "assumptions": ASSUMPTIONS,
        "units": tuple(_UNITS),
        "most": _MOST_PROFILES,
        "form": visit.form,
        "wrong": wrong,
        "reason": reason,
    }
    return Page("about.html", values, 400 if wrong else 200)
