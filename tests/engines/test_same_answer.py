"""Where and in how many parts rows are read and checked changes no byte of what a run leaves."""

from __future__ import annotations

import json
import pickle
import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import config
from etl.engines import USUAL, Choice, Cut, Engine, Here, Ready, Single, Where, chosen, ready
from etl.errors import SourceError
from etl.files.sources import open_sources
from etl.stages.extract import Records, extract, parts, records
from tests import worlds

_T = TypeVar("_T")
_R = TypeVar("_R")

_TABLES = ("rows.csv", "plan.csv", "rejects.csv", "review.csv", "crosswalk.csv")


@dataclass(frozen=True)
class Kept(Ready):
    """An engine that several runs use: none of them lets its workers go."""

    engine: Engine = field(default_factory=Here)

    @property
    def where(self) -> Where:
        """Tell where its workers are."""
        return self.engine.where

    def started(self, size: int, scratch: Path) -> AbstractContextManager[Engine]:
        """Give the engine as it is."""
        return nullcontext(self)

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Have it do that."""
        return self.engine.in_order(task, items)

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Have it do that."""
        return self.engine.spread(task, items)

    def dismiss(self) -> None:
        """Keep the workers for the next run."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Engine]]:
    """Give every engine; the processes first, which cannot be made where there are threads."""
    scratch = tmp_path_factory.mktemp("engines") / "workers"
    one, two, three = (chosen("processes", workers, None) for workers in (1, 2, 3))
    with (
        Ready(one).started(1, scratch) as alone,
        Ready(two).started(1, scratch) as pair,
        Ready(three).started(1, scratch) as trio,
        ready(chosen("dask", 2, None)) as dask,
        dask.started(1, scratch) as cluster,
    ):
        yield {"one": alone, "two": pair, "three": trio, "dask": cluster}


# -- rows as they come ---------------------------------------------------------------------------

# Names that agree, disagree or are missing; keys that several people share, or that join others.
_KEYS = {
    "reference_id": ["", "", "", "R1", "R2", "R3"],
    "email_address": ["", "ada@example.com", "ADA@example.com", "bo@example.com", "c@example.com"],
    "phone_number": ["", "", "+14155550101", "(415) 555-0101", "+14155550102"],
    "given_name": ["", "Ada", "A.", "Bo", "Cy"],
    "note": ["", 'one\nline, and "two"', "\r\n", "a;b", "=1+1", "\u00e9\u4e2d", "N/A"],
    "birthday": ["", "1990-02-03", "03/04/1990", "25/12/1990", "1990-13-01"],
}


@st.composite
def people(draw: st.DrawFn) -> list[dict[str, str]]:
    """Return rows that meet each other in many ways."""
    row = st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in _KEYS.items()})
    return draw(st.lists(row, min_size=1, max_size=25))


def ugly(number: int) -> str:
    """Return a file as no program should write it: about so many records, every third damaged."""
    chance = random.Random(number)
    lines = ["\ufeff" + ",".join(_KEYS)]
    for at in range(number):
        # Two rows far from each other are one person; some share a phone with others, or all.
        person = at % (number // 2)
        row = [
            f"N{person}" if at % 2 else "",
            f"p{person}@example.com",
            chance.choice(_KEYS["phone_number"]) if at % 11 == 0 else "",
            f"Given{person}",
            chance.choice(_KEYS["note"]),
            "" if at % 8 else chance.choice(_KEYS["birthday"]),
        ]
        line = ",".join('"' + cell.replace('"', '""') + '"' for cell in row)
        damage = at % 17
        if damage == 3:
            line += ",surplus"
        elif damage == 5:
            line = line.rpartition(",")[0]
        elif damage == 7:
            line = f'X{at},x{at}@example.com,,"Nul\0Name",,'
        elif damage == 9:
            line = f'X{at},x{at}@example.com,,5" nail,,'
        elif damage == 11:
            line += "\n\n \n"
        lines.append(line)
    return "".join(line + chance.choice(["\n", "\r\n", "\n"]) for line in lines)


# -- what a run leaves ---------------------------------------------------------------------------


def left(
    folder: Path, source: Path, engine: Ready, runs: tuple[str, ...] = ("plan", "import")
) -> dict[str, bytes]:
    """Plan and import a file in a world of its own; return the bytes of what that leaves."""
    folder.mkdir()
    world = worlds.open_world(folder)
    world.create(given_name="Ada", email_address="ada@example.com", note="known")
    world.create(given_name="Zed", phone_number="+14155550102")
    found: dict[str, bytes] = {}
    journeys = {"plan": worlds.run_plan, "import": worlds.run_import}
    for name in runs:
        report = journeys[name](world, source, engine=engine)
        there = worlds.folder_of(world, report)
        for table in (there / table for table in _TABLES):
            if table.exists():
                found[f"{name} {table.name}"] = table.read_bytes()
        told = json.loads((there / "report.json").read_bytes())
        found[f"{name} report"] = json.dumps(told).replace(str(folder), "HERE").encode()
    found["written"] = json.dumps(world.written()).encode()
    world.close()
    return found


def cut(engine: Engine, rows: int, size: int) -> Ready:
    """Return an engine with batches of so many rows, and parts of so many bytes."""
    return Kept(Choice(cut=Cut(rows, size)), engine=engine)


def as_parquet(text: str, path: Path, per_group: int) -> Path:
    """Write the records of a text as a Parquet file of small row groups."""
    (path.parent / "as.csv").write_text(text, newline="")
    (source,) = open_sources([str(path.parent / "as.csv")], config.Source(), path.parent)
    found = [batch.cells for batch in extract(source, config.Source())]
    table = pa.Table.from_batches(found)
    pq.write_table(table, path, row_group_size=per_group)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_engine_leaves_the_same(
    kind: str, engines: dict[str, Engine], tmp_path: Path
) -> None:
    """Two workers and seven parts, one and many, three and two: ledger, plan, report and writes."""
    text = ugly(140)
    source = tmp_path / "people.csv"
    source.write_text(text, newline="")
    if kind == "parquet":
        source = as_parquet(text, tmp_path / "people.parquet", 20)
    whole = left(tmp_path / "whole", source, cut(Here(), *USUAL))
    assert b"RAGGED_ROW" in whole["plan rows.csv"] or kind == "parquet"
    assert b"NUL_CHARACTER" in whole["plan rows.csv"]
    assert b",duplicate," in whole["import rows.csv"]
    assert b",review," in whole["import rows.csv"]
    seventh = len(text.encode()) // 7 + 1
    for name, rows, size in (
        ("two", 20, seventh),
        ("dask", 20, seventh),
        ("one", 20, 200),
        ("three", 7, 1000),
    ):
        found = left(tmp_path / f"{name}-{rows}", source, cut(engines[name], rows, size))
        assert found == whole, (name, rows, size)
    (opened,) = open_sources([str(source)], config.Source(), tmp_path)
    assert len(list(parts(opened, config.Source(), Cut(20, seventh)))) >= 7


class Overheard(Here):
    """An engine that keeps what its workers would be sent."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def in_order(self, task: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
        """Do it, and keep the task and its items."""
        return self.spread(Single(task), items)

    def spread(self, task: Callable[[_T], Iterable[_R]], items: Iterable[_T]) -> Iterator[_R]:
        """Do it, and keep the task and its items."""
        self.said.append(pickle.dumps(task))
        for item in items:
            self.said.append(pickle.dumps(item))
            yield from task(item)


def test_no_token_travels(tmp_path: Path) -> None:
    """Workers get rows and how they are judged; not the token, where it lies, or who is told."""
    world = worlds.open_world(tmp_path)
    (tmp_path / "token").write_text(world.token)
    overheard = Overheard()
    report = worlds.run_import(
        world,
        worlds.people(30),
        {
            "target": {"environment": "sandbox", "token_file": str(tmp_path / "token")},
            "notify": {"webhook": "https://hooks.example.com/secret-path"},
            "clean": {"default_region": "GB"},
        },
        engine=cut(overheard, 10, 1000),
    )
    assert report["rows"]["created"] == 30
    said = b"".join(overheard.said)
    assert len(overheard.said) > 6
    assert b"GB" in said
    for secret in (world.token.encode(), str(tmp_path / "token").encode(), b"secret-path"):
        assert secret not in said


@given(rows=people(), batch=st.integers(1, 30), size=st.integers(1, 400))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_groups_do_not_depend_on_parts(
    rows: list[dict[str, str]], batch: int, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows that are one person, or a matter for review, are so however the file is cut."""
    folder = tmp_path_factory.mktemp("groups")
    source = folder / "people.csv"
    source.write_text(worlds.as_csv(rows), newline="")
    whole = left(folder / "whole", source, cut(Here(), *USUAL), ("plan",))
    assert left(folder / "parts", source, cut(Here(), batch, size), ("plan",)) == whole


# -- parts of a file -----------------------------------------------------------------------------


def joined(found: Iterable[Records]) -> tuple[list[int], list[dict[str, Any]], list[Any]]:
    """Return the lines, cells and problems of all batches, rows counted through."""
    lines: list[int] = []
    cells: list[dict[str, Any]] = []
    problems: list[Any] = []
    for batch in found:
        told = batch.problems.to_pylist()
        problems += [{**problem, "row": problem["row"] + len(lines)} for problem in told]
        lines += batch.lines.to_pylist()
        cells += batch.cells.to_pylist()
    return lines, cells, problems


@given(
    text=st.text(st.sampled_from('aé,"\n\r\0'), max_size=120),
    size=st.integers(1, 60),
    rows=st.integers(1, 9),
)
@settings(derandomize=True, deadline=None, max_examples=150)
def test_quoted_newlines_across_every_cut(
    text: str, size: int, rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Records, lines and problems are those of the file in one piece, wherever that was made."""
    folder = tmp_path_factory.mktemp("cuts")
    path = folder / "people.csv"
    path.write_text('a,"b\nb"\n' + text + ('"' if text.count('"') % 2 else ""), newline="")
    (source,) = open_sources([str(path)], config.Source(delimiter=","), folder)
    try:
        whole = joined(extract(source, config.Source()))
    except SourceError as refused:
        with pytest.raises(SourceError, match=re.escape(str(refused))):
            joined(_afar(source, rows, size))
        return
    assert joined(_afar(source, rows, size)) == whole
    assert joined(_apart(source, rows, size)) == whole


def _apart(source: Any, rows: int, size: int) -> Iterator[Records]:
    """Make records in another process of this machine: of what would be sent there."""
    for part in parts(source, config.Source(), Cut(rows, size), where="machine"):
        yield from records(pickle.loads(pickle.dumps(part)), source, rows)


def _afar(source: Any, rows: int, size: int) -> Iterator[Records]:
    """Make records where nothing of this machine is: of what would be sent there."""
    elsewhere = pickle.dumps(replace(source, path=Path("/nowhere/at-all")))
    for part in parts(source, config.Source(), Cut(rows, size), where="elsewhere"):
        yield from records(pickle.loads(pickle.dumps(part)), pickle.loads(elsewhere), rows)


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_row_groups_travel(compression: str, dictionary: bool, tmp_path: Path) -> None:
    """Any row groups of a file are read of the bytes that are sent along, and of no others."""
    table = pa.table(
        {
            "reference_id": [f"R{at}" for at in range(1000)],
            "note": ["one\ntwo" * (at % 5) or None for at in range(1000)],
            "visits": list(range(1000)),
            "tags": [[str(at % 3), "b"] for at in range(1000)],
        }
    )
    path = tmp_path / "people.parquet"
    pq.write_table(
        table,
        path,
        row_group_size=64,
        compression=compression,
        use_dictionary=dictionary,
        write_page_checksum=True,
        data_page_size=256,
    )
    (source,) = open_sources([str(path)], config.Source(), tmp_path)
    whole = joined(extract(source, config.Source()))
    assert whole[0] == list(range(1, 1001))
    for rows in (1, 64, 200, 5000):
        assert joined(_afar(source, rows, 1)) == whole
    sent = [
        sum(held.size for _, held in part.excerpt.spans)  # type: ignore[union-attr]
        for part in parts(source, config.Source(), Cut(64), where="elsewhere")
    ]
    assert len(sent) == 16
    assert max(sent) < path.stat().st_size / 2
