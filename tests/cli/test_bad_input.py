"""Whatever lies in a file: a refusal in one sentence, or a verdict on every row. Never a crash.

Commands run with little memory. ``pytest -m long tests/cli/test_bad_input.py`` tries hundreds of
mutations of good files.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from etl.files.compression import compression_of, open_unpacked
from etl.sandbox import Sandbox
from tests.cli import bad_files
from tests.cli.confined import Confined, Done

MEMORY = 700 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files lie and the commands run."""
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def confined(folder: Path) -> Iterator[Confined]:
    """Return something that runs commands with little memory."""
    with Confined(folder, MEMORY) as running:
        yield running


def attempt(confined: Confined, folder: Path, command: str, name: str) -> dict[str, Any] | None:
    """Run a command on a file; return its report, or None if the file was refused.

    Whichever it was, it was done as the contract says.
    """
    state = folder / "state" / command / f"of {name}"
    done = confined.run(*(command, name, "--output", "json", "--quiet", "--state-dir", str(state)))
    if done.status == 2:
        refused(done, state)
        return None
    assert done.status in (0, 3), (name, done)
    report: dict[str, Any] = json.loads(done.out)
    assert report["exit_code"] == done.status
    assert report["balanced"]
    accounted(report, folder / name, state / "runs" / report["run_id"] / "rows.csv")
    return report


def refused(done: Done, state: Path) -> None:
    """Check that a refusal is one sentence of what to do, and that nothing was begun."""
    assert done.out == ""
    assert re.fullmatch(r"square-etl: [^\n]+\n", done.err), done
    assert not re.search(r"Traceback|bug in square-etl|Error\(", done.err), done
    assert len(done.err) < 1000, done
    assert not list(state.glob("runs/*"))
    if (state / "sandbox.sqlite").exists():
        with closing(Sandbox(state / "sandbox.sqlite")) as sandbox:
            assert sandbox.log() == []


def accounted(report: dict[str, Any], path: Path, ledger: Path) -> None:
    """Check that each row of a file is in the ledger, and each line of it in one row."""
    with open(ledger, encoding="utf-8", newline="") as file:
        starts = [int(row["line"]) for row in csv.DictReader(file)]
    assert report["rows"]["read"] == len(starts)
    if path.read_bytes().startswith(b"PAR1"):
        assert starts == list(range(1, pq.ParquetFile(path).metadata.num_rows + 1))
        return
    lines = physical_lines(path, report["sources"][0]["notes"])
    assert starts == sorted(set(starts))
    ends = [*(start - 1 for start in starts), len(lines)]
    header = lines[: ends[0]]
    delimiter = ";" if header[0] == "sep=;\n" else ","
    assert len(records(header, delimiter)) == 1 + (delimiter == ";"), header
    for start, end in zip(starts, ends[1:], strict=True):
        assert len(records(lines[start - 1 : end], delimiter)) == 1, (path, start, end)
        assert lines[start - 1].rstrip("\r\n"), (path, start)


def physical_lines(path: Path, notes: list[str]) -> list[str]:
    """Return the lines of a file as an editor shows them."""
    with open(path, "rb") as file:
        kind = compression_of(file.read(4096))
    with open_unpacked(path, path.name, kind) as unpacked:
        data = unpacked.read()
    marks = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encoding = next((name for mark, name in marks.items() if data.startswith(mark)), "utf-8-sig")
    if any(note.startswith("read as cp1252") for note in notes):
        encoding = "cp1252"
    text = data.decode(encoding)
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text)


def records(lines: list[str], delimiter: str) -> list[list[str]]:
    """Return the records some lines hold, blank lines left out."""
    csv.field_size_limit(1 << 30)
    text = io.StringIO("".join(lines), newline="")
    return [row for row in csv.reader(text, delimiter=delimiter) if row]


@pytest.mark.parametrize("name", bad_files.CASES)
def test_a_bad_file_is_refused_or_judged_row_by_row(
    confined: Confined, folder: Path, name: str
) -> None:
    """Damage in a file is a refusal or a matter of its rows."""
    (folder / name).write_bytes(bad_files.CASES[name]())
    report = attempt(confined, folder, "validate", name)

    assert report or not name.startswith("good")
    (folder / name).unlink()


@pytest.mark.long
@pytest.mark.parametrize("name", bad_files.LONG_CASES)
def test_a_bomb_that_takes_long(confined: Confined, folder: Path, name: str) -> None:
    """A bomb is refused, however it was packed."""
    (folder / name).write_bytes(bad_files.LONG_CASES[name]())

    assert attempt(confined, folder, "validate", name) is None


def test_what_is_no_file_is_refused(confined: Confined, folder: Path) -> None:
    """Folders, pipes, links to nowhere and names of nothing."""
    for name in bad_files.no_files(folder):
        assert attempt(confined, folder, "validate", name) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_file_is_refused(confined: Confined, folder: Path) -> None:
    """A file its reader has no right to."""
    (folder / "closed.csv").write_bytes(bad_files.GOOD)
    (folder / "closed.csv").chmod(0)

    assert attempt(confined, folder, "validate", "closed.csv") is None


_IMPORTED = (
    *("alien.parquet", "short rows.csv", "quote in the middle.csv", "nul.csv", "cut.csv.gz"),
    *("cp1252.csv", "bomb.csv.zst", "open quote at the end.csv", "cells of 2 MB.csv"),
)


@pytest.mark.parametrize("name", _IMPORTED)
def test_an_import_fares_alike(confined: Confined, folder: Path, name: str) -> None:
    """Importing a bad file refuses what validating it refuses, and rejects at least its rows."""
    (folder / name).write_bytes(bad_files.CASES[name]())
    judged = attempt(confined, folder, "validate", name)
    imported = attempt(confined, folder, "import", name)

    assert (judged is None) == (imported is None)
    if judged and imported:
        assert imported["rows"]["read"] == judged["rows"]["read"]
        assert imported["rows"]["rejected"] >= judged["rows"]["rejected"]


@pytest.mark.parametrize(
    "seeds",
    [
        range(30),
        *(pytest.param(range(n, n + 60), marks=pytest.mark.long) for n in range(30, 630, 60)),
    ],
    ids=str,
)
def test_mutations_of_good_files(confined: Confined, folder: Path, seeds: range) -> None:
    """Bytes changed, lost, doubled or moved anywhere."""
    for seed in seeds:
        name, data = bad_files.mutated(seed)
        (folder / name).write_bytes(data)
        attempt(confined, folder, "import" if seed % 10 == 7 else "validate", name)
