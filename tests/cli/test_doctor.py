"""``doctor`` as an operator meets it: what is wrong, what helps, and nothing touched."""

from __future__ import annotations

import fcntl
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.doctor import filesystem
from etl.sandbox import Sandbox
from etl.sandbox.server import serving
from tests.cli.test_imports import PEOPLE, folder, run

__all__ = ["folder"]

ALL = ("CUSTOMERS_READ", "CUSTOMERS_WRITE", "MERCHANT_PROFILE_READ")
DAY = 86_400


@contextmanager
def served(
    monkeypatch: pytest.MonkeyPatch,
    *scopes: str,
    seconds: int | None = None,
    ahead: float = 0.0,
) -> Iterator[Sandbox]:
    """A Square on a port, and a token for it with these scopes, for so many seconds."""
    box = Sandbox(clock=lambda: time.time() + ahead)
    asked = {"scopes": list(scopes or ALL), "expires_in": seconds}
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", box.control("tokens", asked)["token"])
    with serving(box.respond) as address:
        monkeypatch.setenv("SQUARE_BASE_URL", address)
        monkeypatch.setenv("SQUARE_ENVIRONMENT", "sandbox")
        yield box


def doctor(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code and the findings by their check."""
    done = run("doctor", "--output", "json", *arguments)
    told = json.loads(done.stdout)
    assert told["exit_code"] == done.exit_code
    assert all(one["remedy"] for one in told["checks"] if one["verdict"] == "fix")
    return done.exit_code, {one["check"]: one for one in told["checks"]}


def verdicts(found: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return what is not in order."""
    return {name: one["verdict"] for name, one in found.items() if one["verdict"] != "ok"}


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return everything in a folder: modes, times, bytes."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def test_a_newcomer(folder: Path) -> None:
    """Before the first run all is well, and nothing is made by asking."""
    done = run("doctor")

    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("all is well\n")
    assert not list(folder.iterdir())


def test_the_local_square_is_read_and_left_alone(folder: Path) -> None:
    """After a run the embedded Square is asked as a real one, and not one byte or time changes."""
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv")
    before = tree(folder)

    status, found = doctor()

    assert (status, verdicts(found)) == (0, {})
    assert found["read"]["told"] == "2 profiles in the directory"
    assert tree(folder) == before


def test_a_square_on_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good token, a right clock: ok, and nothing was written to Square or here."""
    with served(monkeypatch, seconds=30 * DAY) as box:
        status, found = doctor()
        assert (status, verdicts(found)) == (0, {})
        assert "SQUARE_ACCESS_TOKEN" in found["token"]["told"]
        assert "good for 30 days" in found["expiry"]["told"]
        assert box.merchant_id in found["merchant"]["told"]
        assert box.log() == []
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("scopes", "seconds", "wrong", "told"),
    [
        (("CUSTOMERS_READ", "MERCHANT_PROFILE_READ"), None, {"token": "warning"}, "exports work"),
        (("CUSTOMERS_READ", "CUSTOMERS_WRITE"), None, {"token": "fix", "read": "fix"}, "neither"),
        (("MERCHANT_PROFILE_READ",), None, {"token": "fix", "read": "fix"}, "CUSTOMERS_READ and"),
        (ALL, 6 * DAY, {"expiry": "warning"}, "good for 6 days"),
        (ALL, 3600, {"expiry": "fix"}, "within a day"),
    ],
)
def test_tokens(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    scopes: tuple[str, ...],
    seconds: int | None,
    wrong: dict[str, str],
    told: str,
) -> None:
    """Missing scopes are named with what they are missing for, and the days left are counted."""
    with served(monkeypatch, *scopes, seconds=seconds):
        status, found = doctor()
    assert verdicts(found) == wrong
    assert status == (2 if "fix" in wrong.values() else 0)
    assert told in found[next(iter(wrong))]["told"]


def test_a_revoked_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that Square refuses is to be renewed; nothing else is asked with it."""
    with served(monkeypatch):
        monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "EAAAwrong")
        status, found = doctor()
    assert (status, verdicts(found)) == (2, {"token": "fix"})
    assert "EAAAwrong" not in json.dumps(found)


@pytest.mark.parametrize(
    ("ahead", "verdict", "told"),
    [(5, None, "agrees"), (90, "warning", "s behind Square's"), (-7200, "fix", "s ahead of")],
)
def test_clocks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ahead: float, verdict: str | None, told: str
) -> None:
    """A clock that differs from the Date of Square's answers is told, by how much and which way."""
    with served(monkeypatch, ahead=ahead):
        status, found = doctor()
    assert verdicts(found) == ({"clock": verdict} if verdict else {})
    assert told in found["clock"]["told"]
    assert status == (2 if verdict == "fix" else 0)


@pytest.mark.parametrize(
    ("settings", "wrong", "told"),
    [
        ('[clean]\ndefault_region = "DE"\n', {"merchant": "warning"}, "numbers of DE"),
        ('[target]\nsquare_version = "2025-01-23"\n', {"version": "warning"}, "is older than"),
        ('[target]\nsquare_version = "2099-01-01"\n', {"version": "warning"}, "Square answers as"),
        ('[target]\nsquare_version = "2025-01-01"\n', {"version": "fix"}, "does not serve"),
    ],
)
def test_configs_against_square(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: str,
    wrong: dict[str, str],
    told: str,
) -> None:
    """The config's region is compared with the merchant's country, its version with the served."""
    (folder / "c.toml").write_text(settings)
    (folder / "c.toml").chmod(0o600)
    with served(monkeypatch):
        _, found = doctor("--config", "c.toml")
    assert verdicts(found) == wrong
    assert told in found[next(iter(wrong))]["told"]


def test_nobody_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nobody answers is told within the patience, and ends the questions."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("SQUARE_ACCESS_TOKEN", "EAAAtest")
    (folder / "c.toml").write_text("[limits]\npatience = 0.5\n")
    (folder / "c.toml").chmod(0o600)
    target = ["--target", "sandbox", "--base-url", f"http://127.0.0.1:{port}"]
    status, found = doctor("--config", "c.toml", *target)
    assert (status, verdicts(found)) == (2, {"square": "fix"})


def test_a_config_that_cannot_be_read(folder: Path) -> None:
    """Mistakes in the config are listed, and the state folder is looked at all the same."""
    (folder / "c.toml").write_text("[limit]\n[sourc]\n")
    status, found = doctor("--config", "c.toml")
    assert status == 2
    assert "did you mean limits?" in found["config"]["told"]
    assert "did you mean source?" in found["config"]["told"]
    assert found["space"]["verdict"] == "ok"
    assert "did you mean limits?" in run("doctor", "--config", "c.toml").stdout


@pytest.mark.parametrize(
    ("settings", "check", "told"),
    [
        ('[notify]\ncommand = ["no-such-program"]\n', "notify", "no program no-such-program"),
        (
            '[notify]\nwebhook = "https://example.com/"\nsecret_env = "NOT_SET"\n',
            "notify",
            "NOT_SET is not set",
        ),
        ('[metrics]\ntextfile = "nowhere/etl.prom"\n', "metrics", "no folder"),
    ],
)
def test_what_the_config_names(folder: Path, settings: str, check: str, told: str) -> None:
    """Programs, variables and folders that the config names have to be there."""
    (folder / "c.toml").write_text(settings)
    (folder / "c.toml").chmod(0o600)
    status, found = doctor("--config", "c.toml")
    assert (status, verdicts(found)) == (2, {check: "fix"})
    assert told in found[check]["told"]


def test_a_config_that_others_can_change(folder: Path) -> None:
    """A config says which command is run: who can change it, can run anything."""
    (folder / "c.toml").touch()
    (folder / "c.toml").chmod(0o666)
    assert verdicts(doctor("--config", "c.toml")[1]) == {"config": "fix"}


def test_state_folders(folder: Path) -> None:
    """A folder that others can look into is told of; a file in its place has to go."""
    (folder / "open").mkdir()
    (folder / "open").chmod(0o755)
    assert verdicts(doctor("--state-dir", "open")[1]) == {"state folder": "warning"}
    (folder / "file").touch()
    refused = run("doctor", "--state-dir", "file")
    assert refused.exit_code == 2


def test_another_run_is_named(folder: Path) -> None:
    """Who holds the lock is told, and goes on holding it."""
    (folder / "state").mkdir(mode=0o700)
    with open(folder / "state" / "lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("process 17 on nightly, import\n")
        held.flush()
        status, found = doctor("--state-dir", "state")
    assert (status, verdicts(found)) == (0, {"lock": "warning"})
    assert "process 17 on nightly, import" in found["lock"]["told"]


MOUNTS = r"""22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/share rw - nfs4 server:/export rw
31 22 0:41 / /mnt/share/local\040disk rw shared:5 - xfs /dev/sdb rw
32 22 0:42 / /tmp rw - tmpfs tmpfs rw
35 22 0:45 / /srv/données rw - nfs server:/données rw
36 22 0:46 / /srv/donn\udce9es rw - cifs //server/latin1 rw
33 22 0:43 / /srv rw - ext4 /dev/sdc rw
34 22 0:44 / /srv rw - cifs //server/srv rw
nonsense
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/etl", "ext4"),
        ("/mnt/share/etl", "nfs4"),
        ("/mnt/sharepoint", "ext4"),
        ("/mnt/share/local disk/etl", "xfs"),
        ("/tmp/etl", "tmpfs"),
        ("/srv/données/etl", "nfs"),
        ("/srv/donn\udce9es/etl", "cifs"),
        ("/srv/etl", "cifs"),
    ],
)
def test_kinds_of_filesystems(place: str, kind: str) -> None:
    """The mount nearest above a place decides, and of two on one point the later."""
    assert filesystem(Path(place), MOUNTS) == kind


@pytest.mark.parametrize(("ahead", "verdicts"), [(0, []), (90, ["warning"]), (7200, ["fix"])])
def test_quiet_tells_only_what_is_wrong(
    folder: Path, ahead: float, verdicts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --quiet a nightly doctor says nothing while all is well."""
    with served(monkeypatch, ahead=ahead):
        done = run("doctor", "--quiet")
    assert [line.split()[0] for line in done.stdout.splitlines()[::2]] == verdicts


def test_a_token_that_others_can_read(folder: Path) -> None:
    """A token file has to be its owner's alone; the remedy is the command."""
    (folder / "token").write_text("EAAAtest")
    (folder / "token").chmod(0o640)
    status, found = doctor("--target", "production", "--token-file", "token")
    assert (status, verdicts(found)) == (2, {"token": "fix"})
    assert "chmod 600 token" in found["token"]["told"]
