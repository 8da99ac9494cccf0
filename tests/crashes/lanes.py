"""How do many crash cases run in the time of half as many? Two at once, each in its own folder."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LANES = 2
_LONG = 700

# How many processes were killed, by the sort of kill.
KILLS: Counter[str] = Counter()

Case = Callable[[Path], None]


def run_all(cases: Mapping[str, Case], folder: Path) -> None:
    """Run each case in a folder of its own; raise AssertionError naming those that fail."""

    def one(number: int, case: Case) -> None:
        place = folder / str(number)
        place.mkdir()
        case(place)

    with ThreadPoolExecutor(LANES) as lanes:
        running = {
            name: lanes.submit(one, number, case)
            for number, (name, case) in enumerate(cases.items())
        }
    errors = {name: future.exception() for name, future in running.items()}
    failed = [f"-- {name}\n{_told(error)}" for name, error in errors.items() if error]
    assert not failed, f"{len(failed)} of {len(cases)} cases failed:\n" + "\n".join(failed)


def _told(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    said = str(error)
    short = said if len(said) < 2 * _LONG else f"{said[:_LONG]} […] {said[-_LONG:]}"
    return f"{Path(last.filename).name}:{last.lineno} {type(error).__name__}: {short}"
