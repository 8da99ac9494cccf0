"""Metrics: a textfile that Prometheus reads, whole at every moment."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.test_imports import BROKEN, PEOPLE, folder, run

__all__ = ["folder"]


@pytest.fixture
def config(folder: Path) -> str:
    """A config that writes metrics, and its name."""
    (folder / "c.toml").write_text('[metrics]\ntextfile = "square_etl.prom"\n')
    return "c.toml"


def samples(folder: Path) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return what Prometheus' own parser reads, by name."""
    text = (folder / "square_etl.prom").read_text()
    assert text.endswith("\n")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type == "gauge"
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def one(folder: Path, name: str, **labels: str) -> float:
    """Return the one sample that has these labels."""
    (value,) = [
        value
        for told, value in samples(folder)[f"square_etl_{name}"]
        if labels.items() <= told.items()
    ]
    return value


def test_an_import_in_figures(folder: Path, config: str) -> None:
    """Rows by outcome, calls, stages and the exit code are those of the report."""
    (folder / "people.csv").write_text(BROKEN)
    report = json.loads(run("import", "people.csv", "--config", config, "--output", "json").stdout)
    assert one(folder, "last_run_exit_code", command="import", target="local") == 3
    assert one(folder, "last_run_rows_read") == 3
    assert one(folder, "last_run_rows", outcome="created") == 2
    assert one(folder, "last_run_rows", outcome="rejected") == 1
    assert one(folder, "last_run_verified", result="matched") == 2
    assert abs(one(folder, "last_run_timestamp_seconds") - time.time()) < 60
    for endpoint, counts in report["requests"].items():
        for name, count in counts.items():
            assert one(folder, f"last_run_{name}", endpoint=endpoint) == count
    stages = {told["stage"] for told, _ in samples(folder)["square_etl_last_run_stage_seconds"]}
    assert stages == set(report["seconds"])


def test_the_last_success_stays(folder: Path, config: str) -> None:
    """A failure keeps the time of the last success: that is what an alert asks for."""
    (folder / "people.csv").write_text(BROKEN)
    run("import", "people.csv", "--config", config)
    assert "square_etl_last_success_timestamp_seconds" not in samples(folder)
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv", "--config", config)
    success = one(folder, "last_success_timestamp_seconds", command="import")
    assert success == one(folder, "last_run_timestamp_seconds")
    run("import", "nowhere.csv", "--config", config)
    assert one(folder, "last_run_exit_code") == 2
    assert one(folder, "last_success_timestamp_seconds", command="import") == success


def test_exports_have_figures_too(folder: Path, config: str) -> None:
    """An export tells its rows and its calls."""
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv")
    run("export", "out.csv", "--config", config)
    assert one(folder, "last_run_rows", command="export", outcome="exported") == 2


def test_the_exporter_can_read_it(folder: Path, config: str) -> None:
    """The node exporter is another user; nothing unfinished stands beside the file."""
    (folder / "people.csv").write_text(PEOPLE)
    run("import", "people.csv", "--config", config)
    assert (folder / "square_etl.prom").stat().st_mode & 0o777 == 0o644
    assert not list(folder.glob(".partial*"))


def test_metrics_that_cannot_be_written(folder: Path) -> None:
    """The run ends as it would; that the figures are missing is told."""
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "c.toml").write_text('[metrics]\ntextfile = "nowhere/square_etl.prom"\n')
    done = run("import", "people.csv", "--config", "c.toml")
    assert done.exit_code == 0
    assert "nowhere/square_etl.prom could not be written: No such file" in done.stderr


def test_a_file_that_is_not_collected_is_refused(folder: Path) -> None:
    """The collector reads files that end in .prom and no others."""
    (folder / "c.toml").write_text('[metrics]\ntextfile = "square_etl.txt"\n')
    done = run("import", "people.csv", "--config", "c.toml")
    assert done.exit_code == 2
    assert "end in .prom" in done.stderr
