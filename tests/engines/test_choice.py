"""Which engine is meant, and what is said when it cannot be used: before anything is made."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl.cli import main
from etl.engines import Choice, chosen
from etl.engines.cluster import reached
from etl.errors import ConfigError
from tests.engines.conftest import ROOT


def test_what_goes_together() -> None:
    """A scheduler means dask, a number of workers several processes, and nothing is ignored."""
    assert chosen(None, None, None) == Choice()
    assert chosen(None, 3, None) == Choice("processes", 3)
    assert chosen("local", 1, None).kind == "local"
    assert chosen(None, None, "tcp://a:1") == chosen("dask", None, "tcp://a:1")
    assert chosen("dask", 3, None) == Choice("dask", 3)
    for kind, workers, scheduler, said in (
        ("processes", None, "tcp://a:1", "of no use to the engine processes"),
        ("local", None, "tcp://a:1", "of no use to the engine local"),
        ("dask", 2, "tcp://a:1", "has workers of its own"),
        ("local", 2, None, "one process"),
        ("processes", 0, None, "at least 1"),
        ("spark", None, None, "local, processes, dask"),
    ):
        with pytest.raises(ConfigError, match=said):
            chosen(kind, workers, scheduler)


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small file, and nothing else."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "people.csv"
    path.write_text("Email\nada@example.com\n")
    return path


def run(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, list(arguments))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("command", ["import", "plan", "validate"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dask-scheduler", "tcp://127.0.0.1:PORT"], "no Dask scheduler answers there"),
        (["--dask-scheduler", "tls://127.0.0.1:PORT"], "no Dask scheduler answers there"),
        (["--dask-scheduler", "http://127.0.0.1:80"], "it is like tcp://host:8786"),
        (["--dask-scheduler", "127.0.0.1:8786"], "it is like tcp://host:8786"),
        (["--dask-scheduler", "tcp://127.0.0.1:99999"], "no Dask scheduler answers there"),
        (["--engine", "processes", "--dask-scheduler", "tcp://a:1"], "of no use"),
        (["--dask-scheduler", ""], "the address of the Dask scheduler is empty"),
    ],
)
def test_a_scheduler_that_cannot_be_used(
    people: Path, command: str, options: list[str], said: str
) -> None:
    """Exit 2 with the way out, and no folder was made."""
    options = [option.replace("PORT", str(_free_port())) for option in options]
    done = run(command, "people.csv", *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(people.parent.iterdir()) == [people]


def test_resuming_and_applying_choose_too(people: Path) -> None:
    """Every command that reads or checks rows takes the same options."""
    for command in (["apply", "20260101"], ["runs", "resume"]):
        done = run(*command, "--dask-scheduler", f"tcp://127.0.0.1:{_free_port()}")
        assert (done.exit_code, list(people.parent.iterdir())) == (2, [people])
        assert "no Dask scheduler answers there" in done.stderr


def test_nobody_says_anything() -> None:
    """A server that is no Dask scheduler, or one that hangs, is not waited for for long."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(ConfigError, match="no Dask scheduler answers there"),
            reached(address, patience=0.5),
        ):
            pass
    assert time.monotonic() - begun < 10


def test_without_the_extra(people: Path) -> None:
    """Who has no Dask is told what to install; whoever does not ask for it needs none."""
    code = (
        "import sys; sys.modules['distributed'] = None; from etl.cli import main; "
        "main(['validate', 'people.csv', '--engine', sys.argv[1]])"
    )
    for engine, status in (("dask", 2), ("local", 0), ("processes", 0)):
        done = subprocess.run(
            [sys.executable, "-c", code, engine],
            cwd=people.parent,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr
        if engine == "dask":
            assert "pip install 'square-etl[dask]'" in done.stderr
            assert list(people.parent.iterdir()) == [people]


@pytest.mark.parametrize(
    ("options", "files"),
    [(["--engine", "dask", "--workers", "2"], 40), (["--engine", "processes"], 30)],
)
def test_workers_that_cannot_be_started(people: Path, options: list[str], files: int) -> None:
    """The run says why, and stops as when workers are lost: it is gone on with without them."""
    if options[1] == "processes":
        options = [*options, "--workers", "200"]
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files})); "
        f"from etl.cli import main; main(['import', 'people.csv', *{options!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=people.parent,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4, done.stderr
    assert "workers could not be started on this machine" in done.stdout
    assert "Too many open files" in done.stdout
    assert "next: square-etl runs resume" in done.stdout
    assert "Traceback" not in done.stderr
    assert run("runs", "resume", "--engine", "local").exit_code == 0


def test_a_script_without_a_guard(people: Path) -> None:
    """Its workers would do all it does once more: they are not begun, and no run but its own is."""
    script = people.parent / "script.py"
    script.write_text(
        "from etl.api import validate\n"
        'print(validate(["people.csv"], engine="dask", workers=2)["status"])\n'
    )
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=people.parent,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "incomplete\n", done.stderr
    assert 'put what it does under if __name__ == "__main__"' in done.stderr
    assert len(list(people.parent.glob(".square-etl/runs/*"))) == 1
