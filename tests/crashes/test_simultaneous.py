"""What happens when somebody else is at work on the same customers, or asks the import to stop?

Law 2: at most one effective create per source row while the journal is intact, or Square still
honours the idempotency key, or search has caught up. Two state folders share no journal, so two
imports of one file at once lean on the key alone: it is derived from merchant, namespace, row and
values, so both send the same, and Square answers the second with the profile the first one made.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from etl.journal.journal import Journal
from tests.crashes import evidence
from tests.crashes.evidence import check_profiles, check_unique
from tests.crashes.places import SECONDS, Place, Scene, served, set_faults


def slow(place: Place, endpoint: str, seconds: float) -> None:
    """Let the first call to an endpoint wait that long before anything is carried out."""
    set_faults(place, [{"endpoint": endpoint, "nth": 1, "do": "delay", "seconds": seconds}], 1)


def await_sent(place: Place) -> Path:
    """Wait until the run's first call is on its way; return the run's folder."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for run in place.runs()[1:]:
            journal = Journal.open(run / "journal.sqlite")
            try:
                if journal.next_request(sent_only=True):
                    return run
            finally:
                journal.close()
        time.sleep(0.05)
    raise AssertionError("the import sends nothing")


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end of a process; return exit code, stdout and stderr."""
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


@pytest.mark.parametrize("stopped", [False, True])
def test_the_second_import_is_told_who_is_at_work(
    scene: Scene, tmp_path: Path, stopped: bool
) -> None:
    """It exits with 5 and names the process, even one that is merely stopped; that one goes on."""
    with served(scene.place(tmp_path)) as place:
        slow(place, "bulk-create", 8)
        first = place.start(*place.importing(scene.sources))
        await_sent(place)
        if stopped:
            first.send_signal(signal.SIGSTOP)

        others = [place.start(*place.importing(scene.sources)), place.start(*place.resuming())]
        refused = [end(process) for process in others]

        first.send_signal(signal.SIGCONT)
        for code, _, said in refused:
            assert code == 5, said
            assert f"process {first.pid} " in said
        code, _, said = end(first)
        assert code == scene.undisturbed.exit_code, said
        (run,) = place.runs()[1:]
        found = evidence.gather(run, place.sandbox, code, scene.log)
        evidence.check(found, scene.undisturbed, scene.profiles)


@pytest.mark.parametrize("delay", [0.0, 6.0])
def test_two_state_folders_import_at_once(scene: Scene, tmp_path: Path, delay: float) -> None:
    """No source key gets two profiles, even if one plans early and sends when the other is done."""
    with served(scene.place(tmp_path)) as place:
        (tmp_path / "other").mkdir()
        other = replace(place, state=scene.place(tmp_path / "other").state)
        if delay:
            slow(place, "bulk-create", delay)

        both = [it.start(*it.importing(scene.sources)) for it in (place, other)]
        codes = [end(process)[0] for process in both]

        assert codes == [scene.undisturbed.exit_code] * 2
        log = evidence.written(place.sandbox)[scene.log :]
        creates = [entry for entry in log if entry["action"] == "create"]
        check_unique("idempotency key", [entry["idempotency_key"] for entry in creates])
        check_unique("updated", [e["customer_id"] for e in log if e["action"] == "update"])
        now = evidence.profiles(place.sandbox)
        check_profiles(now.values(), scene.undisturbed.profiles.values())
        for it, code in zip((place, other), codes, strict=True):
            (run,) = it.runs()[1:]
            found = evidence.gather(run, place.sandbox, code, scene.log)
            assert found.report["balanced"]
            assert found.report["verified"]["mismatched"] == 0
            told = [(row["source"], row["line"]) for row in found.rows]
            assert told == [(row["source"], row["line"]) for row in scene.undisturbed.rows]
            assert {row["customer_id"] for row in found.rows} <= {"", *now}
            again = it.run(*it.importing(scene.sources), "--output", "json", "--quiet")
            rows = json.loads(again.stdout)["rows"]
            assert (rows["created"], rows["updated"]) == (0, 0)
        assert len(evidence.written(place.sandbox)) == scene.log + len(log)


AT_WORK = {"endpoint": "bulk-create", "nth": 2, "do": "delay", "seconds": 2}
OUTAGE = {"endpoint": "bulk-create", "rate": 1.0, "do": "status", "status": 503}
SILENCE = {"endpoint": "bulk-create", "nth": 1, "do": "delay", "seconds": 40}


def stop(scene: Scene, place: Place, number: signal.Signals) -> str:
    """Stop an import by a signal in the middle of its load; return the command it prints."""
    process = place.start(*place.importing(scene.sources))
    await_sent(place)
    time.sleep(0.5)
    begun = time.monotonic()
    process.send_signal(number)
    code, out, err = end(process)
    assert code == 4, (code, out, err)
    assert time.monotonic() - begun < 20
    set_faults(place, [], 1)
    said = next(line for line in out.splitlines() if "runs resume" in line)
    return said[said.index("square-etl runs resume") :]


@pytest.mark.parametrize(
    ("number", "trouble"),
    [
        pytest.param(signal.SIGTERM, AT_WORK, id="SIGTERM at work"),
        pytest.param(signal.SIGINT, AT_WORK, id="SIGINT at work"),
        pytest.param(signal.SIGTERM, OUTAGE, id="SIGTERM in an outage"),
        pytest.param(signal.SIGTERM, SILENCE, id="SIGTERM while no answer comes"),
    ],
)
def test_a_signal_stops_an_import_gently(
    scene: Scene, tmp_path: Path, number: signal.Signals, trouble: dict[str, object]
) -> None:
    """It exits with 4 within 20 seconds and says how to finish, and nothing is lost."""
    with served(scene.place(tmp_path)) as place:
        set_faults(place, [trouble], 1)

        command = stop(scene, place, number)

        run = shlex.split(command)[3]
        resumed = place.run(*place.resuming(run))
        assert resumed.returncode == scene.undisturbed.exit_code, resumed.stderr
        found = evidence.gather(place.runs()[1], place.sandbox, resumed.returncode, scene.log)
        evidence.check(found, scene.undisturbed, scene.profiles)


def test_the_printed_command_finishes_the_run_as_typed(scene: Scene, tmp_path: Path) -> None:
    """Whatever options the import was given, what it prints can be pasted."""
    with served(scene.place(tmp_path)) as place:
        set_faults(place, [AT_WORK], 1)
        command = stop(scene, place, signal.SIGTERM)

        resumed = place.run(*shlex.split(command)[1:])

        assert resumed.returncode == scene.undisturbed.exit_code, resumed.stderr
