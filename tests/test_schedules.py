"""The templates of ``configs/schedules``: do they say what the program takes, and do they act?

Where a template runs a command by a shell, it is run here with a ``square-etl`` that only ends with
an exit code and notes what it was given.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from etl.cli import main

FOLDER = Path(__file__).parent.parent / "configs" / "schedules"
TOKEN = "EAAAcanary"


def text(name: str) -> str:
    """Return a template."""
    return (FOLDER / name).read_text(encoding="utf-8")


def understood(command: str) -> None:
    """Fail unless the command line is one that the program takes."""
    words = shlex.split(command)
    assert words[0].endswith("square-etl")
    current: click.Command = main
    context: click.Context | None = None
    arguments = words[1:]
    while isinstance(current, click.Group):
        context = click.Context(current, parent=context, info_name=current.name)
        found = current.get_command(context, arguments[0])
        assert found is not None, f"there is no command {arguments[0]}"
        current, arguments = found, arguments[1:]
    ending = click.Context(current, parent=context)
    current.parse_args(ending, arguments)  # raises for what it does not know


@pytest.fixture
def pretended(tmp_path: Path) -> dict[str, str]:
    """An environment whose ``square-etl`` ends with $STATUS and notes arguments and token."""
    stub = tmp_path / "bin" / "square-etl"
    stub.parent.mkdir()
    stub.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {shlex.quote(str(tmp_path / "arguments"))}\n'
        f'echo "$SQUARE_ACCESS_TOKEN" > {shlex.quote(str(tmp_path / "token"))}\n'
        "exit $STATUS\n"
    )
    stub.chmod(0o755)
    return {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}


# -- cron ------------------------------------------------------------------------------------


def jobs() -> list[str]:
    """Return the commands of the crontab."""
    lines = [line for line in text("crontab").splitlines() if line and not line.startswith("#")]
    settings = [line for line in lines if re.match(r"[A-Z_]+=", line)]
    times = r"(?:[\d*/,-]+ ){3,4}"
    found = []
    for line in lines:
        if line not in settings:
            given = re.fullmatch(r"(\d+) (\d+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(.+)", line)
            assert given, f"{times}: {line}"
            found.append(given[6])
    return found


def test_cron_says_what_the_program_takes() -> None:
    """Import, resume, purge."""
    commands = [job.partition("||")[0].strip() for job in jobs()]
    assert [command.split()[1] for command in commands] == ["import", "runs", "runs"]
    for command in commands:
        understood(command)


@pytest.mark.parametrize(
    ("job", "quiet"), [(0, {0, 5}), (1, {0, 2, 5}), (2, {0})], ids=["import", "resume", "purge"]
)
def test_cron_keeps_quiet_about_overlaps(
    pretended: dict[str, str], job: int, quiet: set[int]
) -> None:
    """Another run at work, or nothing to resume, is no failure; all else is."""
    for status in range(7):
        ended = subprocess.run(
            ["/bin/sh", "-c", jobs()[job]], env={**pretended, "STATUS": str(status)}, check=False
        )
        assert (ended.returncode == 0) == (status in quiet), status


# -- systemd ---------------------------------------------------------------------------------


def test_systemd_units(tmp_path: Path) -> None:
    """One service, started by its timer; the token comes as a credential; 4 is tried again."""
    service = text("square-etl.service").replace("\\\n", " ")
    (command,) = re.findall(r"^ExecStart=(.+)$", service, re.M)
    understood(command.replace("${CREDENTIALS_DIRECTORY}", "/run/credentials"))
    assert "LoadCredential=token:" in service
    assert re.search(r"^SuccessExitStatus=3$", service, re.M)
    (never,) = re.findall(r"^RestartPreventExitStatus=(.+)$", service, re.M)
    assert {*map(int, never.split())} == {1, 2, 5, 6}
    assert "WantedBy=timers.target" in text("square-etl.timer")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """systemd's own checker finds nothing wrong."""
    program = tmp_path / "square-etl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = text("square-etl.service").replace("/opt/square-etl/bin/square-etl", str(program))
    (tmp_path / "square-etl.service").write_text(unit)
    shutil.copy(FOLDER / "square-etl.timer", tmp_path)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.glob("*.[st]*")))],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in checked.stderr.splitlines() if "square-etl." in line]
    assert (checked.returncode, said) == (0, [])


# -- Kubernetes ------------------------------------------------------------------------------


def test_kubernetes() -> None:
    """Never two at once, the token from a secret, and only what goes on is tried again."""
    claim, job = yaml.safe_load_all(text("kubernetes.yaml"))
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    inner = job["spec"]["jobTemplate"]["spec"]
    pod = inner["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # podFailurePolicy asks for it
    (container,) = pod["containers"]
    understood(shlex.join(["square-etl", *container["args"]]))
    ignored, failed = inner["podFailurePolicy"]["rules"]
    assert ignored["action"] == "Ignore"
    assert failed["onExitCodes"] == {
        "containerName": container["name"],
        "operator": "NotIn",
        "values": [4],
    }
    variables = {each["name"]: each for each in container["env"]}
    secret = variables["SQUARE_ACCESS_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": "square-token", "key": "token"}
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in pod["volumes"]}


# -- GitHub Actions --------------------------------------------------------------------------


def workflow() -> dict[str, Any]:
    """Return the workflow; YAML reads its ``on`` as true."""
    found: dict[str, Any] = yaml.safe_load(text("github-actions.yaml"))
    return found


@pytest.mark.parametrize(("status", "passes"), [(0, True), (3, True), (4, False), (6, False)])
def test_the_workflow_tells_exit_codes_apart(
    pretended: dict[str, str], tmp_path: Path, status: int, passes: bool
) -> None:
    """Rows that need a person are a warning; an incomplete import fails the night."""
    (step,) = [s for s in workflow()["jobs"]["import"]["steps"] if s.get("name") == "Import"]
    understood(re.sub(r"\\\n|> .*", " ", step["run"].partition(" > ")[0]))
    ended = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        env={**pretended, "STATUS": str(status)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode == 0) == passes
    assert ("::warning::" in ended.stdout) == (status == 3)


def test_the_workflow_keeps_secrets_and_people_to_itself() -> None:
    """The token is no argument, only counts are uploaded, and two nights do not overlap."""
    found = workflow()
    assert found["concurrency"] == {"group": "square-etl", "cancel-in-progress": False}
    steps = found["jobs"]["import"]["steps"]
    assert all("secrets." not in str(step.get("run", "")) for step in steps)
    (uploaded,) = [step["with"]["path"] for step in steps if "upload" in str(step.get("uses"))]
    assert uploaded == "report.json"
    (checked,) = [step["run"] for step in steps if "doctor" in str(step.get("run"))]
    understood(checked)


# -- Airflow ---------------------------------------------------------------------------------

# The names that the DAG uses of Airflow, for machines without it.
STAND_IN = """
class AirflowException(Exception): ...
class AirflowFailException(AirflowException): ...
class BaseHook:
    @staticmethod
    def get_connection(name):
        return type("Connection", (), {"password": "EAAAcanary" if name == "square" else None})
def dag(**settings):
    assert settings["max_active_runs"] == 1 and settings["catchup"] is False, settings
    assert settings["default_args"]["retries"] > 0
    return lambda function: function
def task(**settings):
    return lambda function: TASKS.append(function) or (lambda: None)
TASKS = []
"""
TRY = """
import airflow_dag
from airflow.stand_in import TASKS
(run,) = TASKS
try:
    print("said", run())
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (0, "said every row is loaded or left alone"),
        (3, "said some rows need a person"),
        (4, "AirflowException"),
        (2, "AirflowFailException"),
        (6, "AirflowFailException"),
    ],
)
def test_the_dag_judges_exit_codes(
    pretended: dict[str, str], tmp_path: Path, status: int, told: str
) -> None:
    """What goes on is retried, all else fails at once; the token is no argument."""
    package = tmp_path / "airflow"
    for name in ("decorators", "exceptions", "hooks/base"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / f"{name}.py").write_text("from airflow.stand_in import *\n")
    (package / "stand_in.py").write_text(STAND_IN)

    ended = subprocess.run(
        [sys.executable, "-c", TRY],
        env={**pretended, "STATUS": str(status), "PYTHONPATH": f"{tmp_path}:{FOLDER}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stdout.strip() == told, ended.stderr
    assert (tmp_path / "token").read_text().strip() == TOKEN
    assert TOKEN not in (tmp_path / "arguments").read_text()


def test_the_dag_says_what_the_program_takes() -> None:
    """Its command is one line of ours."""
    (command,) = re.findall(r"^COMMAND = \((.+?)^\)", text("airflow_dag.py"), re.M | re.S)
    understood(shlex.join(word.strip().strip('",') for word in command.strip().splitlines()))


def test_airflow_reads_the_dag() -> None:
    """Airflow itself finds one DAG in it, where it is installed."""
    models = pytest.importorskip("airflow.models")
    bag = models.DagBag(str(FOLDER / "airflow_dag.py"), include_examples=False)
    assert (list(bag.dags), bag.import_errors) == (["square_etl"], {})
