"""An Airflow DAG (Airflow 3): every night one turn of the discovery loop. Copy it to the folder of DAGs."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta, timezone

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

COMMAND = [
    "scrubber", "discover", "/etc/scrubber/discover.toml",
    "--run-dir", "/var/lib/scrubber/discover", "--max-minutes", "120", "--quiet",
]  # fmt: skip


@dag(
    dag_id="scrubber_discover",
    schedule="17 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # the run folder takes one at a time
)
def scrubber_discover() -> None:
    @task(retries=2, retry_delay=timedelta(minutes=5), execution_timeout=timedelta(minutes=150))
    def turn() -> None:
        code = subprocess.run(COMMAND, check=False).returncode
        if code in (1, 2):  # refused by evidence, or asked wrongly: the next try would say the same
            raise AirflowFailException(f"scrubber discover: exit code {code}")
        if code:  # no verdict yet: the next try goes on where this one stopped
            raise AirflowException(f"scrubber discover: exit code {code}")

    turn()


scrubber_discover()
