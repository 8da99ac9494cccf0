"""Where does a crash test happen, and how are the commands given there?

A place is a state folder of its own, prepared with last year's import, and the Square it speaks
to: the embedded one, or ``sandbox serve`` in another process.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.request import Request, urlopen

from etl.errors import StateError
from etl.journal.journal import Journal
from tests.crashes import evidence
from tests.crashes.evidence import Evidence

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("child.py")
SECONDS = 180

Way = Literal["command", "resume"]


@dataclass(frozen=True, slots=True)
class Place:
    """A state folder, the sandbox's file, and the options that lead to that sandbox."""

    state: Path
    sandbox: Path
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and go on."""
        return subprocess.Popen(
            self._command(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(),
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Give a command and wait for its end."""
        return subprocess.run(
            self._command(arguments),
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=SECONDS,
            check=False,
        )

    def importing(self, sources: Sequence[str]) -> tuple[str, ...]:
        """Return the arguments of the import."""
        return ("import", *sources, *self.options, "--state-dir", str(self.state))

    def resuming(self, *run: str) -> tuple[str, ...]:
        """Return the arguments of the resume."""
        return ("runs", "resume", *run, "--state-dir", str(self.state))

    def runs(self) -> list[Path]:
        """Return the folders of runs that began here, oldest first."""
        return [
            path.parent for path in sorted(self.state.glob("runs/*/journal.sqlite")) if _begun(path)
        ]

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "etl", *arguments]

    def _environment(self) -> dict[str, str]:
        ours = {k: v for k, v in os.environ.items() if not k.startswith("SQUARE_")}
        return {**ours, "PYTHONPATH": str(ROOT), **self.environment}


def _begun(path: Path) -> bool:
    try:
        Journal.open(path).close()
    except StateError:
        return False
    return True


def child(place: Place, sources: Sequence[str], **order: Any) -> subprocess.CompletedProcess[str]:
    """Run the import that can die at a chosen point."""
    told = {"state": str(place.state), "sources": list(sources), **order}
    return subprocess.run(
        [sys.executable, str(CHILD), json.dumps(told)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def served(place: Place, *settings: str) -> Iterator[Place]:
    """Serve the place's sandbox in another process for as long as the block lasts."""
    with place.start("sandbox", "serve", "--data", str(place.sandbox), *settings) as server:
        try:
            assert server.stdout is not None
            told = re.fullmatch(r"listening on (\S+) token (\S+)\n", server.stdout.readline())
            assert told is not None
            yield replace(
                place,
                options=("--target", "sandbox", "--base-url", told[1]),
                environment={"SQUARE_ACCESS_TOKEN": told[2]},
            )
        finally:
            server.terminate()
            server.communicate()


def set_faults(place: Place, plan: Sequence[Mapping[str, Any]], seed: int) -> None:
    """Tell a served sandbox what goes wrong from now on."""
    request = Request(
        f"{place.options[-1]}/_sandbox/faults",
        json.dumps({"plan": list(plan), "seed": seed}).encode(),
        {"Authorization": f"Bearer {place.environment['SQUARE_ACCESS_TOKEN']}"},
    )
    with urlopen(request) as answer:
        assert answer.status == 200


@dataclass(frozen=True, slots=True)
class Scene:
    """What all cases share.

    ``prepared`` is the state folder after last year's import, ``points`` what an import passes,
    ``seconds`` how long the command takes, ``undisturbed`` what it leaves.
    """

    sources: tuple[str, ...]
    prepared: Path
    log: int
    profiles: int
    points: tuple[str, ...]
    seconds: float
    undisturbed: Evidence

    def place(self, folder: Path) -> Place:
        """Make a place that speaks to the embedded sandbox."""
        state = folder / "state"
        shutil.copytree(self.prepared, state)
        return Place(state, state / "sandbox.sqlite")

    def finish(self, place: Place, way: Way) -> None:
        """Finish what was killed, prove that it came to the undisturbed end, and import again."""
        code = self._finish(place, way)
        runs = place.runs()[1:]
        assert len(runs) == 1, f"{len(runs)} runs instead of one that was finished"
        (run,) = runs
        found = evidence.gather(run, place.sandbox, code, self.log)
        evidence.check(found, self.undisturbed, self.profiles)
        again = place.run(*place.importing(self.sources), "--output", "json", "--quiet")
        assert again.returncode == code, again.stderr
        rows = json.loads(again.stdout)["rows"]
        assert (rows["created"], rows["updated"]) == (0, 0), rows
        assert len(evidence.written(place.sandbox)) == self.log + len(found.log)

    def _finish(self, place: Place, way: Way) -> int:
        if way == "resume":
            resumed = place.run(*place.resuming())
            if resumed.returncode != 2:
                return self._ended(resumed)
            # The run had not begun, or it was finished.
            assert "unfinished" in resumed.stderr, resumed.stderr
        for run in place.runs()[1:]:
            if (run / "report.json").exists():
                report = json.loads((run / "report.json").read_bytes())
                if report["status"] == "finished":
                    return int(report["exit_code"])
        return self._ended(place.run(*place.importing(self.sources)))

    def _ended(self, command: subprocess.CompletedProcess[str]) -> int:
        assert command.returncode == self.undisturbed.exit_code, command.stderr
        return command.returncode
