"""The suite runs to its end, its figures agree with each other, and its page shows all of them."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks things up in /proc")

ROOT = Path(__file__).parents[2]
SIZES = (300, 1000)
STAGES = {
    *("floor", "validate", "validate, row loop", "phones and emails, row loop"),
    *("start, validate", "read and check", "report, validate", "start", "read", "check"),
    *("import", "plan", "load", "attach", "verify", "import, nothing new", "report"),
    *("plan, row loop", "load, row loop", "verify, row loop", "match", "export csv"),
    *("export parquet", "engine local", "engine processes"),
}


def _suite(*options: str) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / "suite.py"), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a page of everything, at sizes that take no time."""
    folder = tmp_path_factory.mktemp("page")
    sizes = map(str, SIZES)
    told = _suite("--rows", *sizes, "--turns", "1", "--page", str(folder))
    assert "engine processes" in told
    return folder


@pytest.fixture(scope="module")
def result(page: Path) -> Any:
    """Return its figures."""
    return json.loads((page / "results" / "results.json").read_text(encoding="utf-8"))


def test_every_stage_is_measured(result: Any) -> None:
    """What cannot be measured here is named."""
    measured = {one["stage"] for one in result["stages"]}
    dask = "engine dask"

    assert measured >= STAGES
    assert (dask in measured) == (importlib.util.find_spec("distributed") is not None)
    assert {one["stage"] for one in result["left_out"]} == {dask} - measured


def test_the_figures_agree_with_each_other(result: Any) -> None:
    """Parts make up the whole, rates are rows by seconds, ratios those of the lines beside."""
    lines = {(one["stage"], one["rows"]): one for one in result["stages"]}
    floors = {rows: lines["floor", rows]["seconds"] for rows in SIZES}
    for (_, rows), one in lines.items():
        assert one["seconds"] >= 0
        assert one["cpu"] >= 0
        if one["seconds"]:
            assert one["rows_per_second"] == pytest.approx(rows / one["seconds"])
        if rows in floors:
            assert one["times_the_floor"] == pytest.approx(one["seconds"] / floors[rows])
    for whole, parts in (
        ("validate", ("start, validate", "read and check", "report, validate")),
        (
            "import",
            (
                *("start", "read", "check", "plan"),
                *("load", "attach", "verify", "report"),
            ),
        ),
    ):
        for rows in SIZES:
            together = sum(lines[part, rows]["seconds"] for part in parts)
            assert together == pytest.approx(lines[whole, rows]["seconds"], rel=0.25, abs=0.2)
            worked = sum(lines[part, rows]["cpu"] for part in parts)
            assert worked == pytest.approx(lines[whole, rows]["cpu"])
            most = max(lines[part, rows]["peak_mib"] for part in parts)
            assert most == pytest.approx(lines[whole, rows]["peak_mib"], rel=0.02)


def test_an_import_is_all_there(result: Any) -> None:
    """What it sent is what a hundred profiles a request need, and it left something."""
    for left in result["left"]:
        bulks = -(-left["written"] // 100)
        assert left["write_requests"] == left["verify_requests"] == bulks
        assert 0.8 * left["rows"] < left["written"] < left["rows"]
        assert left["night_requests"] < 10
        assert min(left[f"{what}_bytes"] for what in ("journal", "ledger", "artifact")) > 0


def test_the_page_shows_everything(page: Path, result: Any) -> None:
    """Every line of the table, what is on paper, and charts that a browser can draw."""
    text = (page / "RESULTS.md").read_text(encoding="utf-8")

    for one in result["stages"]:
        assert f"| {one['stage']} | {one['rows']:,} |" in text
    assert len(result["paper"]) == text.count("what limits it is")
    charts = re.findall(r"\]\((results/\w+\.svg)\)", text)
    assert len(charts) == 4
    for chart in charts:
        ElementTree.parse(page / chart)


def test_the_page_is_made_again_from_its_figures(page: Path, tmp_path: Path) -> None:
    """Byte for byte, and nothing is measured."""
    _suite("--from", str(page / "results" / "results.json"), "--page", str(tmp_path))

    for file in page.rglob("*.*"):
        assert (tmp_path / file.relative_to(page)).read_bytes() == file.read_bytes()


def test_a_size_that_takes_too_long_is_named() -> None:
    """What is left blank says why."""
    told = _suite("--only", "export", "--rows", "300", "900000", "--turns", "1")

    assert re.search(r"^export csv +29\d ", told, re.MULTILINE)
    assert "export csv, 900,000 rows: not measured, takes long" in told


def test_what_was_measured_before_ctrl_c_is_not_lost(tmp_path: Path) -> None:
    """What is there is written and shown; the suite says that it is not all, and ends with 1."""
    result = tmp_path / "result.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "suite.py"), "--only", "validate"]
    options = ["--rows", "300", "9000000", "--turns", "1", "--json", str(result)]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as suite:
        assert suite.stderr is not None
        while "9,000,000 rows" not in suite.stderr.readline():
            pass
        suite.send_signal(signal.SIGINT)
        told, said = suite.communicate(timeout=60)

    assert suite.returncode == 1
    assert "not everything was measured: stopped by Ctrl-C" in said
    assert re.search(r"^validate +300 ", told, re.MULTILINE)
    assert {one["rows"] for one in json.loads(result.read_text())["stages"]} == {300}
