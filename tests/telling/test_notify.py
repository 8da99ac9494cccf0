"""Notifications: a webhook and a command are told how a run ended, and cannot change it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from etl.config import Notify, parse
from etl.errors import ConfigError
from etl.telling.notify import notify
from tests.cli.test_imports import BROKEN, PEOPLE, folder, run
from tests.cli.test_secrets import broken, first
from tests.sandbox.receivers import Receiver, receiving
from tests.worlds import as_csv, people

__all__ = ["folder"]

SECRET = "Bearer very-secret-4711"


def tell(
    settings: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> tuple[list[str], list[float]]:
    """Notify with these settings; return what went wrong and the pauses between attempts."""
    pauses: list[float] = []
    failed = list(
        notify(Notify.model_validate(settings), {"exit_code": 3}, environ or {}, pauses.append)
    )
    return failed, pauses


def program(folder: Path, code: str) -> tuple[str, ...]:
    """Return the command that runs this Python."""
    path = folder / "program.py"
    path.write_text(code)
    return (sys.executable, str(path))


def config(folder: Path, text: str) -> str:
    """Write a config; return its name."""
    (folder / "nightly.toml").write_text(text)
    return "nightly.toml"


# -- webhooks --------------------------------------------------------------------------------


def test_a_webhook_gets_the_summary_and_the_secret() -> None:
    """One POST of JSON, with the header whose value the environment has."""
    with receiving() as receiver:
        settings = {"webhook": receiver.url, "secret_env": "HOOK", "secret_header": "X-Key"}
        assert tell(settings, {"HOOK": SECRET}) == ([], [])
        told = receiver.next()
    assert told.event == {"exit_code": 3}
    assert told.headers["x-key"] == SECRET
    assert told.headers["content-type"] == "application/json"
    assert told.path == "/square?of=events"


def test_a_webhook_that_fails_is_tried_three_times() -> None:
    """A 500 may pass: three attempts, with pauses; then it is told, without address and secret."""
    with receiving() as receiver:
        receiver.answers = [500, 503, 429, 200]
        settings = {"webhook": receiver.url, "secret_env": "HOOK"}
        failed, pauses = tell(settings, {"HOOK": SECRET})
        assert len(receiver.taken()) == 3
    assert failed == ["the webhook at 127.0.0.1 was not told: it answered 429"]
    assert pauses == [1.0, 3.0]


def test_a_webhook_that_recovers() -> None:
    """The second attempt counts as well as the first."""
    with receiving() as receiver:
        receiver.answers = [500]
        assert tell({"webhook": receiver.url}) == ([], [1.0])
        assert len(receiver.taken()) == 2


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_refusal_is_not_repeated(status: int) -> None:
    """What would be refused again is not asked again, and nothing is followed elsewhere."""
    with receiving() as receiver:
        receiver.answers = [status]
        failed, pauses = tell({"webhook": receiver.url})
        assert [each.path for each in receiver.taken()] == ["/square?of=events"]
    assert failed == [f"the webhook at 127.0.0.1 was not told: it answered {status}"]
    assert pauses == []


def test_a_webhook_that_hangs_is_given_up() -> None:
    """Three attempts of ``timeout`` seconds each, however long the other side keeps silent."""
    with receiving() as receiver:
        receiver.open.clear()
        begun = time.monotonic()
        failed, _ = tell({"webhook": receiver.url, "timeout": 0.2})
        assert 0.6 <= time.monotonic() - begun < 5
    assert failed == ["the webhook at 127.0.0.1 was not told: no answer (TimeoutException)"]


def test_nobody_listens() -> None:
    """A webhook that is not there is told of like any other failure."""
    with receiving() as receiver:
        url = receiver.url
    failed, pauses = tell({"webhook": url})
    assert failed == ["the webhook at 127.0.0.1 was not told: no answer (NetworkError)"]
    assert len(pauses) == 2


@pytest.mark.parametrize("head", [b"HTTP/1.1 500 ", b"HTTP/1.1 200 OK\r\nno colon ", b""])
def test_a_webhook_that_says_it_back(head: bytes) -> None:
    """What a webhook answers is not told: it may be the secret."""
    with broken(lambda request: head + first(request) + b"\r\n\r\n" + request) as address:
        (failed,), _ = tell({"webhook": address, "secret_env": "HOOK"}, {"HOOK": SECRET})
    assert failed.startswith("the webhook at 127.0.0.1 was not told: ")
    assert "secret" not in failed


@pytest.mark.parametrize("environ", [{}, {"HOOK": ""}, {"HOOK": "two\nlines"}])
def test_without_its_secret_nothing_is_sent(environ: dict[str, str]) -> None:
    """A webhook that needs a secret is not called without, and the secret is not quoted."""
    with receiving() as receiver:
        (failed,), _ = tell({"webhook": receiver.url, "secret_env": "HOOK"}, environ)
        assert receiver.taken() == []
    assert "HOOK is not set, or holds what no header can" in failed
    assert "two" not in failed


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://user:password@example.com/",
        "ftp://example.com/",
        "example.com",
        "https:///hook",
        "https://[::1/",
        "http://10.0.0.1/",
    ],
)
def test_webhooks_are_https_or_here(url: str) -> None:
    """Plain http leads to this machine only; what is refused is not quoted, it may be a secret."""
    with pytest.raises(ConfigError) as refused:
        parse({"notify": {"webhook": url}}, "c.toml")
    assert "notify.webhook" in str(refused.value)
    assert url not in str(refused.value)


# -- commands --------------------------------------------------------------------------------


def test_a_command_reads_the_summary(tmp_path: Path) -> None:
    """The summary is its standard input; Square's token is not in its environment."""
    code = (
        "import json, os, sys\n"
        f"with open({str(tmp_path / 'told')!r}, 'w') as file:\n"
        "    json.dump([json.load(sys.stdin), dict(os.environ), sys.argv[1:]], file)\n"
        "print('this is for nobody')\n"
    )
    environ = {"SQUARE_ACCESS_TOKEN": SECRET, "KEPT": "yes"}
    settings = {"command": (*program(tmp_path, code), "--to", "ops@example.com; rm -rf /")}
    assert tell(settings, environ) == ([], [])
    told, environment, arguments = json.loads((tmp_path / "told").read_text())
    assert told == {"exit_code": 3}
    assert environment["KEPT"] == "yes"
    assert SECRET not in environment.values()
    assert arguments == ["--to", "ops@example.com; rm -rf /"]


@pytest.mark.parametrize(
    ("code", "told"),
    [("raise SystemExit(7)", "ended with 7"), ("import os; os.abort()", "ended with -6")],
)
def test_a_command_that_fails(tmp_path: Path, code: str, told: str) -> None:
    """A command that does not end well is told of."""
    (failed,), _ = tell({"command": program(tmp_path, code)})
    assert failed.endswith(told)


def test_a_command_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    """After ``timeout`` seconds the command and whatever it started are gone."""
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "child.wait()\n"
    )
    begun = time.monotonic()
    (failed,), _ = tell({"command": program(tmp_path, code), "timeout": 1.0})
    assert time.monotonic() - begun < 10
    assert "it took longer than 1 s" in failed
    status = Path("/proc", (tmp_path / "child").read_text(), "status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child is still there")


def test_a_command_that_reads_nothing(tmp_path: Path) -> None:
    """Whoever closes its standard input at once is not a failure."""
    assert tell({"command": program(tmp_path, "import os; os.close(0)")}) == ([], [])


def test_no_such_command() -> None:
    """A program that is not there is told of."""
    (failed,), _ = tell({"command": ("no-such-program",)})
    assert "no-such-program could not be run: No such file" in failed


# -- at the end of a run ---------------------------------------------------------------------


def notified(receiver: Receiver) -> list[dict[str, Any]]:
    """Return what arrived."""
    return [each.event for each in receiver.taken()]


@pytest.mark.parametrize(
    ("on", "rows", "code", "told"),
    [
        ('["failure"]', PEOPLE, 0, 0),
        ('["failure"]', BROKEN, 3, 0),
        ('["attention"]', BROKEN, 3, 1),
        ('["success"]', PEOPLE, 0, 1),
        ('["always"]', PEOPLE, 0, 1),
    ],
)
def test_whom_to_tell_when(folder: Path, on: str, rows: str, code: int, told: int) -> None:
    """``on`` says which endings are told."""
    (folder / "people.csv").write_text(rows)
    with receiving() as receiver:
        name = config(folder, f'[notify]\nwebhook = "{receiver.url}"\non = {on}\n')
        done = run("import", "people.csv", "--config", name)
        assert done.exit_code == code
        assert len(notified(receiver)) == told


def test_the_summary_of_an_import(folder: Path) -> None:
    """A summary has the run, how it ended, counts, reasons and a sentence for a chat; no people."""
    (folder / "people.csv").write_text(BROKEN)
    with receiving() as receiver:
        name = config(folder, f'[notify]\nwebhook = "{receiver.url}"\n')
        report = json.loads(
            run("import", "people.csv", "--config", name, "--output", "json").stdout
        )
        (told,) = notified(receiver)
    assert (told["command"], told["ending"], told["exit_code"]) == ("import", "attention", 3)
    assert told["run_id"] == report["run_id"]
    assert told["rows"] == report["rows"]
    assert told["reasons"] == {"INVALID_EMAIL_ADDRESS": 1}
    assert told["sources"] == ["people.csv"]
    assert told["text"].startswith(
        f"square-etl import {report['run_id']}: finished, exit 3: 3 read"
    )
    assert not any(name in json.dumps(told) for name in ("Ada", "Byron", "4155550148", "ada@"))


def test_a_run_that_never_began_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is missing keeps a run from starting: that, above all, somebody has to hear."""
    with receiving() as receiver:
        name = config(folder, f'[notify]\nwebhook = "{receiver.url}"\n')
        done = run("import", "people.csv", "--config", name, "--target", "production", "--yes")
        (told,) = notified(receiver)
    assert done.exit_code == 2
    assert (told["ending"], told["exit_code"]) == ("failure", 2)
    assert "no access token" in told["stopped"]
    assert "no access token" in told["text"]


def test_a_run_that_was_stopped_is_told(folder: Path) -> None:
    """SIGTERM in mid-run: the summary says that it is incomplete, and the process ends with 4."""
    (folder / "people.csv").write_text(as_csv(people(3000)))
    with receiving() as receiver:
        name = config(folder, f'[notify]\nwebhook = "{receiver.url}"\n')
        program = [sys.executable, "-m", "etl", "import", "people.csv", "--config", name]
        log = [*program, "--log-json", "-"]
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
        with subprocess.Popen(
            log, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if json.loads(line).get("stage") == "load":
                    process.terminate()
                    break
            process.stderr.read()
        assert process.returncode == 4
        (told,) = notified(receiver)
    assert (told["ending"], told["status"]) == ("failure", "incomplete")
    assert "SIGTERM" in told["stopped"]


def test_exports_and_resumes_are_told(folder: Path) -> None:
    """Every command that does something tells; what was finished already is a failure too."""
    (folder / "people.csv").write_text(PEOPLE)
    with receiving() as receiver:
        name = config(folder, f'[notify]\nwebhook = "{receiver.url}"\non = ["always"]\n')
        run_id = json.loads(
            run("import", "people.csv", "--config", name, "--output", "json").stdout
        )["run_id"]
        run("export", "out.csv", "--config", name)
        run("plan", "people.csv", "--config", name)
        run("runs", "resume", run_id)
        told = notified(receiver)
    assert [each["command"] for each in told] == ["import", "export", "plan", "runs resume"]
    assert [each["exit_code"] for each in told] == [0, 0, 0, 2]
    assert told[1]["rows"] == 2


@pytest.mark.parametrize(("rows", "code"), [(PEOPLE, 0), (BROKEN, 3)])
def test_a_failed_notification_changes_nothing(folder: Path, rows: str, code: int) -> None:
    """The exit code and the report stand; what went wrong is told on standard error."""
    (folder / "people.csv").write_text(rows)
    with receiving() as receiver:
        receiver.answers = [404]
        settings = (
            f'[notify]\nwebhook = "{receiver.url}"\ncommand = ["no-such-program"]\n'
            'on = ["always"]\n'
        )
        done = run("import", "people.csv", "--config", config(folder, settings))
    assert done.exit_code == code
    assert "square-etl: the webhook at 127.0.0.1 was not told: it answered 404" in done.stderr
    assert "square-etl: the command no-such-program could not be run" in done.stderr
    assert "every row is accounted for" in done.stdout


def test_another_notification_is_not_another_run(folder: Path) -> None:
    """Whom to tell may change between a stop and its resume: the same command goes on."""
    (folder / "people.csv").write_text(PEOPLE)
    stopped = config(folder, "[limits]\nmax_created = 1\n")
    first = json.loads(run("import", "people.csv", "--config", stopped, "--output", "json").stdout)
    assert first["exit_code"] == 6
    going_on = config(folder, '[notify]\non = ["success"]\n[metrics]\ntextfile = "etl.prom"\n')
    again = json.loads(run("import", "people.csv", "--config", going_on, "--output", "json").stdout)
    assert (again["run_id"], again["exit_code"]) == (first["run_id"], 0)
