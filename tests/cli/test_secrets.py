"""Canaries: a token and a person who must not turn up where they do not belong.

Square answers with errors that say back everything it was sent, in every member, header and broken
line. The token must be in no file, log or traceback; the person in nothing that is shown or logged.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.cli.following import following
from etl.cli.options import Logging, exits, log_options
from etl.sandbox import Request, Response, Sandbox
from etl.sandbox.server import serving

TOKEN = "EAAAcanary-5f0c2a7be1d94c33"
# Parts of a name, an email and a phone, none of which is a word of ours.
PERSON = ("Zyzzogeton", "Quackenbush", "zq.canary", "5550199")
PEOPLE = (
    "Customer ID,First name,Last name,Email,Phone,Note\n"
    "c-1,Zyzzogeton,Quackenbush,zq.canary@example.com,+14155550199,\n"
    "c-2,Zyzzogeton,Quackenbush,zq.canary at example.com,415-5550199,call Quackenbush\n"
    "c-3,Lin,Quackenbush,zq.canary2@example.com,,\n"
)
ROOT = Path(__file__).parent.parent.parent

Respond = Callable[[Request, Callable[[float], object]], Response]


class Told(NamedTuple):
    """How a command ended, and all it said."""

    status: int
    shown: str
    log: str


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Path:
    """A folder with a file of people and a config that does not wait for long; logs at debug."""
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "c.toml").write_text("[limits]\npatience = 0.5\n")
    (tmp_path / "c.toml").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQUARE_ENVIRONMENT", "sandbox")
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    return tmp_path


def run(folder: Path, address: str, *arguments: str) -> Told:
    """Run a command against an address."""
    log = folder / "etl.log"
    logged = ["--log-json", str(log), "--log-level", "debug"] if arguments[0] != "doctor" else []
    to = ["--base-url", address, "--config", "c.toml"]
    done = CliRunner().invoke(main, [*arguments, *logged, *to])
    return Told(done.exit_code, done.output, log.read_text() if log.exists() else "")


def assert_unseen(folder: Path, told: Told, logged: str = "") -> None:
    """Nothing anywhere has the token; nothing that is shown or ``logged`` has the person."""
    for path in folder.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
    for words in (told.shown, told.log, logged):
        assert TOKEN not in words
        assert not any(part.lower() in words.lower() for part in PERSON)


def echo(request: Request, status: int) -> Response:
    """Return an error that says back all of a request, wherever an error can say something."""
    said = f"{request.headers.get('authorization')} {request.body.decode()}"
    fault = {"category": "INVALID_REQUEST_ERROR", "code": said, "detail": said, "field": said}
    known = {**fault, "code": "INVALID_VALUE"}
    headers = {"content-type": "application/json", "x-said": said.strip()}
    return Response(status, json.dumps({"errors": [fault, known]}).encode(), headers)


@contextmanager
def square(endpoint: str, status: int) -> Iterator[str]:
    """Serve a Square that says back what an endpoint was asked."""
    box = Sandbox(token=TOKEN)

    def respond(request: Request, sleep: Callable[[float], object]) -> Response:
        if request.path.endswith(endpoint):
            return echo(request, status)
        return box.respond(request, sleep)

    with serving(respond) as address:
        yield address
    box.close()


@pytest.mark.parametrize(
    ("endpoint", "status", "command", "exit_code"),
    [
        ("/bulk-create", 400, ("import", "people.csv"), 3),
        ("/bulk-create", 500, ("import", "people.csv"), 4),
        ("/bulk-create", 401, ("import", "people.csv"), 4),
        ("/bulk-create", 200, ("import", "people.csv"), 4),
        ("/bulk-retrieve", 404, ("import", "people.csv"), 4),
        ("/merchants/me", 403, ("import", "people.csv"), 2),
        ("/merchants/me", 503, ("plan", "people.csv"), 4),
        ("/customers", 400, ("plan", "people.csv"), None),
        ("/search", 400, ("export", "out.csv"), None),
        ("/search", 429, ("export", "out.csv", "--email", "zq.canary@example.com"), 4),
        ("/token/status", 401, ("doctor",), 2),
        ("/token/status", 500, ("doctor",), 2),
        ("/customers", 418, ("doctor",), 2),
    ],
)
def test_square_says_it_back(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    endpoint: str,
    status: int,
    command: tuple[str, ...],
    exit_code: int | None,
) -> None:
    """Errors that repeat what was sent are told by their codes only."""
    with square(endpoint, status) as address:
        told = run(folder, address, *command)
    assert exit_code in (None, told.status), told.shown
    assert told.status != 1, told.shown
    assert_unseen(folder, told, caplog.text)


def test_good_runs(folder: Path) -> None:
    """Runs that go well, each in a process of its own with everything at debug, show nobody and
    leave no token anywhere."""
    code = (
        "import logging; logging.basicConfig(level=logging.DEBUG); "
        "from etl.cli import main; main(prog_name='square-etl')"
    )
    log = folder / "etl.log"

    def succeeds(command: str, target: dict[str, str]) -> None:
        done = subprocess.run(
            [sys.executable, "-c", code, *command.split(), "--log-json", str(log)],
            env={**os.environ, **target, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 3), done.stderr
        assert_unseen(folder, Told(0, done.stdout + done.stderr, log.read_text()))

    with serving(Sandbox(token=TOKEN).respond) as address:
        succeeds("import people.csv", {"SQUARE_BASE_URL": address})
        succeeds("plan people.csv", {"SQUARE_BASE_URL": address})
    # The real Square's lag of a minute would be waited for.
    local = {"SQUARE_ENVIRONMENT": "local"}
    succeeds("import people.csv --state-dir local", local)
    succeeds("export out.csv --state-dir local", local)
    # The canaries are alive: where people belong, they are.
    assert b"Quackenbush" in (folder / "out.csv").read_bytes()


@contextmanager
def broken(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Serve what is made of the bytes of each request, whatever HTTP has to say of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(answer(connection.recv(65536)))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def first(request: bytes) -> bytes:
    """Return the token as a request has it."""
    return next(
        line for line in request.split(b"\r\n") if line.lower().startswith(b"authorization")
    )


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: request,
        lambda request: b"HTTP/1.1 200 " + first(request) + b"\r\n" + first(request) + b"\x00: x",
        lambda request: b"HTTP/1.1 200 OK\r\nno colon " + first(request) + b"\r\n\r\n",
        lambda request: b"HTTP/1.1 200 OK\r\ncontent-length: " + first(request) + b"\r\n\r\n",
        lambda request: b"HTTP/1.1 302 Found\r\nlocation: /" + first(request)[-30:] + b"\r\n\r\n",
        lambda request: b"HTTP/1.1 429 Slow\r\nretry-after: " + first(request) + b"\r\n\r\n",
        lambda request: b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{" + request,
    ],
)
@pytest.mark.parametrize("command", [("import", "people.csv"), ("doctor",)])
def test_answers_that_are_not_http(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[[bytes], bytes],
    command: tuple[str, ...],
) -> None:
    """What breaks a library's parser is not quoted by whoever tells of it."""
    with broken(answer) as address:
        told = run(folder, address, *command)
    assert told.status in (2, 4), told.shown
    assert_unseen(folder, told, caplog.text)


@click.command()
@log_options
@exits
def crash(log: Logging) -> int:
    """Fail as a bug would: while it holds the token and somebody's data."""
    with following("import", log, quiet=False):
        try:
            raise KeyError(f"Bearer {TOKEN}", *PERSON)
        except KeyError as error:
            raise ValueError(f"cannot read {PERSON} with {TOKEN}") from error
    return 0


@pytest.mark.parametrize("place", ["etl.log", "-"])
def test_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A bug is told with the place in the code and the kinds of errors, without what they say."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(crash, ["--log-json", place])
    logged = done.stderr if place == "-" else (tmp_path / place).read_text()
    assert done.exit_code == 1
    assert_unseen(tmp_path, Told(1, done.output, logged))
    for text in (done.stderr, json.loads(logged.splitlines()[0])["trace"]):
        assert "builtins.KeyError: (withheld" in text
        assert "builtins.ValueError: (withheld" in text
        assert "test_secrets.py" in text
    assert "this is a bug in square-etl; please report it." in done.stderr


@click.command()
@exits
def slip() -> int:
    """Fail in a way that says nothing of data."""
    return len(3)  # type: ignore[arg-type]


def test_what_is_about_code_is_said() -> None:
    """A message of the interpreter helps to mend the bug, and quotes nobody."""
    done = CliRunner().invoke(slip, [])
    assert done.exit_code == 1
    assert "TypeError: object of type 'int' has no len()" in done.stderr
