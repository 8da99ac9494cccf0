"""Stopped by a signal, or killed: all can be gone on with, and nobody is doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from etl.sandbox import Request, Response
from tests.matrix.street import Street, gone, street, wait_until

SHOPS = ("north", "south", "east")
# Paced so that there is time to interfere: several seconds of calls.
SLOWLY = "[limits]\nrequests_per_second = 2\n"
PEOPLE = 800


def slow(shops: Street) -> None:
    """Let imports take their time, two of them at once."""
    (shops.folder / "c.toml").write_text(SLOWLY)
    shops.write(*map(shops.entry, SHOPS), at_once=2)


def finishes(shops: Street) -> None:
    """The same command finishes everything, and everybody was created once."""
    (shops.folder / "c.toml").write_text("")
    done = shops.run()
    assert done.status == 0, done.shown + done.said
    for name in SHOPS:
        expected = sorted(f"{name}-{n}" for n in range(PEOPLE))
        assert sorted(shops[name].created()) == expected
    (run,) = (shops.state / "merchants" / "north" / "runs").iterdir()
    assert done.of("north")["run_id"] == run.name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all(tmp_path: Path, number: signal.Signals) -> None:
    """Each import at work hears of it once and ends in good order; no other is begun; exit 4."""
    with street(tmp_path, *SHOPS, people=PEOPLE) as shops:
        slow(shops)
        process = shops.start()
        shops.wait_for_writes("north", "south")
        children = shops.children(process.pid)
        assert children.keys() == {"north", "south"}
        process.send_signal(number)
        done = shops.ended(process)

        assert done.status == 4
        assert done.codes == dict.fromkeys(SHOPS, 4)
        assert gone([*children.values()], seconds=0.1)
        for name in ("north", "south"):
            told = done.of(name)
            assert told["status"] == "incomplete"
            assert told["stopped"].startswith(f"stopped by {number.name}")
            assert 0 < told["rows"]["created"] < PEOPLE
        assert done.of("east")["status"] == "not started"
        assert not shops["east"].created()
        finishes(shops)


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """Who cannot wait for good order need not; what was under way is settled by the next run.

    The same signal twice within a moment, as a group gets it from systemd, is one.
    """
    with street(tmp_path, "north") as shops:
        hanging, over = threading.Event(), threading.Event()

        def hang(request: Request) -> Response | None:
            if request.path.endswith("/bulk-create"):
                hanging.set()
                over.wait(120)
            return None

        shops["north"].reply = hang
        process = shops.start()
        assert hanging.wait(120)
        (child,) = shops.children(process.pid).values()
        for pid in (process.pid, child, process.pid):
            os.kill(pid, signal.SIGTERM)
        time.sleep(1.5)
        alive = process.poll() is None
        process.send_signal(signal.SIGINT)
        done = shops.ended(process)
        over.set()
        assert alive
        assert (done.status, done.codes) == (4, {"north": 4})
        assert "its process was ended by SIGINT" in done.of("north")["stopped"]
        assert gone([child], seconds=0.1)
        again = shops.run()
        assert again.status == 0
        assert sorted(shops["north"].created()) == ["north-0", "north-1", "north-2"]


def test_one_import_is_killed(tmp_path: Path) -> None:
    """It is told with its signal, the others are done, and the same command finishes it."""
    with street(tmp_path, *SHOPS, people=PEOPLE) as shops:
        slow(shops)
        (tmp_path / "quick.toml").write_text("")
        others = (shops.entry(name, config="quick.toml") for name in SHOPS[1:])
        shops.write(shops.entry("north"), *others)
        process = shops.start()
        shops.wait_for_writes("north")
        os.kill(shops.children(process.pid)["north"], signal.SIGKILL)
        done = shops.ended(process)

        assert done.codes == {"north": 4, "south": 0, "east": 0}
        assert done.status == 4
        assert "its process was ended by SIGKILL" in done.of("north")["stopped"]
        run = shops.state / "merchants" / "north" / "runs" / done.of("north")["run_id"]
        assert (run / "journal.sqlite").is_file()
        slow(shops)
        finishes(shops)


def test_all_is_killed(tmp_path: Path) -> None:
    """Nobody is left behind at work: who lost what started it stops in good order, by itself."""
    with street(tmp_path, *SHOPS, people=PEOPLE) as shops:
        slow(shops)
        process = shops.start()
        shops.wait_for_writes("north", "south")
        children = shops.children(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)

        assert gone([*children.values()])
        assert not (shops.state / "matrix.json").exists()
        for name in ("north", "south"):
            (run,) = (shops.state / "merchants" / name / "runs").iterdir()
            report = json.loads((run / "report.json").read_bytes())
            assert report["status"] == "incomplete"
            assert report["stopped"].startswith("stopped by SIGTERM")
        written = [len(shops[name].created()) for name in SHOPS]
        assert written[2] == 0
        assert all(0 < count < PEOPLE for count in written[:2])
        finishes(shops)


def test_killed_before_it_began(tmp_path: Path) -> None:
    """An import whose parent is gone by the time it starts writes nothing."""
    with street(tmp_path, "north") as shops:
        done = subprocess.run(
            [sys.executable, "-m", "etl.cli.child", "0", "import", "north.csv"],
            cwd=tmp_path,
            env=shops.environ,
            capture_output=True,
            check=False,
        )
        # No process has that number.
        assert done.returncode == 4
        assert not (tmp_path / ".square-etl").exists()


def test_ctrl_c_while_they_start(tmp_path: Path) -> None:
    """An import that does not heed signals yet ends incomplete too, and is nobody's bug."""

    def unavailable(request: Request) -> Response | None:
        return None if "merchants" in request.path else Response(503, b"", {})

    with street(tmp_path, "north", "south") as shops:
        shops["south"].reply = unavailable
        (tmp_path / "c.toml").write_text("")
        for seconds in (0.1, 0.4, 0.7, 1.0):
            process = shops.start()
            wait_until(lambda pid=process.pid: len(shops.children(pid)) == 2)  # type: ignore[misc]
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            done = shops.ended(process)
            assert (done.status, set(done.codes.values()) - {0}) == (4, {4}), done.said
        shops["south"].reply = lambda request: None
        assert shops.run().status == 0
        for name in ("north", "south"):
            assert sorted(shops[name].created()) == [f"{name}-{n}" for n in range(3)]


def test_a_signal_while_they_are_asked(tmp_path: Path) -> None:
    """Stopped before it is known whose the tokens are, nothing was begun: exit 4."""
    with street(tmp_path, "north", "south") as shops:
        (tmp_path / "c.toml").write_text("")
        entry = shops.entry("north", base_url="http://127.0.0.1:9")
        shops.write(entry, shops.entry("south"))
        process = shops.start()
        wait_until(lambda: bool(shops["south"].calls))
        process.send_signal(signal.SIGTERM)
        done = shops.ended(process)
        assert done.status == 4
        assert "stopped by SIGTERM" in done.said
        assert "no run was begun" in done.said
        assert not shops["south"].created()
