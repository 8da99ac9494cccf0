"""How much of this machine's time does one bulk request of 100 profiles take in the client?

    python benchmarks/client.py --calls 2000

A server in another process reads each request and answers with the same bytes, so that what is
measured is the client alone: building the request, sockets, reading and understanding the answer.
Prints processor time per call, and how it compares with parsing and writing the same JSON.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import orjson

from etl.config import Config
from etl.square.client import SquareClient, network_transport

_PROFILES = 100


def serve() -> None:
    """Answer every request on a fresh port, which is printed, until the process is stopped."""
    customers = {f"se-{n:040}": _profile(n) for n in range(_PROFILES)}
    responses = {key: {"customer": profile} for key, profile in customers.items()}
    body = orjson.dumps({"responses": responses})
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    answer = head.encode() + body
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                while head_line := stream.readline():
                    length = 0
                    while head_line not in (b"\r\n", b""):
                        if head_line.lower().startswith(b"content-length:"):
                            length = int(head_line.split(b":")[1])
                        head_line = stream.readline()
                    stream.read(length)
                    connection.sendall(answer)


def _profile(number: int) -> dict[str, object]:
    return {
        "id": f"C{number:025}",
        "created_at": "2026-08-20T02:00:00.123Z",
        "updated_at": "2026-08-20T02:00:00Z",
        "given_name": f"Given{number}",
        "family_name": f"Family{number}",
        "email_address": f"person{number}@example.com",
        "phone_number": f"+1415555{number:04d}",
        "reference_id": f"R{number}",
        "preferences": {"email_unsubscribed": False},
        "creation_source": "THIRD_PARTY",
        "version": 0,
    }


def milliseconds(calls: int, turns: int, call: Callable[[], object]) -> float:
    """Return the median processor time of a call over several turns."""
    taken = []
    for _ in range(turns):
        begin = time.process_time()
        for _ in range(calls // turns):
            call()
        taken.append((time.process_time() - begin) / (calls // turns) * 1000)
    return statistics.median(taken)


def measured(calls: int) -> dict[str, float]:
    """Return the processor time, in ms, of a bulk call, and of its JSON alone."""
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        client = SquareClient(
            network_transport(),
            f"http://127.0.0.1:{int(server.stdout.readline())}",
            "token",
            Config().target.square_version,
            clock=time.monotonic,
            sleep=time.sleep,
            chance=random.Random(1),
        )
        sent = {f"se-{n:040}": _profile(n) for n in range(_PROFILES)}
        body = orjson.dumps({"customers": sent})
        client.bulk_create(body)
        bulk = milliseconds(calls, 5, lambda: client.bulk_create(body))
        json = milliseconds(calls, 5, lambda: orjson.dumps(orjson.loads(body)))
    finally:
        server.kill()
        server.wait()
    return {"bulk_call_ms": bulk, "its_json_ms": json, "ratio": bulk / json}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve()
    told = measured(asked.calls)
    print(f"{'processor time of a bulk call of 100 profiles':<50}{told['bulk_call_ms']:>8.2f} ms")
    print(f"{'of parsing and writing its JSON once':<50}{told['its_json_ms']:>8.2f} ms")
    print(f"{'ratio':<50}{told['ratio']:>8.1f}")


if __name__ == "__main__":
    main()
