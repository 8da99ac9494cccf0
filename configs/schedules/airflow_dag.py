"""Nightly import by Airflow (2.9 or newer): put this file into the folder of DAGs.

The token is an Airflow connection ``square`` (its password), which a secrets backend can hold. It
reaches the command by the environment of that process, not by its arguments, and no log shows it.
The worker that runs it keeps the state folder: pin the task to one queue.
"""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta

from airflow.decorators import dag, task
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.hooks.base import BaseHook

COMMAND = (
    "square-etl",
    "import",
    "/srv/crm/customers.csv",
    "--config=/etc/square-etl/nightly_crm.toml",
    "--target=production",
    "--yes",
    "--log-json=-",
    "--quiet",
)
STATE = "/var/lib/square-etl"
INCOMPLETE, NEED_A_PERSON = 4, 3


def judge(status: int) -> str:
    """Say what an exit code means to the scheduler: retry what goes on, fail what waits."""
    if status == INCOMPLETE:
        raise AirflowException("incomplete: the next try gives the same command, which goes on")
    if status not in (0, NEED_A_PERSON):
        raise AirflowFailException(f"exit {status}: somebody has to look; trying again is no help")
    return "some rows need a person" if status else "every row is loaded or left alone"


@dag(
    dag_id="square_etl",
    schedule="17 2 * * *",
    start_date=datetime(2026, 1, 1),
    # Nights that were missed are not made up for one by one, and never two at once.
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 6,
        "retry_delay": timedelta(minutes=15),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(hours=6),
    },
    tags=["square"],
)
def square_etl() -> None:
    """Import last night's customers into Square."""

    @task(queue="square-etl")
    def import_customers() -> str:
        token = BaseHook.get_connection("square").password
        environment = {**os.environ, "SQUARE_ACCESS_TOKEN": token, "SQUARE_ETL_STATE": STATE}
        return judge(subprocess.run(COMMAND, env=environment, check=False).returncode)

    import_customers()


square_etl()
