"""How fast does the local Square take profiles in, and do its calls cost more when it is full?

    python benchmarks/sandbox.py --profiles 10000 100000

For every size a ``sandbox serve`` is started in a process of its own and filled by bulk-create over
a socket. Then every call is made of all of them in turn, so that whatever else the machine does
falls upon all sizes alike; the table says what a call takes, in ms, and the last size relative to
the first. Requests are written out before the clock starts, and what the client itself costs is
printed too. Times are of this machine and this moment: compare within one run only.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import socket
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import people
from served import Served, served

_BATCH = 100
_MEMBERS = 200
_HOUR = 3600

Customer = dict[str, Any]


class Loaded(NamedTuple):
    """How long it took to fill a directory, and how much of it the client was at work.

    ``memory`` is what the server's process held when empty, half full and full, in MiB.
    """

    profiles: int
    seconds: float
    client: float
    memory: list[float]


class Server:
    """A served sandbox and a connection to it."""

    def __init__(self, square: Served) -> None:
        self._pid = square.pid
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {square.token}\r\n"
        self._place = (urlsplit(square.address).hostname, urlsplit(square.address).port)
        self._own = self.connection()

    def connection(self) -> socket.socket:
        """Open another connection."""
        opened = socket.create_connection(self._place)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def written(self, method: str, path: str, body: object = None) -> bytes:
        """Return a request as it goes over the wire."""
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        return head.encode() + content

    def answer(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer."""
        try:
            return exchanged(self._own, request)
        except ConnectionError:
            # The server closes what was idle for five seconds.
            self._own = self.connection()
            return exchanged(self._own, request)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Make a call and return its answer."""
        return json.loads(self.answer(self.written(method, path, body)))

    def memory(self) -> float:
        """Return the MiB the server's process holds."""
        status = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii")
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024


def exchanged(connection: socket.socket, request: bytes) -> bytes:
    """Send a request and return the body of its answer, which must be a 200.

    An HTTP library would work longer on many of the calls than the server does.
    """
    connection.sendall(request)
    received = bytearray()
    while (start := received.find(b"\r\n\r\n") + 4) < 4:
        received += _more(connection)
    head = received[:start].lower()
    if not head.startswith(b"http/1.1 200"):
        raise SystemExit(f"the sandbox refused a call: {received.decode()}")
    end = start + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(received) < end:
        received += _more(connection)
    return bytes(received[start:])


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(1 << 18)
    if not received:
        raise ConnectionError
    return received


def customers(number: int, first: int = 0) -> list[Customer]:
    """Return the data of invented people, each with a phone of his own."""
    rows = people.stream(first, dirty=0, duplicates=0, households=0, first=first)
    return [_customer(row) for row in itertools.islice(rows, number)]


def _customer(row: people.Row) -> Customer:
    person = row.person
    address = {
        "address_line_1": person.street,
        "address_line_2": person.unit,
        "locality": person.city,
        "administrative_district_level_1": person.state,
        "postal_code": person.postcode,
        "country": person.country,
    }
    customer = {
        "given_name": person.given,
        "family_name": person.family,
        "nickname": person.nickname,
        "company_name": person.company,
        "email_address": person.email,
        "phone_number": row.text["phone"],
        "birthday": person.birthday.isoformat() if person.birthday else "",
        "address": {name: value for name, value in address.items() if value},
        "reference_id": person.reference,
        "note": person.note,
    }
    return {name: value for name, value in customer.items() if value}


def creates(server: Server, people: Sequence[Customer]) -> list[bytes]:
    """Return the bulk-creates that bring these people in."""
    return [
        server.written(
            "POST",
            "/v2/customers/bulk-create",
            {"customers": {str(uuid.uuid4()): one for one in batch}},
        )
        for batch in (people[at : at + _BATCH] for at in range(0, len(people), _BATCH))
    ]


def loaded(server: Server, people: Sequence[Customer], connections: int) -> Loaded:
    """Fill a directory by bulk-create, over as many connections as are asked for."""
    requests = creates(server, people)
    sockets = [server.connection() for _ in range(connections)]
    memory, seconds, client = [server.memory()], 0.0, 0.0
    with ThreadPoolExecutor(connections) as pool:
        for half in (requests[: len(requests) // 2], requests[len(requests) // 2 :]):
            shares = [half[number::connections] for number in range(connections)]
            begun, worked = time.perf_counter(), time.process_time()
            answers = list(pool.map(_all_exchanged, sockets, shares))
            seconds += time.perf_counter() - begun
            client += time.process_time() - worked
            memory.append(server.memory())
            assert not any(answers), "an invented profile was refused"
    for connection in sockets:
        connection.close()
    return Loaded(len(people), seconds, client, memory)


def _all_exchanged(connection: socket.socket, requests: Sequence[bytes]) -> bool:
    """Make the calls, and tell whether any answer holds an error."""
    return any(b'"errors"' in exchanged(connection, request) for request in requests)


class Directory(NamedTuple):
    """What has to be known of a full directory to ask for parts of it.

    ``places`` are the paths of the first, the middle and the last page in each order; ``since`` is
    a moment after which a hundred profiles were changed.
    """

    ids: list[str]
    places: dict[str, str]
    group_id: str
    since: str


def explored(server: Server) -> Directory:
    """Put members in a group, change some profiles, and walk the directory in both orders."""
    # What list and search show is behind, but not by an hour.
    server.ask("POST", "/_sandbox/clock", {"advance": _HOUR})
    ids, _ = _walked(server, "CREATED_AT")
    group = server.ask("POST", "/v2/customers/groups", {"group": {"name": "Regulars"}})["group"]
    for customer_id in spread(ids, _MEMBERS):
        server.ask("PUT", f"/v2/customers/{customer_id}/groups/{group['id']}")
    server.ask("POST", "/_sandbox/clock", {"advance": _HOUR})
    changes = {customer_id: {"note": "Changed"} for customer_id in spread(ids, _BATCH)}
    changed = server.ask("POST", "/v2/customers/bulk-update", {"customers": changes})["responses"]
    since = min(entry["customer"]["updated_at"] for entry in changed.values())
    server.ask("POST", "/_sandbox/clock", {"advance": _HOUR})
    places = {}
    for order in ("CREATED_AT", "DEFAULT"):
        _, paths = _walked(server, order)
        for where, at in (("first", 0), ("middle", len(paths) // 2), ("last", -1)):
            places[f"list by {order}, {where} page"] = paths[at]
    return Directory(ids, places, group["id"], since)


def _walked(server: Server, order: str) -> tuple[list[str], list[str]]:
    """Return all ids in an order, and the paths of the pages they are on."""
    ids, paths, cursor = [], [], {"cursor": ""}
    while cursor:
        paths.append(f"/v2/customers?{urlencode({'sort_field': order, **cursor})}")
        page = server.ask("GET", paths[-1])
        ids += [customer["id"] for customer in page["customers"]]
        cursor = {"cursor": page["cursor"]} if "cursor" in page else {}
    return ids, paths


def spread(values: Sequence[Any], number: int, first: int = 0) -> list[Any]:
    """Return so many of the values, from all over."""
    step = max(1, len(values) // number)
    return [values[(first + at * step) % len(values)] for at in range(number)]


def prepared(server: Server, people: Sequence[Customer], rounds: int) -> dict[str, list[bytes]]:
    """Return every call to be measured, written out as often as it is to be made."""
    directory = explored(server)
    # An exact search by phone wants the international form.
    known = [
        one
        for one in people
        if "email_address" in one and one.get("phone_number", "").startswith("+")
    ]
    calls = {}
    for name in ("email_address", "phone_number", "reference_id"):
        filters = [{name: {"exact": one[name]}} for one in spread(known, rounds)]
        calls[f"search by exact {name}"] = [_search(server, one) for one in filters]
    for name, wanted in (
        ("group", {"group_ids": {"any": [directory.group_id]}}),
        ("updated_at window", {"updated_at": {"start_at": directory.since}}),
        ("fuzzy email_address", {"email_address": {"fuzzy": "no-such-address"}}),
    ):
        calls[f"search by {name}"] = [_search(server, wanted)] * rounds
    for name, path in directory.places.items():
        calls[name] = [server.written("GET", path)] * rounds
    calls["list with count"] = [server.written("GET", "/v2/customers?count=true")] * rounds
    calls["retrieve"] = [
        server.written("GET", f"/v2/customers/{customer_id}")
        for customer_id in spread(directory.ids, rounds)
    ]
    calls["bulk-retrieve of 100"] = [
        server.written(
            "POST",
            "/v2/customers/bulk-retrieve",
            {"customer_ids": spread(directory.ids, _BATCH, first)},
        )
        for first in range(rounds)
    ]
    new = customers(rounds * _BATCH, first=len(people))
    calls["bulk-create of 100"] = creates(server, new)
    return calls


def _search(server: Server, wanted: dict[str, Any]) -> bytes:
    query = {"filter": wanted, "sort": {"field": "CREATED_AT"}}
    return server.written("POST", "/v2/customers/search", {"query": query})


def measured(servers: Sequence[Server], calls: Sequence[dict[str, list[bytes]]]) -> Any:
    """Return the ms each call takes of each server, made in turn."""
    taken: dict[str, list[list[float]]] = {}
    for name in calls[0]:
        taken[name] = [[] for _ in servers]
        for requests in zip(*(of_server[name] for of_server in calls), strict=True):
            for number, (server, request) in enumerate(zip(servers, requests, strict=True)):
                begun = time.perf_counter()
                server.answer(request)
                taken[name][number].append((time.perf_counter() - begun) * 1000)
    return {name: [median(times) for times in of_size] for name, of_size in taken.items()}


def disk(folder: Path) -> str:
    """Return the file system a folder is on, and its device."""
    mounts = [line.split()[:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [mount for mount in mounts if folder.is_relative_to(mount[1])]
    device, _, kind = max(above, key=lambda mount: len(mount[1]))
    return f"{kind} on {device}"


def told(report: dict[str, Any]) -> str:
    """Return what was measured as a table."""
    sizes = [load["profiles"] for load in report["loads"]]
    lines = [f"SQLite {sqlite3.sqlite_version}, {report['disk']}, lag {report['lag']:g} s"]
    for load in report["loads"]:
        memory = " → ".join(f"{mib:.0f}" for mib in load["memory"])
        lines.append(
            f"{load['profiles']:,} profiles in {load['seconds']:.1f} s: "
            f"{load['profiles'] / load['seconds']:,.0f}/s; the client worked "
            f"{load['client']:.1f} s of it; the server held {memory} MiB"
        )
    lines.append(f"{'ms per call':<34}" + "".join(f"{size:>11,}" for size in sizes) + "   ratio")
    for name, times in report["calls"].items():
        figures = "".join(f"{ms:>11.2f}" for ms in times)
        lines.append(f"{name:<34}{figures}{times[-1] / times[0]:>8.2f}")
    return "\n".join(lines)


def main() -> None:
    """Fill a sandbox of every size asked for, measure the calls, print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--connections", type=int, default=1, help="requests under way at a time")
    parser.add_argument("--rounds", type=int, default=25, help="how often each call is made")
    parser.add_argument("--lag", type=float, default=0.0, help="seconds list and search are behind")
    parser.add_argument("--memory", action="store_true", help="no file: all in memory")
    parser.add_argument("--folder", type=Path, help="where the files are made, and removed again")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder)))
        everyone = customers(max(arguments.profiles))
        servers, loads, calls = [], [], []
        for profiles in arguments.profiles:
            data = None if arguments.memory else folder / f"{profiles}.sqlite"
            servers.append(Server(stack.enter_context(served(data, lag=arguments.lag))))
            loads.append(loaded(servers[-1], everyone[:profiles], arguments.connections))
        for server, profiles in zip(servers, arguments.profiles, strict=True):
            calls.append(prepared(server, everyone[:profiles], arguments.rounds))
        report = {
            "disk": "in memory" if arguments.memory else disk(folder.resolve()),
            "lag": arguments.lag,
            "loads": [load._asdict() for load in loads],
            "calls": measured(servers, calls),
        }
    print(json.dumps(report) if arguments.json else told(report))


if __name__ == "__main__":
    main()
