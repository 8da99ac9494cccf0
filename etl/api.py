"""What does a script call? The journeys as functions, and a run's tables as frames.

::

    import etl

    report = etl.import_customers(["people.csv"], etl.load_config("nightly.toml"))
    ledger = etl.read_ledger(".square-etl/runs/" + report["run_id"])
    directory = etl.read_directory()
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from etl import exporting, pipeline
from etl.config import Config
from etl.config import load as load_config
from etl.engines import chosen, ready
from etl.errors import ConfigError, Unavailable
from etl.export.wanted import wanted
from etl.files.atomic import passing_folder
from etl.files.escape import unescape
from etl.journal.state import State
from etl.pipeline import Report
from etl.session import NOBODY, connected, world

if TYPE_CHECKING:
    from etl.matrix.summary import MatrixReport

__all__ = [
    "apply_plan",
    "export_customers",
    "import_customers",
    "import_matrix",
    "load_config",
    "plan_import",
    "read_directory",
    "read_ledger",
    "validate",
]

Sources = Sequence[str | os.PathLike[str]] | pd.DataFrame

_STATE = ".square-etl"

# What pandas calls the types of an export; without them a missing flag would turn into an object.
_TYPES = {
    pa.string(): pd.StringDtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.int64(): pd.Int64Dtype(),
}


def import_customers(
    sources: Sources,
    config: Config | None = None,
    *,
    state_dir: str | os.PathLike[str] = _STATE,
    base_url: str | None = None,
    canary: int = 0,
    engine: str | None = None,
    workers: int | None = None,
    dask_scheduler: str | None = None,
) -> Report:
    """Import files, or the rows of a frame, and return the report (``report.json`` as a mapping).

    The config's ``[target]`` says which Square; without one it is the local one in ``state_dir``.
    ``canary``: so many profiles (at most 100) are written and read back before all others.
    ``engine`` ("local", "processes" or "dask"), ``workers`` and ``dask_scheduler`` say where rows
    are read and checked, as the options of the command do. A script that asks for "dask" without a
    scheduler has its work under ``if __name__ == "__main__":``, as multiprocessing has it.
    Raises ConfigError, SourceError, Unauthorized or LockedError before anything is written.
    """
    settings, state = config or Config(), State(Path(state_dir))
    with (
        ready(chosen(engine, workers, dask_scheduler)) as at_work,
        connected(settings, base_url, state, NOBODY) as square,
        _named(sources, state) as names,
    ):
        return pipeline.import_customers(
            names, settings, state, square, world(NOBODY), canary=canary, engine=at_work
        )


def import_matrix(
    file: str | os.PathLike[str],
    *,
    state_dir: str | os.PathLike[str] = _STATE,
    canary: int = 0,
    engine: str | None = None,
    workers: int | None = None,
    dask_scheduler: str | None = None,
) -> MatrixReport:
    """Import for each merchant of a file and return the summary (``matrix.json`` as a mapping).

    Each import is a process of its own, several at a time; tokens are where the file says. What
    stops one of them is told in the summary. Raises ConfigError for what is wrong with the file
    itself, or when two of its merchants are one; LockedError while the same state is at work.
    """
    from etl.matrix.journey import Edges, Passed
    from etl.matrix.journey import import_matrix as journey
    from etl.matrix.merchants import load

    edges = Edges(
        now=world(NOBODY).now,
        clock=time.monotonic,
        sleep=time.sleep,
        environ=os.environ,
        hear=lambda name, event: None,
        confirm=lambda merchants: None,
        signals=tuple,
    )
    passed = Passed(canary or None, engine=chosen(engine, workers, dask_scheduler))
    return journey(load(Path(file)), State(Path(state_dir)), passed, edges)


def plan_import(
    sources: Sources,
    config: Config | None = None,
    *,
    state_dir: str | os.PathLike[str] = _STATE,
    base_url: str | None = None,
    engine: str | None = None,
    workers: int | None = None,
    dask_scheduler: str | None = None,
) -> Report:
    """Return the report of what ``import_customers`` would do; nothing is written to Square."""
    settings, state = config or Config(), State(Path(state_dir))
    with (
        ready(chosen(engine, workers, dask_scheduler)) as at_work,
        connected(settings, base_url, state, NOBODY) as square,
        _named(sources, state) as names,
    ):
        return pipeline.plan_import(names, settings, state, square, world(NOBODY), engine=at_work)


def apply_plan(
    plan: str | os.PathLike[str],
    config: Config | None = None,
    *,
    state_dir: str | os.PathLike[str] = _STATE,
    base_url: str | None = None,
    canary: int = 0,
    engine: str | None = None,
    workers: int | None = None,
    dask_scheduler: str | None = None,
) -> Report:
    """Carry out a plan and return the report; ``plan`` is the ``run_id`` of ``plan_import``.

    ``config`` may differ from the one that was planned with in its ``[limits]``. Raises StateError
    or ConfigError when the plan cannot be applied, or not here.
    """
    state = State(Path(state_dir))
    run, place = pipeline.planned(os.fspath(plan), state)
    settings = config or Config.model_validate_json(run.config)
    address = base_url if base_url or run.target == "local" else run.base_url
    with (
        ready(chosen(engine, workers, dask_scheduler)) as at_work,
        connected(settings, address, state, NOBODY) as square,
    ):
        return pipeline.apply_plan(
            str(place), settings, state, square, world(NOBODY), canary, at_work
        )


def validate(
    sources: Sources,
    config: Config | None = None,
    *,
    state_dir: str | os.PathLike[str] = _STATE,
    engine: str | None = None,
    workers: int | None = None,
    dask_scheduler: str | None = None,
) -> Report:
    """Return the report of which rows Square would refuse, and why; without any network."""
    settings, state = config or Config(), State(Path(state_dir))
    with (
        ready(chosen(engine, workers, dask_scheduler)) as at_work,
        _named(sources, state) as names,
    ):
        return pipeline.validate_files(names, settings, state, world(NOBODY), at_work)


def export_customers(
    destination: str | os.PathLike[str],
    config: Config | None = None,
    *,
    state_dir: str | os.PathLike[str] = _STATE,
    base_url: str | None = None,
    **options: Any,
) -> Report:
    """Export customers as ``square-etl export`` does and return the manifest.

    ``options`` are those of the command by their names: ``created_after``, ``groups`` (a sequence),
    ``where``, ``columns``, ``beside`` (for ``--with``), ``mask``, ``overwrite``. The manifest also
    has ``status`` and ``exit_code``: 4 means that there is no file yet, and that the same call goes
    on. Raises ConfigError for what cannot be asked for.
    """
    asked = wanted(os.fsdecode(destination), **options)
    settings, state = config or Config(), State(Path(state_dir))
    # Notebooks have none that takes bytes.
    stdout = getattr(sys.stdout, "buffer", None)
    with connected(settings, base_url, state, NOBODY) as square:
        return exporting.export_customers(asked, settings, state, square, world(NOBODY), stdout)


def read_directory(
    config: Config | None = None,
    *,
    state_dir: str | os.PathLike[str] = _STATE,
    base_url: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Return customers as a frame, typed as an exported Parquet file is; ``options`` as there.

    Times are timestamps in UTC, texts are strings, lists are lists; what is not there is missing.
    Raises Unavailable while it cannot be proved that all customers are there.
    """
    if options.get("incremental"):
        raise ConfigError("increments are files: who is gone has no place in a frame")
    state = State(Path(state_dir))
    state.prepare()
    with passing_folder(state.folder / "frame") as folder:
        path = folder / "directory.parquet"
        report = export_customers(path, config, state_dir=state_dir, base_url=base_url, **options)
        if report["exit_code"]:
            raise Unavailable(report["stopped"])
        frame: pd.DataFrame = pq.read_table(path).to_pandas(types_mapper=_TYPES.get)
        return frame


def read_ledger(run_folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the ledger of a run (``rows.csv``), one line per source row.

    ``line`` is int64; the other columns are text, empty where there is nothing to say.
    """
    frame = pd.read_csv(Path(run_folder) / "rows.csv", dtype=str, keep_default_na=False)
    frame = frame.map(unescape)
    return frame.astype({"line": "int64"})


@contextmanager
def _named(sources: Sources, state: State) -> Iterator[list[str]]:
    """Give the names of files; the rows of a frame lie in one for as long as the journey lasts."""
    if not isinstance(sources, pd.DataFrame):
        yield [os.fspath(source) for source in sources]
        return
    state.prepare()
    with passing_folder(state.folder / "frame") as folder:
        path = folder / "frame.parquet"
        pq.write_table(pa.Table.from_pandas(sources, preserve_index=False), path)
        yield [str(path)]
