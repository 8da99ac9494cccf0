"""What did a command take: seconds, processor time, memory, each of its stages?

Linux only: what processes hold and did is looked up in ``/proc``.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

ETL = (sys.executable, "-m", "etl")

# Looking is work too: after each look so many times what it took passes before the next one.
_BETWEEN_LOOKS = 50
_OFTENEST = 0.02  # seconds
_TICK = os.sysconf("SC_CLK_TCK")


class Look(NamedTuple):
    """What a command and its workers held at a moment, in MiB, and what they had worked, in s."""

    at: float
    memory: float
    cpu: float


class Taken(NamedTuple):
    """What a command took, its workers included, and what it printed.

    ``wall`` and ``cpu`` are seconds; ``begun`` and the moments of the looks are Unix times.
    """

    begun: float
    wall: float
    cpu: float
    told: str
    looks: list[Look]

    @property
    def peak(self) -> float:
        """Return the most memory, in MiB, that was seen; what processes share is counted once."""
        return max((look.memory for look in self.looks), default=0.0)


class Stage(NamedTuple):
    """What a stage took for so many rows: seconds, processor seconds, and the most memory, MiB."""

    stage: str
    rows: int
    seconds: float
    cpu: float
    peak_mib: float


def run(command: Sequence[str], *accepted: int, env: Mapping[str, str] | None = None) -> Taken:
    """Run a command to its end; any other exit status than 0 or those accepted is an error."""
    # Else every turn would compile anew what an installation compiles once.
    around = {name: value for name, value in os.environ.items() if name != _UNCOMPILED}
    with tempfile.TemporaryFile("w+") as out:
        begun, begin = time.time(), time.perf_counter()
        process = subprocess.Popen(command, stdout=out, env={**around, **(env or {})})
        try:
            looks = list(_watched(process.pid))
        except BaseException:
            process.kill()
            process.wait()
            raise
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        told = out.read()
    if process.returncode not in (0, *accepted):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{told}")
    return Taken(begun, wall, usage.ru_utime + usage.ru_stime, told, looks)


_UNCOMPILED = "PYTHONDONTWRITEBYTECODE"


def _watched(pid: int) -> Iterator[Look]:
    """Look at a process and its workers now and then until it ends."""
    ended = select.poll()
    descriptor = os.pidfd_open(pid)
    try:
        ended.register(descriptor, select.POLLIN)
        pause = _OFTENEST
        while not ended.poll(pause * 1000):
            begin = time.thread_time()
            family = list(_family(pid))
            yield Look(time.time(), sum(map(_memory, family)), sum(map(_worked, family)))
            pause = max(_OFTENEST, _BETWEEN_LOOKS * (time.thread_time() - begin))
    finally:
        os.close(descriptor)


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _memory(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _worked(pid: int) -> float:
    """Return the processor seconds of a process and of the children it has waited for."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICK
    return 0.0


def staged(taken: Taken, log: Path, report: Mapping[str, Any], rows: int) -> list[Stage]:
    """Return what each stage of a run took, from its log, its report, and the looks at it.

    ``start`` is what came before the first stage, ``report`` what came after the last: settling,
    and writing the artifacts. Processor time is told to one look, so that of stages shorter than
    that is rough.
    """
    begins = dict[str, float]()
    for line in map(json.loads, log.read_text().splitlines()):
        if line["event"] == "stage":
            begins.setdefault(line["stage"], datetime.fromisoformat(line["time"]).timestamp())
    seconds: dict[str, float] = report["seconds"]
    last = max(begins, key=lambda stage: begins[stage])
    moments = {"start": taken.begun, **begins, "report": begins[last] + seconds[last]}
    ends = [*list(moments.values())[1:], taken.begun + taken.wall]
    looks = [Look(taken.begun, 0.0, 0.0), *taken.looks]
    looks.append(Look(ends[-1], looks[-1].memory, max(taken.cpu, looks[-1].cpu)))
    return [
        Stage(
            stage,
            rows,
            seconds.get(stage, max(end - begin, 0.0)),
            _between(looks, end).cpu - _between(looks, begin).cpu,
            max(
                look.memory
                for look in (*looks, _between(looks, begin), _between(looks, end))
                if begin <= look.at <= end
            ),
        )
        for (stage, begin), end in zip(moments.items(), ends, strict=True)
    ]


def _between(looks: Sequence[Look], at: float) -> Look:
    """Return what would have been seen at a moment between two looks."""
    at = min(max(at, looks[0].at), looks[-1].at)
    for one, other in itertools.pairwise(looks):
        if one.at <= at <= other.at:
            share = (at - one.at) / (other.at - one.at) if other.at > one.at else 1.0
            memory = one.memory + share * (other.memory - one.memory)
            return Look(at, memory, one.cpu + share * (other.cpu - one.cpu))
    return looks[-1]


def compared(measured: Sequence[Stage]) -> Iterator[dict[str, Any]]:
    """Yield every stage with its ratios; None where there is nothing to compare with."""
    floors = {one.rows: one.seconds for one in measured if one.stage == "floor"}
    loops = {one.stage: one.seconds / one.rows for one in measured}
    ordered = sorted(measured, key=lambda one: one.rows)
    for one in measured:
        per_row = one.seconds / one.rows
        before = [each for each in ordered if each.stage == one.stage and each.rows < one.rows]
        loop = loops.get(f"{one.stage}, row loop")
        floor = floors.get(one.rows)
        yield {
            **one._asdict(),
            "rows_per_second": one.rows / one.seconds if one.seconds else None,
            "cpu_us_per_row": one.cpu / one.rows * 1e6,
            "times_the_floor": one.seconds / floor if floor else None,
            "faster_than_row_loop": loop / per_row if loop and per_row else None,
            "growth_per_row": (
                per_row / (before[-1].seconds / before[-1].rows)
                if before and before[-1].seconds
                else None
            ),
        }


def commit(checkout: Path) -> str:
    """Return which commit a checkout is at, and whether it was changed since."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table for the screen: the first column to the left, numbers to the right."""
    cells = [list(heads), *map(list, lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        first, *rest = (
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join([first, *rest]).rstrip()
