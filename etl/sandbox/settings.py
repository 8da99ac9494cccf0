"""How is the sandbox set where Square leaves a choice?

A process begins with the settings it was given. What a control call changes is kept in the file
and holds for all who use it, until it is set to null: then each process goes by its own again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeGuard

from etl.sandbox.assumptions import CURSOR_LIFETIME, KEY_LIFETIME
from etl.sandbox.errors import Problem, Refusal
from etl.sandbox.reading import is_number, nearest
from etl.sandbox.store import Store
from etl.sandbox.versions import NEWEST, PUBLISHED

# Far beyond, there are no dates that can be written down.
TEN_YEARS = 10 * 366 * 86_400
_FASTEST = 1_000_000


class Settings(NamedTuple):
    """The settings in force.

    ``lag`` is how many seconds list and search are behind, ``rate`` how many requests a second
    each token may make (0: any number), ``retry_after`` whether a 429 says how long to wait.
    ``cursor_lifetime`` and ``key_lifetime`` are seconds on the sandbox's clock. ``null_clears``
    lets null clear without X-Clear-Null, ``short_pages`` is the most a page of any list holds
    whatever its limit, ``default_version`` the Square-Version of requests that name none.
    """

    lag: float = 0.0
    rate: float = 0.0
    retry_after: bool = True
    cursor_lifetime: float = CURSOR_LIFETIME
    key_lifetime: float = KEY_LIFETIME
    null_clears: bool = False
    short_pages: int | None = None
    default_version: str = NEWEST


def is_duration(value: object) -> TypeGuard[int | float]:
    """Tell whether a JSON value is a number of seconds the sandbox's clock can go."""
    return is_number(value) and 0 <= value <= TEN_YEARS


def _rate(value: object) -> bool:
    # Slower, the next call would be ten years away.
    return is_number(value) and (value == 0 or 1 / TEN_YEARS <= value <= _FASTEST)


def _yes_or_no(value: object) -> bool:
    return isinstance(value, bool)


def _rows(value: object) -> bool:
    return type(value) is int and 1 <= value <= 1000


def _version(value: object) -> bool:
    return value in PUBLISHED


_SECONDS = (is_duration, f"seconds, from 0 to {TEN_YEARS}")
_CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "lag": _SECONDS,
    "rate": (_rate, f"requests a second, at most {_FASTEST}, or 0 for any number"),
    "retry_after": (_yes_or_no, "true or false"),
    "cursor_lifetime": _SECONDS,
    "key_lifetime": _SECONDS,
    "null_clears": (_yes_or_no, "true or false"),
    "short_pages": (_rows, "a whole number from 1 to 1000"),
    "default_version": (_version, f"a published date from {PUBLISHED[0]} to {NEWEST}"),
}


def checked(name: str, value: object) -> None:
    """Raise Refusal, naming the remedy, unless a setting may have this value."""
    if name not in _CHECKS:
        known = ", ".join(_CHECKS)
        problem = f"There is no setting {name!r}{nearest(name, _CHECKS)} Known are {known}."
        raise Refusal(Problem("BAD_REQUEST", problem, name))
    fine, what = _CHECKS[name]
    if not fine(value):
        raise Refusal(Problem("INVALID_VALUE", f"{name} must be {what}.", name))


def in_force(store: Store, own: Settings) -> Settings:
    """Return the settings of a process that was given ``own``."""
    return own._replace(**store.setting("switches", {}))


def change(store: Store, changes: Mapping[str, Any], now: int) -> None:
    """Change settings for all who use the file; None takes a change back."""
    for name, value in changes.items():
        if value is not None or name not in _CHECKS:
            checked(name, value)
    switches = store.setting("switches", {}) | changes
    store.set("switches", {name: value for name, value in switches.items() if value is not None})
    remember(store, switches.get("lag") or 0, now)


def remember(store: Store, lag: float, now: int) -> None:
    """Have the file remember, from now on, as long as a lag needs."""
    keep, longest = milliseconds(lag), store.setting("longest_lag", 0)
    if keep > longest:
        if not longest:
            store.settle(now)
        store.set("longest_lag", keep)
        # What was there earlier is forgotten: no lag shows the directory as it was before.
        begun = now - longest - 1
        store.set("remembered_from", max(store.setting("remembered_from", 0), begun))


def milliseconds(seconds: float) -> int:
    """Return seconds as the sandbox's clock counts them."""
    return round(seconds * 1000)
