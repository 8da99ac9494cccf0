"""Whatever is sent, the sandbox answers in its own words: never a 5xx, never without an envelope.

What schemathesis makes up is JSON. Here the bytes themselves are hostile: every call of the
scenario, with something else in place of one of its values, names, ids or headers.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.sandbox import Request, Response, Sandbox
from etl.sandbox.server import serving
from etl.sandbox.versions import PUBLISHED
from tests.sandbox import scenario
from tests.sandbox.conftest import Clock
from tests.sandbox.description import Description

# JSON texts, and what looks like them, that have broken servers.
_VALUES = (
    *(b"null", b"true", b"0", b"-1", b"1.5", b"-0.0", b"1e999", b"-1e999", b"NaN", b"Infinity"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"1e308", b"01"),
    b"1" + b"0" * 400,
    *(
        b'""',
        b'" "',
        b'"\\u0000"',
        b'"\\ud800"',
        b'"\\udfff\\ud800"',
        b'"\xff\xfe"',
        b'"\xed\xa0\x80"',
    ),
    *(b'"\xe2\x80\xae"', b'"\xf0\x9f\x98\x80"', b'"\\ud83d\\ude00"', b"'x'", b'"unended'),
    b'"' + b"A" * 100_000 + b'"',
    *(b"[]", b"[[]]", b"[null]", b"{}", b'{"":null}', b'{"a":1,"a":2}', b'{"$ref":"#"}', b"{,}"),
    *(b"[" * depth + b"]" * depth for depth in (250, 300, 1000, 1025, 10_000)),
    *(b'{"a":' * depth + b"1" + b"}" * depth for depth in (250, 300, 1000, 1025, 10_000)),
    b"[" + b",".join(b'"x"' for _ in range(5000)) + b"]",
    b"{" + b",".join(b'"k%d":{}' % i for i in range(101)) + b"}",
)
# Whole bodies, for any call.
_BODIES = (
    *(
        b"",
        b" ",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"{}",
        b"{",
        b"}",
    ),
    *('{"group":{"name":"x"}}'.encode(coding) for coding in ("utf-16", "utf-16-le", "utf-32")),
    *(
        b"\x1f\x8b\x08\x00",
        b"--b\r\n",
        b"a=b&c=d",
        b"<a/>",
        b"{}{}",
        b"{}\x00",
        b'{"a":1}//',
        *_VALUES,
    ),
)
_STEPS = (
    *("%", "%zz", "%ff", "%00", "%0a", "%0d%0a", "%2F", "%2e%2e", "%ed%a0%80", "%F0%9F%98%80"),
    *("..", ".", "", "{id}", "me", "null", "groups", "search", "'", "%27%3B--", "%25", "A" * 5000),
)
_QUERIES = (
    *("%", "&&&", "=", "=&=", "limit", "limit=", "limit=%ff", "limit=%00", "limit=1e3", "limit=٣"),
    *("limit=1&limit=x", "limit=-0", "limit=" + "9" * 5000, "cursor=%ff", "cursor=" + "A" * 5000),
    *("cursor=AAAA", "cursor=%00", "cursor==", "version=%00", "version=-1", "version=1.0"),
    *("count=TRUE", "count=%74rue", "sort_field[]=x", "sort_order=%C4%B1", "a=b;c=d", "%00=%00"),
    "&".join(f"a{i}=" for i in range(2000)),
)
_HEADERS = (
    *(("content-type", kind) for kind in ("", "text/plain", "application/xml", "\xff", "a/b;q=")),
    *(("content-type", "application/json; charset=utf-16"), ("content-encoding", "gzip")),
    *(("square-version", told) for told in ("", "today", "2026-13-45", "9999-99-99", "\xb2026")),
    *(("authorization", told) for told in ("", "Bearer", "Bearer ", "Bearer \xff", "Basic QQ==")),
    *(("x-clear-null", told) for told in ("", "TRUE", "\xff")),
)


class Recorded(NamedTuple):
    """A call of the scenario as it was sent."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


def opened() -> Sandbox:
    """Open a sandbox, the same at every run."""
    return Sandbox(clock=Clock(), chance=random.Random(1))


def played() -> list[Recorded]:
    """Play the scenario; return its calls."""
    calls: list[Recorded] = []
    sandbox = opened()

    def send(method: str, path: str, body: object = None, query: str = "") -> Any:
        calls.append(Recorded(method, path, query, b"" if body is None else orjson.dumps(body)))
        token = {"authorization": f"Bearer {sandbox.token}"}
        return orjson.loads(sandbox.respond(Request(*calls[-1][:3], token, calls[-1].body)).body)

    scenario.play(send)
    return calls


CALLS = played()


def each(calls: list[Recorded]) -> pytest.MarkDecorator:
    """Run a test for each of these calls."""
    names = [f"{number} {call.method} {call.path}" for number, call in enumerate(calls)]
    return pytest.mark.parametrize("call", calls, ids=names)


each_with_body = each([call for call in CALLS if call.body])


class Target:
    """A sandbox as it is before a call: all that precedes it in the scenario has been made."""

    def __init__(self, call: Recorded) -> None:
        self.sandbox = opened()
        self.description = Description(self.sandbox)
        for earlier in itertools.takewhile(lambda other: other is not call, CALLS):
            self.send(earlier)

    def send(self, call: Recorded, *, newest: bool = True, **headers: str) -> Response:
        """Make a call, and fail if the answer is not in the sandbox's own words."""
        headers = {"authorization": f"Bearer {self.sandbox.token}"} | headers
        request = Request(*call[:3], headers, call.body)
        answer = self.sandbox.respond(request)
        self.description.check(request, answer, newest=newest)
        return answer


Place = tuple[str | int, ...]


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Yield the paths to all values inside a JSON value, itself included."""
    yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, step))


def holder(value: Any, path: Place) -> Any:
    """Return what holds the value at a path."""
    for step in path[:-1]:
        value = value[step]
    return value


def spoiled(body: bytes, path: Place, text: bytes) -> bytes:
    """Return a body with another text in place of one value."""
    if not path:
        return text
    content = orjson.loads(body)
    holder(content, path)[path[-1]] = "the place"
    return orjson.dumps(content).replace(b'"the place"', text, 1)


def renamed(body: bytes, path: Place, name: bytes) -> bytes:
    """Return a body with another text in place of one member's name."""
    content = orjson.loads(body)
    inside = holder(content, path)
    inside["the name"] = inside.pop(path[-1])
    return orjson.dumps(content).replace(b'"the name"', name, 1)


quick = settings(
    max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
texts = st.sampled_from(_VALUES) | json_texts


@each_with_body
def test_another_value_in_any_place(call: Recorded) -> None:
    """Any JSON, and what only looks like it, may stand in any place of a body."""
    target = Target(call)

    @quick
    @given(st.sampled_from(list(places(orjson.loads(call.body)))), texts)
    def attempt(path: Place, text: bytes) -> None:
        target.send(call._replace(body=spoiled(call.body, path, text)))

    attempt()


@pytest.mark.long
@each_with_body
def test_every_value_in_every_place(call: Recorded) -> None:
    """The same with each hostile text in each place."""
    target = Target(call)
    for path, text in itertools.product(places(orjson.loads(call.body)), _VALUES):
        target.send(call._replace(body=spoiled(call.body, path, text)))


@each_with_body
def test_another_name_for_any_member(call: Recorded) -> None:
    """Any text may be the name of a member, or the key of a map."""
    target = Target(call)
    named = [path for path in places(orjson.loads(call.body)) if path and type(path[-1]) is str]
    names = [text for text in _VALUES if text.startswith(b'"')]
    for path, name in itertools.product(named, names):
        target.send(call._replace(body=renamed(call.body, path, name)))


@each(CALLS)
def test_any_body(call: Recorded) -> None:
    """Any bytes may be a body, also of a call that takes none."""
    target = Target(call)
    for body in _BODIES:
        target.send(call._replace(body=body))


@each(CALLS)
def test_any_path_and_query(call: Recorded) -> None:
    """Garbage may stand in place of any step of a path, and as a query."""
    target = Target(call)
    steps = call.path.split("/")
    for number, step in itertools.product(range(1, len(steps)), _STEPS):
        path = "/".join([*steps[:number], step, *steps[number + 1 :]])
        target.send(call._replace(path=path))
    for query in _QUERIES:
        target.send(call._replace(query=query))


@each(CALLS)
def test_any_header(call: Recorded) -> None:
    """Headers may hold anything that HTTP lets through."""
    target = Target(call)
    for name, value in _HEADERS:
        target.send(call, newest=False, **{name: value})


@each_with_body
def test_any_version(call: Recorded) -> None:
    """Older Square-Versions take more, but break no sooner."""
    target = Target(call)

    @quick
    @given(
        st.sampled_from(PUBLISHED),
        st.sampled_from(list(places(orjson.loads(call.body)))),
        texts,
    )
    def attempt(version: str, path: Place, text: bytes) -> None:
        headers = {"square-version": version, "x-clear-null": "true"}
        body = spoiled(call.body, path, text)
        target.send(call._replace(body=body), newest=False, **headers)

    attempt()


def test_on_a_socket() -> None:
    """A connection is no other way in: the server passes all of it on, and answers no 5xx."""
    sandbox = opened()
    description = Description(sandbox)
    token = {"authorization": f"Bearer {sandbox.token}"}
    calls = [
        *(call._replace(body=body) for call, body in zip(itertools.cycle(CALLS), _BODIES)),
        *(Recorded("GET", f"/v2/customers/{step}") for step in _STEPS if " " not in step),
        *(Recorded("GET", "/v2/customers", query) for query in _QUERIES if query.isascii()),
    ]
    with serving(sandbox.respond) as address:
        connection = http.client.HTTPConnection(urlsplit(address).netloc)
        for call in calls:
            target = f"{call.path}?{call.query}" if call.query else call.path
            connection.request(call.method, target, call.body, token)
            answer = connection.getresponse()
            description.check(
                Request(*call[:3], token, call.body),
                Response(answer.status, answer.read(), dict(answer.getheaders())),
            )
        connection.close()
