"""Deliveries: what arrives where, in which order, how often, and after which failures."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from square.utils.webhooks_helper import verify_signature

from etl.sandbox import Sandbox
from tests.sandbox.conftest import Clock, Opened, Square
from tests.sandbox.receivers import Notification, Receiver, receiving
from tests.sandbox.test_server import serve

PATH = "/v2/webhooks/subscriptions"
TYPES = ["customer.created", "customer.updated", "customer.deleted"]
MINUTE = 60
DAY = 24 * 3600


def subscribe(client: httpx.Client, url: str, **values: Any) -> Any:
    """Create a subscription to all events of customers and return it."""
    data = {"name": "S", "event_types": TYPES, "notification_url": url, **values}
    answer = client.post(PATH, json={"subscription": data})
    assert answer.status_code == 200, answer.text
    return answer.json()["subscription"]


def create(client: httpx.Client, *names: str) -> None:
    """Create customers, one in each request."""
    for name in names:
        client.post("/v2/customers", json={"given_name": name}).raise_for_status()


def names(notifications: list[Notification]) -> list[str]:
    """Return the given name each notification tells."""
    return [one.event["data"]["object"]["customer"]["given_name"] for one in notifications]


def genuine(notification: Notification, subscription: Any) -> bool:
    """Tell whether the SDK takes a notification for one of a subscription's."""
    return verify_signature(
        request_body=notification.body.decode(),
        signature_header=notification.headers["x-square-hmacsha256-signature"],
        signature_key=subscription["signature_key"],
        notification_url=subscription["notification_url"],
    )


# What arrives


def test_an_event_arrives(square: Square, receiver: Receiver) -> None:
    """A signed POST of the event that a search finds, with Square's headers (webhooks overview)."""
    square.ok("PUT", "/v2/events/enable")
    subscription = subscribe(square.client, receiver.url)
    create(square.client, "Ines")

    assert square.sandbox.deliver() == 1

    (notification,) = receiver.taken()
    assert square.ok("POST", "/v2/events")["events"] == [notification.event]
    assert genuine(notification, subscription)
    assert notification.path == "/square?of=events"
    assert notification.headers["content-type"] == "application/json"
    assert notification.headers["square-environment"] == "Sandbox"
    first = notification.headers["square-initial-delivery-timestamp"]
    assert first == "2025-09-01T08:15:30.412Z"
    assert not [name for name in notification.headers if name.startswith("square-retry")]
    assert notification.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_events_arrive_in_order(square: Square, receiver: Receiver) -> None:
    """Each event once, the oldest first, those of one bulk call in its order."""
    subscribe(square.client, receiver.url)
    entries = {f"k{i}": {"given_name": f"G{i:02}"} for i in range(30)}
    made = square.ok("POST", "/v2/customers/bulk-create", {"customers": entries})["responses"]
    one = made["k7"]["customer"]["id"]
    square.ok("PUT", f"/v2/customers/{one}", {"given_name": "Other"})
    square.ok("DELETE", f"/v2/customers/{one}")

    assert square.sandbox.deliver() == 32
    assert square.sandbox.deliver() == 0

    notifications = receiver.taken()
    assert names(notifications) == [*(f"G{i:02}" for i in range(30)), "Other", "Other"]
    assert [one.event["type"] for one in notifications[-3:]] == TYPES
    assert len({one.event["event_id"] for one in notifications}) == 32


def test_each_subscription_gets_its_types(square: Square, receiver: Receiver) -> None:
    """A subscription hears of its event types only; each is signed with its own key."""
    updates = subscribe(square.client, f"{receiver.url}&s=1", event_types=["customer.updated"])
    everything = subscribe(square.client, f"{receiver.url}&s=2")
    customer_id = square.create(given_name="A")["id"]
    square.ok("PUT", f"/v2/customers/{customer_id}", {"note": "n"})

    assert square.sandbox.deliver() == 3

    notifications = receiver.taken()
    got = sorted((one.path[-1], one.event["type"]) for one in notifications)
    assert got == [("1", TYPES[1]), ("2", TYPES[0]), ("2", TYPES[1])]
    for one in notifications:
        mine, other = (updates, everything) if one.path.endswith("1") else (everything, updates)
        assert genuine(one, mine)
        assert not genuine(one, other | {"notification_url": mine["notification_url"]})


def test_only_what_happens_later_arrives(square: Square, receiver: Receiver) -> None:
    """What happened before a subscription was there, or while it was disabled, never arrives."""
    create(square.client, "before")
    path = f"{PATH}/{subscribe(square.client, receiver.url)['id']}"
    create(square.client, "first")
    square.sandbox.deliver()
    square.ok("PUT", path, {"subscription": {"enabled": False}})
    create(square.client, "meanwhile")
    square.sandbox.deliver()
    square.ok("PUT", path, {"subscription": {"enabled": True}})
    create(square.client, "last")
    square.sandbox.deliver()

    assert names(receiver.taken()) == ["first", "last"]


def test_an_event_is_worded_as_the_subscription_asks(square: Square, receiver: Receiver) -> None:
    """Days are written as the subscription's version writes them (overview, migration notes)."""
    subscribe(square.client, receiver.url, api_version="2022-09-21")
    square.create(given_name="A", birthday="2001-04-20")

    square.sandbox.deliver()

    told = receiver.next().event["data"]["object"]["customer"]["birthday"]
    assert told == "2001-04-20T00:00:00-00:00"


def test_a_new_key_signs_what_waited(square: Square, receiver: Receiver) -> None:
    """After a rotation all is signed with the new key, retries too (API reference)."""
    receiver.answers = [500]
    old = subscribe(square.client, receiver.url)
    create(square.client, "A")
    square.sandbox.deliver()
    new = old | square.ok("POST", f"{PATH}/{old['id']}/signature-key")
    square.clock.now += MINUTE
    square.sandbox.deliver()

    before, after = receiver.taken()
    assert (genuine(before, old), genuine(before, new)) == (True, False)
    assert (genuine(after, old), genuine(after, new)) == (False, True)


def test_localhost_is_this_machine(square: Square, receiver: Receiver) -> None:
    """localhost is reached as well, and named in the request."""
    subscribe(square.client, receiver.url.replace("127.0.0.1", "localhost"))
    create(square.client, "A")

    assert square.sandbox.deliver() == 1
    assert receiver.next().headers["host"] == f"localhost:{receiver.port}"


def test_localhost_may_be_ipv6(square: Square) -> None:
    """A receiver that listens on ::1 alone is reached as localhost, and by its address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with receiving(host="::1") as receiver:
        for host in ("localhost", "[::1]"):
            subscribe(square.client, f"http://{host}:{receiver.port}/")
        create(square.client, "A")

        assert square.sandbox.deliver() == 2


def test_https_to_this_machine(square: Square, tmp_path: Path) -> None:
    """A certificate of one's own will do (assumption)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-nodes", "-subj", "/CN=localhost", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with receiving(tls=tls) as receiver:
        subscription = subscribe(square.client, f"https://localhost:{receiver.port}/hooks")
        create(square.client, "A")

        assert square.sandbox.deliver() == 1
        assert genuine(receiver.next(), subscription)


# Failures


# Minutes between attempts, and since the event.
SCHEDULE = (1, 2, 4, 8, 16, 32, 60, 120, 240, 480, 480)


def test_retries_for_a_day(square: Square, receiver: Receiver) -> None:
    """After 1, 2, 4 … minutes, eleven times in a day, then no more (webhooks overview)."""
    receiver.answers = [500] * 100
    subscribe(square.client, receiver.url)
    create(square.client, "A")
    assert square.sandbox.deliver() == 0
    (first,) = receiver.taken()

    for number, minutes in enumerate(SCHEDULE, start=1):
        square.ok("POST", "/_sandbox/clock", {"advance": minutes * MINUTE - 1})
        square.sandbox.deliver()
        assert receiver.taken() == [], number
        square.ok("POST", "/_sandbox/clock", {"advance": 1})
        square.sandbox.deliver()

        (again,) = receiver.taken()
        assert again.headers["square-retry-number"] == str(number)
        assert again.headers["square-retry-reason"] == "http_error"
        same = ("square-initial-delivery-timestamp", "x-square-hmacsha256-signature")
        assert [again.headers[name] for name in same] == [first.headers[name] for name in same]
        assert again.body == first.body
    square.clock.now += 30 * DAY
    assert square.sandbox.deliver() == 0
    assert receiver.taken() == []


def test_a_retry_that_is_taken_ends_it(square: Square, receiver: Receiver) -> None:
    """Once an event was taken it does not come again."""
    receiver.answers = [500, 204]
    subscribe(square.client, receiver.url)
    create(square.client, "A")
    for _ in range(5):
        square.sandbox.deliver()
        square.clock.now += DAY / 2

    first, second = receiver.taken()
    assert first.event == second.event


@pytest.mark.parametrize("status", [201, 204, 299])
def test_statuses_that_are_taken(square: Square, receiver: Receiver, status: int) -> None:
    """Any 2xx acknowledges a notification (webhooks overview)."""
    receiver.answers = [status]
    subscribe(square.client, receiver.url)
    create(square.client, "A")

    assert square.sandbox.deliver() == 1


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 429, 500, 503])
def test_statuses_that_are_failures(square: Square, receiver: Receiver, status: int) -> None:
    """Any other status is a failure, and a redirect is not followed (webhooks overview)."""
    receiver.answers = [status]
    subscribe(square.client, receiver.url)
    create(square.client, "A")

    assert square.sandbox.deliver() == 0
    square.clock.now += MINUTE
    assert square.sandbox.deliver() == 1
    first, second = receiver.taken()
    assert first.path == second.path
    assert second.headers["square-retry-reason"] == "http_error"


def test_a_failure_lets_later_events_pass(square: Square, receiver: Receiver) -> None:
    """An event that failed waits for its time, the others do not wait for it (assumption)."""
    receiver.answers = [500]
    subscribe(square.client, receiver.url)
    create(square.client, "A", "B")
    square.sandbox.deliver()
    square.clock.now += MINUTE
    create(square.client, "C")
    square.sandbox.deliver()

    assert names(receiver.taken()) == ["A", "B", "A", "C"]


def test_what_was_missed_is_left_out(square: Square, receiver: Receiver) -> None:
    """Nobody delivers for an hour: one retry, not six; after a day a last one (assumption)."""
    receiver.answers = [500] * 100
    subscribe(square.client, receiver.url)
    create(square.client, "A")
    numbers = []
    for wait in (0, 62 * MINUTE, MINUTE, 2 * DAY, 2 * DAY):
        square.clock.now += wait
        square.sandbox.deliver()
        numbers.append([one.headers.get("square-retry-number") for one in receiver.taken()])

    assert numbers == [[None], ["1"], ["2"], ["3"], []]


def test_nobody_listens(square: Square) -> None:
    """Without a connection it is tried again, for another reason (webhooks overview)."""
    with receiving() as receiver:
        pass
    subscribe(square.client, receiver.url)
    create(square.client, "A")
    assert square.sandbox.deliver() == 0
    square.clock.now += MINUTE

    with receiving(receiver.port) as receiver:
        assert square.sandbox.deliver() == 1
        headers = receiver.next().headers
    assert headers["square-retry-reason"] == "other_error"


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Answer every connection with these bytes, whatever is sent; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopping = threading.Event()

        def answer_all() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if stopping.is_set():
                        return
                    connection.recv(1 << 16)
                    with contextlib.suppress(OSError):
                        connection.sendall(answer)

        thread = threading.Thread(target=answer_all)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stopping.set()
            socket.create_connection(server.getsockname()).close()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "scheme", "reason"),
    [
        (b"", "http", "other_error"),
        (b"what?\r\n\r\n", "http", "other_error"),
        (b"HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nhalf", "http", "http_error"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "https", "ssl_error"),
    ],
)
def test_answers_that_are_none(square: Square, answer: bytes, scheme: str, reason: str) -> None:
    """What is no HTTP, or no TLS where the URL says https, is a failure with its reason."""
    with answering(answer) as port:
        subscribe(square.client, f"{scheme}://127.0.0.1:{port}/")
        create(square.client, "A")
        assert square.sandbox.deliver() == 0
    path = PATH + "/" + square.ok("GET", PATH)["subscriptions"][0]["id"]
    square.clock.now += MINUTE

    with receiving() as receiver:
        square.ok("PUT", path, {"subscription": {"notification_url": receiver.url}})
        assert square.sandbox.deliver() == 1
        assert receiver.next().headers["square-retry-reason"] == reason


def test_an_answer_may_be_cut_or_long(square: Square) -> None:
    """The status alone counts."""
    for rest in (b"content-length: 100\r\n\r\nhalf", b"\r\n" + b"x" * (1 << 22)):
        with answering(b"HTTP/1.1 200 OK\r\n" + rest) as port:
            subscribe(square.client, f"http://127.0.0.1:{port}/")
            create(square.client, "A")
            assert square.sandbox.deliver() == 1
        for subscription in square.ok("GET", PATH)["subscriptions"]:
            square.ok("DELETE", f"{PATH}/{subscription['id']}")


@pytest.mark.long
def test_a_receiver_has_ten_seconds(square: Square, receiver: Receiver) -> None:
    """Who takes longer gets the event once more, and is told why (webhooks overview)."""
    receiver.open.clear()
    subscribe(square.client, receiver.url)
    create(square.client, "A")
    assert square.sandbox.deliver() == 0
    receiver.open.set()
    square.clock.now += MINUTE
    assert square.sandbox.deliver() == 1

    assert receiver.taken()[1].headers["square-retry-reason"] == "http_timeout"


# Disabling, deleting, emptying


def test_disabling_gives_up_what_waits(square: Square, receiver: Receiver) -> None:
    """What failed is not sent again after the subscription was disabled (assumption)."""
    receiver.answers = [500]
    path = f"{PATH}/{subscribe(square.client, receiver.url)['id']}"
    create(square.client, "A")
    square.sandbox.deliver()
    square.ok("PUT", path, {"subscription": {"enabled": False}})
    square.ok("PUT", path, {"subscription": {"enabled": True}})
    square.clock.now += MINUTE

    assert square.sandbox.deliver() == 0
    assert len(receiver.taken()) == 1


def test_a_deleted_subscription_gets_nothing(square: Square, receiver: Receiver) -> None:
    """What waits for a subscription goes with it; what waits for others stays."""
    path = f"{PATH}/{subscribe(square.client, f'{receiver.url}&s=1')['id']}"
    subscribe(square.client, f"{receiver.url}&s=2")
    create(square.client, "A")
    square.ok("DELETE", path)

    assert square.sandbox.deliver() == 1
    assert receiver.next().path.endswith("s=2")


def test_a_changed_url_gets_what_waits(square: Square, receiver: Receiver) -> None:
    """Events go where the subscription says when they are sent, signed for that URL."""
    subscription = subscribe(square.client, "http://127.0.0.1:9/")
    create(square.client, "A")
    after = {"notification_url": receiver.url}
    square.ok("PUT", f"{PATH}/{subscription['id']}", {"subscription": after})

    assert square.sandbox.deliver() == 1
    assert genuine(receiver.next(), subscription | after)


def test_emptying_the_sandbox_ends_deliveries(square: Square, receiver: Receiver) -> None:
    """What waits is forgotten with its event; the subscription hears of what follows."""
    subscribe(square.client, receiver.url)
    create(square.client, "A")
    square.sandbox.clear()
    create(square.client, "B")

    assert square.sandbox.deliver() == 1
    assert names(receiver.taken()) == ["B"]


# In process


def test_nothing_is_sent_by_itself(receiver: Receiver) -> None:
    """A sandbox in process starts no thread; who wants deliveries asks for them."""
    sandbox = Sandbox()
    with httpx.Client(
        transport=sandbox.transport(),
        base_url="http://square.invalid",
        headers={"Authorization": f"Bearer {sandbox.token}"},
    ) as client:
        before = threading.enumerate()
        subscribe(client, receiver.url)
        create(client, "A")

        assert threading.enumerate() == before
    assert sandbox.deliver() == 1
    sandbox.close()
    assert len(receiver.taken()) == 1


def test_deliver_inside_an_event_loop(square: Square, receiver: Receiver) -> None:
    """A program that has an event loop of its own may ask for deliveries."""
    subscribe(square.client, receiver.url)
    create(square.client, "A")

    async def ask() -> int:
        return square.sandbox.deliver()

    assert asyncio.run(ask()) == 1


def test_a_receiver_may_write_back(square: Square, receiver: Receiver) -> None:
    """One call delivers what was due when it was made, or two programs might never end."""
    subscribe(square.client, receiver.url)
    create(square.client, "A")

    def write_back(_: Notification) -> int:
        create(square.client, "B")
        return 200

    receiver.judge = write_back
    assert [square.sandbox.deliver(), square.sandbox.deliver()] == [1, 1]
    assert names(receiver.taken()) == ["A", "B"]


fates = st.lists(st.lists(st.sampled_from([200, 204, 302, 404, 500]), max_size=14), max_size=4)


@given(fates=fates)
@settings(derandomize=True, deadline=None, max_examples=20)
def test_every_event_is_tried_until_it_is_taken(fates: list[list[int]]) -> None:
    """Whatever is answered: up to the first 2xx, at most twelve times, always the same body."""
    clock = Clock()
    sandbox = Sandbox(clock=clock)
    answers = {str(i): iter((*fate, *[200] * 20)) for i, fate in enumerate(fates)}
    with (
        httpx.Client(
            transport=sandbox.transport(),
            base_url="http://square.invalid",
            headers={"Authorization": f"Bearer {sandbox.token}"},
        ) as client,
        receiving() as receiver,
    ):
        receiver.judge = lambda one: next(answers[names([one])[0]])
        subscribe(client, receiver.url)
        create(client, *answers)
        for minutes in (0, *SCHEDULE, 480, 480):
            clock.now += minutes * MINUTE
            sandbox.deliver()
        arrived = receiver.taken()
    sandbox.close()
    for i, fate in enumerate(fates):
        failures = next((n for n, status in enumerate(fate) if status < 300), len(fate))
        bodies = [one.body for one in arrived if names([one]) == [str(i)]]
        assert len(bodies) == min(failures + 1, 12)
        assert len(set(bodies)) == 1


# On a port


def test_a_thread_delivers(opened: Opened, receiver: Receiver) -> None:
    """Inside ``delivering`` events arrive by themselves; afterwards they do not."""
    square = opened()
    subscribe(square.client, receiver.url)
    with square.sandbox.delivering():
        create(square.client, "A")
        assert names([receiver.next()]) == ["A"]
    create(square.client, "B")

    assert receiver.taken() == []


def test_a_slow_receiver_holds_nobody_up(opened: Opened, receiver: Receiver) -> None:
    """While one takes its time, the API answers and other subscriptions get their events."""
    square = opened()
    with receiving() as slow, square.sandbox.delivering():
        slow.open.clear()
        subscribe(square.client, slow.url)
        subscribe(square.client, receiver.url)
        create(square.client, "A")
        assert names([slow.next()]) == ["A"]

        create(square.client, "B", "C")

        assert names([receiver.next() for _ in range(3)]) == ["A", "B", "C"]
        assert slow.taken() == []
        slow.open.set()
        assert names([slow.next() for _ in range(2)]) == ["B", "C"]


def test_the_end_does_not_wait_for_a_slow_receiver(opened: Opened, receiver: Receiver) -> None:
    """A delivery under way is dropped, and made again later: the receiver may get it twice."""
    square = opened()
    receiver.open.clear()
    subscribe(square.client, receiver.url)
    with square.sandbox.delivering():
        create(square.client, "A")
        first = receiver.next()
    receiver.open.set()

    assert square.sandbox.deliver() == 1
    assert receiver.next().event == first.event


def test_a_killed_server_goes_on(tmp_path: Path) -> None:
    """What was written before kill -9 arrives when the file is served again, under its id."""
    path = str(tmp_path / "sandbox.sqlite")
    with receiving() as receiver:
        receiver.open.clear()
        with serve("--data", path) as served, served.client() as client:
            subscription = subscribe(client, receiver.url)
            create(client, "A", "B", "C")
            under_way = receiver.next()
            os.kill(served.process.pid, signal.SIGKILL)
            served.process.wait(10)
        assert receiver.taken() == []
        receiver.open.set()

        with serve("--data", path):
            arrived = [receiver.next() for _ in range(3)]

    assert names(arrived) == ["A", "B", "C"]
    assert arrived[0].event == under_way.event
    assert all(genuine(one, subscription) for one in arrived)


def test_a_killed_server_retries_at_its_time(tmp_path: Path) -> None:
    """Attempts that failed are remembered; the clock makes the retry due, whoever serves."""
    path = str(tmp_path / "sandbox.sqlite")
    with receiving() as receiver:
        receiver.answers = [500]
        with serve("--data", path) as served, served.client() as client:
            subscribe(client, receiver.url)
            create(client, "A")
            first = receiver.next()
            # Once the next one is under way, the failure is on record.
            create(client, "B")
            assert names([receiver.next()]) == ["B"]
            os.kill(served.process.pid, signal.SIGKILL)
            served.process.wait(10)

        with serve("--data", path) as served, served.client() as client:
            create(client, "C")
            # That of B may have been taken and not yet been on record.
            arrived = names([receiver.next()])
            if arrived == ["B"]:
                arrived = names([receiver.next()])
            assert arrived == ["C"]
            client.post("/_sandbox/clock", json={"advance": MINUTE})
            again = receiver.next()

    assert again.event == first.event
    assert again.headers["square-retry-number"] == "1"


def test_a_server_delivers_what_others_write(tmp_path: Path) -> None:
    """Who writes to the file in process while it is served has the events sent too."""
    path = tmp_path / "sandbox.sqlite"
    with receiving() as receiver, serve("--data", str(path)) as served, served.client() as client:
        subscribe(client, receiver.url)
        sandbox = Sandbox(path)
        sandbox.control("seed", {"profiles": 3, "seed": 7})
        sandbox.close()

        events = [receiver.next().event["type"] for _ in range(3)]
    assert events == ["customer.created"] * 3


def test_a_server_ends_at_once(tmp_path: Path) -> None:
    """SIGTERM does not wait for a receiver that takes its time."""
    with receiving() as receiver, serve() as served, served.client() as client:
        receiver.open.clear()
        subscribe(client, receiver.url)
        create(client, "A")
        receiver.next()

        served.process.send_signal(signal.SIGTERM)

        assert served.process.wait(5) == 0
