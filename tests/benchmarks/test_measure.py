"""What a command took is that of all its processes, by stage; ratios are of one another."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.measure import Look, Stage, Taken, compared, run, staged

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks things up in /proc")

_HELD = 150  # MiB

# A process holds so much and so do its copies: they share it, or each makes its own.
_FORKED = """
import os, time
held = bytearray(os.urandom(1 << 20)) * {held}
children = []
for _ in range(2):
    if not (child := os.fork()):
        own = bytes(held) if {own} else held
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        time.sleep(1)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize(("own", "times"), [(False, 1), (True, 3)])
def test_memory_of_workers_is_counted_and_what_they_share_is_counted_once(
    own: bool, times: int
) -> None:
    """Two workers that share their parent's memory add next to nothing, two with theirs add it."""
    taken = run([sys.executable, "-c", _FORKED.format(held=_HELD, own=own)])

    assert taken.peak == pytest.approx(_HELD * times, abs=60)
    assert taken.cpu >= 1.0
    assert taken.wall >= 0.5


def test_a_command_that_fails_stops_the_benchmark() -> None:
    """Figures of something that did not work are none."""
    failing = [sys.executable, "-c", "print('no such thing'); raise SystemExit(4)"]

    with pytest.raises(SystemExit, match="ended with 4:\nno such thing"):
        run(failing)

    assert run(failing, 4).told == "no such thing\n"


def test_a_stage_has_what_was_used_between_its_beginning_and_the_next(tmp_path: Path) -> None:
    """Stages take over from each other; what comes before and after them has a name too."""
    log = tmp_path / "log"
    log.write_text(
        "\n".join(
            json.dumps({"event": event, "stage": stage, "time": f"1970-01-01T00:01:{at:06.3f}Z"})
            for event, stage, at in (("stage", "read", 42), ("stage", "check", 44), ("end", "", 50))
        )
    )
    looks = [Look(101, 10, 0.5), Look(103, 70, 2.0), Look(105, 30, 4.0), Look(109, 20, 6.0)]
    taken = Taken(begun=100.0, wall=10.0, cpu=7.0, told="", looks=looks)

    stages = staged(taken, log, {"seconds": {"read": 2.0, "check": 2.5}}, 1000)

    assert stages == [
        Stage("start", 1000, 2.0, 1.25, 40.0),
        Stage("read", 1000, 2.0, 1.75, 70.0),
        Stage("check", 1000, 2.5, 1.75, 50.0),
        Stage("report", 1000, 3.5, 2.25, 26.25),
    ]
    assert sum(stage.cpu for stage in stages) == taken.cpu


def test_ratios_are_those_of_the_same_size_and_of_the_size_before() -> None:
    """A stage stands beside the floor of its size, the row loop's rows, and its smaller size."""
    measured = [
        Stage("floor", 1000, 0.5, 0.5, 10),
        Stage("validate", 1000, 1.0, 1.0, 10),
        Stage("validate", 10_000, 20.0, 1.0, 10),
        Stage("validate, row loop", 100, 1.0, 1.0, 10),
        Stage("load", 1000, 4.0, 1.0, 10),
        Stage("load, row loop", 10, 0.4, 1.0, 10),
    ]

    _, small, large, _, load, _ = compared(measured)

    assert (small["times_the_floor"], large["times_the_floor"]) == (2.0, None)
    assert (small["growth_per_row"], large["growth_per_row"]) == (None, 2.0)
    assert small["faster_than_row_loop"] == pytest.approx(10.0)
    assert large["faster_than_row_loop"] == pytest.approx(5.0)
    assert load["faster_than_row_loop"] == pytest.approx(10.0)
    assert load["rows_per_second"] == 250.0
    assert load["cpu_us_per_row"] == 1000.0
