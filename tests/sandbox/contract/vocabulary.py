"""What is a check of the contract, and how is one written down?

A check is a short function over an opened sandbox, a row of values, and the source it was read in.
What no source says is our own choice: such a check names the subject of its line in
``etl.sandbox.assumptions``. The sources are in words a reader outside can find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from tests.sandbox.conftest import Opened, Square

CUSTOMERS = "/v2/customers"
SEARCH = "/v2/customers/search"
GROUPS = "/v2/customers/groups"
SEGMENTS = "/v2/customers/segments"

# An id of the right form that nothing has.
MISSING = "0A7K2E5V9XQ4M8TZ1RWC6HNBD8"

# Where facts stand. A source may add a page, a thread or a date after its name.
OVERVIEW = "Customers API overview"
NOTES = "Customers API overview, migration notes"
RECORDS = "Keep Customer Records"
INTEGRATE = "Integrate Customer Profiles with Other Services"
WORKFLOWS = "Customers API Workflows"
REFERENCE = "API reference"
DOCUMENTATION = "developer documentation"
FORUM = "developer forum"
THREAD = "issue thread"
RECORDED = "recorded answer"
SDK = "SDK"
TYPES = "common.json"
OLD_CLIENT = "retired JavaScript SDK page"
TAP = "tap-square"
CHOICE = "our choice"
SOURCES = (
    *(OVERVIEW, RECORDS, INTEGRATE, WORKFLOWS, REFERENCE, DOCUMENTATION, FORUM, THREAD),
    *(RECORDED, SDK, TYPES, OLD_CLIENT, TAP, CHOICE),
)

Function = TypeVar("Function", bound=Callable[..., None])


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and who says so.

    ``choice`` is the subject of our own choice in the table of assumptions, empty where a source
    decides. ``settings`` say how the sandbox is opened.
    """

    function: Callable[..., None]
    row: tuple[Any, ...]
    source: str
    choice: str
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        """Name the check by its function and its row."""
        shown = [value if isinstance(value, str) else repr(value) for value in self.row]
        return "-".join([self.function.__name__, *(_short(text) for text in shown)])

    def hold(self, opened: Opened) -> None:
        """Raise AssertionError if the sandbox does something else."""
        self.function(opened(**self.settings), *self.row)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:30]}..{len(text)}"


class Facts:
    """The checks of one area, in the order they are written."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def __call__(
        self,
        source: str,
        *,
        choice: str = "",
        rows: Iterable[tuple[Any, ...]] = ((),),
        **settings: Any,
    ) -> Callable[[Function], Function]:
        """Write a function down as one check for each row; its docstring is the fact."""

        def note(function: Function) -> Function:
            self.checks += [Check(function, row, source, choice, settings) for row in rows]
            return function

        return note


def at(version: str, **more: str) -> dict[str, str]:
    """The headers of a call made with a Square-Version."""
    return {"Square-Version": version, **more}


def path_of(customer: Mapping[str, Any]) -> str:
    """The path of a customer."""
    return f"{CUSTOMERS}/{customer['id']}"


def bearer(square: Square, *scopes: str, **more: Any) -> dict[str, str]:
    """The header of a further token that has these scopes."""
    answer = square.ok("POST", "/_sandbox/tokens", {"scopes": list(scopes), **more})
    return {"Authorization": f"Bearer {answer['token']}"}


def errors_of(answer: httpx.Response) -> list[dict[str, str]]:
    """The errors of an answer, which holds nothing else."""
    content = answer.json()
    assert list(content) == ["errors"], content
    errors: list[dict[str, str]] = content["errors"]
    return errors


def told(square: Square, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Make a call that must be refused; return its status and first code."""
    answer = square.send(method, path, json=body)
    return answer.status_code, errors_of(answer)[0]["code"]


def after(square: Square, seconds: float) -> None:
    """Let time pass."""
    square.ok("POST", "/_sandbox/clock", {"advance": seconds})


def merged(square: Square, *customers: Mapping[str, Any]) -> Any:
    """Merge profiles as a seller would; return the new one."""
    old_ids = [customer["id"] for customer in customers]
    return square.ok("POST", "/_sandbox/merge", {"from": old_ids})["customer"]


def instant_profile(square: Square) -> Any:
    """Return an instant profile without public data, as a payment would leave it behind."""
    filled = square.ok("POST", "/_sandbox/seed", {"profiles": 60, "seed": 5})
    return square.get(filled["instant_profiles"][0])
