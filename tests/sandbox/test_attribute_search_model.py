"""Search by custom attributes agrees with a plain model of it.

The model keeps what every customer has in dictionaries, looks at all of them, and knows nothing of
how the sandbox keeps or finds it; with a lag it looks at a copy of them made earlier.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sandbox import Request, Sandbox
from tests.sandbox.attributes import DEFINITIONS, schema, values_of

KINDS = (*("String", "Number", "Boolean", "PhoneNumber", "Email", "Date", "Address", "Selection"),)
OPTIONS = ("Red", "Green", "Blue")
NAMES = ("A", "B", "C", "D")

WORDS = st.sampled_from(["red", "Red", "tea-", "o'neal", "Thé", "_a"])
DIGITS = st.text("0123456789", min_size=0, max_size=3)
NUMBERS = st.one_of(
    st.sampled_from(["0", "-0", "5.", ".5", "-.5", "00", "9" * 30, "-" + "9" * 30, "1.00001"]),
    st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), DIGITS.filter(bool), DIGITS),
)
DAYS = st.sampled_from(["1999-12-31", "2000-01-01", "2000-02-29", "0000-02-29", "9999-12-31"])
EMAILS = st.sampled_from(["ab@x.org", "AB@x.org", "a.b@x.org", "x_y@ab.example", "ba@xorg"])
PHONES = st.sampled_from(["+14155550148", "+4155550", "+441632960148", "+12"])
CODES = st.sampled_from(["LS1 1AA", "ls1 1aa", "44000"])
COUNTRIES = st.sampled_from(["GB", "FR"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "String": st.lists(WORDS, max_size=3).map(" ".join),
    "Number": NUMBERS,
    "Boolean": st.booleans(),
    "PhoneNumber": PHONES,
    "Email": EMAILS,
    "Date": DAYS,
    "Address": st.fixed_dictionaries(
        {"locality": st.just("x")}, optional={"postal_code": CODES, "country": COUNTRIES}
    ),
    "Selection": st.lists(st.sampled_from(OPTIONS), max_size=2, unique=True),
}


def ranges(bounds: st.SearchStrategy[str], key: Callable[[str], Any]) -> st.SearchStrategy[Any]:
    """Ranges with a start, an end or both."""
    pairs = st.tuples(bounds, bounds).map(lambda pair: sorted(pair, key=key))
    return st.one_of(
        st.fixed_dictionaries({"start_at": bounds}),
        st.fixed_dictionaries({"end_at": bounds}),
        pairs.map(lambda pair: {"start_at": pair[0], "end_at": pair[1]}),
    )


def exactly(texts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    """A filter by the whole text."""
    return texts.map(lambda text: {"exact": text})


def either(exact: st.SearchStrategy[str], fuzzy: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """A filter by text."""
    return st.one_of(
        exactly(exact.filter(bool)),
        st.fixed_dictionaries({"fuzzy": fuzzy}),
    )


CHOSEN = st.lists(st.sampled_from([*OPTIONS, "red"]), min_size=1, max_size=3)
FILTERS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "String": (
        "text",
        either(VALUES["String"], st.lists(WORDS, min_size=1, max_size=2).map(" ".join)),
    ),
    "Number": (
        "number",
        ranges(NUMBERS.filter(lambda text: len(text) < 14), lambda text: Decimal(text)),
    ),
    "Boolean": ("boolean", st.booleans()),
    "PhoneNumber": ("phone", either(PHONES, st.sampled_from(["415", "0148 41", "(55)-5", "9"]))),
    "Email": ("email", either(EMAILS, st.sampled_from(["ab", "x org", "X.y", "b@x", "zz"]))),
    "Date": ("date", ranges(DAYS, str)),
    "Address": (
        "address",
        st.fixed_dictionaries(
            {},
            optional={"postal_code": CODES.map(lambda code: {"exact": code}), "country": COUNTRIES},
        ).filter(bool),
    ),
    "Selection": (
        "selection",
        st.fixed_dictionaries({}, optional={"any": CHOSEN, "all": CHOSEN}).filter(bool),
    ),
}


# What each filter means


def in_range(value: Any, bounds: dict[str, Any], key: Callable[[Any], Any]) -> bool:
    """Tell whether a value is within the bounds there are."""
    return not (
        ("start_at" in bounds and key(value) < key(bounds["start_at"]))
        or ("end_at" in bounds and key(value) > key(bounds["end_at"]))
    )


def letters(text: str, kept: str = "") -> str:
    """A text without its punctuation, in lower case; blanks stay."""
    return "".join(c for c in text.lower() if c.isalnum() or c.isspace() or c in kept)


def split(text: str) -> set[str]:
    """The words of a text."""
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text.lower()).split())


def matches(kind: str, value: Any, asked: Any) -> bool:
    """Tell whether a value is what a filter of its type asks for."""
    match kind:
        case "Number":
            return in_range(value, asked, Decimal)
        case "Date":
            return in_range(value, asked, str)
        case "Boolean":
            return value is asked
        case "Selection":
            has = set(value)
            some, every = set(asked.get("any", value)), set(asked.get("all", ()))
            return every <= has and ("any" not in asked or bool(has & some))
        case "Address":
            code = asked.get("postal_code", {}).get("exact", "").lower()
            return (not code or value.get("postal_code", "").lower() == code) and (
                "country" not in asked or value.get("country") == asked["country"]
            )
    if "exact" in asked:
        return bool(value.lower() == asked["exact"].lower())
    if kind == "String":
        return split(asked["fuzzy"]) <= split(value)
    return all(token in letters(value) for token in letters(asked["fuzzy"]).split())


class Both:
    """A sandbox, and the model of what its customers have."""

    def __init__(self, kinds: list[str], lag: int) -> None:
        """Define an attribute of each of these types and create the customers."""
        self.now = 1_756_714_530
        self.lag = lag
        self.box = Sandbox(
            chance=random.Random(1), lag=lag, clock=lambda: self.now, token="sandbox-model"
        )
        self.ids: dict[str, str] = {}
        for kind in kinds:
            definition = {"key": kind, "schema": schema(kind)}
            answer = self.ask("POST", DEFINITIONS, {"custom_attribute_definition": definition})
            items = answer["custom_attribute_definition"]["schema"].get("items", {"names": ()})
            self.ids |= zip(items["names"], items.get("enum", ()), strict=True)
        self.customers = {
            name: self.ask("POST", "/v2/customers", {"given_name": name})["customer"]["id"]
            for name in NAMES
        }
        self.has: dict[str, dict[str, tuple[Any, int]]] = {name: {} for name in NAMES}
        self.past: list[tuple[int, dict[str, dict[str, tuple[Any, int]]]]] = []
        self.wait(3600)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request that must succeed; return its answer."""
        headers = {"authorization": "Bearer sandbox-model"}
        content = b"" if body is None else orjson.dumps(body)
        answer = self.box.respond(Request(method, path, headers=headers, body=content))
        assert answer.status == 200, answer.body
        return orjson.loads(answer.body)

    def wait(self, seconds: int) -> None:
        """Let time pass; the state of each moment that ends is remembered."""
        self.past.append((self.now, copy.deepcopy(self.has)))
        self.now += seconds

    def write(self, name: str, kind: str, value: Any) -> None:
        """Give a customer a value; None takes it away."""
        path = f"{values_of(self.customers[name])}/{kind}"
        before = self.has[name].get(kind)
        if value is not None:
            sent = [self.ids[option] for option in value] if kind == "Selection" else value
            self.ask("POST", path, {"custom_attribute": {"value": sent}})
            if before is None or before[0] != value:
                self.has[name][kind] = (value, self.now)
        elif before is not None:
            self.ask("DELETE", path)
            del self.has[name][kind]

    def shown(self) -> dict[str, dict[str, tuple[Any, int]]]:
        """What search shows: the state there was ``lag`` seconds ago."""
        if not self.lag:
            return self.has
        return [state for at, state in self.past if at <= self.now - self.lag][-1]

    def check(self, filters: dict[str, tuple[Any, Any]]) -> None:
        """Search by these filters; the model has to agree."""
        asked = [
            {
                "key": kind,
                **({} if given is None else {"filter": {FILTERS[kind][0]: given}}),
                **({} if ago is None else {"updated_at": {"start_at": self.moment(ago)}}),
            }
            for kind, (given, ago) in filters.items()
        ]
        expected = [
            name
            for name, values in self.shown().items()
            if all(
                kind in values
                and (given is None or matches(kind, values[kind][0], given))
                and (ago is None or values[kind][1] >= self.now - ago)
                for kind, (given, ago) in filters.items()
            )
        ]
        body = {"count": True, "query": {"filter": {"custom_attribute": {"filters": asked}}}}
        answer = self.ask("POST", "/v2/customers/search", body)
        found = [profile["given_name"] for profile in answer.get("customers", [])]
        assert (found, answer["count"]) == (expected, len(expected))

    def moment(self, ago: int) -> str:
        """The moment so many seconds ago, as RFC 3339 writes it."""
        return datetime.fromtimestamp(self.now - ago, UTC).isoformat()


def writes(kinds: list[str]) -> st.SearchStrategy[Any]:
    """A customer, one of these types, and a value, seldom none."""
    return st.sampled_from(kinds).flatmap(
        lambda kind: st.tuples(
            st.sampled_from(NAMES), st.just(kind), st.one_of([VALUES[kind]] * 4 + [st.none()])
        )
    )


def searches(kinds: list[str]) -> st.SearchStrategy[dict[str, tuple[Any, Any]]]:
    """Filters of some of these types, by value, by time, or both."""
    ago = st.sampled_from([0, 5, 10, 40])
    by_value = {kind: st.tuples(FILTERS[kind][1], st.none()) for kind in kinds}
    by_time = st.tuples(st.none(), ago)
    return st.one_of(
        *(st.fixed_dictionaries({kind: by_value[kind]}) for kind in kinds),
        st.fixed_dictionaries(dict(by_value)),
        st.fixed_dictionaries({kind: by_time | st.tuples(FILTERS[kind][1], ago) for kind in kinds}),
    )


def steps(kinds: list[str]) -> st.SearchStrategy[list[Any]]:
    """A value for everyone, and then searches, writes and pauses."""
    everyone = st.tuples(
        *(st.tuples(st.just(name), st.just(kind), VALUES[kind]) for name in NAMES for kind in kinds)
    )
    step = st.one_of(
        *[searches(kinds)] * 4, writes(kinds), writes(kinds), st.sampled_from([1, 5, 10])
    )
    return st.builds(
        lambda first, pause, then: [*first, pause, *then],
        everyone,
        st.sampled_from([0, 20]),
        st.lists(step, min_size=10, max_size=20),
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_search_agrees_with_the_model(kind: str, data: st.DataObject) -> None:
    """Whatever is written and sought, the same customers are found, with a lag and without."""
    kinds = list(dict.fromkeys([kind, data.draw(st.sampled_from(KINDS))]))
    both = Both(kinds, lag=data.draw(st.sampled_from([0, 10])))
    try:
        for step in data.draw(steps(kinds)):
            if isinstance(step, int):
                both.wait(step)
            elif isinstance(step, dict):
                both.check(step)
            else:
                both.write(*step)
    finally:
        both.box.close()
